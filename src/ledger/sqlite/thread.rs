//! The thread that owns the file. Does its tasks in order, sleeps while there are none, and prunes in between.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::behind::WriteBehind;
use super::task::{SlotCall, Task};
use super::writer::Store;
use super::{exchanges, slots};
use crate::ledger::sql::deliveries;

/// Old rows are pruned after the first burst of work, and then after this many exchanges.
const PRUNE_EVERY: u32 = 512;
/// Without work for this long, the thread puts the file in order.
const REST: Duration = Duration::from_secs(1);
/// Pruning runs in small steps, with time for other processes to write between two of them.
const BETWEEN_STEPS: Duration = Duration::from_millis(10);

/// The most slots taken in one transaction.
const SLOTS: usize = 64;

/// Does what is asked until the last handle is gone.
pub(super) fn run(mut store: Store, tasks: &Receiver<Task>, behind: &WriteBehind) {
    // Taken from the queue with slots before it.
    let mut next = None;
    // Whether there was no work since the last rest.
    let mut rested = true;
    loop {
        // Without work to do the thread sleeps: an idle program wakes no processor.
        let patience = if store.pruning.is_some() {
            Some(BETWEEN_STEPS)
        } else {
            (!rested && store.is_untidy()).then_some(REST)
        };
        let task = match (next.take(), patience) {
            (Some(task), _) => task,
            (None, Some(patience)) => match tasks.recv_timeout(patience) {
                Ok(task) => task,
                Err(RecvTimeoutError::Timeout) => {
                    rested = store.pruned && store.pruning.is_none();
                    if rested {
                        store.empty_log();
                    } else {
                        prune(&mut store);
                    }
                    continue;
                }
                // The last handle is gone; dropping the store closes the file.
                Err(RecvTimeoutError::Disconnected) => return,
            },
            (None, None) => match tasks.recv() {
                Ok(task) => task,
                Err(_) => return,
            },
        };
        match task {
            Task::Run(job) => job(&mut store),
            Task::TakeSlot(call) => {
                let mut calls = vec![call];
                next = follow(&mut calls, tasks);
                slots::serve(&mut store, &behind.released(), calls);
            }
        }
        rested = false;
        // Also while it is busy: a program that never rests must not grow its file without end.
        if store.recorded >= PRUNE_EVERY {
            prune(&mut store);
        }
    }
}

/// Adds the slots that are taken next to `calls`; returns the job behind them.
fn follow(calls: &mut Vec<SlotCall>, tasks: &Receiver<Task>) -> Option<Task> {
    while calls.len() < SLOTS {
        match tasks.try_recv().ok()? {
            Task::TakeSlot(call) => calls.push(call),
            job @ Task::Run(_) => return Some(job),
        }
    }
    None
}

/// Prunes some rows that are too old or too many.
pub(super) fn prune(store: &mut Store) {
    store.pruned = true;
    let last = match store.pruning {
        Some(last) if store.recorded < PRUNE_EVERY => last,
        _ => {
            store.recorded = 0;
            exchanges::too_many(store)
        }
    };
    let exchanges = exchanges::prune(store, last);
    let more = deliveries::at_rest(store) || exchanges;
    store.pruning = more.then_some(last);
}
