//! Everything that can be wrong with what comes in: each case a clear error that names the account and what
//! to do, and the right exit code, in words and as JSON.

use std::process::Stdio;
use std::time::Duration;

use crate::peer::{Act, Peer, closed_port, json, reply, untrusted_tls};
use crate::program::{API_SECRET, Place, Ran};

/// Runs `arguments` twice, in words and as JSON, and holds the words and the exit code of both.
pub fn fails(place: &Place, arguments: &[&str], code: i32, kind: &str, says: &[&str]) -> Ran {
    // Both at once: what is tried again waits in both for real.
    let start = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let as_json = [arguments, &["--json"]].concat();
    let started = [(arguments, start(arguments)), (&as_json, start(&as_json))];
    let [words, with_json] =
        started.map(|(arguments, child)| Ran::ended(arguments, child.wait_with_output().unwrap()));
    assert_eq!(words.code, code, "{arguments:?}: {words:?}");
    for said in says {
        assert!(
            words.err.contains(said),
            "{arguments:?} does not say {said:?}: {}",
            words.err
        );
    }
    assert_eq!(with_json.code, code, "{arguments:?} --json: {with_json:?}");
    let object = with_json.objects().pop().unwrap();
    assert_eq!(object["schema"], 1);
    assert_eq!(object["error"]["kind"], kind, "{object}");
    assert!(object["error"]["message"].is_string() && object["error"]["hint"].is_string());
    for ran in [&words, &with_json] {
        assert!(!ran.all().contains(API_SECRET), "{ran:?}");
        assert!(
            !ran.all().contains('\u{1b}'),
            "no escape codes outside a terminal: {ran:?}"
        );
    }
    words
}

/// A `check` against a peer that always acts like this.
fn check_fails(act: Act, code: i32, kind: &str, says: &[&str]) {
    let peer = Peer::start(vec![act]);
    let place = Place::with_shop(&peer.url);
    fails(
        &place,
        &["check", "A-17"],
        code,
        kind,
        &[&["account shop"], says].concat(),
    );
}

fn config_fails(text: &str, says: &[&str]) -> Ran {
    let place = Place::with_config(text);
    fails(&place, &["account", "list"], 2, "config", says)
}

const SHOP: &str = "[profiles.live.accounts.shop]\nprovider = \"kanga\"\napi_key = \"K\"\n";

#[test]
fn a_config_that_is_named_but_missing() {
    let place = Place::new();
    fails(
        &place,
        &["account", "list", "--config", "/nonexistent/config.toml"],
        2,
        "config",
        &["/nonexistent/config.toml"],
    );
}

#[test]
fn a_config_that_cannot_be_read() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("folder")).unwrap();
    let folder = place.path().join("folder").display().to_string();
    fails(
        &place,
        &["account", "list", "--config", &folder],
        2,
        "config",
        &["folder"],
    );
    std::fs::write(place.config_path(), b"default_profile = \"\xff\xfe\"").unwrap();
    fails(&place, &["account", "list"], 2, "config", &["UTF-8"]);
}

#[test]
fn an_unknown_key_or_provider() {
    config_fails(
        "defualt_profile = \"x\"\n",
        &["defualt_profile", "default_profile", "config.toml:1"],
    );
    config_fails(
        "[profiles.live.accounts.shop]\nprovider = \"kangaroo\"\n",
        &["unknown provider", "kanga", ":2"],
    );
    config_fails(
        &format!("{SHOP}api_secret = {{ env = \"X\" }}\nshcret = 1\n"),
        &["shcret", ":5"],
    );
}

#[test]
fn a_duplicate_account() {
    config_fails(
        &format!("{SHOP}api_secret = {{ env = \"X\" }}\n{SHOP}"),
        &["shop"],
    );
    let other_case = SHOP.replace("accounts.shop", "accounts.SHOP");
    config_fails(
        &format!(
            "{SHOP}api_secret = {{ env = \"X\" }}\n{other_case}api_secret = {{ env = \"X\" }}\n"
        ),
        &["SHOP", "shop"],
    );
}

