//! What each simulator sends, judged by tilldeck's receiver.

use super::bench::{held, inbound};
use super::{AT, Bench, REGISTRY};
use crate::callbacks::{Inbound, Refusal};
use crate::domain::Secret;
use crate::http_server::Request;
use crate::sandbox::Sample;
use crate::sandbox::outbox::Webhook;
use crate::sandbox::testing::Receiver;

/// A simulated provider's webhook as its receiver sees it.
fn received(webhook: &Webhook) -> Inbound {
    let outgoing = webhook.request("http://127.0.0.1:1/callbacks/under-test");
    let mut request = Request::new(outgoing.body.clone().unwrap_or_default().into());
    *request.method_mut() = outgoing.method().parse().unwrap();
    *request.uri_mut() = outgoing.url.parse().unwrap();
    for (name, value) in &outgoing.headers {
        let name: hyper::http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    inbound(request)
}

// docs/providers/kanga.md#callbacks, docs/providers/kinguin.md#webhooks, docs/providers/kongregate.md#callbacks,
// docs/providers/pledg.md#notifications
#[test]
fn the_judge_of_each_takes_what_its_simulator_sends_and_refuses_it_under_another_secret() {
    for manifest in REGISTRY {
        let (spec, held) = (&manifest.callbacks, held(manifest));
        let webhook = |secret: Option<&Secret>| {
            let sample = Sample {
                subject: "1001",
                event: "",
                secret,
                header: None,
                at: AT,
            };
            (manifest.simulator)().sample(&sample).unwrap()
        };
        let own = spec.secrets.first().map(|key| &held.secrets[key]);
        let inbound = received(&webhook(own));
        let described = (spec.read)(&inbound, &held);
        let described =
            described.unwrap_or_else(|refusal| panic!("{}: {refusal:?}", manifest.title));
        assert_eq!(
            described.subject.unwrap().to_string(),
            "1001",
            "{}",
            manifest.title
        );
        assert!(!described.kind.is_empty() && !described.proof.is_empty());
        let again = (spec.read)(&inbound, &held).unwrap();
        assert_eq!(described.dedup, again.dedup, "{}", manifest.title);
        if own.is_some() {
            let other = Secret::new("another-secret-altogether");
            for secret in [Some(&other), None] {
                let described = (spec.read)(&received(&webhook(secret)), &held);
                assert!(
                    matches!(described, Err(Refusal::Refused(_))),
                    "{described:?}"
                );
            }
        }
        let mut odd = received(&webhook(own));
        *odd.request.method_mut() = hyper::http::Method::PATCH;
        let described = (spec.read)(&odd, &held);
        assert!(matches!(described, Err(Refusal::Method { allowed }) if !allowed.is_empty()));
    }
}

// docs/providers/kinguin.md#webhooks, docs/providers/kongregate.md#orders, docs/providers/pledg.md#back-mode,
// docs/providers/pledg.md#error-notices
#[test]
fn each_event_that_a_simulator_sends_is_recognised_by_its_shape() {
    for (provider, event, kind, subject) in [
        ("kinguin", "BUYING", "BUYING", Some("7")),
        ("kinguin", "BOUGHT", "BOUGHT", Some("7")),
        ("kinguin", "CANCELED", "CANCELED", Some("7")),
        ("kinguin", "DELIVERED", "DELIVERED", Some("7")),
        ("kinguin", "OUT_OF_STOCK", "OUT_OF_STOCK", Some("7")),
        ("kinguin", "RETURNED", "RETURNED", Some("7")),
        ("kinguin", "REVERSED", "REVERSED", Some("7")),
        ("kinguin", "REFUNDED", "REFUNDED", Some("7")),
        (
            "kinguin",
            "PROCESSING_PREORDER",
            "PROCESSING_PREORDER",
            Some("7"),
        ),
        (
            "kinguin",
            "PROCESSING_INGAME",
            "PROCESSING_INGAME",
            Some("7"),
        ),
        ("kinguin", "offerblocked", "offerblocked", None),
        ("kinguin", "chatmessage", "chatmessage", None),
        ("kinguin", "orderprocessing", "orderprocessing", Some("7")),
        (
            "kongregate",
            "item_order_request",
            "item_order_request",
            Some("7"),
        ),
        (
            "kongregate",
            "item_order_placed",
            "item_order_placed",
            Some("7"),
        ),
        ("pledg", "", "transfer", Some("7")),
        ("pledg", "completed", "completed", Some("7")),
        (
            "pledg",
            "chargeback-initiated",
            "chargeback-initiated",
            Some("7"),
        ),
        ("pledg", "SCORING_KO", "SCORING_KO", Some("7")),
        ("pledg", "ABANDONED", "ABANDONED", Some("7")),
    ] {
        let manifest = super::super::by_name(provider).unwrap();
        let held = held(manifest);
        let sample = Sample {
            subject: "7",
            event,
            secret: manifest
                .callbacks
                .secrets
                .first()
                .map(|key| &held.secrets[key]),
            header: None,
            at: AT,
        };
        let webhook = (manifest.simulator)().sample(&sample).unwrap();
        let parsed = (manifest.callbacks.read)(&received(&webhook), &held).unwrap();
        assert_eq!(parsed.kind, kind, "{provider} {event}");
        assert!(parsed.proved, "{provider} {event}");
        let about = parsed.subject.map(|subject| subject.to_string());
        assert_eq!(about.as_deref(), subject, "{provider} {event}");
    }
}

/// What a receiver makes of the callbacks that a fault causes.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Valid,
    Refused,
    /// Two callbacks, both valid, of which the second is the first one again.
    Repeated,
    /// Two callbacks, both valid, about different things.
    Two,
}

