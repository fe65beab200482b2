//! Failed jobs that the operator starts again.

use super::*;
use crate::domain::job::{AttemptOutcome, Disposition, JobResult};

#[tokio::test]
async fn a_failed_job_is_retried_by_this_process_or_another_and_on_a_fresh_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Peer::start(&[(410, "no"), (500, "no"), (410, "no"), (200, "yes")]).await;
    let mut bench = open(folder.path(), &shop.url, Some(WORKING)).await;
    let jobs = [(JobKind::Forward, shop.url.as_str())];
    let delivery = bench.receive("shop", &jobs, &inbound()).await;
    assert_eq!(bench.tried(1).await.state, JobState::GivenUp);

    let queued = bench.deck.retry(delivery.id).await.unwrap();
    assert_eq!(queued.delivery.jobs[0].attempts, 0);
    let again = bench.tried(1).await;
    let due = JobState::Due {
        at: START.plus(Duration::from_secs(1)),
    };
    assert_eq!((again.state, again.id), (due, delivery.jobs[0].id));
    bench.advance(1);
    assert_eq!(bench.tried(2).await.state, JobState::GivenUp);

    let other = open(folder.path(), &shop.url, None).await;
    let retried = other.deck.retry(delivery.id).await.unwrap();
    let done = &retried.delivery.jobs[0];
    assert_eq!((done.state, done.attempts), (JobState::Done, 1));
    assert_eq!(bench.tried(1).await.state, JobState::Done, "and shown here");
    assert_eq!(shop.asked(), 4);
}

#[tokio::test]
async fn a_retry_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Peer::start(&[(200, "yes")]).await;
    let bench = open(folder.path(), &shop.url, None).await;
    let to = shop.url.as_str();
    for (number, kind, state, why) in [
        (1, Some(JobKind::Forward), JobState::Done, "all are done"),
        (
            2,
            Some(JobKind::Relay),
            JobState::GivenUp,
            "deliver it twice",
        ),
        (3, None, JobState::Done, "it has none"),
    ] {
        let jobs: Vec<_> = kind.iter().map(|kind| (*kind, to)).collect();
        let mut new = bench.new_delivery("shop", &jobs, &inbound()).await;
        new.dedup_key = Some(DedupKey::Subject([number; 32]));
        let held_until = START.plus(LEASE);
        new.jobs
            .iter_mut()
            .for_each(|job| job.leased_until = Some(held_until));
        let saved = bench.deck.ledger.deliver(new).await.unwrap();
        if let Some(job) = saved.jobs.first() {
            let running = bench.deck.retry(saved.id).await.unwrap_err();
            let wanted = if job.kind == JobKind::Relay {
                why
            } else {
                "running"
            };
            assert!(running.message.contains(wanted), "{}", running.message);
            let result = JobResult {
                state,
                at: START,
                outcome: AttemptOutcome::without_answer("no response", Disposition::Done),
            };
            let ledger = &bench.deck.ledger;
            ledger
                .finish_attempt(job.id, held_until, result)
                .await
                .unwrap();
        }
        let refused = bench.deck.retry(saved.id).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Usage);
        assert!(refused.message.contains(why), "{}", refused.message);
    }
    let mut foreign = bench
        .new_delivery("shop", &[(JobKind::Check, "")], &inbound())
        .await;
    foreign.account_key = "another".into();
    let foreign = bench.deck.ledger.deliver(foreign).await.unwrap();
    let refused = bench.deck.retry(foreign.id).await.unwrap_err();
    assert!(
        refused.message.contains("another profile"),
        "{}",
        refused.message
    );
    let pruned = bench.deck.retry(DeliveryId(99)).await;
    assert_eq!(pruned.unwrap_err().kind, ProblemKind::NotFound);
    assert_eq!(shop.asked(), 0);
}

