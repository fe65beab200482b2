//! The command line: arguments, dispatch, exit codes. The only module that prints.

mod account;
mod args;
mod budget;
mod check;
mod complete;
mod config;
mod console;
mod deliver;
mod deliveries;
#[cfg(test)]
mod docs;
mod estimate;
mod export;
pub mod fault;
mod limits;
mod link;
mod list;
mod listen;
mod log;
mod log_start;
mod man;
mod manage;
mod misuse;
pub mod output;
mod payments;
mod player;
mod prompt;
mod purchase_link;
mod replay;
mod report;
mod request;
mod sandbox;
mod stop;
mod token;
mod words;

use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use tokio::runtime::Builder;

pub use args::Source;
pub use list::{List, Order, Overview};

use args::{AccountCommand, Arguments, Command, Global, SandboxCommand, Trigger};
use log_start::LogStart;
use output::{Out, OutputError, Tone};

use crate::clock::Clock;
use crate::config::{self as settings, Config, ConfigError, Environ, Locations, Profile, Vault};
use crate::deck::{CONTROL, Deck, Options, is_forward};
use crate::domain::exchange::TOKEN_CALL;
use crate::domain::{Exchange, Outcome, Problem, ProblemKind, RequestId, Waiting, inert};
use crate::net::{
    self, Event, EventReceiver, EventSender, Network, Overrides, RequestOptions, Timeouts,
};
use crate::private;
use crate::providers;
use crate::runtime;
use crate::support_log;

/// The result of a command. The numbers are a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Done = 0,
    Expectation = 1,
    Usage = 2,
    Refused = 3,
    NotFound = 4,
    Provider = 5,
    Budget = 6,
    TimedOut = 7,
    Declined = 8,
    Interrupted = 130,
}

impl Exit {
    /// The exit of several results: the first error, else a failed expectation, else 0.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Done, other) => other,
            (Self::Expectation, other) if other != Self::Done => other,
            (first, _) => first,
        }
    }
}

impl From<ProblemKind> for Exit {
    fn from(kind: ProblemKind) -> Self {
        match kind {
            ProblemKind::Usage | ProblemKind::Config | ProblemKind::Local => Self::Usage,
            ProblemKind::Refused => Self::Refused,
            ProblemKind::NotFound => Self::NotFound,
            ProblemKind::Unreachable | ProblemKind::Failing | ProblemKind::Nonsense => {
                Self::Provider
            }
            ProblemKind::Budget => Self::Budget,
            ProblemKind::TimedOut => Self::TimedOut,
            ProblemKind::Declined => Self::Declined,
            ProblemKind::Interrupted => Self::Interrupted,
        }
    }
}

/// The context of every command.
struct Context {
    global: Global,
    config: Config,
    profile: Profile,
    clock: Clock,
}

impl Context {
    fn account(&self) -> Option<&str> {
        self.global.account.as_deref()
    }

    fn options(&self) -> Result<Options, Problem> {
        Ok(Options {
            state_dir: state_folder(&self.global)?,
            vault: vault(&self.global)?,
            clock: self.clock.clone(),
            network: Network {
                timeouts: Timeouts::default(),
                config: self.config.network.clone(),
                environ: Environ::process(),
            },
            events: None,
            renew: false,
            environ: Environ::process(),
            config: locations(&self.global).config_file().map(|file| file.path),
            overrides: Overrides {
                uncoordinated: self.global.uncoordinated,
                allow_nonce_ahead: self.global.allow_nonce_ahead,
            },
            receive: None,
        })
    }

    async fn deck(
        &self,
        events: Option<EventSender>,
        timeout: Option<Duration>,
    ) -> Result<Deck, Problem> {
        let mut options = Options {
            events,
            ..self.options()?
        };
        options.network.timeouts.idle = timeout;
        Deck::open(&self.profile, options).await
    }
}

