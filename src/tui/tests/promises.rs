//! What always holds: no panic at any size, no secret on any screen, no wake-up without a cause.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use ratatui::crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent};

use super::*;
use crate::domain::search::Found;
use crate::domain::simulate;
use crate::domain::{CheckedPayment, LoadedInventory};
use crate::tui::pasted::Pasted;
use crate::tui::table::bindings;

#[test]
fn an_idle_console_sleeps() {
    let mut model = sized(sandbox_setup(), 120, 40);
    let mut ready = readiness(
        vec![(watch("A-17", None), seen("A-17", "1", &["FINALIZED"]))],
        Vec::new(),
    );
    ready.verify = Vec::new();
    for effect in update(&mut model, second(0), Msg::Ready(ready)) {
        if let Effect::Query { request, .. } = effect {
            press(&mut model, "4<esc>3", second(0));
            let _ = request;
        }
    }
    assert_eq!(next_wake(&model, second(0)), None);
    assert_eq!(next_wake(&model, second(90_000)), None);
}

#[test]
fn countdowns_tick_only_where_they_are_seen() {
    let mut model = busy();
    let now = second(4);
    assert!(next_wake(&model, now).unwrap() <= Duration::from_secs(1));
    press(&mut model, "5f", now);
    let due = next_wake(&model, now).unwrap();
    assert!(
        due > Duration::from_secs(1),
        "only the poll itself: {due:?}"
    );
    model.options.reduced_motion = true;
    press(&mut model, "f", now);
    assert!(next_wake(&model, now).unwrap() > Duration::from_secs(1));
}

#[test]
fn the_screen_stays_as_it_is_until_the_next_wake() {
    fn stays(place: &str, mut model: Model) {
        let now = second(20);
        for still in [false, true] {
            model.options.reduced_motion = still;
            let wake = next_wake(&model, now).unwrap_or(Duration::from_hours(1));
            let later = now.plus(wake.saturating_sub(Duration::from_millis(1)));
            let [before, after] = [now, later].map(|at| screen(&model, at, 120, 40));
            assert_eq!(before, after, "{place}, still: {still}, wakes in {wake:?}");
        }
    }
    std::thread::scope(|scope| {
        for (place, model) in everywhere() {
            scope.spawn(move || stays(&place, model));
        }
    });
}

#[test]
fn the_tab_of_the_focused_pane_is_named_at_every_width() {
    let mut model = busy();
    for width in 40..76 {
        for pane in Pane::ALL {
            model.focus = pane;
            let shown = resized_screen(&mut model, second(4), width, 15);
            let tabs = shown.lines().nth(1).unwrap();
            assert!(!tabs.contains('…'), "{width}: {tabs}");
            let title: String = pane.title().chars().take("1 Cred".len()).collect();
            assert!(tabs.contains(&title), "{width}: {tabs}");
            assert!(tabs.contains('5'), "{width}: {tabs}");
        }
    }
}

