//! Token answers, good and bad, by the table.

use super::*;
use crate::domain::{AccountId, Environment, ProviderId, WallTime};

fn account() -> Account {
    Account {
        id: AccountId::new("keys").unwrap(),
        provider: ProviderId("kinguin"),
        provider_title: "Kinguin",
        environment: Environment::Sandbox,
        host: "127.0.0.1".into(),
        base: "http://127.0.0.1".into(),
        secret_source: String::new(),
        uses_access_tokens: true,
        abilities: &[],
    }
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    Reply {
        status,
        version: "HTTP/1.1",
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: body.to_owned().into(),
        wire: None,
        to_head: Duration::ZERO,
        took: Duration::ZERO,
        at: WallTime(1_000_000),
    }
}

fn good(body: &str) -> Grant {
    read(&reply(200, &[], body), &account()).unwrap_or_else(|f| panic!("{body}: {}", f.error))
}

fn problem(failure: Failure) -> Problem {
    let NetError::Unauthorised(problem) = failure.error else {
        panic!("{failure:?}")
    };
    assert!(
        problem
            .message
            .starts_with("account keys: no access token: ")
    );
    assert!(!problem.hint.is_empty(), "{problem:?}");
    problem
}

fn bad(body: &str) -> String {
    let problem = problem(read(&reply(200, &[], body), &account()).unwrap_err());
    assert_eq!(problem.kind, ProblemKind::Nonsense, "{body}");
    let words = problem.message;
    assert!(
        words.contains("Kinguin sent an invalid response to the token request: "),
        "{words}"
    );
    words.rsplit("token request: ").next().unwrap().to_owned()
}

#[test]
fn a_good_answer_is_taken_with_its_life() {
    let grant = good(
        r#"{"access_token":"A.b-c~1+/=","expires_in":3600,"token_type":"BeArEr","scope":null}"#,
    );
    assert_eq!(grant.token, Secret::new("A.b-c~1+/="));
    assert_eq!(
        (grant.life, grant.note.as_str()),
        (Duration::from_hours(1), "")
    );
}

