//! Kongregate's calls: operation to call, response to answer. No I/O.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::auth::Kongregate;
use super::{catalogue, digest, settings, wire};
use crate::domain::unique_keys;
use crate::domain::{
    Digest, Inventory, Item, Player, PlayerId, PlayerToken, RawCall, RawReply, bad_json, inert,
};
use crate::net::{Call, RequestBody, form_boundary, redact};
use crate::providers::inbound::{decoded, pairs};
use crate::providers::{ApiError, Client, Credentials, Queried, Query};

/// The field that authenticates a player.
pub const GAME_AUTH_TOKEN: &str = "game_auth_token";

/// Makes the client of one account.
pub fn connect(credentials: Credentials) -> Arc<dyn Client> {
    Arc::new(Kongregate::new(credentials))
}

impl Client for Kongregate {
    /// By the cheapest call that needs the key but no player.
    fn verify(&self) -> Queried<()> {
        let call = get(catalogue::ITEMS.into(), "verify credentials".into());
        Ok(Query::new(call, |reply| {
            match wire::outcome(reply.status, &reply.body)?.get("items") {
                Some(Value::Array(_)) => Ok(()),
                _ => Err(ApiError::unexpected("it has no list of items")),
            }
        }))
    }

    fn authenticate_player(&self, player: &PlayerToken) -> Queried<Player> {
        let PlayerToken { player, token } = player;
        let player = *player;
        // It goes into the query, which errors and proxies repeat.
        redact::learn_temporary(token, GAME_AUTH_TOKEN);
        let query = serde_urlencoded::to_string([
            ("user_id", player.to_string().as_str()),
            (GAME_AUTH_TOKEN, token.expose()),
        ]);
        let query = query.expect("pairs of texts are a query");
        let path = format!("{}?{query}", catalogue::AUTHENTICATE);
        let call = get(path, format!("player {player}"));
        Ok(Query::new(call, move |reply| {
            authenticated_player(player, &wire::outcome(reply.status, &reply.body)?)
        }))
    }

    fn player_items(&self, player: PlayerId) -> Queried<Inventory> {
        let path = format!("{}?user_id={player}", catalogue::USER_ITEMS);
        let call = get(path, format!("player {player}"));
        Ok(Query::new(call, move |reply| {
            inventory(player, &wire::outcome(reply.status, &reply.body)?)
        }))
    }

    fn raw(&self, call: &RawCall) -> Result<Call, ApiError> {
        check_path(&call.path)?;
        let body = fields(&call.method, call.body.as_deref())?;
        Ok(Call::raw(call, &catalogue::CATALOGUE, settings::API, body))
    }

    fn judge(&self, _call: &RawCall, raw: &RawReply) -> Result<(), ApiError> {
        wire::outcome(raw.status, &raw.body).map(drop)
    }

    fn digest(&self, call: &RawCall, reply: &RawReply) -> Option<Digest> {
        digest::digest(call, reply)
    }
}

/// Parses a body in JSON or form encoding.
fn fields(method: &str, body: Option<&[u8]>) -> Result<RequestBody, ApiError> {
    let body = body.filter(|body| !body.trim_ascii().is_empty());
    let text = body.map(|body| match (form_boundary(body), std::str::from_utf8(body)) {
        (None, Ok(text)) => Ok(text),
        (Some(_), _) | (None, Err(_)) => Err(ApiError::Unsupported(
            "Kongregate accepts no files and no multipart forms; write the fields as --data 'name=value&…'".into(),
        )),
    });
    let body = text.transpose()?;
    // RFC 9110, 9.3.1: a body of a GET has no defined meaning, and the key goes into the query.
    if matches!(method, "GET" | "HEAD") {
        return match body {
            None => Ok(RequestBody::Empty),
            Some(_) => Err(ApiError::Unsupported(format!(
                "a {method} to Kongregate takes no body; write the values into the path: \
                /user_items.json?user_id=…"
            ))),
        };
    }
    let Some(body) = body else {
        return Ok(RequestBody::Empty);
    };
    let fields = if body.trim_start().starts_with('{') {
        // The error shows no value of the body.
        unique_keys::object(body.as_bytes()).map_err(|error| {
            ApiError::Unsupported(format!(
                "the body is not a valid JSON object: {}. Nothing was sent",
                bad_json(&error)
            ))
        })?
    } else {
        form(body)?
    };
    if fields.contains_key(settings::API_KEY) {
        return Err(key_given());
    }
    Ok(RequestBody::Fields(fields))
}

