//! What an open deck sends to the console as messages: first what it has, then each change, of this process and of others.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::message;
use crate::clock::time_zone;
use crate::deck::{Deck, Follower, News};
use crate::domain::{AccountId, ExchangeId, PaymentId, Problem, Search, Watchlist};
use crate::ledger::Status;
use crate::net::{Event, EventReceiver};
use crate::tui::msg::{LEDGER, Level, Notice, Ready, Saved};
use crate::tui::{LOAD, Msg};

/// How long until a ledger that could be read in part is read again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Sends the state of a deck and its changes, until its task is stopped.
pub struct Feed {
    pub deck: Arc<Deck>,
    pub messages: mpsc::Sender<Msg>,
}

impl Feed {
    /// Sends what the deck has, then what changes there. The deck may perform effects once it is sent to `opened`.
    pub async fn run(self, verify: Vec<AccountId>, opened: mpsc::Sender<Arc<Deck>>) {
        let deck = &self.deck;
        // Before anything is read that it goes on from.
        let follower = Follower::new(deck).await;
        let (ready, mut list) = self.ready(verify).await;
        // Before any request, so that later gauges are newer.
        send_gauges(&self.deck, &self.messages).await;
        let parts = deck.simulator_parts();
        let _ = opened.send(deck.clone()).await;
        let is_unread = ready.is_unread;
        let newest = ready.log.first().map_or(ExchangeId(0), |newest| newest.id);
        self.send(Msg::Ready(ready)).await;
        self.send(Msg::Simulator(parts)).await;
        self.send_tokens().await;
        let follow_deck = async {
            if is_unread {
                self.read_later(&mut list).await;
            }
            let others = self.follow_others(follower.after(newest));
            tokio::join!(self.follow_watchlist(list), others);
        };
        tokio::join!(self.follow_ledger(), follow_deck);
    }

    /// `None` once messages have no receiver.
    async fn send(&self, message: Msg) -> Option<()> {
        self.messages.send(message).await.ok()
    }

    async fn ready(&self, verify: Vec<AccountId>) -> (Ready, Watchlist) {
        let deck = &self.deck;
        let log = match deck.requests(None, Search::default(), LOAD).await {
            Ok(found) => found.rows,
            Err(problem) => {
                self.send(Msg::Log(Err(problem))).await;
                Vec::new()
            }
        };
        // The request log shows the ledger's problems, once.
        let saved = saved(deck).await;
        let listening = deck.listening().borrow().clone();
        let list = deck.watchlist().await;
        let is_unread = list.is_err() || saved.is_err();
        if is_unread {
            // Even if it is empty: the console waits for it.
            deck.send_watchlist_again();
        }
        let list = list.unwrap_or_default();
        let mut seen = deck.watched_observations().await.unwrap_or_default();
        let watches = list.watches.iter().map(|watch| {
            let key = (watch.account.clone(), watch.id.clone());
            (watch.clone(), seen.remove(&key).unwrap_or_default())
        });
        let watches = watches.collect();
        let ready = Ready {
            saved: saved.unwrap_or_default(),
            listening,
            watches,
            handled: list.handled.clone(),
            is_unread,
            log,
            verify,
            simulator: deck.simulator_url(),
            seed: fastrand::u64(..),
            zone: time_zone(),
        };
        (ready, list)
    }

    async fn send_tokens(&self) {
        for account in self.deck.accounts() {
            // Read only once it can be sent; later changes are sent later.
            let Ok(room) = self.messages.reserve().await else {
                return;
            };
            let mut known = self.deck.tokens().into_iter();
            if let Some((account, status)) = known.find(|(id, _)| *id == account.id) {
                room.send(Msg::Token(account, status));
            }
        }
    }

    /// Sends what the ledger has, which could not be read at the start, once it can be read.
    async fn read_later(&self, list: &mut Watchlist) {
        // The watch list first: its marks say which of the alerts that follow are handled.
        while self.next_watchlist(list).await.is_some() {
            if let Ok(saved) = saved(&self.deck).await {
                self.send(Msg::Saved(saved)).await;
                return;
            }
            tokio::time::sleep(READ_AGAIN).await;
            self.deck.send_watchlist_again();
        }
    }

    /// Sends the watch list whenever it differs from `list`, also after changes by other processes.
    async fn follow_watchlist(&self, mut list: Watchlist) {
        while self.next_watchlist(&mut list).await.is_some() {}
    }

