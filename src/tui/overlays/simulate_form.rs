//! The form for the subject of a simulator event, or for a setting's value that is not among its choices.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{draw_form, sandbox};
use crate::domain::simulate::{Command, Event, Setting};
use crate::tui::panes::ViewContext;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

/// The purpose of the typed text.
#[derive(Debug, Clone)]
enum What {
    Set { setting: String },
    Event { event: String },
}

/// The form, and the window to return to.
#[derive(Debug, Clone)]
pub struct State {
    pub form: Form,
    provider: String,
    what: What,
    about: &'static str,
    pub back: sandbox::State,
}

impl State {
    pub fn event(provider: &str, event: Event, back: sandbox::State) -> Self {
        Self {
            form: Form::new(vec![Field::text("Subject", event.subject, "")]),
            provider: provider.into(),
            what: What::Event {
                event: event.name.into(),
            },
            about: event.about,
            back,
        }
    }

    pub fn setting(provider: &str, setting: &Setting, back: sandbox::State) -> Self {
        let hint = format!("like {}", setting.choices.join(", "));
        Self {
            form: Form::new(vec![Field::replaced("Value", &hint, &setting.value)]),
            provider: provider.into(),
            what: What::Set {
                setting: setting.name.into(),
            },
            about: setting.about,
            back,
        }
    }

    /// The command of the form. The simulator checks the value.
    pub fn command(&self) -> Command {
        let typed = self.form.fields[0].typed().to_owned();
        let provider = self.provider.clone();
        match &self.what {
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

    /// What Enter does.
    pub fn submit_word(&self) -> &'static str {
        match self.what {
            What::Set { .. } => "set",
            What::Event { .. } => "run",
        }
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let name = match &self.what {
            What::Set { setting } => setting,
            What::Event { event } => event,
        };
        let title = format!("Simulator: {} {name}", self.provider);
        draw_form(
            &self.form,
            ctx,
            (&title, self.about, Tone::Dim),
            false,
            screen,
            buf,
        )
    }
}
