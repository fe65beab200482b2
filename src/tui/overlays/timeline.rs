//! The timeline of one payment: requests sent, callbacks received, state changes, and the time between them.

mod rail;

use std::collections::BTreeSet;
use std::time::Duration;

use super::{delivery, exchange};
use crate::domain::timeline::{self, Remark, Row};
use crate::domain::{
    AccountId, CheckedPayment, Exchange, ExchangeId, ListenerStatus, Now, PaymentId, Problem,
    RequestId, Secret, Subject, Timeline, TimelineEntry, TimelineEvent,
};
use crate::tui::panes::payments;
use crate::tui::prelude::*;
use crate::tui::store::{InFlight, Purpose, is_about};

keys! {
    Action:
    TIMELINE "Timeline" keys [NAV, READER, OVERLAY] {
        OpenEntry "open-happening" ["enter"] "open" "open an entry, or expand a group";
        AllCalls "all-calls" ["a"] "all calls" "group or show repeated calls";
        CheckTimeline "check-timeline" ["c"] "check" "check the payment now";
        CopyTimelineId "copy-timeline-id" ["y"] "copy id" "copy the payment id";
    }
}

const WIDEST: u16 = 110;
/// The delay before a reload after a change: several changes need one reload only, and the ledger, which writes behind
/// the screen, has saved them by then.
const SETTLES_IN: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, PartialEq)]
enum History {
    Nothing,
    Loaded(Box<Timeline>, Vec<Row>),
    Failed(Problem),
}

#[derive(Debug, Clone)]
pub struct State {
    account: AccountId,
    payment: PaymentId,
    known: History,
    asked: Option<RequestId>,
    /// When to reload it.
    due: Option<Duration>,
    list: List,
    /// Expanded groups of repeated calls, each by one of its calls.
    expanded: BTreeSet<ExchangeId>,
    all: bool,
    /// The request that loads an exchange to show.
    opening: Option<RequestId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Day(usize),
    /// An entry, or a group of repeated calls.
    Row(usize),
    /// One call of an expanded group.
    Call(usize),
    Remark(usize, usize),
    /// The remark that an expected callback is missing.
    Missing,
}

impl Line {
    /// Whether the cursor can stop on it.
    fn is_selectable(self) -> bool {
        matches!(self, Self::Row(_) | Self::Call(_))
    }
}

impl State {
    /// An empty timeline that loads at once.
    pub fn new(account: AccountId, payment: PaymentId, now: Now) -> Self {
        Self {
            account,
            payment,
            known: History::Nothing,
            asked: None,
            due: Some(now.mono),
            list: List::default(),
            expanded: BTreeSet::new(),
            all: false,
            opening: None,
        }
    }

    /// Whether both are about one payment.
    pub fn is_of(&self, other: &Self) -> bool {
        self.account == other.account && self.payment == other.payment
    }

    /// Reloads soon, since something about the payment changed.
    fn poll_soon(&mut self, now: Now) {
        self.due = Some(self.due.unwrap_or(now.mono + SETTLES_IN));
    }

    fn missing(&self, now: Now, store: &Store) -> Option<Remark> {
        let History::Loaded(timeline, _) = &self.known else {
            return None;
        };
        // Without a listener and without any earlier callback, no callback is expected.
        let any = timeline
            .entries
            .iter()
            .any(|it| matches!(&it.what, TimelineEvent::Callback(_)));
        let expected = any
            || matches!(
                store.listening,
                ListenerStatus::Up { .. } | ListenerStatus::Elsewhere { .. }
            );
        timeline::missing(&timeline.entries, now.wall).filter(|_| expected)
    }

    /// Whether the operator expanded a group. A reload may have added calls to it, or dropped its oldest ones.
    fn is_expanded(&self, timeline: &Timeline, row: &Row) -> bool {
        let mut calls = timeline.entries[row.first..=row.last].iter();
        let is_expanded =
            |it: &TimelineEntry| call(it).is_some_and(|id| self.expanded.contains(&id));
        calls.any(is_expanded)
    }

