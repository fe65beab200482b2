//! Asks before the console copies an access token. The token itself is not in this state.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::AccountId;
use crate::tui::keys::Action;
use crate::tui::panes::ViewContext;
use crate::tui::panes::tokens::countdown;
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::text::{below, cells, paragraph, wrap};

/// The account whose token the console would copy.
#[derive(Debug, Clone)]
pub struct State {
    pub account: AccountId,
}

impl State {
    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) {
        let known = ctx.store.known(&self.account);
        let live = known.is_some_and(|known| known.account.environment.is_live());
        let left = known
            .and_then(|known| known.token.as_ref())
            .and_then(|status| status.left(ctx.now));
        let until = match left {
            Some(left) if ctx.still => {
                let at = ctx.now.wall.plus(left).clock(&ctx.store.zone);
                format!(", until it expires at {at}")
            }
            Some(left) => format!(", until it expires in {}", countdown(left)),
            None => ". There is none yet: tilldeck fetches one first".into(),
        };
        let money = if live {
            " The account moves real money."
        } else {
            ""
        };
        let text = format!(
            "The access token of {} gives full access to this account{until}.{money} tilldeck copies it to the terminal's \
             clipboard, where other programs can read it, and does not show it.",
            self.account
        );
        let keys = format!(
            "{} copies it, {} cancels.",
            ctx.key(Action::ConfirmCopy),
            ctx.key(Action::Close)
        );
        let wide = 62.min(screen.width);
        let rows = cells(wrap(&text, wide.saturating_sub(4)).len());
        let inner = window(
            buf,
            screen,
            ctx.theme,
            &format!("Copy the access token of {}", self.account),
            (wide, rows + 4),
            live,
        );
        let tone = if live { Tone::Live } else { Tone::Plain };
        let used = paragraph(buf, inner, &text, ctx.theme.style(tone));
        paragraph(
            buf,
            below(inner, used + 1),
            &keys,
            ctx.theme.style(Tone::Dim),
        );
    }
}
