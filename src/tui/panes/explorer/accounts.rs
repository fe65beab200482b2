//! The accounts behind drafts and history: another profile, a changed configuration, and the operator change them.

use super::{Part, State};
use crate::domain::{Account, AccountId};
use crate::tui::prelude::*;

impl State {
    /// Takes over the accounts of the store. Drops the drafts and the history of those that were removed or changed: they
    /// are for another provider or other money.
    pub(super) fn take_accounts(&mut self, store: &Store) {
        let accounts = store.accounts.iter().map(|known| &known.account);
        if accounts.clone().eq(&self.accounts) {
            return;
        }
        let before = std::mem::replace(&mut self.accounts, accounts.cloned().collect());
        self.listed_for = None;
        let is_unchanged = |old: &Account| {
            let new = store.known(&old.id);
            new.is_some_and(|new| is_same(old, &new.account))
        };
        let is_dropped = |account: &AccountId| {
            let mut before = before.iter();
            before.any(|old| old.id == *account && !is_unchanged(old))
        };
        self.history.remove(is_dropped);
        let (current, drafts) = (self.current.take(), std::mem::take(&mut self.drafts));
        for (at, draft) in drafts.into_iter().enumerate() {
            if is_dropped(&draft.account) {
                continue;
            }
            if Some(at) == current {
                self.current = Some(self.drafts.len());
            }
            self.drafts.push(draft);
        }
        if self.current.is_none() && self.part != Part::Calls {
            self.part = Part::Calls;
        }
    }
}

/// Whether calls to both are calls to the same account. A secret that moved changes no call.
fn is_same(old: &Account, new: &Account) -> bool {
    let moved = Account {
        secret_source: new.secret_source.clone(),
        ..old.clone()
    };
    moved == *new
}
