//! Secrets by the names of their fields: in JSON, in queries and forms, whole or torn. Each function finds; [`replaced`]
//! replaces.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::known::placeholder;

/// Query, form and JSON fields whose value is a secret at every provider, in lower case without `_` and `-`.
const PROVIDERS: [&str; 22] = [
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "clientsecret",
    "clientid",
    "secret",
    "apisecret",
    "apikey",
    "appid",
    "shoptoken",
    "paymenttoken",
    "merchantsecret",
    "password",
    "passwd",
    "gameauthtoken",
    "signedrequest",
    "signature",
    "authorization",
    "privatekey",
    "sessionid",
    "otp",
    // Kinguin looks a game key up by its text.
    "textkey",
];

/// Parts of the names of fields whose value may be a secret at any other server, in the same form.
const FOREIGN_PARTS: [&str; 22] = [
    "token",
    "secret",
    "passw",
    "passphrase",
    "signature",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "sharedkey",
    "subscriptionkey",
    "session",
    "cookie",
    "jwt",
    "assertion",
    "auth",
    "csrf",
    "xsrf",
    "hmac",
    "cardnumber",
    "iban",
    "bearer",
];

/// Whole names of such fields: parts of other words, too.
const FOREIGN: [&str; 16] = [
    "key", "code", "sig", "pass", "pwd", "pw", "pin", "otp", "sid", "cvv", "cvc", "pan", "ticket",
    "nonce", "sas", "skey",
];

/// No secret field's name is longer than this, escapes included.
const NAME_MAX: usize = 128;

/// The names of the fields that are secret.
#[derive(Clone, Copy, Default)]
pub(super) struct Names<'a> {
    /// Those of one call, beside the providers': strings only, since elsewhere the same name may be a list of what the
    /// operator needs.
    pub hidden: &'a [&'a str],
    /// Whether any server's names count, not only the providers'.
    pub foreign: bool,
}

impl Names<'_> {
    /// Whether the field's value is a secret whatever it is.
    pub fn has(&self, name: &str) -> bool {
        let name = plain(name);
        let name = name.as_str();
        PROVIDERS.contains(&name)
            || self.foreign
                && !matches!(name, "author" | "authors" | "authority")
                && (FOREIGN.contains(&name) || FOREIGN_PARTS.iter().any(|part| name.contains(part)))
    }
}

/// A field name without case, `_` and `-`.
pub(super) fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

pub(super) struct Field {
    pub name: String,
    /// Where its value is, with the quotes that it has in JSON.
    pub value: Range<usize>,
}

