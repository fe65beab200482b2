//! Callbacks from the providers: one row each with its verdict and its jobs, a window over the ledger, below the
//! state of the listener.

pub mod listener;
mod rows;
pub mod words;

use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::{Layout, Position, Rect};

use super::{UpdateContext, ViewContext, tick, without_account};
use crate::domain::{
    AccountId, Delivery, Environment, JobState, Listening, Problem, Secret, Subject,
};
use crate::tui::Effect;
use crate::tui::component::{Component, Event, Intent, Paste};
use crate::tui::deliveries::{Put, Window};
use crate::tui::keys::{FILTER, GLOBAL, NAV, NavAction, Scope, keys};
use crate::tui::msg::{Level, Msg, Notice};
use crate::tui::overlays::{delivery, replay, timeline};
use crate::tui::store::Store;
use crate::tui::theme::Tone;
use crate::tui::widgets::columns::Grid;
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::list::{List, Step};
use crate::tui::widgets::text::{fit, paragraph};

keys! {
    /// What a key does in the list of callbacks.
    Action:
    CALLBACKS "Callbacks" keys [NAV, GLOBAL] {
        CallbackSubject "callback-subject" ["enter" "t"] "timeline" "show the payment's or player's page";
        OpenDelivery "open-callback" ["i"] "details" "show the callback's details";
        Replay "replay" ["r"] "replay" "replay, after confirmation";
        FilterCallbacks "filter-callbacks" ["/"] "filter" "filter the callbacks by text";
        CopySubject "copy-subject" ["y"] "copy id" "copy the payment or player id";
        OlderCallbacks "older-callbacks" ["o"] "older" "load older callbacks";
    }
}

/// Rows in memory while the newest are followed.
const ROWS_MAX: usize = 500;
/// Rows in memory while the operator reads older ones.
const ROWS_READ_MAX: usize = 2000;
/// Rows loaded at once.
const LOAD: usize = 200;

/// From this width on, the blank row above the list has the titles of its columns.
const HEAD_FROM: u16 = 120;

/// The loaded rows, the filter and the selection.
#[derive(Debug, Clone, Default)]
pub struct State {
    list: List,
    /// The rows that match the filter.
    found: Window,
    filter: Filter,
    /// Rows that arrived while an older one is selected.
    new: usize,
    /// Whether the ledger has no older ones.
    exhausted: bool,
    loading: bool,
}

impl State {
    fn window<'a>(&'a self, store: &'a Store) -> &'a Window {
        if self.filter.is_active() {
            &self.found
        } else {
            &store.deliveries
        }
    }

    /// The number of rows that match the filter.
    pub fn len(&self, store: &Store) -> usize {
        self.window(store).len()
    }

    pub fn selected<'a>(&'a self, store: &'a Store) -> Option<&'a Arc<Delivery>> {
        self.window(store).get(self.list.selected)
    }

    fn can_load(&self, store: &Store) -> bool {
        store.is_ready()
            && !self.loading
            && !self.exhausted
            && store.deliveries.len() > 0
            && store.deliveries.len() < ROWS_READ_MAX
    }

    /// Takes the newest rows from the ledger.
    fn begin(&mut self, deliveries: &[Arc<Delivery>], store: &mut Store) {
        for delivery in deliveries {
            // A row that an event brought meanwhile is newer.
            if store.deliveries.known(delivery.id).is_none() {
                self.put(delivery.clone(), ROWS_MAX, store);
            }
        }
        self.list = List::default();
        self.new = 0;
    }

    /// Adds a callback, or replaces the row of one whose jobs changed.
    fn push(&mut self, delivery: Arc<Delivery>, store: &mut Store) {
        let reading = self.list.selected > 0;
        let max = if reading { ROWS_READ_MAX } else { ROWS_MAX };
        if let Put::At(at) = self.put(delivery, max, store)
            && reading
            && at <= self.list.selected
        {
            // The operator is reading: the same row stays selected, at the same place.
            self.list.moved(1);
            self.new += 1;
        }
        if store.deliveries.cut(max) {
            self.exhausted = false;
        }
        self.found.cut(max);
        let last = self.len(store).saturating_sub(1);
        self.list.selected = self.list.selected.min(last);
    }

