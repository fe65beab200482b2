//! Where the console gets its profiles from. This layer knows no config file: the command line implements it.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use crate::config::Profile;
use crate::deck::Options;
use crate::domain::{AccountId, Environment, Notify, Problem, ProblemKind};
use crate::tui::{Model, ScreenState};

/// What a profile opens with.
pub struct ProfileStart {
    /// The console's model before its first frame.
    pub model: Model,
    /// The profile.
    pub profile: Profile,
    /// The deck's options; `events` and `renew` are set when it opens.
    pub options: Options,
    /// Whether real accounts are verified at start without asking.
    pub verify_on_start: bool,
    /// How the terminal shows that something needs attention.
    pub notify: BTreeSet<Notify>,
}

/// The result of reading the configuration again.
pub enum Reload {
    /// Unchanged.
    Same,
    /// Changed; applied later.
    Waits,
    /// Only settings of the console changed: the deck stays open.
    Screen(Box<ProfileStart>),
    /// Settings of the deck changed: it must be opened again. They apply from [`ProfileSource::take_over`] on.
    Deck(Box<ProfileStart>),
}

/// The profiles that the console can open, and their changes. By default there is no other profile and no change.
pub trait ProfileSource: Send + Sync {
    /// Reads the configuration, which is in force from now on, and what a profile opens with.
    ///
    /// # Errors
    /// If it cannot be used, or has no such profile; the earlier one stays in force.
    fn open(&self, _profile: &str) -> Result<ProfileStart, Problem> {
        Err(none())
    }

    /// The profile that a new account goes to from the built-in one, which need not exist yet.
    ///
    /// # Errors
    /// If the configuration cannot be used, or the operator must choose among several.
    fn home_of(&self, _environment: Environment) -> Result<(Profile, Options), Problem> {
        Err(none())
    }

    /// Reports each change of the configuration since it was read. Called once, on a runtime.
    fn changes(&self) -> mpsc::Receiver<()> {
        mpsc::channel(1).1
    }

    /// Reads the configuration again. A change is in force from now on, unless it concerns the deck, or the console is
    /// `busy`: then it waits.
    ///
    /// # Errors
    /// If it cannot be used; the earlier one stays in force.
    fn reload(&self, _busy: bool) -> Result<Reload, Problem> {
        Ok(Reload::Same)
    }

    /// Puts what the last [`Reload::Deck`] has read in force: that deck opens now.
    fn take_over(&self) {}

    /// Whether the configuration, as it was last read, names another ledger than the one in force. Only a restart takes
    /// that over.
    fn awaits_restart(&self) -> bool {
        false
    }

    /// Notes that the open deck itself changed this account: it needs no new deck.
    fn changed_here(&self, _account: &AccountId) {}

    /// Saves the screen of a profile, for the next time that it opens.
    fn save_screen(&self, _profile: &str, _screen: &ScreenState) {}
}

/// Has no profile and changes nothing: a recording has the screen alone.
pub struct NoProfiles;

impl ProfileSource for NoProfiles {}

fn none() -> Problem {
    Problem::new(
        ProblemKind::Usage,
        "a recording has no profiles",
        "quit, and open `tilldeck` without a recording",
    )
}
