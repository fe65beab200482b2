//! The main loop: waits for messages, updates the model, runs effects, draws if something changed.

mod attention;
mod clipboard;
mod doctor;
mod inbound;
mod input;
mod message;
mod perform;
mod plain;
mod requests;
mod tasks;
pub mod terminal;

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::future::poll_fn;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use rustix::termios::{Action, QueueSelector, tcflow, tcflush};
use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP, SIGTSTP,
    SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::clock::{Clock, time_zone};
use crate::config::{Environ, Notify, Profile};
use crate::deck::{Deck, Follower, News, Options};
use crate::domain::{
    AccountId, Environment, Exchange, ExchangeId, PaymentId, Problem, Search, Watchlist,
};
use crate::ledger::Status;
use crate::net::{self, EventReceiver};
use crate::tui::msg::{LEDGER, Level, Notice, Ready};
use crate::tui::{self, Effect, Model, Msg, ScreenState};
use attention::Attention;
use clipboard::Multiplexer;
pub use doctor::examine;
pub use message::clock_warning;
pub use plain::{PlainStart, run_plain};
use tasks::Tasks;
use terminal::Entered;

/// How many exchanges the request log loads first.
const LOG_FIRST: usize = 200;
/// The most messages before a frame is drawn: a flood must not block the screen.
const MESSAGES_A_FRAME: usize = 256;
/// The least time between two frames that show news. Data comes in bursts; a key is answered at once.
const FRAME: Duration = Duration::from_millis(25);
/// How long the ledger may take to write its last rows at exit.
const CLOSING: Duration = Duration::from_secs(2);

/// How long the screen may take to react to a signal before its pending output is discarded.
const UNBLOCK_AFTER: Duration = Duration::from_millis(200);

/// What the console needs.
pub struct Start {
    /// The console's model before its first frame.
    pub model: Model,
    /// The profile to open in the background.
    pub profile: Profile,
    /// The deck's options; `events` is set here.
    pub options: Options,
    /// The requests of a recording, to show in place of the ledger's.
    pub recording: Option<Vec<Exchange>>,
    /// Whether real accounts are verified at start without asking.
    pub verify_on_start: bool,
    /// How the terminal shows that something needs attention.
    pub notify: BTreeSet<Notify>,
    /// Starts the support log; called after the first frame.
    pub start_log: Box<dyn FnOnce()>,
    /// Saves the screen for the next start; called when the operator has quit.
    pub save_screen: Box<dyn FnOnce(&ScreenState)>,
}

/// How the console ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The operator quit.
    Left,
    /// A signal interrupted it.
    Interrupted,
}

/// Runs the console until it ends. Draws the first frame before it opens anything: the ledger, the network, the
/// secrets, the simulator, even threads. Only signal handlers come first: an early signal would otherwise leave the
/// terminal in raw mode.
///
/// # Errors
/// If there is no terminal, or it disconnects.
pub fn run(mut start: Start) -> io::Result<Ended> {
    let early = Arc::new(AtomicBool::new(false));
    for signal in ENDING {
        signal_hook::flag::register(signal, early.clone())?;
    }
    let mut entered = Entered::new(start.model.mouse_wanted())?;
    let size = entered.area();
    let now = start.options.clock.now();
    let mut effects = tui::update(
        &mut start.model,
        now,
        Msg::Resized {
            width: size.width,
            height: size.height,
        },
    );
    entered
        .screen
        .draw(|frame| tui::view(&start.model, now, frame))?;
    start.model.take_dirty();

    (start.start_log)();
    // This thread draws, and waits while the terminal takes no output; the other one still answers callbacks. A third
    // would only be woken more often.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let (signals, changes) = {
        let _inside = runtime.enter();
        (Signals::new()?, Changes::new()?)
    };
    if early.load(Ordering::SeqCst) {
        return Ok(Ended::Interrupted);
    }
    // Bounded: a flood of events makes its senders wait instead of filling the memory.
    let (messages, inbox) = mpsc::channel(1024);
    input::start(messages.clone())?;
    let ended = runtime.block_on(async {
        let console = Console {
            entered,
            model: start.model,
            clock: start.options.clock.clone(),
            messages,
            inbox,
            signals,
            changes,
            attention: Attention::new(start.notify, &Environ::process()),
            save_screen: start.save_screen,
        };
        let opening = Opening {
            profile: start.profile,
            options: start.options,
            recording: start.recording,
            verify: start.verify_on_start,
        };
        console.run(opening, &mut effects).await
    });
    runtime.shutdown_background();
    match ended {
        // The terminal has disconnected, and SIGHUP follows a moment later. Which error appears depends on the first
        // call that noticed.
        Err(_) if !io::stdout().is_terminal() => Ok(Ended::Interrupted),
        ended => ended,
    }
}

