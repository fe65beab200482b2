//! The config file as text: reads it, parses it, and locates each key. Does not know what keys mean. Never shows a
//! value: in a quoted line, `…` stands for each.

use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::domain::inert;
use crate::domain::ui::ConfigPosition;
use crate::private::{self, Danger};

use super::ConfigError;

/// Far larger than any config file: a larger one is a wrong path.
const SIZE_MAX: usize = 1024 * 1024;

/// The longest quoted line, in characters.
const SHOWN_MAX: usize = 160;

/// Reads the file; `None` if it does not exist.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let failed = |error: &std::io::Error| match error.kind() {
        ErrorKind::PermissionDenied => ConfigError::of_file(
            path,
            "no permission to read the config file",
            "make it readable for you, or pass another with --config",
        ),
        ErrorKind::IsADirectory => is_a_folder(path),
        _ => ConfigError::of_file(
            path,
            format!("tilldeck cannot read the config file: {error}"),
            "check the path, or pass another with --config",
        ),
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    let about = file.metadata().map_err(|error| failed(&error))?;
    if about.is_dir() {
        return Err(is_a_folder(path));
    }
    // A device such as /dev/null stores nothing that others could have written.
    let is_stored = !about.file_type().is_char_device();
    if let Some(danger) = Danger::of(&about).filter(|_| is_stored) {
        return Err(ConfigError::of_file(
            path,
            format!("the config file {danger}, and it can name programs to run"),
            danger.remedy(path),
        ));
    }
    let mut bytes = Vec::new();
    let fits = private::read_at_most(file, SIZE_MAX, &mut bytes);
    if !fits.map_err(|error| failed(&error))? {
        return Err(ConfigError::of_file(
            path,
            "the config file is larger than 1 MiB",
            "check that it is the right file, or pass another with --config",
        ));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
            let line = before.matches('\n').count() + 1;
            Err(ConfigError::of_file(
                path,
                format!("the config file is not UTF-8 in line {line}"),
                "save it as UTF-8",
            ))
        }
    }
}

fn is_a_folder(path: &Path) -> ConfigError {
    ConfigError::of_file(
        path,
        "this is a folder, not a config file",
        "pass the file in it: …/config.toml",
    )
}

/// The text of a file, and the positions of its keys and values.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    text: &'a str,
    keys: Vec<Range<usize>>,
    values: Vec<Range<usize>>,
    /// Of tables: `[profiles.live.accounts.shop]`. They contain keys alone.
    headers: Vec<Range<usize>>,
}

/// Parses the text. `known` are all valid key names: of a line that is not TOML, only these are shown.
pub(super) fn parse<'a>(
    path: &'a Path,
    text: &'a str,
    known: &[&str],
) -> Result<(Source<'a>, Spanned<DeTable<'a>>), ConfigError> {
    let mut source = Source {
        path,
        text,
        keys: Vec::new(),
        values: Vec::new(),
        headers: Vec::new(),
    };
    match DeTable::parse(text) {
        Ok(table) => {
            source.collect(table.get_ref());
            let found = [&mut source.keys, &mut source.values, &mut source.headers];
            for ranges in found {
                ranges.sort_by_key(|range| range.start);
            }
            Ok((source, table))
        }
        Err(error) => Err(source.malformed(&error, known)),
    }
}

/// What an error shows of a line.
struct Snippet {
    /// The line, without its values.
    shown: String,
    /// The wrong part of it.
    mark: Range<usize>,
}

