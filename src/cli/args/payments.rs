//! `check` and `payments` as they may be written.

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
A list is a CSV file whose first line names its columns: `id` (also `transactionKey`, `order`, `order_id`, `payment`,
`payment_id`), and optionally `amount` and `currency`. Further columns are carried through to a CSV result. Comma,
semicolon and tab separate columns. A row without a sum is compared with the saved expected amount.

A payment is paid when it is FINALIZED with the expected amount and currency. Without an expected amount it is
`not_compared`, and `paid` is null.";

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The shop's ids of the payments; a single `-` reads them from standard input, one a line.
    #[arg(required_unless_present = "from", conflicts_with = "from", value_parser = payment_id, value_name = "ID")]
    pub ids: Vec<PaymentId>,
    /// Exit with 1 unless the payment is in this state. PAID also compares amount and currency; a state does not compare
    /// with the saved expected amount.
    #[arg(long, value_parser = goal, value_name = "STATE|PAID", help_heading = EXPECTATIONS)]
    pub expect: Option<Goal>,
    /// Exit with 1 unless the amount equals this one, by value.
    #[arg(long, value_parser = amount, requires = "currency", conflicts_with = "from", help_heading = EXPECTATIONS)]
    pub amount: Option<Amount>,
    /// Exit with 1 unless the currency is this one; case matters.
    #[arg(long, value_parser = currency, requires = "amount", conflicts_with = "from", help_heading = EXPECTATIONS)]
    pub currency: Option<Currency>,
    /// Check again until the payment is in this state. PAID waits for FINALIZED, then compares.
    #[arg(long, value_parser = goal, value_name = "STATE|PAID", conflicts_with = "from", help_heading = WAITING)]
    pub wait: Option<Goal>,
    /// Give up waiting after this long (30s, 10m, 1h30m, 1d).
    #[arg(long, value_parser = duration, default_value = "10m", requires = "wait", value_name = "TIME", help_heading = WAITING)]
    pub timeout: Duration,
    /// Exit with 6 instead of waiting for a slot in the rate budget.
    #[arg(long, help_heading = WAITING)]
    pub no_wait: bool,
    /// Check every row of a CSV file; `-` reads it from standard input.
    #[arg(long, value_parser = path(), value_name = "FILE.csv", help_heading = LIST)]
    pub from: Option<PathBuf>,
    /// Save each answer in this file, and do not check again what it answers already.
    #[arg(long, value_parser = path(), value_name = "STATE.csv", help_heading = LIST)]
    pub resume: Option<PathBuf>,
    /// Print the rows as CSV.
    #[arg(long, conflicts_with = "json", help_heading = LIST)]
    pub csv: bool,
}

/// Where a list of payments comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Ids on standard input, one a line.
    Ids,
    /// CSV on standard input.
    Stdin,
    /// A CSV file.
    File(PathBuf),
}

impl Source {
    /// From what `--from` names.
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
    /// The sum that the flags expect.
    #[must_use]
    pub fn expected(&self) -> Option<Expected> {
        sum(self.amount.as_ref(), self.currency.as_ref())
    }

    /// The list to check, where it is one.
    ///
    /// # Errors
    /// If flags do not go together.
    pub fn list(&self) -> Result<Option<Source>, Problem> {
        let refused =
            |message: &str, hint: &str| Err(Problem::new(ProblemKind::Usage, message, hint));
        if let Some(path) = &self.from {
            return Ok(Some(Source::named(path)));
        }
        if !reads_ids(&self.ids)? {
            return if self.resume.is_some() || self.csv {
                refused(
                    "--resume and --csv are for lists",
                    "give a list: --from FILE.csv, or `check -` with ids on standard input",
                )
            } else {
                Ok(None)
            };
        }
        if self.wait.is_some() {
            return refused(
                "--wait takes ids, not a list",
                "name the payments to wait for on the command line",
            );
        }
        Ok(Some(Source::Ids))
    }
}

