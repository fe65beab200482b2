//! Applies messages from outside to the store, before any component hears of them.

use super::ages::age;
use super::msg::{CONFIG, ConfigNews, FailedHook, Level, Msg, Notice, Ready, Saved};
use super::store::{LISTENER, Phase, Store};
use super::watched::Watched;
use crate::domain::simulate::Command;
use crate::domain::{ListenerStatus, Now, notice_alert};

impl Store {
    pub fn apply(&mut self, msg: &Msg, now: Now) {
        match msg {
            Msg::Ready(ready) => self.ready(ready, now),
            Msg::NotReady(problem) => self.phase = Phase::Failed(problem.clone()),
            Msg::Waiting(request, waiting) => self.waits(*request, waiting.clone()),
            Msg::Running(request, exchange) => match exchange {
                Some(exchange) => drop(self.running.insert(*request, exchange.clone())),
                None => drop(self.running.remove(request)),
            },
            Msg::Token(account, status) => {
                if let Some(known) = self.known_mut(account) {
                    known.on_token(status.clone());
                }
            }
            Msg::Exchange(_) => self.traffic.sent(now),
            Msg::Budget(account, gauge) => {
                if let Some(known) = self.known_mut(account) {
                    known.on_budget(gauge.clone(), now);
                }
            }
            Msg::Notice(notice) => self.notice(notice.clone(), now),
            Msg::Resolved(about) => self.resolved(about),
            Msg::Config(news) => self.on_config(news, now),
            Msg::Done(Ok(text)) => self.flash(Level::Info, text.clone()),
            Msg::Done(Err(problem)) => self.flash(Level::Error, problem.describe()),
            Msg::Simulator(parts) => self.parts.clone_from(parts),
            Msg::Simulated(command, result) => match result {
                Ok(text) => {
                    self.flash(Level::Info, text.clone());
                    self.simulated(command, now);
                }
                Err(problem) => self.flash(Level::Error, problem.describe()),
            },
            Msg::Saved(saved) => {
                self.is_unread = false;
                self.saved(saved);
            }
            Msg::Shared { failed_hooks, .. } => self.failed_elsewhere(failed_hooks),
            Msg::ListenerStatus(listening) => self.on_listening(listening.clone(), now),
            Msg::Player(account, claim) => {
                if let Some(token) = claim.token.clone()
                    && self.known(account).is_some()
                {
                    self.set_player_token(account, claim.player.id, token);
                }
            }
            // Input, and what only components hold.
            Msg::Key(_)
            | Msg::Paste(_)
            | Msg::Mouse(_)
            | Msg::Resized { .. }
            | Msg::Woke
            | Msg::Answered(..)
            | Msg::Log(_)
            | Msg::Delivery(_)
            | Msg::Awaited(_)
            | Msg::Deliveries(_)
            | Msg::Checked(_)
            | Msg::PlayerItems(_)
            | Msg::DeliveryFound(..)
            | Msg::Received(..)
            | Msg::Replayed(..)
            | Msg::Retried(..)
            | Msg::Timeline(..)
            | Msg::Opened(..)
            | Msg::Diagnosed(..)
            | Msg::Watchlist { .. }
            | Msg::Unwatched(_)
            | Msg::Watched(..)
            | Msg::AccountChanged(..)
            | Msg::Background(_) => {}
        }
    }

    fn ready(&mut self, ready: &Ready, now: Now) {
        self.phase = Phase::Ready;
        self.is_unread = ready.is_unread;
        self.zone = ready.zone.clone();
        self.simulator.clone_from(&ready.simulator);
        self.seed = ready.seed;
        let watches = ready.watches.iter();
        let mine = watches.filter(|(watch, _)| self.known(&watch.account).is_some());
        let mut payments: Vec<Watched> = mine
            .map(|(watch, seen)| Watched::stored(watch.clone(), seen.clone(), now))
            .collect();
        payments.sort_by_key(|watched| std::cmp::Reverse(watched.watch.since));
        let mut unsaved: Vec<Watched> = self.unsaved_payments().cloned().collect();
        for stored in &mut payments {
            let found = unsaved.extract_if(.., |it| it.is(&stored.key())).next();
            stored.unsaved = found.and_then(|it| it.unsaved);
        }
        payments.splice(0..0, unsaved);
        self.payments = payments;
        for exchange in &ready.log {
            if let Some(watched) = self.checked_by(exchange) {
                watched.answered(exchange.at);
            }
        }
        self.set_handled(ready.handled.clone());
        self.saved(&ready.saved);
        // A message about the listener may have come first, and is newer.
        if ready.listening != ListenerStatus::Off {
            self.on_listening(ready.listening.clone(), now);
        }
    }

