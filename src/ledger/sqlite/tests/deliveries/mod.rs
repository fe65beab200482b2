//! Callbacks: written together, each once.

mod bounds;
mod jobs;
mod unknown;

use super::*;
use crate::domain::job::{AttemptOutcome, Disposition, JobResult, Lease, NewJob};
use crate::domain::{Delivery, DeliveryId, JobId, JobKind, JobState, PlayerId, Subject, Verdict};

const LEASE: Duration = Duration::from_secs(30);

fn after(seconds: u64) -> WallTime {
    START.plus(Duration::from_secs(seconds))
}

pub(super) fn lease(now: WallTime, until: WallTime, limit: usize) -> Lease {
    Lease { now, until, limit }
}

fn payment(id: &str) -> Subject {
    Subject::Payment(PaymentId::new(id).unwrap())
}

fn job(kind: JobKind, at: WallTime) -> NewJob {
    NewJob {
        kind,
        target: match kind {
            JobKind::Ask => String::new(),
            JobKind::Forward | JobKind::Relay => "http://127.0.0.1:3000/hook".into(),
        },
        at,
        taken_until: None,
    }
}

fn message(number: u64) -> DedupKey {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    DedupKey::Message(hash)
}

/// An accepted callback that nothing is to be done about.
fn new(number: u64) -> NewDelivery {
    NewDelivery {
        account_key: "live".into(),
        account: "shop".into(),
        provider: "kinguin".into(),
        received_at: START,
        from: "203.0.113.7".into(),
        method: "POST".into(),
        verdict: Verdict::Accepted,
        why: "a signature".into(),
        kind: "payment changed".into(),
        subject: Some(payment("A-17")),
        proved: true,
        identity: Some(message(number)),
        status: 200,
        bytes: 12,
        sealed: b"sealed bytes".to_vec(),
        jobs: vec![],
    }
}

fn refused() -> NewDelivery {
    NewDelivery {
        verdict: Verdict::Refused,
        identity: None,
        subject: None,
        status: 403,
        ..new(0)
    }
}

/// A hint that something about a payment changed, which is to be asked for.
fn hint(about: u64, at: WallTime) -> NewDelivery {
    let DedupKey::Message(hash) = message(about) else {
        unreachable!()
    };
    NewDelivery {
        received_at: at,
        identity: Some(DedupKey::Subject(hash)),
        jobs: vec![job(JobKind::Ask, at)],
        ..new(0)
    }
}

fn tried(state: JobState) -> JobResult {
    JobResult {
        state,
        at: after(1),
        outcome: AttemptOutcome {
            took: Some(Duration::from_millis(40)),
            ..AttemptOutcome::without_answer("PROCESSING", Disposition::Done)
        },
    }
}

fn all() -> DeliveryQuery {
    DeliveryQuery {
        limit: 100_000,
        ..DeliveryQuery::default()
    }
}

async fn kept(ledger: &Sqlite) -> Vec<Delivery> {
    ledger.deliveries(all()).await.unwrap()
}

/// What is proved, or about known payments.
fn queue(kinds: &'static [JobKind]) -> JobFilter {
    JobFilter {
        account_key: "live".into(),
        kinds,
        known: true,
        account: None,
    }
}

async fn take_due(ledger: &Sqlite, now: WallTime) -> Vec<JobId> {
    let till = now.plus(LEASE);
    let taken = ledger
        .take_jobs(queue(&JobKind::ALL), lease(now, till, 10))
        .await;
    taken.unwrap().into_iter().map(|(_, id)| id).collect()
}

/// What is done when nothing else is to be done.
async fn rest(ledger: &Sqlite) {
    ledger.send(|store| while crate::ledger::sql::deliveries::at_rest(store) {});
    ledger.flush().await;
}

/// How many transactions were committed since the log was last begun anew. A frame that ends one names the database's
/// size, the others have a zero there (<https://www.sqlite.org/fileformat2.html#wal_file_format>).
fn transactions(folder: &Path) -> usize {
    let wal = std::fs::read(folder.join("ledger.db-wal")).unwrap();
    let page = usize::try_from(u32::from_be_bytes(wal[8..12].try_into().unwrap())).unwrap();
    let frames = wal[32..].chunks(24 + page);
    frames
        .filter(|frame| frame[4..8] != [0; 4] && frame[8..16] == wal[16..24])
        .count()
}

#[tokio::test]
async fn what_comes_together_is_written_together_and_survives() {
    const COUNT: u64 = 700;
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    ledger.flush().await;
    let before = transactions(folder.path());
    // The thread is busy while they come.
    let (hold, until) = mpsc::channel::<()>();
    ledger.send(move |_| assert!(until.recv().is_err()));
    let coming: Vec<_> = (0..COUNT)
        .map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.deliver(new(number)).await.unwrap() })
        })
        .collect();
    while ledger.0.incoming.len() < usize::try_from(COUNT).unwrap() {
        tokio::task::yield_now().await;
    }
    drop(hold);
    let mut given = Vec::new();
    for one in coming {
        given.push(one.await.unwrap());
    }
    assert_eq!(transactions(folder.path()) - before, 2, "512 and the rest");
    given.sort_by_key(|delivery| std::cmp::Reverse(delivery.id));
    close(ledger);
    assert_eq!(kept(&start(folder.path())).await, given, "as it was told");
}

