//! `listen`: the callback receiver without the console.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::json;

use super::args::Listen;
use super::output::{Out, OutputError, Tone};
use super::{Context, Exit, deliveries, sandbox, warn};
use crate::config;
use crate::deck::{self, Deck, Options, Receive};
use crate::domain::{
    AccountId, Delivery, DeliveryId, Errand, ErrandId, Listening, Problem, ProblemKind, WallTime,
    inert,
};
use crate::ledger::Status;
use crate::net::{self, Event, EventReceiver};

/// A receiver that was down for so long ends the program, so that whoever watches over it notices.
const DOWN_MAX: Duration = Duration::from_secs(15);
/// One that does not come up in so long does, too. A keyring may ask its owner for a password first.
const UP_MAX: Duration = Duration::from_mins(1);
/// So many deliveries are remembered as printed.
const TOLD_MAX: usize = 16_384;

pub async fn run(args: &Listen, context: &Context, out: &Out) -> Result<Exit, OutputError> {
    let forward = match forwards(&args.forward_to, context) {
        Ok(forward) => forward,
        Err(problem) => return out.fail(&problem),
    };
    let configured = context.config.callbacks.bind;
    let receive = Receive {
        bind: Some(args.bind.or(configured).unwrap_or(config::LISTEN)),
        forward,
        every: true,
        ..Receive::default()
    };
    let (events_to, events) = net::events::channel();
    let options = match context.options() {
        Ok(options) => Options {
            events: Some(events_to),
            renew: true,
            receive: Some(receive),
            ..options
        },
        Err(problem) => return out.fail(&problem),
    };
    let deck = match Deck::open(&context.profile, options).await {
        Ok(deck) => deck,
        Err(problem) => return out.fail(&problem),
    };
    if let Status::Degraded { why } = deck.ledger().status().await {
        return out.fail(&nothing_kept(&why));
    }
    let mut printer = Printer {
        out,
        zone: TimeZone::system(),
        since: context.clock.now().wall,
        told: BTreeMap::new(),
        events,
    };
    let done = printer.listen(&deck).await;
    // What was answered by now is kept, and is printed as well.
    let done = {
        let stopping = deck.stop_receiving();
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                biased;
                Some(event) = printer.events.recv() => drop(printer.hear(event)),
                () = &mut stopping => break done,
            }
        }
    };
    while let Some(event) = printer.events.try_recv() {
        let _ = printer.hear(event);
    }
    drop(printer);
    warn(&deck, out).await;
    deck.close().await;
    done
}

/// Where callbacks are handed on to, by account.
fn forwards(
    written: &[String],
    context: &Context,
) -> Result<Vec<(Option<AccountId>, reqwest::Url)>, Problem> {
    let mut forwards: Vec<(Option<AccountId>, reqwest::Url)> = Vec::new();
    let vault = super::vault(&context.global)?;
    let accounts = deck::accounts(&context.profile, &vault);
    for text in written {
        // The `=` of a query comes after the scheme.
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
        if forwards.iter().any(|(of, _)| *of == account) {
            return Err(Problem::new(
                ProblemKind::Usage,
                match account {
                    Some(account) => format!("--forward-to is given twice for account {account}"),
                    None => "--forward-to is given twice for all accounts".to_owned(),
                },
                "callbacks are handed on to one server; let that one hand them on further",
            ));
        }
        forwards.push((account, deck::target(url)?));
    }
    Ok(forwards)
}

fn no_account(name: &str, accounts: &[crate::domain::Account]) -> Problem {
    let names: Vec<&str> = accounts.iter().map(|account| account.id.as_str()).collect();
    Problem::new(
        ProblemKind::Usage,
        format!("--forward-to names no account: {}", inert::quoted(name, 64)),
        format!("the accounts are: {}", names.join(", ")),
    )
}

/// Prints what is received and what becomes of it.
struct Printer<'a> {
    out: &'a Out,
    zone: TimeZone,
    /// Since when deliveries are new.
    since: WallTime,
    /// The newest that were printed, with the tries of their errands that were told of.
    told: BTreeMap<DeliveryId, Vec<(ErrandId, u32)>>,
    events: EventReceiver,
}

