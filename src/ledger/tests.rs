//! The ledger through its handles. Several handles on one folder stand for several processes: each has its
//! own thread, connection and locks.

use std::path::Path;

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;
use crate::clock::Hand;
use crate::domain::{
    AccountId, Amount, Body, CredentialStatus, Currency, Exchange, ExchangeId, Expected,
    Observation, Outcome, Payment, PaymentId, PaymentState, WallTime, Watch,
};

const START: WallTime = WallTime(1_795_316_066_000);
const MINUTE: Duration = Duration::from_mins(1);
const FLIGHT: Duration = Duration::from_secs(30);

fn clock() -> (Clock, Hand) {
    Clock::by_hand(START)
}

fn start(folder: &Path) -> Ledger {
    Ledger::start(folder.to_owned(), clock().0, Retention::default())
}

/// Ends the ledger's thread, as the end of a process does.
fn close(ledger: Ledger) {
    let thread = ledger.0.thread.lock().unwrap().take();
    drop(ledger);
    thread.unwrap().join().unwrap();
}

/// Sets a pragma of the ledger's own connection.
async fn set(ledger: &Ledger, pragma: &'static str, value: i32) {
    let run = move |conn: &Connection| conn.execute_batch(&format!("PRAGMA {pragma} = {value}"));
    ledger.ask(move |store| store.read(run)).await.unwrap();
}

async fn fill_disk(ledger: &Ledger, full: bool) {
    set(ledger, "max_page_count", if full { 1 } else { 1_000_000 }).await;
}

/// Lets no write succeed.
async fn forbid_writing(ledger: &Ledger, on: bool) {
    set(ledger, "query_only", i32::from(on)).await;
}

fn shop() -> AccountId {
    AccountId::new("shop").unwrap()
}

fn key() -> KeyHash {
    KeyHash::of("kanga", "public-key")
}

fn exchange(url: &str) -> Exchange {
    Exchange {
        id: ExchangeId(0),
        account: shop(),
        provider: "kanga".into(),
        environment: "production".into(),
        at: START,
        method: "POST".into(),
        url: url.into(),
        about: "A-17".into(),
        attempt: 1,
        outcome: Outcome::Status(200),
        to_head: Some(Duration::from_nanos(1_234_567)),
        took: Duration::from_millis(40),
        request_headers: vec![("accept".into(), "a".into()), ("accept".into(), "b".into())],
        request_body: Body {
            text: "{}".into(),
            bytes: 2,
            cut: false,
        },
        response_headers: vec![],
        response_body: Body {
            text: "x".repeat(10),
            bytes: 300_000,
            cut: true,
        },
    }
}