    fn lines(&self, now: Now, store: &Store) -> Vec<Line> {
        let History::Loaded(timeline, rows) = &self.known else {
            return Vec::new();
        };
        let day = |at: usize| {
            let at = timeline.entries.get(at)?.at;
            at.date_and_clock(&store.zone).get(..10).map(str::to_owned)
        };
        let mut lines = Vec::new();
        let mut before = None;
        for (at, row) in rows.iter().enumerate() {
            let today = day(row.first);
            if today != before {
                lines.push(Line::Day(row.first));
                before = today;
            }
            if row.last > row.first && (self.all || self.is_expanded(timeline, row)) {
                lines.extend((row.first..=row.last).map(Line::Call));
                continue;
            }
            lines.push(Line::Row(at));
            // A group's remark is the text of its row.
            if row.last == row.first {
                lines.extend((0..row.remarks.len()).map(|remark| Line::Remark(at, remark)));
            }
        }
        if self.missing(now, store).is_some() {
            lines.push(Line::Missing);
        }
        lines
    }

    /// The happenings of a line; empty for one on which the cursor cannot stop.
    fn entries(&self, line: Line) -> &[TimelineEntry] {
        match (&self.known, line) {
            (History::Loaded(timeline, rows), Line::Row(at)) => {
                &timeline.entries[rows[at].first..=rows[at].last]
            }
            (History::Loaded(timeline, _), Line::Call(at)) => &timeline.entries[at..=at],
            _ => &[],
        }
    }

    /// Changes the lines. The same entry stays selected, at the same place on the screen, unless it is the newest one.
    fn change(&mut self, ctx: &UpdateContext<'_>, change: impl FnOnce(&mut Self)) {
        let lines = self.lines(ctx.now, ctx.store);
        // Remarks may stand below the last row.
        let mut after = lines.iter().skip(self.list.selected + 1);
        let at_end = !after.any(|line| line.is_selectable());
        let line = lines.get(self.list.selected);
        // Of a group, the oldest calls are the first that a reload omits.
        let selected = line.and_then(|line| self.entries(*line).last()).cloned();
        change(self);
        let lines = self.lines(ctx.now, ctx.store);
        let is_selected =
            |it: &TimelineEntry| selected.as_ref().is_some_and(|old| is_same(it, old));
        let has_selected = |line: &Line| self.entries(*line).iter().any(is_selected);
        match lines.iter().position(has_selected) {
            // The newest entry matters most.
            _ if at_end => self.go(Step::Bottom, ctx),
            Some(at) => self.list.move_to(at),
            None => self.go(Step::Top, ctx),
        }
    }

    fn apply(&mut self, result: Result<Timeline, Problem>, now: Now) {
        self.asked = None;
        match result {
            Ok(timeline) => {
                let rows = timeline::rows(&timeline.entries);
                self.known = History::Loaded(Box::new(timeline), rows);
            }
            Err(problem) => {
                // A failed reload keeps the entries on screen.
                if !matches!(self.known, History::Loaded(..)) {
                    self.known = History::Failed(problem);
                }
                self.poll_soon(Now {
                    mono: now.mono + Duration::from_secs(5),
                    ..now
                });
            }
        }
    }

    fn go(&mut self, step: Step, ctx: &UpdateContext<'_>) {
        let [_, list] = areas(ctx.area);
        let height = list.height;
        let lines = self.lines(ctx.now, ctx.store);
        self.list.step(step, lines.len(), height);
        // The cursor skips remarks and days.
        let can = |at: &usize| lines.get(*at).copied().is_some_and(Line::is_selectable);
        self.list.skip(step, can);
        // The remark about a missing callback is below the last entry: scrolls to it.
        if !(self.list.selected + 1..lines.len()).any(|below| can(&below)) {
            self.list.fit_to_end(lines.len(), height);
        }
    }

    /// Whether a message may add an entry.
    fn is_changed_by(&self, msg: &Msg, asked: Option<&InFlight>) -> bool {
        let is_this =
            |account: &AccountId, id: &PaymentId| *account == self.account && *id == self.payment;
        match (msg, asked.map(|asked| &asked.purpose)) {
            (Msg::Exchange(exchange), _) => self.shows(exchange),
            (Msg::Shared { exchanges, .. }, _) => {
                exchanges.iter().any(|exchange| self.shows(exchange))
            }
            (Msg::Delivery(delivery), _) => {
                let subject = Subject::Payment(self.payment.clone());
                delivery.account == self.account.as_str() && delivery.subject == Some(subject)
            }
            (Msg::Watched(new, _), _) => is_this(&new.account, &new.id),
            // An expected amount, a note or a mark may be another one.
            (Msg::Watchlist { .. }, _) => true,
            (Msg::Answered(..), Some(Purpose::Check(id))) => {
                asked.is_some_and(|asked| is_this(&asked.account, id))
            }
            (Msg::Checked(CheckedPayment { account, id, .. }), _) => is_this(account, id),
            _ => false,
        }
    }

