//! The list of watched payments, and the areas of the pane.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::State;
use super::rows::{Totals, needs_attention};
use super::{Action, Sort, detail};
use crate::domain::WallTime;
use crate::tui::keys::ConsoleAction;
use crate::tui::panes::{ViewContext, age};
use crate::tui::pointer::Hit;
use crate::tui::store::Phase;
use crate::tui::theme::Tone;
use crate::tui::watched::{LastError, Watched};
use crate::tui::widgets::text::{Pen, below, cells, fit_middle, paragraph, width};

/// The areas of the pane.
pub struct Parts {
    head: Option<Rect>,
    pub list: Rect,
    detail: Rect,
}

impl State {
    /// The detail is at the bottom, and gets what a list of `len` rows leaves free.
    pub fn parts(&self, area: Rect, len: usize) -> Parts {
        let least = match area.height {
            0..8 => 0,
            8..12 => 5,
            12..18 => 7,
            height => (height / 2).clamp(9, 16),
        };
        // While a filter hides rows, it must be visible.
        let filters = self.filter.is_typed() || self.filter.is_active();
        let head = area.height >= 14 || (area.height >= 4 && filters);
        let used = cells(len).saturating_add(u16::from(head) + 1);
        let free = area.height.saturating_sub(used);
        let detail = if least > 0 {
            free.clamp(least, 16.max(least))
        } else {
            0
        };
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

    /// Counts and totals of the shown payments, for the frame.
    pub fn totals(&self, ctx: ViewContext<'_>, room: u16) -> Option<(String, Tone)> {
        let payments = &ctx.store.payments;
        if payments.is_empty() {
            return None;
        }
        let shown = self.rows(ctx.store);
        let totals = Totals::of(shown.iter().map(|at| &payments[*at]), ctx.store);
        let (attention, short, tone) = match totals.attention {
            0 => (String::new(), String::new(), Tone::Dim),
            1 => ("! 1 needs attention".to_owned(), "! 1".into(), Tone::Bad),
            n => (format!("! {n} need attention"), format!("! {n}"), Tone::Bad),
        };
        let words = |attention: &str| totals.words(room.saturating_sub(width(attention) + 3));
        let both = |attention: &str, words: String| {
            let gap = if attention.is_empty() || words.is_empty() {
                ""
            } else {
                " · "
            };
            format!("{attention}{gap}{words}")
        };
        // The longest wording that fits; what needs attention always shows.
        let wordings = [
            both(&attention, words(&attention)),
            both(&short, words(&short)),
        ];
        let fits = |note: &String| width(note) <= room;
        let note = wordings.into_iter().find(fits).unwrap_or(short);
        (!note.is_empty()).then_some((note, tone))
    }

    /// Draws the pane; returns the cursor of the filter that is typed.
    pub fn draw(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let payments = &ctx.store.payments;
        if payments.is_empty() {
            draw_empty(ctx, area, buf);
            return None;
        }
        let rows = self.rows(ctx.store);
        let parts = self.parts(area, rows.len());
        let shown: Vec<&Watched> = rows.iter().map(|at| &payments[*at]).collect();
        let window = self.list.window(shown.len(), parts.list.height);
        let columns = Columns::new(parts.list.width, &shown[window.clone()], ctx, self);
        let line = parts.head.unwrap_or(Rect { height: 1, ..area });
        let hint = "id, state, verdict or account";
        let cursor = self.filter.draw(hint, ctx.theme, line, buf);
        let cursor = cursor.map(|x| Position::new(x, line.y));
        if let Some(head) = parts.head.filter(|_| cursor.is_none()) {
            if self.filter.is_active() {
                self.draw_active_filter(shown.len(), ctx, head, buf);
            } else {
                columns.draw_head(ctx, head, buf);
                ctx.note(head, Hit::Act(Action::SortPayments.into()));
            }
        }
        if shown.is_empty() {
            let text = "No watched payment matches the filter.";
            paragraph(buf, parts.list, text, ctx.theme.style(Tone::Dim));
            return cursor;
        }
        let room = parts.detail.width.saturating_sub(HEADING);
        let (place, tone) = self.place(ctx, &rows, window.clone(), room);
        let selected = self.place_of_selected(ctx.store, &rows);
        for (row, at) in (0..).zip(window) {
            let watched = shown[at];
            let line = Rect {
                y: parts.list.y + row,
                height: 1,
                ..parts.list
            };
            columns.draw_row(watched, self.is_marked(watched), ctx, line, buf);
            if at == selected {
                buf.set_style(line, ctx.theme.selected(ctx.focused));
            }
        }
        let heading = Rect {
            height: parts.detail.height.min(1),
            ..parts.detail
        };
        Pen::new(buf, heading, 0).flush(&place, ctx.theme.style(tone));
        let taken = width(&place) + u16::from(!place.is_empty());
        let heading = Rect {
            width: heading.width.saturating_sub(taken),
            ..heading
        };
        draw_heading(shown[selected], ctx, heading, buf);
        detail::draw(shown[selected], ctx, parts.detail, buf);
        cursor
    }

    fn draw_active_filter(&self, shown: usize, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        let all = ctx.store.payments.len();
        let noun = if all == 1 {
            "payment matches"
        } else {
            "payments match"
        };
        let text = format!("{shown} of {all} {noun} ");
        Pen::new(buf, area, 0)
            .text("filter / ", theme.bold(Tone::Accent))
            .text(self.filter.text(), theme.style(Tone::Plain))
            .skip(2)
            .text(&text, theme.style(Tone::Dim))
            .text(
                &format!("· {} clears it", ctx.key(ConsoleAction::Escape)),
                theme.style(Tone::Dim),
            );
    }

    /// Which rows are visible, in which order, and whether a payment that needs attention is scrolled off.
    fn place(
        &self,
        ctx: ViewContext<'_>,
        shown: &[usize],
        window: std::ops::Range<usize>,
        room: u16,
    ) -> (String, Tone) {
        let unseen = |rows: &[usize]| {
            let needs = |at: &&usize| needs_attention(&ctx.store.payments[**at], ctx.store);
            rows.iter().filter(needs).count()
        };
        let (above, under) = (unseen(&shown[..window.start]), unseen(&shown[window.end..]));
        let mut parts = Vec::new();
        if !self.marked.is_empty() {
            let seen = self.marked_of(shown, ctx.store).len();
            let of = match self.marked.len() {
                all if all == seen => String::new(),
                all => format!(" of {all}"),
            };
            parts.push(format!("{seen}{of} marked"));
        }
        let sorted = parts.len();
        if window.len() < shown.len() {
            parts.push(format!(
                "{}-{} of {}",
                window.start + 1,
                window.end,
                shown.len()
            ));
        }
        if above > 0 {
            parts.push(format!("! {above} above"));
        }
        if under > 0 {
            parts.push(format!("! {under} below"));
        }
        let tone = if above + under > 0 {
            Tone::Bad
        } else {
            Tone::Dim
        };
        let place = parts.join(" · ");
        if self.sort != Sort::default() {
            parts.insert(sorted, self.sort.words().to_owned());
        }
        let whole = parts.join(" · ");
        let fits = width(&whole) <= room;
        (if fits { whole } else { place }, tone)
    }
}

/// `── ORDER-1042 at shop ─────`
fn draw_heading(watched: &Watched, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let theme = ctx.theme;
    let rule = theme.border(false, false);
    let mut pen = Pen::new(buf, area, 0);
    pen.text("── ", rule);
    let room = pen.left().saturating_sub(12);
    let id = fit_middle(watched.watch.id.as_str(), room);
    pen.text(&id, theme.bold(Tone::Plain))
        .text(" at ", theme.style(Tone::Dim))
        .text(watched.watch.account.as_str(), theme.style(Tone::Dim))
        .skip(1);
    let rest = usize::from(pen.left());
    pen.text(&"─".repeat(rest), rule);
}

fn draw_empty(ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let area = Rect {
        x: area.x + 1,
        width: area.width.saturating_sub(2),
        ..area
    };
    let area = below(area, area.height / 5);
    let (first, then) = match ctx.store.phase {
        Phase::Opening => ("Opening the ledger…".to_owned(), String::new()),
        Phase::Ready | Phase::Failed(_) => (
            "No payment is watched.".to_owned(),
            format!(
                "Paste payments into this pane, one a line: id;amount;currency. Or press {} to type one. {} builds a link for a payer and watches its payment.",
                ctx.key(Action::AddWatch),
                ctx.key(ConsoleAction::Link)
            ),
        ),
    };
    let rows = paragraph(buf, area, &first, ctx.theme.style(Tone::Plain));
    paragraph(
        buf,
        below(area, rows + 1),
        &then,
        ctx.theme.style(Tone::Dim),
    );
}

/// The width of each column.
struct Columns {
    marks: u16,
    account: u16,
    amount: u16,
    currency: u16,
    expected: u16,
    compared: u16,
    next: u16,
    id: u16,
}

/// Columns reserved for the heading of the selected payment.
const HEADING: u16 = 46;
const STATE: u16 = 12;
const AGE: u16 = 5;
/// Columns of `vs. order`: with words, or the sign alone.
const COMPARED: (u16, u16) = (16, 1);

impl Columns {
    fn new(total: u16, shown: &[&Watched], ctx: ViewContext<'_>, state: &State) -> Self {
        let widest = |measure: &dyn Fn(&Watched) -> Option<u16>, least: u16, most: u16| {
            let all = shown.iter().filter_map(|watched| measure(watched));
            all.max().unwrap_or(0).clamp(least, most)
        };
        let roomy = total >= 60;
        let amount = |w: &Watched| w.latest().map(|payment| width(payment.amount.as_str()));
        let currency = |w: &Watched| w.latest().map(|payment| width(payment.currency.as_str()));
        let expected = |w: &Watched| w.expected().map(|sum| width(&sum.to_string()));
        let id = |w: &Watched| Some(width(w.watch.id.as_str()));
        let mut columns = Self {
            marks: if state.marked.is_empty() { 0 } else { 2 },
            // With one account the column would say the same in every row.
            account: if total >= 90 && ctx.store.accounts.len() > 1 {
                13
            } else {
                0
            },
            amount: widest(&amount, 6, if roomy { 20 } else { 9 }),
            currency: widest(&currency, 3, if roomy { 8 } else { 5 }),
            expected: if total >= 110 {
                widest(&expected, 8, 24) + 2
            } else {
                0
            },
            compared: if roomy { COMPARED.0 } else { COMPARED.1 },
            next: match (total >= 56, ctx.still) {
                (false, _) => 0,
                // `queued`, apart from the age before it.
                (true, false) => 7,
                (true, true) => 10,
            },
            id: 0,
        };
        // The id is worth more than the next check and the words: it is not shown anywhere else in the row.
        let named = widest(&id, 16, u16::MAX);
        if columns.room_for_id(total) < named.min(20) {
            columns.next = 0;
        }
        if columns.room_for_id(total) < named.min(16) {
            columns.compared = COMPARED.1;
        }
        columns.id = columns.room_for_id(total).min(named);
        columns
    }

