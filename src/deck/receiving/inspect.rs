//! Shows one callback, and forwards it again on request.

use std::sync::Arc;

use hyper::http::header::{CONTENT_ENCODING, HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;

use super::jobs::ClaimedJob;
use super::{Shared, target, unread};
use crate::deck::Deck;
use crate::domain::job::{LEASE, NewJob};
use crate::domain::{
    AccountId, Delivery, DeliveryId, JobKind, Problem, ProblemKind, Received, RowIds, Search,
};
use crate::ledger::{DeliveryQuery, LedgerError, OpenJobs, SealedParts};
use crate::net::{record, redact};

const HEADERS_SHOWN_MAX: usize = 100;
/// How many callbacks are read at once.
const PAGE: usize = 512;
/// About how many callbacks of an account are listed that may have to be answered in time.
const AWAITED_MAX: usize = 4_096;

impl Shared {
    pub(super) async fn parts_of(&self, id: DeliveryId) -> Result<SealedParts, Problem> {
        match self.queries.ledger.sealed(id).await {
            Ok(Some(parts)) => Ok(parts),
            Ok(None) => Err(unknown(id)),
            Err(error) => Err(unread("its bytes", &error)),
        }
    }
}

fn unknown(id: DeliveryId) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        format!("callback {} is not saved", id.0),
        "`tilldeck log --deliveries` lists the saved callbacks; tilldeck deletes the oldest ones",
    )
}

