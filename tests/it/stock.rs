//! Keys added to an offer, and all pages of a list, from the command line against a served sandbox.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::peer::{Peer, json};
use crate::program::Place;
use crate::simulated::{API, OFFER, Simulated};

const KEYS: &str = "PLANTED-KEY-0001\n\n  PLANTED-KEY-0002\r\nPLANTED-KEY-0001\n";

fn file_of(simulated: &Simulated, text: &str) -> String {
    let path = simulated.place.path().join("keys.txt");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Every file below a folder, as bytes.
fn contents(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.extend(std::fs::read(&path).unwrap_or_default());
        }
    }
    all
}

// docs/providers/kinguin.md#keys
#[test]
fn each_key_is_added_once_however_often_the_file_is_uploaded_and_none_is_shown() {
    let simulated = Simulated::start(&[], "");
    let file = file_of(&simulated, KEYS);
    let add = ["stock", "add", OFFER, &file, "--yes"];
    let first = simulated.run(&add);
    assert_eq!(first.code, 0, "{first:?}");
    let lines: Vec<_> = first.out.lines().collect();
    assert!(
        lines[0].starts_with("line 1: added as 57000000-"),
        "{first:?}"
    );
    assert!(
        lines[1].starts_with("line 3: added as 57000000-"),
        "{first:?}"
    );
    assert_eq!(lines[2..], ["line 4: was added before"]);
    assert!(first.err.contains("2 added, 1 there before"), "{first:?}");

    let again = simulated.run(&[&["--json"], &add[..]].concat());
    let results: Vec<_> = again.objects();
    assert_eq!(again.code, 0);
    assert!(
        results.iter().all(|one| one["result"] == "known"),
        "{again:?}"
    );
    assert_eq!(results[1]["line"], 3);
    assert_eq!(results[1]["account"], "keys");

    let log = simulated.run(&["log", "--export", "ndjson"]);
    assert!(log.out.contains("/stock"), "{log:?}");
    for text in [first.all(), again.all(), log.all()] {
        assert!(!text.contains("PLANTED"), "{text}");
    }
    let state = contents(&simulated.place.state());
    assert!(!state.windows(7).any(|part| part == b"PLANTED"));
}

// docs/providers/kinguin.md#keys
#[test]
fn a_key_that_a_busy_offer_rejects_has_failed_and_can_be_sent_again() {
    let simulated = Simulated::start(&[], "");
    let file = file_of(&simulated, "PLANTED-KEY-0001\n");
    let add = ["stock", "add", OFFER, &file, "--yes"];
    simulated.trigger(&["set", "kinguin", "busy-stock", "on"]);
    let ran = simulated.run(&add);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(
        ran.out.contains("line 1: failed")
            && ran.out.contains("is already being processed")
            && ran.out.contains("Retry in a few seconds"),
        "{ran:?}"
    );
    assert!(ran.err.contains("0 added, 1 failed"), "{ran:?}");
    simulated.trigger(&["set", "kinguin", "busy-stock", "off"]);
    let again = simulated.run(&add);
    assert!(
        again.code == 0 && again.err.contains("1 added"),
        "{again:?}"
    );
}

