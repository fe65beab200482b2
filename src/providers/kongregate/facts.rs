//! The constants of Kongregate's protocol that the client and its simulator both need (`docs/providers/kongregate.md`).

/// A player's inventory has changed.
pub const INVENTORY: &str = "invalidate_user_inventory";
/// A player wants to buy something; the game answers with its items and price.
pub const ORDER_REQUEST: &str = "item_order_request";
/// The player has accepted the price: the game delivers, and Kongregate charges the player if the game answers "completed".
pub const ORDER_PLACED: &str = "item_order_placed";

/// The field of a signed request.
pub const SIGNED_REQUEST: &str = "signed_request";
/// The one algorithm of signed requests.
pub const ALGORITHM: &str = "HMAC-SHA256";

/// The first token of the simulator's player in the examples. It protects nothing.
pub const TOKEN_1001: &str = "SANDBOX-TOKEN-1001-1";
