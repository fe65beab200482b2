//! Callbacks from the providers: one row each with its verdict and its jobs, a window over the ledger, below the
//! state of the listener.

pub mod listener;
mod rows;
mod window;
pub mod words;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tui_input::Input;

use super::{UpdateContext, ViewContext, tick};
use crate::domain::{Delivery, DeliveryId, JobState, Listening, Now, Problem};
use crate::tui::Effect;
use crate::tui::msg::Level;
use crate::tui::store::Store;
use crate::tui::theme::Tone;
use crate::tui::widgets::input::draw_filter;
use crate::tui::widgets::list::{List, Step};
use crate::tui::widgets::text::{below, fit, paragraph};
use window::{Put, Tally, Window};

/// Rows in memory while the newest are followed.
const ROWS_MAX: usize = 500;
/// Rows in memory while the operator reads older ones.
const ROWS_READ_MAX: usize = 2000;
/// Rows loaded at once.
const LOAD: usize = 200;

/// The loaded rows, the filter and the selection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub list: List,
    all: Window,
    /// The rows that match the filter.
    found: Window,
    filter: String,
    /// Rows that arrived while an older one is selected.
    new: usize,
    /// Whether the ledger has no older ones.
    exhausted: bool,
    loading: bool,
    pub tally: Tally,
}

impl State {
    fn window(&self) -> &Window {
        if self.filter.is_empty() {
            &self.all
        } else {
            &self.found
        }
    }

    /// All loaded rows, newest first, whatever the filter.
    pub fn rows(&self) -> &VecDeque<Arc<Delivery>> {
        self.all.rows()
    }

    /// The number of rows that match the filter.
    pub fn len(&self) -> usize {
        self.window().len()
    }

    pub fn selected(&self) -> Option<&Arc<Delivery>> {
        self.window().get(self.list.selected)
    }

    pub fn known(&self, id: DeliveryId) -> Option<&Arc<Delivery>> {
        self.all.known(id)
    }

    pub fn filter(&self) -> &str {
        &self.filter
    }

    pub fn can_load(&self, store: &Store) -> bool {
        store.is_ready()
            && !self.loading
            && !self.exhausted
            && self.all.len() > 0
            && self.all.len() < ROWS_READ_MAX
    }

    /// Takes the newest rows from the ledger.
    pub fn begin(&mut self, deliveries: Vec<Arc<Delivery>>) {
        for delivery in deliveries {
            // A row that an event brought meanwhile is newer.
            if self.all.known(delivery.id).is_none() {
                self.put(delivery, ROWS_MAX);
            }
        }
        self.list = List::default();
        self.new = 0;
    }

    /// Adds a callback, or replaces the row of one whose jobs changed.
    pub fn push(&mut self, delivery: Arc<Delivery>) {
        let reading = self.list.selected > 0;
        let max = if reading { ROWS_READ_MAX } else { ROWS_MAX };
        if let Put::At(at) = self.put(delivery, max)
            && reading
            && at <= self.list.selected
        {
            // The operator is reading: the same row stays selected, at the same place.
            self.list.moved(1);
            self.new += 1;
        }
        if self.all.cut(max) {
            self.exhausted = false;
        }
        self.found.cut(max);
        let last = self.len().saturating_sub(1);
        self.list.selected = self.list.selected.min(last);
    }

    /// Puts a row into both windows; returns its place among the rows that match the filter.
    fn put(&mut self, delivery: Arc<Delivery>, max: usize) -> Put {
        self.tally.apply(&delivery);
        if self.filter.is_empty() {
            return self.all.put(delivery, max);
        }
        // A row that is shown stays, even if its new state does not match the filter any more.
        let seen = matches(&delivery, &self.filter) || self.found.known(delivery.id).is_some();
        let put = if seen {
            self.found.put(delivery.clone(), max)
        } else {
            Put::Ignored
        };
        self.all.put(delivery, max);
        put
    }

    /// Moves the selection; at the last row it loads older ones.
    pub fn step(&mut self, step: Step, height: u16, ctx: &mut UpdateContext<'_>) {
        let len = self.len();
        let at_end = self.list.selected + 1 >= len;
        self.list.step(step, len, height);
        // At the top the operator follows the newest rows again.
        if self.list.selected == 0 {
            self.follow();
        }
        if at_end && matches!(step, Step::Down(_) | Step::PageDown | Step::Bottom) {
            self.load_older(ctx);
        }
    }

    /// Back to the newest rows: those loaded beyond the limit are dropped.
    fn follow(&mut self) {
        self.new = 0;
        if self.all.cut(ROWS_MAX) {
            self.exhausted = false;
        }
    }

    pub fn load_older(&mut self, ctx: &mut UpdateContext<'_>) {
        if self.can_load(ctx.store) {
            self.loading = true;
            ctx.out.push(Effect::LoadDeliveries {
                before: self.rows().back().map(|oldest| oldest.id),
                limit: LOAD,
            });
        }
    }

