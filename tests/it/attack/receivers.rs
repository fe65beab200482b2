//! Two receivers of a team, each on a machine of its own, with one key and one database: whatever is killed, no callback
//! that was answered 200 is lost. `TILLDECK_TEAM_KILLS` is the number of kills.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::balancer::Balancer;
use crate::peer::{Peer, Seen, free_port, json as reply};
use crate::postgres::{Schema, Server};
use crate::program::{API_SECRET, Listener, Place, send};

/// How long a dead receiver's jobs may wait for another one, and then for their turn.
const SECONDS_FOR_JOBS: usize = 180;

/// So often a callback is sent in about two minutes.
const ATTEMPTS_MAX: usize = 2_000;

struct Receivers {
    shop: Peer,
    places: [Place; 2],
    ports: [u16; 2],
    running: [Mutex<Option<Listener>>; 2],
    /// Where callbacks are sent; without it, to one receiver after the other.
    balancer: Option<Balancer>,
}

impl Receivers {
    fn start(schema: &Schema) -> Self {
        let shop = Peer::choosing(|number, _| {
            std::thread::sleep(Duration::from_millis(number as u64 % 20));
            reply(r#"{"state":"completed"}"#)
        });
        let places = ["one", "two"].map(|operator| {
            let account = "endpoints = { token = \"http://127.0.0.1:9/token\", gateway = \"http://127.0.0.1:9\" }";
            let mut place = Place::with_config(&format!(
                "default_profile = \"live\"\n[profiles.live.accounts.keys]\nprovider = \"kinguin\"\nclient_id = \"c\"\n\
                 client_secret = {{ env = \"TEST_API_SECRET\" }}\nwebhook_secret = {{ env = \"TEST_API_SECRET\" }}\n\
                 {account}\n[profiles.live.accounts.game]\nprovider = \"kongregate\"\n\
                 api_key = {{ env = \"TEST_API_SECRET\" }}\nendpoints = {{ api = \"http://127.0.0.1:9/api\" }}\n\
                 {}",
                schema.config(operator)
            ));
            Schema::join(&mut place, &schema.url);
            place
        });
        Schema::init(&places[0]);
        let ports = [free_port(), free_port()];
        let receivers = Self {
            shop,
            places,
            ports,
            running: [Mutex::new(None), Mutex::new(None)],
            balancer: Balancer::before(ports),
        };
        receivers.start_again(0);
        receivers.start_again(1);
        receivers
    }

    /// Kills one with SIGKILL, if it runs, and starts it again.
    fn start_again(&self, number: usize) {
        let killed = self.running[number].lock().unwrap().take();
        drop(killed);
        let [keys, game] =
            ["keys", "game"].map(|account| format!("{account}={}/{account}", self.shop.url));
        let address = format!("127.0.0.1:{}", self.ports[number]);
        let arguments = [
            "listen",
            "--bind",
            &address,
            "--forward-to",
            &keys,
            "--forward-to",
            &game,
        ];
        let started = Listener::spawn(&mut self.places[number].command(&arguments));
        *self.running[number].lock().unwrap() = Some(started);
    }

    /// Starts those again that have ended, as a supervisor does: one ends if its database goes before it listens.
    fn supervise(&self) {
        for number in [0, 1] {
            let mut running = self.running[number].lock().unwrap();
            let ended = running.as_mut().is_none_or(Listener::has_ended);
            drop(running);
            if ended {
                self.start_again(number);
            }
        }
    }

    fn send(&self, number: usize, callback: &Callback) -> Option<u16> {
        let url = match &self.balancer {
            Some(balancer) => balancer.url.clone(),
            None => format!("http://127.0.0.1:{}", self.ports[number]),
        };
        let (target, headers) = (callback.target, &callback.headers);
        send(&url, "POST", target, headers, &callback.body).map(|(status, _)| status)
    }

    /// Sends a callback to one receiver after the other until one answers 200, as providers do; returns how often.
    fn deliver(&self, number: usize) -> usize {
        let callback = Callback::of(number);
        for attempt in 0..ATTEMPTS_MAX {
            if self.send((number + attempt) % 2, &callback) == Some(200) {
                return attempt + 1;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no receiver accepts callback {number}");
    }

    /// How often the shop got each callback.
    fn forwarded(&self) -> HashMap<String, usize> {
        let mut forwarded = HashMap::new();
        for seen in self.shop.requests() {
            *forwarded.entry(id_of(&seen)).or_insert(0) += 1;
        }
        forwarded
    }

    fn saved(&self) -> Vec<Value> {
        let ran = self.places[0].run(&["log", "--deliveries", "--json", "--limit", "1000000"]);
        assert_eq!(ran.code, 0, "{}", ran.err);
        ran.objects()
    }
}

/// A callback as a provider sends it.
struct Callback {
    target: &'static str,
    headers: String,
    body: String,
}

impl Callback {
    /// A reservation for each even number, an order for each odd one.
    fn of(number: usize) -> Self {
        let id = id(number);
        if number.is_multiple_of(2) {
            let at = "2026-01-01T00:00:00.000+0000";
            let body = json!({ "reservationId": id, "status": "BOUGHT", "updatedAt": at });
            return Self {
                target: "/callbacks/keys",
                headers: format!(
                    "Content-Type: application/json\r\nX-Auth-Token: {API_SECRET}\r\n"
                ),
                body: body.to_string(),
            };
        }
        let order =
            json!({ "algorithm": "HMAC-SHA256", "event": "item_order_placed", "order_id": id });
        let payload = URL_SAFE_NO_PAD.encode(order.to_string());
        let mut mac = Hmac::<Sha256>::new_from_slice(API_SECRET.as_bytes()).unwrap();
        mac.update(payload.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Self {
            target: "/callbacks/game",
            headers: "Content-Type: application/x-www-form-urlencoded\r\n".to_owned(),
            body: format!("signed_request={signature}.{payload}"),
        }
    }
}

fn id(number: usize) -> String {
    format!("C-{number:06}")
}

/// The id of a callback that the shop got.
fn id_of(seen: &Seen) -> String {
    let fields = match seen.body.strip_prefix("signed_request=") {
        None => seen.body.clone(),
        Some(signed) => {
            let (_, payload) = signed.split_once('.').unwrap();
            String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
        }
    };
    let fields: Value = serde_json::from_str(&fields).unwrap();
    let id = fields["reservationId"]
        .as_str()
        .or(fields["order_id"].as_str());
    id.unwrap().to_owned()
}

/// What was sent during the kills.
struct Sent {
    callbacks: usize,
    attempts: usize,
    of_database: usize,
}

/// Sends callbacks while receivers and the database are killed this often.
fn send_during(kills: usize, receivers: &Receivers, server: &Server) -> Sent {
    let (next, sent, over) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicBool::new(false),
    );
    let (mut random, mut of_database) = (fastrand::Rng::with_seed(11), 0);
    std::thread::scope(|scope| {
        let senders = [(); 8].map(|()| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    sent.fetch_add(receivers.deliver(number), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(5));
                }
            })
        });
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(random.u64(100..1_000)));
            match random.usize(0..3) {
                2 => {
                    of_database += 1;
                    server.kill();
                    std::thread::sleep(Duration::from_millis(random.u64(0..500)));
                    server.go();
                }
                receiver => receivers.start_again(receiver),
            }
            receivers.supervise();
        }
        over.store(true, Ordering::Relaxed);
        while senders.iter().any(|sender| !sender.is_finished()) {
            receivers.supervise();
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    Sent {
        callbacks: next.into_inner(),
        attempts: sent.into_inner(),
        of_database,
    }
}

