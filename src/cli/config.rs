//! `config`: creates, finds and checks the config file.

use std::io;
use std::path::{Path, PathBuf};

use super::console;
use super::global::Global;
use super::prelude::*;
use super::settings::known_account;
use crate::config::{self, EXAMPLE, edit};
use crate::deck;
use crate::net;
use crate::private;
use crate::support_log;

commands! {
    /// Create, find and check the config file.
    pub enum Config {
        Init(InitConfig),
        Path(ShowPath),
        Check(CheckConfig),
    }
}

/// The config file, whether it exists or not.
fn path(global: &Global) -> Result<PathBuf, Problem> {
    global.config_path().ok_or_else(|| {
        local(
            "this system has no folder for config files",
            "pass a path with --config",
        )
    })
}

fn shown(path: &Path) -> String {
    inert::cut(&path.to_string_lossy(), 400)
}

/// Write a commented example config file. Never overwrites an existing file.
#[derive(Debug, Args)]
pub struct InitConfig;

impl Command for InitConfig {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let out = start.out;
        let path = path(&start.global)?;
        let shown = shown(&path);
        match write_example(&path) {
            Ok(()) => {
                out.result(&json!({ "path": shown, "written": true }), &shown)?;
                out.explain("written; edit it, then run `tilldeck config check`");
                Ok(Exit::Done)
            }
            // The system reports a broken link as an existing file.
            Err(_) if path.is_symlink() && !path.exists() => Err(edit::dangling(&path).into()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Problem::new(
                ProblemKind::Config,
                format!("{shown} already exists; nothing was changed"),
                "edit it, or move it first",
            )
            .into()),
            Err(error) => Err(Problem::new(
                ProblemKind::Config,
                format!("tilldeck cannot write {shown}: {error}"),
                "choose another path with --config",
            )
            .into()),
        }
    }
}

fn write_example(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), private::make_folder)?;
    private::create(path, EXAMPLE.as_bytes())
}

/// Print the path of the config file, even if there is no such file yet.
#[derive(Debug, Args)]
pub struct ShowPath;

impl Command for ShowPath {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let out = start.out;
        let path = path(&start.global)?;
        let logs = start.global.locations().state_folder().ok();
        let logs = logs.map(|state| shown(&support_log::folder(&state)));
        let object = json!({ "path": shown(&path), "exists": path.exists(), "logs": logs });
        out.result(&object, &shown(&path))?;
        if !path.exists() {
            out.explain("the file does not exist yet; `tilldeck config init` creates it");
        }
        if let Some(logs) = logs {
            out.explain(&format!("the log for support is in {logs}"));
        }
        Ok(Exit::Done)
    }
}

/// Check the config file, and check that every secret in it can be read.
#[derive(Debug, Args)]
pub struct CheckConfig {
    #[command(flatten)]
    format: AsCsv,
}

const HEADS: [&str; 6] = ["", "account", "provider", "environment", "host", "secret"];
const FIELDS: &str = "profile,account,provider,environment,host,secret_source,ok";

impl Command for CheckConfig {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let Start { global, out, .. } = start;
        let out = &self.format.on(out);
        let path = path(&global)?;
        let config = global.load_config()?;
        if config.path.is_none() {
            out.explain(&format!(
                "no config file at {}; using the built-in profile sandbox",
                shown(&path)
            ));
        }
        let chosen = config.profile(global.profile.as_deref())?;
        let vault = global.vault()?;
        if let Some(name) = &global.account {
            known_account("--account", name, &deck::accounts(chosen, &vault))?;
        }
        // Only the console knows its actions and keys, so it checks [ui.keys].
        console::model(&config, chosen, &vault, out)?;
        for warning in &config.warnings {
            out.warn(warning);
        }
        let environ = Environ::process();
        let mut exit = Exit::Done;
        let mut listing = Listing::new(out, HEADS, FIELDS.split(','));
        for (key, source) in config.shared_secrets() {
            if let Err(error) = source.resolve(&environ) {
                let why = error.words(net::redact::body);
                let problem = Problem::config(format!("tilldeck cannot read {key}: {why}"), "");
                exit = exit.and(out.fail(&problem)?);
            }
        }
        if let Err(problem) = ca_file(&config) {
            exit = exit.and(out.fail(&problem)?);
        }
        for profile in &config.profiles {
            let accounts = deck::accounts(profile, &vault);
            for (account, settings) in accounts.iter().zip(&profile.accounts) {
                let mut failed = false;
                for (key, source) in &settings.secrets {
                    match source.resolve(&environ) {
                        Ok(resolved) => {
                            for warning in resolved.warnings {
                                out.warn(&format!("account {}: {key}: {warning}", account.id));
                            }
                        }
                        Err(error) => {
                            failed = true;
                            let why = error.words(net::redact::body);
                            let problem = Problem::new(
                                ProblemKind::Config,
                                format!(
                                    "profile {}, account {}: tilldeck cannot read {key}: {why}",
                                    profile.name, account.id
                                ),
                                "",
                            );
                            let fields = json!({ "profile": profile.name, "account": account.id });
                            exit = exit.and(out.fail_of(fields, &problem)?);
                        }
                    }
                }
                // The error was its object.
                if out.is_json() && failed {
                    continue;
                }
                let object = json!({
                    "profile": profile.name,
                    "account": account.id,
                    "provider": account.provider.0,
                    "environment": account.environment.as_str(),
                    "host": account.host,
                    "secret_source": account.secret_source,
                    "ok": !failed,
                });
                let (glyph, tone) = if failed {
                    ("✘", Tone::Bad)
                } else {
                    ("✔", Tone::Good)
                };
                let cells = [
                    toned(glyph, tone),
                    toned(format!("{}/{}", profile.name, account.id), Tone::Accent),
                    plain(account.provider_title),
                    plain(account.environment.title()),
                    plain(account.host.as_str()),
                    toned(account.secret_source.as_str(), Tone::Dim),
                ];
                listing.row(&object, cells)?;
            }
        }
        listing.flush()?;
        if exit == Exit::Done && !out.is_json() {
            out.say(&format!(
                "the config is valid; the default profile is {}",
                config.default_profile
            ));
            if config.default_profile == config::SANDBOX && config.profiles.len() > 1 {
                out.note("without --profile, tilldeck uses the built-in simulator; `default_profile` changes this");
            }
            out.say(&receiving(&config));
        }
        Ok(exit)
    }
}

fn ca_file(config: &config::Config) -> Result<(), Problem> {
    let Some(path) = &config.network.ca_file else {
        return Ok(());
    };
    net::trust::certificates(path).map(drop).map_err(|why| {
        let message = format!("`ca_file` in [network] names {}, which {why}", shown(path));
        let hint = "name a PEM file with the authority's certificate";
        Problem::new(ProblemKind::Config, message, hint)
    })
}

fn receiving(config: &config::Config) -> String {
    match config.callbacks.bind {
        Some(bind) => format!("the console receives callbacks at http://{bind}/callbacks/ACCOUNT"),
        None => "the console receives no callbacks of your own accounts: [callbacks] has no `bind`"
            .to_owned(),
    }
}
