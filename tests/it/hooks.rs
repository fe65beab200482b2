//! The operator's programs: when they run, what they get, and what becomes of one that fails.

use std::time::Duration;

use serde_json::Value;

use crate::peer::{Peer, json};
use crate::program::{API_SECRET, Listener, Place};
use crate::terminal::{LIMIT, Terminal};

const PAID: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"FINALIZED"}"#;
const LESS: &str = r#"{"result":"ok","currency":"BTC","amount":"0.002","state":"FINALIZED"}"#;
const MORE: &str = r#"{"result":"ok","currency":"BTC","amount":"1.000","state":"FINALIZED"}"#;
const UNREADABLE: &str = r#"{"result":"ok","currency":"BTC","amount":"a lot","state":"FINALIZED"}"#;
const ACTIVE: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"ACTIVE"}"#;

/// A place whose shop is at `url`, with these hooks: shell scripts, which find the place in `$0`.
fn place(url: &str, hooks: &[(&str, &str)]) -> Place {
    let place = Place::with_shop(url);
    set_hooks(&place, hooks);
    place
}

/// Configures these hooks in place of those before.
fn set_hooks(place: &Place, hooks: &[(&str, &str)]) {
    use std::fmt::Write as _;
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let (accounts, _) = config.split_once("[hooks]").unwrap_or((&config, ""));
    let mut config = format!("{accounts}[hooks]\n");
    let folder = place.path().display();
    for (event, script) in hooks {
        writeln!(
            config,
            "{event} = [\"/bin/sh\", \"-c\", '{script}', \"{folder}\"]"
        )
        .unwrap();
    }
    std::fs::write(place.config_path(), config).unwrap();
}

/// Saves its input and its environment, and then a mark that it has done so.
const SAVE: &str = "cat >> $0/input; env > $0/env; echo done >> $0/runs";

/// As [`SAVE`], but first it gives its input to [`heard`].
const REPORT: &str = "tee -a $0/input > $0/pipe; echo done >> $0/runs";

/// A pipe that hooks of this place write to.
fn with_pipe(place: &Place) {
    let mut shell = crate::program::shell();
    let made = shell.args(["-c", "mkfifo $0/pipe"]).arg(place.path());
    assert!(made.status().unwrap().success());
}

