//! Kongregate's callbacks. Two families: events in plain fields, authenticated by the game's key among them
//! (`docs/providers/kongregate.md#callbacks`), and signed requests, which orders are
//! (`docs/providers/kongregate.md#orders`). Some of Kongregate's pages say that all callbacks are signed: where a signed
//! request is present, it alone counts.

use std::time::Duration;

use hyper::http::Method;
use subtle::ConstantTimeEq as _;

use super::facts::{INVENTORY, ORDER_PLACED, ORDER_REQUEST, SIGNED_REQUEST};
use super::{settings, signed, wire};
use crate::callbacks::{Answer, CallbackSecrets, Dedup, Inbound, ParsedCallback, Refusal, Spec};
use crate::domain::{
    PaymentId, Player, PlayerClaim, PlayerId, Problem, ProblemKind, RowIds, Secret, Subject,
    WallTime,
};
use crate::net::redact;
use crate::providers::inbound::{decoded, pairs, parts, posted_form, unreadable};

/// How tilldeck verifies and parses its callbacks.
pub const SPEC: Spec = Spec {
    secrets: &[settings::API_KEY],
    body_max: 128 * 1024,
    if_unsaved: "Kongregate documents no retry: fetch the player's items again",
    shown: with_payload,
    read,
};

/// When a signed request was made, in seconds since 1970.
const ISSUED_AT: &str = "issued_at";
/// How old a signed request may be. Kongregate documents no retry, and a player who orders waits for the answer, so genuine
/// ones are seconds old. A day tolerates a clock in the wrong time zone. A repeat within the day is recognised by its order
/// id.
const SIGNED_FOR: Duration = Duration::from_hours(24);

/// The answer to an order request where the shop gives none: no items, so nothing can be bought.
const NO_ITEMS: &str = r#"{"items":[]}"#;
/// The answer to a placed order where the shop gives none: the player does not pay.
const CANCELED: &str = r#"{"state":"canceled"}"#;

/// No plain field is longer; a signed request may be.
const FIELD_MAX: usize = 1_000;
/// No signed request is longer.
const SIGNED_MAX: usize = 64 * 1024;
/// No callback has more fields.
const FIELDS_MAX: usize = 100;

fn read(inbound: &Inbound, held: &CallbackSecrets) -> Result<ParsedCallback, Refusal> {
    if inbound.request.method() != Method::POST {
        return Err(Refusal::Method { allowed: "POST" });
    }
    let form = Form::read(&posted_form(inbound)?)?;
    // Without the key nothing can be verified: 503, since the fault is here.
    let key = held.secrets.get(settings::API_KEY).ok_or_else(|| {
        Refusal::Unable(Problem::new(
            ProblemKind::Config,
            "the game's key is not set, so tilldeck cannot verify callbacks",
            "set api_key of the account",
        ))
    })?;
    match form.get(SIGNED_REQUEST) {
        Some(text) => signed_one(key, text, inbound.at),
        None => plain_one(key, &form),
    }
}

fn signed_one(key: &Secret, text: &str, at: WallTime) -> Result<ParsedCallback, Refusal> {
    let fields = signed::verify(key, text).map_err(Refusal::Refused)?;
    // After the signature: only a genuine `issued_at` means anything.
    must_be_new(&fields, at)?;
    let text = |name: &str| -> Result<String, Refusal> {
        let text = wire::text(fields.get(name));
        let text = text.filter(|text| !text.is_empty() && text.len() <= FIELD_MAX);
        text.ok_or_else(|| unreadable(&format!("the signed data has no `{name}`")))
    };
    let event = text("event")?;
    let (subject, dedup, needs_check, answer) = match event.as_str() {
        ORDER_REQUEST | ORDER_PLACED => {
            let order = text("order_id")?;
            let id = PaymentId::new(order.as_str())
                .map_err(|error| unreadable(&format!("`order_id` cannot be used: {error}")))?;
            // Request and placement have the same `order_id` and are two messages.
            let dedup = Dedup::Message(parts(&[&event, &order]));
            let is_request = event == ORDER_REQUEST;
            let otherwise = if is_request { NO_ITEMS } else { CANCELED };
            let answer = Answer::Relayed { otherwise };
            (Some(Subject::Payment(id)), dedup, false, answer)
        }
        INVENTORY => {
            let player = player(&text("user_id")?)?;
            let subject = Some(Subject::Player(player));
            (subject, change_of(player), true, Answer::Plain)
        }
        _ => {
            let player = wire::whole(fields.get("user_id")).map(PlayerId);
            // Undocumented, so nothing less than all fields makes two of them the same.
            let dedup = Dedup::Message(parts(&["signed", &text_of(&fields)]));
            (player.map(Subject::Player), dedup, false, Answer::Plain)
        }
    };
    Ok(ParsedCallback {
        happened_at: None,
        kind: event,
        subject,
        proof: "a signature",
        proved: true,
        dedup,
        needs_check,
        answer,
    })
}

