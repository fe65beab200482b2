//! What is watched: its state against what was expected, and the way it went. Polling itself is
//! arithmetic of `watched`.

use std::collections::VecDeque;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Hand, Look, age, age_changes_in, tick, track};
use crate::domain::{AccountId, Expectation, ExpectedBy, Now, PaymentId, WallTime, Watch};
use crate::tui::Effect;
use crate::tui::keys::Action;
use crate::tui::msg::{Level, NewWatch, WatchKey};
use crate::tui::store::{Phase, Store};
use crate::tui::theme::Tone;
use crate::tui::watched::{Trouble, Watched};
use crate::tui::widgets::list::List;
use crate::tui::widgets::text::{Pen, below, paragraph, width};

/// Payments that were taken off by hand, kept in mind.
const OFF_MAX: usize = 200;

/// What is selected, and what was removed last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub list: List,
    removed: Option<(usize, Watched)>,
    /// Taken off by hand; a callback does not bring them back.
    off: VecDeque<WatchKey>,
}

impl State {
    pub fn selected<'a>(&self, store: &'a Store) -> Option<&'a Watched> {
        store.payments.get(self.list.selected)
    }

    pub fn can_undo(&self) -> bool {
        self.removed.is_some()
    }

    /// Puts a payment on the list, or selects the one that is on it, and checks it. What is expected of one that is
    /// known is not changed by it: [`Effect::Watch`] asks where it differs.
    pub fn watch(&mut self, new: NewWatch, hand: &mut Hand<'_>) {
        let key = (&new.account, &new.id);
        let mut all = hand.store.payments.iter();
        let place = all.position(|w| (&w.watch.account, &w.watch.id) == key);
        if let Some(at) = place {
            hand.store.payments[at].stir(hand.now);
        } else {
            let at = hand.now.wall;
            let expected = new.expected.clone();
            let watch = Watch {
                account: new.account.clone(),
                id: new.id.clone(),
                expected: expected.map(|sum| Expectation { sum, by: new.by, at }),
                since: at,
            };
            let watched = Watched::new(watch, Vec::new(), hand.now);
            hand.store.payments.insert(0, watched);
        }
        self.list.selected = place.unwrap_or(0);
        hand.out.push(Effect::Watch(new));
    }

    /// Whether it was taken off the list by hand.
    pub fn was_removed(&self, account: &AccountId, id: &PaymentId) -> bool {
        let mut off = self.off.iter();
        off.any(|(of, off)| of == account && off == id)
    }

    /// Puts a payment on the list that a callback told of; what is looked at stays what is looked at.
    pub fn add_told(&mut self, watch: Watch, hand: &mut Hand<'_>) {
        hand.out.push(Effect::Watch(NewWatch {
            account: watch.account.clone(),
            id: watch.id.clone(),
            expected: None,
            by: ExpectedBy::Form,
        }));
        let new = Watched::told_of(watch);
        hand.store.payments.insert(0, new);
        if hand.store.payments.len() > 1 {
            self.list.moved(1);
        }
    }

    pub fn act(&mut self, action: Action, hand: &mut Hand<'_>) {
        let at = self.list.selected;
        match action {
            Action::Check => hand.store.check(at, false, hand.out),
            Action::RemoveWatch if at < hand.store.payments.len() => {
                let mut gone = hand.store.payments.remove(at);
                if let Some(request) = gone.asking.take() {
                    hand.store.cancel(request, hand.out);
                }
                let watch = &gone.watch;
                hand.out
                    .push(Effect::Unwatch((watch.account.clone(), watch.id.clone())));
                hand.store
                    .flash(Level::Info, format!("{} is no longer watched", watch.id));
                if self.off.len() == OFF_MAX {
                    self.off.pop_front();
                }
                let watch = &gone.watch;
                self.off
                    .push_back((watch.account.clone(), watch.id.clone()));
                self.removed = Some((at, gone));
                self.list.selected = at.min(hand.store.payments.len().saturating_sub(1));
            }
            Action::UndoRemove => {
                if let Some((at, mut back)) = self.removed.take() {
                    self.off.retain(|(account, id)| {
                        (account, id) != (&back.watch.account, &back.watch.id)
                    });
                    let at = at.min(hand.store.payments.len());
                    hand.out.push(Effect::Watch(NewWatch {
                        account: back.watch.account.clone(),
                        id: back.watch.id.clone(),
                        expected: None,
                        by: ExpectedBy::Form,
                    }));
                    hand.store
                        .flash(Level::Info, format!("{} is watched again", back.watch.id));
                    back.stir(hand.now);
                    hand.store.payments.retain(|w| {
                        (&w.watch.account, &w.watch.id) != (&back.watch.account, &back.watch.id)
                    });
                    let at = at.min(hand.store.payments.len());
                    hand.store.payments.insert(at, back);
                    self.list.selected = at;
                }
            }
            _ => {}
        }
    }

    /// Calls off what the selection asks; whether there was anything.
    pub fn cancel(&mut self, hand: &mut Hand<'_>) -> bool {
        let Some(watched) = hand.store.payments.get_mut(self.list.selected) else {
            return false;
        };
        let Some(request) = watched.asking else {
            return false;
        };
        watched.cancelled(hand.now);
        hand.store.cancel(request, hand.out);
        true
    }

    /// Until the pane must change by itself.
    pub fn changes_in(store: &Store, now: Now, still: bool) -> Option<Duration> {
        let open = store.payments.iter().filter(|w| !w.is_final());
        let ages = open
            .clone()
            .filter_map(Watched::changed_at)
            .map(|at| age_changes_in(at, now));
        let counts = open
            .filter(|w| !still && w.due().is_some_and(|due| due > now.mono))
            .map(|_| tick(now));
        ages.chain(counts).min()
    }

    pub fn view(&self, look: Look<'_>, area: Rect, buf: &mut Buffer) {
        let payments = &look.store.payments;
        if payments.is_empty() {
            draw_empty(look, area, buf);
            return;
        }
        let parts = parts(area);
        let columns = Columns::new(parts.list.width, payments, look);
        if let Some(head) = parts.head {
            columns.draw_head(look, head, buf);
        }
        for (row, at) in (0..).zip(self.list.window(payments.len(), parts.list.height)) {
            columns.draw_row(&payments[at], look, parts.list, row, buf);
            if at == self.list.selected {
                let line = Rect {
                    y: parts.list.y + row,
                    height: 1,
                    ..parts.list
                };
                buf.set_style(line, look.theme.selected(look.focused));
            }
        }
        if let Some(watched) = self.selected(look.store) {
            draw_detail(watched, look, parts.detail, buf);
        }
    }
}

