//! Where the database is: a URL as libpq has it, and how its server is trusted.

use std::future::poll_fn;
use std::path::PathBuf;
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
use crate::ledger::database::DatabaseSettings;

/// A database to connect to.
pub(in crate::ledger) struct Target {
    config: Config,
    tls: Option<Arc<ClientConfig>>,
    /// The schema with the ledger's tables.
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
        let written = settings.url.expose();
        let (url, query) = written.split_once('?').unwrap_or((written, ""));
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Err("its URL does not begin with postgres://".to_owned());
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
                _ => rest.push(pair),
            }
        }
        let rest = rest.join("&");
        let parsed: Config = format!("{url}?{rest}")
            .parse()
            // Its causes name the parameter, never a value.
            .map_err(|error: tokio_postgres::Error| {
                let cause = std::error::Error::source(&error);
                let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
                format!("its URL has an error: {cause}")
            })?;
        let mut config = parsed;
        if config.get_hosts().is_empty() {
            return Err("its URL names no host".to_owned());
        }
        let near = config.get_hosts().iter().all(is_near);
        let trust = trust::of(mode.as_deref(), near)?;
        let schema = settings.schema.clone();
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| error.to_string())?;
        let process = format!("{:016x}", u64::from_be_bytes(random));
        config.options(format!(
            "-c search_path={schema} -c tilldeck.process={process} -c tilldeck.operator={} \
             -c idle_in_transaction_session_timeout=60000",
            escaped(&settings.operator)
        ));
        config.application_name("tilldeck");
        config.connect_timeout(Duration::from_secs(5));
        config.tcp_user_timeout(Duration::from_secs(15));
        config.keepalives_idle(Duration::from_secs(15));
        config.keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3);
        config.ssl_mode(match trust {
            Trust::Off => SslMode::Disable,
            Trust::Opportunistic => SslMode::Prefer,
            Trust::Unverified | Trust::Authority | Trust::Full => SslMode::Require,
        });
        let tls = trust::client_config(trust, root.as_deref())?.map(Arc::new);
        Ok(Self {
            config,
            tls,
            schema,
            process,
        })
    }

    /// The hosts and the database, for people.
    pub(super) fn describe(&self) -> String {
        // One port for each host, or one for all.
        let ports = self.config.get_ports();
        let port = |at: usize| {
            ports
                .get(at)
                .or(ports.first())
                .filter(|port| **port != 5432)
        };
        let place = |(at, host)| match port(at) {
            Some(port) => format!("{}:{port}", host_name(host)),
            None => host_name(host),
        };
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(place)
            .collect();
        format!(
            "{}/{}",
            hosts.join(","),
            self.config.get_dbname().unwrap_or_default()
        )
    }

    /// Connects; the second part drives the connection.
    pub(super) async fn connect(&self) -> Result<(Client, Driver), PostgresError> {
        self.connect_and_listen(Box::new(|_| {})).await
    }

    /// As [`Target::connect`]; calls `notified` with the payload of each notification.
    pub(super) async fn connect_and_listen(
        &self,
        notified: Notified,
    ) -> Result<(Client, Driver), PostgresError> {
        if let Some(tls) = &self.tls {
            let tls = MakeRustlsConnect::new(ClientConfig::clone(tls));
            let (client, connection) = self.config.connect(tls).await?;
            return Ok((client, drive(connection, notified)));
        }
        let (client, connection) = self.config.connect(tokio_postgres::NoTls).await?;
        Ok((client, drive(connection, notified)))
    }
}

/// See [`Target::connect_and_listen`].
pub(super) type Notified = Box<dyn Fn(&str) + Send>;

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
