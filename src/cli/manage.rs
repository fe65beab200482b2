//! `account add`, `rotate`, `remove`: asks for what is missing, shows what is about to happen, and what came of it.

use std::path::PathBuf;

use serde_json::json;

use super::args::{AddAccount, Global, RemoveAccount, RotateSecret};
use super::output::{Closed, Out, Table, Tone, plain, toned};
use super::{Context, Exit, can_ask, how, locations, misconfigured, prompt, warn};
use crate::clock::Clock;
use crate::config::{Config, Environ, Profile, SANDBOX, SecretSource, edit};
use crate::deck::{Deck, manage};
use crate::domain::manage::{Change, Changed, Guide, NewAccount, Offer, Proof, leaves_open};
use crate::domain::{
    Account, AccountId, CredentialStatus, Environment, Problem, ProblemKind, Secret, inert,
};
use crate::providers::SPECS;

const SOURCES: &str = "SOURCE is env:NAME, file:PATH, command:PROGRAM ARGUMENTS… or keyring:NAME; a secret itself is never an argument";

fn usage(message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Usage, message, hint)
}

/// `account add`. Opens its own deck: the profile need not exist yet.
pub async fn add(args: &AddAccount, global: Global, out: &Out) -> Result<Exit, Closed> {
    let path = locations(&global).config_file().map(|file| file.path);
    let config = match path.as_deref().map(|path| edit::current(path, &SPECS)) {
        None => Config::default(),
        Some(Ok(config)) => config,
        Some(Err(error)) => return misconfigured(&error, out),
    };
    let work = async {
        let (answers, sources) = match answers(args, &config, &global).await {
            Ok(answers) => answers,
            Err(problem) => return out.fail(&problem),
        };
        let profile = match profile_for(&config, global.profile.as_deref(), answers.environment) {
            Ok(profile) => profile,
            Err(problem) => return out.fail(&problem),
        };
        if let Err(problem) = confirm_addition(args, &answers, &profile).await {
            return out.fail(&problem);
        }
        let context = Context {
            global,
            config,
            profile,
            clock: Clock::system(),
        };
        let deck = match context.deck().await {
            Ok(deck) => deck,
            Err(problem) => return out.fail(&problem),
        };
        let done = keep_addition(answers, sources, &deck).await;
        let done = match done {
            Ok(changed) => told(&changed, &context, path, out),
            Err(problem) => out.fail(&problem),
        };
        warn(&deck, out).await;
        deck.close().await;
        done
    };
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => out.fail(&prompt::interrupted()),
    }
}

