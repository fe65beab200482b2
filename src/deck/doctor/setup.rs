//! The config file, the profile and the state folder.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::{Subject, chosen, shown};
use crate::config::{Config, ConfigError, Vault};
use crate::deck::accounts;
use crate::domain::{Finding, Health, Problem};
use crate::private;

/// Below it, the ledger soon cannot be written.
const SPACE_LOW: u64 = 200 * 1024 * 1024;
/// Below it, almost nothing can be saved.
const SPACE_NONE: u64 = 5 * 1024 * 1024;

/// This program and its system.
pub(super) fn program() -> Finding {
    let version = env!("CARGO_PKG_VERSION");
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    Finding::good(format!("tilldeck {version} on {os} {arch}"))
}

/// The file, and the profile in it.
pub(super) fn config(subject: &Subject, config: Result<&Config, &ConfigError>) -> Vec<Finding> {
    let config = match config {
        Ok(config) => config,
        Err(error) => return vec![Finding::of(Health::Bad, &error.clone().into())],
    };
    let mut found = vec![match &subject.console {
        None => file(subject, config),
        Some(problem) => Finding::of(Health::Bad, problem),
    }];
    for warning in &config.warnings {
        let problem = Problem::config(warning, "");
        found.push(Finding::of(Health::Warning, &problem));
    }
    found.push(profile(subject, config));
    found
}

/// A file that is valid, or none.
fn file(subject: &Subject, config: &Config) -> Finding {
    let words = match (&config.path, subject.locations.config_file()) {
        (Some(path), _) => {
            let mode = mode(path).unwrap_or_default();
            format!("{} is valid{mode}", shown(path))
        }
        (None, Some(missing)) => {
            format!("no file at {}: the simulator is used", shown(&missing.path))
        }
        (None, None) => "no file: the simulator is used".to_owned(),
    };
    Finding::good(words)
}

fn profile(subject: &Subject, config: &Config) -> Finding {
    let profile = match config.profile(subject.profile.as_deref()) {
        Ok(profile) => chosen(subject, profile),
        Err(error) => return Finding::of(Health::Bad, &error.into()),
    };
    let name = &profile.name;
    // Only the names: where their secrets are is a line of its own.
    let accounts = accounts(&profile, &Vault::files(PathBuf::new()));
    let of = |account: &crate::domain::Account| {
        let (title, environment) = (account.provider_title, account.environment.title());
        format!("{} ({title}, {environment})", account.id)
    };
    let names: Vec<String> = accounts.iter().map(of).collect();
    match (names.as_slice(), &subject.account) {
        ([], Some(only)) => {
            let words = format!("profile {name} has no account {only}");
            Finding::bad(words).hint("leave out --account to check all")
        }
        ([], None) => {
            let words = format!("profile {name} has no accounts");
            Finding::warning(words).hint("add one with `tilldeck account add`")
        }
        (names, _) => Finding::good(format!("profile {name}: {}", names.join(", "))),
    }
}

/// `, mode 0600`.
fn mode(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    Some(format!(", mode {mode:04o}"))
}

/// The state folder: who may read it, and how much room it has.
pub(super) async fn state(folder: Result<PathBuf, ConfigError>) -> Vec<Finding> {
    let folder = match folder {
        Ok(folder) => folder,
        Err(error) => return vec![Finding::of(Health::Bad, &error.into())],
    };
    // A network file system may take long.
    let looked = tokio::task::spawn_blocking(move || look(&folder)).await;
    looked.map_or_else(|_| Vec::new(), |finding| vec![finding])
}

pub(super) fn look(folder: &Path) -> Finding {
    let path = shown(folder);
    if let Some(danger) = private::danger_of_folder(folder) {
        let words = format!("{path} {danger}");
        return Finding::bad(words).hint(danger.remedy(folder));
    }
    // The folder that is there already: tilldeck creates the rest.
    let there = folder.ancestors().find(|it| it.exists());
    let there = there.unwrap_or(Path::new("."));
    if let Err(error) = access(there, Access::WRITE_OK | Access::EXEC_OK) {
        let words = format!("tilldeck cannot write {path}: {}", io::Error::from(error));
        let hint =
            "make sure that this user may write it, or choose another folder with --state-dir";
        return Finding::bad(words).hint(hint);
    }
    let Ok(about) = fs::metadata(folder) else {
        return Finding::good(format!("{path} does not exist yet")).hint("tilldeck creates it");
    };
    let mode = about.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let words = format!("{path} can be read by other users (mode {mode:04o})");
        return Finding::warning(words).hint(format!("run `chmod 700 {path}`"));
    }
    match rustix::fs::statvfs(folder) {
        Ok(room) => space(&path, room.f_bavail.saturating_mul(room.f_frsize)),
        Err(error) => Finding::good(format!(
            "{path}, mode {mode:04o}, free space unknown: {error}"
        )),
    }
}

fn space(path: &str, free: u64) -> Finding {
    let free_mib = free / 1024 / 1024;
    let health = match free {
        ..SPACE_NONE => Health::Bad,
        SPACE_NONE..SPACE_LOW => Health::Warning,
        _ => return Finding::good(format!("{path} is yours alone, {free_mib} MiB free")),
    };
    let words = format!("the disk of {path} has only {free_mib} MiB free");
    Finding::new(health, words).hint("free disk space, or choose another folder with --state-dir")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_folder_is_judged_by_its_mode_and_its_room() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("state");
        assert_eq!(look(&folder).health, Health::Good, "it does not exist");
        private::make_folder(&folder).unwrap();
        for (mode, health, hint) in [
            (0o700, Health::Good, ""),
            (0o755, Health::Warning, "chmod 700"),
            (0o777, Health::Bad, "chmod go-w"),
        ] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            let found = look(&folder);
            assert_eq!(found.health, health, "{found:?}");
            assert!(found.hint.contains(hint), "{found:?}");
        }
        let file = outer.path().join("file");
        fs::write(&file, "").unwrap();
        let blocked = look(&file.join("state"));
        assert_eq!(blocked.health, Health::Bad, "{blocked:?}");
        assert!(
            blocked.message.starts_with("tilldeck cannot write"),
            "{blocked:?}"
        );
        for (free, health) in [
            (0, Health::Bad),
            (SPACE_NONE, Health::Warning),
            (SPACE_LOW, Health::Good),
        ] {
            assert_eq!(space("~/state", free).health, health, "{free}");
        }
    }
}
