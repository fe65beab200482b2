//! Where callbacks are forwarded to.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use parking_lot::Mutex;
use reqwest::Url;

use crate::callbacks::Address;
use crate::domain::{AccountId, Problem, inert};
use crate::net::{self, redact};

/// The targets that this process forwards to.
pub(super) struct ForwardTargets {
    /// Each of an account, or the default.
    configured: Vec<(Option<AccountId>, Url)>,
    /// Those, and those of replays by this process.
    all: Mutex<BTreeSet<String>>,
}

impl ForwardTargets {
    pub(super) fn new(configured: Vec<(Option<AccountId>, Url)>) -> Self {
        let all = configured.iter().map(|(_, url)| url.to_string());
        Self {
            all: Mutex::new(all.collect()),
            configured,
        }
    }

    /// Whether none is configured.
    pub(super) fn is_empty(&self) -> bool {
        self.configured.is_empty()
    }

    /// An account's configured target: its own, else the default.
    pub(super) fn of(&self, account: &AccountId) -> Option<&Url> {
        let find = |name: Option<&AccountId>| {
            let mut all = self.configured.iter();
            all.find(|(of, _)| of.as_ref() == name)
        };
        let found = find(Some(account)).or_else(|| find(None));
        found.map(|(_, url)| url)
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.all.lock().iter().cloned().collect()
    }

    /// Lets this process take forwards to this target.
    pub(super) fn add(&self, target: &str) {
        self.all.lock().insert(target.to_owned());
    }
}

/// Parses a forward target: `http://` on this machine, `https://` elsewhere.
///
/// # Errors
/// If it is no such URL, or contains a secret: targets are stored and shown in plain text.
pub fn target(text: &str) -> Result<Url, Problem> {
    let url = saved_target(text)?;
    let has_login = !url.username().is_empty() || url.password().is_some();
    if has_login || redact::foreign_url(&url) != url.as_str() {
        return Err(wrong(
            &redact::foreign_url(&url),
            "it contains a secret, and targets are stored and shown in plain text",
            "remove it, or rename the field if its value is no secret; the callback's own headers and signature are \
             forwarded",
        ));
    }
    Ok(url)
}

/// Parses a target that a job has. Its fields were judged when it was given: a callback that was accepted is not lost
/// because a secret that became known since looks like a part of its URL.
pub(super) fn saved_target(text: &str) -> Result<Url, Problem> {
    let wrong = |why, hint| wrong(&redact::body(&without_login(text)), why, hint);
    let example =
        "write it like http://127.0.0.1:3000/callbacks, or https://shop.example/callbacks";
    let url = Url::parse(text).map_err(|_| wrong("this is not a URL", example))?;
    if url.fragment().is_some() {
        return Err(wrong(
            "it has a fragment (`#…`), which HTTP never sends",
            "remove it",
        ));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if net::is_loopback(&url) => Ok(url),
        "http" => Err(wrong(
            "plain http to another machine can be read and changed on the way",
            "use https://, or a server on this machine",
        )),
        _ => Err(wrong("only http and https are supported", example)),
    }
}

fn wrong(shown: &str, why: &str, hint: &str) -> Problem {
    let shown = inert::quoted(shown, 120);
    Problem::usage(
        format!("callbacks cannot be forwarded to {shown}: {why}"),
        hint,
    )
}

/// Whether callbacks that are received at `bind` and forwarded to `target` are received again, without end.
pub fn leads_back(target: &Url, bind: SocketAddr) -> bool {
    net::is_loopback(target)
        && (bind.ip().is_loopback() || bind.ip().is_unspecified())
        && target.port_or_known_default() == Some(bind.port())
        && Address::of(target.path()).is_some()
}

/// A URL without its password, for messages.
fn without_login(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, host)) => match before.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://…@{host}"),
            None => format!("…@{host}"),
        },
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ProblemKind;

    #[test]
    fn a_target_at_a_callback_address_of_the_receiver_leads_back_to_it() {
        for (to, bind, leads_back_to_it) in [
            (
                "http://127.0.0.1:8787/callbacks/shop",
                "127.0.0.1:8787",
                true,
            ),
            (
                "http://localhost:8787//callbacks/a/b?c",
                "0.0.0.0:8787",
                true,
            ),
            ("http://[::1]/callbacks", "[::]:80", true),
            (
                "http://127.0.0.1:8788/callbacks/shop",
                "127.0.0.1:8787",
                false,
            ),
            ("http://127.0.0.1:8787/hook", "127.0.0.1:8787", false),
            ("http://127.0.0.1:8787/callbacks/a", "192.0.2.1:8787", false),
            (
                "https://shop.example:8787/callbacks/a",
                "0.0.0.0:8787",
                false,
            ),
        ] {
            let found = leads_back(&target(to).unwrap(), bind.parse().unwrap());
            assert_eq!(found, leads_back_to_it, "{to} {bind}");
        }
    }

    #[test]
    fn callbacks_go_on_to_this_machine_or_over_tls_and_to_no_url_with_a_secret() {
        for good in [
            "http://127.0.0.1:3000/x?a=b",
            "http://localhost/",
            "http://[::1]:9/x",
            "https://shop.example/callbacks?author=1&authority=kanga",
        ] {
            assert!(target(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://shop.example/x", "plain http"),
            ("http://127.0.0.1.example/x", "plain http"),
            ("ftp://127.0.0.1/x", "only http and https"),
            ("https://shop.example/callbacks#top", "a fragment"),
            ("127.0.0.1:3000", "not a URL"),
            ("/callbacks", "not a URL"),
            ("https://name:word@shop.example/", "a secret"),
            ("https://shop.example/?api_key=abcdefgh", "a secret"),
            ("https://shop.example/?token=abcdefgh", "a secret"),
            ("https://shop.example/?a=b&key=abcdefgh", "a secret"),
            ("https://shop.example/?hook_token=abcdefgh", "a secret"),
            ("https://shop.example/?sig=abcdefgh", "a secret"),
            ("https://shop.example/?X-Amz-Signature=abcdefgh", "a secret"),
            ("http://shop.example/?api_key=abcdefgh", "plain http"),
        ] {
            assert_eq!(saved_target(bad).is_ok(), why == "a secret", "{bad}");
            let problem = target(bad).unwrap_err();
            assert_eq!(problem.kind, ProblemKind::Usage);
            assert!(problem.message.contains(why), "{bad}: {}", problem.message);
            assert!(!problem.message.contains("abcdefgh"), "{}", problem.message);
        }
    }
}
