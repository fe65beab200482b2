//! A payment as text, for a support ticket.

use std::fmt::Write as _;

use crate::domain::{Now, PaymentVerdict, inert};
use crate::tui::prelude::*;
use crate::tui::watched::Watched;

/// Its verdict, times and ids: one fact in each line.
pub fn receipt(watched: &Watched, store: &Store, now: Now) -> String {
    let watch = &watched.watch;
    let mut text = format!("Payment: {}\n", watch.id);
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name}: {}", inert::line(value));
    };
    if let Some(known) = store.known(&watch.account) {
        let account = &known.account;
        line(
            "Account",
            &format!(
                "{} ({}, {}, {})",
                account.id,
                account.provider_title,
                account.environment.as_str(),
                account.host
            ),
        );
    }
    line(
        "Verdict",
        watched.verdict().map_or("none yet", PaymentVerdict::as_str),
    );
    line("Meaning", &watched.explain().1);
    if let Some(expected) = &watch.expected {
        line(
            "Expected",
            &format!("{expected}, {}", expected.at.rfc3339()),
        );
    }
    for seen in watched.seen() {
        let payment = &seen.payment;
        line(
            "State",
            &format!("{} {} {}", seen.at.rfc3339(), payment.state, payment.sum()),
        );
    }
    if let Some(note) = &watch.note {
        line("Note", &format!("{} {}", note.at.rfc3339(), note.signed()));
    }
    line("Watched since", &watch.since.rfc3339());
    line("Written", &now.wall.rfc3339());
    text
}
