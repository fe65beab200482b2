//! The alerts: each cause once, the worst first. Derived from the store; knows nothing about the screen.

use std::collections::BTreeMap;

use crate::domain::{
    AccountId, CallbackVerdict, CredentialState, CredentialStatus, Delivery, DeliveryId, Handled,
    ListenerStatus, REFUSED_IN_A_ROW, WallTime, is_about_hook, notice_alert, refused_in_a_row,
};

use crate::domain::payment::is_about_payment;

use super::deliveries;
use super::jobs;
use super::msg::{Level, Notice, WatchKey};
use super::store::{AccountState, LISTENER, Store};
use super::theme::Tone;
use super::watched::Watched;
use super::widgets::text::{fit_middle, without_account};

/// The most columns of an id: the cause behind it must stay on screen.
const ID_MAX: u16 = 40;

/// Begins the key of what must be answered in time.
const DUE: &str = "due ";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Account(AccountId),
    Payment(WatchKey),
    Callbacks,
    Callback(DeliveryId),
    /// A notice, by its subject. It has no target.
    Notice(String),
}

/// One cause that needs attention.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// A stable name, under which the ledger saves that it was handled.
    pub key: String,
    /// One sentence for the operator.
    pub what: String,
    pub account: Option<AccountId>,
    pub since: Option<WallTime>,
    pub tone: Tone,
    pub target: Target,
    /// Who marked it as handled, and when.
    pub handled: Option<Handled>,
}

/// All alerts, handled ones last.
pub fn all(store: &Store) -> Vec<Alert> {
    let mut alerts: Vec<Alert> = payments(store)
        .chain(accounts(store))
        .chain(tokens(working(store)))
        .chain(refused(store))
        .chain(due(store))
        .chain(limits(store))
        .chain(unchecked(store, |known| !is_rejected(known)))
        .chain(listener(store))
        .chain(hooks(store))
        .chain(failed_callbacks(store))
        .chain(notices(store))
        .collect();
    for alert in &mut alerts {
        alert.handled = store.handled(&alert.key, alert.since).cloned();
        // Whoever shows an alert names its account.
        if let Some(account) = &alert.account {
            alert.what = alert.what.replacen(&format!("account {account}: "), "", 1);
        }
    }
    // Stable: within a rank, causes stay in the order of their sources and do not jump. What must be answered in time comes
    // first.
    alerts.sort_by_key(|alert| {
        let is_timed = alert.key.starts_with(DUE);
        (alert.handled.is_some(), !is_timed, alert.tone != Tone::Bad)
    });
    alerts
}

/// The alerts that an account has no more while its credentials are the cause: one about those is enough.
pub fn hidden(store: &Store) -> impl Iterator<Item = Alert> {
    let unproven = store.accounts.iter().filter(|k| k.status.why.is_some());
    tokens(unproven).chain(unchecked(store, is_rejected))
}

fn working(store: &Store) -> impl Iterator<Item = &AccountState> {
    store.accounts.iter().filter(|k| k.status.why.is_none())
}

/// Whether its checks fail because of its credentials. A provider that does not answer is another cause.
fn is_rejected(known: &AccountState) -> bool {
    matches!(
        known.status.state,
        CredentialState::Refused | CredentialState::Unreadable
    )
}

pub fn count(store: &Store) -> usize {
    let alerts = all(store);
    alerts
        .iter()
        .filter(|alert| alert.handled.is_none())
        .count()
}

fn payments(store: &Store) -> impl Iterator<Item = Alert> {
    let wrong = store.payments.iter().filter(|w| w.needs_attention());
    wrong.filter_map(|watched| {
        let payment = watched.latest()?;
        Some(Alert {
            key: watched.alert_key(),
            what: format!(
                "{} · {}",
                fit_middle(watched.watch.id.as_str(), ID_MAX),
                payment.explain(watched.expected())
            ),
            account: Some(watched.watch.account.clone()),
            since: watched.began(),
            tone: payment.tone(watched.expected()),
            target: Target::Payment(watched.key()),
            handled: None,
        })
    })
}

