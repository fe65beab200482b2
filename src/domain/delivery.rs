//! Callbacks: each as received and judged, with its jobs.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::words::words;
use super::{
    AccountId, Body, Exchange, ExchangeId, Job, JobId, JobKind, JobState, Outcome, PaymentId,
    PlayerId, RowIds, WallTime,
};

/// The ledger's number of one delivery; grows with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub i64);

/// One callback, without its bytes, which are saved encrypted and read as [`Received`]. Every text in it is inert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Unique within the ledger.
    pub id: DeliveryId,
    /// The account that its path named; there may be none of that name.
    pub account: String,
    /// The account's provider by its short name; empty where there is no such account.
    pub provider: String,
    /// When its last byte was received.
    pub received_at: WallTime,
    /// When it happened, where the callback says so; no later than it was received.
    pub happened_at: Option<WallTime>,
    /// The address it came from; behind a proxy on this machine, the one that the proxy names.
    pub from: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// The result of the checks.
    pub verdict: CallbackVerdict,
    /// Why it was rejected, or what proves it, in a few words: "the key", "a signature".
    pub why: String,
    /// Its event, in the provider's word: "payment changed", "BOUGHT". May be empty.
    pub kind: String,
    /// What it is about.
    pub subject: Option<Subject>,
    /// How often this message has arrived, this time included.
    pub attempt: u32,
    /// The HTTP status it was answered with.
    pub status: u16,
    /// How many bytes its body has.
    pub bytes: u64,
    /// Its jobs, in the order they were created.
    pub jobs: Vec<Job>,
}

impl Delivery {
    /// As the request that was received at `base`, answered by this program.
    pub fn as_exchange(&self, received: &Received, base: &str) -> Exchange {
        Exchange {
            id: ExchangeId(self.id.0),
            // A callback may have named any account.
            account: AccountId::new(self.account.as_str())
                .unwrap_or_else(|_| AccountId::new("account").expect("letters make a name")),
            provider: self.provider.clone(),
            environment: String::new(),
            at: self.received_at,
            method: self.method.clone(),
            url: format!("{base}{}", received.target),
            about: String::new(),
            attempt: self.attempt,
            outcome: Outcome::Status(self.status),
            // The receiver speaks no other.
            http_version: "HTTP/1.1".into(),
            to_head: None,
            took: Duration::ZERO,
            request_headers: received.headers.clone(),
            request_body: received.body.clone(),
            response_headers: Vec::new(),
            response_body: Body::default(),
            response_wire: None,
            operator: String::new(),
            profile: String::new(),
        }
    }

    /// The unfinished jobs that the operator may start again. Left out is what could deliver goods twice:
    /// - an order ([`JobKind::Relay`]), with every forward of it;
    /// - a replay: the operator decides on each one;
    /// - a forward to a URL that has accepted the callback, or gets it from another forward.
    ///
    /// The ledger also leaves out jobs that are leased.
    pub fn retryable(&self) -> impl Iterator<Item = &Job> {
        let is_order = self.jobs.iter().any(|job| job.kind == JobKind::Relay);
        self.jobs.iter().filter(move |job| match job.kind {
            _ if job.state == JobState::Done => false,
            JobKind::Check => true,
            JobKind::Relay => false,
            JobKind::Forward => !is_order && !job.is_replay && !self.is_forwarded_besides(job),
        })
    }

    /// Whether the target of a forward has accepted the callback, or gets it from another forward.
    fn is_forwarded_besides(&self, forward: &Job) -> bool {
        let forwards = self.jobs.iter().filter(|job| job.kind == JobKind::Forward);
        forwards
            .filter(|job| job.target == forward.target)
            .any(|job| match job.state {
                JobState::Done => true,
                JobState::Due { .. } if job.is_replay => true,
                // Of several configured forwards the first one stands for all.
                JobState::Due { .. } | JobState::GivenUp => !job.is_replay && job.id < forward.id,
            })
    }

    /// Why it has its verdict, for people: of a genuine one, whether it is verified, and by what.
    pub fn reason(&self) -> String {
        let why = &self.why;
        match (self.verdict, why.strip_prefix("nothing: ")) {
            (_, Some(missing)) => format!("not verified: {missing}"),
            (CallbackVerdict::Accepted | CallbackVerdict::Repeat, None) if !why.is_empty() => {
                format!("verified by {why}")
            }
            _ => why.clone(),
        }
    }
}

words! {
    /// The result of a callback's checks. The words are those of the ledger and JSON.
    #[derive(Hash)]
    pub enum CallbackVerdict {
        /// Genuine as far as that can be checked, and new.
        Accepted = "accepted",
        /// Genuine, and delivered before: shown, but not processed again. One that only names what changed is still
        /// forwarded to the shop, which may need it.
        Repeat = "repeat",
        /// A check failed: saved, not processed.
        Refused = "refused",
        /// No account has the name in its path.
        UnknownAccount = "unknown_account",
        /// It cannot be parsed: saved, not processed.
        Unreadable = "unreadable",
        /// A secret that proves it could not be read: saved, not processed. Its [`JobKind::Check`] verifies it later and saves
        /// the result as another delivery.
        Unverified = "unverified",
    }
}

