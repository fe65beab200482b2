//! Last known facts per account, their age, and what is in flight. Knows no pane and no screen.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::domain::manage::Change;
use crate::domain::simulate::{Fault, Part};
use crate::domain::{
    Ability, Account, AccountId, BudgetGauge, CredentialStatus, LinkRequest, Listening, Now, Op,
    PaymentId, PlayerId, Problem, RawCall, RequestId, TokenStatus, Waiting, WallTime,
};

use super::Effect;
use super::msg::{Level, Notice};
use super::traffic::Traffic;
use super::watched::Watched;

/// How long a live account stays armed.
pub const ARMED_FOR: Duration = Duration::from_mins(10);
/// How old what is known of a budget in use may be while it is on screen.
const BUDGETS_EVERY: Duration = Duration::from_secs(2);
/// Payments of one account that are checked at once without having been asked for.
const POLLS_MAX: usize = 8;
/// Notices kept; the oldest go first.
const NOTICES_MAX: usize = 20;

/// What notices of the listener are about.
pub const LISTENER: &str = "listener";

/// How far everything behind the screen has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    Opening,
    Ready,
    Failed(Problem),
}

/// One account and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountState {
    pub account: Account,
    pub status: CredentialStatus,
    /// Since when verifying has failed in the same way.
    pub failing_since: Option<WallTime>,
    pub verifying: Option<RequestId>,
    /// Its access token, where its calls need one and anything is known of it.
    pub token: Option<TokenStatus>,
    /// Each budget, and when it was heard of.
    budgets: Vec<(BudgetGauge, Duration)>,
    armed_until: Option<Duration>,
}

/// What a request was made for; its answer goes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    Verify,
    Check(PaymentId),
    Quote,
    Link(LinkRequest),
    Manage,
    Explore,
    RefreshToken,
    CopyToken,
    /// Is this player who they claim to be?
    Authenticate(PlayerId),
    /// What a player owns.
    Items(PlayerId),
}

/// One request that has not been answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    pub account: AccountId,
    pub purpose: Purpose,
    pub writes: bool,
}

/// A short word on what a key did; gone with the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    pub level: Level,
    pub text: String,
}

/// All facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    pub phase: Phase,
    pub zone: TimeZone,
    pub accounts: Vec<AccountState>,
    /// Newest first.
    pub payments: Vec<Watched>,
    pub simulator: Option<String>,
    pub fault: Fault,
    /// Whether callbacks can be received.
    pub listening: Listening,
    /// How the simulator plays each provider.
    pub parts: Vec<Part>,
    /// What this process sent in the last minute.
    pub traffic: Traffic,
    pub notices: Vec<Notice>,
    /// When each notice was raised.
    raised: BTreeMap<String, WallTime>,
    /// Matters that were marked as handled, and when.
    pub handled: BTreeMap<String, WallTime>,
    pub flash: Option<Flash>,
    /// Every request of this process that waits, the console's own and others (a token that is renewed).
    pub waiting: BTreeMap<RequestId, Waiting>,
    in_flight: BTreeMap<RequestId, InFlight>,
    last_request: u64,
    /// When the budgets were last looked at.
    looked: Duration,
}

impl Store {
    pub fn new(accounts: Vec<Account>) -> Self {
        Self {
            phase: Phase::Opening,
            zone: TimeZone::UTC,
            accounts: accounts.into_iter().map(AccountState::new).collect(),
            payments: Vec::new(),
            simulator: None,
            fault: Fault::None,
            listening: Listening::Off,
            parts: Vec::new(),
            traffic: Traffic::default(),
            notices: Vec::new(),
            raised: BTreeMap::new(),
            handled: BTreeMap::new(),
            flash: None,
            waiting: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            last_request: 0,
            looked: Duration::ZERO,
        }
    }

    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    pub fn known(&self, account: &AccountId) -> Option<&AccountState> {
        self.accounts
            .iter()
            .find(|known| known.account.id == *account)
    }

    pub fn known_mut(&mut self, account: &AccountId) -> Option<&mut AccountState> {
        self.accounts
            .iter_mut()
            .find(|known| known.account.id == *account)
    }

    /// Whether any account of the profile moves real money.
    pub fn is_live(&self) -> bool {
        self.accounts
            .iter()
            .any(|known| known.account.environment.is_live())
    }

