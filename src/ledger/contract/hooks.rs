//! Hooks run once.

use std::time::Duration;

use super::Bench;
use super::fixtures::*;
use crate::domain::job::DAY;
use crate::domain::{
    Amount, Currency, Expectation, Expected, ExpectedBy, HOOK_LIMIT, HookEvent, Mark, Replaced,
    WallTime,
};
use crate::ledger::Ledger;
use crate::ledger::sql::hooks::{FailedHook, HookRun};

fn run(profile: &str, payment: &str, event: HookEvent) -> HookRun {
    HookRun {
        of: of(profile, payment),
        event,
    }
}

pub async fn one_process_runs_a_hook_of_a_payment_and_only_once(bench: Bench) {
    let processes = [(); 4].map(|()| bench.process(&at_start()));
    for (profile, payment, event) in [
        ("live", "A-17", HookEvent::Paid),
        ("live", "A-17", HookEvent::Underpaid),
        ("live", "A-18", HookEvent::Paid),
        ("other", "A-17", HookEvent::Paid),
    ] {
        let claim = async |at: usize| {
            let claimed = processes[at].claim_hook(run(profile, payment, event), START);
            usize::from(claimed.await.unwrap())
        };
        let (one, two, three, four) = tokio::join!(claim(0), claim(1), claim(2), claim(3));
        assert_eq!(one + two + three + four, 1, "{profile} {payment} {event:?}");
        assert_eq!(claim(0).await, 0);
    }
}

pub async fn a_failed_or_interrupted_hook_of_the_profile_is_listed_with_its_reason(bench: Bench) {
    let ledger = bench.process(&at_start());
    let of = |profile, payment| run(profile, payment, HookEvent::Paid);
    for (profile, payment, at, failure) in [
        ("live", "A-1", 1, Some(Some("too old"))),
        ("live", "A-2", 2, Some(Some("exit status: 3"))),
        ("live", "A-3", 3, Some(None)),
        ("other", "A-4", 4, Some(Some("of another profile"))),
        ("live", "A-5", 5, Some(Some(HOSTILE))),
        ("live", "A-6", 6, Some(Some("cannot start"))),
        ("live", "A-7", 7, None),
    ] {
        let claimed = ledger.claim_hook(of(profile, payment), WallTime(at));
        assert!(claimed.await.unwrap());
        if let Some(failure) = failure {
            let ended = ledger.end_hook(of(profile, payment), failure.map(str::to_owned));
            ended.await.unwrap();
        }
    }
    let failed = |payment, at, why: &str| FailedHook {
        run: of("live", payment),
        at: WallTime(at),
        why: why.to_owned(),
    };
    let all = [
        failed("A-2", 2, "exit status: 3"),
        failed("A-5", 5, HOSTILE),
        failed("A-6", 6, "cannot start"),
    ];
    let listed_at = async |now: WallTime, most| {
        let failed = ledger.failed_hooks("live", now, most).await;
        failed.unwrap()
    };
    let listed = async |most| listed_at(WallTime(2).plus(7 * DAY), most).await;
    // One whose end is not saved may still run, until its time is over.
    let over = WallTime(7).plus(2 * HOOK_LIMIT);
    assert_eq!(listed_at(over, 1).await, all[2..]);
    let interrupted = failed("A-7", 7, "tilldeck ended while it ran");
    assert_eq!(
        listed_at(over.plus(Duration::from_millis(1)), 1).await,
        [interrupted]
    );
    let ended = ledger.end_hook(of("live", "A-7"), None);
    ended.await.unwrap();
    assert_eq!(listed(9).await, all);
    assert_eq!(listed(2).await, all[1..]);
    // Handled ones hide no others; a mark from before the failure does not count.
    for (alert, at) in [
        ("notice hook on_paid of A-2 (shop)", 1),
        ("notice hook on_paid of A-5 (shop)", 5),
        ("notice hook on_paid of A-6 (shop)", 7),
    ] {
        let mark = Mark {
            alert: alert.into(),
            at: WallTime(at),
            handled: true,
            operator: String::new(),
        };
        ledger.mark_handled("live", mark).await.unwrap();
    }
    assert_eq!(listed(1).await, all[..1]);
    // What failed has run.
    assert_eq!(ledger.claim_hook(of("live", "A-5"), START).await, Ok(false));
}

