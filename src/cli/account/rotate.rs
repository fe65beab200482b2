//! `account rotate`: replaces an account's secret.

use super::change;
use super::questions::provider_of;
use crate::cli::prelude::*;
use crate::cli::prompt::{self, can_ask};
use crate::cli::secret::{SOURCES, read_from, source_of};
use crate::deck::manage;
use crate::domain::manage::{
    Change, GuideTopic, NewSecret, ProviderSetup, unprovable as unprovable_key,
};
use crate::domain::{Account, Environment, Secret};

/// Replace an account's secret. The provider must accept the new one, else the old one stays.
#[derive(Debug, Args)]
pub struct RotateSecret {
    /// The account.
    #[arg(value_name = "ACCOUNT")]
    name: String,
    /// The key of the secret in the config, such as `api_secret`. Default: the secret that authorizes requests.
    #[arg(long)]
    key: Option<String>,
    /// Read the new secret once from this source instead of prompting: `env:NAME`, `file:PATH`,
    /// `command:PROGRAM ARGUMENTS…` or `keyring:NAME`. Never pass the secret itself.
    #[arg(long, value_name = "SOURCE")]
    from: Option<String>,
    /// Save a secret that the provider cannot verify, such as Pledg's `merchant_secret` or `dashboard_password`.
    /// tilldeck still verifies every other secret.
    #[arg(long)]
    unverified: bool,
}

impl DeckCommand for RotateSecret {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let account = cx.named(&self.name, None)?;
        let setups = manage::setups();
        let setup = provider_of(&setups, account.provider.0)?;
        let key = self.key.as_deref().or(setup.main_secret());
        let key = key.ok_or_else(|| usage("this account has no secret", ""))?;
        let mut fields = setup.fields.iter();
        let unprovable = fields.any(|field| {
            field.name == key && field.is_secret() && !setup.proves.contains(&field.name)
        });
        // Reported before any prompt.
        if unprovable && !self.unverified && account.environment != Environment::Embedded {
            return Err(unprovable_key(&account, key).into());
        }
        let change = Change::Rotate(NewSecret {
            secret: self.new_secret(&account, setup, key).await?,
            account: account.id,
            key: key.to_owned(),
            unverified: self.unverified,
        });
        let proved = cx.deck.prove(change, request_options(false)).await?;
        let changed = change::save(proved, cx.deck, cx.interrupts).await?;
        change::print(&changed, cx.settings, None, cx.out)?;
        Ok(Exit::Done)
    }
}

impl RotateSecret {
    async fn new_secret(
        &self,
        account: &Account,
        setup: &ProviderSetup,
        key: &str,
    ) -> Result<Secret, Problem> {
        if let Some(from) = &self.from {
            let what = format!(
                "account {}: tilldeck cannot read the new secret",
                account.id
            );
            let read = read_from(source_of("--from", from)?, &what, "the old secret stays");
            return Ok(read.await?.secret);
        }
        if !can_ask() {
            return Err(usage(
                format!(
                    "account {}: not a terminal, so tilldeck cannot ask for the new secret",
                    account.id
                ),
                format!("pass --from SOURCE; {SOURCES}"),
            ));
        }
        if let Some(guide) = setup.guide_about(GuideTopic::Rotation) {
            change::show(guide);
        }
        let question = format!("new {key} of account {}", account.id);
        prompt::secret(&question).await
    }
}
