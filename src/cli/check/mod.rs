//! `check`: the state of payments, and whether they are paid.

mod bulk;
mod resume;
mod summary;

use std::time::Duration;

use super::args::{Check, Goal};
use super::output::{Out, OutputError, Table, Tone};
use super::report::{Found, Report};
use super::{Context, Exit, Keeping, unexpected};
use crate::deck::Deck;
use crate::domain::{
    Ability, AccountId, Answer, Expectation, Expected, Op, Payment, PaymentId, PaymentState,
    PaymentVerdict, Problem, ProblemKind, RequestId, time,
};
use crate::net::RequestOptions;

/// The first wait between two checks, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

pub async fn run(
    args: &Check,
    context: &Context,
    deck: &Deck,
    keeping: &Keeping,
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
        let words = "the built-in simulator answers; no real payment is checked";
        out.message(Tone::Dim, "note:", words);
    }
    match args.list() {
        Ok(None) => checker.each().await,
        Ok(Some(source)) => bulk::run(&checker, source, keeping).await,
        Err(problem) => out.fail(&problem),
    }
}

/// Checks payments of one account, as the command line says.
struct Checker<'a> {
    args: &'a Check,
    account: AccountId,
    context: &'a Context,
    deck: &'a Deck,
    out: &'a Out,
}

/// What is expected of a payment, and what the ledger says of it.
struct CheckTarget {
    /// The sum to compare with.
    sum: Option<Expected>,
    /// Whether a payment over another sum fails the exit code.
    binding: bool,
    /// What the ledger expects, where that is another sum.
    differs_from_saved: Option<Expectation>,
    /// Why the ledger could not be read; then the sum is what was given.
    unread: Option<Problem>,
}

/// How a payment differs from what is expected, each difference in words.
struct Compared {
    /// What fails the exit code.
    failings: Vec<String>,
    /// What does not: the ledger's sum, where only the state was asked about.
    state_only_differences: Vec<String>,
}

impl Checker<'_> {
    /// Checks the payments that the command line names.
    async fn each(&self) -> Result<Exit, OutputError> {
        let deadline = self.context.clock.now().mono + self.args.timeout;
        let mut exit = Exit::Done;
        for id in &self.args.ids {
            let result = match &self.args.wait {
                Some(goal) => self.wait(id, goal, deadline).await,
                None => self.ask(id, false).await,
            };
            let this = match result {
                Ok(payment) => self.report(payment).await?,
                Err(problem) => self.out.fail(&problem)?,
            };
            exit = exit.and(this);
        }
        Ok(exit)
    }

    /// Prints one payment and which expectations it fails.
    async fn report(&self, payment: Payment) -> Result<Exit, OutputError> {
        let id = payment.id.clone();
        let wanted = self.wanted(&id, self.args.expected()).await;
        if let Some(problem) = &wanted.unread {
            self.warn(&format!("payment {id}: {}", problem.describe()));
        }
        if let (Some(ledger), Some(sum)) = (&wanted.differs_from_saved, &wanted.sum) {
            self.warn(&format!(
                "payment {id}: the saved expected amount is {ledger}; it is compared with {sum} from the command line"
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

    /// What to compare a payment with: `given`, else what the ledger expects.
    async fn wanted(&self, id: &PaymentId, given: Option<Expected>) -> CheckTarget {
        let (ledger, unread) = match self.deck.expectation(&self.account, id).await {
            Ok(ledger) => (ledger, None),
            Err(problem) => (None, Some(problem)),
        };
        let (sum, binding, differs_from_saved) = match given {
            None => {
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

    /// The profile and the account whose payments these are.
    fn owner(&self) -> (&str, &AccountId) {
        (&self.context.profile.name, &self.account)
    }

    async fn ask(&self, id: &PaymentId, background: bool) -> Result<Payment, Problem> {
        let how = RequestOptions {
            request: RequestId(0),
            background,
            no_wait: self.args.no_wait,
        };
        let op = Op::CheckPayment(id.clone());
        match self.deck.query(&self.account, op, how).await? {
            Answer::Payment(payment) => Ok(payment),
            _ => Err(unexpected(&self.account, "a payment")),
        }
    }

    /// Asks until the payment is in the state, or never will be. A payment not known yet may become known, and a
    /// provider that fails may recover, so both are waited out.
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
            let asked = self.ask(id, false).await;
            let seen = match &asked {
                Ok(payment) if payment.state == wanted || !payment.state.can_reach(&wanted) => {
                    return asked;
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
                Err(_) => return asked,
            };
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
                    "give more time with --timeout, or check again later",
                ));
            }
            last = Some(seen);
            tokio::select! {
                // Nobody waits for the end any more: what is known now decides the exit code.
                () = self.out.reader_gone() => return asked,
                () = tokio::time::sleep(pause.min(left)) => {}
            }
            pause = (pause * 3 / 2).min(WAITS.1);
        }
    }

    /// How a payment differs from what is expected. Nothing where there is no payment.
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
                Goal::State(state) => Some(format!(
                    "state {state} was expected, it is {}",
                    payment.state
                )),
                Goal::Paid => not_paid(verdict, &payment.state),
            };
            failings.extend(failing.filter(|failing| !failings.contains(failing)));
        }
        if let Some(expected) = expected {
            if payment.currency.read() != Some(&expected.currency) {
                let wanted = expected.currency.as_str();
                let case = if wanted.eq_ignore_ascii_case(payment.currency.as_str()) {
                    "; case matters"
                } else {
                    ""
                };
                sums.push(format!(
                    "currency {wanted} was expected, it is {}{case}",
                    payment.currency
                ));
            }
            if payment.amount.read() != Some(&expected.amount) {
                sums.push(format!(
                    "amount {} was expected, it is {}",
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
            "PAID was expected, it is {state}, but no expected amount is known: set one with --amount and --currency, \
             or `tilldeck payments expect`"
        )),
        PaymentVerdict::Less
        | PaymentVerdict::More
        | PaymentVerdict::OtherCurrency
        | PaymentVerdict::UnreadableAmount
        | PaymentVerdict::Failed
        | PaymentVerdict::Open
        | PaymentVerdict::Cancelled => Some(format!(
            "PAID was expected, it is {state}, {}",
            verdict.words()
        )),
    }
}
