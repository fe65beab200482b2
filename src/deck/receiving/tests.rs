//! Jobs and checks, on a real deck with a clock moved by hand; what is received is put into the ledger.

mod retry;
mod unverified;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::http::{HeaderValue, StatusCode};
use reqwest::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::{Pace, Prepared, Receive};
use crate::callbacks::Inbound;
use crate::callbacks::seal::Sealer;
use crate::clock::{Clock, ManualClock};
use crate::config::{self, Environ, Locations, Vault};
use crate::deck::{Deck, Handover, Options};
use crate::domain::job::{DAY, LEASE, NewJob};
use crate::domain::{
    AccountId, Amount, CallbackVerdict, CheckedPayment, Currency, Delivery, DeliveryId, Expected,
    ExpectedBy, HookEvent, Job, JobKind, JobState, LinkRequest, ListenerStatus, NewExpectation, Op,
    PaymentId, PaymentState, PlayerId, PlayerToken, ProblemKind, Replaced, Search, Secret, Subject,
    TimelineEvent, WallTime, is_about_hook,
};
use crate::http_server::{Limits, Outcome, Request, Server, respond};
use crate::ledger::{DedupKey, JobFilter, NewDelivery};
use crate::net::{Event, Network, RequestOptions};
use crate::providers::SPECS;

const START: WallTime = WallTime(1_795_316_066_000);
const FINALIZED: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"FINALIZED"}"#;
const UNREADABLE: &str = r#"{"result":"ok","currency":"BTC","amount":null,"state":"FINALIZED"}"#;
const CANCELED: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"CANCELED"}"#;
const ACTIVE: &str = r#"{"result":"ok","currency":"BTC","amount":"0.010","state":"ACTIVE"}"#;
/// No test waits longer for anything.
const LIMIT: Duration = Duration::from_secs(20);

/// A server that gives its answers in their order, the last one again and again, and remembers what it was asked.
struct Peer {
    url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    _server: Server,
}

