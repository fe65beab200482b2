//! The layers hold: each folder uses only what it may know. Reads the `use crate::` lines and paths.

use std::collections::{BTreeMap, BTreeSet};
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
            "private",
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

/// The paths of a `use` tree: `a::{b, c::{d}}` is `a::b` and `a::c::d`.
fn unfolded(tree: &str) -> Vec<String> {
    let Some((head, list)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.trim().trim_end_matches("::self").to_owned()];
    };
    let list = &list[..list.rfind('}').unwrap_or(list.len())];
    let mut depth = 0;
    let parts = list.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let paths = parts
        .filter(|part| !part.trim().is_empty())
        .flat_map(unfolded);
    paths
        .map(|path| format!("{}{path}", head.trim()).replace("::self", ""))
        .collect()
}

/// The paths that a source imports, and those that it names without importing them.
fn paths_in(source: &str) -> [Vec<String>; 2] {
    let tests = "#[cfg(test)]\nmod tests {";
    let code = source.split(tests).next().unwrap_or_default();
    let code: Vec<&str> = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let uses = code.split(';').filter_map(|statement| {
        let (before, tree) = statement.rsplit_once("use ")?;
        let is_use = before.is_empty() || before.ends_with(['\n', ' ']);
        is_use.then_some(tree)
    });
    let is_of_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    let named = ["crate::", "super::"].into_iter().flat_map(|root| {
        let all = code.match_indices(root).map(|(at, _)| at);
        let all = all.filter(|at| !code[..*at].ends_with(|c| is_of_path(c) || c == '$'));
        all.map(|at| code[at..].chars().take_while(|c| is_of_path(*c)).collect())
    });
    // One that goes on with a list is an import.
    let named = named.filter(|path: &String| !path.ends_with(':'));
    [uses.flat_map(unfolded).collect(), named.collect()]
}

/// A path of `module` from the crate's root.
fn from_root(module: &str, path: &str) -> String {
    if let Some(path) = path.strip_prefix("crate::") {
        return path.to_owned();
    }
    let (mut base, mut rest) = (module, path);
    while let Some(above) = rest.strip_prefix("super::") {
        base = base.rsplit_once("::").map_or("", |(above, _)| above);
        rest = above;
    }
    format!("{base}::{rest}").trim_start_matches(':').to_owned()
}

/// The file that defines what a path names: also where another file imports it under the same name.
fn defined_in<'a>(path: &str, imports: &'a BTreeMap<String, BTreeMap<String, String>>) -> &'a str {
    let mut path = path.to_owned();
    for _ in 0..8 {
        let prefixes = path.match_indices("::").map(|(at, _)| at);
        let mut prefixes: Vec<usize> = prefixes.chain([path.len()]).collect();
        prefixes.reverse();
        let known = |at: &usize| imports.get_key_value(&path[..*at]);
        let Some((module, own)) = prefixes.iter().find_map(known) else {
            break;
        };
        let rest = path[module.len()..].trim_start_matches(':');
        match own.get(rest.split("::").next().unwrap_or_default()) {
            Some(imported) if !imported.starts_with(&path) => path.clone_from(imported),
            _ => return module,
        }
    }
    ""
}

/// A file and the files of its folder are one subject: what they take from each other is no circle.
#[test]
fn no_files_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let mut found: BTreeMap<String, [Vec<String>; 2]> = BTreeMap::new();
    for file in files {
        let inside = file.strip_prefix(&root).unwrap().with_extension("");
        let parts: Vec<_> = inside.iter().map(|part| part.to_str().unwrap()).collect();
        if !parts
            .iter()
            .any(|part| matches!(*part, "tests" | "contract" | "testing" | "lib" | "main"))
        {
            let module = parts.join("::");
            let module = module.trim_end_matches("::mod").to_owned();
            let paths = paths_in(&fs::read_to_string(&file).unwrap());
            found.insert(
                module.clone(),
                paths.map(|paths| paths.iter().map(|path| from_root(&module, path)).collect()),
            );
        }
    }
    let last = |path: &String| (path.rsplit("::").next().unwrap().to_owned(), path.clone());
    let imports = found
        .iter()
        .map(|(module, [uses, _])| (module.clone(), uses.iter().map(last).collect()));
    let imports = imports.collect();
    let mut arrows: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (module, paths) in &found {
        for path in paths.iter().flatten() {
            let other = defined_in(path, &imports);
            let is_below =
                |one: &str, other: &str| format!("{one}::").starts_with(&format!("{other}::"));
            if !other.is_empty() && !is_below(module, other) && !is_below(other, module) {
                arrows.insert((module, other));
            }
        }
    }
    assert!(
        arrows.len() > 1000,
        "the check reads the code ({})",
        arrows.len()
    );
    // Only circles are left when no arrow ends where none begins, or begins where none ends.
    loop {
        let (from, to): (BTreeSet<_>, BTreeSet<_>) = arrows.iter().copied().unzip();
        let before = arrows.len();
        arrows.retain(|(one, other)| to.contains(one) && from.contains(other));
        if arrows.len() == before {
            break;
        }
    }
    assert!(arrows.is_empty(), "a circle is among {arrows:#?}");
}
