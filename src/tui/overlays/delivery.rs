//! The details of one callback: its verdict, its jobs, and the received request. The request arrives redacted; control
//! characters are made inert when it is drawn.

use std::sync::Arc;

use super::{follow_ups, questions, replay};
use crate::domain::{
    AccountId, CallbackVerdict, Delivery, Job, JobKind, ListenerStatus, Problem, Received,
    RequestId, Secret, Subject, curl, inert,
};
use crate::tui::deliveries;
use crate::tui::prelude::*;
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::searched::SearchedText;
use crate::tui::widgets::sheet::{Kind, add_body, add_headers, text_area, window_size};

keys! {
    Action:
    DELIVERY "Callback" keys [NAV, DETAILS, READER, OVERLAY] else "this callback has nothing for it" {
        DeliveryTimeline "delivery-timeline" ["enter" "t"] "timeline" "show the payment's timeline";
        FollowDelivery "follow-delivery" ["c"] "next call" "list the calls for this callback" else "no documented call takes its ids";
        ReplayDelivery "replay-delivery" ["r"] "replay" "replay, after confirmation";
        RetryDelivery "retry-delivery" ["R"] "retry" "retry failed checks and forwards";
        CopyDelivery "copy-delivery" ["y"] "copy as curl" "copy as curl, without secrets";
        CopyDeliveryBody "copy-delivery-body" ["b"] "copy body" "copy the body, without secrets" else "there is no body";
    }
}

/// The received request with the shop's responses, which the ledger loads on demand; `None` until it did so once.
type Loaded = Option<Result<Received, Problem>>;

#[derive(Debug, Clone)]
pub struct State {
    delivery: Arc<Delivery>,
    bytes: Loaded,
    /// The latest load.
    asked: RequestId,
    text: SearchedText,
}

impl State {
    /// Opens the callback, and loads the received bytes.
    pub fn open(delivery: Arc<Delivery>, ctx: &mut UpdateContext<'_>) {
        let asked = load(&delivery, ctx);
        let text = SearchedText::new(lines(&delivery, &None, ctx.view()));
        ctx.open(Self {
            delivery,
            bytes: None,
            asked,
            text,
        });
    }

    fn lay_out(&mut self, ctx: &UpdateContext<'_>) {
        let lines = lines(&self.delivery, &self.bytes, ctx.view());
        self.text.replace(lines);
    }

    fn received(&self, ctx: &mut UpdateContext<'_>) -> Option<&Received> {
        match &self.bytes {
            Some(Ok(received)) => return Some(received),
            None => {
                let text = "still loading the callback; try again in a moment";
                ctx.flash(Level::Info, text);
            }
            Some(Err(problem)) => ctx.flash(Level::Error, problem.describe()),
        }
        None
    }

