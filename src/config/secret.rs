//! Reads secrets from their sources. Blocks: call it on a blocking thread. A secret is never in the config file, never
//! an argument, and never in an error.

use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use secrecy::zeroize::Zeroizing;

use crate::domain::charset::BYTE_ORDER_MARK;
use crate::domain::secret::trimmed;
use crate::domain::{Secret, inert};
use crate::private::{self, Danger};

use super::child::{self, ChildError, Limits};
use super::environ::Environ;
use super::keyring::{KeyringError, TimedKeyring};
use super::paths;

/// No key or password is longer; a larger file is a wrong path.
const SIZE_MAX: usize = 64 * 1024;

/// The time limit of a command, long enough for a password manager that unlocks by itself.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// How much of what a failed command printed is shown.
const PRINTED_SHOWN_MAX: usize = 200;

/// The source of a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env {
        /// Its name.
        name: String,
    },
    /// A file that contains only the secret.
    File {
        /// As written: `~/` is the home folder.
        written: String,
        /// The config file's folder, to which a relative path is relative.
        base: PathBuf,
    },
    /// A command that prints the secret.
    Command {
        /// The program and its arguments, run without a shell.
        words: Vec<String>,
    },
    /// An entry of the system's keyring, service "tilldeck".
    Keyring {
        /// The entry's name.
        name: String,
    },
}

/// A secret as read from its source.
#[derive(Debug)]
pub struct Resolved {
    /// The secret.
    pub secret: Secret,
    /// What the operator should correct.
    pub warnings: Vec<String>,
}

/// Why a secret cannot be read, and what to do. A command may have printed any secret but the one that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretError {
    what: String,
    /// The first line of the command's stderr, as it came, after a colon; may be empty.
    printed: String,
    hint: &'static str,
}

impl SecretError {
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            printed: String::new(),
            hint: "",
        }
    }

    /// The error in words. `redact` removes the secrets from what a command printed, before that is cut.
    pub fn words(&self, redact: impl FnOnce(&str) -> String) -> String {
        let printed = inert::cut(&redact(&self.printed), PRINTED_SHOWN_MAX);
        format!("{}{printed}{}", self.what, self.hint)
    }

    fn empty(source: &str) -> Self {
        Self::new(format!(
            "the secret from {source} is empty; save the secret there"
        ))
    }

    fn not_text(source: &str) -> Self {
        Self::new(format!(
            "the secret from {source} is not UTF-8 text; store it as plain text"
        ))
    }

    fn too_long(source: &str) -> Self {
        Self::new(format!(
            "the secret from {source} is longer than 64 KiB; check that it is the right source"
        ))
    }

    /// A path begins with `~/`.
    fn no_home(source: &str) -> Self {
        Self::new(format!(
            "{source} is in the home folder, which is unknown; set HOME or write the full path"
        ))
    }

    fn timed_out(source: &str, limit: Duration) -> Self {
        Self::new(format!(
            "{source} did not respond within {} s; unlock it first, then try again",
            limit.as_secs()
        ))
    }
}

impl fmt::Debug for SecretSource {
    /// As [`SecretSource::describe`]: a command's arguments may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretSource({})", self.describe())
    }
}

impl SecretSource {
    /// The source in a few words, such as `env KANGA_API_SECRET` or `command pass`. Never a command's arguments.
    pub fn describe(&self) -> String {
        let (kind, name) = match self {
            Self::Env { name } => ("env", name.as_str()),
            Self::File { written, .. } => ("file", written.as_str()),
            Self::Command { words } => ("command", words.first().map_or("", String::as_str)),
            Self::Keyring { name } => ("keyring", name.as_str()),
        };
        format!("{kind} {}", inert::cut(name, 120))
    }

    /// Whether it can be read at once and without a prompt, unlike a command or the keyring.
    pub fn is_cheap(&self) -> bool {
        match self {
            Self::Env { .. } | Self::File { .. } => true,
            Self::Command { .. } | Self::Keyring { .. } => false,
        }
    }

    /// Reads the secret. Blocks: up to 10 s for a command, 3 s for the keyring.
    ///
    /// # Errors
    /// If there is no valid secret. Each error says what to do.
    pub fn resolve(&self, environ: &Environ) -> Result<Resolved, SecretError> {
        let shown = self.describe();
        match self {
            Self::Env { name } => {
                let value = environ.get(name).ok_or_else(|| {
                    SecretError::new(format!(
                        "the environment variable {} is not set or empty; set it before starting tilldeck",
                        inert::cut(name, 120)
                    ))
                })?;
                let value = value.into_encoded_bytes();
                checked(&Zeroizing::new(value), &shown, SecretLines::One)
            }
            Self::File { written, base } => {
                let path = paths::expand(written, base, environ)
                    .ok_or_else(|| SecretError::no_home(&shown))?;
                from_file(&path, &shown)
            }
            Self::Command { words } => {
                let (program, arguments) = words
                    .split_first()
                    .ok_or_else(|| SecretError::empty(&shown))?;
                let program =
                    paths::program(program, environ).ok_or_else(|| SecretError::no_home(&shown))?;
                let mut command = child::command(program);
                command.args(arguments);
                let printed = output(command, &shown, COMMAND_LIMIT)?;
                checked(&printed, &shown, SecretLines::First)
            }
            Self::Keyring { name } => {
                let stored = from_keyring(name, &shown, environ)?;
                checked(&stored, &shown, SecretLines::One)
            }
        }
    }
}

