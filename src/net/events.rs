//! Events from the gate and the workers to the console or the command line. Sending never waits: a slow screen or a
//! blocked pipe must not delay nonces, slots or callbacks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::ClockWarning;
use crate::domain::{
    AccountId, BudgetGauge, CheckedPayment, Counts, Delivery, DeliveryId, Exchange, ListenerStatus,
    LoadedInventory, PlayerClaim, RequestId, TokenStatus, Waiting,
};

/// The most events that are queued for a slow reader.
const WAITING_MAX: usize = 1_024;
/// This many fit while the reader is not far behind.
pub const ROOM: usize = WAITING_MAX / 2;

/// One change that the console or a command may show.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// One attempt has ended and is recorded.
    Exchange(Arc<Exchange>),
    /// A request waits; `None` once it goes on.
    Waiting(RequestId, Option<Waiting>),
    /// A request was sent and has no response yet: how it would be recorded now. `None` once it is recorded.
    Running(RequestId, Option<Arc<Exchange>>),
    /// A budget changed.
    Budget(AccountId, BudgetGauge),
    /// An access token or its status changed.
    Token(AccountId, TokenStatus),
    /// A callback was received, or one of its jobs made progress; replaces the earlier event of the same number.
    Delivery(Arc<Delivery>),
    /// Whether callbacks can be received.
    ListenerStatus(ListenerStatus),
    /// An accepted callback names a player of this account.
    Player(AccountId, PlayerClaim),
    /// A callback made this program check a payment.
    Checked(CheckedPayment),
    /// A callback made this program look up a player.
    PlayerItems(LoadedInventory),
    /// Events were dropped because the reader was slow. The ledger has all of them.
    Lagged,
    /// Something works less well than it should. Inert.
    Warning {
        /// A stable name: a warning replaces the one before it of the same name.
        about: String,
        /// One sentence.
        text: String,
    },
    /// What the warning of this name was about is over.
    Resolved(String),
    /// The time is wrong, here or in an account's nonces.
    ClockWarning(AccountId, ClockWarning),
}

/// Identifies events of which only the newest matters.
#[derive(PartialEq)]
enum Subject<'a> {
    Request(RequestId),
    Running(RequestId),
    Budget(&'a AccountId, Counts),
    Token(&'a AccountId),
    Delivery(DeliveryId),
    ListenerStatus,
    Lagged,
    Warning(&'a str),
    Clock(&'a AccountId),
}

impl Event {
    fn subject(&self) -> Option<Subject<'_>> {
        Some(match self {
            Self::Exchange(_) | Self::Checked(_) | Self::PlayerItems(_) | Self::Player(..) => {
                return None;
            }
            Self::Waiting(request, _) => Subject::Request(*request),
            Self::Running(request, _) => Subject::Running(*request),
            Self::Budget(account, gauge) => Subject::Budget(account, gauge.counts),
            Self::Token(account, _) => Subject::Token(account),
            Self::Delivery(delivery) => Subject::Delivery(delivery.id),
            Self::ListenerStatus(_) => Subject::ListenerStatus,
            Self::Lagged => Subject::Lagged,
            Self::Warning { about, .. } | Self::Resolved(about) => Subject::Warning(about),
            Self::ClockWarning(account, _) => Subject::Clock(account),
        })
    }

    /// Which event to drop first: the oldest request, else the oldest callback. Both are also in the ledger.
    fn least_missed(events: &VecDeque<Self>) -> Option<usize> {
        let oldest = |is: fn(&Self) -> bool| events.iter().position(is);
        // What has a subject exists once for each, so it cannot fill the queue.
        let row = oldest(|event| event.subject().is_none());
        row.or_else(|| oldest(|event| matches!(event, Self::Delivery(_))))
    }
}

/// Where events are sent; clones send to the same reader.
#[derive(Debug)]
pub struct EventSender(Arc<Shared>);

/// Where events are read, in order.
#[derive(Debug)]
pub struct EventReceiver(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    ready: Notify,
    /// Notified when the reader took an event.
    room: Notify,
    senders: AtomicUsize,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    closed: bool,
}

/// A channel of events.
pub fn channel() -> (EventSender, EventReceiver) {
    let shared = Arc::new(Shared::default());
    shared.senders.store(1, Ordering::SeqCst);
    (EventSender(shared.clone()), EventReceiver(shared))
}

impl EventSender {
    /// Sends an event without waiting. It replaces an unread older event of the same subject. When the queue is full,
    /// the oldest event that is also in the ledger is dropped and [`Event::Lagged`] is sent.
    pub fn send(&self, event: Event) {
        let mut queue = self.0.queue.lock();
        if queue.closed {
            return;
        }
        let events = &mut queue.events;
        // Moved to the end, not replaced in place: the reader must see it after what happened in between.
        if let Some(subject) = event.subject() {
            let older = events
                .iter()
                .position(|old| old.subject().as_ref() == Some(&subject));
            if let Some(older) = older {
                events.remove(older);
            }
        }
        events.push_back(event);
        if events.len() > WAITING_MAX
            && let Some(oldest) = Event::least_missed(events)
        {
            events.remove(oldest);
            if !events.contains(&Event::Lagged) {
                events.push_front(Event::Lagged);
            }
        }
        // Before the notification, so that the woken reader does not wait for this lock.
        drop(queue);
        self.0.ready.notify_one();
    }

    /// Waits until the reader is not far behind: then [`ROOM`] events are sent without a gap.
    pub async fn room(&self) {
        loop {
            // Subscribed before the check, so that a read in between is not missed.
            let room = self.0.room.notified();
            if !self.is_behind() {
                return;
            }
            room.await;
        }
    }

    /// Whether the reader is far behind.
    pub fn is_behind(&self) -> bool {
        let queue = self.0.queue.lock();
        !queue.closed && queue.events.len() + ROOM > WAITING_MAX
    }

    /// Stops delivery: later events are dropped, and no sender waits for the reader.
    pub fn close(&self) {
        self.0.queue.lock().closed = true;
        self.0.room.notify_waiters();
    }
}

impl Clone for EventSender {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::SeqCst);
        Self(self.0.clone())
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.ready.notify_one();
        }
    }
}

