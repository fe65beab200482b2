//! The queue of a database's thread, and the thread's work, which is done in rounds: what is sent during a write is written
//! together in the next one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use super::deliveries::{self, Incoming};
use super::exchanges::{self, Recorded, Recording, Unsaved};
use super::{Store, report_lost};
use crate::domain::{Delivery, Exchange, Now};
use crate::ledger::deliveries::NewDelivery;
use crate::ledger::error::LedgerError;
use crate::ledger::slots::{Granted, RateSlots, SlotId, SlotOutcome, SlotRequest};

/// The limits of one round, in tasks, slots, and bytes of callbacks: other tasks wait meanwhile.
const TASKS: usize = 512;
const SLOTS: usize = 64;
const BYTES: usize = 4 * 1024 * 1024;

/// The limit of waiting callbacks in memory, in KiB; beyond it, callers wait before they add one.
const WAITING_KIB: usize = 64 * 1024;

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

enum Task<S> {
    Run(Job<S>),
    TakeSlot(SlotCall),
    Deliver(Box<Incoming>),
    /// Looks at the gathered rows.
    Wake,
    /// Released slots are gathered no longer.
    WriteReleased,
    /// Nothing is gathered any longer.
    WriteAll,
}

/// Released slots and requests. No caller waits for them, so they are gathered for a while, and the thread is woken for the
/// first alone.
#[derive(Default)]
struct Gathered {
    released: Vec<(SlotId, Now)>,
    requests: Unsaved,
    /// Whether the thread has to be woken to look at them.
    sleeps: bool,
    /// Whether the thread has ended.
    is_closed: bool,
}

/// A caller that waits for a slot.
pub(in crate::ledger) struct SlotCall {
    pub(in crate::ledger) terms: SlotRequest,
    ledger: Arc<dyn RateSlots>,
    answer: oneshot::Sender<Result<SlotOutcome, LedgerError>>,
}

impl SlotCall {
    /// Whether the caller is gone and sends nothing.
    pub(in crate::ledger) fn is_gone(&self) -> bool {
        self.answer.is_closed()
    }

    /// Hands the answer to the caller; returns the slot if the caller is gone.
    pub(in crate::ledger) fn answer(
        self,
        taken: Result<SlotOutcome<SlotId>, LedgerError>,
    ) -> Option<SlotId> {
        let ledger = self.ledger;
        let granted = |id| Granted {
            ledger,
            id: Some(id),
        };
        // Taken apart here: on this thread, `Granted`'s own `Drop` would queue a job behind others.
        match self.answer.send(taken.map(|taken| taken.map(granted))) {
            Err(Ok(SlotOutcome::Granted(granted))) => Some(granted.take()),
            _ => None,
        }
    }
}

/// A database's handle of its thread, which writes all that was sent when the last handle is gone.
pub(in crate::ledger) struct Queue<S> {
    tasks: mpsc::Sender<Task<S>>,
    gathered: Arc<Mutex<Gathered>>,
    room: Arc<Semaphore>,
    /// Each request that is neither saved nor lost has a clone.
    unsaved: Arc<()>,
    /// Who sends the requests of this process; empty where only this machine's user works with the database.
    operator: String,
}