/// A signed request with the fields of its payload: its order must be compared with the shop's.
fn with_payload(inbound: &Inbound) -> Option<Vec<u8>> {
    let form = Form::read(&posted_form(inbound).ok()?).ok()?;
    let payload = signed::unverified(form.get(SIGNED_REQUEST)?)?;
    let mut fields = form.fields();
    fields.insert("payload".to_owned(), payload.into());
    serde_json::to_vec(&fields).ok()
}

/// The id of the player that an accepted callback names.
pub fn ids(inbound: &Inbound) -> RowIds {
    let mut ids = RowIds::default();
    if let Some(claim) = player_claim(inbound) {
        ids.add("user_id", &claim.player.id.to_string());
    }
    ids
}

/// The player that a callback names, with name and token. Pass only accepted callbacks: nothing is verified here.
pub fn player_claim(inbound: &Inbound) -> Option<PlayerClaim> {
    let form = Form::read(&posted_form(inbound).ok()?).ok()?;
    let fields = match form.get(SIGNED_REQUEST) {
        Some(text) => signed::unverified(text)?,
        None => form.fields(),
    };
    let text = |name: &str| wire::text(fields.get(name)).filter(|text| !text.is_empty());
    let token = text(super::api::GAME_AUTH_TOKEN).map(Secret::new);
    if let Some(token) = &token {
        redact::learn_temporary(token, super::api::GAME_AUTH_TOKEN);
    }
    let username = text("username").unwrap_or_default();
    Some(PlayerClaim {
        player: Player {
            id: player(&text("user_id")?).ok()?,
            username: redact::scrub(&username).into_owned(),
        },
        token,
    })
}

/// A signature never expires, so a copy could be sent again: a request with `issued_at` must be recent. Not all have it
/// (`docs/providers/kongregate.md#signed-requests`).
fn must_be_new(fields: &wire::Fields, at: WallTime) -> Result<(), Refusal> {
    let Some(issued) = fields.get(ISSUED_AT) else {
        return Ok(());
    };
    let issued = wire::whole(Some(issued))
        .and_then(|seconds| i64::try_from(seconds).ok())
        .map(|seconds| WallTime(seconds.saturating_mul(1000)))
        .ok_or_else(|| unreadable(&format!("its `{ISSUED_AT}` is not a number of seconds")))?;
    if at.since(issued) > SIGNED_FOR {
        return Err(Refusal::Refused(format!(
            "it was signed at {}, over a day ago by this machine's clock",
            issued.rfc3339()
        )));
    }
    Ok(())
}

fn text_of(fields: &wire::Fields) -> String {
    serde_json::to_string(fields).expect("a map of JSON values is JSON")
}

