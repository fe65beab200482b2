//! Callbacks from the providers: one row each with its verdict and its jobs, a window over the ledger, below the
//! state of the listener.

pub mod listener;
mod rows;

use std::collections::BTreeSet;
use std::sync::Arc;

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::text::Line;

use super::log::{Log, LogRow};
use crate::domain::{
    AccountId, Delivery, DeliveryId, Job, JobState, ListenerStatus, RequestId, Search, Secret,
    Subject, WallTime, notice_alert,
};
use crate::tui::msg::{Notice, Ready};
use crate::tui::overlays::{delivery, follow_ups, replay};
use crate::tui::prelude::*;
use crate::tui::rows::Rows;
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::text::has_words;
use crate::tui::widgets::widths::Widths;
use crate::tui::{alerts, deliveries, jobs};

keys! {
    Action:
    CALLBACKS "Callbacks" keys [NAV, COLUMNS, GLOBAL] else "no callback is selected" {
        CallbackSubject "callback-subject" ["enter" "t"] "timeline" "show the payment's or player's page";
        OpenDelivery "open-callback" ["i"] "details" "show the callback's details";
        FollowCallback "follow-callback" ["c"] "next call" "list the calls for this callback" else "no documented call takes its ids";
        Replay "replay" ["r"] "replay" "replay, after confirmation";
        Retry "retry" ["R"] "retry" "retry failed checks and forwards";
        FilterCallbacks "filter-callbacks" ["/"] "filter" "search the saved callbacks";
        CopySubject "copy-subject" ["y"] "copy id" "copy the payment or player id";
        OlderCallbacks "older-callbacks" ["o"] "older" "load older callbacks" else "none is saved, or it is loading";
    }
}

/// From this width on, the blank row above the list has the titles of its columns.
const HEAD_FROM: u16 = 110;

#[derive(Debug, Clone, Default)]
pub struct State {
    log: Log<Delivery>,
    /// The load of a callback whose ids the next call takes.
    asked: Option<(RequestId, AccountId)>,
    /// The load of a callback that opens when it arrives.
    opening: Option<RequestId>,
}

impl LogRow for Delivery {
    const NOUN: &'static str = "callback";
    const IS_NEWEST_FIRST: bool = true;

    fn search(text: &str) -> Search {
        Search::of_callbacks(text)
    }

    fn matches(&self, search: &Search) -> bool {
        let (_, verdict, _) = deliveries::verdict(self);
        let (subject, status) = (deliveries::subject(self), self.status.to_string());
        let mut texts = vec![
            self.account.as_str(),
            self.provider.as_str(),
            &verdict,
            &self.kind,
            &subject,
            &self.why,
            &self.method,
            &status,
        ];
        texts.extend(self.jobs.iter().map(|job| job.summary.as_str()));
        search.selects_delivery(self) && has_words(&search.words, &texts)
    }

    fn rows(store: &mut Store) -> &mut Rows<Self> {
        &mut store.deliveries
    }

    fn loaded(store: &Store) -> &Rows<Self> {
        &store.deliveries
    }

    fn load(before: Option<DeliveryId>, search: Search) -> Effect {
        Effect::LoadDeliveries(before, search)
    }

    fn arrives(self: &Arc<Self>, store: &mut Store) {
        store.on_jobs(self);
        store.on_awaited(self);
    }
}

impl State {
    /// The number of rows that match the filter.
    #[cfg(test)]
    pub fn len(&self, store: &Store) -> usize {
        self.log.shown(store).len()
    }

