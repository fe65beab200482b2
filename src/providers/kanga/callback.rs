//! CALLBACK: Kanga calls the shop's URL on every change of a payment's state, with the id and nothing that proves it. So
//! the callback is a hint, and CHECK PAYMENT gives the state. Neither the method nor a body is documented: GET and POST are
//! accepted, with the id in the query, a form, `multipart/form-data` or a JSON object (`docs/providers/kanga.md#callbacks`).

use hyper::http::Method;

use crate::callbacks::{Answer, CallbackSecrets, Dedup, Inbound, ParsedCallback, Refusal, Spec};
use crate::domain::{PaymentId, Subject};
use crate::providers::inbound::{decoded, pairs, posted_form, unreadable};

/// How tilldeck verifies and parses its callbacks.
pub const SPEC: Spec = Spec {
    secrets: &[],
    // Room for one id and any JSON around it.
    body_max: 16 * 1024,
    if_unsaved: "Kanga sends it again later",
    shown: |_| None,
    read,
};

/// The only field.
const FIELD: &str = "transactionKey";

fn read(inbound: &Inbound, _held: &CallbackSecrets) -> Result<ParsedCallback, Refusal> {
    let request = &inbound.request;
    let posted = match *request.method() {
        Method::GET => Ok(None),
        Method::POST => posted_form(inbound).and_then(|form| only(&form)),
        _ => {
            return Err(Refusal::Method {
                allowed: "GET, POST",
            });
        }
    };
    let query = only(request.uri().query().unwrap_or_default().as_bytes())?;
    let posted = match posted {
        // The documented place is the URL; a body that cannot be read does not make it wrong.
        Err(_) if query.is_some() => None,
        posted => posted?,
    };
    let id = match (query, posted) {
        (Some(a), Some(b)) if a != b => {
            return Err(unreadable(&format!(
                "there is one {FIELD} in the URL and another in the body"
            )));
        }
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => return Err(unreadable(&format!("{FIELD} is missing"))),
    };
    let id = PaymentId::new(id).map_err(|error| unreadable(&format!("{FIELD}: {error}")))?;
    Ok(ParsedCallback {
        happened_at: None,
        kind: "payment changed".into(),
        proof: "nothing: Kanga does not sign, so tilldeck asks Kanga",
        proved: false,
        dedup: Dedup::Subject(id.as_str().into()),
        subject: Some(Subject::Payment(id)),
        needs_check: true,
        answer: Answer::Plain,
    })
}

