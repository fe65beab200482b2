//! What is read of files, and what is not.

use std::time::Duration;

use crate::domain::{Exchange, Outcome, WallTime};

use super::{Recording, parse};

const CHROME: &[u8] = include_bytes!("chrome.har");

fn chrome() -> Recording {
    parse(CHROME).unwrap()
}

#[test]
fn an_archive_of_a_browser_is_read_as_far_as_it_goes() {
    let read = chrome();
    assert_eq!(read.skipped, 1, "the entry without a URL");
    let rows: Vec<(i64, i64, &str, &str, &str)> = read
        .exchanges
        .iter()
        .map(|it| {
            let after = it.at.0 - 1_795_316_066_000;
            let host = it.account.as_str();
            (it.id.0, after, host, it.method.as_str(), it.path())
        })
        .collect();
    let pay = "/api/pay?id=A-1&access_token=<access_token>";
    assert_eq!(
        rows,
        [
            (1, -100, "cdn.example", "GET", "/large.js"),
            (2, 120, "shop.example", "POST", pay),
            (3, 500, "cdn.example", "GET", "/logo.png"),
            (4, 500, "shop.example", "POST", "/login"),
        ],
        "by time; one without a time follows the entry before it"
    );
    let [large, pay, logo, login] = read.exchanges.as_slice() else {
        panic!("{read:?}");
    };
    assert_eq!(pay.outcome, Outcome::Status(201));
    assert_eq!(pay.took, Duration::from_micros(41_262));
    assert_eq!(pay.to_head, Some(Duration::from_micros(39_875)));
    assert_eq!(pay.http_version, "h2");
    assert_eq!(logo.response_body.text, "iVBORw0KGgr/");
    assert!(logo.response_body.base64);
    assert_eq!(logo.response_wire, Some(9));
    let why = "net::ERR_CONNECTION_REFUSED".to_owned();
    assert_eq!(login.outcome, Outcome::Failed(why));
    assert_eq!(login.took, Duration::ZERO);
    assert_eq!(login.request_body.text, "user=anna&password=<password>");
    let body = &large.response_body;
    let shown = (body.text.as_str(), body.bytes, body.cut);
    assert_eq!(shown, ("", 90_210, true), "its body was not recorded");
}

#[test]
fn credentials_that_another_program_recorded_are_redacted_wherever_they_are() {
    let all = format!("{:?}", chrome().exchanges);
    assert!(!all.contains("planted"), "{all}");
    assert!(!all.contains("anna:"), "{all}");
    for shown in [
        r#"("authorization", "<authorization>")"#,
        r#"("cookie", "<cookie>")"#,
        r#"("x-shop-token", "<x-shop-token>")"#,
        r#"("content-type", "application/json")"#,
    ] {
        assert!(all.contains(shown), "{shown}: {all}");
    }
}

#[test]
fn texts_of_a_recording_are_inert() {
    let hostile = "a\\u001b[2J\\u202eb";
    let line = format!(
        r#"{{"account":"{hostile}","at":"2026-11-22T02:54:26Z","method":"{hostile}","url":"https://x.example/{hostile}",
"about":"{hostile}","error":"{hostile}","request":{{"headers":[["{hostile}","{hostile}"]]}}}}"#
    )
    .replace('\n', "");
    let read = parse(line.as_bytes()).unwrap();
    let one = &read.exchanges[0];
    assert_eq!(one.account.as_str(), "a--2J-b");
    let Outcome::Failed(why) = &one.outcome else {
        panic!("{one:?}");
    };
    let (name, value) = &one.request_headers[0];
    for text in [&one.method, &one.url, &one.about, why, name, value] {
        assert!(!text.contains(crate::domain::inert::is_hostile), "{text:?}");
    }
}

#[test]
fn a_line_of_ndjson_may_miss_fields() {
    let text = "\u{feff}{\"method\":\"GET\",\"url\":\"https://x.example/a\",\"status\":204,\"ms\":7}\n\n\
                {\"method\":\"GET\",\"url\":\"https://x.example/b\",\"at\":\"2026-11-22T02:54:26Z\"}\n";
    let read = parse(text.as_bytes()).unwrap();
    let seen = |it: &Exchange| (it.at, it.outcome.clone(), it.took.as_millis());
    let at = WallTime(1_795_316_066_000);
    assert_eq!(
        read.exchanges.iter().map(seen).collect::<Vec<_>>(),
        [
            (at, Outcome::Status(204), 7),
            (at, Outcome::Failed("no response".into()), 0)
        ],
        "one without a time is as old as the first that has one"
    );
}

#[test]
fn a_file_that_is_no_recording_says_what_is_wrong_and_where() {
    let request = r#"{"method":"GET","url":"https://x.example/"}"#;
    for (text, part) in [
        (String::new(), "the JSON ends too early"),
        ("{\"log\":{\"entries\":[".into(), "the JSON ends too early"),
        ("{\"log\":{\"entries\":[}".into(), "line 1, column 20"),
        ("{\n\"log\": {\n\"entries\": 7}}".into(), "line 3, column"),
        ("{\"log\":{\"entries\":[]}}".into(), "no requests"),
        (
            "{\"log\":{\"entries\":[null, 7, {}]}}".into(),
            "no requests",
        ),
        (format!("{request}\n{{\"method\":"), "(line 2, column"),
        (
            format!("{request}\n\n{{\"verdict\":\"accepted\"}}"),
            "line 3 has no `method`",
        ),
        ("GET / HTTP/1.1\r\n".into(), "line 1, column 1"),
    ] {
        let why = parse(text.as_bytes()).unwrap_err();
        assert!(why.contains(part), "{text}: {why}");
    }
}
