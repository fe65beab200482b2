//! Callbacks with a provider that waits for the shop's answer: the shop is called while the connection is open. There
//! is no automatic retry, because an order could be delivered twice (`docs/providers/kongregate.md`).

use bytes::Bytes;
use hyper::http::{HeaderValue, StatusCode, header};

use super::forward::{self, AnswerUse, Destination, ForwardResult};
use super::{Shared, log_lines};
use crate::callbacks::{Inbound, RELAY_HOLD, Raw};
use crate::domain::{Delivery, Job, JobState};
use crate::http_server::{self, Response};
use crate::ledger::JobResult;
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
                let answer = AnswerUse::Answer;
                let shop = Destination { url, answer };
                self.forward(delivery, &raw, &shop).await
            }
            Err(problem) => ForwardResult {
                result: Err(NetError::Unauthorised(problem)),
            },
        };
        let took = self.queries.clock.now().mono.saturating_sub(began.mono);
        let outcome = JobResult {
            state: if result.taken() {
                JobState::Done
            } else {
                // Never `Due`: see the head of this file.
                JobState::GivenUp
            },
            at: began.wall,
            summary: result.describe(),
            status: result.status(),
            took: Some(result.took().unwrap_or(took)),
            is_final: false,
            // A repeat gets the same answer, so it is saved before it is returned. Only a successful one counts.
            reply: if result.taken() {
                self.sealed_reply(&result).await
            } else {
                None
            },
        };
        let held_until = inbound.at.plus(RELAY_HOLD);
        let ledger = &self.queries.ledger;
        if let Ok(delivery) = ledger.finish_attempt(job.id, held_until, outcome).await {
            log_lines::tried(&delivery, job.id);
            self.publish(delivery);
        }
        let reply = result
            .result
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
