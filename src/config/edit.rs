//! Edits of the config file: checked before and after, written completely or not at all.

mod text;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, ProviderSpec, SecretSource, check, file};
use rustix::fs::{Access, access};

use crate::domain::{AccountId, Environment, ThemeChoice, inert};
use crate::private;

/// A new account to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its profile; created if it does not exist.
    pub profile: String,
    /// Its name.
    pub account: AccountId,
    /// Its provider.
    pub provider: String,
    /// Its environment.
    pub environment: Environment,
    /// The keys written as values, in order.
    pub texts: Vec<(String, String)>,
    /// The source of each secret, in order.
    pub secrets: Vec<(String, SecretSource)>,
    /// The overridden endpoints.
    pub endpoints: BTreeMap<String, String>,
}

/// A change of the config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Adds an account at the end of the file. The file's first profile becomes its default.
    Add(Entry),
    /// Removes an account, with the comments directly above its tables and directly below their last lines.
    Remove {
        /// The account's profile.
        profile: String,
        /// Its name.
        account: AccountId,
    },
    /// Changes the source of a secret.
    SetSecret(NewSource),
    /// Sets the console's theme.
    SetTheme(ThemeChoice),
    /// Names the ledger that a team shares.
    Share {
        /// Where the database's URL is.
        url: SecretSource,
        /// Where the key is that seals callbacks; without it, the one that the file names stays.
        seal_key: Option<SecretSource>,
    },
}

/// The new source of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSource {
    /// The account's profile.
    pub profile: String,
    /// The account's name.
    pub account: AccountId,
    /// The key of the secret.
    pub key: String,
    /// Where it is from now on.
    pub source: SecretSource,
}

impl Entry {
    /// Checks a new account by itself, before it is written to a file.
    ///
    /// # Errors
    /// If it is invalid; [`ConfigError::message`] and [`ConfigError::hint`] say what to write instead.
    pub fn check(&self, specs: &'static [&'static ProviderSpec]) -> Result<(), ConfigError> {
        check::check(Path::new(""), &text::section(self), specs).map(drop)
    }
}

/// How often an edit is repeated because another program wrote the file in the meantime.
const TRIES: usize = 3;

impl Edit {
    /// The text after the edit. Pure; check the result before use.
    ///
    /// # Errors
    /// If the text does not contain what the edit changes, or in a form that cannot be changed safely.
    pub fn of(&self, text: &str) -> Result<String, ConfigError> {
        match self {
            Self::Add(entry) => text::add(text, entry),
            Self::Remove { profile, account } => text::remove(text, profile, account.as_str()),
            Self::SetSecret(new) => text::set_secret(text, new),
            Self::SetTheme(theme) => text::set(text, "ui", "theme", theme.as_str()),
            Self::Share { url, seal_key } => {
                let text = text::set(text, "ledger", "url", text::written(url))?;
                match seal_key {
                    Some(key) => text::set(&text, "callbacks", "seal_key", text::written(key)),
                    None => Ok(text),
                }
            }
        }
    }
}

/// The current config of the file; the defaults without a file.
///
/// # Errors
/// If it cannot be used.
pub fn current(
    path: &Path,
    specs: &'static [&'static ProviderSpec],
) -> Result<Config, ConfigError> {
    match file::read(path)? {
        Some(text) => check::check(path, &text, specs),
        None => Ok(Config::default()),
    }
}

/// The config after the edit, checked, and whether the file could be written. Writes nothing.
///
/// # Errors
/// If the file cannot be used or written, the edit is impossible, or its result is invalid.
pub fn rehearse(
    path: &Path,
    edit: &Edit,
    specs: &'static [&'static ProviderSpec],
) -> Result<Config, ConfigError> {
    // First, so that a read-only file fails before its content is judged.
    writable(path)?;
    let before = file::read(path)?;
    after(path, before.as_deref(), edit, specs).map(|(_, config)| config)
}

/// Edits the config file completely or not at all. Creates it (0600) and its folder (0700) if needed; keeps its mode
/// and follows a symbolic link. If another program writes the file in the meantime, the edit starts again.
///
/// # Errors
/// As [`rehearse`], or if the file cannot be written; then the file is unchanged.
pub fn apply(
    path: &Path,
    edit: &Edit,
    specs: &'static [&'static ProviderSpec],
) -> Result<Config, ConfigError> {
    apply_meanwhile(path, edit, specs, &mut || {})
}

