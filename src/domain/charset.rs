//! Decodes the text of a body by its charset. Binary data is reported as such, so that no byte of it is lost.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// U+FEFF at the beginning of a text shows its byte order (RFC 2781, 3.2); it is not part of the text.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a body, or of its beginning, whose `Content-Type` is this; `None` where it is no text in its charset.
///
/// Without a charset it is UTF-8, or UTF-16 where it begins with a byte order mark. JSON is UTF-8 whatever its charset
/// is said to be, if it can be.
///
/// For parsers, which take UTF-8 alone, see [`as_utf8`].
pub fn decode<'a>(bytes: &'a [u8], content_type: &str, is_whole: bool) -> Option<Cow<'a, str>> {
    let label = label(content_type);
    let is_json = content_type
        .split(';')
        .next()
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    let named = match label.map(|label| Encoding::for_label(label.as_bytes())) {
        // An unknown charset: shown as binary rather than as wrong characters.
        Some(None) if !is_json => return None,
        Some(named) => named,
        None => Encoding::for_bom(bytes).map(|(encoding, _)| encoding),
    };
    let encoding = named.unwrap_or(UTF_8);
    // Text that begins as JSON in single bytes is not UTF-16, whatever its `Content-Type` says.
    let is_json = is_json || is_utf16(encoding) && begins_as_json(bytes);
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

/// A text as parsers take it: in UTF-8, without a byte order mark. UTF-16 is known by its mark, by the charset of its
/// `Content-Type`, or by how JSON begins in it; half a character in it becomes U+FFFD.
pub fn as_utf8<'a>(bytes: &'a [u8], content_type: &str) -> Cow<'a, [u8]> {
    let encoding = match Encoding::for_bom(bytes) {
        // The parser rejects invalid UTF-8 behind the mark.
        Some((encoding, mark)) if encoding == UTF_8 => return bytes[mark..].into(),
        Some((encoding, _)) => Some(encoding),
        // JSON begins with a character of ASCII, so one of its first two bytes is zero.
        None => match bytes {
            [0, b'{' | b'[', ..] => Some(UTF_16BE),
            [b'{' | b'[', 0, ..] => Some(UTF_16LE),
            _ if begins_as_json(bytes) => None,
            _ => label(content_type)
                .and_then(|label| Encoding::for_label(label.as_bytes()))
                .filter(|encoding| is_utf16(encoding)),
        },
    };
    match encoding {
        None => bytes.into(),
        Some(encoding) => match encoding.decode_with_bom_removal(bytes).0 {
            Cow::Owned(text) => text.into_bytes().into(),
            Cow::Borrowed(text) => text.as_bytes().into(),
        },
    }
}

/// Whether it begins with a byte order mark.
pub fn is_marked(bytes: &[u8]) -> bool {
    Encoding::for_bom(bytes).is_some()
}

fn is_utf16(encoding: &Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// Whether it begins with a JSON object or array in UTF-8.
pub fn begins_as_json(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    matches!(text.first(), Some(b'{' | b'[')) && text.get(1) != Some(&0)
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
        let cases: [(&[u8], &str, Option<&str>); 15] = [
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
            (
                b"{\"a\":1}",
                "text/plain; charset=utf-16",
                Some("{\"a\":1}"),
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
    fn a_parser_has_every_text_in_utf_8_without_a_mark() {
        const NAMED: &str = "text/plain; charset=UTF-16LE";
        let cases: [(&[u8], &str, &[u8]); 16] = [
            (b"{}", "application/json", b"{}"),
            (b"", "application/json; charset=utf-16", b""),
            (b"\xef\xbb\xbf{}", "", b"{}"),
            (b"\xef\xbb\xbfa=\xff", "", b"a=\xff"),
            (b"\xff\xfe{\0}\0", "application/json", b"{}"),
            (b"\xfe\xff\0{\0}", "application/json", b"{}"),
            (b"\xff\xfea\0=\0\x42\x01", "", "a=ł".as_bytes()),
            (b"{\0}\0", "", b"{}"),
            (b"\0[\0]", "application/json", b"[]"),
            (b" \0{\0}\0", NAMED, b" {}"),
            (b"a\0", NAMED, b"a"),
            (b"a\0", "text/plain", b"a\0"),
            // Servers name a default charset that they do not keep to.
            (b" {}", "application/json; charset=utf-16", b" {}"),
            (b"\xff\xfe{\0\0\xd8}\0", "", "{\u{fffd}}".as_bytes()),
            (b"\xff\xfe{\0}\0\"", "", "{}\u{fffd}".as_bytes()),
            (b"\xb3", "text/plain; charset=iso-8859-2", b"\xb3"),
        ];
        for (bytes, kind, wanted) in cases {
            assert_eq!(&*as_utf8(bytes, kind), wanted, "{bytes:?}, {kind}");
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
