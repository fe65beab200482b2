//! The layers hold: each folder uses only what it may know. Reads the `use crate::` lines and paths.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer with what it may know besides itself. `net::*` may be narrowed to one module: `config::secret`.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &["domain"]),
    ("private", &["domain"]),
    ("config", &["domain", "clock", "private"]),
    ("ledger", &["domain", "clock", "private"]),
    ("net", &["domain", "clock", "config", "ledger"]),
    (
        "support_log",
        &["domain", "clock", "private", "config", "net"],
    ),
    ("auth", &["domain", "clock", "config", "ledger", "net"]),
    ("http_server", &["domain"]),
    (
        "callbacks",
        &["domain", "clock", "ledger", "net", "http_server"],
    ),
    ("sandbox", &["domain", "clock", "http_server"]),
    (
        "providers",
        &[
            "domain",
            "clock",
            "config",
            "ledger",
            "net",
            "auth",
            "http_server",
            "callbacks",
            "sandbox",
        ],
    ),
    (
        "deck",
        &[
            "domain",
            "clock",
            "config",
            "ledger",
            "net",
            "auth",
            "http_server",
            "callbacks",
            "sandbox",
            "providers",
        ],
    ),
    ("tui", &["domain"]),
    (
        "runtime",
        &["domain", "clock", "config", "ledger", "net", "deck", "tui"],
    ),
    (
        "cli",
        &[
            "domain",
            "clock",
            "private",
            "config",
            "ledger",
            "net",
            "support_log",
            "sandbox",
            "providers",
            "deck",
            "tui",
            "runtime",
        ],
    ),
];

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The first segments after `crate::`, also inside `use crate::{a, b::c}`.
fn used(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("crate::") {
        let before = source[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &source[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.push(std::mem::take(&mut word)),
                    c if depth == 0 => word.push(c),
                    _ => {}
                }
            }
            found.push(word);
        } else {
            found.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    found
        .into_iter()
        .map(|path| {
            path.trim()
                .split("::")
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .filter(|segment| !segment.is_empty())
        .collect()
}

#[test]
fn each_layer_uses_only_what_it_may_know() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let layers: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let layer = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs");
        if matches!(layer, "main" | "lib") {
            continue;
        }
        let Some(known) = layers.get(layer) else {
            wrong.push(format!("{} is in no layer", inside.display()));
            continue;
        };
        for other in used(&fs::read_to_string(&file).unwrap()) {
            seen += 1;
            if other != layer
                && layers.contains_key(other.as_str())
                && !known.contains(&other.as_str())
            {
                wrong.push(format!(
                    "{} uses crate::{other}, which {layer} may not know",
                    inside.display()
                ));
            }
        }
    }
    assert!(seen > 100, "the check reads the code ({seen} uses found)");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_order_of_layers_is_the_order_in_lib_rs() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let order: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(
        order,
        LAYERS.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    for (name, known) in LAYERS {
        let place = order.iter().position(|layer| layer == name).unwrap();
        assert!(
            known
                .iter()
                .all(|other| order.iter().position(|layer| layer == other).unwrap() < place),
            "{name}"
        );
    }
}

#[test]
fn only_the_gate_owns_the_http_client_and_only_the_command_line_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let inside = file.strip_prefix(&root).unwrap().display().to_string();
        if inside != "net/http.rs" {
            assert!(
                !source.contains("reqwest::Client"),
                "{inside} makes an HTTP client"
            );
        }
        if !inside.starts_with("cli/") && inside != "main.rs" {
            for print in ["println!", "eprint!", "print!("] {
                assert!(!source.contains(print), "{inside} prints");
            }
        }
    }
}

/// A source without its tests.
fn production(source: &str) -> &str {
    source.split("#[cfg(test)]\n").next().unwrap_or_default()
}

/// The first segments of paths that leave `levels` modules upwards.
fn above(source: &str, levels: usize) -> Vec<String> {
    let path = "super::".repeat(levels);
    let ups = source.match_indices(&path);
    let ups = ups.filter(|(at, _)| !source[..*at].ends_with("super::"));
    ups.map(|(at, _)| {
        let rest = source[at + path.len()..].trim_start_matches("super::");
        rest.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    })
    .collect()
}

#[test]
fn a_simulator_shares_only_constants_with_the_client_that_it_tests() {
    const FOREIGN: [&str; 6] = ["auth", "net", "config", "ledger", "callbacks", "providers"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/providers");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let (mut wrong, mut simulators) = (Vec::new(), 0);
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let parts: Vec<_> = inside.iter().map(|part| part.to_str().unwrap()).collect();
        let shown = inside.display();
        let tests = ["tests", "tests.rs", "contract"];
        if parts.iter().any(|part| tests.contains(part)) {
            continue;
        }
        let source = fs::read_to_string(&file).unwrap();
        let source = production(&source);
        match parts.as_slice() {
            [_, "facts.rs"] if source.contains("use ") || source.contains("fn ") => {
                wrong.push(format!("{shown} holds more than constants"));
            }
            [_, "sandbox.rs"] | [_, "sandbox", ..] => {
                simulators += 1;
                for other in used(source) {
                    if FOREIGN.contains(&other.as_str()) {
                        wrong.push(format!("{shown} uses crate::{other}"));
                    }
                }
                for other in above(source, parts.len() - 1) {
                    if other != "facts" {
                        wrong.push(format!("{shown} uses {other} of its provider"));
                    }
                }
            }
            [_, "mod.rs"] => {}
            // Only the manifest knows the simulator, so that there is no circle.
            _ if source.contains("sandbox::") && parts.len() > 1 => {
                wrong.push(format!("{shown} uses its simulator"));
            }
            _ => {}
        }
    }
    assert!(
        simulators > 20,
        "the check reads the simulators ({simulators})"
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
