//! `listen`, `log --deliveries` and `replay`: the real program, called by real requests.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json as value};

use crate::peer::{Act, Peer, json, reply};
use crate::program::{Listener, Place, Served, send};
use crate::secrets::Planted;

const FINALIZED: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"FINALIZED"}"#;
const ACTIVE: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"ACTIVE"}"#;

/// Reads `log --deliveries` until it is as wanted.
pub fn kept_until(place: &Place, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let mut kept = Vec::new();
    for _ in 0..300 {
        let ran = place.run(&["log", "--deliveries", "--json", "--limit", "100000"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        kept = ran.objects();
        if wanted(&kept) {
            return kept;
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    panic!("{kept:?}");
}

#[test]
fn each_delivery_is_a_line_with_its_verdict_and_what_is_done_about_it_is_saved() {
    let peer = Peer::start(vec![json(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    let listener = Listener::start(&place, &["--json"]);
    let id = format!("ORDER-{}", "1".repeat(200));
    let target = format!("/callbacks/shop?transactionKey={id}");
    assert_eq!(listener.post(&target, "", "").0, 200);
    let first = listener.object();
    for (key, wanted) in [
        ("schema", value!(1)),
        ("account", value!("shop")),
        ("provider", value!("kanga")),
        ("kind", value!("payment changed")),
        ("payment", value!(id)),
        ("verdict", value!("accepted")),
        ("attempt", value!(1)),
        ("status", value!(200)),
    ] {
        assert_eq!(first[key], wanted, "{key}: {first}");
    }
    assert!(first["received_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(first["jobs"][0]["kind"], "check");
    listener.error_with("FINALIZED");

    assert_eq!(listener.post(&target, "", "").0, 200);
    let again = listener.object();
    assert_eq!(
        (&again["verdict"], &again["attempt"]),
        (&value!("repeat"), &value!(2))
    );
    assert_eq!(
        listener.post("/callbacks/nobody?x=\u{1b}[2J", "", "").0,
        400
    );
    assert_eq!(listener.post("/callbacks/nobody", "", "").0, 404);
    assert_eq!(listener.object()["verdict"], "unknown_account");
    assert_eq!(listener.post("/callbacks/shop", "", "no id").0, 400);
    assert_eq!(listener.object()["verdict"], "unreadable");
    listener.signal("TERM");
    let (code, rest) = listener.end();
    assert_eq!((code, rest), (0, Vec::new()));
    assert_eq!(peer.requests().len(), 1, "a repeat acts no more");

    let kept = kept_until(&place, |_| true);
    let verdicts: Vec<&str> = kept
        .iter()
        .map(|d| d["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(
        verdicts,
        ["accepted", "repeat", "unknown_account", "unreadable"]
    );
    assert_eq!(kept[0]["jobs"][0]["state"], "done");
    assert_eq!(
        kept[0]["jobs"][0]["result"],
        "amount not compared, FINALIZED"
    );
    let table = place.run(&["log", "--deliveries", "--account", "shop"]);
    assert_eq!(table.rows().lines().count(), 3);
    for word in [
        "accepted",
        "repeat 2",
        &id,
        "check: amount not compared, FINALIZED",
    ] {
        assert!(table.out.contains(word), "{word}: {}", table.out);
    }
    let export = place.run(&["log", "--deliveries", "--export", "har"]);
    let archive: Value = serde_json::from_str(&export.out).unwrap();
    assert_eq!(
        archive["log"]["entries"].as_array().unwrap().len(),
        kept.len()
    );
}

#[test]
fn it_says_why_it_cannot_listen_and_ends_on_request() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let listener = Listener::start(&place, &[]);
    let address = listener.url.strip_prefix("http://").unwrap().to_owned();
    let taken = place.run(&["listen", "--bind", &address, "--json"]);
    assert_eq!(taken.code, 2);
    let error = &taken.object()["error"];
    assert_eq!(error["kind"], "local");
    assert!(error["message"].as_str().unwrap().contains(&address));
    assert!(
        error["hint"].as_str().unwrap().contains("another"),
        "{error}"
    );
    listener.signal("INT");
    assert_eq!(listener.end().0, 130);
    let file = place.path().join("no-folder");
    std::fs::write(&file, "").unwrap();
    let nowhere = ["listen", "--bind", "127.0.0.1:0", "--json", "--state-dir"];
    let unkept = place.run(&[&nowhere[..], &[file.to_str().unwrap()]].concat());
    assert_eq!(unkept.code, 2, "{unkept:?}");
    let error = &unkept.object()["error"];
    assert_eq!(error["kind"], "local");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("cannot save callbacks"),
        "{error}"
    );
    for (arguments, why) in [
        (vec!["--forward-to", "http://shop.example/x"], "plain http"),
        (vec!["--forward-to", "shop.example"], "not a URL"),
        (vec!["--forward-to", "nobody=http://127.0.0.1:9/"], "nobody"),
        (
            vec!["--forward-to", "shop=http://localhost:8787/callbacks/shop"],
            "leads back",
        ),
        (
            vec![
                "--forward-to",
                "http://[::1]/",
                "--forward-to",
                "http://[::1]/x",
            ],
            "twice",
        ),
        (vec!["--bind", "example.com"], "--bind"),
    ] {
        let ran = place.run(&[&["listen"], &arguments[..]].concat());
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(ran.err.contains(why), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn callbacks_are_forwarded_as_they_came_and_once_more_by_hand() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let shop = Peer::start(vec![json(r#"{"got":"it"}"#)]);
    let place = Place::with_shop(&peer.url);
    let to = format!("shop={}/hook?own=1", shop.url);
    let listener = Listener::start(&place, &["--forward-to", &to]);
    let odd = "Content-Type: text/x-odd\r\nX-Own: 1\r\nX-Own: 2\r\nX-Forwarded-For: 192.0.2.9\r\n";
    let target = "/callbacks/shop?transactionKey=ORDER%2D1";
    let body = "transactionKey=ORDER-1&z= %zz";
    assert_eq!(listener.post(target, odd, body).0, 200);
    listener.line_with("HTTP 200");
    let refused = listener.post("/callbacks/shop", odd, "nothing");
    assert_eq!(refused.0, 400);
    listener.line_with("unreadable");
    let seen = &shop.requests()[0];
    assert!(
        seen.head
            .starts_with("POST /hook?own=1&transactionKey=ORDER%2D1 HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert_eq!(seen.body, body);
    assert_eq!(seen.header("content-type"), Some("text/x-odd"));
    assert_eq!(seen.head.matches("x-own: ").count(), 2, "{}", seen.head);
    listener.signal("TERM");
    assert_eq!(listener.end().0, 0);

    let other = Peer::start(vec![json("{}"), json("{}"), reply("500 No", "", "no")]);
    let kept = kept_until(&place, |kept| kept.len() == 2);
    let ids: Vec<String> = kept.iter().map(|one| one["id"].to_string()).collect();
    let ran = place.run(&["replay", &ids[0], &ids[1], "--to", &other.url]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out.matches("HTTP 200").count(), 2, "{}", ran.out);
    assert!(ran.err.contains("unreadable"), "{}", ran.err);
    assert_eq!(other.requests()[0].body, body);
    assert_eq!(other.requests()[1].body, "nothing");
    let failed = place.run(&["replay", &ids[0], "--to", &other.url, "--json"]);
    assert_eq!(failed.code, 5);
    assert!(failed.out.contains("HTTP 500"), "{}", failed.out);
    let unknown = place.run(&["replay", "4711", "--to", &other.url]);
    assert_eq!(unknown.code, 4, "{unknown:?}");
}

#[test]
fn a_failed_forward_is_retried_by_a_command_and_then_by_the_listener() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let shop = Peer::start(vec![
        reply("410 Gone", "", ""),
        reply("410 Gone", "", ""),
        reply("500 No", "", ""),
        json("{}"),
    ]);
    let place = Place::with_shop(&peer.url);
    let listener = Listener::start(&place, &["--forward-to", &shop.url]);
    let target = "/callbacks/shop?transactionKey=A";
    assert_eq!(listener.post(target, "", "").0, 200);
    let forward = |kept: &[Value]| {
        let jobs = kept.first()?["jobs"].as_array()?.iter();
        jobs.clone().find(|job| job["kind"] == "forward").cloned()
    };
    let kept = kept_until(&place, |kept| {
        forward(kept).is_some_and(|job| job["state"] == "given_up")
    });
    let ended = forward(&kept).unwrap();
    assert_eq!(
        (&ended["tries"], &ended["status"]),
        (&value!(1), &value!(410))
    );
    let id = kept[0]["id"].to_string();
    let listed = place.run(&["log", "--deliveries"]);
    assert!(
        listed.out.contains("failed after 1 try: HTTP 410"),
        "{}",
        listed.out
    );

    let ended = place.run(&["replay", &id]);
    assert_eq!(ended.code, 5, "{ended:?}");
    assert!(ended.err.contains("failed for good"), "{}", ended.err);
    let failed = place.run(&["replay", &id, "--json"]);
    assert_eq!(failed.code, 5, "{failed:?}");
    assert!(failed.out.contains("HTTP 500"), "{}", failed.out);
    // The next attempt is the listener's.
    listener.line_with("HTTP 200");
    let kept = kept_until(&place, |kept| {
        forward(kept).is_some_and(|job| job["state"] == "done")
    });
    assert_eq!(forward(&kept).unwrap()["tries"], 2);
    assert_eq!(kept[0]["jobs"].as_array().unwrap().len(), 2, "the same job");
    let done = place.run(&["replay", &id]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("all are done"), "{}", done.err);
    let unknown = place.run(&["replay", "4711", &id, "--json"]);
    let named: Vec<_> = unknown
        .objects()
        .iter()
        .map(|one| one["id"].to_string())
        .collect();
    assert_eq!((unknown.code, named), (4, vec!["4711".into(), id]));
    assert_eq!(shop.requests().len(), 4);
}

#[test]
fn a_job_that_runs_in_one_process_is_not_retried_by_another() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let shop = Peer::start(vec![Act::Silence]);
    let place = Place::with_shop(&peer.url);
    let listener = Listener::start(&place, &["--forward-to", &shop.url]);
    let target = "/callbacks/shop?transactionKey=A";
    assert_eq!(listener.post(target, "", "").0, 200);
    shop.wait_for("the forward", |seen| seen.len() == 1);
    kept_until(&place, |kept| {
        let jobs = kept.first().and_then(|row| row["jobs"].as_array());
        let mut jobs = jobs.into_iter().flatten();
        jobs.any(|job| job["kind"] == "check" && job["state"] == "done")
    });
    let refused = place.run(&["replay", "1"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused.err.contains("its forward is running"),
        "{}",
        refused.err
    );
    assert_eq!(shop.requests().len(), 1);
}

#[test]
fn the_sandbox_calls_and_is_asked() {
    let place = Place::new();
    let listener = Listener::start(&place, &[]);
    let simulator = listener.error_with("simulator");
    let simulator = simulator.split_whitespace().last().unwrap().to_owned();
    let url = ["sandbox", "trigger", "--url", &simulator];
    let paid = place.run(&[&url[..], &["payer", "ORDER-1001", "pay"]].concat());
    assert_eq!(paid.code, 0, "{paid:?}");
    let line = listener.line_with("ORDER-1001");
    assert!(
        line.contains("accepted") && line.contains("kanga"),
        "{line}"
    );
    listener.line_with("check: ");
}

#[cfg(target_os = "linux")]
#[test]
fn a_crash_writes_no_core_file() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let listener = Listener::start(&place, &[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", listener.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let core: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
}

/// More than a pipe holds, and more than wait for its reader.
const CALLBACKS: usize = 1_000;

#[test]
fn a_reader_that_does_not_read_keeps_nothing_from_being_received_and_no_signal_from_ending_it() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let mut child = place
        .command(&["listen", "--bind", "127.0.0.1:0", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The first line only: from then on the pipe fills.
    let mut stdout = child.stdout.take().unwrap();
    let mut first = Vec::new();
    while first.last() != Some(&b'\n') {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        first.push(byte[0]);
    }
    let first: Value = serde_json::from_slice(&first).unwrap();
    let url = first["url"].as_str().unwrap();
    std::thread::scope(|scope| {
        for client in 0..4 {
            scope.spawn(move || {
                for number in 0..CALLBACKS / 4 {
                    let id = format!("{}-{client}-{number}", "K".repeat(150));
                    let target = format!("/callbacks/shop?transactionKey={id}");
                    let answer = send(url, "GET", &target, "", "");
                    assert_eq!(answer.map(|(status, _)| status), Some(200));
                }
            });
        }
    });
    assert_eq!(send(url, "GET", "/heartbeat", "", "").unwrap().0, 200);
    let process = i32::try_from(child.id()).unwrap();
    let process = rustix::process::Pid::from_raw(process).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    let ended = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        child.try_wait().unwrap()
    });
    let ended = ended.expect("it ends although nobody reads");
    assert_eq!(ended.code(), Some(0));
    let kept = place.run(&["log", "--deliveries", "--json", "--limit", "100000"]);
    assert_eq!(kept.objects().len(), CALLBACKS);
}

#[test]
fn a_reader_that_has_gone_is_reported_once_and_callbacks_are_received_all_the_same() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let full = full.unwrap();
    let mut child = place
        .command(&["listen", "--bind", "127.0.0.1:0"])
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines().map(Result::unwrap);
    let said = lines.next().unwrap();
    assert!(said.contains("output stopped (No space left"), "{said}");
    let process = i32::try_from(child.id()).unwrap();
    let process = rustix::process::Pid::from_raw(process).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(lines.count(), 0, "it is said once");
}

#[test]
fn what_was_answered_200_is_saved_whenever_the_receiver_is_killed() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Arc::new(Place::with_shop(&peer.url));
    let answered: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    for round in 0..3 {
        let listener = Listener::start(&place, &["--json"]);
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (url, stop) = (listener.url.clone(), stop.clone());
                let answered = answered.clone();
                std::thread::spawn(move || {
                    for number in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let id = format!("K-{round}-{client}-{number}");
                        let target = format!("/callbacks/shop?transactionKey={id}");
                        match send(&url, "GET", &target, "", "") {
                            Some((200, _)) => drop(answered.lock().unwrap().insert(id)),
                            Some(other) => panic!("{other:?}"),
                            None => return,
                        }
                    }
                })
            })
            .collect();
        // At any moment after the first answer.
        let before = answered.lock().unwrap().len();
        while answered.lock().unwrap().len() == before {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(u64::from(fastrand::u32(0..100))));
        listener.signal("KILL");
        for client in clients {
            client.join().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        drop(listener);
    }
    let kept = kept_until(&place, |_| true);
    let kept: BTreeSet<&str> = kept
        .iter()
        .map(|one| one["payment"].as_str().unwrap())
        .collect();
    let answered = answered.lock().unwrap();
    let lost: Vec<_> = answered
        .iter()
        .filter(|id| !kept.contains(id.as_str()))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[test]
fn secrets_of_callbacks_are_in_no_output_no_export_and_no_file() {
    const PLANTED: [&str; 4] = [
        "pLanted-webhook-Ua3Wd8Ge2Ik7",
        "pLanted-wrong-Pz5Xo1Vn4Br6",
        "pLanted-api-key-Hs9Ky2Mt6Lc3",
        "pLanted-player-Gd4Fs8Ja1Qw0",
    ];
    let shop = Peer::start(vec![json(&format!(r#"{{"echo":"{}"}}"#, PLANTED[0]))]);
    let place = Place::with_config(
        "default_profile = \"live\"\n[profiles.live.accounts.keys]\nprovider = \"kinguin\"\n\
         client_id = \"TESTKEY-2\"\nclient_secret = { env = \"TEST_API_SECRET\" }\nwebhook_header = \"X-Shop\"\n\
         webhook_secret = { file = \"by-file\" }\n",
    );
    std::fs::write(place.path().join("by-file"), PLANTED[0]).unwrap();
    let to = format!("keys={}", shop.url);
    let listener = Listener::start(&place, &["--forward-to", &to]);
    let body = format!(
        r#"{{"reservationId":"R-1","game_auth_token":"{}","status":"BOUGHT"}}"#,
        PLANTED[3]
    );
    let target = format!("/callbacks/keys?api_key={}", PLANTED[2]);
    let mut printed = Vec::new();
    // The second one's header is wrong; the first one is handed on as well.
    for (secret, until) in [(PLANTED[0], "HTTP 200"), (PLANTED[1], "rejected")] {
        let headers = format!(
            "X-Shop: {secret}\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\n",
            PLANTED[3]
        );
        listener.post(&target, &headers, &body);
        loop {
            printed.push(listener.line());
            if printed.last().unwrap().contains(until) {
                break;
            }
        }
    }
    let replayed = place.run(&["replay", "1", "2", "--to", &shop.url]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
    assert!(shop.requests().len() >= 2);
    listener.signal("TERM");
    let (_, rest) = listener.end();
    printed.extend(rest);
    let planted = Planted::of(PLANTED);
    planted.seek("listen", &printed.join("\n"), &[]);
    planted.seek("replay", &replayed.all(), &[]);
    for arguments in [
        &["log", "--deliveries", "--json"][..],
        &["log", "--deliveries"],
        &["log", "--json"],
        &["log", "--export", "har"],
        &["log", "--export", "ndjson"],
        &["log", "--export", "curl"],
    ] {
        let ran = place.run(arguments);
        assert!(!ran.out.is_empty(), "{arguments:?}");
        planted.seek(&arguments.join(" "), &ran.all(), &[]);
    }
    planted.seek_in_files(&place.state());
}

#[test]
fn what_another_process_receives_is_followed() {
    use std::io::{BufRead as _, BufReader};
    let place = Place::with_shop("http://127.0.0.1:9");
    let listener = Listener::start(&place, &["--json"]);
    let mut follow = place
        .command(&["log", "--deliveries", "--follow", "--json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    for number in 0..3 {
        let target = format!("/callbacks/shop?transactionKey=F-{number}");
        assert_eq!(listener.post(&target, "", "").0, 200);
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(line["payment"], format!("F-{number}"));
    }
    let _ = follow.kill();
    let _ = follow.wait();
}

#[test]
fn a_sandbox_elsewhere_calls_a_real_accounts_address() {
    let place = Place::new();
    let listener = Listener::start(&place, &["--json"]);
    let callbacks = format!("{}/callbacks/kanga", listener.url);
    let served = Served::start(&place, &["--callback-url", &callbacks]);
    let url = ["sandbox", "trigger", "--url", &served.url];
    let ran = place.run(&[&url[..], &["payer", "ORDER-1001", "pay"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let seen = listener.object();
    assert_eq!(seen["payment"], "ORDER-1001");
}

#[test]
fn metrics_count_callbacks_jobs_and_requests_and_name_no_account_that_a_sender_chose() {
    let peer = Peer::start(vec![json(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    let listener = Listener::start(&place, &["--json", "--metrics", "127.0.0.1:0"]);
    let line = listener.error_with("/metrics");
    let url = line.split_whitespace().last().unwrap();
    let url = url.strip_suffix("/metrics").unwrap();
    let order = "/callbacks/shop?transactionKey=ORDER-1";
    listener.post(order, "", "");
    // A callback about a settled payment is a repeat.
    listener.error_with("FINALIZED");
    for target in ["/callbacks/nobody-knows", order] {
        listener.post(target, "", "");
    }
    let get = |path: &str| send(url, "GET", path, "", "").unwrap();
    let wanted = [
        "tilldeck_callbacks_total{account=\"shop\",verdict=\"accepted\"} 1",
        "tilldeck_callbacks_total{account=\"shop\",verdict=\"repeat\"} 1",
        "tilldeck_callbacks_total{account=\"\",verdict=\"unknown_account\"} 1",
        "tilldeck_job_attempts_total{account=\"shop\",kind=\"check\",result=\"done\"} 1",
        "tilldeck_job_attempt_duration_seconds_count{kind=\"check\"} 1",
        // An alert on an increase sees the first failure only if there was a 0 before.
        "tilldeck_callbacks_total{account=\"shop\",verdict=\"refused\"} 0",
        "tilldeck_job_attempts_total{account=\"shop\",kind=\"forward\",result=\"failed\"} 0",
        "tilldeck_requests_total{account=\"shop\",status=\"2xx\"} 1",
        "tilldeck_rate_limit_used{account=\"shop\",counts=\"all\"} 1",
        "tilldeck_receiver_up 1",
    ];
    let missing = |text: &str| {
        let mut wanted = wanted.into_iter();
        wanted.find(|line| !text.lines().any(|found| found == *line))
    };
    let mut text = String::new();
    for _ in 0..200 {
        text = get("/metrics").1;
        if missing(&text).is_none() {
            break;
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    assert_eq!(missing(&text), None, "{text}");
    assert!(
        text.ends_with("# EOF\n") && !text.contains("nobody"),
        "{text}"
    );
    assert_eq!(get("/").0, 404);
    assert_eq!(send(url, "POST", "/metrics", "", "").unwrap().0, 405);
    // An address in use is a mistake in the command.
    let taken = url.strip_prefix("http://").unwrap();
    let refused = place.run(&["listen", "--bind", "127.0.0.1:0", "--metrics", taken]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused.err.contains("cannot serve metrics at"),
        "{refused:?}"
    );
}

#[test]
fn a_reload_brings_new_accounts_and_loses_no_callback() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let both = format!(
        "{config}{}",
        config.split_once('\n').unwrap().1.replace("shop", "second")
    );
    let listener = Listener::start(&place, &[]);
    assert_eq!(
        listener
            .post("/callbacks/second?transactionKey=A-1", "", "")
            .0,
        404
    );
    std::fs::write(place.config_path(), format!("{config}accont = 1\n")).unwrap();
    listener.signal("HUP");
    let error = listener.error_with("config:");
    assert!(
        error.contains("config.toml:") && error.contains("stays in force"),
        "{error}"
    );
    let reloading = AtomicBool::new(true);
    let sent = std::thread::scope(|scope| {
        let posting = scope.spawn(|| {
            let mut sent = 0;
            while reloading.load(std::sync::atomic::Ordering::SeqCst) {
                let target = format!("/callbacks/shop?transactionKey=B-{sent}");
                let answer = send(&listener.url, "POST", &target, "", "");
                assert_eq!(answer.map(|(status, _)| status), Some(200));
                sent += 1;
            }
            sent
        });
        for text in [&both, &config, &both] {
            std::fs::write(place.config_path(), text).unwrap();
            listener.signal("HUP");
            listener.error_with("reloaded:");
            read_as_another(&place);
        }
        reloading.store(false, std::sync::atomic::Ordering::SeqCst);
        posting.join().unwrap()
    });
    assert!(sent > 0);
    assert_eq!(
        listener
            .post("/callbacks/second?transactionKey=A-2", "", "")
            .0,
        200
    );
    listener.line_with("A-2");
    listener.signal("TERM");
    assert_eq!(listener.end().0, 0);
    let answered = (0..sent).map(|number| format!("B-{number}"));
    let answered: BTreeSet<String> = answered.chain(["A-2".to_owned()]).collect();
    let saved = kept_until(&place, |saved| saved.len() > sent);
    let saved = saved.iter().filter_map(|one| one["payment"].as_str());
    assert_eq!(saved.map(str::to_owned).collect::<BTreeSet<_>>(), answered);
}

#[test]
fn a_proxy_that_speaks_another_protocol_is_reported_once_with_what_to_change() {
    use std::io::{Read as _, Write as _};
    let place = Place::with_shop("http://127.0.0.1:1");
    let listener = Listener::start(&place, &[]);
    let address = listener.url.strip_prefix("http://").unwrap();
    let say = |bytes: &[u8]| {
        let mut tcp = std::net::TcpStream::connect(address).unwrap();
        tcp.write_all(bytes).unwrap();
        let _ = tcp.read_to_end(&mut Vec::new());
    };
    let request = "GET /callbacks/shop?transactionKey=A-1 HTTP/1.1\r\nHost: x\r\n\r\n";
    for (begin, change) in [
        ("PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n", "`send-proxy`"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1"),
    ] {
        say(format!("{begin}{request}").as_bytes());
        let warning = listener.error_with("the proxy at 127.0.0.1");
        assert!(warning.contains(change), "{warning}");
    }
    say(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    listener.signal("TERM");
    let (_, rest) = listener.end();
    assert!(
        !rest.iter().any(|line| line.contains("the proxy")),
        "{rest:?}"
    );
}

#[test]
fn a_removed_account_has_no_token_among_the_metrics() {
    let place = Place::with_config(
        r#"
        default_profile = "p"
        [profiles.p.accounts.keys]
        provider = "kinguin"
        client_id = "c"
        client_secret = { env = "NOT_SET" }
        [profiles.p.accounts.shop]
        provider = "kinguin"
        client_id = "c"
        client_secret = { env = "NOT_SET" }
        "#,
    );
    let listener = Listener::start(&place, &["--metrics", "127.0.0.1:0"]);
    let line = listener.error_with("/metrics");
    let url = line.split_whitespace().last().unwrap();
    let url = url.strip_suffix("/metrics").unwrap();
    let has_token = |account: &str| {
        let metrics = send(url, "GET", "/metrics", "", "").unwrap().1;
        metrics.contains(&format!(
            "tilldeck_token_left_seconds{{account=\"{account}\"}} 0"
        ))
    };
    assert!(has_token("keys") && has_token("shop"));
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let shop = config.rfind("[profiles").unwrap();
    std::fs::write(place.config_path(), &config[..shop]).unwrap();
    listener.error_with("reloaded:");
    assert!(has_token("keys") && !has_token("shop"));
}

/// Opens the ledger as a backup does, in this process, and closes it again.
fn read_as_another(place: &Place) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let ledger = rusqlite::Connection::open_with_flags(place.state().join("ledger.db"), flags);
    let count = "SELECT count(*) FROM deliveries";
    ledger
        .unwrap()
        .query_row(count, [], |row| row.get(0))
        .unwrap()
}

/// An address that another program listens at.
fn taken() -> (std::net::TcpListener, std::net::SocketAddr) {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    (holder, address)
}

/// A `listen` that binds by its config.
fn bound_by_config(place: &Place, callbacks: &str) -> Listener {
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let config = format!("{config}[callbacks]\nbind = \"127.0.0.1:0\"\n{callbacks}");
    std::fs::write(place.config_path(), config).unwrap();
    Listener::spawn(&mut place.command(&["listen", "--json"]))
}

/// Changes the config, and has it read again.
fn reload(place: &Place, listener: &Listener, from: &str, to: &str) {
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    assert!(config.contains(from), "{config}");
    std::fs::write(place.config_path(), config.replace(from, to)).unwrap();
    listener.signal("HUP");
}

#[test]
fn a_reload_that_cannot_receive_changes_nothing_and_the_receiver_goes_on() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let listener = bound_by_config(&place, "");
    let (_holder, address) = taken();
    let free = "bind = \"127.0.0.1:0\"\n";
    let wrong = [
        (format!("bind = \"{address}\"\n"), "uses this port"),
        (
            format!("{free}seal_key = {{ file = \"/nowhere\" }}\n"),
            "seal_key",
        ),
    ];
    for (to, why) in &wrong {
        // With a change that alone would be taken over.
        let to = format!("{to}trusted_proxies = [\"192.0.2.1\"]\n");
        reload(&place, &listener, free, &to);
        let error = listener.error_with("config:");
        assert!(
            error.contains(why) && error.contains("stays in force"),
            "{error}"
        );
        let answer = listener.post("/callbacks/shop?transactionKey=A-1", "", "");
        assert_eq!(answer.0, 200, "{to}");
        reload(&place, &listener, &to, free);
        listener.error_with("nothing that is reloaded has changed");
    }
}

#[test]
fn the_built_in_profile_takes_over_what_the_file_says_about_callbacks() {
    let place = Place::with_config("default_profile = \"sandbox\"\n");
    let listener = bound_by_config(&place, "");
    let bind = "bind = \"127.0.0.1:0\"\n";
    let trusting = format!("{bind}trusted_proxies = [\"192.0.2.1\"]\n");
    reload(&place, &listener, bind, &trusting);
    let reloaded = listener.error_with("reloaded: accounts: kanga");
    assert!(reloaded.contains("simulator was restarted"), "{reloaded}");
    let sent_by = "X-Forwarded-For: 203.0.113.7, 192.0.2.1\r\n";
    listener.post("/callbacks/kanga?transactionKey=A-1", sent_by, "");
    let line = listener.line_with("A-1");
    assert!(line.contains(r#""from":"203.0.113.7""#), "{line}");
    reload(&place, &listener, bind, &format!("{bind}# the same\n"));
    listener.error_with("nothing that is reloaded has changed");
}

#[test]
fn a_new_address_is_printed_when_it_is_bound() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let listener = bound_by_config(&place, "");
    let (holder, address) = taken();
    drop(holder);
    let to = format!("bind = \"{address}\"");
    reload(&place, &listener, "bind = \"127.0.0.1:0\"", &to);
    listener.error_with("reloaded:");
    let url = format!("http://{address}");
    assert_eq!(listener.object()["url"], url.as_str());
    let target = "/callbacks/shop?transactionKey=A-1";
    let answer = send(&url, "POST", target, "", "");
    assert_eq!(answer.map(|(status, _)| status), Some(200));
    assert_eq!(
        send(&listener.url, "POST", target, "", ""),
        None,
        "it is closed"
    );
}

#[test]
fn another_ledger_waits_for_a_restart_and_other_changes_do_not() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let listener = Listener::start(&place, &[]);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let key = place.path().join("key");
    std::fs::write(&key, format!("{}=", "A".repeat(43))).unwrap();
    let text = format!(
        "{}[callbacks]\nseal_key = {{ file = \"{}\" }}\n\
         [ledger]\nurl = \"postgres://till@127.0.0.1:9/till\"\n",
        config.replace("accounts.shop", "accounts.outlet"),
        key.display(),
    );
    std::fs::write(place.config_path(), text).unwrap();
    listener.signal("HUP");
    listener.error_with("restart to use another ledger");
    let reloaded = listener.error_with("reloaded:");
    assert!(reloaded.contains("accounts: outlet"), "{reloaded}");
    let answer = listener.post("/callbacks/outlet?transactionKey=A-1", "", "");
    assert_eq!(answer.0, 200, "the earlier ledger has it");
    assert_eq!(read_as_another(&place), 1);
}

#[test]
fn a_signal_ends_the_receiver_in_the_middle_of_a_reload() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let mut listener = bound_by_config(&place, "");
    let mark = place.path().join("begun");
    let script = format!("touch {}; sleep 30", mark.display());
    let to = format!(
        "bind = \"127.0.0.1:0\"\nseal_key = {{ command = [\"sh\", \"-c\", \"{script}\"] }}"
    );
    reload(&place, &listener, "bind = \"127.0.0.1:0\"", &to);
    while !mark.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    listener.signal("TERM");
    while !listener.has_ended() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // The program that gives the key was not waited for.
    assert_eq!(listener.errors(), [""; 0]);
    assert_eq!(listener.end().0, 0);
}

#[test]
fn a_change_of_the_config_file_is_taken_over_without_a_signal() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let listener = Listener::start(&place, &[]);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let fresh = place.path().join("fresh");
    std::fs::write(&fresh, config.replace("accounts.shop", "accounts.outlet")).unwrap();
    std::fs::rename(fresh, place.config_path()).unwrap();
    let reloaded = listener.error_with("reloaded:");
    assert!(reloaded.contains("accounts: outlet"), "{reloaded}");
    assert_eq!(
        listener
            .post("/callbacks/shop?transactionKey=A-1", "", "")
            .0,
        404
    );
}
