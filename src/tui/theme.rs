//! Colours by meaning, and an ASCII replacement for every glyph. Knows nothing about the panes.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::BorderType;

pub use crate::domain::Tone;
use crate::domain::{self, Environment, ThemeChoice, Ui};

#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    palette: Palette,
    choice: ThemeChoice,
    has_color: bool,
    is_ascii: bool,
    /// Whether the profile has a colour of its own.
    is_tinted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Palette {
    /// In the order of [`Tone::ALL`]: plain, dim, accent, good, busy, warn, bad, live, sim.
    tones: [Style; Tone::ALL.len()],
    border: Style,
    selected: Style,
    /// Text and background of the whole screen; `None`: the terminal's own.
    screen: Option<(Color, Color)>,
}

const PLAIN: Style = Style::new();
const DIM: Style = PLAIN.add_modifier(Modifier::DIM);
const BOLD: Style = PLAIN.add_modifier(Modifier::BOLD);

/// One background for the whole row: with reversed colours each cell would get its own.
const REVERSED_ROW: Style = PLAIN
    .fg(Color::Reset)
    .bg(Color::Reset)
    .add_modifier(Modifier::REVERSED)
    .remove_modifier(Modifier::DIM);

const MONO: Palette = Palette {
    tones: [PLAIN, DIM, PLAIN, BOLD, PLAIN, BOLD, BOLD, BOLD, PLAIN],
    border: DIM,
    selected: PLAIN.add_modifier(Modifier::REVERSED),
    screen: None,
};

/// The terminal's sixteen colours, which follow the operator's palette. It uses `DIM` and no grey, since a grey may be
/// unreadable on one of the backgrounds.
const AUTO: Palette = Palette {
    tones: [
        PLAIN,
        DIM,
        PLAIN.fg(Color::Cyan),
        PLAIN.fg(Color::Green),
        PLAIN.fg(Color::Blue),
        PLAIN.fg(Color::Yellow),
        PLAIN.fg(Color::Red),
        PLAIN.fg(Color::Magenta),
        PLAIN.fg(Color::Cyan),
    ],
    border: DIM,
    selected: REVERSED_ROW,
    screen: None,
};

const DARK: Palette = Palette {
    tones: indexed([247, 80, 114, 111, 221, 210, 213, 80]),
    border: PLAIN.fg(Color::Indexed(240)),
    selected: PLAIN.bg(Color::Indexed(236)),
    screen: None,
};

const LIGHT: Palette = Palette {
    tones: indexed([240, 24, 22, 19, 94, 124, 90, 24]),
    border: PLAIN.fg(Color::Indexed(248)),
    selected: PLAIN.bg(Color::Indexed(254)),
    screen: None,
};

/// A contrast of at least 7 to 1 for every text (WCAG 2.2, level AAA), which needs a known background.
const HIGH_CONTRAST: Palette = Palette {
    tones: indexed([252, 51, 120, 153, 226, 217, 219, 51]),
    border: PLAIN.fg(Color::Indexed(248)),
    selected: REVERSED_ROW,
    screen: Some((Color::Indexed(231), Color::Indexed(16))),
};

/// The styles of all tones but plain, by the numbers of their colours.
const fn indexed(colors: [u8; Tone::ALL.len() - 1]) -> [Style; Tone::ALL.len()] {
    let mut tones = [PLAIN; Tone::ALL.len()];
    let mut at = 0;
    while at < colors.len() {
        tones[at + 1] = PLAIN.fg(Color::Indexed(colors[at]));
        at += 1;
    }
    tones
}

impl Theme {
    pub fn new(options: &Ui, tint: Option<domain::Color>, color: bool) -> Self {
        let has_color = color && options.theme != ThemeChoice::Mono;
        let mut palette = match options.theme {
            _ if !has_color => MONO,
            ThemeChoice::Auto | ThemeChoice::Mono => AUTO,
            ThemeChoice::Dark => DARK,
            ThemeChoice::Light => LIGHT,
            ThemeChoice::HighContrast => HIGH_CONTRAST,
        };
        let tint = tint.map(|tint| (Tone::Accent, tint));
        let own = options.colors.iter().map(|(tone, color)| (*tone, *color));
        for (tone, color) in own.chain(tint).filter(|_| has_color) {
            palette.tones[tone as usize] = PLAIN.fg(terminal_color(color));
        }
        Self {
            palette,
            choice: options.theme,
            has_color,
            is_ascii: options.ascii,
            is_tinted: tint.is_some(),
        }
    }

    /// Makes the screen as dark or light as the chosen theme where the terminal is not: its texts could not be read
    /// there.
    pub fn fit(&mut self, chosen: ThemeChoice, terminal: ThemeChoice) {
        let (black, white) = (Color::Indexed(16), Color::Indexed(231));
        match (chosen, terminal) {
            _ if !self.has_color => {}
            (ThemeChoice::Light, ThemeChoice::Dark) => self.palette.screen = Some((black, white)),
            (ThemeChoice::Dark, ThemeChoice::Light) => self.palette.screen = Some((white, black)),
            _ => {}
        }
    }

