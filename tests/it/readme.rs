//! What the README says of the program is what the program says of itself.

use std::fmt::Write as _;
use std::path::Path;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn its_keys_are_those_of_the_key_table() {
    let mut table = String::from("| where | keys | what | name |\n|---|---|---|---|\n");
    for row in tilldeck::tui::key_rows() {
        let keys = row.keys.replace('|', "\\|");
        writeln!(
            table,
            "| {} | {keys} | {} | `{}` |",
            row.place, row.help, row.action
        )
        .unwrap();
    }
    let readme = readme();
    let (_, rest) = readme.split_once("<!-- keys -->\n").unwrap();
    let (shown, _) = rest.split_once("<!-- end of keys -->").unwrap();
    assert!(
        shown.trim() == table.trim(),
        "the README's keys should be:\n{table}"
    );
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
            .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()))
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
    assert_eq!(rows.len(), 9);
    for (code, meaning) in rows {
        assert!(
            help.contains(&format!("{code:>3}  {meaning}")),
            "{code} {meaning}: {help}"
        );
    }
}
