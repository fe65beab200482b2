//! One payment on the watch list: what was seen of it, what it means, and when it is asked for again.
//! Arithmetic on a given instant; asks nobody.

use std::time::Duration;

use crate::domain::{
    Comparison, Now, Observation, Payment, PaymentState, Problem, ProblemKind, RequestId, WallTime,
    Watch, inert,
};

use super::theme::Tone;

/// After a change, and at first.
const POLL_FIRST: Duration = Duration::from_secs(5);
/// While nothing changes, or the provider fails.
const POLL_SLOWEST: Duration = Duration::from_mins(1);
/// A provider knows an id once its payer has opened the page; so long that is no cause for concern.
const UNKNOWN_IS_NORMAL: Duration = Duration::from_mins(10);
/// Changes kept of one payment.
const SEEN_MAX: usize = 64;

/// What hinders us from knowing more.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    None,
    /// The provider does not know the id.
    NotKnown,
    /// Anything else.
    Failed(Problem),
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Nothing,
    Changed,
    /// Changed, for the last time, since it was last seen. What was over before anyone looked is no news.
    Ended,
}

/// A payment on the watch list.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    pub watch: Watch,
    /// Changes only, oldest first.
    seen: Vec<Observation>,
    pub trouble: Trouble,
    /// The provider has told of it before, be it that the id is not known.
    told: bool,
    pub asking: Option<RequestId>,
    interval: Duration,
    due: Option<Duration>,
}

impl Watched {
    /// Asked for at once, unless what was seen of it is final.
    pub fn new(watch: Watch, seen: Vec<Observation>, now: Now) -> Self {
        let mut changes: Vec<Observation> = Vec::new();
        for observation in seen {
            if changes.last().map(|last| &last.payment) != Some(&observation.payment) {
                changes.push(observation);
            }
        }
        let mut watched = Self {
            watch,
            told: !changes.is_empty(),
            seen: changes,
            trouble: Trouble::None,
            asking: None,
            interval: POLL_FIRST,
            due: None,
        };
        watched.bound();
        watched.due = (!watched.is_final()).then_some(now.mono);
        watched
    }

    /// One that a callback told of and whose state is at hand: not asked for at once.
    pub fn told_of(watch: Watch) -> Self {
        Self {
            watch,
            told: false,
            seen: Vec::new(),
            trouble: Trouble::None,
            asking: None,
            interval: POLL_FIRST,
            due: None,
        }
    }

    fn bound(&mut self) {
        if self.seen.len() > SEEN_MAX {
            self.seen.drain(..self.seen.len() - SEEN_MAX);
        }
    }

    pub fn seen(&self) -> &[Observation] {
        &self.seen
    }

    pub fn latest(&self) -> Option<&Payment> {
        self.seen.last().map(|observation| &observation.payment)
    }

    pub fn changed_at(&self) -> Option<WallTime> {
        self.seen.last().map(|observation| observation.at)
    }

    pub fn is_final(&self) -> bool {
        self.latest()
            .is_some_and(|payment| payment.state.is_final())
    }

    pub fn comparison(&self) -> Comparison {
        self.latest().map_or(Comparison::NotCompared, |payment| {
            payment.compare(self.watch.expected.as_ref())
        })
    }

    /// FINALIZED, and as expected.
    pub fn is_paid(&self) -> bool {
        self.latest().is_some_and(|payment| payment.state.is_paid())
            && self.comparison() == Comparison::Matches
    }

    /// When the next poll is due; none while one is under way or none is meant to come.
    pub fn due(&self) -> Option<Duration> {
        self.due.filter(|_| self.asking.is_none())
    }

    /// A request went out for it.
    pub fn asked(&mut self, request: RequestId) {
        self.asking = Some(request);
    }

    /// The request was called off; the next poll comes in its time.
    pub fn cancelled(&mut self, now: Now) {
        self.asking = None;
        self.due = (!self.is_final()).then(|| now.mono + self.interval);
    }