#[test]
#[ignore = "needs PostgreSQL's programs"]
fn kills_of_receivers_and_of_the_database_lose_no_callback() {
    let Some(server) = Server::start() else {
        println!(
            "figure: kills of receivers and of the database: not run, PostgreSQL is not installed"
        );
        return;
    };
    let schema = Schema::of(&server.url());
    let receivers = Receivers::start(&schema);
    let kills: usize =
        std::env::var("TILLDECK_TEAM_KILLS").map_or(50, |kills| kills.parse().unwrap());
    let Sent {
        callbacks,
        attempts,
        of_database,
    } = send_during(kills, &receivers, &server);
    let (orders, reservations): (Vec<usize>, Vec<usize>) =
        (0..callbacks).partition(|number| number % 2 == 1);
    for _ in 0..SECONDS_FOR_JOBS {
        receivers.supervise();
        let forwarded = receivers.forwarded();
        if reservations
            .iter()
            .all(|number| forwarded.contains_key(&id(*number)))
        {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    let forwarded = receivers.forwarded();
    let times = |number: &usize| forwarded.get(&id(*number)).copied().unwrap_or(0);
    let mut accepted: HashMap<String, usize> = HashMap::new();
    let saved = receivers.saved();
    for row in &saved {
        let once = usize::from(row["verdict"] == "accepted");
        *accepted
            .entry(row["payment"].as_str().unwrap_or_default().to_owned())
            .or_default() += once;
    }
    let not_once = |number: &usize| accepted.get(&id(*number)) != Some(&1);
    let lost: Vec<String> = (0..callbacks).filter(not_once).map(id).collect();
    let idle: Vec<String> = reservations
        .iter()
        .filter(|number| times(number) == 0)
        .map(|n| id(*n))
        .collect();
    let twice: Vec<String> = orders
        .iter()
        .filter(|number| times(number) > 1)
        .map(|n| id(*n))
        .collect();
    let relayed = orders.iter().filter(|number| times(number) == 1).count();
    let again = reservations
        .iter()
        .filter(|number| times(number) > 1)
        .count();
    println!(
        "figure: {}, {kills} kills, {of_database} of the database: {callbacks} callbacks answered 200 after {} tries, {} rows, \
         {} not accepted exactly once, {} forwards not done, {again} done more than once, {relayed} of {} orders relayed, \
         {} more than once",
        match receivers.balancer {
            Some(_) => "HAProxy before two receivers",
            None => "two receivers by turns, HAProxy is not installed",
        },
        attempts,
        saved.len(),
        lost.len(),
        idle.len(),
        orders.len(),
        twice.len()
    );
    assert_eq!((lost, idle, twice), (vec![], vec![], vec![]));
}

#[test]
#[ignore = "needs PostgreSQL's programs"]
fn a_receiver_outlives_a_database_that_is_away_for_long() {
    let Some(server) = Server::start() else {
        println!("figure: a database away for 20 s: not run, PostgreSQL is not installed");
        return;
    };
    let schema = Schema::of(&server.url());
    let receivers = Receivers::start(&schema);
    assert_eq!(receivers.deliver(0), 1);
    server.kill();
    // Longer than a receiver goes on that cannot receive for another reason.
    std::thread::sleep(Duration::from_secs(20));
    server.go();
    receivers.deliver(1);
    std::thread::sleep(Duration::from_secs(3));
    for running in &receivers.running {
        let mut running = running.lock().unwrap();
        assert!(!running.as_mut().unwrap().has_ended());
    }
    println!("figure: a database away for 20 s: both receivers went on");
}
