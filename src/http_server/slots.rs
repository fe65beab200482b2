//! Connection slots. If all are in use, the connection that has been without a complete request for the longest is
//! closed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use super::connection::{Connection, Phase};

/// How soon to retry where every connection is being answered.
const IDLE_CHECK: Duration = Duration::from_millis(20);

/// The slots of one server.
pub(super) struct ConnectionSlots {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Occupied>>,
}

#[derive(Default)]
struct Occupied {
    /// When each connection opened, or last completed a request.
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

/// One connection's slot, until dropped.
pub(super) struct ConnectionSlot {
    connection: Arc<Connection>,
    go: CancellationToken,
    age: AtomicU64,
    taken: Arc<Mutex<Occupied>>,
    _free: OwnedSemaphorePermit,
}

impl ConnectionSlots {
    pub(super) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            taken: Arc::default(),
        }
    }

    /// Takes a slot, closing another connection if necessary.
    pub(super) async fn take(&self) -> ConnectionSlot {
        let free = loop {
            let free = self.free.clone();
            // Without waiting first: the usual case closes no connection.
            if let Ok(free) = free.try_acquire_owned() {
                break free;
            }
            self.evict();
            let free = self.free.clone().acquire_owned();
            if let Ok(free) = tokio::time::timeout(IDLE_CHECK, free).await {
                break free.expect("it is never closed");
            }
        };
        let (connection, go) = (Arc::<Connection>::default(), CancellationToken::new());
        let mut taken = self.taken.lock();
        let age = taken.add(connection.clone(), go.clone());
        ConnectionSlot {
            connection,
            go,
            age: age.into(),
            taken: self.taken.clone(),
            _free: free,
        }
    }

    /// Closes the connection that has been without a complete request for the longest; never one with a complete
    /// request.
    pub(super) fn evict(&self) {
        let mut taken = self.taken.lock();
        // Oldest first, since ages only grow.
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

    /// Marks the request as complete, so that other connections are closed first.
    pub(super) fn renew(&self) {
        let mut taken = self.taken.lock();
        // A connection that is to close stays so.
        if let Some((connection, go)) = taken.by_age.remove(&self.age.load(Ordering::Relaxed)) {
            self.age.store(taken.add(connection, go), Ordering::Relaxed);
        }
    }

    /// Completes when the connection must close.
    pub(super) fn evicted(&self) -> WaitForCancellationFuture<'_> {
        self.go.cancelled()
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.taken
            .lock()
            .by_age
            .remove(&self.age.load(Ordering::Relaxed));
    }
}
