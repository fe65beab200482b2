//! Waiting callbacks: which are due, and when a failed one is retried. Works on a given time; sends nothing, reads no clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::WallTime;
use crate::http_server::Outgoing;

/// One callback that was not delivered yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Webhook {
    pub number: u64,
    /// Its URL; `None` is the sandbox's callback URL.
    pub to: Option<String>,
    /// The query that is added to the URL; may be empty.
    pub query: String,
    /// Headers besides those of every request.
    pub headers: Vec<(String, String)>,
    /// The body of a POST; `None` is a GET.
    pub body: Option<String>,
    /// The time to wait for an answer; `None` is the default.
    pub answer_timeout: Option<Duration>,
    pub attempts: usize,
    pub next: WallTime,
    /// The status of the last attempt; `None` before the first, or without an answer.
    pub status: Option<u16>,
    /// What the provider notes with it. It is saved, so it holds no secret.
    pub note: Value,
}

#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    pub webhook: u64,
    pub at: WallTime,
    /// The status of the answer; `None` where none came.
    pub status: Option<u16>,
}

/// Bounds the waiting callbacks: a new one replaces the oldest.
const WAITING_MAX: usize = 20_000;

/// All callbacks that were not delivered yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outbox {
    posted: u64,
    webhooks: Vec<Webhook>,
}

impl Webhook {
    /// A GET to the sandbox's callback URL, due at `at`.
    pub fn hint(query: String, at: WallTime) -> Self {
        Self {
            query,
            next: at,
            ..Self::default()
        }
    }

    /// A POST of this form to the sandbox's callback URL, due at `at`.
    pub fn form(body: String, at: WallTime) -> Self {
        let kind = "application/x-www-form-urlencoded";
        Self {
            headers: vec![("Content-Type".into(), kind.into())],
            body: Some(body),
            ..Self::hint(String::new(), at)
        }
    }

    /// A POST of this JSON, due at `at`; without `to` it goes to the sandbox's callback URL.
    pub fn notice(to: Option<String>, body: String, at: WallTime) -> Self {
        Self {
            to,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: Some(body),
            ..Self::hint(String::new(), at)
        }
    }

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
    /// Queues a callback and returns its number.
    pub fn push(&mut self, webhook: Webhook) -> u64 {
        self.posted += 1;
        if self.webhooks.len() >= WAITING_MAX {
            self.webhooks.remove(0);
        }
        self.webhooks.push(Webhook {
            number: self.posted,
            ..webhook
        });
        self.posted
    }

    /// The callbacks to send now, the longest due first.
    pub fn due(&self, now: WallTime) -> Vec<Webhook> {
        let mut due: Vec<_> = self.webhooks.iter().filter(|l| l.next <= now).collect();
        // Equal times in the order they were queued.
        due.sort_by_key(|webhook| (webhook.next, webhook.number));
        due.into_iter().cloned().collect()
    }

    /// When the next callback is due. Without a callback URL (`set_up`), callbacks without their own URL are not due.
    pub fn next(&self, set_up: bool) -> Option<WallTime> {
        let able = |webhook: &&Webhook| set_up || webhook.to.is_some();
        let able = self.webhooks.iter().filter(able);
        able.map(|webhook| webhook.next).min()
    }

    pub fn waiting(&self) -> &[Webhook] {
        &self.webhooks
    }

    /// Whether the callback of this number waits.
    pub fn holds(&self, number: u64) -> bool {
        self.webhooks.iter().any(|webhook| webhook.number == number)
    }

    /// Drops the waiting callbacks that are not wanted.
    pub fn retain(&mut self, wanted: impl FnMut(&Webhook) -> bool) {
        self.webhooks.retain(wanted);
    }

    /// The waiting callbacks for the state page, without their contents.
    pub fn as_json(&self) -> Value {
        let all = self.webhooks.iter().map(|webhook| {
            json!({
                "query": webhook.query,
                "tries": webhook.attempts,
                "next": webhook.next.rfc3339(),
                "status": webhook.status,
            })
        });
        all.collect()
    }

    /// Records the result of an attempt. Only 200 means delivered. Otherwise the callback waits as `waits` says for this
    /// attempt; after the last one it is dropped. Returns the callback as it was sent.
    pub fn record(&mut self, attempt: Attempt, waits: &[Duration]) -> Option<Webhook> {
        let mut all = self.webhooks.iter();
        let at = all.position(|webhook| webhook.number == attempt.webhook)?;
        let webhook = &mut self.webhooks[at];
        let sent = webhook.clone();
        match waits.get(webhook.attempts) {
            Some(wait) if attempt.status != Some(200) => {
                webhook.attempts += 1;
                webhook.status = attempt.status;
                webhook.next = attempt.at.plus(*wait);
            }
            _ => drop(self.webhooks.remove(at)),
        }
        Some(sent)
    }
}
