//! From a row of a response, or from a callback, to the next call: keys and events in, effects and screens out.

use std::sync::Arc;

use ratatui::crossterm::event::{KeyModifiers, MouseButton, MouseEvent};

use super::explorer::{
    copied, explored, explored_result, exploring, offers_digest, send, sent, shots,
};
use super::*;
use crate::domain::{Deadline, DeliveryId};
use crate::tui::testing::received::delivery;

const OFFER: &str = "65a0c0de0000000000000001";

/// The explorer with a page of offers, the second one selected.
fn listed(setup: Setup) -> Model {
    let mut model = exploring(setup);
    // Of two accounts, the one whose name is in the search.
    let (request, ..) = send(&mut model, "page by page", second(1));
    let mut answer = explored("{}");
    answer.digest = Some(offers_digest());
    explored_result(&mut model, second(1), request, Ok(answer));
    press(&mut model, "j", second(1));
    model
}

#[test]
fn a_row_leads_to_a_call_that_is_filled_in_and_back() {
    let now = second(2);
    let mut model = listed(sandbox_setup());
    assert_eq!(press(&mut model, "<enter>", now), []);
    shots("next_call", &mut model, now);
    press(&mut model, "<enter>", now);
    shots("price", &mut model, now);
    assert_eq!(
        press(&mut model, "<ctrl-s>", now),
        [],
        "the price is missing"
    );
    let effects = press(&mut model, "1299<ctrl-s>y", now);
    let (request, account, call) = sent(&effects).unwrap();
    assert_eq!((account, call.method.as_str()), (shop(), "PATCH"));
    assert_eq!(call.path, format!("/v1/offers/{OFFER}"));
    assert_eq!(
        call.body.as_deref(),
        Some(&b"{\n  \"price\": {\n    \"amount\": 1299,\n    \"currency\": \"EUR\"\n  }\n}"[..])
    );
    explored_result(&mut model, now, request, Ok(explored("{}")));
    press(&mut model, "<esc>", now);
    let text = screen(&model, now, 120, 40);
    assert!(text.contains(&format!("▸{OFFER}")), "{text}");
    assert_eq!(copied(&press(&mut model, "y", now)), OFFER);
}

#[test]
fn a_list_whose_row_was_changed_says_so_until_it_is_loaded_again() {
    let now = second(2);
    let price = |model: &mut Model, keys: &str, answer: Explored| {
        let effects = press(model, &format!("{keys}1299<ctrl-s>y"), now);
        let (request, _, call) = sent(&effects).unwrap();
        assert_eq!(call.path, format!("/v1/offers/{OFFER}"));
        explored_result(model, now, request, Ok(answer));
        press(model, "<esc>", now);
    };
    let hint = "changed at 02:54:28: r loads it again";
    let mut model = listed(sandbox_setup());
    let mut refused = explored("{}");
    refused.failure = Some("the price is too low".into());
    price(&mut model, "<enter><enter>", refused);
    let text = screen(&model, now, 120, 40);
    assert!(
        text.contains("offers 0-24") && !text.contains("changed"),
        "{text}"
    );
    price(&mut model, "<enter><enter>", explored("{}"));
    let text = screen(&model, now, 120, 40);
    assert!(text.contains(hint), "{text}");
    let (request, ..) = sent(&press(&mut model, "r", now)).unwrap();
    let mut answer = explored("{}");
    answer.digest = Some(offers_digest());
    explored_result(&mut model, now, request, Ok(answer));
    let text = screen(&model, now, 120, 40);
    assert!(!text.contains("changed"), "{text}");
    // A write is not loaded again: `r` would repeat it.
    let free = "/any other<enter><enter>v1/offers<up><right><ctrl-s>y";
    for write in ["/patch<enter><enter><ctrl-s>y", free] {
        let mut model = exploring(sandbox_setup());
        let (request, _, call) = sent(&press(&mut model, write, now)).unwrap();
        assert_ne!(call.method, "GET");
        let mut answer = explored("{}");
        answer.digest = Some(offers_digest());
        explored_result(&mut model, now, request, Ok(answer));
        price(&mut model, "j<enter><enter>", explored("{}"));
        let text = screen(&model, now, 120, 40);
        assert!(
            text.contains("offers 0-24") && !text.contains("changed"),
            "{text}"
        );
    }
}

