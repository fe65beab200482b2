//! Kinguin's authorisation: client id and secret in the form of the token call (`docs/providers/kinguin.md#token`), the
//! access token in every other call but the public ones (`docs/providers/kinguin.md#bearer`).

use async_trait::async_trait;
use bytes::Bytes;

use super::{catalogue, settings};
use crate::auth::{FetchToken, Tokens};
use crate::domain::{Secret, exchange};
use crate::net::{
    Authorise, Call, MaybeSecret, NetError, Repeat, Reply, RequestBody, RequestOptions,
    SignedRequest, form_boundary, redact,
};
use crate::providers::{Credentials, ReadSecret};

/// Makes one account's token calls.
struct Fetch {
    client_id: String,
    read_secret: ReadSecret,
}

/// Creates the token fetcher of one account.
pub fn fetch(credentials: &Credentials) -> std::sync::Arc<dyn FetchToken> {
    let client_id = credentials
        .texts
        .get(settings::CLIENT_ID)
        .cloned()
        .unwrap_or_default();
    // A short id may be a word; it is redacted by the name of its field alone.
    if client_id.len() >= 12 {
        redact::learn(&Secret::new(client_id.as_str()), settings::CLIENT_ID);
    }
    std::sync::Arc::new(Fetch {
        client_id,
        read_secret: credentials.read_secret.clone(),
    })
}

#[async_trait]
impl FetchToken for Fetch {
    fn call(&self) -> Call {
        // A lost answer costs only a token that is never used.
        Call {
            about: exchange::TOKEN_CALL.into(),
            repeat: Repeat::Safe,
            ..Call::new("POST", settings::TOKEN, "/")
        }
    }

    async fn authorise(&self) -> Result<SignedRequest, NetError> {
        // Read for each token request, so that a replaced secret counts at once.
        let secret = (self.read_secret)(settings::CLIENT_SECRET)
            .await
            .map_err(NetError::Unauthorised)?;
        redact::learn(&secret, settings::CLIENT_SECRET);
        let form = serde_urlencoded::to_string([
            ("grant_type", "client_credentials"),
            // In the form, not in a header (`docs/providers/kinguin.md#token`).
            (settings::CLIENT_ID, &self.client_id),
            (settings::CLIENT_SECRET, secret.expose()),
        ])
        .expect("pairs of texts make a form");
        let kind = MaybeSecret::Open("application/x-www-form-urlencoded".into());
        // RFC 6749, 5.1: the response is JSON.
        let accept = MaybeSecret::Open("application/json".into());
        let headers = vec![("content-type", kind), ("accept", accept)];
        Ok(SignedRequest::new(headers, Bytes::from(form)))
    }
}

/// One account at Kinguin; it puts the access token into its calls.
pub struct Kinguin {
    tokens: Tokens,
}

impl Kinguin {
    /// Uses the account's token cache; fetches nothing yet.
    pub fn new(tokens: Tokens) -> Self {
        Self { tokens }
    }
}

#[async_trait]
impl Authorise for Kinguin {
    async fn prepare(&self, call: &Call, options: RequestOptions) -> Result<(), NetError> {
        if catalogue::is_public(&call.method, &call.path) {
            return Ok(());
        }
        self.tokens.ready(options).await
    }

    async fn authorise(&self, call: &Call) -> Result<SignedRequest, NetError> {
        let mut headers = Vec::new();
        let body = match &call.body {
            RequestBody::Empty => Bytes::new(),
            RequestBody::Fields(fields) => {
                let json = serde_json::to_vec(fields).expect("a map of JSON values is JSON");
                headers.push(("content-type", MaybeSecret::Open("application/json".into())));
                Bytes::from(json)
            }
            RequestBody::Bytes(bytes) => {
                headers.push(("content-type", MaybeSecret::Open(content_type(bytes))));
                Bytes::from(bytes.clone())
            }
        };
        let mut credential = None;
        if !catalogue::is_public(&call.method, &call.path) {
            let (header, bearer) = self.tokens.bearer()?;
            headers.push(header);
            credential = Some(bearer);
        }
        Ok(SignedRequest {
            credential,
            hidden: catalogue::hidden_fields(&call.path),
            ..SignedRequest::new(headers, body)
        })
    }

    async fn is_stale(&self, reply: &Reply, token: Option<&Secret>, renewed: bool) -> bool {
        !renewed && self.tokens.is_stale(reply.status == 401, token)
    }
}

/// The content type, recognised from the body: a multipart form begins with its boundary, bytes that are not text are a
/// file, and all else is JSON.
fn content_type(body: &[u8]) -> String {
    match form_boundary(body) {
        Some(boundary) => format!("multipart/form-data; boundary=\"{boundary}\""),
        // JSON is always UTF-8 (RFC 8259, 8.1).
        None if std::str::from_utf8(body).is_err() => "application/octet-stream".into(),
        None => "application/json".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_is_recognised_from_the_body() {
        assert_eq!(content_type(br#"["a"]"#), "application/json");
        assert_eq!(
            content_type(b"--keys-7\r\nContent-Disposition: form-data"),
            "multipart/form-data; boundary=\"keys-7\""
        );
        assert_eq!(content_type(b"--\r\n"), "application/json");
        assert_eq!(content_type(b"\x89PNG\r\n"), "application/octet-stream");
        assert_eq!(content_type(b"--a\"b\r\n"), "application/json");
    }
}
