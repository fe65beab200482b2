//! The accounts at work as the receiver sees them: each judges what comes to it by its provider's rules.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;

use super::super::desk::Desk;
use super::Shared;
use crate::callbacks::{Addressee, Addressees, Held, Inbound, Refusal, Told};
use crate::config::KeyKind;
use crate::domain::{AccountId, Delivery, Duty, Problem};
use crate::http_server::Response;
use crate::net::BoxFuture;
use crate::providers::ReadSecret;

/// A secret that was changed elsewhere is noticed by its refusals; so often its source is asked again at most.
const ANEW: Duration = Duration::from_secs(30);
/// A source that failed is not asked again before.
const FAILED_FOR: Duration = Duration::from_secs(5);

/// An account's texts and secrets, as judging needs them; read at the first callback.
pub(in crate::deck) struct Keys {
    texts: std::collections::BTreeMap<&'static str, String>,
    read_secret: ReadSecret,
    set: BTreeSet<&'static str>,
    known: Mutex<Known>,
    /// One at a time: a source may be a password manager that takes seconds.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    held: Option<Arc<Held>>,
    /// When the sources were last asked, by the monotonic clock.
    asked: Option<Duration>,
    failed: Option<Problem>,
}

impl Keys {
    /// `set` names the secrets that are set.
    pub(in crate::deck) fn new(
        spec: &crate::config::ProviderSpec,
        mut texts: std::collections::BTreeMap<&'static str, String>,
        read_secret: ReadSecret,
        set: BTreeSet<&'static str>,
    ) -> Self {
        // The simulator's account has its secrets among its texts.
        let secret = |name: &str| {
            let mut keys = spec.keys.iter();
            keys.any(|key| key.name == name && key.kind == KeyKind::Secret)
        };
        texts.retain(|name, _| !secret(name));
        Self {
            texts,
            read_secret,
            set,
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, read now if nothing is.
    pub(super) async fn held(
        &self,
        secrets: &[&'static str],
        now: Duration,
    ) -> Result<Arc<Held>, Problem> {
        if let Some(held) = &self.known().held {
            return Ok(held.clone());
        }
        let _reading = self.reading.lock().await;
        {
            let known = self.known();
            if let Some(held) = &known.held {
                return Ok(held.clone());
            }
            let lately = known
                .asked
                .is_some_and(|at| now.saturating_sub(at) < FAILED_FOR);
            if let (Some(problem), true) = (&known.failed, lately) {
                return Err(problem.clone());
            }
        }
        self.read(secrets, now).await
    }

    /// What the sources say by now, if they were not asked lately and nobody is asking them; `None` where they say
    /// what is known already.
    async fn anew(&self, secrets: &[&'static str], now: Duration) -> Option<Arc<Held>> {
        let _reading = self.reading.try_lock().ok()?;
        let before = {
            let known = self.known();
            let lately = known.asked.is_some_and(|at| now.saturating_sub(at) < ANEW);
            if lately {
                return None;
            }
            known.held.clone()?
        };
        let held = self.read(secrets, now).await.ok()?;
        (held.secrets != before.secrets).then_some(held)
    }

    async fn read(&self, keys: &[&'static str], now: Duration) -> Result<Arc<Held>, Problem> {
        let mut held = Held {
            texts: self.texts.clone(),
            ..Held::default()
        };
        let mut failed = None;
        for key in keys.iter().filter(|key| self.set.contains(*key)) {
            match (self.read_secret)(key).await {
                Ok(secret) => drop(held.secrets.insert(key, secret)),
                Err(problem) => failed = Some(problem),
            }
        }
        let mut known = self.known();
        known.asked = Some(now);
        known.failed.clone_from(&failed);
        match failed {
            Some(problem) => Err(problem),
            None => Ok(known.held.insert(Arc::new(held)).clone()),
        }
    }
}

/// All accounts at work.
pub(super) struct Hall(pub(super) Arc<Shared>);

impl Addressees for Hall {
    fn find(&self, name: &str) -> Option<Arc<dyn Addressee>> {
        let desk = self.0.asker.desks.find(&AccountId::new(name).ok()?)?;
        Some(Arc::new(Seated {
            desk,
            shared: self.0.clone(),
        }))
    }

    fn kept(&self, delivery: Delivery) {
        // Whoever looks reads them from the ledger: a flood waits there and not in memory.
        self.0.came.notify_one();
        if !delivery.errands.is_empty() {
            self.0.due.notify_waiters();
        }
    }
}

/// One account.
struct Seated {
    desk: Arc<Desk>,
    shared: Arc<Shared>,
}

impl Shared {
    /// What a callback to this account is worth.
    pub(super) async fn judge(&self, desk: &Desk, inbound: &Inbound) -> Result<Told, Refusal> {
        let spec = desk.manifest.callbacks;
        let keys = &desk.keys;
        let now = self.asker.clock.now().mono;
        let held = keys.held(spec.secrets, now).await;
        let judged = (spec.read)(inbound, &*held.map_err(Refusal::Unable)?);
        if !matches!(judged, Err(Refusal::Refused(_))) || spec.secrets.is_empty() {
            return judged;
        }
        match keys.anew(spec.secrets, now).await {
            Some(held) => (spec.read)(inbound, &held),
            None => judged,
        }
    }
}

impl Addressee for Seated {
    fn provider(&self) -> &'static str {
        self.desk.manifest.id.0
    }

    fn read<'a>(&'a self, inbound: &'a Inbound) -> BoxFuture<'a, Result<Told, Refusal>> {
        Box::pin(self.shared.judge(&self.desk, inbound))
    }

    fn forward_to(&self) -> Option<String> {
        let to = self.shared.forward_of(self.desk.account.id.as_str());
        to.map(Url::to_string)
    }

    fn relay<'a>(
        &'a self,
        inbound: &'a Inbound,
        delivery: &'a Delivery,
    ) -> BoxFuture<'a, Option<Response>> {
        let errand = delivery
            .errands
            .iter()
            .find(|errand| errand.duty == Duty::Relay);
        match errand {
            Some(errand) => Box::pin(self.shared.relay(inbound, delivery, errand)),
            None => Box::pin(async { None }),
        }
    }
}
