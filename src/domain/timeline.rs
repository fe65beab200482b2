//! All that happened to one payment, on one axis, and what the distances between its happenings mean.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::time::fine;
use super::{
    AccountId, Delivery, DeliveryId, ExchangeId, Expectation, Expected, Job, JobKind, JobState,
    Observation, Outcome, PaymentId, PaymentState, Verdict, WallTime, inert,
};

/// All that is known to have happened to a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// Whose payment.
    pub account: AccountId,
    /// Which.
    pub payment: PaymentId,
    /// What is expected of it.
    pub expected: Option<Expected>,
    /// Oldest first.
    pub happenings: Vec<Happening>,
    /// Whether there was more, further back, than is told.
    pub cut: bool,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When.
    pub at: WallTime,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A request of ours that concerned it.
    Call {
        /// Its number in the log.
        exchange: ExchangeId,
        /// `GET`, `POST`, …
        method: String,
        /// Path and query, redacted.
        path: String,
        /// What came of it.
        outcome: Outcome,
        /// How long it took.
        took: Duration,
    },
    /// Its state was seen to be this, for the first time or anew.
    State(Observation),
    /// An expectation was set.
    Expected {
        /// The one that was in force before.
        old: Option<Expectation>,
        /// The one that is in force from then on.
        new: Expectation,
    },
    /// A callback told of it.
    Callback(Arc<Delivery>),
}

/// How soon after a callback a change of state is taken for what the callback told.
const CAUSED_WITHIN: Duration = Duration::from_mins(1);
/// The same, after the last try of the check it gave rise to; the answer is seen a little later.
const CHECKED_WITHIN: Duration = Duration::from_secs(5);
/// How long a callback may take before one says that it is missing.
const CALLBACK_AFTER: Duration = Duration::from_mins(1);
/// From so many on, calls that brought nothing new are told as one.
const RUN_MIN: usize = 3;

/// One row of a timeline as it is told: one happening, or calls that brought nothing new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its first happening, by its place in [`Timeline::happenings`].
    pub first: usize,
    /// Its last one; another one than the first only where calls are told as one.
    pub last: usize,
    /// What is to be said of it.
    pub remarks: Vec<Remark>,
}

/// What the distance between two happenings means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// Of a callback: we knew already.
    SeenBefore {
        /// What it tells of.
        state: PaymentState,
        /// How long before the callback it was seen.
        by: Duration,
    },
    /// Of a state: a callback told of it.
    SeenAfter {
        /// Which callback.
        callback: DeliveryId,
        /// How long after the callback it was seen.
        by: Duration,
    },
    /// Of a state that was left again: no callback told of it.
    NeverTold(PaymentState),
    /// Of the latest state: no callback has told of it yet.
    NotTold {
        /// Which.
        state: PaymentState,
        /// Since it was seen.
        waited: Duration,
    },
    /// Of a callback: nothing has changed since the one before.
    NothingNew {
        /// Which callback.
        callback: DeliveryId,
    },
    /// Of calls: so many in a row brought the same.
    Unchanged {
        /// How many.
        times: usize,
    },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeenBefore { state, by } => {
                write!(f, "{} seen {} before its callback", word(state), fine(*by))
            }
            Self::SeenAfter { callback, by } => {
                write!(f, "seen {} after callback {}", fine(*by), callback.0)
            }
            Self::NeverTold(state) => write!(f, "no callback told of {}", word(state)),
            Self::NotTold { state, waited } => {
                // Whole minutes, so that an idle screen changes once a minute.
                let waited = Duration::from_secs(waited.as_secs() / 60 * 60);
                write!(f, "no callback for {} since {}", fine(waited), word(state))
            }
            Self::NothingNew { callback } => {
                write!(f, "callback {} tells nothing new", callback.0)
            }
            Self::Unchanged { times } => write!(f, "asked {times} times without change"),
        }
    }
}

/// A state's word, inert: the provider may have invented it.
fn word(state: &PaymentState) -> String {
    inert::cut(state.as_str(), 40)
}

impl Delivery {
    /// Whether it is what it claims to be, as far as that can be known; told before or not.
    #[must_use]
    pub fn is_genuine(&self) -> bool {
        matches!(self.verdict, Verdict::Accepted | Verdict::Repeat)
    }

    /// Whether the provider is still to be asked what is so.
    fn is_being_checked(&self) -> bool {
        let due = |job: &Job| matches!(job.state, JobState::Due { .. });
        self.checks().any(due)
    }

    fn checks(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| job.kind == JobKind::Ask)
    }

    /// Whether a change that was seen then may be what it told of.
    fn may_have_told(&self, seen: WallTime) -> bool {
        let tried = self.checks().filter_map(|job| job.tried_at);
        let till = tried.map(|at| at.plus(CHECKED_WITHIN));
        seen <= till.fold(self.received_at.plus(CAUSED_WITHIN), WallTime::max)
    }
}