#[test]
fn the_selected_row_stays_selected_when_the_list_is_loaded_again() {
    let now = second(2);
    let mut model = listed(sandbox_setup());
    let selected = |model: &Model| {
        let text = screen(model, now, 120, 40);
        let row = text
            .lines()
            .find(|line| line.contains("▸") && line.contains("65a0c0de"));
        row.unwrap().to_owned()
    };
    assert!(selected(&model).contains(OFFER));
    let (request, ..) = sent(&press(&mut model, "r", now)).unwrap();
    let mut answer = explored("{}");
    let mut digest = offers_digest();
    digest.rows.reverse();
    answer.digest = Some(digest);
    explored_result(&mut model, now, request, Ok(answer));
    assert!(selected(&model).contains(OFFER));
}

#[test]
fn a_call_for_which_nothing_is_missing_is_sent_and_a_write_asked_about() {
    let now = second(2);
    let mut model = listed(sandbox_setup());
    let read = sent(&press(&mut model, "<enter>G<enter>", now)).unwrap();
    assert_eq!(read.2.path, format!("/v1/offers/{OFFER}"));
    assert_eq!(read.2.method, "GET");
    let mut model = listed(sandbox_setup());
    assert_eq!(press(&mut model, "<enter>j<enter>", now), []);
    let question = top::<overlays::ask::Confirmation>(&model).unwrap();
    assert_eq!(question.title, "Send a write call");
    let (.., call) = sent(&press(&mut model, "y", now)).unwrap();
    assert_eq!(
        call.body.as_deref(),
        Some(&b"{\n  \"status\": \"INACTIVE\"\n}"[..])
    );
}

#[test]
fn write_calls_of_a_live_account_are_offered_once_it_is_armed() {
    let now = second(2);
    let mut model = listed(live_setup());
    press(&mut model, "<enter>", now);
    shots("next_call_live", &mut model, now);
    press(&mut model, "A", now);
    assert!(is_top::<overlays::arm::State>(&model));
    press(&mut model, "shop<enter>", now);
    let text = screen(&model, now, 120, 40);
    assert!(
        text.contains("change the price") && !text.contains("hidden;"),
        "{text}"
    );
    // The arming ends while the price is typed.
    press(&mut model, "<enter>1299", now);
    let late = second(603);
    assert_eq!(press(&mut model, "<ctrl-s>", late), []);
    assert!(is_top::<overlays::arm::State>(&model));
}

#[test]
fn the_selected_next_call_stays_selected_where_an_arming_puts_others_above_it() {
    let now = second(2);
    let mut model = listed(live_setup());
    press(&mut model, "<enter>jAshop<enter>", now);
    let shown = screen(&model, now, 120, 40);
    assert!(shown.contains("change the price"), "{shown}");
    let effects = press(&mut model, "<enter>", now);
    assert_eq!(sent(&effects).expect("the read is sent").2.method, "GET");
}

#[test]
fn a_list_of_next_calls_that_shrinks_keeps_a_selected_one() {
    let now = second(2);
    let mut model = listed(live_setup());
    press(&mut model, "<enter>Ashop<enter><end>", now);
    // The arming ends, and with it the write calls.
    update(&mut model, second(603), Msg::Woke);
    let shown = screen(&model, second(603), 120, 40);
    assert!(shown.contains("2 write calls hidden"), "{shown}");
    let effects = press(&mut model, "<enter>", second(603));
    assert_eq!(sent(&effects).expect("the read is sent").2.method, "GET");
}

#[test]
fn pages_are_turned_as_far_as_there_are_some() {
    let now = second(2);
    let mut model = listed(sandbox_setup());
    let page = |model: &mut Model, key: &str| -> Option<String> {
        let (request, _, call) = sent(&press(model, key, now))?;
        let mut answer = explored("{}");
        answer.digest = Some(Digest {
            has_more: !call.path.ends_with('2'),
            ..offers_digest()
        });
        explored_result(model, now, request, Ok(answer));
        Some(call.path)
    };
    for (key, wanted) in [
        ("p", None),
        ("n", Some("/v1/offers?page=1")),
        ("n", Some("/v1/offers?page=2")),
        ("n", None),
        ("p", Some("/v1/offers?page=1")),
        ("p", Some("/v1/offers?page=0")),
        ("p", None),
    ] {
        assert_eq!(page(&mut model, key).as_deref(), wanted, "{key}");
    }
    let flash = model.store.flash.clone().unwrap().text;
    assert!(flash.contains("there is no previous page"), "{flash}");
    // What was typed since is not what was sent.
    press(&mut model, "e<down>portal", now);
    act(&mut model, panes::explorer::Action::ToResponse.into(), now);
    assert_eq!(page(&mut model, "n").as_deref(), Some("/v1/offers?page=1"));
}

