//! The timeline of one payment, and what the intervals between its entries mean.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::time::fine;
use super::{
    AccountId, CallbackVerdict, Delivery, DeliveryId, ExchangeId, Expectation, Expected, Job,
    JobKind, JobState, Note, Observation, Outcome, PaymentId, PaymentState, PaymentVerdict,
    WallTime,
};

/// The known history of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// The account of the payment.
    pub account: AccountId,
    /// The payment.
    pub payment: PaymentId,
    /// The state in force: the last that was saved. Another machine's clock may date an earlier one later.
    pub latest: Option<Observation>,
    /// The expected amount.
    pub expected: Option<Expected>,
    /// Oldest first.
    pub entries: Vec<TimelineEntry>,
    /// Whether older entries are omitted.
    pub cut: bool,
}

/// One entry of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When it happened.
    pub at: WallTime,
    /// What happened.
    pub what: TimelineEvent,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimelineEvent {
    /// A request of this program about the payment.
    Call {
        /// Its number in the log.
        exchange: ExchangeId,
        /// `GET`, `POST`, …
        method: String,
        /// Path and query, redacted.
        path: String,
        /// Its result.
        outcome: Outcome,
        /// How long it took.
        took: Duration,
        /// As in [`Exchange`](super::Exchange).
        operator: String,
    },
    /// The payment was observed in this state, for the first time or again.
    State(Observation),
    /// An expectation was set.
    Expected {
        /// The one that was in force before.
        old: Option<Expectation>,
        /// The one that is in force from then on.
        new: Expectation,
    },
    /// A callback reported the payment.
    Callback(Arc<Delivery>),
    /// The payment was added to the watch list, where it still is.
    Watched {
        /// As in [`Watch`](super::Watch).
        operator: String,
    },
    /// An operator noted something.
    Noted(Note),
    /// An alert about the payment was marked as handled, or unmarked.
    Marked {
        /// The verdict of the alert.
        verdict: PaymentVerdict,
        /// Whether it was handled from then on.
        handled: bool,
        /// As in [`Handled`](super::Handled).
        operator: String,
    },
}

/// How soon after a callback a change of state counts as the reported one.
const CAUSED_WITHIN: Duration = Duration::from_mins(1);
/// The same, after the last attempt of the check that the callback triggered; its answer is seen a little later.
const CHECKED_WITHIN: Duration = Duration::from_secs(5);
/// A callback that has not arrived after this time is reported as missing.
const CALLBACK_AFTER: Duration = Duration::from_mins(1);
/// This many checks with the same result in a row are shown as one row.
const RUN_MIN: usize = 3;

/// One row of a displayed timeline: one entry, or several checks with the same result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its first entry, as an index into [`Timeline::entries`].
    pub first: usize,
    /// Its last entry; differs from the first only in a row of several.
    pub last: usize,
    /// Remarks on it.
    pub remarks: Vec<Remark>,
}

/// What the interval between two entries means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// On a callback: its state was observed before.
    SeenBefore {
        /// The reported state.
        state: PaymentState,
        /// How long before the callback it was seen.
        by: Duration,
    },
    /// On a state: a callback reported it.
    SeenAfter {
        /// Which callback.
        callback: DeliveryId,
        /// How long after the callback it was seen.
        by: Duration,
    },
    /// On a past state: no callback reported it.
    NeverReported(PaymentState),
    /// On the latest state: no callback has reported it yet.
    NotReported {
        /// The state.
        state: PaymentState,
        /// The time since it was observed.
        waited: Duration,
    },
    /// On this callback: nothing has changed since the one before.
    NothingNew(DeliveryId),
    /// On checks: this many in a row had the same result.
    Unchanged(usize),
    /// On checks: this many in a row failed alike, so nothing was checked.
    Failed(usize),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeenBefore { state, by } => {
                write!(f, "{} seen {} before its callback", state, fine(*by))
            }
            Self::SeenAfter { callback, by } => {
                write!(f, "seen {} after callback {}", fine(*by), callback.0)
            }
            Self::NeverReported(state) => write!(f, "no callback reported {state}"),
            Self::NotReported { state, waited } => {
                // Whole minutes, so that an idle screen changes once a minute.
                let waited = Duration::from_secs(waited.as_secs() / 60 * 60);
                write!(f, "no callback for {} since {}", fine(waited), state)
            }
            Self::NothingNew(callback) => write!(f, "callback {} reports nothing new", callback.0),
            Self::Unchanged(times) => write!(f, "checked {times} times without change"),
            Self::Failed(times) => write!(f, "{times} attempts failed"),
        }
    }
}

impl Delivery {
    /// Whether its checks passed, new or repeated.
    pub fn is_genuine(&self) -> bool {
        matches!(
            self.verdict,
            CallbackVerdict::Accepted | CallbackVerdict::Repeat
        )
    }

    /// Whether a check with the provider is still pending.
    fn is_being_checked(&self) -> bool {
        let due = |job: &Job| matches!(job.state, JobState::Due { .. });
        self.checks().any(due)
    }

    fn checks(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| job.kind == JobKind::Check)
    }

    /// Whether a change that was observed then may be the one it reported.
    fn may_have_reported(&self, seen: WallTime) -> bool {
        let tried = self.checks().filter_map(|job| job.tried_at);
        let latest = tried.map(|at| at.plus(CHECKED_WITHIN));
        seen <= latest.fold(self.received_at.plus(CAUSED_WITHIN), WallTime::max)
    }
}

