//! Kanga's authorisation: the key in every call, a nonce and a signature in every call but the estimate
//! (`docs/providers/kanga.md#authentication`).

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::{settings, wire};
use crate::auth::sign;
use crate::domain::raw_path::without_query;
use crate::domain::unique_keys;
use crate::domain::{Now, Problem, ProblemKind, Secret, WallTime};
use crate::ledger::{KeyHash, KeyLock, LedgerError, NONCE_LEAD_MAX, Nonce};
use crate::net::{
    Authorise, Call, MaybeSecret, NetError, Reply, RequestBody, SignedRequest, redact,
};
use crate::providers::Credentials;
use crate::providers::cached_secret::CachedSecret;

/// The API key and secret of the TEST call, published by Kanga.
const TEST_KEY: &str = "TEST";
const TEST_SECRET: &str = "8B2EFBECA2BEBB2C413BCFD7915E9209D80F3F4222042B31DD9D605E39F2035F";

/// GET PRICE ESTIMATE. The document's heading and its sample call differ; this is the sample's path, without `/v2`
/// (`docs/providers/kanga.md#contradictions`).
pub const ESTIMATE: &str = "/api/tpg/price/estimate";
/// The same call at the heading's path, on the payment page's host.
pub const ESTIMATE_ALSO: &str = "/tpg/price/estimate";

/// Whether a call is the price estimate.
pub fn is_estimate(path: &str) -> bool {
    matches!(without_query(path), ESTIMATE | ESTIMATE_ALSO)
}

/// TEST.
pub const TEST: &str = "/api/v2/test";

/// Kanga's one code for two failures: wrong credentials, and a nonce that is not higher than the last
/// (`docs/providers/kanga.md#failures`).
pub const INVALID_CREDENTIALS: &str = "9000";

/// Its code for a payment that it does not know.
pub const NOT_FOUND: &str = "9001";

/// One account at Kanga; it signs its calls.
pub struct Kanga {
    api_key: Secret,
    nonces: KeyHash,
    secret: CachedSecret,
    pub credentials: Credentials,
}

impl Kanga {
    /// Reads no secret until the first call.
    pub fn new(credentials: Credentials) -> Self {
        let api_key = Secret::new(
            credentials
                .texts
                .get(settings::API_KEY)
                .cloned()
                .unwrap_or_default(),
        );
        let nonces = KeyHash::of("kanga", api_key.expose());
        // A short key may be a word; it is redacted by the names of its fields alone.
        if api_key.expose().len() >= 12 {
            redact::learn(&api_key, settings::API_KEY);
        }
        Self {
            api_key,
            nonces,
            secret: CachedSecret::new(credentials.clone(), settings::API_SECRET),
            credentials,
        }
    }

    /// The API key.
    pub fn api_key(&self) -> &str {
        self.api_key.expose()
    }
}

impl Kanga {
    /// The next nonce, and when it was asked for. Waits if it is a little ahead of Kanga's clock: sent now, it would lock out other programs that use
    /// the key until then (`docs/providers/kanga.md#nonce`).
    async fn nonce(&self, key_lock: &mut KeyLock) -> Result<(Nonce, Duration), LedgerError> {
        loop {
            let now = self.credentials.clock.now();
            match key_lock.next_nonce(now, self.credentials.nonces).await {
                Err(LedgerError::NonceAhead(by)) if by <= LEAD_WAITED_MAX => {
                    // Not the whole lead: up to `NONCE_LEAD_MAX` is tolerated.
                    tokio::time::sleep(by.saturating_sub(NONCE_LEAD_MAX).max(LEAD_STEP)).await;
                }
                nonce => return Ok((nonce?, now.mono)),
            }
        }
    }
}

/// The longest wait for a nonce that is ahead of Kanga's clock; a longer lead fails the call.
const LEAD_WAITED_MAX: Duration = Duration::from_secs(10);
const LEAD_STEP: Duration = Duration::from_millis(50);

/// Serialises once: the signed bytes must be the sent bytes (`docs/providers/kanga.md#signature`).
fn signed(fields: &Map<String, Value>, secret: Option<&Secret>) -> SignedRequest {
    let body = Bytes::from(serde_json::to_vec(fields).expect("a map of JSON values is JSON"));
    let mut headers = vec![("content-type", MaybeSecret::Open("application/json".into()))];
    if let Some(secret) = secret {
        let signature = Secret::new(sign::hmac_sha512_hex(secret, &body));
        headers.push(("API-Sig", MaybeSecret::Secret(signature)));
    }
    SignedRequest::new(headers, body)
}

fn not_an_object() -> Problem {
    Problem::new(
        ProblemKind::Usage,
        "the body is not a JSON object in which each name occurs once; tilldeck adds `appId` and `nonce` to it",
        "pass --data '{\"id\": \"…\"}', or omit it",
    )
}

