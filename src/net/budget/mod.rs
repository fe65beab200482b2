//! The rate limiter: a slot is taken before sending and freed one period after the response was seen. Decides the
//! order of waiting requests and reports waits and gauges. The arithmetic is in [`window`]; slots shared between
//! processes are counted in the ledger.

pub mod window;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::http::WHOLE_MAX;
use super::{Call, Event, Gate, NetError, Repeat, Reply, RequestOptions, Session};
use crate::domain::{AccountId, BudgetGauge, Counts, Now};
use crate::ledger::{
    HOLD_MAX, KEY_LOCK_MAX, LedgerError, SlotId, SlotOutcome, SlotRequest, Status,
};
use window::{Step, Window};

/// A limit as the provider publishes it or the operator set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The key of the shared count: a hash of host, credentials and which calls are counted.
    pub scope: Arc<str>,
    /// The endpoint whose calls count. With [`Counts::All`], those of the others count, too.
    pub endpoint: &'static str,
    /// Which calls it counts.
    pub counts: Counts,
    /// Slots there are.
    pub requests: u32,
    /// The window.
    pub period: Duration,
}

impl Limit {
    /// For the calls of an account that none of these counts, where there are such calls: they wait only where the provider
    /// asks for that.
    pub(super) fn uncounted(limits: &[Self]) -> Option<Self> {
        let first = limits.first()?;
        let counts_all = limits.iter().any(|limit| limit.counts == Counts::All);
        (!counts_all).then(|| Self {
            scope: format!("{} uncounted", first.scope).into(),
            counts: Counts::All,
            requests: BudgetGauge::UNCOUNTED,
            ..first.clone()
        })
    }

    fn is_counted(&self) -> bool {
        self.requests < BudgetGauge::UNCOUNTED
    }

    /// What background requests leave free: 5 %, at least one slot where there are two or more.
    pub fn reserve(&self) -> u32 {
        // A limit of one has no reserve: polling could never run.
        (self.requests / 20).max(u32::from(self.requests > 1))
    }
}

/// How often a full budget is queried again, at least: other processes share it and may have freed slots.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The reason shown after the provider answered 429 (RFC 6585, 4).
pub(super) const RATE_LIMITED: &str = "rate limit reached (429)";

/// The reason shown while a request cannot be signed yet, here or in another process.
pub(super) const SIGNING: &str =
    "another request uses this API key, or the account's secret is being read";

/// The reason shown while another program has locked the ledger.
pub(super) const LOCKED: &str = "another program has locked the ledger's database";

/// The most tries while another program has locked the ledger. A try takes seconds at first, later a quarter of a
/// second plus the pause after it.
const LOCKED_TRIES: u32 = 120;

/// Shorter waits are not reported.
const REPORT_AFTER: Duration = Duration::from_millis(100);

/// Shorter waits for the signature of a read are not reported: in a burst, each request waits for the one before.
const SIGNING_REPORTED_AFTER: Duration = Duration::from_millis(1500);

/// A change of a gauge is reported after this time, with others that follow within it.
const GAUGE_PAUSE: Duration = Duration::from_millis(40);

/// The longest hold a request waits for after a 429. A longer one is reported as an error instead.
pub(super) const HOLD_WAITED_MAX: Duration = Duration::from_mins(2);

/// The shortest hold after a 429, also where the provider names none.
const HOLD_MIN: Duration = Duration::from_secs(1);

/// The longest hold of calls that no limit counts: without a token the whole account stands still.
pub(crate) const UNCOUNTED_HOLD_MAX: Duration = Duration::from_hours(1);

/// Requests that waited for the end of a hold are spread over a random part of a quarter of it, at most this, so that
/// they do not cause the next 429 together.
const SPREAD_MAX: Duration = Duration::from_secs(1);

/// The longest time between taking a slot and sending, mostly the wait for the key's lock. An older slot is not used.
const UNSENT_MAX: Duration = KEY_LOCK_MAX.saturating_add(Duration::from_secs(1));

/// The rate limiter of one scope in this process: its window, and the two queues before it.
struct RateLimiter {
    window: Mutex<Window>,
    /// Fair queues: while there are slots, requests ask for them side by side; once there is none, one waits for the
    /// next and the others of its kind queue behind it. Background requests have a queue of their own, so that polling
    /// never delays the operator.
    interactive: RwLock<()>,
    background: RwLock<()>,
    interactive_waiting: AtomicU32,
    background_waiting: AtomicU32,
    /// Notified when a response was seen or a slot was returned.
    changed: Notify,
    /// Whether a report of the gauge is scheduled.
    report_due: AtomicBool,
}

