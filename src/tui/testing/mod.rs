//! Accounts, payments and exchanges for tests; a keyboard and a readable screen are in `screen`.

pub mod received;
mod screen;

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::msg::{NewWatch, Ready};
use super::setup::ProfileEntry;
use super::{Effect, Model, Msg, Setup, update};
use crate::domain::catalogue::{FollowUp, Param, ParamLocation};
use crate::domain::manage::{Guide, GuideTopic, KeyKind, KeySpec, ProviderSetup};
use crate::domain::payment::Price;
use crate::domain::search::Found;
use crate::domain::{
    Ability, Account, AccountId, Amount, Answer, Body, Currency, DocumentedCall, Environment,
    Estimate, Exchange, ExchangeId, Expectation, Expected, ExpectedBy, Handled, Note, Now,
    Observation, Outcome, Payment, PaymentId, PaymentState, ProviderId, Reported, RequestId,
    StoredIn, Timeline, TimelineEntry, TimelineEvent, TokenLifetime, TokenStatus, Ui, WallTime,
    Watch,
};

pub use screen::*;

/// 2026-11-22 02:54:26 UTC.
pub const START: WallTime = WallTime(1_795_316_066_000);

pub fn second(at: u64) -> Now {
    Now {
        mono: Duration::from_secs(at),
        wall: START.plus(Duration::from_secs(at)),
    }
}

pub fn shop() -> AccountId {
    AccountId::new("kanga").unwrap()
}

pub fn id(text: &str) -> PaymentId {
    PaymentId::new(text).unwrap()
}

pub fn amount(text: &str) -> Amount {
    Amount::received(text).unwrap()
}

pub fn currency(text: &str) -> Currency {
    Currency::new(text).unwrap()
}

pub fn account(name: &str, environment: Environment) -> Account {
    let embedded = environment == Environment::Embedded;
    Account {
        id: AccountId::new(name).unwrap(),
        provider: ProviderId("kanga"),
        provider_title: "Kanga TPG",
        environment,
        host: if embedded {
            "127.0.0.1:41207"
        } else {
            "api.kanga.exchange"
        }
        .into(),
        base: if embedded {
            "http://127.0.0.1:41207"
        } else {
            "https://api.kanga.exchange"
        }
        .into(),
        secret_source: if embedded {
            "built in"
        } else {
            "env KANGA_API_SECRET"
        }
        .into(),
        uses_access_tokens: false,
        abilities: &[Ability::Payments, Ability::Links, Ability::Estimates],
    }
}

const fn field(name: &'static str, about: &'static str, kind: KeyKind, required: bool) -> KeySpec {
    KeySpec {
        name,
        kind,
        required,
        about,
    }
}

const KANGA: &[KeySpec] = &[
    field("api_key", "the API key", KeyKind::Text, true),
    field("api_secret", "the API secret", KeyKind::Secret, true),
];
const KINGUIN: &[KeySpec] = &[
    field(
        "client_id",
        "the client id, from the merchant panel's Developer section",
        KeyKind::Text,
        true,
    ),
    field(
        "client_secret",
        "the client's secret key, shown there once",
        KeyKind::Secret,
        true,
    ),
    field("other_secret", "another", KeyKind::Secret, false),
];

/// Two providers: one with a key and a secret, one with two environments, an optional secret and a way to reset it.
pub fn setups() -> Vec<ProviderSetup> {
    vec![
        ProviderSetup {
            provider: ProviderId("kanga"),
            title: "Kanga TPG",
            environments: &[Environment::Production],
            fields: KANGA,
            proves: &["api_secret"],
            endpoints: &["api", "pay"],
            guide: &[Guide {
                title: "A merchant account and its API key",
                about: GuideTopic::SetUp,
                steps: &["Open an account.", "Make a key."],
            }],
            simulates_rotation: false,
        },
        ProviderSetup {
            provider: ProviderId("kinguin"),
            title: "Kinguin",
            environments: &[Environment::Production, Environment::Sandbox],
            fields: KINGUIN,
            proves: &["client_secret"],
            endpoints: &["gateway", "token"],
            guide: &[
                Guide {
                    title: "A client (id and secret)",
                    about: GuideTopic::SetUp,
                    steps: &[
                        "In the merchant panel's Developer section, choose \"CONNECT\" and give the client a name.",
                        "Copy the secret now: it is shown this once.",
                    ],
                },
                Guide {
                    title: "Reset of a client's secret",
                    about: GuideTopic::Rotation,
                    steps: &[
                        "In the merchant panel's Developer section, open the client's menu (three dots) and choose \"Reset\".",
                        "Confirm with \"YES\": the old secret must then be replaced in every program that uses it.",
                        "Enter a two-factor code from Google Authenticator; one entered within the last hour still counts.",
                        "Copy the new secret: it is shown this once. Then choose \"DONE\".",
                    ],
                },
            ],
            simulates_rotation: true,
        },
    ]
}

