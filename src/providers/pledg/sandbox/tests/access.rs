//! Tokens, pairs of credentials and the two environments at Pledg's simulator (`docs/providers/pledg.md`).

use super::*;

const BODY: &str = r#"{"amount_cents":200,"created":"2021-12-17"}"#;

// docs/providers/pledg.md#token
#[tokio::test]
async fn only_the_documented_token_call_grants_a_token() {
    let bench = bench().await;
    let valid = format!("{FORM}{}", pair(API_KEY, API_SECRET));
    let granted = bench.post("/api/token", &valid, GRANT).await;
    assert_eq!(granted.status, 200);
    let answer = granted.json();
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 600);
    let token = answer["access_token"].as_str().unwrap();
    assert!(token.starts_with("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1"));
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert!(claims["jti"].is_string(), "RFC 7519: {claims}");
    // The documented curl line makes the header with `base64`, which breaks longer lines.
    assert!(STANDARD.encode(format!("{API_KEY}:{API_SECRET}")).len() <= 76);
    assert_eq!(token.split('.').count(), 3);

    let got = bench.send("GET", "/api/token", &valid, "").await;
    assert_eq!((got.status, got.header("allow")), (405, Some("POST")));
    for body in [
        "",
        "grant_type=password",
        "grant_type=client_credentials&scope=all",
        "grant_type=client_credentials\n",
    ] {
        let seen = bench.post("/api/token", &valid, body).await;
        let result = (seen.status, seen.json());
        assert_eq!(result, (400, json!({ "error": "unsupported_grant_type" })));
    }
    let untyped = pair(API_KEY, API_SECRET);
    assert_eq!(bench.post("/api/token", &untyped, GRANT).await.status, 400);
    for headers in [
        FORM.to_owned(),
        format!("{FORM}{}", pair(API_KEY, "another")),
        format!("{FORM}{}", pair(API_KEY, &format!("{API_SECRET}:"))),
        format!("{FORM}Authorization: Basic %%%\r\n"),
        format!(
            "{FORM}{}{}",
            pair(API_KEY, API_SECRET),
            pair(API_KEY, API_SECRET)
        ),
        // As `base64` wraps it at 76 characters, put into one header line.
        format!("{FORM}{}", {
            let mut wrapped = pair(API_KEY, API_SECRET);
            wrapped.insert(60, ' ');
            wrapped
        }),
    ] {
        let seen = bench.post("/api/token", &headers, GRANT).await;
        let result = (seen.status, seen.json());
        assert_eq!(
            result,
            (401, json!({ "error": "invalid_client" })),
            "{headers}"
        );
        assert!(
            seen.header("www-authenticate")
                .unwrap()
                .starts_with("Basic")
        );
    }
}

// docs/providers/pledg.md#credentials
#[tokio::test]
async fn no_credential_is_accepted_in_place_of_another() {
    let bench = bench().await;
    let in_the_body = format!("{GRANT}&client_id={API_KEY}&client_secret={API_SECRET}");
    let seen = bench.post("/api/token", FORM, &in_the_body).await;
    assert_eq!(seen.status, 401);
    let in_the_query = format!("/api/token?client_id={API_KEY}&client_secret={API_SECRET}");
    assert_eq!(bench.post(&in_the_query, FORM, GRANT).await.status, 401);
    for wrong in [
        pair(DASHBOARD_USER, DASHBOARD_PASSWORD),
        pair(API_KEY, MERCHANT_SECRET),
        pair(MERCHANT, MERCHANT_SECRET),
    ] {
        let headers = format!("{FORM}{wrong}");
        assert_eq!(bench.post("/api/token", &headers, GRANT).await.status, 401);
    }
    let key = pair(API_KEY, API_SECRET);
    assert_eq!(bench.simulate(MERCHANT, &key, BODY).await.status, 401);
}

// docs/providers/pledg.md#token
#[tokio::test]
async fn tokens_are_valid_until_they_expire_and_several_at_once() {
    let bench = bench().await;
    let first = bench.token().await;
    bench.pass(300);
    let second = bench.token().await;
    assert_ne!(first, second);
    for token in [&first, &second] {
        let seen = bench.simulate(MERCHANT, &carrying(token), BODY).await;
        assert_eq!(seen.status, 200, "both live side by side");
    }
    bench.pass(300);
    let late = bench.simulate(MERCHANT, &carrying(&first), BODY).await;
    assert_eq!(
        (late.status, late.header("www-authenticate")),
        (401, Some("Bearer"))
    );
    assert_eq!(debug(&late), "no valid access token");
    let seen = bench.simulate(MERCHANT, &carrying(&second), BODY).await;
    assert_eq!(seen.status, 200);
    for bad in [
        String::new(),
        carrying("x"),
        format!("Authorization: bearer{second}\r\n"),
    ] {
        assert_eq!(
            bench.simulate(MERCHANT, &bad, BODY).await.status,
            401,
            "{bad}"
        );
    }

    bench.set("token-life", "20s").unwrap();
    let short = bench.token().await;
    bench.pass(19);
    assert_eq!(
        bench
            .simulate(MERCHANT, &carrying(&short), BODY)
            .await
            .status,
        200
    );
    bench.pass(1);
    assert_eq!(
        bench
            .simulate(MERCHANT, &carrying(&short), BODY)
            .await
            .status,
        401
    );
    for bad in ["0s", "soon", "10"] {
        assert!(bench.set("token-life", bad).is_err(), "{bad}");
    }
    assert!(bench.set("no-such", "1").is_err());
}

// docs/providers/pledg.md#environments
#[tokio::test]
async fn staging_and_production_are_two_listeners_that_share_nothing() {
    let mut bench = bench().await;
    let production = &BACKENDS[1];
    let of_staging = bench.token().await;
    let live = format!("{FORM}{}", pair(production.key, production.secret));
    let crossed = format!("{FORM}{}", pair(API_KEY, production.secret));
    for other in [&live, &crossed] {
        assert_eq!(bench.post("/api/token", other, GRANT).await.status, 401);
    }
    let bought = bench.buy(&order("R-1", PRODUCTION)).await;
    assert_eq!(error_type(&bought), "invalid_merchant_uid");

    bench.0.go_to_production();
    let of_production = bench.token_of(production.key, production.secret).await;
    for (merchant, token, status) in [
        (PRODUCTION, &of_production, 200),
        (PRODUCTION, &of_staging, 401),
        (MERCHANT, &of_production, 404),
    ] {
        let seen = bench.simulate(merchant, &carrying(token), BODY).await;
        assert_eq!(seen.status, status, "{merchant}");
    }
    assert_eq!(bench.buy(&order("R-1", MERCHANT)).await.status, 400);
    let state = bench.simulator().await;
    let purchases = state["providers"]["pledg-production"]["purchases"].as_array();
    assert_eq!(purchases.unwrap()[0]["reference"], "ORDER-9001");
    assert_eq!(state["production"], bench.sandbox.production_url());
}
