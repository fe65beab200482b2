//! A provider's real client on its real simulator, over loopback HTTP, with a manual clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;

use super::super::{ApiError, Client, Credentials, Manifest, Queried, Query, Verify};
use crate::auth::Tokens;
use crate::callbacks::{CallbackSecrets, Inbound, ParsedCallback, Refusal};
use crate::clock::{Clock, ManualClock};
use crate::domain::catalogue::ParamLocation;
use crate::domain::simulate::Command;
use crate::domain::{
    Account, AccountId, Digest, DocumentedCall, Environment, Exchange, Outcome, Problem,
    ProblemKind, RawCall, RawReply, RequestId, Secret, WallTime,
};
use crate::http_server::Request;
use crate::ledger::{Ledger, NonceRules, Retention};
use crate::net::{Event, Gate, Limit, Network, RequestOptions, Session};
use crate::sandbox::testing::Receiver;
use crate::sandbox::{self, Sandbox};

/// When every simulation starts, and when callbacks arrive.
pub const AT: WallTime = WallTime(1_795_316_066_000);

pub const HOW: RequestOptions = RequestOptions {
    request: RequestId(1),
    background: false,
    no_wait: true,
};

/// The account's texts and secrets, which a test may change.
pub type Keys = Arc<Mutex<BTreeMap<&'static str, String>>>;

/// What a test changes before its bench starts.
pub struct Setup {
    /// The simulator's own account, by config key.
    pub keys: BTreeMap<&'static str, String>,
    /// The account's rate limits; none at first.
    pub limits: Vec<Limit>,
    /// Whether reading its secrets is slow, as from a password manager.
    pub is_slow: bool,
    /// Where the simulator sends its callbacks.
    pub callback_url: Option<String>,
    clock: Clock,
    manual_clock: ManualClock,
}

pub struct Bench {
    pub manifest: &'static Manifest,
    pub client: Arc<dyn Client>,
    pub session: Session,
    pub tokens: Option<Tokens>,
    pub keys: Keys,
    /// How often a secret was read.
    pub reads: Arc<AtomicU32>,
    pub sandbox: Arc<Sandbox>,
    pub manual_clock: ManualClock,
    pub ledger: Ledger,
    events: crate::net::EventReceiver,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub async fn new(manifest: &'static Manifest) -> Self {
        Self::with(manifest, |_| {}).await
    }

    pub async fn with(manifest: &'static Manifest, change: impl FnOnce(&mut Setup)) -> Self {
        let embedded = manifest.embedded.iter();
        let (clock, manual_clock) = Clock::by_hand(AT);
        let mut setup = Setup {
            keys: embedded
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
            limits: Vec::new(),
            is_slow: false,
            callback_url: None,
            clock,
            manual_clock,
        };
        change(&mut setup);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut options = sandbox::Options::new(setup.clock.clone());
        let url = setup.callback_url.take();
        options
            .callback_urls
            .extend(url.map(|url| (manifest.id.0.to_owned(), url)));
        let sandbox = sandbox::start(listener, vec![(manifest.simulator)()], options);
        let sandbox = Arc::new(sandbox.await.unwrap());
        let url = sandbox.base_url();
        Self::on(manifest, setup, &sandbox, &url)
    }

    /// A second program with the same credentials at the same simulator, with a ledger and a clock of its own.
    pub fn second(&self) -> Self {
        self.at(&self.sandbox.base_url())
    }

    /// The same at another URL of the simulator.
    pub fn at(&self, url: &str) -> Self {
        let (clock, manual_clock) = Clock::by_hand(AT);
        let setup = Setup {
            keys: self.keys.lock().unwrap().clone(),
            limits: Vec::new(),
            is_slow: false,
            callback_url: None,
            clock,
            manual_clock,
        };
        Self::on(self.manifest, setup, &self.sandbox, url)
    }