/// Consoles with every pane and window, and the states that change what a key does.
pub fn everywhere() -> Vec<(String, Model)> {
    let from = |name: &str, model: &dyn Fn() -> Model, keys: &[&str]| -> Vec<(String, Model)> {
        let places = keys.iter().map(|keys| {
            let mut model = model();
            press(&mut model, keys, second(4));
            (format!("{name} {keys}"), model)
        });
        places.collect()
    };
    let mut all = from(
        "busy",
        &busy,
        &[
            "", "1", "2", "4", "5", "6", "7", "8", "L", "a", "4e", "?", ":", "S", "!", "5<enter>",
            "1i", "D", "?/", "5/x", "3/O", "7/x", "6/c", "6<enter>", "6n", "t", "1p", "3x", "3E",
            "3e", "3N", "T", "P",
        ],
    );
    all.extend(from(
        "received",
        &receiving::received_bytes,
        &["", "i", "r", "/x", "jjjj", "t"],
    ));
    let link = || {
        let mut model = busy();
        super::behaviour::make_link(&mut model, second(4));
        model
    };
    all.extend(from("link", &link, &["", "y"]));
    all.extend(from(
        "players",
        &players::authenticated,
        &["", "e", "<enter>", "a"],
    ));
    let keys = ["", "1", "4", "6", "w", "!", "1A", "1a", "1R", "1d"];
    all.extend(from("live", &live, &keys));
    let starting = || sized(sandbox_setup(), 120, 40);
    all.extend(from(
        "starting",
        &starting,
        &["", "1", "2", "4", "5", "6", "7", "8", "?"],
    ));
    let parts = explorer::in_every_part().into_iter();
    all.extend(parts.map(|(keys, model)| (format!("explorer {keys}"), model)));
    let writing = || {
        let mut model = busy();
        let link = "LA-1<tab>5<tab>EMT<tab><tab><tab><tab> <enter>";
        press(&mut model, link, second(4));
        model.overlays.clear();
        model
    };
    all.extend(from("writing", &writing, &["q"]));
    let opened = |window: Box<DynComponent>| {
        let mut model = busy();
        model.open(window);
        model
    };
    let setting = simulate::Setting::new("token-life", "3600s", &["20s", "3600s"], "its life");
    let windows: [(&str, Box<DynComponent>); 3] = [
        ("claims", Box::new(overlays::claims::State::new(shop()))),
        (
            "several",
            Box::new(overlays::add_many::State::of(
                vec![shop(), shop()],
                0,
                Pasted::default(),
            )),
        ),
        (
            "setting",
            Box::new(overlays::simulate_form::State::setting("kinguin", &setting)),
        ),
    ];
    for (name, window) in windows {
        all.push((name.to_owned(), opened(window)));
    }
    let copying = || {
        let mut model = busy();
        let known = model.store.known(&shop()).unwrap();
        let question = overlays::questions::copy_token(known, model.ctx(second(4), false));
        model.open(Box::new(question));
        model
    };
    all.extend(from("copying", &copying, &[""]));
    let retrying = || {
        let mut model = busy();
        let callbacks = crate::tui::testing::received::deliveries();
        let is_forward = |job: &Job| !job.target.is_empty();
        let failed = |callback: &Arc<Delivery>| callback.retryable().any(is_forward);
        let callback = callbacks.into_iter().find(failed).unwrap();
        let retry = Effect::Retry(model.store.number(), callback.id);
        model.open(Box::new(overlays::questions::retry(&callback, retry)));
        model
    };
    all.extend(from("retrying", &retrying, &[""]));
    all.extend(from("expected", &payments::expected_asked, &[""]));
    let others = receiving::to_look_at();
    all.extend(others.map(|(name, model)| (name.to_owned(), model)));
    all
}

#[test]
fn every_action_of_the_table_is_safe_everywhere() {
    let try_all = |before: Model| {
        // Most actions change nothing in most places; then the second frame is equal to the first.
        let mut seen = HashSet::new();
        for row in bindings() {
            let mut model = before.clone();
            act(&mut model, crate::tui::keys::Action(row), second(4));
            if seen.insert(format!("{model:?}")) {
                drawn(&model, second(4), 80, 24);
            }
        }
    };
    std::thread::scope(|scope| {
        for (_, before) in everywhere() {
            scope.spawn(move || try_all(before));
        }
    });
}

/// Moves, and keys that end something: at an end, or with nothing to end, there is nothing to say.
fn may_be_idle(action: crate::tui::keys::Action) -> bool {
    use crate::tui::keys::{ConsoleAction, Keys as _, NavAction};
    let moves = ["next ", "previous ", "go to ", "scroll "];
    NavAction::of(action).is_some()
        || moves.iter().any(|word| action.0.help.starts_with(word))
        || ConsoleAction::of(action) == Some(ConsoleAction::Escape)
}

