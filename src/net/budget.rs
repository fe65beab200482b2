//! The rate budget: a slot is taken before sending and freed one period after the reply was seen.
//! The window itself is counted in the ledger, which all processes of the user share; here is who goes first.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Call, Event, Gate, How, NetError, Session};
use crate::domain::{AccountId, BudgetGauge, Counts, WallTime, time};
use crate::ledger::{LANE_LIMIT, Slot, SlotId};

/// A limit as the provider publishes it or the operator set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What the slots are counted under: host, credentials and which calls, hashed.
    pub scope: String,
    /// Of which endpoint it counts the calls.
    pub endpoint: &'static str,
    /// Which calls it counts.
    pub counts: Counts,
    /// Slots there are.
    pub requests: u32,
    /// The window.
    pub period: Duration,
}

impl Limit {
    /// What background requests leave free: 5 %, at least one slot where there are two or more.
    #[must_use]
    pub fn reserve(&self) -> u32 {
        (self.requests / 20).max(u32::from(self.requests > 1))
    }
}

/// How many requests wait, over all accounts.
#[derive(Debug, Default)]
pub(super) struct Queues {
    interactive: AtomicU32,
    background: AtomicU32,
}

/// How often a full budget is looked at again, at most: another process may have come or gone.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A slot that was taken, or none where there is no limit.
pub(super) struct Taken<'a> {
    account: &'a AccountId,
    limit: Option<(&'a Limit, SlotId)>,
}

/// Waits for a slot.
pub(super) async fn take<'a>(
    session: &'a Session,
    call: &Call,
    how: How,
) -> Result<Taken<'a>, NetError> {
    let (gate, account) = (&session.gate, &session.account.id);
    let Some(limit) = session.limit(call) else {
        return Ok(Taken {
            account,
            limit: None,
        });
    };
    let queue = if how.background {
        &gate.queues.background
    } else {
        &gate.queues.interactive
    };
    let mut waiting = None;
    let taken = loop {
        let reserve = if how.background { limit.reserve() } else { 0 };
        let behind = how.background && gate.queues.interactive.load(Ordering::Relaxed) > 0;
        let next = if behind {
            None
        } else {
            // From taking the slot to the end of the request: the wait for the key's lane is part of it.
            let flight = LANE_LIMIT + gate.http.timeouts().whole;
            match gate
                .ledger
                .take_slot(&limit.scope, limit.requests, limit.period, reserve, flight)
                .await
            {
                Ok(Slot::Granted(id)) => break id,
                Ok(Slot::Full { next_free }) => next_free,
                Err(error) => return Err(NetError::Uncounted(error.to_string())),
            }
        };
        if how.no_wait {
            return Err(NetError::BudgetExhausted {
                limit: limit.requests,
                period: limit.period,
                next,
            });
        }
        if waiting.is_none() {
            waiting = Some(InQueue::enter(queue));
            let why = match next {
                Some(next) => format!("for a slot in the rate budget, {}", time::fine(next)),
                None => "for a slot in the rate budget".to_owned(),
            };
            let until = next.map(|next| gate.clock.now().mono.saturating_add(next));
            let waits = session.waiting(call, why, until);
            gate.tell(Event::Waiting(how.request, Some(waits))).await;
            tell_gauge(gate, account, limit).await;
        }
        tokio::time::sleep(
            next.unwrap_or(LOOK_AGAIN)
                .clamp(Duration::from_millis(1), LOOK_AGAIN),
        )
        .await;
    };
    if waiting.take().is_some() {
        gate.tell(Event::Waiting(how.request, None)).await;
    }
    tell_gauge(gate, account, limit).await;
    Ok(Taken {
        account,
        limit: Some((limit, taken)),
    })
}

impl Taken<'_> {
    /// The reply, or its absence, was seen now: the slot frees one period later.
    pub(super) async fn seen(self, gate: &Gate, at: WallTime) {
        if let Some((limit, id)) = self.limit {
            gate.ledger.release_slot(id, at);
            tell_gauge(gate, self.account, limit).await;
        }
    }

    /// Nobody waits for the reply any more. It may still come, so the slot frees one period from now.
    pub(super) fn given_up(self, gate: &Gate, at: WallTime) {
        if let Some((_, id)) = self.limit {
            gate.ledger.release_slot(id, at);
        }
    }

    /// The call could not be authorised, so nothing was sent, and the slot is free at once.
    pub(super) async fn unused(self, gate: &Gate) {
        if let Some((limit, id)) = self.limit {
            gate.ledger.return_slot(id);
            tell_gauge(gate, self.account, limit).await;
        }
    }
}

async fn tell_gauge(gate: &Gate, account: &AccountId, limit: &Limit) {
    if gate.events.is_none() {
        return;
    }
    if let Some(gauge) = gauge(gate, limit).await {
        gate.tell(Event::Budget(account.clone(), gauge)).await;
    }
}

pub(super) async fn gauge(gate: &Gate, limit: &Limit) -> Option<BudgetGauge> {
    let counted = gate
        .ledger
        .budget(&limit.scope, limit.requests, limit.period)
        .await;
    let (used, next_free) = counted.ok()?;
    let waiting = gate.queues.interactive.load(Ordering::Relaxed)
        + gate.queues.background.load(Ordering::Relaxed);
    Some(BudgetGauge {
        counts: limit.counts,
        held: None,
        used,
        limit: limit.requests,
        period: limit.period,
        next_free,
        waiting,
    })
}

/// Counts one waiting request for as long as it lives, a cancelled one too.
struct InQueue<'a>(&'a AtomicU32);

impl<'a> InQueue<'a> {
    fn enter(queue: &'a AtomicU32) -> Self {
        queue.fetch_add(1, Ordering::Relaxed);
        Self(queue)
    }
}

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
