//! The built-in simulator, and control of a simulator that runs elsewhere on this machine.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpListener;

use super::{Deck, secrets};
use crate::clock::Clock;
use crate::domain::{Problem, ProblemKind, Secret, WallTime, inert, simulate};
use crate::http_server::{self, Outgoing};
use crate::net::redact;
use crate::providers::{self, REGISTRY};
use crate::sandbox::{self, Sandbox};

/// How long a program on this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Deck {
    /// Runs a control command in the built-in simulator; returns its answer in words.
    ///
    /// # Errors
    /// If none is running, or the command is invalid.
    pub fn simulate(&self, command: &simulate::Command) -> Result<String, Problem> {
        let refuse = |why: String| Problem::usage(why, "");
        let simulator = self
            .simulator
            .as_ref()
            .ok_or_else(|| refuse("no simulator is running in this profile".into()))?;
        simulator.command(command).map_err(refuse)
    }

    /// How the built-in simulator plays each provider with more than one variant.
    pub fn simulator_parts(&self) -> Vec<simulate::Part> {
        let parts = self.simulator.iter().flat_map(Sandbox::settings);
        parts
            .filter(|(_, settings, events)| !settings.is_empty() || !events.is_empty())
            .map(|(provider, settings, events)| simulate::Part {
                provider,
                settings,
                events,
            })
            .collect()
    }
}

/// Runs a control command in a simulator elsewhere on this machine; returns its answer in words.
///
/// # Errors
/// If it cannot be reached, or rejects the command.
pub async fn trigger(url: &str, command: &simulate::Command) -> Result<String, Problem> {
    if !http_server::is_local_url(url) {
        let url = inert::quoted(url, 80);
        return Err(Problem::usage(
            format!("{url} is not the URL of a simulator on this machine"),
            "pass the URL that `tilldeck sandbox serve` prints, such as http://127.0.0.1:9000",
        ));
    }
    let sandbox::control::Call { path, json } = sandbox::control::call(command);
    let outgoing = Outgoing {
        url: format!("{}{path}", url.trim_end_matches('/')),
        headers: vec![("content-type".into(), "application/json".into())],
        body: Some(json),
    };
    // Not repeated: a lost response may follow a command that took effect.
    let answered = http_server::send(&outgoing, PATIENCE).await;
    let answered = answered.map_err(|error| {
        Problem::new(
            ProblemKind::Unreachable,
            format!("cannot reach the simulator: {error}"),
            "check that `tilldeck sandbox serve` runs, and pass the URL that it prints",
        )
    })?;
    let body = answered.body.unwrap_or_default();
    let answer = inert::cut(String::from_utf8_lossy(&body).trim(), 200);
    if answered.status < 300 {
        Ok(answer)
    } else {
        let message = format!("the simulator rejected the command: {answer}");
        Err(Problem::usage(message, ""))
    }
}

/// One simulated callback and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The target URL, redacted.
    pub url: String,
    /// Headers besides those of every request; redacted.
    pub headers: Vec<(String, String)>,
    /// Its body, redacted.
    pub body: Option<String>,
    /// The status and the complete body, redacted; or why no answer arrived.
    pub answer: Result<(u16, Option<String>), String>,
}

impl Posted {
    /// Whether it was accepted: providers count only 200.
    pub fn is_taken(&self) -> bool {
        matches!(self.answer, Ok((200, _)))
    }
}

/// How a simulated callback is signed.
#[derive(Debug, Clone)]
pub enum Proof {
    /// With the simulator's own secret.
    Simulator,
    /// With another account's secret.
    Own(Secret),
    /// Not at all.
    None,
}

/// A simulated callback to send.
#[derive(Debug, Clone)]
pub struct TestCallback {
    /// The provider's short name.
    pub provider: String,
    /// The target: plain http on this machine.
    pub to: String,
    /// The subject: a payment's id, a reservation's, a purchase's reference, a player's number.
    pub subject: String,
    /// The event, in the provider's word; empty for the most common one.
    pub event: String,
    /// How it is signed.
    pub proof: Proof,
    /// The header that carries the secret, where the shop chooses it.
    pub header: Option<String>,
    /// How often the same bytes are sent.
    pub times: u32,
}

