//! Callbacks: written together, each once, and what is to be done about them.

use super::*;
use crate::domain::{Delivery, DeliveryId, Duty, ErrandId, PlayerId, Standing, Subject, Verdict};

const LEASE: Duration = Duration::from_secs(30);

fn after(seconds: u64) -> WallTime {
    START.plus(Duration::from_secs(seconds))
}

fn payment(id: &str) -> Subject {
    Subject::Payment(PaymentId::new(id).unwrap())
}

fn errand(duty: Duty, at: WallTime) -> NewErrand {
    NewErrand {
        duty,
        target: match duty {
            Duty::Ask => String::new(),
            Duty::Forward | Duty::Relay => "http://127.0.0.1:3000/hook".into(),
        },
        at,
        taken_until: None,
    }
}

fn message(number: u64) -> Identity {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    Identity::Message(hash)
}

/// An accepted callback that nothing is to be done about.
fn new(number: u64) -> NewDelivery {
    NewDelivery {
        realm: "live".into(),
        account: "shop".into(),
        provider: "kinguin".into(),
        received_at: START,
        from: "203.0.113.7".into(),
        method: "POST".into(),
        verdict: Verdict::Accepted,
        why: "a signature".into(),
        kind: "payment changed".into(),
        subject: Some(payment("A-17")),
        identity: Some(message(number)),
        status: 200,
        bytes: 12,
        sealed: b"sealed bytes".to_vec(),
        errands: vec![],
    }
}

fn refused() -> NewDelivery {
    NewDelivery {
        verdict: Verdict::Refused,
        identity: None,
        subject: None,
        status: 403,
        ..new(0)
    }
}

/// A hint that something about a payment changed, which is to be asked for.
fn hint(about: u64, at: WallTime) -> NewDelivery {
    let Identity::Message(hash) = message(about) else {
        unreachable!()
    };
    NewDelivery {
        received_at: at,
        identity: Some(Identity::Subject(hash)),
        errands: vec![errand(Duty::Ask, at)],
        ..new(0)
    }
}

fn tried(standing: Standing) -> Tried {
    Tried {
        standing,
        at: after(1),
        told: "PROCESSING".into(),
        status: None,
        took: Some(Duration::from_millis(40)),
        settles: false,
        reply: None,
    }
}

fn all() -> DeliveryQuery {
    DeliveryQuery {
        limit: 100_000,
        ..DeliveryQuery::default()
    }
}

async fn kept(ledger: &Ledger) -> Vec<Delivery> {
    ledger.deliveries(all()).await.unwrap()
}

async fn take_due(ledger: &Ledger, now: WallTime) -> Vec<ErrandId> {
    let till = now.plus(LEASE);
    let taken = ledger.take_errands("live", &Duty::ALL, now, till, 10).await;
    taken.unwrap().into_iter().map(|(_, id)| id).collect()
}

/// What is done when nothing else is to be done.
async fn rest(ledger: &Ledger) {
    ledger.tell(super::super::deliveries::at_rest);
    ledger.flush().await;
}

/// How many transactions were committed since the log was last begun anew. A frame that ends one names the database's
/// size, the others have a zero there (<https://www.sqlite.org/fileformat2.html#wal_file_format>).
fn transactions(folder: &Path) -> usize {
    let wal = std::fs::read(folder.join("ledger.db-wal")).unwrap();
    let page = usize::try_from(u32::from_be_bytes(wal[8..12].try_into().unwrap())).unwrap();
    let frames = wal[32..].chunks(24 + page);
    frames
        .filter(|frame| frame[4..8] != [0; 4] && frame[8..16] == wal[16..24])
        .count()
}

#[tokio::test]
async fn what_comes_together_is_written_together_and_survives() {
    const COUNT: u64 = 700;
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    ledger.flush().await;
    let before = transactions(folder.path());
    // The thread is busy while they come.
    let (hold, until) = mpsc::channel::<()>();
    ledger.tell(move |_| assert!(until.recv().is_err()));
    let coming: Vec<_> = (0..COUNT)
        .map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.deliver(new(number)).await.unwrap() })
        })
        .collect();
    while ledger.0.incoming.len() < usize::try_from(COUNT).unwrap() {
        tokio::task::yield_now().await;
    }
    drop(hold);
    let mut given = Vec::new();
    for one in coming {
        given.push(one.await.unwrap());
    }
    assert_eq!(transactions(folder.path()) - before, 2, "512 and the rest");
    given.sort_by_key(|delivery| std::cmp::Reverse(delivery.id));
    close(ledger);
    assert_eq!(kept(&start(folder.path())).await, given, "as it was told");
}

