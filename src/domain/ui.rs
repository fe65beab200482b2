//! The operator's preferences for the console, as the config file has them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use super::words::words;
use super::{Colors, ThemeChoice};

/// The console's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, each a line in the file"
)]
pub struct Ui {
    /// The set of colors.
    pub theme: ThemeChoice,
    /// The operator's own colors, in place of the theme's.
    pub colors: Colors,
    /// Draws lines and marks in plain ASCII.
    pub ascii: bool,
    /// Whether the console uses the mouse.
    pub mouse: bool,
    /// Disables animation.
    pub reduced_motion: bool,
    /// Whether the console verifies all credentials at its start.
    pub verify_on_start: bool,
    /// Whether the console restores the panes, filters and selection of the last run.
    pub restore: bool,
    /// How the terminal shows that something needs attention.
    pub notify: BTreeSet<Notify>,
    /// The names of the panes to show, in their order; none: all. The console checks the names.
    pub panes: Option<Words>,
    /// Keys by action name; the console checks the actions and keys.
    pub keys: BTreeMap<String, Words>,
}

impl Default for Ui {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::Auto,
            colors: Colors::new(),
            ascii: false,
            mouse: true,
            reduced_motion: false,
            verify_on_start: false,
            restore: true,
            notify: BTreeSet::from([Notify::Bell, Notify::Title]),
            panes: None,
            keys: BTreeMap::new(),
        }
    }
}

words! {
    /// A way for the terminal to show that something needs attention. The words are those of the file.
    #[derive(PartialOrd, Ord)]
    pub enum Notify {
        /// The bell.
        Bell = "bell",
        /// A notification of the desktop.
        Desktop = "desktop",
        /// The window's title.
        Title = "title",
    }
}

/// The words of a setting that only the console can check, and their position in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    /// As written: `ctrl-r`.
    pub words: Vec<String>,
    /// For an error message.
    pub place: ConfigPosition,
}

/// A position in the config file, with its line as it may be shown: keys, and `…` for each value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigPosition {
    /// The file.
    pub path: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// In characters of the file's line, counted from 1.
    pub column: usize,
    /// The line, without its values.
    pub shown: String,
    /// The part of `shown` that is meant.
    pub mark: Range<usize>,
}
