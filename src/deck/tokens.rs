//! The accounts' access tokens: how they stand, renewed on demand, handed out.

use super::{AccountRuntime, Deck};
use crate::auth::Tokens;
use crate::domain::{AccountId, Problem, ProblemKind, Secret, TokenStatus};
use crate::net::RequestOptions;

impl Deck {
    /// Reads the tokens that earlier runs and other processes have kept.
    pub async fn load_tokens(&self) {
        for runtime in self.registry.all() {
            if let Some(tokens) = &runtime.tokens {
                tokens.load().await;
            }
        }
    }

    /// How each account's access token stands, where it uses such.
    #[must_use]
    pub fn tokens(&self) -> Vec<(AccountId, TokenStatus)> {
        self.registry
            .all()
            .iter()
            .filter_map(|runtime| {
                Some((
                    runtime.account.id.clone(),
                    runtime.tokens.as_ref()?.status(),
                ))
            })
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
        let runtime = self.runtime(account)?;
        let refreshed = tokens_of(&runtime)?.refresh(how).await;
        refreshed.map_err(|error| error.problem(account))
    }

    /// An access token that is good now.
    ///
    /// # Errors
    /// If the account has no access tokens, or none can be had.
    pub async fn token(&self, account: &AccountId, how: RequestOptions) -> Result<Secret, Problem> {
        let runtime = self.runtime(account)?;
        let tokens = tokens_of(&runtime)?;
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

fn tokens_of(runtime: &AccountRuntime) -> Result<&Tokens, Problem> {
    runtime.tokens.as_ref().ok_or_else(|| {
        Problem::new(
            ProblemKind::Usage,
            format!(
                "account {}: {} uses no access tokens; each call is signed",
                runtime.account.id, runtime.account.provider_title
            ),
            "",
        )
    })
}
