//! The simulated Pledg: its routes and state. It serves staging and production on one address and separates them by
//! credentials and uids: no credential of one works in the other (`docs/providers/pledg.md#simulator`).

mod access;
mod controls;
mod funnel;
mod notice;
mod purchase;
mod schedule;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::simulate::{self, PayerAct};
use crate::domain::{PaymentId, WallTime, inert};
use crate::http_server::{DeliveryResult, Request, Response, respond, text};
use crate::sandbox::granted::Granted;
use crate::sandbox::outbox::{Outbox, Webhook};
use crate::sandbox::{About, Sample, SimulatedProvider, Simulator, snapshot};

pub use access::{API_KEY, API_SECRET, DASHBOARD_PASSWORD, DASHBOARD_USER, MERCHANT_SECRET};
use access::{BACKENDS, Backend};
use controls::Controls;
use purchase::Purchase;

/// The documented token lifetime; a setting changes it.
const TOKEN_LIFE: Duration = Duration::from_mins(10);

/// Bounds the purchases in memory.
const PURCHASES_MAX: usize = 1_000;

/// The simulated provider.
#[derive(Debug, Default)]
pub struct Pledg {
    memory: Mutex<Memory>,
}

/// Its state. Skipped fields do not survive a restart: tokens are secrets.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    purchases: Vec<Purchase>,
    purchases_made: u64,
    outbox: Outbox,
    tokens_issued: u64,
    #[serde(skip)]
    tokens: Granted<&'static str>,
    #[serde(skip)]
    controls: Controls,
    #[serde(skip)]
    revision: u64,
}

impl Pledg {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The schedule of a merchant, or those of a company.
    fn simulate(of: &str, uid: &str, request: &Request) -> Response {
        let schedule = schedule::TermsQuery::read(request.body()).and_then(|requested| {
            if of == "companies" {
                let known = BACKENDS.iter().find(|backend| backend.company == uid);
                let backend = known.ok_or_else(|| unknown("company", uid))?;
                let items: Vec<Value> = backend
                    .merchants
                    .iter()
                    .map(|one| requested.of(one))
                    .collect();
                return Ok(json!({ "items": items }));
            }
            let (_, merchant) = access::merchant(uid).ok_or_else(|| unknown("merchant", uid))?;
            Ok(requested.of(merchant))
        });
        answer(schedule)
    }

    /// Creates a purchase from signed data.
    fn purchase(&self, request: &Request, simulator: &Simulator) -> Result<Value, Refusal> {
        let now = simulator.now();
        let query = request.uri().query().unwrap_or_default();
        let data = purchase::read(query, request.body(), now)?;
        let memory = &mut *self.memory();
        memory.follow_scripts(now);
        if memory
            .purchases
            .iter()
            .any(|known| data.is_completed_by(known))
        {
            return Err(data.used());
        }
        let uid = memory.made(data, simulator.seed(), now);
        Ok(json!({ "purchase_uid": uid, "purchase_link": funnel::link(request, &uid) }))
    }

    /// Refunds or releases a purchase of `backend`.
    fn change(
        &self,
        backend: &Backend,
        uid: &str,
        simulator: &Simulator,
        change: impl FnOnce(&mut Purchase) -> Result<Value, Refusal>,
    ) -> Result<Value, Refusal> {
        let memory = &mut *self.memory();
        memory.follow_scripts(simulator.now());
        let mut all = memory.purchases.iter_mut();
        let found = all.find(|purchase| purchase.uid == uid);
        let found = found.ok_or_else(|| unknown("purchase", uid))?;
        if access::is_in_other_environment(backend, &found.merchant) {
            return Err(access::unauthorized_response());
        }
        let answer = change(found)?;
        memory.revision += 1;
        Ok(answer)
    }
}

impl Memory {
    /// Creates a purchase and returns its uid.
    fn made(&mut self, data: purchase::Data, seed: u64, now: WallTime) -> String {
        self.purchases_made += 1;
        self.revision += 1;
        let made = Purchase::new(data, seed, self.purchases_made, now);
        let uid = made.uid.clone();
        if self.purchases.len() >= PURCHASES_MAX {
            self.purchases.remove(0);
        }
        self.purchases.push(made);
        uid
    }
}

/// An error response; boxed because it is large.
type Refusal = Box<Response>;

fn refuse(status: StatusCode, debug: &str) -> Refusal {
    Box::new(json_response(
        status,
        &json!({ "error": { "debug": debug } }),
    ))
}

fn unknown(what: &str, uid: &str) -> Refusal {
    let message = format!("no {what} {}", inert::quoted(uid, 60));
    refuse(StatusCode::NOT_FOUND, &message)
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    respond(status, "application/json", body.to_string())
}

fn with(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    response
}

