//! The operator's choices: the panes, and the theme that follows the terminal.

use ratatui::style::Color;

use super::*;
use crate::domain::Words;
use crate::domain::ui::ConfigPosition;

fn with_panes(panes: &[&str]) -> Result<Model, SetupError> {
    let mut setup = sandbox_setup();
    let place = ConfigPosition {
        line: 7,
        ..ConfigPosition::default()
    };
    let words = panes.iter().map(ToString::to_string).collect();
    setup.ui.panes = Some(Words { words, place });
    Model::new(setup)
}

#[test]
fn the_chosen_panes_are_shown_in_their_order() {
    let mut model = with_panes(&["requests", "payments", "explorer"]).unwrap();
    let shown = resized_screen(&mut model, second(0), 120, 40);
    for (title, is_shown) in [
        ("─ 5 Requests ─", true),
        ("─ 3 Payments ─", true),
        ("─ 1 Credentials ─", false),
        ("─ 7 Callbacks ─", false),
    ] {
        assert_eq!(shown.contains(title), is_shown, "{title}\n{shown}");
    }
    let mut round = Vec::new();
    for _ in 0..4 {
        round.push(model.focus);
        press(&mut model, "<tab>", second(0));
    }
    let [log, pay, calls] = [Pane::Requests, Pane::Payments, Pane::Explorer];
    assert_eq!(round, [pay, calls, log, pay]);
    let shown = resized_screen(&mut model, second(0), 60, 15);
    assert!(
        shown.contains("5 Requests  3 Payments  6 Explorer"),
        "{shown}"
    );
}

#[test]
fn a_hidden_pane_is_reached_by_its_number_and_fills_the_screen() {
    let mut model = with_panes(&["payments"]).unwrap();
    update(
        &mut model,
        second(0),
        Msg::Resized {
            width: 120,
            height: 40,
        },
    );
    press(&mut model, "1", second(0));
    let shown = screen(&model, second(0), 120, 40);
    assert!(shown.contains("─ 1 Credentials ─"), "{shown}");
    assert!(!shown.contains("─ 3 Payments ─"), "{shown}");
    press(&mut model, "f", second(0));
    let shown = screen(&model, second(0), 120, 40);
    assert!(
        shown.contains("this pane always fills the screen"),
        "{shown}"
    );
    press(&mut model, "<tab>", second(0));
    assert_eq!(model.focus, Pane::Payments);
}

#[test]
fn a_pane_that_does_not_exist_or_comes_twice_is_an_error() {
    let error = with_panes(&["payments", "paymets"]).unwrap_err();
    assert_eq!(error.place.line, 7);
    assert_eq!(
        error.message,
        "[ui] panes: unknown pane `paymets`; the panes are credentials, tokens, payments, estimates, requests, \
         explorer, callbacks, players"
    );
    let error = with_panes(&["payments", "payments"]).unwrap_err();
    assert_eq!(error.message, "[ui] panes: `panes` lists payments twice");
}

#[test]
fn the_theme_follows_the_terminals_background() {
    let size = Msg::Resized {
        width: 80,
        height: 24,
    };
    let theme = |theme| {
        let ui = Ui {
            theme,
            ..Ui::default()
        };
        Theme::new(&ui, None, true)
    };
    for choice in [ThemeChoice::Dark, ThemeChoice::Light] {
        let mut model = Model::new(sandbox_setup()).unwrap();
        let asked = update(&mut model, second(0), size.clone());
        assert_eq!(asked, [Effect::AskBackground]);
        assert_eq!(
            update(&mut model, second(0), size.clone()),
            [],
            "asked once"
        );
        model.take_dirty();
        update(&mut model, second(0), Msg::Background(choice));
        assert!(model.take_dirty());
        assert_eq!(model.theme, theme(choice));
        // One answer counts.
        update(&mut model, second(1), Msg::Background(ThemeChoice::Auto));
        assert_eq!(model.theme, theme(choice));
    }
}

#[test]
fn a_late_answer_about_the_background_changes_nothing() {
    let mut model = sized(sandbox_setup(), 80, 24);
    update(&mut model, second(3), Msg::Background(ThemeChoice::Light));
    assert_eq!(model.theme, Theme::new(&Ui::default(), None, true));
}

#[test]
fn a_theme_that_looks_the_same_everywhere_asks_nothing() {
    for (theme, color) in [
        (ThemeChoice::HighContrast, true),
        (ThemeChoice::Mono, true),
        (ThemeChoice::Light, false),
        (ThemeChoice::Auto, false),
    ] {
        let mut setup = sandbox_setup();
        setup.ui.theme = theme;
        setup.color = color;
        let mut model = Model::new(setup).unwrap();
        let size = Msg::Resized {
            width: 80,
            height: 24,
        };
        assert_eq!(update(&mut model, second(0), size), []);
    }
}