#[tokio::test]
async fn a_message_is_acted_upon_once_in_whatever_process_it_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let processes = [start(folder.path()), start(folder.path())];
    let both = || NewDelivery {
        errands: vec![errand(Duty::Ask, START), errand(Duty::Forward, START)],
        ..new(1)
    };
    let mut coming = tokio::task::JoinSet::new();
    for number in 0..40 {
        let ledger = processes[number % 2].clone();
        coming.spawn(async move { ledger.deliver(both()).await.unwrap() });
    }
    let mut given = coming.join_all().await;
    given.sort_by_key(|delivery| delivery.attempt);
    let attempts: Vec<_> = given.iter().map(|delivery| delivery.attempt).collect();
    assert_eq!(attempts, (1..=40).collect::<Vec<_>>());
    assert_eq!(given[0].verdict, Verdict::Accepted);
    assert_eq!(given[0].errands.len(), 2);
    for repeat in &given[1..] {
        assert_eq!((repeat.verdict, repeat.errands.len()), (Verdict::Repeat, 0));
    }
    assert_eq!(kept(&processes[0]).await.len(), 40, "each is shown");
    let other = processes[0].deliver(new(2)).await.unwrap();
    assert_eq!((other.verdict, other.attempt), (Verdict::Accepted, 1));
    let junk = processes[0].deliver(refused()).await.unwrap();
    let again = processes[1].deliver(refused()).await.unwrap();
    assert_eq!((junk.attempt, again.attempt), (1, 1));
    assert_eq!(again.verdict, Verdict::Refused);
}

#[tokio::test]
async fn a_hint_is_a_repeat_while_it_is_to_be_asked_for_and_once_all_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let come = async |seconds| {
        let delivery = ledger.deliver(hint(1, after(seconds))).await.unwrap();
        (delivery.verdict, delivery.attempt)
    };
    assert_eq!(come(0).await, (Verdict::Accepted, 1));
    assert_eq!(come(1).await, (Verdict::Repeat, 2), "it waits to be asked");
    let first = take_due(&ledger, after(2)).await;
    assert_eq!(first.len(), 1);
    assert_eq!(
        come(3).await,
        (Verdict::Accepted, 3),
        "what is asked right now may be answered with what was so before"
    );
    assert_eq!(come(4).await, (Verdict::Repeat, 4));
    let later = Standing::Due { at: after(60) };
    let held = after(2).plus(LEASE);
    let put_off = ledger.tried_errand(first[0], held, tried(later));
    put_off.await.unwrap();
    assert_eq!(come(5).await, (Verdict::Repeat, 5), "it failed, and is due");
    let both = take_due(&ledger, after(6)).await;
    assert_eq!(both.len(), 2, "whatever it was to wait, this is news");
    let held = after(6).plus(LEASE);
    for (errand, standing) in both.into_iter().zip([Standing::Done, Standing::GivenUp]) {
        let settled = ledger.tried_errand(errand, held, tried(standing));
        settled.await.unwrap();
    }
    assert_eq!(come(71).await, (Verdict::Accepted, 6));
    let third = take_due(&ledger, after(72)).await;
    let settles = Tried {
        settles: true,
        ..tried(Standing::Done)
    };
    let held = after(72).plus(LEASE);
    ledger.tried_errand(third[0], held, settles).await.unwrap();
    assert_eq!(come(73).await, (Verdict::Repeat, 7), "nothing can change");
    let other = ledger.deliver(hint(2, after(74))).await.unwrap();
    assert_eq!(other.verdict, Verdict::Accepted);
    // That it could not be handed on yet is no reason not to ask.
    let mut forwarded = hint(3, after(75));
    forwarded.errands = vec![errand(Duty::Forward, after(75))];
    for _ in 0..2 {
        let delivery = ledger.deliver(forwarded.clone()).await.unwrap();
        assert_eq!(delivery.verdict, Verdict::Accepted);
    }
}

