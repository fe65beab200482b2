//! `token`: the state of access tokens, and their renewal. Only `print` shows a token.

use serde_json::json;

use super::args::TokenCommand;
use super::output::{Out, OutputError, Table, Tone, plain, toned};
use super::{Context, Exit, request_options, words};
use crate::deck::Deck;
use crate::domain::{Account, Now, Problem, ProblemKind, StoredIn, TokenState, TokenStatus, time};

pub async fn run(
    command: &TokenCommand,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, OutputError> {
    match command {
        TokenCommand::Show { name } => show(name.as_deref(), context, deck, out).await,
        TokenCommand::Refresh { name } => refresh(name.as_deref(), context, deck, out).await,
        TokenCommand::Print { name } => print(name, deck, out).await,
    }
}

/// The account of this name, or all that use access tokens.
fn accounts(name: Option<&str>, context: &Context, deck: &Deck) -> Result<Vec<Account>, Problem> {
    let Some(name) = name.or(context.account()) else {
        let theirs = deck.accounts().filter(|account| account.uses_access_tokens);
        return Ok(theirs.collect());
    };
    account(name, deck).map(|account| vec![account])
}

/// The account of this name.
fn account(name: &str, deck: &Deck) -> Result<Account, Problem> {
    let account = deck.pick(Some(name), None)?;
    if account.uses_access_tokens {
        return Ok(account);
    }
    Err(Problem::new(
        ProblemKind::Usage,
        format!(
            "account {name}: {} uses no access tokens; it signs each request",
            account.provider_title
        ),
        "`tilldeck token show` lists the accounts that do",
    ))
}

fn none(context: &Context, out: &Out) {
    if !out.json {
        out.say(&format!(
            "profile {} has no account that uses access tokens",
            context.profile.name
        ));
    }
}

async fn show(
    name: Option<&str>,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, OutputError> {
    let accounts = match accounts(name, context, deck) {
        Ok(accounts) => accounts,
        Err(problem) => return out.fail(&problem),
    };
    // Saved tokens are read only here: this command sends nothing that would load them.
    deck.load_tokens().await;
    let now = context.clock.now();
    let known = deck.tokens();
    let mut table = Table::default();
    for account in &accounts {
        if let Some((_, status)) = known.iter().find(|(id, _)| *id == account.id) {
            report(account, status, now, &mut table, out)?;
        }
    }
    if accounts.is_empty() {
        none(context, out);
    }
    out.table(&table)?;
    explain(deck, &accounts, out);
    Ok(Exit::Done)
}

async fn refresh(
    name: Option<&str>,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, OutputError> {
    let accounts = match accounts(name, context, deck) {
        Ok(accounts) => accounts,
        Err(problem) => return out.fail(&problem),
    };
    if accounts.is_empty() {
        none(context, out);
    }
    let mut exit = Exit::Done;
    let mut table = Table::default();
    for account in &accounts {
        match deck.fetch_token(&account.id, request_options(false)).await {
            Ok(status) => report(account, &status, context.clock.now(), &mut table, out)?,
            Err(problem) => exit = exit.and(out.fail(&problem)?),
        }
    }
    out.table(&table)?;
    explain(deck, &accounts, out);
    Ok(exit)
}

/// Explains once why tokens are not in the keyring: all accounts share the vault.
fn explain(deck: &Deck, accounts: &[Account], out: &Out) {
    let known = deck.tokens();
    let note = known
        .iter()
        .filter(|(id, _)| accounts.iter().any(|account| account.id == *id))
        .map(|(_, status)| status.stored_note.as_str())
        .find(|note| !note.is_empty());
    if let Some(note) = note.filter(|_| !out.json) {
        out.message(
            Tone::Dim,
            "note:",
            &format!("tokens are not saved in the system's keyring: {note}"),
        );
    }
}

async fn print(name: &str, deck: &Deck, out: &Out) -> Result<Exit, OutputError> {
    let account = match account(name, deck) {
        Ok(account) => account.id,
        Err(problem) => return out.fail(&problem),
    };
    let token = match deck.token(&account, request_options(false)).await {
        Ok(token) => token,
        Err(problem) => return out.fail(&problem),
    };
    if out.json {
        let status = deck.tokens().into_iter().find(|(id, _)| *id == account);
        let expires_at = status
            .and_then(|(_, status)| status.life)
            .map(|life| life.requested_at().plus(life.life).rfc3339());
        out.object(&json!({
            "account": account,
            "access_token": token.expose(),
            "expires_at": expires_at,
        }))?;
    } else {
        out.line(token.expose())?;
    }
    Ok(Exit::Done)
}

fn glyph(state: TokenState) -> (&'static str, Tone) {
    match state {
        TokenState::Fresh => ("✔", Tone::Good),
        TokenState::Due => ("!", Tone::Warn),
        TokenState::Refreshing => ("…", Tone::Busy),
        TokenState::Missing => ("·", Tone::Dim),
        TokenState::Refused => ("✘", Tone::Bad),
        TokenState::Expired => ("✘", Tone::Warn),
    }
}

/// One account's token: prints an object, or adds a row to the table.
fn report(
    account: &Account,
    status: &TokenStatus,
    now: Now,
    table: &mut Table,
    out: &Out,
) -> Result<(), OutputError> {
    let state = status.state(now);
    if out.json {
        let life = status.life;
        return out.object(&json!({
            "account": account.id,
            "provider": account.provider.0,
            "environment": account.environment.as_str(),
            "state": state.word(),
            "expires_in": status.left(now).map(|left| left.as_secs()),
            "expires_at": life.map(|life| life.requested_at().plus(life.life).rfc3339()),
            "got_at": life.map(|life| life.requested_at().rfc3339()),
            "renews_at": life.map(|life| life.requested_at().plus(life.renew_at).rfc3339()),
            "kept": status.stored_in.word(),
            "kept_note": non_empty(&status.stored_note),
            "fetched": status.fetched,
            "note": non_empty(&status.note),
            "failure": status.failure.as_ref().map(|failure| json!({
                "at": failure.at.rfc3339(),
                "why": failure.why,
                "refused": failure.refused,
            })),
        }));
    }
    let (glyph, tone) = glyph(state);
    let left = status
        .left(now)
        .map_or(String::new(), |left| format!("{} left", time::fine(left)));
    let issued = status.life.map_or(String::new(), |life| {
        format!("issued {} ago", time::fine(life.age(now)))
    });
    let saved = match (&status.life, &status.stored_in) {
        (None, _) => String::new(),
        (Some(_), StoredIn::Memory) => "not saved".into(),
        (Some(_), stored) => format!("saved in the {}", place(stored)),
    };
    table.row([
        toned(glyph, tone),
        toned(account.id.as_str(), Tone::Strong),
        plain(account.provider_title),
        toned(words::token(state), tone),
        plain(left),
        toned(issued, Tone::Dim),
        toned(saved, Tone::Dim),
        toned(status.note.as_str(), Tone::Dim),
    ]);
    Ok(())
}

fn place(stored: &StoredIn) -> &'static str {
    match stored {
        StoredIn::Memory => "memory",
        StoredIn::Keyring => "keyring",
        StoredIn::File => "state folder",
    }
}

fn non_empty(note: &str) -> Option<&str> {
    (!note.is_empty()).then_some(note)
}
