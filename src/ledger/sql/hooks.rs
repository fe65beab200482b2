//! Which hooks have run, so that each runs once for all programs that share the ledger.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::payments::PaymentKey;
use super::value::{Row, params};
use super::{SqlResult, readable};
use crate::domain::job::DAY;
use crate::domain::{AccountId, HOOK_LIMIT, HookEvent, PaymentId, Reported, WallTime};
use crate::ledger::Ledger;
use crate::ledger::error::LedgerError;

/// Why a run failed that nothing else has been saved of.
const INTERRUPTED: &str = "tilldeck ended while it ran";

/// How long a run that failed is listed.
const LISTED: Duration = DAY.saturating_mul(7);

/// A hook's run for one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRun {
    /// The payment.
    pub of: PaymentKey,
    /// What happened to it.
    pub event: HookEvent,
}

/// A run that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedHook {
    /// The run.
    pub run: HookRun,
    /// When it began.
    pub at: WallTime,
    /// Why it failed, redacted and inert.
    pub why: String,
}

/// The payment that the first two columns name.
fn key_of(profile: &str, row: Row<'_>) -> SqlResult<PaymentKey> {
    Ok(PaymentKey {
        profile: profile.to_owned(),
        account: row.parsed(0, |name: String| AccountId::new(name))?,
        id: row.parsed(1, |id: String| PaymentId::new(id))?,
    })
}

