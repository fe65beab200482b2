//! The payments at the simulation's start. Same seed, same payments; pure.

use std::time::Duration;

use fastrand::Rng;

use crate::domain::{Amount, Currency, Expected, WallTime};

use super::payment::{Act, Pace, Payment, Terms};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The seed whose payments are exactly as written below.
const PLAIN: u64 = 1;

/// A payment's template: times in seconds from the simulation's start.
struct PaymentTemplate {
    id: &'static str,
    title: &'static str,
    currency: &'static str,
    amount: &'static str,
    /// The shop's amount, where the payer changed it in the link.
    requested_amount: Option<&'static str>,
    opened: i64,
    acts: &'static [(i64, Step)],
}

enum Step {
    Verified,
    Paid(Pace),
    PaidOnChain(Pace),
    PaidPart,
    Cancelled(u64),
    Failed,
}

const TEMPLATES: [PaymentTemplate; 8] = [
    PaymentTemplate {
        id: "ORDER-1001",
        title: "Espresso machine",
        currency: "oPLN",
        amount: "249.00",
        requested_amount: None,
        opened: -5,
        acts: &[
            (6, Step::Verified),
            (18, Step::Paid(Pace::seconds(2, 22, 38))),
        ],
    },
    PaymentTemplate {
        id: "ORDER-1002",
        title: "Mountain bike, deposit",
        currency: "BTC",
        amount: "0.0150",
        requested_amount: None,
        opened: -20,
        acts: &[
            (20, Step::Verified),
            (55, Step::Paid(Pace::seconds(5, 75, 125))),
        ],
    },
    PaymentTemplate {
        id: "ORDER-1003",
        title: "Garden studio, first instalment",
        currency: "ETH",
        amount: "0.75",
        requested_amount: None,
        opened: -6 * HOUR,
        acts: &[
            (-6 * HOUR + 90, Step::Verified),
            (
                -6 * HOUR + 300,
                Step::PaidOnChain(Pace::seconds(45, 172_800, 173_400)),
            ),
        ],
    },
    PaymentTemplate {
        id: "ORDER-1004",
        title: "Standing desk",
        currency: "EMT",
        amount: "1200",
        requested_amount: None,
        opened: -2 * HOUR,
        acts: &[
            (-2 * HOUR + 60, Step::Verified),
            (-2 * HOUR + 240, Step::PaidPart),
        ],
    },
    PaymentTemplate {
        id: "ORDER-1005",
        title: "Annual subscription",
        currency: "EMT",
        amount: "3000",
        requested_amount: None,
        opened: -9 * DAY,
        acts: &[
            (-9 * DAY + 40, Step::Verified),
            (-9 * DAY + 95, Step::Paid(Pace::seconds(1, 4, 7))),
        ],
    },
    PaymentTemplate {
        id: "ORDER-1006",
        title: "Headphones",
        currency: "oPLN",
        amount: "1.00",
        requested_amount: Some("899.00"),
        opened: -3 * HOUR,
        acts: &[
            (-3 * HOUR + 30, Step::Verified),
            (-3 * HOUR + 60, Step::Paid(Pace::seconds(1, 4, 7))),
        ],
    },
    PaymentTemplate {
        id: "ORDER-1007",
        title: "Concert tickets",
        currency: "USDT",
        amount: "86.40",
        requested_amount: None,
        opened: -45,
        acts: &[(-15, Step::Verified), (70, Step::Cancelled(20))],
    },
    PaymentTemplate {
        id: "ORDER-1008",
        title: "Camera lens",
        currency: "ETH",
        amount: "0.1240",
        requested_amount: None,
        opened: -26 * HOUR,
        acts: &[
            (-26 * HOUR + 50, Step::Verified),
            (
                -26 * HOUR + 200,
                Step::PaidOnChain(Pace::seconds(30, 172_800, 173_400)),
            ),
            (-20 * HOUR, Step::Failed),
        ],
    },
];

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
    TEMPLATES
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
        let one = 10_u64.pow(places);
        let width = usize::try_from(places).expect("a few places");
        let written = |units: u64| {
            if places == 0 {
                units.to_string()
            } else {
                format!("{}.{:0width$}", units / one, units % one)
            }
        };
        Self {
            currency,
            amount: written(units),
            smallest_unit: written(1),
            pace_percent: rng.i64(60..=160),
        }
    }
}

impl PaymentTemplate {
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
        let currency = variation.map_or(self.currency, |v| v.currency);
        let original = self.requested_amount.unwrap_or(self.amount);
        let requested_amount = variation.map_or(original, |v| &v.amount);
        let paid = match variation {
            None => self.amount,
            Some(variation) if self.requested_amount.is_some() => &variation.smallest_unit,
            Some(variation) => &variation.amount,
        };
        let terms = Terms {
            id: self.id,
            currency,
            amount: paid,
        };
        let mut payment = Payment::new(shop, &terms, at(self.opened));
        payment.title = Some(self.title.to_owned());
        payment.seeded = true;
        for (seconds, step) in self.acts {
            let rest = |on_chain, pace| Act::Rest {
                on_chain,
                surplus: 0,
                pace,
            };
            let act = match step {
                Step::Verified => Act::Verify,
                Step::Paid(pace) => rest(false, *pace),
                Step::PaidOnChain(pace) => rest(true, *pace),
                Step::PaidPart => Act::Part,
                Step::Cancelled(takes) => Act::Cancel(Duration::from_secs(*takes)),
                Step::Failed => Act::Fail,
            };
            payment.script(at(*seconds), act);
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
            assert_eq!(payments(seed, START, "shop").len(), TEMPLATES.len());
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
