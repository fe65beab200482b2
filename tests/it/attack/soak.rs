//! A day of a program that always has more to ask than its budget allows, at providers that fail in every way: on a clock
//! driven by hand, with the real gate, ledger, tokens and HTTP.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use fastrand::Rng;
use hyper::http::{HeaderValue, StatusCode, header};
use serde_json::Value;
use tilldeck::auth::Tokens;
use tilldeck::clock::{Clock, ManualClock};
use tilldeck::domain::{
    Account, AccountId, Counts, Environment, PaymentId, RawCall, RequestId, Secret, WallTime,
};
use tilldeck::http_server::{Limits, Outcome, Request, Response, Server, respond};
use tilldeck::ledger::{Ledger, NonceRules, Retention};
use tilldeck::net::{Event, EventReceiver, Gate, Limit, Network, RequestOptions, Session, events};
use tilldeck::providers::{Client, Credentials, Manifest, Query, by_name};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const DAY: Duration = Duration::from_hours(24);
const PERIOD: Duration = Duration::from_mins(1);
/// Less than any provider grants, so that a day passes in minutes.
const LIMIT: u32 = 20;
const TOKEN_LIFE: Duration = Duration::from_mins(10);
const PROVIDERS: [&str; 2] = ["kanga", "kinguin"];
/// Of each provider, so many ask at once.
const AT_ONCE: u64 = 3;
const KEPT: Retention = Retention {
    age: Duration::from_hours(2),
    bytes: 4 * 1024 * 1024,
    count: 2_000,
};
/// What was written and is not yet in the ledger's own file.
const LOG_MAX: u64 = 20 * 1024 * 1024;
const LOOKS_AGAIN: Duration = Duration::from_millis(5);
/// Nothing is looked forward to for longer than this: some waits are told to nobody.
const STEP_MAX: Duration = Duration::from_millis(250);

/// How many instants of one kind lie in one window.
#[derive(Default)]
struct Window {
    instants: VecDeque<Duration>,
    most: usize,
}

impl Window {
    fn add(&mut self, at: Duration) {
        while self
            .instants
            .front()
            .is_some_and(|first| at.saturating_sub(*first) >= PERIOD)
        {
            self.instants.pop_front();
        }
        self.instants.push_back(at);
        self.most = self.most.max(self.instants.len());
    }
}

/// What one provider has counted.
#[derive(Default)]
struct Counted {
    arrived: u64,
    windows: [Window; 3],
    /// It has asked then to be left alone, and until then.
    left_alone: (Duration, Duration),
    /// For so long it has, in all.
    left_alone_in_all: Duration,
    too_early: u64,
}

#[derive(Default)]
struct Seen {
    counted: [Counted; 2],
    faults: BTreeMap<&'static str, u64>,
    last_nonce: i64,
    nonces_backwards: u64,
    /// Each token granted, and until when it is good.
    tokens: HashMap<String, Duration>,
    granted: u64,
    expired_used: u64,
    /// Whether the last that happened to the program's token was no grant.
    troubled: bool,
    /// When the replies under way are due.
    due: BTreeMap<u64, Duration>,
}

/// Both providers.
struct Peer {
    clock: Clock,
    seen: Mutex<Seen>,
    rng: Mutex<Rng>,
    /// Grows whenever something happens.
    moved: AtomicU64,
}

enum Fault {
    None,
    Silent,
    Lost,
    TurnedAway,
    Unauthorised,
    Failing,
    Torn,
}

