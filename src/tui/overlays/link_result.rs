//! A new payment link: its text and its QR code. The text hides the payment token; the QR code contains it, since a
//! payer scans the code.

use qrcode::{Color as Module, EcLevel, QrCode};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Style};

use crate::domain::{AccountId, LinkRequest, PaymentLink};
use crate::tui::Effect;
use crate::tui::component::{Component, Intent, UpdateContext, ViewContext};
use crate::tui::keys::{NAV, OVERLAY, READER, Scope, keys};
use crate::tui::theme::{Theme, Tone};
use crate::tui::widgets::boxes::window;
use crate::tui::widgets::text::{Pen, below, cells, fit_middle, paragraph, wrap};

keys! {
    /// What a key does with a new link.
    Action:
    LINK_RESULT "Payment link" keys [NAV, READER, OVERLAY] {
        Copy "copy-link" ["y"] "copy" "copy the link";
        Open "open-link" ["o"] "open" "open the link in the browser";
        Show "watch-link" ["w" "enter"] "show" "show the payment in the list";
    }
}

/// Light modules around a code: ISO/IEC 18004 requires four. Two remain readable on a small screen.
const QUIET: [usize; 2] = [4, 2];

/// The link and its QR code.
#[derive(Debug, Clone)]
pub struct State {
    account: AccountId,
    request: LinkRequest,
    link: PaymentLink,
    code: Option<Code>,
}

/// A QR code's modules, row by row; `true` is dark.
#[derive(Clone)]
struct Code {
    side: usize,
    dark: Vec<bool>,
}

impl std::fmt::Debug for Code {
    /// Hides the modules, which encode the payment token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Code({} modules a side)", self.side)
    }
}

impl State {
    pub fn new(account: AccountId, request: LinkRequest, link: PaymentLink) -> Self {
        let code = QrCode::with_error_correction_level(link.url.expose(), EcLevel::L)
            .ok()
            .map(|code| Code {
                side: code.width(),
                dark: code
                    .to_colors()
                    .into_iter()
                    .map(|module| module == Module::Dark)
                    .collect(),
            });
        Self {
            account,
            request,
            link,
            code,
        }
    }

