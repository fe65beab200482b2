//! What lasts for a while, with a line when it begins and one when it ends: alerts, pauses, waits for the rate limit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::states::is_of_state;
use super::words::spoken;
use crate::domain::{BudgetGauge, Now, time};
use crate::tui::alerts::{self, Target};
use crate::tui::store::{AccountState, Store};

/// How long something must be gone before its end is reported: what comes and goes each second is one line.
const SETTLES: Duration = Duration::from_secs(10);

/// One thing that lasts.
#[derive(Debug)]
struct Item {
    /// Empty where another line says it.
    end: String,
    /// Since when it is gone.
    gone: Option<Duration>,
}

/// What lasts now, by stable names.
#[derive(Debug, Default)]
pub struct Lasting {
    items: BTreeMap<String, Item>,
    begun: Vec<String>,
}

impl Lasting {
    /// Compares what was reported with the store.
    pub fn review(&mut self, store: &Store, now: Now) {
        let mut there = BTreeSet::new();
        let open = alerts::all(store).into_iter();
        for alert in open.filter(|alert| alert.handled.is_none()) {
            let account = alert.account.as_ref();
            let account = account.map_or_else(String::new, |account| format!("{account}: "));
            let what = spoken(&alert.what);
            let end = format!("no longer: {account}{what}");
            let (key, end) = match alert.target {
                Target::Notice(about) if is_of_state(&about) => continue,
                // The next notice of the same subject says something else, or that all is well.
                Target::Notice(_) => (format!("{} {what}", alert.key), String::new()),
                _ => (alert.key, end),
            };
            let lines = [format!("needs attention: {account}{what}"), end];
            there.insert(key.clone());
            self.put(key, lines);
        }
        for known in &store.accounts {
            for gauge in known.budgets(now) {
                for (what, lines) in [
                    ("hold", hold(known, &gauge, store, now)),
                    ("wait", wait(known, &gauge)),
                ] {
                    if let Some(lines) = lines {
                        let key = format!("{what} {} {}", known.id(), gauge.counts.word());
                        there.insert(key.clone());
                        self.put(key, lines);
                    }
                }
            }
        }
        for (key, item) in &mut self.items {
            let gone = item.gone.unwrap_or(now.mono);
            item.gone = (!there.contains(key)).then_some(gone);
        }
    }

    fn put(&mut self, key: String, [begin, end]: [String; 2]) {
        if let Some(item) = self.items.get_mut(&key) {
            item.end = end;
        } else {
            self.begun.push(begin);
            self.items.insert(key, Item { end, gone: None });
        }
    }

    /// The lines of what has begun.
    pub fn begun(&mut self) -> impl Iterator<Item = String> {
        std::mem::take(&mut self.begun).into_iter()
    }

    /// The lines of what has ended for good.
    pub fn over(&mut self, now: Now) -> impl Iterator<Item = String> {
        let over = self.items.extract_if(.., move |_, item| {
            let gone = item.gone.map(|gone| now.mono.saturating_sub(gone));
            gone.is_some_and(|gone| gone >= SETTLES)
        });
        let ends = over.map(|(_, item)| item.end);
        ends.filter(|end| !end.is_empty())
    }

    /// The time until the next end is reported.
    pub fn due_in(&self, now: Now) -> Option<Duration> {
        let gone = self.items.values().filter_map(|item| item.gone);
        let due = gone.map(|gone| (gone + SETTLES).saturating_sub(now.mono));
        due.min()
    }
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
