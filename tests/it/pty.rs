//! The program in a terminal, as its user has it: opened, typed at, resized, stopped, killed.

use std::process::Command;
use std::time::Duration;

use portable_pty::PtySize;
use rustix::process::{Signal, kill_process, test_kill_process};

use crate::payer::Payer;
use crate::peer::{Peer, json};
use crate::program::Place;
use crate::terminal::{TITLE, Terminal, copied};

const FINALIZED: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"FINALIZED"}"#;
const PANES: [&str; 5] = [
    "1 Credentials",
    "2 Tokens",
    "3 Payments",
    "4 Estimates",
    "5 Requests",
];

/// The console on this place, up and ready.
fn console(place: &Place, size: (u16, u16)) -> Terminal {
    let terminal = Terminal::start(&place.command(&[]), size);
    terminal.sees("tilldeck ›");
    terminal.sees_no("starting…");
    terminal
}

#[test]
fn it_opens_on_the_sandbox_without_any_config_at_every_size() {
    let place = Place::new();
    let mut terminal = console(&place, (120, 40));
    for pane in PANES {
        terminal.sees(&format!("─ {pane} ─"));
    }
    terminal.sees("─ 7 Callbacks ─");
    terminal.sees("SIM");
    terminal.sees("simulator at http://127.0.0.1:");
    terminal.sees("ORDER-1006");
    terminal.resize((80, 24));
    for pane in PANES {
        terminal.sees(&format!("─ {pane} ─"));
    }
    terminal.resize((60, 15));
    terminal.sees("1 Cred 2 Toke 3 Paym 4 Esti 5 Requ 6 Expl 7 Call 8 Play");
    terminal.sees("─ 3 Payments ─");
    terminal.sees_no("─ 1 Credentials ─");
    terminal.send("5");
    terminal.sees("─ 5 Requests ─");
    terminal.resize((39, 9));
    terminal.sees("needs at least 40x10; q quits");
    terminal.send("q");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
}

#[test]
fn the_theme_follows_a_terminal_that_reports_its_background() {
    let contains = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|it| it == part);
    // The background of the selected row in the light and in the dark theme.
    for (answer, selected) in [
        ("\u{1b}]11;rgb:ffff/ffff/ffff\u{1b}\\", "48;5;254"),
        ("\u{1b}]11;rgb:1e/1e/2e\u{7}", "48;5;236"),
    ] {
        let place = Place::new();
        let mut terminal = Terminal::start(&place.command(&[]), (80, 24));
        terminal.wait_for_bytes("the question", |bytes| contains(bytes, b"\x1b]11;?\x07"));
        terminal.send_at_once(answer);
        terminal.wait_for_bytes(selected, |bytes| contains(bytes, selected.as_bytes()));
        terminal.send("q");
        given_back(terminal, 0);
    }
}

#[test]
fn without_an_answer_the_console_keeps_the_terminals_colours_and_every_key() {
    let place = Place::new();
    let mut terminal = console(&place, (80, 24));
    terminal.sees("ORDER-1006");
    terminal.send("?");
    terminal.sees("Esc close");
    let seen = terminal.all_seen();
    assert!(seen.contains("\u{1b}]11;?\u{7}"));
    assert!(!seen.contains("48;5;254") && !seen.contains("48;5;236"));
    terminal.send("q");
    terminal.sees("q quit");
    terminal.send("q");
    given_back(terminal, 0);
}

/// A terminal that was given back whole after this exit code.
fn given_back(mut terminal: Terminal, code: u32) {
    let ended = terminal.ended();
    assert_eq!((ended, terminal.kept()), (code, Vec::new()));
}

#[test]
fn the_terminal_comes_back_after_q() {
    let place = Place::new();
    let mut terminal = console(&place, (80, 24));
    terminal.send("q");
    given_back(terminal, 0);
}

