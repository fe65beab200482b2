//! `sandbox`: the embedded providers for other programs, and what can be made to happen in them.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;
use tokio::net::TcpListener;

use super::args::Trigger;
use super::output::{Closed, Out, Tone};
use super::{Exit, local};
use crate::clock::Clock;
use crate::deck::{self, Deck};
use crate::domain::{Problem, ProblemKind, simulate};
use crate::providers::REGISTRY;
use crate::sandbox;

/// What `sandbox serve` was given.
pub struct Serve {
    pub bind: SocketAddr,
    pub seed: u64,
    pub speed: u32,
    pub callback_url: Option<String>,
    pub keep: Option<PathBuf>,
}

pub async fn serve(serve: Serve, out: &Out) -> Result<Exit, Closed> {
    if !serve.bind.ip().is_loopback() {
        return out.fail(&Problem::new(
            ProblemKind::Usage,
            format!(
                "the sandbox does not listen on {}: its keys are public",
                serve.bind.ip()
            ),
            "bind it to 127.0.0.1 or [::1]",
        ));
    }
    let listener = match TcpListener::bind(serve.bind).await {
        Ok(listener) => listener,
        Err(error) => {
            return out.fail(&Problem::new(
                ProblemKind::Local,
                format!("{} cannot be listened on: {error}", serve.bind),
                "choose another port, or port 0 for any free one",
            ));
        }
    };
    let options = sandbox::Options {
        seed: serve.seed,
        speed: serve.speed,
        clock: Clock::system(),
        callback_urls: serve
            .callback_url
            .map(|url| ("kanga".to_owned(), url))
            .into_iter()
            .collect(),
        keep: serve.keep,
    };
    let running = match deck::serve(listener, options).await {
        Ok(running) => running,
        Err(error) => return out.fail(&local(&format!("the sandbox cannot be started: {error}"))),
    };
    let url = running.base_url();
    if out.json {
        let accounts: Vec<_> = REGISTRY
            .iter()
            .map(|manifest| {
                let mut account =
                    serde_json::Map::from_iter([("provider".to_owned(), json!(manifest.id.0))]);
                account.extend(
                    manifest
                        .embedded
                        .iter()
                        .map(|(key, value)| ((*key).to_owned(), json!(value))),
                );
                account
            })
            .collect();
        out.object(&json!({ "url": url, "accounts": accounts }))?;
    } else {
        out.line(&url)?;
        for manifest in REGISTRY {
            let keys: Vec<String> = manifest
                .embedded
                .iter()
                .map(|(key, value)| format!("{key} = {value}"))
                .collect();
            out.tell(Tone::Strong, manifest.title, &keys.join("  "));
        }
        out.tell(
            Tone::Dim,
            "control",
            &format!("tilldeck sandbox trigger --url {url} fault 429"),
        );
        out.say("Ctrl-C stops it");
    }
    let stopped = wait_for_stop().await;
    running.stop().await;
    Ok(stopped)
}

/// SIGINT counts as an interruption, SIGTERM as the regular end of a service.
pub(super) async fn wait_for_stop() -> Exit {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Done,
        }
    } else {
        let _ = tokio::signal::ctrl_c().await;
        Exit::Interrupted
    }
}

pub async fn trigger(url: &str, what: &Trigger, deck: &Deck, out: &Out) -> Result<Exit, Closed> {
    let command = match what {
        Trigger::Fault { fault } => simulate::Command::SetFault(*fault),
        Trigger::Advance { by } => simulate::Command::Advance(*by),
        Trigger::Payer { id, act } => simulate::Command::Payer {
            payment: id.clone(),
            act: *act,
        },
        Trigger::Callback { id } => simulate::Command::RepeatCallback(id.clone()),
        Trigger::Set {
            provider,
            setting,
            value,
        } => simulate::Command::Set {
            provider: provider.clone(),
            setting: setting.clone(),
            value: value.clone(),
        },
        Trigger::Event {
            provider,
            event,
            subject,
        } => simulate::Command::Event {
            provider: provider.clone(),
            event: event.clone(),
            subject: subject.join(" "),
        },
    };
    match deck.trigger(url, &command).await {
        Ok(happened) if out.json => out
            .object(&json!({ "happened": happened }))
            .map(|()| Exit::Done),
        Ok(happened) => out.line(&happened).map(|()| Exit::Done),
        Err(problem) => out.fail(&problem),
    }
}
