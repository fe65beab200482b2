//! What is printed, and how: rows for people, one JSON object a line for scripts. Text from outside is inert.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::{Value, json};

use crate::domain::{Problem, Severity, inert};
use crate::net::redact;

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether to colour what goes to a stream.
    #[must_use]
    pub fn wanted(self, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                terminal
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
            }
        }
    }
}

/// The reader of a pipe has gone. No error: `tilldeck log | head` is fine.
#[derive(Debug)]
pub struct Closed;

/// Standard output and standard error, with the format asked for.
#[derive(Debug, Clone)]
pub struct Out {
    /// One JSON object a line.
    pub json: bool,
    /// Colour on standard output.
    pub color: bool,
    /// Colour on standard error.
    pub color_err: bool,
}

/// What a text means, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Under way.
    Busy,
    /// Needs a look.
    Warn,
    /// Wrong.
    Bad,
    /// Beside the point.
    Dim,
    /// To be found quickly.
    Strong,
}

impl Out {
    /// The streams as they are.
    #[must_use]
    pub fn new(json: bool, color: Color) -> Self {
        Self {
            json,
            color: color.wanted(io::stdout().is_terminal()),
            color_err: color.wanted(io::stderr().is_terminal()),
        }
    }

    /// `text` in its colour, for standard output.
    #[must_use]
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        paint(self.color, tone, text)
    }

    /// Bytes to standard output.
    ///
    /// # Errors
    /// If the reader has gone.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), Closed> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(|_| Closed)
    }

    /// A line to standard output.
    ///
    /// # Errors
    /// If the reader has gone.
    pub fn line(&self, line: &str) -> Result<(), Closed> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    /// A table to standard output.
    ///
    /// # Errors
    /// If the reader has gone.
    pub fn table(&self, table: &Table) -> Result<(), Closed> {
        let lines = table.lines(self);
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// A JSON object with its schema, on one line, to standard output.
    ///
    /// # Errors
    /// If the reader has gone.
    pub fn object(&self, fields: &serde_json::Value) -> Result<(), Closed> {
        let mut object = serde_json::Map::new();
        object.insert("schema".into(), json!(1));
        if let serde_json::Value::Object(fields) = fields {
            object.extend(fields.clone());
        }
        self.line(&serde_json::Value::Object(object).to_string())
    }

    /// Words to standard error. If nobody reads them, nobody misses them.
    pub fn say(&self, words: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", redact::scrub(words));
    }

    /// Words of a certain tone to standard error, after a label.
    pub fn tell(&self, tone: Tone, label: &str, words: &str) {
        self.say(&format!("{} {words}", paint(self.color_err, tone, label)));
    }

    /// A failure: an object on standard output with `--json`, words on standard error without.
    ///
    /// # Errors
    /// If the reader has gone.
    pub fn problem(&self, problem: &Problem) -> Result<(), Closed> {
        if self.json {
            return self.object(&json!({ "error": told(problem) }));
        }
        let message = redact::scrub(&problem.message);
        let hint = redact::scrub(&problem.hint);
        self.tell(Tone::Bad, "error:", &message);
        if !hint.is_empty() {
            self.tell(Tone::Dim, " hint:", &hint);
        }
        Ok(())
    }
}

/// A failure as scripts read it.
#[must_use]
pub fn told(problem: &Problem) -> Value {
    json!({
        "kind": problem.kind.as_str(),
        "message": redact::scrub(&problem.message),
        "hint": redact::scrub(&problem.hint),
    })
}

fn paint(color: bool, tone: Tone, text: &str) -> String {
    if !color {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Good => "32",
        Tone::Busy => "36",
        Tone::Warn => "33",
        Tone::Bad => "31",
        Tone::Dim => "2",
        Tone::Strong => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
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

/// Rows whose columns line up. Colour is added after measuring.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<(String, Option<Tone>)>>,
}

impl Table {
    /// Adds a row of cells.
    pub fn row<const N: usize>(&mut self, cells: [(String, Option<Tone>); N]) {
        self.rows.push(
            cells
                .into_iter()
                .map(|(text, tone)| (inert::cut(&text, 120), tone))
                .collect(),
        );
    }

    /// The rows as lines, the last column unpadded.
    #[must_use]
    pub fn lines(&self, out: &Out) -> Vec<String> {
        use unicode_width::UnicodeWidthStr as _;
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|i| {
                self.rows
                    .iter()
                    .filter_map(|row| row.get(i))
                    .map(|(text, _)| text.width())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        self.rows
            .iter()
            .map(|row| {
                let mut line = String::new();
                for (i, (text, tone)) in row.iter().enumerate() {
                    line.push_str(&tone.map_or_else(|| text.clone(), |tone| out.paint(tone, text)));
                    if i + 1 < row.len() {
                        line.extend(std::iter::repeat_n(' ', widths[i] - text.width() + 2));
                    }
                }
                line.trim_end().to_owned()
            })
            .collect()
    }
}

/// A text cell without colour.
#[must_use]
pub fn plain(text: impl Into<String>) -> (String, Option<Tone>) {
    (text.into(), None)
}

/// A text cell in a colour.
#[must_use]
pub fn toned(text: impl Into<String>, tone: Tone) -> (String, Option<Tone>) {
    (text.into(), Some(tone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colour_and_width() {
        let mut table = Table::default();
        table.row([toned("✓", Tone::Good), plain("漢字"), plain("x")]);
        table.row([toned("✗", Tone::Bad), plain("abcdef"), plain("y")]);
        let plain_out = Out {
            json: false,
            color: false,
            color_err: false,
        };
        assert_eq!(table.lines(&plain_out), ["✓  漢字    x", "✗  abcdef  y"]);
        let colored = Out {
            color: true,
            ..plain_out.clone()
        };
        assert_eq!(table.lines(&colored)[0], "\u{1b}[32m✓\u{1b}[0m  漢字    x");
    }

    #[test]
    fn hostile_text_is_inert_in_rows() {
        let mut table = Table::default();
        table.row([plain("a\u{1b}[2Jb\nc")]);
        assert_eq!(
            table.lines(&Out {
                json: false,
                color: false,
                color_err: false
            }),
            ["a\\u{1b}[2Jb\\nc"]
        );
    }
}
