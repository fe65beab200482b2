//! Whole screens as text, and promises that no single pane can keep.

use insta::assert_snapshot;
use ratatui::crossterm::event::MouseEventKind;

use super::testing::*;
use super::*;
use crate::domain::*;

mod accounts;
mod behaviour;
mod budgets;
mod doctor;
mod explorer;
mod follow_ups;
mod gallery;
mod help;
mod notify;
mod payments;
mod plain;
mod players;
mod pointer;
mod preferences;
mod profiles;
mod promises;
mod receiving;
mod recording;
mod tokens;

#[test]
fn the_first_frame_says_what_is_being_opened() {
    let mut model = sized(sandbox_setup(), 120, 40);
    assert_snapshot!(
        "opening_80x24",
        resized_screen(&mut model, second(0), 80, 24)
    );
}

#[test]
fn a_busy_sandbox_at_every_size() {
    let mut model = busy();
    let wide = [(200, 60), (160, 50), (120, 40), (80, 24)];
    let small = [(60, 15), (44, 11), (40, 10), (30, 5)];
    for (width, height) in wide.into_iter().chain(small) {
        let text = resized_screen(&mut model, second(4), width, height);
        assert_snapshot!(format!("busy_{width}x{height}"), text);
    }
}

#[test]
fn a_zoomed_pane_uses_the_room() {
    let mut model = busy();
    press(&mut model, "f", second(4));
    for pane in [Pane::Payments, Pane::Requests, Pane::Credentials] {
        model.focus = pane;
        for (width, height) in [(200, 60), (40, 10)] {
            let text = resized_screen(&mut model, second(4), width, height);
            let name = pane.name().to_lowercase();
            assert_snapshot!(format!("zoomed_{name}_{width}x{height}"), text);
        }
    }
}

#[test]
fn nothing_watched_and_nothing_sent() {
    let mut model = sized(sandbox_setup(), 120, 40);
    update(
        &mut model,
        second(0),
        Msg::Ready(readiness(Vec::new(), Vec::new())),
    );
    assert_snapshot!("empty_120x40", screen(&model, second(0), 120, 40));
}

#[test]
fn live_accounts_that_do_not_work() {
    let mut model = live();
    assert_snapshot!("live_trouble_120x40", screen(&model, second(130), 120, 40));
    assert_snapshot!(
        "live_trouble_80x24",
        resized_screen(&mut model, second(130), 80, 24)
    );
}

#[test]
fn a_provider_that_cannot_be_reached() {
    let mut model = busy();
    let problem = || {
        Problem::new(
            ProblemKind::Unreachable,
            "kanga cannot be reached: connection refused",
            "check the network; the question is repeated by itself",
        )
    };
    for keys in ["c", "4r", "1v"] {
        let effects = press(&mut model, keys, second(4));
        let shown = screen(&model, second(4), 120, 40);
        assert_eq!(shown.contains("estimating…"), keys == "4r", "{shown}");
        for effect in effects {
            if let Effect::Query { request, op, .. } = effect {
                answer(&mut model, second(4), request, op.failed(problem()));
            }
        }
    }
    press(&mut model, "3", second(4));
    assert_snapshot!("offline_120x40", screen(&model, second(4), 120, 40));
    assert_snapshot!(
        "offline_80x24",
        resized_screen(&mut model, second(4), 80, 24)
    );
    let shown = resized_screen(&mut model, second(4), 120, 40);
    assert!(shown.contains("old: just now") && shown.contains("0.00151"));
    let alerts = alerts::all(&model.store);
    let failing = alerts.iter().find(|alert| alert.key == "checks kanga");
    assert!(failing.is_some(), "its result says no more: {alerts:?}");
}

/// Three accounts in three kinds of trouble.
fn live() -> Model {
    let mut model = sized(live_setup(), 120, 40);
    let mut ready = readiness(Vec::new(), Vec::new());
    ready.simulator = None;
    ready.verify = Vec::new();
    let name = |text: &str| AccountId::new(text).unwrap();
    ready.saved.credentials = vec![
        (
            name("shop"),
            CredentialStatus {
                state: CredentialState::Refused,
                at: Some(second(0).wall),
                why: Some("Kanga refused the key or the nonce (9000). Check the secret in KANGA_API_SECRET, and whether another program uses this key with a clock ahead of ours".into()),
            },
        ),
        (
            name("outlet"),
            CredentialStatus::after(Ok(()), second(0).wall),
        ),
        (
            name("trial"),
            CredentialStatus {
                state: CredentialState::Unreachable,
                at: Some(second(0).wall),
                why: Some("no connection to api.kanga.exchange".into()),
            },
        ),
    ];
    update(&mut model, second(0), Msg::Ready(ready));
    update(
        &mut model,
        second(0),
        Msg::Notice(msg::Notice {
            level: msg::Level::Warning,
            about: "clock shop".into(),
            text: "This machine's clock is 4 s ahead of Kanga's: nonces from the future would lock the shop's own integration out".into(),
        }),
    );
    model
}

