//! Several processes against one simulated provider, on a clock driven by hand: random latencies, losses, orders,
//! restarts. The windows and the ledger are the real ones; only the network is played.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;

use super::window::{Step, Window};
use super::{LOOK_AGAIN, Limit, SIGNING, UNSENT_MAX};
use crate::clock::{Clock, ManualClock};
use crate::domain::{
    Account, AccountId, Counts, Environment, Now, ProviderId, RequestId, WallTime,
};
use crate::ledger::{Ledger, Persistence, Retention, SlotId, SlotOutcome, SlotRequest};
use crate::net::{
    Authorise, Call, Event as NetEvent, Gate, NetError, Network, RequestOptions, Session,
    SignedRequest, retry,
};

const PERIOD: Duration = Duration::from_mins(1);
const WHOLE: Duration = Duration::from_secs(10);

/// How the network and the processes behave.
#[derive(Debug, Clone)]
struct Weather {
    seed: u64,
    limit: u32,
    processes: usize,
    /// The longest way there, and the longest way back, in milliseconds.
    latency: u64,
    /// One in so many replies is lost; 0 loses none.
    lost: u64,
    /// A process is killed, and another begun, this often in milliseconds; 0 kills none.
    killed: u64,
    periods: u32,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Try(usize),
    Seen(u64),
    Kill,
}

struct Process {
    window: Window,
    ledger: Ledger,
    /// Counts its lives: what a dead one waited for never comes.
    life: u32,
    waiting: bool,
}

struct Play {
    weather: Weather,
    clock: Clock,
    hand: ManualClock,
    folder: tempfile::TempDir,
    rng: fastrand::Rng,
    processes: Vec<Process>,
    agenda: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    numbered: u64,
    in_flight: BTreeMap<u64, (usize, u32, SlotId)>,
    /// When each request reached the provider.
    arrived: Vec<Duration>,
    latencies: Duration,
}

impl Play {
    fn new(weather: Weather) -> Self {
        let (clock, hand) = Clock::by_hand(WallTime(1_795_316_066_000));
        let folder = tempfile::tempdir().unwrap();
        let mut play = Self {
            rng: fastrand::Rng::with_seed(weather.seed),
            processes: Vec::new(),
            agenda: BinaryHeap::new(),
            numbered: 0,
            in_flight: BTreeMap::new(),
            arrived: Vec::new(),
            latencies: Duration::ZERO,
            weather,
            clock,
            hand,
            folder,
        };
        for at in 0..play.weather.processes {
            let process = play.process(0);
            play.processes.push(process);
            play.plan(Duration::ZERO, Event::Try(at));
        }
        if play.weather.killed > 0 {
            play.plan(Duration::from_millis(play.weather.killed), Event::Kill);
        }
        play
    }

    fn process(&self, life: u32) -> Process {
        Process {
            window: Window::new(self.weather.limit, PERIOD),
            ledger: Ledger::start(
                self.folder.path().to_owned(),
                self.clock.clone(),
                Retention::default(),
            ),
            life,
            waiting: false,
        }
    }

    fn plan(&mut self, after: Duration, event: Event) {
        self.numbered += 1;
        let at = self.clock.now().mono + after;
        self.agenda.push(Reverse((at, self.numbered, event)));
    }

    async fn run(&mut self) {
        let end = PERIOD * self.weather.periods;
        while let Some(Reverse((at, _, event))) = self.agenda.pop() {
            if at > end {
                return;
            }
            let ahead = at.saturating_sub(self.clock.now().mono);
            self.hand.advance(ahead);
            match event {
                Event::Try(process) => self.attempt(process).await,
                Event::Seen(request) => self.seen(request).await,
                Event::Kill => self.kill(),
            }
        }
    }

    /// A process that always has something to send.
    async fn attempt(&mut self, at: usize) {
        loop {
            let now = self.clock.now();
            let next = match self.processes[at].window.step(now.mono, 0) {
                Step::Wait(next) => next,
                Step::Take => {
                    let terms = SlotRequest {
                        scope: "s".into(),
                        limit: self.weather.limit,
                        period: PERIOD,
                        reserve: 0,
                        flight: UNSENT_MAX + WHOLE,
                        persistence: Persistence::Required,
                    };
                    match self.processes[at].ledger.take_slot(terms).await {
                        Ok(SlotOutcome::Granted(granted)) => {
                            assert!(self.processes[at].window.take(now.mono, 0));
                            self.send(at, granted.take(), now);
                            continue;
                        }
                        Ok(SlotOutcome::Full { next_free }) => next_free,
                        other => panic!("{other:?}"),
                    }
                }
            };
            self.processes[at].waiting = true;
            let pause = next
                .unwrap_or(LOOK_AGAIN)
                .clamp(Duration::from_millis(1), LOOK_AGAIN);
            self.plan(pause, Event::Try(at));
            return;
        }
    }

