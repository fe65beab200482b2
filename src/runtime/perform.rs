//! Effect to task to message; one arm each, no decisions.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::tasks::Tasks;
use crate::deck::Deck;
use crate::domain::manage::Change;
use crate::domain::{AccountId, ExchangeId, Problem, ProblemKind, RequestId, Secret, inert, time};
use crate::ledger::LogQuery;
use crate::net::{Event, How};
use crate::tui::msg::{Level, Notice};
use crate::tui::{Effect, Msg};

/// Starts what `effect` asks for; its outcome comes as a message. What concerns the terminal itself is
/// done by the loop and never comes here.
pub fn perform(effect: Effect, deck: &Arc<Deck>, tasks: &mut Tasks, messages: &mpsc::Sender<Msg>) {
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
            let how = How {
                background,
                ..asked_by_hand(request)
            };
            let ask = async move {
                let result = deck.ask(&account, op, how).await;
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
        Effect::Cancel(request) => tasks.cancel(request),
        Effect::Watch(watch) => tasks.start(async move { deck.watch(&watch).await }),
        Effect::Unwatch((account, id)) => {
            tasks.start(async move { deck.unwatch(&account, &id).await });
        }
        Effect::LoadLog {
            before,
            filter,
            limit,
        } => tasks.start(async move {
            let _ = messages
                .send(Msg::Log(log(&deck, before, filter, limit).await))
                .await;
        }),
        Effect::Browse(url) => tasks.start(async move {
            let _ = messages.send(Msg::Done(browse(url).await)).await;
        }),
        Effect::Simulate(command) => tasks.start(async move {
            let result = deck.simulate(&command);
            let _ = messages.send(Msg::Simulator(deck.simulator_parts())).await;
            let _ = messages.send(Msg::Simulated { command, result }).await;
        }),
        Effect::LookAtBudgets => tasks.start(async move {
            for (account, gauge) in deck.gauges().await {
                let _ = messages.send(Msg::Budget { account, gauge }).await;
            }
        }),
        Effect::Manage { request, change } => manage(request, change, deck, tasks, messages),
        Effect::OpenExchange { request, exchange } => tasks.start(async move {
            let result = exchange_of(&deck, exchange).await;
            let _ = messages.send(Msg::Opened { request, result }).await;
        }),
        Effect::LoadDeliveries { before, limit } => tasks.start(async move {
            let deliveries = deck.deliveries(before, limit).await;
            let _ = messages.send(Msg::Deliveries(deliveries)).await;
        }),
        Effect::OpenDelivery { request, delivery } => tasks.start(async move {
            let result = deck.received(delivery).await;
            let _ = messages.send(Msg::Received { request, result }).await;
        }),
        Effect::Replay {
            request,
            delivery,
            to,
        } => tasks.start(async move {
            let result = deck.replay(delivery, to.as_deref()).await.map(drop);
            let _ = messages.send(Msg::Replayed { request, result }).await;
        }),
        Effect::LookBack {
            request,
            account,
            payment,
        } => tasks.start(async move {
            let result = deck.timeline(&account, &payment).await;
            let _ = messages.send(Msg::Timeline { request, result }).await;
        }),
        Effect::Copy { .. } | Effect::Bell | Effect::Suspend | Effect::Quit => {}
    }
}

/// A request that the operator waits for.
fn asked_by_hand(request: RequestId) -> How {
    How {
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
                    let result = deck.keep(proved).await;
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

/// Exchanges with their bodies, newest first.
pub async fn log(
    deck: &Deck,
    before: Option<ExchangeId>,
    filter: String,
    limit: usize,
) -> Result<Vec<Arc<crate::domain::Exchange>>, Problem> {
    let query = LogQuery {
        before,
        filter,
        limit,
        bodies: true,
        ..LogQuery::default()
    };
    match deck.ledger().log(query).await {
        Ok(rows) => Ok(rows.into_iter().map(Arc::new).collect()),
        Err(error) => Err(Problem::new(
            ProblemKind::Local,
            format!("older requests cannot be read: {error}"),
            "what this run sends is shown all the same",
        )),
    }
}

/// One exchange with its bodies.
async fn exchange_of(deck: &Deck, id: ExchangeId) -> Result<Arc<crate::domain::Exchange>, Problem> {
    let mut found = log(
        deck,
        Some(ExchangeId(id.0.saturating_add(1))),
        String::new(),
        1,
    )
    .await?;
    found.retain(|exchange| exchange.id == id);
    found.pop().ok_or_else(|| {
        Problem::new(
            ProblemKind::NotFound,
            "this request is not in the ledger any more",
            "",
        )
    })
}

async fn browse(url: Secret) -> Result<String, Problem> {
    let opened = tokio::task::spawn_blocking(move || open::that_detached(url.expose())).await;
    match opened {
        Ok(Ok(())) => Ok("the page was handed to the browser".into()),
        Ok(Err(error)) => Err(Problem::new(
            ProblemKind::Local,
            format!(
                "no browser could be started: {}",
                inert::cut(&error.to_string(), 120)
            ),
            "copy the link instead",
        )),
        Err(_) => Err(Problem::new(
            ProblemKind::Local,
            "no browser could be started",
            "copy the link instead",
        )),
    }
}

/// What the gate tells, as the console hears it.
pub fn hear(event: Event) -> Msg {
    match event {
        Event::Exchange(exchange) => Msg::Exchange(exchange),
        Event::Waiting(request, waiting) => Msg::Waiting { request, waiting },
        Event::Token(account, status) => Msg::Token { account, status },
        Event::Budget(account, gauge) => Msg::Budget { account, gauge },
        Event::Delivery(delivery) => Msg::Delivery(delivery),
        Event::Listening(listening) => Msg::Listening(listening),
        Event::Asked(account, op, result) => Msg::Asked {
            account,
            op,
            result,
        },
        Event::ClockAhead(account, by) => Msg::Notice(Notice {
            level: Level::Warning,
            about: format!("clock {account}"),
            text: clock_ahead(&account, by),
        }),
    }
}

/// Why a clock that is ahead matters.
#[must_use]
pub fn clock_ahead(account: &AccountId, by: Duration) -> String {
    format!(
        "this machine's clock is {} ahead of {account}'s provider: nonces made from it could lock out a shop that \
         shares the key; set the clock",
        time::fine(by)
    )
}
