//! Kongregate's simulator over real loopback HTTP, with a manual clock.

mod callbacks;
mod calls;

use std::ops::Deref;

use serde_json::{Map, Value};

use super::*;
use crate::providers::kongregate::catalogue::CATALOGUE;
use crate::sandbox::Options;
use crate::sandbox::testing::{self, Seen};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const KEY: &str = "api_key=SANDBOX-KONGREGATE-KEY";

/// The provider's calls on the shared test bench.
struct Bench(testing::Bench);

impl Deref for Bench {
    type Target = testing::Bench;

    fn deref(&self) -> &testing::Bench {
        &self.0
    }
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self(testing::Bench::start(simulator(&CATALOGUE), change).await)
    }

    /// GET below the prefix, with the key where the API description lists none and none is given.
    async fn get(&self, target: &str) -> Seen {
        let unlisted = ["/user_info", "/high_scores", "/kongpanions"];
        let bare =
            unlisted.iter().any(|path| target.starts_with(path)) && !target.contains("api_key");
        let joint = if target.contains('?') { '&' } else { '?' };
        let key = if bare {
            format!("{joint}{KEY}")
        } else {
            String::new()
        };
        let target = format!("/api{target}{key}");
        self.raw(&format!("GET {target}"), "", "").await.unwrap()
    }

    /// GET with the key, as JSON.
    async fn keyed(&self, target: &str) -> Value {
        let separator = if target.contains('?') { '&' } else { '?' };
        let seen = self.get(&format!("{target}{separator}{KEY}")).await;
        assert_eq!(seen.status, 200);
        seen.json()
    }

    /// POST of a form with the key, as JSON.
    async fn post(&self, target: &str, form: &str) -> Value {
        let body = format!("{form}&{KEY}");
        let seen = self.raw(&format!("POST /api{target}"), FORM, &body).await;
        let seen = seen.unwrap();
        assert_eq!(seen.status, 200);
        seen.json()
    }

    /// A player from the sandbox's state.
    async fn player(&self, id: u64) -> Value {
        let simulator = self.simulator().await;
        let players = simulator["providers"]["kongregate"]["players"].as_array();
        let mut players = players.unwrap().iter();
        players.find(|one| one["user_id"] == id).unwrap().clone()
    }
}

/// Error and description of a failure.
fn failure(answer: &Value) -> (u64, &str) {
    assert_eq!(answer["success"], false, "{answer}");
    let words = answer["error_description"].as_str().unwrap();
    (answer["error"].as_u64().unwrap(), words)
}
