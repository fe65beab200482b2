//! What follows from a judgement: the row, and the answer to the sender of what is rejected.

use std::borrow::Cow;

use hyper::http::{HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};

use super::{UNABLE, unable};
use crate::callbacks::{Address, Answer, Dedup, Inbound, ParsedCallback, Refusal, content};
use crate::domain::job::{LEASE, NewJob};
use crate::domain::{CallbackVerdict, JobKind, inert};
use crate::http_server::{Response, Unread, text};
use crate::ledger::{DedupKey, NewDelivery};
use crate::net::redact;

const NAME_MAX: usize = 64;
const WHY_MAX: usize = 500;
const KIND_MAX: usize = 80;
const METHOD_MAX: usize = 16;

/// A callback that is to be saved. Its row still lacks the sealed bytes.
pub struct Arrival<'a> {
    /// As in [`NewDelivery`].
    pub account_key: &'a str,
    /// The name in its path.
    pub account: &'a str,
    /// As in [`NewDelivery`].
    pub provider: &'a str,
    /// The callback.
    pub inbound: &'a Inbound,
}

impl Arrival<'_> {
    /// The row of a callback that is rejected. One that cannot be verified yet has a job that does so later.
    pub fn rejected(&self, refusal: &Refusal, forward_to: Option<String>) -> NewDelivery {
        let (account, inbound) = (self.account, self.inbound);
        let method = shown(inbound.request.method().as_str(), METHOD_MAX);
        let is_unverified = matches!(refusal, Refusal::Unable(_));
        NewDelivery {
            account_key: self.account_key.to_owned(),
            account: shown(account, NAME_MAX),
            provider: self.provider.to_owned(),
            received_at: inbound.at,
            happened_at: None,
            from: inbound
                .from
                .map_or_else(|| "unknown".to_owned(), |from| from.to_string()),
            verdict: refusal.verdict(),
            why: shown(&refusal.why(&method), WHY_MAX),
            method,
            kind: String::new(),
            subject: None,
            proved: false,
            dedup_key: None,
            status: refusal.status().0.as_u16(),
            bytes: u64::try_from(inbound.request.body().len()).unwrap_or(u64::MAX),
            sealed: Vec::new(),
            jobs: is_unverified
                .then(|| self.job(JobKind::Check, forward_to.unwrap_or_default()))
                .into_iter()
                .collect(),
        }
    }

    /// The row of a valid callback, with its jobs.
    pub fn accepted(&self, parsed: &ParsedCallback, forward_to: Option<String>) -> NewDelivery {
        let mut jobs = Vec::new();
        if parsed.needs_check {
            jobs.push(self.job(JobKind::Check, String::new()));
        }
        if let Some(target) = forward_to {
            jobs.push(match parsed.answer {
                Answer::Plain => self.job(JobKind::Forward, target),
                // Held by this process until the shop's answer is saved, so that no retry starts meanwhile.
                Answer::Relayed { .. } => NewJob {
                    leased_until: Some(self.inbound.at.plus(LEASE)),
                    ..self.job(JobKind::Relay, target)
                },
            });
        }
        NewDelivery {
            verdict: CallbackVerdict::Accepted,
            why: shown(parsed.proof, WHY_MAX),
            kind: shown(&parsed.kind, KIND_MAX),
            subject: parsed.subject.clone(),
            happened_at: parsed.happened_at,
            proved: parsed.proved,
            dedup_key: Some(self.dedup_key(parsed)),
            status: StatusCode::OK.as_u16(),
            jobs,
            ..self.rejected(&Refusal::Refused(String::new()), None)
        }
    }

    fn job(&self, kind: JobKind, target: String) -> NewJob {
        NewJob {
            kind,
            target,
            at: self.inbound.at,
            leased_until: None,
        }
    }

    /// What makes it a repeat.
    pub fn dedup_key(&self, parsed: &ParsedCallback) -> DedupKey {
        let address = Address::of(self.inbound.request.uri().path());
        let (which, what) = match &parsed.dedup {
            Dedup::Message(what) => (b"m", what),
            Dedup::Subject(what) => (b"s", what),
        };
        let mut hash = Sha256::new();
        hash.update(which);
        // With the lengths, ("ab", "c") and ("a", "bc") hash differently.
        for part in [self.account_key.as_bytes(), self.account.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        // The same message to another path is a different one; but an order that the shop answers would be delivered
        // twice. Only where there is a path, so that keys from before paths were accepted stay valid.
        let rest = address.map_or("".into(), |address| address.rest);
        let is_relayed = matches!(parsed.answer, Answer::Relayed { .. });
        if which == b"m" && !rest.is_empty() && !is_relayed {
            hash.update(b"path");
            hash.update((rest.len() as u64).to_be_bytes());
            hash.update(&*rest);
        }
        hash.update(what);
        let hash = hash.finalize().into();
        match parsed.dedup {
            Dedup::Message(_) => DedupKey::Message(hash),
            Dedup::Subject(_) => DedupKey::Subject(hash),
        }
    }
}

