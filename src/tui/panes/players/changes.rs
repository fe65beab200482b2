//! What changed between two inventories, in words: `+1 sword`.

use std::collections::{BTreeMap, HashMap};

use crate::domain::{Item, inert};

/// Changes that are named; of more, only their number.
const NAMED_MAX: usize = 4;
/// Characters of an item's name.
const NAME_MAX: usize = 32;

/// The items added, removed and used. Empty where nothing changed.
pub fn changes(before: &[Item], after: &[Item]) -> String {
    // By name and not by id: each copy of an item has an id of its own.
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for (items, one) in [(before, -1), (after, 1)] {
        for item in items {
            *counts.entry(name(item)).or_default() += one;
        }
    }
    let mut parts: Vec<String> = Vec::new();
    for (name, more) in counts {
        match more {
            0 => {}
            more @ 1.. => parts.push(format!("+{more} {name}")),
            less => parts.push(format!("−{} {name}", -less)),
        }
    }
    let known: HashMap<u64, &Item> = before.iter().map(|item| (item.id, item)).collect();
    for item in after {
        // A new item is counted above.
        let Some(was) = known.get(&item.id) else {
            continue;
        };
        if was.remaining_uses != item.remaining_uses {
            let (was, is) = (uses(was.remaining_uses), uses(item.remaining_uses));
            parts.push(format!("{} {was} → {is} uses", name(item)));
        } else if was.data != item.data {
            parts.push(format!("{}: other data", name(item)));
        }
    }
    let more = parts.len().saturating_sub(NAMED_MAX);
    parts.truncate(NAMED_MAX);
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    parts.join(", ")
}

/// How often an item can still be used.
pub fn uses(left: Option<u64>) -> String {
    left.map_or_else(|| "∞".into(), |left| left.to_string())
}

/// The display name of an item; without one, its identifier.
pub fn name(item: &Item) -> String {
    let name = if item.name.trim().is_empty() {
        &item.identifier
    } else {
        &item.name
    };
    inert::cut(name, NAME_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: u64, name: &str, remaining_uses: Option<u64>) -> Item {
        Item {
            id,
            identifier: name.into(),
            name: name.into(),
            description: String::new(),
            remaining_uses,
            data: None,
        }
    }

    #[test]
    fn added_and_removed_items_are_named() {
        let sword = |id| item(id, "sword", None);
        let potion = |uses| item(9, "potion", Some(uses));
        let text = |before: &[Item], after: &[Item]| changes(before, after);
        assert_eq!(text(&[], &[]), "");
        assert_eq!(text(&[], &[sword(1)]), "+1 sword");
        assert_eq!(text(&[sword(1), sword(2)], &[sword(2)]), "−1 sword");
        assert_eq!(text(&[sword(1)], &[sword(2)]), "", "another of the same");
        assert_eq!(text(&[potion(3)], &[potion(2)]), "potion 3 → 2 uses");
        assert_eq!(
            text(&[potion(3)], &[item(9, "potion", None)]),
            "potion 3 → ∞ uses"
        );
        let mut carved = sword(1);
        carved.data = Some("{}".into());
        assert_eq!(text(&[sword(1)], &[carved]), "sword: other data");
        let many: Vec<Item> = (0..6).map(|at| item(at, &format!("i{at}"), None)).collect();
        assert_eq!(text(&[], &many), "+1 i0, +1 i1, +1 i2, +1 i3, 2 more");
        let mut nameless = item(1, "", None);
        nameless.identifier = "a\u{1b}b".into();
        assert_eq!(text(&[], &[nameless]), "+1 a\\u{1b}b");
    }
}
