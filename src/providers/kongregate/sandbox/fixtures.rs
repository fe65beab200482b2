//! Fixtures: the game's items, its players and what they own. Same seed, same data; all names are invented.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sandbox::simulator::seeded_hash;

/// What the simulation starts with.
#[derive(Deserialize)]
pub struct Fixtures {
    pub items: Vec<Definition>,
    players: Vec<Player>,
    /// The players' items, by the players' numbers.
    owned: Vec<(u64, String)>,
    pub kongpanions: Vec<Kongpanion>,
    /// The two parts of the names of [`OTHER_USERS`].
    names: [Vec<String>; 2],
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
pub struct Kongpanion {
    pub id: u64,
    pub name: String,
    pub description: String,
}

pub static FIXTURES: LazyLock<Fixtures> = LazyLock::new(|| {
    let fixtures = include_str!("../../../../assets/sandbox/kongregate.json");
    serde_json::from_slice(fixtures.as_bytes()).expect("every test reads the file")
});

pub fn item(identifier: &str) -> Option<&'static Definition> {
    let mut items = FIXTURES.items.iter();
    items.find(|item| item.identifier == identifier)
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
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
}

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
    let pick =
        |names: &'static [String], by: u64| &names[usize::try_from(by).unwrap_or(0) % names.len()];
    let [first, second] = &FIXTURES.names;
    format!("{}{}{id}", pick(first, id), pick(second, id / 10))
}

impl GameData {
    pub fn seeded(seed: u64) -> Self {
        let mut game_data = Self {
            players: FIXTURES.players.clone(),
            usage_records: 7_652,
            ..Self::default()
        };
        for player in &mut game_data.players {
            let id = player.id;
            player.kreds = 100 + seeded_hash(seed, "kreds", id) % 400;
            player.passwords = 1;
            player.level = 1 + seeded_hash(seed, "level", id) % 60;
            player.gender = (id % 2 == 0).then(|| "Female".into());
            player.age = (id % 3 != 0).then(|| 18 + seeded_hash(seed, "age", id) % 40);
        }
        for (owner, item) in &FIXTURES.owned {
            let one = game_data.give(*owner, self::item(item).expect("it is sold"));
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
        all.filter(move |one| one.owner == owner && one.uses != Some(0))
    }

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
