//! The form that chooses the account of several pasted payments.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::form_window::{FormView, FormWindow};
use crate::domain::AccountId;
use crate::tui::component::{Intent, UpdateContext, ViewContext};
use crate::tui::panes::payments::pasted::Pasted;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

/// The form, the pasted payments, and the accounts to choose from.
#[derive(Debug, Clone)]
pub struct State {
    form: Form,
    accounts: Vec<AccountId>,
    pasted: Pasted,
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

    fn account(&self) -> Option<&AccountId> {
        let chosen = self.form.fields.first().map_or(0, Field::chosen);
        self.accounts.get(chosen)
    }
}

impl FormWindow for State {
    fn form_mut(&mut self) -> &mut Form {
        &mut self.form
    }

    fn submit_word(&self) -> &'static str {
        "watch"
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(account) = self.account().cloned() {
            let pasted = std::mem::take(&mut self.pasted);
            ctx.intend(Intent::WatchMany(account, pasted));
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let rows = &self.pasted.rows;
        let sums = rows.iter().filter(|(_, sum)| sum.is_some()).count();
        let note = format!("{} payments, {sums} with an expected amount.", rows.len());
        FormView {
            form: &self.form,
            title: "Watch the pasted payments",
            note: &note,
            tone: Tone::Dim,
            live: ctx.store.is_live(),
        }
        .draw(ctx, screen, buf)
    }
}
