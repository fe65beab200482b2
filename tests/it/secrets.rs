//! Secrets are planted everywhere one can come from, echoed by a provider in every form, and then sought
//! wherever text leaves: output, logs, exports, errors, every byte of the state folder, screens, `Debug`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use tilldeck::config::{self, Environ};
use tilldeck::deck;
use tilldeck::domain::{PaymentLink, RawReply, Secret};
use tilldeck::providers::SPECS;

use crate::peer::{Act, Peer, json, reply};
use crate::program::{API_KEY, Place, Ran};
use crate::terminal::{Terminal, copied};

/// What the three sources hold; with characters that every encoding writes differently.
const BY_ENV: &str = "Env/sEcret+1=\"é<&>' ~*x%Q7";
const BY_FILE: &str = "fIle-secret.wH8rT2kLm0Zs9Yq4";
const BY_COMMAND: &str = "cOmmand!(secret)_vB6nJ3xC1dF5";
const ALL: [(&str, &str); 3] = [("env", BY_ENV), ("file", BY_FILE), ("command", BY_COMMAND)];
/// What the provider hands out.
const TOKEN: &str = "tOken-planted-Ua3Wd8Ge2Ik7";
const ACCESS: &str = "aCcess-planted-Pz5Xo1Vn4Br6";
const COOKIE: &str = "cOokie-planted-Hs9Ky2Mt6Lc3";

pub fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

pub fn form(text: &str) -> String {
    serde_urlencoded::to_string([("", text)]).unwrap()[1..].to_owned()
}

/// The value as it may stand in a URL, a header, a JSON text, a page.
pub fn forms(secret: &str) -> Vec<String> {
    let json = serde_json::to_string(secret).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let percent = |escape: fn(u8) -> String| -> String {
        let write = |byte: u8| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                escape(byte)
            }
        };
        secret.bytes().map(write).collect()
    };
    let html = secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;");
    vec![
        secret.to_owned(),
        json.replace('/', "\\/").replace('é', "\\u00e9"),
        json,
        percent(|byte| format!("%{byte:02X}")),
        percent(|byte| format!("%{byte:02x}")),
        form(secret),
        html,
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        hex(secret),
        hex(secret).to_uppercase(),
    ]
}

/// So many characters in a row betray a value: one that was cut or wrapped is found, too.
const PIECE: usize = 12;

/// What tells afterwards of all that was sent, and of whom.
pub const AFTERWARDS: [&[&str]; 7] = [
    &["log"],
    &["log", "--json"],
    &["log", "--export", "har"],
    &["log", "--export", "ndjson"],
    &["log", "--export", "curl"],
    &["account", "list"],
    &["account", "list", "--json"],
];

/// Every piece of every form of planted values, and whose it is.
pub struct Planted(HashMap<Vec<u8>, String>);

impl Planted {
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let values = values.into_iter();
        Self::in_forms(
            values.flat_map(|secret| forms(secret).into_iter().map(move |form| (secret, form))),
        )
    }

    /// Of values in these forms.
    pub fn in_forms<'a>(values: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let mut pieces = HashMap::new();
        for (secret, form) in values {
            assert!(secret.len() >= PIECE, "{secret} is too short to be sought");
            for piece in form.as_bytes().windows(PIECE) {
                pieces.insert(piece.to_vec(), secret.to_owned());
            }
        }
        Self(pieces)
    }

    /// Seeks every planted value in every form, but for those that belong there.
    pub fn seek(&self, what: &str, text: &str, except: &[&str]) {
        for (at, piece) in text.as_bytes().windows(PIECE).enumerate() {
            if let Some(secret) = self.0.get(piece)
                && !except.contains(&secret.as_str())
            {
                let from = text.floor_char_boundary(at.saturating_sub(200));
                let till = text.ceil_char_boundary((at + 200).min(text.len()));
                panic!(
                    "{what} holds a piece of {secret} at {at}:\n{}",
                    &text[from..till]
                );
            }
        }
    }

    /// Seeks them in every file below a folder, but for the folder where they are kept.
    pub fn seek_in_files(&self, folder: &Path) {
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with(config::VAULT) {
                    self.seek_in_files(&path);
                }
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            self.seek(&path.display().to_string(), &text, &[]);
            files += 1;
        }
        assert!(files > 0, "{} is empty", folder.display());
    }
}

