//! Colours by meaning, and an ASCII replacement for every glyph. Knows nothing about the panes.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::BorderType;

use crate::domain::{Environment, Severity};

use super::setup::{ThemeChoice, UiOptions};

/// The meaning of a text, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Normal text.
    Plain,
    /// Secondary text.
    Dim,
    /// The focused or selected element, and keys.
    Accent,
    /// Success.
    Good,
    /// In progress.
    Busy,
    /// A warning.
    Warn,
    /// A failure.
    Bad,
    /// Real money.
    Live,
    /// Simulated money.
    Sim,
}

impl From<Severity> for Tone {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Good => Self::Good,
            Severity::Busy => Self::Busy,
            Severity::Over => Self::Dim,
            Severity::Warning => Self::Warn,
            Severity::Bad => Self::Bad,
        }
    }
}

/// The styles of a theme.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    palette: Palette,
    mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Colour { ascii: bool, light: bool },
    Monochrome { ascii: bool, light: bool },
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Palette {
    dim: Style,
    border: Style,
    accent: Color,
    good: Color,
    busy: Color,
    warn: Color,
    bad: Color,
    live: Color,
    sim: Color,
    selected: Style,
    /// `None`: the terminal's own background.
    on_badge: Option<Color>,
}

/// The terminal's sixteen colours, which follow the operator's palette. It uses `DIM` and no grey, since a grey may be
/// unreadable on one of the backgrounds.
const AUTO: Palette = Palette {
    dim: Style::new().add_modifier(Modifier::DIM),
    border: Style::new().add_modifier(Modifier::DIM),
    accent: Color::Cyan,
    good: Color::Green,
    busy: Color::Blue,
    warn: Color::Yellow,
    bad: Color::Red,
    live: Color::Magenta,
    sim: Color::Cyan,
    // One background for the whole row: with reversed colours each cell would get its own.
    selected: Style::new()
        .fg(Color::Reset)
        .bg(Color::Reset)
        .add_modifier(Modifier::REVERSED)
        .remove_modifier(Modifier::DIM),
    on_badge: None,
};

const DARK: Palette = Palette {
    dim: Style::new().fg(Color::Indexed(247)),
    border: Style::new().fg(Color::Indexed(240)),
    accent: Color::Indexed(80),
    good: Color::Indexed(114),
    busy: Color::Indexed(111),
    warn: Color::Indexed(221),
    bad: Color::Indexed(210),
    live: Color::Indexed(213),
    sim: Color::Indexed(80),
    selected: Style::new().bg(Color::Indexed(236)),
    on_badge: Some(Color::Indexed(16)),
};

const LIGHT: Palette = Palette {
    dim: Style::new().fg(Color::Indexed(240)),
    border: Style::new().fg(Color::Indexed(248)),
    accent: Color::Indexed(24),
    good: Color::Indexed(22),
    busy: Color::Indexed(19),
    warn: Color::Indexed(94),
    bad: Color::Indexed(124),
    live: Color::Indexed(90),
    sim: Color::Indexed(24),
    selected: Style::new().bg(Color::Indexed(254)),
    on_badge: Some(Color::Indexed(231)),
};

impl Theme {
    pub fn new(options: &UiOptions) -> Self {
        let light = options.theme == ThemeChoice::Light;
        let ascii = options.ascii;
        Self {
            palette: match options.theme {
                ThemeChoice::Auto => AUTO,
                ThemeChoice::Dark => DARK,
                ThemeChoice::Light => LIGHT,
            },
            mode: if options.color {
                Mode::Colour { ascii, light }
            } else {
                Mode::Monochrome { ascii, light }
            },
        }
    }

    pub fn has_color(&self) -> bool {
        matches!(self.mode, Mode::Colour { .. })
    }

    pub fn is_ascii(&self) -> bool {
        matches!(
            self.mode,
            Mode::Colour { ascii: true, .. } | Mode::Monochrome { ascii: true, .. }
        )
    }

