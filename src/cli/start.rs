//! What a command is, and its start: reads the configuration, opens the deck, runs the command, and closes what was
//! opened. `commands!` lists commands.

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Builder;

use super::exit::{CommandResult, local, usage};
use super::global::Global;
use super::interrupt::{Interrupts, interrupted, until_stopped};
use super::limits;
use super::output::Out;
use super::prompt;
use super::settings::Settings;
use crate::clock::Clock;
use crate::config::Environ;
use crate::deck::{Deck, is_forward};
use crate::domain::{Ability, Account, Now, Problem, RequestId, Waiting, inert};
use crate::ledger::Status;
use crate::net::{Event, EventReceiver, RequestOptions};
use crate::{net, runtime, support_log};

/// A command: its arguments, with what it does. Most need a deck and are a [`DeckCommand`].
pub trait Command {
    fn execute(self, start: Start<'_>) -> CommandResult;
}

impl<C: DeckCommand> Command for C {
    fn execute(self, start: Start<'_>) -> CommandResult {
        start.with_deck(self)
    }
}

/// A command that works with the accounts of a profile.
pub trait DeckCommand: 'static {
    /// How long to wait for a response, where the config does not decide.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Runs it until it ends, or until a signal ends it.
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult;
}

#[derive(Clone, Copy)]
pub struct CommandContext<'a> {
    pub settings: &'a Settings,
    pub deck: &'a Deck,
    pub interrupts: &'a Interrupts,
    pub out: &'a Out,
}

impl CommandContext<'_> {
    /// The account of `--account`, else the only one with this ability.
    pub fn account(&self, ability: Ability) -> Result<Account, Problem> {
        self.deck.pick(self.settings.account(), Some(ability))
    }

    /// The account that an argument names, which `--account` must not contradict.
    pub fn named(&self, name: &str, ability: Option<Ability>) -> Result<Account, Problem> {
        match self.settings.account() {
            Some(other) if other != name => Err(usage(
                format!(
                    "the argument names account {}, and --account {}",
                    inert::quoted(name, 64),
                    inert::quoted(other, 64)
                ),
                "leave out --account",
            )),
            _ => self.deck.pick(Some(name), ability),
        }
    }

    /// Fails where the ledger cannot be used: what is in memory says nothing about what is saved.
    pub async fn must_read_ledger(&self) -> Result<(), Problem> {
        let status = self.deck.ledger().status().await;
        status.failure().map_or(Ok(()), |why| {
            let words = format!("tilldeck cannot read the ledger: {why}");
            Err(local(words, ""))
        })
    }

    pub fn now(&self) -> Now {
        self.settings.clock.now()
    }
}

/// The options of a request that the operator waits for.
pub fn request_options(no_wait: bool) -> RequestOptions {
    RequestOptions {
        request: RequestId(0),
        background: false,
        no_wait,
    }
}

pub struct Start<'a> {
    pub global: Global,
    /// As in [`super::console::Console`].
    pub restores: bool,
    pub commands: fn() -> clap::Command,
    pub log: LogStart,
    pub out: &'a Out,
}

impl Start<'_> {
    pub fn configured(
        self,
        command: impl FnOnce(&Settings, LogStart) -> CommandResult,
    ) -> CommandResult {
        match Settings::load(self.global) {
            Ok(settings) => command(&settings, self.log.configured(&settings)),
            Err(error) => {
                self.log.run();
                tracing::error!(why = %error, "the configuration cannot be used");
                Err(error.into())
            }
        }
    }

    /// Opens the deck, then runs the command with it, until it ends or a signal ends it.
    pub fn with_deck(self, command: impl DeckCommand) -> CommandResult {
        let timeout = command.timeout();
        self.run_with_deck(timeout, Box::new(|cx| Box::pin(command.run(cx))))
    }

    fn run_with_deck(self, timeout: Option<Duration>, run: Run<'_>) -> CommandResult {
        let out = self.out;
        self.configured(|settings, log| {
            log.run();
            block_on(with_deck(settings, out, timeout, run))
        })
    }
}

