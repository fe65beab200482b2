//! A deck in this process, against peers to the byte and with a clock driven by hand.

use std::time::Duration;

use serde_json::Value;
use tilldeck::clock::{Clock, ManualClock};
use tilldeck::config::{self, Environ};
use tilldeck::deck::{Deck, Follower, Handover, Options};
use tilldeck::domain::{
    AccountId, Amount, BudgetGauge, Currency, EstimateRequest, LinkRequest, Payment, PaymentId,
    PaymentLink, PaymentState, Problem, ProblemKind, RequestId, WallTime,
};
use tilldeck::ledger::LogQuery;
use tilldeck::net::{Event, Network, RequestOptions};
use tilldeck::providers::SPECS;

use crate::peer::{Act, Peer, json, reply};
use crate::program::{API_KEY, API_SECRET, Place};

const START: WallTime = WallTime(1_795_316_066_000);
const NOT_KNOWN: &str = r#"{"result":"fail","code":9001}"#;
const REFUSED: &str = r#"{"result":"fail","code":9000}"#;
const ACTIVE: &str = r#"{"result":"ok","currency":"BTC","amount":"0.01","state":"ACTIVE"}"#;

pub struct Bench {
    pub deck: Deck,
    pub hand: ManualClock,
    pub events: tilldeck::net::EventReceiver,
}

/// A deck on the place's config, or on the sandbox without one.
pub async fn open(place: &Place, timeout: Option<Duration>) -> Bench {
    let vault = config::Vault::files(place.state().join(config::VAULT));
    open_with(place, timeout, vault).await
}

/// As [`open`], with a vault of the test's own.
pub async fn open_with(place: &Place, timeout: Option<Duration>, vault: config::Vault) -> Bench {
    let (clock, hand) = Clock::by_hand(START);
    let locations = place.locations(Environ::of([("TEST_API_SECRET", API_SECRET)]));
    let config = config::load(&locations, &SPECS).unwrap();
    let profile = config.profile(None).unwrap();
    let (to, events) = tilldeck::net::events::channel();
    let options = Options {
        overrides: tilldeck::net::Overrides::default(),
        receive: None,
        ledger: config::LedgerConfig::default(),
        callbacks: config::Callbacks::default(),
        hooks: config::Hooks::default(),
        handover: Handover::default(),
        recording: None,
        renew: true,
        state_dir: locations.state_folder().unwrap(),
        clock,
        network: Network {
            idle: timeout,
            ..Network::default()
        },
        events: Some(to),
        environ: locations.environ.clone(),
        config: locations.config.clone(),
        vault,
    };
    Bench {
        deck: Deck::open(profile, options).await.unwrap(),
        hand,
        events,
    }
}

pub fn shop() -> AccountId {
    AccountId::new("shop").unwrap()
}

pub fn how() -> RequestOptions {
    RequestOptions {
        request: RequestId(1),
        background: false,
        no_wait: false,
    }
}

fn id(id: &str) -> PaymentId {
    PaymentId::new(id).unwrap()
}

async fn check(bench: &Bench, payment: &str) -> Result<Payment, Problem> {
    let deck = &bench.deck;
    deck.check_payment(&shop(), &id(payment), how()).await
}

/// The link needs a token, which is created by a write.
fn link_with_token(payment: &str) -> LinkRequest {
    LinkRequest {
        id: id(payment),
        amount: Amount::typed("25").unwrap(),
        currency: Currency::new("EMT").unwrap(),
        name: None,
        email: Some("payer@example.com".into()),
        force_currency: None,
        with_token: true,
        replace_expectation: false,
    }
}

async fn write(bench: &Bench) -> Result<PaymentLink, Problem> {
    let link = link_with_token("A");
    bench.deck.link(&shop(), &link, how()).await
}

fn nonces(peer: &Peer) -> Vec<i64> {
    let nonce = |body: &str| {
        serde_json::from_str::<Value>(body).unwrap()["nonce"]
            .as_i64()
            .unwrap()
    };
    peer.requests()
        .iter()
        .map(|seen| nonce(&seen.body))
        .collect()
}

const SHORT: Option<Duration> = Some(Duration::from_millis(60));

