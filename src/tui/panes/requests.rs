//! The request log, a window over the ledger, below the rate limits.

mod waits;

use std::sync::Arc;

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::text::Line;

use super::budgets::{budget_rows, draw_budgets, held};
use super::log::{Log, LogRow};
use super::request_rows::{RESPONSE_FROM, columns};
use crate::domain::{Exchange, ExchangeId, RequestId, Search, Secret, curl};
use crate::tui::overlays::exchange;
use crate::tui::prelude::*;
use crate::tui::rows::Rows;
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::text::has_words;
use crate::tui::widgets::widths::Widths;

keys! {
    Action:
    REQUESTS "Requests" keys [NAV, COLUMNS, GLOBAL] else "no request is selected" {
        OpenExchange "open" ["enter"] "open" "show the request and its response";
        Filter "filter" ["/"] "filter" "search the saved requests";
        CopyRequestCurl "copy-request-curl" ["Y" "y"] "" "copy as curl, without secrets";
        LoadOlder "older" ["o"] "older" "load older requests" else "none is saved, or it is loading";
        RequestTimeline "request-timeline" ["t"] "timeline" "show the payment's timeline";
        CancelWaiting "cancel-waiting" ["x"] "cancel" "cancel a waiting request; end a pause" else "no request waits";
    }
}

#[derive(Debug, Clone, Default)]
pub struct State {
    log: Log<Exchange>,
    /// The selected waiting request; `None` while the selection is in the log.
    waiting_at: Option<RequestId>,
    /// The query for the request to show.
    opening: Option<RequestId>,
    waits: List,
}

impl LogRow for Exchange {
    const NOUN: &'static str = "request";
    const IS_NEWEST_FIRST: bool = false;

    fn search(text: &str) -> Search {
        Search::of_requests(text)
    }

    fn matches(&self, search: &Search) -> bool {
        let status = self.outcome.to_string();
        let texts = [
            self.method.as_str(),
            self.path(),
            self.account.as_str(),
            self.about.as_str(),
            self.operator.as_str(),
            &status,
            &self.request_body.readable(),
            &self.response_body.readable(),
        ];
        // It has no status yet.
        let has_status = !self.is_running() || search.status.is_none();
        has_status && search.selects_exchange(self) && has_words(&search.words, &texts)
    }

    fn rows(store: &mut Store) -> &mut Rows<Self> {
        &mut store.exchanges
    }

    fn loaded(store: &Store) -> &Rows<Self> {
        &store.exchanges
    }

    fn running(store: &Store) -> Vec<&Self> {
        let mut running: Vec<&Self> = store.running.values().map(|it| &**it).collect();
        running.sort_unstable_by_key(|it| it.at);
        running
    }

    fn load(before: Option<ExchangeId>, search: Search) -> Effect {
        Effect::LoadLog(before, search)
    }
}

impl State {
    pub fn selected<'a>(&'a self, store: &'a Store) -> Option<&'a Arc<Exchange>> {
        let selected = self.log.selected(store);
        selected.filter(|_| self.waiting_at.is_none())
    }

