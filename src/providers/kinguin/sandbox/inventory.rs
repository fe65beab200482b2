//! One seller's inventory: offers, keys, sales, and file uploads. Knows no HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use crate::domain::WallTime;
use crate::domain::words::words;
use crate::sandbox::simulator::seeded_hash;

use super::products::Product;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Inventory {
    pub seller: u32,
    pub name: String,
    /// Offers, the oldest first.
    pub offers: Vec<Offer>,
    /// Keys of all offers, the oldest first.
    pub keys: Vec<Key>,
    /// Keys sold or being sold, the oldest first.
    pub reservations: Vec<Reservation>,
    pub uploads: Vec<Upload>,
    pub restocked: Vec<String>,
    /// The number of offers ever made; ids count up.
    pub offers_made: u32,
    pub keys_made: u32,
    pub sales_made: u32,
    /// Display settings of its wholesale offers.
    #[serde(default)]
    pub wholesale_shown: WholesaleShown,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct WholesaleShown {
    pub hidden: bool,
    pub most: Option<i64>,
}

/// One offer: one product, as many keys as there are.
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the provider's own, and any of them goes with any other"
)]
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Offer {
    pub id: String,
    /// The product's index in the simulator's list.
    pub product: usize,
    pub named: bool,
    pub active: bool,
    pub block: Option<String>,
    /// What the seller receives, in cents.
    pub iwtr: i64,
    pub declared: i64,
    pub declared_text: Option<i64>,
    /// Sold in total, and in 1, 7 and 30 days.
    pub sold: [i64; 4],
    pub wholesale: Option<Wholesale>,
    pub bid: i64,
    pub renewal: bool,
    pub special_price: bool,
    pub favorite: bool,
    pub delivery: Option<String>,
    pub updated: WallTime,
    pub created: WallTime,
}

