//! Which account a command means.

use std::sync::Arc;

use super::Deck;
use super::runtime::AccountRuntime;
use crate::domain::{Ability, Account, AccountId, Problem, inert};
use crate::providers::REGISTRY;

impl Deck {
    /// The profile's accounts, in the config's order.
    pub fn accounts(&self) -> impl Iterator<Item = Account> {
        let registry = self.registry.all().into_iter();
        registry.map(|runtime| runtime.account.clone())
    }

    pub(super) fn runtime(&self, id: &AccountId) -> Result<Arc<AccountRuntime>, Problem> {
        let runtime = self.registry.find(id);
        runtime.ok_or_else(|| self.no_account(id.as_str()))
    }

    fn no_account(&self, name: &str) -> Problem {
        let names: Vec<String> = self
            .accounts()
            .map(|account| account.id.to_string())
            .collect();
        Problem::usage(
            format!(
                "profile {} has no account {}",
                self.profile,
                inert::quoted(name, 64)
            ),
            if names.is_empty() {
                "it has no accounts; `tilldeck account add` adds one".to_owned()
            } else if self.simulator.is_some() {
                let names = names.join(", ");
                format!("the simulator's accounts are: {names}; --profile chooses your own")
            } else {
                format!("its accounts are: {}", names.join(", "))
            },
        )
    }

    /// Which accounts can do it instead. Some commands name the account by an option, others by an argument, so this
    /// names the accounts and no option.
    fn able(&self, can: &impl Fn(&Account) -> bool, ability: Option<Ability>) -> String {
        let able = self.accounts().filter(can);
        let names: Vec<String> = able.map(|account| account.id.to_string()).collect();
        match names.as_slice() {
            [] => needs(ability, &self.profile),
            [one] => format!("use the account `{one}`"),
            several => format!("use one of the accounts `{}`", several.join("`, `")),
        }
    }

    /// The account called `name`; without a name, the only account that has `ability`.
    ///
    /// # Errors
    /// If there is no such account, it cannot do that, or there are several to choose from.
    pub fn pick(&self, name: Option<&str>, ability: Option<Ability>) -> Result<Account, Problem> {
        let can = |account: &Account| ability.is_none_or(|ability| account.can(ability));
        let noun = ability.map_or("", Ability::noun);
        if let Some(name) = name {
            let account = self
                .accounts()
                .find(|account| account.id.as_str() == name)
                .ok_or_else(|| self.no_account(name))?;
            return if can(&account) {
                Ok(account)
            } else {
                Err(Problem::usage(
                    format!("account {name}: {} has no {noun}", account.provider_title),
                    self.able(&can, ability),
                ))
            };
        }
        let mut able = self.accounts().filter(can);
        match (able.next(), able.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Problem::usage(
                needs(ability, &self.profile),
                "add one with `tilldeck account add`, or choose another profile with --profile",
            )),
            (Some(first), Some(second)) => Err(Problem::usage(
                format!(
                    "several accounts of profile {} fit: {}, {}{}",
                    self.profile,
                    first.id,
                    second.id,
                    able.next().map_or("", |_| ", …")
                ),
                "choose one with --account",
            )),
        }
    }
}

/// Says which provider's account an ability needs.
fn needs(ability: Option<Ability>, profile: &str) -> String {
    let Some(ability) = ability else {
        return format!("profile {profile} has no accounts");
    };
    let able = REGISTRY
        .iter()
        .filter(|manifest| manifest.abilities.contains(&ability));
    let titles: Vec<&str> = able.map(|manifest| manifest.title).collect();
    format!(
        "{} need a {} account; profile {profile} has none",
        ability.noun(),
        titles.join(" or ")
    )
}
