//! The values that are known to be secret, the forms they take, and how they are replaced. Knows no names.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::Secret;

/// Shorter values are redacted by name only: replacing them everywhere would garble all else.
const KNOWN_MIN: usize = 4;

/// So many first characters of a known value at the very end of a body are taken for it.
const BEGUN_MIN: usize = 6;

/// The most passing values of one name that are remembered; the oldest gives way. Configured secrets stay, and each
/// name has its own: a busy hour of signatures must push out neither the secret that made them nor an access token.
const PASSING_MAX: usize = 48;

struct Known {
    value: Secret,
    forms: Arc<[Secret]>,
    name: &'static str,
    passing: bool,
}

static KNOWN: RwLock<Register> = RwLock::new(Register {
    values: Vec::new(),
    longest_first: Vec::new(),
});

/// All that is known.
struct Register {
    values: Vec<Known>,
    /// Which form of which value: a secret may begin with another one.
    longest_first: Vec<(Arc<[Secret]>, usize, &'static str)>,
}

impl Register {
    fn add(&mut self, known: Known) {
        let each = 0..known.forms.len();
        let new = each.map(|at| (known.forms.clone(), at, known.name));
        self.longest_first.extend(new);
        let length = |(forms, at, _): &(Arc<[Secret]>, usize, _)| forms[*at].expose().len();
        self.longest_first
            .sort_by_key(|form| std::cmp::Reverse(length(form)));
        self.values.push(known);
    }

    fn remove(&mut self, at: usize) {
        let known = self.values.remove(at);
        self.longest_first
            .retain(|(forms, ..)| !Arc::ptr_eq(forms, &known.forms));
    }

