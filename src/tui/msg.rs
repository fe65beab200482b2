//! All that can happen to the console: keys, size, time, and facts from outside. Plain, comparable data.

use std::sync::Arc;

use jiff::tz::TimeZone;
use ratatui::crossterm::event::{KeyEvent, MouseEvent};

use crate::domain::manage::Changed;
use crate::domain::{
    AccountId, Answer, BudgetGauge, CredentialStatus, Delivery, Exchange, Expectation, Expected,
    ExpectedBy, Explored, Listening, Observation, Op, PaymentId, PlayerClaim, Problem, Received,
    RequestId, Secret, Timeline, TokenStatus, Waiting, WallTime, Watch, Watchlist, simulate,
};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// A key was pressed or repeated.
    Key(KeyEvent),
    /// Text was pasted (bracketed paste). Hostile until made inert.
    Paste(String),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// The terminal has this size now (also sent once before the first frame).
    Resized {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// The instant asked for by `next_wake` has come.
    Woke,
    /// Everything behind the screen is up: from now on effects are performed.
    Ready(Ready),
    /// Nothing behind the screen could be started; the console shows why and can only be left.
    NotReady(Problem),
    /// The answer to [`super::Effect::Ask`]. A request that was cancelled brings none.
    Answered {
        /// The number given in the effect.
        request: RequestId,
        /// What came back.
        result: Result<Answer, Problem>,
    },
    /// What came of [`super::Effect::Explore`]. A call that was cancelled brings nothing.
    Explored {
        /// The number given in the effect.
        request: RequestId,
        /// The reply, whatever its status; a problem where there is none.
        result: Result<Explored, Problem>,
    },
    /// A request of ours waits: for a slot in the rate budget, for another call with the same key, or
    /// for its retry. `None` once it goes on.
    Waiting {
        /// Which request.
        request: RequestId,
        /// What it is and what it waits for.
        waiting: Option<Waiting>,
    },
    /// One try of one request has ended and is recorded.
    Exchange(Arc<Exchange>),
    /// A budget changed.
    Budget {
        /// Whose.
        account: AccountId,
        /// How it stands at this instant.
        gauge: BudgetGauge,
    },
    /// An account's access token changed, or its standing did.
    Token {
        /// Whose.
        account: AccountId,
        /// How it stands.
        status: TokenStatus,
    },
    /// What came of [`super::Effect::RefreshToken`]; how the token stands is told by [`Msg::Token`].
    Refreshed {
        /// The number given in the effect.
        request: RequestId,
        /// Why there is no new one.
        result: Result<(), Problem>,
    },
    /// The token asked for by [`super::Effect::TokenToCopy`]. It goes on to the clipboard and is not kept.
    TokenToCopy {
        /// The number given in the effect.
        request: RequestId,
        /// The token.
        result: Result<Secret, Problem>,
    },
    /// Older exchanges, newest first, asked for by [`super::Effect::LoadLog`]; fewer than asked for means
    /// that there are no more.
    Log(Result<Vec<Arc<Exchange>>, Problem>),
    /// A callback was received, or what is done about one went on; the same number replaces what was told before.
    Delivery(Arc<Delivery>),
    /// Older callbacks, newest first, asked for by [`super::Effect::LoadDeliveries`]; fewer than asked for means that
    /// there are no more.
    Deliveries(Result<Vec<Arc<Delivery>>, Problem>),
    /// Whether callbacks can be received.
    Listening(Listening),
    /// An accepted callback names a player.
    Player {
        /// The player's game.
        account: AccountId,
        /// Name and token.
        claim: PlayerClaim,
    },
    /// A callback gave rise to asking an account, and this came of it.
    Asked {
        /// Whom.
        account: AccountId,
        /// What.
        op: Op,
        /// What came back.
        result: Result<Answer, Problem>,
        /// What is expected of the payment it was about.
        expected: Option<Expectation>,
    },
    /// The bytes asked for by [`super::Effect::OpenDelivery`].
    Received {
        /// The number given in the effect.
        request: RequestId,
        /// Redacted.
        result: Result<Received, Problem>,
    },
    /// What came of [`super::Effect::Replay`]: it is under way; how it ends is told by [`Msg::Delivery`].
    Replayed {
        /// The number given in the effect.
        request: RequestId,
        /// Why it cannot be.
        result: Result<(), Problem>,
    },
    /// What was asked for by [`super::Effect::LoadHistory`].
    Timeline {
        /// The number given in the effect.
        request: RequestId,
        /// All that is known.
        result: Result<Timeline, Problem>,
    },
    /// The exchange asked for by [`super::Effect::OpenExchange`].
    Opened {
        /// The number given in the effect.
        request: RequestId,
        /// With its bodies.
        result: Result<Arc<Exchange>, Problem>,
    },
    /// Something the operator should know that is no answer to a question: "the ledger cannot be written", …
    Notice(Notice),
    /// A text went to the clipboard or a page was opened; in words.
    Done(Result<String, Problem>),
    /// How the embedded simulator plays each provider now.
    Simulator(Vec<simulate::Part>),
    /// What came of [`super::Effect::Simulate`].
    Simulated {
        /// What was to happen.
        command: simulate::Command,
        /// What happened, in words.
        result: Result<String, Problem>,
    },
    /// The watch list as it is now, whoever changed it.
    Watchlist {
        /// All of it.
        list: Watchlist,
        /// What was seen before of payments that are new on it, oldest first.
        seen: Vec<(WatchKey, Vec<Observation>)>,
    },
    /// [`super::Effect::Unwatch`] is done, or failed: the stored list says which.
    Unwatched(WatchKey),
    /// The result of [`super::Effect::Watch`] or [`super::Effect::Expect`].
    Watched {
        /// What was to be.
        new: NewWatch,
        /// Within, the other expectation that stays in force.
        result: Result<Option<Expectation>, Problem>,
    },
    /// What came of [`super::Effect::Manage`]. One that was called off too late still brings what was kept.
    Managed {
        /// The number given in the effect.
        request: RequestId,
        /// What is different now.
        result: Result<Changed, Problem>,
    },
}

