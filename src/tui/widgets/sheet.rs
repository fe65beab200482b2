//! A text of headings, headers and bodies, wrapped for its window, with a scroll position.

use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use super::boxes::inside;
use super::json;
use super::list::Step;
use super::pager::Pager;
use super::text::{Pen, size, wrap_indented};
use crate::domain::{Body, inert};
use crate::tui::component::ViewContext;
use crate::tui::theme::Tone;

/// Lines of one body that are laid out; of more, a line says that copying gives the whole.
const LINES_MAX: usize = 5_000;
const WIDEST: u16 = 110;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Heading,
    /// A header; its name takes this many bytes.
    Header(usize),
    Text,
    Note,
}

/// The lines, and the scroll position.
#[derive(Debug, Clone)]
pub struct Sheet {
    lines: Vec<(Kind, String)>,
    /// The lines wrapped to this width.
    wrapped: (u16, Vec<(Kind, String)>),
    scroll: usize,
}

impl Sheet {
    /// The lines, which [`Sheet::fit`] wraps.
    pub fn new(lines: Vec<(Kind, String)>) -> Self {
        Self {
            lines,
            wrapped: (0, Vec::new()),
            scroll: 0,
        }
    }

    /// Replaces the lines; the scroll position stays.
    pub fn replace(&mut self, lines: Vec<(Kind, String)>) {
        self.wrapped = (0, Vec::new());
        self.lines = lines;
    }

    /// Wraps the lines for a screen.
    pub fn fit(&mut self, screen: Rect) {
        let columns = inside(screen, window_size(screen)).width;
        if self.wrapped.0 != columns {
            self.wrapped = (columns, wrapped(&self.lines, columns));
        }
    }

    pub fn step(&mut self, step: Step, screen: Rect) {
        let height = inside(screen, window_size(screen)).height;
        self.scroll = step.scroll(self.scroll, self.wrapped.1.len(), height);
    }

    /// Draws it inside a window of [`window_size`].
    pub fn view(&self, ctx: ViewContext<'_>, inner: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        let rewrapped;
        let rows = if self.wrapped.0 == inner.width {
            &self.wrapped.1
        } else {
            rewrapped = wrapped(&self.lines, inner.width);
            &rewrapped
        };
        let pager = Pager::text(inner, self.scroll, rows.len());
        pager.draw(ctx, buf, |at, line, buf| {
            let (kind, text) = &rows[at];
            let mut pen = Pen::new(buf, line, 0);
            match kind {
                Kind::Heading => pen.text(text, theme.bold(Tone::Accent)),
                Kind::Header(name) => {
                    let (name, value) = text.split_at_checked(*name).unwrap_or((text, ""));
                    pen.text(name, theme.style(Tone::Dim))
                        .text(value, theme.style(Tone::Plain))
                }
                Kind::Text => pen.text(text, theme.style(Tone::Plain)),
                Kind::Note => pen.text(text, theme.style(Tone::Dim)),
            };
        });
        pager.draw_place(theme, buf);
    }
}

pub fn window_size(screen: Rect) -> Size {
    Size::new(WIDEST, screen.height.saturating_sub(1))
}

pub fn add_headers(out: &mut Vec<(Kind, String)>, headers: &[(String, String)]) {
    for (name, value) in headers {
        let name = format!("{}: ", inert::line(name));
        let kind = Kind::Header(name.len());
        out.push((kind, name + &inert::line(value)));
    }
}

pub fn add_body(out: &mut Vec<(Kind, String)>, body: &Body) {
    if body.bytes == 0 && body.text.is_empty() {
        out.push((Kind::Note, "no body".into()));
        return;
    }
    let readable = body.readable();
    let pretty = json::indented(&readable);
    let form = match (&pretty, body.cut) {
        (_, true) => format!(
            "body, {}; only the first {} are stored",
            size(body.bytes),
            size(u64::try_from(body.raw().len()).unwrap_or(u64::MAX))
        ),
        (Some(_), false) => format!("body, {}, JSON indented", size(body.bytes)),
        (None, false) => format!("body, {}", size(body.bytes)),
    };
    out.push((Kind::Note, form));
    let text = pretty.as_deref().unwrap_or(&readable);
    let text = inert::block(text);
    let mut all = text.lines();
    // All lines are wrapped at once, and a body may have a hundred thousand.
    for line in all.by_ref().take(LINES_MAX) {
        out.push((Kind::Text, line.replace('\t', "    ")));
    }
    if all.next().is_some() {
        out.push((
            Kind::Note,
            "more lines follow; copy the body to read them all".into(),
        ));
    }
}

fn wrapped(lines: &[(Kind, String)], columns: u16) -> Vec<(Kind, String)> {
    let mut rows = Vec::with_capacity(lines.len());
    for (kind, line) in lines {
        let parts = wrap_indented(line, columns).into_iter().enumerate();
        rows.extend(parts.map(|(at, part)| match kind {
            // Its name is in the first row.
            Kind::Header(_) if at > 0 => (Kind::Text, part),
            kind => (*kind, part),
        }));
    }
    rows
}
