//! The simulated Pledg: its routes and state. Staging and production are two instances, each with credentials, uids and data of
//! its own (`docs/providers/pledg.md#simulator`).

mod access;
mod controls;
mod funnel;
mod jwt;
mod notice;
mod purchase;
mod schedule;
#[cfg(test)]
mod tests;

use std::time::Duration;

use hyper::http::{Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::simulate::PayerAct;
use crate::domain::{PaymentId, WallTime, inert};
use crate::http_server::{Request, Response, text};
use crate::sandbox::granted::Granted;
use crate::sandbox::outbox::{Outbox, Webhook};
use crate::sandbox::reply::{self, with};
use crate::sandbox::route::{self, NoRoute, Route, get, knows, post};
use crate::sandbox::{About, Done, Sample, Saved, SimulatedProvider, Simulator, snapshot};

pub use access::{API_KEY, API_SECRET, DASHBOARD_PASSWORD, DASHBOARD_USER, MERCHANT_SECRET};
use access::{BACKENDS, Backend};
use controls::Rules;
use purchase::Purchase;

const PURCHASES_MAX: usize = 1_000;

const ROUTES: &[Route<Pledg>] = &[
    post("/api/token", access::grant).about("access token"),
    post(
        "/api/merchants/{MERCHANT_UID}/simulate_payment_schedule",
        schedule::with_token,
    )
    .about("payment schedule, with a token"),
    post(
        "/api/users/me/merchants/{MERCHANT_UID}/simulate_payment_schedule",
        schedule::of_merchant,
    )
    .about("payment schedule, open to all"),
    post(
        "/api/users/me/companies/{COMPANY_UID}/simulate_payment_schedule",
        schedule::of_company,
    )
    .about("all schedules of a company, open to all"),
    post("/api/purchase_link", purchase::make).about(
        "purchase of the signed data in ?signature=; -PAID, -ABANDONED or a state such as -SCORING_KO at the \
        reference's end sets the outcome",
    ),
    post("/api/payment_by_transfer", purchase::make)
        .about("purchase of the signed data in ?signature=, paid by transfer"),
    get("/purchase", funnel::open)
        .about("the page where a payer makes the purchase in ?signature="),
    post("/purchase", funnel::act),
    get("/payment_solutions", funnel::open),
    post("/payment_solutions", funnel::act),
    post("/api/purchases/{PURCHASE_UID}/credit_by_transfer", purchase::refund)
        .about("refund, with a token"),
    post("/api/purchases/{PURCHASE_UID}/release", purchase::release)
        .about("release of a virtual card, with the dashboard's login"),
];

/// The simulated provider. Skipped fields do not survive a restart: tokens are secrets.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Pledg {
    purchases: Vec<Purchase>,
    purchases_made: u64,
    outbox: Outbox,
    tokens_issued: u64,
    #[serde(skip)]
    tokens: Granted<()>,
    #[serde(skip)]
    rules: Rules,
    /// Whether the sandbox has a callback URL, for purchases that name none.
    #[serde(skip)]
    set_up: bool,
    #[serde(skip)]
    production: bool,
}

type Call<'a> = route::Call<'a, Pledg>;

impl Pledg {
    fn backend(&self) -> &'static Backend {
        &BACKENDS[usize::from(self.production)]
    }

    fn of_uid(&self, uid: &str) -> Option<&Purchase> {
        self.purchases.iter().find(|purchase| purchase.uid == uid)
    }

    fn make(&mut self, new: Purchase, seed: u64) -> &mut Purchase {
        self.purchases_made += 1;
        if self.purchases.len() >= PURCHASES_MAX {
            self.purchases.remove(0);
        }
        let at = self.purchases.len();
        // By the time, too: a receiver takes the uid of an earlier run for a repeat.
        let turn = self.purchases_made << 48 | new.created.0.unsigned_abs();
        let uid = purchase::uid("pur", seed, turn);
        self.purchases.push(Purchase { uid, ..new });
        &mut self.purchases[at]
    }
}

/// An error response; boxed because it is large.
type Refusal = Box<Response>;

fn refuse(status: StatusCode, debug: &str) -> Refusal {
    Box::new(reply::json(status, &json!({ "error": { "debug": debug } })))
}

fn bad(debug: &str) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, debug)
}

fn unknown(what: &str, uid: &str) -> Refusal {
    let message = format!("no {what} {}", inert::quoted(uid, 60));
    refuse(StatusCode::NOT_FOUND, &message)
}

