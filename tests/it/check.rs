//! `check` of single payments: what counts as paid, and output that cannot fail without a word.

use std::io::Read as _;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tilldeck::clock::Clock;

use crate::peer::{Act, Peer, json as ok, reply};
use crate::program::{Place, Ran};

pub fn answer(state: &str, amount: &str, currency: &str) -> Act {
    ok(&format!(
        r#"{{"result":"ok","currency":"{currency}","amount":"{amount}","state":"{state}"}}"#
    ))
}

/// A place with one shop whose provider always answers this.
fn shop(act: Act) -> (Place, Peer) {
    let peer = Peer::start(vec![act]);
    (Place::with_shop(&peer.url), peer)
}

const LINK: [&str; 7] = [
    "link",
    "--id",
    "A-17",
    "--amount",
    "249.00",
    "--currency",
    "oPLN",
];

#[test]
fn an_under_paid_order_that_the_ledger_knows_is_not_paid_without_any_flag() {
    let (place, _peer) = shop(answer("FINALIZED", "1.00", "oPLN"));
    assert_eq!(place.run(&LINK).code, 0);
    let ran = place.run(&["check", "A-17", "--json"]);
    let object = ran.object();
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(
        (&object["verdict"], &object["paid"]),
        (&json!("less"), &json!(false))
    );
    assert_eq!(
        (&object["expected_amount"], &object["expected_currency"]),
        (&json!("249.00"), &json!("oPLN"))
    );
    let words = place.run(&["check", "A-17"]);
    assert!(
        words.rows().starts_with('!') && words.out.contains("FINALIZED, less than expected"),
        "{words:?}"
    );
    assert!(words.out.contains("expected 249.00 oPLN"), "{words:?}");
    assert!(
        words.err.contains("expected amount 249.00, found 1.00"),
        "{words:?}"
    );
}

// docs/providers/kanga.md#money
#[test]
fn a_currency_in_other_letters_is_another_one_and_the_message_says_so() {
    let (place, _peer) = shop(answer("FINALIZED", "5", "EMT"));
    let ran = place.run(&["check", "A", "--amount", "5", "--currency", "emt"]);
    assert!(
        ran.code == 1
            && ran
                .err
                .contains("expected currency emt, found EMT; currencies are case-sensitive"),
        "{ran:?}"
    );
}

#[test]
fn flags_win_over_the_ledger_with_a_warning() {
    let (place, _peer) = shop(answer("FINALIZED", "1.00", "oPLN"));
    place.run(&LINK);
    let ran = place.run(&["check", "A-17", "--amount", "1", "--currency", "oPLN"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.err
            .contains("the saved expected amount is 249.00 oPLN (set by a payment link)"),
        "{ran:?}"
    );
    assert!(ran.out.contains("FINALIZED, paid"), "{ran:?}");
}

#[test]
fn a_link_watches_its_payment_and_refuses_another_sum() {
    let (place, _peer) = shop(answer("ACTIVE", "249.00", "oPLN"));
    let made = place.run(&[&LINK[..], &["--json"]].concat()).object();
    assert_eq!(
        (
            &made["expected_amount"],
            &made["expected_currency"],
            &made["watched"]
        ),
        (&json!("249.00"), &json!("oPLN"), &json!(true))
    );
    let other = [
        "link",
        "--id",
        "A-17",
        "--amount",
        "1",
        "--currency",
        "oPLN",
    ];
    let refused = place.run(&other);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused
            .err
            .contains("expects 249.00 oPLN (set by a payment link)")
            && refused.err.contains("--replace-expectation"),
        "{refused:?}"
    );
    let replaced = place.run(&[&other[..], &["--replace-expectation"]].concat());
    assert_eq!(replaced.code, 0, "{replaced:?}");
    let unwatched = [
        "link",
        "--id",
        "B-18",
        "--amount",
        "1",
        "--currency",
        "oPLN",
        "--no-watch",
        "--json",
    ];
    assert_eq!(place.run(&unwatched).object()["watched"], json!(false));
    let listed = place.run(&["payments", "list", "--json"]).objects();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["expected_amount"], "1");
}

