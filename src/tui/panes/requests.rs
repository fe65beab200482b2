//! The request log, a window over the ledger, below the rate limits.

mod waits;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tui_input::Input;

use super::budgets::{budget_rows, draw_budgets};
use super::request_rows::draw_row;
use super::{UpdateContext, ViewContext, contains};
use crate::domain::{Exchange, ExchangeId, Now, Outcome, Problem, RequestId};
use crate::tui::Effect;
use crate::tui::keys::Action;
use crate::tui::msg::Level;
use crate::tui::store::Store;
use crate::tui::theme::Tone;
use crate::tui::widgets::input::draw_filter;
use crate::tui::widgets::list::{List, Step};
use crate::tui::widgets::text::{Pen, below, cells, fit};

/// Rows in memory while the newest are followed.
const ROWS_MAX: usize = 500;
/// Rows in memory while the operator reads older ones.
const ROWS_READ_MAX: usize = 2000;
/// Rows loaded at once.
const LOAD: usize = 200;

/// Whether the selection follows the newest row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Follow {
    #[default]
    Following,
    /// The number of rows that arrived since.
    Paused(usize),
}

/// A query to the ledger that is in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Load {
    before: Option<ExchangeId>,
    filter: String,
}

/// Whether the ledger has older rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Older {
    Perhaps,
    None,
}

/// The loaded rows, the filter and the selection.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    list: List,
    /// The selected waiting request; `None` while the selection is in the log.
    waiting_at: Option<RequestId>,
    waits: List,
    /// Oldest first.
    rows: VecDeque<Arc<Exchange>>,
    /// The rows that match the filter, from memory and from the ledger; oldest first.
    found: VecDeque<Arc<Exchange>>,
    filter: String,
    follow: Follow,
    older: Older,
    loading: Option<Load>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            list: List::default(),
            waiting_at: None,
            waits: List::default(),
            rows: VecDeque::new(),
            found: VecDeque::new(),
            filter: String::new(),
            follow: Follow::Following,
            older: Older::Perhaps,
            loading: None,
        }
    }
}

impl State {
    /// The rows on the screen: those that match the filter, or all.
    fn shown(&self) -> &VecDeque<Arc<Exchange>> {
        if self.filter.is_empty() {
            &self.rows
        } else {
            &self.found
        }
    }

    pub fn selected(&self) -> Option<&Arc<Exchange>> {
        if self.waiting_at.is_some() {
            return None;
        }
        self.shown().get(self.list.selected)
    }

    /// The exchange with this id, if it is loaded.
    pub fn known(&self, id: ExchangeId) -> Option<&Arc<Exchange>> {
        self.rows.iter().rev().find(|exchange| exchange.id == id)
    }

    pub fn filter(&self) -> &str {
        &self.filter
    }

    pub fn can_load(&self, store: &Store) -> bool {
        store.is_ready()
            && self.loading.is_none()
            && self.older == Older::Perhaps
            && self.shown().len() < ROWS_READ_MAX
    }

    /// Takes the newest rows from the ledger, newest first.
    pub fn begin(&mut self, newest_first: Vec<Arc<Exchange>>) {
        self.rows = newest_first.into_iter().take(ROWS_MAX).rev().collect();
        self.go_to_end();
    }

    fn go_to_end(&mut self) {
        self.follow = Follow::Following;
        while self.rows.len() > ROWS_MAX {
            self.rows.pop_front();
            self.older = Older::Perhaps;
        }
        self.list.selected = self.shown().len().saturating_sub(1);
    }

    /// Adds a new exchange.
    pub fn push(&mut self, exchange: Arc<Exchange>) {
        let seen = self.filter.is_empty() || matches(&exchange, &self.filter);
        if !self.filter.is_empty() && seen {
            self.found.push_back(exchange.clone());
        }
        self.rows.push_back(exchange);
        let max = match self.follow {
            Follow::Following => ROWS_MAX,
            Follow::Paused(_) => ROWS_READ_MAX,
        };
        let unfiltered = self.filter.is_empty();
        let mut dropped = 0;
        if self.rows.len() > max {
            self.rows.pop_front();
            dropped += usize::from(unfiltered);
            self.older = Older::Perhaps;
        }
        if self.found.len() > max {
            self.found.pop_front();
            dropped += usize::from(!unfiltered);
            self.older = Older::Perhaps;
        }
        match &mut self.follow {
            Follow::Following => self.list.selected = self.shown().len().saturating_sub(1),
            Follow::Paused(new) => {
                *new += usize::from(seen);
                self.list.selected = self.list.selected.saturating_sub(dropped);
            }
        }
    }

