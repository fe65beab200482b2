//! The form that arms a live account for write calls. The operator types the account's name.

use super::form_window::{FormWindow, WindowText};
use crate::domain::AccountId;
use crate::tui::component::{UpdateContext, ViewContext};
use crate::tui::msg::Level;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

/// The account to arm.
#[derive(Debug, Clone)]
pub struct State {
    form: Form,
    account: AccountId,
}

impl State {
    pub fn new(account: AccountId) -> Self {
        Self {
            form: Form::new(vec![Field::account_name()]),
            account,
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

    fn text(&self, _ctx: ViewContext<'_>) -> WindowText {
        let note = format!(
            "{} moves real money. Type its name to allow write calls for ten minutes.",
            self.account
        );
        WindowText {
            tone: Tone::Live,
            ..WindowText::new("Arm a LIVE account", note, true)
        }
    }

    fn submit_word(&self) -> &'static str {
        "arm"
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if !self.form.confirms(0, self.account.as_str(), "arm") {
            return;
        }
        if let Some(known) = ctx.store.known_mut(&self.account) {
            known.arm(ctx.now);
        }
        let text = format!(
            "{} is armed: write calls are allowed for ten minutes",
            self.account
        );
        ctx.flash(Level::Warning, text);
        ctx.close();
    }
}
