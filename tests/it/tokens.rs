//! Access tokens end to end: a real deck or the real program on one side, servers that do as they are told to the
//! byte on the other.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tilldeck::clock::{Clock, ManualClock};
use tilldeck::config::{self, Environ, Keyring, KeyringError, Vault};
use tilldeck::deck::{Deck, Handover, Options};
use tilldeck::domain::{
    AccountId, Problem, ProblemKind, RawCall, Secret, StoredIn, TokenStatus, WallTime,
};
use tilldeck::net::{Event, Network};
use tilldeck::providers::SPECS;

use crate::bad_input::fails;
use crate::deck::how;
use crate::peer::{Act, Peer, closed_port, json, reply};
use crate::program::{Place, Ran, Served};
use crate::simulated::{API, OFFER, Simulated};

const START: WallTime = WallTime(1_795_316_066_000);
const SECRET: &str = "planted-client-secret-0001";
const OTHER_SECRET: &str = "planted-client-secret-0002";
const PATH: &str = "/sales-manager-api/api/v1/merchants";

fn granted(token: &str, life: u64) -> Act {
    json(&format!(
        r#"{{"access_token":"{token}","expires_in":{life},"token_type":"bearer","scope":null}}"#
    ))
}

fn refused() -> Act {
    reply(
        "401 Unauthorized",
        "Content-Type: application/json\r\n",
        r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#,
    )
}

fn unauthorised() -> Act {
    reply("401 Unauthorized", "", "")
}

/// A place whose account "keys" fetches its tokens from `token` and speaks to `gateway`; its secret is in a file.
fn placed(token: &str, gateway: &str) -> Place {
    let place = Place::with_config(&format!(
        "default_profile = \"live\"\n[profiles.live.accounts.keys]\nprovider = \"kinguin\"\nenvironment = \"sandbox\"\n\
         client_id = \"client-of-a-test\"\nclient_secret = {{ file = \"secret\" }}\n\
         endpoints = {{ token = \"{token}/auth/token\", gateway = \"{gateway}\" }}\n"
    ));
    put_secret(&place, SECRET);
    place
}

fn put_secret(place: &Place, secret: &str) {
    std::fs::write(place.path().join("secret"), secret).unwrap();
}

struct Bench {
    deck: Arc<Deck>,
    hand: ManualClock,
    events: Option<tilldeck::net::EventReceiver>,
}

/// How a deck is opened beyond its place.
#[derive(Default)]
struct With {
    timeout: Option<Duration>,
    vault: Option<Vault>,
    listening: bool,
}

async fn open(place: &Place, with: With) -> Bench {
    open_at(place, with, START).await
}

async fn open_at(place: &Place, with: With, start: WallTime) -> Bench {
    let (clock, hand) = Clock::by_hand(start);
    let locations = place.locations(Environ::of([]));
    let config = config::load(&locations, &SPECS).unwrap();
    let (to, events) = tilldeck::net::events::channel();
    let options = Options {
        overrides: tilldeck::net::Overrides::default(),
        receive: None,
        ledger: config::LedgerConfig::default(),
        callbacks: config::Callbacks::default(),
        hooks: config::Hooks::default(),
        handover: Handover::default(),
        recording: None,
        renew: with.listening,
        state_dir: place.state(),
        clock,
        network: Network {
            idle: with.timeout,
            ..Network::default()
        },
        events: with.listening.then_some(to),
        environ: locations.environ.clone(),
        config: locations.config.clone(),
        vault: with.vault.unwrap_or_else(|| files(place)),
    };
    Bench {
        deck: Arc::new(
            Deck::open(config.profile(None).unwrap(), options)
                .await
                .unwrap(),
        ),
        hand,
        events: with.listening.then_some(events),
    }
}

fn files(place: &Place) -> Vault {
    Vault::files(place.state().join(config::VAULT))
}

fn keys() -> AccountId {
    AccountId::new("keys").unwrap()
}

fn call(method: &str) -> RawCall {
    RawCall {
        method: method.into(),
        path: PATH.into(),
        body: None,
        auth: None,
    }
}

impl Bench {
    async fn get(&self) -> Result<u16, Problem> {
        self.send("GET").await
    }

    async fn send(&self, method: &str) -> Result<u16, Problem> {
        let sent = self.deck.raw(&keys(), &call(method), how()).await;
        sent.map(|raw| raw.status)
    }

    fn status(&self) -> TokenStatus {
        self.deck.tokens()[0].1.clone()
    }
}

