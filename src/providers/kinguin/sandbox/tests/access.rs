//! Token calls, bearers, secret resets and rate limits at Kinguin's simulator (`docs/providers/kinguin.md`).

use super::*;
use crate::sandbox::controls::Controls as _;

// docs/providers/kinguin.md#token
#[tokio::test]
async fn the_token_call_is_a_posted_form_with_the_client_credentials_grant() {
    let bench = bench().await;
    let get = bench.send("GET", TOKEN_PATH, &[], "").await;
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    let json = [("Content-Type", "application/json")];
    assert_eq!(
        bench.send("POST", TOKEN_PATH, &json, "{}").await.status,
        400
    );
    let id_and_secret = format!("client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
    for (form, status, error) in [
        (
            format!("grant_type=password&{id_and_secret}"),
            400,
            "unsupported_grant_type",
        ),
        (id_and_secret.clone(), 400, "invalid_request"),
        (
            format!("grant_type=client_credentials&client_id={CLIENT_ID}"),
            400,
            "invalid_request",
        ),
        (
            format!("grant_type=client_credentials&client_secret={CLIENT_SECRET}"),
            400,
            "invalid_request",
        ),
        (
            format!("grant_type=client_credentials&{id_and_secret}&client_id=x"),
            400,
            "invalid_request",
        ),
        (
            format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret=wrong"),
            401,
            "invalid_client",
        ),
        (
            format!("grant_type=client_credentials&client_id=nobody&client_secret={CLIENT_SECRET}"),
            401,
            "invalid_client",
        ),
        // One client's secret is not valid for the other.
        (
            format!(
                "grant_type=client_credentials&client_id={OTHER_CLIENT_ID}&client_secret={CLIENT_SECRET}"
            ),
            401,
            "invalid_client",
        ),
    ] {
        let refused = bench.token_call(&form).await;
        let body = refused.json();
        assert_eq!(
            (refused.status, body["error"].as_str()),
            (status, Some(error)),
            "{form}"
        );
        assert_eq!(body["error_description"], body["message"]);
        assert!(body["message"].is_string());
    }
    let form = format!("grant_type=client_credentials&{id_and_secret}");
    let granted = bench.token_call(&form).await.json();
    let fields: Vec<_> = granted
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        fields,
        ["access_token", "expires_in", "token_type", "scope"]
    );
    assert_eq!(granted["expires_in"], 3600);
    assert_eq!(granted["token_type"], "bearer");
    assert!(granted["scope"].is_null());
    assert_eq!(granted["access_token"].as_str().unwrap().len(), 86);
}

// docs/providers/kinguin.md#token
#[tokio::test]
async fn each_token_call_grants_a_new_token_and_older_ones_stay_valid_until_they_expire() {
    let bench = bench().await;
    let merchant = format!("{API}/merchants");
    bench.set("token-life", "20s").unwrap();
    let short = bench.grant(CLIENT_ID, CLIENT_SECRET).await;
    assert_ne!(short, bench.token);
    bench.manual_clock.advance(Duration::from_millis(19_999));
    assert_eq!(
        bench.as_client(&short, "GET", &merchant, "").await.status,
        200
    );
    bench.manual_clock.advance(Duration::from_millis(1));
    assert_eq!(
        bench.as_client(&short, "GET", &merchant, "").await.status,
        401
    );
    assert_eq!(
        bench.get(&merchant).await.status,
        200,
        "the older one lives for an hour"
    );
}

// docs/providers/kinguin.md#bearer
#[tokio::test]
async fn every_seller_and_envoy2_path_needs_a_valid_bearer_token() {
    let bench = bench().await;
    for path in [
        format!("{API}/merchants"),
        format!("{API}/offers"),
        format!("{API}/no-such-path"),
        "/envoy2/api/v1/requests".to_owned(),
    ] {
        let basic = format!("Basic {}", bench.token);
        let bare = bench.token.clone();
        for value in [
            None,
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer nonsense"),
            Some(basic.as_str()),
            Some(bare.as_str()),
        ] {
            let headers: Vec<_> = value
                .into_iter()
                .map(|value| ("Authorization", value))
                .collect();
            let refused = bench.send("GET", &path, &headers, "").await;
            assert_eq!(refused.status, 401, "{path} {value:?}");
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        }
        let twice = format!("Bearer {}", bench.token);
        let headers = [
            ("Authorization", twice.as_str()),
            ("Authorization", twice.as_str()),
        ];
        assert_eq!(
            bench.send("GET", &path, &headers, "").await.status,
            401,
            "two headers are none"
        );
    }
    for scheme in ["bearer", "BEARER", "Bearer"] {
        let value = format!("{scheme} {}", bench.token);
        let seen = bench
            .send(
                "GET",
                &format!("{API}/merchants"),
                &[("Authorization", &value)],
                "",
            )
            .await;
        assert_eq!(seen.status, 200, "{scheme}");
    }
}

