//! Kinguin's simulator over real loopback HTTP, with a manual clock.

mod access;
mod selling;
mod webhooks;

use std::fmt::Write as _;
use std::ops::Deref;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::domain::WallTime;
use crate::domain::catalogue::{DocumentedCall, ParamLocation};
use crate::domain::simulate::{Command, Fault};
use crate::providers::kinguin::catalogue::CATALOGUE;
use crate::sandbox::testing::{self, Seen};
use crate::sandbox::{Late, Options};

const API: &str = "/sales-manager-api/api/v1";
const OFFER: &str = "65a0c0de0000000000000001";
/// The id of another seller's client, whose offers the first one must not see.
const OTHER_CLIENT_ID: &str = "SANDBOX-KINGUIN-OTHER-CLIENT";
const PRODUCT: &str = "5c9b71292539a4e8f1809707";

/// The provider's calls on the shared test bench.
struct Bench {
    bench: testing::Bench,
    token: String,
}

impl Deref for Bench {
    type Target = testing::Bench;

    fn deref(&self) -> &testing::Bench {
        &self.bench
    }
}

impl Seen {
    /// The message of an error.
    fn message(&self) -> String {
        let body = self.json();
        body["message"].as_str().unwrap_or_default().to_owned()
    }
}

async fn bench() -> Bench {
    bench_with(|_| {}).await
}

async fn bench_with(change: impl FnOnce(&mut Options)) -> Bench {
    let mut bench = Bench {
        bench: testing::Bench::start(simulator(&CATALOGUE), change).await,
        token: String::new(),
    };
    bench.token = bench.grant(CLIENT_ID, CLIENT_SECRET).await;
    bench
}

impl Bench {
    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Seen {
        let mut lines = String::new();
        for (name, value) in headers {
            let _ = write!(lines, "{name}: {value}\r\n");
        }
        self.raw(&format!("{method} {path}"), &lines, body)
            .await
            .unwrap()
    }

    async fn as_client(&self, token: &str, method: &str, path: &str, body: &str) -> Seen {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", "application/json"),
        ];
        self.send(method, path, &headers, body).await
    }

    async fn get(&self, path: &str) -> Seen {
        self.as_client(&self.token, "GET", path, "").await
    }

    async fn write(&self, method: &str, path: &str, body: Value) -> Seen {
        self.as_client(&self.token, method, path, &body.to_string())
            .await
    }

    async fn token_call(&self, form: &str) -> Seen {
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        self.send("POST", TOKEN_PATH, &kind, form).await
    }

    async fn grant(&self, id: &str, secret: &str) -> String {
        let granted = self
            .token_call(&format!(
                "grant_type=client_credentials&client_id={id}&client_secret={secret}"
            ))
            .await;
        assert_eq!(granted.status, 200, "{granted:?}");
        granted.json()["access_token"].as_str().unwrap().to_owned()
    }
}

/// A documented call with its examples filled in.
fn filled(call: &DocumentedCall) -> String {
    let mut path = call.path.to_owned();
    let mut query = Vec::new();
    for param in call.params {
        match param.place {
            ParamLocation::Path => {
                path = path.replace(&format!("{{{}}}", param.name), param.example);
            }
            // All filters together may match nothing.
            ParamLocation::Query if !param.required && call.params.len() > 6 => {}
            ParamLocation::Query => query.push((param.name, param.example)),
        }
    }
    if query.is_empty() {
        path
    } else {
        format!("{path}?{}", serde_urlencoded::to_string(query).unwrap())
    }
}

// docs/providers/kinguin.md#calls
#[tokio::test]
async fn every_documented_call_works_with_its_examples() {
    let both = [1, 77]
        .into_iter()
        .flat_map(|seed| CATALOGUE.iter().map(move |call| (call, seed)));
    for (call, seed) in both {
        let bench = bench_with(|options| options.seed = seed).await;
        let subscribed = CATALOGUE
            .iter()
            .find(|call| call.path.ends_with("subscription") && call.writes);
        if call.path.ends_with("subscription") && !call.writes {
            let body = subscribed.unwrap().body.unwrap();
            bench.as_client(&bench.token, "POST", call.path, body).await;
        }
        let path = filled(call);
        let seen = if call.path.ends_with("/stock/file") {
            let bearer = format!("Bearer {}", bench.token);
            let body = "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"keys.txt\"\r\n\r\nSANDBOX-A\r\nSANDBOX-B\r\n--edge--\r\n";
            let kind = "multipart/form-data; boundary=\"edge\"";
            let headers = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
            let seen = bench.send(call.method, &path, &headers, body).await;
            assert_eq!(seen.json()["details"], "2 keys uploaded");
            seen
        } else {
            bench
                .as_client(
                    &bench.token,
                    call.method,
                    &path,
                    call.body.unwrap_or_default(),
                )
                .await
        };
        assert!(
            (200..300).contains(&seen.status)
                || (seen.message() == "Merchant already created"
                    && call.path.ends_with("/merchants")),
            "{} {path}: {seen:?}",
            call.method
        );
        let rows = seen.body.contains("\"content\":[]") || seen.body == "[]" || seen.body == "{}";
        assert!(
            !rows || call.path.contains("envoy2") || call.path.contains("archive"),
            "an example should find something: {path}: {seen:?}"
        );
    }
}

