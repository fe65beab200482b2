//! A body as a recording has it.

use std::borrow::Cow;

use crate::domain::{Body, charset};
use crate::net::record;
use crate::net::redact::{Origin, RecordedSecrets, base64_decoded};

/// What replaces a body that is said to be base64 and is not: it cannot be searched for secrets.
const UNREADABLE: &str = "<body>";

#[derive(Debug, Default)]
pub struct RawBody<'a> {
    /// `None` where it was not recorded.
    pub text: Option<Cow<'a, str>>,
    pub is_base64: bool,
    pub content_type: Cow<'a, str>,
    /// How many bytes it had, where that is known.
    pub bytes: Option<u64>,
    /// Whether the text is only its beginning.
    pub is_cut: bool,
}

impl RawBody<'_> {
    /// Its bytes, as far as they were recorded; `None` where they cannot be decoded.
    fn raw(&self) -> Option<Cow<'_, [u8]>> {
        let text = self.text.as_deref().unwrap_or_default();
        if self.is_base64 {
            base64_decoded(text).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(text.as_bytes()))
        }
    }

    pub fn learn(&self, origin: Origin, secrets: &mut RecordedSecrets) {
        let Some(bytes) = self.raw() else { return };
        let text = charset::decode(&bytes, self.charset(), true);
        let text = text.unwrap_or_else(|| String::from_utf8_lossy(&bytes));
        secrets.learn_body(origin, &self.content_type, &text);
    }

    pub fn redacted(&self, origin: Origin, secrets: &RecordedSecrets) -> Body {
        let mut body = match self.raw() {
            Some(bytes) => {
                record::body_by(&bytes, self.charset(), |text| secrets.body(origin, text))
            }
            None => Body {
                text: UNREADABLE.to_owned(),
                ..Body::default()
            },
        };
        body.bytes = self.bytes.unwrap_or(body.bytes);
        body.cut |= self.is_cut || (self.text.is_none() && body.bytes > 0);
        body
    }

    /// A text in a recording is decoded already.
    fn charset(&self) -> &str {
        if self.is_base64 {
            &self.content_type
        } else {
            record::UNDECODED
        }
    }
}
