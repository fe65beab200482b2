//! The details of one request and its response. They arrive redacted; control characters are made inert when they are
//! drawn.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Overlay;
use crate::domain::{Environment, Exchange, Outcome};
use crate::tui::panes::ViewContext;
use crate::tui::panes::request_rows::outcome;
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::list::Step;
use crate::tui::widgets::sheet::{Kind, Sheet, WIDEST, add_body, add_headers};

/// The exchange and its text.
#[derive(Debug, Clone)]
pub struct State {
    pub exchange: Arc<Exchange>,
    sheet: Sheet,
    /// The window to return to.
    pub under: Box<Overlay>,
}

impl State {
    pub fn new(exchange: Arc<Exchange>, under: Overlay, zone: &TimeZone, screen: Rect) -> Self {
        let sheet = Sheet::new(lines(&exchange, zone), screen);
        Self {
            exchange,
            sheet,
            under: Box::new(under),
        }
    }

    pub fn resized(&mut self, screen: Rect) {
        self.sheet.resized(screen);
    }

    pub fn step(&mut self, step: Step, screen: Rect) {
        self.sheet.step(step, screen);
    }

    /// The response body, or the request body if there is none.
    pub fn body(&self) -> Cow<'_, str> {
        match self.exchange.response_body.readable() {
            response if response.is_empty() => self.exchange.request_body.readable(),
            response => response,
        }
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) {
        let live = ctx
            .store
            .known(&self.exchange.account)
            .is_some_and(|known| known.account.environment.is_live());
        let inner = window(
            buf,
            screen,
            ctx.theme,
            &format!("{} {}", self.exchange.method, self.exchange.path()),
            (screen.width.min(WIDEST), screen.height.saturating_sub(2)),
            live,
        );
        self.sheet.view(ctx.theme, inner, buf);
    }
}

fn lines(exchange: &Exchange, zone: &TimeZone) -> Vec<(Kind, String)> {
    let mut out = Vec::new();
    let mut note = |text: String| out.push((Kind::Note, text));
    let (_, word, _) = outcome(exchange);
    let status = match exchange.outcome {
        Outcome::Status(_) => format!("status {word}"),
        Outcome::Failed(_) => word,
    };
    let head = exchange
        .to_head
        .map(|head| format!(", first byte after {} ms", head.as_millis()))
        .unwrap_or_default();
    note(format!(
        "{status} · {} ms{head} · attempt {}",
        exchange.took.as_millis(),
        exchange.attempt
    ));
    note(format!(
        "account {} · {} {} · {}",
        exchange.account,
        exchange.provider,
        if exchange.environment == Environment::Embedded.as_str() {
            "built-in simulator"
        } else {
            &exchange.environment
        },
        exchange.at.date_and_clock(zone)
    ));
    note(String::new());
    out.push((Kind::Heading, "Request".into()));
    out.push((Kind::Text, format!("{} {}", exchange.method, exchange.url)));
    add_headers(&mut out, &exchange.request_headers);
    add_body(&mut out, &exchange.request_body);
    out.push((Kind::Note, String::new()));
    out.push((Kind::Heading, "Response".into()));
    add_headers(&mut out, &exchange.response_headers);
    add_body(&mut out, &exchange.response_body);
    out
}
