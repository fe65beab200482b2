//! What is expected of payments, in a deck: set by links, never overwritten without a yes, shared by processes, and
//! compared with what providers send in any shape.

use tilldeck::deck::Deck;
use tilldeck::domain::{
    Amount, Currency, EstimateRequest, Expected, ExpectedBy, LinkRequest, NewExpectation, Payment,
    PaymentId, PaymentVerdict, ProblemKind, Replaced, TimelineEvent, WallTime, Watchlist,
};

use crate::deck::{how, open, shop};
use crate::payer::Payer;
use crate::peer::{Peer, json};
use crate::program::{Listener, Place, Ran, Served};

const FINALIZED: &str = r#"{"result":"ok","currency":"oPLN","amount":"1.00","state":"FINALIZED"}"#;

fn id(text: &str) -> PaymentId {
    PaymentId::new(text).unwrap()
}

fn sum(amount: &str, currency: &str) -> Expected {
    Expected {
        amount: Amount::typed(amount).unwrap(),
        currency: Currency::new(currency).unwrap(),
    }
}

fn link(payment: &str, amount: &str, replace_expectation: bool) -> LinkRequest {
    LinkRequest {
        id: id(payment),
        amount: Amount::typed(amount).unwrap(),
        currency: Currency::new("oPLN").unwrap(),
        name: None,
        email: None,
        force_currency: None,
        with_token: false,
        replace_expectation,
    }
}

async fn check(deck: &Deck, payment: &str) -> Payment {
    deck.check_payment(&shop(), &id(payment), how())
        .await
        .unwrap()
}

async fn verdict(deck: &Deck, payment: &str) -> PaymentVerdict {
    let expected = deck.expectation(&shop(), &id(payment)).await.unwrap();
    let seen = check(deck, payment).await;
    seen.verdict(expected.as_ref().map(|expected| &expected.sum))
}

