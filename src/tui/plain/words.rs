//! The words of the lines: what the screen writes with glyphs, as sentences.

use crate::domain::{Delivery, Job, Outcome};
use crate::tui::deliveries;

/// Words of the screen without the glyph that separates them: a screen reader would name it.
pub fn spoken(text: &str) -> String {
    text.replace(" · ", ", ").replace('…', "...")
}

/// A request: its method, its path, and what it is about.
pub fn request(method: &str, path: &str, about: &str) -> String {
    match about {
        "" => format!("{method} {path}"),
        about => format!("{method} {path}, {about}"),
    }
}

/// The result of a request.
pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Status(status) => format!("status {status}"),
        Outcome::Failed(why) => format!("failed, {why}"),
    }
}

/// A callback: what it says, its verdict, and its answer.
pub fn callback(delivery: &Delivery) -> String {
    let kind = match delivery.kind.as_str() {
        "" => String::new(),
        kind => format!(", {kind}"),
    };
    let subject = match deliveries::subject(delivery).as_str() {
        "" => String::new(),
        subject => format!(" for {subject}"),
    };
    format!(
        "callback {}{kind}{subject}: {}, answered {}",
        delivery.id,
        spoken(&deliveries::meaning(delivery)),
        delivery.status
    )
}

/// Where a job sends a callback.
pub fn target(job: &Job) -> String {
    match job.target.as_str() {
        "" => String::new(),
        target => format!(" to {target}"),
    }
}
