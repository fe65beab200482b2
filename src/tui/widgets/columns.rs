//! A list's columns, described once: what each shows, how wide it is, and what gives way in a narrow pane. Knows no pane.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table, Widget};

use super::list::List;
use super::pager::Pager;
use super::text::{cells, fit, fit_middle, width};
use super::widths::Widths;
use crate::tui::component::ViewContext;
use crate::tui::hits::{Hit, Shown};
use crate::tui::theme::Tone;

/// Blank cells between two columns.
const GAP: u16 = 1;
/// The least width of the column that shrinks.
const SHRUNK_MIN: u16 = 6;
/// As many rows decide the widths, besides those on the screen.
const MEASURED_MAX: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Exact(u16),
    /// As wide as the widest cell of the first rows and those on the screen, within these limits, so that columns stay
    /// where they are as a list scrolls.
    Fit(u16, u16),
    /// What the others leave, at most the second number; hidden where that is less than the first.
    Rest(u16, u16),
}

impl Width {
    /// All that the others leave.
    pub const REST: Self = Self::Rest(0, u16::MAX);
}

pub struct Column<'a, T> {
    layout: Layout,
    cell: Box<Cell<'a, T>>,
}

/// What a column has, whatever its rows are.
struct Layout {
    title: &'static str,
    width: Width,
    alignment: Alignment,
    is_id: bool,
    is_shown: bool,
    /// The list's width from which on it is shown.
    from: u16,
    /// Below this width of the column that shrinks, it gets the second width.
    gives_way: (u16, u16),
    /// It gets narrower where the room is short, so that a [`Width::Rest`] has this many cells.
    shrinks: Option<u16>,
    /// The operator's width.
    set: Option<u16>,
    /// Whether the operator picked it; its title then stands out.
    is_picked: bool,
    /// Whether the list is sorted by it, and how.
    arrow: Option<&'static str>,
}

impl Widths {
    /// The columns with the operator's widths.
    pub fn apply<'a, T>(&self, mut columns: Vec<Column<'a, T>>) -> Vec<Column<'a, T>> {
        for column in &mut columns {
            let title = column.title();
            let is_picked = self.picked == Some(title);
            column.resize(self.set.get(title).copied(), is_picked);
        }
        columns
    }
}

/// What a cell shows in this many columns.
type Cell<'a, T> = dyn for<'r> Fn(&'r T, u16) -> Line<'r> + 'a;

impl<'a, T> Column<'a, T> {
    /// A column whose cells are what `cell` makes of a row and the column's width.
    pub fn new(
        title: &'static str,
        width: Width,
        cell: impl for<'r> Fn(&'r T, u16) -> Line<'r> + 'a,
    ) -> Self {
        let layout = Layout {
            title,
            width,
            alignment: Alignment::Left,
            is_id: false,
            is_shown: true,
            from: 0,
            gives_way: (0, 0),
            shrinks: None,
            set: None,
            is_picked: false,
            arrow: None,
        };
        Self {
            layout,
            cell: Box::new(cell),
        }
    }

    pub fn right(mut self) -> Self {
        self.layout.alignment = Alignment::Right;
        self
    }

    /// Cut in its middle: ids often differ only at their ends.
    pub fn id(mut self) -> Self {
        self.layout.is_id = true;
        self
    }

    /// Beside its title, where the list is sorted by it.
    pub fn arrow(mut self, arrow: Option<&'static str>) -> Self {
        self.layout.arrow = arrow;
        self
    }

    pub fn when(mut self, is_shown: bool) -> Self {
        self.layout.is_shown = is_shown;
        self
    }

    /// Shown in lists of at least this many columns.
    pub fn from(mut self, width: u16) -> Self {
        self.layout.from = width;
        self
    }

    /// Narrowed to `to`, where 0 hides it, while the column that shrinks has less than `below`.
    pub fn gives_way(mut self, below: u16, to: u16) -> Self {
        self.layout.gives_way = (below, to);
        self
    }

    /// The one column that gets narrower where the room is short, so that [`Width::Rest`] has this many cells.
    pub fn shrinks(mut self, rest: u16) -> Self {
        self.layout.shrinks = Some(rest);
        self
    }

    pub fn title(&self) -> &'static str {
        self.layout.title
    }

    /// Gives it the operator's width, if there is one. Its title stands out if the operator picked it.
    pub fn resize(&mut self, set: Option<u16>, is_picked: bool) {
        self.layout.set = set;
        self.layout.is_picked = is_picked;
    }
}