fn observation(state: &str, amount: &str, after: u64) -> Observation {
    Observation {
        at: START.plus(Duration::from_secs(after)),
        payment: Payment {
            id: PaymentId::new("A-17").unwrap(),
            currency: Currency::new("BTC").unwrap(),
            amount: Amount::received(amount).unwrap(),
            state: PaymentState::from_word(state),
        },
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_nonce_is_never_reused_and_never_runs_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let mut lane = ledger.lane(&key()).await.unwrap();
    assert_eq!(lane.next_nonce(WallTime(1000)).await, Ok(1000));
    assert_eq!(lane.next_nonce(WallTime(1000)).await, Ok(1001));
    assert_eq!(
        lane.next_nonce(WallTime(400)).await,
        Ok(1002),
        "clock set back"
    );
    assert_eq!(lane.next_nonce(WallTime(5000)).await, Ok(5000));
    drop(lane);
    close(ledger);
    let ledger = start(folder.path());
    let mut lane = ledger.lane(&key()).await.unwrap();
    assert_eq!(lane.next_nonce(WallTime(5000)).await, Ok(5001), "reopened");
    let mut other = ledger.lane(&KeyHash::of("kanga", "other")).await.unwrap();
    assert_eq!(other.next_nonce(WallTime(7)).await, Ok(7), "another key");
    assert_eq!(other.next_nonce(WallTime(i64::MAX)).await, Ok(i64::MAX));
    let end = other.next_nonce(WallTime(8)).await;
    assert_eq!(end, Err(LedgerError::NoncesExhausted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_get_distinct_rising_nonces() {
    let folder = tempfile::tempdir().unwrap();
    let given = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (ledger, given) = (start(folder.path()), Arc::clone(&given));
            tokio::spawn(async move {
                for _ in 0..10 {
                    let mut lane = ledger.lane(&key()).await.unwrap();
                    for _ in 0..5 {
                        let nonce = lane.next_nonce(START).await.unwrap();
                        given.lock().unwrap().push(nonce);
                    }
                }
                assert_eq!(ledger.status().await, Status::Ready);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let given = given.lock().unwrap();
    assert_eq!(given.len(), 400);
    assert!(
        given.is_sorted_by(|a, b| a < b),
        "in the order given: {given:?}"
    );
    assert_eq!(given[0], START.0);
}

#[tokio::test]
async fn a_lane_has_one_holder_until_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (start(folder.path()), start(folder.path()));
    let held = one.lane(&key()).await.unwrap();
    for ledger in [&one, &two] {
        let key = key();
        let mut waiting = std::pin::pin!(ledger.lane(&key));
        let soon = tokio::time::timeout(Duration::from_millis(40), &mut waiting).await;
        assert!(soon.is_err(), "held");
    }
    let free = two.lane(&KeyHash::of("kanga", "other")).await;
    assert!(free.is_ok(), "another key's lane");
    drop(held);
    let mut lane = two.lane(&key()).await.unwrap();
    assert!(lane.next_nonce(START).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lane_held_for_too_long_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (start(folder.path()), start(folder.path()));
    let _held = one.lane(&key()).await.unwrap();
    assert_eq!(
        two.lane(&key()).await.unwrap_err(),
        LedgerError::LaneBusy(90)
    );
}

#[test]
fn a_key_hash_tells_providers_and_keys_apart() {
    let hash = KeyHash::of("kanga", "planted");
    assert_eq!(hash.as_str().len(), 64);
    assert!(!format!("{hash:?}").contains("planted"));
    assert_ne!(KeyHash::of("ab", "c"), KeyHash::of("a", "bc"));
}

fn terms(scope: &str, limit: u32, reserve: u32) -> Terms {
    Terms {
        scope: scope.into(),
        limit,
        period: MINUTE,
        reserve,
        flight: FLIGHT,
    }
}

fn counted(used: u32, next_free: Option<Duration>) -> Counted {
    Counted {
        used,
        next_free,
        held: None,
    }
}

/// Keeps an exchange, and gives it back with its id.
async fn record(ledger: &Ledger, exchange: Exchange) -> Exchange {
    let (kept_to, kept) = tokio::sync::oneshot::channel();
    ledger.record_later(exchange, |exchange| kept_to.send(exchange).unwrap());
    ledger.flush().await;
    kept.await.unwrap()
}

async fn take(ledger: &Ledger, reserve: u32) -> Slots {
    let asked = ledger.take_slots(terms("kanga", 3, reserve), 1);
    asked.await.unwrap()
}

fn granted(slots: Slots) -> SlotId {
    match slots {
        Slots::Granted(mut granted) => {
            let mut ids = granted.take();
            assert_eq!(ids.len(), 1);
            ids.remove(0)
        }
        _ => panic!("{slots:?}"),
    }
}

#[tokio::test]
async fn slots_are_freed_one_period_after_the_reply_was_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let processes = [(); 2].map(|()| {
        Ledger::start(
            folder.path().to_owned(),
            clock.clone(),
            Retention::default(),
        )
    });
    let [one, two] = &processes;
    let first = granted(take(one, 0).await);
    let second = granted(take(two, 1).await);
    let full = |next_free| Slots::Full { next_free };
    assert_eq!(take(two, 1).await, full(None), "one is kept free");
    granted(take(one, 0).await);
    assert_eq!(take(two, 0).await, full(None), "all in flight");
    hand.advance(Duration::from_secs(2));
    one.release_slot(first, clock.now().wall);
    one.flush().await;
    hand.advance(Duration::from_secs(10));
    assert_eq!(take(two, 0).await, full(Some(Duration::from_secs(50))));
    assert_eq!(take(two, 1).await, full(None), "a second one must be freed");
    let budget = two.budget("kanga".into(), 3, MINUTE).await;
    assert_eq!(budget, Ok(counted(3, Some(Duration::from_secs(50)))));
    two.release_slot(second, clock.now().wall);
    two.flush().await;
    assert_eq!(take(two, 1).await, full(Some(MINUTE)));
    hand.advance(Duration::from_secs(50));
    assert_eq!(
        one.budget("kanga".into(), 3, MINUTE).await,
        Ok(counted(2, None))
    );
    granted(take(two, 0).await);
    assert_eq!(
        one.budget("other".into(), 3, MINUTE).await,
        Ok(counted(0, None))
    );
}

#[tokio::test]
async fn a_dead_process_holds_its_slots_as_long_as_a_request_can_last() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let begin = || {
        Ledger::start(
            folder.path().to_owned(),
            clock.clone(),
            Retention::default(),
        )
    };
    let dying = begin();
    for _ in 0..3 {
        granted(take(&dying, 0).await);
    }
    close(dying);
    let next = begin();
    hand.advance(FLIGHT + Duration::from_millis(59_999));
    assert!(matches!(take(&next, 0).await, Slots::Full { .. }));
    hand.advance(Duration::from_millis(1));
    granted(take(&next, 0).await);
}

#[tokio::test]
async fn a_clock_set_back_frees_nothing_early_and_blocks_for_one_period_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let ledger = Ledger::start(
        folder.path().to_owned(),
        clock.clone(),
        Retention::default(),
    );
    for _ in 0..3 {
        let id = granted(take(&ledger, 0).await);
        ledger.release_slot(id, clock.now().wall);
    }
    hand.advance(Duration::from_secs(59));
    hand.set_wall(WallTime(START.0 - 86_400_000));
    let full = |seconds| Slots::Full {
        next_free: Some(Duration::from_secs(seconds)),
    };
    assert_eq!(take(&ledger, 0).await, full(60));
    hand.advance(Duration::from_secs(59));
    assert_eq!(take(&ledger, 0).await, full(1));
    hand.advance(Duration::from_secs(1));
    granted(take(&ledger, 0).await);
}

#[tokio::test]
async fn the_highest_limits_do_not_overflow() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    for _ in 0..2 {
        let all = Terms {
            period: Duration::MAX,
            flight: Duration::MAX,
            ..terms("s", u32::MAX, 0)
        };
        let slot = ledger.take_slots(all, 1).await;
        let id = granted(slot.unwrap());
        ledger.release_slot(id, WallTime(i64::MAX));
    }
    let none = ledger.take_slots(terms("s", 0, 7), 9).await.unwrap();
    assert_eq!(none, Slots::Full { next_free: None }, "no slots at all");
    assert_eq!(ledger.status().await, Status::Ready);
}

#[derive(Debug, Clone)]
enum Step {
    Take {
        process: usize,
        reserve: u32,
        wanted: u32,
    },
    Release {
        nth: usize,
    },
    Die {
        nth: usize,
    },
    Wait {
        ms: u64,
    },
    SetBack {
        ms: i64,
    },
    Disk {
        process: usize,
        full: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..2_usize, 0..2_u32, 1..4_u32)
            .prop_map(|(process, reserve, wanted)| Step::Take { process, reserve, wanted }),
        4 => (0..8_usize).prop_map(|nth| Step::Release { nth }),
        1 => (0..8_usize).prop_map(|nth| Step::Die { nth }),
        4 => (1..40_000_u64).prop_map(|ms| Step::Wait { ms }),
        1 => (1..200_000_i64).prop_map(|ms| Step::SetBack { ms }),
        1 => (0..1_usize, any::<bool>()).prop_map(|(process, full)| Step::Disk { process, full }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// In any order, with replies that come late or never, clocks set back, and one process that at times
    /// cannot write: no more than the limit were in flight or answered within the last period.
    #[test]
    fn the_budget_is_never_exceeded(steps in proptest::collection::vec(step(), 1..60)) {
        const LIMIT: u32 = 3;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (clock, hand) = clock();
            let begin = || Ledger::start(folder.path().to_owned(), clock.clone(), Retention::default());
            // The one that cannot write comes second at the counter: what it holds, the other cannot see.
            let processes = [begin(), begin()];
            let mut full_disk = false;
            let mut in_flight: Vec<(usize, SlotId, Duration)> = Vec::new();
            let mut until: Vec<Duration> = Vec::new();
            for step in steps {
                let mono = clock.now().mono;
                match step {
                    Step::Take { process, reserve, wanted } => {
                        let process = if full_disk { 0 } else { process };
                        let slot = processes[process].take_slots(terms("s", LIMIT, reserve), wanted).await.unwrap();
                        if let Slots::Granted(mut granted) = slot {
                            let ids = granted.take();
                            in_flight.retain(|(_, _, taken)| *taken + FLIGHT + MINUTE > mono);
                            until.retain(|end| *end > mono);
                            let open = LIMIT - reserve;
                            let used = in_flight.len() + until.len() + ids.len();
                            assert!(used <= open as usize, "{in_flight:?} {until:?}");
                            assert!((1..=wanted as usize).contains(&ids.len()));
                            in_flight.extend(ids.into_iter().map(|id| (process, id, mono)));
                        }
                    }
                    Step::Release { nth } if nth < in_flight.len() => {
                        let (process, id, taken) = in_flight.remove(nth);
                        // Requests end within their limit.
                        if taken + FLIGHT >= mono {
                            processes[process].release_slot(id, clock.now().wall);
                            processes[process].flush().await;
                            until.push(mono + MINUTE);
                        } else {
                            in_flight.push((process, id, taken));
                        }
                    }
                    Step::Die { nth } if nth < in_flight.len() => {
                        let (_, _, taken) = in_flight.remove(nth);
                        until.push(taken + MINUTE);
                    }
                    Step::Wait { ms } => hand.advance(Duration::from_millis(ms)),
                    Step::SetBack { ms } => hand.set_wall(WallTime(clock.now().wall.0 - ms)),
                    Step::Disk { process, full } => {
                        full_disk |= full;
                        forbid_writing(&processes[process], full).await;
                    }
                    Step::Release { .. } | Step::Die { .. } => {}
                }
            }
        });
    }
}

#[tokio::test]
async fn hostile_text_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let hostile = "\u{1b}[2J'; DROP TABLE exchanges;--\0\u{202e}\u{fffd}漢%_\\\n";
    let mut given = exchange(hostile);
    given.method = hostile.into();
    given.outcome = Outcome::Failed(hostile.into());
    given.to_head = None;
    given.attempt = u32::MAX;
    given.request_headers = vec![(hostile.into(), hostile.into())];
    given.response_body.text = hostile.into();
    given.response_body.bytes = u64::MAX >> 1;
    let kept = record(&ledger, given.clone()).await;
    assert!(kept.id.0 > 0);
    given.id = kept.id;
    assert_eq!(kept, given);
    close(ledger);
    let ledger = start(folder.path());
    assert_eq!(ledger.exchange(kept.id).await, Ok(Some(given)));
    assert_eq!(ledger.exchange(ExchangeId(77)).await, Ok(None));
    let state = observation(hostile, "0.010", 0);
    assert_eq!(ledger.observe(&shop(), hostile, &state).await, Ok(true));
    let back = ledger
        .observations(hostile, &shop(), &state.payment.id)
        .await
        .unwrap();
    assert_eq!(back, [state]);
}

