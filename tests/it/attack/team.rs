//! Machines of a team that share a ledger on PostgreSQL, with clocks hours apart: none of them is reliable, nor is the
//! way to the database. `TILLDECK_TEAM_SECONDS` is the length of each disturbance.

use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::counting::Manner;
use super::field::{Field, beside, lasting, pause, signal, times};
use crate::postgres::{Proxy, Schema};

const MACHINES: usize = 6;

/// The team, its database, and the way there.
struct Team {
    field: Field,
    schema: Schema,
    proxy: Proxy,
    killed: AtomicUsize,
    stopped: AtomicUsize,
}

impl Team {
    fn new(field: Field) -> Self {
        let schema = Schema::new();
        let proxy = Proxy::start(&schema.url);
        let game = field.game();
        let config = |number| game.clone() + &schema.config(&format!("machine {number}"));
        let mut field = field.on_machines(MACHINES, config);
        let library = faketime();
        if library.is_none() {
            println!("figure: clocks hours apart: not run, there is no libfaketime");
        }
        for (number, machine) in field.machines_mut().iter_mut().enumerate() {
            Schema::join(machine, &proxy.url(&schema.url));
            if let Some(library) = &library {
                let ahead = ["+0", "+1h", "-1h", "+2h", "-2h", "+3h"][number % 6];
                // Waits are until an instant of the monotonic clock, which the kernel knows as it is.
                let monotonic = ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into());
                let moved = [
                    ("LD_PRELOAD", library.into()),
                    ("FAKETIME", ahead.into()),
                    monotonic,
                ];
                let moved = moved.map(|(name, value)| (name.to_owned(), value));
                machine.variables.extend(moved);
            }
        }
        Schema::init(field.place());
        Self {
            field,
            schema,
            proxy,
            killed: AtomicUsize::new(0),
            stopped: AtomicUsize::new(0),
        }
    }

    /// Breaks some of the ways to the database.
    fn disturb(&self, random: &mut fastrand::Rng) {
        std::thread::sleep(Duration::from_millis(random.u64(500..2_500)));
        if random.bool() {
            return self.proxy.cut(random, 30);
        }
        for port in self.proxy.ports() {
            if random.u8(0..100) < 30 {
                self.schema.rows(&format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = {port}"
                ));
            }
        }
    }

    /// Breaks some of them again and again while work goes on; returns how often.
    fn disturbed(&self, work: impl FnOnce()) -> usize {
        let (mut random, mut breaks) = (fastrand::Rng::with_seed(7), 0);
        let harm = || {
            self.disturb(&mut random);
            breaks += 1;
        };
        beside(harm, work);
        breaks
    }

    fn kill(&self, child: &Child) {
        signal(child, Signal::KILL);
        self.killed.fetch_add(1, Ordering::Relaxed);
    }

    fn stop(&self, child: &Child, time: Duration) {
        signal(child, Signal::STOP);
        self.stopped.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(time);
        signal(child, Signal::CONT);
    }

    fn disturbances(&self, breaks: usize) -> String {
        let [killed, stopped] = [&self.killed, &self.stopped].map(|n| n.load(Ordering::Relaxed));
        format!(
            "{MACHINES} machines, {killed} processes killed, {stopped} stopped, connections broken {breaks} times"
        )
    }
}

/// The library that moves clocks, where it is installed.
fn faketime() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TILLDECK_FAKETIME") {
        return Some(named.into());
    }
    let triples = std::fs::read_dir("/usr/lib").ok()?;
    let mut libraries = triples
        .filter_map(Result::ok)
        .map(|triple| triple.path().join("faketime/libfaketime.so.1"));
    libraries.find(|library| library.exists())
}

fn length() -> Duration {
    let seconds = std::env::var("TILLDECK_TEAM_SECONDS").ok();
    Duration::from_secs(seconds.map_or(40, |seconds| seconds.parse().unwrap()))
}

/// One request without a nonce.
fn request() -> Vec<String> {
    let words = ["request", "game", "POST", "/x", "--data", "{}", "--yes"];
    words.map(str::to_owned).into()
}

/// A check of so many payments.
fn checks(count: usize) -> Vec<String> {
    let payments = (0..count).map(|number| format!("A-{number}"));
    std::iter::once("check".to_owned())
        .chain(payments)
        .collect()
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn machines_of_a_team_use_nearly_all_of_a_limit() {
    // So slow that a busy machine keeps up.
    let field = Field::new(20, 10, Manner::taking(20));
    let team = Team::new(field.running(checks(2_000)));
    let field = &team.field;
    field.work(MACHINES, times(MACHINES), |child, _| {
        std::thread::sleep(length());
        signal(child, Signal::INT);
    });
    let used = field.used();
    let count = field.judge(&format!(
        "{MACHINES} machines undisturbed, {used} per mille used"
    ));
    assert_eq!(count.backwards, 0, "{count:?}");
    assert!(used >= 970, "{used} per mille used");
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn machines_of_a_team_exceed_no_limit() {
    const PERIOD: u64 = 5;
    // So few that processes of one request each reach it, although they take long to start.
    let field = Field::new(12, PERIOD, Manner::taking(40));
    let team = Team::new(field.running(request()));
    let field = &team.field;
    let breaks = team.disturbed(|| {
        field.work(
            3 * MACHINES,
            lasting(length()),
            |child, random| match random.u8(0..40) {
                0 => {
                    pause(random, 1_000);
                    team.kill(child);
                }
                1 => {
                    pause(random, 500);
                    team.stop(child, Duration::from_millis(PERIOD * 1_300));
                }
                _ => {}
            },
        );
    });
    let used = field.used();
    field.judge(&format!(
        "{}, {used} per mille used",
        team.disturbances(breaks)
    ));
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn machines_of_a_team_use_nearly_all_of_a_limit_although_some_processes_are_killed() {
    // What a killed process had in flight blocks its slot for minutes: of few slots, that would be much.
    let field = Field::new(240, 80, Manner::taking(20));
    let team = Team::new(field.running(request()));
    let field = &team.field;
    let breaks = team.disturbed(|| {
        field.work(2 * MACHINES, lasting(6 * length()), |child, random| {
            if random.u8(0..200) == 0 {
                pause(random, 200);
                team.kill(child);
            }
        });
    });
    let used = field.used();
    field.judge(&format!(
        "{}, {used} per mille used",
        team.disturbances(breaks)
    ));
    assert!(used >= 970, "{used} per mille used");
}

#[test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
fn machines_of_a_team_send_the_nonces_of_one_key_in_order() {
    let field = Field::new(5_000, 2, Manner::taking(20));
    let team = Team::new(field.running(checks(40)));
    let field = &team.field;
    let breaks = team.disturbed(|| {
        field.work(MACHINES, lasting(length()), |child, random| {
            match random.u8(0..4) {
                0 => {
                    pause(random, 3_000);
                    team.kill(child);
                }
                // Longer than another machine waits for a process that seems dead.
                1 => {
                    pause(random, 1_000);
                    team.stop(child, Duration::from_millis(random.u64(1_000..8_000)));
                }
                _ => {}
            }
        });
    });
    let count = field.judge(&team.disturbances(breaks));
    assert_eq!(count.backwards, 0, "{count:?}");
}
