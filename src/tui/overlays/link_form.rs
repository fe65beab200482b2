//! The form that creates a payment link. It checks the fields; the request itself is an effect.

use super::form_window::{FormState, FormWindow, Stage, WindowText};
use super::link_result;
use crate::domain::{AccountId, Amount, Answer, ExpectedBy, LinkRequest, Op};
use crate::tui::msg::NewWatch;
use crate::tui::panes::credentials;
use crate::tui::prelude::*;

/// What the form waits for.
#[derive(Debug, Clone, Default)]
pub struct LinkProgress {
    /// What the request in progress asks for.
    asked: Option<(AccountId, LinkRequest)>,
}

pub type State = FormState<LinkProgress>;

const ID: usize = 0;
const AMOUNT: usize = 1;
const CURRENCY: usize = 2;
const NAME: usize = 3;
const EMAIL: usize = 4;
const FORCE: usize = 5;
const TOKEN: usize = 6;

impl State {
    pub fn of(accounts: Vec<AccountId>, at: usize) -> Self {
        let fields = vec![
            Field::text("Payment id", "your unique order id, like ORDER-1042", ""),
            Field::text("Amount", "amount that you receive, like 25.00", ""),
            Field::text("Currency", "settlement currency, like EMT", ""),
            Field::text("Description", "text for the payer, optional", ""),
            Field::text("E-mail", "the payer's address, optional", ""),
            Field::text("Pay only in", "a currency, optional", ""),
            Field::switch(
                "Payment token",
                "yes: payer skips e-mail verification; needs E-mail",
            ),
        ];
        Self::new(Form::about(fields, accounts, at), LinkProgress::default())
    }

    /// The link that the form describes. On an error it marks the fields and returns `None`.
    fn read(&mut self) -> Option<(AccountId, LinkRequest)> {
        let form = &mut self.form;
        let id = form.read(ID, super::typed::payment_id);
        let amount = form.read(AMOUNT, Amount::typed);
        let currency = form.read(CURRENCY, super::typed::currency);
        let force = form.read(FORCE, |code| {
            optional(code).map(super::typed::currency).transpose()
        });
        let email = form.read(EMAIL, |text| optional(text).map(email).transpose());
        let name = optional(form.fields[NAME].typed()).map(str::to_owned);
        let with_token = form.fields[TOKEN].is_on();
        if self.form.find_error() {
            return None;
        }
        let link = LinkRequest {
            id: id?,
            amount: amount?,
            currency: currency?,
            name,
            email: email?,
            force_currency: force?,
            with_token,
            // A different expected amount is rejected here: the operator changes it in Payments, where both are shown.
            replace_expectation: false,
        };
        Some((self.form.account()?.clone(), link))
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "create link";

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let account = self.form.account();
        let live = account.is_some_and(|account| ctx.store.is_live_account(account.as_str()));
        let title = if live {
            "Payment link, LIVE: real money"
        } else {
            "Payment link"
        };
        let note = "tilldeck watches the payment as soon as the link exists.";
        WindowText::new(title, note, live)
    }

    fn progress(&self, _ctx: ViewContext<'_>) -> String {
        "creating the link".into()
    }

    /// A payment token of a live account needs an armed account.
    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        let Some((account, link)) = self.read() else {
            return;
        };
        let known = ctx.store.known(&account);
        if link.with_token && known.is_none_or(|known| !known.may_write(ctx.now)) {
            return credentials::arm(&account, ctx);
        }
        let op = Op::PaymentLink(link.clone());
        let request = ctx.store.ask(account.clone(), op, false, ctx.out);
        self.stage = Stage::Asked(request);
        self.data.asked = Some((account, link));
    }

    fn done(&mut self, answer: Option<&Answer>, ctx: &mut UpdateContext<'_>) {
        let (Some(Answer::Link(Ok(link))), Some((account, request))) =
            (answer, self.data.asked.take())
        else {
            return;
        };
        ctx.intend(Intent::Watch(NewWatch {
            account: account.clone(),
            id: request.id.clone(),
            expected: Some(request.expected()),
            by: ExpectedBy::Link,
        }));
        ctx.open(link_result::State::new(account, request, link.clone()));
    }
}

fn optional(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn email(text: &str) -> Result<String, &'static str> {
    let valid = text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && !host.is_empty() && !host.contains('@') && !text.contains(' ')
    });
    valid
        .then(|| text.to_owned())
        .ok_or("invalid e-mail address; write name@host")
}
