//! The log for support: what is in it, at which level, and that it never gets in the way.

use std::fs;

use crate::peer::{Peer, json};
use crate::program::{API_SECRET, Place, Ran};

/// All that the log of a place has.
fn written(place: &Place) -> String {
    let Ok(entries) = fs::read_dir(place.state().join("logs")) else {
        return String::new();
    };
    let files = entries.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    files.collect()
}

fn run(place: &Place, level: &str, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    Ran::of(command.env("TILLDECK_LOG", level))
}

const GET: [&str; 5] = [
    "request",
    "shop",
    "GET",
    "/api/echo?payer=planted-payer",
    "--no-wait",
];

#[test]
fn the_log_has_start_request_and_end_without_query_body_and_secret() {
    let peer = Peer::start(vec![json(&format!(
        "{{\"said\":\"planted-body {API_SECRET}\"}}"
    ))]);
    let place = Place::with_shop(&peer.url);
    let ran = place.run(&GET);
    assert_eq!((ran.code, ran.err.contains("logs")), (0, false), "{ran:?}");
    let log = written(&place);
    for expected in [
        "start version=",
        "command=\"request\"",
        "profile=\"live\" accounts=1",
        "request account=\"shop\" method=\"GET\" path=\"/api/echo\" status=200",
        "end code=0",
    ] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    for planted in ["planted", API_SECRET] {
        assert!(!log.contains(planted), "{planted}: {log}");
    }
}

#[test]
fn the_variable_sets_the_level_and_a_word_that_is_none_leaves_the_usual_one() {
    for (level, start, failed, unknown) in [
        ("off", false, false, false),
        ("error", false, false, false),
        ("warn", false, true, false),
        ("info", true, true, false),
        ("debug", true, true, false),
        ("", true, true, false),
        ("loud", true, true, true),
    ] {
        let place = Place::with_shop("http://127.0.0.1:1");
        let ran = run(&place, level, &["request", "nobody", "GET", "/"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        let log = written(&place);
        let found = (
            log.contains(" start "),
            log.contains("failed kind=\"usage\""),
            log.contains("TILLDECK_LOG is not a valid level"),
        );
        assert_eq!(found, (start, failed, unknown), "{level}: {log}");
        assert!(!log.contains("nobody"), "what was typed: {log}");
    }
}

#[test]
fn a_config_that_cannot_be_used_is_in_the_log() {
    let place = Place::with_config("no_such_key = 1\n");
    assert_eq!(place.run(&["budget"]).code, 2);
    assert!(written(&place).contains("ERROR the configuration cannot be used why="));
}

#[test]
fn a_log_that_cannot_be_written_changes_nothing() {
    let place = Place::new();
    let list = ["payments", "list", "--json"];
    let before = place.run(&list);
    fs::remove_dir_all(place.state().join("logs")).unwrap();
    fs::write(place.state().join("logs"), "a file in its place").unwrap();
    let after = place.run(&list);
    assert_eq!((after.code, &after.err), (0, &before.err));
    assert_eq!(before.objects().len(), after.objects().len());
}

#[test]
fn what_only_prints_writes_no_log() {
    let place = Place::new();
    for arguments in [
        &["--help"][..],
        &["check", "--help"],
        &["--version"],
        &["completions", "bash"],
        &["man"],
        &["config", "path"],
        &["config", "check"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(!place.state().exists(), "{arguments:?}");
    }
}

#[test]
fn help_and_config_path_say_where_it_is() {
    let place = Place::new();
    let logs = place.state().join("logs");
    let logs = logs.to_str().unwrap();
    assert!(place.run(&["--help"]).out.contains("TILLDECK_LOG"));
    let plain = place.run(&["config", "path"]);
    assert!(plain.err.contains(logs), "{plain:?}");
    let json = place.run(&["config", "path", "--json"]);
    assert_eq!(json.object()["logs"], logs);
}
