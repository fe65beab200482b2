//! Decides retries and their waits. Pure; each further attempt takes its own slot and is signed again.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

use super::call::{Repeat, Reply};
use super::error::NetError;

/// The most attempts of one call, the first included.
pub const TRIES_MAX: usize = 3;

/// The longest `Retry-After` that a call waits for; a longer one is reported to the operator instead.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(20);

/// The pause after a 429 without `Retry-After`, for calls that no limit counts.
pub const TURNED_AWAY_PAUSE: Duration = Duration::from_secs(5);

/// No further attempt begins later than this after the first.
pub const LAST_START: Duration = Duration::from_secs(15);

/// The waits between attempts: exponential with jitter.
pub fn waits() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(TRIES_MAX - 1)
        .with_jitter()
        .build()
}

/// Whether another attempt may follow, and the wait that the provider requested (RFC 9110, 10.2.3).
///
/// A write is repeated only where the provider cannot have carried it out: no connection was made, or it answered 429
/// (RFC 6585, 4).
#[must_use]
pub fn decide(repeat: Repeat, tried: &Result<Reply, NetError>) -> Option<Option<Duration>> {
    match tried {
        Ok(reply) => {
            let requested = reply.retry_after();
            let turned_away = reply.status == 429;
            let passing = matches!(reply.status, 502..=504) && repeat == Repeat::Safe;
            let requested = requested.or(turned_away.then_some(TURNED_AWAY_PAUSE));
            ((turned_away || passing) && requested.is_none_or(|wait| wait <= RETRY_AFTER_MAX))
                .then_some(requested)
        }
        Err(
            error @ (NetError::ConnectionRefused { .. }
            | NetError::TimedOut { .. }
            | NetError::Broken { .. }),
        ) if repeat == Repeat::Safe || !error.may_have_arrived() => Some(None),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, retry_after: Option<&str>) -> Reply {
        let headers = retry_after
            .map(|value| ("Retry-After".to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        Reply {
            status,
            headers,
            version: "HTTP/1.1",
            body: bytes::Bytes::new(),
            wire: None,
            to_head: Duration::ZERO,
            took: Duration::ZERO,
            at: crate::domain::WallTime(0),
        }
    }

    fn lost() -> Result<Reply, NetError> {
        Err(NetError::Broken {
            host: "h".into(),
            when: "before the response arrived",
        })
    }

    #[test]
    fn a_write_is_never_repeated_blindly() {
        assert_eq!(decide(Repeat::Never, &lost()), None);
        assert_eq!(decide(Repeat::Never, &Ok(reply(503, None))), None);
        let timed_out = |what| {
            Err(NetError::TimedOut {
                host: "h".into(),
                what,
                limit: Duration::from_secs(5),
            })
        };
        assert_eq!(
            decide(Repeat::Never, &timed_out(super::super::error::ANSWERING)),
            None
        );
        assert_eq!(
            decide(Repeat::Never, &timed_out(super::super::error::CONNECTING)),
            Some(None)
        );
        assert_eq!(
            decide(
                Repeat::Never,
                &Err(NetError::ConnectionRefused { host: "h".into() })
            ),
            Some(None)
        );
        assert_eq!(
            decide(Repeat::Never, &Ok(reply(429, None))),
            Some(Some(TURNED_AWAY_PAUSE)),
            "the provider did nothing"
        );
    }

    #[test]
    fn a_read_is_repeated_when_the_trouble_may_pass() {
        assert_eq!(decide(Repeat::Safe, &lost()), Some(None));
        assert_eq!(decide(Repeat::Safe, &Ok(reply(503, None))), Some(None));
        assert_eq!(
            decide(Repeat::Safe, &Ok(reply(429, Some("2")))),
            Some(Some(Duration::from_secs(2)))
        );
        assert_eq!(
            decide(Repeat::Safe, &Ok(reply(429, Some("600")))),
            None,
            "too long to wait unseen"
        );
        for final_status in [200, 400, 401, 404, 500] {
            assert_eq!(decide(Repeat::Safe, &Ok(reply(final_status, None))), None);
        }
        assert_eq!(
            decide(Repeat::Safe, &Err(NetError::Dns { host: "h".into() })),
            None
        );
    }

    #[test]
    fn a_date_to_wait_for_is_read_by_the_clock_of_the_server_that_names_it() {
        let later = "Thu, 01 Jan 1970 00:02:00 GMT";
        for (header, date, wanted) in [
            (later, Some("Thu, 01 Jan 1970 00:01:30 GMT"), Some(30)),
            (later, None, Some(120)),
            (later, Some("no date"), Some(120)),
            (later, Some("Thu, 01 Jan 1970 01:00:00 GMT"), Some(0)),
            ("99999999999999999999", None, Some(u64::MAX)),
            ("2.5", None, Some(3)),
            ("2.0", None, Some(2)),
            ("+3", None, Some(3)),
            ("-1", None, Some(0)),
            ("", None, None),
            ("1e3", None, None),
            (".5", None, None),
            ("soon", None, None),
        ] {
            let mut reply = reply(429, Some(header));
            let date = date.map(|date| ("Date".to_owned(), date.to_owned()));
            reply.headers.extend(date);
            let wanted = wanted.map(Duration::from_secs);
            assert_eq!(
                reply.retry_after(),
                wanted,
                "{header} at {:?}",
                reply.date()
            );
        }
    }

    #[test]
    fn waits_grow_and_are_bounded_in_number() {
        let waits: Vec<Duration> = waits().collect();
        assert_eq!(waits.len(), TRIES_MAX - 1);
        assert!(
            waits
                .iter()
                .all(|wait| *wait >= Duration::from_millis(200) && *wait <= Duration::from_secs(5))
        );
    }
}
