//! Raw calls of the explorer: sent unchanged, the response redacted and parsed.

use super::Deck;
use crate::domain::raw_path::{self, HasFragment};
use crate::domain::{AccountId, Explored, Problem, ProblemKind, RawCall, RawRequest, Secret};
use crate::net::{RequestOptions, record, redact};

impl Deck {
    /// The signed link to the page where a payer makes the purchase that `data` describes. Nothing is sent.
    ///
    /// # Errors
    /// If the account's provider has no such links, `data` is not a purchase's, or the secret cannot be read.
    pub async fn purchase_link(&self, account: &AccountId, data: &str) -> Result<Secret, Problem> {
        let runtime = self.runtime(account)?;
        let link = runtime.client.purchase_link(data).await;
        link.map_err(|error| runtime.problem(error))
    }

    /// Sends a raw call unchanged. A response with an error status is an answer too.
    ///
    /// # Errors
    /// If there is no such account, or no response arrives.
    pub async fn explore(
        &self,
        account: &AccountId,
        call: &RawCall,
        options: RequestOptions,
    ) -> Result<Explored, Problem> {
        let runtime = self.runtime(account)?;
        let path = raw_path::sendable(&call.path).map_err(|error| {
            let message = format!("account {account}: {error}");
            Problem::new(ProblemKind::Usage, message, HasFragment::HINT)
        })?;
        let writes = runtime.manifest.writes(&call.method, &path);
        let request = RawRequest {
            method: call.method.clone(),
            writes,
            path,
            body: call.body.clone().map(String::into_bytes),
            auth: call.auth,
        };
        let raw = self.raw(account, &request, options).await?;
        let kind = raw.content_type.as_deref().unwrap_or_default();
        let body = record::body_hiding(&raw.body, kind, runtime.client.hidden(&call.path));
        Ok(Explored {
            status: raw.status,
            content_type: raw
                .content_type
                .as_deref()
                .map(|text| redact::header("content-type", text)),
            took: raw.took,
            bytes: raw.body.len(),
            text: body.readable().into_owned(),
            cut: body.cut,
            failure: runtime
                .judged(&raw, writes)
                .err()
                .map(|problem| problem.message),
            digest: runtime.client.digest(call, &raw),
        })
    }
}
