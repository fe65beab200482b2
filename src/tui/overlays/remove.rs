//! Asks before it removes an account. For a live one the operator types its name.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Stage, draw_form};
use crate::domain::Account;
use crate::tui::keys::Action;
use crate::tui::panes::ViewContext;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

/// The account that the form removes.
#[derive(Debug, Clone)]
pub struct State {
    pub form: Form,
    pub stage: Stage,
    pub account: Account,
    /// Whether the guide shows how to delete the credentials at the provider.
    deletable: bool,
}

impl State {
    pub fn new(account: Account, deletable: bool) -> Self {
        let fields = if account.environment.is_live() {
            vec![Field::text("Account", "type its full name", "")]
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

    /// Whether the operator confirmed.
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
                    format!("{} cancels,", ctx.key(Action::Close))
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
                    "tilldeck removes {id} ({provider_title}, {}) from the config and deletes its saved secrets. {stays}{confirm} {} removes it.",
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
