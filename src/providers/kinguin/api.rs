//! Kinguin's calls: operation to call, response to answer. No I/O.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::auth::Kinguin;
use super::{catalogue, digest, settings, wire};
use crate::domain::catalogue::find;
use crate::domain::stock::{NewKey, Uploaded};
use crate::domain::{Digest, RawCall, RawReply, bad_json, fill, hex, inert};
use crate::net::{Call, RequestBody, redact};
use crate::providers::{ApiError, Client, Credentials, Queried, Query};

/// Bytes of an upload's id: in hex, within the documented 36 characters.
const UPLOAD_ID_BYTES: usize = 16;

/// Makes the client of one account.
pub fn connect(credentials: Credentials) -> Arc<dyn Client> {
    let tokens = credentials.tokens;
    let tokens = tokens.expect("an account of a provider that fetches tokens has some");
    Arc::new(Kinguin::new(tokens))
}

impl Client for Kinguin {
    fn verify(&self) -> Queried<()> {
        let call = Call {
            about: "verify credentials".into(),
            ..Call::new("GET", settings::GATEWAY, catalogue::MERCHANT)
        };
        Ok(Query::new(call, |reply| {
            let retry_after = reply.header("retry-after");
            // The status first: an error page is no merchant, whatever it looks like.
            if let Some(refusal) = refusal(reply.status, &reply.body, retry_after) {
                return Err(refusal);
            }
            read::<wire::Merchant>(reply.status, &reply.body).map(drop)
        }))
    }

    fn add_key(&self, new: &NewKey) -> Queried<Uploaded> {
        let body = json!({
            "body": new.key.expose(),
            "mimeType": "text/plain",
            "requestId": upload_id(new),
        });
        // A refusal may repeat it.
        redact::learn_temporary(&new.key, "key");
        let path = catalogue::STOCK.replace("{offerId}", &fill::encoded(&new.offer));
        let call = Call {
            body: RequestBody::Bytes(body.to_string().into_bytes()),
            about: format!("add a key to offer {}", inert::cut(&new.offer, 40)),
            ..Call::new("POST", settings::GATEWAY, path)
        };
        Ok(Query::new(call, |reply| {
            if reply.status == 409 && is_known(&reply.body) {
                return Ok(Uploaded::Known);
            }
            if let Some(refusal) = refusal(reply.status, &reply.body, reply.header("retry-after")) {
                return Err(refusal);
            }
            let key = read::<Map<String, Value>>(reply.status, &reply.body)?;
            let id = key.get("id").and_then(Value::as_str);
            let id = id.filter(|id| !id.trim().is_empty());
            let id = id.ok_or_else(|| ApiError::unexpected("it has no id of the key"))?;
            Ok(Uploaded::Added(inert::cut(&redact::body(id), 40)))
        }))
    }

    fn raw(&self, call: &RawCall) -> Result<Call, ApiError> {
        if let Some(body) = &call.body {
            check_body(&call.method, &call.path, body)?;
        }
        let body = call.body.clone();
        let body = body.map_or(RequestBody::Empty, RequestBody::Bytes);
        let documented = &catalogue::CATALOGUE;
        Ok(Call::raw(call, documented, settings::GATEWAY, body))
    }

    fn judge(&self, _call: &RawCall, raw: &RawReply) -> Result<(), ApiError> {
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

/// Names an upload of a key, so that a second upload of the same key is refused, as we read the API description
/// (`docs/providers/kinguin.md#keys`).
fn upload_id(new: &NewKey) -> String {
    let mut hash = Sha256::new_with_prefix(new.offer.as_bytes());
    // No id has it, so no two pairs have the same bytes.
    hash.update([0]);
    hash.update(new.key.expose().as_bytes());
    hex(&hash.finalize()[..UPLOAD_ID_BYTES])
}

/// Whether a 409 to an upload means that the key is there. A busy offer may be "already being processed", and the key was
/// not added then (`docs/providers/kinguin.md#keys`).
fn is_known(body: &[u8]) -> bool {
    let message = wire::error_message(body).unwrap_or_default();
    message.to_lowercase().contains("already uploaded")
}

/// A body that is documented as JSON must be JSON: Kinguin does not document how it reads anything else.
fn check_body(method: &str, path: &str, body: &[u8]) -> Result<(), ApiError> {
    let documented = find(&catalogue::CATALOGUE, method, path);
    // Undocumented calls and file uploads go out as they are typed.
    if documented.is_none_or(|call| call.body.is_none()) {
        return Ok(());
    }
    // The error names line and column only, so it shows nothing of the body.
    match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        Ok(_) => Ok(()),
        Err(error) => Err(ApiError::Unsupported(format!(
            "this call needs a JSON body: {}. Nothing was sent",
            bad_json(&error)
        ))),
    }
}

/// A whole JSON response.
pub fn read<T: serde::de::DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::unreadable(status, body, &redact::body(&bad_json(&error))))
}

/// The error for an HTTP status, with the provider's own message where there is one (`docs/providers/kinguin.md#failures`).
fn refusal(status: u16, body: &[u8], retry_after: Option<&str>) -> Option<ApiError> {
    if status < 400 {
        return None;
    }
    let detail = detail(body);
    Some(match status {
        // The gate has already tried once more with a fresh token, where the call takes one
        // (`docs/providers/kinguin.md#bearer`).
        401 => ApiError::refused(
            format!("status 401{detail}"),
            "a fresh access token did not help, or the call takes none. Check that the client still exists in the \
            merchant panel's Developer section, and that `environment` matches it",
        ),
        403 => ApiError::failing(
            format!("forbids it (status 403{detail})"),
            "the access token is valid, but the account lacks the right: it needs a merchant account that owns the \
            resource",
        ),
        // The calculator without a price to calculate (`docs/providers/kinguin.md#prices`).
        404 if detail.contains("Commission Price not found") => ApiError::not_found(
            format!("a price to calculate with (status 404{detail})"),
            "set `price` or `priceIWTR`",
        ),
        // The API documents no body for an unknown id, and all its other ones are JSON.
        404 if !body.is_empty()
            && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_err() =>
        {
            ApiError::NoPath
        }
        404 => ApiError::not_found(
            format!("the requested resource (status 404{detail})"),
            "check the id and the path; the sandbox does not know ids of production",
        ),
        429 => ApiError::too_many(retry_after.map(redact::body).as_deref(), "client"),
        500.. => ApiError::failing(
            format!("is failing (status {status}{detail})"),
            "try again later",
        ),
        _ => ApiError::failing(
            format!("rejected the request (status {status}{detail})"),
            if status == 409 && detail.to_lowercase().contains("try again in") {
                "retry in a few seconds"
            } else {
                "check the values sent; `tilldeck log` shows the request and the response"
            },
        ),
    })
}

/// The provider's own words after a colon, in whichever field they are (`docs/providers/kinguin.md#failures`).
fn detail(body: &[u8]) -> String {
    wire::error_message(body).map_or_else(String::new, |message| {
        format!(": {}", inert::cut(&redact::body(&message), 200))
    })
}
