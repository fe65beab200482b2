//! Payments: their states and the order of them, what was seen, and what was expected.

use std::fmt;

use serde::Serialize;

use super::{AccountId, Amount, Currency, PaymentId, WallTime};

/// Where a payment stands. The names are Kanga's, spelled as Kanga spells them (`CANCELED` with one L,
/// `CANCELLING` with two).
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
    /// Being called off.
    Cancelling,
    /// Called off.
    Canceled,
    /// Went wrong.
    Failed,
    /// A state this version does not know. Treated as open.
    Unknown(String),
}

impl PaymentState {
    /// The way of a payment that goes well.
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

    /// Reads the provider's word; one that is not documented becomes [`PaymentState::Unknown`].
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|state| state.as_str() == word)
            .unwrap_or_else(|| Self::Unknown(word.to_owned()))
    }

    /// The provider's word. An unknown state's word is hostile text until it is made inert.
    #[must_use]
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
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Finalized | Self::Canceled | Self::Failed)
    }

    /// Whether the shop has the money: FINALIZED, nothing else.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        *self == Self::Finalized
    }

    /// Whether a payment in this state can still come to `goal`, states being skippable.
    #[must_use]
    pub fn can_reach(&self, goal: &Self) -> bool {
        let place = |state: &Self| Self::TRACK.iter().position(|s| s == state);
        match (self, goal) {
            (a, b) if a == b => true,
            (a, _) if a.is_final() => false,
            (Self::Unknown(_), _) | (_, Self::Unknown(_) | Self::Failed) => true,
            (Self::Cancelling, goal) => *goal == Self::Canceled,
            (Self::Finalizing, Self::Cancelling | Self::Canceled) => false,
            (_, Self::Cancelling | Self::Canceled) => true,
            (a, b) => place(a) < place(b),
        }
    }
}

impl fmt::Display for PaymentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&super::inert::line(self.as_str()))
    }
}

/// What the provider says of one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The shop's id of it.
    pub id: PaymentId,
    /// Settlement currency.
    pub currency: Currency,
    /// In the settlement currency, as received.
    pub amount: Amount,
    /// Where it stands.
    pub state: PaymentState,
}

/// What the operator expects to be paid. The payment page's URL is unsigned, so a payer can change both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Compared by decimal value.
    pub amount: Amount,
    /// Compared exactly; case matters.
    pub currency: Currency,
}

/// A payment held against what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Nothing was expected.
    NotCompared,
    /// Currency and amount are equal.
    Matches,
    /// The amount is lower than expected, the currency is right.
    Less,
    /// The amount is higher than expected, the currency is right.
    More,
    /// Another currency.
    OtherCurrency,
}

impl Payment {
    /// Holds this payment against what was expected.
    #[must_use]
    pub fn compare(&self, expected: Option<&Expected>) -> Comparison {
        let Some(expected) = expected else {
            return Comparison::NotCompared;
        };
        if self.currency != expected.currency {
            return Comparison::OtherCurrency;
        }
        match self.amount.cmp(&expected.amount) {
            std::cmp::Ordering::Less => Comparison::Less,
            std::cmp::Ordering::Equal => Comparison::Matches,
            std::cmp::Ordering::Greater => Comparison::More,
        }
    }
}

/// A payment as it was seen at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// When the answer arrived.
    pub at: WallTime,
    /// What it said.
    pub payment: Payment,
}

/// A payment the console keeps an eye on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Whose payment it is.
    pub account: AccountId,
    /// The shop's id of it.
    pub id: PaymentId,
    /// What must be paid, where the operator said so.
    pub expected: Option<Expected>,
    /// When the watch began.
    pub since: WallTime,
}

/// What one sum is worth in other currencies, at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate {
    /// Settlement currency that was asked for.
    pub token: Currency,
    /// The sum that was asked for.
    pub quantity: Amount,
    /// Price by paying currency, in the order received.
    pub prices: Vec<Price>,
    /// When the answer arrived.
    pub quoted_at: WallTime,
}

/// One line of an [`Estimate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Price {
    /// Paying currency.
    pub currency: Currency,
    /// What the payer would pay, as received.
    pub amount: Amount,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(amount: &str, currency: &str, state: &str) -> Payment {
        Payment {
            id: PaymentId::new("A-17").unwrap(),
            currency: Currency::new(currency).unwrap(),
            amount: Amount::received(amount).unwrap(),
            state: PaymentState::from_word(state),
        }
    }

    #[test]
    fn only_finalized_is_paid() {
        for state in PaymentState::KNOWN {
            assert_eq!(state.is_paid(), state == PaymentState::Finalized, "{state}");
            assert_eq!(PaymentState::from_word(state.as_str()), state);
        }
        let unknown = PaymentState::from_word("SETTLED");
        assert!(!unknown.is_paid() && !unknown.is_final());
        assert!(
            !PaymentState::from_word("finalized").is_paid(),
            "case matters"
        );
    }

    #[test]
    fn paid_is_only_paid_where_amount_and_currency_are_as_expected() {
        let expected = Expected {
            amount: Amount::typed("0.01").unwrap(),
            currency: Currency::new("BTC").unwrap(),
        };
        let against =
            |amount, currency| payment(amount, currency, "FINALIZED").compare(Some(&expected));
        assert_eq!(against("0.010", "BTC"), Comparison::Matches);
        assert_eq!(against("0.009", "BTC"), Comparison::Less);
        assert_eq!(against("0.011", "BTC"), Comparison::More);
        assert_eq!(against("0.01", "btc"), Comparison::OtherCurrency);
        assert_eq!(
            payment("1", "BTC", "NEW").compare(None),
            Comparison::NotCompared
        );
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
