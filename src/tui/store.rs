//! The last known state of each account, its age, and the requests in progress. Knows nothing about the screen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::domain::manage::{Change, ProviderSetup};
use crate::domain::simulate::{Fault, Part};
use crate::domain::{
    Ability, Account, AccountId, BudgetGauge, Counts, CredentialStatus, Delivery, Documented,
    Exchange, ExchangeId, Handled, LinkRequest, Listening, Now, Op, PaymentId, PlayerId, Problem,
    ProviderId, RawCall, RequestId, Secret, Subject, TokenStatus, Waiting, WallTime, catalogue,
};

use super::Effect;
use super::due::{self, Deadlines, Due};
use super::jobs::Tally;
use super::msg::{Level, Notice, WatchKey};
use super::rows::Rows;
use super::setup::{ProfileEntry, Recording, Setup};
use super::traffic::Traffic;
use super::watched::Watched;
use super::widgets::text::contains;

/// How long a live account stays armed.
pub const ARMED_FOR: Duration = Duration::from_mins(10);
/// The maximum age of a rate limit's state while it is on screen and in use.
const BUDGETS_EVERY: Duration = Duration::from_secs(2);
/// The pace of automatic checks, and how many may run ahead of it: a long list must leave most of the rate limit to
/// the operator and to callbacks.
const POLL_EVERY: Duration = Duration::from_millis(200);
const POLL_BURST: u32 = 20;
/// The most background checks of one account at the same time.
const POLLS_MAX: usize = 8;
/// The most notices; a new one replaces the oldest.
const NOTICES_MAX: usize = 20;

/// Tokens of players in memory; a new one replaces the first.
const PLAYER_TOKENS_MAX: usize = 500;

/// The subject of notices about the callback listener.
pub const LISTENER: &str = "listener";

/// Each provider's documented calls.
pub type Catalogues = Vec<(ProviderId, &'static [Documented])>;

/// The progress of the start.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    Opening,
    Ready,
    Failed(Problem),
}

/// One account and its last known state.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountState {
    pub account: Account,
    pub status: CredentialStatus,
    /// When verifying began to fail in the same way.
    pub failing_since: Option<WallTime>,
    pub verifying: Option<RequestId>,
    /// The state of its access token, if its requests need one.
    pub token: Option<TokenStatus>,
    /// Each rate limit, and when its state arrived.
    budgets: Vec<(BudgetGauge, Duration)>,
    /// The rate limits that are nearly used, and since when.
    nearly_used: BTreeMap<Counts, WallTime>,
    /// Since when it has no valid token, because none could be fetched.
    pub token_failing_since: Option<WallTime>,
    armed_until: Option<Duration>,
}

/// The purpose of a request, which receives its response.
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
    Authenticate(PlayerId),
    /// Loads the inventory of a player.
    Items(PlayerId),
}

impl From<&Op> for Purpose {
    fn from(op: &Op) -> Self {
        match op {
            Op::Verify => Self::Verify,
            Op::CheckPayment(id) => Self::Check(id.clone()),
            Op::Estimate(_) => Self::Quote,
            Op::PaymentLink(link) => Self::Link(link.clone()),
            Op::AuthenticatePlayer(claim) => Self::Authenticate(claim.player),
            Op::PlayerItems(player) => Self::Items(*player),
        }
    }
}

/// One request in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    pub account: AccountId,
    pub purpose: Purpose,
    pub writes: bool,
}

/// A short notice about a key's result; the next key dismisses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    pub level: Level,
    pub text: String,
}

