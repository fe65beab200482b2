//! `listen`: the callback receiver without the console.

mod forwards;
mod health;
mod printing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use health::Health;
use printing::{Note, Printing};

use super::config_file::ConfigFile;
use super::prelude::*;
use super::settings::known_account;
use super::stop::{HangUp, HangUps, StopSignals};
use super::values::bind;
use crate::config;
use crate::deck::metrics::Exporter;
use crate::deck::{self, Options, Prepared, Receive};
use crate::domain::ListenerStatus;
use crate::ledger::Status;
use crate::net::{self, EventSender};

/// A receiver that is down this long ends the program, so that its supervisor can restart it.
const DOWN_MAX: Duration = Duration::from_secs(15);
/// So does one that does not start within this time. A keyring may ask for a password first.
const UP_MAX: Duration = Duration::from_mins(1);
/// How long the end waits for a slow reader of stdout.
const PATIENCE: Duration = Duration::from_millis(400);

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
stderr. SIGTERM exits with 0, Ctrl-C with 130. SIGHUP, or a change of the config file, reloads it while the port stays \
open. If the receiver fails permanently, tilldeck exits with 2.";

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
        if let Some(name) = settings.account() {
            let accounts = deck::accounts(&settings.profile, &settings.global.vault()?);
            known_account("--account", name, &accounts)?;
        }
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
        let passes = matches!(status, Status::Away { passes: true, .. });
        if let (Some(why), false) = (status.failure(), passes) {
            return Err(nothing_saved(why, &status).into());
        }
        let counted = exporter.as_ref().map(|exporter| exporter.metrics.clone());
        let printing = Printing::start(out, settings.clock.clone(), events, counted);
        if let Some(exporter) = &exporter {
            printing.note(Note::Words(Tone::Dim, "metrics", exporter.url()));
        }
        let mut service = Service {
            deck,
            settings: settings.clone(),
            events: events_to,
            closing: TaskTracker::new(),
            ending: CancellationToken::new(),
            receiving: Receiving::default(),
        };
        let ended = loop {
            let clock = &settings.clock;
            let scrapes = async {
                match &mut exporter {
                    Some(exporter) => exporter.serve(&service.deck, || clock.now()).await,
                    None => std::future::pending().await,
                }
            };
            let receiving = &mut service.receiving;
            let signal = tokio::select! {
                signal = receiving.run(&service.deck, &printing, &mut signals) => signal,
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

    fn options(&self, settings: &Settings) -> Result<Options, Problem> {
        let options = settings.options()?;
        if options.overrides.read_only && !settings.profile.built_in {
            return Err(usage(
                "--ledger sqlite opens this machine's own ledger for reading, so no callback can be saved",
                "run `listen` without it: while the shared ledger is away, it answers 503, and the provider sends again",
            ));
        }
        let forward = forwards(&self.forward_to, settings)?;
        let configured = settings.config.callbacks.bind;
        let bind = self.bind.or(configured).unwrap_or(config::LISTEN);
        if let Some((_, url)) = forward.iter().find(|(_, url)| deck::leads_back(url, bind)) {
            return Err(usage(
                format!("--forward-to {url} leads back to this receiver, which listens at {bind}"),
                "name the address of the shop's server",
            ));
        }
        let receive = Receive {
            bind: Some(bind),
            forward,
            trusted_proxies: settings.config.callbacks.trusted_proxies.clone(),
            every: true,
            ..Receive::default()
        };
        Ok(Options {
            // A service runs unattended, so tokens are renewed before a callback needs them.
            renew: true,
            receive: Some(receive),
            ..options
        })
    }
}

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
    Reload,
}

