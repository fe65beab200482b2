//! Guilds, characters and links that players share. Only the sandbox's state shows them: Kongregate has no calls that list
//! them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fixtures::GameData;
use super::{CallResult, Failure, Params};
use crate::domain::WallTime;

/// Bounds the memory for each kind.
const MANY_MAX: usize = 1_000;

/// All of them, by their identifiers.
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

impl Community {
    /// POST guilds.
    pub fn guild(&mut self, params: &Params) -> CallResult {
        params.game()?;
        let [identifier, name] = params.required(["guild_identifier", "guild_name"])?;
        let server = params.get("server_identifier").unwrap_or(DEFAULT);
        let row = json!({ "name": name, "server": params.get("server_name").unwrap_or(DEFAULT) });
        put(&mut self.guilds, key(server, identifier), row)?;
        Ok(json!({
            "success": true,
            "server_identifier": server,
            "guild_identifier": identifier,
        }))
    }

    /// POST guilds/destroy. Its sample has no `success`.
    pub fn end_guild(&mut self, params: &Params) -> CallResult {
        params.game()?;
        let [identifier] = params.required(["guild_identifier"])?;
        let server = params.get("server_identifier").unwrap_or(DEFAULT);
        self.guilds
            .remove(&key(server, identifier))
            .ok_or_else(|| Failure::not_found("Guild"))?;
        Ok(json!({ "server_identifier": server, "guild_identifier": identifier }))
    }

    /// POST characters.
    pub fn character(&mut self, params: &Params, game_data: &GameData) -> CallResult {
        params.game()?;
        let [identifier, name] = params.required(["character_identifier", "character_name"])?;
        let server = params.get("server_identifier").unwrap_or(DEFAULT);
        let guild = params.get("guild_identifier");
        if let Some(guild) = guild
            && !self.guilds.contains_key(&key(server, guild))
        {
            return Err(Failure::not_found("Guild"));
        }
        let level = params.get("guild_admin_level");
        if level.is_some_and(|level| !["admin", "superadmin"].contains(&level)) {
            return Err(Failure::new(
                400,
                "guild_admin_level must be admin or superadmin",
            ));
        }
        let user = params.number("user_id");
        if params.get("user_id").is_some() && user.and_then(|id| game_data.name(id)).is_none() {
            return Err(Failure::not_found("User"));
        }
        let row = json!({ "name": name, "user_id": user, "guild": guild, "level": level });
        put(&mut self.characters, key(server, identifier), row)?;
        Ok(json!({
            "success": true,
            "user_id": user,
            "server_identifier": server,
            "guild_identifier": guild,
            "character_identifier": identifier,
        }))
    }

    /// POST `shared_links/create`.
    pub fn link(&mut self, params: &Params, game_data: &GameData, now: WallTime) -> CallResult {
        let owner = owner(params, game_data)?;
        let [id, name, kind, link, _] =
            params.required(["id", "name", "type", "link_params", "expiration"])?;
        let ends = params.number("expiration");
        let ends = ends.and_then(|seconds| i64::try_from(seconds).ok());
        // The call has seconds, the simulator's clock milliseconds.
        let ends = ends.and_then(|seconds| seconds.checked_mul(1_000));
        if ends.is_none_or(|ends| ends <= now.0) {
            return Err(Failure::new(400, "expiration must be in the future"));
        }
        let row = json!({ "user_id": owner, "name": name, "type": kind, "link_params": link });
        put(&mut self.links, id.to_owned(), row)?;
        Ok(json!({ "success": true }))
    }

    /// POST `shared_links`/…/destroy.
    pub fn end_link(&mut self, id: &str, params: &Params, game_data: &GameData) -> CallResult {
        let owner = owner(params, game_data)?;
        // Another player's link counts as unknown (our choice).
        let is_theirs = |link: &Value| link["user_id"] == json!(owner);
        if !self.links.get(id).is_some_and(is_theirs) {
            return Err(Failure::not_found("Shared link"));
        }
        self.links.remove(id);
        Ok(json!({ "success": true }))
    }
}

/// The player whom the call authenticates.
fn owner(params: &Params, game_data: &GameData) -> Result<u64, Failure> {
    params.game()?;
    let [user, token] = params.required(["user_id", "game_auth_token"])?;
    let player = user.parse().ok().and_then(|id| game_data.player(id));
    let player = player.filter(|player| player.token() == token);
    player
        .map(|player| player.id)
        .ok_or_else(Failure::credentials)
}
