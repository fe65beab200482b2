//! Pledg's simulator over real loopback HTTP, with a manual clock.

mod access;
mod notice;
mod purchase;
mod robust;
mod schedule;

use std::ops::Deref;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;
use crate::auth::sign;
use crate::domain::Secret;
use crate::domain::simulate::Command;
use crate::sandbox::Options;
use crate::sandbox::testing::{self, Seen};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const GRANT: &str = "grant_type=client_credentials";
/// Instalments, transfer, signed.
const MERCHANT: &str = "mer_00000000-0000-4000-8000-000000000001";
/// Of the other environment.
const PRODUCTION: &str = "mer_00000000-0000-4000-8000-000000000101";

/// The provider's calls on the shared test bench.
struct Bench(testing::Bench);

impl Deref for Bench {
    type Target = testing::Bench;

    fn deref(&self) -> &testing::Bench {
        &self.0
    }
}

async fn bench_with(change: impl FnOnce(&mut Options)) -> Bench {
    Bench(testing::Bench::start(Box::new(Pledg::default()), change).await)
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
        self.raw(&format!("{method} {target}"), headers, body)
            .await
            .unwrap()
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

    async fn link(&self, signature: &str) -> Seen {
        let target = format!("/api/purchase_link/?signature={signature}");
        self.post(&target, "", "").await
    }

    async fn buy(&self, order: &Value) -> Seen {
        self.link(&signed(order, MERCHANT_SECRET)).await
    }

    async fn state(&self) -> Value {
        self.simulator().await["providers"]["pledg"].clone()
    }

    /// The latest purchase of this reference.
    async fn purchase(&self, reference: &str) -> Value {
        let state = self.state().await;
        let mut all = state["purchases"].as_array().unwrap().iter().rev();
        let found = all.find(|purchase| purchase["reference"] == reference);
        found.unwrap().clone()
    }
}
