//! Kinguin's client at Kinguin's simulator.

use std::sync::Arc;
use std::time::Duration;

use super::{MANIFEST, catalogue, settings};
use crate::domain::{Counts, ProblemKind};
use crate::net::Limit;
use crate::providers::contract::bench::{Bench, filled};

const API: &str = "/sales-manager-api/api/v1";
const OFFER: &str = "/sales-manager-api/api/v1/offers/65a0c0de0000000000000001";
const PRICE: &str = r#"{"price":{"amount":1500,"currency":"EUR"}}"#;

// docs/providers/kinguin.md#bearer
#[tokio::test]
async fn calls_without_a_token_are_those_that_the_simulator_answers_so() {
    let bench = Bench::new(&MANIFEST).await;
    for call in MANIFEST.catalogue.iter().filter(|call| !call.writes) {
        let mut fresh = bench.second();
        let path = filled(call);
        fresh.raw(call.method, &path, call.body).await.unwrap();
        let with_token = fresh.exchanges().await.len() == 2;
        let line = format!("{} {path}", call.method);
        let seen = bench.bare(&line).await;
        // It is listed without security, but other clients send a token.
        let is_tolerated = call.path == catalogue::WHOLESALE_PRODUCT;
        assert_eq!(
            with_token,
            seen == 401 || is_tolerated,
            "{line}: status {seen} without a token"
        );
        assert!(!is_tolerated || seen != 401, "{line}");
    }
}

