//! Leases of jobs by machines whose clocks differ.

use super::*;
use crate::domain::{JobKind, JobState};
use crate::ledger::contract::deliveries::{after, job, lease, new, queue, tried};
use crate::ledger::contract::fixtures::{START, at_start};

#[tokio::test]
#[ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL"]
async fn a_lease_is_known_by_its_holder_although_the_clocks_difference_is_measured_again() {
    let schema = TestSchema::new();
    let ledger = Ledger::connect(&schema.0, at_start(), Retention::default()).unwrap();
    let delivery = NewDelivery {
        jobs: vec![job(JobKind::Forward, START)],
        ..new(1)
    };
    ledger.deliver(delivery).await.unwrap();
    let taken = ledger.take_jobs(queue(&JobKind::ALL), lease(START, after(45), 1));
    let [(_, id)] = &taken.await.unwrap()[..] else {
        panic!("one job is due");
    };
    // A connection that is opened anew shifts instants by some milliseconds more.
    schema.batch("UPDATE jobs SET leased_until = leased_until + 3");
    let done = ledger.finish_attempt(*id, after(45), tried(JobState::Done));
    assert_eq!(done.await.unwrap().jobs[0].state, JobState::Done);
    // A process without the lease changes nothing.
    let late = ledger.finish_attempt(*id, after(45), tried(JobState::GivenUp));
    assert_eq!(late.await.unwrap().jobs[0].state, JobState::Done);
}
