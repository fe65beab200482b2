//! A word of a shell's line: what it means, and how a candidate for it is written so that the shell takes it literally.

use crate::config::Environ;

/// These characters end a word in bash (`COMP_WORDBREAKS`).
pub(super) const BREAKS: [char; 2] = ['=', ':'];

/// A word as it is typed, perhaps with a quote that is still open.
pub(super) struct Word {
    /// What the shell passes on for it.
    pub(super) text: String,
    /// The quote that is still open, and where it stands in `text`.
    open: Option<(char, usize)>,
    /// The end of the last of [`BREAKS`] in `text`.
    broken_at: usize,
    variable: Option<Variable>,
}

/// `$HOME` or the like.
struct Variable {
    written: String,
    begin: usize,
    end: usize,
}

impl Word {
    pub(super) fn typed(mut rest: &str, environ: &Environ) -> Self {
        let (mut text, mut open, mut variable) = (String::new(), None, None);
        let mut broken_at = 0;
        while let Some(char) = rest.chars().next() {
            let quote = open.map(|(quote, _)| quote);
            if char == '$'
                && quote != Some('\'')
                && variable.is_none()
                && let Some((written, value)) = expanded(rest, environ)
            {
                let begin = text.len();
                text.push_str(&value);
                variable = Some(Variable {
                    written: written.to_owned(),
                    begin,
                    end: text.len(),
                });
                rest = &rest[written.len()..];
                continue;
            }
            rest = &rest[char.len_utf8()..];
            match (quote, char) {
                (Some(quote), char) if char == quote => open = None,
                (None, '\'' | '"') => open = Some((char, text.len())),
                (None | Some('"'), '\\') => {
                    let escaped = rest.chars().next();
                    text.extend(escaped);
                    rest = &rest[escaped.map_or(0, char::len_utf8)..];
                }
                (quote, char) => {
                    text.push(char);
                    if quote.is_none() && BREAKS.contains(&char) {
                        broken_at = text.len();
                    }
                }
            }
        }
        Self {
            text,
            open,
            broken_at,
            variable,
        }
    }

    /// What replaces the part of the word that the shell replaces: it leaves an open quote in place, and bash what
    /// stands before that or the last of [`BREAKS`]. `None` if nothing is left.
    pub(super) fn quoted(&self, candidate: &str, bash: bool) -> Option<String> {
        let broken_at = if bash { self.broken_at } else { 0 };
        let begin = self.open.map_or(broken_at, |(_, at)| at);
        let quote = self.open.map(|(quote, _)| quote);
        let left = candidate.get(begin..)?;
        if let Some(variable) = &self.variable
            && variable.begin >= begin
            && candidate.starts_with(&self.text[..variable.end])
        {
            let before = quoted(&candidate[begin..variable.begin], quote);
            let after = escaped(&candidate[variable.end..], quote);
            return Some(format!("{before}{}{after}", variable.written));
        }
        if let Some((quote, at @ 1..)) = self.open
            && !bash
        {
            // zsh replaces such a word from its beginning, and does not close the quote.
            let before = quoted(&candidate[..at], None);
            let mut written = format!("{before}{quote}{}", escaped(left, Some(quote)));
            if !left.ends_with('/') {
                written.push(quote);
            }
            return Some(written);
        }
        Some(quoted(left, quote)).filter(|left| !left.is_empty())
    }
}

/// The variable at the beginning of a text, as it is written, and its value. Commands are not run.
fn expanded<'a>(text: &'a str, environ: &Environ) -> Option<(&'a str, String)> {
    let rest = text.strip_prefix('$')?;
    let (name, braces) = if let Some(rest) = rest.strip_prefix('{') {
        (rest.split_once('}')?.0, 2)
    } else {
        let is_end = |char: char| !char.is_ascii_alphanumeric() && char != '_';
        (&rest[..rest.find(is_end).unwrap_or(rest.len())], 0)
    };
    let value = environ.get(name)?.into_string().ok()?;
    Some((&text[..1 + name.len() + braces], value))
}

