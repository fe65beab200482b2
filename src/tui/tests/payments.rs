//! The payments pane: an expected amount is never lost, a problem is always visible, and many payments are
//! handled at once.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;

use super::*;
use crate::domain::CheckedPayment;
use crate::tui::msg::{LEDGER, Level, NewWatch, Notice};
use crate::tui::watched::Watched;

fn ready_with(setup: Setup, watches: Vec<(Watch, Vec<Observation>)>) -> Model {
    let mut model = sized(setup, 120, 40);
    let mut readiness = readiness(watches, Vec::new());
    readiness.verify = Vec::new();
    update(&mut model, second(0), Msg::Ready(readiness));
    model
}

fn ready(watches: Vec<(Watch, Vec<Observation>)>) -> Model {
    ready_with(sandbox_setup(), watches)
}

/// A payment of 250 EMT that received 1.
fn underpaid() -> Model {
    ready(vec![(
        watch("LIVE-1", Some("250")),
        seen("LIVE-1", "1", &["ACTIVE", "FINALIZED"]),
    )])
}

fn verdict(model: &Model, at: usize) -> Option<PaymentVerdict> {
    model.store.payments[at].verdict()
}

fn watch_effects(effects: &[Effect]) -> Vec<NewWatch> {
    let made = effects.iter().filter_map(|effect| match effect {
        Effect::Watch(new) => Some(new.clone()),
        _ => None,
    });
    made.collect()
}

fn checks(effects: &[Effect]) -> Vec<&str> {
    let made = effects.iter().filter_map(|effect| match effect {
        Effect::Query {
            op: Op::CheckPayment(id),
            ..
        } => Some(id.as_str()),
        _ => None,
    });
    made.collect()
}

#[test]
fn adding_or_pasting_a_watched_id_keeps_its_expected_amount_its_verdict_and_its_alert() {
    for keys in ["aLIVE-1<enter>", "paste"] {
        let mut model = underpaid();
        let effects = if keys == "paste" {
            update(&mut model, second(1), Msg::Paste("LIVE-1".into()));
            press(&mut model, "<enter>", second(1))
        } else {
            press(&mut model, keys, second(1))
        };
        assert_eq!(watch_effects(&effects), [new_watch("LIVE-1", None)]);
        assert_eq!(model.store.payments.len(), 1);
        assert_eq!(verdict(&model, 0), Some(PaymentVerdict::Less));
        assert_eq!(alerts::count(&model.store), 1);
    }
}

/// Asked whether to change an expected amount.
pub fn expected_asked() -> Model {
    let mut model = underpaid();
    let effects = press(&mut model, "aLIVE-1<tab>1<tab>EMT<enter>", second(1));
    let new = watch_effects(&effects).remove(0);
    let result = Ok(model.store.payments[0].watch.expected.clone());
    update(&mut model, second(1), Msg::Watched(new, result));
    model
}