/// `text` with a placeholder in place of each of these values.
pub(super) fn replaced(text: Cow<'_, str>, fields: Vec<Field>) -> Cow<'_, str> {
    if fields.is_empty() {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for Field { name, value } in fields {
        out.push_str(&text[copied..value.start]);
        // What else a name has could end the JSON, or the placeholder.
        let name: String = name
            .chars()
            .filter(|c| is_of_a_name(*c))
            .take(NAME_MAX)
            .collect();
        let quote = if text[value.start..].starts_with('"') {
            "\""
        } else {
            ""
        };
        out.push_str(quote);
        out.push_str(&placeholder(&name));
        out.push_str(quote);
        copied = value.end;
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// Finds the secret fields of a multipart form (RFC 7578).
pub(super) fn form_parts(text: &str, names: Names<'_>) -> Vec<Field> {
    const NAMED: &str = "name=";
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(part) = text[at..].find("form-data").map(|i| at + i) {
        // A part's head ends with an empty line, and its content before the next boundary.
        let content = head_end(text, part);
        let name = text[part..content]
            .split([';', '\r', '\n'])
            .find_map(|option| {
                let name = option.trim().strip_prefix(NAMED)?;
                Some(name.trim_matches('"'))
            });
        at = text[content..]
            .find("\n--")
            .map_or(text.len(), |i| content + i);
        let end = content + text[content..at].trim_end_matches('\r').len();
        if let Some(name) = name
            && content < end
            && (names.has(name) || names.hidden.contains(&name))
        {
            found.push(Field {
                name: name.to_owned(),
                value: content..end,
            });
        }
    }
    found
}

/// Where a head ends: after the first empty line. Some senders leave out the CR. Looks no further than that, so that a
/// body of nothing but heads takes linear time.
fn head_end(text: &str, from: usize) -> usize {
    let mut ends = text[from..]
        .match_indices('\n')
        .map(|(at, _)| from + at + 1);
    let empty = ends.find_map(|line| {
        let after = |end: &str| text[line..].starts_with(end).then_some(line + end.len());
        after("\n").or_else(|| after("\r\n"))
    });
    empty.unwrap_or(text.len())
}

/// Finds the secret fields of JSON.
pub(super) fn json(text: &str, names: Names<'_>) -> Vec<Field> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(quote) = text[at..].find('"').map(|i| at + i) {
        let (name, after) = string_literal(text, quote);
        at = after;
        let colon = skip_space(text, after);
        if !text[colon..].starts_with(':') {
            continue;
        }
        let value = skip_space(text, colon + 1);
        let hides = names.hidden.contains(&&*name) && text[value..].starts_with('"');
        if !hides && !names.has(&name) {
            continue;
        }
        at = value_end(text, value);
        if value < at {
            found.push(Field {
                name: name.into_owned(),
                value: value..at,
            });
        }
    }
    found
}

/// Finds the secret fields of JSON inside a JSON string: another server's answer, quoted in an error.
pub(super) fn inner_json(text: &str, names: Names<'_>) -> Vec<Field> {
    const QUOTE: &str = "\\\"";
    let mut found = Vec::new();
    let mut looked = 0;
    for (quote, _) in text.match_indices(QUOTE) {
        let name = quote + QUOTE.len();
        let Some(end) = text[name..].find(QUOTE).map(|i| name + i) else {
            break;
        };
        let colon = skip_space(text, end + QUOTE.len());
        if name < looked || !text[colon..].starts_with(':') || !names.has(&text[name..end]) {
            continue;
        }
        let value = skip_space(text, colon + 1);
        let (from, stops): (usize, &[char]) = match text[value..].strip_prefix(QUOTE) {
            Some(_) => (value + QUOTE.len(), &['"']),
            None => (value, &['"', ',', '}', '\\']),
        };
        // A quote escaped inside the inner string has more backslashes.
        let limiter = text[from..]
            .match_indices(stops)
            .find(|(at, _)| !text[from..from + at].ends_with(r"\\"))
            .map_or(text.len(), |(at, _)| from + at);
        let limiter = from + text[from..limiter].trim_end_matches('\\').len();
        if from < limiter {
            found.push(Field {
                name: text[name..end].to_owned(),
                value: from..limiter,
            });
            looked = limiter;
        }
    }
    found
}

/// The content of the string that begins at `quote`, unescaped where that works, and where it ends.
pub(super) fn string_literal(text: &str, quote: usize) -> (Cow<'_, str>, usize) {
    let (mut escaped, mut plain) = (false, true);
    for (i, c) in text[quote + 1..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => (escaped, plain) = (true, false),
            '"' => {
                let end = quote + 1 + i + 1;
                let content = text[quote + 1..end - 1].trim_matches('"');
                let unescaped = if plain {
                    None
                } else {
                    serde_json::from_slice(&text.as_bytes()[quote..end]).ok()
                };
                return (unescaped.map_or(content.into(), Cow::Owned), end);
            }
            _ => {}
        }
    }
    (text[quote + 1..].into(), text.len())
}

pub(super) fn skip_space(text: &str, from: usize) -> usize {
    from + text[from..]
        .bytes()
        .take_while(u8::is_ascii_whitespace)
        .count()
}

/// Where the JSON value that begins at `from` ends; a torn one ends with the text.
fn value_end(text: &str, from: usize) -> usize {
    if text[from..].starts_with('"') {
        return string_literal(text, from).1;
    }
    if !text[from..].starts_with(['{', '[']) {
        return text[from..]
            .find([',', '}', ']', '\n', '\r'])
            .map_or(text.len(), |i| from + i);
    }
    let mut depth = 0_usize;
    let mut at = from;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' => {
                at = string_literal(text, at).1;
                continue;
            }
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += c.len_utf8();
    }
    text.len()
}

/// Where the value of a pair ends. Placeholders inside it are part of it.
fn pair_end(text: &str, from: usize, ends: impl Fn(char) -> bool + Copy) -> usize {
    let mut at = from;
    while let Some(next) = text[at..].find(ends) {
        at += next;
        let Some(rest) = text[at..].strip_prefix('<') else {
            return at;
        };
        let mut chars = rest.chars().take(NAME_MAX);
        let name = chars.position(|c| !is_of_a_name(c));
        match name {
            Some(length) if rest.as_bytes()[length] == b'>' => at += length + 2,
            _ => return at,
        }
    }
    text.len()
}

pub(super) fn is_name(name: &str) -> bool {
    name.chars().all(is_of_a_name)
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ')
}

/// Finds secret `name=value` pairs: of a query, a form, a URL inside other text.
pub(super) fn pairs(text: &str, names: Names<'_>) -> Vec<Field> {
    let begins =
        |c: char| matches!(c, '&' | '?' | ';' | '#' | '"' | '\'' | '<' | '>') || c.is_whitespace();
    let mut found = Vec::new();
    // Each part is searched once, so that a body of nothing but `=` takes linear time.
    let (mut start, mut looked, mut taken) = (0, 0, 0);
    for (equals, _) in text.match_indices('=') {
        if let Some(at) = text[looked..equals].rfind(begins).map(|i| looked + i) {
            start = at + text[at..].chars().next().map_or(1, char::len_utf8);
        }
        looked = equals;
        if equals < taken || equals - start > NAME_MAX {
            continue;
        }
        let name = percent_decode_str(&text[start..equals]).decode_utf8_lossy();
        if !names.has(&name) {
            continue;
        }
        let value = equals + 1;
        let end = pair_end(text, value, begins);
        if value < end {
            found.push(Field {
                name: name.into_owned(),
                value: value..end,
            });
            taken = end;
        }
    }
    found
}
