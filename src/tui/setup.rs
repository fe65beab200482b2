//! The input of the console before its first frame. Knows nothing about config files.

use crate::domain::manage::ProviderSetup;
use crate::domain::ui::ConfigPosition;
use crate::domain::{
    Account, AccountId, Color, Deadline, DeliveryId, DocumentedCall, Environment, ExchangeId,
    PaymentId, ProviderId, Ui,
};

/// Everything the first frame is drawn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The profile's name.
    pub profile: String,
    /// Every profile that can be opened, the built-in one among them.
    pub profiles: Vec<ProfileEntry>,
    /// Its accounts, in the order of the config file.
    pub accounts: Vec<Account>,
    /// The providers to add accounts for, with the fields that each needs and its guide.
    pub setups: Vec<ProviderSetup>,
    /// Whether machines of a team share the ledger.
    pub is_shared: bool,
    /// Whether accounts can be added to the profile and removed from it; the built-in one's are fixed.
    pub may_manage: bool,
    /// Each provider's documented calls, for the explorer.
    pub catalogues: Vec<(ProviderId, &'static [DocumentedCall])>,
    /// The recording that is shown in place of an account's requests.
    pub recording: Option<Recording>,
    /// The callbacks of each provider that must be answered in time.
    pub deadlines: Vec<(ProviderId, &'static [Deadline])>,
    /// The operator's preferences; `ascii` also where the terminal draws nothing else.
    pub ui: Ui,
    /// The profile's colour: its name in the header, keys, and the frame of the focused pane.
    pub tint: Option<Color>,
    /// Whether colours are used at all (`NO_COLOR` turns them off).
    pub color: bool,
}

/// A profile, as the list of profiles shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileEntry {
    /// Its name.
    pub name: String,
    /// Whether it is the built-in simulator.
    pub built_in: bool,
    /// Whether it opens without `--profile`.
    pub is_default: bool,
    /// The environment of each of its accounts.
    pub accounts: Vec<Environment>,
}

/// A recording of requests: nothing is sent, and nothing saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The path of its file, as it was given.
    pub path: String,
    /// What the operator must know of it first: what is left out, and which secrets are not replaced.
    pub notes: Vec<String>,
}

/// A place in the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenTarget {
    /// An account.
    Account(AccountId),
    /// A payment: in the list, else its timeline.
    Payment {
        /// Its account; `None`: the one that watches it, else the only one with payments.
        account: Option<AccountId>,
        /// Its id.
        id: PaymentId,
    },
    /// A saved request.
    Request(ExchangeId),
    /// A saved callback.
    Callback(DeliveryId),
}

/// Why the console cannot use its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupError {
    /// Where it is in the config file.
    pub place: ConfigPosition,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub hint: &'static str,
}
