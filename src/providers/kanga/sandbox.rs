//! The simulated Kanga TPG: its routes, calls and state. Written from the provider's documentation alone; it shares no code
//! with the client that it tests (`docs/providers/kanga.md#simulator`).

mod calls;
mod checkout;
mod controls;
mod payment;
mod prices;
mod seeds;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::simulate::PayerAct;
use crate::domain::{Expected, PaymentId, WallTime, inert};
use crate::http_server::{Request, Response, text};
use crate::sandbox::granted::Granted;
use crate::sandbox::outbox::{Outbox, Webhook};
use crate::sandbox::route::{self, NoRoute, Route, get, post};
use crate::sandbox::{About, Done, Sample, Saved, SimulatedProvider, Simulator, reply, snapshot};

use controls::Rules;
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

/// Every call, and the checkout page with its forms.
const ROUTES: &[Route<Kanga>] = &[
    post("/api/tpg/price/estimate", calls::estimate).about("GET PRICE ESTIMATE"),
    post("/tpg/price/estimate", calls::estimate).about("GET PRICE ESTIMATE, at its other URL"),
    post("/api/v2/tpg/create/payment", calls::create_token).about("CREATE PAYMENT TOKEN"),
    post("/api/v2/tpg/transaction", calls::check).about("CHECK PAYMENT"),
    post("/api/v2/test", calls::test).about("TEST"),
    get("/tpg/payment/{API_KEY}", checkout::start)
        .about("START PAYMENT, the checkout page: ?currency=&amount=&transactionKey="),
    post("/tpg/payment/{API_KEY}/{act}", checkout::perform),
];

/// The simulated provider. Skipped fields do not survive a restart: tokens are secrets.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Kanga {
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
    rules: Rules,
}

type Call<'a> = route::Call<'a, Kanga>;

impl Kanga {
    fn payment(&self, shop: &Shop, id: &str) -> Option<&Payment> {
        let mut all = self.payments.iter();
        all.find(|payment| payment.shop == shop.name && payment.id == id)
    }

    fn payment_mut(&mut self, shop: &Shop, id: &str) -> Option<&mut Payment> {
        let mut all = self.payments.iter_mut();
        all.find(|payment| payment.shop == shop.name && payment.id == id)
    }

    /// The first shop that has a payment of this id.
    fn shop_of(&self, id: &PaymentId) -> Option<&'static Shop> {
        let mut shops = SHOPS.iter();
        shops.find(|shop| self.payment(shop, id.as_str()).is_some())
    }

    fn queue_callback(&mut self, id: &str, simulator: &Simulator) -> Result<(), String> {
        if simulator.callback_url("kanga").is_none() {
            return Err("the sandbox has no callback URL".into());
        }
        self.outbox.push(self.rules.webhook(id, simulator.now()));
        Ok(())
    }
}

fn query(id: &str) -> String {
    format!("transactionKey={}", utf8_percent_encode(id, QUERY_VALUE))
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
            routes: route::listed(ROUTES),
        }
    }

    fn begin(&mut self, simulator: &Simulator, saved: Saved) -> Result<(), String> {
        let mut new: Self = snapshot::resume(saved.state)?;
        let shop = &SHOPS[0];
        if !saved.same_seed {
            new.payments.retain(|payment| !payment.seeded);
        }
        let seeded = seeds::payments(simulator.seed(), simulator.start(), shop.name);
        for (mut payment, expected) in seeded {
            let id = PaymentId::new(payment.id.as_str()).map_err(|error| error.to_string())?;
            new.seeded.push((id, expected));
            if new.payment(shop, &payment.id).is_none() {
                // State changes before the simulation's start send no callbacks.
                payment.reported = payment.changes(simulator.start()).len();
                new.payments.push(payment);
            }
        }
        *self = new;
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

    /// Queues a callback for each state change since the last call.
    fn pass_time(&mut self, simulator: &Simulator) -> bool {
        let has_url = simulator.callback_url("kanga").is_some();
        let mut any = false;
        for payment in &mut self.payments {
            let changes = payment.changes(simulator.now());
            for change in changes.iter().skip(payment.reported).filter(|_| has_url) {
                for webhook in self.rules.webhooks(&payment.id, change) {
                    self.outbox.push(webhook);
                }
            }
            any |= payment.reported != changes.len();
            payment.reported = changes.len();
        }
        any
    }

    fn answer(&mut self, request: &Request, simulator: &Simulator) -> Response {
        let path = request.uri().path();
        match Call::new(self, request, simulator).route(ROUTES, path) {
            Ok(answer) => answer.unwrap_or_else(|refusal| *refusal),
            Err(NoRoute::Method(methods)) => reply::only(&methods),
            Err(NoRoute::Path) => text(StatusCode::NOT_FOUND, "Not Found\n"),
        }
    }

    fn act(&mut self, id: &PaymentId, act: PayerAct, simulator: &Simulator) -> Option<Done> {
        let now = simulator.now();
        let payment = self.payment_mut(self.shop_of(id)?, id.as_str())?;
        Some(match payment.act(now, act.into()) {
            Ok(()) => Ok(format!("{id}: {}", did(act))),
            Err(why) => Err(format!("{id} is {}. {why}", payment.progress(now).state)),
        })
    }

    fn repeat_callback(&mut self, id: &PaymentId, simulator: &Simulator) -> Option<Done> {
        self.shop_of(id)?;
        let posted = self.queue_callback(id.as_str(), simulator);
        Some(posted.map(|()| format!("{id}: sending its callback again")))
    }

    fn seeded(&self) -> Vec<(PaymentId, Expected)> {
        self.seeded.clone()
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

    fn state(&self, simulator: &Simulator) -> Value {
        let payments = self.payments.iter().map(|payment| {
            let progress = payment.progress(simulator.now());
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
        json!({
            "payments": payments.collect::<Vec<_>>(),
            "callbacks_waiting": self.outbox.as_json(),
            "last_nonces": self.nonces,
        })
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    fn waits(&self) -> &'static [Duration] {
        &CALLBACK_WAITS
    }

    fn next_change(&self, simulator: &Simulator) -> Option<WallTime> {
        // Without a callback URL nothing can be sent, so no change needs attention.
        simulator.callback_url("kanga")?;
        let changes = self.payments.iter();
        changes
            .filter_map(|payment| payment.next_change(simulator.now()))
            .min()
    }
}