    pub fn payment_mut(&mut self, account: &AccountId, id: &PaymentId) -> Option<&mut Watched> {
        self.payments
            .iter_mut()
            .find(|watched| watched.watch.account == *account && watched.watch.id == *id)
    }

    /// Sends a question on its way.
    pub fn ask(
        &mut self,
        account: AccountId,
        op: Op,
        purpose: Purpose,
        background: bool,
        out: &mut Vec<Effect>,
    ) -> RequestId {
        let request = self.began(InFlight {
            account: account.clone(),
            purpose,
            writes: op.writes(),
        });
        out.push(Effect::Ask {
            request,
            account,
            op,
            background,
        });
        request
    }

    /// A number for a question that is put to the ledger, not to an account.
    pub fn number(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    fn began(&mut self, asked: InFlight) -> RequestId {
        let request = self.number();
        self.in_flight.insert(request, asked);
        request
    }

    /// Sends a change of the accounts on its way.
    pub fn manage(
        &mut self,
        account: AccountId,
        change: Change,
        out: &mut Vec<Effect>,
    ) -> RequestId {
        let request = self.began(InFlight {
            account,
            purpose: Purpose::Manage,
            writes: false,
        });
        out.push(Effect::Manage { request, change });
        request
    }

    /// A new account at the end, or what is known anew of one that is there.
    pub fn adopt(&mut self, account: Account, status: CredentialStatus) {
        let at = self.accounts.iter().position(|k| *k.id() == account.id);
        let known = AccountState {
            status,
            ..AccountState::new(account)
        };
        match at {
            Some(at) => {
                let old = &mut self.accounts[at];
                old.account = known.account;
                old.status = known.status;
                old.token = None;
            }
            None => self.accounts.push(known),
        }
    }

    /// Forgets an account, and calls off what it is asked.
    pub fn forget(&mut self, account: &AccountId, out: &mut Vec<Effect>) {
        let asked: Vec<RequestId> = self
            .in_flight
            .iter()
            .filter(|(_, asked)| asked.account == *account)
            .map(|(request, _)| *request)
            .collect();
        for request in asked {
            self.cancel(request, out);
        }
        self.payments
            .retain(|watched| watched.watch.account != *account);
        self.accounts.retain(|known| known.id() != account);
    }

    /// Sends a call of the explorer on its way.
    pub fn explore(
        &mut self,
        account: AccountId,
        call: RawCall,
        writes: bool,
        out: &mut Vec<Effect>,
    ) -> RequestId {
        let request = self.began(InFlight {
            account: account.clone(),
            purpose: Purpose::Explore,
            writes,
        });
        out.push(Effect::Explore {
            request,
            account,
            call,
        });
        request
    }

    /// Asks for an account's access token: a new one, or a good one for the clipboard. One such question at a
    /// time.
    pub fn request_token(&mut self, account: &AccountId, purpose: &Purpose, out: &mut Vec<Effect>) {
        if self.token_request(account).is_some() {
            return;
        }
        let request = self.began(InFlight {
            account: account.clone(),
            purpose: purpose.clone(),
            writes: false,
        });
        let account = account.clone();
        out.push(if *purpose == Purpose::CopyToken {
            Effect::TokenToCopy { request, account }
        } else {
            Effect::RefreshToken { request, account }
        });
    }

    /// The operator's question for this account's token that is under way.
    pub fn token_request(&self, account: &AccountId) -> Option<RequestId> {
        self.in_flight.iter().find_map(|(request, asked)| {
            let token = matches!(asked.purpose, Purpose::RefreshToken | Purpose::CopyToken);
            (token && asked.account == *account).then_some(*request)
        })
    }

    /// The accounts that have players.
    pub fn games(&self) -> impl Iterator<Item = &AccountState> {
        self.accounts
            .iter()
            .filter(|known| known.account.can(Ability::Players))
    }

    /// What a request of the console was made for.
    pub fn in_flight_for(&self, request: RequestId) -> Option<&InFlight> {
        self.in_flight.get(&request)
    }

    /// The accounts whose calls need an access token.
    pub fn token_users(&self) -> impl DoubleEndedIterator<Item = &AccountState> {
        self.accounts
            .iter()
            .filter(|known| known.account.uses_access_tokens)
    }

    pub fn verify(&mut self, account: &AccountId, out: &mut Vec<Effect>) {
        let idle = self
            .known(account)
            .is_some_and(|known| known.verifying.is_none());
        if idle {
            let request = self.ask(account.clone(), Op::Verify, Purpose::Verify, false, out);
            if let Some(known) = self.known_mut(account) {
                known.verifying = Some(request);
            }
        }
    }

    /// Asks for a payment, unless that is under way.
    pub fn check(&mut self, at: usize, background: bool, out: &mut Vec<Effect>) {
        let Some(watched) = self.payments.get(at).filter(|w| w.asking.is_none()) else {
            return;
        };
        let watch = watched.watch.clone();
        let op = Op::CheckPayment(watch.id.clone());
        let request = self.ask(watch.account, op, Purpose::Check(watch.id), background, out);
        self.payments[at].set_request(request);
    }

    /// Checks every payment whose time has come, a few at a time: a long list must not stand before what the operator
    /// asks for.
    pub fn poll(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !self.is_ready() {
            return;
        }
        let mut free = self.free_polls();
        let places = 0..self.payments.len();
        let due = places.filter_map(|at| Some((self.payments[at].due()?, at)));
        let mut due: Vec<(Duration, usize)> = due.filter(|(due, _)| *due <= now.mono).collect();
        // Who has waited longest goes first, so that the end of a long list has its turn.
        due.sort_unstable();
        for (_, at) in due {
            let account = &self.payments[at].watch.account;
            if let Some(free) = free.get_mut(account).filter(|free| **free > 0) {
                *free -= 1;
                self.check(at, true, out);
            }
        }
    }

    /// When the next payment is to be checked by itself; `None` while as many are checked as may be at once.
    pub fn poll_due(&self) -> Option<Duration> {
        let free = self.free_polls();
        let may = |w: &&Watched| free.get(&w.watch.account).is_some_and(|free| *free > 0);
        let waiting = self.payments.iter().filter(may);
        waiting.filter_map(Watched::due).min()
    }

    /// How many more payments of each account may be checked at once; an account that hangs stops no other.
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

    /// When the budgets are to be looked at again; `None` while nothing of them is used.
    pub fn budgets_due(&self, now: Now) -> Option<Duration> {
        let heard = self.accounts.iter().filter_map(|known| known.in_use(now));
        let since = heard.min().filter(|_| self.is_ready())?;
        Some(since.max(self.looked) + BUDGETS_EVERY)
    }

    /// Looks at the budgets where that is due. Nobody tells of slots that fall free, nor of what other processes
    /// spend.
    pub fn look_at_budgets(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.budgets_due(now).is_some_and(|due| due <= now.mono) {
            self.looked = now.mono;
            out.push(Effect::LookAtBudgets);
        }
    }

    /// Takes a request off the list; `None` where it was cancelled or never made.
    pub fn answered(&mut self, request: RequestId) -> Option<InFlight> {
        self.waiting.remove(&request);
        self.in_flight.remove(&request)
    }

    pub fn cancel(&mut self, request: RequestId, out: &mut Vec<Effect>) {
        self.waiting.remove(&request);
        if self.in_flight.remove(&request).is_some() {
            out.push(Effect::Cancel(request));
        }
    }

    pub fn waits(&mut self, request: RequestId, waiting: Option<Waiting>) {
        match waiting {
            Some(waiting) => self.waiting.insert(request, waiting),
            None => self.waiting.remove(&request),
        };
    }

    pub fn in_flight(&self) -> impl DoubleEndedIterator<Item = &InFlight> {
        self.in_flight.values()
    }

    pub fn waiting_for(&self, request: Option<RequestId>) -> Option<&str> {
        Some(self.waiting.get(&request?)?.why.as_str())
    }

    /// What an answer to a signed call says of the credentials.
    pub fn judge(&mut self, account: &AccountId, outcome: Result<(), &Problem>, now: Now) {
        if let Some(known) = self.known_mut(account) {
            known.stands(CredentialStatus::after(outcome, now.wall));
        }
    }

    pub fn notice(&mut self, notice: Notice, now: Now) {
        self.dismiss(&notice.about);
        if self.notices.len() == NOTICES_MAX {
            let oldest = self.notices.remove(0);
            self.raised.remove(&oldest.about);
        }
        self.raised.insert(notice.about.clone(), now.wall);
        self.notices.push(notice);
    }

    pub fn dismiss(&mut self, about: &str) {
        self.notices.retain(|old| old.about != about);
        self.raised.remove(about);
    }

    /// When a notice was raised.
    pub fn raised(&self, about: &str) -> Option<WallTime> {
        self.raised.get(about).copied()
    }

    /// When a matter was marked as handled, if that was since it began.
    pub fn handled_at(&self, matter: &str, began: Option<WallTime>) -> Option<WallTime> {
        let handled = self.handled.get(matter).copied();
        handled.filter(|at| began.is_none_or(|began| *at >= began))
    }

    /// Marks a matter as handled, or takes the mark away.
    pub fn mark_handled(&mut self, matter: String, handled: bool, now: Now, out: &mut Vec<Effect>) {
        if handled {
            self.handled.insert(matter.clone(), now.wall);
        } else {
            self.handled.remove(&matter);
        }
        out.push(Effect::MarkHandled { matter, handled });
    }

    pub fn flash(&mut self, level: Level, text: impl Into<String>) {
        self.flash = Some(Flash {
            level,
            text: text.into(),
        });
    }
}

impl AccountState {
    /// Takes over what is known of its credentials.
    pub fn stands(&mut self, status: CredentialStatus) {
        let same = self.status.word() == status.word();
        if status.why().is_none() {
            self.failing_since = None;
        } else if !same || self.failing_since.is_none() {
            self.failing_since = status.at();
        }
        self.status = status;
    }

