//! Every table has the names of its columns above it, and is CSV with the fields of `--json` as columns.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::peer::{Peer, json};
use crate::program::{Listener, Place, Ran};

/// The records of CSV, each by the names of the columns.
fn records(ran: &Ran) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(ran.out.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let records = reader.records().map(|record| {
        let record = record.unwrap();
        let cells = columns.iter().zip(&record);
        cells
            .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
            .collect()
    });
    records.collect()
}

/// A field as CSV has it.
fn cell(object: &Value, name: &str) -> String {
    match object.pointer(&format!("/{}", name.replace('.', "/"))) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[test]
fn the_columns_of_csv_are_the_fields_of_json() {
    let place = Place::with_config(
        "[profiles.live.accounts.game]\nprovider = \"kongregate\"\napi_key = { env = \"TEST_API_SECRET\" }\n",
    );
    for (command, head, rows) in [
        (
            &["account", "list"][..],
            "account provider environment host",
            4,
        ),
        (&["config", "check"], "account provider environment host", 1),
        (&["keys"], "where keys what name", 100),
        (&["ledger", "status"], "", 1),
        (&["token", "show"], "account provider token ends", 2),
        (
            &["account", "verify"],
            "account provider environment credentials",
            4,
        ),
        (&["player", "items", "1001"], "item identifier uses left", 1),
    ] {
        let run = |format: &str| {
            let more: &[&str] = if format.is_empty() { &[] } else { &[format] };
            let ran = place.run(&[command, more].concat());
            assert_eq!(ran.code, 0, "{ran:?}");
            ran
        };
        let csv = run("--csv");
        let (records, objects) = (records(&csv), run("--json").objects());
        assert!(records.len() >= rows, "{command:?}: {csv:?}");
        assert_eq!(records.len(), objects.len(), "{command:?}");
        for (record, object) in records.iter().zip(&objects) {
            for (name, written) in record {
                // Each run has a time, and a simulator, of its own.
                let varies = ["host", "verified_at", "url"].contains(&name.as_str());
                let same = varies || *written == cell(object, name);
                assert!(same, "{command:?}: {name}: {written}, {object}");
            }
        }
        let text = run("").out;
        let words: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
        let first = words.join(" ");
        assert!(first.starts_with(head), "{command:?}: {first}");
    }
}

#[test]
fn every_table_is_csv_or_json_but_not_both() {
    let place = Place::new();
    for command in [
        &["check", "A"][..],
        &["payments", "list"],
        &["payments", "export"],
        &["payments", "note", "A"],
        &["estimate", "EMT", "3"],
        &["account", "list"],
        &["account", "verify"],
        &["token", "show"],
        &["token", "refresh"],
        &["player", "items", "1001"],
        &["stock", "add", "A", "-"],
        &["budget"],
        &["log"],
        &["log", "--deliveries"],
        &["ledger", "status"],
        &["doctor"],
        &["config", "check"],
        &["keys"],
    ] {
        let ran = place.run(&[command, &["--csv", "--json"]].concat());
        let error = &ran.object()["error"];
        assert_eq!((ran.code, &error["kind"]), (2, &"usage".into()), "{ran:?}");
        let hint = error["hint"].as_str().unwrap();
        assert!(hint.starts_with("choose one: --csv"), "{command:?}: {hint}");
    }
    let exported = place.run(&["log", "--csv", "--export", "har"]);
    assert_eq!(exported.code, 2, "{exported:?}");
}

#[test]
fn a_list_without_rows_is_a_header_in_csv_and_nothing_in_a_table() {
    let place = Place::new();
    for command in [&["log"][..], &["log", "--deliveries"]] {
        let csv = place.run(&[command, &["--csv"]].concat());
        assert!(csv.out.starts_with("id,account,provider,"), "{csv:?}");
        assert_eq!(csv.out.lines().count(), 1, "{csv:?}");
        assert_eq!(place.run(command).out, "", "{command:?}");
    }
}

#[test]
fn prices_are_csv_with_a_row_for_each_currency() {
    let ran = Place::new().run(&["estimate", "EMT", "3", "--csv"]);
    let records = records(&ran);
    assert!(records.len() > 1, "{ran:?}");
    for record in &records {
        assert_eq!((&*record["token"], &*record["quantity"]), ("EMT", "3"));
        assert!(
            !record["currency"].is_empty() && !record["price"].is_empty(),
            "{ran:?}"
        );
    }
}

#[test]
fn a_payment_without_an_answer_is_a_row_with_its_error() {
    let peer = Peer::start(vec![json(
        r#"{"result":"ok","currency":"EMT","amount":"5","state":"FINALIZED"}"#,
    )]);
    let place = Place::with_shop(&peer.url);
    let ran = place.run(&["check", "A", "B", "--csv"]);
    let of = |name: &str| -> Vec<String> {
        records(&ran)
            .into_iter()
            .map(|record| record[name].clone())
            .collect()
    };
    assert_eq!(of("id"), ["A", "B"]);
    assert_eq!(of("verdict"), ["not_compared", "not_compared"]);
    let unknown = Place::new().run(&["check", "NOPE", "--csv"]);
    let unknown = records(&unknown).remove(0);
    assert_eq!(
        (&*unknown["id"], &*unknown["verdict"]),
        ("NOPE", "not_found")
    );
    assert!(unknown["error"].contains("does not know"), "{unknown:?}");
}

#[test]
fn a_strangers_text_is_no_formula_in_a_spreadsheet() {
    let place = Place::new();
    let listener = Listener::start(&place, &[]);
    listener.post("/callbacks/=1+1", "", "x");
    listener.line_with("=1+1");
    let ran = place.run(&["log", "--deliveries", "--csv"]);
    assert_eq!(records(&ran)[0]["account"], "'=1+1", "{ran:?}");
    let object = place.run(&["log", "--deliveries", "--json"]).object();
    assert_eq!(object["account"], "=1+1");
}
