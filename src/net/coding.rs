//! Content codings of replies (RFC 9110, 8.4): undoes those that are asked for, within a limit, and names those that
//! nobody asked for.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// What requests ask for, in `Accept-Encoding`.
pub const ACCEPTED: &str = "gzip, deflate";

/// Registered codings that cannot be undone here.
const FOREIGN: [&str; 6] = ["br", "zstd", "compress", "x-compress", "dcb", "dcz"];

/// So many codings are undone, one after another.
const LAYERS_MAX: usize = 2;

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodingError {
    /// It came in a coding that was not asked for.
    Unknown(&'static str),
    /// It is not what its header says.
    Malformed(&'static str),
    /// More than the limit when decoded.
    TooLarge,
}

/// The body as it was before it was encoded. `encodings` are the values of `Content-Encoding`, in order; what is no
/// registered coding there (`utf-8`, `none`) says nothing about the bytes and is passed over.
///
/// # Errors
/// If it cannot be decoded, or has more than `limit` bytes then.
pub fn decode<'a>(
    body: Bytes,
    encodings: impl Iterator<Item = &'a str>,
    limit: u64,
) -> Result<Bytes, CodingError> {
    let mut codings: Vec<String> = encodings
        .flat_map(|value| value.split(','))
        .map(|coding| coding.trim().to_ascii_lowercase())
        .collect();
    // One proxy after another may compress; more is an attempt to cost time.
    let layers = codings
        .iter()
        .filter(|coding| coding.contains("gzip") || *coding == "deflate");
    if layers.count() > LAYERS_MAX {
        return Err(CodingError::Malformed("chain of codings"));
    }
    let mut body = body;
    // An empty body (of a HEAD, a 204) is empty whatever its header says.
    while !body.is_empty()
        && let Some(coding) = codings.pop()
    {
        body = match coding.as_str() {
            "gzip" | "x-gzip" => read(MultiGzDecoder::new(&body[..]), "gzip", limit)?,
            // By the standard with the header of zlib; some servers leave it out.
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

/// JSON without the byte order mark that some servers put before it, and no parser of JSON takes (RFC 8259, 8.1). Every
/// other body as it is.
#[must_use]
pub fn without_mark(body: Bytes) -> Bytes {
    let text = body
        .strip_prefix(b"\xef\xbb\xbf")
        .map(<[u8]>::trim_ascii_start);
    match text.and_then(<[u8]>::first) {
        Some(b'{' | b'[') => body.slice(3..),
        _ => body,
    }
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
        decode(body.clone(), std::iter::once(encoding), 64)
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
        let lines = ["deflate", "gzip"].into_iter();
        assert_eq!(decode(twice, lines, 64).as_deref(), Ok(TEXT));
    }

    #[test]
    fn a_byte_order_mark_is_left_out_before_json_alone() {
        for (body, wanted) in [
            (&b"\xef\xbb\xbf{}"[..], &b"{}"[..]),
            (b"\xef\xbb\xbf\r\n [1]", b"\r\n [1]"),
            (b"\xef\xbb\xbfa;b", b"\xef\xbb\xbfa;b"),
            (b"\xef\xbb\xbf", b"\xef\xbb\xbf"),
            (b"{\"a\":\"\xef\xbb\xbf\"}", b"{\"a\":\"\xef\xbb\xbf\"}"),
            (b"", b""),
        ] {
            assert_eq!(without_mark(Bytes::from_static(body)), wanted);
        }
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
                CodingError::Malformed("chain of codings"),
            ),
            (bomb, "gzip", CodingError::TooLarge),
        ] {
            assert_eq!(of(&body, encoding), Err(wanted), "{encoding}");
        }
    }
}
