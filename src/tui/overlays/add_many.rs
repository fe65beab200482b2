//! The form that chooses the account of several pasted payments.

use super::form_window::{FormWindow, WindowText};
use crate::domain::AccountId;
use crate::tui::component::{Intent, UpdateContext, ViewContext};
use crate::tui::panes::payments::pasted::Pasted;
use crate::tui::widgets::form::Form;

/// The form and the pasted payments.
#[derive(Debug, Clone)]
pub struct State {
    form: Form,
    pasted: Pasted,
}

impl State {
    pub fn new(accounts: Vec<AccountId>, at: usize, pasted: Pasted) -> Self {
        Self {
            form: Form::about(Vec::new(), accounts, at),
            pasted,
        }
    }
}

impl FormWindow for State {
    fn form(&self) -> &Form {
        &self.form
    }

    fn form_mut(&mut self) -> &mut Form {
        &mut self.form
    }

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let rows = &self.pasted.rows;
        let sums = rows.iter().filter(|(_, sum)| sum.is_some()).count();
        let note = format!("{} payments, {sums} with an expected amount.", rows.len());
        WindowText::new("Watch the pasted payments", note, ctx.store.is_live())
    }

    fn submit_word(&self) -> &'static str {
        "watch"
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(account) = self.form.account().cloned() {
            let pasted = std::mem::take(&mut self.pasted);
            ctx.intend(Intent::WatchMany(account, pasted));
        }
    }
}