impl Out {
    /// Prints a failure and returns its exit code.
    fn fail(&self, problem: &Problem) -> Result<Exit, OutputError> {
        // What was typed wrongly may be anything.
        let why = (problem.kind != ProblemKind::Usage).then_some(problem.message.as_str());
        tracing::warn!(kind = problem.kind.as_str(), why, "failed");
        match self.problem(problem) {
            // A closed stdout does not matter: the exit code still reports the failure.
            Ok(()) | Err(OutputError::ReaderGone) => Ok(problem.kind.into()),
            Err(error) => Err(error),
        }
    }
}

/// Where tilldeck saves secrets.
fn vault(global: &Global) -> Result<Vault, Problem> {
    Ok(Vault::system(
        state_folder(global)?.join(settings::VAULT),
        &Environ::process(),
    ))
}

/// The state folder; an error if another user can change its content.
fn state_folder(global: &Global) -> Result<PathBuf, Problem> {
    let folder = locations(global).state_folder();
    let folder = folder.map_err(|error| Problem::from(&error))?;
    match private::danger_of_folder(&folder) {
        None => Ok(folder),
        Some(danger) => Err(Problem::new(
            ProblemKind::Config,
            format!(
                "the state folder {} {danger}",
                inert::cut(&folder.to_string_lossy(), 400)
            ),
            format!(
                "{}, or choose another folder with --state-dir",
                danger.remedy(&folder)
            ),
        )),
    }
}

fn local(message: &str) -> Problem {
    Problem::new(ProblemKind::Local, message, "")
}

fn locations(global: &Global) -> Locations {
    Locations::of_process(global.config.clone(), global.state_dir.clone())
}

/// The options of a request the operator waits for.
fn request_options(no_wait: bool) -> RequestOptions {
    RequestOptions {
        request: RequestId(0),
        background: false,
        no_wait,
    }
}

/// Runs the program with these arguments; the first is the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    stop::end_as_first_process();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let exit = match arguments.len() {
        // Building the table of all commands takes longer than drawing the first frame, so the console skips it.
        0 | 1 => run(Arguments::default()),
        _ => match Arguments::try_parse_from(&arguments) {
            Ok(parsed) => run(parsed),
            Err(error) if error.use_stderr() => misuse::report(&error, &arguments),
            // Only help needs examples; every other command would wait for their table.
            Err(error) => {
                let with_examples = args::with_examples().try_get_matches_from(&arguments);
                misuse::report(&with_examples.err().unwrap_or(error), &arguments)
            }
        },
    };
    tracing::info!(code = exit as u8, "end");
    support_log::flush();
    ExitCode::from(exit as u8)
}

