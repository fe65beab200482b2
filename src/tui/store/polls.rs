//! The pace of what the console asks by itself: checks of payments, and the state of the rate limits.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Store;
use crate::domain::{AccountId, Exchange, Now, Op, Outcome, PaymentId, RequestId, WallTime};
use crate::tui::Effect;
use crate::tui::watched::Watched;

/// The maximum age of a rate limit's state while it is on screen and in use.
const BUDGETS_EVERY: Duration = Duration::from_secs(2);
/// The pace of automatic checks, and how many may run ahead of it: a long list must leave most of the rate limit to
/// the operator and to callbacks.
const POLL_EVERY: Duration = Duration::from_millis(200);
const POLL_BURST: u32 = 20;
/// The longest time of a check that is usual.
const CHECK_TAKES: Duration = Duration::from_secs(1);
/// The most background checks of one account at the same time.
const POLLS_MAX: usize = 8;

/// The automatic checks so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Pace {
    /// The checks that were sent use up the polling rate until this time (monotonic).
    until: Duration,
    /// Whether the state of the payment that was last checked was known before.
    was_known: bool,
}

impl Store {
    /// Whether no check of a payment is in progress, but for one in the background that waits and makes way.
    pub fn can_check(&self, watched: &Watched) -> bool {
        watched.asking.is_none_or(|request| self.makes_way(request))
    }

    /// Whether this is a background request that is not sent yet.
    fn makes_way(&self, request: RequestId) -> bool {
        let asked = self.in_flight_for(request);
        self.waiting.contains_key(&request) && asked.is_some_and(|asked| asked.background)
    }

    /// Puts a payment's check off that another program has just made, also one that is not sent yet.
    pub fn checked_elsewhere(&mut self, exchange: &Exchange, now: Now, out: &mut Vec<Effect>) {
        let Some(watched) = self.checked_by(exchange) else {
            return;
        };
        if watched.checked_elsewhere(exchange, now)
            && let Some(request) = watched.asking
            && self.makes_way(request)
        {
            self.cancel(request, out);
            if let Some(watched) = self.watched_of(exchange) {
                watched.asking = None;
            }
        }
    }

    /// Checks a payment, if [`Self::can_check`] says so.
    pub fn check(&mut self, at: usize, background: bool, out: &mut Vec<Effect>) {
        let Some(watched) = self.payments.get(at).filter(|it| self.can_check(it)) else {
            return;
        };
        let (watch, asking) = (watched.watch.clone(), watched.asking);
        if let Some(waiting) = asking {
            self.cancel(waiting, out);
        }
        let op = Op::CheckPayment(watch.id);
        self.payments[at].asking = Some(self.ask(watch.account, op, background, out));
    }

    /// As [`Self::watched_of`], by whichever program: another host may have another payment with this id.
    pub fn checked_by(&mut self, exchange: &Exchange) -> Option<&mut Watched> {
        let known = self.known(&exchange.account)?;
        let path = exchange.url.strip_prefix(&known.account.base)?;
        path.starts_with('/').then(|| self.watched_of(exchange))?
    }

    /// The watched payment that a successful request was about.
    pub fn watched_of(&mut self, exchange: &Exchange) -> Option<&mut Watched> {
        let id = PaymentId::new(exchange.about.as_str()).ok()?;
        matches!(exchange.outcome, Outcome::Status(200..300))
            .then(|| self.payment_mut(&exchange.account, &id))?
    }

    /// Checks every payment that is due, a few at a time: a long list must not delay the operator's requests.
    pub fn poll(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !self.is_ready() {
            return;
        }
        let mut free = self.free_polls();
        let places = 0..self.payments.len();
        let due = places.filter_map(|at| Some((self.payments[at].due()?, at)));
        let mut due: Vec<(Duration, usize)> = due.filter(|(due, _)| *due <= now.mono).collect();
        // The longest overdue goes first, so that the end of a long list gets its turn; but first checks and payments
        // with a known state take turns, so that neither a long import nor what is open waits for all of the other. Those
        // due at the same time are scattered by the seed: consoles of a team ask for different ones first.
        due.sort_unstable_by_key(|(due, at)| {
            let is_same = self.payments[*at].latest().is_some() == self.pace.was_known;
            let order = (*at as u64 + 1).wrapping_mul(self.seed | 1);
            (*due > Duration::ZERO && is_same, *due, order)
        });
        for (due, at) in due {
            // What the operator asks for is not slowed down.
            if due > Duration::ZERO && self.poll_from() > now.mono {
                break;
            }
            let watched = &self.payments[at];
            let is_known = watched.latest().is_some();
            if let Some(free) = free
                .get_mut(&watched.watch.account)
                .filter(|free| **free > 0)
            {
                *free -= 1;
                self.pace.was_known = is_known;
                self.check(at, true, out);
                self.pace.until = self.pace.until.max(now.mono) + POLL_EVERY;
            }
        }
    }

    /// When the next automatic check is due; `None` while the maximum number is in progress.
    pub fn poll_due(&self) -> Option<Duration> {
        let free = self.free_polls();
        let may = |w: &&Watched| free.get(&w.watch.account).is_some_and(|free| *free > 0);
        let waiting = self.payments.iter().filter(may);
        let due = waiting.filter_map(Watched::due).min();
        due.map(|due| match due {
            Duration::ZERO => due,
            due => due.max(self.poll_from()),
        })
    }

    /// When the provider last answered a check of this account.
    pub fn answered_at(&self, account: &AccountId) -> Option<WallTime> {
        let all = self.payments.iter();
        let own = all.filter(|it| it.watch.account == *account);
        own.filter_map(Watched::answered_at).max()
    }

    /// Checks those soon that have failed since the account's answer before this one: the provider works again. One that fails
    /// all the time does not follow each answer about the others.
    pub fn wake_failed(&mut self, account: &AccountId, before: Option<WallTime>, now: Now) {
        for watched in &mut self.payments {
            if watched.watch.account == *account && watched.failing_since > before {
                watched.poll_soon(now);
            }
        }
    }

    /// How long the checks of all open payments may take, one after another and at a slow provider.
    pub fn round_of_checks(&self) -> Duration {
        let open = self.payments.iter().filter(|it| !it.is_over());
        open.map(|_| CHECK_TAKES).sum()
    }

    /// When the pace allows the next automatic check.
    fn poll_from(&self) -> Duration {
        self.pace.until.saturating_sub(POLL_EVERY * POLL_BURST)
    }

    /// The free background checks of each account. A slow account does not block the others.
    fn free_polls(&self) -> BTreeMap<AccountId, usize> {
        let mut free: BTreeMap<AccountId, usize> = BTreeMap::new();
        for watched in &self.payments {
            let account = &watched.watch.account;
            if !free.contains_key(account) {
                free.insert(account.clone(), POLLS_MAX);
            }
            if watched.asking.is_some()
                && let Some(free) = free.get_mut(account)
            {
                *free = free.saturating_sub(1);
            }
        }
        free
    }

    /// When to read the rate limits again; `None` while none is in use.
    pub fn budgets_due(&self, now: Now) -> Option<Duration> {
        let updated = self.accounts.iter().filter_map(|known| known.in_use(now));
        let since = updated.min().filter(|_| self.is_ready())?;
        Some(since.max(self.looked) + BUDGETS_EVERY)
    }

    /// Reads the rate limits when that is due. No message reports slots that become free, or requests of other
    /// processes.
    pub fn look_at_budgets(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.budgets_due(now).is_some_and(|due| due <= now.mono) {
            self.looked = now.mono;
            out.push(Effect::LookAtBudgets);
        }
    }
}