#[tokio::test]
async fn a_time_out_names_the_account_and_says_what_is_safe() {
    let peer = Peer::start(vec![Act::Silence]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, SHORT).await;
    let problem = check(&bench, "A-17").await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Unreachable);
    assert!(
        problem.message.starts_with("account shop: ") && problem.message.contains("did not answer"),
        "{problem}"
    );
    assert!(
        problem.hint.contains("checking again is safe"),
        "{}",
        problem.hint
    );
    assert_eq!(peer.requests().len(), 3, "a check may be repeated");
}

#[tokio::test]
async fn a_nonce_is_never_reused_and_never_runs_ahead() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    for _ in 0..3 {
        check(&bench, "A").await.unwrap();
    }
    assert_eq!(
        nonces(&peer),
        [START.0, START.0 + 1, START.0 + 2],
        "the clock stands still, the nonces grow"
    );
    bench.hand.set_wall(WallTime(START.0 - 3_600_000));
    check(&bench, "A").await.unwrap();
    assert_eq!(
        nonces(&peer)[3],
        START.0 + 3,
        "a clock set back an hour changes nothing"
    );
    bench.hand.set_wall(WallTime(START.0 + 60_000));
    check(&bench, "A").await.unwrap();
    assert_eq!(
        nonces(&peer)[4],
        START.0 + 60_000,
        "never ahead of the clock without need"
    );
    bench.deck.close().await;
    let again = open(&place, None).await;
    check(&again, "A").await.unwrap();
    assert_eq!(
        nonces(&peer)[5],
        START.0 + 60_001,
        "the last one outlives the process"
    );
}