#[expect(clippy::too_many_lines, reason = "one arm for each command")]
fn run(arguments: Arguments) -> Exit {
    let out = Out::new(arguments.global.json, arguments.global.color);
    let start = Start {
        log: LogStart::new(arguments.command.as_ref(), &arguments.global),
        global: arguments.global,
        out: &out,
    };
    let done = match arguments.command {
        // Works without a config file, or with a broken one.
        Some(Command::Completions { shell }) => {
            out.bytes(&complete::script(shell)).map(|()| Exit::Done)
        }
        Some(Command::Complete {
            shell,
            index,
            words,
        }) => {
            let candidates = complete::candidates(&shell, index, words);
            out.bytes(candidates.as_bytes()).map(|()| Exit::Done)
        }
        Some(Command::Man { dir }) => man::write(dir.as_deref(), &out),
        Some(Command::Config(command)) => config::run(&command, &start.global, &out),
        Some(Command::Sandbox(SandboxCommand::Serve {
            bind,
            seed,
            speed,
            callback_url,
            keep,
        })) => {
            let options = sandbox::Serve {
                bind,
                seed,
                speed,
                callback_url,
                keep,
            };
            block_on(sandbox::serve(options, &out), &out)
        }
        Some(Command::Sandbox(SandboxCommand::Trigger {
            url,
            what: Trigger::Deliver(args),
        })) => block_on(deliver::run(url.as_deref(), &args, &out), &out),
        // The profile and the file may not exist yet.
        Some(Command::Account(AccountCommand::Add(args))) => {
            start.log.run();
            block_on(manage::add(&args, start.global, &out), &out)
        }
        // Its log starts behind the first frame.
        None => start.configured(|context, log| console::run(context, log, &out)),
        Some(Command::Listen(args)) => start.configured(|context, log| {
            log.run();
            on_threads(listen::run(&args, context, &out), &out)
        }),
        Some(Command::Check(args)) => start.with_deck(None, async |it| {
            check::run(&args, it.context, it.deck, it.interrupts, &out).await
        }),
        Some(Command::Payments(command)) => start.with_deck(None, async |it| {
            payments::run(&command, it.context, it.deck, &out).await
        }),
        Some(Command::Estimate { token, quantity }) => {
            start.with_deck(None, async |it| match args::sum_of(&token, &quantity) {
                Ok((token, quantity)) => {
                    estimate::run(&token, &quantity, it.context, it.deck, &out).await
                }
                Err(problem) => out.fail(&problem),
            })
        }
        Some(Command::Link(args)) => start.with_deck(None, async |it| {
            link::run(&args, it.context, it.deck, &out).await
        }),
        Some(Command::Account(AccountCommand::List)) => start.with_deck(None, async |it| {
            account::list(it.context, it.deck, &out).await
        }),
        Some(Command::Account(AccountCommand::Verify { name, signature })) => {
            start.with_deck(None, async |it| {
                let name = name.as_deref().or(it.context.account());
                account::verify(name, signature, it.context, it.deck, &out).await
            })
        }
        Some(Command::Account(AccountCommand::Rotate(args))) => start.with_deck(None, async |it| {
            manage::rotate(&args, it.context, it.deck, it.interrupts, &out).await
        }),
        Some(Command::Account(AccountCommand::Remove(args))) => start.with_deck(None, async |it| {
            manage::remove(&args, it.context, it.deck, it.interrupts, &out).await
        }),
        Some(Command::Token(command)) => start.with_deck(None, async |it| {
            token::run(&command, it.context, it.deck, &out).await
        }),
        Some(Command::Player(command)) => start.with_deck(None, async |it| {
            player::run(&command, it.context, it.deck, &out).await
        }),
        Some(Command::Budget) => start.with_deck(None, async |it| {
            budget::run(it.context, it.deck, &out).await
        }),
        Some(Command::PurchaseLink(args)) => start.with_deck(None, async |it| {
            purchase_link::run(&args, it.deck, &out).await
        }),
        Some(Command::Request(args)) => start.with_deck(args.timeout, async |it| {
            request::run(&args, it.deck, &out).await
        }),
        Some(Command::Log(args)) => start.with_deck(None, async |it| {
            let out = out.for_reader();
            if args.deliveries {
                deliveries::run(&args, it.context, it.deck, &out).await
            } else {
                log::run(&args, it.context, it.deck, &out).await
            }
        }),
        Some(Command::Replay(args)) => {
            start.with_deck(None, async |it| replay::run(&args, it.deck, &out).await)
        }
        Some(Command::Sandbox(SandboxCommand::Trigger {
            url,
            what: Trigger::Event(event),
        })) => start.with_deck(None, async |it| {
            sandbox::trigger(url.as_deref(), &event, it.deck, &out).await
        }),
    };
    ended(done, &out)
}

/// What a command starts from.
struct Start<'a> {
    global: Global,
    log: LogStart,
    out: &'a Out,
}

/// What a command has that needs a deck.
struct Opened<'a> {
    context: &'a Context,
    deck: &'a Deck,
    interrupts: &'a Interrupts,
}

impl Start<'_> {
    /// Reads the configuration, then runs the command with it.
    fn configured(
        self,
        command: impl FnOnce(&Context, LogStart) -> Result<Exit, OutputError>,
    ) -> Result<Exit, OutputError> {
        match context(self.global) {
            Ok(context) => command(&context, self.log.configured(&context)),
            Err(error) => {
                self.log.run();
                tracing::error!(why = %error, "the configuration cannot be used");
                misconfigured(&error, self.out)
            }
        }
    }

    /// Opens the deck, then runs the command with it, until it ends or a signal ends it.
    fn with_deck(
        self,
        timeout: Option<Duration>,
        command: impl AsyncFnOnce(Opened<'_>) -> Result<Exit, OutputError>,
    ) -> Result<Exit, OutputError> {
        let out = self.out;
        self.configured(|context, log| {
            log.run();
            block_on(with_deck(context, timeout, out, command), out)
        })
    }
}

