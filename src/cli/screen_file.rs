//! The file of a profile with what the console's next start restores.

use std::io;
use std::path::{Path, PathBuf};

use crate::private;
use crate::tui::ScreenState;

pub struct ScreenFile {
    folder: PathBuf,
    name: String,
}

impl ScreenFile {
    pub fn new(state_folder: &Path, profile: &str) -> Self {
        Self {
            folder: state_folder.join("screens"),
            name: format!("{profile}.json"),
        }
    }

    /// The saved screen; `None` if there is none, or it cannot be used.
    pub fn read(&self) -> Option<ScreenState> {
        let file = private::open_existing(&self.folder.join(&self.name)).ok()?;
        let mut text = Vec::new();
        let fits = private::read_at_most(file, ScreenState::SIZE_MAX, &mut text).ok()?;
        ScreenState::parse(str::from_utf8(&text).ok().filter(|_| fits)?)
    }

    /// Replaces the saved screen as a whole. A failure costs only convenience.
    pub fn write(&self, state: &ScreenState) {
        if let Err(error) = self.try_write(state) {
            tracing::warn!(why = %error, "the screen cannot be saved");
        }
    }

    fn try_write(&self, state: &ScreenState) -> io::Result<()> {
        private::make_subfolder(&self.folder)?;
        private::replace(&self.folder.join(&self.name), state.to_text().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let file = ScreenFile::new(folder.path(), "live");
        assert_eq!(file.read(), None);
        let good = r#"{"version":1,"focus":"requests","zoomed":true,"panes":{"payments":{"filter":"open"}}}"#;
        let state = ScreenState::parse(good).unwrap();
        file.write(&state);
        assert_eq!(file.read(), Some(state));
        let path = folder.path().join("screens/live.json");
        let long = format!("{good}{}", " ".repeat(20_000));
        for damaged in [
            "",
            "{",
            &good[..40],
            &good.replace("\"version\":1", "\"version\":2"),
            &good.replace("\"zoomed\"", "\"zoom\""),
            &good.replace("open", "\\u001b[2J"),
            &good.replace("open", &"x".repeat(500)),
            &long.replace(
                "}}}",
                &format!("}}}},\"more\":\"{}\"}}", "x".repeat(20_000)),
            ),
        ] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(file.read(), None, "{damaged:.80}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(file.read(), None);
        let state = ScreenState::parse(good).unwrap();
        file.write(&state);
    }
}
