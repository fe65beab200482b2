//! `check`: shows the state of payments and whether they are paid.

mod bulk;
mod resume;
mod summary;

use std::time::Duration;

use super::args::{Check, Goal};
use super::output::{Out, OutputError, Table, Tone};
use super::report::{Found, Report};
use super::{Context, Exit, Interrupts};
use crate::deck::Deck;
use crate::domain::{
    Ability, AccountId, Expectation, Expected, Payment, PaymentId, PaymentState, PaymentVerdict,
    Problem, ProblemKind, RequestId, time,
};
use crate::net::RequestOptions;

/// The first interval between two checks, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

pub async fn run(
    args: &Check,
    context: &Context,
    deck: &Deck,
    interrupts: &Interrupts,
    out: &Out,
) -> Result<Exit, OutputError> {
    let account = match deck.pick(context.account(), Some(Ability::Payments)) {
        Ok(account) => account.id,
        Err(problem) => return out.fail(&problem),
    };
    let checker = Checker {
        args,
        account,
        context,
        deck,
        out,
    };
    if deck.simulator_url().is_some() {
        let words = "this is the built-in simulator; no real payment is checked";
        out.message(Tone::Dim, "note:", words);
    }
    match args.list() {
        Ok(None) => checker.each().await,
        Ok(Some(source)) => bulk::run(&checker, source, interrupts).await,
        Err(problem) => out.fail(&problem),
    }
}

/// Checks payments of one account.
struct Checker<'a> {
    args: &'a Check,
    account: AccountId,
    context: &'a Context,
    deck: &'a Deck,
    out: &'a Out,
}

/// What a payment is compared with.
struct CheckTarget {
    /// The expected sum.
    sum: Option<Expected>,
    /// Whether another sum fails the exit code.
    binding: bool,
    /// The ledger's expected sum, where it differs from the command line's.
    differs_from_saved: Option<Expectation>,
    /// Why the ledger could not be read; then `sum` is the command line's.
    unread: Option<Problem>,
}

/// The differences of a payment from what is expected, in words.
struct Compared {
    /// Differences that fail the exit code.
    failings: Vec<String>,
    /// Differences that do not: from the ledger's sum, where only a state is expected.
    state_only_differences: Vec<String>,
}

