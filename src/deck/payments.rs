//! The watch list, expectations and handled marks: in the ledger, or in one in memory while the built-in simulator runs.

#![expect(
    clippy::missing_errors_doc,
    reason = "each call fails if the ledger cannot be read or written"
)]

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Deck;
use super::follow::LOOK_EVERY;
use super::receiving::unread;
use crate::clock::Clock;
use crate::domain::{
    AccountId, Expectation, Expected, ExpectedBy, LinkRequest, Mark, NewExpectation, Note,
    Observation, PaymentId, PaymentLink, Problem, Replaced, WallTime, Watch, Watchlist,
};
use crate::ledger::{FailedHook, Ledger, LedgerError, PaymentKey, Unwatched};
use crate::net::RequestOptions;

/// Changes within this time are read together.
const COALESCE: Duration = Duration::from_millis(50);

/// How many failed hooks are listed at most.
const FAILED_MAX: usize = 20;

/// The ledger of the built-in simulator's payments, which end with this process, with those that it starts with.
pub(super) async fn simulated(
    profile: &str,
    seeded: Vec<(&'static str, PaymentId, Expected)>,
    clock: &Clock,
) -> Ledger {
    let (ledger, at) = (Ledger::in_memory(clock.clone()), clock.now().wall);
    for (provider, id, sum) in seeded {
        let Ok(account) = AccountId::new(provider) else {
            continue;
        };
        let key = PaymentKey {
            profile: profile.to_owned(),
            account: account.clone(),
            id: id.clone(),
        };
        let new = Expectation {
            sum,
            by: ExpectedBy::Link,
            at,
            operator: String::new(),
        };
        // Fails only for lack of memory.
        let _ = ledger.expect(key, new, Replaced::Never).await;
        let _ = ledger.watch(profile, &Watch::new(account, id, at)).await;
    }
    ledger
}

impl Deck {
    /// What is watched, and which alerts are handled.
    pub async fn watchlist(&self) -> Result<Watchlist, Problem> {
        let list = async {
            Ok(Watchlist {
                watches: self.queries.payments.watches(&self.profile).await?,
                handled: self.queries.payments.handled(&self.profile).await?,
            })
        };
        list.await
            .map_err(|error: LedgerError| unread("the watch list", &error))
    }

    /// The payments that were checked and are not watched, the last change first. Of the built-in simulator, which
    /// forgets its payments, there are none.
    pub async fn unwatched(&self) -> Result<Vec<Unwatched>, Problem> {
        if self.forgets_payments() {
            return Ok(Vec::new());
        }
        let unwatched = self.ledger.unwatched(self.queries.apis()).await;
        unwatched.map_err(|error| unread("the watch list", &error))
    }

    /// Returns the watch list once it differs from `known`: at once for changes by this process, within a second for
    /// others.
    pub async fn watchlist_after(&self, known: &Watchlist) -> Watchlist {
        let mut seen = None;
        loop {
            // Only this process changes the simulator's list.
            let version = if self.forgets_payments() {
                0
            } else {
                // Cheap: SQLite answers it from the file's header, without reading the list.
                self.ledger.data_version().await.unwrap_or_default()
            };
            if seen != Some(version)
                && let Ok(list) = self.watchlist().await
            {
                if list != *known || self.send_again.swap(false, Ordering::Relaxed) {
                    return list;
                }
                seen = Some(version);
            }
            tokio::select! {
                () = self.changed.notified() => {
                    // Changes that come together are read once.
                    tokio::time::sleep(COALESCE).await;
                    seen = None;
                }
                () = tokio::time::sleep(LOOK_EVERY), if !self.forgets_payments() => {}
            }
        }
    }

    /// Has [`Self::watchlist_after`] return the list once more, although it has not changed: a change failed that is shown.
    pub fn send_watchlist_again(&self) {
        self.send_again.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Adds a payment to the watch list; one that is on it already stays unchanged.
    pub async fn watch(&self, account: &AccountId, id: &PaymentId) -> Result<(), Problem> {
        let saved = self.queries.watch(account, id).await;
        self.changed(format_args!("payment {id}"), saved)
    }

    /// Removes a payment from the watch list; returns whether it was on it. Its expectation stays.
    pub async fn unwatch(&self, account: &AccountId, id: &PaymentId) -> Result<bool, Problem> {
        let key = self.queries.key(account, id);
        let saved = self.queries.payments.unwatch(key).await;
        self.changed(format_args!("payment {id}"), saved)
    }

    /// Reports a change that was saved, or was not.
    fn changed<T>(
        &self,
        what: fmt::Arguments<'_>,
        saved: Result<T, LedgerError>,
    ) -> Result<T, Problem> {
        self.changed.notify_one();
        saved.map_err(|error| {
            let message = format!("tilldeck cannot save {what}: {error}");
            Problem::local(message, "")
        })
    }

    /// The expected amount of a payment.
    pub async fn expectation(
        &self,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<Option<Expectation>, Problem> {
        let found = self.queries.expectation(account, id).await;
        found.map_err(|error| unread("the watch list", &error))
    }

    /// Every expectation of a payment, the oldest first; the last is in force.
    pub async fn expectations(
        &self,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<Vec<Expectation>, Problem> {
        let key = self.queries.key(account, id);
        let found = self.queries.payments.expectations(key).await;
        found.map_err(|error| unread("the watch list", &error))
    }

    /// Sets the expected amount of a payment. Returns the previous one.
    ///
    /// # Errors
    /// If it cannot be stored. The inner error is the expectation in force, which differs and may not be replaced.
    pub async fn expect(
        &self,
        account: &AccountId,
        id: &PaymentId,
        new: NewExpectation,
    ) -> Result<Result<Option<Expectation>, Expectation>, Problem> {
        let NewExpectation { sum, by, replaced } = new;
        let at = self.clock.now().wall;
        let wanted = sum.clone();
        let new = Expectation {
            sum,
            by,
            at,
            operator: String::new(),
        };
        let key = self.queries.key(account, id);
        let set = self.queries.payments.expect(key, new, replaced).await;
        let set = self.changed(format_args!("payment {id}"), set);
        // A final payment may be paid only now.
        if let Ok(Ok(before)) = &set
            && before.as_ref().is_none_or(|before| before.sum != wanted)
        {
            self.queries.hooks.payment(account, id, true).await;
        }
        set
    }

    /// Builds a payment link and stores its sum as the expectation. Fails for an id that is final or has another
    /// expected sum: the payer would pay a different payment.
    ///
    /// # Errors
    /// In those cases, or if the provider has no links or gives no token.
    pub async fn link(
        &self,
        account: &AccountId,
        link: &LinkRequest,
        options: RequestOptions,
    ) -> Result<PaymentLink, Problem> {
        let runtime = self.runtime(account)?;
        let id = &link.id;
        let refused = |why: String, hint: &str| {
            let message = format!("account {account}: no link created: payment {id} {why}");
            Problem::usage(message, hint)
        };
        // A final payment takes no money: its payer would see the old one.
        let last = self.last_observation(account, id).await?;
        if let Some(last) = last.filter(|last| last.payment.state.is_final()) {
            let state = &last.payment.state;
            return Err(refused(format!("is {state}"), "use a new id"));
        }
        let sum = link.expected();
        let replaced = if link.replace_expectation {
            Replaced::Confirmed
        } else {
            Replaced::Never
        };
        let conflict = |stays: &Expectation| {
            refused(
                format!("expects {stays}, but the link is for {sum}"),
                "use a new id, or change the expected amount: --replace-expectation in a command, e in the console's Payments (3)",
            )
        };
        let current = self.expectation(account, id).await?;
        replaced
            .writes(current.as_ref(), &sum)
            .map_err(|stays| conflict(&stays))?;
        // Created for this link alone: its number of uses is not documented (`docs/providers/kanga.md#payment-token`).
        let token = if link.with_token {
            let query = runtime.client.create_payment_token();
            let created = self.queries.send_signed(&runtime, query, options);
            Some(created.await?)
        } else {
            None
        };
        let made = runtime.client.link(link, token.as_ref());
        let made = made.map_err(|error| runtime.problem(error))?;
        // Another process may have set it in between.
        let new = NewExpectation {
            sum: sum.clone(),
            by: ExpectedBy::Link,
            replaced,
        };
        let stored = self.expect(account, id, new).await?;
        // The link exists already; without its expectation it must not be used, so this is an error.
        stored.map_err(|stays| conflict(&stays))?;
        Ok(made)
    }

    /// Marks an alert that began at `since` as handled, or unmarks it, by its key.
    pub async fn mark_handled(
        &self,
        alert: &str,
        handled: bool,
        since: Option<WallTime>,
    ) -> Result<(), Problem> {
        let now = self.clock.now().wall;
        let mark = Mark {
            alert: alert.to_owned(),
            // Also where the alert began by a clock that was ahead: an earlier mark would be about another one.
            at: since.map_or(now, |since| since.max(now)),
            handled,
            operator: String::new(),
        };
        let payments = &self.queries.payments;
        let saved = payments.mark_handled(&self.profile, mark).await;
        self.changed(format_args!("the mark"), saved)
    }

    /// Each time that one of these alerts was marked as handled or unmarked, the oldest first.
    pub(super) async fn marks(&self, alerts: Vec<String>) -> Result<Vec<Mark>, Problem> {
        let marks = self.queries.payments.marks(&self.profile, alerts).await;
        marks.map_err(|error| unread("the watch list", &error))
    }

    /// The hooks of payments that failed within the last week and are not marked as handled, the oldest first.
    pub async fn failed_hooks(&self) -> Result<Vec<FailedHook>, Problem> {
        let now = self.clock.now().wall;
        let failed = self.ledger.failed_hooks(&self.profile, now, FAILED_MAX);
        failed
            .await
            .map_err(|error| unread("the watch list", &error))
    }

    /// Saves a note on a payment, whose text [`Note::typed`] has checked.
    pub async fn note(
        &self,
        account: &AccountId,
        id: &PaymentId,
        text: String,
    ) -> Result<(), Problem> {
        let (key, at) = (self.queries.key(account, id), self.clock.now().wall);
        let saved = self.queries.payments.note(key, text, at).await;
        self.changed(format_args!("the note on payment {id}"), saved)
    }

    /// Every note on a payment, the oldest first.
    pub async fn notes(&self, account: &AccountId, id: &PaymentId) -> Result<Vec<Note>, Problem> {
        let found = self
            .queries
            .payments
            .notes(self.queries.key(account, id))
            .await;
        found.map_err(|error| unread("the watch list", &error))
    }

    /// All saved observations of a payment by the account's API, oldest first.
    ///
    /// # Errors
    /// If there is no such account, or the ledger cannot be read.
    pub async fn observations(
        &self,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<Vec<Observation>, Problem> {
        let api = self.runtime(account)?.account.base.clone();
        let key = self.queries.key(account, id);
        let seen = self.queries.payments.observations(key, api).await;
        seen.map_err(|error| unread("the watch list", &error))
    }

    /// As [`Self::observations`], of each watched payment that has any: one query, however many they are.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn watched_observations(
        &self,
    ) -> Result<HashMap<(AccountId, PaymentId), Vec<Observation>>, Problem> {
        let apis = self.queries.apis();
        let seen = self.queries.payments.watched_observations(apis);
        let seen = seen
            .await
            .map_err(|error| unread("the watch list", &error))?;
        let mut by_payment: HashMap<_, Vec<_>> = HashMap::new();
        for (account, observation) in seen {
            let key = (account, observation.payment.id.clone());
            by_payment.entry(key).or_default().push(observation);
        }
        Ok(by_payment)
    }

    /// Whether any API of the account has reported the payment.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn was_seen(&self, account: &AccountId, id: &PaymentId) -> Result<bool, Problem> {
        let key = self.queries.key(account, id);
        let seen = self.queries.payments.last_observation(key, None).await;
        let seen = seen.map_err(|error| unread("the watch list", &error))?;
        Ok(seen.is_some())
    }

    /// The last observation of a payment by the account's API.
    ///
    /// # Errors
    /// If there is no such account, or the ledger cannot be read.
    pub async fn last_observation(
        &self,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<Option<Observation>, Problem> {
        let api = self.runtime(account)?.account.base.clone();
        let key = self.queries.key(account, id);
        let last = self.queries.payments.last_observation(key, Some(api));
        let last = last.await;
        last.map_err(|error| unread("the watch list", &error))
    }

    /// Whether watch list and expectations end with this process: true in the built-in sandbox, whose payments end with
    /// it too.
    pub fn forgets_payments(&self) -> bool {
        self.simulator.is_some()
    }
}
