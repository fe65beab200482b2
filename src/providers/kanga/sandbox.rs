//! The simulated Kanga TPG: its routes, calls and state. Written from the provider's documentation alone; it shares no code
//! with the client that it tests (`docs/providers/kanga.md#simulator`).

mod calls;
mod checkout;
mod controls;
mod payment;
mod prices;
mod seeds;
mod signed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::simulate::{self, PayerAct};
use crate::domain::{Expected, PaymentId, WallTime, inert};
use crate::http_server::{DeliveryResult, Request, Response, respond, text};
use crate::sandbox::granted::Granted;
use crate::sandbox::outbox::{Outbox, Webhook};
use crate::sandbox::{About, Sample, SimulatedProvider, Simulator, snapshot};

use controls::Controls;
use payment::Payment;

/// The API key of the sandbox's shop.
pub const API_KEY: &str = "SANDBOX-KANGA-KEY";
/// The API secret of the sandbox's shop. It protects nothing.
pub const API_SECRET: &str = "SANDBOX-KANGA-SECRET-THAT-PROTECTS-NOTHING";
/// The API key of another shop, whose payments the first one must not see.
pub const OTHER_API_KEY: &str = "SANDBOX-KANGA-OTHER-KEY";
/// The API secret of the other shop. It protects nothing either.
pub const OTHER_API_SECRET: &str = "SANDBOX-KANGA-OTHER-SECRET-THAT-PROTECTS-NOTHING";

/// The key and secret of the documented test call; both are public.
const TEST_KEY: &str = "TEST";
const TEST_SECRET: &str = "8B2EFBECA2BEBB2C413BCFD7915E9209D80F3F4222042B31DD9D605E39F2035F";

const CREDENTIALS: Option<u16> = Some(9000);
const NOT_FOUND: Option<u16> = Some(9001);

/// How long a refused callback waits before each retry (`docs/providers/kanga.md#callbacks`).
const CALLBACK_WAITS: [Duration; 3] = [
    Duration::from_mins(15),
    Duration::from_hours(1),
    Duration::from_hours(6),
];

/// Bounds the memory that a long run takes.
const PAYMENTS_MAX: usize = 20_000;

const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A shop that has an account.
#[derive(Debug)]
struct Shop {
    name: &'static str,
    key: &'static str,
    secret: &'static str,
}

const SHOPS: [Shop; 2] = [
    Shop {
        name: "Sandbox Shop",
        key: API_KEY,
        secret: API_SECRET,
    },
    Shop {
        name: "Other Sandbox Shop",
        key: OTHER_API_KEY,
        secret: OTHER_API_SECRET,
    },
];

/// Settings for what the documentation leaves open.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The lifetime of a payment token, in simulated time.
    pub token_life: Duration,
    /// Whether a signature in upper-case hex is accepted.
    pub upper_case_signatures: bool,
    /// Whether `{"result":"fail"}` comes with HTTP status 400 and not with 200.
    pub failures_are_400: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            token_life: Duration::from_mins(15),
            upper_case_signatures: false,
            failures_are_400: false,
        }
    }
}

/// The simulated provider.
#[derive(Debug, Default)]
pub struct Kanga {
    rules: Mutex<Rules>,
    memory: Mutex<Memory>,
}

/// Its state. Skipped fields do not survive a restart: tokens are secrets.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    /// The last accepted nonce by shop.
    nonces: BTreeMap<String, u64>,
    payments: Vec<Payment>,
    outbox: Outbox,
    tokens_issued: u64,
    #[serde(skip)]
    tokens: Granted<&'static str>,
    #[serde(skip)]
    estimates: u64,
    #[serde(skip)]
    seeded: Vec<(PaymentId, Expected)>,
    #[serde(skip)]
    controls: Controls,
    #[serde(skip)]
    revision: u64,
}

/// The simulated provider with default rules.
#[must_use]
pub fn simulator() -> Box<dyn SimulatedProvider> {
    Box::new(Kanga::default())
}

impl Kanga {
    /// The simulated provider with these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules: Mutex::new(rules),
            memory: Mutex::default(),
        }
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn payment(&self, shop: &Shop, id: &str) -> Option<&Payment> {
        let mut all = self.payments.iter();
        all.find(|payment| payment.shop == shop.name && payment.id == id)
    }

    fn payment_mut(&mut self, shop: &Shop, id: &str) -> Option<&mut Payment> {
        let mut all = self.payments.iter_mut();
        all.find(|payment| payment.shop == shop.name && payment.id == id)
    }

    /// Consumes a payment token. `false` if it is unknown, used, expired or another shop's.
    fn redeem(&mut self, shop: &Shop, value: &str, now: WallTime) -> bool {
        self.tokens.redeem(value, shop.name, now)
    }

    /// Queues one callback.
    fn queue_callback(&mut self, id: &str, simulator: &Simulator) -> Result<(), String> {
        if simulator.callback_url("kanga").is_none() {
            return Err("the sandbox has no callback URL".into());
        }
        self.outbox.push(self.controls.webhook(id, simulator.now()));
        self.revision += 1;
        Ok(())
    }

    /// Queues a callback for each state change since the last call.
    fn report(&mut self, simulator: &Simulator) {
        let now = simulator.now();
        let controls = self.controls;
        for payment in &mut self.payments {
            let changes = payment.changes(now);
            for change in changes.iter().skip(payment.reported) {
                if simulator.callback_url("kanga").is_some() {
                    for webhook in controls.webhooks(&payment.id, change) {
                        self.outbox.push(webhook);
                    }
                }
                self.revision += 1;
            }
            payment.reported = changes.len();
        }
    }
}

