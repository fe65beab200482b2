//! Kongregate's documented calls (`docs/providers/kongregate.md#calls`). None contains the key: `auth` adds it to each call.

use crate::domain::catalogue::{DocumentedCall, Param, next, write};

/// Verifies a player's identity.
pub const AUTHENTICATE: &str = "/authenticate.json";
/// The items that the game sells.
pub const ITEMS: &str = "/items.json";
/// What a player owns.
pub const USER_ITEMS: &str = "/user_items.json";
/// Uses up one use of an item.
pub const USE_ITEM: &str = "/use_item.json";
/// Who a player is.
pub const USER_INFO: &str = "/user_info.json";
/// Results of players.
pub const SUBMIT: &str = "/submit_statistics.json";
/// The best of today, of this week, of all time; the path's scope is one part of it.
pub const HIGH_SCORES: &str = "/high_scores/{scope}/{statistic_id}.json";
/// The best among a player's friends.
pub const FRIENDS_SCORES: &str = "/high_scores/friends/{statistic_id}/{user_id}.json";
/// The list of all kongpanions.
pub const KONGPANIONS: &str = "/kongpanions/index.json";
/// A player's kongpanions.
pub const USER_KONGPANIONS: &str = "/kongpanions.json";

const USER_ID: Param = Param::needed("user_id", "the player's number", "1001");
const STATISTIC: Param = Param::in_path("statistic_id", "the statistic's number", "7001");

