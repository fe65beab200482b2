//! Reports each failure of credentials, tokens, rate limits, callbacks or the receiver once, until it recovers. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Notice;
use crate::domain::{
    AccountId, BudgetGauge, CallbackVerdict, Counts, Delivery, DeliveryId, HookEvent,
    ListenerStatus, Now, Problem, ProblemKind, REFUSED_IN_A_ROW, TokenStatus, refused_in_a_row,
};
use crate::net::Event;

/// What is wrong as far as this program has seen.
#[derive(Debug, Clone, Default)]
pub(in crate::deck) struct Watch {
    rejected: BTreeSet<AccountId>,
    tokens: BTreeSet<AccountId>,
    limits: BTreeSet<(AccountId, Counts)>,
    refused: BTreeMap<String, Refused>,
    is_down: bool,
}

/// The refused callbacks of an account since its last genuine one.
#[derive(Debug, Clone, Default)]
struct Refused {
    count: usize,
    /// The newest callback that was counted, or that was genuine.
    last: Option<DeliveryId>,
}

impl Watch {
    /// What is wrong with these accounts, and with the receiver.
    pub(super) fn of(&self, accounts: &[AccountId]) -> Self {
        let mut watch = self.clone();
        watch.rejected.retain(|account| accounts.contains(account));
        watch.tokens.retain(|account| accounts.contains(account));
        watch
            .limits
            .retain(|(account, _)| accounts.contains(account));
        let is_kept = |name: &str| accounts.iter().any(|account| account.as_str() == name);
        watch.refused.retain(|name, _| is_kept(name));
        watch
    }

    /// The same for a deck that has a port, or none: then the receiver is not down any more.
    pub(in crate::deck) fn for_port(mut self, has_port: bool) -> Self {
        self.is_down &= has_port;
        self
    }

    pub(super) fn on_event(&mut self, event: &Event, now: Now) -> Option<Notice> {
        match event {
            Event::Budget(account, gauge) => self.on_budget(account, gauge),
            Event::Token(account, status) => self.on_token(account, status, now),
            Event::Delivery(delivery) => self.on_delivery(delivery),
            Event::ListenerStatus(listening) => self.on_listening(listening),
            _ => None,
        }
    }

    /// The result of a signed request. Other failures say nothing about the credentials.
    pub(super) fn on_answer(
        &mut self,
        account: &AccountId,
        result: Result<(), &Problem>,
    ) -> Option<Notice> {
        match result {
            Ok(()) => {
                self.rejected.remove(account);
                None
            }
            Err(problem) if problem.kind == ProblemKind::Refused => {
                self.on_rejected(account, problem.describe())
            }
            Err(_) => None,
        }
    }

    fn on_rejected(&mut self, account: &AccountId, message: String) -> Option<Notice> {
        let is_new = self.rejected.insert(account.clone());
        is_new.then(|| Notice::of(HookEvent::CredentialsRejected, account.as_str(), message))
    }

    fn on_token(&mut self, account: &AccountId, status: &TokenStatus, now: Now) -> Option<Notice> {
        let Some(failure) = status.failed(now) else {
            if status.left(now).is_some() {
                self.tokens.remove(account);
                self.rejected.remove(account);
            }
            return None;
        };
        if failure.refused {
            return self.on_rejected(account, failure.why.clone());
        }
        let is_new = self.tokens.insert(account.clone());
        is_new.then(|| {
            Notice::of(
                HookEvent::TokenFailed,
                account.as_str(),
                failure.why.clone(),
            )
        })
    }

    fn on_budget(&mut self, account: &AccountId, gauge: &BudgetGauge) -> Option<Notice> {
        let limit = (account.clone(), gauge.counts);
        if gauge.is_nearly_used() {
            let is_new = self.limits.insert(limit);
            let notice =
                || Notice::of(HookEvent::RateLimit, account.as_str(), gauge.describe_use());
            return is_new.then(notice);
        }
        // Not at once: steady use around the mark would run the program again and again.
        if gauge.used <= gauge.limit / 2 {
            self.limits.remove(&limit);
        }
        None
    }

