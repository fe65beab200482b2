//! The callback handlers of the profile's accounts: each judges callbacks by its provider's rules.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Url;

use super::super::runtime::AccountRuntime;
use super::Shared;
use crate::callbacks::{
    CallbackHandler, CallbackHandlers, CallbackSecrets, Dedup, Inbound, ParsedCallback, Refusal,
};
use crate::domain::{AccountId, CallbackVerdict, Delivery, JobKind, Problem, inert};
use crate::net::{Event, redact};

pub(super) struct CallbackRouter(pub(super) Arc<Shared>);

impl CallbackHandlers for CallbackRouter {
    fn forwards(&self) -> bool {
        !self.0.targets.is_empty()
    }

    fn find(&self, name: &str) -> Option<Arc<dyn CallbackHandler>> {
        let runtime = self.0.queries.registry.find(&AccountId::new(name).ok()?)?;
        Some(Arc::new(AccountHandler {
            runtime,
            shared: self.0.clone(),
        }))
    }

    fn saved(&self, delivery: Delivery) {
        // Readers load callbacks from the ledger, so a flood does not fill the memory.
        self.0.saved.notify_one();
        // A repeat may have made an earlier delivery's job due.
        if !delivery.jobs.is_empty() || delivery.verdict == CallbackVerdict::Repeat {
            self.0.queues.wake();
        }
    }

    fn foreign(&self, text: String) {
        let about = "callbacks of the proxy".to_owned();
        self.0.gate.emit(Event::Warning { about, text });
    }

    fn unable(&self, name: &str, problem: Problem) {
        let about = format!("callbacks {}", inert::cut(name, 64));
        let words = [problem.message, problem.hint];
        let words = words.iter().filter(|text| !text.is_empty());
        let words = words.map(String::as_str).collect::<Vec<_>>().join("; ");
        let text = format!(
            "callbacks to {} are answered 503 until this is fixed: {}",
            inert::quoted(name, 64),
            inert::cut(&redact::scrub(&words), 400)
        );
        self.0.gate.emit(Event::Warning { about, text });
    }
}

/// Warns of each account whose callbacks cannot be verified, before one arrives.
pub(super) async fn warn_of_unreadable_secrets(shared: Arc<Shared>) {
    for runtime in shared.queries.registry.all() {
        let read = runtime.keys.held(runtime.manifest.callbacks.secrets);
        if let Err(problem) = read.await {
            CallbackRouter(shared.clone()).unable(runtime.account.id.as_str(), problem);
        }
    }
}

struct AccountHandler {
    runtime: Arc<AccountRuntime>,
    shared: Arc<Shared>,
}

impl Shared {
    pub(super) async fn judge(
        &self,
        runtime: &AccountRuntime,
        inbound: &Inbound,
    ) -> Result<ParsedCallback, Refusal> {
        let spec = runtime.manifest.callbacks;
        let keys = &runtime.keys;
        let held = keys.held(spec.secrets).await;
        let held = held.map_err(Refusal::Unable)?;
        let read = |held: &CallbackSecrets| {
            let mut parsed = (spec.read)(inbound, held)?;
            // At another host, a payment with this id is another payment.
            if let Dedup::Subject(what) = &mut parsed.dedup {
                what.push(0);
                what.extend_from_slice(runtime.account.base.as_bytes());
            }
            Ok(parsed)
        };
        let judged = read(&held);
        // Only a failed check can become a passed one by another secret.
        if !matches!(judged, Err(Refusal::Refused(_))) || spec.secrets.is_empty() {
            return judged;
        }
        // The secret may have changed while its source cannot be read, so the provider is to send the callback again.
        match keys.reread(&held, spec.secrets).await {
            Ok(Some(held)) => read(&held),
            Ok(None) => judged,
            Err(problem) => Err(Refusal::Unable(problem)),
        }
    }
}

#[async_trait]
impl CallbackHandler for AccountHandler {
    fn provider(&self) -> &'static str {
        self.runtime.manifest.id.0
    }

    fn body_max(&self) -> usize {
        self.runtime.manifest.callbacks.body_max
    }

    fn if_unsaved(&self) -> &'static str {
        self.runtime.manifest.callbacks.if_unsaved
    }

    async fn read(&self, inbound: &Inbound) -> Result<ParsedCallback, Refusal> {
        self.shared.judge(&self.runtime, inbound).await
    }

    fn forward_to(&self) -> Option<String> {
        let to = self.shared.targets.of(&self.runtime.account.id);
        to.map(Url::to_string)
    }

    async fn relay(&self, inbound: &Inbound, delivery: &Delivery) -> Option<Bytes> {
        let mut jobs = delivery.jobs.iter();
        let job = jobs.find(|job| job.kind == JobKind::Relay)?;
        self.shared.relay(inbound, delivery, job).await
    }
}
