//! Asks before the console quits while a write request waits for its response.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect, Size};

use crate::tui::Effect;
use crate::tui::component::{Component, UpdateContext, ViewContext};
use crate::tui::keys::{OVERLAY, Scope, keys};
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::Window;
use crate::tui::widgets::text::{below, paragraph};

keys! {
    /// What a key answers.
    Action:
    QUIT_ASK "Quit" keys [OVERLAY] {
        ConfirmQuit "confirm-quit" ["y"] "quit anyway" "quit without waiting";
        Stay "stay" ["n"] "wait" "wait for the response";
    }
}

/// The question.
#[derive(Debug, Clone)]
pub struct State;

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        &QUIT_ASK
    }

    fn can(&self, _action: Action, _ctx: ViewContext<'_>) -> bool {
        true
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::ConfirmQuit => ctx.out.push(Effect::Quit),
            Action::Stay => ctx.close(),
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let inner = Window {
            title: "Quit",
            size: Size::new(56, 7),
            live: ctx.store.is_live(),
        }
        .draw(ctx.theme, screen, buf);
        let rows = paragraph(
            buf,
            inner,
            "A write request is still waiting for its response. If you quit now, the response is lost.",
            ctx.theme.style(Tone::Plain),
        );
        let keys = format!(
            "{} quits now, {} waits for the response.",
            ctx.key(Action::ConfirmQuit),
            ctx.key(Action::Stay)
        );
        paragraph(
            buf,
            below(inner, rows + 1),
            &keys,
            ctx.theme.style(Tone::Dim),
        );
        None
    }
}
