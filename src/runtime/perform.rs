//! One task for each effect, and a message with its result. Requests to accounts are in `requests`, callbacks in
//! `inbound`.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::tasks::Tasks;
use super::{doctor, inbound, requests};
use crate::config::child;
use crate::deck::Deck;
use crate::domain::{
    Exchange, ExchangeId, Expectation, NewExpectation, Problem, ProblemKind, Replaced, Secret,
    inert,
};
use crate::tui::msg::NewWatch;
use crate::tui::{Effect, Msg};

/// Starts an effect's task; the result is sent as a message. The main loop handles effects on the terminal itself.
pub fn perform(effect: Effect, deck: &Arc<Deck>, tasks: &mut Tasks, messages: &mpsc::Sender<Msg>) {
    let other = requests::perform(effect, deck, tasks, messages);
    let other = other.and_then(|effect| inbound::perform(effect, deck, tasks, messages));
    let Some(effect) = other else { return };
    let deck = deck.clone();
    let messages = messages.clone();
    match effect {
        Effect::Cancel(request) => tasks.cancel(request),
        Effect::Watch(new) => tasks.start_sequential(async move {
            let result = watch(&deck, &new).await;
            let _ = messages.send(Msg::Watched(new, result)).await;
        }),
        Effect::Expect { new, shown } => tasks.start_sequential(async move {
            let result = expect(&deck, &new, Replaced::Shown(shown)).await;
            let _ = messages.send(Msg::Watched(new, result)).await;
        }),
        Effect::Unwatch(key) => tasks.start_sequential(async move {
            let removed = deck.unwatch(&key.0, &key.1).await;
            report_failure(removed, &deck, &messages).await;
            let _ = messages.send(Msg::Unwatched(key)).await;
        }),
        Effect::Note(of, text) => tasks.start_sequential(async move {
            let (account, id) = of;
            let noted = deck.note(&account, &id, text.clone()).await;
            let done = noted.map(|()| format!("note saved: {id}"));
            let done = done.map_err(|problem| Problem {
                hint: format!("the note was: {text}"),
                ..problem
            });
            let _ = messages.send(Msg::Done(done)).await;
        }),
        Effect::MarkHandled { alert, handled } => tasks.start_sequential(async move {
            let marked = deck.mark_handled(&alert, handled).await;
            report_failure(marked, &deck, &messages).await;
        }),
        Effect::SaveTheme(theme) => tasks.start_sequential(async move {
            let saved = deck.save_theme(theme).await;
            let done = saved.map(|path| {
                let path = inert::cut(&path.to_string_lossy(), 400);
                format!("theme {} saved in {path}", theme.as_str())
            });
            let _ = messages.send(Msg::Done(done)).await;
        }),
        Effect::LoadLog {
            before,
            search,
            limit,
        } => tasks.start(async move {
            let found = deck.requests(before, search, limit).await;
            let _ = messages.send(Msg::Log(found)).await;
        }),
        Effect::Browse(url) => tasks.start(async move {
            let _ = messages.send(Msg::Done(browse(url).await)).await;
        }),
        Effect::Simulate(command) => tasks.start(async move {
            let result = deck.simulate(&command);
            let _ = messages.send(Msg::Simulator(deck.simulator_parts())).await;
            let _ = messages.send(Msg::Simulated(command, result)).await;
        }),
        Effect::LiftHolds(account) => tasks.start(async move {
            deck.lift_holds(&account).await;
        }),
        Effect::LookAtBudgets => tasks.start(async move {
            for (account, gauge) in deck.gauges().await {
                let _ = messages.send(Msg::Budget(account, gauge)).await;
            }
        }),
        Effect::Diagnose(request) => {
            let ended = Msg::Diagnosed(request, None);
            let checks = doctor::diagnose(deck, request, messages.clone());
            tasks.start_request(request, checks, async move {
                let _ = messages.send(ended).await;
            });
        }
        Effect::OpenExchange(request, exchange) => tasks.start(async move {
            let result = open(&deck, exchange).await;
            let _ = messages.send(Msg::Opened(request, result)).await;
        }),
        // Handled above.
        Effect::Ask { .. }
        | Effect::Explore(..)
        | Effect::RefreshToken(..)
        | Effect::TokenToCopy(..)
        | Effect::Manage(..)
        | Effect::LoadDeliveries { .. }
        | Effect::FindDelivery(..)
        | Effect::OpenDelivery(..)
        | Effect::Replay { .. }
        | Effect::Retry(..)
        | Effect::LoadHistory(..)
        // Handled by the main loop.
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

/// Loads one exchange with its bodies.
async fn open(deck: &Deck, id: ExchangeId) -> Result<Arc<Exchange>, Problem> {
    match deck.ledger().exchange(id).await {
        Ok(Some(exchange)) => Ok(Arc::new(exchange)),
        Ok(None) => Err(Problem::new(
            ProblemKind::NotFound,
            "this request is no longer in the ledger",
            "",
        )),
        Err(error) => Err(Problem::new(
            ProblemKind::Local,
            format!("tilldeck cannot read this request: {error}"),
            "",
        )),
    }
}

async fn browse(url: Secret) -> Result<String, Problem> {
    let opened = tokio::task::spawn_blocking(move || child::open(url.expose())).await;
    match opened {
        Ok(Ok(())) => Ok("the page was opened in the browser".into()),
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
