//! The slots in the file.
//!
//! Times are those of [`Clock::shared`]: within one boot a clock that cannot be set. After a restart its length is
//! unknown, so earlier slots are held for their whole time again. If the system does not name its boots, processes
//! share the wall clock: set back, it frees no slot early and holds all for at most one more request and period; set
//! forward, it frees slots early, so each process also counts a window of its own.
//!
//! [`Clock::shared`]: crate::clock::Clock::shared

mod rows;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::SharedInstant;
use crate::domain::Now;

use super::Sqlite;
use super::writer::{Store, UnpersistedSlot};
use crate::ledger::error::LedgerError;
use crate::ledger::slots::{Counted, HOLD_MAX, RateSlots, SlotId, SlotOutcome, SlotRequest};
use crate::ledger::sql::queue::SlotCall;
use crate::ledger::status::Persistence;
use rows::{Batch, Limit, Release, Usage, frees};

/// The request, in the file's units.
struct SlotRow<'a> {
    terms: &'a SlotRequest,
    period: i64,
    flight: i64,
}

impl<'a> SlotRow<'a> {
    fn of(terms: &'a SlotRequest) -> Self {
        Self {
            period: millis(terms.period),
            flight: millis(terms.flight),
            terms,
        }
    }

    fn open_to_all(&self) -> usize {
        self.terms.limit.saturating_sub(self.terms.reserve) as usize
    }

    fn limit(&self) -> Limit<'_> {
        Limit {
            scope: &self.terms.scope,
            period: self.period,
            flight: self.flight,
        }
    }

    fn granted(&self, id: i64) -> SlotId {
        SlotId {
            id,
            scope: self.terms.scope.clone(),
            period: self.period,
        }
    }
}

/// Far from the end of the range, so that sums cannot overflow.
const LONGEST: i64 = i64::MAX / 8;

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).map_or(LONGEST, |ms| ms.min(LONGEST))
}

/// Instants are whole milliseconds; a response's is rounded up, so that no part of its period is lost.
const ROUND_UP: Duration = Duration::from_nanos(999_999);

#[async_trait]
impl RateSlots for Sqlite {
    async fn take_slot(&self, terms: SlotRequest) -> Result<SlotOutcome, LedgerError> {
        self.queue().take_slot(terms, Arc::new(self.clone())).await
    }

    fn return_slot(&self, id: SlotId) {
        self.queue().send(move |store| discard(store, &id));
    }

    fn release_slot(&self, id: SlotId, seen_at: Now) {
        self.queue().release_slot(id, seen_at);
    }

    fn hold_slots(&self, scope: Arc<str>, since: Now, wait: Duration) {
        self.queue().send(move |store| {
            let since = store.clock.shared(since);
            let longest = since.ms.saturating_add(millis(HOLD_MAX));
            let until = since.ms.saturating_add(millis(wait)).min(longest);
            // If it cannot be written, at least this process waits.
            let _ = store.write(|conn| {
                conn.prepare_cached(
                    "INSERT INTO holds (scope, boot, since, until) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (scope) DO UPDATE SET since = ?3, boot = ?2,
                         until = iif(boot = ?2, min(max(until, ?4), ?5), ?4)",
                )?
                .execute((&*scope, since.boot, since.ms, until, longest))
            });
        });
    }

    fn lift_hold(&self, scope: Arc<str>) {
        self.queue().send(move |store| {
            // If it cannot be written, other processes still wait.
            let _ = store.write(|conn| {
                conn.prepare_cached("DELETE FROM holds WHERE scope = ?1")?
                    .execute([&*scope])
            });
        });
    }

    async fn budget(
        &self,
        scope: Arc<str>,
        limit: u32,
        period: Duration,
    ) -> Result<Counted, LedgerError> {
        let period = millis(period);
        self.queue().write_released();
        let counted = self.queue().run(move |store| {
            store.must_know_file()?;
            let now = store.clock.shared(store.clock.now());
            let asked = Limit {
                scope: &scope,
                period,
                flight: millis(Duration::MAX),
            };
            // Slots that only this process knows count as well, or the gauge would show more than may be sent.
            let unpersisted = unpersisted_of(unpersisted_at(store, now), &scope);
            let usage = store.read(|conn| Usage::read(conn, asked, now))?;
            let used = usage.used + unpersisted.len();
            let limit = limit as usize;
            let unknown = usage.unknown_until;
            let used = unknown.map_or(used, |_| used.max(limit));
            let next = if unknown.is_some() {
                unknown
            } else if used < limit {
                None
            } else {
                let n = used - limit;
                let frees = store.read(|conn| frees(conn, &scope, now, n))?;
                nth_free(frees, &unpersisted, n)
            };
            let wait = next
                .map(|at| wait_until(at, now).min(Duration::from_millis(period.unsigned_abs())));
            let used = u32::try_from(used).unwrap_or(u32::MAX);
            Ok(Counted {
                used,
                // The file belongs to one user.
                own: used,
                next_free: wait,
                held: usage.held_until.map(|until| wait_until(until, now)),
            })
        });
        counted.await
    }
}

fn wait_until(at: i64, now: SharedInstant) -> Duration {
    Duration::from_millis(at.saturating_sub(now.ms).unsigned_abs())
}

/// The slots that only this process counts.
fn unpersisted_at(store: &mut Store, now: SharedInstant) -> &[UnpersistedSlot] {
    store.unpersisted.retain(|slot| slot.free_at > now.ms);
    &store.unpersisted
}

