//! Where the database is: a URL as libpq has it, and how its server is trusted.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{AsyncMessage, Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::PostgresError;
use super::trust::{self, Trust};
use crate::domain::Secret;
use crate::ledger::database::{DatabaseSettings, pass_file_lines};

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
        let near = url.config.get_hosts().iter().all(is_near);
        let trust = trust::of(url.mode.as_deref(), near)?;
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
        let hosts = url.config.get_hosts().iter().enumerate();
        let pass_file = settings.pass_file.as_ref().map_or("", Secret::expose);
        let hosts = hosts.map(|(at, host)| {
            let mut one = of_one_host(&url.config, at, host);
            if let (None, Some(password)) = (one.get_password(), saved_password(pass_file, &one)) {
                one.password(password);
            }
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

struct Url {
    config: Config,
    mode: Option<String>,
    root: Option<PathBuf>,
}

impl Url {
    fn read(written: &str) -> Result<Self, String> {
        let (url, query) = split(written);
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Err("its URL does not begin with postgres://".to_owned());
        }
        if url.matches('@').count() > 1 {
            return Err("its URL has more than one `@`; in a password, write it as %40".to_owned());
        }
        let (mut mode, mut root, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = || {
                percent_encoding::percent_decode_str(value)
                    .decode_utf8_lossy()
                    .into_owned()
            };
            match name {
                "sslmode" => mode = Some(plain()),
                "sslrootcert" => root = Some(PathBuf::from(plain())),
                // It may be a part of a password: an error must not show it.
                _ if !is_option(name) => {
                    return Err("its URL has an option whose name is not valid; in a password, write `?` as %3F, `/` as \
                                %2F and `@` as %40"
                        .to_owned());
                }
                _ => rest.push(pair),
            }
        }
        // libpq 16: the system's authorities, and never less than the whole trust.
        if root.as_deref() == Some(Path::new("system")) {
            root = None;
            match mode
                .get_or_insert_with(|| "verify-full".to_owned())
                .as_str()
            {
                "verify-full" => {}
                _ => {
                    return Err(
                        "sslrootcert=system in its URL needs sslmode=verify-full".to_owned()
                    );
                }
            }
        }
        let rest = rest.join("&");
        let config: Config = format!("{url}?{rest}")
            .parse()
            // Its causes name the parameter, never a value.
            .map_err(|error: tokio_postgres::Error| {
                let cause = std::error::Error::source(&error);
                let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
                format!("its URL has an error: {cause}")
            })?;
        let (hosts, ports) = (config.get_hosts().len(), config.get_ports().len());
        if hosts == 0 {
            return Err("its URL names no host".to_owned());
        }
        let addresses = config.get_hostaddrs().len();
        if (addresses > 0 && addresses != hosts) || (ports > 1 && ports != hosts) {
            return Err("its URL does not name one hostaddr and one port for each host".to_owned());
        }
        Ok(Self { config, mode, root })
    }
}

/// A URL, and its query. A `?` in a password begins none.
fn split(url: &str) -> (&str, &str) {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url[begin..].find('/').map_or(url.len(), |at| begin + at);
    let user = url[begin..end].rfind('@').map_or(begin, |at| begin + at);
    match url[user..].find('?') {
        Some(at) => (&url[..user + at], &url[user + at + 1..]),
        None => (url, ""),
    }
}

fn is_option(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// The password that libpq's password file has for a host.
fn saved_password(file: &str, one: &Config) -> Option<String> {
    let host = one.get_hosts().first().map(host_name)?;
    // As libpq names the socket of this machine.
    let host = match &*host {
        "/tmp" | "/run/postgresql" | "/var/run/postgresql" => "localhost",
        host => host,
    };
    let port = one.get_ports().first().unwrap_or(&5432).to_string();
    let user = one.get_user().unwrap_or_default();
    let database = one.get_dbname().unwrap_or(user);
    let wanted = [host, &port, database, user];
    let is_for = |line: &[String; 5]| {
        let mut fields = line.iter().zip(wanted);
        fields.all(|(field, wanted)| field == "*" || field == wanted)
    };
    let [.., password] = pass_file_lines(file).find(is_for)?;
    Some(password).filter(|password| !password.is_empty())
}

/// What a URL says of one of its hosts.
fn of_one_host(url: &Config, at: usize, host: &Host) -> Config {
    let mut one = Config::new();
    match host {
        Host::Tcp(name) => one.host(name),
        #[cfg(unix)]
        Host::Unix(path) => one.host_path(path),
    };
    if let Some(address) = url.get_hostaddrs().get(at) {
        one.hostaddr(*address);
    }
    if let Some(port) = url.get_ports().get(at).or(url.get_ports().first()) {
        one.port(*port);
    }
    if let Some(user) = url.get_user() {
        one.user(user);
    }
    if let Some(password) = url.get_password() {
        one.password(password);
    }
    if let Some(database) = url.get_dbname() {
        one.dbname(database);
    }
    one.target_session_attrs(url.get_target_session_attrs());
    one.channel_binding(url.get_channel_binding());
    one.ssl_negotiation(url.get_ssl_negotiation());
    one.load_balance_hosts(url.get_load_balance_hosts());
    one.application_name("tilldeck");
    one.connect_timeout(Duration::from_secs(5));
    one.tcp_user_timeout(Duration::from_secs(15));
    one.keepalives_idle(Duration::from_secs(15));
    one.keepalives_interval(Duration::from_secs(5));
    one.keepalives_retries(3);
    one
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

fn is_near(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn host_name(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

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
    fn an_error_of_a_url_shows_no_part_of_a_password() {
        for url in [
            "postgres://u:top/se?cret@localhost/till",
            "postgres://u:top@se?cret@localhost/till",
            "postgres://u:top@se/cret@localhost/till",
            "postgres://u:top@se?cret=1@localhost/till",
            "postgres://localhost/till?pass%77ord=cret",
            "postgres://u:top:cret?cret@",
            "postgres://u:%ffcret/?cret",
        ] {
            let why = target(url).err().unwrap();
            for part in ["top", "se?", "cret"] {
                assert!(!why.contains(part), "{url}: {why}");
            }
        }
        let why = target("postgres://localhost/till?sslmod=require")
            .err()
            .unwrap();
        assert!(why.contains("unknown option `sslmod`"), "{why}");
    }

    #[test]
    fn the_systems_authorities_are_trusted_for_the_named_host_only() {
        let url = |query| {
            Url::read(&format!(
                "postgres://localhost/till?sslrootcert=system{query}"
            ))
        };
        let read = url("").unwrap();
        assert_eq!(
            read.mode.as_deref(),
            Some("verify-full"),
            "also on this machine"
        );
        assert_eq!(read.root, None);
        assert!(url("&sslmode=verify-full").is_ok());
        let why = url("&sslmode=require").err().unwrap();
        assert!(why.contains("needs sslmode=verify-full"), "{why}");
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