#[tokio::test]
async fn an_errand_is_in_one_hand_at_a_time_until_it_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = [start(folder.path()), start(folder.path())];
    assert_eq!(one.next_errand("live", &Duty::ALL).await, Ok(None));
    let with = |number, errands| NewDelivery {
        errands,
        ..new(number)
    };
    let in_hand = NewErrand {
        taken_until: Some(after(8)),
        ..errand(Duty::Forward, START)
    };
    let relayed = one.deliver(with(1, vec![in_hand])).await.unwrap();
    let late = one.deliver(with(2, vec![errand(Duty::Ask, START)]));
    let late = late.await.unwrap().errands[0].id;
    let soon = one.deliver(with(3, vec![errand(Duty::Forward, START)]));
    let soon = soon.await.unwrap().errands[0].id;
    let asks = one.take_errands("live", &[Duty::Ask], START, after(1), 9);
    let asks = asks.await.unwrap();
    assert!(asks.iter().map(|(_, id)| *id).eq([late]), "as is wanted");
    let forwards = one.take_errands("live", &[Duty::Forward], START, after(1), 9);
    assert_eq!(forwards.await.unwrap().len(), 1);
    for (errand, due) in [(late, 5), (soon, 2)] {
        let again = tried(Standing::Due { at: after(due) });
        one.tried_errand(errand, after(1), again).await.unwrap();
    }
    let mut elsewhere = with(4, vec![errand(Duty::Ask, START)]);
    elsewhere.realm = "sandbox 1".into();
    one.deliver(elsewhere).await.unwrap();

    assert_eq!(
        two.next_errand("live", &Duty::ALL).await,
        Ok(Some(after(2)))
    );
    assert_eq!(take_due(&two, after(1)).await, []);
    let first = two.take_errands("live", &Duty::ALL, after(6), after(36), 1);
    let first = first.await;
    let [(delivery, id)] = &first.unwrap()[..] else {
        panic!()
    };
    assert_eq!((delivery.errands[0].id, *id), (soon, soon), "longest due");
    assert_eq!(take_due(&one, after(6)).await, [late]);
    assert_eq!(take_due(&two, after(7)).await, [], "all are in hand");
    assert_eq!(
        one.next_errand("live", &Duty::ALL).await,
        Ok(Some(after(8)))
    );
    assert_eq!(take_due(&one, after(8)).await, [relayed.errands[0].id]);
    assert_eq!(
        take_due(&two, after(36)).await,
        [late, soon],
        "whoever had them has died"
    );

    let failed = Tried {
        told: "HTTP 500".into(),
        status: Some(500),
        reply: Some(b"sorry".to_vec()),
        ..tried(Standing::Due { at: after(50) })
    };
    let held = after(36).plus(LEASE);
    let delivery = two.tried_errand(soon, held, failed.clone()).await.unwrap();
    let errand = &delivery.errands[0];
    assert_eq!(errand.standing, Standing::Due { at: after(50) });
    assert_eq!((errand.tries, errand.status), (2, Some(500)));
    assert_eq!(errand.tried_at, Some(after(1)));
    assert_eq!(errand.took, Some(Duration::from_millis(40)));
    assert_eq!(
        take_due(&one, after(50)).await,
        [relayed.errands[0].id, soon]
    );
    let held = after(50).plus(LEASE);
    let done = one.tried_errand(soon, held, tried(Standing::Done));
    let delivery = done.await.unwrap();
    assert_eq!(delivery.errands[0].standing, Standing::Done);
    assert_eq!(delivery.errands[0].tries, 3);
    for held_until in [held, after(36)] {
        let late = two.tried_errand(soon, held_until, failed.clone());
        assert_eq!(late.await.unwrap(), delivery, "it is done already");
    }
    assert_eq!(delivery.errands[0].told, "PROCESSING");
    assert_eq!(one.delivery(delivery.id).await, Ok(Some(delivery.clone())));
    let parts = SealedParts {
        request: b"sealed bytes".to_vec(),
        replies: vec![(soon, b"sorry".to_vec())],
    };
    assert_eq!(one.sealed(delivery.id).await, Ok(Some(parts)));
    let said = FirstReply {
        sealed: Some(b"sorry".to_vec()),
        awaited: false,
    };
    assert_eq!(one.first_reply(message(3)).await, Ok(said));
    assert_eq!(one.first_reply(message(2)).await, Ok(FirstReply::default()));
    close(one);
    close(two);
    let later = take_due(&start(folder.path()), after(100)).await;
    assert_eq!(later, [late, relayed.errands[0].id], "after a restart too");
}