struct Console {
    entered: Entered,
    model: Model,
    clock: Clock,
    messages: mpsc::Sender<Msg>,
    inbox: mpsc::Receiver<Msg>,
    signals: Signals,
    changes: Changes,
    attention: Attention,
    save_screen: Box<dyn FnOnce(&ScreenState)>,
}

impl Console {
    async fn run(mut self, opening: Opening, effects: &mut Vec<Effect>) -> io::Result<Ended> {
        let mut tasks = Tasks::default();
        let unblocking = tokio::spawn(unblock(Signals::new()?));
        if !self.entered.fits()? {
            // It may have been resized before the signal handler was installed.
            self.repaint(effects)?;
        }
        let (opened_to, mut opened) = mpsc::channel(1);
        tasks.start(opening.open(self.messages.clone(), opened_to));
        let mut deck: Option<Arc<Deck>> = None;
        let mut early = Vec::new();
        // No frame of news is drawn earlier.
        let mut next_frame = Duration::ZERO;
        let mut is_input = false;
        let ended = 'run: loop {
            for effect in effects.drain(..) {
                if effect == Effect::Quit {
                    break 'run Ended::Left;
                }
                let Some(effect) = self.on_terminal(effect)? else {
                    continue;
                };
                match &deck {
                    Some(deck) => perform::perform(effect, deck, &mut tasks, &self.messages),
                    // Performed as soon as the deck is open.
                    None => early.push(effect),
                }
            }
            let now = self.clock.now();
            // While stopped, the terminal belongs to the shell.
            let may_draw = terminal::is_taken() && (is_input || now.mono >= next_frame);
            if may_draw && self.model.take_dirty() {
                self.entered
                    .screen
                    .draw(|frame| tui::view(&self.model, now, frame))?;
                for effect in self.model.notify(now) {
                    self.on_terminal(effect)?;
                }
                next_frame = now.mono + FRAME;
            }
            is_input = false;
            let rest = next_frame.saturating_sub(now.mono);
            let frame = (self.model.is_dirty() && !rest.is_zero()).then_some(rest);
            let wake = self.model.next_wake(now).into_iter().chain(frame).min();
            tokio::select! {
                message = self.inbox.recv() => {
                    let Some(mut message) = message else { break Ended::Left };
                    // One frame for all that has arrived, with a limit, so that a flood does not freeze the screen.
                    for _ in 0..MESSAGES_A_FRAME {
                        is_input |= message.is_input();
                        effects.extend(tui::update(&mut self.model, self.clock.now(), message));
                        let Ok(next) = self.inbox.try_recv() else { break };
                        message = next;
                    }
                }
                Some(()) = self.changes.stop.recv() => effects.push(Effect::Suspend),
                Some(()) = self.changes.continued.recv() => {
                    self.entered.resume()?;
                    self.repaint(effects)?;
                    is_input = true;
                }
                Some(()) = self.changes.resized.recv() => if terminal::is_taken() {
                    self.repaint(effects)?;
                    is_input = true;
                },
                Some(open) = opened.recv() => {
                    deck = Some(open);
                    effects.append(&mut early);
                }
                () = sleep(wake) => effects.extend(tui::update(&mut self.model, self.clock.now(), Msg::Woke)),
                ended = self.signals.any() => {
                    tracing::info!("a signal ends the console");
                    break ended;
                }
            }
        };
        // Restore the screen first: the following steps may take a moment.
        if ended == Ended::Interrupted {
            // The restore sequence must not be discarded with the pending output.
            unblocking.abort();
            let _ = unblocking.await;
            // Discard keys that were meant for the console, so that the shell does not get them.
            discard(QueueSelector::IOFlush);
            drop(self.entered);
        } else {
            drop(self.entered);
            unblocking.abort();
            (self.save_screen)(&self.model.screen_state());
        }
        close(tasks, self.inbox, deck).await;
        Ok(ended)
    }

    /// Performs an effect on the terminal; returns any other one.
    fn on_terminal(&mut self, effect: Effect) -> io::Result<Option<Effect>> {
        match effect {
            Effect::Suspend => self.entered.suspend()?,
            Effect::Bell => self.entered.write(self.attention.bell())?,
            Effect::Notify(text) => self.entered.write(&self.attention.notification(&text))?,
            Effect::SetTitle(title) => {
                if let Some(title) = self.attention.title(&title) {
                    self.entered.set_title(title)?;
                }
            }
            Effect::AskBackground => self.entered.ask_background()?,
            Effect::Copy { text, what } => {
                let between = Multiplexer::of(&Environ::process());
                self.entered.write(&between.sequence(text.expose()))?;
                let done = Ok(between.done(what));
                // This task empties the channel: waiting here for room would block for ever.
                let _ = self.messages.try_send(Msg::Done(done));
            }
            effect => return Ok(Some(effect)),
        }
        Ok(None)
    }

    /// Redraws everything in the terminal's current size.
    fn repaint(&mut self, effects: &mut Vec<Effect>) -> io::Result<()> {
        self.entered.repaint()?;
        let area = self.entered.area();
        let message = Msg::Resized {
            width: area.width,
            height: area.height,
        };
        effects.extend(tui::update(&mut self.model, self.clock.now(), message));
        Ok(())
    }
}

