//! What is reported, of accounts, payments, the receiver and alerts: by stable names, with a line for each change.

use std::collections::BTreeMap;
use std::time::Duration;

use super::words::{self, without_signs};
use crate::domain::payment::is_about_payment;
use crate::domain::{
    AccountId, BudgetGauge, CredentialState, CredentialStatus, ListenerStatus, Now, notice_alert,
    time,
};
use crate::tui::alerts::{self, Alert, Target};
use crate::tui::msg::Level;
use crate::tui::store::{AccountState, LISTENER, Store};
use crate::tui::watched::Watched;

/// How long what comes and goes must be gone before its end is reported: if it does so each second, that is one line.
const SETTLES: Duration = Duration::from_secs(10);

/// Something that holds now. An empty line is not reported.
#[derive(Debug, Default)]
pub struct Fact {
    key: String,
    /// It is compared with the last one: a difference prints a line, so it holds no time. `None`: unchanged.
    state: Option<String>,
    is_wrong: bool,
    /// The line of what was not known before.
    first: String,
    /// The line of another state.
    line: String,
    /// The line of a recovery; empty: `line`.
    better: String,
    /// The line of its end.
    end: String,
    /// How long it must be gone before it is over. What is not over at once is forgotten when the profile opens anew.
    settles: Duration,
    /// Since when it is gone.
    gone: Option<Duration>,
}

impl Fact {
    fn new(key: String, state: impl Into<String>, line: String) -> Self {
        Self {
            key,
            state: Some(state.into()),
            first: line.clone(),
            line,
            ..Self::default()
        }
    }

    /// What comes and goes.
    fn passing(key: String, line: String, end: String) -> Self {
        Self {
            end,
            settles: SETTLES,
            ..Self::new(key, "", line)
        }
    }

    /// What is as it was before, if it was.
    fn unchanged(key: String) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }

    /// The line of what differs from an `old` one of this name.
    fn news(&self, old: Option<&Self>) -> &str {
        match old {
            None => &self.first,
            Some(old) if old.state == self.state => "",
            Some(old) if old.is_wrong && !self.is_wrong && !self.better.is_empty() => &self.better,
            Some(_) => &self.line,
        }
    }

    fn over_at(&self) -> Option<Duration> {
        Some(self.gone? + self.settles)
    }

    fn of_alert(alert: Alert) -> Self {
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
        let mut fact = Self::passing(key, format!("needs attention: {what}"), end);
        fact.is_wrong = true;
        if let Some(by) = alert.handled {
            fact.state = Some("handled".to_owned());
            fact.first.clear();
            fact.line = format!("{}: {what}", words::handled(&by));
        } else if repeats {
            // Words with a count change too often.
            fact.state = Some(what);
        }
        fact
    }

    /// A payment: its state and its verdict.
    pub fn of_payment(watched: &Watched, store: &Store) -> Self {
        let (account, id) = watched.key();
        let (_, word, _) = watched.badge();
        let words = payment_words(watched, &word);
        let payment = format!("{account}: payment {id}");
        let is_wrong = watched.needs_attention();
        let mark = store.handled(&watched.alert_key(), watched.began());
        let mark = mark.filter(|_| is_wrong).map(words::handled);
        let is_watched = format!("{payment} is watched: {words}");
        let (first, line) = match &mark {
            Some(mark) => (is_watched, format!("{mark}: {payment}: {words}")),
            None if is_wrong => {
                let line = format!("needs attention: {payment}: {words}");
                (line.clone(), line)
            }
            // A failing check is an alert, and one is due after the profile was opened anew.
            None if !watched.is_reported() => (is_watched, String::new()),
            None => (is_watched, format!("{payment}: {words}")),
        };
        let latest = watched.latest();
        let explained = latest.map(|payment| payment.explain(watched.expected()));
        Self {
            key: format!("payment {account} {id}"),
            // Not the words: they may name the time since the last state.
            state: Some(format!("{word} {explained:?} {is_wrong} {mark:?}")),
            is_wrong,
            first,
            line,
            better: format!("{payment} needs no attention now: {words}"),
            end: format!("{payment} is no longer watched"),
            ..Self::default()
        }
    }

    /// A pause after 429.
    fn of_hold(known: &AccountState, gauge: &BudgetGauge, store: &Store, now: Now) -> Option<Self> {
        let until = now.wall.plus(gauge.held?).clock(&store.zone);
        let account = known.id();
        Some(Self::passing(
            format!("hold {account} {}", gauge.counts.as_str()),
            format!(
                "{account}: rate limit, status 429: the next request is sent at {until}; another program may be using this key"
            ),
            format!("{account}: the pause after status 429 is over"),
        ))
    }

    /// Requests that wait for a slot.
    fn of_wait(known: &AccountState, gauge: &BudgetGauge) -> Option<Self> {
        let account = known.id();
        let (limit, period) = (gauge.limit, time::exact(gauge.period));
        // A request also waits for a moment while its slot is taken.
        let is_waiting = gauge.waiting > 0 && gauge.is_nearly_used() && gauge.held.is_none();
        is_waiting.then(|| {
            Self::passing(
                format!("wait {account} {}", gauge.counts.as_str()),
                format!("{account}: requests wait for the rate limit, {limit} in {period}"),
                format!("{account}: no request waits for the rate limit any more"),
            )
        })
    }

    /// Credentials that are valid, or not known to be wrong.
    fn of_credentials(known: &AccountState, started: Now, now: Now) -> Option<Self> {
        let account = known.id();
        let CredentialStatus { state, at, .. } = known.status;
        // Those that were verified before are reported once they are verified again.
        let is_new = at.is_some_and(|at| now.is_of_run(started, at));
        (is_new && state == CredentialState::Valid).then(|| {
            let line = format!("{account}: credentials valid");
            Self::new(credentials(account), "valid", line)
        })
    }

    /// A valid token. Without one, a failure is an alert.
    fn of_token(known: &AccountState, now: Now) -> Option<Self> {
        let status = known.token.as_ref()?;
        let (account, left) = (known.id(), time::fine(status.left(now)?));
        let (state, line) = match (&status.failure, status.fetched) {
            (Some(failure), _) => {
                let why = without_signs(&failure.why);
                let line = format!(
                    "{account}: the access token cannot be renewed: {why}. The current one is valid for {left}"
                );
                ("failing".to_owned(), line)
            }
            // Of an earlier run, or of the profile before it was opened anew.
            (None, 0) => ("0".to_owned(), String::new()),
            (None, fetched) => {
                let verb = if fetched == 1 { "received" } else { "renewed" };
                let line = format!("{account}: access token {verb}, valid for {left}");
                (fetched.to_string(), line)
            }
        };
        let mut fact = Self::new(alerts::of_token(account), state, line);
        fact.is_wrong = status.failure.is_some();
        if !fact.is_wrong && status.fetched == 0 {
            // Another process has fetched it after a failure here.
            fact.better = format!("{account}: access token received, valid for {left}");
        }
        Some(fact)
    }
}

