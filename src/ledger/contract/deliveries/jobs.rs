//! The jobs of callbacks: leased by one process, in order, retried.

use super::unknown::{unknown, unproved};
use super::*;
use crate::domain::job::{Disposition, LEASE_MAX};
use crate::ledger::OpenJobs;

pub async fn open_jobs_are_counted_by_kind_and_owner(bench: Bench) {
    let ledger = bench.process(&at_start());
    assert_eq!(ledger.open_jobs("live".into()).await, Ok(vec![]));
    let (check, forward) = (job(JobKind::Check, START), job(JobKind::Forward, START));
    for (number, owner, jobs) in [
        (1, "live", vec![check.clone(), forward.clone()]),
        (2, "live", vec![forward.clone()]),
        (3, "sandbox 1", vec![check, forward]),
    ] {
        let delivery = NewDelivery {
            jobs,
            account_key: owner.to_owned(),
            ..new(number)
        };
        ledger.deliver(delivery).await.unwrap();
    }
    let open = |kind, count| OpenJobs {
        kind,
        count,
        oldest: new(1).received_at,
    };
    let wanted = [open(JobKind::Check, 1), open(JobKind::Forward, 2)];
    assert_eq!(ledger.open_jobs("live".into()).await.unwrap(), wanted);
    assert!(ledger.size().await.unwrap() > 0);
}

pub async fn callbacks_with_failed_jobs_are_found_behind_any_number_of_others(bench: Bench) {
    let ledger = bench.process(&at_start());
    let mut ids = Vec::new();
    for (number, account_key, state) in [
        (1, "live", JobState::GivenUp),
        (2, "live", JobState::Done),
        (3, "live", JobState::Due { at: after(900) }),
        (4, "sandbox 1", JobState::GivenUp),
        (5, "live", JobState::GivenUp),
    ] {
        let given = NewDelivery {
            account_key: account_key.into(),
            jobs: vec![job(JobKind::Forward, START)],
            ..new(number)
        };
        let saved = ledger.deliver(given).await.unwrap();
        let of = JobFilter {
            account_key: account_key.into(),
            ..queue(&JobKind::ALL)
        };
        let taken = ledger.take_jobs(of, lease(START, after(30), 1)).await;
        assert_eq!(taken.unwrap().len(), 1);
        let ended = ledger.finish_attempt(saved.jobs[0].id, after(30), tried(state));
        ended.await.unwrap();
        ids.push(saved.id);
    }
    for number in 6..30 {
        ledger.deliver(new(number)).await.unwrap();
    }
    let failed = async |account_key: &str, limit| {
        let failed = ledger.failed_deliveries(account_key.into(), limit).await;
        let failed = failed.unwrap().into_iter();
        assert!(
            failed
                .clone()
                .all(|it| it.jobs[0].state == JobState::GivenUp)
        );
        failed.map(|delivery| delivery.id).collect::<Vec<_>>()
    };
    assert_eq!(failed("live", 9).await, [ids[4], ids[0]]);
    assert_eq!(failed("live", 1).await, [ids[4]]);
    assert_eq!(failed("sandbox 1", 9).await, [ids[3]]);
}

pub async fn dropped_checks_hide_no_job_that_failed_for_good(bench: Bench) {
    let ledger = bench.process(&at_start());
    let finish = async |queue, result| {
        let taken = ledger.take_jobs(queue, lease(START, after(30), 1)).await;
        let [(_, id)] = taken.unwrap()[..] else {
            panic!("one is due");
        };
        let ended = ledger.finish_attempt(id, after(30), result).await;
        ended.unwrap()
    };
    ledger.deliver(hint(1, START)).await.unwrap();
    let failed = finish(queue(&JobKind::ALL), tried(JobState::GivenUp)).await;
    for number in 2..5 {
        let made_up = unproved(&format!("MADE-UP-{number}"), number);
        ledger.deliver(made_up).await.unwrap();
        for state in [JobState::Due { at: START }, JobState::GivenUp] {
            let mut result = tried(state);
            result.outcome.next = Disposition::NotFound;
            finish(unknown(), result).await;
        }
    }
    let dropped = saved(&ledger).await;
    assert!(dropped[..3].iter().all(|it| it.jobs[0].is_dropped()));
    let found = ledger.failed_deliveries("live".into(), 1).await;
    assert_eq!(found.unwrap(), [failed]);
}

