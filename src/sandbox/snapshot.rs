//! The file that survives a restart. Written whole and moved into place by a rename; knows nothing of its content.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::domain::{WallTime, bad_json};

const VERSION: u32 = 1;

/// The saved state. Never contains a secret.
#[derive(Debug, Serialize, Deserialize)]
pub struct Snapshot {
    version: u32,
    /// The seed of the saved simulation.
    pub seed: u64,
    /// The simulated time at saving.
    pub now: WallTime,
    /// Each provider's saved state, by its short name.
    pub providers: Map<String, Value>,
}

impl Snapshot {
    pub fn new(seed: u64, now: WallTime, providers: Map<String, Value>) -> Self {
        Self {
            version: VERSION,
            seed,
            now,
            providers,
        }
    }
}

/// Reads an earlier run's snapshot; `None` where there is none.
///
/// # Errors
/// If the file cannot be read or was not written by [`SnapshotFile::save`].
pub async fn read(path: &Path) -> io::Result<Option<Snapshot>> {
    let text = match tokio::fs::read(path).await {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let saved: Snapshot =
        serde_json::from_slice(&text).map_err(|error| io::Error::other(bad_json(&error)))?;
    if saved.version == VERSION {
        Ok(Some(saved))
    } else {
        Err(io::Error::other("another version of tilldeck wrote it"))
    }
}

/// What a provider saves: itself, without the fields that it skips.
pub trait Persistent {
    /// What must survive a restart. No secrets.
    fn snapshot(&self) -> Value;
}

impl<S: Serialize> Persistent for S {
    fn snapshot(&self) -> Value {
        serde_json::to_value(self).expect("its maps have text keys")
    }
}

/// A provider's saved state, or the default where there is none.
///
/// # Errors
/// A message, if it is unreadable.
pub fn resume<T: Default + DeserializeOwned>(saved: Option<Value>) -> Result<T, String> {
    saved.map_or_else(
        || Ok(T::default()),
        |saved| serde_json::from_value(saved).map_err(|error| bad_json(&error)),
    )
}

/// Writes the file, one writer at a time.
#[derive(Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    written: Mutex<u64>,
}

impl SnapshotFile {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            written: Mutex::new(0),
        }
    }

    /// Writes the result of `snapshot`, unless `revision` is unchanged since the last write. Both run under the lock, so an
    /// older state never replaces a newer one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(
        &self,
        revision: impl FnOnce() -> u64,
        snapshot: impl FnOnce() -> Snapshot,
    ) -> io::Result<()> {
        let mut written = self.written.lock();
        let revision = revision();
        // Nothing has changed: a simulation that is left alone does not write.
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
        // A rename within one folder is atomic: a crash leaves the old file or the new one.
        file.persist(&self.path).map_err(|error| error.error)?;
        *written = revision;
        Ok(())
    }
}
