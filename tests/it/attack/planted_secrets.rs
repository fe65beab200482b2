//! The providers echo every secret of an account, used or not, in forty encodings and in every part of an answer. None
//! is found in what tilldeck prints, keeps, exports, shows or copies, nor in the environment of what it starts.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::peer::{Act, Peer, reply};
use crate::program::{API_KEY, Listener, Place, Ran};
use crate::secrets::{AFTERWARDS, Planted, form, hex, quoted};
use crate::terminal::{Terminal, copied};

/// An account: its name, its table in the config but for secrets and endpoints, and its secrets, each from a variable
/// of its own.
struct Planting {
    account: &'static str,
    table: &'static str,
    endpoints: &'static [(&'static str, &'static str)],
    secrets: &'static [(&'static str, &'static str)],
    path: &'static str,
}

const ALL: [Planting; 4] = [
    Planting {
        account: "shop",
        table: "provider = \"kanga\"\napi_key = \"planted-api-key-000001\"",
        endpoints: &[("api", ""), ("pay", "")],
        secrets: &[("api_secret", "kAnga/sEcret+1=\"<&>' ~*x%Q7")],
        path: "/api/v2/tpg/echo",
    },
    Planting {
        account: "keys",
        table: "provider = \"kinguin\"\nenvironment = \"sandbox\"\nclient_id = \"planted-client-id\"",
        endpoints: &[("token", "/auth/token"), ("gateway", "")],
        secrets: &[
            ("client_secret", "cLient+sEcret/2-\"<&>'\\~x%W8"),
            ("webhook_secret", "wEbhook/sEcret_3.t8Rk2Lm0Zs9"),
        ],
        path: "/echo",
    },
    Planting {
        account: "mygame",
        table: "provider = \"kongregate\"",
        endpoints: &[("api", "/api")],
        secrets: &[("api_key", "4b1d9a52-kOng-key/77+c3e8f0a1")],
        path: "/echo",
    },
    Planting {
        account: "later",
        table: "provider = \"pledg\"\nenvironment = \"sandbox\"\napi_key = \"planted-pledg-key\"\n\
                dashboard_user = \"user@shop.example\"",
        endpoints: &[("api", "")],
        secrets: &[
            ("api_secret", "pLedg sEcret&5?y=z#\"<>'+/%41"),
            ("merchant_secret", "mErchant\\u0041/sEcret+6&amp;vB"),
            ("dashboard_password", "dAshboard;pAssword:7+/=nM4kQ"),
        ],
        path: "/api/echo",
    },
];

/// What Kinguin and Pledg hand out, and what an earlier process has kept.
const TOKEN: &str = "aCcess+tOken/8.kP5zXo1Vn4Br6~";

impl Planting {
    fn variable(&self, key: &str) -> String {
        format!("PLANTED_{}_{key}", self.account)
    }

    /// What its provider may know: its secrets, and the token that it handed out.
    fn told(&self) -> Vec<&'static str> {
        let mut told: Vec<_> = self.secrets.iter().map(|(_, secret)| *secret).collect();
        if matches!(self.account, "keys" | "later") {
            told.push(TOKEN);
        }
        told
    }
}

/// As it stands in an answer, and the part of that which gives the secret away.
struct Encoded {
    text: String,
    core: String,
}

