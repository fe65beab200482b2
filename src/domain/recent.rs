//! What was seen last, by id, in memory of a bounded size.

use std::collections::BTreeMap;

/// Remembers the latest ids in bounded memory. It evicts ended ones first: a failing one must not be reported as new.
#[derive(Debug)]
pub struct Recent<K, V> {
    values: BTreeMap<K, V>,
    max: usize,
    /// The greatest id that was evicted.
    evicted: Option<K>,
}

impl<K: Copy + Ord, V> Recent<K, V> {
    /// An empty memory for at most `max` ids.
    pub fn new(max: usize) -> Self {
        Self {
            values: BTreeMap::new(),
            max,
            evicted: None,
        }
    }

    /// The value of an id, unless it was evicted.
    pub fn get(&self, id: K) -> Option<&V> {
        self.values.get(&id)
    }

    /// Replaces the value of an id.
    pub fn insert(&mut self, id: K, value: V, has_ended: impl Fn(&V) -> bool) {
        self.values.insert(id, value);
        if self.values.len() <= self.max {
            return;
        }
        let mut ended = self.values.iter().filter(|(_, value)| has_ended(value));
        let least = ended.next().or_else(|| self.values.first_key_value());
        if let Some((&id, _)) = least {
            self.values.remove(&id);
            self.evicted = self.evicted.max(Some(id));
        }
    }
}

/// Ids alone are evicted by age.
impl<K: Copy + Ord> Recent<K, ()> {
    /// Remembers an id; returns whether it is new. Ids grow with time: one less than an evicted one is not.
    pub fn remember(&mut self, id: K) -> bool {
        let is_new = self.evicted < Some(id) && !self.values.contains_key(&id);
        if is_new {
            self.insert(id, (), |()| true);
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_have_ended_are_evicted_first() {
        let mut recent = Recent::new(3);
        let is_done = |word: &&str| *word == "done";
        for (id, word) in [
            (1, "open"),
            (2, "done"),
            (3, "open"),
            (4, "done"),
            (5, "open"),
        ] {
            recent.insert(id, word, is_done);
        }
        let remembered = [1, 2, 3, 4, 5].map(|id| recent.get(id).copied());
        let open = Some("open");
        assert_eq!(remembered, [open, None, open, None, open]);
        // None has ended.
        recent.insert(6, "open", is_done);
        assert_eq!(recent.get(1), None);
        recent.insert(3, "done", is_done);
        assert_eq!(recent.get(3), Some(&"done"), "replaced");
    }

    #[test]
    fn an_id_is_new_once_and_later_than_all_evicted_ones() {
        let mut recent = Recent::new(3);
        let ids = [1, 2, 3, 5, 4, 1, 5, 3, 6, 4];
        let new = ids.map(|id| recent.remember(id));
        let wanted = [
            true, true, true, true, true, false, false, false, true, false,
        ];
        assert_eq!(new, wanted);
    }
}
