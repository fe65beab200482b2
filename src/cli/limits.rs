//! Raises the limit of open files as far as allowed; refuses to start where it is too low.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::exit::local;
use crate::domain::Problem;

/// Enough for the console with simulator, receiver and a few connections.
const FILES: u64 = 48;

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
    Err(local(
        format!(
            "the limit of open files is {}; tilldeck needs {FILES}",
            limit.current.unwrap_or_default()
        ),
        "raise the limit of this shell or service: `ulimit -n 1024`, or `LimitNOFILE=1024` in systemd",
    ))
}
