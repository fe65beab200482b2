//! Decides when the operator is notified of alerts, and what the window's title is. Each alert is notified once, and
//! those that come together are notified together.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::alerts::{self, Alert};
use super::effect::Effect;
use super::store::Store;
use crate::domain::{Now, inert};

/// How long after a notification the next one waits: a bad hour must not ring all the time.
const QUIET: Duration = Duration::from_secs(5);
/// An alert that comes back within this time was notified already: a receiver may be down every other second.
const COMES_BACK: Duration = Duration::from_mins(10);
/// The most characters of a notification; desktops show less.
const TEXT_MAX: usize = 200;

#[derive(Debug, Clone, Default)]
pub struct Notifier {
    /// Since when each alert is gone, by its key; `None` while it is there.
    notified: BTreeMap<String, Option<Duration>>,
    quiet_until: Duration,
    /// Whether alerts wait until then.
    waits: bool,
    title: String,
}

impl Notifier {
    /// The title is set anew: it may have been off.
    pub fn forget_title(&mut self) {
        self.title.clear();
    }

    /// The effects of what has changed since the last call.
    pub fn review(&mut self, store: &Store, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut open = alerts::all(store);
        // The next failure after a handled one is another one.
        for handled in open.extract_if(.., |alert| alert.handled.is_some()) {
            self.notified.remove(&handled.key);
        }
        let title = title(&store.profile, open.len());
        if title != self.title {
            self.title.clone_from(&title);
            effects.push(Effect::SetTitle(title));
        }
        // Until then the store knows only a part of what is wrong, and the rest would be a second notification.
        if store.is_ready() {
            effects.extend(self.notify(&open, now));
        }
        effects
    }

    fn notify(&mut self, open: &[Alert], now: Now) -> Option<Effect> {
        let there: HashSet<&str> = open.iter().map(|alert| alert.key.as_str()).collect();
        self.notified.retain(|key, gone| {
            let is_open = there.contains(key.as_str());
            let since = gone.unwrap_or(now.mono);
            *gone = (!is_open).then_some(since);
            now.mono.saturating_sub(since) < COMES_BACK
        });
        let new = open.iter();
        let new: Vec<&Alert> = new
            .filter(|alert| !self.notified.contains_key(&alert.key))
            .collect();
        self.waits = !new.is_empty() && now.mono < self.quiet_until;
        if new.is_empty() || self.waits {
            return None;
        }
        self.quiet_until = now.mono + QUIET;
        for alert in &new {
            self.notified.insert(alert.key.clone(), None);
        }
        Some(Effect::Notify(summary(&new)))
    }

    /// The time until alerts that wait are notified.
    pub fn due_in(&self, now: Now) -> Option<Duration> {
        self.waits
            .then(|| self.quiet_until.saturating_sub(now.mono))
    }
}

/// The window's title: `(2!) tilldeck live`.
fn title(profile: &str, alerts: usize) -> String {
    match alerts {
        0 => format!("tilldeck {profile}"),
        n => format!("({n}!) tilldeck {profile}"),
    }
}

/// The worst of the new alerts, and how many there are.
fn summary(new: &[&Alert]) -> String {
    let Some(worst) = new.first() else {
        return String::new();
    };
    let account = worst.account.as_ref();
    let account = account.map_or_else(String::new, |id| format!("{id}: "));
    let count = match new.len() {
        1 => String::new(),
        n => format!("{n} alerts · "),
    };
    inert::cut(&format!("{count}{account}{}", worst.what), TEXT_MAX)
}
