//! The JSON Schema files describe every field that commands print with `--json`, and the columns of `--csv`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

/// A file of `assets/schema`.
struct Schema {
    document: Value,
    /// Refuses fields that the schema does not describe; a script must ignore them.
    strict: Validator,
}

/// All of them, by the name of the file.
static SCHEMAS: LazyLock<BTreeMap<String, Schema>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/schema");
    let files = fs::read_dir(folder).unwrap();
    let read = files.map(|file| {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let document: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut strict = document.clone();
        refuse_others(&mut strict);
        let strict = jsonschema::options()
            .should_validate_formats(true)
            .build(&strict);
        let strict = strict.unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, Schema { document, strict })
    });
    read.collect()
});

/// Makes each object of a schema refuse fields that it does not describe.
fn refuse_others(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") && object.contains_key("required") {
                object.insert("additionalProperties".into(), false.into());
            }
            object.values_mut().for_each(refuse_others);
        }
        Value::Array(items) => items.iter_mut().for_each(refuse_others),
        _ => {}
    }
}

/// The commands that a schema is about, without the program's name: `payments list`.
fn commands(schema: &Schema) -> impl Iterator<Item = &str> {
    let title = schema.document["title"].as_str().unwrap();
    let commands = title.split(", ");
    commands.filter_map(|command| command.strip_prefix("tilldeck "))
}

/// The schema of the command in these arguments, whose words stand before all its own arguments.
fn of(arguments: &[&str]) -> &'static Schema {
    let known = SCHEMAS.values().flat_map(|schema| {
        let commands = commands(schema).map(|command| command.split(' ').collect::<Vec<_>>());
        commands.map(move |words| (words, schema))
    });
    let found = known.filter_map(|(words, schema)| {
        let mut places = arguments.windows(words.len());
        let place = places.position(|window| window == words)?;
        Some((place, usize::MAX - words.len(), schema))
    });
    let first = found.min_by_key(|(place, length, _)| (*place, *length));
    first.map_or(&SCHEMAS["failure"], |(_, _, schema)| schema)
}

/// Holds what a command with these arguments printed to its schema, if it printed JSON or CSV.
pub fn must_describe(arguments: &[&str], printed: &str) {
    let exports = arguments.windows(2).find(|pair| pair[0] == "--export");
    let is_json = match exports {
        Some(pair) => pair[1] == "ndjson",
        None => arguments.contains(&"--json"),
    };
    if is_json {
        for line in printed.lines() {
            matches(of(arguments), line);
        }
    }
    let mut pairs = arguments.windows(2);
    let is_csv = arguments.contains(&"--csv") || pairs.any(|pair| pair == ["payments", "export"]);
    let is_csv = is_csv && !arguments.contains(&"--help");
    if !is_json
        && is_csv
        && let Some(header) = printed.lines().next()
    {
        has_columns(arguments, header);
    }
}

/// Holds the input of a hook to its schema.
pub fn must_describe_hook(input: &str) {
    matches(&SCHEMAS["hook"], input);
}

/// Holds a line of `--plain --json` to its schema.
pub fn must_describe_plain(line: &str) {
    matches(&SCHEMAS["plain"], line);
}

fn matches(schema: &Schema, line: &str) {
    let title = &schema.document["title"];
    let object = serde_json::from_str(line);
    let object: Value = object.unwrap_or_else(|error| panic!("{title}: {error}: {line}"));
    let wrong = schema.strict.iter_errors(&object);
    let wrong: Vec<String> = wrong.map(|error| format!("{error:?}")).collect();
    assert!(wrong.is_empty(), "{title}: {line}\n{wrong:#?}");
}

/// The objects that a command prints in place of, or after, its results.
const FAILURES: [&str; 3] = ["failure", "unchecked", "failed"];

/// Where the columns differ from the fields of the object: its name in the schema, further columns, and fields that are
/// no columns.
const DIFFERENCES: [(&str, &[&str], &[&str]); 5] = [
    (
        "check payment",
        &["difference", "error", "profile"],
        &["line"],
    ),
    (
        "payments-list payment",
        &["difference", "error", "profile"],
        &[],
    ),
    ("estimate estimate", &["currency", "price"], &["prices"]),
    // What only an export has.
    ("log request", &[], &["request", "response"]),
    ("log callback", &[], &["request", "error"]),
];

/// The objects whose fields are the columns of a command's CSV. `ledger status` has one for each kind of ledger, and one
/// header for both.
fn tabled(arguments: &[&str]) -> Vec<(String, &'static Value)> {
    let document = &of(arguments).document;
    let file = document["$id"]
        .as_str()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap();
    let objects = document["anyOf"].as_array().unwrap().iter();
    let names = objects.map(|object| object["$ref"].as_str().unwrap().rsplit('/').next().unwrap());
    let of_callbacks = arguments.contains(&"--deliveries");
    names
        .filter(|name| !FAILURES.contains(name))
        .filter(|name| file != "log" || (*name == "callback") == of_callbacks)
        .map(|name| (format!("{file} {name}"), &document["$defs"][name]))
        .collect()
}