struct Service {
    deck: Deck,
    settings: Settings,
    events: EventSender,
    /// The earlier decks, which may still run programs for an event.
    closing: TaskTracker,
    /// Whether the program ends.
    ending: CancellationToken,
    receiving: Receiving,
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
        let unchanged = before.profile.unchanged(&self.settings.profile);
        let options = Options {
            events: Some(self.events.clone()),
            handover: self.deck.hand_over(&unchanged, prepared),
            ..options
        };
        self.deck.stop_receiver().await;
        self.deck.finish_tokens().await;
        let fresh = Deck::open(&self.settings.profile, options).await?;
        let old = std::mem::replace(&mut self.deck, fresh);
        let ending = self.ending.clone();
        self.closing.spawn(async move {
            old.stop_receiving().await;
            old.finish_hooks_until(&ending).await;
            old.close().await;
        });
        let accounts: Vec<String> = self.deck.accounts().map(|it| it.id.to_string()).collect();
        let restarted = match self.deck.simulator_url() {
            Some(_) => "; the built-in simulator was restarted",
            None => "",
        };
        let words = format!("accounts: {}{restarted}", accounts.join(", "));
        printing.note(Note::Words(Tone::Good, "reloaded:", words));
        Ok(())
    }

    /// Reads the configuration again, with what a new deck needs; `None` where this one can go on with it.
    async fn next(
        &self,
        command: &Listen,
    ) -> Result<(Settings, Options, Option<Prepared>), Problem> {
        let fresh = self.settings.read_again(&self.settings.profile.name)?;
        let options = command.options(&fresh)?;
        // The built-in profile receives as the file says, too.
        let receives_alike = self.settings.config.callbacks == fresh.config.callbacks;
        let prepared = if receives_alike && self.settings.has_deck_of(&fresh) {
            None
        } else {
            Some(self.deck.prepare(&options).await?)
        };
        Ok((fresh, options, prepared))
    }

    /// Callbacks answered by now are saved, and printed as well; but a blocked reader does not delay the end.
    async fn close(self) {
        self.closing.close();
        self.ending.cancel();
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
                let known = known_account("--forward-to", name, &accounts)?;
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

#[derive(Default)]
struct Receiving {
    health: Health,
    /// The URL that was printed last.
    greeted: Option<String>,
}

impl Receiving {
    /// Runs until a signal or a change of the configuration, or until no callbacks can be received.
    async fn run(
        &mut self,
        deck: &Deck,
        printing: &Printing,
        signals: &mut Signals,
    ) -> Result<Signal, Problem> {
        let Self { health, greeted } = self;
        let mut listening = deck.listening();
        let mut ledger = deck.ledger().status_changes();
        let too_long = tokio::time::sleep(UP_MAX);
        tokio::pin!(too_long);
        let mut was_away = false;
        loop {
            let status = ledger.borrow_and_update().clone();
            // A database that other machines use as well comes back by itself; until then callbacks are answered 503.
            let is_away = matches!(status, Status::Away { passes: true, .. });
            match listening.borrow_and_update().clone() {
                ListenerStatus::Up { url, .. } => {
                    health.receiver = None;
                    if greeted.as_ref() != Some(&url) {
                        *greeted = Some(url.clone());
                        printing.note(Note::greeting(url, deck));
                    }
                }
                ListenerStatus::Elsewhere { url } => {
                    let what =
                        format!("another tilldeck on this machine receives callbacks at {url}");
                    let hint = "end it, or choose another address with --bind";
                    if greeted.is_none() {
                        return Err(local(what, hint));
                    }
                    health.receiver = Some((what, hint.to_owned()));
                }
                // Down before the first success is a wrong address, which no retry corrects.
                ListenerStatus::Down { address, why, .. } if greeted.is_none() => {
                    return Err(local(format!("cannot receive callbacks at {address}"), why));
                }
                ListenerStatus::Down { address, why, .. } => {
                    let what = format!("cannot receive callbacks at {address}");
                    health.receiver = Some((what, why));
                }
                ListenerStatus::Off => {}
            }
            health.warn(&status, printing);
            let failure = status.failure().map(str::to_owned);
            health.ledger = failure.map(|why| ("cannot save callbacks".into(), why));
            // The downtime counts from the first report, or from the database's return: the next probe is still to come.
            let is_back = std::mem::replace(&mut was_away, is_away) && !is_away;
            let is_new = health.print(printing);
            if is_new && greeted.is_none() {
                printing.turned_away(deck.port_url());
            }
            if is_new || is_away || is_back {
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
                () = &mut too_long, if !is_away && (greeted.is_none() || health.is_down()) => {
                    return Err(health.too_long());
                }
            }
        }
    }
}

fn nothing_saved(why: &str, status: &Status) -> Problem {
    local(
        format!("cannot save callbacks, so none is received: {why}"),
        match status {
            Status::Away { .. } => {
                "check the database with `tilldeck ledger status`, then start it again"
            }
            _ => "make sure that the disk has space and that this user may write the folder",
        },
    )
}

fn receiver_stopped() -> Problem {
    local(
        "the callback receiver stopped",
        "start it again; every callback with the response 200 is saved",
    )
}