impl EventReceiver {
    /// The next event; `None` once all events are read and no sender is left.
    pub async fn recv(&mut self) -> Option<Event> {
        loop {
            // Read before the queue: a sender sends its last event before it is dropped, so `over` with an empty
            // queue is the end.
            let over = self.0.senders.load(Ordering::SeqCst) == 0;
            if let Some(event) = self.try_recv() {
                return Some(event);
            }
            if over {
                return None;
            }
            self.0.ready.notified().await;
        }
    }

    /// The next event, if there is one.
    pub fn try_recv(&mut self) -> Option<Event> {
        let event = self.0.queue.lock().events.pop_front();
        self.0.room.notify_waiters();
        event
    }
}

impl Drop for EventReceiver {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        queue.closed = true;
        // Freed now, not with the last sender.
        queue.events.clear();
        drop(queue);
        self.0.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{PlayerId, Problem};

    fn warning(about: &str, text: &str) -> Event {
        Event::Warning {
            about: about.into(),
            text: text.into(),
        }
    }

    fn asked(number: usize) -> Event {
        Event::PlayerItems(LoadedInventory {
            account: AccountId::new(format!("a{number}")).unwrap(),
            player: PlayerId(1),
            result: Err(Problem::new(
                crate::domain::ProblemKind::NotFound,
                "no such player",
                "",
            )),
        })
    }

    #[tokio::test]
    async fn events_come_in_order_until_nobody_can_send_any_more() {
        let (to, mut events) = channel();
        let other = to.clone();
        to.send(asked(1));
        drop(to);
        other.send(asked(2));
        drop(other);
        assert_eq!(events.recv().await, Some(asked(1)));
        assert_eq!(events.recv().await, Some(asked(2)));
        assert_eq!(events.recv().await, None);
        let (to, mut events) = channel();
        let (got, ()) = tokio::join!(events.recv(), async { drop(to) });
        assert_eq!(got, None, "whoever waits is woken");
    }

    #[test]
    fn a_newer_state_takes_the_place_of_one_that_was_not_read() {
        let (to, mut events) = channel();
        to.send(warning("disk", "full"));
        to.send(warning("clock", "ahead"));
        to.send(warning("disk", "free again"));
        assert_eq!(events.try_recv(), Some(warning("clock", "ahead")));
        assert_eq!(events.try_recv(), Some(warning("disk", "free again")));
        assert_eq!(events.try_recv(), None);
    }

    #[test]
    fn a_reader_that_lags_holds_up_nobody_and_gets_its_gaps_reported() {
        let (to, mut events) = channel();
        to.send(warning("disk", "full"));
        for number in 0..10_000 {
            to.send(asked(number));
        }
        let all: Vec<Event> = std::iter::from_fn(|| events.try_recv()).collect();
        assert!(all.len() <= WAITING_MAX + 1, "{}", all.len());
        assert_eq!(all[0], Event::Lagged);
        assert_eq!(all.last(), Some(&asked(9_999)), "the newest are there");
        assert!(
            all.contains(&warning("disk", "full")),
            "no state is left out"
        );
    }

    #[tokio::test]
    async fn whoever_may_wait_leaves_nothing_out() {
        let (to, mut events) = channel();
        let sending = async {
            for number in 0..3_000 {
                to.room().await;
                to.send(asked(number));
            }
        };
        let reading = async {
            for number in 0..3_000 {
                assert_eq!(events.recv().await, Some(asked(number)));
            }
        };
        tokio::join!(sending, reading);
        drop(events);
        to.room().await;
    }

    #[test]
    fn nothing_is_gathered_for_a_reader_that_has_gone() {
        let (to, events) = channel();
        drop(events);
        to.send(asked(1));
        assert!(to.0.queue.lock().events.is_empty());
    }
}
