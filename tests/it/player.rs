//! Kongregate's players from the command line: who they are and what they own, whatever the answer; and the game's
//! key and a player's token, sought wherever text leaves.

use std::sync::LazyLock;

use serde_json::json;
use tilldeck::domain::{AccountId, PlayerId, PlayerToken, RawCall, Secret};

use crate::deck::{how, open};
use crate::peer::{Act, Peer, json, reply};
use crate::program::{Listener, Place, Ran, Served};
use crate::secrets::{AFTERWARDS, Planted, form, forms, quoted};
use crate::terminal::Terminal;

/// The token of the simulator's first player.
const TOKEN: &str = "SANDBOX-TOKEN-1001-1";

/// The game's key and a player's token, with characters that every encoding writes differently.
const KEY: &str = "gAme/kEy+3=\"é<&>' ~*x%T4";
const PLAYERS: &str = "pLayer/tOken+4=\"é<&>' ~*x%V5";

static PLANTED: LazyLock<Planted> = LazyLock::new(|| Planted::of([KEY, PLAYERS]));

fn run(place: &Place, arguments: &[&str]) -> Ran {
    let mut command = place.command(arguments);
    command.env("GAME_KEY", KEY).env("PLAYER", PLAYERS);
    command.env("SIMULATED", TOKEN);
    Ran::of(command)
}

/// A place with one game whose calls go to `url`.
fn place(url: &str, more: &str) -> Place {
    Place::with_config(&format!(
        "default_profile = \"live\"\n[ui]\nverify_on_start = false\n\
         [profiles.live.accounts.mygame]\nprovider = \"kongregate\"\napi_key = {{ env = \"GAME_KEY\" }}\n\
         endpoints = {{ api = \"{url}/api\" }}\n{more}"
    ))
}

/// Sends the place's game to this peer.
fn point(place: &Place, peer: &Peer) {
    let text = std::fs::read_to_string(place.config_path()).unwrap();
    let rows = text.lines().map(|row| {
        if row.starts_with("endpoints") {
            format!("endpoints = {{ api = \"{}/api\" }}", peer.url)
        } else {
            row.to_owned()
        }
    });
    let rows: Vec<String> = rows.collect();
    std::fs::write(place.config_path(), rows.join("\n")).unwrap();
}

const AUTH: &[&str] = &["player", "auth", "1001", "--token", "env:PLAYER"];
const ITEMS: &[&str] = &["player", "items", "1001"];

