//! The form for the subject of a simulator event, or for a setting's value that is not among its choices.

use super::form_window::{FormState, FormWindow, WindowText};
use crate::domain::simulate::{Command, Event, Setting};
use crate::tui::prelude::*;

/// The purpose of the typed text.
#[derive(Debug, Clone)]
enum What {
    Set { setting: String },
    Event { event: String },
}

#[derive(Debug, Clone)]
pub struct Simulation {
    provider: String,
    what: What,
    about: &'static str,
}

pub type State = FormState<Simulation>;

impl State {
    pub fn event(provider: &str, event: Event) -> Self {
        let field = Field::text("About", event.subject, "");
        let simulation = Simulation {
            provider: provider.into(),
            what: What::Event {
                event: event.name.into(),
            },
            about: event.about,
        };
        Self::new(Form::new(vec![field]), simulation)
    }

    pub fn setting(provider: &str, setting: &Setting) -> Self {
        let hint = format!("like {}", setting.choices.join(", "));
        let field = Field::replaced("Value", &hint, &setting.value);
        let simulation = Simulation {
            provider: provider.into(),
            what: What::Set {
                setting: setting.name.into(),
            },
            about: setting.about,
        };
        Self::new(Form::new(vec![field]), simulation)
    }

    /// The command of the form. The simulator checks the value.
    fn command(&self) -> Command {
        let typed = self.form.fields[0].typed().to_owned();
        let provider = self.data.provider.clone();
        match &self.data.what {
            What::Set { setting } => Command::Set {
                provider,
                setting: setting.clone(),
                value: typed,
            },
            What::Event { event } => Command::Event {
                provider,
                event: event.clone(),
                subject: typed,
            },
        }
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "set";

    fn text(&self, _ctx: ViewContext<'_>) -> WindowText {
        let name = match &self.data.what {
            What::Set { setting } => setting,
            What::Event { event } => event,
        };
        let title = format!("Simulator: {} {name}", self.data.provider);
        WindowText::new(title, self.data.about, false)
    }

    fn submit_word(&self) -> &'static str {
        match self.data.what {
            What::Set { .. } => Self::SUBMIT,
            What::Event { .. } => "run",
        }
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        ctx.out.push(Effect::Simulate(self.command()));
        ctx.close();
    }
}
