//! The operations on an account. Each function returns its own type of answer; [`Deck::query`] carries out an operation
//! that arrives as data. The errors say what happened, to which account, and what to do next.

use super::Deck;
use crate::domain::{
    AccountId, Answer, Estimate, EstimateRequest, Inventory, Op, Payment, PaymentId, Player,
    PlayerId, PlayerToken, Problem, RawReply, RawRequest,
    stock::{NewKey, Uploaded},
};
use crate::net::RequestOptions;
use crate::providers::Query;

impl Deck {
    /// Carries out an operation.
    pub async fn query(&self, account: &AccountId, op: Op, options: RequestOptions) -> Answer {
        match op {
            Op::Verify => Answer::Verified(self.verify(account, options).await),
            Op::CheckPayment(id) => {
                Answer::Payment(self.check_payment(account, &id, options).await)
            }
            Op::Estimate(sum) => Answer::Estimate(self.estimate(account, &sum, options).await),
            Op::PaymentLink(link) => Answer::Link(self.link(account, &link, options).await),
            Op::AuthenticatePlayer(player) => {
                Answer::Player(self.authenticate_player(account, &player, options).await)
            }
            Op::PlayerItems(player) => {
                Answer::Inventory(self.player_items(account, player, options).await)
            }
        }
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

    /// Checks whether the provider accepts a signature, without an account.
    ///
    /// # Errors
    /// If the provider rejects it, or has no such test.
    pub async fn test_signature(
        &self,
        account: &AccountId,
        options: RequestOptions,
    ) -> Result<(), Problem> {
        let runtime = self.runtime(account)?;
        let query = runtime.client.test_signature();
        runtime.send(query, options).await
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
        self.queries.check_payment(&runtime, id, options).await
    }

    /// What a payer would pay in each currency, to settle this sum.
    ///
    /// # Errors
    /// If the provider gives no prices.
    pub async fn estimate(
        &self,
        account: &AccountId,
        sum: &EstimateRequest,
        options: RequestOptions,
    ) -> Result<Estimate, Problem> {
        let runtime = self.runtime(account)?;
        let query = runtime.client.estimate(sum);
        runtime.send(query, options).await
    }

    /// Checks whether the token is this player's.
    ///
    /// # Errors
    /// If the provider rejects it, or gives no readable answer.
    pub async fn authenticate_player(
        &self,
        account: &AccountId,
        player: &PlayerToken,
        options: RequestOptions,
    ) -> Result<Player, Problem> {
        let runtime = self.runtime(account)?;
        let query = runtime.client.authenticate_player(player);
        runtime.send(query, options).await
    }

    /// What a player owns.
    ///
    /// # Errors
    /// If the provider gives no readable list.
    pub async fn player_items(
        &self,
        account: &AccountId,
        player: PlayerId,
        options: RequestOptions,
    ) -> Result<Inventory, Problem> {
        let runtime = self.runtime(account)?;
        let query = runtime.client.player_items(player);
        runtime.send(query, options).await
    }

    /// Adds a key to the stock of an offer.
    ///
    /// # Errors
    /// If the provider does not add it, or no response arrives: then it may have added it.
    pub async fn add_key(
        &self,
        account: &AccountId,
        key: &NewKey,
        options: RequestOptions,
    ) -> Result<Uploaded, Problem> {
        let runtime = self.runtime(account)?;
        let query = runtime.client.add_key(key);
        runtime.send(query, options).await
    }

    /// Sends any call. A response with an error status is an answer too.
    ///
    /// # Errors
    /// If a value cannot be sent, or no response arrives.
    pub async fn raw(
        &self,
        account: &AccountId,
        request: &RawRequest,
        options: RequestOptions,
    ) -> Result<RawReply, Problem> {
        let runtime = self.runtime(account)?;
        let call = runtime.client.raw(request);
        let query = call.map(|call| Query::new(call, |reply| Ok(reply.into_raw())));
        runtime.send(query, options).await
    }
}