    fn room_for_id(&self, total: u16) -> u16 {
        let fixed = self.marks
            + STATE
            + self.account
            + self.amount
            + self.currency
            + self.expected
            + self.compared
            + AGE
            + self.next;
        // One space after state, id, amount, currency and comparison.
        total.saturating_sub(fixed + 5)
    }

    fn draw_head(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
        let dim = ctx.theme.style(Tone::Dim);
        let mut pen = Pen::new(buf, area, 0);
        pen.skip(self.marks);
        pen.cell("  state", STATE, dim).skip(1);
        pen.cell("payment", self.id, dim).skip(1);
        pen.cell("account", self.account, dim);
        pen.right("amount", self.amount, dim).skip(1);
        pen.skip(self.currency);
        pen.right(
            if self.expected > 0 { "expected" } else { "" },
            self.expected,
            dim,
        )
        .skip(1);
        let words = self.compared > COMPARED.1;
        pen.cell(if words { "vs. order" } else { "" }, self.compared, dim)
            .skip(1);
        pen.right("since", AGE, dim);
        pen.right(if self.next > 0 { "check" } else { "" }, self.next, dim);
    }

    fn draw_row(
        &self,
        watched: &Watched,
        marked: bool,
        ctx: ViewContext<'_>,
        line: Rect,
        buf: &mut Buffer,
    ) {
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let (glyph, word, tone) = watched.badge(ctx.now);
        // A state that could not be checked again may be out of date: it loses its colour.
        let state = if watched.stale_since().is_some() {
            dim
        } else {
            theme.bold(tone)
        };
        let mut pen = Pen::new(buf, line, 0);
        pen.cell(
            if marked { "▪" } else { "" },
            self.marks,
            theme.bold(Tone::Accent),
        )
        .text(glyph, theme.bold(tone))
        .skip(1)
        .cell(&word, STATE - 2, state)
        .skip(1)
        .id(watched.watch.id.as_str(), self.id, theme.style(Tone::Plain))
        .skip(1)
        .cell(watched.watch.account.as_str(), self.account, dim);
        let (amount, currency, tone) = match (watched.latest(), watched.expected()) {
            (Some(payment), _) => {
                let (amount, currency) = (payment.amount.to_string(), payment.currency.to_string());
                (amount, currency, Tone::Plain)
            }
            (None, Some(sum)) => (sum.amount.to_string(), sum.currency.to_string(), Tone::Dim),
            (None, None) => (String::new(), String::new(), Tone::Dim),
        };
        let expected = watched.expected().map(ToString::to_string);
        pen.right(&amount, self.amount, theme.style(tone))
            .skip(1)
            .cell(&currency, self.currency, dim)
            .right(&expected.unwrap_or_default(), self.expected, dim)
            .skip(1);
        let (sign, words, tone) = watched.mark(ctx.now);
        let words = if self.compared > COMPARED.1 {
            format!("{sign} {words}").trim_start().to_owned()
        } else {
            sign.to_owned()
        };
        pen.cell(&words, self.compared, theme.style(tone)).skip(1);
        let since = match watched.changed_at() {
            Some(at) if watched.is_final() => clock_short(at, ctx),
            Some(at) => age(at, ctx.now),
            None => String::new(),
        };
        pen.right(&since, AGE, dim);
        let (next, tone) = next_word(watched, ctx);
        pen.right(&next, self.next, theme.style(tone));
    }
}

/// A final state has a date, not an age, so that it need not be redrawn.
fn clock_short(at: WallTime, ctx: ViewContext<'_>) -> String {
    let at = at.date_and_clock(&ctx.store.zone);
    let today = ctx.now.wall.date_and_clock(&ctx.store.zone);
    let part = if at.get(..10) == today.get(..10) {
        11..16
    } else {
        5..10
    };
    at.get(part).unwrap_or(&at).to_owned()
}

fn next_word(watched: &Watched, ctx: ViewContext<'_>) -> (String, Tone) {
    if watched.asking.is_some() {
        let waits = ctx.store.waiting_for(watched.asking).is_some();
        return (if waits { "queued" } else { "now" }.into(), Tone::Busy);
    }
    let tone = match watched.last_error {
        LastError::Failed(_) => Tone::Bad,
        LastError::None | LastError::NotKnown => Tone::Dim,
    };
    match watched.due() {
        Some(due) => (ctx.until(due), tone),
        None => (String::new(), Tone::Dim),
    }
}