#[test]
fn a_secret_literal_in_the_config() {
    let ran = config_fails(
        &format!("{SHOP}api_secret = \"planted-literal-secret\"\n"),
        &["api_secret", "env", "file", "command", "keyring", ":4"],
    );
    assert!(!ran.all().contains("planted-literal"), "{ran:?}");
}

#[test]
fn a_secret_that_is_empty_or_cannot_be_read() {
    let peer = Peer::start(vec![json("{}")]);
    let with = |source: &str| {
        Place::with_config(&format!(
            "default_profile = \"live\"\n{SHOP}api_secret = {source}\nendpoints = {{ api = \"{}\" }}\n",
            peer.url
        ))
    };
    let place = with("{ env = \"NOT_SET_ANYWHERE\" }");
    fails(
        &place,
        &["check", "A"],
        2,
        "config",
        &["account shop", "NOT_SET_ANYWHERE", "set it"],
    );
    let place = with("{ file = \"empty\" }");
    std::fs::write(place.path().join("empty"), "\n").unwrap();
    fails(
        &place,
        &["check", "A"],
        2,
        "config",
        &["account shop", "empty"],
    );
    fails(
        &with("{ file = \"missing\" }"),
        &["check", "A"],
        2,
        "config",
        &["account shop", "missing"],
    );
    fails(
        &with("{ command = [\"false\"] }"),
        &["check", "A"],
        2,
        "config",
        &["account shop", "command false", "failed"],
    );
    fails(
        &with("{ command = [\"no-such-program-anywhere\"] }"),
        &["check", "A"],
        2,
        "config",
        &["account shop"],
    );
    let place = with("{ file = \"missing\" }");
    fails(
        &place,
        &["config", "check"],
        2,
        "config",
        &["profile live", "account shop", "missing"],
    );
    assert!(
        peer.requests().is_empty(),
        "nothing was sent without a secret"
    );
}

#[test]
fn a_bad_amount() {
    let place = Place::new();
    for (amount, said) in [
        ("1e5", "exponent"),
        ("-1", "negative"),
        ("1,5", "comma"),
        (&"9".repeat(60), "60 digits"),
        ("", "empty"),
        ("\u{1b}[31m1", "not an amount"),
    ] {
        fails(
            &place,
            &[
                "link",
                "--id",
                "A",
                "--currency",
                "BTC",
                &format!("--amount={amount}"),
            ],
            2,
            "usage",
            &["amount", said],
        );
        fails(
            &place,
            &["estimate", "EMT", "--json", "--", amount][..]
                .iter()
                .filter(|a| **a != "--json")
                .copied()
                .collect::<Vec<_>>(),
            2,
            "usage",
            &[said],
        );
    }
}

#[test]
fn a_bad_payment_id() {
    let place = Place::new();
    for (id, said) in [
        ("", "empty"),
        (&*"x".repeat(10_000), "10000 characters"),
        (&*"ł".repeat(257), "257 characters"),
        ("A\u{1b}[2J", "U+001B"),
        ("A\u{9b}2J", "U+009B"),
    ] {
        fails(&place, &["check", id], 2, "usage", &["payment id", said]);
    }
}

#[test]
fn http_to_a_foreign_host() {
    config_fails(
        &format!(
            "{SHOP}api_secret = {{ env = \"X\" }}\nendpoints = {{ api = \"http://kanga.dev\" }}\n"
        ),
        &["plain http", "https", "`api`"],
    );
}

