//! Runs the operator's programs at events, behind everything else: neither a screen nor the answer to a callback waits
//! for one.

mod watch;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{self, Profile, child};
use crate::domain::job::DAY;
use crate::domain::{
    AccountId, HOOK_LIMIT, HookEvent, Payment, PaymentId, PaymentReport, PaymentState, Problem,
    WallTime, inert,
};
use crate::ledger::{HookRun, Ledger, LedgerError, PaymentKey};
use crate::net::{Event, EventSender, Observer, redact};
pub(super) use watch::Watch;

/// How many programs run at once.
const AT_ONCE: usize = 4;
/// The most programs that wait or run. A payment waits for a place; any other event after that runs nothing, and is
/// reported.
const QUEUE_MAX: usize = 1000;
/// How long the end waits for programs: one that has just begun may run for its whole time.
const CLOSING: Duration = Duration::from_secs(11);
/// How often a program that lives long looks for payments whose hook no program has run.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How long ago such a payment may have come to its state: a hook that is configured again after a long time must not
/// deliver what was delivered by hand meanwhile.
const LOOK_BACK: Duration = DAY.saturating_mul(7);

/// How many times it looks only at what has come since the last time and shortly before: of very many payments, all take
/// seconds.
const RECENT_SWEEPS: u32 = 60;
const OVERLAP: Duration = Duration::from_hours(1);

/// The hooks of an open profile. Clones share them.
#[derive(Clone)]
pub(super) struct Hooks(Option<Arc<Inner>>);

/// Finds the base URL of the API that an account uses now.
pub(super) type ApiOf = Box<dyn Fn(&AccountId) -> Option<String> + Send + Sync>;

struct Inner {
    parts: Parts,
    profile: String,
    /// Set before anything of a payment is reported.
    api_of: OnceLock<ApiOf>,
    /// The events of payments that have a hook.
    of_payments: Vec<HookEvent>,
    /// The payments that wait for a permit, and whether each has changed just now.
    waiting: Mutex<HashMap<PaymentKey, bool>>,
    /// The payments whose hook did not run, as was reported.
    not_run: Mutex<HashMap<PaymentKey, NotRun>>,
    /// Whether a payment has waited in vain, so that the next sweep looks at all.
    waits: AtomicBool,
    /// Runs whose end the ledger could not save, and how they ended.
    unsaved: Mutex<VecDeque<(HookRun, Option<String>)>>,
    places: Arc<Semaphore>,
    /// Closed at the end: then no more programs begin.
    permits: Semaphore,
    tasks: TaskTracker,
    /// Cancelled at the end: then it looks for no more payments.
    closing: CancellationToken,
}

/// Why a hook did not run, which says what resolves that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NotRun {
    /// The ledger does not have the payment's state.
    Unsaved,
    /// It has: once no run is missing, a program has run it.
    Saved,
    /// It may have saved that the hook runs: only a run here shows that it had not.
    Claimed,
}

/// What [`Hooks`] are made from.
pub(super) struct Parts {
    pub(super) programs: config::Hooks,
    pub(super) ledger: Ledger,
    pub(super) clock: Clock,
    /// Where failures are reported.
    pub(super) events: Option<EventSender>,
    /// What this program has seen of the accounts. `None` for a command that ends at once: a hundred of them would report
    /// the same a hundred times.
    pub(super) watch: Option<Mutex<Watch>>,
}

/// An event about something other than a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Notice {
    event: HookEvent,
    account: Option<String>,
    /// One sentence, inert.
    message: String,
}

struct Task {
    event: HookEvent,
    input: String,
    /// Of a hook that runs once for a payment.
    run: Option<HookRun>,
}

impl Hooks {
    /// The hooks of a profile. The built-in one has none: what happens in the simulator must not start a program that
    /// delivers goods.
    pub(super) fn new(profile: &Profile, parts: Parts) -> Self {
        if parts.programs.is_empty() || profile.built_in {
            return Self(None);
        }
        let inner = Inner::new(profile.name.clone(), parts);
        Self(Some(Arc::new(inner)))
    }

