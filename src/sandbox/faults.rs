//! Faults as they look on the wire. Knows neither request nor provider.

use hyper::http::{HeaderValue, StatusCode, header};

use crate::domain::simulate::Fault;
use crate::http_server::{Outcome, Response, respond, text};

const BAD_GATEWAY: &str = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n<body><center><h1>502 Bad Gateway</h1></center><hr><center>gateway</center></body></html>\n";

/// The response that replaces the request's execution, if the fault has one.
pub fn replacement(fault: Fault) -> Option<Response> {
    match fault {
        Fault::TooManyRequests { retry_after } => {
            let mut refusal = text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests\n");
            if let Some(seconds) = retry_after {
                let seconds = HeaderValue::from(seconds);
                refusal.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            Some(refusal)
        }
        Fault::ServerError => Some(text(
            StatusCode::SERVICE_UNAVAILABLE,
            "Service Unavailable\n",
        )),
        Fault::Html => Some(respond(
            StatusCode::BAD_GATEWAY,
            "text/html; charset=utf-8",
            BAD_GATEWAY,
        )),
        Fault::None | Fault::Latency(_) | Fault::TornBody | Fault::LostReply => None,
    }
}

/// Applies the fault to the response of an executed request.
pub async fn apply(fault: Fault, reply: Response) -> Outcome {
    match fault {
        Fault::Latency(late) => {
            tokio::time::sleep(late).await;
            Outcome::Answer(reply)
        }
        // Half a body with its right length: the JSON is cut, the HTTP is not.
        Fault::TornBody => Outcome::Answer(reply.map(|body| body.slice(..body.len() / 2))),
        // The request was executed: a write that is repeated blindly would take effect twice.
        Fault::LostReply => Outcome::Reset,
        Fault::None | Fault::TooManyRequests { .. } | Fault::ServerError | Fault::Html => {
            Outcome::Answer(reply)
        }
    }
}
