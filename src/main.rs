//! The binary: hooks for what must not happen, then `cli::main`.

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use tilldeck::{cli, net::redact, runtime::terminal};

fn main() -> color_eyre::Result<ExitCode> {
    hooks()?;
    let exit = cli::main(std::env::args_os());
    for report in REPORTS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .drain(..)
    {
        tell(&report);
    }
    exit
}

/// What went wrong behind the console while it had the screen.
static REPORTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A panic of the console itself gives the terminal back first. One in a task behind it leaves the console
/// standing: its report is kept until the console is left. Reports pass the redactor like all that leaves.
fn hooks() -> color_eyre::Result<()> {
    let plain = color_eyre::config::Theme::new();
    let (panic, error) = color_eyre::config::HookBuilder::blank()
        .theme(plain)
        .into_hooks();
    error.install()?;
    std::panic::set_hook(Box::new(move |info| {
        let report = redact::scrub(&panic.panic_report(info).to_string()).into_owned();
        let behind_the_screen =
            terminal::is_taken() && std::thread::current().name() != Some("main");
        if behind_the_screen {
            REPORTS
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(report);
        } else {
            terminal::give_back();
            tell(&report);
        }
    }));
    Ok(())
}

fn tell(report: &str) {
    eprintln!("{report}\nThis is a fault in tilldeck. What the ledger holds is safe.");
}
