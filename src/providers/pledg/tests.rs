//! Pledg's client at Pledg's simulator: each documented call, and what is refused before it is sent.

use std::time::Duration;

use super::{MANIFEST, auth, sandbox, settings};
use crate::domain::simulate::{Command, Fault};
use crate::domain::{AccountId, Digest, Problem, ProblemKind, RawReply, WallTime};
use crate::net::Reply;
use crate::providers::ApiError;
use crate::providers::contract::bench::{Bench, HOW, filled, raw_call};

async fn bench() -> Bench {
    Bench::new(&MANIFEST).await
}

impl Bench {
    async fn post(&self, path: &str, body: Option<&str>) -> Result<RawReply, Problem> {
        self.raw("POST", path, body).await
    }

    fn schedule(&self, path: &str, reply: &RawReply) -> Option<Digest> {
        self.client.digest(&raw_call("POST", path, None), reply)
    }
}

const OPEN: &str =
    "/api/users/me/merchants/mer_00000000-0000-4000-8000-000000000001/simulate_payment_schedule";
const WITH_TOKEN: &str =
    "/api/merchants/mer_00000000-0000-4000-8000-000000000001/simulate_payment_schedule";
const RELEASE: &str = "/api/purchases/pur_00000000-0000-4000-8000-000000000002/release";
const LINK: &str = "/api/purchase_link/";
const SCHEDULE: &str = r#"{"amount_cents": 200, "created": "2021-12-17"}"#;
const ORDER: &str = r#"{"data":{"merchantUid":"mer_00000000-0000-4000-8000-000000000001","amountCents":2000,"email":"payer@shop.example","firstName":"Jo","lastName":"Payer","reference":"R-1","title":"Two nights"}}"#;

#[tokio::test]
async fn every_documented_call_works_as_its_examples_have_it() {
    let mut bench = bench().await;
    for documented in MANIFEST.catalogue {
        let filled = filled(documented);
        let reply = bench.post(&filled, documented.body).await.unwrap();
        let text = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, 200, "{}: {text}", documented.path);
        assert_eq!(
            bench.client.judge(&raw_call("POST", &filled, None), &reply),
            Ok(())
        );
        let simulated = documented.path.ends_with("/simulate_payment_schedule");
        assert_eq!(bench.schedule(&filled, &reply).is_some(), simulated);
        assert_eq!(MANIFEST.writes("POST", &filled), !simulated);
    }
    let texts: Vec<String> = bench
        .exchanges()
        .await
        .iter()
        .map(|one| format!("{one:?}"))
        .collect();
    assert_eq!(
        texts.len(),
        MANIFEST.catalogue.len() + 1,
        "one token serves all"
    );
    for one in texts {
        for secret in [
            sandbox::API_SECRET,
            sandbox::MERCHANT_SECRET,
            sandbox::DASHBOARD_PASSWORD,
            "eyJ0eXAi",
            "U0FOREJPWC1QTEVER",
        ] {
            assert!(!one.contains(secret), "{secret}: {one}");
        }
    }
}

// docs/providers/pledg.md#money, docs/providers/pledg.md#schedules
#[tokio::test]
async fn a_schedule_is_read_in_whole_cents() {
    let bench = bench().await;
    let reply = bench.post(OPEN, Some(SCHEDULE)).await.unwrap();
    let digest = bench.schedule(OPEN, &reply).unwrap();
    assert_eq!(digest.title, "INSTALLMENT in 3: 2.02 to pay, TAEG 23.1 %");
    assert_eq!(digest.rows[0][4], "0.70");
    let refused = RawReply {
        status: 400,
        ..reply.clone()
    };
    assert_eq!(bench.schedule(OPEN, &refused), None);
    assert_eq!(bench.schedule("/api/other", &reply), None);
}

