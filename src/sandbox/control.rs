//! Control over HTTP: parses the control routes into commands, and renders the state as JSON and the index page. Executes
//! nothing itself.

use std::time::Duration;

use hyper::http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::domain::raw_path::without_query;
use crate::domain::simulate::{Command, Fault, PayerAct};
use crate::domain::{PaymentId, inert};
use crate::http_server::{Request, Response, respond, text};

use super::Simulator;
use super::fields::Fields;
use super::outbox::Webhook;
use super::page;
use super::provider::Mount;

/// The path prefix of the control routes.
pub const PREFIX: &str = "/_control/";

/// Every control route; the page `/` lists them with their fields.
const ROUTES: [&str; 8] = [
    "state", "fault", "advance", "set-back", "payer", "callback", "set", "event",
];

/// Whether a page of another site sent this request. Browsers name the site in `Origin` with every POST.
pub fn is_foreign(request: &Request) -> bool {
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    // `all`: without an `Origin` no browser sent it, so a request by curl passes.
    let host = request.headers().get(header::HOST);
    let own = |origin: &HeaderValue| {
        host.is_some_and(|host| origin.as_bytes() == [b"http://", host.as_bytes()].concat())
    };
    !origins.all(own)
}

/// A command as a request to a sandbox that runs elsewhere: POST this JSON to this path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// One of the control routes.
    pub path: String,
    /// The body.
    pub json: String,
}

/// The request that [`command`] reads as this command.
pub fn call(command: &Command) -> Call {
    let (route, fields) = match command {
        Command::SetFault(fault) => {
            let mut fields = json!({ "name": fault.name() });
            match fault {
                Fault::Latency(late) => fields["ms"] = millis(*late),
                Fault::TooManyRequests { retry_after: None } => fields["retry_after"] = NONE.into(),
                Fault::TooManyRequests {
                    retry_after: Some(seconds),
                } => fields["retry_after"] = (*seconds).into(),
                Fault::None
                | Fault::ServerError
                | Fault::Html
                | Fault::TornBody
                | Fault::LostReply => {}
            }
            ("fault", fields)
        }
        Command::Advance(by) => ("advance", json!({ "ms": millis(*by) })),
        Command::SetBack(by) => ("set-back", json!({ "ms": millis(*by) })),
        Command::Payer { payment, act } => {
            ("payer", json!({ "payment": payment, "act": act.as_str() }))
        }
        Command::RepeatCallback(payment) => ("callback", json!({ "payment": payment })),
        Command::Set {
            provider,
            setting,
            value,
        } => (
            "set",
            json!({ "provider": provider, "setting": setting, "value": value }),
        ),
        Command::Event {
            provider,
            event,
            subject,
        } => (
            "event",
            json!({ "provider": provider, "event": event, "subject": subject }),
        ),
    };
    Call {
        path: format!("{PREFIX}{route}"),
        json: fields.to_string(),
    }
}

/// The value for a 429 without `Retry-After`.
const NONE: &str = "none";

fn millis(span: Duration) -> Value {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).into()
}

/// Reads a request to a control route.
///
/// # Errors
/// The error response, if the request is invalid.
pub fn command(request: &Request) -> Result<Command, Box<Response>> {
    let refuse = |status, message: &str| Box::new(refusal(status, message));
    let path = request.uri().path();
    let route = path.strip_prefix(PREFIX).unwrap_or_default();
    if !ROUTES.contains(&route) {
        return Err(refuse(StatusCode::NOT_FOUND, "no such control route"));
    }
    if request.method() != Method::POST {
        let mut refused = refuse(StatusCode::METHOD_NOT_ALLOWED, "use POST for this route");
        let allow = HeaderValue::from_static("POST");
        refused.headers_mut().insert(header::ALLOW, allow);
        return Err(refused);
    }
    // CSRF: a page of another site could send forms to this port (RFC 6454, 7: `Origin`).
    if is_foreign(request) {
        return Err(refuse(
            StatusCode::FORBIDDEN,
            "requests from other sites are forbidden",
        ));
    }
    parse(route, request.body()).map_err(|message| refuse(StatusCode::BAD_REQUEST, &message))
}

