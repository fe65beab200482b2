//! The request log, a window over the ledger, below the rate limits.

mod waits;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Position, Rect};

use super::budgets::{budget_rows, draw_budgets};
use super::request_rows::{RESPONSE_FROM, columns};
use super::{UpdateContext, ViewContext, contains};
use crate::domain::{Exchange, ExchangeId, Outcome, Problem, RequestId};
use crate::tui::Effect;
use crate::tui::component::{Component, Event, Intent, Paste};
use crate::tui::keys::{FILTER, GLOBAL, NAV, NavAction, Scope, keys};
use crate::tui::msg::{Level, Msg};
use crate::tui::overlays::{exchange, timeline};
use crate::tui::store::{AccountState, Store};
use crate::tui::theme::Tone;
use crate::tui::widgets::columns::Grid;
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::list::{List, Step};
use crate::tui::widgets::text::{Pen, cells, fit};

keys! {
    /// What a key does in the request log.
    Action:
    REQUESTS "Requests" keys [NAV, GLOBAL] {
        OpenExchange "open" ["enter"] "open" "show the request and its response";
        Filter "filter" ["/"] "filter" "filter the requests by text";
        LoadOlder "older" ["o"] "older" "load older requests";
        RequestTimeline "request-timeline" ["t"] "timeline" "show the payment's timeline";
        CancelWaiting "cancel-waiting" ["x"] "cancel" "cancel a waiting request; end a pause";
    }
}

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
#[derive(Debug, Clone)]
pub struct State {
    list: List,
    /// The selected waiting request; `None` while the selection is in the log.
    waiting_at: Option<RequestId>,
    waits: List,
    /// The rows that match the filter, from memory and from the ledger; oldest first.
    found: VecDeque<Arc<Exchange>>,
    filter: Filter,
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
            found: VecDeque::new(),
            filter: Filter::default(),
            follow: Follow::Following,
            older: Older::Perhaps,
            loading: None,
        }
    }
}

impl State {
    /// The rows on the screen: those that match the filter, or all.
    fn shown<'a>(&'a self, store: &'a Store) -> &'a VecDeque<Arc<Exchange>> {
        if self.filter.is_active() {
            &self.found
        } else {
            &store.exchanges
        }
    }

    pub fn selected<'a>(&'a self, store: &'a Store) -> Option<&'a Arc<Exchange>> {
        if self.waiting_at.is_some() {
            return None;
        }
        self.shown(store).get(self.list.selected)
    }

    fn can_load(&self, store: &Store) -> bool {
        store.is_ready()
            && self.loading.is_none()
            && self.older == Older::Perhaps
            && self.shown(store).len() < ROWS_READ_MAX
    }

    /// Takes the newest rows from the ledger, newest first.
    fn begin(&mut self, newest_first: &[Arc<Exchange>], store: &mut Store) {
        let newest = newest_first.iter().take(ROWS_MAX);
        store.exchanges = newest.rev().cloned().collect();
        self.go_to_end(store);
    }

    fn go_to_end(&mut self, store: &mut Store) {
        self.follow = Follow::Following;
        while store.exchanges.len() > ROWS_MAX {
            store.exchanges.pop_front();
            self.older = Older::Perhaps;
        }
        self.list.selected = self.shown(store).len().saturating_sub(1);
    }

    /// Adds a new exchange.
    fn push(&mut self, exchange: &Arc<Exchange>, store: &mut Store) {
        let unfiltered = !self.filter.is_active();
        let seen = unfiltered || matches(exchange, self.filter.text());
        if !unfiltered && seen {
            self.found.push_back(exchange.clone());
        }
        store.exchanges.push_back(exchange.clone());
        let max = match self.follow {
            Follow::Following => ROWS_MAX,
            Follow::Paused(_) => ROWS_READ_MAX,
        };
        let mut dropped = 0;
        if store.exchanges.len() > max {
            store.exchanges.pop_front();
            dropped += usize::from(unfiltered);
            self.older = Older::Perhaps;
        }
        if self.found.len() > max {
            self.found.pop_front();
            dropped += usize::from(!unfiltered);
            self.older = Older::Perhaps;
        }
        match &mut self.follow {
            Follow::Following => self.list.selected = self.shown(store).len().saturating_sub(1),
            Follow::Paused(new) => {
                *new += usize::from(seen);
                self.list.selected = self.list.selected.saturating_sub(dropped);
            }
        }
    }

