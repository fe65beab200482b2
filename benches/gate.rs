//! What the gate costs: a burst of calls through it, side by side with the same burst over bare reqwest on the same
//! kind of connections to the same server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tilldeck::clock::Clock;
use tilldeck::domain::{Account, AccountId, Counts, Environment, ProviderId, RequestId, Secret};
use tilldeck::http_server::{Limits, Outcome, Server, respond};
use tilldeck::ledger::{Ledger, Retention};
use tilldeck::net::{
    Authorise, Call, Gate, Limit, MaybeSecret, NetError, Network, Repeat, RequestBody,
    RequestOptions, Session, SignedRequest,
};
use tokio::task::JoinSet;

const CALLS: u32 = 400;
const AT_ONCE: u32 = 8;
/// The bursts whose processor time is counted.
const BURSTS: u32 = 20;
const BODY: &str = r#"{"id":"5c9b71292539a4e8f1809707","status":"ACTIVE","price":{"amount":1660,"currency":"EUR"}}"#;

/// Carries a token, as most calls do.
struct Bearer;

#[async_trait]
impl Authorise for Bearer {
    async fn authorise(&self, _: &Call) -> Result<SignedRequest, NetError> {
        let token = MaybeSecret::Secret(Secret::new(
            "Bearer bench-token-of-a-usual-length-0123456789",
        ));
        let headers = vec![("authorization", token)];
        Ok(SignedRequest::new(headers, bytes::Bytes::new()))
    }
}

fn session(ledger: &Ledger, clock: &Clock, base: &str) -> Session {
    let network = Network::default();
    let gate = Arc::new(Gate::new(ledger.clone(), clock.clone(), network, None));
    let account = Account {
        id: AccountId::new("bench").expect("a plain word"),
        provider: ProviderId("bench"),
        provider_title: "bench",
        environment: Environment::Embedded,
        host: String::new(),
        base: String::new(),
        secret_source: String::new(),
        uses_access_tokens: false,
        abilities: &[],
    };
    let limit = Limit {
        scope: "bench".into(),
        endpoint: "api",
        counts: Counts::All,
        requests: 1_000_000,
        period: Duration::from_secs(1),
    };
    let url = reqwest::Url::parse(base).expect("a URL");
    Session::new(gate, account, vec![("api", url)], vec![limit])
}

/// Answers after a moment, as a provider that is near would.
async fn server(after: Duration) -> Server {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    Server::start(listener, Limits::default(), move |_| async move {
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        let answer = respond(hyper::http::StatusCode::OK, "application/json", BODY);
        Outcome::Answer(answer)
    })
    .expect("a server")
}

/// How long a burst of `CALLS` takes, `AT_ONCE` at a time.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
async fn burst<F, R>(one: F) -> Duration
where
    F: Fn() -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let began = Instant::now();
    let mut lanes = JoinSet::new();
    for _ in 0..AT_ONCE {
        let calls: Vec<_> = (0..CALLS / AT_ONCE).map(|_| one()).collect();
        lanes.spawn(async move {
            for call in calls {
                call.await;
            }
        });
    }
    lanes.join_all().await;
    began.elapsed()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bare client is what the gate is measured against"
)]
fn gate(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::system();
    let ledger = Ledger::start(
        folder.path().to_owned(),
        clock.clone(),
        Retention::default(),
    );
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only(std::iter::empty())
        .build()
        .expect("a client");
    let mut group = c.benchmark_group("400 calls, 8 at a time");
    group.sample_size(20);
    for after in [0, 2, 10] {
        let server = runtime.block_on(server(Duration::from_millis(after)));
        let base = format!("http://{}", server.address());
        let url = format!("{base}/offers/1");
        let session = session(&ledger, &clock, &base);
        let label = format!("server answers after {after} ms");
        for (name, bare) in [("bare reqwest", true), ("through the gate", false)] {
            group.bench_function(BenchmarkId::new(name, &label), |b| {
                b.iter_custom(|rounds| {
                    let bursts = (0..rounds).map(|_| {
                        runtime.block_on(async {
                            if bare {
                                burst(|| by_hand(client.clone(), url.clone())).await
                            } else {
                                burst(|| by_gate(session.clone())).await
                            }
                        })
                    });
                    bursts.sum()
                });
            });
        }
    }
    group.finish();
    let server = runtime.block_on(server(Duration::ZERO));
    let base = format!("http://{}", server.address());
    let (url, session) = (format!("{base}/offers/1"), session(&ledger, &clock, &base));
    let bursts = |bare: bool| {
        let before = processor_time();
        for _ in 0..BURSTS {
            runtime.block_on(async {
                if bare {
                    burst(|| by_hand(client.clone(), url.clone())).await
                } else {
                    burst(|| by_gate(session.clone())).await
                }
            });
        }
        processor_time().saturating_sub(before).as_micros() / u128::from(BURSTS * CALLS)
    };
    let (by_hand, by_gate) = (bursts(true), bursts(false));
    println!(
        "processor time of a call and its answer: bare {by_hand} µs, through the gate {by_gate} µs"
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bare client is what the gate is measured against"
)]
async fn by_hand(client: reqwest::Client, url: String) {
    let reply = client.get(&url).send().await.expect("an answer");
    reply.bytes().await.expect("a body");
}

async fn by_gate(session: Session) {
    let call = Call {
        method: "GET".into(),
        endpoint: "api",
        path: "/offers/1".into(),
        body: RequestBody::Empty,
        about: String::new(),
        repeat: Repeat::Safe,
        auth: None,
    };
    let how = RequestOptions {
        request: RequestId(1),
        background: false,
        no_wait: false,
    };
    let reply = session.send(&call, &Bearer, how).await;
    reply.expect("an answer");
}

/// What this process has used of the processors; zero where the system does not say (proc(5)).
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the program's name, which may contain spaces, the 12th and 13th field, in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks.filter_map(|field| field.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

criterion_group!(benches, gate);
criterion_main!(benches);
