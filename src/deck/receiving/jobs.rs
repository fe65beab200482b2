//! The job queues of received callbacks: each job runs until it succeeds or its retries end. The ledger stores the
//! jobs, so they survive a restart and several processes share them.

mod unknown;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::forward::{AnswerUse, Destination};
use super::{Shared, forward, log_lines};
use crate::callbacks::Raw;
use crate::domain::{
    AccountId, Delivery, DeliveryId, Inventory, Job, JobId, JobKind, JobState, Problem,
    ProblemKind, RequestId, Subject, WallTime, inert,
};
use crate::ledger::{JobFilter, JobResult, Lease};
use crate::net::{Event, RequestOptions, redact};

/// Jobs of one queue that run at once; fewer for callbacks that anyone may have made up.
const AT_ONCE: usize = 6;
const AT_ONCE_UNKNOWN: usize = 2;
/// While a lease lasts no other process takes the job; after it, its owner counts as dead.
pub(super) const LEASE: Duration = Duration::from_mins(1);
/// The time limit of one attempt, well within the lease.
const TRY_MAX: Duration = Duration::from_secs(45);
/// The minimum wait between two reads of the queue, however near the next job is.
const SHORTEST: Duration = Duration::from_millis(20);
/// How long running attempts may take when the program ends; then their jobs go back to the queue.
const SHUTDOWN: Duration = Duration::from_secs(1);
/// How long giving jobs back may take.
const GIVING_BACK: Duration = Duration::from_millis(500);
/// After this many "not found" answers, over some minutes, the payment counts as made up: anyone can send a callback
/// with an invented id.
const NOT_FOUND_MAX: u32 = 5;
/// The same for a payment that this ledger does not know either.
const UNKNOWN_NOT_FOUND_MAX: u32 = 2;
/// The wait between those two attempts.
const UNKNOWN_AGAIN: Duration = Duration::from_secs(30);
/// The retry schedule alone ends the retries.
pub(super) const NO_MAX: u32 = u32::MAX;
/// The most characters saved of an attempt's result: enough for a cause and what to do about it.
const SUMMARY_MAX: usize = 500;
/// The waits after the first attempts, in seconds.
const WAITS: [u64; 6] = [1, 5, 30, 2 * 60, 10 * 60, 30 * 60];
/// After these, one attempt an hour until a day has passed.
const HOURLY: u32 = 23;

/// The wait after this many failed attempts; `None` ends the retries.
fn wait_after(tries: u32) -> Option<Duration> {
    let short = usize::try_from(tries.saturating_sub(1)).ok();
    match short.and_then(|at| WAITS.get(at)) {
        Some(seconds) => Some(Duration::from_secs(*seconds)),
        None => (tries <= u32::try_from(WAITS.len()).unwrap_or(u32::MAX) + HOURLY)
            .then_some(Duration::from_hours(1)),
    }
}

/// How long a callback is forwarded again after it was received.
const DAY: Duration = Duration::from_hours(24);

/// The longest of [`WAITS`].
const LONGEST_SHORT: Duration = Duration::from_mins(30);

/// As [`wait_after`], for a callback of this age, with the wait that the shop asked for (`Retry-After`). That wait is
/// cut to what is left of the callback's day. A callback that could not be tried on its day still gets the first, short
/// waits.
fn wait_within_day(tries: u32, age: Duration, requested: Option<Duration>) -> Option<Duration> {
    let wait = wait_after(tries)?;
    let (left, requested) = (DAY.saturating_sub(age), requested.unwrap_or_default());
    if left.is_zero() && (wait > LONGEST_SHORT || requested > LONGEST_SHORT) {
        return None;
    }
    Some(wait.max(requested.min(left.max(LONGEST_SHORT))))
}

pub(super) use unknown::Unknown;

/// An account and what is checked about it.
type About = (String, Subject);

/// One mutex for each key: two checks of one payment never run at once.
#[derive(Default)]
pub(super) struct KeyedMutex {
    by_subject: Mutex<HashMap<About, Weak<tokio::sync::Mutex<()>>>>,
}

impl KeyedMutex {
    async fn lock(&self, account: &str, subject: &Subject) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut all = self
                .by_subject
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // Entries of finished checks go here, or the map would grow with each payment.
            all.retain(|_, lock| lock.strong_count() > 0);
            let key = (account.to_owned(), subject.clone());
            let known = all.get(&key).and_then(Weak::upgrade);
            let lock = known.unwrap_or_default();
            all.insert(key, Arc::downgrade(&lock));
            lock
        };
        lock.lock_owned().await
    }
}