impl Bench {
    /// The status of a request without any authorisation.
    async fn bare(&self, line: &str) -> u16 {
        let to = self.sandbox.base_url();
        let to = to.strip_prefix("http://").unwrap();
        let wire = format!("{line} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
        let all = crate::http_server::tests::raw(to.parse().unwrap(), wire.as_bytes()).await;
        std::str::from_utf8(&all.unwrap()[9..12])
            .unwrap()
            .parse()
            .unwrap()
    }
}

// docs/providers/kinguin.md#token
#[tokio::test]
async fn a_token_is_renewed_by_the_same_call_a_tenth_of_its_life_before_its_end() {
    let mut bench = Bench::new(&MANIFEST).await;
    bench.set("token-life", "20m");
    let mut later = async |minutes| {
        bench.manual_clock.advance(Duration::from_mins(minutes));
        assert_eq!(bench.use_token().await, Ok(()));
        bench.exchanges().await.len()
    };
    assert_eq!(later(0).await, 2, "the token call and the call");
    assert_eq!(later(10).await, 1);
    assert_eq!(later(7).await, 1);
    // The renewal runs beside the call at its 18th minute; the call at its 21st uses the new one.
    assert_eq!(later(1).await + later(3).await, 3);
}

// docs/providers/kinguin.md#limits, docs/providers/kinguin.md#contradictions
#[tokio::test]
async fn the_four_writing_methods_share_one_limit_at_both_ends_and_reads_have_another() {
    let writes = |bench: Bench| async move {
        bench.set("limit-writes", "3");
        let mut kinds = Vec::new();
        let stock = format!("{OFFER}/stock");
        let key = r#"{"body":"SANDBOX-A","mimeType":"text/plain"}"#;
        for (method, path, body) in [
            ("PUT", OFFER, PRICE),
            ("PATCH", OFFER, PRICE),
            ("POST", stock.as_str(), key),
            ("DELETE", OFFER, ""),
            ("GET", OFFER, ""),
        ] {
            let body = Some(body).filter(|body| !body.is_empty());
            let sent = bench.judged(method, path, body).await;
            kinds.push(sent.map_err(|problem| problem.kind).err());
        }
        kinds
    };
    let at_the_provider = writes(Bench::new(&MANIFEST).await).await;
    let failing = Some(ProblemKind::Failing);
    assert_eq!(
        at_the_provider,
        [None, None, None, failing, None],
        "429 for the fourth"
    );

    let limited = Bench::with(&MANIFEST, |setup| {
        setup.limits.push(Limit {
            scope: Arc::from("of-this-test"),
            endpoint: settings::GATEWAY,
            counts: Counts::Writes,
            requests: 3,
            period: Duration::from_mins(1),
        });
    })
    .await;
    let here = writes(limited).await;
    let used_up = Some(ProblemKind::Budget);
    assert_eq!(here, [None, None, None, used_up, None], "not sent");
}

// docs/providers/kinguin.md#lists, docs/providers/kinguin.md#contradictions, docs/providers/kinguin.md#prices
#[tokio::test]
async fn lists_are_read_in_each_shape_with_both_prices_under_their_own_names() {
    let bench = Bench::new(&MANIFEST).await;
    for shape in ["hal", "spec"] {
        bench.set("list-shape", shape);
        let last = bench.table(&format!("{API}/offers?page=10&size=25")).await;
        assert_eq!(last.title, "offers 251-254 of 254", "{shape}");
        let names: Vec<_> = last.columns.iter().map(|column| column.name).collect();
        assert!(names.contains(&"buyer pays") && names.contains(&"you receive"));
        assert!(
            bench
                .table(&format!("{API}/offers?page=11&size=25"))
                .await
                .rows
                .is_empty()
        );
    }
    let one = format!("{:?}", bench.table(OFFER).await.rows);
    assert!(
        one.contains("16.60 EUR") && one.contains("15.00 EUR"),
        "{one}"
    );
    let reservations = bench
        .table(&format!("{API}/reservations?page=1&size=30"))
        .await;
    assert_eq!(reservations.rows.len(), 10, "a page of the third shape");
    let alerts = bench.table(&format!("{API}/alerts?page=0")).await;
    assert!(!alerts.rows.is_empty());
}

// docs/providers/kinguin.md#calls
#[tokio::test]
async fn the_number_of_a_product_in_the_shop_leads_to_its_id() {
    let bench = Bench::new(&MANIFEST).await;
    let path = "/kpc/api/v1/products/search/findByTypeAndExternalId?type=kinguin&externalId=1001";
    let table = bench.table(path).await;
    let shown = format!("{:?}", table.rows);
    assert!(shown.contains("5c9b7129"), "{shown}");
}

// docs/providers/kinguin.md#reservations, docs/providers/kinguin.md#times
#[tokio::test]
async fn a_key_is_due_15_minutes_after_its_sale() {
    let bench = Bench::new(&MANIFEST).await;
    let message = bench.event("sale", "65a0c0de0000000000000001");
    let id = message.split(' ').nth(1).unwrap();
    let path = format!("{API}/reservations?reservationId={id}");
    let row = bench.table(&path).await.rows.remove(0);
    assert_eq!(row[6], "2026-11-22 03:09:26", "{row:?}");
}

// docs/providers/kinguin.md#failures, docs/providers/kinguin.md#offers, docs/providers/kinguin.md#keys
#[tokio::test]
async fn each_failure_is_read_with_the_words_that_the_provider_gave() {
    use ProblemKind::{Failing, NotFound};
    let bench = Bench::new(&MANIFEST).await;
    let offers = format!("{API}/offers");
    let stock = format!("{OFFER}/stock");
    let theirs = format!("{API}/offers/65a0c0de0000000000000f01");
    let twice =
        r#"{"productId":"5c9b71292539a4e8f1809707","price":{"amount":1500,"currency":"EUR"}}"#;
    let dollars = r#"{"price":{"amount":1500,"currency":"USD"}}"#;
    let calculator = format!(
        "{API}/offers/calculations/priceAndCommission?kpcProductId=5c9b71290000000000000002"
    );
    let key = r#"{"body":"SANDBOX-B","mimeType":"text/plain","requestId":"7"}"#;
    assert_eq!(bench.judged("POST", &stock, Some(key)).await, Ok(()));
    for (line, body, kind, words) in [
        (
            format!("POST {offers}"),
            Some(twice),
            Failing,
            "Offer already created",
        ),
        (format!("PATCH {OFFER}"), Some(dollars), Failing, "EUR"),
        (format!("GET {theirs}"), None, NotFound, "Offer not found"),
        (
            format!("GET {calculator}"),
            None,
            NotFound,
            "Set `price` or `priceIWTR`",
        ),
        (format!("POST {stock}"), Some(key), Failing, "status 409"),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let problem = bench.judged(method, path, body).await.unwrap_err();
        assert_eq!(problem.kind, kind, "{line}: {problem}");
        assert!(problem.describe().contains(words), "{line}: {problem}");
    }
    bench.set("busy-stock", "on");
    let problem = bench.judged("POST", &stock, Some(key)).await.unwrap_err();
    assert_eq!(problem.hint, "retry in a few seconds");
    bench.set("plain-500", "on");
    let problem = bench.judged("PATCH", OFFER, Some(PRICE)).await.unwrap_err();
    assert!(problem.message.contains("status 500"), "{problem}");
}
