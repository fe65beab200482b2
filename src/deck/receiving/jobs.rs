//! The job queues of received callbacks: runs the jobs that `domain/job.rs` describes. The ledger stores them, so they
//! survive a restart and several processes share them.

mod unknown;
mod unverified;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::super::runtime::AccountRuntime;
use super::forward::Destination;
use super::{RUNS, Shared, log_lines, saved_target};
use crate::callbacks::Inbound;
use crate::clock;
use crate::domain::job::{
    ATTEMPT_MAX, AttemptOutcome, ClaimRequest, DAY, Disposition, JobResult, LEASE, RetryContext,
};
use crate::domain::{
    AccountId, CallbackVerdict, CheckedPayment, Delivery, DeliveryId, Inventory, Job, JobId,
    JobKind, JobState, LoadedInventory, Now, PaymentState, Problem, ProblemKind, Subject, WallTime,
    inert,
};
use crate::ledger::{JobFilter, KeyedMutex};
use crate::net::{Event, RequestOptions, redact};
use unknown::Unknown;

/// Jobs of one queue and account, or of one forward target, that run at once; fewer for callbacks that anyone may have made
/// up.
const AT_ONCE: usize = 6;
const AT_ONCE_UNKNOWN: usize = 2;
/// The same for so many accounts or targets together: one that hangs leaves room for the others.
const TOGETHER: usize = 4;
/// The minimum wait between two reads of the queue, however near the next job is.
const SHORTEST: Duration = Duration::from_millis(20);
/// How long running attempts may take when the program ends; then their jobs go back to the queue.
const SHUTDOWN: Duration = Duration::from_secs(1);
/// How long giving jobs back may take.
const GIVING_BACK: Duration = Duration::from_millis(500);
/// Open jobs of a simulator run that are this old, in milliseconds, are dropped: that run has ended.
const RUN_OVER: i64 = 24 * 60 * 60 * 1000;
/// Retry by the schedule.
const AGAIN: Disposition = Disposition::Retry { after: None };
/// No payment changes more often: further callbacks about it are a flood, and cause one check each.
const CHANGES_MAX: u32 = 20;
/// The most characters saved of an attempt's result: enough for a cause and what to do about it.
const SUMMARY_MAX: usize = 500;

/// What the workers of all queues share.
#[derive(Default)]
pub(super) struct QueueState {
    /// Notifies that a job may be due.
    due: Notify,
    /// By account and subject: two checks of one payment never run at once.
    subject_locks: KeyedMutex<(String, Subject)>,
    unknown: Unknown,
    /// Until when no callback to an account is verified, on the monotonic clock: its secret could not be read.
    pub(super) unverifiable: Mutex<HashMap<String, Duration>>,
}

impl QueueState {
    /// Makes the workers look for due jobs now.
    pub(super) fn wake(&self) {
        self.due.notify_waiters();
    }
}

/// Jobs that share a limit of concurrent attempts.
#[derive(Clone, Copy)]
struct JobQueue {
    kinds: &'static [JobKind],
    /// As in [`JobFilter`].
    known: bool,
}

/// Separate queues: a shop's server that hangs does not delay payment checks, and made-up callbacks delay nothing
/// else.
const JOB_QUEUES: [JobQueue; 4] = {
    const CHECKS: &[JobKind] = &[JobKind::Check];
    const FORWARDS: &[JobKind] = &[JobKind::Forward, JobKind::Relay];
    const fn queue(kinds: &'static [JobKind], known: bool) -> JobQueue {
        JobQueue { kinds, known }
    }
    [
        queue(CHECKS, true),
        queue(CHECKS, false),
        queue(FORWARDS, true),
        queue(FORWARDS, false),
    ]
};

impl JobQueue {
    fn at_once(self) -> usize {
        if self.known { AT_ONCE } else { AT_ONCE_UNKNOWN }
    }

    /// How many jobs may be taken now, and the places that have no room, by the places of the running ones.
    fn room(self, running: &[(AbortHandle, String)]) -> (usize, Vec<String>) {
        let (mut fullest, mut busy) = (0, Vec::new());
        for (_, place) in running {
            let here = running.iter().filter(|(_, other)| other == place).count();
            if here >= self.at_once() {
                busy.push(place.clone());
            } else {
                fullest = fullest.max(here);
            }
        }
        busy.sort_unstable();
        busy.dedup();
        let room = self.at_once() * TOGETHER - running.len();
        (room.min(self.at_once() - fullest), busy)
    }