/// Forty ways to write a secret down.
fn encodings(secret: &str) -> Vec<Encoded> {
    let quote = |text: &str| {
        let quoted = quoted(text);
        quoted[1..quoted.len() - 1].to_owned()
    };
    let bytes = |plain: &str, upper: bool| -> String {
        let write = |byte: u8| match byte {
            byte if plain.contains(char::from(byte)) => char::from(byte).to_string(),
            byte if upper => format!("%{byte:02X}"),
            byte => format!("%{byte:02x}"),
        };
        secret.bytes().map(write).collect()
    };
    let chars = |text: &str, which: &dyn Fn(char) -> bool, escape: &dyn Fn(u32) -> String| {
        let write = |c: char| {
            if which(c) {
                escape(u32::from(c))
            } else {
                c.to_string()
            }
        };
        text.chars().map(write).collect::<String>()
    };
    let odd = |c: char| !c.is_ascii_alphanumeric();
    let every = |_: char| true;
    let (low, capital) = (
        |code| format!("\\u{code:04x}"),
        |code| format!("\\u{code:04X}"),
    );
    let (decimal, hexadecimal) = (|code| format!("&#{code};"), |code| format!("&#x{code:X};"));
    let alnum: String = ('0'..='z').filter(char::is_ascii_alphanumeric).collect();
    let component = format!("{alnum}-_.!~*'()");
    let python = format!("{alnum}_.-~/");
    let html = |apostrophe: &str, quote: &str| {
        let text = secret.replace('&', "&amp;").replace('<', "&lt;");
        let text = text.replace('>', "&gt;").replace('"', quote);
        text.replace('\'', apostrophe)
    };
    let json = quote(secret);
    let hex = hex(secret);
    let one_of_many = secret.replacen('s', "\\u0073", 1).replacen('E', "%45", 1);
    let whole = vec![
        secret.to_owned(),
        secret.to_ascii_uppercase(),
        secret.to_ascii_lowercase(),
        json.clone(),
        json.replace('/', "\\/"),
        quote(&json),
        quote(&quote(&json)),
        quote(&json.replace('/', "\\/")),
        chars(&json, &|c| "<>&".contains(c), &low),
        chars(&json, &|c| "<>&'+".contains(c), &capital),
        chars(secret, &every, &low),
        chars(secret, &every, &capital),
        quote(&chars(secret, &every, &low)),
        bytes(&alnum, true),
        bytes(&alnum, false),
        bytes(&component, true),
        bytes(&component, false),
        bytes(&python, true),
        bytes("", true),
        bytes("", false),
        bytes(&alnum, true).replace('%', "%25"),
        bytes(&python, false).replace('%', "%25"),
        form(secret),
        form(secret).replace("%2B", "%2b"),
        form(&form(secret)),
        html("&#39;", "&quot;"),
        html("&apos;", "&#34;"),
        html("&#x27;", "&quot;").replace('/', "&#x2F;"),
        html("&#039;", "&quot;").replace('+', "&plus;"),
        chars(secret, &odd, &decimal),
        chars(secret, &every, &decimal),
        chars(secret, &every, &hexadecimal),
        html("'", "&quot;").replace('&', "&amp;"),
        quote(&html("'", "&quot;")),
        quote(&bytes(&python, true)),
        hex.to_uppercase(),
        hex,
        mixed(secret),
        one_of_many,
        URL_SAFE_NO_PAD.encode(secret),
        STANDARD.encode(secret).trim_end_matches('=').to_owned(),
    ];
    let whole = whole.into_iter().map(|text| Encoded {
        core: text.clone(),
        text,
    });
    let amid = ["a", "ab", "user:"].into_iter().map(|before| {
        let seen = [before, secret].concat();
        let text = STANDARD.encode(format!("{seen} and more"));
        let (from, till) = ((before.len() * 8).div_ceil(6), seen.len() * 8 / 6);
        let core = STANDARD_NO_PAD.encode(&seen)[from..till].to_owned();
        Encoded { text, core }
    });
    whole.chain(amid).collect()
}

/// Each character escaped in another way than the one before, some of them twice. All in one way where one is a
/// backslash: once it is undone, it would escape what comes next.
fn mixed(secret: &str) -> String {
    let ways = if secret.contains('\\') { 1 } else { 5 };
    let mut mixed = String::new();
    for (at, c) in secret.chars().enumerate() {
        let code = u32::from(c);
        let _ = match at % ways {
            0 => write!(mixed, "%{code:02x}"),
            1 => write!(mixed, "\\u{code:04X}"),
            2 => write!(mixed, "&#{code};"),
            3 => write!(mixed, "%25{code:02X}"),
            _ => write!(mixed, "\\\\u{code:04x}"),
        };
    }
    mixed
}

fn planted() -> Planted {
    let mut cores = Vec::new();
    for secret in ALL.iter().flat_map(Planting::told) {
        cores.extend(encodings(secret).into_iter().map(|one| (secret, one.core)));
    }
    Planted::in_forms(cores)
}

/// In what an answer echoes.
const KINDS: usize = 4;
/// So many headers are kept of an answer.
const HEADERS: usize = 28;

