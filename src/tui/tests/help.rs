//! The help window: complete, whole, and searchable.

use ratatui::crossterm::event::KeyCode;

use super::*;
use crate::tui::overlays::legend::LEGEND;
use crate::tui::table::bindings;

/// Every page of the open help window.
fn pages(model: &mut Model, width: u16, height: u16) -> String {
    let mut all = resized_screen(model, second(4), width, height);
    // The table, its headings and the legend, ten rows at a time.
    for _ in 0..bindings().count() / 3 {
        press(model, "jjjjjjjjjj", second(4));
        all += &screen(model, second(4), width, height);
    }
    all
}

#[test]
fn help_shows_every_action_and_symbol_whole() {
    for (width, height) in [(120, 40), (80, 24)] {
        let mut model = busy();
        press(&mut model, "?", second(4));
        let all = pages(&mut model, width, height);
        for row in bindings() {
            let named = format!("{:<40} {}", row.help, row.name);
            assert!(all.contains(&named), "{width}x{height}: {named}");
        }
        for meaning in ["real money", "built-in simulator"] {
            assert!(all.contains(meaning), "{width}x{height}: {meaning}");
        }
        for (title, rows) in LEGEND {
            assert!(all.contains(title), "{width}x{height}: {title}");
            for (symbol, meaning) in *rows {
                assert!(all.contains(meaning), "{width}x{height}: {symbol}");
            }
        }
    }
}

#[test]
fn a_window_has_help_about_its_keys_which_the_same_key_closes() {
    let mut model = busy();
    press(&mut model, "5<enter>?", second(4));
    assert_eq!(model.overlays.len(), 2);
    let shown = screen(&model, second(4), 120, 40);
    assert!(shown.contains("copy as curl, without secrets"), "{shown}");
    press(&mut model, "?", second(4));
    assert_eq!(model.overlays.len(), 1);
}

#[test]
fn help_is_searched_by_key_help_and_action_name() {
    let mut model = busy();
    let shown = |model: &Model| screen(model, second(4), 120, 40);
    for (typed, found) in [
        ("UNDO THE", "undo the last change of the list"),
        ("undo-edit", "undo the last change to the body"),
        ("simulator", "built-in simulator: no real money"),
        ("pgdn", "one page down"),
        ("columns", "time until the next check"),
        ("vs.", "the amount compared with the expected amount"),
    ] {
        press(&mut model, "?/", second(4));
        press(&mut model, typed, second(4));
        let text = shown(&model);
        assert!(text.contains(found), "{typed}: {text}");
        assert!(!text.contains("change the sort order"), "{typed}: {text}");
        press(&mut model, "<enter>", second(4));
        assert!(shown(&model).contains(found), "the result stays: {typed}");
        press(&mut model, "<esc>", second(4));
        assert!(matches!(model.overlays.as_slice(), []));
    }
    press(&mut model, "?/zzzz", second(4));
    assert!(shown(&model).contains("no match"));
    press(&mut model, "<esc>", second(4));
    assert!(shown(&model).contains("change the sort order"));
    assert!(is_top::<overlays::help::State>(&model));
}

#[test]
fn the_help_is_at_its_top_whenever_its_search_changes() {
    let mut model = busy();
    let place = |model: &Model| {
        let shown = screen(model, second(4), 80, 24);
        shown.contains(" 1-").then_some(()).ok_or(shown)
    };
    press(&mut model, "?/", second(4));
    let typed = Msg::Key(KeyCode::Char('s').into());
    for change in [typed, Msg::Paste("t".into())] {
        press(&mut model, "<down>", second(4));
        assert!(place(&model).is_err());
        update(&mut model, second(4), change);
        assert_eq!(place(&model), Ok(()));
    }
    press(&mut model, "<down>", second(4));
    assert!(screen(&model, second(4), 80, 24).contains("Esc clear"));
    press(&mut model, "<esc>", second(4));
    assert_eq!(place(&model), Ok(()), "cleared");
    assert!(screen(&model, second(4), 80, 24).contains("Esc close"));
}
