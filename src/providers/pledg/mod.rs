//! Pledg (`PledgBySofinco`): payment in instalments and deferred payment.
//! Its facts, their sources and their contradictions are in `docs/providers/pledg.md`.

mod api;
mod auth;
mod callback;
mod facts;
mod sandbox;
mod schedule;
mod settings;
mod signature;
#[cfg(test)]
mod tests;
mod wire;

use super::{Endpoint, Manifest, PublishedLimit, Verify};
use crate::domain::catalogue::{Param, next, write};
use crate::domain::manage::{Guide, GuideTopic};
use crate::domain::{Ability, Counts, DocumentedCall, ProviderId};
use crate::net;

/// Pledg's registration.
pub static MANIFEST: Manifest = Manifest {
    id: ProviderId("pledg"),
    title: "Pledg",
    spec: settings::SPEC,
    endpoints: &[
        Endpoint::production("api", "https://back.ecard.pledg.co"),
        // Pledg calls it staging: e-mails are sent, no money moves (`docs/providers/pledg.md#environments`).
        Endpoint::sandbox("api", "https://staging.back.ecard.pledg.co"),
        // Where payers make a purchase; no call of the API goes there.
        Endpoint::production(settings::FRONT, "https://front.ecard.pledg.co"),
        Endpoint::sandbox(settings::FRONT, "https://staging.front.ecard.pledg.co"),
    ],
    // Our choice: Pledg publishes no limit (`docs/providers/pledg.md#limits`). It is far above what a shop needs, and stops
    // a runaway script before Pledg does.
    limits: &[PublishedLimit::of("api", Counts::All, 600)],
    timeout: net::http::IDLE,
    tokens: Some(api::fetch),
    abilities: &[Ability::AuthMethods, Ability::PurchaseLinks],
    // By the token call: no call that reads an account is documented, and the schedule simulations need a merchant's uid
    // (`docs/providers/pledg.md#token`).
    verify: Verify::TokenCall,
    // The merchant's secret signs, and the dashboard's password opens other calls: neither goes into the token call.
    proves: &[settings::API_SECRET],
    guide: GUIDE,
    catalogue: CATALOGUE,
    callbacks: callback::SPEC,
    player_claim: None,
    callback_ids: callback::ids,
    deadlines: &[],
    connect: api::connect,
    simulator: || Box::new(sandbox::Pledg::default()),
    embedded: &[
        (settings::API_KEY, sandbox::API_KEY),
        (settings::API_SECRET, sandbox::API_SECRET),
        (settings::MERCHANT_SECRET, sandbox::MERCHANT_SECRET),
        (settings::DASHBOARD_USER, sandbox::DASHBOARD_USER),
        (settings::DASHBOARD_PASSWORD, sandbox::DASHBOARD_PASSWORD),
    ],
};

const MERCHANT: &[Param] = &[Param::in_path(
    "merchant_uid",
    "uid of one payment solution, mer_…",
    "mer_00000000-0000-4000-8000-000000000001",
)];

const COMPANY: &[Param] = &[Param::in_path(
    "company_uid",
    "uid of a company with several solutions, cmp_…",
    "cmp_00000000-0000-4000-8000-000000000001",
)];

const SCHEDULE: &str = r#"{"amount_cents": 20000, "created": "2026-12-17"}"#;

/// The call's fields; <https://docs.pledg.co/integration/principles/settings.html> has all of it.
const PURCHASE: &str = r#"{
  "data": {
    "merchantUid": "mer_00000000-0000-4000-8000-000000000001",
    "amountCents": 20000,
    "email": "payer@shop.example",
    "firstName": "Jo",
    "lastName": "Payer",
    "reference": "ORDER-2001",
    "title": "Two nights"
  }
}"#;

const PURCHASE_LINK: &str = r#"{
  "data": {
    "merchantUid": "mer_00000000-0000-4000-8000-000000000001",
    "amountCents": 20000,
    "email": "payer@shop.example",
    "firstName": "Jo",
    "lastName": "Payer",
    "reference": "ORDER-2002",
    "title": "Two nights"
  },
  "purchase_link_settings": {"send_email": true, "email": "payer@shop.example", "send_sms": false}
}"#;

