//! Parses the response to a token request (RFC 6749, 4.4.3 and 5). Pure.

use std::time::Duration;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::Value;

use crate::domain::{Account, Problem, ProblemKind, Secret, inert, time};
use crate::net::budget::UNCOUNTED_HOLD_MAX;
use crate::net::{NetError, Reply, redact};

/// The lifetime of a token whose response has no `expires_in`. RFC 6749, 5.1 leaves it to the provider's
/// documentation, and neither Kinguin nor Pledg documents a default: short, so that an expired token is not used for
/// long.
pub const LIFE_UNKNOWN: Duration = Duration::from_mins(1);

/// No token is used longer, whatever `expires_in` says: a withdrawn secret must not work for days.
pub const LIFE_MAX: Duration = Duration::from_hours(24);

/// Longer tokens do not fit into a header that servers accept.
const TOKEN_MAX: usize = 16 * 1024;

/// A granted token.
#[derive(Debug)]
pub struct Grant {
    /// The access token.
    pub token: Secret,
    /// Its lifetime, counted from the token request.
    pub life: Duration,
    /// Defaults that were assumed for missing fields; may be empty.
    pub note: String,
}

/// Why a token request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The error for the operator.
    pub error: NetError,
    /// The wait that the provider requested.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Whether the provider rejected the credentials, so that a retry with the same ones is useless.
    pub fn is_rejection(&self) -> bool {
        matches!(&self.error, NetError::Unauthorised(problem) if problem.kind == ProblemKind::Refused)
    }
}

/// Parses the response to a token request.
///
/// # Errors
/// If it grants no usable token.
pub fn read(reply: &Reply, account: &Account) -> Result<Grant, Failure> {
    let body = parse(&reply.body);
    // RFC 6749, 5.1 says 200; with 201 (RFC 9110, 15.3.2) the token is granted just as well.
    if matches!(reply.status, 200 | 201) {
        // A 200 may carry an error instead of a token.
        let failed_inside = body.as_ref().is_ok_and(|body| {
            body.get("access_token").is_none() && body.get("error").is_some_and(|e| !e.is_null())
        });
        if !failed_inside {
            return body
                .and_then(|body| granted(&body))
                .map_err(|what| unexpected(account, &what));
        }
    }
    Err(failed(reply, body.ok().as_ref(), account))
}

/// A network error as a failure of the token request.
pub fn from_net_error(error: NetError, account: &Account) -> Failure {
    let error = match error {
        // These messages are complete as they are, or are not about the provider.
        own @ (NetError::Unauthorised(_)
        | NetError::BudgetExhausted { .. }
        | NetError::RateLimited { no_wait: true, .. }
        | NetError::Cancelled
        | NetError::Away(_)
        | NetError::Uncounted(_)
        | NetError::Unprepared(_)) => own,
        NetError::TimedOut { .. } => NetError::Unauthorised(Problem::new(
            ProblemKind::Unreachable,
            no_token(account, &error.to_string()),
            format!(
                "only the token request was sent, so trying again is safe; if it happens again, check `endpoints` of account {}",
                account.id
            ),
        )),
        other => {
            let words = other.to_string();
            let Problem { kind, hint, .. } = other.problem(&account.id);
            NetError::Unauthorised(Problem::new(kind, no_token(account, &words), hint))
        }
    };
    Failure {
        error,
        retry_after: None,
    }
}

/// The failure for a token that had expired when its response arrived.
pub fn expired_on_arrival(account: &Account) -> Failure {
    failure(
        ProblemKind::Failing,
        no_token(
            account,
            &format!(
                "{} granted a token that had expired when the response arrived",
                account.provider_title
            ),
        ),
        "the provider responds too slowly for the token's lifetime; try again",
    )
}

fn no_token(account: &Account, why: &str) -> String {
    format!("account {}: no access token: {why}", account.id)
}

fn failure(kind: ProblemKind, message: String, hint: &str) -> Failure {
    Failure {
        error: NetError::Unauthorised(Problem::new(kind, message, hint)),
        retry_after: None,
    }
}