    fn draw_code(
        &self,
        ctx: ViewContext<'_>,
        above: u16,
        area: Rect,
        screen: Rect,
        buf: &mut Buffer,
    ) {
        let theme = ctx.theme;
        let dim = theme.style(Tone::Dim);
        let Some(code) = &self.code else {
            paragraph(buf, area, "The link is too long for a QR code.", dim);
            return;
        };
        if theme.is_ascii() && !theme.has_color() {
            let text = format!(
                "A QR code needs colours or Unicode. {} copies the link.",
                ctx.key(Action::Copy)
            );
            paragraph(buf, area, &text, dim);
            return;
        }
        for quiet in QUIET {
            let (wide, high) = code.size(theme, quiet);
            if wide <= area.width && high <= area.height {
                let at = Rect {
                    x: area.x + (area.width - wide) / 2,
                    y: area.y + (area.height - high).min(1),
                    width: wide,
                    height: high,
                };
                code.draw(theme, quiet, at, buf);
                return;
            }
        }
        let (wide, high) = code.size(theme, QUIET[1]);
        // The frame, the lines above the code, and the footer.
        let rows_beside = above + 3;
        let text = format!(
            "The QR code needs at least {}x{}; this terminal has {}x{}. Enlarge it or zoom out. {} copies the link, {} opens it.",
            // In a narrower terminal the link would need more rows.
            (wide + 4).max(screen.width),
            (high + rows_beside).max(screen.height + 1),
            screen.width,
            screen.height + 1,
            ctx.key(Action::Copy),
            ctx.key(Action::Open)
        );
        paragraph(buf, below(area, 1), &text, dim);
    }
}

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        &LINK_RESULT
    }

    fn can(&self, _action: Action, _ctx: ViewContext<'_>) -> bool {
        true
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::Copy => ctx.copy(self.link.url.clone(), "the payment link"),
            Action::Open => ctx.out.push(Effect::Browse(self.link.url.clone())),
            Action::Show => {
                let key = (self.account.clone(), self.request.id.clone());
                ctx.intend(Intent::ShowPayment(key));
            }
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let live = ctx
            .store
            .known(&self.account)
            .is_some_and(|known| known.account.environment.is_live());
        let code_wide = |code: &Code| code.size(theme, QUIET[0]).0 + 4;
        let wide = screen
            .width
            .min(self.code.as_ref().map_or(0, code_wide).max(96));
        let text = wrap(&self.link.shown, wide.saturating_sub(4).max(1));
        let above = cells(text.len()) + if self.request.with_token { 3 } else { 1 };
        let code_rows = self
            .code
            .as_ref()
            .and_then(|code| {
                QUIET
                    .map(|quiet| code.size(theme, quiet))
                    .into_iter()
                    .find(|(w, h)| w + 4 <= screen.width && above + h + 2 <= screen.height)
            })
            .map_or(3, |(_, rows)| rows);
        let height = above + code_rows + 3;
        let inner = window(
            buf,
            screen,
            theme,
            &format!(
                "Link for {}",
                fit_middle(self.request.id.as_str(), wide.saturating_sub(16))
            ),
            (wide, height),
            live,
        );
        let mut left = inner;
        Pen::new(buf, left, 0)
            .text(self.request.amount.as_str(), theme.bold(Tone::Plain))
            .text(" ", theme.style(Tone::Plain))
            .text(self.request.currency.as_str(), theme.bold(Tone::Plain))
            .text(" to ", theme.style(Tone::Dim))
            .text(self.account.as_str(), theme.style(Tone::Dim))
            .text(", on the watch list", theme.style(Tone::Dim));
        left = below(left, 1);
        let rows = paragraph(buf, left, &self.link.shown, theme.style(Tone::Accent));
        left = below(left, rows);
        if self.request.with_token {
            let rows = paragraph(
                buf,
                left,
                "The link contains a secret payment token (hidden here, as …). Send it only to this payer.",
                theme.style(Tone::Warn),
            );
            left = below(left, rows);
        }
        self.draw_code(ctx, above, left, screen, buf);
        None
    }
}

impl Code {
    /// Columns and rows on screen.
    fn size(&self, theme: &Theme, quiet: usize) -> (u16, u16) {
        let side = self.side + 2 * quiet;
        if theme.is_ascii() {
            (cells(side * 2), cells(side))
        } else {
            (cells(side), cells(side.div_ceil(2)))
        }
    }

    fn is_dark(&self, x: usize, y: usize, quiet: usize) -> bool {
        let at = |place: usize| place.checked_sub(quiet).filter(|at| *at < self.side);
        match (at(x), at(y)) {
            (Some(x), Some(y)) => self.dark[y * self.side + x],
            _ => false,
        }
    }

    /// Draws dark on light in every theme: many scanners cannot read an inverted code.
    fn draw(&self, theme: &Theme, quiet: usize, area: Rect, buf: &mut Buffer) {
        let black = Color::Rgb(0, 0, 0);
        let white = Color::Rgb(255, 255, 255);
        for row in 0..area.height {
            for column in 0..area.width {
                let (x, y) = (usize::from(column), usize::from(row));
                let Some(cell) = buf.cell_mut((area.x + column, area.y + row)) else {
                    continue;
                };
                if theme.is_ascii() {
                    let dark = self.is_dark(x / 2, y, quiet);
                    cell.set_symbol(" ").set_style(Style::new().bg(if dark {
                        black
                    } else {
                        white
                    }));
                    continue;
                }
                let upper = self.is_dark(x, y * 2, quiet);
                let lower = self.is_dark(x, y * 2 + 1, quiet);
                // Without colours, a drawn cell is light on a dark terminal and dark on a light one.
                let inked = |dark: bool| dark == (theme.has_color() || theme.is_light());
                let symbol = match (inked(upper), inked(lower)) {
                    (true, true) => "█",
                    (true, false) => "▀",
                    (false, true) => "▄",
                    (false, false) => " ",
                };
                cell.set_symbol(symbol);
                if theme.has_color() {
                    cell.set_style(Style::new().fg(black).bg(white));
                }
            }
        }
    }
}
