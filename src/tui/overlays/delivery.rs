//! The details of one callback: its verdict, its jobs, and the received request. The request arrives redacted; control
//! characters are made inert when it is drawn.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Overlay;
use crate::domain::{AccountId, Delivery, Problem, Received, RequestId, inert};
use crate::tui::panes::ViewContext;
use crate::tui::panes::callbacks::words;
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::list::Step;
use crate::tui::widgets::sheet::{Kind, Sheet, WIDEST, add_body, add_headers};
use crate::tui::widgets::text::fit_middle;

/// The received request, which the ledger loads on demand.
#[derive(Debug, Clone, PartialEq)]
enum Bytes {
    Asked(RequestId),
    Read(Received),
    Failed(Problem),
}

/// The callback and its text.
#[derive(Debug, Clone)]
pub struct State {
    pub delivery: Arc<Delivery>,
    bytes: Bytes,
    sheet: Sheet,
    /// The window to return to.
    pub under: Box<Overlay>,
}

impl State {
    /// `request` is the number of the request that loads the bytes.
    pub fn new(
        delivery: Arc<Delivery>,
        request: RequestId,
        under: Overlay,
        ctx: ViewContext<'_>,
        screen: Rect,
    ) -> Self {
        let bytes = Bytes::Asked(request);
        let sheet = Sheet::new(lines(&delivery, &bytes, ctx), screen);
        Self {
            delivery,
            bytes,
            sheet,
            under: Box::new(under),
        }
    }

    /// Replaces the callback by its newer version.
    pub fn apply(&mut self, delivery: Arc<Delivery>, ctx: ViewContext<'_>) {
        self.delivery = delivery;
        self.lay_out(ctx);
    }

    /// Shows the loaded bytes, if they belong to the current request.
    pub fn received(
        &mut self,
        request: RequestId,
        result: Result<Received, Problem>,
        ctx: ViewContext<'_>,
    ) {
        // Another number belongs to a window that was closed meanwhile.
        if self.bytes == Bytes::Asked(request) {
            self.bytes = match result {
                Ok(received) => Bytes::Read(received),
                Err(problem) => Bytes::Failed(problem),
            };
            self.lay_out(ctx);
        }
    }

    /// Builds the text again, since countdowns in it change.
    pub fn lay_out(&mut self, ctx: ViewContext<'_>) {
        self.sheet.replace(lines(&self.delivery, &self.bytes, ctx));
    }

    pub fn bytes(&self) -> Option<&Received> {
        match &self.bytes {
            Bytes::Read(received) => Some(received),
            Bytes::Asked(_) | Bytes::Failed(_) => None,
        }
    }

    pub fn resized(&mut self, screen: Rect) {
        self.sheet.resized(screen);
    }

    pub fn step(&mut self, step: Step, screen: Rect) {
        self.sheet.step(step, screen);
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) {
        let known = AccountId::new(self.delivery.account.as_str()).ok();
        let live = known
            .and_then(|account| ctx.store.known(&account))
            .is_some_and(|known| known.account.environment.is_live());
        let subject = words::subject(&self.delivery);
        let title = match subject.as_str() {
            "" => format!("Callback to {}", self.delivery.account),
            subject => {
                let room = screen.width.saturating_sub(50).max(8);
                let subject = fit_middle(subject, room);
                format!("Callback to {} about {subject}", self.delivery.account)
            }
        };
        let inner = window(
            buf,
            screen,
            ctx.theme,
            &title,
            (screen.width.min(WIDEST), screen.height.saturating_sub(2)),
            live,
        );
        self.sheet.view(ctx.theme, inner, buf);
    }
}

fn lines(delivery: &Delivery, bytes: &Bytes, ctx: ViewContext<'_>) -> Vec<(Kind, String)> {
    let zone = &ctx.store.zone;
    let mut out = vec![
        (Kind::Text, words::meaning(delivery)),
        (Kind::Note, words::arrival(delivery, ctx)),
        (Kind::Note, String::new()),
        (Kind::Heading, "Result".into()),
    ];
    if delivery.jobs.is_empty() {
        let word = if delivery.verdict == crate::domain::Verdict::Accepted {
            "saved; no action was necessary"
        } else {
            "saved; no action was taken"
        };
        out.push((Kind::Note, word.into()));
    }
    for job in &delivery.jobs {
        let (words, _) = words::state(job, &delivery.account, ctx);
        let words = inert::line(&words).into_owned() + &inert::line(&words::history(job));
        out.push((Kind::Text, words));
        if let Some(at) = job.tried_at {
            let at = format!("  last attempt {}", at.date_and_clock(zone));
            out.push((Kind::Note, at));
        }
        let reply = match bytes {
            Bytes::Read(received) => received.replies.iter().find(|(id, _)| *id == job.id),
            Bytes::Asked(_) | Bytes::Failed(_) => None,
        };
        if let Some((_, body)) = reply {
            out.push((Kind::Note, "  response of the shop's server:".into()));
            add_body(&mut out, body);
        }
    }
    out.push((Kind::Note, String::new()));
    out.push((Kind::Heading, "Received request".into()));
    match bytes {
        Bytes::Asked(_) => out.push((Kind::Note, "loading…".into())),
        Bytes::Failed(problem) => out.push((Kind::Text, problem.describe())),
        Bytes::Read(received) => {
            let line = format!("{} {}", delivery.method, received.target);
            out.push((Kind::Text, inert::line(&line).into_owned()));
            add_headers(&mut out, &received.headers);
            add_body(&mut out, &received.body);
        }
    }
    out
}