/// The sender's text as it is saved: redacted, inert and short.
fn shown(text: &str, most: usize) -> String {
    inert::cut(&redact::scrub(text), most)
}

impl Refusal {
    /// The status and the text of the answer.
    pub(super) fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Refused(_) => (StatusCode::FORBIDDEN, "This callback was rejected.\n"),
            Self::Unreadable(_) => (StatusCode::BAD_REQUEST, "This callback cannot be parsed.\n"),
            Self::Method { .. } => (
                StatusCode::METHOD_NOT_ALLOWED,
                "This method is not allowed for callbacks.\n",
            ),
            Self::Unable(_) => (StatusCode::SERVICE_UNAVAILABLE, UNABLE),
            Self::NoAccount(_) => (
                StatusCode::NOT_FOUND,
                "This path names no account here: /callbacks/NAME.\n",
            ),
            Self::Body { status, .. } => (*status, "The body was not accepted.\n"),
            Self::Encoding(_) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "This Content-Encoding is not supported.\n",
            ),
        }
    }

    /// The answer to the sender.
    pub(super) fn answer(&self) -> Response {
        let (status, words) = self.status();
        let mut answer = text(status, words);
        let explained = match self {
            Self::Unable(_) => return unable(),
            Self::Method { allowed } => Some((header::ALLOW, *allowed)),
            Self::Encoding(_) => Some((header::ACCEPT_ENCODING, content::ACCEPTED)),
            _ => None,
        };
        if let Some((name, value)) = explained {
            let value = HeaderValue::from_static(value);
            answer.headers_mut().insert(name, value);
        }
        answer
    }

    pub(super) fn verdict(&self) -> CallbackVerdict {
        match self {
            Self::Refused(_) => CallbackVerdict::Refused,
            Self::NoAccount(_) => CallbackVerdict::UnknownAccount,
            Self::Unable(_) => CallbackVerdict::Unverified,
            _ => CallbackVerdict::Unreadable,
        }
    }

    /// The reason, for the row of a callback with this method.
    pub(super) fn why(&self, method: &str) -> Cow<'_, str> {
        match self {
            Self::Refused(why)
            | Self::Unreadable(why)
            | Self::NoAccount(why)
            | Self::Encoding(why)
            | Self::Body { why, .. } => why.into(),
            Self::Method { allowed } => {
                format!("method {method} is not allowed; this provider uses {allowed}").into()
            }
            Self::Unable(problem) => problem.message.as_str().into(),
        }
    }
}

/// Why a body is incomplete, by the status of the answer.
pub(super) fn incomplete(status: StatusCode) -> &'static str {
    match status {
        StatusCode::REQUEST_TIMEOUT => "its body did not arrive in time",
        _ => "the connection ended before its whole body arrived",
    }
}

/// The callback with a decoded body, or why it cannot be decoded.
pub(super) fn readable(inbound: &Inbound, limit: usize) -> Result<Cow<'_, Inbound>, Refusal> {
    if let Some(Unread(status)) = inbound.request.extensions().get() {
        let why = match *status {
            StatusCode::PAYLOAD_TOO_LARGE => {
                format!("its body is larger than {} KiB", limit / 1024)
            }
            status => incomplete(status).into(),
        };
        return Err(Refusal::Body {
            status: *status,
            why,
        });
    }
    if Address::of(inbound.request.uri().path()).is_some_and(|address| address.climbs()) {
        let why = "the path after the account's name contains `..`";
        return Err(Refusal::Unreadable(why.into()));
    }
    content::readable(inbound, limit)
}