#[tokio::test]
async fn a_retry_delivers_no_goods_twice() {
    let folder = tempfile::tempdir().unwrap();
    let replays = Peer::start(&[(500, "no"), (500, "no"), (200, "yes"), (500, "no")]).await;
    let shop = Peer::start(&[(410, "no")]).await;
    let bench = open(folder.path(), &shop.url, None).await;
    let save = async |number, kind| {
        // As the URL of the config is saved.
        let to = format!("{}/", replays.url);
        let mut new = bench
            .new_delivery("shop", &[(kind, &*to)], &inbound())
            .await;
        new.dedup_key = Some(DedupKey::Subject([number; 32]));
        let held_until = START.plus(LEASE);
        new.jobs[0].leased_until = Some(held_until);
        let saved = bench.deck.ledger.deliver(new).await.unwrap();
        let result = JobResult {
            state: JobState::GivenUp,
            at: START,
            outcome: AttemptOutcome::hopeless("no response"),
        };
        let ledger = &bench.deck.ledger;
        let ended = ledger.finish_attempt(saved.jobs[0].id, held_until, result);
        ended.await.unwrap().id
    };
    let replay = async |id| {
        let replayed = bench.deck.replay(id, &replays.url).await.unwrap();
        let job = replayed.jobs.last().unwrap();
        assert!(job.is_replay && !replayed.jobs[0].is_replay);
        job.state
    };
    let refused = async |id| bench.deck.retry(id).await.unwrap_err().message;

    let ordered = save(1, JobKind::Relay).await;
    assert_eq!(replay(ordered).await, JobState::GivenUp);
    assert!(refused(ordered).await.contains("deliver it twice"));
    let accepted = save(2, JobKind::Forward).await;
    assert_eq!(replay(accepted).await, JobState::GivenUp);
    assert_eq!(replay(accepted).await, JobState::Done);
    let why = refused(accepted).await;
    assert!(why.contains("the shop has accepted it"), "{why}");
    assert_eq!(replays.asked(), 3);

    // A callback whose only jobs are replays.
    let mut junk = bench.new_delivery("shop", &[], &inbound()).await;
    (junk.dedup_key, junk.verdict) = (None, CallbackVerdict::Refused);
    let junk = bench.deck.ledger.deliver(junk).await.unwrap().id;
    for _ in 0..2 {
        let replayed = bench.deck.replay(junk, &shop.url).await.unwrap();
        assert_eq!(replayed.jobs.last().unwrap().state, JobState::GivenUp);
    }
    let why = refused(junk).await;
    assert!(why.contains("only its replays failed"), "{why}");
    assert_eq!(shop.asked(), 2);
}

#[tokio::test]
async fn another_process_learns_once_what_a_check_found_however_often_the_forward_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let kanga = Peer::start(&[(200, FINALIZED)]).await;
    let shop = Peer::start(&[(500, "no"), (500, "no"), (410, "no")]).await;
    let mut bench = open(folder.path(), &kanga.url, Some(WORKING)).await;
    let mut other = open(folder.path(), &kanga.url, Some(WORKING)).await;
    // Callbacks from before it follows are not reported.
    while tokio::time::timeout(Duration::from_millis(20), other.event())
        .await
        .is_err()
    {
        bench.receive("shop", &[], &inbound()).await;
    }
    let jobs = [(JobKind::Check, ""), (JobKind::Forward, shop.url.as_str())];
    bench.receive("shop", &jobs, &inbound()).await;
    let mut checked = 0;
    for (attempts, wait) in [(1, 1), (2, 5), (3, 0)] {
        let is_tried = |delivery: &Delivery| {
            delivery.jobs.len() == 2
                && delivery.jobs[0].state == JobState::Done
                && delivery.jobs[1].attempts == attempts
        };
        for seen_by in [&mut bench, &mut other] {
            loop {
                match seen_by.event().await {
                    Event::Checked(found) => checked += u32::from(!found.here),
                    Event::Delivery(delivery) if is_tried(&delivery) => break,
                    _ => {}
                }
            }
        }
        bench.advance(wait);
        other.advance(wait);
    }
    // It may follow the last attempt.
    while checked == 0 {
        let event = tokio::select! {
            event = bench.event() => event,
            event = other.event() => event,
        };
        if let Event::Checked(found) = event {
            checked += u32::from(!found.here);
        }
    }
    assert_eq!(checked, 1, "by the one that did not ask");
}