    pub fn is_light(&self) -> bool {
        matches!(
            self.mode,
            Mode::Colour { light: true, .. } | Mode::Monochrome { light: true, .. }
        )
    }

    pub fn style(&self, tone: Tone) -> Style {
        let palette = &self.palette;
        if !self.has_color() {
            return match tone {
                Tone::Plain | Tone::Busy | Tone::Sim | Tone::Accent => Style::new(),
                Tone::Dim => Style::new().add_modifier(Modifier::DIM),
                Tone::Good | Tone::Warn | Tone::Bad | Tone::Live => {
                    Style::new().add_modifier(Modifier::BOLD)
                }
            };
        }
        match tone {
            Tone::Plain => Style::new(),
            Tone::Dim => palette.dim,
            Tone::Accent => Style::new().fg(palette.accent),
            Tone::Good => Style::new().fg(palette.good),
            Tone::Busy => Style::new().fg(palette.busy),
            Tone::Warn => Style::new().fg(palette.warn),
            Tone::Bad => Style::new().fg(palette.bad),
            Tone::Live => Style::new().fg(palette.live),
            Tone::Sim => Style::new().fg(palette.sim),
        }
    }

    pub fn bold(&self, tone: Tone) -> Style {
        self.style(tone).add_modifier(Modifier::BOLD)
    }

    /// A word on a coloured background.
    pub fn badge(&self, tone: Tone) -> Style {
        match (self.style(tone).fg, self.palette.on_badge) {
            (Some(ground), Some(ink)) => {
                Style::new().fg(ink).bg(ground).add_modifier(Modifier::BOLD)
            }
            (Some(ground), None) => Style::new().fg(ground).add_modifier(Modifier::REVERSED),
            (None, _) => Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        }
    }

    /// The style of a selected row, in the focused pane or in another.
    pub fn selected(&self, focused: bool) -> Style {
        match (self.has_color(), focused) {
            (true, true) => self.palette.selected,
            (false, true) => Style::new().add_modifier(Modifier::REVERSED),
            (_, false) => Style::new(),
        }
    }

    /// The style of the screen behind a window.
    pub fn behind_window(&self) -> Style {
        let dim = match (self.has_color(), self.palette.border.fg) {
            (true, Some(grey)) => Style::new().fg(grey),
            _ => Style::new().fg(Color::Reset).add_modifier(Modifier::DIM),
        };
        dim.bg(Color::Reset)
            .remove_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    pub fn border(&self, focused: bool, live: bool) -> Style {
        match (focused, live) {
            (true, true) => self.bold(Tone::Live),
            (true, false) => self.bold(Tone::Accent),
            (false, true) => self.style(Tone::Live).add_modifier(Modifier::DIM),
            (false, false) if self.has_color() => self.palette.border,
            (false, false) => self.style(Tone::Dim),
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

    /// The last step of drawing: in ASCII mode it replaces every other character.
    pub fn finish(&self, buf: &mut Buffer) {
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
        '✎' => "!",
        '✘' | '×' => "x",
        '▸' | '▶' | '›' => ">",
        '·' | '•' => ".",
        '…' => "~",
        '≠' => "#",
        '↑' => "^",
        '↓' => "v",
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
        let theme = Theme::new(&UiOptions {
            color: false,
            ..UiOptions::default()
        });
        for tone in [
            Tone::Plain,
            Tone::Dim,
            Tone::Accent,
            Tone::Good,
            Tone::Busy,
            Tone::Warn,
            Tone::Bad,
            Tone::Live,
            Tone::Sim,
        ] {
            for style in [theme.style(tone), theme.badge(tone), theme.bold(tone)] {
                assert_eq!((style.fg, style.bg), (None, None), "{tone:?}");
            }
        }
        assert_eq!(theme.border(true, true).fg, None);
        assert_eq!(theme.border(false, false).fg, None);
        assert_eq!(theme.selected(true).bg, None);
    }
}
