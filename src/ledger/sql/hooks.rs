//! Which hooks have run, so that each runs once for all programs that share the ledger.

use async_trait::async_trait;

use super::Database;
use super::value::params;
use crate::domain::WallTime;
use crate::ledger::error::LedgerError;
use crate::ledger::hooks::{HookRun, HookRuns};

#[async_trait]
impl<D: Database> HookRuns for D {
    async fn claim_hook(&self, run: HookRun, at: WallTime) -> Result<bool, LedgerError> {
        self.write(move |sql| {
            sql.execute(
                "INSERT INTO hook_runs (profile, account, payment, event, at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT DO NOTHING",
                params![
                    &run.profile,
                    run.account.as_str(),
                    run.payment.as_str(),
                    run.event.word(),
                    at
                ],
            )
        })
        .await
        .map(|rows| rows > 0)
    }
}
