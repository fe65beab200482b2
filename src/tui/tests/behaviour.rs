//! Keys and events in, effects out.

use std::time::Duration;

use super::*;
use crate::domain::simulate::{Command, Fault, PayerAct};
use crate::tui::msg::{NewWatch, Notice};

fn ready(watches: Vec<(Watch, Vec<Observation>)>) -> (Model, Vec<Effect>) {
    let mut model = sized(sandbox_setup(), 120, 40);
    let mut readiness = readiness(watches, Vec::new());
    readiness.verify = Vec::new();
    let effects = update(&mut model, second(0), Msg::Ready(readiness));
    (model, effects)
}

fn check_of(effects: &[Effect]) -> Option<(RequestId, bool)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Query {
            request,
            op: Op::CheckPayment(_),
            background,
            ..
        } => Some((*request, *background)),
        _ => None,
    })
}

fn open_payment() -> Vec<(Watch, Vec<Observation>)> {
    vec![(
        watch("A-17", Some("25.00")),
        seen("A-17", "25.00", &["NEW"]),
    )]
}

/// Fills in the link form and answers its request.
pub fn make_link(model: &mut Model, now: Now) -> Vec<Effect> {
    press(model, "<esc>LORDER-2000<tab>25.00<tab>EMT", now);
    let mut effects = press(model, "<enter>", now);
    let request = match effects.first() {
        Some(Effect::Query { request, .. }) => *request,
        other => panic!("{other:?}"),
    };
    let url = |token: &str| {
        format!(
            "http://127.0.0.1:41207/tpg/payment/8B2EFBECA2BEBB2C413BCFD7?currency=EMT&amount=25.00&transactionKey=ORDER-2000&paymentToken={token}"
        )
    };
    let link = PaymentLink {
        url: Secret::new(url("planted-token-xoLcXoC5spJA1PVZ")),
        shown: url("…"),
    };
    effects.extend(answer(model, now, request, Answer::Link(Ok(link))));
    effects
}

#[test]
fn a_ledger_that_cannot_be_read_is_not_shown_as_an_empty_one() {
    let mut model = sized(sandbox_setup(), 120, 40);
    let mut unread = readiness(Vec::new(), Vec::new());
    unread.is_unread = true;
    update(&mut model, second(0), Msg::Ready(unread));
    let empty = ["No payment is watched", "No requests yet"];
    let shown = screen(&model, second(0), 120, 40);
    assert!(empty.iter().all(|words| !shown.contains(words)), "{shown}");
    assert!(shown.contains("The list is not loaded"), "{shown}");
    press(&mut model, "7", second(0));
    let list = || Msg::Watchlist {
        list: Watchlist::default(),
        seen: Vec::new(),
    };
    update(&mut model, second(1), list());
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("The ledger cannot be read"), "{shown}");
    press(&mut model, "3", second(1));
    update(&mut model, second(1), Msg::Saved(msg::Saved::default()));
    let shown = screen(&model, second(1), 120, 40);
    assert!(empty.iter().all(|words| shown.contains(words)), "{shown}");
}

#[test]
fn what_the_ledger_has_is_shown_once_it_can_be_read_except_older_credentials() {
    let mut model = sized(live_setup(), 120, 40);
    let mut unread = readiness(Vec::new(), Vec::new());
    (unread.is_unread, unread.verify) = (true, Vec::new());
    update(&mut model, second(0), Msg::Ready(unread));
    let [shop, outlet] = ["shop", "outlet"].map(|name| AccountId::new(name).unwrap());
    model.store.judge(&outlet, Ok(()), second(2));
    let refused = || CredentialStatus {
        state: CredentialState::Refused,
        at: Some(second(1).wall),
        why: Some("the key is revoked".into()),
    };
    let saved = msg::Saved {
        credentials: vec![(shop.clone(), refused()), (outlet.clone(), refused())],
        deliveries: testing::received::deliveries(),
        ..msg::Saved::default()
    };
    let rows = saved.deliveries.len();
    update(&mut model, second(3), Msg::Saved(saved));
    assert_eq!(model.panes.callbacks.len(&model.store), rows);
    let status = |id| model.store.known(id).map(|known| known.status.state);
    assert_eq!(status(&outlet), Some(CredentialState::Valid));
    assert_eq!(status(&shop), Some(refused().state));
}

#[test]
fn c_asks_for_the_selected_payment_once() {
    let (mut model, effects) = ready(open_payment());
    let (first, background) = check_of(&effects).unwrap();
    assert!(background, "opening the console is no hurry");
    assert_eq!(press(&mut model, "c", second(0)), [], "one is under way");
    let still = Answer::Payment(Ok(payment("A-17", "25.00", "NEW")));
    answer(&mut model, second(1), first, still);
    assert_eq!(
        press(&mut model, "c", second(2)),
        [Effect::Query {
            request: RequestId(first.0 + 1),
            account: shop(),
            op: Op::CheckPayment(id("A-17")),
            background: false,
        }]
    );
}

#[test]
fn polls_slow_down_until_something_changes_and_stop_at_the_end() {
    let (mut model, effects) = ready(open_payment());
    let mut request = check_of(&effects).unwrap().0;
    let mut now = second(0);
    let mut waits = Vec::new();
    for _ in 0..9 {
        let result = Answer::Payment(Ok(payment("A-17", "25.00", "NEW")));
        answer(&mut model, now, request, result);
        let due = model.store.payments[0].due().unwrap();
        waits.push(due.saturating_sub(now.mono).as_secs());
        now = now.plus(due.saturating_sub(now.mono));
        request = check_of(&update(&mut model, now, Msg::Woke)).unwrap().0;
    }
    assert_eq!(waits, [7, 11, 16, 25, 37, 56, 60, 60, 60]);

    let active = Answer::Payment(Ok(payment("A-17", "25.00", "ACTIVE")));
    assert_eq!(answer(&mut model, now, request, active), []);
    let due = model.store.payments[0].due().unwrap();
    assert_eq!(
        due.saturating_sub(now.mono).as_secs(),
        5,
        "a change brings the pace back"
    );

    now = now.plus(Duration::from_secs(5));
    request = check_of(&update(&mut model, now, Msg::Woke)).unwrap().0;
    let done = Answer::Payment(Ok(payment("A-17", "25.0", "FINALIZED")));
    assert_eq!(answer(&mut model, now, request, done), [Effect::Bell]);
    assert_eq!(model.store.payments[0].due(), None);
    assert!(model.store.payments[0].verdict() == Some(PaymentVerdict::Paid));
    assert_eq!(
        model.store.notices[0].text,
        "A-17: PAID: expected 25.00 EMT, received 25.0 EMT"
    );
    assert_eq!(
        update(&mut model, now.plus(Duration::from_hours(1)), Msg::Woke),
        []
    );
}

