//! JSON indented for reading, its values untouched: only the space between tokens changes, so a number
//! reads exactly as it was sent.

use serde::de::IgnoredAny;

/// The text indented, or `None` where it is no JSON object or array.
pub fn indented(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return None;
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0;
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '"' => {
                out.push(c);
                while let Some(c) = letters.next() {
                    out.push(c);
                    match c {
                        '\\' => out.extend(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.push(c);
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(close) = letters.next_if(|c| matches!(c, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    Some(out)
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_were_sent() {
        assert_eq!(
            indented(r#"{"b":1E2,"a":"x:,{\"","n":[ ],"l":[0.10,{"b":2}],"b":3}"#).unwrap(),
            "{\n  \"b\": 1E2,\n  \"a\": \"x:,{\\\"\",\n  \"n\": [],\n  \"l\": [\n    0.10,\n    {\n      \"b\": 2\n    }\n  ],\n  \"b\": 3\n}"
        );
        assert_eq!(indented(r#"{"torn":"#), None);
        assert_eq!(indented("plain"), None);
        assert_eq!(indented(""), None);
    }
}