impl Deck {
    /// The open jobs of this profile's callbacks, by kind.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn open_jobs(&self) -> Result<Vec<OpenJobs>, Problem> {
        let account_key = self.callbacks.shared.account_key.clone();
        let open = self.ledger.open_jobs(account_key).await;
        open.map_err(|error| unread("callbacks", &error))
    }

    /// The newest callbacks of this profile with a check or forward that failed for good, at most `limit`, whatever came
    /// after them.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn failed_deliveries(&self, limit: usize) -> Result<Vec<Arc<Delivery>>, Problem> {
        let account_key = self.callbacks.shared.account_key.clone();
        let failed = self.ledger.failed_deliveries(account_key, limit).await;
        let failed = failed.map_err(|error| unread("callbacks", &error))?;
        Ok(failed.into_iter().map(Arc::new).collect())
    }

    /// The valid callbacks of the accounts whose provider sets a time to answer some, as far as that time still runs: the
    /// oldest first, whatever came after them.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub async fn awaited_deliveries(&self) -> Result<Vec<Arc<Delivery>>, Problem> {
        let shared = &self.callbacks.shared;
        let now = self.clock.now().wall;
        let mut found = Vec::new();
        for runtime in shared.queries.registry.all() {
            let deadlines = runtime.manifest.deadlines.iter();
            let Some(longest) = deadlines.map(|deadline| deadline.within).max() else {
                continue;
            };
            let query = DeliveryQuery {
                since: Some(now.minus(longest)),
                search: Search {
                    account: Some(runtime.account.id.to_string()),
                    ..Search::default()
                },
                limit: PAGE,
                ..DeliveryQuery::of(&shared.account_key)
            };
            let genuine = self.genuine_deliveries(query).await;
            found.extend(genuine.map_err(|error| unread("callbacks", &error))?);
        }
        found.sort_by_key(|delivery| delivery.id);
        Ok(found)
    }

    /// The newest valid callbacks that a query finds, read in pages: anyone can send callbacks that are rejected, and each
    /// has a row.
    async fn genuine_deliveries(
        &self,
        mut query: DeliveryQuery,
    ) -> Result<Vec<Arc<Delivery>>, LedgerError> {
        let mut found = Vec::new();
        loop {
            let page = self.ledger.log(query.clone()).await?;
            let is_last = page.len() < query.limit;
            query.before = page.last().map(|oldest| oldest.id.0);
            found.extend(page.into_iter().filter(Delivery::is_genuine).map(Arc::new));
            if is_last || found.len() >= AWAITED_MAX {
                return Ok(found);
            }
        }
    }

    /// The bytes of a callback, redacted.
    ///
    /// # Errors
    /// If they are no longer saved, or cannot be opened.
    pub async fn received(&self, delivery: DeliveryId) -> Result<Received, Problem> {
        let shared = &self.callbacks.shared;
        let known = self.delivery(delivery).await?;
        let parts = shared.parts_of(delivery).await?;
        let inbound = shared.sealing.open(delivery, &parts.request).await?;
        let readable = inbound.readable();
        let (mut ids, mut shown) = (RowIds::default(), None);
        let is_genuine = known.is_genuine();
        if let Ok(account) = AccountId::new(known.account) {
            // The sender may repeat the account's secrets in any header or field.
            shared.know_secrets(&account).await;
            if let Some(runtime) = shared.queries.registry.find(&account)
                && let Some(readable) = &readable
                && is_genuine
            {
                ids = (runtime.manifest.callback_ids)(readable);
                shown = (runtime.manifest.callbacks.shown)(readable);
            }
        }
        for (_, id) in &mut ids.ids {
            *id = redact::scrub(id).into_owned();
        }
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            let value = record::foreign_header(name.as_str(), &value);
            (redact::body(name.as_str()), value)
        };
        let sealer = shared.sealing.key().await.sealer;
        let replies = parts.replies.iter().filter_map(|(job, sealed)| {
            let reply = sealer.open_reply(sealed)?;
            Some((*job, record::body(&reply)))
        });
        // Only a decoded body can be redacted.
        let body = match (shown, readable) {
            (Some(shown), _) => record::body(&shown),
            (None, Some(readable)) => record::body(readable.request.body()),
            (None, None) => record::withheld(inbound.request.body()),
        };
        // The body is shown decoded.
        let headers = inbound.request.headers().iter();
        let headers = headers.filter(|(name, _)| **name != CONTENT_ENCODING);
        Ok(Received {
            target: redact::body(inbound.target()),
            headers: headers.take(HEADERS_SHOWN_MAX).map(header).collect(),
            body,
            replies: replies.collect(),
            ids,
        })
    }

    /// A saved callback of this profile.
    ///
    /// # Errors
    /// If there is none with this number, or the ledger cannot be read.
    pub async fn find_delivery(&self, id: DeliveryId) -> Result<Arc<Delivery>, Problem> {
        let after = DeliveryId(id.0.saturating_add(1));
        let found = self.deliveries(Some(after), Search::default(), 1).await?;
        let found = found.rows.into_iter().find(|delivery| delivery.id == id);
        found.ok_or_else(|| unknown(id))
    }

    pub(super) async fn delivery(&self, id: DeliveryId) -> Result<Delivery, Problem> {
        match self.ledger.delivery(id).await {
            Ok(Some(delivery)) => Ok(delivery),
            Ok(None) => Err(unknown(id)),
            Err(error) => Err(unread("callbacks", &error)),
        }
    }

    /// Forwards a callback of any verdict again. Where the deck receives callbacks, this happens in the background with
    /// retries; elsewhere once, and the returned delivery has the result.
    ///
    /// # Errors
    /// If there is no such callback, or `to` is not a valid forward target.
    pub async fn replay(&self, id: DeliveryId, to: &str) -> Result<Delivery, Problem> {
        let shared = &self.callbacks.shared;
        self.delivery(id).await?;
        let target = target(to)?;
        shared.targets.add(target.as_str());
        let now = self.clock.now().wall;
        let held_until = now.plus(LEASE);
        let job = NewJob {
            kind: JobKind::Forward,
            target: target.into(),
            at: now,
            // Leased from the start where this command itself makes the attempt, so that a running console does not.
            leased_until: (!self.callbacks.workers()).then_some(held_until),
        };
        let added = self.ledger.add_job(id, job).await.map_err(|error| {
            Problem::local(
                format!("callback {} cannot be forwarded: {error}", id.0),
                "",
            )
        })?;
        if self.callbacks.workers() {
            shared.publish(added.clone());
            shared.queues.wake();
            return Ok(added);
        }
        // The job just added: ids only grow.
        let newest = added.jobs.iter().map(|job| job.id).max();
        match newest {
            Some(newest) => {
                let taken = ClaimedJob::leased(added.clone(), newest, held_until).once();
                let after = shared.attempt(&taken, &CancellationToken::new()).await;
                Ok(after.unwrap_or(added))
            }
            None => Ok(added),
        }
    }
}
