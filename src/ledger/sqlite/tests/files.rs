//! The file itself: damaged, full, removed, forbidden, newer.

use super::*;
use crate::ledger::contract::deliveries::{hint, saved};

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
        assert!(
            record(&shared(ledger), exchange("https://x.example"))
                .await
                .id
                .0
                > 0
        );
    }
    assert_eq!(set_aside, 1, "the others find the fresh file");
    let there = names(at);
    assert!(
        there.contains(&"ledger.db.damaged-20261122-025426-wal".to_owned()),
        "{there:?}"
    );
}

/// Without its lock, the next program that reads the file deletes the log beside it, with what was saved since.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_second_ledger_of_this_process_takes_no_lock_from_the_first() {
    use std::os::unix::fs::MetadataExt as _;

    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let first = start(at);
    record(&shared(&first), exchange("https://x.example")).await;
    let file = std::fs::metadata(at.join("ledger.db")).unwrap().ino();
    let locks = || {
        // Several times, and without their numbers: while other locks change, the system may leave one out or list it
        // twice.
        let all = (0..10).map(|_| std::fs::read_to_string("/proc/locks").unwrap());
        let all = all.collect::<String>();
        let own = format!(" {} ", std::process::id());
        let of_file = format!(":{file} ");
        let own = all
            .lines()
            .filter(|line| line.contains(&own) && line.contains(&of_file));
        own.filter_map(|line| line.split_once(": "))
            .map(|(_, lock)| lock.to_owned())
            .collect::<std::collections::BTreeSet<_>>()
    };
    let before = locks();
    assert!(!before.is_empty());
    let second = start(at);
    record(&shared(&second), exchange("https://x.example")).await;
    assert_eq!(locks(), before);
    second.close().await;
    drop(second);
    assert_eq!(locks(), before);
}

#[tokio::test]
async fn a_file_damaged_while_open_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (one, two) = (start(at), start(at));
    let mut key_lock = one.key_lock(&key()).await.unwrap();
    let nonce = next_nonce(&mut key_lock, START).await.unwrap();
    record(&shared(&two), exchange("https://x.example")).await;
    // Zeroes over all pages, beneath both.
    one.run(|store| store.read(|conn| conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")))
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
        let _ = ledger.run(move |store| store.read(shrink)).await;
        assert!(
            record(&shared(ledger), exchange("https://x.example"))
                .await
                .id
                .0
                > 0
        );
    }
    assert_eq!(
        next_nonce(&mut key_lock, START).await,
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
        shared(&one).log(log.clone()).await,
        shared(&two).log(log).await,
        "both have the fresh file"
    );
}

#[tokio::test]
async fn a_file_from_another_program_is_left_as_it_is() {
    for sql in ["CREATE TABLE a (b)", "PRAGMA application_id = 7"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        let before = std::fs::read(&path).unwrap();
        let ledger = start(folder.path());
        let Status::Degraded { why } = ledger.status().await else {
            panic!("{sql}: {:?}", ledger.status().await)
        };
        assert!(why.contains("another program"), "{why}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{sql}");
    }
}

#[tokio::test]
#[cfg(feature = "postgres")]
async fn a_file_that_another_program_uses_is_not_brought_into_another_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    assert_eq!(ledger.status().await, Status::Ready);
    let file = folder.path().join("ledger.db");
    let refused = open_alone(&file).unwrap_err();
    assert!(refused.contains("another tilldeck"), "{refused}");
    close(ledger);
    open_alone(&file).unwrap();
}

#[tokio::test]
async fn a_program_whose_file_a_newer_one_has_migrated_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    assert_eq!(ledger.status().await, Status::Ready);
    Connection::open(folder.path().join("ledger.db"))
        .unwrap()
        .execute_batch("ALTER TABLE exchanges RENAME TO later; PRAGMA user_version = 99")
        .unwrap();
    assert!(
        record(&shared(&ledger), exchange("https://x.example"))
            .await
            .id
            .0
            < 0
    );
    let mut changes = ledger.status_changes();
    changes.mark_unchanged();
    // Most tables are as before; a write to them does not mean that all is well again.
    let required = SlotRequest {
        persistence: Persistence::Required,
        ..terms("kanga", 3, 0)
    };
    let slot = ledger.take_slot(required).await.unwrap_err();
    let log = shared(&ledger).log(LogQuery::default()).await.unwrap_err();
    let jobs = shared(&ledger).open_jobs("live".into()).await.unwrap_err();
    for error in [slot, log, jobs] {
        let words = error.to_string();
        assert!(words.contains("update tilldeck"), "{words}");
        assert!(!words.contains("disk space"), "{words}");
        assert!(!words.contains("move ledger.db"), "{words}");
    }
    assert!(!changes.has_changed().unwrap(), "up in between");
    let Status::Degraded { why } = ledger.status().await else {
        panic!("{:?}", ledger.status().await)
    };
    assert!(why.contains("written by a newer tilldeck"), "{why}");
    assert!(why.contains("update tilldeck"), "{why}");
}

