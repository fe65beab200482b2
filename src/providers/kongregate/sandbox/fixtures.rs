//! Fixtures: the game's items, its players and what they own. Same seed, same data; all names are invented.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sandbox::simulator::seeded_hash;

/// What the simulation starts with.
#[derive(Deserialize)]
pub struct Fixtures {
    pub items: Vec<Definition>,
    players: Vec<PlayerTemplate>,
    pub kongpanions: Vec<Kongpanion>,
}

/// An item that the game sells, as `items` lists it.
#[derive(Serialize, Deserialize)]
pub struct Definition {
    /// The definition's number; a player's item has its own.
    pub id: u64,
    pub identifier: String,
    pub name: String,
    pub description: String,
    pub price: u64,
    pub tags: Vec<String>,
    /// The number of uses; `None` is unlimited.
    #[serde(skip_serializing)]
    pub uses: Option<u64>,
}

#[derive(Deserialize)]
struct PlayerTemplate {
    id: u64,
    username: String,
    private: bool,
    friends: u64,
    owns: Vec<String>,
}

#[derive(Deserialize)]
pub struct Kongpanion {
    pub id: u64,
    pub name: String,
    pub description: String,
}

pub static FIXTURES: LazyLock<Fixtures> = LazyLock::new(|| {
    let fixtures = include_str!("../../../../assets/sandbox/kongregate.json");
    serde_json::from_str(fixtures).expect("every test reads the file")
});

pub fn item(identifier: &str) -> Option<&'static Definition> {
    let mut items = FIXTURES.items.iter();
    items.find(|item| item.identifier == identifier)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Player {
    pub id: u64,
    pub username: String,
    pub kreds: u64,
    /// The number of passwords so far; the token follows from it.
    pub passwords: u64,
    pub private: bool,
    pub level: u64,
    pub gender: Option<String>,
    pub age: Option<u64>,
    /// How many of [`OTHER_USERS`] are friends.
    pub friends: u64,
}

impl Player {
    /// The player's `game_auth_token`; a password change makes a new one.
    pub fn token(&self) -> String {
        format!("SANDBOX-TOKEN-{}-{}", self.id, self.passwords)
    }

    /// Whether this is the uploader's own account, which buys for 0 Kreds.
    pub fn is_uploader(&self) -> bool {
        self.id == 1005
    }
}

/// One item that a player owns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instance {
    /// The item's own number, not its definition's.
    pub id: u64,
    pub owner: u64,
    pub item: String,
    pub uses: Option<u64>,
    pub data: Option<String>,
}

impl Instance {
    /// As `user_items` lists it.
    pub fn row(&self) -> Value {
        let item = item(&self.item);
        json!({
            "id": self.id,
            "identifier": self.item,
            "name": item.map(|item| &item.name),
            "description": item.map(|item| &item.description),
            "remaining_uses": self.uses,
            "data": self.data,
        })
    }

    /// Whether all its uses are spent.
    pub fn is_used_up(&self) -> bool {
        self.uses == Some(0)
    }
}

/// The players and what they own.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct GameData {
    pub players: Vec<Player>,
    pub instances: Vec<Instance>,
    pub usage_records: u64,
    given: u64,
}

/// Ids of users who do not play the game, but appear as friends or in score lists.
pub const OTHER_USERS: std::ops::Range<u64> = 2_000..3_300;

/// The name of one of [`OTHER_USERS`].
pub fn other_user_name(id: u64) -> String {
    const FIRST: [&str; 10] = [
        "Amber", "Brisk", "Calm", "Dapper", "Early", "Fabled", "Gentle", "Hidden", "Idle", "Jolly",
    ];
    const SECOND: [&str; 13] = [
        "Anchor", "Badger", "Candle", "Dune", "Ember", "Ferry", "Gull", "Heron", "Inlet", "Jetty",
        "Kelp", "Lagoon", "Moth",
    ];
    let pick =
        |names: &[&'static str], by: u64| names[usize::try_from(by).unwrap_or(0) % names.len()];
    format!("{}{}{id}", pick(&FIRST, id), pick(&SECOND, id / 10))
}

impl GameData {
    /// The data at the simulation's start.
    pub fn seeded(seed: u64) -> Self {
        let templates = &FIXTURES.players;
        let players = templates.iter().map(|template| {
            let id = template.id;
            Player {
                id,
                username: template.username.clone(),
                kreds: 100 + seeded_hash(seed, "kreds", id) % 400,
                passwords: 1,
                private: template.private,
                level: 1 + seeded_hash(seed, "level", id) % 60,
                gender: (id % 2 == 0).then(|| "Female".into()),
                age: (id % 3 != 0).then(|| 18 + seeded_hash(seed, "age", id) % 40),
                friends: template.friends,
            }
        });
        let mut game_data = Self {
            players: players.collect(),
            usage_records: 7_652,
            ..Self::default()
        };
        let owned = templates
            .iter()
            .flat_map(|one| one.owns.iter().map(|item| (one.id, item)));
        for (owner, item) in owned {
            let one = game_data.give(owner, self::item(item).expect("it is sold"));
            if let Some(uses) = &mut one.uses {
                *uses = 1 + seeded_hash(seed, "uses", one.id) % *uses;
            }
            if one.item == "paint-red" {
                one.data = Some(r#"{"boat":7}"#.into());
            }
        }
        game_data
    }

    pub fn player(&self, id: u64) -> Option<&Player> {
        self.players.iter().find(|player| player.id == id)
    }

    pub fn player_mut(&mut self, id: u64) -> Option<&mut Player> {
        self.players.iter_mut().find(|player| player.id == id)
    }

    /// Name by number, also of [`OTHER_USERS`].
    pub fn name(&self, id: u64) -> Option<String> {
        match self.player(id) {
            Some(player) => Some(player.username.clone()),
            None => OTHER_USERS.contains(&id).then(|| other_user_name(id)),
        }
    }

    /// Number by name, also of [`OTHER_USERS`]. Case does not matter.
    pub fn id_of(&self, name: &str) -> Option<u64> {
        let known = self.players.iter();
        let known = known.map(|player| (player.id, player.username.clone()));
        let mut all = known.chain(OTHER_USERS.map(|id| (id, other_user_name(id))));
        all.find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(id, _)| id)
    }

    /// A player's items that are not used up.
    pub fn owned(&self, owner: u64) -> impl Iterator<Item = &Instance> {
        let all = self.instances.iter();
        all.filter(move |one| one.owner == owner && !one.is_used_up())
    }

    /// Gives a player an item and returns it.
    pub fn give(&mut self, owner: u64, item: &Definition) -> &mut Instance {
        const INSTANCES_MAX: usize = 5_000;
        self.given += 1;
        let id = 50_000 + self.given;
        if self.instances.len() >= INSTANCES_MAX {
            // The oldest, since ids only grow.
            self.instances.remove(0);
        }
        let at = self.instances.len();
        self.instances.push(Instance {
            id,
            owner,
            item: item.identifier.clone(),
            uses: item.uses,
            data: None,
        });
        &mut self.instances[at]
    }
}