impl Peer {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.moved.fetch_add(1, Ordering::Relaxed);
        self.seen.lock().unwrap()
    }

    fn now(&self) -> Duration {
        self.clock.now().mono
    }

    fn rng<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap())
    }

    fn fault(&self, provider: usize) -> Fault {
        match self.rng(|rng| rng.u32(..4_000)) {
            0..8 => Fault::Silent,
            8..24 => Fault::Lost,
            24..28 => Fault::TurnedAway,
            28..40 if provider == 1 => Fault::Unauthorised,
            40..80 => Fault::Failing,
            80..120 => Fault::Torn,
            _ => Fault::None,
        }
    }

    /// Answers after a while; what arrives, is half done and is answered is counted at each of these instants.
    async fn answer(self: Arc<Self>, request: Request) -> Outcome {
        if request.uri().path().ends_with("/token") {
            return self.token().await;
        }
        let provider = usize::from(!request.uri().path().contains("/tpg/"));
        let fault = self.arrive(provider, &request);
        let half = Duration::from_millis(self.rng(|rng| rng.u64(20..200)));
        self.pass(half).await;
        self.count(provider, 1);
        self.pass(half).await;
        self.count(provider, 2);
        let mut outcome = self.reply(provider, &fault).await;
        if let Outcome::Answer(response) = &mut outcome {
            // Nonces follow it, and the server's own would be that of the real day.
            let wall = u64::try_from(self.clock.now().wall.0).unwrap();
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(wall));
            let date = HeaderValue::from_str(&date).unwrap();
            response.headers_mut().insert(header::DATE, date);
        }
        outcome
    }

    fn count(&self, provider: usize, which: usize) {
        let now = self.now();
        self.seen().counted[provider].windows[which].add(now);
    }

    fn arrive(&self, provider: usize, request: &Request) -> Fault {
        let now = self.now();
        let fault = self.fault(provider);
        let mut seen = self.seen();
        let counted = &mut seen.counted[provider];
        counted.arrived += 1;
        counted.windows[0].add(now);
        // What leaves while the 429 is on its way does not know of it.
        let (since, until) = counted.left_alone;
        counted.too_early += u64::from(since < now && now < until);
        if provider == 0 {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            let nonce = body["nonce"].as_i64().unwrap();
            seen.nonces_backwards += u64::from(nonce <= seen.last_nonce);
            seen.last_nonce = nonce;
        } else {
            let token = request.headers()[header::AUTHORIZATION].to_str().unwrap();
            let good = seen.tokens.get(token.trim_start_matches("Bearer "));
            if good.is_none_or(|until| now >= *until) {
                seen.expired_used += 1;
            }
        }
        fault
    }

    /// Lets simulated time pass.
    async fn pass(&self, time: Duration) {
        let number = self.moved.fetch_add(1, Ordering::Relaxed);
        let due = self.now() + time;
        self.seen().due.insert(number, due);
        tokio::time::sleep(time).await;
        self.seen().due.remove(&number);
    }

    async fn reply(&self, provider: usize, fault: &Fault) -> Outcome {
        let (name, outcome) = match fault {
            Fault::None => {
                return Outcome::Answer(json(StatusCode::OK, good(provider)));
            }
            Fault::Silent => {
                *self.seen().faults.entry("no answer").or_default() += 1;
                std::future::pending::<()>().await;
                return Outcome::Reset;
            }
            Fault::Lost => ("lost", Outcome::Reset),
            Fault::TurnedAway => {
                let seconds = self.rng(|rng| rng.u64(2..20));
                self.leave_alone(provider, Duration::from_secs(seconds));
                let mut response = json(StatusCode::TOO_MANY_REQUESTS, "{}");
                let headers = response.headers_mut();
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                ("429", Outcome::Answer(response))
            }
            Fault::Unauthorised => {
                self.seen().troubled = true;
                ("401", Outcome::Answer(json(StatusCode::UNAUTHORIZED, "{}")))
            }
            Fault::Failing => {
                let status = self.rng(|rng| rng.u16(500..505));
                let status = StatusCode::from_u16(status).unwrap();
                ("5xx", Outcome::Answer(json(status, "{}")))
            }
            Fault::Torn => {
                let torn = &good(provider)[..9];
                ("torn", Outcome::Answer(json(StatusCode::OK, torn)))
            }
        };
        *self.seen().faults.entry(name).or_default() += 1;
        outcome
    }

    fn leave_alone(&self, provider: usize, time: Duration) {
        let now = self.now();
        let counted = &mut self.seen().counted[provider];
        let before = counted.left_alone.1.max(now);
        counted.left_alone = (now, before.max(now + time));
        counted.left_alone_in_all += counted.left_alone.1.saturating_sub(before);
    }

    async fn token(&self) -> Outcome {
        let asked = self.now();
        let time = Duration::from_millis(self.rng(|rng| rng.u64(50..800)));
        self.pass(time).await;
        let (fails, word) = self.rng(|rng| (rng.u32(..10) == 0, rng.u64(..)));
        let mut seen = self.seen();
        if fails {
            seen.troubled = true;
            *seen.faults.entry("token call fails").or_default() += 1;
            return Outcome::Answer(json(StatusCode::SERVICE_UNAVAILABLE, "{}"));
        }
        let token = format!("token-of-a-day-{word:016x}");
        seen.tokens.retain(|_, until| *until > asked);
        seen.tokens.insert(token.clone(), asked + TOKEN_LIFE);
        seen.granted += 1;
        seen.troubled = false;
        let life = TOKEN_LIFE.as_secs();
        let body = format!(r#"{{"access_token":"{token}","expires_in":{life}}}"#);
        Outcome::Answer(json(StatusCode::OK, &body))
    }
}