#[tokio::test]
async fn the_log_is_paged_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    for number in 0..10_i64 {
        let mut given = exchange(&format!("https://api.example/n{number}/100%_\\x"));
        given.at = WallTime(START.0 + number);
        if number == 3 {
            given.account = AccountId::new("other").unwrap();
            given.outcome = Outcome::Failed("Timed out".into());
        }
        record(&ledger, given).await;
    }
    let ids = async |query: LogQuery| -> Vec<i64> {
        let found = ledger.log(query).await.unwrap();
        assert!(
            found
                .iter()
                .all(|e| e.request_headers.is_empty() && e.response_body.bytes == 300_000)
        );
        found.iter().map(|exchange| exchange.id.0).collect()
    };
    let all = || LogQuery {
        limit: 100,
        ..LogQuery::default()
    };
    assert_eq!(ids(LogQuery::default()).await, [0; 0]);
    assert_eq!(ids(all()).await, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let page = LogQuery {
        limit: 3,
        before: Some(ExchangeId(8)),
        ..all()
    };
    assert_eq!(ids(page).await, [7, 6, 5]);
    let follow = LogQuery {
        limit: 2,
        after: Some(ExchangeId(5)),
        ..all()
    };
    assert_eq!(ids(follow).await, [7, 6], "none is skipped");
    let since = LogQuery {
        since: Some(WallTime(START.0 + 8)),
        ..all()
    };
    assert_eq!(ids(since).await, [10, 9]);
    let other = LogQuery {
        account: Some(AccountId::new("other").unwrap()),
        ..all()
    };
    assert_eq!(ids(other).await, [4]);
    let filtered = async |filter: &str| {
        ids(LogQuery {
            filter: filter.into(),
            ..all()
        })
        .await
    };
    assert_eq!(filtered("/N7/").await, [8]);
    assert_eq!(filtered("post timed").await, [4]);
    assert_eq!(filtered("%_\\x n2").await, [3]);
    assert_eq!(
        filtered("1_0").await,
        [0; 0],
        "a wildcard is a letter like others"
    );
    assert_eq!(filtered("' OR 1 --").await, [0; 0]);
    let full = ledger
        .log(LogQuery {
            bodies: true,
            limit: 1,
            ..all()
        })
        .await
        .unwrap();
    assert_eq!(full[0].response_body.text.len(), 10);
    assert_eq!(full[0].request_headers.len(), 2);
}

