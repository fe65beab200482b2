//! The tests that every provider must pass, each on its own simulator, over real HTTP: valid, rejected, 429, torn body.

pub mod bench;
mod callbacks;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bench::{AT, Bench, filled, raw_call};

use super::{ApiError, REGISTRY, Verify};
use crate::domain::Environment::{Production, Sandbox};
use crate::domain::simulate::{Command, Fault};
use crate::domain::{
    Ability, Amount, Counts, Currency, EstimateRequest, LinkRequest, Outcome, PaymentId, PlayerId,
    PlayerToken, ProblemKind, RawReply, Secret,
};
use crate::net::retry;
use crate::providers::cached_secret::reread_pause;

// docs/providers/kanga.md#hosts, docs/providers/kinguin.md#hosts, docs/providers/kongregate.md#hosts,
// docs/providers/pledg.md#environments
#[test]
fn each_environment_has_its_documented_hosts() {
    let hosts = REGISTRY.iter().flat_map(|manifest| {
        let endpoints = manifest.endpoints.iter();
        endpoints.map(|known| (manifest.id.0, known.environment, known.name, known.url))
    });
    let documented = [
        ("kanga", Production, "api", "https://api.kanga.exchange"),
        ("kanga", Production, "pay", "https://kanga.exchange"),
        (
            "kinguin",
            Production,
            "gateway",
            "https://gateway.kinguin.net",
        ),
        (
            "kinguin",
            Production,
            "token",
            "https://id.kinguin.net/auth/token",
        ),
        (
            "kinguin",
            Sandbox,
            "gateway",
            "https://gateway.sandbox.kinguin.net",
        ),
        (
            "kinguin",
            Sandbox,
            "token",
            "https://id.sandbox.kinguin.net/auth/token",
        ),
        (
            "kongregate",
            Production,
            "api",
            "https://api.kongregate.com/api",
        ),
        ("pledg", Production, "api", "https://back.ecard.pledg.co"),
        (
            "pledg",
            Sandbox,
            "api",
            "https://staging.back.ecard.pledg.co",
        ),
        ("pledg", Production, "front", "https://front.ecard.pledg.co"),
        (
            "pledg",
            Sandbox,
            "front",
            "https://staging.front.ecard.pledg.co",
        ),
    ];
    assert_eq!(hosts.collect::<Vec<_>>(), documented);
}

// docs/providers/kanga.md#limits, docs/providers/kinguin.md#limits, docs/providers/kongregate.md#limits,
// docs/providers/pledg.md#limits
#[test]
fn each_provider_has_its_documented_limits_and_kinguin_room_for_a_delayed_answer() {
    let limits = REGISTRY.iter().flat_map(|manifest| {
        assert_eq!(
            manifest.timeout > Duration::from_mins(1),
            manifest.id.0 == "kinguin"
        );
        let limits = manifest.limits.iter();
        limits.map(|limit| (manifest.id.0, limit.endpoint, limit.counts, limit.requests))
    });
    let documented = [
        ("kanga", "api", Counts::All, 600),
        ("kinguin", "gateway", Counts::Writes, 2000),
        ("kinguin", "gateway", Counts::Reads, 4000),
        ("kongregate", "api", Counts::All, 600),
        ("pledg", "api", Counts::All, 600),
    ];
    assert_eq!(limits.collect::<Vec<_>>(), documented);
}

#[test]
fn reads_are_a_setting_where_they_have_a_limit_of_their_own() {
    for manifest in REGISTRY {
        let mut limits = manifest.limits.iter();
        let counted = limits.any(|limit| limit.counts == Counts::Reads);
        assert_eq!(manifest.spec.counts_reads, counted, "{}", manifest.title);
    }
}

// docs/providers/kanga.md#calls, docs/providers/kinguin.md#calls, docs/providers/kongregate.md#calls,
// docs/providers/pledg.md#calls
#[tokio::test]
async fn every_documented_call_is_answered_as_its_examples_have_it() {
    for manifest in REGISTRY {
        let mut bench = Bench::new(manifest).await;
        for call in manifest.catalogue {
            // A file is no example, this merchant is one already, and the subscription comes after this loop's GET of it.
            let other = ["/stock/file", "/api/v1/merchants", "/subscription"];
            if manifest.id.0 == "kinguin" && other.iter().any(|path| call.path.ends_with(path)) {
                continue;
            }
            let judged = bench.judged(call.method, &filled(call), call.body).await;
            assert_eq!(judged, Ok(()), "{} {}", call.method, call.path);
            if call.method == "DELETE" {
                bench = Bench::new(manifest).await;
            }
        }
    }
}

#[tokio::test]
async fn valid_credentials_are_verified() {
    for manifest in REGISTRY {
        let bench = Bench::new(manifest).await;
        assert_eq!(bench.verify().await, Ok(()), "{}", manifest.title);
    }
}

