//! Rate limits, the traffic of the last minute, and waiting requests.

use std::time::Duration;

use super::*;
use crate::domain::simulate;

fn name(text: &str) -> AccountId {
    AccountId::new(text).unwrap()
}

fn gauge(counts: Counts, used: u32, limit: u32) -> BudgetGauge {
    BudgetGauge {
        counts,
        used,
        own: used,
        limit,
        period: Duration::from_mins(1),
        next_free: None,
        waiting: 0,
        held: None,
    }
}

fn report(model: &mut Model, at: u64, account: &str, gauge: BudgetGauge) {
    let account = name(account);
    update(model, second(at), Msg::Budget(account, gauge));
}

fn waits(model: &mut Model, at: u64, request: u64, account: &str) {
    let waiting = Waiting {
        left: None,
        account: name(account),
        method: "POST".into(),
        path: "/sales-manager-api/api/v1/offers".into(),
        about: String::new(),
        why: "rate limit reached".into(),
        until: Some(second(at + 12).mono),
    };
    let msg = Msg::Waiting(RequestId(request), Some(waiting));
    update(model, second(at), msg);
}

/// Three accounts with four budgets, hardly used.
fn calm() -> Model {
    let mut model = sized(three_setup(), 120, 40);
    let log = (1..=9)
        .rev()
        .map(|at| exchange(at, "/api/v2/tpg/transaction", Outcome::Status(200)))
        .collect();
    let mut ready = readiness(Vec::new(), log);
    ready.verify = Vec::new();
    for effect in update(&mut model, second(0), Msg::Ready(ready)) {
        if let Effect::Query { request, .. } = effect {
            let result = Answer::Estimate(Ok(quote(0, &[("BTC", "0.0015")])));
            answer(&mut model, second(0), request, result);
        }
    }
    report(&mut model, 0, "kanga", gauge(Counts::All, 1, 600));
    report(&mut model, 0, "kinguin", gauge(Counts::Writes, 0, 2000));
    report(&mut model, 0, "kinguin", gauge(Counts::Reads, 250, 4000));
    report(&mut model, 0, "pledg", gauge(Counts::All, 0, 600));
    model.focus = Pane::Requests;
    model
}

fn traffic(model: &mut Model, till: i64) {
    for at in 0..till {
        let many = (at * at) % 7;
        for n in 0..many {
            let mut one = (*exchange(100 + at * 10 + n, "/x", Outcome::Status(200))).clone();
            one.account = name("kinguin");
            let at = second(u64::try_from(at).unwrap());
            update(model, at, Msg::Exchange(one.into()));
        }
    }
}

fn shown(model: &mut Model, at: u64, name: &str) {
    for (width, height) in [(120, 40), (80, 24), (60, 15)] {
        let text = resized_screen(model, second(at), width, height);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), text);
    }
}

#[test]
fn a_pause_of_calls_that_no_limit_counts_has_a_row_and_a_key_that_ends_it() {
    let mut model = calm();
    let pause = |held| BudgetGauge {
        held,
        ..gauge(Counts::All, 1, BudgetGauge::UNCOUNTED)
    };
    let before = screen(&model, second(1), 120, 40);
    report(&mut model, 1, "kinguin", pause(None));
    assert_eq!(screen(&model, second(1), 120, 40), before);
    report(
        &mut model,
        1,
        "kinguin",
        pause(Some(Duration::from_mins(59))),
    );
    let text = screen(&model, second(1), 120, 40);
    assert!(
        text.contains("next request in 59 min; x ends the pause"),
        "{text}"
    );
    let effects = press(&mut model, "x", second(1));
    let lifts = |effect: &Effect| format!("{effect:?}").contains("Lift");
    assert!(effects.iter().any(lifts), "{effects:?}");
}

