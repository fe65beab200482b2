//! Callbacks and timelines: whole screens, and keys and events in, effects out.

use std::sync::Arc;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::domain::search::Found;
use crate::domain::{CheckedPayment, JobId, notice_alert};
use crate::tui::testing::received::*;

pub const SIZES: [(u16, u16); 3] = [(120, 40), (80, 24), (60, 15)];

/// Presses keys and returns their effects, without the query for the visible budgets.
pub fn press(model: &mut Model, keys: &str, now: Now) -> Vec<Effect> {
    let mut effects = super::press(model, keys, now);
    effects.retain(|effect| *effect != Effect::LookAtBudgets);
    effects
}

/// Snapshots of a screen at several sizes.
pub fn shown(model: &mut Model, now: Now, name: &str) {
    for (width, height) in SIZES {
        let text = resized_screen(model, now, width, height);
        assert_snapshot!(format!("{name}_{width}x{height}"), text);
    }
}

#[test]
fn a_wide_list_has_room_for_the_titles_of_narrow_columns() {
    let mut model = busy();
    let mut short = delivery(1, -5, "A-1");
    short.kind = "MEM".into();
    update(&mut model, second(3), Msg::Delivery(short.into()));
    let text = screen(&model, second(4), 200, 55);
    assert!(text.contains(" payment event "), "{text}");
}

#[test]
fn callbacks_of_every_verdict() {
    let mut model = receiving();
    let now = second(4);
    for (width, height) in SIZES {
        let text = resized_screen(&mut model, now, width, height);
        assert!(text.contains("1 job failed"), "{text}");
    }
    shown(&mut model, now, "callbacks");
    for (width, height) in [(200, 60), (40, 10)] {
        let text = resized_screen(&mut model, now, width, height);
        assert_snapshot!(format!("callbacks_{width}x{height}"), text);
    }
    press(&mut model, "f", now);
    shown(&mut model, now, "callbacks_zoomed");
    press(&mut model, "f/", now);
    let search = update(&mut model, now, Msg::Paste("about:ORDER-1041".into()));
    assert_eq!(
        search,
        [Effect::LoadDeliveries(
            None,
            Search::of_callbacks("about:ORDER-1041")
        )]
    );
    update(&mut model, now, Msg::Deliveries(Ok(found(Vec::new()))));
    shown(&mut model, now, "callbacks_filter");
}

#[test]
fn a_listener_that_is_off_down_or_silent() {
    let now = second(4);
    let mut model = busy();
    press(&mut model, "7", now);
    shown(&mut model, now, "callbacks_off");
    update(&mut model, now, Msg::ListenerStatus(up(3)));
    shown(&mut model, now, "callbacks_none");
    let mut model = receiving();
    let why = "port 8787 is taken by another program; set another `bind` under [callbacks], or end that program";
    let down = ListenerStatus::Down {
        address: "127.0.0.1:8787".into(),
        why: why.into(),
        since: wall(3),
    };
    let before = alerts::count(&model.store);
    update(&mut model, now, Msg::ListenerStatus(down.clone()));
    assert_eq!(alerts::count(&model.store), before + 1);
    shown(&mut model, now, "callbacks_down");
    press(&mut model, "<esc>", now);
    assert_eq!(
        alerts::count(&model.store),
        before + 1,
        "dismissed, not mended"
    );
    update(&mut model, now, Msg::ListenerStatus(down));
    assert!(model.store.notices.is_empty(), "one notice only");
    update(&mut model, now, Msg::ListenerStatus(up(4)));
    assert_eq!(alerts::count(&model.store), before);
    assert!(screen(&model, now, 120, 40).contains("receiving callbacks again"));
    let later = second(200);
    assert!(resized_screen(&mut model, later, 120, 40).contains("self-test 3m ago"));
}

#[test]
fn a_callback_that_is_not_loaded_opens_once_the_ledger_has_given_it() {
    let now = second(4);
    for (result, shown) in [
        (Ok(Arc::new(delivery(77, -900, "OLD-3"))), "OLD-3"),
        (
            Err(Problem::new(
                ProblemKind::NotFound,
                "callback 77 is not saved",
                "",
            )),
            "callback 77 is not saved",
        ),
    ] {
        let mut model = receiving();
        model.open_at(OpenTarget::Callback(DeliveryId(77)));
        let mut asked = update(&mut model, now, Msg::Woke);
        asked.retain(|effect| *effect != Effect::LookAtBudgets);
        let [Effect::FindDelivery(request, delivery)] = asked[..] else {
            panic!("{asked:?}");
        };
        assert_eq!(delivery, DeliveryId(77));
        let other = Arc::new(testing::received::delivery(4, -800, "OTHER-4"));
        for (request, result) in [(RequestId(request.0 + 1), Ok(other)), (request, result)] {
            update(&mut model, now, Msg::DeliveryFound(request, result));
        }
        let text = screen(&model, now, 120, 40);
        assert!(
            text.contains(shown) && !text.contains("OTHER-4"),
            "{shown}: {text}"
        );
    }
}

#[test]
fn the_timeline_of_a_payment_that_is_not_watched_opens_from_a_search() {
    let now = second(4);
    let opens = |effects: &[Effect]| {
        let is_it = |effect: &Effect| matches!(effect, Effect::LoadHistory(_, _, payment) if payment.as_str() == "OLD-3");
        effects.iter().any(is_it)
    };
    for keys in ["t", "<enter><enter>"] {
        let mut model = receiving();
        press(&mut model, "3/old-3", now);
        let text = screen(&model, now, 120, 40);
        assert!(text.contains("Requests for others"), "{text}");
        press(&mut model, "<esc>5/", now);
        update(&mut model, now, Msg::Paste("about:OLD-3".into()));
        press(&mut model, "<enter>", now);
        let mut old = Exchange::clone(&exchange(
            -900,
            "/api/v2/tpg/transaction",
            Outcome::Status(200),
        ));
        old.about = "OLD-3".into();
        old.request_body.text = "{\"id\":\"OLD-3\"}".into();
        update(&mut model, now, Msg::Log(Ok(found(vec![Arc::new(old)]))));
        let effects = press(&mut model, keys, now);
        let text = screen(&model, now, 120, 40);
        assert!(opens(&effects), "{keys} {effects:?} {text}");
    }
    let mut model = receiving();
    press(&mut model, "7/", now);
    update(&mut model, now, Msg::Paste("about:OLD-3".into()));
    press(&mut model, "<enter>", now);
    let old = found(vec![Arc::new(delivery(3, -900, "OLD-3"))]);
    update(&mut model, now, Msg::Deliveries(Ok(old)));
    assert!(opens(&press(&mut model, "<enter>", now)));
}

