//! The vault on keyrings that work, are absent, locked or hang, and on files. No test comes near a real keyring.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};

use super::*;

/// A keyring that works until it is given a trouble.
#[derive(Default)]
struct Fake {
    entries: Mutex<BTreeMap<String, Secret>>,
    trouble: Mutex<Option<KeyringError>>,
    calls: AtomicU32,
}

impl Fake {
    fn in_trouble(why: KeyringError) -> Arc<Self> {
        let fake = Self::default();
        *fake.trouble.lock().unwrap() = Some(why);
        Arc::new(fake)
    }

    fn used(&self) -> Result<std::sync::MutexGuard<'_, BTreeMap<String, Secret>>, KeyringError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.trouble.lock().unwrap().clone() {
            Some(why) => Err(why),
            None => Ok(self.entries.lock().unwrap()),
        }
    }
}

impl Keyring for Fake {
    fn get(&self, name: &str) -> Result<Option<Secret>, KeyringError> {
        Ok(self.used()?.get(name).cloned())
    }

    fn put(&self, name: &str, secret: &Secret) -> Result<(), KeyringError> {
        self.used()?.insert(name.to_owned(), secret.clone());
        Ok(())
    }

    fn forget(&self, name: &str) -> Result<(), KeyringError> {
        self.used()?.remove(name);
        Ok(())
    }
}

/// A keyring that answers when its other end is dropped.
struct Hanging(Mutex<mpsc::Receiver<()>>);

impl Hanging {
    fn wait(&self) -> KeyringError {
        let _ = self.0.lock().unwrap().recv();
        KeyringError::Refused
    }
}

impl Keyring for Hanging {
    fn get(&self, _: &str) -> Result<Option<Secret>, KeyringError> {
        Err(self.wait())
    }

    fn put(&self, _: &str, _: &Secret) -> Result<(), KeyringError> {
        Err(self.wait())
    }

    fn forget(&self, _: &str) -> Result<(), KeyringError> {
        Err(self.wait())
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

fn with(folder: &Path, keyring: Arc<dyn Keyring>) -> Vault {
    Vault::with(folder.join("vault"), keyring, Duration::from_secs(20))
}

fn stored(vault: &Vault, name: &str) -> Option<(String, VaultPlace)> {
    let found = vault.get(name).unwrap();
    found.map(|(secret, place)| (secret.expose().to_owned(), place))
}

#[test]
fn a_working_keyring_keeps_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Arc::new(Fake::default());
    let vault = with(folder.path(), fake.clone());
    assert_eq!(stored(&vault, "a"), None);
    assert_eq!(vault.put("a", &secret("one")).unwrap(), VaultPlace::Keyring);
    assert_eq!(
        stored(&vault, "a"),
        Some(("one".into(), VaultPlace::Keyring))
    );
    assert!(!folder.path().join("vault").exists());
    assert_eq!(vault.note(), None);
    vault.forget("a").unwrap();
    vault.forget("a").unwrap();
    assert_eq!(stored(&vault, "a"), None);
}

#[test]
fn an_absent_or_locked_keyring_is_asked_once_and_the_file_keeps() {
    for (why, words) in [
        (
            KeyringError::Absent("no bus".into()),
            "no keyring on this machine",
        ),
        (
            KeyringError::Locked("prompt dismissed".into()),
            "the keyring is locked (prompt dismissed)",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let fake = Fake::in_trouble(why);
        let vault = with(folder.path(), fake.clone());
        let file = folder.path().join("vault").join("a");
        let place = vault.put("a", &secret("one")).unwrap();
        assert_eq!(place, VaultPlace::File(file.clone()));
        vault.put("b", &secret("two")).unwrap();
        assert_eq!(stored(&vault, "a"), Some(("one".into(), place)));
        assert_eq!(stored(&vault, "c"), None);
        assert_eq!(fake.calls.load(Ordering::SeqCst), 1, "{words}");
        assert_eq!(vault.note().as_deref(), Some(words));
    }
}

#[test]
fn a_keyring_that_hangs_is_left_behind_after_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (hold, hangs) = mpsc::channel();
    let keyring = Arc::new(Hanging(Mutex::new(hangs)));
    let limit = Duration::from_millis(30);
    let vault = Vault::with(folder.path().join("vault"), keyring, limit);
    let place = vault.put("a", &secret("one")).unwrap();
    assert!(matches!(place, VaultPlace::File(_)));
    assert_eq!(
        vault.note().as_deref(),
        Some("the keyring did not respond within 30 ms")
    );
    assert_eq!(stored(&vault, "a"), Some(("one".into(), place)));
    drop(hold);
}

#[test]
fn the_newest_secret_counts_wherever_the_keyring_was_when_it_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Arc::new(Fake::default());
    with(folder.path(), fake.clone())
        .put("a", &secret("one"))
        .unwrap();
    *fake.trouble.lock().unwrap() = Some(KeyringError::Locked("later".into()));
    with(folder.path(), fake.clone())
        .put("a", &secret("two"))
        .unwrap();
    *fake.trouble.lock().unwrap() = None;
    let vault = with(folder.path(), fake.clone());
    assert_eq!(stored(&vault, "a").unwrap().0, "two");
    vault.put("a", &secret("three")).unwrap();
    assert_eq!(
        stored(&vault, "a"),
        Some(("three".into(), VaultPlace::Keyring))
    );
}

