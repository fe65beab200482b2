//! What waits at the same moment is written in few transactions.

use super::*;

type Taking = std::pin::Pin<Box<dyn Future<Output = Result<SlotOutcome, LedgerError>> + Send>>;

/// A caller that waits for the thread.
async fn caller(ledger: &Sqlite, terms: SlotRequest) -> Taking {
    let ledger = ledger.clone();
    let mut taking: Taking = Box::pin(async move { ledger.take_slot(terms).await });
    let asked = std::future::poll_fn(|cx| std::task::Poll::Ready(taking.as_mut().poll(cx)));
    assert!(asked.await.is_pending());
    taking
}

const FULL: Result<SlotOutcome, LedgerError> = Ok(SlotOutcome::Full { next_free: None });

fn strict(limit: u32) -> SlotRequest {
    SlotRequest {
        persistence: Persistence::Required,
        ..terms("s", limit, 0)
    }
}

#[tokio::test]
async fn callers_and_releases_that_wait_share_one_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let first = granted(ledger.take_slot(strict(4)).await.unwrap());
    let before = transactions(folder.path());
    let hold = busy(&ledger).await;
    let mut callers = Vec::new();
    for _ in 0..3 {
        callers.push(caller(&ledger, strict(4)).await);
    }
    ledger.release_slot(first, clock().0.now());
    drop(hold);
    for caller in callers {
        granted(caller.await.unwrap());
    }
    assert_eq!(transactions(folder.path()), before + 1);
    ledger.flush().await;
    let counted_now = ledger.budget("s".into(), 4, MINUTE).await;
    assert_eq!(counted_now, Ok(counted(4, Some(MINUTE))));
    assert_eq!(transactions(folder.path()), before + 1);
}

#[tokio::test]
async fn a_caller_that_is_gone_leaves_its_slot_to_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let hold = busy(&ledger).await;
    let gone = caller(&ledger, strict(2)).await;
    let callers = [
        caller(&ledger, strict(2)).await,
        caller(&ledger, strict(2)).await,
    ];
    drop((gone, hold));
    for caller in callers {
        granted(caller.await.unwrap());
    }
    assert_eq!(ledger.take_slot(strict(2)).await, FULL);
}

#[tokio::test]
async fn each_caller_of_a_batch_is_answered_by_its_own_limit_in_the_order_of_asking() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let hold = busy(&ledger).await;
    // The last one has a longer period, which does not change what others count.
    let longer = SlotRequest {
        period: MINUTE * 2,
        ..terms("b", 2, 0)
    };
    let all = [
        (terms("a", 2, 0), true),
        (terms("b", 2, 1), true),
        (terms("a", 2, 1), false),
        (terms("a", 2, 0), true),
        (terms("b", 2, 1), false),
        (terms("a", 2, 0), false),
        (longer, true),
    ];
    let mut callers = Vec::new();
    for (terms, has_room) in all {
        callers.push((caller(&ledger, terms).await, has_room));
    }
    drop(hold);
    let mut slots = Vec::new();
    for (caller, has_room) in callers {
        if has_room {
            slots.push(granted(caller.await.unwrap()).id);
        } else {
            assert_eq!(caller.await, FULL);
        }
    }
    slots.dedup();
    assert_eq!(slots.len(), 4, "{slots:?}");
}

#[tokio::test]
async fn what_comes_between_two_callers_counts_for_the_second_alone() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let hold = busy(&ledger).await;
    let first = caller(&ledger, strict(2)).await;
    ledger.hold_slots("s".into(), clock().0.now(), MINUTE);
    let second = caller(&ledger, strict(2)).await;
    drop(hold);
    granted(first.await.unwrap());
    assert_eq!(second.await, Ok(SlotOutcome::Held(MINUTE)));
}

#[tokio::test]
async fn a_write_that_fails_gives_no_caller_of_the_batch_a_slot_that_others_must_see() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    forbid_writing(&ledger, true).await;
    let hold = busy(&ledger).await;
    let mut callers = Vec::new();
    for _ in 0..2 {
        callers.push(caller(&ledger, strict(2)).await);
        callers.push(caller(&ledger, terms("s", 1, 0)).await);
    }
    drop(hold);
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await);
    }
    let [one, in_memory, two, none] = answers.try_into().unwrap();
    for failed in [one, two] {
        assert!(
            matches!(failed, Err(LedgerError::NotSaved(_))),
            "{failed:?}"
        );
    }
    granted(in_memory.unwrap());
    assert_eq!(none, FULL, "counted in memory");
}

#[tokio::test]
async fn many_callers_and_requests_are_written_in_parts_so_that_others_wait_for_one_part_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    ledger.flush().await;
    let before = transactions(folder.path());
    let hold = busy(&ledger).await;
    let mut callers = Vec::new();
    for _ in 0..100 {
        callers.push(caller(&ledger, strict(100)).await);
    }
    drop(hold);
    for caller in callers {
        granted(caller.await.unwrap());
    }
    assert_eq!(transactions(folder.path()) - before, 2, "64 and the rest");
    let hold = busy(&ledger).await;
    for _ in 0..100 {
        shared(&ledger).record_later(exchange("https://x.example"), Box::new(|_| {}));
    }
    let other = caller(&ledger, terms("other", 1, 0)).await;
    let saved = count(&ledger, "exchanges");
    drop(hold);
    granted(other.await.unwrap());
    assert_eq!(saved.await, 64, "when the slot is taken");
    ledger.flush().await;
    assert_eq!(transactions(folder.path()) - before, 5, "64 and the rest");
    assert_eq!(count(&ledger, "exchanges").await, 100);
}