    /// Begins to look for payments, once the accounts are there.
    pub(super) fn start(&self, api_of: ApiOf) {
        let Some(inner) = &self.0 else { return };
        let _ = inner.api_of.set(api_of);
        if !inner.of_payments.is_empty() {
            inner.tasks.spawn(inner.clone().sweeps());
        }
    }

    /// Sees the events of the gate.
    pub(super) fn observer(&self) -> Observer {
        let hooks = self.clone();
        Box::new(move |event| hooks.on_event(event))
    }

    /// Reports a payment that is final, or whose expected amount was set; `is_new` if that has changed just now. The ledger
    /// decides whether its hook has run. Returns once the payment has a place in the queue.
    pub(super) async fn payment(&self, account: &AccountId, id: &PaymentId, is_new: bool) {
        if let Some(inner) = &self.0
            && !inner.of_payments.is_empty()
        {
            inner.queue(inner.key(account, id), is_new).await;
        }
    }

    /// Reports that a payment cannot be saved as it is now, if a hook may have to run for it.
    pub(super) fn payment_unsaved(
        &self,
        account: &AccountId,
        payment: &Payment,
        why: &LedgerError,
    ) {
        if let Some(inner) = &self.0
            && inner.may_run(&payment.state)
        {
            let why = format!("its state cannot be saved: {why}");
            inner.not_run(account, &payment.id, &why);
            let of = inner.key(account, &payment.id);
            inner.not_run.lock().insert(of, NotRun::Unsaved);
        }
    }

    /// Reports that a payment is saved as it is now.
    pub(super) fn payment_saved(&self, account: &AccountId, id: &PaymentId) {
        if let Some(inner) = &self.0
            && let Some(why @ NotRun::Unsaved) =
                inner.not_run.lock().get_mut(&inner.key(account, id))
        {
            *why = NotRun::Saved;
        }
    }

    /// What was seen of these accounts, for the next deck: it must not report the same again.
    pub(super) fn watch_of(&self, accounts: &[AccountId]) -> Watch {
        let watch = self.0.as_ref().and_then(|inner| inner.parts.watch.as_ref());
        watch.map_or_else(Watch::default, |watch| watch.lock().of(accounts))
    }

    /// Looks at an event of the gate for what needs attention.
    fn on_event(&self, event: &Event) {
        self.watched(|watch, clock| watch.on_event(event, clock.now()));
    }

    /// Looks at the result of a signed request.
    pub(super) fn on_answer(&self, account: &AccountId, result: Result<(), &Problem>) {
        self.watched(|watch, _| watch.on_answer(account, result));
    }

    fn watched(&self, look: impl FnOnce(&mut Watch, &Clock) -> Option<Notice>) {
        let Some(inner) = &self.0 else { return };
        let Some(watch) = &inner.parts.watch else {
            return;
        };
        let mut watch = watch.lock();
        let notice = look(&mut watch, &inner.parts.clock);
        drop(watch);
        let Some(notice) = notice.filter(|it| inner.parts.programs.contains_key(&it.event)) else {
            return;
        };
        let about = json!({ "account": notice.account, "message": notice.message });
        let task = Task {
            event: notice.event,
            input: inner.input(notice.event, about),
            run: None,
        };
        match inner.places.clone().try_acquire_owned() {
            Ok(place) => inner.spawn(task, place),
            Err(_) => inner.failed(
                &task,
                &format!("not run, because {QUEUE_MAX} hooks wait already"),
            ),
        }
    }

    /// Waits until all programs that wait or run have ended.
    pub(super) async fn finish(&self) {
        if let Some(inner) = &self.0 {
            inner.closing.cancel();
            inner.tasks.close();
            inner.tasks.wait().await;
            inner.save_ends().await;
        }
    }