/// What the next hook got on its stdin.
fn heard(place: &Place) -> Value {
    let (to, heard) = std::sync::mpsc::channel();
    let pipe = place.path().join("pipe");
    std::thread::spawn(move || to.send(std::fs::read_to_string(pipe)));
    let text = heard.recv_timeout(LIMIT).expect("no hook ran").unwrap();
    crate::schemas::must_describe_hook(&text);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// How often the hooks have run.
fn runs(place: &Place) -> usize {
    let runs = std::fs::read_to_string(place.path().join("runs"));
    runs.unwrap_or_default().lines().count()
}

fn expect(place: &Place, id: &str) {
    let ran = place.run(&[
        "payments",
        "expect",
        id,
        "--amount",
        "0.01",
        "--currency",
        "BTC",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_payment_that_becomes_paid_runs_its_hook_once_with_all_that_check_prints_and_no_secret() {
    let peer = Peer::start(vec![json(PAID)]);
    let place = place(&peer.url, &[("on_paid", SAVE)]);
    expect(&place, "A-17");
    let checked = place.run(&["check", "A-17", "--json"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let input = std::fs::read_to_string(place.path().join("input")).unwrap();
    crate::schemas::must_describe_hook(&input);
    let mut input: Value = serde_json::from_str(&input).unwrap();
    let object = input.as_object_mut().unwrap();
    assert_eq!(object.remove("event"), Some("paid".into()));
    assert_eq!(object.remove("profile"), Some("live".into()));
    assert!(object.remove("at").is_some());
    // The command and the observation are each given the time.
    let mut printed = checked.object();
    for one in [&mut input, &mut printed] {
        assert!(one.as_object_mut().unwrap().remove("checked_at").is_some());
    }
    assert_eq!(input, printed);
    let environment = std::fs::read_to_string(place.path().join("env")).unwrap();
    assert!(environment.contains("PATH="));
    assert!(!environment.contains("TEST_API_SECRET"), "{environment}");
    assert!(!environment.contains(API_SECRET), "{environment}");
    // Another check, another process, another expected amount and back.
    for amount in ["0.01", "7", "0.01"] {
        let expect = [
            "payments",
            "expect",
            "A-17",
            "--amount",
            amount,
            "--currency",
            "BTC",
            "--yes",
        ];
        place.run(&expect);
        place.run(&["check", "A-17"]);
    }
    assert_eq!(runs(&place), 1);
}

#[test]
fn an_expected_amount_that_is_set_later_makes_a_final_payment_paid() {
    let peer = Peer::start(vec![json(PAID)]);
    let place = place(&peer.url, &[("on_paid", SAVE)]);
    place.run(&["check", "A-17"]);
    assert_eq!(runs(&place), 0, "there is nothing to compare it with");
    expect(&place, "A-17");
    assert_eq!(runs(&place), 1);
}

#[test]
fn a_payment_that_a_program_without_the_hook_saw_runs_it_where_the_hook_is() {
    let peer = Peer::start(vec![json(PAID)]);
    let place = place(&peer.url, &[]);
    with_pipe(&place);
    expect(&place, "A-17");
    place.run(&["check", "A-17"]);
    // From here on there is a hook, and another program that does not have it.
    set_hooks(&place, &[("on_paid", SAVE)]);
    expect(&place, "B-1");
    expect(&place, "B-2");
    set_hooks(&place, &[]);
    for id in ["B-1", "B-2"] {
        assert_eq!(place.run(&["check", id]).code, 0);
    }
    set_hooks(&place, &[("on_paid", SAVE)]);
    for (id, ran) in [("A-17", 0), ("B-1", 1), ("B-1", 1)] {
        assert_eq!(place.run(&["check", id]).code, 0);
        assert_eq!(runs(&place), ran, "{id}");
    }
    set_hooks(&place, &[("on_paid", REPORT)]);
    let listener = Listener::start(&place, &["--json"]);
    assert_eq!(heard(&place)["id"], "B-2");
    listener.signal("TERM");
    assert_eq!(listener.end().0, 0);
    assert_eq!(runs(&place), 2);
}

#[test]
fn only_a_paid_payment_runs_on_paid() {
    for (answer, expected) in [
        (PAID, [1, 0, 0]),
        (LESS, [0, 1, 0]),
        (UNREADABLE, [0, 1, 0]),
        (MORE, [0, 0, 1]),
        (ACTIVE, [0, 0, 0]),
    ] {
        let peer = Peer::start(vec![json(answer)]);
        let place = place(
            &peer.url,
            &[
                ("on_paid", "cat > $0/paid; echo >> $0/runs"),
                ("on_underpaid", "cat > $0/underpaid; echo >> $0/runs"),
                ("on_overpaid", "cat > $0/overpaid; echo >> $0/runs"),
            ],
        );
        expect(&place, "A-17");
        place.run(&["check", "A-17"]);
        let ran = ["paid", "underpaid", "overpaid"];
        let ran = ran.map(|name| usize::from(place.path().join(name).exists()));
        assert_eq!(ran, expected, "{answer}");
        assert_eq!(runs(&place), expected.iter().sum::<usize>());
    }
}

#[test]
fn a_list_that_is_checked_runs_every_hook_and_at_most_four_at_once() {
    let peer = Peer::start(vec![json(PAID)]);
    let script =
        "touch $0/at.$$; ls $0 | grep -c ^at >> $0/counts; sleep 0.1; rm $0/at.$$; echo >> $0/runs";
    let place = place(&peer.url, &[("on_paid", script)]);
    let rows: Vec<String> = (0..12).map(|id| format!("C-{id},0.01,BTC\n")).collect();
    let list = place.path().join("list.csv");
    std::fs::write(&list, format!("id,amount,currency\n{}", rows.concat())).unwrap();
    let list = list.to_str().unwrap();
    let added = place.run(&["payments", "add", "--from", list]);
    assert_eq!((added.code, runs(&place)), (0, 0), "{added:?}");
    let checked = place.run(&["check", "--from", list]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert_eq!(runs(&place), 12);
    let counts = std::fs::read_to_string(place.path().join("counts")).unwrap();
    let most = counts
        .lines()
        .map(|line| line.parse::<u32>().unwrap())
        .max();
    assert!(most <= Some(4), "{counts}");
}

#[test]
fn hooks_that_wait_when_tilldeck_is_killed_run_once_in_the_next_one() {
    let peer = Peer::start(vec![json(PAID)]);
    let script = "cat >> $0/input; echo >> $0/runs; until [ -e $0/go ]; do sleep 0.01; done";
    let place = place(&peer.url, &[("on_paid", script)]);
    let ran = |count: usize| {
        let pause = Duration::from_millis(5);
        let mut looks = 0..LIMIT.as_millis() / pause.as_millis();
        while runs(&place) < count {
            assert!(looks.next().is_some(), "{} of {count}", runs(&place));
            std::thread::sleep(pause);
        }
    };
    let mut listener = Listener::start(&place, &[]);
    let ids: Vec<String> = (0..8).map(|number| format!("D-{number}")).collect();
    for id in &ids {
        expect(&place, id);
        let target = format!("/callbacks/shop?transactionKey={id}");
        assert_eq!(listener.post(&target, "", "").0, 200);
        listener.line_with("check: paid");
    }
    ran(4);
    listener.signal("KILL");
    listener.end();
    std::fs::write(place.path().join("go"), "").unwrap();
    listener = Listener::start(&place, &[]);
    ran(ids.len());
    listener.signal("TERM");
    assert_eq!(listener.end().0, 0);
    let inputs = std::fs::read_to_string(place.path().join("input")).unwrap();
    let inputs = inputs.lines().map(serde_json::from_str::<Value>);
    let mut got: Vec<_> = inputs.map(|input| input.unwrap()["id"].clone()).collect();
    got.sort_unstable_by_key(ToString::to_string);
    assert_eq!(got, ids);
}

#[test]
fn two_receivers_on_one_ledger_run_a_hook_once() {
    let peer = Peer::start(vec![json(PAID)]);
    let place = place(&peer.url, &[("on_paid", REPORT)]);
    with_pipe(&place);
    let listeners = [(); 2].map(|()| Listener::start(&place, &["--json"]));
    for number in 0..6 {
        expect(&place, &format!("B-{number}"));
        for listener in &listeners {
            let target = format!("/callbacks/shop?transactionKey=B-{number}");
            assert_eq!(listener.post(&target, "", "").0, 200);
        }
        assert_eq!(heard(&place)["id"], format!("B-{number}"));
    }
    for listener in &listeners {
        listener.signal("TERM");
    }
    for listener in listeners {
        let (code, lines) = listener.end();
        assert_eq!(code, 0);
        // The hooks print nothing where scripts read.
        for line in lines {
            serde_json::from_str::<Value>(&line).unwrap();
        }
    }
    assert_eq!(runs(&place), 6);
}

#[test]
fn a_hook_that_fails_is_shown_and_its_words_are_inert_and_redacted() {
    let peer = Peer::start(vec![json(PAID)]);
    // Long enough that a cut before the redaction would leave the beginning of the secret.
    let script =
        "printf \"\\033[31mno\\007 %0160d planted-api-secret-0123456789\\nmore\" 0 >&2; exit 3";
    let place = place(&peer.url, &[("on_paid", script)]);
    expect(&place, "A-17");
    let listener = Listener::start(&place, &[]);
    assert_eq!(
        listener
            .post("/callbacks/shop?transactionKey=A-17", "", "")
            .0,
        200
    );
    let error = listener.error_with("hook on_paid");
    let wanted = "hook on_paid of A-17 (shop): failed (exit status: 3): \\u{1b}[31mno\\u{7} ";
    assert!(error.contains(wanted), "{error}");
    assert!(
        !error.contains("planted") && !error.contains("more"),
        "{error}"
    );
    // A command reports it at its end.
    expect(&place, "A-18");
    let checked = place.run(&["check", "A-18"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.err.contains("hook on_paid of A-18"), "{checked:?}");
}

#[test]
fn a_secret_that_a_provider_echoes_is_not_passed_to_a_hook() {
    let echo = format!(
        r#"{{"result":"ok","currency":"B\u001b[31m","amount":"{API_SECRET}","state":"FAILED"}}"#
    );
    let peer = Peer::start(vec![json(&echo)]);
    let place = place(&peer.url, &[("on_failed", SAVE)]);
    place.run(&["check", "A-17"]);
    assert_eq!(runs(&place), 1);
    let input = std::fs::read_to_string(place.path().join("input")).unwrap();
    assert!(!input.contains(API_SECRET), "{input}");
    assert!(!input.trim_end().contains(char::is_control), "{input}");
    let input: Value = serde_json::from_str(&input).unwrap();
    assert_eq!(input["event"], "failed");
    assert_eq!(input["paid"], false);
}

#[test]
fn the_console_shows_a_hook_that_cannot_start_until_it_is_marked_as_handled() {
    let peer = Peer::start(vec![json(PAID)]);
    let place = place(&peer.url, &[]);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let hooks = "on_paid = [\"/no/such/program\"]\n";
    std::fs::write(place.config_path(), config + hooks).unwrap();
    expect(&place, "A-17");
    let added = place.run(&["payments", "add", "A-17"]);
    assert_eq!(added.code, 0, "{added:?}");
    let text = "hook on_paid of A-17 (shop): cannot start: No such file or directory";
    // It has run, so that the next console has it from the ledger.
    for keys in ["", "!m\u{1b}"] {
        let mut terminal = Terminal::start(&place.command(&[]), (120, 40));
        terminal.sees(text);
        terminal.send(keys);
        if !keys.is_empty() {
            terminal.sees_no(text);
        }
        terminal.send("q");
        assert_eq!(terminal.ended(), 0);
    }
    let mut terminal = Terminal::start(&place.command(&[]), (120, 40));
    terminal.sees("A-17");
    terminal.sees_no("starting…");
    assert!(!terminal.rows_seen().contains(text));
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn refused_callbacks_run_their_hook() {
    let place = place("http://127.0.0.1:9", &[("on_callback_refused", REPORT)]);
    with_pipe(&place);
    let mut config = std::fs::read_to_string(place.config_path()).unwrap();
    config.push_str(
        "[profiles.live.accounts.game]\nprovider = \"kongregate\"\napi_key = { env = \"TEST_API_SECRET\" }\n",
    );
    std::fs::write(place.config_path(), config).unwrap();
    let listener = Listener::start(&place, &["--json"]);
    for _ in 0..3 {
        let status = listener
            .post("/callbacks/game", "", "signed_request=forged.request")
            .0;
        assert_eq!(status, 403);
    }
    let input = heard(&place);
    assert_eq!(input["event"], "callback_refused");
    assert_eq!(input["account"], "game");
    let message = input["message"].as_str().unwrap();
    assert!(
        message.contains("3 callbacks in a row were rejected"),
        "{message}"
    );
}

#[test]
fn a_reload_does_not_run_the_hook_of_an_unchanged_account_again() {
    let peer = Peer::start(vec![json(r#"{"result":"fail","code":9000}"#)]);
    let place = place(&peer.url, &[("on_credentials_rejected", SAVE)]);
    let listener = Listener::start(&place, &["--json"]);
    let checked = |id: &str| {
        let target = format!("/callbacks/shop?transactionKey={id}");
        assert_eq!(listener.post(&target, "", "").0, 200);
        listener.error_with("rejected");
    };
    checked("A-17");
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let account = config.find("[profiles.").unwrap()..config.find("[hooks]").unwrap();
    let second = config[account].replace("accounts.shop", "accounts.second");
    std::fs::write(place.config_path(), format!("{config}{second}")).unwrap();
    listener.signal("HUP");
    listener.error_with("reloaded:");
    checked("A-18");
    listener.signal("TERM");
    assert_eq!(listener.end().0, 0);
    assert_eq!(runs(&place), 1);
}

#[test]
fn rejected_credentials_run_their_hook_in_a_receiver() {
    let rejected = r#"{"result":"fail","code":9000}"#;
    let peer = Peer::start(vec![json(rejected)]);
    let place = place(&peer.url, &[("on_credentials_rejected", REPORT)]);
    with_pipe(&place);
    let listener = Listener::start(&place, &["--json"]);
    for id in ["A-17", "A-18"] {
        let target = format!("/callbacks/shop?transactionKey={id}");
        assert_eq!(listener.post(&target, "", "").0, 200);
    }
    let input = heard(&place);
    assert_eq!(input["event"], "credentials_rejected");
    assert_eq!(input["account"], "shop");
    listener.signal("TERM");
    assert_eq!(listener.end().0, 0);
    assert_eq!(runs(&place), 1);
}

#[test]
fn the_built_in_sandbox_runs_no_hook() {
    let peer = Peer::start(vec![json(PAID)]);
    let place = place(&peer.url, &[("on_paid", SAVE), ("on_underpaid", SAVE)]);
    let sandbox = ["--profile", "sandbox"];
    let listener = Listener::start(&place, &sandbox);
    let simulator = listener.error_with("simulator");
    let simulator = simulator.split_whitespace().last().unwrap().to_owned();
    let pay = [
        "sandbox",
        "trigger",
        "--url",
        &simulator,
        "payer",
        "ORDER-1001",
        "pay",
    ];
    assert_eq!(place.run(&pay).code, 0);
    listener.line_with("check: ");
    listener.signal("TERM");
    assert_eq!(listener.end().0, 0);
    assert_eq!(runs(&place), 0);
}