fn json(status: StatusCode, body: &str) -> Response {
    respond(status, "application/json", body.to_owned())
}

fn good(provider: usize) -> &'static str {
    [
        r#"{"result":"ok","currency":"EMT","amount":"25.00","state":"ACTIVE"}"#,
        r#"{"content":[],"totalElements":0}"#,
    ][provider]
}

/// One life of the program, from its start to its end.
struct Program {
    ledger: Ledger,
    events: EventReceiver,
    tokens: Tokens,
    work: JoinSet<()>,
    /// Until when each request waits, as far as it is told.
    waiting: BTreeMap<u64, Duration>,
    /// When each account's next slot frees.
    free: BTreeMap<AccountId, Duration>,
    had_token: bool,
}

impl Program {
    fn start(folder: &Path, clock: &Clock, base: &str, peer: &Arc<Peer>) -> Self {
        let ledger = Ledger::start(folder.to_owned(), clock.clone(), KEPT);
        let (told, events) = events::channel();
        let network = Network::default();
        let gate = Gate::new(ledger.clone(), clock.clone(), network, Some(told));
        let gate = Arc::new(gate);
        let mut work = JoinSet::new();
        let mut renewed = None;
        for (which, name) in (0..).zip(PROVIDERS) {
            let manifest = by_name(name).unwrap();
            let (session, client, tokens) = connect(manifest, &gate, &ledger, clock, base);
            if let Some(tokens) = tokens {
                work.spawn(tokens.clone().renew());
                renewed = Some(tokens);
            }
            for worker in 0..AT_ONCE {
                let number = which * AT_ONCE + worker;
                let (session, client) = (session.clone(), client.clone());
                work.spawn(ask_on(session, client, number, which == 0, peer.clone()));
            }
        }
        Self {
            ledger,
            events,
            tokens: renewed.unwrap(),
            work,
            waiting: BTreeMap::new(),
            free: BTreeMap::new(),
            had_token: false,
        }
    }

    /// Takes in what was told meanwhile. How much that was.
    fn hear(&mut self, now: Duration) -> u64 {
        let mut heard = 0;
        while let Some(event) = self.events.try_recv() {
            heard += 1;
            match event {
                Event::Waiting(request, waiting) => {
                    match waiting.and_then(|waiting| waiting.until) {
                        Some(until) => self.waiting.insert(request.0, until),
                        None => self.waiting.remove(&request.0),
                    };
                }
                Event::Budget(account, gauge) => {
                    let next = now + gauge.next_free.unwrap_or(STEP_MAX);
                    self.free.insert(account, next);
                }
                _ => {}
            }
        }
        heard
    }

    async fn end(mut self) {
        self.work.shutdown().await;
        self.ledger.flush().await;
    }
}

fn connect(
    manifest: &'static Manifest,
    gate: &Arc<Gate>,
    ledger: &Ledger,
    clock: &Clock,
    base: &str,
) -> (Session, Arc<dyn Client>, Option<Tokens>) {
    let account = Account {
        id: AccountId::new(manifest.id.0).unwrap(),
        provider: manifest.id,
        provider_title: manifest.title,
        environment: Environment::Production,
        host: String::new(),
        base: String::new(),
        secret_source: String::new(),
        uses_access_tokens: manifest.tokens.is_some(),
        abilities: manifest.abilities,
    };
    let endpoints = manifest.simulated(&base.parse().unwrap());
    let limit = Limit {
        scope: manifest.id.0.into(),
        endpoint: manifest.limits[0].endpoint,
        counts: Counts::All,
        requests: LIMIT,
        period: PERIOD,
    };
    let session = Session::new(gate.clone(), account, endpoints.clone(), vec![limit]);
    let texts = manifest.embedded.iter();
    let mut credentials = Credentials {
        texts: texts
            .map(|(key, text)| (*key, (*text).to_owned()))
            .collect(),
        read_secret: Arc::new(|_| Box::pin(async { Ok(Secret::new("planted-secret-of-a-day")) })),
        secrets: BTreeMap::new(),
        endpoints,
        ledger: ledger.clone(),
        nonces: NonceRules::default(),
        clock: clock.clone(),
        tokens: None,
    };
    credentials.tokens = manifest
        .tokens
        .map(|fetch| Tokens::new(session.clone(), fetch(&credentials), clock.clone()));
    let tokens = credentials.tokens.clone();
    (session, (manifest.connect)(credentials), tokens)
}