    /// Each form with its value's name, the longest first.
    fn forms(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let all = self.longest_first.iter();
        all.map(|(forms, at, name)| (forms[*at].expose(), *name))
    }
}

/// Makes a configured secret known: from now on it is replaced by `<name>` wherever text leaves.
pub fn learn(value: &Secret, name: &'static str) {
    remember(value, name, false);
}

/// Makes a value known that serves once or for a while: a signature, a token.
pub fn learn_passing(value: &Secret, name: &'static str) {
    remember(value, name, true);
}

fn remember(value: &Secret, name: &'static str, passing: bool) {
    if value.expose().len() < KNOWN_MIN {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(at) = known.values.iter().position(|k| k.value == *value) {
        let mut kept = known.values.remove(at);
        kept.passing &= passing;
        known.values.push(kept);
        return;
    }
    let alike = |k: &Known| k.passing && k.name == name;
    if known.values.iter().filter(|k| alike(k)).count() >= PASSING_MAX
        && let Some(oldest) = known.values.iter().position(alike)
    {
        known.remove(oldest);
    }
    known.add(Known {
        value: value.clone(),
        forms: forms(value.expose()).into(),
        name,
        passing,
    });
}

/// What a value becomes in URLs, forms, JSON, HTML and headers.
fn forms(text: &str) -> Vec<Secret> {
    let escaped = |text: &str| {
        let json = serde_json::to_string(text).expect("text is JSON");
        json[1..json.len() - 1].to_owned()
    };
    let json = escaped(text);
    let percent = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let component = utf8_percent_encode(text, COMPONENT).to_string();
    let form = serde_urlencoded::to_string([("", text)]).unwrap_or_default();
    let path = utf8_percent_encode(text, PATH).to_string();
    let each_byte = |escape: fn(u8) -> String| text.bytes().map(escape).collect::<String>();
    let numbered = |escape: fn(char) -> String| {
        let kept = |c: char| c.is_ascii_alphanumeric();
        let chars = text.chars();
        chars
            .map(|c| if kept(c) { c.to_string() } else { escape(c) })
            .collect::<String>()
    };
    let mut forms = vec![
        text.to_owned(),
        // A value in a URL that is a value in a URL.
        percent.replace('%', "%25"),
        component.replace('%', "%25"),
        path.replace('%', "%25"),
        lower_escapes(&percent),
        lower_escapes(&component),
        lower_escapes(&path),
        percent,
        component,
        path,
        each_byte(|byte| format!("%{byte:02X}")),
        each_byte(|byte| format!("%{byte:02x}")),
        unicode(text, |_| true, false),
        unicode(text, |_| true, true),
        // As Go, Rails and .NET write JSON for web pages.
        unicode(&json, |c| "<>&".contains(c), false),
        unicode(&json, |c| "<>&".contains(c), true),
        unicode(&json, |c| "<>&'+".contains(c), false),
        unicode(&json, |c| "<>&'+".contains(c), true),
        numbered(|c| format!("&#{};", u32::from(c))),
        numbered(|c| format!("&#x{:x};", u32::from(c))),
        numbered(|c| format!("&#x{:X};", u32::from(c))),
        html(text, "&apos;"),
        html(text, "&#39;").replace("&quot;", "&#34;"),
        form.trim_start_matches('=').to_owned(),
        // As PHP and Python write JSON unless told otherwise.
        ascii(&json.replace('/', r"\/")),
        json.replace('/', r"\/"),
        ascii(&json),
        // As text in other JSON.
        escaped(&json),
        escaped(&ascii(&json)),
        escaped(&ascii(&json.replace('/', r"\/"))),
        html(text, "&#39;"),
        html(text, "&#x27;").replace('/', "&#x2F;"),
        json,
        within_base64(text, 0),
        within_base64(text, 1),
        within_base64(text, 2),
        url_safe(&within_base64(text, 0)),
        url_safe(&within_base64(text, 1)),
        url_safe(&within_base64(text, 2)),
        STANDARD.encode(text),
        STANDARD_NO_PAD.encode(text),
        URL_SAFE.encode(text),
        URL_SAFE_NO_PAD.encode(text),
        hex(text),
        hex(text).to_ascii_uppercase(),
    ];
    forms.retain(|form| form.len() >= KNOWN_MIN);
    forms.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms.into_iter().map(Secret::new).collect()
}

/// What `encodeURIComponent` leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// As [`COMPONENT`], in a path.
const PATH: &AsciiSet = &COMPONENT.remove(b'/');

/// What can be seen of the text within base64 of a longer one, so many bytes after a group's begin.
fn within_base64(text: &str, before: usize) -> String {
    let padded = [&vec![0; before][..], text.as_bytes()].concat();
    let encoded = STANDARD_NO_PAD.encode(&padded);
    // Characters that other bytes have a part in are left out.
    let from = (before * 8).div_ceil(6);
    let till = padded.len() * 8 / 6;
    encoded[from..till].to_owned()
}

fn url_safe(base64: &str) -> String {
    base64.replace('+', "-").replace('/', "_")
}

/// Percent escapes with small letters: `%2f`.
fn lower_escapes(text: &str) -> String {
    let mut digits = 0;
    text.chars()
        .map(|c| {
            let escaped = digits > 0;
            digits = if c == '%' {
                2
            } else {
                digits - i32::from(escaped)
            };
            if escaped { c.to_ascii_lowercase() } else { c }
        })
        .collect()
}

/// JSON with everything beyond ASCII escaped.
fn ascii(json: &str) -> String {
    unicode(json, |c| !c.is_ascii(), false)
}

/// JSON in which these characters are `\u` escapes, of small or capital digits.
fn unicode(json: &str, escaped: impl Fn(char) -> bool, capital: bool) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if !escaped(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = if capital {
                write!(out, "\\u{unit:04X}")
            } else {
                write!(out, "\\u{unit:04x}")
            };
        }
    }
    out
}

fn html(text: &str, apostrophe: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', apostrophe)
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `text` with every known value replaced, in whatever form it stands.
#[must_use]
pub fn scrub(text: &str) -> Cow<'_, str> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let mut out = Cow::Borrowed(text);
    for (form, name) in known.forms() {
        if out.contains(form) {
            out = Cow::Owned(out.replace(form, &placeholder(name)));
        }
    }
    out
}

/// What stands in a secret's place.
pub(super) fn placeholder(name: &str) -> String {
    format!("<{name}>")
}