    pub fn has_color(&self) -> bool {
        self.has_color
    }

    pub fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    pub fn is_light(&self) -> bool {
        self.choice == ThemeChoice::Light
    }

    pub fn style(&self, tone: Tone) -> Style {
        self.palette.tones[tone as usize]
    }

    pub fn bold(&self, tone: Tone) -> Style {
        self.style(tone).add_modifier(Modifier::BOLD)
    }

    /// A word on a coloured background.
    pub fn badge(&self, tone: Tone) -> Style {
        let ground = self.style(tone).fg;
        match (ground, ground.and_then(ink_on)) {
            (Some(ground), Some(ink)) => {
                Style::new().fg(ink).bg(ground).add_modifier(Modifier::BOLD)
            }
            (Some(ground), None) => Style::new().fg(ground).add_modifier(Modifier::REVERSED),
            (None, _) => Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        }
    }

    /// The style of the profile's name, and whether it is a badge.
    pub fn profile(&self) -> (Style, bool) {
        if self.is_tinted {
            (self.badge(Tone::Accent), true)
        } else {
            (self.bold(Tone::Plain), false)
        }
    }

    /// The style of a selected row, in the focused pane or in another.
    pub fn selected(&self, focused: bool) -> Style {
        if focused {
            self.palette.selected
        } else {
            PLAIN
        }
    }

