//! What the ledger's thread is asked to do.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::Sqlite;
use super::writer::Store;
use crate::ledger::error::LedgerError;
use crate::ledger::slots::{Slots, Terms};

pub(super) enum Task {
    Run(Box<dyn FnOnce(&mut Store) + Send>),
    /// Those that follow one another are served in one transaction.
    TakeSlot(SlotCall),
}

pub(super) struct SlotCall {
    pub(super) terms: Terms,
    pub(super) ledger: Arc<Sqlite>,
    pub(super) answer: oneshot::Sender<Result<Slots, LedgerError>>,
}
