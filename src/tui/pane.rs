//! The panes by name: their order, their number keys, and those that the config file names.

use super::keys::scope::keys;
use crate::domain::inert;

/// Declares the panes: for each, the action that goes to it, with its name in the config file, its keys, its word in the
/// footer and its help.
macro_rules! panes {
    ($($Pane:ident $name:literal [$key:literal] $short:literal $help:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Pane { $($Pane),* }

        impl Pane {
            /// In the order of their number keys.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$Pane),*];
            pub const COUNT: usize = [$(stringify!($Pane)),*].len();

            pub fn name(self) -> &'static str {
                match self { $(Self::$Pane => stringify!($Pane)),* }
            }
        }

        keys! {
            GoTo:
            PANES "Console" keys [] { $($Pane $name [$key] $short $help;)* }
        }

        impl GoTo {
            pub fn pane(self) -> Pane {
                match self { $(Self::$Pane => Pane::$Pane),* }
            }
        }
    };
}

panes! {
    Credentials "credentials" ["1"] "" "go to Credentials";
    Tokens "tokens" ["2"] "" "go to Tokens";
    Payments "payments" ["3"] "" "go to Payments";
    Estimates "estimates" ["4"] "" "go to Estimates";
    Requests "requests" ["5"] "" "go to Requests";
    Explorer "explorer" ["6"] "explore" "go to Explorer";
    Callbacks "callbacks" ["7"] "" "go to Callbacks";
    Players "players" ["8"] "players" "go to Players";
}

impl Pane {
    pub fn index(self) -> usize {
        self as usize
    }

    /// The name in a row of tabs without room for all names.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Credentials => "Creds",
            Self::Estimates => "Estim.",
            Self::Callbacks => "Callb.",
            _ => self.name(),
        }
    }

    pub fn key_name(self) -> String {
        self.name().to_lowercase()
    }

    pub fn title(self) -> String {
        format!("{} {}", self.index() + 1, self.name())
    }

    /// Whether it is drawn alone: it needs the whole body.
    pub fn is_alone(self) -> bool {
        matches!(self, Self::Explorer | Self::Players)
    }

    /// The panes that the config file names, in their order.
    pub fn chosen(names: &[String]) -> Result<Vec<Self>, String> {
        let mut chosen = Vec::new();
        for name in names {
            let mut panes = Self::ALL.into_iter();
            let Some(pane) = panes.find(|pane| pane.key_name() == *name) else {
                let all = Self::ALL.map(Self::key_name);
                return Err(format!(
                    "unknown pane {}; the panes are {}",
                    inert::quoted(name, 40),
                    all.join(", ")
                ));
            };
            if chosen.contains(&pane) {
                return Err(format!("`panes` lists {name} twice"));
            }
            chosen.push(pane);
        }
        Ok(chosen)
    }
}
