//! The values that `account add` and `rotate` need: from the arguments, and from prompts for the rest.

use crate::cli::global::Global;
use crate::cli::prelude::*;
use crate::cli::prompt::{self, can_ask};
use crate::cli::secret::{SOURCES, source_of};
use crate::config::{Config, SecretSource};

use crate::deck::manage::{self, profile_for};
use crate::domain::Environment;
use crate::domain::manage::{NewAccount, Proof, ProviderSetup};

/// Add an account. Prompts for missing values, verifies the credentials, then saves them.
#[derive(Debug, Args)]
pub struct AddAccount {
    /// The name of the new account: letters, digits, `-`, `_` and `.`
    #[arg(long)]
    pub(super) name: Option<String>,
    /// The provider: kanga, kinguin, kongregate or pledg.
    #[arg(long)]
    pub(super) provider: Option<String>,
    /// The provider's environment: production or sandbox.
    #[arg(long)]
    pub(super) environment: Option<String>,
    /// A value that is not secret, such as `api_key=…` or `endpoints.NAME=URL`. Repeat it for more.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// The source of a secret: `KEY=env:NAME`, `KEY=file:PATH`, `KEY=command:PROGRAM ARGUMENTS…` or
    /// `KEY=keyring:NAME`. Without it, tilldeck prompts for the secret and saves it in the keyring or a file.
    /// Never pass the secret itself.
    #[arg(long, value_name = "KEY=SOURCE")]
    pub(super) secret: Vec<String>,
    /// Verify and save without asking for confirmation.
    #[arg(long)]
    pub(super) yes: bool,
    /// Save the account even if the provider is unreachable or cannot verify it, such as a Pledg account without
    /// `api_secret`. Rejected credentials are never saved.
    #[arg(long)]
    pub(super) unverified: bool,
}

