//! The binary: hooks for what must not happen, then `cli::main`.

use std::process::ExitCode;

use tilldeck::cli::{self, fault};

fn main() -> color_eyre::Result<ExitCode> {
    keep_memory_private();
    fault::install_hooks()?;
    let exit = cli::main(std::env::args_os());
    fault::report_saved();
    Ok(exit)
}

/// Secrets are in memory: no core file is written, and no other process of the user may look into this one.
fn keep_memory_private() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
