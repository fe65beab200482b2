//! The callbacks that the operator must answer in time.

use std::sync::Arc;

use super::rows::Rows;
use crate::domain::{Deadline, Delivery, Now, ProviderId, WallTime};

/// The callbacks of each provider that must be answered in time.
pub type Deadlines = Vec<(ProviderId, &'static [Deadline])>;

/// A callback that waits for an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    pub delivery: Arc<Delivery>,
    pub deadline: Deadline,
    pub until: WallTime,
}

/// The loaded callbacks whose time runs: a later event about the same subject shows that it was answered.
pub fn all(deliveries: &Rows<Delivery>, deadlines: &Deadlines, now: Now) -> Vec<Due> {
    let mut answered = Vec::new();
    let mut due = Vec::new();
    for delivery in deliveries.iter().filter(|one| one.is_genuine()) {
        let about = (&delivery.account, &delivery.subject);
        let Some(deadline) = deadline(delivery, deadlines) else {
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

fn deadline(delivery: &Delivery, deadlines: &Deadlines) -> Option<Deadline> {
    let mut all = deadlines.iter();
    let (_, deadlines) = all.find(|(id, _)| id.0 == delivery.provider)?;
    let mut deadlines = deadlines.iter();
    deadlines
        .find(|deadline| deadline.event == delivery.kind)
        .copied()
}
