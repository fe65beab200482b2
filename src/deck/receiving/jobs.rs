//! What callbacks give rise to, done one after another until it is done or given up. The ledger has the list, so that
//! it survives a restart and two processes share it.

mod unknown;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::forward::AnswerUse;
use super::{Shared, forward, log_lines};
use crate::callbacks::Raw;
use crate::domain::{
    AccountId, Answer, Delivery, DeliveryId, Job, JobId, JobKind, JobState, Op, Problem,
    ProblemKind, RequestId, Subject, WallTime, inert,
};
use crate::ledger::{JobFilter, JobResult};
use crate::net::{Event, RequestOptions, redact};

/// So many errands of a lane are in hand at once; of what anybody may have made up, fewer.
const AT_ONCE: usize = 6;
const AT_ONCE_UNKNOWN: usize = 2;
/// As long as one is in hand no other process takes it; after that its owner is taken to have died.
pub(super) const LEASE: Duration = Duration::from_mins(1);
/// One try takes no longer, all in all: well within the lease.
const TRY_MAX: Duration = Duration::from_secs(45);
/// However near the next one is, the list is not looked at sooner.
const SHORTEST: Duration = Duration::from_millis(20);
/// How long what is in hand may take when the program leaves; then it is given back.
const LEAVING: Duration = Duration::from_secs(1);
/// How long giving back may take.
const GIVING_BACK: Duration = Duration::from_millis(500);
/// A provider that says so often that it does not know of what it is asked, over some minutes, is believed: anybody
/// can send a hint with an id of their own making.
const NOT_FOUND_MAX: u32 = 5;
/// The same where nobody here knows of it either.
const UNKNOWN_NOT_FOUND_MAX: u32 = 2;
/// How long after the first of these two the second one follows.
const UNKNOWN_AGAIN: Duration = Duration::from_secs(30);
/// No more characters are saved of what came of a try: enough for a cause and what to do about it.
const TOLD_MAX: usize = 500;
/// The waits after the first tries, in seconds.
const WAITS: [u64; 6] = [1, 5, 30, 2 * 60, 10 * 60, 30 * 60];
/// After these, once an hour, until a day has passed.
const HOURLY: u32 = 23;

/// When to try again after so many tries that failed; `None` gives up.
fn wait_after(tries: u32) -> Option<Duration> {
    let short = usize::try_from(tries.saturating_sub(1)).ok();
    match short.and_then(|at| WAITS.get(at)) {
        Some(seconds) => Some(Duration::from_secs(*seconds)),
        None => (tries <= u32::try_from(WAITS.len()).unwrap_or(u32::MAX) + HOURLY)
            .then_some(Duration::from_hours(1)),
    }
}

/// For so long after it came, a callback is forwarded again and again.
const DAY: Duration = Duration::from_hours(24);

/// The longest of [`WAITS`].
const LONGEST_SHORT: Duration = Duration::from_mins(30);

/// The same for a callback that came so long ago, where the shop may have asked to be left alone for so long: a wish for
/// longer than is left of its day is cut to that. Of what could not be tried on its day, the first waits come
/// all the same.
fn wait_within_day(tries: u32, age: Duration, asked: Option<Duration>) -> Option<Duration> {
    let wait = wait_after(tries)?;
    let (left, asked) = (DAY.saturating_sub(age), asked.unwrap_or_default());
    if left.is_zero() && (wait > LONGEST_SHORT || asked > LONGEST_SHORT) {
        return None;
    }
    Some(wait.max(asked.min(left.max(LONGEST_SHORT))))
}

pub(super) use unknown::Unknown;

/// An account and what it is asked about.
type About = (String, Subject);

/// Who asks about what: one at a time.
#[derive(Default)]
pub(super) struct KeyedMutex {
    by_subject: Mutex<HashMap<About, Weak<tokio::sync::Mutex<()>>>>,
}

impl KeyedMutex {
    async fn take(&self, account: &str, subject: &Subject) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut all = self
                .by_subject
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, turn| turn.strong_count() > 0);
            let key = (account.to_owned(), subject.clone());
            let known = all.get(&key).and_then(Weak::upgrade);
            let turn = known.unwrap_or_default();
            all.insert(key, Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }
}