/// Accounts at Kinguin and Pledg that speak to `url`.
fn with_tokens(url: &str) -> Place {
    let secret = "{ env = \"TEST_API_SECRET\" }";
    Place::with_config(&format!(
        "default_profile = \"live\"\n\
         [profiles.live.accounts.keys]\nprovider = \"kinguin\"\nenvironment = \"sandbox\"\nclient_id = \"c\"\n\
         client_secret = {secret}\nendpoints = {{ token = \"{url}/auth/token\", gateway = \"{url}\" }}\n\
         [profiles.live.accounts.later]\nprovider = \"pledg\"\nenvironment = \"sandbox\"\napi_key = \"k\"\n\
         api_secret = {secret}\nmerchant_secret = {secret}\nendpoints = {{ api = \"{url}\" }}\n"
    ))
}

#[test]
fn a_path_that_leads_elsewhere() {
    let peer = Peer::start(vec![json("{}")]);
    let elsewhere = |place: &Place, account: &str| {
        for path in [
            "http://127.0.0.1:1/x",
            "https://evil.example/x",
            "//evil.example/x",
            "@127.0.0.1/x",
            "api/v2/test",
            "/../x",
            "/a/..",
            "/%2e%2e/x",
            "/a/%2E./x",
            "/a%2f..%2fx",
            "/a\\..\\b",
            "/\\evil.example/x",
            "/a%5c..%5cb",
            "/a\r\nHost: evil.example",
            "",
        ] {
            let says = [
                &*format!("account {account}: "),
                "path",
                "must begin with /",
            ];
            fails(place, &["request", account, "GET", path], 2, "usage", &says);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| elsewhere(&Place::with_shop(&peer.url), "shop"));
        let place = with_tokens(&peer.url);
        elsewhere(&place, "keys");
        elsewhere(&place, "later");
    });
    assert!(peer.requests().is_empty(), "not even a token was asked for");
}

#[test]
fn a_redirect_to_a_foreign_host_and_301_to_http() {
    let foreign = Peer::start(vec![json("{}")]);
    check_fails(
        reply("302 Found", &format!("Location: {}/x\r\n", foreign.url), ""),
        5,
        "provider_failing",
        &["302", "redirects are not followed", "endpoints"],
    );
    check_fails(
        reply(
            "301 Moved Permanently",
            "Location: http://api.kanga.exchange/\r\n",
            "",
        ),
        5,
        "provider_failing",
        &["301", "http://api.kanga.exchange/"],
    );
    assert!(
        foreign.requests().is_empty(),
        "the signed request went nowhere else"
    );
}

#[test]
fn invalid_tls() {
    let (url, handshake) = untrusted_tls();
    let place = Place::with_shop(&url);
    fails(
        &place,
        &["check", "A-17"],
        5,
        "unreachable",
        &["account shop", "TLS", "nothing was sent"],
    );
    assert!(handshake.recv_timeout(Duration::from_secs(5)).is_ok());
}

#[test]
fn a_name_that_cannot_be_looked_up() {
    let place = Place::with_shop("https://api.kanga.invalid");
    fails(
        &place,
        &["check", "A-17"],
        5,
        "unreachable",
        &["account shop", "api.kanga.invalid", "cannot be resolved"],
    );
}

#[test]
fn a_refused_connection() {
    let place = Place::with_shop(&format!("http://127.0.0.1:{}", closed_port()));
    fails(
        &place,
        &["check", "A-17"],
        5,
        "unreachable",
        &["account shop", "refused", "endpoints"],
    );
}

#[test]
fn a_connection_that_breaks() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"result\"";
    let smtp = b"220 smtp ready\r\n";
    let acts: [(Act, &str, &[&str]); 3] = [
        (
            Act::Reset,
            "unreachable",
            &["broke before the response arrived"],
        ),
        (
            Act::Bytes(half.to_vec()),
            "unreachable",
            &["in the middle of the response"],
        ),
        (
            Act::Bytes(smtp.to_vec()),
            "bad_answer",
            &["invalid response"],
        ),
    ];
    std::thread::scope(|scope| {
        for (act, kind, says) in acts {
            scope.spawn(move || check_fails(act, 5, kind, says));
        }
    });
}

