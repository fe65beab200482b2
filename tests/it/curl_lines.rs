//! Copied curl lines, run by real shells and a real curl: what arrives is what was sent.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tilldeck::clock::Clock;
use tilldeck::domain::{AccountId, Body, Exchange, ExchangeId, Outcome, curl};

use crate::peer::{Peer, Seen, json, reply};
use crate::program::Place;

/// Each as it reads what is typed or pasted, and as it reads a script.
const SHELLS: [&[&str]; 7] = [
    &["sh"],
    &["dash"],
    &["bash", "--norc"],
    &["bash", "--norc", "-i"],
    &["zsh", "-f"],
    &["zsh", "-f", "-i"],
    &["fish", "--no-config"],
];

#[expect(clippy::disallowed_methods, reason = "a program of the test")]
fn program(name: &str) -> Command {
    Command::new(name)
}

fn is_installed(name: &str) -> bool {
    let ran = program(name)
        .arg("-c")
        .arg("exit 0")
        .stdin(Stdio::null())
        .output();
    ran.is_ok_and(|ran| ran.status.success() || name == "curl")
}

fn body(bytes: &[u8]) -> Body {
    let text = std::str::from_utf8(bytes);
    Body {
        text: text.map_or_else(|_| STANDARD.encode(bytes), str::to_owned),
        base64: text.is_err(),
        bytes: bytes.len() as u64,
        cut: false,
    }
}

fn exchange(method: &str, url: String, sent: &[u8]) -> Exchange {
    Exchange {
        id: ExchangeId(0),
        account: AccountId::new("shop").unwrap(),
        provider: "kanga".into(),
        environment: "production".into(),
        at: Clock::system().now().wall,
        method: method.into(),
        url,
        about: "it's; echo `x` $(exit 3) # !!".into(),
        attempt: 1,
        outcome: Outcome::Status(200),
        http_version: "HTTP/1.1".into(),
        to_head: None,
        took: Duration::from_millis(3),
        request_headers: vec![
            ("x-note".into(), r#"a "b" 'c' \ $HOME !! \\'#"#.into()),
            ("x-tab".into(), "a\tb".into()),
            ("x-empty".into(), String::new()),
        ],
        request_body: body(sent),
        response_headers: Vec::new(),
        response_body: Body::default(),
        response_wire: None,
        operator: String::new(),
        profile: String::new(),
    }
}

fn cases() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let every_byte = (0..=255).collect::<Vec<u8>>();
    let mut cases: Vec<(&str, &str, Vec<u8>)> = vec![
        ("GET", "/plain", vec![]),
        ("GET", "/x?f[a]=1&g={x,y}&h=[1-3]", vec![]),
        ("GET", "/a/%2e%2e/./b?q=a'b", vec![]),
        ("HEAD", "/head", vec![]),
        ("POST", "/empty", vec![]),
        ("PUT", "/empty", vec![]),
        ("DELETE", "/gone", vec![]),
        ("GET", "/with-a-body", b"{}".to_vec()),
        ("POST", "/large", vec![b'x'; 200_000]),
        ("POST", "/binary", every_byte.clone()),
        ("POST", "/binary", every_byte.repeat(2)),
    ];
    let texts = [
        r#"{"a": "it's"}"#,
        r"\",
        r"\\",
        r"\\\' \'\\'\n\t\\n",
        "'",
        "''",
        "'\\''",
        r#"{"path":"C:\\dir\\","n":"\n"}"#,
        "@/etc/passwd",
        "@-",
        "-",
        "--next",
        "a\r\nb\r\n",
        "a\nb\n\n",
        "a\n!b\n'!!'",
        "!! !x",
        "$HOME `id` $(id) ${x} %s %d 100%",
        "\u{1b}[2J\u{7}\u{9b}31m",
        "\u{202e}abc\u{feff}",
        "\0a\08\0",
        "\u{1}23",
        "-\u{1b}",
        "zażółć 漢字 😀",
        "~/x *.rs ? # & | ; < > ( )",
        " leading and trailing ",
    ];
    cases.extend(texts.map(|text| ("POST", "/text", text.as_bytes().to_vec())));
    cases
}

