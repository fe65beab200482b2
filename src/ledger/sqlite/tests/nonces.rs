//! Nonces over reboots, wall clocks that are set, and files that cannot be locked or written.

use super::*;

#[tokio::test]
async fn a_key_whose_lock_file_cannot_be_used_is_not_used_either() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let locks = folder.path().join("lanes");
    let file = locks.join(format!("{}.lock", key().as_str()));
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

/// A ledger with a hand-driven clock that is `off` ms from the provider's, which shows START.
async fn off_by(folder: &Path, off: i64) -> (Sqlite, KeyLock, Clock, ManualClock) {
    let (clock, hand) = clock();
    hand.set_wall(WallTime(START.0 + off));
    let ledger = Sqlite::start(folder.to_owned(), clock.clone(), Retention::default());
    let key_lock = ledger.key_lock(&key()).await.unwrap();
    (ledger, key_lock, clock, hand)
}

/// As many responses as it takes to be trusted against this machine's clock.
fn shown(ledger: &Sqlite, date: WallTime, clock: &Clock) {
    for _ in 0..3 {
        ledger.note_provider_time(&key(), date, clock.now());
    }
}

#[tokio::test]
async fn a_clock_that_is_set_moves_no_nonce_once_the_providers_time_is_known() {
    for off in [7_200_000, -86_400_000, 2_000, -2_000] {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, mut key_lock, clock, hand) = off_by(folder.path(), off).await;
        shown(&ledger, START, &clock);
        hand.set_wall(WallTime(START.0 + 40 * 86_400_000));
        hand.advance(Duration::from_secs(9));
        let nonce = key_lock
            .next_nonce(clock.now(), NonceRules::default())
            .await
            .unwrap();
        assert_eq!(nonce.value, START.0 + 9_500, "{off} ms off");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_stops_no_nonce() {
    for reboot in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (ledger, mut key_lock, clock, hand) = off_by(folder.path(), 0).await;
        let first = key_lock
            .next_nonce(clock.now(), NonceRules::default())
            .await
            .unwrap();
        ledger.note_provider_time(&key(), START, clock.now());
        hand.set_wall(WallTime(START.0 - 86_400_000));
        if reboot {
            hand.reboot();
        }
        let next = key_lock
            .next_nonce(clock.now(), NonceRules::default())
            .await
            .unwrap();
        assert!(next.value > first.value && next.value <= START.0 + 500);
    }
}

#[tokio::test]
async fn a_clock_that_was_put_right_is_trusted_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, mut key_lock, clock, hand) = off_by(folder.path(), 7_200_000).await;
    shown(&ledger, START, &clock);
    hand.set_wall(START);
    hand.advance(MINUTE);
    ledger.note_provider_time(&key(), START.plus(MINUTE), clock.now());
    let last = key_lock
        .next_nonce(clock.now(), NonceRules::default())
        .await
        .unwrap();
    hand.advance(MINUTE);
    hand.reboot();
    let next = key_lock
        .next_nonce(clock.now(), NonceRules::default())
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
        .next_nonce(clock.now(), NonceRules::default())
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
        let attempts = Cell::new(0);
        store.read(|_| {
            attempts.set(attempts.get() + 1);
            if attempts.get() < 45 {
                Err(busy())
            } else {
                Ok(())
            }
        })
    });
    let locked = async {
        let locked = status.wait_for(|status| *status == Status::Locked).await;
        drop(locked.unwrap());
    };
    let (read, ()) = tokio::join!(reading, locked);
    assert_eq!(read, Ok(()));
    assert_eq!(ledger.status().await, Status::Ready);
}

#[tokio::test]
async fn a_nonce_that_cannot_be_stored_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, mut key_lock, clock, _hand) = off_by(folder.path(), 0).await;
    let first = key_lock
        .next_nonce(clock.now(), NonceRules::default())
        .await
        .unwrap();
    forbid_writing(&ledger, true).await;
    let none = key_lock
        .next_nonce(clock.now(), NonceRules::default())
        .await;
    assert!(matches!(none, Err(LedgerError::NotSaved(_))), "{none:?}");
    let slots = SlotRequest {
        persistence: Persistence::Required,
        ..terms("kanga", 3, 0)
    };
    let none = ledger.take_slot(slots).await;
    assert!(matches!(none, Err(LedgerError::NotSaved(_))), "{none:?}");
    forbid_writing(&ledger, false).await;
    let next = key_lock
        .next_nonce(clock.now(), NonceRules::default())
        .await
        .unwrap();
    assert_eq!(next.value, first.value + 1);
}

#[tokio::test]
async fn a_lock_of_another_program_is_reported_and_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, mut key_lock, clock, _hand) = off_by(folder.path(), 0).await;
    let first = key_lock
        .next_nonce(clock.now(), NonceRules::default())
        .await
        .unwrap();
    let other = Connection::open(folder.path().join("ledger.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut status = ledger.status_changes();
    let next = {
        let mut next = std::pin::pin!(key_lock.next_nonce(clock.now(), NonceRules::default()));
        tokio::select! {
            early = &mut next => panic!("{early:?}"),
            locked = status.wait_for(|status| *status == Status::Locked) => drop(locked.unwrap()),
        }
        other.execute_batch("COMMIT").unwrap();
        next.await.unwrap()
    };
    assert_eq!(next.value, first.value + 1);
    assert_eq!(ledger.status().await, Status::Ready);
}
