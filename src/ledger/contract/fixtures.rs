//! Values that tests of ledgers share.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock::{Clock, ManualClock};
use crate::domain::{
    AccountId, Body, Exchange, ExchangeId, Observation, Outcome, Payment, PaymentId, PaymentState,
    Reported, WallTime,
};
use crate::ledger::{
    Backend, Counted, KeyHash, Ledger, PaymentKey, Persistence, ProfileApis, SlotId, SlotOutcome,
    SlotRequest,
};

pub const START: WallTime = WallTime(1_795_316_066_000);
pub const MINUTE: Duration = Duration::from_mins(1);
/// The longest request.
pub const FLIGHT: Duration = Duration::from_secs(30);

/// Text as a provider or a sender may have made it up.
pub const HOSTILE: &str =
    "\u{1b}[2J'; DROP TABLE exchanges;--\0\u{202e}\u{fffd}\u{10ffff}\u{10fffe}漢%_\\\n\u{10fffe}\0";

pub fn clock() -> (Clock, ManualClock) {
    Clock::by_hand(START)
}

/// A clock that stands still.
pub fn at_start() -> Clock {
    clock().0
}

pub fn shop() -> AccountId {
    AccountId::new("shop").unwrap()
}

pub fn key() -> KeyHash {
    KeyHash::of("kanga", "public-key")
}

pub fn exchange(url: &str) -> Exchange {
    Exchange {
        id: ExchangeId(0),
        account: shop(),
        provider: "kanga".into(),
        environment: "production".into(),
        at: START,
        method: "POST".into(),
        url: url.into(),
        about: "A-17".into(),
        attempt: 1,
        outcome: Outcome::Status(200),
        http_version: "HTTP/2.0".into(),
        response_wire: Some(12_345),
        to_head: Some(Duration::from_nanos(1_234_567)),
        took: Duration::from_millis(40),
        request_headers: vec![("accept".into(), "a".into()), ("accept".into(), "b".into())],
        request_body: Body {
            text: "{}".into(),
            bytes: 2,
            ..Body::default()
        },
        response_headers: vec![],
        response_body: Body {
            text: "x".repeat(10),
            bytes: 300_000,
            cut: true,
            base64: true,
        },
        operator: String::new(),
        profile: "live".into(),
    }
}

pub fn observation(state: &str, amount: &str, after: u64) -> Observation {
    Observation {
        at: START.plus(Duration::from_secs(after)),
        payment: Payment {
            id: PaymentId::new("A-17").unwrap(),
            currency: Reported::currency("BTC"),
            amount: Reported::amount(amount),
            state: PaymentState::from_word(state),
        },
    }
}

pub fn terms(scope: &str, limit: u32, reserve: u32) -> SlotRequest {
    SlotRequest {
        scope: scope.into(),
        limit,
        period: MINUTE,
        reserve,
        flight: FLIGHT,
        persistence: Persistence::BestEffort,
    }
}

pub fn counted(used: u32, next_free: Option<Duration>) -> Counted {
    Counted {
        used,
        own: used,
        next_free,
        held: None,
    }
}

/// Saves an exchange and returns it with its id.
pub async fn record(ledger: &Ledger, exchange: Exchange) -> Exchange {
    let (saved_to, saved) = tokio::sync::oneshot::channel();
    ledger.record_later(
        exchange,
        Box::new(|exchange| saved_to.send(exchange).unwrap()),
    );
    ledger.flush().await;
    saved.await.unwrap()
}

pub async fn take(ledger: &dyn Backend, reserve: u32) -> SlotOutcome {
    ledger.take_slot(terms("kanga", 3, reserve)).await.unwrap()
}

pub fn granted(slots: SlotOutcome) -> SlotId {
    match slots {
        SlotOutcome::Granted(granted) => granted.take(),
        _ => panic!("{slots:?}"),
    }
}

/// The shop's API.
pub const API: &str = "https://api.example";

/// A profile whose shop uses this API now.
pub fn apis(profile: &str, api: &str) -> ProfileApis {
    ProfileApis {
        profile: profile.into(),
        apis: HashMap::from([(shop(), api.into())]),
    }
}

/// A payment of the shop in a profile.
pub fn of(profile: &str, id: &str) -> PaymentKey {
    PaymentKey {
        profile: profile.into(),
        account: shop(),
        id: PaymentId::new(id).unwrap(),
    }
}

/// A runtime for one thread: that of a process, or of the cases of a property test.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