#[tokio::test]
async fn a_link_sets_what_its_payment_is_compared_with() {
    let peer = Peer::start(vec![json(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    let deck = &bench.deck;
    assert_eq!(verdict(deck, "OTHER").await, PaymentVerdict::NotCompared);
    deck.link(&shop(), &link("A-17", "249.00", false), how())
        .await
        .unwrap();
    let expected = deck
        .expectation(&shop(), &id("A-17"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (expected.sum, expected.by),
        (sum("249", "oPLN"), ExpectedBy::Link)
    );
    assert_eq!(verdict(deck, "A-17").await, PaymentVerdict::Less);
}

#[tokio::test]
async fn a_link_for_an_id_that_expects_another_sum_is_refused_until_it_is_insisted_on() {
    let open_payment = FINALIZED.replace("FINALIZED", "ACTIVE");
    let peer = Peer::start(vec![json(&open_payment)]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    let deck = &bench.deck;
    let ask = async |amount, replace| {
        deck.link(&shop(), &link("A-17", amount, replace), how())
            .await
    };
    ask("249.00", false).await.unwrap();
    check(deck, "A-17").await;
    let refused = ask("1", false).await.unwrap_err();
    assert_eq!(refused.kind, ProblemKind::Usage);
    for said in [
        "shop",
        "A-17",
        "249.00 oPLN (set by a payment link)",
        "1 oPLN",
    ] {
        assert!(refused.message.contains(said), "{refused}");
    }
    ask("249", false)
        .await
        .expect("the same sum is no other one");
    ask("1", true).await.unwrap();
    let timeline = deck.timeline(&shop(), &id("A-17")).await.unwrap();
    let changes: Vec<String> = timeline
        .entries
        .iter()
        .filter_map(|happening| match &happening.what {
            TimelineEvent::Expected { old, new } => {
                let old = old
                    .as_ref()
                    .map_or("nothing".into(), |old| old.sum.to_string());
                Some(format!("{old} -> {}", new.sum))
            }
            _ => None,
        })
        .collect();
    assert_eq!(changes, ["nothing -> 249.00 oPLN", "249.00 oPLN -> 1 oPLN"]);
    assert_eq!(timeline.expected, Some(sum("1", "oPLN")));
}

#[tokio::test]
async fn a_link_for_a_payment_that_is_over_is_refused_even_if_it_is_insisted_on() {
    for state in ["FINALIZED", "CANCELED", "FAILED"] {
        let peer = Peer::start(vec![json(&FINALIZED.replace("FINALIZED", state))]);
        let place = Place::with_shop(&peer.url);
        let bench = open(&place, None).await;
        check(&bench.deck, "A-17").await;
        for insist in [false, true] {
            let refused = bench
                .deck
                .link(&shop(), &link("A-17", "1", insist), how())
                .await;
            let refused = refused.unwrap_err();
            assert!(refused.message.contains(state), "{refused}");
        }
        let expected = bench.deck.expectation(&shop(), &id("A-17")).await;
        assert_eq!(expected, Ok(None), "nothing was set");
    }
}

#[tokio::test]
async fn the_watch_list_and_expectations_outlive_a_deck_and_its_watch() {
    let peer = Peer::start(vec![json(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    let first = open(&place, None).await.deck;
    let set = async |deck: &Deck, amount, replaced| {
        let new = NewExpectation {
            sum: sum(amount, "oPLN"),
            by: ExpectedBy::Form,
            replaced,
        };
        deck.expect(&shop(), &id("A-17"), new).await.unwrap()
    };
    first.watch(&shop(), &id("A-17")).await.unwrap();
    assert_eq!(set(&first, "249", Replaced::Never).await, Ok(None));
    assert_eq!(first.unwatch(&shop(), &id("A-17")).await, Ok(true));
    first.close().await;

    let second = open(&place, None).await.deck;
    assert_eq!(second.watchlist().await.unwrap(), Watchlist::default());
    second.watch(&shop(), &id("A-17")).await.unwrap();
    let stays = set(&second, "1", Replaced::Never).await.unwrap_err();
    assert_eq!(stays.sum, sum("249", "oPLN"));
    let list = second.watchlist().await.unwrap();
    assert_eq!(list.watches[0].expected.as_ref(), Some(&stays));
}

#[tokio::test]
async fn another_process_sees_a_change_of_the_watch_list() {
    let peer = Peer::start(vec![json(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    let console = open(&place, None).await.deck;
    let command = open(&place, None).await.deck;
    let known = Watchlist::default();
    // Since when a clock that was ahead says that the alert is there.
    let ahead = WallTime(i64::MAX);
    let (now, ()) = tokio::join!(console.watchlist_after(&known), async {
        command.watch(&shop(), &id("ORDER-łódź ✓/1")).await.unwrap();
    });
    assert_eq!(now.watches[0].id.as_str(), "ORDER-łódź ✓/1");
    let (now, ()) = tokio::join!(console.watchlist_after(&now), async {
        let marked = command.mark_handled("a matter", true, Some(ahead));
        marked.await.unwrap();
    });
    assert_eq!(now.handled[0].at, ahead, "it is about that one");
}

#[tokio::test]
async fn the_embedded_sandbox_knows_what_its_payments_expect() {
    let place = Place::new();
    let deck = open(&place, None).await.deck;
    assert!(deck.forgets_payments());
    let account = tilldeck::domain::AccountId::new("kanga").unwrap();
    let expected = deck.expectation(&account, &id("ORDER-1006")).await.unwrap();
    let payment = deck.check_payment(&account, &id("ORDER-1006"), how()).await;
    let payment = payment.expect("it is one of the first payments");
    let verdict = payment.verdict(expected.as_ref().map(|expected| &expected.sum));
    assert_eq!(verdict, PaymentVerdict::Less);
    assert_eq!(deck.watchlist().await.unwrap().watches.len(), 8);
}

/// An amount that cannot be read, and what else may be odd in an answer, costs nothing that is said beside it.
#[tokio::test]
async fn a_state_is_shown_whatever_the_amount_looks_like() {
    let hundred = sum("100", "EMT");
    for (amount, shown, verdict) in [
        (r#""1E+2""#, "1E+2", PaymentVerdict::Paid),
        ("1e2", "1e2", PaymentVerdict::Paid),
        ("100.0", "100.0", PaymentVerdict::Paid),
        (r#""+100""#, "+100", PaymentVerdict::Paid),
        (r#""0E-8""#, "0E-8", PaymentVerdict::Less),
        ("1.2e-7", "1.2e-7", PaymentVerdict::Less),
        ("101", "101", PaymentVerdict::More),
        (r#""""#, "", PaymentVerdict::UnreadableAmount),
        ("null", "", PaymentVerdict::UnreadableAmount),
        (r#""1,000""#, "1,000", PaymentVerdict::UnreadableAmount),
        (r#""-100""#, "-100", PaymentVerdict::UnreadableAmount),
        ("[100]", "", PaymentVerdict::UnreadableAmount),
    ] {
        let body =
            format!(r#"{{"result":"ok","currency":"EMT","amount":{amount},"state":"FINALIZED"}}"#);
        let peer = Peer::start(vec![json(&body)]);
        let place = Place::with_shop(&peer.url);
        let bench = open(&place, None).await;
        let payment = check(&bench.deck, "A-17").await;
        assert_eq!(payment.state.as_str(), "FINALIZED", "{body}");
        assert_eq!(payment.verdict(Some(&hundred)), verdict, "{body}");
        assert_eq!(payment.amount.as_str(), shown, "{body}");
        let seen = bench.deck.observations(&shop(), &id("A-17")).await.unwrap();
        assert_eq!(seen[0].payment, payment, "the ledger has it as it came");
    }
    for missing in [
        r#"{"result":"ok","amount":"100","state":"FINALIZED"}"#,
        r#"{"result":"ok","currency":7,"amount":"100","state":"FINALIZED"}"#,
        r#"{"result":"ok","currency":"E M T","amount":"100","state":"FINALIZED"}"#,
    ] {
        let peer = Peer::start(vec![json(missing)]);
        let place = Place::with_shop(&peer.url);
        let bench = open(&place, None).await;
        let payment = check(&bench.deck, "A-17").await;
        assert_ne!(
            payment.verdict(Some(&hundred)).paid(),
            Some(true),
            "{missing}"
        );
    }
}

#[tokio::test]
async fn one_odd_price_does_not_hide_the_others() {
    let body = r#"{"BTC":"0.0015","DOGE":null,"ETH":"1.2E-7","E M T":"1","LTC":3,"XRP":"about 5"}"#;
    let peer = Peer::start(vec![json(body)]);
    let place = Place::with_shop(&peer.url);
    let bench = open(&place, None).await;
    let sum = EstimateRequest {
        token: Currency::new("EMT").unwrap(),
        quantity: Amount::typed("10").unwrap(),
    };
    let shop = shop();
    let estimate = bench
        .deck
        .send(&shop, how(), |client| client.estimate(&sum));
    let estimate = estimate.await.expect("prices are prices");
    let prices: Vec<(&str, &str, bool)> = estimate
        .prices
        .iter()
        .map(|price| {
            let read = price.amount.read().is_some() && price.currency.read().is_some();
            (price.currency.as_str(), price.amount.as_str(), read)
        })
        .collect();
    assert_eq!(
        prices,
        [
            ("BTC", "0.0015", true),
            ("DOGE", "", false),
            ("E M T", "1", false),
            ("ETH", "1.2E-7", true),
            ("LTC", "3", true),
            ("XRP", "about 5", false),
        ]
    );
}

/// The document sets no alphabet, and shops use their own: through link, payer's page, callback and check.
// docs/providers/kanga.md#payment-page
#[test]
fn an_id_of_national_letters_spaces_and_slashes_goes_all_the_way() {
    const ID: &str = "ORDER-łódź ✓/1";
    let serving = Place::new();
    let served = Served::start(&serving, &["--speed", "100"]);
    let place = Place::with_shop(&served.url);
    let secret = (
        "TEST_API_SECRET",
        "SANDBOX-KANGA-SECRET-THAT-PROTECTS-NOTHING",
    );
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let config = config.replace(crate::program::API_KEY, "SANDBOX-KANGA-KEY");
    std::fs::write(place.config_path(), config).unwrap();
    let run = |arguments: &[&str]| -> Ran {
        let mut command = place.command(arguments);
        Ran::of(command.env(secret.0, secret.1))
    };
    let linked = run(&["link", "--id", ID, "--amount", "20", "--currency", "EMT"]);
    assert_eq!(linked.code, 0, "{linked:?}");
    let mut payer = Payer::open(linked.out.trim());
    assert!(payer.page.contains(ID), "{}", payer.page);
    payer.submit("verify", &[("email", "payer@example.com")]);
    payer.submit("choose", &[("currency", "EMT")]);
    payer.submit("pay", &[]);
    let paid = run(&["check", ID, "--wait", "PAID", "--timeout", "20s", "--json"]);
    assert_eq!(paid.code, 0, "{paid:?}");
    let paid = paid.object();
    assert_eq!(
        (&paid["id"], &paid["verdict"]),
        (&ID.into(), &"paid".into())
    );
    let words = run(&["check", ID]);
    assert!(words.out.contains(ID), "{words:?}");
}

// docs/providers/kanga.md#callbacks
#[test]
fn a_callback_about_an_id_of_national_letters_is_received_and_checked() {
    let peer = Peer::start(vec![json(FINALIZED)]);
    let place = Place::with_shop(&peer.url);
    let listener = Listener::start(&place, &["--json"]);
    let target = "/callbacks/shop?transactionKey=ORDER-%C5%82%C3%B3d%C5%BA%20%E2%9C%93%2F1";
    assert_eq!(listener.post(target, "", "").0, 200);
    assert_eq!(listener.object()["payment"], "ORDER-łódź ✓/1");
    peer.wait_for("the check", |seen| !seen.is_empty());
    let body = &peer.requests()[0].body;
    assert!(body.contains("ORDER-łódź ✓/1"), "{body}");
}
