//! What is looked up: completions in the real shells, man pages as a formatter reads them, help.

use std::process::Command;

use crate::program::Place;

const CONFIG: &str = r#"
[profiles.live.accounts.shop]
provider = "kanga"
api_key = "K"
api_secret = { command = ["/bin/sh", "-c", "touch secret-was-read; echo s"] }

[profiles.live.accounts.keys]
provider = "kinguin"
client_id = "c"
client_secret = { env = "NOT_SET" }
"#;

const OTHER: &str = "[profiles.other]\n";

/// What is typed, and a candidate that must be among those for its last word.
const LINES: [(&[&str], &str); 10] = [
    (&["--color=al"], "--color=always"),
    (&["--profile", ""], "live"),
    (&["--profile", "live", "account", "verify", ""], "shop"),
    (&["--profile", "live", "--account", "ke"], "keys"),
    (&["--config", "~/other.toml", "--profile", ""], "other"),
    (&["--profile", "live", "request", "keys", "GE"], "GET"),
    (
        &[
            "--profile",
            "live",
            "request",
            "keys",
            "GET",
            "/sales-manager-api/api/v1/offers/{",
        ],
        "/sales-manager-api/api/v1/offers/{offerId}",
    ),
    (&["check", "A", "--expect", "FINALI"], "FINALIZED"),
    (&["sandbox", "trigger", "fault", ""], "lost-reply"),
    (&["log", "--export", ""], "har"),
];

/// The shell, if it is on this machine; a line says so where it is not.
fn installed(shell: &str) -> Option<Command> {
    #[expect(clippy::disallowed_methods, reason = "a program of the test")]
    let mut command = Command::new(shell);
    #[expect(clippy::disallowed_methods, reason = "a program of the test")]
    let there = Command::new("/bin/sh")
        .args(["-c", &format!("command -v {shell} >/dev/null")])
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        eprintln!("skipped: {shell} is not installed");
        return None;
    }
    command.env_clear();
    Some(command)
}

fn place() -> Place {
    let place = Place::with_config(CONFIG);
    std::fs::write(place.path().join("other.toml"), OTHER).unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell]);
        assert_eq!(script.code, 0, "{script:?}");
        std::fs::write(place.path().join(shell), script.out).unwrap();
    }
    place
}

