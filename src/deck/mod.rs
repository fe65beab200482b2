//! A profile made to work: accounts with their sessions, the ledger, the embedded simulator. The only
//! wiring; console, command line and tests all stand on it.

mod desk;
mod explore;
pub mod manage;
mod receiving;
mod secrets;
mod simulator;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::sync::mpsc;

pub use desk::accounts;
use desk::{Desk, Desks, Seats};
pub use simulator::{Posted, Posting, Proof, post, serve};

use secrets::InHand;

use crate::clock::Clock;
use crate::config::{Environ, Profile, Vault};
use crate::domain::{
    Account, AccountId, Answer, BudgetGauge, CredentialStatus, Environment, Observation, Op,
    PaymentId, Problem, ProblemKind, Watch,
};
use crate::ledger::{Ledger, Retention};
use crate::net::{Event, Gate, How, Timeouts};
use crate::providers::{REGISTRY, Verify};
use crate::sandbox::Sandbox;

/// What a deck is opened with.
pub struct Options {
    /// Where the ledger is.
    pub state_dir: PathBuf,
    /// Tells the time.
    pub clock: Clock,
    /// How long a request may take.
    pub timeouts: Timeouts,
    /// Who hears of each exchange.
    pub events: Option<mpsc::Sender<Event>>,
    /// Whether access tokens are renewed ahead of their end, as long as the deck is open.
    pub renew: bool,
    /// Where a secret's environment variable is looked up.
    pub environ: Environ,
    /// The config file, where accounts are added and removed; it need not exist.
    pub config: Option<PathBuf>,
    /// Where secrets that tilldeck is given are kept, and access tokens between runs.
    pub vault: Vault,
}

/// A profile at work.
pub struct Deck {
    profile: String,
    config: Option<PathBuf>,
    desks: Desks,
    seats: Seats,
    gate: Arc<Gate>,
    ledger: Ledger,
    clock: Clock,
    simulator: Option<Sandbox>,
}