    /// The style of the screen behind a window.
    pub fn behind_window(&self) -> Style {
        let grey = self.palette.border.fg;
        let dim = grey.map_or(DIM.fg(Color::Reset), |grey| PLAIN.fg(grey));
        dim.bg(Color::Reset)
            .remove_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    pub fn border(&self, focused: bool, live: bool) -> Style {
        match (focused, live) {
            (true, true) => self.bold(Tone::Live),
            (true, false) => self.bold(Tone::Accent),
            (false, true) => self.style(Tone::Live).add_modifier(Modifier::DIM),
            (false, false) => self.palette.border,
        }
    }

    /// Without colours, the focused pane needs a heavier frame.
    pub fn border_type(&self, focused: bool) -> BorderType {
        if focused && (!self.has_color() || self.is_ascii()) {
            BorderType::Thick
        } else {
            BorderType::Rounded
        }
    }

    /// The last step of drawing: sets the screen's own colours, and in ASCII mode replaces every other character.
    pub fn finish(&self, buf: &mut Buffer) {
        if let Some((ink, ground)) = self.palette.screen {
            for cell in &mut buf.content {
                let or = |color, default| match color {
                    Color::Reset => default,
                    color => color,
                };
                (cell.fg, cell.bg) = (or(cell.fg, ink), or(cell.bg, ground));
            }
        }
        if !self.is_ascii() {
            return;
        }
        for cell in &mut buf.content {
            let letter = cell.symbol().chars().any(char::is_alphanumeric);
            if !cell.symbol().is_ascii() && !letter {
                let plain = cell.symbol().chars().next().map_or(" ", ascii);
                cell.set_symbol(plain);
            }
        }
    }
}

fn terminal_color(color: domain::Color) -> Color {
    match color {
        domain::Color::Index(index) => Color::Indexed(index),
        domain::Color::Rgb(red, green, blue) => Color::Rgb(red, green, blue),
    }
}

/// Black or white, whichever is easier to read on a colour; `None` on a colour of the terminal's own palette, whose
/// brightness is not known.
fn ink_on(ground: Color) -> Option<Color> {
    let [red, green, blue] = rgb(ground)?.map(u32::from);
    // How bright the eye sees it, out of 255.
    let brightness = (red * 299 + green * 587 + blue * 114) / 1000;
    Some(Color::Indexed(if brightness < 128 { 231 } else { 16 }))
}

/// Red, green and blue; `None` for a colour of the terminal's own palette.
fn rgb(color: Color) -> Option<[u8; 3]> {
    Some(match color {
        Color::Rgb(red, green, blue) => [red, green, blue],
        // The colour cube of xterm, and its greys.
        Color::Indexed(index @ 16..=231) => {
            let part = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let index = index - 16;
            [index / 36, index / 6 % 6, index % 6].map(part)
        }
        Color::Indexed(index @ 232..) => [8 + 10 * (index - 232); 3],
        _ => return None,
    })
}

/// The badge of an environment and its tone.
pub fn badge(environment: Environment) -> (&'static str, Tone) {
    match environment {
        Environment::Production => ("LIVE", Tone::Live),
        Environment::Sandbox => ("TEST", Tone::Busy),
        Environment::Embedded => ("SIM", Tone::Sim),
    }
}

#[expect(clippy::match_same_arms, reason = "one line for each family of glyphs")]
fn ascii(glyph: char) -> &'static str {
    match glyph {
        '─' | '┄' | '—' | '–' | '╌' => "-",
        '━' => "=",
        '│' | '┃' => "|",
        '╭' | '╮' | '╰' | '╯' | '├' | '┤' | '┏' | '┓' | '┗' | '┛' | '┣' | '┫' => {
            "+"
        }
        '●' => "*",
        '◉' => "@",
        '↻' => "=",
        '−' => "-",
        '“' | '”' => "\"",
        '∞' => "%",
        '○' | '◌' => "o",
        '✔' => "+",
        '✎' => "w",
        '¶' => "n",
        '✘' | '×' => "x",
        '▸' | '▶' | '›' => ">",
        '·' | '•' => ".",
        '…' => "~",
        '≠' => "#",
        '↑' | '▲' => "^",
        '↓' | '▼' => "v",
        '→' => ">",
        '←' => "<",
        '█' | '▰' => "#",
        '▱' | '░' => ".",
        '▏' | '▎' | '▍' => "-",
        '▌' | '▋' | '▊' | '▉' => "=",
        '▁' => "_",
        '▂' => ".",
        '▃' => ",",
        '▄' => "-",
        '▅' => "~",
        '▆' => "=",
        '▇' => "+",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_no_style_sets_one() {
        let theme = Theme::new(&Ui::default(), None, false);
        for tone in Tone::ALL {
            for style in [theme.style(tone), theme.badge(tone), theme.bold(tone)] {
                assert_eq!((style.fg, style.bg), (None, None), "{tone:?}");
            }
        }
        assert_eq!(theme.border(true, true).fg, None);
        assert_eq!(theme.border(false, false).fg, None);
        assert_eq!(theme.selected(true).bg, None);
    }

    fn with(theme: ThemeChoice) -> Ui {
        Ui {
            theme,
            ..Ui::default()
        }
    }

    /// The contrast of two colours, as WCAG 2.2 defines it.
    #[expect(
        clippy::disallowed_types,
        clippy::float_arithmetic,
        reason = "no money: the curve of sRGB"
    )]
    fn contrast(one: Color, other: Color) -> f64 {
        let light = |color| {
            let parts = rgb(color).map(|part| {
                let part = f64::from(part) / 255.0;
                if part <= 0.04045 {
                    part / 12.92
                } else {
                    ((part + 0.055) / 1.055).powf(2.4)
                }
            });
            0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] + 0.05
        };
        let (one, other) = (light(one), light(other));
        one.max(other) / one.min(other)
    }

    fn rgb(color: Color) -> [u8; 3] {
        super::rgb(color).expect("a colour that is the same in every terminal")
    }

    #[test]
    fn high_contrast_has_at_least_seven_to_one_for_every_text() {
        let theme = Theme::new(&with(ThemeChoice::HighContrast), None, true);
        let (ink, ground) = HIGH_CONTRAST.screen.unwrap();
        for tone in Tone::ALL {
            let text = theme.style(tone).fg.unwrap_or(ink);
            let ratio = contrast(text, ground);
            assert!(ratio >= 7.0, "{tone:?} {ratio}");
            let badge = theme.badge(tone);
            if let (Some(text), Some(ground)) = (badge.fg, badge.bg) {
                let ratio = contrast(text, ground);
                assert!(ratio >= 7.0, "badge {tone:?} {ratio}");
            }
        }
        for style in [theme.behind_window(), theme.border(false, false)] {
            assert!(contrast(style.fg.unwrap(), ground) >= 7.0, "{style:?}");
        }
    }

    #[test]
    fn own_colours_replace_those_of_a_theme_and_a_tint_the_accent() {
        let mut options = with(ThemeChoice::Dark);
        options.colors = [
            (Tone::Good, domain::Color::Index(2)),
            (Tone::Accent, domain::Color::Index(3)),
            (Tone::Plain, domain::Color::Rgb(1, 2, 3)),
        ]
        .into();
        let own = Theme::new(&options, None, true);
        assert_eq!(own.style(Tone::Good).fg, Some(Color::Indexed(2)));
        assert_eq!(own.style(Tone::Plain).fg, Some(Color::Rgb(1, 2, 3)));
        assert_eq!(own.style(Tone::Accent).fg, Some(Color::Indexed(3)));
        assert_eq!(own.style(Tone::Bad).fg, DARK.tones[Tone::Bad as usize].fg);
        assert_eq!(own.profile(), (own.bold(Tone::Plain), false));
        let tint = Some(domain::Color::Rgb(250, 250, 0));
        let tinted = Theme::new(&options, tint, true);
        let yellow = Color::Rgb(250, 250, 0);
        assert_eq!(tinted.style(Tone::Accent).fg, Some(yellow));
        let (style, is_badge) = tinted.profile();
        assert_eq!(
            (style.fg, style.bg),
            (Some(Color::Indexed(16)), Some(yellow))
        );
        assert!(is_badge);
        // Without colours, neither counts.
        options.theme = ThemeChoice::Mono;
        let mono = Theme::new(&options, tint, true);
        assert!(Tone::ALL.iter().all(|tone| mono.style(*tone).fg.is_none()));
    }
}
