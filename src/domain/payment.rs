//! Payments: states and their order, observations and expectations.

use std::fmt;

use serde::Serialize;

use super::{AccountId, Amount, Currency, Expectation, Note, PaymentId, Reported, WallTime, inert};

/// The state of a payment. The names are Kanga's, in Kanga's spelling (`CANCELED` with one L, `CANCELLING` with two);
/// see `docs/providers/kanga.md`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PaymentState {
    /// The payer has opened the payment page.
    New,
    /// The payer may pay; part may have arrived.
    Active,
    /// Paid by the payer, not yet confirmed.
    Processing,
    /// Confirmed, on its way to the shop.
    Finalizing,
    /// The shop has the money. The only state that means paid.
    Finalized,
    /// Being cancelled.
    Cancelling,
    /// Cancelled: nothing was paid.
    Canceled,
    /// Failed: nothing was paid.
    Failed,
    /// A state this version does not know. Treated as open.
    Unknown(String),
}

impl PaymentState {
    /// The states of a successful payment, in order.
    pub const TRACK: [Self; 5] = [
        Self::New,
        Self::Active,
        Self::Processing,
        Self::Finalizing,
        Self::Finalized,
    ];

    /// All states that are documented.
    pub const KNOWN: [Self; 8] = [
        Self::New,
        Self::Active,
        Self::Processing,
        Self::Finalizing,
        Self::Finalized,
        Self::Cancelling,
        Self::Canceled,
        Self::Failed,
    ];

    /// Parses the provider's word; an undocumented one becomes [`PaymentState::Unknown`].
    pub fn from_word(word: &str) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|state| state.as_str() == word)
            .unwrap_or_else(|| Self::Unknown(word.to_owned()))
    }

    /// The provider's word. An unknown state's word is hostile text until it is made inert.
    pub fn as_str(&self) -> &str {
        match self {
            Self::New => "NEW",
            Self::Active => "ACTIVE",
            Self::Processing => "PROCESSING",
            Self::Finalizing => "FINALIZING",
            Self::Finalized => "FINALIZED",
            Self::Cancelling => "CANCELLING",
            Self::Canceled => "CANCELED",
            Self::Failed => "FAILED",
            Self::Unknown(word) => word,
        }
    }

    /// Whether it never changes again: FINALIZED, CANCELED, FAILED.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Finalized | Self::Canceled | Self::Failed)
    }

    /// Whether a payment in this state can still reach `goal`; states may be skipped.
    pub fn can_reach(&self, goal: &Self) -> bool {
        let place = |state: &Self| Self::TRACK.iter().position(|s| s == state);
        match (self, goal) {
            (a, b) if a == b => true,
            (a, _) if a.is_final() => false,
            // Nothing is known of an undocumented state, and any open one can fail
            // (`docs/providers/kanga.md#states`).
            (Self::Unknown(_), _) | (_, Self::Unknown(_) | Self::Failed) => true,
            (Self::Cancelling, goal) => *goal == Self::Canceled,
            // Only from NEW, ACTIVE and PROCESSING (`docs/providers/kanga.md#states`).
            (Self::Finalizing, Self::Cancelling | Self::Canceled) => false,
            (_, Self::Cancelling | Self::Canceled) => true,
            (a, b) => place(a) < place(b),
        }
    }
}

impl fmt::Display for PaymentState {
    /// Inert, and cut where it is too long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&inert::cut(self.as_str(), 40))
    }
}

/// One payment as the provider reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The shop's id.
    pub id: PaymentId,
    /// Settlement currency.
    pub currency: Reported<Currency>,
    /// In the settlement currency.
    pub amount: Reported<Amount>,
    /// Its state.
    pub state: PaymentState,
}

impl Payment {
    /// Amount and currency as received: `25.00 EMT`. Inert.
    pub fn sum(&self) -> String {
        format!("{} {}", self.amount, self.currency)
    }

    /// Whether no later answer can tell more: FINALIZED, with an amount that can be compared.
    pub fn is_settled(&self) -> bool {
        let is_readable = self.amount.read().is_some() && self.currency.read().is_some();
        self.state == PaymentState::Finalized && is_readable
    }
}

