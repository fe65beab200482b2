//! Asks before a new expected amount replaces the current one.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::{Expectation, Now};
use crate::tui::keys::Action;
use crate::tui::msg::NewWatch;
use crate::tui::panes::ViewContext;
use crate::tui::theme::Tone;
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::text::{below, cells, paragraph, wrap};

/// The new expected amount and the current one.
#[derive(Debug, Clone)]
pub struct State {
    pub new: NewWatch,
    /// The current expectation.
    pub current: Expectation,
    /// When the window opened. It opens by itself, so a key typed at that moment was meant for the pane below.
    pub opened: Duration,
}

/// The window ignores keys for this long, so that the operator can read it first.
const UNREAD: Duration = Duration::from_millis(500);

impl State {
    pub fn is_read(&self, now: Now) -> bool {
        now.mono.saturating_sub(self.opened) >= UNREAD
    }

    pub fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) {
        let theme = ctx.theme;
        let known = ctx.store.known(&self.new.account);
        let live = known.is_some_and(|known| known.account.environment.is_live());
        let to = self.new.expected.as_ref().map(ToString::to_string);
        let text = format!(
            "{} at {} expects {}. Change it to {}?",
            self.new.id,
            self.new.account,
            self.current,
            to.unwrap_or_default()
        );
        let wide = screen.width.min(70);
        let rows = cells(wrap(&text, wide.saturating_sub(4).max(1)).len());
        let title = "Change the expected amount";
        let inner = window(buf, screen, theme, title, (wide, rows + 5), live);
        let used = paragraph(buf, inner, &text, theme.style(Tone::Plain));
        let keys = format!(
            "{} changes it, {} cancels. The timeline shows both amounts.",
            ctx.key(Action::ConfirmExpected),
            ctx.key(Action::LeaveExpected)
        );
        paragraph(buf, below(inner, used + 1), &keys, theme.style(Tone::Dim));
    }
}
