//! An account and its last known state: its credentials, its token, its rate limits, and whether it is armed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{
    Account, AccountId, BudgetGauge, Counts, CredentialState, CredentialStatus, Now, TokenLifetime,
    TokenStatus, WallTime, filled,
};

pub const ARMED_FOR: Duration = Duration::from_mins(10);

#[derive(Debug, Clone, PartialEq)]
pub struct AccountState {
    pub account: Account,
    pub status: CredentialStatus,
    /// When verifying began to fail in the same way.
    pub failing_since: Option<WallTime>,
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

impl AccountState {
    pub fn stands(&mut self, status: CredentialStatus) {
        let same = self.status.state == status.state;
        if status.why.is_none() {
            self.failing_since = None;
        } else if !same || self.failing_since.is_none() {
            self.failing_since = status.at;
        }
        self.status = status;
    }

    pub fn on_token(&mut self, status: TokenStatus) {
        // A rejected token request is the provider's latest word on the credentials.
        if let Some(failure) = &status.failure
            && failure.refused
            && self.status.at < Some(failure.at)
        {
            self.stands(CredentialStatus {
                state: CredentialState::Refused,
                at: Some(failure.at),
                why: Some(failure.why.clone()),
            });
        }
        // A new token is given for valid credentials alone, whatever was the matter before.
        let issued = status.life.as_ref().map(TokenLifetime::requested_at);
        if status.failure.is_none() && self.status.why.is_some() && self.status.at < issued {
            self.stands(CredentialStatus {
                state: CredentialState::Valid,
                at: issued,
                why: None,
            });
        }
        self.token = Some(status);
    }

    pub(super) fn new(account: Account) -> Self {
        Self {
            account,
            status: CredentialStatus::default(),
            failing_since: None,
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
    pub(super) fn in_use(&self, now: Now) -> Option<Duration> {
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

    pub fn nearly_used(&self) -> impl Iterator<Item = (&BudgetGauge, WallTime)> {
        self.budgets.iter().filter_map(|(gauge, _)| {
            let since = self.nearly_used.get(&gauge.counts)?;
            Some((gauge, *since))
        })
    }

    /// Notes what needs attention since now; returns whether that changed.
    pub(super) fn review(&mut self, now: Now) -> bool {
        let nearly = self.budgets(now).filter(BudgetGauge::is_nearly_used);
        let nearly = nearly.map(|gauge| {
            let since = self.nearly_used.get(&gauge.counts);
            (gauge.counts, since.copied().unwrap_or(now.wall))
        });
        let nearly_used = filled(nearly);
        let failed = self.token.as_ref().and_then(|token| token.failed(now));
        let failing = failed.map(|_| self.token_failing_since.unwrap_or(now.wall));
        let before = (&self.nearly_used, self.token_failing_since);
        let changed = before != (&nearly_used, failing);
        self.nearly_used = nearly_used;
        self.token_failing_since = failing;
        changed
    }

    /// The time until [`AccountState::review`] would find a change by itself.
    pub(super) fn changes_in(&self, now: Now) -> Option<Duration> {
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
