//! What a component wants another pane to do.

use std::sync::Arc;

use super::msg::{NewWatch, WatchKey};
use super::pasted::Pasted;
use crate::domain::{
    AccountId, Amount, Currency, Delivery, DeliveryId, DocumentedCall, Exchange, ExchangeId,
    FollowUp, PlayerId, RawCall, RowIds,
};

/// What a component wants another pane to do.
#[derive(Debug, Clone)]
pub enum Intent {
    ShowAccount(AccountId),
    ShowPayment(WatchKey),
    ShowPlayer(AccountId, PlayerId),
    /// Shows a player and loads the inventory.
    LoadPlayer(AccountId, PlayerId),
    ShowCallbacks,
    OpenRequest(ExchangeId),
    OpenCallback(DeliveryId),
    /// Opens the details of the row below or above.
    RequestBeside(Arc<Exchange>, bool),
    CallbackBeside(Arc<Delivery>, bool),
    FillIn(AccountId, &'static DocumentedCall),
    ShowCallback(DeliveryId),
    /// Shows a call of the explorer's history.
    ShowCall(u64),
    /// Selects the request that waits longest.
    ShowWaiting,
    Watch(NewWatch),
    WatchMany(AccountId, Pasted),
    Estimate(Question),
    /// Sends a write call that the operator confirmed.
    Send(AccountId, RawCall),
    /// Fills in a call from the ids of a row. A read for which nothing is missing is sent, a write asked about.
    Follow(NextCall),
}

/// A documented call that takes the ids of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextCall {
    pub account: AccountId,
    pub call: &'static DocumentedCall,
    pub follow_up: &'static FollowUp,
    pub ids: RowIds,
}

/// The account, the token and the quantity to estimate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub account: AccountId,
    pub token: Currency,
    pub quantity: Amount,
}
