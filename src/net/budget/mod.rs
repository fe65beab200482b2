//! The rate budget: a slot is taken before sending and freed one period after the reply was seen. Who goes first,
//! and what is told of it. The arithmetic is in [`window`]; what processes share is counted in the ledger.

pub mod window;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::http::WHOLE_MAX;
use super::{Call, Event, Gate, How, NetError, Reply, Session};
use crate::clock::Clock;
use crate::domain::{AccountId, BudgetGauge, Counts, Now};
use crate::ledger::{HOLD_MAX, LANE_LIMIT, Ledger, LedgerError, SlotId, Slots, Status, Terms};
use window::{Purse, READY_MAX, Step};

/// A limit as the provider publishes it or the operator set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What the slots are counted under: host, credentials and which calls, hashed.
    pub scope: Arc<str>,
    /// Of which endpoint it counts the calls.
    pub endpoint: &'static str,
    /// Which calls it counts.
    pub counts: Counts,
    /// Slots there are.
    pub requests: u32,
    /// The window.
    pub period: Duration,
}

impl Limit {
    /// What background requests leave free: 5 %, at least one slot where there are two or more.
    #[must_use]
    pub fn reserve(&self) -> u32 {
        (self.requests / 20).max(u32::from(self.requests > 1))
    }
}

/// How often a full budget is looked at again, at most: another process may have come or gone.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What a request waits for while another program has locked the ledger.
pub(super) const LOCKED: &str = "for the ledger: another program has locked its database";

/// How often a lock of another program on the ledger is waited for: each time takes the ledger seconds at first, then a
/// quarter of one, and the pause after it.
const LOCKED_TRIES: u32 = 120;

/// Who has waited for less than this is not told of.
const UNTOLD: Duration = Duration::from_millis(100);

/// A gauge is told at most once in this time; the last change is always told.
const GAUGE_PAUSE: Duration = Duration::from_millis(100);

/// The longest a request that was answered 429 waits to be sent again. Beyond it, the operator is told instead.
pub(super) const HOLD_WAITED_MAX: Duration = Duration::from_mins(2);

/// A provider that answers 429 and names no time at all is not asked again at once.
const HOLD_MIN: Duration = Duration::from_secs(1);

/// Those who waited for a provider to take requests again do not all go at once: by up to so much, and up to a quarter
/// of what the provider asked for, they spread.
const SPREAD_MAX: Duration = Duration::from_secs(1);

/// One scope in this process: its purse, and two queues before it.
struct Till {
    purse: Mutex<Purse<SlotId>>,
    /// Fair: whoever came first is at the counter, all others of the kind wait behind.
    interactive: tokio::sync::Mutex<()>,
    background: tokio::sync::Mutex<()>,
    interactive_waiting: AtomicU32,
    background_waiting: AtomicU32,
    /// A reply was seen, or a slot came back.
    changed: Notify,
    /// A task is under way that gives back what is not used.
    sweeping: AtomicBool,
    /// A task is under way that takes slots ahead.
    refilling: AtomicBool,
    told: Mutex<Told>,
}

/// When the gauge was told last, and whether a task is under way that tells it in a moment.
#[derive(Default)]
struct Told {
    at: Option<Duration>,
    soon: bool,
}

impl Till {
    fn new(limit: &Limit) -> Self {
        Self {
            purse: Mutex::new(Purse::new(limit.requests, limit.period)),
            interactive: tokio::sync::Mutex::default(),
            background: tokio::sync::Mutex::default(),
            interactive_waiting: AtomicU32::new(0),
            background_waiting: AtomicU32::new(0),
            changed: Notify::new(),
            sweeping: AtomicBool::new(false),
            refilling: AtomicBool::new(false),
            told: Mutex::default(),
        }
    }

    fn purse(&self) -> MutexGuard<'_, Purse<SlotId>> {
        self.purse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self, background: bool) -> (&tokio::sync::Mutex<()>, &AtomicU32) {
        if background {
            (&self.background, &self.background_waiting)
        } else {
            (&self.interactive, &self.interactive_waiting)
        }
    }
}

/// Every scope's till.
#[derive(Default)]
pub(super) struct Tills(Mutex<HashMap<Arc<str>, Arc<Till>>>);

impl Tills {
    fn of(&self, limit: &Limit) -> Arc<Till> {
        let mut tills = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tills
            .entry(limit.scope.clone())
            .or_insert_with(|| Arc::new(Till::new(limit)))
            .clone()
    }

    /// Gives back what was taken ahead: whoever comes next need not wait for it.
    pub(super) fn close(&self, ledger: &Ledger, clock: &Clock) {
        let tills = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for till in tills.values() {
            ledger.return_slots(till.purse().give_back(clock.now(), true));
        }
    }
}

