//! Decodes input bytes to keys, mouse events and pastes. Does no I/O and reads no clock: it returns how long to wait.

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::sequence;
use crate::tui::Msg;

const ESC: u8 = 0x1b;
/// The start of a terminal's answer. Alt and `]` are the same bytes, alone.
const OSC: &[u8] = b"\x1b]";
const PASTE: &[u8] = b"\x1b[200~";
const PASTED: &[u8] = b"\x1b[201~";
/// The answer of a terminal that marks pastes.
const MARKS: &[u8] = b"\x1b[?2004;1$y";

/// An Esc is the start of a sequence if the rest arrives within this time; slow lines need some.
const AFTER_ESC: Duration = Duration::from_millis(100);
/// How long the rest of a sequence or character may take; after that it is dropped.
const AFTER_BEGIN: Duration = Duration::from_secs(1);
/// A paste without marks ends when no input arrives for this time.
const AFTER_BURST: Duration = Duration::from_millis(30);
/// A paste without an end mark ends after this time; otherwise the console would ignore all keys.
const AFTER_PASTE: Duration = Duration::from_secs(5);

/// Keys that only move. Held down, or on a slow line, several of them arrive in one read.
const MOVES: [u8; 6] = *b"hjklgG";
/// As many quick keys may arrive in one read, where the terminal marks pastes. Longer text is still a paste: what is
/// between tilldeck and the terminal, such as tmux, may drop the marks.
const QUICK_MAX: usize = 3;

/// Decodes input, one read at a time.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The start of an incomplete sequence.
    held: Vec<u8>,
    state: State,
    /// Whether the terminal marks pastes: it said so, or has sent one.
    marks: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Typed keys.
    #[default]
    Keys,
    /// Inside a marked paste; the number of pending bytes that were searched for the end mark.
    Paste { searched: usize },
    /// The pending bytes are a paste without marks.
    Burst,
}

/// The first item in the input.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Token {
    /// This many bytes, with this meaning.
    Whole(usize, Option<Msg>),
    /// The start of a sequence or a character.
    Part,
}

impl Decoder {
    /// Drops what is pending, such as a sequence that began before the program was stopped.
    pub fn restart(&mut self) {
        *self = Self {
            marks: self.marks,
            ..Self::default()
        };
    }

    /// How long to wait for more input before [`Decoder::timed_out`] is due; `None` if nothing is pending.
    pub fn patience(&self) -> Option<Duration> {
        match self.state {
            State::Paste { .. } => Some(AFTER_PASTE),
            State::Burst => Some(AFTER_BURST),
            State::Keys if self.held.is_empty() => None,
            State::Keys if self.held == [ESC] || self.held.starts_with(OSC) => Some(AFTER_ESC),
            State::Keys => Some(AFTER_BEGIN),
        }
    }

    /// Decodes the bytes of one read.
    pub fn read(&mut self, bytes: &[u8]) -> Vec<Msg> {
        let mut out = Vec::new();
        // Esc, then a key in another read, are two keys; in one read they are Alt and that key.
        if self.state == State::Keys
            && self.held == [ESC]
            && !matches!(bytes, [b'[' | b'O' | b']', ..])
        {
            out.extend(self.timed_out());
        }
        self.held.extend_from_slice(bytes);
        while self.step(&mut out) {}
        out
    }

    /// No input arrived in time, so the pending bytes are complete.
    pub fn timed_out(&mut self) -> Vec<Msg> {
        let held = std::mem::take(&mut self.held);
        match std::mem::take(&mut self.state) {
            State::Paste { .. } => vec![paste(held.get(PASTE.len()..).unwrap_or_default())],
            State::Burst => vec![paste(&held)],
            State::Keys if held == [ESC] => vec![key(KeyCode::Esc, KeyModifiers::NONE)],
            State::Keys if held == OSC => vec![key(KeyCode::Char(']'), KeyModifiers::ALT)],
            State::Keys => Vec::new(),
        }
    }

    /// Decodes one item from the front of the pending bytes; `false` if it needs more bytes, or none are left.
    fn step(&mut self, out: &mut Vec<Msg>) -> bool {
        if self.held.is_empty() && self.state == State::Keys {
            return false;
        }
        match self.state {
            State::Paste { searched } => {
                let from = searched.saturating_sub(PASTED.len());
                let Some(at) = find(&self.held[from..], PASTED).map(|at| at + from) else {
                    self.state = State::Paste {
                        searched: self.held.len(),
                    };
                    return false;
                };
                out.push(paste(&self.held[PASTE.len()..at]));
                self.take(at + PASTED.len());
            }
            State::Burst => {
                let length = run(&self.held);
                if length == self.held.len() {
                    return false;
                }
                out.push(paste(&self.held[..length]));
                self.take(length);
            }
            State::Keys if self.held.starts_with(PASTE) => {
                self.marks = true;
                self.state = State::Paste {
                    searched: PASTE.len(),
                };
            }
            State::Keys if self.is_paste(&self.held[..run(&self.held)]) => {
                self.state = State::Burst;
            }
            State::Keys => match piece(&self.held) {
                Token::Part => return false,
                Token::Whole(length, message) => {
                    self.marks |= self.held.starts_with(MARKS);
                    out.extend(message.map(as_interrupt));
                    self.take(length);
                }
            },
        }
        true
    }

