//! The binary: hooks for what must not happen, then `cli::main`.

use std::process::ExitCode;

use tilldeck::{cli, net::redact, runtime::terminal};

fn main() -> color_eyre::Result<ExitCode> {
    hooks()?;
    cli::main(std::env::args_os())
}

/// A panic gives the terminal back first, and its report passes the redactor like all that leaves.
fn hooks() -> color_eyre::Result<()> {
    let plain = color_eyre::config::Theme::new();
    let (panic, error) = color_eyre::config::HookBuilder::blank()
        .theme(plain)
        .into_hooks();
    error.install()?;
    std::panic::set_hook(Box::new(move |info| {
        terminal::give_back();
        let report = panic.panic_report(info).to_string();
        eprintln!("{}", redact::scrub(&report));
        eprintln!("This is a fault in tilldeck; the terminal was given back and nothing was lost.");
    }));
    Ok(())
}