fn plain_one(key: &Secret, form: &Form) -> Result<ParsedCallback, Refusal> {
    let given = form
        .get(settings::API_KEY)
        .ok_or_else(|| Refusal::Refused("the game's key is missing".into()))?;
    // In constant time: the response's delay must not reveal how much of a guess is right.
    let is_ours: bool = given.as_bytes().ct_eq(key.expose().as_bytes()).into();
    if !is_ours {
        return Err(Refusal::Refused(
            "the key is not the account's api_key".into(),
        ));
    }
    let field = |name: &str| -> Result<&str, Refusal> {
        let text = form.get(name).filter(|text| !text.is_empty());
        text.ok_or_else(|| unreadable(&format!("the field `{name}` is missing")))
    };
    let event = field("event")?;
    let parsed = |player: Option<PlayerId>, dedup, needs_check| ParsedCallback {
        happened_at: None,
        kind: event.to_owned(),
        subject: player.map(Subject::Player),
        proof: "the key",
        proved: true,
        dedup,
        needs_check,
        answer: Answer::Plain,
    };
    match event {
        // Every plain callback contains the key, so a copy of one is enough to forge an order
        // (`docs/providers/kongregate.md#orders`).
        ORDER_REQUEST | ORDER_PLACED => Err(Refusal::Refused("an order that is not signed".into())),
        INVENTORY => {
            let player = player(field("user_id")?)?;
            Ok(parsed(Some(player), change_of(player), true))
        }
        _ => {
            let about = form.get("user_id").and_then(|id| player(id).ok());
            let mut identity_parts = vec![event, field("time")?];
            // Secrets stay out of a hash that the ledger stores.
            let secret = [settings::API_KEY, super::api::GAME_AUTH_TOKEN];
            for (name, value) in &form.0 {
                if !secret.contains(&name.as_str()) {
                    identity_parts.extend([name.as_str(), value.as_str()]);
                }
            }
            Ok(parsed(about, Dedup::Message(parts(&identity_parts)), false))
        }
    }
}

/// A changed inventory is a hint. Its `time` has whole seconds, so it cannot tell two changes from a repeat: each one leads
/// to a fetch (`docs/providers/kongregate.md#inventory-event`).
fn change_of(player: PlayerId) -> Dedup {
    Dedup::Subject(parts(&[INVENTORY, &player.to_string()]))
}

fn player(text: &str) -> Result<PlayerId, Refusal> {
    let id = text.parse().ok().filter(|id| *id > 0);
    id.map(PlayerId)
        .ok_or_else(|| unreadable("`user_id` is not a player's number"))
}