fn bearers(gateway: &Peer) -> Vec<String> {
    let seen = gateway.requests();
    seen.iter()
        .map(|request| request.header("authorization").unwrap_or("none").to_owned())
        .collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of answers")]
fn a_token_call_that_brings_none_is_reported_with_account_words_and_exit_code() {
    let body = |status: &str, body: &str| reply(status, "Content-Type: application/json\r\n", body);
    let ok = |text: &str| body("200 OK", text);
    let cases: Vec<(&str, Act, i32, &str, &str)> = vec![
        (
            "html",
            reply(
                "200 OK",
                "Content-Type: text/html\r\n",
                "<!DOCTYPE html><h1>Sign in</h1>",
            ),
            5,
            "bad_answer",
            "it is an HTML page",
        ),
        ("empty", ok(""), 5, "bad_answer", "it is empty"),
        (
            "torn",
            ok(r#"{"access_token":"MWE5NjJi"#),
            5,
            "bad_answer",
            "its JSON is cut off",
        ),
        (
            "without",
            ok(r#"{"expires_in":3600,"token_type":"bearer"}"#),
            5,
            "bad_answer",
            "it has no access_token",
        ),
        (
            "mac",
            ok(r#"{"access_token":"t","expires_in":3600,"token_type":"mac"}"#),
            5,
            "bad_answer",
            "its token_type is `mac`, and only bearer can be used",
        ),
        (
            "zero",
            ok(r#"{"access_token":"t","expires_in":0,"token_type":"bearer"}"#),
            5,
            "bad_answer",
            "expires_in is 0",
        ),
        (
            "negative",
            ok(r#"{"access_token":"t","expires_in":-5,"token_type":"bearer"}"#),
            5,
            "bad_answer",
            "expires_in is -5",
        ),
        (
            "400 client",
            body("400 Bad Request", r#"{"error":"invalid_client"}"#),
            3,
            "credentials_refused",
            "rejected the credentials (status 400: invalid_client)",
        ),
        (
            "400 other",
            body("400 Bad Request", r#"{"error":"unsupported_grant_type"}"#),
            5,
            "provider_failing",
            "(status 400: unsupported_grant_type)",
        ),
        (
            "401",
            refused(),
            3,
            "credentials_refused",
            "(status 401: invalid_client: Client authentication failed)",
        ),
        (
            "403",
            body(
                "403 Forbidden",
                r#"{"message":"\u001b[2JBlocked planted-client-secret-0001"}"#,
            ),
            3,
            "credentials_refused",
            "Blocked <client_secret>",
        ),
        (
            "429",
            reply("429 Too Many Requests", "Retry-After: 600\r\n", ""),
            5,
            "provider_failing",
            "429",
        ),
        (
            "500",
            body("500 Internal Server Error", "oops"),
            5,
            "provider_failing",
            "token endpoint is failing (status 500)",
        ),
        (
            "503",
            reply("503 Service Unavailable", "", "<html>"),
            5,
            "provider_failing",
            "token endpoint is failing (status 503",
        ),
        (
            "redirect",
            reply(
                "302 Found",
                "Location: https://evil.example/?access_token=x\r\n",
                "",
            ),
            5,
            "provider_failing",
            "redirects are not followed",
        ),
    ];
    std::thread::scope(|scope| {
        for (name, act, code, kind, words) in &cases {
            scope.spawn(move || {
                let token = Peer::start(vec![act.clone()]);
                let place = placed(&token.url, "http://127.0.0.1:1");
                let ran = place.run(&["token", "refresh", "keys", "--json"]);
                let error = &ran.object()["error"];
                let told = error["message"].as_str().unwrap();
                assert_eq!(
                    (ran.code, error["kind"].as_str().unwrap()),
                    (*code, *kind),
                    "{name}: {ran:?}"
                );
                assert!(
                    told.starts_with("account keys: no access token: "),
                    "{name}: {told}"
                );
                assert!(told.contains(words), "{name}: {told}");
                assert!(
                    !ran.all().contains("planted") && !ran.all().contains('\u{1b}'),
                    "{name}: {ran:?}"
                );
                assert!(!error["hint"].as_str().unwrap().is_empty(), "{name}");
                // The same by the call that needed the token: nothing of it is sent.
                let says = ["account keys: no access token: ", words];
                let request = ["request", "keys", "GET", PATH];
                let ran = fails(&place, &request, *code, kind, &says);
                assert!(
                    ran.out.is_empty() && !ran.err.contains("planted"),
                    "{ran:?}"
                );
            });
        }
    });
}

#[tokio::test]
async fn a_silent_or_absent_token_endpoint_is_reported_within_its_limit() {
    let silent = Peer::start(vec![Act::Silence]);
    let gateway = Peer::start(vec![json("[]")]);
    let with = With {
        timeout: Some(Duration::from_millis(60)),
        ..With::default()
    };
    let place = placed(&silent.url, &gateway.url);
    let bench = open(&place, with).await;
    let problem = bench.get().await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Unreachable);
    assert!(
        problem
            .message
            .starts_with("account keys: no access token: 127.0.0.1:")
            && problem.message.ends_with("did not answer within 60 ms"),
        "{problem:?}"
    );
    assert!(
        problem.hint.contains("`endpoints` of account"),
        "{problem:?}"
    );
    assert_eq!(
        gateway.requests().len(),
        0,
        "nothing is sent without a token"
    );
}

#[tokio::test]
async fn a_token_endpoint_where_nobody_listens_is_reported() {
    let gateway = Peer::start(vec![json("[]")]);
    let nobody = format!("http://127.0.0.1:{}", closed_port());
    let place = placed(&nobody, &gateway.url);
    let bench = open(&place, With::default()).await;
    let problem = bench.get().await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Unreachable);
    assert!(
        problem.message.contains("refused the connection"),
        "{problem:?}"
    );
    assert_eq!(
        gateway.requests().len(),
        0,
        "nothing is sent without a token"
    );
}

#[tokio::test]
async fn twenty_callers_cost_one_token_call() {
    let token = Peer::start(vec![granted("token-a", 3600)]);
    let gateway = Peer::start(vec![json("[]")]);
    let place = placed(&token.url, &gateway.url);
    let bench = open(&place, With::default()).await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let deck = bench.deck.clone();
        calls.spawn(async move { deck.raw(&keys(), &call("GET"), how()).await });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(token.requests().len(), 1);
    assert_eq!(bearers(&gateway), vec!["Bearer token-a"; 20]);
}

#[tokio::test]
async fn two_requests_for_a_new_token_at_once_cost_one_token_call() {
    let token = Peer::start(vec![granted("token-a", 3600), granted("token-b", 3600)]);
    let place = placed(&token.url, "http://127.0.0.1:1");
    let bench = open(&place, With::default()).await;
    bench.deck.load_tokens().await;
    let keys = keys();
    let new = || bench.deck.fetch_token(&keys, how());
    let (one, two) = tokio::join!(new(), new());
    for status in [one, two] {
        let status = status.unwrap();
        assert_eq!((status.fetched, status.stored_in), (1, StoredIn::File));
    }
    assert_eq!(token.requests().len(), 1);
    new().await.unwrap();
    assert_eq!(token.requests().len(), 2);
}

#[tokio::test]
async fn two_decks_on_one_state_folder_cost_one_token_call() {
    let token = Peer::start(vec![granted("token-a", 3600)]);
    let gateway = Peer::start(vec![json("[]")]);
    let place = placed(&token.url, &gateway.url);
    let (one, two) = (
        open(&place, With::default()).await,
        open(&place, With::default()).await,
    );
    let (first, second) = tokio::join!(one.get(), two.get());
    assert_eq!((first, second), (Ok(200), Ok(200)));
    assert_eq!(token.requests().len(), 1);
    assert_eq!(one.status().fetched + two.status().fetched, 1);
}

#[test]
fn ten_runs_of_the_program_cost_one_token_call() {
    let token = Peer::start(vec![granted("token-a-0000000001", 3600)]);
    let gateway = Peer::start(vec![json("[]")]);
    let place = placed(&token.url, &gateway.url);
    let before = place.run(&["token", "show", "--json"]).object();
    assert_eq!(
        (&before["state"], &before["saved_in"]),
        (&"missing".into(), &"memory".into())
    );
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..3 {
                    assert_eq!(place.run(&["request", "keys", "GET", PATH]).code, 0);
                }
            });
        }
    });
    let printed = place.run(&["token", "print", "keys"]);
    assert_eq!(
        (printed.code, printed.out.as_str()),
        (0, "token-a-0000000001\n")
    );
    assert_eq!(token.requests().len(), 1);
    assert_eq!(gateway.requests().len(), 9);

    let ran = place.run(&["token", "show", "keys", "--json"]);
    let shown = ran.object();
    assert_eq!(shown["schema"], 1);
    assert_eq!(shown["account"], "keys");
    assert_eq!(shown["state"], "fresh");
    assert_eq!(shown["saved_in"], "file");
    assert_eq!(shown["fetched"], 0);
    assert_eq!(shown["failure"], Value::Null);
    assert!(
        (3500..=3600).contains(&shown["expires_in"].as_u64().unwrap()),
        "{shown}"
    );
    let instants = ["got_at", "renews_at", "expires_at"].map(|key| shown[key].as_str().unwrap());
    assert!(instants.is_sorted() && instants[0] < instants[1], "{shown}");
    let people = place.run(&["token", "show"]);
    assert!(
        people
            .rows()
            .starts_with("✔  keys     Kinguin   valid  59 min "),
        "{people:?}"
    );

    let elsewhere = [
        ran.all(),
        people.all(),
        place.run(&["log", "--export", "ndjson"]).all(),
        place.run(&["account", "list"]).all(),
    ];
    for text in elsewhere {
        assert!(
            !text.contains("token-a-0000000001") && !text.contains("planted"),
            "{text}"
        );
    }
    for name in ["ledger.db", "ledger.db-wal"] {
        let bytes = std::fs::read(place.state().join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains("token-a-0000000001") && !text.contains("planted"),
            "{name}"
        );
    }
}

#[test]
fn whoever_comes_one_token_call_serves_all_by_the_log_of_the_program() {
    const SCHEDULE: &str =
        "/api/merchants/mer_00000000-0000-4000-8000-000000000001/simulate_payment_schedule";
    let simulated = Simulated::start(&[], "");
    let setup = format!("{API}/offers/{OFFER}");
    let read = ["request", "keys", "GET", setup.as_str()];
    let data = r#"{"amount_cents": 20000, "created": "2026-12-17"}"#;
    let plan = ["request", "later", "POST", SCHEDULE, "--data", data];
    let at_once = [&read[..], &read[..], &plan[..], &plan[..]].map(|arguments| {
        let mut command = simulated.command(arguments);
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    });
    for mut child in at_once {
        assert!(child.wait().unwrap().success());
    }
    for _ in 0..8 {
        assert_eq!(simulated.run(&read).code, 0);
    }
    let log = simulated.log();
    let calls = |account: &str, path: &str| {
        let of = log.iter().filter(|row| row["account"] == account);
        of.filter(|row| row["url"].as_str().unwrap().ends_with(path))
            .count()
    };
    assert_eq!(
        (calls("keys", "/auth/token"), calls("keys", &setup)),
        (1, 10)
    );
    assert_eq!(
        (calls("later", "/api/token"), calls("later", SCHEDULE)),
        (1, 2)
    );
    assert_eq!(log.len(), 14, "{log:?}");
}

/// A token that ran out while its call was on the way, and how that ends for whoever scripts it.
#[test]
fn a_token_refused_in_mid_flight_is_replaced_and_the_call_sent_once_more() {
    for (method, more) in [("GET", &[][..]), ("DELETE", &["--yes"])] {
        let token = Peer::start(vec![
            granted("token-a-0000000001", 3600),
            granted("token-b-0000000002", 3600),
        ]);
        let gateway = Peer::start(vec![unauthorised(), json("[]")]);
        let place = placed(&token.url, &gateway.url);
        let ran = place.run(&[&["request", "keys", method, PATH], more].concat());
        assert_eq!((ran.code, ran.out.as_str()), (0, "[]"), "{ran:?}");
        assert_eq!(
            bearers(&gateway),
            ["Bearer token-a-0000000001", "Bearer token-b-0000000002"]
        );
    }
    // The token is as good as new, and is refused again: it is not the token.
    let token = Peer::start(vec![granted("token-a-0000000001", 3600)]);
    let gateway = Peer::start(vec![unauthorised()]);
    let place = placed(&token.url, &gateway.url);
    let ran = place.run(&["request", "keys", "GET", PATH, "--json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let object = ran.object();
    assert_eq!(
        (&object["status"], &object["error"]["kind"]),
        (&401.into(), &"credentials_refused".into())
    );
    assert!(
        object["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("account keys: "),
        "{object}"
    );
    assert_eq!((token.requests().len(), gateway.requests().len()), (2, 2));
}

/// A session bus that is not there, as over SSH or in a container.
#[test]
#[cfg(target_os = "linux")]
fn without_a_keyring_the_program_keeps_its_token_in_a_private_file_and_says_why() {
    use std::os::unix::fs::PermissionsExt as _;
    let token = Peer::start(vec![granted("token-a-0000000001", 3600)]);
    let place = placed(&token.url, "http://127.0.0.1:1");
    let run = |arguments: &[&str]| -> Ran {
        let bus = format!("unix:path={}", place.path().join("no-bus").display());
        let mut command = place.command(arguments);
        command
            .env_remove("TILLDECK_KEYRING")
            .env("DBUS_SESSION_BUS_ADDRESS", bus);
        Ran::of(command)
    };
    let ran = run(&["token", "refresh", "keys"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("saved in the state folder"), "{ran:?}");
    let said = "note: tokens are not saved in the system's keyring: no keyring on this machine";
    assert!(ran.err.contains(said), "{ran:?}");
    let shown = run(&["token", "show", "keys", "--json"]).object();
    assert_eq!(
        (&shown["state"], &shown["saved_in"]),
        (&"fresh".into(), &"file".into()),
        "{shown}"
    );
    let folder = place.state().join(config::VAULT);
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for file in std::fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

// docs/providers/kinguin.md#bearer
#[tokio::test]
async fn a_401_in_mid_flight_fetches_once_and_repeats_once() {
    for method in ["GET", "POST"] {
        let token = Peer::start(vec![granted("token-a", 3600), granted("token-b", 3600)]);
        let gateway = Peer::start(vec![unauthorised(), json("[]")]);
        let place = placed(&token.url, &gateway.url);
        let bench = open(&place, With::default()).await;
        assert_eq!(bench.send(method).await, Ok(200), "{method}");
        assert_eq!(bearers(&gateway), ["Bearer token-a", "Bearer token-b"]);
        assert_eq!(token.requests().len(), 2);
        bench.deck.finish_tokens().await;
        // What is kept is the new one.
        let next = open(&place, With::default()).await;
        assert_eq!(next.get().await, Ok(200));
        assert_eq!(bearers(&gateway)[2], "Bearer token-b");
    }
    let token = Peer::start(vec![granted("token-a", 3600), granted("token-b", 3600)]);
    let gateway = Peer::start(vec![unauthorised()]);
    let place = placed(&token.url, &gateway.url);
    let bench = open(&place, With::default()).await;
    assert_eq!(bench.get().await, Ok(401), "a second 401 is the answer");
    assert_eq!((token.requests().len(), gateway.requests().len()), (2, 2));
}

// docs/providers/pledg.md#failures
#[test]
fn a_token_that_pledg_calls_invalid_is_dropped_and_the_call_repeated_if_it_was_rejected() {
    const INVALID: &str = r#"{"error":{"type":"error_token","message":"revoked"}}"#;
    for (status, at_once) in [("400 Bad Request", true), ("200 OK", false)] {
        let peer = Peer::start(vec![
            granted("token-a", 3600),
            reply(status, "", INVALID),
            granted("token-b", 3600),
            json("{}"),
        ]);
        let place = Place::with_config(&format!(
            "default_profile = \"live\"\n[profiles.live.accounts.later]\nprovider = \"pledg\"\n\
             api_key = \"key\"\napi_secret = {{ env = \"TEST_API_SECRET\" }}\nendpoints = {{ api = \"{}\" }}\n",
            peer.url
        ));
        let write = [
            "request", "later", "POST", "/api/x", "--yes", "--data", "{}",
        ];
        let first = place.run(&write);
        assert_eq!(first.code == 0, at_once, "{status}: {first:?}");
        if !at_once {
            let second = place.run(&write);
            assert_eq!(second.code, 0, "{status}: {second:?}");
        }
        let last = peer.requests().pop().unwrap();
        assert_eq!(last.header("authorization"), Some("Bearer token-b"));
    }
}

#[test]
fn a_token_call_that_is_told_to_wait_is_made_by_no_process_until_then() {
    let token = Peer::start(vec![reply(
        "429 Too Many Requests",
        "Retry-After: 600\r\n",
        "",
    )]);
    let place = placed(&token.url, "http://127.0.0.1:1");
    for words in [
        "(status 429), retry after 10 min",
        "another 9 min",
        "another 9 min",
    ] {
        let ran = place.run(&["request", "keys", "GET", PATH]);
        assert!(ran.code == 5 && ran.err.contains(words), "{ran:?}");
    }
    let ran = place.run(&["request", "keys", "GET", PATH, "--no-wait"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    assert_eq!(token.requests().len(), 1);
    let budget = place.run(&["budget"]);
    assert!(!budget.out.contains("4294967295"), "{budget:?}");
    let held = |line: &str| {
        line.contains("others") && line.contains("not counted") && line.contains("next request in")
    };
    assert!(budget.out.lines().any(held), "{budget:?}");
}

#[test]
fn the_saved_token_of_an_account_that_is_removed_is_deleted_whatever_was_set_since() {
    let token = Peer::start(vec![granted("token-a-0000000001", 3600)]);
    let place = placed(&token.url, "http://127.0.0.1:1");
    let ran = place.run(&["token", "refresh", "keys"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let vault = || {
        let files = std::fs::read_dir(place.state().join("vault")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("token-")).count()
    };
    assert_eq!(vault(), 1);
    let text = std::fs::read_to_string(place.config_path()).unwrap();
    let more = "webhook_header = \"X-Token\"\nclient_secret";
    std::fs::write(place.config_path(), text.replace("client_secret", more)).unwrap();
    let ran = place.run(&["account", "remove", "keys", "--yes"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(vault(), 0);
}

#[tokio::test]
async fn a_token_that_was_refused_is_dropped() {
    let token = Peer::start(vec![granted("token-a", 3600), refused()]);
    let gateway = Peer::start(vec![json("[]"), unauthorised()]);
    let place = placed(&token.url, &gateway.url);
    let bench = open(&place, With::default()).await;
    bench.get().await.unwrap();
    let problem = bench.get().await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Refused, "{problem:?}");
    assert!(problem.message.starts_with("account keys: "), "{problem:?}");
    let status = bench.status();
    assert!(status.life.is_none() && status.failure.unwrap().refused);
    bench.deck.finish_tokens().await;
    let next = open(&place, With::default()).await;
    next.deck.load_tokens().await;
    assert_eq!(next.status().life, None);
}

#[tokio::test]
async fn a_clock_set_back_makes_no_token_younger() {
    let token = Peer::start(vec![granted("token-a", 3600), granted("token-b", 3600)]);
    let gateway = Peer::start(vec![json("[]")]);
    let place = placed(&token.url, &gateway.url);
    let bench = open(&place, With::default()).await;
    bench.get().await.unwrap();
    bench.hand.advance(Duration::from_mins(10));
    bench.hand.set_wall(WallTime(START.0 - 3_000_000));
    bench.get().await.unwrap();
    assert_eq!(token.requests().len(), 1, "it is as good as it was");
    bench.hand.advance(Duration::from_mins(51));
    bench.get().await.unwrap();
    assert_eq!(
        token.requests().len(),
        2,
        "an hour has passed, whatever the wall says"
    );
    assert_eq!(bearers(&gateway).last().unwrap(), "Bearer token-b");
}

#[tokio::test]
async fn after_a_sleep_past_expiry_the_old_token_is_not_tried() {
    let token = Peer::start(vec![granted("token-a", 600), granted("token-b", 600)]);
    let gateway = Peer::start(vec![json("[]")]);
    let place = placed(&token.url, &gateway.url);
    let bench = open(&place, With::default()).await;
    bench.get().await.unwrap();
    // The monotonic clock stands still meanwhile.
    bench.hand.set_wall(START.plus(Duration::from_hours(8)));
    bench.get().await.unwrap();
    assert_eq!(bearers(&gateway), ["Bearer token-a", "Bearer token-b"]);
}

#[tokio::test]
async fn a_secret_replaced_while_running_is_used_at_the_next_token_call() {
    let token = Peer::start(vec![
        granted("token-a", 600),
        refused(),
        granted("token-b", 600),
    ]);
    let gateway = Peer::start(vec![json("[]")]);
    let place = placed(&token.url, &gateway.url);
    let bench = open(&place, With::default()).await;
    bench.get().await.unwrap();
    let problem = bench.deck.fetch_token(&keys(), how()).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Refused);
    let status = bench.status();
    assert!(
        status.failure.unwrap().refused && status.life.is_some(),
        "a good token stays"
    );
    bench.get().await.unwrap();
    put_secret(&place, OTHER_SECRET);
    let status = bench.deck.fetch_token(&keys(), how()).await.unwrap();
    assert_eq!((status.failure, status.fetched), (None, 2));
    bench.get().await.unwrap();
    assert_eq!(
        bearers(&gateway),
        ["Bearer token-a", "Bearer token-a", "Bearer token-b"]
    );
    let secrets: Vec<bool> = token
        .requests()
        .iter()
        .map(|request| request.body.contains(OTHER_SECRET))
        .collect();
    assert_eq!(secrets, [false, false, true]);
}

#[tokio::test]
async fn refused_credentials_are_not_tried_again_by_polling_until_they_are_replaced() {
    let token = Peer::start(vec![refused(), granted("token-b", 600)]);
    let gateway = Peer::start(vec![json("[]")]);
    let place = placed(&token.url, &gateway.url);
    let bench = open(&place, With::default()).await;
    let polling = tilldeck::net::RequestOptions {
        background: true,
        ..how()
    };
    for minutes in 0..4 {
        let told = bench
            .deck
            .raw(&keys(), &call("GET"), polling)
            .await
            .unwrap_err();
        assert_eq!(told.kind, ProblemKind::Refused, "{minutes}");
        bench.hand.advance(Duration::from_mins(1));
    }
    assert_eq!(token.requests().len(), 1);
    put_secret(&place, OTHER_SECRET);
    bench
        .deck
        .raw(&keys(), &call("GET"), polling)
        .await
        .unwrap();
    assert_eq!(token.requests().len(), 2);
}

#[tokio::test]
async fn a_saved_token_that_cannot_be_read_is_reported_with_its_file_until_it_is_replaced() {
    let token = Peer::start(vec![granted("token-a", 600), granted("token-b", 600)]);
    let gateway = Peer::start(vec![json("[]")]);
    let place = placed(&token.url, &gateway.url);
    let bench = open(&place, With::default()).await;
    bench.get().await.unwrap();
    bench.deck.finish_tokens().await;
    let vault = files(&place);
    let saved = std::fs::read_dir(vault.folder()).unwrap().next().unwrap();
    let saved = saved.unwrap().path();
    let target = place.path().join("target");
    std::fs::rename(&saved, &target).unwrap();
    std::os::unix::fs::symlink(&target, &saved).unwrap();

    let words = format!("{} is a symbolic link; replace it", saved.display());
    let shown = place.run(&["token", "show", "--json"]);
    let note: Value = serde_json::from_str(&shown.out).unwrap();
    let note = note["note"].as_str().unwrap().to_owned();
    let expected = format!("tilldeck cannot read the saved token: {words}");
    assert!(note.starts_with(&expected), "{note}");
    let shown = place.run(&["token", "show"]);
    let expected = format!("keys: {note}");
    assert!(shown.err.contains(&expected), "{shown:?}");
    let found = place.run(&["doctor"]).out;
    assert!(found.contains(" is a symbolic link\n"), "{found}");

    let bench = open(&place, With::default()).await;
    bench.get().await.unwrap();
    bench.deck.finish_tokens().await;
    assert_eq!(bench.status().note, "");
    assert!(!saved.is_symlink());
}

#[tokio::test]
async fn a_failed_renewal_keeps_the_token_and_says_why() {
    let failing = reply("500 Internal Server Error", "", "");
    let token = Peer::start(vec![
        granted("token-a", 600),
        failing,
        granted("token-b", 600),
    ]);
    let gateway = Peer::start(vec![json("[]")]);
    let place = placed(&token.url, &gateway.url);
    let bench = open(&place, With::default()).await;
    bench.get().await.unwrap();
    bench.hand.advance(Duration::from_secs(545));
    bench.get().await.unwrap();
    bench.deck.finish_tokens().await;
    let status = bench.status();
    let failure = status.failure.clone().unwrap();
    assert!(failure.why.contains("status 500") && !failure.refused && failure.again.is_some());
    assert_eq!(token.requests().len(), 2);
    bench.hand.advance(Duration::from_secs(2));
    bench.get().await.unwrap();
    bench.deck.finish_tokens().await;
    bench.get().await.unwrap();
    // The third call may already have the new token: its renewal runs beside it.
    let sent = bearers(&gateway);
    assert_eq!(sent[..2], ["Bearer token-a", "Bearer token-a"]);
    assert_eq!(sent.last().unwrap(), "Bearer token-b");
}

#[tokio::test]
async fn a_verification_is_not_fooled_by_a_token_that_is_still_good() {
    let token = Peer::start(vec![granted("token-a", 3600), refused()]);
    let gateway = Peer::start(vec![json(r#"{"type":"MERCHANT","status":"ACTIVE"}"#)]);
    let place = placed(&token.url, &gateway.url);
    let bench = open(&place, With::default()).await;
    bench.deck.verify(&keys(), how()).await.unwrap();
    let problem = bench.deck.verify(&keys(), how()).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Refused);
    assert_eq!((token.requests().len(), gateway.requests().len()), (2, 1));
}

#[tokio::test]
async fn what_is_saved_is_trusted_only_where_it_makes_sense() {
    let ms = |by: i64| START.0 + by;
    let kept = |asked_at: i64, life: i64| {
        format!(r#"{{"schema":1,"access_token":"token-kept","asked_at":{asked_at},"life":{life}}}"#)
    };
    for (text, trusted) in [
        (kept(ms(-60_000), 3_600_000), true),
        (kept(ms(-3_600_000), 3_600_000), false),
        (kept(ms(60_000), 3_600_000), false),
        (kept(ms(-60_000), 0), false),
        (kept(ms(-60_000), -5), false),
        (kept(ms(-60_000), 864_000_000_000), false),
        (kept(i64::MIN, i64::MAX), false),
        (
            kept(ms(-60_000), 3_600_000).replace("token-kept", r"a\nb"),
            false,
        ),
        (kept(ms(-60_000), 3_600_000).replace(":1,", ":2,"), false),
        ("{\"schema\":1,\"acc".into(), false),
        (String::new(), false),
    ] {
        let token = Peer::start(vec![granted("token-new", 3600)]);
        let gateway = Peer::start(vec![json("[]")]);
        let place = placed(&token.url, &gateway.url);
        let first = open(&place, With::default()).await;
        first.get().await.unwrap();
        first.deck.finish_tokens().await;
        let folder = place.state().join(config::VAULT);
        let file = std::fs::read_dir(&folder)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        std::fs::write(&file, &text).unwrap();
        let second = open(&place, With::default()).await;
        second.get().await.unwrap();
        let used = if trusted {
            "Bearer token-kept"
        } else {
            "Bearer token-new"
        };
        assert_eq!(bearers(&gateway)[1], used, "{text}");
        second.deck.finish_tokens().await;
        let now = std::fs::read_to_string(&file).unwrap();
        assert_eq!(now.contains("token-new"), !trusted, "{text} became {now}");
    }
}

/// A keyring that does as it is told.
#[derive(Default)]
struct Fake {
    entry: std::sync::Mutex<Option<Secret>>,
    trouble: Option<KeyringError>,
    hangs: bool,
}

impl Fake {
    fn answer(&self) -> Result<std::sync::MutexGuard<'_, Option<Secret>>, KeyringError> {
        if self.hangs {
            std::thread::sleep(Duration::from_secs(5));
        }
        match &self.trouble {
            Some(why) => Err(why.clone()),
            None => Ok(self.entry.lock().unwrap()),
        }
    }
}

impl Keyring for Fake {
    fn get(&self, _: &str) -> Result<Option<Secret>, KeyringError> {
        Ok(self.answer()?.clone())
    }

    fn put(&self, _: &str, secret: &Secret) -> Result<(), KeyringError> {
        *self.answer()? = Some(secret.clone());
        Ok(())
    }

    fn forget(&self, _: &str) -> Result<(), KeyringError> {
        *self.answer()? = None;
        Ok(())
    }
}

#[tokio::test]
async fn where_the_keyring_is_absent_locked_or_slow_a_private_file_keeps_the_token_and_says_so() {
    let trouble = |why| Fake {
        trouble: Some(why),
        ..Fake::default()
    };
    let slow = Fake {
        hangs: true,
        ..Fake::default()
    };
    for (fake, kept, words) in [
        (Fake::default(), StoredIn::Keyring, ""),
        (
            trouble(KeyringError::Absent("no bus".into())),
            StoredIn::File,
            "no keyring on this machine",
        ),
        (
            trouble(KeyringError::Locked("no prompt".into())),
            StoredIn::File,
            "the keyring is locked (no prompt)",
        ),
        (
            slow,
            StoredIn::File,
            "the keyring did not respond within 40 ms",
        ),
    ] {
        let token = Peer::start(vec![granted("token-a", 3600), granted("token-b", 3600)]);
        let gateway = Peer::start(vec![json("[]")]);
        let place = placed(&token.url, &gateway.url);
        let folder = place.state().join(config::VAULT);
        let vault = Vault::with(folder.clone(), Arc::new(fake), Duration::from_millis(40));
        let with = || With {
            vault: Some(vault.clone()),
            ..With::default()
        };
        let bench = open(&place, with()).await;
        bench.get().await.unwrap();
        bench.deck.finish_tokens().await;
        let status = bench.status();
        assert_eq!(
            (status.stored_in, status.stored_note.as_str()),
            (kept, words)
        );
        let files = std::fs::read_dir(&folder).map_or(0, Iterator::count);
        assert_eq!(files, usize::from(kept == StoredIn::File), "{words}");
        let next = open(&place, with()).await;
        next.get().await.unwrap();
        assert_eq!(next.status().stored_in, kept);
        assert_eq!(token.requests().len(), 1, "{words}");
    }
}

#[tokio::test]
async fn while_the_console_listens_a_token_is_renewed_ahead_and_its_state_is_reported() {
    let token = Peer::start(vec![granted("token-a", 20), granted("token-b", 20)]);
    let gateway = Peer::start(vec![json("[]")]);
    let with = With {
        listening: true,
        ..With::default()
    };
    let place = placed(&token.url, &gateway.url);
    let mut bench = open(&place, with).await;
    let mut events = bench.events.take().unwrap();
    bench.get().await.unwrap();
    bench.deck.finish_tokens().await;
    let mut told = Vec::new();
    while let Some(event) = events.try_recv() {
        if let Event::Token(account, status) = event {
            assert_eq!(account, keys());
            told.push((status.fetching, status.fetched));
        }
    }
    assert_eq!(
        told,
        [(false, 1)],
        "a reader that comes late gets the newest state alone"
    );

    // Time is made to pass for the waits too; the last tenth of 20 s would be late: half of its life is early.
    tokio::time::pause();
    bench.hand.advance(Duration::from_secs(11));
    tokio::time::advance(Duration::from_secs(6)).await;
    tokio::time::resume();
    loop {
        let event = tokio::time::timeout(Duration::from_secs(5), events.recv()).await;
        if let Event::Token(_, status) = event.expect("it is renewed").unwrap()
            && status.fetched == 2
        {
            assert!(!status.fetching && status.life.is_some());
            break;
        }
    }
    bench.get().await.unwrap();
    assert_eq!(bearers(&gateway), ["Bearer token-a", "Bearer token-b"]);
    assert_eq!(token.requests().len(), 2);
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_the_fetch_to_the_others() {
    let token = Peer::start(vec![granted("token-a", 3600)]);
    let gateway = Peer::start(vec![json("[]")]);
    let place = placed(&token.url, &gateway.url);
    let bench = open(&place, With::default()).await;
    let deck = bench.deck.clone();
    let first = tokio::spawn(async move { deck.raw(&keys(), &call("GET"), how()).await });
    while !bench.status().fetching && bench.status().fetched == 0 {
        tokio::task::yield_now().await;
    }
    first.abort();
    let second = tokio::time::timeout(Duration::from_secs(5), bench.get()).await;
    assert_eq!(second.expect("not left hanging"), Ok(200));
    assert_eq!(token.requests().len(), 1);
}

#[test]
fn the_token_commands_keep_their_contract_against_a_sandbox_elsewhere() {
    let home = Place::new();
    let served = Served::start(&home, &[]);
    let place = Place::with_config(&format!(
        "default_profile = \"live\"\n[profiles.live.accounts.keys]\nprovider = \"kinguin\"\nenvironment = \"sandbox\"\n\
         client_id = \"SANDBOX-KINGUIN-CLIENT\"\nclient_secret = {{ file = \"secret\" }}\n\
         endpoints = {{ token = \"{0}/auth/token\", gateway = \"{0}\" }}\n\
         [profiles.live.accounts.shop]\nprovider = \"kanga\"\napi_key = \"k\"\napi_secret = {{ env = \"TEST_API_SECRET\" }}\n",
        served.url
    ));
    put_secret(&place, "SANDBOX-KINGUIN-SECRET-1");
    let refreshed = place.run(&["token", "refresh", "--json"]);
    assert_eq!(refreshed.code, 0, "{refreshed:?}");
    let object = refreshed.object();
    assert_eq!(
        (&object["state"], &object["saved_in"], &object["fetched"]),
        (&"fresh".into(), &"file".into(), &1.into())
    );
    let printed = place.run(&["token", "print", "keys", "--json"]).object();
    let token = printed["access_token"].as_str().unwrap();
    assert!(token.len() > 20, "{printed}");
    assert_eq!(printed["expires_at"], object["expires_at"]);
    assert!(!refreshed.all().contains(token));
    let again = place.run(&["token", "refresh", "keys"]);
    assert!(
        again.rows().starts_with("✔  keys     Kinguin   valid  "),
        "{again:?}"
    );
    assert!(
        again.err.contains("not saved in the system's keyring"),
        "{again:?}"
    );
    let renewed = place.run(&["token", "print", "keys"]).out;
    assert_ne!(renewed.trim(), token, "it was told to fetch another");

    for (arguments, words) in [
        (&["token", "show", "nobody"][..], "no account `nobody`"),
        (
            &["token", "print", "shop"],
            "account shop: Kanga TPG uses no access tokens",
        ),
        (
            &["token", "refresh", "--account", "shop"],
            "uses no access tokens",
        ),
        (&["token", "print"], "missing: <ACCOUNT>"),
        (
            &["token", "refresh", "keys", "--account", "shop"],
            "the argument names account `keys`, and --account `shop`",
        ),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(words), "{ran:?}");
    }
    put_secret(&place, "SANDBOX-of-someone-else");
    let refused = place.run(&["account", "verify", "keys"]);
    assert_eq!(
        refused.code, 3,
        "a kept token does not vouch for the secret: {refused:?}"
    );
    let still = place.run(&["request", "keys", "GET", PATH]);
    assert_eq!(still.code, 0, "a good token stays in use: {still:?}");
}