impl Layout {
    /// A cell cut to a width, its control characters escaped.
    fn cut(&self, cell: Line<'_>, room: u16) -> Line<'static> {
        let cut = if self.is_id { fit_middle } else { fit };
        cut_line(cell, room, cut).alignment(self.alignment)
    }

    /// Its width where all have room; `widest` gives that of its widest cell, at most the width it is called with.
    fn natural(&self, total: u16, widest: impl Fn(u16) -> usize) -> u16 {
        if !self.is_shown || total < self.from {
            return 0;
        }
        match self.set.map_or(self.width, Width::Exact) {
            Width::Exact(width) => width,
            Width::Fit(least, most) => cells(widest(most)).clamp(least, most),
            Width::Rest(..) => 0,
        }
    }
}

/// A line in at most `room` cells, its control characters escaped.
pub fn fit_line(line: Line<'_>, room: u16) -> Line<'static> {
    cut_line(line, room, fit)
}

fn cut_line(line: Line<'_>, room: u16, cut: fn(&str, u16) -> Cow<'_, str>) -> Line<'static> {
    let mut left = room;
    let style = line.style;
    let mut spans: Vec<Span<'static>> = Vec::new();
    for span in line.spans {
        if left == 0 && !span.content.trim().is_empty() {
            // The cut falls on the end of a span, which thus shows it.
            if let Some(last) = spans.last_mut().filter(|it| !it.content.ends_with('…')) {
                let marked = format!("{}…", last.content);
                last.content = fit(&marked, width(&last.content)).into_owned().into();
            }
            break;
        }
        let text = cut(&span.content, left).into_owned();
        left -= width(&text).min(left);
        spans.push(Span::styled(text, style.patch(span.style)));
    }
    Line::from(spans)
}

/// The width of each column in `total`, from those where all have room; 0 for a hidden one.
fn widths(columns: &[Layout], natural: Vec<u16>, total: u16) -> Vec<u16> {
    let mut widths = natural;
    // What the others leave for one column, itself with its gap.
    let left = |widths: &[u16], at: usize| {
        let others = widths.iter().enumerate();
        let others = others.filter(|(other, width)| *other != at && **width > 0);
        let used = others.fold(0, |sum: u16, (_, width)| sum.saturating_add(width + GAP));
        total.saturating_sub(used)
    };
    if let Some(at) = columns.iter().position(|it| it.shrinks.is_some()) {
        let wanted = widths[at];
        let rest = columns[at].shrinks.filter(|rest| *rest > 0);
        let rest = rest.map_or(0, |rest| rest + GAP);
        let room = |widths: &[u16]| left(widths, at).saturating_sub(rest);
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_by_key(|it| std::cmp::Reverse(columns[*it].gives_way.0));
        for it in order {
            let (below, to) = columns[it].gives_way;
            if room(&widths) < wanted.min(below) {
                widths[it] = widths[it].min(to);
            }
        }
        widths[at] = wanted.min(room(&widths).max(SHRUNK_MIN));
    }
    for (at, column) in columns.iter().enumerate() {
        if let Width::Rest(least, most) = column.width
            && column.set.is_none()
            && column.is_shown
            && total >= column.from
        {
            let room = left(&widths, at);
            widths[at] = if room < least { 0 } else { room.min(most) };
        }
    }
    // The operator's widths were chosen on a wider screen, or with other columns.
    for at in (0..columns.len()).filter(|at| columns[*at].set.is_some()) {
        widths[at] = widths[at].min(left(&widths, at));
    }
    // Where nothing more gives way, the last ones are cut.
    let mut room = total;
    for width in widths.iter_mut().filter(|width| **width > 0) {
        *width = (*width).min(room);
        room = room.saturating_sub(*width + GAP);
    }
    widths
}

/// The rows on the screen, their columns fitted to the area of the list.
///
/// It decides the widths itself, since what gives way depends on another column's content, and cuts the cells itself:
/// ratatui's `Table` neither escapes control characters nor marks a cut with `…`.
///
/// ```ignore
/// let columns = vec![
///     Column::new("payment", Width::Fit(16, 40), |it: &Watched, _| it.id().into()).id().shrinks(0),
///     Column::new("amount", Width::Fit(6, 20), |it, _| it.amount().into()).right(),
/// ];
/// Grid::new(columns, &rows, self.list, area).draw(ctx, ctx.focused, buf);
/// ```
pub struct Grid {
    /// The columns on the screen.
    heads: Vec<Head>,
    /// The rows on the screen.
    rows: Vec<Row<'static>>,
    pager: Pager,
}

struct Head {
    title: &'static str,
    width: u16,
    alignment: Alignment,
    is_picked: bool,
    arrow: Option<&'static str>,
}

impl Grid {
    /// All rows of a list, of which those around the selected one are drawn.
    pub fn new<T>(columns: Vec<Column<'_, T>>, rows: &[&T], list: List, area: Rect) -> Self {
        let pager = Pager::list(area, list, rows.len());
        let columns = columns
            .into_iter()
            .map(|column| (column.layout, column.cell));
        let (layouts, cells): (Vec<_>, Vec<_>) = columns.unzip();
        let cell = |row: usize, at: usize, room| cells[at](rows[row], room);
        Self::fitted(&layouts, &cell, pager)
    }

