//! Waiting callbacks: which are due, and when a failed one is retried. Works on a given time; sends nothing, reads no clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::WallTime;
use crate::http_server::Outgoing;

/// One callback that was not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Identifies the webhook.
    pub number: u64,
    /// Its URL; `None` is the sandbox's callback URL.
    #[serde(default)]
    pub to: Option<String>,
    /// The query that is added to the URL; may be empty.
    pub query: String,
    /// Headers besides those of every request.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body of a POST; `None` is a GET.
    #[serde(default)]
    pub body: Option<String>,
    /// The time to wait for an answer; `None` is the default.
    #[serde(default, alias = "patience")]
    pub answer_timeout: Option<Duration>,
    /// The number of attempts.
    pub tries: usize,
    /// The time of the next attempt.
    pub next: WallTime,
    /// The status of the last attempt; `None` before the first, or without an answer.
    pub status: Option<u16>,
}

/// All callbacks that were not delivered yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outbox {
    posted: u64,
    webhooks: Vec<Webhook>,
}

impl Webhook {
    /// A GET to the sandbox's callback URL, due at `at`.
    #[must_use]
    pub fn hint(query: String, at: WallTime) -> Self {
        Self {
            number: 0,
            to: None,
            query,
            headers: Vec::new(),
            body: None,
            answer_timeout: None,
            tries: 0,
            next: at,
            status: None,
        }
    }

    /// A POST of this form to the sandbox's callback URL, due at `at`.
    #[must_use]
    pub fn form(body: String, at: WallTime) -> Self {
        let kind = "application/x-www-form-urlencoded";
        Self {
            headers: vec![("Content-Type".into(), kind.into())],
            body: Some(body),
            ..Self::hint(String::new(), at)
        }
    }

    /// A POST of this JSON, due at `at`; without `to` it goes to the sandbox's callback URL.
    #[must_use]
    pub fn notice(to: Option<String>, body: String, at: WallTime) -> Self {
        Self {
            to,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: Some(body),
            ..Self::hint(String::new(), at)
        }
    }

    /// The request it makes to `url`.
    #[must_use]
    pub fn request(&self, url: &str) -> Outgoing {
        // A callback URL may have a query of its own, such as a shop's secret.
        let separator = if url.contains('?') { '&' } else { '?' };
        Outgoing {
            url: if self.query.is_empty() {
                url.to_owned()
            } else {
                format!("{url}{separator}{}", self.query)
            },
            headers: self.headers.clone(),
            body: self.body.clone(),
        }
    }
}

impl Outbox {
    /// Queues a callback and numbers it.
    pub fn push(&mut self, webhook: Webhook) {
        self.posted += 1;
        self.webhooks.push(Webhook {
            number: self.posted,
            ..webhook
        });
    }

    /// The callbacks to send now, the longest due first.
    #[must_use]
    pub fn due(&self, now: WallTime) -> Vec<Webhook> {
        let mut due: Vec<_> = self.webhooks.iter().filter(|l| l.next <= now).collect();
        // Equal times in the order they were queued.
        due.sort_by_key(|webhook| (webhook.next, webhook.number));
        due.into_iter().cloned().collect()
    }

    /// When the next callback is due. Without a callback URL (`set_up`), callbacks without their own URL are not due.
    #[must_use]
    pub fn next(&self, set_up: bool) -> Option<WallTime> {
        let able = |webhook: &&Webhook| set_up || webhook.to.is_some();
        let able = self.webhooks.iter().filter(able);
        able.map(|webhook| webhook.next).min()
    }

    /// All waiting callbacks.
    #[must_use]
    pub fn waiting(&self) -> &[Webhook] {
        &self.webhooks
    }

    /// Records an attempt's result. Only 200 means delivered. Otherwise the callback waits as `waits` says for this
    /// attempt; after the last one it is dropped.
    pub fn record_attempt(
        &mut self,
        number: u64,
        now: WallTime,
        status: Option<u16>,
        waits: &[Duration],
    ) {
        let Some(at) = self.webhooks.iter().position(|l| l.number == number) else {
            return;
        };
        let webhook = &mut self.webhooks[at];
        match waits.get(webhook.tries) {
            Some(wait) if status != Some(200) => {
                webhook.tries += 1;
                webhook.status = status;
                webhook.next = now.plus(*wait);
            }
            _ => {
                self.webhooks.remove(at);
            }
        }
    }
}
