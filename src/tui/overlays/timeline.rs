//! All that happened to one payment, on one axis: calls out, callbacks in, changes of its state, and what the
//! distances between them mean.

mod rail;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Overlay;
use crate::domain::timeline::{self, Remark, Row};
use crate::domain::{
    AccountId, Delivery, ExchangeId, Listening, Now, PaymentId, Problem, RequestId, Timeline, What,
};
use crate::tui::keys::Action;
use crate::tui::panes::{ViewContext, tick};
use crate::tui::store::Store;
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::list::{List, Step};
use crate::tui::widgets::text::{Pen, below, fit_middle, paragraph};

/// The widest window it is read in.
const WIDEST: u16 = 110;
/// So long after something happened it is looked at again: what happens together is looked at once, and the ledger has
/// what the screen was told.
const SETTLES_IN: Duration = Duration::from_millis(250);

/// What is known.
#[derive(Debug, Clone, PartialEq)]
enum History {
    Nothing,
    Told(Timeline, Vec<Row>),
    Failed(Problem),
}

/// Whose past, and where one is in it.
#[derive(Debug, Clone)]
pub struct State {
    pub account: AccountId,
    pub payment: PaymentId,
    known: History,
    asked: Option<RequestId>,
    /// When it is to be looked at again.
    due: Option<Duration>,
    list: List,
    /// Rows of calls that are told one by one, by their first happening.
    unfolded: BTreeSet<usize>,
    all: bool,
    /// An exchange that is being fetched to be read.
    pub opening: Option<RequestId>,
    /// What it was opened over.
    pub under: Box<Overlay>,
}

/// What one line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Day(usize),
    /// A row as a whole.
    Row(usize),
    /// One call of a row that is unfolded.
    Call(usize),
    /// A remark on a row.
    Remark(usize, usize),
    /// What is missing at the end.
    Missing,
}

impl Line {
    /// Whether it can be selected.
    fn is_chosen_from(self) -> bool {
        matches!(self, Self::Row(_) | Self::Call(_))
    }
}

/// What is selected.
#[derive(Debug, Clone)]
pub enum Chosen {
    Exchange(ExchangeId),
    Delivery(Arc<Delivery>),
    Unfolded,
    Nothing,
}

impl State {
    /// It is asked for as soon as it is looked after.
    pub fn new(account: AccountId, payment: PaymentId, under: Overlay, now: Now) -> Self {
        Self {
            account,
            payment,
            known: History::Nothing,
            asked: None,
            due: Some(now.mono),
            list: List::default(),
            unfolded: BTreeSet::new(),
            all: false,
            opening: None,
            under: Box::new(under),
        }
    }

    /// Something that may concern it happened.
    pub fn poll_soon(&mut self, now: Now) {
        self.due = Some(self.due.unwrap_or(now.mono + SETTLES_IN));
    }

    /// When it is to be looked at again; one look at a time.
    pub fn due(&self) -> Option<Duration> {
        self.due.filter(|_| self.asked.is_none())
    }

    pub fn set_request(&mut self, request: RequestId) {
        self.asked = Some(request);
        self.due = None;
    }

    pub fn apply(
        &mut self,
        request: RequestId,
        result: Result<Timeline, Problem>,
        now: Now,
        store: &Store,
        screen: Rect,
    ) {
        if self.asked != Some(request) {
            return;
        }
        self.asked = None;
        let at_end = match &self.known {
            History::Told(..) => {
                let lines = self.lines(now, store);
                // Remarks may stand below the last row.
                let after = lines.iter().skip(self.list.selected + 1);
                !after.copied().any(Line::is_chosen_from)
            }
            _ => true,
        };
        match result {
            Ok(timeline) => {
                let rows = timeline::rows(&timeline.happenings);
                self.known = History::Told(timeline, rows);
            }
            // What was known stays, while one more look fails.
            Err(_) if matches!(self.known, History::Told(..)) => {
                self.poll_soon(Now {
                    mono: now.mono + Duration::from_secs(5),
                    ..now
                });
            }
            Err(problem) => self.known = History::Failed(problem),
        }
        // The latest is what one comes for.
        if at_end {
            self.step(Step::Bottom, screen, now, store);
        }
    }

