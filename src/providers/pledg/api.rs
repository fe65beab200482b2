//! Pledg's calls: operation to call, response to answer. No I/O.

use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::auth::{Pledg, SIGNATURE, Scheme, TOKEN, TokenCall, chosen, scheme};
use super::{schedule, wire};
use crate::auth::FetchToken;
use crate::domain::raw_path::without_query;
use crate::domain::unique_keys::UniqueKeys;
use crate::domain::{Digest, RawCall, RawReply, Secret, bad_json, inert};
use crate::net::{Call, RequestBody, redact};
use crate::providers::{ApiError, Client, Credentials};

/// Makes the client of one account.
pub fn connect(credentials: Credentials) -> Arc<dyn Client> {
    Arc::new(Pledg::new(credentials))
}

/// Creates an account's token fetcher.
pub fn fetch(credentials: &Credentials) -> Arc<dyn FetchToken> {
    Arc::new(TokenCall::new(credentials.clone()))
}

#[async_trait]
impl Client for Pledg {
    fn raw(&self, call: &RawCall) -> Result<Call, ApiError> {
        let RawCall {
            path, body, auth, ..
        } = call;
        let plain = without_query(path);
        // Its response would show an access token on the screen.
        if plain.trim_end_matches('/') == TOKEN {
            return Err(ApiError::Unsupported(
                "tilldeck makes the token call itself; `tilldeck token refresh` makes it now, and `tilldeck token print` shows the token".into(),
            ));
        }
        let given = body.as_deref().filter(|body| !body.trim_ascii().is_empty());
        // Elsewhere are the payer's pages, which no credentials belong to.
        if auth.is_some() && !plain.starts_with("/api/") {
            return Err(ApiError::Unsupported(
                "tilldeck sends credentials only to paths below /api/; omit --auth, or correct the path".into(),
            ));
        }
        let body = match chosen(*auth).unwrap_or_else(|| scheme(path)) {
            Scheme::Signature => to_be_signed(path, given)?,
            Scheme::Token | Scheme::Open | Scheme::Dashboard => match given {
                Some(body) => {
                    // Checked, not rewritten: the text is sent as it was typed.
                    parse::<serde::de::IgnoredAny>(body)?;
                    RequestBody::Bytes(body.to_vec())
                }
                None => RequestBody::Empty,
            },
        };
        Ok(Call::raw(call, super::CATALOGUE, "api", body))
    }

    fn judge(&self, _call: &RawCall, raw: &RawReply) -> Result<(), ApiError> {
        let failure = wire::failure(&raw.body);
        // An `error` in a 200 is a failure (`docs/providers/pledg.md#failures`).
        if raw.status < 400 && failure.is_none() {
            return Ok(());
        }
        Err(failing(raw.status, failure.as_ref()))
    }

    async fn purchase_link(&self, data: &str) -> Result<Secret, ApiError> {
        let settings = purchase(data.as_bytes())?;
        Ok(self.link(&settings).await?)
    }

    fn digest(&self, call: &RawCall, reply: &RawReply) -> Option<Digest> {
        (reply.status == 200 && schedule::is_schedule_call(&call.path))
            .then(|| schedule::digest(&reply.body))
            .flatten()
    }
}

/// The data of a purchase, which becomes the signature. A purchase signed elsewhere has its signature in the path.
fn to_be_signed(path: &str, body: Option<&[u8]>) -> Result<RequestBody, ApiError> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let signed = query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or(pair);
        // An escaped name is the same parameter.
        percent_decode_str(name).decode_utf8_lossy() == SIGNATURE
    });
    match (signed, body) {
        (true, None) => Ok(RequestBody::Empty),
        (true, Some(_)) => Err(ApiError::Unsupported(
            "the path has a signature and the body has data to sign; omit one of the two".into(),
        )),
        (false, None) => Err(ApiError::Unsupported(
            "nothing to sign; pass the purchase as --data '{\"data\": {\"merchantUid\": \"mer_…\", \"amountCents\": 2000, …}}'".into(),
        )),
        (false, Some(body)) => purchase(body).map(RequestBody::Fields),
    }
}

/// The settings of a purchase, as they are signed.
fn purchase(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    /// For its names.
    #[derive(serde::Deserialize)]
    struct Named {
        #[serde(rename = "data")]
        _data: UniqueKeys<serde::de::IgnoredAny>,
    }
    let settings: UniqueKeys<Value> = parse(body)?;
    let settings: Map<String, Value> = settings.0.into_iter().collect();
    if !settings.get("data").is_some_and(Value::is_object) {
        return Err(ApiError::Unsupported(
            "the body has no `data` object with the purchase's settings; write {\"data\": {…}}"
                .into(),
        ));
    }
    parse::<Named>(body)?;
    Ok(settings)
}

/// Parses the body as JSON. The original text is sent.
fn parse<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        ApiError::Unsupported(format!(
            "the body is not valid JSON for Pledg: {}. Nothing was sent",
            inert::cut(&redact::scrub(&bad_json(&error)), 120)
        ))
    })
}

fn failing(status: u16, failure: Option<&wire::Failure>) -> ApiError {
    let kind = failure
        .and_then(|failure| failure.kind.as_deref())
        .unwrap_or_default();
    let message = failure.map(|failure| inert::cut(&redact::scrub(&failure.message), 200));
    let with = |what: String| match &message {
        Some(message) if !message.is_empty() => format!("{what}: {message}"),
        _ => what,
    };
    match (status, kind) {
        (401 | 403, _) | (_, "invalid_client" | "error_token") => ApiError::refused(
            with(format!("status {status}")),
            "check that the credentials belong to the account's environment. Access tokens need api_key and api_secret, basic authentication dashboard_user and dashboard_password, a purchase merchant_secret; \
            `tilldeck request --auth basic|bearer` chooses between the first two",
        ),
        (404, _) if failure.is_none() => ApiError::NoPath,
        (404, _) | (_, "invalid_merchant_uid") => ApiError::not_found(
            with(format!("the requested resource (status {status})")),
            "check the uid and the account's environment: staging and production share no uids",
        ),
        (429, _) => ApiError::failing(
            with("rejected the request: too many requests (429)".into()),
            "another program may be using this key; try again later",
        ),
        (500.., _) | (_, "maintenance") => ApiError::failing(
            with(format!("is failing (status {status})")),
            "try again later; the purchase's state is unknown",
        ),
        _ => ApiError::failing(
            with(format!("rejected the request (status {status})")),
            "check the values sent; `tilldeck log` shows the request and the response",
        ),
    }
}
