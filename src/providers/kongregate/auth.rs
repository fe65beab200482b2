//! Kongregate's authorisation: the game's key goes with every call, as a parameter of a GET and a field of a POST. It is
//! sent also where the API description lists none (`docs/providers/kongregate.md#api-key`).

use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use super::settings;
use crate::domain::Secret;
use crate::net::{Authorise, BoxFuture, Call, Content, HeaderText, NetError, SignedRequest};
use crate::providers::Credentials;

/// One game at Kongregate; it adds the game's key to its calls.
pub struct Kongregate {
    key: OnceCell<Secret>,
    json: bool,
    credentials: Credentials,
}

impl Kongregate {
    /// Reads no secret until the first call.
    pub fn new(credentials: Credentials) -> Self {
        let encoding = credentials.texts.get(settings::POST_ENCODING);
        Self {
            key: OnceCell::new(),
            json: encoding.is_some_and(|encoding| encoding == settings::JSON),
            credentials,
        }
    }

    /// The configured `post_encoding`, where it is not a known one.
    pub fn unknown_encoding(&self) -> Option<&str> {
        let encoding = self.credentials.texts.get(settings::POST_ENCODING)?;
        let known = [settings::FORM, settings::JSON].contains(&encoding.as_str());
        (!known).then_some(encoding.as_str())
    }

    async fn key(&self) -> Result<Secret, NetError> {
        let key = self
            .key
            // Read once: a keyring or password manager may prompt.
            .get_or_try_init(|| (self.credentials.read_secret)(settings::API_KEY));
        key.await.cloned().map_err(NetError::Unauthorised)
    }

    async fn seal(&self, call: &Call) -> Result<SignedRequest, NetError> {
        let key = self.key().await?;
        if matches!(call.method.as_str(), "GET" | "HEAD") {
            return Ok(SignedRequest {
                // A GET takes it in the query (`docs/providers/kongregate.md#api-key`); the redactor hides it there.
                query: vec![(settings::API_KEY, HeaderText::Secret(key))],
                ..SignedRequest::new(Vec::new(), Bytes::new())
            });
        }
        let mut fields = match &call.body {
            Content::Fields(fields) => fields.clone(),
            Content::Empty | Content::Bytes(_) => Map::new(),
        };
        fields.insert(settings::API_KEY.into(), key.expose().into());
        let (kind, body) = if self.json {
            ("application/json", Value::Object(fields).to_string())
        } else {
            let pairs = fields.iter().map(|(name, value)| (name, as_text(value)));
            let pairs: Vec<_> = pairs.collect();
            let form = serde_urlencoded::to_string(pairs).expect("pairs of texts are a form");
            ("application/x-www-form-urlencoded", form)
        };
        let headers = vec![("content-type", HeaderText::Open(kind.into()))];
        Ok(SignedRequest::new(headers, body.into()))
    }
}

/// A value in a form: strings unchanged, anything else as JSON.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Authorise for Kongregate {
    fn authorise<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<SignedRequest, NetError>> {
        Box::pin(self.seal(call))
    }
}