/// Ends the tasks, whose requests the ledger still records, and closes the deck.
async fn close(tasks: Tasks, inbox: mpsc::Receiver<Msg>, deck: Option<Arc<Deck>>) {
    let _ = tokio::time::timeout(CLOSING, tasks.stop()).await;
    // No task reads events any more, and senders must not wait for one.
    drop(inbox);
    if let Some(deck) = deck {
        let _ = tokio::time::timeout(CLOSING, deck.stop_receiving()).await;
        let _ = tokio::time::timeout(CLOSING, deck.finish_tokens()).await;
        // For as long as they may run: one that delivers goods must not end half-way.
        deck.end_hooks().await;
        let _ = tokio::time::timeout(CLOSING, deck.ledger().close()).await;
    }
}

/// After a signal, discards the terminal's pending output: the screen's thread may block in a write and would not
/// notice the signal.
async fn unblock(mut signals: Signals) -> ! {
    signals.any().await;
    loop {
        tokio::time::sleep(UNBLOCK_AFTER).await;
        discard(QueueSelector::OFlush);
    }
}

/// Discards pending output and input, and wakes a blocked write.
fn discard(queue: QueueSelector) {
    let terminal = io::stdout();
    let _ = tcflush(&terminal, queue);
    // A blocked write wakes only when output is restarted.
    let _ = tcflow(&terminal, Action::OOff);
    let _ = tcflow(&terminal, Action::OOn);
}

async fn sleep(wake: Option<Duration>) {
    match wake {
        Some(wake) => tokio::time::sleep(wake).await,
        None => std::future::pending().await,
    }
}

/// Opens the deck and runs effects, after the first frame.
struct Opening {
    profile: Profile,
    options: Options,
    recording: Option<Vec<Exchange>>,
    verify: bool,
}

