//! What is kept in rows: exchanges, observations, watches, verdicts.

use super::*;

#[tokio::test]
async fn hostile_text_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let hostile = "\u{1b}[2J'; DROP TABLE exchanges;--\0\u{202e}\u{fffd}漢%_\\\n";
    let mut given = exchange(hostile);
    given.method = hostile.into();
    given.outcome = Outcome::Failed(hostile.into());
    given.to_head = None;
    given.attempt = u32::MAX;
    given.request_headers = vec![(hostile.into(), hostile.into())];
    given.response_body.text = hostile.into();
    given.response_body.bytes = u64::MAX >> 1;
    let kept = record(&ledger, given.clone()).await;
    assert!(kept.id.0 > 0);
    given.id = kept.id;
    assert_eq!(kept, given);
    close(ledger);
    let ledger = start(folder.path());
    assert_eq!(ledger.exchange(kept.id).await, Ok(Some(given)));
    assert_eq!(ledger.exchange(ExchangeId(77)).await, Ok(None));
    let state = observation(hostile, "0.010", 0);
    assert_eq!(ledger.observe(&shop(), hostile, &state).await, Ok(true));
    let back = ledger.observations(of(hostile, "A-17")).await.unwrap();
    assert_eq!(back, [state]);
}

#[tokio::test]
async fn the_log_is_paged_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    for number in 0..10_i64 {
        let mut given = exchange(&format!("https://api.example/n{number}/100%_\\x"));
        given.at = WallTime(START.0 + number);
        if number == 3 {
            given.account = AccountId::new("other").unwrap();
            given.outcome = Outcome::Failed("Timed out".into());
        }
        record(&ledger, given).await;
    }
    let ids = async |query: LogQuery| -> Vec<i64> {
        let found = ledger.log(query).await.unwrap();
        assert!(
            found
                .iter()
                .all(|e| e.request_headers.is_empty() && e.response_body.bytes == 300_000)
        );
        found.iter().map(|exchange| exchange.id.0).collect()
    };
    let all = || LogQuery {
        limit: 100,
        ..LogQuery::default()
    };
    assert_eq!(ids(LogQuery::default()).await, [0; 0]);
    assert_eq!(ids(all()).await, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let page = LogQuery {
        limit: 3,
        before: Some(ExchangeId(8)),
        ..all()
    };
    assert_eq!(ids(page).await, [7, 6, 5]);
    let follow = LogQuery {
        limit: 2,
        after: Some(ExchangeId(5)),
        ..all()
    };
    assert_eq!(ids(follow).await, [7, 6], "none is skipped");
    let since = LogQuery {
        since: Some(WallTime(START.0 + 8)),
        ..all()
    };
    assert_eq!(ids(since).await, [10, 9]);
    let other = LogQuery {
        account: Some(AccountId::new("other").unwrap()),
        ..all()
    };
    assert_eq!(ids(other.clone()).await, [4]);
    let newest = LogQuery { limit: 3, ..all() };
    for (query, first) in [
        (newest, Some(8)),
        (other, Some(4)),
        (LogQuery::default(), None),
    ] {
        assert_eq!(ledger.oldest(query).await, Ok(first.map(ExchangeId)));
    }
    let filtered = async |filter: &str| {
        ids(LogQuery {
            filter: filter.into(),
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
            bodies: true,
            limit: 1,
            ..all()
        })
        .await
        .unwrap();
    assert_eq!(full[0].response_body.text.len(), 10);
    assert_eq!(full[0].request_headers.len(), 2);
}

#[tokio::test]
async fn only_old_exchanges_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let limits = Retention {
        age: Duration::from_secs(100),
        bytes: 5_000,
        count: 6,
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock, limits);
    let mut key_lock = ledger.key_lock(&key()).await.unwrap();
    let nonce = next_nonce(&mut key_lock, START).await.unwrap();
    let prune = async || {
        ledger
            .run(|store| {
                thread::prune(store);
                Ok(())
            })
            .await
            .unwrap();
        let left = ledger
            .log(LogQuery {
                limit: 100,
                ..LogQuery::default()
            })
            .await
            .unwrap();
        left.iter()
            .map(|exchange| exchange.id.0)
            .collect::<Vec<_>>()
    };
    for _ in 0..10 {
        record(&ledger, exchange("https://api.example/")).await;
    }
    assert_eq!(prune().await, [10, 9, 8, 7, 6, 5], "count");
    let mut large = exchange("https://api.example/");
    large.response_body.text = "y".repeat(4_000);
    large.at = START.plus(Duration::from_secs(50));
    record(&ledger, large).await;
    assert_eq!(prune().await, [11, 10, 9], "bytes");
    hand.advance(Duration::from_secs(101));
    assert_eq!(prune().await, [11], "age");
    hand.advance(Duration::from_secs(50));
    assert_eq!(prune().await, [0; 0], "age");
    assert_eq!(next_nonce(&mut key_lock, START).await, Ok(nonce + 1));
}

