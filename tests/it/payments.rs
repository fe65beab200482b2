//! `payments`: the watch list and expected amounts from the command line.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::peer::{Peer, json as ok};
use crate::program::{Place, Ran};
use crate::terminal::Terminal;

fn shop() -> (Place, Peer) {
    let peer = Peer::start(vec![ok(
        r#"{"result":"ok","currency":"oPLN","amount":"1.00","state":"FINALIZED"}"#,
    )]);
    (Place::with_shop(&peer.url), peer)
}

fn ids(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}

/// The values of a column.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let at = reader.headers().unwrap().iter().position(|n| n == name);
    let at = at.unwrap();
    let values = reader
        .records()
        .map(|record| record.unwrap()[at].to_owned());
    values.collect()
}

#[test]
fn watched_payments_are_listed_with_what_is_known_of_them() {
    let (place, _peer) = shop();
    let add = [
        "payments",
        "add",
        "A",
        "--amount",
        "249.00",
        "--currency",
        "oPLN",
    ];
    let added = place.run(&add);
    assert_eq!(added.code, 0, "{added:?}");
    assert_eq!(added.out.trim(), "watched: A, expected 249.00 oPLN");
    assert_eq!(place.run(&["payments", "add", "B", "--json"]).code, 0);
    place.run(&["check", "A"]);
    let rows = place.run(&["payments", "list", "--json"]).objects();
    assert_eq!(ids(&rows), ["A", "B"]);
    let keys: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "schema",
            "account",
            "id",
            "state",
            "verdict",
            "paid",
            "final",
            "currency",
            "amount",
            "expected_currency",
            "expected_amount",
            "checked_at",
            "expected_by",
            "expected_at",
            "watched_since",
            "changed_at",
            "watched_by",
            "note",
            "noted_by",
            "noted_at"
        ]
    );
    assert_eq!(
        (
            &rows[0]["verdict"],
            &rows[0]["paid"],
            &rows[0]["expected_by"]
        ),
        (&json!("less"), &json!(false), &json!("command"))
    );
    for unknown in [
        "state",
        "verdict",
        "paid",
        "final",
        "amount",
        "checked_at",
        "expected_by",
    ] {
        assert_eq!(rows[1][unknown], Value::Null, "{unknown}");
    }
    assert_eq!(rows[0]["checked_at"], Value::Null, "it is not saved");
    assert!(rows[0]["changed_at"].is_string(), "{rows:?}");
    let words = place.run(&["payments", "list"]).out;
    for said in [
        "less than expected",
        "1.00 oPLN",
        " 249.00 oPLN",
        "-248.00",
        "no state yet",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
    let csv = place.run(&["payments", "export"]).out;
    assert!(
        csv.starts_with("id,account,state,verdict,") && csv.lines().count() == 3,
        "{csv}"
    );
    assert_eq!(column(&csv, "checked_at"), ["", ""]);
    assert!(!column(&csv, "changed_at")[0].is_empty(), "{csv}");
    assert_eq!(place.run(&["payments", "list", "--csv"]).out, csv);
    assert_eq!(place.run(&["payments", "export", "--csv"]).out, csv);
    let both = place.run(&["payments", "export", "--csv", "--json"]);
    assert_eq!(both.code, 2, "{both:?}");
    assert_eq!(place.run(&["payments", "export", "--json"]).objects(), rows);
}

#[test]
fn payments_that_are_no_longer_watched_are_listed_too_on_request() {
    let (place, _peer) = shop();
    place.run(&["payments", "add", "A", "B"]);
    for id in ["A", "B", "C"] {
        place.run(&["check", id, "--amount", "1", "--currency", "oPLN"]);
    }
    place.run(&["payments", "remove", "A"]);
    place.run(&["payments", "add", "D"]);
    let list = |more: &[&str]| place.run(&[&["payments", "list"], more].concat());
    assert_eq!(ids(&list(&["--json"]).objects()), ["B", "D"]);
    let all = list(&["--all", "--json"]).objects();
    let watched = |row: &Value| row["watched_since"].is_string();
    let found: Vec<_> = all.iter().map(|row| (&row["id"], watched(row))).collect();
    let expected = [("D", true), ("C", false), ("B", true), ("A", false)];
    let expected = expected.map(|(id, watched)| (json!(id), watched));
    assert!(
        found
            .iter()
            .map(|(id, is)| ((*id).clone(), *is))
            .eq(expected),
        "{all:?}"
    );
    let not_compared = json!("not_compared");
    assert_eq!(
        (&all[3]["verdict"], &all[3]["paid"]),
        (&not_compared, &Value::Null)
    );
    let csv = list(&["--all", "--csv"]).out;
    assert_eq!(column(&csv, "id"), ["D", "C", "B", "A"]);
    let open = list(&["--all", "--state", "FINALIZED", "--json"]).objects();
    assert_eq!(ids(&open), ["C", "B", "A"]);
    let words = list(&["--all"]).out;
    assert!(
        words.contains("watched") && words.contains(" no"),
        "{words}"
    );
    let words = list(&[]).out;
    assert!(
        words.lines().all(|line| line.trim_end() == line),
        "{words:?}"
    );
}