fn accounts(store: &Store) -> impl Iterator<Item = Alert> {
    store.accounts.iter().filter_map(|known| {
        let CredentialStatus { state, at, why } = &known.status;
        let why = why.as_ref()?;
        let id = known.id();
        Some(Alert {
            key: format!("credentials {id} {}", state.as_str()),
            what: match state {
                CredentialState::Unreachable => format!("provider unreachable: {why}"),
                _ => format!("credentials {}: {why}", state.shown()),
            },
            account: Some(id.clone()),
            since: known.failing_since.or(*at),
            tone: Tone::Bad,
            target: Target::Account(id.clone()),
            handled: None,
        })
    })
}

/// Tokens of these accounts that cannot be renewed.
fn tokens<'a>(accounts: impl Iterator<Item = &'a AccountState>) -> impl Iterator<Item = Alert> {
    accounts.filter_map(|known| {
        let failure = known.token.as_ref()?.failure.as_ref()?;
        Some(Alert {
            key: of_token(known.id()),
            what: format!("the access token cannot be renewed: {}", failure.why),
            account: Some(known.id().clone()),
            since: Some(known.token_failing_since?),
            tone: Tone::Bad,
            target: Target::Account(known.id().clone()),
            handled: None,
        })
    })
}

/// Accounts whose latest callbacks were all refused.
fn refused(store: &Store) -> impl Iterator<Item = Alert> {
    store.accounts.iter().filter_map(|known| {
        let id = known.id();
        let all = store.deliveries.iter();
        let of = all.filter(|delivery| delivery.account == id.as_str());
        let latest = of.take_while(|delivery| !delivery.is_genuine());
        let refused: Vec<_> = latest
            .filter(|delivery| delivery.verdict == CallbackVerdict::Refused)
            .collect();
        if refused.len() < REFUSED_IN_A_ROW {
            return None;
        }
        let (latest, first) = (refused.first()?, refused.last()?);
        Some(Alert {
            key: format!("callbacks {id}"),
            what: refused_in_a_row(refused.len(), &latest.why),
            account: Some(id.clone()),
            since: Some(first.received_at),
            tone: Tone::Bad,
            target: Target::Callbacks,
            handled: None,
        })
    })
}

/// Callbacks that must be answered in time.
fn due(store: &Store) -> impl Iterator<Item = Alert> {
    store.due.iter().map(|due| {
        let about = match deliveries::subject(&due.delivery) {
            subject if subject.is_empty() => due.delivery.kind.clone(),
            subject => format!("{} · {}", fit_middle(&subject, ID_MAX), due.delivery.kind),
        };
        let by = due.until.clock(&store.zone);
        Alert {
            key: format!("{DUE}{}", due.delivery.id.0),
            what: format!("{about}: {} by {by}", due.deadline.action),
            account: AccountId::new(due.delivery.account.as_str()).ok(),
            since: Some(due.delivery.received_at),
            tone: Tone::Bad,
            target: Target::Callback(due.delivery.id),
            handled: None,
        }
    })
}

/// Rate limits of which little is left.
fn limits(store: &Store) -> impl Iterator<Item = Alert> {
    store.accounts.iter().flat_map(|known| {
        let id = known.id();
        known.nearly_used().map(move |(gauge, since)| Alert {
            key: format!("limit {id} {}", gauge.counts.as_str()),
            what: gauge.describe_use(),
            account: Some(id.clone()),
            since: Some(since),
            tone: Tone::Warn,
            target: Target::Account(id.clone()),
            handled: None,
        })
    })
}

