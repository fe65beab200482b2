//! How Kongregate is played, as far as that can be changed, and what can be made to happen.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Memory;
use super::cast;
use super::orders;
use super::post::{self, Fault, What};
use crate::domain::simulate::{Event, Setting};
use crate::domain::{inert, time};
use crate::sandbox::Simulator;

/// What can be made to happen.
pub(super) const EVENTS: [Event; 8] = [
    Event {
        name: "buy",
        subject: "a player's number or name, and an item's identifier like tea-tin",
        about: "the player buys it for Kreds; the game is told that the inventory changed",
    },
    Event {
        name: "give",
        subject: "a player's number or name, and an item's identifier",
        about: "the player is given it for nothing; the game is told that the inventory changed",
    },
    Event {
        name: "change-inventory",
        subject: "a player's number or name",
        about: "the game is told that the inventory changed, whether it did or not",
    },
    Event {
        name: "change-password",
        subject: "a player's number or name",
        about: "the player's game_auth_token is another from now on",
    },
    Event {
        name: "rename",
        subject: "a player's number or name, and the new name",
        about: "the player's name is another from now on; the number stays",
    },
    Event {
        name: "order",
        subject: "a player's number or name, what is ordered in one word, and who is to have it where that is another",
        about: "the game is asked what the order holds and costs, then to hand it over; its answers decide",
    },
    Event {
        name: "unknown-event",
        subject: "a player's number or name",
        about: "the game is told of something that no documentation names",
    },
    Event {
        name: "unknown-signed-event",
        subject: "a player's number or name",
        about: "the same in a signed request",
    },
];

/// Longer prefixes are not played.
const PREFIX_MAX: usize = 60;

/// How it is played.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Rules {
    /// Below which all calls are; begins with a slash.
    pub prefix: String,
    pub fault: Fault,
    /// Whether changes of an inventory are told plain, signed, or both.
    pub inventory: String,
    pub patience: Duration,
    pub down: bool,
    pub blank: bool,
    /// Whether answers have fields that no documentation names: random, always, never.
    pub extras: String,
    /// Which calls need the key: all, as the guide has it, or only those whose API description lists it.
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
            patience: post::PATIENCE,
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
    /// Whether these could have been set.
    pub fn check(&self) -> Result<(), String> {
        prefix(&self.prefix).map(drop)
    }

    /// Every setting as it stands.
    pub fn settings(&self) -> Vec<Setting> {
        let fault = Fault::ALL.iter().find(|(fault, _)| *fault == self.fault);
        let setting = |name, value, choices, about| Setting {
            name,
            value,
            choices,
            about,
        };
        vec![
            setting(
                "callback-fault",
                fault.map_or("none", |(_, name)| name).to_owned(),
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
                "what is wrong with callbacks from now on",
            ),
            setting(
                "inventory-events",
                self.inventory.clone(),
                &["plain", "signed", "both"],
                "whether changes of an inventory are told in plain fields or signed",
            ),
            setting(
                "patience",
                format!("{}ms", self.patience.as_millis()),
                &["5000ms", "500ms", "30s"],
                "how long a receiver may take before the connection is cut",
            ),
            setting(
                "downtime",
                switch(self.down),
                &["off", "on"],
                "whether every call is answered 503 with an HTML page",
            ),
            setting(
                "blank-answers",
                switch(self.blank),
                &["off", "on"],
                "whether every call is answered 200 with nothing",
            ),
            setting(
                "extra-fields",
                self.extras.clone(),
                &["random", "always", "never"],
                "whether answers have fields that no documentation names",
            ),
            setting(
                "key-needed",
                self.key_needed.clone(),
                &["always", "where-listed"],
                "whether every call needs the key, as the guide says, or only those whose API description lists it",
            ),
            setting(
                "prefix",
                self.prefix.clone(),
                &["/api", "/"],
                "below which path all calls are; the embedded account asks below /api",
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
                return Ok(format!("Kongregate's calls are below {}", self.prefix));
            }
            "patience" => {
                let patience = time::parse_duration(value).map_err(|error| error.to_string())?;
                if !(Duration::from_millis(1)..=Duration::from_mins(1)).contains(&patience) {
                    return Err("a receiver has up to one minute".into());
                }
                self.patience = patience;
                let patience = time::fine(patience);
                return Ok(format!(
                    "receivers of Kongregate's callbacks have {patience}"
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
        Ok(format!("Kongregate's {name} is {value} from now on"))
    }
}

/// A prefix that can be the beginning of a path.
fn prefix(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    let fits = text.starts_with('/')
        && text.len() <= PREFIX_MAX
        && !text.contains("//")
        && text.chars().all(plain);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "a prefix is a path like /api, not {}",
            inert::quoted(text, 40)
        ))
    }
}

