//! The sender of a callback, and a rate limit for each address. Computes with a given instant; never sleeps, never
//! reads the clock.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hyper::http::{Extensions, HeaderMap};
use ipnet::IpNet;

use crate::http_server::Peer;

/// The most addresses that are tracked. Beyond it, those with the most tokens left are dropped, which does not change
/// their limit much.
const ADDRESSES: usize = 4_096;

/// The limit of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderRateLimit {
    /// The average rate.
    pub per_second: u32,
    /// The burst size.
    pub burst: u32,
}

/// The tokens of each address.
pub(super) struct TokenBuckets {
    rate: SenderRateLimit,
    /// In nanoseconds: one request costs the time that it takes to earn it. Senders without a known address share one
    /// entry.
    left: HashMap<Option<IpAddr>, Remaining>,
}

#[derive(Clone, Copy)]
struct Remaining {
    nanos: u64,
    at: Duration,
}

impl TokenBuckets {
    pub(super) fn new(rate: SenderRateLimit) -> Self {
        Self {
            rate,
            left: HashMap::new(),
        }
    }

    fn cost(&self) -> u64 {
        1_000_000_000 / u64::from(self.rate.per_second.max(1))
    }

    fn most(&self) -> u64 {
        self.cost() * u64::from(self.rate.burst.max(1))
    }

    fn left(&self, left: Remaining, now: Duration) -> u64 {
        let earned = now.saturating_sub(left.at).as_nanos();
        let earned = u64::try_from(earned).unwrap_or(u64::MAX);
        left.nanos.saturating_add(earned).min(self.most())
    }

    /// Takes a token for a request of `from`, or returns how long to wait.
    pub(super) fn take(&mut self, from: Option<IpAddr>, now: Duration) -> Result<(), Duration> {
        let (who, cost) = (from.map(network), self.cost());
        let has = if let Some(left) = self.left.get(&who) {
            self.left(*left, now)
        } else {
            // A new address starts with a full burst.
            self.make_room(now);
            self.most()
        };
        let rest = has.checked_sub(cost);
        let left = Remaining {
            nanos: rest.unwrap_or(has),
            at: now,
        };
        self.left.insert(who, left);
        rest.map(drop)
            .ok_or_else(|| Duration::from_nanos(cost - has))
    }

    fn make_room(&mut self, now: Duration) {
        if self.left.len() < ADDRESSES {
            return;
        }
        let mut by_left: Vec<(u64, Option<IpAddr>)> = self
            .left
            .iter()
            .map(|(who, left)| (self.left(*left, now), *who))
            .collect();
        // A quarter at once, so that a flood of addresses does not sort the table each time.
        by_left.sort_unstable_by(|one, other| other.cmp(one));
        for (_, who) in by_left.into_iter().take(ADDRESSES / 4) {
            self.left.remove(&who);
        }
    }
}

/// The key of an address. One IPv6 customer usually has a whole /64, so it counts as one.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The sender of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// A program on this machine, directly; not limited.
    Local(IpAddr),
    /// Another machine, or the address that a proxy on this machine reports.
    Remote(IpAddr),
    /// A proxy on this machine reports no valid address.
    Unknown,
}

impl Sender {
    /// The address, if known.
    pub(super) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Local(ip) | Self::Remote(ip) => Some(ip),
            Self::Unknown => None,
        }
    }
}

