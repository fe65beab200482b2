//! The simulator's controls at Kongregate: settings and events.

use serde::{Deserialize, Serialize};

use super::Kongregate;
use super::event::EventKind;
use super::fixtures::{self, FIXTURES, Player};
use super::webhooks::{self, Fault, InventoryEvents};
use crate::domain::inert;
use crate::sandbox::Done;
use crate::sandbox::controls::{self, OFF_ON, Value, Wait, choices, controls, unknown};

/// The longest accepted prefix.
const PREFIX_MAX: usize = 60;

choices! {
    #[serde(rename_all = "kebab-case")]
    pub enum Extras {
        Random = "random",
        Always = "always",
        Never = "never",
    }
}

choices! {
    #[serde(rename_all = "kebab-case")]
    pub enum KeyNeeded {
        Always = "always",
        WhereListed = "where-listed",
    }
}

/// The path prefix of all calls; begins with a slash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Prefix(pub String);

impl Value for Prefix {
    fn shown(&self, _: &[&str]) -> String {
        self.0.clone()
    }

    fn set(&mut self, text: &str, _: &[&str]) -> Result<bool, String> {
        is_prefix(text)?;
        text.clone_into(&mut self.0);
        Ok(true)
    }
}

pub(super) fn is_prefix(text: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    let fits = text.starts_with('/')
        && text.len() <= PREFIX_MAX
        // Two slashes at the start would begin a host name (RFC 3986, 4.2).
        && !text.contains("//")
        && text.chars().all(plain);
    let refused = || format!("enter a path such as /api, not {}", inert::quoted(text, 40));
    fits.then_some(()).ok_or_else(refused)
}

controls! {
    Kongregate:
    /// The settings with their current values.
    #[derive(Debug, Clone, Serialize, Deserialize)]
    settings Rules {
        "callback-fault" fault: Fault = Fault::None, Fault::WORDS,
            "send callbacks with a wrong key, a bad signature or encoding, or twice";
        "inventory-events" inventory: InventoryEvents = InventoryEvents::Plain, InventoryEvents::WORDS,
            "send inventory callbacks as plain fields, signed or both";
        "patience" answer_timeout: Wait = webhooks::ANSWER_TIMEOUT, ["5000ms", "500ms", "30000ms"],
            "time that Kongregate waits for the response to a callback";
        "downtime" down: bool = false, OFF_ON,
            "respond to every call with 503 and an HTML page";
        "blank-answers" blank: bool = false, OFF_ON,
            "respond to every call with 200 and an empty body";
        "extra-fields" extras: Extras = Extras::Random, Extras::WORDS,
            "add undocumented fields to responses";
        "key-needed" key_needed: KeyNeeded = KeyNeeded::Always, KeyNeeded::WORDS,
            "require the key in every call (guide), or only where the API description lists it";
        "prefix" prefix: Prefix = Prefix("/api".into()), ["/api", "/"],
            "path prefix of all calls; the built-in account uses /api";
    }
    events {
        "buy" ("a player's number or name, and an item's identifier such as tea-tin")
            "a player buys an item for Kreds; Kongregate sends an inventory callback"
            => |scene| get_item(scene, true);
        "give" ("a player's number or name, and an item's identifier")
            "a player gets an item for free; Kongregate sends an inventory callback"
            => |scene| get_item(scene, false);
        "change-inventory" (PLAYER)
            "send an inventory callback without a change" => change_inventory;
        "change-password" (PLAYER)
            "the player gets a new game_auth_token; the old one is invalid" => change_password;
        "rename" ("a player's number or name, and the new name")
            "rename the player; the number stays" => rename;
        "order" ("a player's number or name, the order's name in one word, and optionally another recipient")
            "ask the game for the order's items and price, then to deliver it; the game's response decides" => order;
        "unknown-event" (PLAYER)
            "send an undocumented callback" => unknown_event;
        "unknown-signed-event" (PLAYER)
            "send an undocumented callback as a signed request" => unknown_signed_event;
    }
}

const PLAYER: &str = "a player's number or name";

type Scene<'a> = controls::Scene<'a, Kongregate>;

impl Scene<'_> {
    /// The player in the first word of the subject.
    fn player(&mut self) -> Result<&mut Player, String> {
        let text = self.word(0).unwrap_or_default();
        find_player(&mut self.state.game_data.players, text)
    }

    fn send(&mut self, what: EventKind) -> &'static str {
        self.state.send(what, self.simulator)
    }
}

