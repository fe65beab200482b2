//! An exchange as a `curl` command. Made from the saved, redacted record, so secrets are placeholders already.

use std::fmt::Write as _;

use super::{Account, AuthMethod, Exchange, RawCall, inert, raw_path};

/// Headers that curl sets itself. `Accept-Encoding` is left out, so that the output is readable.
const MADE_BY_CURL: [&str; 4] = ["host", "content-length", "accept-encoding", "connection"];

/// Methods whose requests have `Content-Length: 0` where they have no body.
const WITH_LENGTH: [&str; 3] = ["POST", "PUT", "PATCH"];

/// Linux rejects a longer argument, whatever the shell (`MAX_ARG_STRLEN`).
const WORD_MAX: usize = 100 * 1024;

/// The request of `exchange` as a command that dash, bash, zsh and fish read alike.
pub fn command(exchange: &Exchange) -> String {
    let mut out = begin(&exchange.method, &exchange.url);
    for (name, value) in &exchange.request_headers {
        if !MADE_BY_CURL.contains(&name.to_ascii_lowercase().as_str()) {
            // `-H "name:"` without a value would remove the header.
            let header = match value.as_str() {
                "" => format!("{name};"),
                value => format!("{name}: {value}"),
            };
            let _ = write!(out, " \\\n  -H {}", argument(&header));
        }
    }
    let body = &exchange.request_body;
    if body.bytes > 0 || WITH_LENGTH.contains(&exchange.method.as_str()) {
        let mut headers = exchange.request_headers.iter();
        if !headers.any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            out.push_str(NO_TYPE);
        }
        out = with_body(out, &body.raw());
    }
    // Before the command, where it is read first.
    if body.cut {
        out = format!("{}\n{out}", note("only the beginning of the body is here"));
    }
    out
}

/// A call that was not sent yet, with `$TOKEN` in place of the access token. Other parts that the account's scheme
/// adds are not known here; a note says so.
pub fn unsent(account: &Account, call: &RawCall) -> String {
    // `/` is the endpoint itself.
    let url = match call.path.as_str() {
        "/" => account.base.clone(),
        path => {
            let sent = raw_path::sendable(path);
            // One with a fragment is not sent at all.
            format!("{}{}", account.base, sent.as_deref().unwrap_or(path))
        }
    };
    let mut out = begin(&call.method, &url);
    if call.auth == Some(AuthMethod::Basic) {
        out.push_str(" \\\n  -u \"$USER_NAME:$PASSWORD\"");
    } else if account.uses_access_tokens {
        out.push_str(" \\\n  -H \"Authorization: Bearer $TOKEN\"");
    }
    if let Some(body) = &call.body {
        out.push_str(" \\\n  -H 'Content-Type: application/json'");
        out = with_body(out, body);
    } else if WITH_LENGTH.contains(&call.method.as_str()) {
        out.push_str(NO_TYPE);
        // RFC 9110, 8.6: these methods say that their body is empty.
        out = with_body(out, b"");
    }
    if !account.uses_access_tokens {
        let missing = note("without the key or signature that is added to each call");
        out = format!("{missing}\n{out}");
    }
    out
}

/// A note that a shell ignores: `:` with an argument. An interactive zsh would run a `#` comment.
pub fn note(text: &str) -> String {
    format!(": {}", quote(&inert::line(text)))
}

/// Stops curl from declaring the body a form.
const NO_TYPE: &str = " \\\n  -H 'Content-Type:'";

/// The command with method and URL.
fn begin(method: &str, url: &str) -> String {
    let mut out = String::from("curl");
    // curl would expand brackets and braces to several URLs.
    if url.contains(['[', ']', '{', '}', '\\']) {
        out.push_str(" -g");
    }
    // curl would resolve dot segments.
    if url.contains("/.") {
        out.push_str(" --path-as-is");
    }
    // With `-X HEAD` it would wait for a body. A method is any word that HTTP takes, `GET|sh` too.
    match method {
        "HEAD" => out.push_str(" --head"),
        method => {
            let _ = write!(out, " -X {}", word(method));
        }
    }
    let mut shown = String::with_capacity(url.len());
    for c in url.chars() {
        // Percent-encoded (RFC 3986, 2.1): the same URL, without a character that could disguise the command.
        if inert::is_hostile(c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(shown, "%{byte:02X}");
            }
        } else {
            shown.push(c);
        }
    }
    let _ = write!(out, " {}", quote(&shown));
    out
}

