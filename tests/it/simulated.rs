//! A sandbox in a process of its own, and a place whose accounts speak to it.

use std::process::Command;

use serde_json::Value;

use crate::program::{Place, Ran, Served};

pub const API: &str = "/sales-manager-api/api/v1";
/// An offer of the seeded world.
pub const OFFER: &str = "65a0c0de0000000000000001";
/// A change of it that may be sent any number of times.
pub const PRICE: &str = r#"{"price": {"amount": 1500, "currency": "EUR"}}"#;

const SECRETS: [(&str, &str); 2] = [
    ("KEYS", "SANDBOX-KINGUIN-SECRET-1"),
    ("LATER", "SANDBOX-PLEDG-API-SECRET"),
];

/// The sandbox and the place.
pub struct Simulated {
    pub served: Served,
    pub place: Place,
    _serving: Place,
}

impl Simulated {
    /// A sandbox served with these arguments; Kinguin's account `keys` has these further lines in the config, and
    /// Pledg's is called `later`.
    pub fn start(serve: &[&str], keys: &str) -> Self {
        let serving = Place::new();
        let served = Served::start(&serving, serve);
        let place = Place::with_config(&format!(
            "default_profile = \"test\"\n[profiles.test.accounts.keys]\nprovider = \"kinguin\"\nenvironment = \"sandbox\"\n\
             client_id = \"SANDBOX-KINGUIN-CLIENT\"\nclient_secret = {{ env = \"KEYS\" }}\n\
             endpoints = {{ token = \"{0}/auth/token\", gateway = \"{0}\" }}\n{keys}\
             [profiles.test.accounts.later]\nprovider = \"pledg\"\nenvironment = \"sandbox\"\n\
             api_key = \"SANDBOX-PLEDG-KEY\"\napi_secret = {{ env = \"LATER\" }}\nendpoints = {{ api = \"{0}\" }}\n",
            served.url
        ));
        Self {
            served,
            place,
            _serving: serving,
        }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command.envs(SECRETS);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }

    pub fn try_trigger(&self, what: &[&str]) -> Ran {
        let url = self.served.url.as_str();
        self.run(&[&["sandbox", "trigger", "--url", url], what].concat())
    }

    pub fn trigger(&self, what: &[&str]) {
        let ran = self.try_trigger(what);
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    /// Every exchange as the program tells it.
    pub fn log(&self) -> Vec<Value> {
        self.run(&["log", "--json"]).objects()
    }
}

#[test]
fn the_address_of_the_second_environments_is_printed() {
    let place = Place::new();
    let served = Served::start(&place, &["--json"]);
    let greeting: Value = serde_json::from_str(&served.url).unwrap();
    let (first, second) = (&greeting["url"], &greeting["production_url"]);
    assert!(second.as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_ne!(first, second);
}
