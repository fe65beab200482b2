//! The form that sets the expected amount of a watched payment.

use super::form_window::{FormState, FormWindow, WindowText};
use crate::domain::{AccountId, Amount, Expected, ExpectedBy, PaymentId};
use crate::tui::msg::NewWatch;
use crate::tui::prelude::*;
use crate::tui::watched::Watched;

#[derive(Debug, Clone)]
pub struct WatchedPayment {
    account: AccountId,
    id: PaymentId,
}

pub type State = FormState<WatchedPayment>;

const AMOUNT: usize = 0;
const CURRENCY: usize = 1;

impl State {
    pub fn of(watched: &Watched) -> Self {
        let sum = watched.expected();
        let amount = sum.map_or("", |sum| sum.amount.as_str());
        let currency = sum.map_or("", |sum| sum.currency.as_str());
        let fields = vec![
            Field::text("Amount", "amount to pay, like 25.00", amount),
            Field::text("Currency", "of that amount, like EMT", currency),
        ];
        let (account, id) = watched.key();
        Self::new(Form::new(fields), WatchedPayment { account, id })
    }

    /// The new expectation. On an error it marks the fields and returns `None`.
    fn read(&mut self) -> Option<NewWatch> {
        let amount = self.form.read(AMOUNT, Amount::typed);
        let currency = self.form.read(CURRENCY, super::typed::currency);
        if self.form.find_error() {
            return None;
        }
        let expected = Expected {
            amount: amount?,
            currency: currency?,
        };
        Some(NewWatch {
            account: self.data.account.clone(),
            id: self.data.id.clone(),
            expected: Some(expected),
            by: ExpectedBy::Form,
        })
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "set amount";

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        // The title is cut, so that the window has room for it at every width.
        let id = fit_middle(self.data.id.as_str(), 42);
        let title = format!("Expected amount of {id}");
        let note = "PAID appears only if amount and currency match.";
        WindowText::new(title, note, ctx.store.is_live())
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(new) = self.read() {
            ctx.close();
            ctx.out.push(Effect::Watch(new));
        }
    }
}
