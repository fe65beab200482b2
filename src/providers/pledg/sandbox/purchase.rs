//! A purchase's life cycle: created from signed data, then paid, refused or abandoned; refunded or released. Undocumented
//! answers contain only the uid and the amounts.

use hyper::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::access::{self, BACKENDS, Backend, Merchant, Mode};
use super::{Call, Refusal, bad, jwt, unknown};
use crate::domain::{WallTime, inert};
use crate::http_server::is_local_url;
use crate::sandbox::outbox::Webhook;
use crate::sandbox::reply::{self, ok};
use crate::sandbox::route::Answer;
use crate::sandbox::simulator::seeded_hash;

/// The delay between a purchase's creation and its scripted outcome.
const SCRIPTED_AFTER: std::time::Duration = std::time::Duration::from_secs(5);

/// The largest purchase in cents; the documentation's largest example is a hundredth of it.
const AMOUNT_MAX: u64 = 100_000_000;

/// States other than refusals, which end in `_KO`.
pub(super) const CREATED: &str = "CREATED";
pub(super) const PAID: &str = "PAID";
pub(super) const ABANDONED: &str = "ABANDONED";
pub(super) const RELEASED: &str = "RELEASED";

/// The statuses of back mode, of which `completed` alone means paid.
pub(super) const BACK_STATUSES: [&str; 15] = [
    "waiting",
    "pending",
    "authorized",
    "pending-capture",
    "completed",
    "failed",
    "voided",
    "refunded",
    "in-review",
    "blocked",
    "retrieval-request",
    "fraud-notification",
    "chargeback-initiated",
    "solved",
    "reversed",
];

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Purchase {
    pub uid: String,
    #[serde(deserialize_with = "access::saved")]
    pub merchant: &'static Merchant,
    pub reference: String,
    pub amount: u64,
    pub created: WallTime,
    pub state: String,
    /// Whether the virtual card was charged, after which it cannot be released.
    pub debited: bool,
    pub refunded: u64,
    pub metadata: Map<String, Value>,
    pub payment_url: Option<String>,
    pub error_url: Option<String>,
    /// The latest notice, so that it can be sent again.
    pub notice: Option<Webhook>,
    /// Whether the simulation started with it.
    pub seeded: bool,
}

impl Purchase {
    /// A purchase of 20.00 that names no notification URL.
    pub fn new(merchant: &'static Merchant, reference: &str, now: WallTime) -> Self {
        Self {
            uid: String::new(),
            merchant,
            reference: reference.to_owned(),
            amount: 2_000,
            created: now,
            state: CREATED.into(),
            debited: false,
            refunded: 0,
            metadata: Map::new(),
            payment_url: None,
            error_url: None,
            notice: None,
            seeded: false,
        }
    }

    /// Whether both were created from the same data.
    pub fn is_of(&self, other: &Self) -> bool {
        self.merchant.uid == other.merchant.uid && self.reference == other.reference
    }

    /// Whether it ended the sale of `other`, which then cannot be paid any more.
    pub fn completes(&self, other: &Self) -> bool {
        self.is_of(other) && matches!(self.state.as_str(), PAID | RELEASED)
    }

    /// The scripted outcome from its reference's ending, and when: `…-PAID`, `…-ABANDONED`, `…-SCORING_KO`.
    pub fn script(&self) -> Option<(WallTime, String)> {
        if self.state != CREATED {
            return None;
        }
        let (_, end) = self.reference.rsplit_once('-')?;
        let known = matches!(end, PAID | ABANDONED) || is_refusal(end);
        known.then(|| (self.created.plus(SCRIPTED_AFTER), end.to_owned()))
    }