impl Peer {
    async fn start(answers: &[(u16, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let answers = Arc::new(Mutex::new(VecDeque::from(answers.to_vec())));
        let all = seen.clone();
        let server = Server::start(listener, Limits::default(), move |request| {
            all.lock().unwrap().push(request);
            let mut answers = answers.lock().unwrap();
            let (status, body) = answers[0];
            if answers.len() > 1 {
                answers.pop_front();
            }
            let status = StatusCode::from_u16(status).unwrap();
            async move { Outcome::Answer(respond(status, "application/json", body)) }
        });
        Self {
            url,
            seen,
            _server: server.unwrap(),
        }
    }

    fn asked(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

struct Bench {
    deck: Deck,
    hand: ManualClock,
    events: crate::net::EventReceiver,
    returned: Vec<(DeliveryId, Job)>,
}

/// A deck whose Kanga account "shop" is at `url`.
async fn open(folder: &std::path::Path, url: &str, receive: Option<Receive>) -> Bench {
    let change = |options| Options { receive, ..options };
    open_with(folder, url, change).await
}

/// The same, with other options.
async fn open_with(
    folder: &std::path::Path,
    url: &str,
    change: impl FnOnce(Options) -> Options,
) -> Bench {
    let file = folder.join("config.toml");
    let text = format!(
        "default_profile = \"live\"\n[profiles.live.accounts.shop]\nprovider = \"kanga\"\napi_key = \"TESTKEY-1\"\n\
         api_secret = {{ env = \"TEST_API_SECRET\" }}\nendpoints = {{ api = \"{url}\", pay = \"{url}\" }}\n\
         [profiles.live.accounts.keys]\nprovider = \"kinguin\"\nclient_id = \"TESTKEY-2\"\n\
         client_secret = {{ env = \"TEST_API_SECRET\" }}\nwebhook_header = \"X-Shop\"\n\
         webhook_secret = {{ env = \"TEST_WEBHOOK\" }}\n\
         [profiles.live.accounts.game]\nprovider = \"kongregate\"\napi_key = {{ env = \"TEST_API_SECRET\" }}\n\
         endpoints = {{ api = \"{url}\" }}\n\
         [profiles.live.accounts.play]\nprovider = \"kongregate\"\napi_key = {{ file = \"{file}\" }}\n\
         [profiles.live.accounts.later]\nprovider = \"pledg\"\nenvironment = \"sandbox\"\napi_key = \"TESTKEY-3\"\n\
         api_secret = {{ env = \"TEST_API_SECRET\" }}\nmerchant_secret = {{ file = \"{file}\" }}\n",
        file = folder.join("callback_secret").display(),
    );
    std::fs::write(&file, text).unwrap();
    let environ = Environ::of([
        ("TEST_API_SECRET", "not-a-secret-of-anybody"),
        ("TEST_WEBHOOK", "SANDBOX-webhook-0123456789"),
    ]);
    let locations = Locations {
        config: Some(file),
        state: Some(folder.join("state")),
        environ: environ.clone(),
        platform_config: None,
        platform_state: None,
    };
    let config = config::load(&locations, &SPECS).unwrap();
    let (clock, hand) = Clock::by_hand(START);
    let (to, events) = crate::net::events::channel();
    let options = Options {
        state_dir: folder.join("state"),
        clock,
        network: Network::default(),
        events: Some(to),
        renew: false,
        environ,
        config: None,
        vault: Vault::files(folder.join("state").join("vault")),
        overrides: crate::net::Overrides::default(),
        receive: None,
        ledger: config::LedgerConfig::default(),
        callbacks: config::Callbacks::default(),
        hooks: config::Hooks::default(),
        handover: Handover::default(),
        recording: None,
    };
    Bench {
        deck: Deck::open(config.profile(None).unwrap(), change(options))
            .await
            .unwrap(),
        hand,
        events,
        returned: Vec::new(),
    }
}

fn inbound() -> Inbound {
    let request = hyper::http::Request::builder()
        .method("POST")
        .uri("/callbacks/shop?transactionKey=ORDER%201&x=%zz")
        .header("host", "shop.example")
        .header("content-length", "4")
        .header("content-type", "text/x-odd")
        .header("x-shop", "planted-header-value")
        .header("x-forwarded-for", "192.0.2.7")
        .body(bytes::Bytes::from_static(b"a\x00\xff\x1b"));
    Inbound::saved(request.unwrap())
}

fn order() -> PaymentId {
    PaymentId::new("ORDER 1").unwrap()
}

impl Bench {
    /// Puts a callback into the ledger as the receiver does.
    async fn receive(
        &self,
        account: &str,
        jobs: &[(JobKind, &str)],
        inbound: &Inbound,
    ) -> Delivery {
        let new = self.new_delivery(account, jobs, inbound).await;
        let delivery = self.deck.ledger.deliver(new).await.unwrap();
        self.deck.callbacks.shared.saved.notify_one();
        self.deck.callbacks.shared.queues.wake();
        delivery
    }

    async fn new_delivery(
        &self,
        account: &str,
        jobs: &[(JobKind, &str)],
        inbound: &Inbound,
    ) -> NewDelivery {
        let shared = &self.deck.callbacks.shared;
        let sealed = shared.sealing.key().await.sealer.seal(inbound);
        NewDelivery {
            account_key: shared.account_key.to_string(),
            account: account.into(),
            provider: "kanga".into(),
            received_at: self.deck.clock.now().wall,
            happened_at: None,
            from: "127.0.0.1".into(),
            method: inbound.request.method().to_string(),
            verdict: CallbackVerdict::Accepted,
            why: "a hint".into(),
            kind: "payment changed".into(),
            subject: Some(Subject::Payment(order())),
            proved: true,
            dedup_key: Some(DedupKey::Subject([7; 32])),
            status: 200,
            bytes: 4,
            sealed,
            jobs: jobs
                .iter()
                .map(|(kind, target)| NewJob {
                    kind: *kind,
                    target: (*target).into(),
                    at: self.deck.clock.now().wall,
                    leased_until: (*kind == JobKind::Relay).then(|| START.plus(LEASE)),
                })
                .collect(),
        }
    }

    fn advance(&self, seconds: u64) {
        self.hand.advance(Duration::from_secs(seconds));
        self.deck.callbacks.shared.queues.wake();
    }

    async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(LIMIT, self.events.recv()).await;
        event.expect("nothing is told").unwrap()
    }

    /// The text of the next warning.
    async fn warning(&mut self) -> String {
        loop {
            if let Event::Warning { text, .. } = self.event().await {
                return text;
            }
        }
    }

    /// The next delivery whose last job was tried so often. An event may be repeated: each is returned once.
    async fn delivery_tried(&mut self, attempts: u32) -> Arc<Delivery> {
        loop {
            if let Event::Delivery(delivery) = self.event().await
                && let Some(job) = delivery.jobs.last()
                && job.attempts == attempts
                && !self.returned.contains(&(delivery.id, job.clone()))
            {
                self.returned.push((delivery.id, job.clone()));
                return delivery;
            }
        }
    }

    /// The last job of a delivery, after this many tries.
    async fn tried(&mut self, attempts: u32) -> Job {
        let delivery = self.delivery_tried(attempts).await;
        delivery.jobs.last().unwrap().clone()
    }
}

/// Jobs run; nothing is received.
const WORKING: Receive = Receive {
    trusted_proxies: Vec::new(),
    bind: None,
    forward: Vec::new(),
    every: false,
    pace: Pace {
        others: Duration::from_millis(20),
        bind: Duration::from_millis(20),
    },
};

#[tokio::test]
async fn a_check_is_tried_again_ever_later_survives_a_restart_and_settles_what_is_paid() {
    let folder = tempfile::tempdir().unwrap();
    let answers = [
        (500, "{}"),
        (404, "<html>"),
        (200, CANCELED),
        (200, UNREADABLE),
        (200, FINALIZED),
    ];
    let peer = Peer::start(&answers).await;
    let mut bench = open(folder.path(), &peer.url, Some(WORKING)).await;
    let jobs = [(JobKind::Check, "")];
    let delivery = bench.receive("shop", &jobs, &inbound()).await;
    let first = bench.tried(1).await;
    let at = START.plus(Duration::from_secs(1));
    assert_eq!(first.state, JobState::Due { at });
    assert!(first.summary.contains("500"), "{}", first.summary);
    bench.advance(1);
    let at = START.plus(Duration::from_secs(6));
    assert_eq!(bench.tried(2).await.state, JobState::Due { at });
    assert_eq!(peer.asked(), 2, "not before its time");
    bench.deck.close().await;

    let mut bench = open(folder.path(), &peer.url, Some(WORKING)).await;
    bench.advance(6);
    let mut asked = None;
    let done = loop {
        match bench.event().await {
            Event::Checked(CheckedPayment {
                account,
                id,
                result,
                ..
            }) => asked = Some((account, id, result)),
            Event::Delivery(delivery) if delivery.jobs[0].attempts == 3 => {
                break delivery.jobs[0].clone();
            }
            _ => {}
        }
    };
    assert_eq!(
        (done.state, done.summary.as_str()),
        (JobState::Done, "CANCELED")
    );
    let (account, id, result) = asked.expect("told before the delivery");
    assert_eq!((account.as_str(), id), ("shop", order()));
    assert_eq!(result.unwrap().state, PaymentState::Canceled);
    // One that was cancelled may yet be paid.
    for (attempt, is_checked) in [(2, true), (3, false), (4, false)] {
        let again = bench.receive("shop", &jobs, &inbound()).await;
        let is_repeat = again.verdict == CallbackVerdict::Repeat;
        assert_eq!((is_repeat, again.attempt), (!is_checked, attempt));
        if is_checked {
            let unreadable = bench.tried(1).await;
            assert_eq!(unreadable.summary, "amount not readable, FINALIZED");
            assert!(matches!(unreadable.state, JobState::Due { .. }));
            bench.advance(1);
            let readable = bench.tried(2).await.summary;
            assert_eq!(readable, "amount not compared, FINALIZED");
        }
    }

    let shop = AccountId::new("shop").unwrap();
    bench.deck.watch(&shop, &order()).await.unwrap();
    let text = "shipped by hand".to_owned();
    bench.deck.note(&shop, &order(), text).await.unwrap();
    for alert in ["less", "x less"].map(|end| format!("payment shop {} {end}", order())) {
        bench.deck.mark_handled(&alert, true, None).await.unwrap();
        bench.hand.advance(Duration::from_secs(1));
        bench.deck.mark_handled(&alert, false, None).await.unwrap();
    }
    let told = bench
        .deck
        .timeline(&AccountId::new("shop").unwrap(), &order())
        .await
        .unwrap();
    let kinds: Vec<&str> = told
        .entries
        .iter()
        .map(|entry| match &entry.what {
            TimelineEvent::Call { .. } => "call",
            TimelineEvent::State(_) => "state",
            TimelineEvent::Callback(_) => "callback",
            TimelineEvent::Expected { .. } => "expected",
            TimelineEvent::Watched { .. } => "watched",
            TimelineEvent::Noted(_) => "note",
            TimelineEvent::Marked { handled, .. } => {
                if *handled {
                    "handled"
                } else {
                    "unmarked"
                }
            }
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "call", "callback", "call", "call", "call", "state", "state", "watched", "callback",
            "call", "state", "handled", "note", "callback", "callback", "unmarked"
        ]
    );
    assert_eq!(delivery.attempt, 1);
    assert!(!told.cut);
}

#[tokio::test]
async fn a_check_that_came_before_the_change_that_a_callback_reports_runs_again() {
    let folder = tempfile::tempdir().unwrap();
    let answers = [ACTIVE, ACTIVE, ACTIVE, FINALIZED].map(|answer| (200, answer));
    let peer = Peer::start(&answers).await;
    let mut bench = open(folder.path(), &peer.url, Some(WORKING)).await;
    let jobs = [(JobKind::Check, "")];
    bench.receive("shop", &jobs, &inbound()).await;
    assert_eq!(bench.tried(1).await.state, JobState::Done, "it is new");
    let mut new = bench.new_delivery("shop", &jobs, &inbound()).await;
    // Its first check waits for two seconds.
    new.proved = false;
    bench.deck.ledger.deliver(new).await.unwrap();
    bench.advance(2);
    for (age, wait) in [(8, 6), (30, 22)] {
        let at = START.plus(Duration::from_secs(age));
        let job = loop {
            let job = bench.tried(0).await;
            if job.state == (JobState::Due { at }) {
                break job;
            }
        };
        assert!(job.summary == "ACTIVE" && !job.has_failed(), "{job:?}");
        bench.advance(wait);
    }
    let paid = bench.tried(1).await;
    assert_eq!(paid.summary, "amount not compared, FINALIZED");
}

#[tokio::test]
async fn a_callback_is_forwarded_byte_for_byte_until_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Peer::start(&[(500, "no"), (503, "no"), (200, r#"{"got":"it"}"#)]).await;
    let mut bench = open(folder.path(), &shop.url, Some(WORKING)).await;
    let to = format!("{}/hook?own=1", shop.url);
    let delivery = bench
        .receive("shop", &[(JobKind::Forward, &to)], &inbound())
        .await;
    assert_eq!(bench.tried(1).await.status, Some(500));
    bench.advance(1);
    assert_eq!(bench.tried(2).await.summary, "HTTP 503");
    bench.advance(5);
    let done = bench.tried(3).await;
    assert_eq!((done.state, done.status), (JobState::Done, Some(200)));
    let seen = shop.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 3);
    for request in seen {
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "/hook?own=1&transactionKey=ORDER%201&x=%zz");
        assert_eq!(request.body(), inbound().request.body());
        let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
        assert_eq!(header("content-type"), Some(&b"text/x-odd"[..]));
        assert_eq!(header("x-forwarded-for"), Some(&b"192.0.2.7"[..]));
        assert_eq!(header("x-shop"), Some(&b"planted-header-value"[..]));
        assert_eq!(header("content-length"), Some(&b"4"[..]));
        assert_ne!(header("host"), Some(&b"shop.example"[..]));
    }
    let received = bench.deck.received(delivery.id).await.unwrap();
    assert_eq!(received.target, inbound().target());
    assert_eq!(received.replies.len(), 1);
    assert_eq!(received.replies[0].1.text, r#"{"got":"it"}"#);
    assert_eq!(received.body.bytes, 4);
    assert_eq!(
        *received.body.raw(),
        inbound().request.body()[..],
        "byte for byte"
    );
}

#[tokio::test]
async fn an_accepted_callback_with_an_empty_chunked_body_is_forwarded() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Peer::start(&[(200, "yes")]).await;
    let mut bench = open(folder.path(), &shop.url, Some(WORKING)).await;
    let mut inbound = inbound();
    inbound.request.body_mut().clear();
    let headers = inbound.request.headers_mut();
    headers.remove("content-length");
    headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
    let jobs = [(JobKind::Forward, shop.url.as_str())];
    let delivery = bench.receive("shop", &jobs, &inbound).await;
    let job = bench.tried(1).await;
    assert_eq!((job.state, &*job.summary), (JobState::Done, "HTTP 200"));
    let seen = shop.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.headers()["content-length"], "0");
    assert!(!seen.headers().contains_key("transfer-encoding"));

    // One that was rejected may have had a body that was not read.
    let mut new = bench.new_delivery("shop", &jobs, &inbound).await;
    new.verdict = CallbackVerdict::Unreadable;
    new.dedup_key = None;
    let unread = bench.deck.ledger.deliver(new).await.unwrap();
    assert!(unread.id > delivery.id);
    let job = bench.tried(1).await;
    assert_eq!(job.state, JobState::GivenUp);
    assert!(job.summary.contains("whole"), "{}", job.summary);
}

#[tokio::test]
async fn whatever_the_shops_server_answers_but_2xx_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Peer::start(&[(404, "no"), (302, "no"), (403, "no"), (201, "yes")]).await;
    let mut bench = open(folder.path(), &shop.url, Some(WORKING)).await;
    bench
        .receive("shop", &[(JobKind::Forward, &shop.url)], &inbound())
        .await;
    for (attempts, status, wait) in [(1, 404, 1), (2, 302, 5), (3, 403, 30)] {
        let job = bench.tried(attempts).await;
        let due = bench.deck.clock.now().wall.plus(Duration::from_secs(wait));
        assert_eq!(job.state, JobState::Due { at: due }, "{status}");
        assert_eq!(job.status, Some(status));
        bench.advance(wait);
    }
    assert_eq!(bench.tried(4).await.state, JobState::Done);
}

#[tokio::test]
async fn what_another_process_had_in_hand_when_it_died_is_done_once_its_lease_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::start(&[(200, FINALIZED)]).await;
    let mut bench = open(folder.path(), &peer.url, Some(WORKING)).await;
    // The worker has no other job, and waits.
    bench
        .receive("shop", &[(JobKind::Check, "")], &inbound())
        .await;
    bench.tried(1).await;
    let other = open(folder.path(), &peer.url, None).await;
    let mut saved = Vec::new();
    for leased_until in [Some(START.plus(LEASE)), None] {
        let jobs = [(JobKind::Check, "")];
        let mut new = other.new_delivery("shop", &jobs, &inbound()).await;
        new.dedup_key = None;
        new.jobs[0].leased_until = leased_until;
        saved.push(other.deck.ledger.deliver(new).await.unwrap().id);
    }
    other.deck.close().await;
    assert_eq!(
        bench.delivery_tried(1).await.id,
        saved[1],
        "the owner may be alive"
    );
    bench.hand.advance(Duration::from_secs(61));
    assert_eq!(bench.delivery_tried(1).await.id, saved[0]);
}

