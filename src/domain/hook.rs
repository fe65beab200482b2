//! The events that an operator can run a program for, a hook. Which payment is which event follows from its verdict.

use serde_json::{Value, json};

use super::words::words;
use super::{AccountId, Expected, Payment, PaymentId, PaymentVerdict, WallTime};

/// Begins the subject of a notice about a hook.
const HOOK: &str = "hook ";

/// Whether a notice with this subject is about a hook.
#[must_use]
pub fn is_about_hook(subject: &str) -> bool {
    subject.starts_with(HOOK)
}

words! {
    /// An event that a hook can be configured for, with its setting under `[hooks]`.
    #[derive(Hash, PartialOrd, Ord)]
    pub enum HookEvent {
        /// A payment became paid.
        Paid = "on_paid",
        /// A final payment is for less than expected, or in another currency.
        Underpaid = "on_underpaid",
        /// A payment failed.
        Failed = "on_failed",
        /// Several callbacks of an account in a row were refused.
        CallbackRefused = "on_callback_refused",
        /// The provider rejected an account's credentials.
        CredentialsRejected = "on_credentials_rejected",
        /// An access token has expired and cannot be renewed.
        TokenFailed = "on_token_failed",
        /// Most of a rate limit is used.
        RateLimit = "on_rate_limit",
        /// Callbacks cannot be received.
        ReceiverDown = "on_receiver_down",
    }
}

impl HookEvent {
    /// The word in the program's input and in the ledger: the setting without `on_`.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.as_str().trim_start_matches("on_")
    }

    /// The subject of notices about the hook, for a payment or for none.
    #[must_use]
    pub fn about(self, of: Option<(&AccountId, &PaymentId)>) -> String {
        let key = self.as_str();
        of.map_or_else(
            || format!("{HOOK}{key}"),
            |(account, id)| format!("{HOOK}{key} of {id} ({account})"),
        )
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
    fn the_setting_of_an_event_is_its_word_after_on() {
        for event in HookEvent::ALL {
            assert_eq!(event.as_str(), format!("on_{}", event.word()));
        }
    }
}
