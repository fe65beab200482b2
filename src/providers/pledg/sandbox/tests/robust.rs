//! Faults and restarts of Pledg's simulator, and that it shows no secret.

use super::*;
use crate::domain::simulate::Fault;
use crate::sandbox::snapshot::Persistent as _;

const BODY: &str = r#"{"amount_cents":200,"created":"2021-12-17"}"#;

// docs/providers/pledg.md#simulator
#[tokio::test]
async fn faults_apply_to_every_call() {
    let bench = bench().await;
    let open = format!("/api/users/me/merchants/{MERCHANT}/simulate_payment_schedule");
    let valid = format!("{FORM}{}", pair(API_KEY, API_SECRET));
    let controls = |fault| bench.sandbox.command(&Command::SetFault(fault)).unwrap();
    for (fault, status) in [
        (
            Fault::TooManyRequests {
                retry_after: Some(3),
            },
            429,
        ),
        (Fault::ServerError, 503),
        (Fault::Html, 502),
        (Fault::Latency(Duration::from_millis(5)), 200),
        (Fault::None, 200),
    ] {
        controls(fault);
        let token = bench.post("/api/token", &valid, GRANT).await;
        let schedule = bench.post(&open, "", BODY).await;
        assert_eq!(
            (token.status, schedule.status),
            (status, status),
            "{fault:?}"
        );
        if status == 429 {
            assert_eq!(schedule.header("retry-after"), Some("3"));
        }
        if status == 503 {
            assert_eq!(error_type(&schedule), "maintenance");
        }
        if status == 502 {
            assert!(schedule.body.starts_with("<!DOCTYPE html>"));
        }
    }
    controls(Fault::TornBody);
    let torn = bench.post(&open, "", BODY).await;
    assert!(serde_json::from_str::<Value>(&torn.body).is_err());
}

// docs/providers/pledg.md#simulator
#[tokio::test]
async fn secrets_and_tokens_are_never_shown() {
    let bench = bench().await;
    let token = bench.token().await;
    let login = pair(DASHBOARD_USER, DASHBOARD_PASSWORD);
    let wrong = format!("{FORM}{}", pair(API_KEY, "SANDBOX-WRONG-SECRET"));
    let result = [
        bench.state().await.to_string(),
        bench.send("GET", "/", "", "").await.body,
        bench.post("/api/token", &wrong, GRANT).await.body,
        bench.simulate("mer_x", &carrying(&token), BODY).await.body,
        bench.simulate(MERCHANT, &login, BODY).await.body,
        format!("{:?}", bench.sandbox.settings()),
        Pledg::default().snapshot().to_string(),
    ];
    let secrets = [
        token.as_str(),
        API_SECRET,
        MERCHANT_SECRET,
        DASHBOARD_PASSWORD,
        "SANDBOX-WRONG-SECRET",
        BACKENDS[1].secret,
    ];
    for (at, text) in result.iter().enumerate() {
        assert!(!text.is_empty());
        for secret in secrets {
            assert!(!text.contains(secret), "{at}: {text}");
        }
    }
}

#[tokio::test]
async fn what_was_bought_survives_a_restart_and_tokens_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let state_file = folder.path().join("world.json");
    let saved = |options: &mut Options| options.state_file = Some(state_file.clone());
    let first = bench_with(saved).await;
    first.buy(&order("R-1", MERCHANT)).await;
    first.event("pay", "R-1").unwrap();
    first.event("abandon", "ORDER-3003").unwrap();
    let token = first.token().await;
    let uid = first.purchase("R-1").await["uid"].clone();
    first.0.sandbox.stop().await;
    let text = std::fs::read_to_string(&state_file).unwrap();
    assert!(!text.contains(&token) && !text.contains("THAT-PROTECTS-NOTHING"));

    let second = bench_with(saved).await;
    assert_eq!(second.purchase("R-1").await["uid"], uid);
    assert_eq!(second.purchase("R-1").await["state"], "PAID");
    assert_eq!(second.purchase("ORDER-3003").await["state"], "ABANDONED");
    assert_eq!(second.buy(&order("R-1", MERCHANT)).await.status, 400);
    assert_eq!(
        second
            .simulate(MERCHANT, &carrying(&token), BODY)
            .await
            .status,
        401
    );
    let purchases = second.state().await["purchases"].as_array().unwrap().len();
    assert_eq!(purchases, 5, "what the world begins with is there once");
    second.0.sandbox.stop().await;

    let another = bench_with(|options| {
        options.state_file = Some(state_file.clone());
        options.seed = 2;
    });
    let another = another.await;
    assert_eq!(
        another.purchase("ORDER-3003").await["state"],
        "CREATED",
        "another world's"
    );
    assert_eq!(another.purchase("R-1").await["state"], "PAID");
}

#[tokio::test]
async fn tokens_are_revoked_at_once() {
    let bench = bench().await;
    let token = bench.token().await;
    let message = bench.event("revoke-tokens", "").unwrap();
    assert!(message.ends_with(": 1"), "{message}");
    assert_eq!(
        bench
            .simulate(MERCHANT, &carrying(&token), BODY)
            .await
            .status,
        401
    );
}