    /// Not generic, so that it is compiled once for all lists.
    fn fitted<'r>(
        columns: &[Layout],
        cell: &dyn Fn(usize, usize, u16) -> Line<'r>,
        pager: Pager,
    ) -> Self {
        let (rows, total) = (pager.shown(), pager.area().width);
        let measured = || (0..pager.len().min(MEASURED_MAX)).chain(pager.shown());
        let natural = columns.iter().enumerate().map(|(at, column)| {
            let widths = |most| measured().map(move |row| cell(row, at, most).width());
            column.natural(total, |most| widths(most).max().unwrap_or(0))
        });
        let widths = widths(columns, natural.collect(), total);
        let shown = || {
            let all = columns.iter().zip(&widths).enumerate();
            all.filter(|(_, (_, width))| **width > 0)
        };
        let row = |row| {
            let cells =
                shown().map(|(at, (column, width))| column.cut(cell(row, at, *width), *width));
            Row::new(cells.collect::<Vec<_>>())
        };
        let head = |(_, (column, width)): (_, (&Layout, &u16))| Head {
            title: column.title,
            width: *width,
            alignment: column.alignment,
            is_picked: column.is_picked,
            arrow: column.arrow,
        };
        Self {
            heads: shown().map(head).collect(),
            rows: rows.map(row).collect(),
            pager,
        }
    }

    /// The width of the column with this title, if it is shown.
    pub fn width_of(&self, title: &str) -> Option<u16> {
        let mut heads = self.heads.iter();
        Some(heads.find(|head| head.title == title)?.width)
    }

