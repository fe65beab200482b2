//! The form that arms a live account for write calls. The operator types the account's name.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{draw_form, link_form};
use crate::domain::AccountId;
use crate::tui::panes::ViewContext;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

/// The account, and the form to return to.
#[derive(Debug, Clone)]
pub struct State {
    pub form: Form,
    pub account: AccountId,
    pub resume: Option<Box<link_form::State>>,
}

impl State {
    pub fn new(account: AccountId, resume: Option<Box<link_form::State>>) -> Self {
        Self {
            form: Form::new(vec![Field::text("Account", "type its full name", "")]),
            account,
            resume,
        }
    }

    /// Whether the typed name is the account's.
    pub fn submit(&mut self) -> bool {
        let field = &mut self.form.fields[0];
        let right = field.typed() == self.account.as_str();
        field.error = (!right).then(|| format!("type {} to arm it", self.account));
        right
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let note = format!(
            "{} moves real money. Type its name to allow write calls for ten minutes.",
            self.account
        );
        draw_form(
            &self.form,
            ctx,
            ("Arm a LIVE account", &note, Tone::Live),
            true,
            screen,
            buf,
        )
    }
}
