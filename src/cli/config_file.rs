//! Whether the config file was written since it was read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::global::Global;

const LOOK: Duration = Duration::from_secs(1);

/// The config file that the options select, also where there is none yet.
pub struct ConfigFile {
    path: Option<PathBuf>,
    stamps: Mutex<Stamps>,
}

/// The file as it was read, and as it was seen last.
struct Stamps {
    read: Stamp,
    seen: Stamp,
}

/// What differs after each write: size, times and inode. `None` without a file.
type Stamp = Option<(u64, [i64; 4], u64)>;

impl ConfigFile {
    pub fn new(global: &Global) -> Self {
        let path = global.config_path();
        let stamp = stamp(path.as_ref());
        let stamps = Mutex::new(Stamps {
            read: stamp,
            seen: stamp,
        });
        Self { path, stamps }
    }

    /// Called before it is read: a write in between is a change then.
    pub fn will_be_read(&self) {
        let now = stamp(self.path.as_ref());
        let mut stamps = self.stamps.lock();
        (stamps.read, stamps.seen) = (now, now);
    }

    /// Reports each change, until the receiver is dropped. Must be called on a runtime.
    pub fn changes(self: &Arc<Self>) -> mpsc::Receiver<()> {
        let (reporter, changes) = mpsc::channel(1);
        let file = self.clone();
        tokio::spawn(async move {
            while !reporter.is_closed() {
                tokio::time::sleep(LOOK).await;
                let looked_at = file.clone();
                // A file on another machine may answer slowly.
                let look = spawn_blocking(move || looked_at.has_changed()).await;
                if look.unwrap_or(false) && reporter.send(()).await.is_err() {
                    return;
                }
            }
        });
        changes
    }

    /// Whether it was written since it was read, and is not being written now. Says so once for each change.
    fn has_changed(&self) -> bool {
        let now = stamp(self.path.as_ref());
        let mut stamps = self.stamps.lock();
        // While it is being written, it differs each time.
        let is_settled = std::mem::replace(&mut stamps.seen, now) == now;
        let has_changed = is_settled && stamps.read != now;
        if has_changed {
            stamps.read = now;
        }
        has_changed
    }
}

fn stamp(path: Option<&PathBuf>) -> Stamp {
    // Through a symbolic link: an editor replaces the file, an operator the link.
    let file = fs::metadata(path?).ok()?;
    let times = [
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ];
    Some((file.size(), times, file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_seen_once_and_only_after_it_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let global = Global {
            config: Some(path.clone()),
            ..Global::default()
        };
        let file = ConfigFile::new(&global);
        let looks = || [(); 3].map(|()| file.has_changed());
        assert_eq!(looks(), [false; 3]);
        fs::write(&path, "1").unwrap();
        assert_eq!(looks(), [false, true, false]);
        // An editor renames a file over it, here with the same size and time.
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        let fresh = folder.path().join("fresh");
        fs::write(&fresh, "2").unwrap();
        let opened = fs::File::options().write(true).open(&fresh).unwrap();
        opened.set_modified(time).unwrap();
        fs::rename(&fresh, &path).unwrap();
        assert_eq!(looks(), [false, true, false]);
        fs::write(&path, "33").unwrap();
        assert!(!file.has_changed());
        fs::write(&path, "333").unwrap();
        assert_eq!(looks(), [false, true, false]);
        fs::write(&path, "4444").unwrap();
        file.will_be_read();
        assert_eq!(looks(), [false; 3]);
        fs::remove_file(&path).unwrap();
        assert_eq!(looks(), [false, true, false]);
    }
}