#[test]
fn every_action_of_a_scope_changes_something_or_says_why_not() {
    let keymap = busy().keymap;
    let working = |leaf: &'static Scope| leaf.chain().flat_map(|scope| keymap.of(scope));
    let mut works: HashSet<(&'static Scope, &str)> = HashSet::new();
    let mut silent = Vec::new();
    for (name, mut before) in everywhere() {
        before.store.flash = None;
        let scope = before.scope();
        let start = format!("{before:?}");
        for row in working(scope) {
            let mut model = before.clone();
            let effects = act(&mut model, Action(row), second(4));
            if !effects.is_empty() || format!("{model:?}") != start {
                works.insert((scope, row.name));
            } else if !may_be_idle(Action(row)) {
                silent.push(format!("{} in {} ({name})", row.name, scope.title));
            }
        }
    }
    for leaf in keymap.leaves() {
        for row in working(leaf) {
            if !works.contains(&(leaf, row.name)) && !may_be_idle(Action(row)) {
                silent.push(format!("{} in {}, everywhere", row.name, leaf.title));
            }
        }
    }
    assert!(silent.is_empty(), "silent:\n{}", silent.join("\n"));
}

#[test]
fn footer_and_help_list_the_keys_of_each_scope_once() {
    for leaf in busy().keymap.leaves() {
        let mut seen = HashSet::new();
        for scope in leaf.chain() {
            assert!(seen.insert(scope), "{scope:?} twice in {leaf:?}");
        }
    }
}

/// Random keys and clicks with a seed, at four sizes. 20,000 with five seeds each take minutes in a debug build.
fn monkey(seed: u64, events: usize) {
    let mut state = seed;
    // Split-mix: small, and the same everywhere.
    let mut next = move |below: u64| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    };
    let named = [
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Backspace,
    ];
    for (width, height) in [(160, 50), (120, 40), (80, 24), (44, 11)] {
        let mut model = busy();
        update(&mut model, second(4), Msg::Resized { width, height });
        for step in 0..events {
            let kind = next(10);
            let msg = if kind < 3 {
                let kinds = [
                    MouseEventKind::Down(MouseButton::Left),
                    MouseEventKind::Drag(MouseButton::Left),
                    MouseEventKind::Up(MouseButton::Left),
                    MouseEventKind::ScrollDown,
                    MouseEventKind::ScrollUp,
                ];
                Msg::Mouse(MouseEvent {
                    kind: kinds[usize::try_from(next(5)).unwrap()],
                    column: u16::try_from(next(u64::from(width) + 2)).unwrap(),
                    row: u16::try_from(next(u64::from(height) + 2)).unwrap(),
                    modifiers: KeyModifiers::NONE,
                })
            } else {
                let code = match kind {
                    3..6 => named[usize::try_from(next(12)).unwrap()],
                    _ => KeyCode::Char(char::from(b' ' + u8::try_from(next(95)).unwrap())),
                };
                Msg::Key(ratatui::crossterm::event::KeyEvent::new(
                    code,
                    KeyModifiers::NONE,
                ))
            };
            let now = second(4 + step as u64 / 10);
            update(&mut model, now, msg);
            if step % 8 == 0 {
                drawn(&model, now, width, height);
            }
        }
    }
}

#[test]
fn random_keys_and_clicks_break_nothing() {
    monkey(1, 100);
}

#[test]
#[ignore = "takes minutes"]
fn many_random_keys_and_clicks_break_nothing() {
    std::thread::scope(|scope| {
        for seed in 1..=5 {
            scope.spawn(move || monkey(seed, 20_000));
        }
    });
}

#[test]
fn a_links_token_is_on_no_screen() {
    let mut model = busy();
    super::behaviour::make_link(&mut model, second(4));
    let mut seen = String::new();
    for (width, height) in [(200, 60), (80, 24), (50, 12)] {
        seen += &resized_screen(&mut model, second(4), width, height);
    }
    press(&mut model, "y", second(4));
    seen += &screen(&model, second(4), 200, 60);
    press(&mut model, "w", second(4));
    seen += &screen(&model, second(4), 200, 60);
    let message = format!("{model:?}");
    assert!(!message.contains("planted") && !message.contains("xoLcXoC5"));
    assert!(!seen.contains("planted"));
    assert!(!seen.contains("xoLcXoC5"));
}

#[test]
fn hostile_words_stay_words() {
    let mut model = busy();
    let bad = "\u{1b}[2J\u{202e}\u{7}evil\n";
    update(
        &mut model,
        second(4),
        Msg::Notice(msg::Notice {
            level: msg::Level::Error,
            about: "x".into(),
            text: bad.into(),
        }),
    );
    let mut hostile = (*exchange(30, "/x\u{1b}]0;t\u{7}", Outcome::Failed(bad.into()))).clone();
    hostile.method = bad.into();
    hostile.response_body.text = bad.into();
    hostile.response_headers = vec![(bad.into(), bad.into())];
    update(&mut model, second(4), Msg::Exchange(hostile.into()));
    let mut text = screen(&model, second(4), 200, 60);
    press(&mut model, "5G<enter>", second(4));
    text += &screen(&model, second(4), 200, 60);
    assert!(text.chars().all(|c| c == '\n' || !inert::is_hostile(c)));
}