#[test]
fn idle_busy_full_and_held_budgets() {
    let mut model = calm();
    shown(&mut model, 1, "budgets_idle");
    traffic(&mut model, 40);
    report(&mut model, 40, "kinguin", gauge(Counts::Writes, 1250, 2000));
    report(&mut model, 40, "kinguin", gauge(Counts::Reads, 3990, 4000));
    shown(&mut model, 40, "budgets_busy");
    let full = BudgetGauge {
        next_free: Some(Duration::from_millis(11_200)),
        waiting: 3,
        ..gauge(Counts::Writes, 2000, 2000)
    };
    report(&mut model, 40, "kinguin", full);
    for request in 70..73 {
        waits(&mut model, 40, request, "kinguin");
    }
    press(&mut model, "g", second(40));
    shown(&mut model, 40, "budgets_full");
    let held = BudgetGauge {
        held: Some(Duration::from_secs(42)),
        ..gauge(Counts::Writes, 17, 2000)
    };
    report(&mut model, 40, "kinguin", held);
    shown(&mut model, 40, "budgets_held");
    let text = screen(&model, second(50), 120, 40);
    assert!(text.contains("rate limit (429): next request in 32 s"));
    assert!(!screen(&model, second(82), 120, 40).contains("rate limit (429)"));
}

#[test]
fn a_hold_after_a_429_is_lifted_where_no_request_waits() {
    let mut model = calm();
    press(&mut model, "5f", second(0));
    let hours = |hours| BudgetGauge {
        held: Some(Duration::from_hours(hours)),
        ..gauge(Counts::Writes, 17, 2000)
    };
    report(&mut model, 1, "kinguin", hours(3));
    waits(&mut model, 1, 70, "kinguin");
    assert!(!screen(&model, second(1), 120, 40).contains("x lifts"));
    assert_eq!(
        press(&mut model, "x", second(1)),
        [],
        "goes to the waiting one"
    );
    report(&mut model, 1, "pledg", hours(1));
    let lifts = [Effect::LiftHolds(name("kinguin"))];
    assert_eq!(press(&mut model, "x", second(1)), lifts, "of its account");
    report(&mut model, 1, "pledg", gauge(Counts::Writes, 17, 2000));
    let gone_on = Msg::Waiting(RequestId(70), None);
    update(&mut model, second(2), gone_on);
    let text = screen(&model, second(2), 140, 40);
    assert!(
        text.contains("next request in 2 h 59 min; x ends the pause"),
        "{text}"
    );
    let lifts = [Effect::LiftHolds(name("kinguin"))];
    assert_eq!(press(&mut model, "x", second(2)), lifts);
    let text = screen(&model, second(2), 140, 40);
    assert!(text.contains("kinguin: pause ended;"), "{text}");
    let offers = |model: &Model, at: u64| {
        let cancel = panes::requests::Action::CancelWaiting.into();
        model.can(cancel, second(at))
    };
    assert!(offers(&model, 2));
    assert!(!offers(&model, 3 * 3600 + 1), "it is over by itself");
    report(&mut model, 3, "kinguin", gauge(Counts::Writes, 17, 2000));
    assert_eq!(press(&mut model, "x", second(3)), []);
}

#[test]
fn the_key_that_ends_a_pause_is_named_where_it_works() {
    let mut setup = three_setup();
    let keys = crate::domain::Words {
        words: vec!["W".into()],
        ..Default::default()
    };
    setup.ui.keys.insert("cancel-waiting".into(), keys);
    let mut model = sized(setup, 160, 50);
    let ready = readiness(Vec::new(), Vec::new());
    update(&mut model, second(0), Msg::Ready(ready));
    let held = BudgetGauge {
        held: Some(Duration::from_secs(42)),
        ..gauge(Counts::Writes, 17, 2000)
    };
    report(&mut model, 0, "pledg", held.clone());
    report(&mut model, 0, "kinguin", held);
    for (pane, named) in [("5", true), ("3", false)] {
        press(&mut model, pane, second(0));
        let text = screen(&model, second(0), 160, 50);
        assert!(text.contains("next request in 42 s"), "{text}");
        let ended = text.lines().filter(|line| line.contains("ends the pause"));
        let ended: Vec<&str> = ended.collect();
        // Of two pauses, the key ends the first one.
        assert_eq!(ended.len(), usize::from(named), "{text}");
        let key = |line: &&str| line.contains("W ends") && line.contains("kinguin");
        assert!(ended.iter().all(key), "{text}");
    }
    press(&mut model, "5", second(0));
    let lifts = [Effect::LiftHolds(name("kinguin"))];
    assert_eq!(press(&mut model, "W", second(0)), lifts);
}

