//! The text of a body, by its charset. What is no text is said to be none, so that no byte of it is lost.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding, UTF_8};

/// The text of a body, or of its beginning, whose `Content-Type` is this; `None` where it is no text in its charset.
///
/// Without a charset it is UTF-8, or UTF-16 where it begins with a byte order mark. JSON is UTF-8 whatever its charset
/// is said to be, if it can be.
#[must_use]
pub fn decode<'a>(bytes: &'a [u8], content_type: &str, is_whole: bool) -> Option<Cow<'a, str>> {
    let label = label(content_type);
    let is_json = content_type
        .split(';')
        .next()
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    let named = match label.map(|label| Encoding::for_label(label.as_bytes())) {
        Some(None) if !is_json => return None,
        Some(named) => named,
        None => Encoding::for_bom(bytes).map(|(encoding, _)| encoding),
    };
    let encoding = named.unwrap_or(UTF_8);
    if encoding == UTF_8 || is_json {
        match utf8(bytes, is_whole) {
            None if encoding != UTF_8 => {}
            text => return text.map(Cow::Borrowed),
        }
    }
    // Its own mark is no part of a text in UTF-16.
    let bytes = match Encoding::for_bom(bytes) {
        Some((of_mark, mark)) if of_mark == encoding => &bytes[mark..],
        _ => bytes,
    };
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len())?;
    let mut text = String::with_capacity(room);
    let (ended, _) = decoder.decode_to_string_without_replacement(bytes, &mut text, is_whole);
    (ended == DecoderResult::InputEmpty).then_some(Cow::Owned(text))
}

/// The text, where it is UTF-8 to its end, or to a character that the end cuts through.
fn utf8(bytes: &[u8], is_whole: bool) -> Option<&str> {
    let end = match std::str::from_utf8(bytes) {
        Ok(text) => return Some(text),
        Err(error) if !is_whole && error.error_len().is_none() => error.valid_up_to(),
        Err(_) => return None,
    };
    std::str::from_utf8(&bytes[..end]).ok()
}

/// The charset that a `Content-Type` names.
fn label(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';').skip(1);
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then_some(value)
    })?;
    let value = value.trim().trim_matches(['"', '\'']).trim();
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_decoded_by_its_charset_and_what_is_none_is_not() {
        let cases: [(&[u8], &str, Option<&str>); 14] = [
            (b"B\xb3\xb1d", "text/html; charset=iso-8859-2", Some("Błąd")),
            (
                b"B\xb3\xb9d",
                "text/plain;charset=\"Windows-1250\"",
                Some("Błąd"),
            ),
            (b"B\xb3\xb1d", "text/html", None),
            (b"B\xc5\x82", "", Some("Bł")),
            (b"B\xc5\x82", "text/plain; charset=utf-8", Some("Bł")),
            (b"B\xc5", "text/plain; charset=utf-8", None),
            (b"\xff\xfeB\0\x42\x01", "text/plain", Some("Bł")),
            (b"B\0\x42\x01", "text/plain; charset=UTF-16LE", Some("Bł")),
            (b"\xef\xbb\xbf{}", "application/json", Some("\u{feff}{}")),
            // Servers name a default charset that they do not keep to.
            (
                b"\"\xc5\x82\"",
                "application/json; charset=iso-8859-1",
                Some("\"ł\""),
            ),
            (
                b"\"\xb3\"",
                "application/json; charset=iso-8859-2",
                Some("\"ł\""),
            ),
            (b"x", "text/plain; charset=nonsense", None),
            (
                b"\x82\xa0",
                "text/plain; charset=shift_jis; x=y",
                Some("あ"),
            ),
            (b"PK\x03\x04\xff\x00", "application/zip", None),
        ];
        for (bytes, kind, text) in cases {
            assert_eq!(decode(bytes, kind, true).as_deref(), text, "{kind}");
        }
    }

    #[test]
    fn a_character_that_is_cut_through_is_left_off() {
        assert_eq!(decode(b"B\xc5", "", false).as_deref(), Some("B"));
        assert_eq!(
            decode(b"B\0\x42", "a/b; charset=utf-16le", false).as_deref(),
            Some("B")
        );
        assert_eq!(decode(b"B\xff", "", false), None);
    }
}