fn draw_empty(look: Look<'_>, area: Rect, buf: &mut Buffer) {
    let area = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    let area = below(area, area.height / 5);
    let (first, then) = match look.store.phase {
        Phase::Opening => ("Opening the ledger…".to_owned(), String::new()),
        _ => (
            "No payment is watched.".to_owned(),
            format!(
                "Press {} and type a payment's id, or just paste it here. {} builds a link for a payer and watches its payment.",
                look.key(Action::AddWatch),
                look.key(Action::Link)
            ),
        ),
    };
    let rows = paragraph(buf, area, &first, look.theme.style(Tone::Plain));
    paragraph(
        buf,
        below(area, rows + 1),
        &then,
        look.theme.style(Tone::Dim),
    );
}

/// Where the pane's parts lie.
pub struct Parts {
    head: Option<Rect>,
    pub list: Rect,
    detail: Rect,
}

/// The detail keeps its place at the bottom, however long the list.
pub fn parts(area: Rect) -> Parts {
    let detail = match area.height {
        0..8 => 0,
        8..12 => 5,
        12..18 => 7,
        height => (height / 2).clamp(9, 16),
    };
    let head = area.height >= 14;
    let upper = Rect {
        height: area.height - detail,
        ..area
    };
    Parts {
        head: head.then_some(Rect { height: 1, ..upper }),
        list: below(upper, u16::from(head)),
        detail: below(area, upper.height),
    }
}

/// How wide each column is.
struct Columns {
    account: u16,
    amount: u16,
    currency: u16,
    mark: u16,
    next: u16,
    id: u16,
}

const STATE: u16 = 12;
const AGE: u16 = 5;

