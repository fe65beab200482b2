//! Callbacks that nothing proves, about payments that nobody here knows. Anybody can send these, so they spend a small
//! part of the rate budget, and their number is told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{ClaimedJob, JobQueue, LEASE, SHORTEST, Shared};
use crate::clock::Clock;
use crate::domain::{AccountId, WallTime, inert};
use crate::ledger::{JobFilter, Ledger, SlotId, Slots, Terms, UNKNOWN_MAX};
use crate::net::Event;

/// They have one part in so many of an account's rate budget.
const PART: u32 = 10;
/// More than these are told of: a shop does not make so many payments elsewhere at once.
const MANY: u64 = 100;
/// How often that is told of an account.
const TELL_AGAIN: Duration = Duration::from_mins(10);

/// What is remembered of them from one look at the list to the next.
#[derive(Default)]
pub(in super::super) struct Unknown(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    /// When it was last told of each account that many wait.
    warned: HashMap<String, Duration>,
    /// All that wait do so for a slot until then: a flood does not make the list be looked at for each of its callbacks.
    rest_until: Duration,
}

impl Unknown {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the requests that they may cause. Counts until one period after it was dropped.
pub(super) struct Slot {
    ledger: Ledger,
    clock: Clock,
    id: SlotId,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let now = self.clock.now();
        self.ledger.release_slot(self.id.clone(), now);
    }
}

impl Shared {
    /// Takes the newest that is due of an account that may be asked about one more; else tells for how long there is
    /// nothing.
    pub(super) async fn take_unknown(
        &self,
        queue: JobQueue,
        seen: &mut WallTime,
    ) -> Result<Vec<ClaimedJob>, Duration> {
        let mono = self.queries.clock.now().mono;
        let rest = self.unknown.memory().rest_until.saturating_sub(mono);
        if !rest.is_zero() {
            return Err(rest);
        }
        let (now, set_back) = self.look(seen);
        let waiting = self
            .queries
            .ledger
            .unknown_waiting(self.account_key.clone())
            .await;
        let mut waiting = waiting.unwrap_or_default();
        // No account always comes first.
        fastrand::shuffle(&mut waiting);
        let mut pause = self.pace.others;
        let mut all_used = false;
        for (account, count) in waiting {
            if count > MANY {
                self.warn_of_many(&account, count);
            }
            let queue = JobFilter {
                account: Some(account),
                ..queue.queue(&self.account_key)
            };
            if let Err(next) = self.due(&queue, now, set_back).await {
                pause = pause.min(next);
                continue;
            }
            let slot = match self.slot(queue.account.as_deref()).await {
                Ok(slot) => slot,
                Err(next) => {
                    pause = pause.min(next);
                    all_used = true;
                    continue;
                }
            };
            let mut taken = self.hold(queue, now, 1).await;
            if let Some(one) = taken.first_mut() {
                one.slot = slot;
                return Ok(taken);
            }
        }
        if all_used {
            self.unknown.memory().rest_until = mono.saturating_add(pause);
        }
        Err(pause)
    }

    /// One of an account's slots for these, or for how long there is none. They are counted in the ledger, for all
    /// processes together. `None` where there is no such account any more, or no limit.
    async fn slot(&self, account: Option<&str>) -> Result<Option<Slot>, Duration> {
        let id = account.and_then(|name| AccountId::new(name).ok());
        let Some(runtime) = id.and_then(|id| self.queries.registry.find(&id)) else {
            return Ok(None);
        };
        let limits = runtime.session.limits().iter();
        let Some(limit) = limits.min_by_key(|limit| limit.requests) else {
            return Ok(None);
        };
        let terms = Terms {
            scope: format!("{} unknown", limit.scope).into(),
            limit: (limit.requests / PART).max(1),
            period: limit.period,
            reserve: 0,
            flight: LEASE,
            persistence: runtime.session.gate().persistence(&runtime.account),
        };
        let ledger = &self.queries.ledger;
        let next = match ledger.take_slots(terms, 1).await {
            Ok(Slots::Granted(mut granted)) => {
                let slot = granted.take().pop().map(|id| Slot {
                    ledger: ledger.clone(),
                    clock: self.queries.clock.clone(),
                    id,
                });
                return Ok(slot);
            }
            Ok(Slots::Full { next_free }) => next_free,
            Ok(Slots::Held(left)) => Some(left),
            // The ledger tells on its own what is wrong with it.
            Err(_) => None,
        };
        Err(next.unwrap_or(self.pace.others).max(SHORTEST))
    }

    /// Tells whoever operates this that many wait, at most once in a while.
    fn warn_of_many(&self, account: &str, count: u64) {
        let now = self.queries.clock.now().mono;
        {
            let warned = &mut self.unknown.memory().warned;
            let lately = |at: &Duration| now.saturating_sub(*at) < TELL_AGAIN;
            if warned.get(account).is_some_and(lately) {
                return;
            }
            warned.insert(account.to_owned(), now);
        }
        let account = inert::cut(account, 64);
        let about = format!("unknown payments {account}");
        let text = format!(
            "account {account}: {count} callbacks name payments that nobody here knows. Anybody can send these: they are \
             checked newest first, by a tenth of the rate limit, and of more than {UNKNOWN_MAX} the oldest are dropped. \
             Callbacks about watched, expected or known payments go first. If the shop did not make these payments, \
             block their senders: `tilldeck log --deliveries --json` names them in `from`."
        );
        self.gate.emit(Event::Warning { about, text });
    }
}