/// A payment as observed at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// When the answer arrived.
    pub at: WallTime,
    /// The payment.
    pub payment: Payment,
}

/// A payment on the watch list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The account of the payment.
    pub account: AccountId,
    /// The shop's id.
    pub id: PaymentId,
    /// The expectation in force, where there is one.
    pub expected: Option<Expectation>,
    /// When the watch began.
    pub since: WallTime,
    /// The operator who began it, in a ledger that a team shares; empty in one of this machine alone.
    pub operator: String,
    /// The newest note on the payment.
    pub note: Option<Note>,
}

impl Watch {
    /// A watch that begins now; the ledger names the operator.
    pub fn new(account: AccountId, id: PaymentId, since: WallTime) -> Self {
        Self {
            account,
            id,
            expected: None,
            since,
            operator: String::new(),
            note: None,
        }
    }

    /// What the keys of the payment's notices and alerts begin with.
    pub fn about(&self) -> String {
        about(&self.account, &self.id)
    }
}

/// What the keys of a payment's notices and alerts begin with; an alert's verdict follows after a space.
pub fn about(account: &AccountId, id: &PaymentId) -> String {
    format!("payment {account} {}", id.as_str())
}

/// Whether the subject of a notice, or the key of an alert, is a payment.
pub fn is_about_payment(subject: &str) -> bool {
    subject.starts_with("payment ")
}

/// An alert that was marked as handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// The alert's stable name.
    pub alert: String,
    /// When it was marked.
    pub at: WallTime,
    /// By which operator, in a ledger that a team shares; empty in one of this machine alone.
    pub operator: String,
}

/// One time that an operator marked an alert as handled, or unmarked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The alert's stable name.
    pub alert: String,
    /// When.
    pub at: WallTime,
    /// Whether it was handled from then on.
    pub handled: bool,
    /// As in [`Handled`].
    pub operator: String,
}

/// The watched payments and the handled alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watchlist {
    /// The oldest watch first.
    pub watches: Vec<Watch>,
    /// Alerts that were marked as handled.
    pub handled: Vec<Handled>,
}

/// What a payer would pay in each currency, fee included, at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// The requested settlement currency.
    pub token: Currency,
    /// The requested sum.
    pub quantity: Amount,
    /// Price by paying currency, sorted by its code: the provider's order changes with each response.
    pub prices: Vec<Price>,
    /// When the answer arrived.
    pub quoted_at: WallTime,
}

impl Estimate {
    /// An estimate from prices in any order.
    pub fn new(
        token: Currency,
        quantity: Amount,
        mut prices: Vec<Price>,
        quoted_at: WallTime,
    ) -> Self {
        prices.sort_by(|a, b| a.currency.as_str().cmp(b.currency.as_str()));
        Self {
            token,
            quantity,
            prices,
            quoted_at,
        }
    }
}

/// One line of an [`Estimate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Price {
    /// Paying currency.
    pub currency: Reported<Currency>,
    /// What the payer would pay.
    pub amount: Reported<Amount>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_over_long_state_is_cut_where_it_is_shown() {
        let state = PaymentState::from_word(&format!("\u{1b}{}", "X".repeat(100)));
        assert_eq!(state.to_string(), format!("\\u{{1b}}{}…", "X".repeat(33)));
        assert_eq!(state.as_str().len(), 101);
    }

    #[test]
    fn states_reach_only_what_lies_ahead() {
        use PaymentState::{
            Active, Canceled, Cancelling, Failed, Finalized, Finalizing, New, Processing, Unknown,
        };
        assert!(New.can_reach(&Finalized));
        assert!(!Processing.can_reach(&Active));
        assert!(Processing.can_reach(&Canceled));
        assert!(!Finalizing.can_reach(&Canceled));
        assert!(Finalizing.can_reach(&Failed));
        assert!(!Cancelling.can_reach(&Finalized));
        assert!(!Finalized.can_reach(&Failed));
        assert!(!Canceled.can_reach(&Finalized));
        assert!(Unknown("X".into()).can_reach(&Finalized));
    }
}
