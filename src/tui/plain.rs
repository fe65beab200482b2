//! The console without a screen: the same model, reported as lines of text. For screen readers, logs and scripts; each
//! line says in words what a color or a glyph says on the screen.

mod facts;
mod words;

use std::collections::VecDeque;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::component::ViewContext;
use super::msg::{CONFIG, ConfigNews};
use super::store::{Phase, Store};
use super::theme::badge;
use super::watched::Watched;
use super::{Effect, Model, Msg, deliveries, update};
use crate::domain::raw_path::without_query;
use crate::domain::{
    AccountId, Delivery, DeliveryId, Environment, Exchange, Job, JobId, JobState, Now, Problem,
    Recent, inert, notice_alert,
};
use facts::{Fact, Reported, facts};
use words::without_signs;

/// The most characters of a line: a reader must come to its end.
const LINE_MAX: usize = 600;
/// The requests and jobs that are remembered; of more that fail, an old one may be reported again.
const FAILING_MAX: usize = 2_000;
/// The callbacks that are remembered as reported.
const REPORTED_MAX: usize = 4_000;

/// Which events become lines; the words and their help are those of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Detail {
    /// What changes, fails or needs attention.
    Changes,
    /// Every request, wait and attempt too.
    All,
}

/// A console that reports lines in place of drawing.
#[derive(Debug)]
pub struct Plain {
    pub(super) model: Model,
    detail: Detail,
    started: Now,
    /// The date of the last line, and the offset of its time.
    day: String,
    /// Whether the accounts were listed since the profile was opened.
    is_greeted: bool,
    /// Whether what is watched is not reported yet, because the ledger cannot be read.
    is_unread: bool,
    has_been_ready: bool,
    /// The lines that are not taken yet, without their times.
    lines: Vec<String>,
    facts: Reported,
    /// The requests whose last attempt failed, and how; the last failure comes last.
    failing: VecDeque<(String, String)>,
    /// The callbacks of this run that were reported.
    reported: Recent<DeliveryId, ()>,
    /// The state and the attempts of the jobs that were tried in this run.
    jobs: Recent<JobId, (JobState, u32)>,
}

impl Plain {
    /// Of a console before its first message. Times are in `zone`, which the first line names.
    pub fn new(mut model: Model, detail: Detail, zone: TimeZone, now: Now) -> Self {
        model.store.zone = zone;
        // No countdown changes a line, and no pane is drawn.
        model.options.reduced_motion = true;
        let mut plain = Self {
            day: day(now, &model.store.zone),
            model,
            detail,
            started: now,
            is_greeted: false,
            is_unread: false,
            has_been_ready: false,
            lines: Vec::new(),
            facts: Reported::default(),
            failing: VecDeque::new(),
            reported: Recent::new(REPORTED_MAX),
            jobs: Recent::new(FAILING_MAX),
        };
        plain.lines.push(plain.first_line());
        plain
    }

    /// Applies one message, as [`super::update`], and notes what it reports.
    pub fn update(&mut self, now: Now, msg: Msg) -> Vec<Effect> {
        match &msg {
            Msg::Exchange(exchange) => self.on_exchange(exchange),
            Msg::Delivery(delivery) => self.on_delivery(delivery, now),
            Msg::Waiting(_, Some(waiting)) if self.detail == Detail::All => {
                let what = words::request(&waiting.method, &waiting.path, &waiting.about);
                let text = format!("{what} waits: {}", waiting.describe());
                self.about(&waiting.account, &text);
            }
            Msg::NotReady(problem) if self.has_been_ready => {
                let why = problem.describe();
                let line = format!("needs attention: the profile cannot be opened: {why}");
                self.lines.push(without_signs(&line));
            }
            Msg::Config(news) => self.on_config(news),
            _ => {}
        }
        let effects = update(&mut self.model, now, msg);
        self.review(now);
        effects
    }

    /// Continues with a fresh console of the same profile, which is opened anew; what is known of the accounts in `unchanged`
    /// stays. What is still wrong then has its line again.
    pub fn reopen(&mut self, mut fresh: Model, unchanged: &[AccountId], now: Now) {
        fresh.options.reduced_motion = true;
        self.model.reopen(fresh, unchanged, now);
        self.facts.reopen();
        self.is_greeted = false;
    }

