//! What the served sandbox and `sandbox trigger deliver` send, seen by a receiver that is told what to answer.

use serde_json::Value;

use crate::peer::{Act, Peer, Seen, reply};
use crate::program::{Place, Ran, Served};

fn answer(status: &str) -> Act {
    reply(status, "", "")
}

/// A sandbox whose callbacks go to a receiver, and a place to command it from.
struct Sent {
    peer: Peer,
    served: Served,
    place: Place,
}

impl Sent {
    fn start(acts: Vec<Act>, more: &[&str]) -> Self {
        let peer = Peer::start(acts);
        let place = Place::new();
        let all = ["--callback-url", peer.url.as_str()];
        let served = Served::start(&place, &[&all[..], more].concat());
        Self {
            peer,
            served,
            place,
        }
    }

    fn trigger(&self, what: &[&str]) -> Ran {
        let url = self.served.url.as_str();
        let ran = self
            .place
            .run(&[&["sandbox", "trigger", "--url", url], what].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    }

    /// The callbacks whose target begins so, once there are so many.
    fn seen(&self, target: &str, count: usize) -> Vec<Seen> {
        let there = |seen: &Seen| {
            let found = seen.head.split(' ').nth(1);
            found.is_some_and(|found| found.starts_with(target))
        };
        let what = format!("{count} × {target}");
        self.peer.wait_for(&what, |seen| {
            seen.iter().filter(|seen| there(seen)).count() >= count
        });
        let mut seen = self.peer.requests();
        seen.retain(there);
        assert_eq!(seen.len(), count, "{target}: {seen:?}");
        seen
    }

    /// The world's state, once it is so.
    fn until(&self, so: impl Fn(&Value) -> bool) -> Value {
        let get = "GET /_control/state HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        for _ in 0..20_000 {
            let answered = self.get(get);
            let body = answered.split_once("\r\n\r\n").unwrap().1;
            let state = serde_json::from_str(body).unwrap();
            if so(&state) {
                return state;
            }
        }
        panic!("the sandbox's state is not as wanted")
    }

    fn get(&self, wire: &str) -> String {
        use std::io::{Read as _, Write as _};
        let address = self.served.url.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(wire.as_bytes()).unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        all
    }
}

