//! Decodes the escapes of URLs, JSON, JavaScript and HTML, one layer at a time, and maps each decoded byte to its
//! place in the text before. Knows no secrets.

use std::ops::Range;

/// HTML's names of the ASCII characters that a key or password may have.
const NAMED: [(&str, u8); 35] = [
    ("amp", b'&'),
    ("lt", b'<'),
    ("gt", b'>'),
    ("quot", b'"'),
    ("apos", b'\''),
    ("excl", b'!'),
    ("num", b'#'),
    ("dollar", b'$'),
    ("percnt", b'%'),
    ("lpar", b'('),
    ("rpar", b')'),
    ("ast", b'*'),
    ("plus", b'+'),
    ("comma", b','),
    ("period", b'.'),
    ("sol", b'/'),
    ("colon", b':'),
    ("semi", b';'),
    ("equals", b'='),
    ("quest", b'?'),
    ("commat", b'@'),
    ("lsqb", b'['),
    ("lbrack", b'['),
    ("bsol", b'\\'),
    ("rsqb", b']'),
    ("rbrack", b']'),
    ("Hat", b'^'),
    ("lowbar", b'_'),
    ("grave", b'`'),
    ("lcub", b'{'),
    ("lbrace", b'{'),
    ("verbar", b'|'),
    ("vert", b'|'),
    ("rcub", b'}'),
    ("rbrace", b'}'),
];

/// The longest escape: four bytes of UTF-8, each as `\xNN`. In HTML, a number with leading zeros may be as long.
const LONGEST: usize = 16;

/// A text without its outermost escapes.
pub(super) struct Layer {
    bytes: Vec<u8>,
    undone: Vec<Undone>,
}

/// One escape: its decoded bytes, and its place in the text before.
struct Undone {
    at: usize,
    length: u8,
    from: usize,
    escape: u8,
}

impl Layer {
    /// `text` with each of its escapes undone once; `None` where it has none.
    pub(super) fn under(text: &[u8]) -> Option<Self> {
        let first = text.iter().position(|byte| begins(*byte))?;
        let mut layer = Self {
            bytes: Vec::new(),
            undone: Vec::new(),
        };
        let (mut copied, mut at) = (0, first);
        while at < text.len() {
            if begins(text[at])
                && let Some((escape, meant)) = read(&text[at..])
            {
                layer.bytes.extend_from_slice(&text[copied..at]);
                layer.undone.push(Undone {
                    at: layer.bytes.len(),
                    length: meant.length,
                    from: at,
                    escape,
                });
                layer.bytes.extend_from_slice(meant.bytes());
                at += usize::from(escape);
                copied = at;
            } else {
                at += 1;
            }
        }
        layer.bytes.extend_from_slice(&text[copied..]);
        (copied > 0).then_some(layer)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The place of these bytes in the text before; whole escapes at both ends.
    pub(super) fn before(&self, range: Range<usize>) -> Range<usize> {
        self.span(range.start).start..self.span(range.end - 1).end
    }

    fn span(&self, at: usize) -> Range<usize> {
        let next = self.undone.partition_point(|undone| undone.at <= at);
        let Some(last) = next.checked_sub(1).map(|last| &self.undone[last]) else {
            return at..at + 1;
        };
        let end = last.from + usize::from(last.escape);
        match (at - last.at).checked_sub(usize::from(last.length)) {
            None => last.from..end,
            Some(after) => end + after..end + after + 1,
        }
    }
}

/// Whether this is the beginning of an escape whose rest is missing.
pub(super) fn is_torn(rest: &[u8]) -> bool {
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'#' | b'\\');
    match rest {
        [] => true,
        [first, rest @ ..] => begins(*first) && rest.len() < LONGEST && rest.iter().all(inside),
    }
}

fn begins(byte: u8) -> bool {
    matches!(byte, b'%' | b'\\' | b'&')
}

/// The bytes of one character, or one byte of it.
struct Meant {
    utf8: [u8; 4],
    length: u8,
}

impl Meant {
    fn byte(byte: u8) -> Self {
        Self {
            utf8: [byte, 0, 0, 0],
            length: 1,
        }
    }

    fn char(code: u32) -> Option<Self> {
        let mut utf8 = [0; 4];
        let length = char::from_u32(code)?.encode_utf8(&mut utf8).len();
        Some(Self {
            utf8,
            length: u8::try_from(length).ok()?,
        })
    }

    fn bytes(&self) -> &[u8] {
        &self.utf8[..usize::from(self.length)]
    }
}

