//! What there is to know about the file, for the operator.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::MAIN_DB;

use super::files::{FILE, LOCK_REPORTED_AFTER, foreign, is_damage, log_size, open_existing};
use super::schema;
use crate::ledger::database::FileReport;

/// Looks at the ledger's file in a folder, and changes nothing; `None` if there is none. Blocks.
///
/// # Errors
/// If it cannot be read, in words.
pub fn survey_file(folder: &Path) -> Result<Option<FileReport>, String> {
    let path = folder.join(FILE);
    let about = match fs::symlink_metadata(&path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut report = FileReport {
        bytes: about.len(),
        log_bytes: log_size(folder),
        version: 0,
        refusal: None,
        damage: None,
        path,
    };
    // SQLite must not follow links, and the folder's path may have some.
    let real = folder.canonicalize();
    let real = real.map_or_else(|_| report.path.clone(), |folder| folder.join(FILE));
    match check(&real, &mut report) {
        Ok(()) => {}
        Err(error) if is_damage(&error) => report.damage = Some(error.to_string()),
        Err(error) => return Err(error.to_string()),
    }
    Ok(Some(report))
}

fn check(path: &Path, report: &mut FileReport) -> rusqlite::Result<()> {
    let conn = open_existing(path)?;
    conn.busy_timeout(LOCK_REPORTED_AFTER)?;
    report.version = schema::version(&conn)?;
    report.refusal = if conn.is_readonly(MAIN_DB)? {
        Some("this user may not write it".to_owned())
    } else {
        foreign(&conn)
    };
    let found: String = conn.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
    report.damage = (found != "ok").then_some(found);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom, Write as _};

    use rusqlite::Connection;

    use super::*;

    #[test]
    fn a_whole_file_is_distinguished_from_a_damaged_one_and_from_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(survey_file(folder.path()), Ok(None));
        let path = folder.path().join(FILE);
        let conn = Connection::open(&path).unwrap();
        schema::migrate(&conn).unwrap();
        drop(conn);
        let whole = survey_file(folder.path()).unwrap().unwrap();
        assert_eq!((whole.version, whole.damage), (schema::NEWEST, None));
        assert_eq!(whole.refusal, None);
        assert_eq!(whole.bytes, fs::metadata(&path).unwrap().len());
        let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        // The page of a table; the first has the file's head.
        file.seek(SeekFrom::Start(4096)).unwrap();
        file.write_all(&[0xff; 4096]).unwrap();
        let damaged = survey_file(folder.path()).unwrap().unwrap();
        assert!(damaged.damage.is_some());
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(&[0xff; 100]).unwrap();
        let foreign = survey_file(folder.path()).unwrap().unwrap();
        assert!(foreign.damage.unwrap().contains("not a database"));
    }
}
