//! Asks before the console forwards a callback of a live account again, as the retry of a failed forward.

use std::sync::Arc;

use crate::domain::{Delivery, DeliveryId, JobKind};
use crate::tui::deliveries;
use crate::tui::keys::WindowAction;
use crate::tui::prelude::*;
use crate::tui::widgets::boxes::Question;

keys! {
    Action:
    RETRY_ASK "Retry" keys [OVERLAY] {
        ConfirmRetry "confirm-retry" ["y"] "retry" "retry the forward";
    }
}

#[derive(Debug, Clone)]
pub struct State {
    pub delivery: Arc<Delivery>,
}

impl Component for State {
    type Action = Action;

    fn can(&self, _action: Action, ctx: ViewContext<'_>) -> bool {
        ctx.store.is_ready()
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::ConfirmRetry => {
                ctx.close();
                start(self.delivery.id, ctx);
            }
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let about = match deliveries::subject(&self.delivery).as_str() {
            "" => String::new(),
            subject => format!(" about {subject}"),
        };
        let to: Vec<&str> = self
            .delivery
            .retryable()
            .filter(|job| job.kind == JobKind::Forward)
            .map(|job| job.target.as_str())
            .collect();
        let text = format!(
            "tilldeck sends the callback{about} to {} again. The account is LIVE, and the shop may process the callback twice.",
            to.join(" and "),
        );
        let keys = format!(
            "{} retries, {} cancels.",
            ctx.key(Action::ConfirmRetry),
            ctx.key(WindowAction::Close)
        );
        Question {
            title: &format!("Retry a forward of {}, LIVE", self.delivery.account),
            text: &text,
            tone: Tone::Live,
            keys: &keys,
            live: true,
            wide: 62,
        }
        .draw(ctx.theme, screen, buf);
        None
    }
}

/// Retries the failed jobs of a callback, without a question.
pub fn start(delivery: DeliveryId, ctx: &mut UpdateContext<'_>) {
    let request = ctx.store.number();
    ctx.out.push(Effect::Retry(request, delivery));
}