#[tokio::test]
async fn only_old_exchanges_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let limits = Retention {
        age: Duration::from_secs(100),
        bytes: 5_000,
        count: 6,
    };
    let ledger = Ledger::start(folder.path().to_owned(), clock, limits);
    let mut lane = ledger.lane(&key()).await.unwrap();
    let nonce = lane.next_nonce(START).await.unwrap();
    let prune = async || {
        ledger
            .ask(|store| {
                store.prune();
                Ok(())
            })
            .await
            .unwrap();
        let left = ledger
            .log(LogQuery {
                limit: 100,
                ..LogQuery::default()
            })
            .await
            .unwrap();
        left.iter()
            .map(|exchange| exchange.id.0)
            .collect::<Vec<_>>()
    };
    for _ in 0..10 {
        record(&ledger, exchange("https://api.example/")).await;
    }
    assert_eq!(prune().await, [10, 9, 8, 7, 6, 5], "count");
    let mut large = exchange("https://api.example/");
    large.response_body.text = "y".repeat(4_000);
    large.at = START.plus(Duration::from_secs(50));
    record(&ledger, large).await;
    assert_eq!(prune().await, [11, 10, 9], "bytes");
    hand.advance(Duration::from_secs(101));
    assert_eq!(prune().await, [11], "age");
    hand.advance(Duration::from_secs(50));
    assert_eq!(prune().await, [0; 0], "age");
    assert_eq!(lane.next_nonce(START).await, Ok(nonce + 1));
}

