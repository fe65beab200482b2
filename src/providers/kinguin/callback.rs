//! Webhooks of the `envoy2` service. They carry no signature: a header that the seller registered with the subscription
//! authenticates them. No field names the event, and all thirteen may be sent to one URL, so the shape of the body decides
//! (`docs/providers/kinguin.md#webhooks`).

use std::time::Duration;

use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::settings::{WEBHOOK_HEADER, WEBHOOK_SECRET};
use super::wire;
use crate::callbacks::{Answer, CallbackSecrets, Dedup, Inbound, ParsedCallback, Refusal, Spec};
use crate::domain::{PaymentId, RowIds, Subject, WallTime};
use crate::providers::inbound::{header, parts, posted_object, text};

/// How tilldeck verifies and parses its callbacks.
pub const SPEC: Spec = Spec {
    secrets: &[WEBHOOK_SECRET],
    body_max: 256 * 1024,
    if_unsaved: "Kinguin sends it again, twice within minutes",
    shown: |_| None,
    read,
};

/// Five minutes after the second failure (`docs/providers/kinguin.md#webhooks`), and the time that the failures took.
const LATEST_TRY: Duration = Duration::from_mins(6);

/// The header that is checked where the account configures none.
const HEADER: &str = "X-Auth-Token";

fn read(inbound: &Inbound, held: &CallbackSecrets) -> Result<ParsedCallback, Refusal> {
    // Before the body is parsed, so that only a sender who knows the header's value can make us do it.
    let proof = match held.secrets.get(WEBHOOK_SECRET) {
        Some(secret) => {
            let name = held.texts.get(WEBHOOK_HEADER);
            let name = name.map_or(HEADER, String::as_str);
            let value = header(inbound, name)?.as_bytes();
            // In constant time: the response's delay must not reveal how much of a guess is right.
            if !bool::from(value.ct_eq(secret.expose().as_bytes())) {
                let words =
                    format!("the header {name} does not have the value of {WEBHOOK_SECRET}");
                return Err(Refusal::Refused(words));
            }
            "the registered header"
        }
        None => "nothing: webhook_secret is not set",
    };
    let object = posted_object(inbound)?;
    let (kind, id) = shape(&object);
    Ok(ParsedCallback {
        kind: kind.to_owned(),
        subject: id
            .and_then(|id| PaymentId::new(id).ok())
            .map(Subject::Payment),
        proof,
        proved: held.secrets.contains_key(WEBHOOK_SECRET),
        happened_at: happened_at(&object, inbound.at),
        dedup: Dedup::Message(identity(&object, inbound.request.body())),
        needs_check: false,
        answer: Answer::Plain,
    })
}

/// The event, and the id of its reservation or order.
fn shape(object: &Map<String, Value>) -> (&str, Option<&str>) {
    let has = |name: &str| object.contains_key(name);
    let status = text(object, "status");
    // The shapes in the order of `docs/providers/kinguin.md#webhooks`.
    if let Some(id) = text(object, "reservationId") {
        return (status.unwrap_or("reservation"), Some(id));
    }
    if has("orderId") && has("qtyOrdered") {
        return ("orderprocessing", text(object, "orderId"));
    }
    if has("message") && has("senderName") {
        return ("chatmessage", None);
    }
    // An offer's own status, ACTIVE or INACTIVE, does not identify the event.
    if text(object, "block").is_some() && has("productId") {
        return ("offerblocked", None);
    }
    (status.unwrap_or("webhook"), text(object, "orderId"))
}

/// When it happened. An older date than Kinguin's latest try is not the event's.
fn happened_at(object: &Map<String, Value>, received_at: WallTime) -> Option<WallTime> {
    let at = wire::instant(text(object, "updatedAt")?)?;
    let span = received_at.minus(LATEST_TRY)..=received_at;
    span.contains(&at).then_some(at)
}

/// The ids of the reservation, offer and product that an accepted webhook names.
pub fn ids(inbound: &Inbound) -> RowIds {
    let mut ids = RowIds::default();
    let Ok(object) = posted_object(inbound) else {
        return ids;
    };
    let is_offer = shape(&object).0 == "offerblocked";
    let offer = if is_offer { "id" } else { "offerId" };
    for (name, field) in [
        ("reservationId", "reservationId"),
        ("offerId", offer),
        ("productId", "productId"),
    ] {
        ids.add(name, text(&object, field).unwrap_or_default());
    }
    ids
}

