//! A request or a response as a recording has it.

use std::borrow::Cow;

use serde::Deserialize;

use super::Texts;
use crate::domain::{Body, charset};
use crate::net::record;
use crate::net::redact::{Origin, RecordedSecrets, base64_decoded};

/// What replaces a body that is said to be base64 and is not: it cannot be searched for secrets.
const UNREADABLE: &str = "<body>";

pub type Pairs = Vec<(String, String)>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct RawSide<'a> {
    pub headers: Pairs,
    /// `None` where it was not recorded.
    pub body: Option<Cow<'a, str>>,
    /// Whether the text is only its beginning.
    pub body_cut: bool,
    pub encoding: Option<Cow<'a, str>>,
    /// That of the headers, if a recording has no other.
    #[serde(skip)]
    pub content_type: Option<Cow<'a, str>>,
    /// The values.
    #[serde(skip)]
    pub cookies: Vec<String>,
    /// Other texts that may have a secret.
    #[serde(skip)]
    pub others: Vec<Cow<'a, str>>,
}

impl RawSide<'_> {
    pub fn learn(&self, origin: Origin, secrets: &mut RecordedSecrets) {
        secrets.learn_headers(origin, &self.headers);
        for value in &self.cookies {
            secrets.learn_cookie(value);
        }
        for text in &self.others {
            secrets.learn_text(origin, text);
        }
        if let Some(bytes) = self.bytes() {
            let text = charset::decode(&bytes, self.charset(), true);
            let text = text.unwrap_or_else(|| String::from_utf8_lossy(&bytes));
            secrets.learn_body(origin, self.content_type(), &text);
        }
    }

    /// The body as it may be shown; it had `size` bytes, where that is known.
    pub fn redacted_body(&self, size: Option<u64>, texts: &Texts<'_>) -> Body {
        let redacted = |text: &str| texts.secrets.body(texts.origin, text);
        let mut body = match self.bytes() {
            Some(bytes) => record::body_by(&bytes, self.charset(), redacted),
            None => Body {
                text: UNREADABLE.to_owned(),
                ..Body::default()
            },
        };
        body.bytes = size.unwrap_or(body.bytes);
        body.cut |= self.body_cut || (self.body.is_none() && body.bytes > 0);
        body
    }

    /// The body's bytes, as far as they were recorded; `None` where they cannot be decoded.
    fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        let text = self.body.as_deref().unwrap_or_default();
        if self.is_base64() {
            base64_decoded(text).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(text.as_bytes()))
        }
    }

    fn is_base64(&self) -> bool {
        let encoding = self.encoding.as_deref().unwrap_or_default();
        encoding.eq_ignore_ascii_case("base64")
    }

    fn content_type(&self) -> &str {
        let mut headers = self.headers.iter();
        let of_header = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let of_header = of_header.map_or("", |(_, kind)| kind);
        self.content_type.as_deref().unwrap_or(of_header)
    }

    /// A text in a recording is decoded already.
    fn charset(&self) -> &str {
        if self.is_base64() {
            self.content_type()
        } else {
            record::UNDECODED
        }
    }
}
