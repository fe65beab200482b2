//! The inventories at the simulation's start: offers with their keys, and sales in every state. Same seed, same data.

use fastrand::Rng;

use super::inventory::{Inventory, Key, KeyStatus, Offer, Upload, Wholesale};
use super::market::DISCOUNTS;
use super::products::Product;
use crate::domain::WallTime;
use crate::sandbox::Simulator;
use crate::sandbox::simulator::seeded_hash;

const MOST_STATES: [&str; 5] = [
    "DELIVERED",
    "DELIVERED",
    "DELIVERED",
    "CANCELED",
    "REVERSED",
];

/// What seeded data is made from.
struct Seeds<'a> {
    rng: Rng,
    start: WallTime,
    products: &'a [Product],
}

const DAY: i64 = 24 * 60 * 60 * 1000;

impl Inventory {
    /// The seller `at` (0 or 1) at the simulation's start.
    pub fn seeded(at: usize, simulator: &Simulator, products: &[Product]) -> Self {
        let mut inventory = Self {
            seller: if at == 0 { 120_417 } else { 98_331 },
            name: ["Sandbox Keys", "Other Sandbox Keys"][at].to_owned(),
            ..Self::default()
        };
        let seed = seeded_hash(simulator.seed(), "kinguin shelf", at as u64);
        let seeds = &mut Seeds {
            rng: Rng::with_seed(seed),
            start: simulator.start(),
            products,
        };
        for product in 0..[254, 3][at] {
            inventory.seed_offer(product, seeds);
        }
        for number in 0..[48, 2][at] {
            inventory.seed_sale(number, seeds);
        }
        if at == 0 {
            inventory.uploads.push(Upload {
                id: "f11e0000-0000-4000-8000-000000000001".into(),
                offer: inventory.offers[0].id.clone(),
                status: "DONE".into(),
                details: "2 keys uploaded".into(),
            });
        }
        inventory
    }

    fn seed_offer(&mut self, product: usize, seeds: &mut Seeds<'_>) {
        let (rng, start) = (&mut seeds.rng, seeds.start);
        let created = WallTime(start.0 - rng.i64(20 * DAY..700 * DAY));
        let id = self.next_offer_id();
        let sold_day = rng.i64(0..6);
        let sold_week = sold_day + rng.i64(0..20);
        let sold_month = sold_week + rng.i64(0..60);
        let block = match product {
            1 => Some("ADMIN_DUPLICATE"),
            7 => Some("MANUAL_VERIFICATION_SOFTWARE_PRODUCT"),
            8 => Some("STOCK_NOT_UPLOADED"),
            // The first ten are fixed, for examples and tests; the others vary with the seed.
            _ if product > 10 && rng.u32(..40) == 0 => Some("TOO_MANY_REPORTS_24H_CNT"),
            _ => None,
        };
        let stocked = match product {
            0 => 4,
            3 | 5 => 0,
            1..10 => 2,
            _ => rng.i64(0..5),
        };
        let wholesale = product == 0 || rng.u32(..6) == 0;
        let floor = seeds.products[product].minimum;
        self.offers.push(Offer {
            named: product != 6,
            active: product != 2 && (product < 10 || rng.u32(..8) != 0),
            block: block.map(str::to_owned),
            iwtr: match product {
                0 => 1_500,
                _ => floor + rng.i64(90..6_000),
            },
            declared: if product > 10 && rng.u32(..10) == 0 {
                5
            } else {
                0
            },
            sold: [
                sold_month + rng.i64(0..400),
                sold_day,
                sold_week,
                sold_month,
            ],
            wholesale: wholesale.then(|| Wholesale {
                name: Some("usual".into()),
                enabled: true,
                discounts: DISCOUNTS.into(),
            }),
            bid: if rng.u32(..5) == 0 { rng.i64(1..50) } else { 0 },
            special_price: rng.u32(..12) == 0,
            favorite: rng.u32(..15) == 0,
            updated: WallTime(start.0 - rng.i64(0..20 * DAY)),
            ..Offer::new(id.clone(), product, created)
        });
        for _ in 0..stocked {
            let at = WallTime(created.0 + rng.i64(0..DAY));
            self.add_key(Key::of(&id), at);
        }
    }

    fn seed_sale(&mut self, number: usize, seeds: &mut Seeds<'_>) {
        let (rng, start) = (&mut seeds.rng, seeds.start);
        // The catalogue's example offer has sales in most states.
        let offer = if number < 10 {
            0
        } else {
            rng.usize(..self.offers.len())
        };
        let offer = self.offers[offer].id.clone();
        let status = match number {
            0 | 4 => "DELIVERED",
            1 => "BUYING",
            2 | 5 => "BOUGHT",
            3 => "CANCELED",
            6 => "OUT_OF_STOCK",
            7 => "RETURNED",
            8 => "REFUNDED",
            _ => MOST_STATES[rng.usize(..MOST_STATES.len())],
        };
        // As `docs/providers/kinguin.md#simulator` says: 40 current ones and an archive.
        let archived = number >= 40;
        let ago = if archived {
            rng.i64(100 * DAY..300 * DAY)
        } else {
            rng.i64(DAY / 24..30 * DAY)
        };
        let created = WallTime(start.0 - ago);
        let at = self.add_sale(&offer, created, seeds.products);
        let sale = &mut self.reservations[at];
        status.clone_into(&mut sale.status);
        sale.archived = archived;
        sale.updated = WallTime(created.0 + rng.i64(60_000..900_000));
        if matches!(status, "DELIVERED" | "RETURNED" | "REFUNDED") {
            let (sale, when) = (sale.id.clone(), sale.updated);
            let key = self.add_key(Key::of(&offer), created);
            self.dispatch(key, &sale, when);
            if status == "RETURNED" {
                self.keys[key].status = KeyStatus::Returned;
            }
        }
    }
}