#[test]
fn the_terminal_comes_back_after_ctrl_c_wherever_it_is_pressed() {
    for before in ["", "?", "a", "L", ":", "5/", "S"] {
        let place = Place::new();
        let mut terminal = console(&place, (80, 24));
        terminal.send(before);
        terminal.send("\u{3}");
        given_back(terminal, 0);
    }
}

#[test]
fn the_terminal_comes_back_after_a_signal() {
    for signal in [
        Signal::TERM,
        Signal::INT,
        Signal::QUIT,
        Signal::ABORT,
        Signal::ALARM,
        Signal::USR1,
        Signal::USR2,
    ] {
        let place = Place::new();
        let terminal = console(&place, (80, 24));
        terminal.signal(signal);
        given_back(terminal, 130);
    }
}

#[test]
fn a_signal_ends_the_console_while_the_terminal_takes_no_output() {
    let terminal = console(&Place::new(), (200, 60));
    terminal.frozen(|master, pid| {
        // The frames of these fill the terminal many times over.
        for round in 0..40 {
            let rows = 40 + round % 20;
            let size = PtySize {
                rows,
                cols: 200,
                ..PtySize::default()
            };
            master.resize(size).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
        kill_process(pid, Signal::TERM).unwrap();
        let has_ended = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            test_kill_process(pid).is_err()
        });
        assert!(has_ended, "it still waits for the terminal");
    });
    given_back(terminal, 130);
}

#[test]
fn the_terminal_comes_back_after_a_signal_at_the_first_byte() {
    for _ in 0..8 {
        for signal in [Signal::TERM, Signal::INT] {
            let place = Place::new();
            let terminal = Terminal::start(&place.command(&[]), (80, 24));
            terminal.wait_for_bytes("the first byte", |bytes| !bytes.is_empty());
            terminal.signal(signal);
            given_back(terminal, 130);
        }
    }
}

/// Names what [`a_child_in_a_terminal`] is to do.
const CHILD: &str = "TILLDECK_TEST_CHILD";
const PLANTED: &str = "planted/secret+of-a-panic==";

/// This binary again, doing what cannot be made to happen from outside.
fn child(what: &str) -> Terminal {
    #[expect(clippy::disallowed_methods, reason = "a program of the test")]
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "pty::a_child_in_a_terminal", "--ignored"])
        .args(["--nocapture", "--test-threads=1"])
        .env(CHILD, what);
    Terminal::start(&command, (100, 30))
}

#[test]
#[ignore = "the child of the tests below; does nothing without them"]
fn a_child_in_a_terminal() {
    use std::thread::Builder;
    use tilldeck::cli::fault;
    use tilldeck::domain::Secret;
    use tilldeck::net::redact;
    use tilldeck::runtime::terminal::TerminalGuard;
    let Ok(what) = std::env::var(CHILD) else {
        return;
    };
    fault::install_hooks().unwrap();
    redact::learn(&Secret::new(PLANTED), "planted");
    let enter = || {
        let mut entered = TerminalGuard::new(true).unwrap();
        entered
            .screen
            .draw(|frame| frame.render_widget("entered", frame.area()))
            .unwrap();
        entered
    };
    let named = |name: &str| Builder::new().name(name.into());
    let failed = match what.as_str() {
        // The harness runs tests in threads of its own; the hook goes by the name of the thread.
        "panics" => named("main")
            .spawn(move || {
                let _entered = enter();
                panic!("it went wrong over {PLANTED}");
            })
            .unwrap()
            .join(),
        "panics behind the screen" => {
            let mut entered = enter();
            let behind = named("worker").spawn(|| panic!("a task went wrong over {PLANTED}"));
            let joined = behind.unwrap().join();
            entered
                .screen
                .draw(|frame| frame.render_widget("still here", frame.area()))
                .unwrap();
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            drop(entered);
            fault::report_saved();
            joined
        }
        _ => {
            let fails = move || -> color_eyre::Result<()> {
                let _entered = enter();
                Err(color_eyre::eyre::eyre!("the screen is gone"))
            };
            eprintln!("told after: {}", fails().unwrap_err());
            Ok(())
        }
    };
    std::process::exit(if failed.is_err() { 101 } else { 2 });
}