    fn new(account: Account) -> Self {
        Self {
            account,
            status: CredentialStatus::Untested,
            failing_since: None,
            verifying: None,
            token: None,
            budgets: Vec::new(),
            armed_until: None,
        }
    }

    pub fn id(&self) -> &AccountId {
        &self.account.id
    }

    pub fn on_budget(&mut self, gauge: BudgetGauge, now: Now) {
        self.budgets.retain(|(old, _)| old.counts != gauge.counts);
        self.budgets.push((gauge, now.mono));
        self.budgets.sort_by_key(|(gauge, _)| gauge.counts);
    }

    /// Whether its provider has answered 429, as was heard last.
    pub fn is_held(&self) -> bool {
        self.budgets.iter().any(|(gauge, _)| gauge.held.is_some())
    }

    /// The budgets as they must stand now: after a whole period without news, nothing of one is used.
    pub fn budgets(&self, now: Now) -> impl Iterator<Item = BudgetGauge> + '_ {
        self.budgets.iter().map(move |(gauge, heard)| {
            let age = now.mono.saturating_sub(*heard);
            let left = |left: Duration| left.checked_sub(age).filter(|left| !left.is_zero());
            BudgetGauge {
                used: if age >= gauge.period && gauge.waiting == 0 {
                    0
                } else {
                    gauge.used
                },
                next_free: gauge.next_free.and_then(left),
                held: gauge.held.and_then(left),
                ..gauge.clone()
            }
        })
    }

