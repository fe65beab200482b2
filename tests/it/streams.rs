//! Standard output that is full, slow or unread, and the signals that end a command.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::peer::{Act, Peer, json, reply};
use crate::program::{Place, Ran, send, shell};
use crate::terminal::{LIMIT, Terminal};

const ACTIVE: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"ACTIVE"}"#;
const SIGNALS: [Signal; 4] = [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT];

/// Of the signals those that end a program that is started here: what is ignored where the tests run (`nohup`, a job in
/// the background) is ignored by it, too.
fn signals() -> impl Iterator<Item = Signal> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    SIGNALS.into_iter().filter(move |signal| {
        let is_ignored = ignored.unwrap_or(0) >> (signal.as_raw() - 1) & 1 == 1;
        if is_ignored {
            eprintln!("not tried, since it is ignored here: {signal:?}");
        }
        !is_ignored
    })
}

fn full_disk() -> File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

/// The end of a program that must end by itself.
#[expect(
    clippy::disallowed_methods,
    reason = "a process of another is waited for"
)]
fn ended(mut child: Child) -> Ran {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("it does not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // What reached a broken stream is not whole.
    Ran::ended(&[], child.wait_with_output().unwrap())
}

fn piped(command: &mut Command) -> Child {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_sandbox_serves_on_whatever_becomes_of_its_output() {
    for more in [&[][..], &["--json"]] {
        let place = Place::new();
        let mut child = place
            .command(&[&["sandbox", "serve"], more].concat())
            .stdout(full_disk())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        let told = lines.find(|line| line.starts_with("warning: output stopped (No space left"));
        let told = told.unwrap();
        let url = told.rsplit(' ').next().unwrap();
        let answer = send(url, "POST", "/kanga/api/v2/test", "", "{}");
        assert!(answer.is_some(), "{told}");
        signal(&child, Signal::TERM);
        assert_eq!(ended(child).code, 0);
    }
}

#[test]
fn a_failure_outlives_the_reader_and_is_never_a_success_on_a_full_disk() {
    let peer = Peer::start(vec![reply("500 No", "", "x")]);
    let place = Place::with_shop(&peer.url);
    let read = ["request", "shop", "GET", "/x", "--json"];
    let token = ["token", "refresh", "shop", "--json"];
    let misused = ["--json", "nonsense"];
    for (arguments, code) in [(&read[..], 5), (&token, 2), (&misused, 2)] {
        let mut child = piped(&mut place.command(arguments));
        drop(child.stdout.take());
        let ran = ended(child);
        assert_eq!(
            (ran.code, ran.err.contains("cannot write")),
            (code, false),
            "{ran:?}"
        );
        let output = place.command(arguments).stdout(full_disk()).output();
        let ran = Ran::ended(&[], output.unwrap());
        let told = ran.err.matches("error: cannot write to stdout").count();
        assert!(ran.code == 2 && told == 1, "{ran:?}");
    }
    let mut checks = place.command(&["doctor"]);
    let checks = checks.stdout(full_disk()).stderr(Stdio::piped()).spawn();
    let ran = ended(checks.unwrap());
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn what_follows_ends_when_nobody_reads_it_any_more() {
    for what in [
        &["log", "--follow"][..],
        &["log", "--deliveries", "--follow"],
    ] {
        let place = Place::with_shop("http://127.0.0.1:9");
        let mut child = piped(&mut place.command(what));
        drop(child.stdout.take());
        let ran = ended(child);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    }
}

#[test]
fn a_wait_that_nobody_reads_ends_with_what_is_known_by_then() {
    for (answer, code) in [(json(ACTIVE), 1), (reply("500 No", "", "x"), 5)] {
        let peer = Peer::start(vec![answer]);
        let place = Place::with_shop(&peer.url);
        let mut child = piped(&mut place.command(&["check", "A", "--wait", "FINALIZED"]));
        peer.wait_for_one();
        drop(child.stdout.take());
        let ran = ended(child);
        assert_eq!(ran.code, code, "{ran:?}");
    }
}

#[test]
fn a_receiver_says_within_seconds_that_nobody_reads_and_receives_on() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let arguments = ["listen", "--json", "--bind", "127.0.0.1:0"];
    let mut child = piped(&mut place.command(&arguments));
    let mut first = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut first).unwrap();
    drop(out);
    let url = first.split('"').find(|part| part.starts_with("http:"));
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = errors.next().unwrap().unwrap();
    assert!(
        told.contains("output stopped (its reader closed it)"),
        "{told}"
    );
    for number in 0..3 {
        let body = format!("transactionKey=A{number}");
        let answer = send(url.unwrap(), "POST", "/callbacks/shop", "", &body);
        assert_eq!(answer.unwrap().0, 200);
    }
    signal(&child, Signal::TERM);
    assert_eq!(ended(child).code, 0);
}

#[test]
fn a_slow_pipe_that_does_not_block_is_written_whole() {
    let long = "0123456789".repeat(30_000);
    let peer = Peer::start(vec![reply("200 OK", "", &long)]);
    let place = Place::with_shop(&peer.url);
    let (mut read, write) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&write, rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut command = place.command(&["request", "shop", "GET", "/x"]);
    let mut child = command.stdout(write).spawn().unwrap();
    drop(command);
    let mut text = Vec::new();
    let mut some = [0; 4_000];
    loop {
        let count = read.read(&mut some).unwrap();
        if count == 0 {
            break;
        }
        text.extend_from_slice(&some[..count]);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(text.len(), long.len());
}

#[test]
fn a_signal_ends_a_command_whose_reader_takes_nothing() {
    let long = "x".repeat(300_000);
    let peer = Peer::start(vec![reply("200 OK", "", &long)]);
    for kind in signals() {
        let place = Place::with_shop(&peer.url);
        let mut child = piped(&mut place.command(&["request", "shop", "GET", "/x"]));
        // The status is told before the body is printed.
        let mut status = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        errors.read_line(&mut status).unwrap();
        assert!(status.starts_with("HTTP 200"), "{status}");
        signal(&child, kind);
        let out = child.stdout.take();
        assert_eq!(ended(child).code, 130);
        drop(out);
    }
}

#[test]
fn a_write_that_a_signal_interrupts_is_reported_and_in_the_log() {
    for kind in signals() {
        let peer = Peer::start(vec![Act::Silence]);
        let place = Place::with_shop(&peer.url);
        let write = [
            "request",
            "shop",
            "POST",
            "/api/v2/tpg/create/payment",
            "--yes",
        ];
        let child = piped(&mut place.command(&write));
        peer.wait_for_one();
        signal(&child, kind);
        let ran = ended(child);
        assert_eq!(ran.code, 130, "{ran:?}");
        for words in [
            "account shop: interrupted after POST /api/v2/tpg/create/payment was sent",
            "may have taken effect",
        ] {
            assert!(ran.err.contains(words), "{ran:?}");
        }
        let row = place.run(&["log", "--json"]).object();
        assert_eq!(
            (&row["method"], &row["status"]),
            (&"POST".into(), &().into())
        );
    }
}

#[test]
fn a_read_that_a_signal_interrupts_is_in_the_log_and_no_write_is_reported() {
    let peer = Peer::start(vec![Act::Silence]);
    let place = Place::with_shop(&peer.url);
    let child = piped(&mut place.command(&["check", "A"]));
    peer.wait_for_one();
    signal(&child, Signal::TERM);
    let ran = ended(child);
    assert_eq!((ran.code, ran.err.as_str()), (130, "error: interrupted\n"));
    assert_eq!(place.run(&["log", "--json"]).objects().len(), 1);
}

#[test]
fn a_token_call_that_a_signal_interrupts_is_in_the_log() {
    let peer = Peer::start(vec![Act::Silence]);
    let place = Place::with_keys(&peer.url, "");
    let child = piped(&mut place.command(&["request", "keys", "GET", "/x"]));
    peer.wait_for_one();
    signal(&child, Signal::TERM);
    let ran = ended(child);
    assert_eq!((ran.code, ran.err.as_str()), (130, "error: interrupted\n"));
    let row = place.run(&["log", "--json"]).object();
    assert_eq!(
        (&row["method"], &row["status"]),
        (&"POST".into(), &().into())
    );
}

#[test]
fn a_command_that_ignores_hang_ups_goes_on_as_nohup_has_it() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let program = place.command(&[]);
    let mut child = place.command(&[]);
    child = {
        let mut script = shell();
        script
            .args(["-c", "trap '' HUP; exec \"$0\" check A --wait FINALIZED"])
            .arg(program.get_program());
        for (name, value) in child.get_envs() {
            script.env(name, value.unwrap_or_default());
        }
        script
    };
    let child = piped(&mut child);
    peer.wait_for_one();
    signal(&child, Signal::HUP);
    peer.wait_for("another check", |seen| seen.len() > 1);
    signal(&child, Signal::TERM);
    assert_eq!(ended(child).code, 130);
}

/// The program as the first process of a container, or `None` where the system lets nobody make one.
#[cfg(target_os = "linux")]
fn first_process(place: &Place, arguments: &[&str]) -> Option<Child> {
    let spawn = |command: &str, arguments: &[&str]| {
        let mut script = shell();
        script.args([
            "-c",
            "exec unshare -Urpf --mount-proc \"$@\"",
            "sh",
            command,
        ]);
        script.args(arguments);
        for (name, value) in place.command(&[]).get_envs() {
            script.env(name, value.unwrap_or_default());
        }
        script
    };
    if !spawn("true", &[]).output().unwrap().status.success() {
        eprintln!("SKIPPED: `unshare` makes no container here");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_tilldeck");
    Some(piped(&mut spawn(program, arguments)))
}

/// The only child of a process.
#[cfg(target_os = "linux")]
fn child_of(parent: &Child) -> Pid {
    let path = format!("/proc/{0}/task/{0}/children", parent.id());
    let text = std::fs::read_to_string(path).unwrap();
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_the_first_process_of_a_container() {
    for kind in [Signal::TERM, Signal::INT] {
        // One waits for an answer, one for nothing but its end, and one has not begun yet: it reads its config from a pipe.
        let peer = Peer::start(vec![json(ACTIVE)]);
        let place = Place::with_shop(&peer.url);
        let pipe = place.path().join("pipe");
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        )
        .unwrap();
        let pipe = pipe.to_str().unwrap();
        let waits = ["check", "A", "--wait", "FINALIZED"];
        let serves = ["sandbox", "serve", "--bind", "0"];
        let begins = ["--config", pipe, "budget"];
        for arguments in [&waits[..], &serves, &begins] {
            let Some(mut child) = first_process(&place, arguments) else {
                return;
            };
            match arguments[0] {
                "check" => peer.wait_for_one(),
                "sandbox" => {
                    let mut line = String::new();
                    let mut out = BufReader::new(child.stdout.take().unwrap());
                    out.read_line(&mut line).unwrap();
                }
                // It is begun once it opens the pipe.
                _ => {
                    while rustix::fs::open(
                        pipe,
                        rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK,
                        rustix::fs::Mode::empty(),
                    )
                    .is_err()
                    {
                        std::thread::sleep(Duration::from_millis(10));
                    }
                }
            }
            kill_process(child_of(&child), kind).unwrap();
            ended(child);
        }
    }
}

#[test]
fn every_question_ends_on_a_signal() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    for kind in SIGNALS {
        let place = Place::with_shop(&peer.url);
        let write = ["request", "shop", "POST", "/api/v2/tpg/create/payment"];
        let mut terminal = Terminal::start(&place.command(&write), (120, 20));
        terminal.sees("Send it? [y/N]");
        terminal.signal(kind);
        assert_eq!((terminal.ended(), terminal.kept()), (130, Vec::new()));
        // A question that is seen after one that was not.
        let add = [
            "account",
            "add",
            "--provider",
            "kanga",
            "--name",
            "other",
            "--set",
            "api_key=k",
        ];
        let mut terminal = Terminal::start(&place.command(&add), (120, 20));
        terminal.sees("(not shown)");
        terminal.send("some-secret\r");
        terminal.sees("[y/N]");
        terminal.signal(kind);
        assert_eq!((terminal.ended(), terminal.kept()), (130, Vec::new()));
    }
    assert!(peer.requests().is_empty());
}

#[test]
fn a_yes_is_taken_in_any_case_and_a_no_has_its_own_exit() {
    let peer = Peer::start(vec![json(r#"{"result":"ok"}"#)]);
    for (answer, code, sent) in [("Yes", 0, 1), (" y ", 0, 2), ("no", 8, 2), ("", 8, 2)] {
        let place = Place::with_shop(&peer.url);
        let data = r#"--data={"amount_cents":1999}"#;
        let write = [
            "request",
            "shop",
            "POST",
            "/api/v2/tpg/create/payment",
            data,
        ];
        let mut terminal = Terminal::start(&place.command(&write), (160, 20));
        terminal.sees("payment (amount 19.99) may write at account shop");
        terminal.sees("Send it? [y/N]");
        terminal.send(&format!("{answer}\r"));
        assert_eq!(terminal.ended(), code, "{answer:?}");
        assert_eq!(peer.requests().len(), sent, "{answer:?}");
        if code == 8 {
            terminal.sees("not confirmed: account shop: nothing was sent");
        }
    }
}
