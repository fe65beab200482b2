//! Asks before a new expected amount replaces the current one.

use std::time::Duration;

use crate::domain::{Expectation, Now};
use crate::tui::msg::NewWatch;
use crate::tui::prelude::*;
use crate::tui::widgets::boxes::Question;

keys! {
    Action:
    EXPECT_ASK "Expected amount" keys [OVERLAY] {
        ConfirmExpected "confirm-expected" ["y"] "change" "change the expected amount";
        LeaveExpected "leave-expected" ["n"] "keep" "keep the current expected amount";
    }
}

#[derive(Debug, Clone)]
pub struct State {
    new: NewWatch,
    current: Expectation,
    /// When the window opened. It opens by itself, so a key typed at that moment was meant for the pane below.
    opened: Duration,
}

/// The window ignores keys for this long, so that the operator can read it first.
const UNREAD: Duration = Duration::from_millis(500);

impl State {
    pub fn new(new: NewWatch, current: Expectation, now: Now) -> Self {
        let opened = now.mono;
        Self {
            new,
            current,
            opened,
        }
    }
}

impl Component for State {
    type Action = Action;

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        let is_read = ctx.now.mono.saturating_sub(self.opened) >= UNREAD;
        match action {
            Action::ConfirmExpected if is_read => {
                ctx.close();
                ctx.out.push(Effect::Expect {
                    new: self.new.clone(),
                    shown: self.current.sum.clone(),
                });
            }
            Action::ConfirmExpected => {}
            Action::LeaveExpected => ctx.close(),
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let to = self.new.expected.as_ref().map(ToString::to_string);
        let text = format!(
            "{} at {} expects {}. Change it to {}?",
            self.new.id,
            self.new.account,
            self.current,
            to.unwrap_or_default()
        );
        let keys = format!(
            "{} changes it, {} cancels. The timeline shows both amounts.",
            ctx.key(Action::ConfirmExpected),
            ctx.key(Action::LeaveExpected)
        );
        Question {
            title: "Change the expected amount",
            text: &text,
            tone: Tone::Plain,
            keys: &keys,
            live: ctx.store.is_live_account(self.new.account.as_str()),
            wide: 70,
        }
        .draw(ctx.theme, screen, buf);
        None
    }
}
