//! The panes. Each is one file, or one folder, with its state, its actions and its drawing; panes do
//! not know each other.

pub mod budgets;
pub mod callbacks;
pub mod credentials;
pub mod estimates;
pub mod explorer;
mod log;
pub mod payments;
pub mod players;
pub mod request_rows;
pub mod requests;
pub mod tokens;
pub mod track;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::component::DynComponent;
use super::keys::{Binding, Keys as _, Scope, keys};
use super::setup::Setup;
use super::theme::{Theme, Tone};
use super::widgets::text::{Pen, below, cells, fit_middle, paragraph, wrap};
use crate::domain::{Ability, Now, WallTime, inert, time};

pub use super::component::{UpdateContext, ViewContext};

/// Declares the panes: for each its module, the scope of its list, how its state begins, and the action that goes to it,
/// with its name in the config file, its keys, its word in the footer and its help.
macro_rules! panes {
    ($($Pane:ident($module:ident, $SCOPE:ident, $begin:expr)
        $name:literal [$key:literal] $short:literal $help:literal;)*
    ) => {
        /// A pane of the console.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Pane { $($Pane),* }

        impl Pane {
            /// In the order of their number keys.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$Pane),*];
            pub const COUNT: usize = [$(stringify!($Pane)),*].len();

            pub fn name(self) -> &'static str {
                match self { $(Self::$Pane => stringify!($Pane)),* }
            }

            /// The scope of its list.
            pub fn scope(self) -> &'static Scope {
                match self { $(Self::$Pane => &$module::$SCOPE),* }
            }
        }

        /// The state of every pane.
        #[derive(Debug, Clone)]
        pub struct Panes { $(pub $module: $module::State),* }

        impl Panes {
            pub fn new(setup: &Setup) -> Self {
                Self { $($module: $begin(setup)),* }
            }

            pub fn get(&self, pane: Pane) -> &DynComponent {
                match pane { $(Pane::$Pane => &self.$module),* }
            }

            pub fn get_mut(&mut self, pane: Pane) -> &mut DynComponent {
                match pane { $(Pane::$Pane => &mut self.$module),* }
            }
        }

        /// The keys of every pane, in the order of help.
        pub const BINDINGS: &[&[Binding]] = &[$($module::Action::BINDINGS),*];

        keys! {
            /// Goes to a pane.
            GoTo:
            PANES "Console" keys [] { $($Pane $name [$key] $short $help;)* }
        }

        impl GoTo {
            pub fn pane(self) -> Pane {
                match self { $(Self::$Pane => Pane::$Pane),* }
            }
        }
    };
}

panes! {
    Credentials(credentials, CREDENTIALS, fresh) "credentials" ["1"] "" "go to Credentials";
    Tokens(tokens, TOKENS, fresh) "tokens" ["2"] "" "go to Tokens";
    Payments(payments, PAYMENTS, fresh) "payments" ["3"] "" "go to Payments";
    Estimates(estimates, ESTIMATES, fresh) "estimates" ["4"] "" "go to Estimates";
    Requests(requests, REQUESTS, fresh) "requests" ["5"] "" "go to Requests";
    Explorer(explorer, EXPLORER, explorer::State::new) "explorer" ["6"] "explore" "go to Explorer";
    Callbacks(callbacks, CALLBACKS, fresh) "callbacks" ["7"] "" "go to Callbacks";
    Players(players, PLAYERS, players::State::new) "players" ["8"] "players" "go to Players";
}

fn fresh<S: Default>(_setup: &Setup) -> S {
    S::default()
}

impl Pane {
    pub fn index(self) -> usize {
        self as usize
    }

    pub fn title(self) -> String {
        format!("{} {}", self.index() + 1, self.name())
    }

    /// The pane that a key scope belongs to.
    pub fn of(scope: &Scope) -> Option<Self> {
        Self::ALL.into_iter().find(|pane| pane.scope() == scope)
    }

    /// Whether it is drawn alone: it needs the whole body.
    pub fn is_alone(self) -> bool {
        matches!(self, Self::Explorer | Self::Players)
    }

    /// The panes that the config file names, in their order; without names, all.
    pub fn chosen(names: &[String]) -> Result<Vec<Self>, String> {
        if names.is_empty() {
            return Ok(Self::ALL.to_vec());
        }
        let mut chosen = Vec::new();
        for name in names {
            let mut panes = Self::ALL.into_iter();
            let Some(pane) = panes.find(|pane| pane.name().to_lowercase() == *name) else {
                let all = Self::ALL.map(|pane| pane.name().to_lowercase());
                return Err(format!(
                    "unknown pane {}; the panes are {}",
                    inert::quoted(name, 40),
                    all.join(", ")
                ));
            };
            if chosen.contains(&pane) {
                return Err(format!("`panes` lists {name} twice"));
            }
            chosen.push(pane);
        }
        Ok(chosen)
    }
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

/// A clock time for today, with seconds where they are wanted; a date for any other day.
pub fn clock_or_date(at: WallTime, seconds: bool, ctx: ViewContext<'_>) -> String {
    let at = at.date_and_clock(&ctx.store.zone);
    let today = ctx.now.wall.date_and_clock(&ctx.store.zone);
    let part = match (at.get(..10) == today.get(..10), seconds) {
        (true, true) => 11..19,
        (true, false) => 11..16,
        (false, _) => 5..10,
    };
    at.get(part).unwrap_or(&at).to_owned()
}

/// The line above the details of a selected row: `── ORDER-1042 at shop ─────`
pub struct Heading<'a> {
    pub name: &'a str,
    pub account: &'a str,
}

impl Heading<'_> {
    pub fn draw(&self, theme: &Theme, line: Rect, buf: &mut Buffer) {
        let rule = theme.border(false, false);
        let mut pen = Pen::new(buf, line, 0);
        pen.text("── ", rule);
        let name = fit_middle(self.name, pen.left().saturating_sub(12));
        pen.text(&name, theme.bold(Tone::Plain))
            .text(" at ", theme.style(Tone::Dim))
            .text(self.account, theme.style(Tone::Dim))
            .skip(1);
        let rest = usize::from(pen.left());
        pen.text(&"─".repeat(rest), rule);
    }
}

/// What the empty pane of an ability says in a profile without an account for it.
pub fn none_can(ability: Ability, ctx: ViewContext<'_>) -> (String, String) {
    (
        format!("This profile has no account for {}.", ability.noun()),
        format!(
            "{} in {} shows how to get one.",
            ctx.key(credentials::Action::Guide),
            Pane::Credentials.name()
        ),
    )
}

/// Draws what an empty pane says: what is missing, and how it comes; returns the area below.
pub fn draw_empty(texts: [&str; 2], ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Rect {
    let [what, how] = texts;
    let rows = paragraph(buf, area, what, ctx.theme.style(Tone::Plain));
    let left = below(area, rows + 1);
    let rows = paragraph(buf, left, how, ctx.theme.style(Tone::Dim));
    below(left, rows)
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