#[test]
fn an_id_that_is_not_found_yet_is_not_an_error() {
    let (mut model, _) = ready(Vec::new());
    let effects = press(&mut model, "aA-18<enter>", second(0));
    assert_eq!(effects[0], Effect::Watch(new_watch("A-18", None)));
    let request = check_of(&effects).unwrap().0;
    let unknown = || {
        let problem = Problem::new(ProblemKind::NotFound, "not known (9001)", "");
        Answer::Payment(Err(problem))
    };
    answer(&mut model, second(1), request, unknown());
    assert_eq!(alerts::count(&model.store), 0);
    let (tone, words) = model.store.payments[0].explain();
    assert_eq!(tone, theme::Tone::Plain);
    assert!(words.starts_with("not opened"), "{words}");
    let later = second(700);
    let request = check_of(&update(&mut model, later, Msg::Woke)).unwrap().0;
    answer(&mut model, later, request, unknown());
    assert!(screen(&model, later, 120, 40).contains("NOT FOUND"));
    assert_eq!(alerts::count(&model.store), 0, "an abandoned cart");
    let tomorrow = second(90_000);
    let request = check_of(&update(&mut model, tomorrow, Msg::Woke))
        .unwrap()
        .0;
    answer(&mut model, tomorrow, request, unknown());
    let next = tomorrow.plus(Duration::from_hours(1));
    assert_eq!(model.store.payments[0].due(), Some(next.mono));
    let shown = screen(&model, tomorrow, 120, 40);
    assert!(shown.contains("checked hourly"), "{shown}");
    assert!(shown.contains("next check in 60m"), "{shown}");
    // The clock was ahead: by the right time, the payer has a day.
    let next = Now {
        wall: second(800).wall,
        ..next
    };
    let request = check_of(&update(&mut model, next, Msg::Woke)).unwrap().0;
    answer(&mut model, next, request, unknown());
    let due = next.plus(Duration::from_mins(1));
    assert_eq!(model.store.payments[0].due(), Some(due.mono));
}

#[test]
fn the_longest_wait_is_a_minute_in_trouble_too() {
    for kind in [ProblemKind::NotFound, ProblemKind::Unreachable] {
        let (mut model, _) = ready(Vec::new());
        let mut request = check_of(&press(&mut model, "aA-18<enter>", second(0)))
            .unwrap()
            .0;
        let mut now = second(0);
        for _ in 0..20 {
            let result = Answer::Payment(Err(Problem::new(kind, "no", "")));
            answer(&mut model, now, request, result);
            let wait = model.store.payments[0]
                .due()
                .unwrap()
                .saturating_sub(now.mono);
            assert!(wait <= Duration::from_mins(1), "{kind:?}: {wait:?}");
            now = now.plus(wait);
            request = check_of(&update(&mut model, now, Msg::Woke)).unwrap().0;
        }
        assert!(now.mono > Duration::from_mins(10));
    }
}

fn active(id: &str) -> Answer {
    Answer::Payment(Ok(payment(id, "25.00", "ACTIVE")))
}

fn failing() -> Answer {
    Answer::Payment(Err(Problem::new(ProblemKind::Failing, "no", "")))
}

#[test]
fn a_check_by_hand_puts_no_later_one_off() {
    for result in [failing, || active("A-17")] {
        for keys in ["c", " c"] {
            let (mut model, effects) = ready(open_payment());
            answer(
                &mut model,
                second(1),
                check_of(&effects).unwrap().0,
                result(),
            );
            let due = |model: &Model| model.store.payments[0].due();
            let before = due(&model).unwrap();
            for at in [2, 3, 4] {
                let effects = press(&mut model, keys, second(at));
                // Marked payments are checked in the queue.
                let request = check_of(&effects).unwrap().0;
                answer(&mut model, second(at), request, result());
                let after = before + Duration::from_secs(at - 1);
                assert!(due(&model) <= Some(after), "{keys}: {:?}", due(&model));
            }
        }
    }
}

#[test]
fn one_answer_after_an_outage_wakes_the_failed_checks_of_its_account_once() {
    let list = ["A-1", "A-2", "A-3"].map(|id| (watch(id, None), seen(id, "25.00", &["NEW"])));
    let (mut model, _) = ready(list.into());
    let answer_all = |model: &mut Model, at: u64, result: &dyn Fn(&str) -> Answer| {
        for place in 0..3 {
            let watched = &model.store.payments[place];
            let Some(request) = watched.asking else {
                continue;
            };
            let id = watched.watch.id.to_string();
            answer(model, second(at), request, result(&id));
        }
    };
    for at in [1, 12, 33, 74] {
        update(&mut model, second(at), Msg::Woke);
        answer_all(&mut model, at, &|_| failing());
    }
    let request = check_of(&press(&mut model, "c", second(80))).unwrap().0;
    let id = |model: &Model| {
        let all = model.store.payments.iter();
        let asked = all
            .filter(|it| it.asking.is_some())
            .map(|it| it.watch.id.to_string());
        asked.collect::<Vec<_>>()
    };
    let [first] = &id(&model)[..] else {
        panic!("one check: {:?}", id(&model));
    };
    let first = first.clone();
    answer(&mut model, second(81), request, active(&first));
    assert_eq!(id(&model).len(), 2, "the others follow at once");
    // One of them fails on: it waits for its own time.
    answer_all(&mut model, 82, &|id| {
        if id == "A-3" { failing() } else { active(id) }
    });
    let failed = model.store.payments.iter().find(|it| it.failure.is_some());
    let due = failed.unwrap().due();
    let request = check_of(&press(&mut model, "c", second(83))).unwrap().0;
    answer(&mut model, second(84), request, active(&first));
    let failed = model.store.payments.iter().find(|it| it.failure.is_some());
    assert_eq!(failed.unwrap().due(), due);
}

