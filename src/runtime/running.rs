//! A profile at work in the console: its deck, its tasks, and the messages from both.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::message;
use super::perform::Performer;
use super::source::ProfileStart;
use super::tasks::Tasks;
use crate::clock::time_zone;
use crate::config::Profile;
use crate::deck::{Deck, Follower, Handover, News, Options, Prepared};
use crate::domain::{
    Account, AccountId, Environment, ExchangeId, PaymentId, Problem, Search, Watchlist,
};
use crate::ledger::{Pause, Status};
use crate::net::{self, Event, EventReceiver};
use crate::tui::msg::{LEDGER, Level, Notice, Ready, Saved};
use crate::tui::{Effect, Msg};

/// How many exchanges the request log loads first.
const LOG_FIRST: usize = 200;
/// How long until a ledger that could be read in part is read again.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// How long each step of closing a profile may take.
const CLOSING: Duration = Duration::from_secs(2);

/// A profile at work.
pub struct Running {
    pub profile: Profile,
    pub tasks: Tasks,
    pub messages: mpsc::Sender<Msg>,
    pub inbox: mpsc::Receiver<Msg>,
    /// Gets the deck once it is open.
    pub opened: mpsc::Receiver<Arc<Deck>>,
    deck: Option<Arc<Deck>>,
    /// The deck from its opening on, before it performs effects: from then on it must be closed.
    opening: watch::Receiver<Option<Arc<Deck>>>,
    /// The effects that are performed as soon as the deck is open.
    early: Vec<Effect>,
    /// The earlier profiles that are not closed yet: the next one waits for them.
    closing: TaskTracker,
    /// All that must have ended before the program does.
    pub endings: TaskTracker,
    /// Whether the program ends.
    ending: CancellationToken,
}

impl Running {
    /// Opens the first profile.
    pub fn start(start: ProfileStart) -> Self {
        let [closing, endings] = [TaskTracker::new(), TaskTracker::new()];
        closing.close();
        endings.close();
        Self::after(closing, endings, start, Vec::new())
    }

    /// Opens a profile once those before it are closed. Its accounts that are `unchanged` go on, and are not verified
    /// again.
    fn after(
        closing: TaskTracker,
        endings: TaskTracker,
        start: ProfileStart,
        unchanged: Vec<AccountId>,
    ) -> Self {
        let ProfileStart {
            profile,
            options,
            verify_on_start,
            ..
        } = start;
        // Bounded: a flood of events makes its senders wait instead of filling the memory.
        let (messages, inbox) = mpsc::channel(1024);
        let (opened_to, opened) = mpsc::channel(1);
        let (place, opening) = watch::channel(None);
        let mut tasks = Tasks::default();
        let (before, of, to) = (closing.clone(), profile.clone(), messages.clone());
        tasks.start(Box::pin(async move {
            before.wait().await;
            let Some(deck) = open(&of, options, &to).await else {
                return;
            };
            place.send_replace(Some(deck.clone()));
            // Real accounts only by choice: a verification is a request that counts against their limit.
            let wanted =
                |account: &Account| verify_on_start || account.environment == Environment::Embedded;
            let accounts = deck.accounts().filter(wanted).map(|account| account.id);
            let verify = accounts.filter(|id| !unchanged.contains(id)).collect();
            report(&deck, verify, &to, opened_to).await;
        }));
        Self {
            profile,
            tasks,
            messages,
            inbox,
            opened,
            deck: None,
            opening,
            early: Vec::new(),
            closing,
            endings,
            ending: CancellationToken::new(),
        }
    }

    /// Opens a profile in place of this one, which is closed first.
    pub fn replace(&mut self, next: ProfileStart, unchanged: Vec<AccountId>) {
        let (closing, endings) = (self.closing.clone(), self.endings.clone());
        // Before the next one begins to wait for it.
        let turn = closing.token();
        let next = Self {
            ending: self.ending.clone(),
            ..Self::after(closing, endings, next, unchanged)
        };
        let before = std::mem::replace(self, next);
        self.endings.spawn(before.close(turn));
    }

