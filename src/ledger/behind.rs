//! What is written behind: nobody waits for it, so a burst of it is written in one go.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::{Exchange, WallTime};

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
pub(super) struct Behind(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    released: Vec<(SlotId, i64)>,
    exchanges: VecDeque<(Exchange, Then)>,
    /// A job or a timer that will see to it is under way.
    planned: bool,
    /// The last were written a moment ago, or are being written: this is a burst.
    bursting: bool,
}

/// Told of the exchange with the id it was given.
pub(super) type Then = Box<dyn FnOnce(Exchange) + Send>;

impl Behind {
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
    fn write(&self, store: &mut Store) -> bool {
        let (exchanges, more) = {
            let mut waiting = self.lock();
            let some = waiting.exchanges.len().min(CHUNK);
            let exchanges: Vec<_> = waiting.exchanges.drain(..some).collect();
            waiting.planned = !waiting.exchanges.is_empty();
            (exchanges, waiting.planned)
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
    pub fn release_slot(&self, id: SlotId, seen_at: WallTime) {
        let mut waiting = self.0.behind.lock();
        waiting.released.push((id, seen_at.0));
        self.plan(&mut waiting);
    }

    /// Keeps an exchange without waiting for it; then `then` is given it with its id, negative where it cannot be
    /// kept.
    pub fn record_later(&self, exchange: Exchange, then: impl FnOnce(Exchange) + Send + 'static) {
        let mut waiting = self.0.behind.lock();
        waiting.exchanges.push_back((exchange, Box::new(then)));
        self.plan(&mut waiting);
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
        let ledger = self.clone();
        self.tell(move |store| {
            if ledger.0.behind.write(store) {
                ledger.catch_up_in_turn();
            }
        });
    }

    fn plan(&self, waiting: &mut Waiting) {
        if std::mem::replace(&mut waiting.planned, true) {
            return;
        }
        let runtime = tokio::runtime::Handle::try_current();
        match runtime {
            Ok(runtime) if std::mem::replace(&mut waiting.bursting, true) => {
                let ledger = self.clone();
                runtime.spawn(async move {
                    tokio::time::sleep(GATHER).await;
                    ledger.catch_up_in_turn();
                });
            }
            Ok(runtime) => {
                self.catch_up();
                let behind = self.0.behind.clone();
                runtime.spawn(async move {
                    // Until nothing has come for a while.
                    loop {
                        tokio::time::sleep(GATHER).await;
                        let mut waiting = behind.lock();
                        if !waiting.planned {
                            waiting.bursting = false;
                            return;
                        }
                    }
                });
            }
            Err(_) => self.catch_up(),
        }
    }
}