// docs/providers/kinguin.md#money
#[tokio::test]
async fn every_object_has_an_undocumented_field_and_money_is_whole_cents() {
    let bench = bench().await;
    let mut bodies = String::new();
    for call in CATALOGUE.iter().filter(|call| !call.writes) {
        let seen = bench.get(&filled(call)).await;
        if seen.status != 200 || seen.header("content-type") != Some("application/json") {
            continue;
        }
        let value = seen.json();
        assert!(
            !value.is_object()
                || seen.body.contains("sandboxExtra")
                || seen.body.contains("\"content\":[]"),
            "{}: {}",
            call.path,
            seen.body
        );
        assert!(!has_fraction(&value), "{}: {}", call.path, seen.body);
        bodies += &seen.body;
    }
    // A client must pass over one of each type.
    for of_a_type in ["true", "1", "\"an undocumented field\""] {
        let field = format!("\"sandboxExtra\":{of_a_type}");
        assert!(bodies.contains(&field), "{field}");
    }
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.to_string().contains('.'),
        Value::Array(all) => all.iter().any(has_fraction),
        Value::Object(all) => all.values().any(has_fraction),
        _ => false,
    }
}

// docs/providers/kinguin.md#simulator
#[tokio::test]
async fn faults_apply_to_the_token_call_and_to_api_calls() {
    let bench = bench().await;
    for (fault, status) in [
        (Fault::ServerError, 503),
        (Fault::Html, 502),
        (Fault::TooManyRequests { retry_after: None }, 429),
    ] {
        bench.sandbox.command(&Command::SetFault(fault)).unwrap();
        assert_eq!(bench.token_call("").await.status, status);
        assert_eq!(bench.get(&format!("{API}/merchants")).await.status, status);
    }
    bench
        .sandbox
        .command(&Command::SetFault(Fault::TornBody))
        .unwrap();
    let torn = bench.get(&format!("{API}/offers")).await;
    assert!(serde_json::from_str::<Value>(&torn.body).is_err());
}

// docs/providers/kinguin.md#simulator
#[tokio::test]
async fn no_secret_and_no_token_is_echoed_saved_or_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.json");
    let bench = bench_with(|options| options.state_file = Some(path.clone())).await;
    let planted = "PLANTED-PLANTED";
    let refused = bench
        .token_call(&format!(
            "grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={planted}"
        ))
        .await;
    let stock = format!("{API}/offers/{OFFER}/stock");
    let key = json!({ "body": planted, "mimeType": "text/plain" });
    assert_eq!(bench.write("POST", &stock, key).await.status, 200);
    let subscription = json!({
        "endpoints": { "reserve": "http://127.0.0.1:9/" },
        "headers": [{ "name": "X-Auth-Token", "value": planted }],
    });
    let seen = bench
        .write("POST", "/envoy2/api/v1/subscription", subscription)
        .await;
    assert_eq!(seen.status, 200, "{seen:?}");
    bench.event("sale", OFFER).unwrap();
    let state = bench.send("GET", "/_control/state", &[], "").await;
    let index = bench.send("GET", "/", &[], "").await;
    let unknown = bench
        .as_client(planted, "GET", &format!("{API}/merchants"), "")
        .await;
    let saved = std::fs::read_to_string(&path).unwrap();
    for text in [
        refused.body,
        state.body,
        index.body,
        unknown.body,
        unknown.head,
        saved,
    ] {
        assert!(!text.contains(planted), "{text}");
        assert!(!text.contains(CLIENT_SECRET), "{text}");
        assert!(!text.contains(&bench.token), "{text}");
    }
}

