//! The form that creates a payment link. It checks the fields; the request itself is an effect.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::form_window::{FormView, FormWindow, Stage};
use super::{arm, link_result};
use crate::domain::{AccountId, Amount, Answer, ExpectedBy, LinkRequest, Op};
use crate::tui::component::{Intent, UpdateContext, ViewContext};
use crate::tui::msg::NewWatch;
use crate::tui::store::Purpose;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form, Switch, Value};

/// The form and the accounts to choose from.
#[derive(Debug, Clone)]
pub struct State {
    form: Form,
    accounts: Vec<AccountId>,
    pub stage: Stage,
    /// What the request in progress asks for.
    asked: Option<(AccountId, LinkRequest)>,
    /// The operator is asked to arm the account, for the payment token.
    arming: bool,
}

const ID: usize = 0;
const AMOUNT: usize = 1;
const CURRENCY: usize = 2;
const NAME: usize = 3;
const EMAIL: usize = 4;
const FORCE: usize = 5;
const TOKEN: usize = 6;
const ACCOUNT: usize = 7;

impl State {
    pub fn new(accounts: Vec<AccountId>, at: usize, may_write: bool) -> Self {
        let mut fields = vec![
            Field::text("Payment id", "your unique order id, like ORDER-1042", ""),
            Field::text("Amount", "amount that you receive, like 25.00", ""),
            Field::text("Currency", "settlement currency, like EMT", ""),
            Field::text("Description", "text for the payer, optional", ""),
            Field::text("E-mail", "the payer's address, optional", ""),
            Field::text("Pay only in", "a currency, optional", ""),
            Field::switch(
                "Payment token",
                "the payer skips e-mail verification; fill in E-mail",
                if may_write {
                    Switch::Off
                } else {
                    Switch::Locked
                },
            ),
        ];
        if accounts.len() > 1 {
            let names = accounts.iter().map(ToString::to_string).collect();
            fields.push(Field::choice("Account", names, at));
        }
        Self {
            form: Form::new(fields),
            accounts,
            stage: Stage::Filling,
            asked: None,
            arming: false,
        }
    }

    fn account(&self) -> Option<&AccountId> {
        let chosen = self.form.fields.get(ACCOUNT).map_or(0, Field::chosen);
        self.accounts.get(chosen)
    }

    /// Locks or unlocks the payment token: only an armed account may request one.
    fn allow_writes(&mut self, may_write: bool) {
        if let Value::Switch(switch) = &mut self.form.fields[TOKEN].value {
            *switch = match (*switch, may_write) {
                // Disarming also takes back a token that was switched on before.
                (_, false) => Switch::Locked,
                (Switch::Locked, true) => Switch::Off,
                (other, true) => other,
            };
        }
    }

    /// The link that the form describes. On an error it marks the fields and returns `None`.
    fn read(&mut self) -> Option<(AccountId, LinkRequest)> {
        let fields = &mut self.form.fields;
        let id = super::payment_id(fields[ID].typed());
        fields[ID].error = id.as_ref().err().cloned();
        let amount = Amount::typed(fields[AMOUNT].typed());
        fields[AMOUNT].error = amount.as_ref().err().map(ToString::to_string);
        let currency = super::currency(fields[CURRENCY].typed());
        fields[CURRENCY].error = currency.as_ref().err().cloned();
        let force = optional(fields[FORCE].typed())
            .map(|code| super::currency(&code))
            .transpose();
        fields[FORCE].error = force.as_ref().err().cloned();
        let email = optional(fields[EMAIL].typed());
        fields[EMAIL].error = email.as_deref().and_then(bad_email);
        let name = optional(fields[NAME].typed());
        let with_token = fields[TOKEN].is_on();
        if self.form.find_error() {
            return None;
        }
        let link = LinkRequest {
            id: id.ok()?,
            amount: amount.ok()?,
            currency: currency.ok()?,
            name,
            email,
            force_currency: force.ok()?,
            with_token,
            // A different expected amount is rejected here: the operator changes it in Payments, where both are shown.
            replace_expectation: false,
        };
        Some((self.account()?.clone(), link))
    }
}

impl FormWindow for State {
    fn form_mut(&mut self) -> &mut Form {
        &mut self.form
    }

    fn stage(&self) -> Option<&Stage> {
        Some(&self.stage)
    }

    fn stage_mut(&mut self) -> Option<&mut Stage> {
        Some(&mut self.stage)
    }

    fn submit_word(&self) -> &'static str {
        "create link"
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some((account, link)) = self.read() {
            let op = Op::PaymentLink(link.clone());
            let purpose = Purpose::Link(link.clone());
            let request = ctx.store.ask(account.clone(), op, purpose, false, ctx.out);
            self.stage = Stage::Asked(request);
            self.asked = Some((account, link));
        }
    }

    /// The chosen account may have changed, or its arming.
    fn refit(&mut self, ctx: &mut UpdateContext<'_>) {
        let known = self.account().and_then(|account| ctx.store.known(account));
        let may_write = known.is_some_and(|known| known.may_write(ctx.now));
        self.allow_writes(may_write);
        if may_write && std::mem::take(&mut self.arming) {
            self.form.fields[TOKEN].value = Value::Switch(Switch::On);
        }
    }

    fn unlock(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(account) = self.account().cloned() {
            self.arming = true;
            ctx.open(arm::State::new(account));
        }
    }

    fn answered(&mut self, answer: &Answer, ctx: &mut UpdateContext<'_>) {
        let Answer::Link(result) = answer else {
            return;
        };
        let link = match result {
            Ok(link) => link.clone(),
            Err(problem) => return self.failed(problem),
        };
        let Some((account, request)) = self.asked.take() else {
            return;
        };
        ctx.intend(Intent::Watch(NewWatch {
            account: account.clone(),
            id: request.id.clone(),
            expected: Some(request.expected()),
            by: ExpectedBy::Link,
        }));
        ctx.open(link_result::State::new(account, request, link));
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let failure;
        let (note, tone) = match &self.stage {
            Stage::Filling => (
                "tilldeck watches the payment as soon as the link exists.",
                Tone::Dim,
            ),
            Stage::Asked(request) => {
                failure = match ctx.store.waiting_for(Some(*request)) {
                    Some(why) => format!("creating the link, waiting: {why}; Esc cancels"),
                    None => "creating the link…; Esc cancels".into(),
                };
                (failure.as_str(), Tone::Busy)
            }
            Stage::Failed(problem) => {
                failure = problem.describe();
                (failure.as_str(), Tone::Bad)
            }
        };
        let live = self
            .account()
            .and_then(|account| ctx.store.known(account))
            .is_some_and(|known| known.account.environment.is_live());
        let title = if live {
            "Payment link, LIVE: real money"
        } else {
            "Payment link"
        };
        FormView {
            form: &self.form,
            title,
            note,
            tone,
            live,
        }
        .draw(ctx, screen, buf)
    }
}

fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn bad_email(text: &str) -> Option<String> {
    let valid = text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && !host.is_empty() && !host.contains('@') && !text.contains(' ')
    });
    (!valid).then(|| "invalid e-mail address; write name@host".to_owned())
}