pub async fn a_process_takes_jobs_of_its_own_targets_and_after_a_day_those_of_others(bench: Bench) {
    let ledger = bench.process(&at_start());
    let forward = |target: &str| NewJob {
        target: target.to_owned(),
        ..job(JobKind::Forward, START)
    };
    let jobs = vec![
        forward("http://127.0.0.1:3000/a"),
        forward("http://127.0.0.1:3000/ab"),
        job(JobKind::Check, START),
    ];
    let delivery = NewDelivery { jobs, ..new(1) };
    let delivery = ledger.deliver(delivery).await.unwrap();
    let [own, others, check] = [0, 1, 2].map(|at| delivery.jobs[at].id);
    let here = || JobFilter {
        targets: Some(vec!["http://127.0.0.1:3000/a".into(), "shop".into()]),
        ..queue(&JobKind::ALL)
    };
    let elsewhere = NewDelivery {
        account: "shop2".into(),
        jobs: vec![job(JobKind::Check, START)],
        ..new(2)
    };
    let elsewhere = ledger.deliver(elsewhere).await.unwrap().jobs[0].id;
    let unverified = NewDelivery {
        verdict: CallbackVerdict::Unverified,
        jobs: vec![job(JobKind::Check, START)],
        ..new(3)
    };
    let unverified = ledger.deliver(unverified).await.unwrap().jobs[0].id;
    assert_eq!(ledger.next_job_due(here()).await, Ok(Some(START)));
    for (busy, free) in [
        (vec!["http://127.0.0.1:3000/a"], vec![check]),
        (vec!["shop"], vec![own]),
        (vec!["http://127.0.0.1:3000/a", "shop"], vec![]),
    ] {
        let busy = busy.into_iter().map(str::to_owned).collect();
        let idle = JobFilter { busy, ..here() };
        let due = ledger.next_job_due(idle.clone()).await.unwrap();
        assert_eq!(due == Some(START), !free.is_empty());
        let taken = ledger.take_jobs(idle, lease(START, START, 9)).await;
        let taken = taken.unwrap().into_iter().map(|(_, id)| id);
        assert_eq!(taken.collect::<Vec<_>>(), free);
    }
    let take = async |now: WallTime| {
        let taken = ledger.take_jobs(here(), lease(now, now.plus(LEASE), 9));
        let taken = taken.await.unwrap().into_iter();
        taken.map(|(_, id)| id).collect::<Vec<_>>()
    };
    assert_eq!(take(after(1)).await, [own, check]);
    for id in [own, check] {
        let done = ledger.finish_attempt(id, after(1).plus(LEASE), tried(JobState::Done));
        done.await.unwrap();
    }
    let day = START.plus(Duration::from_hours(24));
    assert_eq!(ledger.next_job_due(here()).await, Ok(Some(day)));
    assert_eq!(take(after(60)).await, []);
    assert_eq!(take(day).await, [others, elsewhere, unverified]);
    let nowhere = JobFilter {
        targets: Some(Vec::new()),
        ..queue(&JobKind::ALL)
    };
    assert_eq!(
        ledger.take_jobs(nowhere, lease(day, day, 9)).await,
        Ok(vec![])
    );
}

