//! `request`: any API call with an account's credentials.

mod body;

use std::io::IsTerminal as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::args::Request;
use super::output::{Out, OutputError, Tone, problem_json};
use super::{Exit, can_ask, prompt, request_options};
use crate::deck::Deck;
use crate::domain::raw_path::{self, HasFragment};
use crate::domain::{Ability, Account, Problem, ProblemKind, RawReply, RawRequest, charset, inert};
pub(super) use body::Body;

pub async fn run(args: &Request, deck: &Deck, out: &Out) -> Result<Exit, OutputError> {
    match send(args, deck, out).await {
        Ok(RawCall {
            account,
            raw,
            writes,
        }) => {
            let judged = deck.judge_raw(&account.id, &raw, writes);
            let RawReply {
                status,
                body,
                content_type,
                ..
            } = raw;
            // Raw bytes, so that a redirect to a file saves the body unchanged.
            let decoded = charset::decode(&body, content_type.as_deref().unwrap_or(""), true);
            if out.json {
                let text = decoded
                    .as_deref()
                    .map_or_else(|| STANDARD.encode(&body), str::to_owned);
                let mut object = json!({
                    "account": account.id,
                    "method": args.method,
                    "path": args.path,
                    "status": status,
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
                let text = decoded.unwrap_or_else(|| String::from_utf8_lossy(&body));
                out.line(inert::block(&text).trim_end())?;
            } else {
                out.bytes(&body)?;
            }
            match judged {
                Ok(()) => Ok(Exit::Done),
                Err(problem) if out.json => Ok(problem.kind.into()),
                Err(problem) => out.fail(&problem),
            }
        }
        Err(problem) => out.fail(&problem),
    }
}

/// A call with its response.
struct RawCall {
    account: Account,
    raw: RawReply,
    writes: bool,
}

async fn send(args: &Request, deck: &Deck, out: &Out) -> Result<RawCall, Problem> {
    let choice = args.auth.map(|_| Ability::AuthMethods);
    let account = deck.pick(Some(&args.account_name), choice)?;
    let path = raw_path::sendable(&args.path).map_err(|error| {
        let message = format!("account {}: {error}", account.id);
        Problem::new(ProblemKind::Usage, message, HasFragment::HINT)
    })?;
    let body = Body::of(args);
    // Reading blocks, and signals must still work.
    let body = tokio::task::spawn_blocking(move || body.read()).await;
    let body = body.unwrap_or_else(|_| Err(prompt::interrupted()))?;
    let writes = deck.writes(&account.id, &args.method, &path)?;
    if writes && !args.yes {
        // An invalid path fails before the prompt, not after it.
        deck.could_send(&account.id, &path)?;
        confirm(&format!("{} {path}", args.method), &account).await?;
    }
    let request = RawRequest {
        method: args.method.clone(),
        path,
        body,
        writes,
        auth: args.auth,
    };
    let raw = deck
        .raw(&account.id, &request, request_options(args.no_wait))
        .await?;
    let tone = if raw.status < 400 {
        Tone::Good
    } else {
        Tone::Bad
    };
    let status = format!("HTTP {}", raw.status);
    out.message(
        tone,
        &status,
        &format!(
            "{} ms, {} bytes, account {}",
            raw.took.as_millis(),
            raw.body.len(),
            account.id
        ),
    );
    Ok(RawCall {
        account,
        raw,
        writes,
    })
}

/// Confirms a write at a terminal; elsewhere it needs `--yes`.
async fn confirm(call: &str, account: &Account) -> Result<(), Problem> {
    let id = &account.id;
    let call = inert::cut(call, 130);
    if !can_ask() {
        let message = format!(
            "account {id}: {call} may write; not a terminal, so tilldeck cannot ask for confirmation"
        );
        return Err(Problem::new(
            ProblemKind::Usage,
            message,
            "pass --yes to send it",
        ));
    }
    let live = if account.environment.is_live() {
        " (LIVE: real money)"
    } else {
        ""
    };
    let question = format!("{call} may write at account {id}{live}. Send it? [y/N] ");
    prompt::confirm(&question, &format!("account {id}: nothing was sent")).await
}