#[test]
fn what_may_still_be_in_a_locked_keyring_is_not_called_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let locked = with(
        folder.path(),
        Fake::in_trouble(KeyringError::Locked("x".into())),
    );
    locked.put("a", &secret("one")).unwrap();
    let message = locked.forget("a").unwrap_err().to_string();
    assert!(
        message.contains("may still be in the keyring") && message.contains("unlock"),
        "{message}"
    );
    assert_eq!(stored(&locked, "a"), None, "the file is gone");
    let absent = with(
        folder.path(),
        Fake::in_trouble(KeyringError::Absent("x".into())),
    );
    absent.forget("a").unwrap();
}

#[test]
fn the_environment_switches_the_systems_keyring_off() {
    let folder = tempfile::tempdir().unwrap();
    let environ = Environ::of([("TILLDECK_KEYRING", "off")]);
    let vault = Vault::system(folder.path().join("vault"), &environ);
    let place = vault.put("a", &secret("one")).unwrap();
    assert!(matches!(place, VaultPlace::File(_)));
    assert!(vault.note().unwrap().contains("TILLDECK_KEYRING"));
    vault.forget("a").unwrap();
}

#[test]
fn names_that_could_lead_elsewhere_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::files(folder.path().to_owned());
    for bad in ["", ".", "..", ".hidden", "a/b", "a\\b", "ż", "a b", "a\n"] {
        let message = vault.put(bad, &secret("x")).unwrap_err();
        assert!(matches!(message, VaultError::Name(_)), "{bad:?}");
    }
}

mod files {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn file_and_folder_are_the_users_alone_and_mended_where_they_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("deep/vault");
        let vault = Vault::files(at.clone());
        vault.put("a", &secret("one")).unwrap();
        assert_eq!((mode(&at), mode(&at.join("a"))), (0o700, 0o600));
        set_mode(&at, 0o755);
        set_mode(&at.join("a"), 0o644);
        assert_eq!(stored(&vault, "a").unwrap().0, "one");
        assert_eq!((mode(&at), mode(&at.join("a"))), (0o700, 0o600));
        set_mode(&at, 0o777);
        vault.put("a", &secret("two")).unwrap();
        assert_eq!(mode(&at), 0o700);
        let names = fs::read_dir(&at).unwrap().count();
        assert_eq!(names, 1, "nothing half-written stays behind");
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("vault");
        let vault = Vault::files(at.clone());
        vault.put("a", &secret("one")).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "foreign").unwrap();
        symlink(&elsewhere, at.join("b")).unwrap();
        let message = vault.get("b").unwrap_err();
        let message = message.to_string();
        assert!(
            message.contains("/b is a symbolic link; replace it with a copy of its target"),
            "{message}"
        );
        vault.put("b", &secret("two")).unwrap();
        assert_eq!(stored(&vault, "b").unwrap().0, "two");
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "foreign");

        let linked = folder.path().join("linked");
        symlink(&at, &linked).unwrap();
        let vault = Vault::files(linked);
        fs::set_permissions(at.join("a"), fs::Permissions::from_mode(0o644)).unwrap();
        for refused in [
            vault.put("c", &secret("three")).map(drop),
            vault.get("a").map(drop),
        ] {
            let message = refused.unwrap_err().to_string();
            assert!(message.contains("linked is a symbolic link"), "{message}");
        }
        let mode = fs::metadata(at.join("a")).unwrap().permissions().mode();
        assert_eq!(
            mode & 0o777,
            0o644,
            "a file behind the link stays as it was"
        );
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("vault");
        let vault = Vault::files(at.clone());
        vault.put("a", &secret("one")).unwrap();
        fs::write(at.join("large"), vec![b'x'; 70_000]).unwrap();
        fs::write(at.join("bytes"), b"planted\xff").unwrap();
        fs::create_dir(at.join("folder")).unwrap();
        for name in ["large", "bytes", "folder"] {
            let message = format!("{0} {0:?}", vault.get(name).unwrap_err());
            assert!(
                message.contains(name) && !message.contains("planted"),
                "{message}"
            );
        }
    }
}