impl Columns {
    fn new(total: u16, payments: &[Watched], look: Look<'_>) -> Self {
        let widest = |measure: fn(&Watched) -> Option<u16>, least: u16, most: u16| {
            payments
                .iter()
                .filter_map(measure)
                .max()
                .unwrap_or(0)
                .clamp(least, most)
        };
        let roomy = total >= 60;
        let amount = widest(
            |w| w.latest().map(|payment| width(payment.amount.as_str())),
            6,
            if roomy { 20 } else { 9 },
        );
        let currency = widest(
            |w| w.latest().map(|payment| width(payment.currency.as_str())),
            3,
            if roomy { 8 } else { 5 },
        );
        let account = if total >= 90 && look.store.accounts.len() > 1 {
            12
        } else {
            0
        };
        let next = match (total >= 56, look.still) {
            (false, _) => 0,
            (true, false) => 6,
            (true, true) => 10,
        };
        let mark = if roomy { 14 } else { 1 };
        let fixed = STATE + account + amount + currency + mark + AGE + next;
        // A space after every column but the last.
        let gaps = 5 + u16::from(account > 0);
        let named = payments
            .iter()
            .map(|w| width(w.watch.id.as_str()))
            .max()
            .unwrap_or(0)
            .max(16);
        Self {
            account,
            amount,
            currency,
            mark,
            next,
            id: total.saturating_sub(fixed + gaps).min(named),
        }
    }

    fn draw_head(&self, look: Look<'_>, area: Rect, buf: &mut Buffer) {
        let dim = look.theme.style(Tone::Dim);
        let mut pen = Pen::new(buf, area, 0);
        pen.cell("  state", STATE, dim).skip(1);
        pen.cell("payment", self.id, dim).skip(1);
        if self.account > 0 {
            pen.cell("account", self.account, dim).skip(1);
        }
        pen.right("amount", self.amount, dim).skip(1);
        pen.skip(self.currency + 1);
        pen.cell(
            if self.mark > 1 { "against order" } else { "" },
            self.mark,
            dim,
        )
        .skip(1);
        pen.right("since", AGE, dim);
        if self.next > 0 {
            pen.right("next", self.next, dim);
        }
    }

    fn draw_row(&self, watched: &Watched, look: Look<'_>, area: Rect, row: u16, buf: &mut Buffer) {
        let theme = look.theme;
        let (glyph, word, tone) = watched.badge(look.now);
        let mut pen = Pen::new(buf, area, row);
        pen.text(glyph, theme.bold(tone))
            .skip(1)
            .cell(&word, STATE - 2, theme.bold(tone))
            .skip(1)
            .cell(watched.watch.id.as_str(), self.id, theme.style(Tone::Plain))
            .skip(1);
        if self.account > 0 {
            pen.cell(
                watched.watch.account.as_str(),
                self.account,
                theme.style(Tone::Dim),
            )
            .skip(1);
        }
        let (amount, currency, tone) = match (watched.latest(), &watched.watch.expected) {
            (Some(payment), _) => (
                payment.amount.as_str(),
                payment.currency.as_str(),
                Tone::Plain,
            ),
            (None, Some(expected)) => (
                expected.sum.amount.as_str(),
                expected.sum.currency.as_str(),
                Tone::Dim,
            ),
            (None, None) => ("", "", Tone::Dim),
        };
        pen.right(amount, self.amount, theme.style(tone))
            .skip(1)
            .cell(currency, self.currency, theme.style(Tone::Dim))
            .skip(1);
        let (mark, words, mark_tone) = watched.mark(look.now);
        let words = if self.mark > 1 && !mark.is_empty() {
            format!("{mark} {words}")
        } else {
            mark.to_owned()
        };
        pen.cell(&words, self.mark, theme.style(mark_tone)).skip(1);
        let since = match watched.changed_at() {
            Some(at) if watched.is_final() => clock_short(at, look),
            Some(at) => age(at, look.now),
            None => String::new(),
        };
        pen.right(&since, AGE, theme.style(Tone::Dim));
        if self.next > 0 {
            let (next, tone) = next_word(watched, look);
            pen.right(&next, self.next, theme.style(tone));
        }
    }
}

