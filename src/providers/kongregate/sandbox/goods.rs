//! Authenticating players, listing and using items.

use serde_json::{Value, json};

use super::controls::Extras;
use super::event::EventKind;
use super::fixtures::{FIXTURES, Instance, Player};
use super::{API_KEY, Call, CallResult, Failure, GAME_ID, GAME_TITLE, Params};
use crate::sandbox::simulator::seeded_hash;

impl Call<'_> {
    /// The player whom number and token authenticate.
    pub(super) fn player(&self, params: &Params) -> CallResult<&Player> {
        let [id, token] = params.required(["user_id", "game_auth_token"])?;
        let id = id.parse().ok();
        let player = id.and_then(|id| self.state.game_data.player(id));
        let player = player.filter(|player| player.token() == token);
        player.ok_or_else(Failure::credentials)
    }

    /// Whether an answer has undocumented fields.
    fn has_extras(&self, at: u64) -> bool {
        match self.state.rules.extras {
            Extras::Always => true,
            Extras::Never => false,
            // By the number of the answer, so that a run can be repeated exactly.
            Extras::Random => seeded_hash(self.state.answered, "extras", at).is_multiple_of(2),
        }
    }
}

/// GET authenticate. Here a wrong key gets the error of a wrong token or player.
pub fn authenticate(call: &mut Call<'_>) -> CallResult {
    let params = call.params();
    let [_, _, key] = params.required(["user_id", "game_auth_token", "api_key"])?;
    // The other calls answer a wrong key as `Call::keyed` does.
    if key != API_KEY {
        return Err(Failure::credentials());
    }
    let player = call.player(&params)?;
    Ok(json!({ "success": true, "username": player.username, "user_id": player.id }))
}

pub fn items(call: &mut Call<'_>) -> CallResult {
    let params = call.keyed()?;
    let tags = params.get("tags").into_iter();
    let tags: Vec<&str> = tags
        .flat_map(|tags| tags.split(','))
        .map(str::trim)
        .collect();
    let is_wanted = |tag: &String| tags.contains(&tag.as_str());
    let items = FIXTURES.items.iter();
    let wanted = items.filter(|item| tags.is_empty() || item.tags.iter().any(is_wanted));
    let rows = wanted.map(|item| {
        let mut row = json!(item);
        if call.has_extras(item.id) {
            row["game_id"] = GAME_ID.into();
            row["game_title"] = GAME_TITLE.into();
            row["image_url"] = format!("https://images.example/{}.png", item.identifier).into();
        }
        row
    });
    Ok(json!({ "success": true, "items": rows.collect::<Vec<_>>() }))
}

pub fn user_items(call: &mut Call<'_>) -> CallResult {
    let params = call.keyed()?;
    let [user] = params.required(["user_id"])?;
    let user = call.user(user.parse().ok())?;
    let rows = call.state.game_data.owned(user).map(Instance::row);
    let mut body = json!({ "success": true, "items": rows.collect::<Value>() });
    if call.has_extras(0) {
        body["s"] = 1.into();
        body["signature"] = "SANDBOX-SIGNATURE".into();
    }
    Ok(body)
}

pub fn use_item(call: &mut Call<'_>) -> CallResult {
    let params = call.keyed()?;
    let [_, _, id] = params.required(["user_id", "game_auth_token", "id"])?;
    let player = call.player(&params)?.id;
    let game_data = &mut call.state.game_data;
    let mut all = game_data.instances.iter_mut();
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
    game_data.usage_records += 1;
    let record = game_data.usage_records;
    call.state
        .send(EventKind::Inventory { player }, call.simulator);
    Ok(json!({ "success": true, "remaining_uses": left, "usage_record_id": record }))
}
