//! What the log exports, against what went over the wire.

use std::time::Duration;

use serde_json::{Value, json};
use tilldeck::clock::Clock;
use tilldeck::domain::{AccountId, Body, CallbackVerdict, Exchange, ExchangeId, Outcome};
use tilldeck::ledger::{Ledger, NewDelivery, Retention};

use crate::peer::{Act, Peer, json as answer};
use crate::program::{API_SECRET, Listener, Place};

/// An account at Kinguin, whose tokens and calls come to `url`.
fn with_keys(url: &str) -> Place {
    let place = Place::with_keys(url, "");
    assert_eq!(place.run(&["config", "check"]).code, 0);
    place
}

fn token() -> Act {
    answer(r#"{"access_token":"planted-token-0123456789","expires_in":600,"token_type":"bearer"}"#)
}

fn archive(place: &Place, more: &[&str]) -> Value {
    let ran = place.run(&[&["log", "--export", "har"], more].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn the_headers_of_an_export_are_those_that_went_out() {
    let peer = Peer::routed(vec![("/auth/token", token()), ("/", answer("{}"))]);
    let place = with_keys(&peer.url);
    for [method, body] in [
        ["GET", ""],
        ["POST", ""],
        ["PUT", "{\"a\":1}"],
        ["DELETE", ""],
    ] {
        let mut arguments = vec!["request", "keys", method, "/x?f[a]=1", "--yes"];
        if !body.is_empty() {
            arguments.extend(["--data", body]);
        }
        assert_eq!(place.run(&arguments).code, 0);
    }
    let archive = archive(&place, &[]);
    let entries = archive["log"]["entries"].as_array().unwrap();
    let seen = peer.requests();
    // The token is fetched by the first run, and kept for the others or fetched anew.
    assert_eq!(entries.len(), seen.len());
    for (entry, seen) in entries.iter().zip(seen) {
        let request = &entry["request"];
        let written = request["headers"].as_array().unwrap().iter();
        let mut written: Vec<_> = written
            .map(|header| {
                let name = header["name"].as_str().unwrap();
                let value = header["value"].as_str().unwrap();
                match name {
                    "authorization" => format!("{name}: …"),
                    _ => format!("{name}: {value}"),
                }
            })
            .collect();
        let mut sent: Vec<_> = seen
            .head
            .lines()
            .skip(1)
            .map(|line| match line.split_once(": ") {
                Some(("authorization", _)) => "authorization: …".to_owned(),
                _ => line.to_owned(),
            })
            .collect();
        written.sort();
        sent.sort();
        assert_eq!(written, sent);
        let url = request["url"].as_str().unwrap();
        let target = url.strip_prefix(&peer.url).unwrap();
        let target = target.replace("%5B", "[").replace("%5D", "]");
        let method = request["method"].as_str().unwrap();
        assert!(
            seen.head
                .starts_with(&format!("{method} {target} HTTP/1.1\r\n"))
        );
        assert_eq!(request["httpVersion"], "HTTP/1.1");
        let timings = ["send", "wait", "receive"].map(|part| entry["timings"][part].as_u64());
        let sum: Option<u64> = timings.into_iter().sum();
        assert_eq!(entry["time"].as_u64(), sum);
        assert_eq!(entry["pageref"], archive["log"]["pages"][0]["id"]);
        let response = &entry["response"];
        assert_eq!(response["bodySize"], response["content"]["size"]);
    }
}

#[test]
fn an_answer_is_exported_by_its_charset_or_byte_for_byte() {
    let bytes = |kind: &str, body: &[u8]| {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        Act::Bytes([head.as_bytes(), body].concat())
    };
    let peer = Peer::routed(vec![
        ("/auth/token", token()),
        (
            "/page",
            bytes("text/html; charset=iso-8859-2", b"B\xb3\xb1d"),
        ),
        ("/file", bytes("application/zip", b"PK\x03\x04\xff\0")),
        ("/torn", bytes("text/plain; charset=utf-8", b"B\xb3")),
        // A secret in what is no text is not kept in another form.
        (
            "/leak",
            bytes(
                "image/png",
                &[b"\xff", API_SECRET.as_bytes(), b"\xff"].concat(),
            ),
        ),
    ]);
    let place = with_keys(&peer.url);
    let cases = [
        ("/page", "Błąd", Value::Null),
        ("/file", "UEsDBP8A", json!("base64")),
        ("/torn", "QrM=", json!("base64")),
    ];
    for (path, body, encoding) in cases {
        let got = place
            .run(&["request", "keys", "GET", path, "--json"])
            .object();
        assert_eq!((&got["body"], &got["encoding"]), (&json!(body), &encoding));
        let archive = archive(&place, &["--limit", "1000"]);
        let last = archive["log"]["entries"]
            .as_array()
            .unwrap()
            .last()
            .unwrap();
        let content = &last["response"]["content"];
        assert_eq!(
            (&content["text"], &content["encoding"]),
            (&json!(body), &encoding),
            "{path}"
        );
    }
    let leak = ["request", "keys", "GET", "/leak", "--json"];
    assert_eq!(place.run(&leak).code, 0);
    let archive = archive(&place, &[]);
    let last = archive["log"]["entries"]
        .as_array()
        .unwrap()
        .last()
        .unwrap();
    let content = &last["response"]["content"];
    let text = content["text"].as_str().unwrap();
    assert!(text.contains('<') && !text.contains("planted"), "{text}");
    assert_eq!(content.get("encoding"), None);
}

/// A place whose log has so many requests.
async fn logged(count: u64) -> Place {
    let place = Place::with_shop("http://127.0.0.1:9");
    let ledger = Ledger::start(place.state(), Clock::system(), Retention::default());
    for number in 0..count {
        let exchange = Exchange {
            id: ExchangeId(0),
            account: AccountId::new("shop").unwrap(),
            provider: "kanga".into(),
            environment: "production".into(),
            at: Clock::system().now().wall,
            method: "GET".into(),
            url: format!("http://127.0.0.1:9/{number}"),
            about: String::new(),
            attempt: 1,
            outcome: Outcome::Failed("timed out".into()),
            http_version: String::new(),
            to_head: None,
            took: Duration::from_millis(3),
            request_headers: Vec::new(),
            request_body: Body::default(),
            response_headers: Vec::new(),
            response_body: Body::default(),
            response_wire: None,
            operator: String::new(),
            profile: String::new(),
        };
        ledger.record_later(exchange, Box::new(|_| ()));
    }
    ledger.flush().await;
    place
}

#[tokio::test]
async fn an_export_is_whole_and_a_limit_says_what_it_leaves_out() {
    let place = logged(210).await;
    let log = |more: &[&str]| {
        let ran = place.run(&[&["log"], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
        (ran.out.lines().count(), ran.err)
    };
    let note =
        |count: u64| format!("note: {count} older requests omitted; --limit 210 shows all\n");
    assert_eq!(log(&["--export", "ndjson"]), (210, String::new()));
    assert_eq!(log(&["--export", "har"]).1, "");
    assert_eq!(log(&["--export", "ndjson", "--limit", "3"]), (3, note(207)));
    assert_eq!(log(&["--json"]), (200, note(10)));
    // And a line with the names of the columns.
    assert_eq!(log(&["--limit", "210"]), (211, String::new()));
    assert_eq!(log(&["--since", "1h", "--limit", "9"]), (10, note(201)));
    let empty = place.run(&["log", "--export", "har", "--account", "other"]);
    let empty: Value = serde_json::from_str(&empty.out).unwrap();
    assert_eq!(empty["log"]["entries"], json!([]));
}

#[tokio::test]
async fn each_of_many_callbacks_is_shown_once_the_oldest_first() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let ledger = Ledger::start(place.state(), Clock::system(), Retention::default());
    let mut saving = tokio::task::JoinSet::new();
    for _ in 0..510 {
        let callback = NewDelivery {
            account_key: "live".into(),
            account: "shop".into(),
            provider: "kanga".into(),
            received_at: Clock::system().now().wall,
            happened_at: None,
            from: "127.0.0.1".into(),
            method: "POST".into(),
            verdict: CallbackVerdict::Accepted,
            why: String::new(),
            kind: String::new(),
            subject: None,
            proved: true,
            dedup_key: None,
            status: 200,
            bytes: 0,
            sealed: Vec::new(),
            jobs: Vec::new(),
        };
        let ledger = ledger.clone();
        saving.spawn(async move { ledger.deliver(callback).await.unwrap().id.0 });
    }
    let mut saved = saving.join_all().await;
    saved.sort_unstable();
    ledger.flush().await;
    for (more, first) in [
        (&["--limit", "510"][..], 0),
        (&["--limit", "505"], 5),
        (&["--export", "ndjson"], 0),
    ] {
        let ran = place.run(&[&["log", "--deliveries", "--json"], more].concat());
        let shown = ran.objects();
        let shown: Vec<i64> = shown.iter().map(|it| it["id"].as_i64().unwrap()).collect();
        assert_eq!(shown, saved[first..], "{more:?}");
    }
}

#[test]
fn callbacks_are_exported_with_path_headers_and_body() {
    let peer = Peer::start(vec![answer("{}")]);
    let place = Place::with_shop(&peer.url);
    let listener = Listener::start(&place, &[]);
    let host = listener.url.strip_prefix("http://").unwrap().to_owned();
    let body = "transactionKey=A-17&note=%1B\u{1b}[2J";
    listener.post("/callbacks/shop?x=1", "X-Shop-Key: planted-key\r\n", body);
    listener.signal("TERM");
    listener.end();
    let log = |format: &str| {
        let ran = place.run(&["log", "--deliveries", "--export", format]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert!(
            !ran.out.contains(['\u{1b}']) && !ran.out.contains("planted"),
            "{}",
            ran.out
        );
        ran.out
    };
    let archive: Value = serde_json::from_str(&log("har")).unwrap();
    let entry = &archive["log"]["entries"][0];
    let request = &entry["request"];
    assert_eq!(request["url"], format!("http://{host}/callbacks/shop?x=1"));
    assert_eq!(request["postData"]["text"], body);
    assert_eq!(request["bodySize"], body.len());
    let headers = request["headers"].as_array().unwrap();
    let key = json!({ "name": "x-shop-key", "value": "<x-shop-key>" });
    assert!(headers.contains(&key), "{headers:?}");
    let line: Value = serde_json::from_str(&log("ndjson")).unwrap();
    assert_eq!(line["status"], entry["response"]["status"]);
    assert_eq!(line["request"]["target"], "/callbacks/shop?x=1");
    assert_eq!(line["request"]["body"], body);
    let command = log("curl");
    assert!(
        command.contains(r"&note=%%1B\033[2J' | curl -X POST"),
        "{command}"
    );
}

#[test]
fn a_compressed_callback_is_exported_as_it_reads_and_without_its_secrets() {
    use std::io::{Read as _, Write as _};
    let peer = Peer::start(vec![answer("{}")]);
    let place = Place::with_shop(&peer.url);
    let listener = Listener::start(&place, &[]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(b"transactionKey=A-17&api_key=planted-key&note=kept")
        .unwrap();
    let gzip = gzip.finish().unwrap();
    let mut stream = std::net::TcpStream::connect(&listener.url["http://".len()..]).unwrap();
    let head = format!(
        "POST /callbacks/shop HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        gzip.len()
    );
    stream
        .write_all(&[head.as_bytes(), &gzip].concat())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    listener.signal("TERM");
    listener.end();
    for format in ["har", "ndjson", "curl"] {
        let ran = place.run(&["log", "--deliveries", "--export", format]);
        assert!(ran.out.contains("note=kept"), "{format}: {ran:?}");
        assert!(!ran.out.contains("planted"), "{format}: {ran:?}");
    }
}

#[test]
fn json_has_no_escapes_but_its_own() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let path = "/\u{1b}[31m\u{7f}x";
    let ran = place.run(&["request", "shop", "GET", path, "--json"]);
    assert_eq!(ran.code, 2);
    assert!(ran.out.contains("\\u001b[31m\\u007fx"), "{}", ran.out);
    assert!(!ran.out.contains("u{"), "{}", ran.out);
    let message = ran.object()["error"]["message"].to_string();
    assert!(message.contains("\\u001b[31m"), "{message}");
    let words = place.run(&["request", "shop", "GET", path]);
    assert!(words.err.contains("\\u{1b}[31m\\u{7f}x"), "{}", words.err);
}

#[test]
fn what_is_left_around_a_secret_is_neither_sent_nor_passed_over() {
    use std::os::unix::fs::PermissionsExt as _;
    let peer = Peer::routed(vec![("/auth/token", token()), ("/", answer("{}"))]);
    let place = with_keys(&peer.url);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let set = |source: &str| {
        let config = config.replace("{ env = \"TEST_API_SECRET\" }", source);
        std::fs::write(place.config_path(), config).unwrap();
    };
    let file = place.path().join("secret");
    std::fs::write(&file, "\u{feff} planted-0123\u{a0}\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    set("{ file = \"secret\" }");
    let checked = place.run(&["config", "check"]);
    assert_eq!(checked.code, 0);
    let what =
        "file secret has a byte order mark and a space and a no-break space around the secret";
    assert!(checked.err.contains(what), "{}", checked.err);
    assert_eq!(place.run(&["token", "refresh", "keys"]).code, 0);
    set("{ command = [\"printf\", \"planted-0123\\nlogin: x\\n\"] }");
    let checked = place.run(&["config", "check"]);
    assert!(
        checked.code == 0 && !checked.err.contains("warning"),
        "{}",
        checked.err
    );
    assert_eq!(place.run(&["token", "refresh", "keys"]).code, 0);
    let seen = peer.requests();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        assert!(
            seen.body.ends_with("client_secret=planted-0123"),
            "{}",
            seen.body
        );
    }
}

#[test]
fn a_lock_file_that_cannot_be_used_is_named_and_nothing_is_sent() {
    let paid = r#"{"result":"ok","currency":"EMT","amount":"25.00","state":"FINALIZED"}"#;
    let peer = Peer::start(vec![answer(paid)]);
    let place = Place::with_shop(&peer.url);
    assert_eq!(place.run(&["check", "A"]).code, 0);
    let lanes = std::fs::read_dir(place.state().join("lanes")).unwrap();
    let file = lanes.map(|entry| entry.unwrap().path()).next().unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let ran = place.run(&["check", "A"]);
    assert_eq!(ran.code, 2);
    let words = format!("the lock file {} cannot be used", file.display());
    assert!(ran.err.contains(&words), "{}", ran.err);
    assert!(ran.err.contains("chown"), "{}", ran.err);
    assert_eq!(peer.requests().len(), 1);
}
