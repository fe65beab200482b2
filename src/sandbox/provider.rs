//! The interface between the sandbox and a simulated provider.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;

use super::Simulator;
use super::controls::{Controls, Done};
use super::outbox::{Outbox, Webhook};
use super::snapshot::Persistent;
use crate::domain::simulate::PayerAct;
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
    pub routes: Vec<(&'static str, String, &'static str)>,
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

/// What an earlier run saved.
#[derive(Debug, Default)]
pub struct Saved {
    /// The provider's snapshot.
    pub state: Option<Value>,
    /// Whether that run had the seed of this one.
    pub same_seed: bool,
}

/// One simulated provider: its state, and what calls, controls and time do to it. The sandbox holds it behind a lock, so calls
/// must not block, and saves its snapshot after each change.
pub trait SimulatedProvider: Controls + Persistent + Send {
    /// The provider's short name.
    fn provider(&self) -> &'static str;
    /// Its section on the index page.
    fn about(&self) -> About;
    /// Loads its state from an earlier run's snapshot, or starts with fresh data.
    ///
    /// # Errors
    /// If the snapshot is unreadable.
    fn begin(&mut self, simulator: &Simulator, saved: Saved) -> Result<(), String>;
    /// The provider's production environment, with credentials and data of its own; `None` where it has only one. It is served
    /// on a listener of its own.
    fn production(&self) -> Option<Box<dyn SimulatedProvider>> {
        None
    }
    /// Whether this path is the provider's.
    fn claims(&self, path: &str) -> bool;
    /// Whether this path of the provider is an API call: faults apply only to those. Other paths are pages for payers, where a
    /// GET may change the state.
    fn is_api(&self, _path: &str) -> bool {
        true
    }
    /// Its own answer while it is down for maintenance; `None` where none is documented.
    fn down(&self) -> Option<Response> {
        None
    }
    /// Applies what falls due by now, and says whether that changed anything. Comes before every other use.
    fn pass_time(&mut self, _simulator: &Simulator) -> bool {
        false
    }
    /// Answers a request.
    fn answer(&mut self, request: &Request, simulator: &Simulator) -> Response;
    /// Applies a payer's act; `None` where the payment is unknown.
    fn act(&mut self, _: &PaymentId, _: PayerAct, _: &Simulator) -> Option<Done> {
        None
    }
    /// Sends the payment's latest callback again; `None` where the payment is unknown.
    fn repeat_callback(&mut self, _: &PaymentId, _: &Simulator) -> Option<Done> {
        None
    }
    /// The payments at the simulation's start and the shop's expectation of each.
    fn seeded(&self) -> Vec<(PaymentId, Expected)> {
        Vec::new()
    }
    /// A callback as the provider would send it, without an address yet.
    ///
    /// # Errors
    /// A message, if the provider has no such callback.
    fn sample(&self, sample: &Sample<'_>) -> Result<Webhook, String>;
    /// Its state for the state page and tests, without keys, secrets and tokens.
    fn state(&self, simulator: &Simulator) -> Value;
    /// The callbacks that were not delivered yet.
    fn outbox(&mut self) -> &mut Outbox;
    /// The waits before each retry of a callback.
    fn waits(&self) -> &'static [Duration] {
        &[]
    }
    /// When time alone changes the state next.
    fn next_change(&self, _simulator: &Simulator) -> Option<WallTime> {
        None
    }
    /// Completes a callback that is sent now by what must not be saved, such as secrets.
    fn complete(&self, webhook: Webhook) -> Webhook {
        webhook
    }
    /// Applies an attempt's result, after the outbox did; `None` where no answer came.
    fn attempted(&mut self, _: &Webhook, _: Option<&DeliveryResult>, _: &Simulator) {}
}

/// A response extension: delays the response by this real time.
#[derive(Debug, Clone, Copy)]
pub struct Late(pub Duration);

/// A provider of the sandbox, used by one call at a time.
pub struct Mount {
    provider: Mutex<Box<dyn SimulatedProvider>>,
    /// Whether it is a production environment, which has a listener of its own.
    pub production: bool,
}

impl Mount {
    pub fn new(provider: Box<dyn SimulatedProvider>, production: bool) -> Self {
        let provider = Mutex::new(provider);
        Self {
            provider,
            production,
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, Box<dyn SimulatedProvider>> {
        self.provider.lock()
    }
}
