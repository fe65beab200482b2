//! Money: an exact decimal that preserves its original text. Never a float.

use std::cmp::Ordering;
use std::fmt;

use num_bigint::BigUint;
use rust_decimal::Decimal as FixedPoint;
use serde::{Deserialize, Serialize};

use super::id::shown_as_text;

/// The most digits an operator may type. Amounts from a provider may be longer.
pub const TYPED_DIGITS_MAX: usize = 36;

/// The most characters that the screen shows of an amount from a provider, or of a sum of such amounts.
pub const SHOWN_MAX: usize = 80;

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Nothing was given.
    #[error("the amount is empty; write digits and a point, like 12.50")]
    Empty,
    /// A minus sign.
    #[error("the amount {0} is negative; the amount must be positive")]
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
    #[error("the amount is zero; the amount must be positive")]
    Zero,
}

impl AmountError {
    /// The reason why this text is not an accepted number.
    fn of(text: &str) -> Self {
        let shown = || super::inert::quoted(text, 40);
        let numeric = |with: &[char]| {
            text.chars()
                .all(|c| c.is_ascii_digit() || c == '.' || with.contains(&c))
        };
        if text.is_empty() {
            Self::Empty
        } else if text.starts_with('-') {
            Self::Negative(shown())
        } else if text.contains(',') && numeric(&[',', ' ', '\'', '\u{a0}', '\u{202f}']) {
            Self::Comma(shown())
        } else if text.contains(['e', 'E']) && numeric(&['e', 'E', '+', '-']) {
            Self::Exponent(shown())
        } else {
            Self::Malformed(shown())
        }
    }
}

/// The parts of a decimal number's text. Comparing walks the digits and copies none, so that neither a long text nor a
/// large exponent costs anything.
#[derive(Clone, Copy)]
struct Decimal<'a> {
    whole: &'a str,
    fraction: &'a str,
    exponent: i32,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        // `5.` and `.5` are numbers; a point alone is none.
        let any = !whole.is_empty() || !fraction.is_empty();
        (any && plain(whole) && plain(fraction)).then_some(Self {
            whole,
            fraction,
            exponent,
        })
    }

    /// The significant digits, without leading and trailing zeros.
    fn digits(self) -> impl Iterator<Item = u8> + 'a {
        let mut whole = self.whole.trim_start_matches('0');
        let mut fraction = self.fraction.trim_end_matches('0');
        if whole.is_empty() {
            fraction = fraction.trim_start_matches('0');
        } else if fraction.is_empty() {
            whole = whole.trim_end_matches('0');
        }
        whole.bytes().chain(fraction.bytes())
    }

    /// The power of ten of the first significant digit; `None` for zero.
    fn magnitude(self) -> Option<i64> {
        let length = |part: &str| i64::try_from(part.len()).ok();
        let whole = self.whole.trim_start_matches('0');
        let above = if whole.is_empty() {
            let value = self.fraction.trim_start_matches('0');
            if value.is_empty() {
                return None;
            }
            length(value)? - length(self.fraction)?
        } else {
            length(whole)?
        };
        Some(above + i64::from(self.exponent))
    }
}

