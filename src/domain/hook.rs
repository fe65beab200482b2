//! The events that an operator can run a program for, a hook. Which payment is which event follows from its verdict.

use std::time::Duration;

use serde_json::{Value, json};

use super::words::words;
use super::{AccountId, Expected, Payment, PaymentId, PaymentVerdict, WallTime};

/// How long the program of a hook may run.
pub const HOOK_LIMIT: Duration = Duration::from_secs(10);

/// Begins the subject of a notice about a hook.
const HOOK: &str = "hook ";

/// Whether a notice with this subject is about a hook.
pub fn is_about_hook(subject: &str) -> bool {
    subject.starts_with(HOOK)
}

/// The name of the alert for a notice with this subject.
pub fn notice_alert(subject: &str) -> String {
    format!("notice {subject}")
}

words! {
    /// An event that a hook can be configured for, by its word in the program's input and in the ledger.
    #[derive(Hash, PartialOrd, Ord)]
    pub enum HookEvent {
        /// A payment became paid.
        Paid = "paid",
        /// A final payment is for less than expected, in another currency, or for an amount that cannot be read.
        Underpaid = "underpaid",
        /// A final payment is for more than expected.
        Overpaid = "overpaid",
        /// A payment failed.
        Failed = "failed",
        /// Several callbacks of an account in a row were refused.
        CallbackRefused = "callback_refused",
        /// The provider rejected an account's credentials.
        CredentialsRejected = "credentials_rejected",
        /// An access token has expired and cannot be renewed.
        TokenFailed = "token_failed",
        /// Most of a rate limit is used.
        RateLimit = "rate_limit",
        /// Callbacks cannot be received.
        ReceiverDown = "receiver_down",
    }
}

impl HookEvent {
    /// The events of payments, which run a program once for each payment.
    pub const OF_PAYMENTS: [Self; 4] = [Self::Paid, Self::Underpaid, Self::Overpaid, Self::Failed];

    /// The settings under `[hooks]`, in the order of the events.
    pub const SETTINGS: [&'static str; Self::ALL.len()] = [
        "on_paid",
        "on_underpaid",
        "on_overpaid",
        "on_failed",
        "on_callback_refused",
        "on_credentials_rejected",
        "on_token_failed",
        "on_rate_limit",
        "on_receiver_down",
    ];

    /// The setting of its program: its word after `on_`.
    pub fn setting(self) -> &'static str {
        Self::SETTINGS[self as usize]
    }

    /// The subject of notices about the hook, for a payment or for none.
    pub fn about(self, of: Option<(&AccountId, &PaymentId)>) -> String {
        let key = self.setting();
        of.map_or_else(
            || format!("{HOOK}{key}"),
            |(account, id)| format!("{HOOK}{key} of {id} ({account})"),
        )
    }

    /// The subject of notices about the hook of a payment, where it is not known which one that is.
    pub fn about_any(account: &AccountId, id: &PaymentId) -> String {
        format!("{HOOK}of {id} ({account})")
    }

    /// The name of the alert that the hook of a payment has failed.
    pub fn failure_alert(self, account: &AccountId, id: &PaymentId) -> String {
        notice_alert(&self.about(Some((account, id))))
    }

    /// The event that a payment with this verdict is.
    pub fn of(verdict: PaymentVerdict) -> Option<Self> {
        match verdict {
            PaymentVerdict::Paid => Some(Self::Paid),
            PaymentVerdict::Less
            | PaymentVerdict::OtherCurrency
            | PaymentVerdict::UnreadableAmount => Some(Self::Underpaid),
            PaymentVerdict::More => Some(Self::Overpaid),
            PaymentVerdict::Failed => Some(Self::Failed),
            PaymentVerdict::NotCompared | PaymentVerdict::Open | PaymentVerdict::Cancelled => None,
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
    pub fn verdict(&self) -> Option<PaymentVerdict> {
        Some(self.payment?.verdict(self.expected))
    }

    /// As a JSON object; null where nothing is known or expected. `checked_at` is when the provider answered.
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
            assert_eq!(event.setting(), format!("on_{}", event.as_str()));
        }
    }
}
