//! Asks before it forwards a callback again, and to which URL.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::form_window::{FormAction, FormView, FormWindow, Stage};
use crate::domain::{Delivery, JobKind};
use crate::tui::Effect;
use crate::tui::component::{UpdateContext, ViewContext};
use crate::tui::panes::callbacks::words;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

const TO: usize = 0;
const NAME: usize = 1;

/// The callback to forward again.
#[derive(Debug, Clone)]
pub struct State {
    form: Form,
    stage: Stage,
    delivery: Arc<Delivery>,
    live: bool,
}

impl State {
    pub fn new(delivery: Arc<Delivery>, live: bool) -> Self {
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
        }
    }

    /// The target URL, if the operator confirmed.
    fn read(&mut self) -> Option<String> {
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

    /// A callback that is queued is forwarded.
    fn can_cancel(&self) -> bool {
        false
    }

    fn submit_word(&self) -> &'static str {
        "forward"
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(to) = self.read() {
            let request = ctx.store.number();
            self.stage = Stage::Asked(request);
            let delivery = self.delivery.id;
            ctx.out.push(Effect::Replay {
                request,
                delivery,
                to,
            });
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
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
                    format_args!(" {}", ctx.key(FormAction::Submit)),
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
        FormView {
            form: &self.form,
            title: &title,
            note: &note,
            tone,
            live: self.live,
        }
        .draw(ctx, screen, buf)
    }
}
