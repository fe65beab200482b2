//! The callbacks that the operator must answer in time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rows::Rows;
use crate::domain::{Deadline, Delivery, DeliveryId, Now, ProviderId, WallTime};

/// The most callbacks that are remembered at once.
const AWAITED_MAX: usize = 1_000;

/// The callbacks of each provider that must be answered in time.
pub type Deadlines = Vec<(ProviderId, &'static [Deadline])>;

/// A callback that waits for an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    pub delivery: Arc<Delivery>,
    pub deadline: Deadline,
    pub until: WallTime,
}

impl Due {
    /// Whether a callback that came later shows that nothing must be done any more.
    fn is_ended_by(&self, later: &Delivery) -> bool {
        let earlier = &self.delivery;
        later.is_genuine()
            && happened(later) >= happened(earlier)
            && later.id != earlier.id
            && later.subject.is_some()
            && (&later.account, &later.subject) == (&earlier.account, &earlier.subject)
            && self.deadline.ended_by.contains(&later.kind.as_str())
    }
}

/// The callbacks that must be answered in time, whatever else has arrived since.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Awaited(BTreeMap<DeliveryId, Entry>);

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    due: Due,
    is_answered: bool,
}

impl Awaited {
    /// Notes a callback that must be answered, or one that shows that an earlier one was.
    pub fn note(
        &mut self,
        delivery: &Arc<Delivery>,
        loaded: &Rows<Delivery>,
        deadlines: &Deadlines,
    ) {
        if !delivery.is_genuine() {
            return;
        }
        let Some(deadline) = deadline(delivery, deadlines) else {
            for entry in self.0.values_mut() {
                entry.is_answered |= entry.due.is_ended_by(delivery);
            }
            return;
        };
        let is_repeat = delivery.attempt > 1;
        if is_repeat || self.0.contains_key(&delivery.id) {
            return;
        }
        let due = Due {
            delivery: delivery.clone(),
            deadline,
            until: happened(delivery).plus(deadline.within),
        };
        // A page of older callbacks may be loaded after those that arrived later.
        let is_answered = loaded.iter().any(|other| due.is_ended_by(other));
        self.0.insert(delivery.id, Entry { due, is_answered });
        if self.0.len() > AWAITED_MAX {
            // Ids grow with time, so the first one is the oldest.
            let mut answered = self.0.iter().filter(|(_, entry)| entry.is_answered);
            let oldest = answered.next().or_else(|| self.0.first_key_value());
            if let Some((&id, _)) = oldest {
                self.0.remove(&id);
            }
        }
    }

    /// Those whose time runs, the newest first. The others are forgotten once it has passed.
    pub fn due(&mut self, now: Now) -> Vec<Due> {
        self.0.retain(|_, entry| entry.due.until > now.wall);
        let open = self.0.values().rev().filter(|entry| !entry.is_answered);
        open.map(|entry| entry.due.clone()).collect()
    }
}

/// Callbacks may be saved in another order than they happened: one that is repeated or verified later.
fn happened(delivery: &Delivery) -> WallTime {
    delivery.happened_at.unwrap_or(delivery.received_at)
}

fn deadline(delivery: &Delivery, deadlines: &Deadlines) -> Option<Deadline> {
    let mut all = deadlines.iter();
    let (_, deadlines) = all.find(|(id, _)| id.0 == delivery.provider)?;
    let mut deadlines = deadlines.iter();
    deadlines
        .find(|deadline| deadline.event == delivery.kind)
        .copied()
}
