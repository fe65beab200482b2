//! Asks before it forwards a callback again, and to which URL.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Overlay, Stage, draw_form};
use crate::domain::{Delivery, JobKind};
use crate::tui::keys::Action;
use crate::tui::panes::ViewContext;
use crate::tui::panes::callbacks::words;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

const TO: usize = 0;
const NAME: usize = 1;

/// The callback to forward again.
#[derive(Debug, Clone)]
pub struct State {
    pub form: Form,
    pub stage: Stage,
    pub delivery: Arc<Delivery>,
    live: bool,
    /// The window to return to.
    pub under: Box<Overlay>,
}

impl State {
    pub fn new(delivery: Arc<Delivery>, live: bool, under: Overlay) -> Self {
        // The last target that it went to is the most likely one again.
        let mut targets = delivery.jobs.iter().filter(|job| job.kind != JobKind::Ask);
        let target = targets.next_back().map_or("", |job| job.target.as_str());
        let mut fields = vec![Field::text(
            "To",
            "your shop's server: http://127.0.0.1:3000/hooks",
            target,
        )];
        if live {
            fields.push(Field::text("Account", "type its full name", ""));
        }
        Self {
            form: Form::new(fields),
            stage: Stage::Filling,
            delivery,
            live,
            under: Box::new(under),
        }
    }

    /// The target URL, if the operator confirmed.
    pub fn submit(&mut self) -> Option<String> {
        let account = &self.delivery.account;
        if let Some(field) = self.form.fields.get_mut(NAME) {
            let right = field.typed() == account;
            field.error = (!right).then(|| format!("type {account} to forward it"));
        }
        let field = &mut self.form.fields[TO];
        let to = field.typed().to_owned();
        let is_url = ["http://", "https://"]
            .iter()
            .any(|scheme| to.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        field.error = (!is_url).then(|| {
            "enter a full URL: http://127.0.0.1:3000/callbacks, or https:// on another host".into()
        });
        if self.form.find_error() {
            return None;
        }
        Some(to)
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let subject = words::subject(&self.delivery);
        let (note, tone) = match &self.stage {
            Stage::Filling => {
                let about = match subject.as_str() {
                    "" => String::new(),
                    subject => format!(" about {subject}"),
                };
                let money = if self.live {
                    " The account is LIVE: type its name, then"
                } else {
                    " "
                };
                let note = format!(
                    "tilldeck sends the same callback{about} to your shop's server again. The shop may process it twice.{}{} \
                     forwards it.",
                    money.trim_end(),
                    format_args!(" {}", ctx.key(Action::Submit)),
                );
                (note, if self.live { Tone::Live } else { Tone::Plain })
            }
            Stage::Asked(_) => ("adding it to the queue…".to_owned(), Tone::Busy),
            Stage::Failed(problem) => (problem.describe(), Tone::Bad),
        };
        let title = if self.live {
            format!(
                "Forward a callback of {} again, LIVE",
                self.delivery.account
            )
        } else {
            format!("Forward a callback of {} again", self.delivery.account)
        };
        draw_form(
            &self.form,
            ctx,
            (&title, &note, tone),
            self.live,
            screen,
            buf,
        )
    }
}