impl Printer<'_> {
    /// Until interrupted, or nothing can be received any more.
    async fn listen(&mut self, deck: &Deck) -> Result<Exit, OutputError> {
        let mut listening = deck.listening();
        let mut ledger = deck.ledger().status_changes();
        let stopped = sandbox::wait_for_stop();
        let too_long = tokio::time::sleep(UP_MAX);
        tokio::pin!(stopped, too_long);
        let mut health = Health::default();
        let mut greeted = false;
        loop {
            match listening.borrow_and_update().clone() {
                Listening::Up { url, .. } => {
                    health.receiver = None;
                    if !greeted {
                        greeted = true;
                        self.greet(&url, deck)?;
                    }
                }
                Listening::Down { address, why, .. } if !greeted => {
                    return self.out.fail(&Problem::new(
                        ProblemKind::Local,
                        format!("callbacks cannot be received at {address}"),
                        why,
                    ));
                }
                Listening::Down { address, why, .. } => {
                    let what = format!("nothing is received at {address}");
                    health.receiver = Some((what, why));
                }
                Listening::Off => {}
            }
            health.ledger = match ledger.borrow_and_update().clone() {
                Status::Degraded { why } => Some(("callbacks cannot be kept".into(), why)),
                Status::Opening | Status::Ready | Status::SetAside { .. } => None,
            };
            // What goes on being down is down since it was told first.
            if self.note(&mut health) {
                let limit = if greeted { DOWN_MAX } else { UP_MAX };
                too_long.set(tokio::time::sleep(limit));
            }
            tokio::select! {
                biased;
                exit = &mut stopped => return Ok(exit),
                changed = listening.changed() => if changed.is_err() {
                    return self.out.fail(&gone());
                },
                changed = ledger.changed() => if changed.is_err() {
                    return self.out.fail(&gone());
                },
                () = &mut too_long, if !greeted || health.is_down() => {
                    return self.out.fail(&health.too_long());
                }
                Some(event) = self.events.recv() => self.hear(event)?,
            }
        }
    }

    fn greet(&self, url: &str, deck: &Deck) -> Result<(), OutputError> {
        if self.out.json {
            return self.out.object(&json!({ "url": url }));
        }
        self.out.line(url)?;
        for account in deck.accounts() {
            let path = format!("{url}/callbacks/{}", account.id);
            self.out.tell(Tone::Strong, account.provider_title, &path);
        }
        if let Some(simulator) = deck.simulator_url() {
            self.out.tell(Tone::Dim, "simulator", &simulator);
        }
        self.out.say("Ctrl-C stops it");
        Ok(())
    }

    /// Tells what has changed; whether it went down just now.
    fn note(&self, health: &mut Health) -> bool {
        let told = health.down().map(|(what, _)| what.clone());
        if told == health.told {
            return false;
        }
        let was_down = health.told.is_some();
        match health.down() {
            Some((what, why)) => self.out.tell(Tone::Bad, "down:", &format!("{what}: {why}")),
            None => {
                self.out
                    .tell(Tone::Good, "up:", "callbacks are received again");
            }
        }
        health.told = told;
        health.is_down() && !was_down
    }

    fn hear(&mut self, event: Event) -> Result<(), OutputError> {
        match event {
            Event::Delivery(delivery) => self.delivery(&delivery),
            Event::Warning { text, .. } => {
                self.out.tell(Tone::Warn, "warning:", &text);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A delivery that is new, or one about which something was done. Of those of earlier runs only that is told.
    fn delivery(&mut self, delivery: &Delivery) -> Result<(), OutputError> {
        let told = self.told.remove(&delivery.id);
        if told.is_none() && delivery.received_at >= self.since {
            deliveries::print(std::slice::from_ref(delivery), &self.zone, self.out)?;
        } else {
            let told = told.unwrap_or_default();
            for errand in &delivery.errands {
                let before = told.iter().find(|(id, _)| *id == errand.id);
                let news = errand.tries > before.map_or(0, |(_, tries)| *tries)
                    && errand.tried_at.is_some_and(|at| at >= self.since);
                if news {
                    self.errand(delivery, errand)?;
                }
            }
        }
        let tries = delivery.errands.iter();
        let tries = tries.map(|errand| (errand.id, errand.tries)).collect();
        self.told.insert(delivery.id, tries);
        if self.told.len() > TOLD_MAX {
            self.told.pop_first();
        }
        Ok(())
    }

    fn errand(&self, delivery: &Delivery, errand: &Errand) -> Result<(), OutputError> {
        let line = format!("{:>5}  {}", delivery.id.0, deliveries::in_words(errand));
        let line = inert::line(&line);
        if self.out.json {
            self.out.say(&line);
            return Ok(());
        }
        self.out.line(&line)
    }
}

/// What keeps callbacks from being received: in a few words, and why.
type Ill = (String, String);

/// How the receiver and what it rests on fare.
#[derive(Default)]
struct Health {
    receiver: Option<Ill>,
    ledger: Option<Ill>,
    /// What was told last.
    told: Option<String>,
}

impl Health {
    fn down(&self) -> Option<&Ill> {
        self.receiver.as_ref().or(self.ledger.as_ref())
    }

    fn is_down(&self) -> bool {
        self.down().is_some()
    }

    fn too_long(&self) -> Problem {
        match self.down() {
            Some((what, why)) => Problem::new(ProblemKind::Local, what.clone(), why.clone()),
            None => Problem::new(
                ProblemKind::Local,
                "the receiver does not begin to receive",
                "look whether a keyring waits for its password",
            ),
        }
    }
}

/// The state folder cannot be used.
fn nothing_kept(why: &str) -> Problem {
    Problem::new(
        ProblemKind::Local,
        format!("callbacks cannot be kept, and so none is received: {why}"),
        "make room, or name another folder with --state-dir",
    )
}

fn gone() -> Problem {
    Problem::new(
        ProblemKind::Local,
        "the receiver has ended",
        "start it again; what was answered 200 is kept",
    )
}
