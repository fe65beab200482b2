//! The colours of the console by meaning, as the config file names them.

use std::collections::BTreeMap;

use super::Severity;

/// The meaning of a text, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

impl Tone {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Plain,
        Self::Dim,
        Self::Accent,
        Self::Good,
        Self::Busy,
        Self::Warn,
        Self::Bad,
        Self::Live,
        Self::Sim,
    ];

    /// Its name in the config file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Dim => "dim",
            Self::Accent => "accent",
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Live => "live",
            Self::Sim => "sim",
        }
    }
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

/// Which set of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThemeChoice {
    /// Follows the terminal's background; until it is known, the terminal's own sixteen colours.
    #[default]
    Auto,
    /// Tuned for a dark background.
    Dark,
    /// Tuned for a light background.
    Light,
    /// Bright colours on black, whatever the terminal's background is.
    HighContrast,
    /// No colours: bold, dim and reversed text.
    Mono,
}

impl ThemeChoice {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Auto,
        Self::Dark,
        Self::Light,
        Self::HighContrast,
        Self::Mono,
    ];

    /// Its name in the config file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Dark => "dark",
            Self::Light => "light",
            Self::HighContrast => "high-contrast",
            Self::Mono => "mono",
        }
    }

    /// What it is for, as a phrase.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Auto => "follows the terminal's background",
            Self::Dark => "for a dark background",
            Self::Light => "for a light background",
            Self::HighContrast => "bright colors on black",
            Self::Mono => "no colors: bold, dim, reversed",
        }
    }
}

/// A colour of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// By its number. The first sixteen follow the terminal's own palette.
    Index(u8),
    /// By red, green and blue.
    Rgb(u8, u8, u8),
}

/// The colours of the operator, by meaning.
pub type Colors = BTreeMap<Tone, Color>;

impl Color {
    /// The names of the terminal's sixteen colours, in the order of their numbers.
    pub const NAMES: [&str; 16] = [
        "black",
        "red",
        "green",
        "yellow",
        "blue",
        "magenta",
        "cyan",
        "white",
        "bright-black",
        "bright-red",
        "bright-green",
        "bright-yellow",
        "bright-blue",
        "bright-magenta",
        "bright-cyan",
        "bright-white",
    ];

    /// Reads `magenta`, `#d787ff`, or a number up to 255.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(digits) = text.strip_prefix('#') {
            let is_hex = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
            return is_hex.then_some(Self::Rgb(red, green, blue));
        }
        let named = (0..).zip(Self::NAMES).find(|(_, name)| *name == text);
        let index = named.map(|(index, _)| index).or_else(|| text.parse().ok());
        index.map(Self::Index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_a_name_a_number_or_hexadecimal() {
        for (text, color) in [
            ("black", Some(Color::Index(0))),
            ("magenta", Some(Color::Index(5))),
            ("bright-white", Some(Color::Index(15))),
            ("114", Some(Color::Index(114))),
            ("#d787ff", Some(Color::Rgb(0xd7, 0x87, 0xff))),
            ("#D787FF", Some(Color::Rgb(0xd7, 0x87, 0xff))),
            ("256", None),
            ("-1", None),
            ("#fff", None),
            ("#+12345", None),
            ("purple", None),
            ("", None),
        ] {
            assert_eq!(Color::parse(text), color, "{text}");
        }
    }
}
