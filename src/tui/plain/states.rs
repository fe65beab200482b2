//! The states of accounts, payments and the receiver, with a line for each change. What is wrong is a condition, but for
//! payments: a payment's line has its state and its verdict.

use std::collections::BTreeMap;

use super::conditions::{Conditions, credentials, is_of_state};
use super::words::{self, without_signs};
use crate::domain::{
    AccountId, CredentialState, CredentialStatus, Listening, Now, WallTime, notice_alert, time,
};
use crate::tui::alerts;
use crate::tui::msg::{Level, WatchKey};
use crate::tui::store::{AccountState, LISTENER, Store};
use crate::tui::watched::{LastError, Watched};

/// The state of a payment, as far as a change of it is news.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PaymentState {
    /// Not the words: they may name the time since the last state.
    state: String,
    attention: Attention,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Attention {
    Unneeded,
    Needed,
    /// The words of the mark.
    Handled(String),
}

/// The states that were reported.
#[derive(Debug)]
pub struct States {
    /// Credentials that were verified before are reported once they are verified again.
    started: Now,
    /// The accounts whose credentials were last seen as valid.
    valid: BTreeMap<AccountId, bool>,
    /// The number of fetched tokens, and whether the last fetch failed.
    tokens: BTreeMap<AccountId, (u32, bool)>,
    payments: BTreeMap<WatchKey, PaymentState>,
    /// The address at which callbacks are received.
    listening: Option<String>,
    /// The notices by their subjects.
    notices: BTreeMap<String, String>,
}

impl States {
    /// Nothing is reported yet of a run that began at `started`.
    pub fn new(started: Now) -> Self {
        Self {
            started,
            valid: BTreeMap::new(),
            tokens: BTreeMap::new(),
            payments: BTreeMap::new(),
            listening: None,
            notices: BTreeMap::new(),
        }
    }

    /// Takes new payments as they are for reported: only what changes from now on is news, and what needs attention.
    pub fn skip_payments(&mut self, store: &Store, now: Now) {
        for watched in &store.payments {
            let state = PaymentState::of(watched, store, now);
            if state.attention != Attention::Needed {
                self.payments.entry(watched.key()).or_insert(state);
            }
        }
    }

    /// The lines of what has changed. Where one says that all is well, the fault before is resolved.
    pub fn review(&mut self, store: &Store, conditions: &mut Conditions, now: Now) -> Vec<String> {
        let mut lines = Vec::new();
        for known in &store.accounts {
            if let Some(line) = self.credentials(known, now) {
                conditions.resolve(&credentials(known.id()));
                lines.push(line);
            }
            if let Some(line) = self.token(known, now) {
                conditions.resolve(&alerts::of_token(known.id()));
                lines.push(line);
            }
        }
        self.watch_list(store, now, &mut lines);
        if let Some(line) = self.receiver(&store.listening) {
            conditions.resolve(LISTENER);
            lines.push(line);
        }
        for (about, line) in self.notices(store) {
            conditions.resolve(&notice_alert(&about));
            lines.push(line);
        }
        lines
    }

    fn credentials(&mut self, known: &AccountState, now: Now) -> Option<String> {
        let CredentialStatus { state, at, .. } = known.status;
        let is_new = at.is_some_and(|at| is_since(at, self.started, now));
        let is_valid = is_new && state == CredentialState::Valid;
        let was_valid = self.valid.insert(known.id().clone(), is_valid);
        let is_news = is_valid && was_valid != Some(true);
        is_news.then(|| format!("{}: credentials valid", known.id()))
    }

    fn token(&mut self, known: &AccountState, now: Now) -> Option<String> {
        let status = known.token.as_ref()?;
        let failure = status.failure.as_ref();
        let state = (status.fetched, failure.is_some());
        let before = self.tokens.insert(known.id().clone(), state);
        let (fetched, was_failing) = before.unwrap_or_default();
        // A profile that was opened anew counts from the start.
        let fetched = if status.fetched < fetched { 0 } else { fetched };
        let (id, left) = (known.id(), time::fine(status.left(now)?));
        if status.fetched > fetched {
            let verb = if fetched == 0 { "received" } else { "renewed" };
            return Some(format!("{id}: access token {verb}, valid for {left}"));
        }
        // Without a valid token, it is an alert.
        let why = &failure.filter(|_| !was_failing)?.why;
        let why = without_signs(why);
        Some(format!(
            "{id}: the access token cannot be renewed: {why}. The present one is valid for {left}"
        ))
    }

