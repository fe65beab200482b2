//! What is wrong with the config file, and where. Contains keys of the file, never values.

use std::fmt;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::domain::ui::ConfigPosition;
use crate::domain::{Problem, ProblemKind, inert};

impl ConfigPosition {
    /// An error at this position, in the same form as all others.
    pub fn error(&self, message: impl Into<String>, hint: impl Into<String>) -> ConfigError {
        let mut error = ConfigError::of_file(&self.path, message, hint);
        error.0.place = Some(self.clone());
        error
    }
}

/// Why the configuration cannot be used. `Display` is one line; [`ConfigError::render`] also shows the line.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    path: Option<PathBuf>,
    place: Option<ConfigPosition>,
    message: String,
    hint: String,
}

impl ConfigError {
    pub(super) fn of_file(
        path: &Path,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let mut error = Self::of_nothing(message, hint);
        error.0.path = Some(path.to_owned());
        error
    }

    pub(super) fn of_nothing(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            path: None,
            place: None,
            message: message.into(),
            hint: hint.into(),
        }))
    }

    /// What is wrong, without the position.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do; may be empty.
    pub fn hint(&self) -> &str {
        &self.0.hint
    }

    /// The position, if the error is in a line of the file.
    pub fn place(&self) -> Option<&ConfigPosition> {
        self.0.place.as_ref()
    }

    /// Several lines: what is wrong, and the line with a caret below the position. The hint is not among them: it has
    /// the same form below every error.
    pub fn render(&self, color: bool) -> String {
        let path = self.shown_path();
        let mut group = Group::with_title(Level::ERROR.primary_title(self.message()));
        match (&self.0.place, &path) {
            (Some(place), Some(path)) => {
                let snippet = Snippet::source(place.shown.as_str())
                    .line_start(place.line)
                    .annotation(AnnotationKind::Primary.span(place.mark.clone()));
                // Columns refer to the file, not to the line as shown, so they are set separately.
                group = group
                    .element(
                        Origin::path(path.as_str())
                            .line(place.line)
                            .char_column(place.column),
                    )
                    .element(snippet);
            }
            (None, Some(path)) => group = group.element(Origin::path(path.as_str())),
            (_, None) => {}
        }
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        // The renderer draws a `:::` between origin and snippet that leads to nothing.
        let drawn = renderer.render(&[group]);
        let lines = drawn.lines();
        let shown: Vec<_> = lines
            .filter(|line| !line.contains("::: ") || line.contains('|') || line.contains("error"))
            .collect();
        shown.join("\n")
    }

    fn shown_path(&self) -> Option<String> {
        let path = self.0.path.as_ref()?;
        Some(inert::line(&path.to_string_lossy()).into_owned())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.shown_path() {
            f.write_str(&path)?;
            if let Some(place) = &self.0.place {
                write!(f, ":{}:{}", place.line, place.column)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(self.message())
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Problem {
    /// With its hint.
    fn from(error: ConfigError) -> Self {
        Self::new(ProblemKind::Config, error.to_string(), error.hint())
    }
}
