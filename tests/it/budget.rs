//! The rate budget end to end: processes and decks that share a state folder on one side; on the other the served
//! simulator, and a provider that counts for itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tilldeck::clock::Clock;
use tilldeck::config::{self, Environ, Vault};
use tilldeck::deck::{Deck, Handover, Options};
use tilldeck::domain::{AccountId, BudgetGauge, Counts, ProblemKind, RawCall};
use tilldeck::net::{Event, Network};
use tilldeck::providers::SPECS;

use crate::deck::how;
use crate::peer::{Act, Peer, json, reply};
use crate::program::{Place, Ran};
use crate::simulated::{API, OFFER, PRICE, Simulated};

const GRANTED: &str =
    r#"{"access_token":"token-a-0000000001","expires_in":3600,"token_type":"bearer"}"#;
const PATH: &str = "/sales-manager-api/api/v1/offers";

/// A place whose account "keys" fetches its tokens from one server and speaks to another.
fn placed(token: &str, gateway: &str, budget: &str) -> Place {
    Place::with_config(&format!(
        "default_profile = \"live\"\n[profiles.live.accounts.keys]\nprovider = \"kinguin\"\nenvironment = \"sandbox\"\n\
         client_id = \"client-of-a-test\"\nclient_secret = {{ env = \"TEST_API_SECRET\" }}\n\
         endpoints = {{ token = \"{token}/auth/token\", gateway = \"{gateway}\" }}\nbudget = {{ {budget} }}\n"
    ))
}

/// Runs so many at once, each with these arguments.
fn at_once(simulated: &Simulated, times: usize, arguments: &[&str]) -> Vec<Ran> {
    let start = || {
        let mut command = simulated.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..times).map(|_| start()).collect();
    let ended = children
        .into_iter()
        .map(|child| child.wait_with_output().unwrap());
    ended.map(|output| Ran::ended(arguments, output)).collect()
}

fn codes(all: &[Ran]) -> Vec<i32> {
    let mut codes: Vec<i32> = all.iter().map(|ran| ran.code).collect();
    codes.sort_unstable();
    codes
}

/// The statuses of the calls to the gateway, oldest first.
fn statuses(simulated: &Simulated) -> Vec<u64> {
    let log = simulated.log();
    let calls = log
        .iter()
        .filter(|row| row["url"].as_str().unwrap().contains("/offers/"));
    calls.map(|row| row["status"].as_u64().unwrap()).collect()
}

#[test]
fn processes_that_do_not_wait_use_up_the_budget_and_the_rest_end_with_6() {
    let simulated = Simulated::start(&[], "budget = { requests = 3, period = \"60s\" }\n");
    simulated.trigger(&["set", "kinguin", "limit-writes", "3"]);
    assert_eq!(simulated.run(&["token", "refresh", "keys"]).code, 0);
    let setup = format!("{API}/offers/{OFFER}");
    let write = ["request", "keys", "PATCH", &setup, "--data", PRICE, "--yes"];
    let all = at_once(&simulated, 5, &[&write[..], &["--no-wait"]].concat());
    assert_eq!(codes(&all), [0, 0, 0, 6, 6], "{all:?}");
    for ran in all.iter().filter(|ran| ran.code == 6) {
        assert!(ran.out.is_empty(), "{ran:?}");
        let said = "account keys: the rate budget of 3 writes in 1 min is used up";
        assert!(
            ran.err.contains(said) && ran.err.contains("--no-wait"),
            "{ran:?}"
        );
    }
    let told = simulated.run(&[&write[..], &["--no-wait", "--json"]].concat());
    assert_eq!(told.code, 6, "{told:?}");
    let error = &told.object()["error"];
    assert_eq!(error["kind"], "budget_exhausted", "{error}");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("the next slot frees in 5"),
        "{error}"
    );
    let read = ["request", "keys", "GET", &setup, "--no-wait"];
    assert_eq!(simulated.run(&read).code, 0, "reads are counted apart");
    assert_eq!(statuses(&simulated), [200; 4]);
}

#[test]
fn processes_that_wait_are_all_served_and_the_provider_never_answers_429() {
    // The simulator's minute is a second of ours.
    let simulated = Simulated::start(
        &["--speed", "60"],
        "budget = { requests = 3, period = \"1s\" }\n",
    );
    simulated.trigger(&["set", "kinguin", "limit-writes", "3"]);
    let setup = format!("{API}/offers/{OFFER}");
    let write = ["request", "keys", "PATCH", &setup, "--data", PRICE, "--yes"];
    let all = at_once(&simulated, 5, &write);
    assert_eq!(codes(&all), [0; 5], "{all:?}");
    assert_eq!(statuses(&simulated), [200; 5]);
}

