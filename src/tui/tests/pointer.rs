//! The mouse: what is on screen can be clicked.

use ratatui::crossterm::event::{KeyModifiers, MouseButton, MouseEvent};

use super::*;
use crate::tui::keys::Scope;

fn mouse(model: &mut Model, kind: MouseEventKind, (column, row): (u16, u16)) -> Vec<Effect> {
    let event = MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    };
    // The operator takes time between two clicks.
    model.clicks_from = Duration::ZERO;
    update(model, second(4), Msg::Mouse(event))
}

#[test]
fn the_second_click_of_a_double_click_does_not_quit() {
    let mut model = busy();
    press(&mut model, "t", second(4));
    let (column, row) = place_of(&model, "Esc close");
    let click = Msg::Mouse(MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column: column + 5,
        row,
        modifiers: KeyModifiers::NONE,
    });
    let mut at = |time: Now| update(&mut model, time, click.clone());
    assert_eq!(at(second(4)), []);
    let soon = second(4).plus(Duration::from_millis(150));
    assert_eq!(at(soon), [], "`q quit` is in its place now");
    assert_eq!(at(second(5)), [Effect::Quit]);
}

#[test]
fn a_click_beside_a_form_leaves_what_is_typed() {
    let mut model = busy();
    let left = MouseEventKind::Down(MouseButton::Left);
    press(&mut model, "L", second(4));
    mouse(&mut model, left, (1, 1));
    assert!(model.overlays.is_empty(), "nothing was typed");
    press(&mut model, "LLA-1", second(4));
    mouse(&mut model, left, (1, 1));
    assert_eq!(model.overlays.len(), 1);
    let flash = model.store.flash.as_ref().unwrap();
    assert_eq!(flash.text, "Esc closes the form, and what is typed is lost");
}

/// Where a text is drawn last: a window's over a pane's, the footer's over both.
fn place_of(model: &Model, text: &str) -> (u16, u16) {
    let shown = screen(model, second(4), model.screen.width, model.screen.height);
    let lines: Vec<&str> = shown.lines().collect();
    let found = lines.iter().enumerate().rev();
    let mut found =
        found.filter_map(|(y, line)| Some((line[..line.find(text)?].chars().count(), y)));
    let (x, y) = found.next().expect(text);
    (u16::try_from(x).unwrap(), u16::try_from(y).unwrap())
}

fn click(model: &mut Model, text: &str) -> Vec<Effect> {
    let at = place_of(model, text);
    mouse(model, MouseEventKind::Down(MouseButton::Left), at)
}

/// Of columns of the payments.
const TITLES: [&str; 3] = ["state", "payment", "amount"];

/// Where a title of a column of the payments is drawn.
fn heading(model: &Model, title: &str) -> (u16, u16) {
    let shown = screen(model, second(4), model.screen.width, model.screen.height);
    let mut lines = shown.lines().enumerate();
    let (y, line) = lines
        .find(|(_, line)| TITLES.iter().all(|it| line.contains(it)))
        .unwrap();
    let x = line[..line.find(title).expect(title)].chars().count();
    (u16::try_from(x).unwrap(), u16::try_from(y).unwrap())
}