/// Asks one question after another.
async fn ask_on(
    session: Session,
    client: Arc<dyn Client>,
    number: u64,
    checks: bool,
    peer: Arc<Peer>,
) {
    let raw = RawCall {
        method: "GET".into(),
        path: "/sales-manager-api/api/v1/offers".into(),
        body: None,
        auth: None,
    };
    let id = PaymentId::new("ORDER-1001").unwrap();
    let how = RequestOptions {
        request: RequestId(number),
        background: false,
        no_wait: false,
    };
    loop {
        let sent = if checks {
            let Query { call, read } = client.check_payment(&id).unwrap();
            let reply = session.send(&call, client.as_ref(), how).await;
            reply.map(|reply| drop(read(reply)))
        } else {
            let call = client.raw(&raw).unwrap();
            session.send(&call, client.as_ref(), how).await.map(drop)
        };
        if sent.is_err() {
            // Whoever asks by hand asks again after a moment.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        peer.moved.fetch_add(1, Ordering::Relaxed);
    }
}

struct Soak {
    peer: Arc<Peer>,
    hand: ManualClock,
    clock: Clock,
    folder: tempfile::TempDir,
    base: String,
    program: Program,
    lapses: u64,
    restarts: u64,
}

impl Soak {
    /// Lets the program run until nothing moves any more: all of it waits for time to pass.
    async fn settle(&mut self) {
        let mut still = 0;
        while still < 2 {
            let before = self.peer.moved.load(Ordering::Relaxed);
            self.program.ledger.flush().await;
            // Sockets and threads are looked at while a thread of the pool is busy.
            let _ = tokio::task::spawn_blocking(std::thread::yield_now).await;
            let heard = self.program.hear(self.clock.now().mono);
            let moved = self.peer.moved.load(Ordering::Relaxed) != before;
            still = if moved || heard > 0 { 0 } else { still + 1 };
        }
    }

    async fn step(&mut self) {
        self.settle().await;
        let now = self.clock.now().mono;
        self.look_at_token();
        let due = self.peer.seen.lock().unwrap().due.clone();
        // Who was to go on by now and does not looks again shortly.
        let waiting = self.program.waiting.values();
        let waiting = waiting.map(|at| (*at).max(now + LOOKS_AGAIN));
        let due = due.values().chain(self.program.free.values());
        let due = due.copied().filter(|at| *at > now);
        let next = waiting.chain(due).min();
        let step = next
            .map_or(STEP_MAX, |next| next.saturating_sub(now))
            .min(STEP_MAX);
        self.hand.advance(step);
        tokio::time::advance(step).await;
    }

    /// A token lapses if none is in hand although the last renewal was granted.
    fn look_at_token(&mut self) {
        let has = self.program.tokens.current().is_some();
        let troubled = self.peer.seen.lock().unwrap().troubled;
        if !has && self.program.had_token && !troubled {
            self.lapses += 1;
        }
        self.program.had_token |= has;
    }

    async fn restart(&mut self) {
        let again = Program::start(self.folder.path(), &self.clock, &self.base, &self.peer);
        // The old one ends while the new one begins, as when a service is restarted.
        std::mem::replace(&mut self.program, again).end().await;
        self.restarts += 1;
    }
}

/// In KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words = line.and_then(|line| line.split_whitespace().nth(1));
    words.unwrap().parse().unwrap()
}