/// A text for the beginning of a word.
fn quoted(text: &str, quote: Option<char>) -> String {
    match (quote, text.chars().next()) {
        // The shells expand these only here. A `~/` is offered only for one that is typed.
        (None, Some('=' | '~')) if !text.starts_with("~/") => format!("\\{}", escaped(text, quote)),
        _ => escaped(text, quote),
    }
}

fn escaped(text: &str, quote: Option<char>) -> String {
    let mut out = String::new();
    for char in text.chars() {
        match quote {
            None if char.is_ascii() && !char.is_ascii_alphanumeric() && !PLAIN.contains(char) => {
                out.extend(['\\', char]);
            }
            Some('"') if matches!(char, '$' | '`' | '"' | '\\') => out.extend(['\\', char]),
            // Neither can be escaped within the quotes: bash keeps the backslash before a `!`.
            Some(quote) if char == quote || (char == '!' && quote == '"') => {
                out.extend([quote, '\\', char, quote]);
            }
            _ => out.push(char),
        }
    }
    out
}

/// What means nothing to a shell within a word, besides letters and digits.
const PLAIN: &str = "-_./:=@%+,~";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_word_means_what_the_shell_makes_of_it() {
        let environ = Environ::of([("HOME", "/home/me you")]);
        for (typed, text) in [
            ("plain", "plain"),
            ("we\\ ird", "we ird"),
            ("\"we ird", "we ird"),
            ("'we $HOME", "we $HOME"),
            ("'it'\\''s", "it's"),
            ("\"a \\\"b\\\" \\$c", "a \"b\" $c"),
            ("a\\", "a"),
            ("$HOME/o", "/home/me you/o"),
            ("--from=\"${HOME}/o", "--from=/home/me you/o"),
            ("$NOT_SET/o", "$NOT_SET/o"),
            ("$(touch x)", "$(touch x)"),
        ] {
            assert_eq!(Word::typed(typed, &environ).text, text, "{typed}");
        }
    }

    #[test]
    fn a_candidate_is_written_as_the_typed_word_goes_on() {
        let environ = Environ::of([("HOME", "/home/me")]);
        for (typed, candidate, expected) in [
            ("o", "orders.csv", "orders.csv"),
            ("n", "n$(touch x).csv", "n\\$\\(touch\\ x\\).csv"),
            (
                "",
                "a`b`;c&d|e<f>\"'!*",
                "a\\`b\\`\\;c\\&d\\|e\\<f\\>\\\"\\'\\!\\*",
            ),
            ("", "~x", "\\~x"),
            ("", "=x", "\\=x"),
            ("~/", "~/my file", "~/my\\ file"),
            ("\"n", "n$(x) `y` \"z\"", "n\\$(x) \\`y\\` \\\"z\\\""),
            ("\"n", "n!", "n\"\\!\""),
            ("'n", "n$(x)'s !", "n$(x)'\\''s !"),
            ("$HOME/m", "/home/me/my file", "$HOME/my\\ file"),
            ("\"${HOME}/m", "/home/me/my file", "${HOME}/my file"),
            ("--color=a", "--color=always", "always"),
            ("--from=\"m", "--from=my file", "my file"),
            (
                "--from=$HOME/m",
                "--from=/home/me/my file",
                "$HOME/my\\ file",
            ),
            ("a\\=b\\ ", "a=b c", "a=b\\ c"),
            ("shop", "shop=", "shop="),
            ("é", "é ü", "é\\ ü"),
        ] {
            let word = Word::typed(typed, &environ);
            let written = word.quoted(candidate, true);
            assert_eq!(written.as_deref(), Some(expected), "{typed}");
        }
        let word = Word::typed("shop=", &environ);
        assert_eq!(word.quoted("shop=", true), None, "bash adds a space to it");
        assert_eq!(word.quoted("shop=", false).as_deref(), Some("shop="));
        let word = Word::typed("--from=\"m", &environ);
        for (candidate, written) in [
            ("--from=my file", "--from=\"my file\""),
            ("--from=my folder/", "--from=\"my folder/"),
        ] {
            assert_eq!(word.quoted(candidate, false).as_deref(), Some(written));
        }
    }
}