/// Kinguin repeats webhooks that were not answered 200. A reservation's repeat has the same id, state and date; any other
/// repeat has the same bytes.
fn identity(object: &Map<String, Value>, body: &[u8]) -> Vec<u8> {
    let [id, status, at] = ["reservationId", "status", "updatedAt"].map(|name| text(object, name));
    match (id, status, at) {
        // Not the bytes: a repeat may be serialised in another way.
        (Some(id), Some(status), Some(at)) => parts(&["reservation", id, status, at]),
        _ => [b"body:", body].concat(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hyper::http::{HeaderName, HeaderValue};

    use super::*;
    use crate::domain::Secret;
    use crate::providers::inbound::tests::{inbound, is_inert, why_refused, why_unreadable};

    const VALUE: &str = "SANDBOX-HEADER";
    const SALE: &str = r#"{"name":"A game","status":"BOUGHT","reservationId":"65b0c0ffee0123456789abcd","offerId":"o","updatedAt":"2024-03-29T10:01:42.177+0000","extra":true}"#;

    type Headers<'a> = &'a [(&'a str, &'a [u8])];

    fn held(header: Option<&str>, secret: Option<&str>) -> CallbackSecrets {
        let texts = header.map(|name| (WEBHOOK_HEADER, name.to_owned()));
        let secrets = secret.map(|value| (WEBHOOK_SECRET, Secret::new(value)));
        CallbackSecrets {
            texts: texts.into_iter().collect(),
            secrets: secrets.into_iter().collect::<BTreeMap<_, _>>(),
        }
    }

    fn judged(
        headers: Headers<'_>,
        body: &str,
        held: &CallbackSecrets,
    ) -> Result<ParsedCallback, Refusal> {
        let mut inbound = inbound("POST", "/callbacks/keys", body.to_owned());
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            let value = HeaderValue::from_bytes(value).unwrap();
            inbound.request.headers_mut().append(name, value);
        }
        read(&inbound, held)
    }

    fn parsed(body: &str) -> ParsedCallback {
        judged(&[], body, &held(None, None)).unwrap()
    }

    // docs/providers/kinguin.md#webhooks
    #[test]
    fn the_registered_header_proves_it_and_nothing_else_does() {
        let set = held(None, Some(VALUE));
        let valid = judged(&[("x-auth-token", VALUE.as_bytes())], SALE, &set).unwrap();
        assert_eq!(valid.proof, "the registered header");
        assert!(!valid.needs_check && valid.answer == Answer::Plain);
        let refused: [(Headers<'_>, &str); 8] = [
            (&[], "X-Auth-Token is missing"),
            (&[("x-auth-tokens", VALUE.as_bytes())], "is missing"),
            (
                &[("x-auth-token", b"")],
                "does not have the value of webhook_secret",
            ),
            (
                &[("x-auth-token", b"SANDBOX-HEADE")],
                "does not have the value of webhook_secret",
            ),
            (
                &[("x-auth-token", b"SANDBOX-HEADER2")],
                "does not have the value of webhook_secret",
            ),
            (
                &[("x-auth-token", b"sandbox-header")],
                "does not have the value of webhook_secret",
            ),
            (
                &[("x-auth-token", b"SANDBOX-HEADE\xff")],
                "does not have the value of webhook_secret",
            ),
            (
                &[
                    ("x-auth-token", VALUE.as_bytes()),
                    ("X-Auth-Token", VALUE.as_bytes()),
                ],
                "occurs twice",
            ),
        ];
        for (headers, words) in refused {
            // Rejected before the body is parsed: strangers must not cost parsing time.
            for body in [SALE, "", "{"] {
                let why = why_refused(judged(headers, body, &set));
                assert!(why.contains(words) && !why.contains("SANDBOX"), "{why}");
            }
        }
        let own = held(Some("X-Shop-Proof"), Some(VALUE));
        assert!(judged(&[("x-shop-proof", VALUE.as_bytes())], SALE, &own).is_ok());
        let why = why_refused(judged(&[("x-auth-token", VALUE.as_bytes())], SALE, &own));
        assert!(why.contains("X-Shop-Proof is missing"), "{why}");
        let open = judged(&[], SALE, &held(None, None)).unwrap();
        assert_eq!(open.proof, "nothing: webhook_secret is not set");
    }

    // docs/providers/kinguin.md#webhooks
    #[test]
    fn an_event_happened_when_the_webhook_says_if_kinguin_can_have_sent_it_then() {
        for (updated_at, before) in [
            ("2026-11-22T02:54:26.000+0000", Some(0)),
            ("2026-11-22T02:49:16.000+0000", Some(310_000)),
            ("2026-11-22T02:48:25.000+0000", None),
            ("2026-11-22T02:54:27.000+0000", None),
            ("yesterday", None),
        ] {
            let parsed = parsed(&SALE.replace("2024-03-29T10:01:42.177+0000", updated_at));
            let at = inbound("POST", "/", "").at;
            let happened = parsed.happened_at.map(|happened| at.0 - happened.0);
            assert_eq!(happened, before, "{updated_at}");
        }
    }

    #[test]
    fn each_event_is_recognised_by_its_shape() {
        let offer = r#"{"id":"5c9b71292539a4e8f1809707","productId":"p","status":"ACTIVE","block":"ADMIN_TRIAL_KEYS"}"#;
        for (body, kind, subject) in [
            (SALE, "BOUGHT", Some("65b0c0ffee0123456789abcd")),
            (r#"{"reservationId":"R-1"}"#, "reservation", Some("R-1")),
            (
                r#"{"reservationId":"R-1","status":"NEW_ONE","block":null,"productId":"p"}"#,
                "NEW_ONE",
                Some("R-1"),
            ),
            (offer, "offerblocked", None),
            (
                r#"{"senderName":"Jo","message":"where is it?","createdAt":"x"}"#,
                "chatmessage",
                None,
            ),
            (
                r#"{"orderId":"SBX-900001","productId":"p","qtyOrdered":"20"}"#,
                "orderprocessing",
                Some("SBX-900001"),
            ),
            (
                r#"{"status":"SANDBOX_UNDOCUMENTED"}"#,
                "SANDBOX_UNDOCUMENTED",
                None,
            ),
            (r#"{"status":7,"reservationId":["R"]}"#, "webhook", None),
            ("{}", "webhook", None),
        ] {
            let parsed = parsed(body);
            let found = parsed.subject.map(|subject| subject.to_string());
            assert_eq!(
                (parsed.kind.as_str(), found.as_deref()),
                (kind, subject),
                "{body}"
            );
        }
    }

    #[test]
    fn a_webhook_names_the_ids_that_calls_take() {
        let found = |body: &str| ids(&inbound("POST", "/callbacks/keys", body.to_owned())).ids;
        assert_eq!(
            found(SALE),
            [
                ("reservationId", "65b0c0ffee0123456789abcd".to_owned()),
                ("offerId", "o".to_owned())
            ]
        );
        let offer =
            r#"{"id":"65a0","productId":"5c9b","status":"ACTIVE","block":"ADMIN_TRIAL_KEYS"}"#;
        assert_eq!(
            found(offer),
            [
                ("offerId", "65a0".to_owned()),
                ("productId", "5c9b".to_owned())
            ]
        );
        assert_eq!(found("{"), []);
    }

    // docs/providers/kinguin.md#webhooks
    #[test]
    fn a_reservation_is_the_same_by_id_state_and_date_and_all_else_by_its_bytes() {
        let again = SALE.replace("A game", "Renamed").replace("true", "1");
        assert_eq!(parsed(SALE).dedup, parsed(&again).dedup);
        for (from, to) in [
            ("BOUGHT", "DELIVERED"),
            ("abcd", "abce"),
            ("42.177", "42.178"),
        ] {
            assert_ne!(
                parsed(SALE).dedup,
                parsed(&SALE.replace(from, to)).dedup,
                "{to}"
            );
        }
        let chat = r#"{"senderName":"Jo","message":"1","createdAt":"x"}"#;
        assert_eq!(parsed(chat).dedup, parsed(chat).dedup);
        assert_ne!(parsed(chat).dedup, parsed(&chat.replace('1', "2")).dedup);
    }

    #[test]
    fn hostile_texts_are_made_inert_and_invalid_bodies_are_unreadable() {
        let long = "x".repeat(100_000);
        for hostile in ["\\u001b[2Jboo", "\\u202eoob", "a\\r\\nb", long.as_str()] {
            for field in ["reservationId", "status", "orderId", "block"] {
                let body = format!(
                    r#"{{"{field}":"{hostile}","productId":"p","qtyOrdered":"1","updatedAt":"x"}}"#
                );
                let parsed = judged(&[], &body, &held(None, None));
                assert!(is_inert(&parsed) && parsed.is_ok(), "{body}");
            }
        }
        for body in ["", "[1]", "null", "status=BOUGHT", "<html>"] {
            why_unreadable(judged(&[], body, &held(None, None)));
        }
        let get = read(&inbound("GET", "/", SALE), &held(None, None));
        assert_eq!(get, Err(Refusal::Method { allowed: "POST" }));
    }
}
