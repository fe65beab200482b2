//! Callbacks: saved together, each once.

use super::*;
use crate::domain::job::Disposition;

pub async fn callbacks_that_come_together_are_all_saved_as_reported(bench: Bench) {
    const COUNT: u64 = 700;
    let ledger = bench.process(&at_start());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..COUNT {
        let ledger = ledger.clone();
        tasks.spawn(async move { ledger.deliver(new(number)).await.unwrap() });
    }
    let mut reported = tasks.join_all().await;
    reported.sort_by_key(|delivery| std::cmp::Reverse(delivery.id));
    drop(ledger);
    assert_eq!(saved(&bench.process(&at_start())).await, reported);
}

pub async fn a_message_is_processed_once_whichever_process_receives_it_again(bench: Bench) {
    let processes = [bench.process(&at_start()), bench.process(&at_start())];
    let both = || NewDelivery {
        jobs: vec![job(JobKind::Check, START), job(JobKind::Forward, START)],
        ..new(1)
    };
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let ledger = processes[number % 2].clone();
        tasks.spawn(async move { ledger.deliver(both()).await.unwrap() });
    }
    let mut given = tasks.join_all().await;
    given.sort_by_key(|delivery| delivery.attempt);
    let attempts: Vec<_> = given.iter().map(|delivery| delivery.attempt).collect();
    assert_eq!(attempts, (1..=40).collect::<Vec<_>>());
    assert_eq!(given[0].verdict, CallbackVerdict::Accepted);
    assert_eq!(given[0].jobs.len(), 2);
    for repeat in &given[1..] {
        assert_eq!(
            (repeat.verdict, repeat.jobs.len()),
            (CallbackVerdict::Repeat, 0)
        );
    }
    assert_eq!(saved(&processes[0]).await.len(), 40, "each is shown");
    let other = processes[0].deliver(new(2)).await.unwrap();
    assert_eq!(
        (other.verdict, other.attempt),
        (CallbackVerdict::Accepted, 1)
    );
    let junk = processes[0].deliver(refused()).await.unwrap();
    let again = processes[1].deliver(refused()).await.unwrap();
    assert_eq!((junk.attempt, again.attempt), (1, 1));
    assert_eq!(again.verdict, CallbackVerdict::Refused);
}

pub async fn a_hint_is_a_repeat_while_its_check_waits_and_once_the_payment_is_settled(
    bench: Bench,
) {
    let ledger = bench.process(&at_start());
    let deliver = async |seconds| {
        let delivery = ledger.deliver(hint(1, after(seconds))).await.unwrap();
        (delivery.verdict, delivery.attempt)
    };
    assert_eq!(deliver(0).await, (CallbackVerdict::Accepted, 1));
    assert_eq!(
        deliver(1).await,
        (CallbackVerdict::Repeat, 2),
        "its check waits"
    );
    let first = take_due(&ledger, after(2)).await;
    assert_eq!(first.len(), 1);
    assert_eq!(
        deliver(3).await,
        (CallbackVerdict::Accepted, 3),
        "a check that runs may still find the state before"
    );
    assert_eq!(deliver(4).await, (CallbackVerdict::Repeat, 4));
    let later = JobState::Due { at: after(60) };
    let held = after(2).plus(LEASE);
    let put_off = ledger.finish_attempt(first[0], held, tried(later));
    put_off.await.unwrap();
    assert_eq!(
        deliver(5).await,
        (CallbackVerdict::Repeat, 5),
        "its check failed, and is due"
    );
    let both = take_due(&ledger, after(6)).await;
    assert_eq!(both.len(), 2, "a change ends its wait");
    let held = after(6).plus(LEASE);
    for (job, state) in both.into_iter().zip([JobState::Done, JobState::GivenUp]) {
        let settled = ledger.finish_attempt(job, held, tried(state));
        settled.await.unwrap();
    }
    assert_eq!(deliver(71).await, (CallbackVerdict::Accepted, 6));
    let third = take_due(&ledger, after(72)).await;
    let mut settles = tried(JobState::Done);
    settles.outcome.settles = true;
    let held = after(72).plus(LEASE);
    ledger
        .finish_attempt(third[0], held, settles)
        .await
        .unwrap();
    assert_eq!(
        deliver(73).await,
        (CallbackVerdict::Repeat, 7),
        "nothing can change"
    );
    // Unless the provider has said otherwise since.
    for (state, verdict) in [
        ("FINALIZED", CallbackVerdict::Repeat),
        ("FINALIZING", CallbackVerdict::Accepted),
    ] {
        let seen = observation(state, "0.01", 73);
        ledger.observe(&shop(), ("live", API), &seen).await.unwrap();
        assert_eq!(deliver(73).await.0, verdict, "{state}");
    }
    let other = ledger.deliver(hint(2, after(74))).await.unwrap();
    assert_eq!(other.verdict, CallbackVerdict::Accepted);
    // A forward that waits is no reason not to check.
    let mut forwarded = hint(3, after(75));
    forwarded.jobs = vec![job(JobKind::Forward, after(75))];
    for _ in 0..2 {
        let delivery = ledger.deliver(forwarded.clone()).await.unwrap();
        assert_eq!(delivery.verdict, CallbackVerdict::Accepted);
    }
}

