//! The keys: in which scope a key works, and what it does there. Each pane and window declares its own keys with `keys!`;
//! footer, help, palette and the overrides under `[ui.keys]` are built from these declarations.

mod chord;
pub mod scope;

use std::collections::{BTreeMap, HashMap};

use ratatui::crossterm::event::KeyEvent;

pub use chord::Chord;
pub(super) use scope::keys;
pub use scope::{Action, Binding, Keys, NoAction, Scope};

use super::pane::PANES;
use super::setup::SetupError;
use super::widgets::list::Step;
use crate::domain::Words;

keys! {
    WindowAction:
    OVERLAY "Windows" text [] {
        Close "close" ["esc"] "close" "close the window";
    }
    READER "Windows" keys [] {
        Back "back" ["q"] "" "close the window";
        HelpHere "window-help" ["?"] "help" "show keys and symbols";
    }
}

keys! {
    FilterAction:
    FILTER "Filter" text [OVERLAY] {
        KeepFilter "keep-filter" ["enter"] "apply" "apply the filter";
        FoundDown "found-down" ["down" "ctrl-n"] "" "next row";
        FoundUp "found-up" ["up" "ctrl-p"] "" "previous row";
    }
}

keys! {
    /// What works in the details of a request or a callback.
    DetailAction:
    DETAILS "Details" keys [] {
        Find "find" ["/"] "search" "search this text";
        FindNext "find-next" ["n"] "" "next match";
        FindPrevious "find-previous" ["N"] "" "previous match";
        NextEntry "next-entry" ["]"] "" "details of the next row";
        PreviousEntry "previous-entry" ["["] "" "details of the previous row";
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
    ConsoleAction:
    GLOBAL "Console" keys [PANES] {
        Link "link" ["L"] "link" "create a payment link";
        Sandbox "sandbox" ["S"] "simulator" "control the built-in simulator";
        ShowAlerts "alerts" ["!"] "" "list what needs attention";
        Doctor "doctor" ["D"] "" "check this set-up";
        Profiles "profiles" ["P"] "" "switch the profile";
        Theme "theme" ["T"] "" "choose the colors";
        Zoom "zoom" ["f"] "zoom" "zoom this pane, or show all panes";
        NextPane "next-pane" ["tab" "right" "l"] "" "next pane";
        PreviousPane "previous-pane" ["shift-tab" "left" "h"] "" "previous pane";
        Escape "escape" ["esc"] "" "cancel, dismiss or go back";
        Palette "palette" [":" "ctrl-p"] "commands" "find an action, payment, call and more";
        Help "help" ["?"] "help" "show keys, symbols and columns";
        Quit "quit" ["q"] "quit" "quit, with confirmation during a write";
    }
    ALWAYS "Anywhere" text [] {
        Leave "leave" ["ctrl-c"] "" "quit at once";
        Suspend "suspend" ["ctrl-z"] "" "suspend to the shell (`fg` resumes)";
        CopyCommandLine "copy-command-line" ["ctrl-y"] "" "copy the command with this answer";
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

impl Scope {
    /// Every scope a key is looked up in while this one is the innermost, innermost first.
    pub fn chain(&'static self) -> impl Iterator<Item = &'static Self> {
        let around = self.around.iter().copied();
        let around =
            around.flat_map(|outer| std::iter::once(outer).chain(outer.around.iter().copied()));
        std::iter::once(self).chain(around).chain([&ALWAYS])
    }

    /// Whether a key is also looked up in `other`.
    pub fn is_in(&'static self, other: &Self) -> bool {
        self.chain().any(|scope| scope == other)
    }
}

/// The keys with the operator's overrides, indexed by scope and key.
#[derive(Debug, Clone, PartialEq)]
pub struct Keymap {
    /// Every action, in the order of footer and help.
    actions: Vec<Action>,
    bound: HashMap<(&'static Scope, Chord), Action>,
    shown: HashMap<Action, Vec<Chord>>,
}

impl Keymap {
    /// # Errors
    /// Names the override with an unknown action, an unknown key, or a key that another action uses.
    pub fn new(
        actions: Vec<Action>,
        overrides: &BTreeMap<String, Words>,
    ) -> Result<Self, SetupError> {
        if let Some((unknown, words)) = overrides
            .iter()
            .find(|(name, _)| actions.iter().all(|it| it.0.name != name.as_str()))
        {
            let why = format!(
                "unknown action `{}`",
                crate::domain::inert::cut(unknown, 40)
            );
            return Err(wrong(words, &why));
        }
        let mut map = Self {
            bound: HashMap::new(),
            shown: HashMap::new(),
            actions,
        };
        for Action(row) in map.actions.iter().copied() {
            let chords = match overrides.get(row.name) {
                None => row
                    .keys
                    .iter()
                    .map(|key| Chord::parse(key).expect("the table's keys are tested"))
                    .collect(),
                Some(keys) => overridden(row, &keys.words).map_err(|why| wrong(keys, &why))?,
            };
            for chord in &chords {
                map.bound.insert((row.scope, *chord), Action(row));
            }
            map.shown.insert(Action(row), chords);
        }
        // A test proves that the built-in table has no clash, so that start-up need not check it.
        if !overrides.is_empty() {
            map.check(overrides)?;
        }
        Ok(map)
    }

    fn check(&self, overrides: &BTreeMap<String, Words>) -> Result<(), SetupError> {
        for leaf in self.leaves() {
            let mut taken: HashMap<Chord, &str> = HashMap::new();
            for row in self
                .bindings()
                .filter(|row| leaf.chain().any(|scope| scope == row.scope))
            {
                for chord in self.all(Action(row)) {
                    let before = taken.insert(*chord, row.name);
                    if let Some(before) = before.filter(|before| *before != row.name) {
                        let why =
                            format!("key {chord} is set for both `{before}` and `{}`", row.name);
                        let mut both = [row.name, before].into_iter();
                        let own = both.find_map(|name| overrides.get(name));
                        return Err(wrong(own.expect("the built-in keys differ"), &why));
                    }
                }
            }
        }
        Ok(())
    }

    /// Every key, in the order of footer and help.
    pub fn bindings(&self) -> impl Iterator<Item = &'static Binding> {
        self.actions.iter().map(|action| action.0)
    }

    /// The keys of a scope, in the order of footer and help.
    pub fn of(&self, scope: &'static Scope) -> impl Iterator<Item = &'static Binding> {
        self.bindings()
            .filter(move |binding| binding.scope == scope)
    }

    /// Every scope that can be the innermost one.
    pub fn leaves(&self) -> Vec<&'static Scope> {
        let mut leaves: Vec<&'static Scope> = Vec::new();
        let mut outer: Vec<&'static Scope> =
            vec![&ALWAYS, &GLOBAL, &PANES, &NAV, &OVERLAY, &READER];
        for binding in self.bindings() {
            outer.extend(binding.scope.around);
            if !leaves.contains(&binding.scope) {
                leaves.push(binding.scope);
            }
        }
        leaves.retain(|scope| !outer.contains(scope));
        leaves
    }

    /// The action of a key while `leaf` is the innermost scope.
    pub fn action(&self, leaf: &'static Scope, key: &KeyEvent) -> Option<Action> {
        let chord = Chord::of(key);
        leaf.chain()
            .find_map(|scope| self.bound.get(&(scope, chord)).copied())
    }

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

fn wrong(keys: &Words, why: &str) -> SetupError {
    SetupError {
        place: keys.place.clone(),
        message: format!("[ui.keys]: {why}"),
        hint: "delete the line to use the built-in keys; `tilldeck keys` then lists every action with its keys",
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
