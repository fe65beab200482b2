//! The arguments of `check` and `payments`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::values::{Goal, amount, currency, duration, goal, path, payment_id, state, verdict};
use crate::domain::{
    Amount, Currency, Expected, PaymentId, PaymentState, PaymentVerdict, Problem, ProblemKind,
};

const LIST: &str = "Lists";
const EXPECTATIONS: &str = "Expectations";
const WAITING: &str = "Waiting";

pub(super) const CHECK: &str = "\
A list is a CSV file. Its first line names the columns: `id` (or `transactionKey`, `order`, `order_id`, `payment`, \
`payment_id`), and optionally `amount` and `currency`. Other columns are copied to a CSV result. Separators are comma, \
semicolon or tab. A row without an amount is compared with the saved expected amount.

A payment is paid when it is FINALIZED with the expected amount and currency. Without an expected amount its verdict \
is `not_compared`, and `paid` is null.";

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The shop's payment ids. A single `-` reads them from stdin, one per line.
    #[arg(required_unless_present = "from", conflicts_with = "from", value_parser = payment_id, value_name = "ID")]
    pub ids: Vec<PaymentId>,
    /// Exit with 1 unless the payment is in this state. PAID means FINALIZED with the expected amount and currency. Any
    /// other state ignores the saved expected amount.
    #[arg(long, value_parser = goal, value_name = "STATE|PAID", help_heading = EXPECTATIONS)]
    pub expect: Option<Goal>,
    /// Exit with 1 unless the amount is equal (1.0 equals 1.00).
    #[arg(long, value_parser = amount, allow_negative_numbers = true, requires = "currency", conflicts_with = "from", help_heading = EXPECTATIONS)]
    pub amount: Option<Amount>,
    /// Exit with 1 unless the currency is equal; case-sensitive.
    #[arg(long, value_parser = currency, requires = "amount", conflicts_with = "from", help_heading = EXPECTATIONS)]
    pub currency: Option<Currency>,
    /// Check again until the payment is in this state. PAID waits for FINALIZED, then compares the amount.
    #[arg(long, value_parser = goal, value_name = "STATE|PAID", conflicts_with = "from", help_heading = WAITING)]
    pub wait: Option<Goal>,
    /// Stop waiting after this time (30s, 10m, 1h30m, 1d).
    #[arg(long, value_parser = duration, allow_negative_numbers = true, default_value = "10m", requires = "wait", value_name = "TIME", help_heading = WAITING)]
    pub timeout: Duration,
    /// Exit with 6 instead of waiting when the rate limit is reached.
    #[arg(long, help_heading = WAITING)]
    pub no_wait: bool,
    /// Check every row of a CSV file; `-` reads it from stdin.
    #[arg(long, value_parser = path(), value_name = "FILE.csv", help_heading = LIST)]
    pub from: Option<PathBuf>,
    /// Save each result in this CSV file. A later run with the same file skips payments whose saved result is final or
    /// less than an hour old.
    #[arg(long, value_parser = path(), value_name = "RESULTS.csv", help_heading = LIST)]
    pub resume: Option<PathBuf>,
    /// Print the rows as CSV.
    #[arg(long, conflicts_with = "json", help_heading = LIST)]
    pub csv: bool,
}

/// Where a list of payments comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Ids on stdin, one per line.
    Ids,
    /// CSV on stdin.
    Stdin,
    /// A CSV file.
    File(PathBuf),
}

impl Source {
    /// From the value of `--from`.
    #[must_use]
    pub fn named(path: &std::path::Path) -> Self {
        if path == "-" {
            Self::Stdin
        } else {
            Self::File(path.to_owned())
        }
    }
}

impl Check {
    /// The expected amount from the options.
    #[must_use]
    pub fn expected(&self) -> Option<Expected> {
        sum(self.amount.as_ref(), self.currency.as_ref())
    }

    /// The list to check, if the arguments name one.
    ///
    /// # Errors
    /// If options do not go together.
    pub fn list(&self) -> Result<Option<Source>, Problem> {
        let unusable =
            |message: &str, hint: &str| Err(Problem::new(ProblemKind::Usage, message, hint));
        if let Some(path) = &self.from {
            return Ok(Some(Source::named(path)));
        }
        if !reads_ids(&self.ids)? {
            return if self.resume.is_some() || self.csv {
                unusable(
                    "--resume and --csv need a list of payments",
                    "pass --from FILE.csv, or `check -` with ids on stdin",
                )
            } else {
                Ok(None)
            };
        }
        if self.wait.is_some() {
            return unusable(
                "--wait needs payment ids, not a list",
                "pass the ids of the payments to wait for",
            );
        }
        Ok(Some(Source::Ids))
    }
}

