//! Connects to the database, with the settings of a session.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::SslMode;
use tokio_postgres::{AsyncMessage, Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::PostgresError;
use super::trust::{self, Trust};
use super::url::{Url, host_name};
use crate::domain::Secret;
use crate::ledger::database::DatabaseSettings;

/// The longest wait for a connection, over all hosts.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// The shortest wait for a connection to one of many hosts.
const HOST_MIN: Duration = Duration::from_secs(2);

/// The session's settings, whatever the server, the database or the role has.
const SETTINGS: [(&str, &str); 8] = [
    // A program that is stopped in a transaction holds the lock of an area.
    ("idle_in_transaction_session_timeout", "10s"),
    // After it has waited for a lock, a statement must see what the one before has written.
    ("default_transaction_isolation", "read committed"),
    // This side limits each wait; a limit of the server would end the wait for a key's lock.
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    // The session of a machine that is cut off ends, and with it the lock of its API key.
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "10s"),
];

/// Settings that a server of an older version than this does not know, so that it would refuse them at the start.
const LATER_SETTINGS: [(u32, &str, &str); 2] = [
    // The session that holds a key's lock is idle.
    (14, "idle_session_timeout", "0"),
    (17, "transaction_timeout", "0"),
];

pub(in crate::ledger) struct Target {
    /// One for each host, in the order in which they are tried.
    hosts: Vec<Config>,
    tls: Option<Arc<ClientConfig>>,
    pub(super) schema: String,
    /// Names this run of the program among the sessions.
    pub(super) process: String,
}

impl Target {
    /// Reads the settings.
    ///
    /// # Errors
    /// If the URL cannot be used; the message never contains its password.
    pub(in crate::ledger) fn new(settings: &DatabaseSettings) -> Result<Self, String> {
        let mut url = Url::read(settings.url.expose())?;
        if let (None, Some(password)) = (url.config.get_password(), &settings.password) {
            url.config.password(password.expose());
        }
        let trust = trust::of(url.mode.as_deref(), url.is_near())?;
        let schema = settings.schema.clone();
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| error.to_string())?;
        let process = format!("{:016x}", u64::from_be_bytes(random));
        let mut options = format!(
            "-c search_path={} -c tilldeck.process={process} -c tilldeck.operator={}",
            quoted(&schema),
            escaped(&settings.operator)
        );
        for (name, value) in SETTINGS {
            let _ = write!(options, " -c {name}={}", escaped(value));
        }
        let ssl_mode = match trust {
            Trust::Off => SslMode::Disable,
            Trust::Opportunistic => SslMode::Prefer,
            Trust::Unverified | Trust::Authority | Trust::Full => SslMode::Require,
        };
        let pass_file = settings.pass_file.as_ref().map_or("", Secret::expose);
        let hosts = url.hosts(pass_file).map(|mut one| {
            one.options(&options);
            one.ssl_mode(ssl_mode);
            one
        });
        Ok(Self {
            hosts: hosts.collect(),
            tls: trust::client_config(trust, url.root.as_deref())?.map(Arc::new),
            schema,
            process,
        })
    }

    pub(super) fn describe(&self) -> String {
        let place = |config: &Config| {
            let name = config
                .get_hosts()
                .first()
                .map_or_else(String::new, host_name);
            let port = config.get_ports().first().filter(|port| **port != 5432);
            port.map_or_else(|| name.clone(), |port| format!("{name}:{port}"))
        };
        let hosts: Vec<String> = self.hosts.iter().map(place).collect();
        let database = self.hosts.first().and_then(Config::get_dbname);
        format!("{}/{}", hosts.join(","), database.unwrap_or_default())
    }

    /// Connects; the second part drives the connection.
    pub(super) async fn connect(&self) -> Result<(Client, Driver), PostgresError> {
        self.connect_and_listen(Arc::new(|_| {})).await
    }

    /// As [`Target::connect`]; calls `notified` with the payload of each notification.
    pub(super) async fn connect_and_listen(
        &self,
        notified: Notified,
    ) -> Result<(Client, Driver), PostgresError> {
        // A host that accepts connections and then hangs takes no time from the next.
        let hosts = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        let limit = (CONNECT_MAX / hosts.max(1)).max(HOST_MIN);
        let mut failure = PostgresError::Away("it does not answer".to_owned());
        for host in &self.hosts {
            match tokio::time::timeout(limit, self.connect_to(host, notified.clone())).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => failure = error,
                Err(_) => failure = PostgresError::Away("it does not answer".to_owned()),
            }
        }
        Err(failure)
    }

    async fn connect_to(
        &self,
        host: &Config,
        notified: Notified,
    ) -> Result<(Client, Driver), PostgresError> {
        if let Some(tls) = &self.tls {
            let tls = MakeRustlsConnect::new(ClientConfig::clone(tls));
            let (client, connection) = host.connect(tls).await?;
            return set_up(client, connection, notified).await;
        }
        let (client, connection) = host.connect(tokio_postgres::NoTls).await?;
        set_up(client, connection, notified).await
    }
}