pub async fn a_check_that_found_nothing_new_ends_with_that_of_a_later_callback(bench: Bench) {
    let ledger = bench.process(&at_start());
    let deliver = async |seconds| {
        let delivery = ledger.deliver(hint(1, after(seconds))).await.unwrap();
        assert_eq!(delivery.verdict, CallbackVerdict::Accepted, "{seconds}");
        delivery.id
    };
    let state = async |id| {
        let delivery = ledger.delivery(id).await.unwrap().unwrap();
        delivery.jobs[0].state
    };
    let again = JobState::Due { at: after(30) };
    let mut unchanged = tried(again);
    unchanged.outcome.next = Disposition::Unchanged;
    let begin = async |seconds| {
        let taken = take_due(&ledger, after(seconds)).await;
        (taken[0], after(seconds).plus(LEASE))
    };
    let first = deliver(0).await;
    let (running, held) = begin(0).await;
    let second = deliver(1).await;
    let ended = ledger.finish_attempt(running, held, unchanged.clone());
    ended.await.unwrap();
    assert_eq!(state(first).await, JobState::Done, "it came meanwhile");
    let (running, held) = begin(3).await;
    let ended = ledger.finish_attempt(running, held, unchanged);
    ended.await.unwrap();
    assert_eq!(state(second).await, again);
    let third = deliver(9).await;
    assert_eq!(state(second).await, JobState::Done);
    assert!(matches!(state(third).await, JobState::Due { .. }));
}

pub async fn deliveries_are_paged_and_filtered(bench: Bench) {
    let ledger = bench.process(&at_start());
    let mut saved = Vec::new();
    for number in 0..8 {
        let mut given = NewDelivery {
            received_at: after(number),
            ..new(number)
        };
        match number {
            2 => given.account = "other".into(),
            3 => given.account_key = "sandbox 1".into(),
            4 => given.subject = Some(Subject::Player(PlayerId(u64::MAX))),
            5 => given.subject = Some(payment("'; DROP TABLE deliveries; --\u{10ffff}\u{10fffe}")),
            6 => given.subject = None,
            _ => {}
        }
        let delivery = ledger.deliver(given.clone()).await.unwrap();
        assert_eq!(
            ledger.delivery(delivery.id).await.unwrap().unwrap(),
            delivery
        );
        assert_eq!(delivery.subject, given.subject);
        saved.push(delivery.id);
    }
    assert!(saved.is_sorted_by(|a, b| a < b), "{saved:?}");
    // The callbacks count from one.
    let id = |number: usize| saved[number - 1].0;
    let ids = async |query: DeliveryQuery| -> Vec<usize> {
        let number = |id| saved.iter().position(|saved| *saved == id).unwrap() + 1;
        let found = ledger.log(query).await.unwrap();
        found.iter().map(|delivery| number(delivery.id)).collect()
    };
    let about = |subject| DeliveryQuery {
        log: Callbacks {
            account_key: None,
            subject: Some(subject),
        },
        ..all()
    };
    for (query, expected) in [
        (DeliveryQuery::default(), &[][..]),
        (all(), &[8, 7, 6, 5, 4, 3, 2, 1]),
        (
            DeliveryQuery {
                before: Some(id(6)),
                limit: 3,
                ..DeliveryQuery::of("live")
            },
            &[5, 3, 2],
        ),
        (
            DeliveryQuery {
                after: Some(id(2)),
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
                search: Search::of_callbacks("account:other"),
                ..all()
            },
            &[3],
        ),
        (about(Subject::Player(PlayerId(u64::MAX))), &[5]),
        (
            about(payment("'; DROP TABLE deliveries; --\u{10ffff}\u{10fffe}")),
            &[6],
        ),
        (about(payment("A-17")), &[8, 4, 3, 2, 1]),
    ] {
        assert_eq!(ids(query.clone()).await, expected, "{query:?}");
        let count = ledger.count(query.clone()).await;
        assert_eq!(count, Ok(expected.len()), "{query:?}");
        let oldest = ledger.oldest(query.clone()).await;
        let last = expected.last().map(|number| id(*number));
        assert_eq!(oldest, Ok(last), "{query:?}");
    }
}