/// Whether the ids come from stdin.
fn reads_ids(ids: &[PaymentId]) -> Result<bool, Problem> {
    let reads = ids.iter().any(|id| id.as_str() == "-");
    if reads && ids.len() > 1 {
        return Err(Problem::new(
            ProblemKind::Usage,
            "`-` cannot be combined with payment ids",
            "pass either ids or `-` (ids on stdin)",
        ));
    }
    Ok(reads)
}

fn sum(amount: Option<&Amount>, currency: Option<&Currency>) -> Option<Expected> {
    let (amount, currency) = (amount?.clone(), currency?.clone());
    Some(Expected { amount, currency })
}

/// `payments`.
#[derive(Debug, Subcommand)]
pub enum PaymentsCommand {
    /// List watched payments with their last known state, received and expected amounts.
    List(ListPayments),
    /// Watch payments, and save an expected amount where there is none.
    Add(AddPayments),
    /// Stop watching payments. Their history and expected amounts stay saved.
    Remove {
        /// The shop's payment ids.
        #[arg(required = true, value_parser = payment_id, value_name = "ID")]
        ids: Vec<PaymentId>,
    },
    /// Set the expected amount of a payment. Replacing one needs confirmation.
    Expect(ExpectPayment),
    /// Print watched payments as CSV, or as one JSON object per line with --json.
    Export(ExportPayments),
}

/// `payments list`.
#[derive(Debug, Args)]
pub struct ListPayments {
    /// Which payments to list.
    #[command(flatten)]
    pub filters: Filters,
    /// Print the rows as CSV.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// `payments export`.
#[derive(Debug, Args)]
pub struct ExportPayments {
    /// Which payments to export.
    #[command(flatten)]
    pub filters: Filters,
    /// Print the rows as CSV (the default).
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// Selects watched payments.
#[derive(Debug, Args)]
pub struct Filters {
    /// Only payments in this state.
    #[arg(long, value_parser = state, value_name = "STATE")]
    pub state: Option<PaymentState>,
    /// Only payments with this verdict: open, paid, less, more, `not_compared`, …
    #[arg(long, value_parser = verdict, value_name = "VERDICT")]
    pub verdict: Option<PaymentVerdict>,
    /// Only payments unchanged for longer than this (1h, 2d).
    #[arg(long, value_parser = duration, allow_negative_numbers = true, value_name = "TIME")]
    pub older_than: Option<Duration>,
    /// Only payments that changed within this time (30m, 1h).
    #[arg(long, value_parser = duration, allow_negative_numbers = true, value_name = "TIME")]
    pub newer_than: Option<Duration>,
}

/// `payments add`.
#[derive(Debug, Args)]
pub struct AddPayments {
    /// The shop's payment ids. A single `-` reads them from stdin, one per line.
    #[arg(required_unless_present = "from", conflicts_with = "from", value_parser = payment_id, value_name = "ID")]
    pub ids: Vec<PaymentId>,
    /// Watch every row of a CSV file with the columns id, amount, currency; `-` reads it from stdin.
    #[arg(long, value_parser = path(), value_name = "FILE.csv")]
    pub from: Option<PathBuf>,
    /// The expected amount.
    #[arg(long, value_parser = amount, allow_negative_numbers = true, requires = "currency", conflicts_with = "from")]
    pub amount: Option<Amount>,
    /// The currency of the amount; case-sensitive.
    #[arg(long, value_parser = currency, requires = "amount", conflicts_with = "from")]
    pub currency: Option<Currency>,
    /// Replace an expected amount that is already saved.
    #[arg(long)]
    pub replace_expectation: bool,
}

impl AddPayments {
    /// The list to watch, if the arguments name one.
    ///
    /// # Errors
    /// If `-` stands beside ids.
    pub fn list(&self) -> Result<Option<Source>, Problem> {
        match &self.from {
            Some(path) => Ok(Some(Source::named(path))),
            None => Ok(reads_ids(&self.ids)?.then_some(Source::Ids)),
        }
    }

    /// The expected amount from the options.
    #[must_use]
    pub fn expected(&self) -> Option<Expected> {
        sum(self.amount.as_ref(), self.currency.as_ref())
    }
}

/// `payments expect`.
#[derive(Debug, Args)]
pub struct ExpectPayment {
    /// The shop's payment id.
    #[arg(value_parser = payment_id, value_name = "ID")]
    pub id: PaymentId,
    /// The expected amount.
    #[arg(long, value_parser = amount, allow_negative_numbers = true)]
    pub amount: Amount,
    /// The currency of the amount; case-sensitive.
    #[arg(long, value_parser = currency)]
    pub currency: Currency,
    /// Replace a saved expected amount without asking.
    #[arg(long)]
    pub yes: bool,
}
