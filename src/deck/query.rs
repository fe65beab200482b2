//! Queries an account and saves observations from the answer. Separate from the deck, because background jobs query
//! too.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::hooks::Hooks;
use super::payments::SimulatedBook;
use super::runtime::{AccountRegistry, AccountRuntime};
use crate::clock::Clock;
use crate::domain::{
    AccountId, CredentialStatus, Environment, Expectation, Observation, Payment, PaymentId, Problem,
};
use crate::ledger::{Ledger, LedgerError, PaymentKey};
use crate::net::RequestOptions;

/// The number of simulator observations in memory; beyond it, the oldest ones go.
const SEEN_MAX: usize = 4_000;

/// What a query needs. Clones share it.
#[derive(Clone)]
pub(super) struct QueryService {
    pub(super) profile: Arc<str>,
    pub(super) registry: AccountRegistry,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    pub(super) seen: Seen,
    /// Replaces the ledger for the simulator, whose payments end with this process.
    pub(super) book: Option<Arc<SimulatedBook>>,
    pub(super) hooks: Hooks,
}

impl QueryService {
    /// Checks a payment and saves what the provider answered. The simulator's payments stay in memory, since they end
    /// with this run.
    pub(super) async fn check_payment(
        &self,
        runtime: &AccountRuntime,
        id: &PaymentId,
        options: RequestOptions,
    ) -> Result<Payment, Problem> {
        let query = runtime.client.check_payment(id);
        let answer = runtime.send(query, options).await;
        self.hooks
            .on_answer(&runtime.account.id, answer.as_ref().map(drop));
        let payment = answer?;
        let observation = Observation {
            at: self.clock.now().wall,
            payment: payment.clone(),
        };
        let account = &runtime.account;
        if account.environment == Environment::Embedded {
            self.seen.note(&account.id, observation);
        } else {
            let (queries, id) = (self.clone(), account.id.clone());
            // Its own task: a caller that is cancelled now must not lose the change.
            let saving = tokio::spawn(async move { queries.observe(&id, &observation).await });
            let _ = saving.await;
        }
        Ok(payment)
    }

    /// Saves an observation, and reports it if something changed.
    async fn observe(&self, account: &AccountId, seen: &Observation) {
        // The ledger's own status reports a failed write; the answer is valid all the same.
        let saved = self.ledger.observe(account, &self.profile, seen).await;
        if saved == Ok(true) {
            self.report_change(account, seen).await;
        }
    }

    /// Reports to the hooks that a payment, or what is expected of it, has changed.
    pub(super) async fn report_change(&self, account: &AccountId, seen: &Observation) {
        // Without its expected amount nothing can be said about it.
        if let Ok(expected) = self.expectation(account, &seen.payment.id).await {
            let expected = expected.map(|expectation| expectation.sum);
            self.hooks.payment(account, seen, expected.as_ref()).await;
        }
    }

    /// Verifies the credentials and saves the result: a rejection, too, changes their state.
    pub(super) async fn verify(
        &self,
        runtime: &AccountRuntime,
        options: RequestOptions,
    ) -> Result<(), Problem> {
        let result = runtime.verify(options).await;
        let account = &runtime.account;
        self.hooks.on_answer(&account.id, result.as_ref().copied());
        if account.environment != Environment::Embedded {
            let at = self.clock.now().wall;
            let status = CredentialStatus::after(result.as_ref().copied(), at);
            let saved = self
                .ledger
                .remember_credentials(&self.profile, &account.id, &status);
            let _ = saved.await;
        }
        result
    }

    /// A payment of this profile in the ledger.
    pub(super) fn key(&self, account: &AccountId, id: &PaymentId) -> PaymentKey {
        PaymentKey {
            profile: self.profile.to_string(),
            account: account.clone(),
            id: id.clone(),
        }
    }

    /// What is expected of a payment.
    pub(super) async fn expectation(
        &self,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<Option<Expectation>, LedgerError> {
        match &self.book {
            Some(book) => Ok(book.expectation(account, id)),
            None => self.ledger.expectation(self.key(account, id)).await,
        }
    }
}

/// The observations of the simulator's payments in this run.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    by_payment: HashMap<(AccountId, PaymentId), Vec<Observation>>,
    /// Drop order: one entry for each observation, the oldest first.
    order: VecDeque<(AccountId, PaymentId)>,
}

impl Seen {
    /// As the ledger does, saves only what differs from the last observation.
    fn note(&self, account: &AccountId, observation: Observation) {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (account.clone(), observation.payment.id.clone());
        let seen = memory.by_payment.entry(key.clone()).or_default();
        if seen
            .last()
            .is_some_and(|last| last.payment == observation.payment)
        {
            return;
        }
        seen.push(observation);
        memory.order.push_back(key);
        if memory.order.len() > SEEN_MAX
            && let Some(oldest) = memory.order.pop_front()
            && let Some(seen) = memory.by_payment.get_mut(&oldest)
        {
            seen.remove(0);
            if seen.is_empty() {
                memory.by_payment.remove(&oldest);
            }
        }
    }

    /// The oldest first.
    pub(super) fn of(&self, account: &AccountId, payment: &PaymentId) -> Vec<Observation> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (account.clone(), payment.clone());
        memory.by_payment.get(&key).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Payment, PaymentState, Reported, WallTime};

    fn seen_at(at: usize, id: &str, state: PaymentState) -> Observation {
        Observation {
            at: WallTime(i64::try_from(at).unwrap()),
            payment: Payment {
                id: PaymentId::new(id).unwrap(),
                currency: Reported::currency("BTC"),
                amount: Reported::amount("1"),
                state,
            },
        }
    }

    #[test]
    fn what_was_seen_of_the_simulator_is_remembered_once_and_within_bounds() {
        let (seen, kanga) = (Seen::default(), AccountId::new("kanga").unwrap());
        let first = PaymentId::new("first").unwrap();
        for (at, state) in [PaymentState::New, PaymentState::New, PaymentState::Active]
            .into_iter()
            .enumerate()
        {
            seen.note(&kanga, seen_at(at, "first", state));
        }
        let times = |id| {
            seen.of(&kanga, id)
                .iter()
                .map(|o| o.at.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(times(&first), [0, 2], "what did not change is no news");
        for at in 0..SEEN_MAX - 1 {
            seen.note(&kanga, seen_at(at, &format!("P-{at}"), PaymentState::New));
        }
        assert_eq!(times(&first), [2], "the oldest gives way");
        seen.note(&kanga, seen_at(0, "last", PaymentState::New));
        assert!(times(&first).is_empty());
    }
}