    /// Performs an effect, now or as soon as the deck is open.
    pub fn perform(&mut self, effect: Effect) {
        match &self.deck {
            None => self.early.push(effect),
            Some(deck) => {
                let performer = Performer {
                    deck: deck.clone(),
                    tasks: &mut self.tasks,
                    messages: self.messages.clone(),
                    endings: self.endings.clone(),
                };
                performer.perform(effect);
            }
        }
    }

    pub fn use_deck(&mut self, deck: Arc<Deck>) {
        self.deck = Some(deck);
        for effect in std::mem::take(&mut self.early) {
            self.perform(effect);
        }
    }

    /// Waits until no request of the profile holds the lock of its API key; none gets one until the pause is dropped.
    pub async fn pause(&self) -> Option<Pause> {
        let deck = self.deck.as_ref()?;
        Some(deck.ledger().pause().await)
    }

    /// Gets what the next deck of this profile needs and may fail, while this one goes on. Waits for this one to open: it
    /// has taken over what it hands over next.
    pub fn prepare(
        &self,
        next: ProfileStart,
    ) -> impl Future<Output = (ProfileStart, Result<Prepared, Problem>)> + use<> {
        let mut opening = self.opening.clone();
        async move {
            let open = opening.wait_for(Option::is_some).await;
            // Without a deck, opening has failed: nothing is handed over.
            let deck = open.ok().and_then(|deck| deck.clone());
            let prepared = match deck {
                Some(deck) => deck.prepare(&next.options).await,
                None => Ok(Prepared::default()),
            };
            (next, prepared)
        }
    }

    /// What the next deck of this profile takes over.
    pub fn hand_over(&self, unchanged: &[AccountId], prepared: Prepared) -> Handover {
        match &*self.opening.borrow() {
            Some(deck) => deck.hand_over(unchanged, prepared),
            None => Handover::default(),
        }
    }

    /// Closes the profile, and waits until all that it and those before it began has ended.
    pub async fn end(self) {
        let (turn, endings) = (self.closing.token(), self.endings.clone());
        self.ending.cancel();
        self.close(turn).await;
        endings.wait().await;
    }

    /// Closes the profile. The next one may open when `turn` is dropped; programs that run for an event end after that.
    async fn close(mut self, turn: TaskTrackerToken) {
        let _ = tokio::time::timeout(CLOSING, self.tasks.finish_sequential()).await;
        let _ = tokio::time::timeout(CLOSING, self.tasks.stop()).await;
        let deck = self.opening.borrow().clone();
        // No task reads events any more, and senders must not wait for one.
        drop(self.inbox);
        if let Some(deck) = deck {
            deck.stop_receiver().await;
            let _ = tokio::time::timeout(CLOSING, deck.finish_tokens()).await;
            drop(turn);
            let _ = tokio::time::timeout(CLOSING, deck.stop_receiving()).await;
            // For as long as they may run: one that delivers goods must not end half-way.
            deck.finish_hooks_until(&self.ending).await;
            let _ = tokio::time::timeout(CLOSING, deck.ledger().close()).await;
        }
    }
}

/// Opens the deck, and sends its events.
async fn open(
    profile: &Profile,
    options: Options,
    messages: &mpsc::Sender<Msg>,
) -> Option<Arc<Deck>> {
    let (events_to, events) = net::events::channel();
    let options = Options {
        events: Some(events_to),
        renew: true,
        ..options
    };
    match Deck::open(profile, options).await {
        Ok(deck) => {
            let deck = Arc::new(deck);
            tokio::spawn(relay(events, Arc::downgrade(&deck), messages.clone()));
            Some(deck)
        }
        Err(problem) => {
            tracing::error!(why = problem.message, "the profile cannot be opened");
            let _ = messages.send(Msg::NotReady(problem)).await;
            None
        }
    }
}