#[test]
fn an_explicit_theme_is_readable_on_the_other_background() {
    let (dark, light) = (ThemeChoice::Dark, ThemeChoice::Light);
    let (black, white) = (Color::Indexed(16), Color::Indexed(231));
    for (theme, background, screen) in [
        (light, dark, (black, white)),
        (dark, light, (white, black)),
        (light, light, (Color::Reset, Color::Reset)),
        (dark, dark, (Color::Reset, Color::Reset)),
    ] {
        let mut setup = sandbox_setup();
        setup.ui.theme = theme;
        let mut model = Model::new(setup).unwrap();
        let (width, height) = (80, 24);
        let asked = update(&mut model, second(0), Msg::Resized { width, height });
        assert_eq!(asked, [Effect::AskBackground]);
        update(&mut model, second(1), Msg::Background(background));
        let buf = testing::drawn(&model, second(1), width, height);
        let empty = buf.cell((width - 2, height / 2)).unwrap();
        assert_eq!((empty.fg, empty.bg), screen, "{theme:?} on {background:?}");
        // It stays what the operator chose, also after another look.
        press(&mut model, "TG<esc>", second(2));
        assert_eq!(testing::drawn(&model, second(1), width, height), buf);
    }
}

fn in_theme(theme: ThemeChoice) -> Model {
    let mut model = busy();
    model.options.theme = theme;
    model.theme = Theme::new(&model.options, model.tint, model.color);
    model
}

#[test]
fn each_theme_colours_by_meaning() {
    for theme in ThemeChoice::ALL {
        let model = in_theme(theme);
        let name = format!("theme_{}", theme.as_str().replace('-', "_"));
        assert_snapshot!(name, testing::styled(&model, second(4), 80, 24));
    }
}

#[test]
fn the_selected_theme_is_drawn_at_once_and_enter_saves_it() {
    let mut model = in_theme(ThemeChoice::Dark);
    let drawn_in = |model: &Model, theme| {
        let options = Ui {
            theme,
            ..Ui::default()
        };
        model.theme == Theme::new(&options, None, true)
    };
    press(&mut model, "T", second(4));
    assert_snapshot!("themes_80x24", screen(&model, second(4), 80, 24));
    assert_eq!(press(&mut model, "j", second(4)), []);
    assert!(drawn_in(&model, ThemeChoice::Light));
    press(&mut model, "<esc>", second(4));
    assert!(drawn_in(&model, ThemeChoice::Dark), "Esc goes back");
    let out = press(&mut model, "Tjj<enter>", second(4));
    assert_eq!(out, [Effect::SaveTheme(ThemeChoice::HighContrast)]);
    assert!(drawn_in(&model, ThemeChoice::HighContrast));
    assert!(model.overlays.is_empty());
}

#[test]
fn back_on_auto_the_background_that_was_reported_still_counts() {
    let mut model = Model::new(sandbox_setup()).unwrap();
    let size = Msg::Resized {
        width: 80,
        height: 24,
    };
    update(&mut model, second(0), size);
    update(&mut model, second(0), Msg::Background(ThemeChoice::Light));
    let light = model.theme.clone();
    press(&mut model, "TG", second(1));
    assert!(!model.theme.has_color());
    press(&mut model, "g", second(1));
    assert_eq!(model.theme, light);
}

#[test]
fn auto_chosen_later_asks_for_the_background() {
    let mut setup = sandbox_setup();
    setup.ui.theme = ThemeChoice::HighContrast;
    let mut model = sized(setup, 80, 24);
    assert_eq!(press(&mut model, "Tg", second(90)), [Effect::AskBackground]);
    update(&mut model, second(91), Msg::Background(ThemeChoice::Light));
    assert!(model.theme.is_light());
}

#[test]
fn a_tinted_profile_shows_its_name_as_a_badge() {
    let mut setup = live_setup();
    setup.ui.theme = ThemeChoice::Dark;
    setup.tint = Some(crate::domain::Color::Index(5));
    let model = sized(setup, 80, 24);
    let frame = drawn(&model, second(0), 80, 24);
    let header: String = (0..80).map(|x| frame[(x, 0)].symbol()).collect();
    assert!(
        header.starts_with(" tilldeck ›  live    LIVE real money"),
        "{header}"
    );
    let name = &frame[(13, 0)];
    assert_eq!(
        (name.symbol(), name.fg),
        ("l", ratatui::style::Color::Indexed(5))
    );
    assert!(name.modifier.contains(ratatui::style::Modifier::REVERSED));
}