impl Offer {
    /// An active offer without a price.
    pub fn new(id: String, product: usize, created: WallTime) -> Self {
        Self {
            id,
            product,
            named: true,
            active: true,
            updated: created,
            created,
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Wholesale {
    pub name: Option<String>,
    pub enabled: bool,
    /// Per cent, by level from 1.
    pub discounts: Vec<i64>,
}

/// One key. Its text is a secret: it is not saved, and after a restart it is derived from the id.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Key {
    pub id: String,
    pub offer: String,
    pub status: KeyStatus,
    pub mime: String,
    #[serde(skip)]
    pub content: String,
    pub request: Option<String>,
    pub external: Option<String>,
    pub reservation: Option<String>,
    /// The card of a delivered key.
    pub card: Option<String>,
    pub created: WallTime,
    pub dispatched: Option<WallTime>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl Key {
    /// A key of this offer, whose text is yet to be derived from its id.
    pub fn of(offer: &str) -> Self {
        Self {
            offer: offer.to_owned(),
            mime: "text/plain".into(),
            ..Self::default()
        }
    }
}

words! {
    #[derive(Default, Serialize, Deserialize)]
    pub enum KeyStatus {
        #[default]
        Available = "AVAILABLE",
        Disabled = "DISABLED",
        Dispatched = "DISPATCHED",
        Returned = "RETURNED",
    }
}

const DELIVERY: Duration = Duration::from_mins(15);

/// One key sold or being sold.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Reservation {
    pub id: String,
    pub order: String,
    pub offer: String,
    pub product: usize,
    /// What the buyer pays, in cents.
    pub price: i64,
    /// What the seller receives, in cents.
    pub iwtr: i64,
    /// One of [`STATES`].
    pub status: String,
    pub key: Option<String>,
    pub archived: bool,
    pub created: WallTime,
    pub updated: WallTime,
    /// When it is cancelled for want of a key. Those that the simulation starts with wait for good.
    pub due: Option<WallTime>,
}

impl Reservation {
    pub fn enter(&mut self, state: &str, now: WallTime) {
        state.clone_into(&mut self.status);
        self.updated = now;
        self.due = (state == "OUT_OF_STOCK").then(|| now.plus(DELIVERY));
    }

    /// A seller without keys has a quarter of an hour to upload one (`docs/providers/kinguin.md#reservations`).
    pub fn deliver_by(&self) -> WallTime {
        self.due.unwrap_or_else(|| self.created.plus(DELIVERY))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Upload {
    pub id: String,
    pub offer: String,
    pub status: String,
    pub details: String,
}

/// Every state of a sale, and the webhook that reports it.
pub const STATES: [(&str, &str); 10] = [
    ("BUYING", "reserve"),
    ("BOUGHT", "give"),
    ("CANCELED", "cancel"),
    ("DELIVERED", "delivered"),
    ("OUT_OF_STOCK", "outofstock"),
    ("RETURNED", "returned"),
    ("REFUNDED", "refunded"),
    ("REVERSED", "reversed"),
    ("PROCESSING_PREORDER", "processingpreorder"),
    ("PROCESSING_INGAME", "processingingame"),
];

/// The numbers of an offer's keys that are for sale and that are promised.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub available: i64,
    pub reserved: i64,
}

impl Counts {
    /// The number of keys that a buyer can buy.
    pub fn buyable(self, offer: &Offer) -> i64 {
        (self.available + offer.declared - self.reserved).max(0)
    }
}

impl Inventory {
    /// This number among those of both sellers.
    fn numbered(&self, number: u32) -> u64 {
        u64::from(self.seller == 98_331) << 56 | u64::from(number)
    }

    pub fn next_offer_id(&mut self) -> String {
        self.offers_made += 1;
        format!("65a0c0de{:016x}", self.numbered(self.offers_made))
    }

    /// Adds a key under an id of its own; returns its index.
    pub fn add_key(&mut self, mut key: Key, now: WallTime) -> usize {
        self.keys_made += 1;
        let seller_bit = u32::from(self.seller == 98_331);
        key.id = format!("5700{seller_bit:04}-0000-4000-8000-{:012}", self.keys_made);
        if key.content.is_empty() {
            key.content = derived(&key.id);
        }
        key.created = now;
        self.keys.push(key);
        self.keys.len() - 1
    }

    /// Adds a sale in the state BUYING; returns its index.
    pub fn add_sale(&mut self, offer: &str, now: WallTime, products: &[Product]) -> usize {
        self.sales_made += 1;
        let of = self.offer(offer);
        let (product, iwtr) = of.map_or((0, 0), |offer| (offer.product, offer.iwtr));
        self.reservations.push(Reservation {
            id: format!("65b00000{:016x}", self.numbered(self.sales_made)),
            order: format!("SBX-{}", 100_000 + self.sales_made),
            offer: offer.to_owned(),
            product,
            price: price(&products[product], iwtr),
            iwtr,
            status: "BUYING".into(),
            created: now,
            updated: now,
            ..Reservation::default()
        });
        self.reservations.len() - 1
    }

    pub fn offer(&self, id: &str) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.id == id)
    }

    pub fn sale(&self, id: &str) -> Option<&Reservation> {
        self.reservations.iter().find(|sale| sale.id == id)
    }

    pub fn dispatch(&mut self, key: usize, sale: &str, now: WallTime) {
        let Some(sale) = self.reservations.iter_mut().find(|known| known.id == sale) else {
            return;
        };
        let key = &mut self.keys[key];
        key.status = KeyStatus::Dispatched;
        key.reservation = Some(sale.id.clone());
        key.card = Some(sale.id.replacen("65b00000", "65ca2d00", 1));
        key.dispatched = Some(now);
        sale.key = Some(key.id.clone());
        if let Some(offer) = self.offers.iter_mut().find(|offer| offer.id == sale.offer) {
            for sold in &mut offer.sold {
                *sold += 1;
            }
        }
    }

    /// Gives a new key to its sale, else to the oldest one that waits for a key of the offer; returns the sale's id.
    pub fn deliver(&mut self, key: usize, sale: Option<usize>, now: WallTime) -> Option<String> {
        let offer = &self.keys[key].offer;
        let mut sales = self.reservations.iter();
        let waits = |sale: &Reservation| sale.due.is_some() && sale.offer == *offer;
        let sale = sale.or_else(|| sales.position(waits))?;
        let id = self.reservations[sale].id.clone();
        self.dispatch(key, &id, now);
        self.reservations[sale].enter("DELIVERED", now);
        Some(id)
    }

    pub fn counts_of(&self, offer: &str) -> Counts {
        self.counts().get(offer).copied().unwrap_or_default()
    }

    /// Keys for sale and promised, by offer.
    pub fn counts(&self) -> BTreeMap<&str, Counts> {
        let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
        for key in &self.keys {
            if key.status == KeyStatus::Available {
                counts.entry(&key.offer).or_default().available += 1;
            }
        }
        for sale in &self.reservations {
            if matches!(
                sale.status.as_str(),
                "BUYING" | "BOUGHT" | "PROCESSING_PREORDER"
            ) {
                counts.entry(&sale.offer).or_default().reserved += 1;
            }
        }
        counts
    }

    /// Restores the keys' texts after a restart, because they are not saved.
    pub fn refill(&mut self) {
        for key in &mut self.keys {
            key.content = derived(&key.id);
        }
    }
}

/// The text of a key that was not uploaded, or whose text was lost at a restart.
fn derived(id: &str) -> String {
    let mut rng = Rng::with_seed(seeded_hash(0, id, 0));
    let mut letter = |_| rng.alphanumeric().to_ascii_uppercase();
    let mut group = || (0..5).map(&mut letter).collect::<String>();
    format!("SANDBOX-{}-{}", group(), group())
}

/// What the buyer pays; without a rule, what the seller receives.
pub fn price(product: &Product, iwtr: i64) -> i64 {
    let rule = product.rule.as_ref();
    rule.map_or(iwtr, |rule| rule.lowest_price(iwtr))
}
