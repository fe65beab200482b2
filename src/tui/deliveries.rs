//! The newest callbacks, a bounded window over the ledger, and the count of all jobs that are not done. Knows nothing
//! about the screen.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::domain::{Delivery, DeliveryId, Job, JobState};

/// Rows, newest first; each id occurs once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Window {
    rows: VecDeque<Arc<Delivery>>,
}

/// What [`Window::put`] did with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// Inserted at this place.
    At(usize),
    /// It replaced an earlier version of the same row.
    Replaced,
    /// Not inserted: older than every row of a full window.
    Ignored,
}

impl Window {
    pub fn rows(&self) -> &VecDeque<Arc<Delivery>> {
        &self.rows
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn get(&self, at: usize) -> Option<&Arc<Delivery>> {
        self.rows.get(at)
    }

    /// The place of an id, or the place where it would be inserted.
    fn find(&self, id: DeliveryId) -> Result<usize, usize> {
        // A new callback almost always has the highest id.
        match self.rows.front() {
            Some(first) if first.id >= id => self.rows.binary_search_by(|row| id.cmp(&row.id)),
            _ => Err(0),
        }
    }

    pub fn known(&self, id: DeliveryId) -> Option<&Arc<Delivery>> {
        self.rows.get(self.find(id).ok()?)
    }

    /// Inserts or replaces a row; the window holds at most `max`.
    pub fn put(&mut self, delivery: Arc<Delivery>, max: usize) -> Put {
        match self.find(delivery.id) {
            Ok(at) => {
                self.rows[at] = delivery;
                Put::Replaced
            }
            Err(at) if at >= max => Put::Ignored,
            Err(at) => {
                self.rows.insert(at, delivery);
                Put::At(at)
            }
        }
    }

    /// Drops the oldest rows beyond `max`; returns whether there were any.
    pub fn cut(&mut self, max: usize) -> bool {
        let long = self.rows.len() > max;
        self.rows.truncate(max);
        long
    }
}

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
