//! Amounts and the verdict, against arithmetic on whole numbers that shares no code with them.

use std::cmp::Ordering;

use num_bigint::BigUint;
use tilldeck::domain::amount::Total;
use tilldeck::domain::{
    Amount, Currency, Expected, Payment, PaymentId, PaymentState, PaymentVerdict, Reported,
};

use super::{Input, assert_inert};

/// Beyond it, the numbers of this reader would fill the memory.
const POWER_MAX: i64 = 4_000;

/// Lines: state, currency, amount, the currency that is expected, the amount that is.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let [state, currency, amount, wanted_currency, wanted_amount] =
        std::array::from_fn(|_| input.text());
    let payment = Payment {
        id: PaymentId::new("A-17").expect("an id"),
        currency: Reported::currency(&currency),
        amount: Reported::amount(&amount),
        state: PaymentState::from_word(&state),
    };
    for text in [&amount, &wanted_amount] {
        read(text);
    }
    let expected = Amount::received(&wanted_amount).ok();
    let expected = expected.zip(Currency::new(wanted_currency.as_str()).ok());
    let expected = expected.map(|(amount, currency)| Expected { amount, currency });
    let verdict = payment.verdict(expected.as_ref());
    for expected in [None, expected.as_ref()] {
        assert_inert(&payment.explain(expected));
        assert_inert(&payment.badge(expected).1);
        let _ = payment.tone(expected);
    }
    let alone = payment.verdict(None);
    assert!(alone.paid() != Some(true), "paid, and nothing was expected");
    let says_paid = verdict.paid() == Some(true);
    assert_eq!(says_paid, verdict == PaymentVerdict::Paid);
    let equal = match (decimal(&amount), decimal(&wanted_amount)) {
        (Some(received), Some(wanted)) => compare(&received, &wanted).map(Ordering::is_eq),
        // What this reader takes for no number must not be paid.
        _ => Some(false),
    };
    let Some(equal) = equal else { return };
    let due = state == "FINALIZED" && currency == wanted_currency && equal && expected.is_some();
    assert_eq!(
        says_paid, due,
        "{state} {amount:?} {currency:?}, expected {wanted_amount:?} {wanted_currency:?}"
    );
    compared(&amount, &wanted_amount);
}

/// What is accepted is a number, and stays the text it was.
fn read(text: &str) {
    match Amount::received(text) {
        Ok(amount) => {
            assert_eq!(amount.as_str(), text);
            let (_, digits, _) = decimal(text).expect("only a number is read as an amount");
            assert_eq!(amount.is_zero(), digits == BigUint::ZERO);
        }
        Err(error) => assert_inert(&error.to_string()),
    }
    match Amount::typed(text) {
        Ok(amount) => assert!(!amount.is_zero() && Amount::received(amount.as_str()).is_ok()),
        Err(error) => assert_inert(&error.to_string()),
    }
}

/// Order, difference and sum of two amounts.
fn compared(one: &str, other: &str) {
    let (Ok(a), Ok(b)) = (Amount::received(one), Amount::received(other)) else {
        return;
    };
    let (Some(x), Some(y)) = (decimal(one), decimal(other)) else {
        return;
    };
    let Some(order) = compare(&x, &y) else { return };
    assert_eq!(a.cmp(&b), order, "{one} against {other}");
    let difference = a.difference(&b);
    if let Some(difference) = &difference {
        assert_eq!(difference == "0", order.is_eq());
        assert_eq!(difference.starts_with('-'), order.is_lt());
        // The one is the other and the difference between them.
        let size = Amount::received(difference.trim_start_matches(['+', '-'])).expect("a number");
        let (less, more) = if order.is_lt() { (&a, &b) } else { (&b, &a) };
        let mut sum = Total::default();
        if sum.add(less) && sum.add(&size) {
            assert_eq!(Amount::received(&sum.to_string()).as_ref(), Ok(more));
        }
    }
    let _ = a.change_since(&b).map(|change| change.to_string());
    assert!(a.eighth_between(&b, &a) < 8);
}

/// A number as its digits and the power of ten of the last one; whether it can be computed with. `None` for what is no
/// number.
fn decimal(text: &str) -> Option<(bool, BigUint, i64)> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let lower = text.to_ascii_lowercase();
    let (mantissa, exponent) = match lower.find('e') {
        Some(at) => (&text[..at], text[at + 1..].parse::<i64>().ok()?),
        None => (text, 0),
    };
    let fraction = mantissa.find('.').map_or(0, |at| mantissa.len() - at - 1);
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let points = mantissa.matches('.').count();
    if digits.is_empty() || points > 1 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let power = exponent.checked_sub(i64::try_from(fraction).ok()?)?;
    let small = power.abs() <= POWER_MAX && digits.len() < 4_000;
    Some((small, digits.parse().ok()?, power))
}

/// `None` where that would fill the memory.
fn compare(a: &(bool, BigUint, i64), b: &(bool, BigUint, i64)) -> Option<Ordering> {
    if !a.0 || !b.0 {
        return None;
    }
    let least = a.2.min(b.2);
    let aligned = |(_, digits, power): &(bool, BigUint, i64)| {
        let up = u32::try_from(power - least).expect("neither power is large");
        digits * BigUint::from(10_u8).pow(up)
    };
    Some(aligned(a).cmp(&aligned(b)))
}
