//! What surrounds the process: a system that gives it less than it needs, and other processes of its user.

use std::process::Command;

use crate::program::{Place, Ran};
use crate::terminal::Terminal;

/// The program, allowed to have only so many files open.
fn limited(place: &Place, files: u32, arguments: &[&str]) -> Command {
    let inner = place.command(arguments);
    let mut shell = crate::program::shell();
    shell.args([
        "-c",
        "ulimit -n \"$1\" || exit 99; shift; exec \"$@\"",
        "sh",
    ]);
    shell.arg(files.to_string());
    shell.arg(inner.get_program()).args(inner.get_args());
    shell.env_clear().stdin(std::process::Stdio::null());
    for (name, value) in inner.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    shell
}

#[test]
fn too_few_open_files_are_reported_in_plain_words_before_anything_is_begun() {
    let place = Place::new();
    for files in [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 47] {
        for arguments in [
            &["estimate", "EMT", "3"][..],
            &["log", "--json"],
            &["listen", "--bind", "127.0.0.1:0"],
            &["sandbox", "serve"],
            &["account", "add"],
        ] {
            let ran = Ran::of(limited(&place, files, arguments));
            assert_eq!(ran.code, 2, "{files} {arguments:?}: {ran:?}");
            let expected = format!("the limit of open files is {files}; tilldeck needs 48");
            assert!(
                ran.all().contains(&expected),
                "{files} {arguments:?}: {ran:?}"
            );
            assert!(ran.all().contains("ulimit -n 1024"), "{ran:?}");
            assert!(ran.all().lines().count() <= 3, "{ran:?}");
        }
        let mut terminal = Terminal::start(&limited(&place, files, &[]), (120, 24));
        assert_eq!((terminal.ended(), terminal.kept()), (2, Vec::new()));
        assert!(
            terminal.screen().contains("tilldeck needs 48"),
            "{}",
            terminal.screen()
        );
        // These open nothing.
        let ran = Ran::of(limited(&place, files, &["config", "check"]));
        assert_eq!(ran.code, 0, "{files}: {ran:?}");
    }
    assert!(!place.state().exists());
}

#[test]
fn as_many_open_files_as_it_asks_for_are_enough() {
    let place = Place::new();
    let ran = Ran::of(limited(&place, 48, &["estimate", "EMT", "3"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.err.contains("warning"), "{ran:?}");
    let mut terminal = Terminal::start(&limited(&place, 48, &[]), (120, 40));
    terminal.sees("ORDER-1006");
    terminal.send("1V");
    for account in ["kanga", "kinguin", "kongregate", "pledg"] {
        terminal.sees(&format!("✔ {account}"));
    }
    terminal.send("q");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
}

#[test]
#[cfg(target_os = "linux")]
fn no_other_process_of_the_user_may_look_into_its_memory() {
    use std::fs::Permissions;
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;
    let place = Place::new();
    let mut command = place.command(&["sandbox", "serve"]);
    // Root sees all as its own, so then it is another user, in a folder that this one can enter.
    let folder = tempfile::tempdir().unwrap();
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let program = folder.path().join("tilldeck");
        // A process that another test starts meanwhile would hold this one's handle on the copy, which then cannot run.
        let copied = crate::program::shell()
            .args(["-c", "cp \"$0\" \"$1\""])
            .args([command.get_program(), program.as_os_str()])
            .status();
        assert!(copied.unwrap().success());
        let mut as_user = crate::program::shell();
        as_user
            .args(["-c", "exec \"$0\" sandbox serve"])
            .arg(program);
        as_user.env_clear().uid(12_345).current_dir("/");
        command = as_user;
    }
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    // Where the user may look, this is the user's.
    let memory = std::fs::metadata(format!("/proc/{}/mem", child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_eq!(memory.unwrap().uid(), 0);
}