fn title(scope: &'static Scope) -> &'static str {
    scope.title
}

#[test]
fn a_hint_of_the_footer_does_what_its_key_does() {
    let mut model = busy();
    click(&mut model, "? help");
    assert_eq!(title(model.scope()), "Help");
    click(&mut model, "Esc close");
    assert_eq!(title(model.scope()), "Payments");
    click(&mut model, "a add");
    assert_eq!(title(model.scope()), "Forms");
    press(&mut model, "<esc>", second(4));
    assert_eq!(click(&mut model, "q quit"), [Effect::Quit]);
}

#[test]
fn a_tab_focuses_its_pane() {
    let mut model = busy();
    for (width, height) in [(60, 15), (44, 11)] {
        update(&mut model, second(4), Msg::Resized { width, height });
        for pane in [Pane::Requests, Pane::Credentials, Pane::Explorer] {
            let shown = screen(&model, second(4), width, height);
            let tabs = shown.lines().nth(1).unwrap();
            let at = tabs.find(&format!("{}", pane.index() + 1)).unwrap();
            let at = (u16::try_from(at).unwrap(), 1);
            mouse(&mut model, MouseEventKind::Down(MouseButton::Left), at);
            assert_eq!(model.focus, pane, "{width}x{height}");
        }
    }
}

#[test]
fn a_click_on_a_heading_sorts_by_its_column_and_a_second_one_reverses() {
    let mut model = busy();
    resized_screen(&mut model, second(4), 200, 60);
    press(&mut model, "5", second(4));
    for (title, words, sorted) in [
        ("expected", "by expected amount", "▲expected"),
        ("since", "latest change first", "▼since"),
        ("response", "latest response first", "▼response"),
        ("check", "next check first", "▲check"),
        ("amount", "by amount", "▲amount"),
        ("amount", "by amount, reversed", "▼amount"),
        ("payment", "by id", "payment▲"),
        ("state", "by state", "state▲"),
        ("vs. order", "needs attention first", "vs. order "),
    ] {
        let at = heading(&model, title);
        mouse(&mut model, MouseEventKind::Down(MouseButton::Left), at);
        assert_eq!(model.focus, Pane::Payments);
        let flash = model.store.flash.as_ref().unwrap();
        assert_eq!(flash.text, format!("sorted: {words}"));
        let shown = screen(&model, second(4), 200, 60);
        assert!(shown.contains(sorted), "{sorted}: {shown}");
        let arrows = shown.matches(['▲', '▼']).count();
        assert_eq!(arrows, usize::from(title != "vs. order"));
    }
}

/// Presses the button at one place, moves to another, and releases it.
fn drag(model: &mut Model, from: (u16, u16), to: (u16, u16)) {
    let left = MouseButton::Left;
    mouse(model, MouseEventKind::Down(left), from);
    mouse(model, MouseEventKind::Drag(left), to);
    mouse(model, MouseEventKind::Up(left), to);
    // What is not held any more stays where it is.
    mouse(model, MouseEventKind::Drag(left), (0, 0));
}

#[test]
fn keys_and_the_edge_of_a_heading_resize_a_column() {
    let mut model = busy();
    let at = |model: &Model| heading(model, "payment").0;
    let first = at(&model);
    press(&mut model, "]>>", second(4));
    assert_eq!(at(&model), first + 4, "the first column is two times wider");
    press(&mut model, "<", second(4));
    assert_eq!(at(&model), first + 2);
    let shown = screen(&model, second(4), 120, 40);
    assert!(shown.contains("column `state`: 14 wide"), "{shown}");
    let (title, row) = heading(&model, "payment");
    drag(&mut model, (title - 1, row), (title + 7, row));
    assert_eq!(at(&model), title + 8);
    press(&mut model, "=", second(4));
    assert_eq!(at(&model), first);
    // A column that is wider than the screen leaves no row without an end.
    press(&mut model, "]]", second(4));
    for _ in 0..200 {
        press(&mut model, ">", second(4));
    }
    for (width, height) in [(120, 40), (80, 24), (40, 10)] {
        resized_screen(&mut model, second(4), width, height);
    }
}

#[test]
fn a_scroll_bar_is_clicked_and_dragged() {
    let mut model = busy();
    for at in 20..200 {
        let new = exchange(at, "/api/v2/tpg/transaction", Outcome::Status(200));
        update(&mut model, second(4), Msg::Exchange(new));
    }
    press(&mut model, "5f", second(4));
    let selected = |model: &Model| model.panes.requests.selected(&model.store).unwrap().id;
    let shown = screen(&model, second(4), 120, 40);
    let lines: Vec<&str> = shown.lines().collect();
    let bottom = lines.iter().rposition(|line| line.contains('█')).unwrap();
    let x = lines[bottom].chars().position(|c| c == '█').unwrap();
    let (x, bottom) = (u16::try_from(x).unwrap(), u16::try_from(bottom).unwrap());
    assert_eq!(selected(&model), ExchangeId(199));
    drag(&mut model, (x, bottom - 9), (x, bottom));
    assert_eq!(selected(&model), ExchangeId(199));
    drag(&mut model, (x, bottom), (x, 0));
    assert_eq!(selected(&model), ExchangeId(1), "beyond the end is the end");
}

#[test]
fn a_field_is_clicked_and_a_switch_is_turned() {
    let mut model = busy();
    press(&mut model, "L", second(4));
    click(&mut model, "E-mail   ");
    press(&mut model, "a@b.example", second(4));
    let shown = screen(&model, second(4), 120, 40);
    assert!(shown.contains("▸ E-mail         a@b.example"), "{shown}");
    click(&mut model, "Payment token");
    let shown = screen(&model, second(4), 120, 40);
    assert!(shown.contains("▸ Payment token  yes"), "{shown}");
}

#[test]
fn a_row_of_the_palette_runs_its_action() {
    let mut model = busy();
    press(&mut model, ":alerts", second(4));
    click(&mut model, "list what needs attention");
    assert_eq!(title(model.scope()), "Alerts");
}

#[test]
fn a_row_of_a_window_is_selected_and_then_opened() {
    let mut model = busy();
    press(&mut model, "S", second(4));
    assert_eq!(click(&mut model, "+15 min"), []);
    let effects = click(&mut model, "+15 min");
    assert!(matches!(effects[..], [Effect::Simulate(_)]), "{effects:?}");
    press(&mut model, "<esc>!", second(4));
    let (column, row) = place_of(&model, "─ Alerts ─");
    let at = (column + 3, row + 1);
    mouse(&mut model, MouseEventKind::Down(MouseButton::Left), at);
    assert_eq!(
        title(model.scope()),
        "Payments",
        "the first row is selected"
    );
}

#[test]
fn the_wheel_moves_the_selection_of_a_window() {
    let mut model = busy();
    press(&mut model, "S", second(4));
    let before = format!("{:?}", model.overlays);
    mouse(&mut model, MouseEventKind::ScrollDown, (60, 20));
    assert_ne!(format!("{:?}", model.overlays), before);
}

#[test]
fn a_click_beside_a_window_closes_it_and_one_inside_does_not() {
    let mut model = busy();
    for keys in ["S", ":", "L", "a", "!", "?"] {
        press(&mut model, keys, second(4));
        let left = MouseEventKind::Down(MouseButton::Left);
        mouse(&mut model, left, (60, 19));
        // The palette runs the row.
        if keys == ":" {
            model.focus = Pane::Payments;
        } else {
            assert_eq!(model.overlays.len(), 1, "{keys}");
        }
        mouse(&mut model, left, (0, 1));
        assert_eq!(
            (model.overlays.len(), model.focus),
            (0, Pane::Payments),
            "{keys}"
        );
        press(&mut model, "<esc>3", second(4));
    }
}

#[test]
fn too_small_or_failed_only_quits() {
    let mut model = busy();
    press(&mut model, "S", second(4));
    update(
        &mut model,
        second(4),
        Msg::Resized {
            width: 39,
            height: 9,
        },
    );
    let before = format!("{:?}", (&model.overlays, model.focus));
    for kind in [
        MouseEventKind::Down(MouseButton::Left),
        MouseEventKind::ScrollDown,
    ] {
        for row in 0..9 {
            mouse(&mut model, kind, (3, row));
        }
    }
    assert_eq!(format!("{:?}", (&model.overlays, model.focus)), before);
}

#[test]
fn the_call_at_the_scroll_bar_is_the_one_that_keys_act_on() {
    let mut model = explorer::exploring(live_setup());
    resized_screen(&mut model, second(4), 60, 15);
    let shown = screen(&model, second(4), 60, 15);
    let lines: Vec<&str> = shown.lines().collect();
    let top = lines.iter().position(|line| line.contains('█')).unwrap();
    let x = lines[top].chars().position(|c| c == '█').unwrap();
    let x = u16::try_from(x).unwrap();
    let command = |model: &mut Model| {
        let effects = press(model, "y", second(4));
        explorer::copied(&effects).to_owned()
    };
    assert!(command(&mut model).contains("request shop GET"));
    drag(&mut model, (x, u16::try_from(top).unwrap()), (x, 14));
    let shown = screen(&model, second(4), 60, 15);
    let selected = shown.lines().find(|line| line.contains('▸'));
    let selected = selected.expect(&shown).to_owned();
    assert!(selected.contains("any other call"), "{shown}");
    let copied = command(&mut model);
    assert!(copied.ends_with("request trial GET /"), "{copied}");
}

#[test]
fn a_click_on_the_heading_that_stays_in_view_selects_no_call() {
    let mut model = explorer::exploring(live_setup());
    resized_screen(&mut model, second(4), 60, 12);
    let shown = screen(&model, second(4), 60, 12);
    let top = shown.lines().position(|line| line.contains('█')).unwrap();
    press(&mut model, "<end>", second(4));
    let shown = resized_screen(&mut model, second(4), 60, 12);
    assert!(shown.lines().nth(top).unwrap().contains("trial"), "{shown}");
    let at = (5, u16::try_from(top).unwrap());
    mouse(&mut model, MouseEventKind::Down(MouseButton::Left), at);
    assert_eq!(screen(&model, second(4), 60, 12), shown);
}

#[test]
fn a_click_on_a_field_of_the_explorer_goes_there_below_wrapped_errors() {
    let mut model = explorer::exploring(sandbox_setup());
    let now = second(4);
    press(&mut model, "/take a key<enter><enter>", now);
    press(&mut model, &"<backspace>".repeat(6), now);
    assert_eq!(press(&mut model, "<ctrl-s>", now), []);
    for (field, typed, path) in [
        ("stockId  ", "B", "/v1/offers/{offerId}/stock/77abB"),
        ("offerId  ", "A", "/v1/offers/A/stock/77abB"),
    ] {
        let (x, y) = place_of(&model, field);
        // The error of the first one is below it.
        mouse(
            &mut model,
            MouseEventKind::Down(MouseButton::Left),
            (x + 3, y),
        );
        press(&mut model, typed, now);
        let shown = screen(&model, now, 120, 40);
        assert!(shown.contains(path), "{field}: {shown}");
    }
}