    /// Look again soon: something happened that may have changed it.
    pub fn stir(&mut self, now: Now) {
        if !self.is_final() {
            self.interval = POLL_FIRST;
            self.due = Some(now.mono);
        }
    }

    /// Takes an answer in.
    pub fn heard(&mut self, result: Result<Payment, Problem>, now: Now) -> Heard {
        self.asking = None;
        let heard = match result {
            Ok(payment) => {
                self.trouble = Trouble::None;
                let told_before = std::mem::replace(&mut self.told, true);
                if self.latest() == Some(&payment) {
                    self.interval = slower(self.interval).min(POLL_SLOWEST);
                    Heard::Nothing
                } else {
                    self.interval = POLL_FIRST;
                    let ended = told_before && payment.state.is_final();
                    self.seen.push(Observation {
                        at: now.wall,
                        payment,
                    });
                    self.bound();
                    if ended { Heard::Ended } else { Heard::Changed }
                }
            }
            Err(problem) if problem.kind == ProblemKind::NotFound && self.seen.is_empty() => {
                self.trouble = Trouble::NotKnown;
                self.told = true;
                self.interval = slower(self.interval).min(POLL_SLOWEST);
                Heard::Nothing
            }
            Err(problem) => {
                self.trouble = Trouble::Failed(problem);
                self.interval = (self.interval * 2).min(POLL_SLOWEST);
                Heard::Nothing
            }
        };
        self.due = (!self.is_final()).then(|| now.mono + self.interval);
        heard
    }

    /// Whether the provider should know the id by now.
    fn is_overdue(&self, now: Now) -> bool {
        now.wall.since(self.watch.since) > UNKNOWN_IS_NORMAL
    }

    /// Glyph, word and tone of its state.
    pub fn badge(&self, now: Now) -> (&'static str, String, Tone) {
        let Some(payment) = self.latest() else {
            return match &self.trouble {
                Trouble::None => ("◌", "asking".into(), Tone::Dim),
                Trouble::NotKnown if self.is_overdue(now) => ("?", "NOT FOUND".into(), Tone::Warn),
                Trouble::NotKnown => ("◌", "not known".into(), Tone::Dim),
                Trouble::Failed(_) => ("!", "no answer".into(), Tone::Bad),
            };
        };
        let wrong = !matches!(
            self.comparison(),
            Comparison::Matches | Comparison::NotCompared
        );
        match &payment.state {
            PaymentState::Finalized if self.is_paid() => ("✔", "PAID".into(), Tone::Good),
            PaymentState::Finalized if wrong => ("!", "FINALIZED".into(), Tone::Bad),
            PaymentState::Finalized => ("●", "FINALIZED".into(), Tone::Warn),
            PaymentState::Canceled => ("×", "CANCELED".into(), Tone::Dim),
            PaymentState::Cancelling => ("×", "CANCELLING".into(), Tone::Warn),
            PaymentState::Failed => ("✘", "FAILED".into(), Tone::Bad),
            PaymentState::New => ("○", "NEW".into(), Tone::Busy),
            PaymentState::Unknown(word) => ("?", inert::cut(word, 40), Tone::Warn),
            open => ("◉", open.to_string(), Tone::Busy),
        }
    }

    /// Glyph, words and tone of the comparison.
    pub fn mark(&self) -> (&'static str, &'static str, Tone) {
        match (self.comparison(), self.latest().is_some()) {
            (Comparison::Matches, _) => ("=", "as expected", Tone::Good),
            (Comparison::Less, _) => ("<", "less", Tone::Bad),
            (Comparison::More, _) => (">", "more", Tone::Warn),
            (Comparison::OtherCurrency, _) => ("≠", "currency", Tone::Bad),
            (Comparison::NotCompared, true) if self.watch.expected.is_none() => {
                ("·", "not compared", Tone::Dim)
            }
            (Comparison::NotCompared, false) if self.watch.expected.is_some() => {
                ("·", "is expected", Tone::Dim)
            }
            (Comparison::NotCompared, _) => ("", "", Tone::Dim),
        }
    }