/// The names in the palette after this text was typed.
fn palette(model: &mut Model, text: &str) -> Vec<String> {
    press(model, &format!(":{text}"), second(4));
    let shown = screen(model, second(4), 160, 50);
    let rows = shown.lines().filter_map(|line| {
        let row = line.split(['│', '╭']).find(|part| {
            let kinds = [
                "console", "Requests", "account", "payment", "call  ", "theme ",
            ];
            kinds.iter().any(|kind| part.trim_start().starts_with(kind))
        })?;
        Some(row.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
    });
    rows.collect()
}

#[test]
fn the_palette_finds_more_than_actions_and_puts_whole_words_first() {
    for (text, first) in [
        ("theme", "console theme"),
        ("alert", "console alerts"),
        ("ORDER-1042", "payment ORDER-1042"),
        ("kanga", "account kanga"),
        ("high", "theme high-contrast"),
        ("one offer", "call GET"),
        ("curl", "Requests copy-request-curl"),
        // Of two that match as well, that of the pane: Payments and Callbacks have such actions, too.
        ("timeline", "Requests request-timeline"),
        ("filter", "Requests filter"),
    ] {
        let mut model = busy();
        press(&mut model, "5", second(4));
        update(
            &mut model,
            second(4),
            Msg::Resized {
                width: 160,
                height: 50,
            },
        );
        let found = palette(&mut model, text);
        assert_eq!(
            found.first().map(String::as_str),
            Some(first),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn an_entry_of_the_palette_goes_where_it_names() {
    let mut model = busy();
    press(&mut model, "1:ORDER-1041<enter>", second(4));
    assert_eq!(model.focus, Pane::Payments);
    let selected = model.store.selected_payment.clone().unwrap();
    assert_eq!(selected.1.as_str(), "ORDER-1041");
    press(&mut model, ":one offer<enter>", second(4));
    assert_eq!(model.focus, Pane::Explorer);
    let shown = screen(&model, second(4), 120, 40);
    assert!(shown.contains("│▸ GET      one offer"), "{shown}");
    let mut model = busy();
    let out = press(&mut model, ":mono<enter>", second(4));
    assert!(out.contains(&Effect::SaveTheme(ThemeChoice::Mono)));
    assert!(!model.theme.has_color());
}

#[test]
fn the_palette_scrolls_by_pages_and_says_where_it_is() {
    let mut model = busy();
    let mut shown = |keys: &str| {
        press(&mut model, keys, second(4));
        screen(&model, second(4), 80, 24)
    };
    assert!(shown(":").contains(" 1-15 of "));
    assert!(!shown("<pgdn><pgdn>").contains(" 1-15 of "));
    let (last, first) = (shown("<end>"), shown("<home>"));
    assert!(last.contains("call        DELETE /v1/offers"), "{last}");
    assert!(first.contains(" 1-15 of "), "{first}");
}

#[test]
fn a_page_of_the_palette_skips_no_entry_on_a_small_screen() {
    let (mut model, now) = (busy(), second(4));
    resized_screen(&mut model, now, 44, 11);
    let place = |model: &Model| {
        let text = screen(model, now, 44, 11);
        let words: Vec<&str> = text.split_whitespace().collect();
        let place = words.windows(2).find(|pair| pair[1] == "of").unwrap()[0];
        let (first, last) = place.split_once('-').unwrap();
        (first.parse::<u16>().unwrap(), last.parse::<u16>().unwrap())
    };
    press(&mut model, ":", now);
    for _ in 0..5 {
        let before = place(&model);
        press(&mut model, "<pgdn>", now);
        let after = place(&model);
        assert!(after.0 <= before.1 + 1, "{before:?} {after:?}");
    }
}

#[test]
fn the_palette_opens_the_help_about_a_topic_and_the_guide_of_a_provider() {
    for (keys, title, text) in [
        (
            ":help badges<enter>",
            "Help",
            "write calls are allowed for this account",
        ),
        (
            ":help columns of callbacks<enter>",
            "Help",
            "Columns of Callbacks",
        ),
        (":guide kinguin<enter>", "Guide", "A client (id and secret)"),
    ] {
        let mut model = busy();
        press(&mut model, keys, second(4));
        let shown = screen(&model, second(4), 120, 40);
        assert!(
            shown.contains(&format!(" {title} ")) && shown.contains(text),
            "{shown}"
        );
        assert!(!shown.contains(" Find "), "{shown}");
    }
}

#[test]
fn the_palette_has_each_topic_of_the_help_once() {
    let mut model = busy();
    press(&mut model, ":help windows", second(4));
    let shown = screen(&model, second(4), 120, 40);
    assert_eq!(shown.matches("Windows ").count(), 1, "{shown}");
}

/// The console of the next start, when its data has arrived.
fn next_start(model: &mut Model) -> Model {
    let text = model.screen_state().to_text();
    let state = ScreenState::parse(&text).expect(&text);
    let mut next = sized(sandbox_setup(), 120, 40);
    next.restore(&state);
    let log = (1..=9).map(|at| exchange(at, "/api/v2/tpg/transaction", Outcome::Status(200)));
    let watches = ["A-1", "B-2", "B-3"].map(|id| (watch(id, None), Vec::new()));
    let ready = readiness(watches.into(), log.rev().collect());
    update(&mut next, second(0), Msg::Ready(ready));
    next
}

#[test]
fn the_next_start_restores_pane_zoom_filters_and_selection() {
    let mut before = sized(sandbox_setup(), 120, 40);
    before = next_start(&mut before);
    assert_eq!(before.focus, Pane::Payments, "nothing to restore");
    press(&mut before, "sss/b-<enter>j5kkf", second(1));
    let selected = before.store.selected_payment.clone().unwrap();
    assert_eq!(selected.1.as_str(), "B-3");
    let mut after = next_start(&mut before);
    assert_eq!((after.focus, after.is_zoomed), (Pane::Requests, true));
    assert_eq!(after.store.selected_payment, Some(selected));
    assert_eq!(after.screen_state(), before.screen_state());
    press(&mut after, "3", second(1));
    let shown = screen(&after, second(1), 120, 40);
    assert!(shown.contains("filter / b-"), "{shown}");
    assert!(shown.contains("by id"), "the order: {shown}");
    assert!(!shown.contains("A-1"), "{shown}");
}

#[test]
fn a_filter_that_is_restored_before_the_rows_come_hides_some_and_loses_none() {
    let mut before = sized(sandbox_setup(), 120, 40);
    press(&mut before, "5/status:5xx<enter>", second(1));
    let mut after = sized(sandbox_setup(), 120, 40);
    after.restore(&before.screen_state());
    update(
        &mut after,
        second(0),
        Msg::Resized {
            width: 120,
            height: 41,
        },
    );
    let log = [(2, Outcome::Status(500)), (1, Outcome::Status(200))];
    let log = log.map(|(at, outcome)| exchange(at, "/api/v2/tpg/transaction", outcome));
    let ready = readiness(Vec::new(), log.into());
    update(&mut after, second(0), Msg::Ready(ready));
    let rows = |model: &Model| screen(model, second(1), 120, 41).matches("/tpg/").count();
    assert_eq!(rows(&after), 1);
    press(&mut after, "5/<esc>", second(1));
    assert_eq!(rows(&after), 2);
}

#[test]
fn a_row_that_comes_after_the_operators_first_key_is_not_selected_any_more() {
    let mut before = sized(sandbox_setup(), 120, 40);
    before = next_start(&mut before);
    press(&mut before, "jj", second(1));
    let state = before.screen_state();
    let mut after = sized(sandbox_setup(), 120, 40);
    after.restore(&state);
    press(&mut after, "1", second(0));
    let watches = ["A-1", "B-2", "B-3"].map(|id| (watch(id, None), Vec::new()));
    let ready = readiness(watches.into(), Vec::new());
    update(&mut after, second(0), Msg::Ready(ready));
    let selected = after.store.selected_payment.clone().unwrap();
    assert_eq!(selected.1.as_str(), "A-1");
}

#[test]
fn each_view_copies_the_command_with_its_answer() {
    for (keys, command) in [
        ("1", Some("account verify kanga")),
        ("3", Some("check --account kanga ORDER-1042")),
        ("3  ", Some("check --account kanga ORDER-1042 ORDER-1041")),
        ("3t", Some("check --account kanga ORDER-1042")),
        ("4", Some("estimate --account kanga EMT 3000")),
        ("5", Some("log")),
        (
            "5/status:4xx method:post account:kanga it's<enter>",
            Some("log --account kanga --status 4xx --method POST --grep 'it'\\''s'"),
        ),
        ("5<enter>", Some("log --account kanga --about ORDER-1042")),
        ("6", Some("request kanga GET /v1/offers")),
        ("7", Some("log --deliveries")),
        ("8", None),
        ("D", Some("doctor")),
        ("?", Some("keys")),
        ("!", None),
    ] {
        let mut model = busy();
        press(&mut model, keys, second(4));
        let out = press(&mut model, "<ctrl-y>", second(4));
        let copied = out.iter().find_map(|effect| match effect {
            Effect::Copy { text, .. } => Some(text.expose().to_owned()),
            _ => None,
        });
        let command = command.map(|it| format!("tilldeck --profile sandbox {it}"));
        assert_eq!(copied, command, "{keys}");
    }
}