pub async fn a_profile_has_a_hook_since_the_first_program_that_had_it(bench: Bench) {
    let [one, two] = [(); 2].map(|()| bench.process(&at_start()));
    let starts = async |ledger: &Ledger, profile: &str, events: &[HookEvent], at: i64| {
        let starts = ledger.hook_starts(profile, events.to_vec(), WallTime(at));
        let mut starts = starts.await.unwrap();
        starts.sort_unstable();
        starts
    };
    let (paid, failed) = (HookEvent::Paid, HookEvent::Failed);
    let first = [(paid, WallTime(1))];
    assert_eq!(starts(&one, "live", &[paid], 1).await, first);
    assert_eq!(starts(&two, "live", &[paid], 2).await, first);
    let both = [(paid, WallTime(1)), (failed, WallTime(3))];
    assert_eq!(starts(&two, "live", &[paid, failed], 3).await, both);
    assert_eq!(starts(&one, "live", &[paid], 4).await, both);
    assert_eq!(
        starts(&one, "other", &[paid], 5).await,
        [(paid, WallTime(5))]
    );
    assert_eq!(one.failed_hooks("live", WallTime(9), 9).await, Ok(vec![]));
    // The clock was ahead when the ledger saved it; of what it has seen, the ledger still takes nothing for new.
    for (now, saved) in [(2_000_000, 2_000_000), (6, 6), (7, 6)] {
        let found = starts(&one, "ahead", &[paid], now).await;
        assert_eq!(found, [(paid, WallTime(saved))], "{now}");
    }
    one.observe(&shop(), ("seen", API), &observation("FINALIZED", "1", 5))
        .await
        .unwrap();
    let after = START.plus(Duration::from_secs(5)).0 + 1;
    for now in [i64::MAX >> 8, 7] {
        let found = starts(&one, "seen", &[paid], now).await;
        assert_eq!(found, [(paid, WallTime(now.max(after)))], "{now}");
    }
}

pub async fn payments_that_came_to_their_state_without_a_run_since_are_found(bench: Bench) {
    let ledger = bench.process(&at_start());
    let at = |second| START.plus(Duration::from_secs(second));
    for (id, state, seen, expected, ran) in [
        ("A-1", "FINALIZED", 5, Some(1), None),
        ("A-2", "FINALIZED", 1, Some(5), None),
        ("A-3", "FINALIZED", 1, Some(1), None),
        ("A-4", "FINALIZED", 5, None, None),
        ("A-9", "FINALIZED", 5, None, None),
        ("A-5", "ACTIVE", 5, Some(5), None),
        ("A-6", "FAILED", 5, Some(1), None),
        ("A-7", "FINALIZED", 5, Some(1), Some(5)),
        ("A-8", "FINALIZED", 1, Some(6), Some(5)),
    ] {
        let received = match id {
            "A-2" => "0.005",
            "A-9" => "",
            _ => "0.01",
        };
        let mut observation = observation(state, received, seen);
        observation.payment.id = of("live", id).id;
        let saved = ledger.observe(&shop(), ("live", API), &observation).await;
        saved.unwrap();
        if let Some(expected) = expected {
            let new = Expectation {
                sum: Expected {
                    amount: Amount::typed("0.01").unwrap(),
                    currency: Currency::new("BTC").unwrap(),
                },
                by: ExpectedBy::Link,
                at: at(expected),
                operator: String::new(),
            };
            let set = ledger.expect(of("live", id), new, Replaced::Never).await;
            set.unwrap().unwrap();
        }
        if let Some(ran) = ran {
            let claimed = ledger.claim_hook(run("live", id, HookEvent::Paid), at(ran));
            assert_eq!(claimed.await, Ok(true));
        }
    }
    // What another host reports of its own payment with this id hides none.
    let mut elsewhere = observation("ACTIVE", "0.01", 5);
    elsewhere.payment.id = of("live", "A-1").id;
    let account = shop();
    let saved = ledger.observe(&account, ("live", "https://test.example"), &elsewhere);
    saved.await.unwrap();
    let (paid, less, failed) = (HookEvent::Paid, HookEvent::Underpaid, HookEvent::Failed);
    for (profile, events, since, found) in [
        (
            "live",
            &[paid, less, failed][..],
            2,
            &["A-8", "A-6", "A-9", "A-2", "A-1"][..],
        ),
        ("live", &[less], 5, &["A-9", "A-2"]),
        ("live", &[failed], 5, &["A-6"]),
        ("live", &[paid], 6, &["A-8"]),
        ("live", &[paid], 7, &[]),
        ("other", &[paid, failed], 0, &[]),
    ] {
        let left = ledger.payments_without_run(profile, events.to_vec(), at(since));
        let found: Vec<_> = found.iter().map(|id| of("live", id)).collect();
        assert_eq!(left.await, Ok(found), "{profile} {events:?} {since}");
    }
    // However many run nothing.
    for number in 0..1001 {
        let mut observation = observation("FAILED", "0.01", 7);
        observation.payment.id = of("many", &format!("B-{number}")).id;
        let saved = ledger.observe(&shop(), ("many", API), &observation).await;
        saved.unwrap();
    }
    let left = ledger.payments_without_run("many", vec![failed], at(7));
    assert_eq!(left.await.unwrap().len(), 1001);
}
