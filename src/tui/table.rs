//! The whole key table: the keys of every pane and window, and those of the console.

use std::collections::BTreeMap;

use super::keys::{
    Action, Binding, Chord, ColumnAction, ConsoleAction, DetailAction, FilterAction, Keymap,
    Keys as _, NavAction, WindowAction,
};
use super::pane::GoTo;
use super::setup::SetupError;
use super::{overlays, panes};
use crate::domain::Words;

/// The most columns of a key's help: the help window shows it whole beside the keys and the action's name.
#[cfg(test)]
const HELP_MAX: usize = 40;

/// Every key, in the order of footer and help.
pub fn bindings() -> impl Iterator<Item = &'static Binding> {
    let around = [
        FilterAction::BINDINGS,
        DetailAction::BINDINGS,
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
pub fn keymap(overrides: &BTreeMap<String, Words>) -> Result<Keymap, SetupError> {
    Keymap::new(bindings().map(Action).collect(), overrides)
}

/// One row of the key table as it is printed outside the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The pane or window where the keys work: "Payments".
    pub place: &'static str,
    /// The action's name, as the config file writes it.
    pub action: &'static str,
    /// Its keys as the screen shows them: "c, Enter".
    pub keys: String,
    /// Its keys as the config file writes them.
    pub written: Vec<String>,
    /// The action, as a verb and a noun.
    pub help: &'static str,
}

/// The whole key table with the operator's overrides.
///
/// # Errors
/// Names the override with an unknown action, an unknown key, or a key that another action uses.
pub fn key_rows(overrides: &BTreeMap<String, Words>) -> Result<Vec<KeyRow>, SetupError> {
    let map = keymap(overrides)?;
    let rows = map.bindings().map(|row| {
        let chords = map.all(Action(row));
        let shown: Vec<String> = chords.iter().map(Chord::to_string).collect();
        KeyRow {
            place: row.scope.title,
            action: row.name,
            keys: shown.join(", "),
            written: chords.iter().map(|chord| chord.written()).collect(),
            help: row.help,
        }
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::domain::ui::ConfigPosition;

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
            let words = keys.iter().map(ToString::to_string).collect();
            let shown = name.to_owned();
            let place = ConfigPosition {
                shown,
                ..ConfigPosition::default()
            };
            keymap(&BTreeMap::from([(name.to_owned(), Words { words, place })]))
                .map(drop)
                .map_err(|error| (error.place.shown, error.message))
        };
        assert_eq!(with("check", &["f5", "ctrl-k"]), Ok(()));
        for (action, keys, why) in [
            ("chek", ["x"], "unknown action `chek`"),
            (
                "check",
                ["hyper-x"],
                "`hyper-x` (for `check`) is not a key; write x, G, f5, enter, ctrl-p or shift-tab",
            ),
            ("check", ["a"], "key a is set for both `check` and `add`"),
            ("add", ["c"], "key c is set for both `check` and `add`"),
            ("check", ["q"], "key q is set for both `check` and `quit`"),
            (
                "submit",
                ["x"],
                "`submit` works in a text field: use Ctrl, Alt or a named key such as f5",
            ),
        ] {
            let error = (action.into(), format!("[ui.keys]: {why}"));
            assert_eq!(with(action, &keys), Err(error));
        }
        assert!(with("leave", &[]).is_err());
    }

    #[test]
    fn the_rows_have_the_operators_keys_as_the_file_writes_them() {
        let keys = Words {
            words: vec!["F5".to_owned(), "ctrl-k".to_owned()],
            ..Words::default()
        };
        let own = BTreeMap::from([("check".to_owned(), keys)]);
        let rows = key_rows(&own).unwrap();
        let row = |name: &str| rows.iter().find(|row| row.action == name).unwrap().clone();
        assert_eq!(row("check").keys, "F5, Ctrl-K");
        assert_eq!(row("check").written, ["f5", "ctrl-k"]);
        assert_eq!(row("bottom").written, ["G", "end"]);
        for row in rows {
            for key in &row.written {
                let chord = Chord::parse(key).unwrap();
                assert_eq!(chord.written(), *key, "{}", row.action);
            }
        }
    }
}