fn with_body(mut command: String, body: &[u8]) -> String {
    if let Some(text) = as_argument(body) {
        let _ = write!(command, " \\\n  --data-raw {text}");
        return command;
    }
    format!("{} | {command} \\\n  --data-binary @-", as_input(body))
}

/// A body as one word, where a command line can carry it and a terminal shows it as it is.
fn as_argument(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let plain = |c: char| c == '\n' || !inert::is_hostile(c);
    // On a later line of a word, an interactive bash may take `!` for a command of its history.
    let is_safe = !(text.contains('\n') && text.contains('!'));
    (text.len() <= WORD_MAX && is_safe && text.chars().all(plain)).then(|| quote(text))
}

/// A command that prints exactly these bytes.
fn as_input(body: &[u8]) -> String {
    let mut out = String::from("printf '");
    for chunk in body.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '%' => out.push_str("%%"),
                // fish reads some backslashes within quotes; a first `-` would begin an option.
                '\\' | '\'' | '-' | '!' => octal(&mut out, &[c as u8]),
                c if inert::is_hostile(c) => octal(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes()),
                c => out.push(c),
            }
        }
        // Octal, since `\x` is not POSIX's (printf(1p)).
        octal(&mut out, chunk.invalid());
    }
    out.push('\'');
    out
}

fn octal(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "\\{byte:03o}");
    }
}

/// A tilldeck command for a profile. Another one may have a live account of the same name.
pub fn own<'a>(profile: &str, arguments: impl IntoIterator<Item = &'a str>) -> String {
    let own = format!("tilldeck --profile {}", word(profile));
    with_arguments(own, arguments)
}

/// A tilldeck command that needs no profile.
pub fn own_without_profile<'a>(arguments: impl IntoIterator<Item = &'a str>) -> String {
    with_arguments("tilldeck".to_owned(), arguments)
}

fn with_arguments<'a>(mut out: String, arguments: impl IntoIterator<Item = &'a str>) -> String {
    for argument in arguments {
        // An option's name, or an argument that may look like one.
        let is_option = argument.strip_prefix("--").is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        });
        out.push(' ');
        out.push_str(&if is_option {
            argument.to_owned()
        } else {
            word(argument)
        });
    }
    out
}

/// A call as a tilldeck command.
pub fn own_command(profile: &str, account: &Account, call: &RawCall) -> String {
    let arguments = ["request", account.id.as_str(), &call.method, &call.path];
    let mut out = own(profile, arguments);
    if let Some(auth) = call.auth {
        let _ = write!(out, " --auth {}", auth.as_str());
    }
    if let Some(body) = &call.body {
        // `@` and `-` would name a file or standard input.
        let is_named = body.starts_with(b"@") || body == b"-";
        match as_argument(body).filter(|_| !is_named) {
            Some(text) => {
                let _ = write!(out, " --data {text}");
            }
            None => out = format!("{} | {out} --data -", as_input(body)),
        }
    }
    out
}

/// Quoted only where a shell would read it otherwise.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':');
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        text.to_owned()
    } else {
        argument(text)
    }
}

/// One word, which a terminal shows as it is.
fn argument(text: &str) -> String {
    if text.contains(inert::is_hostile) {
        format!("\"$({})\"", as_input(text.as_bytes()))
    } else {
        quote(text)
    }
}

