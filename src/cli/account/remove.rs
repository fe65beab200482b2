//! `account remove`: removes an account from the config file.

use super::{change, say};
use crate::cli::prelude::*;
use crate::cli::prompt::{self, can_ask};
use crate::deck::manage;
use crate::domain::Account;
use crate::domain::manage::{Change, GuideTopic};

/// Remove an account from the config file and delete its stored secrets.
#[derive(Debug, Args)]
pub struct RemoveAccount {
    /// The account.
    #[arg(value_name = "ACCOUNT")]
    name: String,
    /// Do not ask for confirmation.
    #[arg(long)]
    yes: bool,
}

impl DeckCommand for RemoveAccount {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let (deck, out) = (cx.deck, cx.out);
        let account = cx.named(&self.name, None)?;
        let change = Change::Remove(account.id.clone());
        // Fails before any prompt if the account cannot be removed.
        let proved = deck.prove(change, request_options(false)).await?;
        if !self.yes {
            confirm_removal(&account).await?;
        }
        let changed = change::save(proved, deck, cx.interrupts).await?;
        change::print(&changed, cx.settings, None, out)?;
        let setups = manage::setups();
        let mut setups = setups.iter();
        let setup = setups.find(|setup| setup.provider == account.provider);
        let guide = setup.and_then(|setup| setup.guide_about(GuideTopic::Deletion));
        if let Some(guide) = guide.filter(|_| !out.is_json()) {
            say(&format!(
                "{} still accepts the credentials.",
                account.provider_title
            ));
            change::show(guide);
        }
        Ok(Exit::Done)
    }
}

async fn confirm_removal(account: &Account) -> Result<(), Problem> {
    let id = &account.id;
    if !can_ask() {
        return Err(usage(
            format!("account {id}: not a terminal, so tilldeck cannot ask for confirmation"),
            "pass --yes to remove it",
        ));
    }
    let about = format!(
        "account {id} ({}, {}) will be removed from the config, and its stored secrets deleted",
        account.provider_title,
        account.environment.title()
    );
    say(&about);
    let unchanged = format!("account {id} was not removed");
    if !account.environment.is_live() {
        return prompt::confirm("remove it? [y/N] ", &unchanged).await;
    }
    if prompt::ask("this account is LIVE; type its name to remove it: ").await? == id.as_str() {
        return Ok(());
    }
    Err(prompt::declined(&unchanged))
}
