//! What Kinguin and Pledg are told in secret, and what they hand out, sought wherever text leaves: the client's
//! secret, access tokens, Basic pairs, signatures. The providers echo it in every form.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use tilldeck::clock::Clock;
use tilldeck::config::{self, Environ, Vault};
use tilldeck::deck::{Deck, Handover, Options};
use tilldeck::domain::{AccountId, RawCall};
use tilldeck::net::Network;
use tilldeck::providers::SPECS;

use crate::deck::how;
use crate::peer::{Act, Peer, reply};
use crate::program::{Place, Ran};
use crate::secrets::{AFTERWARDS, Planted, form, forms, quoted};
use crate::terminal::{Terminal, copied};

/// What the three sources hold; the first with characters that every encoding writes differently.
const BY_ENV: &str = "oTp/sEcret+2=\"é<&>' ~*x%W8";
const BY_FILE: &str = "fIled-client-secret.xK3vQ9tR7bN5";
const BY_COMMAND: &str = "tOld!(client-secret)_hD4mS8gL2wF6";
/// Kinguin's token.
const BEARER: &str = "bEarer-planted-Ye5Tc1Uj9Po3Ka7";
const KEY: &str = "key-of-a-test";
const USER: &str = "user@shop.example";

/// Which source has which of the secrets of an account, the client's first.
const ACCOUNTS: [(&str, [&str; 3]); 3] = [
    ("env", [BY_ENV, BY_FILE, BY_COMMAND]),
    ("file", [BY_FILE, BY_COMMAND, BY_ENV]),
    ("command", [BY_COMMAND, BY_ENV, BY_FILE]),
];

/// Pledg's token: one that says something of itself, a secret too.
fn jwt() -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = format!(
        "{{\"sub\":\"merchant\",\"client_secret\":{}}}",
        quoted(BY_FILE)
    );
    format!(
        "{}.{}.{}",
        part(r#"{"alg":"RS256","typ":"JWT"}"#),
        part(&claims),
        part("a-signature-that-nobody-can-verify")
    )
}

fn basic(user: &str, secret: &str) -> String {
    STANDARD.encode(format!("{user}:{secret}"))
}

/// The pairs' passwords as they stand in `Authorization: Basic`; the names before them are no secret.
fn basics() -> Vec<String> {
    let password =
        |user: &str, secret| basic(user, secret).split_off((user.len() + 1).div_ceil(3) * 4);
    let of = |secret| [password(KEY, secret), password(USER, secret)];
    [BY_ENV, BY_FILE, BY_COMMAND]
        .into_iter()
        .flat_map(of)
        .collect()
}

static PLANTED: LazyLock<Planted> = LazyLock::new(|| {
    let (jwt, basics) = (jwt(), basics());
    let fixed = [BY_ENV, BY_FILE, BY_COMMAND, BEARER, jwt.as_str()];
    Planted::of(fixed.into_iter().chain(basics.iter().map(String::as_str)))
});

fn seek(what: &str, text: &str) {
    PLANTED.seek(what, text, &[]);
}

fn seek_in(what: &str, ran: &Ran) {
    seek(what, &ran.all());
}

/// A place with a Kinguin and a Pledg account for each source, all at one URL.
fn place(url: &str) -> Place {
    let place = Place::new();
    std::fs::write(place.path().join("by-file"), BY_FILE).unwrap();
    std::fs::write(place.path().join("by-command"), BY_COMMAND).unwrap();
    point(&place, url);
    place
}

