//! Applies messages from outside: readiness, responses, exchanges, rate limits, notices.

use super::callback_actions::AskedByCallback;
use super::msg::{Level, Notice, Ready};
use super::overlays::{Overlay, Stage, link_result};
use super::panes::Pane;
use super::panes::estimates::Question;
use super::store::{Phase, Purpose};
use super::watched::{Change, Watched};
use super::{Effect, Model, Msg};
use crate::domain::simulate::Command;
use crate::domain::{
    AccountId, Amount, Answer, CredentialStatus, Currency, Environment, Inventory, LinkRequest,
    Listening, Now, Payment, PaymentId, Problem, ProblemKind, RequestId, Secret,
};

/// The first estimate in the simulator, so that the pane shows an example.
const FIRST_QUOTE: (&str, &str) = ("3000", "EMT");

impl Model {
    pub(super) fn on_message(&mut self, msg: Msg, now: Now, out: &mut Vec<Effect>) {
        match msg {
            Msg::Ready(ready) => self.ready(ready, now, out),
            Msg::NotReady(problem) => self.store.phase = Phase::Failed(problem),
            Msg::Answered { request, result } => self.answered(request, result, now, out),
            Msg::Explored { request, result } => {
                // The response of a cancelled call may still arrive.
                if self.store.answered(request).is_some() {
                    self.explorer.apply(request, result, now);
                }
            }
            Msg::Waiting { request, waiting } => {
                self.store.waits(request, waiting);
                self.requests.waiting_changed(&self.store);
            }
            Msg::Refreshed { request, result } => self.refreshed(request, result),
            Msg::TokenToCopy { request, result } => self.token_to_copy(request, result, out),
            Msg::Token { account, status } => {
                if let Some(known) = self.store.known_mut(&account) {
                    known.token = Some(status);
                }
            }
            Msg::Exchange(exchange) => {
                self.explorer.observe(&exchange);
                self.store.traffic.sent(now);
                self.reload_timeline_for(&exchange, now);
                self.requests.push(exchange);
            }
            Msg::Budget { account, gauge } => {
                if let Some(known) = self.store.known_mut(&account) {
                    known.on_budget(gauge, now);
                }
            }
            Msg::Log(result) => self
                .requests
                .loaded(result, &mut Self::update_ctx(&mut self.store, now, out)),
            Msg::Notice(notice) => self.store.notice(notice, now),
            Msg::Done(Ok(words)) => self.store.flash(Level::Info, words),
            Msg::Done(Err(problem)) => self.store.flash(Level::Error, problem.describe()),
            Msg::Watchlist { list, seen } => {
                let update_ctx = &mut Self::update_ctx(&mut self.store, now, out);
                self.payments.listed(list, seen, update_ctx);
            }
            Msg::Unwatched(key) => self.payments.unwatched(&key),
            Msg::Watched { new, result } => self.watched(new, result, now, out),
            Msg::Managed { request, result } => self.managed(request, result, now, out),
            Msg::Simulator(parts) => self.store.parts = parts,
            Msg::Simulated { command, result } => self.simulated(&command, result, now),
            Msg::Delivery(delivery) => self.delivered(delivery, now),
            Msg::Deliveries(result) => self.callbacks.loaded(result, &mut self.store),
            Msg::Listening(listening) => self.on_listening(listening, now),
            Msg::Player { account, claim } => {
                if self.store.known(&account).is_some() {
                    self.players.named(&account, claim);
                }
            }
            Msg::Asked {
                account,
                op,
                result,
                expected,
            } => {
                let asked = AskedByCallback {
                    account,
                    op,
                    result,
                    expected,
                };
                self.query_after_callback(asked, now, out);
            }
            Msg::Received { request, result } => self.received(request, result, now),
            Msg::Replayed { request, result } => self.replayed(request, result),
            Msg::Timeline { request, result } => self.on_timeline(request, result, now),
            Msg::Opened { request, result } => self.opened(request, result),
            Msg::Key(_) | Msg::Paste(_) | Msg::Mouse(_) | Msg::Resized { .. } | Msg::Woke => {}
        }
    }

