//! `account list`: the configured accounts, and whether their credentials were valid.

use std::time::Duration;

use super::environment_tone;
use crate::cli::prelude::*;
use crate::domain::{Account, CredentialStatus, time};

/// List the profile's accounts.
#[derive(Debug, Args)]
pub struct ListAccounts {
    #[command(flatten)]
    format: AsCsv,
}

const HEADS: [&str; 6] = [
    "account",
    "provider",
    "environment",
    "host",
    "secret",
    "credentials",
];
const FIELDS: &str = "account,provider,environment,host,secret_source,status,verified_at";

impl DeckCommand for ListAccounts {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let out = &self.format.on(cx.out);
        let accounts: Vec<Account> = match cx.settings.account() {
            Some(name) => vec![cx.deck.pick(Some(name), None)?],
            None => cx.deck.accounts().collect(),
        };
        // The accounts are those of the config file, also where nothing is known about their credentials.
        let remembered = cx.deck.remembered_credentials().await;
        let now = cx.now().wall;
        let mut listing = Listing::new(out, HEADS, FIELDS.split(','));
        for account in &accounts {
            let status = remembered.as_ref().ok().map(|all| {
                let found = all.iter().find(|(id, _)| *id == account.id);
                found.map_or_else(CredentialStatus::default, |(_, status)| status.clone())
            });
            let (state, at) = status.map_or((None, None), |it| (Some(it.state), it.at));
            let (shown, tone) = state.as_ref().map_or(("unknown", Tone::Warn), |state| {
                (state.shown(), state.tone())
            });
            let when = at.map_or(String::new(), |at| match now.since(at) {
                age if age < Duration::from_secs(1) => " just now".into(),
                age => format!(" {} ago", time::coarse(age)),
            });
            let object = json!({
                "account": account.id,
                "provider": account.provider.0,
                "environment": account.environment.as_str(),
                "host": account.host,
                "secret_source": account.secret_source,
                "status": state.as_ref().map(|state| state.as_str()),
                "verified_at": at.map(WallTime::rfc3339),
            });
            let cells = [
                toned(account.id.as_str(), Tone::Accent),
                plain(account.provider_title),
                toned(
                    account.environment.title(),
                    environment_tone(account.environment),
                ),
                plain(account.host.as_str()),
                toned(account.secret_source.as_str(), Tone::Dim),
                toned(format!("{shown}{when}"), tone),
            ];
            listing.row(&object, cells)?;
        }
        if accounts.is_empty() {
            out.explain(&format!(
                "profile {} has no accounts; `tilldeck account add` adds one",
                cx.settings.profile.name
            ));
        }
        listing.flush()?;
        remembered?;
        Ok(Exit::Done)
    }
}
