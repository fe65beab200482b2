//! The tests that every provider must pass, each on its own simulator, over real HTTP: valid, rejected, 429, torn body.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::{ApiError, Client, Credentials, Manifest, Queried, Query, REGISTRY, Verify};
use crate::auth::Tokens;
use crate::callbacks::{CallbackSecrets, Inbound, Refusal};
use crate::clock::{Clock, ManualClock};
use crate::config::KeyKind;
use crate::domain::catalogue::Param;
use crate::domain::simulate::{Command, Fault};
use crate::domain::{
    Ability, Account, AccountId, Amount, Currency, Environment, EstimateRequest, LinkRequest,
    Outcome, PaymentId, PlayerId, PlayerToken, ProblemKind, RawRequest, RequestId, Secret,
    WallTime,
};
use crate::http_server::Request;
use crate::ledger::{Ledger, NonceRules, Retention};
use crate::net::{Event, Gate, RequestOptions, Session, Timeouts, retry};
use crate::sandbox::outbox::Webhook;
use crate::sandbox::{self, Sample, Sandbox};

struct Bench {
    manifest: &'static Manifest,
    client: Arc<dyn Client>,
    session: Session,
    tokens: Option<Tokens>,
    sandbox: Sandbox,
    manual_clock: Option<ManualClock>,
    ledger: Ledger,
    statuses: crate::net::EventReceiver,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// The provider's client on its own simulator; with `wrong`, every secret is another one.
    async fn new(manifest: &'static Manifest, wrong: bool) -> Self {
        Self::by(manifest, wrong, Clock::system(), None).await
    }

    /// The same, with a clock that client and simulator share and that `manual_clock` moves.
    async fn by_hand(manifest: &'static Manifest) -> Self {
        let (clock, manual_clock) = Clock::by_hand(WallTime(1_795_316_066_000));
        Self::by(manifest, false, clock, Some(manual_clock)).await
    }

    async fn by(
        manifest: &'static Manifest,
        wrong: bool,
        clock: Clock,
        manual_clock: Option<ManualClock>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialects = vec![(manifest.simulator)()];
        let sandbox = sandbox::start(listener, dialects, sandbox::Options::new(clock.clone()))
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::start(
            folder.path().to_owned(),
            clock.clone(),
            Retention::default(),
        );
        let base = reqwest::Url::parse(&sandbox.base_url()).unwrap();
        let endpoints = manifest.simulated(&base);
        let value = |key: &str| {
            manifest
                .embedded
                .iter()
                .find(|(name, _)| *name == key)
                .unwrap()
                .1
        };
        let texts = manifest
            .spec
            .keys
            .iter()
            .filter(|key| key.kind != KeyKind::Secret);
        let account = Account {
            id: AccountId::new("under-test").unwrap(),
            provider: manifest.id,
            provider_title: manifest.title,
            environment: Environment::Embedded,
            host: String::new(),
            base: String::new(),
            secret_source: String::new(),
            uses_access_tokens: manifest.tokens.is_some(),
            abilities: manifest.abilities,
        };
        let (events, statuses) = crate::net::events::channel();
        let gate = Arc::new(Gate::new(
            ledger.clone(),
            clock.clone(),
            Timeouts::default(),
            Some(events),
        ));
        let session = Session::new(gate, account, endpoints.clone(), Vec::new());
        let mut credentials = Credentials {
            texts: texts
                .map(|key| (key.name, value(key.name).to_owned()))
                .collect(),
            read_secret: Arc::new(move |key| {
                let secret = if wrong {
                    "another-secret-altogether".into()
                } else {
                    value(key).to_owned()
                };
                Box::pin(async move { Ok(Secret::new(secret)) })
            }),
            endpoints: endpoints.clone(),
            ledger: ledger.clone(),
            nonces: NonceRules::default(),
            clock: clock.clone(),
            tokens: None,
        };
        credentials.tokens = manifest
            .tokens
            .map(|fetch| Tokens::new(session.clone(), fetch(&credentials), clock.clone()));
        Self {
            manifest,
            tokens: credentials.tokens.clone(),
            client: (manifest.connect)(credentials),
            session,
            sandbox,
            manual_clock,
            ledger,
            statuses,
            _folder: folder,
        }
    }

    /// What the console would show: the error's kind counts, whether client or gate found it.
    async fn verify(&self) -> Result<(), ProblemKind> {
        self.described(self.try_verify().await)
    }

