//! What README and documents say of the program and its code is true.

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The shell's lines in the README and in the pages of `docs` that no program writes.
fn shell_lines() -> Vec<String> {
    let mut pages = vec![read("README.md")];
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let generated = path.ends_with("commands.md") || path.ends_with("keys.md");
        if path.extension().is_some_and(|extension| extension == "md") && !generated {
            pages.push(std::fs::read_to_string(path).unwrap());
        }
    }
    let mut lines = Vec::new();
    for page in pages {
        let mut shell = false;
        for line in page.lines() {
            match line.strip_prefix("```") {
                Some(language) => shell = language == "sh",
                None if shell => lines.push(line.to_owned()),
                None => {}
            }
        }
    }
    lines
}

/// All Rust code of program and tests.
fn sources() -> String {
    let mut sources = String::new();
    let mut folders: Vec<PathBuf> = vec![root().join("src"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

#[test]
fn the_commands_of_the_pages_exist() {
    let commands: Vec<String> = shell_lines()
        .iter()
        .filter_map(|line| line.strip_prefix("tilldeck "))
        .map(|line| line.split(" #").next().unwrap().trim().to_owned())
        .collect();
    assert!(commands.len() >= 40, "{commands:?}");
    let place = crate::program::Place::new();
    for command in commands {
        let words: Vec<&str> = command
            .split_whitespace()
            .take_while(|word| !word.starts_with('-'))
            .collect();
        let named: Vec<&str> = words
            .iter()
            .copied()
            .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
            .collect();
        let ran = place.run(&[&named[..], &["--help"]].concat());
        assert_eq!(ran.code, 0, "{command}: {ran:?}");
        for flag in command
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
        {
            let name = flag.split('=').next().unwrap();
            assert!(ran.out.contains(name), "{command}: there is no {flag}");
        }
    }
}

#[test]
fn its_exit_codes_are_those_of_the_help() {
    let place = crate::program::Place::new();
    let help = place.run(&["--help"]).out;
    let rows: Vec<(String, String)> = read("README.md")
        .lines()
        .filter_map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let code = cells.next()?.parse::<u8>().ok()?;
            Some((code.to_string(), cells.next()?.replace('`', "")))
        })
        .collect();
    assert_eq!(rows.len(), 10);
    for (code, meaning) in rows {
        assert!(
            help.contains(&format!("{code:>3}  {meaning}")),
            "{code} {meaning}: {help}"
        );
    }
}

#[test]
fn the_tests_that_the_threat_model_names_exist() {
    let model = read("docs/SECURITY.md");
    let sources = sources();
    let shown_by = model.lines().filter(|line| line.starts_with('|'));
    let cells: Vec<&str> = shown_by
        .filter_map(|line| line.trim_end_matches('|').rsplit('|').next())
        .collect();
    assert!(
        cells.iter().all(|cell| !cell.contains('*')),
        "a description stands where a test's name belongs"
    );
    let names: Vec<&str> = cells
        .iter()
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|name| !name.starts_with('.'))
        .collect();
    assert!(names.len() >= 20, "{names:?}");
    assert!(
        !model.contains("; *"),
        "a description stands where a test's name belongs"
    );
    for name in names {
        assert!(
            sources.contains(&format!("fn {name}(")),
            "there is no test {name}"
        );
    }
}

#[test]
fn the_code_that_the_architecture_shows_is_the_projects_own() {
    let text = read("docs/ARCHITECTURE.md");
    let sources = sources();
    let blocks: Vec<&str> = text.split("```rust\n").skip(1).collect();
    assert!(blocks.len() >= 2, "{}", blocks.len());
    for block in blocks {
        let (code, _) = block.split_once("```").unwrap();
        for part in code.trim_end().split("\n\n") {
            assert!(sources.contains(part), "not in the source:\n{part}");
        }
    }
}

#[test]
fn the_files_and_types_that_the_architecture_names_exist() {
    // Its code blocks are checked word for word.
    let text = read("docs/ARCHITECTURE.md");
    let text = text.split("```").step_by(2).collect::<String>();
    let in_a_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let paths: Vec<&str> = text
        .split(|c: char| !in_a_path(c))
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| {
            let folders = ["src/", "tests/", "docs/", ".ci/"];
            folders.iter().any(|folder| word.starts_with(folder))
        })
        .collect();
    assert!(paths.len() >= 60, "{paths:?}");
    for path in paths {
        assert!(root().join(path).exists(), "there is no {path}");
    }
    let sources = sources();
    let is_declared = |name: &str| {
        let kinds = ["struct", "enum", "trait", "type", "const", "static"];
        kinds.iter().any(|kind| {
            let declared = format!("{kind} {name}");
            let mut found = sources.match_indices(&declared);
            found.any(|(at, _)| {
                let next = sources[at + declared.len()..].chars().next();
                next.is_some_and(|c| !c.is_alphanumeric() && c != '_')
            })
        })
    };
    let types: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|words| {
            words
                .split("::")
                .find(|part| part.starts_with(char::is_uppercase))
        })
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    assert!(types.len() >= 40, "{types:?}");
    for name in types {
        assert!(is_declared(name), "there is no type {name}");
    }
}

#[test]
fn the_pictures_of_the_readme_exist_and_a_command_draws_each() {
    let text = read("README.md");
    let pictures: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("![")?.split_once("](assets/"))
        .map(|(_, rest)| rest.trim_end_matches(')'))
        .collect();
    assert_eq!(pictures.len(), 4, "{pictures:?}");
    let command = read(".ci/pictures");
    for picture in pictures {
        assert!(root().join("assets").join(picture).exists(), "{picture}");
        let name = picture.trim_end_matches(".svg");
        assert!(command.contains(&format!("\"{name}\": [")), "{picture}");
    }
}