impl RateLimiter {
    fn new(limit: &Limit) -> Self {
        Self {
            window: Mutex::new(Window::new(limit.requests, limit.period)),
            interactive: RwLock::default(),
            background: RwLock::default(),
            interactive_waiting: AtomicU32::new(0),
            background_waiting: AtomicU32::new(0),
            changed: Notify::new(),
            report_due: AtomicBool::new(false),
        }
    }

    fn queue(&self, background: bool) -> (&RwLock<()>, &AtomicU32) {
        if background {
            (&self.background, &self.background_waiting)
        } else {
            (&self.interactive, &self.interactive_waiting)
        }
    }
}

/// The rate limiters of all scopes.
#[derive(Default)]
pub(super) struct RateLimiters(Mutex<HashMap<Arc<str>, Arc<RateLimiter>>>);

impl RateLimiters {
    fn of(&self, limit: &Limit) -> Arc<RateLimiter> {
        let mut limiters = self.0.lock();
        limiters
            .entry(limit.scope.clone())
            .or_insert_with(|| Arc::new(RateLimiter::new(limit)))
            .clone()
    }
}

/// Permission to send one request: a slot, or none where no limit counts the call. Dropped before anything was sent,
/// the slot is returned.
pub(super) struct Permit<'a>(Option<PermitInner<'a>>);

struct PermitInner<'a> {
    session: &'a Session,
    limit: &'a Limit,
    limiter: Arc<RateLimiter>,
    id: SlotId,
    at: Now,
}

/// Waits for a slot.
pub(super) async fn take<'a>(
    session: &'a Session,
    call: &Call,
    options: RequestOptions,
) -> Result<Permit<'a>, NetError> {
    let Some(limit) = session.limit(call) else {
        return Ok(Permit(None));
    };
    let limiter = session.gate.limiters.of(limit);
    let (queue, waiting) = limiter.queue(options.background);
    // Counted before queueing, so that background requests see it and step back.
    let _wait = WaiterGuard::enter(waiting, session, limit, &limiter);
    let mut reporter = WaitReporter::new(session, call, options);
    // With `no_wait` a request does not queue: the first in the queue may hold it for a long time.
    let mut turn = if options.no_wait {
        Turn::OutOfOrder
    } else {
        Turn::Together(reporter.wait_in_queue(&limiter, queue.read()).await)
    };
    let (id, at) = loop {
        if let Some(slot) = acquire_slot(limit, &limiter, &mut reporter, &turn).await? {
            break slot;
        }
        // There was no free slot: queue behind all requests that wait already.
        drop(turn);
        turn = Turn::First(reporter.wait_in_queue(&limiter, queue.write()).await);
    };
    // From here on a cancelled request returns its slot: the future is dropped, and the permit with it.
    Ok(Permit(Some(PermitInner {
        session,
        limit,
        limiter: limiter.clone(),
        id,
        at,
    })))
}

/// When a request may ask for a slot.
enum Turn<'a> {
    /// At once: it does not wait.
    OutOfOrder,
    /// With others, since none is known to have found no slot.
    Together(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, ()>),
    /// Until it has one.
    First(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'a, ()>),
}

