//! The watch list, what is expected of payments, and what was marked as handled: in the ledger, or, where the embedded
//! simulator runs, in memory as long as that.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Deck;
use crate::domain::{
    AccountId, Answer, Environment, Expectation, Expected, ExpectedBy, LinkRequest, Observation,
    Op, PaymentId, Problem, ProblemKind, Replaced, WallTime, Watch, Watchlist,
};
use crate::ledger::LedgerError;
use crate::net::RequestOptions;

/// How often to look for changes by other processes.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Changes within this time are read together.
const GATHER: Duration = Duration::from_millis(50);

/// What the ledger keeps elsewhere, in memory.
pub(super) struct SimulatedBook(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    list: Watchlist,
    /// Every expectation of each payment, the oldest first.
    expectations: HashMap<(AccountId, PaymentId), Vec<Expectation>>,
}

impl SimulatedBook {
    /// Begins with the payments that the simulator's world begins with.
    pub(super) fn new(seeded: Vec<(&'static str, PaymentId, Expected)>, at: WallTime) -> Self {
        let mut pages = Pages::default();
        for (provider, id, sum) in seeded {
            let Ok(account) = AccountId::new(provider) else {
                continue;
            };
            let by = ExpectedBy::Link;
            let expectation = Expectation { sum, by, at };
            let key = (account.clone(), id.clone());
            pages.expectations.insert(key, vec![expectation]);
            pages.list.watches.push(Watch {
                account,
                id,
                expected: None,
                since: at,
            });
        }
        Self(Mutex::new(pages))
    }

    pub(super) fn expectation(&self, account: &AccountId, id: &PaymentId) -> Option<Expectation> {
        self.pages().expectations(account, id).pop()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn expectations(&self, account: &AccountId, id: &PaymentId) -> Vec<Expectation> {
        let key = (account.clone(), id.clone());
        self.expectations.get(&key).cloned().unwrap_or_default()
    }

    fn list(&self) -> Watchlist {
        let mut list = self.list.clone();
        for watch in &mut list.watches {
            watch.expected = self.expectations(&watch.account, &watch.id).pop();
        }
        list
    }
}

impl Deck {
    /// What is watched, and which matters are handled.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn watchlist(&self) -> Result<Watchlist, Problem> {
        if let Some(book) = &self.queries.book {
            return Ok(book.pages().list());
        }
        let list = async {
            Ok(Watchlist {
                watches: self.ledger.watches(&self.profile).await?,
                handled: self.ledger.handled(&self.profile).await?,
            })
        };
        list.await.map_err(|error: LedgerError| unread(&error))
    }

    /// Returns once the watch list is no longer `known`, with what it is now: whoever changed it, within a second.
    pub async fn watchlist_after(&self, known: &Watchlist) -> Watchlist {
        let mut seen = None;
        loop {
            // The simulator's is changed by this process alone.
            let version = match &self.queries.book {
                Some(_) => 0,
                None => self.ledger.data_version().await.unwrap_or_default(),
            };
            if seen != Some(version)
                && let Ok(list) = self.watchlist().await
            {
                if list != *known {
                    return list;
                }
                seen = Some(version);
            }
            tokio::select! {
                () = self.changed.notified() => {
                    // What changes together is read once.
                    tokio::time::sleep(GATHER).await;
                    seen = None;
                }
                () = tokio::time::sleep(LOOK_EVERY), if self.queries.book.is_none() => {}
            }
        }
    }

    /// Watches a payment; one that is watched already stays as it is.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn watch(&self, account: &AccountId, id: &PaymentId) -> Result<(), Problem> {
        let watch = Watch {
            account: account.clone(),
            id: id.clone(),
            expected: None,
            since: self.clock.now().wall,
        };
        let stored = if let Some(book) = &self.queries.book {
            let watches = &mut book.pages().list.watches;
            if !watches.iter().any(|w| w.account == *account && w.id == *id) {
                watches.push(watch);
            }
            Ok(())
        } else {
            let stored = self.ledger.watch(&self.profile, &watch).await;
            stored.map_err(|error| unsaved(id, &error))
        };
        self.changed.notify_one();
        stored
    }

    /// Takes a payment off the watch list; whether it was on it. What is expected of it stays known.
    ///
    /// # Errors
    /// If that cannot be stored.
    pub async fn unwatch(&self, account: &AccountId, id: &PaymentId) -> Result<bool, Problem> {
        let stored = if let Some(book) = &self.queries.book {
            let watches = &mut book.pages().list.watches;
            let before = watches.len();
            watches.retain(|w| w.account != *account || w.id != *id);
            Ok(watches.len() < before)
        } else {
            let stored = self.ledger.unwatch(&self.profile, account, id).await;
            stored.map_err(|error| unsaved(id, &error))
        };
        self.changed.notify_one();
        stored
    }

    /// What is expected of a payment.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn expectation(
        &self,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<Option<Expectation>, Problem> {
        let found = self.queries.expectation(account, id).await;
        found.map_err(|error| unread(&error))
    }