/// Every documented call except the token call, which tilldeck makes itself. "Check a purchase status" and "trigger a
/// capture" have no documented path, so they are not here.
const CATALOGUE: &[DocumentedCall] = &[
    DocumentedCall::post(
        "/api/merchants/{merchant_uid}/simulate_payment_schedule",
        MERCHANT,
        SCHEDULE,
        "payment schedule (access token) of one solution; `second_installment_date` in the \
            body moves the second part",
    )
    .reading(),
    DocumentedCall::post(
        "/api/users/me/merchants/{merchant_uid}/simulate_payment_schedule",
        MERCHANT,
        SCHEDULE,
        "payment schedule (no token) of one solution",
    )
    .reading(),
    DocumentedCall::post(
        "/api/users/me/companies/{company_uid}/simulate_payment_schedule",
        COMPANY,
        SCHEDULE,
        "payment schedules (no token) of all solutions of a company",
    )
    .reading(),
    DocumentedCall::post(
        "/api/purchase_link/",
        &[],
        PURCHASE_LINK,
        "create a purchase link; tilldeck signs the body with merchant_secret and sends the signature",
    ),
    DocumentedCall::post(
        "/api/payment_by_transfer",
        &[],
        PURCHASE,
        "create a purchase paid by transfer; tilldeck signs the body with merchant_secret and sends \
            the signature",
    ),
    DocumentedCall::post(
        "/api/purchases/{purchase_uid}/credit_by_transfer",
        &[Param::in_path(
            "purchase_uid",
            "uid of a paid purchase, pur_…",
            "pur_00000000-0000-4000-8000-000000000001",
        )],
        r#"{"amount_cents": 500}"#,
        "refund a part or all; repeated refunds up to the total",
    )
    .after(&[write(
        "refund the purchase",
        &["purchase_uid"],
        r#"{"amount_cents": "{#amount_cents}"}"#,
    )]),
    DocumentedCall::write(
        "POST",
        "/api/purchases/{purchase_uid}/release",
        &[Param::in_path(
            "purchase_uid",
            "uid of a purchase whose virtual card was not debited, pur_…",
            "pur_00000000-0000-4000-8000-000000000002",
        )],
        None,
        "release a virtual card, which refunds the payer; uses the dashboard login (basic) unless \
            you choose bearer",
    )
    .after(&[next("release the virtual card", &["purchase_uid"])]),
];

/// From <https://docs.pledg.co/integration/principles/environments.html> and
/// <https://docs.pledg.co/integration/api/authentication.html>.
const GUIDE: &[Guide] = &[
    Guide {
        title: "A staging account, for tests",
        about: GuideTopic::SetUp,
        steps: &[
            "Ask your contact at Pledg for access to staging; Pledg creates these accounts, too.",
            "Its dashboard is at https://staging.dashboard.ecard.pledg.co. Save its login as dashboard_user and \
            dashboard_password.",
            "Set environment = \"sandbox\" in the config. Staging sends links only by e-mail, needs no \
            one-time code, and moves no money.",
            "Pay with Stripe's test cards: 4242424242424242 succeeds, 4000002500003155 requires 3-D Secure, \
            4000000000009995 has no funds.",
        ],
    },
    Guide {
        title: "A production account",
        about: GuideTopic::SetUp,
        steps: &[
            "Sign a contract with Pledg: you cannot create a production account yourself. Pledg then sets \
            up the company and its payment solutions.",
            "Each payment solution (in three instalments, deferred, …) has its own merchant uid, mer_…; a \
            company with several solutions has cmp_….",
            "The dashboard is at https://dashboard.ecard.pledg.co.",
        ],
    },
    Guide {
        title: "The API key and its secret",
        about: GuideTopic::SetUp,
        steps: &[
            "Ask Pledg for a client API key and its secret, one for staging and one for production.",
            "Add the account in Credentials, or by `tilldeck account add`: enter both; tilldeck verifies them by fetching an access token, \
            which expires after ten minutes.",
            "Keep both private: never in a web page's JavaScript, a mobile app or a shared repository.",
            "If they leak, inform Pledg at once.",
        ],
    },
    Guide {
        title: "The merchant secret, for signatures",
        about: GuideTopic::SetUp,
        steps: &[
            "It is the \"Secret Key\" in the dashboard, not the API secret.",
            "It signs purchase links, and Pledg signs its notifications with it. Without it, tilldeck cannot \
            recognise a forged notification.",
            "Set it as merchant_secret of the account.",
            "`tilldeck purchase-link ACCOUNT --data '{\"data\": {…}}' --qr` signs a purchase and prints the \
            link to its page.",
        ],
    },
    Guide {
        title: "The dashboard login, for basic authentication",
        about: GuideTopic::SetUp,
        steps: &[
            "Some of Pledg's endpoints need basic authentication; Pledg does not list them. tilldeck sends it when it \
             releases a virtual card.",
            "Set dashboard_user and dashboard_password of the account: the e-mail address and password of \
            the merchant dashboard.",
            "For any other call, choose it: `tilldeck request ACCOUNT METHOD PATH --auth basic`, or in the explorer. `--auth bearer` \
             sends the access token instead.",
        ],
    },
];