    fn load_older(&mut self, ctx: &mut UpdateContext<'_>) {
        if self.can_load(ctx.store) {
            let before = self
                .shown(ctx.store)
                .iter()
                .map(|exchange| exchange.id)
                // An exchange that could not be saved has a negative id and no place in the ledger.
                .find(|id| id.0 >= 0);
            self.load(before, ctx);
        }
    }

    fn load(&mut self, before: Option<ExchangeId>, ctx: &mut UpdateContext<'_>) {
        let filter = self.filter.text().to_owned();
        ctx.out.push(Effect::LoadLog {
            before,
            filter: filter.clone(),
            limit: LOAD,
        });
        self.loading = Some(Load { before, filter });
    }

    /// Adds older rows from the ledger, newest first.
    fn loaded(
        &mut self,
        result: &Result<Vec<Arc<Exchange>>, Problem>,
        ctx: &mut UpdateContext<'_>,
    ) {
        let Some(load) = self.loading.take() else {
            return;
        };
        if load.filter != self.filter.text() {
            // The filter changed while the query ran: query again with the new one.
            if self.filter.is_active() {
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
        let shown = if self.filter.is_active() {
            &mut self.found
        } else {
            &mut ctx.store.exchanges
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
                shown.insert(place, row.clone());
            }
        }
        let last = self.shown(ctx.store).len().saturating_sub(1);
        self.list.selected = match self.follow {
            Follow::Following => last,
            Follow::Paused(_) => (self.list.selected + added).min(last),
        };
    }

    /// Shows only the rows that match the filter, after it changed.
    fn filter_changed(&mut self, store: &Store) {
        self.found = VecDeque::new();
        if self.filter.is_active() {
            let all = store.exchanges.iter();
            let found = all.filter(|exchange| matches(exchange, self.filter.text()));
            self.found = found.cloned().collect();
        }
        self.older = Older::Perhaps;
        self.follow = Follow::Following;
        self.list.selected = self.shown(store).len().saturating_sub(1);
    }
}

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        if self.filter.is_typed() {
            &FILTER
        } else {
            &REQUESTS
        }
    }

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        let selected = self.selected(ctx.store);
        match action {
            Action::OpenExchange => selected.is_some(),
            Action::Filter => true,
            Action::LoadOlder => self.can_load(ctx.store),
            Action::RequestTimeline => {
                let payment = selected.and_then(|exchange| ctx.store.payment_of(exchange));
                ctx.store.is_ready() && payment.is_some()
            }
            Action::CancelWaiting => {
                let held = ctx.store.accounts.iter().any(AccountState::is_held);
                held || !ctx.store.waiting.is_empty()
            }
        }
    }

    fn why_not(&self, action: Action) -> &'static str {
        match action {
            Action::CancelWaiting => "no request waits",
            Action::LoadOlder => "there is none, or it loads",
            Action::OpenExchange | Action::Filter | Action::RequestTimeline => {
                "no request is selected"
            }
        }
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::OpenExchange => {
                if let Some(exchange) = self.selected(ctx.store).cloned() {
                    ctx.open(exchange::State::new(exchange, &ctx.store.zone));
                }
                return;
            }
            Action::Filter => {
                self.filter.open();
                return;
            }
            Action::LoadOlder | Action::RequestTimeline | Action::CancelWaiting => {}
        }
        if !ctx.is_ready() {
            return;
        }
        match action {
            Action::OpenExchange | Action::Filter => {}
            Action::LoadOlder => {
                if self.follow == Follow::Following && !self.shown(ctx.store).is_empty() {
                    self.follow = Follow::Paused(0);
                }
                self.load_older(ctx);
            }
            Action::RequestTimeline => {
                if let Some(exchange) = self.selected(ctx.store).cloned() {
                    open_timeline(&exchange, ctx);
                }
            }
            Action::CancelWaiting => self.cancel_waiting(ctx),
        }
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let parts = parts(ctx.area, ctx.store);
        let height = parts.list.height;
        if self.step_waiting(step, parts.waiting.height, ctx.store) {
            return;
        }
        let len = self.shown(ctx.store).len();
        let at_top = self.list.selected == 0;
        self.list.step(step, len, height);
        if self.list.selected + 1 >= len {
            self.go_to_end(ctx.store);
        } else if self.follow == Follow::Following {
            self.follow = Follow::Paused(0);
        }
        // At the first row, one more step up means: older ones.
        if at_top && matches!(step, Step::Up(_) | Step::PageUp | Step::Top) {
            self.load_older(ctx);
        }
        self.list.fit(self.shown(ctx.store).len(), height);
    }

    fn key(&mut self, key: &KeyEvent, ctx: &mut UpdateContext<'_>) -> bool {
        let taken = self.filter.key(key);
        if taken {
            self.filter_changed(ctx.store);
        }
        taken
    }

    fn paste(&mut self, text: &str, ctx: &mut UpdateContext<'_>) -> Paste {
        let pasted = self.filter.paste(text);
        if pasted != Paste::Refused {
            self.filter_changed(ctx.store);
        }
        pasted
    }

    fn point(&mut self, at: Position, is_click: bool, ctx: &mut UpdateContext<'_>) {
        let parts = parts(ctx.area, ctx.store);
        if !is_click || self.point_waiting(at, parts.waiting, ctx.store) {
            return;
        }
        let len = self.shown(ctx.store).len();
        if self.list.point(at, parts.list, len) {
            self.waiting_at = None;
            if self.list.selected + 1 == len {
                self.go_to_end(ctx.store);
            } else if self.follow == Follow::Following {
                self.follow = Follow::Paused(0);
            }
        }
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        match event {
            Event::Message(Msg::Ready(ready), _) => self.begin(&ready.log, ctx.store),
            Event::Message(Msg::Exchange(exchange), _) => self.push(exchange, ctx.store),
            Event::Message(Msg::Log(result), _) => self.loaded(result, ctx),
            // Selects the next one, so that repeated presses cancel several.
            Event::Cancelled { .. } => self.fit_waiting(ctx.store),
            Event::Message(..) => {}
        }
        self.waiting_changed(ctx.store);
    }

    fn on_intent(&mut self, intent: Intent, ctx: &mut UpdateContext<'_>) {
        if let Intent::ShowWaiting = intent {
            self.select_waiting(ctx.store);
        }
    }

    /// Clears the filter.
    fn close(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        self.filter.clear();
        self.filter_changed(ctx.store);
        true
    }

    /// The typed filter looked at loaded rows only; Enter also queries the ledger.
    fn keep_filter(&mut self, ctx: &mut UpdateContext<'_>) {
        self.filter.keep();
        if self.filter.is_active() && self.loading.is_none() && ctx.store.is_ready() {
            self.load(None, ctx);
        }
    }

    fn cancel(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        if self.waiting_at.is_some() {
            self.cancel_waiting(ctx);
            return true;
        }
        let cleared = self.filter.clear();
        if cleared {
            self.filter_changed(ctx.store);
        }
        cleared
    }

    /// The time until the rate limits or the waiting rows must be redrawn or read again.
    fn next_wake(&self, ctx: ViewContext<'_>) -> Option<Duration> {
        let resets = ctx
            .store
            .accounts
            .iter()
            .filter_map(|known| known.budget_changes_in(ctx.now));
        let counts = ctx
            .store
            .accounts
            .iter()
            .flat_map(|known| known.budgets(ctx.now))
            .filter(|gauge| gauge.held.or(gauge.next_free).is_some())
            .map(|_| ());
        let waits = ctx
            .store
            .waiting
            .values()
            .filter(|waiting| waiting.until.is_some_and(|until| until > ctx.now.mono))
            .map(|_| ());
        let counts = counts.chain(waits).next().filter(|()| !ctx.still);
        let traffic = ctx.store.traffic.changes_in(ctx.now, ctx.still);
        let look = ctx.store.budgets_due(ctx.now);
        resets
            .chain(counts.map(|()| super::tick(ctx.now)))
            .chain(traffic)
            .chain(look.map(|due| due.saturating_sub(ctx.now.mono)))
            .min()
    }

    fn note(&self, ctx: ViewContext<'_>, _room: u16) -> Option<(String, Tone)> {
        match self.follow {
            Follow::Paused(new) => Some((
                format!(
                    "paused, {new} new requests: {} shows them",
                    ctx.key(NavAction::Bottom)
                ),
                Tone::Warn,
            )),
            Follow::Following if self.filter.is_active() => Some((
                match self.found.len() {
                    1 => format!("1 request matches `{}`", fit(self.filter.text(), 24)),
                    n => format!("{n} requests match `{}`", fit(self.filter.text(), 24)),
                },
                Tone::Accent,
            )),
            Follow::Following => None,
        }
    }

    fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let hint = "method, path, account, status or body";
        let cursor = self.filter.draw(hint, theme, area, buf);
        let parts = parts(area, ctx.store);
        if cursor.is_none() {
            draw_budgets(ctx, parts.budgets, buf);
        }
        self.draw_waits(ctx, parts.waiting, buf);
        let list = parts.list;
        let rows = self.shown(ctx.store);
        if rows.is_empty() {
            let word = if !ctx.store.is_ready() {
                "Opening the ledger…"
            } else if self.loading.is_some() {
                "Loading from the ledger…"
            } else if !self.filter.is_active() {
                "No requests yet. Every request appears here, with secrets replaced."
            } else {
                "No request matches the filter."
            };
            Pen::new(buf, list, 0).text(word, theme.style(Tone::Dim));
        }
        let window = self.list.window(rows.len(), list.height);
        let selected = self.list.selected.checked_sub(window.start);
        let selected = selected.filter(|_| ctx.focused && self.waiting_at.is_none());
        let seen = rows.range(window).collect();
        let grid = Grid::new(columns(list.width, ctx), seen, list);
        grid.draw_head(theme.style(Tone::Dim), parts.head, buf);
        grid.draw(selected.map(|at| (at, theme.selected(true))), buf);
        cursor.map(|x| Position::new(x, area.y))
    }
}

