//! The form of a price estimate.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::form_window::{FormView, FormWindow};
use crate::domain::{AccountId, Amount};
use crate::tui::component::{Intent, UpdateContext, ViewContext};
use crate::tui::panes::estimates::Question;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

/// The form and the accounts to choose from.
#[derive(Debug, Clone)]
pub struct State {
    form: Form,
    accounts: Vec<AccountId>,
}

const QUANTITY: usize = 0;
const TOKEN: usize = 1;
const ACCOUNT: usize = 2;

impl State {
    pub fn new(accounts: Vec<AccountId>, at: usize, last: Option<&Question>) -> Self {
        let (quantity, token) = last.map_or(("", ""), |question| {
            (question.quantity.as_str(), question.token.as_str())
        });
        let mut fields = vec![
            Field::text("Amount", "amount that you receive, like 3000", quantity),
            Field::text("Currency", "settlement currency, like EMT", token),
        ];
        if accounts.len() > 1 {
            let names = accounts.iter().map(ToString::to_string).collect();
            fields.push(Field::choice("Account", names, at));
        }
        Self {
            form: Form::new(fields),
            accounts,
        }
    }

    /// The estimate to request. On an error it marks the fields and returns `None`.
    fn read(&mut self) -> Option<Question> {
        let chosen = self.form.fields.get(ACCOUNT).map_or(0, Field::chosen);
        let fields = &mut self.form.fields;
        let quantity = Amount::typed(fields[QUANTITY].typed());
        let token = super::currency(fields[TOKEN].typed());
        fields[QUANTITY].error = quantity.as_ref().err().map(ToString::to_string);
        fields[TOKEN].error = token.as_ref().err().cloned();
        if self.form.find_error() {
            return None;
        }
        Some(Question {
            account: self.accounts.get(chosen)?.clone(),
            token: token.ok()?,
            quantity: quantity.ok()?,
        })
    }
}

impl FormWindow for State {
    fn form_mut(&mut self) -> &mut Form {
        &mut self.form
    }

    fn submit_word(&self) -> &'static str {
        "estimate"
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(question) = self.read() {
            ctx.intend(Intent::Estimate(question));
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        FormView {
            form: &self.form,
            title: "Price estimate",
            note: "Shows what a payer pays in each currency, fee included.",
            tone: Tone::Dim,
            live: ctx.store.is_live(),
        }
        .draw(ctx, screen, buf)
    }
}
