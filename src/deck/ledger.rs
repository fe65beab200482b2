//! Where the ledger is: a file in the state folder, or a database that a team shares.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{DatabaseUrl, Environ, LedgerConfig, SecretSource, child, in_home};
use crate::domain::{Exchange, Problem, Secret, inert};
use crate::ledger::{self, DatabaseSettings, Ledger, Retention, Status};
use crate::net;

/// The schema of a shared ledger, where the config names none.
const SCHEMA: &str = "tilldeck";

const OPERATOR_MAX: usize = 64;

/// What to do about a file that this program must not use.
pub(super) const OTHER_FOLDER: &str =
    "choose another folder with --state-dir; the file stays as it is";

/// Which ledger a deck works with.
pub(super) enum Source<'a> {
    /// The requests of a recording, in memory.
    Recording(Vec<Exchange>),
    /// The one of an earlier deck.
    Open(Ledger),
    /// The shared one that the config names, else this machine's file.
    Configured(&'a LedgerConfig),
    /// This machine's file.
    File,
    /// This machine's file, where every write fails.
    ReadOnlyFile,
}

/// Opens a ledger; a file is in `state_dir`.
///
/// # Errors
/// If a newer tilldeck or another program wrote the file, or the database's URL cannot be read or used.
pub(super) async fn open(
    source: Source<'_>,
    state_dir: PathBuf,
    environ: &Environ,
    clock: &Clock,
) -> Result<Ledger, Problem> {
    let is_read_only = matches!(source, Source::ReadOnlyFile);
    let settings = match source {
        Source::Recording(requests) => return Ok(of_recording(requests, clock.clone()).await),
        // Its problems are logged already.
        Source::Open(ledger) => return Ok(ledger),
        Source::Configured(config) => database(config, environ).await?,
        Source::File | Source::ReadOnlyFile => None,
    };
    let ledger = if let Some(settings) = settings {
        Ledger::connect(&settings, clock.clone(), Retention::shared()).map_err(unusable)?
    } else {
        refuse_foreign(state_dir.clone()).await?;
        if is_read_only {
            Ledger::read_only(state_dir, clock.clone())
        } else {
            Ledger::start(state_dir, clock.clone(), Retention::default())
        }
    };
    tokio::spawn(log_problems(ledger.status_changes()));
    Ok(ledger)
}

async fn of_recording(requests: Vec<Exchange>, clock: Clock) -> Ledger {
    let ledger = Ledger::in_memory(clock);
    for request in requests {
        ledger.keep_up().await;
        ledger.record_later(request, Box::new(|_| {}));
    }
    ledger.flush().await;
    ledger
}

/// The shared database that the config names, with its password.
///
/// # Errors
/// If the secret with its URL cannot be read.
pub async fn database(
    config: &LedgerConfig,
    environ: &Environ,
) -> Result<Option<DatabaseSettings>, Problem> {
    let url = match &config.url {
        None => return Ok(None),
        Some(DatabaseUrl::Plain(url)) => Secret::new(url.clone()),
        Some(DatabaseUrl::Secret(source)) => {
            read(source.clone(), environ.clone(), "the URL of the ledger").await?
        }
    };
    Ok(Some(settings(url, config, environ)))
}

