//! The verdict on a request, and its answer.

use std::borrow::Cow;

use hyper::http::{HeaderName, header};

use crate::callbacks::{Address, Inbound, content};
use crate::domain::{Subject, Verdict};
use crate::http_server::Unread;
use crate::ledger::{DedupKey, NewJob};

pub(super) const NOT_UNDERSTOOD: &str = "This callback cannot be parsed.\n";

/// A request with its verdict.
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) why: String,
    pub(super) status: u16,
    /// The answer's text.
    pub(super) words: &'static str,
    /// A header that explains the answer's status.
    pub(super) header: Option<(HeaderName, &'static str)>,
    pub(super) kind: String,
    pub(super) subject: Option<Subject>,
    pub(super) proved: bool,
    pub(super) identity: Option<DedupKey>,
    pub(super) jobs: Vec<NewJob>,
}

impl Judgement {
    /// A rejection, by the status of its answer.
    pub(super) fn rejected(status: u16, why: impl Into<String>, words: &'static str) -> Self {
        Self {
            verdict: match status {
                403 => Verdict::Refused,
                404 => Verdict::UnknownAccount,
                _ => Verdict::Unreadable,
            },
            why: why.into(),
            status,
            words,
            header: None,
            kind: String::new(),
            subject: None,
            proved: false,
            identity: None,
            jobs: Vec::new(),
        }
    }
}

/// Why a body is incomplete, by the status of the answer.
pub(super) fn incomplete(status: u16) -> &'static str {
    match status {
        408 => "its body did not arrive in time",
        _ => "the connection ended before its whole body arrived",
    }
}

/// The callback with a decoded body, or the answer to one that cannot be decoded.
pub(super) fn readable(
    inbound: &Inbound,
    limit: usize,
) -> Result<Cow<'_, Inbound>, Box<Judgement>> {
    if let Some(Unread(status)) = inbound.request.extensions().get() {
        let status = status.as_u16();
        let why = match status {
            413 => format!("its body is larger than {} KiB", limit / 1024),
            status => incomplete(status).into(),
        };
        let judged = Judgement::rejected(status, why, "The body was not accepted.\n");
        return Err(judged.into());
    }
    if Address::of(inbound.request.uri().path()).is_some_and(|address| address.climbs()) {
        let why = "the path after the account's name contains `..`";
        return Err(Judgement::rejected(400, why, NOT_UNDERSTOOD).into());
    }
    let unreadable = |unreadable| match unreadable {
        content::Unreadable::Unsupported(why) => Judgement {
            header: Some((header::ACCEPT_ENCODING, content::ACCEPTED)),
            ..Judgement::rejected(415, why, "This Content-Encoding is not supported.\n")
        },
        content::Unreadable::Broken(why) => Judgement::rejected(400, why, NOT_UNDERSTOOD),
        content::Unreadable::TooLarge(why) => {
            Judgement::rejected(413, why, "The body was not accepted.\n")
        }
    };
    content::readable(inbound, limit).map_err(|why| unreadable(why).into())
}