/// Gets a slot. Waits for it if it is the request's turn to wait; otherwise `None`.
async fn acquire_slot(
    limit: &Limit,
    limiter: &Arc<RateLimiter>,
    reporter: &mut WaitReporter<'_>,
    turn: &Turn<'_>,
) -> Result<Option<(SlotId, Now)>, NetError> {
    let session = reporter.session;
    let gate = &session.gate;
    let background = reporter.options.background;
    let reserve = if background { limit.reserve() } else { 0 };
    let mut locked = 0;
    let mut spread = Duration::ZERO;
    loop {
        // Subscribed before the state is read, so that a slot freed in between is not missed.
        let changed = limiter.changed.notified();
        let now = gate.clock.now();
        let behind = background && limiter.interactive_waiting.load(Ordering::Relaxed) > 0;
        // The hold is over: a random delay first, then look again, since another hold may have begun meanwhile.
        if !spread.is_zero() && limiter.window.lock().held(now.mono).is_none() {
            let longest = u64::try_from(std::mem::take(&mut spread).as_millis());
            let part = fastrand::u64(0..=longest.unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(part)).await;
            continue;
        }
        let step = if behind {
            Step::Wait(None)
        } else {
            limiter.window.lock().step(now.mono, reserve)
        };
        let next = match step {
            Step::Wait(next) => next,
            Step::Take => {
                let pending = gate.ledger.take_slot(terms(session, limit, reserve));
                match reporter.while_locked(pending).await? {
                    Ok(SlotOutcome::Granted(granted)) => {
                        // Otherwise a request of the other queue was faster, and dropping the grant returns its slot.
                        if limiter.window.lock().take(now.mono, reserve) {
                            return Ok(Some((granted.take(), now)));
                        }
                        continue;
                    }
                    Ok(SlotOutcome::Full { next_free }) => next_free,
                    // Remembered here, so that the next requests need not read the ledger to learn it.
                    Ok(SlotOutcome::Held(left)) => {
                        limiter.window.lock().hold(now.mono.saturating_add(left));
                        Some(left)
                    }
                    Err(LedgerError::Locked(_))
                        if !reporter.options.no_wait && locked < LOCKED_TRIES =>
                    {
                        locked += 1;
                        None
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let held = limiter.window.lock().held(now.mono);
        // A longer hold gathers more waiters, so it is spread over more time.
        spread = spread.max(held.unwrap_or_default() / 4).min(SPREAD_MAX);
        if reporter.options.no_wait {
            return Err(match held {
                Some(left) => NetError::RateLimited {
                    left,
                    no_wait: true,
                },
                None => NetError::BudgetExhausted {
                    limit: limit.requests,
                    counted: counted(limit),
                    period: limit.period,
                    next,
                },
            });
        }
        if let Some(left) = held.filter(|left| *left > HOLD_WAITED_MAX) {
            return Err(NetError::RateLimited {
                left,
                no_wait: false,
            });
        }
        if matches!(turn, Turn::Together(_)) {
            return Ok(None);
        }
        reporter.waits(held.is_some(), next);
        report_gauge(session, limit, limiter);
        // Not one sleep until `next`: other processes may return slots earlier, without a notification here.
        let pause = next
            .unwrap_or(LOOK_AGAIN)
            .clamp(Duration::from_millis(1), LOOK_AGAIN);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = changed => {}
        }
    }
}

/// What a limit counts, in a sentence.
fn counted(limit: &Limit) -> &'static str {
    let many = match limit.counts {
        Counts::All => "requests",
        Counts::Writes | Counts::Reads => limit.counts.as_str(),
    };
    match limit.requests {
        1 => many.trim_end_matches('s'),
        _ => many,
    }
}

/// Reports once that a request waits. Dropped, it reports that the wait is over: the request goes on, failed or was
/// cancelled.
pub(super) struct WaitReporter<'a> {
    session: &'a Session,
    call: &'a Call,
    options: RequestOptions,
    pub(super) reported: bool,
}

impl<'a> WaitReporter<'a> {
    pub(super) fn new(session: &'a Session, call: &'a Call, options: RequestOptions) -> Self {
        Self {
            session,
            call,
            options,
            reported: false,
        }
    }

    fn waits(&mut self, held: bool, next: Option<Duration>) {
        if self.reported {
            return;
        }
        self.emit(
            if held {
                RATE_LIMITED
            } else {
                "rate limit reached"
            },
            next,
        );
    }

    pub(super) fn emit(&mut self, why: &str, next: Option<Duration>) {
        self.reported = true;
        let waiting = self.session.waiting(self.call, why.to_owned(), next);
        let reported = Event::Waiting(self.options.request, Some(waiting));
        self.session.gate.emit(reported);
    }

    /// Awaits the queue's turn; reports the wait if it takes longer than [`REPORT_AFTER`].
    async fn wait_in_queue<T>(
        &mut self,
        limiter: &RateLimiter,
        place: impl Future<Output = T>,
    ) -> T {
        let mut place = std::pin::pin!(place);
        if let Ok(there) = tokio::time::timeout(REPORT_AFTER, &mut place).await {
            return there;
        }
        let held = limiter
            .window
            .lock()
            .held(self.session.gate.clock.now().mono);
        self.waits(held.is_some(), None);
        place.await
    }

    /// Awaits the signature of a request, which is not sent before; reports a wait.
    pub(super) async fn while_signing<T>(mut self, signature: impl Future<Output = T>) -> T {
        // An operator who cancels a write must know whether it was sent.
        let limit = match self.call.repeat {
            Repeat::Never | Repeat::NoResponse => REPORT_AFTER,
            Repeat::Safe => SIGNING_REPORTED_AFTER,
        };
        let mut signature = std::pin::pin!(signature);
        if let Ok(signed) = tokio::time::timeout(limit, &mut signature).await {
            return signed;
        }
        self.emit(SIGNING, None);
        signature.await
    }

    /// Awaits the ledger. While another program holds its lock, reports the wait, or fails with `no_wait`.
    async fn while_locked<T>(&mut self, pending: impl Future<Output = T>) -> Result<T, NetError> {
        let mut status = self.session.gate.ledger.status_changes();
        let locked = async { status.wait_for(|at| *at == Status::Locked).await.is_ok() };
        let mut pending = std::pin::pin!(pending);
        tokio::select! {
            // An answer that is there counts before the lock is reported.
            biased;
            answer = &mut pending => return Ok(answer),
            true = locked => {}
        }
        if self.options.no_wait {
            return Err(NetError::Locked);
        }
        self.emit(LOCKED, None);
        Ok(pending.await)
    }
}

impl Drop for WaitReporter<'_> {
    fn drop(&mut self) {
        if self.reported {
            let reported = Event::Waiting(self.options.request, None);
            self.session.gate.emit(reported);
        }
    }
}