/// The answer of one kind that has these texts in every part of it.
fn answer(kind: usize, all: &[Encoded], turn: usize) -> Act {
    let mut headers = String::from("Content-Type: application/json\r\n");
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let from = turn * HEADERS % all.len();
    for (at, one) in all.iter().enumerate().skip(from).take(HEADERS) {
        if one.text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
            let _ = write!(headers, "X-Echo-{at}: was {};\r\n", one.text);
        }
        if is_name(&one.text) {
            let _ = write!(headers, "{}: as a name\r\n", one.text);
        }
    }
    let texts = || all.iter().map(|one| one.text.as_str());
    match kind {
        0 | 3 => {
            let words = texts().skip(from).take(HEADERS).collect::<Vec<_>>();
            let words = format!("not {}", words.join(" nor "));
            let mut body = json!({ "error": words, "message": words, "error_description": words });
            for (at, text) in texts().enumerate() {
                body[format!("echo{at}")] = json!(text);
            }
            let status = if kind == 0 {
                "500 Oops"
            } else {
                "403 Forbidden"
            };
            reply(status, &headers, &body.to_string())
        }
        1 => {
            let safe = |text: &&str| text.bytes().all(|byte| (b'!'..0x7f).contains(&byte));
            let there: Vec<_> = texts().filter(safe).skip(from).take(HEADERS).collect();
            let _ = write!(
                headers,
                "Location: http://127.0.0.1:9/{}?was={}\r\n",
                there.join("/"),
                there.join("&and=")
            );
            reply("302 Found", &headers, "")
        }
        _ => {
            let mut page = String::from("<html>");
            for text in texts() {
                let _ = write!(page, "<p>You sent {text} to us</p>");
            }
            reply("400 Bad Request", &headers, &page)
        }
    }
}

/// A provider that was told an account's secrets: `…/KIND-TURN` is answered so.
fn provider(planting: &Planting) -> Peer {
    let all: Vec<Encoded> = planting.told().into_iter().flat_map(encodings).collect();
    let all = Arc::new(all);
    Peer::choosing(move |_, seen| {
        let path = seen.head.split(' ').nth(1).unwrap_or_default();
        if path.ends_with("/token") {
            let token =
                json!({ "access_token": TOKEN, "expires_in": 3600, "token_type": "bearer" });
            return reply("200 OK", "", &token.to_string());
        }
        let which = path.split(['?', '/']).find_map(|part| {
            let (kind, turn) = part.split_once('-')?;
            Some((kind.parse().ok()?, turn.parse().ok()?))
        });
        let (kind, turn) = which.unwrap_or_default();
        answer(kind, &all, turn)
    })
}

fn place(peers: &[Peer]) -> Place {
    let mut text = "default_profile = \"live\"\n[ui]\nverify_on_start = false\n".to_owned();
    for (planting, peer) in ALL.iter().zip(peers) {
        let _ = writeln!(
            text,
            "[profiles.live.accounts.{}]\n{}",
            planting.account, planting.table
        );
        for (key, _) in planting.secrets {
            let _ = writeln!(text, "{key} = {{ env = \"{}\" }}", planting.variable(key));
        }
        for (name, path) in planting.endpoints {
            let _ = writeln!(text, "endpoints.{name} = \"{}{path}\"", peer.url);
        }
    }
    Place::with_config(&text)
}

fn with_secrets(command: &mut std::process::Command) {
    for planting in &ALL {
        for (key, secret) in planting.secrets {
            command.env(planting.variable(key), secret);
        }
    }
}

fn run(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    with_secrets(&mut command);
    Ran::of(command)
}

/// Asks each provider for each of these answers and seeks in what is printed; the body is what was asked for.
fn ask(place: &Place, planted: &Planted, kinds: &[usize], turns: usize) -> usize {
    let mut asked = 0;
    for planting in &ALL {
        for kind in kinds {
            for turn in 0..turns {
                let path = format!("{}/{kind}-{turn}", planting.path);
                let arguments = ["request", planting.account, "GET", &path, "--no-wait"];
                let json = [&arguments[..], &["--json"]].concat();
                let ran = run(place, if turn % 2 == 0 { &json } else { &arguments });
                let what = format!("{arguments:?}");
                planted.seek(&what, &ran.err, &[]);
                if let Some(Ok(mut object)) =
                    ran.out.lines().next().map(serde_json::from_str::<Value>)
                    && object.get("schema").is_some()
                {
                    object["body"] = Value::Null;
                    planted.seek(&what, &object.to_string(), &[]);
                    for text in texts_of(&object) {
                        planted.seek(&what, &text, &[]);
                    }
                }
                asked += 1;
            }
        }
    }
    asked
}

/// Every text in it, without JSON's escapes.
fn texts_of(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(all) => all.iter().flat_map(texts_of).collect(),
        Value::Object(all) => all
            .iter()
            .flat_map(|(name, value)| [vec![name.clone()], texts_of(value)].concat())
            .collect(),
        _ => Vec::new(),
    }
}

