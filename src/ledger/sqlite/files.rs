//! The ledger's folder and file: created for the user alone, opened by one process at a time, moved away if damaged.
//! Blocks; only the ledger's thread calls this.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::private;

use super::recovery::{self, Recovered};
use super::schema;
use crate::ledger::status::Status;

pub(super) const FILE: &str = "ledger.db";
/// The name prefix of a file that was moved away.
const SET_ASIDE: &str = "ledger.db.damaged-";

const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// How long to wait for another process's lock or its opening of the file; then this process goes on without a file.
const OPENING_LIMIT: Duration = Duration::from_secs(30);

/// A lock that lasts longer is reported: other tilldecks hold it for milliseconds.
pub(super) const LOCK_REPORTED_AFTER: Duration = Duration::from_millis(1_500);

/// Identifies the opened file, whatever its name is now.
pub(super) type FileId = (u64, u64);

pub(super) struct Opened {
    pub(super) conn: Connection,
    /// `None` for a ledger in memory.
    pub(super) file: Option<FileId>,
    pub(super) status: Status,
}

/// The file that was open before.
#[derive(Default)]
pub(super) struct Replaced {
    /// If it is damaged, what is wrong with it.
    pub(super) damaged: Option<(FileId, String)>,
    /// What the next one must contain.
    pub(super) rows: Recovered,
}

enum Refusal {
    Damaged(String),
    /// A newer tilldeck or another program wrote it.
    Foreign(String),
    Locked,
    Trouble(String),
}

const LOCKED: &str = "the database is locked by another program";

/// Opens the file in `folder`, creating both if necessary; if that fails, a ledger in memory. A `damaged` file is moved
/// away first, unless another process already did.
pub(super) fn open(
    folder: &Path,
    clock: &Clock,
    status_sender: &watch::Sender<Status>,
    mut old: Replaced,
) -> Opened {
    open_file(folder, clock, status_sender, &mut old).unwrap_or_else(|why| Opened {
        conn: in_memory(&old.rows),
        file: None,
        status: Status::Degraded {
            why: format!("{}: {why}", folder.display()),
        },
    })
}

/// Whether there is a file in `folder`, or there may be one.
pub(super) fn is_there(folder: &Path) -> bool {
    let found = folder.join(FILE).symlink_metadata();
    let absent = [ErrorKind::NotFound, ErrorKind::NotADirectory];
    found.map_or_else(|error| !absent.contains(&error.kind()), |_| true)
}

pub(super) fn in_memory(rows: &Recovered) -> Connection {
    let conn = Connection::open_in_memory().expect("SQLite opens memory without any file");
    schema::migrate(&conn).expect("the tables fit into an empty database");
    // Fails only for lack of memory; then this process counts from nothing, as a new one does.
    let _ = rows.bring(&conn);
    conn
}

fn open_file(
    folder: &Path,
    clock: &Clock,
    status_sender: &watch::Sender<Status>,
    old: &mut Replaced,
) -> Result<Opened, String> {
    private::make_folder(folder).map_err(|error| error.to_string())?;
    // A user who can write to the folder can exchange the file under a running program.
    if let Some(danger) = private::danger_of_folder(folder) {
        return Err(format!("it {danger}; {}", danger.remedy(folder)));
    }
    // SQLite must not follow links, and this path contains none.
    let folder = &folder.canonicalize().map_err(|error| error.to_string())?;
    // Held until the end of this function: of two processes, one creates or moves the file and the other finds the
    // result.
    let _held = lock(&folder.join("ledger.lock"), status_sender)?;
    let path = folder.join(FILE);
    let mut status = Status::Ready;
    let mut waited = Duration::ZERO;
    if let Some((file, why)) = old.damaged.take()
        && file_id(&path) == Some(file)
    {
        status = set_aside(&path, why, clock)?;
    }
    if file_id(&path).is_none() {
        // Companions of a file that was removed. A new file must not share them with open connections to the old one:
        // closing those would release this process's locks, and other processes would truncate the companions.
        for companion in COMPANIONS {
            let _ = fs::remove_file(with_suffix(&path, companion));
        }
    }
    loop {
        // Created before SQLite sees it, so that it is the user's alone from the start.
        private::ensure(&path).map_err(|error| error.to_string())?;
        let why = match connect(&path, &old.rows) {
            Ok(conn) => {
                if status != Status::Ready && !old.rows.has_all_slots() {
                    recovery::forget_slots(&conn, clock).map_err(|error| error.to_string())?;
                }
                return Ok(Opened {
                    conn,
                    file: file_id(&path),
                    status,
                });
            }
            Err(Refusal::Locked) if waited < OPENING_LIMIT => {
                waited += LOCK_REPORTED_AFTER;
                status_sender.send_replace(Status::Locked);
                continue;
            }
            Err(Refusal::Locked) => return Err(LOCKED.into()),
            Err(Refusal::Trouble(why) | Refusal::Foreign(why)) => return Err(why),
            Err(Refusal::Damaged(why)) => why,
        };
        // The second damaged file in a row: something else is wrong, and moving more files away does not help.
        if status != Status::Ready {
            return Err(why);
        }
        // A new program has no other view of it. A running one has read what it could.
        if old.rows.is_empty()
            && let Ok(damaged) = open_existing(&path)
        {
            old.rows = Recovered::of(&damaged);
        }
        status = set_aside(&path, why, clock)?;
    }
}

