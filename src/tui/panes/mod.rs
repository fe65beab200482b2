//! The panes. Each is one file, or one folder, with its state, its actions and its drawing; panes do
//! not know each other.

pub mod budgets;
pub mod callbacks;
pub mod credentials;
pub mod estimates;
pub mod explorer;
pub mod payments;
pub mod players;
pub mod request_rows;
pub mod requests;
pub mod tokens;
pub mod track;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Effect;
use super::keys::{Action, Keymap, Scope};
use super::store::Store;
use super::theme::{Theme, Tone};
use super::widgets::list::Step;
use super::widgets::text::{Pen, below, cells, paragraph, wrap};
use crate::domain::{Now, RequestId, WallTime, time};

/// A pane of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    Credentials,
    Tokens,
    Payments,
    Estimates,
    Requests,
    Explorer,
    Callbacks,
    Players,
}

impl Pane {
    /// In the order of their number keys.
    pub const ALL: [Self; 8] = [
        Self::Credentials,
        Self::Tokens,
        Self::Payments,
        Self::Estimates,
        Self::Requests,
        Self::Explorer,
        Self::Callbacks,
        Self::Players,
    ];

    pub fn index(self) -> usize {
        match self {
            Self::Credentials => 0,
            Self::Tokens => 1,
            Self::Payments => 2,
            Self::Estimates => 3,
            Self::Requests => 4,
            Self::Explorer => 5,
            Self::Callbacks => 6,
            Self::Players => 7,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Credentials => "Credentials",
            Self::Tokens => "Tokens",
            Self::Payments => "Payments",
            Self::Estimates => "Estimates",
            Self::Requests => "Requests",
            Self::Explorer => "Explorer",
            Self::Callbacks => "Callbacks",
            Self::Players => "Players",
        }
    }

    pub fn title(self) -> String {
        format!("{} {}", self.index() + 1, self.name())
    }

    /// The title for a narrow tab.
    pub fn short_title(self) -> String {
        let name = match self {
            Self::Credentials => "Creds",
            Self::Estimates => "Quotes",
            Self::Explorer => "API",
            Self::Payments => "Pay",
            Self::Requests => "Log",
            Self::Tokens => "Tokens",
            Self::Callbacks => "In",
            Self::Players => "Players",
        };
        format!("{} {name}", self.index() + 1)
    }

    pub fn scope(self) -> Scope {
        match self {
            Self::Credentials => Scope::Credentials,
            Self::Tokens => Scope::Tokens,
            Self::Payments => Scope::Payments,
            Self::Estimates => Scope::Estimates,
            Self::Requests => Scope::Requests,
            Self::Explorer => Scope::Explorer,
            Self::Callbacks => Scope::Callbacks,
            Self::Players => Scope::Players,
        }
    }

    /// The pane that a key scope belongs to.
    pub fn of(scope: Scope) -> Option<Self> {
        Self::ALL.into_iter().find(|pane| pane.scope() == scope)
    }

    /// The pane that an action moves the focus to.
    pub fn focused_by(action: Action) -> Option<Self> {
        Some(match action {
            Action::FocusCredentials => Self::Credentials,
            Action::FocusTokens => Self::Tokens,
            Action::FocusPayments => Self::Payments,
            Action::FocusEstimates => Self::Estimates,
            Action::FocusRequests => Self::Requests,
            Action::FocusExplorer => Self::Explorer,
            Action::FocusCallbacks => Self::Callbacks,
            Action::FocusPlayers => Self::Players,
            _ => return None,
        })
    }

    /// Whether it is drawn alone: it needs the whole body.
    pub fn is_alone(self) -> bool {
        matches!(self, Self::Explorer | Self::Players)
    }

    pub fn next(self) -> Self {
        Self::ALL[(self.index() + 1) % Self::ALL.len()]
    }

    pub fn previous(self) -> Self {
        Self::ALL[(self.index() + Self::ALL.len() - 1) % Self::ALL.len()]
    }
}

/// What a pane reads to draw itself, besides its own state.
#[derive(Clone, Copy)]
pub struct ViewContext<'a> {
    pub store: &'a Store,
    pub theme: &'a Theme,
    pub keymap: &'a Keymap,
    pub now: Now,
    pub focused: bool,
    /// Reduced motion: clock times instead of countdowns.
    pub still: bool,
}