#[tokio::test]
async fn by_hand_any_delivery_is_given_an_errand() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let junk = ledger.deliver(refused()).await.unwrap();
    let again = ledger
        .add_errand(junk.id, errand(Duty::Forward, after(3)))
        .await
        .unwrap();
    assert_eq!(again.errands.len(), 1);
    assert_eq!(take_due(&ledger, after(3)).await, [again.errands[0].id]);
    let missing = ledger.add_errand(DeliveryId(99), errand(Duty::Ask, START));
    assert_eq!(missing.await, Err(LedgerError::Gone));
    let missing = ledger.tried_errand(ErrandId(99), START, tried(Standing::Done));
    assert_eq!(missing.await, Err(LedgerError::Gone));
    assert_eq!(ledger.delivery(DeliveryId(99)).await, Ok(None));
    assert_eq!(ledger.sealed(DeliveryId(99)).await, Ok(None));
}

#[tokio::test]
async fn what_concerns_a_known_payment_is_done_before_what_anybody_may_have_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let account = AccountId::new("shop").unwrap();
    let about = |id: &str| PaymentId::new(id).unwrap();
    let watch = Watch {
        account: account.clone(),
        id: about("WATCHED"),
        expected: None,
        since: START,
    };
    ledger.watch("live", &watch).await.unwrap();
    let seen = Payment {
        id: about("SEEN"),
        currency: Currency::new("EMT").unwrap(),
        amount: Amount::received("1").unwrap(),
        state: PaymentState::New,
    };
    let seen = Observation {
        at: START,
        payment: seen,
    };
    ledger.observe(&account, "live", &seen).await.unwrap();
    let mut taken = Vec::new();
    for (number, id) in (0..).zip(["MADE-UP-1", "MADE-UP-2", "WATCHED", "MADE-UP-3", "SEEN"]) {
        let given = NewDelivery {
            subject: Some(payment(id)),
            ..hint(number, START)
        };
        ledger.deliver(given).await.unwrap();
    }
    for _ in 0..5 {
        let now = after(1);
        let one = ledger.take_errands("live", &[Duty::Ask], now, now.plus(LEASE), 1);
        let (delivery, _) = one.await.unwrap().remove(0);
        taken.push(delivery.subject.unwrap().to_string());
    }
    assert_eq!(
        taken,
        ["WATCHED", "SEEN", "MADE-UP-1", "MADE-UP-2", "MADE-UP-3"]
    );
}

#[tokio::test]
async fn what_nobody_is_left_to_do_is_given_up_elsewhere_and_long_due_only() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    for (number, realm, due) in [
        (0, "sandbox 1", 1),
        (1, "sandbox 2", 9),
        (2, "live", 1),
        (3, "my sandbox ", 1),
    ] {
        let given = NewDelivery {
            realm: realm.into(),
            errands: vec![errand(Duty::Ask, after(due))],
            ..new(number)
        };
        ledger.deliver(given).await.unwrap();
    }
    ledger.forsake_errands("sandbox ", after(5)).await.unwrap();
    let standings = kept(&ledger).await;
    let open = standings
        .iter()
        .rev()
        .map(|delivery| delivery.errands[0].standing != Standing::GivenUp);
    assert!(open.eq([false, true, true, true]), "{standings:?}");
}

