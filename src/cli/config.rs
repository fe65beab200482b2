//! `config`: creates, finds and checks the config file.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use serde_json::json;

use super::args::{ConfigCommand, Global};
use super::output::{Out, OutputError, Table, Tone, plain, toned};
use super::{Exit, console, load, locations, misconfigured, vault, words};
use crate::config::{Config, ConfigPath, EXAMPLE, Environ, edit};
use crate::deck;
use crate::domain::{Problem, ProblemKind, inert};
use crate::private;
use crate::support_log;

pub fn run(command: &ConfigCommand, global: &Global, out: &Out) -> Result<Exit, OutputError> {
    let Some(ConfigPath { path, .. }) = locations(global).config_file() else {
        return out.fail(&Problem::new(
            ProblemKind::Local,
            "this system has no folder for config files",
            "pass a path with --config",
        ));
    };
    let shown = inert::cut(&path.to_string_lossy(), 400);
    match command {
        ConfigCommand::Path => {
            let logs = locations(global).state_folder().ok();
            let logs = logs.map(|state| support_log::folder(&state));
            let logs = logs.map(|logs| inert::cut(&logs.to_string_lossy(), 400));
            if out.json {
                out.object(&json!({ "path": shown, "exists": path.exists(), "logs": logs }))?;
            } else {
                out.line(&shown)?;
                if !path.exists() {
                    out.say("the file does not exist yet; `tilldeck config init` creates it");
                }
                if let Some(logs) = logs {
                    out.say(&format!("the log for support is in {logs}"));
                }
            }
            Ok(Exit::Done)
        }
        ConfigCommand::Init => {
            let written = path
                .parent()
                .map_or(Ok(()), private::make_folder)
                .and_then(|()| {
                    std::fs::OpenOptions::new()
                        .write(true)
                        // An existing file is never overwritten, even one that appears at this moment.
                        .create_new(true)
                        .mode(0o600)
                        .open(&path)
                        .and_then(|mut file| file.write_all(EXAMPLE.as_bytes()))
                });
            match written {
                Ok(()) if out.json => out.object(&json!({ "path": shown, "written": true }))?,
                Ok(()) => {
                    out.line(&shown)?;
                    out.say("written; edit it, then run `tilldeck config check`");
                }
                // The system reports a broken link as an existing file.
                Err(_) if path.is_symlink() && !path.exists() => {
                    return misconfigured(&edit::dangling(&path), out);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    let problem = Problem::new(
                        ProblemKind::Config,
                        format!("{shown} already exists; nothing was changed"),
                        "edit it, or move it first",
                    );
                    return out.fail(&problem);
                }
                Err(error) => {
                    return out.fail(&Problem::new(
                        ProblemKind::Config,
                        format!("tilldeck cannot write {shown}: {error}"),
                        "choose another path with --config",
                    ));
                }
            }
            Ok(Exit::Done)
        }
        ConfigCommand::Check => check(global, &shown, out),
    }
}

fn check(global: &Global, path: &str, out: &Out) -> Result<Exit, OutputError> {
    let config = match load(global) {
        Ok(config) => config,
        Err(error) => return misconfigured(&error, out),
    };
    if config.path.is_none() && !out.json {
        out.say(&format!(
            "no config file at {path}; using the built-in profile sandbox"
        ));
    }
    let chosen = config.profile(global.profile.as_deref());
    let chosen = match chosen {
        Ok(profile) => profile,
        Err(error) => return misconfigured(&error, out),
    };
    let vault = match vault(global) {
        Ok(vault) => vault,
        Err(problem) => return out.fail(&problem),
    };
    // Only the console knows its actions and keys, so it checks [ui.keys].
    if let Err(problem) = console::model(&config, chosen, &vault, out) {
        return out.fail(&problem);
    }
    for warning in &config.warnings {
        out.message(Tone::Warn, "warning:", warning);
    }
    let environ = Environ::process();
    let mut exit = Exit::Done;
    let mut table = Table::default();
    for profile in &config.profiles {
        let accounts = deck::accounts(profile, &vault);
        for (account, settings) in accounts.iter().zip(&profile.accounts) {
            let mut failed = false;
            for (key, source) in &settings.secrets {
                let resolved = source.resolve(&environ);
                match resolved {
                    Ok(resolved) => {
                        for warning in resolved.warnings {
                            out.message(
                                Tone::Warn,
                                "warning:",
                                &format!("account {}: {key}: {warning}", account.id),
                            );
                        }
                    }
                    Err(error) => {
                        failed = true;
                        let problem = Problem::new(
                            ProblemKind::Config,
                            format!(
                                "profile {}, account {}: tilldeck cannot read {key}: {error}",
                                profile.name, account.id
                            ),
                            "",
                        );
                        exit = exit.and(out.fail(&problem)?);
                    }
                }
            }
            if out.json && failed {
                continue;
            }
            if out.json {
                out.object(&json!({
                    "profile": profile.name,
                    "account": account.id,
                    "provider": account.provider.0,
                    "environment": account.environment.as_str(),
                    "host": account.host,
                    "secret_source": account.secret_source,
                    "ok": !failed,
                }))?;
                continue;
            }
            let (glyph, tone) = if failed {
                ("✘", Tone::Bad)
            } else {
                ("✔", Tone::Good)
            };
            table.row([
                toned(glyph, tone),
                toned(format!("{}/{}", profile.name, account.id), Tone::Strong),
                plain(account.provider_title),
                plain(words::environment(account.environment)),
                plain(account.host.as_str()),
                toned(account.secret_source.as_str(), Tone::Dim),
            ]);
        }
    }
    out.table(&table)?;
    if exit == Exit::Done && !out.json {
        out.say(&format!(
            "the config is valid; the default profile is {}",
            config.default_profile
        ));
        out.say(&receiving(&config));
    }
    Ok(exit)
}

/// Where the console receives callbacks.
fn receiving(config: &Config) -> String {
    match config.callbacks.bind {
        Some(bind) => format!("the console receives callbacks at http://{bind}/callbacks/ACCOUNT"),
        None => "the console receives no callbacks: [callbacks] has no `bind`".to_owned(),
    }
}
