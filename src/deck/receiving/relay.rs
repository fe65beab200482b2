//! Callbacks with a provider that waits for the shop's answer: the shop is called while the connection is open. There
//! is no automatic retry, because an order could be delivered twice (`docs/providers/kongregate.md`).

use bytes::Bytes;
use hyper::http::{HeaderValue, StatusCode, header};

use super::Shared;
use super::forward::{self, Destination, ForwardResult};
use super::jobs::ClaimedJob;
use crate::callbacks::{Inbound, Raw};
use crate::domain::job::LEASE;
use crate::domain::{Delivery, Job};
use crate::http_server::{self, Response};
use crate::net::NetError;

impl Shared {
    /// Calls the shop's server; `None` if no answer came that can be returned to the provider. The receiver sets the
    /// time limit.
    pub(super) async fn relay(
        &self,
        inbound: &Inbound,
        delivery: &Delivery,
        job: &Job,
    ) -> Option<Response> {
        let began = self.queries.clock.now();
        let raw = Raw::of(&inbound.request);
        let result = match forward::target(&job.target) {
            Ok(url) => {
                let shop = Destination {
                    url,
                    status_decides: false,
                };
                self.forward(delivery, &raw, &shop).await
            }
            Err(problem) => ForwardResult(Err(NetError::Unauthorised(problem))),
        };
        // A repeat gets the same answer, so it is saved before it is returned. Only a successful one counts.
        let saved = if result.taken() {
            self.sealed_reply(&result).await
        } else {
            None
        };
        let lease_end = inbound.at.plus(LEASE);
        let taken = ClaimedJob::leased(delivery.clone(), job.id, lease_end);
        let outcome = result.outcome(saved);
        if let Some(delivery) = self.finish(&taken, began, outcome).await {
            self.publish(delivery);
        }
        let reply = result
            .0
            .ok()
            .filter(|reply| (200..300).contains(&reply.status))?;
        let mut response = answer(reply.body.clone());
        // The provider gets the shop's own answer: status, type and body.
        *response.status_mut() = StatusCode::from_u16(reply.status).ok()?;
        if let Some(kind) = reply.header("content-type")
            && let Ok(kind) = HeaderValue::from_str(kind)
        {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        Some(response)
    }

    pub(super) async fn sealed_reply(&self, result: &ForwardResult) -> Option<Vec<u8>> {
        let body = result.saved_body()?;
        Some(self.sealing.key().await.sealer.seal_reply(body))
    }
}

fn answer(body: Bytes) -> Response {
    http_server::respond(StatusCode::OK, "application/json", body)
}