    /// Every expectation of a payment, the oldest first; the last is in force.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn expectations(
        &self,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<Vec<Expectation>, Problem> {
        if let Some(book) = &self.queries.book {
            return Ok(book.pages().expectations(account, id));
        }
        let found = self.ledger.expectations(&self.profile, account, id).await;
        found.map_err(|error| unread(&error))
    }

    /// Sets what is expected of a payment. Gives the expectation that was in force before.
    ///
    /// # Errors
    /// If it cannot be stored. Within, the expectation that stays in force because it differs and may not be replaced.
    pub async fn expect(
        &self,
        account: &AccountId,
        id: &PaymentId,
        sum: Expected,
        by: ExpectedBy,
        replaced: Replaced,
    ) -> Result<Result<Option<Expectation>, Expectation>, Problem> {
        let at = self.clock.now().wall;
        let new = Expectation { sum, by, at };
        let set = if let Some(book) = &self.queries.book {
            let mut pages = book.pages();
            let current = pages.expectations(account, id).pop();
            match replaced.writes(current.as_ref(), &new.sum) {
                Err(stays) => Ok(Err(stays)),
                Ok(writes) => {
                    if writes {
                        let key = (account.clone(), id.clone());
                        pages.expectations.entry(key).or_default().push(new);
                    }
                    Ok(Ok(current))
                }
            }
        } else {
            let set = self
                .ledger
                .expect(&self.profile, account, id, &new, replaced)
                .await;
            set.map_err(|error| unsaved(id, &error))
        };
        self.changed.notify_one();
        set
    }

    /// Builds a payment link and stores what it asks for as the expectation. A link for an id that is final or expects
    /// another sum would only lead to a payment that is taken for another one.
    pub(super) async fn link(
        &self,
        account: &AccountId,
        link: &LinkRequest,
        how: RequestOptions,
    ) -> Result<Answer, Problem> {
        let runtime = self.runtime(account)?;
        let id = &link.id;
        let refused = |why: String, hint: &str| {
            let message = format!("account {account}: no link was made: payment {id} {why}");
            Problem::new(ProblemKind::Usage, message, hint)
        };
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
                format!("expects {stays}, the link is over {sum}"),
                "use a new id, or change what it expects: --replace-expectation, `tilldeck payments expect`, or e in \
                 the console's Payments",
            )
        };
        let current = self.expectation(account, id).await?;
        replaced
            .writes(current.as_ref(), &sum)
            .map_err(|stays| conflict(&stays))?;
        let op = Op::PaymentLink(link.clone());
        let answer = self.queries.query(&runtime, &op, how).await?;
        // Another process may have been faster.
        let stored = self
            .expect(account, id, sum.clone(), ExpectedBy::Link, replaced)
            .await?;
        stored.map_err(|stays| conflict(&stays))?;
        Ok(answer)
    }

    /// Marks a matter as handled now, or takes the mark away.
    ///
    /// # Errors
    /// If that cannot be stored.
    pub async fn mark_handled(&self, matter: &str, handled: bool) -> Result<(), Problem> {
        let at = handled.then(|| self.clock.now().wall);
        let stored = if let Some(book) = &self.queries.book {
            let marks = &mut book.pages().list.handled;
            marks.retain(|(known, _)| known != matter);
            marks.extend(at.map(|at| (matter.to_owned(), at)));
            Ok(())
        } else {
            let stored = self.ledger.mark_handled(&self.profile, matter, at).await;
            stored.map_err(|error| {
                Problem::new(
                    ProblemKind::Local,
                    format!("the mark cannot be saved: {error}"),
                    "",
                )
            })
        };
        self.changed.notify_one();
        stored
    }

    /// All that was seen of a payment before, the oldest first.
    ///
    /// # Errors
    /// If there is no such account, or the ledger cannot be read.
    pub async fn observations(
        &self,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<Vec<Observation>, Problem> {
        // Another run of the simulator has other payments of the same names.
        if self.runtime(account)?.account.environment == Environment::Embedded {
            return Ok(self.queries.seen.of(account, id));
        }
        let seen = self.ledger.observations(&self.profile, account, id).await;
        seen.map_err(|error| unread(&error))
    }

    /// What was seen of a payment last.
    ///
    /// # Errors
    /// If there is no such account, or the ledger cannot be read.
    pub async fn last_observation(
        &self,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<Option<Observation>, Problem> {
        if self.runtime(account)?.account.environment == Environment::Embedded {
            return Ok(self.queries.seen.of(account, id).pop());
        }
        let last = self.ledger.last_observation(&self.profile, account, id);
        last.await.map_err(|error| unread(&error))
    }

    /// Whether what is watched and expected ends with this process: in the embedded sandbox, whose payments do.
    #[must_use]
    pub fn forgets_payments(&self) -> bool {
        self.queries.book.is_some()
    }
}

fn unread(error: &LedgerError) -> Problem {
    Problem::new(
        ProblemKind::Local,
        format!("what is watched and expected cannot be read: {error}"),
        "",
    )
}

fn unsaved(id: &PaymentId, error: &LedgerError) -> Problem {
    Problem::new(
        ProblemKind::Local,
        format!("payment {id} cannot be saved: {error}"),
        "",
    )
}