    fn on(manifest: &'static Manifest, setup: Setup, sandbox: &Arc<Sandbox>, url: &str) -> Self {
        let clock = setup.clock;
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::start(
            folder.path().to_owned(),
            clock.clone(),
            Retention::default(),
        );
        let base = reqwest::Url::parse(url).unwrap();
        let endpoints = manifest.simulated(&base);
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
        let (sender, events) = crate::net::events::channel();
        let network = Network::default();
        let gate = Gate::new(ledger.clone(), clock.clone(), network, Some(sender));
        let session = Session::new(Arc::new(gate), account, endpoints.clone(), setup.limits);
        let texts = setup.keys.clone();
        let keys: Keys = Arc::new(Mutex::new(setup.keys));
        let reads = Arc::new(AtomicU32::new(0));
        let (read, counted) = (keys.clone(), reads.clone());
        let secrets = manifest.spec.keys.iter();
        let secrets = secrets.filter(|key| key.is_secret());
        let mut credentials = Credentials {
            texts,
            read_secret: Arc::new(move |key| {
                counted.fetch_add(1, Ordering::Relaxed);
                let found = read.lock().unwrap().get(key).map(Secret::new);
                let missing =
                    move || Problem::new(ProblemKind::Config, format!("{key} is not set"), "");
                Box::pin(async move { found.ok_or_else(missing) })
            }),
            secrets: secrets.map(|key| (key.name, setup.is_slow)).collect(),
            endpoints,
            ledger: ledger.clone(),
            nonces: NonceRules::default(),
            clock: clock.clone(),
            tokens: None,
        };
        credentials.tokens = manifest
            .tokens
            .map(|fetch| Tokens::new(session.clone(), fetch(&credentials), clock));
        Self {
            manifest,
            tokens: credentials.tokens.clone(),
            client: (manifest.connect)(credentials),
            session,
            keys,
            reads,
            sandbox: sandbox.clone(),
            manual_clock: setup.manual_clock,
            ledger,
            events,
            _folder: folder,
        }
    }

    /// Sends the query, and reads its answer or the problem that the console would show.
    pub async fn send<A>(&self, query: Queried<A>) -> Result<A, Problem> {
        let sent = async {
            let Query { call, read } = query?;
            read(self.session.send(&call, self.client.as_ref(), HOW).await?)
        };
        self.described(sent.await)
    }

    fn described<A>(&self, result: Result<A, ApiError>) -> Result<A, Problem> {
        let account = self.session.account();
        result.map_err(|error| error.problem(&account.id, account.provider_title))
    }

    /// Sends a raw call. What the provider answers is no error here.
    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<RawReply, Problem> {
        let call = self.client.raw(&raw_call(method, path, body));
        let query = call.map(|call| Query::new(call, |reply| Ok(reply.into_raw())));
        self.send(query).await
    }

