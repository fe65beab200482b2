//! `listen`: the callback receiver without the console.

mod forwards;
mod health;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use forwards::Forwards;
use health::Health;

use super::config_file::ConfigFile;
use super::deliveries;
use super::exit::{CommandResult, Exit, usage};
use super::output::{Out, OutputError, Tone};
use super::settings::Settings;
use super::start::{Command, Start, on_threads};
use super::stop::{HangUp, HangUps, StopSignals};
use super::values::bind;
use crate::config;
use crate::deck::metrics::{Exporter, Metrics};
use crate::deck::{self, Deck, Options, Prepared, Receive};
use crate::domain::{
    AccountId, Delivery, DeliveryId, Job, JobId, Listening, Problem, ProblemKind, WallTime, inert,
};
use crate::ledger::Status;
use crate::net::{self, Event, EventReceiver, EventSender};
use crate::runtime;

/// A receiver that is down this long ends the program, so that its supervisor can restart it.
const DOWN_MAX: Duration = Duration::from_secs(15);
/// So does one that does not start within this time. A keyring may ask for a password first.
const UP_MAX: Duration = Duration::from_mins(1);
/// How long the end waits for a slow reader of stdout.
const PATIENCE: Duration = Duration::from_millis(400);
/// How many deliveries are remembered as printed.
const REPORTED_MAX: usize = 16_384;

const HELP: &str = "\
The provider sends the callbacks of an account to http://ADDRESS/callbacks/ACCOUNT. If the provider adds a path, \
tilldeck adds it to the URL of --forward-to. To monitor the receiver, request http://ADDRESS/heartbeat: the status is \
200 while it works.

tilldeck first saves a callback on disk, then responds 200, then processes and forwards it. A restart loses nothing. \
Until the shop's server responds 2xx, tilldeck retries for a day, at growing intervals. It respects Retry-After. The \
status 410 stops the retries.

The programs under [hooks] in the config file run when a payment is paid, and at other events.

Run it behind a reverse proxy with TLS. Only that proxy may set X-Forwarded-For.

With --json, tilldeck prints each callback as one JSON object when it arrives. Messages about its processing go to \
stderr. SIGTERM exits with 0, Ctrl-C with 130. SIGHUP, or \
a change of the config file, reloads it while the port stays open. If the receiver fails permanently, tilldeck exits with 2.";

/// Receive callbacks until interrupted: verify, save, process and forward them.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct Listen {
    /// Address to listen on (8787, localhost:8787, `[::1]:8787`). Default: `callbacks.bind` of the config, then
    /// 127.0.0.1:8787. Port 0 selects a free port.
    #[arg(long, value_parser = bind, value_name = "ADDRESS")]
    bind: Option<SocketAddr>,
    /// Forward callbacks unchanged to the shop's server: http:// on this machine, https:// elsewhere. With ACCOUNT=,
    /// only the callbacks of that account.
    #[arg(long, value_name = "[ACCOUNT=]URL")]
    forward_to: Vec<String>,
    /// Serve metrics for Prometheus on this address, at /metrics (9187, 127.0.0.1:9187). Port 0 selects a free port.
    #[arg(long, value_parser = bind, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

impl Command for Listen {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let out = start.out;
        start.configured(|settings, log| {
            log.run();
            on_threads(self.run(settings, out))
        })
    }
}

impl Listen {
    async fn run(self, settings: &Settings, out: &Out) -> CommandResult {
        let mut signals = Signals::new(settings);
        let options = self.options(settings)?;
        // Before callbacks are received: an address in use is a mistake in the command.
        let mut exporter = match self.metrics {
            Some(address) => Some(Exporter::bind(address).await?),
            None => None,
        };
        let (events_to, events) = net::events::channel();
        let options = Options {
            events: Some(events_to.clone()),
            ..options
        };
        let deck = Deck::open(&settings.profile, options).await?;
        // Better no receiver than one whose 200 promises a callback that is not saved.
        let status = deck.ledger().status().await;
        if let Some(why) = status.failure() {
            return Err(nothing_saved(why, &status).into());
        }
        let counted = exporter.as_ref().map(|exporter| exporter.metrics.clone());
        let printing = Printing::start(out, settings.clock.now().wall, events, counted);
        if let Some(exporter) = &exporter {
            printing.note(Note::Words(Tone::Dim, "metrics", exporter.url()));
        }
        let mut service = Service {
            deck,
            settings: settings.clone(),
            events: events_to,
            closing: TaskTracker::new(),
            health: Health::default(),
            greeted: None,
        };
        let ended = loop {
            let clock = &settings.clock;
            let scrapes = async {
                match &mut exporter {
                    Some(exporter) => exporter.serve(&service.deck, || clock.now()).await,
                    None => std::future::pending().await,
                }
            };
            let receiving = Receiving {
                deck: &service.deck,
                health: &mut service.health,
                greeted: &mut service.greeted,
                printing: &printing,
            };
            let signal = tokio::select! {
                signal = receiving.run(&mut signals) => signal,
                () = scrapes => Err(receiver_stopped()),
            };
            match signal {
                Ok(Signal::End(exit)) => break Ok(exit),
                Ok(Signal::Reload) => {
                    signals.config.will_be_read();
                    tokio::select! {
                        biased;
                        exit = signals.stop() => break Ok(exit),
                        reloaded = service.reload(&self, &printing) => if let Err(problem) = reloaded {
                            break Err(problem);
                        }
                    }
                }
                Err(problem) => break Err(problem),
            }
        };
        drop(exporter);
        let (exit, problem) = match ended {
            Ok(exit) => (exit, None),
            Err(problem) => (Exit::from(problem.kind), Some(problem)),
        };
        service.close().await;
        printing.end(problem).await;
        Ok(exit)
    }

