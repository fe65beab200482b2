//! The words on the screen, in help, errors, pages and documents are plain English.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What operators whose first language is not English do not read at once.
const UNCLEAR: &[&str] = &[
    "told",
    "tell",
    "tells",
    "kept",
    "asked",
    "called off",
    "call off",
    "calls off",
    "handed on",
    "hand on",
    "hands on",
    "hold against",
    "held against",
    "in hand",
    "nobody",
    "whoever",
    "somebody",
    "anybody",
    "so many",
    "so much",
    "come by",
    "comes by",
    "is to be",
    "are to be",
    "what came",
    "what comes",
    "what becomes",
    "what became",
    "given up",
    "gives up",
    "in its stead",
    "left now",
];

#[test]
fn what_users_read_is_plain() {
    let mut unclear = Vec::new();
    for path in files("src", "rs") {
        let named = path.display().to_string();
        if named.contains("/tests") || named.contains("/testing") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let tokens: TokenStream = source.parse().expect(&named);
        let mut found = Vec::new();
        texts(tokens, named.contains("/cli/args"), &mut found);
        unclear.extend(found.iter().filter_map(|text| marked(&named, text)));
    }
    let pages =
        ["md", "html", "toml"].map(|ending| ["docs", "assets"].map(|folder| files(folder, ending)));
    let top = ["README.md", "config.example.toml"].map(PathBuf::from);
    for path in pages.into_iter().flatten().flatten().chain(top) {
        let page = fs::read_to_string(&path).unwrap();
        let named = path.display().to_string();
        // Code of the project is in the sources above.
        let parts = page.split("```rust");
        let words = parts
            .enumerate()
            .map(|(at, part)| match (at, part.split_once("```")) {
                (1.., Some((_, after))) => after,
                _ => part,
            });
        let lines = words.flat_map(str::lines);
        unclear.extend(lines.filter_map(|line| marked(&named, line)));
    }
    assert!(unclear.is_empty(), "{}", unclear.join("\n"));
}

/// The text with its place, if it has a word that is unclear. A name without a blank is read by programs.
fn marked(named: &str, text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    if !lower.trim().contains(' ') {
        return None;
    }
    let words = lower.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '{' && c != '}');
    let spaced = format!(
        " {} ",
        words
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    );
    let word = UNCLEAR
        .iter()
        .find(|word| spaced.contains(&format!(" {word} ")))?;
    Some(format!("{named}: \"{word}\" in: {}", text.trim()))
}

/// The texts in a source: no tests, and comments only where they are help.
fn texts(tokens: TokenStream, help: bool, found: &mut Vec<String>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut is_test = false;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                if tokens
                    .next_if(|next| matches!(next, TokenTree::Punct(_)))
                    .is_some()
                {
                    tokens.next();
                } else if let Some(TokenTree::Group(group)) = tokens.next() {
                    is_test |=
                        group.to_string() == "[cfg (test)]" || group.to_string() == "[cfg(test)]";
                    if help {
                        texts(group.stream(), help, found);
                    }
                }
            }
            TokenTree::Group(group) => {
                let ends_test =
                    std::mem::take(&mut is_test) && group.delimiter() == Delimiter::Brace;
                if !ends_test {
                    texts(group.stream(), help, found);
                }
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if text.contains('"') {
                    found.push(text);
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, all: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, ending, all);
            } else if path.extension().is_some_and(|its| its == ending) {
                all.push(path);
            }
        }
    }
    let mut all = Vec::new();
    walk(Path::new(folder), ending, &mut all);
    all
}