    /// The callback as a curl command, to the address where this console listens.
    fn curl(&self, received: &Received, ctx: &UpdateContext<'_>) -> String {
        let base = match &ctx.store.listening {
            ListenerStatus::Up { url, .. } | ListenerStatus::Elsewhere { url } => url.as_str(),
            ListenerStatus::Off | ListenerStatus::Down { .. } => "http://127.0.0.1:8787",
        };
        curl::command(&self.delivery.as_exchange(received, base))
    }
}

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        if self.text.search.is_typed() {
            &FILTER
        } else {
            &DELIVERY
        }
    }

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        match action {
            Action::DeliveryTimeline => ctx.store.is_ready() && self.delivery.subject.is_some(),
            Action::ReplayDelivery => ctx.store.is_ready(),
            Action::FollowDelivery => can_follow(&self.delivery, ctx.store),
            Action::RetryDelivery => ctx.store.is_ready() && can_retry(&self.delivery),
            Action::CopyDelivery => true,
            Action::CopyDeliveryBody => match &self.bytes {
                Some(Ok(received)) => !received.body.text.is_empty(),
                None | Some(Err(_)) => true,
            },
        }
    }

    fn why_not(&self, action: Action, _ctx: ViewContext<'_>) -> Option<&'static str> {
        let follows = action == Action::FollowDelivery;
        follows.then(|| why_not_follow(&self.delivery)).flatten()
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::DeliveryTimeline => {
                if !open_subject(&self.delivery, ctx) {
                    ctx.flash(Level::Info, "this callback names no payment");
                }
            }
            Action::FollowDelivery => {
                if can_follow(&self.delivery, ctx.store)
                    && let Some(received) = self.received(ctx)
                    && let Ok(account) = AccountId::new(self.delivery.account.as_str())
                {
                    follow_ups::State::open(account, received.ids.clone(), ctx);
                }
            }
            Action::ReplayDelivery => replay::open(&self.delivery, ctx),
            Action::RetryDelivery => retry(&self.delivery, ctx),
            Action::CopyDelivery => {
                if let Some(received) = self.received(ctx) {
                    let text = Secret::new(self.curl(received, ctx));
                    ctx.copy(text, "the callback as a curl command, secrets replaced");
                }
            }
            Action::CopyDeliveryBody => {
                if let Some(Received { body, .. }) = self.received(ctx)
                    && !body.text.is_empty()
                {
                    ctx.copy_body(body.readable(), body.cut);
                }
            }
        }
    }

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        let subject = self.delivery.subject.as_ref().map(ToString::to_string);
        let subject = subject.iter().flat_map(|it| ["--about", it]);
        let arguments = [
            "log",
            "--deliveries",
            "--account",
            self.delivery.account.as_str(),
        ];
        Some(ctx.own_command(arguments.into_iter().chain(subject)))
    }

    fn filter(&mut self) -> Option<&mut Filter> {
        Some(&mut self.text.search)
    }

    fn next_match(&mut self, forward: bool) {
        self.text.next_match(forward);
    }

    fn open_beside(&mut self, below: bool, ctx: &mut UpdateContext<'_>) {
        ctx.intend(Intent::CallbackBeside(self.delivery.clone(), below));
    }

    fn step(&mut self, step: Step, _ctx: &mut UpdateContext<'_>) {
        self.text.step(step);
    }

    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        self.text.fit(text_area(ctx.area));
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        match event {
            Event::Message(Msg::Delivery(newer), _) if newer.id == self.delivery.id => {
                let attempt = |job: &Job| (job.id, job.tried_at);
                let attempts = newer.jobs.iter().map(attempt);
                // The shop's response is another one.
                if !attempts.eq(self.delivery.jobs.iter().map(attempt)) {
                    self.asked = load(newer, ctx);
                }
                self.delivery = newer.clone();
            }
            Event::Message(Msg::Received(request, result), _) if self.asked == *request => {
                // What is on screen is worth more than the error of a repeated load.
                if result.is_ok() || !matches!(self.bytes, Some(Ok(_))) {
                    self.bytes = Some(result.clone());
                }
            }
            // Its countdowns change.
            Event::Message(Msg::Woke, _) => {}
            Event::Message(..) | Event::Cancelled { .. } | Event::Reopened => return,
        }
        self.lay_out(ctx);
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let live = ctx.store.is_live_account(&self.delivery.account);
        let subject = deliveries::subject(&self.delivery);
        let title = match subject.as_str() {
            "" => format!("Callback to {}", self.delivery.account),
            subject => {
                let room = screen.width.saturating_sub(50).max(8);
                let subject = fit_middle(subject, room);
                format!("Callback to {} about {subject}", self.delivery.account)
            }
        };
        let inner = Window {
            title: &title,
            size: window_size(screen),
            live,
        }
        .draw(ctx.theme, screen, buf);
        // The text is laid out already: this notes when it changes.
        for job in &self.delivery.jobs {
            deliveries::state(job, &self.delivery.account, ctx);
        }
        self.text.draw(inner, ctx.theme, buf)
    }
}

fn load(delivery: &Delivery, ctx: &mut UpdateContext<'_>) -> RequestId {
    let request = ctx.store.number();
    ctx.out.push(Effect::OpenDelivery(request, delivery.id));
    request
}

