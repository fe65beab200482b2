//! Nonces and their lanes.

use super::*;

#[tokio::test]
async fn a_nonce_is_never_reused_and_never_runs_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let mut key_lock = ledger.key_lock(&key()).await.unwrap();
    assert_eq!(next_nonce(&mut key_lock, WallTime(1000)).await, Ok(1000));
    assert_eq!(next_nonce(&mut key_lock, WallTime(1000)).await, Ok(1001));
    assert_eq!(
        next_nonce(&mut key_lock, WallTime(400)).await,
        Ok(1002),
        "clock set back"
    );
    assert_eq!(next_nonce(&mut key_lock, WallTime(5000)).await, Ok(5000));
    drop(key_lock);
    close(ledger);
    let ledger = start(folder.path());
    let mut key_lock = ledger.key_lock(&key()).await.unwrap();
    assert_eq!(
        next_nonce(&mut key_lock, WallTime(5000)).await,
        Ok(5001),
        "reopened"
    );
    let mut other = ledger
        .key_lock(&KeyHash::of("kanga", "other"))
        .await
        .unwrap();
    assert_eq!(
        next_nonce(&mut other, WallTime(7)).await,
        Ok(7),
        "another key"
    );
    assert_eq!(
        next_nonce(&mut other, WallTime(i64::MAX)).await,
        Ok(i64::MAX)
    );
    let end = next_nonce(&mut other, WallTime(8)).await;
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
                    let mut key_lock = ledger.key_lock(&key()).await.unwrap();
                    for _ in 0..5 {
                        let nonce = next_nonce(&mut key_lock, START).await.unwrap();
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
    let held = one.key_lock(&key()).await.unwrap();
    for ledger in [&one, &two] {
        let key = key();
        let mut waiting = std::pin::pin!(ledger.key_lock(&key));
        let soon = tokio::time::timeout(Duration::from_millis(40), &mut waiting).await;
        assert!(soon.is_err(), "held");
    }
    let free = two.key_lock(&KeyHash::of("kanga", "other")).await;
    assert!(free.is_ok(), "another key's lane");
    drop(held);
    let mut key_lock = two.key_lock(&key()).await.unwrap();
    assert!(next_nonce(&mut key_lock, START).await.is_ok());
}

#[tokio::test]
async fn a_key_whose_lock_file_cannot_be_used_is_not_used_either() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let lanes = folder.path().join("lanes");
    let file = lanes.join(format!("{}.lock", key().as_str()));
    std::fs::create_dir_all(&file).unwrap();
    let refused = ledger.key_lock(&key()).await.unwrap_err();
    let LedgerError::Unlockable { path, .. } = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(*path, file);
    assert!(refused.to_string().contains(file.to_str().unwrap()));
    std::fs::remove_dir(&file).unwrap();
    assert!(ledger.key_lock(&key()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lane_held_for_too_long_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (start(folder.path()), start(folder.path()));
    let _held = one.key_lock(&key()).await.unwrap();
    assert_eq!(
        two.key_lock(&key()).await.unwrap_err(),
        LedgerError::KeyBusy(180)
    );
}

const HOUR: Duration = Duration::from_hours(1);

fn strict(allow_ahead: bool) -> NonceRules {
    NonceRules {
        allow_ahead,
        ..NonceRules::default()
    }
}

/// A ledger with a hand-driven clock that is `off` ms from the provider's, which shows START.
async fn off_by(folder: &Path, off: i64) -> (Sqlite, KeyLock, Clock, ManualClock) {
    let (clock, hand) = clock();
    hand.set_wall(WallTime(START.0 + off));
    let ledger = Sqlite::start(folder.to_owned(), clock.clone(), Retention::default());
    let key_lock = ledger.key_lock(&key()).await.unwrap();
    (ledger, key_lock, clock, hand)
}

/// As many replies as it takes to be believed against this machine's clock.
fn shown(ledger: &Sqlite, date: WallTime, clock: &Clock) {
    for _ in 0..3 {
        ledger.note_provider_time(&key(), date, clock.now());
    }
}

#[tokio::test]
async fn nonces_follow_the_providers_time_once_the_clock_is_known_to_be_wrong() {
    for (off, wanted) in [
        (7_200_000, START.0 + 500),
        (-86_400_000, START.0 + 500),
        // Within what `Date` can tell, the clock is right.
        (2_000, START.0 + 2_000),
        (-2_000, START.0 - 2_000),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, mut key_lock, clock, hand) = off_by(folder.path(), off).await;
        shown(&ledger, START, &clock);
        let nonce = key_lock
            .next_nonce(clock.now(), strict(false))
            .await
            .unwrap();
        assert_eq!((nonce.value, nonce.ahead), (wanted, None), "{off} ms off");
        hand.set_wall(WallTime(START.0 + 40 * 86_400_000));
        hand.advance(Duration::from_secs(9));
        let nonce = key_lock
            .next_nonce(clock.now(), strict(false))
            .await
            .unwrap();
        assert_eq!(nonce.value, START.0 + 9_500, "set meanwhile");
    }
}

