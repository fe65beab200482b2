//! The list of alerts: the cause, the account and the time of each.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::Now;
use crate::tui::alerts::{self, Alert};
use crate::tui::keys::Action;
use crate::tui::panes::{ViewContext, age, age_changes_in};
use crate::tui::store::Store;
use crate::tui::theme::{Tone, badge};
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::list::{List, Step};
use crate::tui::widgets::text::{Pen, below, cells, paragraph, width};

/// The widest window it is read in.
const WIDEST: u16 = 110;
/// Columns of a badge: ` LIVE `.
const BADGE: u16 = 6;
/// Rows for the whole text of the selected alert.
const DETAIL: u16 = 4;

/// The selected alert. It stays selected when its row moves.
#[derive(Debug, Clone, Default)]
pub struct State {
    list: List,
    selected: Option<String>,
}

impl State {
    pub fn new(store: &Store) -> Self {
        let first = alerts::all(store).into_iter().next();
        Self {
            list: List::default(),
            selected: first.map(|alert| alert.key),
        }
    }

    fn place(&self, alerts: &[Alert]) -> usize {
        let selected = self.selected.as_ref();
        let mut all = alerts.iter();
        let place = all.position(|alert| Some(&alert.key) == selected);
        place.unwrap_or(self.list.selected.min(alerts.len().saturating_sub(1)))
    }

    pub fn chosen(&self, store: &Store) -> Option<Alert> {
        let alerts = alerts::all(store);
        let at = self.place(&alerts);
        alerts.into_iter().nth(at)
    }

    pub fn step(&mut self, step: Step, screen: Rect, store: &Store) {
        let alerts = alerts::all(store);
        self.list.selected = self.place(&alerts);
        self.list
            .step(step, alerts.len(), parts(screen, alerts.len()).1);
        let at = alerts.get(self.list.selected);
        self.selected = at.map(|alert| alert.key.clone());
    }

    /// The time until an age on screen changes.
    pub fn changes_in(store: &Store, now: Now) -> Option<Duration> {
        let alerts = alerts::all(store).into_iter();
        let times = alerts.filter_map(|alert| alert.handled.or(alert.since));
        times.map(|at| age_changes_in(at, now)).min()
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        let alerts = alerts::all(ctx.store);
        let (whole, height) = parts(screen, alerts.len());
        let live = ctx.store.is_live();
        let inner = window(buf, screen, theme, "Alerts", whole, live);
        if alerts.is_empty() {
            paragraph(
                buf,
                inner,
                "Nothing needs attention.",
                theme.style(Tone::Good),
            );
            return;
        }
        let list = Rect { height, ..inner };
        let account = alerts.iter().filter_map(|alert| alert.account.as_ref());
        let account = account
            .map(|id| width(id.as_str()))
            .max()
            .unwrap_or(0)
            .min(16);
        let selected = self.place(&alerts);
        let mut shown = self.list;
        shown.selected = selected;
        let window = shown.window(alerts.len(), height);
        let (from, till) = (window.start, window.end);
        for (row, at) in (0..).zip(window) {
            let whole = Rect {
                y: list.y + row,
                height: 1,
                ..list
            };
            draw_row(&alerts[at], account, ctx, whole, buf);
            if at == selected {
                buf.set_style(whole, theme.selected(true));
            }
        }
        let mut under = below(inner, height);
        if till - from < alerts.len() {
            let place = format!("{}-{till} of {}", from + 1, alerts.len());
            Pen::new(buf, under, 0).flush(&place, theme.style(Tone::Dim));
        }
        under = below(under, 1);
        let room = Rect {
            height: under.height.saturating_sub(1),
            ..under
        };
        paragraph(buf, room, &alerts[selected].what, theme.style(Tone::Plain));
        let verb = match alerts[selected].handled {
            Some(_) => "marks it as not handled",
            None => "marks it as handled",
        };
        let (go, mark) = (ctx.key(Action::GoToAlert), ctx.key(Action::MarkHandled));
        let keys = format!("{go} goes to it, {mark} {verb}.");
        let at = below(under, under.height.saturating_sub(1));
        Pen::new(buf, at, 0).text(&keys, theme.style(Tone::Dim));
    }
}

/// The window's size, and the rows of the list.
fn parts(screen: Rect, len: usize) -> ((u16, u16), u16) {
    let frame = 2 + 1 + DETAIL;
    // Not `clamp`, which panics if the upper bound is below the lower one: on a tiny screen it is.
    let height = (cells(len) + frame)
        .max(frame + 1)
        .min(screen.height.saturating_sub(2).max(frame));
    (
        (screen.width.min(WIDEST), height),
        height.saturating_sub(frame),
    )
}

fn draw_row(alert: &Alert, account: u16, ctx: ViewContext<'_>, line: Rect, buf: &mut Buffer) {
    let theme = ctx.theme;
    let dim = theme.style(Tone::Dim);
    let (glyph, tone) = match alert.handled {
        Some(_) => ("✔", Tone::Dim),
        None => ("!", alert.tone),
    };
    let since = match (alert.handled, alert.since) {
        (Some(at), _) => format!("handled {}", ctx.ago(at)),
        (None, Some(since)) => age(since, ctx.now),
        (None, None) => String::new(),
    };
    let right = width(&since) + 1;
    let mut pen = Pen::new(buf, line, 0);
    pen.text(glyph, theme.bold(tone)).skip(1);
    let id = alert.account.as_ref().map_or("", |id| id.as_str());
    pen.cell(id, account, dim)
        .skip(u16::from(account > 0))
        .keep(right);
    // An account that was removed from the config has no badge.
    let known = alert.account.as_ref().and_then(|id| ctx.store.known(id));
    if let Some(known) = known {
        let (word, tone) = badge(known.account.environment);
        let text = format!(" {word} ");
        pen.text(&text, theme.badge(tone))
            .skip(BADGE.saturating_sub(width(&text)) + 1);
    } else if account > 0 {
        pen.skip(BADGE + 1);
    }
    // The rows below the list show the whole text.
    pen.text(
        &alert.what,
        theme.style(if alert.handled.is_some() {
            Tone::Dim
        } else {
            Tone::Plain
        }),
    );
    Pen::new(buf, line, 0).flush(&since, dim);
}
