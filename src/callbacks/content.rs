//! A callback's body as its provider's rules read it: decompressed, in UTF-8, without a byte order mark. The saved and
//! forwarded body stays as it was received. Pure.

use std::borrow::Cow;

use hyper::http::StatusCode;

use super::{Inbound, Refusal};
use crate::net::coding::{self, CodingError};

/// The supported `Content-Encoding` values, for the answer to any other (RFC 9110 15.5.16).
pub(super) const ACCEPTED: &str = "gzip, deflate, identity";

/// The same callback with a decoded body of at most `limit` bytes; no more is ever in memory.
pub(super) fn readable(inbound: &Inbound, limit: usize) -> Result<Cow<'_, Inbound>, Refusal> {
    let sent = inbound.request.body();
    let headers = inbound.request.headers();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    let body = coding::decode(sent.clone(), headers, most).map_err(|error| match error {
        CodingError::Unknown(coding) => Refusal::Encoding(format!(
            "its Content-Encoding is {coding}; tilldeck reads {ACCEPTED}"
        )),
        CodingError::Malformed(coding) => Refusal::Unreadable(format!(
            "its Content-Encoding says {coding}, and its body is no valid {coding}"
        )),
        CodingError::Unannounced => Refusal::Unreadable(
            "its body begins as gzip without a Content-Encoding, and is no valid gzip".to_owned(),
        ),
        CodingError::TooMany => {
            Refusal::Encoding("its Content-Encoding names more than two codings".to_owned())
        }
        CodingError::TooLarge => Refusal::Body {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            why: format!(
                "its body, decompressed, is larger than {} KiB",
                limit / 1024
            ),
        },
    })?;
    // JSON may arrive in another charset or with a byte order mark, which parsers reject (RFC 8259, 8.1).
    let body = coding::as_utf8(body, headers);
    // The usual case copies nothing.
    if body == *sent {
        return Ok(Cow::Borrowed(inbound));
    }
    let mut inbound = inbound.clone();
    *inbound.request.body_mut() = body;
    Ok(Cow::Owned(inbound))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{IpAddr, Ipv4Addr};

    use bytes::Bytes;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use hyper::http::header;

    use super::*;
    use crate::domain::WallTime;
    use crate::http_server::Request;

    fn inbound(codings: &[&str], body: impl Into<Bytes>) -> Inbound {
        let mut request = Request::new(body.into());
        for coding in codings {
            let value = coding.parse().unwrap();
            let headers = request.headers_mut();
            headers.append(header::CONTENT_ENCODING, value);
        }
        Inbound {
            request,
            from: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            at: WallTime(0),
        }
    }

    fn read_as(codings: &[&str], body: impl Into<Bytes>) -> Result<Bytes, Refusal> {
        let inbound = inbound(codings, body);
        readable(&inbound, 1_000).map(|inbound| inbound.request.body().clone())
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_is_compressed_is_read_as_what_it_is() {
        let zlib = {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(b"{}").unwrap();
            encoder.finish().unwrap()
        };
        let bare = {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(b"{}").unwrap();
            encoder.finish().unwrap()
        };
        let twice = [gzip(b"{"), gzip(b"}")].concat();
        let marked = gzip(b"\xef\xbb\xbf{}");
        let table: [(&[&str], &[u8]); 16] = [
            (&[], b"{}"),
            (&[], b"\xef\xbb\xbf{}"),
            (&[], b"\xff\xfe{\0}\0"),
            (&[], b"\xfe\xff\0{\0}"),
            (&[], b"{\0}\0"),
            (&[], &gzip(b"{}")),
            (&["gzip"], &gzip(b"\xff\xfe{\0}\0")),
            (&["identity"], b"{}"),
            (&[""], b"{}"),
            (&["gzip"], &gzip(b"{}")),
            (&["X-GZIP"], &gzip(b"{}")),
            (&[" gzip , identity"], &gzip(b"{}")),
            (&["gzip"], &twice),
            (&["gzip"], &marked),
            (&["deflate"], &zlib),
            (&["deflate"], &bare),
        ];
        for (codings, body) in table {
            let read = read_as(codings, body.to_vec());
            assert_eq!(read.as_deref(), Ok(&b"{}"[..]), "{codings:?}");
        }
        assert_eq!(read_as(&["gzip"], "").as_deref(), Ok(&b""[..]));
        let exact = gzip(&[b' '; 1_000]);
        assert_eq!(read_as(&["gzip"], exact).unwrap().len(), 1_000);
    }

    #[test]
    fn what_was_saved_is_read_as_it_was_when_it_came() {
        let read = inbound(&["gzip"], gzip(b"{}")).readable().unwrap();
        assert_eq!(&read.request.body()[..], b"{}");
        assert!(inbound(&["gzip"], "{}").readable().is_none());
        assert!(inbound(&["br"], "{}").readable().is_none());
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_reason() {
        let half = gzip(b"{}");
        let half = half[..half.len() - 9].to_vec();
        for (codings, body, words) in [
            (&["br"][..], b"{}".to_vec(), "Content-Encoding is br"),
            (&["zstd"], b"{}".to_vec(), "zstd"),
            (&["gzip, gzip"], gzip(b"{}"), "no valid gzip"),
            (&["gzip", "deflate"], gzip(b"{}"), "no valid deflate"),
            (&["gzip"], b"{}".to_vec(), "says gzip"),
            (&["gzip"], half.clone(), "no valid gzip"),
            (&[], half, "without a Content-Encoding"),
            (&["deflate"], b"\xff\xff".to_vec(), "no valid deflate"),
            (&["gzip"], gzip(&[b' '; 1_001]), "larger than"),
            (&["gzip"], gzip(&vec![0; 50 << 20]), "larger than"),
        ] {
            let why = match read_as(codings, body).unwrap_err() {
                Refusal::Encoding(why) | Refusal::Unreadable(why) | Refusal::Body { why, .. } => {
                    why
                }
                other => panic!("{other:?}"),
            };
            assert!(why.contains(words), "{codings:?}: {why}");
        }
    }
}