/// The field's value in a query or a form, `None` where it is not there.
fn only(form: &[u8]) -> Result<Option<String>, Refusal> {
    /// The length of the field's name with each character percent-encoded; a longer name is another field.
    const NAME_MAX: usize = 3 * FIELD.len();
    let mut found = None;
    for (name, value) in pairs(form) {
        if name.len() > NAME_MAX || *decoded(name) != *FIELD.as_bytes() {
            continue;
        }
        if found.is_some() {
            return Err(unreadable(&format!("{FIELD} occurs twice")));
        }
        let value = String::from_utf8(decoded(value.unwrap_or_default()).into_owned());
        found = Some(value.map_err(|_| unreadable(&format!("{FIELD} is not UTF-8")))?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::inbound::tests::{inbound, is_inert, why_unreadable};

    fn parsed(
        method: &str,
        target: &str,
        body: impl Into<bytes::Bytes>,
    ) -> Result<ParsedCallback, Refusal> {
        read(&inbound(method, target, body), &CallbackSecrets::default())
    }

    fn id(method: &str, target: &str, body: &str) -> String {
        let parsed = parsed(method, target, body.to_owned()).unwrap();
        parsed.subject.unwrap().to_string()
    }

    // docs/providers/kanga.md#callbacks
    #[test]
    fn the_id_is_in_the_query_or_in_a_form_and_is_only_a_hint() {
        let hint = parsed("GET", "/callbacks/shop?transactionKey=ORDER-1001", "").unwrap();
        let order = PaymentId::new("ORDER-1001").unwrap();
        assert_eq!(
            hint,
            ParsedCallback {
                happened_at: None,
                kind: "payment changed".into(),
                subject: Some(Subject::Payment(order)),
                proof: "nothing: Kanga does not sign, so tilldeck asks Kanga",
                proved: false,
                dedup: Dedup::Subject(b"ORDER-1001".to_vec()),
                needs_check: true,
                answer: Answer::Plain,
            }
        );
        for (method, target, body) in [
            ("GET", "/?a=b&transactionKey=A%201&c", ""),
            ("GET", "/?transactionKey=A+1", ""),
            ("GET", "/?%74ransactionKey=%41%201", "transactionKey=B"),
            ("POST", "/?transactionKey=A+1", ""),
            ("POST", "/?transactionKey=A+1", "not a form \u{1b}"),
            ("POST", "/", "x=1&transactionKey=A%201&y"),
            ("POST", "/", "transactionKey=A+1\r\n"),
            ("POST", "/?transactionKey=A+1", "transactionKey=A%201"),
            ("POST", "/", r#"{"transactionKey":"A 1","state":null}"#),
            ("POST", "/?transactionKey=A+1", "{broken"),
        ] {
            assert_eq!(id(method, target, body), "A 1", "{method} {target} {body}");
        }
        assert_eq!(id("GET", "/?transactionKey=50%off%2", ""), "50%off%2");
        assert_eq!(id("GET", "/?transactionKey=a=b", ""), "a=b");
        for (target, dedup) in [
            (
                "/?transactionKey=ORDER-%C5%82%C3%B3d%C5%BA%20%E2%9C%93%2F1",
                "ORDER-łódź ✓/1",
            ),
            ("/?transactionKey=+A+", " A "),
            ("/?transactionKey=A%E2%80%AEB", "A\\u{202e}B"),
        ] {
            assert_eq!(
                id("GET", target, ""),
                dedup,
                "no national letter loses a callback"
            );
        }
        let longest = "x".repeat(256);
        assert_eq!(
            id("GET", &format!("/?transactionKey={longest}"), ""),
            longest
        );
    }

    #[test]
    fn what_is_no_id_is_unreadable_and_the_reason_is_inert() {
        let long = format!("/?transactionKey={}", "x".repeat(10_000));
        let over = format!("/?transactionKey={}", "x".repeat(257));
        for (method, target, body, words) in [
            ("GET", "/", "transactionKey=A", "transactionKey is missing"),
            ("GET", "/?TransactionKey=A", "", "is missing"),
            ("POST", "/", r#"{"transactionkey":"A"}"#, "is missing"),
            ("POST", "/", r#"{"transactionKey":"A""#, "not JSON"),
            (
                "POST",
                "/",
                r#"{"transactionKey":"A","transactionKey":"B"}"#,
                "unique names",
            ),
            ("GET", "/?transactionKey", "", "is empty"),
            ("GET", "/?transactionKey=", "", "is empty"),
            ("GET", "/?transactionKey=A&transactionKey=A", "", "twice"),
            ("GET", "/?transactionKey=A&%74ransactionKey=B", "", "twice"),
            ("POST", "/", "transactionKey=A&transactionKey=A", "twice"),
            ("POST", "/?transactionKey=A", "transactionKey=B", "another"),
            ("GET", over.as_str(), "", "257 characters"),
            ("GET", long.as_str(), "", "10000 characters"),
            ("GET", "/?transactionKey=A%00", "", "U+0000"),
            ("GET", "/?transactionKey=%1b[2J%07", "", "U+001B"),
            ("GET", "/?transactionKey=A%0d%0aB", "", "U+000D"),
            ("GET", "/?transactionKey=++", "", "is empty"),
            ("GET", "/?transactionKey=A%C2%9B31m", "", "U+009B"),
            ("GET", "/?transactionKey=%ff", "", "not UTF-8"),
            ("GET", "/?transactionKey=%c0%af", "", "not UTF-8"),
        ] {
            let parsed = parsed(method, target, body.to_owned());
            assert!(is_inert(&parsed), "{target}");
            let why = why_unreadable(parsed);
            assert!(why.contains(words), "{target} {body}: {why}");
        }
        let raw = parsed("POST", "/", &b"transactionKey=\xff"[..]);
        assert!(why_unreadable(raw).contains("not UTF-8"));
    }

    #[test]
    fn other_methods_get_405_with_the_allowed_ones() {
        for method in ["HEAD", "PUT", "DELETE", "OPTIONS", "BREW"] {
            let parsed = parsed(method, "/?transactionKey=A", "");
            assert!(
                matches!(
                    parsed,
                    Err(Refusal::Method {
                        allowed: "GET, POST"
                    })
                ),
                "{method}"
            );
        }
    }

    #[test]
    fn a_body_of_a_mebibyte_is_scanned_once() {
        let names = "transactionKe=x&".repeat(65_536);
        let parsed = parsed("POST", "/?transactionKey=A", names);
        assert!(parsed.is_ok());
    }
}