/// A slot that was taken, or none where there is no limit. Dropped before anything was sent, it goes back.
pub(super) struct Taken<'a>(Option<Held<'a>>);

struct Held<'a> {
    session: &'a Session,
    limit: &'a Limit,
    till: Arc<Till>,
    id: SlotId,
    at: Now,
}

/// Waits for a slot.
pub(super) async fn take<'a>(
    session: &'a Session,
    call: &Call,
    how: How,
) -> Result<Taken<'a>, NetError> {
    let Some(limit) = session.limit(call) else {
        return Ok(Taken(None));
    };
    let till = session.gate.tills.of(limit);
    let (queue, waiting) = till.queue(how.background);
    let mut wait = InQueue::enter(waiting, session, limit, &till);
    let mut teller = Teller {
        session,
        call,
        how,
        told: false,
    };
    // Who does not wait does not queue: whoever is at the counter may stand there for a while.
    let first = if how.no_wait {
        None
    } else {
        Some(teller.patiently(&till, queue.lock()).await)
    };
    let (id, at) = at_counter(session, limit, &till, &mut teller).await?;
    // From here on the slot goes back if the request is called off.
    let taken = Taken(Some(Held {
        session,
        limit,
        till: till.clone(),
        id,
        at,
    }));
    wait.served = true;
    drop((wait, first));
    teller.goes_on();
    refill_behind(session, limit, &till);
    sweep_later(&session.gate, &till);
    tell_gauge(session, limit, &till).await;
    Ok(taken)
}

