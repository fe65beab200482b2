//! A yes-or-no question in a window of its own, and what a yes does. `questions` has the questions.

use std::time::Duration;

use crate::domain::manage::Change;
use crate::domain::{AccountId, Op};
use crate::tui::prelude::*;

keys! {
    Action:
    ASK "Questions" keys [OVERLAY] {
        Confirm "confirm" ["y"] "confirm" "answer yes";
        Decline "decline" ["n"] "cancel" "answer no";
    }
}

const WIDE: u16 = 76;
/// A window that opens by itself ignores a yes for this long, so that the operator can read it first.
const UNREAD: Duration = Duration::from_millis(500);

/// A question as data.
#[derive(Debug, Clone)]
pub struct Confirmation {
    pub title: String,
    /// Paragraphs, what matters most first: on a low screen the last ones are cut.
    pub text: Vec<(Tone, String)>,
    /// What a yes does: for the footer, and in a sentence, as in `quit` and `quits now`.
    pub yes: (&'static str, &'static str),
    /// What a no does, likewise.
    pub no: (&'static str, &'static str),
    /// Whether an account with real money is involved.
    pub live: bool,
    /// When it opened by itself: a key typed at that moment was meant for the pane below.
    pub opens_itself: Option<Duration>,
    pub then: Then,
}

/// What a yes does.
#[derive(Debug, Clone)]
pub enum Then {
    Effect(Effect),
    /// Copies the access token of an account.
    Token(AccountId),
    /// Removes an account from the config.
    Remove(AccountId),
    Intent(Intent),
}

impl Confirmation {
    fn keys(&self, ctx: ViewContext<'_>) -> String {
        let (yes, no) = (ctx.key(Action::Confirm), ctx.key(Action::Decline));
        format!("{yes} {}, {no} {}.", self.yes.1, self.no.1)
    }

    /// Draws it on a screen without room for windows, the keys first: the rest may be cut.
    pub fn draw_alone(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) {
        let text: Vec<&str> = self.text.iter().map(|(_, text)| text.as_str()).collect();
        let mark = if self.live { "LIVE · " } else { "" };
        let keys = self.keys(ctx);
        let text = format!("{mark}{}: {keys} {}", self.title, text.join(" "));
        paragraph(buf, screen, &text, ctx.theme.style(Tone::Plain));
    }
}

impl Component for Confirmation {
    type Action = Action;

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        let is_yes = action == Action::Confirm;
        let is_unread = |opened| ctx.now.mono.saturating_sub(opened) < UNREAD;
        if is_yes && self.opens_itself.is_some_and(is_unread) {
            return;
        }
        // A switch of the profile can fail.
        ctx.close();
        if is_yes {
            match self.then.clone() {
                Then::Effect(effect) => ctx.out.push(effect),
                Then::Token(account) => {
                    ctx.store.request_token(&account, Op::CopyToken, ctx.out);
                }
                Then::Remove(account) => {
                    let change = Change::Remove(account.clone());
                    ctx.store.manage(&account, change, ctx.out);
                }
                Then::Intent(intent) => ctx.intend(intent),
            }
        }
    }

    fn on_event(&mut self, _event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        // What it asks about has arrived or is saved meanwhile.
        let waits = matches!(
            self.then,
            Then::Effect(Effect::Quit | Effect::SwitchProfile(_))
        );
        if waits && !ctx.store.may_lose() {
            ctx.close();
        }
    }

    fn word(&self, action: Action, _ctx: ViewContext<'_>) -> Option<&'static str> {
        Some(match action {
            Action::Confirm => self.yes.0,
            Action::Decline => self.no.0,
        })
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let room = columns_inside(screen, WIDE);
        let keys = self.keys(ctx);
        let keys_rows = cells(wrap(&keys, room).len());
        let text = self.text.iter();
        let rows =
            text.flat_map(|(tone, text)| wrap(text, room).into_iter().map(|row| (*tone, row)));
        let rows: Vec<(Tone, String)> = rows.collect();
        let inner = Window {
            title: &self.title,
            size: Size::new(WIDE, cells(rows.len()) + keys_rows + 3),
            live: self.live,
        }
        .draw(ctx.theme, screen, buf);
        let shown = inner.height.saturating_sub(keys_rows);
        for (at, (tone, row)) in (0..shown).zip(&rows) {
            // What moves money stands out without colors, too.
            let style = match tone {
                Tone::Warn | Tone::Live => ctx.theme.bold(*tone),
                _ => ctx.theme.style(*tone),
            };
            let is_cut = at + 1 == shown && cells(rows.len()) > shown;
            let more = if is_cut { " …" } else { "" };
            Pen::new(buf, inner, at).text(&format!("{row}{more}"), style);
        }
        let under = below(inner, shown.min(cells(rows.len()) + 1));
        paragraph(buf, under, &keys, ctx.theme.style(Tone::Dim));
        None
    }
}