    /// Until it must change by itself, or be asked for.
    pub fn changes_in(&self, now: Now, still: bool) -> Option<Duration> {
        let due = self.due().map(|due| due.saturating_sub(now.mono));
        let History::Told(timeline, _) = &self.known else {
            return due;
        };
        let open = timeline.happenings.iter().any(|it| match &it.what {
            What::Callback(delivery) => delivery.jobs.iter().any(
                |job| matches!(job.state, crate::domain::JobState::Due { at } if at > now.wall),
            ),
            _ => false,
        });
        let counts = (open && !still).then(|| tick(now));
        // What is missing is told in whole minutes.
        let states = timeline.happenings.iter().rev();
        let latest = states
            .filter(|it| matches!(it.what, What::State(_)))
            .map(|it| now.wall.since(it.at))
            .next();
        let minute = latest.map(|age| {
            let into = u64::try_from(age.as_millis() % 60_000).unwrap_or(0);
            Duration::from_millis(60_000 - into)
        });
        due.into_iter().chain(counts).chain(minute).min()
    }

    fn missing(&self, now: Now, store: &Store) -> Option<Remark> {
        let History::Told(timeline, _) = &self.known else {
            return None;
        };
        // Where nobody listens and nothing ever came, nothing is missing.
        let any = timeline
            .happenings
            .iter()
            .any(|it| matches!(&it.what, What::Callback(_)));
        let heard = any || matches!(store.listening, Listening::Up { .. });
        timeline::missing(&timeline.happenings, now.wall).filter(|_| heard)
    }

    fn lines(&self, now: Now, store: &Store) -> Vec<Line> {
        let History::Told(timeline, rows) = &self.known else {
            return Vec::new();
        };
        let day = |at: usize| {
            let at = timeline.happenings.get(at)?.at;
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
            if row.last > row.first && (self.all || self.unfolded.contains(&row.first)) {
                lines.extend((row.first..=row.last).map(Line::Call));
                continue;
            }
            lines.push(Line::Row(at));
            // A run's remark is its row.
            if row.last == row.first {
                lines.extend((0..row.remarks.len()).map(|remark| Line::Remark(at, remark)));
            }
        }
        if self.missing(now, store).is_some() {
            lines.push(Line::Missing);
        }
        lines
    }

    pub fn step(&mut self, step: Step, screen: Rect, now: Now, store: &Store) {
        let height = inside(screen).height;
        let lines = self.lines(now, store);
        let up = matches!(step, Step::Up(_) | Step::PageUp | Step::Top);
        self.list.step(step, lines.len(), height);
        // Remarks and days are read, not chosen.
        let can = |at: &usize| lines.get(*at).copied().is_some_and(Line::is_chosen_from);
        let from = self.list.selected;
        let before = (0..=from).rev().find(can);
        let after = (from..lines.len()).find(can);
        let chosen = if up {
            before.or(after)
        } else {
            after.or(before)
        };
        self.list.selected = chosen.unwrap_or(from);
        self.list.fit(lines.len(), height);
        // What is missing stands below the last row.
        if chosen.is_some_and(|at| (at + 1..lines.len()).all(|below| !can(&below))) {
            self.list.fit_to_end(lines.len(), height);
        }
    }

    /// Shows every call, or tells those alike as one.
    pub fn toggle_all(&mut self) {
        self.all = !self.all;
        self.unfolded.clear();
    }