fn point(place: &Place, url: &str) {
    let command = place.path().join("by-command").display().to_string();
    let source = |secret: &str| match secret {
        BY_ENV => "{ env = \"PLANTED\" }".to_owned(),
        BY_FILE => "{ file = \"by-file\" }".to_owned(),
        _ => format!("{{ command = [\"cat\", \"{command}\"] }}"),
    };
    let mut text = "default_profile = \"live\"\n[ui]\nverify_on_start = false\n".to_owned();
    for (name, secrets) in ACCOUNTS {
        let [first, second, third] = secrets.map(source);
        let _ = writeln!(
            text,
            "[profiles.live.accounts.k-{name}]\nprovider = \"kinguin\"\nenvironment = \"sandbox\"\nclient_id = \"{KEY}\"\n\
             client_secret = {first}\nendpoints = {{ token = \"{url}/auth/token\", gateway = \"{url}\" }}\n\
             [profiles.live.accounts.p-{name}]\nprovider = \"pledg\"\nenvironment = \"sandbox\"\napi_key = \"{KEY}\"\n\
             api_secret = {first}\nmerchant_secret = {second}\ndashboard_user = \"{USER}\"\ndashboard_password = {third}\n\
             endpoints = {{ api = \"{url}\" }}"
        );
    }
    std::fs::write(place.config_path(), text).unwrap();
}

fn run(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    command.env("PLANTED", BY_ENV);
    Ran::of(command)
}

/// Headers that echo these values in every form.
fn echoing_headers(values: &[&str]) -> String {
    let mut headers = String::from("X-Made-By: a test\r\n");
    let all = values.iter().flat_map(|value| forms(value));
    for (at, form) in (0..).zip(all.filter(|form| form.is_ascii())) {
        let _ = write!(headers, "X-Echo-{at}: was {form};\r\n");
    }
    headers
}

/// A JSON object with these fields that echoes these values.
fn echoing_json(values: &[&str], fields: &str) -> String {
    let mut body = format!("{{{fields}");
    for (at, form) in (0..).zip(values.iter().flat_map(|value| forms(value))) {
        let _ = write!(body, ",\"echo{at}\":{}", quoted(&format!("<{form}>")));
    }
    body + "}"
}

fn echoing_page(values: &[&str]) -> String {
    let mut page = String::from("<html>");
    for form in values.iter().flat_map(|value| forms(value)) {
        let _ = write!(page, "<p>You sent {form}</p>");
    }
    page + "</html>"
}

fn granted(token: &str) -> String {
    format!(
        "\"access_token\":{},\"expires_in\":3600,\"token_type\":\"bearer\"",
        quoted(token)
    )
}

fn grant(token: &str) -> Act {
    reply("200 OK", "", &format!("{{{}}}", granted(token)))
}

/// A server of both providers, whose other calls are answered like this.
fn server(act: Act) -> Peer {
    Peer::routed(vec![
        ("/auth/token", grant(BEARER)),
        ("/api/token", grant(&jwt())),
        ("/", act),
    ])
}

/// How a token call may end that was told these values.
fn token_answers(told: &[&str], token: &str) -> Vec<(&'static str, Act)> {
    let headers = echoing_headers(told);
    let refused = format!(
        "\"error\":\"invalid_client\",\"error_description\":{}",
        words(told)
    );
    let page = echoing_page(told);
    let was = form(told[0]);
    let there = format!("Location: http://127.0.0.1:9/?access_token={token}&was={was}\r\n");
    let both = [told, &[token]].concat();
    let ok = |fields: &str| reply("200 OK", &headers, &echoing_json(&both, fields));
    let whole = echoing_json(&both, &granted(token));
    let kind = granted(token).replace("\"bearer\"", &quoted(told[0]));
    let life = granted(token).replace("3600", &quoted(token));
    vec![
        (
            "refused",
            reply("401 Unauthorized", &headers, &echoing_json(told, &refused)),
        ),
        ("page", reply("400 Bad Request", &headers, &page)),
        ("page for a token", reply("200 OK", "", &page)),
        ("redirect", reply("302 Found", &there, "")),
        ("torn", reply("200 OK", &headers, &whole[..whole.len() / 2])),
        ("kind", ok(&kind)),
        ("life", ok(&life)),
        (
            "characters",
            reply(
                "200 OK",
                &headers,
                &echoing_json(told, &granted(&format!("{token} {token}"))),
            ),
        ),
        ("granted", ok(&granted(token))),
    ]
}

