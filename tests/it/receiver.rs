//! The receiver in this process, over real loopback connections, with accounts that judge by what the body says.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tilldeck::callbacks::seal::Sealer;
use tilldeck::callbacks::{
    Answer, CallbackHandler, CallbackHandlers, Dedup, Inbound, Limits, ParsedCallback, Receiver,
    Refusal, SenderRateLimit, Setup,
};
use tilldeck::clock::{Clock, ManualClock};
use tilldeck::domain::job::{AttemptOutcome, ClaimRequest, Disposition, JobResult, LEASE};
use tilldeck::domain::{
    CallbackVerdict, Delivery, JobKind, JobState, ListenerStatus, Problem, ProblemKind, Secret,
    WallTime,
};
use tilldeck::ledger::{DeliveryQuery, JobFilter, Ledger, Retention};
use tilldeck::net::redact;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::terminal::LIMIT;

const START: WallTime = WallTime(1_795_316_066_000);
const REALM: &str = "live";

/// Accounts `shop` (all is accepted or not, by its body) and `shop.forwards` (the same, and handed on).
struct Hall {
    kept: Mutex<Vec<Delivery>>,
    unable: Mutex<Vec<(String, String)>>,
    came: Notify,
    relayed: AtomicUsize,
    /// Who judges "wait" says so, and takes one.
    waits: Notify,
    judging: Semaphore,
    ledger: Ledger,
    sealer: Arc<Sealer>,
}

struct Seat {
    hall: Arc<Hall>,
    forward_to: Option<String>,
}

#[derive(Clone)]
struct Door(Arc<Hall>);

impl CallbackHandlers for Door {
    fn find(&self, name: &str) -> Option<Arc<dyn CallbackHandler>> {
        let forward_to = match name {
            "shop" => None,
            "shop.forwards" => Some("http://127.0.0.1:3000/hook".to_owned()),
            _ => return None,
        };
        let hall = self.0.clone();
        Some(Arc::new(Seat { hall, forward_to }))
    }

    fn unable(&self, name: &str, problem: Problem) {
        let told = (name.to_owned(), problem.message);
        self.0.unable.lock().unwrap().push(told);
    }

    fn saved(&self, delivery: Delivery) {
        self.0.kept.lock().unwrap().push(delivery);
        self.0.came.notify_waiters();
    }
}

#[async_trait]
impl CallbackHandler for Seat {
    fn provider(&self) -> &'static str {
        "test"
    }

    fn body_max(&self) -> usize {
        500_000
    }

    fn if_unsaved(&self) -> &'static str {
        "it is sent again"
    }

    async fn read(&self, inbound: &Inbound) -> Result<ParsedCallback, Refusal> {
        if inbound.request.method() != "POST" {
            return Err(Refusal::Method { allowed: "POST" });
        }
        let body = String::from_utf8_lossy(inbound.request.body()).into_owned();
        let answer = match body.split(' ').next().unwrap_or_default() {
            "refuse" => return Err(Refusal::Refused("the key \u{1b}[2J is wrong".into())),
            "garble" => return Err(Refusal::Unreadable("no \u{202e}JSON".into())),
            "unable" => {
                let problem = Problem::new(ProblemKind::Usage, "no secret", "");
                return Err(Refusal::Unable(problem));
            }
            "panic" => panic!("judging went wrong"),
            "wait" => {
                self.hall.waits.notify_one();
                let _one = self.hall.judging.acquire().await.unwrap();
                Answer::Plain
            }
            "order" | "slow" => Answer::Relayed {
                otherwise: r#"{"state":"canceled"}"#,
            },
            _ => Answer::Plain,
        };
        Ok(ParsedCallback {
            kind: "order\u{1b}]0;x\u{7} placed".into(),
            subject: None,
            happened_at: None,
            proof: "the key",
            proved: true,
            dedup: Dedup::Message(body.clone().into_bytes()),
            needs_check: body.starts_with("ask"),
            answer,
        })
    }

    fn forward_to(&self) -> Option<String> {
        self.forward_to.clone()
    }

    async fn relay(&self, inbound: &Inbound, delivery: &Delivery) -> Option<Bytes> {
        let number = self.hall.relayed.fetch_add(1, Ordering::Relaxed);
        if inbound.request.body().starts_with(b"slow") {
            std::future::pending::<()>().await;
        }
        let said = format!(r#"{{"state":"completed","number":{number}}}"#);
        let tried = JobResult {
            state: JobState::Done,
            at: inbound.at,
            outcome: AttemptOutcome {
                status: Some(200),
                reply: Some(self.hall.sealer.seal_reply(said.as_bytes())),
                ..AttemptOutcome::without_answer("HTTP 200", Disposition::Done)
            },
        };
        let job = delivery.jobs[0].id;
        if inbound.request.body().starts_with(b"order when told") {
            self.hall.waits.notify_one();
            let _one = self.hall.judging.acquire().await.unwrap();
        }
        let held = inbound.at.plus(LEASE);
        let kept = self.hall.ledger.finish_attempt(job, held, tried).await;
        kept.unwrap();
        Some(said.into())
    }
}

