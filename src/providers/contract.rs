//! What every provider must pass, each on its own simulator, over real HTTP: good, refused, 429, torn body.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::{ApiError, Client, Credentials, Manifest, REGISTRY, Verify};
use crate::auth::Tokens;
use crate::clock::Clock;
use crate::config::KeyKind;
use crate::domain::simulate::{Command, Fault};
use crate::domain::{
    Account, AccountId, Answer, Environment, Op, Problem, ProblemKind, RequestId, Secret,
};
use crate::ledger::{Ledger, Retention};
use crate::net::{Gate, How, Session, Timeouts};
use crate::sandbox::{self, Sandbox};

struct Bench {
    client: Arc<dyn Client>,
    session: Session,
    tokens: Option<Tokens>,
    verify: Verify,
    sandbox: Sandbox,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// The provider's client on its own simulator; with `wrong`, every secret is another one.
    async fn new(manifest: &'static Manifest, wrong: bool) -> Self {
        let clock = Clock::system();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialects = vec![(manifest.dialect)()];
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
        let endpoints: Vec<_> = manifest
            .spec
            .endpoints
            .iter()
            .map(|name| (*name, base.clone()))
            .collect();
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
            .filter(|key| key.kind == KeyKind::Text);
        let account = Account {
            id: AccountId::new("under-test").unwrap(),
            provider: manifest.id,
            provider_title: manifest.title,
            environment: Environment::Embedded,
            host: String::new(),
            secret_source: String::new(),
            uses_access_tokens: manifest.tokens.is_some(),
        };
        let gate = Arc::new(Gate::new(
            ledger.clone(),
            clock.clone(),
            Timeouts::default(),
            None,
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
            clock: clock.clone(),
            tokens: None,
        };
        credentials.tokens = manifest
            .tokens
            .map(|fetch| Tokens::new(session.clone(), fetch(&credentials), clock.clone()));
        Self {
            tokens: credentials.tokens.clone(),
            verify: manifest.verify,
            client: (manifest.connect)(credentials),
            session,
            sandbox,
            _folder: folder,
        }
    }

    async fn verify(&self) -> Result<Answer, Problem> {
        let how = How {
            request: RequestId(1),
            background: false,
            no_wait: true,
        };
        let account = self.session.account();
        let told = |error: ApiError| error.problem(&account.id, account.provider_title);
        if self.verify == Verify::TokenCall {
            let tokens = self.tokens.as_ref().expect("it verifies by a token call");
            let granted = tokens.refresh(how).await;
            return granted
                .map(|_| Answer::Verified)
                .map_err(|error| told(error.into()));
        }
        let call = self.client.call(&Op::Verify).map_err(told)?;
        let reply = self.session.send(&call, self.client.as_ref(), how).await;
        let reply = reply.map_err(|error| told(error.into()))?;
        self.client
            .answer(&Op::Verify, &reply, reply.at)
            .map_err(told)
    }
}

#[tokio::test]
async fn good_credentials_are_verified() {
    for manifest in REGISTRY {
        let bench = Bench::new(manifest, false).await;
        assert_eq!(
            bench.verify().await,
            Ok(Answer::Verified),
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
        assert!(
            matches!(&refused, Err(problem) if problem.kind == ProblemKind::Refused),
            "{}: {refused:?}",
            manifest.title
        );
    }
}

#[tokio::test]
async fn faults_say_nothing_of_the_credentials() {
    // Each on a simulator of its own, all at once: what is tried again waits for real.
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
            all.spawn(async move {
                let bench = Bench::new(manifest, false).await;
                bench.sandbox.command(&Command::SetFault(fault)).unwrap();
                let told = bench.verify().await.map_err(|problem| problem.kind);
                let due = if nonsense {
                    ProblemKind::Nonsense
                } else {
                    ProblemKind::Failing
                };
                assert_eq!(told, Err(due), "{}, {fault:?}", manifest.title);
                bench
                    .sandbox
                    .command(&Command::SetFault(Fault::Latency(Duration::from_millis(
                        30,
                    ))))
                    .unwrap();
                assert_eq!(
                    bench.verify().await,
                    Ok(Answer::Verified),
                    "late is good enough: {}",
                    manifest.title
                );
            });
        }
    }
    all.join_all().await;
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