fn parse(route: &str, body: &[u8]) -> Result<Command, String> {
    let fields = Fields::of_body(body)?;
    match route {
        "fault" => {
            let name = required(&fields, "name")?;
            let usual = Fault::from_name(name).ok_or_else(|| {
                let known = Fault::ALL.map(Fault::name).join(", ");
                format!(
                    "{} is not a fault; the faults are {known}",
                    inert::quoted(name, 40)
                )
            })?;
            Ok(Command::SetFault(match usual {
                Fault::Latency(_) if fields.get("ms").is_some() => {
                    Fault::Latency(Duration::from_millis(number(&fields, "ms")?))
                }
                Fault::TooManyRequests { .. } => match fields.get("retry_after") {
                    None => usual,
                    Some(NONE) => Fault::TooManyRequests { retry_after: None },
                    Some(_) => Fault::TooManyRequests {
                        retry_after: Some(number(&fields, "retry_after")?),
                    },
                },
                _ => usual,
            }))
        }
        "advance" => Ok(Command::Advance(duration(&fields)?)),
        "set-back" => Ok(Command::SetBack(duration(&fields)?)),
        "payer" => {
            let name = required(&fields, "act")?;
            let act = PayerAct::from_word(name).ok_or_else(|| {
                let known = PayerAct::WORDS.join(", ");
                format!(
                    "{} is not an action; the actions are {known}",
                    inert::quoted(name, 40)
                )
            })?;
            Ok(Command::Payer {
                payment: payment(&fields)?,
                act,
            })
        }
        "callback" => Ok(Command::RepeatCallback(payment(&fields)?)),
        "set" => Ok(Command::Set {
            provider: required(&fields, "provider")?.to_owned(),
            setting: required(&fields, "setting")?.to_owned(),
            value: required(&fields, "value")?.to_owned(),
        }),
        "event" => Ok(Command::Event {
            provider: required(&fields, "provider")?.to_owned(),
            event: required(&fields, "event")?.to_owned(),
            subject: fields.get("subject").unwrap_or_default().to_owned(),
        }),
        _ => Err("this route does not take POST".into()),
    }
}

fn required<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, String> {
    let value = fields.get(name);
    value.ok_or_else(|| format!("the field `{name}` is missing"))
}

/// The field `ms`, else `seconds`.
fn duration(fields: &Fields) -> Result<Duration, String> {
    if fields.get("ms").is_some() {
        number(fields, "ms").map(Duration::from_millis)
    } else {
        number(fields, "seconds").map(Duration::from_secs)
    }
}

fn number<N: std::str::FromStr>(fields: &Fields, name: &str) -> Result<N, String> {
    let text = required(fields, name)?;
    let text_shown = || inert::quoted(text, 40);
    text.parse()
        .map_err(|_| format!("`{name}` must be a whole number, not {}", text_shown()))
}

fn payment(fields: &Fields) -> Result<PaymentId, String> {
    PaymentId::new(required(fields, "payment")?).map_err(|error| error.to_string())
}

/// The response to a command's result.
pub fn report(result: Result<String, String>) -> Response {
    match result {
        Ok(message) => text(StatusCode::OK, &format!("{message}\n")),
        Err(message) => refusal(StatusCode::UNPROCESSABLE_ENTITY, &message),
    }
}

fn refusal(status: StatusCode, message: &str) -> Response {
    text(status, &format!("{message}\n"))
}

/// The simulator's state as JSON, without keys, secrets and tokens.
pub fn state(bases: &[String; 2], simulator: &Simulator, providers: &[Mount]) -> Response {
    let fault = simulator.fault();
    let has_two = providers.iter().any(|mount| mount.production);
    let states: Map<_, _> = providers
        .iter()
        .map(|mount| {
            let mut provider = mount.lock();
            provider.pass_time(simulator);
            (provider.provider().to_owned(), provider.state(simulator))
        })
        .collect();
    let value = json!({
        "schema": 1,
        "now": simulator.now().rfc3339(),
        "seed": simulator.seed(),
        "production": has_two.then_some(&bases[1]),
        "fault": { "name": fault.name(), "is": fault.describe() },
        "providers": states,
        "callbacks": callbacks(simulator, providers),
    });
    respond(StatusCode::OK, "application/json", format!("{value}\n"))
}

/// Each provider's callback URL and its waiting callbacks, without their contents.
fn callbacks(simulator: &Simulator, providers: &[Mount]) -> Value {
    let known = providers.iter().map(|mount| {
        let mut provider = mount.lock();
        let waiting = provider.outbox().waiting().iter().map(|webhook| {
            json!({
                "to": webhook.to.as_deref().map(without_query),
                "tries": webhook.attempts,
                "next": webhook.next.rfc3339(),
                "status": webhook.status,
            })
        });
        let waiting: Vec<_> = waiting.collect();
        let to = simulator.callback_url(provider.provider());
        (
            provider.provider().to_owned(),
            json!({ "to": to, "waiting": waiting }),
        )
    });
    known.collect::<Map<_, _>>().into()
}