    fn send(&mut self, at: usize, id: SlotId, now: Now) {
        let there = Duration::from_millis(self.rng.u64(0..=self.weather.latency));
        let back = Duration::from_millis(self.rng.u64(0..=self.weather.latency));
        let lost = self.weather.lost > 0 && self.rng.u64(0..self.weather.lost) == 0;
        // A reply that is lost is given up at the time-out, the request having arrived all the same.
        let seen = if lost {
            WHOLE
        } else {
            (there + back).min(WHOLE)
        };
        self.arrived.push(now.mono + there.min(WHOLE));
        self.latencies += seen;
        let request = self.numbered + 1;
        self.in_flight
            .insert(request, (at, self.processes[at].life, id));
        self.plan(seen, Event::Seen(request));
    }

    async fn seen(&mut self, request: u64) {
        let (at, life, id) = self.in_flight.remove(&request).unwrap();
        let now = self.clock.now();
        let process = &mut self.processes[at];
        if process.life != life {
            return;
        }
        process.window.seen(now.mono);
        process.ledger.release_slot(id, now);
        process.ledger.flush().await;
        if std::mem::take(&mut process.waiting) {
            self.plan(Duration::ZERO, Event::Try(at));
        }
    }

    /// As `kill -9` does: nothing is given back.
    fn kill(&mut self) {
        let at = self.rng.usize(0..self.processes.len());
        let life = self.processes[at].life + 1;
        self.processes[at] = self.process(life);
        self.plan(Duration::ZERO, Event::Try(at));
        self.plan(Duration::from_millis(self.weather.killed), Event::Kill);
    }

    /// No window of one period, wherever it begins, holds more than the limit.
    fn never_over(&self) {
        let mut arrived = self.arrived.clone();
        arrived.sort_unstable();
        let mut window: VecDeque<Duration> = VecDeque::new();
        for at in arrived {
            while window.front().is_some_and(|first| *first + PERIOD <= at) {
                window.pop_front();
            }
            window.push_back(at);
            assert!(
                window.len() <= self.weather.limit as usize,
                "{} requests in the period up to {at:?}",
                window.len()
            );
        }
    }

    /// Each slot could have been used once in a period and a latency.
    fn used_in_per_mille(&self) -> u128 {
        let sent = u32::try_from(self.arrived.len()).unwrap();
        let latency = self.latencies / sent.max(1);
        let end = PERIOD * self.weather.periods;
        let possible =
            u128::from(self.weather.limit) * end.as_micros() / (PERIOD + latency).as_micros();
        u128::from(sent) * 1000 / possible
    }
}

/// A session with a limit of its own, on a ledger of its own, whose events are heard.
struct Counter {
    session: Session,
    ledger: Ledger,
    hand: ManualClock,
    events: crate::net::EventReceiver,
    _folder: tempfile::TempDir,
}

fn counter(limit: u32) -> Counter {
    let (clock, hand) = Clock::by_hand(WallTime(1_795_316_066_000));
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::start(
        folder.path().to_owned(),
        clock.clone(),
        Retention::default(),
    );
    let (to, events) = crate::net::events::channel();
    let gate = Gate::new(ledger.clone(), clock, Network::default(), Some(to));
    let account = Account {
        base: String::new(),
        id: AccountId::new("a").unwrap(),
        provider: ProviderId("kanga"),
        provider_title: "Kanga TPG",
        environment: Environment::Embedded,
        host: String::new(),
        secret_source: String::new(),
        uses_access_tokens: false,
        abilities: &[],
    };
    let limit = Limit {
        scope: "s".into(),
        endpoint: "api",
        counts: Counts::All,
        requests: limit,
        period: PERIOD,
    };
    Counter {
        session: Session::new(Arc::new(gate), account, Vec::new(), vec![limit]),
        ledger,
        hand,
        events,
        _folder: folder,
    }
}