/// Finds the sender of a request. A proxy on this machine, or one of `trusted`, reports its caller in the last entry of
/// `X-Forwarded-For`, or of `Forwarded` where only that is present. Where that caller is another trusted proxy, the entry
/// before it counts. Earlier ones are written by the caller and not trustworthy. A local program that sets the header
/// limits only itself.
pub(super) fn sender(headers: &HeaderMap, extensions: &Extensions, trusted: &[IpNet]) -> Sender {
    let peer = extensions.get::<Peer>();
    let peer = peer.map_or(Ipv4Addr::LOCALHOST.into(), |peer| {
        peer.0.ip().to_canonical()
    });
    let is_trusted = |ip: &IpAddr| trusted.iter().any(|network| network.contains(ip));
    if !peer.is_loopback() && !is_trusted(&peer) {
        return Sender::Remote(peer);
    }
    // Proxies append: the last line and its last entry are the nearest proxy's (RFC 7239, 4).
    let entries = |name: &str| {
        let lines: Vec<&str> = headers
            .get_all(name)
            .iter()
            .map(|line| line.to_str().unwrap_or_default())
            .collect();
        let entries = lines.into_iter().rev().flat_map(|line| line.rsplit(','));
        entries.collect::<Vec<_>>()
    };
    let mut named: Vec<Option<IpAddr>> = entries("x-forwarded-for")
        .into_iter()
        .map(address)
        .collect();
    if named.is_empty() {
        let elements = entries("forwarded").into_iter();
        named = elements
            .map(|element| forwarded_for(element).and_then(address))
            .collect();
    }
    let caller = named.iter().find(|ip| !ip.as_ref().is_some_and(is_trusted));
    match caller.or(named.last()) {
        None if peer.is_loopback() => Sender::Local(peer),
        None => Sender::Remote(peer),
        // An unreadable entry counts as unknown, which is limited, and not as local.
        Some(ip) => ip.map_or(Sender::Unknown, Sender::Remote),
    }
}

/// The `for` address of one `Forwarded` element (RFC 7239 4): `for="[2001:db8::1]:4711";proto=https`.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim().trim_matches('"');
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    })
}

