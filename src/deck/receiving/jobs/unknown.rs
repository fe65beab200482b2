//! Unsigned callbacks about payments that this ledger does not know. Anyone can send these, so they use a small part of
//! the rate limit, and their number is reported.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::{ClaimedJob, JobQueue, SHORTEST, Shared};
use crate::clock::Clock;
use crate::domain::job::LEASE;
use crate::domain::{AccountId, WallTime, inert};
use crate::ledger::{JobFilter, Ledger, SlotId, SlotOutcome, SlotRequest, UNKNOWN_MAX};
use crate::net::Event;

/// Checks of unknown payments may use one in this many slots of an account's rate limit.
const PART: u32 = 10;
/// More than these are reported: a shop does not create that many payments elsewhere at once.
const MANY: u64 = 100;
/// How often a warning about one account is repeated.
const WARN_AGAIN: Duration = Duration::from_mins(10);

#[derive(Default)]
pub(super) struct Unknown(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    /// When each account's warning was last shown.
    warned: HashMap<String, Duration>,
    /// No slot is free until then, so a flood does not cause a read of the queue for each callback.
    rest_until: Duration,
}

/// A slot of the rate limit for unknown payments. It stays used for one period after it is dropped.
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
    /// Leases the newest due job of an account with a free slot, or returns how long to wait.
    pub(super) async fn take_unknown(
        &self,
        queue: JobQueue,
        busy: Vec<String>,
        seen: &mut WallTime,
    ) -> Result<Vec<ClaimedJob>, Duration> {
        let mono = self.queries.clock.now().mono;
        let rest = self.queues.unknown.0.lock().rest_until.saturating_sub(mono);
        if !rest.is_zero() {
            return Err(rest);
        }
        let (now, set_back) = self.read_clock(seen);
        let waiting = self
            .queries
            .ledger
            .unknown_waiting(self.account_key.clone())
            .await;
        let mut waiting = waiting.unwrap_or_default();
        // In random order, so that no account always comes first.
        fastrand::shuffle(&mut waiting);
        let mut pause = self.pace.others;
        let mut all_used = false;
        for (account, count) in waiting {
            if count > MANY {
                self.warn_of_many(&account, count);
            }
            let queue = JobFilter {
                account: Some(account),
                ..queue.queue(self, busy.clone())
            };
            // Before a slot is taken: a slot stays used for a whole period.
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
            let mut taken = self.claim(queue, now, 1).await;
            if let Some(one) = taken.first_mut() {
                // Held until the attempt ends: its period counts from then.
                one.slot = slot;
                return Ok(taken);
            }
        }
        if all_used {
            self.queues.unknown.0.lock().rest_until = mono.saturating_add(pause);
        }
        Err(pause)
    }

    /// Takes one of an account's slots, or returns how long to wait. The ledger counts them, for all processes
    /// together. `None` where the account is gone or has no limit.
    async fn slot(&self, account: Option<&str>) -> Result<Option<Slot>, Duration> {
        let id = account.and_then(|name| AccountId::new(name).ok());
        let Some(runtime) = id.and_then(|id| self.queries.registry.find(&id)) else {
            return Ok(None);
        };
        let limits = runtime.session.limits().iter();
        // The tightest limit, since a check may count under any of them.
        let Some(limit) = limits.min_by_key(|limit| limit.requests) else {
            return Ok(None);
        };
        let terms = SlotRequest {
            scope: format!("{} unknown", limit.scope).into(),
            limit: (limit.requests / PART).max(1),
            period: limit.period,
            reserve: 0,
            flight: LEASE,
            persistence: runtime.session.gate().persistence(&runtime.account),
        };
        let ledger = &self.queries.ledger;
        let next = match ledger.take_slot(terms).await {
            Ok(SlotOutcome::Granted(granted)) => {
                return Ok(Some(Slot {
                    ledger: ledger.clone(),
                    clock: self.queries.clock.clone(),
                    id: granted.take(),
                }));
            }
            Ok(SlotOutcome::Full { next_free }) => next_free,
            Ok(SlotOutcome::Held(left)) => Some(left),
            // The ledger's own status reports its problems.
            Err(_) => None,
        };
        Err(next.unwrap_or(self.pace.others).max(SHORTEST))
    }

    /// Warns the operator that many callbacks wait, at most once in [`WARN_AGAIN`].
    fn warn_of_many(&self, account: &str, count: u64) {
        let now = self.queries.clock.now().mono;
        {
            let warned = &mut self.queues.unknown.0.lock().warned;
            let lately = |at: &Duration| now.saturating_sub(*at) < WARN_AGAIN;
            if warned.get(account).is_some_and(lately) {
                return;
            }
            warned.insert(account.to_owned(), now);
        }
        let account = inert::cut(account, 64);
        let about = format!("unknown payments {account}");
        let text = format!(
            "account {account}: {count} callbacks are about unknown payments, or not verified yet. Anyone can send these. tilldeck checks them \
             newest first, with a tenth of the rate limit, and drops the oldest beyond {UNKNOWN_MAX}; those to verify it answers with 503 then. \
             Callbacks about watched, expected or known payments go first. If your shop did not create these payments, \
             block their senders: `tilldeck log --deliveries --json` names them in `from`."
        );
        self.gate.emit(Event::Warning { about, text });
    }
}