#[tokio::test]
async fn a_shop_that_hangs_keeps_no_payment_from_being_checked_and_what_hangs_is_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::start(&[(200, FINALIZED)]).await;
    // Takes every connection and says nothing.
    let hung = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("http://{}/", hung.local_addr().unwrap());
    let mut bench = open(folder.path(), &peer.url, Some(WORKING)).await;
    for _ in 0..40 {
        let jobs = [(JobKind::Forward, to.as_str())];
        let mut new = bench.new_delivery("gone", &jobs, &inbound()).await;
        new.dedup_key = None;
        bench.deck.ledger.deliver(new).await.unwrap();
    }
    let checked = bench
        .receive("shop", &[(JobKind::Check, "")], &inbound())
        .await;
    assert_eq!(
        bench.tried(1).await.summary,
        "amount not compared, FINALIZED"
    );
    let forwarded = bench
        .receive("shop", &[(JobKind::Forward, &peer.url)], &inbound())
        .await;
    assert_eq!(bench.tried(1).await.summary, "HTTP 200");
    bench.deck.stop_receiving().await;

    let query = crate::ledger::DeliveryQuery {
        limit: 99,
        ..Default::default()
    };
    let mut begun = 0;
    for left in bench.deck.ledger.log(query).await.unwrap() {
        if ![checked.id, forwarded.id].contains(&left.id) {
            let job = &left.jobs[0];
            assert_eq!((job.state, job.attempts), (JobState::Due { at: START }, 0));
            assert!(!job.has_failed());
            begun += usize::from(job.tried_at.is_some());
        }
    }
    assert!((1..7).contains(&begun), "{begun}");
    let queue = JobFilter {
        account_key: bench.deck.callbacks.shared.account_key.clone(),
        kinds: &JobKind::ALL,
        known: true,
        account: None,
        targets: None,
        busy: Vec::new(),
    };
    let next = bench.deck.ledger.next_job_due(queue).await;
    assert_eq!(next, Ok(Some(START)));
}