    /// Waits for the programs that run. Payments that still wait are left to the next tilldeck.
    pub(super) async fn end(&self) {
        let Some(inner) = &self.0 else { return };
        inner.permits.close();
        if tokio::time::timeout(CLOSING, self.finish()).await.is_err() {
            tracing::error!(
                left = inner.tasks.len(),
                "hooks have not ended: tilldeck ends"
            );
        }
    }
}

impl Inner {
    fn new(profile: String, parts: Parts) -> Self {
        let mut of_payments = HookEvent::OF_PAYMENTS.to_vec();
        of_payments.retain(|event| parts.programs.contains_key(event));
        Self {
            profile,
            api_of: OnceLock::new(),
            of_payments,
            parts,
            waiting: Mutex::default(),
            not_run: Mutex::default(),
            waits: AtomicBool::default(),
            unsaved: Mutex::default(),
            places: Arc::new(Semaphore::new(QUEUE_MAX)),
            permits: Semaphore::new(AT_ONCE),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        }
    }

    fn key(&self, account: &AccountId, id: &PaymentId) -> PaymentKey {
        PaymentKey {
            profile: self.profile.clone(),
            account: account.clone(),
            id: id.clone(),
        }
    }

    /// Saves since when the profile has these hooks; in a program that lives long, then looks for payments again and
    /// again until it closes.
    async fn sweeps(self: Arc<Self>) {
        if self.parts.watch.is_none() {
            // One that needs them reads them again.
            let _ = self.starts().await;
            return;
        }
        let again_and_again = async {
            let mut swept = None;
            for round in (0..RECENT_SWEEPS).cycle() {
                let now = self.now();
                let looks_at_all = round == 0 || self.waits.swap(false, Ordering::Relaxed);
                let is_recent = !looks_at_all && self.not_run.lock().is_empty();
                let from = swept
                    .filter(|_| is_recent)
                    .map(|at: WallTime| at.minus(OVERLAP));
                match self.sweep(from).await {
                    Ok(()) => swept = Some(now),
                    Err(error) => {
                        tracing::warn!(%error, "the payments whose hook has not run cannot be read");
                    }
                }
                tokio::time::sleep(SWEEP_EVERY).await;
            }
        };
        self.closing.run_until_cancelled(again_and_again).await;
    }

    /// Queues the payments whose hook no program has run: theirs ended, has no such hook, or does not know of the change;
    /// only those of a change since `from`, if it is given.
    async fn sweep(self: &Arc<Self>, from: Option<WallTime>) -> Result<(), LedgerError> {
        let starts = self.starts().await?;
        let since = starts.iter().map(|(_, start)| self.since(*start)).min();
        let Some(since) = since else { return Ok(()) };
        let since = from.map_or(since, |from| since.max(from));
        let reported: Vec<PaymentKey> = self
            .not_run
            .lock()
            .iter()
            .filter(|(_, why)| **why == NotRun::Saved)
            .map(|(of, _)| of.clone())
            .collect();
        let events = self.of_payments.clone();
        let ledger = &self.parts.ledger;
        let left = ledger.payments_without_run(&self.profile, events, since);
        let left = left.await?;
        // Another program has run it.
        for of in reported.iter().filter(|of| !left.contains(of)) {
            self.resolve(of, |why| why == NotRun::Saved);
        }
        self.save_ends().await;
        for of in left {
            self.queue(of, false).await;
        }
        Ok(())
    }

    /// Since when the profile has each of its hooks. Read each time: one from the future is lowered.
    async fn starts(&self) -> Result<Vec<(HookEvent, WallTime)>, LedgerError> {
        let events = self.of_payments.clone();
        let ledger = &self.parts.ledger;
        let mut starts = ledger
            .hook_starts(&self.profile, events, self.now())
            .await?;
        starts.retain(|(event, _)| self.of_payments.contains(event));
        Ok(starts)
    }

