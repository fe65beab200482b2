//! What holds for a while, with a line when it begins and one when it ends: alerts, pauses, waits for the rate limit.
//! Payments have their lines in [`super::states`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::words::{handled, without_signs};
use crate::domain::{AccountId, BudgetGauge, Now, time};
use crate::tui::alerts::{self, Alert, Target};
use crate::tui::store::{AccountState, LISTENER, Store};

/// How long something must be gone before its end is reported: what comes and goes each second is one line.
const SETTLES: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Condition {
    begin: String,
    /// Empty where another line says it.
    end: String,
    /// The line of its mark as handled, if it has one.
    handled: Option<String>,
    /// Whether other words about it are news. Words with a count change too often.
    repeats: bool,
    /// Whether a line was about it.
    is_reported: bool,
    /// Since when it is gone.
    gone: Option<Duration>,
}

impl Condition {
    fn new([begin, end]: [String; 2]) -> Self {
        Self {
            begin,
            end,
            handled: None,
            repeats: false,
            is_reported: false,
            gone: None,
        }
    }

    /// The condition of an alert, and its stable name.
    fn of(alert: Alert) -> (String, Self) {
        let account = alert.account.as_ref();
        let prefix = account.map_or_else(String::new, |account| format!("{account}: "));
        let what = format!("{prefix}{}", without_signs(&alert.what));
        let end = match alert.target {
            // The next notice of the same subject says something else, or that all is well.
            Target::Notice(_) => String::new(),
            Target::Callback(_) => format!("no longer due, answered or too late: {what}"),
            _ => format!("no longer: {what}"),
        };
        let (key, repeats) = match (&alert.target, account) {
            (Target::Notice(_), _) => (alert.key, true),
            // Rejected credentials that become unreachable are not valid again.
            (_, Some(account)) if alert.key.starts_with(&credentials(account)) => {
                (credentials(account), true)
            }
            _ => (alert.key, false),
        };
        let condition = Self {
            handled: alert.handled.map(|by| format!("{}: {what}", handled(&by))),
            repeats,
            ..Self::new([format!("needs attention: {what}"), end])
        };
        (key, condition)
    }

    /// The line of what differs from `before`.
    fn news(&self, before: Option<&Self>) -> Option<&String> {
        let Some(before) = before else {
            return self.handled.is_none().then_some(&self.begin);
        };
        match (&before.handled, &self.handled) {
            (None, Some(line)) => Some(line),
            (Some(_), None) => Some(&self.begin),
            (None, None) if self.repeats && before.begin != self.begin => Some(&self.begin),
            _ => None,
        }
    }
}

/// The name of what is wrong with an account's credentials.
pub fn credentials(account: &AccountId) -> String {
    format!("credentials {account}")
}

/// What holds now, by stable names.
#[derive(Debug, Default)]
pub struct Conditions {
    all: BTreeMap<String, Condition>,
    news: Vec<String>,
}

impl Conditions {
    /// Compares what was reported with the store.
    pub fn review(&mut self, store: &Store, now: Now) {
        let mut there = BTreeSet::new();
        for alert in alerts::all(store) {
            let is_state = match &alert.target {
                Target::Notice(about) => is_of_state(about),
                _ => is_payment(&alert.key),
            };
            if !is_state {
                let (key, condition) = Condition::of(alert);
                there.insert(key.clone());
                self.put(key, condition);
            }
        }
        for known in &store.accounts {
            for gauge in known.budgets(now) {
                for (what, lines) in [
                    ("hold", hold(known, &gauge, store, now)),
                    ("wait", wait(known, &gauge)),
                ] {
                    if let Some(lines) = lines {
                        let key = format!("{what} {} {}", known.id(), gauge.counts.as_str());
                        there.insert(key.clone());
                        self.put(key, Condition::new(lines));
                    }
                }
            }
        }
        there.extend(alerts::hidden(store).map(|alert| alert.key));
        for (key, condition) in &mut self.all {
            let gone = condition.gone.unwrap_or(now.mono);
            condition.gone = (!there.contains(key)).then_some(gone);
        }
    }

    fn put(&mut self, key: String, mut condition: Condition) {
        let before = self.all.get(&key);
        let news = condition.news(before).cloned();
        condition.is_reported = news.is_some() || before.is_some_and(|before| before.is_reported);
        condition.gone = before.and_then(|before| before.gone);
        self.news.extend(news);
        self.all.insert(key, condition);
    }

    /// Another line says that this is over: if it comes back, it is news.
    pub fn resolve(&mut self, key: &str) {
        self.all.remove(key);
    }

    /// The lines of what has begun or changed.
    pub fn news(&mut self) -> impl Iterator<Item = String> {
        std::mem::take(&mut self.news).into_iter()
    }

    /// The lines of what has ended for good.
    pub fn ended(&mut self, now: Now) -> impl Iterator<Item = String> {
        let ended = self.all.extract_if(.., move |_, condition| {
            let gone = condition.gone.map(|gone| now.mono.saturating_sub(gone));
            gone.is_some_and(|gone| gone >= SETTLES)
        });
        let ended = ended.map(|(_, condition)| condition);
        ended
            .filter(|condition| condition.is_reported && !condition.end.is_empty())
            .map(|condition| condition.end)
    }

    /// The time until the next end is reported.
    pub fn due_in(&self, now: Now) -> Option<Duration> {
        let gone = self.all.values().filter_map(|condition| condition.gone);
        let due = gone.map(|gone| (gone + SETTLES).saturating_sub(now.mono));
        due.min()
    }
}

/// Whether notices of this subject repeat the state of a payment or of the receiver, which has lines of its own.
pub fn is_of_state(about: &str) -> bool {
    about == LISTENER || is_payment(about)
}

/// Whether a notice or an alert of this name is about a payment.
fn is_payment(about: &str) -> bool {
    about.starts_with("payment ")
}

/// A pause after 429.
fn hold(known: &AccountState, gauge: &BudgetGauge, store: &Store, now: Now) -> Option<[String; 2]> {
    let until = now.wall.plus(gauge.held?).clock(&store.zone);
    let account = known.id();
    Some([
        format!(
            "{account}: rate limit, status 429: the next request is sent at {until}; another program may be using this key"
        ),
        format!("{account}: the pause after status 429 is over"),
    ])
}

/// Requests that wait for a slot.
fn wait(known: &AccountState, gauge: &BudgetGauge) -> Option<[String; 2]> {
    let account = known.id();
    let (limit, period) = (gauge.limit, time::exact(gauge.period));
    // A request also waits for a moment while its slot is taken.
    let is_waiting = gauge.waiting > 0 && gauge.is_nearly_used() && gauge.held.is_none();
    is_waiting.then(|| {
        [
            format!("{account}: requests wait for the rate limit, {limit} in {period}"),
            format!("{account}: no request waits for the rate limit any more"),
        ]
    })
}