    fn ready(&mut self, ready: Ready, now: Now, out: &mut Vec<Effect>) {
        self.store.phase = Phase::Ready;
        self.store.zone = ready.zone;
        self.store.simulator = ready.simulator;
        for (account, status) in ready.credentials {
            if let Some(known) = self.store.known_mut(&account) {
                // The program stopped during this verification: there is no result.
                known.stands(match status {
                    CredentialStatus::Verifying => CredentialStatus::Untested,
                    other => other,
                });
            }
        }
        self.store.payments = ready
            .watches
            .into_iter()
            .filter(|(watch, _)| self.store.known(&watch.account).is_some())
            .map(|(watch, seen)| Watched::stored(watch, seen, now))
            .collect();
        self.store.handled = ready.handled.into_iter().collect();
        self.store
            .payments
            .sort_by_key(|watched| std::cmp::Reverse(watched.watch.since));
        self.requests.begin(ready.log);
        self.callbacks.begin(ready.deliveries);
        // A message about the listener may have come first, and is newer.
        if ready.listening != Listening::Off {
            self.on_listening(ready.listening, now);
        }
        for account in ready.verify {
            self.store.verify(&account, out);
        }
        let embedded = self
            .store
            .accounts
            .iter()
            .find(|known| known.account.environment == Environment::Embedded)
            .map(|known| known.id().clone());
        if let Some(account) = embedded
            && let (Ok(quantity), Ok(token)) =
                (Amount::typed(FIRST_QUOTE.0), Currency::new(FIRST_QUOTE.1))
        {
            let question = Question {
                account,
                token,
                quantity,
            };
            self.estimates
                .ask(question, &mut Self::update_ctx(&mut self.store, now, out));
        }
    }

    fn answered(
        &mut self,
        request: RequestId,
        result: Result<Answer, Problem>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        // The response of a cancelled request may still arrive.
        let Some(asked) = self.store.answered(request) else {
            return;
        };
        match asked.purpose {
            Purpose::Verify => {
                if let Some(known) = self.store.known_mut(&asked.account) {
                    known.verifying = None;
                }
                let outcome = result.as_ref().map(|_| ());
                self.store.judge(&asked.account, outcome, now);
            }
            Purpose::Check(id) => {
                let result = match result {
                    Ok(Answer::Payment(payment)) => Ok(payment),
                    Ok(_) => Err(unexpected()),
                    Err(problem) => Err(problem),
                };
                self.checked(&asked.account, &id, result, now, out);
            }
            Purpose::Quote => self.estimates.apply(match result {
                Ok(Answer::Estimate(quote)) => Ok(quote),
                Ok(_) => Err(unexpected()),
                Err(problem) => Err(problem),
            }),
            Purpose::Link(link) => self.linked(asked.account, link, (request, result), now, out),
            Purpose::Authenticate(player) => {
                self.authenticated(&asked.account, player, (request, result), now, out);
            }
            Purpose::Items(player) => {
                self.players.settled(&asked.account, player);
                let result = inventory(result);
                self.on_inventory(&asked.account, player, result, now);
            }
            // Their responses arrive as other messages.
            Purpose::Manage | Purpose::Explore | Purpose::RefreshToken | Purpose::CopyToken => {}
        }
        self.requests.waiting_changed(&self.store);
    }

    fn refreshed(&mut self, request: RequestId, result: Result<(), Problem>) {
        let Some(asked) = self.store.answered(request) else {
            return;
        };
        self.requests.waiting_changed(&self.store);
        match result {
            Ok(()) => {
                let words = format!("{} has a new access token", asked.account);
                self.store.flash(Level::Info, words);
            }
            Err(problem) => self.store.flash(Level::Error, problem.describe()),
        }
    }

