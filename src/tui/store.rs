//! The last known state of accounts, payments, requests and callbacks, and the notices. Knows nothing about the screen.

mod account;
mod polls;
mod requests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::domain::manage::ProviderSetup;
use crate::domain::simulate::{Fault, Part};
use crate::domain::{
    Ability, Account, AccountId, CallbackVerdict, CredentialStatus, Delivery, DeliveryId,
    DocumentedCall, Exchange, Handled, JobState, ListenerStatus, Now, PaymentId, PlayerId, Problem,
    ProviderId, RawCall, RequestId, Secret, Subject, Waiting, WallTime, catalogue, filled,
    is_about_hook, notice_alert,
};

use super::Effect;
use super::due::{Awaited, Deadlines, Due};
use super::jobs::{self, Tally};
use super::msg::{FailedHook, Level, Notice, WatchKey};
use super::rows::Rows;
use super::setup::{ProfileEntry, Recording, Setup};
use super::traffic::Traffic;
use super::watched::Watched;
use super::widgets::text::contains;
use polls::Pace;

pub use account::AccountState;
pub use requests::{InFlight, Purpose};

/// The most notices; a new one replaces the oldest of the lowest level.
const NOTICES_MAX: usize = 20;

/// Callbacks with a failed job in memory; a new one replaces the oldest.
const FAILED_MAX: usize = 1_000;

/// Tokens of players in memory; a new one replaces the first.
const PLAYER_TOKENS_MAX: usize = 500;

/// The least time for which a short notice is shown, and how many more bytes are read in a second.
const FLASHED: Duration = Duration::from_secs(5);
const READ_PER_SECOND: u64 = 20;

/// The subject of notices about the callback listener.
pub const LISTENER: &str = "listener";

/// Each provider's documented calls.
pub type Catalogues = Vec<(ProviderId, &'static [DocumentedCall])>;

/// The progress of the start.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    Opening,
    Ready,
    Failed(Problem),
}

/// A short notice about a key's result; the next key dismisses it. What is no warning goes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    pub level: Level,
    pub text: String,
    /// When it goes; set after the update that shows it.
    pub until: Option<Duration>,
}

