//! The verdict on a payment. This is the only place that decides "paid"; screen, command line, exports and hooks use
//! it.

use std::cmp::Ordering;

use super::words::words;
use super::{Expected, Payment, PaymentState, Tone, inert};

words! {
    /// The verdict on a payment, by its state, the sum that was reported and the sum that was expected.
    /// Those that need attention come first. The words are those of JSON, CSV and filters.
    #[derive(Hash, PartialOrd, Ord)]
    pub enum PaymentVerdict {
        /// FINALIZED, and less than expected.
        Less = "less",
        /// FINALIZED, in another currency than expected.
        OtherCurrency = "other_currency",
        /// FINALIZED, with an amount or a currency that cannot be read.
        UnreadableAmount = "unreadable_amount",
        /// FINALIZED, and more than expected.
        More = "more",
        /// FAILED.
        Failed = "failed",
        /// FINALIZED, with nothing to compare it with.
        NotCompared = "not_compared",
        /// Not final: the money may still come.
        Open = "open",
        /// FINALIZED, with the amount and the currency that were expected.
        Paid = "paid",
        /// CANCELED.
        Cancelled = "cancelled",
    }
}

impl PaymentVerdict {
    /// Whether it is paid; `None` where it is FINALIZED and could not be compared.
    pub fn paid(self) -> Option<bool> {
        match self {
            Self::Paid => Some(true),
            Self::NotCompared | Self::UnreadableAmount => None,
            Self::Open
            | Self::Less
            | Self::More
            | Self::OtherCurrency
            | Self::Cancelled
            | Self::Failed => Some(false),
        }
    }

    /// In plain words, shown behind the state.
    pub fn words(self) -> &'static str {
        match self {
            Self::Open => "not paid yet",
            Self::Paid => "paid",
            Self::Less => "less than expected",
            Self::More => "more than expected",
            Self::OtherCurrency => "other currency",
            Self::NotCompared => "amount not compared",
            Self::UnreadableAmount => "amount not readable",
            Self::Cancelled | Self::Failed => "not paid",
        }
    }

    /// How much attention it needs, as its colour.
    pub fn tone(self) -> Tone {
        match self {
            Self::Open => Tone::Busy,
            Self::Paid => Tone::Good,
            Self::Less | Self::OtherCurrency | Self::Failed => Tone::Bad,
            Self::More | Self::NotCompared | Self::UnreadableAmount => Tone::Warn,
            Self::Cancelled => Tone::Dim,
        }
    }

    /// Whether the operator must act. A payment without an expected amount is not an alert by itself.
    pub fn needs_attention(self) -> bool {
        match self {
            Self::Less
            | Self::More
            | Self::OtherCurrency
            | Self::UnreadableAmount
            | Self::Failed => true,
            Self::Open | Self::Paid | Self::NotCompared | Self::Cancelled => false,
        }
    }

    /// How the received sum relates to the expected one, for a narrow column: a sign and words. Empty until there is
    /// money to compare.
    pub fn mark(self) -> (&'static str, &'static str) {
        match self {
            Self::Paid => ("=", "as expected"),
            Self::Less => ("<", "less"),
            Self::More => (">", "more"),
            Self::OtherCurrency => ("≠", "currency"),
            Self::UnreadableAmount => ("?", "unreadable"),
            Self::NotCompared => ("·", "not compared"),
            Self::Open | Self::Cancelled | Self::Failed => ("", ""),
        }
    }
}

impl Payment {
    /// Its verdict.
    pub fn verdict(&self, expected: Option<&Expected>) -> PaymentVerdict {
        match self.state {
            PaymentState::Canceled => PaymentVerdict::Cancelled,
            PaymentState::Failed => PaymentVerdict::Failed,
            PaymentState::Finalized => self.verdict_once_finalized(expected),
            PaymentState::New
            | PaymentState::Active
            | PaymentState::Processing
            | PaymentState::Finalizing
            | PaymentState::Cancelling
            | PaymentState::Unknown(_) => PaymentVerdict::Open,
        }
    }

