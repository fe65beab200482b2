//! The form that adds a payment to the watch list.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::form_window::{FormView, FormWindow};
use crate::domain::{AccountId, Amount, Expected, ExpectedBy};
use crate::tui::component::{Intent, UpdateContext, ViewContext};
use crate::tui::msg::NewWatch;
use crate::tui::panes::payments::pasted;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

/// The form and the accounts to choose from.
#[derive(Debug, Clone)]
pub struct State {
    form: Form,
    accounts: Vec<AccountId>,
}

const ID: usize = 0;
const AMOUNT: usize = 1;
const CURRENCY: usize = 2;
const ACCOUNT: usize = 3;

impl State {
    pub fn new(accounts: Vec<AccountId>, at: usize, id: &str) -> Self {
        let mut fields = vec![
            Field::text("Payment id", "your order id", id),
            Field::text("Expected", "amount to pay, like 25.00; optional", ""),
            Field::text("Currency", "of that amount, like EMT", ""),
        ];
        if accounts.len() > 1 {
            let names = accounts.iter().map(ToString::to_string).collect();
            fields.push(Field::choice("Account", names, at));
        }
        let mut form = Form::new(fields);
        if !id.is_empty() {
            form.at = AMOUNT;
        }
        Self { form, accounts }
    }

    fn account(&self) -> Option<&AccountId> {
        let chosen = self.form.fields.get(ACCOUNT).map_or(0, Field::chosen);
        self.accounts.get(chosen)
    }

    /// The payment to watch. On an error it marks the fields and returns `None`.
    fn read(&mut self) -> Option<NewWatch> {
        let account = self.account().cloned();
        let fields = &mut self.form.fields;
        let id = super::payment_id(fields[ID].typed());
        fields[ID].error = id.as_ref().err().cloned();
        let (amount, currency) = (fields[AMOUNT].typed(), fields[CURRENCY].typed());
        let expected = if amount.is_empty() && currency.is_empty() {
            None
        } else {
            let amount = Amount::typed(amount);
            let currency = super::currency(currency);
            fields[AMOUNT].error = amount.as_ref().err().map(ToString::to_string);
            fields[CURRENCY].error = currency.as_ref().err().cloned();
            amount
                .ok()
                .zip(currency.ok())
                .map(|(amount, currency)| Expected { amount, currency })
        };
        if self.form.find_error() {
            return None;
        }
        Some(NewWatch {
            account: account?,
            id: id.ok()?,
            expected,
            by: ExpectedBy::Form,
        })
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
        pasted::watch(pasted, self.account(), ctx);
        true
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        FormView {
            form: &self.form,
            title: "Watch a payment",
            note: "PAID appears only if amount and currency match.",
            tone: Tone::Dim,
            live: ctx.store.is_live(),
        }
        .draw(ctx, screen, buf)
    }
}