pub(super) fn open_existing(path: &Path) -> rusqlite::Result<Connection> {
    // NO_MUTEX: one thread alone uses the connection.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let conn = Connection::open_with_flags(path, flags)?;
    // Closing must not delete `ledger.db-wal` by name: another process may have moved the file away, and the name may
    // belong to the new one.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(conn)
}

fn connect(path: &Path, rows: &Recovered) -> Result<Connection, Refusal> {
    prepared(open_existing(path)?, rows)
}

/// Checks that the file is a ledger, and brings it up to date.
fn prepared(conn: Connection, rows: &Recovered) -> Result<Connection, Refusal> {
    conn.busy_timeout(LOCK_REPORTED_AFTER)?;
    conn.set_prepared_statement_cache_capacity(64);
    // Otherwise SQLite prepares a statement again for each new value that its plan could depend on: no plan here does.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let empty = is_empty(&conn)?;
    if empty {
        // An empty file has nothing to lose, so the way to an empty database in WAL mode takes no journal: one sync
        // instead of eight, which took half of the console's opening.
        conn.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
        conn.pragma_update(None, "synchronous", "OFF")?;
        // Auto-vacuum can only be set before the first table.
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    }
    // The writes that must survive a power failure raise it for themselves (`Store::write_durably`). The next step syncs a
    // new file: of an empty one, SQLite would take the log for a stale one and delete it.
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    // SQLite stays in the old mode where shared memory does not work, as on network file systems.
    if mode != "wal" {
        return Err(Refusal::Trouble(
            "its file system cannot share a database between processes".into(),
        ));
    }
    conn.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    // Callbacks wait during a checkpoint; with a longer log, most checkpoints write a page more than once. In pages, so
    // 16 MiB.
    conn.pragma_update(None, "wal_autocheckpoint", 4_096)?;
    schema::migrate(&conn)?;
    if !rows.is_empty() {
        durably(&conn, |conn| rows.bring(conn))?;
    }
    // From here on the store itself waits for locks.
    conn.busy_timeout(Duration::ZERO)?;
    Ok(conn)
}

/// Whether there is nothing in an open file yet; what is in it must be a ledger that this program can use.
fn is_empty(conn: &Connection) -> Result<bool, Refusal> {
    let application: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = schema::version(conn)?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    // A database of another program often has no application id, so an empty one must have no tables either.
    let empty = application == 0 && version == 0 && tables == 0;
    if application != schema::APPLICATION_ID && !empty {
        return Err(Refusal::Foreign(
            "it is the database of another program".into(),
        ));
    }
    if version > schema::NEWEST {
        // A newer file may contain watches, nonces and open jobs that this version would ignore.
        return Err(Refusal::Foreign(newer(version)));
    }
    Ok(empty)
}

/// Why an open file is not for this program: a newer tilldeck or another program wrote it.
pub(super) fn foreign(conn: &Connection) -> Option<String> {
    match is_empty(conn) {
        Err(Refusal::Foreign(why)) => Some(why),
        _ => None,
    }
}

/// Opens a ledger's file alone, and brings its tables to this version, as opening the ledger does. Another program that
/// opens it waits meanwhile.
///
/// # Errors
/// Why the file cannot be used.
#[cfg(feature = "postgres")]
pub fn open_alone(file: &Path) -> Result<Connection, String> {
    let path = file.canonicalize().map_err(|error| error.to_string())?;
    let open = || {
        let conn = open_existing(&path)?;
        // Before the first read: it fails where another connection is open.
        conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        prepared(conn, &Recovered::default())
    };
    open().map_err(|refusal| match refusal {
        Refusal::Locked => {
            "another tilldeck on this machine uses it; end all of them, then import again"
                .to_owned()
        }
        Refusal::Trouble(why) | Refusal::Foreign(why) | Refusal::Damaged(why) => why,
    })
}