    /// The same, judged by the client: the kind and message of the failure that the reply holds.
    pub async fn judged(
        &self,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<(), Problem> {
        let reply = self.raw(method, path, body).await?;
        let call = raw_call(method, path, body);
        self.described(self.client.judge(&call, &reply))
    }

    /// The table that the client reads in the answer to a GET.
    pub async fn table(&self, path: &str) -> Digest {
        let reply = self.raw("GET", path, None).await.unwrap();
        let digest = self.client.digest(&raw_call("GET", path, None), &reply);
        digest.unwrap_or_else(|| panic!("{path}: {}", String::from_utf8_lossy(&reply.body)))
    }

    /// What the console would show: the error's kind counts, whether client or gate found it. Drops the cached token first,
    /// as the deck does: a token granted earlier does not prove that the credentials are still valid.
    pub async fn verify(&self) -> Result<(), ProblemKind> {
        if let Some(tokens) = &self.tokens {
            let fetched = tokens.fetch_new(HOW).await.map_err(ApiError::from);
            self.described(fetched).map_err(|problem| problem.kind)?;
        }
        match self.manifest.verify {
            Verify::Call => self.send(self.client.verify()).await.map_err(|it| it.kind),
            Verify::TokenCall => Ok(()),
        }
    }

    /// Makes a call that carries the access token: the one that verifies, or, where a token granted is all that
    /// does, the first of the catalogue that writes nothing.
    pub async fn use_token(&self) -> Result<(), ProblemKind> {
        if self.manifest.verify == Verify::Call {
            return self.send(self.client.verify()).await.map_err(|it| it.kind);
        }
        let mut catalogue = self.manifest.catalogue.iter();
        let documented = catalogue.find(|call| !call.writes).unwrap();
        let (method, path) = (documented.method, filled(documented));
        let reply = self.raw(method, &path, documented.body).await;
        let status = reply.map_err(|problem| problem.kind)?.status;
        assert_eq!(status, 200, "{}", self.manifest.title);
        Ok(())
    }

    /// All attempts since the last call, in order.
    pub async fn exchanges(&mut self) -> Vec<Arc<Exchange>> {
        self.ledger.flush().await;
        let mut seen = Vec::new();
        while let Some(event) = self.events.try_recv() {
            if let Event::Exchange(exchange) = event {
                seen.push(exchange);
            }
        }
        seen
    }

    /// Their outcomes.
    pub async fn statuses(&mut self) -> Vec<Outcome> {
        let exchanges = self.exchanges().await;
        exchanges.iter().map(|one| one.outcome.clone()).collect()
    }

    pub fn command(&self, command: &Command) -> String {
        self.sandbox.command(command).unwrap()
    }

    pub fn set(&self, setting: &str, value: &str) {
        self.command(&Command::Set {
            provider: self.manifest.id.0.into(),
            setting: setting.into(),
            value: value.into(),
        });
    }

    pub fn event(&self, event: &str, subject: &str) -> String {
        self.command(&Command::Event {
            provider: self.manifest.id.0.into(),
            event: event.into(),
            subject: subject.into(),
        })
    }

    /// The callbacks that came, once there are as many.
    pub async fn came(&self, receiver: &Receiver, count: usize) -> Vec<Inbound> {
        let mut came = Vec::new();
        for _ in 0..200 {
            self.sandbox.pump().await;
            came.extend(receiver.taken());
            if came.len() >= count {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(came.len(), count, "{}: {came:?}", self.manifest.title);
        came.into_iter().map(inbound).collect()
    }

    /// The verdicts of tilldeck's receiver on them.
    pub async fn verdicts(
        &self,
        receiver: &Receiver,
        count: usize,
    ) -> Vec<Result<ParsedCallback, Refusal>> {
        let held = held(self.manifest);
        let came = self.came(receiver, count).await;
        came.iter()
            .map(|inbound| (self.manifest.callbacks.read)(inbound, &held))
            .collect()
    }
}

/// The path and query of a documented call, with its examples filled in.
pub fn filled(call: &DocumentedCall) -> String {
    let mut path = call.path.to_owned();
    let mut query = Vec::new();
    for param in call.params {
        match param.place {
            ParamLocation::Path => {
                path = path.replace(&format!("{{{}}}", param.name), param.example);
            }
            // All filters together may match nothing.
            ParamLocation::Query if !param.required && call.params.len() > 6 => {}
            ParamLocation::Query => query.push((param.name, param.example)),
        }
    }
    if query.is_empty() {
        path
    } else {
        format!("{path}?{}", serde_urlencoded::to_string(query).unwrap())
    }
}

/// What the receiver knows of the simulator's account.
pub fn held(manifest: &Manifest) -> CallbackSecrets {
    let embedded = |key: &'static str| {
        let mut embedded = manifest.embedded.iter();
        let found = embedded.find(|(name, _)| *name == key);
        found.map(|(_, value)| (key, (*value).to_owned()))
    };
    let texts = manifest.spec.keys.iter();
    let texts = texts.filter(|key| !key.is_secret());
    let secrets = manifest.callbacks.secrets.iter().map(|key| {
        let (key, value) = embedded(key).unwrap_or_else(|| panic!("the simulator has no {key}"));
        (key, Secret::new(value))
    });
    CallbackSecrets {
        texts: texts.filter_map(|key| embedded(key.name)).collect(),
        secrets: secrets.collect(),
    }
}

pub fn inbound(request: Request) -> Inbound {
    Inbound {
        request,
        from: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        at: AT,
    }
}

pub fn raw_call(method: &str, path: &str, body: Option<&str>) -> RawCall {
    RawCall {
        method: method.into(),
        path: path.into(),
        body: body.map(Into::into),
        auth: None,
    }
}
