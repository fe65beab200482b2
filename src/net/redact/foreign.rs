//! What another program has recorded. Its headers and fields have names of which no provider's documents speak: a header
//! is hidden unless its name is a standard one that carries no secret, a field if its name speaks of a secret, and each
//! hidden value wherever it occurs again.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::escapes::Layer;
use super::fields::{self, Names};
use super::known::{KNOWN_MIN, KnownSecrets, LAYERS_MAX, placeholder, scrub};
use super::{FINDERS, Rules, is_secret_header};
use crate::domain::charset::begins_as_json;
use crate::domain::{Secret, inert};

/// Standard headers that carry no secret, in lower case. All other values are hidden: a shop may choose any header for
/// its webhook secret.
const OPEN_HEADERS: [&str; 68] = [
    ":authority",
    ":method",
    ":path",
    ":scheme",
    ":status",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "alt-svc",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-type",
    "date",
    "dnt",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "origin",
    "permissions-policy",
    "pragma",
    "priority",
    "range",
    "referer",
    "referrer-policy",
    "retry-after",
    "server",
    "server-timing",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "vary",
    "via",
    "x-content-type-options",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-frame-options",
    "x-powered-by",
    "x-real-ip",
    "x-request-id",
    "x-requested-with",
    "x-xss-protection",
];

/// Beginnings of the names of more such headers.
const OPEN_FAMILIES: [&str; 5] = [
    "access-control-",
    "ratelimit-",
    "sec-ch-",
    "sec-fetch-",
    "x-ratelimit-",
];

/// Parts of the media types of programs and of texts that contain them.
const PAGES: [&str; 3] = ["html", "javascript", "css"];
/// What a cookie has beside its value (RFC 6265).
const COOKIE_ATTRIBUTES: [&str; 6] = [
    "path", "domain", "expires", "max-age", "samesite", "priority",
];

/// A shorter value is hidden in its own place only: it may be any word.
const VALUE_MIN: usize = 6;
/// The same for a part of a header's value.
const PART_MIN: usize = 12;
/// A shorter text is no JSON web token.
const JWT_MIN: usize = 20;
/// The most values of one recording, and the most bytes of them: each is searched in some fifteen encoded forms.
const VALUES_MAX: usize = 8_000;
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Base64 with padding or without, as programs write it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes of base64 in either alphabet, padded or not, in lines or not.
pub fn base64_decoded(text: &str) -> Option<Vec<u8>> {
    let standard = |byte: u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        byte => byte,
    };
    let bytes = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let bytes: Vec<u8> = bytes.map(standard).collect();
    LENIENT.decode(bytes).ok()
}

/// The value of a header of another program, as it may be shown.
pub fn foreign_header(name: &str, value: &str) -> String {
    header(name, value, Rules::default())
}

/// Another program's URL as it may be shown.
pub fn foreign_url(url: &reqwest::Url) -> String {
    let rules = Rules {
        names: names(Origin::Foreign),
        more: None,
    };
    rules.url(url)
}

fn header(name: &str, value: &str, rules: Rules<'_>) -> String {
    let name = name.to_ascii_lowercase();
    if is_open(&name) {
        rules.text(value)
    } else {
        placeholder(&inert::line(&scrub(&name)))
    }
}

fn is_open(name: &str) -> bool {
    OPEN_HEADERS.contains(&name) || OPEN_FAMILIES.iter().any(|family| name.starts_with(family))
}

/// Who recorded an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// tilldeck, redacted: the providers' names are secret.
    Own,
    /// Another program, as it came.
    Foreign,
}

/// The secrets of one recording. All are learned before any text is redacted.
#[derive(Default)]
pub struct RecordedSecrets {
    known: KnownSecrets,
    count: usize,
    bytes: usize,
}

impl RecordedSecrets {
    /// Whether it has more secrets than can be searched: then no text of it may be shown.
    pub fn is_full(&self) -> bool {
        self.count > VALUES_MAX || self.bytes > BYTES_MAX
    }

