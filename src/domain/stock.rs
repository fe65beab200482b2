//! Keys for sale, uploaded one by one.

use super::Secret;

/// A key to add to the stock of an offer.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The offer's id at the provider.
    pub offer: String,
    /// The key itself: goods, and as secret as credentials.
    pub key: Secret,
}

/// What the provider did with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uploaded {
    /// It is in stock, under this id.
    Added(String),
    /// It was there before.
    Known,
}