pub async fn one_process_at_a_time_leases_a_job_until_it_is_done(bench: Bench) {
    let [one, two] = [bench.process(&at_start()), bench.process(&at_start())];
    assert_eq!(one.next_job_due(queue(&JobKind::ALL)).await, Ok(None));
    let with = |number, jobs| NewDelivery {
        jobs,
        ..new(number)
    };
    let leased = NewJob {
        leased_until: Some(after(8)),
        ..job(JobKind::Forward, START)
    };
    let relayed = one.deliver(with(1, vec![leased])).await.unwrap();
    let late = one.deliver(with(2, vec![job(JobKind::Check, START)]));
    let late = late.await.unwrap().jobs[0].id;
    let soon = one.deliver(with(3, vec![job(JobKind::Forward, START)]));
    let soon = soon.await.unwrap().jobs[0].id;
    let asks = one.take_jobs(queue(&[JobKind::Check]), lease(START, after(1), 9));
    let asks = asks.await.unwrap();
    assert!(asks.iter().map(|(_, id)| *id).eq([late]), "only this kind");
    let forwards = one.take_jobs(queue(&[JobKind::Forward]), lease(START, after(1), 9));
    assert_eq!(forwards.await.unwrap().len(), 1);
    for (job, due) in [(late, 5), (soon, 2)] {
        let again = tried(JobState::Due { at: after(due) });
        one.finish_attempt(job, after(1), again).await.unwrap();
    }
    let mut elsewhere = with(4, vec![job(JobKind::Check, START)]);
    elsewhere.account_key = "sandbox 1".into();
    one.deliver(elsewhere).await.unwrap();

    assert_eq!(
        two.next_job_due(queue(&JobKind::ALL)).await,
        Ok(Some(after(2)))
    );
    assert_eq!(take_due(&two, after(1)).await, []);
    let first = two.take_jobs(queue(&JobKind::ALL), lease(after(6), after(36), 1));
    let first = first.await;
    let [(delivery, id)] = &first.unwrap()[..] else {
        panic!()
    };
    assert_eq!((delivery.jobs[0].id, *id), (soon, soon), "longest due");
    assert_eq!(take_due(&one, after(6)).await, [late]);
    assert_eq!(take_due(&two, after(7)).await, [], "all are leased");
    assert_eq!(
        one.next_job_due(queue(&JobKind::ALL)).await,
        Ok(Some(after(8)))
    );
    assert_eq!(take_due(&one, after(8)).await, [relayed.jobs[0].id]);
    assert_eq!(
        take_due(&two, after(36)).await,
        [late, soon],
        "their leases have ended"
    );

    let mut failed = tried(JobState::Due { at: after(50) });
    failed.outcome = AttemptOutcome {
        summary: "HTTP 500".into(),
        status: Some(500),
        reply: Some(b"sorry".to_vec()),
        ..failed.outcome
    };
    let held = after(36).plus(LEASE);
    let mut given_back = tried(JobState::Due { at: after(51) });
    given_back.outcome.next = Disposition::Released;
    let delivery = two.finish_attempt(late, held, given_back).await.unwrap();
    assert_eq!(delivery.jobs[0].attempts, 1, "not an attempt");
    let delivery = two
        .finish_attempt(soon, held, failed.clone())
        .await
        .unwrap();
    let job = &delivery.jobs[0];
    assert_eq!(job.state, JobState::Due { at: after(50) });
    assert_eq!((job.attempts, job.status), (2, Some(500)));
    assert_eq!(job.tried_at, Some(after(1)));
    assert_eq!(job.took, Some(Duration::from_millis(40)));
    assert_eq!(take_due(&one, after(50)).await, [relayed.jobs[0].id, soon]);
    let held = after(50).plus(LEASE);
    let done = one.finish_attempt(soon, held, tried(JobState::Done));
    let delivery = done.await.unwrap();
    assert_eq!(delivery.jobs[0].state, JobState::Done);
    assert_eq!(delivery.jobs[0].attempts, 3);
    for held_until in [held, after(36)] {
        let late = two.finish_attempt(soon, held_until, failed.clone());
        assert_eq!(late.await.unwrap(), delivery, "it is done already");
    }
    assert_eq!(delivery.jobs[0].summary, "PROCESSING");
    assert_eq!(one.delivery(delivery.id).await, Ok(Some(delivery.clone())));
    let parts = SealedParts {
        request: b"sealed bytes".to_vec(),
        replies: vec![(soon, b"sorry".to_vec())],
    };
    assert_eq!(one.sealed(delivery.id).await, Ok(Some(parts)));
    let said = FirstReply {
        sealed: Some(b"sorry".to_vec()),
        awaited: false,
    };
    assert_eq!(one.first_reply(message(3)).await, Ok(said));
    assert_eq!(one.first_reply(message(2)).await, Ok(FirstReply::default()));
    drop((one, two));
    let later = take_due(&bench.process(&at_start()), after(100)).await;
    assert_eq!(later, [late, relayed.jobs[0].id], "after a restart too");
}

