//! `check` of a list: one payment after the other, each printed as soon as it is answered.

use std::io::IsTerminal as _;

use super::resume::Resume;
use super::summary::{Summary, counted};
use super::{Checker, Wanted};
use crate::cli::args::Source;
use crate::cli::list::{List, Overview, Row};
use crate::cli::output::{Out, OutputError, Table, Tone};
use crate::cli::report::{COLUMNS, Found, Report, csv_line};
use crate::cli::{Exit, Keeping};
use crate::domain::{PaymentId, Problem, ProblemKind, inert};

/// After so many rows in a row that the provider did not answer, it is left alone.
const FAILURES_MAX: u32 = 3;

/// Checks a list and says what it comes to.
pub async fn run(
    checker: &Checker<'_>,
    source: Source,
    keeping: &Keeping,
) -> Result<Exit, OutputError> {
    let out = checker.out;
    // Reading blocks, and Ctrl-C must be heard meanwhile.
    let opened = tokio::task::spawn_blocking(move || {
        let list = List::open(&source)?;
        let overview = list.overview()?;
        Ok((list, overview))
    });
    let opened = opened
        .await
        .unwrap_or_else(|_| Err(crate::cli::prompt::interrupted()));
    let (list, overview) = match opened {
        Ok(opened) => opened,
        Err(problem) => return out.fail(&problem),
    };
    let resume = checker
        .args
        .resume
        .as_deref()
        .map(|path| Resume::open(path, &list));
    let resume = match resume.transpose() {
        Ok(resume) => resume,
        Err(problem) => return out.fail(&problem),
    };
    let printer = Printer::new(checker);
    printer.header(&list.carried())?;
    keeping.listens();
    out.begin_progress(overview.rows);
    let mut run = Run {
        checker,
        printer,
        resume,
        overview,
        summary: Summary::default(),
        exit: Exit::Done,
        failures: 0,
        stopped: None,
        ledger_unread: false,
    };
    let ended = run.rows(&list).await;
    out.end_progress();
    match ended {
        Err(Trouble::Output(error)) => Err(error),
        Err(Trouble::Local(problem)) => {
            run.summary.print(out);
            out.fail(&problem)
        }
        Ok(ended) => Ok(run.finish(ended)),
    }
}

/// One run over a list.
struct Run<'a> {
    checker: &'a Checker<'a>,
    printer: Printer<'a>,
    resume: Option<Resume>,
    overview: Overview,
    summary: Summary,
    exit: Exit,
    /// Rows in a row that the provider did not answer.
    failures: u32,
    /// Why no more is asked.
    stopped: Option<Problem>,
    /// The warning about the ledger was given.
    ledger_unread: bool,
}

/// How the rows ended.
enum Ended {
    AtLast,
    Interrupted,
}

/// What ends a run at once.
enum Trouble {
    Output(OutputError),
    Local(Problem),
}

impl From<OutputError> for Trouble {
    fn from(error: OutputError) -> Self {
        Self::Output(error)
    }
}
impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Local(problem)
    }
}