#[tokio::test]
async fn a_nonce_that_ran_ahead_is_followed_by_none_until_the_provider_is_there_or_someone_insists()
{
    let folder = tempfile::tempdir().unwrap();
    let (ledger, mut key_lock, clock, hand) = off_by(folder.path(), 7_200_000).await;
    let first = key_lock
        .next_nonce(clock.now(), strict(false))
        .await
        .unwrap();
    assert_eq!(first.value, START.0 + 7_200_000, "nothing is known yet");
    ledger.note_provider_time(&key(), START, clock.now());
    hand.set_wall(START);
    let refused = key_lock.next_nonce(clock.now(), strict(false)).await;
    let by = Duration::from_millis(7_199_001);
    assert_eq!(refused, Err(LedgerError::NonceAhead(by)));
    let insisted = key_lock
        .next_nonce(clock.now(), strict(true))
        .await
        .unwrap();
    assert_eq!(
        (insisted.value, insisted.ahead),
        (first.value + 1, Some(by))
    );
    hand.advance(2 * HOUR);
    let next = key_lock
        .next_nonce(clock.now(), strict(false))
        .await
        .unwrap();
    assert_eq!((next.value, next.ahead), (first.value + 2, None));
}

#[tokio::test]
async fn a_single_wrong_date_neither_moves_a_nonce_nor_stops_one() {
    for (name, wrong) in [
        ("an hour ahead", START.plus(HOUR)),
        ("an hour behind", WallTime(START.0 - 3_600_000)),
        ("in 1970", WallTime(0)),
        ("in 9999", WallTime(253_402_300_799_000)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, mut key_lock, clock, _hand) = off_by(folder.path(), 0).await;
        for known in [false, true] {
            if known {
                ledger.note_provider_time(&key(), START, clock.now());
            }
            let last = key_lock
                .next_nonce(clock.now(), strict(false))
                .await
                .unwrap();
            ledger.note_provider_time(&key(), wrong, clock.now());
            let next = key_lock
                .next_nonce(clock.now(), strict(false))
                .await
                .unwrap();
            assert_eq!((next.value, next.ahead), (last.value + 1, None), "{name}");
        }
    }
}

#[tokio::test]
async fn a_wrong_time_that_was_believed_stops_nothing_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, mut key_lock, clock, hand) = off_by(folder.path(), 0).await;
    key_lock
        .next_nonce(clock.now(), strict(false))
        .await
        .unwrap();
    shown(&ledger, WallTime(START.0 - 3_600_000), &clock);
    let refused = key_lock.next_nonce(clock.now(), strict(false)).await;
    assert!(matches!(refused, Err(LedgerError::NonceAhead(_))));
    hand.advance(11 * MINUTE);
    let tried = key_lock
        .next_nonce(clock.now(), strict(false))
        .await
        .unwrap();
    assert!(tried.ahead.is_some(), "with a warning: {tried:?}");
    ledger.note_provider_time(&key(), START.plus(11 * MINUTE), clock.now());
    let next = key_lock
        .next_nonce(clock.now(), strict(false))
        .await
        .unwrap();
    assert_eq!(next.ahead, None);
}

#[tokio::test]
async fn a_clock_that_is_set_back_shuts_nobody_out() {
    for reboot in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, mut key_lock, clock, hand) = off_by(folder.path(), 0).await;
        let first = key_lock
            .next_nonce(clock.now(), strict(false))
            .await
            .unwrap();
        ledger.note_provider_time(&key(), START, clock.now());
        hand.set_wall(WallTime(START.0 - 86_400_000));
        if reboot {
            hand.reboot();
        }
        let next = key_lock
            .next_nonce(clock.now(), strict(false))
            .await
            .unwrap();
        assert!(next.value > first.value && next.value <= START.0 + 500);
    }
}