/// Seeks in all that tells of it afterwards.
fn look_back(place: &Place, planted: &Planted) {
    for arguments in AFTERWARDS {
        let ran = run(place, arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("later"), "{arguments:?}: {ran:?}");
        planted.seek(&format!("{arguments:?}"), &ran.all(), &[]);
        let objects = ran.out.lines().map(serde_json::from_str::<Value>);
        for text in objects.flatten().flat_map(|object| texts_of(&object)) {
            planted.seek(&format!("{arguments:?}"), &text, &[]);
        }
    }
    planted.seek_in_files(&place.state());
    // The log for support is among them.
    planted.seek_in_files(&place.state().join("logs"));
}

#[test]
fn no_process_records_a_secret_that_it_has_not_used() {
    let planted = planted();
    let peers = ALL.each_ref().map(provider);
    let place = place(&peers);
    // The first process of each account is granted its token; all later ones find it in the vault, and none of them
    // has a use for the secret that the token was granted for.
    ask(&place, &planted, &[0], 2);
    let ran = run(&place, &["log", "--json"]);
    assert!(ran.out.contains("later"), "{ran:?}");
    ask(&place, &planted, &[1], 1);
    look_back(&place, &planted);
}

#[test]
#[ignore = "long: forty encodings of every secret in every part of every provider's answers"]
fn planted_secrets_leave_by_no_exit_in_any_encoding() {
    let planted = planted();
    let peers = ALL.each_ref().map(provider);
    let place = place(&peers);
    let most = ALL.iter().map(|planting| planting.told().len()).max();
    let per_secret = encodings(TOKEN).len();
    let turns = (most.unwrap_or_default() * per_secret).div_ceil(HEADERS);
    let kinds: Vec<usize> = (0..KINDS).collect();
    let asked = ask(&place, &planted, &kinds, turns);
    look_back(&place, &planted);
    let shown = on_screen(&place, &planted);
    look_back(&place, &planted);
    let secrets: usize = ALL.iter().map(|planting| planting.told().len()).sum();
    println!(
        "figure: planted secrets: {secrets} secrets x {per_secret} encodings, {asked} answers, {shown} of them on screen and copied: 0 found"
    );
}

/// The console sends a call to each provider, shows what was recorded and copies it.
fn on_screen(place: &Place, planted: &Planted) -> usize {
    const ROWS: usize = 6;
    let mut command = place.command(&[]);
    with_secrets(&mut command);
    let mut terminal = Terminal::start(&command, (160, 50));
    terminal.sees("tilldeck ›");
    terminal.sees_no("starting…");
    terminal.send("1V");
    terminal.send("5G");
    for row in 0..ROWS {
        terminal.send("\r");
        terminal.sees("copy as curl");
        for _ in 0..12 {
            terminal.send("\u{4}");
        }
        terminal.send("yb");
        terminal.wait_for_bytes("the clipboard", |bytes| copied(bytes).len() == 2 * row + 2);
        terminal.send("\u{1b}");
        terminal.sees_no("copy as curl");
        terminal.send("k");
    }
    terminal.send("\u{3}");
    assert_eq!(terminal.ended(), 0);
    planted.seek("the terminal", &terminal.all_seen(), &[]);
    planted.seek("the screen", &terminal.rows_seen(), &[]);
    for copied in terminal.copied() {
        planted.seek("the clipboard", &copied, &[]);
    }
    ROWS
}

#[test]
fn no_line_of_the_console_without_a_screen_has_a_secret() {
    let planted = planted();
    let peers = ALL.each_ref().map(provider);
    let place = place(&peers);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let verifying = config.replace("verify_on_start = false", "verify_on_start = true");
    std::fs::write(place.config_path(), verifying).unwrap();
    assert_eq!(run(&place, &["payments", "add", "A-17"]).code, 0);
    let mut command = place.command(&["--plain=all"]);
    with_secrets(&mut command);
    let lines = Listener::of(&mut command);
    let mut seen = Vec::new();
    let is_seen = |seen: &[String], words: &str| seen.iter().any(|line| line.contains(words));
    for words in [
        "needs attention: shop: ",
        "needs attention: keys: ",
        "needs attention: mygame: ",
        "later: access token received",
        ", A-17: status 500",
    ] {
        while !is_seen(&seen, words) {
            seen.push(lines.line());
        }
    }
    lines.signal("TERM");
    seen.extend(lines.errors());
    seen.extend(lines.end().1);
    assert!(is_seen(&seen, "not <client_secret>"), "{seen:?}");
    planted.seek("--plain", &seen.join("\n"), &[]);
}

