//! The sequences by which the terminal notifies the operator: bell, notification of the desktop, title of the window.

use std::collections::BTreeSet;

use super::clipboard::Multiplexer;
use crate::config::Environ;
use crate::domain::Notify;
use crate::domain::inert;
use crate::net::redact;

/// The longest text in a sequence, in characters.
const TEXT_MAX: usize = 200;
const BELL: &str = "\u{7}";

/// The sequence for a notification that a terminal knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// `OSC 9`, of iTerm2, which most terminals know.
    Nine,
    /// `OSC 777`, of rxvt, foot and the terminals on VTE.
    Rxvt,
    /// None: the Linux console prints what it does not know.
    Nothing,
}

impl Protocol {
    fn of(environ: &Environ) -> Self {
        let term = environ.get("TERM").unwrap_or_default();
        let term = term.to_string_lossy();
        if term == "linux" {
            Self::Nothing
        } else if term.starts_with("rxvt")
            || term.starts_with("foot")
            || environ.get("VTE_VERSION").is_some()
        {
            Self::Rxvt
        } else {
            Self::Nine
        }
    }
}

#[derive(Debug, Clone)]
pub struct Attention {
    ways: BTreeSet<Notify>,
    protocol: Protocol,
    multiplexer: Multiplexer,
}

impl Attention {
    /// For the terminal that the environment describes.
    pub fn new(ways: BTreeSet<Notify>, environ: &Environ) -> Self {
        Self {
            ways,
            protocol: Protocol::of(environ),
            multiplexer: Multiplexer::of(environ),
        }
    }

    /// The bell, or nothing.
    pub fn bell(&self) -> &'static str {
        if self.ways.contains(&Notify::Bell) {
            BELL
        } else {
            ""
        }
    }

    /// What notifies the operator, in the ways that are on.
    pub fn notification(&self, text: &str) -> String {
        let mut sequence = self.bell().to_owned();
        if !self.ways.contains(&Notify::Desktop) {
            return sequence;
        }
        let text = shown(text);
        let plain = match self.protocol {
            // The name first: some terminals take a number in the first place for another command.
            Protocol::Nine => format!("\u{1b}]9;tilldeck: {text}\u{7}"),
            Protocol::Rxvt => format!("\u{1b}]777;notify;tilldeck;{text}\u{7}"),
            Protocol::Nothing => return sequence,
        };
        sequence.push_str(&match self.multiplexer {
            Multiplexer::Nothing => plain,
            through => through.wrapped(&plain),
        });
        sequence
    }

    /// The title as it may be set; `None` if it stays as it is.
    pub fn title(&self, title: &str) -> Option<String> {
        self.sets_title().then(|| shown(title))
    }

    /// Whether the window's title is the console's.
    pub fn sets_title(&self) -> bool {
        self.ways.contains(&Notify::Title) && self.protocol != Protocol::Nothing
    }
}

/// No character of it ends or begins a sequence, and no known secret is in it.
fn shown(text: &str) -> String {
    inert::cut(&redact::scrub(text), TEXT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attention<const N: usize>(variables: [(&str, &str); N]) -> Attention {
        Attention::new(Notify::ALL.into(), &Environ::of(variables))
    }

    #[test]
    fn each_terminal_gets_the_sequence_that_it_knows() {
        let nine = "\u{7}\u{1b}]9;tilldeck: A-1: less\u{7}";
        let rxvt = "\u{7}\u{1b}]777;notify;tilldeck;A-1: less\u{7}";
        for (variables, wanted) in [
            (
                [("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")],
                nine,
            ),
            ([("TERM", "xterm-kitty"), ("VTE_VERSION", "")], nine),
            ([("TERM", "xterm-256color"), ("VTE_VERSION", "7600")], rxvt),
            ([("TERM", "foot"), ("VTE_VERSION", "")], rxvt),
            (
                [("TERM", "rxvt-unicode-256color"), ("VTE_VERSION", "")],
                rxvt,
            ),
            ([("TERM", "linux"), ("VTE_VERSION", "")], "\u{7}"),
            (
                [("TERM", "tmux-256color"), ("TMUX", "/tmp/t,1,0")],
                "\u{7}\u{1b}Ptmux;\u{1b}\u{1b}]9;tilldeck: A-1: less\u{7}\u{1b}\\",
            ),
            (
                [("TERM", "screen"), ("STY", "1.pts")],
                "\u{7}\u{1b}P\u{1b}]9;tilldeck: A-1: less\u{7}\u{1b}\\",
            ),
        ] {
            let sequence = attention(variables).notification("A-1: less");
            assert_eq!(sequence, wanted, "{variables:?}");
        }
    }

    #[test]
    fn only_the_chosen_ways_are_used() {
        let environ = Environ::of([("TERM", "xterm")]);
        let with = |ways: &[Notify]| Attention::new(ways.iter().copied().collect(), &environ);
        let off = with(&[]);
        assert_eq!((off.bell(), off.notification("x").as_str()), ("", ""));
        assert_eq!(off.title("x"), None);
        assert_eq!(with(&[Notify::Bell]).notification("x"), "\u{7}");
        let desktop = with(&[Notify::Desktop]);
        assert_eq!(desktop.notification("x"), "\u{1b}]9;tilldeck: x\u{7}");
        assert_eq!(with(&[Notify::Title]).title("x").as_deref(), Some("x"));
        assert_eq!(attention([("TERM", "linux")]).title("x"), None);
    }

    #[test]
    fn no_text_ends_its_sequence_or_shows_a_secret() {
        redact::learn(&crate::domain::Secret::new("planted-in-a-title"), "planted");
        let hostile = "a\u{7}b\u{1b}\\c\u{9c}d\u{202e}e\nplanted-in-a-title";
        let attention = attention([("TERM", "xterm")]);
        let title = attention.title(hostile).unwrap();
        let sequence = attention.notification(&hostile.repeat(90));
        let text = sequence.strip_prefix("\u{7}\u{1b}]9;tilldeck: ").unwrap();
        let text = text.strip_suffix('\u{7}').unwrap();
        for text in [title.as_str(), text] {
            assert!(!text.contains(inert::is_hostile), "{text:?}");
            assert!(!text.contains("planted-in"), "{text:?}");
            assert!(text.chars().count() <= TEXT_MAX);
        }
    }
}