// docs/providers/pledg.md#credentials
#[tokio::test]
async fn a_call_takes_its_own_credential_and_names_the_one_that_is_missing() {
    let all = [
        (settings::API_SECRET, WITH_TOKEN, SCHEDULE),
        (settings::MERCHANT_SECRET, LINK, ORDER),
        (settings::DASHBOARD_USER, RELEASE, ""),
        (settings::DASHBOARD_PASSWORD, RELEASE, ""),
    ];
    for (missing, path, body) in all {
        let mut bench = Bench::with(&MANIFEST, |setup| {
            setup.keys.remove(missing);
        })
        .await;
        let refused = bench.post(path, Some(body)).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Config);
        assert!(refused.message.contains(missing), "{missing}: {refused}");
        assert!(
            bench.exchanges().await.is_empty(),
            "{missing}: nothing goes out"
        );
        let other = if path == WITH_TOKEN { OPEN } else { WITH_TOKEN };
        assert_eq!(bench.post(other, Some(SCHEDULE)).await.unwrap().status, 200);
    }
}

// docs/providers/pledg.md#token
#[tokio::test]
async fn the_secret_is_read_again_for_each_token() {
    let bench = bench().await;
    let tokens = bench.tokens.as_ref().unwrap();
    tokens.fetch_new(HOW).await.unwrap();
    let replace = |secret: &str| {
        let mut keys = bench.keys.lock().unwrap();
        keys.insert(settings::API_SECRET, secret.into());
    };
    replace("another-secret-altogether");
    assert!(tokens.fetch_new(HOW).await.is_err());
    replace(sandbox::API_SECRET);
    bench
        .manual_clock
        .advance(std::time::Duration::from_mins(5));
    assert!(tokens.fetch_new(HOW).await.is_ok());
}

// docs/providers/pledg.md#token
#[tokio::test]
async fn a_pair_that_makes_no_header_is_refused_before_it_is_sent() {
    for (key, value, path, word) in [
        (settings::API_KEY, "my:key", WITH_TOKEN, "colon"),
        (settings::API_KEY, "", WITH_TOKEN, "empty"),
        (settings::API_SECRET, "one\ntwo", WITH_TOKEN, "line break"),
        (settings::API_SECRET, "one\r", WITH_TOKEN, "line break"),
        (
            settings::DASHBOARD_USER,
            "a:b@shop.example",
            RELEASE,
            "colon",
        ),
        (settings::DASHBOARD_PASSWORD, "", RELEASE, "empty"),
    ] {
        let mut bench = Bench::with(&MANIFEST, |setup| {
            setup.keys.insert(key, value.into());
        })
        .await;
        let refused = bench.post(path, None).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Config, "{key}: {refused}");
        let texts = refused.describe();
        assert!(texts.contains(key) && texts.contains(word), "{texts}");
        assert!(!texts.contains("one"), "{texts}");
        assert!(bench.exchanges().await.is_empty());
    }
}

// docs/providers/pledg.md#token
#[tokio::test]
async fn a_colon_in_a_password_and_a_long_pair_are_fine() {
    // The simulator rejects both; the point is that the header was complete.
    let bench = Bench::with(&MANIFEST, |setup| {
        setup.keys.insert(
            settings::API_SECRET,
            format!("with:colon-{}", "x".repeat(200)),
        );
    })
    .await;
    let refused = bench.post(WITH_TOKEN, Some(SCHEDULE)).await.unwrap_err();
    assert_eq!(refused.kind, ProblemKind::Refused, "{refused}");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_it_is_sent() {
    let mut bench = bench().await;
    let already = format!("{LINK}?signature=eyJ.eyJ.x");
    for (path, body, words) in [
        (
            OPEN,
            Some("{\"amount_cents\": 200,\n oops"),
            "line 2, column 2",
        ),
        (OPEN, Some("{} trailing"), "more text after the end"),
        (LINK, Some("[]"), "an array in place of a JSON object"),
        (LINK, Some("{\"merchantUid\": \"mer_1\"}"), "`data`"),
        (LINK, Some("{\"data\": 7}"), "`data`"),
        (
            LINK,
            Some("{\"data\": {}, \"data\": {}}"),
            "`data` occurs twice",
        ),
        (
            LINK,
            Some("{\"data\": {\"amountCents\": 1, \"amountCents\": 2}}"),
            "`amountCents` occurs twice",
        ),
        (LINK, None, "nothing to sign"),
        (LINK, Some("  "), "nothing to sign"),
        (already.as_str(), Some(ORDER), "omit one of the two"),
        (
            "/api/token",
            Some("grant_type=client_credentials"),
            "makes the token call itself",
        ),
        ("/api/token/?x=1", None, "makes the token call itself"),
    ] {
        let refused = bench.post(path, body).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Usage, "{path}: {refused}");
        assert!(refused.message.contains(words), "{words}: {refused}");
    }
    assert!(bench.exchanges().await.is_empty());
    // Signed elsewhere: sent unchanged; the provider rejects it.
    let reply = bench.post(&already, None).await.unwrap();
    assert_eq!(reply.status, 400);
    assert!(matches!(
        bench
            .client
            .judge(&raw_call("POST", &already, None), &reply),
        Err(ApiError::Answered {
            kind: ProblemKind::Refused,
            ..
        })
    ));
    let shown = format!("{:?}", bench.exchanges().await);
    assert!(
        shown.contains("signature") && !shown.contains("eyJ.eyJ.x"),
        "{shown}"
    );
}

