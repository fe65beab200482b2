//! The simulator's controls at Kongregate: settings and events.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Memory;
use super::fixtures;
use super::orders;
use super::webhooks::{self, EventKind, Fault};
use crate::domain::simulate::{Event, Setting};
use crate::domain::{inert, time};
use crate::sandbox::Simulator;

/// The events that an operator can trigger.
pub(super) const EVENTS: [Event; 8] = [
    Event {
        name: "buy",
        subject: "a player's number or name, and an item's identifier such as tea-tin",
        about: "a player buys an item for Kreds; Kongregate sends an inventory callback",
    },
    Event {
        name: "give",
        subject: "a player's number or name, and an item's identifier",
        about: "a player gets an item for free; Kongregate sends an inventory callback",
    },
    Event {
        name: "change-inventory",
        subject: "a player's number or name",
        about: "send an inventory callback without a change",
    },
    Event {
        name: "change-password",
        subject: "a player's number or name",
        about: "the player gets a new game_auth_token; the old one is invalid",
    },
    Event {
        name: "rename",
        subject: "a player's number or name, and the new name",
        about: "rename the player; the number stays",
    },
    Event {
        name: "order",
        subject: "a player's number or name, the order's name in one word, and optionally another recipient",
        about: "ask the game for the order's items and price, then to deliver it; the game's response decides",
    },
    Event {
        name: "unknown-event",
        subject: "a player's number or name",
        about: "send an undocumented callback",
    },
    Event {
        name: "unknown-signed-event",
        subject: "a player's number or name",
        about: "send an undocumented callback as a signed request",
    },
];

/// The longest accepted prefix.
const PREFIX_MAX: usize = 60;

/// The settings with their current values.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Rules {
    /// The path prefix of all calls; begins with a slash.
    pub prefix: String,
    pub fault: Fault,
    /// Whether inventory callbacks are plain, signed, or both.
    pub inventory: String,
    #[serde(alias = "patience")]
    pub answer_timeout: Duration,
    pub down: bool,
    pub blank: bool,
    /// Whether answers have undocumented fields: random, always, never.
    pub extras: String,
    /// Which calls need the key: all (guide), or only those whose API description lists it.
    #[serde(default = "keyed_always")]
    pub key_needed: String,
}

fn keyed_always() -> String {
    "always".into()
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            prefix: "/api".into(),
            fault: Fault::None,
            inventory: "plain".into(),
            answer_timeout: webhooks::ANSWER_TIMEOUT,
            down: false,
            blank: false,
            extras: "random".into(),
            key_needed: keyed_always(),
        }
    }
}

fn switch(on: bool) -> String {
    if on { "on" } else { "off" }.to_owned()
}

impl Rules {
    /// Validates settings from a snapshot.
    pub fn check(&self) -> Result<(), String> {
        prefix(&self.prefix).map(drop)
    }

    /// All settings with their current values.
    pub fn settings(&self) -> Vec<Setting> {
        let fault = Fault::ALL.iter().find(|(fault, _)| *fault == self.fault);
        vec![
            Setting::new(
                "callback-fault",
                fault.map_or("none", |(_, name)| name),
                &[
                    "none",
                    "wrong-key",
                    "bad-signature",
                    "algorithm-none",
                    "algorithm-sha1",
                    "padded",
                    "no-dot",
                    "two-dots",
                    "not-json",
                    "duplicate",
                ],
                "send callbacks with a wrong key, a bad signature or encoding, or twice",
            ),
            Setting::new(
                "inventory-events",
                self.inventory.clone(),
                &["plain", "signed", "both"],
                "send inventory callbacks as plain fields, signed or both",
            ),
            Setting::new(
                "patience",
                format!("{}ms", self.answer_timeout.as_millis()),
                &["5000ms", "500ms", "30s"],
                "time that Kongregate waits for the response to a callback",
            ),
            Setting::new(
                "downtime",
                switch(self.down),
                &["off", "on"],
                "respond to every call with 503 and an HTML page",
            ),
            Setting::new(
                "blank-answers",
                switch(self.blank),
                &["off", "on"],
                "respond to every call with 200 and an empty body",
            ),
            Setting::new(
                "extra-fields",
                self.extras.clone(),
                &["random", "always", "never"],
                "add undocumented fields to responses",
            ),
            Setting::new(
                "key-needed",
                self.key_needed.clone(),
                &["always", "where-listed"],
                "require the key in every call (guide), or only where the API description lists it",
            ),
            Setting::new(
                "prefix",
                self.prefix.clone(),
                &["/api", "/"],
                "path prefix of all calls; the built-in account uses /api",
            ),
        ]
    }

    /// Changes a setting.
    pub fn set(&mut self, name: &str, value: &str) -> Result<String, String> {
        let known = self.settings();
        let setting = Setting::named(&known, "Kongregate", name)?;
        match name {
            "prefix" => {
                self.prefix = prefix(value)?;
                return Ok(format!(
                    "Kongregate: all calls are now below {}",
                    self.prefix
                ));
            }
            "patience" => {
                let answer_timeout =
                    time::parse_duration(value).map_err(|error| error.to_string())?;
                if !(Duration::from_millis(1)..=Duration::from_mins(1)).contains(&answer_timeout) {
                    return Err("enter at most one minute".into());
                }
                self.answer_timeout = answer_timeout;
                let answer_timeout = time::fine(answer_timeout);
                return Ok(format!(
                    "Kongregate: waits {answer_timeout} for the response to a callback"
                ));
            }
            _ => {}
        }
        setting.takes(value)?;
        match name {
            "callback-fault" => {
                let mut all = Fault::ALL.into_iter();
                let fault = all.find_map(|(fault, known)| (known == value).then_some(fault));
                self.fault = fault.unwrap_or_default();
            }
            "inventory-events" => value.clone_into(&mut self.inventory),
            "downtime" => self.down = value == "on",
            "blank-answers" => self.blank = value == "on",
            "key-needed" => value.clone_into(&mut self.key_needed),
            _ => value.clone_into(&mut self.extras),
        }
        Ok(format!("Kongregate: {name} is now {value}"))
    }
}