impl Opening {
    async fn open(self, messages: mpsc::Sender<Msg>, opened: mpsc::Sender<Arc<Deck>>) {
        let (events_to, events) = net::events::channel();
        let options = Options {
            events: Some(events_to),
            renew: true,
            ..self.options
        };
        let opening = match self.recording {
            Some(requests) => Deck::open_recording(&self.profile, options, requests).await,
            None => Deck::open(&self.profile, options).await,
        };
        let deck = match opening {
            Ok(deck) => Arc::new(deck),
            Err(problem) => {
                tracing::error!(why = problem.message, "the profile cannot be opened");
                let _ = messages.send(Msg::NotReady(problem)).await;
                return;
            }
        };
        tokio::spawn(relay(events, messages.clone()));
        // Before anything is read that it goes on from.
        let follower = Follower::new(&deck).await;
        let (ready, list) = ready(&deck, self.verify, &messages).await;
        let follow = follow_ledger(deck.ledger().clone(), messages.clone());
        // Before any request, so that later gauges are newer.
        for (account, gauge) in deck.gauges().await {
            let _ = messages.send(Msg::Budget { account, gauge }).await;
        }
        let parts = deck.simulator_parts();
        let _ = opened.send(deck.clone()).await;
        let newest = ready.log.first().map_or(ExchangeId(0), |newest| newest.id);
        let _ = messages.send(Msg::Ready(ready)).await;
        let _ = messages.send(Msg::Simulator(parts)).await;
        for account in deck.accounts() {
            // Read only once it can be sent; later changes are sent later.
            let Ok(room) = messages.reserve().await else {
                break;
            };
            let mut known = deck.tokens().into_iter();
            if let Some((account, status)) = known.find(|(id, _)| *id == account.id) {
                room.send(Msg::Token { account, status });
            }
        }
        let watchlist = follow_watchlist(deck.clone(), list, messages.clone());
        let others = follow_others(deck, follower.after(newest), messages);
        tokio::join!(follow, watchlist, others);
    }
}

async fn ready(deck: &Arc<Deck>, verify: bool, messages: &mpsc::Sender<Msg>) -> (Ready, Watchlist) {
    let log = match deck.requests(None, Search::default(), LOG_FIRST).await {
        Ok(found) => found.rows,
        Err(problem) => {
            let _ = messages.send(Msg::Log(Err(problem))).await;
            Vec::new()
        }
    };
    // Real accounts only by choice (`verify_on_start`): a verification is a request that counts against their limit.
    let unasked = |environment: Environment| verify || environment == Environment::Embedded;
    let verify: Vec<AccountId> = deck
        .accounts()
        .filter(|account| unasked(account.environment))
        .map(|account| account.id.clone())
        .collect();
    // The request log shows the ledger's problems, once.
    let deliveries = deck.deliveries(None, Search::default(), LOG_FIRST).await;
    let listening = deck.listening().borrow().clone();
    let list = deck.watchlist().await;
    let is_unread = list.is_err();
    if is_unread {
        // Even if it is empty: the console waits for it.
        deck.send_watchlist_again();
    }
    let list = list.unwrap_or_default();
    let mut watches = Vec::with_capacity(list.watches.len());
    for watch in &list.watches {
        let seen = deck.observations(&watch.account, &watch.id).await;
        watches.push((watch.clone(), seen.unwrap_or_default()));
    }
    let ready = Ready {
        deliveries: deliveries.map_or_else(|_| Vec::new(), |found| found.rows),
        listening,
        credentials: deck.remembered_credentials().await,
        watches,
        handled: list.handled.clone(),
        is_unread,
        log,
        verify,
        simulator: deck.simulator_url(),
        zone: time_zone(),
    };
    (ready, list)
}

async fn relay(mut events: EventReceiver, messages: mpsc::Sender<Msg>) {
    while let Some(event) = events.recv().await {
        if messages.send(message::message_of(event)).await.is_err() {
            return;
        }
    }
}

/// Sends the watch list whenever it differs from `known`, also after changes by other processes.
async fn follow_watchlist(deck: Arc<Deck>, mut known: Watchlist, messages: mpsc::Sender<Msg>) {
    loop {
        let list = deck.watchlist_after(&known).await;
        let mut seen = Vec::new();
        let before = known
            .watches
            .iter()
            .map(|watch| (&watch.account, &watch.id));
        let before: HashSet<(&AccountId, &PaymentId)> = before.collect();
        for watch in &list.watches {
            if !before.contains(&(&watch.account, &watch.id))
                && let Ok(observations) = deck.observations(&watch.account, &watch.id).await
            {
                let key = (watch.account.clone(), watch.id.clone());
                seen.push((key, observations));
            }
        }
        known = list.clone();
        if messages.send(Msg::Watchlist { list, seen }).await.is_err() {
            return;
        }
    }
}