/// The database with this URL, under the other settings of the config.
pub(super) fn settings(url: Secret, config: &LedgerConfig, environ: &Environ) -> DatabaseSettings {
    let passwords = passwords(&url);
    let password = passwords
        .is_empty()
        .then(|| environ.get(DatabaseUrl::PASSWORD))
        .flatten();
    let password = password.map(|text| Secret::new(text.to_string_lossy().into_owned()));
    if let Some(password) = &password {
        // Programs that tilldeck starts must not inherit it.
        child::withhold(DatabaseUrl::PASSWORD);
        net::redact::learn(password, "database password");
    }
    let pass_file = (passwords.is_empty() && password.is_none())
        .then(|| pass_file(environ))
        .flatten();
    let saved = pass_file.as_ref().map_or("", Secret::expose);
    let place = percent_encoding::percent_decode_str(url.expose()).decode_utf8_lossy();
    for [host, _, _, user, password] in ledger::pass_file_lines(saved) {
        // A line of another server may have any word as its password.
        let is_named = |field: &str| field == "*" || place.contains(field);
        if is_named(&user) && (host == "localhost" || is_named(&host)) {
            net::redact::learn(&Secret::new(password), "database password");
        }
    }
    if !passwords.is_empty() {
        // An error of the server may repeat it, or a part.
        net::redact::learn(&url, "database URL");
        for password in passwords {
            net::redact::learn(&password, "database password");
        }
    }
    DatabaseSettings {
        url,
        password,
        pass_file,
        schema: config.schema.clone().unwrap_or_else(|| SCHEMA.to_owned()),
        operator: config.operator.clone().unwrap_or_else(|| operator(environ)),
    }
}

/// libpq's password file. As there, it does not count if another user can read it.
fn pass_file(environ: &Environ) -> Option<Secret> {
    let path = environ.get("PGPASSFILE").unwrap_or("~/.pgpass".into());
    let path = in_home(Path::new(&path), environ).ok()?;
    let about = fs::metadata(&path).ok()?;
    if !about.is_file() || about.mode() & 0o077 != 0 {
        let path = path.display();
        tracing::warn!(%path, "the password file is ignored: run chmod 600 on it");
        return None;
    }
    fs::read_to_string(&path).ok().map(Secret::new)
}

/// The passwords in a database's URL, before the host and as a parameter. They may contain what separates the parts of
/// a URL.
fn passwords(url: &Secret) -> Vec<Secret> {
    let url = url.expose();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    let of_user = user.split_once(':').map(|(_, password)| password);
    let pairs = rest.split(['?', '&']).skip(1);
    let parameters = pairs.filter_map(|pair| pair.strip_prefix("password="));
    let decoded = |text| percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    of_user
        .into_iter()
        .chain(parameters)
        .map(|text| Secret::new(decoded(text).into_owned()))
        .collect()
}

/// Does what blocks. A connection waits on a thread of its own: it must not be one of the runtime's.
///
/// # Errors
/// Those of `work`, as a problem of the shared ledger.
pub async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Problem> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || answer.send(work()));
    let done = answered.await;
    done.unwrap_or_else(|_| Err("an internal error stopped it".to_owned()))
        .map_err(unusable)
}

pub(super) async fn read(
    source: SecretSource,
    environ: Environ,
    what: &str,
) -> Result<Secret, Problem> {
    let shown = source.describe();
    let read = tokio::task::spawn_blocking(move || source.resolve(&environ)).await;
    let why = match read {
        Ok(Ok(resolved)) => return Ok(resolved.secret),
        Ok(Err(error)) => error.words(net::redact::body),
        Err(_) => "an internal error stopped reading it".to_owned(),
    };
    Err(Problem::config(
        format!("tilldeck cannot read {what}: {why}"),
        format!("the config names {shown}"),
    ))
}

/// A database whose settings cannot be used.
pub(super) fn unusable(why: impl std::fmt::Display) -> Problem {
    Problem::config(
        format!("the shared ledger cannot be used: {why}"),
        "`url` in [ledger] names the database; --ledger sqlite opens this machine's own ledger, for reading",
    )
}

/// "user@host", from the environment and the system.
fn operator(environ: &Environ) -> String {
    let user = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| environ.get(name));
    let user = user.map_or_else(
        || "unknown".to_owned(),
        |user| user.to_string_lossy().into_owned(),
    );
    let host = rustix::system::uname();
    let name = format!("{user}@{}", host.nodename().to_string_lossy());
    inert::cut(&name, OPERATOR_MAX)
}