    fn refund(&mut self, body: &[u8]) -> Answer {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let amount = body["amount_cents"].as_u64().filter(|amount| *amount > 0);
        let amount = amount.ok_or_else(|| bad("amount_cents must be a positive integer"))?;
        if self.state != PAID {
            return Err(bad(&format!("the purchase is {}, not {PAID}", self.state)));
        }
        // Partial refunds add up to what was paid at most (`docs/providers/pledg.md#calls`).
        let left = self.amount - self.refunded;
        if amount > left {
            return Err(bad(&format!("only {left} cents are left to be refunded")));
        }
        self.refunded += amount;
        ok(json!({
            "purchase_uid": self.uid,
            "amount_cents": amount,
            "refunded_amount_cents": self.refunded,
        }))
    }

    /// Cancels a virtual card that was not charged, and its purchase.
    fn release(&mut self) -> Answer {
        match self.state.as_str() {
            _ if self.merchant.mode != Mode::Back => Err(bad("it has no virtual card")),
            // A release ends a card that was not debited (`docs/providers/pledg.md#calls`).
            PAID if self.debited => Err(bad("its virtual card was debited already")),
            PAID => {
                self.state = RELEASED.into();
                self.refunded = self.amount;
                ok(json!({ "purchase_uid": self.uid }))
            }
            RELEASED => Err(bad("it was released already")),
            _ => Err(bad("it is not paid")),
        }
    }
}

pub(super) fn make(call: &mut Call<'_>) -> Answer {
    let new = read(call)?;
    let mut known = call.state.purchases.iter();
    if known.any(|known| known.completes(&new)) {
        let reference = inert::quoted(&new.reference, 60);
        return Err(invalid(&format!(
            "the reference {reference} belongs to a completed purchase"
        )));
    }
    let uid = &call.state.make(new, call.simulator.seed()).uid;
    let host = reply::host(call.request.headers());
    ok(json!({ "purchase_uid": uid, "purchase_link": format!("http://{host}/purchase?uid={uid}") }))
}

pub(super) fn refund(call: &mut Call<'_>) -> Answer {
    call.bearer()?;
    let body = call.request.body();
    own(call)?.refund(body)
}

pub(super) fn release(call: &mut Call<'_>) -> Answer {
    call.dashboard()?;
    own(call)?.release()
}

/// The caller's purchase in the path.
fn own<'c>(call: &'c mut Call<'_>) -> Answer<&'c mut Purchase> {
    let uid = call.param("PURCHASE_UID");
    let mut all = call.state.purchases.iter_mut();
    let own = all.find(|purchase| purchase.uid == uid);
    own.ok_or_else(|| unknown("purchase", uid))
}