impl Deck {
    /// Opens a profile. The ledger opens behind this; secrets are read at first use.
    ///
    /// # Errors
    /// If the embedded simulator cannot be started.
    pub async fn open(profile: &Profile, options: Options) -> Result<Self, Problem> {
        let Options {
            state_dir,
            clock,
            timeouts,
            events,
            environ,
            renew,
            config,
            vault,
        } = options;
        let ledger = Ledger::start(state_dir, clock.clone(), Retention::default());
        let gate = Arc::new(Gate::new(ledger.clone(), clock.clone(), timeouts, events));
        let simulator = if profile.built_in {
            Some(simulator::start(&clock).await?)
        } else {
            None
        };
        let seats = Seats {
            gate: gate.clone(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            environ,
            vault,
            in_hand: InHand::default(),
            renews: renew,
            keeps: true,
        };
        let desks: Vec<Desk> = if let Some(simulator) = &simulator {
            let base = Url::parse(&simulator.base_url()).expect("a loopback address makes a URL");
            REGISTRY
                .iter()
                .map(|manifest| seats.embedded(manifest, &base))
                .collect()
        } else {
            profile
                .accounts
                .iter()
                .filter_map(|config| seats.configured(config))
                .collect()
        };
        Ok(Self {
            profile: profile.name.clone(),
            config,
            desks: Desks::new(desks),
            seats,
            gate,
            ledger,
            clock,
            simulator,
        })
    }

    /// The accounts at work, in the config's order.
    pub fn accounts(&self) -> impl Iterator<Item = Account> {
        let desks = self.desks.all().into_iter();
        desks.map(|desk| desk.account.clone())
    }

    /// What survives this process.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How each account's budget stands.
    pub async fn gauges(&self) -> Vec<(AccountId, BudgetGauge)> {
        let mut gauges = Vec::new();
        for desk in self.desks.all() {
            for limit in desk.session.limits() {
                if let Some(gauge) = self.gate.gauge(limit).await {
                    gauges.push((desk.account.id.clone(), gauge));
                }
            }
        }
        gauges
    }

    /// The account whose provider's clock was seen to be behind this machine's, and by how much.
    #[must_use]
    pub fn clock_ahead(&self) -> Option<(AccountId, Duration)> {
        self.gate.clock_ahead()
    }

    /// The simulator's address, where one is running.
    #[must_use]
    pub fn simulator_url(&self) -> Option<String> {
        self.simulator.as_ref().map(Sandbox::base_url)
    }

    fn desk(&self, id: &AccountId) -> Result<Arc<Desk>, Problem> {
        let desk = self.desks.find(id);
        desk.ok_or_else(|| self.no_account(id.as_str()))
    }

    fn no_account(&self, name: &str) -> Problem {
        let names: Vec<String> = self
            .accounts()
            .map(|account| account.id.to_string())
            .collect();
        Problem::new(
            ProblemKind::Usage,
            format!(
                "profile {} has no account {}",
                self.profile,
                crate::domain::inert::quoted(name, 64)
            ),
            if names.is_empty() {
                "it has none at all; `tilldeck account add` makes one".to_owned()
            } else {
                format!("its accounts are: {}", names.join(", "))
            },
        )
    }

    /// The account called `name`; without a name, the only account of `provider`.
    ///
    /// # Errors
    /// If there is no such account, it is another provider's, or there are several to choose from.
    pub fn pick(&self, name: Option<&str>, provider: Option<&str>) -> Result<Account, Problem> {
        let is_theirs =
            |account: &Account| provider.is_none_or(|provider| account.provider.0 == provider);
        if let Some(name) = name {
            let account = self
                .accounts()
                .find(|account| account.id.as_str() == name)
                .ok_or_else(|| self.no_account(name))?;
            return if is_theirs(&account) {
                Ok(account)
            } else {
                Err(Problem::new(
                    ProblemKind::Usage,
                    format!(
                        "account {name} is a {} account; this command is for {}",
                        account.provider_title,
                        provider.unwrap_or_default()
                    ),
                    "name another account with --account",
                ))
            };
        }
        let mut theirs = self.accounts().filter(is_theirs);
        match (theirs.next(), theirs.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Problem::new(
                ProblemKind::Usage,
                format!(
                    "profile {} has no {} account",
                    self.profile,
                    provider.unwrap_or_default()
                ),
                "add one with `tilldeck account add`, or choose another profile with --profile",
            )),
            (Some(first), Some(second)) => Err(Problem::new(
                ProblemKind::Usage,
                format!(
                    "profile {} has several such accounts: {}, {}, …",
                    self.profile, first.id, second.id
                ),
                "name one with --account",
            )),
        }
    }

    /// Asks an account.
    ///
    /// # Errors
    /// Tells what happened, to which account, and what to do next.
    pub async fn ask(&self, account: &AccountId, op: Op, how: How) -> Result<Answer, Problem> {
        let desk = self.desk(account)?;
        let result = match &op {
            Op::PaymentLink(link) => {
                let token = if link.with_token {
                    match self.perform(&desk, &Op::CreatePaymentToken, how).await? {
                        Answer::PaymentToken(token) => Some(token),
                        _ => None,
                    }
                } else {
                    None
                };
                desk.client
                    .link(link, token.as_ref())
                    .map(Answer::Link)
                    .map_err(|error| desk.problem(error))
            }
            op => self.perform(&desk, op, how).await,
        };
        self.remember(&desk, &op, &result).await;
        result
    }

    async fn perform(&self, desk: &Desk, op: &Op, how: How) -> Result<Answer, Problem> {
        let ask = async {
            // A kept token would answer for credentials that are withdrawn by now.
            if let (Op::Verify, Some(tokens)) = (op, &desk.tokens) {
                tokens.refresh(how).await?;
                if desk.manifest.verify == Verify::TokenCall {
                    return Ok(Answer::Verified);
                }
            }
            let call = desk.client.call(op)?;
            let reply = desk.session.send(&call, desk.client.as_ref(), how).await?;
            desk.client.answer(op, &reply, reply.at)
        };
        ask.await.map_err(|error| desk.problem(error))
    }