#[test]
fn a_process_killed_in_mid_request_leaves_its_slot_taken() {
    let token = Peer::start(vec![json(GRANTED)]);
    let gateway = Peer::start(vec![Act::Silence]);
    let place = placed(&token.url, &gateway.url, "requests = 1, period = \"60s\"");
    let write = ["request", "keys", "POST", PATH, "--data", "{}", "--yes"];
    let mut killed = place.command(&write).stderr(Stdio::null()).spawn().unwrap();
    gateway.wait_for_one();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let after = place.run(&[&write[..], &["--no-wait"]].concat());
    assert_eq!(after.code, 6, "{after:?}");
    assert!(
        after
            .err
            .contains("the rate budget of 1 write in 1 min is used up"),
        "{after:?}"
    );
    assert_eq!(gateway.requests().len(), 1);
}

#[test]
fn a_429_by_someone_else_is_obeyed_by_every_process() {
    let token = Peer::start(vec![json(GRANTED)]);
    let turned_away = reply("429 Too Many Requests", "Retry-After: 600\r\n", "");
    let gateway = Peer::start(vec![turned_away, json("[]")]);
    let place = placed(&token.url, &gateway.url, "requests = 100, period = \"60s\"");
    let read = ["request", "keys", "GET", PATH];
    for _ in 0..2 {
        let ran = place.run(&[&read[..], &["--no-wait"]].concat());
        assert_eq!(ran.code, 6, "{ran:?}");
        let said =
            "account keys: the provider responded with 429 and accepts no requests for another ";
        assert!(
            ran.err.contains(said) && ran.err.contains("another program may be using"),
            "{ran:?}"
        );
        assert_eq!(gateway.requests().len(), 1, "the second does not even ask");
    }
    // Longer than anybody waits.
    let ran = place.run(&[&read[..], &["--json"]].concat());
    assert_eq!(ran.code, 5, "{ran:?}");
    let message = ran.object()["error"]["message"].clone();
    assert!(
        message
            .as_str()
            .unwrap()
            .contains("accepts no requests for another 9 min"),
        "{message}"
    );
    assert_eq!(gateway.requests().len(), 1);
}

#[test]
fn a_short_retry_after_is_waited_for() {
    let token = Peer::start(vec![json(GRANTED)]);
    let turned_away = reply("429 Too Many Requests", "Retry-After: 1\r\n", "");
    let gateway = Peer::start(vec![turned_away, json("[]")]);
    let place = placed(&token.url, &gateway.url, "requests = 100, period = \"60s\"");
    let clock = Clock::system();
    let write = ["request", "keys", "POST", PATH, "--data", "{}", "--yes"];
    let ran = place.run(&write);
    assert_eq!((ran.code, ran.out.as_str()), (0, "[]"), "{ran:?}");
    assert!(clock.now().mono >= Duration::from_secs(1));
    assert_eq!(
        gateway.requests().len(),
        2,
        "a call turned away was not carried out"
    );
}

/// A provider with a limit of its own: it counts what arrives in a sliding window, answers 429 beyond, takes its
/// time both ways, and loses one reply in nine.
struct Turnstile {
    url: String,
    counted: Arc<Mutex<Counted>>,
}

#[derive(Default)]
struct Counted {
    arrived: Vec<Duration>,
    over: usize,
}

impl Turnstile {
    fn start(limit: usize, period: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let counted = Arc::new(Mutex::new(Counted::default()));
        let (all, clock) = (counted.clone(), Clock::system());
        std::thread::spawn(move || {
            for (number, stream) in (0..).zip(listener.incoming()) {
                let (all, clock) = (all.clone(), clock.clone());
                std::thread::spawn(move || {
                    let rng = fastrand::Rng::with_seed(number);
                    let _ = pass(&stream.unwrap(), rng, &clock, &all, (limit, period));
                });
            }
        });
        Self { url, counted }
    }
}

fn pass(
    mut stream: &TcpStream,
    mut rng: fastrand::Rng,
    clock: &Clock,
    all: &Mutex<Counted>,
    (limit, period): (usize, Duration),
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut line = String::from("-");
        while !line.trim().is_empty() {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        std::thread::sleep(Duration::from_millis(rng.u64(0..30)));
        let over = {
            let mut counted = all.lock().unwrap();
            let now = clock.now().mono;
            counted.arrived.push(now);
            let recent = counted.arrived.iter().filter(|at| **at + period > now);
            let over = recent.count() > limit;
            counted.over += usize::from(over);
            over
        };
        std::thread::sleep(Duration::from_millis(rng.u64(0..30)));
        if rng.u8(0..9) == 0 {
            return Ok(());
        }
        let status = if over {
            "429 Too Many Requests"
        } else {
            "200 OK"
        };
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n[]")?;
    }
}

