//! Where the database is: a URL as libpq has it, with libpq's password file. Connects to nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::ledger::database::pass_file_lines;

/// The URL of a database, perhaps of several hosts that have copies of it.
pub(super) struct Url {
    pub(super) config: Config,
    /// `sslmode`.
    pub(super) mode: Option<String>,
    /// `sslrootcert`: a file with authorities.
    pub(super) root: Option<PathBuf>,
}

impl Url {
    /// # Errors
    /// If it cannot be used; the message never contains its password.
    pub(super) fn read(written: &str) -> Result<Self, String> {
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
    /// Whether it leads to this machine only.
    pub(super) fn is_near(&self) -> bool {
        self.config.get_hosts().iter().all(is_near)
    }

    /// One for each host, in their order; where it has no password, with that of libpq's password file.
    pub(super) fn hosts(&self, pass_file: &str) -> impl Iterator<Item = Config> {
        let hosts = self.config.get_hosts().iter().enumerate();
        hosts.map(move |(at, host)| {
            let mut one = of_one_host(&self.config, at, host);
            if let (None, Some(password)) = (one.get_password(), saved_password(pass_file, &one)) {
                one.password(password);
            }
            one
        })
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

pub(super) fn host_name(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let why = Url::read(url).err().unwrap();
            for part in ["top", "se?", "cret"] {
                assert!(!why.contains(part), "{url}: {why}");
            }
        }
        let why = Url::read("postgres://localhost/till?sslmod=require")
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
}