#[test]
fn a_payment_is_old_where_its_check_hangs_and_not_in_the_queue_of_a_long_list() {
    for (others, at, mark) in [
        (0, 60, ""),
        (0, 90, "old: 1m"),
        (300, 300, ""),
        (300, 400, "old: 6m"),
    ] {
        let mut watches = open_payment();
        watches.extend((0..others).map(|at| {
            let id = format!("B-{at}");
            (watch(&id, None), seen(&id, "1", &["NEW"]))
        }));
        let (mut model, _) = ready(watches);
        let place = |model: &Model| {
            let mut all = model.store.payments.iter();
            all.position(|it| it.watch.id.as_str() == "A-17").unwrap()
        };
        let own = place(&model);
        model.store.payments[own].apply(Ok(payment("A-17", "25.00", "NEW")), second(1));
        let round = model.store.round_of_checks();
        let found = model.store.payments[own].mark(second(at), round).1;
        assert_eq!(found, mark, "{others} {at}");
    }
}

#[test]
fn after_a_restart_a_state_is_as_old_as_its_last_request_in_the_log() {
    let last = exchange(-100, "/api/v2/tpg/transaction", Outcome::Status(200));
    let failed = exchange(-10, "/api/v2/tpg/transaction", Outcome::Status(500));
    for (log, mark, words) in [
        (vec![failed.clone(), last], "old: 2m", "; state from 2m ago"),
        (vec![failed], "not checked", "; not checked since the start"),
    ] {
        let open = (
            watch("ORDER-1042", None),
            seen("ORDER-1042", "25.00", &["NEW"]),
        );
        let mut model = sized(sandbox_setup(), 120, 40);
        let ready = Msg::Ready(readiness(vec![open], log));
        let effects = update(&mut model, second(0), ready);
        answer(
            &mut model,
            second(1),
            check_of(&effects).unwrap().0,
            failing(),
        );
        let round = model.store.round_of_checks();
        assert_eq!(model.store.payments[0].mark(second(1), round).1, mark);
        let shown = screen(&model, second(1), 120, 40);
        assert!(
            shown.contains(&format!("check failed: no{words}")),
            "{shown}"
        );
    }
}

#[test]
fn an_underpaid_order_is_not_delivered() {
    let (model, _) = ready(vec![(
        watch("A-17", Some("25.00")),
        seen("A-17", "2.50", &["FINALIZED"]),
    )]);
    let watched = &model.store.payments[0];
    assert_eq!(watched.verdict(), Some(PaymentVerdict::Less));
    assert_eq!(
        watched.explain(),
        (
            theme::Tone::Bad,
            "DO NOT DELIVER · expected 25.00 EMT, received 2.50 EMT".into()
        )
    );
}

#[test]
fn only_a_final_state_reached_while_watching_gives_a_notice() {
    let underpaid = || Answer::Payment(Ok(payment("A-17", "2.50", "FINALIZED")));
    let (mut model, effects) = ready(vec![(watch("A-17", Some("25.00")), Vec::new())]);
    let request = check_of(&effects).unwrap().0;
    assert_eq!(answer(&mut model, second(1), request, underpaid()), []);
    assert!(model.store.notices.is_empty());
    assert_eq!(alerts::count(&model.store), 1, "the row shows it");

    // "Not found" is an answer too: a state that comes after it is news.
    let (mut model, effects) = ready(vec![(watch("A-17", Some("25.00")), Vec::new())]);
    let request = check_of(&effects).unwrap().0;
    let problem = Problem::new(ProblemKind::NotFound, "not known (9001)", "");
    let unknown = Answer::Payment(Err(problem));
    answer(&mut model, second(1), request, unknown);
    let request = check_of(&press(&mut model, "c", second(2))).unwrap().0;
    assert_eq!(answer(&mut model, second(3), request, underpaid()), []);
    assert_eq!(model.store.notices.len(), 1);
    let text = "kanga: A-17 · DO NOT DELIVER · expected 25.00 EMT, received 2.50 EMT";
    let notified = Effect::Notify(text.into());
    assert!(model.notify(second(3)).contains(&notified));

    // It was measured against another amount.
    let corrected = NewWatch {
        account: shop(),
        id: id("A-17"),
        expected: Some(emt("2.50")),
        by: ExpectedBy::Form,
    };
    let mut saved = model.clone();
    update(&mut saved, second(4), Msg::Watched(corrected, Ok(None)));
    assert_eq!(saved.store.notices, []);
    let read = Msg::Watchlist {
        list: Watchlist {
            watches: vec![watch("A-17", Some("2.50"))],
            handled: Vec::new(),
        },
        seen: Vec::new(),
    };
    update(&mut model, second(4), read);
    assert_eq!(model.store.notices, []);
}

#[test]
fn a_notice_that_says_do_not_deliver_is_at_least_a_warning() {
    for (amount, state, level) in [
        ("25.00", "FINALIZED", msg::Level::Info),
        ("25.00", "CANCELED", msg::Level::Warning),
        ("26.00", "FINALIZED", msg::Level::Warning),
        ("2.50", "FINALIZED", msg::Level::Error),
    ] {
        let before = seen("A-17", "25.00", &["ACTIVE"]);
        let (mut model, effects) = ready(vec![(watch("A-17", Some("25.00")), before)]);
        let request = check_of(&effects).unwrap().0;
        let ended = Answer::Payment(Ok(payment("A-17", amount, state)));
        answer(&mut model, second(1), request, ended);
        assert_eq!(model.store.notices[0].level, level, "{amount} {state}");
    }
}

#[test]
fn an_alert_does_not_repeat_its_account() {
    let (mut model, effects) = ready(open_payment());
    let request = check_of(&effects).unwrap().0;
    let problem = Problem::new(ProblemKind::Unreachable, "account kanga: no route", "");
    answer(
        &mut model,
        second(1),
        request,
        Answer::Payment(Err(problem)),
    );
    let all = alerts::all(&model.store);
    assert!(
        all.iter()
            .any(|it| it.what == "A-17 cannot be checked · no route"),
        "{all:?}"
    );
}

#[test]
fn what_is_removed_can_be_brought_back() {
    let (mut model, _) = ready(open_payment());
    assert_eq!(
        press(&mut model, "d", second(1)),
        [
            Effect::Cancel(RequestId(2)),
            Effect::Unwatch((shop(), id("A-17")))
        ]
    );
    assert!(model.store.payments.is_empty());
    let effects = press(&mut model, "u", second(2));
    assert_eq!(effects[0], Effect::Watch(new_watch("A-17", None)));
    assert!(check_of(&effects).is_some());
    assert_eq!(model.store.payments[0].seen().len(), 1);
}

