//! Keeps secrets that tilldeck was given: in the system's keyring where one works, else in files that only
//! the user can read. Blocks; call it from a thread that may.

use std::io;
use std::path::{Path, PathBuf};

use crate::domain::Secret;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultPlace {
    /// In the system's keyring, as an entry of the service `tilldeck`.
    Keyring,
    /// In this file, mode 0600.
    File(PathBuf),
}

/// Why a secret cannot be kept, read or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file is of no use.
    #[error("{path}: {why}", path = path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// The system's words.
        why: io::Error,
    },
}

/// Keeps secrets by name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Vault {
    folder: PathBuf,
}

impl Vault {
    /// Keeps in files in `folder` alone.
    #[must_use]
    pub fn files(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Keeps a secret under `name`, in place of the one before it: whole, or not at all. Names are of ASCII
    /// letters, digits, `-`, `_` and `.`.
    ///
    /// # Errors
    /// If it can be kept nowhere; the one before it is there still.
    pub fn put(&self, name: &str, secret: &Secret) -> Result<VaultPlace, VaultError> {
        use std::io::Write as _;
        let path = self.path(name);
        let failed = |why| VaultError::File {
            path: path.clone(),
            why,
        };
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        // Made with mode 0600, beside the file it replaces.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(failed)?;
        file.write_all(secret.expose().as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(VaultPlace::File(path))
    }

    /// The secret kept under `name`, and where; `None` where there is none.
    ///
    /// # Errors
    /// If there is one that cannot be read.
    pub fn get(&self, name: &str) -> Result<Option<(Secret, VaultPlace)>, VaultError> {
        let path = self.path(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some((Secret::new(text), VaultPlace::File(path)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(VaultError::File { path, why }),
        }
    }

    /// Forgets the secret kept under `name`, wherever it is; fine where there is none.
    ///
    /// # Errors
    /// If it is still there.
    pub fn forget(&self, name: &str) -> Result<(), VaultError> {
        let path = self.path(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(VaultError::File { path, why: error })
            }
            _ => Ok(()),
        }
    }

    /// Whether a file is one of those it keeps secrets in.
    #[must_use]
    pub fn holds(&self, file: &Path) -> bool {
        file.parent() == Some(&self.folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(Path::new(name))
    }
}