/// The exit of a command even if stdout failed. A reader that closed stdout early is no error.
fn ended(done: Result<Exit, OutputError>, out: &Out) -> Exit {
    match done {
        Ok(exit) => exit,
        Err(OutputError::ReaderGone) => Exit::Done,
        Err(OutputError::Stopped) => {
            out.message(Tone::Bad, "error:", "interrupted");
            Exit::Interrupted
        }
        Err(OutputError::Failed(error)) => {
            let words = format!("cannot write to stdout: {error}");
            out.message(Tone::Bad, "error:", &words);
            Exit::Usage
        }
    }
}

async fn with_deck(
    context: &Context,
    timeout: Option<Duration>,
    out: &Out,
    command: impl AsyncFnOnce(Opened<'_>) -> Result<Exit, OutputError>,
) -> Result<Exit, OutputError> {
    let (events_to, mut events) = net::events::channel();
    let deck = match context.deck(Some(events_to), timeout).await {
        Ok(deck) => deck,
        Err(problem) => return out.fail(&problem),
    };
    let interrupts = Interrupts::default();
    let work = command(Opened {
        context,
        deck: &deck,
        interrupts: &interrupts,
    });
    let work = async {
        tokio::select! {
            done = work => done,
            never = report_waits(&mut events, out) => match never {},
        }
    };
    // Only around the work: after a signal, the ledger still records what was sent.
    let done = Box::pin(until_stopped(work, &interrupts, out)).await;
    warn(&deck, out).await;
    let Some(done) = done else {
        // By now the ledger has the outcome of the current request.
        deck.close().await;
        return out.fail(&interrupted(&mut events));
    };
    // Dropped first: the last rows must not wait for a reader of events.
    drop(events);
    deck.close().await;
    done
}

/// The error of an interrupted command, which names an unanswered write request.
fn interrupted(events: &mut EventReceiver) -> Problem {
    let is_write = |exchange: &Exchange| {
        let provider = providers::by_name(&exchange.provider);
        matches!(exchange.outcome, Outcome::Failed(_))
            && exchange.about != TOKEN_CALL
            && provider.is_some_and(|it| it.writes(&exchange.method, exchange.path()))
    };
    let written = std::iter::from_fn(|| events.try_recv()).filter_map(|event| match event {
        Event::Exchange(exchange) if is_write(&exchange) => Some(exchange),
        _ => None,
    });
    let Some(exchange) = written.last() else {
        return prompt::interrupted();
    };
    let message = format!(
        "account {}: interrupted after {} {} was sent; the write may have taken effect",
        exchange.account,
        exchange.method,
        inert::cut(exchange.path(), 120)
    );
    Problem::new(
        ProblemKind::Interrupted,
        message,
        "check with the provider before you send it again; `tilldeck log` shows the request",
    )
}

/// The effect of a signal on the command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum OnStop {
    /// Ends it at once.
    #[default]
    Stop,
    /// None: a change is being saved and must not stop halfway.
    Finish,
    /// The command handles the signal itself and ends soon.
    Handled,
}

/// Whether signals can interrupt the command.
#[derive(Default)]
struct Interrupts(Cell<OnStop>);

impl Interrupts {
    /// From here on signals do not interrupt.
    fn block(&self) {
        self.0.set(OnStop::Finish);
    }

    /// From here on the command handles signals itself.
    fn leave_to_command(&self) {
        self.0.set(OnStop::Handled);
    }
}

