//! Kongregate's documented calls (`docs/providers/kongregate.md#calls`). The key stands in none of them: `auth` adds it to each
//! one as it is sent.

use crate::domain::catalogue::{Documented, Param};

/// Is a player who they claim to be?
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
/// All kongpanions there are.
pub const KONGPANIONS: &str = "/kongpanions/index.json";
/// A player's kongpanions.
pub const USER_KONGPANIONS: &str = "/kongpanions.json";

const fn post(
    path: &'static str,
    params: &'static [Param],
    body: &'static str,
    about: &'static str,
) -> Documented {
    Documented::write("POST", path, params, Some(body), about)
}

const USER_ID: Param = Param::needed("user_id", "the player's number", "1001");
const STATISTIC: Param = Param::in_path("statistic_id", "the statistic's number", "7001");

/// Every documented call, reads first.
pub static CATALOGUE: [Documented; 15] = [
    Documented::get(
        ITEMS,
        &[Param::optional(
            "tags",
            "only items with one of these tags, separated by commas",
            "potion,boost",
        )],
        "the items that the game sells, with their prices in Kreds",
    ),
    Documented::get(
        USER_ITEMS,
        &[USER_ID],
        "what a player owns: each item's own number, and how often it can still be used",
    ),
    Documented::get(
        AUTHENTICATE,
        &[
            USER_ID,
            Param::needed(
                "game_auth_token",
                "what the game's client gets from getGameAuthToken(); `tilldeck player auth` asks for it hidden",
                super::sandbox::TOKEN_1001,
            ),
        ],
        "is a player who they claim to be?",
    ),
    Documented::get(
        USER_INFO,
        &[
            Param::optional(
                "user_id",
                "the player's number; or give another of these",
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
            Param::optional("friends", "whether to list friends, 500 on a page", "true"),
            Param::optional("page_num", "which page of friends; the first is 1", "1"),
        ],
        "who a player is, or several are",
    ),
    Documented::get(
        HIGH_SCORES,
        &[
            Param::in_path("scope", "daily, weekly or lifetime", "lifetime"),
            STATISTIC,
            Param::optional(
                "lifetime_page",
                "which page, with lifetime; the first is 1",
                "1",
            ),
            Param::optional("weekly_page", "which page, with weekly", "1"),
            Param::optional("today_page", "which page, with daily", "1"),
        ],
        "the best players, 25 on a page",
    ),
    Documented::get(
        FRIENDS_SCORES,
        &[
            STATISTIC,
            Param::in_path("user_id", "the player's number", "1001"),
        ],
        "the best among a player's friends",
    ),
    Documented::get(KONGPANIONS, &[], "all kongpanions there are"),
    Documented::get(
        USER_KONGPANIONS,
        &[
            Param::optional("user_id", "the player's number; or give the name", "1001"),
            Param::optional("username", "the player's name", "PaperLantern"),
        ],
        "a player's kongpanions",
    ),
    post(
        USE_ITEM,
        &[],
        r#"{"user_id": 1001, "game_auth_token": "SANDBOX-TOKEN-1001-1", "id": 50001}"#,
        "use up one use of a player's item; `id` is the number in user_items. Cannot be undone: after a time-out ask for \
         the player's items before trying again",
    ),
    post(
        SUBMIT,
        &[],
        r#"{"user_id": 1001, "HighScore": 4200}"#,
        "results of a player: each further field is a statistic by its name, a whole number",
    ),
    post(
        "/guilds.json",
        &[],
        r#"{"guild_identifier": "lamplighters", "guild_name": "The Lamplighters", "server_identifier": "Default", "server_name": "Default"}"#,
        "make or rename a guild",
    ),
    post(
        "/characters.json",
        &[],
        r#"{"character_identifier": "ada-1", "character_name": "Ada", "user_id": 1001, "guild_identifier": "lamplighters"}"#,
        "make or change a player's character, and its place in a guild",
    ),
    post(
        "/guilds/destroy.json",
        &[],
        r#"{"guild_identifier": "lamplighters", "server_identifier": "Default"}"#,
        "end a guild",
    ),
    post(
        "/shared_links/create.json",
        &[],
        r#"{"user_id": 1001, "game_auth_token": "SANDBOX-TOKEN-1001-1", "id": "gift-1", "name": "A gift", "type": "gift", "link_params": "kv_gift=1", "expiration": 1900000000}"#,
        "make a link that a player can share; only link_params that begin with kv_ reach the game, and `expiration` is in seconds \
         since 1970",
    ),
    post(
        "/shared_links/{id}/destroy.json",
        &[Param::in_path("id", "the link's id", "gift-1")],
        r#"{"user_id": 1001, "game_auth_token": "SANDBOX-TOKEN-1001-1"}"#,
        "end a link that a player shared",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalogue::Place;

    #[test]
    fn every_brace_of_a_path_is_a_parameter_and_every_body_is_json() {
        for call in &CATALOGUE {
            for param in call.params.iter().filter(|one| one.place == Place::Path) {
                assert!(call.path.contains(&format!("{{{}}}", param.name)));
            }
            let braces = call.path.matches('{').count();
            let named = call.params.iter().filter(|one| one.place == Place::Path);
            assert_eq!(braces, named.count(), "{}", call.path);
            if let Some(body) = call.body {
                let fields: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_str(body).unwrap();
                assert!(!fields.contains_key("api_key"), "{}", call.path);
            }
            assert_eq!(call.writes, call.method == "POST", "{}", call.path);
        }
    }

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