/// First in its queue: until it has a slot.
async fn at_counter(
    session: &Session,
    limit: &Limit,
    till: &Arc<Till>,
    teller: &mut Teller<'_>,
) -> Result<(SlotId, Now), NetError> {
    let gate = &session.gate;
    let background = teller.how.background;
    let reserve = if background { limit.reserve() } else { 0 };
    let mut locked = 0;
    let mut spread = Duration::ZERO;
    loop {
        let changed = till.changed.notified();
        let now = gate.clock.now();
        let behind = background && till.interactive_waiting.load(Ordering::Relaxed) > 0;
        let queued = till.queue(background).1.load(Ordering::Relaxed);
        if !spread.is_zero() && till.purse().held(now).is_none() {
            let longest = u64::try_from(std::mem::take(&mut spread).as_millis());
            let part = fastrand::u64(0..=longest.unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(part)).await;
            continue;
        }
        let (step, old) = {
            let mut purse = till.purse();
            let old = purse.give_back(now, false);
            let step = if behind {
                Step::Wait(None)
            } else {
                purse.step(now, reserve, queued.saturating_sub(1))
            };
            (step, old)
        };
        gate.ledger.return_slots(old);
        let next = match step {
            Step::Go(id, at) => return Ok((id, at)),
            Step::Wait(next) => next,
            Step::Take(wanted) => {
                let asked = gate
                    .ledger
                    .take_slots(terms(session, limit, reserve), wanted);
                match teller.while_locked(asked).await? {
                    Ok(Slots::Granted(mut granted)) => {
                        till.purse().taken(granted.take(), now);
                        continue;
                    }
                    Ok(Slots::Full { next_free }) => next_free,
                    Ok(Slots::Held(left)) => {
                        till.purse().hold(now.mono.saturating_add(left));
                        Some(left)
                    }
                    Err(LedgerError::Locked(_)) if !teller.how.no_wait && locked < LOCKED_TRIES => {
                        locked += 1;
                        None
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let held = till.purse().held(now);
        spread = spread.max(held.unwrap_or_default() / 4).min(SPREAD_MAX);
        if teller.how.no_wait {
            return Err(match held {
                Some(left) => NetError::TurnedAway { left },
                None => NetError::BudgetExhausted {
                    limit: limit.requests,
                    counted: counted(limit),
                    period: limit.period,
                    next,
                },
            });
        }
        if let Some(left) = held.filter(|left| *left > HOLD_WAITED_MAX) {
            return Err(NetError::LeftAlone { left });
        }
        teller.waits(held.is_some(), next);
        tell_gauge(session, limit, till).await;
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
        Counts::Writes | Counts::Reads => limit.counts.word(),
    };
    match limit.requests {
        1 => many.trim_end_matches('s'),
        _ => many,
    }
}

/// Tells that one request waits, once, and that it goes on.
struct Teller<'a> {
    session: &'a Session,
    call: &'a Call,
    how: How,
    told: bool,
}

impl Teller<'_> {
    fn waits(&mut self, held: bool, next: Option<Duration>) {
        if self.told {
            return;
        }
        self.tell(
            if held {
                "until the provider takes requests again: it answered 429"
            } else {
                "for a slot in the rate budget"
            },
            next,
        );
    }

    fn tell(&mut self, why: &str, next: Option<Duration>) {
        self.told = true;
        let waiting = self.session.waiting(self.call, why.to_owned(), next);
        let told = Event::Waiting(self.how.request, Some(waiting));
        self.session.gate.tell(told);
    }

    /// Awaits a place at the counter; tells of it if that takes longer than a moment.
    async fn patiently<T>(&mut self, till: &Till, place: impl Future<Output = T>) -> T {
        let mut place = std::pin::pin!(place);
        if let Ok(there) = tokio::time::timeout(UNTOLD, &mut place).await {
            return there;
        }
        let held = till.purse().held(self.session.gate.clock.now());
        self.waits(held.is_some(), None);
        place.await
    }

    /// Awaits the ledger; tells of it if another program holds its lock, or gives up.
    async fn while_locked<T>(&mut self, asked: impl Future<Output = T>) -> Result<T, NetError> {
        let mut status = self.session.gate.ledger.status_changes();
        let locked = async { status.wait_for(|at| *at == Status::Locked).await.is_ok() };
        let mut asked = std::pin::pin!(asked);
        tokio::select! {
            biased;
            answer = &mut asked => return Ok(answer),
            true = locked => {}
        }
        if self.how.no_wait {
            return Err(NetError::Locked);
        }
        self.tell(LOCKED, None);
        Ok(asked.await)
    }

    fn goes_on(&mut self) {
        if self.told {
            let told = Event::Waiting(self.how.request, None);
            self.session.gate.tell(told);
        }
    }
}

impl Taken<'_> {
    /// Whether so much time has passed since it was taken (a machine that slept, a process that was stopped) that
    /// other processes may count it as free.
    pub(super) fn has_lapsed(&self, now: Now) -> bool {
        self.0.as_ref().is_some_and(|held| {
            let mono = now.mono.saturating_sub(held.at.mono);
            mono.max(now.wall.since(held.at.wall)) > READY_MAX + LANE_LIMIT
        })
    }

    /// Whether the provider has turned another request away since the slot was taken: this one then waits, too.
    pub(super) async fn is_held(&self, now: Now) -> bool {
        let Some(Held {
            session,
            limit,
            till,
            at,
            ..
        }) = &self.0
        else {
            return false;
        };
        if till.purse().held(now).is_some() {
            return true;
        }
        // While this one waited for its key, that may have been a request of another process.
        let waited = now.mono.saturating_sub(at.mono) > UNTOLD;
        let ledger = &session.gate.ledger;
        waited
            && ledger
                .budget(limit.scope.clone(), limit.requests, limit.period)
                .await
                .is_ok_and(|counted| counted.held.is_some())
    }

    /// The reply, or its absence, was seen now: the slot frees one period later.
    pub(super) async fn seen(mut self, now: Now) {
        if let Some(held) = self.0.take() {
            held.release(now);
            tell_gauge(held.session, held.limit, &held.till).await;
        }
    }

    /// Nobody waits for the reply any more. It may still come, so the slot frees one period from now.
    pub(super) fn given_up(mut self, now: Now) {
        if let Some(held) = self.0.take() {
            held.release(now);
        }
    }
}

impl Held<'_> {
    fn release(&self, now: Now) {
        self.till.purse().seen(now);
        let ledger = &self.session.gate.ledger;
        ledger.release_slot(self.id.clone(), now);
        self.till.changed.notify_waiters();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(held) = self.0.take() {
            held.till.purse().unused();
            let ledger = &held.session.gate.ledger;
            ledger.return_slots(vec![held.id.clone()]);
            held.till.changed.notify_waiters();
        }
    }
}

/// The provider answered 429 although a slot was free: another program spends with these credentials, or the limit
/// is lower than is known here. Nothing is sent until the time it names has passed; where it names none, for one
/// whole period, after which all it can have counted so far has left its window. Gives back how long that is.
pub(super) fn refused(gate: &Gate, limit: &Limit, reply: &Reply) -> Duration {
    let now = gate.clock.now();
    let wait = reply
        .retry_after()
        .unwrap_or(limit.period)
        .clamp(HOLD_MIN, HOLD_MAX);
    let till = gate.tills.of(limit);
    till.purse().hold(now.mono.saturating_add(wait));
    gate.ledger.hold_slots(limit.scope.clone(), now, wait);
    wait
}

fn terms(session: &Session, limit: &Limit, reserve: u32) -> Terms {
    Terms {
        persistence: session.gate.persistence(&session.account),
        scope: limit.scope.clone(),
        limit: limit.requests,
        period: limit.period,
        reserve,
        // From taking the slot to the end of the request: keeping it ready and the wait for the key's lane are
        // part of it.
        flight: READY_MAX + LANE_LIMIT + session.idle + WHOLE_MAX,
    }
}