pub async fn deliveries_are_searched_by_words_subject_and_profile(bench: Bench) {
    let ledger = bench.process(&at_start());
    let mut saved = Vec::new();
    for given in [
        new(1),
        NewDelivery {
            why: "the signature differs".into(),
            ..refused()
        },
        NewDelivery {
            account_key: "live 7".into(),
            subject: Some(Subject::Player(PlayerId(765))),
            ..new(3)
        },
        NewDelivery {
            account_key: "lively".into(),
            account: "100%_\\x".into(),
            jobs: vec![job(JobKind::Forward, START)],
            ..new(4)
        },
    ] {
        saved.push(ledger.deliver(given).await.unwrap().id);
    }
    let ids = async |query: DeliveryQuery| -> Vec<usize> {
        let number = |id| saved.iter().position(|saved| *saved == id).unwrap() + 1;
        let found = ledger.log(query).await.unwrap();
        found.iter().map(|delivery| number(delivery.id)).collect()
    };
    for (text, expected) in [
        ("", &[4, 3, 2, 1][..]),
        ("about:A-17", &[4, 1]),
        ("about:765", &[3]),
        ("about:a-17", &[]),
        ("REJECTED differs", &[2]),
        ("refused 403", &[2]),
        ("127.0.0.1:3000", &[4]),
        ("%_\\X", &[4]),
        ("1_0", &[]),
        ("account:shop a-17", &[1]),
    ] {
        let query = DeliveryQuery {
            search: Search::of_callbacks(text),
            ..all()
        };
        assert_eq!(ids(query).await, expected, "{text}");
    }
    let of_profile = DeliveryQuery {
        profile: Some("live".into()),
        ..all()
    };
    assert_eq!(ids(of_profile).await, [3, 2, 1], "with each run");
}

pub async fn a_row_that_cannot_be_read_hides_no_other_and_its_job_ends(bench: Bench) {
    for (change, shown, is_run) in [
        (
            "deliveries SET payment = 'A\nB' WHERE id = 1",
            Some((None, 1)),
            true,
        ),
        (
            "deliveries SET payment = NULL, player = '-' WHERE id = 1",
            Some((None, 1)),
            true,
        ),
        (
            "deliveries SET verdict = 'later' WHERE id = 1",
            Some((Some(payment("A-17")), 1)),
            true,
        ),
        (
            "jobs SET tries = -1 WHERE delivery = 1",
            Some((Some(payment("A-17")), 0)),
            false,
        ),
        ("deliveries SET attempt = -1 WHERE id = 1", None, false),
    ] {
        let bench = bench.another();
        let ledger = bench.process(&at_start());
        for number in [1, 2] {
            ledger.deliver(hint(number, START)).await.unwrap();
        }
        bench.update(&format!("UPDATE {change}"));
        let read = saved(&ledger).await;
        assert_eq!(read[0].subject, Some(payment("A-17")), "{change}");
        let changed = read.get(1).map(|it| (it.subject.clone(), it.jobs.len()));
        assert_eq!(changed, shown, "{change}");
        let run = if is_run {
            &[JobId(1), JobId(2)][..]
        } else {
            &[JobId(2)]
        };
        assert_eq!(take_due(&ledger, START).await, run, "{change}");
        assert_eq!(
            take_due(&ledger, after(60)).await,
            run,
            "{change}: once more"
        );
    }
}