    pub fn selected<'a>(&'a self, store: &'a Store) -> Option<&'a Arc<Delivery>> {
        self.log.selected(store)
    }

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
        let none = match &ctx.store.listening {
            ListenerStatus::Off if ctx.store.is_shared => {
                "No callback yet. Those that the team's receivers save (`tilldeck listen`) appear here."
            }
            ListenerStatus::Off => {
                "Callbacks are off. Set `bind = \"127.0.0.1:8787\"` under `[callbacks]` in the \
                 config file, or run `tilldeck listen`."
            }
            ListenerStatus::Up { .. } | ListenerStatus::Elsewhere { .. } => {
                "No callback yet. Each one appears here with its verdict, rejected ones too."
            }
            ListenerStatus::Down { .. } => "No callback yet.",
        };
        let text = self.log.why_empty(none, ctx.store);
        paragraph(buf, area, &text, ctx.theme.style(Tone::Dim));
    }

    fn subject<'a>(&'a self, store: &'a Store) -> Option<&'a Subject> {
        self.selected(store)?.subject.as_ref()
    }

    /// The operator turns to something else: nothing that loads opens any more.
    fn drop_loads(&mut self) {
        (self.asked, self.opening) = (None, None);
    }

    fn report_given_up(delivery: &Delivery, ctx: &mut UpdateContext<'_>) {
        let given_up = |delivery: &Delivery| {
            let all = delivery.jobs.iter();
            all.filter(|job| job.is_dead_letter()).count()
        };
        let before = ctx.store.deliveries.known(delivery.id);
        // Compared with the row before: a restart shows old failures as rows, without a notice for each.
        if before.is_none_or(|before| given_up(before) >= given_up(delivery)) {
            return;
        }
        Self::notice_failed(delivery, ctx.now.wall, ctx.store);
    }

    /// Shows a notice of a replay's first failed attempt, and of its success. One that failed for good has a notice already.
    fn report_replayed(delivery: &Delivery, ctx: &mut UpdateContext<'_>) {
        let Some(before) = ctx.store.deliveries.known(delivery.id) else {
            return;
        };
        let tried = |job: &&Job| {
            let before = before.jobs.iter().find(|before| before.id == job.id);
            job.is_replay && job.tried_at != before.and_then(|before| before.tried_at)
        };
        let Some(job) = delivery.jobs.iter().rfind(tried) else {
            return;
        };
        let (id, result) = (delivery.id.0, job.summary.as_str());
        let about = format!("replay {id}");
        let text = match job.state {
            JobState::Done => format!("callback {id} was forwarded: {result}"),
            JobState::Due { .. } if job.has_failed() && job.attempts == 1 => {
                format!("callback {id} was not forwarded yet: {result}; tilldeck retries it")
            }
            JobState::Due { .. } => return,
            JobState::GivenUp => return ctx.store.dismiss(&about),
        };
        let level = Level::Info;
        ctx.store.notice(Notice { level, about, text }, ctx.now);
    }

    /// Counts the failed jobs from before the start, and shows a notice of each account's latest unless it is handled.
    fn show_failed(failed: &[Arc<Delivery>], store: &mut Store) {
        let mut accounts = BTreeSet::new();
        for delivery in failed {
            store.on_jobs(delivery);
            let Some((_, began)) = jobs::failed(delivery) else {
                continue;
            };
            let alert = notice_alert(&jobs::about_failed(&delivery.account));
            if accounts.insert(&delivery.account) && store.handled(&alert, Some(began)).is_none() {
                Self::notice_failed(delivery, began, store);
            }
        }
    }

    fn note_awaited(awaited: &[Arc<Delivery>], store: &mut Store) {
        for delivery in awaited {
            store.on_awaited(delivery);
        }
    }

    /// Shows a notice about a callback's job that failed for good.
    fn notice_failed(delivery: &Delivery, began: WallTime, store: &mut Store) {
        let (what, id) = (alerts::gave_up(delivery), delivery.id.0);
        let notice = Notice {
            level: Level::Warning,
            about: jobs::about_failed(&delivery.account),
            text: format!("{what} (`tilldeck open callback {id}`)"),
        };
        store.notice_since(notice, began);
    }
}

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        if self.log.filter.is_typed() {
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
            Action::FollowCallback => {
                let selected = self.selected(store);
                store.is_ready() && selected.is_some_and(|it| delivery::can_follow(it, store))
            }
            // For a callback without a subject, Enter already opens the details.
            Action::OpenDelivery | Action::CopySubject => {
                store.is_ready() && self.subject(store).is_some()
            }
            Action::Retry => {
                store.is_ready() && self.selected(store).is_some_and(delivery::can_retry)
            }
            Action::FilterCallbacks => true,
            Action::OlderCallbacks => self.log.can_load(store),
        }
    }

    fn why_not(&self, action: Action, ctx: ViewContext<'_>) -> Option<&'static str> {
        match action {
            Action::OlderCallbacks => self.log.why_not_older(ctx.store),
            Action::CopySubject => {
                let selected = self.selected(ctx.store);
                selected.map(|_| "it names no payment or player")
            }
            Action::FollowCallback => {
                let selected = self.selected(ctx.store);
                selected.and_then(|it| delivery::why_not_follow(it))
            }
            _ => None,
        }
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        if action != Action::FilterCallbacks && !ctx.is_ready() {
            return;
        }
        // The selected row is another callback than the one that is about to open.
        if action != Action::FilterCallbacks && self.opening.is_some() {
            let text = "still loading the callback; try again in a moment";
            return ctx.flash(Level::Info, text);
        }
        let selected = self.selected(ctx.store).cloned();
        match (action, selected) {
            (Action::FilterCallbacks, _) => {
                let hint = "words, or account:NAME about:ID";
                self.drop_loads();
                self.log.filter.open(hint);
            }
            (Action::OlderCallbacks, _) => self.log.load_older(ctx),
            (_, None) => {}
            (Action::CallbackSubject, Some(delivery)) => {
                if !delivery::open_subject(&delivery, ctx) {
                    delivery::State::open(delivery, ctx);
                }
            }
            (Action::OpenDelivery, Some(delivery)) => delivery::State::open(delivery, ctx),
            (Action::FollowCallback, Some(delivery)) => {
                // The ids are in its bytes, which the ledger has sealed.
                if delivery::can_follow(&delivery, ctx.store)
                    && let Ok(account) = AccountId::new(delivery.account.as_str())
                {
                    let request = ctx.store.number();
                    ctx.out.push(Effect::OpenDelivery(request, delivery.id));
                    self.asked = Some((request, account));
                }
            }
            (Action::Replay, Some(delivery)) => replay::open(&delivery, ctx),
            (Action::Retry, Some(delivery)) => delivery::retry(&delivery, ctx),
            (Action::CopySubject, Some(delivery)) => {
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

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        let options = self.log.options();
        let options = options.iter().map(String::as_str);
        Some(ctx.own_command(["log", "--deliveries"].into_iter().chain(options)))
    }

    fn on_intent(&mut self, intent: Intent, ctx: &mut UpdateContext<'_>) {
        let id = match intent {
            Intent::ShowCallback(id) if ctx.store.deliveries.known(id).is_some() => {
                return self.log.show(id, ctx.store);
            }
            Intent::CallbackBeside(delivery, below) => {
                let beside = self.log.select_beside(&delivery, below, ctx.store);
                return delivery::State::open(beside, ctx);
            }
            // An alert may be about one whose row is not loaded.
            Intent::OpenCallback(id) | Intent::ShowCallback(id) => id,
            _ => return,
        };
        self.log.select_name(&id.to_string(), ctx.store);
        if let Some(delivery) = ctx.store.deliveries.known(id).cloned() {
            delivery::State::open(delivery, ctx);
        } else {
            let (request, delivery) = (ctx.store.number(), id);
            self.opening = Some(request);
            ctx.out.push(Effect::FindDelivery(request, delivery));
        }
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
        self.drop_loads();
        self.log.step(step, ctx);
    }

    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        self.drop_loads();
        self.log.pick(row, ctx.store);
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        let height = Self::parts(ctx.view(), ctx.area).list.height;
        self.log.fit(height, ctx);
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        match event {
            Event::Message(Msg::Ready(Ready { saved, .. }) | Msg::Saved(saved), _) => {
                Self::show_failed(&saved.failed_callbacks, ctx.store);
                Self::note_awaited(&saved.awaited, ctx.store);
                self.log.add(&saved.deliveries, ctx.store);
            }
            Event::Message(Msg::Delivery(delivery), _) => {
                Self::report_given_up(delivery, ctx);
                Self::report_replayed(delivery, ctx);
                self.log.push(delivery, ctx.store);
            }
            Event::Message(Msg::Awaited(awaited), _) => Self::note_awaited(awaited, ctx.store),
            Event::Message(Msg::Deliveries(result), _) => self.log.answered(result, ctx),
            Event::Message(Msg::DeliveryFound(request, result), _)
                if self.opening == Some(*request) =>
            {
                self.opening = None;
                if let Some(delivery) = ctx.loaded(result) {
                    delivery::State::open(delivery.clone(), ctx);
                }
            }
            Event::Message(Msg::Received(request, result), _) => {
                if let Some((_, account)) = self.asked.take_if(|(asked, _)| asked == request)
                    && let Some(received) = ctx.loaded(result)
                {
                    follow_ups::State::open(account, received.ids.clone(), ctx);
                }
            }
            Event::Message(Msg::Replayed(_, Ok(())), _) => {
                ctx.flash(Level::Info, "forwarding…");
            }
            Event::Message(Msg::Retried(_, Ok(())), _) => {
                ctx.flash(Level::Info, "retrying…");
            }
            Event::Reopened => {
                self.drop_loads();
                self.log.reopen();
            }
            Event::Message(..) | Event::Cancelled { .. } => {}
        }
    }

    fn undoes(&self) -> Option<&'static str> {
        self.log.filter.undoes()
    }

    fn note(&self, ctx: ViewContext<'_>, room: u16) -> Option<Line<'static>> {
        self.log.note(ctx, room)
    }

    fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let parts = Self::parts(ctx, area);
        let cursor = self.log.filter.draw(ctx.theme, area, buf);
        if cursor.is_none() {
            listener::draw(ctx, parts.listener, buf);
        }
        let Some(selected) = self.selected(ctx.store) else {
            self.draw_empty(ctx, parts.list, buf);
            return cursor;
        };
        let columns = rows::columns(parts.list.width, ctx);
        let grid = self.log.grid(columns, ctx.store, parts.list);
        if parts.head.width >= HEAD_FROM {
            grid.draw_head(ctx, parts.head, buf);
        }
        grid.draw(ctx, ctx.focused || parts.detail.height > 0, buf);
        rows::draw_detail(selected, ctx, parts.detail, buf);
        cursor
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub listener: Rect,
    /// A blank row, or the titles of the columns.
    pub head: Rect,
    pub list: Rect,
    pub detail: Rect,
}