#[tokio::test]
async fn much_is_dropped_in_small_steps_between_which_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Retention {
        count: 10,
        ..Retention::default()
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock().0, limits);
    record(&ledger, exchange("https://api.example/")).await;
    let file = Connection::open(folder.path().join("ledger.db")).unwrap();
    file.execute_batch(
        "CREATE TEMP TABLE one AS SELECT * FROM exchanges;
         UPDATE one SET id = NULL;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO exchanges SELECT one.* FROM one, n",
    )
    .unwrap();
    let count = |file: &Connection| {
        file.query_row("SELECT count(*) FROM exchanges", (), |row| {
            row.get::<_, i64>(0)
        })
    };
    let step = ledger.run(move |store| {
        thread::prune(store);
        store.read(count)
    });
    let left = step.await.unwrap();
    assert!((1_977..3_001).contains(&left), "{left} are left");
    // The rest follows by itself, and leaves time for this one to write.
    file.busy_timeout(Duration::from_secs(5)).unwrap();
    let mut written = 0;
    while count(&file).unwrap() > 10 {
        file.execute("UPDATE clock SET jumped_at = NULL", ())
            .unwrap();
        written += 1;
        tokio::task::yield_now().await;
    }
    assert!(written > 1, "{written}");
}

#[tokio::test]
async fn exchanges_are_dropped_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Retention {
        count: 6,
        ..Retention::default()
    };
    let ledger = Sqlite::start(folder.path().to_owned(), clock().0, limits);
    for _ in 0..1_100 {
        record(&ledger, exchange("https://x.example")).await;
    }
    let all = LogQuery {
        limit: 2_000,
        ..LogQuery::default()
    };
    assert!(ledger.log(all).await.unwrap().len() < 6 + 512);
}

#[tokio::test]
async fn an_observation_is_kept_only_where_something_changed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let mut kept = Vec::new();
    for (state, amount) in [
        ("NEW", "0.01"),
        ("NEW", "0.01"),
        ("ACTIVE", "0.01"),
        ("ACTIVE", "0.010"),
        ("ACTIVE", "0.02"),
        ("NEW", "0.02"),
    ] {
        let seen = observation(state, amount, kept.len() as u64);
        kept.push(ledger.observe(&shop(), "live", &seen).await.unwrap());
    }
    assert_eq!(kept, [true, false, true, false, true, true]);
    let all = ledger.observations(of("live", "A-17")).await.unwrap();
    let states: Vec<_> = all.iter().map(|seen| seen.payment.state.as_str()).collect();
    assert_eq!(states, ["NEW", "ACTIVE", "ACTIVE", "NEW"]);
    assert_eq!(ledger.observations(of("other", "A-17")).await, Ok(vec![]));
}

fn of(profile: &str, id: &str) -> PaymentKey {
    PaymentKey {
        profile: profile.into(),
        account: shop(),
        id: PaymentId::new(id).unwrap(),
    }
}

