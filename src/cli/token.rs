//! `token`: the state of access tokens, and their renewal. Only `print` shows a token.

use super::prelude::*;
use crate::domain::{Account, StoredIn, TokenState, TokenStatus, time};

commands! {
    /// Show, renew and print access tokens.
    pub enum Token {
        Show(ShowTokens),
        Refresh(RefreshTokens),
        Print(PrintToken),
    }
}

/// Show the state of access tokens, without their values. Sends nothing.
#[derive(Debug, Args)]
pub struct ShowTokens {
    /// Only this account. Without it, all accounts.
    #[arg(value_name = "ACCOUNT")]
    name: Option<String>,
    #[command(flatten)]
    format: AsCsv,
}

impl DeckCommand for ShowTokens {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let out = &self.format.on(cx.out);
        let cx = &CommandContext { out, ..*cx };
        let accounts = accounts(self.name.as_deref(), cx)?;
        let mut tokens = Tokens::new(cx);
        // Saved tokens are read only here: this command sends nothing that would load them.
        cx.deck.load_tokens().await;
        let known = cx.deck.tokens();
        for account in &accounts {
            if let Some((_, status)) = known.iter().find(|(id, _)| *id == account.id) {
                tokens.add(account, status)?;
            }
        }
        tokens.end(&accounts)?;
        Ok(Exit::Done)
    }
}

/// Fetch a new access token, even if the current one is valid.
#[derive(Debug, Args)]
pub struct RefreshTokens {
    /// Only this account. Without it, all accounts.
    #[arg(value_name = "ACCOUNT")]
    name: Option<String>,
    #[command(flatten)]
    format: AsCsv,
}

impl DeckCommand for RefreshTokens {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let out = &self.format.on(cx.out);
        let cx = &CommandContext { out, ..*cx };
        let accounts = accounts(self.name.as_deref(), cx)?;
        let mut tokens = Tokens::new(cx);
        let mut exit = Exit::Done;
        for account in &accounts {
            match cx
                .deck
                .fetch_token(&account.id, request_options(false))
                .await
            {
                Ok(status) => tokens.add(account, &status)?,
                Err(problem) => {
                    let fields = json!({ "account": account.id });
                    exit = exit.and(cx.out.fail_of(fields, &problem)?);
                }
            }
        }
        tokens.end(&accounts)?;
        Ok(exit)
    }
}

/// Print the access token; fetch one first if needed. Anyone who has it can act as the account.
#[derive(Debug, Args)]
pub struct PrintToken {
    /// The account.
    #[arg(value_name = "ACCOUNT")]
    name: String,
}

impl DeckCommand for PrintToken {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let account = account(&self.name, cx)?.id;
        let token = cx.deck.token(&account, request_options(false)).await?;
        if !cx.out.is_json() {
            cx.out.line(token.expose())?;
            return Ok(Exit::Done);
        }
        let status = cx.deck.tokens().into_iter().find(|(id, _)| *id == account);
        let expires_at = status
            .and_then(|(_, status)| status.life)
            .map(|life| life.requested_at().plus(life.life).rfc3339());
        cx.out.object(&json!({
            "account": account,
            "access_token": token.expose(),
            "expires_at": expires_at,
        }))?;
        Ok(Exit::Done)
    }
}

/// The account of this name, else of `--account`, else all that use access tokens.
fn accounts(name: Option<&str>, cx: &CommandContext<'_>) -> Result<Vec<Account>, Problem> {
    if let Some(name) = name.or(cx.settings.account()) {
        return Ok(vec![account(name, cx)?]);
    }
    let all = cx.deck.accounts();
    let theirs: Vec<Account> = all.filter(|account| account.uses_access_tokens).collect();
    if theirs.is_empty() {
        cx.out.explain(&format!(
            "profile {} has no account that uses access tokens",
            cx.settings.profile.name
        ));
    }
    Ok(theirs)
}

fn account(name: &str, cx: &CommandContext<'_>) -> Result<Account, Problem> {
    let account = cx.named(name, None)?;
    if account.uses_access_tokens {
        return Ok(account);
    }
    Err(usage(
        format!(
            "account {name}: {} uses no access tokens; it signs each request",
            account.provider_title
        ),
        "`tilldeck token show` lists the accounts that do",
    ))
}

