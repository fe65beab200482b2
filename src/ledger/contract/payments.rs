//! Observations, watches, expectations, handled marks.

use std::time::Duration;

use super::Bench;
use super::fixtures::*;
use crate::domain::{
    Amount, Currency, Expectation, Expected, ExpectedBy, Handled, Mark, Note, Observation,
    PaymentId, Replaced, WallTime, Watch,
};
use crate::ledger::{ProfileApis, Unwatched};

pub async fn an_observation_is_saved_only_where_something_changed(bench: Bench) {
    let ledger = bench.process(&at_start());
    let mut saved = Vec::new();
    for (state, amount) in [
        ("NEW", "0.01"),
        ("NEW", "0.01"),
        ("ACTIVE", "0.01"),
        ("ACTIVE", "0.010"),
        ("ACTIVE", "0.02"),
        ("NEW", "0.02"),
    ] {
        let seen = observation(state, amount, saved.len() as u64);
        saved.push(ledger.observe(&shop(), ("live", API), &seen).await.unwrap());
    }
    assert_eq!(saved, [true, false, true, false, true, true]);
    let all = ledger
        .observations(of("live", "A-17"), API.into())
        .await
        .unwrap();
    let states: Vec<_> = all.iter().map(|seen| seen.payment.state.as_str()).collect();
    assert_eq!(states, ["NEW", "ACTIVE", "ACTIVE", "NEW"]);
    let last = ledger
        .last_observation(of("live", "A-17"), Some(API.into()))
        .await
        .unwrap();
    assert_eq!(last.as_ref(), all.last());
    assert_eq!(
        ledger.observations(of("other", "A-17"), API.into()).await,
        Ok(vec![])
    );
}

pub async fn an_older_answer_that_is_saved_later_opens_no_final_payment(bench: Bench) {
    let ledger = bench.process(&at_start());
    let mut saved = Vec::new();
    for (state, after) in [
        ("FINALIZED", 100),
        ("PROCESSING", 99),
        ("CANCELED", 99),
        // Later, or of a clock that was set back: the provider contradicts itself.
        ("CANCELED", 40),
        ("PROCESSING", 39),
        ("FINALIZED", 39),
        ("PROCESSING", 40),
    ] {
        let seen = observation(state, "0.01", after);
        saved.push(ledger.observe(&shop(), ("live", API), &seen).await.unwrap());
    }
    assert_eq!(saved, [true, false, false, true, false, true, true]);
}

pub async fn what_another_host_of_the_account_reported_is_not_read(bench: Bench) {
    let ledger = bench.process(&at_start());
    let (test, real) = ("http://127.0.0.1:9000", API);
    let id = PaymentId::new("A-17").unwrap();
    let see = async |api, state, after| {
        let seen = observation(state, "0.01", after);
        let saved = ledger.observe(&shop(), ("live", api), &seen).await;
        saved.unwrap()
    };
    let look = async |api: &str| {
        let (of, apis) = (of("live", "A-17"), || apis("live", api));
        let all = ledger.observations(of.clone(), api.into()).await.unwrap();
        let last = ledger.last_observation(of, Some(api.into())).await.unwrap();
        assert_eq!(last.as_ref(), all.last());
        let listed = ledger.unwatched(apis()).await.unwrap();
        assert_eq!((listed.len(), &listed[0].last), (1, &last));
        ledger
            .watch("live", &Watch::new(shop(), id.clone(), START))
            .await
            .unwrap();
        let watched = ledger.watched_observations(apis()).await.unwrap();
        ledger
            .unwatch(super::fixtures::of("live", "A-17"))
            .await
            .unwrap();
        let (_, news) = ledger.observations_after(apis(), Some(0), 9).await.unwrap();
        for found in [watched, news] {
            let found: Vec<_> = found.into_iter().map(|(_, seen)| seen).collect();
            assert_eq!(found, all);
        }
        let all = all.iter();
        all.map(|seen| {
            (
                seen.payment.state.to_string(),
                seen.at.since(START).as_secs(),
            )
        })
        .collect::<Vec<_>>()
    };
    assert!(see(test, "FINALIZED", 1).await);
    assert_eq!(look(real).await, []);
    assert!(see(real, "ACTIVE", 2).await);
    assert!(!see(test, "FINALIZED", 3).await);
    assert_eq!(look(real).await, [("ACTIVE".into(), 2)]);
    assert!(see(real, "FINALIZED", 4).await, "not what the other said");
    assert_eq!(look(test).await, [("FINALIZED".into(), 1)]);
    // The host has moved: what is still so is no news.
    assert!(!see("https://proxy.example", "FINALIZED", 5).await);
    assert_eq!(
        look("https://proxy.example").await,
        [("FINALIZED".into(), 4)]
    );
    // An account that is not configured has no other host.
    let any = ledger
        .last_observation(of("live", "A-17"), None)
        .await
        .unwrap();
    assert_eq!(any.unwrap().payment.state.as_str(), "FINALIZED");
    let all = ProfileApis {
        profile: "live".into(),
        ..ProfileApis::default()
    };
    let (_, news) = ledger.observations_after(all, Some(0), 9).await.unwrap();
    assert_eq!(news.len(), 4);
}

