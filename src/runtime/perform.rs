//! Performs the console's effects: one task for each, whose result is a message.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use super::doctor;
use super::feed::send_gauges;
use super::tasks::{Tasks, to_the_end};
use crate::config::child;
use crate::deck::Deck;
use crate::domain::manage::Change;
use crate::domain::{
    AccountId, Exchange, ExchangeId, Expectation, NewExpectation, Problem, ProblemKind, Replaced,
    RequestId, Secret, ThemeChoice, inert,
};
use crate::net::{BoxFuture, RequestOptions};
use crate::tui::msg::{NewWatch, WatchKey};
use crate::tui::{Effect, LOAD, Msg};

pub struct Performer<'a> {
    pub deck: Arc<Deck>,
    pub tasks: &'a mut Tasks,
    pub messages: mpsc::Sender<Msg>,
    /// Waits for what must not be cancelled half-way.
    pub endings: TaskTracker,
}

impl Performer<'_> {
    /// Starts an effect's task. The main loop handles effects on the terminal itself.
    pub fn perform(self, effect: Effect) {
        let deck = self.deck.clone();
        match effect {
            Effect::Query {
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
                self.request(
                    request,
                    crashed,
                    Box::pin(
                        async move { Msg::Answered(request, deck.query(&account, op, how).await) },
                    ),
                );
            }
            Effect::Manage(request, change) => self.manage(request, change),
            Effect::Diagnose(request) => {
                let checks = doctor::diagnose(deck, request, self.messages.clone());
                let ended = send(self.messages, Msg::Diagnosed(request, None));
                self.tasks
                    .start_request(request, Box::pin(checks), Box::pin(ended));
            }
            Effect::Cancel(request) => self.tasks.cancel(request),
            local => self.perform_local(local),
        }
    }

    /// Starts the task of an effect that sends no request to an account.
    fn perform_local(self, effect: Effect) {
        let (deck, messages) = (self.deck.clone(), self.messages.clone());
        match effect {
            Effect::Watch(new) => self.change(Box::pin(async move {
                let set = watch(&deck, &new).await;
                Msg::Watched(new, set)
            })),
            Effect::Expect { new, shown } => self.change(Box::pin(async move {
                let set = expect(&deck, &new, Replaced::Shown(shown)).await;
                Msg::Watched(new, set)
            })),
            Effect::Unwatch(key) => self.change(Box::pin(async move {
                let removed = deck.unwatch(&key.0, &key.1).await;
                report_failure(removed, &deck, &messages).await;
                Msg::Unwatched(key)
            })),
            Effect::Note(of, text) => {
                self.change(Box::pin(async move { Msg::Done(note(&deck, of, text).await) }));
            }
            Effect::MarkHandled { alert, handled, since } => self.tasks.start_sequential(Box::pin(async move {
                let marked = deck.mark_handled(&alert, handled, since).await;
                report_failure(marked, &deck, &messages).await;
            })),
            Effect::SaveTheme(theme) => {
                self.change(Box::pin(async move { Msg::Done(save_theme(&deck, theme).await) }));
            }
            Effect::LoadLog(before, search) => {
                self.load(Box::pin(async move { Msg::Log(deck.requests(before, search, LOAD).await) }));
            }
            Effect::OpenExchange(request, exchange) => {
                self.load(Box::pin(async move { Msg::Opened(request, open(&deck, exchange).await) }));
            }
            Effect::LoadDeliveries(before, search) => self.load(Box::pin(async move {
                Msg::Deliveries(deck.deliveries(before, search, LOAD).await)
            })),
            Effect::FindDelivery(request, delivery) => self.load(Box::pin(async move {
                Msg::DeliveryFound(request, deck.find_delivery(delivery).await)
            })),
            Effect::OpenDelivery(request, delivery) => {
                self.load(Box::pin(async move { Msg::Received(request, deck.received(delivery).await) }));
            }
            Effect::Replay {
                request,
                delivery,
                to,
            } => self.load(Box::pin(async move {
                Msg::Replayed(request, deck.replay(delivery, &to).await.map(drop))
            })),
            Effect::Retry(request, delivery) => self.load(Box::pin(async move {
                Msg::Retried(request, deck.retry(delivery).await.map(drop))
            })),
            Effect::LoadHistory(request, account, payment) => self.load(Box::pin(async move {
                Msg::Timeline(request, deck.timeline(&account, &payment).await)
            })),
            Effect::Browse(url) => self.load(Box::pin(async move { Msg::Done(browse(url).await) })),
            Effect::Simulate(command) => self.load(Box::pin(async move {
                let result = deck.simulate(&command);
                send(messages, Msg::Simulator(deck.simulator_parts())).await;
                Msg::Simulated(command, result)
            })),
            Effect::LiftHolds(account) => self.tasks.start(Box::pin(async move {
                deck.lift_holds(&account).await;
            })),
            Effect::LookAtBudgets => self.tasks.start(Box::pin(async move {
                send_gauges(&deck, &messages).await;
            })),
            // Performed above.
            Effect::Query { .. }
            | Effect::Manage(..)
            | Effect::Diagnose(_)
            | Effect::Cancel(_)
            // Performed by the main loop.
            | Effect::Copy { .. }
            | Effect::Bell
            | Effect::Notify(_)
            | Effect::SetTitle(_)
            | Effect::AskBackground
            | Effect::SwitchProfile(_)
            | Effect::Suspend
            | Effect::Quit => {}
        }
    }

    /// Starts a task; `work` is what it sends.
    fn load(self, work: BoxFuture<'static, Msg>) {
        let messages = self.messages;
        self.tasks
            .start(Box::pin(async move { send(messages, work.await).await }));
    }

    /// The same, after all earlier changes.
    fn change(self, work: BoxFuture<'static, Msg>) {
        let messages = self.messages;
        self.tasks
            .start_sequential(Box::pin(async move { send(messages, work.await).await }));
    }

    /// Starts a request that can be cancelled and always gets an answer.
    fn request(self, request: RequestId, crashed: Msg, work: BoxFuture<'static, Msg>) {
        let messages = self.messages.clone();
        let work = Box::pin(async move { send(messages, work.await).await });
        let crashed = Box::pin(send(self.messages, crashed));
        self.tasks.start_request(request, work, crashed);
    }

    fn manage(self, request: RequestId, change: Change) {
        let (deck, messages, endings) = (self.deck, self.messages.clone(), self.endings);
        let change = Box::pin(async move {
            let proved = match deck.prove(change, foreground(request)).await {
                Ok(proved) => proved,
                Err(problem) => {
                    return send(messages, Msg::AccountChanged(request, Err(problem))).await;
                }
            };
            // Saving is not cancelled half-way, and its result is always reported.
            let saving = async move {
                let saved = deck.save(proved).await;
                send(messages, Msg::AccountChanged(request, saved)).await;
            };
            to_the_end(&endings, saving).await;
        });
        let crashed = Box::pin(send(self.messages, crashed_change(request)));
        self.tasks.start_request(request, change, crashed);
    }
}

