//! `check` of a list: checks one payment after the other and prints each result at once.

use super::breaker::Breaker;
use super::printer::Printer;
use super::resume::Resume;
use super::summary::Summary;
use super::{CheckTarget, Checker};
use crate::cli::exit::{CommandResult, Exit, Failure};
use crate::cli::list::{List, Overview, Row, Source};
use crate::cli::report::{Found, Report, counted};
use crate::cli::stop::StopSignals;
use crate::domain::{Expected, PaymentId, Problem, ProblemKind};

pub async fn run(checker: &Checker<'_>, source: Source) -> CommandResult {
    let out = checker.cx.out;
    // Before anything slow: a signal that arrives earlier would be lost.
    let stops = StopSignals::new();
    let (list, overview) = List::read(source).await?;
    let resume = checker.args.resume.as_deref();
    let resume = resume.map(|path| Resume::open(path, checker.owner().0, &list));
    let resume = resume.transpose()?;
    let printer = Printer::new(checker, list.extra_columns())?;
    if list.lacks_amounts() && checker.args.expected().is_none() {
        out.note("the list has no column `amount`: payments are compared with the saved expected amounts");
    }
    // The run itself ends on a signal, so that it can print its summary.
    checker.cx.interrupts.leave_to_command();
    out.begin_progress(overview.rows);
    let mut run = Run {
        checker,
        printer,
        resume,
        overview,
        summary: Summary::default(),
        exit: Exit::Done,
        breaker: Breaker::default(),
        ledger_unread: false,
    };
    let ended = run.rows(&list, stops).await;
    out.end_progress();
    match ended {
        Err(Failure::Output(error)) => Err(error.into()),
        Err(failure) => {
            run.summary.print(out);
            Ok(run.exit.and(out.settle(Err(failure))?))
        }
        Ok(ended) => run.finish(ended),
    }
}

struct Run<'a> {
    checker: &'a Checker<'a>,
    printer: Printer<'a>,
    resume: Option<Resume>,
    overview: Overview,
    summary: Summary,
    exit: Exit,
    breaker: Breaker,
    /// Whether the warning about the ledger was printed.
    ledger_unread: bool,
}

enum Ended {
    AtLast,
    Interrupted,
}

