//! The mounted providers: requests and commands are routed to them, their state is saved, and their callbacks are sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use hyper::http::{HeaderValue, StatusCode, header};
use parking_lot::MutexGuard;
use tokio::sync::{Mutex, Notify};

use super::outbox::Attempt;
use super::provider::Mount;
use super::snapshot::{Snapshot, SnapshotFile};
use super::{Late, SimulatedProvider, Simulator, control, faults, route};
use crate::domain::simulate::{Command, Fault};
use crate::domain::{PaymentId, WallTime, inert, time};
use crate::http_server::{self, DeliveryResult, Outcome, Request, text};

pub struct Mounts {
    pub simulator: Simulator,
    pub providers: Vec<Mount>,
    pub snapshot_file: Option<SnapshotFile>,
    /// The first serves all providers, the second the production environments of those that have two.
    pub bases: [String; 2],
    /// Changes with every state that must be saved.
    revision: AtomicU64,
    changed: Notify,
    posting: Mutex<()>,
}

impl Mounts {
    /// These providers, begun.
    pub fn new(simulator: Simulator, providers: Vec<Mount>, bases: [String; 2]) -> Self {
        Self {
            simulator,
            providers,
            snapshot_file: None,
            bases,
            // Not what `SnapshotFile` begins with: the first commit saves the seeded state.
            revision: AtomicU64::new(1),
            changed: Notify::new(),
            posting: Mutex::default(),
        }
    }