/// Adds CORS headers: browsers make the open calls from shops' pages.
fn for_browsers(response: Response) -> Response {
    let response = with(response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    let methods = header::ACCESS_CONTROL_ALLOW_METHODS;
    let response = with(response, methods, "POST, OPTIONS");
    with(
        response,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "content-type",
    )
}

/// A path without the slash that some of Pledg's own plug-ins add.
fn plain(path: &str) -> &str {
    path.trim_end_matches('/')
}

impl SimulatedProvider for Pledg {
    fn provider(&self) -> &'static str {
        if self.production {
            "pledg-production"
        } else {
            "pledg"
        }
    }

    fn about(&self) -> About {
        let backend = self.backend();
        About {
            title: "Pledg",
            keys: vec![(backend.name, backend.key)],
            routes: route::listed(ROUTES),
        }
    }

    fn begin(&mut self, simulator: &Simulator, saved: Saved) -> Result<(), String> {
        let mut new: Self = snapshot::resume(saved.state)?;
        if !saved.same_seed {
            new.purchases.retain(|purchase| !purchase.seeded);
        }
        new.production = self.production;
        let seeds = purchase::seeds(new.backend(), simulator.seed(), simulator.start());
        for seed in seeds.into_iter().rev() {
            let mut known = new.purchases.iter().filter(|known| known.seeded);
            if !known.any(|known| known.is_of(&seed)) {
                new.purchases.insert(0, seed);
            }
        }
        new.set_up = simulator.callback_url(self.provider()).is_some();
        *self = new;
        Ok(())
    }

    fn production(&self) -> Option<Box<dyn SimulatedProvider>> {
        let production = Self {
            production: true,
            ..Self::default()
        };
        Some(Box::new(production))
    }

    fn claims(&self, path: &str) -> bool {
        knows(ROUTES, plain(path))
            || ["/api/merchants/", "/api/users/me/", "/api/purchases/"]
                .iter()
                .any(|prefix| path.starts_with(prefix))
    }

    fn is_api(&self, path: &str) -> bool {
        path.starts_with("/api/")
    }

    fn down(&self) -> Option<Response> {
        let message = "the service is under maintenance";
        let body = json!({ "error": { "type": "maintenance", "debug": message } });
        Some(reply::json(StatusCode::SERVICE_UNAVAILABLE, &body))
    }

    fn pass_time(&mut self, simulator: &Simulator) -> bool {
        self.follow_scripts(simulator.now())
    }

    fn answer(&mut self, request: &Request, simulator: &Simulator) -> Response {
        let path = plain(request.uri().path());
        let for_shops = path.starts_with("/api/users/me/");
        let response = match Call::new(self, request, simulator).route(ROUTES, path) {
            Ok(answer) => answer.unwrap_or_else(|refusal| *refusal),
            Err(NoRoute::Method(_)) if for_shops && request.method() == Method::OPTIONS => {
                text(StatusCode::NO_CONTENT, "")
            }
            Err(NoRoute::Method(methods)) => reply::only(&methods),
            Err(NoRoute::Path) => *refuse(StatusCode::NOT_FOUND, "no such resource"),
        };
        if for_shops {
            for_browsers(response)
        } else {
            response
        }
    }

    fn act(&mut self, id: &PaymentId, act: PayerAct, simulator: &Simulator) -> Option<Done> {
        let at = self.place(id.as_str()).ok()?;
        Some(self.payer_act(at, act, simulator.now()))
    }

    fn repeat_callback(&mut self, id: &PaymentId, simulator: &Simulator) -> Option<Done> {
        let Some(notice) = self.latest(id.as_str()).ok()?.notice.clone() else {
            return Some(Err(format!("{id} has had no notification yet")));
        };
        let body = notice.body.unwrap_or_default();
        let again = Webhook::notice(notice.to, body, simulator.now());
        self.outbox.push(again);
        Some(Ok(format!("{id}: sending its notification again")))
    }

    fn state(&self, simulator: &Simulator) -> Value {
        let purchases = self.purchases.iter().map(|purchase| {
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
        json!({
            "purchases": purchases.collect::<Vec<_>>(),
            "notifications_waiting": self.outbox.as_json(),
            "tokens_issued": self.tokens_issued,
            "tokens_alive": self.tokens.valid_count(simulator.now()),
        })
    }

    fn sample(&self, sample: &Sample<'_>) -> Result<Webhook, String> {
        notice::sample(sample)
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    fn waits(&self) -> &'static [Duration] {
        self.rules.waits()
    }

    fn next_change(&self, _simulator: &Simulator) -> Option<WallTime> {
        let scripts = self.purchases.iter().filter_map(Purchase::script);
        scripts.map(|(at, _)| at).min()
    }
}
