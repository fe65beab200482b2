//! Money as Kinguin has it: whole eurocents, and two prices that must never be mixed up. What the buyer pays is
//! `price` in every answer; what the seller receives is `priceIWTR` ("I want to receive") in answers, but `price` in
//! the body that makes or changes an offer. An answer's `price` must therefore never be copied into an update
//! (`docs/providers/kinguin.md#prices`).

use std::fmt;

use serde::Deserialize;

use crate::domain::amount::Cents;

/// A sum with its currency, which is always the euro unless the provider says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Money {
    amount: Cents,
    #[serde(default)]
    currency: Option<String>,
}

impl From<Cents> for Money {
    fn from(amount: Cents) -> Self {
        Self {
            amount,
            currency: None,
        }
    }
}

impl fmt::Display for Money {
    /// `12.34 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let currency = self.currency.as_deref().unwrap_or("EUR");
        f.write_str(&self.amount.of(currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // docs/providers/kinguin.md#money
    #[test]
    fn a_currency_is_named_and_fractions_of_a_cent_are_no_money() {
        let read = |json: &str| {
            serde_json::from_str::<Money>(json)
                .ok()
                .map(|money| money.to_string())
        };
        assert_eq!(
            read(r#"{"amount":1660,"currency":"EUR","x":1}"#).as_deref(),
            Some("16.60 EUR")
        );
        assert_eq!(read(r#"{"amount":1660}"#).as_deref(), Some("16.60 EUR"));
        assert_eq!(
            read(r#"{"amount":1660,"currency":"JPY"}"#).as_deref(),
            Some("1660 JPY, as written")
        );
        for not_money in [
            r#"{"amount":16.5}"#,
            r#"{"amount":"16"}"#,
            r#"{"amount":1e3}"#,
            "16",
            "{}",
        ] {
            assert_eq!(read(not_money), None, "{not_money}");
        }
    }
}
