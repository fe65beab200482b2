//! The documents and the code name each other rightly: links lead to files and headings, and what the code cites exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` whose name ends in `.extension`.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The lines of a document outside its code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// A document's anchors, as GitHub makes them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut times = BTreeMap::<String, u32>::new();
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let slug: String = line
                .trim_start_matches('#')
                .trim()
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    '-' | '_' => Some(c),
                    _ => c.is_alphanumeric().then(|| c.to_ascii_lowercase()),
                })
                .collect();
            let again = times.entry(slug.clone()).or_default();
            *again += 1;
            match *again - 1 {
                0 => slug,
                again => format!("{slug}-{again}"),
            }
        })
        .collect()
}

/// Where the links of a document lead: `[words](target)`, code spans left out.
fn links(text: &str) -> Vec<String> {
    let spoken = |line: &str| line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let targets = prose(text).flat_map(|line| {
        let line = spoken(line);
        let after = line.split("](").skip(1);
        let targets = after.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
        targets.map(str::to_owned).collect::<Vec<_>>()
    });
    targets.collect()
}

/// A path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// Why `target`, seen from `document`, leads nowhere.
fn broken(document: &Path, target: &str) -> Option<String> {
    let (file, anchor) = match target.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (target, None),
    };
    let path = match file {
        "" => document.to_owned(),
        file => plain(&document.parent().unwrap().join(file)),
    };
    if !path.exists() {
        return Some(format!("there is no file {}", path.display()));
    }
    let anchor = anchor?;
    let known = anchors(&fs::read_to_string(&path).unwrap());
    let missing = !known.contains(anchor);
    missing.then(|| format!("{} has no heading #{anchor}: {known:?}", path.display()))
}

#[test]
fn every_relative_link_of_the_documents_leads_to_a_file_and_a_heading() {
    let mut documents = files("docs", "md");
    documents.push(root().join("README.md"));
    let mut counted = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for target in links(&text) {
            let elsewhere = ["https://", "http://", "mailto:"];
            if elsewhere.iter().any(|scheme| target.starts_with(scheme)) {
                continue;
            }
            counted += 1;
            if let Some(why) = broken(&document, &target) {
                panic!("{}: ({target}): {why}", document.display());
            }
        }
    }
    assert!(counted >= 5, "only {counted} links were found");
}

/// The documents that a text of the code cites, each with its heading if it names one.
fn cited(text: &str) -> impl Iterator<Item = &str> {
    const FOLDER: &str = "docs/";
    text.match_indices(FOLDER).filter_map(|(at, _)| {
        let before = text[..at].chars().next_back();
        // A path of another site, as in https://docs.pledg.co or /docs/page.
        if before.is_some_and(|c| c.is_alphanumeric() || "/.".contains(c)) {
            return None;
        }
        let name = |c: char| c.is_ascii_alphanumeric() || "/._#-".contains(c);
        let rest = &text[at..];
        let cited = &rest[..rest.find(|c| !name(c)).unwrap_or(rest.len())];
        let cited = cited.trim_end_matches('.');
        cited.contains(".md").then_some(cited)
    })
}

/// The sources, but for this file, which writes of citations.
fn sources() -> impl Iterator<Item = PathBuf> {
    let folders = ["src", "tests", "benches"];
    let all = folders.into_iter().flat_map(|folder| files(folder, "rs"));
    all.filter(|source| *source != root().join("tests/it/docs.rs"))
}

#[test]
fn every_document_that_the_code_cites_exists_with_its_heading() {
    let mut counted = 0;
    for source in sources() {
        let text = fs::read_to_string(&source).unwrap();
        for cited in cited(&text) {
            counted += 1;
            if let Some(why) = broken(&root().join("README.md"), cited) {
                panic!("{}: {cited}: {why}", source.display());
            }
        }
    }
    assert!(counted >= 200, "only {counted} citations were found");
}

#[test]
fn every_section_about_a_provider_has_a_test_that_cites_it() {
    let mut tested = BTreeSet::new();
    for source in sources() {
        let text = fs::read_to_string(&source).unwrap();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            if !["#[test]", "#[tokio::test]"].contains(line) {
                continue;
            }
            let above = lines[..at].iter().rev();
            let comment = above.take_while(|line| line.starts_with("//"));
            tested.extend(comment.flat_map(|line| cited(line)).map(str::to_owned));
        }
    }
    for document in files("docs/providers", "md") {
        let text = fs::read_to_string(&document).unwrap();
        let sections = text.split_once("\n## ").unwrap().1;
        let name = document.strip_prefix(root()).unwrap().display();
        for section in anchors(&format!("## {sections}")) {
            let cited = format!("{name}#{section}");
            assert!(tested.contains(&cited), "no test cites {cited}");
        }
    }
}

#[test]
fn each_providers_document_names_its_hosts_limits_and_what_its_simulator_can_do() {
    for manifest in tilldeck::providers::REGISTRY {
        let name = format!("docs/providers/{}.md", manifest.id.0);
        let text = fs::read_to_string(root().join(&name)).unwrap();
        let holds = |what: String| assert!(text.contains(&what), "{name} does not name {what}");
        for endpoint in manifest.endpoints {
            holds(format!("`{}`", endpoint.url));
        }
        for limit in manifest.limits {
            holds(format!("{} ", limit.requests));
        }
        let mut simulator = (manifest.simulator)();
        for setting in simulator.settings() {
            holds(format!("`{}`", setting.name));
        }
        for event in simulator.events() {
            holds(format!("`{}`", event.name));
        }
    }
}