#[test]
fn filters_choose_by_state_verdict_and_age() {
    let (place, _peer) = shop();
    place.run(&[
        "payments",
        "add",
        "A",
        "B",
        "--amount",
        "2",
        "--currency",
        "oPLN",
    ]);
    place.run(&["check", "A"]);
    for (filter, wanted) in [
        (&["--state", "finalized"][..], &["A"][..]),
        (&["--state", "NEW"], &[]),
        (&["--verdict", "less"], &["A"]),
        (&["--verdict", "paid"], &[]),
        (&["--newer-than", "1h"], &["A", "B"]),
        (&["--older-than", "1d"], &[]),
        (&["--account", "shop"], &["A", "B"]),
    ] {
        let ran = place.run(&[&["payments", "list", "--json"], filter].concat());
        assert_eq!(ids(&ran.objects()), wanted, "{filter:?}");
        assert_eq!(ran.code, 0);
    }
    let none = place.run(&["payments", "list", "--account", "nosuch"]);
    assert_eq!(none.code, 2, "{none:?}");
    let bad = place.run(&["payments", "list", "--verdict", "settled"]);
    assert!(bad.code == 2 && bad.err.contains("not_compared"), "{bad:?}");
}

#[test]
fn an_expected_amount_is_changed_with_a_yes_only() {
    let (place, _peer) = shop();
    let expect = |amount: &str, more: &[&str]| {
        let sum = [
            "payments",
            "expect",
            "A",
            "--amount",
            amount,
            "--currency",
            "oPLN",
        ];
        place.run(&[&sum[..], more].concat())
    };
    let first = expect("249.00", &[]);
    assert_eq!(first.out.trim(), "expected amount of A: 249.00 oPLN");
    let said = "payment A is not watched and was never seen; check the id";
    assert!(first.err.contains(said), "{first:?}");
    let same = expect("249", &[]);
    assert_eq!(same.code, 0, "the same sum");
    assert!(!same.err.contains("check the id"), "{same:?}");
    let refused = expect("1", &[]);
    assert_eq!(refused.code, 2, "{refused:?}");
    for said in [
        "expects 249.00 oPLN (set by a command), not 1 oPLN",
        "not a terminal: pass --yes",
    ] {
        assert!(refused.err.contains(said), "{said}: {refused:?}");
    }
    let add = [
        "payments",
        "add",
        "A",
        "--amount",
        "1",
        "--currency",
        "oPLN",
    ];
    let refused = place.run(&[&add[..], &["--json"]].concat());
    assert_eq!(
        (refused.code, &refused.object()["error"]["kind"]),
        (2, &json!("usage"))
    );
    assert!(
        place.run(&["payments", "list"]).out.is_empty(),
        "nothing was changed"
    );
    assert_eq!(
        expect("1", &["--yes"]).out.trim(),
        "expected amount of A changed from 249.00 oPLN to 1 oPLN"
    );
    let add = [
        "payments",
        "add",
        "A",
        "--amount",
        "7",
        "--currency",
        "oPLN",
        "--replace-expectation",
    ];
    assert_eq!(place.run(&add).code, 0);
    let row = place.run(&["payments", "list", "--json"]).object();
    assert_eq!(row["expected_amount"], "7");
}

