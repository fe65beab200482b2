//! Asks before it removes an account. For a live one the operator types its name.

use super::ask::{Confirmation, Then};
use super::form_window::{FormAction, FormState, FormWindow, Stage, WindowText};
use crate::domain::Account;
use crate::domain::manage::Change;
use crate::tui::keys::Action;
use crate::tui::prelude::*;

#[derive(Debug, Clone)]
pub struct Removal {
    account: Account,
    /// The action whose guide shows how to delete the credentials at the provider.
    guide: Option<Action>,
}

pub type State = FormState<Removal>;

/// Opens the question that fits the account.
pub fn open(account: Account, guide: Option<Action>, ctx: &mut UpdateContext<'_>) {
    let removal = Removal { account, guide };
    if removal.account.environment.is_live() {
        let form = Form::new(vec![Field::account_name()]);
        ctx.open(State::new(form, removal));
    } else {
        ctx.open(removal.question(ctx.view()));
    }
}

impl Removal {
    fn describe(&self, ctx: ViewContext<'_>) -> String {
        let Account {
            id,
            provider_title,
            environment,
            ..
        } = &self.account;
        let stays = if let Some(guide) = self.guide {
            format!(
                " {provider_title} still accepts its credentials; the guide ({}) shows how to delete them there.",
                ctx.key(guide)
            )
        } else {
            String::new()
        };
        format!(
            "tilldeck removes {id} ({provider_title}, {}) from the config and deletes its saved secrets.{stays}",
            environment.as_str()
        )
    }

    fn question(&self, ctx: ViewContext<'_>) -> Confirmation {
        let account = self.account.id.clone();
        Confirmation {
            title: format!("Remove {account}"),
            text: vec![(Tone::Plain, self.describe(ctx))],
            yes: ("remove", "removes it"),
            no: ("cancel", "cancels"),
            live: false,
            opens_itself: None,
            then: Then::Remove(account),
        }
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "remove";

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let note = format!(
            "{} Type its name, then {} removes it.",
            self.data.describe(ctx),
            ctx.key(FormAction::Submit)
        );
        WindowText {
            tone: Tone::Live,
            ..WindowText::new(format!("Remove {}, LIVE", self.data.account.id), note, true)
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