#[test]
fn the_selection_follows_search_clicks_and_scrolling() {
    let now = second(2);
    let mut model = listed(sandbox_setup());
    let selected = |model: &mut Model| copied(&press(model, "y", now)).to_owned();
    press(&mut model, "G", now);
    assert_eq!(selected(&mut model), "65a0c0de0000000000000024");
    press(&mut model, "/portal 7 <enter>", now);
    assert_eq!(selected(&mut model), "65a0c0de0000000000000007");
    press(&mut model, "<esc>/portal 1<enter>n", now);
    assert_eq!(selected(&mut model), "65a0c0de0000000000000011");
    press(&mut model, "N", now);
    assert_eq!(selected(&mut model), "65a0c0de0000000000000010");
    press(&mut model, "<esc>/no such row<enter>", now);
    assert_eq!(selected(&mut model), "65a0c0de0000000000000010");
    let shown = screen(&model, now, 120, 40);
    assert!(shown.contains("not found"), "{shown}");
    press(&mut model, "<esc>", now);
    assert!(
        copied(&press(&mut model, "<ctrl-y>", now))
            .starts_with("tilldeck --profile sandbox request")
    );
    let shown = screen(&model, now, 120, 40);
    let row = shown
        .lines()
        .position(|line| line.contains("0000000000020 "))
        .unwrap();
    let line = shown.lines().nth(row).unwrap();
    let column = line[..line.find("65a0").unwrap()].chars().count();
    let click = MouseEvent {
        kind: MouseEventKind::Down(MouseButton::Left),
        column: u16::try_from(column).unwrap(),
        row: u16::try_from(row).unwrap(),
        modifiers: KeyModifiers::NONE,
    };
    update(&mut model, now, Msg::Mouse(click));
    assert_eq!(selected(&mut model), "65a0c0de0000000000000020");
}

#[test]
fn rows_without_an_id_are_copied_whole() {
    let now = second(2);
    let mut model = exploring(sandbox_setup());
    let (request, ..) = send(&mut model, "calcul<enter><ctrl-s>", second(1));
    let mut answer = explored("{}");
    answer.digest = Some(Digest {
        columns: vec![Column::text("day"), Column::number("sold")],
        rows: vec![vec!["Monday".into(), "3".into()]],
        ..Digest::default()
    });
    explored_result(&mut model, now, request, Ok(answer));
    assert_eq!(copied(&press(&mut model, "y", now)), "Monday\t3");
    press(&mut model, "<enter>", now);
    let flash = model.store.flash.clone().unwrap().text;
    assert!(flash.contains("no documented call takes"), "{flash}");
}

/// The answer with one row, whose id no parameter of its call has.
fn one_row() -> Explored {
    let mut answer = explored("{}");
    answer.digest = Some(Digest {
        columns: vec![Column::id("key", "stockId")],
        rows: vec![vec!["77ab".into()]],
        has_more: true,
        ..Digest::default()
    });
    answer
}

#[test]
fn what_is_typed_after_a_call_was_sent_is_none_of_its_values() {
    let now = second(2);
    let to_response = panes::explorer::Action::ToResponse;
    let edited = |find: &str, typed: &str| {
        let mut model = exploring(sandbox_setup());
        let (request, ..) = send(&mut model, find, second(1));
        press(&mut model, &format!("e{typed}"), second(1));
        explored_result(&mut model, now, request, Ok(one_row()));
        act(&mut model, to_response.into(), now);
        model
    };
    let path = |effects: &[Effect]| sent(effects).expect("a call was sent").2.path;
    let mut model = edited("one offer", "B");
    let next = press(&mut model, "<enter>G<enter>", now);
    assert_eq!(path(&next), "/v1/offers/5f9e2c", "the row's next call");
    let mut model = edited("one offer", "B");
    press(&mut model, "H<enter>", now);
    assert_eq!(path(&press(&mut model, "r", now)), "/v1/offers/5f9e2c");
    let mut model = edited("page by page", "7");
    assert_eq!(path(&press(&mut model, "n", now)), "/v1/offers?page=1");
}

