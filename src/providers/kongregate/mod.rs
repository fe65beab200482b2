//! Kongregate: a site of games, whose players buy items with Kreds. An account is one game.
//! Its facts, their sources and their contradictions are in `docs/providers/kongregate.md`.

mod api;
mod auth;
mod callback;
mod catalogue;
mod digest;
mod facts;
mod sandbox;
mod settings;
mod signed;
#[cfg(test)]
mod tests;
mod wire;

use super::{Endpoint, Manifest, PublishedLimit, Verify};
use crate::domain::manage::{Guide, GuideTopic};
use crate::domain::{Ability, Counts, ProviderId};
use crate::net;

/// Kongregate's registration.
pub static MANIFEST: Manifest = Manifest {
    id: ProviderId("kongregate"),
    title: "Kongregate",
    spec: settings::SPEC,
    endpoints: &[Endpoint::production(
        settings::API,
        "https://api.kongregate.com/api",
    )],
    // Our choice: Kongregate publishes no limit (`docs/providers/kongregate.md#limits`). It is far above what an operator
    // needs, and stops a runaway script before Kongregate does.
    limits: &[PublishedLimit::of(settings::API, Counts::All, 600)],
    timeout: net::http::IDLE,
    tokens: None,
    abilities: &[Ability::Players],
    verify: Verify::Call,
    proves: &[settings::API_KEY],
    guide: GUIDE,
    catalogue: &catalogue::CATALOGUE,
    callbacks: callback::SPEC,
    player_claim: Some(callback::player_claim),
    callback_ids: callback::ids,
    deadlines: &[],
    connect: api::connect,
    simulator: || sandbox::simulator(&catalogue::CATALOGUE),
    embedded: &[
        (settings::API_KEY, sandbox::API_KEY),
        (settings::POST_ENCODING, settings::FORM),
    ],
};

/// From <https://docs.kongregate.com/docs/server-side-http> and the pages beside it.
const GUIDE: &[Guide] = &[
    Guide {
        title: "A game and its API key",
        about: GuideTopic::SetUp,
        steps: &[
            "Open an account at https://www.kongregate.com and upload a game: its address is then \
            https://www.kongregate.com/games/NAME/GAME.",
            "Signed in as its owner, open that address with /api added to its end: the page shows the \
            game's API key.",
            "Add the account in Credentials, or by `tilldeck account add`: enter the key; tilldeck verifies it by listing the game's items.",
            "Keep the key on servers: a game's client that makes these calls gives it to every player.",
            "A browser's warning about CORS or cross-origin resources means that a client calls the server \
            API: the key is probably exposed.",
        ],
    },
    Guide {
        title: "A player's name and game_auth_token",
        about: GuideTopic::SetUp,
        steps: &[
            "In the game's client, load Kongregate's Client API. Call kongregate.services.getUsername() and \
             kongregate.services.getGameAuthToken().",
            "Let the client pass both to the game's server, usually at login. The server keeps the token in memory only: it \
             is unique to one player of one game.",
            "`tilldeck player auth USER_ID` verifies that the token is the player's. An inventory callback \
            also contains name and token; `--token callback` uses that token.",
        ],
    },
    Guide {
        title: "Callbacks",
        about: GuideTopic::SetUp,
        steps: &[
            "Open the game's address with /edit added to its end.",
            "Enter the address that receives them as the API Callback URL, and save: one address for each game.",
            "Kongregate sends each callback once: after an outage, fetch the players' items again.",
        ],
    },
    Guide {
        title: "Tests",
        about: GuideTopic::SetUp,
        steps: &[
            "Kongregate has no sandbox and no test key: test with the real game.",
            "The account that uploaded the game buys its items for 0 Kreds.",
            "Without a game, tilldeck's built-in simulator responds as Kongregate does: `tilldeck sandbox serve`.",
        ],
    },
];