/// Parses a form.
fn form(body: &str) -> Result<Map<String, Value>, ApiError> {
    let mut fields = Map::new();
    for (name, value) in pairs(body.trim().as_bytes()) {
        let (name, value) = (text(name)?, text(value.unwrap_or_default())?);
        // The server might take the other one.
        if fields.insert(name.clone(), value.into()).is_some() {
            return Err(ApiError::Unsupported(format!(
                "the field {} occurs twice. Nothing was sent",
                inert::quoted(&name, 40)
            )));
        }
    }
    Ok(fields)
}

/// Decodes a name or value of a form. Strict, because the usual decoder replaces invalid bytes.
fn text(part: &[u8]) -> Result<String, ApiError> {
    String::from_utf8(decoded(part).into_owned()).map_err(|_| {
        ApiError::Unsupported("a field of the body is not UTF-8. Nothing was sent".into())
    })
}

/// Refuses a path that contains the key: tilldeck adds the key, and a secret typed on the command line ends up in the
/// shell's history.
fn check_path(path: &str) -> Result<(), ApiError> {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let named = query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or(pair);
        percent_decode_str(name).decode_utf8_lossy() == settings::API_KEY
    });
    if named { Err(key_given()) } else { Ok(()) }
}

fn key_given() -> ApiError {
    ApiError::Unsupported(
        "tilldeck adds api_key from the config; remove it from the request. Nothing was sent"
            .into(),
    )
}

/// A call that reads. `success` in its reply decides, whatever the status is (`docs/providers/kongregate.md#answers`).
fn get(path: String, about: String) -> Call {
    Call {
        about,
        ..Call::new("GET", settings::API, path)
    }
}

fn authenticated_player(requested: PlayerId, fields: &wire::Fields) -> Result<Player, ApiError> {
    let id = wire::whole(fields.get("user_id"))
        .ok_or_else(|| ApiError::unexpected("it names no player"))?;
    // A name must not be shown beside another player's number.
    if id != requested.0 {
        return Err(ApiError::unexpected(
            "it describes another player than the requested one",
        ));
    }
    let username = fields.get("username").and_then(Value::as_str);
    let username = username.ok_or_else(|| ApiError::unexpected("it has no user name"))?;
    Ok(Player {
        id: requested,
        username: redact::scrub(username).into_owned(),
    })
}

fn inventory(player: PlayerId, fields: &wire::Fields) -> Result<Inventory, ApiError> {
    let items = fields.get("items").and_then(Value::as_array);
    let items = items.ok_or_else(|| ApiError::unexpected("it has no list of items"))?;
    Ok(Inventory {
        player,
        items: items.iter().map(item).collect::<Result<_, _>>()?,
    })
}

/// One thing a player owns. An item without its number, or whose uses are neither a number nor null (unlimited), fails the
/// whole answer: a guess would show a player more or less than they own (`docs/providers/kongregate.md#items`).
fn item(row: &Value) -> Result<Item, ApiError> {
    let row = row
        .as_object()
        .ok_or_else(|| ApiError::unexpected("an item in it is not an object"))?;
    let id = wire::whole(row.get("id"))
        .ok_or_else(|| ApiError::unexpected("an item in it has no number"))?;
    let scrubbed = |text: String| redact::scrub(&text).into_owned();
    let text = |name: &str| scrubbed(wire::text(row.get(name)).unwrap_or_default());
    let remaining_uses = match row.get("remaining_uses") {
        Some(Value::Null) => None,
        uses => Some(wire::whole(uses).ok_or_else(|| {
            ApiError::unexpected(format!("item {id} does not say how many uses are left"))
        })?),
    };
    let data = match row.get("data") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    Ok(Item {
        id,
        identifier: text("identifier"),
        name: text("name"),
        description: text("description"),
        remaining_uses,
        data: data.map(scrubbed),
    })
}