/// Runs the work until a signal ends it: `None`. A change that is being saved is saved completely.
async fn until_stopped(
    work: impl Future<Output = Result<Exit, OutputError>>,
    interrupts: &Interrupts,
    out: &Out,
) -> Option<Result<Exit, OutputError>> {
    let mut stops = stop::StopSignals::new();
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return Some(done),
        // A second signal is not needed: the command either ends now or finishes its save.
        _ = stops.next() => {}
    }
    match interrupts.0.get() {
        OnStop::Stop => return None,
        OnStop::Finish => out.say("saving; this cannot be interrupted now"),
        OnStop::Handled => {}
    }
    Some(work.await)
}

/// Prints what a command waits for, so that a silent wait has a reason.
async fn report_waits(events: &mut EventReceiver, out: &Out) -> Infallible {
    while let Some(event) = events.recv().await {
        if let Event::Waiting(_, waiting) = event {
            let words =
                waiting.map(|waiting| format!("{}: {}", recipient(&waiting), waiting.describe()));
            out.waiting(words.as_deref());
        }
    }
    std::future::pending().await
}

/// Who gets a request that waits: an account's requests may also go to the shop's own server.
fn recipient(waiting: &Waiting) -> String {
    match &waiting.account {
        _ if waiting.about == CONTROL => "the simulator".into(),
        account if is_forward(&waiting.about) => format!("the shop's server (account {account})"),
        account => format!("account {account}"),
    }
}

/// Prints warnings that do not belong to the result.
async fn warn(deck: &Deck, out: &Out) {
    for words in warnings(deck).await {
        out.message(Tone::Warn, "warning:", &words);
    }
}

async fn warnings(deck: &Deck) -> Vec<String> {
    let ledger = deck.ledger().status().await.warning();
    let clock = deck.clock_warning();
    let clock = clock.map(|(account, warning)| runtime::clock_warning(&account, warning));
    ledger.into_iter().chain(clock).collect()
}

/// Runs a command that serves others, such as `listen`.
fn on_threads(
    command: impl Future<Output = Result<Exit, OutputError>>,
    out: &Out,
) -> Result<Exit, OutputError> {
    let mut threads = Builder::new_multi_thread();
    threads.worker_threads(2);
    run_on(threads, command, out)
}

/// Runs a command. One thread is enough: a command mostly waits.
fn block_on(
    command: impl Future<Output = Result<Exit, OutputError>>,
    out: &Out,
) -> Result<Exit, OutputError> {
    run_on(Builder::new_current_thread(), command, out)
}

fn run_on(
    mut threads: Builder,
    command: impl Future<Output = Result<Exit, OutputError>>,
    out: &Out,
) -> Result<Exit, OutputError> {
    if let Err(problem) = limits::ensure() {
        return out.fail(&problem);
    }
    let runtime = match threads.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return out.fail(&local(&format!("tilldeck cannot start: {error}"))),
    };
    let done = runtime.block_on(command);
    // A password manager that still waits for its user must not delay the exit.
    runtime.shutdown_background();
    done
}

/// Prints a config error: the snippet for people, an object for scripts.
fn misconfigured(error: &ConfigError, out: &Out) -> Result<Exit, OutputError> {
    if out.json {
        out.problem(&error.into())?;
    } else {
        out.say(error.render(out.color_err).trim_end());
        out.hint(error.hint());
    }
    Ok(Exit::Usage)
}

fn load(global: &Global) -> Result<Config, ConfigError> {
    crate::config::load(&locations(global), &providers::SPECS)
}

fn context(global: Global) -> Result<Context, ConfigError> {
    let config = load(&global)?;
    let profile = config.profile(global.profile.as_deref())?.clone();
    Ok(Context {
        global,
        config,
        profile,
        clock: Clock::system(),
    })
}

/// Whether stdin and stderr are a terminal, so that prompts work.
fn can_ask() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_decides_the_exit_and_outweighs_an_expectation() {
        assert_eq!(Exit::Done.and(Exit::Done), Exit::Done);
        assert_eq!(Exit::Done.and(Exit::Expectation), Exit::Expectation);
        assert_eq!(Exit::Expectation.and(Exit::Done), Exit::Expectation);
        assert_eq!(Exit::Expectation.and(Exit::NotFound), Exit::NotFound);
        assert_eq!(Exit::NotFound.and(Exit::Provider), Exit::NotFound);
    }
}