#[test]
fn a_callback_is_shown_with_all_details() {
    let mut model = receiving();
    let now = second(4);
    press(&mut model, "jj", now);
    let effects = press(&mut model, "i", now);
    let [Effect::OpenDelivery(request, delivery)] = effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(delivery, DeliveryId(8));
    assert!(screen(&model, now, 120, 40).contains("loading…"));
    let stranger = RequestId(request.0 + 1);
    update(&mut model, now, Msg::Received(stranger, Ok(received())));
    assert!(screen(&model, now, 120, 40).contains("loading…"));
    update(&mut model, now, Msg::Received(request, Ok(received())));
    shown(&mut model, now, "delivery");
    // The timeline shows what is in progress.
    let mut done = (*deliveries()[7]).clone();
    done.jobs[1].state = JobState::Done;
    done.jobs[1].summary = "HTTP 204".into();
    update(&mut model, now, Msg::Delivery(done.into()));
    let text = resized_screen(&mut model, now, 120, 40);
    assert!(text.contains("forwarded: HTTP 204"), "{text}");
    let copied = press(&mut model, "yb", now);
    let [
        Effect::Copy { text: curl, .. },
        Effect::Copy { text: body, .. },
    ] = &copied[..]
    else {
        panic!("{copied:?}");
    };
    assert!(
        curl.expose().starts_with(
            "curl -X POST 'http://127.0.0.1:8787/callbacks/kanga?transactionKey=ORDER-1042'"
        ),
        "{}",
        curl.expose()
    );
    assert!(curl.expose().contains("-H 'x-shop-key: ‹redacted›'"));
    assert_eq!(body.expose(), received().body.text);
}

#[test]
fn a_callback_whose_bytes_were_deleted_says_so() {
    let mut model = receiving();
    let now = second(4);
    let effects = press(&mut model, "i", now);
    let Some(Effect::OpenDelivery(request, _)) = effects.first() else {
        panic!("{effects:?}");
    };
    let problem = Problem::new(ProblemKind::NotFound, "its bytes are not kept any more", "");
    update(&mut model, now, Msg::Received(*request, Err(problem)));
    assert!(screen(&model, now, 80, 24).contains("its bytes are not kept any more"));
    assert_eq!(press(&mut model, "y", now), [], "nothing to copy");
}

