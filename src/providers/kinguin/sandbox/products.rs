//! The simulated products: invented games, their numbers, and the commission on each, in whole eurocents.

use fastrand::Rng;

use crate::sandbox::simulator::seeded_hash;

pub const COUNT: usize = 280;

/// The product that Kinguin names for tests; the first in the list.
pub const TEST_PRODUCT: &str = "5c9b71292539a4e8f1809707";

/// The shop's numbers begin above this.
const NUMBERS: usize = 1_000;

/// The index of the product without a commission rule, where that setting is on.
const WITHOUT_RULE: usize = 4;

#[derive(Debug, Clone)]
pub struct Product {
    pub id: String,
    pub number: usize,
    pub name: String,
    /// The provider's commission; `None` where no rule is set up.
    pub rule: Option<Rule>,
    /// The lowest price it may be sold at, in cents.
    pub minimum: i64,
    pub pre_order: bool,
    /// Whether it is something within a game, sold by the piece.
    pub in_game: bool,
}

/// All products of this seed, always in the same order.
pub fn all(seed: u64) -> Vec<Product> {
    let mut rng = Rng::with_seed(seeded_hash(seed, "kinguin products", 0));
    // A game's name has one word of each of the first two lists; the third has the kinds of keys.
    let words = include_str!("../../../../assets/sandbox/kinguin.json");
    let words: [Vec<&str>; 3] =
        serde_json::from_slice(words.as_bytes()).expect("every test reads the file");
    let [first, second, kinds] = words;
    let pairs = |first| second.iter().map(move |second| format!("{first} {second}"));
    let mut names: Vec<String> = first.into_iter().flat_map(pairs).collect();
    rng.shuffle(&mut names);
    let others = names.into_iter().zip(1..COUNT).map(|(name, at)| {
        let kind = kinds[rng.usize(..kinds.len())];
        product(at, format!("{name} {kind}"))
    });
    let first = product(0, "Harbour of Glass PC Key".into());
    std::iter::once(first).chain(others).collect()
}

/// Removes or restores the commission rule of one product.
pub fn miss_rule(products: &mut [Product], missing: bool) {
    let rule = product(WITHOUT_RULE, String::new()).rule;
    products[WITHOUT_RULE].rule = rule.filter(|_| !missing);
}

fn product(at: usize, name: String) -> Product {
    let rule = |name: &str, percent, fixed| {
        Some(Rule {
            id: format!("c0440000-0000-4000-8000-0000000{percent:02}{fixed:03}"),
            name: name.to_owned(),
            percent,
            fixed,
        })
    };
    Product {
        id: match at {
            0 => TEST_PRODUCT.to_owned(),
            _ => format!("5c9b7129{:016x}", at + 1),
        },
        number: NUMBERS + at + 1,
        name,
        rule: match at {
            // The rule that reproduces the guide's table (`docs/providers/kinguin.md#prices`).
            1 => rule("Indie", 5, 15),
            _ if at % 3 == 2 => rule("Software", 12, 25),
            _ => rule("Standard", 10, 10),
        },
        // A few have a floor, as Microsoft's products do.
        minimum: if at % 40 == 39 { 500 } else { 10 },
        pre_order: at == 5,
        in_game: at == 7,
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub id: String,
    pub name: String,
    /// Per cent on top of what the seller receives.
    pub percent: i64,
    /// Cents on top of that.
    pub fixed: i64,
}

impl Rule {
    /// What the seller receives (IWTR) of what the buyer pays: `(price - fixed) / (1 + percent / 100)`, rounded half
    /// up to a cent, and never below zero (`docs/providers/kinguin.md#prices`).
    pub fn received(&self, price: i64) -> i64 {
        let whole = 100 + self.percent;
        // Rounding half up is the floor of x + 1/2; both are doubled so that it stays in whole numbers.
        let doubled = 200 * (price - self.fixed) + whole;
        doubled.div_euclid(2 * whole).max(0)
    }

    /// What the buyer pays for the seller to receive `iwtr`: the lowest of the prices that give it.
    pub fn lowest_price(&self, iwtr: i64) -> i64 {
        let whole = 100 + self.percent;
        // The lowest price whose received part, before rounding, is half a cent short of it at most.
        let over = (2 * iwtr - 1) * whole;
        self.fixed - (-over).div_euclid(200)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_products_with_unique_names() {
        let names = |seed| all(seed).into_iter().map(|p| p.name).collect::<Vec<_>>();
        assert_eq!(names(1), names(1));
        assert_ne!(names(1), names(2));
        let mut sorted = names(1);
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), COUNT);
    }

    fn rule(percent: i64, fixed: i64) -> Rule {
        Rule {
            id: String::new(),
            name: String::new(),
            percent,
            fixed,
        }
    }

    // docs/providers/kinguin.md#prices
    #[test]
    fn the_published_table_fits_5_per_cent_and_15_cents() {
        let rule = rule(5, 15);
        for (price, iwtr) in [
            (10_524, 10_009),
            (10_525, 10_010),
            (10_526, 10_010),
            (10_527, 10_011),
        ] {
            assert_eq!(rule.received(price), iwtr, "{price}");
        }
        assert_eq!(rule.lowest_price(10_010), 10_525, "the lower of the two");
    }

    // docs/providers/kinguin.md#prices
    #[test]
    fn the_published_sample_fits_10_per_cent_and_10_cents() {
        assert_eq!(rule(10, 10).lowest_price(1500), 1660);
        assert_eq!(rule(10, 10).received(1660), 1500);
    }

    // docs/providers/kinguin.md#prices
    #[test]
    fn the_lowest_price_gives_its_iwtr_and_a_cent_less_does_not() {
        for percent in [0, 1, 5, 10, 13, 33, 100] {
            for fixed in [0, 10, 15, 99] {
                let rule = rule(percent, fixed);
                for iwtr in (1..2_000).chain([999_999, 1_000_000]) {
                    let price = rule.lowest_price(iwtr);
                    assert_eq!(rule.received(price), iwtr, "{percent} % + {fixed}: {iwtr}");
                    assert_eq!(rule.received(price - 1), iwtr - 1);
                }
            }
        }
    }

    #[test]
    fn nothing_is_received_of_less_than_the_fixed_part() {
        assert_eq!(rule(10, 10).received(0), 0);
        assert_eq!(rule(10, 10).received(9), 0);
    }
}
