//! Failed jobs that the operator starts again.

use super::*;
use crate::domain::job::{AttemptOutcome, Disposition, JobResult};

#[tokio::test]
async fn a_failed_job_is_retried_by_this_process_or_another_and_on_a_fresh_schedule() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Peer::start(&[(410, "no"), (500, "no"), (410, "no"), (200, "yes")]).await;
    let mut bench = open(folder.path(), &shop.url, Some(WORKING)).await;
    let jobs = [(JobKind::Forward, shop.url.as_str())];
    let delivery = bench.receive("shop", &jobs, &raw()).await;
    assert_eq!(bench.tried(1).await.state, JobState::GivenUp);

    let queued = bench.deck.retry(delivery.id).await.unwrap();
    assert_eq!(queued.delivery.jobs[0].tries, 0);
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
    assert_eq!((done.state, done.tries), (JobState::Done, 1));
    assert_eq!(bench.tried(1).await.state, JobState::Done, "and shown here");
    assert_eq!(shop.asked(), 4);
}

#[tokio::test]
async fn a_retry_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Peer::start(&[(200, "yes")]).await;
    let bench = open(folder.path(), &shop.url, None).await;
    let to = shop.url.as_str();
    for (kind, state, why) in [
        (Some(JobKind::Forward), JobState::Done, "all are done"),
        (Some(JobKind::Relay), JobState::GivenUp, "deliver it twice"),
        (None, JobState::Done, "it has none"),
    ] {
        let jobs: Vec<_> = kind.iter().map(|kind| (*kind, to)).collect();
        let mut new = bench.new_delivery("shop", &jobs, &raw()).await;
        new.identity = None;
        let held_until = START.plus(LEASE);
        new.jobs
            .iter_mut()
            .for_each(|job| job.taken_until = Some(held_until));
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
        .new_delivery("shop", &[(JobKind::Ask, "")], &raw())
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