async fn keep_addition(
    answers: NewAccount,
    sources: Vec<(&'static str, SecretSource)>,
    deck: &Deck,
) -> Result<Changed, Problem> {
    let proved = deck.prove_addition(answers, sources, how(false)).await;
    let proved = proved.map_err(|problem| {
        if leaves_open(&problem) {
            let hint =
                "nothing was kept; try again, or add --unverified to keep the account all the same";
            return Problem::new(problem.kind, problem.message, hint);
        }
        problem
    })?;
    deck.keep(proved).await
}

/// The profile a new account goes to: the one named, else the default one, else the only one, else a first one.
fn profile_for(
    config: &Config,
    named: Option<&str>,
    environment: Environment,
) -> Result<Profile, Problem> {
    let own: Vec<&str> = config
        .profiles
        .iter()
        .filter(|profile| !profile.built_in)
        .map(|profile| profile.name.as_str())
        .collect();
    let first = match environment {
        Environment::Production => "live",
        Environment::Sandbox | Environment::Embedded => "test",
    };
    let name = match (named, config.default_profile.as_str(), own.as_slice()) {
        (Some(name), ..) => name,
        (None, SANDBOX, []) => first,
        (None, SANDBOX, [only]) => only,
        (None, SANDBOX, several) => {
            return Err(usage(
                "it is not clear which profile the account goes to",
                format!("name one with --profile: {}", several.join(", ")),
            ));
        }
        (None, default, _) => default,
    };
    if name.eq_ignore_ascii_case(SANDBOX) {
        return Err(usage(
            "the built-in profile sandbox cannot be added to: its accounts are the simulator's",
            "name another with --profile; one that does not exist is made",
        ));
    }
    let known = config.profile(Some(name)).ok().cloned();
    Ok(known.unwrap_or_else(|| Profile {
        name: name.to_owned(),
        built_in: false,
        accounts: Vec::new(),
    }))
}

type Answers = (NewAccount, Vec<(&'static str, SecretSource)>);

/// From the arguments, and from the terminal what they leave open.
async fn answers(args: &AddAccount, config: &Config, global: &Global) -> Result<Answers, Problem> {
    let offers = manage::offers();
    let asks = can_ask();
    let mut missing: Vec<String> = Vec::new();
    let provider = match &args.provider {
        Some(name) => Some(one_of(&offers, name)?),
        None if asks => Some(ask_provider(&offers).await?),
        None => None,
    };
    let Some(offer) = provider else {
        let names: Vec<&str> = offers.iter().map(|offer| offer.provider.0).collect();
        return Err(nobody(&[format!("--provider ({})", names.join(", "))]));
    };
    let given = given(args, offer)?;
    let environment = match &args.environment {
        Some(name) => environment_of(offer, name)?,
        None if asks => ask_environment(offer).await?,
        None if offer.environments.len() == 1 => offer.environments[0],
        None => {
            missing.push(format!("--environment ({})", names_of(offer).join(", ")));
            offer.environments[0]
        }
    };
    let is_taken = |name: &AccountId| {
        let profile = profile_for(config, global.profile.as_deref(), environment);
        profile.is_ok_and(|profile| {
            let mut accounts = profile.accounts.iter();
            accounts.any(|known| known.id.as_str().eq_ignore_ascii_case(name.as_str()))
        })
    };
    let name = match &args.name {
        Some(name) => Some(account_name(name, &is_taken)?),
        None if asks => Some(ask_name(offer, &is_taken).await?),
        None => {
            missing.push("--name NAME".into());
            None
        }
    };
    let mut texts = given.texts;
    let mut secrets = Vec::new();
    for need in &offer.needs {
        let has_text = texts.iter().any(|(key, _)| *key == need.key);
        let has_source = given.sources.iter().any(|(key, _)| *key == need.key);
        if has_text || has_source {
            continue;
        }
        if !asks {
            match (need.required, need.secret) {
                (true, true) => missing.push(format!("--secret {}=SOURCE", need.key)),
                (true, false) => missing.push(format!("--set {}=VALUE", need.key)),
                (false, _) => {}
            }
            continue;
        }
        let optional = if need.required {
            ""
        } else {
            " (optional, Enter leaves it out)"
        };
        let question = format!("{}, {}{optional}", need.key, need.about);
        if need.secret {
            if let Some(secret) = ask_secret(&question, need.required).await? {
                secrets.push((need.key, secret));
            }
        } else if let Some(text) = ask_text(&question, need.required).await? {
            texts.push((need.key, text));
        }
    }
    let (Some(name), []) = (name, missing.as_slice()) else {
        return Err(nobody(&missing));
    };
    let new = NewAccount {
        name,
        provider: offer.provider,
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

fn nobody(missing: &[String]) -> Problem {
    usage(
        format!(
            "nobody is there to be asked, and this is missing: {}",
            missing.join(", ")
        ),
        SOURCES,
    )
}

/// What `--set` and `--secret` say.
struct Given {
    texts: Vec<(&'static str, String)>,
    sources: Vec<(&'static str, SecretSource)>,
    endpoints: Vec<(String, String)>,
}

fn given(args: &AddAccount, offer: &Offer) -> Result<Given, Problem> {
    let mut given = Given {
        texts: Vec::new(),
        sources: Vec::new(),
        endpoints: Vec::new(),
    };
    let names = |secret: bool| -> String {
        let needs = offer.needs.iter().filter(|need| need.secret == secret);
        let names: Vec<&str> = needs.map(|need| need.key).collect();
        names.join(", ")
    };
    // What stands after the `=` is not shown: it may be a secret all the same.
    for text in &args.set {
        let (key, value) = text.split_once('=').ok_or_else(|| {
            usage(
                "--set needs a key, a `=` and a value",
                "like --set api_key=…",
            )
        })?;
        if let Some(endpoint) = key.strip_prefix("endpoints.") {
            if !offer.endpoints.contains(&endpoint) {
                return Err(usage(
                    format!(
                        "{} has no endpoint {}",
                        offer.title,
                        inert::quoted(endpoint, 40)
                    ),
                    format!("its endpoints are: {}", offer.endpoints.join(", ")),
                ));
            }
            given
                .endpoints
                .push((endpoint.to_owned(), value.to_owned()));
            continue;
        }
        match offer.needs.iter().find(|need| need.key == key) {
            Some(need) if need.secret => {
                return Err(usage(
                    format!("{key} is a secret and cannot be given with --set"),
                    format!("leave it out to be asked, or give --secret {key}=SOURCE; {SOURCES}"),
                ));
            }
            Some(need) => given.texts.push((need.key, value.to_owned())),
            None => {
                return Err(usage(
                    format!("{} has no key {}", offer.title, inert::quoted(key, 40)),
                    format!("its keys are: {}, endpoints.NAME", names(false)),
                ));
            }
        }
    }
    for text in &args.secret {
        let (key, source) = text
            .split_once('=')
            .ok_or_else(|| usage("--secret needs a key, a `=` and a SOURCE", SOURCES))?;
        let need = offer
            .needs
            .iter()
            .find(|need| need.secret && need.key == key);
        let need = need.ok_or_else(|| {
            usage(
                format!("{} has no secret {}", offer.title, inert::quoted(key, 40)),
                format!("its secrets are: {}", names(true)),
            )
        })?;
        given.sources.push((need.key, source_of(source)?));
    }
    Ok(given)
}

/// A place of a secret as an argument names it.
fn source_of(text: &str) -> Result<SecretSource, Problem> {
    let (way, name) = text.split_once(':').unwrap_or((text, ""));
    if name.trim().is_empty() {
        return Err(usage("this names no place of a secret", SOURCES));
    }
    Ok(match way {
        "env" => SecretSource::Env { name: name.into() },
        "keyring" => SecretSource::Keyring { name: name.into() },
        "command" => SecretSource::Command {
            words: name.split_whitespace().map(str::to_owned).collect(),
        },
        "file" => {
            // A path on the command line starts where the operator is; one in the config where that is.
            let path = PathBuf::from(name);
            let path = if name.starts_with("~/") {
                path
            } else {
                std::path::absolute(&path).unwrap_or(path)
            };
            let written = path.to_str().unwrap_or(name).to_owned();
            SecretSource::File {
                written,
                base: PathBuf::new(),
            }
        }
        _ => return Err(usage("this names no place of a secret", SOURCES)),
    })
}

fn one_of<'o>(offers: &'o [Offer], name: &str) -> Result<&'o Offer, Problem> {
    let known = offers.iter().find(|offer| offer.provider.0 == name);
    known.ok_or_else(|| {
        let names: Vec<&str> = offers.iter().map(|offer| offer.provider.0).collect();
        usage(
            format!("there is no provider {}", inert::quoted(name, 40)),
            format!("the providers are: {}", names.join(", ")),
        )
    })
}

fn names_of(offer: &Offer) -> Vec<&'static str> {
    let environments = offer.environments.iter();
    environments
        .map(|environment| environment.as_str())
        .collect()
}

fn environment_of(offer: &Offer, name: &str) -> Result<Environment, Problem> {
    let mut known = offer.environments.iter().copied();
    known
        .find(|environment| environment.as_str() == name)
        .ok_or_else(|| {
            usage(
                format!(
                    "{} has no environment {}",
                    offer.title,
                    inert::quoted(name, 40)
                ),
                format!("there are: {}", names_of(offer).join(", ")),
            )
        })
}

fn account_name(text: &str, is_taken: &dyn Fn(&AccountId) -> bool) -> Result<AccountId, Problem> {
    let name = AccountId::new(text).map_err(|error| usage(error.to_string(), ""))?;
    if is_taken(&name) {
        return Err(usage(
            format!("there is an account {name} already"),
            "choose another name, or remove that one first",
        ));
    }
    Ok(name)
}

fn say(words: &str) {
    Out {
        json: false,
        color: false,
        color_err: false,
    }
    .say(words);
}

async fn ask(question: &str) -> Result<String, Problem> {
    prompt::line(question).await.ok_or_else(prompt::interrupted)
}

async fn ask_provider(offers: &[Offer]) -> Result<&Offer, Problem> {
    for (at, offer) in (1..).zip(offers) {
        say(&format!("  {at}  {} ({})", offer.title, offer.provider));
    }
    loop {
        let answer = ask("provider, by number or name: ").await?;
        let by_number = answer
            .parse::<usize>()
            .ok()
            .and_then(|at| at.checked_sub(1));
        if let Some(offer) = by_number.and_then(|at| offers.get(at)) {
            return Ok(offer);
        }
        match one_of(offers, &answer) {
            Ok(offer) => return Ok(offer),
            Err(problem) => say(&problem.told()),
        }
    }
}

async fn ask_environment(offer: &Offer) -> Result<Environment, Problem> {
    if let [only] = offer.environments[..] {
        return Ok(only);
    }
    let names = names_of(offer).join(" or ");
    loop {
        let answer = ask(&format!("environment, {names}: ")).await?;
        match environment_of(offer, &answer) {
            Ok(environment) => return Ok(environment),
            Err(problem) => say(&problem.told()),
        }
    }
}

async fn ask_name(
    offer: &Offer,
    is_taken: &dyn Fn(&AccountId) -> bool,
) -> Result<AccountId, Problem> {
    let usual = AccountId::new(offer.provider.0).ok();
    let usual = usual.filter(|name| !is_taken(name));
    let shown = usual
        .as_ref()
        .map(|name| format!(" [{name}]"))
        .unwrap_or_default();
    loop {
        let answer = ask(&format!("name of the account, yours to choose{shown}: ")).await?;
        if let (true, Some(usual)) = (answer.is_empty(), &usual) {
            return Ok(usual.clone());
        }
        match account_name(&answer, is_taken) {
            Ok(name) => return Ok(name),
            Err(problem) => say(&problem.told()),
        }
    }
}

async fn ask_text(question: &str, required: bool) -> Result<Option<String>, Problem> {
    loop {
        let answer = ask(&format!("{question}: ")).await?;
        match (answer.is_empty(), required) {
            (false, _) => return Ok(Some(answer)),
            (true, false) => return Ok(None),
            (true, true) => say("it is needed"),
        }
    }
}

async fn ask_secret(question: &str, required: bool) -> Result<Option<Secret>, Problem> {
    loop {
        let secret = prompt::hidden(&format!("{question} (not shown): ")).await?;
        match (secret.expose().trim().is_empty(), required) {
            (false, _) => return Ok(Some(Secret::new(secret.expose().trim()))),
            (true, false) => return Ok(None),
            (true, true) => say("it is needed"),
        }
    }
}

async fn confirm_addition(
    args: &AddAccount,
    new: &NewAccount,
    profile: &Profile,
) -> Result<(), Problem> {
    if args.yes || !can_ask() {
        return Ok(());
    }
    let live = if new.environment.is_live() {
        ", LIVE: real money"
    } else {
        ""
    };
    let question = format!(
        "{} at {} ({}{live}) in profile {}: verify and keep it? [y/N] ",
        new.name,
        new.provider,
        new.environment.as_str(),
        profile.name
    );
    if matches!(ask(&question).await?.as_str(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::Interrupted,
        "nothing was sent and nothing kept",
        "",
    ))
}

/// `account rotate`.
pub async fn rotate(
    args: &RotateSecret,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, Closed> {
    let done = async {
        let account = deck.pick(Some(&args.name), None)?;
        let offers = manage::offers();
        let offer = one_of(&offers, account.provider.0)?;
        let key = args.key.as_deref().or(offer.main_secret());
        let key = key.ok_or_else(|| usage("this account has no secret", ""))?;
        let secret = new_secret(args, &account, offer, key).await?;
        let change = Change::Rotate {
            account: account.id,
            key: key.to_owned(),
            secret,
        };
        deck.keep(deck.prove(change, how(false)).await?).await
    };
    match done.await {
        Ok(changed) => told(&changed, context, None, out),
        Err(problem) => out.fail(&problem),
    }
}

async fn new_secret(
    args: &RotateSecret,
    account: &Account,
    offer: &Offer,
    key: &str,
) -> Result<Secret, Problem> {
    if let Some(from) = &args.from {
        let source = source_of(from)?;
        let read = tokio::task::spawn_blocking(move || source.resolve(&Environ::process()));
        let read = read
            .await
            .map_err(|_| usage("the new secret cannot be read", ""))?;
        return read.map(|resolved| resolved.secret).map_err(|error| {
            Problem::new(
                ProblemKind::Config,
                format!(
                    "account {}: the new secret cannot be read: {error}",
                    account.id
                ),
                "the old secret stays",
            )
        });
    }
    if !can_ask() {
        return Err(usage(
            format!(
                "account {}: nobody is there to be asked for the new secret",
                account.id
            ),
            format!("give --from SOURCE; {SOURCES}"),
        ));
    }
    if let Some(guide) = offer.guide.iter().find(|guide| guide.is_of_rotation()) {
        show(guide);
    }
    let question = format!("new {key} of account {}", account.id);
    let secret = ask_secret(&question, true).await?;
    secret.ok_or_else(prompt::interrupted)
}

fn show(guide: &Guide) {
    say(guide.title);
    for (at, step) in (1..).zip(guide.steps) {
        say(&format!("  {at}. {step}"));
    }
}

/// `account remove`.
pub async fn remove(
    args: &RemoveAccount,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, Closed> {
    let done = async {
        let account = deck.pick(Some(&args.name), None)?;
        let change = Change::Remove(account.id.clone());
        // What cannot be removed is told before anybody is asked.
        let proved = deck.prove(change, how(false)).await?;
        if !args.yes {
            confirm_removal(&account).await?;
        }
        deck.keep(proved).await
    };
    match done.await {
        Ok(changed) => told(&changed, context, None, out),
        Err(problem) => out.fail(&problem),
    }
}

async fn confirm_removal(account: &Account) -> Result<(), Problem> {
    let id = &account.id;
    if !can_ask() {
        return Err(usage(
            format!("account {id}: nobody is there to confirm its removal"),
            "add --yes if it is meant",
        ));
    }
    let about = format!(
        "account {id} ({}, {}) goes out of the config, and what tilldeck keeps of its secrets is forgotten",
        account.provider_title,
        account.environment.as_str()
    );
    say(&about);
    let meant = if account.environment.is_live() {
        ask("it is LIVE; type its name to remove it: ").await? == id.as_str()
    } else {
        matches!(ask("remove it? [y/N] ").await?.as_str(), "y" | "Y" | "yes")
    };
    if meant {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::Interrupted,
        format!("account {id} stays"),
        "",
    ))
}

/// What came of a change: a row or an object on standard output, words on standard error.
fn told(
    changed: &Changed,
    context: &Context,
    config: Option<PathBuf>,
    out: &Out,
) -> Result<Exit, Closed> {
    let profile = &context.profile.name;
    match changed {
        Changed::Added {
            account,
            unverified,
            kept,
        } => {
            let at = context.clock.now().wall;
            let status = CredentialStatus::after(unverified.as_ref().map_or(Ok(()), Err), at);
            let config = config.map(|path| inert::cut(&path.to_string_lossy(), 400));
            if out.json {
                let kept: serde_json::Map<_, _> = kept
                    .iter()
                    .map(|(key, place)| (key.clone(), json!(place)))
                    .collect();
                out.object(&json!({
                    "account": account.id,
                    "profile": profile,
                    "provider": account.provider.0,
                    "environment": account.environment.as_str(),
                    "status": status.word(),
                    "kept": kept,
                    "config": config,
                }))?;
                return Ok(Exit::Done);
            }
            row(account, status.word(), unverified.is_none(), out)?;
            for (key, place) in kept {
                out.say(&format!("{key} comes from {}", inert::line(place)));
            }
            out.say(&format!(
                "the account is in profile {profile} of {}",
                config.unwrap_or_default()
            ));
            if let Some(problem) = unverified {
                out.tell(
                    Tone::Warn,
                    "warning:",
                    &format!("not verified: {}", problem.told()),
                );
            }
        }
        Changed::Rotated {
            account,
            kept,
            todo,
        } => {
            if out.json {
                out.object(&json!({
                    "account": account.id,
                    "profile": profile,
                    "status": "good",
                    "replaced": kept.is_some(),
                    "kept": kept,
                    "todo": todo,
                }))?;
                return Ok(Exit::Done);
            }
            row(account, "good", true, out)?;
            match kept {
                Some(place) => out.say(&format!(
                    "the new secret is in force, in {}",
                    inert::line(place)
                )),
                None => out.tell(
                    Tone::Warn,
                    "to do:",
                    &format!("the new secret is good, but it is not tilldeck's to replace: {todo}"),
                ),
            }
        }
        Changed::Removed { account, left } => {
            if out.json {
                out.object(&json!({
                    "account": account,
                    "profile": profile,
                    "removed": true,
                    "left": left,
                }))?;
                return Ok(Exit::Done);
            }
            out.line(&format!(
                "account {account} is removed from profile {profile}"
            ))?;
            if !left.is_empty() {
                out.tell(Tone::Warn, "warning:", left);
            }
        }
    }
    Ok(Exit::Done)
}

fn row(account: &Account, word: &str, good: bool, out: &Out) -> Result<(), Closed> {
    let tone = if good { Tone::Good } else { Tone::Warn };
    let mut table = Table::default();
    table.row([
        toned(if good { "✓" } else { "!" }, tone),
        toned(account.id.as_str(), Tone::Strong),
        plain(account.provider_title),
        plain(account.environment.as_str()),
        toned(word, tone),
    ]);
    table.lines(out).iter().try_for_each(|line| out.line(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(name: &str) -> Profile {
        Profile {
            name: name.into(),
            built_in: false,
            accounts: Vec::new(),
        }
    }

    fn chosen(config: &Config, named: Option<&str>) -> Result<String, String> {
        profile_for(config, named, Environment::Production)
            .map(|profile| profile.name)
            .map_err(|problem| problem.told())
    }

    #[test]
    fn a_new_account_goes_to_the_profile_that_is_meant() {
        let mut config = Config::default();
        assert_eq!(chosen(&config, None).unwrap(), "live");
        assert_eq!(
            profile_for(&config, None, Environment::Sandbox)
                .unwrap()
                .name,
            "test"
        );
        assert_eq!(chosen(&config, Some("shops")).unwrap(), "shops");
        assert!(chosen(&config, Some("Sandbox")).is_err());
        config.profiles.push(profile("mine"));
        assert_eq!(chosen(&config, None).unwrap(), "mine");
        config.profiles.push(profile("other"));
        assert!(chosen(&config, None).unwrap_err().contains("mine, other"));
        config.default_profile = "other".into();
        assert_eq!(chosen(&config, None).unwrap(), "other");
    }

    #[test]
    fn an_argument_names_a_place_and_never_the_secret() {
        let shown = |text: &str| source_of(text).map(|source| source.describe());
        assert_eq!(shown("env:A_B").unwrap(), "env A_B");
        assert_eq!(shown("command:pass show x").unwrap(), "command pass");
        assert_eq!(shown("file:~/k").unwrap(), "file ~/k");
        assert_eq!(shown("file:/run/k").unwrap(), "file /run/k");
        for planted in ["planted-secret", "planted:secret", "env:", "file: "] {
            let problem = shown(planted).unwrap_err();
            assert!(!problem.told().contains("planted"), "{problem:?}");
        }
    }
}
