//! Content codings (RFC 9110, 8.4) of responses and callbacks: decodes those that requests accept, within a size
//! limit, and names the others. Also the charset: text that is parsed as JSON is UTF-8 from here on.

use std::borrow::Cow;
use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use crate::domain::charset;

/// The value of `Accept-Encoding` in requests.
pub const ACCEPTED: &str = "gzip, deflate";

/// Registered codings that this program cannot decode.
const FOREIGN: [&str; 6] = ["br", "zstd", "compress", "x-compress", "dcb", "dcz"];

/// How gzip begins (RFC 1952, 2.3.1); no meaningful text in UTF-8 or UTF-16 begins so.
const GZIP: &[u8] = b"\x1f\x8b";

/// The most codings that are decoded, one after another.
const LAYERS_MAX: usize = 2;

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// It has a coding that was not requested.
    #[error("it is compressed with {0}, which was not requested")]
    Unknown(&'static str),
    /// It is not what its header says.
    #[error("its Content-Encoding says {0}, but it is not valid {0}")]
    Malformed(&'static str),
    /// It begins like gzip without a header that says so, and is not valid gzip.
    #[error("it begins like gzip without a Content-Encoding, but is not valid gzip")]
    Unannounced,
    /// Its header names more codings than are decoded.
    #[error("its Content-Encoding names more than two codings")]
    TooMany,
    /// More than the limit when decoded.
    #[error("it is too large")]
    TooLarge,
}

/// The body before it was encoded, by these headers. Values of `Content-Encoding` that are not registered codings
/// (`utf-8`, `none`) are ignored: they say nothing about the bytes.
///
/// # Errors
/// If it cannot be decoded, or has more than `limit` bytes then.
pub fn decode(body: Bytes, headers: &HeaderMap, limit: u64) -> Result<Bytes, CodingError> {
    let encodings = headers.get_all(CONTENT_ENCODING).iter();
    let encodings = encodings.filter_map(|value| value.to_str().ok());
    let body = announced(body, encodings, limit)?;
    if !body.starts_with(GZIP) || !is_text(content_type(headers)) {
        return Ok(body);
    }
    read(MultiGzDecoder::new(&body[..]), "gzip", limit).map_err(|error| match error {
        CodingError::Malformed(_) => CodingError::Unannounced,
        error => error,
    })
}

/// Whether a body may be larger when it is decoded.
pub fn may_grow(body: &[u8], headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_ENCODING) || body.starts_with(GZIP)
}