impl ViewContext<'_> {
    /// The first key of an action, as in "press v".
    pub fn key(&self, action: Action) -> String {
        self.keymap.first(action)
    }

    /// `just now`, `<1m ago`, `2m ago`.
    pub fn ago(&self, at: WallTime) -> String {
        match age(at, self.now).as_str() {
            "now" => "just now".into(),
            age => format!("{age} ago"),
        }
    }

    /// Time until a monotonic instant: `4s`, or the clock time with reduced motion.
    pub fn until(&self, due: Duration) -> String {
        let left = due.saturating_sub(self.now.mono);
        if self.still {
            return self.now.wall.plus(left).clock(&self.store.zone);
        }
        format!("{}s", left.as_millis().div_ceil(1000))
    }

    /// Why a request waits, and when it goes on: `rate limit reached (429); retries in 4s`.
    pub fn waiting(&self, request: Option<RequestId>) -> Option<String> {
        let wait = self.store.wait_of(request)?;
        Some(match wait.until {
            Some(until) => format!("{}; retries {}", wait.why, self.in_or_at(until)),
            None => wait.why.clone(),
        })
    }

    /// `in 4s`, or `at 02:54:26` with reduced motion.
    pub fn in_or_at(&self, due: Duration) -> String {
        let preposition = if self.still { "at" } else { "in" };
        format!("{preposition} {}", self.until(due))
    }
}

/// What a pane may change besides its own state: the store, and the effects to perform.
pub struct UpdateContext<'a> {
    pub store: &'a mut Store,
    pub out: &'a mut Vec<Effect>,
    pub now: Now,
}

/// An event younger than this is shown as new.
pub const JUST_NOW: Duration = Duration::from_secs(10);

/// An age in a column. Whole minutes after the first, so that an idle screen changes once a minute.
pub fn age(at: WallTime, now: Now) -> String {
    let age = now.wall.since(at);
    if age < JUST_NOW {
        "now".into()
    } else if age < Duration::from_mins(1) {
        "<1m".into()
    } else {
        time::coarse(age)
    }
}

/// Time until [`age`] gives another text.
pub fn age_changes_in(at: WallTime, now: Now) -> Duration {
    // Zero where the clock was set back: the age counts as new.
    let age = now.wall.since(at);
    if age < JUST_NOW {
        return JUST_NOW.saturating_sub(age).max(Duration::from_millis(10));
    }
    let unit = if age < Duration::from_hours(1) {
        Duration::from_mins(1)
    } else {
        Duration::from_hours(1)
    };
    let into = u64::try_from(age.as_millis() % unit.as_millis()).unwrap_or(0);
    unit.saturating_sub(Duration::from_millis(into))
        .max(Duration::from_millis(10))
}

/// Until the next whole second, on which all countdowns tick together.
pub fn tick(now: Now) -> Duration {
    Duration::from_secs(1).saturating_sub(Duration::from_nanos(now.mono.subsec_nanos().into()))
}

/// Whether `text` contains `part`, ASCII case ignored. Copies nothing: a text may be a whole body.
pub fn contains(text: &str, part: &str) -> bool {
    text.as_bytes()
        .windows(part.len().max(1))
        .any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// A reason without the account that it begins with, for a place that names the account already.
pub fn without_account<'a>(why: &'a str, account: &str) -> &'a str {
    let rest = why.strip_prefix("account ");
    let rest = rest.and_then(|rest| rest.strip_prefix(account));
    rest.and_then(|rest| rest.strip_prefix(": ")).unwrap_or(why)
}

/// The rows that details need, each of them wrapped to `columns`.
pub fn line_rows(lines: &[(String, Tone)], columns: u16) -> u16 {
    let rows = lines.iter().map(|(text, _)| wrap(text, columns).len());
    cells(rows.sum())
}

/// Draws details below a list, each of them wrapped, after a blank row where there is one to spare; returns the area
/// below them.
pub fn draw_lines(
    lines: &[(String, Tone)],
    ctx: ViewContext<'_>,
    area: Rect,
    buf: &mut Buffer,
) -> Rect {
    let spare = area.height > line_rows(lines, area.width);
    let mut left = below(area, u16::from(spare));
    for (text, tone) in lines {
        let style = match tone {
            Tone::Live => ctx.theme.bold(*tone),
            _ => ctx.theme.style(*tone),
        };
        // A single row shows more of a text that is cut at its end than of one that is wrapped.
        let rows = match left.height {
            1 => {
                Pen::new(buf, left, 0).text(text, style);
                1
            }
            _ => paragraph(buf, left, text, style),
        };
        left = below(left, rows);
    }
    left
}

/// The moves that every list understands.
pub fn step(action: Action) -> Option<Step> {
    Some(match action {
        Action::Up => Step::Up(1),
        Action::Down => Step::Down(1),
        Action::PageUp => Step::PageUp,
        Action::PageDown => Step::PageDown,
        Action::Top => Step::Top,
        Action::Bottom => Step::Bottom,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing::second;

    #[test]
    fn an_age_is_right_and_changes_seldom() {
        let mut now = second(0);
        let mut ages = Vec::new();
        for _ in 0..5 {
            ages.push((now.mono.as_secs(), age(second(0).wall, now)));
            now = now.plus(age_changes_in(second(0).wall, now));
        }
        let ages: Vec<_> = ages.iter().map(|(at, age)| (*at, age.as_str())).collect();
        assert_eq!(
            ages,
            [
                (0, "now"),
                (10, "<1m"),
                (60, "1m"),
                (120, "2m"),
                (180, "3m")
            ]
        );
    }
}
