//! Asks before it forwards a callback, and to which URL.

use std::sync::Arc;

use super::form_window::{FormAction, FormState, FormWindow, Stage, WindowText};
use crate::domain::{CallbackVerdict, Delivery, Job, JobKind};
use crate::tui::deliveries;
use crate::tui::prelude::*;

const TO: usize = 0;
const NAME: usize = 1;

#[derive(Debug, Clone)]
pub struct ReplayedDelivery {
    delivery: Arc<Delivery>,
    live: bool,
}

impl ReplayedDelivery {
    /// Whether the account's name has to be typed: it is live, or anyone can have made the callback up. Without an account
    /// there is no name.
    fn is_named(&self) -> bool {
        let has_account = self.delivery.verdict != CallbackVerdict::UnknownAccount;
        self.live || has_account && !self.delivery.is_genuine()
    }
}

pub type State = FormState<ReplayedDelivery>;

impl State {
    pub fn of(delivery: Arc<Delivery>, live: bool) -> Self {
        let data = ReplayedDelivery { delivery, live };
        let target = forwards(&data.delivery).next_back();
        let target = target.map_or("", |job| job.target.as_str());
        let mut fields = vec![Field::text(
            "To",
            "your shop's server: http://127.0.0.1:3000/hooks",
            target,
        )];
        if data.is_named() {
            fields.push(Field::account_name());
        }
        Self::new(Form::new(fields), data)
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
        let ReplayedDelivery { delivery, live } = &self.data;
        let is_doubtful = !delivery.is_genuine();
        let about = match deliveries::subject(delivery).as_str() {
            "" => String::new(),
            subject => format!(" about {subject}"),
        };
        let repeats = if forwards(delivery).next().is_some() {
            " again. The shop may process it twice"
        } else {
            ""
        };
        let mut note =
            format!("tilldeck sends the same callback{about} to your shop's server{repeats}.");
        if is_doubtful {
            let was = match delivery.verdict {
                CallbackVerdict::UnknownAccount => "Its address is wrong: ",
                _ => "It was ",
            };
            let meaning = deliveries::meaning(delivery);
            note = format!(
                "{was}{meaning}. Anyone can have sent it, and the shop could believe it. {note}"
            );
        }
        let submit = ctx.key(FormAction::Submit);
        let (mark, tone) = match (live, is_doubtful) {
            (true, _) => (", LIVE", Tone::Live),
            (false, true) => ("", Tone::Bad),
            (false, false) => ("", Tone::Plain),
        };
        note = match (live, is_doubtful) {
            (true, _) => {
                format!("{note} The account is LIVE: type its name, then {submit} forwards it.")
            }
            (false, true) if self.data.is_named() => format!(
                "{note} To forward it all the same, type the account's name, then {submit}."
            ),
            (false, _) => format!("{note} {submit} forwards it."),
        };
        let title = format!("Forward a callback of {}{mark}", delivery.account);
        WindowText {
            tone,
            ..WindowText::new(title, note, *live)
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

fn forwards(delivery: &Delivery) -> impl DoubleEndedIterator<Item = &Job> {
    let jobs = delivery.jobs.iter();
    jobs.filter(|job| job.kind != JobKind::Check)
}

pub fn open(delivery: &Arc<Delivery>, ctx: &mut UpdateContext<'_>) {
    // The shop may deliver goods a second time, so a live account's name must be typed.
    let live = ctx.store.is_live_account(&delivery.account);
    ctx.open(State::of(delivery.clone(), live));
}
