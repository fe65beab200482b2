//! Players and inventories: whole screens, and keys and events in, effects out.

use ratatui::crossterm::event::{KeyEvent, KeyModifiers, MouseEvent};

use super::receiving::{SIZES, press};
use super::*;
use crate::domain::catalogue::{Param, ParamLocation};
use crate::domain::{LoadedInventory, PlayerClaim, Secret};

fn game() -> AccountId {
    AccountId::new("mygame").unwrap()
}

const fn needed(name: &'static str, example: &'static str) -> Param {
    Param {
        name,
        place: ParamLocation::Query,
        required: true,
        about: "",
        example,
        paging: None,
    }
}

/// The documented call that authenticates, with the sandbox's player as its example.
const CALLS: &[DocumentedCall] = &[DocumentedCall {
    method: "GET",
    path: "/authenticate.json",
    params: &[
        needed("user_id", "1001"),
        needed("game_auth_token", "SANDBOX-TOKEN-1001-1"),
    ],
    body: None,
    writes: false,
    about: "is a player who they claim to be?",
    follow_ups: &[],
}];

/// A profile with one game; the Players pane has the focus.
fn playing() -> Model {
    let mut setup = sandbox_setup();
    setup.accounts.push(Account {
        provider: ProviderId("kongregate"),
        provider_title: "Kongregate",
        abilities: &[Ability::Players],
        ..account("mygame", Environment::Embedded)
    });
    setup.catalogues.push((ProviderId("kongregate"), CALLS));
    let mut model = sized(setup, 120, 40);
    let mut ready = readiness(Vec::new(), Vec::new());
    ready.verify = Vec::new();
    update(&mut model, second(0), Msg::Ready(ready));
    press(&mut model, "8", second(0));
    model
}

