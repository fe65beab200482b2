//! The checks of `tilldeck doctor`, for command and console: those of the deck, then that of the terminal.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::clipboard::Multiplexer;
use super::{no_terminal, terminal};
use crate::config::Environ;
use crate::deck::Deck;
use crate::deck::doctor::{self, Opened, Subject};
use crate::domain::{Finding, RequestId, inert};
use crate::tui::{Msg, SMALLEST};

/// Checks everything, and sends each finding in a fixed order, as soon as those before it are ready.
pub async fn examine(subject: Subject, opened: Opened, to: mpsc::Sender<Finding>) {
    let environ = subject.locations.environ.clone();
    doctor::examine(subject, opened, &to).await;
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let size = size.map(|size| (size.ws_col, size.ws_row));
    let size = size.filter(|_| io::stdin().is_terminal());
    for finding in of_terminal(&environ, size) {
        let _ = to.send(finding.named("terminal")).await;
    }
}

/// The same for the console, which gets each finding as a message.
pub(super) async fn diagnose(deck: Arc<Deck>, request: RequestId, messages: mpsc::Sender<Msg>) {
    let (to, mut found) = mpsc::channel(1);
    let checks = examine(deck.subject(), Some(Ok(deck)), to);
    let relay = async {
        loop {
            let finding = found.recv().await;
            let ended = finding.is_none();
            let _ = messages.send(Msg::Diagnosed(request, finding)).await;
            if ended {
                return;
            }
        }
    };
    tokio::join!(checks, relay);
}

/// What the terminal can do, as far as its variables and its size say so. `size` is `None` where there is no terminal.
fn of_terminal(environ: &Environ, size: Option<(u16, u16)>) -> Vec<Finding> {
    let Some((columns, rows)) = size else {
        let words = "none: input or output is redirected; commands need none";
        return vec![Finding::good(words)];
    };
    let term = environ.get("TERM").unwrap_or_default();
    let term = inert::cut(&term.to_string_lossy(), 40);
    let colors = match environ.get("NO_COLOR") {
        Some(_) => "no colors (NO_COLOR)",
        None => "colors",
    };
    let mut found = vec![Finding::good(format!(
        "TERM={term}, {columns}x{rows}, {colors}"
    ))];
    let mut warn = |words: String, hint: &str| {
        found.push(Finding::warning(words).hint(hint));
    };
    if let Some(problem) = no_terminal(environ.get("TERM").as_deref()) {
        warn(
            problem.message,
            "set TERM to the terminal's name, such as xterm-256color; `tilldeck --plain` needs none",
        );
    }
    let (least_columns, least_rows) = SMALLEST;
    if columns < least_columns || rows < least_rows {
        warn(
            format!("the console needs at least {least_columns}x{least_rows}"),
            "enlarge the window; commands need no size",
        );
    }
    if !terminal::speaks_unicode(environ) {
        warn(
            "the locale is not UTF-8: the console draws lines and marks in ASCII".to_owned(),
            "set LANG to a UTF-8 locale, such as C.UTF-8",
        );
    }
    found.push(clipboard(Multiplexer::of(environ)));
    found
}

fn clipboard(between: Multiplexer) -> Finding {
    let copies =
        |through| format!("copies to the clipboard {through}; the terminal must allow OSC 52");
    let needs = "run `tmux set -g set-clipboard on` if nothing is copied";
    match between {
        Multiplexer::Nothing => Finding::good(copies("by OSC 52")),
        Multiplexer::Tmux => Finding::good(copies("through tmux")).hint(needs),
        Multiplexer::Screen => Finding::good(copies("through GNU screen")),
        Multiplexer::Either => Finding::good(copies("through tmux or GNU screen")).hint(needs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Health;

    #[test]
    fn a_terminal_is_judged_by_its_size_and_variables() {
        let xterm = ("TERM", "xterm-256color");
        for (variables, size, health, words) in [
            (
                [xterm, ("LANG", "C.UTF-8")],
                (120, 40),
                Health::Good,
                "TERM=xterm-256color, 120x40, colors",
            ),
            (
                [xterm, ("NO_COLOR", "1")],
                (80, 24),
                Health::Good,
                "TERM=xterm-256color, 80x24, no colors (NO_COLOR)",
            ),
            (
                [xterm, ("LANG", "C.UTF-8")],
                (39, 40),
                Health::Warning,
                "the console needs at least 40x10",
            ),
            (
                [xterm, ("LANG", "de_DE.ISO-8859-1")],
                (80, 24),
                Health::Warning,
                "the locale is not UTF-8",
            ),
        ] {
            let found = of_terminal(&Environ::of(variables), Some(size));
            // Tests may run without a terminal, which is a warning of its own.
            let mut shown = found
                .iter()
                .filter(|it| !it.message.starts_with("the console needs a terminal"));
            let is = shown.any(|it| it.health == health && it.message.starts_with(words));
            assert!(is, "{variables:?} {size:?}: {found:?}");
        }
        assert_eq!(of_terminal(&Environ::of([]), None).len(), 1);
    }

    #[test]
    fn copying_through_tmux_says_what_tmux_needs() {
        assert!(clipboard(Multiplexer::Tmux).hint.contains("set-clipboard"));
        assert!(clipboard(Multiplexer::Nothing).message.contains("OSC 52"));
    }
}