pub(super) type Answers = (NewAccount, Vec<(&'static str, SecretSource)>);

pub(super) async fn answers(
    args: &AddAccount,
    config: &Config,
    global: &Global,
) -> Result<Answers, Problem> {
    let setups = manage::setups();
    let asks = can_ask();
    let mut missing: Vec<String> = Vec::new();
    let provider = match &args.provider {
        Some(name) => Some(one_of(&setups, name)?),
        None if asks => Some(ask_provider(&setups).await?),
        None => None,
    };
    let Some(setup) = provider else {
        let names: Vec<&str> = setups.iter().map(|setup| setup.provider.0).collect();
        return Err(not_a_terminal(&[format!(
            "--provider ({})",
            names.join(", ")
        )]));
    };
    let given = given(args, setup)?;
    let environment = match &args.environment {
        Some(name) => environment_of(setup, name)?,
        None if asks => ask_environment(setup).await?,
        None if setup.environments.len() == 1 => setup.environments[0],
        None => {
            missing.push(format!("--environment ({})", names_of(setup).join(", ")));
            setup.environments[0]
        }
    };
    let taken_by = |name: &AccountId| {
        let profile = profile_for(config, global.profile.as_deref(), environment);
        let accounts = profile.map_or_else(|_| Vec::new(), |profile| profile.accounts);
        let mut ids = accounts.into_iter().map(|known| known.id);
        ids.find(|known| known.as_str().eq_ignore_ascii_case(name.as_str()))
    };
    let name = match &args.name {
        Some(name) => Some(account_name(name, &taken_by)?),
        None if asks => Some(ask_name(setup, &taken_by).await?),
        None => {
            missing.push("--name NAME".into());
            None
        }
    };
    let mut texts = given.texts;
    let mut secrets = Vec::new();
    for field in &setup.fields {
        let has_text = texts.iter().any(|(key, _)| *key == field.key);
        let has_source = given.sources.iter().any(|(key, _)| *key == field.key);
        if has_text || has_source {
            continue;
        }
        if !asks {
            match (field.required, field.secret) {
                (true, true) => missing.push(format!("--secret {}=SOURCE", field.key)),
                (true, false) => missing.push(format!(
                    "--set {}=YOUR-{}",
                    field.key,
                    field.key.to_uppercase().replace('_', "-")
                )),
                (false, _) => {}
            }
            continue;
        }
        let optional = if field.required {
            ""
        } else {
            " (optional, Enter skips it)"
        };
        let question = format!("{}, {}{optional}", field.key, field.about);
        if field.secret {
            let typed = if field.required {
                Some(prompt::secret(&question).await?)
            } else {
                prompt::optional_secret(&question).await?
            };
            secrets.extend(typed.map(|secret| (field.key, secret)));
        } else if let Some(text) = ask_text(&question, field.required).await? {
            texts.push((field.key, text));
        }
    }
    let (Some(name), []) = (name, missing.as_slice()) else {
        return Err(not_a_terminal(&missing));
    };
    let new = NewAccount {
        name,
        provider: setup.provider,
        environment,
        texts,
        endpoints: given.endpoints,
        secrets,
        proof: if args.unverified {
            Proof::IfReachable
        } else {
            Proof::Needed
        },
    };
    Ok((new, given.sources))
}

fn not_a_terminal(missing: &[String]) -> Problem {
    let hint = if missing.iter().any(|option| option.starts_with("--secret")) {
        SOURCES.to_owned()
    } else {
        format!("add {}", missing.join(" "))
    };
    usage(format!("not a terminal: pass {}", missing.join(", ")), hint)
}

struct Given {
    texts: Vec<(&'static str, String)>,
    sources: Vec<(&'static str, SecretSource)>,
    endpoints: Vec<(String, String)>,
}

fn given(args: &AddAccount, setup: &ProviderSetup) -> Result<Given, Problem> {
    let mut given = Given {
        texts: Vec::new(),
        sources: Vec::new(),
        endpoints: Vec::new(),
    };
    let names = |secret: bool| -> String {
        let fields = setup.fields.iter().filter(|field| field.secret == secret);
        let names: Vec<&str> = fields.map(|field| field.key).collect();
        names.join(", ")
    };
    // The text after `=` is not shown: it may be a secret.
    for text in &args.set {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| usage("--set needs KEY=VALUE", "for example --set api_key=…"))?;
        if let Some(endpoint) = key.strip_prefix("endpoints.") {
            if !setup.endpoints.contains(&endpoint) {
                return Err(usage(
                    format!(
                        "{} has no endpoint {}",
                        setup.title,
                        inert::quoted(endpoint, 40)
                    ),
                    format!("its endpoints are: {}", setup.endpoints.join(", ")),
                ));
            }
            given
                .endpoints
                .push((endpoint.to_owned(), value.to_owned()));
            continue;
        }
        match setup.fields.iter().find(|field| field.key == key) {
            Some(field) if field.secret => {
                return Err(usage(
                    format!("{key} is a secret; --set does not accept it"),
                    format!("omit it to be prompted, or pass --secret {key}=SOURCE; {SOURCES}"),
                ));
            }
            Some(field) => given.texts.push((field.key, value.to_owned())),
            None => {
                return Err(usage(
                    format!("{} has no setting {}", setup.title, inert::quoted(key, 40)),
                    format!("its settings are: {}, endpoints.NAME", names(false)),
                ));
            }
        }
    }
    for text in &args.secret {
        let (key, source) = text
            .split_once('=')
            .ok_or_else(|| usage("--secret needs KEY=SOURCE", SOURCES))?;
        let field = setup
            .fields
            .iter()
            .find(|field| field.secret && field.key == key);
        let field = field.ok_or_else(|| {
            usage(
                format!("{} has no secret {}", setup.title, inert::quoted(key, 40)),
                format!("its secrets are: {}", names(true)),
            )
        })?;
        given
            .sources
            .push((field.key, source_of(field.key, source)?));
    }
    Ok(given)
}

pub(super) fn one_of<'o>(
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

fn names_of(setup: &ProviderSetup) -> Vec<&'static str> {
    let environments = setup.environments.iter();
    environments
        .map(|environment| environment.as_str())
        .collect()
}

fn environment_of(setup: &ProviderSetup, name: &str) -> Result<Environment, Problem> {
    let mut known = setup.environments.iter().copied();
    known
        .find(|environment| environment.as_str() == name)
        .ok_or_else(|| {
            usage(
                format!(
                    "{} has no environment {}",
                    setup.title,
                    inert::quoted(name, 40)
                ),
                format!("there are: {}", names_of(setup).join(", ")),
            )
        })
}

fn account_name(
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

pub(super) fn say(words: &str) {
    Out::default().say(words);
}

pub(super) async fn ask(question: &str) -> Result<String, Problem> {
    prompt::line(question).await.ok_or_else(prompt::interrupted)
}

/// Asks until the answer is accepted; says what is wrong with each other one.
async fn ask_until<T>(
    question: &str,
    accepted: impl Fn(&str) -> Result<T, Problem>,
) -> Result<T, Problem> {
    loop {
        match accepted(&ask(question).await?) {
            Ok(answer) => return Ok(answer),
            Err(problem) => say(&problem.describe()),
        }
    }
}

async fn ask_provider(setups: &[ProviderSetup]) -> Result<&ProviderSetup, Problem> {
    for (at, setup) in (1..).zip(setups) {
        say(&format!("  {at}  {} ({})", setup.title, setup.provider));
    }
    let accepted = |answer: &str| {
        let at = answer
            .parse::<usize>()
            .ok()
            .and_then(|at| at.checked_sub(1));
        let by_number = at.and_then(|at| setups.get(at));
        by_number.map_or_else(|| one_of(setups, answer), Ok)
    };
    ask_until("provider, by number or name: ", accepted).await
}

async fn ask_environment(setup: &ProviderSetup) -> Result<Environment, Problem> {
    if let [only] = setup.environments[..] {
        return Ok(only);
    }
    let question = format!("environment, {}: ", names_of(setup).join(" or "));
    ask_until(&question, |answer| environment_of(setup, answer)).await
}

async fn ask_name(
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

async fn ask_text(question: &str, required: bool) -> Result<Option<String>, Problem> {
    loop {
        let answer = ask(&format!("{question}: ")).await?;
        match (answer.is_empty(), required) {
            (false, _) => return Ok(Some(answer)),
            (true, false) => return Ok(None),
            (true, true) => say("a value is required"),
        }
    }
}