#[tokio::test]
async fn exchanges_are_dropped_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Retention {
        count: 6,
        ..Retention::default()
    };
    let ledger = Ledger::start(folder.path().to_owned(), clock().0, limits);
    for _ in 0..1_100 {
        record(&ledger, exchange("https://x.example")).await;
    }
    let all = LogQuery {
        limit: 2_000,
        ..LogQuery::default()
    };
    assert!(ledger.log(all).await.unwrap().len() < 6 + 512);
}

#[tokio::test]
async fn an_observation_is_kept_only_where_something_changed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let mut kept = Vec::new();
    for (state, amount) in [
        ("NEW", "0.01"),
        ("NEW", "0.01"),
        ("ACTIVE", "0.01"),
        ("ACTIVE", "0.010"),
        ("ACTIVE", "0.02"),
        ("NEW", "0.02"),
    ] {
        let seen = observation(state, amount, kept.len() as u64);
        kept.push(ledger.observe(&shop(), "live", &seen).await.unwrap());
    }
    assert_eq!(kept, [true, false, true, false, true, true]);
    let id = PaymentId::new("A-17").unwrap();
    let all = ledger.observations("live", &shop(), &id).await.unwrap();
    let states: Vec<_> = all.iter().map(|seen| seen.payment.state.as_str()).collect();
    assert_eq!(states, ["NEW", "ACTIVE", "ACTIVE", "NEW"]);
    assert_eq!(ledger.observations("other", &shop(), &id).await, Ok(vec![]));
}

