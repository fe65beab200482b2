//! What is written behind: nobody waits for it, so a burst of it is written in one go.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::{Exchange, Now};

use super::writer::Store;
use super::{Ledger, SlotId, exchanges, slots};

/// In a burst, what came together within this time is written at once. A single one is written without delay.
const GATHER: Duration = Duration::from_millis(40);

/// No more than this is written at once: whoever asks for a slot meanwhile must not wait for long.
const CHUNK: usize = 16;

/// More than this is not gathered: whoever adds to it waits until it is written.
const GATHERED_MAX: usize = 1024;

/// What waits to be written.
#[derive(Default)]
pub(super) struct WriteBehind(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    released: Vec<(SlotId, Now)>,
    exchanges: VecDeque<(Exchange, Then)>,
    /// A task is under way that sees to it, until nothing has come for a while.
    tended: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.released.is_empty() && self.exchanges.is_empty()
    }
}

/// Told of the exchange with the id it was given.
type Then = Box<dyn FnOnce(Exchange) + Send>;

impl WriteBehind {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the slots whose replies were seen: who counts them must count them as they are.
    pub(super) fn release(&self, store: &mut Store) {
        let released = std::mem::take(&mut self.lock().released);
        if !released.is_empty() {
            slots::release(store, &released);
        }
    }

    /// Writes some of what is waiting; whether there is more.
    pub(super) fn write(&self, store: &mut Store) -> bool {
        let (exchanges, more) = {
            let mut waiting = self.lock();
            let some = waiting.exchanges.len().min(CHUNK);
            let exchanges: Vec<_> = waiting.exchanges.drain(..some).collect();
            (exchanges, !waiting.exchanges.is_empty())
        };
        self.release(store);
        if exchanges.is_empty() {
            return more;
        }
        let (exchanges, thens): (Vec<_>, Vec<_>) = exchanges.into_iter().unzip();
        let ids = exchanges::record(store, &exchanges);
        for ((exchange, id), then) in exchanges.into_iter().zip(ids).zip(thens) {
            then(Exchange { id, ..exchange });
        }
        more
    }
}

impl Ledger {
    /// Says when the reply was seen, or the request given up: the slot stays used for one period from then.
    pub fn release_slot(&self, id: SlotId, seen_at: Now) {
        let mut waiting = self.0.behind.lock();
        waiting.released.push((id, seen_at));
        self.tend(&mut waiting);
    }

    /// Keeps an exchange without waiting for it; then `then` is given it with its id, negative where it cannot be
    /// kept.
    pub fn record_later(&self, exchange: Exchange, then: impl FnOnce(Exchange) + Send + 'static) {
        let mut waiting = self.0.behind.lock();
        waiting.exchanges.push_back((exchange, Box::new(then)));
        self.tend(&mut waiting);
    }

    /// Whether exchanges wait to be written.
    #[must_use]
    pub fn has_unsaved(&self) -> bool {
        !self.0.behind.lock().exchanges.is_empty()
    }

    /// Waits while more is to be written behind than should be kept in memory.
    pub async fn keep_up(&self) {
        let much = self.0.behind.lock().exchanges.len() > GATHERED_MAX;
        if much {
            self.flush().await;
        }
    }

    /// Writes now all that is waiting to be written, ahead of whatever is asked next.
    pub(super) fn catch_up(&self) {
        let behind = self.0.behind.clone();
        self.tell(move |store| while behind.write(store) {});
    }

    /// Writes what is waiting, letting go first whoever has asked for something else meanwhile.
    fn catch_up_in_turn(&self) {
        let shared = Arc::downgrade(&self.0);
        let behind = self.0.behind.clone();
        self.tell(move |store| {
            if behind.write(store)
                && let Some(shared) = shared.upgrade()
            {
                Ledger(shared).catch_up_in_turn();
            }
        });
    }

    /// Sees to it that what was added is written: the first of a burst now, what comes meanwhile together.
    fn tend(&self, waiting: &mut Waiting) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.catch_up_in_turn();
            return;
        };
        if std::mem::replace(&mut waiting.tended, true) {
            return;
        }
        self.catch_up_in_turn();
        let shared = Arc::downgrade(&self.0);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(GATHER).await;
                // With the last handle, all that waits is written.
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                {
                    let mut waiting = shared.behind.lock();
                    if waiting.is_empty() {
                        waiting.tended = false;
                        return;
                    }
                }
                Ledger(shared).catch_up_in_turn();
            }
        });
    }
}
