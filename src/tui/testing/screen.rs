//! A keyboard, and a screen as text.

use std::any::Any;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::domain::Now;
use crate::tui::component::Component;
use crate::tui::{Effect, EffectSink, Model, Msg, keys, update, view};

/// The window on top, if it is of this kind.
pub fn top<W: Component>(model: &Model) -> Option<&W> {
    let window: &dyn Any = &**model.overlays.last()?;
    window.downcast_ref()
}

/// Whether the window on top is of this kind.
pub fn is_top<W: Component>(model: &Model) -> bool {
    top::<W>(model).is_some()
}

/// Does what an action of the key table does.
pub fn act(model: &mut Model, action: keys::Action, now: Now) -> Vec<Effect> {
    let mut out = Vec::new();
    model.act(action, &mut EffectSink { now, out: &mut out });
    out
}

/// Presses keys one after another: each character, or one named key (`<enter>`).
pub fn press(model: &mut Model, keys: &str, now: Now) -> Vec<Effect> {
    let mut out = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let (code, modifiers, used) = match rest.split_once('>') {
            Some((name, _)) if c == '<' => {
                let (code, modifiers) = match &name[1..] {
                    "enter" => (KeyCode::Enter, KeyModifiers::NONE),
                    "esc" => (KeyCode::Esc, KeyModifiers::NONE),
                    "tab" => (KeyCode::Tab, KeyModifiers::NONE),
                    "left" => (KeyCode::Left, KeyModifiers::NONE),
                    "right" => (KeyCode::Right, KeyModifiers::NONE),
                    "up" => (KeyCode::Up, KeyModifiers::NONE),
                    "down" => (KeyCode::Down, KeyModifiers::NONE),
                    "f5" => (KeyCode::F(5), KeyModifiers::NONE),
                    "alt-z" => (KeyCode::Char('z'), KeyModifiers::ALT),
                    "ctrl-s" => (KeyCode::Char('s'), KeyModifiers::CONTROL),
                    "ctrl-y" => (KeyCode::Char('y'), KeyModifiers::CONTROL),
                    "ctrl-c" => (KeyCode::Char('c'), KeyModifiers::CONTROL),
                    "backspace" => (KeyCode::Backspace, KeyModifiers::NONE),
                    "pgup" => (KeyCode::PageUp, KeyModifiers::NONE),
                    "pgdn" => (KeyCode::PageDown, KeyModifiers::NONE),
                    "end" => (KeyCode::End, KeyModifiers::NONE),
                    "home" => (KeyCode::Home, KeyModifiers::NONE),
                    "ctrl-z" => (KeyCode::Char('z'), KeyModifiers::CONTROL),
                    other => panic!("no key {other}"),
                };
                (code, modifiers, name.len() + 1)
            }
            _ => (KeyCode::Char(c), KeyModifiers::NONE, c.len_utf8()),
        };
        rest = &rest[used..];
        out.extend(update(model, now, Msg::Key(KeyEvent::new(code, modifiers))));
    }
    out
}

/// The time until something is due or the screen changes by itself, once it is drawn.
pub fn next_wake(model: &Model, now: Now) -> Option<Duration> {
    let (width, height) = (model.screen.width, model.screen.height);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let changes = view(model, now, &mut terminal.get_frame());
    let changes = changes.map(|at| at.saturating_sub(now.mono));
    model.next_wake(now).into_iter().chain(changes).min()
}

pub fn drawn(model: &Model, now: Now, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    // Not `draw`: comparing with the frame before and printing the difference are ratatui's, and slow here.
    let mut frame = terminal.get_frame();
    view(model, now, &mut frame);
    frame.buffer_mut().clone()
}

/// The screen as lines of text.
pub fn screen(model: &Model, now: Now, width: u16, height: u16) -> String {
    let buf = drawn(model, now, width, height);
    let mut out = String::new();
    for y in 0..height {
        let mut skip = 0;
        let mut line = String::new();
        for x in 0..width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buf[(x, y)].symbol();
            skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The screen, each line with its styles below it: a letter for each, which the legend at the end explains.
pub fn styled(model: &Model, now: Now, width: u16, height: u16) -> String {
    use std::fmt::Write as _;
    let buf = drawn(model, now, width, height);
    let mut styles = Vec::new();
    let mut out = String::new();
    for (text, row) in screen(model, now, width, height)
        .lines()
        .zip(buf.content.chunks(usize::from(width)))
    {
        let mut letters = String::new();
        for cell in row {
            let style = (cell.fg, cell.bg, cell.modifier);
            let known = styles.iter().position(|it| *it == style);
            let at = known.unwrap_or_else(|| {
                styles.push(style);
                styles.len() - 1
            });
            letters.push(char::from(b'a' + u8::try_from(at).unwrap()));
        }
        let _ = writeln!(out, "{text}\n{letters}");
    }
    for (letter, (text, ground, modifier)) in ('a'..).zip(styles) {
        let _ = writeln!(out, "{letter}: {text} on {ground} {modifier:?}");
    }
    out
}

/// A model resized, then its screen.
pub fn resized_screen(model: &mut Model, now: Now, width: u16, height: u16) -> String {
    update(model, now, Msg::Resized { width, height });
    screen(model, now, width, height)
}

/// The screen with its colours, for a terminal.
pub fn ansi(model: &Model, now: Now, width: u16, height: u16) -> String {
    use ratatui::style::{Color, Modifier};
    use std::fmt::Write as _;
    let light = model.theme.is_light();
    let buf = drawn(model, now, width, height);
    let mut out = String::from("\x1b[H\x1b[2J");
    for y in 0..height {
        let _ = write!(out, "\x1b[{};1H", y + 1);
        let mut skip = 0;
        for x in 0..width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let cell = &buf[(x, y)];
            out.push_str(if light {
                "\x1b[0;38;5;16;48;5;231"
            } else {
                "\x1b[0"
            });
            for (modifier, code) in [
                (Modifier::BOLD, 1),
                (Modifier::DIM, 2),
                (Modifier::REVERSED, 7),
            ] {
                if cell.modifier.contains(modifier) {
                    let _ = write!(out, ";{code}");
                }
            }
            for (color, ground) in [(cell.fg, 30), (cell.bg, 40)] {
                let _ = match color {
                    Color::Black => write!(out, ";{ground}"),
                    Color::Red => write!(out, ";{}", ground + 1),
                    Color::Green => write!(out, ";{}", ground + 2),
                    Color::Yellow => write!(out, ";{}", ground + 3),
                    Color::Blue => write!(out, ";{}", ground + 4),
                    Color::Magenta => write!(out, ";{}", ground + 5),
                    Color::Cyan => write!(out, ";{}", ground + 6),
                    Color::Indexed(n) => write!(out, ";{};5;{n}", ground + 8),
                    Color::Rgb(r, g, b) => write!(out, ";{};2;{r};{g};{b}", ground + 8),
                    _ => Ok(()),
                };
            }
            out.push('m');
            out.push_str(cell.symbol());
            skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
        }
    }
    out + "\x1b[0m"
}
