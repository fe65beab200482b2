//! Saves a change of accounts, and prints it.

use std::path::PathBuf;

use super::say;
use crate::cli::interrupt::Interrupts;
use crate::cli::prelude::*;
use crate::deck::manage::Verified;
use crate::domain::manage::{Changed, Guide};
use crate::domain::{Account, CredentialStatus};

pub(super) async fn save(
    proved: Verified,
    deck: &Deck,
    interrupts: &Interrupts,
) -> Result<Changed, Problem> {
    // From here on Ctrl-C waits: a secret without its config entry would be lost.
    interrupts.block();
    deck.save(proved).await
}

pub(super) fn show(guide: &Guide) {
    say(guide.title);
    for (at, step) in (1..).zip(guide.steps) {
        say(&format!("  {at}. {step}"));
    }
}

/// Prints a change: a row or an object to stdout, messages to stderr. `config` is the file of an added account.
pub(super) fn print(
    changed: &Changed,
    settings: &Settings,
    config: Option<PathBuf>,
    out: &Out,
) -> Result<(), OutputError> {
    let profile = &settings.profile.name;
    match changed {
        Changed::Added {
            account,
            unverified,
            saved_in,
            proved,
        } => {
            let at = settings.clock.now().wall;
            let status = CredentialStatus::after(unverified.as_ref().map_or(Ok(()), Err), at);
            let config = config.map(|path| inert::cut(&path.to_string_lossy(), 400));
            if out.is_json() {
                let saved_in: serde_json::Map<_, _> = saved_in
                    .iter()
                    .map(|(key, place)| (key.clone(), json!(place)))
                    .collect();
                return out.object(&json!({
                    "account": account.id,
                    "profile": profile,
                    "provider": account.provider.0,
                    "environment": account.environment.as_str(),
                    "status": status.state.as_str(),
                    "saved_in": saved_in,
                    "verified": proved,
                    "config": config,
                }));
            }
            row(account, status.state.shown(), unverified.is_none(), out)?;
            for (key, place) in saved_in {
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
                out.warn(&format!("not verified: {}", problem.message));
            }
        }
        Changed::Rotated {
            account,
            verified,
            saved_in,
            todo,
        } => {
            let todo = Some(todo.as_str()).filter(|todo| !todo.is_empty());
            if out.is_json() {
                return out.object(&json!({
                    "account": account.id,
                    "profile": profile,
                    "status": if *verified { "valid" } else { "unverified" },
                    "replaced": saved_in.is_some(),
                    "saved_in": saved_in,
                    "todo": todo,
                }));
            }
            let word = match (verified, saved_in) {
                (true, _) => "valid",
                (false, Some(_)) => "saved, not verified",
                (false, None) => "not saved, not verified",
            };
            row(account, word, *verified, out)?;
            say_where(*verified, saved_in.as_deref(), todo, out);
        }
        Changed::Removed { account, left } => {
            if out.is_json() {
                return out.object(&json!({
                    "account": account,
                    "profile": profile,
                    "removed": true,
                    "left": Some(left).filter(|left| !left.is_empty()),
                }));
            }
            out.line(&format!(
                "account {account} was removed from profile {profile}"
            ))?;
            if !left.is_empty() {
                out.warn(left);
            }
        }
    }
    Ok(())
}

/// Says where a replaced secret is, and what is left to do.
fn say_where(verified: bool, saved_in: Option<&str>, todo: Option<&str>, out: &Out) {
    let is = if verified { "valid" } else { "not verified" };
    match (saved_in.map(inert::line), todo) {
        (Some(place), todo) => {
            if verified {
                out.say(&format!("the new secret is valid and saved in {place}"));
            } else {
                let open = "it was not verified";
                out.say(&format!("the new secret is saved in {place}; {open}"));
            }
            if let Some(left) = todo {
                out.warn(left);
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
}

fn row(account: &Account, word: &str, valid: bool, out: &Out) -> Result<(), OutputError> {
    let tone = if valid { Tone::Good } else { Tone::Warn };
    let mut table = Table::default();
    table.row([
        toned(if valid { "✔" } else { "!" }, tone),
        toned(account.id.as_str(), Tone::Accent),
        plain(account.provider_title),
        plain(account.environment.title()),
        toned(word, tone),
    ]);
    out.table(&table)
}
