//! What is read of files, and what is not.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::cli::export;
use crate::domain::{Exchange, Outcome, WallTime};

use super::{REQUESTS_MAX, Recording};

fn parse(bytes: &[u8]) -> Result<Recording, String> {
    super::parse(bytes, REQUESTS_MAX)
}

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
"about":"{hostile}","error":"{hostile}","request":{{"headers":[["{hostile}","x"],["accept","{hostile}"]]}}}}"#
    )
    .replace('\n', "");
    let read = parse(line.as_bytes()).unwrap();
    let one = &read.exchanges[0];
    assert_eq!(one.account.as_str(), "a--2J-b");
    let Outcome::Failed(why) = &one.outcome else {
        panic!("{one:?}");
    };
    let [(name, _), (_, value)] = one.request_headers.as_slice() else {
        panic!("{one:?}");
    };
    for text in [&one.method, &one.url, &one.about, why, name, value] {
        assert!(!text.contains(crate::domain::inert::is_hostile), "{text:?}");
    }
}

#[test]
fn a_line_of_ndjson_may_miss_fields() {
    let text = "\u{feff}{\"method\":\"GET\",\"url\":\"https://x.example/a\",\"status\":204,\"ms\":7}\n\n\
                {\"method\":\"GET\",\"url\":\"https://x.example/b\",\"at\":\"2026-11-22T02:54:26Z\"}\n\
                {\"method\":\"GET\",\"url\":\"https://x.example/c\",\"status\":200,\"error\":\"fail 9000\"}\n";
    let read = parse(text.as_bytes()).unwrap();
    let seen = |it: &Exchange| (it.at, it.outcome.clone(), it.took.as_millis());
    let at = WallTime(1_795_316_066_000);
    assert_eq!(
        read.exchanges.iter().map(seen).collect::<Vec<_>>(),
        [
            (at, Outcome::Status(204), 7),
            (at, Outcome::Failed("no response".into()), 0),
            (at, Outcome::Refused(200, "fail 9000".into()), 0)
        ],
        "one without a time is as old as the first that has one"
    );
    let refused = &read.exchanges[2];
    let har = format!(
        r#"{{"log":{{"entries":[{}]}}}}"#,
        export::har_entry(refused)
    );
    let again = parse(har.as_bytes()).unwrap();
    assert_eq!(again.exchanges[0].outcome, refused.outcome);
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

/// A recording in which each of these secrets has a place of its own, and another one that repeats it.
fn leaking() -> (String, Vec<String>) {
    let jwt = |who: &str| {
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let parts = [r#"{"alg":"HS256"}"#, who, "signature-of-it"].map(encoded);
        parts.join(".")
    };
    let [in_query, in_path, in_body] =
        ["{\"sub\":\"1\"}", "{\"sub\":\"2\"}", "{\"sub\":\"3\"}"].map(jwt);
    let cookies: Vec<String> = (0..60)
        .map(|n| format!("Planted-cookie-{n:02}-x"))
        .collect();
    let values = |name: &str| format!("Planted-{name}-7x");
    let named = [
        "token",
        "code",
        "key",
        "sig",
        "X-Amz-Signature",
        "X-Amz-Security-Token",
        "jwt",
        "session_key",
    ];
    let query = named
        .map(|name| format!("&{name}={}", values(name)))
        .concat();
    let headers = [
        "X-Api-Key",
        "Ocp-Apim-Subscription-Key",
        "X-Shop-Key",
        "X-Access",
    ];
    let mut sent: Vec<Value> = headers
        .iter()
        .map(|name| json!({ "name": name, "value": values(name) }))
        .collect();
    let jar: Vec<String> = cookies
        .iter()
        .enumerate()
        .map(|(n, value)| format!("c{n}={value}"))
        .collect();
    sent.push(json!({ "name": "Cookie", "value": jar.join("; ") }));
    sent.push(json!({ "name": "Authorization", "value": format!("Basic {}", STANDARD.encode("planted-user:pL4nted")) }));
    sent.push(json!({ "name": "Referer", "value": "https://u:pW9@shop.example/?next=https%3A%2F%2Fv%3ApW8x%40shop.example%2F" }));
    let form = format!(
        "{{\"token\":\"Planted-json-token\",\"deep\":{{\"jwt\":\"Planted-json-jwt\"}},\"id_hint\":\"{in_body}\"}}"
    );
    let unpadded = STANDARD_NO_PAD.encode(r#"{"access_token":"Planted-in-base64","n":1}"#);
    let mut secrets = vec![
        in_query.clone(),
        in_path.clone(),
        in_body.clone(),
        unpadded.clone(),
    ];
    secrets.extend(cookies);
    secrets.extend(named.iter().chain(&headers).map(|name| values(name)));
    let more = [
        "pL4nted",
        "planted-user",
        "pW9",
        "pW8x",
        "Planted-json-token",
        "Planted-json-jwt",
        "Planted-in-base64",
    ];
    secrets.extend(more.map(str::to_owned));
    let echo = secrets
        .iter()
        .filter(|it| !it.starts_with("pW") && **it != unpadded)
        .cloned();
    let echo: Vec<String> = echo.collect();
    let entry = |request: Value, response: Value| json!({ "startedDateTime": "2026-11-22T02:54:26Z", "request": request, "response": response });
    let echoes = json!({ "status": 200, "headers": [{ "name": "Link", "value": echo.join(" ") }],
        "content": { "size": 1, "mimeType": "application/json", "text": json!({ "seen": echo }).to_string() } });
    let encoded =
        json!({ "status": 200, "content": { "size": 42, "text": unpadded, "encoding": "base64" } });
    let url = format!(
        "https://u:pW9@shop.example/verify/{in_path}?t={in_query}{query}&back=https://v:pW8x@shop.example/"
    );
    let sent = json!({ "method": "POST", "url": url, "headers": sent, "postData": { "mimeType": "application/json", "text": form } });
    let again =
        json!({ "method": "GET", "url": format!("https://shop.example/?seen={}", echo[3]) });
    let entries = [entry(again, encoded), entry(sent, echoes)];
    let archive = json!({ "log": { "version": "1.2", "entries": entries } });
    (archive.to_string(), secrets)
}

#[test]
fn no_secret_that_another_program_recorded_is_left_in_any_place() {
    let (archive, secrets) = leaking();
    let read = parse(archive.as_bytes()).unwrap();
    for exchange in &read.exchanges {
        let shown = [
            export::whole(exchange).to_string(),
            export::har_entry(exchange),
            export::curl(exchange),
        ];
        for secret in &secrets {
            for shown in &shown {
                assert!(!shown.contains(secret.as_str()), "{secret}: {shown}");
            }
        }
    }
    let bodies: Vec<&str> = read
        .exchanges
        .iter()
        .map(|it| it.response_body.text.as_str())
        .collect();
    assert_eq!(bodies[0], r#"{"access_token":"<access_token>","n":1}"#);
}

#[test]
fn a_secret_is_redacted_everywhere_wherever_a_recording_names_it() {
    const SECRET: &str = "Planted&secret=7x+";
    let named = |name: &str| json!([{ "name": name, "value": SECRET }]);
    for (field, value) in [
        ("queryString", named("access_token")),
        ("queryString", json!({ "access_token": SECRET })),
        ("headers", named("X-Api-Key")),
        ("headers", json!({ "Accept": "*/*", "X-Api-Key": SECRET })),
        ("headers", json!({ "X-Api-Key": ["other", SECRET] })),
        ("cookies", named("sid")),
        (
            "postData",
            json!({ "text": "{}", "params": named("password") }),
        ),
        ("postData", json!({ "params": { "password": SECRET } })),
        (
            "redirectURL",
            json!("https://u:Planted%26secret%3D7x%2B@x.example/"),
        ),
    ] {
        let url = "https://x.example/?seen=Planted%26secret%3D7x%2B";
        let mut request = json!({ "method": "GET", "url": url });
        request[field] = value.clone();
        let body = json!({ "text": format!("<{SECRET}>"), "mimeType": "text/plain" });
        let before = json!({ "request": { "url": url }, "response": { "content": body } });
        let entries = [before, json!({ "request": request })];
        let archive = json!({ "log": { "entries": entries } }).to_string();
        let shown = format!("{:?}", parse(archive.as_bytes()).unwrap());
        assert!(!shown.contains("Planted"), "{field} {value}: {shown}");
    }
}

#[test]
fn what_is_no_secret_stays_readable() {
    let line = r#"{"method":"GET","url":"https://shop.example/pay?id=A-1&page=2","status":200,"request":{"headers":
[["Accept","*/*"],["Sec-Fetch-Mode","cors"]]},"response":{"headers":[["Cache-Control","no-store"],["X-Trace","z"]],
"body":"{\"state\":\"NEW\",\"amount\":\"12.50\"}"}}"#.replace('\n', "");
    let read = parse(line.as_bytes()).unwrap();
    let one = &read.exchanges[0];
    assert_eq!(one.url, "https://shop.example/pay?id=A-1&page=2");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        one.request_headers,
        [pair("Accept", "*/*"), pair("Sec-Fetch-Mode", "cors")]
    );
    assert_eq!(
        one.response_headers,
        [
            pair("Cache-Control", "no-store"),
            pair("X-Trace", "<x-trace>")
        ]
    );
    assert_eq!(
        one.response_body.text,
        r#"{"state":"NEW","amount":"12.50"}"#
    );
}

#[test]
fn an_entry_of_tilldeck_stays_as_it_was_recorded() {
    let line = r#"{"account":"shop","provider":"kanga","method":"POST","url":"https://k.example/?api_key=<api_key>",
"status":200,"request":{"headers":[["api-sig","<api-sig>"],["x-trace","7"]],"body":"{\"token\":\"EMT\",\"appId\":\"<appId>\"}"}}"#
        .replace('\n', "");
    let read = parse(line.as_bytes()).unwrap();
    let one = &read.exchanges[0];
    assert_eq!(one.url, "https://k.example/?api_key=<api_key>");
    assert_eq!(
        one.request_body.text,
        r#"{"token":"EMT","appId":"<appId>"}"#
    );
    let headers: Vec<&str> = one
        .request_headers
        .iter()
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(headers, ["<api-sig>", "7"]);
}