pub async fn any_delivery_can_be_given_a_job(bench: Bench) {
    let ledger = bench.process(&at_start());
    let junk = ledger.deliver(refused()).await.unwrap();
    let again = ledger
        .add_job(junk.id, job(JobKind::Forward, after(3)))
        .await
        .unwrap();
    assert_eq!(again.jobs.len(), 1);
    assert_eq!(take_due(&ledger, after(3)).await, [again.jobs[0].id]);
    let missing = ledger.add_job(DeliveryId(99), job(JobKind::Check, START));
    assert_eq!(missing.await, Err(LedgerError::Gone));
    let missing = ledger.finish_attempt(JobId(99), START, tried(JobState::Done));
    assert_eq!(missing.await, Err(LedgerError::Gone));
    assert_eq!(ledger.delivery(DeliveryId(99)).await, Ok(None));
    assert_eq!(ledger.sealed(DeliveryId(99)).await, Ok(None));
}

pub async fn a_failed_job_runs_again_as_new_and_any_other_stays_as_it_is(bench: Bench) {
    let [one, two] = [bench.process(&at_start()), bench.process(&at_start())];
    let with = |number, kind| NewDelivery {
        jobs: vec![job(kind, START)],
        ..new(number)
    };
    let retry = |delivery, seconds, leased_until| Retry {
        account_key: "live".into(),
        delivery,
        now: after(seconds),
        leased_until,
    };
    let mut ids = Vec::new();
    for (number, kind, state) in [
        (1, JobKind::Forward, JobState::GivenUp),
        (2, JobKind::Check, JobState::Due { at: after(900) }),
        (3, JobKind::Check, JobState::Done),
        (4, JobKind::Relay, JobState::GivenUp),
    ] {
        let saved = one.deliver(with(number, kind)).await.unwrap();
        let lease = lease(START, after(30), 1);
        let taken = one.take_jobs(queue(&JobKind::ALL), lease).await.unwrap();
        assert_eq!(taken.len(), 1);
        let running = two.retry_jobs(retry(saved.id, 29, None)).await.unwrap();
        assert_eq!(running.jobs, [], "its lease has not ended");
        let id = saved.jobs[0].id;
        one.finish_attempt(id, after(30), tried(state))
            .await
            .unwrap();
        ids.push((saved.id, id));
    }
    let [failed, waiting, done, relayed] = ids[..] else {
        unreachable!()
    };
    for (delivery, id) in [failed, waiting] {
        let retried = two.retry_jobs(retry(delivery, 40, None)).await.unwrap();
        assert_eq!(retried.jobs, [id]);
        let job = &retried.delivery.jobs[0];
        assert_eq!(
            (job.attempts, job.state),
            (0, JobState::Due { at: after(40) })
        );
        assert_eq!(job.summary, "PROCESSING", "until there is a newer result");
        assert_eq!(one.delivery(delivery).await, Ok(Some(retried.delivery)));
    }
    assert_eq!(take_due(&one, after(40)).await.len(), 2, "by any process");
    for (delivery, _) in [done, relayed] {
        let before = one.delivery(delivery).await.unwrap().unwrap();
        let same = two.retry_jobs(retry(delivery, 99, None)).await.unwrap();
        assert_eq!((same.jobs, same.delivery), (Vec::new(), before));
    }
    let held = Some(after(500));
    let leased = two.retry_jobs(retry(failed.0, 200, held)).await.unwrap();
    assert_eq!(leased.jobs, [failed.1], "the earlier lease has ended");
    assert_eq!(take_due(&one, after(499)).await, [waiting.1]);
    let elsewhere = Retry {
        account_key: "sandbox 1".into(),
        ..retry(failed.0, 900, None)
    };
    assert_eq!(two.retry_jobs(elsewhere).await, Err(LedgerError::Gone));
    let pruned = retry(DeliveryId(99), 900, None);
    assert_eq!(two.retry_jobs(pruned).await, Err(LedgerError::Gone));
}

