//! `payments expect`: sets the expected amount of a payment.

use super::{Book, Consent, is_known, unknown};
use crate::cli::prelude::*;
use crate::cli::values::payment_id;
use crate::domain::ExpectedBy;

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