    fn table(heads: &[Head], rows: Vec<Row<'static>>) -> Table<'static> {
        let widths = heads.iter().map(|head| Constraint::Length(head.width));
        Table::new(rows, widths).column_spacing(GAP)
    }

    /// Draws the titles in a line of their own.
    pub fn draw_head(&self, ctx: ViewContext<'_>, line: Rect, buf: &mut Buffer) {
        let titles = self.heads.iter().map(|head| {
            let title = fit(head.title, head.width);
            let style = if head.is_picked {
                ctx.theme.bold(Tone::Accent)
            } else {
                ctx.theme.style(Tone::Dim)
            };
            Line::styled(title, style).alignment(head.alignment)
        });
        let titles = Row::new(titles.collect::<Vec<_>>());
        Widget::render(Self::table(&self.heads, vec![titles]), line, buf);
        let mut left = line.x;
        for head in &self.heads {
            let title = head.title;
            let area = Rect {
                x: left,
                width: head.width,
                ..line
            };
            // In the gap between two columns where the title fills its own.
            let used = width(title).min(head.width);
            let x = match head.alignment {
                Alignment::Right => (area.right() - used).saturating_sub(1),
                _ => area.x + used,
            };
            if let (Some(arrow), Some(cell)) = (head.arrow, buf.cell_mut((x, line.y))) {
                cell.set_symbol(arrow)
                    .set_style(ctx.theme.bold(Tone::Accent));
            }
            if !title.is_empty() {
                ctx.note(area, Hit::Heading(title));
                let edge = Rect {
                    x: area.right(),
                    width: GAP,
                    ..line
                };
                let column = title;
                ctx.note(edge, Hit::Edge { column, left });
            }
            left = area.right() + GAP;
        }
    }

    /// Draws the rows of a pane's list, which can be clicked. The selected one stands out if `marks`.
    pub fn draw(self, ctx: ViewContext<'_>, marks: bool, buf: &mut Buffer) {
        ctx.note_rows(self.pager.area(), self.pager.shown());
        self.pager.draw_bar(ctx, buf);
        let titled = self.heads.iter().filter(|head| !head.title.is_empty());
        ctx.note_columns(titled.map(|head| Shown {
            title: head.title,
            width: head.width,
        }));
        self.paint(marks.then(|| ctx.theme.selected(ctx.focused)), buf);
    }

    /// Draws the rows; the selected one stands out by its style, if there is one.
    pub fn paint(self, selected: Option<Style>, buf: &mut Buffer) {
        let at = self.pager.selected();
        let mut rows = self.rows;
        // Beneath the cells, whose own colours must stay readable.
        if let Some(style) = selected
            && let Some(row) = at.and_then(|at| rows.get_mut(at))
        {
            *row = std::mem::take(row).style(style);
        }
        Widget::render(Self::table(&self.heads, rows), self.pager.area(), buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing::{sandbox_setup, second, sized};

    fn columns<'a>() -> Vec<Column<'a, (String, String)>> {
        vec![
            Column::new("id", Width::Fit(4, 40), |it: &(String, String), _| {
                it.0.as_str().into()
            })
            .id()
            .shrinks(5),
            Column::new("sum", Width::Exact(4), |it: &(String, String), _| {
                it.1.as_str().into()
            })
            .right()
            .gives_way(10, 0),
            Column::new("note", Width::Rest(3, 8), |_, _| "\u{1b}[2J".into()),
        ]
    }

    fn drawn(total: u16) -> Vec<String> {
        let area = Rect::new(0, 0, total, 2);
        let mut buf = Buffer::empty(area);
        let rows = [("ORDER-1040".to_owned(), "2.5".to_owned())];
        let list = Rect::new(0, 1, total, 1);
        let grid = Grid::new(
            columns(),
            &rows.iter().collect::<Vec<_>>(),
            List::default(),
            list,
        );
        let model = sized(sandbox_setup(), 80, 24);
        let ctx = model.ctx(second(0), true);
        grid.draw_head(ctx, Rect::new(0, 0, total, 1), &mut buf);
        grid.draw(ctx, true, &mut buf);
        let line = |y| {
            let cells = (0..total).map(|x| buf[(x, y)].symbol());
            cells.collect::<String>().trim_end().to_owned()
        };
        vec![line(0), line(1)]
    }

    #[test]
    fn a_cell_has_the_style_of_its_line_and_that_of_each_span() {
        use ratatui::style::Color;
        let [good, bad] = [Color::Green, Color::Red].map(|color| Style::new().fg(color));
        let cell = Line::from(vec!["a".into(), Span::styled("b", bad)]).style(good);
        let cut = fit_line(cell, 5);
        let colors = cut.spans.iter().map(|span| span.style.fg);
        assert!(colors.eq([good.fg, bad.fg]));
    }

    #[test]
    fn a_cut_is_shown_also_at_the_end_of_a_span() {
        for (spans, room, shown) in [
            (["abc", "def"], 6, "abcdef"),
            (["abc", "def"], 5, "abcd…"),
            (["abc", "def"], 3, "ab…"),
            (["abc", "  "], 3, "abc"),
            (["abc", "def"], 2, "a…"),
            (["漢字", "d"], 4, "漢…"),
        ] {
            let line = Line::from(spans.map(Span::raw).to_vec());
            assert_eq!(fit_line(line, room).to_string(), shown, "{spans:?} {room}");
        }
    }

    #[test]
    fn columns_stay_where_they_are_while_the_list_scrolls() {
        let rows = ["A", "ORDER-1040", "B"].map(|id| (id.to_owned(), "2.5".to_owned()));
        for selected in 0..rows.len() {
            let mut list = List::default();
            list.selected = selected;
            list.fit(rows.len(), 1);
            let grid = Grid::new(
                columns(),
                &rows.iter().collect::<Vec<_>>(),
                list,
                Rect::new(0, 1, 30, 1),
            );
            assert_eq!(grid.width_of("id"), Some(10), "{selected}");
        }
    }

    #[test]
    fn columns_give_way_then_shrink_and_the_rest_fills_the_row() {
        for (total, head, row) in [
            (30, "id          sum note", "ORDER-1040  2.5 \\u{1b}[…"),
            (21, "id          sum note", "ORDER-1040  2.5 \\u{1…"),
            (16, "id         note", "ORDER-1040 \\u{1…"),
            (14, "id       note", "ORD…1040 \\u{1…"),
            (9, "id", "OR…040"),
        ] {
            let drawn = drawn(total);
            assert_eq!(drawn, [head, row], "{total}");
        }
    }
}
