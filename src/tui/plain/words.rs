//! The words of the lines: what the screen writes with glyphs, as sentences.

use crate::domain::{Delivery, Handled, Job, Outcome};
use crate::tui::deliveries;

/// Words of the screen without the signs between them: a screen reader would name those.
pub fn without_signs(text: &str) -> String {
    text.replace(" · ", ", ").replace('…', "...")
}

pub fn handled(mark: &Handled) -> String {
    match mark.operator.as_str() {
        "" => "marked as handled".to_owned(),
        operator => format!("marked as handled by {operator}"),
    }
}

/// A request: its method, its path, and what it is about.
pub fn request(method: &str, path: &str, about: &str) -> String {
    match about {
        "" => format!("{method} {path}"),
        about => format!("{method} {path}, {about}"),
    }
}

pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Status(_) | Outcome::Refused(..) => format!("status {outcome}"),
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
        without_signs(&deliveries::meaning(delivery)),
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