#[test]
fn the_answer_to_a_cancelled_request_is_ignored() {
    let (mut model, effects) = ready(open_payment());
    let request = check_of(&effects).unwrap().0;
    assert_eq!(
        press(&mut model, "<esc>", second(1)),
        [Effect::Cancel(request)]
    );
    let late = Answer::Payment(Ok(payment("A-17", "25.00", "FINALIZED")));
    assert_eq!(answer(&mut model, second(2), request, late), []);
    assert!(!model.store.payments[0].is_final());
}

#[test]
fn escape_calls_off_before_it_dismisses() {
    let (mut model, effects) = ready(open_payment());
    let request = check_of(&effects).unwrap().0;
    let notice = msg::Notice {
        level: msg::Level::Warning,
        about: "ledger".into(),
        text: "the ledger is slow".into(),
    };
    model.store.notice(notice, second(0));
    let cancelled = press(&mut model, "<esc>", second(1));
    assert_eq!(cancelled, [Effect::Cancel(request)]);
    assert_eq!(model.store.notices.len(), 1);
    let frame = |model: &Model| screen(model, second(1), 120, 40);
    for (keys, does) in [
        (" ", "Esc unmarks"),
        ("<esc>/A-<enter>", "Esc clears the filter"),
        ("<esc>", "Esc dismisses"),
    ] {
        press(&mut model, keys, second(1));
        assert!(frame(&model).contains(does), "{keys} {}", frame(&model));
    }
    // A window closes first.
    press(&mut model, ":", second(1));
    assert!(!frame(&model).contains("Esc dismisses"));
    press(&mut model, "<esc><esc>", second(1));
    assert_eq!(model.store.notices.len(), 0);
}

#[test]
fn no_number_of_paid_notices_pushes_out_a_warning() {
    let (mut model, _) = ready(open_payment());
    let mut notice = |level, about: String| {
        let text = about.clone();
        model
            .store
            .notice(msg::Notice { level, about, text }, second(0));
    };
    notice(msg::Level::Warning, "clock shop".into());
    for number in 0..25 {
        notice(msg::Level::Info, format!("payment shop A-{number}"));
    }
    let notices = &model.store.notices;
    assert_eq!(notices.len(), 20);
    assert_eq!(notices[0].about, "clock shop");
    assert_eq!(notices[1].about, "payment shop A-6", "the oldest went");
    let first = model.store.first_notice().unwrap();
    assert_eq!(first.about, "clock shop", "nor does any cover it");
    assert_eq!(alerts::count(&model.store), 1);
    assert_eq!(model.store.raised("payment shop A-5"), None);
    // With warnings alone, the next one is not worth any of them.
    for number in 0..20 {
        let about = format!("warning {number}");
        let (level, text) = (msg::Level::Warning, about.clone());
        let notice = msg::Notice { level, about, text };
        model.store.notice(notice, second(0));
    }
    let (level, text) = (msg::Level::Info, "paid".to_owned());
    let about = "payment shop A-99".to_owned();
    model
        .store
        .notice(msg::Notice { level, about, text }, second(0));
    let notices = &model.store.notices;
    assert_eq!(notices.len(), 20);
    assert!(
        notices
            .iter()
            .all(|notice| notice.level == msg::Level::Warning)
    );
}

#[test]
fn a_write_that_is_cancelled_after_sending_may_have_taken_effect_and_the_notice_says_so() {
    let waiting = |request| {
        let waiting = Waiting {
            left: None,
            account: shop(),
            method: "POST".into(),
            path: "/api/v2/tpg/token".into(),
            about: String::new(),
            why: "rate limit reached (429)".into(),
            until: None,
        };
        Msg::Waiting(request, Some(waiting))
    };
    let plain = "cancelled the payment link for A-1";
    let sent = format!("{plain} after sending; it may still have taken effect");
    for (with_token, waits, said) in [
        (true, false, sent.as_str()),
        (true, true, plain),
        (false, false, plain),
    ] {
        let (mut model, _) = ready(Vec::new());
        let token = if with_token { " " } else { "" };
        let fill = format!("LA-1<tab>5<tab>EMT<tab><tab><tab><tab>{token}<enter>");
        let effects = press(&mut model, &fill, second(0));
        let [Effect::Query { request, .. }] = effects[..] else {
            panic!("{effects:?}");
        };
        if waits {
            update(&mut model, second(0), waiting(request));
        }
        let cancelled = press(&mut model, "<esc>", second(0));
        assert_eq!(cancelled, [Effect::Cancel(request)]);
        assert_eq!(model.store.flash.as_ref().unwrap().text, said);
        assert!(is_top::<overlays::link_form::State>(&model));
    }
}

#[test]
fn a_pasted_id_opens_the_form() {
    let (mut model, _) = ready(Vec::new());
    update(&mut model, second(0), Msg::Paste("  A-19\n".into()));
    let effects = press(&mut model, "25<tab>EMT<enter>", second(0));
    let Effect::Watch(made) = &effects[0] else {
        panic!("{effects:?}");
    };
    assert_eq!(made.id, id("A-19"));
    assert_eq!(made.expected.as_ref().unwrap().amount, amount("25"));
}

#[test]
fn a_paste_where_no_text_goes_does_nothing_and_says_so() {
    let (mut model, _) = ready(open_payment());
    for opened in ["1", "2", "?"] {
        press(&mut model, opened, second(0));
        let effects = update(&mut model, second(0), Msg::Paste("qy\r".into()));
        assert_eq!(effects, [], "{opened}");
        let flash = model.store.flash.as_ref().unwrap();
        assert_eq!(flash.text, "cannot paste here: type the keys one by one");
    }
}