    /// Makes a call that carries the access token: the one that verifies, or, where a token granted is all that
    /// does, the first of the catalogue that writes nothing.
    async fn use_token(&self) -> Result<(), ProblemKind> {
        if self.manifest.verify == Verify::Call {
            return self.described(self.send(self.client.verify()).await);
        }
        let mut catalogue = self.manifest.catalogue.iter();
        let documented = catalogue.find(|call| !call.writes).unwrap();
        let filled = |path: String, param: &Param| {
            path.replace(&format!("{{{}}}", param.name), param.example)
        };
        let request = RawRequest {
            method: documented.method.into(),
            path: documented
                .params
                .iter()
                .fold(documented.path.to_owned(), filled),
            body: documented.body.map(Into::into),
            writes: false,
            auth: None,
        };
        let call = self.client.raw(&request);
        let query = call.map(|call| Query::new(call, |reply| Ok(reply.status)));
        let status = self.described(self.send(query).await)?;
        assert_eq!(status, 200, "{}", self.manifest.title);
        Ok(())
    }

    fn described<A>(&self, result: Result<A, ApiError>) -> Result<A, ProblemKind> {
        let account = self.session.account();
        result.map_err(|error| error.problem(&account.id, account.provider_title).kind)
    }

    /// The outcomes of all attempts since the last call, in order.
    async fn statuses(&mut self) -> Vec<Outcome> {
        self.ledger.flush().await;
        let mut seen = Vec::new();
        while let Some(event) = self.statuses.try_recv() {
            if let Event::Exchange(exchange) = event {
                seen.push(exchange.outcome.clone());
            }
        }
        seen
    }

    /// Drops the cached token first, as the deck does: a token granted earlier does not prove that the credentials are
    /// still valid.
    async fn try_verify(&self) -> Result<(), ApiError> {
        if let Some(tokens) = &self.tokens {
            tokens.fetch_new(HOW).await?;
        }
        match self.manifest.verify {
            Verify::Call => self.send(self.client.verify()).await,
            Verify::TokenCall => Ok(()),
        }
    }

    async fn send<A>(&self, query: Queried<A>) -> Result<A, ApiError> {
        let Query { call, read } = query?;
        read(self.session.send(&call, self.client.as_ref(), HOW).await?)
    }
}

const HOW: RequestOptions = RequestOptions {
    request: RequestId(1),
    background: false,
    no_wait: true,
};

#[tokio::test]
async fn valid_credentials_are_verified() {
    for manifest in REGISTRY {
        let bench = Bench::new(manifest, false).await;
        assert_eq!(bench.verify().await, Ok(()), "{}", manifest.title);
    }
}

