//! The effects of the console: plain, comparable data that `runtime/perform` carries out.

use std::borrow::Cow;

use crate::domain::manage::Change;
use crate::domain::{
    AccountId, DeliveryId, ExchangeId, Expected, Op, PaymentId, RequestId, Search, Secret,
    ThemeChoice, WallTime, simulate,
};

use super::msg::{NewWatch, WatchKey};

/// How many rows of a log are loaded at once.
pub const LOAD: usize = 200;

/// A task for the runtime. The console chooses each [`RequestId`] and never uses one twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a request for an account; [`super::Msg::Answered`] has the response under the same number.
    Query {
        /// The number of the response.
        request: RequestId,
        /// The account whose credentials sign the request.
        account: AccountId,
        /// The operation.
        op: Op,
        /// Whether it is a poll, for which no operator waits: it goes last and leaves part of the rate limit free.
        background: bool,
    },
    /// Cancel a request. No message follows. A request that was sent may still take effect.
    Cancel(RequestId),
    /// Add a payment to the watch list, and set its expected amount unless it has one; [`super::Msg::Watched`] has the
    /// result.
    Watch(NewWatch),
    /// Replace the expected amount of a payment, if it still is the one that the operator saw; [`super::Msg::Watched`]
    /// has the result.
    Expect {
        /// The payment and its new expected amount.
        new: NewWatch,
        /// The expected amount that the operator saw.
        shown: Expected,
    },
    /// Mark an alert as handled, or remove the mark.
    MarkHandled {
        /// The alert's stable name.
        alert: String,
        /// Whether it is handled.
        handled: bool,
        /// When it began.
        since: Option<WallTime>,
    },
    /// Save a note on a payment, as [`crate::domain::Note::typed`] accepts it.
    Note(WatchKey, String),
    /// Remove a payment from the watch list.
    Unwatch(WatchKey),
    /// Load [`LOAD`] exchanges older than this one, or the newest, newest first; [`super::Msg::Log`] has them.
    LoadLog(Option<ExchangeId>, Search),
    /// Load one exchange with its bodies; [`super::Msg::Opened`] has it.
    OpenExchange(RequestId, ExchangeId),
    /// Load [`LOAD`] callbacks older than this one, or the newest, newest first; [`super::Msg::Deliveries`] has them.
    LoadDeliveries(Option<DeliveryId>, Search),
    /// Load one callback from the ledger; [`super::Msg::DeliveryFound`] has it.
    FindDelivery(RequestId, DeliveryId),
    /// Load the received bytes of a callback; [`super::Msg::Received`] has them.
    OpenDelivery(RequestId, DeliveryId),
    /// Forward a callback again; [`super::Msg::Replayed`] reports whether it is queued.
    Replay {
        /// The number of the result.
        request: RequestId,
        /// The callback's id.
        delivery: DeliveryId,
        /// The URL of the shop's server.
        to: String,
    },
    /// Retry the failed jobs of a callback; [`super::Msg::Retried`] reports whether they are queued.
    Retry(RequestId, DeliveryId),
    /// Load the timeline of a payment; [`super::Msg::Timeline`] has it.
    LoadHistory(RequestId, AccountId, PaymentId),
    /// Copy a text to the terminal's clipboard.
    Copy {
        /// The text. It may contain a payment token.
        text: Secret,
        /// The name of the text in the notice: "the payment link".
        what: Cow<'static, str>,
    },
    /// Open a page in the operator's browser.
    Browse(Secret),
    /// Send a command to the embedded simulator.
    Simulate(simulate::Command),
    /// Change the profile's accounts; [`super::Msg::AccountChanged`] has the result under the same number.
    Manage(RequestId, Change),
    /// Save the theme in the config file, so that the next start has it.
    SaveTheme(ThemeChoice),
    /// Lift the holds of an account after a 429, although its provider asked to wait longer.
    LiftHolds(AccountId),
    /// Check this set-up; [`super::Msg::Diagnosed`] has each finding under the same number.
    Diagnose(RequestId),
    /// Read the state of every rate limit, which other processes share; [`super::Msg::Budget`] has each.
    LookAtBudgets,
    /// Ring the terminal's bell, once.
    Bell,
    /// Notify the operator that something needs attention, in one sentence, wherever the operator looks.
    Notify(String),
    /// Set the title of the terminal's window.
    SetTitle(String),
    /// Ask the terminal for the colour of its background; [`super::Msg::Background`] has the answer, if one comes.
    AskBackground,
    /// Close this profile and open another one; a new [`super::Model`] shows it. No effect of the same update follows.
    SwitchProfile(String),
    /// Stop, as Ctrl-Z does in a shell.
    Suspend,
    /// End the console.
    Quit,
}