    /// The lines since the last call, each with its time. They are redacted by `redact`, and inert.
    pub fn lines(&mut self, now: Now, redact: impl Fn(&str) -> String) -> Vec<String> {
        self.lines.extend(self.facts.ended(now));
        if self.lines.is_empty() {
            return Vec::new();
        }
        let zone = &self.model.store.zone;
        let (day, clock) = (day(now, zone), now.wall.clock(zone));
        let is_new = self.day != day;
        let first = is_new.then(|| format!("the date is {day}"));
        self.day = day;
        let lines = first.into_iter().chain(self.lines.drain(..));
        lines
            // Redacted first: of a secret at the cut, a part would be left.
            .map(|line| format!("{clock} {}", inert::cut(&redact(&line), LINE_MAX)))
            .collect()
    }

    /// The last line.
    pub fn end(&mut self, now: Now, redact: impl Fn(&str) -> String) -> Vec<String> {
        self.lines.push("tilldeck ends".to_owned());
        self.lines(now, redact)
    }

    /// The time until something is due, or a line is. `None` while idle.
    pub fn next_wake(&self, now: Now) -> Option<Duration> {
        let model = self.model.next_wake(now);
        model.into_iter().chain(self.facts.due_in(now)).min()
    }

    /// Why the profile could not be opened at the start. Later, it waits for another change of the config file.
    pub fn failure(&self) -> Option<&Problem> {
        match &self.model.store.phase {
            Phase::Failed(problem) if !self.has_been_ready => Some(problem),
            Phase::Failed(_) | Phase::Opening | Phase::Ready => None,
        }
    }

    fn about(&mut self, account: impl std::fmt::Display, text: &str) {
        self.lines.push(format!("{account}: {text}"));
    }

    fn first_line(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let (profile, day) = (&self.model.store.profile, &self.day);
        format!("tilldeck {version} starts, profile {profile}; the date is {day}")
    }

    /// Notes what differs from what was reported.
    fn review(&mut self, now: Now) {
        // No key dismisses it.
        if let Some(flash) = self.model.store.flash.take() {
            self.lines.push(without_signs(&flash.text));
        }
        if !self.model.store.is_ready() {
            return;
        }
        self.has_been_ready = true;
        if !std::mem::replace(&mut self.is_greeted, true) {
            self.greet();
        }
        let store = &self.model.store;
        if self.is_unread && !store.is_unread {
            self.is_unread = false;
            let line = format!("the ledger can be read: {}", watched(store));
            self.lines.push(line);
        }
        let facts = facts(store, self.started, now);
        self.lines.extend(self.facts.review(facts, now));
    }

    /// Says which accounts there are, and what is watched.
    fn greet(&mut self) {
        let store = &self.model.store;
        for known in &store.accounts {
            let environment = environment(known.account.environment);
            let title = known.account.provider_title;
            let shown = known.status.state.shown();
            self.lines.push(format!(
                "account {}: {title}, {environment}, credentials {shown}",
                known.id()
            ));
        }
        if store.accounts.is_empty() {
            self.lines.push("the profile has no accounts".to_owned());
        }
        if let Some(url) = &store.simulator {
            self.lines.push(format!("the simulator is at {url}"));
        }
        self.is_unread = store.is_unread;
        let watched = if store.is_unread {
            "the ledger cannot be read; what is watched appears once it can".to_owned()
        } else {
            watched(store)
        };
        self.lines.push(format!("ready: {watched}"));
        if self.detail == Detail::Changes {
            // Only what changes from now on is news, and what needs attention.
            let is_news = |it: &&Watched| {
                it.needs_attention() && store.handled(&it.alert_key(), it.began()).is_none()
            };
            for watched in store.payments.iter().filter(|it| !is_news(it)) {
                self.facts.skip(Fact::of_payment(watched, store));
            }
        }
    }

    /// The config file was read again. An error that is repeated afterwards is news.
    fn on_config(&mut self, news: &ConfigNews) {
        match news {
            ConfigNews::Current => {
                let line = "the config file was read again: nothing changes";
                self.lines.push(line.to_owned());
            }
            ConfigNews::Reloaded => {}
            ConfigNews::AwaitsRestart | ConfigNews::Waits | ConfigNews::Unusable(_) => return,
        }
        self.facts.forget(&notice_alert(CONFIG));
    }