/// Takes slots ahead while a burst goes on, so that its next requests find them ready. The last of the budget is
/// left to those who ask.
fn refill_behind(session: &Session, limit: &Limit, till: &Arc<Till>) {
    let gate = &session.gate;
    let now = gate.clock.now();
    let reserve = limit.reserve();
    if till.refilling.swap(true, Ordering::AcqRel) {
        return;
    }
    let Some(wanted) = till.purse().refill(now, reserve) else {
        till.refilling.store(false, Ordering::Release);
        return;
    };
    let (ledger, till) = (gate.ledger.clone(), till.clone());
    let terms = terms(session, limit, reserve);
    tokio::spawn(async move {
        // What goes wrong is found again, and told, by the next request that asks.
        if let Ok(Slots::Granted(mut granted)) = ledger.take_slots(terms, wanted).await {
            till.purse().taken(granted.take(), now);
        }
        till.refilling.store(false, Ordering::Release);
    });
}

/// Sees to it that what was taken ahead and is not used goes back soon.
fn sweep_later(gate: &Arc<Gate>, till: &Arc<Till>) {
    if !till.purse().has_ready() || till.sweeping.swap(true, Ordering::AcqRel) {
        return;
    }
    let (gate, till) = (Arc::downgrade(gate), till.clone());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(READY_MAX).await;
            let Some(gate) = gate.upgrade() else { return };
            let (old, more) = {
                let mut purse = till.purse();
                (purse.give_back(gate.clock.now(), false), purse.has_ready())
            };
            gate.ledger.return_slots(old);
            if !more {
                till.sweeping.store(false, Ordering::Release);
                return;
            }
        }
    });
}

/// Tells how the budget stands: at once, or shortly where that was told just now.
async fn tell_gauge(session: &Session, limit: &Limit, till: &Arc<Till>) {
    if session.gate.events.is_none() {
        return;
    }
    let now = session.gate.clock.now().mono;
    let last = till.told().at;
    if last.is_some_and(|at| now.saturating_sub(at) < GAUGE_PAUSE) {
        tell_gauge_soon(session, limit, till);
    } else {
        till.told().at = Some(now);
        tell_gauge_now(&session.gate, &session.account.id, limit).await;
    }
}

/// Tells how the budget stands in a moment, once for all that ask for it until then.
fn tell_gauge_soon(session: &Session, limit: &Limit, till: &Arc<Till>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        // The program is leaving.
        return;
    };
    if session.gate.events.is_none() || std::mem::replace(&mut till.told().soon, true) {
        return;
    }
    let (session, limit, till) = (session.clone(), limit.clone(), till.clone());
    runtime.spawn(async move {
        tokio::time::sleep(GAUGE_PAUSE).await;
        let now = session.gate.clock.now().mono;
        *till.told() = Told {
            at: Some(now),
            soon: false,
        };
        tell_gauge_now(&session.gate, &session.account.id, &limit).await;
    });
}

async fn tell_gauge_now(gate: &Gate, account: &AccountId, limit: &Limit) {
    if let Some(gauge) = gauge(gate, limit).await {
        gate.tell(Event::Budget(account.clone(), gauge));
    }
}

pub(super) async fn gauge(gate: &Gate, limit: &Limit) -> Option<BudgetGauge> {
    let counted = gate
        .ledger
        .budget(limit.scope.clone(), limit.requests, limit.period)
        .await
        .ok()?;
    let till = gate.tills.of(limit);
    let now = gate.clock.now();
    let held = till.purse().held(now).max(counted.held);
    Some(BudgetGauge {
        counts: limit.counts,
        used: counted.used,
        limit: limit.requests,
        period: limit.period,
        next_free: counted.next_free,
        waiting: till.interactive_waiting.load(Ordering::Relaxed)
            + till.background_waiting.load(Ordering::Relaxed),
        held,
    })
}

/// Counts one waiting request for as long as it lives, a cancelled one too.
struct InQueue<'a> {
    queue: &'a AtomicU32,
    session: &'a Session,
    limit: &'a Limit,
    till: &'a Arc<Till>,
    /// It has its slot; else it leaves without one, which the gauge must tell.
    served: bool,
}

impl<'a> InQueue<'a> {
    fn enter(
        queue: &'a AtomicU32,
        session: &'a Session,
        limit: &'a Limit,
        till: &'a Arc<Till>,
    ) -> Self {
        queue.fetch_add(1, Ordering::Relaxed);
        Self {
            queue,
            session,
            limit,
            till,
            served: false,
        }
    }
}

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        self.queue.fetch_sub(1, Ordering::Relaxed);
        if !self.served {
            tell_gauge_soon(self.session, self.limit, self.till);
        }
    }
}
