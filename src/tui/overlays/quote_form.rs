//! The form of a price estimate.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::draw_form;
use crate::domain::{AccountId, Amount};
use crate::tui::panes::ViewContext;
use crate::tui::panes::estimates::Question;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

/// The form and the accounts to choose from.
#[derive(Debug, Clone)]
pub struct State {
    pub form: Form,
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
    pub fn submit(&mut self) -> Option<Question> {
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

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        draw_form(
            &self.form,
            ctx,
            (
                "Price estimate",
                "Shows what a payer pays in each currency, fee included.",
                Tone::Dim,
            ),
            ctx.store.is_live(),
            screen,
            buf,
        )
    }
}
