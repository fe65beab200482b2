//! The payments at the simulation's start. Same seed, same payments; pure.

use fastrand::Rng;
use rust_decimal::Decimal;
use serde::Deserialize;

use crate::domain::{Amount, Currency, Expected, WallTime};

use super::payment::Payment;

/// The seed whose payments are exactly as written in the file.
const PLAIN: u64 = 1;

/// A payment, with times in seconds from the simulation's start.
#[derive(Deserialize)]
struct Template {
    payment: Payment,
    /// The shop's amount, where the payer changed it in the link.
    requested_amount: Option<String>,
}

fn templates() -> Vec<Template> {
    let templates = include_str!("../../../../assets/sandbox/kanga.json");
    serde_json::from_slice(templates.as_bytes()).expect("a test reads the file")
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
    let payments = templates().into_iter().map(|template| {
        let mut payment = template.payment;
        let is_changed = template.requested_amount.is_some();
        let mut requested = template
            .requested_amount
            .unwrap_or_else(|| payment.amount.clone());
        let mut pace_percent = 100;
        if seed != PLAIN {
            let (currency, low, high, places) = AMOUNT_RANGES[rng.usize(..AMOUNT_RANGES.len())];
            let units = rng.u64(low..=high);
            let written =
                |units: u64| Decimal::from_i128_with_scale(units.into(), places).to_string();
            pace_percent = rng.i64(60..=160);
            currency.clone_into(&mut payment.currency);
            requested = written(units);
            // A payer who tampers pays one unit of the currency's last place.
            payment.amount = written(if is_changed { 1 } else { units });
        }
        let at = |seconds: WallTime| {
            // Acts before the start have happened; only later ones vary in pace.
            let paced = match seconds.0 {
                seconds @ 1.. => seconds * pace_percent / 100,
                seconds => seconds,
            };
            WallTime(start.0.saturating_add(paced * 1000))
        };
        shop.clone_into(&mut payment.shop);
        payment.opened = at(payment.opened);
        for scheduled in &mut payment.scheduled_acts {
            scheduled.at = at(scheduled.at);
        }
        let expected = Expected {
            amount: Amount::typed(&requested).expect("it was written here"),
            currency: Currency::new(&payment.currency).expect("it was written here"),
        };
        (payment, expected)
    });
    payments.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