    /// Since when nothing was heard of a budget that is in use.
    fn in_use(&self, now: Now) -> Option<Duration> {
        let all = self.budgets.iter().zip(self.budgets(now));
        let used = all.filter(|(_, g)| g.used > 0 || g.waiting > 0 || g.held.is_some());
        used.map(|((_, heard), _)| *heard).min()
    }

    /// Until a gauge on screen must change by itself.
    pub fn budget_changes_in(&self, now: Now) -> Option<Duration> {
        let changes = self.budgets.iter().filter_map(|(gauge, heard)| {
            let age = now.mono.saturating_sub(*heard);
            (gauge.used > 0)
                .then(|| gauge.period.saturating_sub(age))
                .filter(|left| !left.is_zero())
        });
        changes.min()
    }

    /// How long it stays armed; `None` where it is not.
    pub fn armed(&self, now: Now) -> Option<Duration> {
        self.armed_until?
            .checked_sub(now.mono)
            .filter(|left| !left.is_zero())
    }

    pub fn arm(&mut self, now: Now) {
        self.armed_until = Some(now.mono + ARMED_FOR);
    }

    pub fn disarm(&mut self) {
        self.armed_until = None;
    }

    /// Whether it may be asked for something that writes.
    pub fn may_write(&self, now: Now) -> bool {
        !self.account.environment.is_live() || self.armed(now).is_some()
    }
}
