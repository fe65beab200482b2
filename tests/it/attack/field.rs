//! Several processes with one account, on one machine or on several, at a provider that counts for itself.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tilldeck::clock::Clock;

use super::counting::{Count, CountingPeer, Manner};
use crate::program::Place;

/// Machines with the same account and a limit of its own at a peer that counts.
pub struct Field {
    /// Each with its own home and state folder.
    machines: Vec<Place>,
    peer: CountingPeer,
    limit: usize,
    period: Duration,
    arguments: Vec<String>,
}

impl Field {
    /// One machine; its processes check eight payments each.
    pub fn new(limit: usize, period: u64, manner: Manner) -> Self {
        let peer = CountingPeer::start(manner);
        let place = Place::with_shop(&peer.url);
        let config = std::fs::read_to_string(place.config_path()).unwrap();
        let budget = format!("budget = {{ requests = {limit}, period = \"{period}s\" }}\n");
        std::fs::write(place.config_path(), config + &budget).unwrap();
        let arguments = ["check", "A", "B", "C", "D", "E", "F", "G", "H"];
        Self {
            machines: vec![place],
            peer,
            limit,
            period: Duration::from_secs(period),
            arguments: arguments.map(str::to_owned).into(),
        }
    }

    /// The lines of an account of a provider without nonces, with the same limit.
    pub fn game(&self) -> String {
        format!(
            "[profiles.live.accounts.game]\nprovider = \"kongregate\"\napi_key = {{ env = \"TEST_API_SECRET\" }}\n\
             endpoints = {{ api = \"{}/api\" }}\nbudget = {{ requests = {}, period = \"{}s\" }}\n",
            self.peer.url,
            self.limit,
            self.period.as_secs()
        )
    }

    /// More machines with the same account; `more` is added to the config of each, by its number.
    pub fn on_machines(self, count: usize, more: impl Fn(usize) -> String) -> Self {
        let config = std::fs::read_to_string(self.place().config_path()).unwrap();
        let machines =
            (0..count).map(|number| Place::with_config(&(config.clone() + &more(number))));
        Self {
            machines: machines.collect(),
            ..self
        }
    }

    /// Its processes do this instead.
    pub fn running(self, arguments: Vec<String>) -> Self {
        Self { arguments, ..self }
    }

    /// The first machine.
    pub fn place(&self) -> &Place {
        &self.machines[0]
    }

    pub fn machines_mut(&mut self) -> &mut [Place] {
        &mut self.machines
    }

    /// How much of the limit was used, in tenths of a per cent.
    pub fn used(&self) -> u128 {
        self.peer.used(self.limit, self.period)
    }

    /// A check of these payments on the first machine, not started yet.
    pub fn check(&self, ids: &[&str]) -> Command {
        quiet(self.place().command(&[&["check"], ids].concat()))
    }

    /// Lets so many workers start processes, one after another, and do `meddle` to each, while they shall `go_on`.
    pub fn work(
        &self,
        workers: usize,
        go_on: impl Fn() -> bool + Sync,
        meddle: impl Fn(&mut Child, &mut fastrand::Rng) + Sync,
    ) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        std::thread::scope(|scope| {
            for (seed, machine) in self.machines.iter().cycle().take(workers).enumerate() {
                let (go_on, meddle, arguments) = (&go_on, &meddle, &arguments);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed as u64);
                    while go_on() {
                        let mut child = quiet(machine.command(arguments)).spawn().unwrap();
                        meddle(&mut child, &mut random);
                        child.wait().unwrap();
                    }
                });
            }
        });
    }

    pub fn judge(&self, what: &str) -> Count {
        let count = self.peer.count(self.limit, self.period);
        println!(
            "figure: {what}: {} requests, most in a period {} of {}, nonces reused {}, backwards {}",
            count.requests, count.most, self.limit, count.reused, count.backwards
        );
        let short_by = count.short_by;
        assert!(
            count.most <= self.limit,
            "{short_by:?} too early: {count:?}"
        );
        assert_eq!(count.reused, 0, "{count:?}");
        count
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// So many times.
pub fn times(most: usize) -> impl Fn() -> bool + Sync {
    let done = AtomicUsize::new(0);
    move || done.fetch_add(1, Ordering::Relaxed) < most
}

/// For so long from now on.
pub fn lasting(time: Duration) -> impl Fn() -> bool + Sync {
    let clock = Clock::system();
    let end = clock.now().mono + time;
    move || clock.now().mono < end
}

pub fn signal(child: &Child, signal: Signal) {
    let process = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let _ = rustix::process::kill_process(process, signal);
}

pub fn pause(random: &mut fastrand::Rng, most: u64) {
    std::thread::sleep(Duration::from_millis(random.u64(0..most)));
}

/// Does harm again and again while work goes on.
pub fn beside(mut harm: impl FnMut() + Send, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                harm();
            }
        });
        work();
        over.store(true, Ordering::Relaxed);
    });
}
