//! Every pane in every state, every window on the smallest screen, and every place in every theme.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::promises::everywhere;
use super::*;
use crate::domain::Account;
use crate::tui::overlays::ask::Confirmation;
use crate::tui::testing::received;

/// The longest name that an account may have, and a payment id that no column can hold.
const LONG_NAME: &str = "a-merchant-with-a-very-long-name-that-no-column-can-show-whole-1";
const LONG_ID: &str = "SUBSCRIPTION-2026-11-28-0000000000000000000000000000000000000000000000000000000000000000000000-a7f3";

fn opening() -> Model {
    sized(sandbox_setup(), 120, 40)
}

/// A profile without accounts.
fn empty() -> Model {
    let mut setup = sandbox_setup();
    setup.accounts.clear();
    let mut model = sized(setup, 120, 40);
    let mut ready = readiness(Vec::new(), Vec::new());
    ready.verify = Vec::new();
    update(&mut model, second(0), Msg::Ready(ready));
    model
}

/// Nothing answers, and no callback can be received.
fn failing() -> Model {
    let mut model = busy();
    let problem = || {
        Problem::new(
            ProblemKind::Unreachable,
            "account kanga: connection refused",
            "check the network",
        )
    };
    for keys in ["3c", "4r", "1v"] {
        for effect in press(&mut model, keys, second(4)) {
            if let Effect::Query { request, op, .. } = effect {
                answer(&mut model, second(4), request, op.failed(problem()));
            }
        }
    }
    let down = ListenerStatus::Down {
        address: "127.0.0.1:8787".into(),
        why: "the address is in use".into(),
        since: second(2).wall,
    };
    update(&mut model, second(4), Msg::ListenerStatus(down));
    model
}

/// Names, ids and reasons that no column can hold.
fn long() -> Model {
    let mut setup = sandbox_setup();
    setup.accounts = vec![
        account(LONG_NAME, Environment::Embedded),
        Account {
            id: AccountId::new(format!("b{}", &LONG_NAME[1..])).unwrap(),
            ..token_account("b", Environment::Embedded)
        },
    ];
    let mut model = sized(setup, 120, 40);
    let account = AccountId::new(LONG_NAME).unwrap();
    let mut watch = watch(LONG_ID, Some("123456789012345678.123456789012345678"));
    watch.account = account.clone();
    let seen = seen(
        LONG_ID,
        "123456789012345678.123456789012345679",
        &["NEW", "ACTIVE"],
    );
    let mut call = (*exchange(
        3,
        &format!("/api/v2/{LONG_ID}"),
        Outcome::Failed(LONG_ID.into()),
    ))
    .clone();
    call.account = account.clone();
    call.about = LONG_ID.into();
    let mut ready = readiness(vec![(watch, seen)], vec![call.into()]);
    let why = format!("the provider refused the key: {LONG_ID}");
    let at = second(0).wall;
    ready.saved.credentials = vec![(
        account.clone(),
        CredentialStatus {
            state: CredentialState::Refused,
            at: Some(at),
            why: Some(why.clone()),
        },
    )];
    ready.verify = Vec::new();
    let mut delivery = received::delivery(1, -5, LONG_ID);
    delivery.account = LONG_NAME.into();
    delivery.why = why;
    ready.saved.deliveries = vec![delivery.into()];
    ready.listening = received::up(1);
    update(&mut model, second(0), Msg::Ready(ready));
    model
}

/// More rows than any screen has.
fn full() -> Model {
    let mut model = payments::many();
    for at in 1..=200 {
        let call = exchange(at, "/api/v2/tpg/transaction", Outcome::Status(200));
        update(&mut model, second(4), Msg::Exchange(call));
        let delivery = received::delivery(at, at, "ORDER-1042");
        update(&mut model, second(4), Msg::Delivery(delivery.into()));
    }
    model
}

fn titled(title: &str, shown: &str, into: &mut String) {
    let _ = write!(into, "== {title}\n{shown}");
}

#[test]
fn every_pane_in_every_state() {
    let states = vec![
        ("opening", opening()),
        ("empty", empty()),
        ("failing", failing()),
        ("long", long()),
        ("full", full()),
    ];
    for (state, begun) in states {
        let mut shown = String::new();
        for pane in Pane::ALL {
            let mut model = begun.clone();
            let number = (pane.index() + 1).to_string();
            press(&mut model, &format!("{number}f"), second(400));
            titled(
                pane.name(),
                &resized_screen(&mut model, second(400), 80, 24),
                &mut shown,
            );
        }
        assert_snapshot!(format!("panes_{state}_80x24"), shown);
    }
}