/// A non-negative decimal number with the exact text it was typed or received as.
///
/// Equality is by decimal value ("0.010" = "0.01", "1E+2" = "100"); [`Amount::as_str`] gives the text back unchanged.
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
        // First, so that no error quotes a text of any length.
        if digits > TYPED_DIGITS_MAX {
            return Err(AmountError::TooManyDigits(digits));
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return Err(AmountError::of(text));
        }
        let amount = Self(text.to_owned());
        if amount.is_zero() {
            Err(AmountError::Zero)
        } else {
            Ok(amount)
        }
    }

    /// Reads what a provider sent, of any length: digits with at most one point, a plus sign before them and an
    /// exponent behind them at most.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn received(text: &str) -> Result<Self, AmountError> {
        match Decimal::parse(text) {
            Some(_) => Ok(Self(text.to_owned())),
            None => Err(AmountError::of(text)),
        }
    }

    /// The text, exactly as typed or received.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether every digit is zero.
    pub fn is_zero(&self) -> bool {
        self.decimal().digits().next().is_none()
    }

    fn decimal(&self) -> Decimal<'_> {
        Decimal::parse(&self.0).expect("it was parsed when it was made")
    }

    /// By how much `self` is more (`+1.50`) or less (`-1.50`) than `other`; `0` where they are equal. `None` where
    /// either has more than a thousand digits or decimals.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let (mut own, mut others) = (Total::default(), Total::default());
        // Exact, with numbers of any size: 28 digits are too few for the difference of two long amounts.
        (own.add(self) && others.add(other)).then(|| own.difference(&others))
    }

    fn fixed(&self) -> Option<FixedPoint> {
        // A payment has 36 digits at most; `from_scientific` rounds nothing that `from_str_exact` takes.
        FixedPoint::from_str_exact(&self.0)
            .or_else(|_| FixedPoint::from_scientific(&self.0))
            .ok()
    }

    /// How far `self` lies from `earlier`, in per cent of `earlier`, rounded to two places ("+1.25").
    /// `None` where `earlier` is zero or either has more digits than exact arithmetic holds (28).
    pub fn change_since(&self, earlier: &Self) -> Option<Change> {
        let (new, old) = (self.fixed()?, earlier.fixed()?);
        // Rounded for display only; nothing is decided by it.
        let share = new.checked_sub(old)?.checked_div(old)?;
        Some(Change(
            share.checked_mul(FixedPoint::ONE_HUNDRED)?.round_dp(2),
        ))
    }

    /// Where `self` lies between `low` and `high`, in eighths (0 to 7), for a sparkline. 3 where all
    /// are equal or the numbers are too long for exact arithmetic.
    pub fn eighth_between(&self, low: &Self, high: &Self) -> u8 {
        let place = || {
            let low = low.fixed()?;
            let span = high.fixed()?.checked_sub(low)?;
            let above = self.fixed()?.checked_sub(low)?;
            let eighth = above
                .checked_mul(FixedPoint::from(7))?
                .checked_div(span)?
                .round();
            u8::try_from(eighth).ok().filter(|at| *at < 8)
        };
        place().unwrap_or(3)
    }
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
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
        let (a, b) = (self.decimal(), other.decimal());
        // Zero has no magnitude and is below all else.
        a.magnitude()
            .cmp(&b.magnitude())
            // Equal powers of ten: then the digits decide, compared from the left.
            .then_with(|| a.digits().cmp(b.digits()))
    }
}
impl AsRef<str> for Amount {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

shown_as_text!(Amount, Currency);

/// A whole number of cents, as some providers send money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

impl Cents {
    /// The sum; `None` beyond what can be counted.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `12.34 EUR`.
    pub fn euros(self) -> String {
        format!("{self} EUR")
    }

    /// The same in a provider's currency, inert: `12.34 EUR`. Only of the euro is it known that the number is in cents:
    /// beside another currency it is shown as it is.
    pub fn of(self, currency: &str) -> String {
        if currency == "EUR" {
            return self.euros();
        }
        let currency = super::inert::cut(currency, CURRENCY_MAX);
        format!("{} {currency}, as written", self.0)
    }
}
impl fmt::Display for Cents {
    /// In the currency's unit, without its name: `12.34`, `-0.05`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand: -5 / 100 is 0, which has no sign.
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        f.pad(&format!("{sign}{}.{:02}", cents / 100, cents % 100))
    }
}

/// An exact sum of amounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Total {
    /// In units of 10^-`scale`.
    units: BigUint,
    scale: u32,
}

/// The most digits, and the largest power of ten up or down, that are added up: beyond it the digits of a sum would
/// fill the memory.
const POWER_MAX: u32 = 1_000;

