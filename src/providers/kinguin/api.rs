//! Kinguin's calls: operation to call, reply to answer. No I/O.

use std::sync::Arc;

use super::auth::Bearer;
use super::{catalogue, digest, settings, wire};
use crate::domain::catalogue::find;
use crate::domain::{Answer, Digest, Op, RawCall, RawReply, Secret, WallTime, inert};
use crate::net::{
    Authorise, BoxFuture, Call, Content, NetError, Repeat, Reply, RequestOptions, SignedRequest,
    redact,
};
use crate::providers::{ApiError, Client, Credentials};

/// One account at Kinguin.
struct Kinguin {
    bearer: Bearer,
}

/// Makes the client of one account.
pub fn connect(credentials: Credentials) -> Arc<dyn Client> {
    let tokens = credentials.tokens;
    let tokens = tokens.expect("an account of a provider that fetches tokens has some");
    Arc::new(Kinguin {
        bearer: Bearer::new(tokens),
    })
}

impl Authorise for Kinguin {
    fn prepare<'a>(
        &'a self,
        call: &'a Call,
        how: RequestOptions,
    ) -> BoxFuture<'a, Result<(), NetError>> {
        self.bearer.prepare(call, how)
    }
    fn authorise<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<SignedRequest, NetError>> {
        self.bearer.authorise(call)
    }
    fn is_stale(&self, reply: &Reply, token: Option<&Secret>) -> bool {
        self.bearer.is_stale(reply, token)
    }
}

impl Client for Kinguin {
    fn call(&self, op: &Op) -> Result<Call, ApiError> {
        let call = |method: &str, path: &str, body, repeat| Call {
            method: method.into(),
            endpoint: settings::GATEWAY,
            path: path.into(),
            body,
            about: op.about(),
            repeat,
            auth: None,
        };
        match op {
            Op::Verify => Ok(call(
                "GET",
                catalogue::MERCHANT,
                Content::Empty,
                Repeat::Safe,
            )),
            Op::Raw {
                method,
                path,
                body,
                writes,
                ..
            } => {
                if let Some(body) = body {
                    check_body(method, path, body)?;
                }
                let body = body.clone().map_or(Content::Empty, Content::Bytes);
                let repeat = if *writes { Repeat::Never } else { Repeat::Safe };
                Ok(call(method, path, body, repeat))
            }
            other => Err(unsupported(other)),
        }
    }

    fn answer(&self, op: &Op, reply: &Reply, _at: WallTime) -> Result<Answer, ApiError> {
        match op {
            Op::Raw { .. } => Ok(Answer::Raw(reply.clone().into_raw())),
            Op::Verify => {
                let retry_after = reply.header("retry-after");
                if let Some(refusal) = refusal(reply.status, &reply.body, retry_after) {
                    return Err(refusal);
                }
                read::<wire::Merchant>(reply.status, &reply.body).map(|_| Answer::Verified)
            }
            other => Err(unsupported(other)),
        }
    }

    fn judge(&self, raw: &RawReply) -> Result<(), ApiError> {
        match refusal(raw.status, &raw.body, None) {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    fn digest(&self, call: &RawCall, reply: &RawReply) -> Option<Digest> {
        digest::digest(call, reply)
    }

    fn hidden(&self, path: &str) -> &'static [&'static str] {
        catalogue::hidden_fields(path)
    }
}

fn unsupported(op: &Op) -> ApiError {
    let what = match op {
        Op::CheckPayment(_) => {
            "Kinguin has no payments to check; its sales are reservations: GET /sales-manager-api/api/v1/reservations"
        }
        Op::Estimate { .. } => {
            "Kinguin gives no price estimates; its price calculator is GET /sales-manager-api/api/v1/offers/calculations/priceAndCommission"
        }
        Op::CreatePaymentToken | Op::PaymentLink(_) => {
            "Kinguin has no payment links; buyers pay in its own shop"
        }
        Op::AuthenticatePlayer { .. } | Op::PlayerItems(_) => "Kinguin has no players",
        Op::TestSignature => "Kinguin signs nothing; `account verify` asks for an access token",
        Op::Verify | Op::Raw { .. } => "there is nothing to read in this answer",
    };
    ApiError::Unsupported(what.into())
}

/// A body that is documented as JSON must be JSON: nothing says how Kinguin reads anything else.
fn check_body(method: &str, path: &str, body: &[u8]) -> Result<(), ApiError> {
    let documented = find(&catalogue::CATALOGUE, method, path);
    if documented.is_none_or(|call| call.body.is_none()) {
        return Ok(());
    }
    // The error names line and column only, so it shows nothing of the body.
    match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        Ok(_) => Ok(()),
        Err(error) => Err(ApiError::Unsupported(format!(
            "the body is not JSON, which this call takes: {error}. Nothing was sent"
        ))),
    }
}

/// A whole JSON reply.
pub fn read<T: serde::de::DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::Nonsense {
        what: match body.trim_ascii_start().first() {
            None => format!("it is empty (status {status})"),
            Some(b'<') => format!("it is an HTML page, not JSON (status {status})"),
            Some(_) => format!(
                "it is not the JSON that was expected: {}",
                inert::cut(&redact::body(&error.to_string()), 120)
            ),
        },
    })
}

/// What an error status says, with the provider's own words where there are some (`docs/providers/kinguin.md#failures`).
fn refusal(status: u16, body: &[u8], retry_after: Option<&str>) -> Option<ApiError> {
    if status < 400 {
        return None;
    }
    let said = wire::words(body).map_or_else(String::new, |words| {
        format!(": {}", inert::cut(&redact::body(&words), 200))
    });
    let failing = |what: String, hint: &str| ApiError::Failing {
        what,
        hint: hint.into(),
    };
    Some(match status {
        401 => ApiError::Refused {
            code: format!("status 401{said}"),
            hint: "a fresh access token was refused, too: check that the client still exists in the merchant panel's \
                   Developer section, and that `environment` is the one it was made in"
                .into(),
        },
        403 => failing(
            format!("forbids it (status 403{said})"),
            "the access token is good, but this account may not do that: it needs a merchant's rights, and the thing must be its own",
        ),
        404 => ApiError::NotFound {
            what: format!("what was asked for (status 404{said})"),
            hint: "check the id and the path; an id of production is not known in the sandbox".into(),
        },
        429 => failing(
            match retry_after {
                Some(after) => format!(
                    "turned the request away: too many requests (429), retry after {}",
                    inert::cut(&redact::body(after), 40)
                ),
                None => "turned the request away: too many requests (429)".into(),
            },
            "another program may be using this client; try again later",
        ),
        500.. => failing(
            format!("is failing (status {status}{said})"),
            "try again later",
        ),
        _ => failing(
            format!("turned the request away (status {status}{said})"),
            "check the values sent; `tilldeck log` shows the exchange",
        ),
    })
}
