//! Effects that send requests to an account. Each has a number, always gets an answer, and can be cancelled.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::tasks::Tasks;
use crate::deck::Deck;
use crate::domain::manage::Change;
use crate::domain::{AccountId, Problem, ProblemKind, RequestId};
use crate::net::RequestOptions;
use crate::tui::{Effect, Msg};

/// Starts a request effect; returns any other effect.
pub fn perform(
    effect: Effect,
    deck: &Arc<Deck>,
    tasks: &mut Tasks,
    messages: &mpsc::Sender<Msg>,
) -> Option<Effect> {
    let deck = deck.clone();
    let starter = Starter {
        tasks,
        messages: messages.clone(),
    };
    match effect {
        Effect::Ask {
            request,
            account,
            op,
            background,
        } => {
            let crashed = Msg::Answered(request, op.failed(crash(&account)));
            let how = RequestOptions {
                background,
                ..foreground(request)
            };
            let ask = async move {
                let result = deck.query(&account, op, how).await;
                Msg::Answered(request, result)
            };
            starter.answering(request, ask, crashed);
        }
        Effect::Explore(request, account, call) => {
            let crashed = Msg::Explored(request, Err(crash(&account)));
            let explore = async move {
                let result = deck.explore(&account, &call, foreground(request)).await;
                Msg::Explored(request, result)
            };
            starter.answering(request, explore, crashed);
        }
        Effect::RefreshToken(request, account) => {
            let crashed = Msg::Refreshed(request, Err(crash(&account)));
            let refresh = async move {
                let result = deck.fetch_token(&account, foreground(request)).await;
                let result = result.map(drop);
                Msg::Refreshed(request, result)
            };
            starter.answering(request, refresh, crashed);
        }
        Effect::TokenToCopy(request, account) => {
            let crashed = Msg::TokenToCopy(request, Err(crash(&account)));
            let obtain = async move {
                let result = deck.token(&account, foreground(request)).await;
                Msg::TokenToCopy(request, result)
            };
            starter.answering(request, obtain, crashed);
        }
        Effect::Manage(request, change) => starter.manage(request, change, deck),
        other => return Some(other),
    }
    None
}

/// Options of a request that the operator waits for.
pub fn foreground(request: RequestId) -> RequestOptions {
    RequestOptions {
        request,
        background: false,
        no_wait: false,
    }
}

/// Reports a change of the accounts whose task panicked.
pub async fn crashed_change(request: RequestId, messages: mpsc::Sender<Msg>) {
    let result = Err(Problem::new(
        ProblemKind::Local,
        "an internal error in tilldeck ended this change",
        "check the config file before you try again",
    ));
    let _ = messages.send(Msg::Managed(request, result)).await;
}

/// The problem of a task that panicked.
fn crash(account: &AccountId) -> Problem {
    Problem::new(
        ProblemKind::Local,
        format!("account {account}: an internal error in tilldeck ended this request"),
        "a sent request may have taken effect; quit the console to see the error",
    )
}

/// Starts the task of a request; its messages go to the console.
struct Starter<'a> {
    tasks: &'a mut Tasks,
    messages: mpsc::Sender<Msg>,
}

impl Starter<'_> {
    fn manage(self, request: RequestId, change: Change, deck: Arc<Deck>) {
        let messages = self.messages;
        let reporter = messages.clone();
        let change = async move {
            let result = match deck.prove(change, foreground(request)).await {
                // Saving is not cancelled half-way, and its result is always reported.
                Ok(proved) => {
                    let saving = tokio::spawn(async move {
                        let result = deck.save(proved).await;
                        let _ = reporter.send(Msg::Managed(request, result)).await;
                    });
                    let _ = saving.await;
                    return;
                }
                Err(problem) => Err(problem),
            };
            let _ = reporter.send(Msg::Managed(request, result)).await;
        };
        self.tasks
            .start_request(request, change, crashed_change(request, messages));
    }

    /// Starts a request that can be cancelled and always gets an answer.
    fn answering(
        self,
        request: RequestId,
        work: impl Future<Output = Msg> + Send + 'static,
        crashed: Msg,
    ) {
        let messages = self.messages;
        let reporter = messages.clone();
        let work = async move {
            let _ = reporter.send(work.await).await;
        };
        let crashed = async move {
            let _ = messages.send(crashed).await;
        };
        self.tasks.start_request(request, work, crashed);
    }
}
