//! Encryption of received callbacks and sent answers in the ledger. They contain the game's key, players' tokens and
//! static headers. Without the vault's key they can be neither read nor changed unnoticed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::http::Request;
use hyper::http::uri::PathAndQuery;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac::{self, HMAC_SHA256};

use super::Inbound;

/// The layout version: this byte, the nonce, then the ciphertext with its tag.
const VERSION: u8 = 1;
const HEAD: usize = 1 + NONCE_LEN;

/// The kind of the plaintext. It is the AEAD's associated data: a sealed request cannot be opened as a reply.
#[derive(Clone, Copy)]
enum Plaintext {
    Request,
    Reply,
}

impl Plaintext {
    fn aad(self) -> Aad<[u8; 2]> {
        Aad::from([
            VERSION,
            match self {
                Self::Request => b'q',
                Self::Reply => b'r',
            },
        ])
    }
}

/// Seals and opens with one key, by ChaCha20-Poly1305 (RFC 8439). Cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    key: Keys,
    previous: Option<Keys>,
}

/// The encryption key and the HMAC key that are derived from one secret.
#[derive(Clone)]
struct Keys {
    sealing: LessSafeKey,
    /// Proves that a program has the key.
    proving: hmac::Key,
}

/// The HMAC label that derives the proving key, so that the secret itself only encrypts.
const PROVING: &[u8] = b"tilldeck: the key of a receiver's proofs";

impl Keys {
    fn new(key: [u8; 32]) -> Self {
        let proving = hmac::sign(&hmac::Key::new(HMAC_SHA256, &key), PROVING);
        let sealing = UnboundKey::new(&CHACHA20_POLY1305, &key).expect("its keys have 32 bytes");
        Self {
            sealing: LessSafeKey::new(sealing),
            proving: hmac::Key::new(HMAC_SHA256, proving.as_ref()),
        }
    }
}

