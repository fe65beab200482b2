//! Parses paths that begin with `~`, and addresses to listen on.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::Environ;
use crate::domain::inert;

/// Why `~` cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HomeError {
    /// It names another user.
    #[error(
        "{0} is another user's home folder, which tilldeck does not look up; write the full path"
    )]
    OtherUser(String),
    /// Neither `HOME` nor the user's entry names a folder.
    #[error("`~` cannot be expanded: this user has no home folder; write the full path")]
    NoHome,
}

/// Expands `~` to the home folder. A shell expands it only at the beginning of a word, so not in `--config=~/c.toml`,
/// in quotes, or in a variable.
///
/// # Errors
/// If it names another user's home folder, or this user has none.
pub fn in_home(written: &Path, environ: &Environ) -> Result<PathBuf, HomeError> {
    let mut parts = written.components();
    let first = parts.next().map_or(OsStr::new(""), |part| part.as_os_str());
    match first.as_bytes() {
        b"~" => {}
        [b'~', ..] => {
            let name = inert::quoted(&first.to_string_lossy(), 80);
            return Err(HomeError::OtherUser(name));
        }
        _ => return Ok(written.to_owned()),
    }
    let home = environ.get("HOME").map(PathBuf::from).or_else(|| {
        directories::BaseDirs::new().map(|directories| directories.home_dir().to_owned())
    });
    Ok(home.ok_or(HomeError::NoHome)?.join(parts.as_path()))
}

/// Why a text is not an address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an address of this machine")]
pub struct AddressError(String);

impl AddressError {
    /// The accepted forms.
    pub const HINT: &str = "write a port, like 8787, or an address with one: localhost:8787, 127.0.0.1:8787 or [::1]:8787";
}

/// Parses an address to listen on. The host defaults to 127.0.0.1, so that other machines have access only where an
/// address says so; the port defaults to `port`.
///
/// # Errors
/// If it is not an address of this machine.
pub fn address(written: &str, port: u16) -> Result<SocketAddr, AddressError> {
    let text = written.trim();
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let host = |host: &str| match host.trim_end_matches('.') {
        "" => Some(loopback),
        name if name.eq_ignore_ascii_case("localhost") => Some(loopback),
        name => name.parse().ok(),
    };
    let by_parts = || {
        if let Ok(port) = text.parse() {
            return Some(SocketAddr::new(loopback, port));
        }
        if let Some(v6) = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            return Some(SocketAddr::new(IpAddr::V6(v6.parse().ok()?), port));
        }
        match text.split_once(':') {
            Some((before, after)) if !after.contains(':') => {
                Some(SocketAddr::new(host(before)?, after.parse().ok()?))
            }
            _ if text.is_empty() => None,
            _ => Some(SocketAddr::new(host(text)?, port)),
        }
    };
    let found = text.parse().ok().or_else(by_parts);
    found.ok_or_else(|| AddressError(inert::quoted(written, 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_folder_and_nothing_else_is() {
        let environ = Environ::of([("HOME", "/home/op")]);
        let path = |written: &str| in_home(Path::new(written), &environ);
        for (written, meant) in [
            ("~", "/home/op"),
            ("~/", "/home/op"),
            ("~/a/b.toml", "/home/op/a/b.toml"),
            ("a/~/b", "a/~/b"),
            ("./~", "./~"),
            ("/abs/~x", "/abs/~x"),
            ("", ""),
        ] {
            assert_eq!(path(written), Ok(PathBuf::from(meant)), "{written}");
        }
        let refusal = path("~root/x").unwrap_err().to_string();
        assert!(refusal.starts_with("`~root` is"), "{refusal}");
    }

    #[test]
    fn an_address_is_taken_in_every_form_people_write() {
        for (written, meant) in [
            ("127.0.0.1:8787", "127.0.0.1:8787"),
            ("[::1]:9", "[::1]:9"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("8787", "127.0.0.1:8787"),
            ("0", "127.0.0.1:0"),
            (":8787", "127.0.0.1:8787"),
            (" localhost:0 ", "127.0.0.1:0"),
            ("LocalHost.:1", "127.0.0.1:1"),
            ("localhost", "127.0.0.1:77"),
            ("192.168.0.1", "192.168.0.1:77"),
            ("::1", "[::1]:77"),
            ("[::1]", "[::1]:77"),
            ("::", "[::]:77"),
        ] {
            assert_eq!(
                address(written, 77),
                Ok(meant.parse().unwrap()),
                "{written}"
            );
        }
    }

    #[test]
    fn what_is_no_address_of_this_machine_is_refused() {
        for bad in [
            "",
            " ",
            ":",
            "localhost:",
            "example.com",
            "example.com:80",
            "65536",
            "-1",
            "127.0.0.1:x",
            "*:80",
            "http://127.0.0.1:80",
            "[::1",
            "[localhost]:1",
        ] {
            assert!(address(bad, 77).is_err(), "{bad:?}");
        }
    }
}