pub async fn only_long_due_jobs_of_the_given_account_keys_are_abandoned(bench: Bench) {
    let ledger = bench.process(&at_start());
    for (number, account_key, due) in [
        (0, "sandbox 1", 1),
        (1, "sandbox 2", 9),
        (2, "live", 1),
        (3, "my sandbox ", 1),
    ] {
        let given = NewDelivery {
            account_key: account_key.into(),
            jobs: vec![job(JobKind::Check, after(due))],
            ..new(number)
        };
        ledger.deliver(given).await.unwrap();
    }
    ledger
        .end_abandoned_jobs("sandbox ", after(5))
        .await
        .unwrap();
    let deliveries = saved(&ledger).await;
    let open = deliveries
        .iter()
        .rev()
        .map(|delivery| delivery.jobs[0].state != JobState::GivenUp);
    assert!(open.eq([false, true, true, true]), "{deliveries:?}");
}

pub async fn only_answers_that_say_not_found_are_counted_until_the_job_runs_again(bench: Bench) {
    let ledger = bench.process(&at_start());
    let delivery = ledger.deliver(unproved("MADE-UP", 1)).await.unwrap().id;
    let again = Disposition::Retry { after: None };
    for (at, (next, count)) in (0..).zip([
        (again, 0),
        (Disposition::NotFound, 1),
        (again, 1),
        (Disposition::NotFound, 2),
    ]) {
        let held = after(60 + at);
        let taken = ledger.take_jobs(unknown(), lease(START, held, 1));
        let [(_, id)] = taken.await.unwrap()[..] else {
            panic!("it is due");
        };
        let state = match count {
            2 => JobState::GivenUp,
            _ => JobState::Due { at: START },
        };
        let mut result = tried(state);
        result.outcome.next = next;
        let saved = ledger.finish_attempt(id, held, result).await.unwrap();
        assert_eq!(saved.jobs[0].not_found, count);
    }
    let retry = Retry {
        delivery,
        account_key: "live".into(),
        now: START,
        leased_until: None,
    };
    let retried = ledger.retry_jobs(retry).await.unwrap().delivery;
    assert_eq!(
        (retried.jobs[0].attempts, retried.jobs[0].not_found),
        (0, 0)
    );
}

pub async fn what_is_given_back_or_blocked_uses_up_no_retries(bench: Bench) {
    let ledger = bench.process(&at_start());
    ledger.deliver(hint(1, START)).await.unwrap();
    let again = Disposition::Retry { after: None };
    for (at, (next, attempts)) in (0..).zip([
        (Disposition::Released, 0),
        (Disposition::Blocked, 1),
        (Disposition::Blocked, 1),
        (again, 2),
        (Disposition::Blocked, 2),
        (Disposition::Released, 2),
    ]) {
        let held = after(60 + at);
        let taken = ledger.take_jobs(queue(&JobKind::ALL), lease(START, held, 1));
        let [(_, id)] = taken.await.unwrap()[..] else {
            panic!("it is due");
        };
        let mut result = tried(JobState::Due { at: START });
        result.outcome.next = next;
        let saved = ledger.finish_attempt(id, held, result).await.unwrap();
        assert_eq!(saved.jobs[0].attempts, attempts, "{next:?}");
    }
}