/// When each unpersisted slot of a limit is freed; `None` while its request is in flight.
fn unpersisted_of(all: &[UnpersistedSlot], scope: &str) -> Vec<Option<i64>> {
    let here = all.iter().filter(|slot| &*slot.scope == scope);
    here.map(|slot| (!slot.in_flight).then_some(slot.free_at))
        .collect()
}

/// Takes a slot for each caller and releases `released`, all in one transaction. A caller has its slot once it is in the
/// file.
pub(super) fn serve(store: &mut Store, new: Vec<(SlotId, Now)>, calls: Vec<SlotCall>) {
    let mut waiting = std::mem::take(&mut store.released);
    waiting.extend(new);
    let released = release_unpersisted(store, &waiting);
    // An empty transaction would still take the file's lock.
    if released.is_empty() && calls.is_empty() {
        return;
    }
    let requests: Vec<_> = calls.iter().map(|call| SlotRow::of(&call.terms)).collect();
    let (taken, is_written) = take(store, &released, &requests);
    if !is_written {
        // The others have negative ids and are released already.
        waiting.retain(|(slot, _)| slot.id > 0);
        store.released = waiting;
    }
    for (call, taken) in calls.into_iter().zip(taken) {
        if let Some(unused) = call.answer(taken) {
            discard(store, &unused);
        }
    }
}

/// The answer to each request, in their order, and whether all could be written.
fn take(
    store: &mut Store,
    released: &[Release<'_>],
    requests: &[SlotRow<'_>],
) -> (Vec<Result<SlotOutcome<SlotId>, LedgerError>>, bool) {
    let now = store.clock.shared(store.clock.now());
    let batch = Batch {
        released,
        requests,
        unpersisted: unpersisted_at(store, now).to_vec(),
        clock: store.clock.clone(),
    };
    let error = match store.write(|conn| batch.write(conn)) {
        Ok(taken) => {
            let numbered = |(taken, request): (SlotOutcome<i64>, &SlotRow<'_>)| {
                Ok(taken.map(|id| request.granted(id)))
            };
            let taken = taken.into_iter().zip(requests).map(numbered);
            return (taken.collect(), true);
        }
        Err(error) => error,
    };
    let unsaved = |request: &SlotRow<'_>| match error {
        // Only the simulator and `--uncoordinated` get here: their slots are counted in memory.
        LedgerError::NotSaved(_) | LedgerError::Newer(_) | LedgerError::Locked(_)
            if request.terms.persistence == Persistence::BestEffort =>
        {
            Ok(take_in_memory(store, request, now))
        }
        _ => Err(error.clone()),
    };
    (requests.iter().map(unsaved).collect(), false)
}

fn take_in_memory(
    store: &mut Store,
    request: &SlotRow<'_>,
    now: SharedInstant,
) -> SlotOutcome<SlotId> {
    let scope = &request.terms.scope;
    // An unreadable file counts as empty, since this process's own slots are counted beside it.
    let usage = store.read(|conn| Usage::read(conn, request.limit(), now));
    let unpersisted = unpersisted_of(unpersisted_at(store, now), scope);
    let in_use = usage.map_or(0, |usage| usage.used) + unpersisted.len();
    if let Some(over) = in_use.checked_sub(request.open_to_all()) {
        let next = store.read(|conn| frees(conn, scope, now, over));
        let next = next
            .ok()
            .and_then(|frees| nth_free(frees, &unpersisted, over));
        return full(next, now);
    }
    let id = store.unpersisted_id();
    store.unpersisted.push(UnpersistedSlot {
        id,
        scope: scope.clone(),
        period: request.period,
        in_flight: true,
        free_at: now.ms + request.flight + request.period,
    });
    SlotOutcome::Granted(request.granted(id))
}

/// When `n` more slots are free, in the file or unpersisted.
fn nth_free(mut frees: Vec<i64>, unpersisted: &[Option<i64>], n: usize) -> Option<i64> {
    frees.extend(unpersisted.iter().copied().flatten());
    frees.sort_unstable();
    frees.get(n).copied()
}

fn full<G>(next: Option<i64>, now: SharedInstant) -> SlotOutcome<G> {
    SlotOutcome::Full {
        next_free: next.map(|at| wait_until(at, now)),
    }
}

/// Releases the slots that are not in the file, and returns the others.
fn release_unpersisted<'a>(store: &mut Store, slots: &'a [(SlotId, Now)]) -> Vec<Release<'a>> {
    let mut in_file = Vec::with_capacity(slots.len());
    for (slot, seen) in slots {
        let seen = store.clock.shared(seen.plus(ROUND_UP));
        let mut unpersisted = store.unpersisted.iter_mut();
        if let Some(unpersisted) = unpersisted.find(|unpersisted| unpersisted.id == slot.id) {
            unpersisted.in_flight = false;
            unpersisted.free_at = seen.ms.saturating_add(unpersisted.period);
        } else {
            in_file.push(Release { slot, seen });
        }
    }
    in_file
}

fn discard(store: &mut Store, slot: &SlotId) {
    store
        .unpersisted
        .retain(|unpersisted| unpersisted.id != slot.id);
    let _ = store.write(|conn| {
        conn.prepare_cached("DELETE FROM slots WHERE id = ?1")?
            .execute([slot.id])
    });
}