    /// Sends the watch list once it differs from `list`, which it then replaces; `None` once messages have no receiver.
    async fn next_watchlist(&self, list: &mut Watchlist) -> Option<()> {
        let changed = self.deck.watchlist_after(list).await;
        let known = std::mem::replace(list, changed);
        let known = known.watches.iter().map(|it| (&it.account, &it.id));
        let known: HashSet<(&AccountId, &PaymentId)> = known.collect();
        let mut seen = Vec::new();
        for watch in &list.watches {
            if !known.contains(&(&watch.account, &watch.id))
                && let Ok(observations) = self.deck.observations(&watch.account, &watch.id).await
            {
                let key = (watch.account.clone(), watch.id.clone());
                seen.push((key, observations));
            }
        }
        let list = list.clone();
        self.send(Msg::Watchlist { list, seen }).await
    }

    /// Sends what other programs that share the ledger have saved, and what they leave of the rate limits.
    async fn follow_others(&self, mut follower: Follower) {
        loop {
            let News {
                requests,
                observations,
                failed_hooks,
            } = follower.next(&self.deck).await;
            let shared = Msg::Shared {
                exchanges: requests.into_iter().map(Arc::new).collect(),
                observations,
                failed_hooks: failed_hooks.into_iter().map(message::failed_hook).collect(),
            };
            if self.send(shared).await.is_none() {
                return;
            }
            send_gauges(&self.deck, &self.messages).await;
        }
    }

    /// Notifies the operator when the ledger cannot save, and when it works again.
    async fn follow_ledger(&self) {
        let ledger = self.deck.ledger();
        let mut changes = ledger.status_changes();
        let mut reported = false;
        loop {
            let status = ledger.status().await;
            let (level, text) = match &status {
                Status::Ready if reported => {
                    (Level::Info, "the ledger can be used again".to_owned())
                }
                Status::Ready | Status::Opening => (Level::Info, String::new()),
                Status::Locked => (
                    Level::Warning,
                    "waiting: another program has locked the ledger's database".to_owned(),
                ),
                Status::SetAside { .. } => (Level::Warning, status.warning().unwrap_or_default()),
                Status::Degraded { .. } | Status::Away { .. } => {
                    (Level::Error, status.warning().unwrap_or_default())
                }
            };
            if !text.is_empty() {
                reported = true;
                let notice = Notice {
                    level,
                    about: LEDGER.into(),
                    text,
                };
                if self.send(Msg::Notice(notice)).await.is_none() {
                    return;
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Sends the current use of the rate limits.
pub async fn send_gauges(deck: &Deck, messages: &mpsc::Sender<Msg>) {
    for (account, gauge) in deck.gauges().await.unwrap_or_default() {
        let _ = messages.send(Msg::Budget(account, gauge)).await;
    }
}

async fn saved(deck: &Deck) -> Result<Saved, Problem> {
    let deliveries = deck.deliveries(None, Search::default(), LOAD).await?;
    let failed = deck.failed_hooks().await?;
    Ok(Saved {
        credentials: deck.remembered_credentials().await?,
        deliveries: deliveries.rows,
        failed_callbacks: deck.failed_deliveries(LOAD).await?,
        awaited: deck.awaited_deliveries().await?,
        failed_hooks: failed.into_iter().map(message::failed_hook).collect(),
    })
}

/// Sends the events of a deck, until it is gone or messages have no receiver.
pub async fn relay(mut events: EventReceiver, deck: Weak<Deck>, messages: mpsc::Sender<Msg>) {
    let missed = Notify::new();
    let relayed = async {
        while let Some(event) = events.recv().await {
            if event == Event::Lagged {
                missed.notify_one();
            }
            if messages.send(message::message_of(event)).await.is_err() {
                return;
            }
        }
    };
    // Beside the events: during a flood, those that wait for a read would be missed, too.
    tokio::select! {
        () = relayed => {}
        () = read_missed(&missed, deck, &messages) => {}
    }
}

/// After each gap in the events, sends the callbacks that must be answered in time: one of them may not have been sent.
async fn read_missed(missed: &Notify, deck: Weak<Deck>, messages: &mpsc::Sender<Msg>) {
    loop {
        missed.notified().await;
        let Some(deck) = deck.upgrade() else { return };
        let awaited = deck.awaited_deliveries().await;
        // While this waits, it does not hold the deck open.
        drop(deck);
        let Ok(awaited) = awaited else {
            tokio::time::sleep(READ_AGAIN).await;
            missed.notify_one();
            continue;
        };
        if messages.send(Msg::Awaited(awaited)).await.is_err() {
            return;
        }
    }
}