    /// Since when a payment must have come to its state to run a hook that starts at `start`, unless it has changed just now.
    fn since(&self, start: WallTime) -> WallTime {
        start.max(self.now().minus(LOOK_BACK))
    }

    /// Queues a payment, unless it waits already. What it runs is decided when its turn comes.
    async fn queue(self: &Arc<Self>, of: PaymentKey, is_new: bool) {
        // An error would mean that the places are closed, which they never are.
        let Ok(place) = self.places.clone().acquire_owned().await else {
            return;
        };
        let mut waiting = self.waiting.lock();
        if let Some(was_new) = waiting.get_mut(&of) {
            *was_new |= is_new;
            return;
        }
        waiting.insert(of.clone(), is_new);
        drop(waiting);
        let inner = self.clone();
        self.tasks.spawn(async move {
            let permit = inner.permits.acquire().await;
            let is_new = inner.waiting.lock().remove(&of) == Some(true);
            if permit.is_err() {
                // It has not begun, so that another program may run it. A console or `listen` looks for it at its start.
                if inner.parts.watch.is_none() {
                    inner.not_run(
                        &of.account,
                        &of.id,
                        "tilldeck ended first; check the payment again",
                    );
                }
            } else {
                match inner.claim(&of, is_new).await {
                    Ok(task) => {
                        inner.resolve(&of, |why| task.is_some() || why == NotRun::Saved);
                        if let Some(task) = task {
                            inner.run(&task).await;
                        }
                    }
                    Err(why) if is_new => {
                        inner.not_run(&of.account, &of.id, &why);
                        inner.not_run.lock().insert(of, NotRun::Saved);
                    }
                    Err(why) => {
                        inner.waits.store(true, Ordering::Relaxed);
                        tracing::warn!(payment = of.id.as_str(), why, "a hook waits");
                    }
                }
            }
            drop((permit, place));
        });
    }

    /// The run of a payment as it is now, if one is due and the ledger says that it is the first.
    async fn claim(&self, of: &PaymentKey, is_new: bool) -> Result<Option<Task>, String> {
        let ledger = &self.parts.ledger;
        let api_of = self.api_of.get();
        let Some(api) = api_of.and_then(|api_of| api_of(&of.account)) else {
            return Ok(None);
        };
        let seen = ledger.last_observation(of.clone(), Some(api)).await;
        let seen = seen.map_err(|error| format!("its last state cannot be read: {error}"))?;
        let Some(seen) = seen.filter(|seen| self.may_run(&seen.payment.state)) else {
            return Ok(None);
        };
        let expected = ledger.expectation(of.clone()).await;
        let expected =
            expected.map_err(|error| format!("the expected amount cannot be read: {error}"))?;
        let report = PaymentReport {
            account: &of.account,
            id: of.id.as_str(),
            payment: Some(&seen.payment),
            expected: expected.as_ref().map(|expected| &expected.sum),
        };
        let event = report.verdict().and_then(HookEvent::of);
        let Some(event) = event.filter(|event| self.of_payments.contains(event)) else {
            return Ok(None);
        };
        let unsaved = |why: &str| format!("the ledger cannot save that it runs: {why}");
        // A ledger in memory alone forgets it with this program.
        if let Some(why) = ledger.status().await.failure() {
            return Err(unsaved(why));
        }
        let failed = |error: LedgerError| unsaved(&error.to_string());
        let came = expected.as_ref().map_or(seen.at, |it| it.at.max(seen.at));
        if !is_new {
            let starts = self.starts().await.map_err(failed)?;
            let start = starts.iter().find(|(of, _)| *of == event);
            if start.is_none_or(|(_, start)| came < self.since(*start)) {
                return Ok(None);
            }
        }
        let run = HookRun {
            of: of.clone(),
            event,
        };
        let is_first = match ledger.claim_hook(run.clone(), self.now()).await {
            Ok(is_first) => is_first,
            // It may be saved all the same, and then no program runs it.
            Err(error) => {
                self.not_run(&of.account, &of.id, &failed(error));
                self.not_run.lock().insert(of.clone(), NotRun::Claimed);
                return Ok(None);
            }
        };
        Ok(is_first.then(|| Task {
            event,
            input: self.input(event, report.json(Some(seen.at))),
            run: Some(run),
        }))
    }

