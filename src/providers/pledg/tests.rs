//! The client on its own simulator over real HTTP: each documented call, and what is refused before it is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;

use super::{MANIFEST, auth, sandbox, settings};
use crate::auth::Tokens;
use crate::clock::{Clock, ManualClock};
use crate::domain::{
    Account, AccountId, Digest, Environment, Exchange, Problem, ProblemKind, RawCall, RawReply,
    RawRequest, RequestId, Secret, WallTime,
};
use crate::ledger::{Ledger, NonceRules, Retention};
use crate::net::{Event, Gate, RequestOptions, Session, Timeouts};
use crate::providers::{ApiError, Client, Credentials};
use crate::sandbox::Sandbox;

struct Bench {
    client: Arc<dyn Client>,
    session: Session,
    tokens: Tokens,
    keys: Keys,
    events: crate::net::EventReceiver,
    manual_clock: ManualClock,
    ledger: Ledger,
    _sandbox: Sandbox,
    _folder: tempfile::TempDir,
}

/// The account's texts and secrets, which a test may change.
type Keys = Arc<Mutex<BTreeMap<&'static str, String>>>;

const HOW: RequestOptions = RequestOptions {
    request: RequestId(1),
    background: false,
    no_wait: true,
};

async fn bench_with(change: impl FnOnce(&mut BTreeMap<&'static str, String>)) -> Bench {
    let (clock, manual_clock) = Clock::by_hand(WallTime(1_795_316_066_000));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = crate::sandbox::Options::new(clock.clone());
    let sandbox = crate::sandbox::start(listener, vec![(MANIFEST.simulator)()], options);
    let sandbox = sandbox.await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::start(
        folder.path().to_owned(),
        clock.clone(),
        Retention::default(),
    );
    let base = reqwest::Url::parse(&sandbox.base_url()).unwrap();
    let (sender, events) = crate::net::events::channel();
    let timeouts = Timeouts::default();
    let gate = Gate::new(ledger.clone(), clock.clone(), timeouts, Some(sender));
    let account = Account {
        id: AccountId::new("under-test").unwrap(),
        provider: MANIFEST.id,
        provider_title: MANIFEST.title,
        environment: Environment::Embedded,
        host: String::new(),
        base: String::new(),
        secret_source: String::new(),
        uses_access_tokens: true,
        abilities: &[],
    };
    let session = Session::new(Arc::new(gate), account, vec![("api", base)], Vec::new());
    let mut keys: BTreeMap<_, _> = MANIFEST
        .embedded
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    change(&mut keys);
    let texts = keys.clone();
    let keys: Keys = Arc::new(Mutex::new(keys));
    let read = keys.clone();
    let mut credentials = Credentials {
        texts,
        read_secret: Arc::new(move |key| {
            let found = read.lock().unwrap().get(key).map(Secret::new);
            let missing =
                move || Problem::new(ProblemKind::Config, format!("{key} is not set"), "");
            Box::pin(async move { found.ok_or_else(missing) })
        }),
        endpoints: Vec::new(),
        ledger: ledger.clone(),
        nonces: NonceRules::default(),
        clock: clock.clone(),
        tokens: None,
    };
    let fetch = (MANIFEST.tokens.unwrap())(&credentials);
    let tokens = Tokens::new(session.clone(), fetch, clock);
    credentials.tokens = Some(tokens.clone());
    Bench {
        client: (MANIFEST.connect)(credentials),
        session,
        tokens,
        keys,
        events,
        manual_clock,
        ledger,
        _sandbox: sandbox,
        _folder: folder,
    }
}

async fn bench() -> Bench {
    bench_with(|_| {}).await
}

impl Bench {
    async fn ask(&self, path: &str, body: Option<&str>) -> Result<RawReply, Problem> {
        let request = RawRequest {
            method: "POST".into(),
            path: path.into(),
            body: body.map(Into::into),
            writes: MANIFEST.writes("POST", path),
            auth: None,
        };
        let sent = async {
            let call = self.client.raw(&request)?;
            let reply = self.session.send(&call, self.client.as_ref(), HOW).await?;
            Ok(reply.into_raw())
        };
        let account = self.session.account();
        let sent: Result<RawReply, ApiError> = sent.await;
        sent.map_err(|error| error.problem(&account.id, account.provider_title))
    }

    async fn exchanges(&mut self) -> Vec<Arc<Exchange>> {
        self.ledger.flush().await;
        let mut seen = Vec::new();
        while let Some(event) = self.events.try_recv() {
            if let Event::Exchange(exchange) = event {
                seen.push(exchange);
            }
        }
        seen
    }

    fn digest(&self, path: &str, reply: &RawReply) -> Option<Digest> {
        let call = RawCall {
            method: "POST".into(),
            path: path.into(),
            body: None,
            auth: None,
        };
        self.client.digest(&call, reply)
    }
}

const OPEN: &str =
    "/api/users/me/merchants/mer_00000000-0000-4000-8000-000000000001/simulate_payment_schedule";
const WITH_TOKEN: &str =
    "/api/merchants/mer_00000000-0000-4000-8000-000000000001/simulate_payment_schedule";
const RELEASE: &str = "/api/purchases/pur_00000000-0000-4000-8000-000000000002/release";
const LINK: &str = "/api/purchase_link/";
const SCHEDULE: &str = r#"{"amount_cents": 200, "created": "2021-12-17"}"#;
const ORDER: &str = r#"{"data":{"merchantUid":"mer_00000000-0000-4000-8000-000000000001","amountCents":2000,"email":"payer@shop.example","firstName":"Jo","lastName":"Payer","reference":"R-1","title":"Two nights"}}"#;

#[tokio::test]
async fn every_documented_call_works_as_its_examples_have_it() {
    let mut bench = bench().await;
    for documented in MANIFEST.catalogue {
        let filled = documented
            .params
            .iter()
            .fold(documented.path.to_owned(), |path, param| {
                path.replace(&format!("{{{}}}", param.name), param.example)
            });
        let reply = bench.ask(&filled, documented.body).await.unwrap();
        let text = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, 200, "{}: {text}", documented.path);
        assert_eq!(bench.client.judge(&reply), Ok(()));
        let simulated = documented.path.ends_with("/simulate_payment_schedule");
        assert_eq!(bench.digest(&filled, &reply).is_some(), simulated);
        assert_eq!(MANIFEST.writes("POST", &filled), !simulated);
    }
    let texts: Vec<String> = bench
        .exchanges()
        .await
        .iter()
        .map(|one| format!("{one:?}"))
        .collect();
    assert_eq!(
        texts.len(),
        MANIFEST.catalogue.len() + 1,
        "one token serves all"
    );
    for one in texts {
        for secret in [
            sandbox::API_SECRET,
            sandbox::MERCHANT_SECRET,
            sandbox::DASHBOARD_PASSWORD,
            "eyJ0eXAi",
            "U0FOREJPWC1QTEVER",
        ] {
            assert!(!one.contains(secret), "{secret}: {one}");
        }
    }
}