/// The fields of a form, each present once. Ignores the content type.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        if !body.contains(&b'=') {
            return Err(unreadable("the body is not a form"));
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs(body) {
            let (name, value) = (field(name)?, field(value.unwrap_or_default())?);
            let longest = if name == SIGNED_REQUEST {
                SIGNED_MAX
            } else {
                FIELD_MAX
            };
            if name.len() > FIELD_MAX || value.len() > longest {
                return Err(unreadable("a field is longer than Kongregate's fields are"));
            }
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(unreadable("a field occurs twice"));
            }
            if fields.len() == FIELDS_MAX {
                return Err(unreadable("it has more than 100 fields"));
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    fn fields(&self) -> wire::Fields {
        let fields = self.0.iter();
        fields
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect()
    }

    fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.iter();
        fields
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Decodes a name or value of a form. Strict, because the usual decoder replaces invalid bytes.
fn field(part: &[u8]) -> Result<String, Refusal> {
    let text = String::from_utf8(decoded(part).into_owned());
    let text = text.map_err(|_| unreadable("a field is not UTF-8"))?;
    // No documented field has any, and they would disturb logs and screens.
    if text.contains(char::is_control) {
        return Err(unreadable("a field contains control characters"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::signed::tests::{ORDER, PUBLISHED, PUBLISHED_KEY};
    use super::*;
    use crate::net::record;
    use crate::providers::inbound::tests::{inbound, why_refused};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn held() -> CallbackSecrets {
        let mut held = CallbackSecrets::default();
        let key = Secret::new(PUBLISHED_KEY);
        held.secrets.insert(settings::API_KEY, key);
        held
    }

    fn judge_as(method: &str, body: impl Into<Bytes>) -> Result<ParsedCallback, Refusal> {
        read(&inbound(method, "/", body), &held())
    }

    fn judge(body: impl Into<Bytes>) -> Result<ParsedCallback, Refusal> {
        judge_as("POST", body)
    }

    /// A plain callback with this user and time.
    fn inventory(user: &str, time: &str) -> String {
        format!(
            "event=invalidate_user_inventory&api_key={PUBLISHED_KEY}&time={time}&user_id={user}&username=Ada&game_auth_token=t0"
        )
    }

    fn signed(payload: &str) -> String {
        let key = Secret::new(PUBLISHED_KEY);
        format!("signed_request={}", signed::sign(&key, payload))
    }

    // docs/providers/kongregate.md#signed-requests
    #[test]
    fn signed_fields_are_shown_without_their_secrets() {
        let body = signed(r#"{"event":"x","order_info":"sword","game_auth_token":"t0-hidden"}"#);
        let signed = inbound("POST", "/callbacks/game", body);
        let shown = record::body(&(SPEC.shown)(&signed).unwrap()).text;
        assert!(shown.contains(r#""order_info":"sword""#), "{shown}");
        assert!(shown.contains("<signed_request>"), "{shown}");
        assert!(!shown.contains("t0-hidden"), "{shown}");
        let plain = inbound("POST", "/callbacks/game", inventory("765", "t"));
        assert_eq!((SPEC.shown)(&plain), None);
    }

    #[test]
    fn a_changed_inventory_is_fetched() {
        let at = "2016-04-10+06%3A20%3A59+-0700";
        let parsed = judge(inventory("765", at)).unwrap();
        assert_eq!(parsed.kind, INVENTORY);
        assert_eq!(parsed.subject, Some(Subject::Player(PlayerId(765))));
        assert_eq!((parsed.proof, parsed.needs_check), ("the key", true));
        assert_eq!(parsed.answer, Answer::Plain);
        // Two changes can be of one second, so a time that is the same does not make them one.
        assert!(matches!(parsed.dedup, Dedup::Subject(_)));
        for (user, time, is_same) in [
            ("765", at, true),
            ("765", "2016-04-10+06%3A21%3A00+-0700", true),
            ("766", at, false),
        ] {
            let other = judge(inventory(user, time)).unwrap();
            assert_eq!(other.dedup == parsed.dedup, is_same, "{user} {time}");
        }
        // Neither a new name nor a new token makes a message another.
        let renamed = inventory("765", at)
            .replace("Ada", "Bea")
            .replace("t0", "t1");
        assert_eq!(judge(renamed).unwrap().dedup, parsed.dedup);
        let payload = r#"{"algorithm":"HMAC-SHA256","event":"invalidate_user_inventory","user_id":765,"time":"t"}"#;
        let signed = judge(signed(payload)).unwrap();
        assert_eq!((signed.dedup, signed.needs_check), (parsed.dedup, true));
    }

    // docs/providers/kongregate.md#inventory-event
    #[test]
    fn name_and_token_of_a_player_are_read_from_plain_and_signed_callbacks() {
        let claim = |body: &str| player_claim(&inbound("POST", "/", body.to_owned()));
        let plain = claim(&inventory("765", "t")).unwrap();
        assert_eq!(plain.player.id, PlayerId(765));
        assert_eq!(plain.player.username, "Ada");
        assert_eq!(plain.token, Some(Secret::new("t0")));
        let payload = r#"{"algorithm":"HMAC-SHA256","event":"invalidate_user_inventory","user_id":765,"username":"Ada","game_auth_token":"t0"}"#;
        let json = r#"{"user_id":765,"username":"Ada","game_auth_token":"t0"}"#;
        assert_eq!(claim(json).as_ref(), Some(&plain));
        assert_eq!(claim(&signed(payload)), Some(plain));
        let bare = claim("user_id=765&event=x").unwrap();
        assert_eq!((bare.player.username.as_str(), bare.token), ("", None));
        for none in [
            "",
            "event=x",
            "user_id=0",
            "signed_request=x",
            "username=Ada",
        ] {
            assert_eq!(claim(none), None, "{none}");
        }
    }

    // docs/providers/kongregate.md#callbacks
    #[test]
    fn the_key_must_be_valid_and_is_not_shown() {
        let at = "2016-04-10+06%3A20%3A59+-0700";
        let valid = inventory("765", at);
        for (body, words) in [
            (
                valid.replace(PUBLISHED_KEY, "another"),
                "not the account's api_key",
            ),
            (
                valid.replace(PUBLISHED_KEY, ""),
                "not the account's api_key",
            ),
            (valid.replace("api_key", "apikey"), "missing"),
            (
                valid.replace("-80456de2b98c", "-80456de2b98d"),
                "not the account's api_key",
            ),
        ] {
            let Err(Refusal::Refused(why)) = judge(body.clone()) else {
                panic!("{body} is accepted");
            };
            assert!(why.contains(words), "{why}");
            assert!(!why.contains("748e63d7") && !why.contains("another"));
        }
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            let refusal = judge_as(method, valid.clone());
            assert_eq!(refusal, Err(Refusal::Method { allowed: "POST" }));
        }
        let nothing = read(&inbound("POST", "/", valid), &CallbackSecrets::default());
        assert!(matches!(nothing, Err(Refusal::Unable(_))), "{nothing:?}");
    }

    // docs/providers/kongregate.md#signed-requests, docs/providers/kongregate.md#contradictions
    #[test]
    fn a_signed_request_must_verify_and_no_plain_field_overrides_it() {
        let parsed = judge(format!("signed_request={PUBLISHED}")).unwrap();
        assert_eq!(
            (parsed.kind.as_str(), parsed.proof),
            ("test", "a signature")
        );
        assert!(!parsed.needs_check);
        let parsed = judge(format!(
            "signed_request={ORDER}&event=item_order_placed&order_id=1&api_key=wrong"
        ))
        .unwrap();
        assert_eq!(parsed.kind, ORDER_REQUEST);
        let order = Subject::Payment(PaymentId::new("12345").unwrap());
        assert_eq!(parsed.subject, Some(order));
        assert_eq!(
            parsed.answer,
            Answer::Relayed {
                otherwise: NO_ITEMS
            }
        );
        assert!(!parsed.needs_check);
        let placed =
            r#"{"algorithm":"HMAC-SHA256","event":"item_order_placed","order_id":"12345"}"#;
        let placed = judge(signed(placed)).unwrap();
        assert_eq!(
            placed.answer,
            Answer::Relayed {
                otherwise: CANCELED
            }
        );
        assert_ne!(
            placed.dedup, parsed.dedup,
            "the order's two events are two messages"
        );
        // A valid key does not outweigh a bad signature.
        let bad = format!("{}&signed_request={PUBLISHED}x", inventory("765", "t"));
        assert!(matches!(judge(bad), Err(Refusal::Refused(_))));
        let empty = format!("{}&signed_request=", inventory("765", "t"));
        assert!(matches!(judge(empty), Err(Refusal::Refused(_))));
        for unsigned in [ORDER_REQUEST, ORDER_PLACED] {
            let body = format!("event={unsigned}&api_key={PUBLISHED_KEY}&time=t&order_id=1");
            let refused = Refusal::Refused("an order that is not signed".into());
            assert_eq!(judge(body), Err(refused));
        }
    }

    // docs/providers/kongregate.md#signed-requests
    #[test]
    fn a_signed_request_of_long_ago_is_not_new() {
        // The time of these tests' requests.
        const NOW: i64 = 1_795_316_066;
        let order = |issued: &str| {
            judge(signed(&format!(
                r#"{{"algorithm":"HMAC-SHA256","event":"item_order_placed","order_id":"77","issued_at":{issued}}}"#
            )))
        };
        for fresh in [NOW, NOW - 24 * 3600, NOW + 3600] {
            assert!(order(&fresh.to_string()).is_ok(), "{fresh}");
        }
        for old in [NOW - 24 * 3600 - 1, NOW - 365 * 24 * 3600, 0] {
            let why = why_refused(order(&old.to_string()));
            assert!(why.contains("over a day ago"), "{why}");
        }
        for odd in [r#""soon""#, "-5", "1.5", "null", "[]"] {
            assert!(matches!(order(odd), Err(Refusal::Unreadable(_))), "{odd}");
        }
    }

    #[test]
    fn an_unknown_event_is_saved_and_causes_no_request() {
        let body = format!("event=badge_awarded&api_key={PUBLISHED_KEY}&time=t&badge=7&user_id=9");
        let parsed = judge(body.clone()).unwrap();
        assert_eq!(
            (parsed.kind.as_str(), parsed.needs_check),
            ("badge_awarded", false)
        );
        assert_eq!(parsed.subject, Some(Subject::Player(PlayerId(9))));
        let other = judge(body.replace("badge=7", "badge=8")).unwrap();
        assert_ne!(parsed.dedup, other.dedup);
        let token = judge(format!("{body}&game_auth_token=t1")).unwrap();
        assert_eq!(parsed.dedup, token.dedup);
    }

    #[test]
    fn a_name_without_a_value_is_an_empty_field() {
        let bare = format!("flag&{}&other", inventory("9", "1"));
        assert_eq!(judge(bare), judge(inventory("9", "1")));
    }

    #[test]
    fn the_same_fields_count_however_they_are_posted() {
        let form = judge(inventory("9", "1")).unwrap();
        let json = format!(
            r#"{{"event":"invalidate_user_inventory","api_key":"{PUBLISHED_KEY}","time":1,"user_id":9}}"#
        );
        assert_eq!(judge(json).unwrap(), form);
        let keyless = r#"{"event":"invalidate_user_inventory","user_id":9}"#;
        assert!(why_refused(judge(keyless)).contains("key is missing"));
    }

    #[test]
    fn what_makes_no_sense_is_unreadable_and_its_reason_inert() {
        let key = format!("api_key={PUBLISHED_KEY}");
        let long = "9".repeat(10_000);
        let many: Vec<String> = (0..=FIELDS_MAX).map(|n| format!("f{n}=1")).collect();
        let table: Vec<Bytes> = vec![
            "".into(),
            "&&".into(),
            r#"{"event":"invalidate_user_inventory""#.into(),
            "event".into(),
            format!("{key}&event=test").into(),
            format!("{key}&time=t").into(),
            format!("{key}&time=t&event=").into(),
            format!("{key}&time=t&event=a&event=b").into(),
            format!("{key}&{key}&time=t&event=a").into(),
            format!("signed_request={PUBLISHED}&signed_request={PUBLISHED}").into(),
            format!("{key}&time=t&event={long}").into(),
            format!("{key}&time=t&event=a&{long}=1").into(),
            format!("{key}&time=t&event=%1B%5B2J").into(),
            format!("{key}&time=t&event=a%00b").into(),
            format!("{key}&time=t&event=%FF%FE").into(),
            [key.as_bytes(), b"&time=t&event=\xff"].concat().into(),
            format!("signed_request={}", "a".repeat(SIGNED_MAX + 1)).into(),
            "f=1&".repeat(2).into(),
            many.join("&").into(),
            inventory("", "t").into(),
            inventory("0", "t").into(),
            inventory("-1", "t").into(),
            inventory("1e3", "t").into(),
            inventory("99999999999999999999999", "t").into(),
            signed(r#"{"algorithm":"HMAC-SHA256"}"#).into(),
            signed(r#"{"algorithm":"HMAC-SHA256","event":"item_order_placed"}"#).into(),
            signed(r#"{"algorithm":"HMAC-SHA256","event":"item_order_placed","order_id":[1]}"#)
                .into(),
            signed(
                r#"{"algorithm":"HMAC-SHA256","event":"item_order_placed","order_id":"a\u0007"}"#,
            )
            .into(),
            signed(r#"{"algorithm":"HMAC-SHA256","event":"invalidate_user_inventory"}"#).into(),
        ];
        for body in table {
            let shown = String::from_utf8_lossy(&body[..body.len().min(120)]).into_owned();
            let Err(Refusal::Unreadable(why)) = judge(body) else {
                panic!("{shown} is read");
            };
            assert!(!why.contains(char::is_control) && why.len() < 200, "{why}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_input_is_judged_and_never_echoed_raw(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            text in "(event|time|user_id|api_key|signed_request|[&=+%.]|[0-9a-fA-F]{2}|\\PC){0,40}",
            payload in "\\{\"algorithm\":\"HMAC-SHA256\",\"event\":\"(item_order_placed|test|\\PC)\",\"order_id\":(1|-1|1e9|\"\\PC{0,9}\"|null|\\[\\])\\}",
        ) {
            let keyed = format!("api_key={PUBLISHED_KEY}&{text}").into_bytes();
            for body in [bytes, text.into_bytes(), keyed, signed(&payload).into_bytes()] {
                match judge(body) {
                    Err(Refusal::Refused(why) | Refusal::Unreadable(why)) => {
                        prop_assert!(!why.contains(char::is_control), "{why}");
                        prop_assert!(!why.contains(PUBLISHED_KEY), "{why}");
                    }
                    Ok(parsed) => prop_assert!(!parsed.kind.is_empty()),
                    Err(other) => prop_assert!(false, "{other:?}"),
                }
            }
        }
    }
}