/// Sends what the deck has, then what changes there. The deck may perform effects once it is sent to `opened`.
async fn report(
    deck: &Arc<Deck>,
    verify: Vec<AccountId>,
    messages: &mpsc::Sender<Msg>,
    opened: mpsc::Sender<Arc<Deck>>,
) {
    // Before anything is read that it goes on from.
    let follower = Follower::new(deck).await;
    let (ready, list) = ready(deck, verify, messages).await;
    let follow = follow_ledger(deck.ledger().clone(), messages.clone());
    // Before any request, so that later gauges are newer.
    for (account, gauge) in deck.gauges().await.unwrap_or_default() {
        let _ = messages.send(Msg::Budget(account, gauge)).await;
    }
    let parts = deck.simulator_parts();
    let _ = opened.send(deck.clone()).await;
    let is_unread = ready.is_unread;
    let newest = ready.log.first().map_or(ExchangeId(0), |newest| newest.id);
    let _ = messages.send(Msg::Ready(ready)).await;
    let _ = messages.send(Msg::Simulator(parts)).await;
    for account in deck.accounts() {
        // Read only once it can be sent; later changes are sent later.
        let Ok(room) = messages.reserve().await else {
            break;
        };
        let mut known = deck.tokens().into_iter();
        if let Some((account, status)) = known.find(|(id, _)| *id == account.id) {
            room.send(Msg::Token(account, status));
        }
    }
    let follower = follower.after(newest);
    let follow_deck = async {
        let list = if is_unread {
            read_later(deck, list, messages).await
        } else {
            list
        };
        let watchlist = follow_watchlist(deck, list, messages);
        let others = follow_others(deck, follower, messages);
        tokio::join!(watchlist, others);
    };
    tokio::join!(follow, follow_deck);
}

