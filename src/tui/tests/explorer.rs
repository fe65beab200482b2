//! The explorer: from a search to an answer, its safeguards, and its screens.

use std::time::Duration;

use insta::assert_snapshot;
use ratatui::crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEvent};

use super::*;

const SIZES: [(u16, u16); 3] = [(120, 40), (80, 24), (60, 15)];

pub fn exploring(setup: Setup) -> Model {
    let mut model = sized(setup, 120, 40);
    let mut ready = readiness(Vec::new(), Vec::new());
    ready.verify = Vec::new();
    ready.simulator = None;
    update(&mut model, second(0), Msg::Ready(ready));
    press(&mut model, "6", second(0));
    model
}

pub fn shots(name: &str, model: &mut Model, now: Now) {
    for (width, height) in SIZES {
        let text = resized_screen(model, now, width, height);
        assert_snapshot!(format!("explorer_{name}_{width}x{height}"), text);
    }
    update(
        model,
        now,
        Msg::Resized {
            width: 120,
            height: 40,
        },
    );
}

pub fn sent(effects: &[Effect]) -> Option<(RequestId, AccountId, RawCall)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Query {
            request,
            account,
            op: Op::Explore { call, .. },
            ..
        } => Some((*request, account.clone(), call.clone())),
        _ => None,
    })
}

pub fn explored(text: &str) -> Explored {
    Explored {
        status: 200,
        content_type: Some("application/json;charset=UTF-8".into()),
        took: Duration::from_millis(142),
        bytes: text.len(),
        text: text.into(),
        cut: false,
        failure: None,
        digest: None,
    }
}

pub fn explored_result(
    model: &mut Model,
    now: Now,
    request: RequestId,
    result: Result<Explored, Problem>,
) {
    answer(model, now, request, Answer::Explored(result));
}

/// Finds a call, sends it and returns its request.
pub fn send(model: &mut Model, letters: &str, now: Now) -> (RequestId, AccountId, RawCall) {
    let effects = press(model, &format!("/{letters}<enter><enter><enter>"), now);
    sent(&effects).expect("the call was sent")
}

pub fn copied(effects: &[Effect]) -> &str {
    match effects {
        [Effect::Copy { text, .. }] => text.expose(),
        other => panic!("{other:?}"),
    }
}

fn setups() -> String {
    let setup = |at: u32| {
        format!(
            r#"{{"id":"5f9e2c{at:02}","name":"Portal 2 Steam CD Key","price":{{"amount":{}E0,"currency":"EUR"}},"active":{},"note":null}}"#,
            900 + at * 25,
            !at.is_multiple_of(3)
        )
    };
    let all: Vec<String> = (0..25).map(setup).collect();
    format!(
        r#"{{"content":[{}],"page":0,"totalElements":251}}"#,
        all.join(",")
    )
}

pub fn offers_digest() -> Digest {
    Digest {
        title: "offers 0-24 of 251".into(),
        columns: vec![
            Column::id("offer", "offerId"),
            Column::text("product"),
            Column::number("price"),
            Column::number("IWTR"),
            Column::word("status"),
            Column::word("updated"),
        ],
        rows: (0..25_u32)
            .map(|at| {
                vec![
                    format!("65a0c0de00000000000000{at:02}"),
                    format!("Portal {at} Steam CD Key, the whole collection"),
                    format!("{}.{:02} EUR", (900 + at * 25) / 100, at * 25 % 100),
                    format!("{}.90 EUR", 7 + at / 4),
                    if at.is_multiple_of(3) {
                        "INACTIVE"
                    } else {
                        "ACTIVE"
                    }
                    .into(),
                    "2024-03-29 10:01:42".into(),
                ]
            })
            .collect(),
        note: "price is what the buyer pays in answers; IWTR is what you receive, and `price` in what you send",
        has_more: true,
    }
}

#[test]
fn letters_find_a_call_enter_fills_it_in_and_enter_sends_it() {
    let mut model = exploring(sandbox_setup());
    shots("list", &mut model, second(0));
    press(&mut model, "/offkey", second(0));
    shots("find", &mut model, second(0));
    press(&mut model, "<esc>/one offer<enter><enter>", second(0));
    assert_eq!(model.scope(), &panes::explorer::EXPLORER_FIELDS);
    press(&mut model, "/x ?", second(0));
    let (request, account, call) = sent(&press(&mut model, "<enter>", second(1))).unwrap();
    assert_eq!(account, shop());
    assert_eq!((call.method.as_str(), call.body), ("GET", None));
    assert_eq!(call.path, "/v1/offers/5f9e2c%2Fx%20%3F");
    shots("sent", &mut model, second(3));
    explored_result(
        &mut model,
        second(4),
        request,
        Ok(explored("{\"id\":\"5f9e2c\",\"price\":1E2}")),
    );
    let shown = screen(&model, second(4), 120, 40);
    assert!(
        shown.contains("200 OK") && shown.contains("\"price\": 1E2"),
        "{shown}"
    );
}