    /// What the verdict is in the state FINALIZED, with the sum as it is now.
    pub fn verdict_once_finalized(&self, expected: Option<&Expected>) -> PaymentVerdict {
        let (Some(amount), Some(currency)) = (self.amount.read(), self.currency.read()) else {
            // Before the expectation is looked at: an unreadable amount is worth a warning without one, too.
            return PaymentVerdict::UnreadableAmount;
        };
        let Some(expected) = expected else {
            return PaymentVerdict::NotCompared;
        };
        // Before the amount: sums of two currencies cannot be compared.
        if *currency != expected.currency {
            return PaymentVerdict::OtherCurrency;
        }
        match amount.cmp(&expected.amount) {
            Ordering::Less => PaymentVerdict::Less,
            Ordering::Equal => PaymentVerdict::Paid,
            Ordering::Greater => PaymentVerdict::More,
        }
    }

    fn other_currency(&self, expected: Option<&Expected>) -> &'static str {
        let has = self.currency.as_str();
        // `emt` for `EMT` is easy to overlook.
        match expected {
            Some(expected) if expected.currency.as_str().eq_ignore_ascii_case(has) => {
                "another currency (capital letters count)"
            }
            _ => "another currency",
        }
    }

    /// How the payment differs from the expectation, in words, in any state. For an open payment it is a warning: the
    /// page's URL is unsigned, so its payer can change the amount.
    pub fn departure(&self, expected: Option<&Expected>) -> Option<&'static str> {
        match self.verdict_once_finalized(expected) {
            PaymentVerdict::Less => Some("less than expected"),
            PaymentVerdict::More => Some("more than expected"),
            PaymentVerdict::OtherCurrency => Some(self.other_currency(expected)),
            PaymentVerdict::UnreadableAmount => expected.map(|_| "not readable"),
            _ => None,
        }
    }

    /// Whether the operator must act: the verdict says so, or the payer of an open payment changed the amount.
    pub fn needs_attention(&self, expected: Option<&Expected>) -> bool {
        let verdict = self.verdict(expected);
        verdict.needs_attention()
            || verdict == PaymentVerdict::Open && self.departure(expected).is_some()
    }

    /// By how much the received sum is above or below the expected one: `+5`, `-249.00`, `0`. `None` where they cannot
    /// be compared.
    pub fn difference(&self, expected: &Expected) -> Option<String> {
        let amount = self.amount.read()?;
        if self.currency.read() != Some(&expected.currency) {
            return None;
        }
        amount.difference(&expected.amount)
    }

    /// A glyph and a word for a list: `PAID` where it is paid, else the provider's own word.
    pub fn badge(&self, expected: Option<&Expected>) -> (&'static str, String) {
        let verdict = self.verdict(expected);
        let glyph = match (verdict, &self.state) {
            (PaymentVerdict::Paid, _) => "✔",
            (PaymentVerdict::NotCompared, _) => "●",
            (PaymentVerdict::Failed, _) => "✘",
            (PaymentVerdict::Open, _) if self.needs_attention(expected) => "!",
            (PaymentVerdict::Open, PaymentState::New) => "○",
            (PaymentVerdict::Cancelled, _) | (PaymentVerdict::Open, PaymentState::Cancelling) => {
                "×"
            }
            (PaymentVerdict::Open, PaymentState::Unknown(_)) => "?",
            (PaymentVerdict::Open, _) => "◉",
            (
                PaymentVerdict::Less
                | PaymentVerdict::More
                | PaymentVerdict::OtherCurrency
                | PaymentVerdict::UnreadableAmount,
                _,
            ) => "!",
        };
        let word = match verdict {
            PaymentVerdict::Paid => "PAID".to_owned(),
            _ => self.state.to_string(),
        };
        (glyph, word)
    }

    /// How much attention it needs, as its colour.
    pub fn tone(&self, expected: Option<&Expected>) -> Tone {
        let verdict = self.verdict(expected);
        let odd = matches!(
            self.state,
            PaymentState::Cancelling | PaymentState::Unknown(_)
        );
        match verdict {
            // The payer may have changed the link: a warning while there is time to act.
            PaymentVerdict::Open if odd || self.needs_attention(expected) => Tone::Warn,
            verdict => verdict.tone(),
        }
    }

    /// The verdict and what to do, in a sentence. Inert.
    pub fn explain(&self, expected: Option<&Expected>) -> String {
        // First: a narrow row cuts the end.
        const STOP: &str = "DO NOT DELIVER";
        const COMPARE: &str = "compare with the order before you deliver";
        let sum = self.sum();
        let wanted = expected.map(ToString::to_string).unwrap_or_default();
        let differs = |then: &str| format!("{then} · expected {wanted}, received {sum}");
        match self.verdict(expected) {
            PaymentVerdict::Paid => format!("PAID: expected {wanted}, received {sum}"),
            PaymentVerdict::Less => differs(STOP),
            PaymentVerdict::OtherCurrency => {
                format!("{}: {}", differs(STOP), self.other_currency(expected))
            }
            PaymentVerdict::More => differs("CHECK BEFORE YOU DELIVER"),
            PaymentVerdict::NotCompared => {
                format!("received {sum}, no expected amount: {COMPARE}")
            }
            PaymentVerdict::UnreadableAmount => {
                format!("FINALIZED, but the amount cannot be read ({sum}): {COMPARE}")
            }
            PaymentVerdict::Cancelled => format!("{STOP} · cancelled: {sum} was not paid"),
            PaymentVerdict::Failed => format!("{STOP} · failed: {sum} was not paid"),
            PaymentVerdict::Open => match self.departure(expected) {
                Some(how) => format!(
                    "{STOP} · not paid yet: expected {wanted}, but the payment is for {sum}, {how}"
                ),
                None => format!("not paid yet, {sum}: {}", meaning(&self.state)),
            },
        }
    }
}

