//! The ten points of a faithful simulator, over real loopback HTTP with a hand-driven clock.

mod access;
mod notice;
mod purchase;
mod robust;
mod schedule;

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::auth::sign;
use crate::clock::{Clock, Hand};
use crate::domain::Secret;
use crate::domain::simulate::Command;
use crate::http_server::tests::raw;
use crate::sandbox::{Options, Sandbox, start};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const GRANT: &str = "grant_type=client_credentials";
/// Instalments, transfer, signed.
const MERCHANT: &str = "mer_00000000-0000-4000-8000-000000000001";
/// Of the other environment.
const PRODUCTION: &str = "mer_00000000-0000-4000-8000-000000000101";

struct Bench {
    sandbox: Sandbox,
    hand: Hand,
    to: SocketAddr,
}

#[derive(Debug)]
struct Seen {
    status: u16,
    head: String,
    body: String,
}

impl Seen {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

async fn bench_with(change: impl FnOnce(&mut Options)) -> Bench {
    let (clock, hand) = Clock::by_hand(WallTime(1_795_316_066_000));
    let mut options = Options::new(clock);
    change(&mut options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let sandbox = start(listener, vec![Box::new(Pledg::default())], options)
        .await
        .unwrap();
    Bench { sandbox, hand, to }
}

async fn bench() -> Bench {
    bench_with(|_| {}).await
}

fn pair(user: &str, password: &str) -> String {
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    format!("Authorization: Basic {encoded}\r\n")
}

fn carrying(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn debug(seen: &Seen) -> String {
    seen.json()["error"]["debug"].as_str().unwrap().to_owned()
}

fn error_type(seen: &Seen) -> String {
    seen.json()["error"]["type"].as_str().unwrap().to_owned()
}

/// Data of a purchase of 20.00.
fn order(reference: &str, merchant: &str) -> Value {
    json!({ "data": {
        "merchantUid": merchant,
        "amountCents": 2000,
        "email": "payer@shop.example",
        "firstName": "Jo",
        "lastName": "Payer",
        "reference": reference,
        "title": "Two nights",
    } })
}

fn signed(payload: &Value, secret: &str) -> String {
    sign::jwt_hs256(&Secret::new(secret), payload)
}

impl Bench {
    async fn send(&self, method: &str, target: &str, headers: &str, body: &str) -> Seen {
        let wire = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.to,
            body.len()
        );
        let all = raw(self.to, wire.as_bytes()).await.unwrap();
        let all = String::from_utf8(all).unwrap();
        let (head, body) = all.split_once("\r\n\r\n").unwrap();
        Seen {
            status: head[9..12].parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    async fn post(&self, target: &str, headers: &str, body: &str) -> Seen {
        self.send("POST", target, headers, body).await
    }

    async fn token_of(&self, key: &str, secret: &str) -> String {
        let headers = format!("{FORM}{}", pair(key, secret));
        let seen = self.post("/api/token", &headers, GRANT).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        seen.json()["access_token"].as_str().unwrap().to_owned()
    }

    async fn token(&self) -> String {
        self.token_of(API_KEY, API_SECRET).await
    }

    async fn simulate(&self, uid: &str, headers: &str, body: &str) -> Seen {
        let target = format!("/api/merchants/{uid}/simulate_payment_schedule");
        self.post(&target, headers, body).await
    }

    fn set(&self, setting: &str, value: &str) -> Result<String, String> {
        self.sandbox.command(&Command::Set {
            provider: "pledg".into(),
            setting: setting.into(),
            value: value.into(),
        })
    }

    fn pass(&self, seconds: u64) {
        self.hand.advance(Duration::from_secs(seconds));
    }

    async fn link(&self, signature: &str) -> Seen {
        let target = format!("/api/purchase_link/?signature={signature}");
        self.post(&target, "", "").await
    }

    async fn buy(&self, order: &Value) -> Seen {
        self.link(&signed(order, MERCHANT_SECRET)).await
    }

    fn event(&self, event: &str, subject: &str) -> Result<String, String> {
        self.sandbox.command(&Command::Event {
            provider: "pledg".into(),
            event: event.into(),
            subject: subject.into(),
        })
    }

    async fn state(&self) -> Value {
        let seen = self.send("GET", "/_control/state", "", "").await;
        seen.json()["providers"]["pledg"].clone()
    }

    /// The latest purchase of this reference.
    async fn purchase(&self, reference: &str) -> Value {
        let state = self.state().await;
        let mut all = state["purchases"].as_array().unwrap().iter().rev();
        let found = all.find(|purchase| purchase["reference"] == reference);
        found.unwrap().clone()
    }
}
