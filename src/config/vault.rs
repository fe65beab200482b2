//! Stores secrets: in the system's keyring where one works, else in files that only the user can read. Blocks; call
//! it from a blocking thread.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::zeroize::Zeroizing;

use super::Environ;
use super::keyring::{Keyring, KeyringError, TimedKeyring};
use crate::domain::{Secret, inert};
use crate::private;

/// No key, password or token is longer.
const SIZE_MAX: usize = 64 * 1024;

/// Where a secret is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultPlace {
    /// In the system's keyring, as an entry of the service `tilldeck`.
    Keyring,
    /// In this file, mode 0600.
    File(PathBuf),
}

/// Why a secret cannot be saved, read or deleted.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file cannot be used, or not safely.
    #[error("{0}")]
    File(String),
    /// A locked keyring may still hold the secret.
    #[error("it may still be in the keyring: {0}; unlock the keyring, then try again")]
    Keyring(KeyringError),
    /// The name is invalid.
    #[error("{0} is not a valid name for a secret; use letters, digits, `-`, `_` and `.`")]
    Name(String),
}

/// Stores secrets by name. Cheap to clone; clones share the state of the keyring.
///
/// A secret in a file is newer than one in the keyring: saving to the keyring deletes the file.
#[derive(Debug, Clone)]
pub struct Vault {
    folder: PathBuf,
    keyring: Option<Arc<TimedKeyring>>,
}

impl Vault {
    /// Stores in files in `folder` only.
    pub fn files(folder: PathBuf) -> Self {
        Self {
            folder,
            keyring: None,
        }
    }

    /// Stores in the system's keyring, else in files in `folder`. `TILLDECK_KEYRING=off` in `environ` disables the
    /// keyring.
    pub fn system(folder: PathBuf, environ: &Environ) -> Self {
        Self {
            folder,
            keyring: Some(TimedKeyring::system(environ)),
        }
    }

    /// Stores in `keyring`, which may take `limit` per request, else in files in `folder`.
    pub fn with(folder: PathBuf, keyring: Arc<dyn Keyring>, limit: Duration) -> Self {
        Self {
            folder,
            keyring: Some(Arc::new(TimedKeyring::new(keyring, limit))),
        }
    }

    /// The same vault without its keyring.
    #[must_use]
    pub fn without_keyring(&self) -> Self {
        Self::files(self.folder.clone())
    }

    /// The folder of the files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Why secrets are saved in files instead of the keyring, once that is known.
    pub fn note(&self) -> Option<String> {
        let why = self.keyring.as_ref()?.failure()?;
        Some(why.to_string())
    }

    /// Asks the keyring again from now on, although it was unusable.
    pub fn try_keyring_again(&self) {
        if let Some(keyring) = &self.keyring {
            keyring.forget_failure();
        }
    }

    /// Saves a secret under `name`, completely or not at all; replaces the previous one. Names consist of ASCII
    /// letters, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    /// If it cannot be saved anywhere; then the previous one is unchanged.
    pub fn put(&self, name: &str, secret: &Secret) -> Result<VaultPlace, VaultError> {
        let path = self.path(name)?;
        if let Some(keyring) = &self.keyring {
            let (entry, value) = (name.to_owned(), secret.clone());
            if keyring.call(move |store| store.put(&entry, &value)).is_ok() {
                // A remaining file would count as the newer one.
                remove(&path)?;
                return Ok(VaultPlace::Keyring);
            }
        }
        self.write(&path, secret)?;
        Ok(VaultPlace::File(path))
    }

    /// Replaces the secret `name` where it is stored, in `place`, completely or not at all. Returns `false` and changes
    /// nothing where the new secret belongs elsewhere: in a keyring that works by now, or in a file because the keyring
    /// does not.
    ///
    /// # Errors
    /// If the file cannot be replaced; then the previous one is unchanged.
    pub fn replace(
        &self,
        name: &str,
        secret: &Secret,
        place: &VaultPlace,
    ) -> Result<bool, VaultError> {
        let path = self.path(name)?;
        let entry = name.to_owned();
        match (place, &self.keyring) {
            // The keyring was disabled since the secret was saved.
            (VaultPlace::Keyring, None) => Ok(false),
            (VaultPlace::Keyring, Some(keyring)) => {
                let value = secret.clone();
                Ok(keyring.call(move |store| store.put(&entry, &value)).is_ok())
            }
            (VaultPlace::File(_), Some(keyring))
                if keyring.call(move |store| store.get(&entry)).is_ok() =>
            {
                Ok(false)
            }
            (VaultPlace::File(_), _) => self.write(&path, secret).map(|()| true),
        }
    }