    fn queue(self, shared: &Shared, busy: Vec<String>) -> JobFilter {
        JobFilter {
            busy,
            account_key: shared.account_key.clone(),
            kinds: self.kinds,
            known: self.known,
            account: None,
            targets: if self.kinds == [JobKind::Check] {
                shared.accounts(self.known)
            } else {
                shared.own_targets()
            },
        }
    }
}

/// A job that this process has leased, for one attempt.
pub(super) struct ClaimedJob {
    delivery: Delivery,
    id: JobId,
    held_until: WallTime,
    known: bool,
    /// As in [`RetryContext`].
    attempts_max: u32,
    /// A slot of the rate limit for unknown payments; released when the attempt ends.
    slot: Option<unknown::Slot>,
}

impl ClaimedJob {
    /// A job that was leased by its creator, or for a command.
    pub(super) fn leased(delivery: Delivery, id: JobId, held_until: WallTime) -> Self {
        Self {
            delivery,
            id,
            held_until,
            known: true,
            attempts_max: u32::MAX,
            slot: None,
        }
    }

    /// The account or target whose jobs it counts among.
    fn place(&self) -> String {
        let mut jobs = self.delivery.jobs.iter();
        match jobs.find(|job| job.id == self.id) {
            Some(job) if job.kind != JobKind::Check => job.target.clone(),
            _ => self.delivery.account.clone(),
        }
    }

    pub(super) fn once(self) -> Self {
        Self {
            attempts_max: 1,
            ..self
        }
    }
}

/// Runs the due jobs of all queues until stopped.
pub(super) async fn work(shared: Arc<Shared>, stop: CancellationToken) {
    let over = WallTime(shared.since.0.saturating_sub(RUN_OVER));
    // If this cannot be written, the next run does it.
    let _ = shared.queries.ledger.end_abandoned_jobs(RUNS, over).await;
    let queues = JOB_QUEUES.map(|queue| work_through(shared.clone(), queue, stop.clone()));
    let [checks, unknown_checks, forwards, unknown_forwards] = queues;
    tokio::join!(checks, unknown_checks, forwards, unknown_forwards);
}

