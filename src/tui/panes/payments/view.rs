//! The list of watched payments, and the areas of the pane.

use std::time::Duration;

use ratatui::layout::Constraint::{Fill, Length};
use ratatui::layout::Margin;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

use super::rows::{Totals, needs_attention};
use super::{Action, Sort, State, detail};
use crate::domain::{Ability, PaymentVerdict, WallTime};
use crate::tui::FilterAction;
use crate::tui::ages::age_changes_in;
use crate::tui::panes::parts::Heading;
use crate::tui::panes::{credentials, parts};
use crate::tui::prelude::*;
use crate::tui::store::Phase;
use crate::tui::watched::Watched;
use crate::tui::widgets::columns::fit_line;
use crate::tui::widgets::pager;
use crate::tui::widgets::text::first_row;

pub struct Parts {
    head: Option<Rect>,
    pub list: Rect,
    detail: Rect,
}

impl State {
    /// The detail is beside the list in a wide pane; else below it, with the rows that a list of `len` leaves free.
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
        let detail = match area.height {
            0..8 => 0,
            // The history of the selected payment has a use for every row.
            20.. => free.max(least),
            _ => free.clamp(least, 16.max(least)),
        };
        let [top, list, detail] = if area.width >= BESIDE_FROM && detail > 0 {
            let list = (area.width / 20 * 13).clamp(BESIDE_LIST, BESIDE_LIST_MAX);
            let columns = Layout::horizontal([Length(list), Fill(1)]).spacing(2);
            let [left, detail] = area.layout(&columns);
            let [top, list] = split_rows(left, u16::from(head));
            [top, list, detail]
        } else {
            let rows = [Length(u16::from(head)), Fill(1), Length(detail)];
            area.layout(&Layout::vertical(rows))
        };
        Parts {
            head: head.then_some(top),
            list,
            detail,
        }
    }

    /// Counts and totals of the shown payments, for the frame.
    pub fn totals(&self, ctx: ViewContext<'_>, room: u16) -> Option<Line<'static>> {
        let payments = &ctx.store.payments;
        if payments.is_empty() {
            return None;
        }
        let shown = self.rows(ctx.store);
        let totals = Totals::of(shown.iter().map(|at| &payments[*at]), ctx.store);
        let (attention, short) = match totals.attention {
            0 => (String::new(), String::new()),
            1 => ("! 1 needs attention".to_owned(), "! 1".to_owned()),
            n => (format!("! {n} need attention"), format!("! {n}")),
        };
        // What needs attention always shows; the counts with it, where both fit.
        let both = |attention: &str| {
            let words = totals.words(room.saturating_sub(width(attention) + 3));
            let gap = if attention.is_empty() || words.is_empty() {
                ""
            } else {
                " · "
            };
            let words = format!("{gap}{words}");
            let fits = width(attention) + width(&words) <= room;
            fits.then(|| (attention.to_owned(), words))
        };
        let (attention, words) = both(&attention)
            .or_else(|| both(&short))
            .unwrap_or((short, String::new()));
        let note = Line::from_iter([
            Span::styled(attention, ctx.theme.style(Tone::Bad)),
            Span::styled(words, ctx.theme.style(Tone::Dim)),
        ]);
        (note.width() > 0).then_some(note)
    }

    /// Draws the pane; returns the cursor of the filter that is typed.
    pub fn draw(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        let payments = &ctx.store.payments;
        if payments.is_empty() {
            // The last payment may go while a filter is typed.
            let cursor = self.filter.draw(ctx.theme, area, buf);
            draw_empty(ctx, below(area, u16::from(cursor.is_some())), buf);
            return cursor;
        }
        let rows = self.rows(ctx.store);
        let parts = self.parts(area, rows.len());
        let shown: Vec<&Watched> = rows.iter().map(|at| &payments[*at]).collect();
        let selected = self.place_of_selected(ctx.store, &rows);
        let mut list = self.list;
        list.selected = selected;
        let total = parts.list.width;
        let grid = |is_compared| {
            let columns = self.columns(&shown, total, is_compared, ctx);
            let columns = columns.into_iter().map(|it| {
                let arrow = self.sort.arrow(it.title());
                it.arrow(arrow)
            });
            let columns = self.widths.apply(columns.collect());
            Grid::new(columns, &shown, list, parts.list)
        };
        let is_compared = |grid: &Grid| grid.width_of(COMPARED).is_some_and(|it| it > SIGN);
        // Where `vs. order` has given way to other columns, the state says what it would.
        let roomy = Some(grid(total >= 60)).filter(is_compared);
        let grid = roomy.unwrap_or_else(|| grid(false));
        let line = parts.head.unwrap_or(first_row(area));
        let cursor = self.filter.draw(ctx.theme, line, buf);
        if let Some(head) = parts.head.filter(|_| cursor.is_none()) {
            if self.filter.is_active() {
                let words = self.active_filter(shown.len(), ctx);
                fit_line(words, head.width).render(head, buf);
            } else {
                grid.draw_head(ctx, head, buf);
            }
        }
        if shown.is_empty() {
            let first = if self.filter.is_typed() {
                format!("{}, then ", ctx.key(FilterAction::KeepFilter))
            } else {
                String::new()
            };
            let text = format!(
                "No watched payment matches. Press {first}{} to watch {}. Search Requests for others.",
                ctx.key(Action::AddWatch),
                self.filter.text()
            );
            let rest = below(area, parts.list.y.saturating_sub(area.y));
            paragraph(buf, rest, &text, ctx.theme.style(Tone::Dim));
            return cursor;
        }
        let watch = &shown[selected].watch;
        let heading = width(watch.id.as_str()) + width(watch.account.as_str()) + 12;
        let room = parts.detail.width.saturating_sub(heading.min(HEADING));
        let window = list.window(shown.len(), parts.list.height);
        // The payments that need attention above and below the visible rows.
        let [above, below] = [&rows[..window.start], &rows[window.end..]].map(|rows| {
            let needs = |at: &&usize| needs_attention(&payments[**at], ctx.store);
            rows.iter().filter(needs).count()
        });
        let tone = if above + below == 0 {
            Tone::Dim
        } else {
            Tone::Bad
        };
        let place = [
            self.marked_words(&rows, ctx.store),
            (self.sort != Sort::default()).then(|| self.sort.words()),
            pager::place(&window, shown.len()),
            (above > 0).then(|| format!("! {above} above")),
            (below > 0).then(|| format!("! {below} below")),
        ];
        let place = joined(place, room);
        grid.draw(ctx, true, buf);
        let taken = width(&place) + u16::from(!place.is_empty());
        let heading = first_row(parts.detail);
        let [heading, right] = heading.layout(&Layout::horizontal([Fill(1), Length(taken)]));
        Pen::new(buf, right, 0).flush(&place, ctx.theme.style(tone));
        Heading {
            name: watch.id.as_str(),
            account: watch.account.as_str(),
        }
        .draw(ctx.theme, heading, buf);
        detail::draw(shown[selected], ctx, parts.detail, buf);
        cursor
    }

    fn active_filter(&self, shown: usize, ctx: ViewContext<'_>) -> Line<'_> {
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let all = ctx.store.payments.len();
        let noun = if all == 1 {
            "payment matches"
        } else {
            "payments match"
        };
        let key = ctx.key(ConsoleAction::Escape);
        Line::from(vec![
            Span::styled("filter / ", theme.bold(Tone::Accent)),
            Span::styled(self.filter.text(), theme.style(Tone::Plain)),
            Span::styled(format!("  {shown} of {all} {noun} · {key} clears it"), dim),
        ])
    }

    /// How many of the marked payments are shown: `2 of 3 marked`.
    fn marked_words(&self, shown: &[usize], store: &Store) -> Option<String> {
        let seen = self.marked_of(shown, store).len();
        match self.marked.len() {
            0 => None,
            all if all == seen => Some(format!("{seen} marked")),
            all => Some(format!("{seen} of {all} marked")),
        }
    }
}

/// What the heading of the selected payment says about the list. The order of the rows, the second part, is the first to
/// go where the room is short.
fn joined([marked, sorted, rest @ ..]: [Option<String>; 5], room: u16) -> String {
    let join = |sorted: Option<String>| {
        let parts = [marked.clone(), sorted].into_iter().chain(rest.clone());
        parts.flatten().collect::<Vec<_>>().join(" · ")
    };
    let whole = join(sorted);
    if width(&whole) <= room {
        whole
    } else {
        join(None)
    }
}

fn draw_empty(ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) {
    let area = below(area.inner(Margin::new(1, 0)), area.height / 5);
    let (first, then) = match ctx.store.phase {
        Phase::Opening => ("Opening the ledger…".to_owned(), String::new()),
        Phase::Ready if ctx.store.is_unread => (
            "The list is not loaded: the ledger cannot be read.".to_owned(),
            "It appears once the ledger can be read.".to_owned(),
        ),
        _ if !ctx.store.any_can(Ability::Payments) => credentials::none_can(Ability::Payments, ctx),
        Phase::Ready | Phase::Failed(_) => (
            "No payment is watched.".to_owned(),
            format!(
                "Paste payments into this pane, one per line: id;amount;currency. Or press {} to type one. {} builds a link for a payer and watches its payment.",
                ctx.key(Action::AddWatch),
                ctx.key(ConsoleAction::Link)
            ),
        ),
    };
    parts::draw_empty([&first, &then], ctx, area, buf);
}

/// From this width on, the selected payment is beside the list, which then has two thirds, within these limits.
const BESIDE_FROM: u16 = 150;
const BESIDE_LIST: u16 = 98;
const BESIDE_LIST_MAX: u16 = 120;
/// The most columns reserved for the heading of the selected payment.
const HEADING: u16 = 46;
/// The column that compares a payment with its order.
const COMPARED: &str = "vs. order";
/// Columns of its sign, without words.
const SIGN: u16 = 1;
/// Says that a payment has a note.
const NOTE: &str = "¶";

impl State {
    /// The columns in a list of `total` columns; `is_compared`: with words in `vs. order`.
    fn columns<'a>(
        &'a self,
        shown: &[&Watched],
        total: u16,
        is_compared: bool,
        ctx: ViewContext<'a>,
    ) -> Vec<Column<'a, Watched>> {
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let roomy = total >= 60;
        // With one account the column would say the same in every row; of several, the shops may use the same ids.
        let accounts = ctx.store.accounts.len() > 1;
        let mut owners = shown.iter().map(|it| &it.watch.account);
        let first = owners.next();
        let (from, below) = if owners.any(|owner| Some(owner) != first) {
            (0, 6)
        } else {
            (90, 17)
        };
        // Once, and not for each row: it goes through all payments.
        let round = ctx.store.round_of_checks();
        // `queued` fits.
        let next = if ctx.reduced_motion { 9 } else { 6 };
        vec![
            Column::new("", Width::Exact(1), move |it: &Watched, _| {
                let is_marked = self.marked.contains(&it.key());
                let mark = if is_marked { "▪" } else { "" };
                Line::styled(mark, theme.bold(Tone::Accent))
            })
            .when(!self.marked.is_empty()),
            Column::new("  state", Width::Exact(12), move |it, _| {
                state(it, is_compared, round, ctx)
            }),
            // It is worth more than the other columns: nothing else in the row names the payment.
            Column::new("payment", Width::Fit(7, u16::MAX), |it: &Watched, _| {
                Line::raw(it.watch.id.as_str())
            })
            .id()
            .shrinks(0),
            // Only where some payment has a note.
            Column::new("", Width::Fit(0, 1), move |it: &Watched, _| {
                let note = it.watch.note.as_ref().map_or("", |_| NOTE);
                Line::styled(note, theme.style(Tone::Accent))
            }),
            Column::new("account", Width::Fit(7, 12), move |it: &Watched, _| {
                Line::styled(it.watch.account.as_str(), dim)
            })
            .id()
            .when(accounts)
            .from(from)
            .gives_way(below, 0),
            Column::new(
                "amount",
                Width::Fit(6, if roomy { 20 } else { 9 }),
                |it: &Watched, _| {
                    let amount = it.latest().map(|payment| payment.amount.to_string());
                    Line::raw(amount.unwrap_or_default())
                },
            )
            .right(),
            Column::new(
                "",
                Width::Fit(3, if roomy { 8 } else { 5 }),
                move |it: &Watched, _| {
                    let currency = it.latest().map(|payment| payment.currency.to_string());
                    Line::styled(currency.unwrap_or_default(), dim)
                },
            ),
            Column::new("expected", Width::Fit(9, 25), move |it: &Watched, _| {
                let expected = it.expected().map(ToString::to_string);
                Line::styled(expected.unwrap_or_default(), dim)
            })
            .right()
            .from(90)
            .gives_way(18, 0),
            Column::new(
                if is_compared { COMPARED } else { "" },
                Width::Exact(if is_compared { 16 } else { SIGN }),
                move |it, room| compared(it, room, round, ctx),
            )
            .gives_way(16, SIGN),
            Column::new("since", Width::Exact(5), move |it: &Watched, _| {
                Line::styled(when(it.changed_at(), it, ctx), dim)
            })
            .right()
            .gives_way(7, 0),
            Column::new("response", Width::Exact(8), move |it: &Watched, _| {
                Line::styled(when(it.answered_at(), it, ctx), dim)
            })
            .right()
            .from(90)
            .gives_way(22, 0),
            Column::new("check", Width::Exact(next), move |it, _| next_word(it, ctx))
                .right()
                .from(56)
                .gives_way(20, 0),
        ]
    }
}

