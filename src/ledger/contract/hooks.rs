//! Hooks run once.

use super::Bench;
use super::fixtures::*;
use crate::domain::{HookEvent, PaymentId};
use crate::ledger::hooks::HookRun;

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
