//! Authenticating players, listing and using items.

use serde_json::{Value, json};

use super::fixtures::{ITEMS, Instance, Player};
use super::webhooks::EventKind;
use super::{API_KEY, CallResult, Failure, GAME_ID, GAME_TITLE, Memory, Params};
use crate::sandbox::Simulator;
use crate::sandbox::simulator::seeded_hash;

impl Memory {
    /// The player whom number and token authenticate.
    pub fn proved(&self, user_id: &str, token: &str) -> Result<&Player, Failure> {
        let player = user_id
            .parse()
            .ok()
            .and_then(|id| self.game_data.player(id));
        player
            .filter(|player| player.token() == token)
            .ok_or_else(Failure::credentials)
    }

    /// GET authenticate. Here a wrong key gets the error of a wrong token or player.
    pub fn authenticate(&self, params: &Params) -> CallResult {
        let [user, token, key] = params.required(["user_id", "game_auth_token", "api_key"])?;
        // The other calls answer a wrong key as `Params::game` does.
        if key != API_KEY {
            return Err(Failure::credentials());
        }
        let player = self.proved(user, token)?;
        Ok(json!({ "success": true, "username": player.username, "user_id": player.id }))
    }

    /// GET items.
    pub fn items(&self, params: &Params) -> CallResult {
        params.game()?;
        let tags: Vec<&str> = params
            .get("tags")
            .map_or_else(Vec::new, |tags| tags.split(',').map(str::trim).collect());
        let wanted = ITEMS
            .iter()
            .filter(|item| tags.is_empty() || item.tags.iter().any(|tag| tags.contains(tag)));
        let rows = wanted.map(|item| {
            let mut row = json!({
                "id": item.id,
                "identifier": item.identifier,
                "name": item.name,
                "description": item.description,
                "price": item.price,
                "tags": item.tags,
            });
            if self.has_extras(item.id) {
                row["game_id"] = GAME_ID.into();
                row["game_title"] = GAME_TITLE.into();
                row["image_url"] = format!("https://images.example/{}.png", item.identifier).into();
            }
            row
        });
        Ok(json!({ "success": true, "items": rows.collect::<Vec<_>>() }))
    }

    /// GET `user_items`.
    pub fn user_items(&self, params: &Params) -> CallResult {
        params.game()?;
        let [user] = params.required(["user_id"])?;
        let user = user.parse().ok();
        let user: u64 = user
            .filter(|id| self.game_data.name(*id).is_some())
            .ok_or_else(|| Failure::not_found("User"))?;
        let rows: Vec<Value> = self.game_data.owned(user).map(Instance::row).collect();
        let mut body = json!({ "success": true, "items": rows });
        if self.has_extras(0) {
            body["s"] = 1.into();
            body["signature"] = "SANDBOX-SIGNATURE".into();
        }
        Ok(body)
    }

    /// POST `use_item`.
    pub fn use_item(&mut self, params: &Params, simulator: &Simulator) -> CallResult {
        params.game()?;
        let [user, token, id] = params.required(["user_id", "game_auth_token", "id"])?;
        let player = self.proved(user, token)?.id;
        let mut all = self.game_data.instances.iter_mut();
        // Another player's item is as unknown as one that does not exist.
        let found = all.find(|one| one.id.to_string() == id && one.owner == player);
        let found = found.ok_or_else(|| Failure::not_found("Item"))?;
        let left = match &mut found.uses {
            // `docs/providers/kongregate.md#uses`: both fail, with words of our own.
            None => return Err(Failure::new(400, "Item has unlimited uses")),
            Some(0) => return Err(Failure::new(400, "Item has no uses remaining")),
            Some(left) => {
                *left -= 1;
                *left
            }
        };
        self.game_data.usage_records += 1;
        let record = self.game_data.usage_records;
        self.send(EventKind::Inventory { player }, simulator);
        Ok(json!({ "success": true, "remaining_uses": left, "usage_record_id": record }))
    }

    /// Whether an answer has undocumented fields.
    fn has_extras(&self, at: u64) -> bool {
        match self.rules.extras.as_str() {
            "always" => true,
            "never" => false,
            // By the number of the answer, so that a run can be repeated exactly.
            _ => seeded_hash(self.answered, "extras", at).is_multiple_of(2),
        }
    }
}