    /// Copies the token to the clipboard, unless the operator cancelled.
    fn token_to_copy(
        &mut self,
        request: RequestId,
        result: Result<Secret, Problem>,
        out: &mut Vec<Effect>,
    ) {
        if self.store.answered(request).is_none() {
            return;
        }
        self.requests.waiting_changed(&self.store);
        match result {
            Ok(text) => out.push(Effect::Copy {
                text,
                what: "the access token",
            }),
            Err(problem) => self.store.flash(Level::Error, problem.describe()),
        }
    }

    pub(super) fn checked(
        &mut self,
        account: &AccountId,
        id: &PaymentId,
        result: Result<Payment, Problem>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let verifying = self
            .store
            .known(account)
            .is_some_and(|known| known.verifying.is_some());
        // The request is signed, so its result also proves or disproves the credentials.
        match &result {
            Ok(_) if !verifying => self.store.judge(account, Ok(()), now),
            Err(problem) if !verifying && problem.kind == ProblemKind::Refused => {
                self.store.judge(account, Err(problem), now);
            }
            _ => {}
        }
        let Some(watched) = self.store.payment_mut(account, id) else {
            return;
        };
        if let Err(problem) = &result
            && watched.is_final()
        {
            watched.cancelled(now);
            let text = format!("cannot check {id} again: {}", problem.describe());
            self.store.flash(Level::Warning, text);
            return;
        }
        let change = watched.apply(result, now);
        if change == Change::Ended {
            let (tone, words) = watched.explain(now);
            let notice = Notice {
                level: match tone {
                    super::theme::Tone::Bad => Level::Error,
                    super::theme::Tone::Warn => Level::Warning,
                    _ => Level::Info,
                },
                about: watched.about(),
                text: format!("{id}: {words}"),
            };
            self.store.notice(notice, now);
            out.push(Effect::Bell);
        }
        if change != Change::Nothing {
            self.reload_timeline(account, id, now);
        }
    }

    fn linked(
        &mut self,
        account: AccountId,
        link: LinkRequest,
        (request, result): (RequestId, Result<Answer, Problem>),
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        let stage = match self.overlay.stage() {
            Some(stage) if stage.request() == Some(request) => stage,
            _ => return,
        };
        match result {
            Ok(Answer::Link(done)) => {
                self.watch_link(&account, &link, now, out);
                self.focus = Pane::Payments;
                self.overlay = Overlay::LinkResult(link_result::State::new(account, link, done));
            }
            Ok(_) => *stage = Stage::Failed(unexpected()),
            Err(problem) => *stage = Stage::Failed(problem),
        }
    }

    fn simulated(&mut self, command: &Command, result: Result<String, Problem>, now: Now) {
        match result {
            Err(problem) => self.store.flash(Level::Error, problem.describe()),
            Ok(words) => {
                self.store.flash(Level::Info, words);
                match command {
                    Command::SetFault(fault) => self.store.fault = *fault,
                    Command::Set { .. } | Command::Event { .. } | Command::SetBack(_) => {}
                    Command::Advance(_) | Command::Payer { .. } | Command::RepeatCallback(_) => {
                        for watched in &mut self.store.payments {
                            let touched = match command {
                                Command::Payer { payment, .. }
                                | Command::RepeatCallback(payment) => watched.watch.id == *payment,
                                _ => true,
                            };
                            if touched {
                                watched.poll_soon(now);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The inventory in a response.
pub(super) fn inventory(result: Result<Answer, Problem>) -> Result<Inventory, Problem> {
    match result? {
        Answer::Inventory(inventory) => Ok(inventory),
        _ => Err(unexpected()),
    }
}

/// A response of the wrong type. Only a bug in tilldeck causes it.
pub(super) fn unexpected() -> Problem {
    Problem::new(
        ProblemKind::Nonsense,
        "internal error: the response has the wrong type",
        "report it as a bug of tilldeck",
    )
}
