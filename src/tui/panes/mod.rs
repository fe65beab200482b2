//! The panes. Each is one file, or one folder, with its state, its actions and its drawing; panes do
//! not know each other.

pub mod budgets;
pub mod callbacks;
pub mod credentials;
pub mod estimates;
pub mod explorer;
mod log;
pub mod parts;
pub mod payments;
pub mod players;
pub mod request_rows;
pub mod requests;
pub mod tokens;
pub mod track;

use super::component::DynComponent;
use super::intent::Intent;
use super::keys::{Binding, Keys as _, Scope};
use super::pane::Pane;
use super::setup::Setup;

/// Declares the panes' states: for each pane its module, the scope of its list, and how its state begins.
macro_rules! states {
    ($($Pane:ident($module:ident, $SCOPE:ident, $begin:expr);)*) => {
        /// The state of every pane.
        #[derive(Debug, Clone)]
        pub struct Panes { $(pub $module: $module::State),* }

        impl Panes {
            pub fn new(setup: &Setup) -> Self {
                Self { $($module: $begin(setup)),* }
            }

            pub fn get(&self, pane: Pane) -> &DynComponent {
                match pane { $(Pane::$Pane => &self.$module),* }
            }

            pub fn get_mut(&mut self, pane: Pane) -> &mut DynComponent {
                match pane { $(Pane::$Pane => &mut self.$module),* }
            }
        }

        impl Pane {
            /// The scope of its list.
            pub fn scope(self) -> &'static Scope {
                match self { $(Self::$Pane => &$module::$SCOPE),* }
            }
        }

        /// The keys of every pane, in the order of help.
        pub const BINDINGS: &[&[Binding]] = &[$($module::Action::BINDINGS),*];
    };
}

states! {
    Credentials(credentials, CREDENTIALS, fresh);
    Tokens(tokens, TOKENS, fresh);
    Payments(payments, PAYMENTS, fresh);
    Estimates(estimates, ESTIMATES, fresh);
    Requests(requests, REQUESTS, fresh);
    Explorer(explorer, EXPLORER, fresh);
    Callbacks(callbacks, CALLBACKS, fresh);
    Players(players, PLAYERS, players::State::new);
}

fn fresh<S: Default>(_setup: &Setup) -> S {
    S::default()
}

impl Intent {
    /// The pane that does it.
    pub fn pane(&self) -> Pane {
        match self {
            Self::ShowAccount(_) => Pane::Credentials,
            Self::ShowPayment(_) | Self::Watch(_) | Self::WatchMany(..) => Pane::Payments,
            Self::ShowPlayer(..) | Self::LoadPlayer(..) => Pane::Players,
            Self::ShowCallbacks
            | Self::OpenCallback(_)
            | Self::CallbackBeside(..)
            | Self::ShowCallback(_) => Pane::Callbacks,
            Self::FillIn(..) | Self::ShowCall(_) | Self::Send(..) | Self::Follow(_) => {
                Pane::Explorer
            }
            Self::ShowWaiting | Self::OpenRequest(_) | Self::RequestBeside(..) => Pane::Requests,
            Self::Estimate(_) => Pane::Estimates,
        }
    }
}

impl Pane {
    /// The pane that a key scope belongs to.
    pub fn of(scope: &Scope) -> Option<Self> {
        Self::ALL.into_iter().find(|pane| pane.scope() == scope)
    }
}
