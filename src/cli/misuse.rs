//! Errors of the arguments, in the form of all other errors: what is wrong, and a hint. Also prints help and version.

use std::ffi::OsString;

use clap::ValueEnum as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::commands;
use super::ended;
use super::exit::Exit;
use super::output::{Color, Out};
use crate::domain::{Problem, ProblemKind, inert};

/// Prints help or version, which are no errors, or the error.
pub fn report(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let is_json = arguments.iter().any(|argument| argument == "--json");
    let out = Out::new(is_json, color(arguments));
    let rendered = error.render();
    if !error.use_stderr() {
        let text = if out.color {
            rendered.ansi().to_string()
        } else {
            rendered.to_string()
        };
        return ended(out.bytes(text.as_bytes()).map(|()| Exit::Done), &out);
    }
    // `tilldeck payments` alone: its help lists the commands to choose from.
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_help && !out.is_json() {
        out.say(rendered.to_string().trim_end());
        return Exit::Usage;
    }
    let exit = ended(out.fail(&problem(error, arguments)), &out);
    if let (Some(usage), false) = (usage(error), out.is_json()) {
        out.say(&format!("usage: {usage}"));
    }
    exit
}

/// The value of `--color`, which holds for wrong arguments, too.
fn color(arguments: &[OsString]) -> Color {
    let texts = arguments.iter().filter_map(|text| text.to_str());
    let next = texts.clone().skip(1).chain([""]);
    let values = texts.zip(next).filter_map(|(text, next)| match text {
        "--color" => Some(next),
        text => text.strip_prefix("--color="),
    });
    let known = values.filter_map(|value| Color::from_str(value, false).ok());
    known.last().unwrap_or_default()
}

fn problem(error: &clap::Error, arguments: &[OsString]) -> Problem {
    let hint = hint(error, &command_of(arguments));
    Problem::new(ProblemKind::Usage, message(error), hint)
}

/// What is wrong, on one line. Arguments may be pasted from anywhere, so they are shown inert.
fn message(error: &clap::Error) -> String {
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            return "a command is missing".into();
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = strings(error, ContextKind::InvalidArg).join(", ");
            return format!("missing: {missing}");
        }
        _ => {}
    }
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = first.lines().map(str::trim).collect();
    let line = lines.join(" ");
    inert::line(line.trim_start_matches("error: ")).into_owned()
}

/// What to do. The library's own tips are left out: "use `-- -5`" would make an id of an amount.
fn hint(error: &clap::Error, command: &str) -> String {
    let suggested = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ];
    let near = suggested
        .iter()
        .find_map(|kind| strings(error, *kind).pop());
    if let Some(near) = near {
        return format!("did you mean `{near}`?");
    }
    let missing = strings(error, ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::MissingRequiredArgument
            if missing.iter().any(|arg| arg.starts_with("--currency")) =>
        {
            "add --currency, such as EMT".into()
        }
        ErrorKind::MissingRequiredArgument
            if missing.iter().any(|arg| arg.starts_with("--amount")) =>
        {
            "add --amount, such as 25.00".into()
        }
        ErrorKind::MissingRequiredArgument if missing.iter().any(|arg| arg.starts_with("--")) => {
            format!("add {}", missing.join(" "))
        }
        ErrorKind::MissingRequiredArgument if takes_list(command) => {
            "pass payment ids, or a list of payments with --from FILE.csv".into()
        }
        ErrorKind::MissingRequiredArgument if missing.iter().any(|arg| arg == "<ACCOUNT>") => {
            // `--account` is a global option, so it is accepted everywhere and tried here first.
            format!("name the account as an argument: `{command} ACCOUNT`, not with --account")
        }
        ErrorKind::ArgumentConflict => {
            let both = [missing, strings(error, ContextKind::PriorArg)].concat();
            let has = |name: &str| both.iter().any(|arg| arg.starts_with(name));
            if let [one, same] = both.as_slice()
                && one == same
            {
                format!("pass {} once", one.split(' ').next().unwrap_or(one))
            } else if has("--csv") && has("--json") {
                "choose one: --csv prints CSV, --json one JSON object per line".into()
            } else {
                format!("pass only one of them; `{command} --help` explains both")
            }
        }
        _ => format!("`{command} --help` shows the valid arguments"),
    }
}