#[test]
fn a_link_is_checked_field_by_field_then_watched() {
    let (mut model, _) = ready(Vec::new());
    assert_eq!(press(&mut model, "L<enter>", second(0)), []);
    let shown = screen(&model, second(0), 80, 24);
    assert!(shown.contains("the payment id is empty"), "{shown}");
    let effects = make_link(&mut model, second(1));
    let Effect::Query {
        op: Op::PaymentLink(link),
        background: false,
        ..
    } = &effects[0]
    else {
        panic!("{effects:?}");
    };
    assert_eq!(link.amount, amount("25.00"));
    assert!(!link.with_token);
    let Effect::Watch(made) = &effects[1] else {
        panic!("{effects:?}");
    };
    assert_eq!(made.expected.as_ref().unwrap().currency, currency("EMT"));
    let copied = press(&mut model, "y", second(2));
    assert!(matches!(&copied[0], Effect::Copy { text, .. } if text.expose().contains("planted")));
    assert!(matches!(
        press(&mut model, "o", second(2))[0],
        Effect::Browse(_)
    ));
    // Where both do not fit, the code is shown, and the text on a key.
    for (key, title, has_text) in [
        ("", "Link for ORDER-2000, 25.00 EMT", false),
        ("t", "Link for ORDER-2000 ", true),
        ("t", "Link for ORDER-2000, 25.00 EMT", false),
    ] {
        press(&mut model, key, second(2));
        let shown = screen(&model, second(2), 80, 28);
        assert!(shown.contains(title), "{shown}");
        assert_eq!(shown.contains("transactionKey="), has_text, "{shown}");
    }
}

#[test]
fn a_live_account_is_armed_before_it_writes() {
    let mut model = super::live();
    let fill = "LA-1<tab>5<tab>EMT<tab><tab><tab><tab> ";
    press(&mut model, fill, second(0));
    assert_eq!(press(&mut model, "<enter>", second(0)), []);
    assert!(
        is_top::<overlays::arm::State>(&model),
        "{:?}",
        model.overlays
    );
    press(&mut model, "shp<enter>", second(0));
    assert!(is_top::<overlays::arm::State>(&model), "a wrong name");
    press(&mut model, "<esc>", second(0));
    assert_eq!(press(&mut model, "<enter>shop<enter>", second(0)), []);
    assert!(screen(&model, second(0), 120, 40).contains("ARMED shop 10 min"));
    let effects = press(&mut model, "<enter>", second(1));
    assert!(
        matches!(&effects[0], Effect::Query { op, .. } if op.writes()),
        "{effects:?}"
    );
    assert_eq!(
        press(&mut model, "<esc><esc>", second(1)),
        [Effect::Cancel(RequestId(1))]
    );
    // Ten minutes later the account is not armed any more.
    assert_eq!(press(&mut model, fill, second(601)), []);
    assert_eq!(press(&mut model, "<enter>", second(601)), []);
    assert!(is_top::<overlays::arm::State>(&model));
}

#[test]
fn the_header_says_that_writes_are_allowed_at_every_width() {
    let mut model = super::live();
    for (armed, width, shown) in [
        ("shop", 120, "› live ARMED shop 10 min LIVE real money TEST"),
        ("shop", 70, "› live ARMED shop 10 min LIVE real money"),
        ("shop", 60, "› live ARMED shop 10 min LIVE"),
        ("shop", 50, "› live ARMED 1 LIVE"),
        ("shop", 40, "› live ARMED 1"),
        ("outlet", 80, "ARMED shop 10 min ARMED outlet 10 min LIVE"),
        ("outlet", 70, "› live ARMED 2 LIVE real money TEST"),
        ("outlet", 40, "› live ARMED 2"),
    ] {
        let account = AccountId::new(armed).unwrap();
        model.store.known_mut(&account).unwrap().arm(second(0));
        let screen = resized_screen(&mut model, second(0), width, 10);
        let header = screen.lines().next().unwrap().split_whitespace();
        let header = header.collect::<Vec<_>>().join(" ");
        assert!(header.contains(shown), "{armed} {width}: {header}");
    }
    model.store.profile = "a-profile-with-a-long-name".into();
    let screen = resized_screen(&mut model, second(0), 40, 10);
    assert!(
        screen.lines().next().unwrap().contains("…   ARMED 2 "),
        "{screen}"
    );
}

#[test]
fn a_notice_is_whole_or_hidden_under_a_window() {
    let mut model = super::busy();
    let notice = msg::Notice {
        level: msg::Level::Warning,
        about: "clock".into(),
        text: "This machine's clock is 4 s ahead".into(),
    };
    update(&mut model, second(4), Msg::Notice(notice));
    for (keys, width, height, is_shown) in [
        ("", 120, 40, true),
        ("5<enter>", 120, 40, false),
        ("<esc>4e", 120, 40, true),
    ] {
        press(&mut model, keys, second(4));
        let shown = resized_screen(&mut model, second(4), width, height);
        let line = shown.lines().rev().nth(1).unwrap();
        let whole = line.contains(" ! This machine's clock is 4 s ahead");
        assert_eq!(whole, is_shown, "{keys}: {shown}");
        assert!(is_shown || !line.contains('!'), "{keys}: {shown}");
    }
}

#[test]
fn an_arming_that_ran_out_while_the_form_was_open_sends_nothing_that_writes() {
    let mut model = super::live();
    let fill = "LA-1<tab>5<tab>EMT<tab><tab><tab><tab> <enter>shop<enter>";
    press(&mut model, fill, second(0));
    assert_eq!(press(&mut model, "<enter>", second(601)), []);
    assert!(is_top::<overlays::arm::State>(&model));
}

