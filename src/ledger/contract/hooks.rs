//! Hooks run once.

use super::Bench;
use super::fixtures::*;
use crate::domain::{HookEvent, Mark, PaymentId, WallTime};
use crate::ledger::sql::hooks::{FailedHook, HookRun};

fn run(profile: &str, payment: &str, event: HookEvent) -> HookRun {
    HookRun {
        profile: profile.into(),
        account: shop(),
        payment: PaymentId::new(payment).unwrap(),
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

pub async fn a_failed_hook_of_the_profile_is_listed_with_its_reason(bench: Bench) {
    let ledger = bench.process(&at_start());
    let of = |profile, payment| run(profile, payment, HookEvent::Paid);
    for (profile, payment, at, failure) in [
        ("live", "A-1", 1, Some("too old")),
        ("live", "A-2", 2, Some("exit status: 3")),
        ("live", "A-3", 3, None),
        ("other", "A-4", 4, Some("of another profile")),
        ("live", "A-5", 5, Some(HOSTILE)),
        ("live", "A-6", 6, Some("cannot start")),
    ] {
        let claimed = ledger.claim_hook(of(profile, payment), WallTime(at));
        assert!(claimed.await.unwrap());
        if let Some(why) = failure {
            let failed = ledger.fail_hook(of(profile, payment), why.to_owned());
            failed.await.unwrap();
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
    let listed = async |most| {
        ledger
            .failed_hooks("live", WallTime(2), most)
            .await
            .unwrap()
    };
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
