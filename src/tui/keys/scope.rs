//! Scopes: the panes and windows where a key works, and the wider scopes around each.

use std::fmt;

/// Where a key works.
#[derive(PartialEq, Eq, Hash)]
pub struct Scope {
    /// Unique: the name of its static.
    pub id: &'static str,
    /// The heading in the help. Several scopes may share one.
    pub title: &'static str,
    /// Whether a plain letter is text here, and not a key.
    pub takes_text: bool,
    /// The wider scopes, in which a key is looked up after this one.
    pub around: &'static [&'static Self],
    /// Why an action of it may not be available; empty: nothing is selected.
    pub why_not: &'static str,
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

#[derive(PartialEq, Eq, Hash)]
pub struct Binding {
    pub scope: &'static Scope,
    /// The action's name, in `[ui.keys]` and in the palette.
    pub name: &'static str,
    pub keys: &'static [&'static str],
    /// One word for the footer; empty: the footer omits the key.
    pub short: &'static str,
    /// A verb and a noun, at most 40 columns.
    pub help: &'static str,
    /// Why it may not be available; empty: as its scope says.
    pub why_not: &'static str,
}

/// What a key does, as the key table names it. [`Keys::of`] turns it into the enum of the component that declared it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Action(pub &'static Binding);

impl Action {
    /// Why it is not available, as in "cannot copy the payment id: nothing is selected".
    pub fn why_not(self) -> &'static str {
        let texts = [self.0.why_not, self.0.scope.why_not];
        let mut texts = texts.into_iter().filter(|why| !why.is_empty());
        texts.next().unwrap_or("nothing is selected")
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

/// The actions of one component. `keys!` implements it.
pub trait Keys: Copy + Into<Action> + 'static {
    /// The first scope of the declaration.
    const SCOPE: &'static Scope;
    /// Every action, in the order of the declaration.
    const ALL: &'static [Self];
    /// The declarations, in the same order.
    const BINDINGS: &'static [Binding];

    /// The component's action, if it is one of this component.
    fn of(action: Action) -> Option<Self> {
        let at = Self::BINDINGS
            .iter()
            .position(|it| it.name == action.0.name)?;
        Self::ALL.get(at).copied()
    }
}

/// The actions of a component that has no keys of its own.
#[derive(Debug, Clone, Copy)]
pub enum NoAction {}

impl Keys for NoAction {
    const SCOPE: &'static Scope = &super::OVERLAY;
    const ALL: &'static [Self] = &[];
    const BINDINGS: &'static [Binding] = &[];
}

impl From<NoAction> for Action {
    fn from(action: NoAction) -> Self {
        match action {}
    }
}

/// Declares the keys of a component: an enum with one action for each row, and a static for each scope. A row has the
/// action, its name in the config file, its keys, its word in the footer and its help. A `text` scope has a text field,
/// so that a plain letter is no key there. `else` says why an action may not be available: one, or those of a scope.
macro_rules! keys {
    ($(#[$meta:meta])* $Action:ident:
        $($SCOPE:ident $title:literal $kind:ident [$($outer:path),*] $(else $none:literal)? {
            $($variant:ident $name:literal [$($key:literal)*] $short:literal $help:literal $(else $why:literal)?;)*
        })*
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $Action { $($($variant),*),* }

        $(pub static $SCOPE: $crate::tui::keys::Scope = $crate::tui::keys::Scope {
            id: stringify!($SCOPE),
            title: $title,
            takes_text: $crate::tui::keys::keys!(@ $kind),
            around: &[$(&$outer),*],
            why_not: concat!($($none)?),
        };)*

        impl $crate::tui::keys::Keys for $Action {
            const SCOPE: &'static $crate::tui::keys::Scope = [$(&$SCOPE),*][0];
            const ALL: &'static [Self] = &[$($(Self::$variant),*),*];
            const BINDINGS: &'static [$crate::tui::keys::Binding] = &[$($($crate::tui::keys::Binding {
                scope: &$SCOPE,
                name: $name,
                keys: &[$($key),*],
                short: $short,
                help: $help,
                why_not: concat!($($why)?),
            }),*),*];
        }

        impl From<$Action> for $crate::tui::keys::Action {
            fn from(action: $Action) -> Self {
                use $crate::tui::keys::Keys as _;
                Self(&$Action::BINDINGS[action as usize])
            }
        }
    };
    (@ text) => { true };
    (@ keys) => { false };
}

pub(crate) use keys;
