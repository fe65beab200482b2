//! Signed purchases and what becomes of them at Pledg's simulator (`docs/providers/pledg.md#signed-purchases`).

use super::*;
use crate::domain::PaymentId;
use crate::domain::simulate::PayerAct;
use crate::providers::pledg::sandbox::purchase::{CREATED, seeds};

const UNSIGNED_MERCHANT: &str = "mer_00000000-0000-4000-8000-000000000003";

// docs/providers/pledg.md#signed-purchases
#[tokio::test]
async fn signed_data_makes_a_purchase() {
    let bench = bench().await;
    let made = bench.buy(&order("R-1", MERCHANT)).await;
    assert_eq!(made.status, 200, "{made:?}");
    let uid = made.json()["purchase_uid"].as_str().unwrap().to_owned();
    assert_eq!((uid.len(), &uid[..4]), (40, "pur_"));
    assert_eq!(bench.purchase("R-1").await["state"], "CREATED");
    assert_eq!(bench.purchase("R-1").await["uid"], uid);

    let by_transfer = signed(&order("R-2", MERCHANT), MERCHANT_SECRET);
    let target = format!("/api/payment_by_transfer?signature={by_transfer}");
    assert_eq!(bench.post(&target, "", "").await.status, 200);
    let mut company = order("R-3", MERCHANT);
    let data = company["data"].as_object_mut().unwrap();
    data.remove("merchantUid");
    data.insert("companyUid".into(), BACKENDS[0].company.into());
    assert_eq!(bench.buy(&company).await.status, 200);

    // A merchant without a secret signs nothing.
    let body = order("R-4", UNSIGNED_MERCHANT).to_string();
    assert_eq!(
        bench.post("/api/purchase_link/", "", &body).await.status,
        200
    );
}

// docs/providers/pledg.md#signed-purchases
#[tokio::test]
async fn any_other_signature_is_refused() {
    let bench = bench().await;
    let valid = signed(&order("R-1", MERCHANT), MERCHANT_SECRET);
    let parts: Vec<&str> = valid.split('.').collect();
    let headed = |alg: &str| {
        let header = json!({ "typ": "JWT", "alg": alg }).to_string();
        URL_SAFE_NO_PAD.encode(header)
    };
    let other_bytes = URL_SAFE_NO_PAD.encode(order("R-9", MERCHANT).to_string());
    let mut expired = order("R-1", MERCHANT);
    expired["exp"] = 1_795_316_006.into();
    for (bad, word) in [
        (format!("{}.{}.", headed("none"), parts[1]), "HS256"),
        (
            format!("{}.{}.{}", headed("RS256"), parts[1], parts[2]),
            "HS256",
        ),
        (
            format!("{}.{other_bytes}.{}", parts[0], parts[2]),
            "signature",
        ),
        (format!("{valid}."), "three parts"),
        (String::new(), "three parts"),
        (
            signed(&order("R-1", MERCHANT), "another secret"),
            "signature",
        ),
        (
            signed(&order("R-1", UNSIGNED_MERCHANT), MERCHANT_SECRET),
            "signature",
        ),
        (signed(&expired, MERCHANT_SECRET), "expired"),
    ] {
        let seen = bench.link(&bad).await;
        assert_eq!(
            (seen.status, error_type(&seen)),
            (400, "error_token".into()),
            "{bad}"
        );
        assert!(debug(&seen).contains(word), "{word}: {seen:?}");
        assert!(!seen.body.contains(MERCHANT_SECRET) && !seen.body.contains(&parts[1][..20]));
    }
    expired["exp"] = 1_795_316_007.into();
    assert_eq!(
        bench.buy(&expired).await.status,
        200,
        "a second of the leeway is left"
    );
}

