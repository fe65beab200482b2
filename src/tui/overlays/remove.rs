//! Asks before it removes an account. For a live one the operator types its name.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::form_window::{FormAction, FormView, FormWindow, Stage};
use crate::domain::Account;
use crate::domain::manage::Change;
use crate::tui::component::{UpdateContext, ViewContext};
use crate::tui::keys::WindowAction;
use crate::tui::panes::credentials;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

/// The account that the form removes.
#[derive(Debug, Clone)]
pub struct State {
    form: Form,
    stage: Stage,
    account: Account,
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

    /// A removal takes effect at once.
    fn can_cancel(&self) -> bool {
        false
    }

    fn submit_word(&self) -> &'static str {
        "remove"
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        let account = &self.account.id;
        if let Some(field) = self.form.fields.first_mut() {
            let right = field.typed() == account.as_str();
            field.error = (!right).then(|| format!("type {account} to remove it"));
            if !right {
                return;
            }
        }
        let change = Change::Remove(account.clone());
        self.stage = Stage::Asked(ctx.store.manage(account.clone(), change, ctx.out));
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
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
                    format!("{} cancels,", ctx.key(WindowAction::Close))
                };
                let stays = if self.deletable {
                    format!(
                        "{provider_title} still accepts its credentials; the guide ({}) shows how to delete them there. ",
                        ctx.key(credentials::Action::Guide)
                    )
                } else {
                    String::new()
                };
                let note = format!(
                    "tilldeck removes {id} ({provider_title}, {}) from the config and deletes its saved secrets. {stays}{confirm} {} removes it.",
                    environment.as_str(),
                    ctx.key(FormAction::Submit)
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
        FormView {
            form: &self.form,
            title: &title,
            note: &note,
            tone,
            live,
        }
        .draw(ctx, screen, buf)
    }
}