impl<S: Store + 'static> Queue<S> {
    /// Starts the thread, which opens the database. Without the thread, every call answers `Stopped`.
    pub(in crate::ledger) fn start(
        operator: String,
        open: impl FnOnce() -> S + Send + 'static,
    ) -> (Self, Option<JoinHandle<()>>) {
        let (queue, round) = Self::new(operator);
        // A thread of its own: a database blocks, and a full disk or a lock must not stop the screen.
        let thread = std::thread::Builder::new().name("ledger".to_owned());
        let thread = thread.spawn(move || work(open(), round));
        (queue, thread.ok())
    }

    fn new(operator: String) -> (Self, Round<S>) {
        let (tasks, receiver) = mpsc::channel();
        let gathered = Arc::new(Mutex::default());
        let queue = Self {
            tasks,
            gathered: gathered.clone(),
            room: Arc::new(Semaphore::new(WAITING_KIB)),
            unsaved: Arc::default(),
            operator,
        };
        (queue, Round::new(receiver, gathered))
    }

    fn add(&self, task: Task<S>) {
        // Fails only where the thread has ended. Callers learn it as the task is dropped.
        if let Err(mpsc::SendError(Task::Deliver(_))) = self.tasks.send(task) {
            report_lost("callbacks", 1);
        }
    }

    /// `add` returns whether there are enough rows to write.
    fn gather(&self, add: impl FnOnce(&mut Gathered) -> bool) {
        let mut gathered = self.gathered.lock();
        let is_full = add(&mut gathered);
        let wakes = std::mem::take(&mut gathered.sleeps) || is_full;
        let is_closed = gathered.is_closed;
        drop(gathered);
        if is_closed {
            close(&self.gathered);
        } else if wakes {
            self.add(Task::Wake);
        }
    }

    /// Adds a job; it runs even if its caller is gone. What was sent before it is written before it, except released slots
    /// and requests that are gathered.
    pub(in crate::ledger) fn send(&self, job: impl FnOnce(&mut S) + Send + 'static) {
        self.add(Task::Run(Box::new(job)));
    }

    pub(in crate::ledger) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut S) -> Result<T, LedgerError> + Send + 'static,
    ) -> impl Future<Output = Result<T, LedgerError>> + Send {
        let (answer, answered) = oneshot::channel();
        self.send(move |store| {
            let _ = answer.send(job(store));
        });
        async { answered.await.unwrap_or(Err(LedgerError::Stopped)) }
    }

    /// Writes all requests and released slots that were sent, before the next task.
    pub(in crate::ledger) fn write_all(&self) {
        self.add(Task::WriteAll);
    }

    /// Writes all released slots that were sent, before the next task.
    pub(in crate::ledger) fn write_released(&self) {
        self.add(Task::WriteReleased);
    }

    /// Returns when all earlier tasks are done.
    pub(in crate::ledger) async fn flush(&self) {
        self.write_all();
        let _ = self.run(|_| Ok(())).await;
    }

    /// Takes a slot, which returns to `ledger` if its caller is gone.
    pub(in crate::ledger) async fn take_slot(
        &self,
        terms: SlotRequest,
        ledger: Arc<dyn RateSlots>,
    ) -> Result<SlotOutcome, LedgerError> {
        let (answer, answered) = oneshot::channel();
        self.add(Task::TakeSlot(SlotCall {
            terms,
            ledger,
            answer,
        }));
        answered.await.unwrap_or(Err(LedgerError::Stopped))
    }

    pub(in crate::ledger) fn release_slot(&self, id: SlotId, seen_at: Now) {
        self.gather(|gathered| {
            gathered.released.push((id, seen_at));
            false
        });
    }

    /// Adds a callback to those that wait, and waits until it is written.
    pub(super) async fn deliver(&self, new: NewDelivery) -> Result<Delivery, LedgerError> {
        let kib = (new.sealed.len() / 1024 + 1).min(WAITING_KIB);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(kib).await;
        let (done, answer) = oneshot::channel();
        let incoming = Incoming {
            new,
            done,
            _room: room.expect("it is never closed"),
        };
        self.add(Task::Deliver(incoming.into()));
        answer.await.unwrap_or(Err(LedgerError::Stopped))
    }

    pub(super) fn record(&self, exchange: Exchange, then: Recorded) {
        // As the database fills it in.
        let operator = self.operator.clone();
        let exchange = Exchange {
            operator,
            ..exchange
        };
        let request = Recording {
            unsaved: self.unsaved.clone(),
            exchange,
            then: Some(then),
        };
        self.gather(|gathered| {
            gathered.requests.0.push_back(request);
            gathered.requests.0.len() == exchanges::CHUNK
        });
    }

    /// How many requests are not written yet.
    pub(in crate::ledger) fn unsaved(&self) -> usize {
        Arc::strong_count(&self.unsaved) - 1
    }

    /// How much of the space for waiting callbacks is used, in KiB.
    #[cfg(test)]
    pub(in crate::ledger) fn waiting_kib(&self) -> usize {
        WAITING_KIB - self.room.available_permits()
    }
}

