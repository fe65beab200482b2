//! What is wrong with the config file, and where. Holds no value from the file, only its keys.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::domain::{Problem, ProblemKind, inert};

/// A spot in the config file, with its line as it may be shown: keys, and `…` for each value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub(super) path: PathBuf,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) shown: String,
    pub(super) mark: Range<usize>,
}

impl Place {
    /// Counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// In characters, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// An error at this spot, in the same form as all others.
    #[must_use]
    pub fn error(&self, message: impl Into<String>, hint: impl Into<String>) -> ConfigError {
        ConfigError(Box::new(Inner {
            path: Some(self.path.clone()),
            place: Some(self.clone()),
            message: message.into(),
            hint: hint.into(),
        }))
    }
}

/// Why the configuration cannot be used. `Display` is one line; [`ConfigError::render`] shows the spot.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    path: Option<PathBuf>,
    place: Option<Place>,
    message: String,
    hint: String,
}

impl ConfigError {
    pub(super) fn of_file(
        path: &Path,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            path: Some(path.to_owned()),
            place: None,
            message: message.into(),
            hint: hint.into(),
        }))
    }

    pub(super) fn of_nothing(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            path: None,
            place: None,
            message: message.into(),
            hint: hint.into(),
        }))
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it; may be empty.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.0.hint
    }

    /// Where it is, if it is in a line of the file.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// Several lines: what is wrong, the line with a caret under the spot, and what to do.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let path = self.shown_path();
        let mut group = Group::with_title(Level::ERROR.primary_title(self.message()));
        match (&self.0.place, &path) {
            (Some(place), Some(path)) => {
                let snippet = Snippet::source(place.shown.as_str())
                    .line_start(place.line)
                    .annotation(AnnotationKind::Primary.span(place.mark.clone()));
                // Columns are counted in the file, not in the line as shown, so they are given apart.
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
        if !self.hint().is_empty() {
            group = group.element(Level::HELP.message(self.hint()));
        }
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        // Between an origin and its snippet the renderer draws a `:::` that leads to nothing.
        let drawn = renderer.render(&[group]);
        let lines = drawn.lines();
        let kept: Vec<_> = lines
            .filter(|line| !line.contains("::: ") || line.contains('|') || line.contains("error"))
            .collect();
        kept.join("\n")
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

impl From<&ConfigError> for Problem {
    /// With its hint.
    fn from(error: &ConfigError) -> Self {
        Self::new(ProblemKind::Config, error.to_string(), error.hint())
    }
}