    /// Whether an operator should look at it.
    pub fn is_alarming(&self, now: Now) -> bool {
        matches!(self.trouble, Trouble::Failed(_))
            || matches!(
                self.comparison(),
                Comparison::Less | Comparison::More | Comparison::OtherCurrency
            )
            || (self.trouble == Trouble::NotKnown && self.is_overdue(now))
    }

    /// What it comes to, in words.
    pub fn verdict(&self, now: Now) -> (Tone, String) {
        let Some(payment) = self.latest() else {
            return self.verdict_unseen(now);
        };
        let sum = format!("{} {}", payment.amount, payment.currency);
        let expected = self
            .watch
            .expected
            .as_ref()
            .map(|expected| format!("{} {}", expected.amount, expected.currency))
            .unwrap_or_default();
        let paid = payment.state.is_paid();
        let says = if paid { "received" } else { "it is over" };
        let held =
            |how: &str, then: &str| format!("expected {expected}, {says} {sum}: {how}{then}");
        let stop = if paid {
            " — do not deliver"
        } else {
            " — not paid, and not what was agreed"
        };
        match (self.comparison(), &payment.state) {
            (_, PaymentState::Canceled) => (
                Tone::Dim,
                format!("called off: {sum} was not paid — do not deliver"),
            ),
            (_, PaymentState::Failed) => (
                Tone::Bad,
                format!("went wrong: {sum} was not paid — do not deliver"),
            ),
            (Comparison::Less, _) => (Tone::Bad, held("less than expected", stop)),
            (Comparison::OtherCurrency, _) => (Tone::Bad, held("another currency", stop)),
            (Comparison::More, _) => (
                Tone::Warn,
                held(
                    "more than expected",
                    if paid {
                        " — ask before you deliver"
                    } else {
                        stop
                    },
                ),
            ),
            (Comparison::Matches, PaymentState::Finalized) => (
                Tone::Good,
                format!("PAID: expected {expected}, received {sum}"),
            ),
            (Comparison::NotCompared, PaymentState::Finalized) => (
                Tone::Warn,
                format!(
                    "received {sum}, but nothing to compare it with was given — hold it against the order before you deliver"
                ),
            ),
            (comparison, state) => {
                let also = if comparison == Comparison::Matches {
                    format!("not paid yet, over {sum} as expected: ")
                } else {
                    format!("not paid yet, over {sum}: ")
                };
                (Tone::Plain, also + &meaning(state))
            }
        }
    }

    fn verdict_unseen(&self, now: Now) -> (Tone, String) {
        match &self.trouble {
            Trouble::None => (Tone::Dim, "waiting for the first answer".into()),
            Trouble::NotKnown if self.is_overdue(now) => (
                Tone::Warn,
                format!(
                    "the provider has not known this id for {}: check its spelling and the account; still asking",
                    crate::domain::time::fine(now.wall.since(self.watch.since))
                ),
            ),
            Trouble::NotKnown => (
                Tone::Plain,
                "not known yet: the payer has not opened the payment page; still asking".into(),
            ),
            Trouble::Failed(_) => (Tone::Dim, "nothing is known of it".into()),
        }
    }
}

fn slower(interval: Duration) -> Duration {
    interval * 3 / 2
}

fn meaning(state: &PaymentState) -> String {
    match state {
        PaymentState::New => "the payer has opened the page".into(),
        PaymentState::Active => "the payer may pay; a part may have arrived".into(),
        PaymentState::Processing => "the payer has paid, the network has not confirmed it".into(),
        PaymentState::Finalizing => "confirmed, on its way to the shop".into(),
        PaymentState::Cancelling => "being called off".into(),
        PaymentState::Unknown(word) => format!(
            "{} is a state this version does not know, taken as open",
            inert::quoted(word, 24)
        ),
        PaymentState::Finalized | PaymentState::Canceled | PaymentState::Failed => String::new(),
    }
}
