//! The log of requests: exact, paged, filtered, pruned.

use std::time::Duration;

use super::Bench;
use super::fixtures::*;
use crate::domain::{AccountId, ExchangeId, Outcome, Search, WallTime};
use crate::ledger::{KeyLock, LogQuery, NonceRules, Requests, Retention, SEARCHED_MAX};

pub async fn hostile_text_comes_back_as_it_was(bench: Bench) {
    let ledger = bench.process(&at_start());
    let hostile = HOSTILE;
    let mut given = exchange(hostile);
    given.operator = bench.operator();
    given.method = hostile.into();
    given.outcome = Outcome::Failed(hostile.into());
    given.to_head = None;
    given.attempt = u32::MAX;
    given.request_headers = vec![(hostile.into(), hostile.into())];
    given.response_body.text = hostile.into();
    given.response_body.bytes = u64::MAX >> 1;
    let saved = record(&ledger, given.clone()).await;
    assert!(saved.id.0 > 0);
    given.id = saved.id;
    assert_eq!(saved, given);
    drop(ledger);
    let ledger = bench.process(&at_start());
    assert_eq!(ledger.exchange(saved.id).await, Ok(Some(given)));
    assert_eq!(ledger.exchange(ExchangeId(77)).await, Ok(None));
}

pub async fn the_log_is_paged_and_filtered(bench: Bench) {
    let ledger = bench.process(&at_start());
    let mut saved = Vec::new();
    for number in 0..10_i64 {
        let mut given = exchange(&format!("https://api.example/n{number}/100%_\\x"));
        given.at = WallTime(START.0 + number);
        if number == 3 {
            given.account = AccountId::new("other").unwrap();
            given.outcome = Outcome::Failed("Timed out".into());
        }
        saved.push(record(&ledger, given).await.id);
    }
    assert!(saved.is_sorted_by(|a, b| a < b), "{saved:?}");
    // The exchanges count from one.
    let id = |number: usize| saved[number - 1].0;
    let ids = async |query: LogQuery| -> Vec<usize> {
        let found = ledger.log(query).await.unwrap();
        assert!(
            found
                .iter()
                .all(|e| e.request_headers.is_empty() && e.response_body.bytes == 300_000)
        );
        let number = |id| saved.iter().position(|saved| *saved == id).unwrap() + 1;
        found.iter().map(|exchange| number(exchange.id)).collect()
    };
    let all = || LogQuery {
        limit: 100,
        ..LogQuery::default()
    };
    assert_eq!(ids(LogQuery::default()).await, [0; 0]);
    assert_eq!(ids(all()).await, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let page = LogQuery {
        limit: 3,
        before: Some(id(8)),
        ..all()
    };
    assert_eq!(ids(page).await, [7, 6, 5]);
    let follow = LogQuery {
        limit: 2,
        after: Some(id(5)),
        ..all()
    };
    assert_eq!(ids(follow.clone()).await, [7, 6], "none is skipped");
    for (limit, oldest, is_gap) in [(2, 9, true), (5, 6, false), (6, 6, false)] {
        let mut query = follow.clone();
        query.limit = limit;
        let (rows, found) = ledger.news(query).await.unwrap();
        assert_eq!((rows[rows.len() - 1].id.0, found), (id(oldest), is_gap));
    }
    let since = LogQuery {
        since: Some(WallTime(START.0 + 8)),
        ..all()
    };
    assert_eq!(ids(since).await, [10, 9]);
    let until = LogQuery {
        until: Some(WallTime(START.0 + 2)),
        ..all()
    };
    assert_eq!(ids(until).await, [2, 1]);
    let other = LogQuery {
        search: Search::of_requests("account:other"),
        ..all()
    };
    assert_eq!(ids(other.clone()).await, [4]);
    assert_eq!(ledger.count(all()).await, Ok(10));
    assert_eq!(ledger.count(other.clone()).await, Ok(1));
    let newest = LogQuery { limit: 3, ..all() };
    for (query, first) in [
        (newest, Some(8)),
        (other, Some(4)),
        (LogQuery::default(), None),
    ] {
        assert_eq!(ledger.oldest(query).await, Ok(first.map(id)));
    }
    let filtered = async |filter: &str| {
        ids(LogQuery {
            search: Search::of_requests(filter),
            ..all()
        })
        .await
    };
    assert_eq!(filtered("/N7/").await, [8]);
    assert_eq!(filtered("post timed").await, [4]);
    assert_eq!(filtered("%_\\x n2").await, [3]);
    assert_eq!(
        filtered("1_0").await,
        [0; 0],
        "a wildcard is a letter like others"
    );
    assert_eq!(filtered("' OR 1 --").await, [0; 0]);
    let full = ledger
        .log(LogQuery {
            log: Requests { bodies: true },
            limit: 1,
            ..all()
        })
        .await
        .unwrap();
    assert_eq!(full[0].response_body.text.len(), 10);
    assert_eq!(full[0].request_headers.len(), 2);
}

pub async fn the_log_is_searched_by_all_that_a_request_has(bench: Bench) {
    let ledger = bench.process(&at_start());
    let answers = [
        Outcome::Refused(200, "fail 9000".into()),
        Outcome::Status(404),
        Outcome::Status(499),
        Outcome::Status(500),
        Outcome::Failed("timed out".into()),
    ];
    let paths = [
        "x",
        "orders/A-1",
        "orders?id=A-1",
        "orders/A%20%C5%82",
        "orders/a-1",
    ];
    for (number, outcome) in answers.into_iter().enumerate() {
        let mut given = exchange(&format!("https://api.example/{}", paths[number]));
        given.outcome = outcome;
        given.about = if number == 0 { "A-1" } else { "" }.into();
        given.method = if number == 3 { "GET" } else { "POST" }.into();
        given.profile = ["live", "live", "test", "", "live"][number].into();
        record(&ledger, given).await;
    }
    let operator = bench.operator();
    for (text, expected) in [
        ("", &[5, 4, 3, 2, 1][..]),
        ("status:4xx", &[3, 2]),
        ("status:404", &[2]),
        ("status:failed", &[5, 1]),
        ("status:2xx", &[1]),
        ("method:get", &[4]),
        ("method:post status:4xx", &[3, 2]),
        ("about:A-1", &[3, 2, 1]),
        ("about:a-1", &[5]),
        ("about:A-1 status:200", &[1]),
        ("about:A", &[]),
        ("account:shop E/X", &[1]),
        ("account:sho", &[]),
        ("Timed OUT shop", &[5]),
        ("200 fail 9000", &[1]),
        ("operator:nobody", &[]),
        (&format!("operator:{operator} 499"), &[3]),
    ] {
        // A ledger of one machine names no operator, and so the word has no value.
        if operator.is_empty() && text.contains("operator: ") {
            continue;
        }
        let query = LogQuery {
            search: Search::of_requests(text),
            limit: 100,
            ..LogQuery::default()
        };
        let found = ledger.log(query.clone()).await.unwrap();
        let ids: Vec<i64> = found.iter().map(|exchange| exchange.id.0).collect();
        assert_eq!(ids, expected, "{text}");
        assert_eq!(ledger.count(query).await, Ok(ids.len()), "{text}");
        assert!(
            found
                .iter()
                .all(|it| Search::of_requests(text).selects_exchange(it))
        );
    }
    let spaced = Search {
        about: Some("A ł".into()),
        ..Search::default()
    };
    for (profile, search, expected) in [
        ("live", Search::default(), &[5, 4, 2, 1][..]),
        ("test", Search::default(), &[4, 3]),
        ("live", Search::of_requests("about:A-1"), &[2, 1]),
        ("live", spaced, &[4]),
    ] {
        let query = LogQuery {
            profile: Some(profile.into()),
            search,
            limit: 100,
            ..LogQuery::default()
        };
        let found = ledger.log(query.clone()).await.unwrap();
        let ids: Vec<i64> = found.iter().map(|exchange| exchange.id.0).collect();
        assert_eq!(ids, expected, "{query:?}");
    }
}

pub async fn requests_about_a_payment_are_found_however_long_the_log_is(mut bench: Bench) {
    bench.retention.count = 10 * SEARCHED_MAX as u64;
    let ledger = bench.process(&at_start());
    let first = record(&ledger, exchange("https://x.example")).await;
    bench.skip_exchanges(SEARCHED_MAX);
    record(&ledger, exchange("https://y.example")).await;
    let count = async |text: &str| {
        let query = LogQuery {
            search: Search::of_requests(text),
            limit: 100,
            ..LogQuery::default()
        };
        let found = ledger.log(query).await.unwrap();
        found.len()
    };
    assert_eq!(count("about:A-17").await, 2, "{first:?}");
    assert_eq!(count("about:A-17 x.example").await, 1);
    assert_eq!(count("example").await, 1, "words only in the newest");
}

pub async fn only_old_exchanges_are_dropped(mut bench: Bench) {
    let (clock, hand) = clock();
    bench.retention = Retention {
        age: Duration::from_secs(100),
        bytes: 5_000,
        count: 6,
    };
    let ledger = bench.process(&clock);
    let mut key_lock = ledger.key_lock(&key()).await.unwrap();
    let next = async |lock: &mut KeyLock| {
        let nonce = lock.next_nonce(clock.now(), NonceRules::default());
        nonce.await.unwrap().value
    };
    let nonce = next(&mut key_lock).await;
    let mut saved = Vec::new();
    for _ in 0..10 {
        saved.push(record(&ledger, exchange("https://api.example/")).await.id);
    }
    let left = async || -> Vec<ExchangeId> {
        bench.prune(&clock).await;
        let all = LogQuery {
            limit: 100,
            ..LogQuery::default()
        };
        let left = ledger.log(all).await.unwrap();
        left.iter().rev().map(|exchange| exchange.id).collect()
    };
    assert_eq!(left().await, saved[4..], "count");
    let mut large = exchange("https://api.example/");
    large.response_body.text = "y".repeat(4_000);
    large.at = START.plus(Duration::from_secs(50));
    saved.push(record(&ledger, large).await.id);
    assert_eq!(left().await, saved[8..], "bytes");
    hand.advance(Duration::from_secs(101));
    assert_eq!(left().await, saved[10..], "age");
    hand.advance(Duration::from_secs(50));
    assert_eq!(left().await, [], "age");
    hand.set_wall(START);
    assert_eq!(next(&mut key_lock).await, nonce + 1, "a nonce never");
}

pub async fn exchanges_are_dropped_while_a_busy_process_records_more(mut bench: Bench) {
    bench.retention = Retention {
        count: 6,
        ..Retention::default()
    };
    let ledger = bench.process(&at_start());
    for _ in 0..1_100 {
        record(&ledger, exchange("https://x.example")).await;
    }
    let all = LogQuery {
        limit: 2_000,
        ..LogQuery::default()
    };
    assert!(ledger.log(all).await.unwrap().len() < 6 + 512);
}
