//! The form of a price estimate.

use super::form_window::{FormState, FormWindow, WindowText};
use crate::domain::{AccountId, Amount};
use crate::tui::intent::Question;
use crate::tui::prelude::*;

#[derive(Debug, Clone)]
pub struct EstimateFields;

pub type State = FormState<EstimateFields>;

const QUANTITY: usize = 0;
const TOKEN: usize = 1;

impl State {
    pub fn of(accounts: Vec<AccountId>, at: usize, last: Option<&Question>) -> Self {
        let (quantity, token) = last.map_or(("", ""), |question| {
            (question.quantity.as_str(), question.token.as_str())
        });
        let fields = vec![
            Field::text("Amount", "amount that you receive, like 3000", quantity),
            Field::text("Currency", "settlement currency, like EMT", token),
        ];
        Self::new(Form::about(fields, accounts, at), EstimateFields)
    }

    /// The estimate to request. On an error it marks the fields and returns `None`.
    fn read(&mut self) -> Option<Question> {
        let quantity = self.form.read(QUANTITY, Amount::typed);
        let token = self.form.read(TOKEN, super::typed::currency);
        if self.form.find_error() {
            return None;
        }
        Some(Question {
            account: self.form.account()?.clone(),
            token: token?,
            quantity: quantity?,
        })
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "estimate";

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let note = "Shows what a payer pays in each currency, fee included.";
        WindowText::new("Price estimate", note, ctx.store.is_live())
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(question) = self.read() {
            ctx.intend(Intent::Estimate(question));
        }
    }
}
