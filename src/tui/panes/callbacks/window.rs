//! The latest callbacks, newest first, a bounded window over what the ledger keeps; and what of all that was heard of
//! is not done yet.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::domain::{Delivery, DeliveryId, Job, JobState};

/// Rows, newest first. No number is in it twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Window {
    rows: VecDeque<Arc<Delivery>>,
}

/// What became of a row that was put into a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// New, at this place.
    At(usize),
    /// In place of what was told before.
    Replaced,
    /// Older than all rows of a window that is full.
    Left,
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

    /// Where a number is, or would be.
    fn find(&self, id: DeliveryId) -> Result<usize, usize> {
        // New ones come in at the top far more often than anywhere else.
        match self.rows.front() {
            Some(first) if first.id >= id => self.rows.binary_search_by(|row| id.cmp(&row.id)),
            _ => Err(0),
        }
    }

    pub fn known(&self, id: DeliveryId) -> Option<&Arc<Delivery>> {
        self.rows.get(self.find(id).ok()?)
    }

    /// Takes a row in where it belongs, in at most `max` rows.
    pub fn put(&mut self, delivery: Arc<Delivery>, max: usize) -> Put {
        match self.find(delivery.id) {
            Ok(at) => {
                self.rows[at] = delivery;
                Put::Replaced
            }
            Err(at) if at >= max => Put::Left,
            Err(at) => {
                self.rows.insert(at, delivery);
                Put::At(at)
            }
        }
    }

    /// Drops the oldest beyond `max`; whether there were any.
    pub fn cut(&mut self, max: usize) -> bool {
        let long = self.rows.len() > max;
        self.rows.truncate(max);
        long
    }
}

/// What is still to be done about one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Errands that are due.
    pub queued: u32,
    /// Those of them that failed before.
    pub failing: u32,
    /// Errands that are not tried again.
    pub given_up: u32,
}

/// So many deliveries with something to be done are counted; more are not.
const OPEN_MAX: usize = 50_000;

/// What is still to be done about all deliveries that were heard of, whether they are in the window or not.
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
        self.take_off(before);
        if self.open.len() > OPEN_MAX {
            let oldest = self.open.pop_first().map(|(_, count)| count);
            self.take_off(oldest);
        }
    }

    fn take_off(&mut self, count: Option<Count>) {
        let count = count.unwrap_or_default();
        self.sum.queued -= count.queued;
        self.sum.failing -= count.failing;
        self.sum.given_up -= count.given_up;
    }
}

/// Whether an errand that is due was tried in vain.
pub fn has_failed(job: &Job) -> bool {
    job.tries > 0 && !job.told.is_empty()
}
