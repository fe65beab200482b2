//! Notifications: POSTs of JSON in four bodies, distinguished by their fields (`docs/providers/pledg.md#notifications`).
//! With the merchant's secret set, an unsigned notification is rejected, although some of Pledg's own plug-ins accept it: a
//! stranger could send one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::settings::MERCHANT_SECRET;
use super::{facts, signature};
use crate::auth::sign;
use crate::callbacks::{Answer, CallbackSecrets, Dedup, Inbound, ParsedCallback, Refusal, Spec};
use crate::domain::{PaymentId, RowIds, Secret, Subject, WallTime};
use crate::providers::inbound::{parts, posted_object, text, unreadable};

/// How tilldeck verifies and parses its callbacks.
pub const SPEC: Spec = Spec {
    secrets: &[MERCHANT_SECRET],
    body_max: 256 * 1024,
    if_unsaved: "Pledg documents no retry: check the purchase in its dashboard",
    shown: with_payload,
    read,
};

/// The one field of a notice that is a JWT, and the last one of a hashed notice.
const SIGNATURE: &str = "signature";

/// Bounds the parsing of strangers' texts; Pledg's JWTs are far shorter.
const JWT_MAX: usize = 64 * 1024;

fn read(inbound: &Inbound, held: &CallbackSecrets) -> Result<ParsedCallback, Refusal> {
    let notice = posted_object(inbound)?;
    let (notice, proof) = match held.secrets.get(MERCHANT_SECRET) {
        Some(secret) => verified(notice, secret, inbound.at)?,
        None => (opened(notice)?, "nothing: merchant_secret is not set"),
    };
    let found = shape(&notice);
    if found.is_none() && !held.secrets.contains_key(MERCHANT_SECRET) {
        return Err(unreadable("it is not a Pledg notification"));
    }
    let (kind, dedup) = match found {
        Some((kind, dedup)) => (kind, dedup),
        // Undocumented, yet signed: Pledg may send more than it documents, so it is saved and shown.
        None => (
            "notification",
            Value::from(notice.clone()).to_string().into(),
        ),
    };
    let reference = text(&notice, "reference").and_then(|id| PaymentId::new(id).ok());
    Ok(ParsedCallback {
        happened_at: None,
        kind: kind.to_owned(),
        subject: reference.map(Subject::Payment),
        proof,
        proved: held.secrets.contains_key(MERCHANT_SECRET),
        dedup: Dedup::Message(dedup),
        needs_check: false,
        answer: Answer::Plain,
    })
}

/// The signed fields, and how they are signed.
fn verified(
    notice: Map<String, Value>,
    secret: &Secret,
    at: WallTime,
) -> Result<(Map<String, Value>, &'static str), Refusal> {
    let refuse = |message: &str| Err(Refusal::Refused(message.to_owned()));
    // Also where the body looks right: anyone can write one.
    let Some(given) = notice.get(SIGNATURE) else {
        return refuse("it is not signed, and merchant_secret is set");
    };
    let Some(given) = given.as_str() else {
        return refuse("its signature is not a string");
    };
    // A JWT is the notice's only field (`docs/providers/pledg.md#transfer-notices`), a hash its last.
    if notice.len() == 1 {
        return match sign::verify_jwt_hs256(secret, given, at) {
            // The shop signs its purchases with the same secret, and payers see those JWTs in links, so they could send one
            // here (`docs/providers/pledg.md#transfer-notices`).
            Ok(Value::Object(payload)) if payload.contains_key("data") => {
                refuse("its JWT is one that the shop made for a purchase link")
            }
            Ok(Value::Object(payload)) => Ok((payload, "a signature (JWT)")),
            Ok(_) => refuse("its JWT contains no object"),
            Err(error) => Err(Refusal::Refused(error.to_string())),
        };
    }
    let Some(expected) = signature::back_mode(secret, &notice) else {
        return refuse("it has a back-mode signature but lacks a back-mode field");
    };
    // In constant time: the response's delay must not reveal how much of a guess is right.
    if !bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
        return refuse("its signature does not match these fields and merchant_secret");
    }
    // The hash covers six fields (`docs/providers/pledg.md#back-mode`). A sender who copied a genuine notice could add
    // others, so unsigned fields are dropped.
    let mut notice = notice;
    notice.retain(|name, _| facts::SIGNED.contains(&name.as_str()));
    Ok((notice, "a signature (hash)"))
}

