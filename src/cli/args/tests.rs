//! The whole command line: well formed, with values that operators know, and invalid values rejected with reasons.

mod docs;

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    Arguments::command().debug_assert();
}

/// Calls `check` with each command that a user can run, and its path.
fn each(command: &clap::Command, path: &str, check: &mut dyn FnMut(&str, &clap::Command)) {
    check(path, command);
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        each(below, &format!("{path} {}", below.get_name()), check);
    }
}

fn value_names(argument: &clap::Arg) -> Vec<String> {
    let names = argument.get_value_names().unwrap_or_default();
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn every_value_in_the_help_is_a_noun_that_an_operator_knows() {
    let nouns = [
        "ACCOUNT",
        "[ACCOUNT=]URL",
        "ACTION",
        "ADDRESS",
        "AMOUNT",
        "BODY",
        "CURRENCY",
        "EMAIL",
        "ENVIRONMENT",
        "EVENT",
        "FAULT",
        "FILE",
        "FILE.csv",
        "FOLDER",
        "FORMAT",
        "HEADER",
        "ID",
        "JSON",
        "KEY",
        "KEY=SOURCE",
        "KEY=VALUE",
        "KEYS.txt",
        "LEDGER",
        "LINES",
        "METHOD",
        "N",
        "NAME",
        "NAME=VALUE",
        "NOTE",
        "OFFER",
        "PATH",
        "PROVIDER",
        "[PROVIDER=]URL",
        "RESULTS.csv",
        "SETTING",
        "SHELL",
        "SOURCE",
        "STATE",
        "STATUS",
        "STATE|PAID",
        "SUBJECT",
        "TEXT",
        "TIME",
        "URL",
        "USER_ID",
        "VALUE",
        "VERDICT",
        "WHEN",
    ];
    each(&Arguments::command(), "tilldeck", &mut |path, command| {
        let valued = command.get_arguments();
        for argument in valued.filter(|argument| argument.get_action().takes_values()) {
            for name in value_names(argument) {
                assert!(nouns.contains(&name.as_str()), "{path}: <{name}>");
            }
        }
    });
}

#[test]
fn an_argument_is_never_named_like_the_value_of_a_global_option() {
    let mut whole = Arguments::command();
    whole.build();
    let globals = whole
        .get_arguments()
        .filter(|argument| argument.is_global_set());
    let globals: Vec<String> = globals.flat_map(value_names).collect();
    each(&whole, "tilldeck", &mut |path, command| {
        for name in command.get_positionals().flat_map(value_names) {
            assert!(
                !globals.contains(&name),
                "{path}: <{name}> stands twice in the usage"
            );
        }
    });
}

#[test]
fn no_arguments_are_the_defaults() {
    let parsed = Arguments::try_parse_from(["tilldeck"]).unwrap();
    assert_eq!(format!("{parsed:?}"), format!("{:?}", Arguments::default()));
}

#[test]
fn bad_values_are_refused_with_reasons() {
    let refusal =
        Arguments::try_parse_from(["tilldeck", "check", "A", "--expect", "PAYED"]).unwrap_err();
    assert_eq!(refusal.exit_code(), 2);
    for known in ["FINALIZED", "PAID"] {
        assert!(refusal.to_string().contains(known), "{refusal}");
    }
    assert!(
        Arguments::try_parse_from(["tilldeck", "check", "A", "--amount", "1"]).is_err(),
        "needs a currency"
    );
    assert!(Arguments::try_parse_from(["tilldeck", "check"]).is_err());
    assert!(Arguments::try_parse_from(["tilldeck", "check", "A", "--from", "b.csv"]).is_err());
}
