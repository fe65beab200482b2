//! The limit of open files: raised as far as it may be; where it is too low, nothing is begun.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::domain::{Problem, ProblemKind};

/// What the console opens with its simulator, its receiver and a few connections.
const FILES: u64 = 48;

/// Sees to it that enough files can be opened.
pub fn ensure() -> Result<(), Problem> {
    let limit = getrlimit(Resource::Nofile);
    let enough = |files: Option<u64>| files.is_none_or(|files| files >= FILES);
    if enough(limit.current) {
        return Ok(());
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if enough(limit.maximum) && setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::Local,
        format!(
            "tilldeck may open {} files at a time here, and needs {FILES}",
            limit.current.unwrap_or_default()
        ),
        "raise the limit of this shell or service: `ulimit -n 1024`, or `LimitNOFILE=1024` in systemd",
    ))
}
