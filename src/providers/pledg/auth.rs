//! Pledg's authorisation. Which of its four ways a call takes follows from its documented path: an access token,
//! nothing, the dashboard's login, or a signature in the query that replaces the body
//! (`docs/providers/pledg.md#authorisation`).

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::{settings, wire};
use crate::auth::{FetchToken, Tokens, sign};
use crate::domain::raw_path::without_query;
use crate::domain::{AuthMethod, Problem, ProblemKind, Secret, exchange};
use crate::net::{
    Authorise, Call, MaybeSecret, NetError, Repeat, Reply, RequestBody, RequestOptions,
    SignedRequest, redact,
};
use crate::providers::Credentials;

/// The token call; tilldeck makes it when a call needs a token.
pub const TOKEN: &str = "/api/token";
/// The parameter that replaces a purchase's data.
pub const SIGNATURE: &str = "signature";

/// The body of the token call, exactly (`docs/providers/pledg.md#token`).
const GRANT: &str = "grant_type=client_credentials";

/// How a call is authorised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Bearer`, the access token.
    Token,
    /// Nothing: the calls shops make from a payer's browser.
    Open,
    /// `Authorization: Basic`, the dashboard's login.
    Dashboard,
    /// `?signature=`, a JWT that replaces the body.
    Signature,
}

/// How a call is authorised: as the caller chose, else as documented for its path.
pub fn scheme_of(call: &Call) -> Scheme {
    chosen(call.auth).unwrap_or_else(|| scheme(&call.path))
}

/// The scheme that was chosen for a call.
pub fn chosen(auth: Option<AuthMethod>) -> Option<Scheme> {
    Some(match auth? {
        AuthMethod::Basic => Scheme::Dashboard,
        AuthMethod::Bearer => Scheme::Token,
    })
}

/// How a call to `path` is authorised. A path outside the API gets no secret.
pub fn scheme(path: &str) -> Scheme {
    let parts: Vec<&str> = without_query(path)
        .trim_start_matches('/')
        .trim_end_matches('/')
        .split('/')
        .collect();
    match parts.as_slice() {
        ["api", "users", "me", ..] => Scheme::Open,
        ["api", "purchase_link" | "payment_by_transfer"] => Scheme::Signature,
        // Documented before access tokens existed, with "the credentials provided by Pledg"; `--auth bearer` sends the
        // token instead.
        ["api", "purchases", _, "release"] => Scheme::Dashboard,
        ["api", ..] => Scheme::Token,
        _ => Scheme::Open,
    }
}

/// One account at Pledg; it authorises its calls.
pub struct Pledg {
    credentials: Credentials,
}

impl Pledg {
    /// Reads no secret until the first call.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }

    fn tokens(&self) -> &Tokens {
        let tokens = self.credentials.tokens.as_ref();
        tokens.expect("the manifest makes tokens for each account")
    }

    /// A purchase's settings as a JWT, signed with the merchant's secret.
    async fn sign(&self, settings: &Map<String, Value>) -> Result<Secret, NetError> {
        let secret = secret(&self.credentials, settings::MERCHANT_SECRET).await?;
        let settings = Value::Object(settings.clone());
        Ok(Secret::new(sign::jwt_hs256(&secret, &settings)))
    }

    /// The link that a payer opens to make this purchase. Sends nothing.
    pub async fn link(&self, settings: &Map<String, Value>) -> Result<Secret, NetError> {
        let jwt = self.sign(settings).await?;
        let front = self.credentials.endpoint(settings::FRONT);
        let of_company = settings["data"].get("companyUid").is_some();
        // A company has several solutions to choose from (`docs/providers/pledg.md#signed-purchases`).
        let page = if of_company {
            "payment_solutions"
        } else {
            "purchase"
        };
        let token = jwt.expose();
        Ok(Secret::new(format!("{front}/{page}?{SIGNATURE}={token}")))
    }
}

#[async_trait]
impl Authorise for Pledg {
    async fn prepare(&self, call: &Call, options: RequestOptions) -> Result<(), NetError> {
        match scheme_of(call) {
            Scheme::Token => self.tokens().ready(options).await,
            Scheme::Open | Scheme::Dashboard | Scheme::Signature => Ok(()),
        }
    }

    async fn authorise(&self, call: &Call) -> Result<SignedRequest, NetError> {
        match scheme_of(call) {
            Scheme::Open => Ok(as_json(call)),
            Scheme::Token => {
                let (header, token) = self.tokens().bearer()?;
                let mut signed = as_json(call);
                signed.headers.push(header);
                // So that a 401 drops this token, not a newer one.
                signed.credential = Some(token);
                Ok(signed)
            }
            Scheme::Dashboard => {
                let user = self.credentials.texts.get(settings::DASHBOARD_USER);
                // No other credential is tried in its place (`docs/providers/pledg.md#credentials`).
                let user = user.ok_or_else(|| NetError::Unauthorised(no_dashboard_user()))?;
                let password = secret(&self.credentials, settings::DASHBOARD_PASSWORD).await?;
                let mut signed = as_json(call);
                signed.headers.push(basic(
                    (settings::DASHBOARD_USER, user),
                    (settings::DASHBOARD_PASSWORD, &password),
                )?);
                Ok(signed)
            }
            Scheme::Signature => match &call.body {
                RequestBody::Fields(settings) => {
                    let jwt = self.sign(settings).await?;
                    let mut signed = SignedRequest::new(Vec::new(), Bytes::new());
                    signed.query.push((SIGNATURE, MaybeSecret::Secret(jwt)));
                    Ok(signed)
                }
                // Signed elsewhere: the path contains the signature.
                RequestBody::Empty | RequestBody::Bytes(_) => Ok(as_json(call)),
            },
        }
    }