pub async fn every_change_is_forwarded_to_the_shop_whatever_our_own_check_finds(bench: Bench) {
    let ledger = bench.process(&at_start());
    let deliver = async |seconds, target: &str| {
        let at = after(seconds);
        let mut given = hint(1, at);
        given.jobs.push(NewJob {
            target: target.into(),
            ..job(JobKind::Forward, at)
        });
        let delivery = ledger.deliver(given).await.unwrap();
        let kinds: Vec<_> = delivery.jobs.iter().map(|job| job.kind).collect();
        (delivery.verdict, kinds)
    };
    let (one, other) = ("http://127.0.0.1:3000/hook", "http://127.0.0.1:3001/hook");
    let both = vec![JobKind::Check, JobKind::Forward];
    let only = vec![JobKind::Forward];
    assert_eq!(
        deliver(0, one).await,
        (CallbackVerdict::Accepted, both.clone())
    );
    assert_eq!(
        deliver(1, one).await,
        (CallbackVerdict::Repeat, vec![]),
        "both wait"
    );
    assert_eq!(
        deliver(2, other).await,
        (CallbackVerdict::Repeat, only.clone())
    );
    let held = after(3).plus(LEASE);
    let forwards = ledger.take_jobs(queue(&[JobKind::Forward]), lease(after(3), held, 1));
    let [(_, forward)] = forwards.await.unwrap()[..] else {
        panic!()
    };
    assert_eq!(
        deliver(3, one).await,
        (CallbackVerdict::Repeat, only.clone()),
        "the shop may have answered already"
    );
    assert_eq!(deliver(4, one).await, (CallbackVerdict::Repeat, vec![]));
    let again = tried(JobState::Due { at: after(600) });
    ledger.finish_attempt(forward, held, again).await.unwrap();
    for id in take_due(&ledger, after(5)).await {
        let mut settles = tried(JobState::Done);
        settles.outcome.settles = true;
        let held = after(5).plus(LEASE);
        ledger.finish_attempt(id, held, settles).await.unwrap();
    }
    assert_eq!(
        deliver(6, one).await,
        (CallbackVerdict::Repeat, only),
        "one that failed is of the change before"
    );
}

pub async fn a_clock_that_is_set_back_puts_no_job_off(bench: Bench) {
    let ledger = bench.process(&at_start());
    let noon = after(12 * 3600);
    for number in 0..2 {
        let given = NewDelivery {
            jobs: vec![job(JobKind::Check, noon)],
            ..new(number)
        };
        ledger.deliver(given).await.unwrap();
    }
    let held = noon.plus(LEASE);
    let first = ledger.take_jobs(queue(&JobKind::ALL), lease(noon, held, 1));
    let tried_once = first.await.unwrap()[0].1;
    let at = noon.plus(Duration::from_mins(10));
    let again = JobResult {
        at: noon,
        ..tried(JobState::Due { at })
    };
    ledger
        .finish_attempt(tried_once, held, again)
        .await
        .unwrap();
    let untried = take_due(&ledger, after(12 * 3600 - 1800)).await;
    assert_eq!(untried.len(), 1, "it was never tried");
    assert_ne!(untried[0], tried_once);
    let back = after(11 * 3600);
    let taken = take_due(&ledger, back).await;
    assert!(taken.contains(&tried_once), "no wait is so long");
    // Its process was killed in the first attempt.
    let given = ledger.deliver(hint(2, noon)).await.unwrap();
    let job = given.jobs[0].id;
    let taken = take_due(&ledger, noon).await;
    assert!(taken.contains(&job), "{taken:?}");
    let soon = noon.plus(LEASE).minus(LEASE_MAX);
    assert!(!take_due(&ledger, soon).await.contains(&job));
    let back = soon.minus(LEASE);
    let retried = ledger.retry_jobs(Retry {
        account_key: "live".into(),
        delivery: given.id,
        now: back,
        leased_until: None,
    });
    assert_eq!(retried.await.unwrap().jobs, [job]);
    let taken = take_due(&ledger, noon).await;
    assert!(taken.contains(&job), "{taken:?}");
    assert!(
        take_due(&ledger, back).await.contains(&job),
        "no lease is so long"
    );
}

pub async fn a_wait_of_hours_that_a_shop_asked_for_is_no_clock_that_was_set_back(bench: Bench) {
    let ledger = bench.process(&at_start());
    let given = NewDelivery {
        jobs: vec![job(JobKind::Forward, START)],
        ..new(1)
    };
    ledger.deliver(given).await.unwrap();
    let held = START.plus(LEASE);
    let first = ledger.take_jobs(queue(&JobKind::ALL), lease(START, held, 1));
    let id = first.await.unwrap()[0].1;
    let at = after(20 * 3600);
    let again = JobResult {
        at: START,
        ..tried(JobState::Due { at })
    };
    ledger.finish_attempt(id, held, again).await.unwrap();
    for early in [1, 3600, 19 * 3600] {
        let due = take_due(&ledger, after(early)).await;
        assert!(due.is_empty(), "{early}");
    }
    assert_eq!(take_due(&ledger, at).await, [id]);
}