#[tokio::test]
async fn a_schedule_is_read_in_whole_cents() {
    let bench = bench().await;
    let reply = bench.ask(OPEN, Some(SCHEDULE)).await.unwrap();
    let digest = bench.digest(OPEN, &reply).unwrap();
    assert_eq!(
        digest.title,
        "INSTALLMENT in 3: 2.02 EUR to pay, TAEG 23.1 %"
    );
    assert_eq!(digest.rows[0][4], "0.70 EUR");
    let refused = RawReply {
        status: 400,
        ..reply.clone()
    };
    assert_eq!(bench.digest(OPEN, &refused), None);
    assert_eq!(bench.digest("/api/other", &reply), None);
}

#[tokio::test]
async fn a_call_takes_its_own_credential_and_names_the_one_that_is_missing() {
    let all = [
        (settings::API_SECRET, WITH_TOKEN, SCHEDULE),
        (settings::MERCHANT_SECRET, LINK, ORDER),
        (settings::DASHBOARD_USER, RELEASE, ""),
        (settings::DASHBOARD_PASSWORD, RELEASE, ""),
    ];
    for (missing, path, body) in all {
        let mut bench = bench_with(|keys| {
            keys.remove(missing);
        })
        .await;
        let refused = bench.ask(path, Some(body)).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Config);
        assert!(refused.message.contains(missing), "{missing}: {refused}");
        assert!(
            bench.exchanges().await.is_empty(),
            "{missing}: nothing goes out"
        );
        let other = if path == WITH_TOKEN { OPEN } else { WITH_TOKEN };
        assert_eq!(bench.ask(other, Some(SCHEDULE)).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn the_secret_is_read_again_for_each_token() {
    let bench = bench().await;
    bench.tokens.fetch_new(HOW).await.unwrap();
    let replace = |secret: &str| {
        let mut keys = bench.keys.lock().unwrap();
        keys.insert(settings::API_SECRET, secret.into());
    };
    replace("another-secret-altogether");
    assert!(bench.tokens.fetch_new(HOW).await.is_err());
    replace(sandbox::API_SECRET);
    bench
        .manual_clock
        .advance(std::time::Duration::from_mins(5));
    assert!(bench.tokens.fetch_new(HOW).await.is_ok());
}

#[tokio::test]
async fn a_pair_that_makes_no_header_is_refused_before_it_is_sent() {
    for (key, value, path, word) in [
        (settings::API_KEY, "my:key", WITH_TOKEN, "colon"),
        (settings::API_KEY, "", WITH_TOKEN, "empty"),
        (settings::API_SECRET, "one\ntwo", WITH_TOKEN, "line break"),
        (settings::API_SECRET, "one\r", WITH_TOKEN, "line break"),
        (
            settings::DASHBOARD_USER,
            "a:b@shop.example",
            RELEASE,
            "colon",
        ),
        (settings::DASHBOARD_PASSWORD, "", RELEASE, "empty"),
    ] {
        let mut bench = bench_with(|keys| {
            keys.insert(key, value.into());
        })
        .await;
        let refused = bench.ask(path, None).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Config, "{key}: {refused}");
        let texts = refused.describe();
        assert!(texts.contains(key) && texts.contains(word), "{texts}");
        assert!(!texts.contains("one"), "{texts}");
        assert!(bench.exchanges().await.is_empty());
    }
}

#[tokio::test]
async fn a_colon_in_a_password_and_a_long_pair_are_fine() {
    // The simulator rejects both; the point is that the header was complete.
    let bench = bench_with(|keys| {
        keys.insert(
            settings::API_SECRET,
            format!("with:colon-{}", "x".repeat(200)),
        );
    })
    .await;
    let refused = bench.ask(WITH_TOKEN, Some(SCHEDULE)).await.unwrap_err();
    assert_eq!(refused.kind, ProblemKind::Refused, "{refused}");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_it_is_sent() {
    let mut bench = bench().await;
    let already = format!("{LINK}?signature=eyJ.eyJ.x");
    for (path, body, words) in [
        (
            OPEN,
            Some("{\"amount_cents\": 200,\n oops"),
            "line 2, column 2",
        ),
        (OPEN, Some("{} trailing"), "more text after the end"),
        (LINK, Some("[]"), "an array in place of an object"),
        (LINK, Some("{\"merchantUid\": \"mer_1\"}"), "`data`"),
        (LINK, Some("{\"data\": 7}"), "`data`"),
        (LINK, None, "nothing to sign"),
        (LINK, Some("  "), "nothing to sign"),
        (already.as_str(), Some(ORDER), "omit one of the two"),
        (
            "/api/token",
            Some("grant_type=client_credentials"),
            "makes the token call itself",
        ),
        ("/api/token/?x=1", None, "makes the token call itself"),
    ] {
        let refused = bench.ask(path, body).await.unwrap_err();
        assert_eq!(refused.kind, ProblemKind::Usage, "{path}: {refused}");
        assert!(refused.message.contains(words), "{words}: {refused}");
    }
    assert!(bench.exchanges().await.is_empty());
    // Signed elsewhere: sent unchanged; the provider rejects it.
    let reply = bench.ask(&already, None).await.unwrap();
    assert_eq!(reply.status, 400);
    assert!(matches!(
        bench.client.judge(&reply),
        Err(ApiError::Refused { .. })
    ));
    let shown = format!("{:?}", bench.exchanges().await);
    assert!(
        shown.contains("signature") && !shown.contains("eyJ.eyJ.x"),
        "{shown}"
    );
}

#[test]
fn the_path_decides_how_a_call_is_authorised() {
    use auth::Scheme::{Dashboard, Open, Signature, Token};
    for (path, scheme) in [
        (WITH_TOKEN, Token),
        ("/api/a_secured_endpoint", Token),
        ("/api/purchases/pur_1/credit_by_transfer", Token),
        ("/api/users/menu", Token),
        (OPEN, Open),
        (
            "/api/users/me/companies/cmp_1/simulate_payment_schedule?x=/release",
            Open,
        ),
        ("/dashboard/merchants/mer_1/purchases/pur_1", Open),
        ("/", Open),
        ("/api/purchase_link/?lang=fr", Signature),
        ("/api/purchase_link", Signature),
        ("/api/payment_by_transfer", Signature),
        (RELEASE, Dashboard),
        ("/api/purchases/pur_1/release/", Dashboard),
    ] {
        assert_eq!(auth::scheme(path), scheme, "{path}");
    }
}

#[tokio::test]
async fn failures_are_judged_by_status_and_words_and_made_inert() {
    use ProblemKind::{Failing, NotFound, Refused};
    let client = bench().await.client;
    let judged = |status, body: &str| {
        let raw = RawReply {
            took: std::time::Duration::ZERO,
            status,
            content_type: None,
            body: body.as_bytes().to_vec(),
        };
        let id = AccountId::new("shop").unwrap();
        let judged = client.judge(&raw);
        judged.map_err(|error| error.problem(&id, "Pledg"))
    };
    for (status, body, kind, words) in [
        (
            401,
            r#"{"error":"invalid_client"}"#,
            Refused,
            "invalid_client",
        ),
        (403, "", Refused, "status 403"),
        (
            400,
            r#"{"type":"error_token","message":"expired"}"#,
            Refused,
            "error_token, expired",
        ),
        (
            404,
            r#"{"error":{"debug":"no merchant"}}"#,
            NotFound,
            "no merchant",
        ),
        (
            400,
            r#"{"error":{"debug":"amount_cents"}}"#,
            Failing,
            "amount_cents",
        ),
        (400, "<html>", Failing, "status 400"),
        (429, "", Failing, "too many requests"),
        (
            503,
            r#"{"type":"maintenance","message":"back soon"}"#,
            Failing,
            "back soon",
        ),
        (500, "{", Failing, "status 500"),
        (200, r#"{"error":{"debug":"late"}}"#, Failing, "late"),
        (
            400,
            "{\"error\":{\"debug\":\"\\u001b[2Jboo\"}}",
            Failing,
            "\\u{1b}[2Jboo",
        ),
    ] {
        let problem = judged(status, body).unwrap_err();
        assert_eq!(problem.kind, kind, "{body}: {problem}");
        assert!(problem.message.contains(words), "{words}: {problem}");
    }
    for valid in ["{}", r#"{"error":null}"#, "", "[]", r#"{"type":"x"}"#] {
        assert_eq!(judged(200, valid), Ok(()), "{valid}");
    }
}