/// All that holds now, in a run that began at `started`. Of one name, the first counts: what is wrong comes first.
pub fn facts(store: &Store, started: Now, now: Now) -> Vec<Fact> {
    let alerts = alerts::all(store).into_iter();
    // Its state, below, says as much.
    let alerts = alerts.filter(|alert| !is_about_payment(&alert.key));
    let mut facts: Vec<Fact> = alerts.map(Fact::of_alert).collect();
    for known in &store.accounts {
        for gauge in known.budgets(now) {
            facts.extend(Fact::of_hold(known, &gauge, store, now));
            facts.extend(Fact::of_wait(known, &gauge));
        }
    }
    facts.extend(alerts::hidden(store).map(|alert| Fact::unchanged(alert.key)));
    for known in &store.accounts {
        facts.extend(Fact::of_credentials(known, started, now));
        facts.extend(Fact::of_token(known, now));
    }
    let payments = store.payments.iter();
    facts.extend(payments.map(|watched| Fact::of_payment(watched, store)));
    if let ListenerStatus::Up { url, .. } = &store.listening {
        let line = format!("callbacks are received at {url}");
        facts.push(Fact::new(LISTENER.to_owned(), url, line));
    }
    // The others are alerts, and those of the receiver repeat the line above.
    let notices = store.notices.iter().filter(|it| it.level == Level::Info);
    let notices = notices.filter(|it| it.about != LISTENER && !is_about_payment(&it.about));
    facts.extend(notices.map(|notice| {
        let (key, line) = (notice_alert(&notice.about), without_signs(&notice.text));
        // The same words at another time are another event.
        let state = format!("{:?} {line}", store.raised(&notice.about));
        Fact::new(key, state, line)
    }));
    facts
}

/// What was reported, by stable names.
#[derive(Debug, Default)]
pub struct Reported(BTreeMap<String, Fact>);

impl Reported {
    /// Takes a fact for reported, unless it was known.
    pub fn skip(&mut self, fact: Fact) {
        self.0.entry(fact.key.clone()).or_insert(fact);
    }

    /// The lines of what differs from what was reported.
    pub fn review(&mut self, facts: Vec<Fact>, now: Now) -> Vec<String> {
        let mut before = std::mem::take(&mut self.0);
        let mut lines = Vec::new();
        for mut fact in facts {
            if self.0.contains_key(&fact.key) {
                continue;
            }
            let old = before.remove(&fact.key);
            if fact.state.is_some() {
                let line = fact.news(old.as_ref());
                let is_reported = old.is_some_and(|old| !old.end.is_empty());
                if line.is_empty() && !is_reported {
                    // The end of what was never reported is no news.
                    fact.end.clear();
                } else if !line.is_empty() {
                    lines.push(line.to_owned());
                }
            } else if let Some(old) = old {
                fact = Fact { gone: None, ..old };
            } else {
                continue;
            }
            self.0.insert(fact.key.clone(), fact);
        }
        for fact in before.values_mut() {
            fact.gone.get_or_insert(now.mono);
        }
        self.0.append(&mut before);
        lines.extend(self.ended(now));
        lines
    }

    /// If it is found again, it is news.
    pub fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Forgets what comes and goes: nothing is over because it is not known yet.
    pub fn reopen(&mut self) {
        self.0.retain(|_, fact| fact.settles.is_zero());
    }

    /// The lines of what has ended for good.
    pub fn ended(&mut self, now: Now) -> impl Iterator<Item = String> {
        let is_over = move |fact: &Fact| fact.over_at().is_some_and(|at| at <= now.mono);
        let ended = self.0.extract_if(.., move |_, fact| is_over(fact));
        let lines = ended.map(|(_, fact)| fact.end);
        lines.filter(|line| !line.is_empty())
    }

    /// The time until the next end is reported.
    pub fn due_in(&self, now: Now) -> Option<Duration> {
        let due = self.0.values().filter_map(Fact::over_at);
        due.map(|at| at.saturating_sub(now.mono)).min()
    }
}

/// The name of an account's credentials.
fn credentials(account: &AccountId) -> String {
    format!("credentials {account}")
}

fn payment_words(watched: &Watched, word: &str) -> String {
    let explained = without_signs(&watched.explain().1);
    // The verdict names a paid one's state.
    if watched.latest().is_none() || explained.starts_with(word) {
        explained
    } else {
        format!("{word}, {explained}")
    }
}
