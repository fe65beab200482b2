//! Files and folders that belong to the user alone: created private, opened without following a link, and rejected if
//! another user could change their content.

use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::geteuid;

use crate::domain::inert;

/// Why the content of a file or folder cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Danger {
    /// It belongs to neither this user nor root.
    Owner(u32),
    /// Other users can write it.
    Mode {
        /// Its permissions.
        mode: u32,
        /// Its owner.
        owner: u32,
    },
}

impl Danger {
    /// The problem of this file or folder, if any. A group's write permission does not count where the group has the
    /// owner's number: it is the owner's own group, as usual with umask 002.
    pub fn of(about: &Metadata) -> Option<Self> {
        let (owner, mode) = (about.uid(), about.mode() & 0o7777);
        // Root can read and change everything anyway.
        if owner != 0 && owner != geteuid().as_raw() {
            return Some(Self::Owner(owner));
        }
        let own_group = about.gid() == owner;
        let writable = mode & 0o002 != 0 || (mode & 0o020 != 0 && !own_group);
        writable.then_some(Self::Mode { mode, owner })
    }

    /// What to do.
    pub fn remedy(self, path: &Path) -> String {
        let path = shown(path);
        match self {
            Self::Owner(_) => format!("run `chown` on {path} if it is yours"),
            Self::Mode { .. } => format!("run `chmod go-w {path}` and check what it holds"),
        }
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(owner) => write!(f, "belongs to another user (uid {owner})"),
            Self::Mode { mode, owner } => {
                write!(
                    f,
                    "can be written by other users (mode {mode:04o}, owner uid {owner})"
                )
            }
        }
    }
}

/// The problem of a folder, if it exists. Follows a symbolic link.
pub fn danger_of_folder(folder: &Path) -> Option<Danger> {
    let link = fs::symlink_metadata(folder).ok()?;
    // The link's owner can point it elsewhere, whatever folder it leads to now.
    if link.is_symlink()
        && let Some(danger @ Danger::Owner(_)) = Danger::of(&link)
    {
        return Some(danger);
    }
    Danger::of(&fs::metadata(folder).ok()?)
}

/// Creates a folder and its parents for the user alone. An existing folder is unchanged.
///
/// # Errors
/// If it cannot be created.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    // The mode is set at creation: a later chmod would leave a moment in which others can look in.
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Creates a folder in a private one, if it does not exist.
///
/// # Errors
/// If it cannot be created, is a link, or another user can change its content.
pub fn make_subfolder(folder: &Path) -> io::Result<()> {
    make_folder(folder)?;
    if folder.is_symlink() {
        return Err(refused(folder, LINK));
    }
    match danger_of_folder(folder) {
        Some(danger) => Err(refused(
            folder,
            &format!("{danger}; {}", danger.remedy(folder)),
        )),
        None => Ok(()),
    }
}

/// Takes from others what a folder that exists allows them.
///
/// # Errors
/// If it is a link or no folder, or belongs to another user.
pub fn tighten_folder(folder: &Path) -> io::Result<()> {
    let about = fs::symlink_metadata(folder)?;
    if is_too_open(folder, &about, about.is_dir(), "folder")? {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

const LINK: &str =
    "is a symbolic link; replace it with a copy of its target, or remove it if it is not yours";

/// The mode of a file of the user alone.
const OWN: u32 = 0o600;

/// Opens a file for reading and writing by the user alone; creates it if needed. Does not follow a symbolic link in
/// the last part of the path.
///
/// # Errors
/// If it cannot be opened, is not a regular file, or belongs to another user.
pub fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    open_as(path, options.mode(OWN))
}

/// As [`open()`], but for reading, and creates no file.
///
/// # Errors
/// As [`open()`].
pub fn open_existing(path: &Path) -> io::Result<File> {
    open_as(path, OpenOptions::new().read(true))
}

fn open_as(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // NONBLOCK: opening a FIFO that someone put here would wait for its other end (open(2)).
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = match options.custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) => {
            // Why it may not be opened says more than that it cannot be.
            if let Ok(about) = fs::symlink_metadata(path) {
                is_too_open(path, &about, about.is_file(), "regular file")?;
            }
            return Err(error);
        }
    };
    // Of the open file, not of the path, which may lead elsewhere by now.
    let about = file.metadata()?;
    if is_too_open(path, &about, about.is_file(), "regular file")? {
        file.set_permissions(Permissions::from_mode(OWN))?;
    }
    Ok(file)
}

