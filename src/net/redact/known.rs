//! The known secret values, the encoded forms they take, and how they are found and replaced.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use parking_lot::RwLock;

use super::escapes::{self, Layer};
use crate::domain::{Secret, hex};

/// Shorter values are redacted by field name only: replacing them everywhere would garble other text.
pub(super) const KNOWN_MIN: usize = 4;

/// Shorter temporary values are redacted by field name only: a token that an operator types or a sender makes up may be
/// a word or part of an id.
const PASSING_MIN: usize = 12;

/// Forms from this length on match regardless of case; shorter ones may be words.
const CASELESS_MIN: usize = 12;

/// A form that is begun with this many bytes may repeat itself: then no byte of the text is compared twice.
const REPEATED_MIN: usize = 64;

/// This many first characters of a known value at the very end of a body count as the value.
const BEGUN_MIN: usize = 6;

/// How deep nested escapes are decoded: an error that three programs forwarded as JSON, plus a secret that itself
/// looks escaped.
pub(super) const LAYERS_MAX: usize = 6;

/// The most temporary values of one name that are remembered; the oldest is dropped. Each name has its own list and
/// configured secrets stay: many signatures must not push out an access token or the secret that made them.
const PASSING_MAX: usize = 48;

/// A value among this many newest ones is not moved to their end again.
const NEWEST: usize = 8;

struct Known {
    value: Secret,
    number: u64,
    name: &'static str,
    passing: bool,
}

struct Form {
    text: Secret,
    of: u64,
    name: &'static str,
    caseless: bool,
}

impl Form {
    fn bytes(&self) -> &[u8] {
        self.text.expose().as_bytes()
    }

    /// How many bytes of this form `bytes` begin with, if it is known that they begin with the first `known` of them.
    fn begun(&self, bytes: &[u8], known: usize) -> usize {
        let alike = |(own, other): &(&u8, &u8)| {
            if self.caseless {
                fold(**own) == fold(**other)
            } else {
                space(**own) == space(**other)
            }
        };
        let pairs = self.bytes()[known..].iter().zip(&bytes[known..]);
        known + pairs.take_while(alike).count()
    }

    /// How many bytes of this form its own rest from each byte on begins with.
    fn repeats(&self) -> Vec<usize> {
        let mut reach = Reach {
            at: 1..1,
            repeats: vec![self.bytes().len()],
        };
        for from in 1..self.bytes().len() {
            let begun = reach.begun(self, self.bytes(), from);
            reach.repeats.push(begun);
        }
        reach.repeats
    }
}

/// Finds where a form begins in a text. It reuses the last match, as the Z algorithm does, so that a repetitive text costs
/// linear time.
struct Reach {
    at: Range<usize>,
    /// [`Form::repeats`].
    repeats: Vec<usize>,
}

impl Reach {
    /// How many bytes of the form the text begins with at a place after the last one.
    fn begun(&mut self, form: &Form, text: &[u8], from: usize) -> usize {
        let reached = self.at.end.saturating_sub(from);
        let begun = match self.repeats.get(from - self.at.start) {
            Some(again) if *again < reached => return *again,
            _ => form.begun(&text[from..], reached),
        };
        self.at = from..from + begun;
        begun
    }
}

/// Forms write a space as `+`, so the two are one.
fn space(byte: u8) -> u8 {
    if byte == b'+' { b' ' } else { byte }
}

fn fold(byte: u8) -> u8 {
    space(byte).to_ascii_lowercase()
}

/// The first [`KNOWN_MIN`] bytes, folded.
fn key(first: &[u8]) -> u32 {
    let first = first.iter().take(KNOWN_MIN);
    first.fold(0, |key, byte| key << 8 | u32::from(fold(*byte)))
}

static KNOWN: RwLock<Option<KnownSecrets>> = RwLock::new(None);

#[derive(Default)]
pub(super) struct KnownSecrets {
    values: Vec<Known>,
    /// By their key.
    forms: HashMap<u32, Vec<Form>>,
    /// A bitmap of the possible keys, which rules out almost every position of a text at once.
    keys: KeySet,
    count: u64,
}

struct KeySet(Box<[u64; 1024]>);