/// Builds a callback as a provider would, and sends it straight to a receiver on this machine. Reports each attempt.
///
/// # Errors
/// If the provider has no such callback, or the address is on another machine.
pub async fn post(posting: &TestCallback, at: WallTime) -> Result<Vec<Posted>, Problem> {
    let usage = |message: String, hint: &str| Problem::usage(message, hint);
    let manifest = providers::by_name(&posting.provider).ok_or_else(|| {
        let known: Vec<_> = REGISTRY.iter().map(|manifest| manifest.id.0).collect();
        let name = inert::quoted(&posting.provider, 40);
        usage(
            format!("there is no provider {name}"),
            &format!("the providers are: {}", known.join(", ")),
        )
    })?;
    if !http_server::is_local_url(&posting.to) {
        let to = inert::quoted(&posting.to, 80);
        return Err(usage(
            format!("{to} is not an http:// URL of this machine"),
            "give the receiver's address, like http://127.0.0.1:8787/callbacks/shop",
        ));
    }
    let key = manifest.callbacks.secrets.first().copied();
    let secret = match (&posting.proof, key) {
        (Proof::None, _) | (Proof::Simulator, None) => None,
        (Proof::Simulator, Some(key)) => secrets::embedded(manifest, key).map(Secret::new),
        (Proof::Own(secret), Some(_)) => Some(secret.clone()),
        (Proof::Own(_), None) => {
            let title = manifest.title;
            return Err(usage(format!("callbacks of {title} carry no secret"), ""));
        }
    };
    // Before it can appear in the reported request.
    if let (Some(secret), Some(key)) = (&secret, key) {
        redact::learn(secret, key);
    }
    let sample = sandbox::Sample {
        subject: &posting.subject,
        event: &posting.event,
        secret: secret.as_ref(),
        header: posting.header.as_deref(),
        at,
    };
    let webhook = (manifest.simulator)().sample(&sample);
    let webhook = webhook.map_err(|why| usage(why, ""))?;
    let outgoing = webhook.request(&posting.to);
    let shown = Posted {
        method: outgoing.method(),
        url: Url::parse(&outgoing.url).map_or_else(|_| String::new(), |url| redact::url(&url)),
        headers: outgoing
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), redact::header(name, value)))
            .collect(),
        body: outgoing.body.as_deref().map(redact::body),
        answer: Err(String::new()),
    };
    let mut all = Vec::new();
    for _ in 0..posting.times {
        let answer = http_server::send(&outgoing, PATIENCE).await;
        all.push(Posted {
            answer: answer.map_err(|error| error.to_string()).map(|answered| {
                let body = answered
                    .body
                    .map(|body| redact::body(&String::from_utf8_lossy(&body)));
                (answered.status, body)
            }),
            ..shown.clone()
        });
    }
    Ok(all)
}

/// Starts the simulator on a free port; it sends each provider's callbacks to its URL.
pub(super) async fn start(
    clock: &Clock,
    callback_urls: BTreeMap<String, String>,
) -> Result<Sandbox, Problem> {
    let trouble = |error: String| {
        Problem::local(
            format!("the built-in simulator could not be started: {error}"),
            "it needs one free port on 127.0.0.1; with a config file, --profile chooses real accounts",
        )
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(|error| trouble(error.to_string()))?;
    let options = sandbox::Options {
        callback_urls,
        ..sandbox::Options::new(clock.clone())
    };
    serve(listener, options).await.map_err(trouble)
}

/// Starts the simulator of every provider on `listener`.
///
/// # Errors
/// A message that says why it could not be started.
pub async fn serve(listener: TcpListener, options: sandbox::Options) -> Result<Sandbox, String> {
    let providers = REGISTRY
        .iter()
        .map(|manifest| (manifest.simulator)())
        .collect();
    sandbox::start(listener, providers, options)
        .await
        .map_err(|error| error.to_string())
}
