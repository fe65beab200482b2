//! The form that replaces a secret, below the steps to create the new one.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect, Size};

use super::form_window::{FormAction, FormWindow, Stage, WindowText};
use crate::domain::manage::{Change, Guide, GuideTopic, ProviderSetup, leaves_open};
use crate::domain::{Account, Problem, ProviderId, Secret};
use crate::tui::component::{UpdateContext, ViewContext};
use crate::tui::overlays::guide::steps_in;
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::{Window, columns_inside};
use crate::tui::widgets::form::{Field, Form};
use crate::tui::widgets::text::{Pen, below, cells, paragraph, split_rows, wrap};

/// Columns of the window.
const WIDE: u16 = 84;
/// The choice for a secret that the provider offers no way to verify.
const UNPROVABLE: &str = "if not verified";

/// The form, the account, and the steps to create its new secret.
#[derive(Debug, Clone)]
pub struct State {
    form: Form,
    stage: Stage,
    account: Account,
    keys: Vec<&'static str>,
    /// The keys of secrets that no request verifies.
    unprovable: Vec<&'static str>,
    guide: Option<&'static Guide>,
}

impl State {
    pub fn new(account: Account, setup: &ProviderSetup) -> Self {
        let secrets = setup.fields.iter().filter(|need| need.secret);
        let keys: Vec<_> = secrets.map(|need| need.key).collect();
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
        let secrets = setup.fields.iter().filter(|need| need.secret);
        let unprovable: Vec<_> = secrets
            .filter(|need| !need.proved)
            .map(|need| need.key)
            .collect();
        if !unprovable.is_empty() {
            // The harmless choice comes first: Enter alone must not replace a secret that nothing has verified.
            let answers = vec!["keep the old secret".into(), "save anyway".into()];
            fields.push(Field::choice(UNPROVABLE, answers, 0));
        }
        Self {
            unprovable,
            form: Form::new(fields),
            stage: Stage::Filling,
            account,
            keys,
            guide: setup.guide_about(GuideTopic::Rotation),
        }
    }

    fn key(&self) -> &'static str {
        let several = self.keys.len() > 1;
        let at = if several {
            self.form.fields[1].chosen()
        } else {
            0
        };
        self.keys.get(at).copied().unwrap_or_default()
    }

    /// Whether the provider offers no way to verify the secret.
    fn is_unprovable(&self) -> bool {
        self.unprovable.contains(&self.key())
    }

    /// The new secret. On an error it marks the field and returns `None`. A secret that cannot be verified needs the
    /// operator's choice.
    fn read(&mut self) -> Option<Secret> {
        let undecided =
            self.is_unprovable() && self.form.fields.last().is_some_and(|f| f.chosen() == 0);
        let last = self.form.fields.len() - 1;
        if !self.unprovable.is_empty() {
            let why = format!("{} cannot be verified: choose", self.key());
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

    fn steps(&self, width: u16) -> Vec<String> {
        match self.guide {
            Some(guide) => steps_in(guide, width),
            None => wrap(
                &format!(
                    "Create the new secret at {} and paste it here. The old secret stays in use until the new one is verified.",
                    self.account.provider_title
                ),
                width,
            ),
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

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let live = self.account.environment.is_live();
        let mark = if live { ", LIVE: real money" } else { "" };
        let title = format!("New secret of {}{mark}", self.account.id);
        let (key, provider) = (self.key(), self.account.provider_title);
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

    fn progress(&self, _ctx: ViewContext<'_>) -> String {
        format!("verifying with {}", self.account.provider_title)
    }

    fn trouble(&self, problem: &Problem) -> (String, Tone) {
        let tone = if leaves_open(problem) {
            Tone::Warn
        } else {
            Tone::Bad
        };
        (problem.describe(), tone)
    }

    fn stage(&self) -> Option<&Stage> {
        Some(&self.stage)
    }

    fn stage_mut(&mut self) -> Option<&mut Stage> {
        Some(&mut self.stage)
    }

    fn guide(&self) -> Option<ProviderId> {
        Some(self.account.provider)
    }

    fn submit_word(&self) -> &'static str {
        "replace"
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(secret) = self.read() {
            let account = self.account.id.clone();
            let change = Change::Rotate {
                account: account.clone(),
                key: self.key().to_owned(),
                secret,
                unverified: self.is_unprovable(),
            };
            self.stage = Stage::Asked(ctx.store.manage(account, change, ctx.out));
        }
    }

    /// Shows the whole form, and as many steps as fit above it.
    fn draw(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let text = self.current_text(ctx);
        let room = columns_inside(screen, WIDE);
        let notes = cells(wrap(&text.note, room).len());
        let steps = self.steps(room);
        let fixed = self.form.height(room) + notes;
        let inner = Window {
            title: &text.title,
            size: Size::new(WIDE, cells(steps.len()) + fixed + 4),
            live: text.live,
        }
        .draw(theme, screen, buf);
        let air = u16::from(inner.height >= fixed + 4);
        // The form is never cut for the sake of the steps; the guide has them too.
        let shown = inner.height.saturating_sub(fixed + air * 2);
        let whole = steps.len() <= usize::from(shown);
        let [guide, form] = split_rows(inner, shown.min(cells(steps.len())));
        for (at, line) in guide.rows().enumerate() {
            let text = if !whole && line.bottom() == guide.bottom() {
                &format!("… {} shows all steps", ctx.key(FormAction::FormGuide))
            } else {
                &steps[at]
            };
            Pen::new(buf, line, 0).text(text, theme.style(Tone::Plain));
        }
        let form = below(form, air);
        let [fields, _] = split_rows(form, form.height.saturating_sub(notes).max(1));
        self.form.note(ctx, fields);
        let cursor = self.form.draw(buf, fields, theme);
        let under = below(form, self.form.height(inner.width).min(fields.height) + air);
        paragraph(buf, under, &text.note, theme.style(text.tone));
        cursor
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
        let mut form = State::new(account, &setups[1]);
        let space = ratatui::crossterm::event::KeyCode::Char(' ').into();
        form.form.paste("planted-client-secret-8f3a");
        assert!(form.read().is_some() && !form.is_unprovable());
        form.form.next();
        form.form.key(&space);
        assert_eq!((form.key(), form.is_unprovable()), ("other_secret", true));
        assert!(form.read().is_none(), "the old one is left by itself");
        form.form.key(&space);
        assert!(form.read().is_some());
    }
}
