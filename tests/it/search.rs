//! `log` with conditions: requests and callbacks, by all that they have.

use serde_json::Value;

use crate::peer::{Peer, json as ok, reply};
use crate::program::{Listener, Place};

const FINALIZED: &str = r#"{"result":"ok","currency":"oPLN","amount":"1.00","state":"FINALIZED"}"#;

/// The names of the rows: the subject, or the path of a call that has none.
fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter()
        .map(|row| match row["about"].as_str().unwrap() {
            "" => row["url"].as_str().unwrap().rsplit('/').next().unwrap(),
            about => about,
        })
        .collect()
}

#[test]
fn requests_are_found_by_subject_status_method_words_and_time() {
    let peer = Peer::start(vec![
        ok(FINALIZED),
        reply("404 Not Found", "", "{}"),
        ok(FINALIZED),
    ]);
    let place = Place::with_shop(&peer.url);
    place.run(&["check", "A-1"]);
    place.run(&["request", "shop", "GET", "/orders/A-1"]);
    place.run(&["check", "A-12"]);
    let log = |more: &[&str]| place.run(&[&["log", "--json"], more].concat());
    for (conditions, expected) in [
        (&["--about", "A-1"][..], &["A-1", "A-1"][..]),
        (&["--about", "A-1", "--status", "4xx"], &["A-1"]),
        (&["--about", "A"], &[]),
        (&["--status", "200"], &["A-1", "A-12"]),
        (&["--status", "failed"], &[]),
        (&["--method", "get"], &["A-1"]),
        (&["--grep", "ORDERS 404"], &["A-1"]),
        (&["--grep", "a-12 post"], &["A-12"]),
        (&["--grep", "a-1", "--account", "other"], &[]),
        (&["--until", "yesterday"], &[]),
        (
            &["--since", "1h", "--until", "2999-01-01"],
            &["A-1", "A-1", "A-12"],
        ),
    ] {
        let ran = log(conditions);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(names(&ran.objects()), expected, "{conditions:?}");
    }
    let exported = log(&["--export", "har", "--status", "4xx"]).out;
    let exported: Value = serde_json::from_str(&exported).unwrap();
    assert_eq!(exported["log"]["entries"].as_array().unwrap().len(), 1);
    for (bad, said) in [
        (&["--status", "soon"][..], "4xx"),
        (&["--method", "FETCH"], "PATCH"),
        (&["--about", ""], "about"),
        (&["--since", "today", "--until", "yesterday"], "not before"),
        (&["--until", "today", "--follow"], "--follow"),
    ] {
        let ran = log(bad);
        assert!(ran.code == 2 && ran.out.contains(said), "{bad:?}: {ran:?}");
    }
}

#[test]
fn the_log_is_that_of_the_profile_unless_all_are_wanted() {
    let peer = Peer::start(vec![ok(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    place.run(&["check", "A-1"]);
    let own = place.run(&["log", "--json"]).objects();
    let profile = own[0]["profile"].as_str().unwrap().to_owned();
    let other = ["--profile", "sandbox", "log", "--json"];
    assert_eq!(place.run(&other).out, "");
    let all = place.run(&[&other[..], &["--all-profiles"]].concat());
    assert_eq!(all.objects(), own);
    let table = place.run(&["--profile", "sandbox", "log", "--all-profiles"]);
    assert!(table.out.contains(&format!("{profile}/shop")), "{table:?}");
}

#[test]
fn callbacks_are_found_by_subject_and_words() {
    let peer = Peer::start(vec![ok(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    let listener = Listener::start(&place, &["--json"]);
    for path in [
        "shop?transactionKey=A-1",
        "shop?transactionKey=A-12",
        "nowhere",
    ] {
        listener.post(&format!("/callbacks/{path}"), "", "");
    }
    let log = |more: &[&str]| place.run(&[&["log", "--deliveries", "--json"], more].concat());
    for (conditions, expected) in [
        (&["--about", "A-1"][..], 1),
        (&["--grep", "a-1"], 2),
        (&["--grep", "unknown account"], 1),
        (&["--grep", "a-1", "--account", "nowhere"], 0),
    ] {
        let found = log(conditions).objects();
        assert_eq!(found.len(), expected, "{conditions:?}: {found:?}");
    }
    let other = place.run(&["--profile", "sandbox", "log", "--deliveries", "--json"]);
    assert_eq!(other.out, "");
    for (option, value) in [
        ("--status", "404"),
        ("--method", "GET"),
        ("--operator", "anna"),
    ] {
        let ran = log(&[option, value]);
        assert!(
            ran.code == 2 && ran.out.contains(option) && ran.out.contains("callbacks"),
            "{ran:?}"
        );
    }
}