/// Errands that share the room there is.
#[derive(Clone, Copy)]
pub(super) struct JobQueue {
    kinds: &'static [JobKind],
    /// As in [`JobFilter`].
    known: bool,
}

/// A shop's server that hangs must not keep payments from being checked, and what anybody may have made up keeps nothing
/// else from being done.
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

/// What was taken out of the list, to be tried now.
pub(super) struct ClaimedJob {
    delivery: Delivery,
    id: JobId,
    held_until: WallTime,
    known: bool,
    /// Given back once it was tried.
    slot: Option<unknown::Slot>,
}

/// Does what is due of a lane, until stopped.
pub(super) async fn work(shared: Arc<Shared>, queue: JobQueue, stop: CancellationToken) {
    let mut secret_overrides = JoinSet::new();
    let leaving = CancellationToken::new();
    // When the list was looked at last.
    let mut seen = WallTime(i64::MAX);
    while !stop.is_cancelled() {
        let due = shared.due.notified();
        tokio::pin!(due);
        // What is told from here on is not missed, although the list is read first.
        due.as_mut().enable();
        let room = queue.at_once() - secret_overrides.len();
        let pause = if room > 0 {
            let taken = match queue {
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
            match taken {
                Ok(taken) => {
                    for taken in taken {
                        let (shared, leaving) = (shared.clone(), leaving.clone());
                        secret_overrides.spawn(async move { shared.attempt(taken, leaving).await });
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
            Some(_) = secret_overrides.join_next() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    for patience in [LEAVING, GIVING_BACK] {
        let rest = async { while secret_overrides.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(patience, rest).await;
        leaving.cancel();
    }
}

/// What came of one try, before it is known whether there is another.
struct AttemptOutcome {
    told: String,
    status: Option<u16>,
    took: Option<Duration>,
    reply: Option<Vec<u8>>,
    /// Nothing can change any more.
    settles: bool,
    end: Disposition,
    /// How long the shop asks to be left alone.
    after: Option<Duration>,
}

/// Whether a try was the last one.
enum Disposition {
    Done,
    /// Another one follows, until there were too many.
    Again,
    /// Another one follows, unless the provider said so often enough.
    Unknown,
    /// It was broken off, and whoever comes next may begin it at once.
    GivenBack,
    /// None can ever succeed.
    Hopeless,
}

impl AttemptOutcome {
    fn without_answer(told: impl Into<String>, end: Disposition) -> Self {
        Self {
            told: told.into(),
            status: None,
            took: None,
            reply: None,
            settles: false,
            end,
            after: None,
        }
    }

    fn hopeless(told: impl Into<String>) -> Self {
        Self::without_answer(told, Disposition::Hopeless)
    }
}

impl Shared {
    /// Takes what is due of a queue; else tells for how long there is nothing, as far as is known.
    async fn take(
        &self,
        queue: JobFilter,
        room: usize,
        seen: &mut WallTime,
    ) -> Result<Vec<ClaimedJob>, Duration> {
        let (now, set_back) = self.look(seen);
        self.due(&queue, now, set_back).await?;
        let taken = self.hold(queue, now, room).await;
        if taken.is_empty() {
            return Err(self.pace.others);
        }
        Ok(taken)
    }

    /// This instant, and whether the clock was set back since `seen`.
    fn look(&self, seen: &mut WallTime) -> (WallTime, bool) {
        let now = self.queries.clock.now().wall;
        (now, now < std::mem::replace(seen, now))
    }

    /// Whether there is something to take, else for how long not: the file is written to only where there is, or where the
    /// clock was set back, since the ledger knows what is due then. However far the next one is off, the list is looked
    /// at: another process may have died.
    async fn due(&self, queue: &JobFilter, now: WallTime, set_back: bool) -> Result<(), Duration> {
        // The ledger tells on its own what is wrong with it.
        let next = self.queries.ledger.next_errand(queue.clone()).await;
        match next.ok().flatten() {
            Some(at) if at <= now || set_back => Ok(()),
            Some(at) => Err(at.since(now).max(SHORTEST).min(self.pace.others)),
            None => Err(self.pace.others),
        }
    }

    /// Takes up to so many out of the list.
    async fn hold(&self, queue: JobFilter, now: WallTime, room: usize) -> Vec<ClaimedJob> {
        let (held_until, known) = (now.plus(LEASE), queue.known);
        let ledger = &self.queries.ledger;
        let taken = ledger.take_jobs(queue, now, held_until, room).await;
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

    /// Tries an errand, keeps what came of it and tells it.
    async fn attempt(&self, taken: ClaimedJob, leaving: CancellationToken) {
        let tried = self.attempt_within(&taken, u32::MAX, &leaving);
        if let Some(after) = tried.await {
            log_lines::tried(&after, taken.id);
            self.publish(after);
        }
    }

    /// Tries an errand this once and never again. `None` where what came of it cannot be kept.
    pub(super) async fn attempt_once(
        &self,
        delivery: Delivery,
        id: JobId,
        held_until: WallTime,
    ) -> Option<Delivery> {
        let stays = CancellationToken::new();
        let taken = ClaimedJob {
            delivery,
            id,
            held_until,
            known: true,
            slot: None,
        };
        let after = self.attempt_within(&taken, 1, &stays).await?;
        log_lines::tried(&after, id);
        Some(after)
    }

    async fn attempt_within(
        &self,
        taken: &ClaimedJob,
        tries_max: u32,
        leaving: &CancellationToken,
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
        let (outcome, asked) = tokio::select! {
            done = tokio::time::timeout(TRY_MAX, self.carry_out(delivery, job)) => {
                done.unwrap_or_else(|_| (AttemptOutcome::without_answer("no answer within 45 s", Disposition::Again), None))
            }
            () = leaving.cancelled() => {
                (AttemptOutcome::without_answer("tilldeck ended before there was an answer", Disposition::GivenBack), None)
            }
        };
        let now = self.queries.clock.now();
        let tries = job.tries + 1;
        let again = match outcome.end {
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
        let state = match (&outcome.end, again) {
            (Disposition::Done, _) => JobState::Done,
            (_, Some(wait)) => JobState::Due {
                at: now.wall.plus(wait),
            },
            (_, None) => JobState::GivenUp,
        };
        let outcome = JobResult {
            state,
            at: began.wall,
            told: inert::cut(&redact::scrub(&outcome.told), TOLD_MAX),
            status: outcome.status,
            took: outcome.took.or(Some(now.mono.saturating_sub(began.mono))),
            settles: outcome.settles,
            reply: outcome.reply,
        };
        // What cannot be kept is tried again once its lease has run out.
        let ledger = &self.queries.ledger;
        let kept = ledger.tried_errand(*id, *held_until, outcome).await.ok();
        if let Some(asked) = asked {
            self.gate.emit(asked);
        }
        kept
    }

    /// Does what is to be done, and what is to be told of it besides.
    async fn carry_out(&self, delivery: &Delivery, job: &Job) -> (AttemptOutcome, Option<Event>) {
        match job.kind {
            JobKind::Ask => self.ask_about(delivery).await,
            JobKind::Forward => (self.try_forward(delivery, job).await, None),
            JobKind::Relay => (
                AttemptOutcome::hopeless(
                    "tilldeck ended while the shop was being asked; it is not asked twice, for goods would be given twice",
                ),
                None,
            ),
        }
    }

    /// Asks the provider what is so.
    async fn ask_about(&self, delivery: &Delivery) -> (AttemptOutcome, Option<Event>) {
        let Some(subject) = &delivery.subject else {
            return (AttemptOutcome::hopeless("it does not say of what"), None);
        };
        let runtime = AccountId::new(delivery.account.as_str()).ok();
        let Some(runtime) = runtime.and_then(|id| self.queries.registry.find(&id)) else {
            return (
                AttemptOutcome::hopeless("there is no such account any more"),
                None,
            );
        };
        let op = match subject {
            Subject::Payment(id) => Op::CheckPayment(id.clone()),
            Subject::Player(id) => Op::PlayerItems(*id),
        };
        let how = RequestOptions {
            request: RequestId(0),
            background: true,
            no_wait: false,
        };
        if let Some(claim) = self.player_claim(delivery).await {
            self.gate
                .emit(Event::Player(runtime.account.id.clone(), claim));
        }
        let turn = self.turns.take(&delivery.account, subject).await;
        let result = self.queries.query(&runtime, &op, how).await;
        drop(turn);
        let outcome = came_of(&result);
        let account = runtime.account.id.clone();
        let expected = match subject {
            // Without it the payment is shown as not compared, which is so.
            Subject::Payment(id) => self.queries.expectation(&account, id).await.ok().flatten(),
            Subject::Player(_) => None,
        };
        let event = Event::Asked {
            account,
            op,
            result,
            expected,
        };
        (outcome, Some(event))
    }

    /// Hands a callback on to the shop's server.
    async fn try_forward(&self, delivery: &Delivery, job: &Job) -> AttemptOutcome {
        let to = match forward::target(&job.target) {
            Ok(to) => to,
            Err(problem) => return AttemptOutcome::hopeless(problem.message),
        };
        let raw = match self.bytes_of(delivery.id).await {
            Ok(raw) => raw,
            Err(problem) => {
                let end = match problem.kind {
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
        let result = self.forward(delivery, &raw, &to, AnswerUse::Status).await;
        let mut told = result.describe();
        let now = self.queries.clock.now().wall;
        let left = DAY.saturating_sub(now.since(delivery.received_at));
        if result.retry_after().is_some_and(|asked| asked > left) {
            told.push_str(", longer than its day of tries");
        }
        AttemptOutcome {
            told,
            status: result.status(),
            took: result.took(),
            reply: self.sealed_reply(&result).await,
            settles: false,
            end: if result.taken() {
                Disposition::Done
            } else if result.is_final() {
                Disposition::Hopeless
            } else {
                Disposition::Again
            },
            after: result.retry_after(),
        }
    }

    /// A callback as it came.
    pub(super) async fn bytes_of(&self, delivery: DeliveryId) -> Result<Raw, Problem> {
        let parts = self.parts_of(delivery).await?;
        let key = self.sealing.key().await;
        key.sealer
            .open(&parts.request)
            .ok_or_else(|| super::look::sealed_by_another(delivery))
    }
}

/// What an answer says about the subject of a callback.
fn came_of(result: &Result<Answer, Problem>) -> AttemptOutcome {
    let (told, settles, end) = match result {
        Ok(Answer::Payment(payment)) => (
            payment.state.as_str().to_owned(),
            payment.state.is_final(),
            Disposition::Done,
        ),
        Ok(Answer::Inventory(inventory)) => {
            let count = inventory.items.len();
            let items = if count == 1 { "item" } else { "items" };
            (format!("{count} {items}"), false, Disposition::Done)
        }
        Ok(_) => ("answered".to_owned(), false, Disposition::Done),
        // There is no such question, or no such account: that does not mend itself.
        Err(problem) if problem.kind == ProblemKind::Usage => {
            (problem.message.clone(), false, Disposition::Hopeless)
        }
        Err(problem) if problem.kind == ProblemKind::NotFound => {
            (problem.message.clone(), false, Disposition::Unknown)
        }
        Err(problem) => (problem.message.clone(), false, Disposition::Again),
    };
    AttemptOutcome {
        told,
        status: None,
        took: None,
        reply: None,
        settles,
        end,
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
        let turns = KeyedMutex::default();
        let subject = |id: &str| Subject::Payment(crate::domain::PaymentId::new(id).unwrap());
        let first = turns.take("shop", &subject("A")).await;
        let _other = turns.take("shop", &subject("B")).await;
        let _elsewhere = turns.take("shop2", &subject("A")).await;
        {
            let a = subject("A");
            let second = turns.take("shop", &a);
            tokio::pin!(second);
            let soon = Duration::from_millis(5);
            assert!(tokio::time::timeout(soon, &mut second).await.is_err());
            drop(first);
            second.await;
        }
        let _ = turns.take("shop", &subject("C")).await;
        assert_eq!(
            turns.by_subject.lock().unwrap().len(),
            3,
            "who is done is forgotten"
        );
    }
}
