//! Decides which hosts are this machine. The only such function: proxies, plain http and access to the simulator
//! depend on it.

use std::net::IpAddr;

/// Whether a host, as a URL or a `Host` header writes it without its port, is this machine: `localhost` and every name
/// below it (RFC 6761), 127.0.0.0/8 and `[::1]`, also with the dot of a full name at its end.
pub fn is_loopback(host: &str) -> bool {
    if let Some(address) = address(host) {
        // `::ffff:127.0.0.1` is 127.0.0.1 (RFC 4291, 2.5.5.2).
        return address.to_canonical().is_loopback();
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The address that a host is, in brackets where it is IPv6. `None` of a name.
pub fn address(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_this_machine_are_known_in_every_spelling() {
        for host in [
            "localhost",
            "LocalHost",
            "localhost.",
            "shop.localhost",
            "a.b.localhost.",
            "127.0.0.1",
            "127.8.9.10",
            "::1",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ".",
            "notlocalhost",
            "localhost.example",
            "localhost..",
            "127.0.0.1.example",
            "128.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::2]",
            "10.0.0.1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