/// A player of the game by number or name.
fn find_player<'a>(players: &'a mut [Player], text: &str) -> Result<&'a mut Player, String> {
    let is = |player: &Player| {
        player.id.to_string() == text || player.username.eq_ignore_ascii_case(text)
    };
    let Some(at) = players.iter().position(is) else {
        let known = players.iter();
        let known = known.map(|player| format!("{} ({})", player.id, player.username));
        return Err(unknown("player", text, known));
    };
    Ok(&mut players[at])
}

fn change_inventory(scene: &mut Scene<'_>) -> Done {
    let Player { id, username, .. } = scene.player()?.clone();
    let sent_notice = scene.send(EventKind::Inventory { player: id });
    Ok(format!("{username}'s inventory changed; {sent_notice}"))
}

fn change_password(scene: &mut Scene<'_>) -> Done {
    let player = scene.player()?;
    player.passwords += 1;
    Ok(format!(
        "{} changed the password: the old game_auth_token is invalid, the new one ends in -{}",
        player.username, player.passwords
    ))
}

fn unknown_event(scene: &mut Scene<'_>) -> Done {
    let player = scene.player()?.id;
    let sent_notice = scene.send(EventKind::Unknown { player });
    Ok(format!("undocumented callback; {sent_notice}"))
}

fn unknown_signed_event(scene: &mut Scene<'_>) -> Done {
    let player = scene.player()?.id;
    let sent_notice = scene.send(EventKind::UnknownSigned { player });
    Ok(format!("undocumented signed callback; {sent_notice}"))
}

fn get_item(scene: &mut Scene<'_>, pays: bool) -> Done {
    let named = scene.word(1).unwrap_or_default();
    let player = scene.player()?;
    let item = fixtures::item(named).ok_or_else(|| {
        let known = FIXTURES.items.iter().map(|item| item.identifier.as_str());
        let known: Vec<_> = known.collect();
        let (named, known) = (inert::quoted(named, 40), known.join(", "));
        format!("the game does not sell {named}; it sells {known}")
    })?;
    // The uploader buys for 0 Kreds (`docs/providers/kongregate.md#hosts`).
    let is_free = !pays || player.is_uploader();
    let price = if is_free { 0 } else { item.price };
    let (id, username, kreds) = (player.id, player.username.clone(), player.kreds);
    // Paid first: a player without enough Kreds gets nothing.
    player.kreds = kreds
        .checked_sub(price)
        .ok_or_else(|| format!("{username} has {kreds} Kreds; the item costs {price}"))?;
    let given = scene.state.game_data.give(id, item).id;
    let sent_notice = scene.send(EventKind::Inventory { player: id });
    Ok(format!(
        "{username} has {} (item {given}) for {price} Kreds; {sent_notice}",
        item.identifier
    ))
}

fn rename(scene: &mut Scene<'_>) -> Done {
    let new = scene.word(1).unwrap_or_default();
    let old = scene.player()?.username.clone();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !(4..=16).contains(&new.len()) || !new.chars().all(plain) {
        return Err("a name has 4 to 16 letters, digits and _".into());
    }
    // Names are unique at one time, numbers for ever.
    if scene.state.game_data.id_of(new).is_some() {
        return Err(format!("another player is already called {new}"));
    }
    new.clone_into(&mut scene.player()?.username);
    Ok(format!("{old} is now called {new}"))
}

fn order(scene: &mut Scene<'_>) -> Done {
    let Player { id, username, .. } = scene.player()?.clone();
    let info = scene.word(1).unwrap_or_default();
    if info.is_empty() || info.len() > 200 || info.contains(char::is_control) {
        let info = inert::quoted(info, 40);
        return Err(format!("{info} is not a valid order name"));
    }
    let recipient = match scene.word(2) {
        Some(name) => find_player(&mut scene.state.game_data.players, name)?.id,
        None => id,
    };
    let orders = &mut scene.state.webhooks.orders;
    let order = orders.begin([id, recipient], info, scene.now);
    // Orders drop out of memory in turn, and with them the callbacks that would need them.
    scene.state.forget_unsendable();
    let sent_notice = scene.send(EventKind::OrderRequest { order });
    Ok(format!(
        "{username} orders {info}: order {order}; {sent_notice}"
    ))
}
