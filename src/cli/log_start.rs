//! The first line of the log for support: which program, where, on what. No argument's value is in it.

use std::path::PathBuf;

use super::global::Global;
use super::limits;
use super::settings::Settings;
use crate::clock::Clock;
use crate::config::Environ;
use crate::support_log;

/// What the first line says, gathered before anything is written.
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