struct House {
    receiver: Receiver,
    hall: Arc<Hall>,
    hand: ManualClock,
    folder: tempfile::TempDir,
}

impl House {
    async fn open(limits: Limits) -> Self {
        Self::open_at(limits, std::path::Path::to_owned).await
    }

    async fn open_at(
        limits: Limits,
        state: impl Fn(&std::path::Path) -> std::path::PathBuf,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clock, hand) = Clock::by_hand(START);
        let ledger = Ledger::start(state(folder.path()), clock.clone(), Retention::default());
        let sealer = Arc::new(Sealer::new([7; 32]));
        let hall = Arc::new(Hall {
            kept: Mutex::default(),
            unable: Mutex::default(),
            came: Notify::new(),
            relayed: AtomicUsize::new(0),
            waits: Notify::new(),
            judging: Semaphore::new(0),
            ledger: ledger.clone(),
            sealer: sealer.clone(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let setup = Setup {
            limits,
            ledger,
            clock,
            sealer,
            account_key: REALM.into(),
            trusted_proxies: Vec::new(),
            handlers: Arc::new(Door(hall.clone())),
        };
        let receiver = Receiver::start(listener, setup).unwrap();
        Self {
            receiver,
            hall,
            hand,
            folder,
        }
    }

    fn address(&self) -> SocketAddr {
        self.receiver.address()
    }

    /// What is answered to these bytes until the connection ends.
    async fn hear(&self, wire: impl AsRef<[u8]>) -> String {
        hear(self.address(), wire.as_ref()).await
    }

    /// The status that a body posted to an account is answered with.
    async fn post(&self, account: &str, body: &str) -> String {
        self.hear(posted(account, body)).await
    }

    async fn deliveries(&self) -> Vec<Delivery> {
        let all = DeliveryQuery {
            limit: 100_000,
            ..DeliveryQuery::default()
        };
        self.hall.ledger.log(all).await.unwrap()
    }

    async fn listening(&self, so: impl FnMut(&ListenerStatus) -> bool) -> ListenerStatus {
        let mut listening = self.receiver.listening();
        let found = tokio::time::timeout(LIMIT, listening.wait_for(so)).await;
        found.expect("in time").unwrap().clone()
    }
}

fn all_errands() -> JobFilter {
    JobFilter {
        account_key: REALM.into(),
        kinds: &JobKind::ALL,
        known: true,
        account: None,
        targets: None,
        busy: Vec::new(),
    }
}

async fn hear(address: SocketAddr, wire: &[u8]) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(wire).await.unwrap();
    let mut said = Vec::new();
    let heard = tokio::time::timeout(LIMIT, tcp.read_to_end(&mut said));
    // A reset after the answer is an end, too.
    let _ = heard.await.expect("an end");
    String::from_utf8_lossy(&said).into_owned()
}

fn posted(account: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /callbacks/{account} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\
         X-Api-Key: SANDBOX-PLANTED-KEY\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn status(said: &str) -> u16 {
    let code = said.split(' ').nth(1);
    code.and_then(|code| code.parse().ok()).unwrap_or(0)
}

#[expect(clippy::too_many_lines, reason = "it is one table")]
#[tokio::test]
async fn every_request_has_its_status_and_what_is_for_an_account_its_verdict() {
    let house = House::open(Limits::default()).await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let with = |method: &str| posted("shop", "").replacen("POST", method, 1);
    let header = "y".repeat(20_000_000);
    let body = "z".repeat(3_000_000);
    let too_long = "z".repeat(500_001);
    let long = "n".repeat(3_000);
    let (verdict, nothing) = (Some, None);
    for (name, wire, expected, kept) in [
        (
            "accepted",
            posted("shop", "paid 1"),
            200,
            verdict(CallbackVerdict::Accepted),
        ),
        (
            "again",
            posted("shop", "paid 1"),
            200,
            verdict(CallbackVerdict::Repeat),
        ),
        (
            "HTTP/1.0",
            posted("shop", "paid 2").replacen("1.1", "1.0", 1),
            200,
            verdict(CallbackVerdict::Accepted),
        ),
        (
            "no body at all",
            posted("shop", ""),
            200,
            verdict(CallbackVerdict::Accepted),
        ),
        (
            "chunked",
            posted("shop", "6\r\npaid 3\r\n0\r\n\r\n")
                .replace("Content-Length: 16", "Transfer-Encoding: chunked"),
            200,
            verdict(CallbackVerdict::Accepted),
        ),
        (
            "a wrong key",
            posted("shop", "refuse"),
            403,
            verdict(CallbackVerdict::Refused),
        ),
        (
            "nonsense",
            posted("shop", "garble"),
            400,
            verdict(CallbackVerdict::Unreadable),
        ),
        (
            "a GET",
            with("GET"),
            405,
            verdict(CallbackVerdict::Unreadable),
        ),
        (
            "a HEAD",
            with("HEAD"),
            405,
            verdict(CallbackVerdict::Unreadable),
        ),
        ("a long method", with("\u{1b}[31mPOST"), 400, nothing),
        (
            "another method",
            with("AMETHODOFSOMELENGTH"),
            405,
            verdict(CallbackVerdict::Unreadable),
        ),
        (
            "a secret that cannot be read",
            posted("shop", "unable"),
            503,
            verdict(CallbackVerdict::Unverified),
        ),
        ("a panic", posted("shop", "panic"), 503, nothing),
        (
            "nobody",
            posted("nobody", "x"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        (
            "nobody's long name",
            posted(&long, "x"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        (
            "a name that is turned around",
            posted("sh\u{202e}op", "x"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        (
            "a name in another letter case",
            posted("Shop", "x"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        (
            "no name",
            posted("", "x"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        (
            "a slash behind",
            posted("shop/", "slash behind"),
            200,
            verdict(CallbackVerdict::Accepted),
        ),
        (
            "a path behind",
            posted("shop/order/1/?a=b", "path behind"),
            200,
            verdict(CallbackVerdict::Accepted),
        ),
        (
            "a path out of the account's",
            posted("shop/x/%2e%2e/../admin", "x"),
            400,
            verdict(CallbackVerdict::Unreadable),
        ),
        (
            "a path above",
            posted("../callbacks/shop", "x"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        (
            "dots",
            posted("..", "x"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        (
            "an encoded letter",
            posted("sho%70", "encoded letter"),
            200,
            verdict(CallbackVerdict::Accepted),
        ),
        (
            "an encoded slash",
            posted("shop%2f..%2fshop", "x"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        (
            "an encoded NUL",
            posted("shop%00", "x"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        (
            "a backslash",
            posted("..\\shop", "x"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        (
            "a query",
            posted("shop?x=%2e%2e", "paid 4"),
            200,
            verdict(CallbackVerdict::Accepted),
        ),
        ("the root", get("/"), 404, nothing),
        ("a name outside the folder", get("/shop"), 404, nothing),
        (
            "the folder",
            get("/callbacks"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        (
            "doubled slashes",
            posted("shop", "doubled").replacen("/callbacks/", "//callbacks//", 1),
            200,
            verdict(CallbackVerdict::Accepted),
        ),
        (
            "a file",
            get("/callbacks/../../etc/passwd"),
            404,
            verdict(CallbackVerdict::UnknownAccount),
        ),
        ("the heartbeat", get("/heartbeat"), 200, nothing),
        (
            "the heartbeat by POST",
            get("/heartbeat").replacen("GET", "POST", 1),
            405,
            nothing,
        ),
        (
            "a body of 3 MB",
            posted("shop", &body),
            413,
            verdict(CallbackVerdict::Unreadable),
        ),
        (
            "longer than its provider's are",
            posted("shop", &too_long),
            413,
            verdict(CallbackVerdict::Unreadable),
        ),
        (
            "a broken chunk",
            posted("shop", "zz\r\n").replace("Content-Length: 4", "Transfer-Encoding: chunked"),
            400,
            verdict(CallbackVerdict::Unreadable),
        ),
        (
            "a compression that is not read",
            posted("shop", "x").replacen("\r\n", "\r\nContent-Encoding: br\r\n", 1),
            415,
            verdict(CallbackVerdict::Unreadable),
        ),
        (
            "two lengths",
            posted("shop", "paid").replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n"),
            400,
            nothing,
        ),
    ] {
        let before = house.deliveries().await.len();
        let said = house.hear(&wire).await;
        assert_eq!(status(&said), expected, "{name}: {said}");
        let now = house.deliveries().await;
        let found = now.get(..now.len() - before).unwrap();
        let verdicts: Vec<_> = found.iter().map(|delivery| delivery.verdict).collect();
        assert_eq!(verdicts, kept.into_iter().collect::<Vec<_>>(), "{name}");
        for delivery in found {
            assert_eq!(delivery.status, expected, "{name}");
            let texts = [
                &delivery.account,
                &delivery.why,
                &delivery.kind,
                &delivery.method,
            ];
            for text in texts {
                assert!(
                    text.chars()
                        .all(|c| !tilldeck::domain::inert::is_hostile(c))
                );
                assert!(text.chars().count() <= 200, "{name}: {text}");
            }
            assert!(delivery.account.chars().count() <= 64 && delivery.method.len() <= 18);
        }
        match expected {
            405 => assert!(said.to_lowercase().contains("\r\nallow: "), "{said}"),
            415 => assert!(said.contains("\r\naccept-encoding: gzip, deflate, identity\r\n")),
            503 => assert!(said.contains("\r\nretry-after: 30\r\n"), "{said}"),
            _ => {}
        }
        assert_eq!(
            wire.starts_with("HEAD"),
            said.contains("405") && said.ends_with("\r\n\r\n")
        );
    }
    // The other end may be reset before it has read the answer: it is still sending.
    let mut tcp = TcpStream::connect(house.address()).await.unwrap();
    let head = format!("POST /callbacks/shop HTTP/1.1\r\nHost: a\r\nX-A: {header}\r\n\r\n");
    let sent = tcp.write_all(head.as_bytes()).await;
    let mut said = Vec::new();
    let read = tcp.read_to_end(&mut said).await;
    let refused = String::from_utf8_lossy(&said).starts_with("HTTP/1.1 431");
    assert!(refused || sent.is_err() || read.is_err(), "{sent:?}");
}

#[tokio::test]
async fn half_a_request_is_not_waited_for() {
    let mut limits = Limits::default();
    limits.server.head_time = Duration::from_millis(80);
    limits.server.body_time = Duration::from_millis(80);
    let house = House::open(limits).await;
    let half_a_body = posted("shop", "paid").replace("Length: 4", "Length: 9");
    let for_nobody = half_a_body.replace("/shop", "/nobody");
    for (wire, expected) in [
        (half_a_body.as_str(), 408),
        (for_nobody.as_str(), 404),
        ("POST /callbacks/shop HTTP/1.1\r\nHost: a", 0),
    ] {
        let said = house.hear(wire).await;
        assert_eq!(status(&said), expected, "{said}");
    }
    let gone =
        "POST /callbacks/NAME HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    for name in ["shop", "nobody"] {
        house.hear(gone.replace("NAME", name)).await;
    }
    let late = house.deliveries().await;
    let seen: Vec<_> = late.iter().map(|one| (one.status, &*one.why)).collect();
    assert_eq!(
        seen,
        [
            (
                404,
                "no account has this name; the connection ended before its whole body arrived"
            ),
            (400, "the connection ended before its whole body arrived"),
            (
                404,
                "no account has this name; its body did not arrive in time"
            ),
            (408, "its body did not arrive in time"),
        ]
    );
}

#[tokio::test]
async fn a_compressed_callback_is_judged_by_its_content_and_saved_as_it_came() {
    let house = House::open(Limits::default()).await;
    let gzip = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let wire = |body: &[u8]| {
        let head = format!(
            "POST /callbacks/shop HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
             Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let compressed = gzip(b"\xef\xbb\xbfrefuse this");
    for (body, expected) in [
        (gzip(b"paid 1"), 200),
        (compressed.clone(), 403),
        (b"paid 2".to_vec(), 400),
        (gzip(&vec![b'x'; 200 << 20]), 413),
    ] {
        assert!(body.len() < 500_000);
        let said = house.hear(wire(&body)).await;
        assert_eq!(status(&said), expected, "{said}");
    }
    let all = house.deliveries().await;
    let [bomb, broken, refused, accepted] = &all[..] else {
        panic!("{all:?}");
    };
    assert_eq!(accepted.verdict, CallbackVerdict::Accepted);
    assert!(broken.why.contains("no valid gzip"), "{}", broken.why);
    assert!(bomb.why.contains("larger than"), "{}", bomb.why);
    let parts = house.hall.ledger.sealed(refused.id).await.unwrap().unwrap();
    let inbound = house.hall.sealer.open(&parts.request).unwrap();
    assert_eq!(inbound.request.body(), &compressed);
}

#[tokio::test]
async fn whom_a_proxy_does_not_name_is_unknown_and_shares_one_limit() {
    let limits = Limits {
        rate: SenderRateLimit {
            per_second: 1,
            burst: 2,
        },
        ..Limits::default()
    };
    let house = House::open(limits).await;
    for (from, expected) in [("unknown", 200), ("_hidden", 200), ("unix:", 429)] {
        let line = format!("X-Forwarded-For: {from}\r\nConnection");
        let wire = posted("shop", from).replace("Connection", &line);
        assert_eq!(status(&house.hear(wire).await), expected, "{from}");
    }
    for delivery in house.deliveries().await {
        assert_eq!(delivery.from, "unknown");
    }
}

#[tokio::test]
async fn pipelined_deliveries_are_answered_in_order_and_half_closed_ones_too() {
    let house = House::open(Limits::default()).await;
    let open = |body: &str| posted("shop", body).replace("Connection: close\r\n", "");
    let wire = [
        open("paid 1"),
        open("refuse"),
        open("paid 1"),
        posted("shop", "paid 2"),
    ]
    .concat();
    let said = house.hear(wire).await;
    let statuses: Vec<_> = said.matches("HTTP/1.1 ").collect();
    assert_eq!(statuses.len(), 4, "{said}");
    let at = |words: &str| said.find(words).unwrap();
    assert!(at("403") > at("200"), "{said}");
    let verdicts: Vec<_> = house.deliveries().await.iter().map(|d| d.verdict).collect();
    let (new, again) = (CallbackVerdict::Accepted, CallbackVerdict::Repeat);
    assert_eq!(verdicts, [new, again, CallbackVerdict::Refused, new]);

    // Whoever hangs up at once is not answered, and is kept and told of all the same.
    let came = house.hall.came.notified();
    let mut tcp = TcpStream::connect(house.address()).await.unwrap();
    tcp.write_all(open("wait").as_bytes()).await.unwrap();
    house.hall.waits.notified().await;
    drop(tcp);
    house.hall.judging.add_permits(1);
    tokio::time::timeout(LIMIT, came).await.unwrap();
    assert_eq!(house.deliveries().await.len(), 5);
}

#[tokio::test]
async fn a_secret_in_the_place_of_a_name_is_not_saved_as_one() {
    let house = House::open(Limits::default()).await;
    let secret = Secret::new("SANDBOX-SECRET-IN-A-PATH");
    redact::learn(&secret, "api_key");
    let said = house.post(secret.expose(), "x").await;
    assert_eq!(status(&said), 404);
    assert_eq!(house.deliveries().await[0].account, "<api_key>");
}

#[tokio::test]
async fn what_was_received_is_saved_sealed_and_comes_back_whole() {
    let house = House::open(Limits::default()).await;
    let said = house
        .post("shop?key=SANDBOX-PLANTED-QUERY", "ask SANDBOX-PLANTED-BODY")
        .await;
    assert!(
        said.starts_with("HTTP/1.1 200") && said.ends_with("\r\n\r\nok"),
        "{said}"
    );
    house.post("shop.forwards", "paid").await;
    let [forwarded, asked] = &house.deliveries().await[..] else {
        panic!()
    };
    assert_eq!(asked.received_at, START);
    assert_eq!((asked.from.as_str(), asked.bytes), ("127.0.0.1", 24));
    assert_eq!(
        (asked.why.as_str(), asked.provider.as_str()),
        ("the key", "test")
    );
    let kinds = |delivery: &Delivery| -> Vec<_> {
        let jobs = delivery.jobs.iter();
        jobs.map(|job| (job.kind, job.target.clone())).collect()
    };
    assert_eq!(kinds(asked), [(JobKind::Check, String::new())]);
    let target = "http://127.0.0.1:3000/hook".to_owned();
    assert_eq!(kinds(forwarded), [(JobKind::Forward, target)]);
    let lease = ClaimRequest {
        now: START,
        until: START,
        limit: 9,
    };
    let due = house.hall.ledger.take_jobs(all_errands(), lease).await;
    let due = due.unwrap();
    assert_eq!(due.len(), 2, "at once");
    let parts = house.hall.ledger.sealed(asked.id).await.unwrap().unwrap();
    let inbound = house.hall.sealer.open(&parts.request).unwrap();
    let body = inbound.request.body();
    assert_eq!(body[..], b"ask SANDBOX-PLANTED-BODY"[..]);
    assert_eq!(inbound.request.method(), "POST");
    assert_eq!(
        inbound.target(),
        "/callbacks/shop?key=SANDBOX-PLANTED-QUERY"
    );
    let headers = inbound.request.headers();
    assert_eq!(headers["x-api-key"], "SANDBOX-PLANTED-KEY");
    for entry in std::fs::read_dir(house.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let shown = String::from_utf8_lossy(&bytes);
            assert!(!shown.contains("SANDBOX-PLANTED"), "{}", path.display());
        }
    }
}

// docs/providers/kongregate.md#orders
#[tokio::test]
async fn a_relayed_order_is_asked_for_once_and_a_repeat_has_the_first_answer() {
    let house = House::open(Limits::default()).await;
    let ends = |said: &str, words: &str| assert!(said.ends_with(words), "{said}");
    let completed = r#"{"state":"completed","number":0}"#;
    let otherwise = r#"{"state":"canceled"}"#;
    ends(&house.post("shop.forwards", "order 1").await, completed);
    ends(&house.post("shop.forwards", "order 1").await, completed);
    ends(&house.post("shop", "order 2").await, otherwise);
    assert_eq!(house.hall.relayed.load(Ordering::Relaxed), 1);
    // A repeat that comes while the shop is being asked waits for its answer.
    let order = || {
        let address = house.address();
        let wire = posted("shop.forwards", "order when told");
        tokio::spawn(async move { hear(address, wire.as_bytes()).await })
    };
    let first = order();
    house.hall.waits.notified().await;
    let second = order();
    while house.deliveries().await.len() < 5 {
        tokio::task::yield_now().await;
    }
    house.hall.judging.add_permits(1);
    let completed = r#"{"state":"completed","number":1}"#;
    ends(&first.await.unwrap(), completed);
    ends(&second.await.unwrap(), completed);
}

// docs/providers/kongregate.md#orders
#[tokio::test]
async fn a_shop_that_does_not_answer_an_order_is_not_asked_again() {
    let limits = Limits {
        relay: Duration::from_millis(50),
        ..Limits::default()
    };
    let house = House::open(limits).await;
    let ends = |said: &str, words: &str| assert!(said.ends_with(words), "{said}");
    let otherwise = r#"{"state":"canceled"}"#;
    ends(&house.post("shop.forwards", "slow 3").await, otherwise);
    ends(&house.post("shop.forwards", "slow 3").await, otherwise);
    assert_eq!(house.hall.relayed.load(Ordering::Relaxed), 1, "never again");
    let all = house.deliveries().await;
    let slow = &all[1].jobs[0];
    assert_eq!((slow.state, slow.attempts), (JobState::GivenUp, 1));
    assert_eq!(
        house.hall.ledger.next_job_due(all_errands()).await,
        Ok(None)
    );
}

// docs/providers/kongregate.md#orders
#[tokio::test]
async fn orders_are_answered_though_the_receiver_stops_meanwhile() {
    let limits = Limits {
        // Longer than a connection that is cut off stays open.
        relay: Duration::from_millis(400),
        ..Limits::default()
    };
    let house = House::open(limits).await;
    let order = || {
        let address = house.address();
        let wire = posted("shop.forwards", "slow 3");
        tokio::spawn(async move { hear(address, wire.as_bytes()).await })
    };
    let orders = [order(), order()];
    while house.deliveries().await.len() < 2 {
        tokio::task::yield_now().await;
    }
    // Its body arrives only once the receiver stops.
    let address = house.address();
    let wire = posted("shop.forwards", "slow 4");
    let wire = wire.replacen("\r\n", "\r\nExpect: 100-continue\r\n", 1);
    let (head, body) = wire.split_at(wire.len() - 1);
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(head.as_bytes()).await.unwrap();
    let mut continues = [0; 25];
    tcp.read_exact(&mut continues).await.unwrap();
    assert_eq!(&continues, b"HTTP/1.1 100 Continue\r\n\r\n");
    let late = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        tcp.write_all(body.as_bytes()).await.unwrap();
        let mut said = String::new();
        tcp.read_to_string(&mut said).await.unwrap();
        said
    };
    let (said, ()) = tokio::join!(late, house.receiver.stop());
    assert!(said.ends_with(r#"{"state":"canceled"}"#), "{said}");
    for order in orders {
        let said = order.await.unwrap();
        assert!(said.ends_with(r#"{"state":"canceled"}"#), "{said}");
    }
}

#[tokio::test]
async fn what_cannot_be_saved_is_to_be_sent_again() {
    let file = |folder: &std::path::Path| {
        let path = folder.join("taken");
        std::fs::write(&path, "a file").unwrap();
        path
    };
    let house = House::open_at(Limits::default(), file).await;
    for (account, body) in [
        ("shop", "paid"),
        ("shop", "refuse"),
        ("nobody", "x"),
        ("shop.forwards", "order 1"),
    ] {
        let said = house.post(account, body).await;
        assert_eq!(status(&said), 503, "{said}");
        assert!(said.contains("\r\nretry-after: 30\r\n"), "{said}");
    }
    assert!(house.hall.kept.lock().unwrap().is_empty());
    assert_eq!(house.hall.relayed.load(Ordering::Relaxed), 0);
    let told = |number: usize| house.hall.unable.lock().unwrap()[..number].to_vec();
    let [shop, forwards] = &told(2)[..] else {
        panic!()
    };
    assert_eq!(
        (shop.0.as_str(), forwards.0.as_str()),
        ("shop", "shop.forwards")
    );
    assert!(shop.1.contains("taken"), "{}", shop.1);
    house.hand.advance(Duration::from_secs(30));
    house.post("shop", "unable").await;
    house.post("shop", "unable").await;
    assert_eq!(
        told(3)[2],
        ("shop".into(), "no secret".into()),
        "once in 30 s"
    );
    assert_eq!(house.hall.unable.lock().unwrap().len(), 3);
    let down = house
        .listening(|now| matches!(now, ListenerStatus::Down { .. }))
        .await;
    let ListenerStatus::Down { why, .. } = down else {
        panic!()
    };
    assert!(why.starts_with("tilldeck cannot save callbacks: "), "{why}");
    let heartbeat = hear(
        house.address(),
        b"GET /heartbeat HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status(&heartbeat), 503, "{heartbeat}");
}

#[tokio::test]
async fn each_address_has_its_share_and_this_machine_no_limit() {
    let limits = Limits {
        rate: SenderRateLimit {
            per_second: 1,
            burst: 2,
        },
        ..Limits::default()
    };
    let house = House::open(limits).await;
    let from = async |forwarded: &str| {
        let wire = posted("shop", "paid").replace("Connection", &format!("{forwarded}Connection"));
        house.hear(wire).await
    };
    let one = "X-Forwarded-For: 198.51.100.9, 203.0.113.7\r\n";
    for _ in 0..2 {
        assert_eq!(status(&from(one).await), 200);
    }
    for also in [
        one,
        "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 203.0.113.7:4711\r\n",
        "x-forwarded-for: ::ffff:203.0.113.7\r\n",
    ] {
        let said = from(also).await;
        assert_eq!(status(&said), 429, "{also}");
        assert!(said.contains("\r\nretry-after: 1\r\n"), "{said}");
    }
    assert_eq!(status(&from("X-Forwarded-For: 203.0.113.8\r\n").await), 200);
    for _ in 0..4 {
        assert_eq!(status(&from("").await), 200);
    }
    let all = house.deliveries().await;
    assert_eq!(all.len(), 7, "what is too much is not kept");
    assert_eq!(all[6].from, "203.0.113.7");
    house.hand.advance(Duration::from_secs(1));
    assert_eq!(status(&from(one).await), 200);
}

#[tokio::test]
async fn its_own_calls_tell_whether_it_would_answer() {
    let mut limits = Limits::default();
    limits.server.connections = 1;
    limits.heartbeat = Duration::from_millis(10);
    limits.heartbeat_patience = Duration::from_millis(500);
    let house = House::open(limits).await;
    let is_up = |now: &ListenerStatus| matches!(now, ListenerStatus::Up { .. });
    let up = ListenerStatus::Up {
        url: format!("http://{}", house.address()),
        heartbeat: START,
    };
    assert_eq!(house.listening(is_up).await, up);
    house.hand.advance(Duration::from_secs(7));
    let later = START.plus(Duration::from_secs(7));
    house
        .listening(|now| matches!(now, ListenerStatus::Up { heartbeat, .. } if *heartbeat == later))
        .await;
    // Its only place is taken by what is being judged.
    let address = house.address();
    let stuck = tokio::spawn(async move { hear(address, posted("shop", "wait").as_bytes()).await });
    let down = house
        .listening(|now| matches!(now, ListenerStatus::Down { .. }))
        .await;
    let expected = ListenerStatus::Down {
        address: address.to_string(),
        why: "the receiver does not respond to its own health check: no response in time".into(),
        since: later,
    };
    assert_eq!(down, expected);
    house.hall.judging.add_permits(1);
    assert_eq!(status(&stuck.await.unwrap()), 200);
    house.listening(is_up).await;
    let listening = house.receiver.listening();
    house.receiver.stop().await;
    assert_eq!(*listening.borrow(), ListenerStatus::Off);
}

#[tokio::test]
async fn stopping_finishes_what_has_come() {
    let house = House::open(Limits::default()).await;
    let address = house.address();
    let coming =
        tokio::spawn(async move { hear(address, posted("shop", "wait").as_bytes()).await });
    house.hall.waits.notified().await;
    let stopping = tokio::spawn(house.receiver.stop());
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    house.hall.judging.add_permits(1);
    assert_eq!(status(&coming.await.unwrap()), 200);
    stopping.await.unwrap();
    assert_eq!(house.hall.kept.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_burst_is_answered_and_saved_to_the_last_one() {
    const LANES: usize = 50;
    const EACH: usize = 60;
    let house = House::open(Limits::default()).await;
    let mut lanes = JoinSet::new();
    for key_lock in 0..LANES {
        let address = house.address();
        lanes.spawn(async move {
            let mut wire = String::new();
            for number in 0..EACH {
                wire.push_str(&posted("shop", &format!("paid {key_lock}-{number}")));
                if number + 1 < EACH {
                    wire = wire.replace("Connection: close\r\n", "");
                }
            }
            hear(address, wire.as_bytes())
                .await
                .matches("HTTP/1.1 200")
                .count()
        });
    }
    let answered: usize = lanes.join_all().await.into_iter().sum();
    assert_eq!(answered, LANES * EACH);
    let all = house.deliveries().await;
    assert_eq!(all.len(), LANES * EACH);
    assert!(
        all.iter()
            .all(|delivery| delivery.verdict == CallbackVerdict::Accepted)
    );
}

#[tokio::test]
async fn a_thousand_idle_or_slow_connections_keep_no_honest_delivery_out() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    // Both ends are in this process.
    let many = usize::try_from(limit.unwrap_or(u64::MAX) / 3)
        .unwrap_or(usize::MAX)
        .min(1_000);
    let mut limits = Limits::default();
    limits.server.connections = limits.server.connections.min(many / 2);
    let house = House::open(limits).await;
    let begun = [
        "",
        "POST /callbacks/shop HTTP/1.1\r\nX-A:",
        "POST /callbacks/shop HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx",
    ];
    let mut open = Vec::new();
    for number in 0..many {
        let mut tcp = TcpStream::connect(house.address()).await.unwrap();
        // Whoever was sent away already finds out only now.
        let _ = tcp.write_all(begun[number % 3].as_bytes()).await;
        open.push(tcp);
    }
    for number in 0..20 {
        let said = house.post("shop", &format!("paid {number}")).await;
        assert_eq!(status(&said), 200, "{said}");
        for tcp in &mut open {
            let _ = tcp.try_write(b"y");
        }
    }
    assert_eq!(house.deliveries().await.len(), 20);
    house
        .listening(|now| matches!(now, ListenerStatus::Up { .. }))
        .await;
}