    fn write(&self, path: &Path, secret: &Secret) -> Result<(), VaultError> {
        private::make_folder(&self.folder)
            .and_then(|()| private::tighten_folder(&self.folder))
            .and_then(|()| private::replace(path, secret.expose().as_bytes()))
            .map_err(failed(path))
    }

    /// The secret `name` and its place; `None` if it does not exist, or if the keyring that may have it is unavailable
    /// ([`Vault::note`] says why).
    ///
    /// # Errors
    /// If it exists but cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<(Secret, VaultPlace)>, VaultError> {
        let path = self.path(name)?;
        if let Some(secret) = self.read(&path)? {
            return Ok(Some((secret, VaultPlace::File(path))));
        }
        let Some(keyring) = &self.keyring else {
            return Ok(None);
        };
        let entry = name.to_owned();
        let found = keyring.call(move |store| store.get(&entry)).unwrap_or(None);
        Ok(found.map(|secret| (secret, VaultPlace::Keyring)))
    }

    /// Deletes the secret `name` from every place; no error where it does not exist.
    ///
    /// # Errors
    /// If it may still exist, in a keyring that is locked or hangs.
    pub fn forget(&self, name: &str) -> Result<(), VaultError> {
        let path = self.path(name)?;
        remove(&path)?;
        let Some(keyring) = &self.keyring else {
            return Ok(());
        };
        let entry = name.to_owned();
        match keyring.call(move |store| store.forget(&entry)) {
            Ok(()) | Err(KeyringError::Off(_) | KeyringError::Absent(_)) => Ok(()),
            Err(why) => Err(VaultError::Keyring(why)),
        }
    }

    /// Why files of this vault cannot be read, one error for each.
    pub fn unreadable(&self) -> Vec<VaultError> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let paths = files.filter_map(|file| self.path(&file.file_name().to_string_lossy()).ok());
        paths.filter_map(|path| self.read(&path).err()).collect()
    }

    /// Whether a file belongs to this vault.
    pub fn holds(&self, file: &Path) -> bool {
        file.parent() == Some(&self.folder)
    }

    fn path(&self, name: &str) -> Result<PathBuf, VaultError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 200 || name.starts_with('.') || !name.chars().all(plain)
        {
            return Err(VaultError::Name(inert::quoted(name, 80)));
        }
        Ok(self.folder.join(name))
    }

    /// The secret in a file, if the file exists.
    fn read(&self, path: &Path) -> Result<Option<Secret>, VaultError> {
        let none = |why| io::Error::other(format!("{} {why}; remove it", path.display()));
        let read = || {
            // First: a folder that is a link must not lead to the mode of a file elsewhere.
            private::tighten_folder(&self.folder)?;
            let file = private::open_existing(path)?;
            let mut bytes = Zeroizing::new(Vec::with_capacity(SIZE_MAX + 1));
            if !private::read_at_most(file, SIZE_MAX, &mut bytes)? {
                return Err(none("is larger than 64 KiB, so it is not a secret"));
            }
            let text = str::from_utf8(&bytes);
            text.map(|text| Some(Secret::new(text)))
                .map_err(|_| none("is not UTF-8 text, so it is not a secret"))
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map_err(failed(path)),
        }
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> VaultError {
    move |why| match why.raw_os_error() {
        Some(_) => VaultError::File(format!("{}: {why}", path.display())),
        // Not the system's: it names the path.
        None => VaultError::File(why.to_string()),
    }
}

fn remove(path: &Path) -> Result<(), VaultError> {
    match fs::remove_file(path) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => Err(failed(path)(why)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
