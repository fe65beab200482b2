//! Raw calls, of the explorer and of `tilldeck request`: sent unchanged, the response redacted and parsed.

use super::Deck;
use crate::domain::raw_path::{self, HasFragment};
use crate::domain::{
    Ability, AccountId, Explored, Problem, RawCall, RawReply, Secret, catalogue, fill,
};
use crate::net::{RequestOptions, record, redact};
use crate::providers::Manifest;

/// The parameter that pages through the list of a call, and the page that the call asks for.
fn page_of(manifest: &Manifest, sent: &RawCall) -> Option<(&'static str, u32)> {
    let call = catalogue::find(manifest.catalogue, &sent.method, &sent.path)?;
    let values = fill::values(call, &sent.path);
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let (at, paging) = call.page_param(&values)?;
    let page = match values[at] {
        "" => paging.first,
        page => page.parse().ok()?,
    };
    Some((call.params[at].name, page))
}

/// The page of a list after one that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPage {
    /// Its path.
    pub path: String,
    /// Whether the provider says that there is one; else tilldeck cannot read it from the response.
    pub is_certain: bool,
}

impl Deck {
    /// Whether a raw call with this method and path is a write.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn writes(&self, account: &AccountId, method: &str, path: &str) -> Result<bool, Problem> {
        Ok(self.runtime(account)?.manifest.writes(method, path))
    }

    /// Whether this call can be made: the provider's client accepts it, and it stays within the account's base URL.
    ///
    /// # Errors
    /// If it cannot.
    pub fn could_send(&self, account: &AccountId, call: &RawCall) -> Result<(), Problem> {
        let runtime = self.runtime(account)?;
        let call = runtime
            .client
            .raw(call)
            .map_err(|error| runtime.problem(error))?;
        runtime
            .session
            .resolve(&call)
            .map(drop)
            .map_err(|error| runtime.problem(error.into()))
    }

    /// The failure that a provider reports inside a raw response. Rejected credentials are an event, too.
    ///
    /// # Errors
    /// The provider's failure.
    pub fn judge_raw(
        &self,
        account: &AccountId,
        call: &RawCall,
        raw: &RawReply,
    ) -> Result<(), Problem> {
        let runtime = self.runtime(account)?;
        let judged = runtime.judged(call, raw);
        // Success says nothing, since some calls are not signed; of a game, it may be the player's token that is rejected.
        if judged.is_err() && !runtime.account.can(Ability::Players) {
            let hooks = &self.queries.hooks;
            hooks.on_answer(account, judged.as_ref().copied());
        }
        judged
    }

    /// The signed link to the page where a payer makes the purchase that `data` describes. Nothing is sent.
    ///
    /// # Errors
    /// If the account's provider has no such links, `data` is not a purchase's, or the secret cannot be read.
    pub async fn purchase_link(&self, account: &AccountId, data: &str) -> Result<Secret, Problem> {
        let runtime = self.runtime(account)?;
        let link = runtime.client.purchase_link(data).await;
        link.map_err(|error| runtime.problem(error))
    }

    /// Checks that a call is documented to list pages.
    ///
    /// # Errors
    /// If it is not, or writes.
    pub fn must_page(&self, account: &AccountId, call: &RawCall) -> Result<(), Problem> {
        let manifest = self.runtime(account)?.manifest;
        if !manifest.writes(&call.method, &call.path) && page_of(manifest, call).is_some() {
            return Ok(());
        }
        let message = format!("account {account}: this call has no pages that tilldeck knows");
        let hint = "omit --all-pages, or put the page into the path";
        Err(Problem::usage(message, hint))
    }

    /// The next page of a list; `None` after the last one.
    ///
    /// # Errors
    /// If there is no such account.
    pub fn next_page(
        &self,
        account: &AccountId,
        call: &RawCall,
        reply: &RawReply,
    ) -> Result<Option<NextPage>, Problem> {
        let runtime = self.runtime(account)?;
        let digest = runtime.client.digest(call, reply);
        if digest.as_ref().is_some_and(|digest| !digest.has_more) {
            return Ok(None);
        }
        let page = page_of(runtime.manifest, call);
        Ok(page.and_then(|(name, page)| {
            let next = page.checked_add(1)?.to_string();
            Some(NextPage {
                path: fill::with_query(&call.path, name, &next),
                is_certain: digest.is_some(),
            })
        }))
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
            Problem::usage(message, HasFragment::HINT)
        })?;
        let call = &RawCall {
            path,
            ..call.clone()
        };
        let raw = self.raw(account, call, options).await?;
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
            failure: self
                .judge_raw(account, call, &raw)
                .err()
                .map(|problem| problem.message),
            digest: runtime.client.digest(call, &raw),
        })
    }
}
