//! Saves what the operator chose in the console.

use std::path::PathBuf;

use super::Deck;
use super::manage::blocking;
use crate::config::edit::{self, Edit};
use crate::domain::{Problem, ThemeChoice};
use crate::providers::SPECS;

impl Deck {
    /// Saves the theme in the config file, and creates the file if needed; returns its path.
    ///
    /// # Errors
    /// If there is no place for the file, or it cannot be read or written.
    pub async fn save_theme(&self, theme: ThemeChoice) -> Result<PathBuf, Problem> {
        let path = self.config_file()?;
        blocking(move || {
            edit::apply(&path, &Edit::SetTheme(theme), &SPECS)?;
            Ok(path)
        })
        .await
    }
}
