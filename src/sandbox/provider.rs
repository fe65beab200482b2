//! What each provider brings to the sandbox. Knows none of them.

use std::time::Duration;

use serde_json::Value;

use super::Simulator;
use super::outbox::Webhook;
use crate::domain::simulate::{self, PayerAct};
use crate::domain::{Expected, PaymentId, Secret, WallTime};
use crate::http_server::{DeliveryResult, Request, Response};

/// What the index page says of one provider.
#[derive(Debug, Clone)]
pub struct About {
    /// Its name for people.
    pub title: &'static str,
    /// Its accounts: name and API key, never the secret.
    pub keys: Vec<(&'static str, &'static str)>,
    /// Method, path and purpose.
    pub routes: &'static [(&'static str, &'static str, &'static str)],
}

/// A callback that is made up on demand, about something that need not exist.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// About what: a payment's id, a reservation's, a purchase's reference, a player's number.
    pub subject: &'a str,
    /// What it tells, in the provider's word; empty for what it mostly tells.
    pub event: &'a str,
    /// Proves it, where the provider's callbacks are proved at all.
    pub secret: Option<&'a Secret>,
    /// The header that carries the proof, where that is the shop's choice.
    pub header: Option<&'a str>,
    /// When it tells of it.
    pub at: WallTime,
}

/// One provider, as the sandbox plays it. It keeps its own state behind `&self`; a call must not block.
pub trait SimulatedProvider: Send + Sync {
    /// The provider's short name.
    fn provider(&self) -> &'static str;
    /// What the index page says of it.
    fn about(&self) -> About;
    /// Takes up its part of the world, from what an earlier run kept where there is something.
    ///
    /// # Errors
    /// If what was kept makes no sense.
    fn begin(
        &self,
        simulator: &Simulator,
        kept: Option<Value>,
        same_seed: bool,
    ) -> Result<(), String>;
    /// Whether this path is the provider's.
    fn claims(&self, path: &str) -> bool;
    /// Whether this path, being the provider's, is an API call: faults are played on those alone.
    fn is_api(&self, path: &str) -> bool;
    /// Its own answer while it is down for maintenance; `None` where none is documented.
    fn down(&self) -> Option<Response> {
        None
    }
    /// Answers a request.
    fn answer(&self, request: &Request, simulator: &Simulator) -> Response;
    /// Does what a payer does; `None` where it knows no such payment.
    fn act(
        &self,
        _payment: &PaymentId,
        _act: PayerAct,
        _world: &Simulator,
    ) -> Option<Result<String, String>> {
        None
    }
    /// Sends the payment's latest callback once more; `None` where it knows no such payment.
    fn repeat_callback(
        &self,
        _payment: &PaymentId,
        _world: &Simulator,
    ) -> Option<Result<String, String>> {
        None
    }
    /// The payments the world began with and what the shop expects of each.
    fn seeded(&self) -> Vec<(PaymentId, Expected)> {
        Vec::new()
    }
    /// How it is played, as far as that can be changed.
    fn settings(&self) -> Vec<simulate::Setting> {
        Vec::new()
    }
    /// Changes one of its settings, and says in words what is so from now on.
    ///
    /// # Errors
    /// In words, if it has no such setting or the value does not fit.
    fn set(&self, setting: &str, _value: &str) -> Result<String, String> {
        Err(format!(
            "it has no setting {}",
            crate::domain::inert::quoted(setting, 40)
        ))
    }
    /// What can be made to happen at it, besides what payers do.
    fn events(&self) -> &'static [simulate::Event] {
        &[]
    }
    /// Makes one of its events happen, and says in words what did.
    ///
    /// # Errors
    /// In words, if it has no such event or the subject does not fit.
    fn event(&self, event: &str, _subject: &str, _world: &Simulator) -> Result<String, String> {
        Err(format!(
            "it has no event {}",
            crate::domain::inert::quoted(event, 40)
        ))
    }
    /// A callback as the provider would send it, to no address yet.
    ///
    /// # Errors
    /// In words, if it sends none like that.
    fn sample(&self, _sample: &Sample<'_>) -> Result<Webhook, String> {
        Err("no callbacks of this provider are made up here".into())
    }
    /// The callbacks that have not been taken yet.
    fn waiting(&self) -> Vec<Webhook> {
        Vec::new()
    }
    /// Its state for people and tests, without keys, secrets and tokens.
    fn state(&self, simulator: &Simulator) -> Value;
    /// A number that changes whenever [`SimulatedProvider::kept`] does.
    fn revision(&self) -> u64;
    /// What must survive a restart. No secrets.
    fn snapshot(&self) -> Value;
    /// The callbacks to be sent now.
    fn due(&self, simulator: &Simulator) -> Vec<Webhook>;
    /// When there will be one to be sent; `None` where nothing waits, or nothing could go out.
    fn next_due(&self, simulator: &Simulator) -> Option<WallTime>;
    /// What came of sending one; `None` where no answer came.
    fn tried(&self, webhook: u64, answered: Option<&DeliveryResult>, simulator: &Simulator);
}

/// Put among a response's extensions: it leaves this much later, by the clock outside the world.
#[derive(Debug, Clone, Copy)]
pub struct Late(pub Duration);
