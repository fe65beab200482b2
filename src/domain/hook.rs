//! The events that an operator can run a program for, a hook. Which payment is which event follows from its verdict.

use serde_json::{Value, json};

use super::{AccountId, Expected, Payment, PaymentVerdict, WallTime};

/// An event that a hook can be configured for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookEvent {
    /// A payment became paid.
    Paid,
    /// A final payment is for less than expected, or in another currency.
    Underpaid,
    /// A payment failed.
    Failed,
    /// Several callbacks of an account in a row were refused.
    CallbackRefused,
    /// The provider rejected an account's credentials.
    CredentialsRejected,
    /// An access token has expired and cannot be renewed.
    TokenFailed,
    /// Most of a rate limit is used.
    RateLimit,
    /// Callbacks cannot be received.
    ReceiverDown,
}

impl HookEvent {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Paid,
        Self::Underpaid,
        Self::Failed,
        Self::CallbackRefused,
        Self::CredentialsRejected,
        Self::TokenFailed,
        Self::RateLimit,
        Self::ReceiverDown,
    ];

    /// The setting under `[hooks]`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Paid => "on_paid",
            Self::Underpaid => "on_underpaid",
            Self::Failed => "on_failed",
            Self::CallbackRefused => "on_callback_refused",
            Self::CredentialsRejected => "on_credentials_rejected",
            Self::TokenFailed => "on_token_failed",
            Self::RateLimit => "on_rate_limit",
            Self::ReceiverDown => "on_receiver_down",
        }
    }

    /// The word in the program's input: the setting without `on_`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.key().trim_start_matches("on_")
    }

    /// The event that a payment with this verdict is.
    #[must_use]
    pub fn of(verdict: PaymentVerdict) -> Option<Self> {
        match verdict {
            PaymentVerdict::Paid => Some(Self::Paid),
            PaymentVerdict::Less | PaymentVerdict::OtherCurrency => Some(Self::Underpaid),
            PaymentVerdict::Failed => Some(Self::Failed),
            PaymentVerdict::More
            | PaymentVerdict::UnreadableAmount
            | PaymentVerdict::NotCompared
            | PaymentVerdict::Open
            | PaymentVerdict::Cancelled => None,
        }
    }
}

/// A payment as the commands and hooks report it.
#[derive(Debug, Clone, Copy)]
pub struct PaymentReport<'a> {
    /// Its account.
    pub account: &'a AccountId,
    /// Its id; in a list it may be invalid.
    pub id: &'a str,
    /// The provider's answer, if there is one.
    pub payment: Option<&'a Payment>,
    /// What is expected.
    pub expected: Option<&'a Expected>,
}

impl PaymentReport<'_> {
    /// The verdict, if there is a payment.
    #[must_use]
    pub fn verdict(&self) -> Option<PaymentVerdict> {
        Some(self.payment?.verdict(self.expected))
    }

    /// As a JSON object; null where nothing is known or expected. `checked_at` is when the provider answered.
    #[must_use]
    pub fn json(&self, checked_at: Option<WallTime>) -> Value {
        let Self {
            account,
            id,
            payment,
            expected,
        } = self;
        json!({
            "account": account,
            "id": id,
            "state": payment.map(|payment| payment.state.as_str()),
            "verdict": self.verdict().map(PaymentVerdict::as_str),
            "paid": self.verdict().and_then(PaymentVerdict::paid),
            "final": payment.map(|payment| payment.state.is_final()),
            "currency": payment.map(|payment| &payment.currency),
            "amount": payment.map(|payment| &payment.amount),
            "expected_currency": expected.map(|sum| &sum.currency),
            "expected_amount": expected.map(|sum| &sum.amount),
            "checked_at": checked_at.map(WallTime::rfc3339),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_paid_payment_is_the_event_paid() {
        for verdict in PaymentVerdict::ALL {
            let is_paid = HookEvent::of(verdict) == Some(HookEvent::Paid);
            assert_eq!(is_paid, verdict.paid() == Some(true), "{verdict:?}");
        }
    }

    #[test]
    fn every_event_has_a_setting_and_a_word_of_its_own() {
        let mut words: Vec<&str> = HookEvent::ALL.map(HookEvent::as_str).into();
        for event in HookEvent::ALL {
            assert_eq!(event.key(), format!("on_{}", event.as_str()));
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), HookEvent::ALL.len());
    }
}
