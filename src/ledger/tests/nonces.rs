//! Nonces and their lanes.

use super::*;

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