#[tokio::test]
async fn a_nonce_is_stored_before_it_is_sent() {
    let peer = Peer::start(vec![Act::Silence]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    {
        let asking = check(&bench, "A");
        let seen = async {
            while peer.requests().is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! { _ = asking => panic!("nothing answers"), () = seen => {} }
    }
    // The process "dies" here: the call is dropped unanswered, and another ledger opens the same folder.
    let peer_after = Peer::start(vec![json(ACTIVE)]);
    std::fs::write(
        place.config_path(),
        std::fs::read_to_string(place.config_path())
            .unwrap()
            .replace(&peer.url, &peer_after.url),
    )
    .unwrap();
    let after = open(&place, None).await;
    check(&after, "A").await.unwrap();
    assert!(nonces(&peer_after)[0] > nonces(&peer)[0]);
}

// docs/providers/kanga.md#nonce
#[tokio::test]
async fn after_a_lost_reply_the_next_nonce_is_higher() {
    let peer = Peer::start(vec![Act::Reset, json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    check(&bench, "A").await.unwrap();
    let nonces = nonces(&peer);
    assert!(nonces.len() == 2 && nonces[1] > nonces[0], "{nonces:?}");
}

// docs/providers/kanga.md#nonce, docs/providers/kanga.md#failures
#[tokio::test]
async fn a_refused_nonce_is_tried_once_more_and_then_both_causes_are_named() {
    let peer = Peer::start(vec![json(REFUSED), json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    check(&bench, "A").await.unwrap();
    assert_eq!(peer.requests().len(), 2);
    let peer = Peer::start(vec![json(REFUSED)]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    let problem = check(&bench, "A").await.unwrap_err();
    assert_eq!(
        (problem.kind, peer.requests().len()),
        (ProblemKind::Refused, 2)
    );
    assert!(
        problem.hint.contains("api_secret") && problem.hint.contains("nonce"),
        "{}",
        problem.hint
    );
}

#[tokio::test]
async fn calls_of_one_key_go_out_one_after_another() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    let asks: Vec<_> = (0..16).map(|_| check(&bench, "A")).collect();
    let mut set = Vec::new();
    for asked in asks {
        set.push(asked);
    }
    for result in join_all(set).await {
        result.unwrap();
    }
    let nonces = nonces(&peer);
    assert!(
        nonces.len() == 16 && nonces.is_sorted(),
        "in the order of their nonces: {nonces:?}"
    );
}

/// Polls all together; the futures borrow, so they cannot be spawned.
async fn join_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    use std::task::Poll;
    let mut all: Vec<_> = futures
        .into_iter()
        .map(|future| (Box::pin(future), None))
        .collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (future, done) in &mut all {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *done = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    all.into_iter().map(|(_, done)| done.unwrap()).collect()
}

#[tokio::test]
async fn a_write_is_not_repeated_after_a_lost_reply() {
    let peer = Peer::start(vec![Act::Reset]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    let problem = write(&bench).await.unwrap_err();
    assert_eq!(
        (problem.kind, peer.requests().len()),
        (ProblemKind::Unreachable, 1)
    );
    let peer = Peer::start(vec![reply("503 Busy", "", ""), json("{}")]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    write(&bench).await.unwrap_err();
    assert_eq!(peer.requests().len(), 1);
}

#[tokio::test]
async fn a_passing_failure_of_a_read_is_waited_out_and_retry_after_is_obeyed() {
    let peer = Peer::start(vec![
        reply("503 Busy", "", ""),
        reply("429 Slow", "Retry-After: 1\r\n", ""),
        json(ACTIVE),
    ]);
    let place = Place::with_shop(&peer.url);
    let Bench {
        deck,
        hand,
        mut events,
    } = open(&place, None).await;
    let how = RequestOptions {
        request: RequestId(1),
        background: false,
        no_wait: false,
    };
    let mut waits = Vec::new();
    let (account, payment) = (shop(), id("A"));
    let mut asking = std::pin::pin!(deck.check_payment(&account, &payment, how));
    loop {
        tokio::select! {
            answered = &mut asking => break drop(answered.unwrap()),
            Some(event) = events.recv() => {
                let Event::Waiting(_, Some(waiting)) = event else {
                    continue;
                };
                if waiting.why.contains("429") {
                    hand.advance(Duration::from_millis(999));
                    let early = tokio::time::timeout(Duration::from_millis(300), &mut asking).await;
                    assert!(early.is_err(), "sent before its time");
                    hand.advance(Duration::from_millis(1));
                }
                waits.push(waiting.why);
            }
        }
    }
    assert!(waits[0].starts_with("status 503"), "{waits:?}");
    assert!(waits[1].contains("rate limit reached (429)"), "{waits:?}");
}

#[tokio::test]
async fn a_hold_of_hours_is_lifted_when_the_operator_says_so() {
    let peer = Peer::start(vec![
        reply("429 Slow", "Retry-After: 7200\r\n", ""),
        json(ACTIVE),
    ]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    for _ in 0..2 {
        check(&bench, "A").await.unwrap_err();
    }
    assert_eq!(peer.requests().len(), 1);
    bench.deck.lift_holds(&shop()).await;
    let held = |gauges: Vec<(_, BudgetGauge)>| gauges.iter().any(|(_, gauge)| gauge.held.is_some());
    assert!(!held(bench.deck.gauges().await.unwrap()));
    check(&bench, "A").await.unwrap();
    assert_eq!(peer.requests().len(), 2);
}

/// Calls of one key go out one after another, each with its slot in hand: what the first is told holds for the next.
#[tokio::test]
async fn who_waited_for_the_key_while_another_was_turned_away_sends_nothing() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let peer = Peer::choosing(move |_, _| {
        // Until the other waits.
        let _ = held.lock().unwrap().recv();
        reply("429 Slow", "Retry-After: 600\r\n", "")
    });
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    let bench = &bench;
    let asked = |payment| {
        let how = RequestOptions {
            no_wait: true,
            ..how()
        };
        async move { bench.deck.check_payment(&shop(), &id(payment), how).await }
    };
    let mut first = std::pin::pin!(asked("A"));
    let mut second = std::pin::pin!(asked("B"));
    let mut both = std::pin::pin!(async { tokio::join!(&mut first, &mut second) });
    let soon = tokio::time::timeout(Duration::from_millis(300), &mut both).await;
    assert!(
        soon.is_err(),
        "the one waits for its answer, the other for the key"
    );
    drop(release);
    for turned_away in <[_; 2]>::from(both.await) {
        assert_eq!(turned_away.unwrap_err().kind, ProblemKind::Budget);
    }
    assert_eq!(peer.requests().len(), 1);
}

#[tokio::test]
async fn a_clock_ahead_of_the_providers_is_reported() {
    let dated = |ahead: i64| {
        let seconds = u64::try_from(START.0 / 1000 - ahead).unwrap();
        let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(seconds));
        reply("200 OK", &format!("Date: {date}\r\n"), ACTIVE)
    };
    for (ahead, told) in [(-30, false), (0, false), (2, false), (4, true), (60, true)] {
        let peer = Peer::start(vec![dated(ahead)]);
        let place = Place::with_shop(&peer.url);
        let mut bench = open(&place, None).await;
        check(&bench, "A").await.unwrap();
        let mut warned = false;
        while let Some(event) = bench.events.try_recv() {
            warned |= matches!(event, Event::ClockWarning(..));
        }
        assert_eq!(warned, told, "{ahead} s ahead");
    }
}

#[tokio::test]
async fn every_exchange_is_recorded_and_published() {
    let peer = Peer::start(vec![Act::Reset, json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let mut bench = open(&place, None).await;
    check(&bench, "A").await.unwrap();
    bench.deck.ledger().flush().await;
    let mut published = Vec::new();
    while let Some(event) = bench.events.try_recv() {
        if let Event::Exchange(exchange) = event {
            published.push(exchange);
        }
    }
    let query = tilldeck::ledger::LogQuery {
        limit: 10,
        log: tilldeck::ledger::Requests { bodies: true },
        ..Default::default()
    };
    let mut recorded = bench.deck.ledger().log(query).await.unwrap();
    recorded.reverse();
    assert_eq!(
        published.iter().map(|e| (**e).clone()).collect::<Vec<_>>(),
        recorded
    );
    assert_eq!(
        recorded.iter().map(|e| e.attempt).collect::<Vec<_>>(),
        [1, 2]
    );
}

#[tokio::test]
async fn without_a_ledger_no_nonce_is_sent_and_no_slot_is_used() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    std::fs::write(place.state(), "a file where the folder belongs").unwrap();
    let bench = open(&place, None).await;
    for _ in 0..2 {
        let refused = check(&bench, "A").await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Local);
        assert!(refused.message.contains("nothing was sent"), "{refused:?}");
        assert!(refused.hint.contains("may write the folder"), "{refused:?}");
    }
    assert_eq!(peer.requests().len(), 0);

    // One that goes away while the program runs is missed before the next request.
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    check(&bench, "A").await.unwrap();
    std::fs::remove_dir_all(place.state()).unwrap();
    std::fs::write(place.state(), "a file where the folder belongs").unwrap();
    let refused = check(&bench, "A").await.unwrap_err();
    assert_eq!(refused.kind, ProblemKind::Local);
    assert_eq!(peer.requests().len(), 1);
}

#[tokio::test]
async fn without_a_ledger_the_sandbox_goes_on() {
    let place = Place::new();
    std::fs::write(place.state(), "a file where the folder belongs").unwrap();
    let bench = open(&place, None).await;
    let kanga = AccountId::new("kanga").unwrap();
    assert_eq!(bench.deck.verify(&kanga, how()).await, Ok(()));
}

// docs/providers/kanga.md#calls, docs/providers/kanga.md#payment-token, docs/providers/kanga.md#payment-page
#[tokio::test]
async fn all_six_calls_and_the_link_against_the_simulator() {
    let place = Place::new();
    let bench = open(&place, None).await;
    let kanga = AccountId::new("kanga").unwrap();
    let deck = &bench.deck;
    assert_eq!(deck.verify(&kanga, how()).await, Ok(()));
    let test = deck.send(&kanga, how(), |client| client.test_signature());
    assert_eq!(test.await, Ok(()));
    let sum = EstimateRequest {
        token: Currency::new("EMT").unwrap(),
        quantity: Amount::typed("3000").unwrap(),
    };
    let estimate = deck.send(&kanga, how(), |client| client.estimate(&sum));
    let estimate = estimate.await.unwrap();
    assert!(
        estimate
            .prices
            .iter()
            .any(|p| p.currency.as_str() == "EMT" && p.amount.as_str() == "3090"),
        "never 1:1"
    );
    let link = link_with_token("NEW-1");
    let link = deck.link(&kanga, &link, how()).await.unwrap();
    let (_, token) = link.url.expose().split_once("&paymentToken=").unwrap();
    assert_eq!(token.len(), 32);
    assert!(
        !link.shown.contains("paymentToken=") || link.shown.ends_with("paymentToken=…"),
        "{}",
        link.shown
    );
    let new = id("NEW-1");
    let unknown = deck.check_payment(&kanga, &new, how()).await.unwrap_err();
    assert_eq!(
        unknown.kind,
        ProblemKind::NotFound,
        "known once its payer has opened the page"
    );
    visit(link.url.expose()).await;
    let payment = deck.check_payment(&kanga, &new, how()).await.unwrap();
    assert_eq!(
        (payment.state, payment.amount.as_str()),
        (PaymentState::Active, "25"),
        "e-mail and token: no verification"
    );
    bench.deck.close().await;
}

/// Opens a page as a browser would, over a connection of its own.
async fn visit(url: &str) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
}

#[tokio::test]
async fn background_asks_leave_part_of_the_budget_free() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    std::fs::write(
        place.config_path(),
        format!("{config}budget = {{ requests = 3, period = \"1h\" }}\n"),
    )
    .unwrap();
    let bench = open(&place, None).await;
    let quick = |background| RequestOptions {
        request: RequestId(1),
        background,
        no_wait: true,
    };
    for _ in 0..2 {
        bench
            .deck
            .check_payment(&shop(), &id("A"), quick(true))
            .await
            .unwrap();
    }
    let held = bench
        .deck
        .check_payment(&shop(), &id("A"), quick(true))
        .await
        .unwrap_err();
    assert_eq!(
        held.kind,
        ProblemKind::Budget,
        "the last slot is not for polling"
    );
    bench
        .deck
        .check_payment(&shop(), &id("A"), quick(false))
        .await
        .unwrap();
    let full = bench
        .deck
        .check_payment(&shop(), &id("A"), quick(false))
        .await
        .unwrap_err();
    assert_eq!((full.kind, peer.requests().len()), (ProblemKind::Budget, 3));
    bench.hand.advance(Duration::from_hours(1));
    bench
        .deck
        .check_payment(&shop(), &id("A"), quick(false))
        .await
        .unwrap();
}

#[tokio::test]
async fn verification_survives_the_process_and_an_unknown_id_proves_the_key() {
    let peer = Peer::start(vec![json(NOT_KNOWN)]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    assert_eq!(bench.deck.verify(&shop(), how()).await, Ok(()));
    let body: Value = serde_json::from_str(&peer.requests()[0].body).unwrap();
    assert!(body["id"].as_str().unwrap().starts_with("tilldeck-verify-"));
    bench.deck.close().await;
    let again = open(&place, None).await;
    let known = again.deck.remembered_credentials().await.unwrap();
    assert_eq!(known[0].1.state, tilldeck::domain::CredentialState::Valid);
}

#[tokio::test]
async fn the_first_accepted_check_after_a_rejection_is_saved_as_well() {
    use tilldeck::domain::CredentialState::{Refused, Valid};
    let refusals = (0..4).map(|_| json(REFUSED));
    let checks = (0..3).map(|_| json(ACTIVE));
    let peer = Peer::start(refusals.chain(checks).collect());
    let bench = open(&Place::with_shop(&peer.url), None).await;
    let saved = async || {
        let known = bench.deck.remembered_credentials().await.unwrap();
        (known[0].1.state, known[0].1.at)
    };
    assert!(bench.deck.verify(&shop(), how()).await.is_err());
    assert_eq!(saved().await.0, Refused);
    while check(&bench, "A").await.is_err() {}
    let first = saved().await;
    assert_eq!(first.0, Valid);
    bench.hand.advance(Duration::from_secs(5));
    check(&bench, "A").await.unwrap();
    assert_eq!(saved().await, first, "not at each check");
}

#[tokio::test]
async fn what_is_cancelled_is_recorded_all_the_same() {
    let peer = Peer::start(vec![Act::Silence]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    {
        let sent = async {
            while peer.requests().is_empty() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            _ = write(&bench) => panic!("nothing answers"),
            () = sent => {}
        }
    }
    let query = tilldeck::ledger::LogQuery {
        limit: 10,
        ..Default::default()
    };
    let recorded = bench.deck.ledger().log(query).await.unwrap();
    let outcome = tilldeck::domain::Outcome::Failed("cancelled".into());
    assert_eq!(
        recorded.iter().map(|e| &e.outcome).collect::<Vec<_>>(),
        [&outcome]
    );
    let (_, gauge) = &bench.deck.gauges().await.unwrap()[0];
    assert_eq!(gauge.used, 1, "the reply may still come");
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_takes_no_slot() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    std::fs::write(
        place.config_path(),
        config.replace("TEST_API_SECRET", "NOT_SET"),
    )
    .unwrap();
    let bench = open(&place, None).await;
    assert_eq!(
        check(&bench, "A").await.unwrap_err().kind,
        ProblemKind::Config
    );
    assert_eq!(bench.deck.gauges().await.unwrap()[0].1.used, 0);
}

#[tokio::test]
async fn the_budget_is_never_exceeded_by_calls_that_wait_for_their_keys_lane() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    std::fs::write(
        place.config_path(),
        format!("{config}budget = {{ requests = 1, period = \"1s\" }}\n"),
    )
    .unwrap();
    let bench = open(&place, None).await;
    let key = tilldeck::ledger::KeyHash::of("kanga", API_KEY);
    let key_lock = bench.deck.ledger().key_lock(&key).await.unwrap();
    let used = async || bench.deck.gauges().await.unwrap()[0].1.used;
    let (asked, ()) = tokio::join!(check(&bench, "A"), async {
        while used().await == 0 {
            tokio::task::yield_now().await;
        }
        // Longer than a request may last and the window together: the slot is still the waiting call's.
        bench.hand.advance(Duration::from_mins(1));
        assert_eq!(used().await, 1);
        drop(key_lock);
    });
    asked.unwrap();
    assert_eq!(used().await, 1, "freed one period after the reply");
    bench.hand.advance(Duration::from_secs(1));
    assert_eq!(used().await, 0);
}

#[tokio::test]
async fn the_request_of_another_program_is_found_if_an_account_of_this_profile_sent_it() {
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    let mut follower = Follower::new(&bench.deck).await;
    let command = |arguments: &'static [&str]| {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 0, "{}", ran.all());
    };
    // Of another profile, in the same ledger.
    command(&["--profile", "sandbox", "check", "ORDER-1001"]);
    command(&["check", "A-17"]);
    let news = follower.next(&bench.deck).await;
    let found: Vec<(&str, &str)> = news
        .requests
        .iter()
        .map(|exchange| (exchange.account.as_str(), exchange.about.as_str()))
        .collect();
    assert_eq!(found, [("shop", "A-17")]);
    let found: Vec<(&str, &str)> = news
        .observations
        .iter()
        .map(|(account, seen)| (account.as_str(), seen.payment.id.as_str()))
        .collect();
    assert_eq!(found, [("shop", "A-17")]);
}

#[tokio::test]
async fn new_requests_that_fit_one_batch_are_not_reported_as_missed() {
    const BATCH: usize = 200;
    let peer = Peer::start(vec![json(ACTIVE)]);
    let place = Place::with_shop(&peer.url);
    let mut bench = open(&place, None).await;
    let other = open(&place, None).await;
    let mut follower = Follower::new(&bench.deck).await;
    check(&other, "A-17").await.unwrap();
    other.deck.ledger().flush().await;
    let news = follower.next(&bench.deck).await;
    let request = news.requests[0].clone();
    let mut saved = 1;
    for (new, missed) in [(BATCH, false), (BATCH + 1, true)] {
        let ledger = other.deck.ledger();
        for _ in 0..new {
            ledger.record_later(request.clone(), Box::new(|_| {}));
        }
        saved += new;
        let all = || LogQuery {
            limit: 2 * saved,
            ..LogQuery::default()
        };
        while ledger.count(all()).await.unwrap() < saved {
            tokio::task::yield_now().await;
        }
        let news = follower.next(&bench.deck).await;
        assert_eq!(news.requests.len(), BATCH);
        let mut events = std::iter::from_fn(|| bench.events.try_recv());
        let is_reported = events.any(|event| event == Event::Lagged);
        assert_eq!(is_reported, missed, "of {new}");
    }
}
