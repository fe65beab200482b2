//! The lines of a request or a response: headings, headers and bodies.

use ratatui::layout::{Rect, Size};

use super::boxes::inside;
use super::json;
use super::text::size;
use crate::domain::{Body, inert};

/// Lines of one body that are laid out; of more, a line says that copying gives the whole.
const LINES_MAX: usize = 5_000;
const WIDEST: u16 = 110;

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Heading,
    /// A header; its name takes this many bytes.
    Header(usize),
    Text,
    Note,
    Json,
}

pub fn window_size(screen: Rect) -> Size {
    Size::new(WIDEST, screen.height.saturating_sub(1))
}

/// The area of the text in a window of [`window_size`].
pub fn text_area(screen: Rect) -> Rect {
    inside(screen, window_size(screen))
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
