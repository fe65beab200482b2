//! Recordings of requests: what `log --export` wrote is opened again, and what other programs wrote, too.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::program::Place;
use crate::terminal::Terminal;

/// As Chrome writes one.
const CHROME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/recording/chrome.har");

/// A place with some of the simulator's traffic, successful and failed.
fn with_traffic() -> Place {
    let place = Place::new();
    for (arguments, code) in [
        (&["check", "ORDER-1005"][..], 0),
        (&["check", "NONE-1"], 4),
        (&["account", "verify", "kinguin"], 0),
        (&["estimate", "EMT", "3000"], 0),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, code, "{ran:?}");
    }
    place
}

/// Exports the log of a place to a file.
fn exported(place: &Place, format: &str) -> PathBuf {
    let ran = place.run(&["log", "--export", format]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let path = place.path().join(format!("traffic.{format}"));
    fs::write(&path, ran.out).unwrap();
    path
}

/// The rows of the log, or of a recording, without what belongs to a ledger.
fn rows(place: &Place, more: &[&str]) -> Vec<Value> {
    let ran = place.run(&[&["log", "--export", "ndjson"], more].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut rows = ran.objects();
    for row in &mut rows {
        let row = row.as_object_mut().unwrap();
        row.remove("id");
        row.remove("profile");
    }
    rows
}

#[test]
fn an_export_opened_again_has_the_rows_of_the_log() {
    let place = with_traffic();
    let log = rows(&place, &[]);
    assert!(log.len() >= 4, "{log:?}");
    for format in ["har", "ndjson"] {
        let file = exported(&place, format);
        let opened = rows(&place, &["--open", file.to_str().unwrap()]);
        assert_eq!(opened, log, "{format}");
    }
    let file = place.path().join("traffic.har");
    let some = rows(
        &place,
        &["--open", file.to_str().unwrap(), "--about", "ORDER-1005"],
    );
    assert_eq!(some.len(), 1, "{some:?}");
    let curl = place.run(&["log", "--open", file.to_str().unwrap(), "--export", "curl"]);
    assert!(curl.out.contains("curl"), "{curl:?}");
}

#[test]
fn the_console_shows_a_recording_searches_it_and_sends_nothing() {
    let place = Place::new();
    let command = place.command(&["log", "--open", CHROME]);
    let mut terminal = Terminal::start(&command, (120, 30));
    terminal.sees("chrome.har");
    terminal.sees("RECORDING read-only");
    terminal.sees("1 entry of the recording names no request");
    for row in ["/logo.png", "/login", "shop.example", "cdn.example"] {
        terminal.sees(row);
    }
    for (key, why) in [
        ("3", "this is a recording: it has requests only"),
        ("L", "this is a recording, nothing is sent"),
        ("t", "this is a recording, nothing is sent"),
    ] {
        terminal.send(key);
        terminal.sees(why);
    }
    terminal.send("/pay\r");
    terminal.sees("1 of 4 saved requests match");
    terminal.sees_no("/logo.png");
    terminal.send("\r");
    terminal.sees("<authorization>");
    terminal.sees("account shop.example");
    terminal.send("q");
    terminal.sees_no("<authorization>");
    terminal.send("q");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
    let seen = terminal.all_seen();
    assert!(!seen.contains("planted"), "{seen}");
    assert!(!place.state().join("ledger.db").exists());
}

#[test]
fn a_recording_needs_a_terminal_a_sound_file_and_no_option_of_the_ledger() {
    let place = Place::new();
    let broken = place.path().join("broken.har");
    fs::write(&broken, "{\"log\":{\"entries\":[{}").unwrap();
    let large = place.path().join("large.har");
    let file = fs::File::create(&large).unwrap();
    file.set_len(129 * 1024 * 1024).unwrap();
    let [broken, large] = [&broken, &large].map(|path| path.to_str().unwrap());
    for (arguments, part) in [
        (&["--open", CHROME][..], "--export ndjson"),
        (&["--open", CHROME, "--follow"], "--follow"),
        (&["--open", CHROME, "--deliveries"], "--deliveries"),
        (&["--open", CHROME, "--csv"], "--csv"),
        (&["--open", CHROME, "--since", "1h"], "`/` searches it"),
        (&["--open", CHROME, "--profile", "sandbox"], "--profile"),
        (&["--open", CHROME, "--json"], "--export ndjson"),
        (
            &["--open", "/nowhere.har", "--export", "har"],
            "/nowhere.har",
        ),
        (&["--open", broken, "--export", "har"], "ends too early"),
        (&["--open", large, "--export", "har"], "larger than 128 MiB"),
    ] {
        let ran = place.run(&[&["log"], arguments].concat());
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.all().contains(part), "{arguments:?}: {ran:?}");
    }
}