fn storage(error: &LedgerError) -> NetError {
    let hint = match error {
        LedgerError::Locked(_) => return NetError::Locked,
        LedgerError::NonceAhead(_) => {
            "wait that long, or create a new API key at the provider; --allow-nonce-ahead sends the request anyway"
        }
        LedgerError::Unlockable { .. } => {
            "remove the file, or take ownership of it with `chown`; it keeps the calls of one key in order"
        }
        LedgerError::KeyBusy(_) => "quit the other tilldeck, or wait until it has finished",
        LedgerError::NotSaved(_) | LedgerError::Unreadable(_) => {
            "make sure that the disk has space and that this user may write the folder"
        }
        LedgerError::Unopened(_) => {
            "run `tilldeck doctor`; a nonce must never be sent twice, so --uncoordinated also needs the ledger that is there"
        }
        // These errors already say what to do.
        LedgerError::Database(_)
        | LedgerError::Newer(_)
        | LedgerError::ReadOnly
        | LedgerError::Gone
        | LedgerError::NoncesExhausted
        | LedgerError::Stopped
        | LedgerError::TooManyWaiting => "",
    };
    NetError::Unauthorised(Problem::new(
        ProblemKind::Local,
        format!("could not get a nonce, so the request was not sent: {error}"),
        hint,
    ))
}

#[async_trait]
impl Authorise for Kanga {
    async fn authorise(&self, call: &Call) -> Result<SignedRequest, NetError> {
        let mut fields = match &call.body {
            RequestBody::Empty => Map::new(),
            RequestBody::Fields(fields) => fields.clone(),
            RequestBody::Bytes(bytes) => {
                unique_keys::object(bytes).map_err(|_| NetError::Unauthorised(not_an_object()))?
            }
        };
        let path = without_query(&call.path);
        // The one unsigned call: it names the key as `shopToken` (`docs/providers/kanga.md#contradictions`).
        if is_estimate(path) {
            fields
                .entry("shopToken")
                .or_insert_with(|| self.api_key().into());
            return Ok(signed(&fields, None));
        }
        // Signed with the published secret, whatever the account's own: it proves the signing, not the key.
        if path == TEST {
            fields.insert("appId".into(), TEST_KEY.into());
            let now = self.credentials.clock.now().wall.0;
            fields.entry("nonce").or_insert_with(|| now.into());
            return Ok(signed(&fields, Some(&Secret::new(TEST_SECRET))));
        }
        let secret = self.secret.get().await;
        let secret = secret.map_err(NetError::Unauthorised)?;
        // Held until the response: a nonce that is overtaken on the way is rejected
        // (`docs/providers/kanga.md#nonce`).
        let mut key_lock = self
            .credentials
            .ledger
            .key_lock(&self.nonces)
            .await
            .map_err(|error| storage(&error))?;
        let (nonce, at) = self
            .nonce(&mut key_lock)
            .await
            .map_err(|error| storage(&error))?;
        // Replaced: a key or nonce in the operator's own body would only be rejected.
        fields.insert("appId".into(), self.api_key().into());
        fields.insert("nonce".into(), nonce.value.into());
        Ok(SignedRequest {
            key_lock: Some(Box::new(key_lock)),
            nonce_at: Some(at),
            nonce_ahead: nonce.ahead,
            credential: Some(secret.clone()),
            ..signed(&fields, Some(&secret))
        })
    }

    async fn is_stale(&self, reply: &Reply, secret: Option<&Secret>, renewed: bool) -> bool {
        // A call without the account's secret has nothing to renew.
        let Some(secret) = secret else {
            return false;
        };
        // 9000 also means wrong credentials; one more try with a fresh nonce distinguishes the two.
        let is_stale = self.refusal(reply) == Some(format!("fail {INVALID_CREDENTIALS}"));
        // For the next call.
        if is_stale && renewed {
            drop(self.secret.reread(secret).await);
        }
        is_stale
    }

    fn refusal(&self, reply: &Reply) -> Option<String> {
        let answer: wire::Flat = serde_json::from_slice(&reply.body).ok()?;
        let Some(wire::Field::Text(result)) = answer.get("result") else {
            return None;
        };
        match answer.get("code") {
            _ if result != "fail" => None,
            // The usual answer until the payer opens the page.
            Some(wire::Field::Number(code)) if code == NOT_FOUND => None,
            Some(wire::Field::Number(code)) => Some(format!("{result} {code}")),
            _ => Some(result.clone()),
        }
    }

    fn has_nonces(&self) -> bool {
        true
    }

    fn provider_time(&self, date: WallTime, seen: Now) {
        self.credentials
            .ledger
            .note_provider_time(&self.nonces, date, seen);
    }
}