#[test]
fn a_replay_asks_first_and_where_to() {
    let mut model = receiving();
    let now = second(4);
    press(&mut model, "jjr", now);
    shown(&mut model, now, "replay");
    let effects = press(&mut model, "<enter>", now);
    let [
        Effect::Replay {
            request,
            delivery: DeliveryId(8),
            to,
        },
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!(to, "http://127.0.0.1:3000/kanga");
    assert_eq!(press(&mut model, "<enter>", now), [], "once");
    let refused = Problem::new(ProblemKind::Local, "only loopback may be plain http", "");
    let message = |result| Msg::Replayed(*request, result);
    update(&mut model, now, message(Err(refused)));
    assert!(screen(&model, now, 80, 24).contains("only loopback"));
    let effects = press(&mut model, "<enter>", now);
    let Some(Effect::Replay { request, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    update(&mut model, now, Msg::Replayed(*request, Ok(())));
    assert!(matches!(model.overlays.as_slice(), []));
    // A notice has its result, once there is one.
    let mut delivery = (*deliveries()[7]).clone();
    let mut replay = delivery.jobs[1].clone();
    (replay.id, replay.is_replay, replay.attempts) = (JobId(99), true, 1);
    for (at, state, summary, notice) in [
        (None, JobState::Due { at: now.wall }, "", None),
        (
            Some(now.wall),
            JobState::Due { at: now.wall },
            "HTTP 500",
            Some("callback 8 was not forwarded yet: HTTP 500; tilldeck retries it"),
        ),
        (
            Some(second(5).wall),
            JobState::Done,
            "HTTP 200",
            Some("callback 8 was forwarded: HTTP 200"),
        ),
    ] {
        (replay.tried_at, replay.state, replay.summary) = (at, state, summary.into());
        delivery.jobs.truncate(2);
        delivery.jobs.push(replay.clone());
        update(&mut model, now, Msg::Delivery(delivery.clone().into()));
        let mut notices = model.store.notices.iter();
        let about = notices.find(|notice| notice.about == "replay 8");
        assert_eq!(about.map(|notice| notice.text.as_str()), notice);
    }

    // A callback that was never forwarded cannot be forwarded again.
    assert_eq!(press(&mut model, "gr<enter>", now), []);
    assert!(screen(&model, now, 80, 24).contains("enter a full URL"));
    assert_eq!(press(&mut model, "shop.example<enter>", now), []);
    assert!(screen(&model, now, 80, 24).contains("enter a full URL"));
}

#[test]
fn a_failed_job_is_retried_from_its_row_and_from_its_details() {
    let mut model = receiving();
    let now = second(4);
    assert_eq!(press(&mut model, "R", now), [], "its first attempt is due");
    let retry = |effects: Vec<Effect>| match effects[..] {
        [Effect::Retry(request, delivery)] => (request, delivery),
        _ => panic!("{effects:?}"),
    };
    let (request, delivery) = retry(press(&mut model, "jR", now));
    assert_eq!(delivery, DeliveryId(9));
    let refused = Problem::new(ProblemKind::Usage, "its forward is running", "wait");
    let (retried, replayed) = (Ok(()), Ok(()));
    for (message, shown) in [
        (
            Msg::Retried(request, Err(refused)),
            "its forward is running",
        ),
        (Msg::Retried(request, retried), "retrying…"),
        (Msg::Replayed(request, replayed), "forwarding…"),
    ] {
        update(&mut model, now, message);
        let text = screen(&model, now, 120, 40);
        assert!(text.contains(shown), "{text}");
    }
    let mut queued = (*deliveries()[8]).clone();
    queued.jobs[0].attempts = 0;
    queued.jobs[0].state = JobState::Due { at: now.wall };
    update(&mut model, now, Msg::Delivery(queued.into()));
    assert!(screen(&model, now, 120, 40).contains("forwarding now"));
    press(&mut model, "ji", now);
    assert_eq!(retry(press(&mut model, "R", now)).1, DeliveryId(8));
}

#[test]
fn a_live_accounts_callback_is_replayed_by_name_only() {
    let mut model = sized(live_setup(), 120, 40);
    let now = second(4);
    let mut ready = readiness(Vec::new(), Vec::new());
    let mut one = delivery(1, 0, "A-17");
    one.account = "shop".into();
    ready.verify = Vec::new();
    ready.saved.deliveries = vec![one.into()];
    ready.listening = up(3);
    update(&mut model, now, Msg::Ready(ready));
    assert_eq!(press(&mut model, "7r<enter>", now), []);
    assert!(screen(&model, now, 120, 40).contains("type shop to forward it"));
    let typed = "http://127.0.0.1:3000/<tab>shop<enter>";
    let effects = press(&mut model, typed, now);
    assert!(
        matches!(effects[..], [Effect::Replay { .. }]),
        "{effects:?}"
    );
}

#[test]
fn rows_of_a_removed_account_are_not_taken_for_those_of_the_only_one() {
    let mut model = receiving();
    let now = second(4);
    update(
        &mut model,
        now,
        Msg::Resized {
            width: 120,
            height: 40,
        },
    );
    let mut one = delivery(11, 0, "A-17");
    one.account = "removed".into();
    update(&mut model, now, Msg::Delivery(one.into()));
    let shown = screen(&model, now, 120, 40);
    assert!(shown.contains("removed"), "{shown}");
}

#[test]
fn a_callback_whose_sender_is_not_proved_is_forwarded_by_name_only() {
    let now = second(4);
    for (verdict, says) in [
        (
            CallbackVerdict::Refused,
            "It was rejected, not processed: the signature is wrong.",
        ),
        (
            CallbackVerdict::Unverified,
            "was not verified yet, not processed: the signature",
        ),
    ] {
        let mut model = receiving();
        let mut one = delivery(11, 0, "A-17");
        (one.verdict, one.why) = (verdict, "the signature is wrong".into());
        let account = one.account.clone();
        update(&mut model, now, Msg::Delivery(one.into()));
        press(&mut model, "gr", now);
        let text = screen(&model, now, 120, 40);
        assert!(text.contains(says) && !text.contains(" again"), "{text}");
        let to = "http://127.0.0.1:3000/";
        assert_eq!(press(&mut model, &format!("{to}<enter>"), now), []);
        let effects = press(&mut model, &format!("{account}<enter>"), now);
        assert!(
            matches!(effects[..], [Effect::Replay { .. }]),
            "{effects:?}"
        );
    }
}

#[test]
fn a_live_accounts_forward_is_retried_after_a_confirmation_and_its_check_without_one() {
    let now = second(4);
    for (job, is_confirmed) in [
        (forwarded(1, 410, JobState::GivenUp), true),
        (
            Job {
                state: JobState::GivenUp,
                ..asked(1, "no response")
            },
            false,
        ),
    ] {
        let mut model = sized(live_setup(), 120, 40);
        let mut ready = readiness(Vec::new(), Vec::new());
        let mut one = delivery(1, 0, "A-17");
        one.account = "shop".into();
        one.jobs = vec![job];
        ready.verify = Vec::new();
        ready.saved.deliveries = vec![one.into()];
        ready.listening = up(3);
        update(&mut model, now, Msg::Ready(ready));
        let mut effects = press(&mut model, "7R", now);
        if is_confirmed {
            assert_eq!(effects, []);
            let text = screen(&model, now, 120, 40);
            assert!(text.contains("Retry a forward of shop, LIVE"), "{text}");
            assert_eq!(press(&mut model, "<esc>R", now), [], "cancelled");
            effects = press(&mut model, "y", now);
        }
        assert!(matches!(effects[..], [Effect::Retry(..)]), "{effects:?}");
        assert!(matches!(model.overlays.as_slice(), []));
    }
}

#[test]
fn a_job_replaces_its_row_and_a_failed_one_gives_a_notice() {
    let mut model = receiving();
    let now = second(4);
    let count = |model: &Model| {
        (
            model.panes.callbacks.len(&model.store),
            model.store.open_jobs.sum,
        )
    };
    let (rows, before) = count(&model);
    assert_eq!((before.queued, before.failing, before.given_up), (2, 1, 1));
    let mut failing = (*deliveries()[7]).clone();
    failing.jobs[1].state = JobState::GivenUp;
    update(&mut model, now, Msg::Delivery(failing.into()));
    let (same, after) = count(&model);
    assert_eq!(same, rows);
    assert_eq!((after.queued, after.failing, after.given_up), (1, 0, 2));
    let notice = model.store.notices.last().unwrap();
    assert!(
        notice.text.contains("gave up") && notice.text.contains("ORDER-1043"),
        "{}",
        notice.text
    );
    let (given_up, notices) = (after.given_up, model.store.notices.clone());
    let mut stranger = (*deliveries()[7]).clone();
    stranger.id = DeliveryId(99);
    stranger.jobs = vec![Job {
        attempts: 1,
        ..asked(1, "not found")
    }];
    update(&mut model, now, Msg::Delivery(stranger.clone().into()));
    (stranger.jobs[0].attempts, stranger.jobs[0].not_found) = (2, 2);
    stranger.jobs[0].state = JobState::GivenUp;
    update(&mut model, now, Msg::Delivery(stranger.into()));
    assert_eq!(count(&model).1.given_up, given_up, "anyone can send it");
    assert_eq!(model.store.notices, notices);
}

#[test]
fn a_job_that_failed_behind_all_loaded_callbacks_is_counted_and_an_alert_until_it_is_handled() {
    let failed = |number: i64| {
        let mut one = delivery(number, -9_000 + number, "ORDER-1043");
        let mut job = forwarded(number, 410, JobState::GivenUp);
        job.tried_at = Some(wall(-9_000 + number));
        one.jobs = vec![job];
        Arc::new(one)
    };
    for (handled_at, is_shown) in [(None, true), (Some(-8_999), true), (Some(-8_998), false)] {
        let mut model = sized(sandbox_setup(), 120, 40);
        let mut ready = readiness(Vec::new(), Vec::new());
        ready.saved.failed_callbacks = vec![failed(2), failed(1)];
        ready.saved.deliveries = (300..500)
            .rev()
            .map(|n| delivery(n, 3, "ORDER-9").into())
            .collect();
        let alert = notice_alert(&jobs::about_failed(shop().as_str()));
        let mark = |at| testing::handled(&alert, wall(at));
        ready.handled = handled_at.map(mark).into_iter().collect();
        let now = second(4);
        update(&mut model, now, Msg::Ready(ready));
        assert_eq!(model.store.open_jobs.sum.given_up, 2);
        assert_eq!(model.panes.callbacks.len(&model.store), 200, "no gap below");
        assert_eq!(alerts::count(&model.store), usize::from(is_shown));
        if is_shown {
            press(&mut model, "!", now);
            let shown = screen(&model, now, 120, 40);
            assert!(shown.contains("callback 2 to "), "{shown}");
            let marked = press(&mut model, "m", now);
            assert!(
                matches!(marked[..], [Effect::MarkHandled { .. }]),
                "{marked:?}"
            );
        }
        // The older one fails again: whatever was handled before, this was not.
        let mut again = (*failed(1)).clone();
        again.jobs[0].tried_at = Some(wall(-8_000));
        update(&mut model, now, Msg::Delivery(again.into()));
        let alert_again = alerts::all(&model.store)
            .into_iter()
            .find(|it| it.key == alert);
        let alert_again = alert_again.expect("it failed again");
        assert!(alert_again.handled.is_none() && alert_again.what.contains("callback 1 to "));
        model.overlays.clear();
        let older = press(&mut model, "7o", now);
        assert!(
            matches!(
                older[..],
                [Effect::LoadDeliveries(Some(DeliveryId(300)), _)]
            ),
            "its row is no reason to skip those between: {older:?}"
        );
        // Retried from elsewhere: the alert is then about the one before, and gone with the last.
        for (number, left) in [(2, 1), (1, 0)] {
            let mut retried = (*failed(number)).clone();
            let due = JobState::Due { at: now.wall };
            for (state, more) in [
                (due, 1),
                (JobState::GivenUp, 1),
                (due, 1),
                (JobState::Done, 0),
            ] {
                retried.jobs[0].state = state;
                update(&mut model, now, Msg::Delivery(retried.clone().into()));
                assert_eq!(model.store.failed_callbacks.len(), left + more, "{state:?}");
            }
            assert_eq!(model.store.open_jobs.sum.given_up as usize, left);
            let all = alerts::all(&model.store);
            let about: Vec<_> = all.iter().filter(|it| it.key == alert).collect();
            assert_eq!(about.len(), left);
            for it in about {
                assert!(it.what.contains("callback 1 to "), "{it:?}");
            }
            assert!(model.store.notices.is_empty(), "{number}");
        }
    }
}

#[test]
fn older_callbacks_follow_those_that_are_loaded_also_after_a_flood_and_an_old_change() {
    let (mut model, now) = (sized(sandbox_setup(), 120, 40), second(4));
    let arrives = |model: &mut Model, number| {
        let one = delivery(number, 3, "ORDER-9");
        update(model, now, Msg::Delivery(one.into()));
    };
    let oldest = |model: &mut Model| match press(model, "<end>o", now)[..] {
        [Effect::LoadDeliveries(before, _)] => before,
        ref effects => panic!("{effects:?}"),
    };
    // An old one changes while the profile opens.
    arrives(&mut model, 1);
    let mut ready = readiness(Vec::new(), Vec::new());
    let loaded = (300..500).rev();
    ready.saved.deliveries = loaded.map(|n| delivery(n, 3, "ORDER-9").into()).collect();
    update(&mut model, now, Msg::Ready(ready));
    press(&mut model, "7", now);
    assert_eq!(oldest(&mut model), Some(DeliveryId(300)));
    let rows = (100..300).rev().map(|n| delivery(n, 3, "ORDER-9").into());
    update(&mut model, now, Msg::Deliveries(Ok(older(rows.collect()))));
    press(&mut model, "<home>", now);
    for number in 500..1_100 {
        arrives(&mut model, number);
    }
    // The newest 500 are left, and an older one changes while another is looked at.
    press(&mut model, "j", now);
    arrives(&mut model, 450);
    assert_eq!(oldest(&mut model), Some(DeliveryId(600)));
}

#[test]
fn a_flood_is_bounded_and_moves_nothing_that_is_looked_at() {
    let mut model = receiving();
    let now = second(4);
    press(&mut model, "jjj", now);
    let looked_at = model.panes.callbacks.selected(&model.store).unwrap().id;
    for number in 11..300 {
        let one = delivery(number, 3, "ORDER-9");
        update(&mut model, now, Msg::Delivery(one.into()));
    }
    assert_eq!(
        model.panes.callbacks.selected(&model.store).unwrap().id,
        looked_at
    );
    assert!(screen(&model, now, 120, 40).contains("289 new callbacks: g shows them"));
    for number in 300..10_300 {
        let one = delivery(number, 3, "ORDER-9");
        update(&mut model, now, Msg::Delivery(one.into()));
    }
    assert_eq!(model.panes.callbacks.len(&model.store), 2000);
    press(&mut model, "g", now);
    assert_eq!(model.panes.callbacks.len(&model.store), 500);
    assert_eq!(
        model.panes.callbacks.selected(&model.store).unwrap().id,
        DeliveryId(10_299)
    );
    // Callbacks outside of the window are counted as well.
    let mut late = delivery(11, 3, "ORDER-9");
    late.jobs = vec![forwarded(1, 500, JobState::Due { at: wall(99) })];
    update(&mut model, now, Msg::Delivery(late.into()));
    assert_eq!(model.panes.callbacks.len(&model.store), 500);
    assert_eq!(model.store.open_jobs.sum.failing, 2);
}

#[test]
fn older_callbacks_are_brought_at_the_end_and_by_a_key() {
    let mut model = receiving();
    let now = second(4);
    assert_eq!(
        press(&mut model, "GG", now),
        [Effect::LoadDeliveries(
            Some(DeliveryId(1)),
            Search::default()
        )]
    );
    assert_eq!(press(&mut model, "o", now), [], "one question at a time");
    let old = vec![Arc::new(delivery(0, -100_000, "ORDER-1"))];
    let rows = model.panes.callbacks.len(&model.store);
    update(&mut model, now, Msg::Deliveries(Ok(older(old))));
    assert_eq!(model.panes.callbacks.len(&model.store), rows + 1);
    assert_eq!(press(&mut model, "o", now), [], "there are no more");
}

#[test]
fn a_heartbeat_that_changes_nothing_draws_nothing() {
    let mut model = receiving();
    model.take_dirty();
    update(&mut model, second(4), Msg::ListenerStatus(up(4)));
    assert!(!model.take_dirty());
    update(&mut model, second(20), Msg::ListenerStatus(up(4)));
    model.take_dirty();
    update(&mut model, second(20), Msg::ListenerStatus(up(20)));
    assert!(model.take_dirty(), "its age reads differently");
}

#[test]
fn heartbeats_that_come_in_time_wake_nobody() {
    let mut model = receiving();
    press(&mut model, "7f", second(4));
    let mut drawn = |at, heartbeat| {
        update(&mut model, second(at), Msg::ListenerStatus(up(heartbeat)));
        let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
        let changes = view(&model, second(at), &mut terminal.get_frame());
        (changes, model.next_wake(second(at)))
    };
    let (before, _) = drawn(100, 100);
    let (after, wake) = drawn(100, 91);
    assert_eq!(before, after, "no frame waits for the age of a heartbeat");
    assert!(
        wake.unwrap() <= Duration::from_secs(1),
        "one that is late is shown: {wake:?}"
    );
}

#[test]
fn keys_on_a_callback_open_its_payment_or_player() {
    let mut model = receiving();
    let now = second(4);
    assert_eq!(
        press(&mut model, "y", now),
        [Effect::Copy {
            text: Secret::new("ORDER-1042"),
            what: "the payment id".into(),
        }]
    );
    let effects = press(&mut model, "<enter>", now);
    assert!(
        matches!(&effects[..], [Effect::LoadHistory(_, _, payment)] if payment.as_str() == "ORDER-1042"),
        "{effects:?}"
    );
    press(&mut model, "<esc>jjjjjj", now);
    assert_eq!(
        model.panes.callbacks.selected(&model.store).unwrap().id,
        DeliveryId(4)
    );
    press(&mut model, "<enter>", now);
    assert_eq!(model.focus, Pane::Players, "it tells of a player");
    press(&mut model, "7j", now);
    let effects = press(&mut model, "<enter>", now);
    assert!(
        matches!(effects[..], [Effect::OpenDelivery(..)]),
        "it tells of nothing: {effects:?}"
    );
}

fn look_back(effects: &[Effect]) -> Option<RequestId> {
    effects.iter().find_map(|effect| match effect {
        Effect::LoadHistory(request, _, _) => Some(*request),
        _ => None,
    })
}

/// The timeline of a payment, opened from Payments.
fn timeline_open() -> Model {
    let mut model = receiving();
    let effects = press(&mut model, "3ggjt", second(4));
    let request = look_back(&effects).unwrap();
    let result = Ok(timeline());
    update(&mut model, second(4), Msg::Timeline(request, result));
    model
}

#[test]
fn a_timeline_shows_the_verdict_and_who_unmarked_an_alert() {
    let mut model = receiving();
    let effects = press(&mut model, "3ggjt", second(4));
    let request = look_back(&effects).unwrap();
    let mut all = timeline();
    let mut unmarked = all.entries.last().unwrap().clone();
    unmarked.what = TimelineEvent::Marked {
        verdict: PaymentVerdict::Less,
        handled: false,
        operator: "piotr".into(),
    };
    all.entries.push(unmarked);
    all.expected = Some(emt("30"));
    let result = Ok(all);
    update(&mut model, second(4), Msg::Timeline(request, result));
    let text = screen(&model, second(4), 120, 40);
    for words in [
        "FINALIZED 25.00 EMT less than expected since",
        "✔ alert handled: less than expected  anna",
        "○ alert not handled any more: less than expected  piotr",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_payments_timeline() {
    let now = second(4);
    let mut model = receiving();
    let request = look_back(&press(&mut model, "3ggjt", now)).unwrap();
    assert!(screen(&model, now, 80, 24).contains("Loading…"));
    let nothing = Timeline {
        entries: Vec::new(),
        latest: None,
        ..timeline()
    };
    let mut empty = model.clone();
    let result = Ok(nothing);
    update(&mut empty, now, Msg::Timeline(request, result));
    assert!(screen(&empty, now, 80, 24).contains("No request, callback or state"));
    let mut failed = model.clone();
    let result = Err(Problem::new(ProblemKind::Local, "the ledger is gone", ""));
    update(&mut failed, now, Msg::Timeline(request, result));
    assert!(screen(&failed, now, 80, 24).contains("the ledger is gone"));

    let mut model = timeline_open();
    shown(&mut model, now, "timeline");
    press(&mut model, "a", now);
    assert_snapshot!(
        "timeline_all_120x40",
        resized_screen(&mut model, now, 120, 40)
    );
    let mut cut = timeline();
    cut.cut = true;
    let request = look_back(&press(&mut model, "<esc>t", now)).unwrap();
    let result = Ok(cut);
    update(&mut model, now, Msg::Timeline(request, result));
    assert!(screen(&model, now, 120, 40).contains("older entries omitted"));
}

#[test]
fn a_timeline_looks_again_when_something_happens_and_once_for_many() {
    let mut model = timeline_open();
    let mut now = second(5);
    for number in 20..30 {
        let one = delivery(number, 4, "ORDER-1042");
        assert_eq!(update(&mut model, now, Msg::Delivery(one.into())), []);
    }
    assert!(next_wake(&model, now).unwrap() <= Duration::from_millis(250));
    now = now.plus(Duration::from_millis(250));
    let effects = update(&mut model, now, Msg::Woke);
    let request = look_back(&effects).unwrap();
    let one = exchange(99, "/api/v2/tpg/transaction", Outcome::Status(200));
    update(&mut model, now, Msg::Exchange(one));
    now = now.plus(Duration::from_secs(1));
    let effects = update(&mut model, now, Msg::Woke);
    assert_eq!(look_back(&effects), None, "one look at a time");
    let result = Ok(timeline());
    let effects = update(&mut model, now, Msg::Timeline(request, result));
    assert!(look_back(&effects).is_some());
    // At the newest row the selection follows new rows.
    let mut more = timeline();
    more.entries.push(call(3, 77, Outcome::Status(200)));
    let request = look_back(&effects).unwrap();
    let result = Ok(more);
    update(&mut model, now, Msg::Timeline(request, result));
    let effects = press(&mut model, "<enter>", now);
    assert!(
        matches!(effects[..], [Effect::OpenExchange(_, ExchangeId(77))]),
        "{effects:?}"
    );
    let other = delivery(31, 4, "ORDER-1041");
    let mut model = timeline_open();
    update(&mut model, now, Msg::Delivery(other.into()));
    let effects = update(&mut model, second(60), Msg::Woke);
    assert_eq!(look_back(&effects), None, "another payment's");
}

#[test]
fn a_timeline_is_loaded_again_once_the_watch_list_changed() {
    let mut model = timeline_open();
    assert!(screen(&model, second(5), 120, 40).contains("PAID"));
    let (list, seen) = (Watchlist::default(), Vec::new());
    update(&mut model, second(5), Msg::Watchlist { list, seen });
    let request = look_back(&update(&mut model, second(6), Msg::Woke)).unwrap();
    let mut other = timeline();
    other.expected = Some(emt("30"));
    update(&mut model, second(6), Msg::Timeline(request, Ok(other)));
    let text = screen(&model, second(6), 120, 40);
    assert!(!text.contains("PAID"), "{text}");
}

#[test]
fn a_timeline_that_could_not_be_loaded_is_loaded_once_it_can() {
    let mut model = receiving();
    let request = look_back(&press(&mut model, "3ggjt", second(4))).unwrap();
    let away = Err(Problem::new(ProblemKind::Local, "the ledger is away", ""));
    update(&mut model, second(4), Msg::Timeline(request, away));
    assert_eq!(
        look_back(&update(&mut model, second(8), Msg::Woke)),
        None,
        "not at once"
    );
    let request = look_back(&update(&mut model, second(10), Msg::Woke)).unwrap();
    update(
        &mut model,
        second(10),
        Msg::Timeline(request, Ok(timeline())),
    );
    let text = screen(&model, second(10), 120, 40);
    assert!(
        text.contains("callback 6") && !text.contains("away"),
        "{text}"
    );
}

#[test]
fn the_selected_entry_and_expanded_groups_stay_when_a_timeline_is_loaded_again() {
    let now = second(4);
    let reloaded = |model: &mut Model, all: Timeline, at: u64| {
        let one = exchange(99, "/api/v2/tpg/transaction", Outcome::Status(200));
        update(model, second(at), Msg::Exchange(one));
        let request = look_back(&update(model, second(at + 1), Msg::Woke)).unwrap();
        update(model, second(at + 1), Msg::Timeline(request, Ok(all)));
    };
    // The oldest entries are gone, and another machine's came late.
    let other = || {
        let mut all = timeline();
        all.entries.drain(..5);
        all.entries.insert(3, call(-810, 60, Outcome::Status(503)));
        all
    };
    let opened = |model: &mut Model| {
        let effects = press(model, "<enter>", second(20));
        let mut ids = effects.iter().filter_map(|effect| match effect {
            Effect::OpenExchange(_, ExchangeId(id)) | Effect::OpenDelivery(_, DeliveryId(id)) => {
                Some(*id)
            }
            _ => None,
        });
        ids.next().unwrap_or_else(|| panic!("{effects:?}"))
    };
    // From the end: the request 33, the callback 7, the callback 6.
    for (keys, id) in [("kkk", 33), ("kkkkk", 7), ("kkkkkk", 6)] {
        let mut model = timeline_open();
        press(&mut model, keys, now);
        reloaded(&mut model, other(), 5);
        assert_eq!(opened(&mut model), id, "{keys}");
    }
    let mut model = timeline_open();
    press(&mut model, "gjjj<enter>jjjj", now);
    let mut all = timeline();
    all.entries.drain(..5);
    reloaded(&mut model, all.clone(), 5);
    let text = screen(&model, second(20), 120, 40);
    assert!(!text.contains("without change"), "expanded: {text}");
    assert_eq!(opened(&mut model), 14);
    // One that is not there any more gives way to the oldest.
    all.entries.drain(..8);
    reloaded(&mut model, all, 11);
    assert_eq!(opened(&mut model), 20);
    // Grouped again, the group of the selected request is selected.
    let mut model = timeline_open();
    press(&mut model, "agjjjjjja", now);
    let is_grouped = |model: &Model| screen(model, now, 120, 40).contains("checked 12 times");
    assert!(is_grouped(&model));
    press(&mut model, "<enter>", now);
    assert!(!is_grouped(&model));
}

#[test]
fn what_is_loaded_opens_over_nothing_that_the_operator_opened_or_typed_since() {
    type Loaded = fn(&Effect) -> Option<Msg>;
    let now = second(4);
    let callback: Loaded = |effect| match effect {
        Effect::FindDelivery(request, _) => {
            let result = Ok(Arc::new(delivery(77, -900, "OLD-3")));
            Some(Msg::DeliveryFound(*request, result))
        }
        _ => None,
    };
    let ids: Loaded = |effect| match effect {
        Effect::OpenDelivery(request, _) => {
            let mut received = received();
            received.ids.add("offerId", "5f9e2c");
            Some(Msg::Received(*request, Ok(received)))
        }
        _ => None,
    };
    let request: Loaded = |effect| match effect {
        Effect::OpenExchange(request, _) => {
            let result = Ok(exchange(33, "/api", Outcome::Status(200)));
            Some(Msg::Opened(*request, result))
        }
        _ => None,
    };
    let to = |target: OpenTarget| {
        let mut model = receiving();
        model.open_at(target);
        model
    };
    let places: Vec<(&str, Model, &str, Loaded)> = vec![
        (
            "callback",
            to(OpenTarget::Callback(DeliveryId(77))),
            "",
            callback,
        ),
        ("next call", receiving(), "c", ids),
        (
            "request",
            to(OpenTarget::Request(ExchangeId(33))),
            "",
            request,
        ),
        ("entry", timeline_open(), "kkk<enter>", request),
    ];
    for (name, model, keys, loaded) in places {
        for then in ["", "L", "/", "j", "3"] {
            let mut model = model.clone();
            let mut effects = update(&mut model, now, Msg::Woke);
            effects.extend(press(&mut model, keys, now));
            let msg = effects.iter().find_map(loaded).unwrap();
            press(&mut model, then, now);
            let before = model.overlays.len();
            update(&mut model, now, msg);
            // In the window of the timeline, the others do nothing.
            let stays = then.is_empty() || name == "entry" && then != "j";
            let opened = model.overlays.len() - before;
            assert_eq!(opened, usize::from(stays), "{name} {then:?}");
        }
    }
}

#[test]
fn an_open_callback_shows_the_shops_response_to_the_latest_attempt() {
    let (mut model, now) = (receiving(), second(4));
    let asked = |effects: &[Effect]| match effects {
        [Effect::OpenDelivery(request, DeliveryId(8))] => *request,
        _ => panic!("{effects:?}"),
    };
    let first = asked(&press(&mut model, "jji", now));
    update(&mut model, now, Msg::Received(first, Ok(received())));
    let mut newer = (*deliveries()[7]).clone();
    newer.jobs[1].state = JobState::Due { at: wall(60) };
    let effects = update(&mut model, now, Msg::Delivery(newer.clone().into()));
    assert_eq!(effects, [], "no attempt");
    newer.jobs[1].tried_at = Some(wall(4));
    newer.jobs[1].summary = "HTTP 422".into();
    let again = asked(&update(&mut model, now, Msg::Delivery(newer.into())));
    let text = screen(&model, now, 120, 40);
    assert!(text.contains("ORDER-1042"), "it stays on screen: {text}");
    let mut answer = received();
    answer.replies[0].1.text = "the price changed".into();
    update(&mut model, now, Msg::Received(again, Ok(answer)));
    update(&mut model, now, Msg::Received(first, Ok(received())));
    let text = screen(&model, now, 120, 40);
    assert!(
        text.contains("the price changed") && !text.contains("locked"),
        "{text}"
    );
}

#[test]
fn a_timeline_leads_to_its_calls_and_callbacks_and_back() {
    let mut model = timeline_open();
    let now = second(4);
    // The last rows are a mark, a note and a state; the one before them is a request that is not loaded.
    let effects = press(&mut model, "kkk<enter>", now);
    let [Effect::OpenExchange(request, exchange)] = effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(exchange, ExchangeId(33));
    let found = super::exchange(33, "/api/v2/tpg/transaction", Outcome::Status(200));
    let result = Ok(found);
    update(&mut model, now, Msg::Opened(request, result));
    assert!(is_top::<overlays::exchange::State>(&model));
    press(&mut model, "t", now);
    assert!(is_top::<overlays::timeline::State>(&model));
    let effects = press(&mut model, "kk<enter>", now);
    assert!(
        matches!(effects[..], [Effect::OpenDelivery(_, DeliveryId(7))]),
        "{effects:?}"
    );
    press(&mut model, "<esc>", now);
    assert!(is_top::<overlays::timeline::State>(&model));
    assert_eq!(
        press(&mut model, "y", now),
        [Effect::Copy {
            text: Secret::new("ORDER-1042"),
            what: "the payment id".into(),
        }]
    );
    // Repeated requests are grouped; opening the group shows each.
    press(&mut model, "gj", now);
    let folded = screen(&model, now, 120, 40);
    assert!(
        folded.contains("checked 12 times without change"),
        "{folded}"
    );
    press(&mut model, "jj<enter>", now);
    let unfolded = screen(&model, now, 120, 40);
    assert!(!unfolded.contains("without change"), "{unfolded}");
    let effects = press(&mut model, "c", now);
    assert!(
        matches!(
            &effects[..],
            [Effect::Query { op: Op::CheckPayment(id), .. }] if id.as_str() == "ORDER-1042"
        ),
        "{effects:?}"
    );
    press(&mut model, "<esc>", now);
    assert!(matches!(model.overlays.as_slice(), []));
}

#[test]
fn a_request_leads_to_its_payments_timeline() {
    let mut model = busy();
    let now = second(4);
    for keys in ["5t", "<esc>5<enter><enter>", "<esc><esc>5<enter>t"] {
        let effects = press(&mut model, keys, now);
        assert!(
            matches!(&effects[..], [Effect::LoadHistory(_, _, payment)] if payment.as_str() == "ORDER-1042"),
            "{keys}: {effects:?}"
        );
    }
    press(&mut model, "<esc><esc>", now);
    let mut other = (*exchange(50, "/api/v2/tpg/estimate", Outcome::Status(200))).clone();
    other.about = "3000 EMT".into();
    other.request_body.text = r#"{"token":"EMT","quantity":"3000"}"#.into();
    update(&mut model, now, Msg::Exchange(other.into()));
    assert_eq!(press(&mut model, "5Gt", now), []);
    assert!(screen(&model, now, 120, 40).contains("this request names no known payment"));
    let mut by_hand = (*exchange(51, "/v1/purchases/ORDER-1042", Outcome::Status(200))).clone();
    by_hand.about = String::new();
    update(&mut model, now, Msg::Exchange(by_hand.into()));
    assert!(look_back(&press(&mut model, "5Gt", now)).is_some());
}

fn callback_check(account: &AccountId, id: &str, state: &str) -> Msg {
    Msg::Checked(CheckedPayment {
        account: account.clone(),
        id: PaymentId::new(id).unwrap(),
        result: Ok(payment(id, "25.00", state)),
        expected: None,
        here: true,
    })
}

#[test]
fn a_callbacks_check_is_taken_in_as_any_other() {
    let mut model = busy();
    let now = second(4);
    let effects = press(&mut model, "c", now);
    let Some(Effect::Query { request, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    let effects = update(
        &mut model,
        now,
        callback_check(&shop(), "ORDER-1042", "FINALIZED"),
    );
    assert_eq!(effects, [Effect::Bell]);
    let watched = &model.store.payments[0];
    assert_eq!(watched.verdict(), Some(PaymentVerdict::Paid));
    assert_eq!(watched.asking, Some(*request), "ours is under way still");
    assert!(
        model.store.notices.last().unwrap().text.contains("PAID"),
        "a notice appears"
    );
}

#[test]
fn an_unwatched_payment_is_watched_after_a_callbacks_check_finds_it() {
    let mut model = busy();
    let now = second(4);
    press(&mut model, "3j", now);
    let selected = model
        .panes
        .payments
        .selected(&model.store)
        .unwrap()
        .watch
        .clone();
    let effects = update(
        &mut model,
        now,
        callback_check(&shop(), "NEW-1", "FINALIZED"),
    );
    assert!(
        matches!(&effects[..], [Effect::Watch(watch), Effect::Bell] if watch.id.as_str() == "NEW-1"),
        "{effects:?}"
    );
    assert_eq!(
        model.panes.payments.selected(&model.store).unwrap().watch,
        selected,
        "what is looked at stays"
    );
    let notice = &model.store.notices.last().unwrap().text;
    assert!(notice.contains("NEW-1, now watched"), "{notice}");

    let unknown = Msg::Checked(CheckedPayment {
        account: shop(),
        id: id("NEW-2"),
        result: Err(Problem::new(ProblemKind::NotFound, "not known (9001)", "")),
        expected: None,
        here: true,
    });
    assert_eq!(update(&mut model, now, unknown), []);
    let stranger = AccountId::new("stranger").unwrap();
    assert_eq!(
        update(&mut model, now, callback_check(&stranger, "NEW-3", "NEW")),
        []
    );
    // Taken off by hand, it stays off, until it is put back by hand or ends in another state.
    let is_watched = |model: &mut Model| model.store.payment_mut(&shop(), &id("NEW-1")).is_some();
    let remove = |model: &mut Model| {
        let Model { panes, store, .. } = model;
        panes.payments.select(&shop(), &id("NEW-1"), store);
        press(model, "d", now);
    };
    remove(&mut model);
    assert!(!is_watched(&mut model));
    for state in ["NEW", "FINALIZED"] {
        let again = callback_check(&shop(), "NEW-1", state);
        assert_eq!(update(&mut model, now, again), []);
    }
    press(&mut model, "u", now);
    assert!(is_watched(&mut model));
    remove(&mut model);
    let other = callback_check(&shop(), "NEW-1", "FAILED");
    update(&mut model, now, other);
    assert!(is_watched(&mut model));

    for at in 0..200 {
        update(
            &mut model,
            now,
            callback_check(&shop(), &format!("MANY-{at}"), "NEW"),
        );
    }
    assert_eq!(model.store.payments.len(), 100, "the list is bounded");

    // Nobody who forges callbacks can expect an amount.
    let Msg::Checked(checked) = callback_check(&shop(), "LINK-1", "FINALIZED") else {
        unreachable!("a check");
    };
    let underpaid = CheckedPayment {
        expected: watch("LINK-1", Some("250.00")).expected,
        ..checked
    };
    update(&mut model, now, Msg::Checked(underpaid));
    let watched = model.store.payment_mut(&shop(), &id("LINK-1")).unwrap();
    assert_eq!(watched.verdict(), Some(PaymentVerdict::Less));
}

/// The panes and windows of the callbacks.
pub fn to_look_at() -> [(&'static str, Model); 3] {
    [
        ("callbacks", receiving()),
        ("timeline", timeline_open()),
        ("players", players::authenticated()),
    ]
}

/// The Callbacks pane, and the bytes of the newest one.
pub fn received_bytes() -> Model {
    let mut model = receiving();
    let effects = press(&mut model, "i", second(4));
    if let Some(Effect::OpenDelivery(request, _)) = effects.first() {
        let result = Ok(received());
        let request = *request;
        update(&mut model, second(4), Msg::Received(request, result));
    }
    model
}

#[test]
fn with_a_shared_ledger_callbacks_come_from_other_machines() {
    let setup = Setup {
        is_shared: true,
        ..sandbox_setup()
    };
    let mut model = sized(setup, 120, 40);
    update(
        &mut model,
        second(0),
        Msg::Ready(readiness(Vec::new(), Vec::new())),
    );
    press(&mut model, "7f", second(0));
    let text = screen(&model, second(0), 120, 40);
    assert!(text.contains("received on other machines"), "{text}");
    assert!(text.contains("the team's receivers save"), "{text}");
    let callback = delivery(5, 0, "ORDER-1042");
    update(&mut model, second(1), Msg::Delivery(callback.into()));
    let text = screen(&model, second(1), 120, 40);
    assert!(
        text.contains("ORDER-1042") && !text.contains("set `bind`"),
        "{text}"
    );
}

#[test]
fn an_open_callback_counts_down_where_its_row_is_not_seen() {
    let mut model = receiving();
    let job = forwarded(7, 503, JobState::Due { at: wall(90) });
    let waits = Delivery {
        jobs: vec![Job { attempts: 1, ..job }],
        ..delivery(99, 3, "ORDER-1042")
    };
    update(&mut model, second(3), Msg::Delivery(waits.into()));
    press(&mut model, "<home>i", second(4));
    (model.focus, model.is_zoomed) = (Pane::Explorer, true);
    assert!(screen(&model, second(4), 120, 40).contains("forward in 86 s"));
    assert_eq!(
        next_wake(&model, second(4)),
        Some(Duration::from_secs(1)),
        "its text counts seconds"
    );
}

#[test]
fn the_alert_of_a_failed_callback_behind_all_loaded_ones_opens_that_callback() {
    let mut old = delivery(2, -9_000, "ORDER-1043");
    old.jobs = vec![forwarded(2, 410, JobState::GivenUp)];
    let old = Arc::new(old);
    let newer = (300..500).rev();
    let newer = newer.map(|n| delivery(n, 3, "ORDER-9").into());
    let (mut model, now) = (sized(sandbox_setup(), 120, 40), second(4));
    let mut ready = readiness(Vec::new(), Vec::new());
    ready.saved.failed_callbacks = vec![old.clone()];
    ready.saved.deliveries = newer.collect();
    update(&mut model, now, Msg::Ready(ready));
    let effects = press(&mut model, "!<enter>", now);
    let [Effect::FindDelivery(request, DeliveryId(2))] = effects[..] else {
        panic!("{effects:?}");
    };
    // The selected row is another callback.
    for key in ["r", "R", "c", "i", "y", "o"] {
        assert_eq!(press(&mut model, key, now), [], "{key}");
        assert!(model.overlays.is_empty(), "{key}");
        let flash = model.store.flash.clone().unwrap().text;
        assert!(flash.starts_with("still loading"), "{key}: {flash}");
    }
    update(&mut model, now, Msg::DeliveryFound(request, Ok(old)));
    let shown = screen(&model, now, 120, 40);
    assert!(shown.contains("about ORDER-1043"), "{shown}");
}

#[test]
fn a_callback_that_could_not_be_loaded_says_why_it_is_not_copied() {
    let (mut model, now) = (receiving(), second(4));
    let effects = press(&mut model, "i", now);
    let [Effect::OpenDelivery(request, _)] = effects[..] else {
        panic!("{effects:?}");
    };
    let flash = |model: &mut Model, keys: &str| {
        assert_eq!(press(model, keys, now), []);
        model.store.flash.clone().unwrap().text
    };
    for key in ["y", "b"] {
        let text = flash(&mut model, key);
        assert!(text.starts_with("still loading"), "{text}");
    }
    let problem = Problem::new(ProblemKind::Unreachable, "the seal does not fit", "");
    update(&mut model, now, Msg::Received(request, Err(problem)));
    for key in ["y", "b"] {
        let text = flash(&mut model, key);
        assert!(text.contains("the seal does not fit"), "{text}");
    }
}

/// As many callbacks and requests as are loaded at most.
fn full() -> Model {
    let (mut model, now) = (sized(sandbox_setup(), 120, 40), second(4));
    let mut ready = readiness(Vec::new(), Vec::new());
    let all = (0..2_000).rev();
    let all = all.map(|n| delivery(n, 3, "ORDER-9").into());
    ready.saved.deliveries = all.collect();
    ready.log = (0..2_000)
        .rev()
        .map(|n| exchange(n, "/x", Outcome::Status(200)))
        .collect();
    update(&mut model, now, Msg::Ready(ready));
    model
}

#[test]
fn at_most_two_thousand_rows_are_loaded_and_the_key_says_so() {
    let (mut model, now) = (full(), second(4));
    for pane in ["7", "5"] {
        assert_eq!(press(&mut model, &format!("{pane}o"), now), []);
        let text = model.store.flash.clone().unwrap().text;
        assert!(
            text.ends_with("2,000 rows are loaded; filter to find older ones"),
            "{text}"
        );
    }
    // The key changed nothing: the newest row is still followed.
    let newest = exchange(3_000, "/x", Outcome::Status(200));
    update(&mut model, now, Msg::Exchange(newest));
    let selected = model.panes.requests.selected(&model.store);
    assert_eq!(selected.unwrap().id, ExchangeId(3_000));
}

#[test]
fn a_filter_that_finds_two_thousand_rows_is_narrowed_to_find_older_ones_if_there_are_any() {
    let (mut model, now) = (full(), second(4));
    press(&mut model, "7", now);
    let full = "2,000 rows are loaded; narrow the filter to find older ones";
    for (filter, rows, why) in [
        ("ORDER", 200, full),
        ("ORDER-9", 3, "none is saved, or it is loading"),
    ] {
        press(&mut model, &format!("<esc>/{filter}<enter>"), now);
        let rows = (0..rows).map(|n| delivery(-n - 1, 3, "ORDER-9").into());
        let found = Msg::Deliveries(Ok(Found {
            rows: rows.collect(),
            searched: Some(9_000),
        }));
        // The first answers the query for the filter as it was half typed.
        update(&mut model, now, found.clone());
        update(&mut model, now, found);
        assert_eq!(press(&mut model, "o", now), []);
        let text = model.store.flash.clone().unwrap().text;
        assert!(text.ends_with(why), "{text}");
    }
}