/// Writes a file of the user alone in place of the one before, completely or not at all. A symbolic link is replaced,
/// not followed.
///
/// # Errors
/// If it cannot be written; then the one before is unchanged, unless only the folder cannot be synced.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    written_in(folder, content)?.persist(path)?;
    // The new name must survive a power cut as well as the content.
    File::open(folder)?.sync_all()
}

/// Writes a new file of the user alone, completely or not at all.
///
/// # Errors
/// If it cannot be written, or there is one already, even one that appears at this moment: that one stays.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    written_in(folder, content)?.persist_noclobber(path)?;
    File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// A file without its name yet, with mode 0600.
fn written_in(folder: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    // Synced before it gets its name: after a power cut the name never points to an empty file.
    file.as_file().sync_all()?;
    Ok(file)
}

/// Reads to the end, unless that is more than `most` bytes: then `false`. A buffer with room for one more is never
/// reallocated, so that no copy of a secret stays in memory.
///
/// # Errors
/// If reading fails.
pub fn read_at_most(from: impl Read, most: usize, to: &mut Vec<u8>) -> io::Result<bool> {
    from.take(most as u64 + 1).read_to_end(to)?;
    Ok(to.len() <= most)
}

/// As [`open()`], but never opens a file that exists. Closing one would release the POSIX locks that SQLite has on it
/// elsewhere in this process (<https://sqlite.org/howtocorrupt.html>, 2.2). The folder must be the user's alone.
///
/// # Errors
/// As [`open()`].
pub fn ensure(path: &Path) -> io::Result<()> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWN)
        .open(path);
    match created {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
    }
    let about = fs::symlink_metadata(path)?;
    if is_too_open(path, &about, about.is_file(), "regular file")? {
        fs::set_permissions(path, Permissions::from_mode(OWN))?;
    }
    Ok(())
}

/// Whether others may read it: made by an older program or with another umask, and repaired, since the content is ours.
fn is_too_open(path: &Path, about: &Metadata, is_one: bool, what: &str) -> io::Result<bool> {
    if about.is_symlink() {
        return Err(refused(path, LINK));
    }
    if !is_one {
        return Err(refused(path, &format!("is not a {what}; remove it")));
    }
    if let Some(danger @ Danger::Owner(_)) = Danger::of(about) {
        let or = if about.is_dir() {
            "choose another folder with --state-dir"
        } else {
            "remove it"
        };
        return Err(refused(
            path,
            &format!("{danger}; run `chown` on it if it is yours, or {or}"),
        ));
    }
    Ok(about.mode() & 0o077 != 0)
}

fn refused(path: &Path, why: &str) -> io::Error {
    io::Error::other(format!("{} {why}", shown(path)))
}