async fn ready(
    deck: &Arc<Deck>,
    verify: Vec<AccountId>,
    messages: &mpsc::Sender<Msg>,
) -> (Ready, Watchlist) {
    let log = match deck.requests(None, Search::default(), LOG_FIRST).await {
        Ok(found) => found.rows,
        Err(problem) => {
            let _ = messages.send(Msg::Log(Err(problem))).await;
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

async fn saved(deck: &Deck) -> Result<Saved, Problem> {
    let deliveries = deck.deliveries(None, Search::default(), LOG_FIRST).await?;
    let failed = deck.failed_hooks().await?;
    Ok(Saved {
        credentials: deck.remembered_credentials().await?,
        deliveries: deliveries.rows,
        failed_callbacks: deck.failed_deliveries(LOG_FIRST).await?,
        awaited: deck.awaited_deliveries().await?,
        failed_hooks: failed.into_iter().map(message::failed_hook).collect(),
    })
}

/// Sends the events of a deck, until it is gone or messages have no receiver.
async fn relay(mut events: EventReceiver, deck: Weak<Deck>, messages: mpsc::Sender<Msg>) {
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

/// Sends what the ledger has, which could not be read at the start, once it can be read; returns the watch list.
async fn read_later(deck: &Deck, known: Watchlist, messages: &mpsc::Sender<Msg>) -> Watchlist {
    let mut list = known;
    loop {
        // The watch list first: its marks say which of the alerts that follow are handled.
        let Some(next) = next_watchlist(deck, &list, messages).await else {
            return list;
        };
        list = next;
        if let Ok(saved) = saved(deck).await {
            let _ = messages.send(Msg::Saved(saved)).await;
            return list;
        }
        tokio::time::sleep(READ_AGAIN).await;
        deck.send_watchlist_again();
    }
}

/// Sends the watch list whenever it differs from `known`, also after changes by other processes.
async fn follow_watchlist(deck: &Deck, mut known: Watchlist, messages: &mpsc::Sender<Msg>) {
    while let Some(list) = next_watchlist(deck, &known, messages).await {
        known = list;
    }
}

/// Sends the watch list once it differs from `known`, and returns it; `None` once messages have no receiver.
async fn next_watchlist(
    deck: &Deck,
    known: &Watchlist,
    messages: &mpsc::Sender<Msg>,
) -> Option<Watchlist> {
    let list = deck.watchlist_after(known).await;
    let mut seen = Vec::new();
    let before = known
        .watches
        .iter()
        .map(|watch| (&watch.account, &watch.id));
    let before: HashSet<(&AccountId, &PaymentId)> = before.collect();
    for watch in &list.watches {
        if !before.contains(&(&watch.account, &watch.id))
            && let Ok(observations) = deck.observations(&watch.account, &watch.id).await
        {
            let key = (watch.account.clone(), watch.id.clone());
            seen.push((key, observations));
        }
    }
    let sent = Msg::Watchlist {
        list: list.clone(),
        seen,
    };
    messages.send(sent).await.ok()?;
    Some(list)
}

/// Sends what other programs that share the ledger have saved, and what they leave of the rate limits.
async fn follow_others(deck: &Deck, mut follower: Follower, messages: &mpsc::Sender<Msg>) {
    loop {
        let News {
            requests,
            observations,
            failed_hooks,
        } = follower.next(deck).await;
        let shared = Msg::Shared {
            exchanges: requests.into_iter().map(Arc::new).collect(),
            observations,
            failed_hooks: failed_hooks.into_iter().map(message::failed_hook).collect(),
        };
        if messages.send(shared).await.is_err() {
            return;
        }
        for (account, gauge) in deck.gauges().await.unwrap_or_default() {
            let _ = messages.send(Msg::Budget(account, gauge)).await;
        }
    }
}

/// Notifies the operator when the ledger cannot save, and when it works again.
async fn follow_ledger(ledger: crate::ledger::Ledger, messages: mpsc::Sender<Msg>) {
    let mut changes = ledger.status_changes();
    let mut reported = false;
    loop {
        let status = ledger.status().await;
        let (level, text) = match &status {
            Status::Ready if reported => (Level::Info, "the ledger can be used again".to_owned()),
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
            if messages.send(Msg::Notice(notice)).await.is_err() {
                return;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::SocketAddr;
    use std::path::Path;
    use std::pin::pin;

    use super::*;
    use crate::clock::Clock;
    use crate::config::{self, AccountConfig, Environ, Vault};
    use crate::deck::Receive;
    use crate::domain::manage::Change;
    use crate::domain::{CallbackVerdict, HookEvent, ListenerStatus, RequestId, Watch};
    use crate::ledger::{HookRun, Ledger, NewDelivery, Retention};
    use crate::net::{Overrides, Timeouts};
    use crate::tui::Model;
    use crate::tui::testing::live_setup;

    /// A profile that receives callbacks at a free port.
    fn start(folder: &Path) -> ProfileStart {
        ProfileStart {
            model: Model::new(live_setup()).unwrap(),
            profile: Profile {
                name: "live".into(),
                built_in: false,
                tint: None,
                accounts: Vec::new(),
            },
            options: Options {
                state_dir: folder.join("state"),
                clock: Clock::system(),
                network: Timeouts::default().into(),
                events: None,
                renew: false,
                environ: Environ::of([]),
                config: None,
                vault: Vault::files(folder.join("vault")),
                overrides: Overrides::default(),
                receive: Some(Receive {
                    bind: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
                    ..Receive::default()
                }),
                ledger: config::LedgerConfig::default(),
                callbacks: config::Callbacks::default(),
                hooks: config::Hooks::default(),
                handover: Handover::default(),
                recording: None,
            },
            verify_on_start: false,
            notify: BTreeSet::new(),
        }
    }

    /// Saves that the hook of a payment failed, as another program does.
    async fn fail_hook(ledger: &Ledger, payment: &str) {
        let run = HookRun {
            profile: "live".into(),
            account: AccountId::new("shop").unwrap(),
            payment: PaymentId::new(payment).unwrap(),
            event: HookEvent::Paid,
        };
        let at = Clock::system().now().wall;
        assert!(ledger.claim_hook(run.clone(), at).await.unwrap());
        let failed = ledger.end_hook(run, Some("exit status: 3".into()));
        failed.await.unwrap();
    }

    /// A callback that must be answered in time if it is valid.
    fn out_of_stock(verdict: CallbackVerdict) -> NewDelivery {
        NewDelivery {
            account_key: "live".into(),
            account: "shop".into(),
            provider: "kinguin".into(),
            received_at: Clock::system().now().wall,
            happened_at: None,
            from: "203.0.113.7".into(),
            method: "POST".into(),
            verdict,
            why: "a signature".into(),
            kind: "OUT_OF_STOCK".into(),
            subject: None,
            proved: true,
            dedup_key: None,
            status: 200,
            bytes: 12,
            sealed: b"sealed".to_vec(),
            jobs: Vec::new(),
        }
    }

    async fn next(running: &mut Running) -> Msg {
        let next = tokio::time::timeout(Duration::from_secs(20), running.inbox.recv());
        next.await.expect("no message comes").unwrap()
    }

    #[tokio::test]
    async fn what_the_ledger_has_comes_once_it_can_be_read_and_then_what_fails_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let ledger = Ledger::start(state.clone(), Clock::system(), Retention::default());
        let now = Clock::system().now().wall;
        let payment = PaymentId::new("A-17").unwrap();
        let watch = Watch::new(AccountId::new("shop").unwrap(), payment, now);
        ledger.watch("live", &watch).await.unwrap();
        fail_hook(&ledger, "A-17").await;
        ledger
            .deliver(out_of_stock(CallbackVerdict::Accepted))
            .await
            .unwrap();
        let database = rusqlite::Connection::open(state.join("ledger.db")).unwrap();
        database
            .execute_batch(
                "BEGIN; ALTER TABLE watches RENAME TO w; ALTER TABLE deliveries RENAME TO d; COMMIT",
            )
            .unwrap();
        let mut running = Running::start(start(folder.path()));
        loop {
            if let Msg::Ready(ready) = next(&mut running).await {
                assert!(ready.is_unread);
                break;
            }
        }
        database
            .execute_batch(
                "BEGIN; ALTER TABLE w RENAME TO watches; ALTER TABLE d RENAME TO deliveries; COMMIT",
            )
            .unwrap();
        let mut watched = 0;
        let saved = loop {
            match next(&mut running).await {
                Msg::Watchlist { list, .. } => watched = list.watches.len(),
                Msg::Saved(saved) => break saved,
                _ => {}
            }
        };
        assert_eq!(watched, 1, "the list with the marks comes first");
        assert_eq!(saved.deliveries.len(), 1);
        assert_eq!(saved.failed_hooks.len(), 1);
        fail_hook(&ledger, "A-18").await;
        let mut found = Vec::new();
        while found.len() < 2 {
            if let Msg::Shared { failed_hooks, .. } = next(&mut running).await {
                found.extend(failed_hooks.into_iter().map(|(notice, _)| notice.about));
            }
        }
        assert_eq!(
            found,
            ["A-17", "A-18"].map(|id| format!("hook on_paid of {id} (shop)"))
        );
        running.end().await;
    }

    #[tokio::test]
    async fn a_callback_that_must_be_answered_is_sent_although_a_flood_hides_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let ledger = Ledger::start(state.clone(), Clock::system(), Retention::default());
        ledger
            .deliver(out_of_stock(CallbackVerdict::Refused))
            .await
            .unwrap();
        let mut start = start(folder.path());
        start.profile.accounts = vec![AccountConfig {
            id: AccountId::new("shop").unwrap(),
            provider: "kinguin",
            environment: "sandbox".into(),
            texts: BTreeMap::new(),
            secrets: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            budget: None,
            timeout: None,
        }];
        let receive = start.options.receive.as_mut().unwrap();
        receive.pace.others = Duration::from_millis(20);
        let mut running = Running::start(start);
        while !matches!(next(&mut running).await, Msg::Ready(_)) {}
        // At once: the console must not read a part of them.
        let mut flood = "BEGIN IMMEDIATE; CREATE TEMP TABLE new AS SELECT * FROM deliveries;
            UPDATE new SET id = 2, verdict = 'accepted'; INSERT INTO deliveries SELECT * FROM new;
            UPDATE new SET verdict = 'refused';"
            .to_owned();
        for _ in 0..3 * net::events::ROOM {
            flood += "UPDATE new SET id = id + 1; INSERT INTO deliveries SELECT * FROM new;";
        }
        flood += "COMMIT";
        let database = rusqlite::Connection::open(state.join("ledger.db")).unwrap();
        database.execute_batch(&flood).unwrap();
        let awaited = loop {
            match next(&mut running).await {
                Msg::Awaited(awaited) if !awaited.is_empty() => break awaited,
                Msg::Delivery(delivery) => assert_ne!(delivery.id.0, 2, "it is hidden"),
                _ => {}
            }
        };
        let awaited: Vec<_> = awaited.iter().map(|delivery| delivery.id.0).collect();
        assert_eq!(awaited, [2]);
        running.end().await;
    }

    #[tokio::test]
    async fn an_account_change_that_is_being_saved_ends_before_the_program_does() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        let text = "[profiles.live.accounts.shop]\nprovider = \"kongregate\"\nenvironment = \"production\"\n\
             api_key = { env = \"NOWHERE\" }\n";
        std::fs::write(&config, text).unwrap();
        let mut start = start(folder.path());
        start.options.receive = None;
        start.options.config = Some(config.clone());
        start.profile.accounts = vec![AccountConfig {
            id: AccountId::new("shop").unwrap(),
            provider: "kongregate",
            environment: "production".into(),
            texts: BTreeMap::new(),
            secrets: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            budget: None,
            timeout: None,
        }];
        let mut running = Running::start(start);
        let deck = running.opened.recv().await.unwrap();
        running.use_deck(deck);
        // As another tilldeck does that changes the file.
        let elsewhere = std::fs::File::open(folder.path()).unwrap();
        elsewhere.lock().unwrap();
        let change = Change::Remove(AccountId::new("shop").unwrap());
        running.perform(Effect::Manage(RequestId(1), change));
        let begun = async {
            while running.endings.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let begun = tokio::time::timeout(Duration::from_secs(10), begun).await;
        begun.expect("nothing waits for it");
        let mut ending = pin!(running.end());
        let early = tokio::time::timeout(Duration::from_millis(100), &mut ending).await;
        assert!(early.is_err());
        drop(elsewhere);
        ending.await;
        assert!(!std::fs::read_to_string(&config).unwrap().contains("shop"));
    }

    #[tokio::test]
    async fn a_change_while_the_one_before_opens_takes_over_the_port_as_well() {
        async fn opened(running: &mut Running) -> String {
            let deck = running.opened.recv().await.unwrap();
            let mut listening = deck.listening();
            let up = listening.wait_for(|it| matches!(it, ListenerStatus::Up { .. }));
            let ListenerStatus::Up { url, .. } = up.await.unwrap().clone() else {
                unreachable!();
            };
            url
        }
        let folder = tempfile::tempdir().unwrap();
        let next = || start(folder.path());
        let mut running = Running::start(next());
        let url = opened(&mut running).await;
        let before = running.closing.token();
        let (mut first, prepared) = running.prepare(next()).await;
        first.options.handover = running.hand_over(&[], prepared.unwrap());
        running.replace(first, Vec::new());
        let mut prepared = pin!(running.prepare(next()));
        tokio::select! {
            biased;
            _ = &mut prepared => panic!("the profile before is not closed yet"),
            () = std::future::ready(()) => drop(before),
        }
        let (mut second, prepared) = prepared.await;
        second.options.handover = running.hand_over(&[], prepared.unwrap());
        running.replace(second, Vec::new());
        assert_eq!(opened(&mut running).await, url);
        running.end().await;
    }
}
