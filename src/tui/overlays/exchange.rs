//! The details of one request and its response. They arrive redacted; control characters are made inert when they are
//! drawn.

use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::domain::{Body, Environment, Exchange, Outcome, Secret, curl};
use crate::tui::prelude::*;
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::searched::SearchedText;
use crate::tui::widgets::sheet::{Kind, add_body, add_headers, text_area, window_size};

keys! {
    Action:
    EXCHANGE "Request" keys [NAV, DETAILS, READER, OVERLAY] {
        ExchangeTimeline "exchange-timeline" ["enter" "t"] "timeline" "show the payment's timeline";
        CopyCurl "copy-curl" ["Y" "y"] "copy as curl" "copy as curl, without secrets";
        CopyBody "copy-body" ["b"] "copy body" "copy the response (or request) body" else "there is no body";
    }
}

#[derive(Debug, Clone)]
pub struct State {
    exchange: Arc<Exchange>,
    text: SearchedText,
}

impl State {
    pub fn open(exchange: Arc<Exchange>, ctx: &mut UpdateContext<'_>) {
        let text = SearchedText::new(lines(&exchange, &ctx.store.zone));
        ctx.open(Self { exchange, text });
    }

    /// The response body, or the request body if there is none.
    fn body(&self) -> Option<&Body> {
        let bodies = [&self.exchange.response_body, &self.exchange.request_body];
        bodies.into_iter().find(|body| !body.text.is_empty())
    }
}

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        if self.text.search.is_typed() {
            &FILTER
        } else {
            &EXCHANGE
        }
    }

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        match action {
            Action::ExchangeTimeline => {
                ctx.store.is_ready() && ctx.store.payment_of(&self.exchange).is_some()
            }
            Action::CopyCurl => true,
            Action::CopyBody => self.body().is_some(),
        }
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::ExchangeTimeline => open_timeline(&self.exchange, ctx),
            Action::CopyCurl => {
                let text = Secret::new(curl::command(&self.exchange));
                ctx.copy(text, "the request as a curl command");
            }
            Action::CopyBody => {
                if let Some(body) = self.body() {
                    ctx.copy_body(body.readable(), body.cut);
                }
            }
        }
    }

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        let about = self.exchange.about.as_str();
        let subject = if about.is_empty() {
            ["--grep", self.exchange.path()]
        } else {
            ["--about", about]
        };
        let arguments = ["log", "--account", self.exchange.account.as_str()];
        Some(ctx.own_command(arguments.into_iter().chain(subject)))
    }

    fn filter(&mut self) -> Option<&mut Filter> {
        Some(&mut self.text.search)
    }

    fn next_match(&mut self, forward: bool) {
        self.text.next_match(forward);
    }

    fn open_beside(&mut self, below: bool, ctx: &mut UpdateContext<'_>) {
        ctx.intend(Intent::RequestBeside(self.exchange.clone(), below));
    }

    fn step(&mut self, step: Step, _ctx: &mut UpdateContext<'_>) {
        self.text.step(step);
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        self.text.fit(text_area(ctx.area));
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let live = ctx.store.is_live_account(self.exchange.account.as_str());
        let inner = Window {
            title: &format!("{} {}", self.exchange.method, self.exchange.path()),
            size: window_size(screen),
            live,
        }
        .draw(ctx.theme, screen, buf);
        self.text.draw(inner, ctx.theme, buf)
    }
}

fn lines(exchange: &Exchange, zone: &TimeZone) -> Vec<(Kind, String)> {
    let mut out = Vec::new();
    let mut note = |text: String| out.push((Kind::Note, text));
    let status = match &exchange.outcome {
        Outcome::Failed(why) => why.clone(),
        outcome => format!("status {outcome}"),
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
    let environment = match exchange.environment.as_str() {
        it if it == Environment::Embedded.as_str() => "built-in simulator",
        it => it,
    };
    // Recordings of other programs name no provider.
    let provider = format!("{} {environment}", exchange.provider);
    let provider = match provider.trim() {
        "" => String::new(),
        provider => format!(" · {provider}"),
    };
    note(format!(
        "account {}{provider} · {}",
        exchange.account,
        exchange.at.date_and_clock(zone)
    ));
    if !exchange.operator.is_empty() {
        note(format!("sent by {}", exchange.operator));
    }
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

pub fn open_timeline(exchange: &Exchange, ctx: &mut UpdateContext<'_>) {
    match ctx.store.payment_of(exchange) {
        Some(payment) => {
            let account = exchange.account.clone();
            ctx.open_timeline(account, payment);
        }
        None => ctx.flash(Level::Info, "this request names no known payment"),
    }
}

/// Glyph and tone of an outcome.
pub fn mark(outcome: &Outcome) -> (&'static str, Tone) {
    match outcome {
        Outcome::Status(0..300) => ("✔", Tone::Good),
        Outcome::Status(300..400) => ("→", Tone::Warn),
        // A warning only: the request is retried once the rate limit allows.
        Outcome::Status(429) => ("!", Tone::Warn),
        Outcome::Status(_) | Outcome::Refused(..) | Outcome::Failed(_) => ("✘", Tone::Bad),
    }
}
