//! A new payment link: its text and its QR code. The text hides the payment token; the QR code contains it, since a
//! payer scans the code.

use std::cell::Cell;

use qrcode::render::Renderer;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use ratatui::style::{Color, Style};

use crate::domain::{AccountId, LinkRequest, PaymentLink};
use crate::tui::prelude::*;
use crate::tui::theme::Theme;
use crate::tui::widgets::text::stack;

keys! {
    Action:
    LINK_RESULT "Payment link" keys [NAV, READER, OVERLAY] {
        Copy "copy-link" ["y"] "copy" "copy the link";
        Open "open-link" ["o"] "open" "open the link in the browser";
        Show "watch-link" ["w" "enter"] "show" "show the payment in the list";
        Switch "link-text" ["t"] "text/code" "show the link's text or its code" else "both are shown, or the code has no room";
    }
}

/// Light modules around a code: ISO/IEC 18004 requires four. Two remain readable on a small screen.
const QUIET: [u16; 2] = [4, 2];

#[derive(Debug, Clone)]
pub struct State {
    account: AccountId,
    request: LinkRequest,
    link: PaymentLink,
    code: Option<Code>,
    /// Whether the text is shown where the code would not leave it room.
    shows_text: bool,
    /// Whether the last frame had room for the code only without the text.
    is_either: Cell<bool>,
}

#[derive(Clone)]
struct Code(QrCode);

impl std::fmt::Debug for Code {
    /// Hides the modules, which encode the payment token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Code({} modules a side)", self.0.width())
    }
}

impl State {
    pub fn new(account: AccountId, request: LinkRequest, link: PaymentLink) -> Self {
        let code = QrCode::with_error_correction_level(link.url.expose(), EcLevel::L);
        Self {
            account,
            request,
            link,
            code: code.ok().map(Code),
            shows_text: false,
            is_either: Cell::default(),
        }
    }

    /// The code in the largest form that fits an area, or the text in place of it.
    fn draw_code(&self, ctx: ViewContext<'_>, area: Rect, screen: Rect, buf: &mut Buffer) {
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
        let fits = |quiet: &u16| {
            let Size { width, height } = code.size(*quiet, theme);
            width <= area.width && height <= area.height
        };
        if let Some(quiet) = QUIET.into_iter().find(fits) {
            let Size { width, height } = code.size(quiet, theme);
            let air = (area.height - height).min(1);
            let [_, rows] = stack(area, [air, height]);
            let [_, rows] = split_columns(rows, (area.width - width) / 2);
            code.draw(quiet, theme, rows, buf);
            return;
        }
        if self.is_either.get() {
            let text = format!("{} shows the QR code.", ctx.key(Action::Switch));
            paragraph(buf, below(area, 1), &text, dim);
            return;
        }
        let [_, least] = self.sizes(theme);
        // The frame, the lines above the code, and the footer.
        let rows_beside = self.rows_above(theme, screen) + 3;
        let text = format!(
            "The QR code needs at least {}x{}; this terminal has {}x{}. Enlarge it or zoom out. {} copies the link, {} opens it.",
            // In a narrower terminal the link would need more rows.
            (least.width + 4).max(screen.width),
            (least.height + rows_beside).max(screen.height + 1),
            screen.width,
            screen.height + 1,
            ctx.key(Action::Copy),
            ctx.key(Action::Open)
        );
        paragraph(buf, below(area, 1), &text, dim);
    }

    /// The window's width on a screen that is large enough.
    fn width(&self, theme: &Theme) -> u16 {
        let [whole, _] = self.sizes(theme);
        (whole.width + 4).max(96)
    }

    /// The code's size with each quiet zone.
    fn sizes(&self, theme: &Theme) -> [Size; 2] {
        let sizes = |code: &Code| QUIET.map(|quiet| code.size(quiet, theme));
        self.code.as_ref().map_or([Size::ZERO; 2], sizes)
    }

    fn rows_above(&self, theme: &Theme, screen: Rect) -> u16 {
        let link = wrap(&self.link.shown, columns_inside(screen, self.width(theme)));
        cells(link.len()) + if self.request.with_token { 3 } else { 1 }
    }
}

impl Component for State {
    type Action = Action;

