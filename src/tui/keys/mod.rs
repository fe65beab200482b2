//! The keys: in which scope a key works, and what it does there. Each pane and window declares its own keys with `keys!`;
//! footer, help, palette and the overrides under `[ui.keys]` are built from these declarations.

mod chord;
mod scope;

use std::collections::{BTreeMap, HashMap};

use ratatui::crossterm::event::KeyEvent;

pub use chord::Chord;
pub(super) use scope::keys;
pub use scope::{Action, Binding, Keys, NoAction, Scope};

use super::widgets::list::Step;
use super::{overlays, panes};

use panes::{GoTo, PANES};

/// The most columns of a key's help: the help window shows it whole beside the keys and the action's name.
#[cfg(test)]
const HELP_MAX: usize = 40;

keys! {
    /// What a key does in every window.
    WindowAction:
    OVERLAY "Windows" text [] {
        Close "close" ["esc"] "close" "close the window";
    }
    READER "Windows" keys [] {
        Back "back" ["q"] "" "close the window";
    }
}

keys! {
    /// What a key does in the filter of a pane.
    FilterAction:
    FILTER "Filter" text [OVERLAY] {
        KeepFilter "keep-filter" ["enter"] "apply" "apply the filter";
    }
}

keys! {
    /// A move in a list or a text.
    NavAction:
    NAV "Moving" keys [] {
        Down "down" ["j" "down"] "" "one row down";
        Up "up" ["k" "up"] "" "one row up";
        PageDown "page-down" ["pgdn" "ctrl-d"] "" "one page down";
        PageUp "page-up" ["pgup" "ctrl-u"] "" "one page up";
        Top "top" ["g" "home"] "" "first row";
        Bottom "bottom" ["G" "end"] "" "last row; follow new requests";
    }
}

keys! {
    /// What a key does to the columns of a pane's list.
    ColumnAction:
    COLUMNS "Columns" keys [] {
        Narrower "narrower" ["<"] "" "make the column narrower";
        Wider "wider" [">"] "" "make the column wider";
        NextColumn "next-column" ["]"] "" "select the next column";
        PreviousColumn "previous-column" ["["] "" "select the previous column";
        ResetColumns "reset-columns" ["="] "" "reset the widths of the columns";
    }
}

keys! {
    /// What a key does wherever no window is open.
    ConsoleAction:
    GLOBAL "Console" keys [PANES] {
        Link "link" ["L"] "link" "create a payment link";
        Sandbox "sandbox" ["S"] "simulator" "control the built-in simulator";
        ShowAlerts "alerts" ["!"] "" "list what needs attention";
        Zoom "zoom" ["f"] "zoom" "zoom this pane, or show all panes";
        NextPane "next-pane" ["tab" "right" "l"] "" "next pane";
        PreviousPane "previous-pane" ["shift-tab" "left" "h"] "" "previous pane";
        Escape "escape" ["esc"] "" "cancel, dismiss or go back";
        Palette "palette" [":" "ctrl-p"] "" "search actions by name";
        Help "help" ["?"] "help" "show keys, symbols and columns";
        Quit "quit" ["q"] "quit" "quit, with confirmation during a write";
    }
    ALWAYS "Anywhere" text [] {
        Leave "leave" ["ctrl-c"] "" "quit at once";
        Suspend "suspend" ["ctrl-z"] "" "suspend to the shell (`fg` resumes)";
    }
}

impl NavAction {
    pub fn step(self) -> Step {
        match self {
            Self::Up => Step::Up(1),
            Self::Down => Step::Down(1),
            Self::PageUp => Step::PageUp,
            Self::PageDown => Step::PageDown,
            Self::Top => Step::Top,
            Self::Bottom => Step::Bottom,
        }
    }
}

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

/// Every scope that can be the innermost one.
pub fn leaves() -> Vec<&'static Scope> {
    let mut leaves: Vec<&'static Scope> = Vec::new();
    let mut outer: Vec<&'static Scope> = vec![&ALWAYS, &GLOBAL, &PANES, &NAV, &OVERLAY, &READER];
    for binding in bindings() {
        outer.extend(binding.scope.around);
        if !leaves.contains(&binding.scope) {
            leaves.push(binding.scope);
        }
    }
    leaves.retain(|scope| !outer.contains(scope));
    leaves
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