// docs/providers/kinguin.md#bearer
#[tokio::test]
async fn public_reads_are_answered_without_a_token() {
    let bench = bench().await;
    for path in [
        format!("{API}/wholesale/product/{PRODUCT}/offers"),
        format!("{API}/wholesale/offers?size=1"),
        format!("{API}/product/minimalPrice/{PRODUCT}"),
        "/library/api/v1/products/search?active=1&phrase=harbour".to_owned(),
        "/kpc/api/v1/products/search/findByTypeAndExternalId?type=kinguin&externalId=1001"
            .to_owned(),
    ] {
        assert_eq!(
            bench.send("GET", &path, &[], "").await.status,
            200,
            "{path}"
        );
    }
    let best = format!("{API}/wholesale/product/{PRODUCT}/best");
    assert_eq!(bench.send("GET", &best, &[], "").await.status, 401);
}

// docs/providers/kinguin.md#simulator
#[tokio::test]
async fn each_client_sees_only_its_own_sellers_offers() {
    let bench = bench().await;
    let other = bench
        .grant(OTHER_CLIENT_ID, "SANDBOX-KINGUIN-OTHER-SECRET-1")
        .await;
    let list = bench
        .as_client(&other, "GET", &format!("{API}/offers"), "")
        .await
        .json();
    assert_eq!(list["page"]["totalElements"], 3);
    let path = format!("{API}/offers/{OFFER}");
    assert_eq!(bench.as_client(&other, "GET", &path, "").await.status, 404);
    assert_eq!(
        bench.as_client(&other, "PATCH", &path, "{}").await.status,
        403
    );
}

#[tokio::test]
async fn a_token_of_another_simulator_is_refused() {
    let sandbox = bench().await;
    let (later, _hand) = Clock::by_hand(WallTime(1_795_316_067_000));
    let production = bench_with(|options| options.clock = later).await;
    let merchant = format!("{API}/merchants");
    for (bench, foreign) in [(&sandbox, &production.token), (&production, &sandbox.token)] {
        assert_eq!(bench.get(&merchant).await.status, 200);
        assert_eq!(
            bench.as_client(foreign, "GET", &merchant, "").await.status,
            401
        );
    }
}

// docs/providers/kinguin.md#credentials
#[tokio::test]
async fn a_reset_refuses_the_old_secret_and_shows_the_new_one() {
    let bench = bench().await;
    let message = bench.event("reset-secret", CLIENT_ID).unwrap();
    assert!(
        message.contains("is now SANDBOX-KINGUIN-SECRET-2"),
        "{message}"
    );
    let form = |secret: &str| {
        format!("grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={secret}")
    };
    assert_eq!(bench.token_call(&form(CLIENT_SECRET)).await.status, 401);
    assert_eq!(
        bench
            .token_call(&form("SANDBOX-KINGUIN-SECRET-2"))
            .await
            .status,
        200
    );
    assert_eq!(
        bench.get(&format!("{API}/merchants")).await.status,
        200,
        "tokens in hand stay good"
    );
    bench
        .grant(OTHER_CLIENT_ID, "SANDBOX-KINGUIN-OTHER-SECRET-1")
        .await;
    let message = bench.event("reset-secret", "").unwrap();
    assert!(message.contains("SANDBOX-KINGUIN-SECRET-3"), "{message}");
    assert!(bench.event("reset-secret", "nobody").is_err());
}