#[tokio::test]
async fn deliveries_are_paged_and_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    for number in 0..8 {
        let mut given = NewDelivery {
            received_at: after(number),
            ..new(number)
        };
        match number {
            2 => given.account = "other".into(),
            3 => given.realm = "sandbox 1".into(),
            4 => given.subject = Some(Subject::Player(PlayerId(u64::MAX))),
            5 => given.subject = Some(payment("'; DROP TABLE deliveries; --")),
            6 => given.subject = None,
            _ => {}
        }
        let kept = ledger.deliver(given.clone()).await.unwrap();
        assert_eq!(ledger.delivery(kept.id).await.unwrap().unwrap(), kept);
        assert_eq!(kept.subject, given.subject);
    }
    let ids = async |query| -> Vec<i64> {
        let found = ledger.deliveries(query).await.unwrap();
        found.iter().map(|delivery| delivery.id.0).collect()
    };
    let about = |subject| DeliveryQuery {
        subject: Some(subject),
        ..all()
    };
    for (query, expected) in [
        (DeliveryQuery::default(), &[][..]),
        (all(), &[8, 7, 6, 5, 4, 3, 2, 1]),
        (
            DeliveryQuery {
                realm: Some("live".into()),
                before: Some(DeliveryId(6)),
                limit: 3,
                ..all()
            },
            &[5, 3, 2],
        ),
        (
            DeliveryQuery {
                after: Some(DeliveryId(2)),
                limit: 2,
                ..all()
            },
            &[4, 3],
        ),
        (
            DeliveryQuery {
                since: Some(after(6)),
                ..all()
            },
            &[8, 7],
        ),
        (
            DeliveryQuery {
                account: Some("other".into()),
                ..all()
            },
            &[3],
        ),
        (about(Subject::Player(PlayerId(u64::MAX))), &[5]),
        (about(payment("'; DROP TABLE deliveries; --")), &[6]),
        (about(payment("A-17")), &[8, 4, 3, 2, 1]),
    ] {
        assert_eq!(ids(query.clone()).await, expected, "{query:?}");
    }
}

#[tokio::test]
async fn each_kind_is_dropped_by_itself_and_what_is_due_never() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = clock();
    let limits = Retention {
        age: Duration::from_secs(100),
        bytes: 4 << 20,
        count: 80,
    };
    let ledger = Ledger::start(folder.path().to_owned(), clock.clone(), limits);
    let count = async |verdict| {
        let kept = kept(&ledger).await.into_iter();
        kept.filter(|delivery| delivery.verdict == verdict).count()
    };
    let due = NewDelivery {
        errands: vec![errand(Duty::Ask, START)],
        ..new(1_000)
    };
    let due = ledger.deliver(due).await.unwrap();
    for number in 0..100 {
        ledger.deliver(new(number)).await.unwrap();
    }
    assert_eq!(count(Verdict::Accepted).await, 1 + 81, "and the newest");
    let mut coming = tokio::task::JoinSet::new();
    for number in 0..1_300 {
        let ledger = ledger.clone();
        let again = if number % 2 == 0 { refused() } else { new(99) };
        coming.spawn(async move { ledger.deliver(again).await.unwrap() });
    }
    coming.join_all().await;
    rest(&ledger).await;
    assert_eq!(count(Verdict::Accepted).await, 1 + 80, "not pushed out");
    assert!(count(Verdict::Repeat).await <= 10);
    assert_eq!(count(Verdict::Refused).await, 650, "up to a thousand");

    // What anybody can send has an eighth of the bytes, too.
    for _ in 0..8 {
        let large = NewDelivery {
            sealed: vec![0; 200_000],
            ..refused()
        };
        ledger.deliver(large).await.unwrap();
    }
    rest(&ledger).await;
    assert_eq!(count(Verdict::Refused).await, 2);

    hand.advance(Duration::from_secs(101));
    rest(&ledger).await;
    let left = kept(&ledger).await;
    assert_eq!(left, std::slice::from_ref(&due), "an errand is due");
    let known = async |number| {
        let come = NewDelivery {
            received_at: clock.now().wall,
            ..new(number)
        };
        ledger.deliver(come).await.unwrap().verdict
    };
    assert_eq!(known(1_000).await, Verdict::Repeat);
    assert_eq!(known(5).await, Verdict::Accepted, "long forgotten");
    let now = clock.now().wall;
    let id = due.errands[0].id;
    assert_eq!(take_due(&ledger, now).await, [id]);
    let done = ledger.tried_errand(id, now.plus(LEASE), tried(Standing::Done));
    done.await.unwrap();
    known(6).await;
    assert_eq!(ledger.delivery(due.id).await, Ok(None));
    let left: i64 = ledger
        .ask(|store| {
            store.read(|conn| conn.query_row("SELECT count(*) FROM errands", [], |row| row.get(0)))
        })
        .await
        .unwrap();
    assert_eq!(left, 0, "with the delivery");
}