/// The faults of a simulator's callbacks, each with what a receiver makes of it.
type Faults = &'static [(&'static str, Judged)];

// docs/providers/kinguin.md#webhooks, docs/providers/kongregate.md#signed-requests,
// docs/providers/pledg.md#notifications
#[tokio::test]
async fn each_fault_of_a_callback_is_judged_by_the_receiver_as_documented() {
    use Judged::{Refused, Repeated, Two, Valid};
    const PLEDG: Faults = &[
        ("none", Valid),
        ("tampered", Refused),
        ("other-amount", Valid),
        ("wrong-secret", Refused),
        ("extra-dot", Refused),
        ("alg-none", Refused),
        ("expired", Refused),
        ("unsigned", Refused),
        ("duplicate", Repeated),
    ];
    const PLEDG_BACK: Faults = &[
        ("none", Valid),
        ("tampered", Refused),
        ("wrong-secret", Refused),
        ("lower-case", Refused),
        ("swapped-order", Refused),
        ("unsigned", Refused),
    ];
    let tables: [(&str, &str, &str, Faults); 5] = [
        (
            "kinguin",
            "webhook-fault",
            "chat hello",
            &[
                ("none", Valid),
                ("wrong-header", Refused),
                ("no-header", Refused),
                ("duplicate", Repeated),
                ("unknown", Two),
            ],
        ),
        (
            "kongregate",
            "callback-fault",
            "change-inventory 1001",
            &[
                ("none", Valid),
                ("wrong-key", Refused),
                ("duplicate", Repeated),
            ],
        ),
        (
            "kongregate",
            "callback-fault",
            "order 1001 sword",
            &[
                ("none", Valid),
                ("wrong-key", Refused),
                ("bad-signature", Refused),
                ("algorithm-none", Refused),
                ("algorithm-sha1", Refused),
                ("padded", Refused),
                ("no-dot", Refused),
                ("two-dots", Refused),
                ("not-json", Refused),
            ],
        ),
        ("pledg", "notice-fault", "pay ORDER-3003", PLEDG),
        (
            "pledg",
            "notice-fault",
            "status ORDER-3002 completed",
            PLEDG_BACK,
        ),
    ];
    for (provider, setting, event, table) in tables {
        for (fault, expected) in table {
            let receiver = Receiver::open().await;
            let manifest = super::super::by_name(provider).unwrap();
            let bench = Bench::with(manifest, |setup| {
                setup.callback_url = Some(receiver.url("/callbacks/under-test"));
            })
            .await;
            bench.set(setting, fault);
            let (event, subject) = event.split_once(' ').unwrap();
            bench.event(event, subject);
            let count = 1 + usize::from(matches!(expected, Repeated | Two));
            let verdicts = bench.verdicts(&receiver, count).await;
            let judged = match &verdicts[..] {
                [Ok(_)] => Valid,
                [Err(Refusal::Refused(_))] => Refused,
                [Ok(first), Ok(second)] if first.dedup == second.dedup => Repeated,
                [Ok(_), Ok(_)] => Two,
                _ => panic!("{provider} {fault}: {verdicts:?}"),
            };
            assert_eq!(judged, *expected, "{provider} {fault}");
        }
    }
}