#[test]
fn the_terminal_comes_back_after_an_error() {
    let mut terminal = child("fails");
    assert_eq!(terminal.ended(), 2);
    assert_eq!(terminal.kept(), Vec::<String>::new());
    assert!(terminal.screen().contains("told after: the screen is gone"));
}

#[test]
fn the_terminal_comes_back_after_a_panic_and_its_report_holds_no_secret() {
    let mut terminal = child("panics");
    assert_eq!(terminal.ended(), 101);
    assert_eq!(terminal.kept(), Vec::<String>::new());
    let screen = terminal.screen();
    assert!(screen.contains("it went wrong over <planted>"), "{screen}");
    assert!(screen.contains("This is a bug in tilldeck."), "{screen}");
    assert!(!terminal.all_seen().contains(PLANTED));
}

#[test]
fn a_panic_behind_the_screen_leaves_it_standing_and_is_reported_without_its_secret_in_the_end() {
    let mut terminal = child("panics behind the screen");
    terminal.sees("still here");
    terminal.wait_for("the screen to stand", vt100::Screen::alternate_screen);
    terminal.sees_no("went wrong");
    terminal.send("\r\n");
    assert_eq!(terminal.ended(), 101);
    assert_eq!(terminal.kept(), Vec::<String>::new());
    let screen = terminal.screen();
    assert!(
        screen.contains("a task went wrong over <planted>"),
        "{screen}"
    );
    assert!(!terminal.all_seen().contains(PLANTED));
}

/// As in life: a shell with job control, the program one of its jobs.
fn in_shell(inner: &Command) -> Command {
    let mut shell = crate::program::shell();
    shell.args([
        "-c",
        "set -m; \"$0\" \"$@\"; echo \"stopped $?\"; read line; fg; echo \"left $?\"",
    ]);
    shell.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell
}

