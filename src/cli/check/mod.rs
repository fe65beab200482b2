//! `check`: shows the state of payments and whether they are paid.

mod breaker;
mod bulk;
mod printer;
mod resume;
mod summary;

use std::path::PathBuf;
use std::time::Duration;

use breaker::Breaker;
use printer::Printer;

use super::list::Source;
use super::prelude::*;
use super::report::{Found, Report};
use super::values::{Goal, goal, path, payment_id, sum};
use crate::domain::time::parse_duration;
use crate::domain::{Expectation, Payment, PaymentState, PaymentVerdict, RequestId, time};
use crate::net::RequestOptions;

/// The first interval between two checks, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The least time that a query gets: past the deadline, too, each payment is checked once.
const QUERY_MIN: Duration = Duration::from_secs(2);

const LIST: &str = "Lists";
const EXPECTATIONS: &str = "Expectations";
const WAITING: &str = "Waiting";

const HELP: &str = "\
A list is a CSV file. Its first line names the columns: `id` (or `transactionKey`, `order`, `order_id`, `payment`, \
`payment_id`), and optionally `amount` and `currency`. Other columns are copied to a CSV result. Separators are comma, \
semicolon or tab. A row without an amount is compared with the saved expected amount.

A payment is paid when it is FINALIZED with the expected amount and currency. Without an expected amount its verdict \
is `not_compared`, and `paid` is null.";

/// Check payments, one or thousands: state, amount, and whether they are paid (Kanga CHECK PAYMENT).
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Check {
    /// The shop's payment ids. A single `-` reads them from stdin: one a line, or `A-1, B-2`.
    #[arg(required_unless_present = "from", conflicts_with = "from", value_parser = payment_id, value_name = "ID")]
    ids: Vec<PaymentId>,
    /// Exit with 1 unless the payment is in this state. PAID means FINALIZED with the expected amount and currency. Any
    /// other state ignores the saved expected amount.
    #[arg(long, value_parser = goal(), ignore_case = true, value_name = "STATE|PAID", help_heading = EXPECTATIONS)]
    expect: Option<Goal>,
    /// Exit with 1 unless the amount is equal (1.0 equals 1.00); needs --currency.
    #[arg(long, value_parser = Amount::typed, allow_negative_numbers = true, requires = "currency", conflicts_with = "from", help_heading = EXPECTATIONS)]
    amount: Option<Amount>,
    /// Exit with 1 unless the currency is equal, case-sensitive; needs --amount.
    #[arg(long, value_parser = Currency::typed, requires = "amount", conflicts_with = "from", help_heading = EXPECTATIONS)]
    currency: Option<Currency>,
    /// Check again until the payment is in this state. PAID waits for FINALIZED, then compares the amount.
    #[arg(long, value_parser = goal(), ignore_case = true, value_name = "STATE|PAID", conflicts_with = "from", help_heading = WAITING)]
    wait: Option<Goal>,
    /// Stop waiting after this time (30s, 10m, 1h30m, 1d). Past it, each id is still checked once, for up to 2s.
    #[arg(long, value_parser = parse_duration, allow_negative_numbers = true, default_value = "10m", requires = "wait", value_name = "TIME", help_heading = WAITING)]
    timeout: Duration,
    /// Exit with 6 instead of waiting when the rate limit is reached.
    #[arg(long, help_heading = WAITING)]
    no_wait: bool,
    /// Check every row of a CSV file; `-` reads it from stdin.
    #[arg(long, value_parser = path(), value_name = "FILE.csv", help_heading = LIST)]
    from: Option<PathBuf>,
    /// Save each result in this CSV file. A later run with the same file skips payments whose saved result is final or
    /// less than an hour old.
    #[arg(long, value_parser = path(), value_name = "RESULTS.csv", help_heading = LIST)]
    resume: Option<PathBuf>,
    #[command(flatten)]
    format: AsCsv,
}