impl Permit<'_> {
    /// Whether other processes may already count the slot as free, because this machine slept or the process was
    /// stopped.
    pub(super) fn has_lapsed(&self, now: Now) -> bool {
        self.0.as_ref().is_some_and(|held| {
            let mono = now.mono.saturating_sub(held.at.mono);
            // By both clocks, and the larger age counts: to be wrong costs a fresh slot, not a request too many.
            mono.max(now.wall.since(held.at.wall)) > UNSENT_MAX
        })
    }

    /// Whether the provider answered another request with 429 since the slot was taken: this one then waits, too.
    pub(super) async fn is_held(&self, now: Now) -> bool {
        let Some(PermitInner {
            session,
            limit,
            limiter,
            at,
            ..
        }) = &self.0
        else {
            return false;
        };
        if limiter.window.lock().held(now.mono).is_some() {
            return true;
        }
        // While this request waited for the lock of its key, another process may have received a 429.
        // Only after a real wait: this reads the file.
        let waited = now.mono.saturating_sub(at.mono) > REPORT_AFTER;
        let ledger = &session.gate.ledger;
        waited
            && ledger
                .budget(limit.scope.clone(), limit.requests, limit.period)
                .await
                .is_ok_and(|counted| counted.held.is_some())
    }

    /// The reply, or its absence, was seen now: the slot frees one period later. So it does if the request was cancelled,
    /// since the response may still arrive.
    pub(super) fn release(mut self, now: Now) {
        if let Some(held) = self.0.take() {
            held.limiter.window.lock().seen(now.mono);
            let ledger = &held.session.gate.ledger;
            ledger.release_slot(held.id, now);
            held.limiter.changed.notify_waiters();
            report_gauge(held.session, held.limit, &held.limiter);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(held) = self.0.take() {
            held.limiter.window.lock().unused();
            let ledger = &held.session.gate.ledger;
            ledger.return_slot(held.id);
            held.limiter.changed.notify_waiters();
            report_gauge(held.session, held.limit, &held.limiter);
        }
    }
}

/// Handles a 429 although a slot was free: another program uses the same credentials, or the real limit is lower.
/// Nothing is sent until `Retry-After` (RFC 9110, 10.2.3) has passed; without that header, for one period, after
/// which every request counted so far has left the window. Returns the length of the hold, where there is one.
///
/// See also the other retry schedules: `net/retry.rs` (attempts of one request), `auth/lifecycle.rs` (access tokens),
/// `domain/job/schedule.rs` (jobs of callbacks).
pub(super) fn start_hold(session: &Session, call: &Call, reply: &Reply) -> Option<Duration> {
    let limit = session.limit(call).filter(|_| reply.status == 429)?;
    let gate = &session.gate;
    let now = gate.clock.now();
    let requested = reply.retry_after();
    let (own, longest) = if limit.is_counted() {
        (Some(limit.period), HOLD_MAX)
    } else {
        (None, UNCOUNTED_HOLD_MAX)
    };
    let wait = requested.or(own)?.clamp(HOLD_MIN, longest);
    let limiter = gate.limiters.of(limit);
    limiter.window.lock().hold(now.mono.saturating_add(wait));
    gate.ledger.hold_slots(limit.scope.clone(), now, wait);
    let (account, ms) = (session.account.id.as_str(), wait.as_millis());
    let requested = requested.is_some();
    tracing::warn!(account, ms, requested, "requests are held after a 429");
    report_gauge(session, limit, &limiter);
    Some(wait)
}