    fn watch_list(&mut self, store: &Store, now: Now, lines: &mut Vec<String>) {
        let mut before = std::mem::take(&mut self.payments);
        for watched in &store.payments {
            let key = watched.key();
            let new = PaymentState::of(watched, store, now);
            let old = before.remove(&key);
            if old.as_ref() != Some(&new) {
                lines.extend(new.line(old.as_ref(), watched, now));
            }
            self.payments.insert(key, new);
        }
        for (account, id) in before.into_keys() {
            lines.push(format!("{account}: payment {id} is no longer watched"));
        }
    }

    fn receiver(&mut self, listening: &Listening) -> Option<String> {
        let url = match listening {
            Listening::Up { url, .. } => Some(url),
            Listening::Off | Listening::Down { .. } => None,
        };
        let is_news = self.listening.as_ref() != url;
        self.listening = url.cloned();
        let url = url.filter(|_| is_news)?;
        Some(format!("callbacks are received at {url}"))
    }

    /// Notices that only inform, by their subjects: the others are alerts.
    fn notices(&mut self, store: &Store) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        let mut before = std::mem::take(&mut self.notices);
        let notices = store.notices.iter().filter(|it| it.level == Level::Info);
        for notice in notices.filter(|it| !is_of_state(&it.about)) {
            let about = notice.about.clone();
            if before.remove(&about).as_ref() != Some(&notice.text) {
                lines.push((about.clone(), without_signs(&notice.text)));
            }
            self.notices.insert(about, notice.text.clone());
        }
        lines
    }
}

impl PaymentState {
    fn of(watched: &Watched, store: &Store, now: Now) -> Self {
        let (_, word, _) = watched.badge(now);
        let latest = watched.latest();
        let explained = latest.map(|payment| payment.explain(watched.expected()));
        let mark = store.handled(&watched.alert_key(), watched.began());
        let attention = match mark {
            _ if !watched.needs_attention() => Attention::Unneeded,
            Some(mark) => Attention::Handled(words::handled(mark)),
            None => Attention::Needed,
        };
        Self {
            state: format!("{word} {}", explained.unwrap_or_default()),
            attention,
        }
    }

    /// The line of this state, which differs from the `old` one.
    fn line(&self, old: Option<&Self>, watched: &Watched, now: Now) -> Option<String> {
        use Attention::{Handled, Needed, Unneeded};
        let (account, id) = watched.key();
        let words = words(watched, now);
        let payment = format!("{account}: payment {id}");
        let line = match (old.map(|old| &old.attention), &self.attention) {
            (_, Needed) => format!("needs attention: {payment}: {words}"),
            (Some(_), Handled(mark)) => format!("{mark}: {payment}: {words}"),
            (None, Handled(_) | Unneeded) => format!("{payment} is watched: {words}"),
            (Some(Needed | Handled(_)), Unneeded) => {
                format!("{payment} needs no attention now: {words}")
            }
            (Some(Unneeded), Unneeded) if is_unknown(watched) => return None,
            (Some(Unneeded), Unneeded) => format!("{payment}: {words}"),
        };
        Some(line)
    }
}

/// Whether an event is of a run that began at `started`. The wall clock may have been set since.
pub fn is_since(at: WallTime, started: Now, now: Now) -> bool {
    now.wall.since(at) <= now.mono.saturating_sub(started.mono)
}

/// Whether there is nothing to say about it: a failing check is an alert, and one is due after the profile was opened anew.
fn is_unknown(watched: &Watched) -> bool {
    watched.latest().is_none() && !matches!(watched.last_error, LastError::NotKnown)
}

fn words(watched: &Watched, now: Now) -> String {
    let (_, word, _) = watched.badge(now);
    let explained = without_signs(&watched.explain(now).1);
    // The verdict names a paid one's state.
    if watched.latest().is_none() || explained.starts_with(&word) {
        explained
    } else {
        format!("{word}, {explained}")
    }
}