#[test]
fn the_last_minute_moves_on_by_itself_and_then_rests() {
    let mut model = calm();
    press(&mut model, "f", second(0));
    for at in [1, 1, 2] {
        let one = exchange(at, "/x", Outcome::Status(200));
        update(&mut model, second(2), Msg::Exchange(one));
    }
    assert!(screen(&model, second(3), 120, 40).contains("3/min  3/s"));
    assert!(screen(&model, second(4), 120, 40).contains("3/min  0/s"));
    assert_eq!(next_wake(&model, second(61)), Some(Duration::from_secs(1)));
    assert_eq!(next_wake(&model, second(70)), None);
    assert!(
        screen(&model, second(62), 120, 40)
            .contains("no requests by this console in the last minute")
    );
    model.options.reduced_motion = true;
    assert_eq!(next_wake(&model, second(61)), Some(Duration::from_secs(9)));
    assert!(screen(&model, second(3), 120, 40).contains("3 requests in the last minute"));
}

#[test]
fn budgets_in_use_are_looked_at_again_while_they_are_on_screen() {
    let mut model = calm();
    let wakes = |model: &mut Model, at: u64| update(model, second(at), Msg::Woke);
    let rests = |model: &Model, at| {
        let mut alone = model.clone();
        press(&mut alone, "5f", second(at));
        next_wake(&alone, second(at))
    };
    report(&mut model, 100, "kinguin", gauge(Counts::Reads, 0, 4000));
    assert_eq!(wakes(&mut model, 110), [], "nothing is used");
    assert_eq!(rests(&model, 110), None);

    report(&mut model, 110, "kinguin", gauge(Counts::Reads, 40, 4000));
    assert_eq!(rests(&model, 110), Some(Duration::from_secs(2)));
    assert_eq!(wakes(&mut model, 111), [], "that is known well enough");
    assert_eq!(wakes(&mut model, 112), [Effect::LookAtBudgets]);
    assert_eq!(wakes(&mut model, 113), [], "it was just asked");
    assert_eq!(rests(&model, 113), Some(Duration::from_secs(1)));

    report(&mut model, 113, "kinguin", gauge(Counts::Reads, 7, 4000));
    assert!(screen(&model, second(113), 120, 40).contains("7/4000"));
    assert_eq!(wakes(&mut model, 114), []);
    assert_eq!(wakes(&mut model, 115), [Effect::LookAtBudgets]);
    report(&mut model, 115, "kinguin", gauge(Counts::Reads, 0, 4000));
    assert_eq!(wakes(&mut model, 130), [], "all slots are free");
    assert_eq!(rests(&model, 130), None);

    let queue = BudgetGauge {
        waiting: 1,
        ..gauge(Counts::Writes, 0, 2000)
    };
    report(&mut model, 130, "kinguin", queue);
    press(&mut model, "4f", second(130));
    assert_eq!(wakes(&mut model, 140), [], "nobody sees it");
    assert_eq!(press(&mut model, "5", second(140)), [Effect::LookAtBudgets]);
}

#[test]
fn a_limit_that_colleagues_use_shows_the_own_part() {
    let mut model = calm();
    let shared = BudgetGauge {
        own: 3,
        ..gauge(Counts::Writes, 12, 2000)
    };
    report(&mut model, 1, "kinguin", shared);
    press(&mut model, "5f", second(1));
    for (width, height) in [(120, 40), (80, 24)] {
        let text = resized_screen(&mut model, second(1), width, height);
        assert!(text.contains("12/2000 (3 yours)"), "{text}");
        assert_eq!(text.matches("yours").count(), 1, "{text}");
    }
}

#[test]
fn the_requests_of_other_programs_join_the_list_once() {
    let mut model = calm();
    press(&mut model, "5f", second(1));
    let own = exchange(20, "/own", Outcome::Status(200));
    let others = exchange(21, "/colleague", Outcome::Status(200));
    update(&mut model, second(1), Msg::Exchange(own.clone()));
    for _ in 0..2 {
        let shared = Msg::Shared {
            exchanges: vec![own.clone(), others.clone()],
            observations: Vec::new(),
            failed_hooks: Vec::new(),
        };
        update(&mut model, second(1), shared);
    }
    let text = screen(&model, second(1), 120, 40);
    for path in ["/own", "/colleague"] {
        assert_eq!(text.matches(path).count(), 1, "{path}: {text}");
    }
    assert!(text.find("/own") < text.find("/colleague"), "{text}");
    assert!(
        text.contains("1/min"),
        "the traffic is this program's: {text}"
    );
}

