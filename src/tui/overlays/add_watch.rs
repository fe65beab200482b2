//! The form that adds a payment to the watch list.

use super::add_many;
use super::form_window::{FormState, FormWindow, WindowText};
use crate::domain::{AccountId, Amount, Expected, ExpectedBy};
use crate::tui::msg::NewWatch;
use crate::tui::pasted;
use crate::tui::prelude::*;

#[derive(Debug, Clone)]
pub struct WatchFields;

pub type State = FormState<WatchFields>;

const ID: usize = 0;
const AMOUNT: usize = 1;
const CURRENCY: usize = 2;

impl State {
    pub fn of(accounts: Vec<AccountId>, at: usize, id: &str) -> Self {
        let fields = vec![
            Field::text("Payment id", "your order id", id),
            Field::text("Expected", "amount to pay, like 25.00; optional", ""),
            Field::text("Currency", "of that amount, like EMT", ""),
        ];
        let mut form = Form::about(fields, accounts, at);
        if !id.is_empty() {
            form.at = AMOUNT;
        }
        Self::new(form, WatchFields)
    }

    /// The payment to watch. On an error it marks the fields and returns `None`.
    fn read(&mut self) -> Option<NewWatch> {
        let id = self.form.read(ID, super::typed::payment_id);
        let is_typed = |at: usize| !self.form.fields[at].typed().is_empty();
        let expected = if is_typed(AMOUNT) || is_typed(CURRENCY) {
            let amount = self.form.read(AMOUNT, Amount::typed);
            let currency = self.form.read(CURRENCY, super::typed::currency);
            amount
                .zip(currency)
                .map(|(amount, currency)| Expected { amount, currency })
        } else {
            for at in [AMOUNT, CURRENCY] {
                self.form.fields[at].error = None;
            }
            None
        };
        if self.form.find_error() {
            return None;
        }
        Some(NewWatch {
            account: self.form.account()?.clone(),
            id: id?,
            expected,
            by: ExpectedBy::Form,
        })
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "watch";

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let note = "PAID appears only if amount and currency match.";
        WindowText::new("Watch a payment", note, ctx.store.is_live())
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(new) = self.read() {
            ctx.intend(Intent::Watch(new));
        }
    }

    /// Several payments replace the form.
    fn take_paste(&mut self, text: &str, ctx: &mut UpdateContext<'_>) -> bool {
        if self.form.at != ID {
            return false;
        }
        let Some(pasted) = pasted::read(text) else {
            return false;
        };
        ctx.close();
        add_many::watch(pasted, self.form.account(), ctx);
        true
    }
}