pub async fn watches_are_kept_by_profile(bench: Bench) {
    let ledger = bench.process(&at_start());
    let watch = |id: &str, since| Watch {
        operator: bench.operator(),
        ..Watch::new(shop(), PaymentId::new(id).unwrap(), WallTime(since))
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
}

pub async fn payments_that_were_checked_and_are_not_watched_are_listed_newest_change_first(
    bench: Bench,
) {
    let ledger = bench.process(&at_start());
    let see = async |profile: &str, id: &str, state: &str, after| {
        let mut seen = observation(state, "0.01", after);
        seen.payment.id = PaymentId::new(id).unwrap();
        ledger
            .observe(&shop(), (profile, API), &seen)
            .await
            .unwrap();
        seen
    };
    let expected = Expectation {
        sum: Expected {
            amount: Amount::typed("0.01").unwrap(),
            currency: Currency::new("BTC").unwrap(),
        },
        by: ExpectedBy::Link,
        at: WallTime(1),
        operator: bench.operator(),
    };
    see("live", "A", "NEW", 1).await;
    let b = see("live", "B", "ACTIVE", 2).await;
    let a = see("live", "A", "FINALIZED", 3).await;
    let c = see("live", "C", "NEW", 4).await;
    see("test", "D", "NEW", 5).await;
    let set = ledger.expect(of("live", "A"), expected.clone(), Replaced::Never);
    set.await.unwrap().unwrap();
    let watched = Watch::new(shop(), PaymentId::new("C").unwrap(), WallTime(1));
    ledger.watch("live", &watched).await.unwrap();
    let seen = vec![(shop(), c), (shop(), see("live", "C", "ACTIVE", 6).await)];
    assert_eq!(
        ledger.watched_observations(apis("live", API)).await,
        Ok(seen)
    );
    let unwatched = |last: Observation, expected| Unwatched {
        account: shop(),
        id: last.payment.id.clone(),
        last: Some(last),
        expected,
        note: None,
    };
    let others = [unwatched(a, Some(expected)), unwatched(b, None)];
    assert_eq!(ledger.unwatched(apis("live", API)).await.unwrap(), others);
    ledger.unwatch(of("live", "C")).await.unwrap();
    let all = ledger.unwatched(apis("live", API)).await.unwrap();
    assert_eq!(all[0].id, watched.id);
    assert_eq!(all[1..], others);
}

pub async fn an_expectation_outlives_its_watch_and_changes_only_with_a_yes(bench: Bench) {
    let ledger = bench.process(&at_start());
    let id = PaymentId::new("ORDER-łódź ✓/1").unwrap();
    let expects = |amount: &str, at| Expectation {
        sum: Expected {
            amount: Amount::typed(amount).unwrap(),
            currency: Currency::new("oPLN").unwrap(),
        },
        by: ExpectedBy::Link,
        at: WallTime(at),
        operator: bench.operator(),
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
    let watched = Watch::new(shop(), id.clone(), WallTime(4));
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

pub async fn an_alert_stays_handled_until_it_is_unmarked_and_both_are_remembered(bench: Bench) {
    let ledger = bench.process(&at_start());
    let mark = |at, handled| Mark {
        alert: "payment A".to_owned(),
        at: WallTime(at),
        handled,
        operator: bench.operator(),
    };
    let marks = [mark(7, true), mark(9, true), mark(11, false)];
    for mark in &marks[..2] {
        ledger.mark_handled("live", mark.clone()).await.unwrap();
    }
    let handled = ledger.handled("live").await.unwrap();
    let marked = Handled {
        alert: "payment A".to_owned(),
        at: WallTime(9),
        operator: bench.operator(),
    };
    assert_eq!(handled, [marked]);
    assert_eq!(ledger.handled("other").await, Ok(vec![]));
    let unmarked = ledger.mark_handled("live", marks[2].clone());
    unmarked.await.unwrap();
    assert_eq!(ledger.handled("live").await, Ok(vec![]));
    let other = Mark {
        alert: "payment B".to_owned(),
        ..mark(8, true)
    };
    ledger.mark_handled("live", other.clone()).await.unwrap();
    let of = async |profile: &str, alerts: &[&str]| {
        let alerts = alerts.iter().map(|&alert| alert.to_owned()).collect();
        ledger.marks(profile, alerts).await.unwrap()
    };
    assert_eq!(of("live", &["payment A"]).await, marks);
    let [first, second, third] = marks;
    let both = of("live", &["payment A", "payment B"]).await;
    assert_eq!(both, [first, other, second, third]);
    assert_eq!(of("other", &["payment A"]).await, []);
}

pub async fn notes_outlive_the_watch_and_the_newest_is_listed_with_it(bench: Bench) {
    let ledger = bench.process(&at_start());
    let note = |text: &str, at| Note {
        text: text.to_owned(),
        at: WallTime(at),
        operator: bench.operator(),
    };
    let watched = Watch::new(shop(), PaymentId::new("A-17").unwrap(), WallTime(1));
    ledger.watch("live", &watched).await.unwrap();
    assert_eq!(ledger.watches("live").await.unwrap()[0].note, None);
    for (text, at) in [("refunded", 2), (HOSTILE, 3)] {
        let saved = ledger.note(of("live", "A-17"), text.to_owned(), WallTime(at));
        saved.await.unwrap();
    }
    let listed = ledger.watches("live").await.unwrap();
    assert_eq!(listed[0].note, Some(note(HOSTILE, 3)));
    ledger.unwatch(of("live", "A-17")).await.unwrap();
    let all = ledger.notes(of("live", "A-17")).await.unwrap();
    assert_eq!(all, [note("refunded", 2), note(HOSTILE, 3)]);
    assert_eq!(ledger.notes(of("other", "A-17")).await, Ok(vec![]));
    assert_eq!(ledger.notes(of("live", "A-1")).await, Ok(vec![]));
}

pub async fn hostile_words_come_back_as_they_were(bench: Bench) {
    let ledger = bench.process(&at_start());
    let state = observation(HOSTILE, "0.010", 0);
    assert_eq!(
        ledger.observe(&shop(), (HOSTILE, API), &state).await,
        Ok(true)
    );
    let back = ledger
        .observations(of(HOSTILE, "A-17"), API.into())
        .await
        .unwrap();
    assert_eq!(back, [state]);
}

pub async fn a_write_of_another_process_changes_the_data_version(bench: Bench) {
    let [one, two] = [(); 2].map(|()| bench.process(&at_start()));
    let before = one.data_version().await.unwrap();
    let mark = Mark {
        alert: "payment A".to_owned(),
        at: START,
        handled: true,
        operator: String::new(),
    };
    two.mark_handled("live", mark).await.unwrap();
    // A server tells its clients after the write.
    let changed = async {
        while one.data_version().await == Ok(before) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(MINUTE, changed).await.unwrap();
}
