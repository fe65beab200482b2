//! The main loop: waits for messages, updates the model, runs effects, draws if something changed.

mod attention;
mod clipboard;
mod doctor;
mod feed;
mod first_account;
mod input;
mod message;
mod perform;
mod plain;
mod reload;
mod running;
mod source;
mod tasks;
pub mod terminal;

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
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::Environ;
use crate::domain::Problem;
use crate::domain::manage::Change;
use crate::tui::{self, Effect, Model, Msg};
use attention::Attention;
use clipboard::Multiplexer;
pub use doctor::examine;
use first_account::Added;
use input::Input;
pub use message::clock_warning;
pub use plain::{PlainStart, run_plain};
use reload::Preparing;
use running::Running;
pub use source::{NoProfiles, ProfileSource, ProfileStart, Reload};
use terminal::TerminalGuard;

/// The most messages before a frame is drawn: a flood must not block the screen.
const MESSAGES_A_FRAME: usize = 256;
/// The least time between two frames that show news. Data comes in bursts; a key is answered at once.
const FRAME: Duration = Duration::from_millis(25);

/// How long the screen may take to react to a signal before its pending output is discarded.
const UNBLOCK_AFTER: Duration = Duration::from_millis(200);

/// How long Ctrl-Z waits for the responses to requests that hold their API key's lock.
const SUSPEND_WITHIN: Duration = Duration::from_secs(2);