/// Whether `word` is the state of a refused purchase.
pub(super) fn is_refusal(word: &str) -> bool {
    let name = word.strip_suffix("_KO").unwrap_or_default();
    !name.is_empty()
        && name.len() <= 40
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// A uid of this kind; the same seed gives the same uid.
pub(super) fn uid(kind: &str, seed: u64, turn: u64) -> String {
    let (a, b) = (
        seeded_hash(seed, kind, turn),
        // A second, independent number: one has 64 bits, a UUID 122.
        seeded_hash(seed, kind, !turn),
    );
    format!(
        "{kind}_{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        // The version and variant bits of a random UUID (RFC 9562, 5.4).
        b >> 50 | 0x8000,
        b & 0xffff_ffff_ffff,
    )
}

/// The purchase of the signature in the query, with a uid to come; of unsigned data only where the merchant has no secret.
pub(super) fn read(call: &Call<'_>) -> Answer<Purchase> {
    let (query, backend) = (call.query(), call.state.backend());
    // Two readers of the link could take different ones.
    if query.doubled() == Some("signature") {
        return Err(invalid("there are two signatures"));
    }
    let Some(signature) = query.get("signature") else {
        let payload = serde_json::from_slice(call.request.body());
        let payload = payload.map_err(|_| invalid("there is no signature and no data"))?;
        return data(backend, &payload, None, call.now);
    };
    let merchants = backend.merchants.iter();
    let secrets = merchants.filter_map(|merchant| merchant.signs);
    let (payload, secret) = jwt::verify(signature, secrets, call.now)
        .map_err(|why| typed(StatusCode::BAD_REQUEST, "error_token", &why))?;
    data(backend, &payload, Some(secret), call.now)
}

fn data(
    backend: &Backend,
    payload: &Value,
    secret: Option<&str>,
    now: WallTime,
) -> Answer<Purchase> {
    let data = payload["data"].as_object();
    let data = data.ok_or_else(|| invalid("the payload has no data"))?;
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    let merchant = match (text("merchantUid"), text("companyUid")) {
        (Some(uid), None) => backend.merchant(uid),
        // The payer chooses one of the company's solutions; here it is the first.
        (None, Some(uid)) => {
            let merchants = backend.merchants.iter();
            merchants.take(usize::from(backend.company == uid)).next()
        }
        _ => return Err(invalid("either merchantUid or companyUid must be given")),
    };
    let merchant = merchant.ok_or_else(|| {
        typed(
            StatusCode::NOT_FOUND,
            "invalid_merchant_uid",
            "no such merchant or company",
        )
    })?;
    match (merchant.signs, secret) {
        (Some(_), None) => {
            let message = "the merchant has a secret: the data must be signed";
            return Err(invalid(message));
        }
        // One merchant's secret must not sign another's purchases.
        (own, Some(secret)) if own != Some(secret) => {
            let message = "its signature is not made with this merchant's secret";
            return Err(typed(StatusCode::BAD_REQUEST, "error_token", message));
        }
        _ => {}
    }
    for name in ["email", "firstName", "lastName", "reference", "title"] {
        if text(name).is_none_or(|text| text.trim().is_empty()) {
            return Err(invalid(&format!("the required property {name} is missing")));
        }
    }
    if !text("email").is_some_and(|email| email.contains('@')) {
        return Err(invalid("the provided property email is invalid"));
    }
    let amount = data.get("amountCents").and_then(Value::as_u64);
    let amount = amount
        .filter(|amount| (1..=AMOUNT_MAX).contains(amount))
        .ok_or_else(|| invalid("the provided property amountCents is invalid"))?;
    // Notifications go to this machine only; other URLs and `mailto:` are accepted and not used.
    let local = |name: &str| {
        let url = text(name).filter(|url| is_local_url(url));
        url.map(str::to_owned)
    };
    Ok(Purchase {
        amount,
        metadata: payload["data"]["metadata"]
            .as_object()
            .cloned()
            .unwrap_or_default(),
        payment_url: local("paymentNotificationUrl"),
        error_url: local("errorNotificationUrl"),
        ..Purchase::new(merchant, text("reference").unwrap_or_default(), now)
    })
}

fn invalid(message: &str) -> Refusal {
    typed(StatusCode::BAD_REQUEST, "invalid_request_error", message)
}

fn typed(status: StatusCode, kind: &str, message: &str) -> Refusal {
    let body = json!({ "error": { "type": kind, "debug": message } });
    Box::new(reply::json(status, &body))
}

/// The purchases at the simulation's start.
pub(super) fn seeds(backend: &Backend, seed: u64, start: WallTime) -> Vec<Purchase> {
    let [staging, production] = &BACKENDS;
    [
        (1, &staging.merchants[0], "ORDER-3001", 20_000, PAID),
        (2, &staging.merchants[1], "ORDER-3002", 14_950, PAID),
        (3, &staging.merchants[0], "ORDER-3003", 7_900, CREATED),
        (4, &staging.merchants[2], "ORDER-3004", 4_200, "SCORING_KO"),
        (101, &production.merchants[0], "ORDER-9001", 30_550, PAID),
    ]
    .into_iter()
    .filter(|(_, merchant, ..)| backend.merchant(merchant.uid).is_some())
    .map(|(number, merchant, reference, amount, state)| Purchase {
        // Its notice is yet to come, and a receiver takes the uid of an earlier run for a repeat. The others are examples.
        uid: match state {
            CREATED => uid("pur", seed, start.0.unsigned_abs()),
            _ => format!("pur_00000000-0000-4000-8000-{number:012}"),
        },
        amount,
        state: state.to_owned(),
        seeded: true,
        ..Purchase::new(merchant, reference, start)
    })
    .collect()
}
