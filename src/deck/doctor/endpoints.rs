//! Whether each server of the providers can be reached, how fast, and what time it has.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Finding, Findings};
use crate::deck::Deck;
use crate::domain::{AccountId, time};
use crate::ledger::NONCE_LEAD_MAX;
use crate::net::{self, Call, NetError, Reached, Session};

/// One check for each server of the accounts, or of one account.
pub(super) fn checks(deck: &Arc<Deck>, only: Option<&str>) -> Vec<Findings> {
    let mut known = BTreeSet::new();
    let mut checks: Vec<Findings> = Vec::new();
    for runtime in deck.registry.all() {
        let account = &runtime.account.id;
        if only.is_some_and(|only| account.as_str() != only) {
            continue;
        }
        for (endpoint, url) in runtime.session.endpoints() {
            let host = net::http::authority(url);
            if known.insert((url.scheme().to_owned(), host.clone())) {
                let server = Server {
                    session: runtime.session.clone(),
                    endpoint,
                    is_tls: url.scheme() == "https",
                    host,
                };
                checks.push(Box::pin(async move { server.check().await }));
            }
        }
    }
    checks
}

/// A request of a check: an endpoint's own URL.
pub(super) fn get(endpoint: &'static str) -> Call {
    Call {
        about: "doctor".into(),
        ..Call::new("GET", endpoint, "/")
    }
}

struct Server {
    session: Session,
    endpoint: &'static str,
    is_tls: bool,
    host: String,
}

impl Server {
    async fn check(self) -> Vec<Finding> {
        let account = self.session.account().id.clone();
        let found = match self.session.probe(&get(self.endpoint), Vec::new()).await {
            Ok(reached) => {
                let first = Finding {
                    took: Some(reached.reply.to_head),
                    ..Finding::good(self.reached(&reached))
                };
                let clock = reached
                    .clock_ahead_ms
                    .map(|ahead| clock(&self.host, ahead).named("clock"));
                [Some(first), clock].into_iter().flatten().collect()
            }
            Err(error) => vec![unreached(&self.host, error, &account)],
        };
        let of_host = |finding: Finding| Finding {
            host: Some(self.host.clone()),
            ..finding.account(&account)
        };
        found.into_iter().map(of_host).collect()
    }

    fn reached(&self, reached: &Reached) -> String {
        let host = &self.host;
        format!(
            "{host} answers (HTTP {}): {}",
            reached.reply.status,
            parts(reached, self.is_tls)
        )
    }
}

/// How long each part took: `DNS 3 ms, TCP and TLS 48 ms, first byte 90 ms`.
pub(super) fn parts(reached: &Reached, is_tls: bool) -> String {
    let ms = |span: Duration| format!("{} ms", span.as_millis());
    let connect = if is_tls { "TCP and TLS" } else { "TCP" };
    let dns = reached.resolved.map(|took| format!("DNS {}, ", ms(took)));
    format!(
        "{}{connect} {}, first byte {}",
        dns.unwrap_or_default(),
        ms(reached.connected),
        ms(reached.answered())
    )
}

/// A server that did not answer, or that must not be called now.
fn unreached(host: &str, error: NetError, account: &AccountId) -> Finding {
    let not_checked = |why: &str| {
        let words = format!("{host} was not checked: {why}");
        Finding::warning(words)
    };
    match &error {
        NetError::Uncounted(_) | NetError::Away(_) => {
            not_checked("nothing is sent while the ledger cannot be used")
                .hint("see the line of the ledger")
        }
        NetError::BudgetExhausted { .. } | NetError::RateLimited { .. } | NetError::Locked => {
            not_checked(&error.to_string()).hint("try again later")
        }
        _ => Finding::bad(error.to_string()).hint(error.problem(account).hint),
    }
}

/// This machine's clock against a provider's.
fn clock(host: &str, ahead_ms: i64) -> Finding {
    let by = Duration::from_millis(ahead_ms.unsigned_abs());
    let way = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let differs = format!(
        "this machine's clock is {} {way} that of {host}",
        time::fine(by)
    );
    if by <= NONCE_LEAD_MAX {
        return Finding::good(format!("this machine's clock agrees with that of {host}"));
    }
    let why = match ahead_ms {
        1.. => "a nonce from the future locks out other programs that use the same key",
        _ => "the times in the log are wrong",
    };
    let hint = format!("set the clock (`timedatectl set-ntp true`): {why}");
    Finding::warning(differs).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Health;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        for (ahead, health, words) in [
            (
                0,
                Health::Good,
                "this machine's clock agrees with that of h",
            ),
            (
                2_000,
                Health::Good,
                "this machine's clock agrees with that of h",
            ),
            (
                2_001,
                Health::Warning,
                "this machine's clock is 2 s ahead of that of h",
            ),
            (
                -90_000,
                Health::Warning,
                "this machine's clock is 1 min 30 s behind that of h",
            ),
        ] {
            let found = clock("h", ahead);
            assert_eq!((found.health, found.message.as_str()), (health, words));
        }
    }

    #[test]
    fn what_was_not_sent_is_no_fault_of_the_server() {
        let account = AccountId::new("shop").unwrap();
        let host = || "api.example".to_owned();
        for (error, health, words) in [
            (
                NetError::Dns(host()),
                Health::Bad,
                "the host name api.example cannot be resolved",
            ),
            (
                NetError::ConnectionRefused(host()),
                Health::Bad,
                "api.example refused the connection",
            ),
            (
                NetError::Tls {
                    host: host(),
                    why: "its certificate has expired".into(),
                },
                Health::Bad,
                "no trusted TLS connection to api.example: its certificate has expired",
            ),
            (
                NetError::Locked,
                Health::Warning,
                "api.example was not checked: another program has locked the ledger's database; nothing was sent",
            ),
        ] {
            let found = unreached("api.example", error, &account);
            assert_eq!((found.health, found.message.as_str()), (health, words));
            assert!(!found.hint.is_empty(), "{words}");
        }
    }
}
