//! `man`: man pages, one per command.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;

use super::args::examples;
use super::exit::EXITS;
use super::prelude::*;
use super::values::path;

/// The date of the release, shown on each page.
const DATE: &str = "2026-11-28";

/// Longer lines are split: formatters accept 80 columns and may count a character wider.
const WIDE: usize = 64;

/// The sections of the program's own page: below its title in brackets, each file or variable and what it is for.
const SECTIONS: &str = include_str!("man.txt");

pub struct Page {
    /// Such as `tilldeck-check.1`.
    pub file: String,
    pub text: Vec<u8>,
}

/// Print the man page, or write one page per command.
#[derive(Debug, Args)]
pub struct Man {
    /// Write all pages into this folder: `tilldeck.1`, `tilldeck-check.1`, …
    #[arg(long, value_parser = path(), value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl super::start::Command for Man {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let Some(folder) = self.dir else {
            let page = page(&built(start.commands), "").map_err(OutputError::Failed)?;
            start.out.bytes(&page.text)?;
            return Ok(Exit::Done);
        };
        let count = write(&built(start.commands), &folder).map_err(|error| {
            local(
                format!(
                    "cannot write the man pages to {}: {error}",
                    folder.display()
                ),
                "choose a folder you can write to with --dir",
            )
        })?;
        let words = format!("{count} pages written to {}", folder.display());
        start.out.say(&words);
        Ok(Exit::Done)
    }
}

fn write(command: &Command, folder: &Path) -> io::Result<usize> {
    let mut pages = Vec::new();
    collect(command, "", &mut pages)?;
    std::fs::create_dir_all(folder)?;
    for page in &pages {
        std::fs::write(folder.join(&page.file), &page.text)?;
    }
    Ok(pages.len())
}

fn built(commands: fn() -> Command) -> Command {
    // `tilldeck help` only repeats the other pages.
    let mut command = commands().disable_help_subcommand(true);
    command.build();
    command
}

fn collect(command: &Command, path: &str, all: &mut Vec<Page>) -> io::Result<()> {
    all.push(page(command, path)?);
    for command in command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        let path = format!("{path} {}", command.get_name());
        collect(command, path.trim_start(), all)?;
    }
    Ok(())
}

fn page(command: &Command, path: &str) -> io::Result<Page> {
    let name = format!("tilldeck {path}").trim_end().replace(' ', "-");
    let man = clap_mangen::Man::new(command.clone())
        .title(name.to_uppercase())
        .date(DATE)
        .source(concat!("tilldeck ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut more = String::new();
    let notes = command.get_after_help().filter(|_| !path.is_empty());
    if let Some(notes) = notes {
        section(&mut more, "NOTES");
        let notes = notes.to_string();
        let notes = notes.split("\n\n");
        let notes = notes.map(|paragraph| escaped(&paragraph.replace('\n', " ")));
        let _ = writeln!(more, "{}", notes.collect::<Vec<_>>().join("\n.PP\n"));
    }
    let examples = examples::of(path);
    if !examples.is_empty() {
        section(&mut more, "EXAMPLES");
        let examples = examples.iter().map(|example| escaped(example));
        let _ = writeln!(more, "{}", examples.collect::<Vec<_>>().join("\n.PP\n"));
    }
    if path.is_empty() {
        for text in SECTIONS.split("\n\n") {
            let (title, entries) = text.split_once('\n').unwrap_or_default();
            let entries = entries.lines().filter_map(|entry| entry.split_once(": "));
            tagged(&mut more, title.trim_matches(['[', ']']), entries);
        }
    }
    tagged(&mut more, "EXIT STATUS", EXITS);
    if !path.is_empty() {
        section(&mut more, "SEE ALSO");
        more.push_str(".BR tilldeck (1)\n");
    }
    let text = String::from_utf8_lossy(&text).into_owned() + &more;
    Ok(Page {
        file: format!("{name}.1"),
        text: tidied(&text).into_bytes(),
    })
}

/// Cleans up the generator's output: a line break beside a blank line, and lines longer than formatters accept.
fn tidied(page: &str) -> String {
    let lines: Vec<&str> = page.lines().collect();
    let beside_blank = |at: usize| {
        let is_blank = |at: usize| {
            lines
                .get(at)
                .is_some_and(|line| line.is_empty() || line.starts_with(".sp"))
        };
        is_blank(at + 1) || at > 0 && is_blank(at - 1)
    };
    let mut tidy = String::new();
    for (at, line) in lines.iter().enumerate() {
        if *line == ".br" && beside_blank(at) {
            continue;
        }
        let mut rest = if line.is_empty() {
            ".sp"
        } else {
            line.trim_end()
        };
        while rest.len() > WIDE && !rest.starts_with(['.', '\'']) {
            let before = &rest.as_bytes()[..WIDE];
            let Some(space) = before.iter().rposition(|byte| *byte == b' ') else {
                break;
            };
            // A line must begin with text, not with a request's `.` or `'`.
            if rest[space + 1..].starts_with(['.', '\'', ' ']) {
                break;
            }
            tidy.push_str(&rest[..space]);
            tidy.push('\n');
            rest = &rest[space + 1..];
        }
        tidy.push_str(rest);
        tidy.push('\n');
    }
    tidy
}

fn section(page: &mut String, title: &str) {
    let quotes = if title.contains(' ') { "\"" } else { "" };
    let _ = writeln!(page, ".SH {quotes}{title}{quotes}");
}

fn tagged<'a>(
    page: &mut String,
    title: &str,
    entries: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    section(page, title);
    for (tag, words) in entries {
        let _ = writeln!(page, ".TP\n\\fB{}\\fR\n{}", escaped(tag), escaped(words));
    }
}

/// Escapes text so that no formatter reads it as a request.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) {
        format!("\\&{text}")
    } else {
        text
    }
}
