//! Redacts what another program has recorded. The rules are those of the one redactor; beyond its names, a header whose
//! name speaks of a secret has one, and credentials that were sent once are known everywhere in the file.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::{Body, Secret, inert};
use crate::net::{record, redact};

/// Parts of the names of headers whose value is a secret.
const SECRET_HEADERS: [&str; 15] = [
    "token",
    "secret",
    "authoriz",
    "x-auth",
    "api-key",
    "apikey",
    "session",
    "password",
    "passwd",
    "cookie",
    "signature",
    "csrf",
    "xsrf",
    "jwt",
    "assertion",
];
/// Headers whose values are names of headers.
const LISTS: &str = "access-control-";
/// Longer values are cut.
const HEADER_MAX: usize = 2_000;
const URL_MAX: usize = 8_000;
/// A shorter cookie or credential may be any word.
const KNOWN_MIN: usize = 16;
/// A shorter text is no JSON web token.
const JWT_MIN: usize = 40;

/// Makes the credentials known that these headers carry.
pub fn learn_headers(headers: &[(String, String)]) {
    for (name, value) in headers {
        match name.to_ascii_lowercase().as_str() {
            "authorization" | "proxy-authorization" => {
                learn(value.rsplit(' ').next().unwrap_or(value), "authorization");
            }
            "cookie" => {
                for (_, value) in value.split(';').filter_map(|pair| pair.split_once('=')) {
                    learn(value.trim(), "cookie");
                }
            }
            "set-cookie" => {
                let pair = value.split(';').next().unwrap_or(value);
                if let Some((_, value)) = pair.split_once('=') {
                    learn(value.trim(), "cookie");
                }
            }
            _ => learn_tokens(value),
        }
    }
}

/// Makes the tokens known that a body grants by name, and each JSON web token in it.
pub fn learn_body(text: &str) {
    redact::learn_handed_out(text);
    learn_tokens(text);
}

fn learn(value: &str, name: &'static str) {
    // What is redacted already is no secret.
    if value.len() >= KNOWN_MIN && !value.starts_with('<') {
        redact::learn_passing(&Secret::new(value), name);
    }
}

fn learn_tokens(text: &str) {
    // Each begins with `{"` in base64 (RFC 7519).
    if !text.contains("eyJ") {
        return;
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    for word in text.split(|c| !is_part(c)) {
        let is_token = word.starts_with("eyJ") && word.matches('.').count() == 2;
        if is_token && word.len() >= JWT_MIN {
            redact::learn_passing(&Secret::new(word), "token");
        }
    }
}

/// Headers as they may be shown.
pub fn headers(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers
        .into_iter()
        .map(|(name, value)| {
            let name = text(&name, HEADER_MAX);
            let lower = name.to_ascii_lowercase();
            let is_secret =
                !lower.starts_with(LISTS) && SECRET_HEADERS.iter().any(|part| lower.contains(part));
            let value = if is_secret {
                format!("<{lower}>")
            } else {
                inert::cut(&redact::header(&name, &value), HEADER_MAX)
            };
            (name, value)
        })
        .collect()
}

/// A URL as it may be shown, without user and password. Not parsed: a URL of tilldeck has placeholders.
pub fn url(text: &str) -> String {
    let authority = text.find("://").map_or(0, |at| at + 3);
    let path = text[authority..]
        .find(['/', '?', '#'])
        .map_or(text.len(), |at| authority + at);
    let host = text[authority..path]
        .rfind('@')
        .map_or(authority, |at| authority + at + 1);
    let text = format!("{}{}", &text[..authority], &text[host..]);
    inert::cut(&redact::header("location", &text), URL_MAX)
}

/// A short text as it may be shown.
pub fn text(text: &str, max: usize) -> String {
    inert::cut(&redact::scrub(text), max)
}

/// A body as a recording has it.
#[derive(Debug, Default, Clone, Copy)]
pub struct RawBody<'a> {
    /// `None` where it was not recorded.
    pub text: Option<&'a str>,
    pub is_base64: bool,
    pub content_type: &'a str,
    /// How many bytes it had, where that is known.
    pub bytes: Option<u64>,
    /// Whether the text is only its beginning.
    pub is_cut: bool,
}

impl RawBody<'_> {
    /// Its bytes, as far as they were recorded.
    fn raw(&self) -> Cow<'_, [u8]> {
        let text = self.text.unwrap_or_default();
        let decoded = self.is_base64.then(|| {
            let text: String = text.split_ascii_whitespace().collect();
            STANDARD.decode(text).ok()
        });
        decoded
            .flatten()
            .map_or(Cow::Borrowed(text.as_bytes()), Cow::Owned)
    }

    /// Makes known what [`learn_body`] finds.
    pub fn learn(&self) {
        learn_body(&String::from_utf8_lossy(&self.raw()));
    }

    /// As it may be shown.
    pub fn redacted(&self) -> Body {
        let bytes = self.raw();
        let mut body = if self.is_base64 {
            record::body_hiding(&bytes, self.content_type, &[])
        } else {
            record::body(&bytes)
        };
        body.bytes = self.bytes.unwrap_or(body.bytes);
        body.cut |= self.is_cut || (self.text.is_none() && body.bytes > 0);
        body
    }
}