/// One word, which dash, bash, zsh and fish read alike: single quotes, within which only fish reads anything but a
/// quote. What it reads there, a backslash before a quote or another backslash, stands outside of them.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    let mut is_inside = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let is_bare = match c {
            '\'' => true,
            '\\' => matches!(rest.peek(), None | Some('\'' | '\\')),
            _ => false,
        };
        if is_bare == is_inside {
            out.push('\'');
            is_inside = !is_inside;
        }
        if is_bare {
            out.push('\\');
        }
        out.push(c);
    }
    if is_inside {
        out.push('\'');
    } else if out.is_empty() {
        out.push_str("''");
    }
    out
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
                auth: None,
            };
            let own = account("https://gateway.example", false);
            let words = format!("curl -X '{method}' 'https://gateway.example'");
            assert!(unsent(&own, &call).ends_with(&words), "{words}");
        }
    }

    #[test]
    fn a_call_that_was_not_sent_has_placeholders() {
        let mut call = RawCall {
            method: "GET".into(),
            path: "/v1/offers?page=0&size=2".into(),
            body: None,
            auth: None,
        };
        assert_eq!(
            unsent(&account("https://gateway.example/x", true), &call),
            "curl -X GET 'https://gateway.example/x/v1/offers?page=0&size=2' \\\n  -H \"Authorization: Bearer $TOKEN\""
        );
        call.path = "/v1/offers?name=Half Life&off=5%".into();
        let line = unsent(&account("https://gateway.example", true), &call);
        let url = "'https://gateway.example/v1/offers?name=Half%20Life&off=5%25'";
        assert!(line.contains(url), "{line}");
        call.path = "/v1/offers?page=0&size=2".into();
        call.body = Some("{\"name\":\"it's\"}".into());
        assert_eq!(
            unsent(&account("http://127.0.0.1:41207", false), &call),
            ": 'without the key or signature that is added to each call'\ncurl -X GET 'http://127.0.0.1:41207/v1/offers?page=0&size=2' \\\n  -H 'Content-Type: application/json' \\\n  --data-raw '{\"name\":\"it'\\''s\"}'"
        );
    }

    #[test]
    fn the_command_of_our_own_reaches_the_same_account() {
        let mut call = RawCall {
            method: "POST".into(),
            path: "/v1/offers".into(),
            body: Some("{\"a\": 1}".into()),
            auth: None,
        };
        let shop = account("https://gateway.example", true);
        assert_eq!(
            own_command("live", &shop, &call),
            "tilldeck --profile live request shop POST /v1/offers --data '{\"a\": 1}'"
        );
        call.auth = Some(AuthMethod::Basic);
        assert!(own_command("live", &shop, &call).contains("/v1/offers --auth basic --data"));
        assert!(unsent(&shop, &call).contains("-u \"$USER_NAME:$PASSWORD\""));
        call.auth = None;
        call.body = Some("@/etc/passwd".into());
        call.path = "/v1/offers?x=$(reboot)".into();
        assert_eq!(
            own_command("my shop", &shop, &call),
            "printf '@/etc/passwd' | tilldeck --profile 'my shop' request shop POST '/v1/offers?x=$(reboot)' --data -"
        );
    }

    #[test]
    fn shells_read_each_word_alike() {
        let cases = [
            ("plain", "'plain'"),
            ("", "''"),
            ("it's $HOME `x`", r"'it'\''s $HOME `x`'"),
            // fish reads these two within quotes as well.
            (r"\\", r"\\\\"),
            (r"\'", r"\\\'"),
            (r"a\", r"'a'\\"),
            (r"a\nb", r"'a\nb'"),
        ];
        for (text, quoted) in cases {
            assert_eq!(quote(text), quoted);
        }
        assert_eq!(
            argument("a\u{1b}%'\n-"),
            r#""$(printf 'a\033%%\047\n\055')""#
        );
    }

    #[test]
    fn what_a_command_line_cannot_carry_is_piped_into_it() {
        let cases: [(&[u8], &str); 5] = [
            (b"\x1b[2J", r"printf '\033[2J' | curl"),
            (b"a\r\n", r"printf 'a\015\n' | curl"),
            (b"\xff\x00", r"printf '\377\000' | curl"),
            (b"-e\t", r"printf '\055e\011' | curl"),
            (b"a\n!", r"printf 'a\n\041' | curl"),
        ];
        for (body, begin) in cases {
            let line = with_body("curl X".into(), body);
            assert!(line.starts_with(begin), "{line}");
            assert!(line.ends_with("X \\\n  --data-binary @-"), "{line}");
        }
        for body in ["", "plain", "@file", "a\nb", "ł"] {
            let line = with_body("curl X".into(), body.as_bytes());
            assert_eq!(line, format!("curl X \\\n  --data-raw '{body}'"));
        }
        let large = "x".repeat(WORD_MAX + 1);
        assert!(with_body("curl X".into(), large.as_bytes()).starts_with("printf 'xxx"));
    }

    #[test]
    fn curl_takes_a_url_as_it_is() {
        let cases = [
            ("http://h/x", "curl -X GET 'http://h/x'"),
            (
                "http://h/x?a[1]={b}",
                "curl -g -X GET 'http://h/x?a[1]={b}'",
            ),
            (
                "http://h/a/../b",
                "curl --path-as-is -X GET 'http://h/a/../b'",
            ),
            ("http://h/\u{1b}", "curl -X GET 'http://h/%1B'"),
        ];
        for (url, line) in cases {
            assert_eq!(begin("GET", url), line);
        }
        assert_eq!(begin("HEAD", "http://h/"), "curl --head 'http://h/'");
    }
}
