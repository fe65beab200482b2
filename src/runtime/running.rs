//! A profile at work in the console: its deck, its tasks, and the messages from both.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::feed::{Feed, relay};
use super::perform::Performer;
use super::source::ProfileStart;
use super::tasks::Tasks;
use crate::config::Profile;
use crate::deck::{Deck, Handover, Options, Prepared};
use crate::domain::{Account, AccountId, Environment, Problem};
use crate::ledger::Pause;
use crate::net;
use crate::tui::{Effect, Msg};

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
            let feed = Feed { deck, messages: to };
            feed.run(verify, opened_to).await;
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
    use crate::domain::{CallbackVerdict, HookEvent, ListenerStatus, PaymentId, RequestId, Watch};
    use crate::ledger::{HookRun, Ledger, NewDelivery, PaymentKey, Retention};
    use crate::net::{Network, Overrides};
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
                network: Network::default(),
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
            of: PaymentKey {
                profile: "live".into(),
                account: AccountId::new("shop").unwrap(),
                id: PaymentId::new(payment).unwrap(),
            },
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
            alike: AccountId::new("shop").unwrap(),
            provider: "kinguin",
            environment: Environment::Sandbox,
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
            alike: AccountId::new("shop").unwrap(),
            provider: "kongregate",
            environment: Environment::Production,
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
