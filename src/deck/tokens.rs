//! The accounts' access tokens: how they stand, renewed on demand, handed out.

use super::{Deck, Desk};
use crate::auth::Tokens;
use crate::domain::{AccountId, Problem, ProblemKind, Secret, TokenStatus};
use crate::net::RequestOptions;

impl Deck {
    /// Reads the tokens that earlier runs and other processes have kept.
    pub async fn load_tokens(&self) {
        for desk in self.desks.all() {
            if let Some(tokens) = &desk.tokens {
                tokens.load().await;
            }
        }
    }

    /// How each account's access token stands, where it uses such.
    #[must_use]
    pub fn tokens(&self) -> Vec<(AccountId, TokenStatus)> {
        self.desks
            .all()
            .iter()
            .filter_map(|desk| Some((desk.account.id.clone(), desk.tokens.as_ref()?.status())))
            .collect()
    }

    /// Fetches a new access token now. The one in hand stays if that fails.
    ///
    /// # Errors
    /// If the account has no access tokens, or none can be had.
    pub async fn refresh_token(
        &self,
        account: &AccountId,
        how: RequestOptions,
    ) -> Result<TokenStatus, Problem> {
        let desk = self.desk(account)?;
        let refreshed = tokens_of(&desk)?.refresh(how).await;
        refreshed.map_err(|error| error.problem(account))
    }

    /// An access token that is good now.
    ///
    /// # Errors
    /// If the account has no access tokens, or none can be had.
    pub async fn token(&self, account: &AccountId, how: RequestOptions) -> Result<Secret, Problem> {
        let desk = self.desk(account)?;
        let tokens = tokens_of(&desk)?;
        let ready = tokens.ready(how).await;
        ready.map_err(|error| error.problem(account))?;
        tokens.current().ok_or_else(|| {
            Problem::new(
                ProblemKind::Failing,
                format!("account {account}: the access token expired as soon as it was there"),
                "check the life the provider gives its tokens, and this machine's clock",
            )
        })
    }
}

fn tokens_of(desk: &Desk) -> Result<&Tokens, Problem> {
    desk.tokens.as_ref().ok_or_else(|| {
        Problem::new(
            ProblemKind::Usage,
            format!(
                "account {}: {} uses no access tokens; each call is signed",
                desk.account.id, desk.account.provider_title
            ),
            "",
        )
    })
}