const HEADS: [&str; 8] = [
    "", "account", "provider", "token", "ends", "issued", "saved", "",
];
const FIELDS: &str = "\
    account,provider,environment,state,expires_in,expires_at,got_at,renews_at,saved_in,kept_note,\
    fetched,note,failure.at,failure.why,failure.refused";

struct Tokens<'a> {
    listing: Listing<8>,
    cx: &'a CommandContext<'a>,
}

impl<'a> Tokens<'a> {
    fn new(cx: &'a CommandContext<'a>) -> Self {
        Self {
            listing: Listing::new(cx.out, HEADS, FIELDS.split(',')),
            cx,
        }
    }

    fn add(&mut self, account: &Account, status: &TokenStatus) -> Result<(), OutputError> {
        let now = self.cx.now();
        let state = status.state(now);
        let life = status.life;
        let object = json!({
            "account": account.id,
            "provider": account.provider.0,
            "environment": account.environment.as_str(),
            "state": state.as_str(),
            "expires_in": status.left(now).map(|left| left.as_secs()),
            "expires_at": life.map(|life| life.requested_at().plus(life.life).rfc3339()),
            "got_at": life.map(|life| life.requested_at().rfc3339()),
            "renews_at": life.map(|life| life.requested_at().plus(life.renew_at).rfc3339()),
            "saved_in": status.stored_in.as_str(),
            "kept_note": non_empty(&status.stored_note),
            "fetched": status.fetched,
            "note": non_empty(&status.note),
            "failure": status.failure.as_ref().map(|failure| json!({
                "at": failure.at.rfc3339(),
                "why": failure.why,
                "refused": failure.refused,
            })),
        });
        let (glyph, tone) = glyph(state);
        let left = status
            .left(now)
            .map_or(String::new(), |left| format!("{} left", time::fine(left)));
        let issued = status.life.map_or(String::new(), |life| {
            format!("issued {} ago", time::fine(life.age(now)))
        });
        let saved = match (&status.life, status.stored_in) {
            (None, _) => String::new(),
            (Some(_), StoredIn::Memory) => "not saved".into(),
            (Some(_), stored) => format!("saved in the {}", place(stored)),
        };
        let cells = [
            toned(glyph, tone),
            toned(account.id.as_str(), Tone::Accent),
            plain(account.provider_title),
            toned(word(state), tone),
            plain(left),
            toned(issued, Tone::Dim),
            toned(saved, Tone::Dim),
            // Why there is none is printed below: a cell has no room for it.
            toned(life.map_or("", |_| &status.note), Tone::Dim),
        ];
        self.listing.row(&object, cells)
    }

    /// Prints the table, which tokens cannot be read, and once why they are not in the keyring: all accounts share the vault.
    fn end(mut self, accounts: &[Account]) -> Result<(), OutputError> {
        let out = self.cx.out;
        self.listing.flush()?;
        let known = self.cx.deck.tokens();
        let known = known
            .iter()
            .filter(|(id, _)| accounts.iter().any(|account| account.id == *id));
        let unreadable = known
            .clone()
            .filter(|(_, status)| status.life.is_none() && !status.note.is_empty());
        for (account, status) in unreadable.filter(|_| !out.is_json()) {
            out.warn(&format!("{account}: {}", status.note));
        }
        let note = known
            .map(|(_, status)| status.stored_note.as_str())
            .find(|note| !note.is_empty());
        if let Some(note) = note.filter(|_| !out.is_json()) {
            out.note(&format!(
                "tokens are not saved in the system's keyring: {note}"
            ));
        }
        Ok(())
    }
}

fn word(state: TokenState) -> &'static str {
    match state {
        TokenState::Missing => "no token",
        TokenState::Fresh => "valid",
        TokenState::Due => "renewal due",
        TokenState::Refreshing => "renewing",
        TokenState::Refused => "rejected",
        TokenState::Expired => "expired",
    }
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

fn place(stored: StoredIn) -> &'static str {
    match stored {
        StoredIn::Memory => "memory",
        StoredIn::Keyring => "keyring",
        StoredIn::File => "state folder",
    }
}

fn non_empty(note: &str) -> Option<&str> {
    (!note.is_empty()).then_some(note)
}
