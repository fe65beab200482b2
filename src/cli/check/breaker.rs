//! Decides whether to go on after a payment without an answer.

use crate::domain::{Problem, ProblemKind};

/// The run stops after this many payments in a row for which the provider is unreachable or fails.
const FAILURES_MAX: u32 = 3;

/// Stops a run whose further requests would fail like the last one.
#[derive(Debug, Default)]
pub struct Breaker {
    /// Payments in a row for which the provider was unreachable or failed.
    failures: u32,
    /// Why the run stopped early.
    stopped: Option<Problem>,
}

impl Breaker {
    /// Counts the result of a payment. Returns whether it says something about this payment, so that it may be saved.
    pub fn count<T>(&mut self, result: &Result<T, Problem>) -> bool {
        let Err(problem) = result else {
            self.failures = 0;
            return true;
        };
        let (is_saved, stops) = match problem.kind {
            // The provider responds; an invalid response may concern this payment alone, as does a state that it does
            // not reach in time.
            ProblemKind::NotFound | ProblemKind::Nonsense | ProblemKind::TimedOut => {
                self.failures = 0;
                (true, false)
            }
            ProblemKind::Unreachable | ProblemKind::NoPath | ProblemKind::Failing => {
                self.failures += 1;
                (true, self.failures >= FAILURES_MAX)
            }
            ProblemKind::Usage
            | ProblemKind::Config
            | ProblemKind::Refused
            | ProblemKind::Budget
            | ProblemKind::Declined
            | ProblemKind::Interrupted
            | ProblemKind::Local => (false, true),
        };
        if stops {
            self.stopped = Some(problem.clone());
        }
        is_saved
    }

    /// Why a payment after the stop has no result; `None` while the run goes on.
    pub fn unchecked(&self) -> Option<Problem> {
        self.named("not checked")
    }

    /// Why the run stopped early.
    pub fn stopped(&self) -> Option<Problem> {
        self.named("stopped")
    }

    fn named(&self, what: &str) -> Option<Problem> {
        let why = self.stopped.as_ref()?;
        let message = format!("{what}: {}", why.message);
        Some(Problem::new(why.kind, message, why.hint.clone()))
    }
}
