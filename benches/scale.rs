//! What grows with the log: the first page of a view, a search, a frame of the console. Prints one table.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tilldeck::clock::Clock;
use tilldeck::config::{Config, Vault};
use tilldeck::deck;
use tilldeck::domain::{
    AccountId, Body, Exchange, ExchangeId, Now, Observation, Outcome, PaymentId, Search, Ui, Watch,
};
use tilldeck::ledger::{Ledger, LogQuery, Retention};
use tilldeck::tui::msg::Ready;
use tilldeck::tui::{self, Model, Msg, Setup};

/// The numbers of requests in the log.
const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
const PAYMENTS: u64 = 2_000;
const REPEATS: usize = 21;

fn account() -> AccountId {
    AccountId::new("kanga").expect("a name")
}

/// Bodies of usual size: a search must not read them.
fn body(bytes: usize) -> Body {
    Body {
        text: "y".repeat(bytes),
        bytes: bytes as u64,
        ..Body::default()
    }
}

fn exchange(number: u64, now: Now) -> Exchange {
    Exchange {
        id: ExchangeId(i64::try_from(number).expect("few enough")),
        account: account(),
        provider: "kanga".into(),
        environment: "sandbox".into(),
        at: now.wall,
        method: "POST".into(),
        url: format!("http://127.0.0.1:9/api/v2/tpg/transaction/{number}"),
        about: format!("ORDER-{}", number / 5),
        attempt: 1,
        outcome: Outcome::Status(if number.is_multiple_of(100) { 500 } else { 200 }),
        http_version: "HTTP/1.1".into(),
        to_head: Some(Duration::from_millis(30)),
        took: Duration::from_millis(31),
        request_headers: vec![("content-type".into(), "application/json".into())],
        request_body: body(200),
        response_headers: vec![("content-type".into(), "application/json".into())],
        response_body: body(1_500),
        response_wire: None,
        operator: String::new(),
        profile: String::new(),
    }
}

/// The median of several runs.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..REPEATS)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[REPEATS / 2]
}

fn console(watches: Vec<(Watch, Vec<Observation>)>) -> Model {
    let config = Config::default();
    let profile = config.profile(None).expect("the sandbox is built in");
    let setup = Setup {
        profile: "sandbox".into(),
        accounts: deck::accounts(profile, &Vault::files("vault".into())),
        setups: deck::manage::setups(),
        is_shared: false,
        may_manage: false,
        catalogues: Vec::new(),
        profiles: Vec::new(),
        recording: None,
        deadlines: Vec::new(),
        ui: Ui::default(),
        tint: None,
        color: true,
    };
    let mut model = Model::new(setup).expect("the default keys do not clash");
    let now = Clock::system().now();
    let (width, height) = (120, 40);
    tui::update(&mut model, now, Msg::Resized { width, height });
    tui::update(
        &mut model,
        now,
        Msg::Ready(Ready {
            listening: tilldeck::domain::ListenerStatus::Off,
            zone: jiff::tz::TimeZone::UTC,
            saved: tilldeck::tui::msg::Saved::default(),
            watches,
            handled: Vec::new(),
            is_unread: false,
            log: Vec::new(),
            verify: Vec::new(),
            simulator: None,
            seed: 0,
        }),
    );
    model
}

/// The time from a key to a drawn frame, in the pane that `pane` opens, zoomed.
fn frame(model: &mut Model, pane: char) -> Duration {
    let now = Clock::system().now();
    let mut terminal = Terminal::new(TestBackend::new(120, 40)).expect("a test screen");
    let key = |code| Msg::Key(KeyEvent::new(code, KeyModifiers::NONE));
    for code in [pane, 'z'] {
        tui::update(model, now, key(KeyCode::Char(code)));
    }
    let mut down = true;
    median(|| {
        let code = if down {
            KeyCode::PageDown
        } else {
            KeyCode::PageUp
        };
        down = !down;
        black_box(tui::update(model, now, key(code)));
        terminal
            .draw(|frame| {
                tui::view(model, now, frame);
            })
            .expect("a test screen");
    })
}

fn milliseconds(time: Duration) -> String {
    let micros = time.as_micros();
    format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10)
}

fn main() {
    // `cargo test --benches` wants to see it start, not to wait for it.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::system();
    let unlimited = Retention {
        bytes: u64::MAX / 4,
        count: u64::MAX / 4,
        ..Retention::default()
    };
    let ledger = Ledger::start(folder.path().to_owned(), clock.clone(), unlimited);
    let mut model = console(Vec::new());
    println!(
        "| requests in the log | newest 100, ms | search of 2 words, ms | rare word, ms | rare status, ms | one payment, ms | key to frame, ms |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    let mut saved = 0;
    for size in SIZES {
        runtime.block_on(async {
            while saved < size {
                saved += 1;
                let row = exchange(saved, clock.now());
                // The console reads the same window, whatever is behind it.
                if saved + 5_000 > size {
                    tui::update(
                        &mut model,
                        clock.now(),
                        Msg::Exchange(Arc::new(row.clone())),
                    );
                }
                ledger.record_later(row, Box::new(drop));
                ledger.keep_up().await;
            }
            ledger.flush().await;
        });
        let query = |filter: &str| {
            let query = LogQuery {
                profile: Some("sandbox".into()),
                search: Search::of_requests(filter),
                limit: 100,
                ..LogQuery::default()
            };
            median(|| {
                let found = runtime.block_on(ledger.log(query.clone()));
                black_box(found.expect("the log is read"));
            })
        };
        let searches = [
            "",
            "transaction 500",
            "no-such-word",
            "status:404",
            "about:ORDER-17",
        ];
        let columns = searches.map(|text| milliseconds(query(text)));
        let frame = milliseconds(frame(&mut model, '5'));
        println!("| {size} | {} | {frame} |", columns.join(" | "));
    }
    let watches = (0..PAYMENTS).map(|number| {
        let id = PaymentId::new(format!("A-{number:05}")).expect("an id");
        let watch = Watch::new(account(), id, clock.now().wall);
        (watch, Vec::new())
    });
    let mut model = console(watches.collect());
    println!();
    println!("| {PAYMENTS} payments | key to frame, ms |\n|--|--:|");
    println!("| zoomed list | {} |", milliseconds(frame(&mut model, '3')));
}
