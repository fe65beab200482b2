//! The messages to the console: keys, size, time, and events from outside. Plain, comparable data.

use std::sync::Arc;

use jiff::tz::TimeZone;
use ratatui::crossterm::event::{KeyEvent, MouseEvent};

use crate::domain::manage::Changed;
use crate::domain::search::Found;
use crate::domain::{
    AccountId, Answer, BudgetGauge, CheckedPayment, CredentialStatus, Delivery, Exchange,
    Expectation, Expected, ExpectedBy, Finding, Handled, ListenerStatus, LoadedInventory,
    Observation, PaymentId, PlayerClaim, Problem, Received, RequestId, ThemeChoice, Timeline,
    TokenStatus, Waiting, WallTime, Watch, Watchlist, simulate,
};

/// One event. The number of a response or a result is that of its effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// A key was pressed or repeated.
    Key(KeyEvent),
    /// Pasted text (bracketed paste). Not trusted: it may contain control characters.
    Paste(String),
    /// A mouse event.
    Mouse(MouseEvent),
    /// The terminal has this size now (also sent once before the first frame).
    Resized {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// The theme for the terminal's background.
    Background(ThemeChoice),
    /// The instant asked for by `next_wake` or `view` has come.
    Woke,
    /// The runtime has started and carries out effects from now on.
    Ready(Ready),
    /// The runtime failed to start; the console shows why and can only quit.
    NotReady(Problem),
    /// The response to [`super::Effect::Query`]. A cancelled request sends none.
    Answered(RequestId, Answer),
    /// A request of this process waits: for a slot of the rate limit, for another request with the same key, or for its
    /// retry. `None` once it continues. The number may be of a request that no effect began, as the renewal of a token.
    Waiting(RequestId, Option<Waiting>),
    /// A request of this process was sent and has no response for a second. `None` once it is in the log.
    Running(RequestId, Option<Arc<Exchange>>),
    /// One attempt of a request ended and is in the log.
    Exchange(Arc<Exchange>),
    /// Other programs that share the ledger have saved these, oldest first. Some of this program can be among them.
    Shared {
        /// Requests.
        exchanges: Vec<Arc<Exchange>>,
        /// States of payments, each with its account.
        observations: Vec<(AccountId, Observation)>,
        /// Hooks that failed within the last week.
        failed_hooks: Vec<FailedHook>,
    },
    /// A rate limit changed.
    Budget(AccountId, BudgetGauge),
    /// An account's access token or its state changed.
    Token(AccountId, TokenStatus),
    /// The result of [`super::Effect::LoadLog`].
    Log(Result<Found<Exchange>, Problem>),
    /// A new callback, or the new state of its jobs; it replaces the earlier one of the same number.
    Delivery(Arc<Delivery>),
    /// As [`Saved::awaited`], read again: events about callbacks were missed.
    Awaited(Vec<Arc<Delivery>>),
    /// The result of [`super::Effect::LoadDeliveries`].
    Deliveries(Result<Found<Delivery>, Problem>),
    /// The state of the callback listener.
    ListenerStatus(ListenerStatus),
    /// An accepted callback names a player.
    Player(AccountId, PlayerClaim),
    /// The result of a check that a callback caused.
    Checked(CheckedPayment),
    /// The inventory of a player, which a callback caused to load.
    PlayerItems(LoadedInventory),
    /// The callback of [`super::Effect::FindDelivery`].
    DeliveryFound(RequestId, Result<Arc<Delivery>, Problem>),
    /// The received bytes of a callback, for [`super::Effect::OpenDelivery`].
    Received(RequestId, Result<Received, Problem>),
    /// Whether [`super::Effect::Replay`] queued the callback; [`Msg::Delivery`] has the final result.
    Replayed(RequestId, Result<(), Problem>),
    /// The same for [`super::Effect::Retry`].
    Retried(RequestId, Result<(), Problem>),
    /// The timeline of [`super::Effect::LoadHistory`].
    Timeline(RequestId, Result<Timeline, Problem>),
    /// The exchange of [`super::Effect::OpenExchange`].
    Opened(RequestId, Result<Arc<Exchange>, Problem>),
    /// A finding of [`super::Effect::Diagnose`].
    Diagnosed(RequestId, Option<Finding>),
    /// A notice to the operator that no request caused: "the ledger cannot be written".
    Notice(Notice),
    /// What the notice of this name was about is over.
    Resolved(String),
    /// The state of the config file, after a change of it.
    Config(ConfigNews),
    /// The console copied a text or opened a page; the text for the operator.
    Done(Result<String, Problem>),
    /// The simulator's current settings and events of each provider.
    Simulator(Vec<simulate::Part>),
    /// The result of [`super::Effect::Simulate`].
    Simulated(simulate::Command, Result<String, Problem>),
    /// The current watch list, after a change by any process.
    Watchlist {
        /// The whole list.
        list: Watchlist,
        /// The earlier states of payments that are new on the list, oldest first.
        seen: Vec<(WatchKey, Vec<Observation>)>,
    },
    /// What the ledger has, once it can be read, if it could not be at the start.
    Saved(Saved),
    /// [`super::Effect::Unwatch`] ended; the stored list shows whether it worked.
    Unwatched(WatchKey),
    /// The result of [`super::Effect::Watch`] or [`super::Effect::Expect`].
    Watched(NewWatch, Result<Option<Expectation>, Problem>),
    /// The result of [`super::Effect::Manage`]. A change that was cancelled too late still sends its result.
    AccountChanged(RequestId, Result<Changed, Problem>),
}