impl Default for KeySet {
    fn default() -> Self {
        Self(Box::new([0; 1024]))
    }
}

impl KeySet {
    fn place(key: u32) -> (usize, u64) {
        let hash = key.wrapping_mul(0x9E37_79B1) >> 16;
        ((hash >> 6) as usize, 1 << (hash & 63))
    }

    fn insert(&mut self, key: u32) {
        let (word, bit) = Self::place(key);
        self.0[word] |= bit;
    }

    fn may_have(&self, key: u32) -> bool {
        let (word, bit) = Self::place(key);
        self.0[word] & bit != 0
    }
}

struct Found {
    at: Range<usize>,
    name: &'static str,
    /// Of the form: of two that overlap, the longer one gives the name.
    length: usize,
}

impl KnownSecrets {
    pub(super) fn has(&self, value: &str) -> bool {
        let alike = self.forms.get(&key(value.as_bytes()));
        let mut alike = alike.into_iter().flatten();
        alike.any(|form| form.text.expose() == value)
    }

    /// Adds a value, which must have [`KNOWN_MIN`] bytes.
    pub(super) fn add(&mut self, value: &Secret, name: &'static str, passing: bool) {
        let number = self.count;
        self.count += 1;
        for (text, caseless) in forms(value.expose()) {
            let key = key(text.expose().as_bytes());
            self.keys.insert(key);
            self.forms.entry(key).or_default().push(Form {
                text,
                of: number,
                name,
                caseless,
            });
        }
        self.values.push(Known {
            value: value.clone(),
            number,
            name,
            passing,
        });
    }

    fn remove(&mut self, at: usize) {
        let removed = self.values.remove(at).number;
        self.forms.retain(|_, forms| {
            forms.retain(|form| form.of != removed);
            !forms.is_empty()
        });
        // A bitmap cannot forget one key, since others may share its bit.
        self.keys = KeySet::default();
        for key in self.forms.keys() {
            self.keys.insert(*key);
        }
    }

    /// Every known value in `text`, however it is escaped; at the end of the text also the beginning of one. They may
    /// overlap.
    fn find(&self, text: &str, torn: bool) -> Vec<Found> {
        let mut found = self.find_in(text.as_bytes(), torn);
        let mut layers = Vec::<Layer>::new();
        while layers.len() < LAYERS_MAX {
            let above = layers.last().map_or(text.as_bytes(), Layer::bytes);
            let Some(layer) = Layer::under(above) else {
                break;
            };
            layers.push(layer);
            let here = layers.last().map_or(&[][..], Layer::bytes);
            for mut hit in self.find_in(here, torn) {
                for layer in layers.iter().rev() {
                    hit.at = layer.before(hit.at);
                }
                found.push(hit);
            }
        }
        found
    }

    fn find_in(&self, bytes: &[u8], torn: bool) -> Vec<Found> {
        let mut found = Vec::new();
        let mut reaches = HashMap::<*const Form, Reach>::new();
        let mut key = 0_u32;
        for (last, byte) in bytes.iter().enumerate() {
            key = key << 8 | u32::from(fold(*byte));
            if last + 1 < KNOWN_MIN || !self.keys.may_have(key) {
                continue;
            }
            let from = last + 1 - KNOWN_MIN;
            let rest = &bytes[from..];
            for form in self.forms.get(&key).into_iter().flatten() {
                let length = form.bytes().len();
                let begun = match reaches.entry(form) {
                    Entry::Occupied(mut reach) => reach.get_mut().begun(form, bytes, from),
                    Entry::Vacant(place) => {
                        let begun = form.begun(rest, 0);
                        if begun >= REPEATED_MIN {
                            let at = from..from + begun;
                            let repeats = form.repeats();
                            place.insert(Reach { at, repeats });
                        }
                        begun
                    }
                };
                // A body that was cut may end within a secret or within an escape in it.
                let ends = torn && begun >= BEGUN_MIN && escapes::is_torn(&rest[begun..]);
                let taken = match begun {
                    _ if begun == length => length,
                    _ if ends => rest.len(),
                    _ => continue,
                };
                found.push(Found {
                    at: from..from + taken,
                    name: form.name,
                    length,
                });
            }
        }
        found
    }
}

