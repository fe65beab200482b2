//! Accounts added, verified, rotated and removed through the program, against the simulator in another process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tilldeck::config::{Keyring, KeyringError, SecretSource, Vault};
use tilldeck::domain::manage::{Change, Changed, GuideTopic, NewAccount, NewSecret, Proof};
use tilldeck::domain::simulate::Command;
use tilldeck::domain::{AccountId, Environment, ProviderId, Secret};
use tilldeck::sandbox::control;

use crate::program::{Place, Ran, Served};
use crate::terminal::Terminal;

const CLIENT: &str = "SANDBOX-KINGUIN-CLIENT";
const FIRST: &str = "SANDBOX-KINGUIN-SECRET-1";
const SECOND: &str = "SANDBOX-KINGUIN-SECRET-2";
const PLEDG_API: &str = "SANDBOX-PLEDG-API-SECRET";
const WRONG: &str = "planted-wrong-secret-5kT9";

/// What a person has written, and must find again.
const BY_HAND: &str = "# mine\n\n[ui]   # as I like it\ntheme = 'dark'\n";

/// A simulator in a process of its own.
struct Kinguin {
    served: Served,
}

impl Kinguin {
    fn start() -> Self {
        Self {
            served: Served::start(&Place::new(), &[]),
        }
    }

    /// What an account needs besides its secret.
    fn settings(&self) -> Vec<String> {
        let url = &self.served.url;
        [
            "--provider=kinguin".to_owned(),
            "--environment=sandbox".to_owned(),
            "--name=keys".to_owned(),
            format!("--set=client_id={CLIENT}"),
            format!("--set=endpoints.gateway={url}"),
            format!("--set=endpoints.token={url}/auth/token"),
        ]
        .to_vec()
    }

    /// Resets the client's secret, as its owner would in the merchant panel.
    fn reset(&self) {
        let call = control::call(&Command::Event {
            provider: "kinguin".into(),
            event: "reset-secret".into(),
            subject: String::new(),
        });
        let host = self.served.url.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        write!(
            stream,
            "POST {} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{}",
            call.path,
            call.json.len(),
            call.json
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    }
}

/// Runs the program with the secrets a test may name in its environment.
fn run(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    command.envs([
        ("FIRST", FIRST),
        ("SECOND", SECOND),
        ("WRONG", WRONG),
        ("PLEDG_API", PLEDG_API),
    ]);
    Ran::of(command)
}

fn with<'a>(command: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    let more = more.iter().map(String::as_str);
    command.iter().copied().chain(more).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Where the config is made that nobody named.
fn usual_config(place: &Place) -> PathBuf {
    place.path().join(".config/tilldeck/config.toml")
}

/// Every byte below a folder as text, but for one file's.
fn all_below(folder: &Path, but: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all += &all_below(&path, but);
        } else if path != but {
            let bytes = std::fs::read(&path).unwrap();
            let _ = write!(
                all,
                "{}: {}",
                path.display(),
                String::from_utf8_lossy(&bytes)
            );
        }
    }
    all
}

// docs/providers/kinguin.md#credentials
#[test]
fn the_guides_of_rotation_and_deletion_are_those_that_a_provider_documents() {
    for setup in tilldeck::deck::manage::setups() {
        let title = |topic| setup.guide_about(topic).map(|guide| guide.title);
        let found = (title(GuideTopic::Rotation), title(GuideTopic::Deletion));
        let documented = match setup.provider.0 {
            "kinguin" => (Some("Reset of a client's secret"), Some("Delete a client")),
            _ => (None, None),
        };
        assert_eq!(found, documented, "{}", setup.title);
    }
}

