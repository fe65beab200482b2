//! Asks before a call that writes is sent.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::{AccountId, RawCall};
use crate::tui::keys::Action;
use crate::tui::panes::Look;
use crate::tui::theme::{Tone, badge};
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::text::{Pen, below, cells, paragraph, wrap};

/// Rows a path may take.
const PATH_ROWS: usize = 6;

/// The call that waits for a yes.
#[derive(Debug, Clone)]
pub struct State {
    pub account: AccountId,
    pub call: RawCall,
}

impl State {
    pub fn view(&self, look: Look<'_>, screen: Rect, buf: &mut Buffer) {
        let theme = look.theme;
        let known = look.store.known(&self.account);
        let live = known.is_some_and(|known| known.account.environment.is_live());
        let wide = screen.width.min(76);
        let path = format!("{} {}", self.call.method, self.call.path);
        let rows = cells(wrap(&path, wide.saturating_sub(4)).len().min(PATH_ROWS));
        let inner = window(
            buf,
            screen,
            theme,
            "Send a call that writes",
            (wide, rows + 7),
            live,
        );
        let mut pen = Pen::new(buf, inner, 0);
        pen.text("account ", theme.style(Tone::Dim))
            .text(self.account.as_str(), theme.bold(Tone::Plain))
            .skip(1);
        if let Some(known) = known {
            let (word, tone) = badge(known.account.environment);
            pen.text(&format!(" {word} "), theme.badge(tone));
        }
        if live {
            pen.skip(1).text("real money", theme.bold(Tone::Live));
        }
        let path_area = Rect {
            height: rows.min(inner.height.saturating_sub(1)),
            ..below(inner, 1)
        };
        paragraph(buf, path_area, &path, theme.bold(Tone::Warn));
        let body = match &self.call.body {
            None => "no body".to_owned(),
            Some(body) => format!("body of {} bytes", body.len()),
        };
        Pen::new(buf, inner, 1 + rows).text(&body, theme.style(Tone::Dim));
        let keys = format!(
            "{} sends it, {} does not.",
            look.key(Action::ConfirmSend),
            look.key(Action::DontSend)
        );
        Pen::new(buf, inner, 3 + rows).text(&keys, theme.style(Tone::Plain));
    }
}