#[test]
fn a_secret_is_hidden_also_after_ctrl_z_and_fg() {
    let place = Place::new();
    let join = place.command(&["ledger", "join"]);
    let mut terminal = Terminal::start(&in_shell(&join), (120, 24));
    terminal.sees("(not shown): ");
    terminal.send("\u{1a}");
    terminal.sees("stopped 1");
    assert_eq!(terminal.kept(), Vec::<String>::new());
    terminal.send("visible\n");
    terminal.wait_for("the question once more", |screen| {
        screen.contents().matches("(not shown): ").count() == 2
    });
    terminal.send("hidden-secret\r");
    terminal.sees("left ");
    let seen = terminal.all_seen();
    assert!(
        seen.contains("visible") && !seen.contains("hidden-secret"),
        "{seen}"
    );
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_and_fg_brings_the_screen_back() {
    let place = Place::new();
    let inner = place.command(&[]);
    let mut terminal = Terminal::start(&in_shell(&inner), (80, 24));
    terminal.sees("tilldeck ›");
    terminal.sees_no("starting…");
    terminal.send_at_once("\u{1a}q");
    terminal.sees("stopped 1");
    assert_eq!(terminal.kept(), Vec::<String>::new());
    terminal.resize((120, 40));
    // The shell reads a line; what follows is not for the console either.
    terminal.send_at_once("\nq");
    for pane in PANES {
        terminal.sees(&format!("─ {pane} ─"));
    }
    terminal.wait_for("mouse, paste and screen taken again", |screen| {
        screen.alternate_screen()
            && screen.bracketed_paste()
            && screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None
    });
    terminal.send("?");
    terminal.sees("─ Help ─");
    terminal.send("\u{1b}");
    terminal.sees_no("─ Help ─");
    terminal.send("q");
    terminal.sees("left 0");
    given_back(terminal, 0);
}

#[test]
fn ctrl_z_where_no_shell_could_bring_it_back_changes_nothing() {
    let place = Place::new();
    let mut terminal = console(&place, (80, 24));
    terminal.send("\u{1a}?");
    terminal.sees("─ Help ─");
    terminal.send("qq");
    given_back(terminal, 0);
}

#[test]
fn keys_that_come_together_with_a_resize_are_not_lost() {
    let place = Place::new();
    let mut terminal = console(&place, (120, 40));
    terminal.send("a");
    terminal.sees("Watch a payment");
    let id: String = ('a'..='z').chain('A'..='Z').collect();
    for (at, key) in (0..).zip(id.chars()) {
        terminal.resize((90 + at % 30, 30 + at % 10));
        terminal.send(&key.to_string());
        terminal.resize((91 + at % 30, 30 + at % 10));
    }
    terminal.sees(&id);
    terminal.send("\u{3}");
    given_back(terminal, 0);
}

#[test]
fn a_resize_storm_kills_nothing() {
    let place = Place::new();
    let mut terminal = console(&place, (120, 40));
    let sizes = (0..240_u32).map(|at| {
        let mixed = at.wrapping_mul(2_654_435_761);
        (1 + mixed % 250, 1 + (mixed >> 12) % 80)
    });
    let corners = [
        (1, 1),
        (250, 80),
        (1, 80),
        (250, 1),
        (2, 2),
        (40, 10),
        (39, 10),
        (40, 9),
    ];
    for ((columns, rows), key) in corners
        .into_iter()
        .chain(sizes)
        .zip("?\u{1b}12345\tfL\u{1b}S\u{1b}:\u{1b}".chars().cycle())
    {
        let cells = |count| u16::try_from(count).unwrap();
        terminal.resize((cells(columns), cells(rows)));
        terminal.send(&key.to_string());
    }
    // Esc and a key that follow each other closely are one key with Alt.
    terminal.send("5");
    terminal.resize((120, 40));
    terminal.sees("tilldeck ›");
    terminal.send("\u{3}");
    given_back(terminal, 0);
}

#[test]
fn a_paste_of_3000_bytes_arrives_whole() {
    let place = Place::new();
    let mut terminal = console(&place, (120, 40));
    terminal.paste(&"p".repeat(3000));
    terminal.sees("Watch a payment");
    terminal.send("\r");
    terminal.send("\r");
    terminal.sees("the payment id has 3000 characters; at most 256 are accepted");
    terminal.send("\u{1b}");
    terminal.sees_no("Watch a payment");
    // From a terminal that does not bracket pastes, it is one all the same.
    terminal.send("a");
    terminal.sees("Watch a payment");
    terminal.send_at_once(&"k-".repeat(1500));
    terminal.sees("-k-k-k");
    terminal.send("\r");
    terminal.sees("the payment id has 3000 characters; at most 256 are accepted");
    terminal.send("\u{3}");
    given_back(terminal, 0);
}

#[test]
fn an_idle_console_writes_nothing() {
    let peer = Peer::start(vec![json(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    let mut terminal = console(&place, (80, 24));
    terminal.paste("A-17");
    terminal.sees("Watch a payment");
    terminal.send("\r");
    terminal.sees("FINALIZED");
    terminal.send("2f");
    terminal.sees("No account here uses access tokens.");
    terminal.sees_no("FINALIZED");
    // The last frame's last bytes may come apart from it.
    let settled = (0..100).any(|_| {
        terminal
            .writes_within(Duration::from_millis(200))
            .is_empty()
    });
    assert!(settled);
    assert_eq!(
        String::from_utf8_lossy(&terminal.writes_within(Duration::from_millis(1500))),
        ""
    );
    terminal.send("q");
    given_back(terminal, 0);
}

#[test]
fn live_is_marked_on_the_first_screen_and_a_write_is_absent_until_armed() {
    let peer = Peer::start(vec![json(
        r#"{"result":"ok","paymentToken":"planted-payment-token"}"#,
    )]);
    let place = Place::with_shop(&peer.url);
    let mut terminal = Terminal::start(&place.command(&[]), (100, 30));
    terminal.sees("tilldeck ›");
    assert!(
        terminal
            .screen()
            .lines()
            .next()
            .unwrap()
            .contains("LIVE real money")
    );
    terminal.sees_no("starting…");
    assert!(peer.requests().is_empty(), "nothing is asked unasked");
    terminal.send("L");
    terminal.sees("Payment link, LIVE: real money");
    terminal.send("A-17\t25\tBTC\t\tpayer@example.com\t\t");
    terminal.sees("▸ Payment token  no");
    terminal.send(" ");
    terminal.sees("▸ Payment token  yes");
    terminal.send("\r");
    terminal.sees("shop moves real money.");
    terminal.send("shp\r");
    terminal.sees("type shop to arm it");
    terminal.send("\u{1b}");
    terminal.sees_no("type shop to arm it");
    terminal.send(" ");
    terminal.sees("▸ Payment token  no");
    terminal.send("\r");
    terminal.sees("Link for A-17");
    terminal.send("\u{1b}");
    terminal.sees_no("Link for A-17");
    assert!(
        peer.requests()
            .iter()
            .all(|seen| !seen.head.contains("create/payment"))
    );
    terminal.send("LA-18\t25\tBTC\t\tpayer@example.com\t\t \rshop\r");
    terminal.sees("ARMED shop");
    terminal.sees("yes");
    terminal.send("\r");
    terminal.sees("Link for A-18");
    assert!(
        peer.requests()
            .iter()
            .any(|seen| seen.head.contains("/api/v2/tpg/create/payment"))
    );
    terminal.send("\u{3}");
    given_back_without(
        terminal,
        &["planted-payment-token", crate::program::API_SECRET],
    );
}

fn given_back_without(mut terminal: Terminal, secrets: &[&str]) {
    let ended = terminal.ended();
    assert_eq!((ended, terminal.kept()), (0, Vec::new()));
    let all = terminal.all_seen();
    for secret in secrets {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[test]
fn hostile_ids_pasted_into_the_form_are_refused_in_words_and_nothing_is_lost() {
    let place = Place::new();
    let mut terminal = console(&place, (120, 40));
    for (pasted, told) in [
        ("A\u{1b}[2J-1", "invalid character at position 2"),
        ("A\u{202e}1", "invalid character at position 2"),
        ("A-1\u{7}", "invalid character at position 4"),
    ] {
        terminal.send("a");
        terminal.sees("Watch a payment");
        terminal.paste(pasted);
        terminal.send("\r");
        terminal.sees(told);
        terminal.send("\u{1b}");
        terminal.sees_no("Watch a payment");
    }
    terminal.paste("zamówienie ✓/1\rORDER-\u{1f4a9};7.5;EMT\r");
    terminal.sees("2 payments of kanga added");
    terminal.sees("zamówienie ✓/1");
    terminal.send("a");
    terminal.sees("Watch a payment");
    terminal.send("FIRST-1\t");
    terminal.paste(&"9".repeat(10_000));
    terminal.send("\r");
    terminal.sees("the amount has 10000 digits");
    terminal.send("\u{1b}");
    terminal.sees_no("Watch a payment");
    terminal.paste(&"x".repeat(10_000));
    terminal.sees("Watch a payment");
    // What was typed into the other fields outlives the refusal.
    terminal.send("7.50\tEMT\r");
    terminal.sees("the payment id has 10000 characters; at most 256 are accepted");
    terminal.send("\u{15}ORDER-77\r");
    terminal.sees_no("Watch a payment");
    terminal.sees("ORDER-77                   awaiting payment");
    terminal.send("e");
    terminal.sees("7.50");
    terminal.send("\u{3}");
    given_back(terminal, 0);
}

/// What was last sent to the terminal's clipboard.
fn clipboard(bytes: &[u8]) -> Option<String> {
    copied(bytes).pop()
}

#[test]
fn by_keys_alone_a_payment_is_estimated_linked_paid_and_seen_finalized() {
    let place = Place::new();
    let mut terminal = console(&place, (120, 40));
    terminal.send("4e");
    terminal.sees("Price estimate");
    terminal.send("\u{15}250\t\u{15}EMT\r");
    terminal.sees_no("Price estimate");
    // Looked for, since later requests push it off the screen.
    terminal.send("5/price/estimate");
    terminal.sees("match `price/estimate`");
    terminal.sees("POST   /api/tpg/price/estimate");
    terminal.send("\u{1b}");
    terminal.sees_no("filter / ");
    terminal.sees("250 EMT");
    terminal.sees("257.5");

    terminal.send("L");
    terminal.sees("Payment link");
    terminal.send("ERRAND-1\t250\tEMT\tA blue bicycle\t\toPLN\r");
    terminal.sees("Link for ERRAND-1");
    terminal.send("y");
    terminal.sees("copied to the terminal's clipboard: the payment link");
    let bytes = terminal.wait_for_bytes("the clipboard", |bytes| clipboard(bytes).is_some());
    let url = clipboard(&bytes).unwrap();
    assert!(
        terminal.screen().contains(&url[..60]),
        "{url}: what is copied is what is shown"
    );
    terminal.send("\u{1b}");
    terminal.sees_no("Link for ERRAND-1");

    let mut payer = Payer::open(&url);
    assert!(payer.page.contains("A blue bicycle") && payer.page.contains("<b>NEW</b>"));
    payer.submit("verify", &[("email", "payer@example.com")]);
    payer.submit("choose", &[("currency", "oPLN")]);
    terminal.send("3c");
    terminal.wait_for("ERRAND-1 to be seen ACTIVE", |screen| {
        row(screen, "ACTIVE", "ERRAND-1")
    });
    payer.submit("pay", &[]);
    // The simulator's clock, not ours, brings the payment to its end.
    terminal.send("S");
    terminal.sees("Payer of ERRAND-1");
    terminal.send("\t\t\r");
    terminal.send("\u{1b}");
    terminal.sees_no("Payer of ERRAND-1");
    terminal.send("c");
    terminal.wait_for("ERRAND-1 to be seen PAID", |screen| {
        row(screen, "PAID", "ERRAND-1")
    });
    terminal.sees("PAID: expected 250 EMT, received 250 EMT");
    terminal.sees("POST   /api/v2/tpg/transaction");

    // With a token and an address, the page asks for no address.
    terminal.send("L");
    terminal.sees("Payment link");
    terminal.send("ERRAND-2\t20\tEMT\t\tpayer@example.com\t\t \r");
    terminal.sees("Link for ERRAND-2");
    terminal.sees("paymentToken=…");
    terminal.send("y");
    let bytes = terminal.wait_for_bytes("the clipboard", |bytes| {
        clipboard(bytes).is_some_and(|url| url.contains("paymentToken="))
    });
    let url = clipboard(&bytes).unwrap();
    let (_, token) = url.split_once("paymentToken=").unwrap();
    let payer = Payer::open(&url);
    assert!(payer.page.contains("<b>ACTIVE</b>"), "{}", payer.page);
    // The exchange that made the token, read whole; looked for, since later requests push it off the screen.
    terminal.send("w5/create");
    terminal.sees("POST   /api/v2/tpg/create/payment");
    terminal.send("\r\r");
    terminal.sees("Response");
    terminal.sees("\"paymentToken\": \"<paymentToken>\"");
    terminal.send("\u{1b}");
    terminal.sees_no("Response");
    terminal.send("f?");
    terminal.sees("─ Help ─");
    terminal.send("\u{3}");
    let ended = terminal.ended();
    assert_eq!((ended, terminal.kept()), (0, Vec::new()));
    let seen = terminal.rows_seen();
    for secret in [
        "SANDBOX-KANGA-SECRET",
        &token[..12],
        &token[token.len() - 12..],
    ] {
        assert!(!seen.contains(secret), "{secret} was on screen");
    }
    let signature = |row: &str| {
        row.split(|c: char| !c.is_ascii_hexdigit())
            .any(|word| word.len() >= 40)
    };
    assert!(!seen.lines().any(signature), "a signature was on screen");
}

/// Whether one row has both.
fn row(screen: &vt100::Screen, a: &str, b: &str) -> bool {
    let (_, columns) = screen.size();
    screen
        .rows(0, columns.get())
        .any(|row| row.contains(a) && row.contains(b))
}

#[test]
fn by_keys_alone_offers_are_found_sent_for_and_read_as_a_table_and_a_write_asks_first() {
    let place = Place::new();
    let mut terminal = console(&place, (160, 50));
    // The tokens of both are got by verifying.
    terminal.send("1V");
    for account in ["kinguin", "pledg"] {
        terminal.sees(&format!("✔ {account}"));
    }
    terminal.wait_for("both tokens to be got", |screen| {
        row(screen, "kinguin", "█") && row(screen, "pledg", "█")
    });
    terminal.send("6");
    terminal.sees("6 Explorer");
    terminal.send("/list your offers\r\r");
    terminal.sees("Enter send");
    terminal.send("\r");
    terminal.sees("200 OK");
    terminal.sees("offers 1-");
    terminal.sees("65a0c0de0000000000000001 Harbour of");
    terminal.send("\u{1b}");
    terminal.sees("Esc calls");
    terminal.send("\u{1b}");
    terminal.sees("fill in");

    terminal.send("/patch change some of an offer\r\r");
    terminal.sees("✎ writes  kinguin");
    terminal.send("\u{13}");
    terminal.sees("Send a write call");
    terminal.sees("y sends it, n cancels.");
    terminal.send("n");
    terminal.sees_no("Send a write call");
    terminal.sees("Not sent yet.");
    terminal.send("\u{13}");
    terminal.sees("Send a write call");
    terminal.send("y");
    terminal.sees_no("Not sent yet.");
    terminal.sees("200 OK");
    terminal.send("\u{3}");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
    let log = place.run(&["log", "--json"]);
    assert!(log.out.is_empty() || !log.out.contains("SANDBOX-KINGUIN-SECRET"));
    let seen = terminal.all_seen();
    for secret in [
        "SANDBOX-KINGUIN-SECRET",
        "SANDBOX-PLEDG-API-SECRET",
        "Bearer ",
    ] {
        assert!(!seen.contains(secret), "{secret} was on screen");
    }
}

/// The exit code of a program whose terminal hangs up once it has written this.
fn code_after_hanging_up(arguments: &[&str], wanted: &str) -> u32 {
    let place = Place::new();
    let size = portable_pty::PtySize {
        rows: 24,
        cols: 80,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pair = portable_pty::native_pty_system().openpty(size).unwrap();
    let mut builder = portable_pty::CommandBuilder::new(env!("CARGO_BIN_EXE_tilldeck"));
    builder.args(arguments);
    builder.env_clear();
    builder.env("HOME", place.path());
    builder.env("TILLDECK_STATE_DIR", place.state());
    let mut child = pair.slave.spawn_command(builder).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains(wanted) {
        let mut chunk = [0; 4096];
        let n = std::io::Read::read(&mut reader, &mut chunk).unwrap();
        shown.extend_from_slice(&chunk[..n]);
    }
    drop(reader);
    drop(pair.master);
    child.wait().unwrap().exit_code()
}

#[test]
fn a_terminal_that_hangs_up_ends_the_console_and_the_receiver_in_order() {
    assert_eq!(code_after_hanging_up(&[], "ORDER-1001"), 130, "no abort");
    let listen = ["listen", "--bind", "127.0.0.1:0"];
    assert_eq!(code_after_hanging_up(&listen, "Ctrl-C stops it"), 130);
}

const LESS: &str = r#"{"result":"ok","currency":"BTC","amount":"0.002","state":"FINALIZED"}"#;

/// A place with an under-paid payment, which the console's first check finds.
fn underpaid(peer: &Peer, ui: &str) -> Place {
    let place = Place::with_shop(&peer.url);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    std::fs::write(place.config_path(), config + ui).unwrap();
    let add = [
        "payments",
        "add",
        "A-17",
        "--amount",
        "0.01",
        "--currency",
        "BTC",
    ];
    let added = place.run(&add);
    assert_eq!(added.code, 0, "{added:?}");
    place
}

#[test]
fn an_under_paid_payment_rings_once_and_stands_in_the_title_until_the_end() {
    let peer = Peer::start(vec![json(LESS)]);
    let place = underpaid(&peer, "");
    let mut terminal = Terminal::start(&place.command(&[]), (80, 24));
    let window = terminal.wait_for_window("the alert", |it| {
        it.title == "(1!) tilldeck live" && it.bells > 0
    });
    assert_eq!(window.notifications, [""; 0], "off unless chosen");
    terminal.send("!m");
    let window = terminal.wait_for_window("no alert", |it| it.title == "tilldeck live");
    assert_eq!(window.bells, 1);
    terminal.send("\u{1b}");
    terminal.sees_no("─ Alerts ─");
    terminal.send("q");
    terminal.wait_for_window("the title from before", |it| it.title == TITLE);
    given_back(terminal, 0);
}

#[test]
fn a_desktop_is_notified_in_the_sequence_of_its_terminal() {
    let peer = Peer::start(vec![json(LESS)]);
    let text = "shop: A-17 · DO NOT DELIVER · expected 0.01 BTC, received 0.002 BTC";
    for (name, value, wanted) in [
        ("TERM", "xterm-256color", format!("9;tilldeck: {text}")),
        ("VTE_VERSION", "7600", format!("777;notify;tilldeck;{text}")),
    ] {
        let place = underpaid(&peer, "[ui]\nnotify = [\"desktop\"]\n");
        let mut command = place.command(&[]);
        command.env(name, value);
        let mut terminal = Terminal::start(&command, (80, 24));
        let notified = terminal.wait_for_window("it", |it| !it.notifications.is_empty());
        assert_eq!(notified.notifications, [wanted]);
        assert_eq!(notified.bells, 0);
        assert_eq!(notified.title, TITLE);
        terminal.send("q");
        given_back(terminal, 0);
    }
}

#[test]
fn tmux_gets_a_notification_in_the_form_that_it_passes_on() {
    let peer = Peer::start(vec![json(LESS)]);
    let place = underpaid(&peer, "[ui]\nnotify = [\"desktop\"]\n");
    let mut command = place.command(&[]);
    command
        .env("TERM", "tmux-256color")
        .env("TMUX", "/tmp/x,1,0");
    let mut terminal = Terminal::start(&command, (80, 24));
    let wrapped = "\u{1b}Ptmux;\u{1b}\u{1b}]9;tilldeck: shop: A-17";
    let contains = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(wrapped);
    terminal.wait_for_bytes("the sequence", contains);
    terminal.send("q");
    given_back(terminal, 0);
}

#[test]
fn of_a_burst_of_callbacks_none_is_lost() {
    let place = Place::with_keys("http://127.0.0.1:9", "");
    let mut terminal = console(&place, (120, 40));
    terminal.sees_no("starting…");
    let ledger = rusqlite::Connection::open(place.state().join("ledger.db")).unwrap();
    // More than are applied for one frame. Each must be answered in time.
    ledger
        .execute(
            "INSERT INTO deliveries (class, size, account_key, account, provider, received_at, sender, method, verdict, why,
                 kind, payment, attempt, status, bytes, sealed)
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
             SELECT 0, 1, 'live', 'keys', 'kinguin', ?1, '', 'POST', 'accepted', '', 'OUT_OF_STOCK',
                 'A-' || i, 1, 200, 1, x'' FROM n",
            [tilldeck::clock::Clock::system().now().wall.0],
        )
        .unwrap();
    terminal.sees("! 400 alerts");
    terminal.send("q");
    assert_eq!(terminal.ended(), 0);
}
