//! The simulated products: invented games, their numbers, and the commission on each.

use fastrand::Rng;

use crate::sandbox::simulator::seeded_hash;

use super::prices::Rule;

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
    /// Whether it is not released yet.
    pub pre_order: bool,
    /// Whether it is something within a game, sold by the piece.
    pub in_game: bool,
}

const FIRST: [&str; 20] = [
    "Amber", "Brass", "Cinder", "Copper", "Distant", "Drowned", "Ember", "Gilded", "Hollow",
    "Ivory", "Lantern", "Marble", "Midnight", "Northern", "Paper", "Quiet", "Salt", "Silver",
    "Tidal", "Velvet",
];
const SECOND: [&str; 18] = [
    "Archive", "Armada", "Bastion", "Canticle", "Circuit", "Dominion", "Expanse", "Foundry",
    "Garden", "Harvest", "Horizon", "Meridian", "Outpost", "Paradox", "Quarry", "Regatta",
    "Sanctum", "Voyage",
];
const KINDS: [&str; 6] = [
    "PC Key",
    "EU PC Key",
    "Global Key",
    "Deluxe Edition PC Key",
    "Season Pass Key",
    "Console Key",
];

/// All products of this seed, always in the same order.
pub fn all(seed: u64) -> Vec<Product> {
    let mut rng = Rng::with_seed(seeded_hash(seed, "kinguin products", 0));
    let mut names: Vec<String> = FIRST
        .iter()
        .flat_map(|first| SECOND.iter().map(move |second| format!("{first} {second}")))
        .collect();
    rng.shuffle(&mut names);
    let mut products = vec![product(0, "Harbour of Glass PC Key".into())];
    products.extend(
        names
            .into_iter()
            .take(COUNT - 1)
            .enumerate()
            .map(|(at, name)| {
                let kind = KINDS[rng.usize(..KINDS.len())];
                product(at + 1, format!("{name} {kind}"))
            }),
    );
    products
}

/// Removes or restores the commission rule of one product.
pub fn miss_rule(products: &mut [Product], missing: bool) {
    products[WITHOUT_RULE].rule = if missing {
        None
    } else {
        product(WITHOUT_RULE, String::new()).rule
    };
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
        id: if at == 0 {
            TEST_PRODUCT.to_owned()
        } else {
            format!("5c9b7129{:016x}", at + 1)
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
}
