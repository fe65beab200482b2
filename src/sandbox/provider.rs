//! The interface between the sandbox and a simulated provider.

use std::time::Duration;

use serde_json::Value;

use super::Simulator;
use super::outbox::Webhook;
use crate::domain::simulate::{self, PayerAct};
use crate::domain::{Expected, PaymentId, Secret, WallTime};
use crate::http_server::{DeliveryResult, Request, Response};

/// One provider's section on the index page.
#[derive(Debug, Clone)]
pub struct About {
    /// Its display name.
    pub title: &'static str,
    /// Its accounts: name and API key, never the secret.
    pub keys: Vec<(&'static str, &'static str)>,
    /// Method, path and purpose.
    pub routes: &'static [(&'static str, &'static str, &'static str)],
}

/// A sample callback, about a subject that need not exist.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// The subject: a payment's id, a reservation's, a purchase's reference, a player's number.
    pub subject: &'a str,
    /// The event in the provider's word; empty for its usual event.
    pub event: &'a str,
    /// Signs or authenticates it, where the provider's callbacks have that.
    pub secret: Option<&'a Secret>,
    /// The header that carries the secret, where the shop chooses it.
    pub header: Option<&'a str>,
    /// The time in the callback.
    pub at: WallTime,
}

/// One simulated provider. It owns its state behind `&self`; calls must not block.
pub trait SimulatedProvider: Send + Sync {
    /// The provider's short name.
    fn provider(&self) -> &'static str;
    /// Its section on the index page.
    fn about(&self) -> About;
    /// Loads its state from an earlier run's snapshot, or starts with fresh data.
    ///
    /// # Errors
    /// If the snapshot is unreadable.
    fn begin(
        &self,
        simulator: &Simulator,
        saved: Option<Value>,
        same_seed: bool,
    ) -> Result<(), String>;
    /// Whether this path is the provider's.
    fn claims(&self, path: &str) -> bool;
    /// Whether this path of the provider is an API call: faults apply only to those.
    fn is_api(&self, path: &str) -> bool;
    /// Its own answer while it is down for maintenance; `None` where none is documented.
    fn down(&self) -> Option<Response> {
        None
    }
    /// Answers a request.
    fn answer(&self, request: &Request, simulator: &Simulator) -> Response;
    /// Applies a payer's act; `None` where the payment is unknown.
    fn act(
        &self,
        _payment: &PaymentId,
        _act: PayerAct,
        _simulator: &Simulator,
    ) -> Option<Result<String, String>> {
        None
    }
    /// Sends the payment's latest callback again; `None` where the payment is unknown.
    fn repeat_callback(
        &self,
        _payment: &PaymentId,
        _simulator: &Simulator,
    ) -> Option<Result<String, String>> {
        None
    }
    /// The payments at the simulation's start and the shop's expectation of each.
    fn seeded(&self) -> Vec<(PaymentId, Expected)> {
        Vec::new()
    }
    /// Its settings.
    fn settings(&self) -> Vec<simulate::Setting> {
        Vec::new()
    }
    /// Changes a setting and describes the new state.
    ///
    /// # Errors
    /// A message, if there is no such setting or the value does not fit.
    fn set(&self, setting: &str, _value: &str) -> Result<String, String> {
        Err(format!(
            "this provider has no setting {}",
            crate::domain::inert::quoted(setting, 40)
        ))
    }
    /// The events that an operator can trigger, besides payers' acts.
    fn events(&self) -> &'static [simulate::Event] {
        &[]
    }
    /// Triggers an event and describes the result.
    ///
    /// # Errors
    /// A message, if there is no such event or the subject does not fit.
    fn event(&self, event: &str, _subject: &str, _simulator: &Simulator) -> Result<String, String> {
        Err(format!(
            "this provider has no event {}",
            crate::domain::inert::quoted(event, 40)
        ))
    }
    /// A callback as the provider would send it, without an address yet.
    ///
    /// # Errors
    /// A message, if the provider has no such callback.
    fn sample(&self, _sample: &Sample<'_>) -> Result<Webhook, String> {
        Err("tilldeck cannot make up callbacks of this provider".into())
    }
    /// The callbacks that were not delivered yet.
    fn waiting(&self) -> Vec<Webhook> {
        Vec::new()
    }
    /// Its state for the state page and tests, without keys, secrets and tokens.
    fn state(&self, simulator: &Simulator) -> Value;
    /// A number that changes whenever [`SimulatedProvider::snapshot`] does.
    fn revision(&self) -> u64;
    /// What must survive a restart. No secrets.
    fn snapshot(&self) -> Value;
    /// The callbacks to send now.
    fn due(&self, simulator: &Simulator) -> Vec<Webhook>;
    /// When the next callback is due; `None` where none waits or none can be sent.
    fn next_due(&self, simulator: &Simulator) -> Option<WallTime>;
    /// Records an attempt's result; `None` where no answer came.
    fn record_attempt(
        &self,
        webhook: u64,
        answered: Option<&DeliveryResult>,
        simulator: &Simulator,
    );
}

/// A response extension: delays the response by this real time.
#[derive(Debug, Clone, Copy)]
pub struct Late(pub Duration);
