//! Examples of each command, for its help and its man page. A test parses each of them.

use clap::Command;

/// Below each command's path in brackets, without `tilldeck`; `[]` is the program itself.
const EXAMPLES: &str = include_str!("examples.txt");

/// The paths of commands, each with its examples.
fn all() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    EXAMPLES.split("\n\n").map(|section| {
        let mut lines = section.lines();
        let path = lines.next().unwrap_or_default();
        (path.trim_matches(['[', ']']), lines.collect())
    })
}

pub fn of(path: &str) -> Vec<&'static str> {
    let found = all().find(|(of, _)| *of == path);
    found.map(|(_, examples)| examples).unwrap_or_default()
}

pub fn add_to(command: Command) -> Command {
    below(command, "")
}

/// Breaks a long example before its options, each line but the last with a backslash, so that it can be pasted.
fn folded(example: &str) -> String {
    /// The columns of a small terminal, without the indentation and ` \`.
    const COLUMNS: usize = 80 - 6 - 2;
    let mut text = String::new();
    let mut column = 0;
    for (at, part) in example.split(" --").enumerate() {
        let part = if at == 0 {
            part.to_owned()
        } else {
            format!("--{part}")
        };
        if column > 0 && column + 1 + part.len() > COLUMNS {
            text.push_str(" \\\n      ");
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        column += part.len();
        text.push_str(&part);
    }
    text
}

fn below(command: Command, path: &str) -> Command {
    let examples = of(path);
    let command = if examples.is_empty() {
        command
    } else {
        let examples: Vec<String> = examples.iter().map(|example| folded(example)).collect();
        let mut words = format!("Examples:\n  {}", examples.join("\n  "));
        if let Some(more) = command.get_after_help() {
            words = format!("{words}\n\n{more}");
        }
        command.after_help(words)
    };
    command.mut_subcommands(|command| {
        let path = format!("{path} {}", command.get_name());
        below(command, path.trim_start())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Arguments;
    use clap::{CommandFactory as _, Parser as _};

    fn leaves(command: &Command, path: &str, all: &mut Vec<String>) {
        for command in command
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            let path = format!("{path} {}", command.get_name())
                .trim_start()
                .to_owned();
            if command.has_subcommands() {
                leaves(command, &path, all);
            } else {
                all.push(path);
            }
        }
    }

    #[test]
    fn a_long_example_is_folded_so_that_it_can_be_pasted() {
        for (_, examples) in all() {
            for example in examples {
                let folded = folded(example);
                assert!(folded.lines().all(|line| line.len() <= 76), "{folded}");
                assert_eq!(folded.replace(" \\\n      ", " "), example);
            }
        }
    }

    #[test]
    fn every_command_has_an_example_and_every_example_is_accepted() {
        let mut known = Vec::new();
        leaves(&Arguments::command(), "", &mut known);
        for path in &known {
            assert!(!of(path).is_empty(), "{path}");
        }
        for (path, examples) in all() {
            assert!(
                path.is_empty() || known.iter().any(|known| known == path),
                "{path}"
            );
            for example in examples {
                let parsed = Arguments::try_parse_from(example.split(' '));
                assert!(parsed.is_ok(), "{example}: {parsed:?}");
                let words = path.split(' ').all(|word| example.contains(word));
                assert!(words, "{example}");
            }
        }
    }
}
