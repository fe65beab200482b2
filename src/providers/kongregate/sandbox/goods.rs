//! Players proved, items listed and used up.

use serde_json::{Value, json};

use super::cast::{ITEMS, Instance, Player};
use super::post::What;
use super::{API_KEY, CallResult, Failure, GAME_ID, GAME_TITLE, Memory, Params};
use crate::sandbox::Simulator;
use crate::sandbox::simulator::scatter;

impl Memory {
    /// The player whom number and token prove.
    pub fn proved(&self, user_id: &str, token: &str) -> Result<&Player, Failure> {
        let player = user_id.parse().ok().and_then(|id| self.cast.player(id));
        player
            .filter(|player| player.token() == token)
            .ok_or_else(Failure::credentials)
    }

    /// GET authenticate. Here a wrong key is one of three that do not belong together.
    pub fn authenticate(&self, params: &Params) -> CallResult {
        let [user, token, key] = params.required(["user_id", "game_auth_token", "api_key"])?;
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
            .filter(|id| self.cast.name(*id).is_some())
            .ok_or_else(|| Failure::not_found("User"))?;
        let rows: Vec<Value> = self.cast.owned(user).map(Instance::row).collect();
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
        let mut all = self.cast.instances.iter_mut();
        let found = all.find(|one| one.id.to_string() == id && one.owner == player);
        let found = found.ok_or_else(|| Failure::not_found("Item"))?;
        let left = match &mut found.uses {
            None => return Err(Failure::new(400, "Item has unlimited uses")),
            Some(0) => return Err(Failure::new(400, "Item has no uses remaining")),
            Some(left) => {
                *left -= 1;
                *left
            }
        };
        self.cast.usage_records += 1;
        let record = self.cast.usage_records;
        self.send(What::Inventory { player }, simulator);
        Ok(json!({ "success": true, "remaining_uses": left, "usage_record_id": record }))
    }

    /// Whether an answer has fields that no documentation names.
    fn has_extras(&self, at: u64) -> bool {
        match self.rules.extras.as_str() {
            "always" => true,
            "never" => false,
            _ => scatter(self.answered, "extras", at).is_multiple_of(2),
        }
    }
}
