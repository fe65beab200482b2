//! `check` of lists: what a CSV file may look like, what is done about bad rows, and how a run goes on.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::peer::{Act, Peer, Seen, json as ok, reply};
use crate::program::{Place, Ran};
use crate::terminal::Terminal;

/// Every payment is FINALIZED over 5 EMT; `NOPE` is not known, `OPEN…` is open.
fn by_id(seen: &Seen) -> Act {
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let id = body["id"].as_str().unwrap();
    match id {
        "NOPE" => ok(r#"{"result":"fail","code":9001}"#),
        id if id.starts_with("OPEN") => finalized("ACTIVE"),
        _ => finalized("FINALIZED"),
    }
}

fn finalized(state: &str) -> Act {
    ok(&format!(
        r#"{{"result":"ok","currency":"EMT","amount":"5.00","state":"{state}"}}"#
    ))
}

/// The ids that were asked for.
fn asked(peer: &Peer) -> Vec<String> {
    let requests = peer.requests();
    let bodies = requests.iter().map(|seen| seen.body.as_str());
    bodies
        .map(|body| {
            let body: Value = serde_json::from_str(body).unwrap();
            body["id"].as_str().unwrap().to_owned()
        })
        .collect()
}

struct Shop {
    place: Place,
    peer: Peer,
}

impl Shop {
    fn new() -> Self {
        Self::choosing(|_, seen| by_id(seen))
    }

    fn choosing(choose: impl Fn(usize, &Seen) -> Act + Send + Sync + 'static) -> Self {
        let peer = Peer::choosing(choose);
        Self {
            place: Place::with_shop(&peer.url),
            peer,
        }
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.place.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Checks a list with this text.
    fn check(&self, text: impl AsRef<[u8]>, more: &[&str]) -> Ran {
        let path = self.file("list.csv", text);
        let path = path.to_str().unwrap();
        self.place.run(&[&["check", "--from", path], more].concat())
    }

    /// With this on standard input.
    fn piped(&self, arguments: &[&str], text: impl AsRef<[u8]>) -> Ran {
        let mut child = self.spawn(arguments, Stdio::piped());
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(text.as_ref()).unwrap();
        drop(stdin);
        Ran::ended(arguments, child.wait_with_output().unwrap())
    }

    fn spawn(&self, arguments: &[&str], stdin: Stdio) -> Child {
        let mut command = self.place.command(arguments);
        command.stdin(stdin).stdout(Stdio::piped());
        command.stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// A column of a CSV result.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let at = reader.headers().unwrap().iter().position(|n| n == name);
    let at = at.unwrap_or_else(|| panic!("no column {name}: {csv}"));
    let records = reader.records();
    records.map(|row| row.unwrap()[at].to_owned()).collect()
}

#[test]
fn csv_is_read_as_spreadsheets_write_it() {
    let shop = Shop::new();
    for text in [
        "id,amount,currency\nA-1,5,EMT\nA-2,6,EMT\n",
        "Currency;Note;ORDER_ID;Amount\r\nEMT;x;A-1;5.00\r\nEMT;\"a;b\";A-2;6\r\n",
        "\u{feff}transactionKey\tamount\tcurrency\nA-1\t5\tEMT\n\nA-2\t6\tEMT",
        "\u{feff}\"payment\",\"amount\",\"currency\"\n\"A-1\",\"5\",\"EMT\"\n\"A-2\",\"6\",\"EMT\"\n,,\n",
        " id , amount , currency \nA-1, 5 , EMT\nA-2, 6 , EMT\n",
    ] {
        let ran = shop.check(text, &["--json"]);
        let objects = ran.objects();
        let verdicts: Vec<_> = objects
            .iter()
            .map(|object| (object["id"].clone(), object["verdict"].clone()))
            .collect();
        assert_eq!(
            verdicts,
            [(json!("A-1"), json!("paid")), (json!("A-2"), json!("less"))],
            "{text:?}: {ran:?}"
        );
        assert_eq!(ran.code, 1, "{ran:?}");
    }
}

#[test]
fn each_row_is_an_object_with_its_line() {
    let ran = Shop::new().check("id,amount,currency\nA-1,5,EMT\nNOPE,1,EMT\n", &["--json"]);
    let objects = ran.objects();
    let keys: Vec<&String> = objects[0].as_object().unwrap().keys().collect();
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
            "line"
        ]
    );
    assert_eq!(objects[0]["line"], 2);
    let error: Vec<&String> = objects[1].as_object().unwrap().keys().collect();
    assert_eq!(error, ["schema", "account", "id", "line", "error"]);
    assert_eq!(objects[1]["error"]["kind"], "not_found");
    assert_eq!(ran.code, 4);
}

#[test]
fn bad_rows_are_reported_with_their_line_and_the_others_are_checked() {
    let long = "x".repeat(257);
    let bad: Vec<(Vec<u8>, &str)> = vec![
        (b",5,EMT".into(), "empty"),
        (b"B,1.5.0,EMT".into(), "not an amount"),
        (b"B,\"1,5\",EMT".into(), "comma"),
        ("B,\"1\u{a0}000,50\",EMT".into(), "decimals after a point"),
        (b"B,-1,EMT".into(), "negative"),
        (b"B,0,EMT".into(), "zero"),
        (b"B,,EMT".into(), "no amount"),
        (b"B,5,".into(), "no currency"),
        (b"B,5,E MT".into(), "currency code"),
        (b"B,5".into(), "2 fields"),
        (b"B,5,EMT,".into(), "4 fields"),
        (format!("{long},5,EMT").into(), "257 characters"),
        (b"B\x1b[2J,5,EMT".into(), "U+001B"),
        (b"B\xff,5,EMT".into(), "UTF-8"),
        (b"B,5,\"EMT\" x".into(), "quotation mark"),
    ];
    let shop = Shop::new();
    let mut text = b"id,amount,currency\nFIRST,5,EMT\n".to_vec();
    for (row, _) in &bad {
        text.extend([&row[..], b"\n"].concat());
    }
    text.extend(b"LAST,5,EMT\n");
    let ran = shop.check(&text, &["--json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let objects = ran.objects();
    assert_eq!(objects.len(), bad.len() + 2);
    for (at, (row, why)) in bad.iter().enumerate() {
        let object = &objects[at + 1];
        let message = object["error"]["message"].as_str().unwrap();
        assert_eq!(object["line"], at + 3, "{object}");
        assert!(
            message.contains(why),
            "{}: {message}",
            String::from_utf8_lossy(row)
        );
    }
    assert_eq!(asked(&shop.peer), ["FIRST", "LAST"]);
    assert!(
        ran.err.contains("2 payments: 2 paid, 15 bad rows"),
        "{}",
        ran.err
    );
    let ran = shop.check(format!("id\n{}\n", "x".repeat(1_000_000)), &[]);
    assert!(ran.code == 2 && ran.out.len() < 1000, "{}", ran.out.len());
}

#[test]
fn a_quotation_mark_that_is_left_open_loses_no_row_without_a_word() {
    let shop = Shop::new();
    let ran = shop.check("id,note\nA-1,\"oh\nA-2,x\nA-3,y\n", &["--json"]);
    let object = ran.object();
    let message = object["error"]["message"].as_str().unwrap();
    assert!(
        ran.code == 2 && message.contains("lines 2 to 4 were read as one row"),
        "{ran:?}"
    );
    let ran = shop.check("id,note\nA-1,\"oh\nA-2,\"x\"\nA-3,y\n", &["--json"]);
    let objects = ran.objects();
    assert!(ran.code == 2 && objects.len() == 2, "{ran:?}");
    assert_eq!(objects[1]["id"], "A-3");
}

#[test]
fn a_list_that_is_none_is_refused_with_the_way_out() {
    let shop = Shop::new();
    for (text, said) in [
        (&b""[..], "write the column names in the first line"),
        (b"id,amount,currency\n\n", "the list is empty"),
        (
            b"A-1,5,EMT\n",
            "has no column `id`; its first line names `A-1`, `5`, `EMT`",
        ),
        (
            b"oder_id,amount,currency\nA,5,EMT\n",
            "did you mean `order_id`?",
        ),
        (b"id,amount,curency\nA,5,EMT\n", "did you mean `currency`?"),
        (b"id,amount\nA,5\n", "no column `currency`"),
        (b"id,ID\nA,B\n", "two columns named `id`"),
        (b"\xff\xfei\0d\0", "is not UTF-8 text"),
        (b"id,\xe9\nA,B\n", "is not UTF-8 text"),
        (
            b"id,verdict,expected_amount,amount,currency\nA,paid,9,1,EMT\n",
            "is a result of tilldeck",
        ),
    ] {
        let ran = shop.check(text, &[]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(said), "{said}: {ran:?}");
    }
    let folder = shop.place.path().to_str().unwrap();
    let ran = shop.place.run(&["check", "--from", folder]);
    assert!(
        ran.code == 2 && ran.err.contains("is a directory"),
        "{ran:?}"
    );
    let ran = shop
        .place
        .run(&["check", "--from", "/no/such.csv", "--json"]);
    assert!(ran.code == 2 && ran.out.contains("cannot read"), "{ran:?}");
    let ran = shop.place.run(&["check", "--from", "/dev/zero"]);
    assert!(
        ran.code == 2 && ran.err.contains("not UTF-8 text"),
        "{ran:?}"
    );
    let ran = shop.piped(&["check", "-"], "id,amount,currency\nA,5,EMT\n");
    assert!(
        ran.code == 2 && ran.err.contains("pass `--from -`"),
        "{ran:?}"
    );
    let nowhere = shop.place.path().join("no/state.csv");
    let ran = shop.check("id\nA\n", &["--resume", nowhere.to_str().unwrap()]);
    assert!(
        ran.code == 2 && ran.err.contains("create its folder"),
        "{ran:?}"
    );
    let ran = shop.piped(&["check", "-"], "\n\n");
    assert!(
        ran.code == 2 && ran.err.contains("the list is empty"),
        "{ran:?}"
    );
    assert!(shop.peer.requests().is_empty());
}

#[test]
fn ids_come_from_standard_input_one_a_line() {
    let shop = Shop::new();
    let ran = shop.piped(
        &["check", "-", "--json"],
        "\u{feff}A-1\r\n\n  \nłódź 2\nA-3",
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(asked(&shop.peer), ["A-1", "łódź 2", "A-3"]);
    let lines: Vec<_> = ran
        .objects()
        .iter()
        .map(|row| row["line"].clone())
        .collect();
    assert_eq!(lines, [1, 4, 5]);
    let sum = ["--amount", "5", "--currency", "EMT", "--expect", "PAID"];
    let ran = shop.piped(&[&["check", "-"], &sum[..]].concat(), "A-1\n");
    assert!(
        ran.code == 0 && ran.out.contains("FINALIZED, paid"),
        "{ran:?}"
    );
    let ran = shop.piped(
        &["check", "--from", "-"],
        "id,amount,currency\nA-1,5,EMT\nA-2,5",
    );
    assert!(
        ran.code == 2
            && ran
                .out
                .contains("line 3: the row has 2 fields; the header has 3"),
        "{ran:?}"
    );
}

#[test]
fn a_line_that_may_have_several_ids_is_none() {
    let shop = Shop::new();
    for line in ["1001, 1002", "1001; 1002", "A-1, 25"] {
        let ran = shop.piped(&["check", "-"], format!("{line}\nA-1\n"));
        let why = "line 1: the line may have several ids: write one id per line";
        assert!(ran.code == 2 && ran.out.contains(why), "{ran:?}");
    }
    assert_eq!(asked(&shop.peer), ["A-1"; 3]);
}

#[test]
fn a_folder_that_takes_no_copy_is_named() {
    let mut shop = Shop::new();
    let folder = ("TMPDIR".to_owned(), "/nonexistent".into());
    shop.place.variables.push(folder);
    for ran in [
        shop.check("id\nA\n", &[]),
        shop.piped(&["check", "-"], "A\n"),
    ] {
        assert!(
            ran.code == 2 && ran.err.contains("to the folder /nonexistent: No such file"),
            "{ran:?}"
        );
    }
}

#[test]
fn an_id_that_stands_twice_is_checked_once_or_not_at_all() {
    let shop = Shop::new();
    let ran = shop.check(
        "id,amount,currency\nA,5,EMT\nB,5,EMT\nA,5.0,EMT\nB,6,EMT\nC,5,EMT\n",
        &["--json"],
    );
    assert_eq!(asked(&shop.peer), ["A", "C"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let objects = ran.objects();
    assert_eq!(objects.len(), 4, "{ran:?}");
    for at in [1, 2] {
        let message = objects[at]["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("lines 3 and 5 have the same payment id but different amounts"),
            "{message}"
        );
    }
    assert!(
        ran.err
            .contains("line 4 repeats line 2 (payment A); it is checked once"),
        "{ran:?}"
    );
}

#[test]
fn an_id_that_stands_twice_is_noticed_whatever_ends_a_line() {
    let shop = Shop::new();
    let list = "id,amount,currency\rA,5,EMT\rA,6,EMT\r";
    let ran = shop.check(list, &["--json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(asked(&shop.peer).is_empty(), "{ran:?}");
    assert!(
        ran.out
            .contains("lines 2 and 3 have the same payment id but different amounts"),
        "{ran:?}"
    );
}

#[test]
fn a_result_is_csv_with_the_lists_further_columns_behind() {
    let shop = Shop::new();
    let text = "name,id,amount,currency,=2+2\n\"Zoë, \"\"Z\"\"\",A,6,EMT,=1\nBob,NOPE,5,EMT,-\nEve,B,5,,x\n";
    let ran = shop.check(text, &["--csv"]);
    let header = "id,account,state,verdict,paid,final,amount,currency,expected_amount,expected_currency,difference,\
                  checked_at,error,profile,name,=2+2\n";
    assert!(ran.out.starts_with(header), "{ran:?}");
    let of = |name: &str| column(&ran.out, name);
    assert_eq!(of("id"), ["A", "NOPE", "B"]);
    assert_eq!(of("verdict"), ["less", "not_found", "unknown"]);
    assert_eq!(of("paid"), ["false", "", ""]);
    assert_eq!(of("difference"), ["-1.00", "", ""]);
    assert_eq!(of("expected_amount"), ["6", "5", ""]);
    assert_eq!(of("name"), ["Zoë, \"Z\"", "Bob", "Eve"]);
    assert_eq!(of("=2+2"), ["=1", "-", "x"], "data stays as it is");
    assert!(of("error")[2].contains("no currency"), "{ran:?}");
}

#[test]
fn columns_that_are_called_like_those_of_a_result_are_told_apart() {
    let shop = Shop::new();
    let ran = shop.check(
        "id,Paid,error,note,amount,currency,list_error\nA-1,yes,none,x,5,EMT,y\n",
        &["--csv"],
    );
    for (name, value) in [
        ("paid", "true"),
        ("error", ""),
        ("list_Paid", "yes"),
        ("list_list_error", "none"),
        ("list_error", "y"),
        ("note", "x"),
    ] {
        assert_eq!(column(&ran.out, name), [value], "{name}");
    }
}

#[test]
fn the_summary_names_what_is_missing_apart_from_what_is_too_much() {
    let shop = Shop::new();
    let ran = shop.check(
        "id,amount,currency\nA-1,7.25,EMT\nA-2,1,EMT\nA-3,6,EMT\nA-4,,\n",
        &[],
    );
    for said in [
        "EMT: expected 14.25, received 20.00, difference +5.75",
        "EMT: 5.00 of this had no expected amount",
        "EMT: -3.25 in 2 underpaid payments",
    ] {
        assert!(ran.err.contains(said), "{said}: {ran:?}");
    }
    assert!(!ran.err.contains("no column"), "{ran:?}");
    let ran = shop.check("id\nA-1\n", &[]);
    assert!(ran.err.contains("no column `amount`"), "{ran:?}");
    let ran = shop.piped(&["check", "-"], "A-1\n");
    assert!(!ran.err.contains("column"), "{ran:?}");
}

#[test]
fn the_summary_counts_and_sums_exactly() {
    let shop = Shop::new();
    let text = "id,amount,currency\nA,5,EMT\nB,5.000000000000000001,EMT\nC,3,oPLN\nOPEN,1,EMT\nNOPE,2,EMT\nD,,\n";
    let ran = shop.check(text, &["--json"]);
    for line in [
        "6 payments: 1 less, 1 other currency, 1 not compared, 1 open, 1 paid, 1 not found",
        "EMT: expected 13.000000000000000001, received 20.00, difference +6.999999999999999999",
        "oPLN: expected 3, received 0, difference -3",
        "3 payments not as expected",
    ] {
        assert!(ran.err.contains(line), "{line}: {}", ran.err);
    }
}

#[test]
fn a_row_without_a_sum_is_compared_with_the_ledger() {
    let shop = Shop::new();
    let expect = [
        "payments",
        "expect",
        "A",
        "--amount",
        "9",
        "--currency",
        "EMT",
    ];
    assert_eq!(shop.place.run(&expect).code, 0);
    let ran = shop.check("id,amount,currency\nA,,\n", &["--json"]);
    assert_eq!((ran.code, &ran.object()["verdict"]), (1, &json!("less")));
    let ran = shop.check("id,amount,currency\nA,5,EMT\n", &["--json"]);
    assert_eq!(ran.object()["verdict"], "paid");
    assert!(
        ran.err
            .contains("first: line 2, payment A: saved 9 EMT (set by a command), list 5 EMT"),
        "{ran:?}"
    );
}

#[test]
fn refused_credentials_end_the_run_at_once() {
    let shop = Shop::choosing(|_, _| ok(r#"{"result":"fail","code":9000}"#));
    let ran = shop.check("id\nA\nB\nC\nD\n", &["--csv"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(
        asked(&shop.peer),
        ["A", "A"],
        "once more with a fresh nonce"
    );
    assert_eq!(column(&ran.out, "verdict"), ["unknown"; 4]);
    assert!(ran.err.contains("4 unknown"), "{ran:?}");
}

#[test]
fn three_failures_in_a_row_end_the_run() {
    let shop = Shop::choosing(failing_at_bad);
    let text = "id\nBAD-1\nBAD-2\nGOOD-1\nBAD-3\nBAD-4\nBAD-5\nGOOD-2\nGOOD-3\n";
    let ran = shop.check(text, &["--csv"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    let mut ids = asked(&shop.peer);
    ids.dedup();
    assert_eq!(ids, ["BAD-1", "BAD-2", "GOOD-1", "BAD-3", "BAD-4", "BAD-5"]);
    let unknown = column(&ran.out, "verdict");
    assert_eq!(unknown.iter().filter(|word| *word == "unknown").count(), 7);
    assert!(ran.err.contains("stopped:"), "{ran:?}");
    let ran = shop.check(text, &["--json"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    let objects = ran.objects();
    assert_eq!(objects.len(), 9, "eight rows and why no more: {ran:?}");
    let last = objects[8].as_object().unwrap();
    assert_eq!(last.keys().collect::<Vec<_>>(), ["schema", "error"]);
    assert_eq!(last["error"]["kind"], "provider_failing", "{ran:?}");
    let message = last["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("stopped: "), "{ran:?}");
    assert!(!ran.err.contains("error:"), "{ran:?}");
}

/// Fails at payments whose id begins with BAD.
fn failing_at_bad(_: usize, seen: &Seen) -> Act {
    if seen.body.contains("BAD") {
        reply("500 Internal Server Error", "", "")
    } else {
        by_id(seen)
    }
}

#[test]
fn payments_that_the_provider_fails_at_are_asked_last_in_the_next_run() {
    let shop = Shop::choosing(failing_at_bad);
    let state = shop.place.path().join("state.csv");
    let resume = ["--csv", "--resume", state.to_str().unwrap()];
    let text = "id\nBAD-1\nBAD-2\nBAD-3\nGOOD-1\nGOOD-2\n";
    let newly_asked = || {
        let before = shop.peer.requests().len();
        let ran = shop.check(text, &resume);
        let mut ids = asked(&shop.peer)[before..].to_vec();
        ids.dedup();
        (ids, ran)
    };
    let (ids, ran) = newly_asked();
    assert_eq!(ids, ["BAD-1", "BAD-2", "BAD-3"], "{ran:?}");
    let (ids, ran) = newly_asked();
    assert_eq!(
        ids,
        ["GOOD-1", "GOOD-2", "BAD-1", "BAD-2", "BAD-3"],
        "{ran:?}"
    );
    assert_eq!(
        column(&ran.out, "verdict")[..2],
        ["not_compared"; 2],
        "{ran:?}"
    );
    assert!(
        ran.err.contains("5 payments: 2 not compared, 3 unknown"),
        "{ran:?}"
    );
}

#[test]
fn answers_without_sense_stop_no_run() {
    let shop = Shop::choosing(|_, seen| match by_id(seen) {
        _ if seen.body.contains("BAD") => ok("[]"),
        act => act,
    });
    let ran = shop.check("id\nBAD-1\nBAD-2\nBAD-3\nBAD-4\nGOOD\n", &["--csv"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert_eq!(column(&ran.out, "verdict")[4], "not_compared", "{ran:?}");
}

#[test]
fn what_to_do_about_a_row_is_said_once_as_for_one_payment() {
    let shop = Shop::new();
    let one = shop.place.run(&["check", "NOPE"]).err;
    let (_, hint) = one.split_once(" hint: ").expect(&one);
    let hint = hint.trim_end();
    let list = "id,amount,currency\nA-1,5,EMT\nNOPE,5,EMT\nNOPE,5,EMT\nOPEN NOPE,x,EMT\n";
    for more in [&[][..], &["--csv"]] {
        let ran = shop.check(list, more);
        assert_eq!(ran.err.matches(hint).count(), 1, "{more:?}: {ran:?}");
        assert!(ran.err.contains(" hint: correct the row"), "{ran:?}");
    }
    let as_json = shop.check(list, &["--json"]);
    assert!(!as_json.err.contains(hint), "{as_json:?}");
    assert!(as_json.out.contains("\"hint\":"), "{as_json:?}");
}

#[test]
fn the_first_error_decides_the_exit_of_a_run_that_stops() {
    let shop = Shop::choosing(|_, seen| match by_id(seen) {
        _ if seen.body.contains("BAD") => ok(r#"{"result":"fail","code":9000}"#),
        act => act,
    });
    let ran = shop.check("id\nNOPE\nBAD\nC\n", &["--csv"]);
    assert!(ran.code == 4 && ran.err.contains("stopped:"), "{ran:?}");
    let ran = shop.check("id\nBAD\nNOPE\n", &["--csv"]);
    assert_eq!(ran.code, 3, "{ran:?}");
}

#[test]
fn a_state_is_compared_without_the_sum_of_the_ledger() {
    let shop = Shop::new();
    let expect = [
        "payments",
        "expect",
        "A",
        "--amount",
        "9",
        "--currency",
        "EMT",
    ];
    assert_eq!(shop.place.run(&expect).code, 0);
    let (ledger, own) = ("id\nA\n", "id,amount,currency\nA,9,EMT\n");
    for (text, goal, code) in [
        (ledger, "FINALIZED", 0),
        (ledger, "PAID", 1),
        (own, "FINALIZED", 1),
    ] {
        let ran = shop.check(text, &["--expect", goal]);
        assert_eq!(ran.code, code, "{text} {goal}: {ran:?}");
        assert!(ran.out.contains("expected 9 EMT"), "{ran:?}");
        let warned = ran
            .err
            .contains("the saved expected amount differs for 1 payment;");
        assert_eq!(warned, code == 0, "{ran:?}");
    }
}

#[test]
fn a_used_up_budget_is_exit_6_with_no_wait() {
    let shop = Shop::new();
    let config = std::fs::read_to_string(shop.place.config_path()).unwrap();
    let limit = "budget = { requests = 3, period = \"60s\" }\n";
    std::fs::write(shop.place.config_path(), config + limit).unwrap();
    let ran = shop.check("id\nA\nB\nC\nD\nE\n", &["--no-wait", "--json"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    let objects = ran.objects();
    assert_eq!(objects.len(), 6, "five rows and why no more: {ran:?}");
    assert_eq!(objects[0]["state"], "FINALIZED");
    assert_eq!(objects[4]["id"], "E");
    for error in &objects[4..] {
        assert_eq!(error["error"]["kind"], "budget_exhausted");
    }
    assert!(shop.peer.requests().len() <= 3);
}

#[test]
fn a_full_disk_ends_the_run_with_one_line() {
    let shop = Shop::new();
    let path = shop.file("list.csv", "id\nA\nB\nC\n");
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let from = ["check", "--csv", "--from", path.to_str().unwrap()];
    let ran = Ran::of(shop.place.command(&from).stdout(full));
    assert_eq!((ran.code, ran.err.lines().count()), (2, 1), "{ran:?}");
}

const ROWS: &str =
    "note,id,amount,currency\na,A,5,EMT\nb,B,6,EMT\nc,C,5,EMT\nd,NOPE,5,EMT\ne,OPEN,5,EMT\n";

#[test]
fn a_killed_run_goes_on_with_the_row_in_flight() {
    // The third request is never answered.
    let shop = Shop::choosing(|number, seen| match number {
        2 => Act::Silence,
        _ => by_id(seen),
    });
    let path = shop.file("list.csv", ROWS);
    let state = shop.place.path().join("state.csv");
    let arguments = [
        "check",
        "--csv",
        "--from",
        path.to_str().unwrap(),
        "--resume",
        state.to_str().unwrap(),
    ];
    let mut child = shop.spawn(&arguments, Stdio::null());
    shop.peer.wait_for("three requests", |seen| seen.len() == 3);
    child.kill().unwrap();
    child.wait().unwrap();
    let saved = std::fs::read_to_string(&state).unwrap();
    assert_eq!(column(&saved, "id"), ["A", "B"]);
    assert_eq!(column(&saved, "note"), ["a", "b"]);
    // Killed while it wrote a row.
    std::fs::write(&state, format!("{saved}C,shop,FINALIZED,pa")).unwrap();
    let ran = shop.place.run(&arguments);
    assert_eq!(asked(&shop.peer)[3..], ["C", "NOPE", "OPEN"], "{ran:?}");
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(column(&ran.out, "id"), ["A", "B", "C", "NOPE", "OPEN"]);
    assert!(ran.err.contains("2 results taken"), "{ran:?}");
    assert!(
        ran.err
            .contains("5 payments: 1 less, 1 open, 2 paid, 1 not found"),
        "{ran:?}"
    );
    let saved = std::fs::read_to_string(&state).unwrap();
    assert_eq!(saved, ran.out, "the same format");
    let again = shop.place.run(&arguments);
    assert_eq!(shop.peer.requests().len(), 6, "nothing is asked again");
    assert_eq!((again.code, again.out), (4, ran.out));
}

#[test]
fn saved_answers_are_judged_again_and_asked_again_where_they_do_not_hold() {
    let shop = Shop::new();
    let result = shop.check(ROWS, &["--csv"]);
    let state = shop.place.path().join("state.csv");
    let resume = ["--csv", "--resume", state.to_str().unwrap()];
    let before = shop.peer.requests().len();
    let newly_asked = |text: &str, list: &str| {
        std::fs::write(&state, text).unwrap();
        let before = shop.peer.requests().len();
        let ran = shop.check(list, &resume);
        (asked(&shop.peer)[before..].to_vec(), ran)
    };
    assert_eq!(before, 5);
    let (ids, _) = newly_asked(&result.out, ROWS);
    assert!(ids.is_empty(), "made by an earlier --csv: {ids:?}");
    let forged = result.out.replace(",less,false,", ",paid,true,");
    let (ids, ran) = newly_asked(&forged, ROWS);
    assert!(ids.is_empty(), "{ids:?}");
    assert_eq!(column(&ran.out, "verdict")[1], "less", "never trusted");
    let (ids, _) = newly_asked(&result.out, &ROWS.replace("B,6,", "B,5,"));
    assert_eq!(ids, ["B"], "another sum is expected");
    let (ids, _) = newly_asked(&result.out.replace("B,shop,", "B,other,"), ROWS);
    assert_eq!(ids, ["B"], "another account answered");
    let date = &column(&result.out, "checked_at")[0][..10];
    let old = result.out.replace(date, "2020-01-01");
    let (ids, _) = newly_asked(&old, ROWS);
    assert_eq!(ids, ["NOPE", "OPEN"], "what may have changed since");
    let (ids, _) = newly_asked(&old.replacen("FINALIZED", "CANCELED", 1), ROWS);
    assert_eq!(ids, ["A", "NOPE", "OPEN"], "it may have been paid since");
}

#[test]
fn an_answer_of_another_profile_is_not_trusted() {
    let (shop, live) = (Shop::new(), Peer::choosing(|_, _| finalized("ACTIVE")));
    let config = std::fs::read_to_string(shop.place.config_path()).unwrap();
    let accounts = &config[config.find("[profiles").unwrap()..];
    let other = accounts.replace("profiles.live", "profiles.test");
    let other = other.replace(&shop.peer.url, &live.url);
    std::fs::write(shop.place.config_path(), config + &other).unwrap();
    let state = shop.place.path().join("state.csv");
    let resume = ["--csv", "--resume", state.to_str().unwrap()];
    let list = "id,amount,currency\nA,5,EMT\n";
    let ran = shop.check(list, &resume);
    assert_eq!(column(&ran.out, "profile"), ["live"], "{ran:?}");
    let ran = shop.check(list, &[&resume[..], &["--profile", "test"]].concat());
    assert_eq!(asked(&live), ["A"], "{ran:?}");
    assert_eq!(column(&ran.out, "verdict"), ["open"], "{ran:?}");
    let without = |text: &str| text.replace(",profile", "").replace(",live", "");
    let old = without(&std::fs::read_to_string(&state).unwrap());
    std::fs::write(&state, &old).unwrap();
    let ran = shop.check(list, &resume);
    assert!(
        ran.code == 2 && ran.err.contains("the column `profile` is missing"),
        "{ran:?}"
    );
    assert_eq!(std::fs::read_to_string(&state).unwrap(), old);
}

#[test]
fn what_an_earlier_host_of_the_account_said_is_not_trusted() {
    let (shop, real) = (Shop::new(), Peer::choosing(|_, _| finalized("ACTIVE")));
    let state = shop.place.path().join("state.csv");
    let resume = ["--csv", "--resume", state.to_str().unwrap()];
    let list = "id,amount,currency\nA,5,EMT\nB,5,EMT\n";
    assert_eq!(shop.place.run(&["payments", "add", "A"]).code, 0);
    let ran = shop.check(list, &resume);
    assert_eq!(column(&ran.out, "verdict")[0], "paid", "{ran:?}");
    let listed = || {
        let ran = shop.place.run(&["payments", "list", "--all", "--json"]);
        let rows = ran.objects().into_iter();
        let mut states: Vec<_> = rows
            .map(|row| format!("{} {} {}", row["id"], row["state"], row["paid"]))
            .collect();
        states.sort_unstable();
        states
    };
    let test = listed();
    assert!(test[0].contains("FINALIZED"), "{test:?}");
    let config = std::fs::read_to_string(shop.place.config_path()).unwrap();
    let moved = config.replace(&shop.peer.url, &real.url);
    std::fs::write(shop.place.config_path(), moved).unwrap();
    let unseen = ["\"A\" null null", "\"B\" null null"];
    assert_eq!(listed(), unseen);
    let ran = shop.check(list, &resume);
    assert_eq!(asked(&real), ["A", "B"], "{ran:?}");
    assert_eq!(column(&ran.out, "verdict"), ["open", "open"], "{ran:?}");
    std::fs::write(shop.place.config_path(), config).unwrap();
    assert_eq!(listed(), test);
}

#[test]
fn a_stray_quotation_mark_in_the_state_file_loses_no_row() {
    let shop = Shop::new();
    let result = shop.check(ROWS, &["--csv"]).out;
    let state = shop.place.path().join("state.csv");
    let resume = ["--csv", "--resume", state.to_str().unwrap()];
    let before = shop.peer.requests().len();
    let stray = result.replace("\nB,", "\n\"B,");
    for text in [stray.clone(), stray + "C,shop,FINAL"] {
        std::fs::write(&state, &text).unwrap();
        let ran = shop.check(ROWS, &resume);
        assert!(
            ran.code == 2 && ran.err.contains("lines 3 to ") && ran.err.contains("quotation mark"),
            "{ran:?}"
        );
        assert_eq!(std::fs::read_to_string(&state).unwrap(), text);
    }
    std::fs::write(&state, result.clone() + "X,\"sh").unwrap();
    assert_eq!(shop.check(ROWS, &resume).code, 4);
    assert_eq!(std::fs::read_to_string(&state).unwrap(), result);
    assert_eq!(shop.peer.requests().len(), before);
}

#[test]
fn a_row_is_saved_in_one_line_and_columns_of_one_name_keep_their_values() {
    let shop = Shop::new();
    let state = shop.place.path().join("state.csv");
    let resume = ["--csv", "--resume", state.to_str().unwrap()];
    let list = "note,id,note,a\nfirst,A,\"second\nline\",x\n";
    let ran = shop.check(list, &resume);
    assert!(ran.out.contains(",first,\"second\nline\",x\n"), "{ran:?}");
    let saved = std::fs::read_to_string(&state).unwrap();
    let mut lines = saved.lines();
    assert!(
        lines.next().unwrap().ends_with(",profile,note,note,a"),
        "{saved}"
    );
    assert!(
        lines.next().unwrap().ends_with(",live,first,second line,x"),
        "{saved}"
    );
    let ran = shop.check("a,note,id,note\ny,third,B,fourth\n", &resume);
    let saved = std::fs::read_to_string(&state).unwrap();
    assert!(
        saved.ends_with(",live,third,fourth,y\n"),
        "{saved}: {ran:?}"
    );
    // Another program has written a row of several lines, and not to its end.
    let torn = saved.clone() + "C,shop,FINALIZED,paid,true,true,5,EMT,,,,,,live,\"x\ny\"";
    std::fs::write(&state, torn).unwrap();
    shop.check(list, &resume);
    assert_eq!(std::fs::read_to_string(&state).unwrap(), saved);
}

#[test]
fn a_file_that_is_no_result_is_never_written_to() {
    let shop = Shop::new();
    let list = shop.file("list.csv", ROWS);
    let list = list.to_str().unwrap();
    let notes = shop.file("notes.csv", "my,notes\n1,2\n");
    let ran = shop
        .place
        .run(&["check", "--from", list, "--resume", notes.to_str().unwrap()]);
    assert!(
        ran.code == 2 && ran.err.contains("is not a result"),
        "{ran:?}"
    );
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "my,notes\n1,2\n");
    let text = shop.file("torn", "a word");
    let ran = shop
        .place
        .run(&["check", "--from", list, "--resume", text.to_str().unwrap()]);
    assert!(
        ran.code == 2 && ran.err.contains("is not a result"),
        "{ran:?}"
    );
    assert_eq!(std::fs::read_to_string(&text).unwrap(), "a word");
    let ran = shop.place.run(&["check", "--from", list, "--resume", list]);
    assert!(
        ran.code == 2 && ran.err.contains("it is the list to check"),
        "{ran:?}"
    );
    let ran = shop
        .place
        .run(&["check", "--from", list, "--resume", "/dev/full"]);
    assert!(
        ran.code == 2 && ran.err.contains("not a regular file"),
        "{ran:?}"
    );
    let out = shop.place.path().join("out.csv");
    let mut command = shop
        .place
        .command(&["check", "--csv", "--from", list, "--resume"]);
    let file = std::fs::File::create(&out).unwrap();
    let ran = Ran::of(command.arg(&out).stdout(file));
    assert!(
        ran.code == 2 && ran.err.contains("stdout is redirected"),
        "{ran:?}"
    );
    assert!(shop.peer.requests().is_empty());
}

/// Checks a list and interrupts that while the third row waits for its answer.
fn interrupted(more: &[&str]) -> Ran {
    let shop = Shop::choosing(|number, seen| match number {
        2 => Act::Silence,
        _ => by_id(seen),
    });
    let path = shop.file("list.csv", ROWS);
    let state = shop.place.path().join("state.csv");
    let from = ["check", "--from", path.to_str().unwrap(), "--resume"];
    let arguments = [&from[..], &[state.to_str().unwrap()], more].concat();
    let child = shop.spawn(&arguments, Stdio::null());
    shop.peer.wait_for("three requests", |seen| seen.len() == 3);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    Ran::ended(&arguments, child.wait_with_output().unwrap())
}

#[test]
fn an_interrupted_run_says_what_it_knows_and_how_to_go_on() {
    let ran = interrupted(&[]);
    assert_eq!(ran.code, 130, "{ran:?}");
    assert_eq!(ran.rows().lines().count(), 2, "{ran:?}");
    for said in [
        "2 payments: 1 less, 1 paid",
        "interrupted: 3 rows left",
        "run the same command again",
    ] {
        assert!(ran.err.contains(said), "{said}: {ran:?}");
    }
}

#[test]
fn an_interrupted_run_ends_in_an_error_object_with_json() {
    let ran = interrupted(&["--json"]);
    assert_eq!(ran.code, 130, "{ran:?}");
    let objects = ran.objects();
    assert_eq!(objects.len(), 3, "{ran:?}");
    let error = json!({
        "kind": "interrupted",
        "message": "interrupted: 3 rows left",
        "hint": "run the same command again to continue",
    });
    assert_eq!(objects[2], json!({ "schema": 1, "error": error }));
    assert!(ran.err.contains("2 payments: 1 less, 1 paid"), "{ran:?}");
    assert!(!ran.err.contains("error:"), "{ran:?}");
}

#[test]
fn ctrl_c_is_not_lost_before_the_first_row() {
    let shop = Shop::new();
    let list = shop.file("list.csv", ROWS);
    let state = shop.place.path().join("state.csv");
    // A pipe that takes no more holds the run at its first line.
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(b"x").is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let mut command = shop.place.command(&["check", "--csv", "--from"]);
    command.arg(&list).arg("--resume").arg(&state);
    command.stdout(writer).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    // Its header is saved before the first line is printed.
    while std::fs::metadata(&state).map_or(0, |about| about.len()) == 0 {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    std::io::Read::read_to_end(&mut reader, &mut Vec::new()).unwrap();
    let ran = Ran::ended(
        &["check", "--csv", "--from"],
        child.wait_with_output().unwrap(),
    );
    assert!(
        ran.code == 130 && ran.err.contains("interrupted"),
        "{ran:?}"
    );
}

#[test]
fn a_list_goes_on_without_a_reader_and_keeps_its_verdict() {
    let shop = Shop::new();
    let path = shop.file("list.csv", ROWS);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let from = ["check", "--from", path.to_str().unwrap()];
    let ran = Ran::of(shop.place.command(&from).stdout(writer));
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(shop.peer.requests().len(), 5);
}

#[test]
fn rows_are_whole_while_a_terminal_shows_the_progress() {
    let shop = Shop::choosing(|number, seen| match number {
        2 => Act::Silence,
        _ => by_id(seen),
    });
    let path = shop.file("list.csv", ROWS);
    let command = shop.place.command(&[
        "check",
        "--color",
        "never",
        "--from",
        path.to_str().unwrap(),
    ]);
    let mut terminal = Terminal::start(&command, (110, 20));
    terminal.sees(" 2/5, ");
    terminal.wait_for("two rows and the bar below", |screen| {
        let rows: Vec<String> = screen.rows(0, 110).collect();
        rows[1].starts_with("✔  FINALIZED, paid")
            && rows[2].starts_with("!  FINALIZED, less than expected")
            && rows[3].contains(" 2/5, ")
    });
    terminal.send("\u{3}");
    terminal.sees("interrupted: 3 rows left");
    assert_eq!(terminal.ended(), 130);
}