/// The escape at the beginning of a text: its length, and what it decodes to.
fn read(text: &[u8]) -> Option<(u8, Meant)> {
    match *text {
        [b'%', high, low, ..] => {
            let byte = u8::try_from(number(&[high, low], 16)?).ok()?;
            Some((3, Meant::byte(byte)))
        }
        [b'\\', b'u', ..] => {
            let unit = number(text.get(2..6)?, 16)?;
            if !(0xD800..0xDC00).contains(&unit) {
                return Some((6, Meant::char(unit)?));
            }
            // RFC 8259, 7: a character beyond U+FFFF is a surrogate pair.
            let low = text.get(6..12)?.strip_prefix(br"\u")?;
            let low = number(low, 16)?.checked_sub(0xDC00)?;
            let pair = 0x1_0000 + ((unit - 0xD800) << 10) + low;
            Some((12, Meant::char(pair)?))
        }
        // JavaScript's character; JSON has no `\x`, but pages and logs quote it. C and Python write bytes of UTF-8 so.
        [b'\\', b'x', high, low, ..] => {
            let bytes = text.chunks_exact(4).take(4).map_while(|escape| {
                let digits = escape.strip_prefix(br"\x")?;
                u8::try_from(number(digits, 16)?).ok()
            });
            let bytes: Vec<u8> = bytes.collect();
            let character = bytes.utf8_chunks().next()?.valid().chars().next();
            match character {
                Some(wide) if !wide.is_ascii() => {
                    let escape = u8::try_from(4 * wide.len_utf8()).ok()?;
                    Some((escape, Meant::char(wide.into())?))
                }
                _ => Some((4, Meant::char(number(&[high, low], 16)?)?)),
            }
        }
        [b'\\', b't', ..] => Some((2, Meant::byte(b'\t'))),
        [b'\\', meant @ (b'"' | b'\'' | b'\\' | b'/'), ..] => Some((2, Meant::byte(meant))),
        [b'&', ..] => {
            // Only with its semicolon, and near: text is full of lone ampersands.
            let end = text.iter().take(LONGEST).position(|byte| *byte == b';')?;
            let meant = match &text[1..end] {
                [b'#', b'x' | b'X', digits @ ..] => Meant::char(number(digits, 16)?)?,
                [b'#', digits @ ..] => Meant::char(number(digits, 10)?)?,
                name => {
                    let known = NAMED.iter().find(|(known, _)| known.as_bytes() == name)?;
                    Meant::byte(known.1)
                }
            };
            Some((u8::try_from(end + 1).ok()?, meant))
        }
        _ => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        number.checked_mul(radix)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undone(text: &str) -> String {
        let layer = Layer::under(text.as_bytes());
        layer.map_or_else(
            || text.to_owned(),
            |layer| String::from_utf8_lossy(layer.bytes()).into_owned(),
        )
    }

    #[test]
    fn each_layer_undoes_every_kind_of_escape_once() {
        for (escaped, meant) in [
            ("a%2Fb%2fc", "a/b/c"),
            ("%252F", "%2F"),
            ("%C5%bc", "ż"),
            (r"\xc5\xBC\xf0\x9f\x98\x80\xf3\xc5\x4", "ż😀óÅ\\x4"),
            (r#"\u002B\u00e9\ud83d\ude00\x2b\"\\\/\'\t"#, "+é😀+\"\\/'\t"),
            (r"\\u002B", r"\u002B"),
            ("&amp;&#34;&#x2F;&#X2f;&#00047;&apos;&sol;", "&\"///'/"),
            ("&amp;#43;", "&#43;"),
            // Not one of these is an escape.
            (
                "100%, %2, %zz, \\, \\u00, \\ud83d, \\q, &, &;, &#;, &#x110000;, &nosuch;",
                "100%, %2, %zz, \\, \\u00, \\ud83d, \\q, &, &;, &#;, &#x110000;, &nosuch;",
            ),
        ] {
            assert_eq!(undone(escaped), meant);
        }
    }

    #[test]
    fn what_was_found_is_traced_to_whole_escapes() {
        let text = r"ab%2Fcd\u00e9e&amp;f";
        let layer = Layer::under(text.as_bytes()).unwrap();
        let plain = std::str::from_utf8(layer.bytes()).unwrap();
        assert_eq!(plain, "ab/cdée&f");
        for (part, stood) in [
            ("ab", "ab"),
            ("b/", "b%2F"),
            ("/cd", "%2Fcd"),
            ("é", r"\u00e9"),
            ("dée", r"d\u00e9e"),
            ("e&f", "e&amp;f"),
            ("f", "f"),
        ] {
            let at = plain.find(part).unwrap();
            assert_eq!(&text[layer.before(at..at + part.len())], stood);
        }
    }

    #[test]
    fn an_escape_without_its_end_is_torn() {
        for rest in ["", "%", "%2", "\\", r"\u00", r"\ud83d\u", "&", "&#4", "&am"] {
            assert!(is_torn(rest.as_bytes()), "{rest}");
        }
        for rest in ["x", "% of all", "& more", "&amp;"] {
            assert!(!is_torn(rest.as_bytes()), "{rest}");
        }
    }
}