impl DeckCommand for Check {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let account = cx.account(Ability::Payments)?.id;
        let out = &self.format.on(cx.out);
        let cx = &CommandContext { out, ..*cx };
        let checker = Checker {
            args: &self,
            account,
            cx,
        };
        match self.list()? {
            None => checker.each().await,
            Some(source) => bulk::run(&checker, source).await,
        }
    }
}

impl Check {
    fn expected(&self) -> Option<Expected> {
        sum(self.amount.as_ref(), self.currency.as_ref())
    }

    fn list(&self) -> Result<Option<Source>, Problem> {
        match Source::named(self.from.as_deref(), &self.ids)? {
            None if self.resume.is_some() => Err(usage(
                "--resume needs a list of payments",
                "pass --from FILE.csv, or `check -` with ids on stdin",
            )),
            Some(Source::Ids) if self.wait.is_some() => Err(usage(
                "--wait needs payment ids, not a list",
                "pass the ids of the payments to wait for",
            )),
            list => Ok(list),
        }
    }
}

struct Checker<'a> {
    args: &'a Check,
    account: AccountId,
    cx: &'a CommandContext<'a>,
}

struct CheckTarget {
    sum: Option<Expected>,
    /// Whether another sum fails the exit code.
    binding: bool,
    /// The ledger's expected sum, where it differs from the command line's.
    differs_from_saved: Option<Expectation>,
    /// Why the ledger could not be read; then `sum` is the command line's.
    unread: Option<Problem>,
}

impl CheckTarget {
    /// Why a sum that would decide the exit code is not known.
    fn uncompared(&self) -> Option<&Problem> {
        let is_open = self.binding && self.sum.is_none();
        self.unread.as_ref().filter(|_| is_open)
    }
}

/// The differences of a payment from what is expected, in words.
struct Compared {
    /// Differences that fail the exit code.
    failings: Vec<String>,
    /// Differences that do not: from the ledger's sum, where only a state is expected.
    state_only_differences: Vec<String>,
}

