//! Edits of the config file: checked before and after, written whole or not at all.

mod text;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, ProviderSpec, SecretSource, check, file};
use rustix::fs::{Access, access};

use crate::domain::{AccountId, inert};
use crate::private;

/// A new account as it is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The profile it goes to; made where there is none of that name.
    pub profile: String,
    /// Its name.
    pub account: AccountId,
    /// Its provider.
    pub provider: String,
    /// Its environment.
    pub environment: String,
    /// The keys that stand in the file, in order.
    pub texts: Vec<(String, String)>,
    /// Where each secret is, in order.
    pub secrets: Vec<(String, SecretSource)>,
    /// The endpoints that are overridden.
    pub endpoints: BTreeMap<String, String>,
}

/// One change of the file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A new account, at the file's end. The file's first profile becomes its default.
    Add(Entry),
    /// An account goes, with the comments directly above its tables and directly under their last lines.
    Remove {
        /// The account's profile.
        profile: String,
        /// Its name.
        account: AccountId,
    },
    /// A secret comes from elsewhere.
    SetSecret {
        /// The account's profile.
        profile: String,
        /// The account's name.
        account: AccountId,
        /// Which of its secrets.
        key: String,
        /// From where.
        source: SecretSource,
    },
}

/// Why an edit cannot be made; in words, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditError {
    message: String,
    hint: &'static str,
}

impl EditError {
    fn new(message: impl Into<String>, hint: &'static str) -> Self {
        Self {
            message: message.into(),
            hint,
        }
    }
}

impl Entry {
    /// Whether what it says is right, told without any file: it is written in none yet.
    ///
    /// # Errors
    /// If it is not; [`ConfigError::message`] and [`ConfigError::hint`] say what to write instead.
    pub fn check(&self, specs: &'static [&'static ProviderSpec]) -> Result<(), ConfigError> {
        check::check(Path::new(""), &text::section(self), specs).map(drop)
    }
}

/// How often an edit is made anew because somebody else wrote the file meanwhile.
const TRIES: usize = 3;

impl Edit {
    /// The text after the edit. Pure; what comes out must be checked before it is used.
    ///
    /// # Errors
    /// If the text does not have what is to be changed, or has it in a form that cannot be changed safely.
    pub fn of(&self, text: &str) -> Result<String, EditError> {
        match self {
            Self::Add(entry) => text::add(text, entry),
            Self::Remove { profile, account } => text::remove(text, profile, account.as_str()),
            Self::SetSecret {
                profile,
                account,
                key,
                source,
            } => text::set_secret(text, profile, account.as_str(), key, source),
        }
    }
}

/// The config as it is in the file now; as without any file where there is none.
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

/// What the file would say after the edit, and whether it would be right and could be written; writes nothing.
///
/// # Errors
/// If the file as it is cannot be used or written, the edit cannot be made, or what would come of it is wrong.
pub fn rehearse(
    path: &Path,
    edit: &Edit,
    specs: &'static [&'static ProviderSpec],
) -> Result<Config, ConfigError> {
    writable(path)?;
    let before = file::read(path)?;
    after(path, before.as_deref(), edit, specs).map(|(_, config)| config)
}

/// Edits the config file: whole or not at all. Makes it (0600) and its folder (0700) where there is none; keeps its
/// mode, and follows a link to the file it means. A file that somebody else writes meanwhile is read and edited anew.
///
/// # Errors
/// As [`rehearse`], or if the file cannot be written; it is as it was then.
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
    // Two tilldecks at once take turns; where folders cannot be locked the comparison below remains.
    let _turn = File::open(folder)
        .ok()
        .filter(|folder| folder.lock().is_ok());
    for _ in 0..TRIES {
        let before = file::read(path)?;
        let (text, config) = after(path, before.as_deref(), edit, specs)?;
        let fresh = written_beside(&target, folder, &text).map_err(|error| failed(&error))?;
        meanwhile();
        if file::read(path)? != before {
            continue;
        }
        fresh
            .persist(&target)
            .map_err(|error| failed(&error.error))?;
        // The new name must survive a power cut too; what is written is right either way.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        return Ok(config);
    }
    Err(ConfigError::of_file(
        path,
        "the config file is being written by another program",
        "nothing was changed; close what else edits it, then try again",
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
    let text = edit
        .of(before.unwrap_or_default())
        .map_err(|error| ConfigError::of_file(path, error.message, error.hint))?;
    match check::check(path, &text, specs) {
        Ok(config) => Ok((text, config)),
        // Told without its place: the line it is in does not exist.
        Err(error) => Err(ConfigError::of_file(
            path,
            error.message().to_owned(),
            error.hint().to_owned(),
        )),
    }
}

/// What a link to nothing is told as.
#[must_use]
pub fn dangling(path: &Path) -> ConfigError {
    let meant = fs::read_link(path).unwrap_or_default();
    ConfigError::of_file(
        path,
        format!(
            "the config file is a link to {}, which does not exist",
            inert::quoted(&meant.to_string_lossy(), 400)
        ),
        "make the file that it names, or remove the link",
    )
}

/// Whether the config file could be written, as far as its permissions tell. Asked before anything else is, so that no
/// secret is typed and nothing sent for a change that cannot be saved.
///
/// # Errors
/// If it could not.
pub fn writable(path: &Path) -> Result<(), ConfigError> {
    if path.is_symlink() && !path.exists() {
        return Err(dangling(path));
    }
    let checked = target(path).and_then(|target| {
        if target.exists() {
            OpenOptions::new().write(true).open(&target)?;
        }
        // The folder may be yet to be made, in the nearest one that is there.
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
        format!("the config file cannot be written: {error}"),
        "look at the permissions of the file and of its folder, and at the space left; nothing was changed",
    )
}

/// The file a link means, so that the link stays one.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(_) => fs::canonicalize(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error),
    }
}

/// The new text in a file beside its target, on the disk, with the mode it is to have.
fn written_beside(target: &Path, folder: &Path, text: &str) -> io::Result<tempfile::NamedTempFile> {
    // Writing through the folder needs no right to the file itself; one that is write-protected is meant to be.
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