#[tokio::test]
async fn a_clock_that_was_put_right_is_believed_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, mut key_lock, clock, hand) = off_by(folder.path(), 7_200_000).await;
    shown(&ledger, START, &clock);
    hand.set_wall(START);
    hand.advance(MINUTE);
    ledger.note_provider_time(&key(), START.plus(MINUTE), clock.now());
    let last = key_lock
        .next_nonce(clock.now(), strict(false))
        .await
        .unwrap();
    hand.advance(MINUTE);
    hand.reboot();
    let next = key_lock
        .next_nonce(clock.now(), strict(false))
        .await
        .unwrap();
    assert_eq!((next.value, next.ahead), (last.value + 60_000, None));
}

#[tokio::test]
async fn what_is_known_of_a_providers_time_outlives_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, mut key_lock, clock, _hand) = off_by(folder.path(), 7_200_000).await;
    shown(&ledger, START, &clock);
    ledger.flush().await;
    std::fs::remove_file(folder.path().join("ledger.db")).unwrap();
    let nonce = key_lock
        .next_nonce(clock.now(), strict(false))
        .await
        .unwrap();
    assert!(nonce.value < START.plus(MINUTE).0, "{nonce:?}");
    assert_eq!(nonce.ahead, None);
}

#[tokio::test]
async fn a_lock_that_only_readers_waited_for_is_over_when_they_have_read() {
    use std::cell::Cell;
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let mut status = ledger.status_changes();
    let busy = || {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        rusqlite::Error::SqliteFailure(code, None)
    };
    let reading = ledger.run(move |store| {
        let tries = Cell::new(0);
        store.read(|_| {
            tries.set(tries.get() + 1);
            if tries.get() < 45 {
                Err(busy())
            } else {
                Ok(())
            }
        })
    });
    let told = async {
        let told = status.wait_for(|status| *status == Status::Locked).await;
        drop(told.unwrap());
    };
    let (read, ()) = tokio::join!(reading, told);
    assert_eq!(read, Ok(()));
    assert_eq!(ledger.status().await, Status::Ready);
}

#[tokio::test]
async fn a_nonce_that_cannot_be_stored_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, mut key_lock, clock, _hand) = off_by(folder.path(), 0).await;
    let first = key_lock
        .next_nonce(clock.now(), strict(false))
        .await
        .unwrap();
    forbid_writing(&ledger, true).await;
    let none = key_lock.next_nonce(clock.now(), strict(false)).await;
    assert!(matches!(none, Err(LedgerError::NotSaved(_))), "{none:?}");
    let slots = Terms {
        persistence: Persistence::Required,
        ..terms("kanga", 3, 0)
    };
    let none = ledger.take_slot(slots).await;
    assert!(matches!(none, Err(LedgerError::NotSaved(_))), "{none:?}");
    forbid_writing(&ledger, false).await;
    let next = key_lock
        .next_nonce(clock.now(), strict(false))
        .await
        .unwrap();
    assert_eq!(next.value, first.value + 1);
}

#[tokio::test]
async fn a_lock_of_another_program_is_told_of_waited_for_and_got_over() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, mut key_lock, clock, _hand) = off_by(folder.path(), 0).await;
    let first = key_lock
        .next_nonce(clock.now(), strict(false))
        .await
        .unwrap();
    let other = Connection::open(folder.path().join("ledger.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut status = ledger.status_changes();
    let next = {
        let mut next = std::pin::pin!(key_lock.next_nonce(clock.now(), strict(false)));
        tokio::select! {
            early = &mut next => panic!("{early:?}"),
            told = status.wait_for(|status| *status == Status::Locked) => drop(told.unwrap()),
        }
        other.execute_batch("COMMIT").unwrap();
        next.await.unwrap()
    };
    assert_eq!(next.value, first.value + 1);
    assert_eq!(ledger.status().await, Status::Ready);
}

#[test]
fn a_key_hash_tells_providers_and_keys_apart() {
    let hash = KeyHash::of("kanga", "planted");
    assert_eq!(hash.as_str().len(), 64);
    assert!(!format!("{hash:?}").contains("planted"));
    assert_ne!(KeyHash::of("ab", "c"), KeyHash::of("a", "bc"));
}