fn takes_list(command: &str) -> bool {
    ["tilldeck check", "tilldeck payments add"].contains(&command)
}

/// `tilldeck token print <ACCOUNT>`.
fn usage(error: &clap::Error) -> Option<String> {
    let ContextValue::StyledStr(usage) = error.get(ContextKind::Usage)? else {
        return None;
    };
    let text = usage.to_string();
    let line = text.trim_start_matches("Usage:").lines().next()?.trim();
    Some(inert::line(line).into_owned())
}

/// `tilldeck token print`: the command of these arguments. The error itself does not name it.
fn command_of(arguments: &[OsString]) -> String {
    let mut command = commands();
    let mut path = "tilldeck".to_owned();
    for argument in arguments.iter().skip(1) {
        // A word that is no command is an option, or its value.
        if let Some(found) = command.find_subcommand(argument).cloned() {
            path = format!("{path} {}", found.get_name());
            command = found;
        }
    }
    path
}

fn strings(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(all)) => all.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Arguments;
    use clap::Parser as _;

    #[test]
    fn a_wrong_command_line_is_explained_in_plain_words() {
        for (given, message, hint) in [
            (
                "check",
                "missing: <ID>...",
                "pass payment ids, or a list of payments with --from FILE.csv",
            ),
            (
                "check A --expect PAID --amount 5",
                "missing: --currency <CURRENCY>",
                "add --currency, such as EMT",
            ),
            (
                "check A --timeout 5s",
                "missing: --wait <STATE|PAID>",
                "add --wait <STATE|PAID>",
            ),
            (
                "--state-dir a --state-dir b check A",
                "the argument '--state-dir <FOLDER>' cannot be used multiple times",
                "pass --state-dir once",
            ),
            (
                "check A --frm x",
                "unexpected argument '--frm' found",
                "did you mean `--from`?",
            ),
            (
                "check A --amount -5 --currency EMT",
                "invalid value '-5' for '--amount <AMOUNT>': the amount `-5` is negative; the amount must be positive",
                "`tilldeck check --help` shows the valid arguments",
            ),
            (
                "payments list --csv --json",
                "the argument '--csv' cannot be used with '--json'",
                "choose one: --csv prints CSV, --json one JSON object per line",
            ),
            (
                "log --export har --follow",
                "the argument '--export <FORMAT>' cannot be used with '--follow'",
                "pass only one of them; `tilldeck log --help` explains both",
            ),
            (
                "token print --account keys",
                "missing: <ACCOUNT>",
                "name the account as an argument: `tilldeck token print ACCOUNT`, not with --account",
            ),
            (
                "paymnts list",
                "unrecognized subcommand 'paymnts'",
                "did you mean `payments`?",
            ),
            (
                "token",
                "a command is missing",
                "`tilldeck token --help` shows the valid arguments",
            ),
            (
                "check A --qqq",
                "unexpected argument '--qqq' found",
                "`tilldeck check --help` shows the valid arguments",
            ),
        ] {
            let arguments = format!("tilldeck {given}");
            let arguments: Vec<OsString> = arguments.split(' ').map(Into::into).collect();
            let error = Arguments::try_parse_from(&arguments).unwrap_err();
            let found = problem(&error, &arguments);
            assert_eq!(found.message, message, "{given}");
            assert_eq!(found.hint, hint, "{given}");
        }
    }

    #[test]
    fn colors_of_help_and_errors_are_those_that_the_arguments_ask_for() {
        for (given, expected) in [
            ("--help", Color::Auto),
            ("--color always --help", Color::Always),
            ("check --frm --color=never", Color::Never),
            ("--color sometimes", Color::Auto),
            ("--help --color", Color::Auto),
        ] {
            let arguments: Vec<OsString> = given.split(' ').map(Into::into).collect();
            assert_eq!(color(&arguments), expected, "{given}");
        }
    }

    #[test]
    fn a_hostile_argument_is_inert_in_the_error() {
        let error = Arguments::try_parse_from(["tilldeck", "--\u{1b}[2J"]).unwrap_err();
        let found = problem(&error, &[]);
        assert!(!found.message.contains('\u{1b}'), "{found:?}");
    }
}