#[tokio::test]
async fn what_waits_to_be_acted_upon_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Retention {
        count: 2,
        ..Retention::default()
    };
    let ledger = Ledger::start(folder.path().to_owned(), clock().0, limits);
    let hint = |number, account: &str| NewDelivery {
        account: account.into(),
        ..hint(number, START)
    };
    let accounts = ["flooded", "one", "two", "three"];
    for (number, account) in (0..).zip(accounts) {
        for number in [2 * number, 2 * number + 1] {
            ledger.deliver(hint(number, account)).await.unwrap();
        }
        let refused = ledger.deliver(hint(8, account)).await;
        assert!(matches!(refused, Err(LedgerError::NotKept(_))), "a quarter");
    }
    let refused = ledger.deliver(hint(8, "four")).await;
    assert!(matches!(refused, Err(LedgerError::NotKept(_))), "all");
    let nothing_to_do = NewDelivery {
        errands: vec![],
        ..hint(9, "four")
    };
    ledger.deliver(nothing_to_do).await.unwrap();
    let first = take_due(&ledger, START).await[0];
    let done = ledger.tried_errand(first, START.plus(LEASE), tried(Standing::Done));
    done.await.unwrap();
    let room = ledger.deliver(hint(8, "flooded")).await.unwrap();
    assert_eq!(room.attempt, 1, "what was refused does not count");
}

#[tokio::test]
async fn a_flood_of_one_account_pushes_out_nothing_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Retention {
        count: 20,
        ..Retention::default()
    };
    let ledger = Ledger::start(folder.path().to_owned(), clock().0, limits);
    let order = NewDelivery {
        account: "orders".into(),
        errands: vec![errand(Duty::Relay, START)],
        ..new(9_999)
    };
    let first = ledger.deliver(order.clone()).await.unwrap();
    let taken = take_due(&ledger, START).await;
    let done = ledger.tried_errand(taken[0], START.plus(LEASE), tried(Standing::Done));
    done.await.unwrap();
    for number in 0..300 {
        ledger.deliver(new(number)).await.unwrap();
    }
    rest(&ledger).await;
    assert_eq!(kept(&ledger).await.len(), 20);
    assert!(ledger.delivery(first.id).await.unwrap().is_some());
    let forgotten = ledger.deliver(new(0)).await.unwrap();
    assert_eq!(forgotten.verdict, Verdict::Accepted);
    let again = ledger.deliver(order).await.unwrap();
    assert_eq!(again.verdict, Verdict::Repeat, "goods are not given twice");
}

#[tokio::test]
async fn the_shop_is_told_of_every_change_whatever_our_own_question_does() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let come = async |seconds, target: &str| {
        let at = after(seconds);
        let mut given = hint(1, at);
        given.errands.push(NewErrand {
            target: target.into(),
            ..errand(Duty::Forward, at)
        });
        let kept = ledger.deliver(given).await.unwrap();
        let duties: Vec<_> = kept.errands.iter().map(|errand| errand.duty).collect();
        (kept.verdict, duties)
    };
    let (one, other) = ("http://127.0.0.1:3000/hook", "http://127.0.0.1:3001/hook");
    let both = vec![Duty::Ask, Duty::Forward];
    let only = vec![Duty::Forward];
    assert_eq!(come(0, one).await, (Verdict::Accepted, both.clone()));
    assert_eq!(come(1, one).await, (Verdict::Repeat, vec![]), "both wait");
    assert_eq!(come(2, other).await, (Verdict::Repeat, only.clone()));
    let held = after(3).plus(LEASE);
    let forwards = ledger.take_errands("live", &[Duty::Forward], after(3), held, 1);
    let [(_, forward)] = forwards.await.unwrap()[..] else {
        panic!()
    };
    assert_eq!(
        come(3, one).await,
        (Verdict::Repeat, only.clone()),
        "the shop may have answered already"
    );
    assert_eq!(come(4, one).await, (Verdict::Repeat, vec![]));
    let again = tried(Standing::Due { at: after(600) });
    ledger.tried_errand(forward, held, again).await.unwrap();
    for id in take_due(&ledger, after(5)).await {
        let settles = Tried {
            settles: true,
            ..tried(Standing::Done)
        };
        let held = after(5).plus(LEASE);
        ledger.tried_errand(id, held, settles).await.unwrap();
    }
    assert_eq!(
        come(6, one).await,
        (Verdict::Repeat, only),
        "one that failed is of the change before"
    );
}