impl Checker<'_> {
    async fn each(&self) -> CommandResult {
        // One deadline for all ids: `--timeout` limits the whole command. Ids without time left are checked once, for up
        // to 2 s, unless the check has stopped.
        let deadline = self.cx.now().mono + self.args.timeout;
        let mut exit = Exit::Done;
        let mut printer = Printer::new(self, Vec::new())?;
        let mut breaker = Breaker::default();
        for id in &self.args.ids {
            if let Some(problem) = breaker.unchecked() {
                printer.row(&self.failed(id, problem), &[], false)?;
                continue;
            }
            let result = match &self.args.wait {
                Some(goal) => self.wait(id, goal, deadline).await,
                None => self.query(id, false).await,
            };
            breaker.count(&result);
            exit = exit.and(match result {
                Ok(payment) => self.report(payment, &mut printer).await?,
                Err(problem) => self.fail(id, problem, &mut printer)?,
            });
        }
        Ok(exit)
    }

    /// Prints why a payment has no result. JSON and CSV name the payment, as for those of a list.
    fn fail(
        &self,
        id: &PaymentId,
        problem: Problem,
        printer: &mut Printer<'_>,
    ) -> Result<Exit, OutputError> {
        let out = self.cx.out;
        let fields = json!({ "account": self.account, "id": id, "line": null });
        let exit = out.fail_of(fields, &problem)?;
        if out.format == Format::Csv {
            printer.record(&self.failed(id, problem), &[])?;
        }
        Ok(exit)
    }

    fn failed(&self, id: &PaymentId, problem: Problem) -> Report {
        Report {
            account: self.account.clone(),
            id: id.as_str().to_owned(),
            line: None,
            found: Found::Failed(problem),
            expected: self.args.expected(),
            at: None,
        }
    }

    async fn report(
        &self,
        payment: Payment,
        printer: &mut Printer<'_>,
    ) -> Result<Exit, OutputError> {
        let id = payment.id.clone();
        let wanted = self.wanted(&id, self.args.expected()).await;
        if let Some(problem) = &wanted.unread {
            self.cx
                .out
                .warn(&format!("payment {id}: {}", problem.describe()));
        }
        if let (Some(ledger), Some(sum)) = (&wanted.differs_from_saved, &wanted.sum) {
            self.cx.out.warn(&format!(
                "payment {id}: the saved expected amount is {ledger}; the check uses {sum} from the command line"
            ));
        }
        let report = Report {
            account: self.account.clone(),
            id: id.as_str().to_owned(),
            line: None,
            found: Found::Payment(payment),
            expected: wanted.sum.clone(),
            at: Some(self.cx.now().wall),
        };
        let Compared {
            failings,
            state_only_differences,
        } = self.compare(&report, &wanted);
        printer.row(&report, &[], failings.is_empty())?;
        for difference in &state_only_differences {
            self.cx.out.warn(&format!(
                "payment {id}: {difference}; --expect compares the state only"
            ));
        }
        for failing in &failings {
            let words = format!("payment {id}: {failing}");
            self.cx.out.message(Tone::Warn, "expectation:", &words);
        }
        let exit = if failings.is_empty() {
            Exit::Done
        } else {
            Exit::Expectation
        };
        let uncompared = wanted.uncompared();
        Ok(exit.and(uncompared.map_or(Exit::Done, |problem| problem.kind.into())))
    }

    /// The sum to compare a payment with: `given`, else the ledger's.
    async fn wanted(&self, id: &PaymentId, given: Option<Expected>) -> CheckTarget {
        let (ledger, unread) = match self.cx.deck.expectation(&self.account, id).await {
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
        (&self.cx.settings.profile.name, &self.account)
    }

    async fn query(&self, id: &PaymentId, background: bool) -> Result<Payment, Problem> {
        let options = RequestOptions {
            request: RequestId(0),
            background,
            no_wait: self.args.no_wait,
        };
        self.cx.deck.check_payment(&self.account, id, options).await
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
        let mut last: Option<Result<PaymentState, ProblemKind>> = None;
        let mut seen = "no response arrived".to_owned();
        let wanted = goal.state();
        loop {
            let left = deadline.saturating_sub(self.cx.now().mono);
            let result = tokio::select! {
                // An answer that arrived by the deadline counts.
                biased;
                result = self.query(id, false) => result,
                () = tokio::time::sleep(left.max(QUERY_MIN)) => {
                    return Err(self.timed_out(id, goal, &seen));
                }
            };
            seen = match &result {
                Ok(payment) if payment.state == wanted || !payment.state.can_reach(&wanted) => {
                    return result;
                }
                Ok(payment) => format!("it is {}", payment.state),
                Err(problem)
                    if matches!(
                        problem.kind,
                        ProblemKind::NotFound
                            | ProblemKind::NoPath
                            | ProblemKind::Unreachable
                            | ProblemKind::Failing
                            | ProblemKind::Nonsense
                    ) =>
                {
                    problem.message.clone()
                }
                Err(_) => return result,
            };
            // Compare the state: the text may count down.
            let state = result.as_ref().map(|payment| payment.state.clone());
            let state = Some(state.map_err(|problem| problem.kind));
            // Each state is printed once; a change resets the interval, as the next one may follow soon.
            if last != state {
                self.cx.out.message(
                    Tone::Dim,
                    "waiting:",
                    &format!("payment {id} for {goal}: {seen}"),
                );
                pause = WAITS.0;
                last = state;
            }
            let left = deadline.saturating_sub(self.cx.now().mono);
            if left.is_zero() {
                return Err(self.timed_out(id, goal, &seen));
            }
            tokio::select! {
                // A signal ends the wait: the last known state decides the exit code.
                () = self.cx.out.reader_gone() => return result,
                () = tokio::time::sleep(pause.min(left)) => {}
            }
            pause = (pause * 3 / 2).min(WAITS.1);
        }
    }

    fn timed_out(&self, id: &PaymentId, goal: &Goal, seen: &str) -> Problem {
        Problem::new(
            ProblemKind::TimedOut,
            format!(
                "account {}: payment {id} did not reach {goal} within {}; {seen}",
                self.account,
                time::exact(self.args.timeout)
            ),
            "use a longer --timeout, or check again later",
        )
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