/// Every documented call, reads first.
pub static CATALOGUE: [DocumentedCall; 15] = [
    DocumentedCall::get(
        ITEMS,
        &[Param::optional(
            "tags",
            "only items with one of these tags, separated by commas",
            "potion,boost",
        )],
        "list the items that the game sells, with prices in Kreds",
    ),
    DocumentedCall::get(
        USER_ITEMS,
        &[Param::optional(
            "user_id",
            "the player's number; an older page requires it",
            "1001",
        )],
        "list a player's items: each item's own number and the uses left",
    )
    .after(&[next("list the player's items", &["user_id"])]),
    DocumentedCall::get(
        AUTHENTICATE,
        &[
            USER_ID,
            Param::needed(
                "game_auth_token",
                "the game's client gets it from getGameAuthToken(); `tilldeck player auth` reads it without echo",
                super::facts::TOKEN_1001,
            ),
        ],
        "verify a player's identity",
    ),
    DocumentedCall::get(
        USER_INFO,
        &[
            Param::optional(
                "user_id",
                "the player's number; or set one of the others",
                "1001",
            ),
            Param::optional("username", "the player's name", "PaperLantern"),
            Param::optional(
                "user_ids",
                "up to 50 numbers, separated by commas",
                "1001,1002",
            ),
            Param::optional(
                "usernames",
                "up to 50 names, separated by commas",
                "PaperLantern,TinCompass",
            ),
            Param::optional("friends", "list friends, 500 on a page", "true"),
            Param::page("page_num", "page of friends; the first is 1", 1),
        ],
        "show one or several players",
    )
    .after(&[
        next("show the player", &["user_id"]),
        next("show the player by name", &["username"]),
    ]),
    DocumentedCall::get(
        HIGH_SCORES,
        &[
            Param::in_path("scope", "daily, weekly or lifetime", "lifetime"),
            STATISTIC,
            Param::page("lifetime_page", "page of lifetime scores; the first is 1", 1)
                .only_with("lifetime"),
            Param::page("weekly_page", "page of weekly scores", 1).only_with("weekly"),
            Param::page("today_page", "page of daily scores", 1).only_with("daily"),
        ],
        "the best players, 25 on a page",
    ),
    DocumentedCall::get(
        FRIENDS_SCORES,
        &[
            STATISTIC,
            Param::in_path("user_id", "the player's number", "1001"),
        ],
        "the best players among a player's friends",
    )
    .after(&[next("list the friends' scores", &["user_id", "statistic_id"])]),
    DocumentedCall::get(KONGPANIONS, &[], "list all kongpanions"),
    DocumentedCall::get(
        USER_KONGPANIONS,
        &[
            Param::optional("user_id", "the player's number; or set the name", "1001"),
            Param::optional("username", "the player's name", "PaperLantern"),
        ],
        "a player's kongpanions",
    )
    .after(&[next("list the player's kongpanions", &["user_id"])]),
    DocumentedCall::post(
        USE_ITEM,
        &[],
        r#"{"user_id": 1001, "game_auth_token": "SANDBOX-TOKEN-1001-1", "id": 50001}"#,
        "spend one use of a player's item; `id` is the number in user_items. Cannot be undone: after a \
        time-out check the player's items before you retry",
    )
    .after(&[write(
        "use the item",
        &["id", "user_id"],
        r#"{"user_id": "{#user_id}", "game_auth_token": "{game_auth_token}", "id": "{#id}"}"#,
    )]),
    DocumentedCall::post(
        SUBMIT,
        &[],
        r#"{"user_id": 1001, "HighScore": 4200}"#,
        "submit a player's results: each further field is a statistic by name, with a whole number",
    ),
    DocumentedCall::post(
        "/guilds.json",
        &[],
        r#"{"guild_identifier": "lamplighters", "guild_name": "The Lamplighters", "server_identifier": "Default", "server_name": "Default"}"#,
        "create or rename a guild",
    ),
    DocumentedCall::post(
        "/characters.json",
        &[],
        r#"{"character_identifier": "ada-1", "character_name": "Ada", "user_id": 1001, "guild_identifier": "lamplighters"}"#,
        "create or change a player's character and its guild",
    ),
    DocumentedCall::post(
        "/guilds/destroy.json",
        &[],
        r#"{"guild_identifier": "lamplighters", "server_identifier": "Default"}"#,
        "delete a guild",
    ),
    DocumentedCall::post(
        "/shared_links/create.json",
        &[],
        r#"{"user_id": 1001, "game_auth_token": "SANDBOX-TOKEN-1001-1", "id": "gift-1", "name": "A gift", "type": "gift", "link_params": "kv_gift=1", "expiration": 1900000000}"#,
        "create a link that a player can share; only link_params that begin with kv_ reach the game. \
        `expiration` is in seconds since 1970",
    ),
    DocumentedCall::post(
        "/shared_links/{id}/destroy.json",
        &[Param::in_path("id", "the link's id", "gift-1")],
        r#"{"user_id": 1001, "game_auth_token": "SANDBOX-TOKEN-1001-1"}"#,
        "delete a link that a player shared",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::ParamLocation;

    #[test]
    fn every_brace_of_a_path_is_a_parameter_and_every_body_is_json() {
        for call in &CATALOGUE {
            for param in call
                .params
                .iter()
                .filter(|one| one.place == ParamLocation::Path)
            {
                assert!(call.path.contains(&format!("{{{}}}", param.name)));
            }
            let braces = call.path.matches('{').count();
            let named = call
                .params
                .iter()
                .filter(|one| one.place == ParamLocation::Path);
            assert_eq!(braces, named.count(), "{}", call.path);
            if let Some(body) = call.body {
                let fields: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_str(body).unwrap();
                assert!(!fields.contains_key("api_key"), "{}", call.path);
            }
            assert_eq!(call.writes, call.method == "POST", "{}", call.path);
        }
    }

    // docs/providers/kongregate.md#calls
    #[test]
    fn a_shared_link_passes_on_what_begins_with_kv() {
        let create = CATALOGUE
            .iter()
            .find(|call| call.path == "/shared_links/create.json");
        let body: serde_json::Value = serde_json::from_str(create.unwrap().body.unwrap()).unwrap();
        let params = body["link_params"].as_str().unwrap();
        assert!(
            params.split('&').all(|param| param.starts_with("kv_")),
            "{params}"
        );
    }
}