#[test]
fn no_id_hides_the_amounts_or_the_keys_of_a_question() {
    let mut model = expected_asked();
    let current = model.store.payments[0].watch.expected.clone().unwrap();
    let new = new_watch(&"A".repeat(256), Some("1"));
    let question = overlays::questions::expect(new, &current, second(1), &model.store);
    model.open(Box::new(question));
    for (width, height) in [(120, 40), (80, 24), (60, 15), (40, 10)] {
        let text = resized_screen(&mut model, second(1), width, height);
        for part in ["expected now 250 EMT", "change to 1 EMT", "y changes it"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn another_expected_amount_needs_a_yes() {
    let mut model = underpaid();
    let effects = press(&mut model, "aLIVE-1<tab>1<tab>EMT<enter>", second(1));
    let new = watch_effects(&effects).remove(0);
    assert_eq!(new.expected, Some(emt("1")));
    assert_eq!(
        verdict(&model, 0),
        Some(PaymentVerdict::Less),
        "nothing changes before the answer"
    );
    let stays = model.store.payments[0].watch.expected.clone();
    let result = Ok(stays);
    update(&mut model, second(1), Msg::Watched(new, result));
    assert_snapshot!(
        "expect_ask_80x24",
        resized_screen(&mut model, second(1), 80, 24)
    );
    let mut left = model.clone();
    assert_eq!(press(&mut left, "n", second(2)), []);
    assert_eq!(verdict(&left, 0), Some(PaymentVerdict::Less));

    let effects = press(&mut model, "y", second(1));
    assert_eq!(
        effects,
        [],
        "meant for the list below, before the question could be read"
    );
    let effects = press(&mut model, "y", second(2));
    let [Effect::Expect { new, shown }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(*shown, emt("250"), "only what was shown is replaced");
    let (new, result) = (new.clone(), Ok(None));
    update(&mut model, second(2), Msg::Watched(new, result));
    assert_eq!(verdict(&model, 0), Some(PaymentVerdict::Paid));
}

/// The disk is full, or the database holds another expectation: the typed one is not in force.
#[test]
fn a_typed_expectation_counts_only_once_it_is_saved() {
    let mut model = ready(Vec::new());
    let effects = press(&mut model, "aORDER-1006<tab>1<tab>EMT<enter>", second(1));
    let new = watch_effects(&effects).remove(0);
    let request = model.store.payments[0].asking.unwrap();
    let paid = Answer::Payment(Ok(payment("ORDER-1006", "1", "FINALIZED")));
    let result = paid;
    update(&mut model, second(1), Msg::Answered(request, result));
    assert_eq!(verdict(&model, 0), Some(PaymentVerdict::NotCompared));
    let mut failed = model.clone();
    let why = "payment ORDER-1006 cannot be saved: the disk is full";
    let result = Err(Problem::new(ProblemKind::Local, why, ""));
    update(&mut failed, second(2), Msg::Watched(new.clone(), result));
    assert_eq!(verdict(&failed, 0), Some(PaymentVerdict::NotCompared));
    assert!(screen(&failed, second(2), 120, 40).contains("the disk is full"));
    // A removal that is undone meanwhile does not forget the amount.
    press(&mut failed, "d", second(2));
    let effects = press(&mut failed, "u", second(2));
    assert_eq!(watch_effects(&effects), std::slice::from_ref(&new));
    // It is saved once the ledger can be used again.
    let back = Notice {
        level: Level::Info,
        about: LEDGER.into(),
        text: "the ledger can be used again".into(),
    };
    let effects = update(&mut failed, second(3), Msg::Notice(back));
    assert_eq!(watch_effects(&effects), std::slice::from_ref(&new));
    let result = Ok(None);
    update(&mut model, second(2), Msg::Watched(new, result));
    assert_eq!(verdict(&model, 0), Some(PaymentVerdict::Paid));
}

#[test]
fn a_second_link_with_an_id_in_use_does_not_turn_an_under_paid_order_into_a_paid_one() {
    let mut model = underpaid();
    let effects = press(&mut model, "LLIVE-1<tab>1<tab>EMT<enter>", second(1));
    let Some(Effect::Query { request, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    let request = *request;
    // The deck refuses it; see its own tests.
    let why = "no link created: payment LIVE-1 is FINALIZED";
    let problem = Problem::new(ProblemKind::Usage, why, "use a new id");
    let result = Answer::Link(Err(problem));
    update(&mut model, second(1), Msg::Answered(request, result));
    assert!(screen(&model, second(1), 120, 40).contains(why));
    press(&mut model, "<esc>", second(2));
    assert_eq!(verdict(&model, 0), Some(PaymentVerdict::Less));
}

#[test]
fn as_expected_is_shown_only_for_received_money() {
    for (state, said) in [
        ("NEW", false),
        ("ACTIVE", false),
        ("FINALIZING", false),
        ("FAILED", false),
        ("CANCELED", false),
        ("FINALIZED", true),
    ] {
        let model = ready(vec![(
            watch("A-17", Some("25.00")),
            seen("A-17", "25.00", &[state]),
        )]);
        let shown = screen(&model, second(0), 120, 40);
        assert_eq!(shown.contains("= as expected"), said, "{state}: {shown}");
    }
}

#[test]
fn an_open_payment_whose_price_was_changed_is_a_warning() {
    let model = ready(vec![(
        watch("A-17", Some("25.00")),
        seen("A-17", "0.01", &["ACTIVE"]),
    )]);
    let shown = screen(&model, second(0), 120, 40);
    assert!(shown.contains("! ACTIVE"), "{shown}");
    assert!(shown.contains("difference -24.99 EMT"), "{shown}");
    assert_eq!(alerts::count(&model.store), 1);
}

#[test]
fn ids_that_differ_at_their_end_do_not_look_alike() {
    let ids = ["SHOP-2026-11-28-000123-EU", "SHOP-2026-11-28-000124-EU"];
    let watches = ids.map(|id| (watch(id, Some("25.00")), seen(id, "25.00", &["NEW"])));
    let mut model = ready(watches.to_vec());
    for (width, height) in [(120, 40), (80, 24), (60, 15)] {
        let shown = resized_screen(&mut model, second(0), width, height);
        for end in ["123-EU", "124-EU"] {
            assert!(shown.contains(end), "{width}x{height}: {shown}");
        }
    }
}

#[test]
fn a_long_amount_hides_no_column_that_has_room() {
    let row = |id: &str, sum| (watch(id, Some("25.00")), seen(id, sum, &["NEW"]));
    let rows = vec![row("ORDER-1042", "1249.00"), row("ORDER-1043", "25.00")];
    let mut setup = sandbox_setup();
    setup
        .accounts
        .push(token_account("kinguin", Environment::Embedded));
    let mut model = ready_with(setup, rows);
    for keys in ["", " "] {
        press(&mut model, keys, second(0));
        let shown = screen(&model, second(0), 120, 40);
        let head = shown.lines().find(|line| line.contains("payment"));
        let head = head.unwrap();
        for column in ["vs. order", "since", "check"] {
            assert!(head.contains(column), "{keys} {column}: {shown}");
        }
    }
}

#[test]
fn the_state_says_what_the_column_that_gave_way_would() {
    let mut odd = payment("ORDER-1042", "123456789012345.00", "FINALIZED");
    odd.currency = Reported::currency("LONGCOIN");
    let seen = vec![Observation {
        at: START,
        payment: odd,
    }];
    let mut model = ready(vec![(watch("ORDER-1042", Some("25.00")), seen)]);
    for (width, state) in [(160, "FINALIZED"), (120, "CURRENCY")] {
        let shown = resized_screen(&mut model, second(0), width, 24);
        let row = shown.lines().find(|line| line.contains("ORDER-1042"));
        assert!(row.unwrap().contains(state), "{width}: {shown}");
        assert!(!shown.contains(" … "), "{width}: {shown}");
    }
}

#[test]
fn an_order_without_a_response_has_no_amount() {
    let mut model = ready(vec![(watch("A-17", Some("25.00")), Vec::new())]);
    let shown = resized_screen(&mut model, second(0), 80, 24);
    let row = shown.lines().find(|line| line.contains("A-17")).unwrap();
    assert!(!row.contains("25.00") && !row.contains("EMT"), "{shown}");
}

#[test]
fn a_failed_check_marks_the_row_with_the_age_of_the_last_answer() {
    let mut model = ready(vec![(
        watch("A-17", Some("25.00")),
        seen("A-17", "25.00", &["ACTIVE"]),
    )]);
    let answer = |model: &mut Model, at: u64, result| {
        let effects = press(model, "c", second(at));
        let request = effects.iter().find_map(|effect| match effect {
            Effect::Query { request, .. } => Some(*request),
            _ => None,
        });
        // A check by the poll queue may be in flight.
        let request = request.or(model.store.payments[0].asking).unwrap();
        update(model, second(at), Msg::Answered(request, result));
    };
    let active = Answer::Payment(Ok(payment("A-17", "25.00", "ACTIVE")));
    answer(&mut model, 1, active);
    assert!(!screen(&model, second(61), 120, 40).contains("old: "));
    let why = "Kanga TPG turned the request away: too many requests (429)";
    let failed = Answer::Payment(Err(Problem::new(ProblemKind::Failing, why, "wait")));
    answer(&mut model, 121, failed);
    let shown = screen(&model, second(121), 120, 40);
    assert!(shown.contains("! old: 2m"), "{shown}");
    assert!(shown.contains("check failed: Kanga TPG turned"), "{shown}");
    assert!(shown.contains("; state from 2m ago"), "{shown}");
    let narrow = resized_screen(&mut model, second(121), 60, 15);
    assert!(
        narrow
            .lines()
            .any(|line| line.contains("A-17") && line.contains(" ! ")),
        "{narrow}"
    );
    assert_eq!(
        alerts::count(&model.store),
        1,
        "{:?}",
        alerts::all(&model.store)
    );
}

#[test]
fn an_amount_that_cannot_be_read_hides_no_state() {
    let odd = Observation {
        at: START,
        payment: payment("A-17", "12,5 €", "FINALIZED"),
    };
    let model = ready(vec![(watch("A-17", Some("12.5")), vec![odd])]);
    let shown = screen(&model, second(0), 120, 40);
    assert!(shown.contains("! FINALIZED"), "{shown}");
    assert!(
        shown.contains("12,5 €") && shown.contains("? unreadable"),
        "{shown}"
    );
    assert!(!shown.contains("PAID"), "{shown}");
    assert!(
        shown.contains("checking now"),
        "it may be readable later: {shown}"
    );
}

#[test]
fn forms_offer_only_accounts_that_can_do_it() {
    let mut setup = three_setup();
    let mut model = ready_with(setup.clone(), Vec::new());
    // The selection of another pane does not matter.
    press(&mut model, "1jj3", second(0));
    for keys in ["a", "L", "4e"] {
        let mut one = model.clone();
        press(&mut one, keys, second(0));
        let shown = screen(&one, second(0), 120, 40);
        assert!(
            !shown.contains("Account  "),
            "no field where one fits: {shown}"
        );
    }
    let effects = press(&mut model, "aA-1<enter>", second(0));
    assert_eq!(watch_effects(&effects)[0].account, shop());

    setup
        .accounts
        .push(account("outlet", Environment::Embedded));
    let mut model = ready_with(setup.clone(), Vec::new());
    press(&mut model, "aA-1<tab><tab><tab>", second(0));
    let shown = screen(&model, second(0), 120, 40);
    assert!(
        shown.contains("Account") && !shown.contains("Account      kinguin"),
        "{shown}"
    );
    let effects = press(&mut model, "<right><enter>", second(0));
    assert_eq!(watch_effects(&effects)[0].account.as_str(), "outlet");

    setup.accounts = vec![token_account("keys", Environment::Embedded)];
    let mut none = ready_with(setup, Vec::new());
    assert_eq!(press(&mut none, "a", second(0)), []);
    assert!(
        screen(&none, second(0), 120, 40)
            .contains("payments need an account that has them; this profile has none")
    );
}

#[test]
fn several_pasted_lines_are_all_watched_with_one_notice() {
    let mut model = underpaid();
    let text = "id;amount;currency\nLIVE-1;1;EMT\nB-2;25.00;EMT\nC-3\nD-4;1,5;EMT\n";
    let effects = update(&mut model, second(1), Msg::Paste(text.into()));
    let made = watch_effects(&effects);
    let ids: Vec<&str> = made.iter().map(|new| new.id.as_str()).collect();
    assert_eq!(ids, ["C-3", "B-2", "LIVE-1"]);
    assert!(made.iter().all(|new| new.by == ExpectedBy::List));
    assert_eq!(model.store.notices.len(), 1);
    let notice = &model.store.notices[0].text;
    for said in [
        "2 payments of kanga added",
        "1 already watched",
        "line 5",
        "comma",
    ] {
        assert!(notice.contains(said), "{notice}");
    }
    assert_eq!(
        verdict(&model, 2),
        Some(PaymentVerdict::Less),
        "not overwritten"
    );
    let new = made[2].clone();
    let result = Ok(model.store.payments[2].watch.expected.clone());
    update(&mut model, second(1), Msg::Watched(new, result));
    let notice = &model.store.notices.last().unwrap().text;
    assert!(
        notice.contains("the earlier expected amount stays in force") && notice.contains("LIVE-1"),
        "{notice}"
    );
    assert!(
        matches!(model.overlays.as_slice(), []),
        "a list asks nothing"
    );

    let mut two = ready_with(live_setup(), Vec::new());
    assert_eq!(
        update(&mut two, second(1), Msg::Paste("A-1\nB-2".into())),
        []
    );
    assert_snapshot!(
        "add_many_80x24",
        resized_screen(&mut two, second(1), 80, 24)
    );
    let effects = press(&mut two, "<right><enter>", second(1));
    assert!(
        watch_effects(&effects)
            .iter()
            .all(|new| new.account.as_str() == "outlet")
    );
}

/// 300 watched payments, 3 of them under-paid, among the oldest.
pub fn many() -> Model {
    let watches = (0..300_u64).map(|at| {
        let id = format!("SHOP-2026-11-28-{at:06}");
        let (sum, state) = match at {
            7 | 130 | 201 => ("2.50", "FINALIZED"),
            _ if at % 3 == 0 => ("25.00", "FINALIZED"),
            _ if at % 50 == 1 => ("25.00", "CANCELED"),
            _ => ("25.00", "ACTIVE"),
        };
        let since = START.plus(Duration::from_secs(at));
        let watch = Watch {
            since,
            ..watch(&id, Some("25.00"))
        };
        (watch, seen(&id, sum, &["NEW", state]))
    });
    ready(watches.collect())
}

#[test]
fn under_paid_orders_among_three_hundred_are_in_sight_without_a_key() {
    let mut model = many();
    for (width, height) in [(120, 40), (80, 24), (60, 15)] {
        let shown = resized_screen(&mut model, second(400), width, height);
        for end in ["000007", "000130", "000201"] {
            assert!(shown.contains(end), "{width}x{height} {end}: {shown}");
        }
        assert_snapshot!(format!("payments_many_{width}x{height}"), shown);
    }
    resized_screen(&mut model, second(400), 120, 40);
    press(&mut model, "G", second(400));
    let shown = screen(&model, second(400), 120, 40);
    assert!(shown.contains("of 300 · ! 3 above"), "{shown}");
}

#[test]
fn what_turns_out_to_be_wrong_comes_into_sight_until_a_row_is_chosen() {
    let watches = (0..300).map(|at| (watch(&format!("A-{at:03}"), Some("25.00")), Vec::new()));
    for keys in ["", "jk"] {
        let mut model = ready(watches.clone().collect());
        screen(&model, second(1), 120, 40);
        press(&mut model, keys, second(1));
        for id in ["A-005", "A-150"] {
            let account = model.store.payments[0].watch.account.clone();
            let payment = payment(id, "1.00", "FINALIZED");
            let reported = Msg::Checked(CheckedPayment {
                account,
                id: payment.id.clone(),
                result: Ok(payment),
                expected: None,
                here: true,
            });
            update(&mut model, second(2), reported);
        }
        let shown = resized_screen(&mut model, second(2), 120, 40);
        if keys.is_empty() {
            assert!(
                shown.contains("A-005") && shown.contains("A-150"),
                "{shown}"
            );
        } else {
            let selected = model.panes.payments.selected(&model.store).unwrap();
            assert_eq!(selected.watch.id.as_str(), "A-000", "{shown}");
        }
    }
}

#[test]
fn a_filter_narrows_by_id_state_verdict_or_account_and_stays_in_sight() {
    for (filter, shown) in [
        ("000007", 1),
        ("less", 3),
        ("finalized", 102),
        ("PAID", 99),
        ("open 00001", 7),
        ("kanga", 300),
        ("nothing like it", 0),
    ] {
        let mut model = many();
        press(&mut model, &format!("/{filter}<enter>"), second(1));
        assert_eq!(
            model.panes.payments.rows(&model.store).len(),
            shown,
            "{filter}"
        );
        let text = screen(&model, second(1), 120, 40);
        assert!(
            text.contains(&format!("{shown} of 300 payments match")),
            "{text}"
        );
    }
    let mut model = many();
    press(&mut model, "/less<enter>", second(1));
    assert_snapshot!(
        "payments_filter_80x24",
        resized_screen(&mut model, second(1), 80, 24)
    );
    press(&mut model, "<esc>", second(1));
    assert_eq!(model.panes.payments.rows(&model.store).len(), 300);
}

#[test]
fn an_id_that_no_payment_has_is_offered_to_be_watched_and_leaves_the_selection() {
    let mut model = many();
    press(&mut model, "jjjj", second(1));
    let selected = |model: &Model| {
        model
            .panes
            .payments
            .selected(&model.store)
            .map(Watched::key)
    };
    let before = selected(&model);
    press(&mut model, "/ORDER-9", second(1));
    let shown = screen(&model, second(1), 120, 40);
    assert!(
        shown.contains("Press Enter, then a to watch ORDER-9"),
        "{shown}"
    );
    press(&mut model, "<enter>a", second(1));
    let shown = screen(&model, second(1), 120, 40);
    assert!(
        shown.contains("Watch a payment") && shown.contains("ORDER-9"),
        "{shown}"
    );
    press(&mut model, "<esc>", second(1));
    assert_eq!(selected(&model), None);
    press(&mut model, "<esc>", second(1));
    assert_eq!(selected(&model), before);
}

#[test]
fn the_order_changes_and_the_selected_payment_stays_selected() {
    let mut model = many();
    press(&mut model, "jjjj", second(1));
    let selected = |model: &Model| model.panes.payments.selected(&model.store).unwrap().key();
    let before = selected(&model);
    for said in [
        "newest first",
        "latest change first",
        "by id",
        "by state",
        "by account",
        "by amount",
        "by expected amount",
        "latest response first",
        "next check first",
        "needs attention first",
    ] {
        press(&mut model, "s", second(1));
        assert!(screen(&model, second(1), 120, 40).contains(said), "{said}");
        assert_eq!(selected(&model), before);
    }
    press(&mut model, "sss", second(1));
    let first = model.panes.payments.rows(&model.store)[0];
    assert_eq!(
        model.store.payments[first].watch.id.as_str(),
        "SHOP-2026-11-28-000000"
    );
}

#[test]
fn what_is_done_to_marked_payments_is_done_to_all_of_them() {
    let mut model = many();
    press(&mut model, "   ", second(1));
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("3 marked"), "{shown}");
    assert!(
        shown.contains("1-8 of 300"),
        "the marked rows stay in sight: {shown}"
    );
    let effects = press(&mut model, "y", second(1));
    let [Effect::Copy { text, .. }] = &effects[..] else {
        panic!("{effects:?}");
    };
    let ids = "SHOP-2026-11-28-000201\nSHOP-2026-11-28-000130\nSHOP-2026-11-28-000007";
    assert_eq!(text.expose(), ids);
    let effects = press(&mut model, "c", second(1));
    assert_eq!(checks(&effects), [""; 0], "eight are under way");
    let due = model
        .store
        .payments
        .iter()
        .filter(|w| w.is_final() && w.due().is_some());
    assert_eq!(due.count(), 3, "they are checked as soon as there is room");
    let effects = press(&mut model, "d", second(1));
    let gone = effects.iter().filter(|it| matches!(it, Effect::Unwatch(_)));
    assert_eq!((gone.count(), model.store.payments.len()), (3, 297));
    press(&mut model, "u", second(2));
    assert_eq!(model.store.payments.len(), 300);
    assert_eq!(
        verdict(&model, 299 - 7),
        Some(PaymentVerdict::Less),
        "in its place"
    );
    press(&mut model, "  <esc>", second(2));
    let shown = screen(&model, second(2), 120, 40);
    assert!(!shown.contains("marked"), "{shown}");
}

#[test]
fn each_removal_can_be_undone_the_latest_first() {
    let mut model = many();
    let selected = |model: &Model| model.panes.payments.selected(&model.store).unwrap().key();
    let before: Vec<_> = model.store.payments.iter().map(Watched::key).collect();
    let first = selected(&model);
    press(&mut model, "d", second(1));
    let then = selected(&model);
    press(&mut model, "d  d", second(1));
    assert_eq!(model.store.payments.len(), 296);
    for left in [298, 299, 300] {
        press(&mut model, "u", second(2));
        assert_eq!(model.store.payments.len(), left);
    }
    let after: Vec<_> = model.store.payments.iter().map(Watched::key).collect();
    assert_eq!(after, before, "each is where it was");
    assert_eq!(selected(&model), first, "not {then:?}");
    press(&mut model, "u", second(2));
    let shown = screen(&model, second(2), 120, 40);
    assert!(shown.contains("nothing to undo"), "{shown}");
}

#[test]
fn ten_changes_of_the_list_are_undone_also_added_payments_and_expected_amounts() {
    let mut model = underpaid();
    let keys = |model: &Model| {
        model
            .store
            .payments
            .iter()
            .map(Watched::key)
            .collect::<Vec<_>>()
    };
    let before = keys(&model);
    for at in 0..9 {
        press(&mut model, &format!("aNEW-{at}<enter>"), second(1));
    }
    assert_eq!(model.store.payments.len(), before.len() + 9);
    let first = expected_of(&model);
    let new = NewWatch {
        account: AccountId::new("kanga").unwrap(),
        id: PaymentId::new("LIVE-1").unwrap(),
        expected: Some(Expected {
            amount: Amount::typed("7").unwrap(),
            currency: first.currency.clone(),
        }),
        by: ExpectedBy::Form,
    };
    let changed = new.expected.clone().unwrap();
    update(&mut model, second(2), Msg::Watched(new, Ok(None)));
    assert_eq!(expected_of(&model), changed);
    let effects = press(&mut model, "u", second(3));
    let [Effect::Expect { new, shown }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!((new.expected.as_ref(), shown), (Some(&first), &changed));
    let back = "back to the expected amount";
    let unsaved = screen(&model, second(3), 120, 40);
    assert!(!unsaved.contains(back), "{unsaved}");
    let new = new.clone();
    update(&mut model, second(3), Msg::Watched(new, Ok(None)));
    let saved = screen(&model, second(3), 120, 40);
    assert!(saved.contains(back), "{saved}");
    assert_eq!(expected_of(&model), first);
    for left in (0..9).rev() {
        press(&mut model, "u", second(4));
        assert_eq!(model.store.payments.len(), before.len() + left);
    }
    assert_eq!(keys(&model), before);
    press(&mut model, "u", second(4));
    let shown = screen(&model, second(4), 120, 40);
    assert!(shown.contains("nothing to undo"), "{shown}");
}

#[test]
fn undo_of_a_first_expected_amount_does_not_remove_the_payment() {
    for (is_stored, left) in [(true, 1), (false, 0)] {
        let mut model = ready(Vec::new());
        press(&mut model, "aNEW-1<enter>", second(1));
        model.store.payments[0].is_stored = is_stored;
        let new = new_watch("NEW-1", Some("7"));
        update(&mut model, second(2), Msg::Watched(new, Ok(None)));
        press(&mut model, "u", second(3));
        assert_eq!(model.store.payments.len(), left);
        let flash = model.store.flash.clone().unwrap().text;
        let says = flash == "NEW-1 keeps its expected amount; e changes it";
        assert_eq!(says, is_stored, "{flash}");
    }
}

/// What is expected of the under-paid order.
fn expected_of(model: &Model) -> Expected {
    let mut all = model.store.payments.iter();
    let watched = all.find(|watched| watched.watch.id.as_str() == "LIVE-1");
    watched.unwrap().watch.expected.clone().unwrap().sum
}

#[test]
fn a_mark_that_is_out_of_date_is_set_again_by_one_key() {
    let mut model = underpaid();
    let mark = handled("payment kanga LIVE-1 less", WallTime(0));
    model.store.set_handled(vec![mark]);
    assert_eq!(alerts::count(&model.store), 1, "it changed since");
    let effects = press(&mut model, "!m", second(1));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::MarkHandled { handled: true, .. })),
        "{effects:?}"
    );
    assert_eq!(alerts::count(&model.store), 1, "not before it is saved");
    save_mark(&mut model, second(1));
    assert_eq!(alerts::count(&model.store), 0);
}

/// The ledger has the mark of the under-paid order.
fn save_mark(model: &mut Model, now: Now) {
    let mark = handled("payment kanga LIVE-1 less", now.wall);
    model.store.set_handled(vec![mark]);
}

#[test]
fn undo_takes_back_a_payment_that_was_put_on_the_list_again_before_its_removal() {
    let mut model = underpaid();
    let expected = expected_of(&model);
    press(&mut model, "d", second(1));
    press(&mut model, "aLIVE-1<enter>", second(1));
    press(&mut model, "u", second(2));
    assert_eq!(model.store.payments, []);
    press(&mut model, "u", second(2));
    assert_eq!(expected_of(&model), expected);
    assert_eq!(model.store.payments.len(), 1);
}

#[test]
fn marks_that_the_filter_hides_do_not_give_way_to_the_selected_payment() {
    let mut model = many();
    press(&mut model, "  /open<enter>", second(1));
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("0 of 2 marked"), "{shown}");
    for key in ["d", "c", "y"] {
        let effects = press(&mut model, key, second(1));
        assert_eq!(effects, [], "{key}");
        let shown = screen(&model, second(1), 120, 40);
        assert!(
            shown.contains("the filter hides all marked payments"),
            "{shown}"
        );
    }
    assert_eq!(model.store.payments.len(), 300);
}

#[test]
fn a_final_payment_that_is_checked_again_says_so_and_is_as_it_was() {
    let problem = Problem::new(ProblemKind::Failing, "no answer came", "wait");
    let finalized = payment("A-17", "25.00", "FINALIZED");
    for (result, said) in [
        (Err(problem), "cannot check A-17 again: no answer came"),
        (Ok(finalized), "checked A-17 again: still FINALIZED"),
    ] {
        let mut model = ready(vec![(
            watch("A-17", Some("25.00")),
            seen("A-17", "25.00", &["ACTIVE", "FINALIZED"]),
        )]);
        let effects = press(&mut model, "c", second(1));
        let [Effect::Query { request, .. }] = effects[..] else {
            panic!("{effects:?}");
        };
        let result = Answer::Payment(result);
        update(&mut model, second(2), Msg::Answered(request, result));
        let shown = screen(&model, second(2), 120, 40);
        assert!(shown.contains(said), "{shown}");
        assert_eq!(alerts::count(&model.store), 0);
        let checked = &model.store.payments[0];
        assert!(checked.due().is_none() && checked.asking.is_none());
        assert_eq!(verdict(&model, 0), Some(PaymentVerdict::Paid));
    }
}

#[test]
fn a_payment_awaits_payment_only_where_the_provider_does_not_know_it() {
    use ProblemKind::{Failing, NotFound};
    for (kinds, state, mark) in [
        (&[NotFound][..], "not opened", "awaiting payment"),
        (&[Failing], "unknown", ""),
        // A failure takes back no answer.
        (&[NotFound, Failing], "not opened", "old: 1m"),
        (&[Failing, NotFound], "not opened", "awaiting payment"),
    ] {
        let mut model = ready(vec![(watch("A-17", Some("25.00")), Vec::new())]);
        let mut now = second(2);
        for kind in kinds {
            let asking = model.store.payments[0].asking;
            let request = asking.expect("it is checked once it is due");
            let result = Answer::Payment(Err(Problem::new(*kind, "", "")));
            update(&mut model, now, Msg::Answered(request, result));
            now = now.plus(Duration::from_secs(40));
            update(&mut model, now, Msg::Woke);
        }
        let [watched] = &model.store.payments[..] else {
            panic!("one payment");
        };
        let round = model.store.round_of_checks();
        let found = (watched.badge().1, watched.mark(now, round).1);
        assert_eq!(found, (state.to_owned(), mark.to_owned()));
    }
}

#[test]
fn orders_pasted_into_the_form_that_types_one_are_all_watched() {
    let mut model = ready(Vec::new());
    press(&mut model, "a", second(1));
    update(
        &mut model,
        second(1),
        Msg::Paste("A-1;25;EMT\rA-2;1;BTC\r".into()),
    );
    assert!(matches!(model.overlays.as_slice(), []));
    assert_eq!(model.store.payments.len(), 2);
    press(&mut model, "a", second(1));
    update(&mut model, second(1), Msg::Paste("A-3".into()));
    assert!(
        is_top::<overlays::add_watch::State>(&model),
        "one id alone is typed into it"
    );
    press(&mut model, "<tab>", second(1));
    update(&mut model, second(1), Msg::Paste("1,250,000".into()));
    assert!(
        is_top::<overlays::add_watch::State>(&model),
        "an amount is no list"
    );
    assert_eq!(model.store.payments.len(), 2);
}

#[test]
fn clearing_removes_what_is_settled_and_nothing_that_needs_attention() {
    let mut model = many();
    press(&mut model, "x", second(1));
    let left: Vec<_> = (0..model.store.payments.len())
        .map(|at| verdict(&model, at).unwrap())
        .collect();
    assert!(!left.contains(&PaymentVerdict::Paid) && !left.contains(&PaymentVerdict::Cancelled));
    assert_eq!(
        left.iter().filter(|v| **v == PaymentVerdict::Less).count(),
        3
    );
    // Handled payments count as settled.
    let effects = press(&mut model, "!m<esc>", second(2));
    let Some(Effect::MarkHandled { alert, .. }) = effects.first() else {
        panic!("{effects:?}");
    };
    model
        .store
        .set_handled(vec![handled(alert, second(500).wall)]);
    press(&mut model, "x", second(2));
    let under = model.store.payments.iter().filter(|w| w.needs_attention());
    assert_eq!(under.count(), 2);
}

#[test]
fn an_alert_leads_to_its_payment_and_is_handled_once() {
    let mut model = underpaid();
    let request = model.store.payments[0].asking;
    assert_eq!(request, None, "it is final");
    // The notice is about the same problem.
    let about = model.store.payments[0].about();
    let notice = msg::Notice {
        level: msg::Level::Error,
        about,
        text: "LIVE-1: less than expected".into(),
    };
    model.store.notice(notice, second(0));
    assert_eq!(alerts::count(&model.store), 1, "one cause counts once");
    assert!(screen(&model, second(0), 120, 40).contains("! 1 alert"));

    press(&mut model, "1!", second(1));
    for (width, height) in [(120, 40), (60, 15)] {
        let text = resized_screen(&mut model, second(1), width, height);
        assert_snapshot!(format!("alerts_{width}x{height}"), text);
    }
    let mut there = model.clone();
    press(&mut there, "<enter>", second(1));
    assert_eq!(there.focus, Pane::Payments);
    assert_eq!(
        there
            .panes
            .payments
            .selected(&there.store)
            .unwrap()
            .watch
            .id,
        id("LIVE-1")
    );

    let effects = press(&mut model, "m", second(2));
    let alert = "payment kanga LIVE-1 less".to_owned();
    assert_eq!(
        effects,
        [Effect::MarkHandled {
            alert,
            handled: true,
            since: Some(second(0).wall),
        }]
    );
    save_mark(&mut model, second(2));
    assert_eq!(alerts::count(&model.store), 0);
    let shown = resized_screen(&mut model, second(2), 120, 40);
    assert!(shown.contains("handled just now"), "{shown}");
    let effects = press(&mut model, "m<esc>", second(3));
    assert!(
        matches!(&effects[..], [Effect::MarkHandled { handled: false, .. }]),
        "the mark can be taken away: {effects:?}"
    );
    let raised = Expectation {
        sum: emt("500"),
        by: ExpectedBy::Command,
        at: second(9).wall,
        operator: String::new(),
    };
    model.store.payments[0].watch.expected = Some(raised);
    assert_eq!(
        alerts::count(&model.store),
        1,
        "less than another amount is another alert"
    );
    let mut none = ready(Vec::new());
    press(&mut none, "!", second(0));
    assert!(screen(&none, second(0), 80, 24).contains("Nothing needs attention."));
}

#[test]
fn a_payment_that_is_no_longer_watched_is_no_alert_and_its_notice_is_gone() {
    type Removal = fn(&mut Model);
    let removals: [(&str, Removal); 3] = [
        ("here", |model| drop(press(model, "d", second(2)))),
        ("elsewhere", |model| {
            let (list, seen) = (Watchlist::default(), Vec::new());
            update(model, second(2), Msg::Watchlist { list, seen });
        }),
        ("its account", |model| {
            model.store.forget(&shop(), &mut Vec::new());
        }),
    ];
    for (what, remove) in removals {
        let mut model = underpaid();
        let about = model.store.payments[0].about();
        let less = |about: &str| msg::Notice {
            level: msg::Level::Error,
            about: about.to_owned(),
            text: "less than expected".into(),
        };
        model.store.notice(less(&about), second(0));
        model.store.notice(less("disk"), second(0));
        remove(&mut model);
        let left = model.store.notices.iter().map(|it| it.about.as_str());
        assert_eq!(left.collect::<Vec<_>>(), ["disk"], "removed {what}");
        // A check that was under way when it was removed may still report it.
        model.store.notice(less(&about), second(2));
        assert_eq!(alerts::count(&model.store), 1, "removed {what}");
    }
}

#[test]
fn the_notice_that_repeats_an_alert_goes_when_it_is_handled() {
    let down = ListenerStatus::Down {
        address: "127.0.0.1:8787".into(),
        why: "in use".into(),
        since: second(0).wall,
    };
    let about = "payment kanga LIVE-1";
    for (subject, msg, others) in [
        (about, None, "payment kanga LIVE"),
        ("listener", Some(Msg::ListenerStatus(down)), about),
    ] {
        let mut model = msg.as_ref().map_or_else(underpaid, |_| ready(Vec::new()));
        for about in [subject, others] {
            let (level, text) = (msg::Level::Error, "wrong".to_owned());
            let about = about.to_owned();
            model
                .store
                .notice(msg::Notice { level, about, text }, second(0));
        }
        msg.map(|msg| update(&mut model, second(0), msg));
        press(&mut model, "!m", second(1));
        let left = model.store.notices.iter().map(|it| it.about.as_str());
        assert_eq!(left.collect::<Vec<_>>(), [others]);
    }
}

#[test]
fn the_operators_check_takes_the_place_of_one_by_the_console_that_waits_and_of_no_other() {
    for open in ["", " ", "t"] {
        let mut model = ready(vec![(watch("A-17", None), Vec::new())]);
        press(&mut model, open, second(1));
        let first = model.store.payments[0].asking.unwrap();
        let waits = |model: &mut Model, request| {
            let waiting = Waiting {
                left: None,
                account: shop(),
                method: "POST".into(),
                path: "/api/v2/tpg/transaction".into(),
                about: "A-17".into(),
                why: "rate limit reached".into(),
                until: Some(second(40).mono),
            };
            update(model, second(1), Msg::Waiting(request, Some(waiting)));
        };
        let refused = |model: &mut Model| {
            assert_eq!(press(model, "c", second(1)), [], "{open:?}");
            let text = model.store.flash.clone().unwrap().text;
            assert!(text.ends_with(": a check is in progress"), "{text}");
        };
        refused(&mut model);
        waits(&mut model, first);
        let effects = press(&mut model, "c", second(1));
        let [
            Effect::Cancel(cancelled),
            Effect::Query {
                request,
                background: false,
                ..
            },
        ] = effects[..]
        else {
            panic!("{open:?}: {effects:?}");
        };
        assert_eq!(cancelled, first);
        assert_eq!(model.store.payments[0].asking, Some(request));
        waits(&mut model, request);
        refused(&mut model);
    }
}

#[test]
fn a_key_in_the_list_of_alerts_is_about_the_alert_that_was_selected() {
    let mut model = many();
    press(&mut model, "!j", second(400));
    let selected = |model: &Model| {
        let alerts = top::<overlays::alerts::State>(model).unwrap();
        alerts.chosen(&model.store).unwrap().key
    };
    let second_one = selected(&model);
    press(&mut model, "m", second(400));
    assert_eq!(
        selected(&model),
        second_one,
        "it moved to the end, and is selected there"
    );
    press(&mut model, "m", second(401));
    assert_eq!(
        alerts::count(&model.store),
        3,
        "the same mark was taken away"
    );
    // A payment that arrives above changes nothing.
    let key = model.store.payments[5].key();
    let request = model.store.payments[5].asking;
    assert_eq!(request, None);
    model.store.payments[5].watch.expected = Some(Expectation {
        sum: emt("900"),
        by: ExpectedBy::Form,
        at: START,
        operator: String::new(),
    });
    assert!(alerts::count(&model.store) > 3, "{key:?}");
    assert_eq!(selected(&model), second_one);
}

#[test]
fn a_click_on_the_counter_lists_the_alerts() {
    use ratatui::crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut model = underpaid();
    let click = |column| {
        Msg::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column,
            row: 0,
            modifiers: KeyModifiers::NONE,
        })
    };
    update(&mut model, second(0), click(20));
    assert!(matches!(model.overlays.as_slice(), []));
    update(&mut model, second(0), click(112));
    assert!(is_top::<overlays::alerts::State>(&model));
}

