//! The operations on an account. [`Deck::send`] returns the answer of any of them; [`Deck::query`] carries out one that
//! arrives as data. The errors say what happened, to which account, and what to do next.

use super::Deck;
use crate::domain::{
    AccountId, Answer, Inventory, Op, Payment, PaymentId, PlayerId, Problem, RawCall, RawReply,
};
use crate::net::RequestOptions;
use crate::providers::{Client, Queried, Query};

impl Deck {
    /// Carries out an operation.
    pub async fn query(&self, account: &AccountId, op: Op, options: RequestOptions) -> Answer {
        match op {
            Op::Verify => Answer::Verified(self.verify(account, options).await),
            Op::CheckPayment(id) => {
                Answer::Payment(self.check_payment(account, &id, options).await)
            }
            Op::Estimate(sum) => {
                let estimate = |client: &dyn Client| client.estimate(&sum);
                Answer::Estimate(self.send(account, options, estimate).await)
            }
            Op::PaymentLink(link) => Answer::Link(self.link(account, &link, options).await),
            Op::AuthenticatePlayer(player) => {
                let authenticate = |client: &dyn Client| client.authenticate_player(&player);
                Answer::Player(self.send(account, options, authenticate).await)
            }
            Op::PlayerItems(player) => {
                Answer::Inventory(self.player_items(account, player, options).await)
            }
            Op::Explore { call, .. } => {
                Answer::Explored(self.explore(account, &call, options).await)
            }
            Op::RenewToken => Answer::Renewed(self.fetch_token(account, options).await.map(drop)),
            Op::CopyToken => Answer::Token(self.token(account, options).await),
        }
    }

    /// Sends one operation of the account's [`Client`], and reads its answer.
    ///
    /// # Errors
    /// If the provider has no such operation, rejects the request, or gives no readable answer. Where the operation
    /// writes and no response arrives, it may have been carried out.
    pub async fn send<A>(
        &self,
        account: &AccountId,
        options: RequestOptions,
        operation: impl FnOnce(&dyn Client) -> Queried<A>,
    ) -> Result<A, Problem> {
        let runtime = self.runtime(account)?;
        let query = operation(&*runtime.client);
        runtime.send(query, options).await
    }

    /// Verifies the account's credentials.
    ///
    /// # Errors
    /// If the provider rejects them, or nothing shows that it accepts them.
    pub async fn verify(
        &self,
        account: &AccountId,
        options: RequestOptions,
    ) -> Result<(), Problem> {
        let runtime = self.runtime(account)?;
        self.queries.verify(&runtime, options).await
    }

    /// The state of a payment.
    ///
    /// # Errors
    /// If the provider does not know the payment, or gives no readable answer.
    pub async fn check_payment(
        &self,
        account: &AccountId,
        id: &PaymentId,
        options: RequestOptions,
    ) -> Result<Payment, Problem> {
        let runtime = self.runtime(account)?;
        let checked = self.queries.check_payment(&runtime, id, options).await;
        // The ledger's own status reports a failed write.
        checked.map(|(payment, _)| payment)
    }

    async fn player_items(
        &self,
        account: &AccountId,
        player: PlayerId,
        options: RequestOptions,
    ) -> Result<Inventory, Problem> {
        let runtime = self.runtime(account)?;
        let query = runtime.client.player_items(player);
        self.queries.send_signed(&runtime, query, options).await
    }

    /// Sends any call. A response with an error status is an answer too.
    ///
    /// # Errors
    /// If a value cannot be sent, or no response arrives.
    pub async fn raw(
        &self,
        account: &AccountId,
        call: &RawCall,
        options: RequestOptions,
    ) -> Result<RawReply, Problem> {
        let raw = |client: &dyn Client| {
            let call = client.raw(call)?;
            Ok(Query::new(call, |reply| Ok(reply.into_raw())))
        };
        self.send(account, options, raw).await
    }
}