// docs/providers/pledg.md#authorisation
#[test]
fn the_path_decides_how_a_call_is_authorised() {
    use auth::Scheme::{Dashboard, Open, Signature, Token};
    for (path, scheme) in [
        (WITH_TOKEN, Token),
        ("/api/a_secured_endpoint", Token),
        ("/api/purchases/pur_1/credit_by_transfer", Token),
        ("/api/users/menu", Token),
        (OPEN, Open),
        (
            "/api/users/me/companies/cmp_1/simulate_payment_schedule?x=/release",
            Open,
        ),
        ("/dashboard/merchants/mer_1/purchases/pur_1", Open),
        ("/", Open),
        ("/api/purchase_link/?lang=fr", Signature),
        ("/api/purchase_link", Signature),
        ("/api/payment_by_transfer", Signature),
        (RELEASE, Dashboard),
        ("/api/purchases/pur_1/release/", Dashboard),
    ] {
        assert_eq!(auth::scheme(path), scheme, "{path}");
    }
}

// docs/providers/pledg.md#failures
#[tokio::test]
async fn failures_are_judged_by_status_and_words_and_made_inert() {
    use ProblemKind::{Failing, NotFound, Refused};
    let client = bench().await.client;
    let judged = |status, body: &str| {
        let raw = RawReply {
            took: Duration::ZERO,
            status,
            content_type: None,
            body: body.as_bytes().to_vec(),
        };
        let id = AccountId::new("shop").unwrap();
        let judged = client.judge(&raw_call("GET", "/", None), &raw);
        judged.map_err(|error| error.problem(&id, "Pledg"))
    };
    for (status, body, kind, words) in [
        (
            401,
            r#"{"error":"invalid_client"}"#,
            Refused,
            "invalid_client",
        ),
        (403, "", Refused, "status 403"),
        (
            400,
            r#"{"type":"error_token","message":"expired"}"#,
            Refused,
            "error_token, expired",
        ),
        (
            404,
            r#"{"error":{"debug":"no merchant"}}"#,
            NotFound,
            "no merchant",
        ),
        (
            400,
            r#"{"error":{"debug":"amount_cents"}}"#,
            Failing,
            "amount_cents",
        ),
        (400, "<html>", Failing, "status 400"),
        (429, "", Failing, "too many requests"),
        (
            503,
            r#"{"type":"maintenance","message":"back soon"}"#,
            Failing,
            "back soon",
        ),
        (500, "{", Failing, "status 500"),
        (200, r#"{"error":{"debug":"late"}}"#, Failing, "late"),
        (
            400,
            "{\"error\":{\"debug\":\"\\u001b[2Jboo\"}}",
            Failing,
            "\\u{1b}[2Jboo",
        ),
    ] {
        let problem = judged(status, body).unwrap_err();
        assert_eq!(problem.kind, kind, "{body}: {problem}");
        assert!(problem.message.contains(words), "{words}: {problem}");
    }
    let recorded = |body: &'static str| {
        client.refusal(&Reply {
            status: 200,
            version: "HTTP/1.1",
            headers: Vec::new(),
            body: body.into(),
            wire: None,
            to_head: Duration::ZERO,
            took: Duration::ZERO,
            at: WallTime(0),
        })
    };
    let late = recorded(r#"{"error":{"debug":"late"}}"#);
    assert_eq!(late.as_deref(), Some("late"));
    for valid in ["{}", r#"{"error":null}"#, "", "[]", r#"{"type":"x"}"#] {
        assert_eq!(judged(200, valid), Ok(()), "{valid}");
        assert_eq!(recorded(valid), None, "{valid}");
    }
}

// docs/providers/pledg.md#failures, docs/providers/pledg.md#signed-purchases
#[tokio::test]
async fn each_failure_of_the_simulator_is_read_with_its_kind_and_words() {
    use ProblemKind::{Failing, NotFound, Refused};
    const PAID: &str = "/api/purchases/pur_00000000-0000-4000-8000-000000000001/credit_by_transfer";
    let unknown = WITH_TOKEN.replace("0001/", "0009/");
    let other_merchant = ORDER.replace("0001\"", "0009\"");
    let bench = bench().await;
    for (path, body, kind, words) in [
        (unknown.as_str(), SCHEDULE, NotFound, "mer_"),
        (
            OPEN,
            r#"{"amount_cents": 0, "created": "2021-12-17"}"#,
            Failing,
            "amount_cents",
        ),
        (
            OPEN,
            r#"{"amount_cents": 9, "created": "17/12/2021"}"#,
            Failing,
            "created",
        ),
        (
            LINK,
            other_merchant.as_str(),
            NotFound,
            "invalid_merchant_uid",
        ),
        (PAID, r#"{"amount_cents": 20001}"#, Failing, "20000"),
    ] {
        let problem = bench.judged("POST", path, Some(body)).await.unwrap_err();
        assert_eq!(problem.kind, kind, "{path}: {problem}");
        assert!(problem.message.contains(words), "{words}: {problem}");
    }
    for refund in [15_000, 5_000] {
        let part = format!(r#"{{"amount_cents": {refund}}}"#);
        assert_eq!(bench.judged("POST", PAID, Some(&part)).await, Ok(()));
    }
    let over = bench
        .judged("POST", PAID, Some(r#"{"amount_cents": 1}"#))
        .await;
    assert_eq!(over.unwrap_err().kind, Failing, "all of it is paid back");

    let wrong = Bench::with(&MANIFEST, |setup| {
        setup.keys.insert(
            settings::MERCHANT_SECRET,
            "another-secret-altogether".into(),
        );
        setup
            .keys
            .insert(settings::DASHBOARD_PASSWORD, "another-one".into());
    })
    .await;
    for (path, body) in [(LINK, Some(ORDER)), (RELEASE, None)] {
        let problem = wrong.judged("POST", path, body).await.unwrap_err();
        assert_eq!(problem.kind, Refused, "{path}: {problem}");
    }
    bench.command(&Command::SetFault(Fault::ServerError));
    let down = bench.judged("POST", LINK, Some(ORDER)).await.unwrap_err();
    assert!(down.message.contains("maintenance"), "{down}");
}

// docs/providers/pledg.md#signed-purchases, docs/providers/pledg.md#contradictions
#[tokio::test]
async fn a_reference_is_used_up_by_a_completed_purchase_and_by_no_other() {
    let bench = bench().await;
    for outcome in ["refuse", "abandon", "pay"] {
        assert_eq!(
            bench.judged("POST", LINK, Some(ORDER)).await,
            Ok(()),
            "{outcome}"
        );
        bench.event(outcome, "R-1");
    }
    let again = bench.judged("POST", LINK, Some(ORDER)).await.unwrap_err();
    assert!(again.message.contains("R-1"), "{again}");
}

// docs/providers/pledg.md#environments, docs/providers/pledg.md#token
#[tokio::test]
async fn credentials_of_staging_open_nothing_in_production() {
    let bench = bench().await;
    assert_eq!(
        bench.judged("POST", WITH_TOKEN, Some(SCHEDULE)).await,
        Ok(())
    );
    let there = bench.at(&bench.sandbox.production_url());
    let refused = there.judged("POST", WITH_TOKEN, Some(SCHEDULE)).await;
    assert_eq!(refused.unwrap_err().kind, ProblemKind::Refused);
    assert_eq!(there.verify().await, Err(ProblemKind::Refused));
}