#[test]
fn every_window_on_the_smallest_screen() {
    let mut shown = String::new();
    let mut seen = Vec::new();
    for (_, mut model) in everywhere() {
        let Some(window) = model.overlays.last() else {
            continue;
        };
        // The module of its type, or of what its form is about; of a question, its title too.
        let path = window.kind().trim_end_matches('>');
        let mut name = path.rsplit("::").nth(1).unwrap_or_default().to_owned();
        if let Some(question) = top::<Confirmation>(&model) {
            name = format!("{name}: {}", question.title);
        }
        if !seen.contains(&name) {
            titled(
                &name,
                &resized_screen(&mut model, second(4), 40, 10),
                &mut shown,
            );
            seen.push(name);
        }
    }
    assert_snapshot!("windows_40x10", shown);
    let shared = ["ask", "form_window", "legend", "questions", "typed"];
    let windows = include_str!("../overlays/mod.rs").lines();
    let windows = windows.filter_map(|line| line.split_once("mod ")?.1.strip_suffix(';'));
    let missing: Vec<_> = windows
        .filter(|name| !shared.contains(name) && !seen.iter().any(|seen| seen == name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The contrast of two colours by WCAG 2, times 100, with a square for the gamma curve.
fn contrast(one: Color, other: Color) -> u64 {
    let light = |color: Color| {
        let (r, g, b) = rgb(color);
        let square = |part: u64| part * part;
        (2126 * square(r) + 7152 * square(g) + 722 * square(b)) / (255 * 255)
    };
    let (one, other) = (light(one) + 500, light(other) + 500);
    100 * one.max(other) / one.min(other)
}

/// The colours that every terminal with 256 of them has.
fn rgb(color: Color) -> (u64, u64, u64) {
    let Color::Indexed(index) = color else {
        panic!("{color:?} depends on the terminal");
    };
    let index = u64::from(index);
    match index {
        16..232 => {
            let part = |n: u64| if n == 0 { 0 } else { 55 + 40 * n };
            let index = index - 16;
            (part(index / 36), part(index / 6 % 6), part(index % 6))
        }
        232.. => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
        _ => panic!("{index} depends on the terminal"),
    }
}

/// The frame in a theme.
fn themed(model: &mut Model, theme: ThemeChoice, color: bool) -> Buffer {
    model.options.theme = theme;
    model.color = color;
    model.theme = Theme::new(&model.options, model.tint, model.color);
    drawn(model, second(4), 100, 30)
}

fn symbols(frame: &Buffer) -> Vec<&str> {
    let cells = frame.content.iter();
    cells.map(ratatui::buffer::Cell::symbol).collect()
}

fn can_be_read_in_every_theme(place: &str, mut model: Model) {
    let text = themed(&mut model, ThemeChoice::Auto, true);
    // The terminal's own colours.
    let (black, white) = (Color::Indexed(16), Color::Indexed(231));
    let grounds = [
        (ThemeChoice::Dark, black, Color::Indexed(252), 450),
        (ThemeChoice::Light, white, black, 450),
        (ThemeChoice::HighContrast, black, white, 700),
    ];
    for (choice, ground, ink, least) in grounds {
        let frame = themed(&mut model, choice, true);
        assert_eq!(symbols(&frame), symbols(&text), "{choice:?} {place}");
        let behind = model.theme.behind_window().fg.unwrap();
        for cell in &frame.content {
            let or = |color: Color, default: Color| match color {
                Color::Reset => default,
                color => color,
            };
            let is_text = cell.symbol().chars().any(char::is_alphanumeric);
            let is_behind = !model.overlays.is_empty() && cell.fg == behind;
            if is_text && !is_behind && !cell.modifier.contains(Modifier::REVERSED) {
                let contrast = contrast(or(cell.fg, ink), or(cell.bg, ground));
                assert!(contrast >= least, "{choice:?} {place}: {cell:?} {contrast}");
            }
        }
    }
    for (choice, color) in [(ThemeChoice::Auto, false), (ThemeChoice::Mono, true)] {
        let plain = themed(&mut model, choice, color);
        let is_coloured =
            |cell: &ratatui::buffer::Cell| (cell.fg, cell.bg) != (Color::Reset, Color::Reset);
        assert!(!plain.content.iter().any(is_coloured), "{choice:?} {place}");
    }
}

#[test]
fn every_place_can_be_read_in_every_theme() {
    std::thread::scope(|scope| {
        for (place, model) in everywhere() {
            scope.spawn(move || can_be_read_in_every_theme(&place, model));
        }
    });
}