#[tokio::test]
async fn a_file_from_a_newer_version_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let sql = "PRAGMA user_version = 99; PRAGMA application_id = 0x7464636b; CREATE TABLE a (b)";
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let before = std::fs::read(&path).unwrap();
    let ledger = start(folder.path());
    let Status::Degraded { why } = ledger.status().await else {
        panic!()
    };
    assert!(why.contains("written by a newer tilldeck"), "{why}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let names = std::fs::read_dir(folder.path()).unwrap();
    let aside = names.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("ledger.db.")
    });
    assert_eq!(aside.count(), 0);
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
    let mut key_lock = ledger.key_lock(&key()).await.unwrap();
    assert_eq!(next_nonce(&mut key_lock, WallTime(5)).await, Ok(5));
    assert_eq!(next_nonce(&mut key_lock, WallTime(5)).await, Ok(6));
    let id = granted(take(&ledger, 0).await);
    ledger.release_slot(id, clock().0.now());
    assert_eq!(
        ledger.budget("kanga".into(), 3, MINUTE).await,
        Ok(counted(1, None))
    );
    let (first, second) = (
        record(&shared(&ledger), exchange("https://x.example/1")).await,
        record(&shared(&ledger), exchange("https://x.example/2")).await,
    );
    assert!(first.id.0 < second.id.0 && second.id.0 < 0);
    let log = shared(&ledger)
        .log(LogQuery {
            limit: 5,
            log: Requests { bodies: true },
            ..LogQuery::default()
        })
        .await
        .unwrap();
    assert_eq!(log, [second, first]);
    let seen = observation("NEW", "1", 0);
    assert_eq!(
        shared(&ledger).observe(&shop(), ("live", API), &seen).await,
        Ok(true)
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file");
}

#[tokio::test]
async fn a_full_disk_is_reported_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let mut key_lock = ledger.key_lock(&key()).await.unwrap();
    let nonce = next_nonce(&mut key_lock, START).await.unwrap();
    granted(take(&ledger, 0).await);
    fill_disk(&ledger, true).await;
    let mut changes = ledger.status_changes();
    changes.mark_unchanged();
    let mut large = exchange("https://x.example");
    large.response_body.text = "z".repeat(200_000);
    let unkept = record(&shared(&ledger), large.clone()).await;
    assert!(unkept.id.0 < 0);
    changes.changed().await.unwrap();
    assert!(matches!(&*changes.borrow(), Status::Degraded { why } if why.contains("full")));
    // Each of these needs no new page and may work again; what counts is that none fails.
    assert_eq!(next_nonce(&mut key_lock, START).await, Ok(nonce + 1));
    granted(take(&ledger, 0).await);
    granted(take(&ledger, 0).await);
    assert!(matches!(take(&ledger, 0).await, SlotOutcome::Full { .. }));
    fill_disk(&ledger, false).await;
    assert!(record(&shared(&ledger), large).await.id.0 > 0);
    assert_eq!(next_nonce(&mut key_lock, START).await, Ok(nonce + 2));
    assert!(matches!(take(&ledger, 0).await, SlotOutcome::Full { .. }));
    assert_eq!(ledger.status().await, Status::Ready);
}

#[tokio::test]
async fn while_nothing_can_be_written_nonces_and_slots_go_on_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let ledger = start_by(folder.path(), &clock);
    let mut key_lock = ledger.key_lock(&key()).await.unwrap();
    let nonce = next_nonce(&mut key_lock, START).await.unwrap();
    let kept = granted(take(&ledger, 0).await);
    forbid_writing(&ledger, true).await;
    assert_eq!(next_nonce(&mut key_lock, START).await, Ok(nonce + 1));
    assert_eq!(next_nonce(&mut key_lock, START).await, Ok(nonce + 2));
    assert!(matches!(ledger.status().await, Status::Degraded { .. }));
    let mut fresh = ledger
        .key_lock(&KeyHash::of("kanga", "fresh"))
        .await
        .unwrap();
    assert_eq!(next_nonce(&mut fresh, WallTime(3)).await, Ok(3));
    let loose = granted(take(&ledger, 0).await);
    granted(take(&ledger, 0).await);
    assert_eq!(
        take(&ledger, 0).await,
        SlotOutcome::Full { next_free: None }
    );
    ledger.release_slot(loose, clock.now());
    ledger.release_slot(kept, clock.now());
    let full = SlotOutcome::Full {
        next_free: Some(MINUTE),
    };
    assert_eq!(take(&ledger, 0).await, full);
    let seen = observation("NEW", "1", 0);
    let refused = shared(&ledger).observe(&shop(), ("live", API), &seen).await;
    assert!(matches!(refused, Err(LedgerError::NotSaved(_))));
    forbid_writing(&ledger, false).await;
    assert_eq!(next_nonce(&mut key_lock, START).await, Ok(nonce + 3));
    assert_eq!(ledger.status().await, Status::Ready);
    assert_eq!(take(&ledger, 0).await, full, "both kinds of slot count");
    hand.advance(MINUTE);
    granted(take(&ledger, 0).await);
}