/// Validates a path prefix.
fn prefix(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    let fits = text.starts_with('/')
        && text.len() <= PREFIX_MAX
        // Two slashes at the start would begin a host name (RFC 3986, 4.2).
        && !text.contains("//")
        && text.chars().all(plain);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "enter a path such as /api, not {}",
            inert::quoted(text, 40)
        ))
    }
}

impl Memory {
    /// Triggers one of [`EVENTS`].
    pub fn trigger(
        &mut self,
        event: &str,
        subject: &str,
        simulator: &Simulator,
    ) -> Result<String, String> {
        if !EVENTS.iter().any(|known| known.name == event) {
            let names: Vec<_> = EVENTS.iter().map(|event| event.name).collect();
            return Err(format!(
                "Kongregate has no event {}; its events are {}",
                inert::quoted(event, 40),
                names.join(", ")
            ));
        }
        let mut given = subject.split_whitespace();
        let player = self.find_player(given.next().unwrap_or_default())?;
        let (second, third) = (given.next().unwrap_or_default(), given.next());
        let name = self.game_data.name(player).unwrap_or_default();
        match event {
            "buy" | "give" => {
                let item = fixtures::item(second).ok_or_else(|| {
                    let known = fixtures::ITEMS.iter().map(|item| item.identifier);
                    format!(
                        "the game does not sell {}; it sells {}",
                        inert::quoted(second, 40),
                        known.collect::<Vec<_>>().join(", ")
                    )
                })?;
                let known = self.game_data.player_mut(player);
                let known = known.ok_or("the game has no player of that name")?;
                // The uploader buys for 0 Kreds (`docs/providers/kongregate.md#hosts`).
                let price = if event == "give" || known.is_uploader() {
                    0
                } else {
                    item.price
                };
                // Paid first: a player without enough Kreds gets nothing.
                known.kreds = known.kreds.checked_sub(price).ok_or_else(|| {
                    format!("{name} has {} Kreds; the item costs {price}", known.kreds)
                })?;
                let id = self.game_data.give(player, item);
                let sent_notice = self.send(EventKind::Inventory { player }, simulator);
                Ok(format!(
                    "{name} has {} (item {id}) for {price} Kreds; {sent_notice}",
                    item.identifier
                ))
            }
            "change-inventory" => {
                let sent_notice = self.send(EventKind::Inventory { player }, simulator);
                Ok(format!("{name}'s inventory changed; {sent_notice}"))
            }
            "change-password" => {
                let known = self.game_data.player_mut(player);
                let known = known.ok_or("the game has no player of that name")?;
                known.passwords += 1;
                Ok(format!(
                    "{name} changed the password: the old game_auth_token is invalid, the new one ends in -{}",
                    known.passwords
                ))
            }
            "rename" => {
                let fits = (4..=16).contains(&second.len())
                    && second
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || c == '_');
                if !fits {
                    return Err("a name has 4 to 16 letters, digits and _".into());
                }
                // Names are unique at one time, numbers for ever.
                if self.game_data.id_of(second).is_some() {
                    return Err(format!("another player is already called {second}"));
                }
                let known = self.game_data.player_mut(player);
                let known = known.ok_or("the game has no player of that name")?;
                second.clone_into(&mut known.username);
                Ok(format!("{name} is now called {second}"))
            }
            "order" => {
                let info = orders::order_info(second)?;
                let recipient = third.map_or(Ok(player), |third| self.find_player(third))?;
                let order = self.webhooks.orders.begin(player, recipient, info);
                // Orders drop out of memory in turn, and with them the callbacks that would need them.
                self.forget_unsendable();
                let sent_notice = self.send(EventKind::OrderRequest { order }, simulator);
                Ok(format!(
                    "{name} orders {info}: order {order}; {sent_notice}"
                ))
            }
            "unknown-event" => {
                let sent_notice = self.send(EventKind::Unknown { player }, simulator);
                Ok(format!("undocumented callback; {sent_notice}"))
            }
            _ => {
                let sent_notice = self.send(EventKind::UnknownSigned { player }, simulator);
                Ok(format!("undocumented signed callback; {sent_notice}"))
            }
        }
    }

    /// A player of the game by number or name.
    fn find_player(&self, text: &str) -> Result<u64, String> {
        let mut all = self.game_data.players.iter();
        let found = all.find(|player| {
            player.id.to_string() == text || player.username.eq_ignore_ascii_case(text)
        });
        found.map(|player| player.id).ok_or_else(|| {
            let known = self.game_data.players.iter();
            let known = known.map(|player| format!("{} ({})", player.id, player.username));
            format!(
                "there is no player {}; the players are {}",
                inert::quoted(text, 40),
                known.collect::<Vec<_>>().join(", ")
            )
        })
    }
}
