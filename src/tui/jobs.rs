//! The jobs of callbacks that are not done: their count, and those that failed for good. Knows nothing about the screen.

use std::collections::BTreeMap;

use crate::domain::{Delivery, DeliveryId, Job, JobState, WallTime};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    pub queued: u32,
    /// The due jobs that failed before.
    pub failing: u32,
    /// Jobs that failed and are not retried.
    pub given_up: u32,
}

/// Callbacks with open jobs that are counted; of more, the oldest drop out of the count.
const OPEN_MAX: usize = 50_000;

/// The open jobs of all callbacks, whether their rows are loaded or not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    open: BTreeMap<DeliveryId, Count>,
    pub sum: Count,
}

impl Tally {
    pub fn apply(&mut self, delivery: &Delivery) {
        let mut count = Count::default();
        for job in &delivery.jobs {
            match job.state {
                JobState::Due { .. } => {
                    count.queued += 1;
                    count.failing += u32::from(job.has_failed());
                }
                JobState::Done => {}
                JobState::GivenUp => count.given_up += u32::from(job.is_dead_letter()),
            }
        }
        let before = if count == Count::default() {
            self.open.remove(&delivery.id)
        } else {
            let before = self.open.insert(delivery.id, count);
            self.sum.queued += count.queued;
            self.sum.failing += count.failing;
            self.sum.given_up += count.given_up;
            before
        };
        self.subtract(before);
        // Ids grow with time, so the first one is the oldest.
        if self.open.len() > OPEN_MAX {
            let oldest = self.open.pop_first().map(|(_, count)| count);
            self.subtract(oldest);
        }
    }

    fn subtract(&mut self, count: Option<Count>) {
        let count = count.unwrap_or_default();
        self.sum.queued -= count.queued;
        self.sum.failing -= count.failing;
        self.sum.given_up -= count.given_up;
    }
}

/// Begins the subject of a notice about a job that failed for good.
const FAILED: &str = "callback ";

/// The subject of the notice about an account's callback with a job that failed for good.
pub fn about_failed(account: &str) -> String {
    format!("{FAILED}{account}")
}

/// Whether a notice is about a job that failed for good.
pub fn is_about_failed(subject: &str) -> bool {
    subject.starts_with(FAILED)
}

/// The callback's last job that failed for good, and when one last did.
pub fn failed(delivery: &Delivery) -> Option<(&Job, WallTime)> {
    let failed = || delivery.jobs.iter().filter(|job| job.is_dead_letter());
    let last = failed().next_back()?;
    let at = failed().filter_map(|job| job.tried_at).max();
    Some((last, at.unwrap_or(delivery.received_at)))
}