/// What the console needs.
pub struct Start {
    /// The profile that it opens first, in the background.
    pub first: ProfileStart,
    /// The other profiles, and changes of the configuration.
    pub source: Arc<dyn ProfileSource>,
    /// Starts the support log; called after the first frame.
    pub start_log: Box<dyn FnOnce()>,
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
pub fn run(start: Start) -> io::Result<Ended> {
    let Start {
        mut first,
        source,
        start_log,
    } = start;
    let early = Arc::new(AtomicBool::new(false));
    for signal in ENDING {
        signal_hook::flag::register(signal, early.clone())?;
    }
    // Until it is waited for: a hang-up shows in the terminal itself, and the configuration is read just now.
    signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
    let mut entered = TerminalGuard::new(first.model.mouse_wanted())?;
    let size = entered.area();
    let clock = first.options.clock.clone();
    let now = clock.now();
    let mut effects = tui::update(
        &mut first.model,
        now,
        Msg::Resized {
            width: size.width,
            height: size.height,
        },
    );
    entered.screen.draw(|frame| {
        tui::view(&first.model, now, frame);
    })?;
    first.model.take_dirty();

    start_log();
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
    if early.load(Ordering::SeqCst) || terminal::has_hung_up() {
        return Ok(Ended::Interrupted);
    }
    let input = Input::start()?;
    let ended = runtime.block_on(async {
        let (added_to, added) = mpsc::channel(1);
        let console = Console {
            entered,
            model: first.model.clone(),
            clock,
            input,
            screen_changes: None,
            attention: Attention::new(first.notify.clone(), &Environ::process()),
            running: Running::start(first),
            config_changes: source.changes(),
            source,
            reload_waits: false,
            preparing: None,
            added_to,
            added,
            signals,
            changes,
        };
        Box::pin(console.run(&mut effects)).await
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
    entered: TerminalGuard,
    model: Model,
    clock: Clock,
    /// When what was drawn last changes by itself, on the monotonic clock.
    screen_changes: Option<Duration>,
    input: Input,
    running: Running,
    source: Arc<dyn ProfileSource>,
    config_changes: mpsc::Receiver<()>,
    /// Whether a changed configuration waits.
    reload_waits: bool,
    /// The deck that a changed configuration opens, as soon as all that it needs is there.
    preparing: Option<Preparing>,
    added_to: mpsc::Sender<Added>,
    /// The accounts that were added from the built-in profile.
    added: mpsc::Receiver<Added>,
    signals: Signals,
    changes: Changes,
    attention: Attention,
}

impl Console {
    async fn run(mut self, effects: &mut Vec<Effect>) -> io::Result<Ended> {
        let unblocking = tokio::spawn(unblock(Signals::new()?));
        if !self.entered.fits()? {
            // It may have been resized before the signal handler was installed.
            self.repaint(effects)?;
        }
        // No frame of news is drawn earlier.
        let mut next_frame = Duration::ZERO;
        let mut is_input = false;
        let ended = loop {
            if self.perform_all(effects).await? {
                break Ended::Left;
            }
            // After them: they belong to the deck that is open now.
            if self.reload_waits && !self.model.is_busy() {
                self.reload(effects)?;
                continue;
            }
            let now = self.clock.now();
            // While stopped, the terminal belongs to the shell.
            let may_draw = terminal::is_taken() && (is_input || now.mono >= next_frame);
            if may_draw && self.model.take_dirty() {
                self.draw()?;
                next_frame = now.mono + FRAME;
            }
            is_input = false;
            let rest = next_frame.saturating_sub(now.mono);
            let frame = (self.model.is_dirty() && !rest.is_zero()).then_some(rest);
            let changes = self.screen_changes;
            let changes = changes.map(|at| at.saturating_sub(now.mono));
            let wakes = [self.model.next_wake(now), frame, changes];
            let wake = wakes.into_iter().flatten().min();
            tokio::select! {
                message = self.input.next() => match message {
                    Some(message) => is_input = self.take(message, effects),
                    // The terminal gives no more input.
                    None => break Ended::Interrupted,
                },
                Some(message) = self.running.inbox.recv() => is_input = self.take(message, effects),
                Some(deck) = self.running.opened.recv() => self.running.use_deck(deck),
                Some(added) = self.added.recv() => self.open_with(added, effects)?,
                Some(()) = self.config_changes.recv() => self.reload(effects)?,
                Some((start, prepared)) = reload::prepared(&mut self.preparing) => {
                    self.take_over(start, prepared, effects)?;
                }
                Some(()) = self.changes.hang_up.recv() => {
                    if terminal::has_hung_up() {
                        break Ended::Interrupted;
                    }
                    self.reload(effects)?;
                }
                Some(()) = self.changes.stop.recv() => effects.push(Effect::Suspend),
                Some(()) = self.changes.continued.recv() => {
                    self.input.take_again(|| self.entered.resume())?;
                    self.repaint(effects)?;
                    is_input = true;
                }
                Some(()) = self.changes.resized.recv() => if terminal::is_taken() {
                    self.repaint(effects)?;
                    is_input = true;
                },
                () = sleep(wake) => {
                    // Drawn anew unless the terminal belongs to the shell.
                    if changes == wake {
                        self.screen_changes = None;
                    }
                    self.update(Msg::Woke, effects);
                }
                ended = self.signals.any() => {
                    tracing::info!("a signal ends the console");
                    break ended;
                }
            }
        };
        self.end(ended, unblocking).await;
        Ok(ended)
    }

    /// Restores the terminal, then closes the profile.
    async fn end(mut self, ended: Ended, unblocking: JoinHandle<()>) {
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
            let screen = self.model.screen_state();
            let profile = &self.running.profile;
            self.source.save_screen(&profile.name, &screen);
        }
        self.running.end().await;
    }

    /// Draws a frame, and notifies the operator of what is new.
    fn draw(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        self.entered.screen.draw(|frame| {
            self.screen_changes = tui::view(&self.model, now, frame);
        })?;
        for effect in self.model.notify(now) {
            self.on_terminal(effect)?;
        }
        Ok(())
    }

    fn update(&mut self, message: Msg, effects: &mut Vec<Effect>) {
        if let Msg::AccountChanged(_, Ok(changed)) = &message {
            self.source.changed_here(changed.account());
        }
        effects.extend(tui::update(&mut self.model, self.clock.now(), message));
    }

    /// Updates the model with a message, and with those that have arrived: one frame for all, with a limit, so that a
    /// flood does not freeze the screen. Returns whether the operator caused one of them.
    fn take(&mut self, mut message: Msg, effects: &mut Vec<Effect>) -> bool {
        let mut is_input = false;
        for taken in 1..=MESSAGES_A_FRAME {
            // What is typed while the console is stopped is not for it.
            if terminal::is_taken() || !message.is_input() {
                is_input |= message.is_input();
                self.update(message, effects);
            }
            // What was typed ahead is for the next profile, or goes with the stop.
            let mut all = effects.iter();
            let is_over =
                all.any(|effect| matches!(effect, Effect::SwitchProfile(_) | Effect::Suspend));
            // Before the next is received: it would be lost.
            if is_over || taken == MESSAGES_A_FRAME {
                break;
            }
            let next = self.input.try_next();
            let Some(next) = next.or_else(|| self.running.inbox.try_recv().ok()) else {
                break;
            };
            message = next;
        }
        is_input
    }

    /// Performs the effects, and those that follow from them. Returns whether the console ends.
    async fn perform_all(&mut self, effects: &mut Vec<Effect>) -> io::Result<bool> {
        while !effects.is_empty() {
            for effect in std::mem::take(effects) {
                let Some(effect) = self.on_terminal(effect)? else {
                    continue;
                };
                match effect {
                    Effect::Quit => return Ok(true),
                    Effect::Suspend => self.suspend().await?,
                    Effect::SwitchProfile(name) => {
                        if self.switch(&name, effects)? {
                            // What follows is of the profile before.
                            break;
                        }
                    }
                    Effect::Manage(request, Change::Add(new)) if self.running.profile.built_in => {
                        self.add_first(request, *new);
                    }
                    effect => self.running.perform(effect),
                }
            }
        }
        Ok(false)
    }

    /// Performs an effect on the terminal; returns any other one.
    fn on_terminal(&mut self, effect: Effect) -> io::Result<Option<Effect>> {
        match effect {
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
                let done = Ok(between.done(&what));
                // This task empties the channel: waiting here for room would block for ever.
                let _ = self.running.messages.try_send(Msg::Done(done));
            }
            effect => return Ok(Some(effect)),
        }
        Ok(None)
    }

    /// Stops the process until its shell continues it; without a shell that could, does nothing. A stopped process that
    /// waits for a response would lock its API key for all others.
    async fn suspend(&self) -> io::Result<()> {
        if !terminal::has_job_control() {
            return Ok(());
        }
        // Also where it is not over in time, no request gets a lock before the process stops.
        let mut pause = std::pin::pin!(self.running.pause());
        let _pause = tokio::time::timeout(SUSPEND_WITHIN, &mut pause).await;
        TerminalGuard::suspend()
    }

    fn repaint(&mut self, effects: &mut Vec<Effect>) -> io::Result<()> {
        self.entered.repaint()?;
        self.fit(effects);
        Ok(())
    }

    fn fit(&mut self, effects: &mut Vec<Effect>) {
        let area = self.entered.area();
        let message = Msg::Resized {
            width: area.width,
            height: area.height,
        };
        self.update(message, effects);
    }
}

/// After a signal, discards the terminal's pending output: the screen's thread may block in a write and would not
/// notice the signal.
async fn unblock(mut signals: Signals) {
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

/// Signals that end a process by default and can be handled. SIGHUP ends the console only where the terminal is gone.
const ENDING: [i32; 12] = [
    SIGINT, SIGTERM, SIGQUIT, SIGABRT, SIGALRM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGPROF, SIGXCPU,
    SIGSYS, SIGTRAP,
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

/// Signals that the console goes on after. Not TTIN and TTOU: they mean that another process group owns the terminal, and a
/// handler instead of a stop would retry for ever.
struct Changes {
    stop: Signal,
    continued: Signal,
    resized: Signal,
    /// The terminal has hung up, or the operator wants the configuration read again.
    hang_up: Signal,
}

impl Changes {
    fn new() -> io::Result<Self> {
        Ok(Self {
            stop: signal(SignalKind::from_raw(SIGTSTP))?,
            continued: signal(SignalKind::from_raw(SIGCONT))?,
            resized: signal(SignalKind::window_change())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// Why the console cannot run here; `None` if it can. `term` is the variable `TERM`.
pub fn no_terminal(term: Option<&OsStr>) -> Option<Problem> {
    let is_redirected = !io::stdin().is_terminal() || !io::stdout().is_terminal();
    let redirected = is_redirected.then(|| "input or output is redirected".to_owned());
    let why = redirected.or_else(|| terminal::incapable(term))?;
    Some(Problem::new(
        crate::domain::ProblemKind::Local,
        format!("the console needs a terminal: {why}"),
        "`tilldeck --plain` prints lines in its place. These commands work without it, too: check, payments, estimate, link, \
         account, token, player, budget, request, log, listen, replay, sandbox serve; `tilldeck --help` explains them",
    ))
}
