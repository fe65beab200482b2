//! `tilldeck budget`: what is used, what is free, who else spends; from the ledger alone.

use serde_json::Value;

use crate::peer::{Peer, reply};
use crate::program::{API_KEY, Place, Ran, Served};

const OFFERS: &str = "/sales-manager-api/api/v1/offers?size=1";

/// A Kinguin account "keys" beside a Kanga account "shop" with three requests a minute.
fn place(keys: &str, shop: &str) -> Place {
    Place::with_config(&format!(
        "default_profile = \"test\"\n[profiles.test.accounts.keys]\nprovider = \"kinguin\"\nenvironment = \"sandbox\"\n\
         client_id = \"SANDBOX-KINGUIN-CLIENT\"\nclient_secret = {{ env = \"SANDBOX_SECRET\" }}\n\
         endpoints = {{ token = \"{keys}/auth/token\", gateway = \"{keys}\" }}\n\
         [profiles.test.accounts.shop]\nprovider = \"kanga\"\napi_key = \"{API_KEY}\"\n\
         api_secret = {{ env = \"TEST_API_SECRET\" }}\nendpoints = {{ api = \"{shop}\", pay = \"{shop}\" }}\n\
         budget = {{ requests = 3, period = \"60s\" }}\n"
    ))
}

fn asked(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    command.env("SANDBOX_SECRET", "SANDBOX-KINGUIN-SECRET-1");
    Ran::of(command)
}

fn gauge(place: &Place, account: &str, counts: &str) -> Value {
    let ran = asked(place, &["budget", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let found = ran
        .objects()
        .into_iter()
        .find(|gauge| gauge["account"] == account && gauge["counts"] == counts);
    found.unwrap_or_else(|| panic!("{account} {counts}: {ran:?}"))
}

#[test]
fn what_other_processes_used_is_reported_to_people_and_scripts() {
    let serving = Place::new();
    let served = Served::start(&serving, &[]);
    let peer = Peer::start(vec![reply("200 OK", "", "{}")]);
    let place = place(&served.url, &peer.url);
    let before = gauge(&place, "keys", "reads");
    assert_eq!(
        (&before["schema"], &before["used"], &before["free"]),
        (&1.into(), &0.into(), &4000.into())
    );
    assert_eq!(before["period_ms"], 60_000);
    assert!(before["next_free_ms"].is_null() && before["held_ms"].is_null());

    for _ in 0..2 {
        assert_eq!(asked(&place, &["request", "keys", "GET", OFFERS]).code, 0);
    }
    let reads = gauge(&place, "keys", "reads");
    assert_eq!(
        (&reads["used"], &reads["free"]),
        (&2.into(), &3998.into()),
        "the token call counts for nothing"
    );
    assert_eq!(gauge(&place, "keys", "writes")["used"], 0);

    for _ in 0..3 {
        let write = ["request", "shop", "POST", "/api/v2/test", "--yes"];
        asked(&place, &write);
    }
    let full = gauge(&place, "shop", "all");
    assert_eq!((&full["used"], &full["free"]), (&3.into(), &0.into()));
    let next = full["next_free_ms"].as_u64().unwrap();
    assert!((1..=60_000).contains(&next), "{full}");

    let words = asked(&place, &["budget", "--account", "shop"]);
    assert_eq!(words.code, 0, "{words:?}");
    assert_eq!(words.out.lines().count(), 2, "{words:?}");
    assert!(
        words.out.contains("3/3") && words.out.contains("next request in"),
        "{words:?}"
    );
    assert_eq!(peer.requests().len(), 3, "it asks nobody");
}

#[test]
fn a_limit_whose_number_is_not_set_keeps_its_published_period() {
    let nowhere = "http://127.0.0.1:9";
    for (set, reads) in [("", (4000, 60_000)), (", reads = 7", (7, 1_000))] {
        let place = place(nowhere, nowhere);
        let config = std::fs::read_to_string(place.config_path()).unwrap();
        let budget = format!(
            "budget = {{ requests = 30, period = \"1s\"{set} }}\n[profiles.test.accounts.shop]"
        );
        let config = config.replace("[profiles.test.accounts.shop]", &budget);
        std::fs::write(place.config_path(), config).unwrap();
        for (counts, (requests, period)) in [("writes", (30, 1_000)), ("reads", reads)] {
            let gauge = gauge(&place, "keys", counts);
            assert_eq!(
                (&gauge["free"], &gauge["period_ms"]),
                (&requests.into(), &period.into()),
                "{gauge}"
            );
        }
    }
}

#[test]
fn a_429_of_another_program_is_reported() {
    let peer = Peer::start(vec![reply(
        "429 Too Many Requests",
        "Retry-After: 42\r\n",
        "slow down",
    )]);
    let place = place(&peer.url, &peer.url);
    let write = [
        "request",
        "shop",
        "POST",
        "/api/v2/test",
        "--yes",
        "--no-wait",
    ];
    assert_eq!(asked(&place, &write).code, 6);
    let held = gauge(&place, "shop", "all");
    let left = held["held_ms"].as_u64().unwrap();
    assert!((30_000..=42_000).contains(&left), "{held}");
    assert_eq!(held["free"], 0);
    let words = asked(&place, &["budget", "--account", "shop"]).out;
    assert!(
        words.contains("another program may be using these credentials"),
        "{words}"
    );
}

#[test]
fn an_account_that_is_not_there_is_exit_2() {
    let place = place("http://127.0.0.1:9", "http://127.0.0.1:9");
    let ran = asked(&place, &["budget", "--account", "nobody", "--json"]);
    assert_eq!(
        (ran.code, &ran.object()["error"]["kind"]),
        (2, &"usage".into())
    );
}
