//! Prices and commission, in whole eurocents. Pure; exact in both directions.

/// The commission on one product.
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
