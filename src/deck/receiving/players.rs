//! Players as accepted callbacks name them. Name and token stay sealed in the ledger until needed.

use super::{Shared, unread};
use crate::deck::Deck;
use crate::domain::{
    AccountId, CallbackVerdict, Delivery, PlayerClaim, PlayerId, Problem, ProblemKind, Search,
    Secret, Subject,
};
use crate::ledger::{Callbacks, DeliveryQuery};

/// How many of a player's callbacks are opened, newest first, in search of a token.
const OPENED_MAX: usize = 20;

impl Shared {
    /// The player of an accepted callback; `None` where it names none or cannot be opened.
    pub(super) async fn player_claim(&self, delivery: &Delivery) -> Option<PlayerClaim> {
        let account = AccountId::new(delivery.account.as_str()).ok()?;
        let read = self
            .queries
            .registry
            .find(&account)?
            .manifest
            .player_claim?;
        if !matches!(
            delivery.verdict,
            CallbackVerdict::Accepted | CallbackVerdict::Repeat
        ) {
            return None;
        }
        let inbound = self.bytes_of(delivery.id).await.ok()?;
        read(&inbound.readable()?)
    }
}

impl Deck {
    /// The token of a player in the newest accepted callback that has one.
    ///
    /// # Errors
    /// If the ledger cannot be read, or holds no such callback.
    pub async fn player_token(
        &self,
        account: &AccountId,
        player: PlayerId,
    ) -> Result<Secret, Problem> {
        let shared = &self.callbacks.shared;
        let query = DeliveryQuery {
            log: Callbacks {
                account_key: Some(shared.account_key.to_string()),
                subject: Some(Subject::Player(player)),
            },
            search: Search {
                account: Some(account.to_string()),
                ..Search::default()
            },
            limit: OPENED_MAX,
            ..DeliveryQuery::default()
        };
        let newest = self.ledger.log(query).await;
        for delivery in newest.map_err(|error| unread("callbacks", &error))? {
            let claim = shared.player_claim(&delivery).await;
            if let Some(token) = claim.and_then(|claim| claim.token) {
                return Ok(token);
            }
        }
        Err(Problem::new(
            ProblemKind::NotFound,
            format!("account {account}: no callback with a token of player {player} is saved"),
            "receive one with `tilldeck listen`, or pass the token with --token env:NAME, file:PATH, command:… or keyring:NAME",
        ))
    }
}
