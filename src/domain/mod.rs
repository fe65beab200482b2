//! The nouns: plain data every layer speaks in. No I/O, no clock, no network.
//!
//! Besides `std` and `serde` it leans on small libraries of plain values: `jiff` (instants and how they are printed),
//! `rust_decimal` and `num-bigint` (exact arithmetic), `secrecy` (memory wiped on drop), `encoding_rs` and `base64`.

pub mod account;
pub mod amount;
mod bad_json;
pub mod budget;
pub mod catalogue;
pub mod cents;
pub mod charset;
pub mod curl;
pub mod delivery;
pub mod exchange;
pub mod expectation;
pub mod explore;
pub mod fill;
mod filled;
pub mod finding;
pub mod follow_up;
mod hex;
pub mod hook;
pub mod host;
pub mod id;
pub mod inert;
pub mod job;
pub mod link;
pub mod manage;
pub mod note;
pub mod op;
pub mod order_list;
pub mod payment;
pub mod player;
pub mod problem;
pub mod raw_path;
mod recent;
pub mod reported;
pub mod search;
pub mod secret;
pub mod simulate;
pub mod since;
pub mod stock;
mod theme;
pub mod time;
pub mod timeline;
pub mod token;
pub mod ui;
pub mod unique_keys;
pub mod verdict;
pub(crate) mod words;

pub use account::{Ability, Account, CredentialState, CredentialStatus, Environment, ProviderId};
pub use amount::{Amount, Currency, Total};
pub use bad_json::{bad_json, bad_json_reason};
pub use budget::{BudgetGauge, Counts, Waiting};
pub use catalogue::{DocumentedCall, FollowUp};
pub use delivery::{
    CallbackVerdict, Deadline, Delivery, DeliveryId, ListenerStatus, REFUSED_IN_A_ROW, Received,
    Subject, refused_in_a_row,
};
pub use exchange::{Body, Exchange, ExchangeId, Outcome};
pub use expectation::{Expectation, Expected, ExpectedBy, NewExpectation, Replaced};
pub use explore::{AuthMethod, Column, ColumnKind, Digest, Explored, RawCall, RawReply};
pub use filled::filled;
pub use finding::{Finding, Health, Tally};
pub use follow_up::RowIds;
pub use hex::hex;
pub use hook::{HOOK_LIMIT, HookEvent, PaymentReport, is_about_hook, notice_alert};
pub use id::{AccountId, PAYMENT_ID_MAX, PaymentId, RequestId};
pub use job::{CheckedPayment, Job, JobId, JobKind, JobState, LoadedInventory};
pub use link::{LinkRequest, PaymentLink};
pub use note::Note;
pub use op::{Answer, EstimateRequest, Op, PlayerToken};
pub use payment::{Estimate, Handled, Mark, Observation, Payment, PaymentState, Watch, Watchlist};
pub use player::{Inventory, Item, Player, PlayerClaim, PlayerId};
pub use problem::{Problem, ProblemKind};
pub use recent::Recent;
pub use reported::Reported;
pub use search::{Search, StatusFilter};
pub use secret::Secret;
pub use theme::{Color, Colors, ThemeChoice, Tone};
pub use time::{Now, WallTime};
pub use timeline::{Timeline, TimelineEntry, TimelineEvent};
pub use token::{StoredIn, TokenFailure, TokenLifetime, TokenState, TokenStatus};
pub use ui::{Notify, Ui, Words};
pub use verdict::PaymentVerdict;

id::shown_as_number!(DeliveryId, ExchangeId, PlayerId);
