//! Kongregate's authorisation: the game's key goes with every call, as a parameter of a GET and a field of a POST. It is
//! sent also where the API description lists none (`docs/providers/kongregate.md#api-key`).

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::{settings, wire};
use crate::domain::Secret;
use crate::net::{Authorise, Call, MaybeSecret, NetError, Reply, RequestBody, SignedRequest};
use crate::providers::Credentials;
use crate::providers::cached_secret::CachedSecret;

/// One game at Kongregate; it adds the game's key to its calls.
pub struct Kongregate {
    key: CachedSecret,
    json: bool,
}

impl Kongregate {
    /// Reads no secret until the first call.
    pub fn new(credentials: Credentials) -> Self {
        let encoding = credentials.texts.get(settings::POST_ENCODING);
        Self {
            json: encoding.is_some_and(|encoding| encoding == settings::JSON),
            key: CachedSecret::new(credentials, settings::API_KEY),
        }
    }
}

/// A value in a form: strings unchanged, anything else as JSON.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[async_trait]
impl Authorise for Kongregate {
    async fn authorise(&self, call: &Call) -> Result<SignedRequest, NetError> {
        let key = self.key.get().await.map_err(NetError::Unauthorised)?;
        let credential = Some(key.clone());
        if matches!(call.method.as_str(), "GET" | "HEAD") {
            return Ok(SignedRequest {
                // A GET takes it in the query (`docs/providers/kongregate.md#api-key`); the redactor hides it there.
                query: vec![(settings::API_KEY, MaybeSecret::Secret(key))],
                credential,
                ..SignedRequest::new(Vec::new(), Bytes::new())
            });
        }
        let mut fields = match &call.body {
            RequestBody::Fields(fields) => fields.clone(),
            RequestBody::Empty | RequestBody::Bytes(_) => Map::new(),
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
        let headers = vec![("content-type", MaybeSecret::Open(kind.into()))];
        Ok(SignedRequest {
            credential,
            ..SignedRequest::new(headers, body.into())
        })
    }

    fn refusal(&self, reply: &Reply) -> Option<String> {
        wire::refusal(&reply.body)
    }

    async fn is_stale(&self, reply: &Reply, key: Option<&Secret>, renewed: bool) -> bool {
        match key.filter(|_| !renewed && wire::may_reject_key(&reply.body)) {
            Some(key) => self.key.reread(key).await.unwrap_or(false),
            None => false,
        }
    }
}