    /// Moves the selection among the rows laid out in `parts`.
    pub fn step(&mut self, step: Step, parts: Parts, ctx: &mut UpdateContext<'_>) {
        let height = parts.list.height;
        if self.step_waiting(step, parts.waiting.height, ctx.store) {
            return;
        }
        let len = self.shown().len();
        let at_top = self.list.selected == 0;
        self.list.step(step, len, height);
        if self.list.selected + 1 >= len {
            self.go_to_end();
        } else if self.follow == Follow::Following {
            self.follow = Follow::Paused(0);
        }
        // At the first row, one more step up means: older ones.
        if at_top && matches!(step, Step::Up(_) | Step::PageUp | Step::Top) {
            self.load_older(ctx);
        }
        self.list.fit(self.shown().len(), height);
    }

    /// Selects the row drawn at `row`.
    pub fn point(&mut self, row: u16, height: u16) {
        self.waiting_at = None;
        let at = self.list.window(self.shown().len(), height).start + usize::from(row);
        if at < self.shown().len() {
            self.list.selected = at;
            if at + 1 < self.shown().len() && self.follow == Follow::Following {
                self.follow = Follow::Paused(0);
            } else if at + 1 == self.shown().len() {
                self.go_to_end();
            }
        }
    }

    fn load_older(&mut self, ctx: &mut UpdateContext<'_>) {
        if self.can_load(ctx.store) {
            let before = self
                .shown()
                .iter()
                .map(|exchange| exchange.id)
                // An exchange that could not be saved has a negative id and no place in the ledger.
                .find(|id| id.0 >= 0);
            self.load(before, ctx);
        }
    }

    fn load(&mut self, before: Option<ExchangeId>, ctx: &mut UpdateContext<'_>) {
        let filter = self.filter.clone();
        ctx.out.push(Effect::LoadLog {
            before,
            filter: filter.clone(),
            limit: LOAD,
        });
        self.loading = Some(Load { before, filter });
    }

    /// Adds older rows from the ledger, newest first.
    pub fn loaded(
        &mut self,
        result: Result<Vec<Arc<Exchange>>, Problem>,
        ctx: &mut UpdateContext<'_>,
    ) {
        let Some(load) = self.loading.take() else {
            return;
        };
        if load.filter != self.filter {
            // The filter changed while the query ran: query again with the new one.
            if !self.filter.is_empty() {
                self.load(None, ctx);
            }
            return;
        }
        let rows = match result {
            Ok(rows) => rows,
            Err(problem) => {
                ctx.store.flash(Level::Error, problem.describe());
                return;
            }
        };
        // Fewer rows than requested: the ledger has no more.
        self.older = if rows.len() < LOAD {
            Older::None
        } else {
            Older::Perhaps
        };
        let shown = if self.filter.is_empty() {
            &mut self.rows
        } else {
            &mut self.found
        };
        let mut added = 0;
        for row in rows {
            let known = shown.iter().any(|have| have.id == row.id);
            if !known && shown.len() < ROWS_READ_MAX {
                // Older rows go to the front; rows that match a filter may also fill gaps between loaded ones.
                let place = shown.partition_point(|have| have.id.0 >= 0 && have.id < row.id);
                if place <= self.list.selected {
                    added += 1;
                }
                shown.insert(place, row);
            }
        }
        self.list.selected = match self.follow {
            Follow::Following => self.shown().len().saturating_sub(1),
            Follow::Paused(_) => (self.list.selected + added).min(self.shown().len() - 1),
        };
    }

    /// Shows only rows with this text.
    pub fn set_filter(&mut self, filter: &str) {
        filter.trim().clone_into(&mut self.filter);
        self.found = if self.filter.is_empty() {
            VecDeque::new()
        } else {
            self.rows
                .iter()
                .filter(|exchange| matches(exchange, &self.filter))
                .cloned()
                .collect()
        };
        self.older = Older::Perhaps;
        self.follow = Follow::Following;
        self.list.selected = self.shown().len().saturating_sub(1);
    }

