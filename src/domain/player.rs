//! Players of a game and what they own.

use serde::{Deserialize, Serialize};

use super::Secret;

/// Kongregate's number of a player. A player may change the name, not the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlayerId(pub u64);

/// An authenticated player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    /// The player's number.
    pub id: PlayerId,
    /// The name when it was queried; not inert.
    pub username: String,
}

/// The player that an accepted callback names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerClaim {
    /// Number and name; the name is empty where none was sent, and not inert.
    pub player: Player,
    /// The token that authenticates the player, where one was sent.
    pub token: Option<Secret>,
}

/// The items of a player.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The owner.
    pub player: PlayerId,
    /// In the provider's order.
    pub items: Vec<Item>,
}

/// One item of a player: an instance of a definition. No text in it is inert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The instance's number, not that of the item's definition.
    pub id: u64,
    /// The item's name for programs.
    pub identifier: String,
    /// The item's name for people.
    pub name: String,
    /// Its description.
    pub description: String,
    /// The remaining uses; `None` is unlimited.
    pub remaining_uses: Option<u64>,
    /// Data that the game stores with it.
    pub data: Option<String>,
}