/// Runs a script in a shell that has `tilldeck` on its path, in the folder of the completion scripts.
fn run(place: &Place, mut shell: Command, script: &str) -> String {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_tilldeck"));
    let path = format!(
        "{}:{}",
        program.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let output = shell
        .args(["-c", script])
        .current_dir(place.path())
        .env("PATH", path)
        .env("HOME", place.path())
        .env("TILLDECK_CONFIG", place.config_path())
        .env("TILLDECK_STATE_DIR", place.state())
        .output()
        .unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(words, "", "{script}");
    String::from_utf8(output.stdout).unwrap()
}

/// As bash divides a line at `=`.
fn divided(words: &[&str]) -> String {
    let words = words.iter().map(|word| match word.split_once('=') {
        Some((before, after)) => format!("'{before}' = '{after}'"),
        None => format!("'{word}'"),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn quoted(words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("'{word}'"));
    words.collect::<Vec<_>>().join(" ")
}

fn read_nothing(place: &Place) {
    assert!(!place.path().join("secret-was-read").exists());
    assert!(!place.state().exists(), "no ledger is opened");
}

#[test]
fn bash_completes_names_and_words() {
    let Some(_) = installed("bash") else { return };
    let place = place();
    for (words, wanted) in LINES {
        let script = format!(
            ". ./bash; COMP_WORDS=(tilldeck {}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _tilldeck; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            divided(words)
        );
        let offered = run(&place, installed("bash").unwrap(), &script);
        // What stands before the equals sign is no part of the word there.
        let wanted = wanted.rsplit('=').next().unwrap();
        assert!(
            offered.lines().any(|line| line.replace('\\', "") == wanted),
            "{words:?}: {offered}"
        );
    }
    read_nothing(&place);
}

/// What is typed of a file's name, and the name.
const FILES: [(&str, &str); 7] = [
    ("n", "n$(touch PWNED).csv"),
    ("we", "we `ir`d;x.csv"),
    ("we\\ ", "we `ir`d;x.csv"),
    ("\"n", "n$(touch PWNED).csv"),
    ("\"q", "q\"u'o!te.csv"),
    ("'q", "q\"u'o!te.csv"),
    ("$HOME/n", "n$(touch PWNED).csv"),
];

/// Completes each of [`FILES`] with a script that prints the candidate, and evaluates the line as the shell would.
fn completes_file_names(shell: &str, complete: &str) {
    let place = place();
    for name in [
        "n$(touch PWNED).csv",
        "we `ir`d;x.csv",
        "q\"u'o!te.csv",
        "q\nx",
    ] {
        std::fs::write(place.path().join(name), "").unwrap();
    }
    for (typed, name) in FILES {
        let quote = typed.chars().next().filter(|char| "\"'".contains(*char));
        let quote = quote.map_or(String::new(), |quote| format!("\\{quote}"));
        let typed = typed
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('$', "\\$");
        let script = format!(
            "typed=\"{typed}\"; {complete}; eval \"set -- \"{quote}\"$(tail -n 1 offered)\"{quote}; printf '%s\\n' \"$#\" \"$1\""
        );
        let line = run(&place, installed(shell).unwrap(), &script);
        let (words, path) = line.split_once('\n').unwrap();
        assert_eq!(
            (words, path.trim_end().ends_with(name)),
            ("1", true),
            "{typed}: {line}"
        );
    }
    assert!(!place.path().join("PWNED").exists());
}

#[test]
fn bash_and_zsh_insert_a_file_name_so_that_it_stays_one_word_and_runs_nothing() {
    if installed("bash").is_some() {
        completes_file_names(
            "bash",
            ". ./bash; COMP_WORDS=(tilldeck check --from \"$typed\"); COMP_CWORD=3; _tilldeck; printf '%s\\n' \"${COMPREPLY[@]}\" >offered",
        );
    }
    if installed("zsh").is_some() {
        completes_file_names(
            "zsh",
            "compdef() { }; compadd() { print -rl -- ${(P)@[-1]} >offered }; source ./zsh; words=(tilldeck check --from \"$typed\"); CURRENT=4; _tilldeck",
        );
    }
}

#[test]
fn zsh_completes_names_and_words() {
    let Some(_) = installed("zsh") else { return };
    let place = place();
    for (words, wanted) in LINES {
        let script = format!(
            "compdef() {{ }}; compadd() {{ print -rl -- ${{(P)@[-1]}} }}; source ./zsh; words=(tilldeck {}); CURRENT=$#words; _tilldeck",
            quoted(words)
        );
        let offered = run(&place, installed("zsh").unwrap(), &script);
        assert!(
            offered.lines().any(|line| line.replace('\\', "") == wanted),
            "{words:?}: {offered}"
        );
    }
    read_nothing(&place);
}

#[test]
fn fish_completes_names_and_words() {
    let Some(_) = installed("fish") else { return };
    let place = place();
    for (words, wanted) in LINES {
        let typed = words.join(" ").replace('{', "\\{");
        let script = format!("source ./fish; complete -C 'tilldeck {typed}'");
        let offered = run(&place, installed("fish").unwrap(), &script);
        let mut values = offered.lines().filter_map(|line| line.split('\t').next());
        let is_wanted = |value: &str| value.replace('\\', "") == wanted;
        assert!(values.any(is_wanted), "{words:?}: {offered}");
    }
    read_nothing(&place);
}

#[test]
fn a_broken_config_file_is_no_matter_for_completions() {
    let place = Place::with_config("this is = = no config");
    let ran = place.run(&["complete", "fish", "2", "--", "tilldeck", "--account", ""]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let ran = place.run(&["complete", "fish", "1", "--", "tilldeck", "che"]);
    assert!(ran.out.starts_with("check\t"), "{ran:?}");
}

#[test]
fn every_command_has_a_man_page_that_a_formatter_takes_without_a_word() {
    let place = Place::new();
    let folder = place.path().join("man");
    let ran = place.run(&["man", "--dir", folder.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let page = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let main = page("tilldeck.1");
    assert_eq!(place.run(&["man"]).out, main);
    for title in ["FILES", "ENVIRONMENT", "EXAMPLES", "\"EXIT STATUS\""] {
        assert!(main.contains(&format!(".SH {title}\n")), "{title}: {main}");
    }
    let mut files = Vec::new();
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        // A page that another one names is there.
        for line in page(&file).lines() {
            if let Some((name, "1)")) = line.replace('\\', "").split_once('(') {
                let name = name.trim_start_matches(".BR").trim();
                assert!(
                    folder.join(format!("{name}.1")).exists(),
                    "{name} in {file}"
                );
            }
        }
        files.push(file);
    }
    for file in ["tilldeck-check.1", "tilldeck-account-add.1"] {
        assert!(files.iter().any(|known| known == file), "{files:?}");
    }
    assert!(files.iter().all(|file| file != "tilldeck-complete.1"));
    if let Some(mut mandoc) = installed("mandoc") {
        let output = mandoc
            .args(["-T", "lint"])
            .args(&files)
            .current_dir(&folder)
            .output()
            .unwrap();
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(lines, "");
    }
}

#[test]
fn help_puts_global_options_last_and_shows_examples() {
    let place = Place::new();
    for command in ["check", "log", "listen", "request"] {
        let help = place.run(&[command, "--help"]).out;
        let (own, global) = help.split_once("Global options:").unwrap();
        assert!(
            global.contains("--profile") && global.contains("--color"),
            "{help}"
        );
        assert!(
            !own.contains("--profile") && !own.contains("--state-dir"),
            "{help}"
        );
        assert!(
            global.contains(&format!("Examples:\n  tilldeck {command} ")),
            "{help}"
        );
    }
}