    pub fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::LoadOlder => {
                if self.follow == Follow::Following && !self.shown().is_empty() {
                    self.follow = Follow::Paused(0);
                }
                self.load_older(ctx);
            }
            // The typed filter looked at loaded rows only; Enter also queries the ledger.
            Action::KeepFilter if !self.filter.is_empty() && self.loading.is_none() => {
                self.load(None, ctx);
            }
            _ => {}
        }
    }

    /// Time until the rate limits or the waiting rows must be redrawn or refreshed.
    pub fn changes_in(store: &Store, now: Now, still: bool) -> Option<Duration> {
        let resets = store
            .accounts
            .iter()
            .filter_map(|known| known.budget_changes_in(now));
        let counts = store
            .accounts
            .iter()
            .flat_map(|known| known.budgets(now))
            .filter(|gauge| gauge.held.or(gauge.next_free).is_some())
            .map(|_| ());
        let waits = store
            .waiting
            .values()
            .filter(|waiting| waiting.until.is_some_and(|until| until > now.mono))
            .map(|_| ());
        let counts = counts.chain(waits).next().filter(|()| !still);
        let traffic = store.traffic.changes_in(now, still);
        let ctx = store.budgets_due(now);
        resets
            .chain(counts.map(|()| super::tick(now)))
            .chain(traffic)
            .chain(ctx.map(|due| due.saturating_sub(now.mono)))
            .min()
    }

    /// The note at the right of the title.
    pub fn note(&self, ctx: ViewContext<'_>) -> Option<(String, Tone)> {
        match self.follow {
            Follow::Paused(new) => Some((
                format!(
                    "paused, {new} new requests: {} shows them",
                    ctx.key(Action::Bottom)
                ),
                Tone::Warn,
            )),
            Follow::Following if !self.filter.is_empty() => Some((
                match self.found.len() {
                    1 => format!("1 request matches `{}`", fit(&self.filter, 24)),
                    n => format!("{n} requests match `{}`", fit(&self.filter, 24)),
                },
                Tone::Accent,
            )),
            Follow::Following => None,
        }
    }

    /// Draws the pane; `typing` is the filter being typed. Returns the cursor's column in it.
    pub fn view(
        &self,
        ctx: ViewContext<'_>,
        typing: Option<&Input>,
        area: Rect,
        buf: &mut Buffer,
    ) -> Option<u16> {
        let theme = ctx.theme;
        let cursor = typing.map(|input| {
            let hint = "method, path, account, status or body";
            draw_filter(buf, area, input, hint, theme)
        });
        let parts = parts(area, ctx.store);
        if typing.is_none() {
            draw_budgets(ctx, parts.budgets, buf);
        }
        self.draw_waits(ctx, parts.waiting, buf);
        let list = parts.list;
        let rows = self.shown();
        if rows.is_empty() {
            let word = if !ctx.store.is_ready() {
                "Opening the ledger…"
            } else if self.loading.is_some() {
                "Loading from the ledger…"
            } else if self.filter.is_empty() {
                "No requests yet. Every request appears here, with secrets replaced."
            } else {
                "No request matches the filter."
            };
            Pen::new(buf, list, 0).text(word, theme.style(Tone::Dim));
        }
        for (row, at) in (0..).zip(self.list.window(rows.len(), list.height)) {
            draw_row(&rows[at], ctx, list, row, buf);
            if at == self.list.selected && ctx.focused && self.waiting_at.is_none() {
                let line = Rect {
                    y: list.y + row,
                    height: 1,
                    ..list
                };
                buf.set_style(line, theme.selected(true));
            }
        }
        cursor
    }
}

/// The areas of the pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub budgets: Rect,
    pub waiting: Rect,
    pub list: Rect,
}

/// Rate limits on top, in at most a third; then waiting requests, in at most half of the rest; then the log.
pub fn parts(area: Rect, store: &Store) -> Parts {
    // In a wider row the eye loses the line.
    let area = Rect {
        width: area.width.min(140),
        ..area
    };
    let most = (area.height / 3).max(1);
    let budgets = Rect {
        height: budget_rows(store, area.width).min(most).min(area.height),
        ..area
    };
    let rest = below(area, budgets.height);
    let waiting = Rect {
        height: cells(store.waiting.len()).min(rest.height / 2),
        ..rest
    };
    Parts {
        budgets,
        waiting,
        list: below(rest, waiting.height),
    }
}

fn matches(exchange: &Exchange, filter: &str) -> bool {
    let status = match &exchange.outcome {
        Outcome::Status(status) => status.to_string(),
        Outcome::Failed(why) => why.clone(),
    };
    [
        exchange.method.as_str(),
        exchange.path(),
        exchange.account.as_str(),
        exchange.about.as_str(),
        &status,
        &exchange.request_body.readable(),
        &exchange.response_body.readable(),
    ]
    .iter()
    .any(|text| contains(text, filter))
}
