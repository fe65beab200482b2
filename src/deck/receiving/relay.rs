//! Callbacks whose provider waits for what the shop says: its server is asked while the connection is open. Goods must
//! not be given twice, so none of these is tried a second time by itself.

use axum::http::{HeaderValue, StatusCode, header};
use bytes::Bytes;

use super::forward::{self, AnswerUse, ForwardResult};
use super::{Shared, log_lines};
use crate::callbacks::{Inbound, RELAY_HOLD, Raw};
use crate::domain::{Delivery, Job, JobState};
use crate::http_server::{self, Response};
use crate::ledger::JobResult;
use crate::net::NetError;

impl Shared {
    /// Asks the shop's server; `None` where no answer came that could be result back. The receiver says how long it waits.
    pub(super) async fn relay(
        &self,
        inbound: &Inbound,
        delivery: &Delivery,
        job: &Job,
    ) -> Option<Response> {
        let began = self.queries.clock.now();
        let raw = Raw::of(&inbound.request);
        let result = match forward::target(&job.target) {
            Ok(to) => self.forward(delivery, &raw, &to, AnswerUse::Answer).await,
            Err(problem) => ForwardResult {
                result: Err(NetError::Unauthorised(problem)),
            },
        };
        let took = self.queries.clock.now().mono.saturating_sub(began.mono);
        let tried = JobResult {
            state: if result.taken() {
                JobState::Done
            } else {
                JobState::GivenUp
            },
            at: began.wall,
            told: result.describe(),
            status: result.status(),
            took: Some(result.took().unwrap_or(took)),
            settles: false,
            // A repeat is answered with these words, so they are kept before they are said, and only where they count.
            reply: if result.taken() {
                self.sealed_reply(&result).await
            } else {
                None
            },
        };
        let held_until = inbound.at.plus(RELAY_HOLD);
        let ledger = &self.queries.ledger;
        if let Ok(delivery) = ledger.tried_errand(job.id, held_until, tried).await {
            log_lines::tried(&delivery, job.id);
            self.publish(delivery);
        }
        let reply = result
            .result
            .ok()
            .filter(|reply| (200..300).contains(&reply.status))?;
        let mut response = answer(reply.body.clone());
        *response.status_mut() = StatusCode::from_u16(reply.status).ok()?;
        if let Some(kind) = reply.header("content-type")
            && let Ok(kind) = HeaderValue::from_str(kind)
        {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        Some(response)
    }

    pub(super) async fn sealed_reply(&self, result: &ForwardResult) -> Option<Vec<u8>> {
        let kept = result.saved_body()?;
        Some(self.sealing.key().await.sealer.seal_reply(kept))
    }
}

fn answer(body: Bytes) -> Response {
    http_server::respond(StatusCode::OK, "application/json", body)
}

/// How the log tells a callback that was result on from a question about the same.
pub(super) const HANDED_ON: &str = ", forwarded";

/// Under what a delivery that is result on stands in the log, whose bytes are kept with the delivery alone.
pub(super) fn about(delivery: &Delivery) -> String {
    let id = delivery.id.0;
    match &delivery.subject {
        Some(subject) => format!("{subject}, callback {id}{HANDED_ON}"),
        None => format!("callback {id}{HANDED_ON}"),
    }
}
