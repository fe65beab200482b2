//! Responses that several simulated providers give, and what they read of a request's headers.

use hyper::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use super::route::Answer;
use crate::http_server::{Response, respond, text};

pub fn json(status: StatusCode, body: &Value) -> Response {
    respond(status, "application/json", body.to_string())
}

/// 200 with this JSON: a handler's last line.
#[expect(clippy::unnecessary_wraps, reason = "handlers can fail")]
pub fn ok(body: impl Into<Value>) -> Answer {
    Ok(json(StatusCode::OK, &body.into()))
}

pub fn with(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    let value = HeaderValue::from_static(value);
    response.headers_mut().insert(name, value);
    response
}

/// 303 (RFC 9110, 15.4.4): reloading the page that follows does not repeat the act.
pub fn see_other(location: &str) -> Response {
    let mut response = text(StatusCode::SEE_OTHER, "");
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// 405 in plain text with the methods that the path takes.
pub fn only(methods: &str) -> Response {
    let refusal = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    allowing(refusal, methods)
}

/// 405 with the methods that the path takes.
pub fn allowing(mut refusal: Response, methods: &str) -> Response {
    if let Ok(methods) = HeaderValue::from_str(methods) {
        refusal.headers_mut().insert(header::ALLOW, methods);
    }
    refusal
}

/// The `Authorization` header, if there is exactly one: two servers could each read another one of two.
pub fn authorization(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Whether the body is declared to be a form.
pub fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The host by which the client called, for links to this server.
pub fn host(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or_default()
}