    /// Whether a payment in this state may run a hook, whatever its amount.
    fn may_run(&self, state: &PaymentState) -> bool {
        let of_state = |event: &HookEvent| match state {
            PaymentState::Finalized => *event != HookEvent::Failed,
            PaymentState::Failed => *event == HookEvent::Failed,
            _ => false,
        };
        self.of_payments.iter().any(of_state)
    }

    /// What a program reads: one line of JSON, redacted and inert.
    fn input(&self, event: HookEvent, about: Value) -> String {
        let mut object = serde_json::Map::new();
        object.insert("schema".into(), json!(1));
        object.insert("event".into(), json!(event.as_str()));
        object.insert("at".into(), json!(self.parts.clock.now().wall.rfc3339()));
        object.insert("profile".into(), json!(self.profile));
        if let Value::Object(about) = about {
            object.extend(about);
        }
        let text = Value::Object(object).to_string();
        format!("{}\n", inert::json(&redact::scrub(&text)))
    }

    /// Runs a program behind this call.
    fn spawn(self: &Arc<Self>, task: Task, place: OwnedSemaphorePermit) {
        let inner = self.clone();
        self.tasks.spawn(async move {
            match inner.permits.acquire().await {
                Ok(_permit) => inner.run(&task).await,
                Err(_) => inner.failed(&task, "not run, because tilldeck ended first"),
            }
            drop(place);
        });
    }

    async fn run(&self, task: &Task) {
        let Some(words) = self.parts.programs.get(&task.event) else {
            return;
        };
        let done = child::feed(words, task.input.as_bytes(), HOOK_LIMIT).await;
        let failure = done.err().map(|error| inert_words(&error.to_string()));
        if let Some(run) = &task.run {
            self.save_end(run.clone(), failure.clone()).await;
        }
        if let Some(why) = failure {
            self.failed(task, &why);
        } else {
            tracing::info!(hook = task.event.setting(), "a hook has run");
        }
    }

    /// Saves the ends that could not be saved.
    async fn save_ends(&self) {
        let unsaved = self.unsaved.lock().len();
        for _ in 0..unsaved {
            let Some((run, failure)) = self.unsaved.lock().pop_front() else {
                return;
            };
            let about = run.event.about(Some((&run.of.account, &run.of.id)));
            let has_succeeded = failure.is_none();
            if self.save_end(run, failure).await && has_succeeded {
                self.resolved(about);
            }
        }
    }

    /// Saves how a run ended, or leaves that to the next sweep; returns whether it is saved.
    async fn save_end(&self, run: HookRun, failure: Option<String>) -> bool {
        let ledger = &self.parts.ledger;
        let saved = ledger.end_hook(run.clone(), failure.clone()).await;
        if let Err(error) = &saved {
            tracing::error!(%error, "how a hook ended is not saved");
            self.unsaved.lock().push_back((run, failure));
        }
        saved.is_ok()
    }

    fn now(&self) -> WallTime {
        self.parts.clock.now().wall
    }

    fn not_run(&self, account: &AccountId, id: &PaymentId, why: &str) {
        let about = HookEvent::about_any(account, id);
        self.warn(about, &format!(" not run: {why}"));
    }

    fn failed(&self, task: &Task, why: &str) {
        // By payment: each must be looked after by itself.
        let of = task.run.as_ref();
        let about = task
            .event
            .about(of.map(|run| (&run.of.account, &run.of.id)));
        self.warn(about, &format!(": {why}"));
    }