/// Sends what other programs that share the ledger have saved, and what they leave of the rate limits.
async fn follow_others(deck: Arc<Deck>, mut follower: Follower, messages: mpsc::Sender<Msg>) {
    loop {
        let News {
            requests,
            observations,
        } = follower.next(&deck).await;
        let shared = Msg::Shared {
            exchanges: requests.into_iter().map(Arc::new).collect(),
            observations,
        };
        if messages.send(shared).await.is_err() {
            return;
        }
        for (account, gauge) in deck.gauges().await {
            let _ = messages.send(Msg::Budget { account, gauge }).await;
        }
    }
}

/// Notifies the operator when the ledger cannot save, and when it works again.
async fn follow_ledger(ledger: crate::ledger::Ledger, messages: mpsc::Sender<Msg>) {
    let mut changes = ledger.status_changes();
    let mut reported = false;
    loop {
        let status = ledger.status().await;
        let (level, text) = match &status {
            Status::Ready if reported => (Level::Info, "the ledger can be used again".to_owned()),
            Status::Ready | Status::Opening => (Level::Info, String::new()),
            Status::Locked => (
                Level::Warning,
                "waiting: another program has locked the ledger's database".to_owned(),
            ),
            Status::SetAside { .. } => (Level::Warning, status.warning().unwrap_or_default()),
            Status::Degraded { .. } | Status::Away { .. } => {
                (Level::Error, status.warning().unwrap_or_default())
            }
        };
        if !text.is_empty() {
            reported = true;
            let notice = Notice {
                level,
                about: LEDGER.into(),
                text,
            };
            if messages.send(Msg::Notice(notice)).await.is_err() {
                return;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Signals that end a process by default and can be handled.
const ENDING: [i32; 13] = [
    SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGALRM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGPROF,
    SIGXCPU, SIGSYS, SIGTRAP,
];

struct Signals(Vec<Signal>);

impl Signals {
    fn new() -> io::Result<Self> {
        let kinds = ENDING.map(SignalKind::from_raw);
        kinds
            .into_iter()
            .map(signal)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    async fn any(&mut self) -> Ended {
        poll_fn(|context| {
            let mut all = self.0.iter_mut();
            if all.any(|signal| signal.poll_recv(context).is_ready()) {
                Poll::Ready(Ended::Interrupted)
            } else {
                Poll::Pending
            }
        })
        .await
    }
}

/// Signals about the terminal's state. Not TTIN and TTOU: they mean that another process group owns the terminal, and a
/// handler instead of a stop would retry for ever.
struct Changes {
    stop: Signal,
    continued: Signal,
    resized: Signal,
}

impl Changes {
    fn new() -> io::Result<Self> {
        Ok(Self {
            stop: signal(SignalKind::from_raw(SIGTSTP))?,
            continued: signal(SignalKind::from_raw(SIGCONT))?,
            resized: signal(SignalKind::window_change())?,
        })
    }
}

/// Why the console cannot run here; `None` if it can. `term` is the variable `TERM`.
#[must_use]
pub fn no_terminal(term: Option<&OsStr>) -> Option<Problem> {
    let term = term.unwrap_or(OsStr::new("vt100"));
    let why = if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        "input or output is redirected".to_owned()
    } else if term.is_empty() {
        "TERM is empty".to_owned()
    } else if term == "dumb" || term == "unknown" {
        format!("TERM={} cannot move its cursor", term.display())
    } else {
        return None;
    };
    Some(Problem::new(
        crate::domain::ProblemKind::Local,
        format!("the console needs a terminal: {why}"),
        "`tilldeck --plain` prints lines in its place. These commands work without it, too: check, payments, estimate, link, \
         account, token, player, budget, request, log, listen, replay, sandbox serve; `tilldeck --help` explains them",
    ))
}