impl Run<'_> {
    /// Checks the rows. Rows that failed in the last run come last: a few payments at which the provider always fails
    /// must not stop every run early.
    async fn rows(&mut self, list: &List, mut stops: StopSignals) -> Result<Ended, Failure> {
        let mut any_later = false;
        for failed in [false, true] {
            for row in list.rows() {
                let row = row?;
                if self.has_failed(&row) != failed {
                    any_later = true;
                    continue;
                }
                tokio::select! {
                    biased;
                    _ = stops.next() => return Ok(Ended::Interrupted),
                    done = self.row(row) => done?,
                }
                self.checker.cx.out.advance_progress();
            }
            if !any_later {
                break;
            }
        }
        Ok(Ended::AtLast)
    }

    fn has_failed(&self, row: &Row) -> bool {
        match (&self.resume, &row.order) {
            (Some(resume), Ok(order)) => resume.has_failed(&order.id),
            (None, _) | (_, Err(_)) => false,
        }
    }

    async fn row(&mut self, row: Row) -> Result<(), Failure> {
        // Rows that need no request never wait; without this, Ctrl-C would not be noticed.
        tokio::task::yield_now().await;
        let mut report = Report {
            account: self.checker.account.clone(),
            id: row.id,
            line: Some(row.line),
            found: Found::NotSeen,
            expected: None,
            at: None,
        };
        let order = match row.order {
            Ok(order) => order,
            Err(why) => return self.bad(report, &row.extra_columns, why),
        };
        if let Some(duplicate) = self.overview.duplicates.get(&order.id) {
            let first = duplicate.first;
            if duplicate.differs {
                let why = duplicate.conflict();
                return self.bad(report, &row.extra_columns, why);
            }
            if row.line != first {
                self.summary.repeated += 1;
                let words = format!(
                    "line {} repeats line {first} (payment {}); it is checked once",
                    row.line, order.id
                );
                self.checker.cx.out.note(&words);
                return Ok(());
            }
        }
        let wanted = self.wanted(&order.id, order.sum, row.line).await;
        report.expected = wanted.sum.clone();
        let is_new = self.fill_in(&mut report, &order.id).await?;
        // One that could not be compared is checked again.
        let is_saved = is_new && wanted.uncompared().is_none();
        if let (true, Some(resume)) = (is_saved, &mut self.resume) {
            resume.append(&report, &row.extra_columns)?;
        }
        let compared = self.checker.compare(&report, &wanted);
        let as_expected = compared.failings.is_empty();
        if !compared.state_only_differences.is_empty() {
            self.summary.state_only_differences += 1;
        }
        if !as_expected {
            self.exit = self.exit.and(Exit::Expectation);
        }
        self.summary.add(&report, as_expected);
        self.printer.row(&report, &row.extra_columns, as_expected)?;
        Ok(())
    }

    /// The sum to compare the payment with. Warns once if the ledger cannot be read.
    async fn wanted(&mut self, id: &PaymentId, sum: Option<Expected>, line: u64) -> CheckTarget {
        let given = sum.or_else(|| self.checker.args.expected());
        let wanted = self.checker.wanted(id, given).await;
        if let Some(problem) = &wanted.unread
            && !std::mem::replace(&mut self.ledger_unread, true)
        {
            self.checker.cx.out.warn(&problem.describe());
        }
        if let Some(problem) = wanted.uncompared() {
            self.exit = self.exit.and(problem.kind.into());
        }
        if let (Some(ledger), Some(sum)) = (&wanted.differs_from_saved, &wanted.sum) {
            let row = format!("line {line}, payment {id}");
            self.summary.add_differs_from_saved(&row, ledger, sum);
        }
        wanted
    }

    /// Fills in the result: the saved one while it is valid, else the provider's. Returns whether to save it.
    async fn fill_in(&mut self, report: &mut Report, id: &PaymentId) -> Result<bool, Failure> {
        let now = self.checker.cx.now().wall;
        let saved = match &self.resume {
            Some(resume) => resume.saved_result(id)?,
            None => None,
        };
        if let Some(saved) = saved
            && saved.holds(self.checker.owner(), report.expected.as_ref(), now)
            && self.is_of_this_host(&saved.found, id).await
        {
            report.found = saved.found;
            report.at = Some(saved.at);
            self.summary.saved += 1;
            if let Found::Failed(_) = report.found {
                self.exit = self.exit.and(Exit::NotFound);
            }
            return Ok(false);
        }
        if let Some(problem) = self.breaker.unchecked() {
            report.found = Found::Failed(problem);
            return Ok(false);
        }
        let answer = self.checker.query(id, true).await;
        report.at = Some(self.checker.cx.now().wall);
        let is_saved = self.breaker.count(&answer);
        report.found = match answer {
            Ok(payment) => Found::Payment(payment),
            Err(problem) => {
                self.exit = self.exit.and(problem.kind.into());
                Found::Failed(problem)
            }
        };
        Ok(is_saved)
    }

    /// Whether the account's API reported a saved state: the file does not say where it comes from, the ledger does.
    async fn is_of_this_host(&self, saved: &Found, id: &PaymentId) -> bool {
        let Found::Payment(payment) = saved else {
            return true;
        };
        let checker = self.checker;
        let last = checker.cx.deck.last_observation(&checker.account, id).await;
        last.is_ok_and(|last| last.is_some_and(|last| last.payment == *payment))
    }

    /// Records a row that cannot be checked. The others continue.
    fn bad(
        &mut self,
        mut report: Report,
        extra_columns: &[String],
        why: String,
    ) -> Result<(), Failure> {
        report.found = Found::Failed(Problem::new(ProblemKind::Usage, why, "correct the row"));
        self.exit = self.exit.and(Exit::Usage);
        self.summary.bad += 1;
        self.printer.row(&report, extra_columns, true)?;
        Ok(())
    }

    fn finish(self, ended: Ended) -> CommandResult {
        let out = self.checker.cx.out;
        self.summary.print(out);
        match (ended, self.breaker.stopped()) {
            (Ended::Interrupted, _) => {
                let left = self.overview.rows.saturating_sub(self.summary.rows());
                let message = format!("interrupted: {} left", counted(left, "row"));
                let hint = if self.resume.is_some() {
                    "run the same command again to continue"
                } else {
                    "use --resume FILE.csv to continue an interrupted run"
                };
                Err(Problem::new(ProblemKind::Interrupted, message, hint).into())
            }
            (Ended::AtLast, Some(problem)) => {
                out.problem(&problem)?;
                // The exit code comes from the first error, which may be a different one.
                Ok(self.exit)
            }
            (Ended::AtLast, None) => Ok(self.exit),
        }
    }
}
