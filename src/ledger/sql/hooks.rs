//! Which hooks have run, so that each runs once for all programs that share the ledger.

use std::collections::HashMap;

use super::value::params;
use crate::domain::{AccountId, HookEvent, PaymentId, WallTime};
use crate::ledger::Ledger;
use crate::ledger::error::LedgerError;

/// A hook's run for one payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRun {
    /// The profile of the payment's account.
    pub profile: String,
    /// The payment's account.
    pub account: AccountId,
    /// The payment.
    pub payment: PaymentId,
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

impl Ledger {
    /// Saves a run before it begins; returns whether it is the first one. Only then may it begin.
    pub async fn claim_hook(&self, run: HookRun, at: WallTime) -> Result<bool, LedgerError> {
        self.write_durably(move |sql| {
            sql.execute(
                "INSERT INTO hook_runs (profile, account, payment, event, at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT DO NOTHING",
                params![&run.profile, &run.account, &run.payment, &run.event, at],
            )
        })
        .await
        .map(|rows| rows > 0)
    }

    /// Saves that a run failed, and why.
    pub async fn fail_hook(&self, run: HookRun, why: String) -> Result<(), LedgerError> {
        self.write(move |sql| {
            sql.execute(
                "UPDATE hook_runs SET failure = $1
                 WHERE profile = $2 AND account = $3 AND payment = $4 AND event = $5",
                params![&why, &run.profile, &run.account, &run.payment, &run.event],
            )
        })
        .await
        .map(drop)
    }

    /// The runs of a profile since `since` that failed and whose alert is not marked as handled since, the oldest first; of more
    /// than `most`, the latest.
    pub async fn failed_hooks(
        &self,
        profile: &str,
        since: WallTime,
        most: usize,
    ) -> Result<Vec<FailedHook>, LedgerError> {
        let profile = profile.to_owned();
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
                 WHERE profile = $1 AND at >= $2 AND failure IS NOT NULL ORDER BY at DESC, payment DESC LIMIT $3",
                params![&profile, since, read],
                |row| {
                    let event = |word: String| HookEvent::from_word(&word).ok_or(word);
                    Ok(FailedHook {
                        run: HookRun {
                            profile: profile.clone(),
                            account: row.parsed(0, |name: String| AccountId::new(name))?,
                            payment: row.parsed(1, |id: String| PaymentId::new(id))?,
                            event: row.parsed(2, event)?,
                        },
                        at: row.get(3)?,
                        why: row.get(4)?,
                    })
                },
            )?;
            failed.retain(|FailedHook { run, at, .. }| {
                let mark = handled.get(&run.event.failure_alert(&run.account, &run.payment));
                mark.is_none_or(|mark| mark < at)
            });
            failed.truncate(most);
            failed.reverse();
            Ok(failed)
        });
        failed.await
    }
}
