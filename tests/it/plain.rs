//! The console without a screen, `--plain`: it needs no terminal, and ends as the console does.

use std::io::Read as _;
use std::process::Stdio;

use crate::peer::{Act, Peer, json};
use crate::program::{Listener, Place};
use crate::terminal::Terminal;

const ACTIVE: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"ACTIVE"}"#;

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_lines() {
    for (term, why) in [
        ("dumb", "TERM=dumb cannot move its cursor"),
        ("unknown", "TERM=unknown cannot move its cursor"),
        ("", "TERM is empty"),
    ] {
        let place = Place::new();
        let mut command = place.command(&[]);
        command.env("TERM", term);
        let mut terminal = Terminal::start(&command, (200, 60));
        terminal.sees(&format!("{why}: tilldeck prints plain lines"));
        terminal.sees("ready: 8 payments are watched");
        terminal.sees("kanga: credentials valid");
        terminal.signal(rustix::process::Signal::INT);
        assert_eq!(terminal.ended(), 130);
        let seen = terminal.all_seen();
        assert!(!seen.contains('\u{1b}'), "{seen:?}");
        assert!(seen.contains("tilldeck ends"), "{seen}");
    }
}

#[test]
fn without_any_terminal_it_prints_and_a_signal_ends_it() {
    let place = Place::new();
    for signal in ["INT", "TERM"] {
        let lines = Listener::of(&mut place.command(&["--plain=all"]));
        assert!(
            lines
                .line()
                .contains(" starts, profile sandbox; the date is ")
        );
        for part in [
            "account kinguin: Kinguin, SIM",
            "ready: ",
            "kinguin: access token received, valid for ",
            "POST /api/v2/tpg/transaction, ORDER-1005: status 200 after ",
        ] {
            lines.line_with(part);
        }
        lines.signal(signal);
        let (code, rest) = lines.end();
        assert_eq!(code, 130, "{signal}");
        let last = rest.last().unwrap();
        assert!(last.ends_with(" tilldeck ends"), "{rest:?}");
        assert!(!rest.concat().contains('\u{1b}'), "{rest:?}");
    }
}

#[test]
fn a_request_that_fails_again_and_again_is_one_line() {
    let broken = crate::peer::reply("503 Service Unavailable", "", "");
    let peer = Peer::choosing(move |_, seen| {
        if seen.body.contains("A-17") {
            json(ACTIVE)
        } else {
            broken.clone()
        }
    });
    let place = Place::with_shop(&peer.url);
    for id in ["A-17", "B-18"] {
        assert_eq!(place.run(&["payments", "add", id]).code, 0);
    }
    let lines = Listener::of(&mut place.command(&["--plain"]));
    lines.line_with("account shop: Kanga TPG, LIVE, real money, credentials untested");
    // They come in any order.
    let wanted = [
        "shop: payment A-17: ACTIVE, not paid yet, 0.010 BTC",
        "needs attention: shop: B-18 cannot be checked",
        ", B-18: status 503 after ",
    ];
    let mut seen = Vec::new();
    while !wanted
        .iter()
        .all(|part| seen.iter().any(|line: &String| line.contains(part)))
    {
        seen.push(lines.line());
    }
    lines.signal("TERM");
    let (code, rest) = lines.end();
    assert_eq!(code, 130);
    seen.extend(rest);
    let failed = seen
        .iter()
        .filter(|line| line.contains(", B-18: status 503"));
    assert_eq!(failed.count(), 1, "{seen:?}");
}

#[test]
fn a_request_in_flight_at_the_end_is_recorded() {
    let peer = Peer::start(vec![Act::Silence]);
    let place = Place::with_shop(&peer.url);
    assert_eq!(place.run(&["payments", "add", "A-17"]).code, 0);
    let lines = Listener::of(&mut place.command(&["--plain"]));
    lines.line_with("ready: 1 payment is watched");
    peer.wait_for_one();
    lines.signal("TERM");
    assert_eq!(lines.end().0, 130);
    let logged = place.run(&["log"]);
    assert!(logged.out.contains("A-17"), "{logged:?}");
}

#[test]
fn it_ends_when_its_reader_does() {
    let place = Place::new();
    let mut command = place.command(&["--plain"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 16]).unwrap();
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_changed_config_file_and_sighup_have_it_read_again() {
    let place = Place::with_shop("http://127.0.0.1:1");
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let lines = Listener::of(&mut place.command(&["--plain"]));
    lines.line_with("ready: no payment is watched");
    lines.signal("HUP");
    lines.line_with("the config file was read again: nothing changes");
    std::fs::write(place.config_path(), format!("{config}nonsense = 1\n")).unwrap();
    let error = lines.line_with("needs attention: ");
    assert!(error.contains("config.toml:7"), "{error}");
    let second = config.replace("accounts.shop", "accounts.second");
    let second = second.split_once('\n').unwrap().1;
    std::fs::write(place.config_path(), format!("{config}{second}")).unwrap();
    lines.signal("HUP");
    lines.line_with("the config file changed and was read again");
    lines.line_with("account shop: Kanga TPG");
    lines.line_with("account second: Kanga TPG");
    lines.line_with("ready: no payment is watched");
    lines.signal("TERM");
    assert_eq!(lines.end().0, 130);
}

#[test]
fn it_goes_with_no_command() {
    let place = Place::new();
    for (arguments, part) in [
        (
            &["--plain", "log"][..],
            "the command `log` needs no --plain",
        ),
        (&["--plain=some"], "all"),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.all().contains(part), "{ran:?}");
    }
    let ran = place.run(&[]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.err.contains("`tilldeck --plain` prints lines"),
        "{ran:?}"
    );
}

#[test]
fn json_has_one_object_for_each_line() {
    let place = Place::new();
    for (arguments, term) in [(&["--plain", "--json"][..], "xterm"), (&["--json"], "dumb")] {
        let mut command = place.command(arguments);
        command.env("TERM", term);
        let lines = Listener::of(&mut command);
        loop {
            let line = lines.line();
            crate::schemas::must_describe_plain(&line);
            let object: serde_json::Value = serde_json::from_str(&line).unwrap();
            if object["text"]
                .as_str()
                .unwrap()
                .starts_with("needs attention: kanga: ")
            {
                break;
            }
        }
        lines.signal("TERM");
        assert_eq!(lines.end().0, 130);
    }
}