fn newer(version: usize) -> String {
    format!(
        "it was written by a newer tilldeck (version {version}; this one reads versions up to {}); update tilldeck",
        schema::NEWEST
    )
}

/// Why an open file cannot be used any more: a newer tilldeck has migrated it.
pub(super) fn migrated(conn: &Connection) -> Option<String> {
    let version = schema::version(conn).ok()?;
    (version > schema::NEWEST).then(|| newer(version))
}

/// Why this program cannot use the ledger in this folder: a newer tilldeck or another program wrote it. `None` also if
/// there is none, or it cannot be read. Changes nothing.
pub fn written_by_another(folder: &Path) -> Option<String> {
    let path = folder.canonicalize().ok()?.join(FILE);
    let conn = open_existing(&path).ok()?;
    // If it is locked, the real opening waits and reports that.
    conn.busy_timeout(Duration::ZERO).ok()?;
    Some(format!("{}: {}", path.display(), foreign(&conn)?))
}

/// The damaged ledgers of this folder that were moved away, oldest first.
pub fn set_aside_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(SET_ASIDE) && !COMPANIONS.iter().any(|companion| name.ends_with(companion))
    };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(name).collect();
    found.sort();
    found
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) {
            Self::Damaged(error.to_string())
        } else if is_locked(&error) {
            Self::Locked
        } else {
            Self::Trouble(error.to_string())
        }
    }
}

/// Whether the error means that the file's content is damaged.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}

pub(super) fn is_locked(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

fn set_aside(path: &Path, why: String, clock: &Clock) -> Result<Status, String> {
    let stamp: String = clock.now().wall.date_and_clock(&jiff::tz::TimeZone::UTC);
    // Colons are not allowed in names on every file system, and sorting by name sorts by time.
    let stamp = stamp.replace(['-', ':'], "").replace(' ', "-");
    let named = |number: u32| {
        let again = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        path.with_file_name(format!("{SET_ASIDE}{stamp}{again}"))
    };
    let to = (1..1000)
        .map(named)
        .find(|to| !to.exists())
        .ok_or("there are too many damaged ledgers beside it; delete some")?;
    fs::rename(path, &to).map_err(|error| error.to_string())?;
    for companion in COMPANIONS {
        // Either may be missing.
        let _ = fs::rename(with_suffix(path, companion), with_suffix(&to, companion));
    }
    Ok(Status::SetAside { to, why })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Waits for the other process that is opening the file. The system releases the lock with the file or the process.
fn lock(path: &Path, status_sender: &watch::Sender<Status>) -> Result<File, String> {
    const PAUSE: Duration = Duration::from_millis(10);
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = private::open(path).map_err(named)?;
    let mut waited = Duration::ZERO;
    while waited < OPENING_LIMIT {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(PAUSE);
                waited += PAUSE;
                if waited == LOCK_REPORTED_AFTER {
                    status_sender.send_replace(Status::Locked);
                }
            }
            Err(TryLockError::Error(error)) => return Err(named(error)),
        }
    }
    Err("another process takes too long to open the ledger".into())
}

pub(super) fn log_size(folder: &Path) -> u64 {
    let path = with_suffix(&folder.join(FILE), COMPANIONS[0]);
    fs::metadata(path).map_or(0, |about| about.len())
}

/// The file that has the ledger's name now.
pub(super) struct Present {
    pub(super) id: FileId,
    /// Whether it is empty or ends inside a page, which SQLite never writes: another program has truncated it. A
    /// process's page cache hides that for long.
    pub(super) is_cut_short: bool,
    /// The write-ahead log that has its name. As long as a process has it open, SQLite neither removes nor replaces it.
    pub(super) log: Option<FileId>,
}

impl Present {
    pub(super) fn look(folder: &Path) -> Option<Self> {
        const PAGE: u64 = 4_096;
        let about = fs::symlink_metadata(folder.join(FILE)).ok()?;
        Some(Self {
            id: id_of(&about),
            is_cut_short: about.len() == 0 || about.len() % PAGE != 0,
            log: file_id(&with_suffix(&folder.join(FILE), COMPANIONS[0])),
        })
    }
}

fn file_id(path: &Path) -> Option<FileId> {
    fs::symlink_metadata(path).ok().as_ref().map(id_of)
}

fn id_of(about: &fs::Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
    (about.dev(), about.ino())
}

/// Runs a job whose result survives a power failure.
pub(super) fn durably<T>(
    conn: &Connection,
    job: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    // In WAL mode only FULL syncs at each commit; NORMAL may lose the last ones in a power failure
    // (sqlite.org/pragma.html#pragma_synchronous).
    conn.pragma_update(None, "synchronous", "FULL")?;
    let done = job(conn);
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    done
}