#[test]
fn hostile_callbacks_stay_words() {
    use crate::tui::testing::received;
    let bad = "\u{1b}[2J\u{202e}\u{7}evil\u{9b}31m\n漢字";
    let mut model = receiving::received_bytes();
    let mut hostile = received::delivery(50, 3, "ORDER-1042");
    for text in [
        &mut hostile.why,
        &mut hostile.kind,
        &mut hostile.from,
        &mut hostile.method,
    ] {
        *text = bad.into();
    }
    let mut job = received::forwarded(60, 500, JobState::GivenUp);
    job.summary = bad.into();
    job.target = bad.into();
    hostile.jobs = vec![job];
    let mut text = String::new();
    let mut see = |model: &mut Model| {
        for (width, height) in [(200, 60), (80, 24), (50, 12)] {
            text += &resized_screen(model, second(4), width, height);
        }
    };
    for verdict in CallbackVerdict::ALL {
        let mut one = hostile.clone();
        one.verdict = verdict;
        one.id = DeliveryId(one.id.0 + i64::from(one.verdict as u8));
        if verdict == CallbackVerdict::UnknownAccount {
            one.account = bad.into();
            one.jobs.clear();
        }
        update(&mut model, second(4), Msg::Delivery(one.into()));
    }
    press(&mut model, "<esc>7gf", second(4));
    see(&mut model);
    let asked = press(&mut model, "i", second(4));
    let Some(Effect::OpenDelivery(request, _)) = asked.last() else {
        panic!("{asked:?}");
    };
    let mut bytes = received::received();
    bytes.target = bad.into();
    bytes.headers = vec![(bad.into(), bad.into())];
    bytes.body.text = bad.into();
    bytes.replies = vec![(JobId(60), bytes.body.clone())];
    let msg = Msg::Received(*request, Ok(bytes));
    update(&mut model, second(4), msg);
    see(&mut model);
    press(&mut model, "r", second(4));
    see(&mut model);
    let asked = press(&mut model, "<esc><esc>3ggt", second(4));
    let Some(Effect::LoadHistory(request, _, _)) = asked.last() else {
        panic!("{asked:?}");
    };
    let mut past = received::timeline();
    past.entries.push(received::callback(hostile));
    past.entries.push(received::state(1, bad));
    past.entries
        .push(received::call(2, 3, Outcome::Failed(bad.into())));
    let msg = Msg::Timeline(*request, Ok(past));
    update(&mut model, second(4), msg);
    see(&mut model);
    press(&mut model, "<esc>7", second(4));
    let down = ListenerStatus::Down {
        address: bad.into(),
        why: bad.into(),
        since: second(3).wall,
    };
    update(&mut model, second(4), Msg::ListenerStatus(down));
    see(&mut model);
    let mut players = players::hostile_player(bad);
    see(&mut players);
    assert!(text.contains("evil"));
    assert!(text.chars().all(|c| c == '\n' || !inert::is_hostile(c)));
}

/// One random event.
#[derive(Debug, Clone)]
enum Step {
    Key(KeyCode, KeyModifiers),
    Paste(String),
    Mouse(MouseEventKind, u16, u16),
    Resize(u16, u16),
    Wait(u64),
    AnswerLast(u8),
    Exchange(i64),
    Log(i64),
    Notice(String),
    Delivery(i64, u8),
    Deliveries(i64),
    ListenerStatus(u8),
    Asked(u8),
}

/// Mostly small sizes: there things do not fit, and drawing is fast.
fn size() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![
        3 => (1..=90_u16, 1..=30_u16),
        1 => (1..=250_u16, 1..=80_u16),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = prop_oneof![
        8 => proptest::char::range(' ', '~').prop_map(KeyCode::Char),
        1 => Just(KeyCode::Char('漢')),
        6 => proptest::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up, KeyCode::Down,
            KeyCode::Left, KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Home,
            KeyCode::End, KeyCode::Backspace, KeyCode::Delete,
        ]),
    ];
    let modifiers = prop_oneof![
        9 => Just(KeyModifiers::NONE),
        1 => Just(KeyModifiers::CONTROL),
        1 => Just(KeyModifiers::SHIFT),
    ];
    let mouse = proptest::sample::select(vec![
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::ScrollDown,
        MouseEventKind::ScrollUp,
        MouseEventKind::Moved,
    ]);
    prop_oneof![
        12 => (key, modifiers).prop_map(|(code, with)| Step::Key(code, with)),
        1 => "\\PC{0,40}".prop_map(Step::Paste),
        2 => (mouse, 0..250_u16, 0..80_u16).prop_map(|(kind, x, y)| Step::Mouse(kind, x, y)),
        2 => size().prop_map(|(x, y)| Step::Resize(x, y)),
        2 => (0..400_u64).prop_map(Step::Wait),
        3 => any::<u8>().prop_map(Step::AnswerLast),
        1 => (1..1000_i64).prop_map(Step::Exchange),
        1 => (1..1000_i64).prop_map(Step::Log),
        1 => "\\PC{0,200}".prop_map(Step::Notice),
        4 => (0..60_i64, any::<u8>()).prop_map(|(id, which)| Step::Delivery(id, which)),
        1 => (0..60_i64).prop_map(Step::Deliveries),
        1 => any::<u8>().prop_map(Step::ListenerStatus),
        1 => any::<u8>().prop_map(Step::Asked),
    ]
}

