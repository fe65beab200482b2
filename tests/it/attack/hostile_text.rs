//! Providers answer with text that would move the cursor, recolour the screen, reorder or hide what is read. All output
//! but a raw body is inert, and JSON loses none of it.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tilldeck::domain::inert;

use crate::peer::{Act, Peer, reply};
use crate::program::{API_KEY, Place, Ran};

/// An escape sequence, one of C1, a deleted character, an override, invisible ones, a tag, a line separator.
const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{200b}\u{ad}\u{feff}\u{e0041}\u{2028}é";

const ACCOUNTS: [(&str, &str, &str); 4] = [
    (
        "shop",
        "provider = \"kanga\"\napi_key = KEY\napi_secret = SECRET",
        "api pay",
    ),
    (
        "keys",
        "provider = \"kinguin\"\nenvironment = \"sandbox\"\nclient_id = KEY\nclient_secret = SECRET",
        "token gateway",
    ),
    (
        "mygame",
        "provider = \"kongregate\"\napi_key = SECRET",
        "api",
    ),
    (
        "later",
        "provider = \"pledg\"\nenvironment = \"sandbox\"\napi_key = KEY\napi_secret = SECRET",
        "api",
    ),
];

fn place(url: &str) -> Place {
    let mut text = "default_profile = \"live\"\n".to_owned();
    for (name, table, endpoints) in ACCOUNTS {
        let table = table.replace("KEY", &format!("\"{API_KEY}\""));
        let table = table.replace("SECRET", "{ env = \"TEST_API_SECRET\" }");
        let _ = writeln!(text, "[profiles.live.accounts.{name}]\n{table}");
        for endpoint in endpoints.split(' ') {
            let path = match (name, endpoint) {
                ("mygame", _) => "/api",
                (_, "token") => "/auth/token",
                _ => "",
            };
            let _ = writeln!(text, "endpoints.{endpoint} = \"{url}{path}\"");
        }
    }
    Place::with_config(&text)
}

/// Everything that any of the providers says is hostile.
fn hostile(status: &str) -> Act {
    let item = json!({ "id": HOSTILE, "identifier": HOSTILE, "name": HOSTILE, "description": HOSTILE, "data": HOSTILE,
        "remaining_uses": 1, "tags": [HOSTILE] });
    let body = json!({ "result": HOSTILE, "code": HOSTILE, "state": HOSTILE, "currency": HOSTILE, "amount": HOSTILE,
        "success": true, "username": HOSTILE, "user_id": 765, "items": [item], "error": HOSTILE, "message": HOSTILE,
        "error_description": HOSTILE, "debug": { HOSTILE: HOSTILE }, "type": HOSTILE, "status": HOSTILE, HOSTILE: HOSTILE });
    let header: String = HOSTILE.chars().filter(|c| !c.is_ascii_control()).collect();
    let headers = format!(
        "Content-Type: text/{header}\r\nX-Hostile: {header}\r\nLocation: http://127.0.0.1:9/{header}\r\n"
    );
    reply(status, &headers, &body.to_string())
}

fn is_inert(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !inert::is_hostile(c))
}

fn holds_it(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("\u{202e}\u{200b}\u{ad}\u{feff}\u{e0041}"),
        Value::Array(all) => all.iter().any(holds_it),
        Value::Object(all) => all.values().any(holds_it),
        _ => false,
    }
}

#[test]
fn hostile_text_of_every_provider_is_inert_in_all_output() {
    let place = place("http://127.0.0.1:1");
    let config = std::fs::read_to_string(place.config_path()).unwrap();
    let see = |ran: Ran, what: &[&str]| {
        assert!(
            is_inert(&ran.out) && is_inert(&ran.err),
            "{what:?}: {ran:?}"
        );
        ran
    };
    let payment =
        json!({ "result": "ok", "state": HOSTILE, "currency": HOSTILE, "amount": HOSTILE });
    for act in [
        hostile("200 OK"),
        hostile("302 Found"),
        hostile("403 Forbidden"),
        hostile("500 Oops"),
        crate::peer::json(&payment.to_string()),
    ] {
        let token = json!({ "access_token": "planted-token-000001", "expires_in": 3600, "token_type": "bearer" });
        let token = crate::peer::json(&token.to_string());
        let routes = vec![
            ("/auth/token", token.clone()),
            ("/api/token", token),
            ("/", act),
        ];
        let peer = Peer::routed(routes);
        std::fs::write(
            place.config_path(),
            config.replace("http://127.0.0.1:1", &peer.url),
        )
        .unwrap();
        for command in [
            &["check", "A-17"][..],
            &["estimate", "EMT", "3"],
            &["player", "items", "765"],
            &["request", "shop", "GET", "/a"],
            &["request", "keys", "GET", "/a"],
            &["request", "mygame", "GET", "/a"],
            &["request", "later", "GET", "/api/a"],
        ] {
            let json = [command, &["--json"]].concat();
            see(place.run(&json), &json);
            // A raw body is what was asked for.
            if command[0] != "request" {
                see(place.run(command), command);
            }
        }
    }
    for more in [&[][..], &["--json"], &["--export", "curl"]] {
        let arguments = [&["log"], more].concat();
        see(place.run(&arguments), &arguments);
    }
    let har = see(place.run(&["log", "--export", "har"]), &["har"]);
    let har: Value = serde_json::from_str(&har.out).unwrap();
    assert!(holds_it(&har), "JSON loses nothing");
    let ndjson = see(place.run(&["log", "--export", "ndjson"]), &["ndjson"]);
    assert!(ndjson.objects().iter().any(holds_it), "JSON loses nothing");
}