#[tokio::test]
async fn a_message_is_acted_upon_once_in_whatever_process_it_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let processes = [start(folder.path()), start(folder.path())];
    let both = || NewDelivery {
        jobs: vec![job(JobKind::Ask, START), job(JobKind::Forward, START)],
        ..new(1)
    };
    let mut coming = tokio::task::JoinSet::new();
    for number in 0..40 {
        let ledger = processes[number % 2].clone();
        coming.spawn(async move { ledger.deliver(both()).await.unwrap() });
    }
    let mut given = coming.join_all().await;
    given.sort_by_key(|delivery| delivery.attempt);
    let attempts: Vec<_> = given.iter().map(|delivery| delivery.attempt).collect();
    assert_eq!(attempts, (1..=40).collect::<Vec<_>>());
    assert_eq!(given[0].verdict, Verdict::Accepted);
    assert_eq!(given[0].jobs.len(), 2);
    for repeat in &given[1..] {
        assert_eq!((repeat.verdict, repeat.jobs.len()), (Verdict::Repeat, 0));
    }
    assert_eq!(kept(&processes[0]).await.len(), 40, "each is shown");
    let other = processes[0].deliver(new(2)).await.unwrap();
    assert_eq!((other.verdict, other.attempt), (Verdict::Accepted, 1));
    let junk = processes[0].deliver(refused()).await.unwrap();
    let again = processes[1].deliver(refused()).await.unwrap();
    assert_eq!((junk.attempt, again.attempt), (1, 1));
    assert_eq!(again.verdict, Verdict::Refused);
}

#[tokio::test]
async fn a_hint_is_a_repeat_while_it_is_to_be_asked_for_and_once_all_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let come = async |seconds| {
        let delivery = ledger.deliver(hint(1, after(seconds))).await.unwrap();
        (delivery.verdict, delivery.attempt)
    };
    assert_eq!(come(0).await, (Verdict::Accepted, 1));
    assert_eq!(come(1).await, (Verdict::Repeat, 2), "it waits to be asked");
    let first = take_due(&ledger, after(2)).await;
    assert_eq!(first.len(), 1);
    assert_eq!(
        come(3).await,
        (Verdict::Accepted, 3),
        "what is asked right now may be answered with what was so before"
    );
    assert_eq!(come(4).await, (Verdict::Repeat, 4));
    let later = JobState::Due { at: after(60) };
    let held = after(2).plus(LEASE);
    let put_off = ledger.finish_attempt(first[0], held, tried(later));
    put_off.await.unwrap();
    assert_eq!(come(5).await, (Verdict::Repeat, 5), "it failed, and is due");
    let both = take_due(&ledger, after(6)).await;
    assert_eq!(both.len(), 2, "whatever it was to wait, this is news");
    let held = after(6).plus(LEASE);
    for (job, state) in both.into_iter().zip([JobState::Done, JobState::GivenUp]) {
        let settled = ledger.finish_attempt(job, held, tried(state));
        settled.await.unwrap();
    }
    assert_eq!(come(71).await, (Verdict::Accepted, 6));
    let third = take_due(&ledger, after(72)).await;
    let mut settles = tried(JobState::Done);
    settles.outcome.is_final = true;
    let held = after(72).plus(LEASE);
    ledger
        .finish_attempt(third[0], held, settles)
        .await
        .unwrap();
    assert_eq!(come(73).await, (Verdict::Repeat, 7), "nothing can change");
    let other = ledger.deliver(hint(2, after(74))).await.unwrap();
    assert_eq!(other.verdict, Verdict::Accepted);
    // That it could not be handed on yet is no reason not to ask.
    let mut forwarded = hint(3, after(75));
    forwarded.jobs = vec![job(JobKind::Forward, after(75))];
    for _ in 0..2 {
        let delivery = ledger.deliver(forwarded.clone()).await.unwrap();
        assert_eq!(delivery.verdict, Verdict::Accepted);
    }
}

#[tokio::test]
async fn deliveries_are_paged_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    for number in 0..8 {
        let mut given = NewDelivery {
            received_at: after(number),
            ..new(number)
        };
        match number {
            2 => given.account = "other".into(),
            3 => given.account_key = "sandbox 1".into(),
            4 => given.subject = Some(Subject::Player(PlayerId(u64::MAX))),
            5 => given.subject = Some(payment("'; DROP TABLE deliveries; --")),
            6 => given.subject = None,
            _ => {}
        }
        let kept = ledger.deliver(given.clone()).await.unwrap();
        assert_eq!(ledger.delivery(kept.id).await.unwrap().unwrap(), kept);
        assert_eq!(kept.subject, given.subject);
    }
    let ids = async |query| -> Vec<i64> {
        let found = ledger.deliveries(query).await.unwrap();
        found.iter().map(|delivery| delivery.id.0).collect()
    };
    let about = |subject| DeliveryQuery {
        subject: Some(subject),
        ..all()
    };
    for (query, expected) in [
        (DeliveryQuery::default(), &[][..]),
        (all(), &[8, 7, 6, 5, 4, 3, 2, 1]),
        (
            DeliveryQuery {
                account_key: Some("live".into()),
                before: Some(DeliveryId(6)),
                limit: 3,
                ..all()
            },
            &[5, 3, 2],
        ),
        (
            DeliveryQuery {
                after: Some(DeliveryId(2)),
                limit: 2,
                ..all()
            },
            &[4, 3],
        ),
        (
            DeliveryQuery {
                since: Some(after(6)),
                ..all()
            },
            &[8, 7],
        ),
        (
            DeliveryQuery {
                account: Some("other".into()),
                ..all()
            },
            &[3],
        ),
        (about(Subject::Player(PlayerId(u64::MAX))), &[5]),
        (about(payment("'; DROP TABLE deliveries; --")), &[6]),
        (about(payment("A-17")), &[8, 4, 3, 2, 1]),
    ] {
        assert_eq!(ids(query.clone()).await, expected, "{query:?}");
    }
}
