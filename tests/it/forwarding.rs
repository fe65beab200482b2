//! What `listen` forwards, byte for byte, and what it makes of the shop's answers: the real program.

use serde_json::Value;

use crate::listen::kept_until;
use crate::peer::{Act, Peer, closed_port, json, reply, untrusted_tls};
use crate::program::{Listener, Place};
use crate::terminal::Terminal;

const ACTIVE: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"ACTIVE"}"#;

/// How the forward of the only callback stands.
fn forward(place: &Place, wanted: impl Fn(&Value) -> bool) -> Value {
    let forward = |kept: &[Value]| {
        let jobs = kept.first()?["jobs"].as_array()?;
        let mut jobs = jobs.iter();
        jobs.find(|job| job["kind"] == "forward").cloned()
    };
    let kept = kept_until(place, |kept| forward(kept).is_some_and(|it| wanted(&it)));
    forward(&kept).unwrap()
}

fn was_tried(job: &Value) -> bool {
    job["tries"].as_u64() > Some(0)
}

#[test]
fn method_path_query_and_length_go_on_byte_for_byte() {
    let provider = Peer::start(vec![json(ACTIVE)]);
    let shop = Peer::start(vec![json("{}")]);
    let place = Place::with_shop(&provider.url);
    let to = format!("{}/hooks/?own=1", shop.url);
    let listener = Listener::start(&place, &["--forward-to", &to]);
    for (number, (target, body, line)) in [
        (
            "/callbacks/shop/order/1/?transactionKey=A&q='%27ż{|}",
            "",
            "POST /hooks/order/1/?own=1&transactionKey=A&q='%27ż{|} HTTP/1.1",
        ),
        (
            "//callbacks//sh%6Fp/?transactionKey=B",
            "",
            "POST /hooks/?own=1&transactionKey=B HTTP/1.1",
        ),
        (
            "/callbacks/shop",
            "transactionKey=C",
            "POST /hooks/?own=1 HTTP/1.1",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(listener.post(target, "", body).0, 200, "{target}");
        shop.wait_for(line, |seen| seen.len() > number);
        let seen = &shop.requests()[number];
        assert_eq!(seen.head.lines().next(), Some(line));
        assert_eq!(seen.body, body);
        let length = body.len().to_string();
        assert_eq!(seen.header("content-length"), Some(&*length), "{seen:?}");
        for ours in ["accept-encoding", "user-agent", "accept"] {
            assert_eq!(seen.header(ours), None, "{seen:?}");
        }
    }
    let climbing = "/callbacks/shop/..%2f..%2fadmin?transactionKey=D";
    assert_eq!(listener.post(climbing, "", "").0, 400);
}

#[test]
fn the_status_decides_whatever_becomes_of_the_page() {
    let large = "HTTP/1.1 200 OK\r\nContent-Length: 9437184\r\n\r\n".to_owned();
    let endless = "HTTP/1.1 200 OK\r\n\r\n".to_owned();
    let torn = "HTTP/1.1 204 OK\r\nContent-Length: 0\r\n\r\n";
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf";
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz";
    for (name, act) in [
        ("large", Act::Flood(large, 9 << 20)),
        ("endless", Act::Flood(endless, 1 << 34)),
        ("empty", Act::Bytes(torn.into())),
        ("half", Act::Bytes(half.into())),
        ("a broken chunk", Act::Bytes(chunk.into())),
    ] {
        let provider = Peer::start(vec![json(ACTIVE)]);
        let shop = Peer::start(vec![act]);
        let place = Place::with_shop(&provider.url);
        let listener = Listener::start(&place, &["--forward-to", &shop.url]);
        let posted = listener.post("/callbacks/shop", "", "transactionKey=A");
        assert_eq!(posted.0, 200);
        let job = forward(&place, was_tried);
        assert_eq!(job["state"], "done", "{name}: {job}");
        assert_eq!(shop.requests().len(), 1, "{name}");
    }
}

#[test]
fn what_the_shop_asks_for_is_respected_and_reported() {
    let tls = untrusted_tls();
    let closed = format!("http://127.0.0.1:{}/hook", closed_port());
    for (act, standing, wait, words) in [
        (
            reply("410 Gone", "", ""),
            "given_up",
            None,
            "HTTP 410: the shop removed this address",
        ),
        (
            reply("503 No", "Retry-After: 7200\r\n", ""),
            "due",
            Some(7_200),
            "HTTP 503, wait 2 h",
        ),
        (
            reply("500 No", "Retry-After: 99999999\r\n", ""),
            "due",
            // Until a day after it came.
            Some(24 * 3_600 - 59),
            "HTTP 500, wait 1157 d 9 h requested, longer than the 24 h of retries",
        ),
        (
            reply("503 No", "Retry-After: soon\r\n", ""),
            "due",
            Some(1),
            "HTTP 503",
        ),
        (
            reply("308 Moved", "Location: /h/\r\n", ""),
            "due",
            Some(1),
            "HTTP 308, redirect to /h/ not followed",
        ),
    ] {
        let provider = Peer::start(vec![json(ACTIVE)]);
        let shop = Peer::start(vec![act]);
        let place = Place::with_shop(&provider.url);
        let listener = Listener::start(&place, &["--forward-to", &shop.url]);
        listener.post("/callbacks/shop", "", "transactionKey=A");
        let warning = listener.error_with("does not accept callbacks");
        assert!(warning.contains(words), "{words}: {warning}");
        let job = forward(&place, was_tried);
        assert_eq!(job["state"], standing, "{words}: {job}");
        assert!(job["result"].as_str().unwrap().contains(words), "{job}");
        if let Some(wait) = wait
            && job["tries"] == 1
        {
            let at = |name: &str| -> jiff::Timestamp {
                let text = job[name].as_str().unwrap();
                text.parse().unwrap()
            };
            let waits = at("due_at").duration_since(at("tried_at")).as_secs();
            assert!((wait..wait + 60).contains(&waits), "{words}: {job}");
        }
    }
    for (to, words) in [
        (closed.as_str(), "refused the connection"),
        (tls.0.as_str(), "certificate"),
    ] {
        let provider = Peer::start(vec![json(ACTIVE)]);
        let place = Place::with_shop(&provider.url);
        let listener = Listener::start(&place, &["--forward-to", to, "--json"]);
        listener.post("/callbacks/shop", "", "transactionKey=A");
        let warning = listener.error_with("does not accept callbacks");
        assert!(warning.contains(words), "{words}: {warning}");
        let job = forward(&place, was_tried);
        assert!(job["result"].as_str().unwrap().contains(words), "{job}");
    }
}

#[test]
fn a_damaged_ledger_is_reported_at_once_and_where_nothing_is_listed() {
    let place = Place::with_shop("http://127.0.0.1:9");
    std::fs::create_dir(place.state()).unwrap();
    private(&place.state(), 0o700);
    let file = place.state().join("ledger.db");
    std::fs::write(
        &file,
        "no database, and long enough to be taken for one".repeat(100),
    )
    .unwrap();
    private(&file, 0o600);
    let listener = Listener::start(&place, &[]);
    let warning = listener.error_with("damaged");
    assert!(warning.contains("ledger.db.damaged-"), "{warning}");
    listener.signal("TERM");
    assert_eq!(listener.end().0, 0);
    for arguments in [&["log"][..], &["log", "--deliveries"]] {
        let listed = place.run(arguments);
        assert!(listed.err.contains("ledger.db.damaged-"), "{listed:?}");
    }
}

fn private(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_ledger_that_another_program_wrote_stays_as_it_is_and_nothing_runs_beside_it() {
    for (pragma, value, words) in [
        ("user_version", 99, "written by a newer tilldeck"),
        ("application_id", 7, "the database of another program"),
    ] {
        let provider = Peer::start(vec![json(ACTIVE)]);
        let place = Place::with_shop(&provider.url);
        assert_eq!(place.run(&["check", "A"]).code, 0);
        let file = place.state().join("ledger.db");
        let ledger = rusqlite::Connection::open(&file).unwrap();
        ledger.pragma_update(None, pragma, value).unwrap();
        drop(ledger);
        for arguments in [
            &["listen", "--bind", "127.0.0.1:0"][..],
            &["log", "--deliveries"],
            &["log"],
            &["check", "A"],
            &["--uncoordinated", "check", "A"],
            &["payments", "list"],
            &["--profile", "sandbox", "check", "ORDER-1001"],
            &["ledger", "status"],
        ] {
            let ran = place.run(arguments);
            assert_eq!(ran.code, 2, "{ran:?}");
            assert!(ran.err.contains(words), "{ran:?}");
            assert!(ran.err.contains("--state-dir"), "{ran:?}");
            assert!(!ran.err.contains("space"), "{ran:?}");
            assert!(ran.out.is_empty() || arguments[0] == "ledger", "{ran:?}");
        }
        assert_eq!(provider.requests().len(), 1, "only the first one is sent");
        let moved = tilldeck::ledger::set_aside_in(&place.state());
        assert!(moved.is_empty(), "{moved:?}");
        let ledger = rusqlite::Connection::open(&file).unwrap();
        let found = ledger.pragma_query_value(None, pragma, |row| row.get(0));
        assert_eq!(found, Ok(value));
        drop(ledger);
        refuses_to_open(&place);
    }
}

fn refuses_to_open(place: &Place) {
    let mut console = Terminal::start(&place.command(&[]), (100, 30));
    console.sees("tilldeck cannot start");
    console.sees("--state-dir");
    console.send("q");
    console.ended();
}