#[test]
fn a_link_to_a_final_payment_is_refused() {
    let (place, _peer) = shop(answer("CANCELED", "249.00", "oPLN"));
    place.run(&["check", "A-17"]);
    let ran = place.run(&LINK);
    assert!(ran.code == 2 && ran.err.contains("use a new id"), "{ran:?}");
}

#[test]
fn a_failed_expectation_never_begins_with_the_sign_of_success() {
    let (place, _peer) = shop(answer("FINALIZED", "5", "EMT"));
    let sum = ["--amount", "5", "--currency", "EMT"];
    let ran = place.run(&[&["check", "A"], &sum[..]].concat());
    assert!(ran.code == 0 && ran.rows().starts_with('✔'), "{ran:?}");
    let ran = place.run(&[&["check", "A", "--expect", "ACTIVE"], &sum[..]].concat());
    assert!(ran.code == 1 && ran.rows().starts_with('!'), "{ran:?}");
    let ran = place.run(
        &[
            &["check", "A", "--expect", "ACTIVE", "--color", "always"],
            &sum[..],
        ]
        .concat(),
    );
    assert!(
        ran.rows().starts_with("\u{1b}[33m!"),
        "a warning, not green: {ran:?}"
    );
}

// docs/providers/kanga.md#states, docs/providers/kanga.md#payment-page
#[test]
fn paid_is_finalized_with_the_expected_sum() {
    let cases = [
        ("FINALIZED", Some("5"), 0, ""),
        (
            "FINALIZED",
            Some("6"),
            1,
            "expected PAID, found FINALIZED, less than expected",
        ),
        ("FINALIZED", None, 1, "tilldeck payments expect"),
        (
            "CANCELED",
            Some("5"),
            1,
            "expected PAID, found CANCELED, not paid",
        ),
        (
            "ACTIVE",
            Some("5"),
            1,
            "expected PAID, found ACTIVE, not paid yet",
        ),
    ];
    for (state, amount, code, said) in cases {
        let (place, _peer) = shop(answer(state, "5.0", "EMT"));
        let sum = amount.map(|amount| ["--amount", amount, "--currency", "EMT"]);
        let sum = sum.as_ref().map_or(&[][..], |sum| &sum[..]);
        for flag in ["--expect", "--wait"] {
            if (flag, state) == ("--wait", "ACTIVE") {
                continue;
            }
            let ran = place.run(&[&["check", "A", flag, "paid"], sum].concat());
            assert_eq!(ran.code, code, "{state} {flag}: {ran:?}");
            assert!(ran.err.contains(said), "{state} {flag}: {ran:?}");
        }
    }
    let (place, _peer) = shop(answer("FINALIZED", "5.0", "EMT"));
    let state = place.run(&["check", "A", "--expect", "FINALIZED"]);
    assert_eq!(state.code, 0, "the state alone: {state:?}");
}

#[test]
fn a_state_is_compared_without_the_sum_of_the_ledger() {
    let (place, _peer) = shop(answer("FINALIZED", "1.00", "oPLN"));
    assert_eq!(place.run(&LINK).code, 0);
    for (flags, code) in [
        (&["--expect", "FINALIZED"][..], 0),
        (&["--expect", "ACTIVE"], 1),
        (&["--expect", "PAID"], 1),
        (&["--wait", "FINALIZED"], 1),
        (&[], 1),
        (
            &[
                "--expect",
                "FINALIZED",
                "--amount",
                "2",
                "--currency",
                "oPLN",
            ],
            1,
        ),
    ] {
        let ran = place.run(&[&["check", "A-17"], flags].concat());
        assert_eq!(ran.code, code, "{flags:?}: {ran:?}");
        assert!(ran.out.contains("less than expected"), "{ran:?}");
        let warned = ran.err.contains(
            "warning: payment A-17: expected amount 249.00, found 1.00; --expect compares the state only",
        );
        let state_only = matches!(flags, ["--expect", "FINALIZED" | "ACTIVE"]);
        assert_eq!(warned, state_only, "{flags:?}: {ran:?}");
    }
}

