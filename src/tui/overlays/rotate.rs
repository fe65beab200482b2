//! The form that replaces a secret, below the steps to create the new one.

use super::form_window::{FormAction, FormState, FormWindow, Stage, WindowText};
use crate::domain::manage::{Change, Guide, GuideTopic, NewSecret, ProviderSetup, leaves_open};
use crate::domain::{Account, Problem, ProviderId, Secret};
use crate::tui::overlays::guide::steps_in;
use crate::tui::prelude::*;

/// The choice for a secret that the provider offers no way to verify.
const UNPROVABLE: &str = "if not verified";

/// The account, and the steps to create its new secret.
#[derive(Debug, Clone)]
pub struct Rotation {
    account: Account,
    keys: Vec<&'static str>,
    /// The keys of secrets that no request verifies.
    unprovable: Vec<&'static str>,
    guide: Option<&'static Guide>,
}

pub type State = FormState<Rotation>;

impl State {
    pub fn of(account: Account, setup: &ProviderSetup) -> Self {
        let secrets = setup.fields.iter().filter(|need| need.is_secret());
        let keys: Vec<_> = secrets.map(|need| need.name).collect();
        let main = setup.main_secret();
        let at = keys.iter().position(|key| Some(*key) == main).unwrap_or(0);
        let mut fields = vec![Field::hidden(
            "new secret",
            "type or paste it; it is not shown",
        )];
        if keys.len() > 1 {
            let names = keys.iter().map(ToString::to_string).collect();
            fields.push(Field::choice("secret to replace", names, at));
        }
        let secrets = setup.fields.iter().filter(|need| need.is_secret());
        let unprovable: Vec<_> = secrets
            .filter(|need| !setup.proves.contains(&need.name))
            .map(|need| need.name)
            .collect();
        if !unprovable.is_empty() {
            // The harmless choice comes first: Enter alone must not replace a secret that nothing has verified.
            let answers = vec!["keep the old secret".into(), "save anyway".into()];
            fields.push(Field::choice(UNPROVABLE, answers, 0));
        }
        let rotation = Rotation {
            unprovable,
            account,
            keys,
            guide: setup.guide_about(GuideTopic::Rotation),
        };
        Self::new(Form::new(fields), rotation)
    }

    fn chosen_key(&self) -> &'static str {
        let several = self.data.keys.len() > 1;
        let at = if several {
            self.form.fields[1].chosen()
        } else {
            0
        };
        self.data.keys.get(at).copied().unwrap_or_default()
    }

    /// Whether the provider offers no way to verify the secret.
    fn is_unprovable(&self) -> bool {
        self.data.unprovable.contains(&self.chosen_key())
    }

    /// The new secret. On an error it marks the field and returns `None`. A secret that cannot be verified needs the
    /// operator's choice.
    fn read(&mut self) -> Option<Secret> {
        let undecided =
            self.is_unprovable() && self.form.fields.last().is_some_and(|f| f.chosen() == 0);
        let last = self.form.fields.len() - 1;
        if !self.data.unprovable.is_empty() {
            let why = format!("{} cannot be verified: choose", self.chosen_key());
            self.form.fields[last].error = undecided.then_some(why);
        }
        if undecided {
            self.form.at = last;
            return None;
        }
        let field = &mut self.form.fields[0];
        match field.secret() {
            Some(Ok(secret)) => return Some(secret),
            Some(Err(why)) => field.error = Some(why),
            None => field.error = Some("the new secret is empty".into()),
        }
        self.form.at = 0;
        None
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "replace";
    const WIDE: u16 = 84;

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let live = self.data.account.environment.is_live();
        let mark = if live { ", LIVE: real money" } else { "" };
        let title = format!("New secret of {}{mark}", self.data.account.id);
        let (key, provider) = (self.chosen_key(), self.data.account.provider_title);
        if self.is_unprovable() {
            let note = format!(
                "{provider} offers no way to verify a {key}. Choose whether to save it unverified."
            );
            return WindowText {
                tone: Tone::Warn,
                ..WindowText::new(title, note, live)
            };
        }
        let submit = ctx.key(FormAction::Submit);
        let note = format!("{submit} verifies it with {provider}, then replaces the old {key}.");
        WindowText::new(title, note, live)
    }

    fn steps(&self, width: u16) -> Vec<String> {
        match self.data.guide {
            Some(guide) => steps_in(guide, width),
            None => wrap(
                &format!(
                    "Create the new secret at {} and paste it here. The old secret stays in use until the new one is verified.",
                    self.data.account.provider_title
                ),
                width,
            ),
        }
    }

    fn progress(&self, _ctx: ViewContext<'_>) -> String {
        format!("verifying with {}", self.data.account.provider_title)
    }

    fn trouble(&self, problem: &Problem) -> (String, Tone) {
        let tone = if leaves_open(problem) {
            Tone::Warn
        } else {
            Tone::Bad
        };
        (problem.describe(), tone)
    }

    fn guide(&self) -> Option<ProviderId> {
        Some(self.data.account.provider)
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(secret) = self.read() {
            let account = self.data.account.id.clone();
            let change = Change::Rotate(NewSecret {
                account: account.clone(),
                key: self.chosen_key().to_owned(),
                secret,
                unverified: self.is_unprovable(),
            });
            self.stage = Stage::Asked(ctx.store.manage(&account, change, ctx.out));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Environment;
    use crate::tui::testing::account;

    #[test]
    fn a_new_secret_that_nothing_proves_must_be_meant() {
        let account = Account {
            provider: ProviderId("kinguin"),
            ..account("keys", Environment::Sandbox)
        };
        let setups = crate::tui::testing::setups();
        let mut form = State::of(account, &setups[1]);
        let space = ratatui::crossterm::event::KeyCode::Char(' ').into();
        form.form.paste("planted-client-secret-8f3a");
        assert!(form.read().is_some() && !form.is_unprovable());
        form.form.next();
        form.form.key(&space);
        assert_eq!(
            (form.chosen_key(), form.is_unprovable()),
            ("other_secret", true)
        );
        assert!(form.read().is_none(), "the old one is left by itself");
        form.form.key(&space);
        assert!(form.read().is_some());
    }
}
