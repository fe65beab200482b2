//! What the next deck of the same profile takes over, so that opening the profile anew loses nothing and cannot fail.

use super::hooks::Watch;
use super::receiving::Prepared;
use super::secrets::SecretOverrides;
use super::{Deck, Options};
use crate::domain::{AccountId, Problem};
use crate::ledger::Ledger;

/// What the next deck of the same profile takes over: the open ledger, the receiver's port, which stays open in between,
/// the key that seals callbacks, the secrets that were replaced in this run where tilldeck cannot save them, and what the
/// hooks have reported.
#[derive(Default)]
pub struct Handover {
    pub(super) ledger: Option<Ledger>,
    pub(super) receiver: Prepared,
    pub(super) secrets: SecretOverrides,
    pub(super) watch: Watch,
}

impl Deck {
    /// Gets what differs for the next deck of this profile and may fail: a new address is bound, a new sealing key is
    /// read. This deck goes on in any case.
    ///
    /// # Errors
    /// If the next deck could not receive callbacks.
    pub async fn prepare(&self, next: &Options) -> Result<Prepared, Problem> {
        self.callbacks.prepare(next).await
    }

    /// Hands over what the next deck of this profile needs. Nothing goes along about the accounts that are not in `unchanged`.
    pub fn hand_over(&self, unchanged: &[AccountId], prepared: Prepared) -> Handover {
        let port = || self.callbacks.shared.port.take();
        Handover {
            // One that is opened anew could be another: its URL may come from a file.
            ledger: Some(self.ledger.clone()),
            receiver: Prepared {
                port: prepared.port.or_else(port),
                ..prepared
            },
            secrets: self.factory.secret_overrides.of(unchanged),
            watch: self.queries.hooks.watch_of(unchanged),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;

    #[test]
    fn only_unchanged_accounts_hand_over_their_replaced_secrets() {
        let [shop, outlet] = ["shop", "outlet"].map(|name| AccountId::new(name).unwrap());
        let before = SecretOverrides::default();
        for account in [&shop, &outlet] {
            before.insert(account, "api_secret", Secret::new("new"));
        }
        let after = before.of(std::slice::from_ref(&shop));
        assert!(after.has(&shop) && !after.has(&outlet));
        assert!(before.has(&outlet), "the open deck goes on with its own");
    }
}
