//! Kinguin: game keys sold through its marketplace.
//! Its facts, their sources and their contradictions are in `docs/providers/kinguin.md`.

mod api;
mod auth;
mod callback;
mod catalogue;
mod digest;
mod sandbox;
mod settings;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

use super::{Endpoint, Manifest, PublishedLimit, Verify};
use crate::domain::manage::{Guide, GuideTopic};
use crate::domain::{Ability, Counts, Deadline, ProviderId};

/// Kinguin's registration.
pub static MANIFEST: Manifest = Manifest {
    id: ProviderId("kinguin"),
    title: "Kinguin",
    spec: settings::SPEC,
    endpoints: &[
        Endpoint::production(settings::GATEWAY, "https://gateway.kinguin.net"),
        Endpoint::production(settings::TOKEN, "https://id.kinguin.net/auth/token"),
        Endpoint::sandbox(settings::GATEWAY, "https://gateway.sandbox.kinguin.net"),
        // A guess after the pattern of the other hosts (`docs/providers/kinguin.md#hosts`); `endpoints` in the config sets
        // another.
        Endpoint::sandbox(settings::TOKEN, "https://id.sandbox.kinguin.net/auth/token"),
    ],
    // Two pages name two limits; both are held (`docs/providers/kinguin.md#limits`).
    limits: &[
        PublishedLimit::of(settings::GATEWAY, Counts::Writes, 2000),
        PublishedLimit::of(settings::GATEWAY, Counts::Reads, 4000),
    ],
    // Kinguin may delay a call over the limit by up to a minute instead of refusing it (`docs/providers/kinguin.md#limits`).
    timeout: Duration::from_secs(90),
    tokens: Some(auth::fetch),
    abilities: &[Ability::Stock],
    verify: Verify::Call,
    proves: &[settings::CLIENT_SECRET],
    guide: GUIDE,
    catalogue: &catalogue::CATALOGUE,
    callbacks: callback::SPEC,
    player_claim: None,
    callback_ids: callback::ids,
    // After that the order is cancelled (`docs/providers/kinguin.md#reservations`).
    deadlines: &[Deadline {
        event: "OUT_OF_STOCK",
        within: Duration::from_mins(15),
        // Not BOUGHT, whose webhook may be repeated after this one's.
        ended_by: &["DELIVERED", "CANCELED", "RETURNED", "REFUNDED", "REVERSED"],
        action: "give a key",
    }],
    connect: api::connect,
    simulator: || sandbox::simulator(&catalogue::CATALOGUE),
    embedded: &[
        (settings::CLIENT_ID, sandbox::CLIENT_ID),
        (settings::CLIENT_SECRET, sandbox::CLIENT_SECRET),
        (settings::WEBHOOK_HEADER, sandbox::WEBHOOK_HEADER),
        (settings::WEBHOOK_SECRET, sandbox::WEBHOOK_SECRET),
    ],
};

/// From <https://www.g2play.net/dev-portal/api-access>.
const GUIDE: &[Guide] = &[
    Guide {
        title: "A merchant account",
        about: GuideTopic::SetUp,
        steps: &[
            "Open a customer account at https://www.kinguin.net.",
            "At the bottom of the page, in the middle under \"Partnership\", follow \"Sell on kinguin\".",
            "Choose \"Start selling\", and once more on the next page.",
            "Fill in the whole form, and wait until Kinguin approves the account.",
            "Your customer account is now a merchant account. The orange switch at the top right, \
            next to \"Account\", opens the merchant panel.",
        ],
    },
    Guide {
        title: "A sandbox account",
        about: GuideTopic::SetUp,
        steps: &[
            "Open a customer account at https://www.sandbox.kinguin.net; it is separate from the one in production.",
            "Ask Kinguin by e-mail; the address is on https://www.g2play.net/dev-portal/api-access. The text: \"Hi, I would like to \
             request the sandbox merchant account. The account is created with following address: YOUR ADDRESS. Thank you in \
             advance. Should you have any questions do let me know directly. Best Regards\"",
            "Kinguin then gives it merchant rights; create a client in its panel as in production.",
            "Check the sandbox's addresses against the table on \
             https://kinguin-seller-hub.document360.io/docs/publicapidocumentationv2. If the table names another URL for the token call, set \
             `endpoints = { token = \"https://…\" }`.",
        ],
    },
    Guide {
        title: "Two-factor authentication (once, before the first client)",
        about: GuideTopic::SetUp,
        steps: &[
            "In the merchant panel's Developer section, start to connect a client; Kinguin first requires \
            Google Authenticator.",
            "Scan the QR code with the app: the app now lists the account with a six-digit code.",
            "Enter the six-digit code.",
            "Save the recovery codes. Google Authenticator is now on.",
        ],
    },
    Guide {
        title: "A client (id and secret)",
        about: GuideTopic::SetUp,
        steps: &[
            "In the merchant panel's Developer section, choose \"CONNECT\" and give the client a name.",
            "Choose \"NEXT\" and enter a code from Google Authenticator; the code stays valid for one hour.",
            "Copy the secret now: Kinguin shows it only once. If you lose it, reset it.",
            "Choose \"DONE\"; the client is now in the list.",
            "Add the account in Credentials, or by `tilldeck account add`: enter the id and the secret; tilldeck verifies them.",
        ],
    },
    Guide {
        title: "Reset of a client's secret",
        about: GuideTopic::Rotation,
        steps: &[
            "In the merchant panel's Developer section, open the client's menu (three dots) and choose \"Reset\".",
            "Confirm with \"YES\": Kinguin rejects the old secret from now on, so replace it in every \
            program that uses it.",
            "Enter a two-factor code from Google Authenticator; one entered within the last hour still counts.",
            "Copy the new secret: Kinguin shows it only once. Then choose \"DONE\".",
            "Enter the new secret in tilldeck, which verifies it before it replaces the old one.",
        ],
    },
    Guide {
        title: "Edit a client's name",
        about: GuideTopic::SetUp,
        steps: &[
            "In the merchant panel's Developer section, open the client's menu (three dots) and choose \
            \"Edit Client\".",
            "Change the name: the id and the secret stay the same, so your application needs no change.",
            "Choose \"SAVE\", then \"BACK\" to return to the list.",
        ],
    },
    Guide {
        title: "Delete a client",
        about: GuideTopic::Deletion,
        steps: &[
            "In the merchant panel's Developer section, open the client's menu (three dots) and choose \"Delete\".",
            "Confirm with \"YES\": Kinguin deletes the client permanently and rejects every program that uses it.",
            "Enter a code from Google Authenticator; one entered within the last hour still counts. Kinguin \
            then shows the list of clients.",
        ],
    },
];