// docs/providers/kanga.md#money
#[test]
fn amounts_are_compared_whatever_their_notation_and_shown_as_received() {
    for (received, expected, verdict, code) in [
        (r#""1E+2""#, "100", "paid", 0),
        (r#""0E-8""#, "1", "less", 1),
        ("1.2e-7", "0.00000012", "paid", 0),
        (r#""+5""#, "5", "paid", 0),
        (r#""""#, "5", "unreadable_amount", 1),
        ("null", "5", "unreadable_amount", 1),
    ] {
        let (place, _peer) = shop(ok(&format!(
            r#"{{"result":"ok","currency":"EMT","amount":{received},"state":"FINALIZED"}}"#
        )));
        let sum = ["--amount", expected, "--currency", "EMT", "--json"];
        let ran = place.run(&[&["check", "A"], &sum[..]].concat());
        let object = ran.object();
        assert_eq!(object["verdict"], verdict, "{received}: {ran:?}");
        assert_eq!(ran.code, code, "{received}: {ran:?}");
        let text = received.trim_matches('"').replace("null", "");
        assert_eq!(object["amount"], text.as_str(), "as received");
    }
}

#[test]
fn an_answer_that_contradicts_itself_or_the_call_pays_no_order() {
    let sum = ["--amount", "5", "--currency", "EMT", "--json"];
    for (status, field, words) in [
        ("200 OK", r#""transactionKey":"17""#, ""),
        ("200 OK", r#""transactionKey":17"#, ""),
        ("200 OK", r#""transactionKey":"B""#, "another payment"),
        ("200 OK", r#""transactionKey":1234"#, "another payment"),
        ("200 OK", r#""code":null"#, ""),
        ("200 OK", r#""error":null"#, ""),
        ("200 OK", r#""code":9000"#, "`code`"),
        ("200 OK", r#""code":true"#, "`code`"),
        ("200 OK", r#""error":"maintenance""#, "`error`"),
        ("202 Accepted", r#""x":1"#, "status 202"),
        ("206 Partial Content", r#""x":1"#, "status 206"),
    ] {
        let body = format!(
            r#"{{"result":"ok",{field},"currency":"EMT","amount":"5","state":"FINALIZED"}}"#
        );
        let (place, _peer) = shop(reply(status, "", &body));
        let ran = place.run(&[&["check", "17"], &sum[..]].concat());
        let code = if words.is_empty() { 0 } else { 5 };
        assert_eq!(ran.code, code, "{status} {field} {ran:?}");
        assert!(ran.out.contains(words), "{status} {field} {ran:?}");
    }
}

#[test]
fn an_id_may_have_any_letters_and_is_never_cut() {
    let long = "ł".repeat(256);
    let (place, peer) = shop(answer("FINALIZED", "5", "EMT"));
    for id in ["ORDER-łódź ✓/1", "заказ №7", "注文-1", &long] {
        let ran = place.run(&["check", id]);
        assert!(ran.code == 0 && ran.out.contains(id), "{ran:?}");
        let body: Value = serde_json::from_str(&peer.requests().last().unwrap().body).unwrap();
        assert_eq!(body["id"], id);
        let object = place.run(&["check", id, "--json"]).object();
        assert_eq!(object["id"], id);
        let logged = place.run(&["log"]).out;
        assert!(logged.contains(id), "{logged}");
    }
    let link = ["--id", "заказ №7/ł", "--amount", "1", "--currency", "BTC"];
    let link = place.run(&[&["link"], &link[..]].concat());
    assert!(
        link.out
            .contains("transactionKey=%D0%B7%D0%B0%D0%BA%D0%B0%D0%B7%20%E2%84%967%2F%C5%82"),
        "{link:?}"
    );
    let dash = place.run(&["check", "--json", "--", "-17"]);
    assert_eq!(dash.object()["id"], "-17", "{dash:?}");
}

#[test]
fn hostile_text_in_json_is_escaped_and_complete() {
    let (place, _peer) = shop(answer("FINALIZED", "5", "EMT"));
    let ran = place.run(&["check", "A\u{202e}B\u{200b}\u{e0001}", "--json"]);
    assert!(
        ran.out.contains(r"A\u202eB\u200b\udb40\udc01"),
        "{}",
        ran.out.escape_debug()
    );
    assert_eq!(ran.object()["id"], "A\u{202e}B\u{200b}\u{e0001}");
}

#[test]
fn no_wait_is_exit_6_where_the_budget_is_used_up() {
    let peer = Peer::start(vec![answer("FINALIZED", "5", "EMT")]);
    let place = Place::with_shop(&peer.url);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let limit = "budget = { requests = 1, period = \"60s\" }\n";
    std::fs::write(place.config_path(), config + limit).unwrap();
    assert_eq!(place.run(&["check", "A"]).code, 0);
    let ran = place.run(&["check", "A", "--no-wait", "--json"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    assert_eq!(ran.object()["error"]["kind"], "budget_exhausted");
}

#[test]
fn a_wait_ends_in_time_whatever_its_requests_wait_for() {
    let answers = || Peer::start(vec![answer("ACTIVE", "5", "EMT")]);
    let silent = || Peer::start(vec![Act::Silence]);
    std::thread::scope(|scope| {
        for (peer, before) in [(answers(), &["check", "A"][..]), (silent(), &["budget"])] {
            scope.spawn(move || {
                let place = Place::with_shop(&peer.url);
                let config = std::fs::read_to_string(place.config_path()).unwrap();
                let limit = "budget = { requests = 1, period = \"60s\" }\n";
                std::fs::write(place.config_path(), config + limit).unwrap();
                assert_eq!(place.run(before).code, 0);
                let clock = Clock::system();
                let wait = ["--wait", "PAID", "--timeout", "10ms", "--json"];
                let ran = place.run(&[&["check", "A"], &wait[..]].concat());
                assert!(clock.now().mono < Duration::from_secs(15), "{ran:?}");
                assert_eq!(ran.code, 7, "{ran:?}");
                let error = ran.object()["error"].clone();
                assert_eq!(error["kind"], "timed_out");
                let message = error["message"].as_str().unwrap();
                assert!(message.ends_with("no response arrived"), "{message}");
            });
        }
    });
}

#[test]
fn a_wait_says_once_that_the_provider_accepts_no_requests() {
    let hold = reply("429 Too Many Requests", "Retry-After: 300\r\n", "");
    let (place, _peer) = shop(hold);
    let ran = place.run(&["check", "A", "--wait", "PAID", "--timeout", "1300ms"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    let said = ran.err.matches("payment A for PAID").count();
    assert_eq!(said, 1, "{ran:?}");
}

#[test]
fn a_full_disk_is_an_error_whatever_is_printed() {
    let (place, _peer) = shop(answer("FINALIZED", "5", "EMT"));
    for arguments in [
        &["check", "A"][..],
        &["check", "A", "--json"],
        &["check", "A", "--amount", "6", "--currency", "EMT"],
        &["account", "list"],
        &["man"],
        &["--help"],
        &["--version"],
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = place.command(arguments);
        let ran = Ran::of(command.stdout(full));
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert_eq!(
            ran.err.lines().count(),
            1,
            "one line: {arguments:?}: {ran:?}"
        );
        assert!(
            ran.err
                .starts_with("error: cannot write to stdout: No space left"),
            "{arguments:?}: {ran:?}"
        );
    }
}

#[test]
fn the_verdict_is_the_exit_code_even_without_a_reader() {
    let (place, _peer) = shop(answer("FINALIZED", "5", "EMT"));
    for (expect, code) in [("FINALIZED", 0), ("ACTIVE", 1)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = place.command(&["check", "A", "B", "--expect", expect]);
        let ran = Ran::of(command.stdout(writer));
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(!ran.err.contains("error"), "quiet: {ran:?}");
    }
}

#[test]
fn a_pipe_that_does_not_block_gets_all_of_the_output() {
    let place = Place::new();
    let whole = place.run(&["completions", "powershell"]).out;
    assert!(whole.len() > 65_536, "more than a pipe holds");
    let (mut reader, writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut command = place.command(&["completions", "powershell"]);
    let mut child = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(command);
    let mut read = String::new();
    reader.read_to_string(&mut read).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(read == whole, "{} of {} bytes", read.len(), whole.len());
}

#[test]
fn a_price_that_cannot_be_read_leaves_the_others() {
    let (place, _peer) = shop(ok(r#"{"oPLN":null,"BTC":"0.0015","EMT":"n/a"}"#));
    let object = place.run(&["estimate", "EMT", "3000", "--json"]).object();
    assert_eq!(
        object["prices"],
        json!({"BTC": "0.0015", "EMT": "n/a", "oPLN": null})
    );
    let words = place.run(&["estimate", "EMT", "3000"]);
    assert!(
        words.code == 0 && words.out.contains("0.0015") && words.out.contains("no readable price"),
        "{words:?}"
    );
    let swapped = place.run(&["estimate", "250", "EMT"]);
    assert_eq!(swapped.code, 2, "{swapped:?}");
    assert!(
        swapped.err.contains("did you mean `estimate EMT 250`?"),
        "{swapped:?}"
    );
}

#[test]
fn flags_for_lists_are_refused_for_single_payments() {
    let place = Place::new();
    for arguments in [
        &["check", "A", "--resume", "x.csv"][..],
        &["check", "A", "-"],
        &["check", "-", "--wait", "FINALIZED"],
        &["check", "A", "--from", "x.csv"],
        &["check", "--from", "x.csv", "--csv", "--json"],
        &["check"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
    }
}

/// A shop whose ledger loses its expected amounts while the provider answers.
fn forgetful() -> (Place, Peer) {
    let place = Place::new();
    let ledger = place.state().join("ledger.db");
    let peer = Peer::choosing(move |_, _| {
        let file = rusqlite::Connection::open(&ledger).unwrap();
        file.execute_batch("DROP TABLE IF EXISTS expectations")
            .unwrap();
        answer("FINALIZED", "249.00", "oPLN")
    });
    std::fs::copy(
        Place::with_shop(&peer.url).config_path(),
        place.config_path(),
    )
    .unwrap();
    (place, peer)
}

#[test]
fn a_payment_whose_saved_amount_cannot_be_read_fails_unless_only_its_state_was_expected() {
    for (more, code) in [
        (&[][..], 2),
        (&["--expect", "PAID"], 2),
        (&["--expect", "FINALIZED"], 0),
        (&["--amount", "249", "--currency", "oPLN"], 0),
    ] {
        let (place, _peer) = forgetful();
        let ran = place.run(&[&["check", "A-17", "--json"], more].concat());
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.err.contains("cannot read the watch list"), "{ran:?}");
    }
    let (place, _peer) = forgetful();
    let list = place.path().join("orders.csv");
    let results = place.path().join("results.csv");
    std::fs::write(&list, "id\nREAD\nUNREAD\n").unwrap();
    let [list, file] = [&list, &results].map(|path| path.to_str().unwrap());
    let ran = place.run(&["check", "--from", list, "--resume", file]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let saved = std::fs::read_to_string(&results).unwrap();
    assert!(
        saved.contains("\nREAD,") && !saved.contains("UNREAD"),
        "{saved}"
    );
}

#[test]
fn ids_after_rejected_credentials_are_not_checked_and_each_object_names_its_payment() {
    let (place, peer) = shop(ok(r#"{"result":"fail","code":9000}"#));
    let checked = ["check", "A", "B", "C"];
    let ran = place.run(&[&checked[..], &["--json"]].concat());
    assert_eq!(ran.code, 3, "{ran:?}");
    let objects = ran.objects();
    let ids: Vec<&Value> = objects.iter().map(|object| &object["id"]).collect();
    assert_eq!(ids, ["A", "B", "C"]);
    let sent = peer.requests().len();
    for (object, is_checked) in objects.iter().zip([true, false, false]) {
        let message = object["error"]["message"].as_str().unwrap();
        assert_eq!(
            message.starts_with("not checked: "),
            !is_checked,
            "{message}"
        );
    }
    let one = place.run(&["check", "A"]);
    assert_eq!(peer.requests().len(), 2 * sent, "{one:?}");
    let words = place.run(&checked);
    assert_eq!(words.code, 3, "{words:?}");
    assert_eq!(
        words.rows().matches("not checked: ").count(),
        2,
        "{words:?}"
    );
}
