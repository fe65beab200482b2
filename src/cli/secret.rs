//! Secrets that the command line names by their source.

use std::path::PathBuf;

use super::prelude::*;
use crate::config::{Resolved, SecretSource};
use crate::net::redact;

pub const SOURCES: &str = "SOURCE is env:NAME, file:PATH, command:PROGRAM ARGUMENTS… or keyring:NAME, never the secret itself";

/// Reads a secret. Runs on a blocking thread: a keyring may ask the operator first. An error begins
/// with `what`, and ends with why.
pub async fn read_from(source: SecretSource, what: &str, hint: &str) -> Result<Resolved, Problem> {
    let read = tokio::task::spawn_blocking(move || source.resolve(&Environ::process())).await;
    let why = match read {
        Ok(Ok(resolved)) => return Ok(resolved),
        Ok(Err(error)) => error.words(redact::body),
        Err(error) => error.to_string(),
    };
    let message = format!("{what}: {why}");
    Err(Problem::new(ProblemKind::Config, message, hint))
}

/// Parses the source of the secret `what`.
pub fn source_of(what: &str, text: &str) -> Result<SecretSource, Problem> {
    let (way, name) = text.split_once(':').unwrap_or((text, ""));
    let invalid = || usage(format!("{what}: not a valid source"), SOURCES);
    if name.trim().is_empty() {
        return Err(invalid());
    }
    Ok(match way {
        "env" => SecretSource::Env { name: name.into() },
        "keyring" => SecretSource::Keyring { name: name.into() },
        "command" => SecretSource::Command {
            // The command runs without a shell, so quotes have no meaning here.
            words: name.split_whitespace().map(str::to_owned).collect(),
        },
        "file" => {
            // Relative to the current folder; in the config file it is relative to that file.
            let path = PathBuf::from(name);
            let path = if path.starts_with("~") {
                path
            } else {
                std::path::absolute(&path).unwrap_or(path)
            };
            let written = path.to_str().unwrap_or(name).to_owned();
            SecretSource::File {
                written,
                base: PathBuf::new(),
            }
        }
        _ => return Err(invalid()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_names_a_place_and_never_the_secret() {
        let shown = |text: &str| source_of("--secret", text).map(|source| source.describe());
        assert_eq!(shown("env:A_B").unwrap(), "env A_B");
        assert_eq!(shown("command:pass show x").unwrap(), "command pass");
        assert_eq!(shown("file:~/k").unwrap(), "file ~/k");
        assert_eq!(shown("file:/run/k").unwrap(), "file /run/k");
        for planted in ["planted-secret", "planted:secret", "env:", "file: "] {
            let problem = shown(planted).unwrap_err();
            assert!(!problem.describe().contains("planted"), "{problem:?}");
        }
    }
}
