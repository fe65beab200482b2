//! Asks before the console quits, or opens another profile, while a write request waits for its response.

use crate::tui::prelude::*;
use crate::tui::widgets::boxes::Question;

keys! {
    Action:
    QUIT_ASK "Quit" keys [OVERLAY] {
        ConfirmQuit "confirm-quit" ["y"] "quit anyway" "quit or switch without waiting";
        Stay "stay" ["n"] "wait" "wait for the response";
    }
}

/// The question, with what happens if the operator does not wait.
#[derive(Debug, Clone)]
pub struct State(pub Effect);

impl Component for State {
    type Action = Action;

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::ConfirmQuit => {
                // The switch can fail.
                ctx.close();
                ctx.out.push(self.0.clone());
            }
            Action::Stay => ctx.close(),
        }
    }

    fn word(&self, action: Action, _ctx: ViewContext<'_>) -> Option<&'static str> {
        let switches = matches!(self.0, Effect::SwitchProfile(_));
        (action == Action::ConfirmQuit && switches).then_some("switch anyway")
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let (title, verb, does) = match self.0 {
            Effect::SwitchProfile(_) => ("Switch profile", "switch", "switches"),
            _ => ("Quit", "quit", "quits"),
        };
        let text = format!(
            "A write request is still waiting for its response. If you {verb} now, the response is lost."
        );
        let keys = format!(
            "{} {does} now, {} waits for the response.",
            ctx.key(Action::ConfirmQuit),
            ctx.key(Action::Stay)
        );
        Question {
            title,
            text: &text,
            tone: Tone::Plain,
            keys: &keys,
            live: ctx.store.is_live(),
            wide: 56,
        }
        .draw(ctx.theme, screen, buf);
        None
    }
}
