//! Effects that ask an account something, under a number: each is answered in any case, and can be called off.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::tasks::Tasks;
use crate::deck::Deck;
use crate::domain::manage::Change;
use crate::domain::{AccountId, Problem, ProblemKind, RequestId};
use crate::net::RequestOptions;
use crate::tui::{Effect, Msg};

/// Starts the request that `effect` is; gives back any other.
pub fn perform(
    effect: Effect,
    deck: &Arc<Deck>,
    tasks: &mut Tasks,
    messages: &mpsc::Sender<Msg>,
) -> Option<Effect> {
    let deck = deck.clone();
    let messages = messages.clone();
    match effect {
        Effect::Ask {
            request,
            account,
            op,
            background,
        } => {
            let crashed = Msg::Answered {
                request,
                result: Err(crash(&account)),
            };
            let how = RequestOptions {
                background,
                ..asked_by_hand(request)
            };
            let ask = async move {
                let result = deck.query(&account, op, how).await;
                Msg::Answered { request, result }
            };
            answering(request, ask, crashed, tasks, messages);
        }
        Effect::Explore {
            request,
            account,
            call,
        } => {
            let crashed = Msg::Explored {
                request,
                result: Err(crash(&account)),
            };
            let explore = async move {
                let result = deck.explore(&account, &call, asked_by_hand(request)).await;
                Msg::Explored { request, result }
            };
            answering(request, explore, crashed, tasks, messages);
        }
        Effect::RefreshToken { request, account } => {
            let crashed = Msg::Refreshed {
                request,
                result: Err(crash(&account)),
            };
            let refresh = async move {
                let result = deck.refresh_token(&account, asked_by_hand(request)).await;
                let result = result.map(drop);
                Msg::Refreshed { request, result }
            };
            answering(request, refresh, crashed, tasks, messages);
        }
        Effect::TokenToCopy { request, account } => {
            let crashed = Msg::TokenToCopy {
                request,
                result: Err(crash(&account)),
            };
            let obtain = async move {
                let result = deck.token(&account, asked_by_hand(request)).await;
                Msg::TokenToCopy { request, result }
            };
            answering(request, obtain, crashed, tasks, messages);
        }
        Effect::Manage { request, change } => manage(request, change, deck, tasks, messages),
        other => return Some(other),
    }
    None
}

/// A request that the operator waits for.
fn asked_by_hand(request: RequestId) -> RequestOptions {
    RequestOptions {
        request,
        background: false,
        no_wait: false,
    }
}

/// A task of ours ended without an answer.
fn crash(account: &AccountId) -> Problem {
    Problem::new(
        ProblemKind::Local,
        format!("account {account}: a fault in tilldeck ended this request"),
        "what was sent was sent; the fault is told when the console is left",
    )
}

fn manage(
    request: RequestId,
    change: Change,
    deck: Arc<Deck>,
    tasks: &mut Tasks,
    messages: mpsc::Sender<Msg>,
) {
    let told = messages.clone();
    let change = async move {
        let result = match deck.prove(change, asked_by_hand(request)).await {
            // What is being kept is not called off half-way, and is told in any case.
            Ok(proved) => {
                let kept = tokio::spawn(async move {
                    let result = deck.save(proved).await;
                    let _ = told.send(Msg::Managed { request, result }).await;
                });
                let _ = kept.await;
                return;
            }
            Err(problem) => Err(problem),
        };
        let _ = told.send(Msg::Managed { request, result }).await;
    };
    let crashed = async move {
        let result = Err(Problem::new(
            ProblemKind::Local,
            "a fault in tilldeck ended this change",
            "look at the config file before trying again",
        ));
        let _ = messages.send(Msg::Managed { request, result }).await;
    };
    tasks.start_request(request, change, crashed);
}

/// Starts a request that can be called off and is answered in any case.
fn answering(
    request: RequestId,
    work: impl Future<Output = Msg> + Send + 'static,
    crashed: Msg,
    tasks: &mut Tasks,
    messages: mpsc::Sender<Msg>,
) {
    let told = messages.clone();
    let work = async move {
        let _ = told.send(work.await).await;
    };
    let crashed = async move {
        let _ = messages.send(crashed).await;
    };
    tasks.start_request(request, work, crashed);
}
