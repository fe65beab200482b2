//! Money: an exact decimal that keeps the text it came as. Never a float.

use std::cmp::Ordering;
use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The most digits an operator may type. A provider may send more: its text is kept whatever its length.
pub const TYPED_DIGITS_MAX: usize = 36;

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Nothing was given.
    #[error("the amount is empty; write digits and a point, like 12.50")]
    Empty,
    /// A minus sign.
    #[error("the amount {0} is negative; a payment's amount is positive")]
    Negative(String),
    /// An exponent.
    #[error("the amount {0} has an exponent; write all its digits, like 100000")]
    Exponent(String),
    /// A comma.
    #[error(
        "the amount {0} has a comma; write the decimals after a point, without thousands separators, like 1234.50"
    )]
    Comma(String),
    /// Any other text.
    #[error("{0} is not an amount; write digits and a point, like 12.50")]
    Malformed(String),
    /// More digits than an operator may type.
    #[error("the amount has {0} digits; at most {TYPED_DIGITS_MAX} are accepted")]
    TooManyDigits(usize),
    /// Zero where something must be paid.
    #[error("the amount is zero; a payment's amount is positive")]
    Zero,
}

/// A non-negative decimal number with the exact text it was typed or received as.
///
/// Equality is by decimal value ("0.010" = "0.01"); [`Amount::as_str`] gives the text back unchanged.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Amount(String);

impl Amount {
    /// Reads what an operator typed: digits with at most one point between them, at most
    /// [`TYPED_DIGITS_MAX`] digits, more than zero.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn typed(text: &str) -> Result<Self, AmountError> {
        let text = text.trim();
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if digits > TYPED_DIGITS_MAX {
            return Err(AmountError::TooManyDigits(digits));
        }
        let amount = Self::received(text)?;
        if amount.is_zero() {
            Err(AmountError::Zero)
        } else {
            Ok(amount)
        }
    }

    /// Reads what a provider sent: digits with at most one point between them, of any length.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn received(text: &str) -> Result<Self, AmountError> {
        let shown = || super::inert::quoted(text, 40);
        if text.is_empty() {
            return Err(AmountError::Empty);
        }
        if text.starts_with('-') {
            return Err(AmountError::Negative(shown()));
        }
        let (whole, fraction) = match text.split_once('.') {
            None => (text, None),
            Some((whole, fraction)) => (whole, Some(fraction)),
        };
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if plain(whole) && fraction.is_none_or(plain) {
            return Ok(Self(text.to_owned()));
        }
        let numeric = |with: &[char]| {
            text.chars()
                .all(|c| c.is_ascii_digit() || c == '.' || with.contains(&c))
        };
        Err(if text.contains(',') && numeric(&[',', ' ']) {
            AmountError::Comma(shown())
        } else if text.contains(['e', 'E']) && numeric(&['e', 'E', '+', '-']) {
            AmountError::Exponent(shown())
        } else {
            AmountError::Malformed(shown())
        })
    }

    /// The text, exactly as typed or received.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every digit is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|b| matches!(b, b'0' | b'.'))
    }

    /// The digits that carry value: no leading zeros before the point, no trailing ones behind it.
    fn significant(&self) -> (&str, &str) {
        let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        (
            whole.trim_start_matches('0'),
            fraction.trim_end_matches('0'),
        )
    }

    /// How far `self` lies from `earlier`, in per cent of `earlier`, rounded to two places ("+1.25").
    /// `None` where `earlier` is zero or either has more digits than exact arithmetic holds (28).
    #[must_use]
    pub fn change_since(&self, earlier: &Self) -> Option<Change> {
        let new = Decimal::from_str_exact(&self.0).ok()?;
        let old = Decimal::from_str_exact(&earlier.0).ok()?;
        let share = new.checked_sub(old)?.checked_div(old)?;
        Some(Change(share.checked_mul(Decimal::ONE_HUNDRED)?.round_dp(2)))
    }

    /// Where `self` lies between `low` and `high`, in eighths (0 to 7), for a sparkline. 3 where all
    /// are equal or the numbers are too long for exact arithmetic.
    #[must_use]
    pub fn eighth_between(&self, low: &Self, high: &Self) -> u8 {
        let place = || {
            let low = Decimal::from_str_exact(&low.0).ok()?;
            let span = Decimal::from_str_exact(&high.0).ok()?.checked_sub(low)?;
            let above = Decimal::from_str_exact(&self.0).ok()?.checked_sub(low)?;
            let eighth = above
                .checked_mul(Decimal::from(7))?
                .checked_div(span)?
                .round();
            u8::try_from(eighth).ok().filter(|at| *at < 8)
        };
        place().unwrap_or(3)
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.significant() == other.significant()
    }
}
impl Eq for Amount {}
impl PartialOrd for Amount {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Amount {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((a, a_frac), (b, b_frac)) = (self.significant(), other.significant());
        a.len()
            .cmp(&b.len())
            .then_with(|| a.cmp(b))
            .then_with(|| a_frac.cmp(b_frac))
    }
}
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A whole number of cents, as some providers send money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