/// This many refused callbacks in a row need attention: a secret is wrong, or someone forges callbacks.
pub const REFUSED_IN_A_ROW: usize = 3;

/// What to say about `count` refused callbacks in a row, the latest of them for the reason `why`.
pub fn refused_in_a_row(count: usize, why: &str) -> String {
    format!(
        "{count} callbacks in a row were rejected: {why}; if the provider sent them, compare the account's secret with the \
         provider's"
    )
}

/// An event that must be answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The event, as in [`Delivery::kind`].
    pub event: &'static str,
    /// The time from its happening.
    pub within: Duration,
    /// The later events of the same subject after which nothing must be done any more.
    pub ended_by: &'static [&'static str],
    /// What the operator must do, as a verb and a noun: "give a key".
    pub action: &'static str,
}

/// What a callback is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A payment, an order or a reservation, by the shop's id.
    Payment(PaymentId),
    /// A player.
    Player(PlayerId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payment(id) => id.fmt(f),
            Self::Player(id) => id.fmt(f),
        }
    }
}

/// A delivery's bytes, redacted. Hostile until made inert.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Received {
    /// Path and query.
    pub target: String,
    /// In the order received.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
    /// The latest answer of the shop's server to each forward job.
    pub replies: Vec<(JobId, Body)>,
    /// The ids that the body of an accepted callback names, redacted.
    pub ids: RowIds,
}

/// Whether callbacks can be received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ListenerStatus {
    /// Not configured.
    #[default]
    Off,
    /// Requests are answered.
    Up {
        /// `http://ADDRESS:PORT`; an account's callbacks come to `/callbacks/NAME` there.
        url: String,
        /// When the listener last answered a request of its own through the socket.
        heartbeat: WallTime,
    },
    /// Another tilldeck of this profile on this machine has the port: it saves the callbacks where this one reads them.
    Elsewhere {
        /// As in [`Self::Up`].
        url: String,
    },
    /// Requests cannot be answered.
    Down {
        /// The configured address.
        address: String,
        /// What is wrong and what to do, in words.
        why: String,
        /// Since when.
        since: WallTime,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_deliver_goods_twice_is_retryable() {
        let due = JobState::Due { at: WallTime(1) };
        let (done, dead) = (JobState::Done, JobState::GivenUp);
        let (check, relay) = (JobKind::Check, JobKind::Relay);
        let configured = |target, state| (JobKind::Forward, target, false, state);
        let added = |target, state| (JobKind::Forward, target, true, state);
        for (why, jobs, wanted) in [
            ("a failed check", vec![(check, "", false, dead)], vec![0]),
            ("a check that waits", vec![(check, "", false, due)], vec![0]),
            ("all done", vec![(check, "", false, done)], vec![]),
            (
                "a check and a forward",
                vec![(check, "", false, dead), configured("a", due)],
                vec![0, 1],
            ),
            ("an order", vec![(relay, "a", false, dead)], vec![]),
            (
                "an order's replays, though not its check",
                vec![
                    (check, "", false, dead),
                    (relay, "a", false, dead),
                    added("a", dead),
                    configured("b", dead),
                ],
                vec![0],
            ),
            (
                "an order that the shop has accepted",
                vec![(relay, "a", false, done), added("b", dead)],
                vec![],
            ),
            (
                "a replay has reached the shop",
                vec![configured("a", dead), added("a", done)],
                vec![],
            ),
            (
                "a replay is on its way",
                vec![configured("a", dead), added("a", due)],
                vec![],
            ),
            (
                "a replay has failed as well",
                vec![configured("a", dead), added("a", dead)],
                vec![0],
            ),
            (
                "a replay to elsewhere says nothing",
                vec![configured("a", dead), added("b", done)],
                vec![0],
            ),
            (
                "failed replays alone",
                vec![added("a", dead), added("a", dead), added("b", dead)],
                vec![],
            ),
            (
                "one for each target",
                vec![
                    configured("a", dead),
                    configured("a", due),
                    configured("b", dead),
                ],
                vec![0, 2],
            ),
        ] {
            let jobs = (0..).zip(jobs);
            let jobs = jobs.map(|(id, (kind, target, is_replay, state))| Job {
                id: JobId(id),
                kind,
                target: target.into(),
                is_replay,
                attempts: 1,
                not_found: 0,
                state,
                tried_at: None,
                summary: String::new(),
                status: None,
                took: None,
            });
            let delivery = Delivery {
                id: DeliveryId(1),
                account: "shop".into(),
                provider: String::new(),
                received_at: WallTime(0),
                happened_at: None,
                from: String::new(),
                method: String::new(),
                verdict: CallbackVerdict::Accepted,
                why: String::new(),
                kind: String::new(),
                subject: None,
                attempt: 1,
                status: 200,
                bytes: 0,
                jobs: jobs.collect(),
            };
            let retryable = delivery.retryable().map(|job| job.id.0);
            assert_eq!(retryable.collect::<Vec<_>>(), wanted, "{why}");
        }
    }
}
