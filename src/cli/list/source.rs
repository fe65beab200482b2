//! Where a list of payments comes from.

use std::path::{Path, PathBuf};

use crate::cli::exit::usage;
use crate::domain::{PaymentId, Problem};

/// Where a list of payments comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Ids on stdin, by lines.
    Ids,
    /// CSV on stdin.
    Stdin,
    /// A CSV file.
    File(PathBuf),
}

impl Source {
    /// The list that `--from` or the id `-` names; `None` where the ids are those to use.
    ///
    /// # Errors
    /// If `-` stands beside ids.
    pub fn named(from: Option<&Path>, ids: &[PaymentId]) -> Result<Option<Self>, Problem> {
        match from {
            Some(path) if path == "-" => return Ok(Some(Self::Stdin)),
            Some(path) => return Ok(Some(Self::File(path.to_owned()))),
            None => {}
        }
        let reads = ids.iter().any(|id| id.as_str() == "-");
        if reads && ids.len() > 1 {
            return Err(usage(
                "`-` cannot be combined with payment ids",
                "pass either ids or `-` (ids on stdin)",
            ));
        }
        Ok(reads.then_some(Self::Ids))
    }
}