fn call() -> Call {
    Call {
        method: "GET".into(),
        endpoint: "api",
        path: "/x".into(),
        body: crate::net::RequestBody::Empty,
        about: String::new(),
        repeat: crate::net::Repeat::Safe,
        auth: None,
    }
}

const HOW: RequestOptions = RequestOptions {
    request: RequestId(1),
    background: false,
    no_wait: false,
};

impl Counter {
    async fn used(&self) -> u32 {
        self.ledger.flush().await;
        let counted = self.ledger.budget("s".into(), 1, PERIOD).await;
        counted.unwrap().used
    }
}

async fn next(events: &mut crate::net::EventReceiver) -> NetEvent {
    let next = tokio::time::timeout(Duration::from_secs(5), events.recv()).await;
    next.expect("an event is reported").unwrap()
}

/// Called off at each point at which it can be, whatever was in hand goes back: to the ledger and to this process.
#[tokio::test]
async fn a_request_that_is_cancelled_at_any_point_leaves_no_slot_used() {
    let counter = counter(1);
    let call = call();
    for polls in 0..40 {
        {
            let mut taking = std::pin::pin!(super::take(&counter.session, &call, HOW));
            for _ in 0..polls {
                let done = std::future::poll_fn(|cx| {
                    std::task::Poll::Ready(taking.as_mut().poll(cx).is_ready())
                });
                if done.await {
                    break;
                }
                tokio::task::yield_now().await;
                counter.ledger.flush().await;
            }
        }
        assert_eq!(
            counter.used().await,
            0,
            "after {polls} polls, in the ledger"
        );
        let again = tokio::time::timeout(
            Duration::from_secs(5),
            super::take(&counter.session, &call, HOW),
        );
        let again = again
            .await
            .expect("it is free in this process, too")
            .unwrap();
        drop(again);
        assert_eq!(counter.used().await, 0);
    }
}

#[tokio::test]
async fn waiting_requests_get_their_slots_in_the_order_of_asking() {
    let counter = counter(1);
    let call = call();
    let mut held = super::take(&counter.session, &call, HOW).await.unwrap();
    let taking = || Box::pin(super::take(&counter.session, &call, HOW));
    let mut waiting: VecDeque<_> = std::iter::repeat_with(taking).take(3).collect();
    for request in &mut waiting {
        let soon = tokio::time::timeout(Duration::from_millis(100), request).await;
        assert!(soon.is_err(), "there is but one slot");
    }
    while let Some(first) = waiting.pop_front() {
        drop(held);
        let next = tokio::time::timeout(Duration::from_secs(5), first).await;
        held = next.expect("the first gets the slot").unwrap();
        for later in &mut waiting {
            let done = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(later.as_mut().poll(cx).is_ready())
            });
            assert!(!done.await);
        }
    }
}

#[tokio::test]
async fn a_waiting_request_that_is_cancelled_is_reported_as_no_longer_waiting() {
    let mut counter = counter(1);
    let (session, call) = (counter.session.clone(), call());
    let held = super::take(&session, &call, HOW).await.unwrap();
    {
        let waiting = super::take(&session, &call, HOW);
        let is_wait = |event| matches!(event, NetEvent::Waiting(RequestId(1), Some(_)));
        let reported = async { while !is_wait(next(&mut counter.events).await) {} };
        tokio::select! {
            _ = waiting => panic!("there is but one slot"),
            () = reported => {}
        }
    }
    counter.hand.advance(Duration::from_secs(1));
    let (mut waits, mut last) = (true, 1);
    while waits || last > 0 {
        match next(&mut counter.events).await {
            NetEvent::Budget(_, gauge) => last = gauge.waiting,
            NetEvent::Waiting(RequestId(1), None) => waits = false,
            other => panic!("{other:?}"),
        }
    }
    drop(held);
}

/// Signs nothing.
struct Unsigned;

#[async_trait]
impl Authorise for Unsigned {
    async fn authorise(&self, _: &Call) -> Result<SignedRequest, NetError> {
        Ok(SignedRequest::default())
    }
}

/// Waits for the lock of its key.
struct Blocked;

