//! Metrics of the receiver for Prometheus, in its text format `OpenMetrics`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::Deck;
use crate::domain::job::AttemptEnd;
use crate::domain::{
    BudgetGauge, CallbackVerdict, Delivery, Exchange, Job, JobKind, ListenerStatus, Now, Problem,
};
use crate::http_server::{self, Hosts, Limits, Request, Response, Server, StatusCode};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long a scrape waits for the ledger; what is not read by then is left out.
const READ_MAX: Duration = Duration::from_secs(5);

/// The bounds of the histogram of attempts, in seconds.
#[expect(clippy::disallowed_types, reason = "a duration, as Prometheus has it")]
const SECONDS: [f64; 8] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0];

type Labels<const N: usize> = [(&'static str, String); N];

/// Counted as events arrive, or read when they are scraped.
pub struct Metrics {
    registry: Registry,
    callbacks: Family<Labels<2>, Counter>,
    attempts: Family<Labels<3>, Counter>,
    durations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    requests: Family<Labels<2>, Counter>,
    open_jobs: Family<Labels<1>, Gauge>,
    oldest_job: Family<Labels<1>, Gauge>,
    slots: Family<Labels<2>, Gauge>,
    slots_used: Family<Labels<2>, Gauge>,
    token_left: Family<Labels<1>, Gauge>,
    ledger_size: Family<Labels<0>, Gauge>,
    up: Gauge,
}

fn register<M: Metric + Clone + Default>(all: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    all.register(name, help, metric.clone());
    metric
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("tilldeck");
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of tilldeck", version);
        let all = &mut registry;
        let ledger_size = Family::default();
        let help = "Size of the saved tables";
        all.register_with_unit("ledger_size", help, Unit::Bytes, ledger_size.clone());
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let durations = Family::new_with_constructor(histogram);
        let help = "Time that attempts of jobs took";
        all.register_with_unit(
            "job_attempt_duration",
            help,
            Unit::Seconds,
            durations.clone(),
        );
        let (oldest_job, token_left) = (Family::default(), Family::default());
        let help = "Age of the oldest callback with an open job";
        all.register_with_unit("job_oldest_age", help, Unit::Seconds, oldest_job.clone());
        let help = "Time until an access token expires; 0 without a valid one";
        all.register_with_unit("token_left", help, Unit::Seconds, token_left.clone());
        Self {
            callbacks: register(all, "callbacks", "Callbacks received"),
            attempts: register(all, "job_attempts", "Attempts of jobs"),
            requests: register(all, "requests", "Requests sent"),
            open_jobs: register(all, "jobs_open", "Jobs not done yet"),
            slots: register(all, "rate_limit", "Slots of a rate limit"),
            slots_used: register(
                all,
                "rate_limit_used",
                "Slots of a rate limit in use, by all programs",
            ),
            up: register(all, "receiver_up", "1 while callbacks are received"),
            durations,
            oldest_job,
            token_left,
            ledger_size,
            registry,
        }
    }

    /// Counts a callback that was just received.
    pub fn received(&self, delivery: &Delivery) {
        self.callbacks(&delivery.account, delivery.verdict).inc();
    }

    fn callbacks(&self, account: &str, verdict: CallbackVerdict) -> Counter {
        // Its sender chose this name: each would be a series of its own.
        let account = match verdict {
            CallbackVerdict::UnknownAccount => String::new(),
            _ => account.to_owned(),
        };
        let labels = [
            ("account", account),
            ("verdict", verdict.as_str().to_owned()),
        ];
        self.callbacks.get_or_create_owned(&labels)
    }

    /// Counts an attempt of a job that has ended.
    pub fn attempted(&self, delivery: &Delivery, job: &Job) {
        self.attempts(&delivery.account, job.kind, job.result())
            .inc();
        if let Some(took) = job.took {
            let kind = [("kind", job.kind.word().to_owned())];
            let durations = self.durations.get_or_create(&kind);
            durations.observe(took.as_secs_f64());
        }
    }

    fn attempts(&self, account: &str, kind: JobKind, result: AttemptEnd) -> Counter {
        let labels = [
            ("account", account.to_owned()),
            ("kind", kind.word().to_owned()),
            ("result", result.as_str().to_owned()),
        ];
        self.attempts.get_or_create_owned(&labels)
    }

    /// Creates an account's counters. A counter that first appears with its first event has not increased, so
    /// no alert would notice that event.
    fn create_counters(&self, account: &str) {
        for verdict in CallbackVerdict::ALL {
            self.callbacks(account, verdict);
        }
        for kind in JobKind::ALL {
            for result in AttemptEnd::ALL {
                self.attempts(account, kind, result);
            }
        }
    }

    /// Counts a request of this program.
    pub fn sent(&self, exchange: &Exchange) {
        let status = match exchange.outcome.parts().0 {
            Some(status) => format!("{}xx", status / 100),
            None => "none".to_owned(),
        };
        let account = exchange.account.to_string();
        let labels = [("account", account), ("status", status)];
        self.requests.get_or_create(&labels).inc();
    }

    /// Reads what is not counted, and writes all.
    async fn text(&self, deck: &Deck, now: Now) -> String {
        for account in deck.accounts() {
            self.create_counters(account.id.as_str());
        }
        // A series that is not read now must not keep its old value.
        self.open_jobs.clear();
        self.oldest_job.clear();
        if let Ok(Ok(open)) = tokio::time::timeout(READ_MAX, deck.open_jobs()).await {
            for jobs in open {
                let kind = [("kind", jobs.kind.word().to_owned())];
                self.open_jobs.get_or_create(&kind).set(whole(jobs.count));
                let age = now.wall.since(jobs.oldest).as_secs();
                self.oldest_job.get_or_create(&kind).set(whole(age));
            }
        }
        self.ledger_size.clear();
        if let Ok(Ok(size)) = tokio::time::timeout(READ_MAX, deck.ledger().size()).await {
            self.ledger_size.get_or_create(&[]).set(whole(size));
        }
        self.slots.clear();
        self.slots_used.clear();
        let gauges = tokio::time::timeout(READ_MAX, deck.gauges()).await;
        let mut limits: Vec<_> = gauges.into_iter().flatten().flatten().collect();
        // It counts nothing.
        limits.retain(|(_, gauge)| gauge.limit < BudgetGauge::UNCOUNTED);
        for (account, gauge) in limits {
            let counts = gauge.counts.as_str().to_owned();
            let limit = [("account", account.to_string()), ("counts", counts)];
            self.slots.get_or_create(&limit).set(gauge.limit.into());
            self.slots_used.get_or_create(&limit).set(gauge.used.into());
        }
        self.token_left.clear();
        for (account, status) in deck.tokens() {
            let left = status.life.and_then(|life| life.left(now));
            let account = [("account", account.to_string())];
            let left = left.unwrap_or_default().as_secs();
            self.token_left.get_or_create(&account).set(whole(left));
        }
        let is_up = matches!(*deck.listening().borrow(), ListenerStatus::Up { .. });
        self.up.set(is_up.into());
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes all that is written");
        text
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Serves the metrics at `/metrics`.
pub struct Exporter {
    /// What is counted as events arrive.
    pub metrics: Arc<Metrics>,
    scrapes: mpsc::Receiver<oneshot::Sender<String>>,
    server: Server,
}

impl Exporter {
    /// Binds the address.
    ///
    /// # Errors
    /// If it cannot be bound.
    pub async fn bind(address: SocketAddr) -> Result<Self, Problem> {
        let failed = |error: std::io::Error| {
            let message = format!("cannot serve metrics at {address}: {error}");
            Problem::local(message, "choose another address for --metrics")
        };
        let (ask, scrapes) = mpsc::channel(8);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let limits = Limits {
            hosts: if address.ip().is_loopback() {
                Hosts::Loopback
            } else {
                Hosts::Any
            },
            body: 0,
            ..Limits::default()
        };
        let answer = move |request| answer(request, ask.clone());
        Ok(Self {
            metrics: Arc::new(Metrics::new()),
            scrapes,
            server: Server::start(listener, limits, answer).map_err(failed)?,
        })
    }

    /// `http://ADDRESS:PORT/metrics`.
    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.server.address())
    }

    /// Answers scrapes for as long as it is polled.
    pub async fn serve(&mut self, deck: &Deck, now: impl Fn() -> Now) {
        while let Some(answer) = self.scrapes.recv().await {
            // The scraper may have gone meanwhile.
            let _ = answer.send(self.metrics.text(deck, now()).await);
        }
    }
}

async fn answer(
    request: Request,
    ask: mpsc::Sender<oneshot::Sender<String>>,
) -> http_server::Outcome {
    http_server::Outcome::Answer(scraped(&request, ask).await)
}

async fn scraped(request: &Request, ask: mpsc::Sender<oneshot::Sender<String>>) -> Response {
    if request.uri().path() != "/metrics" {
        return http_server::text(StatusCode::NOT_FOUND, "The metrics are at /metrics.\n");
    }
    if request.method() != "GET" {
        return http_server::text(StatusCode::METHOD_NOT_ALLOWED, "Use GET.\n");
    }
    let (to, text) = oneshot::channel();
    let _ = ask.send(to).await;
    match text.await {
        Ok(text) => http_server::respond(StatusCode::OK, OPEN_METRICS, text),
        Err(_) => http_server::text(StatusCode::SERVICE_UNAVAILABLE, "The receiver is ending.\n"),
    }
}