    fn can(&self, action: Action, _ctx: ViewContext<'_>) -> bool {
        action != Action::Switch || self.is_either.get()
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        match action {
            Action::Copy => ctx.copy(self.link.url.clone(), "the payment link"),
            Action::Open => ctx.out.push(Effect::Browse(self.link.url.clone())),
            Action::Show => {
                let key = (self.account.clone(), self.request.id.clone());
                ctx.intend(Intent::ShowPayment(key));
            }
            Action::Switch => self.shows_text ^= true,
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let theme = ctx.theme;
        let live = ctx.store.is_live_account(self.account.as_str());
        let fitting = |above: u16| {
            let mut sizes = self.sizes(theme).into_iter();
            sizes.find(|size| {
                size.width + 4 <= screen.width && above + size.height + 2 <= screen.height
            })
        };
        let above = self.rows_above(theme, screen);
        let draws = !theme.is_ascii() || theme.has_color();
        // Where both do not fit, the code first: the keys copy and open the link.
        let (both, alone) = (
            fitting(above),
            fitting(0).filter(|size| draws && size.height > 0),
        );
        self.is_either.set(both.is_none() && alone.is_some());
        let (above, fitting) = if self.is_either.get() && !self.shows_text {
            (0, alone)
        } else {
            (above, both)
        };
        let is_secret = above == 0 && self.request.with_token;
        let mut about = String::new();
        if above == 0 {
            about = format!(", {} {}", self.request.amount, self.request.currency);
        }
        if is_secret {
            about += ", secret: only for this payer";
        }
        // Without a code, a text of three rows.
        let code = fitting.filter(|size| size.height > 0);
        let height = above + code.map_or(3, |size| size.height) + 3;
        let wide = self.width(theme);
        let room = columns_inside(screen, wide).saturating_sub(12 + width(&about));
        let inner = Window {
            title: &format!(
                "Link for {}{about}",
                fit_middle(self.request.id.as_str(), room)
            ),
            size: Size::new(wide, height),
            live,
        }
        .draw(theme, screen, buf);
        if above == 0 {
            self.draw_code(ctx, inner, screen, buf);
            return None;
        }
        let mut left = inner;
        Pen::new(buf, left, 0)
            .text(self.request.amount.as_str(), theme.bold(Tone::Plain))
            .text(" ", theme.style(Tone::Plain))
            .text(self.request.currency.as_str(), theme.bold(Tone::Plain))
            .text(" to ", theme.style(Tone::Dim))
            .text(self.account.as_str(), theme.style(Tone::Dim))
            .text(", on the watch list", theme.style(Tone::Dim));
        left = below(left, 1);
        left = paragraph(buf, left, &self.link.shown, theme.style(Tone::Accent));
        if self.request.with_token {
            left = paragraph(
                buf,
                left,
                "The link contains a secret payment token (hidden here, as …). Send it only to this payer.",
                theme.style(Tone::Warn),
            );
        }
        self.draw_code(ctx, left, screen, buf);
        None
    }
}

impl Code {
    fn size(&self, quiet: u16, theme: &Theme) -> Size {
        let side = self.0.width() + 2 * usize::from(quiet);
        if theme.is_ascii() {
            Size::new(cells(side * 2), cells(side))
        } else {
            Size::new(cells(side), cells(side.div_ceil(2)))
        }
    }

    /// Draws dark on light in every theme: many scanners cannot read an inverted code.
    fn draw(&self, quiet: u16, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let (modules, side) = (self.0.to_colors(), self.0.width());
        let black = Color::Rgb(0, 0, 0);
        let white = Color::Rgb(255, 255, 255);
        if theme.is_ascii() {
            let mut code = Renderer::<char>::new(&modules, side, quiet.into());
            let text = code.module_dimensions(2, 1).build();
            for (line, row) in text.lines().zip(area.rows()) {
                for (module, place) in line.chars().zip(row.columns()) {
                    let color = if module == ' ' { white } else { black };
                    let style = Style::new().bg(color);
                    Pen::new(buf, place, 0).text(" ", style);
                }
            }
            return;
        }
        let mut code = Renderer::<Dense1x2>::new(&modules, side, quiet.into());
        let style = if theme.has_color() {
            Style::new().fg(black).bg(white)
        } else {
            Style::new()
        };
        // Without colours, a drawn cell is light on a dark terminal and dark on a light one.
        if !theme.has_color() && !theme.is_light() {
            code.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark);
        }
        for (line, row) in code.build().lines().zip(area.rows()) {
            Pen::new(buf, row, 0).text(line, style);
        }
    }
}