/// Adds CORS headers: browsers make the open calls from shops' pages.
fn for_browsers(response: Response) -> Response {
    let response = with(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    let response = with(
        response,
        header::ACCESS_CONTROL_ALLOW_METHODS,
        "POST, OPTIONS",
    );
    with(
        response,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "content-type",
    )
}

fn answer(result: Result<Value, Refusal>) -> Response {
    match result {
        Ok(body) => json_response(StatusCode::OK, &body),
        Err(refusal) => *refusal,
    }
}

fn only(methods: &'static str) -> Response {
    let refusal = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    with(refusal, header::ALLOW, methods)
}

fn only_post() -> Response {
    only("POST")
}

fn not_found() -> Response {
    *refuse(StatusCode::NOT_FOUND, "no such resource")
}

impl SimulatedProvider for Pledg {
    fn provider(&self) -> &'static str {
        "pledg"
    }

    fn about(&self) -> About {
        About {
            title: "Pledg",
            keys: BACKENDS
                .iter()
                .map(|backend| (backend.name, backend.key))
                .collect(),
            routes: &[
                ("POST", "/api/token", "access token"),
                (
                    "POST",
                    "/api/merchants/<MERCHANT_UID>/simulate_payment_schedule",
                    "payment schedule, with a token",
                ),
                (
                    "POST",
                    "/api/users/me/merchants/<MERCHANT_UID>/simulate_payment_schedule",
                    "payment schedule, open to all",
                ),
                (
                    "POST",
                    "/api/users/me/companies/<COMPANY_UID>/simulate_payment_schedule",
                    "all schedules of a company, open to all",
                ),
                (
                    "POST",
                    "/api/purchase_link/?signature=",
                    "purchase of signed data; -PAID, -ABANDONED or a state such as -SCORING_KO at the \
                    reference's end sets the outcome",
                ),
                (
                    "GET",
                    "/purchase?signature=",
                    "the page where a payer makes the signed purchase",
                ),
                (
                    "POST",
                    "/api/payment_by_transfer?signature=",
                    "purchase of signed data, paid by transfer",
                ),
                (
                    "POST",
                    "/api/purchases/<PURCHASE_UID>/credit_by_transfer",
                    "refund, with a token",
                ),
                (
                    "POST",
                    "/api/purchases/<PURCHASE_UID>/release",
                    "release of a virtual card, with the dashboard's login",
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
        if !same_seed {
            memory.purchases.retain(|purchase| !purchase.seeded);
        }
        let known = |purchase: &Purchase| access::merchant(&purchase.merchant).is_some();
        if !memory.purchases.iter().all(known) {
            return Err("it contains a purchase of an unknown merchant".into());
        }
        for seed in purchase::seeds(simulator.start()).into_iter().rev() {
            if !memory.purchases.iter().any(|known| known.uid == seed.uid) {
                memory.purchases.insert(0, seed);
            }
        }
        memory.controls.style.set_up = simulator.callback_url("pledg").is_some();
        *self.memory() = memory;
        Ok(())
    }

    fn claims(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        matches!(
            path,
            "/api/token"
                | "/api/purchase_link"
                | "/api/payment_by_transfer"
                | "/purchase"
                | "/payment_solutions"
        ) || ["/api/merchants/", "/api/users/me/", "/api/purchases/"]
            .iter()
            .any(|prefix| path.starts_with(prefix))
    }

    fn is_api(&self, path: &str) -> bool {
        path.starts_with("/api/")
    }

    fn down(&self) -> Option<Response> {
        let message = "the service is under maintenance";
        let body = json!({ "error": { "type": "maintenance", "debug": message } });
        Some(json_response(StatusCode::SERVICE_UNAVAILABLE, &body))
    }

    fn answer(&self, request: &Request, simulator: &Simulator) -> Response {
        let path = request.uri().path();
        let parts: Vec<&str> = path
            .trim_start_matches('/')
            .trim_end_matches('/')
            .split('/')
            .collect();
        let post = request.method() == Method::POST;
        match parts.as_slice() {
            ["api", "token"] if post => access::grant(request, &mut self.memory(), simulator),
            [
                "api",
                "users",
                "me",
                of @ ("merchants" | "companies"),
                uid,
                "simulate_payment_schedule",
            ] => for_browsers(match *request.method() {
                Method::POST => Self::simulate(of, uid, request),
                Method::OPTIONS => text(StatusCode::NO_CONTENT, ""),
                _ => only_post(),
            }),
            ["api", "merchants", uid, "simulate_payment_schedule"] if post => {
                match access::bearer(request.headers(), &self.memory(), simulator) {
                    Ok(backend) if !access::is_in_other_environment(backend, uid) => {
                        Self::simulate("merchants", uid, request)
                    }
                    Ok(_) => *access::unauthorized_response(),
                    Err(refusal) => *refusal,
                }
            }
            ["purchase" | "payment_solutions"] => funnel::answer(self, request, simulator),
            ["api", "purchase_link" | "payment_by_transfer"] if post => {
                answer(self.purchase(request, simulator))
            }
            ["api", "purchases", uid, "credit_by_transfer"] if post => {
                let backend = access::bearer(request.headers(), &self.memory(), simulator);
                answer(backend.and_then(|backend| {
                    self.change(backend, uid, simulator, |one| one.refund(request.body()))
                }))
            }
            ["api", "purchases", uid, "release"] if post => {
                let backend = access::dashboard(request.headers());
                answer(
                    backend.and_then(|backend| {
                        self.change(backend, uid, simulator, Purchase::release)
                    }),
                )
            }
            ["api", "token" | "purchase_link" | "payment_by_transfer"]
            | ["api", "merchants", _, "simulate_payment_schedule"]
            | ["api", "purchases", _, "credit_by_transfer" | "release"] => only_post(),
            _ => not_found(),
        }
    }

    fn act(
        &self,
        id: &PaymentId,
        act: PayerAct,
        simulator: &Simulator,
    ) -> Option<Result<String, String>> {
        let memory = &mut *self.memory();
        memory.follow_scripts(simulator.now());
        memory.latest(id.as_str()).ok()?;
        Some(memory.act(id.as_str(), act, simulator.now()))
    }

    fn repeat_callback(
        &self,
        id: &PaymentId,
        simulator: &Simulator,
    ) -> Option<Result<String, String>> {
        let memory = &mut *self.memory();
        let notice = memory.latest(id.as_str()).ok()?.notice.clone();
        let Some(notice) = notice else {
            return Some(Err(format!("{id} has had no notification yet")));
        };
        memory.outbox.push(notice.webhook(simulator.now()));
        memory.revision += 1;
        Some(Ok(format!("{id}: sending its notification again")))
    }

    fn settings(&self) -> Vec<simulate::Setting> {
        self.memory().controls.settings()
    }

    fn set(&self, setting: &str, value: &str) -> Result<String, String> {
        self.memory().controls.set(setting, value)
    }

    fn events(&self) -> &'static [simulate::Event] {
        &controls::EVENTS
    }

    fn event(&self, event: &str, subject: &str, simulator: &Simulator) -> Result<String, String> {
        let memory = &mut *self.memory();
        memory.follow_scripts(simulator.now());
        memory.trigger(event, subject, simulator)
    }

    fn state(&self, simulator: &Simulator) -> Value {
        let memory = &mut *self.memory();
        let now = simulator.now();
        memory.follow_scripts(now);
        let purchases = memory.purchases.iter().map(|purchase| {
            json!({
                "uid": purchase.uid,
                "merchant": purchase.merchant,
                "reference": purchase.reference,
                "amount_cents": purchase.amount,
                "state": purchase.state,
                "created": purchase.created.rfc3339(),
                "debited": purchase.debited,
                "refunded_cents": purchase.refunded,
            })
        });
        let notices = memory.outbox.waiting().iter().map(|webhook| {
            json!({
                "tries": webhook.tries,
                "next": webhook.next.rfc3339(),
                "status": webhook.status,
            })
        });
        json!({
            "purchases": purchases.collect::<Vec<_>>(),
            "notifications_waiting": notices.collect::<Vec<_>>(),
            "tokens_issued": memory.tokens_issued,
            "tokens_alive": memory.tokens.valid_count(now),
        })
    }

    fn sample(&self, sample: &Sample<'_>) -> Result<Webhook, String> {
        notice::sample(sample)
    }

    fn waiting(&self) -> Vec<Webhook> {
        self.memory().outbox.waiting().to_vec()
    }

    fn revision(&self) -> u64 {
        self.memory().revision
    }

    fn snapshot(&self) -> Value {
        serde_json::to_value(&*self.memory()).expect("its maps have text keys")
    }

    fn due(&self, simulator: &Simulator) -> Vec<Webhook> {
        let mut memory = self.memory();
        memory.follow_scripts(simulator.now());
        memory.outbox.due(simulator.now())
    }

    fn next_due(&self, simulator: &Simulator) -> Option<WallTime> {
        let memory = self.memory();
        let set_up = simulator.callback_url("pledg").is_some();
        memory
            .next_script()
            .into_iter()
            .chain(memory.outbox.next(set_up))
            .min()
    }

    fn record_attempt(
        &self,
        webhook: u64,
        answered: Option<&DeliveryResult>,
        simulator: &Simulator,
    ) {
        let status = answered.map(|answered| answered.status);
        let memory = &mut *self.memory();
        let waits = memory.controls.waits();
        memory
            .outbox
            .record_attempt(webhook, simulator.now(), status, waits);
        memory.revision += 1;
    }
}
