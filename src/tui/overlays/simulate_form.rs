//! The form for the subject of a simulator event, or for a setting's value that is not among its choices.

use super::form_window::{FormState, FormWindow, WindowText};
use crate::domain::simulate::{self, Setting};
use crate::tui::prelude::*;

#[derive(Debug, Clone)]
pub struct Simulation {
    title: String,
    about: &'static str,
    /// Without the typed text.
    command: simulate::Command,
}

pub type State = FormState<Simulation>;

impl State {
    pub fn event(provider: &str, event: simulate::Event) -> Self {
        let field = Field::text("About", event.subject, "");
        let simulation = Simulation {
            title: format!("Simulator: {provider} {}", event.name),
            about: event.about,
            command: simulate::Command::Event {
                provider: provider.into(),
                event: event.name.into(),
                subject: String::new(),
            },
        };
        Self::new(Form::new(vec![field]), simulation)
    }

    pub fn setting(provider: &str, setting: &Setting) -> Self {
        let hint = format!("like {}", setting.choices.join(", "));
        let field = Field::replaced("Value", &hint, &setting.value);
        let simulation = Simulation {
            title: format!("Simulator: {provider} {}", setting.name),
            about: setting.about,
            command: simulate::Command::Set {
                provider: provider.into(),
                setting: setting.name.into(),
                value: String::new(),
            },
        };
        Self::new(Form::new(vec![field]), simulation)
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "set";

    fn text(&self, _ctx: ViewContext<'_>) -> WindowText {
        WindowText::new(self.data.title.as_str(), self.data.about, false)
    }

    fn submit_word(&self) -> &'static str {
        match self.data.command {
            simulate::Command::Event { .. } => "run",
            _ => Self::SUBMIT,
        }
    }

    /// The simulator checks the value.
    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if self.form.find_error() {
            return;
        }
        let mut command = self.data.command.clone();
        if let simulate::Command::Set { value: text, .. }
        | simulate::Command::Event { subject: text, .. } = &mut command
        {
            self.form.fields[0].typed().clone_into(text);
        }
        ctx.out.push(Effect::Simulate(command));
        ctx.close();
    }
}
