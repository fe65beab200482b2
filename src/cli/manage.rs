//! `account add`, `rotate` and `remove`: prompt for missing values, confirm, change, and print the result.

mod answers;

use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::json;

use super::args::{AddAccount, Global, RemoveAccount, RotateSecret};
use super::output::{Out, OutputError, Table, Tone, plain, toned};
use super::{
    Context, Exit, Interrupts, can_ask, locations, misconfigured, prompt, request_options,
    until_stopped, warn, words,
};
use crate::clock::Clock;
use crate::config::{Config, Profile, SANDBOX, SecretSource, edit};
use crate::deck::Deck;
use crate::deck::manage::{self, Verified};
use crate::domain::manage::{
    Change, Changed, Guide, GuideTopic, NewAccount, ProviderSetup, leaves_open,
    unprovable as unprovable_key,
};
use crate::domain::{Account, CredentialStatus, Environment, Problem, ProblemKind, Secret, inert};
use crate::providers::SPECS;
use answers::{answers, ask, ask_secret, one_of, say};
pub(super) use answers::{read_from, source_of};

const SOURCES: &str = "SOURCE is env:NAME, file:PATH, command:PROGRAM ARGUMENTS… or keyring:NAME, never the secret itself";

fn usage(message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Usage, message, hint)
}

/// `account add`. Opens its own deck: the profile may not exist yet.
pub async fn add(args: &AddAccount, global: Global, out: &Out) -> Result<Exit, OutputError> {
    let path = locations(&global).config_file().map(|file| file.path);
    // Checked before any prompt and any request.
    if let Some(Err(error)) = path.as_deref().map(edit::writable) {
        return misconfigured(&error, out);
    }
    let config = match path.as_deref().map(|path| edit::current(path, &SPECS)) {
        None => Config::default(),
        Some(Ok(config)) => config,
        Some(Err(error)) => return misconfigured(&error, out),
    };
    let interrupts = Interrupts::default();
    // Lives until after a signal, so that the ledger's rows of sent requests are written.
    let opened = OnceLock::new();
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
        let deck = match context.deck(None, None).await {
            Ok(deck) => opened.get_or_init(|| deck),
            Err(problem) => return out.fail(&problem),
        };
        let done = save_addition(answers, sources, deck, &interrupts).await;
        let done = match done {
            Ok(changed) => report(&changed, &context, path, out),
            Err(problem) => out.fail(&problem),
        };
        warn(deck, out).await;
        done
    };
    let done = until_stopped(work, &interrupts, out).await;
    if let Some(deck) = opened.into_inner() {
        deck.close().await;
    }
    done.unwrap_or_else(|| out.fail(&prompt::interrupted()))
}

async fn save(proved: Verified, deck: &Deck, interrupts: &Interrupts) -> Result<Changed, Problem> {
    // From here on Ctrl-C waits: a secret without its config entry would be lost.
    interrupts.block();
    deck.save(proved).await
}

async fn save_addition(
    answers: NewAccount,
    sources: Vec<(&'static str, SecretSource)>,
    deck: &Deck,
    interrupts: &Interrupts,
) -> Result<Changed, Problem> {
    let proved = deck
        .prove_addition(answers, sources, request_options(false))
        .await;
    let proved = proved.map_err(|problem| {
        if leaves_open(&problem) {
            let hint =
                "nothing was saved; try again, or pass --unverified to save the account anyway";
            return Problem::new(problem.kind, problem.message, hint);
        }
        problem
    })?;
    save(proved, deck, interrupts).await
}

/// The profile for a new account: the named one, else the default, else the only one, else a new one.
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
    // Production and test accounts start in different profiles, so that one command never mixes them.
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
                "no profile selected for the account",
                format!("choose one with --profile: {}", several.join(", ")),
            ));
        }
        (None, default, _) => default,
    };
    // The config check rejects this name in any case, too.
    if name.eq_ignore_ascii_case(SANDBOX) {
        return Err(usage(
            "the built-in profile sandbox accepts no other accounts",
            "choose another with --profile; a new profile is created",
        ));
    }
    let known = config.profile(Some(name)).ok().cloned();
    Ok(known.unwrap_or_else(|| Profile {
        name: name.to_owned(),
        built_in: false,
        accounts: Vec::new(),
    }))
}

