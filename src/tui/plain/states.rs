//! The states of accounts, payments and the receiver, with a line for each change. What needs attention is an alert, and
//! has no line here.

use std::collections::BTreeMap;

use super::words::spoken;
use crate::domain::{AccountId, CredentialStatus, Listening, Now, WallTime, time};
use crate::tui::msg::{Level, WatchKey};
use crate::tui::store::{AccountState, LISTENER, Store};
use crate::tui::watched::{LastError, Watched};

/// The states that were reported.
#[derive(Debug)]
pub struct States {
    /// Credentials that were verified before are reported once they are verified again.
    since: WallTime,
    /// The accounts whose credentials were last seen as valid.
    valid: BTreeMap<AccountId, bool>,
    /// The number of fetched tokens, and whether the last fetch failed.
    tokens: BTreeMap<AccountId, (u32, bool)>,
    payments: BTreeMap<WatchKey, String>,
    /// The address at which callbacks are received.
    listening: Option<String>,
    /// The notices by their subjects.
    notices: BTreeMap<String, String>,
}

impl States {
    /// Nothing is reported yet of a run that began at `since`.
    pub fn new(since: WallTime) -> Self {
        Self {
            since,
            valid: BTreeMap::new(),
            tokens: BTreeMap::new(),
            payments: BTreeMap::new(),
            listening: None,
            notices: BTreeMap::new(),
        }
    }

    /// Takes the payments as they are for reported: only what changes from now on is news.
    pub fn skip_payments(&mut self, store: &Store, now: Now) {
        let known = store.payments.iter();
        let known = known.map(|watched| (watched.key(), state(watched, now)));
        self.payments.extend(known);
    }

    /// The lines of what has changed.
    pub fn review(&mut self, store: &Store, now: Now) -> Vec<String> {
        let mut lines = Vec::new();
        for known in &store.accounts {
            lines.extend(self.credentials(known));
            lines.extend(self.token(known, now));
        }
        self.watch_list(store, now, &mut lines);
        self.receiver(&store.listening, &mut lines);
        self.notices(store, &mut lines);
        lines
    }

    fn credentials(&mut self, known: &AccountState) -> Option<String> {
        let is_new = known.status.at().is_some_and(|at| at >= self.since);
        let is_valid = match known.status {
            CredentialStatus::Good { .. } if is_new => true,
            CredentialStatus::Verifying => return None,
            _ => false,
        };
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
        let (id, left) = (known.id(), time::fine(status.left(now)?));
        if status.fetched > fetched {
            let verb = if fetched == 0 { "received" } else { "renewed" };
            return Some(format!("{id}: access token {verb}, valid for {left}"));
        }
        // Without a valid token, it is an alert.
        let why = &failure.filter(|_| !was_failing)?.why;
        let why = spoken(why);
        Some(format!(
            "{id}: the access token cannot be renewed: {why}. The present one is valid for {left}"
        ))
    }

    fn watch_list(&mut self, store: &Store, now: Now, lines: &mut Vec<String>) {
        let mut before = std::mem::take(&mut self.payments);
        for watched in &store.payments {
            let (key, new) = (watched.key(), state(watched, now));
            let old = before.remove(&key);
            let words = Some(words(watched, now)).filter(|_| !watched.needs_attention());
            let (account, id) = &key;
            match (&old, words) {
                (None, None) => lines.push(format!("{account}: payment {id} is watched")),
                (None, Some(words)) => {
                    lines.push(format!("{account}: payment {id} is watched: {words}"));
                }
                // A failing check is an alert, and says nothing about the payment.
                (Some(old), Some(words)) if *old != new && !is_failing(watched) => {
                    lines.push(format!("{account}: payment {id}: {words}"));
                }
                (Some(_), _) => {}
            }
            self.payments.insert(key, new);
        }
        for (account, id) in before.into_keys() {
            lines.push(format!("{account}: payment {id} is no longer watched"));
        }
    }

    fn receiver(&mut self, listening: &Listening, lines: &mut Vec<String>) {
        let url = match listening {
            Listening::Up { url, .. } => Some(url),
            Listening::Off | Listening::Down { .. } => None,
        };
        if self.listening.as_ref() != url {
            lines.extend(url.map(|url| format!("callbacks are received at {url}")));
            self.listening = url.cloned();
        }
    }

    /// Notices that only inform: the others are alerts.
    fn notices(&mut self, store: &Store, lines: &mut Vec<String>) {
        let mut before = std::mem::take(&mut self.notices);
        let notices = store.notices.iter().filter(|it| it.level == Level::Info);
        for notice in notices.filter(|it| !is_of_state(&it.about)) {
            if before.remove(&notice.about).as_ref() != Some(&notice.text) {
                lines.push(spoken(&notice.text));
            }
            let about = notice.about.clone();
            self.notices.insert(about, notice.text.clone());
        }
    }
}

/// Whether notices of this subject repeat the state of a payment or of the receiver, which has lines of its own.
pub fn is_of_state(about: &str) -> bool {
    about == LISTENER || about.starts_with("payment ")
}

/// What tells one state of a payment from another. Not the words: they may name the time since the last state.
fn state(watched: &Watched, now: Now) -> String {
    let (_, word, _) = watched.badge(now);
    let latest = watched.latest();
    let explained = latest.map(|payment| payment.explain(watched.expected()));
    format!("{word} {}", explained.unwrap_or_default())
}

fn is_failing(watched: &Watched) -> bool {
    watched.latest().is_none() && matches!(watched.last_error, LastError::Failed(_))
}

/// The state of a payment and its verdict.
fn words(watched: &Watched, now: Now) -> String {
    let (_, word, _) = watched.badge(now);
    let explained = spoken(&watched.explain(now).1);
    // The verdict names a paid one's state.
    if watched.latest().is_none() || explained.starts_with(&word) {
        explained
    } else {
        format!("{word}, {explained}")
    }
}
