//! What an operator or a script waits for: a key to the screen, a nonce, a slot, a signature, a redacted body.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tilldeck::auth::sign;
use tilldeck::clock::Clock;
use tilldeck::config::Vault;
use tilldeck::deck;
use tilldeck::domain::{Answer, Explored, Now, Op, Secret, Ui, WallTime};
use tilldeck::ledger::{
    KeyHash, Ledger, NonceRules, Persistence, Retention, SlotOutcome, SlotRequest,
};
use tilldeck::net::budget::window::{Step, Window};
use tilldeck::net::redact;
use tilldeck::tui::{self, Effect, Model, Msg, Setup};

const AT: Now = Now {
    mono: Duration::from_secs(1),
    wall: WallTime(1_795_316_066_000),
};

fn console() -> Model {
    let config = tilldeck::config::Config::default();
    let profile = config.profile(None).expect("the sandbox is built in");
    let accounts = deck::accounts(profile, &Vault::files("vault".into()));
    let setup = Setup {
        profile: "sandbox".into(),
        accounts,
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
    tui::update(
        &mut model,
        AT,
        Msg::Resized {
            width: 120,
            height: 40,
        },
    );
    model
}

fn screen(c: &mut Criterion) {
    let mut model = console();
    let mut terminal = Terminal::new(TestBackend::new(120, 40)).expect("a test screen");
    let mut down = true;
    c.bench_function("key to frame, 120x40", |b| {
        b.iter(|| {
            down = !down;
            let key = if down { KeyCode::Tab } else { KeyCode::BackTab };
            let effects = tui::update(
                &mut model,
                AT,
                Msg::Key(KeyEvent::new(key, KeyModifiers::NONE)),
            );
            terminal
                .draw(|frame| {
                    tui::view(&model, AT, frame);
                })
                .expect("a test screen");
            black_box(effects)
        });
    });
    c.bench_function("a console from nothing", |b| {
        b.iter_batched(|| (), |()| console(), BatchSize::SmallInput);
    });
}

/// A reply of 256 KiB in the explorer: laid out and drawn for the first time, then scrolled.
fn large_answer(c: &mut Criterion) {
    let setup = r#"{"id":"5f9e2c01","name":"Portal 2 Steam CD Key","price":{"amount":1250,"currency":"EUR"},"active":true,"note":null}"#;
    let text = format!(
        "[{}]",
        vec![setup; 256 * 1024 / (setup.len() + 1)].join(",")
    );
    let key = |code| Msg::Key(KeyEvent::new(code, KeyModifiers::NONE));
    let mut model = console();
    tui::update(
        &mut model,
        AT,
        Msg::Ready(tui::msg::Ready {
            listening: tilldeck::domain::ListenerStatus::Off,
            zone: jiff::tz::TimeZone::UTC,
            saved: tui::msg::Saved::default(),
            watches: Vec::new(),
            handled: Vec::new(),
            is_unread: false,
            log: Vec::new(),
            verify: Vec::new(),
            simulator: None,
            seed: 0,
        }),
    );
    for code in [KeyCode::Char('6'), KeyCode::Enter, KeyCode::Char('v')] {
        tui::update(&mut model, AT, key(code));
    }
    let mut terminal = Terminal::new(TestBackend::new(120, 40)).expect("a test screen");
    let mut again = KeyCode::Enter;
    let model = std::cell::RefCell::new(model);
    c.bench_function("a reply of 256 KiB heard and drawn", |b| {
        b.iter_batched(
            || {
                let effects = tui::update(&mut model.borrow_mut(), AT, key(again));
                again = KeyCode::Char('r');
                let request = effects.iter().find_map(|effect| match effect {
                    Effect::Query {
                        request,
                        op: Op::Explore { .. },
                        ..
                    } => Some(*request),
                    _ => None,
                });
                Msg::Answered(
                    request.expect("the call is sent"),
                    Answer::Explored(Ok(Explored {
                        status: 200,
                        content_type: Some("application/json".into()),
                        took: Duration::from_millis(40),
                        bytes: text.len(),
                        text: text.clone(),
                        cut: false,
                        failure: None,
                        digest: None,
                    })),
                )
            },
            |heard| {
                tui::update(&mut model.borrow_mut(), AT, heard);
                terminal
                    .draw(|frame| {
                        tui::view(&model.borrow(), AT, frame);
                    })
                    .expect("a test screen");
            },
            BatchSize::PerIteration,
        );
    });
    let mut model = model.into_inner();
    c.bench_function("a reply of 256 KiB scrolled by a page", |b| {
        let mut down = true;
        b.iter(|| {
            let at_end = if down {
                KeyCode::PageDown
            } else {
                KeyCode::PageUp
            };
            down = !down;
            tui::update(&mut model, AT, key(at_end));
            terminal
                .draw(|frame| {
                    tui::view(&model, AT, frame);
                })
                .expect("a test screen");
        });
    });
}

fn ledger(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::system();
    let ledger = Ledger::start(
        folder.path().to_owned(),
        clock.clone(),
        Retention::default(),
    );
    let key = KeyHash::of("kanga", "bench");
    let rules = NonceRules::default();
    c.bench_function("a nonce, its key_lock taken and stored for good", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let mut key_lock = ledger.key_lock(&key).await.expect("the lane is free");
                key_lock
                    .next_nonce(clock.now(), rules)
                    .await
                    .expect("the ledger can be written")
            })
        });
    });
    c.bench_function("a slot taken and released through the ledger", |b| {
        let terms = SlotRequest {
            scope: "bench".into(),
            limit: 1_000_000,
            period: Duration::from_millis(1),
            reserve: 0,
            flight: Duration::from_secs(1),
            persistence: Persistence::Required,
        };
        b.iter(|| {
            runtime.block_on(async {
                let taken = ledger.take_slot(terms.clone()).await;
                if let Ok(SlotOutcome::Granted(granted)) = taken {
                    ledger.release_slot(granted.take(), clock.now());
                }
            });
        });
    });
    c.bench_function("a slot granted and freed in process, of 2000 in use", |b| {
        let mut window = Window::new(2000, Duration::from_mins(1));
        let mut now = AT.mono;
        b.iter(|| {
            now += Duration::from_millis(30);
            assert_eq!(window.step(now, 0), Step::Take);
            assert!(window.take(now, 0));
            window.seen(now);
        });
    });
}

fn bytes(c: &mut Criterion) {
    let secret = Secret::new("bench-secret-of-a-usual-length-0123456789");
    redact::learn(&secret, "api_secret");
    let body =
        br#"{"id":"ORDER34H773A1","appId":"V7JM4R4361E80SfSEEffxlhJb2C1d","nonce":1700000000000}"#;
    c.bench_function("signature of a check", |b| {
        b.iter(|| sign::hmac_sha512_hex(&secret, black_box(body)));
    });
    let small = String::from_utf8_lossy(body).into_owned();
    let large = small.repeat(3_000);
    c.bench_function("redact a small body", |b| {
        b.iter(|| redact::body(black_box(&small)));
    });
    c.bench_function("redact a body of 256 KiB", |b| {
        b.iter(|| redact::body(black_box(&large)));
    });
}

criterion_group!(benches, screen, large_answer, ledger, bytes);
criterion_main!(benches);
