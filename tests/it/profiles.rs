//! The running console switches profiles and takes over changes of the config file.

use std::fs;

use rustix::process::Signal;

use crate::peer::{Peer, json};
use crate::program::{Place, Served};
use crate::terminal::{TITLE, Terminal};

const ACTIVE: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"ACTIVE"}"#;
const CLIENT: &str = "SANDBOX-KINGUIN-CLIENT";
const SECRET: &str = "SANDBOX-KINGUIN-SECRET-1";

fn opened(place: &Place) -> Terminal {
    let terminal = Terminal::start(&place.command(&[]), (120, 40));
    terminal.sees("tilldeck ›");
    terminal.sees_no("starting…");
    terminal
}

fn quit(mut terminal: Terminal) {
    terminal.send("q");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
}

fn read(place: &Place) -> String {
    fs::read_to_string(place.config_path()).unwrap()
}

#[test]
fn the_profile_is_switched_there_and_back_and_each_looks_as_it_was_left() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    assert_eq!(place.run(&["payments", "add", "A-17"]).code, 0);
    let mut terminal = opened(&place);
    terminal.sees("› live");
    terminal.sees("LIVE real money");
    terminal.sees("A-17");
    terminal.send("f/a-1\r");
    terminal.sees_no("─ 1 Credentials ─");
    terminal.send("Pk\r");
    terminal.sees("› sandbox");
    terminal.sees(" SIM ");
    terminal.sees("ORDER-1006");
    terminal.sees("─ 1 Credentials ─");
    terminal.sees("simulator at http://127.0.0.1:");
    terminal.wait_for_window("the title", |window| {
        // Alerts may have come already.
        window.title.ends_with("tilldeck sandbox")
    });
    terminal.send("5");
    terminal.send(":switch to profile live\r");
    terminal.sees("› live");
    terminal.sees("filter / a-1");
    terminal.sees("A-17");
    terminal.sees_no("─ 1 Credentials ─");
    terminal.sees_no("ORDER-1006");
    let bytes = terminal.wait_for_bytes("the whole", |bytes| !bytes.is_empty());
    let entered = String::from_utf8_lossy(&bytes)
        .matches("\u{1b}[?1049h")
        .count();
    assert_eq!(entered, 1, "the terminal is never left in between");
    quit(terminal);
    let screens = place.state().join("screens");
    assert!(screens.join("sandbox.json").exists() && screens.join("live.json").exists());
}

#[test]
fn an_account_that_another_terminal_adds_and_removes_comes_and_goes() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let mut terminal = opened(&place);
    terminal.send("1f/");
    terminal.send("\u{1b}");
    let added = place.run(&[
        "account",
        "add",
        "--provider=kongregate",
        "--name=mygame",
        "--environment=production",
        "--secret=api_key=env:TEST_API_SECRET",
        "--unverified",
        "--json",
    ]);
    assert_eq!(added.code, 0, "{added:?}");
    terminal.sees(" mygame  LIVE ");
    terminal.sees_no("starting…");
    let removed = place.run(&["account", "remove", "mygame", "--yes"]);
    assert_eq!(removed.code, 0, "{removed:?}");
    // Its requests stay in the log.
    terminal.sees_no(" mygame  LIVE ");
    terminal.sees("shop");
    quit(terminal);
}

#[test]
fn a_config_error_is_shown_where_it_is_and_goes_when_it_is_mended() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let mut terminal = opened(&place);
    let whole = read(&place);
    let replace = |text: &str| {
        let fresh = place.path().join("fresh");
        fs::write(&fresh, text).unwrap();
        fs::rename(fresh, place.config_path()).unwrap();
    };
    replace(&format!("{whole}[ui]\ntheem = \"dark\"\n"));
    terminal.signal(Signal::HUP);
    terminal.sees("config.toml:8:1: unknown setting `theem`");
    replace(&whole);
    terminal.signal(Signal::HUP);
    terminal.sees_no("theem");
    // A change waits while a form is open, and comes when the form is closed.
    terminal.send("a");
    terminal.sees("Watch a payment");
    replace(&whole.replace("accounts.shop", "accounts.outlet"));
    terminal.signal(Signal::HUP);
    terminal.sees("it is read again once no window is open");
    terminal.sees("Watch a payment");
    terminal.send("\u{1b}");
    terminal.sees("outlet");
    terminal.sees_no("it is read again");
    quit(terminal);
}