fn some_answer(of: &Op, which: u8) -> Answer {
    let problem = |kind| of.failed(Problem::new(kind, "it failed \u{1b}[0m", "try again"));
    match (which % 4, of) {
        (_, Op::Explore { .. }) => Answer::Explored(some_reply(which)),
        (0, _) => problem(ProblemKind::Unreachable),
        (1, _) => problem(ProblemKind::NotFound),
        (_, Op::Verify) => Answer::Verified(Ok(())),
        (_, Op::CheckPayment(id)) => Answer::Payment(Ok(Payment {
            id: id.clone(),
            currency: Reported::currency("EMT"),
            amount: Reported::amount(
                "1".repeat(usize::from(which))
                    .as_str()
                    .get(..60)
                    .unwrap_or("1"),
            ),
            state: PaymentState::KNOWN[usize::from(which) % 8].clone(),
        })),
        (_, Op::Estimate(_)) => Answer::Estimate(Ok(quote(0, &[("BTC", "0.1")]))),
        (_, Op::PaymentLink(_)) => Answer::Link(Ok(PaymentLink {
            url: Secret::new("https://pay.example/planted-token"),
            shown: "https://pay.example/…".into(),
        })),
        (_, Op::RenewToken) => Answer::Renewed(Ok(())),
        (_, Op::CopyToken) => Answer::Token(Ok(Secret::new("a-token-of-a-test"))),
        _ => problem(ProblemKind::Nonsense),
    }
}

/// A callback with a random verdict, subject and jobs.
fn some_delivery(id: i64, which: u8) -> Delivery {
    use crate::tui::testing::received::{asked, delivery, forwarded, wall};
    let at = wall(i64::from(which) * 3);
    let jobs = [
        vec![],
        vec![asked(1, "x")],
        vec![forwarded(1, 500, JobState::Due { at })],
        vec![asked(1, "漢字"), forwarded(2, 502, JobState::GivenUp)],
    ];
    Delivery {
        verdict: CallbackVerdict::ALL[usize::from(which) % 5],
        account: ["kanga", "", "漢字", "nobody"][usize::from(which) % 4].into(),
        subject: match which % 3 {
            0 => None,
            1 => Some(Subject::Payment(PaymentId::new("ORDER-1042").unwrap())),
            _ => Some(Subject::Player(PlayerId(u64::from(which)))),
        },
        why: "漢字 ".repeat(usize::from(which)),
        jobs: jobs[usize::from(which / 8) % 4].clone(),
        ..delivery(id, i64::from(which) - 100, "ORDER-1042")
    }
}

fn some_listening(which: u8) -> ListenerStatus {
    match which % 3 {
        0 => ListenerStatus::Off,
        1 => crate::tui::testing::received::up(i64::from(which)),
        _ => ListenerStatus::Down {
            address: "127.0.0.1:8787".into(),
            why: "漢字 ".repeat(usize::from(which)),
            since: second(0).wall,
        },
    }
}

/// A reply to a call of the explorer, or none.
fn some_reply(which: u8) -> Result<Explored, Problem> {
    if which.is_multiple_of(4) {
        return Err(Problem::new(
            ProblemKind::Unreachable,
            "it \u{1b}failed",
            "",
        ));
    }
    let row = vec!["漢字\u{202e}".repeat(usize::from(which)); 2];
    let text = [
        "{\"a\":[1,{\"b\":\"\u{7}漢\"}]}",
        "[{\"torn\":\"",
        "<p>\n\u{9b}",
        "",
    ];
    let text = text[usize::from(which) % 4].repeat(usize::from(which % 3) + 1);
    Ok(Explored {
        status: 199 + u16::from(which) * 2,
        content_type: None,
        took: Duration::from_millis(3),
        bytes: text.len(),
        text,
        cut: which > 200,
        failure: (which > 100).then(|| "no \u{1b}".repeat(usize::from(which))),
        digest: (which > 50).then(|| Digest {
            title: "t".into(),
            columns: vec![Column::id("one", "offerId"), Column::number("two")],
            rows: vec![row; usize::from(which % 9)],
            note: "n",
            has_more: which.is_multiple_of(2),
        }),
    })
}