#[test]
fn methods_are_not_cut_off() {
    let mut model = calm();
    for (at, method) in [(20, "PATCH"), (21, "DELETE")] {
        let mut one = (*exchange(at, "/x", Outcome::Status(200))).clone();
        one.method = method.into();
        update(&mut model, second(1), Msg::Exchange(one.into()));
    }
    waits(&mut model, 1, 70, "kinguin");
    let request = RequestId(71);
    let mut waiting = model.store.waiting[&RequestId(70)].clone();
    waiting.method = "OPTION".into();
    let waiting = Some(waiting);
    update(&mut model, second(1), Msg::Waiting(request, waiting));
    for (width, height) in [(120, 40), (80, 24)] {
        let text = resized_screen(&mut model, second(1), width, height);
        for method in ["PATCH ", "DELETE ", "OPTION "] {
            assert!(text.contains(method), "{method}: {text}");
        }
    }
}

#[test]
fn a_request_without_a_response_has_a_row_with_its_time_until_it_is_in_the_log() {
    let mut model = calm();
    let sent = |at, id| {
        let mut one = (*exchange(at, "/hangs", Outcome::Failed("running".into()))).clone();
        one.id = ExchangeId(id);
        one.at = second(at.unsigned_abs()).wall;
        one.response_body = crate::domain::Body::default();
        std::sync::Arc::new(one)
    };
    let runs = |model: &mut Model, request, at| {
        let running = Msg::Running(RequestId(request), Some(sent(at, 0)));
        update(model, second(21), running);
    };
    runs(&mut model, 80, 20);
    shown(&mut model, 32, "requests_running");
    let rows = |model: &Model, path: &str| screen(model, second(32), 80, 24).matches(path).count();
    let newest = model.panes.requests.selected(&model.store).cloned();
    press(&mut model, "G<enter>", second(32));
    let opened = screen(&model, second(32), 80, 24);
    assert!(opened.contains("/api/v2/tpg/transaction"), "{opened}");
    press(&mut model, "<esc>", second(32));
    assert_eq!(model.panes.requests.selected(&model.store), newest.as_ref());

    press(&mut model, "/status:200<enter>", second(32));
    assert_eq!(rows(&model, "/hangs"), 0, "the filter hides it");
    press(&mut model, "<esc>", second(32));
    for request in 81..111 {
        runs(&mut model, request, 21);
    }
    assert!(rows(&model, "tpg/tr") > 0, "they leave room for the log");
    for request in 80..111 {
        let ended = Msg::Exchange(sent(20, i64::try_from(request).unwrap()));
        update(&mut model, second(32), ended);
        update(
            &mut model,
            second(32),
            Msg::Running(RequestId(request), None),
        );
    }
    assert!(!screen(&model, second(32), 80, 24).contains("12 s"));

    let mut empty = sized(sandbox_setup(), 80, 24);
    empty.focus = Pane::Requests;
    update(
        &mut empty,
        second(0),
        Msg::Ready(readiness(Vec::new(), Vec::new())),
    );
    runs(&mut empty, 1, 20);
    assert_eq!(press(&mut empty, "<enter>", second(32)), []);
    let text = screen(&empty, second(32), 80, 24);
    assert!(
        text.contains("running") && !text.contains("No requests yet"),
        "{text}"
    );
}

#[test]
fn a_waiting_request_of_the_console_can_be_cancelled() {
    let mut model = calm();
    let effects = press(&mut model, "1v", second(1));
    let Effect::Query { request, .. } = effects[0] else {
        panic!("{effects:?}");
    };
    waits(&mut model, 1, request.0, "kanga");
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("waiting: rate"), "{shown}");
    assert!(
        shown.contains("1 waiting") && !shown.contains("in flight"),
        "{shown}"
    );
    assert_eq!(
        press(&mut model, "5x", second(1)),
        [],
        "the first x goes there"
    );
    let copied = press(&mut model, "<ctrl-y>", second(1));
    let [Effect::Copy { text, .. }] = &copied[..] else {
        panic!("{copied:?}");
    };
    let command = "tilldeck --profile sandbox budget --account kanga";
    assert_eq!(text.expose(), command);
    assert_eq!(press(&mut model, "x", second(1)), [Effect::Cancel(request)]);
    assert_eq!(model.store.requests().count(), 0, "nothing hangs");
    assert!(model.store.waiting.is_empty());
    assert!(screen(&model, second(1), 120, 40).contains("cancelled"));
    assert!(
        model.panes.requests.selected(&model.store).is_some(),
        "back in the log"
    );
}