/// The state of accounts, payments and requests, without the panes' own state.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    pub profile: String,
    /// Every profile that can be opened.
    pub profiles: Vec<ProfileEntry>,
    pub recording: Option<Recording>,
    /// The providers to add accounts for.
    pub setups: Vec<ProviderSetup>,
    pub catalogues: Catalogues,
    /// The callbacks of each provider that must be answered in time.
    pub deadlines: Deadlines,
    /// Whether machines of a team share the ledger.
    pub is_shared: bool,
    pub may_manage: bool,
    pub phase: Phase,
    /// Whether the ledger has not been read yet, because it cannot be.
    pub is_unread: bool,
    pub zone: TimeZone,
    pub accounts: Vec<AccountState>,
    /// Newest first.
    pub payments: Vec<Watched>,
    pub selected_payment: Option<WatchKey>,
    pub exchanges: Rows<Exchange>,
    pub deliveries: Rows<Delivery>,
    pub due: Vec<Due>,
    pub open_jobs: Tally,
    /// The latest token that a callback brought, of each player.
    player_tokens: BTreeMap<(AccountId, PlayerId), Secret>,
    pub simulator: Option<String>,
    pub fault: Fault,
    pub listening: ListenerStatus,
    /// The simulator's settings and events of each provider.
    pub parts: Vec<Part>,
    /// Requests of this process in the last minute.
    pub traffic: Traffic,
    pub notices: Vec<Notice>,
    /// The hooks that failed, also those whose notice was dismissed; the oldest first.
    pub failed_hooks: Vec<FailedHook>,
    /// The callbacks with a job that failed for good.
    pub failed_callbacks: BTreeMap<DeliveryId, Delivery>,
    awaited: Awaited,
    /// When each notice first appeared.
    raised: BTreeMap<String, WallTime>,
    /// The alerts that an operator marked as handled, by their stable names.
    handled: BTreeMap<String, Handled>,
    pub flash: Option<Flash>,
    /// Every waiting request of this process, of the console and others (a token renewal).
    pub waiting: BTreeMap<RequestId, Waiting>,
    /// Every request of this process that has had no response for a second.
    pub running: BTreeMap<RequestId, Arc<Exchange>>,
    in_flight: BTreeMap<RequestId, InFlight>,
    last_request: u64,
    /// When the console last read the rate limits.
    looked: Duration,
    pace: Pace,
    /// See [`super::msg::Ready::seed`].
    pub seed: u64,
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
            listening: ListenerStatus::Off,
            parts: Vec::new(),
            traffic: Traffic::default(),
            notices: Vec::new(),
            failed_hooks: Vec::new(),
            failed_callbacks: BTreeMap::new(),
            awaited: Awaited::default(),
            raised: BTreeMap::new(),
            handled: BTreeMap::new(),
            flash: None,
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            last_request: 0,
            looked: Duration::ZERO,
            pace: Pace::default(),
            seed: 0,
        }
    }

    /// Continues `before` while its profile is opened anew with the accounts of this store. Of the accounts in `unchanged`, what
    /// is known stays.
    pub fn continuing(mut self, before: &Self, unchanged: &[AccountId]) -> Self {
        for known in &mut self.accounts {
            let old = before.known(known.id());
            if let Some(old) = old.filter(|old| unchanged.contains(old.id())) {
                let account = known.account.clone();
                known.clone_from(old);
                known.account = account;
            }
        }
        let is_unchanged = |account: &AccountId| unchanged.contains(account);
        let tokens = before.player_tokens.iter();
        let tokens = tokens.filter(|((account, _), _)| is_unchanged(account));
        self.player_tokens = filled(tokens.map(|(of, token)| (of.clone(), token.clone())));
        // The ledger has no other copy of them.
        let payments = before.unsaved_payments();
        let payments = payments.filter(|it| self.known(&it.watch.account).is_some());
        self.payments = payments.cloned().collect();
        let changed = self.payments.iter_mut();
        let changed = changed.filter(|it| !is_unchanged(&it.watch.account));
        changed.for_each(Watched::forget);
        self.zone = before.zone.clone();
        self.selected_payment.clone_from(&before.selected_payment);
        self.traffic.clone_from(&before.traffic);
        self.notices.clone_from(&before.notices);
        self.failed_hooks.clone_from(&before.failed_hooks);
        self.raised.clone_from(&before.raised);
        let changed = before.payments.iter();
        for watched in changed.filter(|it| !is_unchanged(&it.watch.account)) {
            self.dismiss(&watched.about());
        }
        // The next receiver says how it is.
        self.dismiss(LISTENER);
        self.handled.clone_from(&before.handled);
        self.last_request = before.last_request;
        self.pace = before.pace;
        self
    }

    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    pub fn catalogue(&self, provider: ProviderId) -> &'static [DocumentedCall] {
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

    /// The payments that the ledger could not save.
    pub fn unsaved_payments(&self) -> impl Iterator<Item = &Watched> {
        self.payments.iter().filter(|it| it.unsaved.is_some())
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

    pub fn player_token(&self, account: &AccountId, player: PlayerId) -> Option<Secret> {
        self.player_tokens.get(&(account.clone(), player)).cloned()
    }

    pub fn set_player_token(&mut self, account: &AccountId, player: PlayerId, token: Secret) {
        let of = (account.clone(), player);
        self.player_tokens.remove(&of);
        if self.player_tokens.len() == PLAYER_TOKENS_MAX {
            self.player_tokens.pop_first();
        }
        self.player_tokens.insert(of, token);
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

    /// Whether a row names its account: there are several, or a loaded row is of one that the profile has no longer.
    pub fn names_accounts(&self) -> bool {
        let [only] = self.accounts.as_slice() else {
            return true;
        };
        let only = only.id().as_str();
        self.exchanges
            .iter()
            .any(|row| row.account.as_str() != only)
            || self
                .deliveries
                .iter()
                .any(|row| row.account != only && row.verdict != CallbackVerdict::UnknownAccount)
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

    /// Adds an account at the end, or updates the existing one.
    pub fn adopt(&mut self, account: Account, status: CredentialStatus) {
        if let Some(old) = self.known_mut(&account.id) {
            old.account = account;
            old.status = status;
            old.token = None;
        } else {
            let mut new = AccountState::new(account);
            new.status = status;
            self.accounts.push(new);
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
        let its = |watched: &mut Watched| watched.watch.account == *account;
        let removed: Vec<Watched> = self.payments.extract_if(.., its).collect();
        for watched in removed {
            self.dismiss(&watched.about());
        }
        self.player_tokens.retain(|(of, _), _| of != account);
        self.accounts.retain(|known| known.id() != account);
    }

    pub fn games(&self) -> impl Iterator<Item = &AccountState> {
        let all = self.accounts.iter();
        all.filter(|known| known.account.can(Ability::Players))
    }

    pub fn token_users(&self) -> impl DoubleEndedIterator<Item = &AccountState> {
        let all = self.accounts.iter();
        all.filter(|known| known.account.uses_access_tokens)
    }

    /// Notes which accounts need attention since now; returns whether that changed.
    pub fn review(&mut self, now: Now) -> bool {
        let mut changed = false;
        for known in &mut self.accounts {
            changed |= known.review(now);
        }
        let due = self.awaited.due(now);
        changed |= self.due != due;
        self.due = due;
        changed
    }

    /// The time until something needs attention, or no longer does, without a message, or a short notice goes.
    pub fn changes_in(&self, now: Now) -> Option<Duration> {
        let accounts = self.accounts.iter();
        let accounts = accounts.filter_map(|known| known.changes_in(now));
        let due = self.due.iter().map(|due| due.until.since(now.wall));
        let flash = self.flash.as_ref().and_then(|flash| flash.until);
        let flash = flash.map(|until| until.saturating_sub(now.mono));
        accounts.chain(due).chain(flash).min()
    }

    /// Updates the credentials' status from the result of a signed request.
    pub fn judge(&mut self, account: &AccountId, outcome: Result<(), &Problem>, now: Now) {
        if let Some(known) = self.known_mut(account) {
            known.stands(CredentialStatus::after(outcome, now.wall));
        }
    }

    pub fn notice(&mut self, notice: Notice, now: Now) {
        self.notice_since(notice, now.wall);
    }

    pub fn notice_since(&mut self, notice: Notice, began: WallTime) {
        self.dismiss(&notice.about);
        if is_about_hook(&notice.about) {
            self.add_failed_hook(notice.clone(), began);
        }
        self.raised.insert(notice.about.clone(), began);
        self.notices.push(notice);
        if self.notices.len() > NOTICES_MAX {
            let lowest = (0..self.notices.len()).min_by_key(|at| self.notices[*at].level);
            let oldest = self.notices.remove(lowest.unwrap_or(0));
            self.raised.remove(&oldest.about);
        }
    }

    /// Removes the notice and the alert of this name.
    pub fn resolved(&mut self, about: &str) {
        self.dismiss(about);
        self.failed_hooks
            .retain(|(notice, _)| notice.about != about);
    }

    pub fn add_failed_hook(&mut self, notice: Notice, began: WallTime) {
        let all = &mut self.failed_hooks;
        all.retain(|(old, _)| old.about != notice.about);
        if all.len() == NOTICES_MAX {
            all.remove(0);
        }
        all.push((notice, began));
    }

    /// Counts a callback's open jobs. One that failed for good is an alert until it is done.
    pub fn on_jobs(&mut self, delivery: &Delivery) {
        self.open_jobs.apply(delivery);
        if jobs::failed(delivery).is_some() {
            self.failed_callbacks.insert(delivery.id, delivery.clone());
        } else if delivery
            .jobs
            .iter()
            .all(|job| job.state == JobState::Done || job.is_dropped())
            && self.failed_callbacks.remove(&delivery.id).is_some()
        {
            self.dismiss(&jobs::about_failed(&delivery.account));
        }
        // Ids grow with time, so the first one is the oldest.
        if self.failed_callbacks.len() > FAILED_MAX {
            self.failed_callbacks.pop_first();
        }
    }

    /// Notes a callback that must be answered in time, or that shows that one was.
    pub fn on_awaited(&mut self, delivery: &Arc<Delivery>) {
        let (loaded, deadlines) = (&self.deliveries, &self.deadlines);
        self.awaited.note(delivery, loaded, deadlines);
    }

    /// The notice to show: of the highest level the newest.
    pub fn first_notice(&self) -> Option<&Notice> {
        self.notices.iter().max_by_key(|notice| notice.level)
    }

    pub fn dismiss(&mut self, about: &str) {
        self.notices.retain(|old| old.about != about);
        self.raised.remove(about);
    }

    /// Dismisses the notice that repeats an alert.
    pub fn dismiss_alert(&mut self, alert: &str) {
        // The alert of a payment also names the verdict.
        let payment = alert.rsplit_once(' ').map_or("", |(about, _)| about);
        let is_repeated = |about: &&String| {
            notice_alert(about) == alert || [alert, payment].contains(&about.as_str())
        };
        let mut all = self.notices.iter().map(|notice| &notice.about);
        if let Some(about) = all.find(is_repeated).cloned() {
            self.dismiss(&about);
        }
    }

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
        self.handled = filled(by_name);
    }

    pub fn flash(&mut self, level: Level, text: impl Into<String>) {
        self.flash = Some(Flash {
            level,
            text: text.into(),
            until: None,
        });
    }

    /// Removes the short notice once there was time to read it; returns whether it did.
    pub fn end_flash(&mut self, now: Now) -> bool {
        let Some(flash) = self.flash.as_mut().filter(|it| it.level == Level::Info) else {
            return false;
        };
        let length = u64::try_from(flash.text.len()).unwrap_or(u64::MAX);
        let read_in = FLASHED + Duration::from_secs(length / READ_PER_SECOND);
        let until = *flash.until.get_or_insert(now.mono + read_in);
        let is_over = until <= now.mono;
        if is_over {
            self.flash = None;
        }
        is_over
    }
}

/// Whether an exchange is about a payment, or has its id in the path.
pub fn is_about(exchange: &Exchange, payment: &str) -> bool {
    // A shorter id would match by accident.
    let named = payment.len() >= 4 && contains(exchange.path(), payment);
    exchange.about == payment || named
}
