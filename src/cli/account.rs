//! `account list` and `account verify`: the configured accounts and whether their credentials are valid.

use std::time::Duration;

use serde_json::json;
use unicode_width::UnicodeWidthStr as _;

use super::output::{Out, OutputError, Table, Tone, plain, toned};
use super::{Context, Exit, request_options, words};
use crate::deck::Deck;
use crate::domain::{Ability, Account, CredentialStatus, Environment, inert, time};

fn tone_of(status: &CredentialStatus) -> Tone {
    match status {
        CredentialStatus::Untested | CredentialStatus::Verifying => Tone::Dim,
        CredentialStatus::Good { .. } => Tone::Good,
        CredentialStatus::Refused { .. } | CredentialStatus::Unreadable { .. } => Tone::Bad,
        CredentialStatus::Unreachable { .. } | CredentialStatus::Unverified { .. } => Tone::Warn,
    }
}

fn environment_tone(environment: Environment) -> Tone {
    if environment.is_live() {
        Tone::Warn
    } else {
        Tone::Dim
    }
}

pub async fn list(context: &Context, deck: &Deck, out: &Out) -> Result<Exit, OutputError> {
    let remembered = deck.remembered_credentials().await;
    let now = context.clock.now().wall;
    let mut table = Table::default();
    let mut any = false;
    for account in deck.accounts().filter(|account| {
        context
            .account()
            .is_none_or(|name| name == account.id.as_str())
    }) {
        any = true;
        let status = remembered
            .iter()
            .find(|(id, _)| *id == account.id)
            .map(|(_, status)| status);
        let (word, at) = status.map_or(("untested", None), |status| (status.word(), status.at()));
        let shown = status.map_or(word, words::credentials);
        let tone = status.map_or(Tone::Dim, tone_of);
        if out.json {
            out.object(&json!({
                "account": account.id,
                "provider": account.provider.0,
                "environment": account.environment.as_str(),
                "host": account.host,
                "secret_source": account.secret_source,
                "status": word,
                "verified_at": at.map(crate::domain::WallTime::rfc3339),
            }))?;
            continue;
        }
        let when = at.map_or(String::new(), |at| match now.since(at) {
            age if age < Duration::from_secs(1) => " just now".into(),
            age => format!(" {} ago", time::coarse(age)),
        });
        table.row([
            toned(account.id.as_str(), Tone::Strong),
            plain(account.provider_title),
            toned(
                words::environment(account.environment),
                environment_tone(account.environment),
            ),
            plain(account.host.as_str()),
            toned(account.secret_source.as_str(), Tone::Dim),
            toned(format!("{shown}{when}"), tone),
        ]);
    }
    if !any && !out.json {
        let none = match context.account() {
            Some(name) => format!("no account {}", inert::quoted(name, 64)),
            None => "no accounts".into(),
        };
        out.say(&format!(
            "profile {} has {none}; `tilldeck account add` adds one",
            context.profile.name
        ));
    }
    out.table(&table)?;
    Ok(Exit::Done)
}

/// The columns that identify an account.
fn columns(account: &Account) -> [&str; 3] {
    [
        account.id.as_str(),
        account.provider_title,
        words::environment(account.environment),
    ]
}

/// The widths of [`columns`], fixed in advance: each row is printed as soon as its result is there.
fn widths(accounts: &[Account]) -> [usize; 3] {
    accounts.iter().map(columns).fold([0; 3], |widest, row| {
        std::array::from_fn(|at| widest[at].max(row[at].width()))
    })
}

pub async fn verify(
    name: Option<&str>,
    signature: bool,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, OutputError> {
    let accounts: Vec<Account> = match name {
        Some(name) => match deck.pick(Some(name), None) {
            Ok(account) => vec![account],
            Err(problem) => return out.fail(&problem),
        },
        None => deck
            .accounts()
            // Only some providers can test a signature; the others are left out, not failed.
            .filter(|account| !signature || account.can(Ability::SignatureTest))
            .collect(),
    };
    if accounts.is_empty() {
        out.say(&format!(
            "profile {} has no accounts to verify",
            context.profile.name
        ));
    }
    let widths = widths(&accounts);
    let mut exit = Exit::Done;
    for account in &accounts {
        let options = request_options(false);
        let result = if signature {
            deck.test_signature(&account.id, options).await
        } else {
            deck.verify(&account.id, options).await
        };
        let now = context.clock.now().wall;
        let status = CredentialStatus::after(result.as_ref().copied(), now);
        let tone = tone_of(&status);
        let accepted = signature && matches!(status, CredentialStatus::Good { .. });
        let word = if accepted {
            "signature accepted"
        } else {
            status.word()
        };
        let glyph = match tone {
            Tone::Good => "✔",
            Tone::Bad => "✘",
            _ => "!",
        };
        match result {
            Err(problem) => exit = exit.and(out.fail(&problem)?),
            Ok(()) if out.json => out.object(&json!({
                "account": account.id,
                "provider": account.provider.0,
                "environment": account.environment.as_str(),
                "status": word,
                "verified_at": now.rfc3339(),
            }))?,
            Ok(()) => {}
        }
        if !out.json {
            let [id, title, environment] = columns(account);
            let mut table = Table::default();
            table.row([
                toned(glyph, tone),
                toned(format!("{id:0$}", widths[0]), Tone::Strong),
                plain(format!("{title:0$}", widths[1])),
                toned(
                    format!("{environment:0$}", widths[2]),
                    environment_tone(account.environment),
                ),
                toned(
                    if accepted {
                        word
                    } else {
                        words::credentials(&status)
                    },
                    tone,
                ),
            ]);
            out.table(&table)?;
        }
    }
    Ok(exit)
}