#[test]
fn arrows_move_among_the_found_calls_and_what_found_them_is_not_saved() {
    let mut model = exploring(sandbox_setup());
    let (request, ..) = send(&mut model, "page by page", second(1));
    explored_result(&mut model, second(2), request, Ok(explored(&setups())));
    press(&mut model, "/portal", second(2));
    let saved = model.screen_state().to_text();
    assert!(!saved.contains("portal"), "{saved}");
    press(&mut model, "<enter>", second(2));
    press(&mut model, "<esc><esc><esc>/one offer", second(2));
    let saved = model.screen_state().to_text();
    assert!(!saved.contains("one offer"), "{saved}");
    let selected = |model: &Model| {
        let shown = screen(model, second(2), 120, 40);
        let rows = shown.lines().filter(|line| line.contains("│▸"));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    let first = selected(&model);
    press(&mut model, "<down>", second(2));
    assert_ne!(selected(&model), first);
    press(&mut model, "<up>", second(2));
    assert_eq!(selected(&model), first);
    // Esc shows all calls, before it dismisses a notice, and the found one stays selected.
    let notice = msg::Notice {
        level: msg::Level::Warning,
        about: "disk".into(),
        text: "the disk is full".into(),
    };
    model.store.notice(notice, second(2));
    let frame = screen(&model, second(2), 120, 40);
    assert!(!frame.contains("Esc dismisses"), "{frame}");
    press(&mut model, "<esc>", second(2));
    let frame = screen(&model, second(2), 120, 40);
    assert!(frame.contains("Esc dismisses"), "{frame}");
    press(&mut model, "<enter>", second(2));
    let shown = screen(&model, second(2), 120, 40);
    assert!(shown.contains("GET /v1/offers/5f9e2c "), "{shown}");
    assert_eq!(model.store.notices.len(), 1);
}

#[test]
fn the_first_visible_row_says_whose_the_calls_below_it_are() {
    let mut model = exploring(live_setup());
    for (keys, account) in [
        ("", "shop LIVE"),
        ("G", "trial TEST"),
        ("kkk", "trial TEST"),
    ] {
        press(&mut model, keys, second(0));
        let shown = resized_screen(&mut model, second(0), 80, 12);
        let mut rows = shown.lines().skip_while(|line| !line.starts_with('╭'));
        let first = rows.nth(1).unwrap().split_whitespace();
        let first = first.collect::<Vec<_>>().join(" ");
        assert!(first.contains(account), "{keys}:\n{shown}");
        assert!(rows.any(|row| row.contains('▸')), "{shown}");
    }
}

#[test]
fn a_long_account_name_is_cut_before_its_badges() {
    let mut setup = live_setup();
    setup.accounts = vec![account(&"shop-".repeat(9), Environment::Production)];
    let mut model = exploring(setup);
    let id = model.store.accounts[0].id().clone();
    model.store.known_mut(&id).unwrap().arm(second(0));
    press(&mut model, "<enter>", second(0));
    let shown = screen(&model, second(0), 120, 40);
    let rows = shown.lines().skip(2);
    let mut badges = rows.filter_map(|row| row.find("…  LIVE   ARMED "));
    assert!(badges.any(|at| at < 60), "{shown}");
}

#[test]
fn a_character_that_cannot_be_typed_is_not_sent() {
    let mut model = exploring(sandbox_setup());
    press(&mut model, "/one offer<enter><enter>", second(0));
    update(&mut model, second(0), Msg::Paste("off\t1 x".into()));
    let effects = press(&mut model, "<ctrl-s>", second(0));
    assert_eq!(sent(&effects), None);
    let shown = screen(&model, second(0), 120, 40);
    assert!(shown.contains("cannot be shown, at position"), "{shown}");
}

#[test]
fn the_footer_of_a_body_begins_with_send_and_the_way_out() {
    let mut model = exploring(sandbox_setup());
    press(&mut model, "/calculations<enter><enter>", second(0));
    assert_eq!(model.scope(), &panes::explorer::EXPLORER_BODY);
    for (width, footer) in [
        (40, " Ctrl-S send  Esc calls  Tab next"),
        (
            80,
            " Ctrl-S send  Esc calls  Tab next  Ctrl-T indent  Ctrl-/ undo",
        ),
    ] {
        let shown = resized_screen(&mut model, second(0), width, 15);
        assert_eq!(shown.lines().last(), Some(footer));
    }
}

#[test]
fn the_call_that_is_selected_is_the_one_that_is_sent_after_an_older_one_was_opened() {
    let mut model = exploring(sandbox_setup());
    let (request, ..) = send(&mut model, "page by page", second(1));
    explored_result(&mut model, second(2), request, Ok(explored(&setups())));
    press(&mut model, "<esc><esc><esc>/one offer<enter>", second(2));
    press(&mut model, "H<enter><esc><esc>", second(2));
    let shown = screen(&model, second(2), 120, 40);
    let selected = shown.lines().find(|line| line.contains("│▸")).unwrap();
    assert!(selected.contains("your offers, page by p"), "{shown}");
    assert!(shown.contains("GET /v1/offers"), "{shown}");
}

#[test]
fn a_write_is_marked_and_needs_confirmation() {
    let mut model = exploring(sandbox_setup());
    press(&mut model, "/patch<enter><enter><down>true", second(0));
    shots("request", &mut model, second(0));
    assert_eq!(press(&mut model, "<enter>", second(0)), []);
    for (width, height) in SIZES {
        let text = resized_screen(&mut model, second(0), width, height);
        assert!(
            text.contains("PATCH /v1/offers/5f9e2c?dryRun=true"),
            "{text}"
        );
        assert!(
            text.contains("account kanga") && text.contains("y sends it"),
            "{text}"
        );
        assert!(
            text.contains("change price or status") && text.contains(r#"{ "price": {"#),
            "{text}"
        );
    }
    assert_snapshot!(
        "explorer_ask_80x24",
        resized_screen(&mut model, second(0), 80, 24)
    );
    assert_eq!(press(&mut model, "n", second(0)), []);
    let (_, _, call) = sent(&press(&mut model, "<enter>y", second(0))).unwrap();
    assert_eq!(call.path, "/v1/offers/5f9e2c?dryRun=true");
    let quits = press(&mut model, "q", second(0));
    assert_eq!(quits, [], "a write call is in progress");
}

#[test]
fn no_path_hides_the_amount_or_the_keys_of_a_write_call() {
    let mut model = exploring(sandbox_setup());
    let call = RawCall {
        method: "PATCH".into(),
        path: "/v1/offers".repeat(200),
        body: Some(r#"{"price": {"amount": 1250, "currency": "EUR"}}"#.into()),
        auth: None,
    };
    let known = model.store.known(&shop()).unwrap();
    let question = overlays::questions::send(known, call, "");
    model.open(Box::new(question));
    for (width, height) in SIZES.into_iter().chain([(40, 10)]) {
        let text = resized_screen(&mut model, second(0), width, height);
        for part in ["account kanga", "amount 12.50 EUR", "…", "y sends it"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn a_call_for_an_account_that_is_gone_asks_nothing() {
    for (keys, send) in [
        ("/page by<enter><enter>", "<enter>"),
        ("/patch<enter><enter><enter>", "y"),
    ] {
        let mut model = exploring(sandbox_setup());
        press(&mut model, keys, second(0));
        model.store.accounts.clear();
        assert_eq!(press(&mut model, send, second(0)), []);
        assert!(model.overlays.is_empty());
        let flash = model.store.flash.as_ref().unwrap();
        assert!(flash.text.starts_with("no such account"), "{flash:?}");
    }
}

#[test]
fn a_long_purpose_and_field_help_are_shown_whole() {
    const LONG: &[DocumentedCall] = &[DocumentedCall {
        method: "PATCH",
        path: "/v1/offers/{offerId}",
        params: &[crate::domain::catalogue::Param::in_path(
            "offerId",
            "the offer's id as the list of offers shows it, or the id in the address of its page on the web site",
            "5f9e2c",
        )],
        body: None,
        writes: true,
        about: "report the delivery of an in-game product: DELIVERED or CANCELED. The provider documents no more than \
                that",
        follow_ups: &[],
    }];
    let words = |shown: String| -> String {
        let text = shown.replace(['│', '\n'], " ");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let mut setup = sandbox_setup();
    setup.catalogues[0].1 = LONG;
    let mut model = exploring(setup);
    press(&mut model, "<enter>", second(0));
    let request = words(resized_screen(&mut model, second(0), 80, 24));
    assert!(request.contains(LONG[0].about), "{request}");
    assert!(request.contains(LONG[0].params[0].about), "{request}");
    press(&mut model, "<enter>", second(0));
    let asked = words(resized_screen(&mut model, second(0), 80, 24));
    assert!(asked.contains(LONG[0].about), "{asked}");
}

#[test]
fn a_body_is_edited_checked_and_sent_from_where_one_is() {
    let mut model = exploring(sandbox_setup());
    press(&mut model, "/calc<enter><enter>", second(0));
    assert_eq!(model.scope(), &panes::explorer::EXPLORER_BODY);
    press(&mut model, "<down>x", second(0));
    shots("body_wrong", &mut model, second(0));
    assert_eq!(press(&mut model, "<f5>", second(0)), [], "it is no JSON");
    let flash = model.store.flash.clone().unwrap().text;
    assert!(flash.starts_with("the body is not JSON, line 2"), "{flash}");
    press(&mut model, "<alt-z>", second(0));
    let (_, _, call) = sent(&press(&mut model, "<ctrl-s>", second(0))).unwrap();
    assert_eq!(
        call.body.as_deref(),
        Some(&b"{\n  \"price\": 1E3,\n  \"productId\": \"5c9b\"\n}"[..])
    );
}

#[test]
fn an_answer_is_read_as_table_and_as_body_and_searched() {
    let mut model = exploring(sandbox_setup());
    let (request, ..) = send(&mut model, "page by page", second(1));
    let mut answer = explored(&setups());
    answer.digest = Some(offers_digest());
    explored_result(&mut model, second(2), request, Ok(answer));
    shots("digest", &mut model, second(2));
    press(&mut model, "d", second(2));
    shots("body", &mut model, second(2));
    press(&mut model, "/amount", second(2));
    shots("search", &mut model, second(2));
    press(&mut model, "<enter>nn", second(2));
    let shown = screen(&model, second(2), 120, 40);
    assert!(shown.contains("3 of 25"), "{shown}");
    press(&mut model, "N", second(2));
    assert!(screen(&model, second(2), 120, 40).contains("2 of 25"));
    press(&mut model, "G", second(2));
    assert!(screen(&model, second(2), 120, 40).contains("\"totalElements\": 251"));
    // The table is shown without the search, and has one of its own.
    press(&mut model, "<esc>d", second(2));
    assert_eq!(model.scope(), &panes::explorer::EXPLORER_PAGES);
    press(&mut model, "/total<enter>", second(2));
    assert!(screen(&model, second(2), 120, 40).contains("not found"));
    press(&mut model, "<esc>", second(2));
    assert_eq!(copied(&press(&mut model, "b", second(2))), setups());
}

#[test]
fn an_empty_table_reports_a_missing_text_only_while_one_is_searched() {
    let mut model = exploring(sandbox_setup());
    let (request, ..) = send(&mut model, "page by page", second(1));
    let mut answer = explored(&setups());
    let rows = Vec::new();
    answer.digest = Some(Digest {
        rows,
        ..offers_digest()
    });
    explored_result(&mut model, second(2), request, Ok(answer));
    for (keys, is_missed) in [("", false), ("/portal<enter>n", true), ("<esc>", false)] {
        press(&mut model, keys, second(2));
        let shown = screen(&model, second(2), 120, 40);
        assert_eq!(shown.contains("not found"), is_missed, "{keys}: {shown}");
    }
}

/// Kinguin's offers: the widest rows of all providers.
fn kinguin_offers() -> Digest {
    let row = |at: u32| {
        [
            format!("65a0c0de00000000000000{at:02}"),
            format!("Harbour of the Long Winter {at}: Deluxe Collector's Edition, global"),
            format!("1{at}.56 EUR"),
            format!("1{at}.10 EUR"),
            "INACTIVE, blocked".into(),
            (at * 12).to_string(),
            (at * 345).to_string(),
            (at + 100).to_string(),
            format!("0.00{at}"),
            "WRONG_PRODUCT_TYPE".into(),
            "2024-03-29 10:01:42".into(),
        ]
        .to_vec()
    };
    Digest {
        title: "offers 1-3 of 3".into(),
        columns: vec![
            Column::id("offer", "offerId"),
            Column::text("name"),
            Column::number("buyer pays"),
            Column::number("you receive"),
            Column::word("status"),
            Column::number("buyable"),
            Column::number("sold"),
            Column::number("least"),
            Column::number("unit price"),
            Column::word("blocked for"),
            Column::word("updated (UTC)"),
        ],
        rows: (0..3).map(row).collect(),
        note: "In responses, `price` is what the buyer pays and `priceIWTR` (\"I want to receive\") is what you receive. In requests, `price` is what you receive.",
        has_more: false,
    }
}

#[test]
fn every_amount_of_the_selected_row_is_shown_whole_on_every_screen() {
    for digest in [offers_digest(), kinguin_offers()] {
        let mut model = exploring(sandbox_setup());
        let (request, ..) = send(&mut model, "page by page", second(1));
        let mut answer = explored(&setups());
        answer.digest = Some(digest.clone());
        explored_result(&mut model, second(2), request, Ok(answer));
        for row in &digest.rows {
            for (width, height) in SIZES.into_iter().chain([(40, 10)]) {
                let screen = resized_screen(&mut model, second(2), width, height);
                let shown = screen.split(['│', '\n', ' ']);
                let shown: Vec<&str> = shown.filter(|it| !it.is_empty()).collect();
                let shown = shown.join(" ");
                for (column, cell) in digest.columns.iter().zip(row) {
                    let of = format!("{}: {cell}", column.name);
                    assert!(
                        column.holds != ColumnKind::Number || shown.contains(&of),
                        "{of} at {width}x{height}:\n{screen}"
                    );
                }
                let is_marked = screen.contains(&format!("▸{}", &row[0][..8]));
                assert!(is_marked, "at {width}x{height}:\n{screen}");
            }
            press(&mut model, "j", second(2));
        }
    }
}

#[test]
fn a_search_typed_before_the_response_goes_on_in_it() {
    let mut model = exploring(sandbox_setup());
    let (request, ..) = send(&mut model, "page by page", second(1));
    explored_result(&mut model, second(2), request, Ok(explored(&setups())));
    let (request, ..) = sent(&press(&mut model, "r", second(3))).unwrap();
    press(&mut model, "/port", second(3));
    assert!(screen(&model, second(3), 80, 24).contains("search / port"));
    let mut answer = explored(&setups());
    answer.digest = Some(offers_digest());
    explored_result(&mut model, second(4), request, Ok(answer));
    assert_eq!(press(&mut model, "ar", second(4)), []);
    let shown = screen(&model, second(4), 80, 24);
    assert!(shown.contains("search / portar"), "{shown}");
}

#[test]
fn a_half_typed_call_outlives_a_look_at_any_number_of_others() {
    let (mut setup, now) = (sandbox_setup(), second(1));
    let more = (0..20).map(|n| account(&format!("more-{n}"), Environment::Embedded));
    setup.accounts.extend(more);
    let mut model = exploring(setup);
    press(&mut model, "/one offer<enter><enter>B<esc><esc>", now);
    press(&mut model, &"j".repeat(90), now);
    press(&mut model, "/one offer<enter>", now);
    let command = press(&mut model, "y", now);
    assert!(copied(&command).ends_with("request kanga GET /v1/offers/5f9e2cB"));
}

#[test]
fn enter_says_that_no_call_matches() {
    let mut model = exploring(sandbox_setup());
    press(&mut model, "/zzzz<enter><enter>", second(0));
    let flash = model.store.flash.as_ref().unwrap();
    assert_eq!(flash.text, "no call matches");
}

#[test]
fn a_space_that_is_searched_for_in_a_body_counts() {
    let mut model = exploring(sandbox_setup());
    let (request, ..) = send(&mut model, "page by page", second(1));
    let body = r#"["portal 70", "portal 7 key", "portal 71"]"#;
    explored_result(&mut model, second(2), request, Ok(explored(body)));
    for (keys, found) in [("/portal 7", "1 of 3"), (" ", "1 of 1")] {
        press(&mut model, keys, second(2));
        let shown = screen(&model, second(2), 80, 24);
        assert!(shown.contains(found), "{shown}");
    }
}

#[test]
fn a_call_that_only_waited_was_not_sent() {
    let waits = |request, until| {
        Msg::Waiting(
            request,
            Some(Waiting {
                left: None,
                account: shop(),
                method: "GET".into(),
                path: "/v1/offers/5f9e2c".into(),
                about: String::new(),
                why: "rate limit reached (429)".into(),
                until: Some(second(until).mono),
            }),
        )
    };
    let mut model = exploring(sandbox_setup());
    let (request, _, call) = send(&mut model, "one offer", second(1));
    update(&mut model, second(1), waits(request, 54));
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("waiting 53s: rate"), "{shown}");
    assert_eq!(
        press(&mut model, "<esc>", second(2)),
        [Effect::Cancel(request)]
    );
    let shown = screen(&model, second(2), 120, 40);
    assert!(
        shown.contains("Cancelled before it was sent.") && !shown.contains("taken effect"),
        "{shown}"
    );

    // A request that waits for a retry was sent before.
    let (request, ..) = sent(&press(&mut model, "r", second(3))).unwrap();
    let mut tried = (*exchange(1, &call.path, Outcome::Status(503))).clone();
    tried.method = call.method;
    update(&mut model, second(3), Msg::Exchange(tried.into()));
    update(&mut model, second(3), waits(request, 9));
    press(&mut model, "<esc>", second(4));
    let shown = screen(&model, second(4), 120, 40);
    assert!(
        shown.contains("Cancelled after sending.") && !shown.contains("taken effect"),
        "{shown}"
    );
}

#[test]
fn a_failure_and_a_cancelled_call_are_shown() {
    let mut model = exploring(sandbox_setup());
    let (request, ..) = send(&mut model, "one offer", second(1));
    let problem = Problem::new(
        ProblemKind::Unreachable,
        "account kanga: 127.0.0.1:41207 cannot be reached: connection refused",
        "check the network, then send it again",
    );
    explored_result(&mut model, second(2), request, Err(problem));
    shots("error", &mut model, second(2));

    let (request, ..) = sent(&press(&mut model, "r", second(3))).unwrap();
    let mut refused = explored("<html><body>Sign in\u{1b}[2J</body></html>");
    refused.status = 502;
    refused.content_type = Some("text/html".into());
    refused.failure = Some("kanga answered 502 with no code of its own".into());
    explored_result(&mut model, second(4), request, Ok(refused));
    assert_snapshot!(
        "explorer_html_80x24",
        resized_screen(&mut model, second(4), 80, 24)
    );

    let (request, ..) = sent(&press(&mut model, "r", second(5))).unwrap();
    let waiting = Waiting {
        left: None,
        account: shop(),
        method: "GET".into(),
        path: "/v1/offers/5f9e2c".into(),
        about: String::new(),
        why: "rate limit reached".into(),
        until: Some(second(10).mono),
    };
    update(&mut model, second(5), Msg::Waiting(request, Some(waiting)));
    assert!(screen(&model, second(6), 80, 24).contains("waiting 4s: rate limit reached"));
    assert_eq!(
        press(&mut model, "<esc>", second(6)),
        [Effect::Cancel(request)]
    );
    let shown = screen(&model, second(6), 80, 24);
    assert!(shown.contains("Cancelled before it was sent."), "{shown}");
    explored_result(&mut model, second(7), request, Ok(explored("{}")));
    assert_eq!(screen(&model, second(6), 80, 24), shown, "too late");
}

#[test]
fn writes_of_a_live_account_are_absent_until_its_name_is_typed() {
    let mut model = exploring(live_setup());
    shots("unarmed", &mut model, second(0));
    let patches = |model: &Model| screen(model, second(0), 120, 40).matches("PATCH").count();
    assert_eq!(patches(&model), 1, "that of the account for trying");
    press(&mut model, "A", second(0));
    press(&mut model, "shop<enter>", second(0));
    shots("armed", &mut model, second(0));
    let shown = screen(&model, second(0), 120, 40);
    assert!(shown.contains("A disarm"), "{shown}");
    assert_eq!(patches(&model), 2);
    press(&mut model, "/patch shop<enter><enter>12", second(0));
    press(&mut model, "<enter>", second(0));
    assert!(screen(&model, second(0), 120, 40).contains("real money"));
    // The ten minutes of arming end while the confirmation is open.
    let late = second(601);
    update(&mut model, late, Msg::Woke);
    assert_eq!(press(&mut model, "y", late), []);
    assert!(is_top::<overlays::arm::State>(&model));
    press(&mut model, "<esc>", late);
    let shown = screen(&model, late, 120, 40);
    assert!(shown.contains("not armed"), "{shown}");
    assert_eq!(
        press(&mut model, "<enter>", late),
        [],
        "from the request neither"
    );
    assert!(is_top::<overlays::arm::State>(&model));
}

#[test]
fn any_other_call_of_a_live_account_needs_arming_where_it_may_write() {
    let mut model = exploring(live_setup());
    press(
        &mut model,
        "/any other shop<enter><enter>v9/things",
        second(0),
    );
    let (.., call) = sent(&press(&mut model, "<enter>", second(0))).unwrap();
    assert_eq!(
        (call.method.as_str(), call.path.as_str()),
        ("GET", "/v9/things")
    );
    press(&mut model, "<esc>e<up> <enter>", second(0));
    assert!(is_top::<overlays::arm::State>(&model), "POST may write");
}

#[test]
fn a_call_is_copied_as_a_command_and_as_curl() {
    let mut model = exploring(sandbox_setup());
    press(&mut model, "/calc<enter><enter><esc>", second(0));
    assert_eq!(
        copied(&press(&mut model, "y", second(0))),
        "tilldeck --profile sandbox request kanga POST /v1/calculations/price --data '{\n  \"price\": 1E3,\n  \"productId\": \"5c9b\"\n}'"
    );
    let unsent = press(&mut model, "Y", second(0));
    assert!(copied(&unsent).contains("\ncurl -X POST 'http://127.0.0.1:41207/v1/calc"));
    assert!(copied(&unsent).contains("without the key or signature"));
    let (request, ..) = sent(&press(&mut model, "<enter><f5>", second(0))).unwrap();
    update(
        &mut model,
        second(1),
        Msg::Exchange(exchange(7, "/v1/calculations/price", Outcome::Status(200))),
    );
    explored_result(&mut model, second(1), request, Ok(explored("{}")));
    let sent = press(&mut model, "Y", second(1));
    assert!(
        copied(&sent).contains("api-sig: ‹signature›"),
        "as it was sent"
    );
}

#[test]
fn past_calls_are_taken_up_again() {
    let mut model = exploring(sandbox_setup());
    press(&mut model, "H", second(0));
    assert!(matches!(model.overlays.as_slice(), []), "there are none");
    for (at, letters) in [(1, "one offer"), (2, "calc"), (3, "page by page")] {
        let keys = if letters == "calc" { "<f5>" } else { "<enter>" };
        let found = format!("/{letters}<enter><enter>");
        press(&mut model, &found, second(at));
        let (request, ..) = sent(&press(&mut model, keys, second(at))).unwrap();
        let mut answer = explored(&format!("{{\"call\":{at}}}"));
        answer.status = if at == 2 { 404 } else { 200 };
        answer.failure = (at == 1).then(|| "Kanga rejected it".to_owned());
        explored_result(&mut model, second(at), request, Ok(answer));
        press(&mut model, "<esc><esc><esc>", second(at));
    }
    press(&mut model, "H", second(4));
    assert_snapshot!(
        "explorer_history_80x24",
        resized_screen(&mut model, second(4), 80, 24)
    );
    press(&mut model, "jj<enter>", second(4));
    let shown = screen(&model, second(4), 80, 24);
    assert!(shown.contains("\"call\": 1"), "{shown}");
    let (.., call) = sent(&press(&mut model, "r", second(5))).unwrap();
    assert_eq!(call.path, "/v1/offers/5f9e2c");
    assert_eq!(
        copied(&press(&mut model, "y", second(5))),
        "tilldeck --profile sandbox request kanga GET /v1/offers/5f9e2c"
    );
}

#[test]
fn a_call_whose_response_made_way_for_later_ones_was_sent() {
    let mut model = exploring(sandbox_setup());
    send(&mut model, "one offer", second(1));
    for (at, letters) in (1..=51).map(|at| (at, if at == 1 { "" } else { "page by page" })) {
        let request = model.store.requests().next();
        let request = request.unwrap_or_else(|| send(&mut model, letters, second(at)).0);
        explored_result(&mut model, second(at), request, Ok(explored("{}")));
        press(&mut model, "<esc><esc><esc>", second(at));
    }
    press(&mut model, "/one offer<enter><enter>", second(60));
    let shown = screen(&model, second(60), 120, 40);
    assert!(
        shown.contains("Sent; its response is no longer in memory."),
        "{shown}"
    );
    assert!(!shown.contains("Not sent yet"), "{shown}");
}

#[test]
fn nothing_to_explore() {
    let mut setup = sandbox_setup();
    setup.accounts.clear();
    let mut model = exploring(setup);
    shots("empty", &mut model, second(0));
    let mut setup = sandbox_setup();
    setup.catalogues.clear();
    let model = exploring(setup);
    assert!(screen(&model, second(0), 80, 24).contains("any other call"));
    let mut model = sized(sandbox_setup(), 80, 24);
    press(&mut model, "6<enter>", second(0));
    assert_eq!(
        press(&mut model, "<enter>", second(0)),
        [],
        "it is still opening"
    );
    assert!(model.store.flash.is_some());
}

#[test]
fn digits_and_tabs_lead_back() {
    let mut model = exploring(sandbox_setup());
    press(&mut model, "<tab>", second(0));
    assert_eq!(model.focus, Pane::Callbacks);
    press(&mut model, "<tab><tab>", second(0));
    assert_eq!(model.focus, Pane::Credentials);
    press(&mut model, "65", second(0));
    assert_eq!(model.focus, Pane::Requests);
    press(&mut model, "6<enter>1", second(0));
    assert_eq!(model.focus, Pane::Explorer, "a digit is a value there");
    press(&mut model, "<esc>2", second(0));
    assert_eq!(model.focus, Pane::Tokens);
    press(&mut model, "6<enter><ctrl-s>3", second(0));
    assert_eq!(model.focus, Pane::Payments, "from the response");
}

#[test]
fn the_mouse_points_at_calls_fields_and_answers() {
    let mut model = exploring(sandbox_setup());
    let at = |model: &Model, text: &str| {
        let shown = screen(model, second(0), 120, 40);
        let (y, line) = shown
            .lines()
            .enumerate()
            .find(|(_, line)| line.contains(text))
            .unwrap();
        let x = line[..line.find(text).unwrap()].chars().count();
        (u16::try_from(x).unwrap(), u16::try_from(y).unwrap())
    };
    let point = |model: &mut Model, kind, text: &str| {
        let (column, row) = at(model, text);
        let mouse = MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        };
        update(model, second(0), Msg::Mouse(mouse));
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    point(&mut model, click, "PATCH");
    point(&mut model, click, "dryRun");
    press(&mut model, "yes", second(0));
    assert!(screen(&model, second(0), 120, 40).contains("?dryRun=yes"));
    point(&mut model, click, "\"currency\"");
    assert_eq!(model.scope(), &panes::explorer::EXPLORER_BODY);
    point(&mut model, MouseEventKind::ScrollDown, "what the buyer");
    assert_eq!(model.scope(), &panes::explorer::EXPLORER);
}

#[test]
fn a_paste_of_many_lines_is_a_body_and_of_one_a_value() {
    let mut model = exploring(sandbox_setup());
    press(&mut model, "/calc<enter><enter>", second(0));
    let large = format!("[{}]", vec!["\"漢字\""; 12_000].join(",\r"));
    update(&mut model, second(0), Msg::Paste(large));
    assert!(model.store.flash.is_none(), "nothing was left out");
    assert!(screen(&model, second(0), 80, 24).is_char_boundary(0));
    press(&mut model, "<esc>/one offer<enter><enter>", second(0));
    update(&mut model, second(0), Msg::Paste("-9\nmore".into()));
    let shown = screen(&model, second(0), 120, 40);
    assert!(shown.contains("/v1/offers/5f9e2c-9"), "{shown}");
    assert!(
        model
            .store
            .flash
            .as_ref()
            .unwrap()
            .text
            .contains("first line")
    );
}

#[test]
fn a_call_under_way_ticks_by_the_second_and_an_idle_explorer_sleeps() {
    let mut model = exploring(sandbox_setup());
    let (request, ..) = send(&mut model, "one offer", second(0));
    assert_eq!(next_wake(&model, second(1)), Some(Duration::from_secs(1)));
    model.options.reduced_motion = true;
    assert_eq!(next_wake(&model, second(1)), None);
    assert!(screen(&model, second(2), 80, 24).contains("sent at 02:54:26"));
    model.options.reduced_motion = false;
    explored_result(&mut model, second(2), request, Ok(explored("{}")));
    assert_eq!(next_wake(&model, second(2)), None);
}

#[test]
fn hostile_answers_stay_words_and_ascii_stays_ascii() {
    let bad = "\u{1b}[2J\u{202e}\u{7}";
    let mut model = exploring(sandbox_setup());
    model.options.ascii = true;
    model.theme = Theme::new(&model.options, model.tint, model.color);
    for text in [
        format!("{{\"a{bad}\":\"{bad}\"}}"),
        bad.to_owned(),
        format!("[\"{bad}"),
    ] {
        press(&mut model, "<esc><esc>", second(0));
        let (request, ..) = send(&mut model, "page by page", second(0));
        let mut answer = explored(&text);
        answer.content_type = Some(bad.into());
        answer.failure = Some(bad.into());
        answer.digest = Some(Digest {
            title: bad.into(),
            columns: vec![Column::text("id")],
            rows: vec![vec![bad.repeat(40)]],
            ..Digest::default()
        });
        explored_result(&mut model, second(0), request, Ok(answer));
        for keys in ["", "d"] {
            press(&mut model, keys, second(0));
            for (width, height) in [(120, 40), (60, 15), (41, 10)] {
                let shown = resized_screen(&mut model, second(0), width, height);
                assert!(shown.is_ascii(), "{shown}");
                assert!(shown.chars().all(|c| c == '\n' || !inert::is_hostile(c)));
            }
        }
    }
}

/// The explorer in each of its parts, and with each of its windows.
pub fn in_every_part() -> Vec<(&'static str, Model)> {
    let after = |mut model: Model, keys: &'static str| {
        press(&mut model, keys, second(2));
        (keys, model)
    };
    let mut read = exploring(sandbox_setup());
    let (request, ..) = send(&mut read, "page by page", second(1));
    let mut answer = explored(&setups());
    answer.digest = Some(offers_digest());
    explored_result(&mut read, second(2), request, Ok(answer));
    let unread = [
        "",
        "/x",
        "/one<enter><enter>",
        "/one<enter><enter><enter>",
        "/patch<enter><enter><down>true",
        "/patch<enter><enter><down>true<enter>",
        "/calc<enter><enter><down>x",
    ];
    let unread = unread.map(|keys| after(exploring(sandbox_setup()), keys));
    let with_response = ["", "d", "d/amount", "d/amount<enter>", "<esc><esc><esc>H"];
    let with_response = with_response.map(|keys| after(read.clone(), keys));
    let followed = ["<enter>", "<enter><enter>"].map(|keys| after(read.clone(), keys));
    let mut live = exploring(live_setup());
    let (request, ..) = send(&mut live, "page by page", second(1));
    let mut answer = explored("{}");
    answer.digest = Some(offers_digest());
    explored_result(&mut live, second(2), request, Ok(answer));
    let unarmed = after(live, "<enter>");
    let with_response = with_response.into_iter().chain(followed).chain([unarmed]);
    unread.into_iter().chain(with_response).collect()
}

#[test]
fn every_action_is_safe_in_every_part() {
    for (_, before) in in_every_part() {
        for row in crate::tui::table::bindings() {
            let mut model = before.clone();
            act(&mut model, keys::Action(row), second(4));
            update(&mut model, second(5), Msg::Key(KeyCode::Char('x').into()));
            drawn(&model, second(5), 80, 24);
        }
    }
}
