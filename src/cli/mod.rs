//! The command line: arguments, dispatch, exit codes. The only module that prints.

mod account;
mod args;
mod budget;
mod check;
mod complete;
mod config;
mod config_file;
mod console;
mod deliveries;
mod doctor;
mod estimate;
mod exit;
mod export;
pub mod fault;
mod global;
mod interrupt;
mod keys;
mod ledger;
mod limits;
mod link;
mod list;
mod listen;
mod log;
mod man;
mod misuse;
mod open;
mod output;
mod payments;
mod plain;
mod player;
mod prelude;
mod prompt;
mod recording;
mod replay;
mod report;
mod request;
mod sandbox;
mod screen_file;
mod secret;
mod settings;
mod start;
mod stock;
mod stop;
mod token;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches as _;

pub use list::{List, Order, Overview, Source};

use args::{Arguments, Commands};
use console::Console;
use exit::{Exit, local};
use output::{Out, OutputError, Tone};
use plain::Plain;
use start::{Command as _, LogStart, Start};

use crate::{clock, support_log};

/// Runs the program with these arguments; the first is the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    stop::end_as_first_process();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let exit = match arguments.len() {
        // Building the table of all commands takes longer than drawing the first frame, so the console skips it.
        0 | 1 => run(Arguments::default(), "console"),
        _ => match args::commands().try_get_matches_from(&arguments) {
            Ok(matches) => match Arguments::from_arg_matches(&matches) {
                Ok(parsed) => run(parsed, matches.subcommand_name().unwrap_or("console")),
                Err(error) => misuse::report(&error.format(&mut args::commands()), &arguments),
            },
            Err(error) if error.use_stderr() => misuse::report(&error, &arguments),
            // Only help needs examples; every other command would wait for their table.
            Err(error) => {
                let with_examples = args::with_examples().try_get_matches_from(&arguments);
                misuse::report(&with_examples.err().unwrap_or(error), &arguments)
            }
        },
    };
    tracing::info!(code = exit as u8, "end");
    support_log::flush();
    ExitCode::from(exit as u8)
}

fn run(arguments: Arguments, name: &str) -> Exit {
    let Arguments {
        global,
        no_restore,
        plain,
        command,
    } = arguments;
    let out = Out::new(global.json, global.color);
    let start = Start {
        log: LogStart::new(name, &global),
        global,
        restores: !no_restore,
        commands: args::commands,
        out: &out,
    };
    let done = match command {
        _ if !clock::is_set() => {
            let why = "this machine's clock shows a time before 1970";
            Err(local(why, "set the clock, then start tilldeck again").into())
        }
        Some(_) if plain.is_some() => Err(plain::goes_alone(name).into()),
        Some(command) if no_restore && !opens_console(&command) => {
            Err(console::goes_alone(name).into())
        }
        Some(command) => command.execute(start),
        None => {
            let console = Console {
                restores: start.restores,
                target: None,
            };
            match plain.or_else(|| plain::chosen_by_terminal(&out)) {
                Some(lines) => Plain(lines).execute(start),
                None => console.execute(start),
            }
        }
    };
    ended(out.settle(done), &out)
}

fn opens_console(command: &Commands) -> bool {
    match command {
        Commands::Open(_) => true,
        Commands::Log(log) => log.opens_console(),
        _ => false,
    }
}

/// The exit of a command even if stdout failed. A reader that closed stdout early is no error.
fn ended(done: Result<Exit, OutputError>, out: &Out) -> Exit {
    match done {
        Ok(exit) => exit,
        Err(OutputError::ReaderGone) => Exit::Done,
        Err(OutputError::Stopped) => {
            out.message(Tone::Bad, "error:", "interrupted");
            Exit::Interrupted
        }
        Err(OutputError::Failed(error)) => {
            let words = format!("cannot write to stdout: {error}");
            out.message(Tone::Bad, "error:", &words);
            Exit::Usage
        }
    }
}