/// Takes about a second in a debug build, with new cases each time; `PROPTEST_CASES` asks for more.
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if asked { usual.cases } else { 24 },
        failure_persistence: None,
        ..usual
    }
}

proptest! {
    #![proptest_config(cases())]
    #[test]
    fn nothing_panics_at_any_size(
        entries in proptest::collection::vec(any_step(), 1..60),
        (width, height) in size(),
        first in 0..9_usize,
    ) {
        let mut model = busy();
        let mut now = second(4);
        let mut asked: Vec<(RequestId, Op)> = Vec::new();
        let mut looked: Vec<(RequestId, bool)> = Vec::new();
        press(&mut model, &first.to_string().replace('0', ""), now);
        update(&mut model, now, Msg::Resized { width, height });
        let mut at = (width, height);
        for (number, step) in entries.into_iter().enumerate() {
            let msg = match step {
                Step::Key(code, with) => {
                    Msg::Key(ratatui::crossterm::event::KeyEvent::new(code, with))
                }
                Step::Paste(text) => Msg::Paste(text),
                Step::Mouse(kind, column, row) => Msg::Mouse(MouseEvent {
                    kind, column, row, modifiers: KeyModifiers::NONE,
                }),
                Step::Resize(width, height) => {
                    at = (width, height);
                    Msg::Resized { width, height }
                }
                Step::Wait(seconds) => {
                    now = now.plus(Duration::from_secs(seconds));
                    Msg::Woke
                }
                Step::AnswerLast(which) if !looked.is_empty() => match looked.remove(0) {
                    (request, _) if which % 5 == 0 => Msg::Timeline(request, Err(Problem::new(ProblemKind::Local, "no \u{1b}", ""))),
                    (request, true) => Msg::Timeline(request, Ok(crate::tui::testing::received::timeline())),
                    (request, false) => Msg::Received(request, Ok(crate::tui::testing::received::received())),
                },
                Step::Delivery(id, which) => Msg::Delivery(some_delivery(id, which).into()),
                Step::Deliveries(id) => {
                    Msg::Deliveries(Ok(Found {
                        rows: vec![some_delivery(-id, 1).into()],
                        searched: Some(7),
                    }))
                }
                Step::ListenerStatus(which) => Msg::ListenerStatus(some_listening(which)),
                Step::Asked(which) if which % 2 == 0 => {
                    let id = PaymentId::new(format!("NEW-{which}")).unwrap();
                    let Answer::Payment(result) = some_answer(&Op::CheckPayment(id.clone()), which) else {
                        unreachable!("a check is answered with a payment");
                    };
                    Msg::Checked(CheckedPayment { account: shop(), id, result, expected: None, here: which % 4 == 0 })
                }
                Step::Asked(which) => {
                    let player = PlayerId(u64::from(which));
                    let items = players::items(usize::from(which));
                    Msg::PlayerItems(LoadedInventory { account: shop(), player, result: Ok(Inventory { player, items }) })
                }
                Step::AnswerLast(which) => match asked.pop() {
                    Some((request, op)) => Msg::Answered(request, some_answer(&op, which)),
                    None => Msg::Woke,
                },
                Step::Exchange(id) => Msg::Exchange(exchange(id, "/x", Outcome::Status(503))),
                Step::Log(id) => {
                    Msg::Log(Ok(Found {
                        rows: vec![exchange(id, "/old", Outcome::Failed("x".into()))],
                        searched: Some(7),
                    }))
                }
                Step::Notice(text) => Msg::Notice(msg::Notice {
                    level: msg::Level::Warning, about: text.clone(), text,
                }),
            };
            for effect in update(&mut model, now, msg) {
                match &effect {
                    Effect::LoadHistory(request, _, _) => looked.push((*request, true)),
                    Effect::OpenDelivery(request, _) => looked.push((*request, false)),
                    _ => {}
                }
                if let Effect::Query { request, op, .. } = effect {
                    prop_assert!(asked.iter().all(|(other, _)| *other != request));
                    asked.push((request, op));
                }
            }
            // Every second frame has another size than the last resize event.
            let (width, height) = if number % 2 == 0 { at } else { (width, height) };
            drawn(&model, now, width, height);
            let _ = next_wake(&model, now);
        }
    }
}