fn unexpected(account: &Account, what: &str) -> Failure {
    failure(
        ProblemKind::Nonsense,
        no_token(
            account,
            &format!(
                "{} sent an invalid response to the token request: {what}",
                account.provider_title
            ),
        ),
        &format!(
            "check `endpoints` of account {}; `tilldeck log` shows the request and the response",
            account.id
        ),
    )
}

/// The body as a JSON object, or in words what it is instead. The error quotes none of the body: it may hold a token.
fn parse(body: &[u8]) -> Result<Value, String> {
    let text = body.trim_ascii();
    if text.is_empty() {
        return Err("it is empty".into());
    }
    // A login page or firewall in between: worth its own words.
    if text.starts_with(b"<") {
        return Err("it is an HTML page".into());
    }
    match serde_json::from_slice::<Value>(text) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err("it is not a JSON object".into()),
        Err(error) if error.is_eof() => Err("its JSON is cut off".into()),
        Err(_) => Err("it is not JSON".into()),
    }
}

const NO_TYPE: &str = "the response has no token_type; bearer is assumed";

fn granted(body: &Value) -> Result<Grant, String> {
    let token = match body.get("access_token") {
        None | Some(Value::Null) => return Err("it has no access_token".into()),
        Some(Value::String(token)) => token.as_str(),
        Some(_) => return Err("its access_token is not a string".into()),
    };
    // Learned before any part of the response can reach a message: it may repeat the token elsewhere.
    redact::learn_temporary(&Secret::new(token), "access_token");
    check_token(token)?;
    let mut notes = Vec::new();
    match body.get("token_type") {
        // Required by RFC 6749, 5.1, yet left out by some servers. Bearer is the only type that Kinguin and Pledg document
        // (`docs/providers/kinguin.md#token`, `docs/providers/pledg.md#token`).
        None | Some(Value::Null) => notes.push(NO_TYPE.to_owned()),
        Some(Value::String(kind)) if kind.trim().is_empty() => notes.push(NO_TYPE.to_owned()),
        Some(Value::String(kind)) if kind.trim().eq_ignore_ascii_case("bearer") => {}
        Some(Value::String(kind)) => {
            let kind = redact::scrub(kind);
            return Err(format!(
                "its token_type is {}, and only bearer can be used",
                inert::quoted(&kind, 40)
            ));
        }
        Some(_) => return Err("its token_type is not a string".into()),
    }
    let life = match body.get("expires_in") {
        None | Some(Value::Null) => {
            notes.push("the response has no expires_in; one minute is assumed".to_owned());
            LIFE_UNKNOWN
        }
        Some(value) => life(value)?,
    };
    if life > LIFE_MAX {
        notes.push(format!(
            "expires_in is {} s; the token is renewed after a day anyway",
            life.as_secs()
        ));
    }
    Ok(Grant {
        token: Secret::new(token),
        life: life.min(LIFE_MAX),
        note: notes.join("; "),
    })
}

/// Whether a text can be sent as a bearer token: visible ASCII, at least one character (RFC 6750, 2.1).
///
/// # Errors
/// In words, why not.
pub(super) fn check_token(token: &str) -> Result<(), String> {
    if token.is_empty() {
        return Err("its access_token is empty".into());
    }
    if token.len() > TOKEN_MAX {
        return Err(format!("its access_token has {} bytes", token.len()));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its access_token has characters that no header can carry".into());
    }
    Ok(())
}

/// A lifetime in whole seconds, from a JSON number or string; a fraction is cut off.
fn life(expires_in: &Value) -> Result<Duration, String> {
    let text = match expires_in {
        Value::Number(number) => number.to_string(),
        // RFC 6749, 5.1 has a number; a quoted one means the same.
        Value::String(text) => text.trim().to_owned(),
        _ => return Err("its expires_in is not a number of seconds".into()),
    };
    let odd = || {
        format!(
            "its expires_in is {}, which is not a number of seconds",
            inert::quoted(&redact::scrub(&text), 40)
        )
    };
    let whole = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number beyond u64 is longer than LIFE_MAX in any case.
        text.parse().unwrap_or(u64::MAX)
    } else {
        let number = Decimal::from_str_exact(&text)
            .or_else(|_| Decimal::from_scientific(&text))
            .or_else(|_| {
                let is_long = expires_in.as_f64().is_some_and(|seconds| seconds > 1e19);
                is_long.then_some(Decimal::MAX).ok_or_else(odd)
            })?;
        if number.is_sign_negative() && !number.is_zero() {
            return Err(format!(
                "its expires_in is {}: it would have expired before it was granted",
                inert::cut(&text, 40)
            ));
        }
        // Down: a token is rather renewed a second early.
        number.trunc().to_u64().unwrap_or(u64::MAX)
    };
    if whole == 0 {
        return Err(format!(
            "its expires_in is {}: the token would never be valid",
            inert::cut(&text, 40)
        ));
    }
    Ok(Duration::from_secs(whole))
}