async fn work_through(shared: Arc<Shared>, queue: JobQueue, stop: CancellationToken) {
    let mut attempts = JoinSet::new();
    let mut running: Vec<(AbortHandle, String)> = Vec::new();
    let cancel = CancellationToken::new();
    // When the queue was last read.
    let mut seen = WallTime(i64::MAX);
    while !stop.is_cancelled() {
        let due = shared.queues.due.notified();
        tokio::pin!(due);
        // Subscribed before the queue is read, so that no notification is lost in between.
        due.as_mut().enable();
        while attempts.try_join_next().is_some() {}
        running.retain(|(attempt, _)| !attempt.is_finished());
        let (room, busy) = queue.room(&running);
        let pause = if room > 0 && shared.can_run(queue).await {
            let claimed = if queue.kinds == [JobKind::Check] && !queue.known {
                shared.take_unknown(queue, busy, &mut seen).await
            } else {
                let queue = queue.queue(&shared, busy);
                shared.take(queue, room, &mut seen).await
            };
            match claimed {
                Ok(jobs) => {
                    for job in jobs {
                        let (shared, cancel, place) = (shared.clone(), cancel.clone(), job.place());
                        let attempt = attempts.spawn(async move {
                            if let Some(after) = shared.attempt(&job, &cancel).await {
                                shared.publish_attempt(after, job.id);
                            }
                        });
                        running.push((attempt, place));
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

    async fn claim(&self, queue: JobFilter, now: WallTime, room: usize) -> Vec<ClaimedJob> {
        let (held_until, known) = (now.plus(LEASE), queue.known);
        let lease = ClaimRequest {
            now,
            until: held_until,
            limit: room,
        };
        let taken = self.queries.ledger.take_jobs(queue, lease).await;
        let taken = taken.unwrap_or_default().into_iter();
        let taken = taken.map(|(delivery, id)| ClaimedJob {
            known,
            ..ClaimedJob::leased(delivery, id, held_until)
        });
        taken.collect()
    }

    /// Runs one attempt of a job and saves its result. `None` if that cannot be saved.
    pub(super) async fn attempt(
        &self,
        taken: &ClaimedJob,
        cancel: &CancellationToken,
    ) -> Option<Delivery> {
        let delivery = &taken.delivery;
        let job = delivery.jobs.iter().find(|job| job.id == taken.id)?;
        let began = self.queries.clock.now();
        let (outcome, event) = tokio::select! {
            // Ends before the lease does: no other process may begin the same attempt.
            done = clock::timeout(ATTEMPT_MAX, self.carry_out(delivery, job)) => {
                done.unwrap_or_else(|_| (AttemptOutcome::without_answer("no result within 45 s, including the wait for the rate limit", AGAIN), None))
            }
            () = cancel.cancelled() => {
                (AttemptOutcome::without_answer("tilldeck ended before the response arrived", Disposition::Released), None)
            }
        };
        let saved = self.finish(taken, began, outcome).await;
        if let Some(event) = event {
            self.gate.emit(event);
        }
        saved
    }

    /// Saves what an attempt did, with the job's next state. `None` if it cannot be saved: it is then retried once the
    /// lease has expired.
    pub(super) async fn finish(
        &self,
        taken: &ClaimedJob,
        began: Now,
        mut outcome: AttemptOutcome,
    ) -> Option<Delivery> {
        let (delivery, id) = (&taken.delivery, taken.id);
        let job = delivery.jobs.iter().find(|job| job.id == id)?;
        let now = self.queries.clock.now();
        outcome.summary = inert::cut(&redact::scrub(&outcome.summary), SUMMARY_MAX);
        let took = now.mono.saturating_sub(began.mono);
        outcome.took = outcome.took.or(Some(took));
        let of = RetryContext {
            now: now.wall,
            received_at: delivery.received_at,
            known: taken.known,
            attempts_max: taken.attempts_max,
        };
        let result = JobResult {
            state: job.state_after(outcome.next, of),
            at: began.wall,
            outcome,
        };
        let ledger = &self.queries.ledger;
        let after = ledger.finish_attempt(id, taken.held_until, result);
        let after = after.await.ok()?;
        log_lines::tried(&after, id);
        Some(after)
    }

    /// Runs a job; returns its result and an event to report.
    async fn carry_out(&self, delivery: &Delivery, job: &Job) -> (AttemptOutcome, Option<Event>) {
        match job.kind {
            JobKind::Check if delivery.verdict == CallbackVerdict::Unverified => {
                (self.verify(delivery, job).await, None)
            }
            JobKind::Check => self.check_with_provider(delivery, job).await,
            JobKind::Forward => (self.try_forward(delivery, job).await, None),
            JobKind::Relay => (
                AttemptOutcome::hopeless(
                    "tilldeck ended before the shop responded; no retry, because the order could be delivered twice",
                ),
                None,
            ),
        }
    }

    async fn check_with_provider(
        &self,
        delivery: &Delivery,
        job: &Job,
    ) -> (AttemptOutcome, Option<Event>) {
        let Some(subject) = &delivery.subject else {
            let why = "the callback names no payment and no player";
            return (AttemptOutcome::hopeless(why), None);
        };
        let runtime = match self.runtime_of(delivery, job) {
            Ok(runtime) => runtime,
            Err(outcome) => return (outcome, None),
        };
        // No caller waits for it, so it leaves part of the budget to the operator.
        let options = RequestOptions::background();
        // Before the check: the console shows the player's name while the items are on their way.
        if let Some(claim) = self.player_claim(delivery).await {
            self.gate
                .emit(Event::Player(runtime.account.id.clone(), claim));
        }
        // An older answer must not be saved after a newer one.
        let checked = (delivery.account.clone(), subject.clone());
        let lock = self.queues.subject_locks.lock(checked).await;
        let account = runtime.account.id.clone();
        let (outcome, event) = match subject {
            Subject::Payment(id) => {
                let checked = self.queries.check_payment(&runtime, id, options).await;
                // Without it the payment is shown as not compared, which is true.
                let expected = self.queries.expectation(&account, id).await.ok().flatten();
                let mut outcome = check_outcome(&checked, |(payment, _)| {
                    let state = payment.state.as_str();
                    let sum = expected.as_ref().map(|expected| &expected.sum);
                    let summary = if payment.state == PaymentState::Finalized {
                        // FINALIZED alone would be read as paid, and a narrow list cuts off what is behind it.
                        let words = payment.verdict(sum).words();
                        // The expected amount may be corrected later.
                        let sum = sum.map_or_else(String::new, |sum| format!(", expected {sum}"));
                        format!("{words}, {state}{sum}")
                    } else {
                        state.to_owned()
                    };
                    (summary, payment.is_settled())
                });
                if let Ok((payment, saved)) = &checked {
                    let sum = expected.as_ref().map(|expected| &expected.sum);
                    let is_wrong = payment.state.is_final() && payment.needs_attention(sum);
                    let mut saved = saved.clone();
                    // For the alert of a console that starts later; once, so that it can be removed meanwhile.
                    if is_wrong && saved.is_ok() && job.summary != outcome.summary {
                        saved = self.queries.watch(&account, id).await.and(saved);
                    }
                    match saved {
                        // Where it is settled, no later callback checks it.
                        Err(error) => {
                            let summary =
                                format!("{}; its state cannot be saved: {error}", outcome.summary);
                            outcome = AttemptOutcome::without_answer(summary, AGAIN);
                        }
                        Ok(_) if payment.is_settled() => {}
                        // Its amount may be readable later.
                        Ok(_) if payment.state == PaymentState::Finalized => outcome.next = AGAIN,
                        // The provider may not have the change yet that this callback reports, and sends no other one.
                        Ok(false) if delivery.attempt <= CHANGES_MAX => {
                            outcome.next = Disposition::Unchanged;
                        }
                        Ok(_) => {}
                    }
                }
                let result = checked.map(|(payment, _)| payment);
                let event = Event::Checked(CheckedPayment {
                    id: id.clone(),
                    result,
                    expected,
                    account,
                    here: true,
                });
                (outcome, event)
            }
            Subject::Player(player) => {
                let query = runtime.client.player_items(*player);
                let result = self.queries.send_signed(&runtime, query, options).await;
                let outcome = check_outcome(&result, |inventory: &Inventory| {
                    let count = inventory.items.len();
                    let items = if count == 1 { "item" } else { "items" };
                    (format!("{count} {items}"), false)
                });
                let event = Event::PlayerItems(LoadedInventory {
                    account,
                    player: *player,
                    result,
                });
                (outcome, event)
            }
        };
        drop(lock);
        (outcome, Some(event))
    }

    /// The account of a callback, or what becomes of its job without it.
    fn runtime_of(
        &self,
        delivery: &Delivery,
        job: &Job,
    ) -> Result<Arc<AccountRuntime>, AttemptOutcome> {
        let name = &delivery.account;
        let runtime = AccountId::new(name.as_str()).ok();
        let runtime = runtime.and_then(|id| self.queries.registry.find(&id));
        runtime.ok_or_else(|| {
            let why = format!("account {name} is not in this machine's config");
            AttemptOutcome::without_answer(why, self.left_to_others(delivery, job))
        })
    }

    /// The disposition of a job that cannot run in this process. For a day it is left to other processes: to machines of the
    /// team that can run it, or to a process with a newer config. A callback that may yet turn out to be genuine waits on.
    fn left_to_others(&self, delivery: &Delivery, job: &Job) -> Disposition {
        let now = self.queries.clock.now().wall;
        let is_shared = self.queries.ledger.is_shared();
        match job.state {
            JobState::Due { at } if is_shared && now.since(at) < DAY => Disposition::Released,
            _ if delivery.verdict == CallbackVerdict::Unverified => Disposition::Blocked,
            _ if !is_shared && now.since(delivery.received_at) < DAY => Disposition::Blocked,
            _ => Disposition::PermanentFailure,
        }
    }

    /// What becomes of a job that cannot succeed with the key of this machine: another one may have it.
    fn hopeless_here(&self) -> Disposition {
        if self.queries.ledger.is_shared() {
            AGAIN
        } else {
            Disposition::PermanentFailure
        }
    }

    /// Whether a queue's jobs can succeed here: with a shared ledger, forwards need the key of the other machines.
    async fn can_run(&self, queue: JobQueue) -> bool {
        queue.kinds == [JobKind::Check]
            || !self.queries.ledger.is_shared()
            || self.sealing.key().await.refused.is_none()
    }

    /// The accounts whose checks this process takes; `None` for all. With a shared ledger, another machine may have the
    /// others. Only a machine that receives callbacks is known to have the secrets that verify them. Callbacks that cannot
    /// be verified now, which are never `known`, are not taken: a flood of them would be written again and again.
    fn accounts(&self, known: bool) -> Option<Vec<String>> {
        let is_shared = self.queries.ledger.is_shared();
        let mut takes_all = !is_shared;
        let mut names = Vec::new();
        for runtime in self.queries.registry.all() {
            let name = runtime.account.id.to_string();
            if !known && self.is_unverifiable(&name) {
                takes_all = false;
            } else if self.port.configured.is_some() || !is_shared {
                names.push(format!("{name}/"));
            }
            names.push(name);
        }
        (!takes_all).then_some(names)
    }

    /// The targets whose forwards this process takes; `None` for all. An address can mean another server on another
    /// machine, so with a shared ledger these are the configured ones and those of replays by this process.
    fn own_targets(&self) -> Option<Vec<String>> {
        let is_shared = self.queries.ledger.is_shared();
        is_shared.then(|| self.targets.all())
    }

    async fn try_forward(&self, delivery: &Delivery, job: &Job) -> AttemptOutcome {
        if self
            .own_targets()
            .is_some_and(|own| !own.contains(&job.target))
        {
            let next = self.left_to_others(delivery, job);
            let why = match next {
                Disposition::Released => "this machine does not forward to this address",
                _ => "for a day, no receiver ran that forwards to this address",
            };
            return AttemptOutcome::without_answer(why, next);
        }
        let to = match saved_target(&job.target) {
            Ok(to) => to,
            Err(problem) => return AttemptOutcome::hopeless(problem.message),
        };
        let inbound = match self.bytes_of(delivery.id).await {
            Ok(inbound) => inbound,
            Err(problem) => return self.without_bytes(problem),
        };
        // Only the body of a rejected callback can be missing.
        if !delivery.is_genuine() && !inbound.is_whole() {
            return AttemptOutcome::hopeless(
                "its body was not received whole, so it cannot be forwarded",
            );
        }
        let shop = Destination {
            url: to,
            status_decides: true,
        };
        let result = self.forward(delivery, &inbound, &shop).await;
        let mut outcome = result.outcome(self.sealed_reply(&result).await);
        let now = self.queries.clock.now().wall;
        let left = DAY.saturating_sub(now.since(delivery.received_at));
        let requested = result.retry_after();
        if requested.is_some_and(|requested| requested > left) {
            outcome
                .summary
                .push_str(", longer than the 24 h of retries");
        }
        outcome
    }

    fn without_bytes(&self, problem: Problem) -> AttemptOutcome {
        let end = match problem.kind {
            // The ledger may be readable later.
            ProblemKind::Local => AGAIN,
            _ => self.hopeless_here(),
        };
        AttemptOutcome::without_answer(problem.message, end)
    }

    pub(super) async fn bytes_of(&self, delivery: DeliveryId) -> Result<Inbound, Problem> {
        let parts = self.parts_of(delivery).await?;
        self.sealing.open(delivery, &parts.request).await
    }
}

/// The result of a check; `describe` gives an answer in words, and whether it settles the payment.
fn check_outcome<A>(
    result: &Result<A, Problem>,
    describe: impl FnOnce(&A) -> (String, bool),
) -> AttemptOutcome {
    let (summary, settles, next) = match result {
        Ok(answer) => {
            let (summary, settles) = describe(answer);
            (summary, settles, Disposition::Done)
        }
        Err(problem) => {
            let next = match problem.kind {
                // The provider has no such operation, or the account is gone: no retry can change that.
                ProblemKind::Usage => Disposition::PermanentFailure,
                ProblemKind::NotFound => Disposition::NotFound,
                _ => AGAIN,
            };
            (problem.message.clone(), false, next)
        }
    };
    AttemptOutcome {
        settles,
        ..AttemptOutcome::without_answer(summary, next)
    }
}