impl Run<'_> {
    async fn rows(&mut self, list: &List) -> Result<Ended, Trouble> {
        let out = self.checker.out;
        let interrupt = tokio::signal::ctrl_c();
        tokio::pin!(interrupt);
        for row in list.rows() {
            let row = row?;
            tokio::select! {
                biased;
                _ = &mut interrupt => return Ok(Ended::Interrupted),
                done = self.row(row) => done?,
            }
            out.advance_progress();
        }
        Ok(Ended::AtLast)
    }

    async fn row(&mut self, row: Row) -> Result<(), Trouble> {
        // Rows that need no request must not keep Ctrl-C from being heard.
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
            Err(why) => return self.bad(report, &row.carried, why),
        };
        if let Some(doubled) = self.overview.doubled.get(&order.id) {
            let first = doubled.first;
            if doubled.differs {
                let why = doubled.conflict();
                return self.bad(report, &row.carried, why);
            }
            if row.line != first {
                self.summary.add_repeated();
                let words = format!(
                    "line {}: payment {} stands in line {first} too, with the same sum; it is checked once",
                    row.line, order.id
                );
                self.checker.out.tell(Tone::Dim, "note:", &words);
                return Ok(());
            }
        }
        let wanted = self.wanted(&order.id, order.sum, row.line).await;
        report.expected = wanted.sum;
        let is_new = self.answer(&mut report, &order.id).await?;
        if let (true, Some(resume)) = (is_new, &mut self.resume) {
            resume.append(&report, &row.carried)?;
        }
        let held = self.checker.failings(&report).is_empty();
        if !held {
            self.exit = self.exit.and(Exit::Expectation);
        }
        self.summary.add(&report, held);
        self.printer.row(&report, &row.carried, held)?;
        Ok(())
    }

    /// What to compare the payment with. A ledger that cannot be read is warned about once.
    async fn wanted(
        &mut self,
        id: &PaymentId,
        sum: Option<crate::domain::Expected>,
        line: u64,
    ) -> Wanted {
        let given = sum.or_else(|| self.checker.args.expected());
        let wanted = match self.checker.wanted(id, given).await {
            Ok(wanted) => wanted,
            Err((wanted, problem)) => {
                if !std::mem::replace(&mut self.ledger_unread, true) {
                    self.checker.warn(&problem.message);
                }
                wanted
            }
        };
        if let (Some(ledger), Some(sum)) = (&wanted.overruled, &wanted.sum) {
            let row = format!("line {line}, payment {id}");
            self.summary.add_overruled(&row, ledger, sum);
        }
        wanted
    }

    /// Fills in the answer: the saved one where it still holds, else the provider's. Whether it is a new one.
    async fn answer(&mut self, report: &mut Report, id: &PaymentId) -> Result<bool, Trouble> {
        let now = self.checker.context.clock.now().wall;
        let saved = match &self.resume {
            Some(resume) => resume.answer(id)?,
            None => None,
        };
        if let Some(saved) = saved
            && saved.holds(&self.checker.account, report.expected.as_ref(), now)
        {
            report.found = saved.found;
            report.at = Some(saved.at);
            self.summary.add_saved();
            if let Found::Failed(_) = report.found {
                self.exit = self.exit.and(Exit::NotFound);
            }
            return Ok(false);
        }
        if let Some(why) = &self.stopped {
            let message = format!("not checked: {}", why.message);
            report.found = Found::Failed(Problem::new(why.kind, message, why.hint.clone()));
            return Ok(false);
        }
        let answer = self.checker.ask(id, true).await;
        report.at = Some(self.checker.context.clock.now().wall);
        let answered = match &answer {
            Ok(_) => true,
            Err(problem) => {
                self.exit = self.exit.and(problem.kind.into());
                problem.kind == ProblemKind::NotFound
            }
        };
        report.found = match answer {
            Ok(payment) => Found::Payment(payment),
            Err(problem) => {
                self.judge(&problem);
                Found::Failed(problem)
            }
        };
        if answered {
            self.failures = 0;
        }
        Ok(answered)
    }

    /// Whether to go on after a row without an answer.
    fn judge(&mut self, problem: &Problem) {
        let stops = match problem.kind {
            ProblemKind::NotFound => false,
            ProblemKind::Unreachable | ProblemKind::Failing | ProblemKind::Nonsense => {
                self.failures += 1;
                self.failures >= FAILURES_MAX
            }
            ProblemKind::Usage
            | ProblemKind::Config
            | ProblemKind::Refused
            | ProblemKind::Budget
            | ProblemKind::TimedOut
            | ProblemKind::Interrupted
            | ProblemKind::Local => true,
        };
        if stops {
            self.stopped = Some(problem.clone());
        }
    }

    /// A row that cannot be checked. The others go on.
    fn bad(&mut self, mut report: Report, carried: &[String], why: String) -> Result<(), Trouble> {
        report.found = Found::Failed(Problem::new(ProblemKind::Usage, why, "correct the row"));
        self.exit = self.exit.and(Exit::Usage);
        self.summary.add_bad_row();
        self.printer.row(&report, carried, true)?;
        Ok(())
    }

    /// Says what the list comes to.
    fn finish(self, ended: Ended) -> Exit {
        let out = self.checker.out;
        self.summary.print(out);
        match (ended, self.stopped) {
            (Ended::Interrupted, _) => {
                let left = self.overview.rows.saturating_sub(self.summary.rows());
                let words = format!("interrupted: {} left", counted(left, "row"));
                out.tell(Tone::Bad, "error:", &words);
                let hint = if self.resume.is_some() {
                    "the same command goes on where it stopped"
                } else {
                    "with --resume FILE.csv a run goes on where it stopped"
                };
                out.tell(Tone::Dim, " hint:", hint);
                Exit::Interrupted
            }
            (Ended::AtLast, Some(why)) => {
                let words = format!("stopped: {}", why.message);
                out.tell(Tone::Bad, "error:", &words);
                if !why.hint.is_empty() {
                    out.tell(Tone::Dim, " hint:", &why.hint);
                }
                why.kind.into()
            }
            (Ended::AtLast, None) => self.exit,
        }
    }
}

/// Prints rows in the format that was asked for.
struct Printer<'a> {
    out: &'a Out,
    csv: bool,
    /// Whether a terminal reads them, where nothing may act.
    terminal: bool,
}

impl<'a> Printer<'a> {
    fn new(checker: &Checker<'a>) -> Self {
        Self {
            out: checker.out,
            csv: checker.args.csv,
            terminal: std::io::stdout().is_terminal(),
        }
    }

    fn header(&self, carried: &[String]) -> Result<(), OutputError> {
        if !self.csv {
            return Ok(());
        }
        let columns = COLUMNS.into_iter().map(str::to_owned);
        self.record(columns.chain(carried.iter().cloned()).collect())
    }

    fn row(&self, report: &Report, carried: &[String], held: bool) -> Result<(), OutputError> {
        if self.csv {
            let fields = report.record().into_iter();
            return self.record(fields.chain(carried.iter().cloned()).collect());
        }
        if self.out.json {
            return self.out.object(&report.object());
        }
        let mut table = Table::default();
        table.row(report.cells(held));
        self.out.table(&table)
    }

    fn record(&self, mut fields: Vec<String>) -> Result<(), OutputError> {
        if self.terminal {
            for field in &mut fields {
                *field = inert::line(field).into_owned();
            }
        }
        self.out.bytes(&csv_line(&fields))
    }
}