fn item(number: u64, name: &str, remaining_uses: Option<u64>) -> Item {
    Item {
        id: number,
        identifier: name.to_lowercase(),
        name: name.into(),
        description: format!("a {name}"),
        remaining_uses,
        data: number.is_multiple_of(2).then(|| r#"{"level":3}"#.into()),
    }
}

fn inventory(items: Vec<Item>) -> Inventory {
    Inventory {
        player: PlayerId(765),
        items,
    }
}

fn asked_of(effects: &[Effect]) -> (RequestId, Op) {
    match effects {
        [Effect::Query { request, op, .. }] => (*request, op.clone()),
        other => panic!("{other:?}"),
    }
}

/// One player, authenticated, with two items.
pub fn authenticated() -> Model {
    let mut model = playing();
    let now = second(1);
    let effects = press(&mut model, "a765<tab>planted-game-token<enter>", now);
    let (request, op) = asked_of(&effects);
    let Op::AuthenticatePlayer(PlayerToken { player, token }) = op else {
        panic!("{op:?}");
    };
    assert_eq!(
        (player, token.expose()),
        (PlayerId(765), "planted-game-token")
    );
    let player = Player {
        id: PlayerId(765),
        username: "Oberon\u{202e}".into(),
    };
    let effects = answer(&mut model, now, request, Answer::Player(Ok(player)));
    let (request, op) = asked_of(&effects);
    assert_eq!(op, Op::PlayerItems(PlayerId(765)));
    let items = vec![item(2001, "Sword", None), item(2002, "Potion", Some(3))];
    answer(
        &mut model,
        now,
        request,
        Answer::Inventory(Ok(inventory(items))),
    );
    model
}

#[test]
fn players_and_what_they_own() {
    let mut model = playing();
    let now = second(4);
    super::receiving::shown(&mut model, now, "players_none");
    let text = screen(&model, now, 80, 24);
    assert!(
        text.contains("player 1001, token SANDBOX-TOKEN-1001-1"),
        "{text}"
    );
    press(&mut model, "a", now);
    assert_snapshot!("player_form_80x24", resized_screen(&mut model, now, 80, 24));
    let mut model = authenticated();
    let mut items = vec![item(2001, "Sword", None), item(2002, "Potion", Some(2))];
    items.push(item(2003, "Sword", None));
    let message = Msg::PlayerItems(LoadedInventory {
        account: game(),
        player: PlayerId(765),
        result: Ok(inventory(items)),
    });
    update(&mut model, now, message);
    let notice = &model.store.notices.last().unwrap().text;
    assert!(
        notice.contains("+1 Sword") && notice.contains("Potion 3 → 2 uses"),
        "{notice}"
    );
    press(&mut model, "<esc>", now);
    super::receiving::shown(&mut model, now, "players");
    let mut model = busy();
    press(&mut model, "8", now);
    assert!(screen(&model, now, 80, 24).contains("This profile has no Kongregate account."));
    assert_eq!(press(&mut model, "a", now), []);
}

#[test]
fn a_callback_names_a_player_and_its_token_authenticates_them() {
    let mut model = playing();
    let now = second(1);
    let claim = |username: &str, token: Option<&str>| {
        Msg::Player(
            game(),
            PlayerClaim {
                player: Player {
                    id: PlayerId(1002),
                    username: username.into(),
                },
                token: token.map(Secret::new),
            },
        )
    };
    update(
        &mut model,
        now,
        claim("TinCompass\u{202e}", Some("planted-callback-token")),
    );
    update(&mut model, now, claim("", None));
    press(&mut model, "8", now);
    let text = screen(&model, now, 120, 40);
    assert!(
        text.contains("TinCompass") && !text.contains('\u{202e}'),
        "{text}"
    );
    assert!(text.contains("token from a callback"), "{text}");
    assert!(!text.contains("planted-callback-token") && !format!("{model:?}").contains("planted"));
    let effects = press(&mut model, "a<enter>", now);
    let (_, Op::AuthenticatePlayer(PlayerToken { player, token })) = asked_of(&effects) else {
        panic!("{effects:?}");
    };
    assert_eq!(
        (player, token.expose()),
        (PlayerId(1002), "planted-callback-token")
    );
    // Players of a removed account are removed.
    let other = Msg::Player(
        AccountId::new("gone").unwrap(),
        PlayerClaim {
            player: Player {
                id: PlayerId(7),
                username: "Nobody".into(),
            },
            token: None,
        },
    );
    update(&mut model, now, other);
    assert!(!screen(&model, now, 120, 40).contains("Nobody"));
}

#[test]
fn the_newest_token_of_a_callback_is_there_however_many_there_are() {
    let mut model = playing();
    for player in (1..=600).rev() {
        let token = Secret::new(format!("token-{player}"));
        model
            .store
            .set_player_token(&game(), PlayerId(player), token);
        let known = model.store.player_token(&game(), PlayerId(player));
        assert!(known.is_some(), "{player}");
    }
    let known = |player| model.store.player_token(&game(), PlayerId(player));
    let known = (1..=600).filter(|player| known(*player).is_some());
    assert_eq!(known.count(), 500);
}

#[test]
fn a_players_token_is_sent_once_and_stored_nowhere() {
    let mut model = playing();
    let now = second(1);
    let effects = press(&mut model, "a765<tab>planted-game-token<enter>", now);
    let (request, _) = asked_of(&effects);
    let seen = screen(&model, now, 120, 40) + &format!("{model:?}{effects:?}");
    assert!(!seen.contains("planted"), "{seen}");
    assert_eq!(press(&mut model, "<enter>", now), [], "one at a time");
    let refused = Problem::new(
        ProblemKind::Refused,
        "Kongregate says that this player is someone else",
        "",
    );
    answer(&mut model, now, request, Answer::Player(Err(refused)));
    assert!(screen(&model, now, 80, 24).contains("someone else"));
    // Authenticate again, or only fetch the inventory.
    let effects = press(&mut model, "<enter>", now);
    assert_eq!(asked_of(&effects).1, Op::PlayerItems(PlayerId(765)));
    let text = resized_screen(&mut model, now, 120, 40);
    assert!(text.contains("REJECTED"), "{text}");
    let mut model = playing();
    press(&mut model, "aname<enter>", now);
    assert!(screen(&model, now, 120, 40).contains("the player's number"));
}

#[test]
fn a_players_keys() {
    let mut model = authenticated();
    let now = second(4);
    assert_eq!(
        press(&mut model, "y", now),
        [Effect::Copy {
            text: Secret::new("765"),
            what: "the player's number".into(),
        }]
    );
    let (request, op) = asked_of(&press(&mut model, "r", now));
    assert_eq!(op, Op::PlayerItems(PlayerId(765)));
    assert_eq!(press(&mut model, "r", now), [], "one at a time");
    let late = Problem::new(ProblemKind::Unreachable, "mygame cannot be reached", "");
    answer(&mut model, now, request, Answer::Inventory(Err(late)));
    let text = screen(&model, now, 120, 40);
    assert!(
        text.contains("cannot be reached") && text.contains("Sword"),
        "what is known stays: {text}"
    );
    let (request, _) = asked_of(&press(&mut model, "r", now));
    assert_eq!(
        press(&mut model, "<esc>", now),
        [Effect::Cancel(request)],
        "cancelled"
    );
    press(&mut model, "d", now);
    assert!(model.panes.players.players.is_empty());
    let message = Msg::PlayerItems(LoadedInventory {
        account: game(),
        player: PlayerId(765),
        result: Ok(inventory(vec![item(1, "Sword", None)])),
    });
    update(&mut model, now, message);
    assert_eq!(
        model.panes.players.players.len(),
        1,
        "a callback brings them back"
    );
}

#[test]
fn a_large_inventory_scrolls_by_pages() {
    let mut model = authenticated();
    let now = second(4);
    let items = (0..300).map(|at| item(at, "Arrow", Some(at))).collect();
    let message = Msg::PlayerItems(LoadedInventory {
        account: game(),
        player: PlayerId(765),
        result: Ok(inventory(items)),
    });
    update(&mut model, now, message);
    let page = KeyEvent::new(
        ratatui::crossterm::event::KeyCode::PageDown,
        ratatui::crossterm::event::KeyModifiers::NONE,
    );
    for (width, height) in SIZES {
        update(&mut model, now, Msg::Resized { width, height });
        let before = screen(&model, now, width, height);
        for _ in 0..200 {
            update(&mut model, now, Msg::Key(page));
        }
        let after = screen(&model, now, width, height);
        assert_ne!(before, after, "{width}x{height}");
        assert!(after.contains("of 300"), "{after}");
        assert!(after.contains("299"), "{after}");
        press(&mut model, "k", now);
        update(&mut model, now, Msg::Resized { width, height });
        for _ in 0..200 {
            let up = KeyEvent::new(
                ratatui::crossterm::event::KeyCode::PageUp,
                ratatui::crossterm::event::KeyModifiers::NONE,
            );
            update(&mut model, now, Msg::Key(up));
        }
    }
}

/// An inventory of this many items.
pub fn items(many: usize) -> Vec<Item> {
    let numbers = 0..u64::try_from(many).unwrap();
    numbers.map(|at| item(at, "漢字", Some(at))).collect()
}

/// A player whose name and items are this text.
pub fn hostile_player(bad: &str) -> Model {
    let mut model = authenticated();
    let player = model.panes.players.player_mut(&game(), PlayerId(765));
    player.authenticated(
        Ok(&Player {
            id: PlayerId(765),
            username: bad.into(),
        }),
        second(4).wall,
    );
    let message = Msg::PlayerItems(LoadedInventory {
        account: game(),
        player: PlayerId(765),
        result: Ok(inventory(vec![Item {
            id: 1,
            identifier: bad.into(),
            name: bad.into(),
            description: bad.into(),
            remaining_uses: None,
            data: Some(bad.into()),
        }])),
    });
    update(&mut model, second(4), message);
    model
}

#[test]
fn a_page_of_items_skips_none_below_an_error_and_the_wheel_scrolls_them() {
    let (mut model, now) = (playing(), second(4));
    let items = |many: u64| (0..many).map(|at| item(9000 + at, "Arrow", None)).collect();
    for player in [766, 765] {
        let message = Msg::PlayerItems(LoadedInventory {
            account: game(),
            player: PlayerId(player),
            result: Ok(inventory(items(60))),
        });
        update(&mut model, now, message);
    }
    press(&mut model, "<home>", now);
    let (request, _) = asked_of(&press(&mut model, "r", now));
    let why = "mygame cannot be reached: no route to its host, ".repeat(6);
    let problem = Problem::new(ProblemKind::Unreachable, why, "check the network");
    answer(&mut model, now, request, Answer::Inventory(Err(problem)));
    let first = |shown: &str| (9000..9060).find(|at| shown.contains(&at.to_string()));
    for (width, height) in SIZES {
        update(&mut model, now, Msg::Resized { width, height });
        press(&mut model, "<home>", now);
        press(&mut model, &"<pgup>".repeat(60), now);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..60 {
            let shown = screen(&model, now, width, height);
            seen.extend((9000..9060).filter(|at| shown.contains(&at.to_string())));
            press(&mut model, "<pgdn>", now);
        }
        assert_eq!(seen.len(), 60, "{width}x{height}: {seen:?}");
        let wheel = |kind| MouseEvent {
            kind,
            column: width - 4,
            row: height - 4,
            modifiers: KeyModifiers::NONE,
        };
        let before = first(&screen(&model, now, width, height)).unwrap();
        update(&mut model, now, Msg::Mouse(wheel(MouseEventKind::ScrollUp)));
        let shown = screen(&model, now, width, height);
        assert_eq!(first(&shown), Some(before - 3), "{shown}");
    }
}