    /// Puts a row into both windows; returns its place among the rows that match the filter.
    fn put(&mut self, delivery: Arc<Delivery>, max: usize, store: &mut Store) -> Put {
        store.open_jobs.apply(&delivery);
        if !self.filter.is_active() {
            return store.deliveries.put(delivery, max);
        }
        // A row that is shown stays, even if its new state does not match the filter any more.
        let seen =
            matches(&delivery, self.filter.text()) || self.found.known(delivery.id).is_some();
        let put = if seen {
            self.found.put(delivery.clone(), max)
        } else {
            Put::Ignored
        };
        store.deliveries.put(delivery, max);
        put
    }

    /// Back to the newest rows: those loaded beyond the limit are dropped.
    fn follow(&mut self, store: &mut Store) {
        self.new = 0;
        if store.deliveries.cut(ROWS_MAX) {
            self.exhausted = false;
        }
    }

    fn load_older(&mut self, ctx: &mut UpdateContext<'_>) {
        if self.can_load(ctx.store) {
            self.loading = true;
            ctx.out.push(Effect::LoadDeliveries {
                before: ctx.store.deliveries.rows().back().map(|oldest| oldest.id),
                limit: LOAD,
            });
        }
    }

    /// Adds older rows from the ledger.
    fn loaded(&mut self, result: &Result<Vec<Arc<Delivery>>, Problem>, store: &mut Store) {
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
                    self.put(row.clone(), ROWS_READ_MAX, store);
                }
            }
        }
    }

    /// The areas of the pane.
    fn parts(ctx: ViewContext<'_>, area: Rect) -> Parts {
        let listener = listener::rows(ctx, area);
        let rest = area.height.saturating_sub(listener);
        let blank_from = if area.width >= HEAD_FROM { 8 } else { 12 };
        let blank = u16::from(rest >= blank_from);
        let detail = match rest - blank {
            0..14 => 0,
            height => (height * 2 / 5).clamp(6, 12),
        };
        let rows = [Length(listener), Length(blank), Fill(1), Length(detail)];
        let [listener, head, list, detail] = area.layout(&Layout::vertical(rows));
        Parts {
            listener,
            head,
            list,
            detail,
        }
    }

    fn draw_empty(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let text = if !ctx.store.is_ready() {
            "Opening the ledger…".to_owned()
        } else if self.loading {
            "Loading from the ledger…".to_owned()
        } else if self.filter.is_active() {
            "No loaded callback matches the filter.".to_owned()
        } else {
            match &ctx.store.listening {
                Listening::Off => {
                    "Callbacks are off. Set `bind = \"127.0.0.1:8787\"` under `[callbacks]` in \
                     the config file, or run `tilldeck listen`."
                        .to_owned()
                }
                Listening::Up { .. } => {
                    "No callback yet. Each one appears here with its verdict, rejected ones too."
                        .to_owned()
                }
                Listening::Down { .. } => "No callback yet.".to_owned(),
            }
        };
        paragraph(buf, area, &text, ctx.theme.style(Tone::Dim));
    }

    /// Shows only the rows that match the filter, after it changed.
    fn filter_changed(&mut self, store: &Store) {
        self.found = Window::default();
        if self.filter.is_active() {
            for row in store.deliveries.rows() {
                if matches(row, self.filter.text()) {
                    self.found.put(row.clone(), ROWS_READ_MAX);
                }
            }
        }
        self.list = List::default();
        self.new = 0;
    }

    fn subject<'a>(&'a self, store: &'a Store) -> Option<&'a Subject> {
        self.selected(store)?.subject.as_ref()
    }

    fn report_given_up(delivery: &Delivery, ctx: &mut UpdateContext<'_>) {
        let given_up = |delivery: &Delivery| {
            let all = delivery.jobs.iter();
            all.filter(|job| job.state == JobState::GivenUp).count()
        };
        let before = ctx.store.deliveries.known(delivery.id);
        // Compared with the row before: a restart shows old failures as rows, without a notice for each.
        if before.is_none_or(|before| given_up(before) >= given_up(delivery)) {
            return;
        }
        let mut jobs = delivery.jobs.iter().rev();
        let last = jobs.find(|job| job.state == JobState::GivenUp);
        let why = last.map_or("", |job| job.summary.as_str());
        let about = match words::subject(delivery).as_str() {
            "" => String::new(),
            subject => format!(" about {subject}"),
        };
        let notice = Notice {
            level: Level::Warning,
            about: format!("callback {}", delivery.account),
            text: format!(
                "gave up processing the callback to {}{about}: {}",
                delivery.account,
                without_account(why, &delivery.account)
            ),
        };
        ctx.store.notice(notice, ctx.now);
    }
}

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        if self.filter.is_typed() {
            &FILTER
        } else {
            &CALLBACKS
        }
    }

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        let store = ctx.store;
        let selected = self.selected(store).is_some();
        match action {
            Action::CallbackSubject | Action::Replay => store.is_ready() && selected,
            // For a callback without a subject, Enter already opens the details.
            Action::OpenDelivery | Action::CopySubject => {
                store.is_ready() && self.subject(store).is_some()
            }
            Action::FilterCallbacks => true,
            Action::OlderCallbacks => self.can_load(store),
        }
    }

    fn why_not(&self, action: Action) -> &'static str {
        match action {
            Action::OlderCallbacks => "there is none, or it loads",
            Action::CallbackSubject
            | Action::OpenDelivery
            | Action::CopySubject
            | Action::Replay
            | Action::FilterCallbacks => "no callback is selected",
        }
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        if action == Action::FilterCallbacks {
            self.filter.open();
            return;
        }
        if !ctx.is_ready() {
            return;
        }
        if action == Action::OlderCallbacks {
            self.load_older(ctx);
            return;
        }
        let Some(delivery) = self.selected(ctx.store).cloned() else {
            return;
        };
        match action {
            Action::FilterCallbacks | Action::OlderCallbacks => {}
            Action::CallbackSubject => {
                if !open_subject(&delivery, ctx) {
                    delivery::State::open(delivery, ctx);
                }
            }
            Action::OpenDelivery => delivery::State::open(delivery, ctx),
            Action::Replay => open_replay(&delivery, ctx),
            Action::CopySubject => {
                if let Some(subject) = &delivery.subject {
                    let what = match subject {
                        Subject::Payment(_) => "the payment id",
                        Subject::Player(_) => "the player's number",
                    };
                    ctx.copy(Secret::new(subject.to_string()), what);
                }
            }
        }
    }

    fn word(&self, action: Action, ctx: ViewContext<'_>) -> Option<&'static str> {
        if action != Action::CallbackSubject {
            return None;
        }
        match self.selected(ctx.store).map(|delivery| &delivery.subject) {
            Some(Some(Subject::Player(_))) => Some("inventory"),
            Some(None) => Some("details"),
            _ => None,
        }
    }

    /// Moves the selection; at the last row it loads older ones.
    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        let height = Self::parts(ctx.view(), ctx.area).list.height;
        let len = self.len(ctx.store);
        let at_end = self.list.selected + 1 >= len;
        self.list.step(step, len, height);
        if self.list.selected == 0 {
            self.follow(ctx.store);
        }
        if at_end && matches!(step, Step::Down(_) | Step::PageDown | Step::Bottom) {
            self.load_older(ctx);
        }
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
        let list = Self::parts(ctx.view(), ctx.area).list;
        if is_click {
            self.list.point(at, list, self.len(ctx.store));
        }
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        let height = Self::parts(ctx.view(), ctx.area).list.height;
        self.list.fit(self.len(ctx.store), height);
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        match event {
            Event::Message(Msg::Ready(ready), _) => self.begin(&ready.deliveries, ctx.store),
            Event::Message(Msg::Delivery(delivery), _) => {
                Self::report_given_up(delivery, ctx);
                self.push(delivery.clone(), ctx.store);
            }
            Event::Message(Msg::Deliveries(result), _) => self.loaded(result, ctx.store),
            Event::Message(Msg::Replayed { result: Ok(()), .. }, _) => {
                ctx.flash(Level::Info, "forwarding; the result will appear in its row");
            }
            Event::Message(..) | Event::Cancelled { .. } => {}
        }
    }

    /// Clears the filter.
    fn close(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        self.filter.clear();
        self.filter_changed(ctx.store);
        true
    }

    fn keep_filter(&mut self, _ctx: &mut UpdateContext<'_>) {
        self.filter.keep();
    }

    fn cancel(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        let cleared = self.filter.clear();
        if cleared {
            self.filter_changed(ctx.store);
        }
        cleared
    }

    fn next_wake(&self, ctx: ViewContext<'_>) -> Option<Duration> {
        let due = |delivery: &Arc<Delivery>| {
            delivery
                .jobs
                .iter()
                .any(|job| matches!(job.state, JobState::Due { at } if at > ctx.now.wall))
        };
        let counts = !ctx.still
            && ctx.store.open_jobs.sum.queued > 0
            && ctx.store.deliveries.rows().iter().any(due);
        listener::changes_in(ctx)
            .into_iter()
            .chain(counts.then(|| tick(ctx.now)))
            .min()
    }

    fn note(&self, ctx: ViewContext<'_>, _room: u16) -> Option<(String, Tone)> {
        if self.new > 0 {
            let key = ctx.key(NavAction::Top);
            return Some((
                format!("{} new callbacks: {key} shows them", self.new),
                Tone::Warn,
            ));
        }
        self.filter.is_active().then(|| {
            let filter = fit(self.filter.text(), 24);
            let text = match self.found.len() {
                1 => format!("1 callback matches `{filter}`"),
                n => format!("{n} callbacks match `{filter}`"),
            };
            (text, Tone::Accent)
        })
    }

    fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let parts = Self::parts(ctx, area);
        let hint = "account, verdict, kind, payment, reason or result";
        let cursor = self.filter.draw(hint, theme, area, buf);
        let cursor = cursor.map(|x| Position::new(x, area.y));
        if cursor.is_none() {
            listener::draw(ctx, parts.listener, buf);
        }
        let shown = self.window(ctx.store);
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
        let grid = Grid::new(rows::columns(parts.list.width, ctx), seen, parts.list);
        let selected = self.list.selected.checked_sub(window.start);
        let selected = selected.filter(|_| ctx.focused || parts.detail.height > 0);
        if parts.head.width >= HEAD_FROM {
            grid.draw_head(theme.style(Tone::Dim), parts.head, buf);
        }
        grid.draw(selected.map(|at| (at, theme.selected(ctx.focused))), buf);
        if let Some(delivery) = self.selected(ctx.store) {
            rows::draw_detail(delivery, ctx, parts.detail, buf);
        }
        cursor
    }
}

/// Opens the timeline of a callback's payment, or shows its player; returns whether it has one here.
pub fn open_subject(delivery: &Delivery, ctx: &mut UpdateContext<'_>) -> bool {
    let Ok(account) = AccountId::new(delivery.account.as_str()) else {
        return false;
    };
    match &delivery.subject {
        Some(Subject::Payment(id)) => {
            ctx.open(timeline::State::new(account, id.clone(), ctx.now));
        }
        Some(Subject::Player(id)) if ctx.store.known(&account).is_some() => {
            ctx.intend(Intent::ShowPlayer(account, *id));
        }
        Some(Subject::Player(_)) | None => return false,
    }
    true
}

/// Asks before it forwards a callback again.
pub fn open_replay(delivery: &Arc<Delivery>, ctx: &mut UpdateContext<'_>) {
    let account = AccountId::new(delivery.account.as_str()).ok();
    let known = account.and_then(|account| ctx.store.known(&account));
    // The shop may deliver goods a second time, so a live account's name must be typed.
    let live = known.is_some_and(|known| known.account.environment == Environment::Production);
    ctx.open(replay::State::new(delivery.clone(), live));
}

/// The areas of the pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub listener: Rect,
    /// A blank row, or the titles of the columns.
    pub head: Rect,
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