/// Jobs that share a limit of concurrent attempts.
#[derive(Clone, Copy)]
pub(super) struct JobQueue {
    kinds: &'static [JobKind],
    /// As in [`JobFilter`].
    known: bool,
}

/// Separate queues: a shop's server that hangs does not delay payment checks, and made-up callbacks delay nothing
/// else.
pub(super) const JOB_QUEUES: [JobQueue; 4] = {
    const ASKS: &[JobKind] = &[JobKind::Ask];
    const FORWARDS: &[JobKind] = &[JobKind::Forward, JobKind::Relay];
    const fn queue(kinds: &'static [JobKind], known: bool) -> JobQueue {
        JobQueue { kinds, known }
    }
    [
        queue(ASKS, true),
        queue(ASKS, false),
        queue(FORWARDS, true),
        queue(FORWARDS, false),
    ]
};

impl JobQueue {
    fn at_once(self) -> usize {
        if self.known { AT_ONCE } else { AT_ONCE_UNKNOWN }
    }

    fn queue(self, account_key: &Arc<str>) -> JobFilter {
        JobFilter {
            account_key: account_key.clone(),
            kinds: self.kinds,
            known: self.known,
            account: None,
        }
    }
}

/// A job that this process has leased, for one attempt.
pub(super) struct ClaimedJob {
    pub(super) delivery: Delivery,
    pub(super) id: JobId,
    pub(super) held_until: WallTime,
    known: bool,
    /// A slot of the rate limit for unknown payments; released when the attempt ends.
    slot: Option<unknown::Slot>,
}

impl ClaimedJob {
    /// A job that the operator wants to run now.
    pub(super) fn by_operator(delivery: Delivery, id: JobId, held_until: WallTime) -> Self {
        Self {
            delivery,
            id,
            held_until,
            known: true,
            slot: None,
        }
    }
}

