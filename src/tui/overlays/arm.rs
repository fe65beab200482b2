//! The form that arms a live account for write calls. The operator types the account's name.

use super::form_window::{FormState, FormWindow, WindowText};
use crate::domain::AccountId;
use crate::tui::prelude::*;

#[derive(Debug, Clone)]
pub struct LockedAccount {
    account: AccountId,
}

pub type State = FormState<LockedAccount>;

impl State {
    pub fn of(account: AccountId) -> Self {
        Self::new(
            Form::new(vec![Field::account_name()]),
            LockedAccount { account },
        )
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "arm";

    fn text(&self, _ctx: ViewContext<'_>) -> WindowText {
        let note = format!(
            "{} moves real money. Type its name to allow write calls for ten minutes.",
            self.data.account
        );
        WindowText {
            tone: Tone::Live,
            ..WindowText::new("Arm a LIVE account", note, true)
        }
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if !self.form.confirms(0, self.data.account.as_str(), "arm") {
            return;
        }
        if let Some(known) = ctx.store.known_mut(&self.data.account) {
            known.arm(ctx.now);
        }
        let text = format!(
            "{} is armed: write calls are allowed for ten minutes",
            self.data.account
        );
        ctx.flash(Level::Warning, text);
        ctx.close();
    }
}
