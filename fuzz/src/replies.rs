//! Replies through each provider's client: every operation, the raw call's digest, and the token call.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::Value;
use tilldeck::auth::{Tokens, grant};
use tilldeck::clock::Clock;
use tilldeck::domain::{
    Account, AccountId, Amount, Currency, Environment, EstimateRequest, Expected, PaymentId,
    PlayerId, PlayerToken, RawCall, Secret,
};
use tilldeck::ledger::{Ledger, NonceRules, Retention};
use tilldeck::net::{Gate, Network, Reply, Session};
use tilldeck::providers::{ApiError, Client, Credentials, Manifest, Queried, REGISTRY};

use super::{Input, NOW, assert_inert};

const STATUSES: [u16; 12] = [200, 201, 204, 304, 400, 401, 403, 404, 409, 429, 500, 503];

struct Bench {
    manifest: &'static Manifest,
    account: Account,
    client: Arc<dyn Client>,
}

static BENCHES: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    REGISTRY
        .iter()
        .map(|manifest| Bench::new(manifest))
        .collect()
});

impl Bench {
    fn new(manifest: &'static Manifest) -> Self {
        let account = Account {
            id: AccountId::new("under-test").expect("a name"),
            provider: manifest.id,
            provider_title: manifest.title,
            environment: Environment::Embedded,
            host: String::new(),
            base: String::new(),
            secret_source: String::new(),
            uses_access_tokens: manifest.tokens.is_some(),
            abilities: manifest.abilities,
        };
        let (clock, _) = Clock::by_hand(NOW);
        // Nothing is asked, so nothing is kept: a folder that cannot be.
        let folder = PathBuf::from("/dev/null/state");
        let ledger = Ledger::start(folder, clock.clone(), Retention::default());
        let gate = Gate::new(ledger.clone(), clock.clone(), Network::default(), None);
        let base = "http://127.0.0.1:9".parse().expect("a URL");
        let endpoints = manifest.simulated(&base);
        let session = Session::new(gate.into(), account.clone(), endpoints.clone(), Vec::new());
        let texts = manifest.embedded.iter();
        let mut credentials = Credentials {
            texts: texts
                .map(|(key, text)| (*key, (*text).to_owned()))
                .collect(),
            read_secret: Arc::new(|_| Box::pin(async { Ok(Secret::new("a-secret-of-a-test")) })),
            secrets: std::collections::BTreeMap::new(),
            endpoints,
            ledger,
            nonces: NonceRules::default(),
            clock: clock.clone(),
            tokens: None,
        };
        credentials.tokens = manifest
            .tokens
            .map(|fetch| Tokens::new(session, fetch(&credentials), clock));
        Self {
            manifest,
            account,
            client: (manifest.connect)(credentials),
        }
    }
}

/// Which provider, operation and status; then a line with the number of a documented call, and the body.
pub fn run(data: &[u8]) {
    let mut input = Input(data);
    let bench = &BENCHES[input.choose(&[0, 1, 2, 3])];
    let which = input.byte().wrapping_sub(b'0');
    let status = input.choose(&STATUSES);
    let documented = bench.manifest.catalogue;
    let documented = &documented[usize::from(input.byte()) % documented.len()];
    let _ = input.line();
    let reply = Reply {
        status,
        version: "HTTP/1.1",
        wire: None,
        headers: vec![("content-type".into(), "application/json".into())],
        body: input.rest().to_vec().into(),
        to_head: Duration::ZERO,
        took: Duration::ZERO,
        at: NOW,
    };
    if which % 9 == 8 {
        token(&reply, &bench.account);
        return;
    }
    let expected = Expected {
        amount: Amount::received("25.00").expect("an amount"),
        currency: Currency::new("EMT").expect("a currency"),
    };
    let player = PlayerId(765);
    let problem = match which % 9 {
        0 => {
            let id = PaymentId::new("A-17").expect("an id");
            let checked = read(bench.client.check_payment(&id), &reply);
            if let Ok(payment) = &checked {
                assert_inert(&payment.explain(Some(&expected)));
                let verdict = payment.verdict(Some(&expected));
                assert!(
                    verdict.paid() != Some(true) || says_paid(&reply.body),
                    "{payment:?}"
                );
            }
            checked.err()
        }
        1 => read(bench.client.verify(), &reply).err(),
        2 => {
            let sum = EstimateRequest {
                token: expected.currency,
                quantity: expected.amount,
            };
            read(bench.client.estimate(&sum), &reply).err()
        }
        3 => read(bench.client.create_payment_token(), &reply).err(),
        4 => read(bench.client.test_signature(), &reply).err(),
        5 => {
            let claim = PlayerToken {
                player,
                token: Secret::new("a-token-of-a-test"),
            };
            let answered = read(bench.client.authenticate_player(&claim), &reply);
            assert!(
                !answered
                    .as_ref()
                    .is_ok_and(|answered| answered.id != player)
            );
            answered.err()
        }
        6 => {
            let items = read(bench.client.player_items(player), &reply);
            assert!(!items.as_ref().is_ok_and(|items| items.player != player));
            items.err()
        }
        _ => None,
    };
    if let Some(error) = problem {
        told(&error.problem(&bench.account.id, bench.account.provider_title));
    }
    let raw = reply.into_raw();
    let call = RawCall {
        method: documented.method.into(),
        path: filled(documented.path),
        body: None,
        auth: None,
    };
    if let Err(error) = bench.client.judge(&call, &raw) {
        told(&error.problem(&bench.account.id, bench.account.provider_title));
    }
    if let Some(digest) = bench.client.digest(&call, &raw) {
        let columns = digest.columns.len();
        assert!(digest.rows.iter().all(|row| row.len() == columns));
    }
}

/// The answer to a query in this reply.
fn read<A>(query: Queried<A>, reply: &Reply) -> Result<A, ApiError> {
    (query?.read)(reply.clone())
}

fn told(problem: &tilldeck::domain::Problem) {
    assert_inert(&problem.message);
    assert_inert(&problem.hint);
}

fn token(reply: &Reply, account: &Account) {
    match grant::read(reply, account) {
        Ok(granted) => {
            assert!(matches!(reply.status, 200 | 201));
            assert!(!granted.life.is_zero() && granted.life <= grant::LIFE_MAX);
            assert_inert(&granted.note);
            assert_inert(granted.token.expose());
        }
        Err(failure) => {
            let wait = failure.retry_after.unwrap_or_default();
            assert!(wait <= Duration::from_hours(1));
            told(&failure.error.problem(&account.id));
        }
    }
}

/// Whether this body says that a payment of 25 EMT is over, read by a plain reader.
fn says_paid(body: &[u8]) -> bool {
    let Ok(said) = serde_json::from_slice::<Value>(body) else {
        return false;
    };
    let amount = match &said["amount"] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let plain = amount.trim_start_matches(['+', '0']).to_ascii_lowercase();
    let equal = match plain.split_once('e') {
        None => {
            let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
            whole == "25" && fraction.bytes().all(|byte| byte == b'0')
        }
        // Every digit of 25 with some power of ten.
        Some((mantissa, _)) => {
            let digits = mantissa.replace('.', "");
            digits.trim_matches('0') == "25"
        }
    };
    said["result"] == "ok" && said["state"] == "FINALIZED" && said["currency"] == "EMT" && equal
}

fn filled(path: &str) -> String {
    let parts = path.split('/');
    let parts = parts.map(|part| if part.starts_with('{') { "1" } else { part });
    parts.collect::<Vec<_>>().join("/")
}