// docs/providers/pledg.md#signed-purchases
#[tokio::test]
async fn missing_wrong_or_unsigned_data_is_refused() {
    let bench = bench().await;
    let changed = |name: &str, value: Value| {
        let mut order = order("R-1", MERCHANT);
        order["data"][name] = value;
        order
    };
    for (bad, word) in [
        (json!({ "merchantUid": MERCHANT }), "data"),
        (changed("amountCents", 0.into()), "amountCents"),
        (changed("amountCents", "2000".into()), "amountCents"),
        (changed("email", "nobody".into()), "email"),
        (changed("reference", " ".into()), "reference"),
        (changed("title", Value::Null), "title"),
        (
            changed("companyUid", BACKENDS[0].company.into()),
            "companyUid",
        ),
    ] {
        let seen = bench.buy(&bad).await;
        let result = (seen.status, error_type(&seen));
        assert_eq!(result, (400, "invalid_request_error".into()), "{bad}");
        assert!(debug(&seen).contains(word), "{word}: {seen:?}");
    }
    let unknown = bench.buy(&order("R-1", "mer_unknown")).await;
    let result = (unknown.status, error_type(&unknown));
    assert_eq!(result, (404, "invalid_merchant_uid".into()));

    let body = order("R-1", MERCHANT).to_string();
    let unsigned = bench.post("/api/purchase_link/", "", &body).await;
    assert_eq!(unsigned.status, 400);
    assert!(debug(&unsigned).contains("must be signed"));
    let got = bench.send("GET", "/api/purchase_link/", "", "").await;
    assert_eq!(got.status, 405);
}

// docs/providers/pledg.md#signed-purchases
#[tokio::test]
async fn only_a_completed_purchase_uses_up_its_reference() {
    let bench = bench().await;
    for outcome in ["refuse", "abandon"] {
        assert_eq!(bench.buy(&order("R-1", MERCHANT)).await.status, 200);
        bench.event(outcome, "R-1").unwrap();
    }
    assert_eq!(bench.buy(&order("R-1", MERCHANT)).await.status, 200);
    bench.event("pay", "R-1").unwrap();
    let again = bench.buy(&order("R-1", MERCHANT)).await;
    assert_eq!(again.status, 400);
    assert!(debug(&again).contains("R-1"), "{again:?}");
    let elsewhere = order("R-1", "mer_00000000-0000-4000-8000-000000000002");
    assert_eq!(
        bench.buy(&elsewhere).await.status,
        200,
        "another merchant's references"
    );
}

#[tokio::test]
async fn a_later_run_gives_no_purchase_the_uid_of_an_earlier_one() {
    let uid = |seconds| async move {
        let bench = bench().await;
        bench.pass(seconds);
        bench.buy(&order("R-1", MERCHANT)).await.json()["purchase_uid"].clone()
    };
    assert_ne!(uid(0).await, uid(60).await);
}

// docs/providers/pledg.md#simulator
#[tokio::test]
async fn the_page_of_a_purchase_acts_on_that_purchase_and_offers_a_refused_one_again() {
    let bench = bench().await;
    let target = format!(
        "/purchase?signature={}",
        signed(&order("R-1", MERCHANT), MERCHANT_SECRET)
    );
    let opened = || async {
        bench.send("GET", &target, "", "").await;
        let uid = bench.purchase("R-1").await["uid"].clone();
        uid.as_str().unwrap().to_owned()
    };
    let of_uid = |state: &Value, uid: &str| {
        let mut all = state["purchases"].as_array().unwrap().iter();
        all.find(|one| one["uid"] == uid).unwrap()["state"].clone()
    };
    let refused = bench.send("GET", "/purchase?signature=x", "", "").await;
    assert_eq!(refused.status, 400);
    let mut seen = Vec::new();
    for (act, state) in [
        ("fail", "SCORING_KO"),
        ("cancel", "ABANDONED"),
        ("pay", "PAID"),
    ] {
        let uid = opened().await;
        assert!(!seen.contains(&uid), "{state}");
        let elsewhere = order("R-1", "mer_00000000-0000-4000-8000-000000000002");
        assert_eq!(bench.buy(&elsewhere).await.status, 200);
        let other = bench.purchase("R-1").await["uid"].clone();
        let done = bench
            .post("/purchase", FORM, &format!("uid={uid}&act={act}"))
            .await;
        assert_eq!(done.status, 303, "{done:?}");
        let now = bench.state().await;
        assert_eq!(of_uid(&now, &uid), state);
        assert_eq!(of_uid(&now, other.as_str().unwrap()), "CREATED");
        seen.push(uid);
    }
    let count = bench.state().await["purchases"].as_array().unwrap().len();
    bench.send("GET", &target, "", "").await;
    let again = bench.state().await["purchases"].as_array().unwrap().len();
    assert_eq!(again, count, "a paid one is shown again");
}