fn query(id: &str) -> String {
    format!("transactionKey={}", utf8_percent_encode(id, QUERY_VALUE))
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    respond(status, "application/json", body.to_string())
}

fn only(method: &'static str) -> Response {
    let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    let allow = HeaderValue::from_static(method);
    refusal.headers_mut().insert(header::ALLOW, allow);
    refusal
}

fn did(act: PayerAct) -> &'static str {
    match act {
        PayerAct::Pay => "paid in full; settles within seconds",
        PayerAct::PayOnChain => "paid on-chain; settles in about two days",
        PayerAct::PayPart => "paid in part; the rest is outstanding",
        PayerAct::Overpay => "overpaid; settles within seconds, and the surplus goes back",
        PayerAct::Cancel => "being cancelled",
        PayerAct::Fail => "failed",
    }
}

impl SimulatedProvider for Kanga {
    fn provider(&self) -> &'static str {
        "kanga"
    }

    fn about(&self) -> About {
        About {
            title: "Kanga TPG",
            keys: SHOPS.iter().map(|shop| (shop.name, shop.key)).collect(),
            routes: &[
                ("POST", "/api/tpg/price/estimate", "GET PRICE ESTIMATE"),
                (
                    "POST",
                    "/tpg/price/estimate",
                    "GET PRICE ESTIMATE, at its other URL",
                ),
                ("POST", "/api/v2/tpg/create/payment", "CREATE PAYMENT TOKEN"),
                ("POST", "/api/v2/tpg/transaction", "CHECK PAYMENT"),
                ("POST", "/api/v2/test", "TEST"),
                (
                    "GET",
                    "/tpg/payment/<API_KEY>?currency=&amount=&transactionKey=",
                    "START PAYMENT, the checkout page",
                ),
            ],
        }
    }

    fn begin(
        &self,
        simulator: &Simulator,
        saved: Option<Value>,
        same_seed: bool,
    ) -> Result<(), String> {
        let mut memory: Memory = snapshot::resume(saved)?;
        let shop = &SHOPS[0];
        let seeded = seeds::payments(simulator.seed(), simulator.start(), shop.name);
        if !same_seed {
            memory.payments.retain(|payment| !payment.seeded);
        }
        for (mut payment, expected) in seeded {
            let id = PaymentId::new(payment.id.as_str()).map_err(|error| error.to_string())?;
            memory.seeded.push((id, expected));
            if memory.payment(shop, &payment.id).is_none() {
                // State changes before the simulation's start send no callbacks.
                payment.reported = payment.changes(simulator.start()).len();
                memory.payments.push(payment);
            }
        }
        *self.memory() = memory;
        Ok(())
    }

    fn claims(&self, path: &str) -> bool {
        ["/api/v2/", "/api/tpg/", "/tpg/"]
            .iter()
            .any(|prefix| path.starts_with(prefix))
    }

    fn is_api(&self, path: &str) -> bool {
        path.starts_with("/api/") || path == "/tpg/price/estimate"
    }

    fn answer(&self, request: &Request, simulator: &Simulator) -> Response {
        let path = request.uri().path();
        if let Some(rest) = path.strip_prefix("/tpg/payment/") {
            let page = checkout::answer(self, rest, request, simulator);
            self.memory().report(simulator);
            return page;
        }
        let call = match path {
            "/api/tpg/price/estimate" | "/tpg/price/estimate" => Self::estimate,
            "/api/v2/tpg/create/payment" => Self::create_token,
            "/api/v2/tpg/transaction" => Self::check,
            "/api/v2/test" => |kanga: &Self, request: &Request, _: &Simulator| kanga.test(request),
            _ => return text(StatusCode::NOT_FOUND, "Not Found\n"),
        };
        if request.method() != Method::POST {
            return only("POST");
        }
        call(self, request, simulator)
    }

    fn act(
        &self,
        id: &PaymentId,
        act: PayerAct,
        simulator: &Simulator,
    ) -> Option<Result<String, String>> {
        let memory = &mut *self.memory();
        let now = simulator.now();
        let shop = SHOPS
            .iter()
            .find(|shop| memory.payment(shop, id.as_str()).is_some())?;
        let payment = memory.payment_mut(shop, id.as_str())?;
        if let Err(why) = payment.act(now, act.into()) {
            let state = payment.progress(now).state;
            return Some(Err(format!("{id} is {state}. {why}")));
        }
        memory.revision += 1;
        memory.report(simulator);
        Some(Ok(format!("{id}: {}", did(act))))
    }

    fn repeat_callback(
        &self,
        id: &PaymentId,
        simulator: &Simulator,
    ) -> Option<Result<String, String>> {
        let memory = &mut *self.memory();
        SHOPS
            .iter()
            .find(|shop| memory.payment(shop, id.as_str()).is_some())?;
        let posted = memory.queue_callback(id.as_str(), simulator);
        Some(posted.map(|()| format!("{id}: sending its callback again")))
    }

    fn seeded(&self) -> Vec<(PaymentId, Expected)> {
        self.memory().seeded.clone()
    }

    fn settings(&self) -> Vec<simulate::Setting> {
        let mut all = self.memory().controls.settings();
        all.extend(self.rules().settings());
        all
    }

    fn set(&self, setting: &str, value: &str) -> Result<String, String> {
        let known = self.settings();
        simulate::Setting::named(&known, "Kanga", setting)?.takes(value)?;
        if self.rules().set(setting, value)? {
            return Ok(format!("Kanga: {setting} is now {value}"));
        }
        self.memory().controls.set(setting, value)
    }

    fn events(&self) -> &'static [simulate::Event] {
        &controls::EVENTS
    }

    fn event(&self, event: &str, subject: &str, simulator: &Simulator) -> Result<String, String> {
        if event != controls::CALLBACK {
            let event = inert::quoted(event, 40);
            return Err(format!(
                "Kanga has no event {event}; its event is {}",
                controls::CALLBACK
            ));
        }
        self.memory().queue_callback(subject, simulator)?;
        let subject = inert::quoted(subject, 60);
        Ok(format!("sending a callback with the id {subject}"))
    }

    fn sample(&self, sample: &Sample<'_>) -> Result<Webhook, String> {
        match (sample.event, sample.header) {
            ("" | "get", None) => Ok(Webhook::hint(query(sample.subject), sample.at)),
            ("form", None) => Ok(Webhook::form(query(sample.subject), sample.at)),
            (_, Some(_)) => Err("Kanga's callbacks are not authenticated by a header".into()),
            (event, None) => Err(format!(
                "Kanga's callbacks contain only the id; {} is neither get nor form",
                inert::quoted(event, 40)
            )),
        }
    }

    fn waiting(&self) -> Vec<Webhook> {
        self.memory().outbox.waiting().to_vec()
    }

    fn state(&self, simulator: &Simulator) -> Value {
        let memory = self.memory();
        let now = simulator.now();
        let payments = memory.payments.iter().map(|payment| {
            let progress = payment.progress(now);
            json!({
                "shop": payment.shop,
                "id": payment.id,
                "currency": payment.currency,
                "amount": payment.amount,
                "state": progress.state.as_str(),
                "since": progress.since.rfc3339(),
                "paid_thousandths": progress.paid + progress.surplus,
            })
        });
        let callbacks = memory.outbox.waiting().iter().map(|webhook| {
            json!({
                "query": webhook.query,
                "tries": webhook.tries,
                "next": webhook.next.rfc3339(),
                "status": webhook.status,
            })
        });
        json!({
            "payments": payments.collect::<Vec<_>>(),
            "callbacks_waiting": callbacks.collect::<Vec<_>>(),
            "last_nonces": memory.nonces,
        })
    }

    fn revision(&self) -> u64 {
        self.memory().revision
    }

    fn snapshot(&self) -> Value {
        serde_json::to_value(&*self.memory()).expect("its maps have text keys")
    }

    fn due(&self, simulator: &Simulator) -> Vec<Webhook> {
        let mut memory = self.memory();
        memory.report(simulator);
        memory.outbox.due(simulator.now())
    }

    fn next_due(&self, simulator: &Simulator) -> Option<WallTime> {
        // Without a callback URL nothing can be sent, so nothing is due.
        simulator.callback_url("kanga")?;
        let memory = self.memory();
        let now = simulator.now();
        let changes = memory.payments.iter().filter_map(|p| p.next_change(now));
        changes.chain(memory.outbox.next(true)).min()
    }

    fn record_attempt(
        &self,
        webhook: u64,
        answered: Option<&DeliveryResult>,
        simulator: &Simulator,
    ) {
        let status = answered.map(|answered| answered.status);
        let mut memory = self.memory();
        memory
            .outbox
            .record_attempt(webhook, simulator.now(), status, &CALLBACK_WAITS);
        memory.revision += 1;
    }
}