#[test]
fn payments_that_cannot_be_checked_are_one_alert() {
    let names = ["A-1", "A-2", "A-3"];
    let mut model = ready(names.map(|id| (watch(id, None), Vec::new())).to_vec());
    let asked: Vec<RequestId> = (0..3)
        .map(|at| model.store.payments[at].asking.unwrap())
        .collect();
    for request in asked {
        let problem = Problem::new(ProblemKind::Failing, "it answers 429", "wait");
        let result = Answer::Payment(Err(problem));
        update(&mut model, second(1), Msg::Answered(request, result));
    }
    let alerts = alerts::all(&model.store);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(
        alerts[0].what,
        "3 payments cannot be checked · it answers 429. Wait"
    );
}

#[test]
fn a_change_by_another_process_is_taken_over() {
    let mut model = underpaid();
    let listed = |watches: Vec<Watch>| Msg::Watchlist {
        list: Watchlist {
            watches,
            handled: vec![handled("payment kanga LIVE-1 less", second(9).wall)],
        },
        seen: vec![((shop(), id("NEW-2")), seen("NEW-2", "5", &["FINALIZED"]))],
    };
    let both = || vec![watch("LIVE-1", Some("1")), watch("NEW-2", Some("5"))];
    update(&mut model, second(1), listed(both()));
    assert_eq!(
        verdict(&model, 1),
        Some(PaymentVerdict::Paid),
        "a new expectation"
    );
    assert_eq!(
        verdict(&model, 0),
        Some(PaymentVerdict::Paid),
        "a new payment"
    );
    update(
        &mut model,
        second(2),
        listed(vec![watch("NEW-2", Some("5"))]),
    );
    assert_eq!(model.store.payments.len(), 1, "another process removed it");

    // A payment that is being added or removed is not undone by an older list.
    press(&mut model, "aMINE-3<enter>", second(3));
    update(&mut model, second(3), listed(both()));
    let ids = |model: &Model| -> Vec<String> {
        let all = model.store.payments.iter();
        all.map(|watched| watched.watch.id.to_string()).collect()
    };
    assert_eq!(ids(&model), ["LIVE-1", "MINE-3", "NEW-2"]);
    press(&mut model, "d", second(4));
    update(&mut model, second(4), listed(both()));
    assert_eq!(ids(&model), ["LIVE-1", "NEW-2"]);
    // Once the removal is saved, only the stored list counts: another process may add the payment again.
    let mine = (shop(), id("MINE-3"));
    update(&mut model, second(5), Msg::Unwatched(mine));
    let again = [both(), vec![watch("MINE-3", None)]].concat();
    update(&mut model, second(5), listed(again));
    assert_eq!(ids(&model).len(), 3);
}

