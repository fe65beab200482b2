//! Payment schedules at Pledg's simulator (`docs/providers/pledg.md#schedules`).

use super::*;

fn open(of: &str, uid: &str) -> String {
    format!("/api/users/me/{of}/{uid}/simulate_payment_schedule")
}

// docs/providers/pledg.md#schedules
#[tokio::test]
async fn a_schedule_is_as_documented_on_both_paths() {
    let bench = bench().await;
    let body = r#"{"amount_cents":200,"created":"2021-12-17"}"#;
    let documented = json!({
        "INSTALLMENT": [
            {"amount_cents": 68, "fees": 2, "payment_date": "2021-12-17"},
            {"amount_cents": 66, "fees": 0, "payment_date": "2022-01-17"},
            {"amount_cents": 66, "fees": 0, "payment_date": "2022-02-17"},
        ],
        "debit_rate": serde_json::from_str::<Value>("23.1").unwrap(),
        "taeg": serde_json::from_str::<Value>("23.1").unwrap(),
    });
    let token = bench.token().await;
    let seen = bench.simulate(MERCHANT, &carrying(&token), body).await;
    assert_eq!((seen.status, seen.json()), (200, documented.clone()));
    let seen = bench.post(&open("merchants", MERCHANT), "", body).await;
    assert_eq!((seen.status, seen.json()), (200, documented.clone()));
    assert_eq!(seen.header("access-control-allow-origin"), Some("*"));
    let answer = bench
        .send("OPTIONS", &open("merchants", MERCHANT), "", "")
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        answer.header("access-control-allow-methods"),
        Some("POST, OPTIONS")
    );

    let company = bench
        .post(&open("companies", BACKENDS[0].company), "", body)
        .await;
    let items = company.json()["items"].clone();
    assert_eq!(items[0], documented);
    assert_eq!(
        items[1]["DEFERRED"],
        json!({"amount_cents": 200, "fees": 0, "payment_date": "2022-01-16"})
    );
    assert_eq!(items.as_array().unwrap().len(), 3);
}

// docs/providers/pledg.md#schedules
#[tokio::test]
async fn the_parts_of_a_schedule_sum_exactly_and_month_ends_are_preserved() {
    let bench = bench().await;
    for amount in [1_u64, 2, 3, 100, 101, 20_000, 99_999_999] {
        let body = json!({"amount_cents": amount, "created": "2024-01-31"}).to_string();
        let seen = bench
            .post(&open("merchants", MERCHANT), "", &body)
            .await
            .json();
        let parts = seen["INSTALLMENT"].as_array().unwrap();
        let cents = |part: &Value, name: &str| part[name].as_u64().unwrap();
        let amounts: Vec<u64> = parts
            .iter()
            .map(|part| cents(part, "amount_cents"))
            .collect();
        assert_eq!(amounts.iter().sum::<u64>(), amount);
        assert!(
            amounts[1] == amounts[2] && amounts[0] - amounts[1] < 3,
            "{amounts:?}"
        );
        assert!(parts[1..].iter().all(|part| cents(part, "fees") == 0));
        let dates: Vec<&str> = parts
            .iter()
            .map(|p| p["payment_date"].as_str().unwrap())
            .collect();
        assert_eq!(dates, ["2024-01-31", "2024-02-29", "2024-03-31"]);
    }
    let body =
        r#"{"amount_cents":300,"created":"2024-01-31","second_installment_date":"2024-03-30"}"#;
    let seen = bench
        .post(&open("merchants", MERCHANT), "", body)
        .await
        .json();
    assert_eq!(seen["INSTALLMENT"][1]["payment_date"], "2024-03-30");
    assert_eq!(seen["INSTALLMENT"][2]["payment_date"], "2024-04-30");
}

// docs/providers/pledg.md#failures
#[tokio::test]
async fn a_schedule_of_unknown_uids_bad_dates_or_amounts_is_refused_with_a_reason() {
    let bench = bench().await;
    let valid = r#"{"amount_cents":200,"created":"2021-12-17"}"#;
    for (of, uid) in [
        ("merchants", "mer_x"),
        ("companies", "cmp_x"),
        ("companies", MERCHANT),
    ] {
        let seen = bench.post(&open(of, uid), "", valid).await;
        assert_eq!(seen.status, 404);
        assert!(debug(&seen).contains(uid));
    }
    for bad in [
        "",
        "[]",
        r#"{"created":"2021-12-17"}"#,
        r#"{"amount_cents":0,"created":"2021-12-17"}"#,
        r#"{"amount_cents":-5,"created":"2021-12-17"}"#,
        r#"{"amount_cents":2.5,"created":"2021-12-17"}"#,
        r#"{"amount_cents":"200","created":"2021-12-17"}"#,
        r#"{"amount_cents":200}"#,
        r#"{"amount_cents":200,"created":"17/12/2021"}"#,
        r#"{"amount_cents":200,"created":"20211217"}"#,
        r#"{"amount_cents":200,"created":"2021-02-30"}"#,
        r#"{"amount_cents":200,"created":"2021-12-17","second_installment_date":"2021-12-17"}"#,
    ] {
        let seen = bench.post(&open("merchants", MERCHANT), "", bad).await;
        assert_eq!(seen.status, 400, "{bad}");
        assert!(!debug(&seen).is_empty());
    }
}