// docs/providers/kinguin.md#limits
#[tokio::test]
async fn the_rate_limit_slides_and_counts_reads_and_writes_apart_for_each_client() {
    let bench = bench().await;
    bench.set("limit-reads", "3").unwrap();
    bench.set("limit-writes", "3").unwrap();
    let (merchant, offer) = (format!("{API}/merchants"), format!("{API}/offers/{OFFER}"));
    for _ in 0..3 {
        assert_eq!(bench.get(&merchant).await.status, 200);
        bench.manual_clock.advance(Duration::from_secs(10));
    }
    let refused = bench.get(&merchant).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
    for _ in 0..3 {
        assert_eq!(
            bench.write("PATCH", &offer, json!({})).await.status,
            200,
            "writes have their own"
        );
    }
    assert_eq!(bench.write("PATCH", &offer, json!({})).await.status, 429);
    let other = bench
        .grant(OTHER_CLIENT_ID, "SANDBOX-KINGUIN-OTHER-SECRET-1")
        .await;
    assert_eq!(
        bench.as_client(&other, "GET", &merchant, "").await.status,
        200,
        "another client"
    );
    // At 30 s; the first read leaves the window at 60 s, and the second not before 70 s.
    bench.manual_clock.advance(Duration::from_millis(29_999));
    assert_eq!(bench.get(&merchant).await.status, 429);
    bench.manual_clock.advance(Duration::from_millis(1));
    assert_eq!(bench.get(&merchant).await.status, 200);
    assert_eq!(
        bench.get(&merchant).await.status,
        429,
        "one place was free, not three"
    );
}

// docs/providers/kinguin.md#simulator
#[tokio::test]
async fn over_the_limit_retry_after_names_the_seconds_until_a_request_fits() {
    let bench = bench().await;
    bench.set("limit-reads", "3").unwrap();
    bench.set("over-limit", "refuse-with-retry-after").unwrap();
    let merchant = format!("{API}/merchants");
    for _ in 0..3 {
        bench.get(&merchant).await;
    }
    bench.manual_clock.advance(Duration::from_millis(17_500));
    let refused = bench.get(&merchant).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("43"))
    );
}

// docs/providers/kinguin.md#simulator
#[tokio::test]
async fn token_calls_and_public_reads_do_not_count_against_the_limit() {
    let bench = bench().await;
    bench.set("limit-writes", "3").unwrap();
    bench.set("limit-reads", "3").unwrap();
    for _ in 0..5 {
        bench.grant(CLIENT_ID, CLIENT_SECRET).await;
        let path = format!("{API}/product/minimalPrice/{PRODUCT}");
        assert_eq!(bench.get(&path).await.status, 200);
    }
    assert_eq!(bench.get(&format!("{API}/merchants")).await.status, 200);
}

/// Calls the simulated provider directly, so that the test need not wait for a delayed answer.
fn request(token: &str) -> Request {
    hyper::http::Request::builder()
        .uri(format!("{API}/merchants"))
        .header("authorization", format!("Bearer {token}"))
        .body(bytes::Bytes::new())
        .unwrap()
}

// docs/providers/kinguin.md#limits
#[test]
fn a_delayed_call_is_answered_once_the_window_has_room() {
    let (clock, manual_clock) = Clock::by_hand(WallTime(1_795_316_066_000));
    let simulator = Simulator::new(&Options::new(clock), None);
    let mut kinguin = Kinguin::default();
    kinguin.begin(&simulator, Saved::default()).unwrap();
    kinguin.set("limit-reads", "3").unwrap();
    kinguin.set("over-limit", "delay").unwrap();
    let form = format!(
        "grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"
    );
    let call = hyper::http::Request::post(TOKEN_PATH)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(bytes::Bytes::from(form))
        .unwrap();
    let granted = kinguin.answer(&call, &simulator);
    let granted: Value = serde_json::from_slice(granted.body()).unwrap();
    let token = granted["access_token"].as_str().unwrap();
    let mut late = || {
        let answered = kinguin.answer(&request(token), &simulator);
        assert_eq!(answered.status(), 200);
        answered.extensions().get::<Late>().map(|late| late.0)
    };
    for _ in 0..3 {
        assert_eq!(late(), None);
        manual_clock.advance(Duration::from_secs(5));
    }
    // At 15 s: the calls of 0, 5 and 10 s leave the window a minute later each.
    assert_eq!(late(), Some(Duration::from_secs(45)));
    assert_eq!(late(), Some(Duration::from_secs(50)));
    assert_eq!(late(), Some(Duration::from_secs(55)));
    assert_eq!(
        late(),
        Some(Duration::from_secs(105)),
        "behind the first that waits"
    );
}