/// In order, and none overlaps another.
fn merged(text: &str, mut found: Vec<Found>) -> Vec<Found> {
    found.sort_unstable_by_key(|found| (found.at.start, found.at.end));
    let mut all: Vec<Found> = Vec::with_capacity(found.len());
    for mut next in found {
        // A form may begin inside a multi-byte character of the text.
        next.at = text.floor_char_boundary(next.at.start)..text.ceil_char_boundary(next.at.end);
        match all.last_mut().filter(|last| next.at.start < last.at.end) {
            Some(last) => {
                last.at.end = last.at.end.max(next.at.end);
                if next.length > last.length {
                    (last.name, last.length) = (next.name, next.length);
                }
            }
            None => all.push(next),
        }
    }
    all
}

/// Makes a configured secret known: from now on it is replaced by `<name>` wherever text leaves.
pub fn learn(value: &Secret, name: &'static str) {
    remember(value, name, false);
}

/// Makes a temporary value known: a signature, a token.
pub fn learn_temporary(value: &Secret, name: &'static str) {
    remember(value, name, true);
}

fn remember(value: &Secret, name: &'static str, passing: bool) {
    let least = if passing { PASSING_MIN } else { KNOWN_MIN };
    if value.expose().len() < least {
        return;
    }
    // A token is learned with every request, while others redact.
    let is_recent = |known: &Known| known.value == *value && known.passing <= passing;
    let read = KNOWN.read();
    let mut newest = read
        .iter()
        .flat_map(|known| known.values.iter().rev().take(NEWEST));
    if newest.any(is_recent) {
        return;
    }
    drop(newest);
    drop(read);
    let mut known = KNOWN.write();
    let known = known.get_or_insert_default();
    if let Some(at) = known.values.iter().position(|k| k.value == *value) {
        let mut entry = known.values.remove(at);
        // A configured secret stays configured, even if it also occurs as a token.
        entry.passing &= passing;
        // To the end: `PASSING_MAX` drops the one that was used longest ago.
        known.values.push(entry);
        return;
    }
    let alike = |k: &Known| k.passing && k.name == name;
    if known.values.iter().filter(|k| alike(k)).count() >= PASSING_MAX
        && let Some(oldest) = known.values.iter().position(alike)
    {
        known.remove(oldest);
    }
    known.add(value, name, passing);
}

/// The forms in which a value is searched after escapes are decoded, and whether case matters.
fn forms(text: &str) -> Vec<(Secret, bool)> {
    let mut forms = vec![text.to_owned()];
    // A value may look escaped itself; the text is decoded, so the decoded value is searched, too.
    let mut inner = Layer::under(text.as_bytes());
    while let Some(layer) = inner
        && forms.len() <= LAYERS_MAX
    {
        if let Ok(inner) = std::str::from_utf8(layer.bytes()) {
            forms.push(inner.to_owned());
        }
        inner = Layer::under(layer.bytes());
    }
    let form = serde_urlencoded::to_string([("", text)]).unwrap_or_default();
    // RFC 6749, 2.3.1: client id and secret are form-encoded before they are joined for `Basic`.
    for text in [text, form.trim_start_matches('=')] {
        let within = (0..3).map(|before| within_base64(text, before));
        for base64 in within.chain([STANDARD_NO_PAD.encode(text)]) {
            forms.push(base64.replace('+', "-").replace('/', "_"));
            forms.push(base64);
        }
    }
    let mut forms: Vec<_> = forms
        .into_iter()
        .map(|form| (form.len() >= CASELESS_MIN, form))
        .chain([(true, hex(text.as_bytes()))])
        .map(|(caseless, form)| (Secret::new(form), caseless))
        .filter(|(form, _)| form.expose().len() >= KNOWN_MIN)
        .collect();
    forms.sort_unstable_by(|(a, _), (b, _)| a.expose().cmp(b.expose()));
    forms.dedup_by(|(a, _), (b, _)| a == b);
    forms
}