/// Opens the timeline of the payment that a request names.
pub fn open_timeline(exchange: &Exchange, ctx: &mut UpdateContext<'_>) {
    match ctx.store.payment_of(exchange) {
        Some(payment) => {
            let account = exchange.account.clone();
            ctx.open(timeline::State::new(account, payment, ctx.now));
        }
        None => ctx.flash(Level::Info, "this request names no known payment"),
    }
}

/// The areas of the pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub budgets: Rect,
    pub waiting: Rect,
    /// The titles of the columns, in a large pane.
    pub head: Rect,
    pub list: Rect,
}

/// Rate limits on top, in at most a third; then waiting requests, in at most half of the rest; then the log.
pub fn parts(area: Rect, store: &Store) -> Parts {
    let most = (area.height / 3).max(1);
    let budgets = budget_rows(store, area.width).min(most).min(area.height);
    let waiting = cells(store.waiting.len()).min((area.height - budgets) / 2);
    let head = u16::from(area.width >= RESPONSE_FROM && area.height >= 12);
    let rows = [budgets, waiting, head].map(Length);
    let [budgets, waiting, head, list] =
        area.layout(&Layout::vertical(rows.into_iter().chain([Fill(1)])));
    Parts {
        budgets,
        waiting,
        head,
        list,
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