#[test]
fn windows() {
    let mut model = busy();
    let now = second(4);
    press(&mut model, "?", now);
    assert_snapshot!("help_120x40", screen(&model, now, 120, 40));
    press(&mut model, "<esc>:ver", now);
    assert_snapshot!("palette_80x24", screen(&model, now, 80, 24));
    press(&mut model, "<esc>S", now);
    assert_snapshot!("sandbox_80x24", resized_screen(&mut model, now, 80, 24));
    press(&mut model, "<esc>5<enter>", now);
    assert_snapshot!("exchange_80x24", screen(&model, now, 80, 24));
    press(&mut model, "<esc>3a", now);
    update(&mut model, now, Msg::Paste("ORDER-1099\n".into()));
    press(&mut model, "<tab>1,5<enter>", now);
    assert_snapshot!("add_watch_80x24", screen(&model, now, 80, 24));
    press(&mut model, "<esc>4e", now);
    assert_snapshot!("quote_80x24", screen(&model, now, 80, 24));
    press(&mut model, "<esc>5k/", now);
    update(&mut model, now, Msg::Paste("trans".into()));
    update(&mut model, now, Msg::Log(Ok(found(Vec::new()))));
    assert_snapshot!("filter_80x24", screen(&model, now, 80, 24));
}

#[test]
fn a_link_and_its_code() {
    let mut model = busy();
    let now = second(4);
    press(&mut model, "LA 1<tab>1e5<enter>", now);
    assert_snapshot!("link_form_80x24", resized_screen(&mut model, now, 80, 24));
    behaviour::make_link(&mut model, now);
    assert_snapshot!("link_80x24", screen(&model, now, 80, 24));
    assert_snapshot!("link_120x40", resized_screen(&mut model, now, 120, 40));
}

#[test]
fn a_terminal_of_the_shown_size_shows_the_code() {
    let no_room = "The QR code needs";
    for ascii in [false, true] {
        let mut model = busy();
        model.options.ascii = ascii;
        model.theme = Theme::new(&model.options, model.tint, model.color);
        behaviour::make_link(&mut model, second(4));
        for (width, height) in [(40, 20), (44, 60), (80, 24), (150, 20)] {
            let shown = resized_screen(&mut model, second(4), width, height);
            assert!(shown.contains(no_room), "{width}x{height}:\n{shown}");
            let words: String = shown.replace(['│', '|', '\n'], " ");
            let mut words = words.split_whitespace().skip_while(|word| *word != "least");
            let size = words.nth(1).unwrap().trim_end_matches(';');
            let (wide, high) = size.split_once('x').unwrap();
            let (wide, high) = (wide.parse().unwrap(), high.parse().unwrap());
            let shown = resized_screen(&mut model, second(4), wide, high);
            assert!(!shown.contains(no_room), "{size}:\n{shown}");
        }
    }
}

#[test]
fn a_console_that_cannot_start() {
    let mut model = sized(sandbox_setup(), 80, 24);
    let problem = Problem::new(
        ProblemKind::Local,
        "the ledger /home/ops/.local/state/tilldeck/ledger.db cannot be opened: disk full",
        "free some space, or choose another folder with --state-dir",
    );
    update(&mut model, second(0), Msg::NotReady(problem));
    assert_snapshot!("failed_80x24", screen(&model, second(0), 80, 24));
    assert_eq!(press(&mut model, "alS?:", second(0)), []);
    assert_eq!(press(&mut model, "q", second(0)), [Effect::Quit]);
}

#[test]
fn ascii_screens_are_ascii() {
    let mut setup = sandbox_setup();
    setup.ui.ascii = true;
    setup.color = false;
    let mut model = busy();
    model.theme = Theme::new(&setup.ui, None, false);
    model.options = setup.ui;
    let text = screen(&model, second(4), 120, 40);
    assert!(text.is_ascii());
    assert_snapshot!("ascii_120x40", text);
    for keys in ["?", "<esc>S", "<esc>5<enter>"] {
        press(&mut model, keys, second(4));
        assert!(screen(&model, second(4), 80, 24).is_ascii(), "{keys}");
    }
}

/// Writes screens with their colours under `target/screens`, to be looked at with `cat`.
#[test]
#[ignore = "for looking at, not for checking"]
fn colours_to_look_at() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/screens");
    std::fs::create_dir_all(folder).unwrap();
    for theme in ThemeChoice::ALL {
        let name = theme.as_str();
        let ui = Ui {
            theme,
            ..Ui::default()
        };
        let mut model = busy();
        model.theme = Theme::new(&ui, None, true);
        let text = testing::ansi(&model, second(4), 120, 40);
        std::fs::write(format!("{folder}/busy-{name}"), text).unwrap();
        press(&mut model, "S", second(4));
        let text = testing::ansi(&model, second(4), 120, 40);
        std::fs::write(format!("{folder}/sandbox-{name}"), text).unwrap();
        behaviour::make_link(&mut model, second(4));
        let text = testing::ansi(&model, second(4), 120, 40);
        std::fs::write(format!("{folder}/link-{name}"), text).unwrap();
        for (what, mut model) in receiving::to_look_at() {
            model.theme = Theme::new(&ui, None, true);
            let text = testing::ansi(&model, second(4), 120, 40);
            std::fs::write(format!("{folder}/{what}-{name}"), text).unwrap();
        }
        let mut model = live();
        model.theme = Theme::new(&ui, None, true);
        let text = testing::ansi(&model, second(130), 120, 40);
        std::fs::write(format!("{folder}/live-{name}"), text).unwrap();
    }
}