/// The number of waiting callbacks, and the next attempt.
fn waiting(webhooks: &[Webhook]) -> String {
    let Some(next) = webhooks.iter().min_by_key(|webhook| webhook.next) else {
        return "none waiting".into();
    };
    let many = match webhooks.len() {
        1 => "1 waiting".to_owned(),
        many => format!("{many} waiting"),
    };
    let to = next.to.as_deref().map(without_query);
    let to = to.map_or_else(String::new, |to| format!(" for {to}"));
    let answer = match (next.attempts, next.status) {
        (0, _) => String::new(),
        (attempts, Some(status)) => format!(" (attempts: {attempts}, last status: {status})"),
        (attempts, None) => format!(" (attempts: {attempts}, no response)"),
    };
    let at = next.next.rfc3339();
    format!("{many}, next attempt {at}{to}{answer}")
}

/// The overview page.
pub fn index(bases: &[String; 2], simulator: &Simulator, providers: &[Mount]) -> Response {
    let shown = providers.iter().map(|mount| {
        let mut provider = mount.lock();
        let about = provider.about();
        let (keys, routes) = (about.keys.iter(), about.routes.iter());
        let to = simulator.callback_url(provider.provider());
        json!({
            "title": about.title,
            "production": mount.production.then_some(&bases[1]),
            "keys": keys.map(|(name, key)| json!({ "name": name, "key": key })).collect::<Value>(),
            "routes": routes
                .map(|(method, path, what)| json!({ "method": method, "path": path, "what": what }))
                .collect::<Value>(),
            "to": to.unwrap_or("only where a call names an address"),
            "waiting": waiting(provider.outbox().waiting()),
        })
    });
    let data = json!({
        "base": bases[0],
        "now": simulator.now().rfc3339(),
        "seed": simulator.seed(),
        "fault": simulator.fault().describe(),
        "providers": shown.collect::<Value>(),
    });
    page::page(
        StatusCode::OK,
        include_str!("../../assets/sandbox/index.html"),
        &data,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_json_are_read_into_the_same_commands() {
        let id = PaymentId::new("ORDER-1001").unwrap();
        let table = [
            (
                "fault",
                "name=latency&ms=20",
                Command::SetFault(Fault::Latency(Duration::from_millis(20))),
            ),
            (
                "fault",
                r#"{"name":"429","retry_after":7}"#,
                Command::SetFault(Fault::TooManyRequests {
                    retry_after: Some(7),
                }),
            ),
            (
                "fault",
                "name=429&retry_after=none",
                Command::SetFault(Fault::TooManyRequests { retry_after: None }),
            ),
            (
                "advance",
                r#" {"seconds":86400}"#,
                Command::Advance(Duration::from_hours(24)),
            ),
            (
                "payer",
                "payment=ORDER-1001&act=pay-on-chain",
                Command::Payer {
                    payment: id.clone(),
                    act: PayerAct::PayOnChain,
                },
            ),
            (
                "callback",
                "payment=ORDER-1001",
                Command::RepeatCallback(id),
            ),
        ];
        for (route, body, command) in table {
            assert_eq!(parse(route, body.as_bytes()), Ok(command), "{body}");
        }
    }

    #[test]
    fn the_page_lists_every_route() {
        let page = include_str!("../../assets/sandbox/index.html");
        for route in ROUTES {
            assert!(
                page.contains(&format!("<code>{PREFIX}{route}</code>")),
                "{route}"
            );
        }
    }

    #[test]
    fn every_command_survives_the_way_over_http() {
        let id = PaymentId::new("A \"17\"").unwrap();
        let faults = Fault::ALL.map(Command::SetFault);
        let acts = PayerAct::ALL.map(|act| Command::Payer {
            payment: id.clone(),
            act,
        });
        let others = [
            Command::SetFault(Fault::Latency(Duration::from_millis(7))),
            Command::SetFault(Fault::TooManyRequests { retry_after: None }),
            Command::Advance(Duration::from_millis(1_500)),
            Command::SetBack(Duration::ZERO),
            Command::RepeatCallback(id.clone()),
        ];
        for command in faults.into_iter().chain(acts).chain(others) {
            let call = call(&command);
            let route = call.path.strip_prefix(PREFIX).unwrap();
            assert_eq!(parse(route, call.json.as_bytes()), Ok(command), "{call:?}");
        }
    }

    #[test]
    fn an_invalid_command_is_refused_with_the_reason() {
        let table = [
            ("fault", "", "the field `name` is missing"),
            ("fault", "name=boom", "`boom` is not a fault"),
            ("advance", "seconds=-1", "whole number"),
            ("payer", "payment=A&act=dance", "`dance` is not an action"),
            ("callback", "payment=", "the payment id is empty"),
            ("state", "", "does not take POST"),
            ("advance", "{", "the JSON ends too early"),
        ];
        for (route, body, message) in table {
            let error = parse(route, body.as_bytes()).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }
}