#[tokio::test]
async fn a_client_has_the_operations_of_its_manifests_abilities_and_no_others() {
    fn lacks<A>(result: &Result<A, ApiError>) -> Option<Ability> {
        match result {
            Err(ApiError::Lacks(ability)) => Some(*ability),
            _ => None,
        }
    }
    for manifest in REGISTRY {
        let Bench { client, .. } = Bench::new(manifest).await;
        let (id, player) = (PaymentId::new("A-17").unwrap(), PlayerId(1));
        let sum = EstimateRequest {
            token: Currency::new("EMT").unwrap(),
            quantity: Amount::typed("1").unwrap(),
        };
        let claim = PlayerToken {
            player,
            token: Secret::new("a-token-of-a-test"),
        };
        let link = LinkRequest {
            id: id.clone(),
            amount: sum.quantity.clone(),
            currency: sum.token.clone(),
            name: None,
            email: None,
            force_currency: None,
            with_token: false,
            replace_expectation: false,
        };
        let lacking = [
            lacks(&client.check_payment(&id)),
            lacks(&client.link(&link, None)),
            lacks(&client.create_payment_token()),
            lacks(&client.estimate(&sum)),
            lacks(&client.authenticate_player(&claim)),
            lacks(&client.player_items(player)),
            lacks(&client.test_signature()),
            lacks(&client.purchase_link("{}").await),
        ];
        let wanted = [
            Ability::Payments,
            Ability::Links,
            Ability::Links,
            Ability::Estimates,
            Ability::Players,
            Ability::Players,
            Ability::SignatureTest,
            Ability::PurchaseLinks,
        ];
        let wanted =
            wanted.map(|ability| Some(ability).filter(|it| !manifest.abilities.contains(it)));
        assert_eq!(lacking, wanted, "{}", manifest.title);
        let by_call = !matches!(client.verify(), Err(ApiError::Unsupported(_)));
        assert_eq!(
            by_call,
            manifest.verify == Verify::Call,
            "{}",
            manifest.title
        );
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_called_so() {
    for manifest in REGISTRY {
        let bench = Bench::with(manifest, |setup| {
            let keys = manifest.spec.keys.iter();
            for key in keys.filter(|key| key.is_secret()) {
                setup
                    .keys
                    .insert(key.name, "another-secret-altogether".into());
            }
        })
        .await;
        let refused = bench.verify().await;
        assert_eq!(refused, Err(ProblemKind::Refused), "{}", manifest.title);
    }
}

#[tokio::test]
async fn a_secret_that_was_replaced_is_read_again_after_a_refusal() {
    for manifest in REGISTRY {
        let mut valid = BTreeMap::new();
        let bench = Bench::with(manifest, |setup| {
            let keys = manifest.spec.keys.iter();
            for key in keys.filter(|key| key.is_secret()) {
                let wrong = "another-secret-altogether".to_owned();
                valid.extend(setup.keys.insert(key.name, wrong).map(|it| (key.name, it)));
            }
        })
        .await;
        let refused = bench.verify().await;
        assert_eq!(refused, Err(ProblemKind::Refused), "{}", manifest.title);
        bench.keys.lock().unwrap().extend(valid);
        // Longer than tokens and callbacks wait after a rejection, too.
        bench.manual_clock.advance(reread_pause(true));
        let verified = match bench.verify().await {
            // Its rejection more often means the nonce: the next call has the new secret.
            Err(ProblemKind::Refused) if manifest.id.0 == "kanga" => bench.verify().await,
            verified => verified,
        };
        assert_eq!(verified, Ok(()), "{}", manifest.title);
    }
}

#[tokio::test]
async fn a_slow_source_of_a_rejected_secret_is_read_again_less_often() {
    for manifest in REGISTRY.iter().filter(|known| known.tokens.is_none()) {
        for (is_slow, expected) in [(false, [1, 2, 3]), (true, [1, 1, 2])] {
            let bench = Bench::with(manifest, |setup| {
                setup.is_slow = is_slow;
                let keys = manifest.spec.keys.iter();
                for key in keys.filter(|key| key.is_secret()) {
                    let wrong = "another-secret-altogether".to_owned();
                    setup.keys.insert(key.name, wrong);
                }
            })
            .await;
            let mut reads = [0; 3];
            for (at, seconds) in [0, 2, 30].into_iter().enumerate() {
                bench.manual_clock.advance(Duration::from_secs(seconds));
                assert_eq!(bench.verify().await, Err(ProblemKind::Refused));
                reads[at] = bench.reads.load(Ordering::Relaxed);
            }
            assert_eq!(reads, expected, "{}, slow: {is_slow}", manifest.title);
        }
    }
}

#[tokio::test]
async fn faults_say_nothing_of_the_credentials() {
    // Each on a simulator of its own and all at once, since retries wait for real time.
    let mut all = tokio::task::JoinSet::new();
    for manifest in REGISTRY {
        for (fault, nonsense) in [
            (
                Fault::TooManyRequests {
                    retry_after: Some(600),
                },
                false,
            ),
            (Fault::TooManyRequests { retry_after: None }, false),
            (Fault::ServerError, false),
            (Fault::TornBody, true),
        ] {
            for token_in_hand in [false, true] {
                if token_in_hand && manifest.tokens.is_none() {
                    continue;
                }
                all.spawn(async move {
                    let mut bench = Bench::new(manifest).await;
                    if token_in_hand {
                        assert_eq!(bench.verify().await, Ok(()));
                    }
                    bench.command(&Command::SetFault(fault));
                    let expected = if nonsense {
                        ProblemKind::Nonsense
                    } else {
                        ProblemKind::Failing
                    };
                    bench.statuses().await;
                    assert_eq!(
                        bench.verify().await,
                        Err(expected),
                        "{}, {fault:?}",
                        manifest.title
                    );
                    let attempts = bench.statuses().await.len();
                    let repeated = fault == Fault::ServerError;
                    assert_eq!(
                        attempts,
                        if repeated { retry::TRIES_MAX } else { 1 },
                        "{}, {fault:?}",
                        manifest.title
                    );
                    bench.command(&Command::SetFault(Fault::Latency(LATE)));
                    assert_eq!(
                        bench.verify().await,
                        Ok(()),
                        "late is good enough: {}",
                        manifest.title
                    );
                });
            }
        }
    }
    all.join_all().await;
}

// docs/providers/kanga.md#failures, docs/providers/kinguin.md#failures, docs/providers/kongregate.md#failures,
// docs/providers/pledg.md#failures
#[tokio::test]
async fn a_404_that_is_not_the_providers_own_is_a_wrong_path() {
    for manifest in REGISTRY {
        let bench = Bench::new(manifest).await;
        for body in ["<html>", "not found"] {
            let reply = RawReply {
                status: 404,
                took: Duration::ZERO,
                content_type: None,
                body: body.into(),
            };
            let judged = bench.client.judge(&raw_call("GET", "/", None), &reply);
            assert_eq!(judged, Err(ApiError::NoPath), "{}", manifest.title);
        }
    }
}

const LATE: Duration = Duration::from_millis(30);

/// Longer than any access token lives.
const LONG: Duration = Duration::from_hours(25);

#[tokio::test]
async fn an_expired_token_is_renewed_before_it_is_sent() {
    for manifest in REGISTRY.iter().filter(|known| known.tokens.is_some()) {
        let mut bench = Bench::new(manifest).await;
        assert_eq!(bench.use_token().await, Ok(()));
        let first = bench.statuses().await;
        bench.manual_clock.advance(LONG);
        assert_eq!(bench.use_token().await, Ok(()));
        assert_eq!(
            bench.statuses().await,
            first,
            "{}: as if for the first time",
            manifest.title
        );
        assert!(first.iter().all(|outcome| *outcome == Outcome::Status(200)));
    }
}

#[tokio::test]
async fn a_token_that_expired_at_the_provider_alone_is_renewed_once_and_the_call_repeated_once() {
    for manifest in REGISTRY.iter().filter(|known| known.tokens.is_some()) {
        let mut bench = Bench::new(manifest).await;
        assert_eq!(bench.use_token().await, Ok(()));
        bench.statuses().await;
        // Only the simulator's clock moves: by the client's the token is still valid.
        bench.command(&Command::Advance(LONG));
        assert_eq!(bench.use_token().await, Ok(()));
        assert_eq!(
            bench.statuses().await,
            [401, 200, 200].map(Outcome::Status),
            "{}: refused, one new token, the call once more",
            manifest.title
        );
    }
}

#[tokio::test]
async fn a_revoked_token_is_renewed_once_and_the_call_repeated_once() {
    for manifest in REGISTRY.iter().filter(|known| known.tokens.is_some()) {
        let mut bench = Bench::new(manifest).await;
        assert_eq!(bench.use_token().await, Ok(()));
        bench.statuses().await;
        bench.event("revoke-tokens", "");
        assert_eq!(bench.use_token().await, Ok(()));
        assert_eq!(
            bench.statuses().await,
            [401, 200, 200].map(Outcome::Status),
            "{}",
            manifest.title
        );
    }
}

#[test]
fn manifests_are_complete() {
    for manifest in REGISTRY {
        assert_eq!(manifest.id.0, manifest.spec.name);
        assert!(manifest.limits.iter().all(|limit| limit.requests > 0));
        for key in manifest.spec.keys.iter().filter(|key| key.required) {
            assert!(
                manifest.embedded.iter().any(|(name, _)| *name == key.name),
                "the simulator has no {}",
                key.name
            );
        }
        for name in manifest.spec.endpoints {
            assert!(
                manifest
                    .endpoints
                    .iter()
                    .any(|endpoint| endpoint.name == *name),
                "{name} has no URL"
            );
        }
        for endpoint in manifest.endpoints {
            assert!(endpoint.url.starts_with("https://"), "{}", endpoint.url);
        }
        assert!(
            manifest
                .catalogue
                .iter()
                .all(|call| call.path.starts_with('/') && !call.about.is_empty())
        );
    }
}
