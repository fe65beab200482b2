//! How long a provider asks to be left alone.

use std::time::Duration;

use tilldeck::domain::WallTime;
use tilldeck::net::{Repeat, Reply, retry};

use super::{Input, NOW};

/// Lines: a status, the header `Retry-After`, the header `Date`.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let status = input.choose(&[429, 503, 502, 504, 500, 200]);
    let _ = input.line();
    let (asked, told) = (input.text(), input.text());
    let headers = [("retry-after", asked.clone()), ("date", told)];
    for at in [NOW, WallTime(0), WallTime(i64::MAX), WallTime(i64::MIN)] {
        let reply = Reply {
            status,
            version: "HTTP/1.1",
            wire: None,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            body: bytes::Bytes::new(),
            to_head: Duration::ZERO,
            took: Duration::ZERO,
            at,
        };
        let wait = reply.retry_after();
        // The standard knows digits alone.
        let asked = asked.trim();
        let digits = asked.bytes().all(|byte| byte.is_ascii_digit());
        if let (true, Ok(seconds)) = (digits, asked.parse::<u32>()) {
            let least = Duration::from_secs(seconds.into()).min(Duration::from_hours(1));
            assert!(
                wait.is_some_and(|wait| wait >= least),
                "{asked:?}: {wait:?}"
            );
        }
        for repeat in [Repeat::Safe, Repeat::Never] {
            if let retry::Decision::RetryAfter(wait) = retry::decide(repeat, &Ok(reply.clone())) {
                assert!(wait <= retry::RETRY_AFTER_MAX);
            }
        }
    }
}