#[test]
fn a_link_without_a_token_needs_no_arming_and_gets_none() {
    let mut model = super::live();
    press(
        &mut model,
        "LA-1<tab>5<tab>EMT<tab><tab><tab><tab> ",
        second(0),
    );
    // The operator leaves it, and takes an account that may write.
    press(&mut model, "<enter><esc> <tab><right><right>", second(0));
    let effects = press(&mut model, "<enter>", second(1));
    let [
        Effect::Query {
            account,
            op: Op::PaymentLink(link),
            ..
        },
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!((account.as_str(), link.with_token), ("trial", false));
}

#[test]
fn quitting_asks_only_while_something_is_written() {
    let (mut model, _) = ready(open_payment());
    assert_eq!(press(&mut model, "q", second(0)), [Effect::Quit]);
    press(
        &mut model,
        "LA-1<tab>5<tab>EMT<tab><tab><tab><tab> <enter>",
        second(0),
    );
    assert_eq!(press(&mut model, "<ctrl-c>", second(0)), [Effect::Quit]);
    assert_eq!(press(&mut model, "<ctrl-z>", second(0)), [Effect::Suspend]);
    model.overlays.clear();
    assert_eq!(press(&mut model, "q", second(0)), []);
    assert_eq!(press(&mut model, "n", second(0)), []);
    assert_eq!(press(&mut model, "qy", second(0)), [Effect::Quit]);

    // The response arrives while it asks: there is nothing left to ask.
    press(&mut model, "q", second(0));
    let is_write = |id: &RequestId| model.store.in_flight_for(*id).unwrap().writes;
    let request = model.store.requests().find(is_write).unwrap();
    let problem = Problem::new(ProblemKind::Unreachable, "no response", "");
    let result = Answer::Link(Err(problem));
    update(&mut model, second(1), Msg::Answered(request, result));
    assert!(model.overlays.is_empty());
}

#[test]
fn a_simulator_trigger_is_followed_by_a_check_of_the_payment() {
    let (mut model, effects) = ready(open_payment());
    let request = check_of(&effects).unwrap().0;
    let still = Answer::Payment(Ok(payment("A-17", "25.00", "NEW")));
    answer(&mut model, second(0), request, still);
    let command = Command::Payer {
        payment: id("A-17"),
        act: PayerAct::Pay,
    };
    assert_eq!(
        press(&mut model, "S<enter>", second(1)),
        [Effect::Simulate(command.clone())]
    );
    let done = Msg::Simulated(command, Ok("A-17 is being paid".into()));
    assert!(check_of(&update(&mut model, second(1), done)).is_some());
    let fault = Command::SetFault(Fault::ServerError);
    update(
        &mut model,
        second(2),
        Msg::Simulated(fault, Ok("503 from now on".into())),
    );
    press(&mut model, "<esc>", second(2));
    assert!(
        screen(&model, second(2), 120, 40)
            .contains("fault 5xx: each response is 503 Service Unavailable")
    );
}

#[test]
fn the_log_pauses_and_follows() {
    let mut model = busy();
    press(&mut model, "5kk", second(4));
    for at in 20..23 {
        let new = exchange(at, "/api/v2/tpg/transaction", Outcome::Status(200));
        update(&mut model, second(4), Msg::Exchange(new));
    }
    let shown = screen(&model, second(4), 120, 40);
    assert!(
        shown.contains("paused, 3 new requests: G shows them"),
        "{shown}"
    );
    press(&mut model, "G", second(4));
    assert!(!screen(&model, second(4), 120, 40).contains("paused"));
    assert_eq!(
        model.panes.requests.selected(&model.store).unwrap().id,
        ExchangeId(22)
    );
}

#[test]
fn older_requests_come_when_the_top_is_passed() {
    let mut model = busy();
    assert_eq!(
        press(&mut model, "5gk", second(3)),
        [Effect::LoadLog(Some(ExchangeId(1)), Search::default())]
    );
    update(&mut model, second(3), Msg::Log(Ok(older(Vec::new()))));
    assert_eq!(press(&mut model, "k", second(3)), [], "there are no more");
}

fn load(text: &str) -> Effect {
    Effect::LoadLog(None, Search::of_requests(text))
}

#[test]
fn a_filter_searches_the_ledger_while_it_is_typed() {
    let mut model = busy();
    let now = second(3);
    assert_eq!(press(&mut model, "5/T", now), [load("T")]);
    let shown = screen(&model, now, 120, 40);
    assert!(shown.contains("searching requests for `T`…"), "{shown}");
    assert_eq!(press(&mut model, "IMED", now), [], "one query at a time");
    let selected = |model: &Model| {
        let selected = model.panes.requests.selected(&model.store);
        selected.map(|exchange| exchange.id)
    };
    assert_eq!(selected(&model), Some(ExchangeId(6)), "a loaded row");
    let other = exchange(0, "/other", Outcome::Status(200));
    assert_eq!(
        update(&mut model, now, Msg::Log(Ok(found(vec![other])))),
        [load("TIMED")]
    );
    let shown = screen(&model, now, 120, 40);
    assert!(!shown.contains("/other"), "an answer to an earlier text");
    let old = exchange(0, "/old", Outcome::Failed("timed out".into()));
    assert_eq!(update(&mut model, now, Msg::Log(Ok(found(vec![old])))), []);
    let shown = screen(&model, now, 120, 40);
    let note = "2 of 100,000 saved requests match `TIMED`";
    assert!(shown.contains(note) && shown.contains("/old"), "{shown}");
    let new = exchange(30, "/new", Outcome::Failed("timed out".into()));
    update(&mut model, now, Msg::Exchange(new));
    let shown = screen(&model, now, 120, 40);
    assert!(shown.contains("3 of 100,001 saved requests"), "{shown}");
    assert_eq!(press(&mut model, "<enter><esc>", now), []);
    assert!(!screen(&model, now, 120, 40).contains("/old"));
}

#[test]
fn a_filter_with_more_matches_than_rows_loads_older_ones() {
    let mut model = busy();
    let now = second(3);
    press(&mut model, "5/", now);
    update(&mut model, now, Msg::Paste("status:4xx".into()));
    press(&mut model, "<enter>", now);
    let row = |id| exchange(id, "/x", Outcome::Status(404));
    let page = (100..300).rev().map(row).collect();
    update(&mut model, now, Msg::Log(Ok(found(page))));
    let shown = screen(&model, now, 120, 40);
    assert!(shown.contains("201+ of 100,000 saved requests"), "{shown}");
    assert_eq!(
        press(&mut model, "o", now),
        [Effect::LoadLog(
            Some(ExchangeId(100)),
            Search::of_requests("status:4xx")
        )],
        "a loaded row is older, but other rows may be between"
    );
    update(&mut model, now, Msg::Log(Ok(older(vec![row(99)]))));
    let shown = screen(&model, now, 120, 40);
    assert!(shown.contains("202 of 100,000 saved requests"), "{shown}");
}

#[test]
fn a_search_that_fails_says_that_only_loaded_rows_were_searched() {
    let mut model = busy();
    let now = second(3);
    press(&mut model, "5/", now);
    update(&mut model, now, Msg::Paste("timed".into()));
    let failed = Problem::new(ProblemKind::Local, "the disk is gone", "");
    assert_eq!(update(&mut model, now, Msg::Log(Err(failed))), []);
    let shown = screen(&model, now, 120, 40);
    assert!(
        shown.contains("1 loaded request matches `timed`"),
        "{shown}"
    );
}

#[test]
fn older_requests_leave_the_selection_on_its_row() {
    let mut model = busy();
    press(&mut model, "5gk", second(3));
    let line = |model: &Model| {
        let shown = screen(model, second(3), 120, 40);
        let selected = model.panes.requests.selected(&model.store).unwrap();
        let at = selected.at.clock(&model.store.zone);
        let found = shown.lines().position(|line| line.contains(&at));
        (selected.id, found)
    };
    let before = line(&model);
    assert_eq!(before.0, ExchangeId(1));
    let old = exchange(0, "/api/v2/tpg/transaction", Outcome::Status(200));
    update(&mut model, second(3), Msg::Log(Ok(older(vec![old]))));
    assert_eq!(line(&model), before);
}

#[test]
fn a_long_notice_covers_no_row_and_a_short_one_moves_no_pane() {
    let (mut model, now) = (busy(), second(4));
    resized_screen(&mut model, now, 80, 24);
    let quiet = model.areas();
    let mut notice = |text: String| {
        let (level, about) = (Level::Warning, "x".into());
        model.store.notice(Notice { level, about, text }, now);
        update(&mut model, now, Msg::Woke);
        let shown = screen(&model, now, 80, 24);
        assert!(shown.contains("│ 02:54:38 "), "the newest row: {shown}");
        let areas = model.areas();
        update(&mut model, now, Msg::Done(Ok("copied".into())));
        assert!(screen(&model, now, 80, 24).contains("• copied"));
        assert_eq!(model.areas(), areas);
        areas
    };
    assert_eq!(notice("short".into()), quiet);
    assert_ne!(notice("A word and another. ".repeat(9)), quiet);
}

#[test]
fn the_selected_price_of_an_estimate_is_copied() {
    let mut model = busy();
    let copied = ["4y", "jy"].map(|keys| {
        let effects = press(&mut model, keys, second(4));
        let copied = effects.iter().find_map(|effect| match effect {
            Effect::Copy { text, what } => {
                assert_eq!(what, text.expose(), "its notice says which");
                Some(text.expose().to_owned())
            }
            _ => None,
        });
        copied.expect("it is copied")
    });
    assert_eq!(copied, ["0.00151 BTC", "3090 EMT"]);
}

#[test]
fn estimates_refresh_automatically_only_when_switched_on() {
    let mut model = busy();
    assert_eq!(update(&mut model, second(3), Msg::Woke), []);
    press(&mut model, "4t", second(4));
    assert!(screen(&model, second(4), 120, 40).contains("next in 30s"));
    let effects = update(&mut model, second(34), Msg::Woke);
    assert!(effects.iter().any(|effect| matches!(
        effect,
        Effect::Query {
            op: Op::Estimate(_),
            background: true,
            ..
        }
    )));
}

#[test]
fn mouse_moves_draw_nothing_and_a_click_focuses() {
    use ratatui::crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut model = busy();
    let mouse = |kind, column, row| {
        Msg::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        })
    };
    model.take_dirty();
    update(&mut model, second(3), mouse(MouseEventKind::Moved, 5, 5));
    assert!(!model.take_dirty());
    let press = MouseEventKind::Down(MouseButton::Left);
    update(&mut model, second(3), mouse(press, 5, 36));
    assert_eq!(model.focus, Pane::Requests);
    update(&mut model, second(3), mouse(press, 5, 5));
    assert_eq!(
        (model.focus, model.panes.payments.list.selected),
        (Pane::Payments, 2)
    );
    assert!(model.take_dirty());
}

