//! The callbacks that the operator must answer in time. Derived from the store.

use std::sync::Arc;

use super::store::Store;
use crate::domain::{Deadline, Delivery, Now, ProviderId, WallTime};

/// A callback that waits for an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    pub delivery: Arc<Delivery>,
    pub deadline: Deadline,
    pub until: WallTime,
}

/// The loaded callbacks whose time runs: a later event about the same subject shows that it was answered.
pub fn all(store: &Store, now: Now) -> Vec<Due> {
    let mut answered = Vec::new();
    let mut due = Vec::new();
    for delivery in store.deliveries.iter().filter(|one| one.is_genuine()) {
        let about = (&delivery.account, &delivery.subject);
        let Some(deadline) = deadline(delivery, store) else {
            answered.push(about);
            continue;
        };
        let until = delivery.received_at.plus(deadline.within);
        let is_answered = delivery.subject.is_some() && answered.contains(&about);
        let is_repeat = delivery.attempt > 1;
        if until > now.wall && !is_answered && !is_repeat {
            due.push(Due {
                delivery: delivery.clone(),
                deadline,
                until,
            });
        }
    }
    due
}

fn deadline(delivery: &Delivery, store: &Store) -> Option<Deadline> {
    let of = |(id, _): &&(ProviderId, _)| id.0 == delivery.provider;
    let (_, deadlines) = store.deadlines.iter().find(of)?;
    let mut deadlines = deadlines.iter();
    deadlines
        .find(|deadline| deadline.event == delivery.kind)
        .copied()
}
