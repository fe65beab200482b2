//! `payments`: the watch list without the console.

mod list;

use serde_json::json;

use super::args::{AddPayments, ExpectPayment, PaymentsCommand, Source};
use super::list::{List, Overview, Row};
use super::output::{Out, OutputError, Tone};
use super::{Context, Exit, can_ask, prompt};
use crate::deck::Deck;
use crate::domain::{
    Ability, AccountId, Expectation, Expected, ExpectedBy, PaymentId, Problem, ProblemKind,
    Replaced, Watch,
};
use list::Format;

/// The option of `payments add` that replaces expected amounts.
const REPLACE: &str = "--replace-expectation";

pub async fn run(
    command: &PaymentsCommand,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, OutputError> {
    let open = || Book::open(context, deck, out);
    match command {
        PaymentsCommand::List(args) => {
            let format = match (out.json, args.csv) {
                (true, _) => Format::Json,
                (false, true) => Format::Csv,
                (false, false) => Format::Table,
            };
            list::list(&args.filters, format, context, deck, out).await
        }
        PaymentsCommand::Export(args) => {
            let format = if out.json { Format::Json } else { Format::Csv };
            list::list(&args.filters, format, context, deck, out).await
        }
        PaymentsCommand::Add(args) => match (open(), args.list()) {
            (Err(problem), _) | (_, Err(problem)) => out.fail(&problem),
            (Ok(book), Ok(Some(source))) => book.add_list(args, source).await,
            (Ok(book), Ok(None)) => book.add(args).await,
        },
        PaymentsCommand::Remove { ids } => remove(ids, context, deck, out).await,
        PaymentsCommand::Expect(args) => match open() {
            Ok(book) => book.expect(args).await,
            Err(problem) => out.fail(&problem),
        },
    }
}

/// The watch list, and the account of the command line.
async fn selection(
    context: &Context,
    deck: &Deck,
) -> Result<(Vec<Watch>, Option<AccountId>), Problem> {
    let watches = deck.watchlist().await?.watches;
    let account = context.account();
    let account = account
        .map(|name| owner(name, &watches, deck))
        .transpose()?;
    Ok((watches, account))
}

/// The account of this name: a configured one, or a removed one that still has watched payments.
fn owner(name: &str, watches: &[Watch], deck: &Deck) -> Result<AccountId, Problem> {
    let is_configured = deck.accounts().any(|account| account.id.as_str() == name);
    let mut owners = watches.iter().map(|watch| &watch.account);
    match owners.find(|account| account.as_str() == name) {
        // `pick` knows only configured accounts; rows of a removed one must still be removable.
        Some(account) if !is_configured => Ok(account.clone()),
        Some(_) | None => Ok(deck.pick(Some(name), Some(Ability::Payments))?.id),
    }
}

/// Rejects a change that would be lost when this process ends.
fn must_keep_payments(deck: &Deck) -> Result<(), Problem> {
    if deck.forgets_payments() {
        return Err(Problem::new(
            ProblemKind::Usage,
            "the built-in simulator does not save its watch list",
            "choose a profile with accounts (--profile), or run `tilldeck sandbox serve` and use it in a profile",
        ));
    }
    Ok(())
}

/// Stops watching payments, even if their accounts are no longer configured.
async fn remove(
    ids: &[PaymentId],
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, OutputError> {
    if let Err(problem) = must_keep_payments(deck) {
        return out.fail(&problem);
    }
    let (watches, account) = match selection(context, deck).await {
        Ok(selected) => selected,
        Err(problem) => return out.fail(&problem),
    };
    let mut exit = Exit::Done;
    for id in ids {
        let removed = async {
            let account = watching(id, account.as_ref(), &watches)?;
            // Another tilldeck may have removed it in the meantime.
            if deck.unwatch(account, id).await? {
                Ok(account)
            } else {
                Err(not_watched(id))
            }
        };
        let done = match removed.await {
            Ok(account) if out.json => {
                out.object(&json!({ "account": account, "id": id, "watched": false }))?;
                Exit::Done
            }
            Ok(_) => {
                out.line(&format!("no longer watched: {id}"))?;
                Exit::Done
            }
            Err(problem) => out.fail(&problem)?,
        };
        exit = exit.and(done);
    }
    Ok(exit)
}

/// The account that watches a payment.
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
        (Some(first), Some(second)) => Err(Problem::new(
            ProblemKind::Usage,
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

/// How a saved expected amount may be replaced.
#[derive(Clone, Copy)]
struct Consent {
    /// The option that allows it without a prompt.
    flag: &'static str,
    /// Whether the command line has that option.
    allowed: bool,
    /// Whether to prompt; not for a list, which has too many rows.
    may_ask: bool,
}

/// The watch list and the expected amounts of one account.
struct Book<'a> {
    account: AccountId,
    deck: &'a Deck,
    out: &'a Out,
}

impl<'a> Book<'a> {
    /// The account of the command line, if it can be changed.
    fn open(context: &Context, deck: &'a Deck, out: &'a Out) -> Result<Self, Problem> {
        let account = deck.pick(context.account(), Some(Ability::Payments))?.id;
        must_keep_payments(deck)?;
        Ok(Self { account, deck, out })
    }

    async fn add(&self, args: &AddPayments) -> Result<Exit, OutputError> {
        let consent = Consent {
            flag: REPLACE,
            allowed: args.replace_expectation,
            may_ask: true,
        };
        let mut exit = Exit::Done;
        for id in &args.ids {
            let sum = args.expected().map(|sum| (sum, ExpectedBy::Command));
            exit = exit.and(match self.watch(id, sum, consent).await {
                Ok(expected) => self.show_watched(id, expected.as_ref())?,
                Err(problem) => self.out.fail(&problem)?,
            });
        }
        Ok(exit)
    }

    /// Watches every row of a list.
    async fn add_list(&self, args: &AddPayments, source: Source) -> Result<Exit, OutputError> {
        let (list, overview) = match List::read(source).await {
            Ok(read) => read,
            Err(problem) => return self.out.fail(&problem),
        };
        let consent = Consent {
            flag: REPLACE,
            allowed: args.replace_expectation,
            may_ask: false,
        };
        let (mut exit, mut added, mut failed) = (Exit::Done, 0_u64, 0_u64);
        for row in list.rows() {
            let row = match row {
                Ok(row) => row,
                Err(problem) => return self.out.fail(&problem),
            };
            let line = row.line;
            let done = match self.add_row(row, &overview, args, consent).await {
                Ok(Some((id, expected))) => {
                    added += 1;
                    self.show_watched(&id, expected.as_ref())?
                }
                Ok(None) => Exit::Done,
                Err(problem) => {
                    failed += 1;
                    let message = format!("line {line}: {}", problem.message);
                    self.out
                        .fail(&Problem::new(problem.kind, message, problem.hint))?
                }
            };
            exit = exit.and(done);
        }
        self.out.say(&match failed {
            0 => format!("{added} watched"),
            failed => format!("{added} watched, {failed} not added"),
        });
        Ok(exit)
    }

    /// Watches one row; `None` where an earlier row is the same.
    async fn add_row(
        &self,
        row: Row,
        overview: &Overview,
        args: &AddPayments,
        consent: Consent,
    ) -> Result<Option<(PaymentId, Option<Expected>)>, Problem> {
        let usage = |why: String| Problem::new(ProblemKind::Usage, why, "correct the row");
        let order = row.order.map_err(usage)?;
        if let Some(duplicate) = overview.duplicates.get(&order.id) {
            if duplicate.differs {
                return Err(usage(duplicate.conflict()));
            }
            // An equal row is no mistake, and is watched once.
            if duplicate.first != row.line {
                return Ok(None);
            }
        }
        let of_row = order.sum.map(|sum| (sum, ExpectedBy::List));
        let of_all = args.expected().map(|sum| (sum, ExpectedBy::Command));
        let sum = of_row.or(of_all);
        let expected = self.watch(&order.id, sum, consent).await?;
        Ok(Some((order.id, expected)))
    }

    /// Sets the expected amount, then watches. Returns the expected amount in force.
    async fn watch(
        &self,
        id: &PaymentId,
        sum: Option<(Expected, ExpectedBy)>,
        consent: Consent,
    ) -> Result<Option<Expected>, Problem> {
        let expected = if let Some((sum, by)) = sum {
            self.set(id, &sum, by, consent).await?;
            Some(sum)
        } else {
            let current = self.deck.expectation(&self.account, id).await?;
            current.map(|current| current.sum)
        };
        self.deck.watch(&self.account, id).await?;
        Ok(expected)
    }

    fn show_watched(
        &self,
        id: &PaymentId,
        expected: Option<&Expected>,
    ) -> Result<Exit, OutputError> {
        if self.out.json {
            self.out.object(&json!({
                "account": self.account,
                "id": id,
                "watched": true,
                "expected_amount": expected.map(|sum| &sum.amount),
                "expected_currency": expected.map(|sum| &sum.currency),
            }))?;
        } else {
            let expected = match expected {
                Some(sum) => format!("expected {sum}"),
                None => "no expected amount".into(),
            };
            self.out.line(&format!("watched: {id}, {expected}"))?;
        }
        Ok(Exit::Done)
    }

    async fn expect(&self, args: &ExpectPayment) -> Result<Exit, OutputError> {
        let consent = Consent {
            flag: "--yes",
            allowed: args.yes,
            may_ask: true,
        };
        let sum = Expected {
            amount: args.amount.clone(),
            currency: args.currency.clone(),
        };
        // Printed before the change: a failure to print afterwards would report a saved change as failed.
        let is_known = match self.is_known(&args.id).await {
            Ok(is_known) => is_known,
            Err(problem) => return self.out.fail(&problem),
        };
        let before = match self.set(&args.id, &sum, ExpectedBy::Command, consent).await {
            Ok(before) => before.map(|before| before.sum),
            Err(problem) => return self.out.fail(&problem),
        };
        if !is_known {
            let words = format!(
                "payment {} is not watched and was never seen; check the id",
                args.id
            );
            self.out.message(Tone::Warn, "warning:", &words);
        }
        if self.out.json {
            self.out.object(&json!({
                "account": self.account,
                "id": args.id,
                "expected_amount": sum.amount,
                "expected_currency": sum.currency,
                "previous_amount": before.as_ref().map(|sum| &sum.amount),
                "previous_currency": before.as_ref().map(|sum| &sum.currency),
            }))?;
            return Ok(Exit::Done);
        }
        self.out.line(&match before {
            Some(before) if before == sum => {
                format!("expected amount of {}: {sum}, unchanged", args.id)
            }
            Some(before) => {
                format!(
                    "expected amount of {} changed from {before} to {sum}",
                    args.id
                )
            }
            None => format!("expected amount of {}: {sum}", args.id),
        })?;
        Ok(Exit::Done)
    }

    /// Whether a payment is watched, was seen, or has an expected amount, as after `link --no-watch`.
    async fn is_known(&self, id: &PaymentId) -> Result<bool, Problem> {
        if self.deck.expectation(&self.account, id).await?.is_some() {
            return Ok(true);
        }
        let watches = self.deck.watchlist().await?.watches;
        let mut watches = watches.iter();
        let is_watched = watches.any(|watch| watch.id == *id && watch.account == self.account);
        Ok(is_watched
            || self
                .deck
                .last_observation(&self.account, id)
                .await?
                .is_some())
    }

    /// Sets the expected amount. Replaces a different one only with consent. Returns the previous one.
    async fn set(
        &self,
        id: &PaymentId,
        sum: &Expected,
        by: ExpectedBy,
        consent: Consent,
    ) -> Result<Option<Expectation>, Problem> {
        let set = |replaced| {
            self.deck
                .expect(&self.account, id, sum.clone(), by, replaced)
        };
        let replaced = if consent.allowed {
            Replaced::Confirmed
        } else {
            Replaced::Never
        };
        let current = match set(replaced).await? {
            Ok(before) => return Ok(before),
            Err(current) => current,
        };
        let unchanged = |current: &Expectation, hint: String| {
            let message = format!(
                "account {}: payment {id} expects {current}, not {sum}; nothing was changed",
                self.account
            );
            Problem::new(ProblemKind::Usage, message, hint)
        };
        if !consent.may_ask || !can_ask() {
            let why = if consent.may_ask {
                "not a terminal: "
            } else {
                ""
            };
            let hint = format!("{why}pass {} to change it", consent.flag);
            return Err(unchanged(&current, hint));
        }
        let question = format!("{id} expects {current}. Change it to {sum}? [y/N] ");
        // A "no" is reported like a missing option: nothing was changed.
        let message = unchanged(&current, String::new()).message;
        prompt::confirm(&question, &message).await?;
        // Only what was shown may be replaced: another process may change it during the prompt.
        set(Replaced::Shown(current.sum.clone()))
            .await?
            .map_err(|current| unchanged(&current, "it has changed in the meantime".into()))
    }
}