    fn take(&mut self, length: usize) {
        self.held.drain(..length);
        self.state = State::Keys;
    }

    /// Whether this text in one read was pasted: a person rarely types two characters, and never many, or a character and
    /// Enter, at once.
    fn is_paste(&self, run: &[u8]) -> bool {
        let text = String::from_utf8_lossy(run);
        let text = text.trim_start_matches(['\t', '\r', '\n']);
        let printable = text.chars().filter(|c| !c.is_ascii_control()).count();
        match printable {
            0 => false,
            _ if text.contains(['\r', '\n']) => true,
            1 => false,
            2..=QUICK_MAX if self.marks => false,
            _ => !run.iter().all(|byte| MOVES.contains(byte)),
        }
    }
}

/// The number of leading text bytes: printable characters, tabs and line ends.
fn run(bytes: &[u8]) -> usize {
    let other = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n');
    bytes.iter().position(other).unwrap_or(bytes.len())
}

fn piece(bytes: &[u8]) -> Token {
    match bytes {
        [ESC] | [ESC, b'O'] => Token::Part,
        [ESC, ESC, ..] => Token::Whole(1, Some(key(KeyCode::Esc, KeyModifiers::NONE))),
        [ESC, b'[', rest @ ..] => csi(rest),
        [ESC, b']', rest @ ..] => osc(rest),
        [ESC, b'O', last, ..] => Token::Whole(3, sequence::ss3(*last)),
        [ESC, rest @ ..] => match piece(rest) {
            Token::Whole(length, Some(Msg::Key(mut event))) => {
                event.modifiers |= KeyModifiers::ALT;
                Token::Whole(1 + length, Some(Msg::Key(event)))
            }
            Token::Whole(length, message) => Token::Whole(1 + length, message),
            Token::Part => Token::Part,
        },
        _ => character(bytes),
    }
}

/// Parses the sequence after `ESC [`.
fn csi(rest: &[u8]) -> Token {
    const INTRODUCER: usize = 2;
    match rest {
        [b'[' | b'M'] | [b'M', _] | [b'M', _, _] => return Token::Part,
        [b'[', last, ..] => return Token::Whole(INTRODUCER + 2, sequence::linux_console(*last)),
        [b'M', a, b, c, ..] => {
            return Token::Whole(INTRODUCER + 4, sequence::x10_mouse([*a, *b, *c]));
        }
        _ => {}
    }
    let Some(end) = rest.iter().position(|byte| !(0x20..0x40).contains(byte)) else {
        return Token::Part;
    };
    match rest[end] {
        // The sequence was interrupted; the following bytes are something else.
        ESC => Token::Whole(INTRODUCER + end, None),
        last => {
            let parameters = std::str::from_utf8(&rest[..end]).unwrap_or_default();
            Token::Whole(INTRODUCER + end + 1, sequence::csi(parameters, last))
        }
    }
}

/// Parses a terminal's answer after `ESC ]`: a number, text, and BEL or `ESC \` at its end.
fn osc(rest: &[u8]) -> Token {
    const INTRODUCER: usize = 2;
    if rest.first().is_some_and(|byte| !byte.is_ascii_digit()) {
        let alt = key(KeyCode::Char(']'), KeyModifiers::ALT);
        return Token::Whole(INTRODUCER, Some(alt));
    }
    let Some(end) = rest.iter().position(u8::is_ascii_control) else {
        return Token::Part;
    };
    let message = std::str::from_utf8(&rest[..end])
        .ok()
        .and_then(sequence::osc);
    match &rest[end..] {
        [ESC] => Token::Part,
        [0x07, ..] => Token::Whole(INTRODUCER + end + 1, message),
        [ESC, b'\\', ..] => Token::Whole(INTRODUCER + end + 2, message),
        // The answer was interrupted; the following bytes are something else.
        _ => Token::Whole(INTRODUCER + end, None),
    }
}