/// Whether the ids come from standard input.
fn reads_ids(ids: &[PaymentId]) -> Result<bool, Problem> {
    let reads = ids.iter().any(|id| id.as_str() == "-");
    if reads && ids.len() > 1 {
        return Err(Problem::new(
            ProblemKind::Usage,
            "`-` reads ids from standard input and stands alone",
            "give either ids or `-`",
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
    /// List watched payments: the last known state, what was received and what is expected.
    List(ListPayments),
    /// Watch payments, and save the expected amount where none is saved yet.
    Add(AddPayments),
    /// Stop watching payments. Their history and expected amounts stay saved.
    Remove {
        /// The shop's ids of the payments.
        #[arg(required = true, value_parser = payment_id, value_name = "ID")]
        ids: Vec<PaymentId>,
    },
    /// Set the expected amount of a payment; changing one needs a yes.
    Expect(ExpectPayment),
    /// Print watched payments as CSV, or as JSON lines with --json.
    Export(ExportPayments),
}

/// `payments list`.
#[derive(Debug, Args)]
pub struct ListPayments {
    /// Which payments.
    #[command(flatten)]
    pub filters: Filters,
    /// Print the rows as CSV.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// `payments export`.
#[derive(Debug, Args)]
pub struct ExportPayments {
    /// Which payments.
    #[command(flatten)]
    pub filters: Filters,
    /// Print the rows as CSV (the default).
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
}

/// Which watched payments.
#[derive(Debug, Args)]
pub struct Filters {
    /// Only payments in this state.
    #[arg(long, value_parser = state, value_name = "STATE")]
    pub state: Option<PaymentState>,
    /// Only payments with this verdict: open, paid, less, more, `not_compared`, …
    #[arg(long, value_parser = verdict, value_name = "VERDICT")]
    pub verdict: Option<PaymentVerdict>,
    /// Only payments unchanged for longer than this (1h, 2d).
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub older_than: Option<Duration>,
    /// Only payments that changed within this time (30m, 1h).
    #[arg(long, value_parser = duration, value_name = "TIME")]
    pub newer_than: Option<Duration>,
}

/// `payments add`.
#[derive(Debug, Args)]
pub struct AddPayments {
    /// The shop's ids of the payments; a single `-` reads them from standard input, one a line.
    #[arg(required_unless_present = "from", conflicts_with = "from", value_parser = payment_id, value_name = "ID")]
    pub ids: Vec<PaymentId>,
    /// Watch every row of a CSV file with the columns id, amount, currency; `-` reads it from standard input.
    #[arg(long, value_parser = path(), value_name = "FILE.csv")]
    pub from: Option<PathBuf>,
    /// The expected amount.
    #[arg(long, value_parser = amount, requires = "currency", conflicts_with = "from")]
    pub amount: Option<Amount>,
    /// Its currency; case matters.
    #[arg(long, value_parser = currency, requires = "amount", conflicts_with = "from")]
    pub currency: Option<Currency>,
    /// Change an expected amount that is saved already.
    #[arg(long)]
    pub replace_expectation: bool,
}

impl AddPayments {
    /// The list to watch, where it is one.
    ///
    /// # Errors
    /// If `-` stands beside ids.
    pub fn list(&self) -> Result<Option<Source>, Problem> {
        match &self.from {
            Some(path) => Ok(Some(Source::named(path))),
            None => Ok(reads_ids(&self.ids)?.then_some(Source::Ids)),
        }
    }

    /// The sum that the flags expect.
    #[must_use]
    pub fn expected(&self) -> Option<Expected> {
        sum(self.amount.as_ref(), self.currency.as_ref())
    }
}

/// `payments expect`.
#[derive(Debug, Args)]
pub struct ExpectPayment {
    /// The shop's id of the payment.
    #[arg(value_parser = payment_id, value_name = "ID")]
    pub id: PaymentId,
    /// The expected amount.
    #[arg(long, value_parser = amount)]
    pub amount: Amount,
    /// Its currency; case matters.
    #[arg(long, value_parser = currency)]
    pub currency: Currency,
    /// Change an expected amount that is saved already, without a question.
    #[arg(long)]
    pub yes: bool,
}