    /// Keeps what outlives this run. The simulator's world does not, so nothing of it is kept.
    async fn remember(&self, desk: &Desk, op: &Op, result: &Result<Answer, Problem>) {
        if desk.account.environment == Environment::Embedded {
            return;
        }
        let at = self.clock.now().wall;
        match (op, result) {
            (_, Ok(Answer::Payment(payment))) => {
                let observation = Observation {
                    at,
                    payment: payment.clone(),
                };
                // What cannot be kept is told by the ledger's own status; the answer stands all the same.
                let _ = self
                    .ledger
                    .observe(&desk.account.id, &self.profile, &observation)
                    .await;
            }
            (Op::Verify, result) => {
                let status = CredentialStatus::after(result.as_ref().map(|_| ()), at);
                let _ = self
                    .ledger
                    .remember_credentials(&self.profile, &desk.account.id, &status)
                    .await;
            }
            _ => {}
        }
    }

    /// Whether a raw call to this path of this account writes.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn writes(&self, account: &AccountId, method: &str, path: &str) -> Result<bool, Problem> {
        Ok(self.desk(account)?.manifest.writes(method, path))
    }

    /// Whether a call to this path of this account could be sent at all.
    ///
    /// # Errors
    /// If the path leads elsewhere.
    pub fn could_send(&self, account: &AccountId, path: &str) -> Result<(), Problem> {
        let desk = self.desk(account)?;
        let op = Op::Raw {
            method: "GET".into(),
            path: path.to_owned(),
            body: None,
            writes: false,
        };
        let call = desk.client.call(&op).map_err(|error| desk.problem(error))?;
        desk.session
            .resolve(&call)
            .map(drop)
            .map_err(|error| desk.problem(error.into()))
    }

    /// The kind and words of what the provider itself says in a raw reply (a failure inside a 200).
    ///
    /// # Errors
    /// The provider's failure.
    pub fn judge_raw(
        &self,
        account: &AccountId,
        raw: &crate::domain::RawReply,
    ) -> Result<(), Problem> {
        let desk = self.desk(account)?;
        desk.client.judge(raw).map_err(|error| desk.problem(error))
    }

    /// The payments to watch, with what was seen of each before.
    pub async fn watches(&self) -> Vec<(Watch, Vec<Observation>)> {
        if let Some(simulator) = &self.simulator {
            let since = self.clock.now().wall;
            let seeded = simulator.seeded().into_iter();
            return seeded
                .filter_map(|(provider, id, expected)| {
                    let account = AccountId::new(provider).ok()?;
                    Some((
                        Watch {
                            account,
                            id,
                            expected: Some(expected),
                            since,
                        },
                        Vec::new(),
                    ))
                })
                .collect();
        }
        let mut watches = Vec::new();
        for watch in self.ledger.watches(&self.profile).await.unwrap_or_default() {
            let seen = self
                .ledger
                .observations(&self.profile, &watch.account, &watch.id)
                .await
                .unwrap_or_default();
            watches.push((watch, seen));
        }
        watches
    }

    /// Keeps a payment on the watch list beyond this run.
    pub async fn watch(&self, watch: &Watch) {
        if self.simulator.is_none() {
            let _ = self.ledger.watch(&self.profile, watch).await;
        }
    }

    /// Takes a payment off the watch list.
    pub async fn unwatch(&self, account: &AccountId, id: &PaymentId) {
        if self.simulator.is_none() {
            let _ = self.ledger.unwatch(&self.profile, account, id).await;
        }
    }

    /// What each account's credentials were when they were last verified.
    pub async fn remembered_credentials(&self) -> Vec<(AccountId, CredentialStatus)> {
        let mut known = Vec::new();
        if self.simulator.is_none() {
            for account in self.accounts() {
                if let Ok(status) = self
                    .ledger
                    .recall_credentials(&self.profile, &account.id)
                    .await
                {
                    known.push((account.id.clone(), status));
                }
            }
        }
        known
    }

    /// Waits until the tokens that were fetched are kept, within limits.
    pub async fn settle_tokens(&self) {
        for desk in self.desks.all() {
            if let Some(tokens) = &desk.tokens {
                tokens.settle().await;
            }
        }
    }

    /// Stops the simulator and waits until the ledger has written all.
    pub async fn close(self) {
        self.settle_tokens().await;
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
        self.ledger.flush().await;
    }
}