#[test]
fn a_script_adds_rotates_and_removes_an_account_whose_secret_stays_where_it_is() {
    let kinguin = Kinguin::start();
    let place = Place::with_config(BY_HAND);
    let settings = kinguin.settings();
    let add = with(
        &[
            "account",
            "add",
            "--json",
            "--secret=client_secret=env:FIRST",
        ],
        &settings,
    );
    let added = run(&place, &add);
    assert_eq!(added.code, 0, "{added:?}");
    assert_eq!(
        added.object(),
        json!({
            "schema": 1, "account": "keys", "profile": "test", "provider": "kinguin",
            "environment": "sandbox", "status": "valid", "saved_in": {"client_secret": "env FIRST"},
            "verified": ["client_secret"],
            "config": place.config_path(),
        })
    );
    let config = read(&place.config_path());
    assert!(
        config.starts_with(
            "# mine\n\ndefault_profile = \"test\"\n\n[ui]   # as I like it\ntheme = 'dark'\n\n"
        ),
        "{config}"
    );
    assert_eq!(run(&place, &["config", "check"]).code, 0);
    let listed = run(&place, &["account", "list", "--json"]).object();
    assert_eq!(listed["status"], "valid");
    assert_eq!(run(&place, &["account", "verify", "keys"]).code, 0);

    let again = run(&place, &add);
    assert_eq!(again.code, 2, "{again:?}");
    let error = &again.object()["error"];
    assert_eq!(error["message"], "the account keys already exists");
    assert_eq!(read(&place.config_path()), config);

    let refused = run(
        &place,
        &["account", "rotate", "keys", "--from=env:WRONG", "--json"],
    );
    assert_eq!(refused.code, 3, "{refused:?}");
    let error = &refused.object()["error"];
    assert_eq!(error["kind"], "credentials_refused");
    assert!(
        error["hint"]
            .as_str()
            .unwrap()
            .starts_with("the old secret stays")
    );

    kinguin.reset();
    assert_eq!(run(&place, &["account", "verify", "keys"]).code, 3);
    let told = run(
        &place,
        &["account", "rotate", "keys", "--from=env:SECOND", "--json"],
    );
    assert_eq!(told.code, 0, "{told:?}");
    let told = told.object();
    assert_eq!(
        (&told["replaced"], &told["saved_in"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(
        told["todo"],
        "set env FIRST to the new secret where you set it"
    );
    assert_eq!(
        read(&place.config_path()),
        config,
        "tilldeck cannot replace it at its source"
    );

    let asked = run(&place, &["account", "remove", "keys"]);
    assert_eq!(asked.code, 2, "no terminal to confirm at: {asked:?}");
    let removed = run(&place, &["account", "remove", "keys", "--yes", "--json"]);
    assert_eq!(
        removed.object(),
        json!({"schema": 1, "account": "keys", "profile": "test", "removed": true, "left": null})
    );
    let left = read(&place.config_path());
    assert!(left.contains("[ui]   # as I like it\ntheme = 'dark'\n") && !left.contains("keys"));
    assert_eq!(run(&place, &["config", "check"]).code, 0);
    let all = format!(
        "{}{}{}{config}{left}{}",
        added.all(),
        again.all(),
        refused.all(),
        all_below(&place.state(), Path::new(""))
    );
    for secret in [FIRST, SECOND, WRONG] {
        assert!(!all.contains(secret), "{all}");
    }
}

/// `account add` on a terminal, up to where the secret is asked for.
fn asked_for_the_secret(place: &Place, kinguin: &Kinguin) -> Terminal {
    let settings = kinguin.settings();
    let endpoints: Vec<&str> = settings
        .iter()
        .map(String::as_str)
        .filter(|setting| setting.contains("endpoints"))
        .collect();
    let command =
        place.command(&[&["account", "add"], &endpoints[..], &["--provider=kinguin"]].concat());
    let mut terminal = Terminal::start(&command, (160, 30));
    terminal.sees("environment, production or sandbox:");
    terminal.send("sandbx\rsandbox\r");
    terminal.sees("Kinguin has no environment `sandbx`");
    terminal.sees("account name, any you like [kinguin]:");
    terminal.send("keys\r");
    terminal.sees("client_id, the client id");
    terminal.send(&format!("{CLIENT}\r"));
    terminal.sees("client_secret, the client's secret key; Kinguin shows it once (not shown):");
    terminal
}

#[test]
fn a_person_adds_an_account_whose_secret_tilldeck_keeps_and_rotates_it() {
    let kinguin = Kinguin::start();
    let place = Place::new();
    let mut terminal = asked_for_the_secret(&place, &kinguin);
    terminal.send(&format!("{FIRST}\r"));
    terminal.sees("webhook_header, the header registered");
    terminal.send("\r");
    terminal.sees("webhook_secret, that header's value");
    terminal.send("\r");
    terminal.sees("keys at kinguin (sandbox) in profile test: verify and save it? [y/N]");
    terminal.send("y\r");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
    terminal.sees("valid");
    let seen = terminal.all_seen();
    let config = usual_config(&place);
    assert_eq!(
        (mode(&config), mode(config.parent().unwrap())),
        (0o600, 0o700)
    );
    let kept = place.state().join("vault/test.keys.client_secret");
    assert_eq!((read(&kept).as_str(), mode(&kept)), (FIRST, 0o600));
    let listed = run(&place, &["account", "list", "--json"]).object();
    assert_eq!(
        listed["secret_source"],
        "tilldeck's own file: TILLDECK_KEYRING disables the keyring"
    );
    assert_eq!(listed["status"], "valid");

    let before = read(&config);
    let refused = run(&place, &["account", "rotate", "keys", "--from=env:WRONG"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.err.contains("the old secret stays"), "{refused:?}");
    assert_eq!(read(&kept), FIRST);

    kinguin.reset();
    let mut rotating = Terminal::start(&place.command(&["account", "rotate", "keys"]), (160, 30));
    rotating.sees("Reset of a client's secret");
    rotating.sees("two-factor code");
    rotating.sees("new client_secret of account keys (not shown):");
    rotating.send(&format!("{SECOND}\r"));
    assert_eq!((rotating.ended(), rotating.kept()), (0, Vec::new()));
    rotating.sees("the new secret is valid and saved");
    assert_eq!((read(&kept).as_str(), mode(&kept)), (SECOND, 0o600));
    assert_eq!(read(&config), before);
    let verified = run(&place, &["account", "verify", "keys"]);
    assert_eq!(verified.code, 0, "{verified:?}");

    let all = format!(
        "{seen}{}{}{}{before}{}",
        rotating.all_seen(),
        refused.all(),
        verified.all(),
        all_below(place.path(), &kept)
    );
    for secret in [FIRST, SECOND, WRONG] {
        assert!(!all.contains(secret), "{all}");
    }

    let mut removing = Terminal::start(&place.command(&["account", "remove", "keys"]), (160, 30));
    removing.sees("remove it? [y/N]");
    removing.send("n\r");
    assert_eq!(removing.ended(), 8);
    assert_eq!(read(&config), before);
    assert_eq!(run(&place, &["account", "remove", "keys", "--yes"]).code, 0);
    assert!(!kept.exists());
    assert!(!all_below(place.path(), Path::new("")).contains(SECOND));
}

#[test]
fn a_hidden_question_that_is_interrupted_gives_the_terminal_back_and_keeps_nothing() {
    let kinguin = Kinguin::start();
    for end in [
        None,
        Some(Signal::TERM),
        Some(Signal::INT),
        Some(Signal::HUP),
        Some(Signal::QUIT),
    ] {
        let place = Place::new();
        let mut terminal = asked_for_the_secret(&place, &kinguin);
        match end {
            None => terminal.send(&format!("{WRONG}\u{3}")),
            Some(signal) => terminal.signal(signal),
        }
        assert_eq!(
            (terminal.ended(), terminal.kept()),
            (130, Vec::new()),
            "{end:?}"
        );
        assert!(!terminal.all_seen().contains(&WRONG[..8]));
        assert!(!usual_config(&place).exists());
        let place = Place::new();
        let join = place.command(&["ledger", "join", "--json"]);
        let mut terminal = Terminal::start(&join, (160, 30));
        terminal.sees("postgres://USER:PASSWORD@HOST/DATABASE (not shown):");
        match end {
            None => terminal.send(&format!("{WRONG}\u{3}")),
            Some(signal) => terminal.signal(signal),
        }
        assert_eq!(
            (terminal.ended(), terminal.kept()),
            (130, Vec::new()),
            "{end:?}"
        );
        assert!(!terminal.all_seen().contains(&WRONG[..8]));
        terminal.sees(r#""kind":"interrupted""#);
    }
}

/// Waits until a program waits for its turn at a file or folder.
#[cfg(target_os = "linux")]
fn waits_for_its_turn(child: &mut Child) {
    let pid = child.id().to_string();
    let waits = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.contains(&"->") && words.contains(&pid.as_str())
    };
    while !read(Path::new("/proc/locks")).lines().any(waits) {
        assert_eq!(child.try_wait().unwrap(), None, "it waits for nothing");
        std::thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_change_that_is_being_saved_is_saved_whatever_interrupts() {
    let place = Place::with_config(
        "[profiles.mine.accounts.shop]\nprovider = \"kanga\"\napi_key = \"k\"\napi_secret = { env = \"FIRST\" }\n",
    );
    let turn = std::fs::File::open(place.path()).unwrap();
    turn.lock().unwrap();
    let mut child = place
        .command(&["account", "remove", "shop", "--profile=mine", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    waits_for_its_turn(&mut child);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    let mut said = String::new();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    told.read_line(&mut said).unwrap();
    assert_eq!(said, "saving; this cannot be interrupted now\n");
    turn.unlock().unwrap();
    let ran = Ran::ended(&[], child.wait_with_output().unwrap());
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "account shop was removed from profile mine\n")
    );
    assert!(!read(&place.config_path()).contains("shop"));
}

#[test]
fn what_is_missing_without_a_terminal_is_reported() {
    let place = Place::new();
    let ran = run(&place, &["account", "add", "--provider=kinguin", "--json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let error = ran.object()["error"].clone();
    assert_eq!(
        error["message"],
        "not a terminal: pass --environment (production, sandbox), --name NAME, \
         --set client_id=YOUR-CLIENT-ID, --secret client_secret=SOURCE"
    );
    assert!(
        error["hint"]
            .as_str()
            .unwrap()
            .contains("env:NAME, file:PATH")
    );
    let ran = run(&place, &["account", "rotate", "kinguin"]);
    assert!(
        ran.code == 2 && ran.err.contains("--from SOURCE"),
        "{ran:?}"
    );
    for secret in [
        "--secret=client_secret=planted-1",
        "--set=client_secret=planted-1",
    ] {
        let ran = run(
            &place,
            &[
                "account",
                "add",
                "--provider=kinguin",
                "--environment=sandbox",
                secret,
            ],
        );
        assert_eq!(ran.code, 2);
        assert!(!ran.all().contains("planted"), "{ran:?}");
    }
    assert!(!usual_config(&place).exists());
}

#[test]
fn a_config_that_is_wrong_is_left_alone() {
    let kinguin = Kinguin::start();
    let broken = "[ui]\nthme = \"dark\"\n";
    let place = Place::with_config(broken);
    let settings = kinguin.settings();
    let add = with(
        &["account", "add", "--secret=client_secret=env:FIRST"],
        &settings,
    );
    let ran = run(&place, &add);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("unknown setting `thme`"), "{ran:?}");
    assert_eq!(read(&place.config_path()), broken);

    let place = Place::with_config(BY_HAND);
    let mut bad = settings.clone();
    bad[3] = "--set=client_id= ".into();
    let ran = run(
        &place,
        &with(
            &["account", "add", "--secret=client_secret=env:FIRST"],
            &bad,
        ),
    );
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("invalid characters"), "{ran:?}");
    let ran = run(
        &place,
        &with(
            &["account", "add", "--secret=client_secret=env:NOT_SET"],
            &settings,
        ),
    );
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("nothing was saved"), "{ran:?}");
    assert_eq!(read(&place.config_path()), BY_HAND);
}

#[test]
fn refused_is_never_saved_and_unreachable_only_if_asked_for() {
    let kinguin = Kinguin::start();
    let place = Place::new();
    let settings = kinguin.settings();
    for more in [None, Some("--unverified")] {
        let mut add = with(
            &["account", "add", "--secret=client_secret=env:WRONG"],
            &settings,
        );
        add.extend(more);
        let ran = run(&place, &add);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.err.contains("nothing was saved"), "{ran:?}");
        assert!(!usual_config(&place).exists());
    }
    // Nobody listens there any more.
    drop(kinguin);
    let mut add = with(
        &[
            "account",
            "add",
            "--json",
            "--secret=client_secret=env:FIRST",
        ],
        &settings,
    );
    let ran = run(&place, &add);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(
        ran.object()["error"]["hint"]
            .as_str()
            .unwrap()
            .contains("--unverified")
    );
    assert!(!usual_config(&place).exists());
    add.push("--unverified");
    let ran = run(&place, &add);
    assert_eq!(
        (ran.code, &ran.object()["status"]),
        (0, &json!("unreachable")),
        "{ran:?}"
    );
    assert!(usual_config(&place).exists());
}

#[test]
fn the_sandbox_is_not_added_to_or_removed_from() {
    let place = Place::new();
    let ran = run(&place, &["account", "remove", "kanga", "--yes"]);
    assert!(
        ran.code == 2 && ran.err.contains("belongs to the built-in simulator"),
        "{ran:?}"
    );
    let ran = run(
        &place,
        &[
            "--profile=sandbox",
            "account",
            "add",
            "--provider=kanga",
            "--name=x",
            "--set=api_key=x",
            "--secret=api_secret=env:FIRST",
        ],
    );
    assert!(
        ran.code == 2 && ran.err.contains("built-in profile sandbox"),
        "{ran:?}"
    );
    let ran = run(&place, &["account", "rotate", "kanga", "--from=env:FIRST"]);
    assert!(
        ran.code == 2 && ran.err.contains("has a fixed secret"),
        "{ran:?}"
    );
}

#[test]
fn the_console_adds_rotates_and_removes_without_a_restart() {
    let kinguin = Kinguin::start();
    let url = &kinguin.served.url;
    let place = Place::with_config(
        "default_profile = \"mine\"\n# nothing here yet\n[profiles.mine]\n[ui]\nverify_on_start = false\n",
    );
    let before = read(&place.config_path());
    let mut terminal = Terminal::start(&place.command(&[]), (120, 40));
    terminal.sees("a adds one");
    terminal.sees_no("starting…");
    // Provider, environment, name, then what Kinguin needs.
    terminal.send("1a");
    terminal.sees("New account in mine");
    terminal.send(" ");
    terminal.sees("client_secret");
    terminal.send("\t \tkeys\t");
    terminal.paste(CLIENT);
    terminal.send("\t");
    terminal.paste(WRONG);
    // What proves webhooks is left out.
    terminal.send("\t\t\t");
    terminal.paste(&format!("gateway={url} token={url}/auth/token"));
    terminal.send("\r");
    terminal.sees("rejected the credentials");
    assert_eq!(read(&place.config_path()), before);
    terminal.send("\u{1b}[A\u{1b}[A\u{1b}[A\u{15}");
    terminal.paste(FIRST);
    terminal.sees("••••");
    terminal.send("\r");
    terminal.sees("keys is valid and saved");
    terminal.sees("secret: tilldeck's own file:");
    let kept = place.state().join("vault/mine.keys.client_secret");
    assert_eq!(read(&kept), FIRST);

    kinguin.reset();
    terminal.send("R");
    terminal.sees("New secret of keys");
    terminal.paste(WRONG);
    terminal.send("\r");
    terminal.sees("The old secret");
    assert_eq!(read(&kept), FIRST);
    terminal.send("\u{15}");
    terminal.paste(SECOND);
    terminal.send("\r");
    terminal.sees("the new secret is valid and in use");
    assert_eq!(read(&kept), SECOND);
    terminal.send("v");
    terminal.sees_no("verifying");
    terminal.sees("✔ keys");

    terminal.send("d");
    terminal.sees("Remove keys");
    terminal.send("y");
    terminal.sees("keys is removed");
    terminal.sees("a adds one");
    assert_eq!(read(&place.config_path()), before);
    assert!(!kept.exists());
    terminal.send("q");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
    let all = format!(
        "{}{}",
        terminal.all_seen(),
        all_below(&place.state(), Path::new(""))
    );
    for secret in [FIRST, SECOND, WRONG] {
        assert!(!all.contains(secret));
    }
}

/// A Pledg account that is added with both secrets in the environment; and its config.
fn pledg(served: &Served, place: &Place, merchant: &str) -> Ran {
    run(
        place,
        &[
            "account",
            "add",
            "--json",
            "--provider=pledg",
            "--environment=sandbox",
            "--name=pl",
            "--set=api_key=SANDBOX-PLEDG-KEY",
            &format!("--set=endpoints.api={}", served.url),
            "--secret=api_secret=env:PLEDG_API",
            merchant,
        ],
    )
}

#[test]
fn a_secret_that_nothing_proves_is_never_called_good() {
    let served = Served::start(&Place::new(), &[]);
    let place = Place::new();
    let unread = pledg(&served, &place, "--secret=merchant_secret=env:NOPE");
    assert_eq!(unread.code, 2, "{unread:?}");
    let said = unread.object()["error"]["message"].clone();
    assert!(
        said.as_str()
            .unwrap()
            .contains("cannot read merchant_secret"),
        "{said}"
    );
    assert!(!usual_config(&place).exists());

    let added = pledg(&served, &place, "--secret=merchant_secret=env:FIRST");
    assert_eq!(added.code, 0, "{added:?}");
    assert_eq!(added.object()["verified"], json!(["api_secret"]));
    // As a person adds it, so that tilldeck keeps it.
    let vault = place.state().join("vault");
    let kept = vault.join("test.pl.merchant_secret");
    std::fs::create_dir_all(&vault).unwrap();
    std::fs::write(&kept, FIRST).unwrap();
    let config = read(&usual_config(&place));
    let source = format!("{{ file = \"{}\" }}", kept.display());
    let config = config.replace("{ env = \"FIRST\" }", &source);
    std::fs::write(usual_config(&place), &config).unwrap();

    let rotate = [
        "account",
        "rotate",
        "pl",
        "--key=merchant_secret",
        "--from=env:SECOND",
    ];
    let ran = run(&place, &rotate);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("--unverified"), "{ran:?}");
    assert_eq!(read(&kept), FIRST);
    let ran = run(&place, &[&rotate[..], &["--unverified"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.all().contains("not verified") && !ran.all().contains("✔"),
        "{ran:?}"
    );
    assert_eq!(read(&kept), SECOND);

    let same = run(
        &place,
        &["account", "rotate", "pl", "--from=env:PLEDG_API", "--json"],
    );
    assert_eq!(same.code, 0, "{same:?}");
    let same = same.object();
    assert_eq!(
        (&same["status"], &same["todo"]),
        (&json!("valid"), &Value::Null)
    );
}

#[test]
fn an_account_that_only_signs_is_saved_only_as_not_verified() {
    let place = Place::new();
    let mut add = vec![
        "account",
        "add",
        "--provider=pledg",
        "--environment=sandbox",
        "--name=signs",
        "--set=api_key=SANDBOX-PLEDG-KEY",
        "--set=endpoints.api=http://127.0.0.1:1",
        "--secret=merchant_secret=env:FIRST",
    ];
    let ran = run(&place, &add);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains(
            "account signs: Pledg offers no way to verify credentials without api_secret"
        ) && ran
            .err
            .contains("nothing was saved; `tilldeck account add --unverified`"),
        "{ran:?}"
    );
    assert!(!usual_config(&place).exists());
    add.push("--unverified");
    let ran = run(&place, &add);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("untested") && !ran.out.contains("✔"),
        "{ran:?}"
    );
    assert!(
        ran.err
            .contains("merchant_secret comes from env FIRST: saved, not verified")
            && ran.err.contains("warning: not verified: account signs"),
        "{ran:?}"
    );
    add.extend(["--name=again", "--json"]);
    add.retain(|word| *word != "--name=signs");
    let added = run(&place, &add).object();
    assert_eq!(
        (&added["status"], &added["verified"]),
        (&json!("untested"), &json!([]))
    );
    let listed = run(&place, &["account", "list", "--json"]).objects();
    let verdicts: Vec<&Value> = listed.iter().map(|account| &account["status"]).collect();
    assert_eq!(verdicts, ["untested", "untested"]);
}

#[test]
fn what_is_wrong_with_a_new_account_names_what_was_given() {
    let kinguin = Kinguin::start();
    let place = Place::with_config(BY_HAND);
    let mut settings = kinguin.settings();
    let secret = ["account", "add", "--secret=client_secret=env:FIRST"];
    assert_eq!(run(&place, &with(&secret, &settings)).code, 0);
    settings[2] = "--name=Keys".into();
    let ran = run(&place, &with(&secret, &settings));
    assert!(
        ran.err.contains("the account keys already exists"),
        "{ran:?}"
    );
    settings[2] = "--name=other".into();
    settings[4] = "--set=endpoints.gateway=nowhere".into();
    let ran = run(&place, &with(&secret, &settings));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.err.contains("gateway") && !ran.err.contains(".toml"),
        "{ran:?}"
    );
}

/// A keyring that works; while it keeps something, another program spoils the config file.
struct Meanwhile {
    entries: Mutex<BTreeMap<String, Secret>>,
    config: PathBuf,
    spoils: bool,
}

impl Keyring for Meanwhile {
    fn get(&self, name: &str) -> Result<Option<Secret>, KeyringError> {
        Ok(self.entries.lock().unwrap().get(name).cloned())
    }

    fn put(&self, name: &str, secret: &Secret) -> Result<(), KeyringError> {
        let mut entries = self.entries.lock().unwrap();
        entries.insert(name.to_owned(), secret.clone());
        if self.spoils {
            std::fs::write(&self.config, "[half").unwrap();
        }
        Ok(())
    }

    fn forget(&self, name: &str) -> Result<(), KeyringError> {
        self.entries.lock().unwrap().remove(name);
        Ok(())
    }
}

#[tokio::test]
async fn a_secret_that_stays_in_its_file_is_read_where_the_config_will_name_it() {
    let place = Place::new();
    let config = "default_profile = \"mine\"\n[profiles.mine.accounts.pl]\nprovider = \"pledg\"\n\
         environment = \"sandbox\"\napi_key = \"k\"\nmerchant_secret = { env = \"FIRST\" }\n";
    std::fs::write(place.config_path(), config).unwrap();
    let bench = crate::deck::open(&place, None).await;
    let new = NewAccount {
        name: AccountId::new("other").unwrap(),
        provider: ProviderId("pledg"),
        environment: Environment::Sandbox,
        texts: vec![("api_key", "k".into())],
        endpoints: Vec::new(),
        secrets: Vec::new(),
        proof: Proof::Waived,
    };
    // In the working folder there is such a file, in that of the config there is none.
    let source = SecretSource::File {
        written: "Cargo.toml".into(),
        base: PathBuf::new(),
    };
    let sources = vec![("merchant_secret", source)];
    let how = crate::deck::how();
    let proved = bench.deck.prove_addition(new, sources, how).await;
    let message = proved.err().unwrap().message;
    let expected = "cannot read merchant_secret: file Cargo.toml does not exist";
    assert!(message.contains(expected), "{message}");
}

#[tokio::test]
async fn a_secret_moves_into_the_keyring_whole_or_stays_in_its_file() {
    for spoils in [true, false] {
        let place = Place::new();
        let vault = place.state().join("vault");
        std::fs::create_dir_all(&vault).unwrap();
        let old = vault.join("mine.pl.merchant_secret");
        std::fs::write(&old, FIRST).unwrap();
        let config = format!(
            "default_profile = \"mine\"\n[profiles.mine.accounts.pl]\nprovider = \"pledg\"\n\
             environment = \"sandbox\"\napi_key = \"k\"\nmerchant_secret = {{ file = \"{}\" }}\n",
            old.display()
        );
        std::fs::write(place.config_path(), config).unwrap();
        let keyring = Arc::new(Meanwhile {
            entries: Mutex::default(),
            config: place.config_path(),
            spoils,
        });
        let kept_in = Vault::with(vault, keyring.clone(), Duration::from_secs(1));
        let bench = crate::deck::open_with(&place, None, kept_in).await;
        let change = Change::Rotate(NewSecret {
            account: AccountId::new("pl").unwrap(),
            key: "merchant_secret".into(),
            secret: Secret::new(SECOND),
            unverified: true,
        });
        let how = crate::deck::how();
        let proved = bench.deck.prove(change, how).await.unwrap();
        let kept = bench.deck.save(proved).await;
        let entries = keyring.entries.lock().unwrap().len();
        if spoils {
            assert!(kept.is_err());
            assert_eq!((read(&old).as_str(), entries), (FIRST, 0));
        } else {
            let Changed::Rotated { verified, .. } = kept.unwrap() else {
                panic!("rotated");
            };
            assert!(!verified && !old.exists() && entries == 1);
            let config = read(&place.config_path());
            assert!(
                config.contains("keyring = \"mine.pl.merchant_secret-2\""),
                "{config}"
            );
        }
    }
}