    /// What the deck is opened with.
    fn options(&self, settings: &Settings) -> Result<Options, Problem> {
        let forward = forwards(&self.forward_to, settings)?;
        let configured = settings.config.callbacks.bind;
        let receive = Receive {
            bind: Some(self.bind.or(configured).unwrap_or(config::LISTEN)),
            forward,
            trusted_proxies: settings.config.callbacks.trusted_proxies.clone(),
            every: true,
            ..Receive::default()
        };
        Ok(Options {
            // A service runs unattended, so tokens are renewed before a callback needs them.
            renew: true,
            receive: Some(receive),
            ..settings.options()?
        })
    }
}

/// What ends the receiver, or has it read its configuration again.
struct Signals {
    stops: StopSignals,
    hang_ups: HangUps,
    config: Arc<ConfigFile>,
    changes: mpsc::Receiver<()>,
}

impl Signals {
    fn new(settings: &Settings) -> Self {
        let config = Arc::new(ConfigFile::new(&settings.global));
        let changes = config.changes();
        Self {
            stops: StopSignals::of_service(),
            hang_ups: HangUps::new(),
            config,
            changes,
        }
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            stop = self.stops.next() => Signal::End(Exit::of_service(stop)),
            hang_up = self.hang_ups.next() => match hang_up {
                HangUp::Gone => Signal::End(Exit::Interrupted),
                HangUp::Reload => Signal::Reload,
            },
            Some(()) = self.changes.recv() => Signal::Reload,
        }
    }

    /// The next one that ends the receiver, also in the middle of a reload.
    async fn stop(&mut self) -> Exit {
        Exit::of_service(self.stops.next().await)
    }
}

/// What a signal, or a change of the config file, asks for.
enum Signal {
    End(Exit),
    /// The configuration is read again.
    Reload,
}

/// The receiver at work, and what it was opened with.
struct Service {
    deck: Deck,
    settings: Settings,
    events: EventSender,
    /// The earlier decks, which may still run programs for an event.
    closing: TaskTracker,
    health: Health,
    /// The URL that was printed last.
    greeted: Option<String>,
}

impl Service {
    /// Takes over a changed configuration. One that cannot be used changes nothing. The port stays open: a callback that
    /// arrives in between waits.
    async fn reload(&mut self, command: &Listen, printing: &Printing) -> Result<(), Problem> {
        let (fresh, options, prepared) = match self.next(command).await {
            Ok(next) => next,
            Err(problem) => {
                let words = format!(
                    "{}; the earlier configuration stays in force",
                    problem.describe()
                );
                printing.note(Note::Words(Tone::Bad, "config:", words));
                return Ok(());
            }
        };
        if fresh.awaits_restart {
            let words = "[ledger] changed: restart to use another ledger".to_owned();
            printing.note(Note::Words(Tone::Warn, "config:", words));
        }
        let before = std::mem::replace(&mut self.settings, fresh);
        let Some(prepared) = prepared else {
            let words = "nothing that is reloaded has changed".to_owned();
            printing.note(Note::Words(Tone::Dim, "config:", words));
            return Ok(());
        };
        let kept = before.profile.unchanged(&self.settings.profile);
        let options = Options {
            events: Some(self.events.clone()),
            handover: self.deck.hand_over(&kept, prepared),
            ..options
        };
        self.deck.stop_receiver().await;
        self.deck.finish_tokens().await;
        let fresh = Deck::open(&self.settings.profile, options).await?;
        let old = std::mem::replace(&mut self.deck, fresh);
        self.closing.spawn(old.close());
        let accounts: Vec<String> = self.deck.accounts().map(|it| it.id.to_string()).collect();
        let words = format!("accounts: {}", accounts.join(", "));
        printing.note(Note::Words(Tone::Good, "reloaded:", words));
        Ok(())
    }