fn shown(path: &Path) -> String {
    inert::line(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_can_write_is_a_danger() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let me = geteuid().as_raw();
        let danger = |mode, group| {
            chown(&file, None, group).unwrap();
            set_mode(&file, mode);
            Danger::of(&fs::metadata(&file).unwrap()).map(|danger| danger.to_string())
        };
        for mode in [0o600, 0o644, 0o755, 0o400] {
            assert_eq!(danger(mode, None), None);
        }
        assert_eq!(
            danger(0o666, None).unwrap(),
            format!("can be written by other users (mode 0666, owner uid {me})")
        );
        // Only root can give a file to any group.
        if me == 0 {
            assert_eq!(danger(0o664, Some(0)), None, "the owner's own group");
            assert_eq!(
                danger(0o664, Some(50)).unwrap(),
                "can be written by other users (mode 0664, owner uid 0)"
            );
            assert_eq!(danger(0o644, Some(50)), None);
            chown(&file, Some(12345), None).unwrap();
            assert_eq!(
                danger(0o600, None).unwrap(),
                "belongs to another user (uid 12345)"
            );
        }
    }

    #[test]
    fn a_folder_is_judged_by_its_mode_whatever_link_leads_to_it() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("folder");
        let link = outer.path().join("link");
        assert_eq!(danger_of_folder(&folder), None, "it does not exist");
        make_folder(&folder).unwrap();
        symlink(&folder, &link).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(danger_of_folder(&link), None);
        // The sticky bit keeps others from removing files, not from making them first.
        for mode in [0o777, 0o1777] {
            set_mode(&folder, mode);
            assert!(danger_of_folder(&folder).is_some());
            assert!(danger_of_folder(&link).is_some());
        }
    }

    #[test]
    fn a_link_in_place_of_a_file_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("victim"), "as it was").unwrap();
        set_mode(&at("victim"), 0o644);
        for (target, name) in [("victim", "to-a-file"), ("elsewhere", "to-nothing")] {
            symlink(at(target), at(name)).unwrap();
            let expected = format!(
                "{} is a symbolic link; replace it with a copy of its target, or remove it if it is not yours",
                at(name).display()
            );
            let opened = [open(&at(name)), open_existing(&at(name))];
            let opened = opened.map(|opened| opened.map(drop));
            for refused in opened.into_iter().chain([ensure(&at(name))]) {
                assert_eq!(refused.unwrap_err().to_string(), expected);
            }
        }
        assert_eq!(fs::metadata(at("victim")).unwrap().mode() & 0o777, 0o644);
        assert!(!at("elsewhere").exists());
        for refused in [open(folder.path()), open_existing(folder.path())] {
            assert!(refused.is_err());
        }
        assert!(ensure(folder.path()).is_err());
        symlink(folder.path(), at("folder")).unwrap();
        for no_folder in ["folder", "victim"] {
            assert!(tighten_folder(&at(no_folder)).is_err());
        }
        replace(&at("to-a-file"), b"new").unwrap();
        assert_eq!(fs::read_to_string(at("to-a-file")).unwrap(), "new");
        assert_eq!(fs::read_to_string(at("victim")).unwrap(), "as it was");
    }

    #[test]
    fn a_file_of_another_user_is_refused_with_its_owner_and_the_remedy() {
        // Only root can give a file away.
        if !geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "content").unwrap();
        chown(&path, Some(12345), None).unwrap();
        let expected = format!(
            "{} belongs to another user (uid 12345); run `chown` on it if it is yours, or remove it",
            path.display()
        );
        for refused in [
            open(&path).map(drop),
            open_existing(&path).map(drop),
            ensure(&path),
        ] {
            assert_eq!(refused.unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn no_more_than_allowed_is_read_and_a_buffer_with_room_stays_where_it_is() {
        for (content, fits) in [("", true), ("four", true), ("five5", false)] {
            let mut bytes = Vec::with_capacity(5);
            let at = bytes.as_ptr();
            let read = read_at_most(content.as_bytes(), 4, &mut bytes).unwrap();
            assert_eq!((read, bytes.as_ptr()), (fits, at), "{content}");
            assert_eq!(bytes, content.as_bytes());
        }
        let mut bytes = Vec::new();
        assert!(!read_at_most(io::repeat(b'x'), 4, &mut bytes).unwrap());
        assert_eq!(bytes, b"xxxxx");
    }

    #[test]
    fn a_file_is_made_for_the_user_alone_and_a_loose_one_is_tightened() {
        let folder = tempfile::tempdir().unwrap();
        let make: [fn(&Path) -> io::Result<()>; 3] = [
            |path| open(path).map(drop),
            ensure,
            |path| replace(path, b"content"),
        ];
        for (name, make) in ["opened", "ensured", "replaced"].into_iter().zip(make) {
            let path = folder.path().join(name);
            for _ in 0..2 {
                make(&path).unwrap();
                assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
                set_mode(&path, 0o666);
            }
        }
    }
}