/// The state of accounts, payments and requests, without the panes' own state.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    /// The profile's name.
    pub profile: String,
    /// Every profile that can be opened.
    pub profiles: Vec<ProfileEntry>,
    pub recording: Option<Recording>,
    /// The providers to add accounts for.
    pub setups: Vec<ProviderSetup>,
    /// Each provider's documented calls.
    pub catalogues: Catalogues,
    /// The callbacks of each provider that must be answered in time.
    pub deadlines: Deadlines,
    /// Whether machines of a team share the ledger.
    pub is_shared: bool,
    /// Whether accounts can be added and removed.
    pub may_manage: bool,
    pub phase: Phase,
    /// Whether the ledger has not been read yet, because it cannot be.
    pub is_unread: bool,
    pub zone: TimeZone,
    pub accounts: Vec<AccountState>,
    /// Newest first.
    pub payments: Vec<Watched>,
    pub selected_payment: Option<WatchKey>,
    /// The loaded requests.
    pub exchanges: Rows<Exchange>,
    /// The loaded callbacks.
    pub deliveries: Rows<Delivery>,
    /// The callbacks that wait for an answer.
    pub due: Vec<Due>,
    /// The open jobs of all callbacks.
    pub open_jobs: Tally,
    /// The latest token that a callback brought, of each player.
    player_tokens: BTreeMap<(AccountId, PlayerId), Secret>,
    pub simulator: Option<String>,
    pub fault: Fault,
    /// The state of the callback listener.
    pub listening: Listening,
    /// The simulator's settings and events of each provider.
    pub parts: Vec<Part>,
    /// Requests of this process in the last minute.
    pub traffic: Traffic,
    pub notices: Vec<Notice>,
    /// When each notice first appeared.
    raised: BTreeMap<String, WallTime>,
    /// The alerts that an operator marked as handled, by their stable names.
    handled: BTreeMap<String, Handled>,
    pub flash: Option<Flash>,
    /// Every waiting request of this process, of the console and others (a token renewal).
    pub waiting: BTreeMap<RequestId, Waiting>,
    in_flight: BTreeMap<RequestId, InFlight>,
    last_request: u64,
    /// When the console last read the rate limits.
    looked: Duration,
    /// The automatic checks so far fill their pace until then.
    polled_until: Duration,
}

impl Store {
    pub fn new(setup: &Setup) -> Self {
        let accounts = setup.accounts.iter().cloned();
        Self {
            profile: setup.profile.clone(),
            profiles: setup.profiles.clone(),
            recording: setup.recording.clone(),
            setups: setup.setups.clone(),
            catalogues: setup.catalogues.clone(),
            deadlines: setup.deadlines.clone(),
            is_shared: setup.is_shared,
            may_manage: setup.may_manage,
            phase: Phase::Opening,
            is_unread: false,
            zone: TimeZone::UTC,
            accounts: accounts.map(AccountState::new).collect(),
            payments: Vec::new(),
            selected_payment: None,
            exchanges: Rows::default(),
            deliveries: Rows::default(),
            due: Vec::new(),
            open_jobs: Tally::default(),
            player_tokens: BTreeMap::new(),
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
            polled_until: Duration::ZERO,
        }
    }

    /// Continues `before` while its profile is opened anew with the accounts of this store. Of the accounts in `unchanged`, what
    /// is known stays.
    pub fn continuing(mut self, before: &Self, unchanged: &[AccountId]) -> Self {
        for known in &mut self.accounts {
            let old = before.known(known.id());
            if let Some(old) = old.filter(|old| unchanged.contains(old.id())) {
                *known = AccountState {
                    account: known.account.clone(),
                    ..old.clone()
                };
            }
        }
        let is_unchanged = |account: &AccountId| unchanged.contains(account);
        let tokens = before.player_tokens.iter();
        let tokens = tokens.filter(|((account, _), _)| is_unchanged(account));
        self.player_tokens = tokens
            .map(|(of, token)| (of.clone(), token.clone()))
            .collect();
        self.zone = before.zone.clone();
        self.selected_payment.clone_from(&before.selected_payment);
        self.traffic.clone_from(&before.traffic);
        self.notices.clone_from(&before.notices);
        self.raised.clone_from(&before.raised);
        self.handled.clone_from(&before.handled);
        self.last_request = before.last_request;
        self.polled_until = before.polled_until;
        self
    }