/// Calls with and without parameters and bodies, read calls and write calls.
pub const CATALOGUE: &[DocumentedCall] = &[
    DocumentedCall {
        method: "GET",
        path: "/v1/offers",
        params: &[
            Param::page("page", "number of the page, from 0", 0),
            param(
                "name",
                ParamLocation::Query,
                false,
                "part of the product's name",
                "portal",
            ),
        ],
        body: None,
        writes: false,
        about: "your offers, page by page",
        follow_ups: &[],
    },
    DocumentedCall {
        method: "GET",
        path: "/v1/offers/{offerId}",
        params: &[param(
            "offerId",
            ParamLocation::Path,
            true,
            "the offer's id",
            "5f9e2c",
        )],
        body: None,
        writes: false,
        about: "one offer",
        follow_ups: &[FollowUp {
            name: "show the offer",
            takes: &["offerId"],
            body: None,
        }],
    },
    DocumentedCall {
        method: "PATCH",
        path: "/v1/offers/{offerId}",
        params: &[
            param(
                "offerId",
                ParamLocation::Path,
                true,
                "the offer's id",
                "5f9e2c",
            ),
            param("dryRun", ParamLocation::Query, false, "only checks", "true"),
        ],
        body: Some(r#"{"price": {"amount": 1250, "currency": "EUR"}, "status": "ACTIVE"}"#),
        writes: true,
        about: "change price or status of an offer",
        follow_ups: &[
            FollowUp {
                name: "change the price",
                takes: &["offerId"],
                body: Some(r#"{"price": {"amount": "{#amount}", "currency": "EUR"}}"#),
            },
            FollowUp {
                name: "take off sale",
                takes: &["offerId"],
                body: Some(r#"{"status": "INACTIVE"}"#),
            },
        ],
    },
    DocumentedCall {
        method: "POST",
        path: "/v1/calculations/price",
        params: &[],
        body: Some(r#"{"price": 1E3, "productId": "5c9b"}"#),
        writes: false,
        about: "what the buyer pays for what you receive",
        follow_ups: &[],
    },
    DocumentedCall {
        method: "DELETE",
        path: "/v1/offers/{offerId}/stock/{stockId}",
        params: &[
            param(
                "offerId",
                ParamLocation::Path,
                true,
                "the offer's id",
                "5f9e2c",
            ),
            param(
                "stockId",
                ParamLocation::Path,
                true,
                "the key's id in stock",
                "77ab",
            ),
        ],
        body: None,
        writes: true,
        about: "take a key out of stock",
        follow_ups: &[],
    },
];

const fn param(
    name: &'static str,
    place: ParamLocation,
    required: bool,
    about: &'static str,
    example: &'static str,
) -> Param {
    Param {
        name,
        place,
        required,
        about,
        example,
        paging: None,
    }
}

/// The built-in profile, and two of a config file.
pub fn profiles() -> Vec<ProfileEntry> {
    let (live, test) = (Environment::Production, Environment::Sandbox);
    let entry = |name: &str, accounts: &[Environment]| ProfileEntry {
        name: name.to_owned(),
        built_in: name == "sandbox",
        is_default: name == "live",
        accounts: accounts.to_vec(),
    };
    vec![
        entry("sandbox", &[Environment::Embedded; 4]),
        entry("live", &[live, live, test]),
        entry("new-shop", &[]),
    ]
}

pub fn sandbox_setup() -> Setup {
    Setup {
        profile: "sandbox".into(),
        profiles: profiles(),
        accounts: vec![account("kanga", Environment::Embedded)],
        setups: setups(),
        is_shared: false,
        may_manage: false,
        catalogues: vec![(ProviderId("kanga"), CATALOGUE)],
        recording: None,
        deadlines: Vec::new(),
        ui: Ui::default(),
        tint: None,
        color: true,
    }
}

/// An account that uses access tokens.
pub fn token_account(name: &str, environment: Environment) -> Account {
    Account {
        provider: ProviderId("kinguin"),
        provider_title: "Kinguin",
        uses_access_tokens: true,
        abilities: &[],
        ..account(name, environment)
    }
}

/// The three accounts of the built-in sandbox, two of them with access tokens.
pub fn three_setup() -> Setup {
    let mut setup = sandbox_setup();
    for name in ["kinguin", "pledg"] {
        setup
            .accounts
            .push(token_account(name, Environment::Embedded));
    }
    setup
}

/// A token fetched at second `at`, valid for `life` seconds, renewed after nine tenths of that.
pub fn token(at: u64, life: u64) -> TokenStatus {
    TokenStatus {
        life: Some(TokenLifetime {
            since: second(at),
            aged: Duration::ZERO,
            life: Duration::from_secs(life),
            renew_at: Duration::from_secs(life * 9 / 10),
        }),
        fetched: 1,
        stored_in: StoredIn::Keyring,
        ..TokenStatus::default()
    }
}

pub fn live_setup() -> Setup {
    Setup {
        profile: "live".into(),
        profiles: profiles(),
        accounts: vec![
            account("shop", Environment::Production),
            account("outlet", Environment::Production),
            account("trial", Environment::Sandbox),
        ],
        setups: setups(),
        is_shared: false,
        may_manage: true,
        catalogues: vec![(ProviderId("kanga"), CATALOGUE)],
        recording: None,
        deadlines: Vec::new(),
        ui: Ui::default(),
        tint: None,
        color: true,
    }
}

pub fn watch(text: &str, expected: Option<&str>) -> Watch {
    Watch {
        expected: expected.map(|sum| Expectation {
            sum: emt(sum),
            by: ExpectedBy::Form,
            at: START,
            operator: String::new(),
        }),
        ..Watch::new(shop(), id(text), START)
    }
}

pub fn note(text: &str, at: WallTime) -> Note {
    Note {
        text: text.to_owned(),
        at,
        operator: "ben".to_owned(),
    }
}

/// The mark of a handled alert.
pub fn handled(alert: &str, at: WallTime) -> Handled {
    Handled {
        alert: alert.to_owned(),
        at,
        operator: "anna".to_owned(),
    }
}

pub fn emt(sum: &str) -> Expected {
    Expected {
        amount: amount(sum),
        currency: currency("EMT"),
    }
}

/// The request to watch a payment with an expected amount.
pub fn new_watch(text: &str, expected: Option<&str>) -> NewWatch {
    NewWatch {
        account: shop(),
        id: id(text),
        expected: expected.map(emt),
        by: ExpectedBy::Form,
    }
}

/// The row of the only watched payment, and the screen with its timeline.
pub fn row_and_timeline(payment: &Payment, expected: Option<&Expected>) -> (String, String) {
    let (sum, at) = (expected.cloned(), START);
    let by = ExpectedBy::List;
    let watch = Watch {
        expected: sum.map(|sum| Expectation {
            sum,
            by,
            at,
            operator: String::new(),
        }),
        id: payment.id.clone(),
        ..watch("A-17", None)
    };
    let seen = Observation {
        at,
        payment: payment.clone(),
    };
    let mut model = sized(sandbox_setup(), 160, 40);
    let ready = readiness(vec![(watch, vec![seen.clone()])], Vec::new());
    update(&mut model, second(0), Msg::Ready(ready));
    let shown = screen(&model, second(0), 160, 40);
    let row = shown.lines().nth(3).unwrap_or_default().to_owned();
    let request = press(&mut model, "t", second(0))
        .into_iter()
        .find_map(|effect| match effect {
            Effect::LoadHistory(request, _, _) => Some(request),
            _ => None,
        });
    let timeline = Timeline {
        account: shop(),
        payment: payment.id.clone(),
        latest: Some(seen.clone()),
        expected: expected.cloned(),
        entries: vec![TimelineEntry {
            at,
            what: TimelineEvent::State(seen),
        }],
        cut: false,
    };
    let (request, result) = (request.expect("a timeline is read"), Ok(timeline));
    update(&mut model, second(0), Msg::Timeline(request, result));
    (row, screen(&model, second(0), 160, 40))
}

pub fn payment(text: &str, sum: &str, state: &str) -> Payment {
    Payment {
        id: id(text),
        currency: Reported::currency("EMT"),
        amount: Reported::amount(sum),
        state: PaymentState::from_word(state),
    }
}

/// Observations ten minutes apart, the last one ten minutes before the start.
pub fn seen(text: &str, sum: &str, states: &[&str]) -> Vec<Observation> {
    let first = START.0 - 600_000 * i64::try_from(states.len()).unwrap();
    (0..)
        .zip(states)
        .map(|(at, state)| Observation {
            at: WallTime(first + at * 600_000),
            payment: payment(text, sum, state),
        })
        .collect()
}

pub fn exchange(at: i64, path: &str, outcome: Outcome) -> Arc<Exchange> {
    let body = |text: &str| Body {
        text: text.into(),
        bytes: u64::try_from(text.len()).unwrap(),
        ..Body::default()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Arc::new(Exchange {
        id: ExchangeId(at),
        account: shop(),
        provider: "kanga".into(),
        environment: "embedded".into(),
        at: WallTime(START.0 + at * 1_370),
        method: "POST".into(),
        url: format!("http://127.0.0.1:41207{path}"),
        about: "ORDER-1042".into(),
        attempt: 1,
        outcome,
        http_version: "HTTP/1.1".into(),
        response_wire: None,
        operator: String::new(),
        profile: String::new(),
        to_head: Some(Duration::from_millis(11)),
        took: Duration::from_millis(12),
        request_headers: vec![
            pair("content-type", "application/json"),
            pair("api-sig", "‹signature›"),
        ],
        request_body: body(r#"{"id":"ORDER-1042","appId":"‹api key›","nonce":1795316066000}"#),
        response_headers: vec![pair("content-type", "application/json")],
        response_body: body(
            r#"{"result":"ok","currency":"EMT","amount":"25.00","state":"ACTIVE"}"#,
        ),
    })
}

/// What the ledger answers to a query for older rows.
pub fn older<T>(rows: Vec<Arc<T>>) -> Found<T> {
    Found {
        rows,
        searched: None,
    }
}

/// What the ledger answers to a search.
pub fn found<T>(rows: Vec<Arc<T>>) -> Found<T> {
    Found {
        rows,
        searched: Some(100_000),
    }
}

pub fn quote(at: u64, prices: &[(&str, &str)]) -> Estimate {
    let prices = prices.iter().map(|(code, sum)| Price {
        currency: Reported::currency(code),
        amount: Reported::amount(sum),
    });
    let (prices, at) = (prices.collect(), second(at).wall);
    Estimate::new(currency("EMT"), amount("3000"), prices, at)
}

pub fn readiness(watches: Vec<(Watch, Vec<Observation>)>, log: Vec<Arc<Exchange>>) -> Ready {
    Ready {
        zone: TimeZone::UTC,
        saved: crate::tui::msg::Saved::default(),
        watches,
        handled: Vec::new(),
        is_unread: false,
        log,
        listening: crate::domain::ListenerStatus::Off,
        verify: vec![shop()],
        simulator: Some("http://127.0.0.1:41207".into()),
        seed: 0,
    }
}

/// Four payments in different states, some requests, estimates that changed.
pub fn busy() -> Model {
    let mut model = sized(sandbox_setup(), 120, 40);
    let watches = vec![
        (
            watch("ORDER-1042", Some("25.00")),
            seen("ORDER-1042", "25.00", &["NEW", "ACTIVE", "PROCESSING"]),
        ),
        (
            watch("ORDER-1041", Some("120")),
            seen(
                "ORDER-1041",
                "120.00",
                &["NEW", "ACTIVE", "PROCESSING", "FINALIZING", "FINALIZED"],
            ),
        ),
        (
            watch("ORDER-1040", Some("25.00")),
            seen("ORDER-1040", "2.50", &["ACTIVE", "FINALIZED"]),
        ),
        (
            watch("SUBSCRIPTION-2026-11-a7f3", None),
            seen(
                "SUBSCRIPTION-2026-11-a7f3",
                "9.99",
                &["NEW", "ACTIVE", "CANCELLING", "CANCELED"],
            ),
        ),
        (watch("ORDER-1043", Some("4.20")), Vec::new()),
    ];
    let log = (1..=9)
        .rev()
        .map(|at| {
            let outcome = match at {
                4 => Outcome::Status(429),
                6 => Outcome::Failed("timed out after 10 s".into()),
                _ => Outcome::Status(200),
            };
            exchange(at, "/api/v2/tpg/transaction", outcome)
        })
        .collect();
    let asked = update(&mut model, second(0), Msg::Ready(readiness(watches, log)));
    let order = id("ORDER-1042");
    model.panes.payments.select(&shop(), &order, &model.store);
    let prices: &[&[(&str, &str)]] = &[
        &[
            ("oPLN", "40.33"),
            ("BTC", "0.0015"),
            ("EMT", "3090"),
            ("ETH", "0.0685"),
        ],
        &[
            ("BTC", "0.00152"),
            ("EMT", "3090"),
            ("oPLN", "40.10"),
            ("ETH", "0.0691"),
        ],
        &[
            ("EMT", "3090"),
            ("BTC", "0.00151"),
            ("ETH", "0.0702"),
            ("oPLN", "40.52"),
        ],
    ];
    for effect in asked {
        if let Effect::Query { request, op, .. } = effect {
            let result = match op {
                crate::domain::Op::Verify => Answer::Verified(Ok(())),
                crate::domain::Op::Estimate(_) => Answer::Estimate(Ok(quote(0, prices[0]))),
                crate::domain::Op::CheckPayment(id) if id.as_str() == "ORDER-1043" => {
                    Answer::Payment(Err(crate::domain::Problem::new(
                        crate::domain::ProblemKind::NotFound,
                        "kanga does not know ORDER-1043 (9001)",
                        "",
                    )))
                }
                crate::domain::Op::CheckPayment(_) => {
                    Answer::Payment(Ok(payment("ORDER-1042", "25.00", "PROCESSING")))
                }
                _ => continue,
            };
            answer(&mut model, second(0), request, result);
        }
    }
    quote_again(model, &prices[1..])
}

fn quote_again(mut model: Model, prices: &[&[(&str, &str)]]) -> Model {
    for (at, prices) in (1..).zip(prices) {
        model.focus = super::Pane::Estimates;
        if let Some(Effect::Query { request, .. }) = press(&mut model, "r", second(at)).pop() {
            let result = Answer::Estimate(Ok(quote(at, prices)));
            answer(&mut model, second(at), request, result);
        }
    }
    model.focus = super::Pane::Payments;
    update(
        &mut model,
        second(2),
        Msg::Budget(
            shop(),
            crate::domain::BudgetGauge {
                counts: crate::domain::Counts::All,
                held: None,
                used: 12,
                own: 12,
                limit: 100,
                period: Duration::from_mins(1),
                next_free: None,
                waiting: 0,
            },
        ),
    );
    model
}

pub fn sized(setup: Setup, width: u16, height: u16) -> Model {
    let mut model = Model::new(setup).unwrap();
    update(&mut model, second(0), Msg::Resized { width, height });
    model
}

pub fn answer(model: &mut Model, now: Now, request: RequestId, result: Answer) -> Vec<Effect> {
    update(model, now, Msg::Answered(request, result))
}