/// Failing checks of these accounts: one alert for each.
fn unchecked<'a>(
    store: &'a Store,
    of: impl Fn(&AccountState) -> bool + 'a,
) -> impl Iterator<Item = Alert> {
    let accounts = store.accounts.iter().filter(move |known| of(known));
    accounts.filter_map(|known| {
        let id = known.id();
        let failing: Vec<&Watched> = store
            .payments
            .iter()
            .filter(|w| w.watch.account == *id && w.failure.is_some())
            .collect();
        let first = failing.first()?;
        let problem = first.failure.as_ref()?;
        let payments = match failing.len() {
            1 => format!("{} cannot", first.watch.id),
            n => format!("{n} payments cannot"),
        };
        Some(Alert {
            key: format!("checks {id}"),
            what: format!("{payments} be checked · {}", problem.describe()),
            account: Some(id.clone()),
            since: failing.iter().filter_map(|w| w.failing_since).min(),
            tone: Tone::Warn,
            target: Target::Payment(first.key()),
            handled: None,
        })
    })
}

fn listener(store: &Store) -> Option<Alert> {
    let ListenerStatus::Down {
        address,
        why,
        since,
    } = &store.listening
    else {
        return None;
    };
    Some(Alert {
        key: LISTENER.to_owned(),
        what: format!("cannot receive callbacks at {address}: {why}"),
        account: None,
        since: Some(*since),
        tone: Tone::Bad,
        target: Target::Callbacks,
        handled: None,
    })
}

/// The hooks that failed: their notices may be dismissed, which mends nothing.
fn hooks(store: &Store) -> impl Iterator<Item = Alert> {
    let failed = store.failed_hooks.iter();
    failed.map(|(notice, began)| of(notice, Some(*began)))
}

/// The callbacks with a job that failed for good: one alert for each account, about the latest failure. An older callback
/// may have failed again since.
fn failed_callbacks(store: &Store) -> impl Iterator<Item = Alert> {
    let mut accounts: BTreeMap<&str, Vec<(WallTime, &Delivery)>> = BTreeMap::new();
    for delivery in store.failed_callbacks.values() {
        if let Some((_, since)) = jobs::failed(delivery) {
            let of = accounts.entry(delivery.account.as_str());
            of.or_default().push((since, delivery));
        }
    }
    accounts.into_iter().filter_map(|(account, failed)| {
        let (since, latest) = failed.iter().max_by_key(|(since, _)| *since)?;
        let what = gave_up(latest);
        Some(Alert {
            key: notice_alert(&jobs::about_failed(account)),
            what: match failed.len() - 1 {
                0 => what,
                others => format!("{what} · {others} more"),
            },
            account: AccountId::new(account).ok(),
            since: Some(*since),
            tone: Tone::Warn,
            target: Target::Callback(latest.id),
            handled: None,
        })
    })
}

/// What failed for good, in a sentence.
pub fn gave_up(delivery: &Delivery) -> String {
    let account = &delivery.account;
    let why = jobs::failed(delivery).map_or("", |(job, _)| without_account(&job.summary, account));
    let about = match deliveries::subject(delivery).as_str() {
        "" => String::new(),
        subject => format!(" about {subject}"),
    };
    format!(
        "gave up processing callback {} to {account}{about}: {why}",
        delivery.id.0
    )
}

/// The warnings and errors among the notices, without those that repeat an alert above.
fn notices(store: &Store) -> impl Iterator<Item = Alert> {
    let is_alert = |about: &str| {
        about == LISTENER
            || is_about_hook(about)
            || jobs::is_about_failed(about)
            // While it is watched, its state is the alert.
            || is_about_payment(about)
    };
    let warnings = store.notices.iter().filter(|n| n.level > Level::Info);
    warnings
        .filter(move |n| !is_alert(&n.about))
        .map(|notice| of(notice, store.raised(&notice.about)))
}

fn of(notice: &Notice, since: Option<WallTime>) -> Alert {
    Alert {
        key: notice_alert(&notice.about),
        what: notice.text.clone(),
        account: None,
        since,
        tone: if notice.level == Level::Error {
            Tone::Bad
        } else {
            Tone::Warn
        },
        target: Target::Notice(notice.about.clone()),
        handled: None,
    }
}

/// The name of the alert about an account's token.
pub fn of_token(account: &AccountId) -> String {
    format!("token {account}")
}
