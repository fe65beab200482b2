//! The binary: hooks for what must not happen, then `cli::main`.

use std::process::ExitCode;

use tilldeck::cli::{self, fault};

fn main() -> color_eyre::Result<ExitCode> {
    fault::install_hooks()?;
    let exit = cli::main(std::env::args_os());
    fault::tell_kept();
    exit
}
