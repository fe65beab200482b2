//! Callbacks through the functions that verify and read them, of every provider.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::http::{HeaderName, HeaderValue, Method, Uri};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tilldeck::auth::sign::{hmac_sha256, jwt_hs256};
use tilldeck::callbacks::{CallbackSecrets, Inbound, Refusal};
use tilldeck::domain::Secret;
use tilldeck::http_server::Request;
use tilldeck::providers::{Manifest, REGISTRY};

use super::{Input, NOW, assert_inert, unguessable};

static SECRETS: LazyLock<[String; 2]> = LazyLock::new(|| [unguessable(), unguessable()]);

/// Which provider; whether its secrets are set, and whether it signs; then the request: a line with method and target,
/// header lines, an empty line, the body.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let manifest = input.choose(REGISTRY);
    let (knows, signs) = input.choose(&[(false, false), (true, false), (true, true)]);
    let Some(mut request) = request(&mut input) else {
        return;
    };
    let [secret, another] = SECRETS.each_ref();
    if signs && sign(manifest, secret, &mut request).is_none() {
        return;
    }
    let inbound = Inbound {
        request,
        from: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        at: NOW,
    };
    let read = |secret: Option<&String>| {
        let secrets = manifest.callbacks.secrets.iter();
        let secrets = secrets.filter_map(|name| Some((*name, Secret::new(secret?))));
        let held = CallbackSecrets {
            secrets: secrets.collect(),
            ..CallbackSecrets::default()
        };
        (manifest.callbacks.read)(&inbound, &held)
    };
    let result = read(knows.then_some(secret));
    assert_eq!(result, read(knows.then_some(secret)), "read twice");
    let provable = !manifest.callbacks.secrets.is_empty();
    match &result {
        Ok(told) => {
            assert!(
                !provable || !knows || signs,
                "{} took a callback without the secret: {told:?}",
                manifest.id.0
            );
            // What proves nothing must be checked with the provider, where that is possible.
            assert!(provable || told.needs_check, "{told:?}");
            if let Some(subject) = &told.subject {
                assert_inert(&subject.to_string());
            }
        }
        Err(Refusal::Refused(why) | Refusal::Unreadable(why)) => {
            assert_inert(why);
            assert!(why.chars().count() <= 300 && !why.contains(secret), "{why}");
        }
        Err(_) => {}
    }
    if provable && signs {
        assert!(read(Some(another)).is_err(), "taken with another secret");
    }
}

fn request(input: &mut Input<'_>) -> Option<Request> {
    let first = input.text();
    let (method, target) = first.split_once(' ')?;
    let (method, target) = (method.parse::<Method>().ok()?, target.parse::<Uri>().ok()?);
    let mut request = Request::default();
    *request.method_mut() = method;
    *request.uri_mut() = target;
    loop {
        let line = input.line();
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    *request.body_mut() = input.rest().to_vec().into();
    Some(request)
}

/// Proves the request as its provider would.
fn sign(manifest: &Manifest, secret: &str, request: &mut Request) -> Option<()> {
    let key = Secret::new(secret);
    let body = request.body().clone();
    match manifest.id.0 {
        "kinguin" => {
            let value = HeaderValue::from_str(secret).ok()?;
            request.headers_mut().insert("x-auth-token", value);
        }
        "kongregate" if body.starts_with(b"{") => {
            let payload = URL_SAFE_NO_PAD.encode(&body);
            let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(&key, payload.as_bytes()));
            *request.body_mut() = format!("signed_request={signature}.{payload}").into();
        }
        "kongregate" => {
            let key = format!("api_key={secret}&");
            *request.body_mut() = [key.as_bytes(), &body].concat().into();
        }
        "pledg" => {
            let mut notice: Map<String, Value> = serde_json::from_slice(&body).ok()?;
            if notice.contains_key("created_at") {
                let hash = back_mode(secret, &notice)?;
                notice.insert("signature".into(), hash.into());
                *request.body_mut() = Value::Object(notice).to_string().into();
            } else {
                let jwt = jwt_hs256(&key, &Value::Object(notice));
                *request.body_mut() = format!("{{\"signature\":\"{jwt}\"}}").into();
            }
        }
        _ => {}
    }
    Some(())
}

/// The hash of a back-mode notification, made anew from its documentation.
fn back_mode(secret: &str, notice: &Map<String, Value>) -> Option<String> {
    let names = [
        "created_at",
        "error",
        "id",
        "reference",
        "sandbox",
        "status",
    ];
    let pairs = names.map(|name| Some(format!("{name}={}", notice.get(name)?.as_str()?)));
    let pairs: Vec<String> = pairs.into_iter().collect::<Option<_>>()?;
    let hash = Sha256::digest(pairs.join(secret));
    Some(hash.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    }))
}
