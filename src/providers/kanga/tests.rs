//! Kanga's client at Kanga's simulator.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{MANIFEST, auth, sandbox, settings};
use crate::domain::PaymentState::{
    Active, Canceled, Cancelling, Failed, Finalized, Finalizing, New, Processing,
};
use crate::domain::simulate::{Command, Fault, PayerAct};
use crate::domain::{
    Amount, Counts, Currency, EstimateRequest, Outcome, Payment, PaymentId, PaymentState, Problem,
    ProblemKind,
};
use crate::net::Limit;
use crate::providers::cached_secret::reread_pause;
use crate::providers::contract::bench::Bench;

fn id(id: &str) -> PaymentId {
    PaymentId::new(id).unwrap()
}

impl Bench {
    async fn check(&self, payment: &str) -> Result<Payment, Problem> {
        self.send(self.client.check_payment(&id(payment))).await
    }

    async fn create(&self) -> Result<(), Problem> {
        let created = self.send(self.client.create_payment_token()).await;
        created.map(|token| assert_eq!(token.expose().len(), 32))
    }

    fn act(&self, payment: &str, act: PayerAct) {
        let payment = id(payment);
        self.command(&Command::Payer { payment, act });
    }
}

// docs/providers/kanga.md#signature
#[tokio::test]
async fn what_the_client_signs_is_accepted_and_its_test_call_with_the_published_secret_too() {
    let bench = Bench::new(&MANIFEST).await;
    assert_eq!(bench.send(bench.client.test_signature()).await, Ok(()));
    // Letters of more than one byte: the signature covers bytes, not characters.
    for body in [
        r#"{"param1":7,"param2":"zażółć"}"#,
        "{}",
        "{ \"param1\" : 7 }",
    ] {
        let tested = bench.judged("POST", "/api/v2/test", Some(body)).await;
        assert_eq!(tested, Ok(()), "{body}");
    }
}