/// Ends every hold on the limits of a session, in this process and in the ledger that others share.
pub(super) async fn lift(session: &Session) {
    let gate = &session.gate;
    for limit in session.holding_limits() {
        let limiter = gate.limiters.of(limit);
        limiter.window.lock().lift();
        gate.ledger.lift_hold(limit.scope.clone());
        limiter.changed.notify_waiters();
        report_gauge_now(gate, &session.account.id, limit).await;
    }
}

fn terms(session: &Session, limit: &Limit, reserve: u32) -> SlotRequest {
    SlotRequest {
        persistence: session.gate.persistence(&session.account),
        scope: limit.scope.clone(),
        limit: limit.requests,
        period: limit.period,
        reserve,
        // The longest time from taking the slot to the end of the request.
        flight: UNSENT_MAX + session.idle + WHOLE_MAX,
    }
}

/// Schedules one report of the gauge, however often it is requested until then: no request waits for it.
fn report_gauge(session: &Session, limit: &Limit, limiter: &Arc<RateLimiter>) {
    // Called from `Drop`, which may run after the runtime has ended.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    // Relaxed: the report reads the state from the ledger, after what was sent to it before.
    if session.gate.events.is_none() || limiter.report_due.swap(true, Ordering::Relaxed) {
        return;
    }
    let (session, limit, limiter) = (session.clone(), limit.clone(), limiter.clone());
    runtime.spawn(async move {
        tokio::time::sleep(GAUGE_PAUSE).await;
        limiter.report_due.store(false, Ordering::Relaxed);
        report_gauge_now(&session.gate, &session.account.id, &limit).await;
    });
}

async fn report_gauge_now(gate: &Gate, account: &AccountId, limit: &Limit) {
    if let Ok(gauge) = gauge(gate, limit).await {
        gate.emit(Event::Budget(account.clone(), gauge));
    }
}

pub(super) async fn gauge(gate: &Gate, limit: &Limit) -> Result<BudgetGauge, LedgerError> {
    let counted = gate
        .ledger
        .budget(limit.scope.clone(), limit.requests, limit.period)
        .await?;
    let limiter = gate.limiters.of(limit);
    let now = gate.clock.now();
    // This process may know of a hold that could not be written, another one of a hold that only the file has.
    let held = limiter.window.lock().held(now.mono).max(counted.held);
    Ok(BudgetGauge {
        counts: limit.counts,
        used: counted.used,
        own: counted.own,
        limit: limit.requests,
        period: limit.period,
        next_free: counted.next_free,
        waiting: limiter.interactive_waiting.load(Ordering::Relaxed)
            + limiter.background_waiting.load(Ordering::Relaxed),
        held,
    })
}

/// Counts one waiting request for as long as it lives, a cancelled one too, and reports the gauge at its end.
struct WaiterGuard<'a> {
    queue: &'a AtomicU32,
    session: &'a Session,
    limit: &'a Limit,
    limiter: &'a Arc<RateLimiter>,
}

impl<'a> WaiterGuard<'a> {
    fn enter(
        queue: &'a AtomicU32,
        session: &'a Session,
        limit: &'a Limit,
        limiter: &'a Arc<RateLimiter>,
    ) -> Self {
        // Relaxed: a number for the gauge and for courtesy; nothing else is ordered by it.
        queue.fetch_add(1, Ordering::Relaxed);
        Self {
            queue,
            session,
            limit,
            limiter,
        }
    }
}

impl Drop for WaiterGuard<'_> {
    fn drop(&mut self) {
        self.queue.fetch_sub(1, Ordering::Relaxed);
        report_gauge(self.session, self.limit, self.limiter);
    }
}