#[test]
fn an_expected_amount_is_set_and_shown_with_its_origin() {
    let mut model = ready(vec![(
        watch("A-17", None),
        seen("A-17", "25.00", &["FINALIZED"]),
    )]);
    assert_eq!(verdict(&model, 0), Some(PaymentVerdict::NotCompared));
    let shown = screen(&model, second(0), 120, 40);
    assert!(
        shown.contains("no expected amount: compare with the order"),
        "{shown}"
    );
    assert_eq!(alerts::count(&model.store), 0);
    press(&mut model, "e30<tab>EMT", second(1));
    assert_snapshot!(
        "expect_form_80x24",
        resized_screen(&mut model, second(1), 80, 24)
    );
    let effects = press(&mut model, "<enter>", second(1));
    let new = watch_effects(&effects).remove(0);
    let result = Ok(None);
    update(&mut model, second(1), Msg::Watched(new, result));
    assert_eq!(verdict(&model, 0), Some(PaymentVerdict::Less));
    let shown = resized_screen(&mut model, second(1), 120, 40);
    for said in [
        "expected 30 EMT, received 25.00 EMT",
        "difference -5.00 EMT",
        "set in the console, just now",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
}

#[test]
fn a_long_list_leaves_most_of_the_rate_limit_to_others() {
    let watches = (0..300).map(|at| (watch(&format!("P-{at}"), None), Vec::new()));
    let mut model = sized(sandbox_setup(), 120, 40);
    let mut readiness = readiness(watches.collect(), Vec::new());
    readiness.verify = Vec::new();
    let mut asked = checks(&update(&mut model, second(0), Msg::Ready(readiness))).len();
    let mut now = second(0);
    while now.mono < Duration::from_mins(1) {
        let running = model.store.payments.iter();
        let running: Vec<_> = running.filter_map(|watched| watched.asking).collect();
        for request in running {
            let problem = Problem::new(ProblemKind::NotFound, "not known (9001)", "");
            let result = Answer::Payment(Err(problem));
            asked += checks(&update(&mut model, now, Msg::Answered(request, result))).len();
        }
        now = now.plus(Duration::from_millis(200));
        asked += checks(&update(&mut model, now, Msg::Woke)).len();
    }
    assert!((300..=330).contains(&asked), "{asked} in a minute, of 600");

    // What is marked and checked goes first, at once.
    press(&mut model, "gg", now);
    let marks = " j".repeat(40);
    press(&mut model, &marks, now);
    let mut checked = checks(&press(&mut model, "c", now)).len();
    for _ in 0..40 {
        let running = model.store.payments.iter();
        let running: Vec<_> = running.filter_map(|watched| watched.asking).collect();
        for request in running {
            let problem = Problem::new(ProblemKind::NotFound, "not known (9001)", "");
            let result = Answer::Payment(Err(problem));
            checked += checks(&update(&mut model, now, Msg::Answered(request, result))).len();
        }
    }
    assert!(checked >= 32, "{checked}: eight may run already");
}

#[test]
fn first_checks_of_a_long_list_and_open_payments_take_turns() {
    let open = (0..3).map(|at| {
        let id = format!("OPEN-{at}");
        (watch(&id, None), seen(&id, "1", &["ACTIVE"]))
    });
    let listed = (0..400).map(|at| (watch(&format!("P-{at}"), None), Vec::new()));
    let mut model = sized(sandbox_setup(), 120, 40);
    let mut readiness = readiness(open.chain(listed).collect(), Vec::new());
    readiness.verify = Vec::new();
    update(&mut model, second(1), Msg::Ready(readiness));
    assert!(screen(&model, second(1), 160, 48).contains("400 not checked yet"));
    let mut checked = std::collections::BTreeMap::new();
    let mut now = second(1);
    while now.mono < Duration::from_mins(1) {
        let under_way = model.store.payments.iter();
        let asked = under_way.filter_map(|w| Some((w.asking?, w.watch.id.to_string())));
        for (request, id) in asked.collect::<Vec<_>>() {
            *checked.entry(id.clone()).or_insert(0) += 1;
            let problem = Problem::new(ProblemKind::NotFound, "not known (9001)", "");
            let result = if id.starts_with("OPEN") {
                Ok(payment(&id, "1", "ACTIVE"))
            } else {
                Err(problem)
            };
            update(
                &mut model,
                now,
                Msg::Answered(request, Answer::Payment(result)),
            );
        }
        now = now.plus(Duration::from_millis(200));
        update(&mut model, now, Msg::Woke);
    }
    for at in 0..3 {
        let times = checked[&format!("OPEN-{at}")];
        assert!(
            times >= 4,
            "OPEN-{at} was checked {times} times in a minute"
        );
    }
    assert!(checked.len() > 250, "{} were checked", checked.len());
}

#[test]
fn a_long_list_is_checked_a_few_at_a_time() {
    let watches = (0..100).map(|at| (watch(&format!("P-{at}"), None), Vec::new()));
    let mut model = sized(sandbox_setup(), 120, 40);
    let mut readiness = readiness(watches.collect(), Vec::new());
    readiness.verify = Vec::new();
    let effects = update(&mut model, second(0), Msg::Ready(readiness));
    assert_eq!(checks(&effects).len(), 8);
    let effects = press(&mut model, "Gc", second(0));
    assert_eq!(
        checks(&effects),
        ["P-99"],
        "what is asked for waits for no poll"
    );
    let request = model
        .store
        .payments
        .iter()
        .find_map(|watched| watched.asking)
        .unwrap();
    let problem = Problem::new(ProblemKind::NotFound, "not known (9001)", "");
    let result = Answer::Payment(Err(problem));
    let effects = update(&mut model, second(1), Msg::Answered(request, result));
    assert_eq!(checks(&effects).len(), 0, "nine were under way");
    // The longest wait goes first: every payment has its turn before one has a second.
    let mut checked = std::collections::BTreeMap::new();
    let mut now = second(2);
    for _ in 0..400 {
        let under_way = model.store.payments.iter();
        let asked = under_way.filter_map(|w| Some((w.asking?, w.watch.id.to_string())));
        for (request, id) in asked.collect::<Vec<_>>() {
            *checked.entry(id.clone()).or_insert(0) += 1;
            let result = Answer::Payment(Ok(payment(&id, "1", "ACTIVE")));
            update(&mut model, now, Msg::Answered(request, result));
        }
        now = now.plus(Duration::from_millis(500));
        update(&mut model, now, Msg::Woke);
    }
    let (least, most) = (checked.values().min(), checked.values().max());
    assert_eq!(checked.len(), 100);
    assert!(most.unwrap() - least.unwrap() <= 2, "{checked:?}");
}

#[test]
fn a_note_is_saved_listed_searched_and_on_the_receipt() {
    let mut model = underpaid();
    let now = second(1);
    press(&mut model, "3N", now);
    assert!(screen(&model, now, 120, 40).contains("Note on LIVE-1"));
    assert_eq!(press(&mut model, "<enter>", now), [], "it needs a text");
    assert!(screen(&model, now, 120, 40).contains("the note is empty"));
    update(&mut model, now, Msg::Paste("👨\u{200d}👧".into()));
    press(&mut model, "<enter>", now);
    let shown = screen(&model, now, 120, 40);
    assert!(
        shown.contains("a character that cannot be shown, at position 2"),
        "{shown}"
    );
    press(&mut model, "<esc>N", now);
    update(&mut model, now, Msg::Paste("❤\u{fe0f}".into()));
    let text = "❤ asked for the rest".to_owned();
    let saved = Effect::Note((shop(), id("LIVE-1")), text);
    assert_eq!(
        press(&mut model, " asked for the rest<enter>", now),
        [saved]
    );
    // The ledger's list has it, with who wrote it.
    let noted = Watch {
        note: Some(note("asked for the rest", now.wall)),
        ..watch("LIVE-1", Some("250"))
    };
    let list = Watchlist {
        watches: vec![noted],
        handled: vec![handled("payment kanga LIVE-1 less", second(9).wall)],
    };
    let seen = Vec::new();
    update(&mut model, now, Msg::Watchlist { list, seen });
    let shown = screen(&model, now, 120, 40);
    assert!(shown.contains("note: asked for the rest (ben)"), "{shown}");
    let row = shown.lines().find(|line| line.contains(" ¶ "));
    assert!(row.is_some(), "the row has a sign\n{shown}");
    assert!(shown.contains("by anna"), "{shown}");
    for (filter, found) in [("rest", true), ("ship", false)] {
        press(&mut model, &format!("/{filter}<enter>"), now);
        let shown = screen(&model, now, 120, 40);
        assert_eq!(shown.contains("LIVE-1"), found, "{filter}: {shown}");
        press(&mut model, "<esc>", now);
    }
    let effects = press(&mut model, "Y", now);
    let [Effect::Copy { text, what }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!(what, "the receipt");
    assert_snapshot!("receipt", text.expose());
}

/// What other programs have saved.
fn shared(exchanges: Vec<Arc<Exchange>>, observations: Vec<Observation>) -> Msg {
    Msg::Shared {
        exchanges,
        failed_hooks: Vec::new(),
        observations: observations
            .into_iter()
            .map(|seen| (shop(), seen))
            .collect(),
    }
}

#[test]
fn a_state_that_a_colleague_has_seen_is_shown_at_once_and_older_ones_join_the_history() {
    let open = (watch("A-1", Some("250")), Vec::new());
    let mut model = ready(vec![open]);
    let all = seen("A-1", "250", &["NEW", "ACTIVE", "FINALIZED"]);
    update(
        &mut model,
        second(1),
        shared(Vec::new(), vec![all[1].clone()]),
    );
    assert_eq!(verdict(&model, 0), Some(PaymentVerdict::Open));
    for observations in [vec![all[2].clone()], vec![all[0].clone(), all[2].clone()]] {
        update(&mut model, second(2), shared(Vec::new(), observations));
        assert_eq!(verdict(&model, 0), Some(PaymentVerdict::Paid));
    }
    assert_eq!(model.store.payments[0].seen(), all);
    assert_eq!(model.store.payments[0].due(), None, "final");
    // Of a payment that is not watched here, nothing is shown.
    let other = seen("B-1", "250", &["NEW"]);
    update(&mut model, second(3), shared(Vec::new(), other));
    assert_eq!(model.store.payments.len(), 1);
}

#[test]
fn of_a_team_one_console_checks_a_payment() {
    let check = |id, at| {
        let mut one = (*exchange(id, "/api/v2/tpg/transaction", Outcome::Status(200))).clone();
        one.about = "A-1".into();
        one.at = second(at).wall;
        Arc::new(one)
    };
    let waits = |model: &Model, at: u64| {
        let due = model.store.payments[0].due().unwrap();
        due.saturating_sub(second(at).mono)
    };
    let opened = || {
        let open = (watch("A-1", None), seen("A-1", "250", &["ACTIVE"]));
        let mut model = ready(vec![open]);
        let request = model.store.payments[0]
            .asking
            .expect("it is checked at once");
        update(&mut model, second(10), Msg::Exchange(check(7, 10)));
        let answered = Answer::Payment(Ok(payment("A-1", "250", "ACTIVE")));
        answer(&mut model, second(10), request, answered);
        model
    };
    let mut model = opened();
    let alone = waits(&model, 10);
    // Both have checked it at the same time: the first goes on, the second steps back.
    update(
        &mut model,
        second(10),
        shared(vec![check(8, 10)], Vec::new()),
    );
    assert_eq!(waits(&model, 10), alone, "this one was first");
    update(
        &mut model,
        second(10),
        shared(vec![check(7, 10)], Vec::new()),
    );
    assert_eq!(waits(&model, 10), alone, "its own");
    let mut model = opened();
    update(
        &mut model,
        second(10),
        shared(vec![check(6, 9)], Vec::new()),
    );
    assert!(waits(&model, 10) > alone + Duration::from_secs(1));
    // From then on the other one checks.
    update(
        &mut model,
        second(17),
        shared(vec![check(12, 17)], Vec::new()),
    );
    assert!(waits(&model, 17) > alone);
    // A check that failed elsewhere says nothing.
    let before = waits(&model, 17);
    let mut failed = (*check(13, 17)).clone();
    failed.outcome = Outcome::Status(503);
    update(
        &mut model,
        second(17),
        shared(vec![failed.into()], Vec::new()),
    );
    assert_eq!(waits(&model, 17), before);
    // Its own failed one is over once another has succeeded.
    let key = (shop(), PaymentId::new("A-1").unwrap());
    let watched = model.store.payment_mut(&key.0, &key.1).unwrap();
    let failing = Problem::new(ProblemKind::Failing, "failing", "");
    let _ = watched.apply(Err(failing), second(18));
    assert!(screen(&model, second(18), 120, 40).contains("check failed"));
    let succeeded = shared(vec![check(14, 19)], Vec::new());
    update(&mut model, second(19), succeeded);
    assert!(!screen(&model, second(19), 120, 40).contains("check failed"));
    // A check of its own that is not sent yet is not needed any more.
    let open = (watch("A-1", None), seen("A-1", "250", &["ACTIVE"]));
    let mut model = ready(vec![open]);
    let request = model.store.payments[0].asking.unwrap();
    let check = shared(vec![check(6, 9)], Vec::new());
    let waiting = crate::domain::Waiting {
        left: None,
        account: shop(),
        method: "POST".into(),
        path: "/api/v2/tpg/transaction".into(),
        about: String::new(),
        why: "another request of this key".into(),
        until: None,
    };
    assert_eq!(update(&mut model, second(9), check.clone()), []);
    update(&mut model, second(9), Msg::Waiting(request, Some(waiting)));
    let cancelled = update(&mut model, second(9), check);
    assert_eq!(cancelled, [Effect::Cancel(request)]);
    assert!(waits(&model, 9) > Duration::from_secs(1));
}

#[test]
fn consoles_of_a_team_begin_with_different_payments() {
    let firsts = [0, 0x9123_4567_1111_3333].map(|seed| {
        let watches = (0..100).map(|at| (watch(&format!("P-{at}"), None), Vec::new()));
        let ready = readiness(watches.collect(), Vec::new());
        let mut model = sized(sandbox_setup(), 120, 40);
        let effects = update(
            &mut model,
            second(0),
            Msg::Ready(msg::Ready { seed, ..ready }),
        );
        let ids: Vec<String> = checks(&effects).into_iter().map(str::to_owned).collect();
        ids
    });
    assert_eq!(firsts[0].len(), 8);
    assert!(
        !firsts[0].iter().any(|id| firsts[1].contains(id)),
        "{firsts:?}"
    );
}

#[test]
fn no_filter_opens_without_payments_and_a_typed_one_is_drawn_when_the_last_one_goes() {
    let mut model = sized(sandbox_setup(), 120, 40);
    let ready = readiness(vec![(watch("A-1", None), Vec::new())], Vec::new());
    update(&mut model, second(0), Msg::Ready(ready));
    press(&mut model, "/A-", second(1));
    model.store.payments.clear();
    let shown = screen(&model, second(1), 120, 40);
    assert!(shown.contains("filter / A-"), "{shown}");
    press(&mut model, "<esc>/", second(1));
    assert_eq!(model.scope().title, "Payments");
    let flash = model.store.flash.clone().unwrap().text;
    assert!(flash.starts_with("cannot filter"), "{flash}");
}

#[test]
fn an_amount_that_is_deleted_again_leaves_no_error() {
    let mut model = busy();
    let submitted = press(&mut model, "aNEW-1<tab>25<enter>", second(1));
    assert_eq!(submitted, [], "the currency is missing");
    press(&mut model, "<up>", second(1));
    let submitted = press(&mut model, "<backspace><backspace><enter>", second(1));
    assert!(
        matches!(&submitted[..], [Effect::Watch(new), ..] if new.expected.is_none()),
        "{submitted:?}"
    );
}