    fn on_delivery(&mut self, delivery: &Delivery) -> Option<Notice> {
        let is_genuine = delivery.is_genuine();
        if !is_genuine && delivery.verdict != CallbackVerdict::Refused {
            return None;
        }
        let refused = self.refused.entry(delivery.account.clone()).or_default();
        // It is reported again at every change.
        if refused.last >= Some(delivery.id) {
            return None;
        }
        refused.last = Some(delivery.id);
        if is_genuine {
            refused.count = 0;
            return None;
        }
        refused.count += 1;
        (refused.count == REFUSED_IN_A_ROW).then(|| {
            let message = refused_in_a_row(REFUSED_IN_A_ROW, &delivery.why);
            Notice::of(HookEvent::CallbackRefused, &delivery.account, message)
        })
    }

    fn on_listening(&mut self, listening: &ListenerStatus) -> Option<Notice> {
        let (address, why) = match listening {
            ListenerStatus::Down { address, why, .. } => (address, why),
            ListenerStatus::Up { .. } | ListenerStatus::Elsewhere { .. } => {
                self.is_down = false;
                return None;
            }
            // Each deck begins and ends with it.
            ListenerStatus::Off => return None,
        };
        let is_new = !std::mem::replace(&mut self.is_down, true);
        is_new.then(|| Notice {
            event: HookEvent::ReceiverDown,
            account: None,
            message: format!("cannot receive callbacks at {address}: {why}"),
        })
    }
}