static PLANTED: LazyLock<Planted> = LazyLock::new(|| {
    let planted = ALL.iter().map(|(_, secret)| *secret);
    Planted::of(planted.chain([TOKEN, ACCESS, COOKIE]))
});

fn seek(what: &str, text: &str, except: &[&str]) {
    PLANTED.seek(what, text, except);
}

fn seek_in_files(folder: &Path) {
    PLANTED.seek_in_files(folder);
}

/// A place with one account for each source, each at its own URL.
fn place(urls: [&str; 3]) -> Place {
    let place = Place::new();
    std::fs::write(place.path().join("by-file"), BY_FILE).unwrap();
    std::fs::write(place.path().join("by-command"), BY_COMMAND).unwrap();
    point(&place, urls);
    place
}

/// Sends the place's accounts to other URLs.
fn point(place: &Place, urls: [&str; 3]) {
    let command = place.path().join("by-command");
    let sources = [
        ("env", "{ env = \"PLANTED\" }".to_owned()),
        ("file", "{ file = \"by-file\" }".to_owned()),
        (
            "command",
            format!("{{ command = [\"cat\", \"{}\"] }}", command.display()),
        ),
    ];
    let mut text = "default_profile = \"live\"\n".to_owned();
    for ((name, source), url) in sources.into_iter().zip(urls) {
        let _ = writeln!(
            text,
            "[profiles.live.accounts.{name}]\nprovider = \"kanga\"\napi_key = \"{API_KEY}-{name}\"\n\
             api_secret = {source}\nendpoints = {{ api = \"{url}\", pay = \"{url}\" }}"
        );
    }
    std::fs::write(place.config_path(), text).unwrap();
}

fn run(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    command.env("PLANTED", BY_ENV);
    Ran::of(command)
}

/// Headers of a reply that echo the secret in every form, and hand out others.
fn echoing_headers(secret: &str) -> String {
    let mut headers = format!(
        "Set-Cookie: sid={COOKIE}\r\nAuthorization: Bearer {ACCESS}\r\nX-Api-Key: {ACCESS}\r\n\
         Link: <http://127.0.0.1/?access_token={ACCESS}>\r\n"
    );
    for (at, form) in (0..).zip(forms(secret).iter().filter(|form| form.is_ascii())) {
        let _ = write!(headers, "X-Echo-{at}: was {form};\r\n");
    }
    headers
}

/// A JSON object that has these fields, echoes the secret in every form, and hands out others.
fn echoing_json(secret: &str, fields: &str) -> String {
    let inner = quoted(&format!("{{\"access_token\":\"{ACCESS}\"}}"));
    let mut body = format!(
        "{{{fields},\"paymentToken\":\"{TOKEN}\",\"access_token\":\"{ACCESS}\",\"refreshToken\": [\"{ACCESS}\"],\"inner\":{inner}"
    );
    for (at, form) in forms(secret).iter().enumerate() {
        let _ = write!(body, ",\"echo{at}\":{}", quoted(&format!("<{form}>")));
    }
    body + "}"
}

fn echoing_page(secret: &str) -> String {
    let mut page = format!("<html><a href=\"/?a=b&access_token={ACCESS}\">session_id={COOKIE}</a>");
    for form in forms(secret) {
        let _ = write!(page, "<p>You sent {form}</p>");
    }
    page + "</html>"
}

pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// All a provider can put its client's secret into.
fn echoes(secret: &str) -> [(&'static str, Act); 10] {
    let headers = echoing_headers(secret);
    let echo = |fields: &str| reply("200 OK", &headers, &echoing_json(secret, fields));
    let there = format!(
        "Location: http://127.0.0.1:9/?access_token={ACCESS}&was={}\r\n",
        form(secret)
    );
    let payment = |currency: &str, amount: &str, state: &str| {
        json(&format!(
            "{{\"result\":\"ok\",\"currency\":{},\"amount\":{},\"state\":{}}}",
            quoted(currency),
            quoted(amount),
            quoted(state)
        ))
    };
    [
        (
            "payment",
            echo("\"result\":\"ok\",\"currency\":\"BTC\",\"amount\":\"0.01\",\"state\":\"ACTIVE\""),
        ),
        ("refusal", echo("\"result\":\"fail\",\"code\":9000")),
        (
            "page",
            reply("400 Bad Request", &headers, &echoing_page(secret)),
        ),
        (
            "page for an answer",
            reply("200 OK", "", &echoing_page(secret)),
        ),
        ("redirect", reply("302 Found", &there, "")),
        (
            "code",
            json(&format!(
                "{{\"result\":\"fail\",\"code\":{}}}",
                quoted(secret)
            )),
        ),
        (
            "result",
            json(&format!(
                "{{\"result\":{}}}",
                quoted(&format!("signed with {secret}"))
            )),
        ),
        ("state", payment("BTC", "1", secret)),
        ("currency", payment(secret, "1", "NEW")),
        ("amount", payment("BTC", secret, "NEW")),
    ]
}

#[test]
fn planted_secrets_are_found_in_no_output_no_export_and_no_file() {
    std::thread::scope(|scope| {
        for (account, secret) in ALL {
            scope.spawn(move || seek_in_all_of(account, secret));
        }
    });
}

fn seek_in_all_of(account: &str, secret: &str) {
    let place = place(["http://127.0.0.1:1"; 3]);
    for (echo, act) in echoes(secret) {
        let peer = Peer::start(vec![act]);
        point(&place, [&peer.url; 3]);
        for arguments in [
            &["check", "A-17", "--account", account][..],
            &["check", "A-17", "--account", account, "--json"],
            &["account", "verify", account],
        ] {
            let ran = run(&place, arguments);
            seek(&format!("{echo}: {arguments:?}"), &ran.all(), &[]);
        }
        assert!(!peer.requests().is_empty());
    }
    errors_on_the_way(&place, account, secret);
    if account == "env" {
        a_quote(&place);
        what_shows_a_token_shows_no_more(&place);
    }
    for arguments in AFTERWARDS {
        let ran = run(&place, arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains(account), "{ran:?}");
        seek(&format!("{arguments:?}"), &ran.all(), &[]);
    }
    seek_in_files(&place.state());
}

/// A quote is not signed, so nobody reads the account's secret for it; what has a name is replaced all the same.
fn a_quote(place: &Place) {
    let prices = format!("{{\"BTC\":\"1\",\"access_token\":\"{ACCESS}\"}}");
    let headers = format!("Set-Cookie: sid={COOKIE}\r\n");
    let peer = Peer::start(vec![reply("200 OK", &headers, &prices)]);
    point(place, [&peer.url; 3]);
    for more in [&[][..], &["--json"]] {
        let arguments = [&["estimate", "EMT", "3000", "--account", "env"], more].concat();
        seek("an estimate", &run(place, &arguments).all(), &[]);
    }
}

/// A link holds its token, and a raw call's body is shown as it was received: both are what was asked for.
fn what_shows_a_token_shows_no_more(place: &Place) {
    let body = echoing_json(BY_ENV, "\"result\":\"ok\"");
    let peer = Peer::start(vec![reply("200 OK", &echoing_headers(BY_ENV), &body)]);
    point(place, [&peer.url; 3]);
    let data = format!("{{\"note\":{}}}", quoted(BY_ENV));
    let path = format!(
        "/api/v2/tpg/transaction?was={}&access_token={ACCESS}",
        form(BY_ENV)
    );
    let ran = run(
        place,
        &["request", "env", "POST", &path, "--yes", "--data", &data],
    );
    assert_eq!(ran.out, body);
    seek("the words beside a body", &ran.err, &[]);
    let seen = peer.requests();
    assert!(seen[0].head.contains(ACCESS) && seen[0].body.contains("Env/sEcret"));
    let ran = run(
        place,
        &[
            "link",
            "--id",
            "A-1",
            "--amount",
            "1",
            "--currency",
            "BTC",
            "--account",
            "env",
            "--with-token",
        ],
    );
    assert!(ran.out.contains(TOKEN), "{ran:?}");
    seek("a link", &ran.out, &[TOKEN]);
    seek("the words beside a link", &ran.err, &[]);
}

/// No answer, half an answer; asked with a write, since that is not tried again.
fn errors_on_the_way(place: &Place, account: &str, secret: &str) {
    let headers = echoing_headers(secret);
    let body = echoing_json(secret, "\"result\":\"ok\"");
    let torn = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 99999\r\n\r\n{body}");
    let in_a_secret = body.rfind(&hex(secret)[..20]).unwrap() + 14;
    let acts = [
        Act::Bytes(torn.into_bytes()),
        Act::Reset,
        reply("200 OK", &headers, &body[..in_a_secret.min(body.len())]),
    ];
    let peers: Vec<Peer> = acts.into_iter().map(|act| Peer::start(vec![act])).collect();
    for peer in &peers {
        point(place, [&peer.url; 3]);
        let link = [
            "link",
            "--id",
            "A",
            "--amount",
            "1",
            "--currency",
            "BTC",
            "--with-token",
        ];
        let ran = run(place, &[&link[..], &["--account", account]].concat());
        assert_ne!(ran.code, 0, "{ran:?}");
        seek("an error", &ran.all(), &[]);
    }
}

#[test]
fn a_secret_written_into_the_config_is_shown_in_no_error() {
    let quoted = serde_json::to_string(BY_ENV).unwrap();
    let head = "[profiles.live.accounts.env]\nprovider = \"kanga\"\napi_key = \"k\"\n";
    for line in [
        format!("api_secret = {quoted}"),
        format!("api_secrt = {quoted}"),
        format!("api_secret = {quoted} oops"),
        format!("api_secret = {{ env = {quoted} oops }}"),
        format!("api_secret = {{ value = {quoted} }}"),
        format!("api_secret = {}", &quoted[..quoted.len() - 1]),
        format!("api_secret = '''\n{BY_FILE}"),
        format!("api_secret = [{quoted}]"),
        format!("endpoints = {{ api = \"https://user:{BY_FILE}@host/\" }}"),
        format!("endpoints = {{ api = \"{BY_FILE}\" }}"),
        format!("environment = \"{BY_FILE}\""),
        format!("budget = {{ requests = \"{BY_FILE}\" }}"),
        BY_FILE.to_owned(),
    ] {
        let place = Place::with_config(&format!("{head}{line}\n"));
        for arguments in [
            &["config", "check"][..],
            &["config", "check", "--json"],
            &["check", "A"],
            &["account", "list", "--json"],
        ] {
            let ran = run(&place, arguments);
            assert_eq!(ran.code, 2, "{line}: {ran:?}");
            seek(&line, &ran.all(), &[]);
        }
    }
}

#[test]
fn a_secret_that_cannot_be_had_is_shown_in_no_error() {
    let script = format!("echo {BY_FILE} >&2; printf %s {BY_FILE}; echo more; exit 0");
    let words = serde_json::to_string(&["sh", "-c", &script]).unwrap();
    let lines = format!("{BY_FILE}\n{BY_FILE}\n");
    let place = Place::with_config(&format!(
        "[profiles.live.accounts.env]\nprovider = \"kanga\"\napi_key = \"k\"\napi_secret = {{ file = \"lines\" }}\n\
         [profiles.live.accounts.command]\nprovider = \"kanga\"\napi_key = \"k\"\napi_secret = {{ command = {words} }}\n"
    ));
    std::fs::write(place.path().join("lines"), lines).unwrap();
    for account in ["env", "command"] {
        for more in [&[][..], &["--json"]] {
            let ran = run(
                &place,
                &[&["account", "verify", account, "--profile", "live"], more].concat(),
            );
            assert_ne!(ran.code, 0, "{ran:?}");
            seek(account, &ran.all(), &[]);
        }
    }
}

#[test]
fn planted_secrets_are_found_on_no_screen() {
    let echo = |secret: &str| {
        let fields =
            "\"result\":\"ok\",\"currency\":\"BTC\",\"amount\":\"0.01\",\"state\":\"ACTIVE\"";
        let body = echoing_json(secret, fields);
        Peer::start(vec![reply("200 OK", &echoing_headers(secret), &body)])
    };
    let peers = ALL.map(|(_, secret)| echo(secret));
    let place = place([&peers[0].url, &peers[1].url, &peers[2].url]);
    let mut command = place.command(&[]);
    command.env("PLANTED", BY_ENV);
    let mut terminal = Terminal::start(&command, (160, 50));
    terminal.sees("tilldeck ›");
    terminal.sees_no("starting…");
    terminal.paste("A-17");
    terminal.sees("Watch a payment");
    terminal.send("\r");
    terminal.sees("ACTIVE");
    terminal.send("1V");
    terminal.sees("✔ command");
    terminal.sees("✔ file");
    terminal.sees("✔ env");
    terminal.send("4e");
    terminal.sees("Price estimate");
    terminal.send("1\tEMT\r");
    terminal.sees("/api/tpg/price/estimate");
    for (times, size) in [(2, (160, 50)), (4, (80, 24))] {
        terminal.resize(size);
        terminal.send("5G\r");
        terminal.sees("copy as curl");
        // Every line of it comes by.
        for _ in 0..12 {
            terminal.send("\u{4}");
        }
        terminal.send("yb");
        terminal.wait_for_bytes("the clipboard", |bytes| copied(bytes).len() == times);
        terminal.send("\u{1b}");
        terminal.sees_no("copy as curl");
    }
    terminal.send("?");
    terminal.sees("─ Help ─");
    terminal.send("q");
    terminal.sees_no("─ Help ─");
    terminal.send(":");
    terminal.sees("─ Find ─");
    terminal.send("\u{3}");
    assert_eq!(terminal.ended(), 0);
    seek("the screen", &terminal.rows_seen(), &[]);
    for copied in terminal.copied() {
        assert!(copied.len() > 80);
        seek("the clipboard", &copied, &[]);
    }
    seek("the terminal", &terminal.all_seen(), &[]);
    seek_in_files(&place.state());
}

#[test]
fn planted_secrets_are_found_in_no_debug_form() {
    let place = place(["http://127.0.0.1:1"; 3]);
    let environ = Environ::of([("PLANTED", BY_ENV)]);
    let locations = place.locations(environ.clone());
    let config = config::load(&locations, &SPECS).unwrap();
    let profile = config.profile(None).unwrap();
    let mut told = format!(
        "{config:?} {:?} {locations:?} {environ:?}",
        deck::accounts(profile, &config::Vault::files(place.state()))
    );
    for account in &profile.accounts {
        for source in account.secrets.values() {
            let resolved = source.resolve(&environ).unwrap();
            let _ = write!(told, "{source:?} {resolved:#?}");
        }
    }
    let body = echoing_json(BY_ENV, "\"a\":1");
    let bytes = format!("{:?}", body.as_bytes());
    let token = Secret::new(TOKEN);
    let link = PaymentLink {
        url: Secret::new(format!("https://pay.example/?paymentToken={TOKEN}")),
        shown: "https://pay.example/?paymentToken=…".into(),
    };
    let raw = RawReply {
        content_type: None,
        took: std::time::Duration::ZERO,
        status: 200,
        body: body.into(),
    };
    let _ = write!(told, "{token:?}{link:?}{raw:?}");
    seek("Debug", &told, &[]);
    assert!(!told.contains(&bytes[1..60]), "nor as numbers: {told}");
}
