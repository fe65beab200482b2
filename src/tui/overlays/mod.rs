//! The windows over the panes. The open ones are a stack; the top one has the keys.

pub mod account_add;
pub mod add_many;
pub mod add_watch;
pub mod alerts;
pub mod arm;
pub mod claims;
pub mod copy_token;
pub mod delivery;
pub mod exchange;
pub mod expect_ask;
pub mod expect_form;
pub mod form_window;
pub mod guide;
pub mod help;
pub mod history;
pub mod legend;
pub mod link_form;
pub mod link_result;
pub mod palette;
pub mod player_form;
pub mod quit_ask;
pub mod quote_form;
pub mod remove;
pub mod replay;
pub mod rotate;
pub mod sandbox;
pub mod send_ask;
pub mod simulate_form;
pub mod timeline;

use crate::domain::manage::Guide;
use crate::domain::{Currency, PaymentId};

use super::component::DynComponent;
use super::keys::{Binding, Keys as _};
use super::widgets::text::{cells, wrap};

/// The keys of every window, in the order of footer and help.
pub const BINDINGS: &[&[Binding]] = &[
    history::Action::BINDINGS,
    send_ask::Action::BINDINGS,
    exchange::Action::BINDINGS,
    delivery::Action::BINDINGS,
    timeline::Action::BINDINGS,
    link_result::Action::BINDINGS,
    alerts::Action::BINDINGS,
    expect_ask::Action::BINDINGS,
    help::Action::BINDINGS,
    guide::Action::BINDINGS,
    sandbox::Action::BINDINGS,
    copy_token::Action::BINDINGS,
    quit_ask::Action::BINDINGS,
    form_window::FormAction::BINDINGS,
    palette::Action::BINDINGS,
];

/// Declares the windows: a variant for each, that holds its state.
macro_rules! overlays {
    ($($Window:ident($module:ident);)*) => {
        /// An open window, with its state.
        #[derive(Debug, Clone)]
        pub enum Overlay { $($Window(Box<$module::State>)),* }

        impl Overlay {
            #[cfg(test)]
            pub const NAMES: &[&str] = &[$(stringify!($Window)),*];

            pub fn component(&self) -> &DynComponent {
                match self { $(Self::$Window(state) => state.as_ref()),* }
            }

            pub fn component_mut(&mut self) -> &mut DynComponent {
                match self { $(Self::$Window(state) => state.as_mut()),* }
            }
        }

        $(impl From<$module::State> for Overlay {
            fn from(state: $module::State) -> Self {
                Self::$Window(Box::new(state))
            }
        })*
    };
}

overlays! {
    AddAccount(account_add);
    AddMany(add_many);
    AddWatch(add_watch);
    Alerts(alerts);
    Arm(arm);
    Claims(claims);
    CopyToken(copy_token);
    Delivery(delivery);
    Exchange(exchange);
    ExpectAsk(expect_ask);
    ExpectForm(expect_form);
    Guide(guide);
    Help(help);
    History(history);
    LinkForm(link_form);
    LinkResult(link_result);
    Palette(palette);
    Player(player_form);
    Quote(quote_form);
    QuitAsk(quit_ask);
    Remove(remove);
    Replay(replay);
    Rotate(rotate);
    Sandbox(sandbox);
    SendAsk(send_ask);
    SimulateForm(simulate_form);
    Timeline(timeline);
}

impl Overlay {
    /// Whether both are the timeline of one payment.
    pub fn is_same_timeline(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Timeline(one), Self::Timeline(other)) => one.is_of(other),
            _ => false,
        }
    }
}

/// The typed payment id. A form replaces characters that it cannot show, and the result would be the id of another
/// payment: such ids are rejected.
fn payment_id(text: &str) -> Result<PaymentId, String> {
    if let Some(at) = text.chars().position(|c| c == char::REPLACEMENT_CHARACTER) {
        return Err(format!(
            "invalid character at position {}; `tilldeck payments add` reads such ids from a file",
            at + 1
        ));
    }
    PaymentId::new(text).map_err(|error| error.to_string())
}

/// The typed currency, or the error to show beside the field.
fn currency(text: &str) -> Result<Currency, String> {
    if text.is_empty() {
        return Err("enter a currency code, like EMT or BTC".into());
    }
    Currency::new(text).map_err(|error| error.to_string())
}

/// The steps of a guide, numbered and wrapped.
fn steps_in(guide: &Guide, width: u16) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, step) in (1..).zip(guide.steps) {
        let number = format!("{at}. ");
        let indent = " ".repeat(number.len());
        let room = width.saturating_sub(cells(number.len())).max(1);
        for (line, text) in wrap(step, room).into_iter().enumerate() {
            let lead = if line == 0 { &number } else { &indent };
            lines.push(format!("{lead}{text}"));
        }
    }
    lines
}
