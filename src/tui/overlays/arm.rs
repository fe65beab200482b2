//! The form that arms a live account for write calls. The operator types the account's name.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::form_window::{FormView, FormWindow};
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
            form: Form::new(vec![Field::text("Account", "type its full name", "")]),
            account,
        }
    }
}

impl FormWindow for State {
    fn form_mut(&mut self) -> &mut Form {
        &mut self.form
    }

    fn submit_word(&self) -> &'static str {
        "arm"
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        let field = &mut self.form.fields[0];
        let right = field.typed() == self.account.as_str();
        field.error = (!right).then(|| format!("type {} to arm it", self.account));
        if !right {
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

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let note = format!(
            "{} moves real money. Type its name to allow write calls for ten minutes.",
            self.account
        );
        FormView {
            form: &self.form,
            title: "Arm a LIVE account",
            note: &note,
            tone: Tone::Live,
            live: true,
        }
        .draw(ctx, screen, buf)
    }
}