/// A torn body may end within a known value: so much of one as can be recognised is replaced, too.
pub(super) fn scrub_end(text: &mut String) {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    for (form, name) in known.forms() {
        let begun = (BEGUN_MIN..form.len())
            .rev()
            .find(|len| text.as_bytes().ends_with(&form.as_bytes()[..*len]));
        if let Some(from) = begun.map(|len| text.len() - len)
            && text.is_char_boundary(from)
        {
            text.truncate(from);
            text.push_str(&placeholder(name));
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_are_found_in_all_their_forms() {
        let value = "planted/Secret+1 \"q\" żó";
        learn(&Secret::new(value), "planted");
        learn(&Secret::new("abc"), "short");
        let forms = [
            value.to_owned(),
            utf8_percent_encode(value, NON_ALPHANUMERIC).to_string(),
            serde_urlencoded::to_string([("k", value)]).unwrap(),
            serde_json::to_string(value).unwrap(),
            STANDARD.encode(value),
            URL_SAFE_NO_PAD.encode(value),
            hex(value),
        ];
        for form in forms {
            let shown = scrub(&form).into_owned();
            assert!(shown.contains("<planted>"), "{form} became {shown}");
            assert!(!shown.contains("planted/Secret"), "{shown}");
        }
        assert_eq!(scrub("abc"), "abc", "too short to be replaced everywhere");
    }

    #[test]
    fn other_peoples_encodings_are_known_too() {
        learn(&Secret::new("k%Z/é<&>'~!\"9"), "encoded");
        for form in [
            r#"k%Z\/\u00e9<&>'~!\"9"#,
            r#"k%Z/\u00e9<&>'~!\"9"#,
            r#"k%Z\/é<&>'~!\"9"#,
            "k%25Z%2F%C3%A9%3C%26%3E'~!%229",
            "k%25Z%2f%c3%a9%3c%26%3e'~!%229",
            "k%Z/é&lt;&amp;&gt;&#39;~!&quot;9",
            "k%Z&#x2F;é&lt;&amp;&gt;&#x27;~!&quot;9",
            "6B255A2FC3A93C263E277E212239",
        ] {
            assert_eq!(scrub(form), "<encoded>", "{form}");
        }
    }

    #[test]
    fn a_secret_that_begins_with_another_one_is_replaced_whole() {
        learn(&Secret::new("first-of-two"), "one");
        learn(&Secret::new("first-of-two-and-more"), "two");
        assert_eq!(scrub("first-of-two-and-more"), "<two>");
        assert_eq!(scrub("first-of-two-and"), "<one>-and");
    }

    #[test]
    fn encodings_within_others_are_known() {
        let value = "Pl4nted/S+c<r&t'\"01";
        learn(&Secret::new(value), "inner");
        let twice = |text: &str| text.replace('%', "%25");
        let percent = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
        let every = hex(value).into_bytes();
        let every: String = every
            .chunks(2)
            .flat_map(|pair| [b"%", pair].concat())
            .map(char::from)
            .collect();
        let units = unicode(value, |_| true, true);
        let mut shown = vec![
            twice(&percent),
            every.to_ascii_uppercase(),
            every,
            units,
            "Pl4nted/S%2Bc%3Cr%26t'%2201".to_owned(),
            r#"Pl4nted/S\u002Bc\u003Cr\u0026t\u0027\"01"#.to_owned(),
            r#"Pl4nted/S+c\u003cr\u0026t'\"01"#.to_owned(),
            "Pl4nted&#47;S&#43;c&#60;r&#38;t&#39;&#34;01".to_owned(),
            "Pl4nted/S+c&lt;r&amp;t&apos;&quot;01".to_owned(),
            "Pl4nted/S+c&lt;r&amp;t&#39;&#34;01".to_owned(),
        ];
        for before in ["", "a", "ab", "abc", "user:"] {
            let text = format!("{before}{value} and more");
            shown.extend([STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)]);
        }
        for text in shown {
            assert!(scrub(&text).contains("<inner>"), "{text}");
        }
    }

    #[test]
    fn secrets_and_tokens_outlive_any_number_of_signatures() {
        learn(&Secret::new("a-configured-secret"), "kept");
        learn_passing(&Secret::new("a-configured-secret"), "kept");
        learn_passing(&Secret::new("a-token-in-force"), "held");
        for number in 0..PASSING_MAX + 10 {
            learn_passing(&Secret::new(format!("signature-{number:06}")), "signature");
        }
        assert_eq!(scrub("a-configured-secret"), "<kept>");
        assert_eq!(scrub("a-token-in-force"), "<held>");
        let newest = format!("signature-{:06}", PASSING_MAX + 9);
        assert_eq!(scrub(&newest), "<signature>");
        assert_eq!(scrub("signature-000000"), "signature-000000");
    }
}