#[test]
fn every_purpose_can_be_cancelled_while_it_waits() {
    let mut model = calm();
    let now = second(1);
    press(&mut model, "3aA-17<enter>", now);
    press(&mut model, "2r", now);
    press(&mut model, "jy", now);
    press(&mut model, "y", now);
    press(&mut model, "4r", now);
    let asked: Vec<RequestId> = (1..40)
        .map(RequestId)
        .filter(|request| model.store.in_flight_for(*request).is_some())
        .collect();
    assert_eq!(asked.len(), 4, "check, refresh, copy, quote");
    for request in &asked {
        waits(&mut model, 1, request.0, "kinguin");
    }
    press(&mut model, "5g", now);
    let mut cancelled = Vec::new();
    for key in ["x", "<esc>", "x", "<esc>"] {
        cancelled.extend(press(&mut model, key, now));
    }
    let wanted: Vec<Effect> = asked.into_iter().map(Effect::Cancel).collect();
    assert_eq!(cancelled, wanted);
    assert_eq!(model.store.in_flight().count(), 0);
    assert!(model.store.payments[0].asking.is_none());
    assert!(
        model.store.payments[0].due().is_some(),
        "polled again later"
    );
}

#[test]
fn a_link_that_waits_goes_back_to_its_form() {
    let mut model = calm();
    press(&mut model, "LA-1<tab>5<tab>EMT<enter>", second(1));
    let request = RequestId(
        (1..9)
            .find(|at| model.store.in_flight_for(RequestId(*at)).is_some())
            .unwrap(),
    );
    let mut out = Vec::new();
    let now = second(1);
    model.cancel(request, &mut EffectSink { now, out: &mut out });
    assert_eq!(out, [Effect::Cancel(request)]);
    let Some(form) = top::<overlays::link_form::State>(&model) else {
        panic!("{:?}", model.overlays);
    };
    assert_eq!(form.stage, overlays::form_window::Stage::Filling);
}

#[test]
fn background_requests_are_shown_and_cannot_be_cancelled() {
    let mut model = calm();
    waits(&mut model, 1, 0, "pledg");
    assert_eq!(press(&mut model, "5gx", second(1)), []);
    let text = screen(&model, second(1), 120, 40);
    assert!(
        text.contains("pledg: this request was not started in the console"),
        "{text}"
    );
    assert_eq!(model.store.waiting.len(), 1);
}

#[test]
fn a_request_that_went_on_between_look_and_key_is_not_mistaken_for_the_next() {
    let mut model = calm();
    let effects = [
        press(&mut model, "1v", second(1)),
        press(&mut model, "jv", second(1)),
    ]
    .concat();
    let requests: Vec<RequestId> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Query { request, .. } => Some(*request),
            _ => None,
        })
        .collect();
    for request in &requests {
        waits(&mut model, 1, request.0, "kanga");
    }
    press(&mut model, "5g", second(1));
    let gone = Msg::Waiting(requests[0], None);
    update(&mut model, second(2), gone);
    assert_eq!(press(&mut model, "x", second(2)), []);
    assert_eq!(
        press(&mut model, "x", second(2)),
        [Effect::Cancel(requests[1])]
    );
}

#[test]
fn five_hundred_waiting_requests_scroll_and_leave_the_log_its_half() {
    let mut model = calm();
    for request in 1000..1500 {
        waits(&mut model, 1, request, "kinguin");
    }
    press(&mut model, "5g", second(1));
    assert_eq!(
        model.panes.requests.selected_waiting(),
        Some(RequestId(1000))
    );
    press(&mut model, "jjjjjjjjjj", second(1));
    assert_eq!(
        model.panes.requests.selected_waiting(),
        Some(RequestId(1010))
    );
    let text = screen(&model, second(1), 120, 40);
    assert!(
        text.contains("more waiting") && text.contains("500 waiting"),
        "{text}"
    );
    assert!(text.contains("/api/v2/tpg/transaction"), "the log is seen");
    press(&mut model, "G", second(1));
    assert_eq!(model.panes.requests.selected_waiting(), None);
    press(&mut model, "g", second(1));
    press(&mut model, &"j".repeat(40), second(1));
    assert_eq!(
        model.panes.requests.selected_waiting(),
        Some(RequestId(1040))
    );
}

