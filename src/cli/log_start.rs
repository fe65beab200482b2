//! The first line of the log for support: which program, where, on what. No argument's value is in it.

use std::path::PathBuf;

use super::args::{Command, Global};
use super::{Context, limits, locations, state_folder};
use crate::clock::Clock;
use crate::config::Environ;
use crate::support_log;

/// What the first line says, gathered before anything is written.
pub struct LogStart {
    command: &'static str,
    state: Option<PathBuf>,
    config: String,
    profile: String,
    accounts: usize,
}

impl LogStart {
    /// Of a command whose configuration is not read yet.
    pub fn new(command: Option<&Command>, global: &Global) -> Self {
        let config = locations(global).config_file();
        Self {
            command: command.map_or("console", name),
            // One that another user can change gets no log; the command itself says why.
            state: state_folder(global).ok(),
            config: config.map_or_else(String::new, |file| file.path.display().to_string()),
            profile: String::new(),
            accounts: 0,
        }
    }

    /// The same, once it is read.
    pub fn configured(mut self, context: &Context) -> Self {
        self.profile.clone_from(&context.profile.name);
        self.accounts = context.profile.accounts.len();
        self
    }

    /// Starts the log.
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

fn name(command: &Command) -> &'static str {
    match command {
        Command::Check(_) => "check",
        Command::Payments(_) => "payments",
        Command::Estimate { .. } => "estimate",
        Command::Link(_) => "link",
        Command::Account(_) => "account",
        Command::Token(_) => "token",
        Command::Player(_) => "player",
        Command::Budget => "budget",
        Command::Request(_) => "request",
        Command::PurchaseLink(_) => "purchase-link",
        Command::Sandbox(_) => "sandbox",
        Command::Log(_) => "log",
        Command::Listen(_) => "listen",
        Command::Replay(_) => "replay",
        Command::Config(_) => "config",
        Command::Completions { .. } => "completions",
        Command::Man { .. } => "man",
        Command::Complete { .. } => "complete",
    }
}
