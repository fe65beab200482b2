//! Players of a game and what they own.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Secret;

/// Kongregate's number of a player. A name may change, the number does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlayerId(pub u64);

impl fmt::Display for PlayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A player who is who they claim to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    /// Who.
    pub id: PlayerId,
    /// The name at the time of asking; not inert.
    pub username: String,
}

/// What an accepted callback says of a player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerClaim {
    /// Number and name; the name is empty where none was sent, and not inert.
    pub player: Player,
    /// The token that authenticates the player, where one was sent.
    pub token: Option<Secret>,
}

/// What a player owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Whose.
    pub player: PlayerId,
    /// In the provider's order.
    pub items: Vec<Item>,
}

/// One thing that a player owns: an instance of an item. No text in it is inert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The instance's number, not that of the item's definition.
    pub id: u64,
    /// The item's name for programs.
    pub identifier: String,
    /// The item's name for people.
    pub name: String,
    /// What it is.
    pub description: String,
    /// How often it can still be used; `None` is without limit.
    pub remaining_uses: Option<u64>,
    /// What the game keeps with it.
    pub data: Option<String>,
}
