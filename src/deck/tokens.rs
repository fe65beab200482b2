//! The accounts' access tokens: their state, renewal on demand, and a valid token for the operator.

use super::Deck;
use super::runtime::AccountRuntime;
use crate::auth::Tokens;
use crate::domain::{AccountId, Problem, ProblemKind, Secret, TokenStatus};
use crate::net::RequestOptions;

impl Deck {
    /// Reads the tokens that earlier runs and other processes have saved.
    pub async fn load_tokens(&self) {
        for runtime in self.registry.all() {
            if let Some(tokens) = &runtime.tokens {
                tokens.load().await;
            }
        }
    }

    /// The state of each account's access token, for providers that use them.
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

    /// Fetches a new access token now. The current one stays if that fails.
    ///
    /// # Errors
    /// If the account uses no access tokens, or the provider grants none.
    pub async fn fetch_token(
        &self,
        account: &AccountId,
        options: RequestOptions,
    ) -> Result<TokenStatus, Problem> {
        let runtime = self.runtime(account)?;
        let fetched = tokens_of(&runtime)?.fetch_new(options).await;
        fetched.map_err(|error| error.problem(account))
    }

    /// A valid access token.
    ///
    /// # Errors
    /// If the account uses no access tokens, or the provider grants none.
    pub async fn token(
        &self,
        account: &AccountId,
        options: RequestOptions,
    ) -> Result<Secret, Problem> {
        let runtime = self.runtime(account)?;
        let tokens = tokens_of(&runtime)?;
        let ready = tokens.ready(options).await;
        ready.map_err(|error| error.problem(account))?;
        tokens.current().ok_or_else(|| {
            Problem::new(
                ProblemKind::Failing,
                format!("account {account}: the new access token was already expired"),
                "check this machine's clock, and how long the provider's tokens last",
            )
        })
    }
}

fn tokens_of(runtime: &AccountRuntime) -> Result<&Tokens, Problem> {
    runtime.tokens.as_ref().ok_or_else(|| {
        Problem::usage(
            format!(
                "account {}: {} uses no access tokens; each request is signed",
                runtime.account.id, runtime.account.provider_title
            ),
            "",
        )
    })
}