    fn saved(&mut self, saved: &Saved) {
        for (account, status) in &saved.credentials {
            if let Some(known) = self.known_mut(account)
                // A result of this run may be newer.
                && known.status.at <= status.at
            {
                known.stands(status.clone());
            }
        }
        self.failed_elsewhere(&saved.failed_hooks);
    }

    /// Hooks that failed in an earlier run or another program, or here: the ledger has those as well.
    fn failed_elsewhere(&mut self, failed: &[FailedHook]) {
        for (notice, began) in failed {
            let mut known = self.failed_hooks.iter();
            if known.any(|(known, _)| known.about == notice.about) {
                continue;
            }
            let alert = notice_alert(&notice.about);
            if self.handled(&alert, Some(*began)).is_some() {
                self.add_failed_hook(notice.clone(), *began);
            } else {
                self.notice_since(notice.clone(), *began);
            }
        }
    }

    fn on_config(&mut self, news: &ConfigNews, now: Now) {
        let (level, text) = match news {
            ConfigNews::Current => return self.dismiss(CONFIG),
            ConfigNews::Reloaded => {
                self.dismiss(CONFIG);
                return self.flash(Level::Info, "the config file changed and was read again");
            }
            ConfigNews::AwaitsRestart => (
                Level::Warning,
                "restart to use another ledger: [ledger] in the config file changed; all else is taken over"
                    .to_owned(),
            ),
            ConfigNews::Waits => (
                Level::Warning,
                "the config file changed; it is read again once no window is open and no change is in flight"
                    .to_owned(),
            ),
            ConfigNews::Unusable(problem) => (Level::Error, problem.describe()),
        };
        let about = CONFIG.to_owned();
        self.notice(Notice { level, about, text }, now);
    }

    fn simulated(&mut self, command: &Command, now: Now) {
        let payment = match command {
            Command::SetFault(fault) => {
                self.fault = *fault;
                return;
            }
            Command::Set { .. } | Command::Event { .. } | Command::SetBack(_) => return,
            Command::Advance(_) => None,
            Command::Payer { payment, .. } | Command::RepeatCallback(payment) => Some(payment),
        };
        for watched in &mut self.payments {
            if payment.is_none_or(|payment| watched.watch.id == *payment) {
                watched.poll_soon(now);
            }
        }
    }

    /// Whether a message may change the screen.
    pub fn is_news(&self, msg: &Msg, now: Now) -> bool {
        match msg {
            // While the profile opens, the panes are empty; a frame now would delay the first one with data.
            Msg::Budget(..) | Msg::Token(..) | Msg::ListenerStatus(_)
                if self.phase == Phase::Opening =>
            {
                false
            }
            Msg::Budget(account, gauge) => {
                let known = self.known(account);
                known.is_some_and(|known| known.budgets(now).all(|shown| shown != *gauge))
            }
            // A heartbeat alone changes the screen only if its age does.
            Msg::ListenerStatus(listening) => {
                let beats = |listening: &ListenerStatus| match listening {
                    ListenerStatus::Up { url, heartbeat } => {
                        Some((url.clone(), age(*heartbeat, now)))
                    }
                    ListenerStatus::Off
                    | ListenerStatus::Elsewhere { .. }
                    | ListenerStatus::Down { .. } => None,
                };
                let before = beats(&self.listening);
                before.is_none() || before != beats(listening)
            }
            _ => true,
        }
    }

    fn on_listening(&mut self, listening: ListenerStatus, now: Now) {
        match (&self.listening, &listening) {
            (ListenerStatus::Down { .. }, ListenerStatus::Up { url, .. }) => {
                let text = format!("receiving callbacks again at {url}");
                self.listener_notice(Level::Info, text, now);
            }
            (before, ListenerStatus::Down { address, why, .. }) if before != &listening => {
                let text = format!("cannot receive callbacks at {address}: {why}");
                self.listener_notice(Level::Error, text, now);
            }
            (_, ListenerStatus::Off | ListenerStatus::Elsewhere { .. }) => self.dismiss(LISTENER),
            _ => {}
        }
        self.listening = listening;
    }

    fn listener_notice(&mut self, level: Level, text: String, now: Now) {
        let about = LISTENER.into();
        self.notice(Notice { level, about, text }, now);
    }
}
