//! What follows from a rejection: the answer to the sender, and what the row says.

use std::borrow::Cow;

use hyper::http::{HeaderValue, StatusCode, header};

use super::UNABLE;
use crate::callbacks::{Address, Inbound, Refusal, content};
use crate::domain::Verdict;
use crate::http_server::{Response, Unread, text};

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

    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Refused(_) => Verdict::Refused,
            Self::NoAccount(_) => Verdict::UnknownAccount,
            _ => Verdict::Unreadable,
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
