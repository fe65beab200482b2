//! Who sends a callback, and how many one address may send. Arithmetic on a given instant; never sleeps, never asks the
//! time.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::http::{Extensions, HeaderMap};

use crate::http_server::Peer;

/// More addresses than these are not told apart: those with the most left are forgotten, which does them no harm.
const ADDRESSES: usize = 4_096;

/// What one address may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

/// What each address has left.
pub(super) struct Rates {
    rate: Rate,
    /// In nanoseconds of waiting: one request costs as many as it takes to earn it.
    left: HashMap<IpAddr, Left>,
}

#[derive(Clone, Copy)]
struct Left {
    nanos: u64,
    at: Duration,
}

impl Rates {
    pub(super) fn new(rate: Rate) -> Self {
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

    fn left(&self, left: Left, now: Duration) -> u64 {
        let earned = now.saturating_sub(left.at).as_nanos();
        let earned = u64::try_from(earned).unwrap_or(u64::MAX);
        left.nanos.saturating_add(earned).min(self.most())
    }

    /// Lets a request of `from` pass, or says how long it has to wait.
    pub(super) fn take(&mut self, from: IpAddr, now: Duration) -> Result<(), Duration> {
        let (who, cost) = (network(from), self.cost());
        let has = if let Some(left) = self.left.get(&who) {
            self.left(*left, now)
        } else {
            self.make_room(now);
            self.most()
        };
        let rest = has.checked_sub(cost);
        let left = Left {
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
        let mut by_left: Vec<(u64, IpAddr)> = self
            .left
            .iter()
            .map(|(who, left)| (self.left(*left, now), *who))
            .collect();
        by_left.sort_unstable_by(|one, other| other.cmp(one));
        for (_, who) in by_left.into_iter().take(ADDRESSES / 4) {
            self.left.remove(&who);
        }
    }
}

/// Who counts as one: of IPv6, a whole /64 is anybody's.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Who sent a request, and whether that one is limited. A proxy on this machine says who called it in the last entry of
/// `X-Forwarded-For`; what comes before is whatever its caller wrote. A program on this machine that writes one itself
/// limits itself.
pub(super) fn sender(headers: &HeaderMap, extensions: &Extensions) -> (IpAddr, bool) {
    let peer = extensions.get::<Peer>();
    let peer = peer.map_or(Ipv4Addr::LOCALHOST.into(), |peer| {
        peer.0.ip().to_canonical()
    });
    if !peer.is_loopback() {
        return (peer, true);
    }
    match forwarded_for(headers) {
        Some(from) => (from, true),
        None => (peer, false),
    }
}

fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    let entry = last.to_str().ok()?.rsplit(',').next()?.trim();
    // Some write the port, too.
    let ip = entry
        .parse::<IpAddr>()
        .or_else(|_| entry.parse::<SocketAddr>().map(|address| address.ip()));
    ip.ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_address_has_its_burst_and_then_its_rate() {
        let mut rates = Rates::new(Rate {
            per_second: 10,
            burst: 3,
        });
        let one = ip("203.0.113.7");
        let at = Duration::from_millis;
        for _ in 0..3 {
            assert_eq!(rates.take(one, at(0)), Ok(()));
        }
        assert_eq!(rates.take(one, at(40)), Err(at(60)));
        assert_eq!(rates.take(ip("203.0.113.8"), at(40)), Ok(()));
        let mapped = rates.take(ip("::ffff:203.0.113.7"), at(40));
        assert_eq!(mapped, Err(at(60)), "the same one");
        assert_eq!(rates.take(one, at(100)), Ok(()));
        assert!(rates.take(one, at(100)).is_err());
        for _ in 0..3 {
            assert_eq!(rates.take(one, at(60_000)), Ok(()), "no more is saved up");
        }
        assert!(rates.take(one, at(60_000)).is_err());
        for last in 1..4 {
            let neighbour = ip(&format!("2001:db8::{last}"));
            assert_eq!(rates.take(neighbour, at(0)), Ok(()));
        }
        assert!(rates.take(ip("2001:db8::77"), at(0)).is_err());
        assert_eq!(rates.take(ip("2001:db8:0:1::1"), at(0)), Ok(()));
    }

    #[test]
    fn many_addresses_do_not_make_one_forgotten_that_has_nothing_left() {
        let rate = Rate {
            per_second: 1,
            burst: 2,
        };
        let mut rates = Rates::new(rate);
        let flood = ip("203.0.113.7");
        while rates.take(flood, Duration::ZERO).is_ok() {}
        for number in 0..20_000_u32 {
            let other = IpAddr::from(number.to_be_bytes());
            assert_eq!(rates.take(other, Duration::ZERO), Ok(()));
            assert!(rates.left.len() <= ADDRESSES);
        }
        assert!(rates.take(flood, Duration::ZERO).is_err());
    }
}