#[test]
fn a_secret_that_equals_a_state_or_a_currency_garbles_no_verdict() {
    for (secret, state, currency) in [
        ("FINALIZED", "FINALIZED", "BTC"),
        ("oPLN", "FINALIZED", "oPLN"),
    ] {
        let payment =
            json!({ "result": "ok", "currency": currency, "amount": "0.01", "state": state });
        let peer = Peer::start(vec![crate::peer::json(&payment.to_string())]);
        let place = Place::with_shop(&peer.url);
        let sum = [
            "--amount",
            "0.01",
            "--currency",
            currency,
            "--expect",
            "PAID",
            "--json",
        ];
        let mut command = place.command(&[&["check", "A-17"][..], &sum].concat());
        let ran = Ran::of(command.env("TEST_API_SECRET", secret));
        assert_eq!(ran.code, 0, "{ran:?}");
        let object = ran.object();
        assert_eq!(object["paid"], true, "{object}");
        assert_eq!(object["state"], state, "{object}");
    }
}

#[test]
fn a_secret_command_inherits_no_variable_that_holds_a_secret() {
    let place = Place::new();
    let seen = place.path().join("environment");
    let script = format!("env > '{}'; echo from-a-command-0123", seen.display());
    let words = json!(["sh", "-c", script]);
    let account = |name: &str, source: &str| {
        format!(
            "[profiles.live.accounts.{name}]\nprovider = \"kanga\"\napi_key = \"{API_KEY}\"\napi_secret = {source}\n\
             endpoints = {{ api = \"http://127.0.0.1:1\", pay = \"http://127.0.0.1:1\" }}\n"
        )
    };
    let other = "[profiles.other.accounts.third]\nprovider = \"kongregate\"\napi_key = { env = \"PLANTED_C\" }\n";
    let text = ["default_profile = \"live\"\n".to_owned()]
        .into_iter()
        .chain([account("first", &format!("{{ command = {words} }}"))])
        .chain([
            account("second", "{ env = \"PLANTED_B\" }"),
            other.to_owned(),
        ]);
    std::fs::write(place.config_path(), text.collect::<String>()).unwrap();
    let mut command = place.command(&["account", "verify", "first"]);
    for (name, value) in [
        ("PLANTED_B", "planted-b"),
        ("PLANTED_C", "planted-c"),
        ("PLAIN", "plain"),
    ] {
        command.env(name, value);
    }
    let ran = Ran::of(command);
    assert_eq!(ran.code, 5, "{ran:?}");
    let inherited = std::fs::read_to_string(&seen).unwrap();
    assert!(inherited.contains("PLAIN=plain"), "{inherited}");
    assert!(!inherited.contains("PLANTED_"), "{inherited}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_kills_leaves_no_core_file() {
    use std::os::unix::process::ExitStatusExt as _;
    let place = Place::with_shop("http://127.0.0.1:1");
    let inner = place.command(&["listen", "--bind", "127.0.0.1:0"]);
    let mut shell = crate::program::shell();
    shell
        .args(["-c", "ulimit -c unlimited; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args())
        .current_dir(place.path())
        .stdout(std::process::Stdio::piped());
    for (name, value) in inner.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let mut child = shell.spawn().unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TRAP).unwrap();
    let status = child.wait().unwrap();
    assert!(!status.core_dumped(), "{status}");
    let cores = std::fs::read_dir(place.path()).unwrap().flatten();
    let core = cores.map(|entry| entry.path()).find(|path| is_core(path));
    assert_eq!(core, None);
}

#[cfg(target_os = "linux")]
fn is_core(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("core"))
}

/// A command that prints one of the operator's secrets.
const BY_COMMAND: &str = "cOmmand-sEcret-vB6nJ3xC1dF5";

/// An archive of another program: secrets in each of its places, and all of them again in a reply.
fn foreign_archive() -> (String, Vec<String>) {
    let mut secrets = vec![BY_COMMAND.to_owned()];
    let mut secret = || {
        let value = format!("q{:03}Zx{}", secrets.len(), "mN8vB3kT7wL");
        secrets.push(value.clone());
        value
    };
    let mut pairs = |names: &[&str]| -> Vec<(String, String)> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), secret()))
            .collect()
    };
    let query = pairs(&[
        "token",
        "code",
        "key",
        "sig",
        "X-Amz-Signature",
        "X-Amz-Security-Token",
    ]);
    let headers = pairs(&[
        "X-Api-Key",
        "Ocp-Apim-Subscription-Key",
        "X-Shop-Key",
        "X-Access",
    ]);
    let fields = pairs(&["token", "jwt", "client_secret"]);
    let names: Vec<String> = (0..60).map(|n| format!("c{n}")).collect();
    let cookies = pairs(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let logins = pairs(&["basic", "url", "nested"]);
    let unpadded = pairs(&["access_token"]);
    let token = |signed: &str| {
        let parts = [r#"{"alg":"HS256"}"#, r#"{"sub":"7"}"#, signed];
        parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    };
    let tokens = ["in-a-query-of-it", "in-a-path-of-it", "in-a-body-of-it"].map(token);
    secrets.extend(tokens.clone());
    let list = |pairs: &[(String, String)]| -> Vec<Value> {
        pairs
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect()
    };
    let login = |at: usize| format!("anna:{}", logins[at].1);
    let url = format!(
        "https://{}@shop.example/verify/{}?t={}&{}&back=https%3A%2F%2F{}%40shop.example",
        login(1),
        tokens[1],
        tokens[0],
        serde_urlencoded::to_string(&query).unwrap(),
        form(&login(2)),
    );
    let jar: Vec<String> = cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut sent = list(&headers);
    sent.push(json!({ "name": "Cookie", "value": jar.join("; ") }));
    sent.push(
        json!({ "name": "Authorization", "value": format!("Basic {}", STANDARD.encode(login(0))) }),
    );
    let body: Value = fields
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let body = json!({ "data": body, "hint": tokens[2] }).to_string();
    let echo = json!({ "seen": secrets, "url": url }).to_string();
    let unpadded = json!({ "access_token": unpadded[0].1, "n": 10 }).to_string();
    let unpadded = STANDARD_NO_PAD.encode(unpadded);
    secrets.push(unpadded.clone());
    let reply = |content: Value| json!({ "status": 200, "headers": list(&[("Link".to_owned(), echo.clone())]), "content": content });
    let entries = [
        json!({ "request": { "method": "GET", "url": "https://shop.example/first", "headers": [] },
                "response": reply(json!({ "text": unpadded, "encoding": "base64" })) }),
        json!({ "request": { "method": "POST", "url": url, "headers": sent, "postData": { "mimeType": "application/json", "text": body } },
                "response": reply(json!({ "mimeType": "application/json", "text": echo })) }),
    ];
    (
        json!({ "log": { "version": "1.2", "entries": entries } }).to_string(),
        secrets,
    )
}

#[test]
fn what_another_program_recorded_leaves_by_no_exit() {
    let (archive, secrets) = foreign_archive();
    let planted = Planted::of(secrets.iter().map(String::as_str));
    let place = Place::with_config(&format!(
        "[profiles.live.accounts.shop]\nprovider = \"kongregate\"\napi_key = {{ command = [\"printf\", \"{BY_COMMAND}\"] }}\n\
         [profiles.other.accounts.game]\nprovider = \"kongregate\"\napi_key = {{ command = [\"false\"] }}\n"
    ));
    let file = place.path().join("leak.har");
    std::fs::write(&file, archive).unwrap();
    let file = file.to_str().unwrap();
    for format in ["har", "ndjson", "curl"] {
        let ran = place.run(&["log", "--open", file, "--export", format]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.out.contains("shop.example/verify"), "{ran:?}");
        assert!(
            ran.err
                .contains("account game: tilldeck cannot read api_key"),
            "{ran:?}"
        );
        planted.seek(format, &ran.all(), &[]);
        for text in ran
            .out
            .lines()
            .flat_map(serde_json::from_str)
            .flat_map(|value| texts_of(&value))
        {
            planted.seek(format, &text, &[]);
        }
    }
    let mut terminal = Terminal::start(&place.command(&["log", "--open", file]), (160, 50));
    terminal.sees("account game: tilldeck cannot read api_key");
    terminal.send("j");
    terminal.sees("Enter open");
    terminal.send("\r");
    terminal.sees("<authorization>");
    terminal.send("G");
    terminal.send("y");
    terminal.send("q");
    terminal.sees_no("<authorization>");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
    planted.seek("the screen", &terminal.all_seen(), &[]);
    for copied in terminal.copied() {
        planted.seek("the clipboard", &copied, &[]);
    }
    assert!(
        !place.state().join("ledger.db").exists(),
        "nothing is saved"
    );
}
