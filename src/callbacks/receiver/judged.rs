//! What was found of one request, and what it is answered with.

use std::borrow::Cow;

use axum::http::{HeaderName, header};

use crate::callbacks::{Address, Inbound, content};
use crate::domain::{Subject, Verdict};
use crate::http_server::Unread;
use crate::ledger::{DedupKey, NewJob};

pub(super) const NOT_UNDERSTOOD: &str = "This callback cannot be understood.\n";

/// A request with what was found of it.
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
    /// Of what is not acted upon, by the status of its answer.
    pub(super) fn unlike(status: u16, why: impl Into<String>, words: &'static str) -> Self {
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

/// Why a body is not whole, by the status of the answer to that.
pub(super) fn incomplete(status: u16) -> &'static str {
    match status {
        408 => "its body did not come in time",
        _ => "its body broke off",
    }
}

/// The callback as its provider's rules read it, or what to answer where nobody can.
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
        let judged = Judgement::unlike(status, why, "The body was not accepted.\n");
        return Err(judged.into());
    }
    if Address::of(inbound.request.uri().path()).is_some_and(|address| address.climbs()) {
        let why = "the path behind the account's name has `..` in it";
        return Err(Judgement::unlike(400, why, NOT_UNDERSTOOD).into());
    }
    let unreadable = |unreadable| match unreadable {
        content::Unreadable::Unsupported(why) => Judgement {
            header: Some((header::ACCEPT_ENCODING, content::ACCEPTED)),
            ..Judgement::unlike(415, why, "This Content-Encoding is not read here.\n")
        },
        content::Unreadable::Broken(why) => Judgement::unlike(400, why, NOT_UNDERSTOOD),
        content::Unreadable::TooLarge(why) => {
            Judgement::unlike(413, why, "The body was not accepted.\n")
        }
    };
    content::readable(inbound, limit).map_err(|why| unreadable(why).into())
}