    /// Reads the configuration again, with what a new deck needs; `None` where this one can go on with it.
    async fn next(
        &self,
        command: &Listen,
    ) -> Result<(Settings, Options, Option<Prepared>), Problem> {
        let fresh = self.settings.read_again(&self.settings.profile.name);
        let fresh = fresh.map_err(|error| Problem::from(&error))?;
        let options = command.options(&fresh)?;
        let prepared = if self.settings.has_deck_of(&fresh) {
            None
        } else {
            Some(self.deck.prepare(&options).await?)
        };
        Ok((fresh, options, prepared))
    }

    /// Callbacks answered by now are saved, and printed as well; but a blocked reader does not delay the end.
    async fn close(self) {
        self.closing.close();
        let closing = async {
            self.deck.close().await;
            self.closing.wait().await;
        };
        tokio::pin!(closing);
        while tokio::time::timeout(PATIENCE, &mut closing).await.is_err() {
            // The printing thread is blocked by its reader: drop events rather than wait for it.
            if self.events.is_behind() {
                self.events.close();
            }
        }
    }
}

/// The servers that callbacks are forwarded to, by account.
fn forwards(
    written: &[String],
    settings: &Settings,
) -> Result<Vec<(Option<AccountId>, reqwest::Url)>, Problem> {
    let mut forwards: Vec<(Option<AccountId>, reqwest::Url)> = Vec::new();
    let vault = settings.global.vault()?;
    let accounts = deck::accounts(&settings.profile, &vault);
    for text in written {
        // A `=` in the URL's query comes after the scheme.
        let named = text
            .split_once('=')
            .filter(|(name, _)| !name.contains([':', '/', '?']));
        let (account, url) = match named {
            Some((name, url)) => {
                let known = accounts.iter().find(|account| account.id.as_str() == name);
                let known = known.ok_or_else(|| no_account(name, &accounts))?;
                (Some(known.id.clone()), url)
            }
            None => (None, text.as_str()),
        };
        if forwards.iter().any(|(named, _)| *named == account) {
            return Err(usage(
                match account {
                    Some(account) => format!("--forward-to appears twice for account {account}"),
                    None => "--forward-to appears twice for all accounts".to_owned(),
                },
                "tilldeck forwards each callback to one server; forward from there to others",
            ));
        }
        forwards.push((account, deck::target(url)?));
    }
    Ok(forwards)
}

fn no_account(name: &str, accounts: &[crate::domain::Account]) -> Problem {
    let names: Vec<&str> = accounts.iter().map(|account| account.id.as_str()).collect();
    usage(
        format!(
            "--forward-to names an unknown account: {}",
            inert::quoted(name, 64)
        ),
        format!("the accounts are: {}", names.join(", ")),
    )
}

/// The receiver of an open deck.
struct Receiving<'a> {
    deck: &'a Deck,
    health: &'a mut Health,
    /// The URL that was printed last.
    greeted: &'a mut Option<String>,
    printing: &'a Printing,
}

impl Receiving<'_> {
    /// Runs until a signal or a change of the configuration, or until no callbacks can be received.
    async fn run(self, signals: &mut Signals) -> Result<Signal, Problem> {
        let Self {
            deck,
            health,
            greeted,
            printing,
        } = self;
        let mut listening = deck.listening();
        let mut ledger = deck.ledger().status_changes();
        let too_long = tokio::time::sleep(UP_MAX);
        tokio::pin!(too_long);
        let mut was_away = false;
        loop {
            match listening.borrow_and_update().clone() {
                Listening::Up { url, .. } => {
                    health.receiver = None;
                    if greeted.as_ref() != Some(&url) {
                        *greeted = Some(url.clone());
                        printing.note(Note::greeting(url, deck));
                    }
                }
                // Down before the first success is a wrong address, which no retry corrects.
                Listening::Down { address, why, .. } if greeted.is_none() => {
                    return Err(Problem::new(
                        ProblemKind::Local,
                        format!("cannot receive callbacks at {address}"),
                        why,
                    ));
                }
                Listening::Down { address, why, .. } => {
                    let what = format!("cannot receive callbacks at {address}");
                    health.receiver = Some((what, why));
                }
                Listening::Off => {}
            }
            let status = ledger.borrow_and_update().clone();
            health.warn(&status, printing);
            let failure = status.failure().map(str::to_owned);
            health.ledger = failure.map(|why| ("cannot save callbacks".into(), why));
            // A database that other machines use as well comes back by itself; until then callbacks are answered 503.
            let is_away = greeted.is_some() && matches!(status, Status::Away { .. });
            // The downtime counts from the first report, or from the database's return: the next probe is still to come.
            let is_back = std::mem::replace(&mut was_away, is_away) && !is_away;
            if health.print(printing) || is_away || is_back {
                let limit = if greeted.is_some() { DOWN_MAX } else { UP_MAX };
                too_long.set(tokio::time::sleep(limit));
            }
            tokio::select! {
                // A signal wins over everything else that is ready.
                biased;
                signal = signals.next() => return Ok(signal),
                changed = listening.changed() => if changed.is_err() {
                    return Err(receiver_stopped());
                },
                changed = ledger.changed() => if changed.is_err() {
                    return Err(receiver_stopped());
                },
                () = &mut too_long, if greeted.is_none() || (health.is_down() && !is_away) => {
                    return Err(health.too_long());
                }
            }
        }
    }
}

