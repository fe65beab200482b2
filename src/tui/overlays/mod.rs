//! The windows over the panes. The open ones are a stack; the top one has the keys.

pub mod account_add;
pub mod add_many;
pub mod add_watch;
pub mod alerts;
pub mod arm;
pub mod ask;
pub mod claims;
pub mod delivery;
pub mod doctor;
pub mod exchange;
pub mod expect_form;
pub mod follow_ups;
pub mod form_window;
pub mod guide;
pub mod help;
pub mod history;
pub mod legend;
pub mod link_form;
pub mod link_result;
pub mod note_form;
pub mod palette;
pub mod player_form;
pub mod profiles;
pub mod questions;
pub mod quote_form;
pub mod remove;
pub mod replay;
pub mod rotate;
pub mod sandbox;
pub mod simulate_form;
pub mod themes;
pub mod timeline;
mod typed;

use super::keys::{Binding, Keys as _};

/// The keys of every window, in the order of footer and help.
pub const BINDINGS: &[&[Binding]] = &[
    history::Action::BINDINGS,
    follow_ups::Action::BINDINGS,
    ask::Action::BINDINGS,
    exchange::Action::BINDINGS,
    delivery::Action::BINDINGS,
    timeline::Action::BINDINGS,
    link_result::Action::BINDINGS,
    alerts::Action::BINDINGS,
    doctor::Action::BINDINGS,
    help::Action::BINDINGS,
    guide::Action::BINDINGS,
    sandbox::Action::BINDINGS,
    form_window::FormAction::BINDINGS,
    palette::Action::BINDINGS,
    themes::Action::BINDINGS,
    profiles::Action::BINDINGS,
];