fn apply_meanwhile(
    path: &Path,
    edit: &Edit,
    specs: &'static [&'static ProviderSpec],
    meanwhile: &mut dyn FnMut(),
) -> Result<Config, ConfigError> {
    let failed = |error: &io::Error| unwritable(path, error);
    let target = target(path).map_err(|error| failed(&error))?;
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    private::make_folder(folder).map_err(|error| failed(&error))?;
    // Two tilldecks at once take turns. Where folders cannot be locked, the comparison below still protects.
    let _turn = File::open(folder)
        .ok()
        .filter(|folder| folder.lock().is_ok());
    for _ in 0..TRIES {
        let before = file::read(path)?;
        let (text, config) = after(path, before.as_deref(), edit, specs)?;
        let fresh = written_beside(&target, folder, &text).map_err(|error| failed(&error))?;
        meanwhile();
        // Another program wrote the file since it was read: edit its new text.
        if file::read(path)? != before {
            continue;
        }
        fresh
            .persist(&target)
            .map_err(|error| failed(&error.error))?;
        // The new name must survive a power cut too; the content is complete either way.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        return Ok(config);
    }
    Err(ConfigError::of_file(
        path,
        "the config file is being written by another program",
        "nothing was changed; close the other program, then try again",
    ))
}

fn after(
    path: &Path,
    before: Option<&str>,
    edit: &Edit,
    specs: &'static [&'static ProviderSpec],
) -> Result<(String, Config), ConfigError> {
    if let Some(before) = before {
        check::check(path, before, specs)?;
    }
    // Without a position: the line is not in the file yet.
    let of_file = |error: ConfigError| ConfigError::of_file(path, error.message(), error.hint());
    let text = edit.of(before.unwrap_or_default()).map_err(of_file)?;
    let config = check::check(path, &text, specs).map_err(of_file)?;
    Ok((text, config))
}

/// The error about a link whose target does not exist.
pub fn dangling(path: &Path) -> ConfigError {
    let meant = fs::read_link(path).unwrap_or_default();
    ConfigError::of_file(
        path,
        format!(
            "the config file is a link to {}, which does not exist",
            inert::quoted(&meant.to_string_lossy(), 400)
        ),
        "create that file, or remove the link",
    )
}

/// Whether the permissions allow to write the config file. Checked first, so that no secret is typed and nothing is
/// sent for a change that cannot be saved.
///
/// # Errors
/// If it cannot be written.
pub fn writable(path: &Path) -> Result<(), ConfigError> {
    if path.is_symlink() && !path.exists() {
        return Err(dangling(path));
    }
    let checked = target(path).and_then(|target| {
        if target.exists() {
            OpenOptions::new().write(true).open(&target)?;
        }
        // The folder may not exist yet; then the nearest existing one counts.
        let mut folders = target.ancestors().skip(1).map(|folder| match folder {
            folder if folder.as_os_str().is_empty() => Path::new("."),
            folder => folder,
        });
        match folders.find(|folder| folder.exists()) {
            Some(folder) => Ok(access(folder, Access::WRITE_OK | Access::EXEC_OK)?),
            None => Ok(()),
        }
    });
    checked.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> ConfigError {
    ConfigError::of_file(
        path,
        format!("tilldeck cannot write the config file: {error}"),
        "nothing was changed; check the permissions of the file and its folder, and the free disk space",
    )
}

/// The target of a symbolic link, so that the link stays a link.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(_) => fs::canonicalize(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error),
    }
}

/// Writes the new text to a file beside its target, synced to disk, with the target's mode.
fn written_beside(target: &Path, folder: &Path, text: &str) -> io::Result<tempfile::NamedTempFile> {
    // A new file in the folder would replace even a write-protected one, whose owner protected it on purpose.
    match OpenOptions::new().write(true).open(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut fresh, text.as_bytes())?;
    if let Ok(about) = fs::metadata(target) {
        fresh.as_file().set_permissions(about.permissions())?;
    }
    fresh.as_file().sync_all()?;
    Ok(fresh)
}
#[cfg(test)]
mod tests;
