//! Unpaired surrogates in JSON: an escape such as `\ud800` without its second half (RFC 8259, 8.2). Programs produce them
//! when they cut a text inside an emoji, and strict parsers reject the whole body.

/// The same JSON with U+FFFD for each unpaired surrogate; `None` where there is none.
pub(super) fn replaced(json: &[u8]) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    let mut at = 0;
    while at < json.len() {
        if json[at] != b'\\' {
            at += 1;
            continue;
        }
        at += match (unit(&json[at..]), json.get(at + 6..).and_then(unit)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                let out = out.get_or_insert_with(|| json.to_vec());
                out[at + 2..at + 6].copy_from_slice(b"fffd");
                6
            }
            // Skip the escaped character: in `\\ud800` the second backslash begins no escape.
            _ => 2,
        };
    }
    out
}

/// The number of the escape that the text begins with.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(br"\u")?.get(..4)?;
    let digits = std::str::from_utf8(digits).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_halves_are_replaced() {
        for (json, wanted) in [
            (r#""\ud800""#, Some(r#""\ufffd""#)),
            (r#""\uDC00x""#, Some(r#""\ufffdx""#)),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\ud83d\n""#, Some(r#""\ufffd\n""#)),
            (r#""\ud83d\ude00""#, None),
            (r#""\\ud800""#, None),
            (r#""\\\ud800""#, Some(r#""\\\ufffd""#)),
            (r#""\u0041""#, None),
            (r#""\ud8"#, None),
            (r#""\"#, None),
            ("", None),
        ] {
            let wanted = wanted.map(|text| text.as_bytes().to_vec());
            assert_eq!(replaced(json.as_bytes()), wanted, "{json}");
        }
    }
}