#[tokio::test]
async fn a_payment_that_the_provider_does_not_come_to_know_is_asked_for_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = (200, r#"{"result":"fail","code":9001}"#);
    // That of another server says nothing about the payment.
    let answers = [(404, "<html>"), unknown];
    let peer = Peer::start(&answers).await;
    let mut bench = open(folder.path(), &peer.url, Some(WORKING)).await;
    bench
        .receive("shop", &[(JobKind::Check, "")], &inbound())
        .await;
    for (attempts, wait) in [(1, 1), (2, 5), (3, 30), (4, 120), (5, 600)] {
        let job = bench.tried(attempts).await;
        assert!(matches!(job.state, JobState::Due { .. }), "{attempts}");
        bench.advance(wait);
    }
    assert_eq!(bench.tried(6).await.state, JobState::GivenUp);
}

#[tokio::test]
async fn what_cannot_be_done_is_given_up_at_once_and_a_check_of_an_unknown_account_after_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::start(&[(200, ACTIVE)]).await;
    let mut bench = open(folder.path(), &peer.url, Some(WORKING)).await;
    for (account, job, why) in [
        (
            "shop",
            (JobKind::Forward, "http://shop.example/"),
            "plain http",
        ),
        // The process that leased it has died.
        ("shop", (JobKind::Relay, &peer.url), "delivered twice"),
        // Kinguin cannot be asked what became of a payment.
        ("keys", (JobKind::Check, ""), "keys"),
    ] {
        let new = bench.receive(account, &[job], &inbound()).await;
        if job.0 == JobKind::Relay {
            bench.advance(LEASE.as_secs() + 1);
        }
        let id = new.jobs[0].id;
        let mut job = bench.tried(1).await;
        while job.id != id {
            job = bench.tried(1).await;
        }
        assert_eq!(job.state, JobState::GivenUp, "{account}");
        assert!(job.summary.contains(why), "{}", job.summary);
    }
    let unknown = bench
        .receive("gone", &[(JobKind::Check, "")], &inbound())
        .await;
    // For a day, a process with a newer config may take it.
    let why = "account gone is not in this machine's config";
    for ends in [false, true] {
        bench.advance(if ends { DAY.as_secs() } else { 60 });
        let job = loop {
            if let Event::Delivery(delivery) = bench.event().await
                && delivery.id == unknown.id
                && !delivery.jobs[0].summary.is_empty()
                && (delivery.jobs[0].state == JobState::GivenUp) == ends
            {
                break delivery.jobs[0].clone();
            }
        };
        assert!(job.has_failed() && job.summary == why, "{job:?}");
    }
    assert_eq!(peer.asked(), 0);
}

#[tokio::test]
async fn a_saved_callback_is_forwarded_by_hand_where_nothing_runs_and_once_only() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Peer::start(&[(500, "no"), (200, "yes")]).await;
    let bench = open(folder.path(), &shop.url, None).await;
    let delivery = bench.receive("shop", &[], &inbound()).await;
    let first = bench.deck.replay(delivery.id, &shop.url).await;
    let first = &first.unwrap().jobs[0];
    assert_eq!(
        (first.state, first.summary.as_str()),
        (JobState::GivenUp, "HTTP 500")
    );
    let second = bench.deck.replay(delivery.id, &shop.url).await;
    let second = second.unwrap();
    assert_eq!(second.jobs.len(), 2);
    assert_eq!(second.jobs[1].state, JobState::Done);
    assert_eq!(
        shop.seen.lock().unwrap()[1].body(),
        inbound().request.body()
    );
    let unknown = DeliveryId(99);
    let unknown = bench.deck.replay(unknown, &shop.url).await;
    assert_eq!(unknown.unwrap_err().kind, ProblemKind::NotFound);
    let elsewhere = bench.deck.replay(delivery.id, "http://shop.example/");
    assert_eq!(elsewhere.await.unwrap_err().kind, ProblemKind::Usage);
}

