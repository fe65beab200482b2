//! Asks before an account is removed; a live one's name must be typed.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Stage, draw_form};
use crate::domain::Account;
use crate::tui::keys::Action;
use crate::tui::panes::ViewContext;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

/// The account that is about to go.
#[derive(Debug, Clone)]
pub struct State {
    pub form: Form,
    pub stage: Stage,
    pub account: Account,
    /// Whether the guide tells how what the account used is deleted at its provider.
    deletable: bool,
}

impl State {
    pub fn new(account: Account, deletable: bool) -> Self {
        let fields = if account.environment.is_live() {
            vec![Field::text("Account", "its name, in full", "")]
        } else {
            Vec::new()
        };
        Self {
            form: Form::new(fields),
            stage: Stage::Filling,
            account,
            deletable,
        }
    }

    /// Whether it is meant.
    pub fn submit(&mut self) -> bool {
        let Some(field) = self.form.fields.first_mut() else {
            return true;
        };
        let right = field.typed() == self.account.id.as_str();
        field.error = (!right).then(|| format!("type {} to remove it", self.account.id));
        right
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let Account {
            id,
            provider_title,
            environment,
            ..
        } = &self.account;
        let live = environment.is_live();
        let (note, tone) = match &self.stage {
            Stage::Filling => {
                let confirm = if live {
                    "Type its name, then".to_owned()
                } else {
                    format!("{} stays,", ctx.key(Action::Close))
                };
                let stays = if self.deletable {
                    format!(
                        "{provider_title} still accepts its credentials; the guide ({}) shows how to delete them there. ",
                        ctx.key(Action::Guide)
                    )
                } else {
                    String::new()
                };
                let note = format!(
                    "{id} ({provider_title}, {}) goes out of the config. What tilldeck keeps of its secrets is forgotten. {stays}{confirm} {} removes it.",
                    environment.as_str(),
                    ctx.key(Action::Submit)
                );
                (note, if live { Tone::Live } else { Tone::Plain })
            }
            Stage::Asked(_) => ("removing…".to_owned(), Tone::Busy),
            Stage::Failed(problem) => (problem.describe(), Tone::Bad),
        };
        let title = if live {
            format!("Remove {id}, LIVE")
        } else {
            format!("Remove {id}")
        };
        draw_form(&self.form, ctx, (&title, &note, tone), live, screen, buf)
    }
}
