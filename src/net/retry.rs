//! What is tried again, and when. Pure; each further try takes its own slot and is authorised anew.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

use super::call::{Repeat, Reply};
use super::error::NetError;

/// The most tries of one call, the first included.
pub const TRIES_MAX: usize = 3;

/// The longest `Retry-After` that is waited for; a longer one is told to the operator instead.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(20);

/// A provider that answers 429 and does not say for how long is left alone for this long, where no limit with a period of
/// its own counts the call.
pub const TURNED_AWAY_PAUSE: Duration = Duration::from_secs(5);

/// No further try of one call begins later than this after the first.
pub const LAST_START: Duration = Duration::from_secs(15);

/// The waits between the tries of one call: jittered, growing.
pub fn waits() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(TRIES_MAX - 1)
        .with_jitter()
        .build()
}

/// Whether a try that ended like this may be followed by another, and the wait the provider asked for.
///
/// A write is repeated only where nothing can have been carried out: no connection stood, or the provider
/// turned it away with 429 before doing anything.
#[must_use]
pub fn again(repeat: Repeat, tried: &Result<Reply, NetError>) -> Option<Option<Duration>> {
    match tried {
        Ok(reply) => {
            let asked = reply.retry_after();
            let turned_away = reply.status == 429;
            let passing = matches!(reply.status, 502..=504) && repeat == Repeat::Safe;
            let asked = asked.or(turned_away.then_some(TURNED_AWAY_PAUSE));
            ((turned_away || passing) && asked.is_none_or(|wait| wait <= RETRY_AFTER_MAX))
                .then_some(asked)
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
            when: "before the reply came",
        })
    }

    #[test]
    fn a_write_is_never_repeated_blindly() {
        assert_eq!(again(Repeat::Never, &lost()), None);
        assert_eq!(again(Repeat::Never, &Ok(reply(503, None))), None);
        let timed_out = |what| {
            Err(NetError::TimedOut {
                host: "h".into(),
                what,
                limit: Duration::from_secs(5),
            })
        };
        assert_eq!(
            again(Repeat::Never, &timed_out(super::super::error::ANSWERING)),
            None
        );
        assert_eq!(
            again(Repeat::Never, &timed_out(super::super::error::CONNECTING)),
            Some(None)
        );
        assert_eq!(
            again(
                Repeat::Never,
                &Err(NetError::ConnectionRefused { host: "h".into() })
            ),
            Some(None)
        );
        assert_eq!(
            again(Repeat::Never, &Ok(reply(429, None))),
            Some(Some(TURNED_AWAY_PAUSE)),
            "the provider did nothing"
        );
    }

    #[test]
    fn a_read_is_repeated_when_the_trouble_may_pass() {
        assert_eq!(again(Repeat::Safe, &lost()), Some(None));
        assert_eq!(again(Repeat::Safe, &Ok(reply(503, None))), Some(None));
        assert_eq!(
            again(Repeat::Safe, &Ok(reply(429, Some("2")))),
            Some(Some(Duration::from_secs(2)))
        );
        assert_eq!(
            again(Repeat::Safe, &Ok(reply(429, Some("600")))),
            None,
            "too long to wait unseen"
        );
        for final_status in [200, 400, 401, 404, 500] {
            assert_eq!(again(Repeat::Safe, &Ok(reply(final_status, None))), None);
        }
        assert_eq!(
            again(Repeat::Safe, &Err(NetError::Dns { host: "h".into() })),
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