/// Runs the due jobs of a queue until stopped.
pub(super) async fn work(shared: Arc<Shared>, queue: JobQueue, stop: CancellationToken) {
    let mut attempts = JoinSet::new();
    let cancel = CancellationToken::new();
    // When the queue was last read.
    let mut seen = WallTime(i64::MAX);
    while !stop.is_cancelled() {
        let due = shared.due.notified();
        tokio::pin!(due);
        // Subscribed before the queue is read, so that no notification is lost in between.
        due.as_mut().enable();
        let room = queue.at_once() - attempts.len();
        let pause = if room > 0 {
            let claimed = match queue {
                JobQueue {
                    kinds: [JobKind::Ask],
                    known: false,
                } => shared.take_unknown(queue, &mut seen).await,
                _ => {
                    shared
                        .take(queue.queue(&shared.account_key), room, &mut seen)
                        .await
                }
            };
            match claimed {
                Ok(jobs) => {
                    for job in jobs {
                        let (shared, cancel) = (shared.clone(), cancel.clone());
                        attempts.spawn(async move { shared.attempt(job, cancel).await });
                    }
                    continue;
                }
                Err(pause) => pause,
            }
        } else {
            shared.pace.others
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = due => {}
            Some(_) = attempts.join_next() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    // First the attempts may finish; what is cancelled then writes its job back.
    for patience in [SHUTDOWN, GIVING_BACK] {
        let rest = async { while attempts.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(patience, rest).await;
        cancel.cancel();
    }
}

/// The result of one attempt, before it is known whether another one follows.
struct AttemptOutcome {
    summary: String,
    status: Option<u16>,
    took: Option<Duration>,
    reply: Option<Vec<u8>>,
    /// The payment's state is final.
    is_final: bool,
    next: Disposition,
    /// The shop's `Retry-After`.
    after: Option<Duration>,
}

/// Whether an attempt was the last one.
enum Disposition {
    Done,
    /// Retry, until there were too many.
    Again,
    /// Retry, unless the provider answered "not found" often enough.
    Unknown,
    /// Interrupted: any process may retry at once.
    GivenBack,
    /// No retry can succeed.
    Hopeless,
}

impl AttemptOutcome {
    fn without_answer(summary: impl Into<String>, next: Disposition) -> Self {
        Self {
            summary: summary.into(),
            status: None,
            took: None,
            reply: None,
            is_final: false,
            next,
            after: None,
        }
    }

    fn hopeless(summary: impl Into<String>) -> Self {
        Self::without_answer(summary, Disposition::Hopeless)
    }
}

impl Shared {
    /// Leases due jobs of a queue, or returns how long to wait as far as is known.
    async fn take(
        &self,
        queue: JobFilter,
        room: usize,
        seen: &mut WallTime,
    ) -> Result<Vec<ClaimedJob>, Duration> {
        let (now, set_back) = self.read_clock(seen);
        self.due(&queue, now, set_back).await?;
        let taken = self.claim(queue, now, room).await;
        if taken.is_empty() {
            return Err(self.pace.others);
        }
        Ok(taken)
    }

    /// Now, and whether the clock was set back since `seen`.
    fn read_clock(&self, seen: &mut WallTime) -> (WallTime, bool) {
        let now = self.queries.clock.now().wall;
        (now, now < std::mem::replace(seen, now))
    }

    /// Whether jobs are due, else how long to wait. Only then is the file written to; also after the clock was set
    /// back, since the ledger decides what is due then. The wait has a maximum, because another process may have died
    /// with a job.
    async fn due(&self, queue: &JobFilter, now: WallTime, set_back: bool) -> Result<(), Duration> {
        // The ledger's own status reports its problems.
        let next = self.queries.ledger.next_job_due(queue.clone()).await;
        match next.ok().flatten() {
            Some(at) if at <= now || set_back => Ok(()),
            Some(at) => Err(at.since(now).max(SHORTEST).min(self.pace.others)),
            None => Err(self.pace.others),
        }
    }

    /// Leases up to `room` jobs.
    async fn claim(&self, queue: JobFilter, now: WallTime, room: usize) -> Vec<ClaimedJob> {
        let (held_until, known) = (now.plus(LEASE), queue.known);
        let lease = Lease {
            now,
            until: held_until,
            limit: room,
        };
        let taken = self.queries.ledger.take_jobs(queue, lease).await;
        let taken = taken.unwrap_or_default().into_iter();
        let taken = taken.map(|(delivery, id)| ClaimedJob {
            delivery,
            id,
            held_until,
            known,
            slot: None,
        });
        taken.collect()
    }

    /// Runs one attempt of a job, saves its result and reports it.
    async fn attempt(&self, taken: ClaimedJob, cancel: CancellationToken) {
        let attempt = self.attempt_within(&taken, NO_MAX, &cancel);
        if let Some(after) = attempt.await {
            log_lines::tried(&after, taken.id);
            self.publish(after);
        }
    }

    /// Runs one attempt of a job for a command; the retries end after `tries_max`. `None` if its result cannot be saved.
    pub(super) async fn attempt_now(&self, taken: &ClaimedJob, tries_max: u32) -> Option<Delivery> {
        // A command that ends early is cancelled as a whole.
        let never = CancellationToken::new();
        let after = self.attempt_within(taken, tries_max, &never).await?;
        log_lines::tried(&after, taken.id);
        Some(after)
    }

    async fn attempt_within(
        &self,
        taken: &ClaimedJob,
        tries_max: u32,
        cancel: &CancellationToken,
    ) -> Option<Delivery> {
        let ClaimedJob {
            delivery,
            id,
            held_until,
            known,
            ..
        } = taken;
        let job = delivery.jobs.iter().find(|job| job.id == *id)?;
        let began = self.queries.clock.now();
        let (outcome, event) = tokio::select! {
            // Ends before the lease does: no other process may begin the same attempt.
            done = tokio::time::timeout(TRY_MAX, self.carry_out(delivery, job)) => {
                done.unwrap_or_else(|_| (AttemptOutcome::without_answer("no response within 45 s", Disposition::Again), None))
            }
            () = cancel.cancelled() => {
                (AttemptOutcome::without_answer("tilldeck ended before the response arrived", Disposition::GivenBack), None)
            }
        };
        let now = self.queries.clock.now();
        let tries = job.tries + 1;
        let again = match outcome.next {
            Disposition::Done | Disposition::Hopeless => None,
            _ if tries >= tries_max => None,
            Disposition::Unknown if *known && tries >= NOT_FOUND_MAX => None,
            Disposition::Unknown if !known => {
                (tries < UNKNOWN_NOT_FOUND_MAX).then_some(UNKNOWN_AGAIN)
            }
            Disposition::Unknown | Disposition::Again if job.kind == JobKind::Forward => {
                let age = now.wall.since(delivery.received_at);
                wait_within_day(tries, age, outcome.after)
            }
            Disposition::Unknown | Disposition::Again => wait_after(tries),
            Disposition::GivenBack => Some(Duration::ZERO),
        };
        let state = match (&outcome.next, again) {
            (Disposition::Done, _) => JobState::Done,
            (_, Some(wait)) => JobState::Due {
                at: now.wall.plus(wait),
            },
            (_, None) => JobState::GivenUp,
        };
        let outcome = JobResult {
            state,
            at: began.wall,
            summary: inert::cut(&redact::scrub(&outcome.summary), SUMMARY_MAX),
            status: outcome.status,
            took: outcome.took.or(Some(now.mono.saturating_sub(began.mono))),
            is_final: outcome.is_final,
            reply: outcome.reply,
        };
        // A result that cannot be saved is retried once the lease has expired.
        let ledger = &self.queries.ledger;
        let saved = ledger.finish_attempt(*id, *held_until, outcome).await.ok();
        if let Some(event) = event {
            self.gate.emit(event);
        }
        saved
    }

    /// Runs a job; returns its result and an event to report.
    async fn carry_out(&self, delivery: &Delivery, job: &Job) -> (AttemptOutcome, Option<Event>) {
        match job.kind {
            JobKind::Ask => self.check_with_provider(delivery).await,
            JobKind::Forward => (self.try_forward(delivery, job).await, None),
            JobKind::Relay => (
                AttemptOutcome::hopeless(
                    "tilldeck ended before the shop responded; no retry, because the order could be delivered twice",
                ),
                None,
            ),
        }
    }

    /// Checks the current state with the provider.
    async fn check_with_provider(&self, delivery: &Delivery) -> (AttemptOutcome, Option<Event>) {
        let Some(subject) = &delivery.subject else {
            return (
                AttemptOutcome::hopeless("the callback names no payment and no player"),
                None,
            );
        };
        let runtime = AccountId::new(delivery.account.as_str()).ok();
        let Some(runtime) = runtime.and_then(|id| self.queries.registry.find(&id)) else {
            return (
                AttemptOutcome::hopeless("the account no longer exists"),
                None,
            );
        };
        let options = RequestOptions {
            request: RequestId(0),
            // No caller waits for it, so it leaves part of the budget to the operator.
            background: true,
            no_wait: false,
        };
        // Before the check: the console shows the player's name while the items are on their way.
        if let Some(claim) = self.player_claim(delivery).await {
            self.gate
                .emit(Event::Player(runtime.account.id.clone(), claim));
        }
        // An older answer must not be saved after a newer one.
        let lock = self.subject_locks.lock(&delivery.account, subject).await;
        let account = runtime.account.id.clone();
        let (outcome, event) = match subject {
            Subject::Payment(id) => {
                let result = self.queries.check_payment(&runtime, id, options).await;
                let outcome = check_outcome(&result, |payment| {
                    (payment.state.as_str().to_owned(), payment.state.is_final())
                });
                let event = Event::Checked {
                    id: id.clone(),
                    result,
                    // Without it the payment is shown as not compared, which is true.
                    expected: self.queries.expectation(&account, id).await.ok().flatten(),
                    account,
                };
                (outcome, event)
            }
            Subject::Player(player) => {
                let query = runtime.client.player_items(*player);
                let result = runtime.send(query, options).await;
                let outcome = check_outcome(&result, |inventory: &Inventory| {
                    let count = inventory.items.len();
                    let items = if count == 1 { "item" } else { "items" };
                    (format!("{count} {items}"), false)
                });
                let event = Event::PlayerItems {
                    account,
                    player: *player,
                    result,
                };
                (outcome, event)
            }
        };
        drop(lock);
        (outcome, Some(event))
    }

    /// Forwards a callback to the shop's server.
    async fn try_forward(&self, delivery: &Delivery, job: &Job) -> AttemptOutcome {
        let to = match forward::target(&job.target) {
            Ok(to) => to,
            Err(problem) => return AttemptOutcome::hopeless(problem.message),
        };
        let raw = match self.bytes_of(delivery.id).await {
            Ok(raw) => raw,
            Err(problem) => {
                let end = match problem.kind {
                    // The ledger may be readable later; a wrong key will not become the right one.
                    ProblemKind::Local => Disposition::Again,
                    _ => Disposition::Hopeless,
                };
                return AttemptOutcome::without_answer(problem.message, end);
            }
        };
        if !raw.is_whole() {
            return AttemptOutcome::hopeless(
                "its body was not received whole, so it cannot be forwarded",
            );
        }
        let answer = AnswerUse::Status;
        let shop = Destination { url: to, answer };
        let result = self.forward(delivery, &raw, &shop).await;
        let mut summary = result.describe();
        let now = self.queries.clock.now().wall;
        let left = DAY.saturating_sub(now.since(delivery.received_at));
        if result
            .retry_after()
            .is_some_and(|requested| requested > left)
        {
            summary.push_str(", longer than the 24 h of retries");
        }
        AttemptOutcome {
            summary,
            status: result.status(),
            took: result.took(),
            reply: self.sealed_reply(&result).await,
            is_final: false,
            next: if result.taken() {
                Disposition::Done
            } else if result.is_final() {
                Disposition::Hopeless
            } else {
                Disposition::Again
            },
            after: result.retry_after(),
        }
    }

    /// A callback as it was received.
    pub(super) async fn bytes_of(&self, delivery: DeliveryId) -> Result<Raw, Problem> {
        let parts = self.parts_of(delivery).await?;
        let key = self.sealing.key().await;
        key.sealer
            .open(&parts.request)
            .ok_or_else(|| super::inspect::sealed_by_another(delivery))
    }
}

/// The result of a check; `describe` gives an answer in words, and whether it is final.
fn check_outcome<A>(
    result: &Result<A, Problem>,
    describe: impl FnOnce(&A) -> (String, bool),
) -> AttemptOutcome {
    let (summary, is_final, end) = match result {
        Ok(answer) => {
            let (summary, is_final) = describe(answer);
            (summary, is_final, Disposition::Done)
        }
        // The provider has no such operation, or the account is gone: no retry can change that.
        Err(problem) if problem.kind == ProblemKind::Usage => {
            (problem.message.clone(), false, Disposition::Hopeless)
        }
        Err(problem) if problem.kind == ProblemKind::NotFound => {
            (problem.message.clone(), false, Disposition::Unknown)
        }
        Err(problem) => (problem.message.clone(), false, Disposition::Again),
    };
    AttemptOutcome {
        summary,
        status: None,
        took: None,
        reply: None,
        is_final,
        next: end,
        after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_again_for_a_day_and_ever_less_often() {
        let waits: Vec<u64> = (1..)
            .map_while(wait_after)
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(waits[..7], [1, 5, 30, 120, 600, 1800, 3600]);
        assert!(waits.is_sorted());
        let day = Duration::from_secs(waits.iter().sum());
        let hours = day.as_secs() / 3600;
        assert_eq!(hours, 23, "{day:?}");
    }

    #[test]
    fn however_long_a_shop_asks_to_wait_its_callback_is_tried_for_a_day() {
        let minutes = Duration::from_mins;
        // When it is tried, where the shop asks for the same wait each time.
        let tried = |first: Duration, asked: Duration| {
            let mut ages = vec![first];
            for tries in 1.. {
                let age = ages[ages.len() - 1];
                let Some(wait) = wait_within_day(tries, age, Some(asked)) else {
                    break;
                };
                ages.push(age + wait);
            }
            ages
        };
        for asked in [
            minutes(1),
            minutes(59),
            minutes(20 * 60),
            DAY,
            30 * DAY,
            Duration::MAX,
        ] {
            let ages = tried(Duration::ZERO, asked);
            let last = *ages.last().unwrap();
            assert!(last <= DAY + minutes(60), "{asked:?}: {last:?}");
            assert!(last >= minutes(20 * 60), "{asked:?}: {last:?}");
        }
        assert_eq!(tried(Duration::ZERO, 2 * DAY), [Duration::ZERO, DAY]);
        // It came while tilldeck or the shop was away.
        assert_eq!(tried(3 * DAY, minutes(1)).len(), 7);
        assert_eq!(tried(3 * DAY, minutes(31)).len(), 1);
    }

    #[tokio::test]
    async fn one_subject_is_asked_about_by_one_at_a_time() {
        let locks = KeyedMutex::default();
        let subject = |id: &str| Subject::Payment(crate::domain::PaymentId::new(id).unwrap());
        let first = locks.lock("shop", &subject("A")).await;
        let _other = locks.lock("shop", &subject("B")).await;
        let _elsewhere = locks.lock("shop2", &subject("A")).await;
        {
            let a = subject("A");
            let second = locks.lock("shop", &a);
            tokio::pin!(second);
            let soon = Duration::from_millis(5);
            assert!(tokio::time::timeout(soon, &mut second).await.is_err());
            drop(first);
            second.await;
        }
        let _ = locks.lock("shop", &subject("C")).await;
        assert_eq!(
            locks.by_subject.lock().unwrap().len(),
            3,
            "unused keys are removed"
        );
    }
}