    /// A request that fails, in another way than before, or no longer; with [`Detail::All`] each.
    fn on_exchange(&mut self, exchange: &Exchange) {
        let path = without_query(exchange.path());
        let what = words::request(&exchange.method, path, &exchange.about);
        let result = words::outcome(&exchange.outcome);
        let key = format!("{} {what}", exchange.account);
        let before = self.failing.iter().position(|(it, _)| *it == key);
        let before = before.and_then(|at| self.failing.remove(at));
        let is_news = if exchange.outcome.is_failure() {
            self.failing.push_back((key, result.clone()));
            before.is_none_or(|(_, before)| before != result)
        } else {
            before.is_some()
        };
        if self.failing.len() > FAILING_MAX {
            self.failing.pop_front();
        }
        if is_news || self.detail == Detail::All {
            let attempt = match exchange.attempt {
                0 | 1 => String::new(),
                n => format!(", attempt {n}"),
            };
            let id = match exchange.id.0 {
                1.. => format!(", request {}", exchange.id),
                _ => String::new(),
            };
            let took = exchange.took.as_millis();
            let text = format!("{what}: {result} after {took} ms{attempt}{id}");
            self.about(&exchange.account, &text);
        }
    }

    /// A new callback; a job of one that fails, is given up, or succeeds after all.
    fn on_delivery(&mut self, delivery: &Delivery, now: Now) {
        let is_of_this_run = now.is_of_run(self.started, delivery.received_at);
        if is_of_this_run && self.reported.remember(delivery.id) {
            let text = words::callback(delivery);
            self.about(&delivery.account, &text);
        }
        for job in &delivery.jobs {
            if self.is_news(job, now) {
                let ctx = ViewContext {
                    reduced_motion: true,
                    ..self.model.ctx(now, false)
                };
                let (state, _) = deliveries::state(job, &delivery.account, ctx);
                let to = words::target(job);
                let text = format!("callback {}{to}: {}", delivery.id, without_signs(&state));
                self.about(&delivery.account, &text);
            }
        }
    }

    /// Whether a job's state is worth a line.
    fn is_news(&mut self, job: &Job, now: Now) -> bool {
        let tried_at = job.tried_at;
        let is_of_this_run = tried_at.is_some_and(|at| now.is_of_run(self.started, at));
        let before = self.jobs.get(job.id).copied();
        if !is_of_this_run || before == Some((job.state, job.attempts)) {
            return false;
        }
        let failed_before = before.is_some_and(|(state, _)| state != JobState::Done);
        let is_failing = job.has_failed();
        let is_done = |(state, _): &(JobState, u32)| *state == JobState::Done;
        self.jobs.insert(job.id, (job.state, job.attempts), is_done);
        match job.state {
            _ if self.detail == Detail::All => true,
            JobState::GivenUp => job.is_dead_letter(),
            JobState::Due { .. } => is_failing && !failed_before,
            JobState::Done => failed_before,
        }
    }
}

/// The date, and the zone of the times: `2026-11-29, times are Europe/Warsaw, UTC+01:00`.
fn day(now: Now, zone: &TimeZone) -> String {
    let at = now.wall.to_zoned(zone);
    let offset = jiff::fmt::strtime::format("%:z", &at).unwrap_or_default();
    // A zone that was read from a file has no name.
    let name = zone.iana_name().filter(|name| name.contains('/'));
    let name = name.map_or_else(String::new, |name| format!("{name}, "));
    format!("{}, times are {name}UTC{offset}", now.wall.date(zone))
}

fn watched(store: &Store) -> String {
    let open = store.payments.iter().filter(|watched| !watched.is_final());
    match store.payments.len() {
        0 => "no payment is watched".to_owned(),
        1 => format!("1 payment is watched, {} open", open.count()),
        n => format!("{n} payments are watched, {} open", open.count()),
    }
}

/// The badge of an account's environment, in words.
fn environment(environment: Environment) -> String {
    let (word, _) = badge(environment);
    match environment {
        Environment::Production => format!("{word}, real money"),
        Environment::Sandbox => format!("{word}, the provider's sandbox"),
        Environment::Embedded => format!("{word}, the built-in simulator"),
    }
}