#[test]
fn no_key_acts_on_a_response_that_a_call_in_flight_hides() {
    let now = second(2);
    let mut model = listed(sandbox_setup());
    assert!(sent(&press(&mut model, "r", now)).is_some());
    for key in ["b", "<enter>", "n", "d"] {
        assert_eq!(press(&mut model, key, now), [], "{key}");
        assert!(model.overlays.is_empty(), "{key}");
        let flash = model.store.flash.clone().unwrap().text;
        assert!(flash.starts_with("cannot "), "{key}: {flash}");
    }
    let command = press(&mut model, "y", now);
    assert!(copied(&command).ends_with("request kanga GET /v1/offers"));
}

/// The Callbacks pane of a provider whose event must be answered within 15 minutes; one came at second 0.
fn awaited() -> Model {
    const DEADLINES: &[Deadline] = &[Deadline {
        event: "OUT_OF_STOCK",
        within: Duration::from_mins(15),
        ended_by: &["DELIVERED"],
        action: "give a key",
    }];
    let mut setup = sandbox_setup();
    setup.deadlines = vec![(ProviderId("kanga"), DEADLINES)];
    let mut model = sized(setup, 120, 40);
    let ready = readiness(Vec::new(), Vec::new());
    update(&mut model, second(0), Msg::Ready(ready));
    arrives(&mut model, 1, "OUT_OF_STOCK", 0);
    press(&mut model, "7", second(0));
    model
}

fn arrives(model: &mut Model, number: i64, kind: &str, at: u64) {
    let delivery = Delivery {
        kind: kind.into(),
        jobs: Vec::new(),
        ..delivery(number, i64::try_from(at).unwrap(), "65b0-A")
    };
    update(model, second(at), Msg::Delivery(Arc::new(delivery)));
}

#[test]
fn an_event_that_must_be_answered_counts_down_and_is_an_alert() {
    let mut model = awaited();
    let at = |model: &mut Model, seconds: u64| {
        update(model, second(seconds), Msg::Woke);
        screen(model, second(seconds), 120, 40)
    };
    super::receiving::shown(&mut model, second(28), "callbacks_due");
    update(
        &mut model,
        second(28),
        Msg::Resized {
            width: 120,
            height: 40,
        },
    );
    assert!(at(&mut model, 28).contains("14:32 to give a key"));
    let wake = next_wake(&model, second(28)).unwrap();
    assert!(wake <= Duration::from_secs(1), "{wake:?}");
    let [alert] = &alerts::all(&model.store)[..] else {
        panic!("{:?}", alerts::all(&model.store));
    };
    assert_eq!(alert.what, "65b0-A · OUT_OF_STOCK: give a key by 03:09:26");
    press(&mut model, "3!<enter>", second(28));
    assert_eq!(model.focus, Pane::Callbacks);
    assert!(!at(&mut model, 900).contains("to give a key"), "too late");
    assert_eq!(alerts::count(&model.store), 0);

    let mut model = awaited();
    arrives(&mut model, 2, "OUT_OF_STOCK", 60);
    assert_eq!(alerts::count(&model.store), 2, "two events");
    arrives(&mut model, 3, "BOUGHT", 61);
    assert_eq!(alerts::count(&model.store), 2, "a late repeat");
    arrives(&mut model, 4, "DELIVERED", 61);
    assert_eq!(alerts::count(&model.store), 0, "it was answered");
    let late = Delivery {
        kind: "OUT_OF_STOCK".into(),
        happened_at: Some(received::wall(-300)),
        ..delivery(5, 0, "65b0-B")
    };
    update(&mut model, second(62), Msg::Delivery(late.into()));
    let alert = &alerts::all(&model.store)[0];
    assert!(alert.what.ends_with("by 03:04:26"), "{}", alert.what);
}

#[test]
fn an_event_that_must_be_answered_is_an_alert_however_many_callbacks_arrive() {
    let mut model = awaited();
    // More than are in memory. Anyone can send them.
    for number in 2..=600 {
        let refused = Delivery {
            verdict: CallbackVerdict::Unreadable,
            ..delivery(number, 1, "65b0-A")
        };
        update(&mut model, second(1), Msg::Delivery(Arc::new(refused)));
    }
    assert_eq!(alerts::count(&model.store), 1);
    let effects = press(&mut model, "!<enter>", second(1));
    let opens = |effect: &Effect| matches!(effect, Effect::FindDelivery(_, DeliveryId(1)));
    assert!(effects.iter().any(opens), "{effects:?}");
    arrives(&mut model, 601, "DELIVERED", 2);
    assert_eq!(alerts::count(&model.store), 0, "it was answered");
    // Its forward is tried again.
    arrives(&mut model, 1, "OUT_OF_STOCK", 0);
    assert_eq!(alerts::count(&model.store), 0);
}

