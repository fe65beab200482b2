//! What is written behind: nobody waits for it, so a burst of it is written in one go.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::{Exchange, WallTime};

use super::writer::Store;
use super::{Ledger, SlotId, exchanges, slots};

/// In a burst, what came together within this time is written at once. A single one is written without delay.
const GATHER: Duration = Duration::from_millis(40);

/// More than this is not gathered: whoever adds to it waits until it is written.
const GATHERED_MAX: usize = 1024;

/// What waits to be written.
#[derive(Default)]
pub(super) struct Behind(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    released: Vec<(SlotId, i64)>,
    exchanges: Vec<(Exchange, Then)>,
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

    fn write(&self, store: &mut Store) {
        let (released, exchanges) = {
            let mut waiting = self.lock();
            waiting.planned = false;
            (
                std::mem::take(&mut waiting.released),
                std::mem::take(&mut waiting.exchanges),
            )
        };
        if !released.is_empty() {
            slots::release(store, &released);
        }
        if exchanges.is_empty() {
            return;
        }
        let (exchanges, thens): (Vec<_>, Vec<_>) = exchanges.into_iter().unzip();
        let ids = exchanges::record(store, &exchanges);
        for ((exchange, id), then) in exchanges.into_iter().zip(ids).zip(thens) {
            then(Exchange { id, ..exchange });
        }
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
        waiting.exchanges.push((exchange, Box::new(then)));
        self.plan(&mut waiting);
    }

    /// Waits while more is to be written behind than should be kept in memory.
    pub async fn keep_up(&self) {
        let much = self.0.behind.lock().exchanges.len() > GATHERED_MAX;
        if much {
            self.flush().await;
        }
    }

    /// Writes now what is waiting to be written.
    pub(super) fn catch_up(&self) {
        let behind = self.0.behind.clone();
        self.tell(move |store| behind.write(store));
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
                    ledger.catch_up();
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
