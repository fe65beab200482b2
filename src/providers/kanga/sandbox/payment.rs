//! One simulated payment. Its state is computed from its acts and a given time; nothing here waits, reads a clock or knows
//! HTTP.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::simulate::PayerAct;
use crate::domain::{PaymentState, WallTime};

/// A payment not paid in full after this long is cancelled (`docs/providers/kanga.md#expiry`).
pub(super) const LIFE: Duration = Duration::from_hours(24);

/// Parts of a payment are counted in thousandths, so that no amount is ever rounded.
pub(super) const WHOLE: u32 = 1000;

const CANCELLING: Duration = Duration::from_secs(3);
const INSTANT: Pace = Pace::seconds(1, 4, 7);
const ON_CHAIN: Pace = Pace::seconds(5, 2 * 86_400, 2 * 86_400 + 600);
const SURPLUS: u32 = 50;

/// How long after the payer acted the payment is seen, confirmed and settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pace {
    seen: Duration,
    confirmed: Duration,
    settled: Duration,
}

impl Pace {
    const fn seconds(seen: u64, confirmed: u64, settled: u64) -> Self {
        Self {
            seen: Duration::from_secs(seen),
            confirmed: Duration::from_secs(confirmed),
            settled: Duration::from_secs(settled),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Act {
    Verify,
    Choose(String),
    /// The rest is paid, or a little more than that.
    Rest {
        on_chain: bool,
        surplus: u32,
        pace: Pace,
    },
    Part,
    /// It is cancelled, which takes this long.
    Cancel(Duration),
    Fail,
}

impl From<PayerAct> for Act {
    fn from(act: PayerAct) -> Self {
        let rest = |on_chain, surplus, pace| Self::Rest {
            on_chain,
            surplus,
            pace,
        };
        match act {
            PayerAct::Pay => rest(false, 0, INSTANT),
            PayerAct::PayOnChain => rest(true, 0, ON_CHAIN),
            PayerAct::PayPart => Self::Part,
            PayerAct::Overpay => rest(false, SURPLUS, INSTANT),
            PayerAct::Cancel => Self::Cancel(CANCELLING),
            PayerAct::Fail => Self::Fail,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ScheduledAct {
    pub(super) at: WallTime,
    act: Act,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Payment {
    /// The shop's name; its key is not saved.
    pub(super) shop: String,
    pub(super) id: String,
    pub(super) currency: String,
    /// As in the payment link.
    pub(super) amount: String,
    pub(super) title: Option<String>,
    /// The payer's address. Not saved, because it is personal data.
    #[serde(skip)]
    pub(super) email: Option<String>,
    pub(super) forced: Option<String>,
    pub(super) opened: WallTime,
    /// Whether the simulation started with it.
    pub(super) seeded: bool,
    /// The number of state changes that need no further callback: reported, or without a callback URL.
    pub(super) reported: usize,
    pub(super) scheduled_acts: Vec<ScheduledAct>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: WallTime,
    pub(super) state: PaymentState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) state: PaymentState,
    pub(super) since: WallTime,
    /// Thousandths of the amount that were paid, at most [`WHOLE`].
    pub(super) paid: u32,
    /// Thousandths paid beyond the amount.
    pub(super) surplus: u32,
    pub(super) paying_in: Option<String>,
    pub(super) on_chain: bool,
    /// Whether the payer has sent the full amount, confirmed or not.
    pub(super) sent: bool,
}

impl Payment {
    /// Schedules an act at `at`, whether or not it is possible by then.
    pub(super) fn script(&mut self, at: WallTime, act: Act) {
        // Behind others of the same instant, so that they apply in the order they were made.
        let acts = &mut self.scheduled_acts;
        let place = acts.partition_point(|scheduled| scheduled.at <= at);
        acts.insert(place, ScheduledAct { at, act });
    }

    /// Applies an act now, or says in a sentence why it is impossible.
    pub(super) fn act(&mut self, now: WallTime, act: Act) -> Result<(), &'static str> {
        let mut run = self.run(now);
        // First on a copy: an act that is impossible now is not stored.
        run.apply(now, &act)?;
        self.script(now, act);
        Ok(())
    }

    pub(super) fn progress(&self, now: WallTime) -> Progress {
        self.run(now).progress
    }

    pub(super) fn changes(&self, until: WallTime) -> Vec<Change> {
        self.run(until).changes
    }

    pub(super) fn next_change(&self, now: WallTime) -> Option<WallTime> {
        // The whole future is known: it depends on the acts so far and on time alone.
        let all = self.run(WallTime(i64::MAX)).changes;
        all.into_iter().map(|change| change.at).find(|at| *at > now)
    }

    pub(super) fn deadline(&self) -> WallTime {
        self.opened.plus(LIFE)
    }

    fn run(&self, until: WallTime) -> Run {
        let mut run = Run {
            progress: Progress {
                state: PaymentState::New,
                since: self.opened,
                paid: 0,
                surplus: 0,
                paying_in: None,
                on_chain: false,
                sent: false,
            },
            ahead: VecDeque::new(),
            changes: Vec::new(),
            deadline: self.deadline(),
        };
        let acts = self.scheduled_acts.iter();
        for scheduled in acts.filter(|scheduled| scheduled.at <= until) {
            run.pass(scheduled.at);
            // A scheduled act that is no longer possible, such as paying after the cancellation, does nothing.
            let _ = run.apply(scheduled.at, &scheduled.act);
        }
        run.pass(until);
        run
    }
}

/// Replays a payment's acts in order of time.
struct Run {
    progress: Progress,
    ahead: VecDeque<Change>,
    changes: Vec<Change>,
    deadline: WallTime,
}

impl Run {
    fn pass(&mut self, until: WallTime) {
        loop {
            match self.ahead.pop_front() {
                Some(change) if change.at <= until => self.enter(change.at, change.state),
                Some(later) => return self.ahead.push_front(later),
                // Only while no change is under way: money that was sent in time may arrive late
                // (`docs/providers/kanga.md#expiry`).
                None if self.is_payable() && self.deadline <= until => {
                    self.cancel(self.deadline, CANCELLING);
                }
                None => return,
            }
        }
    }

    fn enter(&mut self, at: WallTime, state: PaymentState) {
        self.progress.state = state.clone();
        self.progress.since = at;
        self.changes.push(Change { at, state });
    }

    fn cancel(&mut self, at: WallTime, takes: Duration) {
        self.enter(at, PaymentState::Cancelling);
        let state = PaymentState::Canceled;
        self.ahead = VecDeque::from([Change {
            at: at.plus(takes),
            state,
        }]);
    }

    fn is_payable(&self) -> bool {
        matches!(
            self.progress.state,
            PaymentState::New | PaymentState::Active
        ) && !self.progress.sent
    }

    fn open_for_paying(&mut self, at: WallTime) -> Result<(), &'static str> {
        if self.progress.sent && !self.progress.state.is_final() {
            return Err("The full amount is already on its way.");
        }
        if !self.is_payable() {
            return Err("The payment accepts no more money.");
        }
        // Who pays need not verify first (our choice).
        if self.progress.state == PaymentState::New {
            self.enter(at, PaymentState::Active);
        }
        Ok(())
    }

    fn apply(&mut self, at: WallTime, act: &Act) -> Result<(), &'static str> {
        use PaymentState::{Active, Failed, Finalized, Finalizing, New, Processing};
        match act {
            Act::Verify if self.progress.state == New => self.enter(at, Active),
            Act::Verify => return Err("The e-mail address is already verified."),
            Act::Choose(currency) if self.is_payable() => {
                self.progress.paying_in = Some(currency.clone());
            }
            Act::Choose(_) => return Err("The currency can no longer be changed."),
            Act::Rest {
                on_chain,
                surplus,
                pace,
            } => {
                self.open_for_paying(at)?;
                let progress = &mut self.progress;
                progress.paid = WHOLE;
                progress.surplus = *surplus;
                progress.on_chain = *on_chain;
                progress.sent = true;
                self.ahead = [
                    (pace.seen, Processing),
                    (pace.confirmed, Finalizing),
                    (pace.settled, Finalized),
                ]
                .map(|(after, state)| Change {
                    at: at.plus(after),
                    state,
                })
                .into();
            }
            Act::Part => {
                self.open_for_paying(at)?;
                let outstanding = WHOLE - self.progress.paid;
                // Never all of it: only `Rest` settles a payment (`docs/providers/kanga.md#under-payment`).
                let part = (outstanding * 2 / 5).clamp(u32::from(outstanding > 1), outstanding);
                self.progress.paid += part;
            }
            Act::Cancel(takes) => match self.progress.state {
                New | Active | Processing => self.cancel(at, *takes),
                _ => return Err("The payment can no longer be cancelled."),
            },
            Act::Fail => match self.progress.state {
                New | Active | Processing | Finalizing => {
                    // A failure stops the changes that a payment had still ahead of it.
                    self.ahead.clear();
                    self.enter(at, Failed);
                }
                _ => return Err("The payment can no longer fail."),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENED: WallTime = WallTime(1_000_000);

    fn at(seconds: u64) -> WallTime {
        OPENED.plus(Duration::from_secs(seconds))
    }

    fn payment(acts: &[(u64, PayerAct)]) -> Payment {
        let mut payment = Payment {
            opened: OPENED,
            ..Payment::default()
        };
        for (seconds, act) in acts {
            payment.act(at(*seconds), (*act).into()).unwrap();
        }
        payment
    }

    fn life(payment: &Payment) -> Vec<(u64, String)> {
        let changes = payment.changes(WallTime(i64::MAX)).into_iter();
        changes
            .map(|c| (c.at.since(OPENED).as_secs(), c.state.to_string()))
            .collect()
    }

    fn transitions(life: &[(u64, &str)]) -> Vec<(u64, String)> {
        life.iter()
            .map(|(at, state)| (*at, (*state).to_owned()))
            .collect()
    }

    // docs/providers/kanga.md#states
    #[test]
    fn a_payment_from_a_kanga_account_settles_in_seconds() {
        let paid = payment(&[(10, PayerAct::Pay)]);
        let expected = [
            (10, "ACTIVE"),
            (11, "PROCESSING"),
            (14, "FINALIZING"),
            (17, "FINALIZED"),
        ];
        assert_eq!(life(&paid), transitions(&expected));
        assert_eq!(paid.progress(at(9)).state, PaymentState::New);
        assert_eq!(paid.progress(at(13)).state, PaymentState::Processing);
        assert_eq!(paid.progress(at(100_000)).state, PaymentState::Finalized);
    }

    // docs/providers/kanga.md#expiry
    #[test]
    fn an_on_chain_payment_takes_days_and_outlives_the_24_hours() {
        let paid = payment(&[(10, PayerAct::PayOnChain)]);
        assert_eq!(paid.progress(at(90_000)).state, PaymentState::Processing);
        assert_eq!(paid.progress(at(3 * 86_400)).state, PaymentState::Finalized);
    }

    // docs/providers/kanga.md#under-payment
    #[test]
    fn a_partly_paid_payment_stays_active_until_the_rest_is_paid() {
        let mut paid = payment(&[(10, PayerAct::PayPart), (20, PayerAct::PayPart)]);
        let progress = paid.progress(at(4_000));
        assert_eq!((progress.state, progress.paid), (PaymentState::Active, 640));
        paid.act(at(5_000), PayerAct::Pay.into()).unwrap();
        assert_eq!(paid.progress(at(5_007)).state, PaymentState::Finalized);
        let many: Vec<_> = (0..50).map(|s| (s, PayerAct::PayPart)).collect();
        assert_eq!(
            payment(&many).progress(at(60)).state,
            PaymentState::Active,
            "parts alone never settle"
        );
    }

    // docs/providers/kanga.md#over-payment
    #[test]
    fn an_over_payment_ends_finalized() {
        let progress = payment(&[(0, PayerAct::Overpay)]).progress(at(60));
        assert_eq!(progress.state, PaymentState::Finalized);
        assert_eq!((progress.paid, progress.surplus), (WHOLE, 50));
    }

    // docs/providers/kanga.md#states
    #[test]
    fn a_cancelled_payment_passes_through_cancelling() {
        let off = payment(&[(5, PayerAct::Cancel)]);
        assert_eq!(
            life(&off),
            transitions(&[(5, "CANCELLING"), (8, "CANCELED")])
        );
        let mut settled = payment(&[(0, PayerAct::Pay)]);
        assert!(settled.act(at(60), PayerAct::Cancel.into()).is_err());
    }

    // docs/providers/kanga.md#expiry
    #[test]
    fn an_unpaid_payment_is_cancelled_at_24_hours() {
        let expected = [(86_400, "CANCELLING"), (86_403, "CANCELED")];
        assert_eq!(life(&payment(&[])), transitions(&expected));
        let part = payment(&[(10, PayerAct::PayPart)]);
        assert_eq!(life(&part)[1..], transitions(&expected));
        let mut late = part.clone();
        assert!(late.act(at(86_400), PayerAct::Pay.into()).is_err());
        let just = payment(&[(86_399, PayerAct::Pay)]);
        assert_eq!(just.progress(at(90_000)).state, PaymentState::Finalized);
    }

    // docs/providers/kanga.md#states
    #[test]
    fn any_open_payment_can_fail_and_stays_failed() {
        let failed = payment(&[(0, PayerAct::Pay), (5, PayerAct::Fail)]);
        assert_eq!(failed.progress(at(100_000)).state, PaymentState::Failed);
        let mut done = payment(&[(0, PayerAct::Pay)]);
        assert!(done.act(at(60), PayerAct::Fail.into()).is_err());
    }

    #[test]
    fn nothing_is_paid_twice() {
        let mut paid = payment(&[(0, PayerAct::PayOnChain)]);
        for act in [PayerAct::Pay, PayerAct::PayPart, PayerAct::Overpay] {
            assert!(paid.act(at(1), act.into()).is_err(), "{act:?}");
        }
    }

    #[test]
    fn what_happens_now_forestalls_what_was_scripted_for_later() {
        let mut scripted = payment(&[]);
        scripted.script(at(100), PayerAct::Pay.into());
        scripted.act(at(50), PayerAct::Cancel.into()).unwrap();
        assert_eq!(scripted.progress(at(200)).state, PaymentState::Canceled);
    }

    #[test]
    fn states_only_reach_what_lies_ahead() {
        for act in PayerAct::ALL {
            let mut state = PaymentState::New;
            for change in payment(&[(10, act)]).changes(WallTime(i64::MAX)) {
                assert!(state.can_reach(&change.state), "{state} {}", change.state);
                state = change.state;
            }
        }
    }
}
