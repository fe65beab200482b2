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

/// Fields that differ from run to run: each has a time, and a simulator, of its own.
const VARYING: [&str; 12] = [
    "host",
    "url",
    "place",
    "verified_at",
    "checked_at",
    "expected_at",
    "watched_since",
    "changed_at",
    "took_ms",
    "expires_at",
    "got_at",
    "renews_at",
];

/// Columns of payments that are no fields.
const COLUMNS_ALONE: [&str; 3] = ["difference", "error", "profile"];

/// A command, its least number of rows, the names of its table's columns, and some of them with the field that their cells
/// begin with.
type Case<'a> = (&'a [&'a str], usize, &'a str, &'a [(&'a str, &'a str)]);

/// The cell below the name of a column.
fn below(head: &str, row: &str, name: &str) -> String {
    let head: Vec<char> = head.chars().collect();
    let starts = (0..head.len()).filter(|at| {
        let is_first = *at == 0 || head[at.saturating_sub(2)..*at] == [' ', ' '];
        is_first && head[*at] != ' '
    });
    let starts: Vec<usize> = starts.collect();
    let rest = |at: usize| head[at..].iter().collect::<String>();
    let is_named = |at: &usize| format!("{}  ", rest(*at)).starts_with(&format!("{name}  "));
    let start = starts.iter().position(is_named);
    let start = start.unwrap_or_else(|| panic!("no column {name}"));
    let end = starts.get(start + 1).copied().unwrap_or(usize::MAX);
    let cell: String = row.chars().take(end).skip(starts[start]).collect();
    cell.trim().to_owned()
}

fn is_the_same_in_each_format(place: &Place, (command, least, names, cells): Case<'_>) {
    let run = |format: &str| {
        let more: &[&str] = if format.is_empty() { &[] } else { &[format] };
        let ran = place.run(&[command, more].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    };
    let csv = run("--csv");
    let (records, objects) = (records(&csv), run("--json").objects());
    assert!(objects.len() >= least, "{command:?}: {objects:?}");
    assert_eq!(records.len(), objects.len(), "{command:?}: {csv:?}");
    for (record, object) in records.iter().zip(&objects) {
        for (name, written) in record {
            let differs = VARYING.contains(&name.as_str())
                || COLUMNS_ALONE.contains(&name.as_str()) && object.get(name).is_none();
            let same = differs || *written == cell(object, name);
            assert!(same, "{command:?}: {name}: {written}, {object}");
        }
    }
    let text = run("").out;
    let (head, rows) = text.split_once('\n').unwrap();
    let words: Vec<&str> = head.split_whitespace().collect();
    assert_eq!(words.join(" "), names, "{command:?}");
    assert_eq!(rows.lines().count(), objects.len(), "{command:?}: {text}");
    for (row, object) in rows.lines().zip(&objects) {
        for (name, field) in cells {
            let (shown, value) = (below(head, row, name), cell(object, field));
            assert!(
                shown.starts_with(&value),
                "{command:?}: {name}: {shown}, {object}"
            );
        }
    }
}

#[test]
fn the_columns_of_csv_are_the_fields_of_json() {
    let place = Place::new();
    std::fs::write(place.path().join("keys.txt"), "PLANTED-KEY-0001\n").unwrap();
    let cases: [Case<'_>; 10] = [
        (
            &["check", "ORDER-1001"],
            1,
            "state, verdict amount payment account",
            &[
                ("payment", "id"),
                ("account", "account"),
                ("state, verdict", "state"),
            ],
        ),
        (
            &["payments", "list"],
            1,
            "state verdict amount expected difference changed id account",
            &[
                ("expected", "expected_amount"),
                ("id", "id"),
                ("account", "account"),
            ],
        ),
        (
            &["account", "list"],
            4,
            "account provider environment host secret credentials",
            &[
                ("account", "account"),
                ("secret", "secret_source"),
                ("credentials", "status"),
            ],
        ),
        (
            &["account", "verify"],
            4,
            "account provider environment credentials",
            &[("account", "account"), ("credentials", "status")],
        ),
        (
            &["token", "show"],
            2,
            "account provider token ends issued saved",
            &[("account", "account")],
        ),
        (
            &["token", "refresh"],
            2,
            "account provider token ends issued saved",
            &[("account", "account")],
        ),
        (
            &["player", "items", "1001"],
            1,
            "item identifier uses left name data",
            &[
                ("item", "id"),
                ("identifier", "identifier"),
                ("uses left", "remaining_uses"),
                ("name", "name"),
                ("data", "data"),
            ],
        ),
        (
            &["budget"],
            1,
            "account counts used period free",
            &[
                ("account", "account"),
                ("counts", "counts"),
                ("used", "used"),
                ("free", "free"),
            ],
        ),
        (
            &["log"],
            1,
            "sent account method path about status took size",
            &[
                ("account", "account"),
                ("method", "method"),
                ("about", "about"),
                ("status", "status"),
            ],
        ),
        (
            &["keys"],
            100,
            "where keys what name",
            &[("where", "scope"), ("what", "help"), ("name", "action")],
        ),
    ];
    for case in cases {
        is_the_same_in_each_format(&place, case);
    }
}

#[test]
fn so_are_those_of_what_is_saved_for_an_account() {
    let place = Place::with_shop("http://127.0.0.1:9");
    place.run(&["payments", "note", "A-17", "refunded by hand"]);
    let listener = Listener::start(&place, &[]);
    listener.post("/callbacks/shop", "", "transactionKey=A-17");
    listener.line_with("A-17");
    let cases: [Case<'_>; 3] = [
        (
            &["payments", "note", "A-17"],
            1,
            "noted note by",
            &[("noted", "noted_at"), ("note", "note")],
        ),
        (
            &["config", "check"],
            1,
            "account provider environment host secret",
            &[
                ("account", "profile"),
                ("environment", "environment"),
                ("host", "host"),
                ("secret", "secret_source"),
            ],
        ),
        (
            &["log", "--deliveries"],
            1,
            "received id verdict account about kind reason HTTP checks and forwards",
            &[
                ("verdict", "verdict"),
                ("account", "account"),
                ("about", "payment"),
                ("kind", "kind"),
                ("HTTP", "status"),
            ],
        ),
    ];
    for case in cases {
        is_the_same_in_each_format(&place, case);
    }
}

/// Commands whose text is no table: each line has these fields, in this order.
#[test]
fn results_in_lines_have_the_fields_of_json() {
    let place = Place::new();
    std::fs::write(
        place.path().join("keys.txt"),
        "PLANTED-KEY-0001\n\nPLANTED-KEY-0002\n",
    )
    .unwrap();
    let file = place.path().join("keys.txt");
    let offer = "65a0c0de0000000000000001";
    let add = ["stock", "add", offer, file.to_str().unwrap(), "--yes"];
    for (command, fields) in [
        (&add[..], &["line", "result"][..]),
        (&["ledger", "status"], &["place"]),
        (&["doctor"], &["status", "check"]),
    ] {
        let run = |format: &[&str]| {
            let ran = place.run(&[command, format].concat());
            assert_eq!(ran.code, 0, "{ran:?}");
            ran
        };
        let (csv, objects) = (run(&["--csv"]), run(&["--json"]).objects());
        let (records, text) = (records(&csv), run(&[]).out);
        // A hint has a line of its own.
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("   "))
            .collect();
        assert_eq!(
            (records.len(), lines.len()),
            (objects.len(), objects.len()),
            "{text}"
        );
        for ((record, line), object) in records.iter().zip(lines).zip(&objects) {
            for (name, written) in record {
                let varies = ["took_ms", "host", "message"].contains(&name.as_str());
                assert!(
                    varies || *written == cell(object, name),
                    "{command:?}: {name}: {object}"
                );
            }
            for field in fields {
                assert!(line.contains(&cell(object, field)), "{line}: {object}");
            }
        }
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
    // The simulator's prices change with time.
    let peer = Peer::start(vec![json(r#"{"EUR":"3.21","PLN":"13.5"}"#)]);
    let place = Place::with_shop(&peer.url);
    let run = |format: &[&str]| place.run(&[&["estimate", "EMT", "3"], format].concat());
    let records = records(&run(&["--csv"]));
    let (object, text) = (run(&["--json"]).object(), run(&[]).out);
    let prices = object["prices"].as_object().unwrap();
    assert!(
        records.len() > 1 && records.len() == prices.len(),
        "{object}"
    );
    assert_eq!(text.lines().count(), 1 + prices.len(), "{text}");
    for (record, row) in records.iter().zip(text.lines().skip(1)) {
        for name in ["account", "token", "quantity"] {
            assert_eq!(record[name], cell(&object, name));
        }
        let (currency, price) = (&record["currency"], &record["price"]);
        assert_eq!(prices[currency], price.as_str());
        let cells: Vec<&str> = row.split_whitespace().take(2).collect();
        assert_eq!(cells, [currency, price], "{row}");
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
