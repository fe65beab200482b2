//! An exchange as a `curl` command. Made from what was kept, so secrets are placeholders already.

use std::fmt::Write as _;

use super::{Account, Exchange, RawCall};

/// Headers curl makes itself.
const MADE_BY_CURL: [&str; 4] = ["host", "content-length", "accept-encoding", "connection"];

/// The request of `exchange` as a command for a POSIX shell.
#[must_use]
pub fn command(exchange: &Exchange) -> String {
    // A method is any word that HTTP takes, `GET|sh` too, and a callback's is its sender's.
    let mut out = format!(
        "curl -X {} {}",
        word(&exchange.method),
        quote(&exchange.url)
    );
    for (name, value) in &exchange.request_headers {
        if !MADE_BY_CURL.contains(&name.to_ascii_lowercase().as_str()) {
            let _ = write!(out, " \\\n  -H {}", quote(&format!("{name}: {value}")));
        }
    }
    if exchange.request_body.bytes > 0 {
        let _ = write!(
            out,
            " \\\n  --data-raw {}",
            quote(&exchange.request_body.text)
        );
    }
    if exchange.request_body.cut {
        out.push_str(" # the body is cut");
    }
    out
}

/// A call that was not sent yet, with `$TOKEN` where the account's access token goes. What else the
/// account's scheme would add is not known here, and said to be missing.
#[must_use]
pub fn unsent(account: &Account, call: &RawCall) -> String {
    // `/` is the endpoint itself.
    let url = match call.path.as_str() {
        "/" => account.base.clone(),
        path => format!("{}{path}", account.base),
    };
    let mut out = format!("curl -X {} {}", word(&call.method), quote(&url));
    if account.uses_access_tokens {
        out.push_str(" \\\n  -H \"Authorization: Bearer $TOKEN\"");
    }
    if let Some(body) = &call.body {
        out.push_str(" \\\n  -H 'Content-Type: application/json'");
        let _ = write!(out, " \\\n  --data-raw {}", quote(body));
    }
    if !account.uses_access_tokens {
        out.push_str(" # without the account's signature, which is made for each call");
    }
    out
}

/// A call as a command of this program's own.
#[must_use]
pub fn own_command(profile: &str, account: &Account, call: &RawCall) -> String {
    // Without the profile it might reach another account of the same name, perhaps a live one.
    let mut out = format!(
        "tilldeck --profile {} request {} {} {}",
        word(profile),
        word(account.id.as_str()),
        word(&call.method),
        word(&call.path)
    );
    if let Some(body) = &call.body {
        // `@` and `-` would name a file or standard input.
        let body = if body.starts_with('@') || body == "-" {
            format!(" {body}")
        } else {
            body.clone()
        };
        let _ = write!(out, " --data {}", quote(&body));
    }
    out
}

/// Quoted only where a shell would read it otherwise.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':');
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        text.to_owned()
    } else {
        quote(text)
    }
}

/// One word for a POSIX shell: single quotes, inside which nothing is special but the quote itself.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(base: &str, uses_access_tokens: bool) -> Account {
        Account {
            id: crate::domain::AccountId::new("shop").unwrap(),
            provider: crate::domain::ProviderId("kanga"),
            provider_title: "Kanga TPG",
            environment: crate::domain::Environment::Sandbox,
            host: "gateway.example".into(),
            base: base.into(),
            secret_source: String::new(),
            uses_access_tokens,
            abilities: &[],
        }
    }

    #[test]
    fn a_method_that_a_shell_would_run_is_quoted() {
        for method in ["GET|reboot", "`reboot`", "A&reboot", "-o", "$HOME"] {
            let call = RawCall {
                method: method.into(),
                path: "/".into(),
                body: None,
            };
            let own = account("https://gateway.example", false);
            let words = format!("curl -X '{method}' 'https://gateway.example' #");
            assert!(unsent(&own, &call).starts_with(&words), "{words}");
        }
    }

    #[test]
    fn a_call_that_was_not_sent_has_placeholders() {
        let mut call = RawCall {
            method: "GET".into(),
            path: "/v1/offers?page=0&size=2".into(),
            body: None,
        };
        assert_eq!(
            unsent(&account("https://gateway.example/x", true), &call),
            "curl -X GET 'https://gateway.example/x/v1/offers?page=0&size=2' \\\n  -H \"Authorization: Bearer $TOKEN\""
        );
        call.body = Some("{\"name\":\"it's\"}".into());
        assert_eq!(
            unsent(&account("http://127.0.0.1:41207", false), &call),
            "curl -X GET 'http://127.0.0.1:41207/v1/offers?page=0&size=2' \\\n  -H 'Content-Type: application/json' \\\n  --data-raw '{\"name\":\"it'\\''s\"}' # without the account's signature, which is made for each call"
        );
    }

    #[test]
    fn the_command_of_our_own_reaches_the_same_account() {
        let mut call = RawCall {
            method: "POST".into(),
            path: "/v1/offers".into(),
            body: Some("{\"a\": 1}".into()),
        };
        let shop = account("https://gateway.example", true);
        assert_eq!(
            own_command("live", &shop, &call),
            "tilldeck --profile live request shop POST /v1/offers --data '{\"a\": 1}'"
        );
        call.body = Some("@/etc/passwd".into());
        call.path = "/v1/offers?x=$(reboot)".into();
        assert_eq!(
            own_command("my shop", &shop, &call),
            "tilldeck --profile 'my shop' request shop POST '/v1/offers?x=$(reboot)' --data ' @/etc/passwd'"
        );
    }

    #[test]
    fn a_shell_reads_each_word_as_it_was() {
        assert_eq!(quote("plain"), "'plain'");
        assert_eq!(quote("it's $HOME `x`"), r"'it'\''s $HOME `x`'");
    }
}
