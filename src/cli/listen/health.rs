//! Whether callbacks can be received, and what `listen` prints about it.

use super::{Note, Printing};
use crate::cli::prelude::*;
use crate::ledger::Status;

/// Why callbacks cannot be received: a short summary, and the reason.
type Outage = (String, String);

#[derive(Default)]
pub(super) struct Health {
    pub(super) receiver: Option<Outage>,
    pub(super) ledger: Option<Outage>,
    /// The summary printed last.
    reported: Option<String>,
    /// The warning printed last.
    warned: Option<String>,
}

impl Health {
    /// Prints a change; returns whether the receiver just went down.
    pub(super) fn print(&mut self, printing: &Printing) -> bool {
        let reported = self.down().map(|(what, _)| what.clone());
        if reported == self.reported {
            return false;
        }
        let was_down = self.reported.is_some();
        printing.note(match self.down() {
            Some((what, why)) => Note::Words(Tone::Bad, "down:", format!("{what}: {why}")),
            None => Note::Words(
                Tone::Good,
                "up:",
                "tilldeck receives callbacks again".into(),
            ),
        });
        self.reported = reported;
        self.is_down() && !was_down
    }

    /// Prints that a damaged ledger was moved away, once: its status stays so.
    pub(super) fn warn(&mut self, status: &Status, printing: &Printing) {
        if let (Status::SetAside { .. }, Some(words)) = (status, status.warning())
            && self.warned.as_ref() != Some(&words)
        {
            self.warned = Some(words.clone());
            printing.note(Note::Words(Tone::Warn, "warning:", words));
        }
    }

    fn down(&self) -> Option<&Outage> {
        self.receiver.as_ref().or(self.ledger.as_ref())
    }

    pub(super) fn is_down(&self) -> bool {
        self.down().is_some()
    }

    pub(super) fn too_long(&self) -> Problem {
        match self.down() {
            Some((what, why)) => local(what.clone(), why.clone()),
            None => local(
                "the callback receiver did not start",
                "check whether a keyring waits for its password",
            ),
        }
    }
}