/// The latest change, while one walks along the happenings.
struct Latest<'a> {
    seen: &'a Observation,
    row: usize,
    /// A callback told of it.
    told: bool,
    /// It is the first that is known of the payment: nobody saw a change.
    first: bool,
}

/// What is told of happenings, oldest first; every one of them is in one row.
#[must_use]
pub fn rows(happenings: &[Happening]) -> Vec<Row> {
    walk(happenings).0
}

/// What is missing at the end: the callback that should have told of the latest change by now.
#[must_use]
pub fn missing(happenings: &[Happening], now: WallTime) -> Option<Remark> {
    let latest = walk(happenings).1?;
    let waited = now.since(latest.seen.at);
    (!latest.told && !latest.first && waited >= CALLBACK_AFTER).then(|| Remark::NotTold {
        state: latest.seen.payment.state.clone(),
        waited,
    })
}

fn walk(happenings: &[Happening]) -> (Vec<Row>, Option<Latest<'_>>) {
    let any_callback = happenings.iter().any(|it| genuine(it).is_some());
    let mut rows: Vec<Row> = Vec::new();
    let mut latest: Option<Latest<'_>> = None;
    // The callback that is to be followed by a change.
    let mut announced: Option<&Delivery> = None;
    let mut at = 0;
    while let Some(happening) = happenings.get(at) {
        let mut row = Row {
            first: at,
            last: at,
            remarks: Vec::new(),
        };
        match &happening.what {
            What::Call { .. } => {
                let alike = run(&happenings[at..], latest.as_ref().map(|latest| latest.seen));
                if alike >= RUN_MIN {
                    row.last = at + alike - 1;
                    row.remarks.push(Remark::Unchanged { times: alike });
                }
            }
            What::State(seen) => {
                if changes(latest.as_ref().map(|latest| latest.seen), seen) {
                    let told = announced.take();
                    let first = latest.is_none();
                    if let Some(delivery) = told {
                        row.remarks.push(Remark::SeenAfter {
                            callback: delivery.id,
                            by: seen.at.since(delivery.received_at),
                        });
                    }
                    if let Some(left) = latest.filter(|left| !left.told && !left.first)
                        && any_callback
                    {
                        let state = left.seen.payment.state.clone();
                        rows[left.row].remarks.push(Remark::NeverTold(state));
                    }
                    latest = Some(Latest {
                        seen,
                        row: rows.len(),
                        told: told.is_some(),
                        first,
                    });
                }
            }
            What::Callback(delivery) if delivery.is_genuine() => {
                let before = latest.as_ref().map(|latest| latest.seen);
                if told_by(delivery, before, &happenings[at + 1..]) {
                    announced = Some(delivery);
                } else if let Some(latest) = latest.as_mut().filter(|latest| !latest.told) {
                    latest.told = true;
                    row.remarks.push(Remark::SeenBefore {
                        state: latest.seen.payment.state.clone(),
                        by: delivery.received_at.since(latest.seen.at),
                    });
                } else if delivery.verdict == Verdict::Repeat
                    || (latest.is_some() && !delivery.is_being_checked())
                {
                    row.remarks.push(Remark::NothingNew {
                        callback: delivery.id,
                    });
                }
            }
            What::Callback(_) | What::Expected { .. } => {}
        }
        at = row.last + 1;
        rows.push(row);
    }
    (rows, latest)
}

fn genuine(happening: &Happening) -> Option<&Delivery> {
    match &happening.what {
        What::Callback(delivery) if delivery.is_genuine() => Some(delivery),
        _ => None,
    }
}

fn changes(before: Option<&Observation>, seen: &Observation) -> bool {
    before.is_none_or(|before| before.payment != seen.payment)
}

/// Whether the next change that follows a callback is what it told of.
fn told_by(delivery: &Delivery, before: Option<&Observation>, after: &[Happening]) -> bool {
    for happening in after {
        match &happening.what {
            What::State(seen) if changes(before, seen) => return delivery.may_have_told(seen.at),
            _ if genuine(happening).is_some() => return false,
            _ => {}
        }
    }
    false
}

/// How many calls from the first on are alike and brought nothing new.
fn run(happenings: &[Happening], before: Option<&Observation>) -> usize {
    let key = |happening: &'_ Happening| match &happening.what {
        What::Call {
            method,
            path,
            outcome,
            ..
        } => {
            let path = path.split('?').next().unwrap_or_default().to_owned();
            Some((method.clone(), path, outcome.clone()))
        }
        _ => None,
    };
    let first = happenings.first().and_then(key);
    let alike = happenings
        .iter()
        .take_while(|it| key(it) == first && first.is_some())
        .count();
    // The last of them saw what changed.
    let saw = match happenings.get(alike).map(|it| &it.what) {
        Some(What::State(seen)) => changes(before, seen),
        _ => false,
    };
    alike - usize::from(saw && alike > 0)
}

#[cfg(test)]
mod tests;