impl Msg {
    /// Whether the operator caused it, who waits to see what it does.
    pub fn is_input(&self) -> bool {
        matches!(self, Self::Key(_) | Self::Paste(_) | Self::Mouse(_))
    }
}

/// The state at the start of the runtime.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// The operator's time zone.
    pub zone: TimeZone,
    /// What else the ledger has.
    pub saved: Saved,
    /// The payments to watch, with their earlier states, oldest first.
    pub watches: Vec<(Watch, Vec<Observation>)>,
    /// The alerts that are marked as handled.
    pub handled: Vec<Handled>,
    /// Whether the ledger could not be read. [`Msg::Watchlist`] and [`Msg::Saved`] follow once it can.
    pub is_unread: bool,
    /// The latest exchanges, newest first.
    pub log: Vec<Arc<Exchange>>,
    /// The state of the callback listener.
    pub listening: ListenerStatus,
    /// The accounts to verify at once (simulated ones).
    pub verify: Vec<AccountId>,
    /// The simulator's address (`http://127.0.0.1:PORT`), if one is running.
    pub simulator: Option<String>,
    /// Any number; consoles with different ones check the same payments in different orders.
    pub seed: u64,
}

/// What the ledger has of earlier runs and other programs, besides requests and the watch list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Saved {
    /// The last status of each account's credentials.
    pub credentials: Vec<(AccountId, CredentialStatus)>,
    /// The latest callbacks, newest first.
    pub deliveries: Vec<Arc<Delivery>>,
    /// The latest callbacks with a job that failed for good, newest first, however many have arrived since.
    pub failed_callbacks: Vec<Arc<Delivery>>,
    /// The callbacks that may still have to be answered in time, and their later ones, oldest first.
    pub awaited: Vec<Arc<Delivery>>,
    /// The hooks that failed.
    pub failed_hooks: Vec<FailedHook>,
}

/// A hook that failed, with when it began.
pub type FailedHook = (Notice, WallTime);

/// One line for the operator, on screen until it is dismissed or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The severity.
    pub level: Level,
    /// The subject ("ledger", "clock shop"): a notice replaces the earlier one of the same subject.
    pub about: String,
    /// One sentence, without control characters.
    pub text: String,
}

/// The subject of notices about the ledger.
pub const LEDGER: &str = "ledger";

impl Notice {
    /// Whether it says that the ledger can be used again.
    pub fn is_ledger_back(&self) -> bool {
        self.about == LEDGER && self.level == Level::Info
    }
}

/// The subject of notices about the config file.
pub const CONFIG: &str = "config file";

/// What a change of the config file led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigNews {
    /// The console uses the file as it is now; nothing that is on screen changed.
    Current,
    /// The console took over the changes.
    Reloaded,
    /// The console took over the changes, except another ledger: that needs a restart.
    AwaitsRestart,
    /// The changes wait until no window is open and no change is in flight.
    Waits,
    /// The file cannot be used; the earlier configuration stays in force.
    Unusable(Problem),
}

impl ConfigNews {
    /// The same, where another ledger also awaits a restart.
    #[must_use]
    pub fn or_awaits_restart(self, awaits: bool) -> Self {
        match self {
            Self::Current | Self::Reloaded if awaits => Self::AwaitsRestart,
            other => other,
        }
    }
}

/// The severity of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Information.
    Info,
    /// Something works, but not as it should.
    Warning,
    /// Something does not work.
    Error,
}

/// A payment to watch, and its expected amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWatch {
    /// The payment's account.
    pub account: AccountId,
    /// The payment's id.
    pub id: PaymentId,
    /// The expected amount, if the operator gave one.
    pub expected: Option<Expected>,
    /// The source of the expected amount.
    pub by: ExpectedBy,
}

/// Names one payment on the watch list.
pub type WatchKey = (AccountId, PaymentId);
