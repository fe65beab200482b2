//! `request`: any API call with an account's credentials.

mod body;

use std::io::IsTerminal as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::prelude::*;
use super::prompt::{self, can_ask};
use super::values::{auth_method, method, timeout};
use crate::domain::raw_path::{self, HasFragment};
use crate::domain::{Account, AuthMethod, RawCall, RawReply, cents, charset};
pub(super) use body::{Body, SIZE_MAX, from};

const PAGES_MAX: usize = 1000;

/// Send any API call with an account's credentials, within its rate limit. The response body goes to stdout, the
/// status to stderr.
#[derive(Debug, Args)]
pub struct Request {
    /// The account whose credentials are used.
    #[arg(value_name = "ACCOUNT")]
    account_name: String,
    /// HTTP method: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.
    #[arg(value_parser = method(), ignore_case = true, hide_possible_values = true)]
    method: String,
    /// Path and query of the call, such as `/api/v1/offers?page=2`. tilldeck adds the host of the account.
    path: String,
    /// Request body: text, @FILE, or - for stdin.
    #[arg(long, value_name = "BODY", allow_hyphen_values = true)]
    data: Option<String>,
    /// A field of a multipart form: NAME=TEXT, or NAME=@FILE[;type=MIME] for a file. Repeat it for more fields.
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "data")]
    form: Vec<String>,
    /// Use this authentication instead of the documented one (Pledg): `basic` sends the dashboard's login,
    /// `bearer` the access token.
    #[arg(long, value_name = "METHOD", value_parser = auth_method(), ignore_case = true)]
    auth: Option<AuthMethod>,
    /// Do not ask for confirmation before a write request.
    #[arg(long)]
    yes: bool,
    /// Also send the call for each further page of the list, within the rate limit. The bodies follow each other; with
    /// --json, each page is an object.
    #[arg(long)]
    all_pages: bool,
    /// Exit with 6 instead of waiting when the rate limit is reached.
    #[arg(long)]
    no_wait: bool,
    /// Wait at most this long for the response (90s, 2m), instead of the account's `timeout` in the config.
    #[arg(long, value_parser = timeout, value_name = "TIME", allow_negative_numbers = true)]
    timeout: Option<Duration>,
}

impl DeckCommand for Request {
    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let (account, mut request) = self.prepare(cx).await?;
        for _ in 0..PAGES_MAX {
            let raw = self.send(&account, &request, cx).await?;
            let exit = print(&account, &request, &raw, cx)?;
            let next = if self.all_pages && exit == Exit::Done {
                cx.deck.next_page(&account.id, &request, &raw)?
            } else {
                None
            };
            match next {
                None => return Ok(exit),
                Some(next) if next.is_certain => request.path = next.path,
                Some(next) => {
                    let path = inert::cut(&next.path, 130);
                    cx.out.warn(&format!(
                        "stopped after this page: tilldeck cannot read from the response whether another one follows. \
                         Send the call with the path {path}, and so on, until a page has no entries"
                    ));
                    return Ok(Exit::Expectation);
                }
            }
        }
        let path = inert::cut(&request.path, 130);
        let warning = format!("stopped after {PAGES_MAX} pages; the next one is {path}");
        cx.out.warn(&warning);
        Ok(Exit::Expectation)
    }
}

/// Prints a response, and returns what it means for the exit code.
fn print(
    account: &Account,
    request: &RawCall,
    raw: &RawReply,
    cx: &CommandContext<'_>,
) -> CommandResult {
    let out = cx.out;
    let judged = cx.deck.judge_raw(&account.id, request, raw);
    // Raw bytes, so that a redirect to a file saves the body unchanged.
    let kind = raw.content_type.as_deref().unwrap_or("");
    let decoded = charset::decode(&raw.body, kind, true);
    if out.is_json() {
        let text = decoded
            .as_deref()
            .map_or_else(|| STANDARD.encode(&raw.body), str::to_owned);
        let mut object = json!({
            "account": account.id,
            "method": request.method,
            "path": request.path,
            "status": raw.status,
            "body": text,
        });
        if decoded.is_none() {
            object["encoding"] = "base64".into();
        }
        if let Err(problem) = &judged {
            object["error"] = problem_json(problem);
        }
        out.object(&object)?;
    } else if std::io::stdout().is_terminal() {
        // The body may have escape codes, so a terminal gets it inert.
        let text = decoded.unwrap_or_else(|| String::from_utf8_lossy(&raw.body));
        out.line(inert::block(&text).trim_end())?;
    } else {
        out.bytes(&raw.body)?;
    }
    match judged {
        Ok(()) => Ok(Exit::Done),
        // The object has it.
        Err(problem) if out.is_json() => Ok(problem.kind.into()),
        Err(problem) => Err(problem.into()),
    }
}

impl Request {
    async fn prepare(&self, cx: &CommandContext<'_>) -> Result<(Account, RawCall), Problem> {
        let (deck, choice) = (cx.deck, self.auth.map(|_| Ability::AuthMethods));
        let account = cx.named(&self.account_name, choice)?;
        let path = raw_path::sendable(&self.path).map_err(|error| {
            let message = format!("account {}: {error}", account.id);
            usage(message, HasFragment::HINT)
        })?;
        let body = Body::of(self).read().await?;
        let writes = deck.writes(&account.id, &self.method, &path)?;
        let request = RawCall {
            method: self.method.clone(),
            path,
            body,
            auth: self.auth,
        };
        if self.all_pages {
            deck.must_page(&account.id, &request)?;
        }
        if writes && !self.yes {
            // An invalid call fails before the prompt, not after it.
            deck.could_send(&account.id, &request)?;
            let call = inert::cut(&format!("{} {}", self.method, request.path), CALL_SHOWN_MAX);
            let amounts = request.body.as_deref().and_then(cents::described);
            let amounts = amounts.map_or_else(String::new, |amounts| format!(" ({amounts})"));
            confirm(&format!("{call}{amounts}"), &account).await?;
        }
        Ok((account, request))
    }

    async fn send(
        &self,
        account: &Account,
        request: &RawCall,
        cx: &CommandContext<'_>,
    ) -> Result<RawReply, Problem> {
        let options = request_options(self.no_wait);
        let raw = cx.deck.raw(&account.id, request, options).await?;
        let tone = if raw.status < 400 {
            Tone::Good
        } else {
            Tone::Bad
        };
        let status = format!("HTTP {}", raw.status);
        let words = format!(
            "{} ms, {} bytes, account {}",
            raw.took.as_millis(),
            raw.body.len(),
            account.id
        );
        cx.out.message(tone, &status, &words);
        Ok(raw)
    }
}

/// The most that the confirmation shows of method and path.
const CALL_SHOWN_MAX: usize = 130;

/// Confirms a write at a terminal; elsewhere it needs `--yes`. `call` is inert.
pub(super) async fn confirm(call: &str, account: &Account) -> Result<(), Problem> {
    let id = &account.id;
    if !can_ask() {
        let message = format!(
            "account {id}: {call} may write; not a terminal, so tilldeck cannot ask for confirmation"
        );
        return Err(usage(message, "pass --yes to send it"));
    }
    let live = if account.environment.is_live() {
        " (LIVE: real money)"
    } else {
        ""
    };
    let question = format!("{call} may write at account {id}{live}. Send it? [y/N] ");
    prompt::confirm(&question, &format!("account {id}: nothing was sent")).await
}
