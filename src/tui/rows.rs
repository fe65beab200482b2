//! The loaded rows of a log, a bounded window over the ledger. Knows nothing about the screen.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

use crate::domain::{Delivery, DeliveryId, Exchange, ExchangeId};

/// What the ledger numbers.
pub trait Numbered {
    /// Grows with time among those that are saved.
    type Id: Copy + Ord;

    fn id(&self) -> Self::Id;

    /// Whether the ledger has it. Only then its id has a place among the others.
    fn is_saved(&self) -> bool {
        true
    }

    /// Whether it is the other row, saved or not.
    fn is_same(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Numbered for Exchange {
    type Id = ExchangeId;

    fn id(&self) -> ExchangeId {
        self.id
    }

    fn is_saved(&self) -> bool {
        self.id.0 >= 0
    }

    fn is_same(&self, other: &Self) -> bool {
        // In nanoseconds, so that no two requests took the same time.
        let of = |it: &Self| (it.took, it.attempt);
        of(self) == of(other)
            && self.account == other.account
            && self.method == other.method
            && self.url == other.url
    }
}

impl Numbered for Delivery {
    type Id = DeliveryId;

    fn id(&self) -> DeliveryId {
        self.id
    }
}

/// Rows, newest first; each id occurs once.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T>(VecDeque<Arc<T>>);

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

/// Of the rows as they are; [`Rows::put`] changes them.
impl<T> Deref for Rows<T> {
    type Target = VecDeque<Arc<T>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T: Numbered> Rows<T> {
    pub fn place_of(&self, id: T::Id) -> Option<usize> {
        self.iter().position(|row| row.id() == id)
    }

    pub fn known(&self, id: T::Id) -> Option<&Arc<T>> {
        self.get(self.place_of(id)?)
    }

    /// Inserts a row, or replaces an earlier version of it. Ignores one that is older than `max` others.
    pub fn put(&mut self, row: Arc<T>, max: usize) {
        if let Some(at) = self.place_of(row.id()) {
            self.0[at] = row;
            return;
        }
        if row.is_saved() {
            // Saved later, once the database was back.
            let is_earlier = |have: &Arc<T>| !have.is_saved() && row.is_same(have);
            if let Some(at) = self.iter().position(is_earlier) {
                self.0.remove(at);
            }
        }
        // A row that is not saved keeps the place at which it arrived.
        let is_newer = |have: &Arc<T>| have.is_saved() && have.id() > row.id();
        let newer = self.iter().rposition(is_newer).filter(|_| row.is_saved());
        let at = newer.map_or(0, |at| at + 1);
        if at < max {
            self.0.insert(at, row);
        }
    }

    /// Drops the oldest rows beyond `max`; returns whether there were any.
    pub fn cut(&mut self, max: usize) -> bool {
        let long = self.len() > max;
        self.0.truncate(max);
        long
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Outcome;

    /// A number, and whether it is saved.
    #[derive(Debug, Clone, PartialEq)]
    struct Row(i64);

    impl Numbered for Row {
        type Id = i64;

        fn id(&self) -> i64 {
            self.0
        }

        fn is_saved(&self) -> bool {
            self.0 >= 0
        }
    }

    #[test]
    fn a_request_that_is_saved_later_takes_the_place_of_its_row() {
        let request = |id, took| {
            let mut request = crate::tui::testing::exchange(1, "/check", Outcome::Status(200));
            let one = Arc::make_mut(&mut request);
            (one.id, one.took) = (ExchangeId(id), Duration::from_nanos(took));
            request
        };
        let mut rows = Rows::default();
        for (id, took) in [(-2, 7), (-1, 8), (9, 7)] {
            rows.put(request(id, took), 10);
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.id.0).collect();
        assert_eq!(ids, [9, -1]);
    }

    #[test]
    fn a_row_that_could_not_be_saved_keeps_its_place_among_those_that_were() {
        let mut rows = Rows::default();
        for id in [8, 9, -1, 10, 3, -2, 11] {
            rows.put(Arc::new(Row(id)), 10);
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
        assert_eq!(ids, [11, -2, 10, -1, 9, 8, 3], "newest first");
    }
}