/// The state, or a difference from the order where `vs. order` has no room for words: a sign alone is easily missed.
fn state<'r>(
    watched: &Watched,
    is_compared: bool,
    round: Duration,
    ctx: ViewContext<'_>,
) -> Line<'r> {
    let theme = ctx.theme;
    let (glyph, word, tone) = watched.badge();
    let word = match watched.verdict() {
        Some(
            verdict @ (PaymentVerdict::Less
            | PaymentVerdict::More
            | PaymentVerdict::OtherCurrency
            | PaymentVerdict::UnreadableAmount),
        ) if !is_compared => verdict.mark().1.to_uppercase(),
        _ => word,
    };
    // A state that could not be checked again may be out of date: it loses its colour.
    let state = if watched.stale_since(ctx.now, round).is_some() {
        theme.style(Tone::Dim)
    } else {
        theme.bold(tone)
    };
    let handled = ctx.store.handled(&watched.alert_key(), watched.began());
    let sign = match handled {
        Some(_) => theme.style(Tone::Dim),
        None => theme.bold(tone),
    };
    let glyph = Span::styled(glyph, sign);
    Line::from(vec![glyph, " ".into(), Span::styled(word, state)])
}

fn compared<'r>(watched: &Watched, room: u16, round: Duration, ctx: ViewContext<'_>) -> Line<'r> {
    if let Some(since) = watched.stale_since(ctx.now, round) {
        ctx.changes_in(age_changes_in(since, ctx.now));
    } else if let Some(left) = watched
        .late_at(round)
        .and_then(|at| at.checked_sub(ctx.now.mono))
        .filter(|left| !left.is_zero())
    {
        ctx.changes_in(left);
    }
    let (sign, words, tone) = watched.mark(ctx.now, round);
    let words = if room > SIGN {
        format!("{sign} {words}").trim_start().to_owned()
    } else {
        sign.to_owned()
    };
    Line::styled(words, ctx.theme.style(tone))
}

/// An age; for a final payment a time or a date, so that it need not be redrawn.
fn when(at: Option<WallTime>, watched: &Watched, ctx: ViewContext<'_>) -> String {
    match at {
        Some(at) if watched.is_final() => ctx.clock_or_date(at, false),
        Some(at) => ctx.age(at),
        None => String::new(),
    }
}

fn next_word<'r>(watched: &Watched, ctx: ViewContext<'_>) -> Line<'r> {
    if watched.asking.is_some() {
        let waits = ctx.store.waiting_for(watched.asking).is_some();
        let word = if waits { "queued" } else { "now" };
        return Line::styled(word, ctx.theme.style(Tone::Busy));
    }
    let tone = match watched.failure {
        Some(_) => Tone::Bad,
        None => Tone::Dim,
    };
    let word = match watched.due() {
        None => String::new(),
        Some(due) if due <= ctx.now.mono => "queued".to_owned(),
        Some(due) => ctx.until(due),
    };
    Line::styled(word, ctx.theme.style(tone))
}