impl Source<'_> {
    fn collect(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            self.keys.push(key.span());
            self.collect_value(value);
        }
    }

    fn collect_value(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => {
                // The keys of a table have the positions that the first header with them has; a later header is only the
                // table's own position.
                let span = value.span();
                if self.text[span.clone()].starts_with('[') {
                    self.headers.push(span);
                }
                self.collect(table);
            }
            DeValue::Array(items) => items.iter().for_each(|item| self.collect_value(item)),
            _ => self.values.push(value.span()),
        }
    }

    pub(super) fn error(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> ConfigError {
        self.place(span).error(message, hint)
    }

    /// The position of a span of the parsed text.
    pub(super) fn place(&self, span: Range<usize>) -> ConfigPosition {
        let line = self.line_at(span.start);
        let snippet = self.masked(&line, &span);
        self.place_of(span.start, snippet)
    }

    fn line_at(&self, at: usize) -> Range<usize> {
        let at = at.min(self.text.len());
        let start = self.text[..at].rfind('\n').map_or(0, |found| found + 1);
        let end = self.text[at..]
            .find('\n')
            .map_or(self.text.len(), |found| at + found);
        start..end
    }

    fn place_of(&self, at: usize, snippet: Snippet) -> ConfigPosition {
        let line = self.line_at(at);
        let Snippet {
            mut shown,
            mut mark,
        } = snippet;
        if let Some((cut, _)) = shown.char_indices().nth(SHOWN_MAX) {
            shown.truncate(cut);
            shown.push('…');
        }
        mark.start = mark.start.min(shown.len());
        mark.end = mark.end.clamp(mark.start, shown.len());
        ConfigPosition {
            path: self.path.to_owned(),
            line: self.text[..line.start].matches('\n').count() + 1,
            column: self.text[line.start..at.max(line.start)].chars().count() + 1,
            shown,
            mark,
        }
    }

    /// The line with `…` for each value and without its comment. Anything that is neither key, value nor punctuation is
    /// hidden, so that even a wrong span cannot show a secret.
    fn masked(&self, line: &Range<usize>, span: &Range<usize>) -> Snippet {
        let mut shown = String::new();
        let mut mark: Option<Range<usize>> = None;
        let mut at = line.start;
        while at < line.end {
            let inside = |ranges: &[Range<usize>]| {
                let next = ranges.partition_point(|range| range.end <= at);
                ranges
                    .get(next)
                    .filter(|range| range.contains(&at))
                    .cloned()
            };
            let began = shown.len();
            let next = if let Some(value) = inside(&self.values) {
                shown.push('…');
                value.end.min(line.end)
            } else if let Some(key) = inside(&self.keys) {
                let end = key.end.min(line.end);
                shown.push_str(&inert::line(&self.text[at..end]));
                end
            } else {
                let c = self.text[at..]
                    .chars()
                    .next()
                    .expect("`at` is before the line's end");
                match c {
                    '#' if inside(&self.headers).is_none() => break,
                    '\t' => shown.push(' '),
                    ' ' | '=' | '.' | ',' | '{' | '}' | '[' | ']' => shown.push(c),
                    _ if inside(&self.headers).is_some() => {
                        shown.push_str(&inert::line(c.encode_utf8(&mut [0; 4])));
                    }
                    _ => {}
                }
                at + c.len_utf8()
            };
            if at < span.end.max(span.start + 1) && next > span.start {
                mark = Some(mark.map_or(began, |mark| mark.start)..shown.len());
            }
            at = next;
        }
        let shown = shown.trim_end().to_owned();
        let end = shown.len();
        let mark = mark.unwrap_or(end..end);
        Snippet { shown, mark }
    }

    /// The error for a text that is not TOML: keys and values cannot be distinguished reliably.
    fn malformed(&self, error: &toml::de::Error, known: &[&str]) -> ConfigError {
        let at = error.span().map_or(self.text.len(), |span| span.start);
        let line = self.line_at(at);
        let written = &self.text[line.clone()];
        let shown = known_head(written, known);
        let from = at.saturating_sub(line.start).min(shown.len());
        let from = shown.floor_char_boundary(from);
        let until = shown[from..]
            .chars()
            .next()
            .map_or(from, |c| from + c.len_utf8());
        let mark = from..until;
        let place = self.place_of(at, Snippet { shown, mark });
        let message = inert::line(error.message()).into_owned();
        place.error(
            format!("this is not TOML: {message}"),
            "values are hidden here; compare the line with the example of `tilldeck config init`",
        )
    }
}

/// The part of a line that is surely a key: `[profiles.…]`, or a known key and its `=`.
fn known_head(line: &str, known: &[&str]) -> String {
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    let trimmed = line.trim_start();
    let indent = " ".repeat(line.len() - trimmed.len());
    if let Some((head, _)) = trimmed
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        let root = head.split('.').next().unwrap_or("").trim();
        if known.contains(&root) && head.chars().all(name) {
            return format!("{indent}[{head}]");
        }
    }
    if let Some((head, _)) = trimmed.split_once('=') {
        let last = head.rsplit('.').next().unwrap_or("").trim();
        if known.contains(&last) && head.chars().all(name) && head.len() < 80 {
            return format!("{indent}{head}= …");
        }
    }
    format!("{indent}…")
}

/// The known name closest to a mistyped one.
pub fn nearest<'k>(written: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let written = written.to_ascii_lowercase();
    if written.len() > 64 {
        return None;
    }
    known
        .into_iter()
        // Letters to insert, delete or change, or neighbors to swap.
        .map(|name| {
            (
                strsim::osa_distance(&written, &name.to_ascii_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= (name.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = ["api_key", "api_secret", "environment"];
        assert_eq!(nearest("api_kye", known), Some("api_key"));
        assert_eq!(nearest("API_KEY", known), Some("api_key"));
        assert_eq!(nearest("enviroment", known), Some("environment"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn a_line_is_shown_without_values_and_comments() {
        let text = "# planted\na.b = { c = \"planted\", 'd e' = [1, \"planted\"] } # planted\n";
        let path = Path::new("c.toml");
        let (source, _) = parse(path, text, &[]).unwrap_or_else(|error| panic!("{error}"));
        let at = text.find("'d e'").unwrap();
        let place = source.place(at..at + 5);
        assert_eq!(place.shown, "a.b = { c = …, 'd e' = […, …] }");
        assert_eq!(&place.shown[place.mark.clone()], "'d e'");
        assert_eq!((place.line, place.column), (2, 24));
    }
}