/// What matters of a request: all but what curl says of itself.
fn essence(seen: &Seen) -> (String, Vec<Option<String>>, Vec<u8>) {
    let first = seen.head.lines().next().unwrap().to_owned();
    let names = [
        "x-note",
        "x-tab",
        "x-empty",
        "content-type",
        "content-length",
    ];
    let headers = names.map(|name| seen.header(name).map(str::to_owned));
    (first, headers.to_vec(), seen.raw.clone())
}

#[test]
fn every_shell_sends_what_was_sent() {
    if !is_installed("curl") {
        eprintln!("SKIPPED: curl is not installed, so no copied line is run");
        return;
    }
    for shell in SHELLS {
        if !is_installed(shell[0]) {
            eprintln!("SKIPPED: {} is not installed", shell[0]);
            continue;
        }
        let peer = Peer::start(vec![reply("200 OK", "", "")]);
        let place = Place::new();
        let mut script = String::new();
        for (method, target, sent) in cases() {
            let exchange = exchange(method, format!("{}{target}", peer.url), &sent);
            let line = curl::command(&exchange);
            let inert = |c: char| c == '\n' || !tilldeck::domain::inert::is_hostile(c);
            assert!(line.chars().all(inert), "{line}");
            script.push_str(&curl::note(&exchange.about));
            script.push('\n');
            // Each has its turn, also where one fails.
            script.push_str(&line.replacen("curl", "curl -sS -o /dev/null", 1));
            script.push('\n');
        }
        let mut child = program(shell[0])
            .args(&shell[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", place.path())
            .env("LC_ALL", "C.UTF-8")
            .current_dir(place.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::spawn(move || stdin.write_all(script.as_bytes()));
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        let seen = peer.requests();
        for (at, (method, target, sent)) in cases().into_iter().enumerate() {
            let text = String::from_utf8_lossy(&sent);
            let seen = seen.get(at);
            let seen = seen.unwrap_or_else(|| panic!("{shell:?}: {text:?} is not sent: {said}"));
            let length = match method {
                "GET" | "HEAD" | "DELETE" if sent.is_empty() => None,
                _ => Some(sent.len().to_string()),
            };
            let note = Some(r#"a "b" 'c' \ $HOME !! \\'#"#.to_owned());
            let headers = vec![note, Some("a\tb".into()), Some(String::new()), None, length];
            let first = format!("{method} {target} HTTP/1.1");
            assert_eq!(essence(seen), (first, headers, sent), "{shell:?}: {said}");
        }
        assert_eq!(seen.len(), cases().len(), "{shell:?}: {said}");
    }
}

#[test]
fn a_line_of_the_log_repeats_the_request() {
    if !is_installed("curl") {
        eprintln!("SKIPPED: curl is not installed, so no line of the log is run");
        return;
    }
    let peer = Peer::start(vec![json("{}")]);
    let place = Place::with_shop(&peer.url);
    let body = "{\"it's\": \"\\\\ \\u001b [x] @\"}";
    let ran = place.run(&[
        "request",
        "shop",
        "PUT",
        "/x?f[a]={b}",
        "--yes",
        "--data",
        body,
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let line = place.run(&["log", "--export", "curl"]).out;
    let ran = crate::program::shell()
        .arg("-c")
        .arg(&line)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{line}: {ran:?}");
    let [sent, repeated] = &peer.requests()[..] else {
        panic!("{:?}", peer.requests());
    };
    assert_eq!(sent.head.lines().next(), repeated.head.lines().next());
    for name in ["user-agent", "accept", "content-type", "host"] {
        assert_eq!(sent.header(name), repeated.header(name), "{name}");
    }
}