fn lines(delivery: &Delivery, bytes: &Loaded, ctx: ViewContext<'_>) -> Vec<(Kind, String)> {
    let zone = &ctx.store.zone;
    let mut out = vec![
        (Kind::Text, deliveries::meaning(delivery)),
        (Kind::Note, deliveries::arrival(delivery, ctx)),
        (Kind::Note, String::new()),
        (Kind::Heading, "Result".into()),
    ];
    if delivery.jobs.is_empty() {
        let word = if delivery.verdict == CallbackVerdict::Accepted {
            "saved; nothing to do"
        } else {
            "saved; tilldeck did nothing"
        };
        out.push((Kind::Note, word.into()));
    }
    for job in &delivery.jobs {
        let (words, _) = deliveries::state(job, &delivery.account, ctx);
        let words =
            inert::line(&words).into_owned() + &inert::line(&deliveries::target_and_attempts(job));
        out.push((Kind::Text, words));
        if let Some(at) = job.tried_at {
            let at = format!("  last attempt {}", at.date_and_clock(zone));
            out.push((Kind::Note, at));
        }
        let reply = match bytes {
            Some(Ok(received)) => received.replies.iter().find(|(id, _)| *id == job.id),
            None | Some(Err(_)) => None,
        };
        if let Some((_, body)) = reply {
            out.push((Kind::Note, "  response of the shop's server:".into()));
            add_body(&mut out, body);
        }
    }
    out.push((Kind::Note, String::new()));
    out.push((Kind::Heading, "Received request".into()));
    match bytes {
        None => out.push((Kind::Note, "loading…".into())),
        Some(Err(problem)) => out.push((Kind::Text, problem.describe())),
        Some(Ok(received)) => {
            let line = format!("{} {}", delivery.method, received.target);
            out.push((Kind::Text, inert::line(&line).into_owned()));
            add_headers(&mut out, &received.headers);
            add_body(&mut out, &received.body);
        }
    }
    out
}

/// Whether to offer the calls that take the callback's ids: those of a rejected one are a stranger's.
pub fn can_follow(delivery: &Delivery, store: &Store) -> bool {
    why_not_follow(delivery).is_none() && store.has_follow_ups(&delivery.account)
}

/// Why no call takes its ids, whatever the provider documents.
pub fn why_not_follow(delivery: &Delivery) -> Option<&'static str> {
    (delivery.verdict == CallbackVerdict::Refused).then_some("the callback was rejected")
}

/// Whether a callback has a failed job that the operator may start again.
pub fn can_retry(delivery: &Arc<Delivery>) -> bool {
    delivery.retryable().any(Job::has_failed)
}

/// Starts the failed jobs of a callback again. Asks first where a live account's shop would get the callback.
pub fn retry(delivery: &Arc<Delivery>, ctx: &mut UpdateContext<'_>) {
    if !can_retry(delivery) {
        ctx.flash(Level::Info, "no failed check or forward");
        return;
    }
    let retry = Effect::Retry(ctx.store.number(), delivery.id);
    let forwards = delivery.retryable().any(|job| job.kind == JobKind::Forward);
    if forwards && ctx.store.is_live_account(&delivery.account) {
        ctx.open(questions::retry(delivery, retry));
    } else {
        ctx.out.push(retry);
    }
}

/// Opens the timeline of a callback's payment, or shows its player; returns whether it has one here.
pub fn open_subject(delivery: &Delivery, ctx: &mut UpdateContext<'_>) -> bool {
    let Ok(account) = AccountId::new(delivery.account.as_str()) else {
        return false;
    };
    match &delivery.subject {
        Some(Subject::Payment(id)) => {
            ctx.open_timeline(account, id.clone());
        }
        Some(Subject::Player(id)) if ctx.store.known(&account).is_some() => {
            ctx.intend(Intent::ShowPlayer(account, *id));
        }
        Some(Subject::Player(_)) | None => return false,
    }
    true
}
