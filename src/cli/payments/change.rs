//! `payments expect`, `note` and `remove`: changes of one payment, even if its account is no longer configured.

use super::{Book, Consent, is_known, must_keep_payments, selection, unknown};
use crate::cli::prelude::*;
use crate::cli::values::payment_id;
use crate::domain::{ExpectedBy, Note, Watch};

/// Set the expected amount of a payment. Replacing one needs confirmation.
#[derive(Debug, Args)]
pub struct ExpectPayment {
    /// The shop's payment id.
    #[arg(value_parser = payment_id, value_name = "ID")]
    id: PaymentId,
    /// The expected amount.
    #[arg(long, value_parser = Amount::typed, allow_negative_numbers = true)]
    amount: Amount,
    /// The currency of the amount; case-sensitive.
    #[arg(long, value_parser = Currency::typed)]
    currency: Currency,
    /// Replace a saved expected amount without asking.
    #[arg(long)]
    yes: bool,
}

impl DeckCommand for ExpectPayment {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let consent = Consent {
            flag: "--yes",
            allowed: self.yes,
            may_ask: true,
        };
        let book = Book::open(cx, consent)?;
        let id = &self.id;
        let sum = Expected {
            amount: self.amount,
            currency: self.currency,
        };
        // Read before the change: a failure to read afterwards would report a saved change as failed.
        let is_known = is_known(book.deck, &book.account, id).await?;
        let before = book.set(id, &sum, ExpectedBy::Command).await?;
        let before = before.map(|before| before.sum);
        if !is_known {
            cx.out.warn(&unknown(id));
        }
        let object = json!({
            "account": book.account,
            "id": id,
            "expected_amount": sum.amount,
            "expected_currency": sum.currency,
            "previous_amount": before.as_ref().map(|sum| &sum.amount),
            "previous_currency": before.as_ref().map(|sum| &sum.currency),
        });
        let words = match before {
            Some(before) if before == sum => format!("expected amount of {id}: {sum}, unchanged"),
            Some(before) => format!("expected amount of {id} changed from {before} to {sum}"),
            None => format!("expected amount of {id}: {sum}"),
        };
        cx.out.result(&object, &words)?;
        Ok(Exit::Done)
    }
}

/// Add a note to a payment; without a text, list its notes.
#[derive(Debug, Args)]
pub struct NotePayment {
    /// The shop's payment id.
    #[arg(value_parser = payment_id, value_name = "ID")]
    id: PaymentId,
    /// One line of up to 500 characters.
    #[arg(value_parser = Note::typed, value_name = "NOTE")]
    text: Option<String>,
    #[command(flatten)]
    format: AsCsv,
}

impl DeckCommand for NotePayment {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        must_keep_payments(cx.deck)?;
        let account = cx.account(Ability::Payments)?.id;
        let (deck, id, out) = (cx.deck, &self.id, &self.format.on(cx.out));
        let fields = "account,id,note,noted_by,noted_at";
        let mut listing = Listing::new(out, ["noted", "note", "by"], fields.split(','));
        if let Some(text) = self.text {
            deck.note(&account, id, text.clone()).await?;
            if !is_known(deck, &account, id).await? {
                out.warn(&unknown(id));
            }
            let object = json!({ "account": account, "id": id, "note": text });
            if out.format == Format::Csv {
                listing.row(&object, [plain(text), plain(""), plain("")])?;
            } else {
                out.result(&object, &format!("note saved: {id}"))?;
            }
            return Ok(Exit::Done);
        }
        cx.must_read_ledger().await?;
        let notes = deck.notes(&account, id).await?;
        for note in &notes {
            let at = note.at.rfc3339();
            let object = json!({
                "account": account,
                "id": id,
                "note": note.text,
                "noted_by": note.operator,
                "noted_at": at,
            });
            let row = [
                toned(at, Tone::Dim),
                plain(note.text.as_str()),
                toned(note.operator.as_str(), Tone::Dim),
            ];
            listing.row(&object, row)?;
        }
        listing.flush()?;
        if notes.is_empty() {
            out.explain(&format!("payment {id} has no notes"));
        }
        Ok(Exit::Done)
    }
}

/// Stop watching payments. Their history and expected amounts stay saved.
#[derive(Debug, Args)]
pub struct RemovePayments {
    /// The shop's payment ids.
    #[arg(required = true, value_parser = payment_id, value_name = "ID")]
    ids: Vec<PaymentId>,
}

impl DeckCommand for RemovePayments {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        must_keep_payments(cx.deck)?;
        let (watches, account) = selection(cx).await?;
        let mut exit = Exit::Done;
        for id in &self.ids {
            let owner = watching(id, account.as_ref(), &watches);
            let known = owner.as_ref().ok().copied().or(account.as_ref());
            let fields = json!({ "account": known, "id": id });
            let removed = async {
                let account = owner?;
                // Another tilldeck may have removed it in the meantime.
                if !cx.deck.unwatch(account, id).await? {
                    return Err(not_watched(id).into());
                }
                let object = json!({ "account": account, "id": id, "watched": false });
                cx.out
                    .result(&object, &format!("no longer watched: {id}"))?;
                Ok(Exit::Done)
            };
            exit = exit.and(cx.out.settle_of(fields, removed.await)?);
        }
        Ok(exit)
    }
}

fn watching<'a>(
    id: &PaymentId,
    account: Option<&AccountId>,
    watches: &'a [Watch],
) -> Result<&'a AccountId, Problem> {
    let mut owners = watches
        .iter()
        .filter(|watch| watch.id == *id && account.is_none_or(|account| watch.account == *account))
        .map(|watch| &watch.account);
    match (owners.next(), owners.next()) {
        (None, _) => Err(not_watched(id)),
        (Some(owner), None) => Ok(owner),
        (Some(first), Some(second)) => Err(usage(
            format!("payment {id} is watched in the accounts {first} and {second}"),
            "choose one with --account",
        )),
    }
}

fn not_watched(id: &PaymentId) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        format!("payment {id} is not watched"),
        "`tilldeck payments list` shows all watched payments",
    )
}