// docs/providers/kanga.md#callbacks, docs/providers/kinguin.md#webhooks, docs/providers/pledg.md#notifications
#[test]
fn each_providers_callback_arrives_proved_and_is_retried_as_the_provider_does() {
    // The first answer to each is no 200.
    let sent = Sent::start(vec![answer("500 Internal Server Error")], &[]);
    sent.trigger(&["event", "kanga", "callback", "ORDER-A"]);
    sent.trigger(&["event", "kinguin", "sale"]);
    sent.trigger(&["event", "pledg", "pay", "ORDER-3003"]);

    let kanga = sent.seen("/callbacks/kanga?transactionKey=ORDER-A", 1);
    assert!(kanga[0].head.starts_with("GET ") && kanga[0].body.is_empty());
    // At once, and once more at once.
    let kinguin = sent.seen("/callbacks/kinguin", 2);
    assert_eq!(
        kinguin[0].body, kinguin[1].body,
        "a repeat is the same message"
    );
    let header = kinguin[0].header("x-auth-token").unwrap();
    assert!(header.starts_with("SANDBOX-KINGUIN-WEBHOOK-SECRET"));
    let body: Value = serde_json::from_str(&kinguin[0].body).unwrap();
    assert_eq!(body["status"], "BUYING");
    let pledg = sent.seen("/callbacks/pledg", 1);
    let body: Value = serde_json::from_str(&pledg[0].body).unwrap();
    assert!(body["signature"].is_string() && body.as_object().unwrap().len() == 1);

    // What was seen here is noted there a little later; before that the clock must not move.
    let tried = |id: &str, attempts: u64| {
        sent.until(|state| {
            let waiting = &state["providers"]["kanga"]["callbacks_waiting"];
            let mut waiting = waiting.as_array().unwrap().iter();
            waiting
                .any(|one| one["query"].as_str().unwrap().ends_with(id) && one["tries"] == attempts)
        })
    };
    tried("ORDER-A", 1);
    let state = sent.until(|state| {
        let waiting = |provider: &str| state["callbacks"][provider]["waiting"].clone();
        waiting("kinguin")[0]["tries"] == 2 && waiting("pledg") == serde_json::json!([])
    });
    assert_eq!(state["callbacks"]["kinguin"]["waiting"][0]["status"], 500);
    let to = state["callbacks"]["kanga"]["to"].as_str().unwrap();
    assert_eq!(to, format!("{}/callbacks/kanga", sent.peer.url));
    let page = sent.get("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    assert!(
        page.contains(to) && page.contains("last status: 500"),
        "{page}"
    );

    sent.trigger(&["advance", "5m"]);
    sent.seen("/callbacks/kinguin", 3);
    for (wait, attempts) in [("10m", 2), ("1h", 3), ("6h", 4)] {
        sent.trigger(&["advance", wait]);
        let path = "/callbacks/kanga?transactionKey=ORDER-A";
        sent.seen(path, usize::try_from(attempts).unwrap());
        if attempts < 4 {
            tried("ORDER-A", attempts);
        }
    }
    sent.trigger(&["advance", "300h"]);
    // Other payments have changed meanwhile and are told of; these three were given up.
    sent.trigger(&["event", "kanga", "callback", "LAST"]);
    sent.seen("/callbacks/kanga?transactionKey=LAST", 1);
    sent.seen("/callbacks/kanga?transactionKey=ORDER-A", 4);
    sent.seen("/callbacks/kinguin", 3);
    sent.seen("/callbacks/pledg", 1);
}

// docs/providers/kanga.md#callbacks
#[test]
fn in_a_fast_world_kanga_tries_four_times_by_itself_for_200_alone() {
    let attempts = |status: &str, count: usize| {
        let peer = Peer::start(vec![answer(status)]);
        let place = Place::new();
        let to = format!("{}/hook?shop=7", peer.url);
        // Its seven hours of waiting take a third of a second.
        let arguments = ["--speed", "80000", "--callback-url", to.as_str()];
        let served = Served::start(&place, &arguments);
        let sent = Sent {
            peer,
            served,
            place,
        };
        sent.trigger(&["event", "kanga", "callback", "FIRST"]);
        sent.seen("/hook?shop=7&transactionKey=FIRST", count);
        // Sent later and given up, it shows that the first one is not tried any more.
        sent.trigger(&["event", "kanga", "callback", "LAST"]);
        sent.seen("/hook?shop=7&transactionKey=LAST", count);
        sent.seen("/hook?shop=7&transactionKey=FIRST", count);
    };
    std::thread::scope(|scope| {
        for (status, count) in [
            ("201 Created", 4),
            ("204 No Content", 4),
            ("302 Found", 4),
            ("200 OK", 1),
        ] {
            scope.spawn(move || attempts(status, count));
        }
    });
}

