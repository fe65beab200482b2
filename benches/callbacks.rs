//! What it costs to keep callbacks: so many a second, and how long each waits for its answer, side by side with the same
//! server answering without keeping anything. Clients and server share the machine. Not by criterion: what counts is
//! the slowest hundredth of a sustained flood.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tilldeck::callbacks::seal::Sealer;
use tilldeck::callbacks::{
    Answer, CallbackHandler, CallbackHandlers, Dedup, Inbound, Limits, ParsedCallback, Receiver,
    Refusal, Setup,
};
use tilldeck::clock::Clock;
use tilldeck::domain::{Delivery, PaymentId, Secret, Subject};
use tilldeck::http_server::{Outcome, Server, text};
use tilldeck::ledger::{DatabaseSettings, Ledger, Retention};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const LASTS: Duration = Duration::from_secs(5);

/// Takes everything; `needs_check` gives each a job, as Kanga's hints are.
#[derive(Clone, Copy)]
struct All {
    needs_check: bool,
}

impl CallbackHandlers for All {
    fn find(&self, _: &str) -> Option<Arc<dyn CallbackHandler>> {
        Some(Arc::new(*self))
    }

    fn saved(&self, _: Delivery) {}
}

#[async_trait]
impl CallbackHandler for All {
    fn provider(&self) -> &'static str {
        "bench"
    }

    fn body_max(&self) -> usize {
        usize::MAX
    }

    fn if_unsaved(&self) -> &'static str {
        ""
    }

    async fn read(&self, inbound: &Inbound) -> Result<ParsedCallback, Refusal> {
        let body = inbound.request.body();
        let id = String::from_utf8_lossy(&body[..20.min(body.len())]);
        Ok(ParsedCallback {
            kind: "payment changed".into(),
            subject: PaymentId::new(id).ok().map(Subject::Payment),
            happened_at: None,
            proof: "a signature",
            proved: true,
            dedup: Dedup::Message(body.to_vec()),
            needs_check: self.needs_check,
            answer: Answer::Plain,
        })
    }

    fn forward_to(&self) -> Option<String> {
        None
    }

    async fn relay(&self, _: &Inbound, _: &Delivery) -> Option<Bytes> {
        None
    }
}

/// As a provider sends them: some headers, half a kilobyte of JSON.
fn request(lane: usize, number: u64) -> Vec<u8> {
    let body = format!(
        "{{\"id\":\"{lane:03}-{number:012}\",\"state\":\"FINALIZED\",\"padding\":\"{}\"}}",
        "p".repeat(440)
    );
    format!(
        "POST /callbacks/shop HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: provider/1.0\r\nAccept: */*\r\n\
         Content-Type: application/json\r\nX-Signature: 0123456789abcdef0123456789abcdef0123456789abcdef\r\n\
         X-Request-Id: {lane}-{number}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Floods `to` over so many connections kept alive, one request at a time on each; how long each took.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
async fn flood(to: SocketAddr, connections: usize) -> Vec<Duration> {
    let until = Instant::now() + LASTS;
    let mut lanes = JoinSet::new();
    for lane in 0..connections {
        lanes.spawn(async move {
            let mut tcp = TcpStream::connect(to).await.expect("a connection");
            tcp.set_nodelay(true).expect("a socket of this machine");
            let (mut took, mut answer) = (Vec::new(), [0; 1024]);
            for number in 0.. {
                let began = Instant::now();
                if began >= until {
                    break;
                }
                tcp.write_all(&request(lane, number)).await.expect("sent");
                let got = tcp.read(&mut answer).await.expect("an answer");
                assert!(answer[..got].starts_with(b"HTTP/1.1 200"), "accepted");
                took.push(began.elapsed());
            }
            took
        });
    }
    let mut all: Vec<_> = lanes.join_all().await.into_iter().flatten().collect();
    all.sort_unstable();
    all
}

fn report(what: &str, took: &[Duration]) -> u64 {
    let count = took.len() as u64;
    let rate = count / LASTS.as_secs();
    let at = |part: usize| took[(took.len() * part / 1000).min(took.len() - 1)];
    let ms = |took: Duration| {
        format!(
            "{}.{:02}",
            took.as_millis(),
            took.subsec_micros() % 1000 / 10
        )
    };
    let mut out = std::io::stdout();
    let _ = writeln!(
        out,
        "{what:<44} {rate:>7}/s   p50 {:>7} ms   p99 {:>7} ms   p99.9 {:>7} ms   worst {:>7} ms",
        ms(at(500)),
        ms(at(990)),
        ms(at(999)),
        ms(at(1000)),
    );
    rate
}

fn main() {
    // `cargo test --benches` wants to see it start, not to wait for it.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    for connections in [16, 64] {
        let bare = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let server = Server::start(listener, Limits::default().server, |_| async {
                Outcome::Answer(text(hyper::http::StatusCode::OK, "ok"))
            })
            .expect("a server");
            let took = flood(server.address(), connections).await;
            report(&format!("nothing kept, {connections} connections"), &took)
        });
        for needs_check in [false, true] {
            let with = if needs_check { ", a job each" } else { "" };
            let database = std::env::var(DATABASE).ok().map(Some);
            for shared in std::iter::once(None).chain(database) {
                let folder = tempfile::tempdir().expect("a folder");
                let clock = Clock::system();
                let (place, ledger) = match &shared {
                    None => ("SQLite", sqlite(&folder, &clock)),
                    Some(url) => ("PostgreSQL", postgres(url, &clock)),
                };
                let kept = runtime.block_on(async {
                    ledger.status().await;
                    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                    let setup = Setup {
                        limits: Limits::default(),
                        ledger,
                        clock,
                        sealer: Arc::new(Sealer::new([7; 32])),
                        account_key: "bench".into(),
                        trusted_proxies: Vec::new(),
                        handlers: Arc::new(All { needs_check }),
                    };
                    let receiver = Receiver::start(listener, setup).expect("a receiver");
                    let took = flood(receiver.address(), connections).await;
                    receiver.stop().await;
                    report(
                        &format!("durable in {place}, {connections} connections{with}"),
                        &took,
                    )
                });
                let _ = writeln!(
                    std::io::stdout(),
                    "    {} % of what the same server answers without keeping anything",
                    kept * 100 / bare.max(1)
                );
            }
        }
    }
}

/// Names a database for the ledger of a team, whose schema is `bench`; without it only the file is measured.
const DATABASE: &str = "TILLDECK_BENCH_DATABASE_URL";

fn sqlite(folder: &tempfile::TempDir, clock: &Clock) -> Ledger {
    let limits = Retention {
        // Nobody does the jobs: those of five seconds may exceed what one account may have open.
        bytes: u64::MAX,
        count: u64::MAX,
        ..Retention::default()
    };
    Ledger::start(folder.path().to_owned(), clock.clone(), limits)
}

fn postgres(url: &str, clock: &Clock) -> Ledger {
    let settings = DatabaseSettings {
        url: Secret::new(url),
        password: None,
        pass_file: None,
        schema: "bench".to_owned(),
        operator: "bench".to_owned(),
    };
    let (here, time) = (settings.clone(), clock.clone());
    std::thread::spawn(move || Ledger::migrate(&here, &time))
        .join()
        .expect("no crash")
        .expect("a database");
    Ledger::connect(&settings, clock.clone(), Retention::shared()).expect("a database")
}
