//! Queries an account and saves observations from the answer. Separate from the deck, because background jobs query
//! too.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::hooks::Hooks;
use super::runtime::{AccountRegistry, AccountRuntime};
use crate::clock::Clock;
use crate::domain::{
    Account, AccountId, CredentialStatus, Environment, Expectation, Observation, Payment,
    PaymentId, Problem, Watch, filled,
};
use crate::ledger::{Ledger, LedgerError, PaymentKey, ProfileApis};
use crate::net::RequestOptions;
use crate::providers::Queried;

/// The wait before a state that could not be saved is saved again.
const SAVE_AGAIN: Duration = Duration::from_secs(1);

/// What a query needs. Clones share it.
#[derive(Clone)]
pub(super) struct QueryService {
    pub(super) profile: Arc<str>,
    pub(super) registry: AccountRegistry,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    /// The ledger of payments: one in memory for the simulator, whose payments end with this process.
    pub(super) payments: Ledger,
    pub(super) hooks: Hooks,
}

impl QueryService {
    /// Sends a query whose answer tells whether the provider accepts the account's credentials.
    pub(super) async fn send_signed<A>(
        &self,
        runtime: &AccountRuntime,
        query: Queried<A>,
        options: RequestOptions,
    ) -> Result<A, Problem> {
        let answer = runtime.send(query, options).await;
        let account = &runtime.account;
        self.hooks.on_answer(&account.id, answer.as_ref().map(drop));
        if answer.is_ok() && !runtime.is_saved_as_valid.swap(true, Ordering::Relaxed) {
            self.remember(account, Ok(())).await;
        }
        answer
    }

    /// Checks a payment and saves what the provider answered; the inner result says whether that is new. The answer is valid
    /// even if it cannot be saved; the inner error says why.
    pub(super) async fn check_payment(
        &self,
        runtime: &AccountRuntime,
        id: &PaymentId,
        options: RequestOptions,
    ) -> Result<(Payment, Result<bool, LedgerError>), Problem> {
        let query = runtime.client.check_payment(id);
        let payment = self.send_signed(runtime, query, options).await?;
        let observation = Observation {
            at: self.clock.now().wall,
            payment: payment.clone(),
        };
        let (queries, account) = (self.clone(), runtime.account.clone());
        // Its own task: a caller that is cancelled now must not lose the change.
        let saving = tokio::spawn(async move { queries.observe(&account, &observation).await });
        let saved = saving.await.unwrap_or(Err(LedgerError::Stopped));
        Ok((payment, saved))
    }

    /// Saves an observation; a final one that cannot be saved, once it can: it is not checked again.
    async fn observe(&self, by: &Account, seen: &Observation) -> Result<bool, LedgerError> {
        let saved = self.save(by, seen).await;
        if let Err(error) = &saved {
            self.hooks.payment_unsaved(&by.id, &seen.payment, error);
            if seen.payment.state.is_final() {
                let (queries, by, seen) = (self.clone(), by.clone(), seen.clone());
                tokio::spawn(async move {
                    let over = |it: &LedgerError| {
                        use LedgerError::{Newer, ReadOnly, Stopped};
                        matches!(it, Stopped | ReadOnly | Newer(_))
                    };
                    while let Err(error) = queries.save_later(&by, &seen).await
                        && !over(&error)
                    {}
                });
            }
        }
        saved
    }

    /// Saves an observation, and reports a payment that is final: also one that was so before, since a program that has no
    /// hooks may have seen it first.
    async fn save(&self, by: &Account, seen: &Observation) -> Result<bool, LedgerError> {
        let (account, payment) = (&by.id, &seen.payment);
        let source = (&*self.profile, by.base.as_str());
        let is_new = self.payments.observe(account, source, seen).await?;
        self.hooks.payment_saved(account, &payment.id);
        if payment.state.is_final() {
            self.hooks.payment(account, &payment.id, is_new).await;
        }
        Ok(is_new)
    }

    /// Saves an observation after a while, unless there is a later one.
    async fn save_later(&self, by: &Account, seen: &Observation) -> Result<(), LedgerError> {
        tokio::time::sleep(SAVE_AGAIN).await;
        let key = self.key(&by.id, &seen.payment.id);
        let last = self.payments.last_observation(key, Some(by.base.clone()));
        if last.await?.is_none_or(|last| last.at < seen.at) {
            self.save(by, seen).await?;
        } else {
            self.hooks.payment_saved(&by.id, &seen.payment.id);
        }
        Ok(())
    }

    /// Adds a payment to the watch list; one that is on it already stays unchanged.
    pub(super) async fn watch(
        &self,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<(), LedgerError> {
        let watch = Watch::new(account.clone(), id.clone(), self.clock.now().wall);
        self.payments.watch(&self.profile, &watch).await
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
        let is_valid = result.is_ok();
        runtime.is_saved_as_valid.store(is_valid, Ordering::Relaxed);
        self.remember(account, result.as_ref().copied()).await;
        result
    }

    /// Saves what a result says about the account's credentials; those of the simulator end with this process.
    async fn remember(&self, account: &Account, result: Result<(), &Problem>) {
        if account.environment != Environment::Embedded {
            let status = CredentialStatus::after(result, self.clock.now().wall);
            let saved = self
                .ledger
                .remember_credentials(&self.profile, &account.id, &status);
            // The ledger's own status reports a failed write.
            let _ = saved.await;
        }
    }

    /// A payment of this profile in the ledger.
    pub(super) fn key(&self, account: &AccountId, id: &PaymentId) -> PaymentKey {
        PaymentKey {
            profile: self.profile.to_string(),
            account: account.clone(),
            id: id.clone(),
        }
    }

    /// The API that each account uses now.
    pub(super) fn apis(&self) -> ProfileApis {
        let accounts = self.registry.all().into_iter();
        ProfileApis {
            profile: self.profile.to_string(),
            apis: filled(accounts.map(|it| (it.account.id.clone(), it.account.base.clone()))),
        }
    }

    pub(super) async fn expectation(
        &self,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<Option<Expectation>, LedgerError> {
        self.payments.expectation(self.key(account, id)).await
    }
}