/// How any other call may end that was told these values.
fn answers(told: &[&str]) -> Vec<(&'static str, Act)> {
    let headers = echoing_headers(told);
    let words = words(told);
    let said = format!("\"error\":{words},\"message\":{words},\"error_description\":{words}");
    let body = echoing_json(told, &said);
    let inside = format!("\"error\":{{\"type\":{words},\"debug\":{words}}}");
    let retry = format!("Retry-After: {}\r\n", form(told[0]));
    let there = format!("Location: http://127.0.0.1:9/?was={}\r\n", form(told[0]));
    vec![
        (
            "good",
            reply(
                "200 OK",
                &headers,
                &echoing_json(told, "\"type\":\"MERCHANT\""),
            ),
        ),
        ("refused", reply("401 Unauthorized", &headers, &body)),
        ("forbidden", reply("403 Forbidden", &headers, &body)),
        (
            "not there",
            reply("404 Not Found", &headers, &echoing_json(told, &inside)),
        ),
        ("too many", reply("429 Too Many Requests", &retry, &body)),
        ("page", reply("500 Oops", &headers, &echoing_page(told))),
        ("redirect", reply("302 Found", &there, "")),
        (
            "nonsense",
            reply("200 OK", &headers, &body[..body.len() / 2]),
        ),
    ]
}

/// A provider's words that name all it was told.
fn words(told: &[&str]) -> String {
    quoted(&format!("not {}", told.join(" nor ")))
}

#[test]
fn planted_credentials_and_tokens_are_found_in_no_output_no_export_and_no_file() {
    std::thread::scope(|scope| {
        for (at, (name, secrets)) in ACCOUNTS.into_iter().enumerate() {
            scope.spawn(move || seek_in_all_of(&format!("k-{name}"), secrets, BEARER, at));
            scope.spawn(move || seek_in_all_of(&format!("p-{name}"), secrets, &jwt(), at + 1));
        }
    });
}

/// Each ending is met with one of the three sources.
fn is_due(turn: usize) -> bool {
    turn.is_multiple_of(3)
}

/// Words and JSON take turns.
fn in_turns<'a>(arguments: &[&'a str], turn: usize) -> Vec<&'a str> {
    let json = turn.is_multiple_of(2).then_some("--json");
    arguments.iter().copied().chain(json).collect()
}

fn seek_in_all_of(account: &str, secrets: [&str; 3], token: &str, turn: usize) {
    let place = place("http://127.0.0.1:1");
    let pair = basic(KEY, secrets[0]);
    let told = [secrets[0], &pair];
    let told = if account.starts_with('k') {
        &told[..1]
    } else {
        &told
    };
    for (at, (ending, act)) in token_answers(told, token).into_iter().enumerate() {
        if !is_due(turn + at) && ending != "granted" {
            continue;
        }
        let peer = Peer::start(vec![act]);
        point(&place, &peer.url);
        let ran = run(&place, &in_turns(&["token", "refresh", account], turn + at));
        assert_eq!(ran.code == 0, ending == "granted", "{ran:?}");
        seek_in(&format!("{account}: token call, {ending}"), &ran);
        if ending == "granted" {
            for more in 0..2 {
                seek_in(
                    "token show",
                    &run(&place, &in_turns(&["token", "show"], more)),
                );
            }
        }
    }
    let mut signatures = Vec::new();
    let pair = basic(USER, secrets[2]);
    for (call, told) in calls(account, secrets, &[token], &[secrets[2], &pair]) {
        for (at, (ending, act)) in answers(&told).into_iter().enumerate() {
            if !is_due(turn + at) {
                continue;
            }
            let peer = server(act);
            point(&place, &peer.url);
            let ran = run(&place, &in_turns(&call, turn + at));
            let what = format!("{account}: {call:?}, {ending}");
            seek(&what, &ran.err);
            // The body is what was asked for; nothing else on that line is of the provider.
            if let Some(Ok(mut object)) = ran.out.lines().next().map(serde_json::from_str::<Value>)
                && object.get("schema").is_some()
            {
                object["body"] = Value::Null;
                seek(&what, &object.to_string());
            }
            signatures.extend(peer.requests().iter().filter_map(|seen| {
                let (_, rest) = seen.head.split_once("?signature=")?;
                rest.split(' ').next().map(str::to_owned)
            }));
        }
    }
    assert_eq!(account.starts_with('p'), !signatures.is_empty());
    let signatures = Planted::of(signatures.iter().map(String::as_str));
    for arguments in AFTERWARDS
        .into_iter()
        .chain([&["token", "show", "--json"][..]])
    {
        let ran = run(&place, arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains(account), "{ran:?}");
        let what = format!("{arguments:?}");
        seek_in(&what, &ran);
        signatures.seek(&what, &ran.all(), &[]);
    }
    PLANTED.seek_in_files(&place.state());
    signatures.seek_in_files(&place.state());
    seek(
        "the config",
        &std::fs::read_to_string(place.config_path()).unwrap(),
    );
}