#[test]
fn an_event_that_must_be_answered_is_an_alert_however_many_others_were_answered() {
    let mut model = awaited();
    for number in 1..=1_000 {
        let at = |id, kind: &str| {
            Arc::new(Delivery {
                kind: kind.into(),
                ..delivery(id, 1, &format!("65b0-B{number}"))
            })
        };
        model.store.on_awaited(&at(2 * number, "OUT_OF_STOCK"));
        model.store.on_awaited(&at(2 * number + 1, "DELIVERED"));
    }
    update(&mut model, second(1), Msg::Woke);
    assert_eq!(alerts::count(&model.store), 1);
}

#[test]
fn events_of_an_earlier_run_must_be_answered_too() {
    let at = |number, kind: &str, about| {
        let kind = kind.to_owned();
        let jobs = Vec::new();
        Arc::new(Delivery {
            kind,
            jobs,
            ..delivery(number, number, about)
        })
    };
    let mut model = awaited();
    let mut saved = msg::Saved {
        awaited: vec![
            at(2, "OUT_OF_STOCK", "65b0-B"),
            at(3, "OUT_OF_STOCK", "65b0-C"),
            at(4, "DELIVERED", "65b0-B"),
        ],
        ..msg::Saved::default()
    };
    update(&mut model, second(5), Msg::Saved(saved.clone()));
    assert_eq!(alerts::count(&model.store), 2, "the one before, and 65b0-C");
    let missed = vec![
        at(8, "DELIVERED", "65b0-C"),
        at(9, "OUT_OF_STOCK", "65b0-E"),
    ];
    update(&mut model, second(6), Msg::Awaited(missed));
    assert_eq!(alerts::count(&model.store), 2, "the one before, and 65b0-E");
    // The newest come first.
    saved.awaited.clear();
    saved.deliveries = vec![
        at(7, "DELIVERED", "65b0-C"),
        at(6, "OUT_OF_STOCK", "65b0-C"),
        at(5, "OUT_OF_STOCK", "65b0-D"),
    ];
    update(&mut model, second(7), Msg::Saved(saved));
    assert_eq!(
        alerts::count(&model.store),
        3,
        "the one before, 65b0-D and 65b0-E"
    );
}

#[test]
fn a_callback_leads_to_the_calls_that_take_its_ids() {
    let now = second(2);
    let mut model = awaited();
    for way in ["c", "i"] {
        let effects = press(&mut model, way, now);
        let request = effects.iter().find_map(|effect| match effect {
            Effect::OpenDelivery(request, _) => Some(*request),
            _ => None,
        });
        let mut received = received::received();
        received.ids.add("offerId", "65a0");
        let result = Ok(received);
        let request = request.unwrap();
        update(&mut model, now, Msg::Received(request, result));
        if way == "i" {
            press(&mut model, "c", now);
        }
        assert!(is_top::<overlays::follow_ups::State>(&model), "{way}");
        press(&mut model, "<enter>", now);
        assert_eq!(model.focus, Pane::Explorer);
        let (.., call) = sent(&press(&mut model, "5<ctrl-s>y", now)).unwrap();
        assert_eq!(call.path, "/v1/offers/65a0");
        // Nothing in the explorer is the row that it came from.
        press(&mut model, "<esc><esc><esc>7", now);
    }
    // What a stranger names is no one's next call.
    let mut rejected = (**model.panes.callbacks.selected(&model.store).unwrap()).clone();
    rejected.verdict = CallbackVerdict::Refused;
    update(&mut model, now, Msg::Delivery(rejected.into()));
    for way in ["c", "ic"] {
        let shown = |model: &Model| screen(model, now, 120, 40);
        let effects = press(&mut model, way, now);
        assert!(!effects.iter().any(|it| matches!(it, Effect::Query { .. })));
        let why = "cannot list the calls for this callback: the callback was rejected";
        assert!(shown(&model).contains(why), "{}", shown(&model));
        assert!(!shown(&model).contains("c next call"), "{way}");
    }
}
