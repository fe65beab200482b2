//! Guilds, characters and links that players share. Only the sandbox's state shows them: Kongregate has no calls that list
//! them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Call, CallResult, Failure};

const MANY_MAX: usize = 1_000;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Community {
    guilds: BTreeMap<String, Value>,
    characters: BTreeMap<String, Value>,
    links: BTreeMap<String, Value>,
}

/// The server where a call names none.
const DEFAULT: &str = "Default";

fn put(all: &mut BTreeMap<String, Value>, key: String, value: Value) -> Result<(), Failure> {
    // Changing one that exists takes no space.
    if all.len() >= MANY_MAX && !all.contains_key(&key) {
        return Err(Failure::new(400, "There are too many in the sandbox"));
    }
    all.insert(key, value);
    Ok(())
}

fn key(server: &str, identifier: &str) -> String {
    format!("{server}/{identifier}")
}

pub fn guild(call: &mut Call<'_>) -> CallResult {
    let params = call.keyed()?;
    let [identifier, name] = params.required(["guild_identifier", "guild_name"])?;
    let server = params.get("server_identifier").unwrap_or(DEFAULT);
    let row = json!({ "name": name, "server": params.get("server_name").unwrap_or(DEFAULT) });
    let guilds = &mut call.state.community.guilds;
    put(guilds, key(server, identifier), row)?;
    Ok(json!({
        "success": true,
        "server_identifier": server,
        "guild_identifier": identifier,
    }))
}

/// POST guilds/destroy. Its sample has no `success`.
pub fn end_guild(call: &mut Call<'_>) -> CallResult {
    let params = call.keyed()?;
    let [identifier] = params.required(["guild_identifier"])?;
    let server = params.get("server_identifier").unwrap_or(DEFAULT);
    let gone = call.state.community.guilds.remove(&key(server, identifier));
    gone.ok_or_else(|| Failure::not_found("Guild"))?;
    Ok(json!({ "server_identifier": server, "guild_identifier": identifier }))
}

pub fn character(call: &mut Call<'_>) -> CallResult {
    let params = call.keyed()?;
    let [identifier, name] = params.required(["character_identifier", "character_name"])?;
    let server = params.get("server_identifier").unwrap_or(DEFAULT);
    let guild = params.get("guild_identifier");
    let guilds = &call.state.community.guilds;
    if guild.is_some_and(|guild| !guilds.contains_key(&key(server, guild))) {
        return Err(Failure::not_found("Guild"));
    }
    let level = params.get("guild_admin_level");
    if level.is_some_and(|level| !["admin", "superadmin"].contains(&level)) {
        let message = "guild_admin_level must be admin or superadmin";
        return Err(Failure::new(400, message));
    }
    let user = params.number("user_id");
    if params.get("user_id").is_some() {
        call.user(user)?;
    }
    let row = json!({ "name": name, "user_id": user, "guild": guild, "level": level });
    let characters = &mut call.state.community.characters;
    put(characters, key(server, identifier), row)?;
    Ok(json!({
        "success": true,
        "user_id": user,
        "server_identifier": server,
        "guild_identifier": guild,
        "character_identifier": identifier,
    }))
}

pub fn link(call: &mut Call<'_>) -> CallResult {
    let params = call.keyed()?;
    let owner = call.player(&params)?.id;
    let [id, name, kind, link, _] =
        params.required(["id", "name", "type", "link_params", "expiration"])?;
    let ends = params.number("expiration");
    let ends = ends.and_then(|seconds| i64::try_from(seconds).ok());
    // The call has seconds, the simulator's clock milliseconds.
    let ends = ends.and_then(|seconds| seconds.checked_mul(1_000));
    if ends.is_none_or(|ends| ends <= call.now.0) {
        return Err(Failure::new(400, "expiration must be in the future"));
    }
    let row = json!({ "user_id": owner, "name": name, "type": kind, "link_params": link });
    put(&mut call.state.community.links, id.to_owned(), row)?;
    Ok(json!({ "success": true }))
}

pub fn end_link(call: &mut Call<'_>) -> CallResult {
    let (params, id) = (call.keyed()?, call.param("link"));
    let owner = call.player(&params)?.id;
    let links = &mut call.state.community.links;
    // Another player's link counts as unknown (our choice).
    if links.get(id).is_none_or(|link| link["user_id"] != owner) {
        return Err(Failure::not_found("Shared link"));
    }
    links.remove(id);
    Ok(json!({ "success": true }))
}