#[test]
fn no_request_is_sent_before_the_console_is_ready() {
    let mut model = sized(sandbox_setup(), 120, 40);
    for keys in ["c", "a", "L", "1v", "4r", "5o", "S"] {
        assert_eq!(press(&mut model, keys, second(0)), [], "{keys}");
    }
    press(&mut model, "3/", second(0));
    let flash = model.store.flash.clone().unwrap().text;
    assert!(flash.starts_with("still starting"), "{flash}");
    model.store.flash = None;
    assert_eq!(next_wake(&model, second(0)), None);
}

#[test]
fn nothing_is_repeated_without_an_amount() {
    let (mut model, now) = (super::live(), second(4));
    press(&mut model, "4t", now);
    let flash = model.store.flash.clone().unwrap().text;
    assert!(flash.starts_with("cannot repeat every 30 s"), "{flash}");
    let effects = press(&mut model, "e3000<tab>EMT<enter>", now);
    let [Effect::Query { request, .. }] = effects[..] else {
        panic!("{effects:?}");
    };
    let quote = Answer::Estimate(Ok(quote(4, &[("BTC", "1")])));
    answer(&mut model, now, request, quote);
    let shown = screen(&model, now, 120, 40);
    assert!(
        shown.contains("3000 EMT") && !shown.contains("next in"),
        "{shown}"
    );
}

#[test]
fn a_page_of_prices_skips_none() {
    let codes: Vec<String> = (0..60).map(|n| format!("C{n:02}")).collect();
    let prices: Vec<(&str, &str)> = codes.iter().map(|code| (code.as_str(), "1")).collect();
    let (mut model, now) = (busy(), second(4));
    let refresh = |model: &mut Model, answered: Option<Answer>| {
        let mut effects = press(model, "4r", now);
        let Some(Effect::Query { request, op, .. }) = effects.pop() else {
            panic!("{effects:?}");
        };
        let problem = Problem::new(ProblemKind::Unreachable, "kanga cannot be reached", "");
        let result = answered.unwrap_or_else(|| op.failed(problem));
        answer(model, now, request, result);
    };
    refresh(&mut model, Some(Answer::Estimate(Ok(quote(4, &prices)))));
    refresh(&mut model, None);
    press(&mut model, "f", now);
    for (width, height) in [(120, 40), (80, 24), (60, 15)] {
        update(&mut model, now, Msg::Resized { width, height });
        press(&mut model, "<home>", now);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..codes.len() {
            let shown = screen(&model, now, width, height);
            seen.extend(codes.iter().filter(|code| shown.contains(*code)));
            press(&mut model, "<pgdn>", now);
        }
        assert_eq!(seen.len(), codes.len(), "{width}x{height}: {seen:?}");
    }
}

