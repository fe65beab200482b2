//! The form that chooses the account of several pasted payments.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::draw_form;
use crate::domain::AccountId;
use crate::tui::panes::ViewContext;
use crate::tui::panes::payments::pasted::Pasted;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

/// The form, the pasted payments, and the accounts to choose from.
#[derive(Debug, Clone)]
pub struct State {
    pub form: Form,
    accounts: Vec<AccountId>,
    pub pasted: Pasted,
}

impl State {
    pub fn new(accounts: Vec<AccountId>, at: usize, pasted: Pasted) -> Self {
        let names = accounts.iter().map(ToString::to_string).collect();
        Self {
            form: Form::new(vec![Field::choice("Account", names, at)]),
            accounts,
            pasted,
        }
    }

    pub fn account(&self) -> Option<&AccountId> {
        let chosen = self.form.fields.first().map_or(0, Field::chosen);
        self.accounts.get(chosen)
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let rows = &self.pasted.rows;
        let sums = rows.iter().filter(|(_, sum)| sum.is_some()).count();
        let note = format!("{} payments, {sums} with an expected amount.", rows.len());
        draw_form(
            &self.form,
            ctx,
            ("Watch the pasted payments", &note, Tone::Dim),
            ctx.store.is_live(),
            screen,
            buf,
        )
    }
}