impl Notice {
    fn of(event: HookEvent, account: &str, message: String) -> Self {
        Self {
            event,
            account: Some(account.to_owned()),
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::domain::{TokenFailure, TokenLifetime, WallTime};

    fn at(second: u64) -> Now {
        Now {
            mono: Duration::from_secs(second),
            wall: WallTime(0).plus(Duration::from_secs(second)),
        }
    }

    fn shop() -> AccountId {
        AccountId::new("shop").unwrap()
    }

    fn budget(used: u32) -> Event {
        let gauge = BudgetGauge {
            counts: Counts::All,
            used,
            limit: 500,
            period: Duration::from_mins(1),
            next_free: None,
            waiting: 0,
            held: None,
            own: 0,
        };
        Event::Budget(shop(), gauge)
    }

    fn callback(id: i64, verdict: CallbackVerdict) -> Event {
        Event::Delivery(Arc::new(Delivery {
            id: DeliveryId(id),
            account: "shop".into(),
            provider: String::new(),
            received_at: WallTime(0),
            happened_at: None,
            from: String::new(),
            method: String::new(),
            verdict,
            why: "the signature is wrong".into(),
            kind: String::new(),
            subject: None,
            attempt: 1,
            status: 403,
            bytes: 0,
            jobs: Vec::new(),
        }))
    }

    /// A token of ten minutes, fetched at 0, and the failure of its renewal.
    fn token(failure: Option<bool>, fetched_at: u64) -> Event {
        let life = TokenLifetime {
            since: at(fetched_at),
            aged: Duration::ZERO,
            life: Duration::from_mins(10),
            renew_at: Duration::from_mins(9),
        };
        let failure = failure.map(|refused| TokenFailure {
            at: WallTime(0),
            why: "no answer".into(),
            refused,
            again: None,
        });
        let status = TokenStatus {
            life: Some(life),
            failure,
            ..TokenStatus::default()
        };
        Event::Token(shop(), status)
    }

    fn listening(is_down: bool) -> Event {
        Event::ListenerStatus(if is_down {
            ListenerStatus::Down {
                address: "127.0.0.1:8787".into(),
                why: "in use".into(),
                since: WallTime(0),
            }
        } else {
            ListenerStatus::Up {
                url: String::new(),
                heartbeat: WallTime(0),
            }
        })
    }

    #[test]
    fn each_change_for_the_worse_is_an_event_once_until_it_is_well_again() {
        let (refused, good) = (CallbackVerdict::Refused, CallbackVerdict::Accepted);
        let rate = Some(HookEvent::RateLimit);
        let wrong = Some(HookEvent::CallbackRefused);
        let stale = Some(HookEvent::TokenFailed);
        let rejected = Some(HookEvent::CredentialsRejected);
        let down = Some(HookEvent::ReceiverDown);
        for (what, steps) in [
            (
                "over 90 %, and again after half of it was free",
                vec![
                    (0, budget(450), None),
                    (0, budget(451), rate),
                    (0, budget(500), None),
                    (0, budget(300), None),
                    (0, budget(460), None),
                    (0, budget(250), None),
                    (0, budget(460), rate),
                ],
            ),
            (
                "three in a row, reported once each",
                vec![
                    (0, callback(1, refused), None),
                    (0, callback(2, refused), None),
                    (0, callback(2, refused), None),
                    (0, callback(3, CallbackVerdict::Unreadable), None),
                    (0, callback(4, refused), wrong),
                    (0, callback(5, refused), None),
                    (0, callback(6, good), None),
                    (0, callback(7, refused), None),
                    (0, callback(8, refused), None),
                    (0, callback(9, good), None),
                    (0, callback(10, refused), None),
                ],
            ),
            (
                "an earlier callback that is reported again is none of the row",
                vec![
                    (0, callback(1, good), None),
                    (0, callback(2, refused), None),
                    (0, callback(3, refused), None),
                    (0, callback(1, good), None),
                    (0, callback(4, refused), wrong),
                ],
            ),
            (
                "a renewal that fails while the token is valid is tried again",
                vec![
                    (560, token(Some(false), 0), None),
                    (601, token(Some(false), 0), stale),
                    (602, token(Some(false), 0), None),
                    (603, token(None, 603), None),
                    (1300, token(Some(false), 603), stale),
                ],
            ),
            (
                "a token that is rejected is about the credentials",
                vec![
                    (601, token(Some(true), 0), rejected),
                    (602, token(Some(true), 0), None),
                    (603, token(None, 603), None),
                    (1300, token(Some(true), 603), rejected),
                ],
            ),
            (
                "the receiver",
                vec![
                    (0, listening(true), down),
                    (0, listening(true), None),
                    (0, Event::ListenerStatus(ListenerStatus::Off), None),
                    (0, listening(true), None),
                    (0, listening(false), None),
                    (0, listening(true), down),
                ],
            ),
        ] {
            let mut watch = Watch::default();
            for (at_step, (second, event, wanted)) in steps.into_iter().enumerate() {
                let notice = watch.on_event(&event, at(second));
                let found = notice.map(|notice| notice.event);
                assert_eq!(found, wanted, "{what}, step {at_step}");
            }
        }
    }

    #[test]
    fn what_was_reported_of_an_unchanged_account_is_not_reported_by_the_next_deck() {
        let mut before = Watch::default();
        let wrong = [
            budget(460),
            token(Some(false), 0),
            token(Some(true), 0),
            listening(true),
        ];
        let refused = [1, 2, 3].map(|id| callback(id, CallbackVerdict::Refused));
        for event in wrong.iter().chain(&refused) {
            before.on_event(event, at(601));
        }
        for (unchanged, has_port, again) in [
            (vec![shop()], true, 0),
            (vec![], true, 3),
            (vec![], false, 4),
        ] {
            let mut after = before.of(&unchanged).for_port(has_port);
            let events = wrong.iter().chain(&refused[2..]);
            let reported = events.filter_map(|event| after.on_event(event, at(602)));
            assert_eq!(reported.count(), again, "{unchanged:?}");
        }
    }

    #[test]
    fn only_a_rejection_says_something_about_the_credentials() {
        let mut watch = Watch::default();
        let problem = |kind| Problem::new(kind, "rejected", "rotate it");
        let refused = problem(ProblemKind::Refused);
        let away = problem(ProblemKind::NotFound);
        let mut answers = |result| watch.on_answer(&shop(), result).is_some();
        let seen = [
            answers(Err(&away)),
            answers(Err(&refused)),
            answers(Err(&away)),
            answers(Err(&refused)),
            answers(Ok(())),
            answers(Err(&refused)),
        ];
        assert_eq!(seen, [false, true, false, false, false, true]);
    }
}
