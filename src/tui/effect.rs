//! All the console may ask of the world. Plain, comparable data; `runtime/perform` does it.

use crate::domain::manage::Change;
use crate::domain::{
    AccountId, DeliveryId, ExchangeId, Expected, Op, PaymentId, RawCall, RequestId, Secret,
    simulate,
};

use super::msg::{NewWatch, WatchKey};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask an account; [`super::Msg::Answered`] brings the answer under the same number.
    Ask {
        /// Chosen by the console, never used twice.
        request: RequestId,
        /// Whom to ask.
        account: AccountId,
        /// What to ask.
        op: Op,
        /// Whether nobody waits for it (polling): it goes behind all else and leaves part of the budget free.
        background: bool,
    },
    /// Send a call as it was put together; [`super::Msg::Explored`] brings what came of it.
    Explore {
        /// Chosen by the console, never used twice.
        request: RequestId,
        /// With whose credentials.
        account: AccountId,
        /// What to send.
        call: RawCall,
    },
    /// Fetch a new access token now; [`super::Msg::Refreshed`] tells what came of it under the same number.
    RefreshToken {
        /// Chosen by the console, never used twice.
        request: RequestId,
        /// Whose.
        account: AccountId,
    },
    /// Hand over an access token that is good now; [`super::Msg::TokenToCopy`] brings it.
    TokenToCopy {
        /// Chosen by the console, never used twice.
        request: RequestId,
        /// Whose.
        account: AccountId,
    },
    /// Stop a request; nothing more is heard of it. What was sent was sent.
    Cancel(RequestId),
    /// Put a payment on the watch list and set what is expected of it, unless something is;
    /// [`super::Msg::Watched`] brings what came of it.
    Watch(NewWatch),
    /// Change what is expected of a payment, if it is still what the operator was shown; [`super::Msg::Watched`] brings
    /// the result.
    Expect {
        /// What is to be expected.
        new: NewWatch,
        /// The expectation that it takes the place of.
        shown: Expected,
    },
    /// Mark a matter as handled, or take the mark away.
    MarkHandled {
        /// Its stable name.
        matter: String,
        /// Whether it is handled.
        handled: bool,
    },
    /// Take this payment off the watch list.
    Unwatch(WatchKey),
    /// Bring exchanges older than `before`, newest first, whose method, path, account, status or body has `filter`.
    LoadLog {
        /// `None` begins with the newest.
        before: Option<ExchangeId>,
        /// Without case; empty takes all.
        filter: String,
        /// At most so many.
        limit: usize,
    },
    /// Bring one exchange with its bodies; [`super::Msg::Opened`] has it.
    OpenExchange {
        /// Chosen by the console, never used twice.
        request: RequestId,
        /// Which.
        exchange: ExchangeId,
    },
    /// Bring callbacks older than `before`, newest first; [`super::Msg::Deliveries`] has them.
    LoadDeliveries {
        /// `None` begins with the newest.
        before: Option<DeliveryId>,
        /// At most so many.
        limit: usize,
    },
    /// Bring the bytes of a callback; [`super::Msg::Received`] has them.
    OpenDelivery {
        /// Chosen by the console, never used twice.
        request: RequestId,
        /// Which.
        delivery: DeliveryId,
    },
    /// Hand a callback on once more; [`super::Msg::Replayed`] tells whether that is under way.
    Replay {
        /// Chosen by the console, never used twice.
        request: RequestId,
        /// Which.
        delivery: DeliveryId,
        /// Where to: the URL of the shop's own server.
        to: String,
    },
    /// Bring all that is known to have happened to a payment; [`super::Msg::Timeline`] has it.
    LoadHistory {
        /// Chosen by the console, never used twice.
        request: RequestId,
        /// Whose.
        account: AccountId,
        /// Which.
        payment: PaymentId,
    },
    /// Put a text on the terminal's clipboard.
    Copy {
        /// The text; it may be a link with a payment token in it.
        text: Secret,
        /// What it is, for the confirmation: "the payment link".
        what: &'static str,
    },
    /// Open a page in the operator's browser.
    Browse(Secret),
    /// Make something happen in the embedded simulator.
    Simulate(simulate::Command),
    /// Change the profile's accounts; [`super::Msg::Managed`] tells under the same number what came of it.
    Manage {
        /// Chosen by the console, never used twice.
        request: RequestId,
        /// What is to change.
        change: Change,
    },
    /// Send an account's requests again, although its provider asked to be left alone for longer (429).
    LiftHolds(AccountId),
    /// Look at every rate budget as it stands now, what other processes took of it too; [`super::Msg::Budget`]
    /// brings each.
    LookAtBudgets,
    /// Ring the terminal's bell, once.
    Bell,
    /// Stop, as Ctrl-Z does in a shell.
    Suspend,
    /// Leave.
    Quit,
}