impl Cents {
    /// The sum; `None` beyond what can be counted.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `12.34 EUR`.
    #[must_use]
    pub fn euros(self) -> String {
        format!("{self} EUR")
    }
}
impl fmt::Display for Cents {
    /// In the currency's unit, without its name: `12.34`, `-0.05`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        f.pad(&format!("{sign}{}.{:02}", cents / 100, cents % 100))
    }
}

/// A change in per cent, rounded to two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change(Decimal);

impl Change {
    /// Up, down or the same.
    #[must_use]
    pub fn direction(self) -> Ordering {
        self.0.cmp(&Decimal::ZERO)
    }
}
impl fmt::Display for Change {
    /// Always signed, always two places: `+1.25%`, `0.00%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.direction() == Ordering::Greater {
            "+"
        } else {
            ""
        };
        f.pad(&format!("{sign}{:.2}%", self.0))
    }
}

/// The longest currency code that is accepted.
pub const CURRENCY_MAX: usize = 32;

/// A currency code. Case matters: Kanga has `oPLN` beside `BTC`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Currency(String);

/// Why a text is not a currency code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a currency code; write letters and digits, like BTC or oPLN")]
pub struct CurrencyError(String);

impl Currency {
    /// Checks and keeps a code: 1 to [`CURRENCY_MAX`] letters, digits, `-`, `_` or `.`.
    ///
    /// # Errors
    /// If the text is anything else.
    pub fn new(text: impl Into<String>) -> Result<Self, CurrencyError> {
        let text = text.into();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > CURRENCY_MAX || !text.bytes().all(plain) {
            return Err(CurrencyError(super::inert::quoted(&text, 40)));
        }
        Ok(Self(text))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::received(text).unwrap()
    }

    #[test]
    fn money_never_passes_through_a_float() {
        assert_eq!(amount("0.010"), amount("0.01"));
        assert_eq!(amount("007"), amount("7.000"));
        assert_eq!(amount("0.010").as_str(), "0.010", "the text is kept");
        assert_ne!(amount("0.1"), amount("0.10000000000000000000000000000001"));
        assert!(amount("10") > amount("9.999"));
        assert!(amount("0.2") > amount("0.15"));
        assert!(
            amount("123456789012345678901234567890.5")
                > amount("123456789012345678901234567890.25")
        );
    }

    #[test]
    fn typed_amounts_are_plain_decimals() {
        let refusal = |text: &str| Amount::typed(text).unwrap_err().to_string();
        assert!(refusal("1e5").contains("exponent"));
        assert!(refusal("-1").contains("negative"));
        assert!(refusal("1,5").contains("comma"));
        assert!(refusal("").contains("empty"));
        assert!(refusal(".5").contains("not an amount"));
        assert!(refusal("5.").contains("not an amount"));
        assert!(refusal("1.2.3").contains("not an amount"));
        assert!(refusal("0.00").contains("zero"));
        assert!(refusal("١٢").contains("not an amount"));
        assert_eq!(
            Amount::typed(&"9".repeat(60)),
            Err(AmountError::TooManyDigits(60))
        );
        assert_eq!(Amount::typed(" 12.50 ").unwrap().as_str(), "12.50");
    }

    #[test]
    fn change_is_exact_to_two_places() {
        let change = |new: &str, old: &str| {
            amount(new)
                .change_since(&amount(old))
                .map(|c| c.to_string())
        };
        assert_eq!(change("101.25", "100").as_deref(), Some("+1.25%"));
        assert_eq!(change("0.0014", "0.0015").as_deref(), Some("-6.67%"));
        assert_eq!(change("3", "3.0").as_deref(), Some("0.00%"));
        assert_eq!(change("3", "0"), None);
        assert_eq!(change(&"9".repeat(60), "1"), None);
    }

    #[test]
    fn a_sparkline_place_is_within_eighths() {
        assert_eq!(amount("1").eighth_between(&amount("1"), &amount("2")), 0);
        assert_eq!(amount("2").eighth_between(&amount("1"), &amount("2")), 7);
        assert_eq!(amount("1").eighth_between(&amount("1"), &amount("1")), 3);
    }

    #[test]
    fn cents_are_whole_and_printed_without_a_float() {
        let shown = [0, 5, 99, 100, 1234, -5, i64::MIN].map(|cents| Cents(cents).to_string());
        assert_eq!(
            shown,
            [
                "0.00",
                "0.05",
                "0.99",
                "1.00",
                "12.34",
                "-0.05",
                "-92233720368547758.08"
            ]
        );
        assert_eq!(Cents(1234).euros(), "12.34 EUR");
        assert_eq!(Cents(i64::MAX).plus(Cents(1)), None);
        let read = |json| serde_json::from_str::<Cents>(json).ok();
        assert_eq!(read("66"), Some(Cents(66)));
        for bad in ["66.0", "66.5", "\"66\"", "1e2", "null"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
