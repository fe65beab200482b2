//! Asks before it forwards a callback, and to which URL.

use std::sync::Arc;

use super::form_window::{FormAction, FormState, FormWindow, Stage, WindowText};
use crate::domain::{Delivery, JobKind};
use crate::tui::deliveries;
use crate::tui::prelude::*;

const TO: usize = 0;
const NAME: usize = 1;

#[derive(Debug, Clone)]
pub struct ReplayedDelivery {
    delivery: Arc<Delivery>,
    live: bool,
}

pub type State = FormState<ReplayedDelivery>;

impl State {
    pub fn of(delivery: Arc<Delivery>, live: bool) -> Self {
        let mut targets = delivery
            .jobs
            .iter()
            .filter(|job| job.kind != JobKind::Check);
        let target = targets.next_back().map_or("", |job| job.target.as_str());
        let mut fields = vec![Field::text(
            "To",
            "your shop's server: http://127.0.0.1:3000/hooks",
            target,
        )];
        if live {
            fields.push(Field::account_name());
        }
        Self::new(Form::new(fields), ReplayedDelivery { delivery, live })
    }

    /// The target URL, if the operator confirmed.
    fn read(&mut self) -> Option<String> {
        self.form
            .confirms(NAME, &self.data.delivery.account, "forward");
        let to = self.form.read(TO, |to| {
            let is_url = ["http://", "https://"]
                .iter()
                .any(|scheme| to.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
            if is_url { Ok(to.to_owned()) } else {
                Err("enter a full URL: http://127.0.0.1:3000/callbacks, or https:// on another host")
            }
        });
        let has_error = self.form.find_error();
        to.filter(|_| !has_error)
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "forward";

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let about = match deliveries::subject(&self.data.delivery).as_str() {
            "" => String::new(),
            subject => format!(" about {subject}"),
        };
        let (mark, money, tone) = if self.data.live {
            (
                ", LIVE",
                " The account is LIVE: type its name, then",
                Tone::Live,
            )
        } else {
            ("", "", Tone::Plain)
        };
        let note = format!(
            "tilldeck sends the same callback{about} to your shop's server again. The shop may process it twice.{money} {} \
             forwards it.",
            ctx.key(FormAction::Submit),
        );
        let title = format!("Forward a callback of {}{mark}", self.data.delivery.account);
        WindowText {
            tone,
            ..WindowText::new(title, note, self.data.live)
        }
    }

    fn progress(&self, _ctx: ViewContext<'_>) -> String {
        "adding it to the queue".into()
    }

    /// A callback that is queued is forwarded.
    fn can_cancel(&self) -> bool {
        false
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(to) = self.read() {
            let request = ctx.store.number();
            self.stage = Stage::Asked(request);
            let delivery = self.data.delivery.id;
            ctx.out.push(Effect::Replay {
                request,
                delivery,
                to,
            });
        }
    }
}

pub fn open(delivery: &Arc<Delivery>, ctx: &mut UpdateContext<'_>) {
    // The shop may deliver goods a second time, so a live account's name must be typed.
    let live = ctx.store.is_live_account(&delivery.account);
    ctx.open(State::of(delivery.clone(), live));
}