/// The part of the base64 that does not depend on the bytes around the text, for a text that begins this many bytes
/// into a group of three.
fn within_base64(text: &str, before: usize) -> String {
    let padded = [&vec![0; before][..], text.as_bytes()].concat();
    let encoded = STANDARD_NO_PAD.encode(&padded);
    // Characters that also encode neighbouring bytes are left out.
    let from = (before * 8).div_ceil(6);
    let limiter = padded.len() * 8 / 6;
    encoded[from..limiter].to_owned()
}

/// `text` with every known value replaced, in any of its forms.
pub fn scrub(text: &str) -> Cow<'_, str> {
    scrub_also(text, None)
}

/// The same with the values of one more register.
pub(super) fn scrub_also<'a>(text: &'a str, more: Option<&KnownSecrets>) -> Cow<'a, str> {
    replaced(text, false, more)
}

/// The same for a body, which may end within a known value.
pub(super) fn scrub_torn<'a>(text: &'a str, more: Option<&KnownSecrets>) -> Cow<'a, str> {
    replaced(text, true, more)
}

fn replaced<'a>(text: &'a str, torn: bool, more: Option<&KnownSecrets>) -> Cow<'a, str> {
    let known = KNOWN.read();
    // All at once: a value of one register may be a part of a value of the other.
    let found = known.iter().chain(more);
    let found: Vec<Found> = found.flat_map(|known| known.find(text, torn)).collect();
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for found in merged(text, found) {
        out.push_str(&text[copied..found.at.start]);
        out.push_str(&placeholder(found.name));
        copied = found.at.end;
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

pub(super) fn placeholder(name: &str) -> String {
    format!("<{name}>")
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    fn each(text: &str, escape: impl Fn(u16) -> String) -> String {
        text.encode_utf16().map(escape).collect()
    }

    #[test]
    fn known_values_are_found_in_all_their_encodings() {
        let value = "Pl4nted/S+c<r&t'\"01 żó";
        learn(&Secret::new(value), "planted");
        learn(&Secret::new("abc"), "short");
        let json = serde_json::to_string(value).unwrap();
        let percent = value.bytes().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "%{byte:02X}");
            text
        });
        let units = each(value, |unit| format!("\\u{unit:04X}"));
        let mut encoded = vec![
            value.to_owned(),
            value.to_ascii_uppercase(),
            value.to_ascii_lowercase(),
            serde_urlencoded::to_string([("k", value)]).unwrap(),
            json.clone(),
            json.replace('/', "\\/"),
            serde_json::to_string(&json).unwrap(),
            percent.to_ascii_lowercase(),
            percent.replace('%', "%25"),
            percent,
            units.to_ascii_lowercase().replace('\\', r"\\"),
            units,
            each(value, |unit| format!("&#{unit};")),
            each(value, |unit| format!("&#x{unit:X};")),
            each(value, |unit| format!("&#X{unit:05x};")),
            hex(value.as_bytes()),
            hex(value.as_bytes()).to_uppercase(),
            // Some characters escaped and others not, each in a way of its own.
            r#"Pl4nted/S%2bc\u003Cr&amp;t&apos;\"01 %C5%bc\u00F3"#.to_owned(),
            r"\x50l4nted%252FS%2Bc&lt;r\\u0026t&#39;&quot;01+żó".to_owned(),
            "Pl4nted&sol;S&plus;c&lt;r&amp;t&#x27;&#034;01+%c5%BCó".to_owned(),
        ];
        for before in ["", "a", "ab", "abc", "user:"] {
            let form = &serde_urlencoded::to_string([("", value)]).unwrap()[1..];
            for text in [value, form] {
                let text = format!("{before}{text} and more");
                encoded.extend([STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)]);
            }
        }
        for text in encoded {
            let shown = scrub(&text).into_owned();
            assert!(shown.contains("<planted>"), "{text} became {shown}");
            assert!(!shown.contains("l4nted"), "{text} became {shown}");
            let amid = format!("«{text}»");
            assert_eq!(scrub(&amid), format!("«{shown}»"), "{text}");
        }
        assert_eq!(scrub("abc"), "abc", "too short to be replaced everywhere");
    }

    #[test]
    fn a_value_that_looks_escaped_is_found_as_it_is_and_escaped() {
        learn(&Secret::new(r"k%41\u0042&amp;/9"), "odd");
        for text in [
            r"k%41\u0042&amp;/9",
            r"k%2541\\u0042&amp;amp;/9",
            r"k%41\\u0042&amp;\/9",
            r"k%2541%5Cu0042%26amp%3B%2F9",
        ] {
            assert_eq!(scrub(text), "<odd>", "{text}");
        }
    }

    #[test]
    fn what_stands_beside_a_value_stays_to_the_letter() {
        learn(&Secret::new("a/long+value"), "value");
        assert_eq!(
            scrub(r"50% of a%2Flong%2Bvalue%21 \u00e9 &amp; a\/LONG value\n"),
            r"50% of <value>%21 \u00e9 &amp; <value>\n"
        );
        learn(&Secret::new("Small.1"), "small");
        assert_eq!(
            scrub("Small.1 small.1"),
            "<small> small.1",
            "it may be a word"
        );
    }

    #[test]
    fn a_long_value_that_repeats_itself_is_found_in_no_more_than_its_length() {
        // Each of these took minutes when every place was compared with the whole value.
        for part in ["a", "ab", "aAbB", "é", "\\", "%41", "+ "] {
            let value = format!("{}end", part.repeat(60_000 / part.len()));
            learn_temporary(&Secret::new(value.as_str()), "repeated");
            let text = format!("{part}{part}{value}, {}.", &value[..value.len() - 3]);
            let hidden = scrub(&text);
            assert!(!hidden.contains("end"), "{part}");
            assert!(hidden.contains("<repeated>, "), "{part}");
        }
    }

    #[test]
    fn values_are_found_at_each_place_however_they_overlap() {
        let part = "xyxyx".repeat(20);
        learn_temporary(&Secret::new(part.as_str()), "overlapping");
        let text = format!("({part}{}{part})", &part[5..]);
        assert_eq!(scrub(&text), "(<overlapping>)");
        let apart = format!("{} {part}", &part[..99]);
        assert_eq!(scrub(&apart), format!("{} <overlapping>", &part[..99]));
    }

    #[test]
    fn a_secret_that_begins_with_another_one_is_replaced_whole() {
        learn(&Secret::new("first-of-two"), "one");
        learn(&Secret::new("first-of-two-and-more"), "two");
        learn(&Secret::new("of-two-and-more-than-that"), "three");
        assert_eq!(scrub("first-of-two-and-more"), "<two>");
        assert_eq!(scrub("first-of-two-and"), "<one>-and");
        assert_eq!(scrub("first-of-two-and-more-than-that!"), "<three>!");
    }

    #[test]
    fn a_short_typed_token_is_replaced_in_its_own_field_only() {
        learn_temporary(&Secret::new("1002"), "game_auth_token");
        assert_eq!(scrub("ORDER-1002"), "ORDER-1002");
        assert_eq!(
            crate::net::redact::body("user_id=1002&game_auth_token=1002"),
            "user_id=1002&game_auth_token=<game_auth_token>"
        );
    }

    #[test]
    fn a_token_that_is_used_is_not_forgotten_for_others_of_its_name() {
        let token = |number: usize| Secret::new(format!("token-number-{number:06}"));
        for number in 0..PASSING_MAX * 3 {
            learn_temporary(&token(number), "used");
            learn_temporary(&token(0), "used");
        }
        assert_eq!(scrub("token-number-000000"), "<used>");
        assert_eq!(scrub("token-number-000001"), "token-number-000001");
    }

    #[test]
    fn secrets_and_tokens_outlive_any_number_of_signatures() {
        learn(&Secret::new("a-configured-secret"), "kept");
        learn_temporary(&Secret::new("a-configured-secret"), "kept");
        learn_temporary(&Secret::new("a-token-in-force"), "held");
        for number in 0..PASSING_MAX + 10 {
            learn_temporary(&Secret::new(format!("signature-{number:06}")), "signature");
        }
        assert_eq!(scrub("a-configured-secret"), "<kept>");
        assert_eq!(scrub("a-token-in-force"), "<held>");
        let newest = format!("signature-{:06}", PASSING_MAX + 9);
        assert_eq!(scrub(&newest), "<signature>");
        assert_eq!(scrub("signature-000000"), "signature-000000");
    }
}