#[test]
fn a_body_that_cannot_be_decoded_is_hidden() {
    let line = r#"{"method":"GET","url":"https://x.example/","bytes_received":5,"response":{"body":"{\"pin\":1}","encoding":"base64"}}"#;
    let read = parse(line.as_bytes()).unwrap();
    assert_eq!(read.exchanges[0].response_body.text, "<body>");
}

#[test]
fn more_secrets_than_can_be_searched_are_no_reason_to_show_one() {
    let header = |n: usize| json!([format!("x-key-{n}"), format!("{n:06}-planted")]);
    let lines: Vec<String> = (0..4)
        .map(|part| {
            let headers: Vec<Value> = (0..2_500).map(|n| header(part * 2_500 + n)).collect();
            json!({ "method": "GET", "url": "https://x.example/", "request": { "headers": headers } }).to_string()
        })
        .collect();
    let why = parse(lines.join("\n").as_bytes()).unwrap_err();
    assert!(why.contains("too many different secrets"), "{why}");
}

#[test]
fn entries_that_are_no_requests_are_counted_and_those_over_the_limit_are_left_out() {
    let request = r#"{"request":{"url":"h"}},"#;
    let text = format!(
        "{{\"log\":{{\"entries\":[{}{}0]}}}}",
        "0,".repeat(300),
        request.repeat(12)
    );
    let read = super::parse(text.as_bytes(), 10).unwrap();
    assert_eq!(read.exchanges.len(), 10);
    assert_eq!(
        read.notes(),
        [
            "300 entries of the recording name no request and are left out",
            "the 3 entries of the recording after the first 10 requests are left out"
        ]
    );
}

#[test]
fn an_archive_is_known_by_its_field_wherever_it_is() {
    let request = r#""request":{"url":"https://x.example/"}"#;
    for text in [
        format!(r#"{{"log":{{"entries":[{{{request}}}]}}}}"#),
        format!(r#"{{"_by":[{{"log":1}}],"log":{{"version":"1.2","entries":[{{{request}}}]}}}}"#),
        format!("{{\n\"log\":\n{{\"entries\":[{{{request}}}]}}}}"),
    ] {
        assert_eq!(parse(text.as_bytes()).unwrap().exchanges.len(), 1, "{text}");
    }
}
