//! What an operator or a script waits for: a key to the screen, a nonce, a slot, a signature, a redacted body.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tilldeck::auth::sign;
use tilldeck::clock::Clock;
use tilldeck::deck;
use tilldeck::domain::{Now, Secret, WallTime};
use tilldeck::ledger::{KeyHash, Ledger, Retention, Slot};
use tilldeck::net::redact;
use tilldeck::tui::{self, Model, Msg, Setup, UiOptions};

const AT: Now = Now {
    mono: Duration::from_secs(1),
    wall: WallTime(1_795_316_066_000),
};

fn console() -> Model {
    let config = tilldeck::config::Config::default();
    let accounts = deck::accounts(config.profile(None).expect("the sandbox is built in"));
    let setup = Setup {
        profile: "sandbox".into(),
        accounts,
        catalogues: Vec::new(),
        ui: UiOptions::default(),
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
                .draw(|frame| tui::view(&model, AT, frame))
                .expect("a test screen");
            black_box(effects)
        });
    });
    c.bench_function("a console from nothing", |b| {
        b.iter_batched(|| (), |()| console(), BatchSize::SmallInput);
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
    c.bench_function("a nonce, its lane taken and stored for good", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let mut lane = ledger.lane(&key).await.expect("the lane is free");
                lane.next_nonce(clock.now().wall)
                    .await
                    .expect("the ledger can be written")
            })
        });
    });
    c.bench_function("a slot taken and released", |b| {
        b.iter(|| {
            runtime.block_on(async {
                let (period, flight) = (Duration::from_millis(1), Duration::from_secs(1));
                let taken = ledger
                    .take_slot("bench", 1_000_000, period, 0, flight)
                    .await;
                if let Ok(Slot::Granted(id)) = taken {
                    ledger.release_slot(id, clock.now().wall);
                }
            });
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

criterion_group!(benches, screen, ledger, bytes);
criterion_main!(benches);