/// Options of a request that the operator waits for.
pub fn foreground(request: RequestId) -> RequestOptions {
    RequestOptions {
        request,
        background: false,
        no_wait: false,
    }
}

/// Sends a message, if the console still runs.
pub async fn send(messages: mpsc::Sender<Msg>, message: Msg) {
    let _ = messages.send(message).await;
}

/// The answer to a change of the accounts whose task panicked.
pub fn crashed_change(request: RequestId) -> Msg {
    let problem = Problem::new(
        ProblemKind::Local,
        "an internal error in tilldeck ended this change",
        "check the config file before you try again",
    );
    Msg::AccountChanged(request, Err(problem))
}

/// The problem of a task that panicked.
fn crash(account: &AccountId) -> Problem {
    Problem::new(
        ProblemKind::Local,
        format!("account {account}: an internal error in tilldeck ended this request"),
        "a sent request may have taken effect; quit the console to see the error",
    )
}

async fn note(deck: &Deck, of: WatchKey, text: String) -> Result<String, Problem> {
    let (account, id) = of;
    let noted = deck.note(&account, &id, text.clone()).await;
    noted.map_err(|problem| Problem {
        hint: format!("the note was: {text}"),
        ..problem
    })?;
    Ok(format!("note saved: {id}"))
}

async fn save_theme(deck: &Deck, theme: ThemeChoice) -> Result<String, Problem> {
    let path = deck.save_theme(theme).await?;
    let path = inert::cut(&path.to_string_lossy(), 400);
    Ok(format!("theme {} saved in {path}", theme.as_str()))
}

/// Adds a payment to the watch list. Returns the expectation in force if a different one was requested.
async fn watch(deck: &Deck, new: &NewWatch) -> Result<Option<Expectation>, Problem> {
    deck.watch(&new.account, &new.id).await?;
    expect(deck, new, Replaced::Never).await
}

async fn expect(
    deck: &Deck,
    new: &NewWatch,
    replaced: Replaced,
) -> Result<Option<Expectation>, Problem> {
    let Some(sum) = new.expected.clone() else {
        return Ok(None);
    };
    let by = new.by;
    let expectation = NewExpectation { sum, by, replaced };
    let set = deck.expect(&new.account, &new.id, expectation).await?;
    Ok(set.err())
}

/// Reports a failed change of the watch list, which is then sent as it is.
async fn report_failure<T>(result: Result<T, Problem>, deck: &Deck, messages: &mpsc::Sender<Msg>) {
    if let Err(problem) = result {
        deck.send_watchlist_again();
        let _ = messages.send(Msg::Done(Err(problem))).await;
    }
}

async fn open(deck: &Deck, id: ExchangeId) -> Result<Arc<Exchange>, Problem> {
    let (kind, why) = match deck.ledger().exchange(id).await {
        Ok(Some(exchange)) => return Ok(Arc::new(exchange)),
        Ok(None) => {
            let gone = "this request is no longer in the ledger".to_owned();
            (ProblemKind::NotFound, gone)
        }
        Err(error) => {
            let unread = format!("tilldeck cannot read this request: {error}");
            (ProblemKind::Local, unread)
        }
    };
    Err(Problem::new(kind, why, ""))
}

async fn browse(url: Secret) -> Result<String, Problem> {
    let opened = tokio::task::spawn_blocking(move || child::open(url.expose())).await;
    let why = match opened {
        Ok(Ok(())) => return Ok("the page was opened in the browser".into()),
        Ok(Err(error)) => format!(": {}", inert::cut(&error.to_string(), 120)),
        Err(_) => String::new(),
    };
    Err(Problem::new(
        ProblemKind::Local,
        format!("no browser could be started{why}"),
        "copy the link instead",
    ))
}
