//! The simulator behind a deck, and the control of one that runs elsewhere on this machine.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use reqwest::Url;
use tokio::net::TcpListener;

use super::Deck;
use crate::clock::Clock;
use crate::domain::{
    Account, AccountId, Environment, Problem, ProblemKind, ProviderId, RequestId, inert, simulate,
};
use crate::net::{
    self, Authorise, BoxFuture, Call, Content, HeaderText, How, NetError, Repeat, Sealed, Session,
};
use crate::providers::REGISTRY;
use crate::sandbox::{self, Sandbox};

impl Deck {
    /// Makes something happen in the embedded simulator; says what, in words.
    ///
    /// # Errors
    /// If none is running, or the command does not fit.
    pub fn simulate(&self, command: &simulate::Command) -> Result<String, Problem> {
        let refuse = |why: String| Problem::new(ProblemKind::Usage, why, "");
        let simulator = self
            .simulator
            .as_ref()
            .ok_or_else(|| refuse("no simulator is running in this profile".into()))?;
        simulator.command(command).map_err(refuse)
    }

    /// How the embedded simulator plays each provider that can be played in more than one way.
    #[must_use]
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

    /// Makes something happen in a simulator that runs elsewhere on this machine; says what, in words.
    ///
    /// # Errors
    /// If it cannot be reached, or refuses.
    pub async fn trigger(&self, url: &str, command: &simulate::Command) -> Result<String, Problem> {
        let account = AccountId::new("simulator").expect("a plain word is a fine account name");
        let base = Url::parse(url)
            .ok()
            .filter(net::is_loopback)
            .ok_or_else(|| {
                Problem::new(
                    ProblemKind::Usage,
                    format!(
                        "{} is not the URL of a sandbox on this machine",
                        inert::quoted(url, 80)
                    ),
                    "give the URL that `tilldeck sandbox serve` printed",
                )
            })?;
        let sandbox::control::Call { path, json } = sandbox::control::call(command);
        let session = Session::new(
            self.gate.clone(),
            Account {
                id: account.clone(),
                provider: ProviderId("simulator"),
                provider_title: "the sandbox",
                environment: Environment::Embedded,
                host: net::http::authority(&base),
                base: base.as_str().trim_end_matches('/').to_owned(),
                secret_source: String::new(),
                uses_access_tokens: false,
            },
            vec![("control", base)],
            Vec::new(),
        );
        let how = How {
            request: RequestId(0),
            background: false,
            no_wait: false,
        };
        let call = Call {
            method: "POST".into(),
            endpoint: "control",
            path,
            body: Content::Text(json),
            about: "simulator control".into(),
            repeat: Repeat::Never,
        };
        let reply = session
            .send(&call, &Unsigned, how)
            .await
            .map_err(|error| error.problem(&account))?;
        let said = inert::cut(String::from_utf8_lossy(&reply.body).trim(), 200);
        if reply.status < 300 {
            Ok(said)
        } else {
            Err(Problem::new(
                ProblemKind::Usage,
                format!("the sandbox refused: {said}"),
                "",
            ))
        }
    }
}

/// Sends a body as it is; the simulator's control needs no key.
struct Unsigned;

impl Authorise for Unsigned {
    fn authorise<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Sealed, NetError>> {
        let body = match &call.body {
            Content::Text(text) => text.clone().into(),
            Content::Empty | Content::Fields(_) => bytes::Bytes::new(),
        };
        let headers = vec![("content-type", HeaderText::Open("application/json".into()))];
        Box::pin(async move { Ok(Sealed::new(headers, body)) })
    }
}

/// Starts the simulator on any free port; it sends each provider's callbacks to its URL.
pub(super) async fn start(
    clock: &Clock,
    callback_urls: BTreeMap<String, String>,
) -> Result<Sandbox, Problem> {
    let trouble = |error: String| {
        Problem::new(
            ProblemKind::Local,
            format!("the embedded simulator could not be started: {error}"),
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
/// In words, why it could not be started.
pub async fn serve(listener: TcpListener, options: sandbox::Options) -> Result<Sandbox, String> {
    let dialects = REGISTRY
        .iter()
        .map(|manifest| (manifest.dialect)())
        .collect();
    sandbox::start(listener, dialects, options)
        .await
        .map_err(|error| error.to_string())
}