/// A notice's fields, where there is no secret to verify it.
fn opened(notice: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let jwt = match (notice.len(), notice.get(SIGNATURE)) {
        (1, Some(Value::String(jwt))) => jwt,
        (1, Some(_)) => return Err(unreadable("its signature is not a string")),
        _ => return Ok(notice),
    };
    let payload = jwt.split('.').nth(1).filter(|_| jwt.len() <= JWT_MAX);
    let payload = payload.and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    payload
        .and_then(|payload| serde_json::from_slice(&payload).ok())
        .ok_or_else(|| unreadable("its signature is not a JWT"))
}

/// A notice that is a JWT alone, with the fields of its payload: the amount must be compared with the order.
fn with_payload(inbound: &Inbound) -> Option<Vec<u8>> {
    let mut notice = posted_object(inbound).ok()?;
    if notice.len() != 1 || !notice.contains_key(SIGNATURE) {
        return None;
    }
    let payload = opened(notice.clone()).ok()?;
    notice.insert("payload".to_owned(), payload.into());
    serde_json::to_vec(&notice).ok()
}

/// The uid of the purchase that an accepted notice names.
pub fn ids(inbound: &Inbound) -> RowIds {
    let mut ids = RowIds::default();
    let Ok(notice) = posted_object(inbound).and_then(opened) else {
        return ids;
    };
    // It was verified when it arrived; but a hash does not cover these fields (`docs/providers/pledg.md#back-mode`).
    if !notice.contains_key(SIGNATURE) {
        let uid = text(&notice, "purchase_uid").or_else(|| text(&notice, "uid"));
        ids.add("purchase_uid", uid.unwrap_or_default());
    }
    ids
}

