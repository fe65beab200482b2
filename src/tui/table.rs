//! The whole key table: the keys of every pane and window, and those of the console.

use std::collections::BTreeMap;

use super::keys::{
    Action, Binding, Chord, ColumnAction, ConsoleAction, FilterAction, Keymap, Keys as _,
    NavAction, WindowAction,
};
use super::pane::GoTo;
use super::{overlays, panes};

/// The most columns of a key's help: the help window shows it whole beside the keys and the action's name.
#[cfg(test)]
const HELP_MAX: usize = 40;

/// Every key, in the order of footer and help.
pub fn bindings() -> impl Iterator<Item = &'static Binding> {
    let around = [
        FilterAction::BINDINGS,
        WindowAction::BINDINGS,
        NavAction::BINDINGS,
        ColumnAction::BINDINGS,
        GoTo::BINDINGS,
        ConsoleAction::BINDINGS,
    ];
    let all = panes::BINDINGS.iter().chain(overlays::BINDINGS).copied();
    all.chain(around).flatten()
}

/// The key table with the operator's overrides.
///
/// # Errors
/// As [`Keymap::new`].
pub fn keymap(overrides: &BTreeMap<String, Vec<String>>) -> Result<Keymap, String> {
    Keymap::new(bindings().map(Action).collect(), overrides)
}

/// One row of the key table as it is printed outside the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The pane or window where the keys work: "Payments".
    pub place: &'static str,
    /// The action's name, as the config file writes it.
    pub action: &'static str,
    /// Its built-in keys: "c, Enter".
    pub keys: String,
    /// The action, as a verb and a noun.
    pub help: &'static str,
}

/// The whole key table without overrides, for `docs/keys.md`.
#[must_use]
pub fn key_rows() -> Vec<KeyRow> {
    bindings()
        .map(|row| {
            let keys: Vec<String> = row
                .keys
                .iter()
                .filter_map(|key| Chord::parse(key))
                .map(|chord| chord.to_string())
                .collect();
            KeyRow {
                place: row.scope.title,
                action: row.name,
                keys: keys.join(", "),
                help: row.help,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_table_has_no_clash_and_no_unreadable_key() {
        let map = keymap(&BTreeMap::new()).unwrap();
        for leaf in map.leaves() {
            let mut taken: HashMap<Chord, &str> = HashMap::new();
            for row in bindings().filter(|row| leaf.chain().any(|scope| scope == row.scope)) {
                for chord in map.all(Action(row)) {
                    let before = taken.insert(*chord, row.name);
                    assert_eq!(before, None, "{chord} in {leaf:?}: {}", row.name);
                    assert!(
                        !(leaf.takes_text && chord.is_text()),
                        "{chord} cannot be typed in {leaf:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn names_are_unique_and_made_for_a_config_file() {
        let all: Vec<&Binding> = bindings().collect();
        for (at, row) in all.iter().enumerate() {
            assert!(
                row.name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-')
            );
            assert!(!row.help.is_empty() && !row.keys.is_empty());
            assert!(
                all[at + 1..].iter().all(|other| other.name != row.name),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn a_keys_help_is_a_verb_and_a_noun_in_forty_columns() {
        for row in bindings() {
            let (columns, words) = (row.help.chars().count(), row.help.split(' ').count());
            assert!(
                columns <= HELP_MAX && words <= 7,
                "{}: {columns} columns, {words} words",
                row.name
            );
        }
    }

    #[test]
    fn overrides_are_checked() {
        let with = |name: &str, keys: &[&str]| {
            keymap(&BTreeMap::from([(
                name.to_owned(),
                keys.iter().map(ToString::to_string).collect(),
            )]))
            .map(|_| ())
        };
        assert_eq!(with("check", &["f5", "ctrl-k"]), Ok(()));
        assert_eq!(
            with("chek", &["x"]).unwrap_err(),
            "unknown action `chek`; the help (`?`) lists the action names"
        );
        assert_eq!(
            with("check", &["hyper-x"]).unwrap_err(),
            "`hyper-x` (for `check`) is not a key; write x, G, f5, enter, ctrl-p or shift-tab"
        );
        assert_eq!(
            with("check", &["a"]).unwrap_err(),
            "key a is set for both `check` and `add`"
        );
        assert_eq!(
            with("check", &["q"]).unwrap_err(),
            "key q is set for both `check` and `quit`"
        );
        assert!(with("submit", &["x"]).unwrap_err().contains("text field"));
        assert!(with("leave", &[]).is_err());
    }
}