/// The latest change during the walk over the entries.
struct Latest<'a> {
    seen: &'a Observation,
    row: usize,
    /// A callback reported it.
    reported: bool,
    /// It is the first observation of the payment, so not a change.
    first: bool,
}

/// The rows of a timeline, oldest first; every entry is in one row.
pub fn rows(entries: &[TimelineEntry]) -> Vec<Row> {
    walk(entries).0
}

/// The missing callback, if the latest change should have been reported by now.
pub fn missing(entries: &[TimelineEntry], now: WallTime) -> Option<Remark> {
    let latest = walk(entries).1?;
    let waited = now.since(latest.seen.at);
    (!latest.reported && !latest.first && waited >= CALLBACK_AFTER).then(|| Remark::NotReported {
        state: latest.seen.payment.state.clone(),
        waited,
    })
}

fn walk(entries: &[TimelineEntry]) -> (Vec<Row>, Option<Latest<'_>>) {
    // Without any, callbacks may go elsewhere, so none is reported as missing.
    let any_callback = entries.iter().any(|it| genuine(it).is_some());
    let mut rows: Vec<Row> = Vec::new();
    let mut latest: Option<Latest<'_>> = None;
    // A callback whose change has not been observed yet.
    let mut announced: Option<&Delivery> = None;
    let mut at = 0;
    while let Some(entry) = entries.get(at) {
        let mut row = Row {
            first: at,
            last: at,
            remarks: Vec::new(),
        };
        match &entry.what {
            TimelineEvent::Call { outcome, .. } => {
                let alike = run(&entries[at..], latest.as_ref().map(|latest| latest.seen));
                if alike >= RUN_MIN {
                    row.last = at + alike - 1;
                    let is_unanswered = match outcome {
                        // Other errors of a client may be the answer: a payment that is not known.
                        Outcome::Status(status) => matches!(status, 401 | 403 | 429 | 500..),
                        _ => outcome.is_failure(),
                    };
                    row.remarks.push(if is_unanswered {
                        Remark::Failed(alike)
                    } else {
                        Remark::Unchanged(alike)
                    });
                }
            }
            TimelineEvent::State(seen) => {
                if changes(latest.as_ref().map(|latest| latest.seen), seen) {
                    let reported = announced.take();
                    let first = latest.is_none();
                    if let Some(delivery) = reported {
                        row.remarks.push(Remark::SeenAfter {
                            callback: delivery.id,
                            by: seen.at.since(delivery.received_at),
                        });
                    }
                    if let Some(left) = latest.filter(|left| !left.reported && !left.first)
                        && any_callback
                    {
                        let state = left.seen.payment.state.clone();
                        rows[left.row].remarks.push(Remark::NeverReported(state));
                    }
                    latest = Some(Latest {
                        seen,
                        row: rows.len(),
                        reported: reported.is_some(),
                        first,
                    });
                }
            }
            TimelineEvent::Callback(delivery) if delivery.is_genuine() => {
                let before = latest.as_ref().map(|latest| latest.seen);
                if reported_by(delivery, before, &entries[at + 1..]) {
                    announced = Some(delivery);
                } else if let Some(latest) = latest.as_mut().filter(|latest| !latest.reported) {
                    latest.reported = true;
                    row.remarks.push(Remark::SeenBefore {
                        state: latest.seen.payment.state.clone(),
                        by: delivery.received_at.since(latest.seen.at),
                    });
                } else if delivery.verdict == CallbackVerdict::Repeat
                    || (latest.is_some() && !delivery.is_being_checked())
                {
                    row.remarks.push(Remark::NothingNew(delivery.id));
                }
            }
            TimelineEvent::Callback(_)
            | TimelineEvent::Expected { .. }
            | TimelineEvent::Watched { .. }
            | TimelineEvent::Noted(_)
            | TimelineEvent::Marked { .. } => {}
        }
        at = row.last + 1;
        rows.push(row);
    }
    (rows, latest)
}

fn genuine(entry: &TimelineEntry) -> Option<&Delivery> {
    match &entry.what {
        TimelineEvent::Callback(delivery) if delivery.is_genuine() => Some(delivery),
        _ => None,
    }
}

fn changes(before: Option<&Observation>, seen: &Observation) -> bool {
    before.is_none_or(|before| before.payment != seen.payment)
}

/// Whether the next change after a callback is the one it reported.
fn reported_by(delivery: &Delivery, before: Option<&Observation>, after: &[TimelineEntry]) -> bool {
    for entry in after {
        match &entry.what {
            TimelineEvent::State(seen) if changes(before, seen) => {
                return delivery.may_have_reported(seen.at);
            }
            // The later callback is closer to the change.
            _ if genuine(entry).is_some() => return false,
            _ => {}
        }
    }
    false
}

/// How many calls from the first on are alike and changed nothing.
fn run(entries: &[TimelineEntry], before: Option<&Observation>) -> usize {
    let key = |entry: &'_ TimelineEntry| match &entry.what {
        TimelineEvent::Call {
            method,
            path,
            outcome,
            ..
        } => {
            // The query may carry what differs in each call.
            let path = path.split('?').next().unwrap_or_default().to_owned();
            Some((method.clone(), path, outcome.clone()))
        }
        _ => None,
    };
    let first = entries.first().and_then(key);
    let alike = entries
        .iter()
        .take_while(|it| key(it) == first && first.is_some())
        .count();
    // The last of them observed the change.
    let changed = match entries.get(alike).map(|it| &it.what) {
        Some(TimelineEvent::State(seen)) => changes(before, seen),
        _ => false,
    };
    alike - usize::from(changed && alike > 0)
}

#[cfg(test)]
mod tests;