#[async_trait]
impl Authorise for Blocked {
    async fn authorise(&self, _: &Call) -> Result<SignedRequest, NetError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_request_that_waits_for_its_signature_is_reported_as_waiting() {
    let mut counter = counter(1);
    counter.session.endpoints = [("api", "http://127.0.0.1:9".parse().unwrap())].into();
    let session = counter.session.clone();
    let call = Call {
        repeat: crate::net::Repeat::Never,
        ..call()
    };
    let mut reported = async || loop {
        if let NetEvent::Waiting(RequestId(1), waiting) = next(&mut counter.events).await {
            return waiting.map(|waiting| waiting.why);
        }
    };
    let why = tokio::select! {
        _ = session.send(&call, &Blocked, HOW) => panic!("it is not signed"),
        why = reported() => why,
    };
    assert_eq!(why.as_deref(), Some(SIGNING));
    assert_eq!(reported().await, None, "cancelled");
}

#[tokio::test]
async fn a_request_without_a_response_is_reported_as_running_until_it_is_recorded() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut counter = counter(1);
    counter.session.endpoints = [("api", url.parse().unwrap())].into();
    let session = counter.session.clone();
    let call = call();
    tokio::time::pause();
    let running = async {
        loop {
            if let Some(NetEvent::Running(request, running)) = counter.events.recv().await {
                return (request, running.expect("it is not over"));
            }
        }
    };
    let (request, running) = tokio::select! {
        result = session.send(&call, &Unsigned, HOW) => panic!("{:?}", result.err()),
        running = running => running,
    };
    tokio::time::resume();
    assert!(running.is_running() && request == HOW.request);
    assert_eq!(running.path(), call.path);
    let mut recorded = None;
    loop {
        match next(&mut counter.events).await {
            NetEvent::Exchange(exchange) => recorded = Some(exchange),
            NetEvent::Running(ended, None) if ended == request => break,
            _ => {}
        }
    }
    let recorded = recorded.expect("its row comes first");
    assert!(!recorded.is_running());
    assert_eq!(recorded.at, running.at);
}

#[tokio::test]
async fn a_request_that_has_waited_long_for_its_slot_is_retried_all_the_same() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let mut counter = counter(2);
    counter.session.endpoints = [("api", url.parse().unwrap())].into();
    let (session, call) = (counter.session.clone(), call());
    let mut held = vec![
        super::take(&session, &call, HOW).await.unwrap(),
        super::take(&session, &call, HOW).await.unwrap(),
    ];
    let refused = async {
        let mut whys = Vec::new();
        while whys.len() < 2 {
            if let NetEvent::Waiting(_, Some(waiting)) = next(&mut counter.events).await {
                whys.push(waiting.why);
                counter.hand.advance(retry::LAST_START * 2);
                drop(std::mem::take(&mut held));
            }
        }
        whys
    };
    let whys = tokio::select! {
        result = session.send(&call, &Unsigned, HOW) => panic!("not retried: {:?}", result.err()),
        whys = refused => whys,
    };
    assert_eq!(whys, ["rate limit reached", "connection refused"]);
}

fn play(weather: Weather) -> Play {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut play = Play::new(weather);
    runtime.block_on(play.run());
    play
}

fn weather() -> impl Strategy<Value = Weather> {
    (
        any::<u64>(),
        prop_oneof![1..6_u32, 60..110_u32],
        1..4_usize,
        prop_oneof![0..40_u64, 0..9_000_u64],
        prop_oneof![Just(0), 2..20_u64],
        prop_oneof![Just(0), 4_000..40_000_u64],
    )
        .prop_map(|(seed, limit, processes, latency, lost, killed)| Weather {
            seed,
            limit,
            processes,
            latency,
            lost,
            killed,
            periods: 2,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn no_window_at_the_provider_ever_holds_more_than_the_limit(weather in weather()) {
        play(weather).never_over();
    }

    /// From the first request on, three processes at once, with latencies as they come.
    #[test]
    fn a_saturated_sender_gets_99_per_cent_of_what_there_is(
        seed in any::<u64>(),
        limit in 1..40_u32,
        processes in 1..4_usize,
        latency in 0..3_000_u64,
    ) {
        let play = play(Weather { seed, limit, processes, latency, lost: 0, killed: 0, periods: 4 });
        play.never_over();
        let used = play.used_in_per_mille();
        prop_assert!(used >= 990, "{used} of 1000");
    }
}