#[test]
fn an_answer_without_the_id_of_a_key_does_not_say_that_it_was_added() {
    for (row, code) in [
        (r#"{"id":"57000000-1"}"#, 0),
        (r#"{"id":" "}"#, 5),
        (r#"{"code":409}"#, 5),
    ] {
        let token = r#"{"access_token":"planted-token-0123456789","expires_in":600}"#;
        let peer = Peer::choosing(move |_, seen| {
            let is_key = seen.head.contains("/stock");
            json(if is_key { row } else { token })
        });
        let place = Place::with_keys(&peer.url, "");
        let file = place.path().join("keys.txt");
        std::fs::write(&file, "PLANTED-KEY-0001").unwrap();
        let ran = place.run(&["stock", "add", OFFER, &file.display().to_string(), "--yes"]);
        assert_eq!(ran.code, code, "{row}: {ran:?}");
    }
}

#[test]
fn keys_that_could_not_be_sent_are_named_by_their_lines() {
    let simulated = Simulated::start(&[], "");
    let file = file_of(&simulated, KEYS);
    let ran = simulated.run(&["--json", "stock", "add", "000000000000", &file, "--yes"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let results: Vec<(Value, Value)> = ran
        .objects()
        .into_iter()
        .map(|one| (one["line"].clone(), one["result"].clone()))
        .collect();
    assert_eq!(
        results,
        [
            (1.into(), "failed".into()),
            (3.into(), "not_sent".into()),
            (4.into(), "not_sent".into())
        ]
    );
    assert!(!ran.all().contains("PLANTED"));
}

#[test]
fn a_key_that_is_too_long_is_refused_in_words() {
    let simulated = Simulated::start(&[], "");
    for (key, words) in [
        ("a".repeat(205_000), "status 400: Key is too big"),
        // Over the largest body that the simulator reads.
        ("\"".repeat(530_000), "status 413"),
    ] {
        let file = file_of(&simulated, &key);
        let ran = simulated.run(&["stock", "add", OFFER, &file, "--yes"]);
        assert_eq!(
            (ran.code, ran.out.contains(words)),
            (5, true),
            "{words}: {}",
            ran.err
        );
    }
}

#[test]
fn without_a_terminal_readable_keys_are_added_only_with_yes() {
    let simulated = Simulated::start(&[], "");
    let yes = ["stock", "add", OFFER, "-", "--yes"];
    for (text, arguments, words) in [
        (KEYS, &["stock", "add", OFFER, "-"][..], "pass --yes"),
        (" \n", &yes, "has no keys"),
        (
            "K1\rK2\r",
            &yes,
            "line 1 of the keys has a tab or another character",
        ),
        (
            "K1\nK2\0\n",
            &yes,
            "line 2 of the keys has a tab or another character",
        ),
        (
            "K1\n\u{200b}K2\n",
            &yes,
            "line 2 of the keys has a tab or another character",
        ),
        (
            KEYS,
            &["--account", "later", "stock", "add", OFFER, "-", "--yes"],
            "no stock of keys",
        ),
    ] {
        let mut command = simulated.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let ran = crate::program::Ran::ended(arguments, child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
        assert!(ran.err.contains(words), "{ran:?}");
    }
    let stock = format!("{API}/offers/{OFFER}/stock?size=100");
    let before = simulated.run(&["request", "keys", "GET", &stock]);
    assert!(!before.out.contains("PLANTED"), "{before:?}");
}

// docs/providers/kinguin.md#lists
#[test]
fn all_pages_of_a_list_are_one_object_a_line_or_one_body_after_another() {
    let simulated = Simulated::start(&[], "");
    let offers = format!("{API}/offers?size=100");
    let all = ["request", "keys", "GET", &offers, "--all-pages"];
    let pages = simulated.run(&[&["--json"], &all[..]].concat()).objects();
    let paths: Vec<_> = pages
        .iter()
        .map(|page| page["path"].as_str().unwrap())
        .collect();
    let next = |page: &str| format!("{offers}&page={page}");
    assert_eq!(paths, [offers.clone(), next("1"), next("2")]);
    let bodies = simulated.run(&all);
    assert_eq!(bodies.code, 0);
    let values = serde_json::Deserializer::from_str(&bodies.out).into_iter::<Value>();
    let rows: usize = values
        .map(|page| {
            page.unwrap()["_embedded"]["offerList"]
                .as_array()
                .unwrap()
                .len()
        })
        .sum();
    assert_eq!(rows, 254);

    let from_one = simulated.run(&[
        "request",
        "keys",
        "GET",
        &next("2"),
        "--all-pages",
        "--json",
    ]);
    assert_eq!(from_one.objects().len(), 1);
    let history = ["request", "keys", "GET", "/envoy2/api/v1/requests?size=2"];
    let unread = simulated.run(&[&history[..], &["--all-pages", "--json"]].concat());
    assert_eq!((unread.code, unread.objects().len()), (1, 1), "{unread:?}");
    let next = "Send the call with the path /envoy2/api/v1/requests?size=2&page=1, and so on";
    assert!(unread.err.contains(next), "{unread:?}");
    for path in [format!("{API}/merchants"), "/no/such/list".into()] {
        let none = simulated.run(&["request", "keys", "GET", &path, "--all-pages"]);
        assert_eq!(none.code, 2, "{none:?}");
        assert!(none.err.contains("has no pages"), "{none:?}");
    }
}