fn character(bytes: &[u8]) -> Token {
    let control = |code, modifiers| Token::Whole(1, Some(key(code, modifiers)));
    let held = |c: u8| control(KeyCode::Char(char::from(c)), KeyModifiers::CONTROL);
    match bytes[0] {
        b'\r' => control(KeyCode::Enter, KeyModifiers::NONE),
        b'\t' => control(KeyCode::Tab, KeyModifiers::NONE),
        0x7f => control(KeyCode::Backspace, KeyModifiers::NONE),
        0 => held(b' '),
        byte @ 0x01..=0x1a => held(byte - 1 + b'a'),
        byte @ 0x1c..=0x1f => held(byte - 0x1c + b'4'),
        _ => {
            let longest = &bytes[..bytes.len().min(4)];
            let (valid, error) = match std::str::from_utf8(longest) {
                Ok(valid) => (valid, None),
                Err(error) => {
                    let valid = std::str::from_utf8(&longest[..error.valid_up_to()]);
                    (valid.unwrap_or_default(), Some(error))
                }
            };
            match (valid.chars().next(), error.map(|error| error.error_len())) {
                (Some(c), _) => {
                    let mut modifiers = KeyModifiers::NONE;
                    modifiers.set(KeyModifiers::SHIFT, c.is_uppercase());
                    Token::Whole(c.len_utf8(), Some(key(KeyCode::Char(c), modifiers)))
                }
                (None, Some(None)) => Token::Part,
                (None, Some(Some(length))) => Token::Whole(length, None),
                (None, None) => Token::Whole(1, None),
            }
        }
    }
}

/// Esc and Ctrl-C in one read decode as Alt-Ctrl-C; the operator means Ctrl-C.
fn as_interrupt(message: Msg) -> Msg {
    match message {
        Msg::Key(mut event)
            if event.code == KeyCode::Char('c')
                && event.modifiers.contains(KeyModifiers::CONTROL) =>
        {
            event.modifiers.remove(KeyModifiers::ALT);
            Msg::Key(event)
        }
        other => other,
    }
}