#[tokio::test]
async fn a_clock_that_is_set_back_puts_nothing_off() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    let noon = after(12 * 3600);
    for number in 0..2 {
        let given = NewDelivery {
            errands: vec![errand(Duty::Ask, noon)],
            ..new(number)
        };
        ledger.deliver(given).await.unwrap();
    }
    let held = noon.plus(LEASE);
    let first = ledger.take_errands("live", &Duty::ALL, noon, held, 1);
    let tried_once = first.await.unwrap()[0].1;
    let at = noon.plus(Duration::from_mins(10));
    let again = tried(Standing::Due { at });
    ledger.tried_errand(tried_once, held, again).await.unwrap();
    let untried = take_due(&ledger, after(12 * 3600 - 1800)).await;
    assert_eq!(untried.len(), 1, "it was never tried");
    assert_ne!(untried[0], tried_once);
    let back = after(11 * 3600);
    assert_eq!(
        take_due(&ledger, back).await,
        [tried_once],
        "no wait is so long"
    );
}

#[tokio::test]
async fn nobody_waits_for_a_thread_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = start(folder.path());
    ledger.deliver(new(1)).await.unwrap();
    let (hold, until) = mpsc::channel::<()>();
    ledger.tell(move |_| {
        let _ = until.recv();
        panic!("the ledger's thread ends");
    });
    let waiting = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.deliver(new(2)).await }
    });
    while ledger.0.incoming.len() == 0 {
        tokio::task::yield_now().await;
    }
    drop(hold);
    let stopped = Err(LedgerError::Stopped);
    assert_eq!(waiting.await.unwrap(), stopped);
    for number in 3..5 {
        assert_eq!(ledger.deliver(new(number)).await, stopped);
    }
    assert!(matches!(ledger.status().await, Status::Degraded { .. }));
}

#[tokio::test]
async fn what_cannot_be_kept_is_never_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken");
    std::fs::write(&path, "a file").unwrap();
    let nowhere = start(&path);
    let refused = nowhere.deliver(new(1)).await;
    assert!(matches!(&refused, Err(LedgerError::NotKept(why)) if why.contains("taken")));
    assert_eq!(kept(&nowhere).await, [], "nor shown");

    let ledger = start(folder.path());
    fill_disk(&ledger, true).await;
    let large = |number| NewDelivery {
        sealed: vec![0; 200_000],
        ..new(number)
    };
    let (one, two) = tokio::join!(ledger.deliver(large(1)), ledger.deliver(large(2)));
    for refused in [one, two] {
        assert!(matches!(&refused, Err(LedgerError::NotKept(why)) if why.contains("full")));
    }
    assert!(matches!(ledger.status().await, Status::Degraded { .. }));
    fill_disk(&ledger, false).await;
    let delivery = ledger.deliver(large(1)).await.unwrap();
    let first = (Verdict::Accepted, 1);
    assert_eq!(
        (delivery.verdict, delivery.attempt),
        first,
        "it was not kept"
    );
    assert_eq!(ledger.status().await, Status::Ready);
}

#[tokio::test]
async fn what_is_still_to_be_done_survives_the_removal_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = [start(folder.path()), start(folder.path())];
    one.deliver(new(1)).await.unwrap();
    let due = one.deliver(hint(2, START)).await.unwrap();
    kept(&two).await;
    std::fs::remove_file(folder.path().join("ledger.db")).unwrap();
    let fresh = one.deliver(new(3)).await.unwrap();
    assert!(fresh.id > due.id, "no number has two meanings");
    let also = two.deliver(new(1)).await.unwrap();
    assert_eq!(also.verdict, Verdict::Repeat, "it came before");
    let expected = [also, fresh, due.clone()];
    assert_eq!(kept(&one).await, expected);
    assert_eq!(kept(&two).await, expected, "brought once");
    assert_eq!(take_due(&two, START).await, [due.errands[0].id]);
    let repeat = one.deliver(hint(2, after(40))).await.unwrap();
    assert_eq!((repeat.verdict, repeat.attempt), (Verdict::Repeat, 2));
}
