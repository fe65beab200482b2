//! Callbacks on their way: which are due, and when a refused one is tried again. Arithmetic on a given
//! time; sends nothing, never asks the time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::WallTime;
use crate::http_server::Outgoing;

/// One callback that has not been taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Tells letters apart.
    pub number: u64,
    /// Where it goes; `None` is the callback URL the sandbox was started with.
    #[serde(default)]
    pub to: Option<String>,
    /// What is added to the URL; may be empty.
    pub query: String,
    /// Headers besides those of every request.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// Sent by POST; without one it is a GET.
    #[serde(default)]
    pub body: Option<String>,
    /// How long an answer is waited for, where that is not as usual.
    #[serde(default)]
    pub patience: Option<Duration>,
    /// How often it was tried.
    pub tries: usize,
    /// When it is tried next.
    pub next: WallTime,
    /// The status of the last try; `None` before the first, or where no answer came.
    pub status: Option<u16>,
}

/// All callbacks that have not been taken yet.
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
            patience: None,
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

    /// A POST of this JSON, due at `at`; without an address of its own to the sandbox's callback URL.
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
    /// Puts a callback in, and numbers it.
    pub fn post(&mut self, webhook: Webhook) {
        self.posted += 1;
        self.webhooks.push(Webhook {
            number: self.posted,
            ..webhook
        });
    }

    /// Those to be sent now, the longest due first.
    #[must_use]
    pub fn due(&self, now: WallTime) -> Vec<Webhook> {
        let mut due: Vec<_> = self.webhooks.iter().filter(|l| l.next <= now).collect();
        due.sort_by_key(|webhook| (webhook.next, webhook.number));
        due.into_iter().cloned().collect()
    }

    /// When the next one is due. Those that have nowhere to go, where no callback URL is `set_up`, are not: they wait
    /// for a run that has one.
    #[must_use]
    pub fn next(&self, set_up: bool) -> Option<WallTime> {
        let able = |webhook: &&Webhook| set_up || webhook.to.is_some();
        let able = self.webhooks.iter().filter(able);
        able.map(|webhook| webhook.next).min()
    }

    /// Everything waiting.
    #[must_use]
    pub fn waiting(&self) -> &[Webhook] {
        &self.webhooks
    }

    /// Notes what came of a try. 200 exactly means taken; anything else waits as long as `waits` says for
    /// this try, and after the last of them is given up.
    pub fn tried(&mut self, number: u64, now: WallTime, status: Option<u16>, waits: &[Duration]) {
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