#[test]
fn answers_that_make_no_sense() {
    check_fails(
        reply("204 No Content", "", ""),
        5,
        "bad_answer",
        &["empty", "204"],
    );
    check_fails(json(""), 5, "bad_answer", &["empty"]);
    check_fails(
        reply(
            "200 OK",
            "Content-Type: text/html\r\n",
            "<html>maintenance</html>",
        ),
        5,
        "bad_answer",
        &["HTML"],
    );
    check_fails(json(r#"{"result":"ok","curr"#), 5, "bad_answer", &["JSON"]);
    check_fails(
        json(r#"{"currency":"BTC","amount":"0.01","state":"FINALIZED"}"#),
        5,
        "bad_answer",
        &["`result` is missing"],
    );
    check_fails(
        json(
            r#"{"result":"ok","currency":"BTC","amount":"0.01","state":"FAILED","state":"FINALIZED"}"#,
        ),
        5,
        "bad_answer",
        &["`state` occurs twice"],
    );
    check_fails(
        json(r#"{"result":"ok","currency":"BTC","amount":"0.01"}"#),
        5,
        "bad_answer",
        &["`state` is missing"],
    );
    check_fails(json(r#"["ok"]"#), 5, "bad_answer", &[]);
    check_fails(json(r#"{"result":"maybe"}"#), 5, "bad_answer", &["`maybe`"]);
    check_fails(
        json("{\"result\":\"\\u001b[2Jboo\"}"),
        5,
        "bad_answer",
        &["\\u{1b}[2Jboo"],
    );
}

#[test]
fn a_provider_that_fails() {
    check_fails(
        reply("500 Oops", "", "boo"),
        5,
        "provider_failing",
        &["failing", "500"],
    );
    check_fails(
        reply("400 Bad Request", "", "boo"),
        5,
        "provider_failing",
        &["400"],
    );
    check_fails(
        reply("401 Unauthorized", "", ""),
        3,
        "credentials_refused",
        &["401", "api_secret"],
    );
    check_fails(
        reply("404 Not Found", "", "<html>"),
        4,
        "not_found",
        &["404", "endpoints"],
    );
    check_fails(
        json(r#"{"result":"fail","code":9000}"#),
        3,
        "credentials_refused",
        &["9000", "nonce", "api_secret"],
    );
    check_fails(
        json(r#"{"result":"fail","code":9001}"#),
        4,
        "not_found",
        &["payment A-17", "9001"],
    );
    check_fails(
        reply("400 Bad Request", "", r#"{"result":"fail","code":9001}"#),
        4,
        "not_found",
        &["9001"],
    );
    check_fails(
        json(r#"{"result":"fail"}"#),
        5,
        "provider_failing",
        &["gave no reason"],
    );
    for (status, code, kind, words) in [
        ("400 Bad Request", 5, "provider_failing", "code 7"),
        ("401 Unauthorized", 3, "credentials_refused", "401"),
        ("403 Forbidden", 3, "credentials_refused", "403"),
        // The later of the two may find the pause that the first one's answer began.
        ("429 Too Many Requests", 5, "provider_failing", "429"),
        ("503 Service Unavailable", 5, "provider_failing", "503"),
    ] {
        let body = r#"{"result":"fail","code":7}"#;
        let act = reply(status, "Retry-After: 600\r\n", body);
        check_fails(act, code, kind, &[words]);
    }
    let busy = r#"{"result":"fail"}"#;
    let peer = Peer::start(vec![reply(
        "429 Too Many Requests",
        "Retry-After: 600\r\n",
        busy,
    )]);
    let ran = Place::with_shop(&peer.url).run(&["estimate", "EMT", "3000"]);
    assert!(!ran.err.contains("check the currency"), "{ran:?}");
    check_fails(
        reply("429 Too Many Requests", "Retry-After: 600\r\n", ""),
        5,
        "provider_failing",
        &["429"],
    );
}

#[test]
fn a_body_of_50_mb() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\nConnection: close\r\n\r\n";
    check_fails(
        Act::Flood(head.into(), 52_428_800),
        5,
        "bad_answer",
        &["larger than 8 MiB", "endpoints"],
    );
}

// docs/providers/kanga.md#states
#[test]
fn an_unknown_state_is_tolerated_and_is_not_paid() {
    let peer = Peer::start(vec![json(
        r#"{"result":"ok","currency":"BTC","amount":"0.01","state":"SETT\u001bLED"}"#,
    )]);
    let place = Place::with_shop(&peer.url);
    let ran = place.run(&["check", "A-17", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let object = ran.object();
    assert_eq!(
        (&object["paid"], &object["final"]),
        (&false.into(), &false.into())
    );
    let ran = place.run(&["check", "A-17"]);
    assert!(
        ran.out.contains("SETT\\u{1b}LED") && ran.out.contains("not paid yet"),
        "{ran:?}"
    );
}

#[test]
fn a_body_that_is_not_json_where_json_is_due() {
    let peer = Peer::start(vec![json("{}")]);
    let refused = |place: &Place, account: &str, path: &str, data: &str, says: &str| {
        let request = ["request", account, "POST", path, "--yes", "--data", data];
        let named = format!("account {account}: ");
        let ran = fails(place, &request, 2, "usage", &[&named, says]);
        assert!(
            !ran.err.contains("sneaky"),
            "its text is not repeated: {ran:?}"
        );
    };
    let shop = Place::with_shop(&peer.url);
    refused(
        &shop,
        "shop",
        "/api/v2/tpg/transaction",
        "id=sneaky",
        "JSON object",
    );
    let place = with_tokens(&peer.url);
    let setups = "/sales-manager-api/api/v1/offers";
    for data in [
        "{\"price\": }",
        "sneaky",
        "",
        "{\"a\": 1} sneaky",
        "{\"a\": \"sneaky",
    ] {
        refused(&place, "keys", setups, data, "needs a JSON body");
    }
    let schedule = "/api/merchants/mer_1/simulate_payment_schedule";
    refused(
        &place,
        "later",
        schedule,
        "{\"amount_cents\": 200,",
        "not valid JSON for Pledg",
    );
    refused(
        &place,
        "later",
        "/api/purchase_link/",
        "sneaky",
        "not valid JSON for Pledg",
    );
    refused(
        &place,
        "later",
        "/api/purchase_link/",
        "[]",
        "not valid JSON for Pledg",
    );
    assert!(peer.requests().is_empty());
}

/// What goes into a header together must not be able to end it.
#[test]
fn credentials_that_no_header_can_carry() {
    let peer = Peer::start(vec![json("{}")]);
    let place = with_tokens(&peer.url);
    let text = std::fs::read_to_string(place.config_path()).unwrap();
    let colon = text.replace("api_key = \"k\"", "api_key = \"k:k\"");
    std::fs::write(place.config_path(), colon).unwrap();
    for arguments in [
        &["token", "refresh", "later"][..],
        &["account", "verify", "later"],
    ] {
        let says = ["account later: ", "api_key contains a colon"];
        fails(&place, arguments, 2, "config", &says);
    }
    assert!(peer.requests().is_empty());
}

#[test]
fn an_account_or_profile_that_is_not_there() {
    let place = Place::with_shop("http://127.0.0.1:9");
    fails(
        &place,
        &["check", "A", "--account", "shup"],
        2,
        "usage",
        &["`shup`", "shop"],
    );
    for command in [&["listen"][..], &["config", "check"]] {
        let arguments = [command, &["--account", "shup"]].concat();
        let says = ["--account names an unknown account: `shup`", "shop"];
        fails(&place, &arguments, 2, "usage", &says);
    }
    fails(
        &place,
        &["check", "A", "--profile", "lief"],
        2,
        "config",
        &["lief", "live"],
    );
    fails(&place, &["nonsense"], 2, "usage", &["nonsense"]);
}
