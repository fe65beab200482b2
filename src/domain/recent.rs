//! What was seen last, by number, in memory of a bounded size.

use std::collections::BTreeMap;

/// The last value of each number. Of more than `max`, the oldest that has ended is forgotten, else the oldest: what goes on
/// for long must not become news again.
#[derive(Debug)]
pub struct Recent<K, V> {
    values: BTreeMap<K, V>,
    max: usize,
    /// The greatest number that is forgotten.
    forgotten: Option<K>,
}

impl<K: Copy + Ord, V> Recent<K, V> {
    /// An empty memory for at most `max` values.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            values: BTreeMap::new(),
            max,
            forgotten: None,
        }
    }

    /// The value, unless it is forgotten.
    #[must_use]
    pub fn get(&self, number: K) -> Option<&V> {
        self.values.get(&number)
    }

    /// Whether a number was not seen before. Numbers grow with time.
    #[must_use]
    pub fn is_new(&self, number: K) -> bool {
        self.forgotten < Some(number) && !self.values.contains_key(&number)
    }

    /// Replaces the value of a number.
    pub fn insert(&mut self, number: K, value: V, has_ended: impl Fn(&V) -> bool) {
        self.values.insert(number, value);
        if self.values.len() <= self.max {
            return;
        }
        let mut ended = self.values.iter().filter(|(_, value)| has_ended(value));
        let least = ended.next().or_else(|| self.values.first_key_value());
        if let Some((&number, _)) = least {
            self.values.remove(&number);
            self.forgotten = self.forgotten.max(Some(number));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_remembered_and_what_was_seen_is_never_new_again() {
        let mut recent = Recent::new(3);
        let is_done = |word: &&str| *word == "done";
        for (number, word) in [
            (1, "open"),
            (2, "done"),
            (3, "open"),
            (4, "done"),
            (5, "open"),
        ] {
            assert!(recent.is_new(number), "{number}");
            recent.insert(number, word, is_done);
        }
        let remembered = [1, 2, 3, 4, 5].map(|number| recent.get(number).copied());
        let open = Some("open");
        assert_eq!(remembered, [open, None, open, None, open]);
        // None has ended.
        recent.insert(6, "open", is_done);
        assert_eq!(recent.get(1), None);
        assert_eq!(
            [1, 2, 3, 4, 6, 7].map(|number| recent.is_new(number)),
            [false, false, false, false, false, true]
        );
        recent.insert(3, "done", is_done);
        assert_eq!(recent.get(3), Some(&"done"), "replaced");
    }
}