    pub async fn serve(&self, request: &Request, production: bool) -> Outcome {
        let outside = self.simulator.outside();
        match self.route(request, production).await {
            Outcome::Answer(mut response) => {
                // From the injected clock, because a client compares its own clock with this header.
                let at = UNIX_EPOCH + outside.since(WallTime(0));
                if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(at)) {
                    response.headers_mut().insert(header::DATE, date);
                }
                Outcome::Answer(response)
            }
            Outcome::Reset => Outcome::Reset,
        }
    }

    async fn route(&self, request: &Request, production: bool) -> Outcome {
        let path = request.uri().path();
        let reads = route::reads(request);
        if path == "/" && reads {
            return Outcome::Answer(control::index(
                &self.bases,
                &self.simulator,
                &self.providers,
            ));
        }
        if path == "/_control/state" && reads {
            let state = control::state(&self.bases, &self.simulator, &self.providers);
            return Outcome::Answer(state);
        }
        if path.starts_with(control::PREFIX) {
            return Outcome::Answer(match control::command(request) {
                Ok(command) => control::report(self.command(&command)),
                Err(refusal) => *refusal,
            });
        }
        let mut mounts = self.providers.iter();
        let is_it = |mount: &&Mount| mount.production == production && mount.lock().claims(path);
        let Some(mount) = mounts.find(is_it) else {
            let words = "Not found. The page / lists what this server has.\n";
            return Outcome::Answer(text(StatusCode::NOT_FOUND, words));
        };
        let is_api = mount.lock().is_api(path);
        let fault = if is_api {
            self.simulator.fault()
        } else {
            Fault::None
        };
        if fault == Fault::ServerError
            && let Some(down) = mount.lock().down()
        {
            return Outcome::Answer(down);
        }
        if let Some(refusal) = faults::replacement(fault) {
            return Outcome::Answer(refusal);
        }
        let reply = self.at(mount).answer(request, &self.simulator);
        // A payer's page may make its payment by a GET.
        if !reads || !is_api {
            self.changed();
        }
        if let Err(words) = self.commit() {
            return Outcome::Answer(text(StatusCode::INTERNAL_SERVER_ERROR, &words));
        }
        if let Some(Late(by)) = reply.extensions().get() {
            tokio::time::sleep(*by).await;
        }
        faults::apply(fault, reply).await
    }

    /// A provider, with what fell due applied.
    fn at<'a>(&self, mount: &'a Mount) -> MutexGuard<'a, Box<dyn SimulatedProvider>> {
        let mut provider = mount.lock();
        if provider.pass_time(&self.simulator) {
            self.changed();
        }
        provider
    }

    fn changed(&self) {
        self.revision.fetch_add(1, Ordering::Relaxed);
    }

    pub fn command(&self, command: &Command) -> Result<String, String> {
        let unknown = |id: &PaymentId| {
            Err(format!(
                "no payment {id} here yet: the payer must open its payment link first"
            ))
        };
        let result = match command {
            Command::SetFault(fault) => {
                self.simulator.set_fault(*fault);
                Ok(format!(
                    "fault {} is set: {}",
                    fault.name(),
                    fault.describe()
                ))
            }
            Command::Advance(by) => self.simulator.advance(*by).map(|()| {
                let now = self.simulator.now().rfc3339();
                format!(
                    "moved the clock forward by {}; the simulator's time is {now}",
                    time::fine(*by)
                )
            }),
            Command::SetBack(by) => self.simulator.set_back(*by).map(|()| {
                let date = self.simulator.outside().rfc3339();
                format!(
                    "set Date headers back by {}; they now show {date}",
                    time::fine(*by)
                )
            }),
            Command::Set {
                provider,
                setting,
                value,
            } => self
                .provider(provider)
                .and_then(|mut provider| provider.set(setting, value))
                .map(|done| format!("{provider}: {done}")),
            Command::Event {
                provider,
                event,
                subject,
            } => self
                .provider(provider)
                .and_then(|mut provider| provider.trigger(event, subject, &self.simulator)),
            Command::Payer { payment, act } => {
                let mut providers = self.providers.iter();
                providers
                    .find_map(|mount| self.at(mount).act(payment, *act, &self.simulator))
                    .unwrap_or_else(|| unknown(payment))
            }
            Command::RepeatCallback(payment) => {
                let mut providers = self.providers.iter();
                providers
                    .find_map(|mount| self.at(mount).repeat_callback(payment, &self.simulator))
                    .unwrap_or_else(|| unknown(payment))
            }
        };
        self.changed();
        self.commit()?;
        result
    }

    fn provider(&self, id: &str) -> Result<MutexGuard<'_, Box<dyn SimulatedProvider>>, String> {
        let mut providers = self.providers.iter().map(|mount| self.at(mount));
        let found = providers.find(|provider| provider.provider() == id);
        found.ok_or_else(|| {
            let names = self.providers.iter().map(|mount| mount.lock().provider());
            let (id, names) = (inert::quoted(id, 40), names.collect::<Vec<_>>());
            format!(
                "the simulator has no provider {id}; its providers are {}",
                names.join(", ")
            )
        })
    }

    /// Saves changes and wakes the dispatcher.
    fn commit(&self) -> Result<(), String> {
        self.changed.notify_one();
        let Some(snapshot_file) = &self.snapshot_file else {
            return Ok(());
        };
        let revision = || self.revision.load(Ordering::Relaxed);
        let snapshot = || {
            let providers = self.providers.iter().map(Mount::lock);
            let saved =
                providers.map(|provider| (provider.provider().to_owned(), provider.snapshot()));
            Snapshot::new(self.simulator.seed(), self.simulator.now(), saved.collect())
        };
        snapshot_file
            .save(revision, snapshot)
            .map_err(|error| format!("The simulator cannot save its state: {error}\n"))
    }

    pub async fn pump(&self) -> usize {
        const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
        // One round at a time, or a webhook would be sent twice.
        let _round = self.posting.lock().await;
        let mut sent = 0;
        for mount in &self.providers {
            let (due, name) = {
                let mut provider = self.at(mount);
                (
                    provider.outbox().due(self.simulator.now()),
                    provider.provider(),
                )
            };
            let set_up = self.simulator.callback_url(name);
            for webhook in due {
                let webhook = mount.lock().complete(webhook);
                let Some(to) = webhook.to.as_deref().or(set_up) else {
                    // It waits until the sandbox runs with a callback URL.
                    continue;
                };
                let answer_timeout = webhook.answer_timeout.unwrap_or(ANSWER_TIMEOUT);
                let answered = http_server::send(&webhook.request(to), answer_timeout)
                    .await
                    .ok();
                self.record(mount, webhook.number, answered.as_ref());
                sent += 1;
            }
        }
        if sent > 0 {
            // An error here delays no callback: the next call that must be durable reports it.
            let _ = self.commit();
        }
        sent
    }

    fn record(&self, mount: &Mount, webhook: u64, answered: Option<&DeliveryResult>) {
        let mut provider = mount.lock();
        let attempt = Attempt {
            webhook,
            at: self.simulator.now(),
            status: answered.map(|answered| answered.status),
        };
        let waits = provider.waits();
        if let Some(sent) = provider.outbox().record(attempt, waits) {
            provider.attempted(&sent, answered, &self.simulator);
        }
        self.changed();
    }

    /// When the next callback can be sent, or time alone changes a state.
    fn next_due(&self) -> Option<WallTime> {
        let each = self.providers.iter().filter_map(|mount| {
            let mut provider = mount.lock();
            let set_up = self.simulator.callback_url(provider.provider()).is_some();
            let change = provider.next_change(&self.simulator);
            change
                .into_iter()
                .chain(provider.outbox().next(set_up))
                .min()
        });
        each.min()
    }
}

/// Sends callbacks as they fall due, until aborted.
pub async fn deliver(mounts: Arc<Mounts>) {
    let longest = mounts.simulator.longest_sleep();
    loop {
        mounts.pump().await;
        let now = mounts.simulator.now();
        let Some(next) = mounts.next_due() else {
            mounts.changed.notified().await;
            continue;
        };
        let pause = mounts
            .simulator
            .outside_span(next.since(now))
            .unwrap_or(longest);
        let pause = pause.clamp(Duration::from_millis(1), longest);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = mounts.changed.notified() => {}
        }
    }
}
