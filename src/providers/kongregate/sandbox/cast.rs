//! The game's items, its players and what they own, the same for the same seed. All names are invented.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sandbox::simulator::scatter;

/// Something the game sells.
pub struct Definition {
    /// Not the number of what a player owns.
    pub id: u64,
    pub identifier: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    /// In Kreds.
    pub price: u64,
    pub tags: &'static [&'static str],
    /// How often one can be used; `None` is without limit.
    pub uses: Option<u64>,
}

/// Everything the game sells.
pub static ITEMS: [Definition; 6] = [
    Definition {
        id: 301,
        identifier: "lamp-oil",
        name: "Lamp oil",
        description: "Burns for one night.",
        price: 10,
        tags: &["boost"],
        uses: Some(1),
    },
    Definition {
        id: 302,
        identifier: "tea-tin",
        name: "Tin of tea",
        description: "Ten cups, each good for one more try.",
        price: 40,
        tags: &["potion", "boost"],
        uses: Some(10),
    },
    Definition {
        id: 303,
        identifier: "sea-chart",
        name: "Sea chart",
        description: "Shows the harbour's far side for good.",
        price: 75,
        tags: &["map"],
        uses: None,
    },
    Definition {
        id: 304,
        identifier: "brass-whistle",
        name: "Brass whistle",
        description: "Calls the ferry.",
        price: 25,
        tags: &[],
        uses: Some(5),
    },
    Definition {
        id: 305,
        identifier: "paint-red",
        name: "Red paint",
        description: "For one boat, for good.",
        price: 15,
        tags: &["paint"],
        uses: None,
    },
    Definition {
        id: 306,
        identifier: "ghost-net",
        name: "Ghost net \u{1f3ae}",
        description: "Catches \"nothing\" & <everything>.",
        price: 0,
        tags: &["map", "paint"],
        uses: Some(3),
    },
];

/// An item by its identifier.
pub fn item(identifier: &str) -> Option<&'static Definition> {
    ITEMS.iter().find(|item| item.identifier == identifier)
}

/// A player whose game this is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Player {
    pub id: u64,
    pub username: String,
    pub kreds: u64,
    /// How many passwords there were; the token follows from it.
    pub passwords: u64,
    pub private: bool,
    pub level: u64,
    pub gender: Option<String>,
    pub age: Option<u64>,
    /// How many of the crowd are friends.
    pub friends: u64,
}

impl Player {
    /// What proves the player until the password is changed.
    pub fn token(&self) -> String {
        format!("SANDBOX-TOKEN-{}-{}", self.id, self.passwords)
    }

    /// The uploader's own account, which buys for nothing.
    pub fn is_uploader(&self) -> bool {
        self.id == 1005
    }
}

/// One thing a player owns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Instance {
    /// Not the number of the definition.
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
            "name": item.map(|item| item.name),
            "description": item.map(|item| item.description),
            "remaining_uses": self.uses,
            "data": self.data,
        })
    }

    /// Whether there is nothing left of it.
    pub fn is_used_up(&self) -> bool {
        self.uses == Some(0)
    }
}

/// The players and what they own.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Cast {
    pub players: Vec<Player>,
    pub instances: Vec<Instance>,
    pub usage_records: u64,
    given: u64,
}

/// Number and size of the crowd: who is nobody in the game, but a friend or on a list.
pub const CROWD: std::ops::Range<u64> = 2_000..3_300;

/// The name of one of the crowd.
pub fn crowd_name(id: u64) -> String {
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

impl Cast {
    /// As the world begins.
    pub fn seeded(seed: u64) -> Self {
        let rows: [(u64, &str, bool, u64); 5] = [
            (1001, "PaperLantern", false, 3),
            (1002, "TinCompass", false, 0),
            (1003, "QuietOtter", true, 40),
            (1004, "MapleGear", false, 1_203),
            (1005, "CopperKite", false, 12),
        ];
        let players = rows.map(|(id, name, private, friends)| Player {
            id,
            username: name.into(),
            kreds: 100 + scatter(seed, "kreds", id) % 400,
            passwords: 1,
            private,
            level: 1 + scatter(seed, "level", id) % 60,
            gender: (id % 2 == 0).then(|| "Female".into()),
            age: (id % 3 != 0).then(|| 18 + scatter(seed, "age", id) % 40),
            friends,
        });
        let mut cast = Self {
            players: players.into(),
            usage_records: 7_652,
            ..Self::default()
        };
        for (owner, what) in [
            (1001, "tea-tin"),
            (1001, "sea-chart"),
            (1001, "brass-whistle"),
            (1002, "lamp-oil"),
            (1004, "ghost-net"),
            (1004, "paint-red"),
        ] {
            let id = cast.give(owner, item(what).expect("it is one of the items"));
            let one = cast.instances.iter_mut().find(|one| one.id == id);
            let one = one.expect("it was just given");
            if let Some(uses) = &mut one.uses {
                *uses = 1 + scatter(seed, "uses", id) % *uses;
            }
            if what == "paint-red" {
                one.data = Some(r#"{"boat":7}"#.into());
            }
        }
        cast
    }

    /// A player by number.
    pub fn player(&self, id: u64) -> Option<&Player> {
        self.players.iter().find(|player| player.id == id)
    }

    /// The same, to be changed.
    pub fn player_mut(&mut self, id: u64) -> Option<&mut Player> {
        self.players.iter_mut().find(|player| player.id == id)
    }

    /// Name by number, also of one of the crowd.
    pub fn name(&self, id: u64) -> Option<String> {
        match self.player(id) {
            Some(player) => Some(player.username.clone()),
            None => CROWD.contains(&id).then(|| crowd_name(id)),
        }
    }

    /// Number by name, also of one of the crowd. Case does not matter.
    pub fn id_of(&self, name: &str) -> Option<u64> {
        let known = self.players.iter();
        let known = known.map(|player| (player.id, player.username.clone()));
        let mut all = known.chain(CROWD.map(|id| (id, crowd_name(id))));
        all.find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(id, _)| id)
    }

    /// What is left of what a player owns.
    pub fn owned(&self, owner: u64) -> impl Iterator<Item = &Instance> {
        let all = self.instances.iter();
        all.filter(move |one| one.owner == owner && !one.is_used_up())
    }

    /// Gives a player one of these, and says its number.
    pub fn give(&mut self, owner: u64, item: &Definition) -> u64 {
        /// More than this is not remembered.
        const INSTANCES_MAX: usize = 5_000;
        self.given += 1;
        let id = 50_000 + self.given;
        if self.instances.len() >= INSTANCES_MAX {
            self.instances.remove(0);
        }
        self.instances.push(Instance {
            id,
            owner,
            item: item.identifier.into(),
            uses: item.uses,
            data: None,
        });
        id
    }
}