// docs/providers/pledg.md#simulator
#[tokio::test]
async fn a_purchase_is_paid_refused_or_abandoned_once() {
    let bench = bench().await;
    for (reference, event, subject, state) in [
        ("R-1", "pay", "R-1", "PAID"),
        ("R-2", "refuse", "R-2", "SCORING_KO"),
        ("R-3", "refuse", "R-3 FICP_FILTER_KO", "FICP_FILTER_KO"),
        ("R-4", "abandon", "R-4", "ABANDONED"),
    ] {
        bench.buy(&order(reference, MERCHANT)).await;
        assert!(bench.event("refuse", &format!("{reference} SOON")).is_err());
        let message = bench.event(event, subject).unwrap();
        assert!(message.contains(state), "{message}");
        assert_eq!(bench.purchase(reference).await["state"], state);
        for again in ["pay", "refuse", "abandon"] {
            let message = bench.event(again, reference).unwrap_err();
            assert!(message.contains(state), "{message}");
        }
    }
    assert!(bench.event("pay", "R-99").is_err());
    assert!(bench.event("no-such", "R-1").is_err());
}

// docs/providers/pledg.md#simulator
#[tokio::test]
async fn a_references_ending_decides_the_outcome_of_its_purchase() {
    let bench = bench().await;
    for (reference, state) in [
        ("A-PAID", "PAID"),
        ("A-ABANDONED", "ABANDONED"),
        ("A-COVERAGE_KO", "COVERAGE_KO"),
        ("A-1", "CREATED"),
        ("A-_KO", "CREATED"),
    ] {
        // Two purchases: the abandoned one has a script, too.
        for _ in 0..2 {
            assert_eq!(bench.buy(&order(reference, MERCHANT)).await.status, 200);
        }
        assert_eq!(bench.purchase(reference).await["state"], "CREATED");
        bench.pass(5);
        assert_eq!(bench.purchase(reference).await["state"], state);
    }
    let state = bench.state().await.to_string();
    assert_eq!(
        state.matches("COVERAGE_KO\"").count(),
        2 + 2,
        "twice, in name and state: {state}"
    );
}

#[tokio::test]
async fn payers_act_on_purchases_as_on_any_payment() {
    let bench = bench().await;
    let act = |reference: &str, act| {
        bench.sandbox.command(&Command::Payer {
            payment: PaymentId::new(reference).unwrap(),
            act,
        })
    };
    for (reference, by, state) in [
        ("R-1", PayerAct::Pay, "PAID"),
        ("R-2", PayerAct::Cancel, "ABANDONED"),
        ("R-3", PayerAct::Fail, "SCORING_KO"),
    ] {
        bench.buy(&order(reference, MERCHANT)).await;
        assert!(act(reference, PayerAct::Overpay).is_err());
        act(reference, by).unwrap();
        assert_eq!(bench.purchase(reference).await["state"], state);
    }
    assert!(act("R-99", PayerAct::Pay).is_err());
}

