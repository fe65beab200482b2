//! Asks before a callback is handed on once more, and where to.

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

/// The callback that would go out again.
#[derive(Debug, Clone)]
pub struct State {
    pub form: Form,
    pub stage: Stage,
    pub delivery: Arc<Delivery>,
    live: bool,
    /// What it was asked over.
    pub under: Box<Overlay>,
}

impl State {
    pub fn new(delivery: Arc<Delivery>, live: bool, under: Overlay) -> Self {
        let mut targets = delivery.jobs.iter().filter(|job| job.kind != JobKind::Ask);
        let target = targets.next_back().map_or("", |job| job.target.as_str());
        let mut fields = vec![Field::text(
            "To",
            "the shop's own server: http://127.0.0.1:3000/hooks",
            target,
        )];
        if live {
            fields.push(Field::text("Account", "its name, in full", ""));
        }
        Self {
            form: Form::new(fields),
            stage: Stage::Filling,
            delivery,
            live,
            under: Box::new(under),
        }
    }

    /// Where to, if it is meant.
    pub fn submit(&mut self) -> Option<String> {
        let account = &self.delivery.account;
        if let Some(field) = self.form.fields.get_mut(NAME) {
            let right = field.typed() == account;
            field.error = (!right).then(|| format!("type {account} to hand it on"));
        }
        let field = &mut self.form.fields[TO];
        let to = field.typed().to_owned();
        let is_url = ["http://", "https://"]
            .iter()
            .any(|scheme| to.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        field.error = (!is_url).then(|| {
            "write a whole address: http://127.0.0.1:3000/callbacks, or https:// on another host"
                .into()
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
                    " It belongs to a LIVE account: type its name, then"
                } else {
                    " "
                };
                let note = format!(
                    "The same bytes{about} go to the shop's own server once more, which may act on them once more.{}{} \
                     hands them on.",
                    money.trim_end(),
                    format_args!(" {}", ctx.key(Action::Submit)),
                );
                (note, if self.live { Tone::Live } else { Tone::Plain })
            }
            Stage::Asked(_) => ("being queued…".to_owned(), Tone::Busy),
            Stage::Failed(problem) => (problem.describe(), Tone::Bad),
        };
        let title = if self.live {
            format!("Replay a callback to {}, LIVE", self.delivery.account)
        } else {
            format!("Replay a callback to {}", self.delivery.account)
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
