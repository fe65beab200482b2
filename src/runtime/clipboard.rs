//! Copying to the terminal's clipboard (OSC 52), also through tmux and GNU screen, which pass the sequence on only if
//! it is wrapped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::Environ;

/// Old versions of screen drop a longer string.
const SCREEN_MAX: usize = 252;

/// The multiplexer between the console and the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Multiplexer {
    Nothing,
    Tmux,
    Screen,
    /// tmux or screen, on the machine at the other end of an ssh connection.
    Either,
}

impl Multiplexer {
    pub fn of(environ: &Environ) -> Self {
        let term = environ.get("TERM").unwrap_or_default();
        let term = term.to_string_lossy();
        if environ.get("TMUX").is_some() || term.starts_with("tmux") {
            Self::Tmux
        } else if environ.get("STY").is_some() {
            Self::Screen
        } else if term.starts_with("screen") {
            Self::Either
        } else {
            Self::Nothing
        }
    }

    /// The sequence that copies `text`. It always includes the plain one, which tmux reads with `set-clipboard on`.
    pub fn sequence(self, text: &str) -> String {
        let plain = format!("\u{1b}]52;c;{}\u{7}", STANDARD.encode(text));
        let wrapped = self.wrapped(&plain);
        plain + &wrapped
    }

    /// A sequence in ASCII or UTF-8 as it passes on to the terminal behind it; nothing where there is none.
    pub fn wrapped(self, plain: &str) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Tmux => {
                let escaped = plain.replace('\u{1b}', "\u{1b}\u{1b}");
                format!("\u{1b}Ptmux;{escaped}\u{1b}\\")
            }
            Self::Screen | Self::Either => {
                let mut wrapped = String::new();
                let mut rest = plain;
                while !rest.is_empty() {
                    // Not within a character.
                    let (part, after) = rest.split_at(rest.floor_char_boundary(SCREEN_MAX));
                    wrapped.push_str("\u{1b}P");
                    wrapped.push_str(part);
                    wrapped.push_str("\u{1b}\\");
                    rest = after;
                }
                wrapped
            }
        }
    }

    /// A notice after copying `what`. The terminal does not confirm the copy.
    pub fn done(self, what: &str) -> String {
        match self {
            Self::Nothing => format!("copied to the terminal's clipboard: {what}"),
            Self::Tmux => {
                format!("copied {what}; tmux needs `set -g set-clipboard on`")
            }
            Self::Screen => format!("copied through screen to the terminal's clipboard: {what}"),
            Self::Either => {
                format!("copied {what}; tmux, if used, needs `set -g set-clipboard on`")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_is_read_from_the_environment() {
        for (variables, is) in [
            (
                [("TERM", "xterm-256color"), ("TMUX", ""), ("STY", "")],
                Multiplexer::Nothing,
            ),
            (
                [("TERM", "screen"), ("TMUX", "/tmp/t,1,0"), ("STY", "")],
                Multiplexer::Tmux,
            ),
            (
                [("TERM", "tmux-256color"), ("TMUX", ""), ("STY", "")],
                Multiplexer::Tmux,
            ),
            (
                [("TERM", "screen"), ("TMUX", ""), ("STY", "1.pts")],
                Multiplexer::Screen,
            ),
            (
                [("TERM", "screen.xterm"), ("TMUX", ""), ("STY", "")],
                Multiplexer::Either,
            ),
        ] {
            assert_eq!(
                Multiplexer::of(&Environ::of(variables)),
                is,
                "{variables:?}"
            );
        }
    }

    #[test]
    fn each_gets_the_sequence_in_the_form_that_it_passes_on() {
        let plain = "\u{1b}]52;c;QS0x\u{7}";
        assert_eq!(Multiplexer::Nothing.sequence("A-1"), plain);
        assert_eq!(
            Multiplexer::Tmux.sequence("A-1"),
            format!("{plain}\u{1b}Ptmux;\u{1b}\u{1b}]52;c;QS0x\u{7}\u{1b}\\")
        );
        assert_eq!(
            Multiplexer::Screen.sequence("A-1"),
            format!("{plain}\u{1b}P{plain}\u{1b}\\")
        );
        let long = "x".repeat(3000);
        let plain = Multiplexer::Nothing.sequence(&long);
        let all = Multiplexer::Screen.sequence(&long);
        let parts = all[plain.len()..].split_terminator("\u{1b}\\");
        let parts: Vec<_> = parts.map(|part| &part[2..]).collect();
        assert!(parts.iter().all(|part| part.len() <= SCREEN_MAX));
        assert_eq!(parts.concat(), plain);
    }

    #[test]
    fn the_notice_fits_an_ordinary_terminal() {
        for between in [
            Multiplexer::Nothing,
            Multiplexer::Tmux,
            Multiplexer::Screen,
            Multiplexer::Either,
        ] {
            assert!(between.done("the player's number").len() < 79);
        }
    }
}