/// What an open state means.
fn meaning(state: &PaymentState) -> String {
    match state {
        PaymentState::New => "the payer has opened the page".into(),
        PaymentState::Active => "waiting for the payer; a part may have arrived".into(),
        PaymentState::Processing => "the payer has paid, the network has not confirmed it".into(),
        PaymentState::Finalizing => "confirmed, on its way to the shop".into(),
        PaymentState::Cancelling => "being cancelled".into(),
        PaymentState::Unknown(word) => format!(
            "{} is a state this version does not know, treated as open",
            inert::quoted(word, 24)
        ),
        PaymentState::Finalized | PaymentState::Canceled | PaymentState::Failed => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Amount, Currency, PaymentId, Reported};

    fn payment(state: &str, amount: &str, currency: &str) -> Payment {
        Payment {
            id: PaymentId::new("A-17").unwrap(),
            currency: Reported::currency(currency),
            amount: Reported::amount(amount),
            state: PaymentState::from_word(state),
        }
    }

    fn expected(amount: &str, currency: &str) -> Expected {
        Expected {
            amount: Amount::typed(amount).unwrap(),
            currency: Currency::new(currency).unwrap(),
        }
    }

    #[test]
    fn only_finalized_with_the_expected_amount_and_currency_is_paid() {
        let wanted = expected("0.01", "BTC");
        for (state, amount, currency, verdict) in [
            ("FINALIZED", "0.010", "BTC", PaymentVerdict::Paid),
            ("FINALIZED", "1E-2", "BTC", PaymentVerdict::Paid),
            ("FINALIZED", "0.009", "BTC", PaymentVerdict::Less),
            ("FINALIZED", "0E-8", "BTC", PaymentVerdict::Less),
            ("FINALIZED", "0.011", "BTC", PaymentVerdict::More),
            ("FINALIZED", "0.01", "btc", PaymentVerdict::OtherCurrency),
            ("FINALIZED", "", "BTC", PaymentVerdict::UnreadableAmount),
            (
                "FINALIZED",
                "-0.01",
                "BTC",
                PaymentVerdict::UnreadableAmount,
            ),
            ("FINALIZED", "0.01", "", PaymentVerdict::UnreadableAmount),
            ("finalized", "0.01", "BTC", PaymentVerdict::Open),
            ("SETTLED", "0.01", "BTC", PaymentVerdict::Open),
            ("FAILED", "0.01", "BTC", PaymentVerdict::Failed),
            ("CANCELED", "0.01", "BTC", PaymentVerdict::Cancelled),
        ] {
            let payment = payment(state, amount, currency);
            assert_eq!(payment.verdict(Some(&wanted)), verdict, "{payment:?}");
            assert_eq!(
                payment.verdict(Some(&wanted)).paid() == Some(true),
                payment.badge(Some(&wanted)).1 == "PAID",
                "{payment:?}"
            );
        }
        for state in PaymentState::KNOWN {
            let payment = payment(state.as_str(), "0.01", "BTC");
            assert_ne!(payment.verdict(None).paid(), Some(true), "{state}");
            let paid = payment.verdict(Some(&wanted)).paid() == Some(true);
            assert_eq!(paid, state == PaymentState::Finalized, "{state}");
        }
    }

    #[test]
    fn finalized_that_could_not_be_compared_is_neither_paid_nor_unpaid() {
        let finalized = payment("FINALIZED", "25", "EMT");
        assert_eq!(finalized.verdict(None), PaymentVerdict::NotCompared);
        assert_eq!(finalized.verdict(None).paid(), None);
        assert!(!finalized.needs_attention(None));
        let unreadable = payment("FINALIZED", "abc", "EMT");
        assert_eq!(unreadable.verdict(None).paid(), None);
        assert!(unreadable.needs_attention(None));
        assert!(unreadable.explain(None).contains("abc EMT"));
    }

    #[test]
    fn nothing_is_compared_before_there_is_money_but_a_changed_price_is_a_warning() {
        let wanted = expected("25.00", "EMT");
        for state in ["NEW", "ACTIVE", "FINALIZING", "FAILED", "CANCELED"] {
            let payment = payment(state, "25.00", "EMT");
            assert_eq!(payment.verdict(Some(&wanted)).mark(), ("", ""), "{state}");
        }
        let changed = payment("ACTIVE", "0.01", "EMT");
        assert_eq!(changed.verdict(Some(&wanted)), PaymentVerdict::Open);
        assert!(changed.needs_attention(Some(&wanted)));
        assert_eq!(changed.badge(Some(&wanted)).0, "!");
        assert_eq!(changed.tone(Some(&wanted)), Tone::Warn);
        assert!(
            changed
                .explain(Some(&wanted))
                .starts_with("DO NOT DELIVER · ")
        );
        assert!(!payment("ACTIVE", "", "").needs_attention(None));
    }

    #[test]
    fn the_difference_is_exact_and_signed() {
        let wanted = expected("250", "EMT");
        let differs = |amount, currency| payment("FINALIZED", amount, currency).difference(&wanted);
        assert_eq!(differs("1", "EMT").as_deref(), Some("-249"));
        assert_eq!(differs("250.00", "EMT").as_deref(), Some("0"));
        assert_eq!(differs("255.5", "EMT").as_deref(), Some("+5.5"));
        assert_eq!(differs("250", "BTC"), None);
        assert_eq!(differs("?", "EMT"), None);
    }

    #[test]
    fn every_verdict_has_a_word_of_its_own() {
        for verdict in PaymentVerdict::ALL {
            assert_eq!(PaymentVerdict::from_word(verdict.as_str()), Some(verdict));
            assert!(!verdict.words().is_empty());
            let good = verdict.tone() == Tone::Good;
            assert_eq!(good, verdict.paid() == Some(true), "{verdict:?}");
        }
        assert_eq!(PaymentVerdict::from_word("PAID"), None);
    }
}