impl Ledger {
    /// Since when a profile has hooks: each of `events` from `now` on, unless the ledger says otherwise.
    pub async fn hook_starts(
        &self,
        profile: &str,
        events: Vec<HookEvent>,
        now: WallTime,
    ) -> Result<Vec<(HookEvent, WallTime)>, LedgerError> {
        let profile = profile.to_owned();
        self.write_durably(move |sql| {
            let starts = || {
                sql.all(
                    "SELECT event, at FROM hook_runs WHERE profile = $1 AND account = '' AND payment = ''",
                    params![&profile],
                    |row| Ok((event(row, 0)?, row.get(1)?)),
                )
            };
            let known: Vec<(HookEvent, WallTime)> = starts()?;
            // Most openings end here, without a write lock.
            let is_known = |new| known.iter().any(|(event, at)| event == new && *at <= now);
            if events.iter().all(is_known) {
                return Ok(known);
            }
            for event in &events {
                sql.execute(
                    // Not before what is saved: a clock that is behind would make last week's orders new.
                    "INSERT INTO hook_runs (profile, account, payment, event, at) VALUES ($1, '', '', $2, max($3, max(
                         coalesce((SELECT max(at) + 1 FROM observations WHERE profile = $1), 0),
                         coalesce((SELECT max(at) + 1 FROM expectations WHERE profile = $1), 0))))
                     -- One from the future was saved while the clock was ahead. No payment is between the two.
                     ON CONFLICT (profile, account, payment, event) DO UPDATE SET at = excluded.at
                     WHERE excluded.at < hook_runs.at",
                    params![&profile, event, now],
                )?;
            }
            starts()
        })
        .await
    }

    /// The payments of a profile that may be one of these events and came to their state since then, by a check or an
    /// expected amount, without a run since; the last one first. Some run nothing, so none is left out however many they are.
    pub async fn payments_without_run(
        &self,
        profile: &str,
        events: Vec<HookEvent>,
        since: WallTime,
    ) -> Result<Vec<PaymentKey>, LedgerError> {
        let profile = profile.to_owned();
        self.read(move |sql| {
            let is_of = |failed: bool| events.iter().any(|it| (*it == HookEvent::Failed) == failed);
            // Of the paid ones, which are many, none is looked for in vain.
            let others = if events.contains(&HookEvent::Paid) {
                ""
            } else {
                "AND (o.state = $3 OR e.id IS NULL OR o.amount <> e.amount OR o.currency <> e.currency)"
            };
            let mut found: Vec<PaymentKey> = Vec::new();
            let mut known = HashSet::new();
            sql.query(
                &format!("SELECT o.account, o.payment, o.state, o.amount, o.currency, e.id
                 FROM (SELECT account, payment FROM observations WHERE profile = $1 AND at >= $2
                     UNION SELECT account, payment FROM expectations WHERE profile = $1 AND at >= $2) AS recent
                 JOIN observations o ON o.profile = $1 AND o.account = recent.account AND o.payment = recent.payment
                     AND o.id IN (
                     SELECT max(id) FROM observations
                     WHERE profile = $1 AND account = recent.account AND payment = recent.payment GROUP BY api)
                 LEFT JOIN expectations e ON e.id = (
                     SELECT max(id) FROM expectations
                     WHERE profile = $1 AND account = recent.account AND payment = recent.payment)
                 WHERE (o.state = $3 OR o.state = $4) AND NOT EXISTS (
                     SELECT 1 FROM hook_runs r
                     WHERE r.profile = $1 AND r.account = o.account AND r.payment = o.payment
                         AND r.at >= max(o.at, coalesce(e.at, o.at))) {others}
                 ORDER BY o.id DESC"),
                params![
                    &profile,
                    since,
                    is_of(true).then_some("FAILED"),
                    is_of(false).then_some("FINALIZED")
                ],
                &mut |row| {
                    let (state, amount, currency): (String, String, String) =
                        (row.get(2)?, row.get(3)?, row.get(4)?);
                    let is_read = Reported::amount(&amount).read().is_some()
                        && Reported::currency(&currency).read().is_some();
                    // Without an expected amount, only FINALIZED with a sum that cannot be read runs one.
                    let expectation: Option<i64> = row.get(5)?;
                    let runs = expectation.is_some() || state == "FAILED" || !is_read;
                    if runs && known.insert((row.get::<String>(0)?, row.get::<String>(1)?)) {
                        found.extend(readable(key_of(&profile, row))?);
                    }
                    Ok(())
                },
            )?;
            Ok(found)
        })
        .await
    }

    /// Saves a run before it begins; returns whether it is the first one. Only then may it begin. It counts as interrupted
    /// until [`Self::end_hook`] saves how it ended, so that a crash is reported, too.
    pub async fn claim_hook(&self, run: HookRun, at: WallTime) -> Result<bool, LedgerError> {
        self.write_durably(move |sql| {
            sql.execute(
                "INSERT INTO hook_runs (profile, account, payment, event, at, failure) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT DO NOTHING",
                params![&run.of.profile, &run.of.account, &run.of.id, &run.event, at, INTERRUPTED],
            )
        })
        .await
        .map(|rows| rows > 0)
    }

    /// Saves how a run ended: why it failed, or that it did not.
    pub async fn end_hook(&self, run: HookRun, failure: Option<String>) -> Result<(), LedgerError> {
        self.write(move |sql| {
            sql.execute(
                "UPDATE hook_runs SET failure = $1
                 WHERE profile = $2 AND account = $3 AND payment = $4 AND event = $5",
                params![
                    failure.as_ref(),
                    &run.of.profile,
                    &run.of.account,
                    &run.of.id,
                    &run.event
                ],
            )
        })
        .await
        .map(drop)
    }

    /// The runs of a profile within the week before `now` that failed and whose alert is not marked as handled since, the oldest
    /// first; of more than `most`, the latest.
    pub async fn failed_hooks(
        &self,
        profile: &str,
        now: WallTime,
        most: usize,
    ) -> Result<Vec<FailedHook>, LedgerError> {
        let profile = profile.to_owned();
        let since = now.minus(LISTED);
        // One that is not interrupted has ended by then, and has saved it.
        let running_since = now.minus(2 * HOOK_LIMIT);
        let failed = self.read(move |sql| {
            // A mark is later than what it is about.
            let handled: HashMap<String, WallTime> = sql
                .rows(
                    "SELECT alert, at FROM handled WHERE profile = $1 AND at >= $2",
                    params![&profile, since],
                )?
                .into_iter()
                .collect();
            // So many that `most` are left without those that are handled.
            let read = most.saturating_add(handled.len());
            let mut failed: Vec<FailedHook> = sql.all(
                "SELECT account, payment, event, at, failure FROM hook_runs
                 WHERE profile = $1 AND at >= $2 AND failure IS NOT NULL AND (at < $3 OR failure <> $4)
                 ORDER BY at DESC, payment DESC LIMIT $5",
                params![&profile, since, running_since, INTERRUPTED, read],
                |row| {
                    Ok(FailedHook {
                        run: HookRun {
                            of: key_of(&profile, row)?,
                            event: event(row, 2)?,
                        },
                        at: row.get(3)?,
                        why: row.get(4)?,
                    })
                },
            )?;
            failed.retain(|FailedHook { run, at, .. }| {
                let mark = handled.get(&run.event.failure_alert(&run.of.account, &run.of.id));
                mark.is_none_or(|mark| mark < at)
            });
            failed.truncate(most);
            failed.reverse();
            Ok(failed)
        });
        failed.await
    }
}

fn event(row: Row<'_>, column: usize) -> SqlResult<HookEvent> {
    row.parsed(column, |word: String| {
        HookEvent::from_word(&word).ok_or(word)
    })
}
