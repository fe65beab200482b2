//! Asks before it removes an account. For a live one the operator types its name.

use super::form_window::{FormAction, FormState, FormWindow, Stage, WindowText};
use crate::domain::Account;
use crate::domain::manage::Change;
use crate::tui::keys::{Action, WindowAction};
use crate::tui::prelude::*;

#[derive(Debug, Clone)]
pub struct Removal {
    account: Account,
    /// The action whose guide shows how to delete the credentials at the provider.
    guide: Option<Action>,
}

pub type State = FormState<Removal>;

impl State {
    pub fn of(account: Account, guide: Option<Action>) -> Self {
        let fields = if account.environment.is_live() {
            vec![Field::account_name()]
        } else {
            Vec::new()
        };
        Self::new(Form::new(fields), Removal { account, guide })
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "remove";

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let Account {
            id,
            provider_title,
            environment,
            ..
        } = &self.data.account;
        let live = environment.is_live();
        let (mark, tone) = if live {
            (", LIVE", Tone::Live)
        } else {
            ("", Tone::Plain)
        };
        let confirm = if live {
            "Type its name, then".to_owned()
        } else {
            format!("{} cancels,", ctx.key(WindowAction::Close))
        };
        let stays = if let Some(guide) = self.data.guide {
            format!(
                "{provider_title} still accepts its credentials; the guide ({}) shows how to delete them there. ",
                ctx.key(guide)
            )
        } else {
            String::new()
        };
        let note = format!(
            "tilldeck removes {id} ({provider_title}, {}) from the config and deletes its saved secrets. {stays}{confirm} {} removes it.",
            environment.as_str(),
            ctx.key(FormAction::Submit)
        );
        WindowText {
            tone,
            ..WindowText::new(format!("Remove {id}{mark}"), note, live)
        }
    }

    fn progress(&self, _ctx: ViewContext<'_>) -> String {
        "removing".into()
    }

    /// A removal takes effect at once.
    fn can_cancel(&self) -> bool {
        false
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        let account = &self.data.account.id;
        if !self.form.confirms(0, account.as_str(), "remove") {
            return;
        }
        let change = Change::Remove(account.clone());
        self.stage = Stage::Asked(ctx.store.manage(account, change, ctx.out));
    }
}
