//! Checks the programs of `[hooks]`.

use std::collections::BTreeMap;
use std::path::Path;

use super::table::{Table, texts};
use crate::config::paths::program;
use crate::config::{ConfigError, Environ, Hooks};
use crate::domain::{HookEvent, inert};

pub(super) const HOOKS: [&str; HookEvent::ALL.len()] = HookEvent::SETTINGS;

/// Reads the section; adds a warning for each program that is not there, since it may be installed later.
pub(super) fn hooks(
    table: &Table<'_, '_>,
    warnings: &mut Vec<String>,
) -> Result<Hooks, ConfigError> {
    let mut hooks = BTreeMap::new();
    for event in HookEvent::ALL {
        let key = event.setting();
        let Some(entry) = table.get(key) else {
            continue;
        };
        let wanted = format!(
            "a list of a program and its arguments, like {key} = [\"program\", \"argument\"]; there is no shell"
        );
        let words = texts(entry.1.get_ref()).ok_or_else(|| table.wrong_type(entry, &wanted))?;
        let Some(name) = words.first().filter(|name| !name.trim().is_empty()) else {
            let message = format!("`{key}` in [hooks] names no program");
            let hint = format!("it must be {wanted}; delete the line to run nothing");
            return Err(table.error(entry.1.span(), message, hint));
        };
        if words.iter().any(|word| word.contains('\0')) {
            let message = format!("`{key}` in [hooks] has a NUL character");
            return Err(table.error(entry.1.span(), message, "delete it"));
        }
        if !is_there(name, &Environ::process()) {
            let name = inert::quoted(name, 120);
            warnings.push(format!(
                "`{key}` in [hooks]: there is no program {name}; install it, or write its full path"
            ));
        }
        hooks.insert(event, words);
    }
    Ok(hooks)
}

/// Whether the system would find this program.
fn is_there(name: &str, environ: &Environ) -> bool {
    let Some(program) = program(name, environ) else {
        return false;
    };
    if program.components().count() > 1 {
        return is_executable(&program);
    }
    let folders = environ.get("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| is_executable(&folder.join(&program)))
}

fn is_executable(path: &Path) -> bool {
    use rustix::fs::{Access, access};
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_on_the_path_by_its_path_and_in_the_home_folder() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        std::fs::write(folder.path().join("notes"), "no program").unwrap();
        std::os::unix::fs::symlink("/bin/sh", folder.path().join("notify")).unwrap();
        let environ = Environ::of([("PATH", home), ("HOME", home)]);
        for (name, found) in [
            ("notify", true),
            ("~/notify", true),
            ("/bin/sh", true),
            ("notes", false),
            ("~/notes", false),
            ("sh", false),
            ("/no/such/program", false),
            (home, false),
        ] {
            assert_eq!(is_there(name, &environ), found, "{name}");
        }
    }
}