#[tokio::test]
async fn watches_and_verdicts_are_kept_by_profile() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let watch = |id: &str, since| Watch {
        account: shop(),
        id: PaymentId::new(id).unwrap(),
        expected: None,
        since: WallTime(since),
    };
    for row in [watch("A", 1), watch("B", 2), watch("A", 9)] {
        ledger.watch("live", &row).await.unwrap();
    }
    let all = [watch("A", 1), watch("B", 2)];
    assert_eq!(ledger.watches("live").await.unwrap(), all);
    let unwatched = ledger.unwatch(of("live", all[0].id.as_str())).await;
    assert_eq!(unwatched, Ok(true));
    assert_eq!(ledger.watches("live").await.unwrap(), all[1..]);
    assert_eq!(ledger.watches("sandbox").await, Ok(vec![]));

    let recall = async || ledger.recall_credentials("live", &shop()).await.unwrap();
    assert_eq!(recall().await, CredentialStatus::Untested);
    let why = || "9000".to_owned();
    for status in [
        CredentialStatus::Good { at: START },
        CredentialStatus::Unreachable {
            at: START,
            why: why(),
        },
        CredentialStatus::Unverified {
            at: START,
            why: why(),
        },
        CredentialStatus::Refused {
            at: START,
            why: why(),
        },
    ] {
        ledger
            .remember_credentials("live", &shop(), &status)
            .await
            .unwrap();
        assert_eq!(recall().await, status);
    }
    let verifying = CredentialStatus::Verifying;
    ledger
        .remember_credentials("live", &shop(), &verifying)
        .await
        .unwrap();
    assert_eq!(
        recall().await,
        CredentialStatus::Refused {
            at: START,
            why: why()
        }
    );
}

#[tokio::test]
async fn an_expectation_outlives_its_watch_and_changes_only_with_a_yes() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let id = PaymentId::new("ORDER-łódź ✓/1").unwrap();
    let expects = |amount: &str, at| Expectation {
        sum: Expected {
            amount: Amount::typed(amount).unwrap(),
            currency: Currency::new("oPLN").unwrap(),
        },
        by: ExpectedBy::Link,
        at: WallTime(at),
        operator: String::new(),
    };
    let set = async |amount, at, replaced| {
        let new = expects(amount, at);
        let set = ledger.expect(of("live", id.as_str()), new, replaced).await;
        set.unwrap()
    };
    assert_eq!(set("249.00", 1, Replaced::Never).await, Ok(None));
    assert_eq!(
        set("249", 2, Replaced::Never).await,
        Ok(Some(expects("249.00", 1)))
    );
    assert_eq!(
        set("1", 3, Replaced::Never).await,
        Err(expects("249.00", 1))
    );
    let watched = Watch {
        account: shop(),
        id: id.clone(),
        expected: None,
        since: WallTime(4),
    };
    ledger.watch("live", &watched).await.unwrap();
    ledger.unwatch(of("live", id.as_str())).await.unwrap();
    ledger.watch("live", &watched).await.unwrap();
    let listed = ledger.watches("live").await.unwrap();
    assert_eq!(listed[0].expected, Some(expects("249.00", 1)));
    assert_eq!(
        set("1", 5, Replaced::Confirmed).await,
        Ok(Some(expects("249.00", 1)))
    );
    let all = ledger.expectations(of("live", id.as_str())).await.unwrap();
    assert_eq!(all, [expects("249.00", 1), expects("1", 5)]);
    let now = ledger.expectation(of("live", id.as_str())).await.unwrap();
    assert_eq!(now, Some(expects("1", 5)));
    assert_eq!(ledger.expectation(of("other", id.as_str())).await, Ok(None));
}

#[tokio::test]
async fn a_matter_stays_handled_until_its_mark_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    for at in [7, 9] {
        let marked = ledger.mark_handled("live", "payment A", Some(WallTime(at)));
        marked.await.unwrap();
    }
    let handled = ledger.handled("live").await.unwrap();
    assert_eq!(handled, [("payment A".to_owned(), WallTime(9))]);
    assert_eq!(ledger.handled("other").await, Ok(vec![]));
    ledger
        .mark_handled("live", "payment A", None)
        .await
        .unwrap();
    assert_eq!(ledger.handled("live").await, Ok(vec![]));
}