/// Parses an address as proxies write it: bare, in brackets, with a port, with a zone.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let host = match entry.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?.0,
        // An unbracketed IPv6 address has no port to split off (RFC 7239 6).
        None => match entry.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            _ => entry,
        },
    };
    let ip = host.split_once('%').map_or(host, |(ip, _zone)| ip);
    Some(ip.parse::<IpAddr>().ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_burst_and_then_its_rate() {
        let mut rates = TokenBuckets::new(SenderRateLimit {
            per_second: 10,
            burst: 3,
        });
        let one = ip("203.0.113.7");
        let at = Duration::from_millis;
        for _ in 0..3 {
            assert_eq!(rates.take(Some(one), at(0)), Ok(()));
        }
        assert_eq!(rates.take(Some(one), at(40)), Err(at(60)));
        assert_eq!(rates.take(Some(ip("203.0.113.8")), at(40)), Ok(()));
        let mapped = rates.take(Some(ip("::ffff:203.0.113.7")), at(40));
        assert_eq!(mapped, Err(at(60)), "the same one");
        assert_eq!(rates.take(Some(one), at(100)), Ok(()));
        assert!(rates.take(Some(one), at(100)).is_err());
        for _ in 0..3 {
            assert_eq!(
                rates.take(Some(one), at(60_000)),
                Ok(()),
                "no more is saved up"
            );
        }
        assert!(rates.take(Some(one), at(60_000)).is_err());
        for last in 1..4 {
            let neighbour = ip(&format!("2001:db8::{last}"));
            assert_eq!(rates.take(Some(neighbour), at(0)), Ok(()));
        }
        assert!(rates.take(Some(ip("2001:db8::77")), at(0)).is_err());
        assert_eq!(rates.take(Some(ip("2001:db8:0:1::1")), at(0)), Ok(()));
    }

    #[test]
    fn many_addresses_do_not_make_one_forgotten_that_has_nothing_left() {
        let rate = SenderRateLimit {
            per_second: 1,
            burst: 2,
        };
        let mut rates = TokenBuckets::new(rate);
        let flood = ip("203.0.113.7");
        while rates.take(Some(flood), Duration::ZERO).is_ok() {}
        for number in 0..20_000_u32 {
            let other = IpAddr::from(number.to_be_bytes());
            assert_eq!(rates.take(Some(other), Duration::ZERO), Ok(()));
            assert!(rates.left.len() <= ADDRESSES);
        }
        assert!(rates.take(Some(flood), Duration::ZERO).is_err());
    }

    fn sent_with(lines: &[(&str, &str)]) -> Sender {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: hyper::http::HeaderName = name.parse().unwrap();
            let value = hyper::http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(name, value);
        }
        sender(&headers, &Extensions::new(), &[])
    }

    #[test]
    fn a_trusted_proxy_on_another_machine_names_its_caller() {
        let trusted: Vec<IpNet> = ["10.0.0.5/32", "10.1.0.0/16", "2001:db8:1::/48"]
            .map(|network| network.parse().unwrap())
            .into();
        for (peer, named, read) in [
            ("10.0.0.5", "203.0.113.7", "203.0.113.7"),
            ("::ffff:10.0.0.5", "203.0.113.7", "203.0.113.7"),
            ("10.0.0.6", "203.0.113.7", "10.0.0.6"),
            ("10.0.0.5", "", "10.0.0.5"),
            (
                "10.0.0.5",
                "192.0.2.1, 203.0.113.7, 10.1.2.3",
                "203.0.113.7",
            ),
            ("127.0.0.1", "203.0.113.7, 10.0.0.5", "203.0.113.7"),
            ("127.0.0.1", "203.0.113.7, 10.0.0.6", "10.0.0.6"),
            ("2001:db8:1::9", "[2001:db8:2::1]:443", "2001:db8:2::1"),
            ("10.0.0.5", "10.1.0.1, 10.1.0.2", "10.1.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            if !named.is_empty() {
                headers.insert("x-forwarded-for", named.parse().unwrap());
            }
            let mut extensions = Extensions::new();
            extensions.insert(Peer((ip(peer), 4711).into()));
            let read = Sender::Remote(ip(read));
            assert_eq!(
                sender(&headers, &extensions, &trusted),
                read,
                "{peer}: {named}"
            );
        }
    }

    #[test]
    fn who_a_proxy_names_is_read_in_every_spelling_and_who_cannot_be_read_is_limited_as_unknown() {
        for (entry, read) in [
            ("203.0.113.7", Some("203.0.113.7")),
            (" 203.0.113.7:4711 ", Some("203.0.113.7")),
            ("192.0.2.1, 203.0.113.7", Some("203.0.113.7")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("::ffff:203.0.113.7", Some("203.0.113.7")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("[fe80::1%25eth0]:443", Some("fe80::1")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
            ("192.0.2.1,", None),
            ("unix:", None),
            ("203.0.113.7 evil", None),
            ("[2001:db8::1", None),
            ("shop.example", None),
            ("203.0.113.\u{e9}", None),
        ] {
            let read = read.map_or(Sender::Unknown, |read| Sender::Remote(ip(read)));
            assert_eq!(sent_with(&[("x-forwarded-for", entry)]), read, "{entry}");
            let element = format!("for=192.0.2.1, proto=https; For=\"{entry}\";by=_x");
            if !entry.contains(',') {
                assert_eq!(sent_with(&[("forwarded", &element)]), read, "{element}");
            }
        }
        let local = Sender::Local(ip("127.0.0.1"));
        assert_eq!(sent_with(&[]), local);
        let both = [
            ("forwarded", "for=192.0.2.1"),
            ("x-forwarded-for", "203.0.113.7"),
        ];
        assert_eq!(sent_with(&both), Sender::Remote(ip("203.0.113.7")));
        assert_eq!(sent_with(&[("forwarded", "proto=https")]), Sender::Unknown);
        let twice = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-for", "unknown"),
        ];
        assert_eq!(sent_with(&twice), Sender::Unknown, "the last one counts");
    }

    #[test]
    fn all_whose_address_is_unknown_share_one_limit() {
        let mut rates = TokenBuckets::new(SenderRateLimit {
            per_second: 1,
            burst: 2,
        });
        for _ in 0..2 {
            assert_eq!(rates.take(None, Duration::ZERO), Ok(()));
        }
        assert!(rates.take(None, Duration::ZERO).is_err());
        let known = rates.take(Some(ip("203.0.113.7")), Duration::ZERO);
        assert_eq!(known, Ok(()));
    }
}
