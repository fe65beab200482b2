//! User queries: one or several users, pages of friends, kongpanions.

use serde_json::{Value, json};

use super::fixtures::{FIXTURES, GameData, Kongpanion, OTHER_USERS};
use super::{Call, CallResult, Failure, GAME_TITLE, Params};
use crate::sandbox::simulator::seeded_hash;

const MANY_MAX: usize = 50;
const FRIENDS_MAX: usize = 500;

pub fn info(call: &mut Call<'_>) -> CallResult {
    let (params, game_data) = (call.unlisted()?, &call.state.game_data);
    if let Some(names) = params.get("usernames") {
        let ids = names.split(',').map(|name| game_data.id_of(name.trim()));
        return many(ids.collect(), game_data);
    }
    if let Some(numbers) = params.get("user_ids") {
        let ids = numbers.split(',').map(|id| id.trim().parse().ok());
        return many(ids.collect(), game_data);
    }
    let requested = match (params.get("username"), params.get("user_id")) {
        (Some(name), _) => game_data.id_of(name),
        (None, Some(id)) => id.parse().ok(),
        (None, None) => {
            // Kongregate documents no text.
            let words = "username, user_id, usernames, or user_ids is a required parameter";
            return Err(Failure::new(400, words));
        }
    };
    Ok(one(call.user(requested)?, &params, game_data))
}

fn many(ids: Vec<Option<u64>>, game_data: &GameData) -> CallResult {
    if ids.len() > MANY_MAX {
        let words = format!("at most {MANY_MAX} users can be requested");
        return Err(Failure::new(400, words));
    }
    // Unknown players are left out. Our choice: Kongregate does not document lists with unknown players.
    let known = ids.into_iter().flatten();
    let users = known.filter_map(|id| {
        let username = game_data.name(id)?;
        let private = game_data.player(id).is_some_and(|player| player.private);
        Some(json!({
            "user_id": id,
            "username": username,
            "private": private,
            "user_vars": vars(id, game_data),
        }))
    });
    let users: Vec<Value> = users.collect();
    Ok(json!({ "success": true, "users": users }))
}

/// The fields about a player. Gender and age may be missing.
fn vars(id: u64, game_data: &GameData) -> Value {
    let player = game_data.player(id);
    json!({
        "username": game_data.name(id),
        "level": player.map_or(1 + seeded_hash(0, "level", id) % 20, |player| player.level),
        "points": seeded_hash(0, "points", id) % 5_000,
        "avatar_url": avatar(id),
        "chat_avatar_url": avatar(id),
        "admin": false,
        "game_url": "https://www.kongregate.com/games/sandbox/lantern-harbour",
        "developer": player.is_some_and(super::fixtures::Player::is_uploader),
        "moderator": false,
        "game_title": GAME_TITLE,
        "gender": player.and_then(|player| player.gender.clone()),
        "age": player.and_then(|player| player.age),
    })
}

pub fn avatar(id: u64) -> String {
    format!("https://images.example/avatars/{id}.png")
}

/// The numbers of a player's friends; none for a private profile.
pub fn friends(id: u64, game_data: &GameData) -> Vec<u64> {
    match game_data.player(id) {
        Some(player) if !player.private => {
            // Two players of the game are friends, so that lists of friends' scores are not empty.
            let own = game_data.players.iter().map(|other| other.id);
            let own = own.filter(|other| *other != id).take(2);
            let many = usize::try_from(player.friends).unwrap_or(0);
            own.chain(OTHER_USERS).take(many).collect()
        }
        _ => Vec::new(),
    }
}

fn one(id: u64, params: &Params, game_data: &GameData) -> Value {
    let wanted = params.get("friends") == Some("true");
    let all = if wanted {
        friends(id, game_data)
    } else {
        Vec::new()
    };
    let page = params.page("page_num");
    // An empty list still has its one page.
    let pages = all.len().div_ceil(FRIENDS_MAX).max(1);
    let from = (page - 1).saturating_mul(FRIENDS_MAX);
    let ids: Vec<u64> = all.into_iter().skip(from).take(FRIENDS_MAX).collect();
    let names: Vec<Option<String>> = ids.iter().map(|id| game_data.name(*id)).collect();
    json!({
        "success": true,
        "user_id": id,
        "username": game_data.name(id),
        "private": game_data.player(id).is_some_and(|player| player.private),
        "page_num": page,
        "num_pages": pages,
        "friends": names,
        "friend_ids": ids,
        "muted_users": [],
        "muted_user_ids": [],
        "user_vars": vars(id, game_data),
    })
}

fn kongpanion(kongpanion: &Kongpanion) -> Value {
    let id = kongpanion.id;
    let icon = |kind: &str, size: &str| {
        format!("https://images.example/kongpanions/{kind}_{id}{size}.png")
    };
    json!({
        "id": id,
        "name": kongpanion.name,
        "description": kongpanion.description,
        "normal_icon_url": icon("normal", ""),
        "normal_icon_url_medium": icon("normal", "_medium"),
        "normal_icon_url_small": icon("normal", "_small"),
        "shiny_icon_url": icon("shiny", ""),
        "shiny_icon_url_medium": icon("shiny", "_medium"),
        "shiny_icon_url_small": icon("shiny", "_small"),
        "tags": [],
    })
}

pub fn kongpanions(call: &mut Call<'_>) -> CallResult {
    call.unlisted()?;
    let all: Value = FIXTURES.kongpanions.iter().map(kongpanion).collect();
    Ok(json!({ "kongpanions": all }))
}

/// GET kongpanions of a player; no `success` either.
pub fn owned_kongpanions(call: &mut Call<'_>) -> CallResult {
    let params = call.unlisted()?;
    let id = match params.get("username") {
        Some(name) => call.user(call.state.game_data.id_of(name))?,
        None => call.user(params.number("user_id"))?,
    };
    let all = FIXTURES.kongpanions.iter().zip(0..);
    let owned = all.filter(|(_, at)| !seeded_hash(id, "kongpanion", *at).is_multiple_of(3));
    let rows = owned.map(|(one, at)| {
        let mut row = kongpanion(one);
        row["shiny"] = seeded_hash(id, "shiny", at).is_multiple_of(4).into();
        row
    });
    Ok(json!({ "kongpanions": rows.collect::<Value>() }))
}
