//! The colours of the console by meaning, as the config file names them.

use std::collections::BTreeMap;

use super::words::words;

words! {
    /// The meaning of a text, which decides its colour. The words are those of the config file.
    #[derive(PartialOrd, Ord)]
    pub enum Tone {
        /// Normal text.
        Plain = "plain",
        /// Secondary text.
        Dim = "dim",
        /// The focused or selected element, and keys.
        Accent = "accent",
        /// Success.
        Good = "good",
        /// In progress.
        Busy = "busy",
        /// A warning.
        Warn = "warn",
        /// A failure.
        Bad = "bad",
        /// Real money.
        Live = "live",
        /// Simulated money.
        Sim = "sim",
    }
}

words! {
    /// Which set of colours. The words are those of the config file.
    #[derive(Default)]
    pub enum ThemeChoice {
        /// Follows the terminal's background; until it is known, the terminal's own sixteen colours.
        #[default]
        Auto = "auto",
        /// Tuned for a dark background.
        Dark = "dark",
        /// Tuned for a light background.
        Light = "light",
        /// Bright colours on black, whatever the terminal's background is.
        HighContrast = "high-contrast",
        /// No colours: bold, dim and reversed text.
        Mono = "mono",
    }
}

impl ThemeChoice {
    /// What it is for, as a phrase.
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
