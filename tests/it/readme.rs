//! What the README says of the program is what the program says of itself.

use std::path::Path;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn its_commands_exist() {
    let commands: Vec<String> = readme()
        .lines()
        .filter_map(|line| line.strip_prefix("tilldeck "))
        .map(|line| line.split(" #").next().unwrap().trim().to_owned())
        .collect();
    assert!(commands.len() >= 10, "{commands:?}");
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
            assert!(ran.out.contains(flag), "{command}: there is no {flag}");
        }
    }
}

#[test]
fn its_exit_codes_are_those_of_the_help() {
    let place = crate::program::Place::new();
    let help = place.run(&["--help"]).out;
    let rows: Vec<(String, String)> = readme()
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let model = std::fs::read_to_string(root.join("docs/SECURITY.md")).unwrap();
    let mut sources = String::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
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
