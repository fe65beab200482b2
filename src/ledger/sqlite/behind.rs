//! Write-behind: no caller waits for requests and released slots, so a burst of them is written in one transaction.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Now;

use super::writer::Store;
use super::{Sqlite, slots};
use crate::ledger::slots::SlotId;
use crate::ledger::sql::batch::{Batch, Batcher};
use crate::ledger::sql::exchanges::{self, Recording};

/// In a burst, rows that come within this time are written together. A single row is written without delay.
const COALESCE: Duration = Duration::from_millis(20);

/// The most rows in one transaction: a slot request in between must not wait for long.
const CHUNK: usize = 64;

type Release = (SlotId, Now);

pub(super) struct WriteBehind {
    releases: Arc<Batcher<Release>>,
    pub(super) log: Arc<Batcher<Recording>>,
}

impl Default for WriteBehind {
    fn default() -> Self {
        Self {
            releases: Batcher::new(Batch {
                name: "released slots",
                rows: usize::MAX,
                bytes: usize::MAX,
                size: |_| 0,
                gather: COALESCE,
                delayed: |_, _| {},
            }),
            log: exchanges::queue(CHUNK, COALESCE),
        }
    }
}

impl WriteBehind {
    /// Takes the releases that wait: the next count of slots must include them.
    pub(super) fn released(&self) -> Vec<Release> {
        self.releases.take()
    }

    pub(super) fn write_all(&self, store: &mut Store) {
        // Before the exchanges: other processes may be waiting for these slots.
        self.releases.write_all(store, release);
        self.log
            .write_all(store, |store, rows| exchanges::save(store, rows));
    }
}

fn release(store: &mut Store, mut released: Vec<Release>) -> Vec<Release> {
    slots::serve(store, &released, Vec::new());
    released.clear();
    released
}

impl Sqlite {
    pub(super) fn release_later(&self, id: SlotId, seen_at: Now) {
        self.0.behind.releases.add(self, (id, seen_at), release);
    }
}