#[tokio::test]
async fn where_a_worker_runs_it_hands_on_what_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Peer::start(&[(200, "yes")]).await;
    let mut bench = open(folder.path(), &shop.url, Some(WORKING)).await;
    let delivery = bench.receive("shop", &[], &inbound()).await;
    let added = bench.deck.replay(delivery.id, &shop.url).await.unwrap();
    assert!(matches!(added.jobs[0].state, JobState::Due { .. }));
    assert_eq!(bench.tried(1).await.state, JobState::Done);
}

#[tokio::test]
async fn secrets_of_a_callback_are_shown_nowhere_and_the_request_log_has_none() {
    let folder = tempfile::tempdir().unwrap();
    // It repeats what proves the account's callbacks, and a word that stands in a header by chance.
    let said = "thanks for SANDBOX-webhook-0123456789 in an-ordinary-word";
    let shop = Peer::start(&[(200, said)]).await;
    let bench = open(folder.path(), &shop.url, None).await;
    let mut inbound = inbound();
    let target = "/callbacks/keys?api_key=planted-query-key&a=b";
    *inbound.request.uri_mut() = target.parse().unwrap();
    *inbound.request.body_mut() =
        r#"{"game_auth_token":"planted-player-token","kind":"\u001b[2J"}"#.into();
    let headers = inbound.request.headers_mut();
    headers.remove("content-length");
    headers.insert("x-poison", HeaderValue::from_static("an-ordinary-word"));
    // The header's name is of the account as it is configured now; the others have another one, or are gone.
    for account in ["keys", "shop", "gone"] {
        let mut new = bench.new_delivery(account, &[], &inbound).await;
        new.verdict = CallbackVerdict::Refused;
        let delivery = bench.deck.ledger.deliver(new).await.unwrap();
        let replayed = bench.deck.replay(delivery.id, &shop.url).await;
        assert_eq!(replayed.unwrap().jobs[0].state, JobState::Done);
        let received = bench.deck.received(delivery.id).await.unwrap();
        let shown = format!("{received:?}");
        for wanted in ["a=b", "<x-shop>", "text/x-odd", "192.0.2.7"] {
            assert!(shown.contains(wanted), "{wanted}: {shown}");
        }
        let reply = &received.replies[0].1.text;
        assert!(reply.ends_with("in an-ordinary-word"), "{reply}");
        let log = bench.deck.ledger.log(crate::ledger::LogQuery {
            limit: 1,
            log: crate::ledger::Requests { bodies: true },
            ..Default::default()
        });
        let log = format!("{:?}", log.await.unwrap());
        let id = delivery.id.0;
        assert!(log.contains(&format!("callback {id}, forward")), "{log}");
        assert!(log.contains("<x-shop>"), "{log}");
        for sealed in ["a=b", "kind", "in an-ordinary-word"] {
            assert!(!log.contains(sealed), "{sealed}: {log}");
        }
        for (what, text) in [("shown", shown), ("log", log)] {
            for secret in ["planted-", "SANDBOX-webhook"] {
                assert!(!text.contains(secret), "{account}, {what}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn a_flood_is_reported_by_its_newest_and_the_rest_is_hinted_at() {
    const ROOM: usize = crate::net::events::ROOM;
    let folder = tempfile::tempdir().unwrap();
    let receive = Receive {
        pace: Pace {
            others: Duration::from_hours(1),
            ..WORKING.pace
        },
        ..WORKING
    };
    let mut bench = open(folder.path(), "http://127.0.0.1:9", Some(receive)).await;
    // Reported from here on.
    let all = bench.deck.deliveries(None, Search::default(), 1).await;
    assert_eq!(all.unwrap().rows, []);
    let new = bench.new_delivery("shop", &[], &inbound()).await;
    for flood in [ROOM, ROOM + 100, 3 * ROOM] {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..flood {
            let (ledger, new) = (bench.deck.ledger.clone(), new.clone());
            all.spawn(async move { ledger.deliver(new).await.unwrap().id });
        }
        let last = all.join_all().await.into_iter().max().unwrap();
        bench.deck.callbacks.shared.saved.notify_one();
        let (mut reported, mut missed) = (Vec::new(), false);
        while reported.last() != Some(&last.0) {
            match bench.event().await {
                Event::Delivery(delivery) => reported.push(delivery.id.0),
                Event::Lagged => missed = true,
                other => panic!("{other:?}"),
            }
        }
        let newest: Vec<_> = (last.0 + 1 - i64::try_from(ROOM).unwrap()..=last.0).collect();
        assert_eq!(reported, newest, "without gaps");
        assert_eq!(missed, flood > ROOM, "of {flood}");
        // However many came after it.
        for (id, is_found) in [(1, true), (last.0, true), (last.0 + 1, false)] {
            let found = bench.deck.find_delivery(DeliveryId(id)).await;
            assert_eq!(found.is_ok_and(|it| it.id.0 == id), is_found, "{id}");
        }
    }
}

#[tokio::test]
async fn after_an_absence_all_since_the_start_are_reported_and_none_from_before() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path(), "http://127.0.0.1:9", None).await;
    let shared = &bench.deck.callbacks.shared;
    let begin = async |was_away| super::follow::begin(shared, was_away).await.unwrap().1;
    assert_eq!(begin(true).await, DeliveryId(0));
    let new = bench.new_delivery("shop", &[], &inbound()).await;
    let earlier = NewDelivery {
        received_at: WallTime(START.0 - 1),
        ..new.clone()
    };
    let before = bench.deck.ledger.deliver(earlier).await.unwrap().id;
    // More than are read at once.
    let mut since = tokio::task::JoinSet::new();
    for _ in 0..=crate::net::events::ROOM {
        let (ledger, new) = (bench.deck.ledger.clone(), new.clone());
        since.spawn(async move { ledger.deliver(new).await.unwrap().id });
    }
    let last = since.join_all().await.into_iter().max().unwrap();
    assert_eq!(begin(true).await, before);
    assert_eq!(begin(false).await, last);
}

#[tokio::test]
async fn a_provider_that_waits_gets_the_shops_response_and_the_shop_is_called_once() {
    let folder = tempfile::tempdir().unwrap();
    let long = |bytes: usize| &*format!("{{{}}}", " ".repeat(bytes - 2)).leak();
    let (fits, too_long) = (long(64 * 1024), long(64 * 1024 + 1));
    let answers = [
        (200, fits),
        (200, too_long),
        (200, "<html>error"),
        (200, ""),
        (200, "[]"),
        (201, "{}"),
        (429, "later"),
        (500, "no"),
    ];
    let no_object = "HTTP 200, not returned to the provider: the response is not a JSON object";
    let shop = Peer::start(&answers).await;
    let bench = open(folder.path(), &shop.url, None).await;
    let shared = &bench.deck.callbacks.shared;
    let sent = Inbound {
        at: START,
        ..Inbound::saved(Request::new("order".into()))
    };
    for (summary, state, returned) in [
        ("HTTP 200", JobState::Done, Some(fits)),
        (
            "HTTP 200, not returned to the provider: the response is larger than 64 KiB",
            JobState::GivenUp,
            None,
        ),
        (no_object, JobState::GivenUp, None),
        (no_object, JobState::GivenUp, None),
        (no_object, JobState::GivenUp, None),
        (
            "HTTP 201, not returned to the provider: only HTTP 200 answers an order",
            JobState::GivenUp,
            None,
        ),
        ("HTTP 429", JobState::GivenUp, None),
        ("HTTP 500", JobState::GivenUp, None),
    ] {
        let order = bench
            .receive("shop", &[(JobKind::Relay, &shop.url)], &inbound())
            .await;
        let answer = shared.relay(&sent, &order, &order.jobs[0]).await;
        assert_eq!(answer, returned.map(bytes::Bytes::from), "{summary}");
        let after = bench.deck.delivery(order.id).await.unwrap();
        assert_eq!(after.jobs[0].state, state);
        assert_eq!(after.jobs[0].summary, summary);
        let parts = shared.parts_of(order.id).await.unwrap();
        let key = shared.sealing.key().await;
        let mut saved = parts.replies.iter();
        let saved = saved.find_map(|(_, reply)| key.sealer.open_reply(reply));
        assert_eq!(
            saved.as_deref(),
            returned.map(str::as_bytes),
            "a repeat gets the same answer"
        );
    }
    assert_eq!(shop.asked(), answers.len());
}

#[tokio::test]
async fn a_receiver_that_does_not_start_leaves_its_port_free() {
    let folder = tempfile::tempdir().unwrap();
    let receive = Receive {
        bind: Some(([127, 0, 0, 1], 0).into()),
        pace: Pace {
            bind: Duration::from_hours(1),
            ..Pace::default()
        },
        ..Receive::default()
    };
    let refused = super::sealing::Key {
        sealer: Arc::new(Sealer::new([7; 32])),
        fleeting: None,
        refused: Some("the key of another team".into()),
    };
    let change = |options| Options {
        receive: Some(receive),
        handover: Handover {
            receiver: Prepared {
                port: None,
                seal_key: Some(refused),
            },
            ..Handover::default()
        },
        ..options
    };
    let mut bench = open_with(folder.path(), "http://127.0.0.1:9", change).await;
    let Event::ListenerStatus(ListenerStatus::Down { address, why, .. }) = bench.event().await
    else {
        panic!("it starts");
    };
    assert_eq!(why, "the key of another team");
    TcpListener::bind(&address).await.unwrap();
}

/// Waits for a state of the receiver.
async fn listens(
    listening: &mut watch::Receiver<ListenerStatus>,
    is_wanted: impl FnMut(&ListenerStatus) -> bool,
) -> ListenerStatus {
    let found = tokio::time::timeout(LIMIT, listening.wait_for(is_wanted)).await;
    found.expect("it comes to that").unwrap().clone()
}

#[tokio::test]
async fn a_port_of_another_tilldeck_is_no_outage_and_is_left_to_one_that_forwards() {
    let folder = tempfile::tempdir().unwrap();
    let open = async |address: &str, forward: &[(Option<AccountId>, Url)]| {
        let receive = Receive {
            bind: Some(address.parse().unwrap()),
            forward: forward.to_vec(),
            ..WORKING
        };
        let change = |options| Options {
            receive: Some(receive),
            ..options
        };
        open_with(folder.path(), "http://127.0.0.1:9", change).await
    };
    for forward in [
        vec![],
        vec![(None, super::target("http://127.0.0.1:9/").unwrap())],
    ] {
        let first = open("127.0.0.1:0", &forward).await;
        let is_up = |it: &ListenerStatus| matches!(it, ListenerStatus::Up { .. });
        let ListenerStatus::Up { url, .. } = listens(&mut first.deck.listening(), is_up).await
        else {
            panic!("it is up");
        };
        let address = url.strip_prefix("http://").unwrap();
        let second = open(address, &[]).await;
        let mut listening = second.deck.listening();
        let elsewhere = ListenerStatus::Elsewhere { url: url.clone() };
        let found = listens(&mut listening, |it| *it != ListenerStatus::Off).await;
        assert_eq!(found, elsewhere);
        first.deck.close().await;
        let then = listens(&mut listening, |it| *it != elsewhere).await;
        if forward.is_empty() {
            assert!(
                matches!(&then, ListenerStatus::Up { url: now, .. } if *now == url),
                "its turn comes: {then:?}"
            );
        } else {
            assert!(
                matches!(&then, ListenerStatus::Down { why, .. } if *why == super::supervisor::FORWARDER_ENDED),
                "{then:?}"
            );
            let again = open(address, &forward).await;
            listens(&mut again.deck.listening(), is_up).await;
            listens(&mut listening, |it| *it == elsewhere).await;
        }
    }
}

/// The settings of a key that seals, in a file of this folder.
fn seal_key_in(folder: &std::path::Path) -> config::Callbacks {
    config::Callbacks {
        seal_key: Some(config::SecretSource::File {
            written: "seal_key".into(),
            base: folder.to_owned(),
        }),
        ..config::Callbacks::default()
    }
}

fn keep_seal_key(folder: &std::path::Path) {
    let key = super::new_key();
    crate::private::replace(&folder.join("seal_key"), key.expose().as_bytes()).unwrap();
}

#[tokio::test]
async fn callbacks_are_answered_503_until_the_key_that_seals_them_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let receive = Receive {
        bind: Some(([127, 0, 0, 1], 0).into()),
        ..WORKING
    };
    let callbacks = seal_key_in(folder.path());
    let change = |options| Options {
        receive: Some(receive),
        callbacks,
        ..options
    };
    let mut bench = open_with(folder.path(), "http://127.0.0.1:9", change).await;
    let Event::ListenerStatus(down @ ListenerStatus::Down { .. }) = bench.event().await else {
        panic!("it starts");
    };
    assert_eq!(*bench.deck.listening().borrow(), down);
    let url = bench.deck.port_url().unwrap();
    let mut tcp = tokio::net::TcpStream::connect(&url["http://".len()..])
        .await
        .unwrap();
    let request = b"POST /callbacks/shop HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    tcp.write_all(request).await.unwrap();
    let mut said = String::new();
    tcp.read_to_string(&mut said).await.unwrap();
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    keep_seal_key(folder.path());
    bench.advance(1);
    while !matches!(
        bench.event().await,
        Event::ListenerStatus(ListenerStatus::Up { .. })
    ) {}
    assert_eq!(bench.deck.port_url().unwrap(), url);
}

/// Renames a table of the ledger, so that it cannot be read.
fn rename_table(folder: &std::path::Path, from: &str, to: &str) {
    let path = folder.join("state").join("ledger.db");
    let database = rusqlite::Connection::open(path).unwrap();
    let statement = format!("ALTER TABLE {from} RENAME TO {to}");
    database.execute_batch(&statement).unwrap();
}

#[tokio::test]
async fn a_payment_hook_that_may_have_to_run_is_reported_if_the_expected_amount_cannot_be_read() {
    let unread = "hook of ORDER 1 (shop)";
    for (state, configured, wanted) in [
        ("FINALIZED", HookEvent::Paid, Some(unread)),
        ("FINALIZED", HookEvent::Underpaid, Some(unread)),
        ("FINALIZED", HookEvent::Failed, None),
        ("CANCELED", HookEvent::Paid, None),
        ("CANCELED", HookEvent::Failed, None),
        ("FAILED", HookEvent::Paid, None),
        ("FAILED", HookEvent::Failed, Some(unread)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let peer = Peer::start(&[(200, FINALIZED.replace("FINALIZED", state).leak())]).await;
        let hooks = config::Hooks::from([(configured, vec!["false".to_owned()])]);
        let change = |options| Options { hooks, ..options };
        let mut bench = open_with(folder.path(), &peer.url, change).await;
        let shop = AccountId::new("shop").unwrap();
        let expected = bench.deck.expectation(&shop, &order()).await;
        assert_eq!(expected.unwrap(), None);
        rename_table(folder.path(), "expectations", "away");
        let options = RequestOptions::default();
        let payment = bench.deck.check_payment(&shop, &order(), options).await;
        assert_eq!(payment.unwrap().state.as_str(), state);
        bench.deck.finish_hooks().await;
        let events = std::iter::from_fn(|| bench.events.try_recv());
        let warnings: Vec<_> = events
            .filter_map(|event| match event {
                Event::Warning { about, text } if is_about_hook(&about) => Some((about, text)),
                _ => None,
            })
            .collect();
        let found: Vec<_> = warnings.iter().map(|(about, _)| about.as_str()).collect();
        assert_eq!(found, Vec::from_iter(wanted), "{state}, {configured:?}");
        if wanted == Some(unread) {
            let begins = format!("{unread} not run: the expected amount cannot be read: ");
            assert!(warnings[0].1.starts_with(&begins), "{warnings:?}");
        }
    }
}

#[tokio::test]
async fn a_payment_hook_that_may_have_to_run_is_reported_if_the_payments_state_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let hooks = config::Hooks::from([(HookEvent::Paid, vec!["true".to_owned()])]);
    let change = |options| Options { hooks, ..options };
    let mut bench = open_with(folder.path(), "http://127.0.0.1:9", change).await;
    let shop = AccountId::new("shop").unwrap();
    let expected = bench.deck.expectation(&shop, &order()).await;
    assert_eq!(expected.unwrap(), None);
    rename_table(folder.path(), "observations", "away");
    let new = NewExpectation {
        sum: Expected {
            amount: Amount::typed("0.01").unwrap(),
            currency: Currency::new("BTC").unwrap(),
        },
        by: ExpectedBy::Command,
        replaced: Replaced::Never,
    };
    let set = bench.deck.expect(&shop, &order(), new).await.unwrap();
    assert_eq!(set, Ok(None));
    let warning = bench.warning().await;
    let begins = "hook of ORDER 1 (shop) not run: its last state cannot be read: ";
    assert!(warning.starts_with(begins), "{warning}");
}

#[tokio::test]
async fn rejected_credentials_are_reported_by_each_request_that_sends_them() {
    let link = LinkRequest {
        id: order(),
        amount: Amount::typed("0.01").unwrap(),
        currency: Currency::new("BTC").unwrap(),
        name: None,
        email: None,
        force_currency: None,
        with_token: true,
        replace_expectation: false,
    };
    let player = PlayerId(7);
    let token = PlayerToken {
        player,
        token: Secret::new("t0"),
    };
    let rejected = "hook on_credentials_rejected";
    for (account, op, wanted) in [
        ("shop", Op::CheckPayment(order()), Some(rejected)),
        ("shop", Op::PaymentLink(link), Some(rejected)),
        ("game", Op::PlayerItems(player), Some(rejected)),
        // This may be the player's token.
        ("game", Op::AuthenticatePlayer(token), None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let peer = Peer::start(&[(401, r#"{"success":false,"error":403}"#)]).await;
        let hooks = config::Hooks::from([(
            HookEvent::CredentialsRejected,
            // It runs, and fails.
            vec!["false".to_owned()],
        )]);
        let change = |options| Options {
            hooks,
            receive: Some(WORKING),
            ..options
        };
        let mut bench = open_with(folder.path(), &peer.url, change).await;
        let account = AccountId::new(account).unwrap();
        let options = RequestOptions::default();
        bench.deck.query(&account, op, options).await;
        assert_eq!(peer.asked(), 1, "{account}");
        bench.deck.finish_hooks().await;
        let events = std::iter::from_fn(|| bench.events.try_recv());
        let mut hooks = events.filter_map(|event| match event {
            Event::Warning { about, .. } => Some(about),
            _ => None,
        });
        assert_eq!(hooks.next().as_deref(), wanted, "{account}");
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_saved_is_reported_and_checked_again() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::start(&[(200, FINALIZED)]).await;
    let hooks = config::Hooks::from([(HookEvent::Paid, vec!["true".to_owned()])]);
    let change = |options| Options {
        hooks,
        receive: Some(WORKING),
        ..options
    };
    let mut bench = open_with(folder.path(), &peer.url, change).await;
    let shop = AccountId::new("shop").unwrap();
    bench.deck.expectation(&shop, &order()).await.unwrap();
    rename_table(folder.path(), "observations", "away");
    let jobs = [(JobKind::Check, "")];
    bench.receive("shop", &jobs, &inbound()).await;
    let warning = bench.warning().await;
    let begins = "hook of ORDER 1 (shop) not run: its state cannot be saved: ";
    assert!(warning.starts_with(begins), "{warning}");
    let job = bench.tried(1).await;
    let due = START.plus(Duration::from_secs(1));
    assert_eq!(job.state, JobState::Due { at: due });
    let begins = "amount not compared, FINALIZED; its state cannot be saved: ";
    assert!(job.summary.starts_with(begins), "{}", job.summary);
    rename_table(folder.path(), "away", "observations");
    bench.advance(1);
    assert_eq!(
        bench.tried(2).await.summary,
        "amount not compared, FINALIZED"
    );
}

#[tokio::test]
async fn a_final_state_that_could_not_be_saved_is_saved_later_without_another_check() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::start(&[(200, FINALIZED)]).await;
    let hooks = config::Hooks::from([(HookEvent::Paid, vec!["true".to_owned()])]);
    let change = |options| Options { hooks, ..options };
    let mut bench = open_with(folder.path(), &peer.url, change).await;
    let shop = AccountId::new("shop").unwrap();
    bench.deck.expectation(&shop, &order()).await.unwrap();
    rename_table(folder.path(), "observations", "away");
    let options = RequestOptions::default();
    let checked = bench.deck.check_payment(&shop, &order(), options).await;
    assert_eq!(checked.unwrap().state, PaymentState::Finalized);
    bench.warning().await;
    rename_table(folder.path(), "away", "observations");
    while bench.event().await != Event::Resolved("hook of ORDER 1 (shop)".into()) {}
    let saved = bench.deck.observations(&shop, &order()).await.unwrap();
    assert_eq!((saved.len(), peer.asked()), (1, 1));
}

/// Callbacks at 0 s and 27 s; the payment is paid after 32 s.
#[tokio::test]
async fn a_later_callback_is_checked_by_a_schedule_of_its_own_and_ends_that_of_the_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let answers: Vec<_> = [[ACTIVE; 6].as_slice(), &[FINALIZED]].concat();
    let answers: Vec<_> = answers.into_iter().map(|answer| (200, answer)).collect();
    let peer = Peer::start(&answers).await;
    let mut bench = open(folder.path(), &peer.url, Some(WORKING)).await;
    let jobs = [(JobKind::Check, "")];
    bench.receive("shop", &jobs, &inbound()).await;
    bench.tried(1).await;
    let earlier = bench.receive("shop", &jobs, &inbound()).await.id;
    let due = |seconds| JobState::Due {
        at: START.plus(Duration::from_secs(seconds)),
    };
    while bench.tried(0).await.state != due(2) {}
    bench.advance(2);
    while bench.tried(0).await.state != due(8) {}
    bench.advance(6);
    while bench.tried(0).await.state != due(30) {}
    bench.advance(19);
    let later = bench.receive("shop", &jobs, &inbound()).await;
    assert_ne!(later.verdict, CallbackVerdict::Repeat);
    while bench.tried(0).await.state != due(29) {}
    let earlier = bench.deck.ledger.delivery(earlier).await.unwrap().unwrap();
    assert_eq!(earlier.jobs[0].state, JobState::Done);
    bench.advance(2);
    while bench.tried(0).await.state != due(35) {}
    assert_eq!(peer.asked(), 6);
    bench.advance(6);
    // The one that the later check ended is reported, too.
    while bench.tried(1).await.summary != "amount not compared, FINALIZED" {}
    assert_eq!(peer.asked(), 7);
}

#[tokio::test]
async fn a_payment_that_a_callbacks_check_finds_wrong_is_watched_and_stays_removed_at_its_retries()
{
    let folder = tempfile::tempdir().unwrap();
    let answers = [ACTIVE, CANCELED, UNREADABLE, UNREADABLE, FINALIZED];
    let peer = Peer::start(&answers.map(|answer| (200, answer))).await;
    let mut bench = open(folder.path(), &peer.url, Some(WORKING)).await;
    let shop = AccountId::new("shop").unwrap();
    let new = NewExpectation {
        sum: Expected {
            amount: Amount::typed("0.02").unwrap(),
            currency: Currency::new("BTC").unwrap(),
        },
        by: ExpectedBy::Command,
        replaced: Replaced::Never,
    };
    bench
        .deck
        .expect(&shop, &order(), new)
        .await
        .unwrap()
        .unwrap();
    for (at, is_watched) in [false, false, true, false, true].into_iter().enumerate() {
        let jobs = [(JobKind::Check, "")];
        bench.receive("shop", &jobs, &inbound()).await;
        bench.tried([1, 1, 1, 2, 3][at]).await;
        let watched = bench.deck.watchlist().await.unwrap().watches.len();
        assert_eq!(watched == 1, is_watched, "{}", answers[at]);
        bench.deck.unwatch(&shop, &order()).await.unwrap();
    }
}

#[tokio::test]
async fn callbacks_that_must_be_answered_in_time_are_found_behind_any_number_of_newer_ones() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path(), "http://127.0.0.1:9", None).await;
    let new = NewDelivery {
        provider: "kinguin".into(),
        kind: "OUT_OF_STOCK".into(),
        dedup_key: None,
        ..bench.new_delivery("keys", &[], &inbound()).await
    };
    let refused = NewDelivery {
        verdict: CallbackVerdict::Refused,
        ..new.clone()
    };
    // Its provider sets no time.
    let other = NewDelivery {
        account: "shop".into(),
        ..new.clone()
    };
    let deliver = async |new: &NewDelivery, ago: u64| {
        let received_at = WallTime(START.0 - i64::try_from(ago * 60_000).unwrap());
        let new = NewDelivery {
            received_at,
            ..new.clone()
        };
        bench.deck.ledger.deliver(new).await.unwrap().id
    };
    deliver(&new, 16).await;
    let (first, second) = (deliver(&new, 14).await, deliver(&new, 1).await);
    let mut flood = tokio::task::JoinSet::new();
    for (many, new) in [(1_100, refused), (4_100, other)] {
        for _ in 0..many {
            let (ledger, new) = (bench.deck.ledger.clone(), new.clone());
            flood.spawn(async move { ledger.deliver(new).await.unwrap() });
        }
    }
    flood.join_all().await;
    let found = bench.deck.awaited_deliveries().await.unwrap();
    let found: Vec<_> = found.iter().map(|delivery| delivery.id).collect();
    assert_eq!(found, [first, second]);
}