/// The body as UTF-8 where it is text; see [`charset::as_utf8`].
pub fn as_utf8(body: Bytes, headers: &HeaderMap) -> Bytes {
    let kind = content_type(headers);
    if !is_text(kind) && !charset::is_marked(&body) {
        return body;
    }
    match charset::as_utf8(&body, kind) {
        Cow::Owned(text) => text.into(),
        Cow::Borrowed(same) => body.slice_ref(same),
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    let kind = headers.get(CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

/// Whether a body of this `Content-Type` is text. Other types may be files that are compressed on purpose.
fn is_text(content_type: &str) -> bool {
    let kind = content_type.trim().to_ascii_lowercase();
    let texts = ["json", "text/", "xml", "form"];
    kind.is_empty() || texts.iter().any(|text| kind.contains(text))
}

fn announced<'a>(
    body: Bytes,
    encodings: impl Iterator<Item = &'a str>,
    limit: u64,
) -> Result<Bytes, CodingError> {
    let mut codings: Vec<String> = encodings
        .flat_map(|value| value.split(','))
        .map(|coding| coding.trim().to_ascii_lowercase())
        .collect();
    // Each of two proxies may compress; more layers are an attempt to waste time and memory.
    let layers = codings
        .iter()
        .filter(|coding| coding.contains("gzip") || *coding == "deflate");
    if layers.count() > LAYERS_MAX {
        return Err(CodingError::TooMany);
    }
    let mut body = body;
    // An empty body (of a HEAD, a 204) is empty whatever its header says.
    while !body.is_empty()
        && let Some(coding) = codings.pop()
    {
        body = match coding.as_str() {
            "gzip" | "x-gzip" => read(MultiGzDecoder::new(&body[..]), "gzip", limit)?,
            // RFC 9110, 8.4.1.2: deflate has a zlib header; some servers leave it out.
            "deflate" => match read(ZlibDecoder::new(&body[..]), "deflate", limit) {
                Err(malformed @ CodingError::Malformed(_)) => {
                    let bare = read(DeflateDecoder::new(&body[..]), "deflate", limit);
                    bare.map_err(|_| malformed)?
                }
                with_header => with_header?,
            },
            other => match FOREIGN.iter().find(|foreign| **foreign == other) {
                Some(foreign) => return Err(CodingError::Unknown(foreign)),
                None => body,
            },
        };
    }
    Ok(body)
}

fn read(decoder: impl Read, coding: &'static str, limit: u64) -> Result<Bytes, CodingError> {
    let mut body = Vec::new();
    decoder
        .take(limit + 1)
        .read_to_end(&mut body)
        .map_err(|_| CodingError::Malformed(coding))?;
    if body.len() as u64 > limit {
        return Err(CodingError::TooLarge);
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] = b"{\"state\":\"FINALIZED\"}";

    macro_rules! encoded {
        ($encoder:ident, $bytes:expr) => {{
            let mut encoder = $encoder::new(Vec::new(), Compression::fast());
            encoder.write_all($bytes).unwrap();
            Bytes::from(encoder.finish().unwrap())
        }};
    }

    fn of(body: &Bytes, encoding: &str) -> Result<Bytes, CodingError> {
        decode(
            body.clone(),
            &headers(&[("content-encoding", encoding)]),
            64,
        )
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let lines = lines.iter();
        lines
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let gzip = encoded!(GzEncoder, TEXT);
        let twice = encoded!(GzEncoder, &encoded!(ZlibEncoder, TEXT));
        let parts: Bytes = [gzip.clone(), gzip.clone()].concat().into();
        let plain = Bytes::from_static(TEXT);
        for (body, encoding, wanted) in [
            (&gzip, "gzip", TEXT),
            (&gzip, "X-GZIP", TEXT),
            (&gzip, "identity, gzip", TEXT),
            (&parts, "gzip", &[TEXT, TEXT].concat()[..]),
            (&encoded!(ZlibEncoder, TEXT), "deflate", TEXT),
            (&encoded!(DeflateEncoder, TEXT), "deflate", TEXT),
            (&twice, "deflate, gzip", TEXT),
            (&plain, "", TEXT),
            (&plain, "identity", TEXT),
            (&plain, "utf-8", TEXT),
            (&Bytes::new(), "gzip", b""),
        ] {
            assert_eq!(of(body, encoding).as_deref(), Ok(wanted), "{encoding}");
        }
        let mut lines = headers(&[("content-encoding", "deflate")]);
        lines.append(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert_eq!(decode(twice, &lines, 64).as_deref(), Ok(TEXT));
    }

    #[test]
    fn gzip_that_no_header_names_is_decoded_where_a_text_is_due() {
        let gzip = encoded!(GzEncoder, TEXT);
        let of = |kind, body: &Bytes| decode(body.clone(), &headers(&[("content-type", kind)]), 64);
        for kind in [
            "",
            "application/json",
            "application/hal+json; charset=utf-8",
            "Text/Plain",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(of(kind, &gzip).as_deref(), Ok(TEXT), "{kind}");
        }
        for kind in ["application/gzip", "application/octet-stream", "image/png"] {
            assert_eq!(of(kind, &gzip), Ok(gzip.clone()), "{kind}");
        }
        let torn = gzip.slice(..gzip.len() - 9);
        let wanted = Err(CodingError::Unannounced);
        assert_eq!(of("application/json", &torn), wanted);
        let bomb = encoded!(GzEncoder, &[0; 4096]);
        assert_eq!(of("text/plain", &bomb), Err(CodingError::TooLarge));
    }

    #[test]
    fn what_cannot_be_decoded_says_why() {
        let gzip = encoded!(GzEncoder, TEXT);
        let bomb = encoded!(GzEncoder, &[0; 4096]);
        for (body, encoding, wanted) in [
            (
                Bytes::from_static(TEXT),
                "gzip",
                CodingError::Malformed("gzip"),
            ),
            (
                Bytes::from_static(TEXT),
                "deflate",
                CodingError::Malformed("deflate"),
            ),
            (
                gzip.slice(..gzip.len() - 9),
                "gzip",
                CodingError::Malformed("gzip"),
            ),
            (Bytes::from_static(TEXT), "br", CodingError::Unknown("br")),
            (gzip, "gzip, zstd", CodingError::Unknown("zstd")),
            (
                encoded!(GzEncoder, TEXT),
                "gzip, gzip, gzip",
                CodingError::TooMany,
            ),
            (bomb, "gzip", CodingError::TooLarge),
        ] {
            assert_eq!(of(&body, encoding), Err(wanted), "{encoding}");
        }
    }
}