async fn confirm_addition(
    args: &AddAccount,
    new: &NewAccount,
    profile: &Profile,
) -> Result<(), Problem> {
    // Without a terminal every value was passed on the command line, which is confirmation enough.
    if args.yes || !can_ask() {
        return Ok(());
    }
    let live = if new.environment.is_live() {
        ", LIVE: real money"
    } else {
        ""
    };
    let question = format!(
        "{} at {} ({}{live}) in profile {}: verify and save it? [y/N] ",
        new.name,
        new.provider,
        words::environment(new.environment),
        profile.name
    );
    prompt::confirm(&question, "nothing was sent and nothing saved").await
}

/// `account rotate`.
pub async fn rotate(
    args: &RotateSecret,
    context: &Context,
    deck: &Deck,
    interrupts: &Interrupts,
    out: &Out,
) -> Result<Exit, OutputError> {
    let done = async {
        let account = deck.pick(Some(&args.name), None)?;
        let setups = manage::setups();
        let setup = one_of(&setups, account.provider.0)?;
        let key = args.key.as_deref().or(setup.main_secret());
        let key = key.ok_or_else(|| usage("this account has no secret", ""))?;
        let mut fields = setup.fields.iter();
        let unprovable = fields.any(|field| field.key == key && field.secret && !field.proved);
        // Reported before any prompt.
        if unprovable && !args.unverified && account.environment != Environment::Embedded {
            return Err(unprovable_key(&account, key));
        }
        let secret = new_secret(args, &account, setup, key).await?;
        let change = Change::Rotate {
            account: account.id,
            key: key.to_owned(),
            secret,
            unverified: args.unverified,
        };
        save(
            deck.prove(change, request_options(false)).await?,
            deck,
            interrupts,
        )
        .await
    };
    match done.await {
        Ok(changed) => report(&changed, context, None, out),
        Err(problem) => out.fail(&problem),
    }
}