/// Which lines of a source are the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SecretLines {
    /// The only line.
    One,
    /// The first line; notes may follow, as password managers print them.
    First,
}

/// The secret without surrounding whitespace, if it is valid.
fn checked(bytes: &[u8], source: &str, lines: SecretLines) -> Result<Resolved, SecretError> {
    if bytes.len() > SIZE_MAX {
        return Err(SecretError::too_long(source));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(SecretError::not_text(source));
    };
    let mut secret = trimmed(text);
    if lines == SecretLines::First {
        secret = trimmed(secret.split(['\r', '\n']).next().unwrap_or_default());
    }
    if secret.is_empty() {
        return Err(SecretError::empty(source));
    }
    // Text in UTF-16 has NUL bytes, and may still be valid UTF-8.
    if secret.contains('\0') {
        return Err(SecretError::not_text(source));
    }
    if secret.contains(['\r', '\n']) {
        return Err(SecretError::new(format!(
            "the secret from {source} has more than one line; save only the secret there, on one line"
        )));
    }
    let warnings = match left_around(text, secret) {
        what if what.is_empty() => Vec::new(),
        what => vec![format!(
            "{source} has {} around the secret; tilldeck ignores that, but other programs may not",
            what.join(" and ")
        )],
    };
    Ok(Resolved {
        secret: Secret::new(secret),
        warnings,
    })
}

/// The characters before and after a secret on its line, in words. A line end after it is normal.
fn left_around(text: &str, secret: &str) -> Vec<&'static str> {
    let (before, after) = text.split_once(secret).unwrap_or_default();
    let after = after.split(['\r', '\n']).next().unwrap_or_default();
    let mut found = Vec::new();
    for c in before.chars().chain(after.chars()) {
        let what = match c {
            BYTE_ORDER_MARK => "a byte order mark",
            ' ' => "a space",
            '\t' => "a tab",
            '\u{a0}' => "a no-break space",
            _ => "a line break or another invisible character",
        };
        if !found.contains(&what) {
            found.push(what);
        }
    }
    found
}

fn from_file(path: &Path, shown: &str) -> Result<Resolved, SecretError> {
    let failed = |error: std::io::Error| {
        SecretError::new(match error.kind() {
            ErrorKind::NotFound => {
                format!("{shown} does not exist; create it with the secret and mode 0600")
            }
            ErrorKind::PermissionDenied => {
                format!("no permission to read {shown}; make it readable for you alone (chmod 600)")
            }
            _ => format!("{shown} cannot be read: {error}"),
        })
    };
    // Checked before opening: opening a pipe would wait for its writer.
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(SecretError::new(format!(
            "{shown} is not a regular file; name a file that contains only the secret"
        )));
    }
    let file = File::open(path).map_err(failed)?;
    // Once more, of the open file: another one may be at the path by now.
    let about = file.metadata().map_err(failed)?;
    if let Some(danger) = Danger::of(&about) {
        let remedy = danger.remedy(path);
        return Err(SecretError::new(format!("{shown} {danger}; {remedy}")));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(SIZE_MAX + 1));
    if !private::read_at_most(file, SIZE_MAX, &mut bytes).map_err(failed)? {
        return Err(SecretError::too_long(shown));
    }
    let warning = readable_by_others(&about)
        .then(|| format!("{shown} can be read by other users; run chmod 600 on it"));
    let mut resolved = checked(&bytes, shown, SecretLines::One)?;
    resolved.warnings.extend(warning);
    Ok(resolved)
}

fn readable_by_others(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    about.permissions().mode() & 0o077 != 0
}

/// The output of a command.
fn output(
    command: Command,
    shown: &str,
    limit: Duration,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let limits = Limits {
        time: limit,
        most: SIZE_MAX + 1,
        // A password manager may prompt on the terminal.
        own_group: false,
    };
    child::run_blocking(command, limits).map_err(|why| match why {
        ChildError::NotStarted(why) => SecretError::new(format!(
            "cannot start {shown}: {why}; check that it is installed and on the PATH"
        )),
        ChildError::TimedOut(limit) => SecretError::timed_out(shown, limit),
        ChildError::TooLong => SecretError::too_long(shown),
        ChildError::Failed(status, printed) => SecretError {
            what: format!("{shown} failed ({status})"),
            printed,
            hint: "; run the command by hand to see why",
        },
    })
}