/// What never changes again is dated, not aged, so that it need not be redrawn.
fn clock_short(at: WallTime, look: Look<'_>) -> String {
    let at = at.date_and_clock(&look.store.zone);
    let today = look.now.wall.date_and_clock(&look.store.zone);
    let part = if at.get(..10) == today.get(..10) {
        11..16
    } else {
        5..10
    };
    at.get(part).unwrap_or(&at).to_owned()
}

fn next_word(watched: &Watched, look: Look<'_>) -> (String, Tone) {
    if watched.asking.is_some() {
        let waits = look.store.waiting_for(watched.asking).is_some();
        return (if waits { "waits" } else { "asks" }.into(), Tone::Busy);
    }
    let tone = match watched.trouble {
        Trouble::Failed(_) => Tone::Bad,
        _ => Tone::Dim,
    };
    match watched.due() {
        Some(due) => (look.until(due), tone),
        None => (String::new(), Tone::Dim),
    }
}

fn draw_detail(watched: &Watched, look: Look<'_>, area: Rect, buf: &mut Buffer) {
    if area.height < 2 {
        return;
    }
    let theme = look.theme;
    let mut pen = Pen::new(buf, area, 0);
    pen.text("── ", theme.border(false, false))
        .text(watched.watch.id.as_str(), theme.bold(Tone::Plain))
        .text(" at ", theme.style(Tone::Dim))
        .text(watched.watch.account.as_str(), theme.style(Tone::Dim))
        .skip(1);
    let rest = usize::from(pen.left());
    pen.text(&"─".repeat(rest), theme.border(false, false));

    let roomy = area.height >= 9;
    let mut left = below(area, if roomy { 2 } else { 1 });
    let (_, _, tone) = watched.badge(look.now);
    let along = Rect {
        height: left.height.min(if area.height >= 7 { 3 } else { 1 }),
        ..left
    };
    let used = track::draw(watched.seen(), tone, theme, &look.store.zone, along, buf);
    left = below(left, used + u16::from(roomy));

    let (tone, words) = watched.explain(look.now);
    let rows = paragraph(
        buf,
        Rect {
            height: left.height.saturating_sub(1).max(1),
            ..left
        },
        &words,
        theme.style(tone),
    );
    left = below(left, rows);
    if let Trouble::Failed(problem) = &watched.trouble {
        let room = Rect {
            height: left.height.saturating_sub(1).max(1),
            ..left
        };
        let rows = paragraph(buf, room, &problem.told(), theme.style(Tone::Bad));
        left = below(left, rows);
    }
    let line = standing(watched, look);
    let rows = paragraph(buf, left, &line, theme.style(Tone::Dim));
    draw_history(watched, look, below(left, rows + 1), buf);
}

/// Since when it stands so, and when it is asked again.
fn standing(watched: &Watched, look: Look<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    if let Some(at) = watched.changed_at() {
        if watched.is_final() {
            parts.push(format!("since {}", at.date_and_clock(&look.store.zone)));
        } else {
            parts.push(format!("last change {}", look.ago(at)));
        }
    }
    if watched.asking.is_some() {
        parts.push(match look.store.waiting_for(watched.asking) {
            Some(why) => format!("waits {why}"),
            None => "asking now".into(),
        });
    } else if let Some(due) = watched.due() {
        let again = look.until(due);
        parts.push(if look.still {
            format!("asked again at {again}")
        } else {
            format!("asked again in {again}")
        });
    } else if watched.is_final() {
        parts.push("final, no longer asked".into());
    }
    parts.join(" · ")
}

/// The latest changes, newest first, where there is room.
fn draw_history(watched: &Watched, look: Look<'_>, area: Rect, buf: &mut Buffer) {
    let theme = look.theme;
    if area.height < 2 {
        return;
    }
    for (row, observation) in (0..area.height).zip(watched.seen().iter().rev()) {
        let payment = &observation.payment;
        Pen::new(buf, area, row)
            .cell(
                &observation.at.date_and_clock(&look.store.zone),
                20,
                theme.style(Tone::Dim),
            )
            .cell(&payment.state.to_string(), 12, theme.style(Tone::Plain))
            .text(payment.amount.as_str(), theme.style(Tone::Dim))
            .text(" ", theme.style(Tone::Dim))
            .text(payment.currency.as_str(), theme.style(Tone::Dim));
    }
}
