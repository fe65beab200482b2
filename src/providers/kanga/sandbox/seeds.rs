//! The payments at the simulation's start. Same seed, same payments; pure.

use std::time::Duration;

use fastrand::Rng;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::domain::{Amount, Currency, Expected, WallTime};

use super::payment::{Act, Pace, Payment};

/// The seed whose payments are exactly as written below.
const PLAIN: u64 = 1;

/// A payment's template, with times in seconds.
#[derive(Deserialize)]
struct Template {
    id: String,
    title: String,
    currency: String,
    amount: String,
    /// The shop's amount, where the payer changed it in the link.
    requested_amount: Option<String>,
    /// After the simulation's start.
    opened: i64,
    /// After it was opened.
    acts: Vec<(i64, Step)>,
}

#[derive(Deserialize)]
enum Step {
    Verified,
    /// Seen, confirmed and settled so long after.
    Paid([u64; 3]),
    PaidOnChain([u64; 3]),
    PaidPart,
    Cancelled(u64),
    Failed,
}

/// The payments as the seed [`PLAIN`] has them.
fn templates() -> Vec<Template> {
    let templates = include_str!("../../../../assets/sandbox/kanga.json");
    serde_json::from_str(templates).expect("a test reads the file")
}

/// Currencies other seeds draw from: code, lowest and highest amount in units of its last place, places.
const AMOUNT_RANGES: [(&str, u64, u64, u32); 6] = [
    ("oPLN", 1_900, 250_000, 2),
    ("BTC", 8, 900, 4),
    ("ETH", 40, 9_000, 4),
    ("EMT", 300, 90_000, 0),
    ("USDT", 500, 60_000, 2),
    ("oEUR", 500, 60_000, 2),
];

/// The payments of `shop` for a simulation that starts at `start`, and the shop's expectation of each.
pub(super) fn payments(seed: u64, start: WallTime, shop: &str) -> Vec<(Payment, Expected)> {
    let mut rng = Rng::with_seed(seed);
    templates()
        .iter()
        .map(|template| {
            let variation = (seed != PLAIN).then(|| Variation::drawn(&mut rng));
            template.draw(start, shop, variation.as_ref())
        })
        .collect()
}

/// How a payment differs from its template under another seed.
struct Variation {
    currency: &'static str,
    amount: String,
    /// One unit of the currency's last place: what a payer who tampers pays.
    smallest_unit: String,
    /// Scales the times of acts after the start, in per cent.
    pace_percent: i64,
}

impl Variation {
    fn drawn(rng: &mut Rng) -> Self {
        let (currency, low, high, places) = AMOUNT_RANGES[rng.usize(..AMOUNT_RANGES.len())];
        let units = rng.u64(low..=high);
        let written = |units: u64| Decimal::from_i128_with_scale(units.into(), places).to_string();
        Self {
            currency,
            amount: written(units),
            smallest_unit: written(1),
            pace_percent: rng.i64(60..=160),
        }
    }
}

impl Template {
    fn draw(
        &self,
        start: WallTime,
        shop: &str,
        variation: Option<&Variation>,
    ) -> (Payment, Expected) {
        let pace_percent = variation.map_or(100, |v| v.pace_percent);
        let at = |seconds: i64| {
            // Acts before the start have happened; only later ones vary in pace.
            let paced = if seconds > 0 {
                seconds * pace_percent / 100
            } else {
                seconds
            };
            WallTime(start.0.saturating_add(paced * 1000))
        };
        let currency = variation.map_or(&*self.currency, |v| v.currency);
        let original = self.requested_amount.as_ref().unwrap_or(&self.amount);
        let requested_amount = variation.map_or(original, |v| &v.amount);
        let paid = match variation {
            None => &self.amount,
            Some(variation) if self.requested_amount.is_some() => &variation.smallest_unit,
            Some(variation) => &variation.amount,
        };
        let mut payment = Payment {
            shop: shop.to_owned(),
            id: self.id.clone(),
            currency: currency.to_owned(),
            amount: paid.clone(),
            title: Some(self.title.clone()),
            opened: at(self.opened),
            seeded: true,
            ..Payment::default()
        };
        for (after, step) in &self.acts {
            let rest = |on_chain, [seen, confirmed, settled]: [u64; 3]| Act::Rest {
                on_chain,
                surplus: 0,
                pace: Pace::seconds(seen, confirmed, settled),
            };
            let act = match step {
                Step::Verified => Act::Verify,
                Step::Paid(pace) => rest(false, *pace),
                Step::PaidOnChain(pace) => rest(true, *pace),
                Step::PaidPart => Act::Part,
                Step::Cancelled(takes) => Act::Cancel(Duration::from_secs(*takes)),
                Step::Failed => Act::Fail,
            };
            payment.script(at(self.opened + after), act);
        }
        let expected = Expected {
            amount: Amount::typed(requested_amount).expect("it was written here"),
            currency: Currency::new(currency).expect("it was written here"),
        };
        (payment, expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::PaymentState;

    const START: WallTime = WallTime(1_795_316_066_000);

    fn states(seed: u64, after: u64) -> Vec<String> {
        let now = START.plus(Duration::from_secs(after));
        payments(seed, START, "shop")
            .iter()
            .map(|(payment, _)| payment.progress(now).state.to_string())
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_data() {
        assert_eq!(payments(7, START, "shop"), payments(7, START, "shop"));
        assert_ne!(payments(7, START, "shop"), payments(8, START, "shop"));
        for seed in 0..200 {
            assert_eq!(payments(seed, START, "shop").len(), templates().len());
        }
    }

    #[test]
    fn the_first_minutes_are_worth_watching() {
        let watched = |after| states(PLAIN, after);
        assert_eq!(
            watched(0),
            [
                "NEW",
                "NEW",
                "PROCESSING",
                "ACTIVE",
                "FINALIZED",
                "FINALIZED",
                "ACTIVE",
                "FAILED"
            ]
        );
        let first = |after| watched(after).swap_remove(0);
        let seen = [6, 20, 40, 56].map(first);
        assert_eq!(seen, ["ACTIVE", "PROCESSING", "FINALIZING", "FINALIZED"]);
        assert_eq!(watched(179)[1], "FINALIZING");
        assert_eq!(watched(180)[1], "FINALIZED");
        assert_eq!(watched(75)[6], "CANCELLING");
        assert_eq!(watched(120)[6], "CANCELED");
        assert_eq!(watched(120)[3], "ACTIVE");
        assert_eq!(watched(24 * 3_600)[3], "CANCELED");
        assert_eq!(watched(24 * 3_600)[2], "PROCESSING");
        assert_eq!(watched(3 * 24 * 3_600)[2], "FINALIZED");
    }

    #[test]
    fn with_every_seed_one_paid_amount_was_tampered_with() {
        for seed in 1..50 {
            let odd = payments(seed, START, "shop")
                .into_iter()
                .filter(|(payment, expected)| {
                    Amount::received(&payment.amount).unwrap() != expected.amount
                })
                .map(|(payment, _)| (payment.id.clone(), payment.progress(START).state))
                .collect::<Vec<_>>();
            assert_eq!(odd, [("ORDER-1006".to_owned(), PaymentState::Finalized)]);
        }
    }
}
