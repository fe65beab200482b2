//! The redactor: a secret that it knows, written in any mixture of encodings, cannot be read from what is left.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;
use tilldeck::domain::Secret;
use tilldeck::net::{record, redact};

use super::Input;

/// With what URLs, forms, JSON, HTML and base64 each change.
const SECRETS: [&str; 3] = [
    "planted/Secret+0123456789",
    "planted-\"q<u>o&t'ed\"-value",
    "planted żółć value of a test",
];

static LEARNT: LazyLock<()> = LazyLock::new(|| {
    for secret in SECRETS {
        redact::learn(&Secret::new(secret), "planted");
    }
});

/// How one character is written.
#[derive(Clone, Copy)]
enum Written {
    Raw,
    Percent,
    SmallPercent,
    Unicode,
    CapitalUnicode,
    Decimal,
    Hexadecimal,
    Named,
    Escaped,
}

/// What is done to the whole.
#[derive(Clone, Copy)]
enum Around {
    Nothing,
    Percent,
    Form,
    Json,
    JsonAscii,
    Html,
    Base64,
    UrlBase64,
    Hex,
}

const WRITTEN: [Written; 9] = [
    Written::Raw,
    Written::Percent,
    Written::SmallPercent,
    Written::Unicode,
    Written::CapitalUnicode,
    Written::Decimal,
    Written::Hexadecimal,
    Written::Named,
    Written::Escaped,
];

const AROUND: [Around; 9] = [
    Around::Nothing,
    Around::Percent,
    Around::Form,
    Around::Json,
    Around::JsonAscii,
    Around::Html,
    Around::Base64,
    Around::UrlBase64,
    Around::Hex,
];

/// Which secret; two layers around it; a line that stands before it and one behind; then how each of its characters is
/// written, in one of two families.
pub fn run(data: &[u8]) {
    LazyLock::force(&LEARNT);
    let mut input = Input(data);
    let secret = input.choose(&SECRETS);
    let mut layers = [input.choose(&AROUND), input.choose(&AROUND)];
    if packs(layers[1]) {
        // Base64 and hex are of the value itself, and what is around them escapes.
        let outer = if packs(layers[0]) {
            Around::Nothing
        } else {
            layers[0]
        };
        layers = [layers[1], outer];
    }
    let _ = input.line();
    let (before, behind) = (input.text(), input.text());
    // One writer escapes for one reader: percent escapes and JSON's do not stand in one text by turns.
    let family: &[usize] = input.choose(&[&[0, 1, 2][..], &[0, 3, 4, 8], &[0, 5, 6, 7]]);
    let family = if packs(layers[0]) { &[0] } else { family };
    let mut text = String::new();
    for c in secret.chars() {
        let way = usize::from(input.byte().wrapping_sub(b'0')) % family.len();
        write(c, WRITTEN[family[way]], &mut text);
    }
    let mut text = format!("{before}{text}{behind}");
    for layer in layers {
        text = around(&text, layer);
    }
    if before.contains("planted") || behind.contains("planted") {
        return;
    }
    for shown in [
        redact::body(&text),
        redact::header("x-note", &text),
        redact::scrub(&text).into_owned(),
        record::body(text.as_bytes()).text,
    ] {
        assert_hidden(&shown, secret, &text, 0);
    }
}

fn write(c: char, way: Written, out: &mut String) {
    let _ = match way {
        Written::Raw => write!(out, "{c}"),
        Written::Percent => c
            .encode_utf8(&mut [0; 4])
            .bytes()
            .try_for_each(|byte| write!(out, "%{byte:02X}")),
        Written::SmallPercent => c
            .encode_utf8(&mut [0; 4])
            .bytes()
            .try_for_each(|byte| write!(out, "%{byte:02x}")),
        Written::Unicode => c
            .encode_utf16(&mut [0; 2])
            .iter()
            .try_for_each(|unit| write!(out, "\\u{unit:04x}")),
        Written::CapitalUnicode => c
            .encode_utf16(&mut [0; 2])
            .iter()
            .try_for_each(|unit| write!(out, "\\u{unit:04X}")),
        Written::Decimal => write!(out, "&#{};", u32::from(c)),
        Written::Hexadecimal => write!(out, "&#x{:x};", u32::from(c)),
        Written::Named => match c {
            '&' => write!(out, "&amp;"),
            '<' => write!(out, "&lt;"),
            '>' => write!(out, "&gt;"),
            '"' => write!(out, "&quot;"),
            '\'' => write!(out, "&apos;"),
            c => write!(out, "{c}"),
        },
        Written::Escaped => match c {
            '"' | '\\' | '/' => write!(out, "\\{c}"),
            c => write!(out, "{c}"),
        },
    };
}