fn from_keyring(
    name: &str,
    shown: &str,
    environ: &Environ,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let entry = name.to_owned();
    // Called each time: the operator may have unlocked it since.
    let found = TimedKeyring::system(environ).retry(move |store| store.get(&entry));
    match found {
        Ok(Some(secret)) => Ok(Zeroizing::new(secret.expose().as_bytes().to_vec())),
        Ok(None) => Err(SecretError::new(format!(
            "the keyring has no entry {} of the service tilldeck; save the secret there first",
            inert::quoted(name, 120)
        ))),
        Err(KeyringError::NotText) => Err(SecretError::not_text(shown)),
        Err(KeyringError::Slow(limit)) => Err(SecretError::timed_out(shown, limit)),
        Err(KeyringError::Off(why)) => Err(SecretError::new(format!(
            "{shown} cannot be read: {why}; use env, file or command"
        ))),
        Err(why) => Err(SecretError::new(format!(
            "{shown} cannot be read: {why}; unlock the keyring, or use env, file or command"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> SecretSource {
        SecretSource::Env { name: name.into() }
    }

    fn file(folder: &Path, written: &str) -> SecretSource {
        SecretSource::File {
            written: written.into(),
            base: folder.into(),
        }
    }

    fn command(words: &[&str]) -> SecretSource {
        SecretSource::Command {
            words: words.iter().map(ToString::to_string).collect(),
        }
    }

    fn value(source: &SecretSource, environ: &Environ) -> String {
        let resolved = source.resolve(environ).unwrap();
        resolved.secret.expose().to_owned()
    }

    fn refusal(source: &SecretSource) -> String {
        let environ = Environ::of([("BLANK", "  "), ("LINES", "planted\nplanted")]);
        let error = source.resolve(&environ).unwrap_err();
        assert!(!format!("{error:?}").contains("planted"), "{error:?}");
        error.words(str::to_owned)
    }

    #[test]
    fn a_variable_is_trimmed_and_must_hold_something() {
        let environ = Environ::of([("KEY", "planted\r\n")]);
        assert_eq!(value(&env("KEY"), &environ), "planted");
        let warnings = env("KEY").resolve(&environ).unwrap().warnings;
        assert_eq!(warnings, [""; 0], "a line end is no blank");
        assert_eq!(
            refusal(&env("KEY")),
            "the environment variable KEY is not set or empty; set it before starting tilldeck"
        );
        assert!(refusal(&env("BLANK")).contains("is empty"));
        assert!(refusal(&env("LINES")).contains("more than one line"));
    }

    #[test]
    fn what_is_left_around_a_secret_is_trimmed_and_named_whatever_its_source() {
        let folder = tempfile::tempdir().unwrap();
        let cases = [
            ("planted\n", None),
            ("planted\n\n \n", None),
            ("\u{feff}planted\n", Some("a byte order mark")),
            ("planted ", Some("a space")),
            (" planted\t\r\n", Some("a space and a tab")),
            ("planted\u{a0}\n", Some("a no-break space")),
            (
                "\nplanted",
                Some("a line break or another invisible character"),
            ),
        ];
        for (text, what) in cases {
            let path = folder.path().join("key");
            private_file(&path, text);
            let environ = Environ::of([("KEY", text)]);
            let sources = [
                env("KEY"),
                file(folder.path(), "key"),
                command(&["printf", "%s", text]),
            ];
            for source in sources {
                let resolved = source.resolve(&environ).unwrap();
                assert_eq!(resolved.secret.expose(), "planted");
                let named = what.map(|what| {
                    let shown = source.describe();
                    format!("{shown} has {what} around the secret; tilldeck ignores that, but other programs may not")
                });
                assert_eq!(resolved.warnings, Vec::from_iter(named), "{source:?}");
            }
        }
    }

    fn private_file(path: &Path, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn of_what_a_command_prints_the_first_line_is_the_secret() {
        let none = Environ::of([]);
        for printed in [
            "planted\nlogin: x\nurl: y\n",
            "planted\r\nlogin: x",
            "\n planted \n\nnotes\n",
        ] {
            assert_eq!(
                value(&command(&["printf", "%s", printed]), &none),
                "planted"
            );
        }
        assert!(refusal(&command(&["printf", "\n\n"])).contains("is empty"));
    }

    #[test]
    fn a_file_is_read_from_home_or_beside_the_config() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let write = |name: &str, bytes: &[u8]| std::fs::write(at.join(name), bytes).unwrap();
        write("good", b"planted\n");
        write("empty", b"\n");
        write("bytes", b"planted\xff");
        write("notes", b"planted\nlogin: x\n");
        write("wide", b"planted\0x");
        write("large", &vec![b'x'; 70_000]);
        let home = Environ::of([("HOME", at.to_str().unwrap())]);
        assert_eq!(value(&file(at, "good"), &home), "planted");
        assert_eq!(
            value(&file(Path::new("/nowhere"), "~/good"), &home),
            "planted"
        );
        assert!(refusal(&file(at, "empty")).contains("is empty"));
        assert!(refusal(&file(at, "bytes")).contains("not UTF-8"));
        let message = refusal(&file(at, "notes"));
        assert!(
            message.contains("more than one line; save only the secret"),
            "{message}"
        );
        assert!(refusal(&file(at, "wide")).contains("not UTF-8"));
        assert!(refusal(&file(at, "large")).contains("64 KiB"));
        assert!(refusal(&file(at, "missing")).contains("does not exist"));
        assert!(refusal(&file(at, ".")).contains("not a regular file"));
    }

    #[test]
    fn a_file_others_can_read_is_warned_of_and_one_they_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "planted").unwrap();
        let warning = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let resolved = file(folder.path(), "key").resolve(&Environ::of([]));
            resolved.unwrap().warnings.pop()
        };
        assert_eq!(warning(0o600), None);
        for mode in [0o602, 0o666, 0o622] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let message = refusal(&file(folder.path(), "key"));
            assert!(
                message.starts_with("file key can be written by other users (mode 0"),
                "{message}"
            );
            assert!(message.contains("run `chmod go-w "), "{message}");
        }
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
            let message = refusal(&file(folder.path(), "key"));
            let what = "file key belongs to another user (uid 12345); run `chown` on ";
            assert!(message.starts_with(what), "{message}");
            std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        }
        assert_eq!(
            warning(0o644).unwrap(),
            "file key can be read by other users; run chmod 600 on it"
        );
    }

    #[test]
    fn a_command_runs_without_a_shell_and_shows_only_its_complaint() {
        let none = Environ::of([]);
        assert_eq!(value(&command(&["echo", "$HOME; x"]), &none), "$HOME; x");
        let failing = [
            "sh",
            "-c",
            "echo planted; printf 'no \\033[31mstore\\nmore' >&2; exit 3",
        ];
        let message = refusal(&command(&failing));
        assert!(
            message.starts_with("command sh failed (exit status: 3): no \\u{1b}[31mstore;"),
            "{message}"
        );
        let long = command(&["sh", "-c", "printf '%0190d known' 0 >&2; exit 3"]);
        let error = long.resolve(&none).unwrap_err();
        let words = error.words(|printed| printed.replace("known", "<key>"));
        assert!(words.contains(" <key>; run the command"), "{words}");
        assert!(refusal(&command(&["true"])).contains("is empty"));
        assert!(refusal(&command(&["/no/such/program"])).contains("cannot start"));
        assert!(refusal(&command(&["sh", "-c", "yes planted"])).contains("64 KiB"));
    }

    #[test]
    fn a_command_in_the_home_folder_is_found_there() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("print secret");
        std::fs::write(&program, "#!/bin/sh\necho planted \"$1\"\n").unwrap();
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&program, mode).unwrap();
        let home = Environ::of([("HOME", folder.path().to_str().unwrap())]);
        let source = command(&["~/print secret", "~"]);
        assert_eq!(value(&source, &home), "planted ~");
        assert!(refusal(&command(&["~nobody/x"])).contains("home folder"));
    }

    #[test]
    fn a_command_can_prompt_on_the_terminal() {
        // A process in a background group is stopped when it reads from the terminal (SIGTTIN).
        let own = rustix::process::getpgrp().as_raw_nonzero().to_string();
        let source = command(&["sh", "-c", "ps -o pgid= -p $$"]);
        assert_eq!(value(&source, &Environ::of([])), own);
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_hangs_is_ended() {
        let mut sleep = child::command("sleep");
        sleep.arg("600");
        let error = output(sleep, "command sleep", Duration::from_millis(20)).unwrap_err();
        assert_eq!(
            error.words(str::to_owned),
            "command sleep did not respond within 0 s; unlock it first, then try again"
        );
    }

    #[test]
    fn what_a_command_leaves_running_is_not_waited_for() {
        // It holds the output open for as long as a test never takes.
        let source = command(&["sh", "-c", "sleep 30 & echo planted"]);
        assert_eq!(value(&source, &Environ::of([])), "planted");
    }

    #[test]
    fn no_description_shows_a_commands_arguments() {
        let source = command(&["pass", "show", "planted"]);
        assert_eq!(source.describe(), "command pass");
        assert_eq!(format!("{source:?}"), "SecretSource(command pass)");
        assert_eq!(env("KANGA_API_SECRET").describe(), "env KANGA_API_SECRET");
    }
}
