//! What callbacks report.

use serde::{Deserialize, Serialize};

use super::super::facts::{INVENTORY, ORDER_PLACED, ORDER_REQUEST};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    Inventory {
        player: u64,
    },
    /// An undocumented event, in plain fields.
    Unknown {
        player: u64,
    },
    /// An undocumented event, signed.
    UnknownSigned {
        player: u64,
    },
    /// Asks for this order's items and price.
    OrderRequest {
        order: u64,
    },
    /// The player accepted the price.
    OrderPlaced {
        order: u64,
    },
}

impl EventKind {
    pub fn event(self) -> &'static str {
        match self {
            Self::Inventory { .. } => INVENTORY,
            Self::Unknown { .. } | Self::UnknownSigned { .. } => "badge_awarded",
            Self::OrderRequest { .. } => ORDER_REQUEST,
            Self::OrderPlaced { .. } => ORDER_PLACED,
        }
    }
}