#[tokio::test]
async fn watches_and_verdicts_are_kept_by_profile() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let watch = |id: &str, amount: Option<&str>, since| Watch {
        account: shop(),
        id: PaymentId::new(id).unwrap(),
        expected: amount.map(|amount| Expected {
            amount: Amount::typed(amount).unwrap(),
            currency: Currency::new("oPLN").unwrap(),
        }),
        since: WallTime(since),
    };
    ledger
        .watch("live", &watch("A", Some("12.50"), 1))
        .await
        .unwrap();
    ledger.watch("live", &watch("B", None, 2)).await.unwrap();
    ledger
        .watch("live", &watch("A", Some("13"), 9))
        .await
        .unwrap();
    let expected = [watch("A", Some("13"), 1), watch("B", None, 2)];
    assert_eq!(ledger.watches("live").await.unwrap(), expected);
    ledger
        .unwatch("live", &shop(), &expected[0].id)
        .await
        .unwrap();
    assert_eq!(ledger.watches("live").await.unwrap(), expected[1..]);
    assert_eq!(ledger.watches("sandbox").await, Ok(vec![]));

    let recall = async || ledger.recall_credentials("live", &shop()).await.unwrap();
    assert_eq!(recall().await, CredentialStatus::Untested);
    let why = || "9000".to_owned();
    for status in [
        CredentialStatus::Good { at: START },
        CredentialStatus::Unreachable {
            at: START,
            why: why(),
        },
        CredentialStatus::Refused {
            at: START,
            why: why(),
        },
    ] {
        ledger
            .remember_credentials("live", &shop(), &status)
            .await
            .unwrap();
        assert_eq!(recall().await, status);
    }
    let verifying = CredentialStatus::Verifying;
    ledger
        .remember_credentials("live", &shop(), &verifying)
        .await
        .unwrap();
    assert_eq!(
        recall().await,
        CredentialStatus::Refused {
            at: START,
            why: why()
        }
    );
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_with_its_companions() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(
        at.join("ledger.db"),
        b"no database at all, but long enough to be read",
    )
    .unwrap();
    std::fs::write(at.join("ledger.db-wal"), b"nor this").unwrap();
    let ledgers = [(); 3].map(|()| start(at));
    let mut set_aside = 0;
    for ledger in &ledgers {
        match ledger.status().await {
            Status::Ready => {}
            Status::SetAside { to, why } => {
                set_aside += 1;
                assert!(to.ends_with("ledger.db.damaged-20261122-025426"), "{to:?}");
                assert!(why.contains("not a database"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        assert!(record(ledger, exchange("https://x.example")).await.id.0 > 0);
    }
    assert_eq!(set_aside, 1, "the others find the fresh file");
    let there = names(at);
    assert!(
        there.contains(&"ledger.db.damaged-20261122-025426-wal".to_owned()),
        "{there:?}"
    );
}

#[tokio::test]
async fn a_file_damaged_while_open_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (one, two) = (start(at), start(at));
    let mut lane = one.lane(&key()).await.unwrap();
    let nonce = lane.next_nonce(START).await.unwrap();
    record(&two, exchange("https://x.example")).await;
    // Zeroes over all pages, beneath both.
    one.ask(|store| store.read(|conn| conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")))
        .await
        .unwrap();
    let length = std::fs::metadata(at.join("ledger.db")).unwrap().len();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(at.join("ledger.db"))
        .unwrap();
    std::io::Write::write_all(&mut &file, &vec![0xee; usize::try_from(length).unwrap()]).unwrap();
    // A cache that is still good may hide it for a while.
    for ledger in [&one, &two] {
        let shrink = |conn: &Connection| conn.execute_batch("PRAGMA shrink_memory");
        let _ = ledger.ask(move |store| store.read(shrink)).await;
        assert!(record(ledger, exchange("https://x.example")).await.id.0 > 0);
    }
    assert_eq!(
        lane.next_nonce(START).await,
        Ok(nonce + 1),
        "known from memory"
    );
    let status = [one.status().await, two.status().await];
    assert!(
        status
            .iter()
            .any(|status| matches!(status, Status::SetAside { .. })),
        "{status:?}"
    );
    let log = LogQuery {
        limit: 9,
        ..LogQuery::default()
    };
    assert_eq!(
        one.log(log.clone()).await,
        two.log(log).await,
        "both have the fresh file"
    );
}

#[tokio::test]
async fn a_file_from_a_newer_version_or_another_program_is_set_aside() {
    for (sql, kind) in [
        (
            "PRAGMA user_version = 99; PRAGMA application_id = 0x7464636b; CREATE TABLE a (b)",
            "newer",
        ),
        ("CREATE TABLE a (b)", "damaged"),
        ("PRAGMA application_id = 7", "damaged"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let ledger = start(folder.path());
        match ledger.status().await {
            Status::SetAside { to, .. } => {
                let name = to.file_name().unwrap().to_str().unwrap();
                assert!(
                    name.starts_with(&format!("ledger.db.{kind}-2026")),
                    "{name}"
                );
                let old = Connection::open(&to).unwrap();
                let tables: i64 = old
                    .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
                    .unwrap();
                assert_eq!(tables > 0, sql.contains("CREATE"), "the old file is whole");
            }
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn without_a_folder_all_works_for_this_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken");
    std::fs::write(&path, "a file").unwrap();
    let ledger = start(&path);
    let Status::Degraded { why } = ledger.status().await else {
        panic!()
    };
    assert!(why.contains("taken: "), "{why}");
    let mut lane = ledger.lane(&key()).await.unwrap();
    assert_eq!(lane.next_nonce(WallTime(5)).await, Ok(5));
    assert_eq!(lane.next_nonce(WallTime(5)).await, Ok(6));
    let id = granted(take(&ledger, 0).await);
    ledger.release_slot(id, START);
    assert_eq!(
        ledger.budget("kanga".into(), 3, MINUTE).await,
        Ok(counted(1, None))
    );
    let (first, second) = (
        record(&ledger, exchange("https://x.example/1")).await,
        record(&ledger, exchange("https://x.example/2")).await,
    );
    assert!(first.id.0 < second.id.0 && second.id.0 < 0);
    let log = ledger
        .log(LogQuery {
            limit: 5,
            bodies: true,
            ..LogQuery::default()
        })
        .await
        .unwrap();
    assert_eq!(log, [second, first]);
    let seen = observation("NEW", "1", 0);
    assert_eq!(ledger.observe(&shop(), "live", &seen).await, Ok(true));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file");
}

#[tokio::test]
async fn a_full_disk_is_told_and_got_over() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let mut lane = ledger.lane(&key()).await.unwrap();
    let nonce = lane.next_nonce(START).await.unwrap();
    granted(take(&ledger, 0).await);
    fill_disk(&ledger, true).await;
    let mut changes = ledger.status_changes();
    changes.mark_unchanged();
    let mut large = exchange("https://x.example");
    large.response_body.text = "z".repeat(200_000);
    let unkept = record(&ledger, large.clone()).await;
    assert!(unkept.id.0 < 0);
    changes.changed().await.unwrap();
    assert!(matches!(&*changes.borrow(), Status::Degraded { why } if why.contains("full")));
    // Each of these needs no new page and may work again; what counts is that none fails.
    assert_eq!(lane.next_nonce(START).await, Ok(nonce + 1));
    granted(take(&ledger, 0).await);
    granted(take(&ledger, 0).await);
    assert!(matches!(take(&ledger, 0).await, Slots::Full { .. }));
    fill_disk(&ledger, false).await;
    assert!(record(&ledger, large).await.id.0 > 0);
    assert_eq!(lane.next_nonce(START).await, Ok(nonce + 2));
    assert!(matches!(take(&ledger, 0).await, Slots::Full { .. }));
    assert_eq!(ledger.status().await, Status::Ready);
}

#[tokio::test]
async fn while_nothing_can_be_written_nonces_and_slots_go_on_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let ledger = Ledger::start(
        folder.path().to_owned(),
        clock.clone(),
        Retention::default(),
    );
    let mut lane = ledger.lane(&key()).await.unwrap();
    let nonce = lane.next_nonce(START).await.unwrap();
    let kept = granted(take(&ledger, 0).await);
    forbid_writing(&ledger, true).await;
    assert_eq!(lane.next_nonce(START).await, Ok(nonce + 1));
    assert_eq!(lane.next_nonce(START).await, Ok(nonce + 2));
    assert!(matches!(ledger.status().await, Status::Degraded { .. }));
    let mut fresh = ledger.lane(&KeyHash::of("kanga", "fresh")).await.unwrap();
    assert_eq!(fresh.next_nonce(WallTime(3)).await, Ok(3));
    let loose = granted(take(&ledger, 0).await);
    granted(take(&ledger, 0).await);
    assert_eq!(take(&ledger, 0).await, Slots::Full { next_free: None });
    ledger.release_slot(loose, clock.now().wall);
    ledger.release_slot(kept, clock.now().wall);
    let full = Slots::Full {
        next_free: Some(MINUTE),
    };
    assert_eq!(take(&ledger, 0).await, full);
    let seen = observation("NEW", "1", 0);
    let refused = ledger.observe(&shop(), "live", &seen).await;
    assert!(matches!(refused, Err(LedgerError::NotKept(_))));
    forbid_writing(&ledger, false).await;
    assert_eq!(lane.next_nonce(START).await, Ok(nonce + 3));
    assert_eq!(ledger.status().await, Status::Ready);
    assert_eq!(take(&ledger, 0).await, full, "both kinds of slot count");
    hand.advance(MINUTE);
    granted(take(&ledger, 0).await);
}

#[tokio::test]
async fn a_file_that_was_removed_is_made_again_and_nothing_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let begin = || {
        Ledger::start(
            folder.path().to_owned(),
            clock.clone(),
            Retention::default(),
        )
    };
    let (ledger, other) = (begin(), begin());
    let mut lane = ledger.lane(&key()).await.unwrap();
    let nonce = lane.next_nonce(START).await.unwrap();
    drop(lane);
    let old = granted(take(&ledger, 0).await);
    granted(take(&other, 0).await);
    std::fs::remove_file(folder.path().join("ledger.db")).unwrap();
    let new = granted(take(&ledger, 0).await);
    let full = |next_free| Slots::Full { next_free };
    assert_eq!(take(&ledger, 0).await, full(None));
    ledger.release_slot(old, clock.now().wall);
    assert_eq!(
        take(&ledger, 0).await,
        full(Some(MINUTE)),
        "not the new slot"
    );
    hand.advance(MINUTE);
    ledger.release_slot(new, clock.now().wall);
    granted(take(&ledger, 0).await);
    let mut lane = other.lane(&key()).await.unwrap();
    assert_eq!(lane.next_nonce(START).await, Ok(nonce + 1));
    assert_eq!(other.status().await, Status::Ready);
    assert!(folder.path().join("ledger.db").exists());
}

#[tokio::test]
async fn who_no_longer_waits_for_a_slot_takes_none() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let (hold, until) = mpsc::channel::<()>();
    ledger.tell(move |_| assert!(until.recv().is_err()));
    {
        let mut asking = std::pin::pin!(ledger.take_slots(terms("kanga", 3, 0), 2));
        let asked = std::future::poll_fn(|cx| std::task::Poll::Ready(asking.as_mut().poll(cx)));
        assert!(asked.await.is_pending());
    }
    drop(hold);
    assert_eq!(
        ledger.budget("kanga".into(), 3, MINUTE).await,
        Ok(counted(0, None))
    );
}

#[cfg(unix)]
#[tokio::test]
async fn folder_and_files_are_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("state").join("tilldeck");
    let ledger = start(&folder);
    let _lane = ledger.lane(&key()).await.unwrap();
    record(&ledger, exchange("https://x.example")).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("lanes")), 0o700);
    let lock = format!("{}.lock", key().as_str());
    assert_eq!(mode(&folder.join("lanes").join(lock)), 0o600);
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}