/// The thread has ended: reports and drops all rows.
fn close(gathered: &Mutex<Gathered>) {
    let mut gathered = gathered.lock();
    gathered.is_closed = true;
    let released = std::mem::take(&mut gathered.released);
    let requests = std::mem::take(&mut gathered.requests);
    // Before they are dropped: those who wait for a request may send others.
    drop(gathered);
    report_lost("released slots", released.len());
    drop(requests);
}

/// Does what is sent until the last handle is gone. Dropping the store then closes the database.
fn work<S: Store>(store: S, mut round: Round<S>) {
    // Dropped before the round: callers who learn from its tasks that the thread has ended see that in the state, too.
    let mut store = store;
    let clock = store.limits().0;
    loop {
        let filled = round.fill(&store, clock.now().mono);
        match filled {
            Ok(()) => {}
            Err(RecvTimeoutError::Timeout) if round.gathers_until.is_none() => {
                round.rested = store.rest();
                continue;
            }
            Err(RecvTimeoutError::Timeout) => round.gathers_until = Some(Duration::ZERO),
            Err(RecvTimeoutError::Disconnected) => round.writes_all = true,
        }
        round.rested = false;
        round.write(&mut store, clock.now().mono);
        if filled == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// One round of the database's thread: the queued slots, callbacks and requests are written first, then the jobs run in
/// their order. No slot is taken before an earlier job. (A release may overtake a hold: its slot is not free before a period
/// has passed.)
struct Round<S> {
    tasks: Receiver<Task<S>>,
    gathered: Arc<Mutex<Gathered>>,
    /// The first tasks of the next round.
    next: VecDeque<Task<S>>,
    calls: Vec<SlotCall>,
    deliveries: Vec<Incoming>,
    jobs: Vec<Job<S>>,
    /// The tasks of this round and the next, `TASKS` if it is full, and the bytes of its callbacks.
    size: usize,
    bytes: usize,
    writes_released: bool,
    writes_all: bool,
    /// When the gathered rows are written, on the monotonic clock; `None` if the thread knows of none.
    gathers_until: Option<Duration>,
    /// Whether there was no work since the last rest.
    rested: bool,
}

impl<S: Store> Round<S> {
    fn new(tasks: Receiver<Task<S>>, gathered: Arc<Mutex<Gathered>>) -> Self {
        Self {
            tasks,
            gathered,
            next: VecDeque::new(),
            calls: Vec::new(),
            deliveries: Vec::new(),
            jobs: Vec::new(),
            size: 0,
            bytes: 0,
            writes_released: false,
            writes_all: false,
            gathers_until: None,
            rested: true,
        }
    }

    /// Adds the tasks that were sent, or waits for one. Without work to do the thread sleeps: an idle program wakes no
    /// processor.
    fn fill(&mut self, store: &S, now: Duration) -> Result<(), RecvTimeoutError> {
        if self.next.is_empty() {
            let first = match self.patience(store, now) {
                Some(patience) => self.tasks.recv_timeout(patience)?,
                None => self.tasks.recv()?,
            };
            self.next.push_back(first);
        }
        for task in std::mem::take(&mut self.next) {
            self.add(task);
        }
        while self.size < TASKS
            && let Ok(task) = self.tasks.try_recv()
        {
            self.add(task);
        }
        Ok(())
    }

    /// How long to wait for a task.
    fn patience(&mut self, store: &S, now: Duration) -> Option<Duration> {
        if self.gathers_until.is_none() {
            let mut gathered = self.gathered.lock();
            gathered.sleeps = gathered.released.is_empty() && gathered.requests.0.is_empty();
            if gathered.sleeps {
                return store.patience(self.rested);
            }
        }
        let gathers_until = now.saturating_add(store.gathers_for());
        let until = self.gathers_until.get_or_insert(gathers_until);
        Some(until.saturating_sub(now))
    }

    /// Adds a task to this round, or to the next.
    fn add(&mut self, task: Task<S>) {
        let bytes = match &task {
            Task::Deliver(one) => one.new.sealed.len(),
            _ => 0,
        };
        if self.calls.len() >= SLOTS
            // One that exceeds the limit alone is written alone.
            || self.bytes > 0 && self.bytes + bytes > BYTES
        {
            self.size = TASKS;
        }
        let waits = match task {
            // They are written together whatever is sent between them.
            Task::Deliver(_) => false,
            // A hold that was sent before counts for a slot.
            Task::TakeSlot(_) if !self.jobs.is_empty() => true,
            _ => !self.next.is_empty(),
        };
        let is_full = self.size >= TASKS;
        self.size += 1;
        if is_full || waits {
            self.next.push_back(task);
            return;
        }
        self.bytes += bytes;
        match task {
            Task::Run(job) => self.jobs.push(job),
            Task::TakeSlot(call) => self.calls.push(call),
            Task::Deliver(one) => self.deliveries.push(*one),
            Task::Wake => {}
            Task::WriteReleased => self.writes_released = true,
            Task::WriteAll => self.writes_all = true,
        }
    }

    fn write(&mut self, store: &mut S, now: Duration) {
        (self.size, self.bytes) = (0, 0);
        self.calls.retain(|call| !call.is_gone());
        let is_due = self.gathers_until.is_some_and(|until| until <= now);
        let writes_all = std::mem::take(&mut self.writes_all);
        // With a slot also what is gathered: the next count of slots must include it.
        let mut writes_released =
            std::mem::take(&mut self.writes_released) || writes_all || !self.calls.is_empty();
        let (mut released, mut requests) = (Vec::new(), Unsaved::default());
        let mut gathered = self.gathered.lock();
        if writes_released || is_due {
            std::mem::swap(&mut released, &mut gathered.released);
        }
        let waiting = &mut gathered.requests.0;
        if writes_all {
            requests.0.append(waiting);
        } else if is_due || waiting.len() >= exchanges::CHUNK {
            let some = waiting.len().min(exchanges::CHUNK);
            requests.0.extend(waiting.drain(..some));
        }
        if waiting.is_empty() {
            self.gathers_until = self.gathers_until.filter(|_| !is_due);
        } else if is_due || waiting.len() >= exchanges::CHUNK {
            self.gathers_until = Some(now);
        } else {
            let until = now.saturating_add(store.gathers_for());
            self.gathers_until.get_or_insert(until);
        }
        drop(gathered);
        writes_released |= !released.is_empty();
        let writes_requests = writes_all || !requests.0.is_empty();
        // Before the requests: other processes may be waiting for these slots.
        if writes_released {
            store.serve(released, std::mem::take(&mut self.calls));
        }
        if !self.deliveries.is_empty() {
            deliveries::write(store, &mut self.deliveries);
        }
        if writes_requests {
            store.record(requests);
        }
        for job in self.jobs.drain(..) {
            job(store);
        }
    }
}

impl<S> Drop for Round<S> {
    /// What is left after a job that panicked is lost.
    fn drop(&mut self) {
        let tasks = self.next.drain(..).chain(self.tasks.try_iter());
        let delivered = tasks.filter(|task| matches!(task, Task::Deliver(_)));
        report_lost("callbacks", self.deliveries.len() + delivered.count());
        close(&self.gathered);
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use super::super::exchanges::{CHUNK, WAITING_BYTES_MAX, WAITING_MAX};
    use super::super::{Access, Statements};
    use super::*;
    use crate::clock::Clock;
    use crate::ledger::contract::deliveries::new;
    use crate::ledger::contract::fixtures::{at_start, exchange, terms};
    use crate::ledger::sqlite::Sqlite;
    use crate::ledger::status::Retention;

    /// A database that refuses everything, and notes in which order it was used.
    #[derive(Default)]
    struct Refuses {
        is_away: bool,
        during_write: Option<Box<dyn FnOnce() + Send>>,
        used: Vec<&'static str>,
        refused: Unsaved,
        last_id: i64,
    }

    impl Store for Refuses {
        fn run(&mut self, access: Access, _: Statements<'_>) -> Result<(), LedgerError> {
            self.used.push(match access {
                Access::WriteDurably => "callbacks",
                _ => "requests",
            });
            if let Some(during_write) = self.during_write.take() {
                during_write();
            }
            Err(LedgerError::NotSaved(String::new()))
        }

        fn limits(&self) -> (Clock, Retention) {
            (Clock::system(), Retention::default())
        }

        fn is_away(&self) -> bool {
            self.is_away
        }

        fn unsaved_id(&mut self) -> i64 {
            self.last_id += 1;
            self.last_id
        }

        fn record(&mut self, new: Unsaved) {
            let mut refused = std::mem::take(&mut self.refused);
            exchanges::write(self, &mut refused, new);
            self.refused = refused;
        }

        fn recorded(&mut self, _rows: usize, _bytes: usize) {}

        fn serve(&mut self, released: Vec<(SlotId, Now)>, calls: Vec<SlotCall>) {
            self.used.extend(released.iter().map(|_| "release"));
            self.used.extend(calls.iter().map(|_| "slot"));
        }

        fn gathers_for(&self) -> Duration {
            Duration::from_hours(1)
        }
    }

    type Ids = Arc<Mutex<Vec<i64>>>;

    /// Records a request with a body of this size; its id is reported to `ids`.
    fn record(queue: &Queue<Refuses>, size: usize, ids: &Ids) {
        let mut exchange = exchange("https://api.example/");
        exchange.response_body.text = "x".repeat(size);
        let ids = ids.clone();
        let then = move |exchange: Exchange| ids.lock().push(exchange.id.0);
        queue.record(exchange, Box::new(then));
    }

    fn release(queue: &Queue<Refuses>) {
        let id = SlotId {
            id: 1,
            scope: "s".into(),
            period: 1,
        };
        queue.release_slot(id, Clock::system().now());
    }

    fn run_job(queue: &Queue<Refuses>) {
        queue.send(|store| store.used.push("job"));
    }

    /// Sends what a call sends before it waits.
    fn begin<F: Future>(call: F) -> Pin<Box<F>> {
        let mut call = Box::pin(call);
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        call
    }

    /// The order of what was done since the last call.
    async fn used(queue: &Queue<Refuses>) -> Vec<&'static str> {
        let used = queue.run(|store| Ok(std::mem::take(&mut store.used)));
        used.await.unwrap()
    }

    /// A queue whose thread is busy until the sender is dropped.
    async fn busy() -> (Queue<Refuses>, mpsc::Sender<()>) {
        let (queue, _) = Queue::start(String::new(), Refuses::default);
        let (hold, until) = mpsc::channel();
        let (begun, begins) = oneshot::channel();
        queue.send(move |_| {
            begun.send(()).unwrap();
            assert!(until.recv().is_err());
        });
        begins.await.unwrap();
        (queue, hold)
    }

    /// The losses that the program's log has after `run`: how many rows, and what they are.
    fn lost(run: impl FnOnce()) -> Vec<String> {
        let log = tempfile::NamedTempFile::new().unwrap();
        let to = Arc::new(log.reopen().unwrap());
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(to);
        tracing::subscriber::with_default(subscriber.finish(), run);
        let text = std::fs::read_to_string(log.path()).unwrap();
        let loss = |line: &str| {
            assert!(line.contains("ERROR"), "{line}");
            line.split_once(" rows=").unwrap().1.replace("what=", "")
        };
        text.lines().map(loss).collect()
    }

    fn away() -> Refuses {
        Refuses {
            is_away: true,
            ..Refuses::default()
        }
    }

    #[test]
    fn a_request_that_is_recorded_while_others_are_refused_is_reported_like_them_and_waits() {
        let (queue, round) = Queue::new(String::new());
        let (queue, ids) = (Arc::new(queue), Ids::default());
        let many = CHUNK + 1;
        for _ in 0..many {
            record(&queue, 0, &ids);
        }
        let (recorder, to) = (queue.clone(), ids.clone());
        let unsaved = Arc::downgrade(&queue.unsaved);
        let during_write = move || {
            record(&recorder, 0, &to);
            recorder.write_all();
            recorder.send(move |_| assert_eq!(unsaved.strong_count(), many + 1));
        };
        drop(queue);
        work(
            Refuses {
                during_write: Some(Box::new(during_write)),
                ..away()
            },
            round,
        );
        let ids = ids.lock();
        assert_eq!(ids.len(), many + 1);
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    }

    #[test]
    fn requests_that_are_lost_are_counted_in_the_programs_log() {
        let half = WAITING_BYTES_MAX / 2 + 1;
        let waiting = format!("{WAITING_MAX} \"requests\"");
        let [one, two, three] = [1, 2, 3].map(|rows| format!("{rows} \"requests\""));
        for (sizes, expected) in [
            (vec![0; 3], vec![&three]),
            (vec![0; WAITING_MAX + 2], vec![&two, &waiting]),
            (vec![half; 2], vec![&one, &one]),
        ] {
            let (queue, round) = Queue::new(String::new());
            for size in sizes {
                record(&queue, size, &Ids::default());
            }
            drop(queue);
            let lost = lost(|| work(away(), round));
            assert_eq!(lost.iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn requests_that_are_abandoned_are_counted_once() {
        let (queue, round) = Queue::new(String::new());
        record(&queue, 0, &Ids::default());
        queue.write_all();
        let unsaved = Arc::downgrade(&queue.unsaved);
        queue.send(move |store: &mut Refuses| {
            store.refused = Unsaved::default();
            assert_eq!(unsaved.strong_count(), 0);
        });
        drop(queue);
        assert_eq!(lost(|| work(away(), round)), ["1 \"requests\""]);
    }

    #[test]
    fn rows_that_a_thread_leaves_when_it_panics_are_counted_in_the_programs_log() {
        let (queue, round) = Queue::new(String::new());
        queue.send(|_| panic!("the ledger's thread ends"));
        for _ in 0..CHUNK + 2 {
            record(&queue, 0, &Ids::default());
        }
        let panics = AssertUnwindSafe(|| work(away(), round));
        let refused = format!("{CHUNK} \"requests\"");
        assert_eq!(
            lost(|| drop(catch_unwind(panics).unwrap_err())),
            [&refused, "2 \"requests\""]
        );
        let after = || {
            record(&queue, 0, &Ids::default());
            release(&queue);
        };
        assert_eq!(lost(after), ["1 \"requests\"", "1 \"released slots\""]);
        assert_eq!(queue.unsaved(), 0);
    }

    #[tokio::test]
    async fn no_row_waits_for_a_write_that_ended_the_thread() {
        for expected in [
            &["1 \"callbacks\"", "1 \"requests\""][..],
            &["1 \"requests\""],
        ] {
            let (queue, round) = Queue::new(String::new());
            // Callbacks are written before requests.
            let delivering = (expected.len() > 1).then(|| begin(queue.deliver(new(1))));
            let (reported, answer) = oneshot::channel();
            let then = |exchange| reported.send(exchange).unwrap();
            queue.record(exchange("https://api.example/"), Box::new(then));
            queue.write_all();
            let ends = Refuses {
                during_write: Some(Box::new(|| panic!("the ledger's thread ends"))),
                ..Refuses::default()
            };
            let panics = AssertUnwindSafe(|| work(ends, round));
            let mut lost = lost(|| drop(catch_unwind(panics).unwrap_err()));
            lost.sort_unstable();
            assert_eq!(lost, expected);
            let stopped = Err(LedgerError::Stopped);
            if let Some(delivering) = delivering {
                assert_eq!(delivering.await, stopped);
            }
            assert!(answer.await.is_err());
            assert_eq!(queue.unsaved(), 0);
            assert_eq!(queue.deliver(new(2)).await, stopped);
        }
    }

    #[tokio::test]
    async fn gathered_rows_are_written_before_their_time_when_they_are_needed_or_many() {
        let (queue, _) = Queue::start(String::new(), Refuses::default);
        let both = || {
            release(&queue);
            record(&queue, 0, &Ids::default());
        };
        both();
        assert!(used(&queue).await.is_empty(), "they wait for more");
        queue.write_released();
        assert_eq!(used(&queue).await, ["release"], "to count the slots");
        both();
        queue.write_all();
        assert_eq!(used(&queue).await, ["release", "requests"], "two together");
        for _ in 0..CHUNK {
            record(&queue, 0, &Ids::default());
        }
        assert_eq!(used(&queue).await, ["requests"], "a whole transaction");
    }

    #[tokio::test]
    async fn gathered_rows_are_written_after_a_while_and_wake_the_thread_once() {
        let (queue, mut round) = Queue::new(String::new());
        let mut store = Refuses::default();
        let [start, hour] = [Duration::ZERO, Duration::from_hours(1)];
        assert_eq!(round.patience(&store, start), None);
        record(&queue, 0, &Ids::default());
        release(&queue);
        assert!(matches!(round.tasks.try_recv(), Ok(Task::Wake)));
        assert!(round.tasks.try_recv().is_err());
        assert_eq!(round.patience(&store, start), Some(hour));
        round.write(&mut store, hour / 2);
        assert!(store.used.is_empty(), "they wait for more");
        for _ in 0..CHUNK {
            record(&queue, 0, &Ids::default());
        }
        round.write(&mut store, hour);
        assert_eq!(store.used, ["release", "requests"]);
        assert_eq!(
            round.patience(&store, hour),
            Some(Duration::ZERO),
            "the one behind"
        );
        round.write(&mut store, hour);
        assert_eq!(store.used, ["release", "requests", "requests"]);
        assert_eq!(round.patience(&store, hour), None);
    }

    fn ledger() -> Arc<Sqlite> {
        Arc::new(Sqlite::in_memory(at_start(), Retention::default()))
    }

    #[tokio::test]
    async fn callbacks_are_written_together_although_slots_between_them_wait_for_jobs() {
        let (queue, hold) = busy().await;
        let _calls = [1, 2].map(|number| {
            run_job(&queue);
            let taking = begin(queue.take_slot(terms("s", 1, 0), ledger()));
            (taking, begin(queue.deliver(new(number))))
        });
        drop(hold);
        let order = ["callbacks", "job", "slot", "job", "slot"];
        assert_eq!(used(&queue).await, order);
    }

    #[tokio::test]
    async fn slots_are_taken_after_the_jobs_and_releases_that_were_sent_before() {
        let (queue, hold) = busy().await;
        release(&queue);
        run_job(&queue);
        release(&queue);
        queue.write_released();
        run_job(&queue);
        release(&queue);
        let _call = begin(queue.take_slot(terms("s", 1, 0), ledger()));
        drop(hold);
        let order = ["release", "release", "release", "job", "job", "slot"];
        assert_eq!(used(&queue).await, order);
    }
}
