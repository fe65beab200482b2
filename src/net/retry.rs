//! Decides retries and their waits. Pure; each further attempt takes its own slot and is signed again.
//!
//! See also the other retry schedules: `net/budget/mod.rs` (holds after 429), `auth/lifecycle.rs` (access tokens),
//! `domain/job/schedule.rs` (jobs of callbacks).

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

use super::call::{Repeat, Reply};
use super::error::NetError;

/// The most attempts of one call, the first included.
pub const TRIES_MAX: usize = 3;

/// The longest `Retry-After` that a call waits for; a longer one is reported to the operator instead.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(20);

/// The pause after a 429 without `Retry-After`, for calls that no limit counts.
pub const RATE_LIMITED_PAUSE: Duration = Duration::from_secs(5);

/// No further attempt begins later than this after the first.
pub const LAST_START: Duration = Duration::from_secs(15);

/// The waits between attempts: exponential with jitter.
pub fn waits() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(TRIES_MAX - 1)
        // So that processes that failed together do not retry together. Without a seed, all would wait the same.
        .with_jitter()
        .with_jitter_seed(fastrand::u64(..))
        .build()
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// No further attempt: the caller gets this result.
    Return,
    /// Another attempt after the next of [`waits`].
    Retry,
    /// Another attempt, not before the provider's own wait (`Retry-After`: RFC 9110, 10.2.3) is over.
    RetryAfter(Duration),
}

/// Whether another attempt may follow.
///
/// A write is repeated only where the provider cannot have carried it out: no connection was made, or it answered 429
/// (RFC 6585, 4), unless the caller itself repeats it.
pub fn decide(repeat: Repeat, tried: &Result<Reply, NetError>) -> Decision {
    match tried {
        Ok(reply) => {
            let rate_limited = reply.status == 429 && repeat != Repeat::NoResponse;
            // 502 to 504 mean that a gateway or an overload is at fault (RFC 9110, 15.6.3 to 15.6.5), which may pass;
            // a 500 is the provider's own failure on this request.
            let passing = matches!(reply.status, 502..=504) && repeat == Repeat::Safe;
            let own = rate_limited.then_some(RATE_LIMITED_PAUSE);
            match reply.retry_after().or(own) {
                _ if !rate_limited && !passing => Decision::Return,
                None => Decision::Retry,
                Some(wait) if wait <= RETRY_AFTER_MAX => Decision::RetryAfter(wait),
                Some(_) => Decision::Return,
            }
        }
        Err(
            error @ (NetError::ConnectionRefused(_)
            | NetError::TimedOut { .. }
            | NetError::Broken { .. }),
        ) if repeat == Repeat::Safe || !error.may_have_arrived() => Decision::Retry,
        // The rest needs the operator: a wrong host name, certificate, proxy or path.
        Err(_) => Decision::Return,
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
        assert_eq!(decide(Repeat::Never, &lost()), Decision::Return);
        assert_eq!(
            decide(Repeat::Never, &Ok(reply(503, None))),
            Decision::Return
        );
        let timed_out = |what| {
            Err(NetError::TimedOut {
                host: "h".into(),
                what,
                limit: Duration::from_secs(5),
            })
        };
        assert_eq!(
            decide(Repeat::Never, &timed_out(super::super::error::ANSWERING)),
            Decision::Return
        );
        assert_eq!(
            decide(Repeat::Never, &timed_out(super::super::error::CONNECTING)),
            Decision::Retry
        );
        assert_eq!(
            decide(Repeat::Never, &Err(NetError::ConnectionRefused("h".into()))),
            Decision::Retry
        );
        assert_eq!(
            decide(Repeat::Never, &Ok(reply(429, None))),
            Decision::RetryAfter(RATE_LIMITED_PAUSE),
            "the provider did nothing"
        );
        assert_eq!(
            decide(Repeat::NoResponse, &Ok(reply(429, Some("1")))),
            Decision::Return
        );
    }

    #[test]
    fn a_read_is_repeated_when_the_trouble_may_pass() {
        assert_eq!(decide(Repeat::Safe, &lost()), Decision::Retry);
        assert_eq!(decide(Repeat::Safe, &Ok(reply(503, None))), Decision::Retry);
        assert_eq!(
            decide(Repeat::Safe, &Ok(reply(429, Some("2")))),
            Decision::RetryAfter(Duration::from_secs(2))
        );
        assert_eq!(
            decide(Repeat::Safe, &Ok(reply(429, Some("600")))),
            Decision::Return,
            "too long to wait unseen"
        );
        for final_status in [200, 400, 401, 404, 500] {
            assert_eq!(
                decide(Repeat::Safe, &Ok(reply(final_status, None))),
                Decision::Return
            );
        }
        assert_eq!(
            decide(Repeat::Safe, &Err(NetError::Dns("h".into()))),
            Decision::Return
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

    #[test]
    fn waits_differ_from_call_to_call() {
        let all: std::collections::BTreeSet<Vec<Duration>> =
            (0..20).map(|_| waits().collect()).collect();
        assert!(all.len() > 1, "{all:?}");
    }
}