/// What is known once everything behind the screen is up.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// The operator's time zone.
    pub zone: TimeZone,
    /// What each account's credentials were known to be when the program last ran.
    pub credentials: Vec<(AccountId, CredentialStatus)>,
    /// The payments to watch, with what was seen of them before, oldest first.
    pub watches: Vec<(Watch, Vec<Observation>)>,
    /// Matters that were marked as handled, and when.
    pub handled: Vec<(String, WallTime)>,
    /// The latest exchanges, newest first.
    pub log: Vec<Arc<Exchange>>,
    /// The latest callbacks, newest first.
    pub deliveries: Vec<Arc<Delivery>>,
    /// Whether callbacks can be received.
    pub listening: Listening,
    /// Accounts whose credentials may be verified without being asked (embedded ones).
    pub verify: Vec<AccountId>,
    /// The simulator's address (`http://127.0.0.1:PORT`), where one is running.
    pub simulator: Option<String>,
}

/// One line for the operator, shown until it is dismissed or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How bad it is.
    pub level: Level,
    /// A stable name: a notice replaces the one before it of the same name ("ledger", "clock shop").
    pub about: String,
    /// One sentence, inert.
    pub text: String,
}

/// How bad a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Something works less well than it should.
    Warning,
    /// Something does not work.
    Error,
}

/// A payment to be watched, and what is expected of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWatch {
    /// Whose payment.
    pub account: AccountId,
    /// Which.
    pub id: PaymentId,
    /// What must be paid, where that was said.
    pub expected: Option<Expected>,
    /// Who said it.
    pub by: ExpectedBy,
}

/// Names one payment on the watch list.
pub type WatchKey = (AccountId, PaymentId);