    async fn is_stale(&self, reply: &Reply, token: Option<&Secret>, renewed: bool) -> bool {
        let failure = || wire::failure(&reply.body).and_then(|failure| failure.kind);
        let rejected = reply.status == 401 || failure().as_deref() == Some("error_token");
        // With the status of a success or of a failing server, the call may have been carried out.
        !renewed && self.tokens().is_stale(rejected, token) && (400..500).contains(&reply.status)
    }

    // An `error` in a 200 is a failure (`docs/providers/pledg.md#failures`).
    fn refusal(&self, reply: &Reply) -> Option<String> {
        wire::failure(&reply.body).map(|failure| failure.message)
    }
}

/// The token call of one account.
pub struct TokenCall {
    credentials: Credentials,
}

impl TokenCall {
    /// Reads no secret until the first call.
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }
}

#[async_trait]
impl FetchToken for TokenCall {
    fn call(&self) -> Call {
        // A lost answer costs only a token that is never used.
        Call {
            body: RequestBody::Bytes(GRANT.into()),
            about: exchange::TOKEN_CALL.into(),
            repeat: Repeat::Safe,
            ..Call::new("POST", "api", TOKEN)
        }
    }

    async fn authorise(&self) -> Result<SignedRequest, NetError> {
        let texts = &self.credentials.texts;
        let key = texts.get(settings::API_KEY).map_or("", String::as_str);
        let secret = secret(&self.credentials, settings::API_SECRET).await?;
        let headers = vec![
            (
                "content-type",
                MaybeSecret::Open("application/x-www-form-urlencoded".into()),
            ),
            basic((settings::API_KEY, key), (settings::API_SECRET, &secret))?,
        ];
        Ok(SignedRequest::new(
            headers,
            Bytes::from_static(GRANT.as_bytes()),
        ))
    }
}

/// Reads a secret each time, so that a replaced file or variable takes effect.
async fn secret(credentials: &Credentials, key: &'static str) -> Result<Secret, NetError> {
    (credentials.read_secret)(key)
        .await
        .map_err(NetError::Unauthorised)
}

/// `Authorization: Basic` of a pair (RFC 7617, 2). Not wrapped at 76 characters, as the documented `base64` command would
/// (`docs/providers/pledg.md#token`). User name and password come with their config keys, for error messages.
fn basic(
    (user_key, user): (&str, &str),
    (password_key, password): (&str, &Secret),
) -> Result<(&'static str, MaybeSecret), NetError> {
    let refused = |key: &str, what: &str| {
        NetError::Unauthorised(Problem::new(
            ProblemKind::Config,
            format!("{key} {what}"),
            format!("correct {key} in the config; tilldeck sends it as `user:password` in base64"),
        ))
    };
    // RFC 7617, 2: the first colon ends the user name.
    if user.contains(':') {
        return Err(refused(
            user_key,
            "contains a colon, which would end the user name",
        ));
    }
    for (key, text) in [(user_key, user), (password_key, password.expose())] {
        if text.is_empty() {
            return Err(refused(key, "is empty"));
        }
        if text.contains(|c: char| c.is_control()) {
            return Err(refused(
                key,
                "contains a line break or another control character",
            ));
        }
    }
    let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
    // The pair in base64 is worth as much as the password itself.
    redact::learn(&Secret::new(pair.as_str()), "authorization");
    let value = Secret::new(format!("Basic {pair}"));
    Ok(("authorization", MaybeSecret::Secret(value)))
}

/// The call's unchanged body, with its content type.
fn as_json(call: &Call) -> SignedRequest {
    let body = match &call.body {
        RequestBody::Empty => return SignedRequest::new(Vec::new(), Bytes::new()),
        RequestBody::Fields(fields) => {
            serde_json::to_vec(fields).expect("a map of JSON values is JSON")
        }
        RequestBody::Bytes(bytes) => bytes.clone(),
    };
    let headers = vec![("content-type", MaybeSecret::Open("application/json".into()))];
    SignedRequest::new(headers, body.into())
}

fn no_dashboard_user() -> Problem {
    Problem::new(
        ProblemKind::Config,
        "dashboard_user is not set, and this call needs the dashboard login",
        "set dashboard_user and dashboard_password of the account in the config",
    )
}