#[test]
fn a_body_is_copied_if_there_is_one_and_a_cut_one_is_called_that() {
    let now = second(4);
    let body = |text: &str, cut| Body {
        text: text.into(),
        bytes: u64::try_from(text.len()).unwrap(),
        cut,
        ..Body::default()
    };
    let flash = |model: &Model| model.store.flash.clone().unwrap().text;
    let cases = [
        ("", "", None),
        ("asked", "", Some(("asked", false))),
        ("asked", "answered", Some(("answered", false))),
        ("asked", "answered", Some(("answered", true))),
    ];
    for (request, response, copied) in cases {
        let cut = copied.is_some_and(|(_, cut)| cut);
        let (mut model, _) = ready(Vec::new());
        let mut one = (*exchange(1, "/x", Outcome::Status(200))).clone();
        (one.request_body, one.response_body) = (body(request, false), body(response, cut));
        update(&mut model, now, Msg::Exchange(one.into()));
        press(&mut model, "5<enter>", now);
        let effects = press(&mut model, "b", now);
        match copied {
            Some((text, cut)) => {
                let (text, what) = (Secret::new(text), whole_or_first(cut).into());
                assert_eq!(effects, [Effect::Copy { text, what }]);
            }
            None => assert_eq!(
                (effects, flash(&model).as_str()),
                (Vec::new(), "cannot copy the response: there is no body")
            ),
        }
    }
    for (text, cut) in [("", false), ("{}", false), ("{}", true)] {
        let mut model = super::explorer::exploring(sandbox_setup());
        let (request, ..) = super::explorer::send(&mut model, "one offer", now);
        let mut answer = super::explorer::explored(text);
        answer.cut = cut;
        super::explorer::explored_result(&mut model, now, request, Ok(answer));
        let effects = press(&mut model, "b", now);
        if text.is_empty() {
            let text = "cannot copy the response body: there is no body";
            assert_eq!((effects, flash(&model).as_str()), (Vec::new(), text));
        } else {
            let (text, what) = (Secret::new(text), whole_or_first(cut).into());
            assert_eq!(effects, [Effect::Copy { text, what }]);
        }
        let mut model = received::receiving();
        let effects = super::receiving::press(&mut model, "i", now);
        let [Effect::OpenDelivery(request, _)] = effects[..] else {
            panic!("{effects:?}");
        };
        let mut received = received::received();
        received.body = body(text, cut);
        update(&mut model, now, Msg::Received(request, Ok(received)));
        let effects = press(&mut model, "b", now);
        if text.is_empty() {
            let text = "cannot copy the body, without secrets: there is no body";
            assert_eq!((effects, flash(&model).as_str()), (Vec::new(), text));
        } else {
            let (text, what) = (Secret::new(text), whole_or_first(cut).into());
            assert_eq!(effects, [Effect::Copy { text, what }]);
        }
    }
}

fn whole_or_first(cut: bool) -> &'static str {
    if cut {
        "the first part of the body"
    } else {
        "the body"
    }
}

#[test]
fn a_key_that_does_nothing_gives_the_reason() {
    let mut model = busy();
    let nameless = Delivery {
        subject: None,
        ..received::delivery(99, 3, "A-17")
    };
    update(&mut model, second(3), Msg::Delivery(nameless.into()));
    let waiting = Waiting {
        left: None,
        account: shop(),
        method: "GET".into(),
        path: "/v1/offers".into(),
        about: String::new(),
        why: "rate limit reached".into(),
        until: None,
    };
    let waits = Msg::Waiting(RequestId(900), Some(waiting));
    update(&mut model, second(4), waits);
    let waits = "it waits and was not sent yet";
    for (before, key, reason) in [
        ("7<home>", "y", "it names no payment or player"),
        ("4r", "r", "an estimate is in progress"),
        ("5x", "<enter>", waits),
        ("5", "Y", waits),
        ("5", "t", waits),
    ] {
        press(&mut model, before, second(4));
        assert_eq!(receiving::press(&mut model, key, second(4)), []);
        let text = model.store.flash.clone().unwrap().text;
        assert!(text.ends_with(&format!(": {reason}")), "{text}");
    }
}

#[test]
fn the_text_of_a_window_is_searched_also_while_it_changes() {
    let (mut model, now) = (busy(), second(4));
    press(&mut model, "5<enter>/content-type", now);
    let found = |model: &Model, note: &str| {
        let shown = screen(model, now, 120, 40);
        assert!(shown.contains(note), "{note}: {shown}");
    };
    found(&model, "search / content-type");
    press(&mut model, "<enter>", now);
    for (key, note) in [("n", " 2 of 2 "), ("n", " 1 of 2 "), ("N", " 2 of 2 ")] {
        press(&mut model, key, now);
        found(&model, note);
    }
    press(&mut model, "<esc><enter>/nowhere", now);
    found(&model, " not found ");
    press(&mut model, "<esc>n", now);
    found(&model, "nothing is searched");

    let mut model = sized(sandbox_setup(), 120, 40);
    let mut ready = readiness(Vec::new(), Vec::new());
    ready.saved.deliveries = vec![testing::received::delivery(1, 0, "A-17").into()];
    update(&mut model, now, Msg::Ready(ready));
    press(&mut model, "7i/e<enter>n", now);
    found(&model, " 2 of ");
    update(&mut model, now, Msg::Woke);
    found(&model, " 2 of ");
}

#[test]
fn details_go_to_the_next_row_of_their_list_and_select_it() {
    let now = second(4);
    let selected = |model: &Model| match model.focus {
        Pane::Requests => model.panes.requests.selected(&model.store).unwrap().id.0,
        _ => model.panes.callbacks.selected(&model.store).unwrap().id.0,
    };
    // Requests has the newest row at its end, Callbacks at its beginning.
    for (mut model, keys, noun, [older, newer]) in [
        (busy(), "5<enter>", "request", ["[", "]"]),
        (received::receiving(), "i", "callback", ["]", "["]),
    ] {
        press(&mut model, keys, now);
        let pane = model.focus;
        let newest = selected(&model);
        let end = format!("no {noun} is loaded and shown beyond this one");
        for (key, age, said) in [
            (older, 1, ""),
            (older, 2, ""),
            (newer, 1, ""),
            (newer, 0, ""),
            (newer, 0, end.as_str()),
        ] {
            press(&mut model, key, now);
            assert_eq!(selected(&model), newest - age, "{noun} {key}");
            assert_eq!((model.focus, model.overlays.len()), (pane, 1));
            let flash = model.store.flash.as_ref();
            assert_eq!(flash.map_or("", |flash| &flash.text), said);
        }
    }
}