async fn new_secret(
    args: &RotateSecret,
    account: &Account,
    setup: &ProviderSetup,
    key: &str,
) -> Result<Secret, Problem> {
    if let Some(from) = &args.from {
        let read = read_from(source_of("--from", from)?).await;
        return read.map(|resolved| resolved.secret).map_err(|error| {
            Problem::new(
                ProblemKind::Config,
                format!(
                    "account {}: tilldeck cannot read the new secret: {error}",
                    account.id
                ),
                "the old secret stays",
            )
        });
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
    interrupts: &Interrupts,
    out: &Out,
) -> Result<Exit, OutputError> {
    let done = async {
        let account = deck.pick(Some(&args.name), None)?;
        let change = Change::Remove(account.id.clone());
        // Fails before any prompt if the account cannot be removed.
        let proved = deck.prove(change, request_options(false)).await?;
        if !args.yes {
            confirm_removal(&account).await?;
        }
        let changed = save(proved, deck, interrupts).await?;
        Ok((changed, account))
    };
    match done.await {
        Ok((changed, account)) => {
            let exit = report(&changed, context, None, out)?;
            let setups = manage::setups();
            let setup = setups
                .iter()
                .find(|setup| setup.provider == account.provider);
            let guide = setup.and_then(|setup| setup.guide_about(GuideTopic::Deletion));
            if let Some(guide) = guide.filter(|_| !out.json) {
                say(&format!(
                    "{} still accepts the credentials.",
                    account.provider_title
                ));
                show(guide);
            }
            Ok(exit)
        }
        Err(problem) => out.fail(&problem),
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
        words::environment(account.environment)
    );
    say(&about);
    let unchanged = format!("account {id} was not removed");
    if !account.environment.is_live() {
        return prompt::confirm("remove it? [y/N] ", &unchanged).await;
    }
    if ask("this account is LIVE; type its name to remove it: ").await? == id.as_str() {
        return Ok(());
    }
    Err(prompt::declined(&unchanged))
}

/// Prints a change: a row or an object to stdout, messages to stderr.
fn report(
    changed: &Changed,
    context: &Context,
    config: Option<PathBuf>,
    out: &Out,
) -> Result<Exit, OutputError> {
    let profile = &context.profile.name;
    match changed {
        Changed::Added {
            account,
            unverified,
            kept,
            proved,
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
                    "proved": proved,
                    "config": config,
                }))?;
                return Ok(Exit::Done);
            }
            row(
                account,
                words::credentials(&status),
                unverified.is_none(),
                out,
            )?;
            for (key, place) in kept {
                let status = if proved.contains(key) {
                    "accepted"
                } else {
                    "saved, not verified"
                };
                out.say(&format!(
                    "{key} comes from {}: {status}",
                    inert::line(place)
                ));
            }
            out.say(&format!(
                "the account is in profile {profile} of {}",
                config.unwrap_or_default()
            ));
            if let Some(problem) = unverified {
                out.message(
                    Tone::Warn,
                    "warning:",
                    &format!("not verified: {}", problem.describe()),
                );
            }
        }
        Changed::Rotated {
            account,
            verified,
            kept,
            todo,
        } => {
            let todo = Some(todo.as_str()).filter(|todo| !todo.is_empty());
            if out.json {
                out.object(&json!({
                    "account": account.id,
                    "profile": profile,
                    "status": if *verified { "good" } else { "unverified" },
                    "replaced": kept.is_some(),
                    "kept": kept,
                    "todo": todo,
                }))?;
                return Ok(Exit::Done);
            }
            rotated(account, *verified, kept.as_deref(), todo, out)?;
        }
        Changed::Removed { account, left } => {
            if out.json {
                out.object(&json!({
                    "account": account,
                    "profile": profile,
                    "removed": true,
                    "left": Some(left).filter(|left| !left.is_empty()),
                }))?;
                return Ok(Exit::Done);
            }
            out.line(&format!(
                "account {account} was removed from profile {profile}"
            ))?;
            if !left.is_empty() {
                out.message(Tone::Warn, "warning:", left);
            }
        }
    }
    Ok(Exit::Done)
}

/// Prints where a replaced secret is, whether it is valid, and what is left to do.
fn rotated(
    account: &Account,
    verified: bool,
    kept: Option<&str>,
    todo: Option<&str>,
    out: &Out,
) -> Result<(), OutputError> {
    let (word, is) = if verified {
        ("valid", "valid")
    } else {
        ("saved, not verified", "not verified")
    };
    row(account, word, verified, out)?;
    match (kept.map(inert::line), todo) {
        (Some(place), todo) => {
            if verified {
                out.say(&format!("the new secret is valid and saved in {place}"));
            } else {
                let open = "it was not verified";
                out.say(&format!("the new secret is saved in {place}; {open}"));
            }
            if let Some(left) = todo {
                out.message(Tone::Warn, "warning:", left);
            }
        }
        (None, Some(todo)) => {
            let words = format!(
                "the new secret is {is}, but tilldeck cannot replace it at its source: {todo}"
            );
            out.message(Tone::Warn, "to do:", &words);
        }
        (None, None) => {
            let there = "its source already has it; nothing to do";
            out.say(&format!("the new secret is {is}; {there}"));
        }
    }
    Ok(())
}

fn row(account: &Account, word: &str, valid: bool, out: &Out) -> Result<(), OutputError> {
    let tone = if valid { Tone::Good } else { Tone::Warn };
    let mut table = Table::default();
    table.row([
        toned(if valid { "✔" } else { "!" }, tone),
        toned(account.id.as_str(), Tone::Strong),
        plain(account.provider_title),
        plain(words::environment(account.environment)),
        toned(word, tone),
    ]);
    out.table(&table)
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
            .map_err(|problem| problem.describe())
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
}
