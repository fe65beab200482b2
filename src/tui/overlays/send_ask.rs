//! Asks before it sends a write call.

use crate::domain::{AccountId, RawCall, cents, inert};
use crate::tui::prelude::*;
use crate::tui::widgets::text::stack;

keys! {
    Action:
    SEND_ASK "Send" keys [OVERLAY] {
        ConfirmSend "confirm-send" ["y"] "send" "send the write call";
        DontSend "dont-send" ["n"] "do not send" "do not send it";
    }
}

const WIDE: u16 = 76;
const PATH_ROWS: usize = 6;
const ABOUT_ROWS: usize = 3;
const BODY_ROWS: usize = 3;
/// Rows of everything else, with the frame.
const OTHER_ROWS: u16 = 7;

#[derive(Debug, Clone)]
pub struct State {
    pub account: AccountId,
    pub call: RawCall,
    /// Its documented purpose; empty for an undocumented call.
    pub about: &'static str,
}

impl Component for State {
    type Action = Action;

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::ConfirmSend => {
                ctx.intend(Intent::Send(self.account.clone(), self.call.clone()));
            }
            Action::DontSend => ctx.close(),
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let known = ctx.store.known(&self.account);
        let live = known.is_some_and(AccountState::is_live);
        let room = columns_inside(screen, WIDE);
        let path = format!("{} {}", self.call.method, self.call.path);
        let rows = cells(wrap(&path, room).len().min(PATH_ROWS));
        let about = match self.about {
            "" => 0,
            about => cells(wrap(about, room).len().min(ABOUT_ROWS)),
        };
        let body = self.call.body.as_deref().unwrap_or_default();
        let amounts = cents::amounts(body).join(", ");
        let taken = rows + about + OTHER_ROWS + u16::from(!amounts.is_empty());
        let lines = usize::from(screen.height.saturating_sub(taken)).min(BODY_ROWS);
        let begin = beginning(body, room, lines);
        let inner = Window {
            title: "Send a write call",
            size: Size::new(WIDE, taken + cells(begin.len())),
            live,
        }
        .draw(theme, screen, buf);
        let [
            account_row,
            path_rows,
            about_rows,
            size_row,
            body_rows,
            amounts_row,
            _,
            keys_row,
        ] = stack(
            inner,
            [
                1,
                rows,
                about,
                1,
                cells(begin.len()),
                u16::from(!amounts.is_empty()),
                1,
                1,
            ],
        );
        let mut pen = Pen::new(buf, account_row, 0);
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
        paragraph(buf, path_rows, &path, theme.bold(Tone::Warn));
        paragraph(buf, about_rows, self.about, theme.style(Tone::Plain));
        let size = match &self.call.body {
            None => "no body".to_owned(),
            Some(body) => format!("body of {} bytes", body.len()),
        };
        Pen::new(buf, size_row, 0).text(&size, theme.style(Tone::Dim));
        for (line, text) in body_rows.rows().zip(&begin) {
            Pen::new(buf, line, 0).text(text, theme.style(Tone::Plain));
        }
        if !amounts.is_empty() {
            Pen::new(buf, amounts_row, 0)
                .text("amount ", theme.style(Tone::Dim))
                .text(&inert::line(&amounts), theme.bold(Tone::Warn));
        }
        let keys = format!(
            "{} sends it, {} cancels.",
            ctx.key(Action::ConfirmSend),
            ctx.key(Action::DontSend)
        );
        Pen::new(buf, keys_row, 0).text(&keys, theme.style(Tone::Plain));
        None
    }
}

/// The first lines of a body without its line breaks, ending in `…` if the body is longer.
fn beginning(body: &str, width: u16, rows: usize) -> Vec<String> {
    if body.is_empty() || rows == 0 {
        return Vec::new();
    }
    // A body may have megabytes: reads no more than the lines show.
    let enough = usize::from(width) * (rows + 1);
    let parts = body.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut text = String::new();
    for part in parts {
        if text.len() > enough {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(part.chars().take(enough + 1));
    }
    let mut lines = wrap(&text, width);
    if lines.len() > rows {
        lines.truncate(rows);
        if let Some(last) = lines.last_mut() {
            *last = fit(&format!("{last} …"), width).into_owned();
        }
    }
    lines
}