fn packs(layer: Around) -> bool {
    matches!(layer, Around::Base64 | Around::UrlBase64 | Around::Hex)
}

fn around(text: &str, layer: Around) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    match layer {
        Around::Nothing => text.to_owned(),
        Around::Percent => utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
        Around::Form => utf8_percent_encode(text, NON_ALPHANUMERIC)
            .to_string()
            .replace("%20", "+"),
        Around::Json => serde_json::Value::from(text).to_string(),
        Around::JsonAscii => {
            let json = serde_json::Value::from(text).to_string();
            json.chars().fold(String::new(), |mut out, c| {
                let way = if c.is_ascii() {
                    Written::Raw
                } else {
                    Written::Unicode
                };
                write(c, way, &mut out);
                out
            })
        }
        Around::Html => text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;"),
        Around::Base64 => base64::engine::general_purpose::STANDARD.encode(text),
        Around::UrlBase64 => base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text),
        Around::Hex => text.bytes().fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        }),
    }
}

/// How deep a reader goes who looks for the secret: through each character's own encoding and both layers.
const DEPTH: usize = 3;

/// Decodes what is left in each way and looks for the secret.
fn assert_hidden(shown: &str, secret: &str, from: &str, depth: usize) {
    assert!(
        !shown.contains(secret),
        "{from:?} left {secret:?} in {shown:?}"
    );
    if depth == DEPTH {
        return;
    }
    let mut decoded = vec![
        percent_decode_str(shown).decode_utf8_lossy().into_owned(),
        percent_decode_str(&shown.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned(),
        unescaped(shown),
        entities(shown),
    ];
    decoded.extend(packed(shown));
    decoded.sort_unstable();
    decoded.dedup();
    for text in decoded.iter().filter(|text| *text != shown) {
        assert_hidden(text, secret, from, depth + 1);
    }
}

/// JSON's escapes, wherever they stand.
fn unescaped(text: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let escape = rest.strip_prefix('\\').and_then(|escape| {
            let kind = escape.chars().next()?;
            let hex = escape
                .get(1..5)
                .and_then(|hex| u16::from_str_radix(hex, 16).ok());
            Some(match (kind, hex) {
                ('u', Some(unit)) => (unit, 6),
                ('n', _) => (10, 2),
                ('r', _) => (13, 2),
                ('t', _) => (9, 2),
                ('"' | '\\' | '/', _) => (u16::try_from(u32::from(kind)).ok()?, 2),
                _ => return None,
            })
        });
        if let Some((unit, length)) = escape {
            units.push(unit);
            rest = &rest[length..];
        } else {
            units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
            rest = &rest[c.len_utf8()..];
        }
    }
    String::from_utf16_lossy(&units)
}

/// HTML's entities, wherever they stand.
fn entities(text: &str) -> String {
    const NAMED: [(&str, char); 5] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
    ];
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        let name = end.map(|end| &rest[1..end]);
        let found = name.and_then(|name| {
            let number = name.strip_prefix('#');
            let hex = number.and_then(|number| number.strip_prefix(['x', 'X']));
            let number = match (hex, number) {
                (Some(hex), _) => u32::from_str_radix(hex, 16).ok(),
                (None, Some(number)) => number.parse().ok(),
                (None, None) => NAMED
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, c)| u32::from(*c)),
            };
            number.and_then(char::from_u32)
        });
        if let (Some(c), Some(end)) = (found, end) {
            out.push(c);
            rest = &rest[end + 1..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out + rest
}

/// Runs of base64 and of hex that are long enough to hold a secret, decoded.
fn packed(text: &str) -> Vec<String> {
    const LEAST: usize = 16;
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let mut found = Vec::new();
    for (alphabet, extra) in [(STANDARD, "+/"), (URL_SAFE, "-_")] {
        let engine = GeneralPurpose::new(&alphabet, lenient);
        let runs = text.split(|c: char| !c.is_ascii_alphanumeric() && !extra.contains(c));
        for run in runs.filter(|run| run.len() >= LEAST) {
            // A run may begin in the middle of other words; a group has four characters.
            for from in 0..4 {
                let run = &run[from..];
                let whole = &run[..run.len() - usize::from(run.len() % 4 == 1)];
                let bytes = engine.decode(whole).unwrap_or_default();
                found.push(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }
    for run in text.split(|c: char| !c.is_ascii_hexdigit()) {
        for run in [run, run.get(1..).unwrap_or_default()] {
            if run.len() < LEAST {
                continue;
            }
            let pairs = run.as_bytes().chunks_exact(2);
            let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            let bytes: Option<Vec<u8>> = pairs.map(pair).collect();
            found.push(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned());
        }
    }
    found
}
