//! The theme in use, which may follow the background of the terminal.

use std::time::Duration;

use super::theme::Theme;
use super::{Effect, EffectSink, Model};
use crate::domain::{Now, ThemeChoice, Ui};

/// How long the terminal may take to report its background. Nothing waits for it, so slow lines get some time; a later
/// answer would change the colours while the operator reads.
const BACKGROUND_WITHIN: Duration = Duration::from_secs(2);

impl Model {
    /// Asks once for the background, where the theme depends on it.
    pub(super) fn ask_background(&mut self, io: &mut EffectSink<'_>) {
        let depends = match self.options.theme {
            ThemeChoice::Auto | ThemeChoice::Dark | ThemeChoice::Light => self.color,
            ThemeChoice::HighContrast | ThemeChoice::Mono => false,
        };
        if depends && self.background_until.is_none() {
            self.background_until = Some(io.now.mono + BACKGROUND_WITHIN);
            io.out.push(Effect::AskBackground);
        }
    }

    pub(super) fn on_background(&mut self, theme: ThemeChoice, now: Now) {
        let until = self.background_until.unwrap_or_default();
        if now.mono <= until {
            self.background = theme;
            self.background_until = Some(Duration::ZERO);
            self.renew_theme();
        }
    }

    pub(super) fn set_theme(&mut self, choice: ThemeChoice, io: &mut EffectSink<'_>) {
        self.options.theme = choice;
        self.ask_background(io);
        self.renew_theme();
    }

    pub(super) fn renew_theme(&mut self) {
        let theme = match self.options.theme {
            ThemeChoice::Auto => self.background,
            chosen => chosen,
        };
        let options = Ui {
            theme,
            ..self.options.clone()
        };
        self.theme = Theme::new(&options, self.tint, self.color);
        self.theme.fit(theme, self.background);
        self.dirty = true;
    }
}