    /// Ends the alert that a payment's hook did not run.
    fn resolve(&self, of: &PaymentKey, is_over: impl FnOnce(NotRun) -> bool) {
        let mut not_run = self.not_run.lock();
        if not_run.get(of).copied().is_some_and(is_over) {
            not_run.remove(of);
            self.resolved(HookEvent::about_any(&of.account, &of.id));
        }
    }

    fn resolved(&self, about: String) {
        if let Some(events) = &self.parts.events {
            events.send(Event::Resolved(about));
        }
    }

    fn warn(&self, about: String, what: &str) {
        let text = inert_words(&format!("{about}{what}"));
        tracing::warn!(about, text, "warning");
        if let Some(events) = &self.parts.events {
            events.send(Event::Warning { about, text });
        }
    }
}

/// Why a hook failed, without secrets: for the screen and the ledger.
fn inert_words(why: &str) -> String {
    inert::cut(&redact::body(why), 500)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::{
        Amount, Currency, Expectation, Expected, ExpectedBy, Observation, Replaced, Reported,
    };
    use crate::ledger::Retention;
    use crate::net::{EventReceiver, events};

    const HOUR: Duration = Duration::from_hours(1);
    const API: &str = "https://api.example";

    struct Bench {
        folder: tempfile::TempDir,
        ledger: Ledger,
        clock: Clock,
        hand: ManualClock,
        /// Of the hooks that were opened last.
        events: RefCell<Option<EventReceiver>>,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (clock, hand) = Clock::by_hand(WallTime(0));
            let state = folder.path().join("state");
            Self {
                ledger: Ledger::start(state, clock.clone(), Retention::default()),
                folder,
                clock,
                hand,
                events: RefCell::default(),
            }
        }

        /// A program whose hooks save their input once they may go on.
        fn open(&self) -> (Hooks, Arc<Inner>) {
            let script = "until [ -e $0/go ]; do sleep 0.01; done; cat >> $0/input";
            let folder = self.folder.path().display().to_string();
            let words = ["/bin/sh", "-c", script, &folder].map(str::to_owned);
            let events = [HookEvent::Paid, HookEvent::Underpaid];
            let (sender, receiver) = events::channel();
            self.events.replace(Some(receiver));
            let parts = Parts {
                programs: events.map(|event| (event, words.to_vec())).into(),
                ledger: self.ledger.clone(),
                clock: self.clock.clone(),
                events: Some(sender),
                watch: None,
            };
            let inner = Arc::new(Inner::new("live".into(), parts));
            let _ = inner.api_of.set(Box::new(|_| Some(API.into())));
            (Hooks(Some(inner.clone())), inner)
        }

        fn go_on(&self) {
            fs::write(self.folder.path().join("go"), "").unwrap();
        }

        /// Renames a table of the ledger, so that it cannot be used.
        fn rename(&self, from: &str, to: &str) {
            let path = self.folder.path().join("state").join("ledger.db");
            let database = rusqlite::Connection::open(path).unwrap();
            let statement = format!("ALTER TABLE {from} RENAME TO {to}");
            database.execute_batch(&statement).unwrap();
        }

        /// The next event: whether it resolves a warning, and its name.
        fn event(&self) -> Option<(bool, String)> {
            match self.events.borrow_mut().as_mut()?.try_recv()? {
                Event::Warning { about, .. } => Some((false, about)),
                Event::Resolved(about) => Some((true, about)),
                _ => None,
            }
        }

        /// What the hooks have read, in the order of the payments.
        fn inputs(&self) -> Vec<Value> {
            let inputs = fs::read(self.folder.path().join("input")).unwrap_or_default();
            let lines = inputs.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.is_empty());
            let mut inputs: Vec<Value> = lines
                .map(|line| serde_json::from_slice(line).unwrap())
                .collect();
            inputs.sort_unstable_by_key(|input| input["id"].to_string());
            inputs
        }

        async fn see(&self, id: &str, hour: u32) {
            let seen = Observation {
                at: WallTime(0).plus(hour * HOUR),
                payment: paid(id),
            };
            let saved = self.ledger.observe(&shop(), ("live", API), &seen).await;
            assert_eq!(saved, Ok(true));
        }

        async fn expect(&self, id: &str, amount: &str, hour: u32) {
            let of = PaymentKey {
                profile: "live".into(),
                account: shop(),
                id: PaymentId::new(id).unwrap(),
            };
            let new = Expectation {
                sum: Expected {
                    amount: Amount::typed(amount).unwrap(),
                    currency: Currency::new("BTC").unwrap(),
                },
                by: ExpectedBy::Command,
                at: WallTime(0).plus(hour * HOUR),
                operator: String::new(),
            };
            let set = self.ledger.expect(of, new, Replaced::Confirmed).await;
            set.unwrap().unwrap();
        }
    }

    fn shop() -> AccountId {
        AccountId::new("shop").unwrap()
    }

    /// Reports five paid payments, of which four run.
    async fn report_five(bench: &Bench, hooks: &Hooks, inner: &Inner) {
        for id in ["A-1", "A-2", "A-3", "A-4", "A-5"] {
            bench.expect(id, "0.01", 0).await;
            bench.see(id, 0).await;
            hooks
                .payment(&shop(), &PaymentId::new(id).unwrap(), true)
                .await;
        }
        until(|| inner.permits.available_permits() == 0).await;
    }

    fn paid(id: &str) -> Payment {
        Payment {
            id: PaymentId::new(id).unwrap(),
            currency: Reported::currency("BTC"),
            amount: Reported::amount("0.01"),
            state: PaymentState::Finalized,
        }
    }

    async fn until(is: impl Fn() -> bool) {
        while !is() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_was_not_run_or_not_saved_is_made_up_for_and_no_alert_any_more() {
        let bench = Bench::new();
        let (hooks, inner) = bench.open();
        inner.starts().await.unwrap();
        bench.expect("A-1", "0.01", 0).await;
        bench.see("A-1", 0).await;
        bench.rename("expectations", "away");
        let id = PaymentId::new("A-1").unwrap();
        hooks.payment(&shop(), &id, true).await;
        until(|| !inner.not_run.lock().is_empty()).await;
        let unknown = "hook of A-1 (shop)".to_owned();
        assert_eq!(bench.event(), Some((false, unknown.clone())));
        bench.rename("away", "expectations");
        inner.sweep(None).await.unwrap();
        assert_eq!(bench.event(), None, "it has not run yet");
        let later = WallTime(0).plus(HOUR);
        let listed = async || bench.ledger.failed_hooks("live", later, 9).await.unwrap();
        while listed().await.is_empty() {}
        bench.rename("hook_runs", "away");
        bench.go_on();
        until(|| !inner.unsaved.lock().is_empty()).await;
        bench.rename("away", "hook_runs");
        assert_eq!(listed().await.len(), 1, "it counts as interrupted");
        inner.sweep(None).await.unwrap();
        assert_eq!(listed().await, []);
        let of_paid = "hook on_paid of A-1 (shop)".to_owned();
        let events = [bench.event(), bench.event(), bench.event()];
        assert_eq!(events, [Some((true, unknown)), Some((true, of_paid)), None]);
        hooks.finish().await;
        assert_eq!(bench.inputs().len(), 1);
    }

    #[tokio::test]
    async fn the_alert_of_a_state_that_was_not_saved_stays_until_it_is_and_the_hook_runs() {
        let bench = Bench::new();
        let (hooks, inner) = bench.open();
        inner.starts().await.unwrap();
        bench.go_on();
        let payment = paid("A-1");
        hooks.payment_unsaved(&shop(), &payment, &LedgerError::Stopped);
        let unknown = "hook of A-1 (shop)".to_owned();
        assert_eq!(bench.event(), Some((false, unknown.clone())));
        // An amount is expected: the ledger still has no state.
        bench.expect("A-1", "0.01", 0).await;
        hooks.payment(&shop(), &payment.id, true).await;
        until(|| inner.places.available_permits() == QUEUE_MAX).await;
        inner.sweep(None).await.unwrap();
        assert_eq!(bench.event(), None);
        bench.see("A-1", 0).await;
        hooks.payment_saved(&shop(), &payment.id);
        hooks.payment(&shop(), &payment.id, true).await;
        hooks.finish().await;
        assert_eq!(bench.event(), Some((true, unknown)));
        assert_eq!(bench.inputs().len(), 1);
    }

    #[tokio::test]
    async fn at_the_end_programs_that_run_finish_and_the_next_tilldeck_runs_those_that_wait() {
        let bench = Bench::new();
        let (hooks, inner) = bench.open();
        inner.starts().await.unwrap();
        report_five(&bench, &hooks, &inner).await;
        let release = async {
            assert!(inner.permits.is_closed());
            bench.go_on();
        };
        tokio::join!(hooks.end(), release);
        assert_eq!(bench.inputs().len(), 4);
        let (next, inner) = bench.open();
        inner.sweep(None).await.unwrap();
        next.finish().await;
        let ran = bench.inputs();
        let ran: Vec<&Value> = ran.iter().map(|input| &input["id"]).collect();
        assert_eq!(ran, ["A-1", "A-2", "A-3", "A-4", "A-5"]);
    }

    #[tokio::test]
    async fn a_payment_that_waits_runs_what_it_is_when_its_turn_comes() {
        let bench = Bench::new();
        let (hooks, inner) = bench.open();
        report_five(&bench, &hooks, &inner).await;
        bench.expect("A-5", "250", 0).await;
        bench.go_on();
        hooks.finish().await;
        let ran = bench.inputs();
        let ran: Vec<_> = ran
            .iter()
            .map(|input| (&input["event"], &input["expected_amount"]))
            .collect();
        let (paid, less) = (json!("paid"), json!("underpaid"));
        assert_eq!(ran[..4], [(&paid, &json!("0.01")); 4]);
        assert_eq!(ran[4..], [(&less, &json!("250"))]);
    }

    #[tokio::test]
    async fn one_program_runs_a_payment_that_another_saw_if_it_became_paid_after_the_hook_was_set_up()
     {
        const WEEK: u32 = 7 * 24;
        // The hook is there from hour 1 on.
        for (seen, expected, now, runs) in [
            (2, Some(0), 3, 1),
            (0, Some(2), 3, 1),
            (0, Some(0), 3, 0),
            (2, None, 3, 0),
            (2, Some(0), 2 + WEEK, 1),
            (2, Some(0), 3 + WEEK, 0),
        ] {
            let bench = Bench::new();
            bench.go_on();
            bench.hand.advance(HOUR);
            let (_, inner) = bench.open();
            inner.starts().await.unwrap();
            bench.see("A-1", seen).await;
            if let Some(hour) = expected {
                bench.expect("A-1", "0.01", hour).await;
            }
            bench.hand.advance((now - 1) * HOUR);
            let programs = [bench.open(), bench.open(), bench.open()];
            let [(_, one), (_, two), (checking, _)] = &programs;
            let (shop, id) = (shop(), PaymentId::new("A-1").unwrap());
            let check = checking.payment(&shop, &id, false);
            let (one, two, ()) = tokio::join!(one.sweep(None), two.sweep(None), check);
            assert_eq!((one, two), (Ok(()), Ok(())));
            for (hooks, _) in &programs {
                hooks.finish().await;
            }
            let ran = bench.inputs().len();
            assert_eq!(ran, runs, "{seen} {expected:?} {now}");
        }
    }
}