#[test]
fn sighup_reads_the_config_again_while_the_terminal_is_there() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let terminal = opened(&place);
    let whole = read(&place);
    let set = |ui: &str| {
        fs::write(place.config_path(), format!("{whole}[ui]\n{ui}")).unwrap();
        terminal.signal(Signal::HUP);
    };
    set("ascii = true\nnotify = []\n");
    terminal.sees("+= 3 Payments");
    terminal.wait_for_window("the title from before", |window| window.title == TITLE);
    set("notify = [\"title\"]\n");
    terminal.wait_for_window("the console's title", |window| {
        window.title == "tilldeck live"
    });
    quit(terminal);
    for _ in 0..4 {
        let terminal = Terminal::start(&place.command(&[]), (80, 24));
        terminal.wait_for_bytes("the first byte", |bytes| !bytes.is_empty());
        terminal.signal(Signal::HUP);
        terminal.sees("3 Payments");
        quit(terminal);
    }
}

#[test]
fn a_config_whose_deck_cannot_be_opened_leaves_the_open_one_at_work() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    assert_eq!(place.run(&["payments", "add", "A-17"]).code, 0);
    let mut terminal = opened(&place);
    let whole = read(&place);
    let second = &whole[whole.find("[profiles.").unwrap()..];
    let second = second.replace("accounts.shop", "accounts.outlet");
    let set = |more: &str| {
        fs::write(place.config_path(), format!("{whole}{second}{more}")).unwrap();
        terminal.signal(Signal::HUP);
    };
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    set(&format!("[callbacks]\nbind = \"{address}\"\n"));
    terminal.sees("cannot receive callbacks at");
    terminal.sees_no("outlet");
    set("[ledger]\noperator = \"night shift\"\n");
    terminal.sees("restart to use another ledger");
    terminal.sees("outlet");
    terminal.sees("A-17");
    set("");
    terminal.sees_no("restart to use another ledger");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_profile_that_cannot_be_opened_is_tried_again_by_its_name() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    assert_eq!(place.run(&["payments", "add", "A-17"]).code, 0);
    let set_version = |version: i64| {
        let ledger = rusqlite::Connection::open(place.state().join("ledger.db")).unwrap();
        let before = ledger.pragma_query_value(None, "user_version", |row| row.get(0));
        ledger.pragma_update(None, "user_version", version).unwrap();
        before.unwrap()
    };
    let version = set_version(99);
    let mut terminal = opened(&place);
    terminal.sees("P opens this or another profile");
    set_version(version);
    terminal.send("P\r");
    terminal.sees("A-17");
    quit(terminal);
}

#[test]
fn the_first_account_is_added_from_the_sandbox_and_its_profile_opens() {
    let served = Served::start(&Place::new(), &[]);
    let mut place = Place::new();
    let config = place.config_path();
    place
        .variables
        .push(("TILLDECK_CONFIG".into(), config.clone().into()));
    fs::write(&config, "").unwrap();
    let mut terminal = opened(&place);
    terminal.sees("› sandbox");
    terminal.send("1a");
    terminal.sees("New account in your config file");
    terminal.send(" ");
    terminal.sees("client_id");
    terminal.send("\t \tkeys\t");
    terminal.paste(CLIENT);
    terminal.send("\t");
    terminal.paste("planted-wrong-secret-5kT9");
    terminal.send("\t\t\t");
    let url = &served.url;
    terminal.paste(&format!("token={url}/auth/token gateway={url}"));
    terminal.send("\r");
    terminal.sees("rejected");
    assert_eq!(read(&place), "", "nothing is saved before it is verified");
    terminal.send("\u{1b}[Z\u{1b}[Z\u{1b}[Z\u{15}");
    terminal.paste(SECRET);
    terminal.send("\r");
    terminal.sees("› test");
    terminal.sees("valid and saved");
    terminal.sees(" TEST ");
    terminal.sees_no("starting…");
    let text = read(&place);
    assert!(text.contains("default_profile = \"test\""), "{text}");
    assert!(text.contains("[profiles.test.accounts.keys]"), "{text}");
    assert!(!terminal.all_seen().contains(SECRET));
    // What the console changes itself opens nothing anew.
    terminal.send("d");
    terminal.sees("Remove keys");
    terminal.send("y");
    terminal.sees("keys is removed");
    terminal.signal(Signal::HUP);
    terminal.send("P");
    terminal.sees("Profiles");
    terminal.send("\u{1b}");
    terminal.sees("This profile has no accounts.");
    assert!(!terminal.rows_seen().contains("read again"));
    quit(terminal);
}
