//! Parses one complete escape sequence. Sequences that the console does not use have no meaning.

use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::domain::ThemeChoice;
use crate::tui::Msg;

/// `ESC O` and this byte.
pub fn ss3(last: u8) -> Option<Msg> {
    let code = match last {
        b'M' => KeyCode::Enter,
        _ => letter(last)?,
    };
    Some(key(code, KeyModifiers::NONE))
}

/// `ESC [`, these parameters, and this last byte.
pub fn csi(parameters: &str, last: u8) -> Option<Msg> {
    if let Some(mouse) = parameters.strip_prefix('<') {
        return sgr_mouse(mouse, last == b'm');
    }
    let mut numbers = parameters.split(';').map(|number| {
        let (number, _kind) = number.split_once(':').unwrap_or((number, ""));
        number.parse::<u32>().ok()
    });
    let first = numbers.next().flatten();
    let modifiers = modifiers(numbers.next().flatten().unwrap_or(1));
    match last {
        b'~' => Some(key(numbered(first?)?, modifiers)),
        b'u' => Some(key(code_point(first?)?, modifiers)),
        b'Z' => Some(key(KeyCode::BackTab, modifiers | KeyModifiers::SHIFT)),
        _ if parameters.is_empty() || first == Some(1) => Some(key(letter(last)?, modifiers)),
        _ => None,
    }
}

/// `ESC ]`, this text, and an end mark: the answer about the background, as `11;rgb:1e1e/1e1e/2e2e`.
pub fn osc(text: &str) -> Option<Msg> {
    let color = text.strip_prefix("11;rgb")?.trim_start_matches('a');
    let mut parts = color.strip_prefix(':')?.split('/').map(part);
    let [red, green, blue] = [parts.next()??, parts.next()??, parts.next()??];
    // How bright the eye sees it, out of 255.
    let brightness = (red * 299 + green * 587 + blue * 114) / 1000;
    Some(Msg::Background(if brightness < 128 {
        ThemeChoice::Dark
    } else {
        ThemeChoice::Light
    }))
}

/// One to four hexadecimal digits, of which all `f` are 255.
fn part(digits: &str) -> Option<u32> {
    let is_short = (1..=4).contains(&digits.len());
    let value = u32::from_str_radix(digits, 16).ok().filter(|_| is_short)?;
    let most = (1 << (4 * digits.len())) - 1;
    Some(value * 255 / most)
}

/// F1 to F5 as the Linux console sends them: `ESC [ [` and this byte.
pub fn linux_console(last: u8) -> Option<Msg> {
    (b'A'..=b'E')
        .contains(&last)
        .then(|| key(KeyCode::F(1 + last - b'A'), KeyModifiers::NONE))
}

/// Terminals without the SGR form send `ESC [ M` and these three bytes.
pub fn x10_mouse(bytes: [u8; 3]) -> Option<Msg> {
    let [buttons, column, row] = bytes.map(|byte| u16::from(byte.saturating_sub(32)));
    mouse(buttons, (column, row), false)
}

fn sgr_mouse(parameters: &str, released: bool) -> Option<Msg> {
    let mut numbers = parameters
        .split(';')
        .map(|number| number.parse::<u16>().ok());
    let buttons = numbers.next().flatten()?;
    let column = numbers.next().flatten()?;
    let row = numbers.next().flatten()?;
    mouse(buttons, (column, row), released)
}

/// Cells count from 1.
fn mouse(buttons: u16, (column, row): (u16, u16), released: bool) -> Option<Msg> {
    let moves = buttons & 0b10_0000 != 0;
    let number = (buttons & 0b11) | ((buttons & 0b1100_0000) >> 4);
    let kind = match number {
        0..=2 => {
            let button =
                [MouseButton::Left, MouseButton::Middle, MouseButton::Right][usize::from(number)];
            match (moves, released) {
                (true, _) => MouseEventKind::Drag(button),
                (false, true) => MouseEventKind::Up(button),
                (false, false) => MouseEventKind::Down(button),
            }
        }
        3 if !moves => MouseEventKind::Up(MouseButton::Left),
        4 => MouseEventKind::ScrollUp,
        5 => MouseEventKind::ScrollDown,
        6 => MouseEventKind::ScrollLeft,
        7 => MouseEventKind::ScrollRight,
        // The console ignores pointer motion.
        _ => return None,
    };
    let mut modifiers = KeyModifiers::NONE;
    modifiers.set(KeyModifiers::SHIFT, buttons & 0b100 != 0);
    modifiers.set(KeyModifiers::ALT, buttons & 0b1000 != 0);
    modifiers.set(KeyModifiers::CONTROL, buttons & 0b1_0000 != 0);
    Some(Msg::Mouse(MouseEvent {
        kind,
        column: column.saturating_sub(1),
        row: row.saturating_sub(1),
        modifiers,
    }))
}

fn letter(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'P'..=b'S' => KeyCode::F(1 + last - b'P'),
        _ => return None,
    })
}

fn numbered(number: u32) -> Option<KeyCode> {
    let function =
        |first: u8, base: u32| KeyCode::F(first + u8::try_from(number - base).unwrap_or(0));
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => function(1, 11),
        17..=21 => function(6, 17),
        23..=26 => function(11, 23),
        28..=29 => function(15, 28),
        31..=34 => function(17, 31),
        _ => return None,
    })
}

fn code_point(number: u32) -> Option<KeyCode> {
    Some(match number {
        9 => KeyCode::Tab,
        13 => KeyCode::Enter,
        27 => KeyCode::Esc,
        127 => KeyCode::Backspace,
        _ => KeyCode::Char(char::from_u32(number).filter(|c| !c.is_control())?),
    })
}

fn modifiers(parameter: u32) -> KeyModifiers {
    let mask = parameter.saturating_sub(1);
    let mut modifiers = KeyModifiers::NONE;
    modifiers.set(KeyModifiers::SHIFT, mask & 1 != 0);
    modifiers.set(KeyModifiers::ALT, mask & 2 != 0);
    modifiers.set(KeyModifiers::CONTROL, mask & 4 != 0);
    modifiers
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Msg {
    Msg::Key(KeyEvent::new(code, modifiers))
}