/// The keys with the operator's overrides, indexed by scope and key.
#[derive(Debug, Clone, PartialEq)]
pub struct Keymap {
    bound: HashMap<(&'static Scope, Chord), Action>,
    /// The keys of each action.
    shown: HashMap<Action, Vec<Chord>>,
}

impl Keymap {
    /// # Errors
    /// Names the override with an unknown action, an unknown key, or a key that another action uses.
    pub fn new(overrides: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        if let Some(unknown) = overrides
            .keys()
            .find(|name| bindings().all(|row| row.name != name.as_str()))
        {
            return Err(format!(
                "unknown action `{}`; the help (`?`) lists the action names",
                crate::domain::inert::cut(unknown, 40)
            ));
        }
        let mut map = Self {
            bound: HashMap::new(),
            shown: HashMap::new(),
        };
        for row in bindings() {
            let chords = match overrides.get(row.name) {
                None => row
                    .keys
                    .iter()
                    .map(|key| Chord::parse(key).expect("the table's keys are tested"))
                    .collect(),
                Some(keys) => overridden(row, keys)?,
            };
            for chord in &chords {
                map.bound.insert((row.scope, *chord), Action(row));
            }
            map.shown.insert(Action(row), chords);
        }
        // A test proves that the built-in table has no clash, so that start-up need not check it.
        if !overrides.is_empty() {
            map.check()?;
        }
        Ok(map)
    }

    fn check(&self) -> Result<(), String> {
        for leaf in leaves() {
            let mut taken: HashMap<Chord, &str> = HashMap::new();
            for row in bindings().filter(|row| leaf.chain().any(|scope| scope == row.scope)) {
                for chord in self.all(Action(row)) {
                    let before = taken.insert(*chord, row.name);
                    if let Some(before) = before.filter(|before| *before != row.name) {
                        return Err(format!(
                            "key {chord} is set for both `{before}` and `{}`",
                            row.name
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// The action of a key while `leaf` is the innermost scope.
    pub fn action(&self, leaf: &'static Scope, key: &KeyEvent) -> Option<Action> {
        let chord = Chord::of(key);
        leaf.chain()
            .find_map(|scope| self.bound.get(&(scope, chord)).copied())
    }

    /// Every key of an action.
    pub fn all(&self, action: impl Into<Action>) -> &[Chord] {
        self.shown.get(&action.into()).map_or(&[], Vec::as_slice)
    }

    /// The key to show for an action; empty if it has none.
    pub fn first(&self, action: impl Into<Action>) -> String {
        self.all(action)
            .first()
            .map(Chord::to_string)
            .unwrap_or_default()
    }
}

fn overridden(row: &'static Binding, keys: &[String]) -> Result<Vec<Chord>, String> {
    let shown = |key: &str| crate::domain::inert::quoted(key, 40);
    let chords: Vec<Chord> = keys
        .iter()
        .map(|key| {
            Chord::parse(key).ok_or_else(|| {
                format!(
                    "{} (for `{}`) is not a key; write x, G, f5, enter, ctrl-p or shift-tab",
                    shown(key),
                    row.name
                )
            })
        })
        .collect::<Result<_, _>>()?;
    if row.scope.takes_text && chords.iter().any(|chord| chord.is_text()) {
        return Err(format!(
            "`{}` works in a text field: use Ctrl, Alt or a named key such as f5",
            row.name
        ));
    }
    if chords.is_empty() && Action(row) == ConsoleAction::Leave.into() {
        return Err("`leave` needs a key: it must always be possible to quit".into());
    }
    Ok(chords)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_no_clash_and_no_unreadable_key() {
        let map = Keymap::new(&BTreeMap::new()).unwrap();
        for leaf in leaves() {
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
            Keymap::new(&BTreeMap::from([(
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