    /// What the selected line leads to; calls that are told as one are unfolded.
    pub fn choose(&mut self, now: Now, store: &Store) -> Chosen {
        let line = self.lines(now, store).get(self.list.selected).copied();
        let History::Told(timeline, rows) = &self.known else {
            return Chosen::Nothing;
        };
        let at = match line {
            Some(Line::Row(at)) if rows[at].last > rows[at].first => {
                self.unfolded.insert(rows[at].first);
                return Chosen::Unfolded;
            }
            Some(Line::Row(at)) => rows[at].first,
            Some(Line::Call(at)) => at,
            _ => return Chosen::Nothing,
        };
        match &timeline.happenings[at].what {
            What::Call { exchange, .. } => Chosen::Exchange(*exchange),
            What::Callback(delivery) => Chosen::Delivery(delivery.clone()),
            What::State(_) | What::Expected { .. } => Chosen::Nothing,
        }
    }

    fn title(&self, width: u16) -> String {
        let room = width.saturating_sub(40);
        let id = fit_middle(self.payment.as_str(), room.max(8));
        format!("Timeline of {id} at {}", self.account)
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        let live = ctx
            .store
            .known(&self.account)
            .is_some_and(|known| known.account.environment.is_live());
        let frame = window(
            buf,
            screen,
            theme,
            &self.title(screen.width.min(WIDEST)),
            (screen.width.min(WIDEST), screen.height.saturating_sub(2)),
            live,
        );
        let (timeline, rows) = match &self.known {
            History::Nothing => {
                let word = "Looking through the ledger…";
                Pen::new(buf, frame, 0).text(word, theme.style(Tone::Dim));
                return;
            }
            History::Failed(problem) => {
                paragraph(buf, frame, &problem.describe(), theme.style(Tone::Bad));
                return;
            }
            History::Told(timeline, rows) => (timeline, rows),
        };
        rail::draw_head(timeline, ctx, frame, buf);
        let list = inside(screen).intersection(frame);
        if rows.is_empty() {
            let text = format!(
                "Nothing is known of it: no call, no callback, no state. {} in Payments watches it.",
                ctx.key(Action::AddWatch)
            );
            paragraph(buf, list, &text, theme.style(Tone::Dim));
            return;
        }
        let lines = self.lines(ctx.now, ctx.store);
        let shown = self.list.window(lines.len(), list.height);
        let (top, bottom) = (shown.start, shown.end);
        let rail = rail::Rail {
            timeline,
            ctx,
            narrow: list.width < 64,
        };
        for (row, at) in (0..).zip(shown) {
            match lines[at] {
                Line::Day(happening) => rail.day(happening, list, row, buf),
                Line::Row(of) => rail.row(&rows[of], list, row, buf),
                Line::Call(happening) => rail.happening(happening, list, row, buf),
                Line::Remark(of, remark) => {
                    rail.remark(&rows[of].remarks[remark], list, row, buf);
                }
                Line::Missing => {
                    if let Some(remark) = self.missing(ctx.now, ctx.store) {
                        rail.remark(&remark, list, row, buf);
                    }
                }
            }
            if at == self.list.selected {
                let selected = Rect {
                    y: list.y + row,
                    height: 1,
                    ..list
                };
                buf.set_style(selected, theme.selected(true));
            }
        }
        if lines.len() > usize::from(list.height) {
            let under = Rect {
                y: frame.bottom(),
                height: 1,
                ..frame
            };
            let shown = format!(" {}-{bottom} of {} ", top + 1, lines.len());
            Pen::new(buf, under, 0).flush(&shown, theme.style(Tone::Dim));
        }
    }
}

/// Where the axis lies within the largest window there is room for.
fn inside(screen: Rect) -> Rect {
    let width = screen.width.min(WIDEST);
    let x = screen.x + (screen.width - width) / 2;
    let height = screen.height.saturating_sub(2);
    let y = screen.y + (screen.height - height) / 2;
    let air = if width > 22 { 2 } else { 1 };
    let inner = Rect {
        x: x + air,
        y: y + 1,
        width: width.saturating_sub(2 * air),
        height: height.saturating_sub(2),
    };
    below(inner, if inner.height >= 8 { 2 } else { 1 })
}