    fn shows(&self, exchange: &Exchange) -> bool {
        exchange.account == self.account && is_about(exchange, self.payment.as_str())
    }

    /// Opens what the selected line is about. A group expands.
    fn open_chosen(&mut self, ctx: &mut UpdateContext<'_>) {
        const NOTHING: &str = "no request or callback to open here";
        let lines = self.lines(ctx.now, ctx.store);
        let line = lines.get(self.list.selected).copied();
        let entry = match line.map_or(&[][..], |line| self.entries(line)) {
            [] => return ctx.flash(Level::Info, NOTHING),
            [one] => one,
            [.., last] => {
                let call = call(last);
                return self.expanded.extend(call);
            }
        };
        match &entry.what {
            TimelineEvent::Call { exchange: id, .. } => {
                if let Some(exchange) = ctx.store.exchanges.known(*id).cloned() {
                    exchange::State::open(exchange, ctx);
                } else {
                    let request = ctx.store.number();
                    ctx.out.push(Effect::OpenExchange(request, *id));
                    self.opening = Some(request);
                }
            }
            TimelineEvent::Callback(loaded) => {
                // The store may have a newer version than the timeline.
                let newer = ctx.store.deliveries.known(loaded.id);
                delivery::State::open(newer.unwrap_or(loaded).clone(), ctx);
            }
            TimelineEvent::State(_)
            | TimelineEvent::Expected { .. }
            | TimelineEvent::Watched { .. }
            | TimelineEvent::Noted(_)
            | TimelineEvent::Marked { .. } => ctx.flash(Level::Info, NOTHING),
        }
    }

    fn title(&self, width: u16) -> String {
        let room = width.saturating_sub(40);
        let id = fit_middle(self.payment.as_str(), room.max(8));
        format!("Timeline of {id} at {}", self.account)
    }
}