#[tokio::test]
async fn a_slot_that_was_released_while_nothing_could_be_written_is_released_later() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let ledger = start_by(folder.path(), &clock);
    let saved = granted(take(&ledger, 0).await);
    forbid_writing(&ledger, true).await;
    ledger.release_slot(saved, clock.now());
    let unsaved = granted(take(&ledger, 0).await);
    ledger.release_slot(unsaved, clock.now());
    ledger.flush().await;
    forbid_writing(&ledger, false).await;
    hand.advance(Duration::from_secs(59));
    let used = async || ledger.budget("kanga".into(), 3, MINUTE).await.unwrap().used;
    assert_eq!(used().await, 2);
    hand.advance(Duration::from_secs(1));
    assert_eq!(used().await, 0);
}

#[tokio::test]
async fn a_new_file_shares_no_memory_with_the_one_that_was_removed() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    granted(take(&ledger, 0).await);
    let number = |name| std::fs::metadata(folder.path().join(name)).unwrap().ino();
    let old = ["ledger.db-wal", "ledger.db-shm"]
        .map(|name| std::fs::File::open(folder.path().join(name)).unwrap());
    let old = old.map(|file| (file.metadata().unwrap().ino(), file));
    std::fs::remove_file(folder.path().join("ledger.db")).unwrap();
    granted(take(&ledger, 0).await);
    for (name, (before, _open)) in ["ledger.db-wal", "ledger.db-shm"].into_iter().zip(old) {
        assert_ne!(number(name), before, "{name}");
    }
}

type Harm<'a> = &'a dyn Fn(&Path);

#[tokio::test]
async fn a_file_that_another_program_harms_in_use_is_noticed_before_anything_more_is_written() {
    let cut_to = |path: &Path, length| {
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(length).unwrap();
    };
    let removed = "its write-ahead log was removed";
    let harms: [(&str, Harm<'_>); 4] = [
        ("it was cut short", &|path| cut_to(path, 100)),
        ("it was cut short", &|path| cut_to(path, 0)),
        (removed, &|path| {
            std::fs::remove_file(path.with_extension("db-wal")).unwrap();
        }),
        (removed, &|path| {
            let log = path.with_extension("db-wal");
            std::fs::rename(&log, path.with_extension("moved")).unwrap();
            std::fs::write(&log, "").unwrap();
        }),
    ];
    for (words, harm) in harms {
        let folder = tempfile::tempdir().unwrap();
        let ledger = start(folder.path());
        shared(&ledger).deliver(hint(1, START)).await.unwrap();
        let mut key_lock = ledger.key_lock(&key()).await.unwrap();
        let nonce = next_nonce(&mut key_lock, START).await.unwrap();
        harm(&folder.path().join("ledger.db"));
        let next = next_nonce(&mut key_lock, START).await.unwrap();
        assert!(next > nonce);
        drop(key_lock);
        shared(&ledger).deliver(hint(2, START)).await.unwrap();
        let Status::SetAside { why, .. } = ledger.status().await else {
            panic!("{:?}", ledger.status().await)
        };
        assert_eq!(why, words);
        close(ledger);
        let again = start(folder.path());
        let mut key_lock = again.key_lock(&key()).await.unwrap();
        assert!(next_nonce(&mut key_lock, START).await.unwrap() > next);
        let kept = saved(&shared(&again)).await;
        assert_eq!(kept.len(), 2, "{words}");
    }
}

/// SQLite does not wait for this kind of lock: what was read is out of date, and waiting would not help.
#[tokio::test]
async fn a_transaction_that_another_process_has_overtaken_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    ledger.flush().await;
    let other = Connection::open(folder.path().join("ledger.db")).unwrap();
    let insert = "INSERT INTO nonces (key, last) VALUES (hex(randomblob(8)), 1)";
    let attempts = std::cell::Cell::new(0);
    let counted = ledger.run(move |store| {
        store.write(|conn| {
            let change = conn.unchecked_transaction()?;
            let before: u32 =
                change.query_row("SELECT count(*) FROM nonces", [], |row| row.get(0))?;
            attempts.set(attempts.get() + 1);
            if attempts.get() == 1 {
                other.execute(insert, [])?;
            }
            change.execute(insert, [])?;
            change.commit().map(|()| (before, attempts.get()))
        })
    });
    assert_eq!(counted.await, Ok((1, 2)));
    assert_eq!(ledger.status().await, Status::Ready);
}

