//! The input of the console before its first frame. Knows nothing about config files.

use std::collections::BTreeMap;

use crate::domain::manage::ProviderSetup;
use crate::domain::{Account, Deadline, Documented, ProviderId};

/// Everything the first frame is drawn from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The profile's name.
    pub profile: String,
    /// Its accounts, in the order of the config file.
    pub accounts: Vec<Account>,
    /// The providers to add accounts for, with the fields that each needs and its guide.
    pub setups: Vec<ProviderSetup>,
    /// Whether machines of a team share the ledger.
    pub is_shared: bool,
    /// Whether accounts can be added and removed; the built-in profile's cannot.
    pub may_manage: bool,
    /// Each provider's documented calls, for the explorer.
    pub catalogues: Vec<(ProviderId, &'static [Documented])>,
    /// The callbacks of each provider that must be answered in time.
    pub deadlines: Vec<(ProviderId, &'static [Deadline])>,
    /// The operator's preferences.
    pub ui: UiOptions,
}

/// The operator's preferences for the screen, the mouse and the keys.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent wishes, as they stand in the config file"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UiOptions {
    /// Which set of colours.
    pub theme: ThemeChoice,
    /// Whether colours are used at all (`NO_COLOR` turns them off).
    pub color: bool,
    /// Whether only ASCII may be drawn.
    pub ascii: bool,
    /// Whether the console uses the mouse.
    pub mouse: bool,
    /// Shows clock times in place of countdowns, so that nothing on screen moves by itself.
    pub reduced_motion: bool,
    /// The names of the panes to show, in their order; empty: all.
    pub panes: Vec<String>,
    /// Keys by action name, in place of the built-in ones.
    pub keys: BTreeMap<String, Vec<String>>,
}

impl Default for UiOptions {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::Auto,
            color: true,
            ascii: false,
            mouse: true,
            reduced_motion: false,
            panes: Vec::new(),
            keys: BTreeMap::new(),
        }
    }
}

/// Which set of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeChoice {
    /// Follows the terminal's background; until it is known, the terminal's own sixteen colours.
    #[default]
    Auto,
    /// Tuned for a dark background.
    Dark,
    /// Tuned for a light background.
    Light,
}