fn failed(reply: &Reply, body: Option<&Value>, account: &Account) -> Failure {
    let provider = account.provider_title;
    let status = reply.status;
    let code = body.and_then(|body| text_of(body.get("error")));
    let mut words = body.map(words).unwrap_or_default();
    if words.is_empty() && reply.body.trim_ascii().starts_with(b"<") {
        words = ": an HTML page, perhaps from a proxy or firewall".into();
    }
    // The codes of RFC 6749, 5.2 that mean wrong or unauthorised credentials; the others mean a malformed request.
    let of_the_client = code.is_some_and(|code| {
        matches!(
            code,
            "invalid_client" | "unauthorized_client" | "invalid_grant"
        )
    });
    // RFC 6749, 5.2 uses 400 for most errors and 401 for `invalid_client`; the body decides where the status does
    // not.
    if matches!(status, 401 | 403) || (matches!(status, 200 | 201 | 400) && of_the_client) {
        return failure(
            ProblemKind::Refused,
            no_token(
                account,
                &format!("{provider} rejected the credentials (status {status}{words})"),
            ),
            &format!(
                "check the key and secret of account {0}; they must belong to its environment ({1}). `tilldeck account rotate {0}` sets a new secret",
                account.id,
                account.environment.title()
            ),
        );
    }
    let retry_after = reply.retry_after();
    let (what, hint) = match status {
        429 => (
            format!(
                "{provider} rejected the token request: too many requests (status 429{words}){}",
                retry_after.map_or_else(String::new, |wait| format!(
                    ", retry after {}",
                    time::fine(wait)
                ))
            ),
            "wait, or look for another program that fetches tokens with the same credentials"
                .to_owned(),
        ),
        500.. => (
            format!("{provider}'s token endpoint is failing (status {status}{words})"),
            "try again; if it happens again, ask the provider".to_owned(),
        ),
        404 | 405 => (
            format!("{provider} has no token endpoint at this URL (status {status}{words})"),
            format!("check `endpoints` of account {}", account.id),
        ),
        _ => (
            format!("{provider} rejected the token request (status {status}{words})"),
            format!(
                "check `endpoints` of account {}; `tilldeck log` shows the request and the response",
                account.id
            ),
        ),
    };
    Failure {
        // Bounded: one header must not stop an account for a day.
        retry_after: retry_after.map(|wait| wait.min(UNCOUNTED_HOLD_MAX)),
        ..failure(ProblemKind::Failing, no_token(account, &what), &hint)
    }
}

fn text_of(value: Option<&Value>) -> Option<&str> {
    value?.as_str().filter(|text| !text.trim().is_empty())
}

/// The error description of an error body, behind a colon: inert, redacted and cut.
fn words(body: &Value) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let nested = body.get("error").filter(|error| error.is_object());
    for of in [Some(body), nested].into_iter().flatten() {
        // RFC 6749, 5.2 has the first two; public clients read the others, too (`docs/providers/kinguin.md#token`).
        for name in ["error", "error_description", "message", "detail", "debug"] {
            if let Some(text) = text_of(of.get(name))
                && !parts.contains(&text)
            {
                parts.push(text);
            }
        }
    }
    if parts.is_empty() {
        return String::new();
    }
    // Redacted like a header, not like a body: the end of a body may be the beginning of a secret and would be
    // hidden.
    let parts = redact::header("error", &parts.join(": "));
    format!(": {}", inert::cut(&parts, 200))
}

#[cfg(test)]
mod tests;