impl Memory {
    /// Makes one of [`EVENTS`] happen.
    pub fn happen(
        &mut self,
        event: &str,
        subject: &str,
        simulator: &Simulator,
    ) -> Result<String, String> {
        if !EVENTS.iter().any(|known| known.name == event) {
            let names: Vec<_> = EVENTS.iter().map(|event| event.name).collect();
            return Err(format!(
                "Kongregate has no event {}; it has {}",
                inert::quoted(event, 40),
                names.join(", ")
            ));
        }
        let mut given = subject.split_whitespace();
        let player = self.someone(given.next().unwrap_or_default())?;
        let (second, third) = (given.next().unwrap_or_default(), given.next());
        let name = self.cast.name(player).unwrap_or_default();
        match event {
            "buy" | "give" => {
                let item = cast::item(second).ok_or_else(|| {
                    let known = cast::ITEMS.iter().map(|item| item.identifier);
                    format!(
                        "the game sells no {}; it sells {}",
                        inert::quoted(second, 40),
                        known.collect::<Vec<_>>().join(", ")
                    )
                })?;
                let known = self.cast.player_mut(player);
                let known = known.ok_or("nobody of that name plays the game")?;
                let price = if event == "give" || known.is_uploader() {
                    0
                } else {
                    item.price
                };
                known.kreds = known.kreds.checked_sub(price).ok_or_else(|| {
                    format!("{name} has {} Kreds, and it costs {price}", known.kreds)
                })?;
                let id = self.cast.give(player, item);
                let said = self.send(What::Inventory { player }, simulator);
                Ok(format!(
                    "{name} has {} (item {id}) for {price} Kreds; {said}",
                    item.identifier
                ))
            }
            "change-inventory" => {
                let said = self.send(What::Inventory { player }, simulator);
                Ok(format!("{name}'s inventory changed; {said}"))
            }
            "change-password" => {
                let known = self.cast.player_mut(player);
                let known = known.ok_or("nobody of that name plays the game")?;
                known.passwords += 1;
                Ok(format!(
                    "{name} changed the password: the old game_auth_token is void, and the new one ends in -{}",
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
                if self.cast.id_of(second).is_some() {
                    return Err(format!("{second} is somebody's name already"));
                }
                let known = self.cast.player_mut(player);
                let known = known.ok_or("nobody of that name plays the game")?;
                second.clone_into(&mut known.username);
                Ok(format!("{name} is {second} from now on"))
            }
            "order" => {
                let info = orders::order_info(second)?;
                let recipient = third.map_or(Ok(player), |third| self.someone(third))?;
                let order = self.post.orders.begin(player, recipient, info);
                self.forget_unsendable();
                let said = self.send(What::OrderRequest { order }, simulator);
                Ok(format!("{name} orders {info}: order {order}; {said}"))
            }
            "unknown-event" => {
                let said = self.send(What::Unknown { player }, simulator);
                Ok(format!("an event that nobody knows; {said}"))
            }
            _ => {
                let said = self.send(What::UnknownSigned { player }, simulator);
                Ok(format!("a signed event that nobody knows; {said}"))
            }
        }
    }

    /// A player of the game by number or name.
    fn someone(&self, text: &str) -> Result<u64, String> {
        let mut all = self.cast.players.iter();
        let found = all.find(|player| {
            player.id.to_string() == text || player.username.eq_ignore_ascii_case(text)
        });
        found.map(|player| player.id).ok_or_else(|| {
            let known = self.cast.players.iter();
            let known = known.map(|player| format!("{} ({})", player.id, player.username));
            format!(
                "no player {}; there are {}",
                inert::quoted(text, 40),
                known.collect::<Vec<_>>().join(", ")
            )
        })
    }
}
