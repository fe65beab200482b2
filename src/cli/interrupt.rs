//! What a signal does to a command that runs, and what is printed then.

use std::cell::Cell;

use super::exit::Exit;
use super::output::{Out, OutputError};
use super::{prompt, stop};
use crate::domain::exchange::TOKEN_CALL;
use crate::domain::{Exchange, Outcome, Problem, ProblemKind, inert};
use crate::net::{Event, EventReceiver};
use crate::providers;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum OnStop {
    #[default]
    Stop,
    /// None: a change is being saved and must not stop halfway.
    Finish,
    /// The command handles the signal itself and ends soon.
    Handled,
}

/// Whether signals can interrupt the command.
#[derive(Default)]
pub struct Interrupts(Cell<OnStop>);

impl Interrupts {
    /// From here on signals do not interrupt.
    pub fn block(&self) {
        self.0.set(OnStop::Finish);
    }

    /// From here on the command handles signals itself.
    pub fn leave_to_command(&self) {
        self.0.set(OnStop::Handled);
    }
}

/// Runs the work until a signal ends it: `None`. A change that is being saved is saved completely.
pub async fn until_stopped(
    work: impl Future<Output = Result<Exit, OutputError>>,
    interrupts: &Interrupts,
    out: &Out,
) -> Option<Result<Exit, OutputError>> {
    let mut stops = stop::StopSignals::new();
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return Some(done),
        // A second signal is not needed: the command either ends now or finishes its save.
        _ = stops.next() => {}
    }
    match interrupts.0.get() {
        OnStop::Stop => return None,
        OnStop::Finish => out.say("saving; this cannot be interrupted now"),
        OnStop::Handled => {}
    }
    Some(work.await)
}

/// The error of an interrupted command, which names an unanswered write request.
pub fn interrupted(events: &mut EventReceiver) -> Problem {
    let is_write = |exchange: &Exchange| {
        let provider = providers::by_name(&exchange.provider);
        matches!(exchange.outcome, Outcome::Failed(_))
            && exchange.about != TOKEN_CALL
            && provider.is_some_and(|it| it.writes(&exchange.method, exchange.path()))
    };
    let written = std::iter::from_fn(|| events.try_recv()).filter_map(|event| match event {
        Event::Exchange(exchange) if is_write(&exchange) => Some(exchange),
        _ => None,
    });
    let Some(exchange) = written.last() else {
        return prompt::interrupted();
    };
    let message = format!(
        "account {}: interrupted after {} {} was sent; the write may have taken effect",
        exchange.account,
        exchange.method,
        inert::cut(exchange.path(), 120)
    );
    Problem::new(
        ProblemKind::Interrupted,
        message,
        "check with the provider before you send it again; `tilldeck log` shows the request",
    )
}