/// A deck on the place, by the system's clock.
async fn open(place: &Place, events: Option<tilldeck::net::EventSender>) -> Deck {
    let locations = place.locations(Environ::of([(
        "TEST_API_SECRET",
        crate::program::API_SECRET,
    )]));
    let config = config::load(&locations, &SPECS).unwrap();
    let options = Options {
        overrides: tilldeck::net::Overrides::default(),
        receive: None,
        ledger: config::LedgerConfig::default(),
        callbacks: config::Callbacks::default(),
        hooks: config::Hooks::default(),
        handover: Handover::default(),
        recording: None,
        renew: true,
        state_dir: place.state(),
        clock: Clock::system(),
        network: Network::default(),
        events,
        environ: locations.environ.clone(),
        config: locations.config.clone(),
        vault: Vault::files(place.state().join(config::VAULT)),
    };
    let profile = config.profile(None).unwrap();
    Deck::open(profile, options).await.unwrap()
}

fn keys() -> AccountId {
    AccountId::new("keys").unwrap()
}

fn write() -> RawCall {
    RawCall {
        method: "DELETE".into(),
        path: PATH.into(),
        body: None,
        auth: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_network_does_no_window_at_the_provider_holds_more_than_the_limit() {
    const LIMIT: usize = 6;
    const PERIOD: Duration = Duration::from_millis(250);
    let token = Peer::start(vec![json(GRANTED)]);
    let gateway = Turnstile::start(LIMIT, PERIOD);
    let budget = format!("requests = {LIMIT}, period = \"{}ms\"", PERIOD.as_millis());
    let place = placed(&token.url, &gateway.url, &budget);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let deck = Arc::new(open(&place, None).await);
        for _ in 0..8 {
            let deck = deck.clone();
            calls.spawn(async move { deck.raw(&keys(), &write(), how()).await });
        }
    }
    let mut answered = 0;
    while let Some(done) = calls.join_next().await {
        match done.unwrap() {
            Ok(raw) => {
                assert_eq!(raw.status, 200);
                answered += 1;
            }
            // A write is not sent again when its reply is lost.
            Err(problem) => assert_eq!(problem.kind, ProblemKind::Unreachable, "{problem:?}"),
        }
    }
    let counted = gateway.counted.lock().unwrap();
    assert_eq!(counted.over, 0, "{:?}", counted.arrived);
    assert_eq!(counted.arrived.len(), 24, "each was sent once");
    assert!(answered > 12, "{answered}");
    for window in counted.arrived.windows(LIMIT + 1) {
        assert!(window[LIMIT] >= window[0] + PERIOD, "{window:?}");
    }
}

#[tokio::test]
async fn a_waiting_request_that_is_cancelled_uses_no_slot() {
    let token = Peer::start(vec![json(GRANTED)]);
    let gateway = Peer::start(vec![json("[]")]);
    let place = placed(&token.url, &gateway.url, "requests = 1, period = \"60s\"");
    let (to, mut events) = tilldeck::net::events::channel();
    let deck = Arc::new(open(&place, Some(to)).await);
    deck.raw(&keys(), &write(), how()).await.unwrap();
    let waits = tokio::spawn({
        let deck = deck.clone();
        async move { deck.raw(&keys(), &write(), how()).await }
    });
    let waiting = loop {
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await;
        if let Event::Waiting(_, Some(waiting)) = event.expect("it is told").unwrap() {
            break waiting;
        }
    };
    assert_eq!(waiting.why, "rate limit reached");
    let writes = async || -> BudgetGauge {
        let gauges = deck
            .gauges()
            .await
            .unwrap()
            .into_iter()
            .map(|(_, gauge)| gauge);
        let mut writes = gauges.filter(|gauge| gauge.counts == Counts::Writes);
        writes.next().unwrap()
    };
    assert_eq!(writes().await.waiting, 1);
    waits.abort();
    assert!(waits.await.unwrap_err().is_cancelled());
    let gauge = writes().await;
    assert_eq!((gauge.used, gauge.waiting), (1, 0), "{gauge:?}");
    assert_eq!(gateway.requests().len(), 1);
}
