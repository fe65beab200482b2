//! What providers send of their own accord: each callback as it was received and judged, and what is still to be done
//! about it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Body, PaymentId, PlayerId, WallTime};

/// The ledger's number of one delivery; grows with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub i64);

/// One callback, without its bytes: these are kept sealed, and read with [`Received`]. Every text in it is inert.
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
    /// The address it came from; behind a proxy on this machine, the one that the proxy names.
    pub from: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// What was found.
    pub verdict: Verdict,
    /// Why it was refused, or by what it is known to be genuine, in a few words: "the key", "a signature".
    pub why: String,
    /// What it tells, in the provider's word: "payment changed", "BOUGHT". May be empty.
    pub kind: String,
    /// Of what it tells.
    pub subject: Option<Subject>,
    /// 1 for the first of its kind, 2 for what was delivered a second time, …
    pub attempt: u32,
    /// The HTTP status it was answered with.
    pub status: u16,
    /// How many bytes its body has.
    pub bytes: u64,
    /// What it gives rise to, in the order it was taken on.
    pub jobs: Vec<Job>,
}

/// What was found of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Genuine as far as it can be known, and new.
    Accepted,
    /// Genuine, and delivered before: shown, and acted upon no more. One that names only what changed is still handed
    /// on to the shop's own server, for which it may be news.
    Repeat,
    /// A check failed: kept, and not acted upon.
    Refused,
    /// Nobody here has the name in its path.
    UnknownAccount,
    /// It cannot be understood: kept, and not acted upon.
    Unreadable,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Accepted,
        Self::Repeat,
        Self::Refused,
        Self::UnknownAccount,
        Self::Unreadable,
    ];

    /// In one word, as scripts read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Repeat => "repeat",
            Self::Refused => "refused",
            Self::UnknownAccount => "unknown_account",
            Self::Unreadable => "unreadable",
        }
    }

    /// The one that [`Verdict::as_str`] calls so.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == word)
    }
}

/// Of what a delivery tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A payment, an order, a reservation: what the shop's books call it.
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

/// The ledger's number of one errand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub i64);

/// One thing to be done about a delivery. It is tried again until it is done or given up, after a restart too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Unique within the ledger.
    pub id: JobId,
    /// What is to be done.
    pub kind: JobKind,
    /// Where a delivery is handed on to; empty for what is asked of its provider.
    pub target: String,
    /// How often it was tried.
    pub tries: u32,
    /// Whether it is still to be done.
    pub state: JobState,
    /// When it was last tried.
    pub tried_at: Option<WallTime>,
    /// What came of the last try, in words: "PROCESSING", "HTTP 500", "no connection". Empty before the first.
    pub told: String,
    /// The HTTP status of the last try, where it was handed on.
    pub status: Option<u16>,
    /// How long the last try took.
    pub took: Option<Duration>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobKind {
    /// Ask the provider what is so: check the payment, fetch the inventory.
    Ask,
    /// Hand the same bytes on to the shop's own server.
    Forward,
    /// The same while the provider waits for what the shop says. It is done at once or never: goods must not be given
    /// twice.
    Relay,
}

impl JobKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ask, Self::Forward, Self::Relay];

    /// In one word, as the ledger and scripts have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Forward => "forward",
            Self::Relay => "relay",
        }
    }

    /// The one that [`JobKind::as_str`] calls so.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// How an errand stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Still to be done.
    Due {
        /// When it is tried next.
        at: WallTime,
    },
    /// Done.
    Done,
    /// Not tried again.
    GivenUp,
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
    /// What the shop's own server said to it, where it was handed on: by errand, the latest answer.
    pub replies: Vec<(JobId, Body)>,
}

/// Whether callbacks can be received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Listening {
    /// Nobody listens; none is meant to.
    #[default]
    Off,
    /// Requests are answered.
    Up {
        /// `http://ADDRESS:PORT`; an account's callbacks come to `/callbacks/NAME` there.
        url: String,
        /// When the listener last answered a request of its own through the socket.
        heartbeat: WallTime,
    },
    /// Requests would not be answered.
    Down {
        /// Where it was to listen.
        address: String,
        /// What is wrong and what to do, in words.
        why: String,
        /// Since when.
        since: WallTime,
    },
}