/// Defines an enum of commands, each by the type of its arguments. The command line accepts them, and the chosen one
/// runs. A command's help is the documentation of its type.
macro_rules! commands {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$attr:meta])* $variant:ident($command:ty),)* }
    ) => {
        $(#[$meta])*
        #[derive(Debug, clap::Subcommand)]
        pub enum $name { $($(#[$attr])* $variant($command),)* }

        impl $crate::cli::start::Command for $name {
            fn execute(
                self,
                start: $crate::cli::start::Start<'_>,
            ) -> $crate::cli::exit::CommandResult {
                match self { $(Self::$variant(command) => command.execute(start),)* }
            }
        }
    };
}
pub(super) use commands;

/// Runs a command that does not use [`Start::with_deck`]. A signal ends it with an error, unless `interrupts` says that it
/// goes on.
pub async fn interruptible(
    work: impl Future<Output = CommandResult>,
    interrupts: &Interrupts,
    out: &Out,
) -> CommandResult {
    let work = async { out.settle(work.await) };
    match Box::pin(until_stopped(work, interrupts, out)).await {
        Some(done) => Ok(done?),
        None => Err(prompt::interrupted().into()),
    }
}

/// Boxed, so that all commands share what opens and closes the deck.
type Run<'r> = Box<dyn for<'a> FnOnce(&'a CommandContext<'a>) -> Running<'a> + 'r>;
type Running<'a> = Pin<Box<dyn Future<Output = CommandResult> + 'a>>;

async fn with_deck(
    settings: &Settings,
    out: &Out,
    timeout: Option<Duration>,
    run: Run<'_>,
) -> CommandResult {
    let (events_to, mut events) = net::events::channel();
    let deck = settings.deck(Some(events_to), timeout).await?;
    if settings.profile.built_in {
        // The profile may be forgotten, not chosen.
        let own = match settings.global.profile {
            None if settings.config.profiles.len() > 1 => "; --profile chooses your own",
            _ => "",
        };
        out.note(&format!("these accounts are the built-in simulator's{own}"));
    }
    let interrupts = Interrupts::default();
    let cx = CommandContext {
        settings,
        deck: &deck,
        interrupts: &interrupts,
        out,
    };
    let work = async {
        let run = async {
            let done = run(&cx).await;
            deck.finish_hooks().await;
            done
        };
        tokio::select! {
            done = run => out.settle(done),
            never = report_waits(&mut events, out) => match never {},
        }
    };
    // Only around the work: after a signal, the ledger still records what was sent.
    let done = Box::pin(until_stopped(work, &interrupts, out)).await;
    warn(&deck, out).await;
    let Some(done) = done else {
        // By now the ledger has the outcome of the current request.
        deck.close().await;
        return Err(interrupted(&mut events).into());
    };
    // The hooks that failed last.
    while let Some(event) = events.try_recv() {
        report(event, out);
    }
    // Dropped first: the last rows must not wait for a reader of events.
    drop(events);
    deck.close().await;
    Ok(done?)
}

/// Prints what a command waits for, so that a silent wait has a reason, and the hooks that fail meanwhile.
async fn report_waits(events: &mut EventReceiver, out: &Out) -> Infallible {
    while let Some(event) = events.recv().await {
        report(event, out);
    }
    std::future::pending().await
}

fn report(event: Event, out: &Out) {
    match event {
        Event::Waiting(_, waiting) => {
            let words =
                waiting.map(|waiting| format!("{}: {}", recipient(&waiting), waiting.describe()));
            out.waiting(words.as_deref());
        }
        Event::Warning { text, .. } => out.warn(&text),
        _ => {}
    }
}

/// Who gets a request that waits: an account's requests may also go to the shop's own server.
fn recipient(waiting: &Waiting) -> String {
    match &waiting.account {
        account if is_forward(&waiting.about) => format!("the shop's server (account {account})"),
        account => format!("account {account}"),
    }
}

/// Prints warnings that do not belong to the result.
pub async fn warn(deck: &Deck, out: &Out) {
    let ledger = deck.ledger();
    let status = ledger.status().await;
    let words = match &status {
        Status::Away { why, .. } if ledger.has_unsaved() => Some(format!(
            "the request was sent, but is not in the log yet: the shared ledger went away meanwhile. Cause: {why}"
        )),
        status => status.warning(),
    };
    if let Some(words) = words {
        out.warn(&words);
    }
    if let Some((account, warning)) = deck.clock_warning() {
        out.warn(&runtime::clock_warning(&account, warning));
    }
}

/// Runs a command that serves others, such as `listen`.
pub fn on_threads(command: impl Future<Output = CommandResult>) -> CommandResult {
    let mut threads = Builder::new_multi_thread();
    threads.worker_threads(2);
    run_on(threads, command)
}

/// Runs a command. One thread is enough: a command mostly waits.
pub fn block_on(command: impl Future<Output = CommandResult>) -> CommandResult {
    run_on(Builder::new_current_thread(), command)
}

fn run_on(mut threads: Builder, command: impl Future<Output = CommandResult>) -> CommandResult {
    limits::ensure()?;
    let runtime = threads.enable_all().build();
    let runtime = runtime.map_err(|error| local(format!("tilldeck cannot start: {error}"), ""))?;
    let done = runtime.block_on(command);
    // A password manager that still waits for its user must not delay the exit.
    runtime.shutdown_background();
    done
}

/// The first line of the log for support, gathered before anything is written: which program, where, on what. No
/// argument's value is in it.
pub struct LogStart {
    command: String,
    state: Option<PathBuf>,
    config: String,
    profile: String,
    accounts: usize,
}

impl LogStart {
    pub fn new(command: &str, global: &Global) -> Self {
        let config = global.config_path();
        Self {
            command: command.to_owned(),
            // One that another user can change gets no log; the command itself says why.
            state: global.state_folder().ok(),
            config: config.map_or_else(String::new, |path| path.display().to_string()),
            profile: String::new(),
            accounts: 0,
        }
    }

    pub fn configured(mut self, settings: &Settings) -> Self {
        self.profile.clone_from(&settings.profile.name);
        self.accounts = settings.profile.accounts.len();
        self
    }

    pub fn run(self) {
        let Some(state) = self.state else { return };
        // Where too few files may be opened, nothing is begun.
        if limits::ensure().is_err() {
            return;
        }
        let folder = support_log::folder(&state);
        support_log::start(folder, Clock::system(), &Environ::process());
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            command = self.command,
            os = std::env::consts::OS,
            arch = std::env::consts::ARCH,
            pid = std::process::id(),
            columns = size.map(|size| size.ws_col),
            rows = size.map(|size| size.ws_row),
            state = %state.display(),
            config = self.config,
            profile = self.profile,
            accounts = self.accounts,
            "start"
        );
    }
}
