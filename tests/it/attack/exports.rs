//! Exports of the log, whatever was exchanged: what reads them takes nothing in them for its own.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;
use tilldeck::clock::Clock;
use tilldeck::domain::{AccountId, Body, Exchange, ExchangeId, Outcome};
use tilldeck::ledger::{Ledger, Retention};

use crate::program::Place;

const EXCHANGES: u64 = 200;

/// What JSON, a shell, a terminal and CSV each read as their own.
const PIECES: [&str; 24] = [
    "\"",
    "\\",
    "'",
    "`touch made`",
    "$(touch made)",
    ";touch made;",
    "|touch made|",
    "&",
    "\n",
    "\r",
    "\t",
    "\u{0}",
    "\u{1b}[2J",
    "\u{9b}",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "漢字",
    "😀",
    "{",
    "]",
    "</script>",
    "#",
    "%00",
];

fn text(rng: &mut Rng) -> String {
    let pieces = rng.usize(..8);
    (0..pieces)
        .map(|_| PIECES[rng.usize(..PIECES.len())])
        .collect()
}

fn exchange(number: u64, rng: &mut Rng) -> Exchange {
    let body = |rng: &mut Rng| {
        let text = text(rng);
        Body {
            bytes: text.len() as u64,
            text,
            cut: rng.bool(),
            base64: false,
        }
    };
    let headers = |rng: &mut Rng| vec![("x-note".to_owned(), text(rng))];
    // Every word that HTTP takes for a method.
    let methods = [
        "GET",
        "POST|touch",
        "`touch`",
        "A&touch",
        "-o",
        "$HOME",
        "#",
    ];
    Exchange {
        id: ExchangeId(0),
        account: AccountId::new("shop").unwrap(),
        provider: "kanga".into(),
        environment: "production".into(),
        at: Clock::system().now().wall,
        method: methods[rng.usize(..methods.len())].into(),
        url: format!("http://127.0.0.1:9/{number}?{}", text(rng)),
        about: text(rng),
        attempt: 1,
        outcome: Outcome::Status(200),
        http_version: "HTTP/1.1".into(),
        response_wire: None,
        operator: String::new(),
        profile: String::new(),
        to_head: None,
        took: Duration::from_millis(3),
        request_headers: headers(rng),
        request_body: body(rng),
        response_headers: headers(rng),
        response_body: body(rng),
    }
}

/// The number in an exchange's URL.
fn number(url: &str) -> u64 {
    let path = url.split(['/', '?']).nth(3).unwrap();
    path.parse().unwrap()
}

/// A place whose log has these, by their numbers.
async fn placed(exchanges: impl Iterator<Item = Exchange>) -> (Place, BTreeMap<u64, Exchange>) {
    let place = Place::with_shop("http://127.0.0.1:9");
    let ledger = Ledger::start(place.state(), Clock::system(), Retention::default());
    let mut all = BTreeMap::new();
    for exchange in exchanges {
        all.insert(number(&exchange.url), exchange.clone());
        ledger.record_later(exchange, Box::new(|_| ()));
    }
    ledger.flush().await;
    (place, all)
}

#[tokio::test]
async fn exports_hold_any_text_and_nothing_in_it_is_run() {
    let mut rng = Rng::with_seed(7);
    let (place, all) = placed((0..EXCHANGES).map(|number| exchange(number, &mut rng))).await;
    let export = |format: &str| {
        let ran = place.run(&["log", "--limit", "1000", "--export", format]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.out
    };
    let archive: Value = serde_json::from_str(&export("har")).unwrap();
    let entries = archive["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), all.len());
    for entry in entries {
        let (request, response) = (&entry["request"], &entry["response"]);
        let exchange = &all[&number(request["url"].as_str().unwrap())];
        assert_eq!(request["method"], exchange.method);
        let url = request["url"].as_str().unwrap();
        let decoded = percent_encoding::percent_decode_str(url)
            .decode_utf8()
            .unwrap();
        let sent = percent_encoding::percent_decode_str(&exchange.url)
            .decode_utf8()
            .unwrap();
        assert_eq!(decoded, sent);
        assert!(
            url.is_ascii() && !url.contains(['<', '>', '"', ' ', '{']),
            "{url}"
        );
        assert_eq!(
            request["headers"][0]["value"],
            exchange.request_headers[0].1
        );
        if exchange.request_body.bytes > 0 {
            assert_eq!(request["postData"]["text"], exchange.request_body.text);
        }
        assert_eq!(
            response["headers"][0]["value"],
            exchange.response_headers[0].1
        );
        assert_eq!(response["content"]["text"], exchange.response_body.text);
    }
    let lines = export("ndjson");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), all.len());
    for line in &lines {
        let exchange = &all[&number(line["url"].as_str().unwrap())];
        assert_eq!(line["about"], exchange.about);
        assert_eq!(line["request"]["body"], exchange.request_body.text);
    }
    assert_eq!(run_by_a_shell(&place, &export("curl")), all.len());
}

/// Runs commands in a shell that knows `curl` alone, which counts how often it is called.
fn run_by_a_shell(place: &Place, commands: &str) -> usize {
    let mut shell = crate::program::shell()
        .env_clear()
        .env("PATH", "/nowhere")
        .current_dir(place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    stdin.write_all(b"curl() { echo called; }\n").unwrap();
    stdin.write_all(commands.as_bytes()).unwrap();
    drop(stdin);
    let ended = shell.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success() && said.is_empty(), "{said}");
    assert!(!place.path().join("made").exists());
    String::from_utf8(ended.stdout).unwrap().lines().count()
}
