//! The file that survives a restart. Written whole and put in place by renaming; knows not what it holds.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::WallTime;

const VERSION: u32 = 1;

/// What is kept. No secret is ever part of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Snapshot {
    version: u32,
    /// The seed of the world that was kept.
    pub seed: u64,
    /// The time that world had come to.
    pub now: WallTime,
    /// What each provider keeps, by its short name.
    #[serde(alias = "dialects")]
    pub providers: Map<String, Value>,
}

impl Snapshot {
    /// What is to be kept.
    #[must_use]
    pub fn new(seed: u64, now: WallTime, providers: Map<String, Value>) -> Self {
        Self {
            version: VERSION,
            seed,
            now,
            providers,
        }
    }
}

/// Reads what an earlier run kept; `None` where there was none.
///
/// # Errors
/// If the file cannot be read or was not written by [`SnapshotFile::keep`].
pub async fn read(path: &Path) -> io::Result<Option<Snapshot>> {
    let text = match tokio::fs::read(path).await {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let kept: Snapshot = serde_json::from_slice(&text).map_err(io::Error::other)?;
    if kept.version == VERSION {
        Ok(Some(kept))
    } else {
        Err(io::Error::other("it is of another version"))
    }
}

/// A provider's part of what was kept, or a new one where there is none.
///
/// # Errors
/// In words, if it makes no sense.
pub fn resume<T: Default + DeserializeOwned>(kept: Option<Value>) -> Result<T, String> {
    kept.map_or_else(
        || Ok(T::default()),
        |kept| serde_json::from_value(kept).map_err(|error| error.to_string()),
    )
}

/// Writes the file, one writer at a time.
#[derive(Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    written: Mutex<u64>,
}

impl SnapshotFile {
    /// Will write to `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            written: Mutex::new(0),
        }
    }

    /// Writes what `snapshot` gives, unless nothing changed since the last write. Both are asked while
    /// other writers wait, so an older state never replaces a newer one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(
        &self,
        revision: impl FnOnce() -> u64,
        snapshot: impl FnOnce() -> Snapshot,
    ) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let revision = revision();
        if *written == revision {
            return Ok(());
        }
        let text = serde_json::to_vec(&snapshot()).map_err(io::Error::other)?;
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&text)?;
        file.persist(&self.path).map_err(|error| error.error)?;
        *written = revision;
        Ok(())
    }
}
