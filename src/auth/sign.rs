//! Signatures over final bytes.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;

use crate::domain::Secret;

/// HMAC-SHA512 of `message` under the secret's own bytes (ASCII, not hex-decoded), in lower-case hex.
#[must_use]
pub fn hmac_sha512_hex(secret: &Secret, message: &[u8]) -> String {
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes a key of any length");
    mac.update(message);
    let mut hex = String::with_capacity(128);
    for byte in mac.finalize().into_bytes() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published by Kanga for its TEST call.
    const SECRET: &str = "8B2EFBECA2BEBB2C413BCFD7915E9209D80F3F4222042B31DD9D605E39F2035F";
    const PUBLISHED: &str = "19626ab50989ecae16031cf6f90c90203d38b1d17797960d38551b80c37449c118e60050f941077c491ff50bdf48d21841a9379026b10903100708745f6c9a12";

    fn sign(body: &str) -> String {
        hmac_sha512_hex(&Secret::new(SECRET), body.as_bytes())
    }

    #[test]
    fn the_published_vector_holds() {
        assert_eq!(sign(r#"{"appId":"TEST","nonce":1234}"#), PUBLISHED);
    }

    #[test]
    fn other_bytes_make_another_signature() {
        assert_eq!(
            sign(r#"{"appId":"TEST", "nonce":1234}"#),
            "69c7bcf0a97ce85247932d3145c805a5e9f55b05693351f502b393a13c9441e5afcfcb9ff192a57ac81e7623c97d606357460347b44c62c76899a901e292293c"
        );
        assert!(
            sign(r#"{"nonce":1234,"appId":"TEST"}"#)
                .starts_with("b8958041b9403a627016017b35b99a21")
        );
        assert_eq!(
            sign(r#"{"id":"ORDER34H773A1","appId":"TEST","nonce":1700000000000}"#),
            "2c4e42391c99668e06e2d42e2ffaa63a4c588c41a37cf0f17575d5beb72379bc127aea904d97d4fa8b80883f6ea3fe830cddce494fe62b8b0d656be49cb913fa"
        );
        assert!(
            sign(r#"{"appId":"TEST","nonce":1234,"param1":7,"param2":"zażółć"}"#)
                .starts_with("66132fc30c5312b5e08ae318875c4c9a")
        );
    }

    #[test]
    fn the_secret_is_not_hex_decoded() {
        let decoded: Vec<u8> = (0..SECRET.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&SECRET[i..i + 2], 16).unwrap())
            .collect();
        let mut mac = Hmac::<Sha512>::new_from_slice(&decoded).unwrap();
        mac.update(br#"{"appId":"TEST","nonce":1234}"#);
        let wrong_way = mac.finalize().into_bytes();
        assert_eq!(
            wrong_way[..4],
            [0x37, 0x2c, 0x2b, 0x0c],
            "the known wrong-way result"
        );
        assert!(!PUBLISHED.starts_with("372c2b0c"));
    }
}