fn parts() -> Vec<simulate::Part> {
    vec![
        simulate::Part {
            provider: "kinguin",
            settings: vec![
                simulate::Setting {
                    name: "token-life",
                    value: "3600s".into(),
                    choices: &["5s", "20s", "300s", "3600s"],
                    about: "how long access tokens live from now on",
                },
                simulate::Setting {
                    name: "over-limit",
                    value: "refuse-with-retry-after".into(),
                    choices: &["refuse", "refuse-with-retry-after", "delay"],
                    about: "what becomes of calls over the limit",
                },
            ],
            events: vec![
                simulate::Event {
                    name: "revoke-tokens",
                    subject: "",
                    about: "makes every access token void at once",
                },
                simulate::Event {
                    name: "sale",
                    subject: "an offer's id",
                    about: "a buyer begins to buy a key",
                },
            ],
        },
        simulate::Part {
            provider: "pledg",
            settings: vec![simulate::Setting {
                name: "token-life",
                value: "7s".into(),
                choices: &["600s", "20s"],
                about: "how long an access token lives",
            }],
            events: Vec::new(),
        },
    ]
}

fn set(provider: &str, setting: &str, value: &str) -> Effect {
    Effect::Simulate(simulate::Command::Set {
        provider: provider.into(),
        setting: setting.into(),
        value: value.into(),
    })
}

#[test]
fn the_simulators_settings_turn_and_its_events_happen() {
    let mut model = calm();
    update(&mut model, second(1), Msg::Simulator(parts()));
    press(&mut model, "S", second(1));
    let other = "e other value";
    assert!(!screen(&model, second(1), 120, 40).contains(other));
    press(&mut model, "<right>", second(1));
    assert!(screen(&model, second(1), 120, 40).contains("this row has no values"));
    press(&mut model, "<tab><tab>", second(1));
    assert!(screen(&model, second(1), 120, 40).contains(other));
    shown(&mut model, 1, "simulator_settings");
    let now = second(1);
    assert_eq!(
        press(&mut model, "<enter>", now),
        [set("kinguin", "token-life", "5s")]
    );
    assert_eq!(
        press(&mut model, "<left>", now),
        [set("kinguin", "token-life", "300s")]
    );
    assert_eq!(
        press(&mut model, "j<right>", now),
        [set("kinguin", "over-limit", "delay")]
    );
    assert_eq!(
        press(&mut model, "<tab><enter>", now),
        [Effect::Simulate(simulate::Command::Event {
            provider: "kinguin".into(),
            event: "revoke-tokens".into(),
            subject: String::new(),
        })]
    );
    press(&mut model, "j<enter>", now);
    assert_snapshot!(
        "simulator_event_80x24",
        resized_screen(&mut model, now, 80, 24)
    );
    assert_eq!(
        press(&mut model, "offer-1<enter>", now),
        [Effect::Simulate(simulate::Command::Event {
            provider: "kinguin".into(),
            event: "sale".into(),
            subject: "offer-1".into(),
        })]
    );
    assert!(is_top::<overlays::sandbox::State>(&model), "back again");
    assert_eq!(
        press(&mut model, "<tab><enter>", now),
        [set("pledg", "token-life", "600s")],
        "a value of one's own is followed by the first choice"
    );
    press(&mut model, "e", now);
    press(&mut model, "<esc>", now);
    assert!(is_top::<overlays::sandbox::State>(&model));
    press(&mut model, "e20", now);
    assert_eq!(
        press(&mut model, "s<enter>", now),
        [set("pledg", "token-life", "20s")],
        "what is typed replaces the value in force"
    );
    press(&mut model, "e", now);
    update(&mut model, now, Msg::Paste("1h".into()));
    assert_eq!(
        press(&mut model, "<enter>", now),
        [set("pledg", "token-life", "1h")]
    );
    press(&mut model, "e<right>", now);
    update(&mut model, now, Msg::Paste("0".into()));
    assert_eq!(
        press(&mut model, "<enter>", now),
        [set("pledg", "token-life", "7s0")]
    );
    assert_eq!(
        press(&mut model, "<tab>", now),
        [],
        "round to the first group"
    );
    assert!(matches!(
        press(&mut model, "<enter>", now)[..],
        [Effect::Simulate(simulate::Command::SetFault(_))]
    ));
}