impl Total {
    /// Adds an amount. `false`, and nothing added, where it has more than a thousand digits or decimals.
    pub fn add(&mut self, amount: &Amount) -> bool {
        let Some(units) = self.aligned(amount) else {
            return false;
        };
        self.units += units;
        true
    }

    /// By how much `self` is more (`+1.50`) or less (`-1.50`) than `other`; `0` where they are equal.
    pub fn difference(&self, other: &Self) -> String {
        let scale = self.scale.max(other.scale);
        let aligned = |total: &Self| &total.units * BigUint::from(10_u8).pow(scale - total.scale);
        let (own, others) = (aligned(self), aligned(other));
        let (sign, units) = match own.cmp(&others) {
            Ordering::Less => ('-', others - own),
            Ordering::Equal => return "0".to_owned(),
            Ordering::Greater => ('+', own - others),
        };
        format!("{sign}{}", Self { units, scale })
    }

    /// An amount in units of the scale that serves both.
    fn aligned(&mut self, amount: &Amount) -> Option<BigUint> {
        let decimal = amount.decimal();
        if decimal.exponent.unsigned_abs() > POWER_MAX {
            return None;
        }
        let digits = [decimal.whole, decimal.fraction].concat();
        if digits.len() > POWER_MAX as usize {
            return None;
        }
        let mut units: BigUint = digits.parse().ok()?;
        let scale = i64::try_from(decimal.fraction.len()).ok()? - i64::from(decimal.exponent);
        let ten = |power: u32| BigUint::from(10_u8).pow(power);
        if scale < 0 {
            units *= ten(u32::try_from(-scale).ok()?);
        }
        let scale = u32::try_from(scale.max(0)).ok()?;
        if scale > self.scale {
            self.units *= ten(scale - self.scale);
            self.scale = scale;
        } else {
            units *= ten(self.scale - scale);
        }
        Some(units)
    }
}
impl fmt::Display for Total {
    /// Plain digits, with as many decimals as the amount that had most.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = self.scale as usize;
        let digits = format!("{:0>width$}", self.units.to_string(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        if fraction.is_empty() {
            f.pad(whole)
        } else {
            f.pad(&format!("{whole}.{fraction}"))
        }
    }
}

/// A change in per cent, rounded to two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change(FixedPoint);

impl Change {
    /// Up, down or the same.
    pub fn direction(self) -> Ordering {
        self.0.cmp(&FixedPoint::ZERO)
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
    /// Validates a code: 1 to [`CURRENCY_MAX`] letters, digits, `-`, `_` or `.`.
    ///
    /// # Errors
    /// If the text is anything else.
    pub fn new(text: impl Into<String>) -> Result<Self, CurrencyError> {
        let text = text.into();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        // Kanga publishes no list of codes (`docs/providers/kanga.md#money`), so any word of these characters is one.
        if text.is_empty() || text.len() > CURRENCY_MAX || !text.bytes().all(plain) {
            return Err(CurrencyError(super::inert::quoted(&text, 40)));
        }
        Ok(Self(text))
    }

    /// As [`Self::new`], for what people write: a code without a letter is the rest of an amount with a comma.
    ///
    /// # Errors
    /// As [`Self::new`], or without a letter.
    pub fn typed(text: &str) -> Result<Self, CurrencyError> {
        let code = Self::new(text)?;
        if text.bytes().any(|b| b.is_ascii_alphabetic()) {
            Ok(code)
        } else {
            Err(CurrencyError(super::inert::quoted(text, 40)))
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl AsRef<str> for Currency {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reported;

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
    fn a_provider_may_write_an_exponent_a_sign_or_no_digit_before_the_point() {
        for (text, same) in [
            ("1E+2", "100"),
            ("1e2", "100.00"),
            ("0E-8", "0"),
            ("1.2e-7", "0.00000012"),
            ("12.50E1", "125"),
            ("+5", "5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("0.0010E3", "1"),
            ("0000", "0e999999999"),
        ] {
            assert_eq!(amount(text), amount(same), "{text}");
            assert_eq!(amount(text).as_str(), text, "the text is kept");
        }
        assert!(amount("1E+2") > amount("99.99"));
        assert!(amount("1e-9") < amount("0.00000001"));
        assert!(amount("1e2000000000") > amount("1e1999999999"));
        assert!(amount("0e5") < amount("1e-2000000000"));
        for bad in [
            "",
            ".",
            "-5",
            "+",
            "+-5",
            "1e",
            "1e5.0",
            "1e99999999999",
            "1,5",
            "NaN",
            "0x10",
            " 5",
            "٥",
        ] {
            assert!(Amount::received(bad).is_err(), "{bad:?}");
            assert_eq!(Reported::amount(bad).as_str(), bad);
        }
    }

    #[test]
    fn sums_are_exact_whatever_their_length() {
        let sum = |amounts: &[&str]| {
            let mut total = Total::default();
            assert!(
                amounts.iter().all(|text| total.add(&amount(text))),
                "{amounts:?}"
            );
            total.to_string()
        };
        assert_eq!(sum(&[]), "0");
        assert_eq!(sum(&["0.1", "0.2"]), "0.3");
        assert_eq!(sum(&["25.00", "0.5"]), "25.50");
        assert_eq!(sum(&["1E+2", "1.2e-7"]), "100.00000012");
        let (nines, many) = ("9".repeat(40), vec!["0.000000000000000001"; 1000]);
        assert_eq!(sum(&[&nines, "1"]), format!("1{}", "0".repeat(40)));
        assert_eq!(sum(&many), "0.000000000000001000");
        let mut total = Total::default();
        assert!(
            !total.add(&amount("1e2000000000")),
            "it would fill the memory"
        );
        assert_eq!(total, Total::default());
        let apart = |a: &str, b: &str| amount(a).difference(&amount(b));
        assert_eq!(apart("250", "1.00").as_deref(), Some("+249.00"));
        assert_eq!(apart("0.009", "0.01").as_deref(), Some("-0.001"));
        assert_eq!(apart("5", "5.0").as_deref(), Some("0"));
        assert_eq!(apart("5", "1e-2000000000"), None);
    }

    #[test]
    fn sums_differ_by_a_signed_decimal() {
        let total = |text: &str| {
            let mut total = Total::default();
            assert!(total.add(&amount(text)));
            total
        };
        for (a, b, difference) in [
            ("5", "2.50", "+2.50"),
            ("2.50", "5", "-2.50"),
            ("1.0", "1.000", "0"),
            ("0", "3", "-3"),
            ("1e-20", "0", "+0.00000000000000000001"),
        ] {
            assert_eq!(total(a).difference(&total(b)), difference);
        }
    }

    proptest::proptest! {
        #[test]
        fn amounts_compare_as_whole_numbers_of_their_smallest_unit(a in 0_u64.., b in 0_u64.., zeros in 0_usize..4, scale in 0_u32..18) {
            let ten = 10_u128.pow(scale);
            let text = |value: u64| {
                let value = u128::from(value);
                let fraction = format!("{:0>width$}", value % ten, width = scale as usize);
                let point = if scale == 0 { "" } else { "." };
                let fraction = if scale == 0 { String::new() } else { fraction };
                format!("{}{}{point}{fraction}", "0".repeat(zeros), value / ten)
            };
            let exponent = |value: u64| amount(&format!("{value}e-{scale}"));
            proptest::prop_assert_eq!(amount(&text(a)).cmp(&amount(&text(b))), a.cmp(&b));
            proptest::prop_assert_eq!(amount(&text(a)).cmp(&exponent(b)), a.cmp(&b));
            let mut total = Total::default();
            proptest::prop_assert!(total.add(&amount(&text(a))) && total.add(&exponent(b)));
            let sum = u128::from(a) + u128::from(b);
            proptest::prop_assert_eq!(amount(&total.to_string()), amount(&format!("{sum}e-{scale}")));
        }
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
