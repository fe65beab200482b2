//! Signatures as the simulated providers make and check them; not shared with the clients that they test.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Sha256, Sha512};

/// HMAC-SHA256 of a message under a secret's text, in unpadded base64url.
pub fn hmac_sha256(secret: &str, message: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

/// HMAC-SHA512 of a message under a secret's text, in lower-case hexadecimal.
pub fn hmac_sha512(secret: &str, message: &[u8]) -> String {
    let mut mac =
        Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(message);
    let digest = mac.finalize().into_bytes();
    let hex = |byte: &u8| format!("{byte:02x}");
    digest.iter().map(hex).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // https://jwt.io
    #[test]
    fn the_published_signature_of_a_jwt_holds() {
        let signed = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ";
        let signature = "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
        assert_eq!(hmac_sha256("your-256-bit-secret", signed), signature);
    }
}
