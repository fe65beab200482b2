//! The console opens where the operator left it, or at what a command printed.

use crate::peer::{Peer, json};
use crate::program::Place;
use crate::terminal::Terminal;

const ACTIVE: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"ACTIVE"}"#;

/// A place that watches two payments, whose requests are in the log.
fn place(peer: &Peer, ui: &str) -> Place {
    let place = Place::with_shop(&peer.url);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    std::fs::write(place.config_path(), format!("{config}{ui}")).unwrap();
    for id in ["A-17", "B-18"] {
        let added = place.run(&["payments", "add", id]);
        assert_eq!(added.code, 0, "{added:?}");
        let checked = place.run(&["check", id]);
        assert_eq!(checked.code, 0, "{checked:?}");
    }
    place
}

fn opened(place: &Place, arguments: &[&str]) -> Terminal {
    Terminal::start(&place.command(arguments), (120, 40))
}

fn quit(mut terminal: Terminal) {
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn the_filter_and_the_zoom_come_back_unless_they_are_not_wanted() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = place(&peer, "");
    let mut terminal = opened(&place, &[]);
    terminal.sees("A-17");
    terminal.send("f/b-\r");
    terminal.sees_no("A-17");
    quit(terminal);
    let mut terminal = opened(&place, &[]);
    terminal.sees("filter / b-");
    terminal.sees("B-18");
    terminal.sees_no("─ 1 Credentials ─");
    terminal.send("\u{1b}");
    terminal.sees("A-17");
    terminal.send("/b-\r");
    terminal.sees_no("A-17");
    quit(terminal);
    let terminal = opened(&place, &["--no-restore", "open", "payment", "B-18"]);
    terminal.sees("A-17");
    terminal.sees("── B-18 at shop ─");
    quit(terminal);
    let terminal = opened(&place, &["--no-restore"]);
    terminal.sees("A-17");
    terminal.sees("─ 1 Credentials ─");
    quit(terminal);
    let recording = ["--no-restore", "log", "--open", "some.har"];
    let exported = [&recording[..], &["--export", "curl"]].concat();
    for (arguments, why) in [
        (&recording[..2], "the command `log`"),
        (&exported, "the command `log`"),
        (&recording, "terminal"),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(why), "{ran:?}");
    }
}

#[test]
fn a_config_without_restore_and_a_damaged_file_open_the_whole_screen() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = place(&peer, "[ui]\nrestore = false\n");
    for damage in [None, Some("{\"version\":1,")] {
        let mut terminal = opened(&place, &[]);
        terminal.sees("A-17");
        terminal.sees("─ 1 Credentials ─");
        terminal.send("f");
        terminal.sees_no("─ 1 Credentials ─");
        quit(terminal);
        let file = place.state().join("screens/live.json");
        assert!(file.exists());
        if let Some(damage) = damage {
            std::fs::write(&file, damage).unwrap();
            let config = std::fs::read_to_string(place.config_path()).unwrap();
            let config = config.replace("restore = false", "restore = true");
            std::fs::write(place.config_path(), config).unwrap();
            let terminal = opened(&place, &[]);
            terminal.sees("─ 1 Credentials ─");
            quit(terminal);
        }
    }
}

#[test]
fn open_goes_to_what_a_command_printed() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = place(&peer, "");
    let logged = place.run(&["log", "--json", "--about", "A-17"]);
    let line: serde_json::Value = serde_json::from_str(logged.out.lines().next().unwrap()).unwrap();
    let request = line["id"].to_string();
    for (arguments, shown) in [
        (["open", "payment", "B-18"], "── B-18 at shop ─"),
        (
            ["open", "payment", "OTHER-1"],
            "Timeline of OTHER-1 at shop",
        ),
        (
            ["open", "request", &request],
            "─ POST /api/v2/tpg/transaction ─",
        ),
        (
            ["open", "request", "999999"],
            "this request is no longer in the ledger",
        ),
        (["open", "callback", "7"], "callback 7 is not saved"),
        (["open", "account", "shop"], "1 Credentials"),
    ] {
        let mut terminal = opened(&place, &arguments);
        terminal.sees(shown);
        terminal.send("\u{3}");
        terminal.ended();
    }
    for arguments in [
        &["open", "account", "nosuch"][..],
        &["open", "payment", "B-18", "--account", "nosuch"],
        &["open", "request", "x"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
    }
    let invalid = ["open", "payment", "B-18", "--account", "no such"];
    let ran = place.run(&invalid);
    assert!(ran.code == 2 && ran.err.contains("has a space"), "{ran:?}");
}