impl Checker<'_> {
    /// Checks the payments on the command line.
    async fn each(&self) -> Result<Exit, OutputError> {
        // One deadline for all ids: `--timeout` limits the whole command.
        let deadline = self.context.clock.now().mono + self.args.timeout;
        let mut exit = Exit::Done;
        for id in &self.args.ids {
            let result = match &self.args.wait {
                Some(goal) => self.wait(id, goal, deadline).await,
                None => self.query(id, false).await,
            };
            let this = match result {
                Ok(payment) => self.report(payment).await?,
                Err(problem) => self.out.fail(&problem)?,
            };
            exit = exit.and(this);
        }
        Ok(exit)
    }

    /// Prints one payment and the expectations it fails.
    async fn report(&self, payment: Payment) -> Result<Exit, OutputError> {
        let id = payment.id.clone();
        let wanted = self.wanted(&id, self.args.expected()).await;
        if let Some(problem) = &wanted.unread {
            self.warn(&format!("payment {id}: {}", problem.describe()));
        }
        if let (Some(ledger), Some(sum)) = (&wanted.differs_from_saved, &wanted.sum) {
            self.warn(&format!(
                "payment {id}: the saved expected amount is {ledger}; the check uses {sum} from the command line"
            ));
        }
        let report = Report {
            account: self.account.clone(),
            id: id.as_str().to_owned(),
            line: None,
            found: Found::Payment(payment),
            expected: wanted.sum.clone(),
            at: Some(self.context.clock.now().wall),
        };
        let Compared {
            failings,
            state_only_differences,
        } = self.compare(&report, &wanted);
        if self.out.json {
            self.out.object(&report.object())?;
        } else {
            let mut table = Table::default();
            table.row(report.cells(failings.is_empty()));
            self.out.table(&table)?;
        }
        for difference in &state_only_differences {
            self.warn(&format!(
                "payment {id}: {difference}; --expect compares the state only"
            ));
        }
        for failing in &failings {
            let words = format!("payment {id}: {failing}");
            self.out.message(Tone::Warn, "expectation:", &words);
        }
        Ok(if failings.is_empty() {
            Exit::Done
        } else {
            Exit::Expectation
        })
    }

    fn warn(&self, words: &str) {
        self.out.message(Tone::Warn, "warning:", words);
    }

    /// The sum to compare a payment with: `given`, else the ledger's.
    async fn wanted(&self, id: &PaymentId, given: Option<Expected>) -> CheckTarget {
        let (ledger, unread) = match self.deck.expectation(&self.account, id).await {
            Ok(ledger) => (ledger, None),
            Err(problem) => (None, Some(problem)),
        };
        let (sum, binding, differs_from_saved) = match given {
            None => {
                // `--expect FINALIZED` asks about the state alone, so a saved sum only warns.
                let state_only = matches!(self.args.expect, Some(Goal::State(_)));
                (ledger.map(|ledger| ledger.sum), !state_only, None)
            }
            Some(sum) => {
                let differs_from_saved = ledger.filter(|ledger| ledger.sum != sum);
                (Some(sum), true, differs_from_saved)
            }
        };
        CheckTarget {
            sum,
            binding,
            differs_from_saved,
            unread,
        }
    }

    /// The profile and the account, by which the ledger finds the payments.
    fn owner(&self) -> (&str, &AccountId) {
        (&self.context.profile.name, &self.account)
    }

    async fn query(&self, id: &PaymentId, background: bool) -> Result<Payment, Problem> {
        let options = RequestOptions {
            request: RequestId(0),
            background,
            no_wait: self.args.no_wait,
        };
        self.deck.check_payment(&self.account, id, options).await
    }

    /// Checks until the payment reaches the state, or can no longer reach it. Also waits while the payment is unknown
    /// yet or the provider fails: both may change.
    async fn wait(
        &self,
        id: &PaymentId,
        goal: &Goal,
        deadline: Duration,
    ) -> Result<Payment, Problem> {
        let mut pause = WAITS.0;
        let mut last: Option<String> = None;
        let wanted = goal.state();
        loop {
            let result = self.query(id, false).await;
            let seen = match &result {
                Ok(payment) if payment.state == wanted || !payment.state.can_reach(&wanted) => {
                    return result;
                }
                Ok(payment) => format!("it is {}", payment.state),
                Err(problem)
                    if matches!(
                        problem.kind,
                        ProblemKind::NotFound
                            | ProblemKind::Unreachable
                            | ProblemKind::Failing
                            | ProblemKind::Nonsense
                    ) =>
                {
                    problem.message.clone()
                }
                Err(_) => return result,
            };
            // Each state is printed once; a change resets the interval, as the next one may follow soon.
            if last.as_ref() != Some(&seen) {
                self.out.message(
                    Tone::Dim,
                    "waiting:",
                    &format!("payment {id} for {goal}: {seen}"),
                );
                pause = WAITS.0;
            }
            let left = deadline.saturating_sub(self.context.clock.now().mono);
            if left.is_zero() {
                return Err(Problem::new(
                    ProblemKind::TimedOut,
                    format!(
                        "account {}: payment {id} did not reach {goal} within {}; {seen}",
                        self.account,
                        time::exact(self.args.timeout)
                    ),
                    "use a longer --timeout, or check again later",
                ));
            }
            last = Some(seen);
            tokio::select! {
                // A signal ends the wait: the last known state decides the exit code.
                () = self.out.reader_gone() => return result,
                () = tokio::time::sleep(pause.min(left)) => {}
            }
            pause = (pause * 3 / 2).min(WAITS.1);
        }
    }

    /// The differences of a payment from what is expected. Empty where there is no payment.
    fn compare(&self, report: &Report, wanted: &CheckTarget) -> Compared {
        let (mut failings, mut sums) = (Vec::new(), Vec::new());
        let Some(payment) = report.payment() else {
            return Compared {
                failings,
                state_only_differences: sums,
            };
        };
        let expected = report.expected.as_ref();
        let verdict = payment.verdict(expected);
        for goal in self.args.expect.iter().chain(&self.args.wait) {
            let failing = match goal {
                Goal::State(state) if payment.state == *state => None,
                Goal::State(state) => {
                    Some(format!("expected state {state}, found {}", payment.state))
                }
                Goal::Paid => not_paid(verdict, &payment.state),
            };
            // `--expect` and `--wait` often name the same goal; its failure is printed once.
            failings.extend(failing.filter(|failing| !failings.contains(failing)));
        }
        if let Some(expected) = expected {
            if payment.currency.read() != Some(&expected.currency) {
                let wanted = expected.currency.as_str();
                // `emt` for `EMT` is easy to overlook.
                let case = if wanted.eq_ignore_ascii_case(payment.currency.as_str()) {
                    "; currencies are case-sensitive"
                } else {
                    ""
                };
                sums.push(format!(
                    "expected currency {wanted}, found {}{case}",
                    payment.currency
                ));
            }
            if payment.amount.read() != Some(&expected.amount) {
                sums.push(format!(
                    "expected amount {}, found {}",
                    expected.amount, payment.amount
                ));
            }
        }
        if wanted.binding {
            failings.append(&mut sums);
        }
        Compared {
            failings,
            state_only_differences: sums,
        }
    }
}

/// Why a payment is not PAID.
fn not_paid(verdict: PaymentVerdict, state: &PaymentState) -> Option<String> {
    match verdict {
        PaymentVerdict::Paid => None,
        PaymentVerdict::NotCompared => Some(format!(
            "expected PAID, found {state} without an expected amount: set one with --amount and --currency, \
             or `tilldeck payments expect`"
        )),
        PaymentVerdict::Less
        | PaymentVerdict::More
        | PaymentVerdict::OtherCurrency
        | PaymentVerdict::UnreadableAmount
        | PaymentVerdict::Failed
        | PaymentVerdict::Open
        | PaymentVerdict::Cancelled => {
            Some(format!("expected PAID, found {state}, {}", verdict.words()))
        }
    }
}