#[tokio::test]
async fn a_body_in_which_a_name_occurs_twice_is_not_sent() {
    let mut bench = Bench::new(&MANIFEST).await;
    for (path, body) in [
        ("/api/v2/tpg/transaction", r#"{"id":"A","id":"B"}"#),
        ("/api/tpg/price/estimate", r#"{"id":"A","id":"B"}"#),
        ("/api/v2/tpg/transaction", r#"{"a":[{"id":"A","id":"B"}]}"#),
    ] {
        let refused = bench.judged("POST", path, Some(body)).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Usage, "{refused}");
        assert!(refused.message.contains("occurs once"), "{refused}");
    }
    assert!(bench.exchanges().await.is_empty());
}

// docs/providers/kanga.md#nonce
#[tokio::test]
async fn nonces_grow_over_all_calls_of_a_key_while_the_clock_stands_still() {
    let mut bench = Bench::new(&MANIFEST).await;
    for _ in 0..3 {
        assert_eq!(bench.create().await, Ok(()));
        assert_eq!(bench.check("ORDER-1005").await.unwrap().state, Finalized);
    }
    assert_eq!(bench.exchanges().await.len(), 6, "none was refused");
    // The answer is lost, the nonce is used.
    bench.command(&Command::SetFault(Fault::LostReply));
    assert!(bench.create().await.is_err());
    bench.command(&Command::SetFault(Fault::None));
    bench.exchanges().await;
    assert_eq!(bench.create().await, Ok(()));
    assert_eq!(
        bench.exchanges().await.len(),
        1,
        "with a higher one at once"
    );
}

// docs/providers/kanga.md#nonce, docs/providers/kanga.md#failures
#[tokio::test]
async fn a_nonce_that_another_program_used_is_retried_once_and_one_from_the_future_locks_out() {
    let mut bench = Bench::new(&MANIFEST).await;
    let other = bench.second();
    assert_eq!(other.create().await, Ok(()));
    assert_eq!(bench.create().await, Ok(()), "equal, then one more");
    assert_eq!(bench.exchanges().await.len(), 2);

    other.manual_clock.advance(Duration::from_hours(1));
    assert_eq!(other.create().await, Ok(()));
    let refused = bench.create().await.unwrap_err();
    assert_eq!(refused.kind, ProblemKind::Refused);
    let told = refused.describe();
    assert!(told.contains("nonce") && told.contains("9000"), "{told}");
    let attempts = bench.exchanges().await.len();
    assert_eq!(attempts, 2, "once more, and no oftener");
    bench.manual_clock.advance(Duration::from_hours(1));
    assert_eq!(bench.create().await, Ok(()), "that time has come");
}

// docs/providers/kanga.md#failures
#[tokio::test]
async fn the_secret_is_read_again_after_a_second_rejection_not_after_a_late_nonce() {
    let bench = Bench::new(&MANIFEST).await;
    let other = bench.second();
    let reads = || bench.reads.load(Ordering::Relaxed);
    assert_eq!((bench.create().await, reads()), (Ok(()), 1));
    for clock in [&bench.manual_clock, &other.manual_clock] {
        clock.advance(reread_pause(true));
    }
    assert_eq!(other.create().await, Ok(()));
    assert_eq!((bench.create().await, reads()), (Ok(()), 1), "a late nonce");
    other.manual_clock.advance(Duration::from_hours(1));
    assert_eq!(other.create().await, Ok(()));
    assert!(bench.create().await.is_err());
    assert_eq!(reads(), 2);
}

// docs/providers/kanga.md#failures, docs/providers/kanga.md#authentication
#[tokio::test]
async fn failures_are_read_from_the_body_at_status_200_and_400() {
    for status in ["200", "400"] {
        let mut bench = Bench::new(&MANIFEST).await;
        bench.set("failure-status", status);
        assert_eq!(
            bench.verify().await,
            Ok(()),
            "9001 proves the key: {status}"
        );
        let unknown = bench.check("NOPE").await.unwrap_err();
        assert_eq!(unknown.kind, ProblemKind::NotFound, "{status}: {unknown}");
        let recorded = Outcome::Status(status.parse().unwrap());
        assert_eq!(bench.statuses().await, [recorded.clone(), recorded]);
        for key in [settings::API_KEY, settings::API_SECRET] {
            let mut wrong = Bench::with(&MANIFEST, |setup| {
                setup.keys.insert(key, "another-one-altogether".into());
            })
            .await;
            wrong.set("failure-status", status);
            assert_eq!(wrong.verify().await, Err(ProblemKind::Refused), "{key}");
            let recorded = match status {
                "200" => Outcome::Refused(200, "fail 9000".into()),
                _ => Outcome::Status(400),
            };
            assert_eq!(wrong.statuses().await, [recorded.clone(), recorded]);
        }
    }
}

// docs/providers/kanga.md#simulator
#[tokio::test]
async fn a_shop_does_not_see_the_payments_of_another() {
    let bench = Bench::with(&MANIFEST, |setup| {
        setup
            .keys
            .insert(settings::API_KEY, sandbox::OTHER_API_KEY.into());
        setup
            .keys
            .insert(settings::API_SECRET, sandbox::OTHER_API_SECRET.into());
    })
    .await;
    assert_eq!(bench.verify().await, Ok(()));
    let theirs = bench.check("ORDER-1005").await.unwrap_err();
    assert_eq!(theirs.kind, ProblemKind::NotFound);
}

// docs/providers/kanga.md#states
#[tokio::test]
async fn each_state_is_read_and_three_of_the_eight_are_final() {
    let bench = Bench::new(&MANIFEST).await;
    let mut seen: Vec<PaymentState> = Vec::new();
    let mut look = async |payment: &str| {
        let state = bench.check(payment).await.unwrap().state;
        if seen.last() != Some(&state) {
            seen.push(state);
        }
    };
    for _ in 0..70 {
        look("ORDER-1001").await;
        bench.manual_clock.advance(Duration::from_secs(1));
    }
    bench.act("ORDER-1002", PayerAct::Cancel);
    look("ORDER-1002").await;
    bench.manual_clock.advance(Duration::from_secs(3));
    look("ORDER-1002").await;
    bench.act("ORDER-1003", PayerAct::Fail);
    look("ORDER-1003").await;
    let way = [
        New, Active, Processing, Finalizing, Finalized, Cancelling, Canceled, Failed,
    ];
    assert_eq!(seen, way);
    seen.retain(PaymentState::is_final);
    assert_eq!(seen, [Finalized, Canceled, Failed]);
}

fn sum() -> EstimateRequest {
    EstimateRequest {
        token: Currency::new("EMT").unwrap(),
        quantity: Amount::typed("3000").unwrap(),
    }
}

// docs/providers/kanga.md#failures
#[tokio::test]
async fn an_estimate_with_a_wrong_key_is_sent_once_and_only_the_key_is_named() {
    let mut bench = Bench::with(&MANIFEST, |setup| {
        let another = "another-key-altogether".to_owned();
        setup.keys.insert(settings::API_KEY, another);
    })
    .await;
    let asked = bench.send(bench.client.estimate(&sum())).await.map(drop);
    let raw = bench
        .judged("POST", auth::ESTIMATE, Some(r#"{"token":"EMT"}"#))
        .await;
    for problem in [asked, raw].map(Result::unwrap_err) {
        assert_eq!(problem.kind, ProblemKind::Refused, "{problem}");
        let text = problem.describe();
        assert!(text.contains("9000") && text.contains("api_key"), "{text}");
        assert!(
            !text.contains("nonce") && !text.contains("secret"),
            "{text}"
        );
    }
    assert_eq!(bench.exchanges().await.len(), 2);
}

// docs/providers/kanga.md#limits
#[tokio::test]
async fn the_calls_to_both_hosts_share_one_limit() {
    let bench = Bench::with(&MANIFEST, |setup| {
        setup.limits.push(Limit {
            scope: Arc::from("of-this-test"),
            endpoint: "api",
            counts: Counts::All,
            requests: 2,
            period: Duration::from_mins(1),
        });
    })
    .await;
    let mut kinds = Vec::new();
    for path in ["/api/tpg/price/estimate", "/tpg/price/estimate"].repeat(2) {
        let body = Some(r#"{"token":"EMT","quantity":"3000"}"#);
        let sent = bench.judged("POST", path, body).await;
        kinds.push(sent.map_err(|problem| problem.kind).err());
    }
    let used_up = Some(ProblemKind::Budget);
    assert_eq!(kinds, [None, None, used_up, used_up]);
}

// docs/providers/kanga.md#price-estimate, docs/providers/kanga.md#money, docs/providers/kanga.md#contradictions
#[tokio::test]
async fn an_estimate_keeps_the_digits_of_each_price_and_both_urls_answer_it_unsigned() {
    let mut bench = Bench::new(&MANIFEST).await;
    let estimate = bench.send(bench.client.estimate(&sum())).await.unwrap();
    let mut prices = estimate.prices.iter();
    let price = |wanted: &str| {
        let found = prices
            .clone()
            .find(|price| price.currency.as_str() == wanted);
        found.map(|price| price.amount.as_str().to_owned())
    };
    assert_eq!(price("EMT").as_deref(), Some("3090"), "3 % more, never 1:1");
    assert_eq!(price("BTC").as_deref(), Some("0.0015"));
    assert!(prices.next().is_some());
    for path in ["/api/tpg/price/estimate", "/tpg/price/estimate"] {
        let body = Some(r#"{"token":"EMT","quantity":"3000"}"#);
        assert_eq!(bench.judged("POST", path, body).await, Ok(()), "{path}");
    }
    for exchange in bench.exchanges().await {
        let shown = format!("{exchange:?}").to_ascii_lowercase();
        assert!(
            !shown.contains("api-sig") && !shown.contains("nonce"),
            "{shown}"
        );
    }
}