/// A call for each way of authorising one, and what the provider is told by it.
fn calls<'a>(
    account: &'a str,
    secrets: [&'a str; 3],
    token: &[&'a str],
    dashboard: &[&'a str],
) -> Vec<(Vec<&'a str>, Vec<&'a str>)> {
    const SCHEDULE: &str = "/api/merchants/mer_1/simulate_payment_schedule";
    const RELEASE: &str = "/api/purchases/pur_1/release";
    const ORDER: &str =
        r#"{"data": {"merchantUid": "mer_1", "amountCents": 2000, "reference": "R-1"}}"#;
    let request = |rest: &[&'static str], told: &[&'a str]| {
        let arguments = [&["request", account], rest, &["--yes", "--no-wait"]].concat();
        (arguments, told.to_vec())
    };
    if account.starts_with('k') {
        return vec![request(
            &["GET", "/sales-manager-api/api/v1/merchants"],
            token,
        )];
    }
    vec![
        request(&["POST", SCHEDULE, "--data", "{}"], token),
        request(&["POST", RELEASE], dashboard),
        request(
            &["POST", "/api/purchase_link/", "--data", ORDER],
            &[secrets[1]],
        ),
    ]
}

/// Both providers; each echoes the token that it handed out, never the other's: a value that no answer gave yet is
/// nobody's secret.
fn echoing_server() -> Peer {
    let setup = quoted(&format!("Portal {BEARER}"));
    let fields = format!(
        "\"type\":\"MERCHANT\",\"status\":\"ACTIVE\",\"_embedded\":{{\"offerList\":[{{\"id\":\"o-1\",\"name\":{setup},\"status\":{setup},\"price\":{{\"amount\":1000,\"currency\":\"EUR\"}}}}]}},\
         \"page\":{{\"size\":25,\"totalElements\":1,\"totalPages\":1,\"number\":0}}"
    );
    let echoing = |token: &str| {
        let headers = echoing_headers(&[token]);
        reply("200 OK", &headers, &echoing_json(&[token], &fields))
    };
    Peer::routed(vec![
        ("/auth/token", grant(BEARER)),
        ("/api/token", grant(&jwt())),
        ("/api/", echoing(&jwt())),
        ("/", echoing(BEARER)),
    ])
}

#[test]
fn planted_credentials_and_tokens_are_found_on_no_screen() {
    let peer = echoing_server();
    let place = place(&peer.url);
    let mut command = place.command(&[]);
    command.env("PLANTED", BY_ENV);
    let mut terminal = Terminal::start(&command, (160, 50));
    terminal.sees("tilldeck ›");
    terminal.sees_no("starting…");
    terminal.send("1V");
    for (name, _) in ACCOUNTS {
        terminal.sees(&format!("✔ k-{name}"));
        terminal.sees(&format!("✔ p-{name}"));
    }
    terminal.send("2f");
    terminal.sees("─ 2 Tokens ─");
    terminal.send("f6");
    let mut times = 0;
    for (letters, filled_in) in [
        ("list your offers k-env", ""),
        ("payment schedule access token p-env", "mer_1"),
    ] {
        terminal.sees("6 Explorer");
        terminal.send(&format!("/{letters}\r\r"));
        terminal.sees("Not sent yet.");
        terminal.send(filled_in);
        terminal.send("\u{13}");
        terminal.sees("200 OK");
        if filled_in.is_empty() {
            terminal.sees("Portal <access_token>");
            terminal.send("d");
        }
        terminal.sees("echo0");
        for _ in 0..6 {
            terminal.send("\u{4}");
        }
        terminal.send("byY");
        times += 3;
        terminal.wait_for_bytes("the clipboard", |bytes| copied(bytes).len() == times);
        terminal.send("\u{1b}");
        terminal.sees("Esc calls");
        terminal.send("\u{1b}");
        terminal.sees("fill in");
    }
    terminal.send("\u{3}");
    assert_eq!(terminal.ended(), 0);
    seek("the terminal", &terminal.all_seen());
    for copied in terminal.copied() {
        seek("the clipboard", &copied);
    }
    PLANTED.seek_in_files(&place.state());
}

#[tokio::test]
async fn planted_credentials_and_tokens_are_found_in_no_debug_form() {
    let peer = echoing_server();
    let place = place(&peer.url);
    let environ = Environ::of([("PLANTED", BY_ENV)]);
    let locations = place.locations(environ.clone());
    let config = config::load(&locations, &SPECS).unwrap();
    let (to, mut events) = tilldeck::net::events::channel();
    let options = Options {
        overrides: tilldeck::net::Overrides::default(),
        receive: None,
        ledger: config::LedgerConfig::default(),
        callbacks: config::Callbacks::default(),
        hooks: config::Hooks::default(),
        handover: Handover::default(),
        recording: None,
        renew: true,
        state_dir: place.state(),
        clock: Clock::system(),
        network: Network::default(),
        events: Some(to),
        environ,
        config: locations.config.clone(),
        vault: Vault::files(place.state().join(config::VAULT)),
    };
    let profile = config.profile(None).unwrap();
    let deck = Deck::open(profile, options).await.unwrap();
    let mut told = format!("{config:?}");
    for account in deck.accounts() {
        let status = deck.fetch_token(&account.id, how()).await.unwrap();
        let _ = write!(told, "{status:?}");
    }
    for (name, secrets) in ACCOUNTS {
        for account in [format!("k-{name}"), format!("p-{name}")] {
            let pair = basic(USER, secrets[2]);
            for (arguments, _) in calls(&account, secrets, &[], &[&pair]) {
                let call = RawCall {
                    method: arguments[2].into(),
                    path: arguments[3].into(),
                    body: (arguments[4] == "--data").then(|| arguments[5].into()),
                    auth: None,
                };
                let id = AccountId::new(&account).unwrap();
                let explored = deck.explore(&id, &call, how()).await.unwrap();
                let _ = write!(told, "{explored:?}");
            }
        }
    }
    deck.ledger().flush().await;
    let mut seen = 0;
    while let Some(event) = events.try_recv() {
        let _ = write!(told, "{event:?}");
        seen += 1;
    }
    assert!(seen > 24, "{seen}");
    let _ = write!(told, "{:?}", deck.tokens());
    deck.close().await;
    seek("Debug", &told);
}

#[test]
fn a_known_secret_that_a_failing_command_prints_is_redacted_before_it_is_saved() {
    let place = Place::with_keys("http://127.0.0.1:1", "");
    std::fs::write(place.path().join("by-file"), BY_FILE).unwrap();
    let script = "printf 'curl: (22) %0150d ' 0 >&2; cat by-file >&2; exit 22";
    let text = std::fs::read_to_string(place.config_path()).unwrap();
    let source = "client_secret = { env = \"TEST_API_SECRET\" }";
    let failing = format!(
        "client_secret = {{ command = [\"sh\", \"-c\", \"{script}\"] }}\n\
         webhook_header = \"X-Auth-Token\"\nwebhook_secret = {{ file = \"by-file\" }}"
    );
    std::fs::write(place.config_path(), text.replace(source, &failing)).unwrap();
    let mut command = place.command(&["account", "verify", "keys"]);
    command.current_dir(place.path());
    let ran = Ran::of(command);
    assert!(ran.err.contains("0 <webhook_secret>; run"), "{ran:?}");
    PLANTED.seek_in_files(&place.state());
}