    /// Adds older rows from the ledger.
    pub fn loaded(&mut self, result: Result<Vec<Arc<Delivery>>, Problem>, store: &mut Store) {
        // Without a query in flight, these rows answer one that was dropped.
        if !std::mem::take(&mut self.loading) {
            return;
        }
        match result {
            Err(problem) => store.flash(Level::Error, problem.describe()),
            Ok(rows) => {
                self.exhausted = rows.len() < LOAD;
                if rows.is_empty() {
                    store.flash(Level::Info, "there are no older callbacks");
                }
                for row in rows {
                    self.put(row, ROWS_READ_MAX);
                }
            }
        }
    }

    /// Shows only rows with this text.
    pub fn set_filter(&mut self, filter: &str) {
        filter.trim().clone_into(&mut self.filter);
        self.found = Window::default();
        if !self.filter.is_empty() {
            for row in self.all.rows() {
                if matches(row, &self.filter) {
                    self.found.put(row.clone(), ROWS_READ_MAX);
                }
            }
        }
        self.list = List::default();
        self.new = 0;
    }

    /// Time until the pane must be redrawn without an event.
    pub fn changes_in(&self, listening: &Listening, now: Now, still: bool) -> Option<Duration> {
        let due = |delivery: &Arc<Delivery>| {
            delivery
                .jobs
                .iter()
                .any(|job| matches!(job.state, JobState::Due { at } if at > now.wall))
        };
        let counts = !still && self.tally.sum.queued > 0 && self.rows().iter().any(due);
        listener::changes_in(self, listening, now)
            .into_iter()
            .chain(counts.then(|| tick(now)))
            .min()
    }

    /// The note at the right of the title.
    pub fn note(&self, ctx: ViewContext<'_>) -> Option<(String, Tone)> {
        if self.new > 0 {
            let key = ctx.key(crate::tui::keys::Action::Top);
            return Some((format!("{} new: {key} shows them", self.new), Tone::Warn));
        }
        (!self.filter.is_empty()).then(|| {
            let text = format!("{} match `{}`", self.found.len(), fit(&self.filter, 24));
            (text, Tone::Accent)
        })
    }

    /// The areas of the pane.
    pub fn parts(&self, ctx: ViewContext<'_>, area: Rect) -> Parts {
        // In a wider row the eye loses the line.
        let area = Rect {
            width: area.width.min(160),
            ..area
        };
        let listener = Rect {
            height: listener::rows(self, ctx, area),
            ..area
        };
        let rest = below(area, listener.height);
        let rest = below(rest, u16::from(rest.height >= 12));
        let detail = match rest.height {
            0..14 => 0,
            height => (height * 2 / 5).clamp(6, 12),
        };
        let list = Rect {
            height: rest.height - detail,
            ..rest
        };
        Parts {
            listener,
            list,
            detail: below(rest, list.height),
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
        let parts = self.parts(ctx, area);
        let cursor = typing.map(|input| {
            let hint = "account, verdict, kind, payment, reason or result";
            draw_filter(buf, area, input, hint, theme)
        });
        if typing.is_none() {
            listener::draw(self, ctx, parts.listener, buf);
        }
        let shown = self.window();
        if shown.len() == 0 {
            self.draw_empty(ctx, parts.list, buf);
            return cursor;
        }
        let window = self.list.window(shown.len(), parts.list.height);
        let seen: Vec<&Delivery> = shown
            .rows()
            .range(window.clone())
            .map(Arc::as_ref)
            .collect();
        let columns = rows::Columns::new(parts.list.width, &seen, ctx);
        for (row, at) in (0..).zip(window) {
            let Some(delivery) = shown.get(at) else {
                continue;
            };
            columns.draw(delivery, ctx, parts.list, row, buf);
            if at == self.list.selected && (ctx.focused || parts.detail.height > 0) {
                let line = Rect {
                    y: parts.list.y + row,
                    height: 1,
                    ..parts.list
                };
                buf.set_style(line, theme.selected(ctx.focused));
            }
        }
        if let Some(delivery) = self.selected() {
            rows::draw_detail(delivery, ctx, parts.detail, buf);
        }
        cursor
    }

    fn draw_empty(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let text = if !ctx.store.is_ready() {
            "Opening the ledger…".to_owned()
        } else if self.loading {
            "Loading from the ledger…".to_owned()
        } else if !self.filter.is_empty() {
            "No loaded callback matches the filter.".to_owned()
        } else {
            match &ctx.store.listening {
                Listening::Off => {
                    "Callbacks are off. Set `bind = \"127.0.0.1:8787\"` under `[callbacks]` in \
                     the config file, or run `tilldeck listen`."
                        .to_owned()
                }
                Listening::Up { .. } => {
                    "No callback yet. Each one appears here with its verdict, refused ones too."
                        .to_owned()
                }
                Listening::Down { .. } => "No callback yet.".to_owned(),
            }
        };
        paragraph(buf, area, &text, ctx.theme.style(Tone::Dim));
    }
}

/// The areas of the pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub listener: Rect,
    pub list: Rect,
    pub detail: Rect,
}

fn matches(delivery: &Delivery, filter: &str) -> bool {
    let (_, verdict, _) = words::verdict(delivery);
    let subject = words::subject(delivery);
    [
        delivery.account.as_str(),
        delivery.provider.as_str(),
        &verdict,
        &delivery.kind,
        &subject,
        &delivery.why,
    ]
    .into_iter()
    .chain(delivery.jobs.iter().map(|job| job.summary.as_str()))
    .any(|text| super::contains(text, filter))
}