#[test]
fn a_payment_with_a_link_is_known() {
    let (place, _peer) = shop();
    let sum = ["--amount", "5", "--currency", "EMT"];
    let link = ["link", "--id", "A", "--no-watch"];
    let email = ["--email", "payer@example.com"];
    let linked = place.run(&[&link[..], &email, &sum].concat());
    assert_eq!(linked.code, 0, "{linked:?}");
    let ran = place.run(&[&["payments", "expect", "A", "--yes"], &sum[..]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.err.contains("check the id"), "{ran:?}");
}

#[test]
fn a_list_is_watched_row_by_row() {
    let (place, _peer) = shop();
    place.run(&[
        "payments",
        "expect",
        "A",
        "--amount",
        "9",
        "--currency",
        "EMT",
    ]);
    let list = place.path().join("orders.csv");
    let rows = "order,amount,currency\nA,1,EMT\nB,5,EMT\nC,x,EMT\nD,,\nB,5,EMT\nE,1,EMT\nE,2,EMT\n";
    std::fs::write(&list, rows).unwrap();
    let from = ["payments", "add", "--from", list.to_str().unwrap()];
    let ran = place.run(&from);
    assert_eq!(ran.code, 2, "{ran:?}");
    for said in [
        "line 2: account shop: payment A expects 9 EMT (set by a command), not 1 EMT",
        "line 4: `x` is not an amount",
        "lines 7 and 8 have the same payment id but different amounts",
        "2 watched, 4 not added",
    ] {
        assert!(ran.err.contains(said), "{said}: {ran:?}");
    }
    let rows = place.run(&["payments", "list", "--json"]).objects();
    assert_eq!(ids(&rows), ["B", "D"]);
    assert_eq!(rows[0]["expected_by"], "list");
    let mut child = place
        .command(&["payments", "add", "--from", "-", "--replace-expectation"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"id,amount,currency\nA,1,EMT\n").unwrap();
    drop(stdin);
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn a_payment_that_is_not_watched_cannot_be_removed() {
    let (place, _peer) = shop();
    place.run(&["payments", "add", "A", "--amount", "9", "--currency", "EMT"]);
    let ran = place.run(&["payments", "remove", "A", "B", "--json"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    let objects = ran.objects();
    assert_eq!(objects[0]["watched"], json!(false));
    assert_eq!(objects[1]["error"]["kind"], "not_found");
    assert_eq!(
        (&objects[1]["account"], &objects[1]["id"]),
        (&json!(null), &json!("B"))
    );
    let ran = place.run(&["payments", "remove", "B", "--account", "shop", "--json"]);
    assert_eq!(ran.object()["account"], "shop", "{ran:?}");
    let checked = place.run(&["check", "A", "--json"]).object();
    assert_eq!(
        checked["expected_amount"], "9",
        "what is expected stays known"
    );
}

#[test]
fn payments_of_an_account_that_was_removed_are_listed_and_can_be_removed() {
    let (place, _peer) = shop();
    place.run(&["payments", "add", "A", "B"]);
    place.run(&["check", "A"]);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let renamed = config.replace("accounts.shop", "accounts.other");
    std::fs::write(place.config_path(), renamed).unwrap();
    place.run(&["payments", "add", "B", "C"]);
    let ran = place.run(&["payments", "list", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let rows = ran.objects();
    assert_eq!(ids(&rows), ["A", "B", "B", "C"]);
    assert_eq!(rows[0]["state"], "FINALIZED", "as it was last seen");
    assert_eq!(
        ran.err
            .matches("account shop is not in profile live")
            .count(),
        1,
        "{ran:?}"
    );
    let ran = place.run(&["payments", "export", "--account", "shop"]);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 3), "{ran:?}");
    assert_eq!(place.run(&["payments", "remove", "A"]).code, 0);
    let ran = place.run(&["payments", "remove", "B"]);
    assert!(
        ran.code == 2 && ran.err.contains("accounts shop and other"),
        "{ran:?}"
    );
    let ran = place.run(&["payments", "remove", "B", "--account", "shop", "--json"]);
    assert_eq!(ran.object()["account"], "shop", "{ran:?}");
    let ran = place.run(&["payments", "list", "--json"]);
    assert!(
        ids(&ran.objects()) == ["B", "C"] && ran.err.is_empty(),
        "{ran:?}"
    );
}

#[test]
fn ids_to_watch_come_from_standard_input() {
    let (place, _peer) = shop();
    let mut child = place
        .command(&["payments", "add", "-", "--amount", "5", "--currency", "EMT"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"A\n\nB\n").unwrap();
    drop(stdin);
    assert!(child.wait_with_output().unwrap().status.success());
    let rows = place.run(&["payments", "list", "--json"]).objects();
    assert_eq!(ids(&rows), ["A", "B"]);
    assert_eq!(rows[1]["expected_amount"], "5");
    let ran = place.run(&["payments", "add", "-", "C"]);
    assert!(
        ran.code == 2 && ran.err.contains("cannot be combined"),
        "{ran:?}"
    );
}

#[test]
fn csv_is_inert_for_terminals_and_spreadsheets() {
    let (place, _peer) = shop();
    place.run(&["payments", "add", "A\u{202e}B", "=HYPERLINK(1)"]);
    for arguments in [&["payments", "export"][..], &["payments", "list", "--csv"]] {
        let out = place.run(arguments).out;
        for cell in ["A\\u{202e}B,", "'=HYPERLINK(1),"] {
            assert!(out.contains(cell), "{out}");
        }
        let mut terminal = Terminal::start(&place.command(arguments), (200, 10));
        terminal.sees("A\\u{202e}B,shop,");
        assert_eq!(terminal.ended(), 0);
    }
}

#[test]
fn the_built_in_sandbox_lists_its_payments_and_says_why_they_cannot_be_changed() {
    let place = Place::new();
    let rows = place.run(&["payments", "list", "--json"]).objects();
    assert!(
        rows.len() > 5 && rows.iter().all(|row| row["account"] == "kanga"),
        "{rows:?}"
    );
    assert!(place.run(&["payments", "export"]).out.lines().count() > 5);
    for change in [
        &["payments", "add", "A"][..],
        &["payments", "remove", "ORDER-1001"],
        &[
            "payments",
            "expect",
            "A",
            "--amount",
            "1",
            "--currency",
            "EMT",
        ],
    ] {
        let ran = place.run(change);
        assert!(
            ran.code == 2 && ran.err.contains("tilldeck sandbox serve"),
            "{ran:?}"
        );
    }
}

#[test]
fn a_terminal_is_asked_before_an_expected_amount_is_changed() {
    let (place, _peer) = shop();
    let add = ["payments", "add", "A", "--currency", "EMT", "--amount"];
    assert_eq!(place.run(&[&add[..], &["5"]].concat()).code, 0);
    let expect = [
        "payments",
        "expect",
        "A",
        "--currency",
        "EMT",
        "--amount",
        "6",
    ];
    for (answer, code, said) in [
        ("n", 8, "nothing was changed"),
        ("y", 0, "expected amount of A changed from 5 EMT to 6 EMT"),
    ] {
        let mut terminal = Terminal::start(&place.command(&expect), (120, 10));
        terminal.sees("A expects 5 EMT (set by a command). Change it to 6 EMT? [y/N]");
        terminal.send(&format!("{answer}\r"));
        terminal.sees(said);
        assert_eq!(terminal.ended(), code);
    }
}

#[test]
fn notes_are_added_listed_and_exported_with_their_payment() {
    let (place, _peer) = shop();
    place.run(&["payments", "add", "A"]);
    let note = |text| place.run(&["payments", "note", "A", text]);
    assert_eq!(note("refunded by hand").out.trim(), "note saved: A");
    assert_eq!(note("ticket 4711, closed").code, 0);
    let refused = note("two\nlines");
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("U+000A at position 4"), "{refused:?}");
    let rows = place.run(&["payments", "note", "A", "--json"]).objects();
    let texts: Vec<_> = rows.iter().map(|row| &row["note"]).collect();
    assert_eq!(texts, ["refunded by hand", "ticket 4711, closed"]);
    let mistyped = place.run(&["payments", "note", "C", "x"]);
    assert!(mistyped.err.contains("was never seen"), "{mistyped:?}");
    let empty = place.run(&["payments", "note", "B"]);
    assert!(empty.all().contains("payment B has no notes"), "{empty:?}");
    let added = place.run(&["payments", "note", "=A", "=1", "--csv"]).out;
    assert_eq!(added, "account,id,note,noted_by,noted_at\nshop,'=A,'=1,,\n");
    let listed = place.run(&["payments", "note", "=A", "--csv"]).out;
    assert_eq!(
        (&column(&listed, "id"), &column(&listed, "note")),
        (&vec!["'=A".into()], &vec!["'=1".into()])
    );
    let csv = place.run(&["payments", "export"]).out;
    assert_eq!(column(&csv, "note"), ["ticket 4711, closed"]);
    assert!(!column(&csv, "noted_at")[0].is_empty(), "{csv}");
}

#[test]
fn a_ledger_that_cannot_be_used_is_an_error_and_not_an_empty_list() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let file = place.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let state = file.join("state");
    let state = state.to_str().unwrap();
    for arguments in [
        &["payments", "list", "--json"][..],
        &["payments", "export"],
        &["payments", "note", "A-17"],
        &["payments", "remove", "A-17"],
        &["budget"],
        &["log"],
        &["ledger", "status"],
    ] {
        let mut command = place.command(arguments);
        command.args(["--state-dir", state]);
        let ran = Ran::of(command);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.all().contains(state), "{ran:?}");
        assert!(!ran.out.contains("id,"), "{ran:?}");
    }
    let mut simulated = place.command(&["payments", "list", "--profile", "sandbox"]);
    simulated.args(["--state-dir", state]);
    let ran = Ran::of(simulated);
    assert!(ran.code == 0 && ran.out.contains("ORDER-1001"), "{ran:?}");
}
