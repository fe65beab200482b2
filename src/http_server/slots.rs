//! Who is connected. Where all places are taken, whoever has been without a whole request for the longest goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::connection::{Connection, Phase};

/// All of them were being answered: how soon it is looked again whether one can go.
const AGAIN: Duration = Duration::from_millis(20);

/// The places of one server.
pub(super) struct ConnectionSlots {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Occupied>>,
}

#[derive(Default)]
struct Occupied {
    /// By when each came, or last had a request whole.
    by_age: BTreeMap<u64, (Arc<Connection>, CancellationToken)>,
    next: u64,
}

impl Occupied {
    fn add(&mut self, connection: Arc<Connection>, go: CancellationToken) -> u64 {
        let age = self.next;
        self.next += 1;
        self.by_age.insert(age, (connection, go));
        age
    }
}

/// One connection's place, until dropped.
pub(super) struct ConnectionSlot {
    connection: Arc<Connection>,
    go: CancellationToken,
    age: AtomicU64,
    taken: Arc<Mutex<Occupied>>,
    _free: OwnedSemaphorePermit,
}

fn lock(taken: &Mutex<Occupied>) -> MutexGuard<'_, Occupied> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConnectionSlots {
    pub(super) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            taken: Arc::default(),
        }
    }

    /// Takes a place, sending somebody away if need be.
    pub(super) async fn take(&self) -> ConnectionSlot {
        let free = loop {
            let free = self.free.clone();
            if let Ok(free) = free.try_acquire_owned() {
                break free;
            }
            self.evict();
            let free = self.free.clone().acquire_owned();
            if let Ok(free) = tokio::time::timeout(AGAIN, free).await {
                break free.expect("it is never closed");
            }
        };
        let (connection, go) = (Arc::<Connection>::default(), CancellationToken::new());
        let mut taken = lock(&self.taken);
        let age = taken.add(connection.clone(), go.clone());
        ConnectionSlot {
            connection,
            go,
            age: age.into(),
            taken: self.taken.clone(),
            _free: free,
        }
    }

    /// Sends away whoever has been without a whole request for the longest; nobody whose request is whole.
    pub(super) fn evict(&self) {
        let mut taken = lock(&self.taken);
        let waiting = taken
            .by_age
            .iter()
            .find(|(_, (connection, _))| connection.phase() != Phase::Answering);
        if let Some(age) = waiting.map(|(age, _)| *age)
            && let Some((_, go)) = taken.by_age.remove(&age)
        {
            go.cancel();
        }
    }
}

impl ConnectionSlot {
    pub(super) fn connection(&self) -> Arc<Connection> {
        self.connection.clone()
    }

    /// Says that a request is whole: all others have waited for longer.
    pub(super) fn renew(&self) {
        let mut taken = lock(&self.taken);
        // Whoever was sent away stays so.
        if let Some((connection, go)) = taken.by_age.remove(&self.age.load(Ordering::Relaxed)) {
            self.age.store(taken.add(connection, go), Ordering::Relaxed);
        }
    }

    /// Ends when it has to go.
    pub(super) fn evicted(&self) -> WaitForCancellationFuture<'_> {
        self.go.cancelled()
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        lock(&self.taken)
            .by_age
            .remove(&self.age.load(Ordering::Relaxed));
    }
}