async fn set_up<S, T>(
    client: Client,
    connection: tokio_postgres::Connection<S, T>,
    notified: Notified,
) -> Result<(Client, Driver), PostgresError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let version = major(connection.parameter("server_version").unwrap_or_default());
    let mut driver = drive(connection, notified);
    let mut set = String::new();
    for (since, name, value) in LATER_SETTINGS {
        if since <= version {
            let _ = write!(set, "SET {name} TO {value}; ");
        }
    }
    let settings = async {
        client.batch_execute(&set).await?;
        // So that it ends a wait for a lock, too. Not every system can do it.
        let checks = client.batch_execute("SET client_connection_check_interval TO '5s'");
        match checks.await {
            Err(error) if error.as_db_error().is_none() => Err(error),
            _ => Ok(()),
        }
    };
    tokio::select! {
        done = settings => done?,
        ended = &mut driver => {
            ended?;
            return Err(PostgresError::Away("the server closed the connection".to_owned()));
        }
    }
    Ok((client, driver))
}

/// 15 of "15.4 (Debian 15.4-1)", 16 of "16beta1".
fn major(version: &str) -> u32 {
    let end = version.find(|char: char| !char.is_ascii_digit());
    version[..end.unwrap_or(version.len())].parse().unwrap_or(0)
}

/// See [`Target::connect_and_listen`].
pub(super) type Notified = Arc<dyn Fn(&str) + Send + Sync>;

fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>, notified: Notified) -> Driver
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Box::pin(poll_fn(move |context| {
        loop {
            match std::task::ready!(connection.poll_message(context)) {
                Some(Ok(AsyncMessage::Notification(notification))) => {
                    notified(notification.payload());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
        }
    }))
}

/// See [`Target::connect`].
pub(super) type Driver = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// A schema's name in a statement: it may be a word of SQL. Its characters are checked.
pub(super) fn quoted(schema: &str) -> String {
    format!("\"{schema}\"")
}

/// A value in the startup options: spaces and backslashes are escaped there.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for char in value.chars() {
        if char == ' ' || char == '\\' {
            text.push('\\');
        }
        text.push(char);
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::TargetSessionAttrs;

    use super::*;

    fn target(url: &str) -> Result<Target, String> {
        Target::new(&DatabaseSettings {
            url: Secret::new(url.to_owned()),
            password: Some(Secret::new("from the environment")),
            pass_file: None,
            schema: "tilldeck".to_owned(),
            operator: String::new(),
        })
    }

    #[test]
    fn the_password_of_the_environment_is_used_where_the_url_has_none() {
        for (url, password) in [
            ("postgres://till@db.example/till", "from the environment"),
            ("postgres://till:own@db.example/till", "own"),
            ("postgres://till@db.example/till?password=own", "own"),
        ] {
            let target = target(url).unwrap();
            let found = target.hosts[0].get_password();
            assert_eq!(found, Some(password.as_bytes()), "{url}");
        }
    }

    #[test]
    fn each_host_without_a_password_has_that_of_the_password_file() {
        let passwords = |url: &str| {
            let target = Target::new(&DatabaseSettings {
                url: Secret::new(url.to_owned()),
                password: None,
                pass_file: Some(Secret::new(
                    "# one:*:*:*:comment\none:5433:till:anna:first\ntwo:5432:anna:anna:a\\:b\\\\c:more\ntwo\n\
                     two:*:empty:*:\nlocalhost:*:till:*:local\n*:*:*:ben:any\n",
                )),
                schema: "tilldeck".to_owned(),
                operator: String::new(),
            });
            let hosts = target.unwrap().hosts;
            let passwords = hosts.iter().map(|host| {
                let password = host.get_password().unwrap_or(b"none");
                String::from_utf8(password.to_vec()).unwrap()
            });
            passwords.collect::<Vec<_>>()
        };
        for (url, expected) in [
            ("postgres://anna@one:5433,two:5432/till", ["first", "none"]),
            ("postgres://anna@one:5432,two", ["none", "a:b\\c"]),
            ("postgres://ben@two,other/empty", ["none", "any"]),
            ("postgres://anna:own@one:5433,two", ["own", "own"]),
            (
                "postgres://anna@%2Fvar%2Frun%2Fpostgresql,localhost/till",
                ["local", "local"],
            ),
        ] {
            assert_eq!(passwords(url), expected, "{url}");
        }
    }

    #[test]
    fn a_password_may_have_characters_that_separate() {
        for (url, password) in [
            ("postgres://u:pass@localhost/till", "pass"),
            ("postgres://u:pa?ss@localhost/till", "pa?ss"),
            (
                "postgres://u:pa?ss=1&x@localhost/till?sslmode=disable",
                "pa?ss=1&x",
            ),
            (
                "postgres://u:pa%2Fss@localhost/till?sslmode=disable",
                "pa/ss",
            ),
        ] {
            let target = target(url).unwrap();
            let host = &target.hosts[0];
            assert_eq!(host.get_password(), Some(password.as_bytes()), "{url}");
            assert_eq!(target.describe(), "localhost/till", "{url}");
        }
    }

    #[test]
    fn each_host_has_its_own_port_and_the_settings_of_all() {
        let target =
            target("postgres://u:p@one:5433,two,three:5434/till?target_session_attrs=read-write");
        let target = target.unwrap();
        assert_eq!(target.describe(), "one:5433,two,three:5434/till");
        for host in &target.hosts {
            assert_eq!(host.get_hosts().len(), 1);
            assert_eq!(host.get_user(), Some("u"));
            assert_eq!(
                host.get_target_session_attrs(),
                TargetSessionAttrs::ReadWrite
            );
        }
    }

    #[test]
    fn the_main_version_is_read_from_the_servers_text() {
        for (text, expected) in [
            ("15.4 (Debian 15.4-1.pgdg120+1)", 15),
            ("16beta1", 16),
            ("17", 17),
            ("", 0),
        ] {
            assert_eq!(major(text), expected, "{text}");
        }
    }
}