impl Component for State {
    type Action = Action;

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        match action {
            Action::CheckTimeline => {
                let key = (self.account.clone(), self.payment.clone());
                let mut all = ctx.store.payments.iter().filter(|it| it.is(&key));
                all.any(|watched| ctx.store.can_check(watched))
            }
            Action::OpenEntry | Action::AllCalls | Action::CopyTimelineId => true,
        }
    }

    fn why_not(&self, action: Action, _ctx: ViewContext<'_>) -> Option<&'static str> {
        (action == Action::CheckTimeline).then_some(payments::IS_CHECKED)
    }

    fn word(&self, action: Action, _ctx: ViewContext<'_>) -> Option<&'static str> {
        (action == Action::AllCalls && self.all).then_some("grouped")
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::OpenEntry => self.open_chosen(ctx),
            Action::AllCalls => {
                self.change(ctx, |it| {
                    it.all = !it.all;
                    it.expanded.clear();
                });
            }
            Action::CheckTimeline => {
                let key = (self.account.clone(), self.payment.clone());
                match ctx.store.payments.iter().position(|w| w.is(&key)) {
                    Some(at) => ctx.store.check(at, false, ctx.out),
                    None => ctx.flash(
                        Level::Info,
                        "this payment is not watched; add it in Payments first",
                    ),
                }
            }
            Action::CopyTimelineId => {
                ctx.copy(Secret::new(self.payment.as_str()), "the payment id");
            }
        }
    }

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        let (account, payment) = (self.account.as_str(), self.payment.as_str());
        Some(ctx.own_command(["check", "--account", account, payment]))
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        self.opening = None;
        self.go(step, ctx);
    }

    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        let lines = self.lines(ctx.now, ctx.store);
        let can = lines.get(row).copied().is_some_and(Line::is_selectable);
        if row == self.list.selected {
            self.act(Action::OpenEntry, ctx);
        } else if can {
            self.opening = None;
            self.list.selected = row;
        }
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        let Event::Message(msg, asked) = event else {
            return;
        };
        match msg {
            Msg::Timeline(request, result) if self.asked == Some(*request) => {
                self.change(ctx, |it| it.apply(result.clone(), ctx.now));
            }
            Msg::Opened(request, result) if self.opening == Some(*request) => {
                self.opening = None;
                if let Some(loaded) = ctx.loaded(result) {
                    exchange::State::open(loaded.clone(), ctx);
                }
            }
            _ if self.is_changed_by(msg, asked) => self.poll_soon(ctx.now),
            _ => {}
        }
    }

    /// Reloads when that is due.
    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        if ctx.store.is_ready() && self.due().is_some_and(|due| due <= ctx.now.mono) {
            let request = ctx.store.number();
            self.asked = Some(request);
            self.due = None;
            ctx.out.push(Effect::LoadHistory(
                request,
                self.account.clone(),
                self.payment.clone(),
            ));
        }
    }

    /// When to reload; `None` while a request is in progress.
    fn due(&self) -> Option<Duration> {
        self.due.filter(|_| self.asked.is_none())
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let live = ctx.store.is_live_account(self.account.as_str());
        let frame = Window {
            title: &self.title(screen.width.min(WIDEST)),
            size: Size::new(screen.width.min(WIDEST), screen.height.saturating_sub(1)),
            live,
        }
        .draw(theme, screen, buf);
        let (timeline, rows) = match &self.known {
            History::Nothing => {
                let word = "Loading…";
                Pen::new(buf, frame, 0).text(word, theme.style(Tone::Dim));
                return None;
            }
            History::Failed(problem) => {
                paragraph(buf, frame, &problem.describe(), theme.style(Tone::Bad));
                return None;
            }
            History::Loaded(timeline, rows) => (timeline, rows),
        };
        let [head, list] = areas(screen);
        rail::draw_head(timeline, ctx, head, buf);
        if rows.is_empty() {
            let text = format!(
                "No request, callback or state of this payment is saved. {} in Payments watches it.",
                ctx.key(payments::Action::AddWatch)
            );
            paragraph(buf, list, &text, theme.style(Tone::Dim));
            return None;
        }
        // The remark about a missing callback counts whole minutes.
        let mut states = timeline.entries.iter().rev();
        if let Some(latest) = states.find(|it| matches!(it.what, TimelineEvent::State(_))) {
            let into = ctx.now.wall.since(latest.at).as_millis() % 60_000;
            ctx.changes_in(Duration::from_millis(
                60_000 - u64::try_from(into).unwrap_or(0),
            ));
        }
        let lines = self.lines(ctx.now, ctx.store);
        let rail = rail::Rail {
            timeline,
            ctx,
            narrow: list.width < 64,
        };
        let pager = Pager::list(list, self.list, lines.len());
        pager.draw(ctx, buf, |at, line, buf| match lines[at] {
            Line::Day(entry) => rail.day(entry, line, buf),
            Line::Row(of) => rail.row(&rows[of], line, buf),
            Line::Call(entry) => rail.entry(entry, line, buf),
            Line::Remark(of, remark) => rail.remark(&rows[of].remarks[remark], line, buf),
            Line::Missing => {
                if let Some(remark) = self.missing(ctx.now, ctx.store) {
                    rail.remark(&remark, line, buf);
                }
            }
        });
        pager.draw_place(theme, buf);
        None
    }
}

/// The request of an entry.
fn call(entry: &TimelineEntry) -> Option<ExchangeId> {
    match entry.what {
        TimelineEvent::Call { exchange, .. } => Some(exchange),
        _ => None,
    }
}

/// Whether two loads have the same entry. Of all entries, only a callback changes later.
fn is_same(one: &TimelineEntry, other: &TimelineEntry) -> bool {
    match (&one.what, &other.what) {
        (TimelineEvent::Callback(one), TimelineEvent::Callback(other)) => one.id == other.id,
        _ => one == other,
    }
}

fn size(screen: Rect) -> Size {
    Size::new(WIDEST, screen.height.saturating_sub(1))
}

/// The current state, with a blank row where there is room, and the entries.
fn areas(screen: Rect) -> [Rect; 2] {
    let inner = inside(screen, size(screen));
    split_rows(inner, if inner.height >= 8 { 2 } else { 1 })
}