    /// Learns the values of headers that are hidden, and what [`Self::learn_text`] finds in the others.
    pub fn learn_headers(&mut self, origin: Origin, headers: &[(String, String)]) {
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            let is_hidden = match origin {
                Origin::Own => is_secret_header(&name),
                Origin::Foreign => !is_open(&name),
            };
            match name.as_str() {
                "cookie" | "set-cookie" => self.learn_cookies(value),
                _ if is_hidden => self.learn_credentials(value),
                _ => {}
            }
            self.learn_text(origin, value);
        }
    }

    /// Learns a cookie's value.
    pub fn learn_cookie(&mut self, value: &str) {
        self.learn(value.trim().trim_matches('"'), VALUE_MIN, "cookie");
    }

    /// Browsers join the cookies of a response by line ends, other programs by commas.
    fn learn_cookies(&mut self, value: &str) {
        let pairs = value.split([';', '\n', ',']);
        for (name, value) in pairs.filter_map(|pair| pair.split_once('=')) {
            let name = name.trim().to_ascii_lowercase();
            if !COOKIE_ATTRIBUTES.contains(&name.as_str()) {
                self.learn_cookie(value);
            }
        }
    }

    /// Learns the value of a hidden header, with its parts: another place may have the token without its scheme.
    fn learn_credentials(&mut self, value: &str) {
        let value = value.trim();
        self.learn(value, VALUE_MIN, "credentials");
        let (scheme, credentials) = value.split_once(' ').unwrap_or_default();
        self.learn(credentials.trim(), VALUE_MIN, "credentials");
        if scheme.eq_ignore_ascii_case("basic")
            && let Some(decoded) = base64_decoded(credentials)
        {
            self.learn_login(&String::from_utf8_lossy(&decoded));
        }
        for part in value.split([' ', ',', ';']) {
            self.learn(part, PART_MIN, "credentials");
            let (_, part) = part.split_once('=').unwrap_or_default();
            self.learn(part.trim_matches('"'), PART_MIN, "credentials");
        }
    }

    /// Learns a user name and password, joined by a colon.
    fn learn_login(&mut self, login: &str) {
        self.learn(login, VALUE_MIN, "login");
        let (user, password) = login.split_once(':').unwrap_or_default();
        self.learn(user, VALUE_MIN, "user");
        self.learn(password, KNOWN_MIN, "password");
    }

    /// Learns the secrets in a body of this `Content-Type`.
    pub fn learn_body(&mut self, origin: Origin, content_type: &str, text: &str) {
        let kind = content_type.to_ascii_lowercase();
        let is_page = PAGES.iter().any(|part| kind.contains(part));
        if is_page && !begins_as_json(text.as_bytes()) {
            // The names in a program have no secrets as their values, but pieces of the program.
            self.learn_tokens(text);
            self.learn_user_info(text);
        } else {
            self.learn_text(origin, text);
        }
    }

    /// Learns the secrets in a URL or body, however it is escaped: JSON web tokens, user names and passwords of URLs,
    /// and the values of fields whose name speaks of a secret.
    pub fn learn_text(&mut self, origin: Origin, text: &str) {
        self.learn_layer(origin, text);
        let mut layer = Layer::under(text.as_bytes());
        for _ in 0..LAYERS_MAX {
            let Some(inner) = layer else { break };
            self.learn_layer(origin, &String::from_utf8_lossy(inner.bytes()));
            layer = Layer::under(inner.bytes());
        }
    }

    fn learn_layer(&mut self, origin: Origin, text: &str) {
        self.learn_tokens(text);
        self.learn_user_info(text);
        for find in FINDERS {
            for field in find(text, names(origin)) {
                self.learn_value(&text[field.value]);
            }
        }
    }

    /// Learns a field's value; of a list or an object in JSON, each string.
    fn learn_value(&mut self, value: &str) {
        if !value.starts_with(['"', '{', '[']) {
            return self.learn(value, VALUE_MIN, "secret");
        }
        let mut at = 0;
        while let Some(quote) = value[at..].find('"').map(|i| at + i) {
            let (string, after) = fields::string_literal(value, quote);
            if !value[fields::skip_space(value, after)..].starts_with(':') {
                self.learn(&string, VALUE_MIN, "secret");
            }
            at = after;
        }
    }

    fn learn_tokens(&mut self, text: &str) {
        // Each begins with `{"` in base64 (RFC 7519).
        const BEGIN: &str = "eyJ";
        if !text.contains(BEGIN) {
            return;
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        for word in text.split(|c| !is_part(c)) {
            let token = word.find(BEGIN).map_or("", |from| &word[from..]);
            if token.contains('.') {
                self.learn(token, JWT_MIN, "token");
            }
        }
    }

    fn learn_user_info(&mut self, text: &str) {
        for (at, separator) in text.match_indices("://") {
            let rest = &text[at + separator.len()..];
            let ends = |c: char| {
                matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | '\\') || c.is_whitespace()
            };
            let authority = &rest[..rest.find(ends).unwrap_or(rest.len())];
            if let Some((login, _)) = authority.rsplit_once('@') {
                // With the sign: a short one may be any word.
                self.learn(&authority[..=login.len()], KNOWN_MIN, "login");
                self.learn_login(&percent_decode_str(login).decode_utf8_lossy());
            }
        }
    }

    fn learn(&mut self, value: &str, least: usize, name: &'static str) {
        if value.len() < least || is_placeholder(value) || self.is_full() {
            return;
        }
        if !self.known.has(value) {
            self.count += 1;
            self.bytes += value.len();
            self.known.add(&Secret::new(value), name, true);
        }
    }

    fn rules(&self, origin: Origin) -> Rules<'_> {
        Rules {
            names: names(origin),
            more: Some(&self.known),
        }
    }

    /// A header's value as it may be shown.
    pub fn header(&self, origin: Origin, name: &str, value: &str) -> String {
        match origin {
            Origin::Own if is_secret_header(name) => placeholder(&name.to_ascii_lowercase()),
            Origin::Own => self.rules(origin).text(value),
            Origin::Foreign => header(name, value, self.rules(origin)),
        }
    }

    /// A URL as it may be shown, without user info.
    pub fn url(&self, origin: Origin, text: &str) -> String {
        match Url::parse(text) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                self.rules(origin).url(&url)
            }
            // To the letter: a URL of tilldeck has placeholders.
            _ => self.rules(origin).text(text),
        }
    }

    /// Another short text as it may be shown.
    pub fn text(&self, origin: Origin, text: &str) -> String {
        self.rules(origin).text(text)
    }

    /// A body as it may be shown.
    pub fn body(&self, origin: Origin, text: &str) -> String {
        self.rules(origin).body(text)
    }
}

fn names(origin: Origin) -> Names<'static> {
    Names {
        foreign: origin == Origin::Foreign,
        ..Names::default()
    }
}

/// Whether a value is redacted already, also where a URL or JSON escapes it.
fn is_placeholder(value: &str) -> bool {
    let layer = Layer::under(value.as_bytes());
    let inner = layer.as_ref().map_or(value.as_bytes(), Layer::bytes);
    let name = String::from_utf8_lossy(inner);
    let name = name
        .strip_prefix('<')
        .and_then(|name| name.strip_suffix('>'));
    name.is_some_and(fields::is_name)
}