/// Printed besides events.
enum Note {
    /// The receiver listens.
    Greeting {
        url: String,
        callbacks: Vec<(&'static str, String)>,
        simulator: Option<String>,
    },
    /// A message for stderr.
    Words(Tone, &'static str, String),
    /// The last note: prints the deliveries so far, then this.
    End(Option<Problem>),
}

impl Note {
    fn greeting(url: String, deck: &Deck) -> Self {
        let callbacks = deck.accounts().map(|account| {
            let path = format!("{url}/callbacks/{}", account.id);
            (account.provider_title, path)
        });
        Self::Greeting {
            callbacks: callbacks.collect(),
            simulator: deck.simulator_url(),
            url,
        }
    }
}

/// Prints on its own thread, so that a slow reader of stdout blocks neither callbacks nor signals.
struct Printing {
    notes: mpsc::UnboundedSender<Note>,
    ended: oneshot::Receiver<()>,
}

impl Printing {
    fn start(
        out: &Out,
        since: WallTime,
        events: EventReceiver,
        metrics: Option<Arc<Metrics>>,
    ) -> Self {
        let (notes_to, notes) = mpsc::unbounded_channel();
        let (ended_to, ended) = oneshot::channel();
        let mut printer = Printer {
            listing: deliveries::listing(&out.for_reader()),
            out: out.for_reader(),
            zone: crate::clock::time_zone(),
            since,
            metrics,
            reported: BTreeMap::new(),
            events,
            unread: false,
            forwards: Forwards::default(),
            clocks: BTreeSet::new(),
        };
        let runtime = Handle::current();
        std::thread::spawn(move || {
            runtime.block_on(printer.run(notes));
            let _ = ended_to.send(());
        });
        Self {
            notes: notes_to,
            ended,
        }
    }

    fn note(&self, note: Note) {
        // The thread ends only after the last note.
        let _ = self.notes.send(note);
    }

    /// Prints the deliveries so far and why the program ends, as far as the reader takes them.
    async fn end(self, problem: Option<Problem>) {
        self.note(Note::End(problem));
        let _ = tokio::time::timeout(PATIENCE, self.ended).await;
    }
}

/// Prints deliveries and the state of their jobs.
struct Printer {
    out: Out,
    listing: deliveries::Rows,
    zone: TimeZone,
    /// Deliveries after this one are new.
    since: WallTime,
    metrics: Option<Arc<Metrics>>,
    /// The newest printed deliveries, with the last reported attempt of each job.
    reported: BTreeMap<DeliveryId, Vec<(JobId, Option<WallTime>)>>,
    events: EventReceiver,
    /// Whether stdout has failed.
    unread: bool,
    forwards: Forwards,
    /// Accounts whose clock warning was printed.
    clocks: BTreeSet<AccountId>,
}

impl Printer {
    async fn run(&mut self, mut notes: mpsc::UnboundedReceiver<Note>) {
        let out = self.out.clone();
        let reader_gone = out.reader_gone();
        tokio::pin!(reader_gone);
        let problem = loop {
            tokio::select! {
                biased;
                note = notes.recv() => match note {
                    Some(Note::End(problem)) => break problem,
                    Some(Note::Words(tone, label, words)) => self.out.message(tone, label, &words),
                    Some(Note::Greeting { url, callbacks, simulator }) => {
                        let printed = self.greet(&url, &callbacks, simulator.as_deref());
                        self.note_failure(printed);
                    }
                    None => return,
                },
                Some(event) = self.events.recv() => self.on_event(event),
                () = &mut reader_gone, if !self.unread => self.note_failure(Err(OutputError::ReaderGone)),
            }
        };
        while let Some(event) = self.events.try_recv() {
            self.on_event(event);
        }
        if let Some(problem) = problem {
            let printed = self.out.problem(&problem);
            self.note_failure(printed);
        }
    }

    /// A failure to print does not stop the receiver; it is reported once.
    fn note_failure(&mut self, printed: Result<(), OutputError>) {
        let Err(error) = printed else { return };
        if !std::mem::replace(&mut self.unread, true) {
            let words = format!(
                "output stopped ({error}); tilldeck still receives callbacks, see `tilldeck log --deliveries`"
            );
            self.out.warn(&words);
        }
    }

    fn greet(
        &self,
        url: &str,
        callbacks: &[(&str, String)],
        simulator: Option<&str>,
    ) -> Result<(), OutputError> {
        if self.out.is_json() {
            return self.out.object(&json!({ "url": url }));
        }
        self.out.line(url)?;
        for (provider, path) in callbacks {
            self.out.message(Tone::Accent, provider, path);
        }
        if let Some(simulator) = simulator {
            self.out.message(Tone::Dim, "simulator", simulator);
        }
        self.out.say("Ctrl-C stops it");
        Ok(())
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Delivery(delivery) => {
                for job in &delivery.jobs {
                    self.forwards.note(job, self.since, &self.out);
                }
                let printed = self.delivery(&delivery);
                self.note_failure(printed);
            }
            Event::Exchange(exchange) => {
                if let Some(metrics) = &self.metrics {
                    metrics.sent(&exchange);
                }
            }
            Event::Warning { text, .. } => self.out.warn(&text),
            Event::ClockWarning(account, warning) if self.clocks.insert(account.clone()) => {
                let words = runtime::clock_warning(&account, warning);
                self.out.warn(&words);
            }
            Event::Missed if !self.unread => {
                let words = "callbacks arrive faster than stdout is read; all are saved, see `tilldeck log --deliveries`";
                self.out.warn(words);
            }
            _ => {}
        }
    }

    /// Prints and counts a new delivery, or one whose jobs changed. For those of earlier runs, only changes.
    fn delivery(&mut self, delivery: &Delivery) -> Result<(), OutputError> {
        let reported = self.reported.remove(&delivery.id);
        let is_new = reported.is_none() && delivery.received_at >= self.since;
        let reported = reported.unwrap_or_default();
        let attempted: Vec<&Job> = delivery
            .jobs
            .iter()
            .filter(|job| {
                let before = reported.iter().find(|(id, _)| *id == job.id);
                // Not by the number of attempts: it starts again when a job is retried.
                job.tried_at > before.and_then(|(_, at)| *at)
                    && job.tried_at.is_some_and(|at| at >= self.since)
            })
            .collect();
        let attempts = delivery.jobs.iter();
        let attempts = attempts.map(|job| (job.id, job.tried_at)).collect();
        self.reported.insert(delivery.id, attempts);
        if self.reported.len() > REPORTED_MAX {
            self.reported.pop_first();
        }
        if let Some(metrics) = &self.metrics {
            if is_new {
                metrics.received(delivery);
            }
            for job in &attempted {
                metrics.attempted(delivery, job);
            }
        }
        if self.unread {
            return Ok(());
        }
        if is_new {
            return deliveries::print(
                std::slice::from_ref(delivery),
                &self.zone,
                &mut self.listing,
            );
        }
        attempted
            .into_iter()
            .try_for_each(|job| self.job(delivery, job))
    }

    fn job(&self, delivery: &Delivery, job: &Job) -> Result<(), OutputError> {
        let line = format!("{:>5}  {}", delivery.id.0, deliveries::in_words(job));
        let line = inert::line(&line);
        if self.out.is_json() {
            self.out.say(&line);
            return Ok(());
        }
        self.out.line(&line)
    }
}

/// The error when the ledger cannot be used.
fn nothing_saved(why: &str, status: &Status) -> Problem {
    Problem::new(
        ProblemKind::Local,
        format!("cannot save callbacks, so none is received: {why}"),
        match status {
            Status::Away { .. } => {
                "check the database with `tilldeck ledger status`, then start it again"
            }
            _ => "free disk space, or choose another folder with --state-dir",
        },
    )
}

fn receiver_stopped() -> Problem {
    Problem::new(
        ProblemKind::Local,
        "the callback receiver stopped",
        "start it again; every callback with the response 200 is saved",
    )
}