/// A ledger that a newer tilldeck or another program wrote stops the program: without it, callbacks that still wait to be
/// forwarded would be lost.
async fn refuse_foreign(folder: PathBuf) -> Result<(), Problem> {
    let foreign = tokio::task::spawn_blocking(move || ledger::written_by_another(&folder)).await;
    match foreign {
        Ok(Some(why)) => Err(Problem::local(
            format!("this tilldeck cannot use the ledger {why}"),
            OTHER_FOLDER,
        )),
        _ => Ok(()),
    }
}

/// Logs the ledger's problems to the support log until the deck is closed.
async fn log_problems(mut changes: watch::Receiver<Status>) {
    let mut was_ready = true;
    loop {
        let status = changes.borrow_and_update().clone();
        let is_ready = matches!(status, Status::Opening | Status::Ready);
        match status {
            Status::Ready if !was_ready => tracing::info!("the ledger can be written again"),
            Status::Opening | Status::Ready => {}
            Status::Locked => tracing::warn!("another program has locked the ledger"),
            Status::SetAside { to, why } => {
                tracing::error!(to = %to.display(), why, "the ledger was damaged, and moved away");
            }
            Status::Degraded { why } => tracing::error!(why, "the ledger cannot be written"),
            Status::Away { why, .. } => tracing::error!(why, "the shared ledger cannot be used"),
        }
        was_ready = is_ready;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pgpassword_is_the_password_of_a_url_without_one() {
        let environ = Environ::of([("PGPASSWORD", "of-the-environment")]);
        for (url, expected) in [
            (
                "postgres://till@db.example/till",
                Some("of-the-environment"),
            ),
            ("postgres://till:own@db.example/till", None),
        ] {
            let url = Secret::new(url.to_owned());
            let found = settings(url, &LedgerConfig::default(), &environ).password;
            assert_eq!(found.as_ref().map(Secret::expose), expected);
        }
    }

    #[test]
    fn a_password_file_counts_if_no_other_user_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".pgpass");
        let lines =
            "db.example:*:*:*:password-of-a-file\nother.example:*:*:*:password-of-another-server\n";
        fs::write(&path, lines).unwrap();
        let home = folder.path().to_str().unwrap();
        let named = path.to_str().unwrap();
        let found = |environ: &Environ, url: &str| {
            let url = Secret::new(url.to_owned());
            let settings = settings(url, &LedgerConfig::default(), environ);
            settings.pass_file.is_some()
        };
        let url = "postgres://till@db.example/till";
        for environ in [
            Environ::of([("HOME", home)]),
            Environ::of([("HOME", "/nowhere"), ("PGPASSFILE", named)]),
        ] {
            for (mode, expected) in [(0o600, true), (0o400, true), (0o640, false)] {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                assert_eq!(found(&environ, url), expected, "{mode:o}");
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(!found(&environ, "postgres://till:own@db.example/till"));
        }
        let shown = |text| net::redact::scrub(text).into_owned();
        assert!(!shown("refused: password-of-a-file").contains("password-of-a-file"));
        let others = "password-of-another-server";
        assert_eq!(shown(others), others, "any word may be one");
        let both = Environ::of([("HOME", home), ("PGPASSWORD", "of-the-environment")]);
        assert!(!found(&both, url));
    }

    #[test]
    fn the_passwords_in_a_url_are_found_as_the_server_may_repeat_them() {
        for (url, expected) in [
            ("postgres://till@db.example/till", &[][..]),
            ("postgres://till:secret@db.example/till", &["secret"]),
            (
                "postgres://till:pa?ss%2Fword@db.example/till",
                &["pa?ss/word"],
            ),
            ("postgres://till:p@ss@db.example/till", &["p@ss"]),
            (
                "postgres://db.example/till?sslmode=require&password=secret",
                &["secret"],
            ),
        ] {
            let found = passwords(&Secret::new(url.to_owned()));
            let found: Vec<&str> = found.iter().map(Secret::expose).collect();
            assert_eq!(found, expected, "{url}");
        }
    }
}