#[test]
fn the_player_commands_keep_their_contract_on_the_simulator() {
    let place = Place::new();
    let with =
        |token: &str| ["player", "auth", "1001", "--json", "--token", token].map(String::from);
    std::fs::write(place.path().join("token"), format!("{TOKEN}\n")).unwrap();
    let file = format!("file:{}", place.path().join("token").display());
    for token in ["env:SIMULATED", &file, "command:printenv SIMULATED"] {
        let arguments = with(token);
        let ran = run(&place, &arguments.each_ref().map(String::as_str));
        let wanted = r#"{"schema":1,"account":"kongregate","player":1001,"username":"PaperLantern","authenticated":true}"#;
        assert_eq!((ran.code, ran.out.trim()), (0, wanted), "{ran:?}");
    }
    let ran = run(
        &place,
        &["player", "auth", "1001", "--token", "env:SIMULATED"],
    );
    assert_eq!(
        ran.out,
        "✔  PaperLantern  player 1001  is who they claim to be\n"
    );
    let ran = run(&place, &[ITEMS, &["--json"]].concat());
    assert!(
        ran.out
            .starts_with(r#"{"schema":1,"account":"kongregate","player":1001,"id":50001,"#)
    );
    let items = ran.objects();
    assert_eq!(items.len(), 3);
    assert!(items[0]["remaining_uses"].is_u64(), "{items:?}");
    assert_eq!(items[1]["remaining_uses"], json!(null), "without limit");
    let ran = run(&place, ITEMS);
    let owned = "player 1001 owns 3 items, at kongregate\n";
    assert!(ran.err.ends_with(owned), "{ran:?}");
    assert!(
        ran.out
            .contains("50002  sea-chart      unlimited  Sea chart"),
        "{ran:?}"
    );
    let ran = run(&place, &["player", "items", "1003"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    for (arguments, code, words) in [
        (AUTH, 3, "403: Invalid credentials"),
        (
            &["player", "auth", "1002", "--token", "env:SIMULATED"],
            3,
            "403",
        ),
        (&["player", "items", "77"], 4, "404: User not found"),
        (&["player", "items", "0"], 2, "whole number"),
        (&["player", "items", "PaperLantern"], 2, "whole number"),
        (
            &["player", "items", "99999999999999999999"],
            2,
            "whole number",
        ),
        (&["player", "auth", "1001"], 2, "not a terminal"),
        (
            &["player", "auth", "1001", "--token", "prompt"],
            2,
            "pass --token env:NAME",
        ),
        (
            &["player", "auth", "1001", "--token", "env:UNSET"],
            2,
            "UNSET is not set",
        ),
        (
            &["player", "auth", "1001", "--token", TOKEN],
            2,
            "--token: not a valid source",
        ),
        (
            &["player", "items", "1001", "--account", "kanga"],
            2,
            "Kanga TPG has no players",
        ),
        (&["player"], 2, ""),
    ] {
        let ran = run(&place, arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(words), "{arguments:?}: {ran:?}");
        assert!(!ran.all().contains(TOKEN), "{ran:?}");
    }
    let ran = run(&place, &["player", "items", "77", "--json"]);
    assert_eq!(ran.object()["error"]["kind"], "not_found");
}

#[test]
fn a_served_sandbox_answers_an_account_of_the_config_and_refuses_another_key() {
    let place = Place::new();
    let served = Served::start(&place, &[]);
    let text = format!(
        "default_profile = \"live\"\n[profiles.live.accounts.mygame]\nprovider = \"kongregate\"\n\
         api_key = {{ env = \"SIMULATED_KEY\" }}\npost_encoding = \"json\"\nendpoints = {{ api = \"{}/api\" }}\n",
        served.url
    );
    std::fs::write(place.config_path(), text).unwrap();
    let with_key = |key: &str, arguments: &[&str]| -> Ran {
        let mut command = place.command(arguments);
        command.env("SIMULATED_KEY", key).env("SIMULATED", TOKEN);
        Ran::of(command)
    };
    let good = |arguments: &[&str]| with_key("SANDBOX-KONGREGATE-KEY", arguments);
    assert_eq!(good(&["account", "verify"]).code, 0);
    let refused = with_key("SANDBOX-ANOTHER-KEY", &["account", "verify"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.err.contains("400: Required: game_id") && refused.err.contains("api_key"));
    let used = [
        "request",
        "mygame",
        "POST",
        "/use_item.json",
        "--yes",
        "--data",
    ];
    for data in [
        r#"{"user_id": 1001, "game_auth_token": "SANDBOX-TOKEN-1001-1", "id": 50001}"#,
        "user_id=1001&game_auth_token=SANDBOX-TOKEN-1001-1&id=50001",
    ] {
        let ran = good(&[&used[..], &[data]].concat());
        assert!(
            ran.out.contains(r#""success":true,"remaining_uses":"#),
            "{ran:?}"
        );
    }
    for event in [
        &["change-password", "1001"][..],
        &["give", "1001", "ghost-net"],
    ] {
        let trigger = [
            "sandbox",
            "trigger",
            "--url",
            &served.url,
            "event",
            "kongregate",
        ];
        let ran = good(&[&trigger[..], event].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let ran = good(&["player", "auth", "1001", "--token", "env:SIMULATED"]);
    assert_eq!(ran.code, 3, "the token of the old password: {ran:?}");
    assert!(good(ITEMS).out.contains("ghost-net"));
}

// docs/providers/kongregate.md#inventory-event
#[test]
fn a_player_is_authenticated_with_the_token_that_a_callback_brought() {
    let place = Place::new();
    let served = Served::start(&place, &[]);
    let text = format!(
        "default_profile = \"live\"\n[profiles.live.accounts.mygame]\nprovider = \"kongregate\"\n\
         api_key = {{ env = \"SIMULATED_KEY\" }}\nendpoints = {{ api = \"{}/api\" }}\n",
        served.url
    );
    std::fs::write(place.config_path(), text).unwrap();
    let auth = |player: &str| -> Ran {
        let mut command = place.command(&["player", "auth", player, "--token", "callback"]);
        command.env("SIMULATED_KEY", "SANDBOX-KONGREGATE-KEY");
        Ran::of(command)
    };
    let none = auth("1001");
    assert_eq!(none.code, 4, "{none:?}");
    assert!(
        none.err.contains("no callback with a token of player 1001"),
        "{none:?}"
    );
    let mut command = place.command(&["listen", "--bind", "127.0.0.1:0"]);
    command.env("SIMULATED_KEY", "SANDBOX-KONGREGATE-KEY");
    let listener = Listener::spawn(&mut command);
    let told = |key: &str, token: &str| {
        let form = format!(
            "event=invalidate_user_inventory&api_key={key}&time=2016-04-10+06%3A20%3A59+-0700&user_id=1001\
             &username=PaperLantern&game_auth_token={token}"
        );
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        listener.post("/callbacks/mygame", kind, &form).0
    };
    assert_eq!(told("SANDBOX-KONGREGATE-KEY", TOKEN), 200);
    // One that proves nothing is not believed, though it is newer.
    assert_eq!(told("another", "forged-token"), 403);
    let ran = auth("1001");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.contains("PaperLantern") && !ran.all().contains(TOKEN),
        "{ran:?}"
    );
    assert_eq!(auth("1002").code, 4);
}

#[test]
fn what_the_answer_holds_is_inert_and_what_makes_no_sense_is_said() {
    let hostile = r#"{"success":true,"user_id":1001,"username":"\u001b[2J\u202eboo\r\nx","items":[{"id":7,"identifier":"\u009b31m","name":"a\u0007\nb","description":"\u001b]0;x","remaining_uses":null,"data":"\u001b[31m"}]}"#;
    let nonsense = [
        ("", "it is empty (status 200)"),
        ("{", "not JSON"),
        ("{}", "it does not say whether the call succeeded"),
        (r#"{"success":true}"#, ""),
        (
            r#"{"success":true,"user_id":1002,"username":"A","items":[{"id":-1}]}"#,
            "",
        ),
        (
            r#"{"success":true,"user_id":1001,"username":7,"items":[{"id":1}]}"#,
            "",
        ),
        (
            r#"{"success":true,"user_id":"x","items":[{"id":1,"remaining_uses":1.5}]}"#,
            "",
        ),
        (r#"{"success":true,"user_id":null,"items":[7]}"#, ""),
        (r#"{"success":true,"user_id":[],"items":{}}"#, ""),
    ];
    let place = place("http://127.0.0.1:1", "");
    // The content type says nothing: one of Kongregate's own answers is JSON as plain text.
    let plain = "Content-Type: text/plain\r\n";
    let peer = Peer::start(vec![reply("200 OK", plain, hostile)]);
    point(&place, &peer);
    let csv = [ITEMS, &["--csv"]].concat();
    for arguments in [AUTH, ITEMS, &csv] {
        let ran = run(&place, arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        let shown = ran.all();
        assert!(
            !shown.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}', '\r']),
            "{shown:?}"
        );
        assert_eq!(ran.out.lines().count(), 1 + usize::from(arguments != AUTH));
    }
    for (body, words) in nonsense {
        let peer = Peer::start(vec![json(body)]);
        point(&place, &peer);
        for arguments in [AUTH, ITEMS] {
            let ran = run(&place, arguments);
            assert_eq!(ran.code, 5, "{body}: {ran:?}");
            assert!(
                ran.err.contains("cannot read") && ran.err.contains(words),
                "{ran:?}"
            );
        }
    }
}

#[test]
fn the_token_is_asked_for_hidden_on_a_terminal() {
    let place = Place::new();
    let command = place.command(&["player", "auth", "1001"]);
    let mut terminal = Terminal::start(&command, (120, 20));
    terminal.sees("game_auth_token of player 1001 (not shown):");
    terminal.send(&format!("{TOKEN}\r"));
    terminal.sees("PaperLantern");
    assert_eq!(terminal.ended(), 0);
    assert!(!terminal.all_seen().contains(TOKEN));
}

/// A JSON object of success that echoes these values in every form, also where a name is expected.
fn echo(values: &[&str]) -> String {
    let all = values.iter().flat_map(|value| forms(value));
    let rows = (1..).zip(all).map(|(id, form)| {
        let form = quoted(&form);
        format!(
            "{{\"id\":{id},\"identifier\":{form},\"name\":{form},\"description\":{form},\"data\":{form},\"remaining_uses\":1}}"
        )
    });
    format!(
        "{{\"success\":true,\"user_id\":1001,\"username\":{},\"signed_request\":{},\"items\":[{}]}}",
        quoted(&values.join(" ")),
        quoted(PLAYERS),
        rows.collect::<Vec<_>>().join(",")
    )
}

/// All that Kongregate, or what stands before it, can put these values into.
fn echoes(values: &[&str]) -> [Act; 4] {
    let words = quoted(&values.join(" is not "));
    let failure = format!(
        "{{\"success\":false,\"error\":{words},\"error_description\":{words},\"game_auth_token\":{}}}",
        quoted(PLAYERS)
    );
    let there = format!(
        "Location: http://127.0.0.1:9/?api_key={}&game_auth_token={}\r\n",
        form(KEY),
        form(PLAYERS)
    );
    [
        json(&echo(values)),
        json(&failure),
        reply("302 Found", &there, ""),
        reply(
            "400 Bad Request",
            "",
            &format!("<p>{}</p>", values.join(" ")),
        ),
    ]
}

#[test]
fn key_and_token_are_found_in_no_output_no_export_and_no_file() {
    // A call that takes no token can be answered with none.
    let pairs = echoes(&[KEY, PLAYERS]).into_iter().zip(echoes(&[KEY]));
    std::thread::scope(|scope| {
        for (both, key) in pairs {
            scope.spawn(move || {
                seek_in_all(both, key);
            });
        }
    });
}

fn seek_in_all(both: Act, key: Act) {
    let fields = json!({ "user_id": 1001, "game_auth_token": PLAYERS, "id": 1 }).to_string();
    let write = [
        "request",
        "mygame",
        "POST",
        "/use_item.json",
        "--yes",
        "--data",
        &fields,
    ];
    let asked = format!(
        "/authenticate.json?user_id=1001&game_auth_token={}",
        form(PLAYERS)
    );
    let read = ["request", "mygame", "GET", &asked];
    let both = Peer::start(vec![both]);
    let place = place(&both.url, "post_encoding = \"form\"\n");
    for more in [&[][..], &["--json"]] {
        let ran = run(&place, &[AUTH, more].concat());
        PLANTED.seek("player auth", &ran.all(), &[]);
    }
    let sent = both.requests();
    assert!(sent[0].head.contains("api_key=") && sent[0].head.contains(&form(PLAYERS)));
    // Cut off within the answer; asked with a write, since that is not tried again.
    let echo = echo(&[KEY, PLAYERS]);
    let torn = format!("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{echo}");
    let torn = Peer::start(vec![Act::Bytes(torn.into_bytes())]);
    point(&place, &torn);
    PLANTED.seek("half an answer", &run(&place, &write).all(), &[]);
    let key = Peer::start(vec![key]);
    point(&place, &key);
    for arguments in [ITEMS, &["account", "verify"], &write, &read] {
        let ran = run(&place, arguments);
        // A raw call's body is shown as it was received: that is what was asked for.
        let is_raw = arguments[0] == "request";
        let shown = if is_raw { ran.err } else { ran.all() };
        PLANTED.seek(&format!("{arguments:?}"), &shown, &[]);
    }
    let keyed = |text: &str| text.contains(&form(KEY)) || text.contains(&quoted(KEY));
    // The other way in which fields are posted. All that went out is looked for in what the log tells afterwards.
    let text = std::fs::read_to_string(place.config_path()).unwrap();
    let text = text.replace("\"form\"", "\"json\"");
    std::fs::write(place.config_path(), text).unwrap();
    PLANTED.seek("posted as JSON", &run(&place, &write).err, &[]);
    let sent = key.requests();
    let posted = sent.iter().filter(|one| one.head.starts_with("POST"));
    let keyed: Vec<bool> = posted.map(|one| keyed(&one.body)).collect();
    assert_eq!(keyed, [true, true]);
    for arguments in AFTERWARDS {
        let ran = run(&place, arguments);
        assert!(ran.code == 0 && ran.out.contains("mygame"), "{ran:?}");
        PLANTED.seek(&format!("{arguments:?}"), &ran.all(), &[]);
    }
    PLANTED.seek_in_files(&place.state());
}

// docs/providers/kongregate.md#api-key
#[test]
fn every_call_carries_the_key_from_the_config_and_none_that_is_typed() {
    let peer = Peer::start(vec![json(r#"{"success":true,"users":[]}"#)]);
    let place = place(&peer.url, "");
    let get = |path: &str| run(&place, &["request", "mygame", "GET", path]);
    for path in ["/items.json?api_key=x", "/items.json?a=b&%61pi%5fkey=x"] {
        let ran = get(path);
        assert!(
            ran.code == 2 && ran.err.contains("tilldeck adds api_key from the config"),
            "{ran:?}"
        );
    }
    let post = [
        "request",
        "mygame",
        "POST",
        "/guilds.json",
        "--yes",
        "--data",
    ];
    for (data, words) in [
        (
            r#"{"api_key":"x"}"#,
            "tilldeck adds api_key from the config",
        ),
        ("a=1&api_key=x", "tilldeck adds api_key from the config"),
        ("a=1&a=2", "occurs twice"),
        ("{", "not a valid JSON object"),
    ] {
        let ran = run(&place, &[&post[..], &[data]].concat());
        assert!(ran.code == 2 && ran.err.contains(words), "{data}: {ran:?}");
    }
    assert!(peer.requests().is_empty());
    for path in [
        "/user_info.json?user_ids=1,2",
        "/high_scores/lifetime/7001.json",
        "/high_scores/friends/7001/1001.json",
        "/kongpanions/index.json",
        "/kongpanions.json?user_id=1",
        "/not/documented.json",
    ] {
        assert_eq!(get(path).code, 0, "{path}");
    }
    let sent = peer.requests();
    assert_eq!(sent.len(), 6);
    assert!(
        sent.iter().all(|seen| seen.head.contains("api_key=")),
        "{sent:?}"
    );
}

#[tokio::test]
async fn the_deck_asks_for_players_and_the_explorer_reads_their_items() {
    let place = Place::new();
    let bench = open(&place, None).await;
    let account = AccountId::new("kongregate").unwrap();
    let claim = PlayerToken {
        player: PlayerId(1001),
        token: Secret::new(TOKEN),
    };
    let deck = &bench.deck;
    let player = deck.send(&account, how(), |client| client.authenticate_player(&claim));
    assert_eq!(player.await.unwrap().username, "PaperLantern");
    let inventory = deck.send(&account, how(), |client| {
        client.player_items(PlayerId(1004))
    });
    let inventory = inventory.await.unwrap();
    assert_eq!(inventory.items[1].data.as_deref(), Some(r#"{"boat":7}"#));
    let call = RawCall {
        method: "GET".into(),
        path: "/high_scores/lifetime/7001.json".into(),
        body: None,
        auth: None,
    };
    let seen = bench.deck.explore(&account, &call, how()).await.unwrap();
    assert_eq!(
        seen.digest.unwrap().title,
        "lifetime scores: 25 on this page, pages: 3"
    );
    let call = RawCall {
        path: "/user_info.json?user_id=77".into(),
        ..call
    };
    let seen = bench.deck.explore(&account, &call, how()).await.unwrap();
    assert!(seen.failure.unwrap().contains("404: User not found"));
    bench.deck.close().await;
}

#[test]
fn accounts_with_one_source_of_their_key_share_a_hold() {
    let peer = Peer::start(vec![reply(
        "429 Too Many Requests",
        "Retry-After: 600\r\n",
        "",
    )]);
    let more = |name: &str, key: &str| {
        format!(
            "[profiles.live.accounts.{name}]\nprovider = \"kongregate\"\napi_key = {{ env = \"{key}\" }}\n\
             endpoints = {{ api = \"{}/api\" }}\n",
            peer.url
        )
    };
    let more = more("same", "GAME_KEY") + &more("other", "PLAYER");
    let place = place(&peer.url, &more);
    for (account, sent) in [("mygame", 1), ("same", 1), ("other", 2)] {
        let ran = run(&place, &["player", "items", "1001", "--account", account]);
        assert_eq!(ran.code, 5, "{ran:?}");
        assert_eq!(peer.requests().len(), sent, "{account}");
    }
}
