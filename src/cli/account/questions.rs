//! The questions about a new account, and which answers are accepted: of arguments and of prompts.

use super::say;
use crate::cli::prelude::*;
use crate::cli::prompt;
use crate::domain::Environment;
use crate::domain::manage::ProviderSetup;

pub(super) fn provider_of<'o>(
    setups: &'o [ProviderSetup],
    name: &str,
) -> Result<&'o ProviderSetup, Problem> {
    let known = setups.iter().find(|setup| setup.provider.0 == name);
    known.ok_or_else(|| {
        let names: Vec<&str> = setups.iter().map(|setup| setup.provider.0).collect();
        usage(
            format!("there is no provider {}", inert::quoted(name, 40)),
            format!("the providers are: {}", names.join(", ")),
        )
    })
}

pub(super) fn names_of(setup: &ProviderSetup) -> Vec<&'static str> {
    let environments = setup.environments.iter();
    environments
        .map(|environment| environment.as_str())
        .collect()
}

pub(super) fn environment_of(setup: &ProviderSetup, name: &str) -> Result<Environment, Problem> {
    let mut known = setup.environments.iter().copied();
    known
        .find(|environment| environment.as_str() == name)
        .ok_or_else(|| {
            let name = inert::quoted(name, 40);
            usage(
                format!("{} has no environment {name}", setup.title),
                format!("there are: {}", names_of(setup).join(", ")),
            )
        })
}

pub(super) fn account_name(
    text: &str,
    taken_by: &dyn Fn(&AccountId) -> Option<AccountId>,
) -> Result<AccountId, Problem> {
    let name = AccountId::new(text).map_err(|error| usage(error.to_string(), ""))?;
    if let Some(known) = taken_by(&name) {
        return Err(usage(
            format!("the account {known} already exists"),
            "choose another name, or remove that account first",
        ));
    }
    Ok(name)
}

/// Asks until the answer is accepted; says what is wrong with each other one.
async fn ask_until<T>(
    question: &str,
    accepted: impl Fn(&str) -> Result<T, Problem>,
) -> Result<T, Problem> {
    loop {
        match accepted(&prompt::ask(question).await?) {
            Ok(answer) => return Ok(answer),
            Err(problem) => say(&problem.describe()),
        }
    }
}

pub(super) async fn ask_provider(setups: &[ProviderSetup]) -> Result<&ProviderSetup, Problem> {
    for (at, setup) in (1..).zip(setups) {
        say(&format!("  {at}  {} ({})", setup.title, setup.provider));
    }
    let accepted = |answer: &str| {
        let at = answer
            .parse::<usize>()
            .ok()
            .and_then(|at| at.checked_sub(1));
        let by_number = at.and_then(|at| setups.get(at));
        by_number.map_or_else(|| provider_of(setups, answer), Ok)
    };
    ask_until("provider, by number or name: ", accepted).await
}

pub(super) async fn ask_environment(setup: &ProviderSetup) -> Result<Environment, Problem> {
    if let [only] = setup.environments[..] {
        return Ok(only);
    }
    let question = format!("environment, {}: ", names_of(setup).join(" or "));
    ask_until(&question, |answer| environment_of(setup, answer)).await
}

pub(super) async fn ask_name(
    setup: &ProviderSetup,
    taken_by: &dyn Fn(&AccountId) -> Option<AccountId>,
) -> Result<AccountId, Problem> {
    let usual = AccountId::new(setup.provider.0).ok();
    let usual = usual.filter(|name| taken_by(name).is_none());
    let shown = usual.as_ref().map(|name| format!(" [{name}]"));
    let question = format!("account name, any you like{}: ", shown.unwrap_or_default());
    let accepted = |answer: &str| match &usual {
        Some(usual) if answer.is_empty() => Ok(usual.clone()),
        _ => account_name(answer, taken_by),
    };
    ask_until(&question, accepted).await
}
