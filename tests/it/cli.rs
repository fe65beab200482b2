//! The commands as the contract says, in words and as JSON, against the simulator and against peers.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::peer::{Peer, json as ok, reply};
use crate::program::{API_KEY, API_SECRET, Place, Ran, Served};

const FINALIZED: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"FINALIZED"}"#;
const ACTIVE: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"ACTIVE"}"#;
const UNKNOWN: &str = r#"{"result":"fail","code":9001}"#;

#[test]
fn check_says_what_became_of_a_payment() {
    let peer = Peer::start(vec![ok(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    let ran = place.run(&["check", "A-17", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut object = ran.object();
    let checked_at = object
        .as_object_mut()
        .unwrap()
        .remove("checked_at")
        .unwrap();
    assert!(checked_at.as_str().unwrap().ends_with('Z'), "{checked_at}");
    assert_eq!(
        object,
        json!({"schema":1,"account":"shop","id":"A-17","state":"FINALIZED","verdict":"not_compared","paid":null,
               "final":true,"currency":"BTC","amount":"0.010","expected_currency":null,"expected_amount":null})
    );
    let keys: Vec<&String> = object.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "schema",
            "account",
            "id",
            "state",
            "verdict",
            "paid",
            "final",
            "currency",
            "amount",
            "expected_currency",
            "expected_amount"
        ]
    );
    let words = place.run(&["check", "A-17"]);
    assert_eq!((words.code, words.err.as_str()), (0, ""));
    for said in [
        "FINALIZED, amount not compared",
        "0.010 BTC",
        "A-17",
        "shop",
    ] {
        assert!(words.out.contains(said), "{words:?}");
    }
}

// docs/providers/kanga.md#signature
#[test]
fn signed_bytes_are_sent_bytes() {
    let peer = Peer::start(vec![ok(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    place.run(&["check", "A-17"]);
    let seen = &peer.requests()[0];
    assert!(
        seen.head
            .starts_with("POST /api/v2/tpg/transaction HTTP/1.1"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(
        (&body["id"], &body["appId"]),
        (&"A-17".into(), &API_KEY.into())
    );
    assert!(
        body["nonce"].as_i64().unwrap() > 1_700_000_000_000,
        "milliseconds"
    );
    let expected = tilldeck::auth::sign::hmac_sha512_hex(
        &tilldeck::domain::Secret::new(API_SECRET),
        seen.body.as_bytes(),
    );
    assert_eq!(seen.header("api-sig"), Some(expected.as_str()));
}

#[test]
fn check_holds_expectations() {
    let peer = Peer::start(vec![ok(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    let code = |more: &[&str]| {
        let ran = place.run(&[&["check", "A-17"], more].concat());
        (ran.code, ran.err)
    };
    assert_eq!(code(&["--expect", "finalized"]).0, 0);
    assert_eq!(
        code(&["--amount", "0.01", "--currency", "BTC"]).0,
        0,
        "by value"
    );
    let (exit, said) = code(&["--expect", "ACTIVE"]);
    assert!(
        exit == 1 && said.contains("expected state ACTIVE, found FINALIZED"),
        "{said}"
    );
    let (exit, said) = code(&["--amount", "0.02", "--currency", "BTC"]);
    assert!(
        exit == 1 && said.contains("expected amount 0.02, found 0.010"),
        "{said}"
    );
    let (exit, said) = code(&["--amount", "0.01", "--currency", "btc"]);
    assert!(
        exit == 1 && said.contains("expected currency btc, found BTC"),
        "{said}"
    );
    let ran = place.run(&[
        "check",
        "A-17",
        "--amount",
        "0.02",
        "--currency",
        "BTC",
        "--json",
    ]);
    assert_eq!(
        (ran.code, &ran.object()["paid"]),
        (1, &false.into()),
        "FINALIZED, but not what was expected"
    );
}

#[test]
fn check_takes_many_ids_and_the_first_error_decides() {
    let peer = Peer::start(vec![ok(FINALIZED), ok(UNKNOWN), ok(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let ran = place.run(&["check", "A", "B", "C", "--expect", "FINALIZED", "--json"]);
    let objects = ran.objects();
    assert_eq!(objects.len(), 3, "one line for each: {ran:?}");
    assert_eq!(objects[0]["id"], "A");
    assert_eq!(objects[1]["error"]["kind"], "not_found");
    assert_eq!(objects[2]["state"], "ACTIVE");
    assert_eq!(ran.code, 4);
}

#[test]
fn check_waits_until_the_state_is_reached() {
    std::thread::scope(|scope| {
        for (first, told) in [(UNKNOWN, "does not know"), (ACTIVE, "it is ACTIVE")] {
            scope.spawn(move || {
                let peer = Peer::start(vec![ok(first), ok(FINALIZED)]);
                let place = Place::with_shop(&peer.url);
                let ran = place.run(&["check", "A-17", "--wait", "FINALIZED", "--timeout", "20s"]);
                assert_eq!(ran.code, 0, "{ran:?}");
                assert!(ran.err.contains(told), "{ran:?}");
            });
        }
    });
}

#[test]
fn check_gives_up_waiting_in_time_and_for_good() {
    let peer = Peer::start(vec![ok(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let ran = place.run(&[
        "check",
        "A-17",
        "--wait",
        "FINALIZED",
        "--timeout",
        "100ms",
        "--json",
    ]);
    assert_eq!(
        (ran.code, &ran.object()["error"]["kind"]),
        (7, &"timed_out".into()),
        "{ran:?}"
    );
    let peer = Peer::start(vec![ok(&FINALIZED.replace("FINALIZED", "CANCELED"))]);
    let place = Place::with_shop(&peer.url);
    let ran = place.run(&["check", "A-17", "--wait", "FINALIZED"]);
    assert_eq!(ran.code, 1, "it will never be: {ran:?}");
}

// docs/providers/kanga.md#price-estimate, docs/providers/kanga.md#contradictions
#[test]
fn the_estimates_other_url_is_at_the_payment_pages_host_and_asks_nothing_first() {
    let api = Peer::start(vec![ok("{}")]);
    let pay = Peer::start(vec![ok(r#"{"EMT":"3090"}"#)]);
    let place = Place::with_config(&format!(
        "default_profile = \"live\"\n[profiles.live.accounts.shop]\nprovider = \"kanga\"\napi_key = \"{API_KEY}\"\n\
         api_secret = {{ env = \"TEST_API_SECRET\" }}\nendpoints = {{ api = \"{}\", pay = \"{}\" }}\n",
        api.url, pay.url
    ));
    let data = r#"{"token":"EMT","quantity":"3000"}"#;
    let ran = place.run(&[
        "request",
        "shop",
        "POST",
        "/tpg/price/estimate",
        "--data",
        data,
    ]);
    assert_eq!(
        (ran.code, ran.out.trim()),
        (0, r#"{"EMT":"3090"}"#),
        "{ran:?}"
    );
    let sent = pay.requests();
    assert!(
        sent[0].head.starts_with("POST /tpg/price/estimate"),
        "{sent:?}"
    );
    assert!(sent[0].body.contains("shopToken"), "{sent:?}");
    assert_eq!(sent[0].header("api-sig"), None, "the estimate is unsigned");
    assert!(api.requests().is_empty());
}

#[test]
fn estimate_gives_exact_texts() {
    let peer = Peer::start(vec![ok(r#"{"oPLN":"40.330","BTC":"0.0015","EMT":"3090"}"#)]);
    let place = Place::with_shop(&peer.url);
    let mut object = place.run(&["estimate", "EMT", "3000", "--json"]).object();
    object.as_object_mut().unwrap().remove("quoted_at").unwrap();
    assert_eq!(
        object,
        json!({"schema":1,"account":"shop","token":"EMT","quantity":"3000","prices":{"BTC":"0.0015","EMT":"3090","oPLN":"40.330"}})
    );
    let seen = &peer.requests()[0];
    assert!(
        seen.head.starts_with("POST /api/tpg/price/estimate"),
        "{}",
        seen.head
    );
    assert_eq!(seen.header("api-sig"), None, "the estimate is unsigned");
    assert_eq!(
        seen.body,
        format!(r#"{{"token":"EMT","quantity":"3000","shopToken":"{API_KEY}"}}"#)
    );
}

#[test]
fn a_failure_in_another_form_is_no_estimate() {
    for (body, code) in [
        (r#"{"EMT":"3090","BTC":null}"#, 0),
        (r#"{"EMT":null}"#, 5),
        (r#"{"code":9001,"message":"no such token"}"#, 5),
        (r#"{"error":"maintenance"}"#, 5),
        (r#"{"EMT":"3090","error":"maintenance"}"#, 5),
    ] {
        let peer = Peer::start(vec![ok(body)]);
        let ran = Place::with_shop(&peer.url).run(&["estimate", "EMT", "3000"]);
        assert_eq!(ran.code, code, "{body}: {ran:?}");
    }
}

// docs/providers/kanga.md#payment-page
#[test]
fn a_link_has_every_value_percent_encoded() {
    let peer = Peer::start(vec![ok(r#"{"result":"ok","paymentToken":"tok/en+1"}"#)]);
    let place = Place::with_shop(&peer.url);
    let base = [
        "link",
        "--id",
        "A 17/b&c=d?#",
        "--amount",
        "25.00",
        "--currency",
        "oPLN",
        "--name",
        "Zamówienie 100%",
        "--email",
        "payer+1@example.com",
        "--force-currency",
        "ETH",
    ];
    let ran = place.run(&base);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.out.trim(),
        format!(
            "{}/tpg/payment/{API_KEY}?currency=oPLN&amount=25.00&transactionKey=A%2017%2Fb%26c%3Dd%3F%23\
             &name=Zam%C3%B3wienie%20100%25&email=payer%2B1%40example.com&forceCurrency=ETH",
            peer.url
        )
    );
    assert!(peer.requests().is_empty(), "a link needs no call");
    let ran = place.run(&[&base[..], &["--with-token", "--json"]].concat());
    assert!(
        ran.object()["url"]
            .as_str()
            .unwrap()
            .ends_with("&paymentToken=tok%2Fen%2B1"),
        "{ran:?}"
    );
    assert_eq!(peer.requests().len(), 1);
    let qr = place.run(&[
        "link",
        "--id",
        "A",
        "--amount",
        "1",
        "--currency",
        "BTC",
        "--qr",
    ]);
    assert!(
        qr.out.lines().count() > 10 && qr.out.contains('█'),
        "{qr:?}"
    );
}

#[test]
fn a_link_that_is_too_long_for_a_qr_code_is_printed_without_one() {
    let peer = Peer::start(vec![ok(UNKNOWN)]);
    let place = Place::with_shop(&peer.url);
    let name = "x".repeat(3000);
    let link = ["link", "--id", "A", "--amount", "1", "--currency", "BTC"];
    let ran = place.run(&[&link[..], &["--name", &name, "--qr"]].concat());
    assert!(
        ran.code == 0 && ran.err.contains("too long for a QR code"),
        "{ran:?}"
    );
    assert!(
        ran.out.starts_with("http") && ran.out.contains(&name),
        "{ran:?}"
    );
    let watched = place.run(&["payments", "list", "--json"]).object();
    assert_eq!(watched["expected_amount"], "1");
}

#[test]
fn accounts_are_listed_and_verified() {
    let peer = Peer::start(vec![ok(UNKNOWN)]);
    let place = Place::with_shop(&peer.url);
    let unknown = place.run(&["account", "list", "--account", "shpo"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(
        unknown.err.contains("its accounts are: shop"),
        "{unknown:?}"
    );
    let listed = place.run(&["account", "list", "--json"]).object();
    assert_eq!(
        listed,
        json!({"schema":1,"account":"shop","provider":"kanga","environment":"production",
               "host":peer.url.trim_start_matches("http://"),"secret_source":"env TEST_API_SECRET",
               "status":"untested","verified_at":null})
    );
    let ran = place.run(&["account", "verify", "shop"]);
    assert_eq!(ran.code, 0, "9001 proves key and secret: {ran:?}");
    assert!(ran.out.contains("valid"), "{ran:?}");
    assert_eq!(
        place.run(&["account", "list", "--json"]).object()["status"],
        "valid",
        "remembered"
    );
    let refusing = Peer::start(vec![ok(r#"{"result":"fail","code":9000}"#)]);
    let place = Place::with_shop(&refusing.url);
    assert_eq!(place.run(&["account", "verify"]).code, 3);
    assert_eq!(refusing.requests().len(), 2, "one retry with a fresh nonce");
}

#[test]
fn a_write_is_confirmed_or_not_sent() {
    let peer = Peer::start(vec![ok(r#"{"result":"ok","paymentToken":"abc"}"#)]);
    let place = Place::with_shop(&peer.url);
    let create = ["request", "shop", "POST", "/api/v2/tpg/create/payment"];
    let ran = place.run(&create);
    assert!(ran.code == 2 && ran.err.contains("--yes"), "{ran:?}");
    assert!(peer.requests().is_empty());
    let ran = place.run(&[&create[..], &["--yes"]].concat());
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, r#"{"result":"ok","paymentToken":"abc"}"#),
        "{ran:?}"
    );
    assert!(ran.err.starts_with("HTTP 200"), "{ran:?}");
    let read = place.run(&[
        "request",
        "shop",
        "POST",
        "/api/v2/tpg/transaction",
        "--data",
        r#"{"id":"A"}"#,
    ]);
    assert_eq!(read.code, 0, "a documented read asks nothing: {read:?}");
}

#[test]
fn a_raw_call_takes_its_body_from_text_file_or_standard_input() {
    let peer = Peer::start(vec![ok(UNKNOWN)]);
    let place = Place::with_shop(&peer.url);
    let file = place.path().join("body.json");
    std::fs::write(&file, r#"{"id":"from-file"}"#).unwrap();
    let path = "/api/v2/tpg/transaction";
    let ran = place.run(&[
        "request",
        "shop",
        "POST",
        path,
        "--data",
        &format!("@{}", file.display()),
    ]);
    assert_eq!(ran.code, 4, "the provider's own word: {ran:?}");
    let piped = ["request", "shop", "POST", path, "--data", "-", "--json"];
    let mut child = place
        .command(&piped)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), br#"{"id":"from-stdin"}"#).unwrap();
    let ran = Ran::ended(&piped, child.wait_with_output().unwrap());
    assert_eq!(ran.object()["body"], UNKNOWN);
    let bodies: Vec<String> = peer.requests().into_iter().map(|seen| seen.body).collect();
    assert!(
        bodies[0].contains("from-file") && bodies[1].contains("from-stdin"),
        "{bodies:?}"
    );
}

#[test]
fn a_full_budget_is_exit_6_or_a_wait() {
    let peer = Peer::start(vec![ok(FINALIZED)]);
    let config = |period: &str| {
        format!(
            "default_profile = \"live\"\n[profiles.live.accounts.shop]\nprovider = \"kanga\"\napi_key = \"{API_KEY}\"\n\
             api_secret = {{ env = \"TEST_API_SECRET\" }}\nendpoints = {{ api = \"{}\" }}\nbudget = {{ requests = 2, period = \"{period}\" }}\n",
            peer.url
        )
    };
    let place = Place::with_config(&config("60s"));
    let request = [
        "request",
        "shop",
        "POST",
        "/api/v2/tpg/transaction",
        "--data",
        r#"{"id":"A"}"#,
        "--no-wait",
        "--json",
    ];
    assert_eq!(place.run(&request).code, 0);
    assert_eq!(place.run(&request).code, 0);
    let ran = place.run(&request);
    assert_eq!(
        (ran.code, &ran.object()["error"]["kind"]),
        (6, &"budget_exhausted".into()),
        "what a finished process used still counts"
    );
    assert_eq!(peer.requests().len(), 2);
    let place = Place::with_config(&config("300ms"));
    for _ in 0..3 {
        assert_eq!(place.run(&["check", "A"]).code, 0, "waits for its slot");
    }
}

#[test]
fn the_log_shows_what_was_sent() {
    let peer = Peer::start(vec![
        ok(FINALIZED),
        reply("503 Busy", "", "<busy>"),
        ok(ACTIVE),
    ]);
    let place = Place::with_shop(&peer.url);
    place.run(&["check", "A-17"]);
    place.run(&["check", "B-18"]);
    let rows = place.run(&["log", "--json"]).objects();
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row["status"].clone(), row["attempt"].clone()))
        .collect();
    assert_eq!(
        told,
        [
            (json!(200), json!(1)),
            (json!(503), json!(1)),
            (json!(200), json!(2))
        ],
        "oldest first"
    );
    assert!(
        rows.iter()
            .all(|row| row["schema"] == 1 && row["account"] == "shop" && row["method"] == "POST")
    );
    let words = place.run(&["log"]);
    assert!(
        words.rows().lines().count() == 3
            && words.out.contains("/api/v2/tpg/transaction")
            && !words.out.contains("operator"),
        "{words:?}"
    );
    assert_eq!(
        place
            .run(&["log", "--limit", "1", "--json"])
            .objects()
            .len(),
        1
    );
    let other = place.run(&["log", "--account", "other", "--json"]);
    assert!(
        other.out.is_empty() && other.err.contains("profile live has no account `other`"),
        "{other:?}"
    );
    let whole = place.run(&["log", "--export", "ndjson"]).objects();
    assert!(
        whole[0]["request"]["body"]
            .as_str()
            .unwrap()
            .contains("A-17")
    );
    let curl = place.run(&["log", "--export", "curl"]).out;
    assert!(
        curl.contains("curl -X POST") && curl.contains("api-sig: <api-sig>"),
        "{curl}"
    );
    let har: Value = serde_json::from_str(&place.run(&["log", "--export", "har"]).out).unwrap();
    assert_eq!(har["log"]["entries"].as_array().unwrap().len(), 3);
}

#[test]
fn the_log_can_be_followed() {
    let peer = Peer::start(vec![ok(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    place.run(&["check", "before"]);
    let mut child = place
        .command(&["log", "--follow", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    place.run(&["check", "after"]);
    let second: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert!(second["id"].as_i64() > first["id"].as_i64());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_closed_pipe_is_no_error() {
    let place = Place::new();
    let mut child = place
        .command(&["man"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let ran = Ran::ended(&["man"], child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
}

#[test]
fn the_check_of_the_config_reads_the_authorities_file() {
    let place = Place::with_config("[network]\nca_file = \"ca.pem\"\n");
    for why in ["does not exist", "contains no certificate in PEM format"] {
        let ran = place.run(&["config", "check"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains("`ca_file` in [network] names"), "{ran:?}");
        assert!(
            ran.err.contains(why) && !ran.err.contains("is valid"),
            "{ran:?}"
        );
        std::fs::write(place.path().join("ca.pem"), "").unwrap();
    }
}

#[test]
fn the_config_is_written_found_and_checked() {
    let place = Place::new();
    let path = place.path().join("sub/config.toml");
    let shown = path.display().to_string();
    assert_eq!(
        place
            .run(&["config", "path", "--config", &shown, "--json"])
            .object(),
        json!({"schema":1,"path":shown,"exists":false,"logs":place.state().join("logs")})
    );
    assert_eq!(
        place
            .run(&["config", "init", "--config", &shown])
            .out
            .trim(),
        shown
    );
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        tilldeck::config::EXAMPLE
    );
    let again = place.run(&["config", "init", "--config", &shown]);
    assert!(
        again.code == 2 && again.err.contains("nothing was changed"),
        "{again:?}"
    );
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let checked = place
        .command(&["config", "check", "--config", &shown])
        .env("KANGA_API_SECRET", "x-y-z")
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_config_that_does_not_fit_on_the_disk_leaves_no_file() {
    let place = Place::new();
    let mut command = crate::program::shell();
    command
        .arg("-c")
        .arg("trap '' XFSZ; ulimit -f 1; exec \"$0\" config init --config \"$1\"")
        .arg(env!("CARGO_BIN_EXE_tilldeck"))
        .arg(place.config_path())
        .env("TILLDECK_STATE_DIR", place.state());
    let ran = Ran::of(command);
    assert!(ran.code == 2 && ran.err.contains("cannot write"), "{ran:?}");
    let left = std::fs::read_dir(place.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "state"), "{left:?}");
}

#[test]
fn each_failure_of_several_accounts_names_its_account() {
    let peer = Peer::start(vec![ok(r#"{"result":"fail","code":9000}"#)]);
    let place = Place::with_shop(&peer.url);
    let verified = place.run(&["account", "verify", "--json"]);
    assert_eq!(verified.code, 3, "{verified:?}");
    let mut unset = place.command(&["config", "check", "--json"]);
    unset.env_remove("TEST_API_SECRET");
    let unset = Ran::of(unset);
    assert_eq!(unset.code, 2, "{unset:?}");
    for ran in [verified, unset] {
        let object = ran.object();
        assert_eq!(object["account"], "shop", "{object}");
        assert!(object["error"].is_object(), "{object}");
    }
}

#[test]
fn without_any_config_everything_works_on_the_sandbox() {
    let place = Place::new();
    for arguments in [
        &[
            "check",
            "ORDER-1005",
            "--expect",
            "FINALIZED",
            "--amount",
            "3000",
            "--currency",
            "EMT",
        ][..],
        &["estimate", "EMT", "3000"],
        &[
            "link",
            "--id",
            "A",
            "--amount",
            "1",
            "--currency",
            "BTC",
            "--with-token",
        ],
        &["account", "list"],
        &["account", "verify"],
        &["account", "verify", "--signature"],
        &["request", "kanga", "POST", "/api/v2/test"],
        &["log"],
        &["config", "check"],
        &["completions", "bash"],
        &["man"],
        &["--version"],
        &["--help"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        let may_be_silent = ["log", "config"].contains(&arguments[0]);
        assert!(!ran.out.is_empty() || may_be_silent, "{ran:?}");
        let uses_accounts = ["check", "estimate", "link", "account", "request", "log"];
        assert_eq!(
            ran.err
                .matches("note: these accounts are the built-in simulator's")
                .count(),
            usize::from(uses_accounts.contains(&arguments[0])),
            "{ran:?}"
        );
        assert!(!ran.err.contains("--profile chooses"), "{ran:?}");
    }
    assert_eq!(
        place
            .run(&[
                "check",
                "ORDER-1006",
                "--amount",
                "899",
                "--currency",
                "oPLN"
            ])
            .code,
        1,
        "tampered with"
    );
    assert_eq!(place.run(&["check", "NOBODY-KNOWS"]).code, 4);
}

#[test]
fn a_forgotten_profile_is_reported_by_each_command_and_format() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let config = config.replace("default_profile = \"live\"\n", "");
    std::fs::write(place.config_path(), config).unwrap();
    let words = "note: these accounts are the built-in simulator's; --profile chooses your own";
    let link = ["link", "--id=A", "--amount=1", "--currency=EMT", "--json"];
    for arguments in [
        &["payments", "list", "--csv"][..],
        &["token", "print", "pledg"],
        &link,
    ] {
        let ran = place.run(arguments);
        assert_eq!(
            (ran.code, ran.err.matches(words).count()),
            (0, 1),
            "{ran:?}"
        );
        if arguments == link {
            assert_eq!(ran.object()["watched"], false, "it ends with the command");
            assert!(ran.err.contains("the link does not open"), "{ran:?}");
        }
    }
}

/// A served sandbox, and a place whose account "shop" is there.
struct Simulated {
    served: Served,
    place: Place,
    _serving: Place,
}

impl Simulated {
    fn start(more: &[&str]) -> Self {
        let serving = Place::new();
        let served = Served::start(&serving, more);
        let place = Place::with_config(&format!(
            "default_profile = \"test\"\n[profiles.test.accounts.shop]\nprovider = \"kanga\"\napi_key = \"SANDBOX-KANGA-KEY\"\n\
             api_secret = {{ env = \"SANDBOX_SECRET\" }}\nendpoints = {{ api = \"{0}\", pay = \"{0}\" }}\n",
            served.url
        ));
        Self {
            served,
            place,
            _serving: serving,
        }
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.place.command(arguments);
        command.env(
            "SANDBOX_SECRET",
            "SANDBOX-KANGA-SECRET-THAT-PROTECTS-NOTHING",
        );
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }

    fn trigger(&self, what: &[&str]) -> Ran {
        let url = self.served.url.as_str();
        self.run(&[&["sandbox", "trigger", "--url", url], what].concat())
    }
}

#[test]
fn a_served_sandbox_can_be_made_to_misbehave() {
    let plays = |fault: &str| {
        let simulated = Simulated::start(&[]);
        for (fault, code) in [(fault, 5), ("none", 0)] {
            let set = simulated.trigger(&["fault", fault]);
            assert_eq!(set.code, 0, "{set:?}");
            let ran = simulated.run(&["check", "ORDER-1005"]);
            assert_eq!(ran.code, code, "{fault}: {ran:?}");
        }
    };
    // All at once: what is tried again waits for real.
    std::thread::scope(|scope| {
        for fault in ["html", "torn", "lost-reply", "5xx"] {
            scope.spawn(move || plays(fault));
        }
    });
    let simulated = Simulated::start(&[]);
    assert_eq!(simulated.trigger(&["payer", "NOPE", "pay"]).code, 2);
    let foreign = ["--url", "http://example.com", "fault", "none"];
    assert_eq!(
        simulated
            .run(&[&["sandbox", "trigger"], &foreign[..]].concat())
            .code,
        2
    );
}

#[test]
fn a_429_is_obeyed_by_every_process_or_is_exit_6() {
    let simulated = Simulated::start(&[]);
    assert_eq!(simulated.trigger(&["fault", "429"]).code, 0);
    let path = "/api/v2/tpg/transaction";
    let data = r#"{"id":"ORDER-1005"}"#;
    let raw = ["request", "shop", "POST", path, "--no-wait", "--data", data];
    let refused = simulated.run(&raw);
    assert_eq!(refused.code, 6, "{refused:?}");
    assert_eq!(simulated.trigger(&["fault", "none"]).code, 0);
    let held = simulated.run(&raw);
    assert_eq!(
        held.code, 6,
        "another process, though all would be well: {held:?}"
    );
    let waited = simulated.run(&["check", "ORDER-1005"]);
    assert_eq!(waited.code, 0, "{waited:?}");
}

#[test]
fn a_served_sandboxs_clock_can_run_fast() {
    let simulated = Simulated::start(&["--speed", "100"]);
    let wait = ["--wait", "FINALIZED", "--timeout", "20s"];
    let ran = simulated.run(&[&["check", "ORDER-1001"], &wait[..]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn twelve_checks_at_once_with_one_key_use_twelve_nonces() {
    let simulated = Simulated::start(&[]);
    let place = &simulated.place;
    let check = ["check", "ORDER-1005", "--json"];
    let children: Vec<_> = (0..12)
        .map(|_| {
            simulated
                .command(&check)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let ran = Ran::ended(&check, child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let rows = place.run(&["log", "--export", "ndjson"]).objects();
    assert_eq!(
        rows.len(),
        12,
        "no nonce was overtaken, so nothing had to be sent twice"
    );
    let nonces: BTreeSet<i64> = rows
        .iter()
        .map(|row| {
            let body: Value =
                serde_json::from_str(row["request"]["body"].as_str().unwrap()).unwrap();
            body["nonce"].as_i64().unwrap()
        })
        .collect();
    assert_eq!(nonces.len(), 12);
}

/// Interrupts the command once it has asked, with Ctrl-C's signal.
fn interrupted(place: &Place, arguments: &[&str], peer: &Peer) -> Ran {
    let child = place
        .command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    peer.wait_for_one();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    Ran::ended(arguments, child.wait_with_output().unwrap())
}

#[test]
fn an_interrupted_command_says_so() {
    let peer = Peer::start(vec![ok(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let waits = ["check", "A", "--wait", "FINALIZED", "--json"];
    let ran = interrupted(&place, &waits, &peer);
    assert_eq!(
        (ran.code, &ran.object()["error"]["kind"]),
        (130, &"interrupted".into()),
        "{ran:?}"
    );
}

#[test]
fn without_a_ledger_that_can_be_written_nothing_is_sent() {
    let peer = Peer::start(vec![ok(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    std::fs::write(place.state(), "a file where the folder belongs").unwrap();
    let ran = place.run(&["check", "A", "--json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("warning: the ledger cannot be written"),
        "{ran:?}"
    );
    assert_eq!(ran.object()["error"]["kind"], "local");
    assert_eq!(peer.requests().len(), 0);
}

// docs/providers/kanga.md#nonce
#[test]
fn a_clock_ahead_of_the_providers_is_reported() {
    let dated = reply(
        "200 OK",
        "Date: Wed, 01 Jan 2020 00:00:00 GMT\r\n",
        FINALIZED,
    );
    let peer = Peer::start(vec![dated]);
    let ran = Place::with_shop(&peer.url).run(&["check", "A"]);
    assert!(
        ran.code == 0 && ran.err.contains("ahead of shop's provider"),
        "{ran:?}"
    );
}

#[test]
fn following_shows_all_that_comes_whatever_the_limit() {
    let peer = Peer::start(vec![ok(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    place.run(&["check", "before"]);
    let ran = place.run(&["log", "--limit", "0"]);
    let note = "note: 1 older request omitted; --limit 1 shows all\n";
    assert_eq!((ran.rows(), ran.err.as_str()), ("", note), "{ran:?}");
    let mut child = place
        .command(&["log", "--follow", "--limit", "0", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut omitted = String::new();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    said.read_line(&mut omitted).unwrap();
    assert_eq!(omitted, note);
    place.run(&["check", "after"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("after"), "{first}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn following_begins_with_what_comes() {
    let peer = Peer::start(vec![ok(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    place.run(&["check", "before"]);
    let mut child = place
        .command(&["log", "--follow", "--since", "1ms", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Until the follower looks, what comes may still be among what was before it.
    let telling = std::thread::spawn(move || lines.next().unwrap().unwrap());
    while !telling.is_finished() {
        place.run(&["check", "after"]);
    }
    let told = telling.join().unwrap();
    assert!(told.contains("after"), "{told}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_interrupted_request_is_in_the_log() {
    let peer = Peer::start(vec![crate::peer::Act::Silence]);
    let place = Place::with_shop(&peer.url);
    let ran = interrupted(&place, &["check", "A"], &peer);
    assert_eq!(ran.code, 130, "{ran:?}");
    assert_eq!(place.run(&["log", "--json"]).object()["error"], "cancelled");
}

#[test]
fn what_may_not_be_meant_is_reported_by_the_check_of_the_config() {
    let ran = Place::with_config("[profiles.live]\n").run(&["config", "check"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err
            .contains("warning: the profile `live` has no accounts"),
        "{ran:?}"
    );
}

#[test]
fn keys_that_are_none_are_found_by_the_check_of_the_config() {
    for line in ["quit = \"nonsense-key\"", "nosuch = \"x\"", "check = \"a\""] {
        let place = Place::with_config(&format!("[ui.keys]\n{line}\n"));
        let ran = place.run(&["config", "check"]);
        assert!(
            ran.code == 2 && ran.err.contains("[ui.keys]"),
            "{line}: {ran:?}"
        );
        assert!(ran.err.contains("config.toml:2:1"), "{line}: {ran:?}");
    }
    let place = Place::with_config("[ui]\npanes = [\"paymets\"]\n");
    let ran = place.run(&["config", "check"]);
    assert!(ran.err.contains("config.toml:2:9"), "{ran:?}");
}

#[test]
fn keys_are_printed_as_the_config_binds_them() {
    let place = Place::with_config("[ui.keys]\ncheck = [\"F5\", \"ctrl-k\"]\n");
    let row = |ran: &Ran| {
        let mut lines = ran.out.lines();
        let line = lines.find(|line| line.contains("marked payments") && line.contains("check"));
        line.expect("a row").to_owned()
    };
    let text = row(&place.run(&["keys"]));
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(
        words.join(" "),
        "Payments F5, Ctrl-K check the selected or marked payments check"
    );
    let object: serde_json::Value =
        serde_json::from_str(&row(&place.run(&["keys", "--json"]))).unwrap();
    assert_eq!(
        object,
        serde_json::json!({
            "schema": 1,
            "scope": "Payments",
            "keys": ["f5", "ctrl-k"],
            "help": "check the selected or marked payments",
            "action": "check",
        })
    );
    let place = Place::with_config("[ui.keys]\ncheck = \"a\"\n");
    assert_eq!(place.run(&["keys"]).code, 2);
}

#[test]
fn hostile_answers_cost_no_more_than_their_length() {
    let keys: String = (0..300_000).fold(String::new(), |keys, n| keys + &format!("\"k{n}\":1,"));
    for body in ["=".repeat(300_000), format!("{{{keys}\"z\":1}}")] {
        let peer = Peer::start(vec![ok(&body)]);
        let ran = Place::with_shop(&peer.url).run(&["check", "A"]);
        assert_eq!(ran.code, 5, "{ran:?}");
    }
}