#[test]
fn one_callback_is_delivered_by_hand_and_shown_without_its_secret() {
    let peer = Peer::start(vec![
        answer("200 OK"),
        answer("200 OK"),
        answer("403 Forbidden"),
    ]);
    let place = Place::new();
    let to = format!("{}/callbacks/shop", peer.url);
    let deliver = |more: &[&str]| {
        let mut command = place.command(&["sandbox", "trigger", "deliver", "--to", &to]);
        command.env("OWN", "planted-webhook-secret-0123");
        Ran::of(command.args(more))
    };
    let ran = deliver(&["kanga", "ORDER-1"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "200 accepted\n"),
        "{ran:?}"
    );
    assert!(
        ran.err
            .contains(&format!("GET {to}?transactionKey=ORDER-1")),
        "{ran:?}"
    );

    let own = [
        "--secret", "env:OWN", "--header", "X-Shop", "--times", "2", "--json",
    ];
    let ran = deliver(&[&["kinguin", "R-1", "DELIVERED"], &own[..]].concat());
    assert_eq!(ran.code, 5, "the second is refused: {ran:?}");
    let objects = ran.objects();
    assert_eq!(objects[0]["taken"], true);
    assert_eq!(
        (&objects[1]["status"], &objects[1]["taken"]),
        (&403.into(), &false.into())
    );
    assert!(!ran.all().contains("planted"), "{ran:?}");
    let seen = peer.requests();
    assert_eq!(
        seen[1].header("x-shop"),
        Some("planted-webhook-secret-0123")
    );
    assert_eq!(seen[1].body, seen[2].body);
    let body: Value = serde_json::from_str(&seen[1].body).unwrap();
    assert_eq!(
        (&body["reservationId"], &body["status"]),
        (&"R-1".into(), &"DELIVERED".into())
    );

    let ran = deliver(&["pledg", "ORDER-1", "SCORING_KO", "--unsigned"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.out.contains("403 not accepted"), "{ran:?}");
    assert!(
        peer.requests()[3]
            .body
            .contains(r#""purchase_state":"SCORING_KO""#)
    );

    for (arguments, words) in [
        (&["kagna", "ORDER-1"][..], "no provider `kagna`"),
        (&["kanga", "ORDER-1", "PAID"], "contain only the id"),
        (
            &["kanga", "ORDER-1", "--secret", "env:OWN"],
            "carry no secret",
        ),
        (&["kinguin", "R-1", "EXPLODED"], "no webhook `EXPLODED`"),
        (&["kinguin", "R-1", "--header", "a b"], "not a header name"),
        (
            &["kinguin", "R-1", "--secret", "planted-webhook"],
            "--secret: not a valid source",
        ),
        (
            &["kinguin", "R-1", "--secret", "env:NOBODY_HAS_SET"],
            "not set or empty",
        ),
        (
            &["pledg", "R-1", "EXPLODED"],
            "Pledg has no notification `EXPLODED`",
        ),
    ] {
        let ran = deliver(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(words), "{arguments:?}: {ran:?}");
    }
    let nobody = format!("http://127.0.0.1:{}/", crate::peer::closed_port());
    for (to, code) in [
        (nobody.as_str(), 5),
        ("http://shop.example/callbacks/shop", 2),
        ("https://127.0.0.1/callbacks/shop", 2),
    ] {
        let ran = place.run(&["sandbox", "trigger", "deliver", "--to", to, "kanga", "A"]);
        assert_eq!(ran.code, code, "{to}: {ran:?}");
    }
    let ran = place.run(&["sandbox", "trigger", "advance", "1h"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("--url"), "{ran:?}");
}

#[test]
fn the_url_of_a_simulator_goes_before_and_after_the_event() {
    let place = Place::new();
    let served = Served::start(&place, &[]);
    let url = ["--url", served.url.as_str()];
    let trigger = |parts: &[&[&str]]| {
        let parts = [&[&["sandbox", "trigger"][..]], parts].concat();
        place.run(&parts.concat())
    };
    for parts in [
        [&url[..], &["fault", "none"]],
        [&["fault", "none"], &url],
        [&["fault"], &[url[0], url[1], "none"]],
    ] {
        let ran = trigger(&parts);
        assert_eq!(ran.code, 0, "{parts:?}: {ran:?}");
    }
    let deliver = ["deliver", "--to", "http://127.0.0.1:9/", "kanga", "A"];
    for parts in [[&url[..], &deliver], [&deliver, &url]] {
        let ran = trigger(&parts);
        assert_eq!(ran.code, 2, "{parts:?}: {ran:?}");
        assert!(ran.err.contains("needs no simulator"), "{ran:?}");
    }
}
