//! Money as Kinguin has it: whole eurocents, and two prices that must never be mixed up. What the buyer pays is
//! `price` in every answer; what the seller receives is `priceIWTR` ("I want to receive") in answers, but `price` in
//! the body that makes or changes an offer. An answer's `price` must therefore never be copied into an update.

use std::fmt;

use serde::Deserialize;

/// A sum in whole cents; never a fraction of one, never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

impl fmt::Display for Cents {
    /// `12.34`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

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
        // Cents are hundredths in euros; what another currency's unit is divided into is not known here.
        if currency == "EUR" {
            write!(f, "{} EUR", self.amount)
        } else {
            write!(f, "{} of the smallest unit of {currency}", self.amount.0)
        }
    }
}

/// What the buyer pays.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct BuyerPrice(pub Money);

/// What the seller receives: "I want to receive".
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Iwtr(pub Money);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_printed_without_a_float() {
        let printed =
            [0, 5, 1_234, 100_000_000, -1, i64::MIN].map(|cents| Cents(cents).to_string());
        assert_eq!(
            printed,
            [
                "0.00",
                "0.05",
                "12.34",
                "1000000.00",
                "-0.01",
                "-92233720368547758.08"
            ]
        );
    }

    #[test]
    fn a_currency_is_named_and_fractions_of_a_cent_are_no_money() {
        let read = |json: &str| {
            serde_json::from_str::<BuyerPrice>(json)
                .ok()
                .map(|p| p.0.to_string())
        };
        assert_eq!(
            read(r#"{"amount":1660,"currency":"EUR","x":1}"#).as_deref(),
            Some("16.60 EUR")
        );
        assert_eq!(read(r#"{"amount":1660}"#).as_deref(), Some("16.60 EUR"));
        assert_eq!(
            read(r#"{"amount":1660,"currency":"JPY"}"#).as_deref(),
            Some("1660 of the smallest unit of JPY")
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
