//! Several processes, one of them in trouble: no nonce is sent twice and no limit is exceeded, whatever becomes of
//! the processes, the ledger, its file system and the clock.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;

use super::counting::Manner;
use super::field::{Field, beside, pause, signal, times};
use crate::check::answer;
use crate::peer::{Peer, reply};
use crate::program::Place;

fn ledger(place: &Place) -> PathBuf {
    place.state().join("ledger.db")
}

/// Another program that has locked the ledger for itself.
fn locked(place: &Place) -> Connection {
    let other = Connection::open(ledger(place)).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    other
}

#[test]
fn who_does_not_wait_learns_of_a_locked_ledger_at_once_and_sends_nothing() {
    let peer = Peer::start(vec![answer("FINALIZED", "1", "EMT")]);
    let place = Place::with_shop(&peer.url);
    assert_eq!(place.run(&["check", "A"]).code, 0);
    let other = locked(&place);
    let write = ["request", "shop", "POST", "/api/x", "--data", "{}", "--yes"];
    let ran = place.run(&[&write[..], &["--no-wait"]].concat());
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("another program has locked"), "{ran:?}");
    assert_eq!(peer.requests().len(), 1);
    drop(other);
}

#[test]
fn a_wait_for_a_locked_ledger_is_reported_and_ends_when_it_is_free() {
    use std::io::{BufRead as _, BufReader};
    let peer = Peer::start(vec![answer("FINALIZED", "1", "EMT")]);
    let place = Place::with_shop(&peer.url);
    assert_eq!(place.run(&["check", "A"]).code, 0);
    let other = locked(&place);
    let mut child = place
        .command(&["check", "B"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    let waits = told.find(|line| {
        line.as_ref()
            .unwrap()
            .contains("another program has locked")
    });
    assert!(waits.is_some());
    other.execute_batch("COMMIT").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(peer.requests().len(), 2);
}

#[test]
#[ignore = "long: ten seconds"]
fn a_lock_of_some_seconds_fails_none_of_many_requests() {
    let peer = Peer::start(vec![answer("FINALIZED", "1", "EMT")]);
    let place = Place::with_shop(&peer.url);
    let list = place.path().join("ids");
    let ids: Vec<String> = (0..300).map(|number| format!("A-{number}")).collect();
    std::fs::write(&list, format!("id\n{}\n", ids.join("\n"))).unwrap();
    let child = place
        .command(&["check", "--from", list.to_str().unwrap(), "--csv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while peer.requests().len() < 20 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let other = Connection::open(ledger(&place)).unwrap();
    while other.execute_batch("BEGIN EXCLUSIVE").is_err() {}
    let before = peer.requests().len();
    std::thread::sleep(Duration::from_secs(9));
    drop(other);
    let ran = crate::program::Ran::ended(
        &["check", "--csv", "--from"],
        child.wait_with_output().unwrap(),
    );
    let sent = peer.requests().len();
    println!("figure: a lock of 9 s after {before} of 300 requests: {sent} sent");
    assert!(before < 300, "the lock came too late");
    assert_eq!((ran.code, sent), (0, 300), "{}", ran.err);
}

#[test]
fn without_a_ledger_one_who_insists_sends_within_a_tenth_of_the_limit() {
    let peer = Peer::start(vec![answer("FINALIZED", "1", "EMT")]);
    let place = Place::with_shop(&peer.url);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let config = format!("{config}budget = {{ requests = 20, period = \"60s\" }}\n");
    std::fs::write(place.config_path(), config).unwrap();
    std::fs::write(place.state(), "a file where the folder belongs").unwrap();
    let write = ["request", "shop", "POST", "/api/x", "--data", "{}", "--yes"];
    let ran = place.run(&write);
    assert_eq!((ran.code, peer.requests().len()), (2, 0), "{ran:?}");
    assert!(ran.err.contains("--uncoordinated"), "{ran:?}");
    let insisted = place.run(&[&write[..], &["--uncoordinated"]].concat());
    assert_eq!(
        (insisted.code, peer.requests().len()),
        (0, 1),
        "{insisted:?}"
    );
    let budget = place.run(&["budget", "--uncoordinated", "--json"]);
    assert_eq!(budget.object()["limit"], 2, "{budget:?}");
}

/// A provider whose clock shows this time, whatever ours is.
fn in_2020() -> Peer {
    let date = "Date: Wed, 01 Jan 2020 00:00:00 GMT\r\n";
    let body = r#"{"result":"ok","currency":"EMT","amount":"1","state":"FINALIZED"}"#;
    Peer::start(vec![reply("200 OK", date, body)])
}

#[test]
fn a_nonce_ahead_of_the_providers_time_is_sent_only_if_insisted_on() {
    let peer = in_2020();
    let place = Place::with_shop(&peer.url);
    // One reply alone may be wrong.
    for _ in 0..3 {
        let believed = place.run(&["check", "A"]);
        assert_eq!(believed.code, 0, "{believed:?}");
        let warned = believed.err.contains("ahead of shop's provider");
        assert!(warned, "{believed:?}");
    }
    let refused = place.run(&["check", "A"]);
    assert_eq!((refused.code, peer.requests().len()), (2, 3), "{refused:?}");
    let way_out = ["ahead of the provider's time", "create a new API key"];
    assert!(
        way_out.iter().all(|words| refused.err.contains(words)),
        "{refused:?}"
    );
    let insisted = place.run(&["check", "A", "--allow-nonce-ahead"]);
    assert_eq!(
        (insisted.code, peer.requests().len()),
        (0, 4),
        "{insisted:?}"
    );
    assert!(
        insisted.err.contains("the nonces of account shop are"),
        "{insisted:?}"
    );
}

#[test]
#[ignore = "long: a minute"]
fn a_hundred_kills_under_load_reuse_no_nonce_and_exceed_no_limit() {
    let field = Field::new(200, 3, Manner::taking(40).losing_one_of(12));
    let killed = AtomicUsize::new(0);
    field.work(6, times(170), |child, random| {
        pause(random, 500);
        if random.u8(..) < 180 {
            signal(child, Signal::KILL);
            killed.fetch_add(1, Ordering::Relaxed);
        }
    });
    let killed = killed.into_inner();
    assert!(killed >= 100, "{killed}");
    let count = field.judge(&format!("{killed} processes killed"));
    assert!(count.requests > 100, "{count:?}");
    let other = Connection::open(ledger(field.place())).unwrap();
    let whole: String = other
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
}

#[test]
#[ignore = "long: a minute"]
fn processes_stopped_for_longer_than_a_period_exceed_no_limit() {
    let field = Field::new(5, 2, Manner::taking(20));
    let stopped = AtomicUsize::new(0);
    field.work(6, times(24), |child, random| {
        for _ in 0..3 {
            pause(random, 400);
            signal(child, Signal::STOP);
            stopped.fetch_add(1, Ordering::Relaxed);
            pause(random, 4_000);
            signal(child, Signal::CONT);
        }
    });
    let count = field.judge(&format!(
        "{} stops of up to two periods",
        stopped.into_inner()
    ));
    assert_eq!(count.backwards, 0);
}

/// What is done to the files of a ledger in use.
fn ruin(state: &Path, random: &mut fastrand::Rng) {
    let file = |name: &str| state.join(name);
    let _ = match random.u8(0..6) {
        0 => std::fs::remove_file(file("ledger.db")),
        1 => std::fs::write(file("ledger.db"), "garbage"),
        2 => std::fs::OpenOptions::new()
            .write(true)
            .open(file("ledger.db"))
            .and_then(|file| file.set_len(5_000)),
        3 => std::fs::write(file("ledger.db-wal"), vec![7; 4_096]),
        4 => std::fs::remove_file(file("ledger.db-shm")),
        _ => std::fs::remove_file(file("ledger.lock")),
    };
}

#[test]
#[ignore = "long: a minute"]
fn a_ledger_that_is_removed_or_ruined_in_use_reuses_no_nonce() {
    let field = Field::new(5_000, 2, Manner::taking(10));
    let mut random = fastrand::Rng::with_seed(3);
    let mut ruined = 0;
    let ruining = || {
        std::thread::sleep(Duration::from_millis(300));
        ruin(&field.place().state(), &mut random);
        ruined += 1;
    };
    beside(ruining, || field.work(4, times(80), |_, _| ()));
    let count = field.judge(&format!("ledger ruined {ruined} times"));
    assert!(count.requests > 300, "{count:?}");
}

#[test]
#[ignore = "long: half a minute"]
fn a_lock_that_flaps_reuses_no_nonce() {
    let field = Field::new(5_000, 2, Manner::taking(5));
    assert!(
        field
            .check(&["A"])
            .spawn()
            .unwrap()
            .wait()
            .unwrap()
            .success()
    );
    let flapping = || {
        let other = Connection::open(ledger(field.place())).unwrap();
        if other.execute_batch("BEGIN EXCLUSIVE").is_ok() {
            std::thread::sleep(Duration::from_millis(6_500));
        }
        drop(other);
        std::thread::sleep(Duration::from_millis(50));
    };
    // Each waits for a minute where it must; long enough is long enough.
    let give_up = |child: &mut Child, _: &mut fastrand::Rng| {
        std::thread::sleep(Duration::from_secs(25));
        signal(child, Signal::KILL);
    };
    beside(flapping, || field.work(8, times(8), give_up));
    field.judge("a lock of 6.5 s on, 0.05 s off");
}

/// Runs each command with the wall clock moved, if libfaketime is there (named by `TILLDECK_FAKETIME`).
#[test]
#[ignore = "long: a minute; needs libfaketime"]
fn clocks_that_are_set_exceed_no_limit_and_reuse_no_nonce() {
    let Some(library) = std::env::var_os("TILLDECK_FAKETIME") else {
        println!("figure: clocks set by libfaketime: not run, TILLDECK_FAKETIME names no library");
        return;
    };
    let field = Field::new(20, 8, Manner::taking(5));
    assert!(
        field
            .check(&["A"])
            .spawn()
            .unwrap()
            .wait()
            .unwrap()
            .success()
    );
    let mut random = fastrand::Rng::with_seed(5);
    let steps = ["+0", "+9s", "-1h", "+1h", "+40d", "-400d", "+17s"];
    let children: Vec<Child> = (0..42)
        .map(|_| {
            let step = steps[random.usize(0..steps.len())];
            let mut command = field.check(&["A", "B"]);
            command.env("LD_PRELOAD", &library).env("FAKETIME", step);
            command.spawn().unwrap()
        })
        .collect();
    for mut child in children {
        child.wait().unwrap();
    }
    let count = field.judge("42 processes with clocks of -400 d to +40 d");
    assert_eq!(count.backwards, 0);
}

#[test]
#[ignore = "long: half a minute"]
fn twenty_processes_at_once_share_nonces_and_limit() {
    let field = Field::new(100, 2, Manner::taking(30));
    field.work(20, times(60), |_, _| ());
    let count = field.judge("20 processes at once");
    assert_eq!((count.requests, count.backwards), (480, 0));
}