#[tokio::test]
async fn the_saved_state_survives_a_restart_without_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.json");
    let first = bench_with(|options| options.state_file = Some(path.clone())).await;
    first.set("limit-reads", "77").unwrap();
    first.event("revoke-tokens", "").unwrap();
    let token = first.grant(CLIENT_ID, CLIENT_SECRET).await;
    let offer = format!("{API}/offers/{OFFER}");
    let price = json!({ "price": { "amount": 2_222, "currency": "EUR" } }).to_string();
    assert_eq!(
        first
            .as_client(&token, "PATCH", &offer, &price)
            .await
            .status,
        200
    );
    let message = first.event("reset-secret", "").unwrap();
    assert!(message.contains("SANDBOX-KINGUIN-SECRET-2"), "{message}");
    first.bench.sandbox.stop().await;

    let again = Bench {
        bench: testing::Bench::start(simulator(&CATALOGUE), |options| {
            options.state_file = Some(path);
        })
        .await,
        token,
    };
    assert_eq!(again.get(&offer).await.status, 401, "tokens are not kept");
    let token = again.grant(CLIENT_ID, "SANDBOX-KINGUIN-SECRET-2").await;
    let seen = again.as_client(&token, "GET", &offer, "").await.json();
    assert_eq!(seen["priceIWTR"]["amount"], 2_222);
    let settings = &again.sandbox.settings()[0].1;
    assert_eq!(settings[2].value, "77");
    let keys = again
        .as_client(&token, "GET", &format!("{offer}/stock"), "")
        .await;
    assert!(keys.body.contains("SANDBOX-"), "a key has a text again");
}

#[tokio::test]
async fn settings_are_listed_as_they_are_written_and_invalid_ones_are_refused() {
    let bench = bench().await;
    for setting in bench.sandbox.settings().remove(0).1 {
        for choice in setting.choices {
            bench.set(setting.name, choice).unwrap();
            let now = bench.sandbox.settings().remove(0).1;
            let now = now.iter().find(|now| now.name == setting.name).unwrap();
            assert_eq!(now.value, *choice, "{}", setting.name);
        }
        for nonsense in [
            "",
            "0",
            "-1",
            "2",
            "1e3",
            "\u{1b}[31m",
            "99999999999999999999",
        ] {
            let refusal = bench.set(setting.name, nonsense).unwrap_err();
            assert!(!refusal.contains('\u{1b}'), "{refusal}");
        }
    }
    assert!(bench.set("speed", "1").unwrap_err().contains("token-life"));
    assert!(
        bench
            .event("explode", "")
            .unwrap_err()
            .contains("reset-secret")
    );
}

// docs/providers/kinguin.md#hosts
#[tokio::test]
async fn the_sandbox_environment_and_production_are_two_listeners_that_share_nothing() {
    let mut bench = bench().await;
    let (id, secret) = (
        "SANDBOX-KINGUIN-PRODUCTION-CLIENT",
        "SANDBOX-KINGUIN-PRODUCTION-SECRET-1",
    );
    let form = |id: &str, secret: &str| {
        format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")
    };
    assert_eq!(bench.token_call(&form(id, secret)).await.status, 401);
    let offer = format!("{API}/offers/{OFFER}");
    assert_eq!(bench.get(&offer).await.status, 200);

    bench.bench.go_to_production();
    let of_sandbox = form(CLIENT_ID, CLIENT_SECRET);
    assert_eq!(bench.token_call(&of_sandbox).await.status, 401);
    assert_eq!(
        bench.get(&offer).await.status,
        401,
        "a token does not cross"
    );
    bench.token = bench.grant(id, secret).await;
    let price = json!({ "price": { "amount": 2_222, "currency": "EUR" } });
    let changed = bench.write("PATCH", &offer, price).await.json();
    assert_eq!(changed["priceIWTR"]["amount"], 2_222);
    let state = bench.simulator().await;
    let seller = |provider: &str| state["providers"][provider]["sellers"][0]["client"].clone();
    assert_eq!(seller("kinguin"), CLIENT_ID);
    assert_eq!(seller("kinguin-production"), id);
}

// docs/providers/kinguin.md#failures
#[tokio::test]
async fn every_call_can_fail_with_a_plain_500() {
    let bench = bench().await;
    bench.set("plain-500", "on").unwrap();
    for seen in [
        bench.token_call("").await,
        bench.get(&format!("{API}/offers")).await,
    ] {
        let kind = seen.header("content-type");
        assert_eq!(
            (seen.status, kind, seen.body.as_str()),
            (
                500,
                Some("text/plain; charset=utf-8"),
                "Internal Server Error\n"
            )
        );
    }
    bench.set("plain-500", "off").unwrap();
    assert_eq!(bench.get(&format!("{API}/offers")).await.status, 200);
}