/// The notice's state, and the bytes that identify it.
fn shape(notice: &Map<String, Value>) -> Option<(&str, Vec<u8>)> {
    let text = |name: &str| text(notice, name);
    let reference = text("reference").unwrap_or_default();
    // Only transfer notices have it, and they are sent only when paid.
    if let Some(uid) = text("transfer_order_item_uid") {
        return Some(("transfer", parts(&["transfer", uid, reference])));
    }
    if let (Some(status), Some(id), Some(at)) = (text("status"), text("id"), text("created_at")) {
        // A status can occur again: one chargeback is solved, and another one begins.
        return Some((status, parts(&["back", id, status, reference, at])));
    }
    // The documented name, then those that the newest plug-ins read (`docs/providers/pledg.md#error-notices`).
    let states = ["purchase_state", "state", "acceptance_state"];
    let state = states.into_iter().find_map(text)?;
    let uid = text("purchase_uid").or_else(|| text("uid"));
    let uid = uid.unwrap_or_default();
    Some((state, parts(&["error", uid, state, reference])))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::auth::sign::jwt_hs256;
    use crate::providers::inbound::tests::{inbound, is_inert, why_refused, why_unreadable};

    /// Of the transfer notification in the documentation, under `your-256-bit-secret`.
    const TRANSFER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJyZWZlcmVuY2UiOiJwdXJjaGFzZV9yZWZlcmVuY2UiLCJjcmVhdGVkIjoiMjAyMC0wOS0xNyAxNTowMDowMi4wNTIxNzciLCJ0cmFuc2Zlcl9vcmRlcl9pdGVtX3VpZCI6InRyaV9mYXNka2ZpYXNmc2QyMzRuZnM3ZjVkIiwiYW1vdW50X2NlbnRzIjoxMDAwMH0.6ZhlvdcPgjwwBfxCrRpzaBGoRxTCoqtWJzFhB8pw4Ys";
    /// The published hash of [`back`], under `SECRET`.
    const HASH: &str = "B1C777835C01CA96AC4C3097FD46A7CA49B92BE157EDE0CB3552880D12A15359";
    /// That of the unit test in Pledg's own plug-in `ecard-orocommerce`: another reference, and `sandbox` as a JSON boolean.
    const BOOLEAN_HASH: &str = "6E9728899AA20E5767015165177B304ECDA4E48E79918E21D26C905E575B1EEB";

    fn back(hash: &str) -> Value {
        json!({
            "created_at": "2019-04-04T12:20:34.97138Z",
            "id": "test-valid",
            "additional_data": {"xx": "yy"},
            "metadata": {"foo": "bar"},
            "status": "completed",
            "sandbox": "true",
            "error": "",
            "reference": "PLEDG_1086986786391",
            "signature": hash,
        })
    }

    fn held(secret: Option<&str>) -> CallbackSecrets {
        let secret = secret.map(|secret| (MERCHANT_SECRET, Secret::new(secret)));
        CallbackSecrets {
            secrets: secret.into_iter().collect(),
            ..CallbackSecrets::default()
        }
    }

    fn judged(secret: Option<&str>, body: &Value) -> Result<ParsedCallback, Refusal> {
        let inbound = inbound("POST", "/callbacks/later", body.to_string());
        read(&inbound, &held(secret))
    }

    fn signed(payload: &Value) -> Value {
        json!({ "signature": jwt_hs256(&Secret::new("SECRET"), payload) })
    }

    fn seen(parsed: &ParsedCallback) -> (&str, Option<String>) {
        let subject = parsed.subject.as_ref().map(ToString::to_string);
        (&parsed.kind, subject)
    }

    // docs/providers/pledg.md#back-mode, docs/providers/pledg.md#transfer-notices
    #[test]
    fn the_published_vectors_are_accepted() {
        let transfer = json!({ "signature": TRANSFER });
        let parsed = judged(Some("your-256-bit-secret"), &transfer).unwrap();
        assert_eq!(
            seen(&parsed),
            ("transfer", Some("purchase_reference".into()))
        );
        assert_eq!(parsed.proof, "a signature (JWT)");
        let parsed = judged(Some("SECRET"), &back(HASH)).unwrap();
        let reference = Some("PLEDG_1086986786391".into());
        assert_eq!(seen(&parsed), ("completed", reference));
        assert_eq!(parsed.proof, "a signature (hash)");
        assert!(!parsed.needs_check && parsed.answer == Answer::Plain);
        let mut boolean = back(BOOLEAN_HASH);
        boolean["sandbox"] = true.into();
        boolean["reference"] = "PLEDG_108698_6786391".into();
        assert!(judged(Some("SECRET"), &boolean).is_ok());
        // Fields outside the hash may have any value, and further fields are allowed.
        boolean["metadata"] = json!([1]);
        boolean["purchase_state"] = "PRIMARY_KO".into();
        boolean["transfer_order_item_uid"] = "tri_forged".into();
        let beside = judged(Some("SECRET"), &boolean).unwrap();
        assert_eq!(beside.kind, "completed");
    }

    // docs/providers/pledg.md#notifications, docs/providers/pledg.md#contradictions
    #[test]
    fn with_a_secret_what_is_not_rightly_signed_is_refused() {
        let hashed = |change: &dyn Fn(&mut Value)| {
            let mut notice = back(HASH);
            change(&mut notice);
            notice
        };
        let (begin, mac) = TRANSFER.rsplit_once('.').unwrap();
        let header = |header: &str| {
            let header = URL_SAFE_NO_PAD.encode(header);
            let payload = begin.split_once('.').unwrap().1;
            json!({ "signature": format!("{header}.{payload}.{mac}") })
        };
        let jwt = |jwt: String| json!({ "signature": jwt });
        // SHA-256 in upper-case hex of the fields in the order reversed, as computed elsewhere.
        let swapped = "1420BC91892D5F7D744C85DE7DEDF184CF1190ACACB732470D26F8858B0A55EB";
        let notices = [
            (json!({}), "not signed"),
            (
                hashed(&|n| drop(n.as_object_mut().unwrap().remove("signature"))),
                "not signed",
            ),
            (
                json!({"reference": "R", "purchase_state": "VCP_KO", "purchase_uid": "pur_1"}),
                "not signed",
            ),
            (json!({"signature": 7}), "not a string"),
            (
                json!({"signature": null, "status": "completed"}),
                "not a string",
            ),
            (
                json!({"signature": TRANSFER, "reference": "forged"}),
                "lacks a back-mode field",
            ),
            (
                hashed(&|n| drop(n.as_object_mut().unwrap().remove("error"))),
                "lacks a back-mode field",
            ),
            (
                hashed(&|n| n["status"] = json!({})),
                "lacks a back-mode field",
            ),
            (
                hashed(&|n| n["status"] = "failed".into()),
                "does not match these fields",
            ),
            (
                hashed(&|n| n["sandbox"] = "True".into()),
                "does not match these fields",
            ),
            (
                hashed(&|n| n["sandbox"] = 1.into()),
                "does not match these fields",
            ),
            (
                hashed(&|n| n["signature"] = HASH.to_lowercase().into()),
                "does not match these fields",
            ),
            (
                hashed(&|n| n["signature"] = "".into()),
                "does not match these fields",
            ),
            (
                hashed(&|n| n["signature"] = HASH[..63].into()),
                "does not match these fields",
            ),
            (back(swapped), "does not match these fields"),
            (back(TRANSFER), "does not match these fields"),
            (jwt(HASH.into()), "three parts"),
            (jwt(String::new()), "three parts"),
            (jwt(format!("{TRANSFER}.")), "three parts"),
            (jwt(format!("{begin}.")), "does not match this secret"),
            (jwt(TRANSFER.into()), "does not match this secret"),
            (jwt(format!("{TRANSFER}=")), "unpadded base64url"),
            (header(r#"{"alg":"none"}"#), "`none`; only HS256"),
            (
                header(r#"{"alg":"RS256","typ":"JWT"}"#),
                "`RS256`; only HS256",
            ),
            (header("{\"alg\":\"\\u001b[2J\"}"), "only HS256"),
            (
                signed(&json!({"data": {"reference": "R"}, "reference": "R", "state": "X_KO"})),
                "made for a purchase",
            ),
            (
                signed(&json!({"reference": "R", "exp": 1_795_316_006})),
                "expired",
            ),
            (
                signed(&json!({"reference": "R", "exp": "soon"})),
                "not a number",
            ),
        ];
        for (notice, message) in notices {
            let parsed = judged(Some("SECRET"), &notice);
            assert!(is_inert(&parsed), "{notice}");
            let why = why_refused(parsed);
            assert!(why.contains(message), "{notice}: {why}");
            assert!(!why.contains("SECRET"), "{why}");
        }
        let ahead = signed(&json!({"reference": "R", "state": "X_KO", "exp": 1_795_316_007}));
        assert!(judged(Some("SECRET"), &ahead).is_ok());
    }

    // docs/providers/pledg.md#transfer-notices, docs/providers/pledg.md#back-mode
    #[test]
    fn a_notice_names_its_purchase_unless_the_signature_does_not_cover_it() {
        let found = |notice: &Value| {
            let ids = ids(&inbound("POST", "/callbacks/later", notice.to_string()));
            ids.get("purchase_uid").map(str::to_owned)
        };
        let paid = json!({"reference": "R-1", "transfer_order_item_uid": "tri_1", "purchase_uid": "pur_1"});
        assert_eq!(found(&paid).as_deref(), Some("pur_1"));
        assert_eq!(found(&signed(&paid)).as_deref(), Some("pur_1"));
        let error = json!({"reference": "R-1", "state": "PRIMARY_KO", "uid": "pur_2"});
        assert_eq!(found(&error).as_deref(), Some("pur_2"));
        let mut hashed = back(HASH);
        assert_eq!(found(&hashed), None);
        hashed["purchase_uid"] = "pur_forged".into();
        assert_eq!(found(&hashed), None);
        assert_eq!(found(&json!([1])), None);
    }

    // docs/providers/pledg.md#transfer-notices, docs/providers/pledg.md#error-notices
    #[test]
    fn a_jwt_is_classified_after_it_was_verified_and_a_repeat_is_recognised() {
        let paid = json!({"reference": "R-1", "transfer_order_item_uid": "tri_1", "purchase_uid": "pur_1", "amount_cents": 5});
        let documented =
            json!({"reference": "R-1", "purchase_state": "PRIMARY_KO", "purchase_uid": "pur_1"});
        let plugins = json!({"reference": "R-1", "state": "PRIMARY_KO", "uid": "pur_1", "acceptance_state": "REJECTED"});
        let abandoned =
            json!({"reference": "R-1", "uid": "pur_1", "acceptance_state": "ABANDONED"});
        let other = json!({"reference": "R-1", "news": [1]});
        let parsed = |payload: &Value| judged(Some("SECRET"), &signed(payload)).unwrap();
        for (payload, kind) in [
            (&paid, "transfer"),
            (&documented, "PRIMARY_KO"),
            (&plugins, "PRIMARY_KO"),
            (&abandoned, "ABANDONED"),
            (&other, "notification"),
        ] {
            assert_eq!(
                seen(&parsed(payload)),
                (kind, Some("R-1".into())),
                "{payload}"
            );
        }
        // Signed again, with another header or time, it is still the same notice.
        let mut anew = paid.clone();
        anew["iat"] = 7.into();
        assert_eq!(parsed(&paid).dedup, parsed(&anew).dedup);
        assert_eq!(parsed(&documented).dedup, parsed(&plugins).dedup);
        let all = [&paid, &documented, &abandoned, &other].map(|payload| parsed(payload).dedup);
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one));
        }
        // The same purchase in another state, or in the same one later.
        let of = |name: &str, value: &str| {
            let mut notice = back(HASH);
            notice[name] = value.into();
            judged(None, &notice).unwrap().dedup
        };
        assert_eq!(of("error", "x"), of("error", "y"));
        for (name, value) in [("status", "failed"), ("created_at", "later"), ("id", "b")] {
            assert_ne!(of(name, value), of("error", ""), "{name}");
        }
    }

    #[test]
    fn without_a_secret_all_four_are_read_and_marked_unverified() {
        let forged = {
            let (begin, _) = TRANSFER.rsplit_once('.').unwrap();
            json!({ "signature": format!("{begin}.AAAA") })
        };
        for (notice, kind) in [
            (json!({ "signature": TRANSFER }), "transfer"),
            (forged, "transfer"),
            (json!({"transfer_order_item_uid": "tri_1"}), "transfer"),
            (back("anything"), "completed"),
            (json!({"purchase_state": "VCP_KO"}), "VCP_KO"),
            (json!({"state": "SCORING_KO", "uid": "pur_1"}), "SCORING_KO"),
        ] {
            let parsed = judged(None, &notice).unwrap();
            assert_eq!(parsed.kind, kind, "{notice}");
            assert_eq!(parsed.proof, "nothing: merchant_secret is not set");
        }
        let long = format!("a.{}.b", "A".repeat(70_000));
        for notice in [
            json!({}),
            json!([1]),
            json!({"reference": "R-1"}),
            json!({"signature": "a.b.c"}),
            json!({"signature": "a"}),
            json!({"signature": 1}),
            json!({ "signature": long }),
            json!({"status": "completed"}),
            json!({"transfer_order_item_uid": 7}),
        ] {
            why_unreadable(judged(None, &notice));
        }
        let get = read(&inbound("GET", "/", "{}"), &held(None));
        assert_eq!(get, Err(Refusal::Method { allowed: "POST" }));
    }

    #[test]
    fn hostile_texts_are_made_inert() {
        for hostile in ["\u{1b}[2J", "\u{202e}x", "a\r\nb", &"x".repeat(9_000)] {
            for field in [
                "reference",
                "purchase_state",
                "transfer_order_item_uid",
                "id",
            ] {
                let mut payload =
                    json!({"purchase_state": "VCP_KO", "status": "s", "created_at": "x"});
                payload[field] = hostile.into();
                for parsed in [
                    judged(None, &payload),
                    judged(Some("SECRET"), &signed(&payload)),
                ] {
                    assert!(is_inert(&parsed) && parsed.is_ok(), "{payload}: {parsed:?}");
                }
            }
        }
    }
}
