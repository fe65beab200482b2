//! Runs the operator's programs at events, behind everything else: neither a screen nor the answer to a callback waits
//! for one.

mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{self, Profile, child};
use crate::domain::{
    AccountId, Expected, HOOK_LIMIT, HookEvent, Observation, PaymentId, PaymentReport, Problem,
    WallTime, inert,
};
use crate::ledger::{HookRun, Ledger};
use crate::net::{Event, EventSender, Observer, redact};
pub(super) use watch::Watch;

/// How many programs run at once.
const AT_ONCE: usize = 4;
/// The most programs that wait or run. A payment waits for a place; any other event after that runs nothing, and is
/// reported.
const QUEUE_MAX: usize = 1000;
/// How long the end waits for programs: one that has just begun may run for its whole time.
const CLOSING: Duration = Duration::from_secs(11);

/// The hooks of an open profile. Clones share them.
#[derive(Clone)]
pub(super) struct Hooks(Option<Arc<Inner>>);

struct Inner {
    parts: Parts,
    profile: String,
    places: Arc<Semaphore>,
    /// Closed at the end: then no more programs begin.
    permits: Semaphore,
    tasks: TaskTracker,
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
        Self(Some(Arc::new(Inner {
            parts,
            profile: profile.name.clone(),
            places: Arc::new(Semaphore::new(QUEUE_MAX)),
            permits: Semaphore::new(AT_ONCE),
            tasks: TaskTracker::new(),
        })))
    }

    /// Sees the events of the gate.
    pub(super) fn observer(&self) -> Observer {
        let hooks = self.clone();
        Box::new(move |event| hooks.on_event(event))
    }

    /// Reports a payment that was observed, or whose expected amount was set. The ledger decides whether its hook has run.
    /// Returns once the hook has a place in the queue.
    pub(super) async fn payment(
        &self,
        account: &AccountId,
        seen: &Observation,
        expected: Option<&Expected>,
    ) {
        let Some(inner) = &self.0 else { return };
        let report = PaymentReport {
            account,
            id: seen.payment.id.as_str(),
            payment: Some(&seen.payment),
            expected,
        };
        let event = report.verdict().and_then(HookEvent::of);
        let Some(event) = event.filter(|event| inner.parts.programs.contains_key(event)) else {
            return;
        };
        let task = Task {
            event,
            input: inner.input(event, report.json(Some(seen.at))),
            run: Some(HookRun {
                profile: inner.profile.clone(),
                account: account.clone(),
                payment: seen.payment.id.clone(),
                event,
            }),
        };
        // An error would mean that the places are closed, which they never are.
        if let Ok(place) = inner.places.clone().acquire_owned().await {
            inner.spawn(task, place);
        }
    }

    /// Reports that the hook of a payment that may be paid does not run, if one is configured: the ledger cannot say which.
    pub(super) fn payment_unread(&self, account: &AccountId, id: &PaymentId, why: &str) {
        let is_configured =
            |inner: &Inner, event: HookEvent| inner.parts.programs.contains_key(&event);
        if let Some(inner) = &self.0
            && (is_configured(inner, HookEvent::Paid) || is_configured(inner, HookEvent::Underpaid))
        {
            let about = HookEvent::about_any(account, id);
            inner.warn(about, &format!(" not run: {why}"));
        }
    }

    /// What was seen of these accounts, for the next deck: it must not report the same again.
    pub(super) fn watch_of(&self, accounts: &[AccountId]) -> Watch {
        let watch = self.0.as_ref().and_then(|inner| inner.parts.watch.as_ref());
        watch.map_or_else(Watch::default, |watch| {
            let watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
            watch.of(accounts)
        })
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
        let mut watch = watch.lock().unwrap_or_else(PoisonError::into_inner);
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
            inner.tasks.close();
            inner.tasks.wait().await;
        }
    }

    /// Waits for the programs that run. Those that still wait are not run, which is saved as a failure.
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
            if let Err(why) = inner.run(&task).await {
                inner.failed(&task, &why);
            }
            drop(place);
        });
    }

    /// Runs a program; one of a payment only if the ledger says that it is the first.
    async fn run(&self, task: &Task) -> Result<(), String> {
        // Before the claim: what still waits at the end of this program has not begun.
        let permit = self.permits.acquire().await;
        if let Some(run) = &task.run {
            let unsaved =
                |why: &str| format!("not run, because the ledger cannot save that it runs: {why}");
            // A ledger in memory alone forgets it with this program.
            if let Some(why) = self.parts.ledger.status().await.failure() {
                return Err(unsaved(why));
            }
            let claimed = self.parts.ledger.claim_hook(run.clone(), self.now()).await;
            if !claimed.map_err(|error| unsaved(&error.to_string()))? {
                return Ok(());
            }
        }
        let done = match (permit, self.parts.programs.get(&task.event)) {
            (Err(_), _) => Err("not run, because tilldeck ended first".into()),
            (Ok(_), None) => Ok(()),
            (Ok(_permit), Some(words)) => {
                let done = child::feed(words, task.input.as_bytes(), HOOK_LIMIT).await;
                done.map_err(|error| inert_words(&error.to_string()))
            }
        };
        if let Some(run) = &task.run {
            let failure = done.as_ref().err().cloned();
            if let Err(error) = self.parts.ledger.end_hook(run.clone(), failure).await {
                tracing::error!(%error, "how a hook ended is not saved");
            }
        }
        done?;
        tracing::info!(hook = task.event.setting(), "a hook has run");
        Ok(())
    }

    fn now(&self) -> WallTime {
        self.parts.clock.now().wall
    }

    fn failed(&self, task: &Task, why: &str) {
        // By payment: each must be looked after by itself.
        let of = task.run.as_ref();
        let about = task.event.about(of.map(|run| (&run.account, &run.payment)));
        self.warn(about, &format!(": {why}"));
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
    inert::cut(&redact::scrub(why), 500)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Payment, PaymentState, Reported};
    use crate::ledger::Retention;

    #[tokio::test]
    async fn at_the_end_programs_that_run_finish_and_those_that_wait_are_saved_as_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::start(
            folder.path().join("state"),
            Clock::system(),
            Retention::default(),
        );
        let go = folder.path().join("go");
        let wait = format!("until [ -e {} ]; do sleep 0.01; done", go.display());
        let inner = Arc::new(Inner {
            parts: Parts {
                programs: [(HookEvent::Failed, vec!["/bin/sh".into(), "-c".into(), wait])].into(),
                ledger: ledger.clone(),
                clock: Clock::system(),
                events: None,
                watch: None,
            },
            profile: "live".into(),
            places: Arc::new(Semaphore::new(QUEUE_MAX)),
            permits: Semaphore::new(AT_ONCE),
            tasks: TaskTracker::new(),
        });
        let hooks = Hooks(Some(inner.clone()));
        for id in ["A-1", "A-2", "A-3", "A-4", "A-5"] {
            let seen = Observation {
                at: WallTime(0),
                payment: Payment {
                    id: PaymentId::new(id).unwrap(),
                    currency: Reported::currency("BTC"),
                    amount: Reported::amount("0.01"),
                    state: PaymentState::Failed,
                },
            };
            let shop = AccountId::new("shop").unwrap();
            hooks.payment(&shop, &seen, None).await;
        }
        while inner.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let release = async {
            assert!(inner.permits.is_closed());
            std::fs::write(&go, "").unwrap();
        };
        tokio::join!(hooks.end(), release);
        let later = Clock::system().now().wall.plus(3 * HOOK_LIMIT);
        let failed = ledger.failed_hooks("live", later, 9).await.unwrap();
        let failed: Vec<_> = failed
            .iter()
            .map(|it| (it.run.payment.as_str(), it.why.as_str()))
            .collect();
        assert_eq!(failed, [("A-5", "not run, because tilldeck ended first")]);
    }
}