    /// Every request in progress.
    pub fn requests(&self) -> impl Iterator<Item = RequestId> {
        self.in_flight.keys().copied()
    }

    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// The documented calls of a provider.
    pub fn catalogue(&self, provider: ProviderId) -> &'static [Documented] {
        let mut all = self.catalogues.iter();
        all.find(|(id, _)| *id == provider)
            .map_or(&[], |(_, calls)| calls)
    }

    /// Whether calls of an account's provider take ids of rows.
    pub fn has_follow_ups(&self, account: &str) -> bool {
        let mut accounts = self.accounts.iter();
        let known = accounts.find(|known| known.id().as_str() == account);
        known.is_some_and(|known| {
            let mut calls = self.catalogue(known.account.provider).iter();
            calls.any(|call| !call.follow_ups.is_empty())
        })
    }

    /// What the provider's documents say a call is for; empty for an undocumented one.
    pub fn about(&self, account: &Account, call: &RawCall) -> &'static str {
        let calls = self.catalogue(account.provider);
        catalogue::find(calls, &call.method, &call.path).map_or("", |call| call.about)
    }

    /// Whether a call changes something at the provider.
    pub fn writes(&self, account: &Account, method: &str, path: &str) -> bool {
        catalogue::writes(self.catalogue(account.provider), method, path)
    }

    pub fn known(&self, account: &AccountId) -> Option<&AccountState> {
        self.accounts.iter().find(|known| known.id() == account)
    }

    pub fn known_mut(&mut self, account: &AccountId) -> Option<&mut AccountState> {
        let mut all = self.accounts.iter_mut();
        all.find(|known| known.id() == account)
    }

    /// Whether an account of the profile moves real money.
    pub fn is_live(&self) -> bool {
        self.accounts.iter().any(AccountState::is_live)
    }

    /// Whether the profile has an account of this name that moves real money.
    pub fn is_live_account(&self, account: &str) -> bool {
        let mut live = self.accounts.iter().filter(|known| known.is_live());
        live.any(|known| known.id().as_str() == account)
    }

    pub fn payment_mut(&mut self, account: &AccountId, id: &PaymentId) -> Option<&mut Watched> {
        self.payments
            .iter_mut()
            .find(|watched| watched.watch.account == *account && watched.watch.id == *id)
    }

    pub fn is_watched(&self, account: &AccountId, id: &PaymentId) -> bool {
        let mut all = self.payments.iter();
        all.any(|w| w.watch.account == *account && w.watch.id == *id)
    }

    /// The exchange with this id, if it is loaded.
    pub fn exchange(&self, id: ExchangeId) -> Option<&Arc<Exchange>> {
        self.exchanges.known(id)
    }

    /// The payment of an exchange: the one that the request names.
    pub fn payment_of(&self, exchange: &Exchange) -> Option<PaymentId> {
        let sent =
            |id: &str| contains(&exchange.url, id) || contains(&exchange.request_body.text, id);
        if let Ok(id) = PaymentId::new(exchange.about.as_str())
            && (sent(id.as_str()) || self.is_watched(&exchange.account, &id))
        {
            return Some(id);
        }
        // An explorer call has no subject: looks for the ids of known payments in it.
        let watched = self.payments.iter();
        let watched = watched.filter(|w| w.watch.account == exchange.account);
        let reported = self.deliveries.iter().filter_map(|delivery| {
            let of = delivery.account == exchange.account.as_str();
            match &delivery.subject {
                Some(Subject::Payment(id)) if of => Some(id),
                _ => None,
            }
        });
        watched
            .map(|watched| &watched.watch.id)
            .chain(reported)
            .find(|id| is_about(exchange, id.as_str()))
            .cloned()
    }

    /// The token of a player from a callback.
    pub fn player_token(&self, account: &AccountId, player: PlayerId) -> Option<Secret> {
        self.player_tokens.get(&(account.clone(), player)).cloned()
    }

    pub fn set_player_token(&mut self, account: &AccountId, player: PlayerId, token: Secret) {
        self.player_tokens.insert((account.clone(), player), token);
        if self.player_tokens.len() > PLAYER_TOKENS_MAX {
            self.player_tokens.pop_first();
        }
    }

    /// The accounts with an ability, and the index of the selected payment's account among them, or 0.
    pub fn accounts_with(&self, ability: Ability) -> (Vec<AccountId>, usize) {
        let able = self.accounts.iter();
        let able = able.filter(|known| known.account.can(ability));
        let accounts: Vec<AccountId> = able.map(|known| known.id().clone()).collect();
        let at = self.selected_payment.as_ref().and_then(|(account, _)| {
            let mut all = accounts.iter();
            all.position(|id| id == account)
        });
        (accounts, at.unwrap_or(0))
    }

    /// Whether the profile has this account, and the account has the ability.
    pub fn can(&self, account: &AccountId, ability: Ability) -> bool {
        let known = self.known(account);
        known.is_some_and(|known| known.account.can(ability))
    }

    pub fn any_can(&self, ability: Ability) -> bool {
        let mut all = self.accounts.iter();
        all.any(|known| known.account.can(ability))
    }

    /// Shows a notice that no account has the ability.
    pub fn none_can(&mut self, ability: Ability) {
        let text = format!(
            "{} need an account that has them; this profile has none",
            ability.noun()
        );
        self.flash(Level::Warning, text);
    }

    /// Sends a request and returns its number.
    pub fn ask(
        &mut self,
        account: AccountId,
        op: Op,
        background: bool,
        out: &mut Vec<Effect>,
    ) -> RequestId {
        let request = self.began(InFlight {
            account: account.clone(),
            purpose: Purpose::from(&op),
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

    /// A new number, for a request to the ledger.
    pub fn number(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    fn began(&mut self, asked: InFlight) -> RequestId {
        let request = self.number();
        self.in_flight.insert(request, asked);
        request
    }

    /// Sends a change of the accounts.
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
        out.push(Effect::Manage(request, change));
        request
    }

    /// Adds an account at the end, or updates the existing one.
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

    /// Removes an account and cancels its requests.
    pub fn forget(&mut self, account: &AccountId, out: &mut Vec<Effect>) {
        let requests: Vec<RequestId> = self
            .in_flight
            .iter()
            .filter(|(_, asked)| asked.account == *account)
            .map(|(request, _)| *request)
            .collect();
        for request in requests {
            self.cancel(request, out);
        }
        self.payments
            .retain(|watched| watched.watch.account != *account);
        self.player_tokens.retain(|(of, _), _| of != account);
        self.accounts.retain(|known| known.id() != account);
    }

    /// Sends a call of the explorer.
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

    /// Requests an account's access token: a new one, or a valid one for the clipboard. One such request at a time.
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
            Effect::TokenToCopy(request, account)
        } else {
            Effect::RefreshToken(request, account)
        });
    }

    /// The operator's request for this account's token, if it is in progress.
    pub fn token_request(&self, account: &AccountId) -> Option<RequestId> {
        self.in_flight.iter().find_map(|(request, asked)| {
            let token = matches!(asked.purpose, Purpose::RefreshToken | Purpose::CopyToken);
            (token && asked.account == *account).then_some(*request)
        })
    }

    /// The accounts that have players.
    pub fn games(&self) -> impl Iterator<Item = &AccountState> {
        let all = self.accounts.iter();
        all.filter(|known| known.account.can(Ability::Players))
    }

    pub fn in_flight_for(&self, request: RequestId) -> Option<&InFlight> {
        self.in_flight.get(&request)
    }

    /// The accounts whose calls need an access token.
    pub fn token_users(&self) -> impl DoubleEndedIterator<Item = &AccountState> {
        let all = self.accounts.iter();
        all.filter(|known| known.account.uses_access_tokens)
    }

    pub fn verify(&mut self, account: &AccountId, out: &mut Vec<Effect>) {
        let idle = self
            .known(account)
            .is_some_and(|known| known.verifying.is_none());
        if idle {
            let request = self.ask(account.clone(), Op::Verify, false, out);
            if let Some(known) = self.known_mut(account) {
                known.verifying = Some(request);
            }
        }
    }

    /// Checks a payment, unless a check is in progress.
    pub fn check(&mut self, at: usize, background: bool, out: &mut Vec<Effect>) {
        let Some(watched) = self.payments.get(at).filter(|w| w.asking.is_none()) else {
            return;
        };
        let watch = watched.watch.clone();
        let op = Op::CheckPayment(watch.id);
        let request = self.ask(watch.account, op, background, out);
        self.payments[at].set_request(request);
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
        // The longest overdue goes first, so that the end of a long list gets its turn.
        due.sort_unstable();
        for (due, at) in due {
            // What the operator asks for is not slowed down.
            if due > Duration::ZERO && self.poll_from() > now.mono {
                break;
            }
            let account = &self.payments[at].watch.account;
            if let Some(free) = free.get_mut(account).filter(|free| **free > 0) {
                *free -= 1;
                self.check(at, true, out);
                self.polled_until = self.polled_until.max(now.mono) + POLL_EVERY;
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

    /// When the pace allows the next automatic check.
    fn poll_from(&self) -> Duration {
        self.polled_until.saturating_sub(POLL_EVERY * POLL_BURST)
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

    /// Notes which accounts need attention since now; returns whether that changed.
    pub fn review(&mut self, now: Now) -> bool {
        let mut changed = false;
        for known in &mut self.accounts {
            changed |= known.review(now);
        }
        let due = due::all(&self.deliveries, &self.deadlines, now);
        changed |= self.due != due;
        self.due = due;
        changed
    }

    /// The time until something needs attention, or no longer does, without a message.
    pub fn changes_in(&self, now: Now) -> Option<Duration> {
        let accounts = self.accounts.iter();
        let accounts = accounts.filter_map(|known| known.changes_in(now));
        let due = self.due.iter().map(|due| due.until.since(now.wall));
        accounts.chain(due).min()
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

    /// Removes a request from the list; `None` if it was cancelled or never sent.
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

    /// Whether a request that changes something waits for its response.
    pub fn is_writing(&self) -> bool {
        self.in_flight().any(|asked| asked.writes)
    }

    pub fn in_flight(&self) -> impl DoubleEndedIterator<Item = &InFlight> {
        self.in_flight.values()
    }

    pub fn waiting_for(&self, request: Option<RequestId>) -> Option<&str> {
        Some(self.wait_of(request)?.why.as_str())
    }

    /// Whether the time until a waiting request goes on is known and not over.
    pub fn counts_down(&self, request: Option<RequestId>, now: Now) -> bool {
        let until = self.wait_of(request).and_then(|wait| wait.until);
        until.is_some_and(|until| until > now.mono)
    }

    /// The wait of a request, if it waits.
    pub fn wait_of(&self, request: Option<RequestId>) -> Option<&Waiting> {
        self.waiting.get(&request?)
    }

    /// Updates the credentials' status from the result of a signed request.
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

    /// When a notice first appeared.
    pub fn raised(&self, about: &str) -> Option<WallTime> {
        self.raised.get(about).copied()
    }

    /// Who marked an alert as handled and when, if that was after it began.
    pub fn handled(&self, alert: &str, began: Option<WallTime>) -> Option<&Handled> {
        let handled = self.handled.get(alert);
        handled.filter(|handled| began.is_none_or(|began| handled.at >= began))
    }

    pub fn set_handled(&mut self, handled: Vec<Handled>) {
        let by_name = handled.into_iter().map(|it| (it.alert.clone(), it));
        self.handled = by_name.collect();
    }

    pub fn flash(&mut self, level: Level, text: impl Into<String>) {
        self.flash = Some(Flash {
            level,
            text: text.into(),
        });
    }
}

impl AccountState {
    /// Sets the status of its credentials.
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
            nearly_used: BTreeMap::new(),
            token_failing_since: None,
            armed_until: None,
        }
    }

    pub fn id(&self) -> &AccountId {
        &self.account.id
    }

    pub fn is_live(&self) -> bool {
        self.account.environment.is_live()
    }

    pub fn on_budget(&mut self, gauge: BudgetGauge, now: Now) {
        self.budgets.retain(|(old, _)| old.counts != gauge.counts);
        self.budgets.push((gauge, now.mono));
        self.budgets.sort_by_key(|(gauge, _)| gauge.counts);
    }

    /// Whether the last gauge says that the provider answered 429 and a hold is on.
    pub fn is_held(&self) -> bool {
        self.budgets.iter().any(|(gauge, _)| gauge.held.is_some())
    }

    /// The rate limits now. After a whole period without an update, all slots of one are free.
    pub fn budgets(&self, now: Now) -> impl Iterator<Item = BudgetGauge> + '_ {
        self.budgets.iter().map(move |(gauge, updated)| {
            let age = now.mono.saturating_sub(*updated);
            let left = |left: Duration| left.checked_sub(age).filter(|left| !left.is_zero());
            let all_free = age >= gauge.period && gauge.waiting == 0;
            let (used, own) = if all_free {
                (0, 0)
            } else {
                (gauge.used, gauge.own)
            };
            BudgetGauge {
                used,
                own,
                next_free: gauge.next_free.and_then(left),
                held: gauge.held.and_then(left),
                ..gauge.clone()
            }
        })
    }

    /// The time of the last update of a rate limit in use.
    fn in_use(&self, now: Now) -> Option<Duration> {
        let all = self.budgets.iter().zip(self.budgets(now));
        let used = all.filter(|(_, g)| g.used > 0 || g.waiting > 0 || g.held.is_some());
        used.map(|((_, updated), _)| *updated).min()
    }

    /// The time until a gauge on screen changes by itself.
    pub fn budget_changes_in(&self, now: Now) -> Option<Duration> {
        let changes = self.budgets.iter().filter_map(|(gauge, updated)| {
            let age = now.mono.saturating_sub(*updated);
            (gauge.used > 0)
                .then(|| gauge.period.saturating_sub(age))
                .filter(|left| !left.is_zero())
        });
        changes.min()
    }

    /// The rate limits that are nearly used, and since when.
    pub fn nearly_used(&self) -> impl Iterator<Item = (&BudgetGauge, WallTime)> {
        self.budgets.iter().filter_map(|(gauge, _)| {
            let since = self.nearly_used.get(&gauge.counts)?;
            Some((gauge, *since))
        })
    }

    /// Notes what needs attention since now; returns whether that changed.
    fn review(&mut self, now: Now) -> bool {
        let nearly = self.budgets(now).filter(BudgetGauge::is_nearly_used);
        let nearly = nearly.map(|gauge| {
            let since = self.nearly_used.get(&gauge.counts);
            (gauge.counts, since.copied().unwrap_or(now.wall))
        });
        let nearly_used = nearly.collect();
        let failed = self.token.as_ref().and_then(|token| token.failed(now));
        let failing = failed.map(|_| self.token_failing_since.unwrap_or(now.wall));
        let before = (&self.nearly_used, self.token_failing_since);
        let changed = before != (&nearly_used, failing);
        self.nearly_used = nearly_used;
        self.token_failing_since = failing;
        changed
    }

    /// The time until [`AccountState::review`] would find a change by itself.
    fn changes_in(&self, now: Now) -> Option<Duration> {
        let frees = self.budget_changes_in(now);
        let frees = frees.filter(|_| !self.nearly_used.is_empty());
        let token = self.token.as_ref();
        let expires = token.filter(|token| token.failure.is_some());
        let expires = expires.and_then(|token| token.left(now));
        frees.into_iter().chain(expires).min()
    }

    /// How long it stays armed; `None` if it is not armed.
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

    /// Whether write requests are allowed: always, or while a live account is armed.
    pub fn may_write(&self, now: Now) -> bool {
        !self.is_live() || self.armed(now).is_some()
    }
}

/// Whether an exchange is about a payment, or has its id in the path.
pub fn is_about(exchange: &Exchange, payment: &str) -> bool {
    // A shorter id would match by accident.
    let named = payment.len() >= 4 && contains(exchange.path(), payment);
    exchange.about == payment || named
}