#[tokio::test]
async fn a_client_has_the_operations_of_its_manifests_abilities_and_no_others() {
    fn lacks<A>(result: &Result<A, ApiError>) -> Option<Ability> {
        match result {
            Err(ApiError::Lacks(ability)) => Some(*ability),
            _ => None,
        }
    }
    for manifest in REGISTRY {
        let Bench { client, .. } = Bench::new(manifest, false).await;
        let (id, player) = (PaymentId::new("A-17").unwrap(), PlayerId(1));
        let sum = EstimateRequest {
            token: Currency::new("EMT").unwrap(),
            quantity: Amount::typed("1").unwrap(),
        };
        let claim = PlayerToken {
            player,
            token: Secret::new("a-token-of-a-test"),
        };
        let link = LinkRequest {
            id: id.clone(),
            amount: sum.quantity.clone(),
            currency: sum.token.clone(),
            name: None,
            email: None,
            force_currency: None,
            with_token: false,
            replace_expectation: false,
        };
        let lacking = [
            lacks(&client.check_payment(&id)),
            lacks(&client.link(&link, None)),
            lacks(&client.create_payment_token()),
            lacks(&client.estimate(&sum)),
            lacks(&client.authenticate_player(&claim)),
            lacks(&client.player_items(player)),
            lacks(&client.test_signature()),
            lacks(&client.purchase_link("{}").await),
        ];
        let wanted = [
            Ability::Payments,
            Ability::Links,
            Ability::Links,
            Ability::Estimates,
            Ability::Players,
            Ability::Players,
            Ability::SignatureTest,
            Ability::PurchaseLinks,
        ];
        let wanted =
            wanted.map(|ability| Some(ability).filter(|it| !manifest.abilities.contains(it)));
        assert_eq!(lacking, wanted, "{}", manifest.title);
        let by_call = !matches!(client.verify(), Err(ApiError::Unsupported(_)));
        assert_eq!(
            by_call,
            manifest.verify == Verify::Call,
            "{}",
            manifest.title
        );
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_called_so() {
    for manifest in REGISTRY {
        let bench = Bench::new(manifest, true).await;
        let refused = bench.verify().await;
        assert_eq!(refused, Err(ProblemKind::Refused), "{}", manifest.title);
    }
}

#[tokio::test]
async fn faults_say_nothing_of_the_credentials() {
    // Each on a simulator of its own and all at once, since retries wait for real time.
    let mut all = tokio::task::JoinSet::new();
    for manifest in REGISTRY {
        for (fault, nonsense) in [
            (
                Fault::TooManyRequests {
                    retry_after: Some(600),
                },
                false,
            ),
            (Fault::TooManyRequests { retry_after: None }, false),
            (Fault::ServerError, false),
            (Fault::TornBody, true),
        ] {
            for token_in_hand in [false, true] {
                if token_in_hand && manifest.tokens.is_none() {
                    continue;
                }
                all.spawn(async move {
                    let mut bench = Bench::new(manifest, false).await;
                    if token_in_hand {
                        assert_eq!(bench.verify().await, Ok(()));
                    }
                    bench.sandbox.command(&Command::SetFault(fault)).unwrap();
                    let expected = if nonsense {
                        ProblemKind::Nonsense
                    } else {
                        ProblemKind::Failing
                    };
                    bench.statuses().await;
                    assert_eq!(
                        bench.verify().await,
                        Err(expected),
                        "{}, {fault:?}",
                        manifest.title
                    );
                    let tries = bench.statuses().await.len();
                    let repeated = fault == Fault::ServerError;
                    assert_eq!(
                        tries,
                        if repeated { retry::TRIES_MAX } else { 1 },
                        "{}, {fault:?}",
                        manifest.title
                    );
                    bench
                        .sandbox
                        .command(&Command::SetFault(Fault::Latency(Duration::from_millis(
                            30,
                        ))))
                        .unwrap();
                    assert_eq!(
                        bench.verify().await,
                        Ok(()),
                        "late is good enough: {}",
                        manifest.title
                    );
                });
            }
        }
    }
    all.join_all().await;
}

/// Longer than any access token lives.
const LONG: Duration = Duration::from_hours(25);

#[tokio::test]
async fn an_expired_token_is_renewed_before_it_is_sent() {
    for manifest in REGISTRY.iter().filter(|known| known.tokens.is_some()) {
        let mut bench = Bench::by_hand(manifest).await;
        assert_eq!(bench.use_token().await, Ok(()));
        let first = bench.statuses().await;
        bench.manual_clock.as_ref().unwrap().advance(LONG);
        assert_eq!(bench.use_token().await, Ok(()));
        assert_eq!(
            bench.statuses().await,
            first,
            "{}: as if for the first time",
            manifest.title
        );
        assert!(first.iter().all(|outcome| *outcome == Outcome::Status(200)));
    }
}

#[tokio::test]
async fn a_token_that_expired_at_the_provider_alone_is_renewed_once_and_the_call_repeated_once() {
    for manifest in REGISTRY.iter().filter(|known| known.tokens.is_some()) {
        let mut bench = Bench::by_hand(manifest).await;
        assert_eq!(bench.use_token().await, Ok(()));
        bench.statuses().await;
        // Only the simulator's clock moves: by the client's the token is still valid.
        bench.sandbox.command(&Command::Advance(LONG)).unwrap();
        assert_eq!(bench.use_token().await, Ok(()));
        assert_eq!(
            bench.statuses().await,
            [401, 200, 200].map(Outcome::Status),
            "{}: refused, one new token, the call once more",
            manifest.title
        );
    }
}

#[tokio::test]
async fn a_revoked_token_is_renewed_once_and_the_call_repeated_once() {
    for manifest in REGISTRY.iter().filter(|known| known.tokens.is_some()) {
        let mut bench = Bench::by_hand(manifest).await;
        let known = bench.sandbox.settings();
        if !known
            .iter()
            .any(|(.., events)| events.iter().any(|e| e.name == "revoke-tokens"))
        {
            continue;
        }
        assert_eq!(bench.use_token().await, Ok(()));
        bench.statuses().await;
        let revoke = Command::Event {
            provider: manifest.id.0.into(),
            event: "revoke-tokens".into(),
            subject: String::new(),
        };
        bench.sandbox.command(&revoke).unwrap();
        assert_eq!(bench.use_token().await, Ok(()));
        assert_eq!(
            bench.statuses().await,
            [401, 200, 200].map(Outcome::Status),
            "{}",
            manifest.title
        );
    }
}

#[test]
fn manifests_are_complete() {
    for manifest in REGISTRY {
        assert_eq!(manifest.id.0, manifest.spec.name);
        assert!(
            manifest
                .limits
                .iter()
                .all(|limit| limit.requests > 0 && !limit.period.is_zero())
        );
        for key in manifest.spec.keys.iter().filter(|key| key.required) {
            assert!(
                manifest.embedded.iter().any(|(name, _)| *name == key.name),
                "the simulator has no {}",
                key.name
            );
        }
        for name in manifest.spec.endpoints {
            assert!(
                manifest
                    .endpoints
                    .iter()
                    .any(|endpoint| endpoint.name == *name),
                "{name} has no URL"
            );
        }
        for endpoint in manifest.endpoints {
            assert!(endpoint.url.starts_with("https://"), "{}", endpoint.url);
        }
        assert!(
            manifest
                .catalogue
                .iter()
                .all(|call| call.path.starts_with('/') && !call.about.is_empty())
        );
    }
}

/// A simulated provider's webhook as its receiver sees it.
fn received(webhook: &Webhook) -> Inbound {
    let outgoing = webhook.request("http://127.0.0.1:1/callbacks/under-test");
    let mut request = Request::new(outgoing.body.clone().unwrap_or_default().into());
    *request.method_mut() = outgoing.method().parse().unwrap();
    *request.uri_mut() = outgoing.url.parse().unwrap();
    for (name, value) in &outgoing.headers {
        let name: hyper::http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    Inbound {
        request,
        from: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        at: AT,
    }
}

/// When sample callbacks are sent and received.
const AT: WallTime = WallTime(1_795_316_066_000);

#[test]
fn the_judge_of_each_takes_what_its_simulator_sends_and_refuses_it_under_another_secret() {
    for manifest in REGISTRY {
        let spec = &manifest.callbacks;
        let embedded = |key: &&'static str| {
            let mut embedded = manifest.embedded.iter();
            let value = embedded.find_map(|(name, value)| (name == key).then_some(*value));
            let value = value.unwrap_or_else(|| panic!("the simulator has no {key}"));
            (*key, Secret::new(value))
        };
        let texts = manifest.spec.keys.iter();
        let texts = texts.filter(|key| key.kind != KeyKind::Secret);
        let held = CallbackSecrets {
            texts: texts
                .filter_map(|key| {
                    let mut embedded = manifest.embedded.iter();
                    let found = embedded.find(|(name, _)| *name == key.name)?;
                    Some((key.name, found.1.to_owned()))
                })
                .collect(),
            secrets: spec.secrets.iter().map(embedded).collect(),
        };
        let webhook = |secret: Option<&Secret>| {
            let sample = Sample {
                subject: "1001",
                event: "",
                secret,
                header: None,
                at: AT,
            };
            (manifest.simulator)().sample(&sample).unwrap()
        };
        let own = spec.secrets.first().map(|key| &held.secrets[key]);
        let inbound = received(&webhook(own));
        let described = (spec.read)(&inbound, &held);
        let described =
            described.unwrap_or_else(|refusal| panic!("{}: {refusal:?}", manifest.title));
        assert_eq!(
            described.subject.unwrap().to_string(),
            "1001",
            "{}",
            manifest.title
        );
        assert!(!described.kind.is_empty() && !described.proof.is_empty());
        let again = (spec.read)(&inbound, &held).unwrap();
        assert_eq!(described.dedup, again.dedup, "{}", manifest.title);
        if own.is_some() {
            let other = Secret::new("another-secret-altogether");
            for secret in [Some(&other), None] {
                let described = (spec.read)(&received(&webhook(secret)), &held);
                assert!(
                    matches!(described, Err(Refusal::Refused(_))),
                    "{described:?}"
                );
            }
        }
        let mut odd = received(&webhook(own));
        *odd.request.method_mut() = hyper::http::Method::PATCH;
        let described = (spec.read)(&odd, &held);
        assert!(matches!(described, Err(Refusal::Method { allowed }) if !allowed.is_empty()));
    }
}
