//! The count of all jobs of callbacks that are not done. Knows nothing about the screen.

use std::collections::BTreeMap;

use crate::domain::{Delivery, DeliveryId, Job, JobState};

/// The open jobs of one callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Jobs that are due.
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
                    count.failing += u32::from(has_failed(job));
                }
                JobState::Done => {}
                JobState::GivenUp => count.given_up += 1,
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

/// Whether a due job has failed before.
pub fn has_failed(job: &Job) -> bool {
    job.tries > 0 && !job.summary.is_empty()
}