/// Holds the columns of CSV to the fields of the object that the command prints as JSON: each field is a column, and each
/// column is a field. The columns of a checked list follow them.
fn has_columns(arguments: &[&str], header: &str) {
    let mut expected = BTreeSet::new();
    for (name, object) in tabled(arguments) {
        let differs = DIFFERENCES.iter().find(|(of, ..)| *of == name);
        let (more, less) = differs.map_or((&[][..], &[][..]), |(_, more, less)| (*more, *less));
        let fields = object["properties"].as_object().unwrap().keys();
        expected.extend(fields.map(String::as_str).chain(more.iter().copied()));
        expected.retain(|name| *name != "schema" && !less.contains(name));
    }
    let of_list = arguments.contains(&"--from") || arguments.contains(&"-");
    let columns = header.split(',').map(|name| {
        let (object, field) = name.split_once('.').unwrap_or((name, ""));
        assert!(
            field.is_empty() || is_within(arguments, object, field),
            "{name}"
        );
        object
    });
    // The fields of an object within it are columns side by side.
    let mut columns: Vec<&str> = columns.collect();
    columns.dedup();
    if of_list {
        columns.truncate(expected.len());
    }
    let found: BTreeSet<&str> = columns.iter().copied().collect();
    assert_eq!(found, expected, "{arguments:?}");
    assert_eq!(found.len(), columns.len(), "{arguments:?}: {columns:?}");
}

/// Whether a field of the object that a command prints is itself an object with this field.
fn is_within(arguments: &[&str], object: &str, field: &str) -> bool {
    let document = &of(arguments).document;
    tabled(arguments).iter().any(|(_, def)| {
        let property = &def["properties"][object];
        let either = property["anyOf"].as_array().into_iter().flatten();
        std::iter::once(property).chain(either).any(|kind| {
            let named = kind["$ref"]
                .as_str()
                .map(|path| path.trim_start_matches('#'));
            let kind = named.map_or(kind, |path| document.pointer(path).unwrap());
            kind["properties"].get(field).is_some()
        })
    })
}

/// Commands that print no results: they open the console, or print a text of another form.
const WITHOUT_RESULTS: [&str; 3] = ["open ", "completions", "man"];

#[test]
fn every_command_with_results_has_a_schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let text = fs::read_to_string(path).unwrap();
    let sections = text
        .lines()
        .filter_map(|line| line.strip_prefix("## tilldeck "));
    let documented: Vec<&str> = sections.collect();
    let described: BTreeSet<&str> = SCHEMAS.values().flat_map(commands).collect();
    for name in &documented {
        let is_below = |group: &str| {
            name.strip_prefix(group)
                .is_some_and(|rest| rest.starts_with(' '))
        };
        let is_group = documented.iter().any(|other| {
            let below = other.strip_prefix(name);
            below.is_some_and(|rest| rest.starts_with(' '))
        });
        let prints = !WITHOUT_RESULTS
            .iter()
            .any(|prefix| name.starts_with(prefix));
        let is_described =
            described.contains(name) || described.iter().any(|group| is_below(group));
        assert!(
            is_group || !prints || is_described,
            "no schema of `tilldeck {name}`"
        );
    }
    for name in described {
        assert!(documented.contains(&name), "there is no `tilldeck {name}`");
    }
}

#[test]
fn a_name_means_the_same_in_every_schema() {
    let mut meanings = BTreeMap::new();
    for (file, schema) in SCHEMAS.iter() {
        assert_eq!(
            schema.document["$id"],
            format!("urn:tilldeck:schema:1:{file}")
        );
        for shared in ["failure", "error", "side", "job", "callback"] {
            let Some(meaning) = schema.document["$defs"].get(shared) else {
                continue;
            };
            assert_eq!(
                meanings.entry(shared).or_insert(meaning),
                &meaning,
                "{file}: {shared}"
            );
        }
    }
}

#[test]
fn a_field_that_no_schema_describes_is_refused() {
    let schema = &SCHEMAS["config-path"].strict;
    let mut object = serde_json::json!({ "schema": 1, "path": "a", "exists": true, "logs": null });
    assert!(schema.is_valid(&object));
    object["new"] = 1.into();
    assert!(!schema.is_valid(&object));
    object = serde_json::json!({ "schema": 1, "path": "a", "exists": 1, "logs": null });
    assert!(!schema.is_valid(&object));
}
