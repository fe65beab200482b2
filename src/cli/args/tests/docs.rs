//! Tests that `docs/commands.md` and `docs/keys.md` match the program; `UPDATE_DOCS=1 cargo test --lib docs` writes
//! them anew. Also tests that the command in `docs/deploy` exists.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Command, Parser as _};

use crate::cli::args;
use crate::tui;

#[test]
fn the_commands_are_those_of_the_command_line() {
    // The widest help there is, whatever the terminal of the test.
    let mut root = args::with_examples()
        .disable_help_subcommand(true)
        .term_width(100);
    root.build();
    let mut table = String::new();
    let mut sections = String::new();
    describe(&root, &mut table, &mut sections);
    is_fresh(
        "commands.md",
        &format!(
            "# Commands\n\n{GENERATED}Global options work with every command; they are listed once, at the top.\n\n\
             | command | what it does |\n|---|---|\n{table}{sections}"
        ),
    );
}

#[test]
fn the_keys_are_those_of_the_key_table() {
    let mut table = String::from("| where | keys | what | name |\n|---|---|---|---|\n");
    for row in tui::key_rows(&BTreeMap::new()).unwrap() {
        let keys = row.keys.replace('|', "\\|");
        let (place, help, action) = (row.place, row.help, row.action);
        writeln!(table, "| {place} | {keys} | {help} | `{action}` |").unwrap();
    }
    is_fresh(
        "keys.md",
        &format!(
            "# Keys\n\n{GENERATED}In the console, `?` lists the keys that work where you are, and `:` finds an action by its name. \
             `tilldeck keys`\nprints your keys. The config file binds any action to other keys, by its name:\n\n```toml\n[ui.keys]\ncheck = [\"f5\", \"c\"]\n```\n\n{table}{SEARCH}"
        ),
    );
}

#[test]
fn the_service_and_the_container_start_the_receiver() {
    let (service, container) = (read("deploy/tilldeck.service"), read("deploy/Dockerfile"));
    let after = |text: &str, what: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(what));
        found.expect(what).to_owned()
    };
    let started = after(&service, "ExecStart=/usr/local/bin/");
    let mut default: Vec<String> = serde_json::from_str(&after(&container, "CMD ")).unwrap();
    default.insert(0, "tilldeck".to_owned());
    for words in [started.split(' ').map(str::to_owned).collect(), default] {
        let parsed = args::Arguments::try_parse_from(&words).unwrap();
        assert!(
            matches!(parsed.command, Some(args::Commands::Listen(_))),
            "{words:?}"
        );
    }
}

#[test]
fn the_container_has_all_but_the_keyring() {
    let manifest: toml_edit::DocumentMut = include_str!("../../../../Cargo.toml").parse().unwrap();
    let default = manifest["features"]["default"].as_array().unwrap();
    let all = default.iter().filter_map(toml_edit::Value::as_str);
    let wanted: Vec<&str> = all.filter(|feature| *feature != "keyring").collect();
    let wanted = format!("--no-default-features --features {} ", wanted.join(","));
    assert!(read("deploy/Dockerfile").contains(&wanted), "{wanted}");
}

const SEARCH: &str = "
## Search

`/` in Requests and Callbacks searches all that the ledger has saved of this profile while you type, and says of how many: `12 of 100,000 saved
requests`. `o` loads older matches. All words must occur, in upper or lower case: in method, URL, account, subject, status and failure of requests; in
account, verdict, kind, subject, reason and results of callbacks. The bodies of requests are searched only in the rows that are loaded.

| word | finds |
|---|---|
| `about:ORDER-1` | requests or callbacks about this payment, order or player: the whole id |
| `account:shop` | those of this account |
| `status:4xx` | requests with this status: a class, a code (`404`), or `failed` for those without a response and those refused at status 200 |
| `method:post` | requests with this method |
| `operator:alice@till` | requests of this operator, where a team shares the ledger |
";

const GENERATED: &str =
    "<!-- Generated: `UPDATE_DOCS=1 cargo test --lib docs` writes this page anew. -->\n\n";

/// Appends a table row and a section with the help of each command.
fn describe(command: &Command, table: &mut String, sections: &mut String) {
    let name = command.get_bin_name().unwrap_or("tilldeck");
    let about = command.get_about().map(ToString::to_string);
    let about = about.unwrap_or_default().replace('|', "\\|");
    let anchor = name.replace(' ', "-");
    writeln!(table, "| [`{name}`](#{anchor}) | {about} |").unwrap();
    let help = command
        .clone()
        .mut_args(|arg| {
            let is_of_all = arg.get_help_heading() == Some("Global options");
            arg.hide(is_of_all && name.contains(' '))
        })
        .render_long_help()
        .to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let help = help.join("\n");
    write!(sections, "\n## {name}\n\n```text\n{}\n```\n", help.trim()).unwrap();
    for command in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        describe(command, table, sections);
    }
}

/// Compares a page with the expected text, or writes it.
fn is_fresh(page: &str, expected: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(in_docs(page), expected).unwrap();
    }
    let found = read(page);
    let differs = expected
        .lines()
        .zip(found.lines())
        .find(|(new, old)| new != old);
    assert!(
        found == expected,
        "docs/{page} is out of date: run `UPDATE_DOCS=1 cargo test --lib docs`; first difference: {differs:?}"
    );
}

fn read(page: &str) -> String {
    std::fs::read_to_string(in_docs(page)).unwrap()
}

fn in_docs(page: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("docs").join(page)
}