fn paste(bytes: &[u8]) -> Msg {
    Msg::Paste(String::from_utf8_lossy(bytes).into_owned())
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Msg {
    Msg::Key(KeyEvent::new(code, modifiers))
}

fn find(bytes: &[u8], sought: &[u8]) -> Option<usize> {
    bytes
        .windows(sought.len())
        .position(|window| window == sought)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these reads mean, one after another, and what is left when nothing more comes.
    fn decoded(reads: &[&str]) -> String {
        let mut decoder = Decoder::default();
        let mut all = Vec::new();
        for read in reads {
            if *read == "…" {
                all.extend(decoder.timed_out());
            } else {
                all.extend(decoder.read(read.as_bytes()));
            }
        }
        if decoder.patience().is_some() {
            all.extend(decoder.timed_out());
        }
        assert_eq!(decoder.patience(), None);
        let shown = all.iter().map(|message| match message {
            Msg::Key(key) => {
                let held = key.modifiers - KeyModifiers::SHIFT;
                let held = if held.is_empty() {
                    String::new()
                } else {
                    format!("{held}-")
                };
                format!("{held}{}", key.code)
            }
            Msg::Paste(text) => format!("{text:?}"),
            Msg::Background(theme) => format!("{theme:?}"),
            Msg::Mouse(mouse) => format!("{:?}@{},{}", mouse.kind, mouse.column, mouse.row),
            other => panic!("{other:?}"),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_sequence_is_one_key_wherever_the_reads_divide_it() {
        for (sequence, is) in [
            ("\x1b[A", "Up"),
            ("\x1bOB", "Down"),
            ("\x1b[5~", "Page Up"),
            ("\x1b[1;5C", "Control-Right"),
            ("\x1b[Z", "Back Tab"),
            ("\x1b[24~", "F12"),
            ("\x1b[[A", "F1"),
            ("\x1b[99;5u", "Control-c"),
            ("\x1b[<0;12;3M", "Down(Left)@11,2"),
            ("\x1b[<64;1;1M", "ScrollUp@0,0"),
            ("\x1b[M !!", "Down(Left)@0,0"),
            ("\x1b[200~qy\r\x1b[201~", "\"qy\\r\""),
            ("\x1b[I", ""),
            ("\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\", "Dark"),
            ("\x1b]11;rgb:ffff/ffff/dada\x07", "Light"),
            ("\x1b]4;1;rgb:ff/ff/ff\x07", ""),
            ("é", "é"),
            ("💶", "💶"),
        ] {
            for at in (1..sequence.len()).filter(|at| sequence.is_char_boundary(*at)) {
                let (first, rest) = sequence.split_at(at);
                assert_eq!(decoded(&[first, rest, "x"]), format!("{is} x").trim_start());
            }
            let mut decoder = Decoder::default();
            let mut byte_by_byte = Vec::new();
            for byte in sequence.bytes() {
                byte_by_byte.extend(decoder.read(&[byte]));
            }
            assert_eq!(
                byte_by_byte,
                Decoder::default().read(sequence.as_bytes()),
                "{is}"
            );
        }
    }

    #[test]
    fn an_esc_alone_is_esc_after_a_short_wait() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.read(b"\x1b"), []);
        assert_eq!(decoder.patience(), Some(AFTER_ESC));
        for (reads, are) in [
            (&["\x1b"][..], "Esc"),
            (&["\x1b", "q"], "Esc q"),
            (&["\x1b", "\x1b"], "Esc Esc"),
            (&["\x1b\x1b"], "Esc Esc"),
            (&["\x1b\x1b[A"], "Esc Up"),
            (&["\x1bq"], "Alt-q"),
            (&["\x1b\x03"], "Control-c"),
            (&["\x1b", "…", "["], "Esc ["),
            // An incomplete sequence swallows no later key for long.
            (&["\x1b[", "…", "q"], "q"),
            (&["\x1b[1\x1b[A"], "Up"),
        ] {
            assert_eq!(decoded(reads), are, "{reads:?}");
        }
    }

    #[test]
    fn the_answer_about_the_background_takes_no_key_with_it() {
        for (reads, are) in [
            (&["q\x1b]11;rgb:ff/ff/ff\x07j"][..], "q Light j"),
            (&["\x1b]11;rgba:0000/0000/0000/ffff\x1b\\", "q"], "Dark q"),
            (&["\x1b]11;rgb:ff", "…", "q"], "q"),
            (&["\x1b]11;rgb:ff\x1b[A"], "Up"),
            (&["\x1b]11;red\x07"], ""),
            (&["\x1b]", "…", "q"], "Alt-] q"),
            (&["\x1b]q"], "Alt-] q"),
        ] {
            assert_eq!(decoded(reads), are, "{reads:?}");
        }
    }

    #[test]
    fn several_characters_in_one_read_are_a_paste_and_no_commands() {
        for (reads, are) in [
            (&["q"][..], "q"),
            (&["q", "y"], "q y"),
            (&["qy"], "\"qy\""),
            (&["y\r"], "\"y\\r\""),
            (&["\r"], "Enter"),
            (&["\r\n"], "Enter Control-j"),
            (&["\ry"], "Enter y"),
            (&["\t\t\r"], "Tab Tab Enter"),
            (&["A-1\t25\tEMT\rA-2"], "\"A-1\\t25\\tEMT\\rA-2\""),
            // A long one takes several reads, and its last byte is no command.
            (&["A-1\rA-2", "\rA-3\r", "q"], "\"A-1\\rA-2\\rA-3\\rq\""),
            (&["A-1", "…", "q"], "\"A-1\" q"),
            (&["żó", "ł"], "\"żół\""),
            (&["A-1\x1b[A"], "\"A-1\" Up"),
            (&["quit\x03"], "\"quit\" Control-c"),
            // Held down over a slow line.
            (&["jjjj"], "j j j j"),
            (&["jkgg"], "j k g g"),
            (&["yy"], "\"yy\""),
            // Where the terminal marks pastes, a few are typed.
            (&["\x1b[?2004;1$y", "yy", "3j"], "y y 3 j"),
            (&["\x1b[?200", "4;1$y?q\t"], "? q Tab"),
            (&["\x1b[200~A\x1b[201~", "yy"], "\"A\" y y"),
            (&["\x1b[?2004;1$y", "A-17"], "\"A-17\""),
            (&["\x1b[?2004;1$y", "y\r"], "\"y\\r\""),
            (&["\x1b[?2004;1$y", "yy\r"], "\"yy\\r\""),
            (&["\x1b[?2004;0$y", "yy"], "\"yy\""),
        ] {
            assert_eq!(decoded(reads), are, "{reads:?}");
        }
    }

    #[test]
    fn a_paste_whose_end_mark_is_lost_ends_after_a_while() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.read(b"\x1b[200~A-1"), []);
        assert_eq!(decoder.patience(), Some(AFTER_PASTE));
        assert_eq!(decoder.timed_out(), [Msg::Paste("A-1".into())]);
        assert_eq!(decoded(&["\x1b[200~A", "…", "q"]), "\"A\" q");
    }

    #[test]
    fn what_is_not_utf8_is_no_key() {
        let mut decoder = Decoder::default();
        let quit = key(KeyCode::Char('q'), KeyModifiers::NONE);
        assert_eq!(decoder.read(b"\xff"), []);
        assert_eq!(decoder.read(b"q"), [quit]);
    }

    #[test]
    fn a_large_paste_is_read_in_one_go() {
        let text = "ORDER-1\r".repeat(100_000);
        let marked = format!("\x1b[200~{text}\x1b[201~");
        let mut decoder = Decoder::default();
        let mut all = Vec::new();
        for read in marked.as_bytes().chunks(4096) {
            all.extend(decoder.read(read));
        }
        assert_eq!(all, [Msg::Paste(text)]);
    }
}