#[tokio::test]
async fn a_file_that_was_removed_is_made_again_and_nothing_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let begin = || start_by(folder.path(), &clock);
    let (ledger, other) = (begin(), begin());
    let mut key_lock = ledger.key_lock(&key()).await.unwrap();
    let nonce = next_nonce(&mut key_lock, START).await.unwrap();
    drop(key_lock);
    let old = granted(take(&ledger, 0).await);
    granted(take(&other, 0).await);
    std::fs::remove_file(folder.path().join("ledger.db")).unwrap();
    let new = granted(take(&ledger, 0).await);
    let full = |next_free| SlotOutcome::Full { next_free };
    assert_eq!(take(&ledger, 0).await, full(None));
    ledger.release_slot(old, clock.now());
    assert_eq!(
        take(&ledger, 0).await,
        full(Some(MINUTE)),
        "not the new slot"
    );
    hand.advance(MINUTE);
    ledger.release_slot(new, clock.now());
    granted(take(&ledger, 0).await);
    let mut key_lock = other.key_lock(&key()).await.unwrap();
    assert_eq!(next_nonce(&mut key_lock, START).await, Ok(nonce + 1));
    assert_eq!(other.status().await, Status::Ready);
    assert!(folder.path().join("ledger.db").exists());
}

#[tokio::test]
async fn folder_and_files_are_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("state").join("tilldeck");
    let ledger = start(&folder);
    let _key_lock = ledger.key_lock(&key()).await.unwrap();
    record(&shared(&ledger), exchange("https://x.example")).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("lanes")), 0o700);
    let lock = format!("{}.lock", key().as_str());
    assert_eq!(mode(&folder.join("lanes").join(lock)), 0o600);
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.lock"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_long_log_is_emptied_when_the_ledger_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let log = || {
        let about = std::fs::metadata(folder.path().join("ledger.db-wal"));
        about.unwrap().len()
    };
    for size in [100_000, 1_000_000, 1_000_000] {
        let fill = move |conn: &Connection| {
            conn.execute("INSERT INTO probe VALUES (zeroblob(?1))", [size])
        };
        ledger.run(move |store| store.write(fill)).await.unwrap();
    }
    assert!(log() > 2_000_000);
    ledger.close().await;
    assert_eq!(log(), 0);
    record(&shared(&ledger), exchange("https://x.example")).await;
    let short = log();
    ledger.close().await;
    assert_eq!(log(), short, "a short one costs more to empty than to read");
}

#[tokio::test]
async fn a_request_counts_as_unsaved_while_its_write_waits_for_another_programs_lock() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    ledger.flush().await;
    let other = Connection::open(folder.path().join("ledger.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    shared(&ledger).record_later(exchange("https://x.example"), Box::new(|_| {}));
    let mut status = ledger.status_changes();
    let locked = status.wait_for(|status| *status == Status::Locked).await;
    drop(locked.unwrap());
    assert!(shared(&ledger).has_unsaved());
    other.execute_batch("COMMIT").unwrap();
    ledger.flush().await;
    assert!(!shared(&ledger).has_unsaved());
    assert_eq!(count(&ledger, "exchanges").await, 1);
}

#[tokio::test]
async fn what_is_in_a_file_that_cannot_be_opened_is_unknown_and_not_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // The user of the tests may be allowed to read everything, but nothing opens a folder as a file.
    std::fs::create_dir(folder.path().join("ledger.db")).unwrap();
    let ledger = start(folder.path());
    assert!(matches!(ledger.status().await, Status::Degraded { .. }));
    let shared = shared(&ledger);
    let unopened = |error| matches!(error, LedgerError::Unopened(_));
    assert!(unopened(shared.watches("live").await.unwrap_err()));
    assert!(unopened(
        shared.unwatched(apis("live", API)).await.unwrap_err()
    ));
    let budget = ledger.budget("x".into(), 600, MINUTE).await;
    assert!(unopened(budget.unwrap_err()));

    // Where there never was a file, there is nothing.
    let nowhere = folder.path().join("a-file");
    std::fs::write(&nowhere, "").unwrap();
    let ledger = start(&nowhere.join("state"));
    assert!(matches!(ledger.status().await, Status::Degraded { .. }));
    assert_eq!(super::shared(&ledger).watches("live").await, Ok(Vec::new()));
}