    /// Rate limits on top, in at most a third; then waiting requests, in at most half of the rest; then the log.
    fn parts(&self, area: Rect, store: &Store) -> Parts {
        let most = (area.height / 3).max(1);
        let budgets = budget_rows(store, area.width).min(most);
        // The filter is typed in their first row. A recording has none.
        let budgets = budgets.max(u16::from(self.log.filter.is_typed()));
        let budgets = budgets.min(area.height);
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
}

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        if self.log.filter.is_typed() {
            &FILTER
        } else {
            &REQUESTS
        }
    }

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        let selected = self.selected(ctx.store);
        match action {
            Action::OpenExchange | Action::CopyRequestCurl => selected.is_some(),
            Action::Filter => true,
            Action::LoadOlder => self.log.can_load(ctx.store),
            Action::RequestTimeline => {
                let payment = selected.and_then(|exchange| ctx.store.payment_of(exchange));
                ctx.store.is_ready() && payment.is_some()
            }
            Action::CancelWaiting => {
                let mut held = held(ctx.store, ctx.now);
                held.next().is_some() || !ctx.store.waiting.is_empty()
            }
        }
    }

    fn why_not(&self, action: Action, ctx: ViewContext<'_>) -> Option<&'static str> {
        match action {
            Action::LoadOlder => self.log.why_not_older(ctx.store),
            _ => self.waiting_at.map(|_| "it waits and was not sent yet"),
        }
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        let needs_start = !matches!(action, Action::OpenExchange | Action::Filter);
        if needs_start && !ctx.is_ready() {
            return;
        }
        match action {
            Action::OpenExchange => {
                if let Some(exchange) = self.selected(ctx.store).cloned() {
                    exchange::State::open(exchange, ctx);
                }
            }
            Action::Filter => {
                let hint = "words, or status:4xx method:post account:NAME about:ID operator:NAME";
                self.opening = None;
                self.log.filter.open(hint);
            }
            Action::CopyRequestCurl => {
                if let Some(exchange) = self.selected(ctx.store) {
                    let text = Secret::new(curl::command(exchange));
                    ctx.copy(text, "the request as a curl command");
                }
            }
            Action::LoadOlder => self.log.load_older(ctx),
            Action::RequestTimeline => {
                if let Some(exchange) = self.selected(ctx.store).cloned() {
                    exchange::open_timeline(&exchange, ctx);
                }
            }
            Action::CancelWaiting => self.cancel_waiting(ctx),
        }
    }

    /// What a waiting request waits for is the rate limit of its account.
    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        let waiting = self.waiting_at.and_then(|id| ctx.store.waiting.get(&id));
        if let Some(waiting) = waiting {
            let account = waiting.account.as_str();
            return Some(ctx.own_command(["budget", "--account", account]));
        }
        let options = self.log.options();
        let options = options.iter().map(String::as_str);
        Some(ctx.own_command(["log"].into_iter().chain(options)))
    }

    fn selected_name(&self, store: &Store) -> Option<String> {
        self.log.selected_name(store)
    }

    fn select_name(&mut self, name: &str, store: &mut Store) -> bool {
        self.log.select_name(name, store)
    }

    fn widths(&mut self) -> Option<&mut Widths> {
        Some(&mut self.log.widths)
    }

    fn filter(&mut self) -> Option<&mut Filter> {
        Some(&mut self.log.filter)
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        self.opening = None;
        if !self.step_waiting(step, ctx) {
            self.log.step(step, ctx);
        }
    }

    fn point(&mut self, at: Position, is_click: bool, ctx: &mut UpdateContext<'_>) {
        if is_click {
            self.point_waiting(at, ctx);
        }
    }

    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        (self.waiting_at, self.opening) = (None, None);
        self.log.pick(row, ctx.store);
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        let height = self.parts(ctx.area, ctx.store).list.height;
        self.log.fit(height, ctx);
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        match event {
            Event::Message(Msg::Ready(ready), _) => self.log.add(&ready.log, ctx.store),
            Event::Message(Msg::Exchange(exchange), _) => self.log.push(exchange, ctx.store),
            Event::Message(Msg::Shared { exchanges, .. }, _) => {
                for exchange in exchanges {
                    self.log.push(exchange, ctx.store);
                }
            }
            Event::Message(Msg::Log(result), _) => self.log.answered(result, ctx),
            Event::Message(Msg::Opened(request, result), _) if self.opening == Some(*request) => {
                self.opening = None;
                if let Some(loaded) = ctx.loaded(result) {
                    exchange::State::open(loaded.clone(), ctx);
                }
            }
            // Selects the next one, so that repeated presses cancel several.
            Event::Cancelled { .. } => self.fit_waiting(ctx.store),
            Event::Reopened => {
                self.opening = None;
                self.log.reopen();
                self.fit_waiting(ctx.store);
            }
            Event::Message(..) => {}
        }
        self.waiting_at = self.waiting_at.filter(|_| !ctx.store.waiting.is_empty());
    }

    fn on_intent(&mut self, intent: Intent, ctx: &mut UpdateContext<'_>) {
        match intent {
            Intent::RequestBeside(exchange, below) => {
                self.waiting_at = None;
                let beside = self.log.select_beside(&exchange, below, ctx.store);
                exchange::State::open(beside, ctx);
            }
            Intent::ShowWaiting => self.select_waiting(ctx.store),
            Intent::OpenRequest(exchange) => {
                self.log.select_name(&exchange.to_string(), ctx.store);
                let request = ctx.store.number();
                self.opening = Some(request);
                ctx.out.push(Effect::OpenExchange(request, exchange));
            }
            _ => {}
        }
    }

    fn cancel(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        if self.waiting_at.is_some() {
            self.cancel_waiting(ctx);
            return true;
        }
        self.log.filter.clear()
    }

    fn undoes(&self) -> Option<&'static str> {
        self.log.filter.undoes()
    }

    fn note(&self, ctx: ViewContext<'_>, room: u16) -> Option<Line<'static>> {
        self.log.note(ctx, room)
    }

    fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let dim = ctx.theme.style(Tone::Dim);
        let cursor = self.log.filter.draw(ctx.theme, area, buf);
        let parts = self.parts(area, ctx.store);
        if cursor.is_none() {
            let key = ctx.focused.then(|| ctx.key(Action::CancelWaiting));
            draw_budgets(ctx, key.as_deref(), parts.budgets, buf);
        }
        self.draw_waits(ctx, parts.waiting, buf);
        let is_empty = self.log.shown(ctx.store).is_empty();
        if is_empty && self.log.running(ctx.store).is_empty() {
            let none = "No requests yet. Every request appears here, with secrets replaced.";
            let text = self.log.why_empty(none, ctx.store);
            Pen::new(buf, parts.list, 0).text(&text, dim);
        }
        let columns = columns(parts.list.width, ctx);
        let grid = self.log.grid(columns, ctx.store, parts.list);
        grid.draw_head(ctx, parts.head, buf);
        let marks = ctx.focused && self.waiting_at.is_none() && !is_empty;
        grid.draw(ctx, marks, buf);
        cursor
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub budgets: Rect,
    pub waiting: Rect,
    /// The titles of the columns, in a large pane.
    pub head: Rect,
    pub list: Rect,
}