impl Sealer {
    /// `key` must have no other use. With random 96-bit nonces, one key is safe for some billion messages.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key: Keys::new(key),
            previous: None,
        }
    }

    /// Also opens what was sealed with the key before.
    #[must_use]
    pub fn with_previous(self, key: Option<[u8; 32]>) -> Self {
        Self {
            previous: key.map(Keys::new),
            ..self
        }
    }

    /// Proves to a program with the same key that this one has it: a message authentication code (HMAC) in base64.
    pub fn prove(&self, challenge: &[u8]) -> String {
        STANDARD.encode(hmac::sign(&self.key.proving, challenge))
    }

    /// Whether a program with this key, or the one before, has made the proof.
    pub fn is_proved(&self, challenge: &[u8], proof: &str) -> bool {
        let Ok(proof) = STANDARD.decode(proof) else {
            return false;
        };
        let mut keys = [Some(&self.key), self.previous.as_ref()]
            .into_iter()
            .flatten();
        keys.any(|key| hmac::verify(&key.proving, challenge, &proof).is_ok())
    }

    /// Seals a request.
    pub fn seal(&self, inbound: &Inbound) -> Vec<u8> {
        let (method, target) = (inbound.request.method().as_str(), inbound.target());
        let (headers, body) = (inbound.request.headers(), inbound.request.body());
        let fields = headers.iter();
        let fields = fields.map(|(name, value)| 8 + name.as_str().len() + value.len());
        let length = 16 + method.len() + target.len() + fields.sum::<usize>() + body.len();
        self.close(Plaintext::Request, length, |plain| {
            put(plain, method.as_bytes());
            put(plain, target.as_bytes());
            // Length before content: nothing in a header can look like the end of a field.
            put_length(plain, headers.len());
            for (name, value) in headers {
                put(plain, name.as_str().as_bytes());
                put(plain, value.as_bytes());
            }
            put(plain, body);
        })
    }

    /// Opens a request; `None` if it was sealed with another key or changed.
    pub fn open(&self, sealed: &[u8]) -> Option<Inbound> {
        let plain = self.disclose(Plaintext::Request, sealed)?;
        let mut rest = &plain[..];
        let method = take(&mut rest)?;
        // Not parsed as a URI: of `http://host?x=1`, only `?x=1` is saved.
        let target = PathAndQuery::try_from(take(&mut rest)?).ok()?;
        let mut request = Request::builder().method(method).uri(target);
        // Each header is checked as it is read: the number could be wrong.
        for _ in 0..take_length(&mut rest)? {
            request = request.header(take(&mut rest)?, take(&mut rest)?);
        }
        let body = Bytes::copy_from_slice(take(&mut rest)?);
        let request = request.body(body).ok()?;
        rest.is_empty().then(|| Inbound::saved(request))
    }

    /// Seals the body of an answer.
    pub fn seal_reply(&self, reply: &[u8]) -> Vec<u8> {
        self.close(Plaintext::Reply, reply.len(), |plain| {
            plain.extend_from_slice(reply);
        })
    }

    /// Opens the body of an answer; `None` if it was sealed with another key or changed.
    pub fn open_reply(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.disclose(Plaintext::Reply, sealed)
    }

    /// Opens a request or an answer and seals it with the key of `other`; `None` if it cannot be opened.
    pub fn reseal(&self, other: &Self, sealed: &[u8]) -> Option<Vec<u8>> {
        [Plaintext::Request, Plaintext::Reply]
            .into_iter()
            .find_map(|what| {
                let plain = self.disclose(what, sealed)?;
                Some(other.close(what, plain.len(), |all| all.extend_from_slice(&plain)))
            })
    }

    fn close(&self, what: Plaintext, length: usize, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        // Random and not counted: several processes seal with this key.
        getrandom::fill(&mut nonce).expect("the system has random numbers, or nothing is secret");
        let mut sealed = Vec::with_capacity(HEAD + length + CHACHA20_POLY1305.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        fill(&mut sealed);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .key
            .sealing
            .seal_in_place_separate_tag(nonce, what.aad(), &mut sealed[HEAD..])
            .expect("it is shorter than 256 GiB");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    fn disclose(&self, what: Plaintext, sealed: &[u8]) -> Option<Vec<u8>> {
        let (head, hidden) = sealed.split_at_checked(HEAD)?;
        // Written by a newer version: unreadable here, not damaged.
        if head[0] != VERSION {
            return None;
        }
        [Some(&self.key), self.previous.as_ref()]
            .into_iter()
            .flatten()
            .find_map(|key| {
                let nonce = Nonce::try_assume_unique_for_key(&head[1..]).ok()?;
                let mut plain = hidden.to_vec();
                let length = key
                    .sealing
                    .open_in_place(nonce, what.aad(), &mut plain)
                    .ok()?
                    .len();
                plain.truncate(length);
                Some(plain)
            })
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

fn put_length(into: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("what is received is bounded far below 4 GiB");
    into.extend_from_slice(&length.to_be_bytes());
}

fn put(into: &mut Vec<u8>, bytes: &[u8]) {
    put_length(into, bytes.len());
    into.extend_from_slice(bytes);
}

fn take_length(from: &mut &[u8]) -> Option<usize> {
    let (length, rest) = from.split_first_chunk()?;
    *from = rest;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

fn take<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(from)?;
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout of saved rows, which must not change.
    const LAYOUT: &[u8] = b"\0\0\0\x04POST\0\0\0\x1a/callbacks/mygame?x=%00'\xc5\xbc\0\0\0\x02\
        \0\0\0\x09x-api-key\0\0\0\x0bSANDBOX-KEY\0\0\0\x07x-bytes\0\0\0\x02\xff\x80\
        \0\0\0\x15api_key=SANDBOX-KEY\0\xff";

    fn inbound() -> Inbound {
        let request = Request::builder()
            .method("POST")
            .uri("/callbacks/mygame?x=%00'ż")
            .header("x-api-key", "SANDBOX-KEY")
            .header("x-bytes", &[0xff, 0x80][..])
            .body(Bytes::from_static(b"api_key=SANDBOX-KEY\0\xff"));
        Inbound::saved(request.unwrap())
    }

    /// All of a request that is opened.
    fn opened(with: &Sealer, sealed: &[u8]) -> Option<String> {
        let inbound = with.open(sealed)?;
        Some(format!("{:?}", inbound.request))
    }

    #[test]
    fn a_row_has_the_layout_of_all_versions() {
        let with = Sealer::new([7; 32]);
        let plain = with.disclose(Plaintext::Request, &with.seal(&inbound()));
        assert_eq!(plain.as_deref(), Some(LAYOUT));
    }

    #[test]
    fn what_is_sealed_comes_back_with_the_same_key_alone() {
        let with = Sealer::new([7; 32]);
        let sealed = with.seal(&inbound());
        let sent = format!("{:?}", inbound().request);
        assert_eq!(opened(&with, &sealed).as_ref(), Some(&sent));
        assert_eq!(opened(&with.clone(), &sealed).as_ref(), Some(&sent));
        assert_eq!(opened(&Sealer::new([8; 32]), &sealed), None);
        assert_ne!(with.seal(&inbound()), sealed, "with another nonce");
        let shown = String::from_utf8_lossy(&sealed);
        assert!(!shown.contains("SANDBOX"), "{shown}");
        assert_eq!(format!("{with:?}"), "Sealer(…)");
        let reply = with.seal_reply(b"{\"state\":\"completed\"}");
        assert_eq!(
            with.open_reply(&reply).unwrap(),
            b"{\"state\":\"completed\"}"
        );
        assert_eq!(with.open_reply(&sealed), None, "it is no reply");
        assert_eq!(opened(&with, &reply), None, "nor the other way");
    }

    #[test]
    fn a_target_is_opened_in_every_form_in_which_it_is_received() {
        let with = Sealer::new([7; 32]);
        for (uri, target) in [
            ("http://host?x=1", "?x=1"),
            ("http://host/a?x=1", "/a?x=1"),
            ("//a?x=1", "//a?x=1"),
            ("*", "*"),
            ("host:443", "/"),
        ] {
            let request = Request::builder().uri(uri).body(Bytes::new());
            let sealed = with.seal(&Inbound::saved(request.unwrap()));
            let opened = with.open(&sealed);
            assert_eq!(opened.as_ref().map(Inbound::target), Some(target), "{uri}");
        }
    }

    #[test]
    fn whatever_was_changed_or_cut_is_not_opened() {
        let with = Sealer::new([7; 32]);
        let sealed = with.seal(&inbound());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(opened(&with, &changed), None, "byte {at}");
            assert_eq!(opened(&with, &sealed[..at]), None, "cut at {at}");
        }
        for nonsense in [
            &b"\xff\xff\xff\xff"[..],
            b"",
            b"\0\0\0\0\0\0\0\0\xff\xff\xff\xff",
            b"\0\0\0\x03P T\0\0\0\x01/\0\0\0\0\0\0\0\0",
            b"\0\0\0\x03PUT\0\0\0\x02/ \0\0\0\0\0\0\0\0",
            b"\0\0\0\x03PUT\0\0\0\x01/\0\0\0\x01\0\0\0\x01:\0\0\0\0\0\0\0\0",
            &[LAYOUT, b"x"].concat(),
        ] {
            let odd = with.close(Plaintext::Request, 0, |plain| {
                plain.extend_from_slice(nonsense);
            });
            assert_eq!(opened(&with, &odd), None);
        }
    }
}
