//! Simulated prices: exact decimals that drift a little with simulated time. Pure.

use std::time::Duration;

use rust_decimal::Decimal;

use crate::sandbox::Simulator;
use crate::sandbox::simulator::seeded_hash;

/// Every currency for payment or settlement, and the value of one unit in EMT at the simulation's start. The first four
/// reproduce the documentation's sample for 3000 EMT (`docs/providers/kanga.md#price-estimate`).
const COINS: [(&str, &str); 7] = [
    ("EMT", "1"),
    ("BTC", "2060000"),
    ("ETH", "45109.489"),
    ("oPLN", "76.617902"),
    ("USDT", "298.35"),
    ("MFT", "3.0647"),
    ("oEUR", "327.92"),
];

const MARGIN: Decimal = Decimal::from_parts(103, 0, 0, false, 2);

/// Each wave's period in milliseconds, and its height in hundred-thousandths.
const WAVES: [(i64, i64); 4] = [
    (20_000, 60),
    (10 * 60_000, 250),
    (2 * 3_600_000, 900),
    (24 * 3_600_000, 2_500),
];

/// The currencies, in a fixed order.
pub(super) fn codes() -> impl Iterator<Item = &'static str> {
    COINS.iter().map(|(code, _)| *code)
}

/// The prices of one seed, this long after the simulation's start.
pub(super) struct Market {
    seed: u64,
    elapsed: Duration,
}

impl Market {
    pub(super) fn of(simulator: &Simulator) -> Self {
        Self {
            seed: simulator.seed(),
            elapsed: simulator.now().since(simulator.start()),
        }
    }

    /// What `quantity` of `token` costs in every currency. `None` for an unknown currency, a quantity that is no positive
    /// number, or one beyond exact arithmetic.
    pub(super) fn estimate(
        &self,
        token: &str,
        quantity: &str,
    ) -> Option<Vec<(&'static str, String)>> {
        let quantity = quantity_of(quantity)?;
        codes()
            .map(|code| Some((code, self.quote(token, quantity, code)?.to_string())))
            .collect()
    }

    pub(super) fn quote(&self, token: &str, quantity: Decimal, code: &str) -> Option<Decimal> {
        let value = quantity.checked_mul(MARGIN)?;
        let price = if token == code {
            value
        } else {
            value
                .checked_mul(self.worth(token)?)?
                .checked_div(self.worth(code)?)?
        };
        // Eight significant digits: prices reach from satoshis to thousands.
        let price = price.round_sf(8)?.normalize();
        (!price.is_zero()).then_some(price)
    }

    fn worth(&self, code: &str) -> Option<Decimal> {
        let (_, base) = COINS.iter().find(|(known, _)| *known == code)?;
        let base = Decimal::from_str_exact(base).expect("the table holds decimals");
        // The unit of all other prices does not drift against itself.
        if code == "EMT" {
            return Some(base);
        }
        // Zero at the start, so that the document's sample comes out exactly.
        let drift = drift(self.seed, code, self.elapsed) - drift(self.seed, code, Duration::ZERO);
        base.checked_mul(Decimal::new(100_000 + drift, 5))
    }
}

/// Reads a positive decimal as a shop sends it: digits and at most one point.
pub(super) fn quantity_of(text: &str) -> Option<Decimal> {
    let amount = crate::domain::Amount::typed(text).ok()?;
    // No spaces, signs or exponents: the sandbox takes what the document shows.
    if amount.as_str() != text {
        return None;
    }
    Decimal::from_str_exact(text).ok()
}

/// A sum of noise waves: it looks like a random walk, but any point in time can be computed alone.
fn drift(seed: u64, code: &str, elapsed: Duration) -> i64 {
    let elapsed = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
    let wave = |(length, height): (i64, i64)| {
        let point = |n: i64| {
            let spread = (2 * height + 1).cast_unsigned();
            // The spread also seeds the hash, so that the waves differ.
            let hash = seeded_hash(seed ^ (spread << 32), code, n.cast_unsigned()) % spread;
            hash.cast_signed() - height
        };
        let (n, into) = (elapsed / length, elapsed % length);
        let (from, to) = (point(n), point(n + 1));
        from + (to - from) * into / length
    };
    WAVES.into_iter().map(wave).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn priced(
        elapsed: Duration,
        token: &str,
        quantity: &str,
    ) -> Option<Vec<(&'static str, String)>> {
        Market { seed: 1, elapsed }.estimate(token, quantity)
    }

    // docs/providers/kanga.md#price-estimate
    #[test]
    fn prices_start_at_the_documented_sample() {
        let prices = priced(Duration::ZERO, "EMT", "3000").unwrap();
        let of = |code| &prices.iter().find(|(known, _)| *known == code).unwrap().1;
        assert_eq!(of("EMT"), "3090", "3 % in the settlement currency itself");
        assert_eq!(of("BTC"), "0.0015");
        assert_eq!(&of("ETH")[..6], "0.0685");
        assert_eq!(&of("oPLN")[..5], "40.33");
    }

    #[test]
    fn prices_drift_with_the_clock_within_bounds() {
        let btc = |elapsed| {
            let prices = priced(elapsed, "oPLN", "1000").unwrap();
            quantity_of(&prices[1].1).unwrap()
        };
        let first = btc(Duration::ZERO);
        assert_eq!(first, btc(Duration::ZERO), "same seed, same instant");
        let mut different = 0;
        for minutes in 1..2_000 {
            let later = btc(Duration::from_mins(minutes * 7));
            different += u32::from(later != first);
            assert!(later > first / Decimal::TWO && later < first * Decimal::TWO);
        }
        assert!(different > 1_900);
        assert!(btc(Duration::MAX) > Decimal::ZERO);
    }

    #[test]
    fn an_unknown_token_or_a_bad_quantity_has_no_estimate() {
        let estimate = |token: &str, quantity: &str| priced(Duration::ZERO, token, quantity);
        for bad in ["", "0", "-1", "1e3", "1,5", "abc", ".5", " 1", "0.000", "٣"] {
            assert_eq!(estimate("EMT", bad), None, "{bad}");
        }
        assert_eq!(estimate("emt", "1"), None, "case matters");
        assert_eq!(estimate("EMT", &"9".repeat(36)), None);
        assert_eq!(estimate("BTC", "79228162514264337593543950335"), None);
        for (_, price) in estimate("EMT", "0.00000001").unwrap() {
            assert!(
                price.bytes().all(|b| b.is_ascii_digit() || b == b'.'),
                "{price} is in plain digits"
            );
        }
    }
}