#[test]
fn an_odd_life_is_understood_or_reported() {
    let life = |text: &str| {
        good(&format!(
            r#"{{"access_token":"t","token_type":"bearer","expires_in":{text}}}"#
        ))
    };
    for (text, seconds) in [
        ("20", 20),
        (r#""3600""#, 3600),
        (r#"" 3600 ""#, 3600),
        ("599.9", 599),
        (r#""599.9""#, 599),
        ("3.6e3", 3600),
        ("86400", 86_400),
    ] {
        assert_eq!(life(text).life, Duration::from_secs(seconds), "{text}");
        assert_eq!(life(text).note, "", "{text}");
    }
    for huge in [
        "86401",
        "4102444800000",
        "99999999999999999999999999999999999999",
        "1e20",
        "1e30",
        "79228162514264337593543950336.5",
    ] {
        let grant = life(huge);
        assert_eq!(grant.life, LIFE_MAX, "{huge}");
        assert!(grant.note.contains("renewed after a day"), "{}", grant.note);
    }
    for missing in [
        r#"{"access_token":"t","token_type":"bearer"}"#,
        r#"{"access_token":"t","token_type":"bearer","expires_in":null}"#,
    ] {
        let grant = good(missing);
        assert_eq!(grant.life, LIFE_UNKNOWN);
        assert!(grant.note.contains("no expires_in"), "{}", grant.note);
    }
    for (text, words) in [
        ("0", "its expires_in is 0: the token would never be valid"),
        (
            "0.5",
            "its expires_in is 0.5: the token would never be valid",
        ),
        (
            "-1",
            "its expires_in is -1: it would have expired before it was granted",
        ),
        (
            r#""-3600""#,
            "its expires_in is -3600: it would have expired before it was granted",
        ),
        (
            r#""soon""#,
            "its expires_in is `soon`, which is not a number of seconds",
        ),
        (r#""""#, "which is not a number of seconds"),
        ("true", "its expires_in is not a number of seconds"),
        ("[3600]", "its expires_in is not a number of seconds"),
    ] {
        let told = bad(&format!(
            r#"{{"access_token":"t","token_type":"bearer","expires_in":{text}}}"#
        ));
        assert!(told.contains(words), "{text}: {told}");
    }
}

#[test]
fn an_answer_that_grants_nothing_usable_says_what_is_wrong() {
    for (body, words) in [
        ("", "it is empty"),
        (" \r\n", "it is empty"),
        (
            "<!DOCTYPE html><title>Sign in</title>",
            "it is an HTML page",
        ),
        (r#"{"access_token":"plan"#, "its JSON is cut off"),
        ("token=abc", "it is not JSON"),
        (r#"["t"]"#, "it is not a JSON object"),
        ("{}", "it has no access_token"),
        (
            r#"{"access_token":null,"expires_in":5}"#,
            "it has no access_token",
        ),
        (r#"{"access_token":7}"#, "its access_token is not a string"),
        (
            r#"{"access_token":"","token_type":"bearer"}"#,
            "its access_token is empty",
        ),
        (
            r#"{"access_token":"a\nb","token_type":"bearer"}"#,
            "characters that no header can carry",
        ),
        (
            r#"{"access_token":"a b","token_type":"bearer"}"#,
            "characters that no header can carry",
        ),
        (
            r#"{"access_token":"ż","token_type":"bearer"}"#,
            "characters that no header can carry",
        ),
        (
            r#"{"access_token":"t","token_type":"mac\u001b[31m"}"#,
            "only bearer can be used",
        ),
        (r#"{"access_token":"t","token_type":"DPoP"}"#, "DPoP"),
        (
            r#"{"access_token":"t","token_type":5}"#,
            "its token_type is not a string",
        ),
    ] {
        let told = bad(body);
        assert!(told.contains(words), "{body}: {told}");
        assert!(!told.contains('\u{1b}') && !told.contains("plan"), "{told}");
    }
    let long = format!(r#"{{"access_token":"{}"}}"#, "t".repeat(20_000));
    assert_eq!(bad(&long), "its access_token has 20000 bytes");
    for untyped in [
        r#"{"access_token":"t","expires_in":60}"#,
        r#"{"access_token":"t","expires_in":60,"token_type":""}"#,
        r#"{"access_token":"t","expires_in":60,"token_type":" "}"#,
    ] {
        let untyped = good(untyped);
        assert!(untyped.note.contains("no token_type"), "{}", untyped.note);
    }
}

#[test]
fn a_refusal_is_told_apart_from_a_failure() {
    use ProblemKind::{Failing, Refused};
    let invalid_client =
        r#"{"error":"invalid_client","error_description":"Client authentication failed"}"#;
    for (status, body, kind, words) in [
        (
            400,
            invalid_client,
            Refused,
            "rejected the credentials (status 400: invalid_client: Client authentication failed)",
        ),
        (401, "", Refused, "rejected the credentials (status 401)"),
        (
            401,
            r#"{"message":"Bad credentials"}"#,
            Refused,
            "(status 401: Bad credentials)",
        ),
        (
            403,
            "<html>blocked</html>",
            Refused,
            "(status 403: an HTML page, perhaps from a proxy or firewall)",
        ),
        (
            200,
            invalid_client,
            Refused,
            "rejected the credentials (status 200",
        ),
        (
            400,
            r#"{"error":"invalid_request","detail":"grant_type"}"#,
            Failing,
            "rejected the token request (status 400: invalid_request: grant_type)",
        ),
        (400, "", Failing, "rejected the token request (status 400)"),
        (
            400,
            r#"{"error":{"debug":"no such grant"}}"#,
            Failing,
            "(status 400: no such grant)",
        ),
        (
            404,
            "",
            Failing,
            "has no token endpoint at this URL (status 404)",
        ),
        (429, "", Failing, "too many requests (status 429)"),
        (
            500,
            "oops",
            Failing,
            "token endpoint is failing (status 500)",
        ),
        (
            503,
            "<html>",
            Failing,
            "token endpoint is failing (status 503: an HTML page",
        ),
        (204, "", Failing, "rejected the token request (status 204)"),
    ] {
        let failure = read(&reply(status, &[], body), &account()).unwrap_err();
        assert_eq!(failure.is_rejection(), kind == Refused, "{status} {body}");
        let problem = problem(failure);
        assert_eq!(problem.kind, kind, "{status} {body}");
        assert!(
            problem.message.contains(words),
            "{status} {body}: {}",
            problem.message
        );
    }
}

#[test]
fn an_error_bodys_words_are_inert_redacted_and_cut() {
    redact::learn(&Secret::new("planted-token-secret"), "client_secret");
    let body = format!(
        r#"{{"error":"x\u001b[2Jplanted-token-secret","message":"{}"}}"#,
        "y".repeat(500)
    );
    let told = problem(read(&reply(401, &[], &body), &account()).unwrap_err()).message;
    assert!(
        !told.contains('\u{1b}') && !told.contains("planted"),
        "{told}"
    );
    assert!(
        told.contains("<client_secret>") && told.chars().count() < 330,
        "{told}"
    );
}

#[test]
fn a_requested_wait_is_respected_up_to_an_hour() {
    let wait = |value: &str| {
        read(&reply(429, &[("Retry-After", value)], ""), &account())
            .unwrap_err()
            .retry_after
    };
    assert_eq!(wait("7"), Some(Duration::from_secs(7)));
    assert_eq!(wait("999999"), Some(Duration::from_hours(1)));
    assert_eq!(
        wait("Thu, 01 Jan 1970 00:17:10 GMT"),
        Some(Duration::from_secs(30))
    );
    assert_eq!(wait("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
    assert_eq!(wait("soon"), None);
}

#[test]
fn a_token_call_without_an_answer_is_reported() {
    let silent = NetError::TimedOut {
        host: "id.kinguin.net".into(),
        what: "answer",
        limit: Duration::from_secs(10),
    };
    let told = problem(from_net_error(silent, &account()));
    assert_eq!(told.kind, ProblemKind::Unreachable);
    assert_eq!(
        told.message,
        "account keys: no access token: id.kinguin.net did not answer within 10 s"
    );
    let elsewhere = NetError::Redirected {
        host: "id.kinguin.net".into(),
        status: 302,
        to: "https://evil.example/".into(),
    };
    let told = problem(from_net_error(elsewhere, &account()));
    assert_eq!(told.kind, ProblemKind::Failing);
    assert!(
        told.message.contains("redirects are not followed"),
        "{}",
        told.message
    );
    assert_eq!(
        from_net_error(NetError::Cancelled, &account()).error,
        NetError::Cancelled
    );
}
