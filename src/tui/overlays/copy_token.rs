//! Asks before the console copies an access token. The token itself is not in this state.

use crate::domain::AccountId;
use crate::tui::ages::countdown;
use crate::tui::keys::WindowAction;
use crate::tui::prelude::*;
use crate::tui::store::Purpose;
use crate::tui::widgets::boxes::Question;

keys! {
    Action:
    COPY_TOKEN "Copy a token" keys [OVERLAY] {
        ConfirmCopy "confirm-copy" ["y"] "copy" "copy the access token";
    }
}

#[derive(Debug, Clone)]
pub struct State {
    pub account: AccountId,
}

impl Component for State {
    type Action = Action;

    fn can(&self, _action: Action, ctx: ViewContext<'_>) -> bool {
        ctx.store.is_ready()
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::ConfirmCopy => {
                ctx.close();
                let purpose = Purpose::CopyToken;
                ctx.store.request_token(&self.account, &purpose, ctx.out);
            }
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let known = ctx.store.known(&self.account);
        let live = known.is_some_and(AccountState::is_live);
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
            ctx.key(WindowAction::Close)
        );
        Question {
            title: &format!("Copy the access token of {}", self.account),
            text: &text,
            tone: if live { Tone::Live } else { Tone::Plain },
            keys: &keys,
            live,
            wide: 62,
        }
        .draw(ctx.theme, screen, buf);
        None
    }
}
