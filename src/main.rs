//! The binary: hardens the process, installs the panic hooks, then runs `cli::main`.

use std::process::ExitCode;

use tilldeck::cli::{self, fault};

fn main() -> color_eyre::Result<ExitCode> {
    keep_memory_private();
    fault::install_hooks()?;
    let exit = cli::main(std::env::args_os());
    fault::report_saved();
    Ok(exit)
}

/// Secrets are in memory, so the kernel writes no core file, and no other process of the user may read this one.
fn keep_memory_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // Best effort: a system that refuses still runs the program.
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
