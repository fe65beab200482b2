//! `payments add`: watches payments, and saves their expected amounts.

use std::path::PathBuf;

use super::{Book, Consent};
use crate::cli::list::{List, Overview, Row, Source};
use crate::cli::prelude::*;
use crate::cli::values::{path, payment_id, sum};
use crate::domain::ExpectedBy;

/// Watch payments, and save an expected amount where there is none.
#[derive(Debug, Args)]
pub struct AddPayments {
    /// The shop's payment ids. A single `-` reads them from stdin: one a line, or `A-1, B-2`.
    #[arg(required_unless_present = "from", conflicts_with = "from", value_parser = payment_id, value_name = "ID")]
    ids: Vec<PaymentId>,
    /// Watch every row of a CSV file with the columns id, amount, currency; `-` reads it from stdin.
    #[arg(long, value_parser = path(), value_name = "FILE.csv")]
    from: Option<PathBuf>,
    /// The expected amount.
    #[arg(long, value_parser = Amount::typed, allow_negative_numbers = true, requires = "currency", conflicts_with = "from")]
    amount: Option<Amount>,
    /// The currency of the amount; case-sensitive.
    #[arg(long, value_parser = Currency::typed, requires = "amount", conflicts_with = "from")]
    currency: Option<Currency>,
    /// Replace an expected amount that is already saved.
    #[arg(long)]
    replace_expectation: bool,
}

impl DeckCommand for AddPayments {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let list = Source::named(self.from.as_deref(), &self.ids);
        let consent = Consent {
            flag: "--replace-expectation",
            allowed: self.replace_expectation,
            may_ask: !matches!(list, Ok(Some(_))),
        };
        let adder = Adder {
            book: Book::open(cx, consent)?,
            sum: sum(self.amount.as_ref(), self.currency.as_ref())
                .map(|sum| (sum, ExpectedBy::Command)),
            out: cx.out,
        };
        match list? {
            Some(source) => adder.add_list(source).await,
            None => adder.add(&self.ids).await,
        }
    }
}

struct Adder<'a> {
    book: Book<'a>,
    sum: Option<(Expected, ExpectedBy)>,
    out: &'a Out,
}

impl Adder<'_> {
    async fn add(&self, ids: &[PaymentId]) -> CommandResult {
        let mut exit = Exit::Done;
        for id in ids {
            match self.watch(id, self.sum.clone()).await {
                Ok(expected) => self.show_watched(id, expected.as_ref())?,
                Err(problem) => {
                    let fields = json!({ "account": self.book.account, "id": id });
                    exit = exit.and(self.out.fail_of(fields, &problem)?);
                }
            }
        }
        Ok(exit)
    }

    async fn add_list(&self, source: Source) -> CommandResult {
        let (list, overview) = List::read(source).await?;
        let (mut exit, mut added, mut failed) = (Exit::Done, 0_u64, 0_u64);
        for row in list.rows() {
            let row = row?;
            let line = row.line;
            let fields = json!({ "account": self.book.account, "id": row.id, "line": line });
            match self.add_row(row, &overview).await {
                Ok(Some((id, expected))) => {
                    added += 1;
                    self.show_watched(&id, expected.as_ref())?;
                }
                Ok(None) => {}
                Err(problem) => {
                    failed += 1;
                    let message = format!("line {line}: {}", problem.message);
                    let problem = Problem::new(problem.kind, message, problem.hint);
                    exit = exit.and(self.out.fail_of(fields, &problem)?);
                }
            }
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
    ) -> Result<Option<(PaymentId, Option<Expected>)>, Problem> {
        let bad = |why: String| usage(why, "correct the row");
        let order = row.order.map_err(bad)?;
        if let Some(duplicate) = overview.duplicates.get(&order.id) {
            if duplicate.differs {
                return Err(bad(duplicate.conflict()));
            }
            // An equal row is no mistake, and is watched once.
            if duplicate.first != row.line {
                return Ok(None);
            }
        }
        let of_row = order.sum.map(|sum| (sum, ExpectedBy::List));
        let expected = self.watch(&order.id, of_row.or(self.sum.clone())).await?;
        Ok(Some((order.id, expected)))
    }

    /// Sets the expected amount, then watches. Returns the expected amount in force.
    async fn watch(
        &self,
        id: &PaymentId,
        sum: Option<(Expected, ExpectedBy)>,
    ) -> Result<Option<Expected>, Problem> {
        let book = &self.book;
        let expected = if let Some((sum, by)) = sum {
            book.set(id, &sum, by).await?;
            Some(sum)
        } else {
            let current = book.deck.expectation(&book.account, id).await?;
            current.map(|current| current.sum)
        };
        book.deck.watch(&book.account, id).await?;
        Ok(expected)
    }

    fn show_watched(&self, id: &PaymentId, expected: Option<&Expected>) -> Result<(), OutputError> {
        let words = match expected {
            Some(sum) => format!("expected {sum}"),
            None => "no expected amount".into(),
        };
        let object = json!({
            "account": self.book.account,
            "id": id,
            "watched": true,
            "expected_amount": expected.map(|sum| &sum.amount),
            "expected_currency": expected.map(|sum| &sum.currency),
        });
        self.out.result(&object, &format!("watched: {id}, {words}"))
    }
}
