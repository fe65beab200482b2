//! Callbacks with a provider that waits for the shop's answer: the shop is called while the connection is open. There
//! is no automatic retry, because an order could be delivered twice (`docs/providers/kongregate.md`).

use bytes::Bytes;
use serde_json::{Map, Value};

use super::forward::{Destination, ForwardResult, REPLY_KEPT_MAX};
use super::jobs::ClaimedJob;
use super::{Shared, saved_target};
use crate::callbacks::Inbound;
use crate::domain::job::{Disposition, LEASE};
use crate::domain::{Delivery, Job};
use crate::net::{NetError, Reply};

impl Shared {
    /// Calls the shop's server; `None` if no answer came that can be returned to the provider. The receiver sets the
    /// time limit.
    pub(super) async fn relay(
        &self,
        inbound: &Inbound,
        delivery: &Delivery,
        job: &Job,
    ) -> Option<Bytes> {
        let began = self.queries.clock.now();
        let result = match saved_target(&job.target) {
            Ok(url) => {
                let shop = Destination {
                    url,
                    status_decides: false,
                };
                self.forward(delivery, inbound, &shop).await
            }
            Err(problem) => ForwardResult(Err(NetError::Unauthorised(problem))),
        };
        let reply = result.0.as_ref().ok().filter(|_| result.taken());
        let unfit = reply.and_then(unfit);
        let answer = reply.filter(|_| unfit.is_none());
        // A repeat gets the same answer, so it is saved before it is returned. It is returned even if the ledger cannot
        // save it: the shop has delivered. Only a successful one counts.
        let saved = match answer {
            Some(_) => self.sealed_reply(&result).await,
            None => None,
        };
        let lease_end = inbound.at.plus(LEASE);
        let taken = ClaimedJob::leased(delivery.clone(), job.id, lease_end);
        let mut outcome = result.outcome(saved);
        if let Some(why) = unfit {
            outcome.summary += ", not returned to the provider: ";
            outcome.summary += why;
            outcome.next = Disposition::PermanentFailure;
        }
        if let Some(delivery) = self.finish(&taken, began, outcome).await {
            self.publish(delivery);
        }
        answer.map(|reply| reply.body.clone())
    }

    pub(super) async fn sealed_reply(&self, result: &ForwardResult) -> Option<Vec<u8>> {
        let body = result.saved_body()?;
        Some(self.sealing.key().await.sealer.seal_reply(body))
    }
}

/// Why a response is not returned to the provider. Only the saved body is left for a repeat of the order, and two answers
/// to one order must not differ.
fn unfit(reply: &Reply) -> Option<&'static str> {
    if reply.status != 200 {
        Some("only HTTP 200 answers an order")
    } else if reply.body.len() > REPLY_KEPT_MAX {
        Some("the response is larger than 64 KiB")
    } else if serde_json::from_slice::<Map<String, Value>>(&reply.body).is_err() {
        Some("the response is not a JSON object")
    } else {
        None
    }
}