// docs/providers/pledg.md#calls
#[tokio::test]
async fn refunds_go_up_to_the_paid_amount() {
    let bench = bench().await;
    bench.buy(&order("R-1", MERCHANT)).await;
    let uid = bench.purchase("R-1").await["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let token = carrying(&bench.token().await);
    let target = format!("/api/purchases/{uid}/credit_by_transfer");
    let refund = async |cents: &str| {
        let body = format!(r#"{{"amount_cents":{cents}}}"#);
        bench.post(&target, &token, &body).await
    };
    let early = refund("100").await;
    assert_eq!(early.status, 400);
    assert!(debug(&early).contains("CREATED"));
    bench.event("pay", "R-1").unwrap();
    assert_eq!(refund("1500").await.status, 200);
    let over = refund("501").await;
    assert_eq!(
        (over.status, debug(&over).contains("500")),
        (400, true),
        "{over:?}"
    );
    for bad in ["0", "-1", "1.5", "\"1\""] {
        assert_eq!(refund(bad).await.status, 400, "{bad}");
    }
    let last = refund("500").await;
    assert_eq!(last.json()["refunded_amount_cents"], 2000);
    assert_eq!(refund("1").await.status, 400);

    assert_eq!(bench.post(&target, "", "{}").await.status, 401);
    let unknown = "/api/purchases/pur_x/credit_by_transfer";
    assert_eq!(bench.post(unknown, &token, "{}").await.status, 404);
    let theirs = "/api/purchases/pur_00000000-0000-4000-8000-000000000101/credit_by_transfer";
    let body = r#"{"amount_cents":1}"#;
    assert_eq!(bench.post(theirs, &token, body).await.status, 404);
}

// docs/providers/pledg.md#authorisation
#[tokio::test]
async fn a_release_needs_the_dashboards_login_and_an_undebited_card() {
    let bench = bench().await;
    let uid =
        |number: u32| format!("/api/purchases/pur_00000000-0000-4000-8000-{number:012}/release");
    let login = pair(DASHBOARD_USER, DASHBOARD_PASSWORD);
    let token = carrying(&bench.token().await);
    for wrong in [String::new(), token, pair(API_KEY, API_SECRET)] {
        let seen = bench.post(&uid(2), &wrong, "").await;
        assert_eq!(seen.status, 401, "{wrong}");
        assert!(
            seen.header("www-authenticate")
                .unwrap()
                .starts_with("Basic")
        );
    }
    let by_transfer = bench.post(&uid(1), &login, "").await;
    assert_eq!(
        (by_transfer.status, debug(&by_transfer).contains("card")),
        (400, true)
    );
    assert_eq!(bench.post(&uid(101), &login, "").await.status, 404);
    assert_eq!(bench.post(&uid(7), &login, "").await.status, 404);
    let released = bench.post(&uid(2), &login, "").await;
    assert_eq!(released.status, 200);
    assert_eq!(bench.purchase("ORDER-3002").await["state"], "RELEASED");
    assert_eq!(bench.post(&uid(2), &login, "").await.status, 400, "twice");

    bench
        .buy(&order("R-1", "mer_00000000-0000-4000-8000-000000000002"))
        .await;
    assert!(bench.event("debit", "R-1").is_err(), "nothing is paid yet");
    bench.event("pay", "R-1").unwrap();
    bench.event("debit", "R-1").unwrap();
    let uid = bench.purchase("R-1").await["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let late = bench
        .post(&format!("/api/purchases/{uid}/release"), &login, "")
        .await;
    assert_eq!((late.status, debug(&late).contains("debited")), (400, true));
}

// docs/providers/pledg.md#signed-purchases
#[test]
fn a_signed_purchase_is_the_expected_jwt_to_the_byte() {
    let payload =
        json!({"data": {"merchantUid": "mer_test", "amountCents": 2000, "reference": "R1"}});
    let jwt = sign::jwt_hs256(&Secret::new("SECRET"), &payload);
    assert!(
        jwt.ends_with(".WEdj8qA0zKp9ePreqXd5bw_BmzjMy6QeGkEx4O3KnOw"),
        "{jwt}"
    );
}

#[test]
fn a_purchase_whose_notice_is_to_come_has_another_uid_in_each_run() {
    let open = |at| {
        let all = seeds(&BACKENDS[0], 1, WallTime(at)).into_iter();
        let open = all.filter(|purchase| purchase.state == CREATED);
        open.map(|purchase| purchase.uid).collect::<Vec<_>>()
    };
    assert_eq!(open(1).len(), 1);
    assert_ne!(open(1), open(2));
}