/// The rows of the log, the bytes of the ledger's file and those of what is not yet written into it.
fn kept(folder: &Path) -> [u64; 3] {
    let ledger = rusqlite::Connection::open(folder.join("ledger.db")).unwrap();
    let rows = ledger.query_row("SELECT count(*) FROM exchanges", (), |row| {
        row.get::<_, u32>(0)
    });
    let [file, log] = ["ledger.db", "ledger.db-wal"]
        .map(|name| fs::metadata(folder.join(name)).map_or(0, |about| about.len()));
    [rows.unwrap().into(), file, log]
}

#[test]
#[ignore = "long: a simulated day takes minutes"]
fn a_day_at_full_budget_with_faults_keeps_every_promise() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        // One is busy throughout, so that all other jobs are done one after another, `settle`'s last.
        .max_blocking_threads(2)
        .build();
    runtime.unwrap().block_on(day());
}

async fn day() {
    // While a thread of the pool is busy, time passes only where it is made to.
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let busy = tokio::task::spawn_blocking(move || ended.recv().is_err());
    let real = Clock::system();
    let (clock, hand) = Clock::by_hand(WallTime(1_795_316_066_000));
    let peer = Arc::new(Peer {
        clock: clock.clone(),
        seen: Mutex::default(),
        rng: Mutex::new(Rng::with_seed(7)),
        moved: AtomicU64::new(0),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits {
        silence: DAY,
        ..Limits::default()
    };
    let answering = peer.clone();
    let server = Server::start(listener, limits, move |request| {
        answering.clone().answer(request)
    });
    let server = server.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let base = format!("http://{}", server.address());
    let program = Program::start(folder.path(), &clock, &base, &peer);
    let mut soak = Soak {
        peer,
        hand,
        clock,
        folder,
        base,
        program,
        lapses: 0,
        restarts: 0,
    };
    let (mut early, mut most_kept) = (0, [0; 3]);
    for hour in 1..=24 {
        while soak.clock.now().mono < Duration::from_hours(hour) {
            soak.step().await;
        }
        let now = kept(soak.folder.path());
        most_kept = std::array::from_fn(|at| now[at].max(most_kept[at]));
        if hour == 4 {
            early = resident();
        }
        soak.restart().await;
    }
    let late = resident();
    let seen = std::mem::take(&mut *soak.peer.seen.lock().unwrap());
    let most = seen.counted.iter().flat_map(|counted| &counted.windows);
    let most = most.map(|window| window.most).max().unwrap();
    // In hundredths of a per cent.
    let used = seen.counted.iter().map(|counted| {
        let open = DAY.saturating_sub(counted.left_alone_in_all);
        let due = u64::from(LIMIT) * open.as_secs() / PERIOD.as_secs();
        counted.arrived * 10_000 / due
    });
    let used = used.min().unwrap();
    let requests: u64 = seen.counted.iter().map(|counted| counted.arrived).sum();
    let too_early: u64 = seen.counted.iter().map(|counted| counted.too_early).sum();
    let [rows, file, log] = most_kept;
    println!(
        "figure: soak of 24 h at {LIMIT}/min and provider: {requests} requests, faults {:?}, {} restarts; at most {most} in a \
         window, {}.{:02} % used, {too_early} before Retry-After, {} nonces backwards, {} tokens, {} used expired, {} \
         lapses; RSS {} MiB at 4 h and {} MiB at 24 h; at most {rows} rows in {} KiB of ledger and {} KiB before it; \
         {} s",
        seen.faults,
        soak.restarts,
        used / 100,
        used % 100,
        seen.nonces_backwards,
        seen.granted,
        seen.expired_used,
        soak.lapses,
        early / 1024,
        late / 1024,
        file / 1024,
        log / 1024,
        real.now().mono.as_secs(),
    );
    soak.program.end().await;
    drop((server, end));
    busy.await.unwrap();
    assert!(most <= LIMIT as usize, "{most} in a window");
    assert_eq!((too_early, seen.nonces_backwards), (0, 0));
    assert_eq!((seen.expired_used, soak.lapses), (0, 0));
    assert!(used >= 9_800, "{used}");
    assert!(late <= early + 8 * 1024, "{early} KiB, then {late} KiB");
    assert!(rows <= KEPT.count * 5 / 4, "{rows} rows");
    assert!(file <= 2 * KEPT.bytes, "{file} bytes");
    assert!(log <= LOG_MAX, "{log} bytes");
}
