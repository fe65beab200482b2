//! Kanga's calls: operation to call, response to answer, and the payment link. No I/O.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;

use super::auth::{
    ESTIMATE, ESTIMATE_ALSO, INVALID_CREDENTIALS, Kanga, NOT_FOUND, TEST, is_estimate,
};
use super::wire::{Field, Flat};
use crate::domain::fill::encoded;
use crate::domain::payment::Price;
use crate::domain::raw_path::without_query;
use crate::domain::{
    Amount, Currency, Estimate, EstimateRequest, LinkRequest, Payment, PaymentId, PaymentLink,
    PaymentState, ProblemKind, RawCall, RawReply, Reported, Secret, bad_json, hex, inert,
};
use crate::net::{Call, Repeat, Reply, RequestBody, redact};
use crate::providers::{ApiError, Client, Credentials, Queried, Query};

/// CREATE PAYMENT TOKEN.
pub const CREATE: &str = "/api/v2/tpg/create/payment";
/// CHECK PAYMENT.
pub const CHECK: &str = "/api/v2/tpg/transaction";
/// Whether a call is the price estimate at the payment page's host.
fn is_also(path: &str) -> bool {
    without_query(path) == ESTIMATE_ALSO
}

/// Makes the client of one account.
pub fn connect(credentials: Credentials) -> Arc<dyn Client> {
    Arc::new(Kanga::new(credentials))
}

impl Client for Kanga {
    fn verify(&self) -> Queried<()> {
        let call = post(CHECK, &[("id", &probe()?)], "verify credentials");
        Ok(Query::new(call, |reply| {
            match outcome(&read(&reply)?, Head::of(&reply), "the payment") {
                // 9001 answers only a call whose key, signature and nonce were right, so a random id verifies an account
                // (`docs/providers/kanga.md#calls`).
                Err(ApiError::Answered {
                    kind: ProblemKind::NotFound,
                    ..
                }) => Ok(()),
                outcome => outcome,
            }
        }))
    }

    fn test_signature(&self) -> Queried<()> {
        Ok(Query::new(post(TEST, &[], "test signature"), |reply| {
            outcome(&read(&reply)?, Head::of(&reply), "this call")
        }))
    }

    fn check_payment(&self, id: &PaymentId) -> Queried<Payment> {
        let call = post(CHECK, &[("id", id.as_str())], id.as_str());
        let id = id.clone();
        Ok(Query::new(call, move |reply| {
            let answer = read(&reply)?;
            outcome(&answer, Head::of(&reply), &format!("payment {id}"))?;
            payment(&id, &answer)
        }))
    }

    fn estimate(&self, sum: &EstimateRequest) -> Queried<Estimate> {
        let EstimateRequest { token, quantity } = sum.clone();
        let fields = [("token", token.as_str()), ("quantity", quantity.as_str())];
        let call = post(ESTIMATE, &fields, &format!("{quantity} {token}"));
        Ok(Query::new(call, move |reply| {
            let answer = read(&reply)?;
            // An estimate has no `result`, unless it failed.
            if answer.get("result").is_none() {
                return Ok(Estimate::new(token, quantity, prices(&answer)?, reply.at));
            }
            let named = format!("the currency {token}");
            outcome(&answer, Head::of(&reply), &named).map_err(|error| match reply.status {
                429 | 500.. => error,
                _ => estimate_error(error, &token),
            })?;
            Err(ApiError::unexpected("it has a `result` but no prices"))
        }))
    }

    fn create_payment_token(&self) -> Queried<Secret> {
        let call = Call {
            // It creates something at Kanga, so a lost response is not repeated.
            repeat: Repeat::Never,
            ..post(CREATE, &[], "a payment token")
        };
        Ok(Query::new(call, |reply| {
            let answer = read(&reply)?;
            outcome(&answer, Head::of(&reply), "this call")?;
            let token = Secret::new(text(&answer, "paymentToken")?);
            // Before anything shows the link: with the token in it, its payer's address counts as verified.
            redact::learn_temporary(&token, "paymentToken");
            Ok(token)
        }))
    }

    fn raw(&self, call: &RawCall) -> Result<Call, ApiError> {
        // The second estimate URL is on the payment page's host (`docs/providers/kanga.md#contradictions`).
        let endpoint = if is_also(&call.path) { "pay" } else { "api" };
        let body = call.body.clone();
        let body = body.map_or(RequestBody::Empty, RequestBody::Bytes);
        Ok(Call::raw(call, super::CATALOGUE, endpoint, body))
    }

    fn judge(&self, call: &RawCall, raw: &RawReply) -> Result<(), ApiError> {
        let head = Head {
            status: raw.status,
            retry_after: None,
        };
        match serde_json::from_slice::<Flat>(&raw.body) {
            // A response without `result` may be an estimate, which is an object of prices.
            Ok(answer) if answer.get("result").is_some() => {
                let judged = outcome(&answer, head, "the requested resource");
                if is_estimate(&call.path) {
                    judged.map_err(unsigned)
                } else {
                    judged
                }
            }
            Ok(_) | Err(_) if raw.status >= 400 => Err(failing(head)),
            Ok(answer) if is_estimate(&call.path) => prices(&answer).map(drop),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn link(&self, link: &LinkRequest, token: Option<&Secret>) -> Result<PaymentLink, ApiError> {
        let mut url = format!(
            "{}/tpg/payment/{}?",
            self.credentials.endpoint("pay"),
            encoded(self.api_key())
        );
        // A shop's id may hold spaces, slashes and national letters (`docs/providers/kanga.md#payment-page`).
        let mut add = |name: &str, value: &str| {
            if !url.ends_with('?') {
                url.push('&');
            }
            let _ = write!(url, "{name}={}", encoded(value));
        };
        add("currency", link.currency.as_str());
        add("amount", link.amount.as_str());
        add("transactionKey", link.id.as_str());
        for (name, value) in [("name", &link.name), ("email", &link.email)] {
            if let Some(value) = value {
                add(name, value);
            }
        }
        if let Some(currency) = &link.force_currency {
            add("forceCurrency", currency.as_str());
        }
        let mut shown = url.clone();
        if let Some(token) = token {
            let _ = write!(url, "&paymentToken={}", encoded(token.expose()));
            // The token stands for a verified address, so the shown link leaves it out.
            shown.push_str("&paymentToken=…");
        }
        Ok(PaymentLink {
            url: Secret::new(url),
            shown,
        })
    }
}

/// A call that may be repeated.
fn post(path: &str, fields: &[(&str, &str)], about: &str) -> Call {
    let fields = fields.iter();
    let fields = fields.map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
    Call {
        body: RequestBody::Fields(fields.collect()),
        about: about.to_owned(),
        repeat: Repeat::Safe,
        ..Call::new("POST", "api", path)
    }
}

/// A random id that no shop uses for a payment.
fn probe() -> Result<String, ApiError> {
    // 96 random bits: no shop's id is the same by chance.
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes).map_err(|error| {
        ApiError::Unsupported(format!("this machine provides no random numbers: {error}"))
    })?;
    Ok(format!("tilldeck-verify-{}", hex(&bytes)))
}

/// The answer as an object. Kanga does not document the HTTP status of a failure, so `result` decides, and the status counts
/// only where the body has none (`docs/providers/kanga.md#failures`).
fn read(reply: &Reply) -> Result<Flat, ApiError> {
    let status = reply.status;
    match serde_json::from_slice::<Flat>(&reply.body) {
        Ok(answer) if is_whole(status) || answer.get("result").is_some() => Ok(answer),
        Ok(_) | Err(_) if status >= 400 => Err(failing(Head::of(reply))),
        Ok(_) => Err(ApiError::unexpected(format!("status {status}"))),
        Err(_) if status == 204 => Err(ApiError::unreadable(status, &[], "")),
        Err(error) => {
            let why = bad_json(&error);
            Err(ApiError::unreadable(
                status,
                &reply.body,
                &redact::scrub(&why),
            ))
        }
    }
}

/// Whether a reply with this status has an answer, and all of it.
fn is_whole(status: u16) -> bool {
    matches!(status, 200 | 201)
}

/// What an error says of a reply besides its body.
#[derive(Clone, Copy)]
struct Head<'a> {
    status: u16,
    retry_after: Option<&'a str>,
}

impl<'a> Head<'a> {
    fn of(reply: &'a Reply) -> Self {
        Self {
            status: reply.status,
            retry_after: reply.header("retry-after"),
        }
    }
}

fn failing(head: Head<'_>) -> ApiError {
    let status = head.status;
    match status {
        401 | 403 => ApiError::refused(
            format!("status {status}"),
            "check api_key and api_secret against Payment gateway > API in the web account",
        ),
        404 => ApiError::NoPath,
        429 => ApiError::too_many(head.retry_after.map(redact::scrub).as_deref(), "key"),
        500.. => ApiError::failing(format!("is failing (status {status})"), "try again later"),
        _ => ApiError::failing(
            format!("rejected the request (status {status})"),
            "`tilldeck log` shows the request and the response",
        ),
    }
}

fn text<'a>(answer: &'a Flat, name: &str) -> Result<&'a str, ApiError> {
    let what = match answer.get(name) {
        Some(Field::Text(text)) => return Ok(text),
        Some(Field::Number(_)) => format!("`{name}` is a number; a string was expected"),
        Some(Field::Other(what)) => format!("`{name}` is {what}; a string was expected"),
        None => format!("`{name}` is missing"),
    };
    Err(ApiError::unexpected(what))
}

/// Reads `result` and, where it is not "ok", `code`.
fn outcome(answer: &Flat, head: Head<'_>, requested: &str) -> Result<(), ApiError> {
    match text(answer, "result")? {
        // Something between Kanga and here has failed: money must not count on such an `ok`.
        "ok" if head.status >= 400 => Err(failing(head)),
        "ok" if !is_whole(head.status) => {
            Err(ApiError::unexpected(format!("status {}", head.status)))
        }
        "ok" => failure_in(answer, &["code", "error"]).map_or(Ok(()), |name| {
            let what = format!("`result` is \"ok\", but it has `{name}`");
            Err(ApiError::unexpected(what))
        }),
        "fail" => Err(match answer.get("code") {
            // Only after `Authorise::is_stale` has caused a second try with a fresh nonce.
            Some(Field::Number(code)) if code == INVALID_CREDENTIALS => ApiError::refused(
                format!("code {INVALID_CREDENTIALS}"),
                "either api_key and api_secret do not match, or another program used a later nonce with this key. \
                Compare both with Payment gateway > API in the web account, and check the clocks",
            ),
            Some(Field::Number(code)) if code == NOT_FOUND => ApiError::not_found(
                format!("{requested} (code {NOT_FOUND})"),
                "Kanga knows a payment once the payer has opened the payment page; check the id, or try again later",
            ),
            _ if matches!(head.status, 401 | 403 | 429 | 500..) => failing(head),
            code => {
                let code = match code {
                    Some(Field::Number(code)) => Some(inert::cut(&redact::scrub(code), 20)),
                    Some(Field::Text(code)) => Some(inert::quoted(&redact::scrub(code), 20)),
                    Some(Field::Other(_)) | None => None,
                };
                let what = match code {
                    Some(code) => format!("rejected the request (code {code})"),
                    None => "rejected the request and gave no reason".into(),
                };
                let hint =
                    "check the values sent; `tilldeck log` shows the request and the response";
                ApiError::failing(what, hint)
            }
        }),
        other => {
            let other = inert::quoted(&redact::scrub(other), 40);
            Err(ApiError::unexpected(format!("`result` is {other}")))
        }
    }
}

/// The hints of an estimate. Kanga gives no reason where it does not know the currency, and the usual cause is the case:
/// `emt` for `EMT`.
fn estimate_error(error: ApiError, token: &Currency) -> ApiError {
    let mut error = unsigned(error);
    if let ApiError::Answered { kind, hint, .. } = &mut error
        && matches!(kind, ProblemKind::Failing | ProblemKind::NotFound)
    {
        *hint = format!(
            "check the currency {token}: codes are case-sensitive, such as EMT or oPLN; then check the amount"
        );
    }
    error
}

/// The error of an estimate, which has a key, but no signature and no nonce.
fn unsigned(mut error: ApiError) -> ApiError {
    if let ApiError::Answered { kind, hint, .. } = &mut error
        && *kind == ProblemKind::Refused
    {
        "compare api_key with Payment gateway > API in the web account".clone_into(hint);
    }
    error
}

/// No secret is this short, so redaction leaves such a code alone. It must, because the verdict compares the received code.
const CURRENCY_CODE_MAX: usize = 5;

/// Kanga publishes no list of currencies, so any word may be one. It is shown, so a secret in it is redacted.
fn currency(text: &str) -> Reported<Currency> {
    if text.len() <= CURRENCY_CODE_MAX {
        return Reported::currency(text);
    }
    Reported::currency(&redact::scrub(text))
}

/// An unreadable amount stays text, so that the payment's state is still shown (`docs/providers/kanga.md#money`).
/// It is shown, so a secret in it is redacted.
fn amount(answer: &Flat, name: &str) -> Reported<Amount> {
    let text = reported(answer, name);
    match Reported::amount(text) {
        Reported::Unread(text) => Reported::amount(&redact::field(name, &text)),
        read @ Reported::Read(_) => read,
    }
}

/// The text of a field that may be missing, or a number.
fn reported<'a>(answer: &'a Flat, name: &str) -> &'a str {
    match answer.get(name) {
        // Amounts occur as numbers in the field (`docs/providers/kanga.md#money`); their own text is taken.
        Some(Field::Text(text) | Field::Number(text)) => text,
        Some(Field::Other(_)) | None => "",
    }
}

fn payment(id: &PaymentId, answer: &Flat) -> Result<Payment, ApiError> {
    let state = text(answer, "state")?;
    if state.is_empty() {
        return Err(ApiError::unexpected("`state` is empty"));
    }
    // Not documented; but where it is there, it tells which payment the answer is about.
    if let Some(Field::Text(named) | Field::Number(named)) = answer.get("transactionKey")
        && named != id.as_str()
    {
        return Err(ApiError::unexpected("it is about another payment"));
    }
    Ok(Payment {
        id: id.clone(),
        currency: currency(reported(answer, "currency")),
        amount: amount(answer, "amount"),
        state: match PaymentState::from_word(state) {
            // An undocumented state counts as open (`docs/providers/kanga.md#states`). It is shown, so a secret in it is
            // redacted.
            PaymentState::Unknown(word) => PaymentState::Unknown(redact::scrub(&word).into_owned()),
            known => known,
        },
    })
}

/// A field that only a failure has, of these.
fn failure_in(answer: &Flat, names: &[&'static str]) -> Option<&'static str> {
    names.iter().copied().find(|name| {
        answer
            .get(name)
            .is_some_and(|it| !matches!(it, Field::Other("null")))
    })
}

fn prices(answer: &Flat) -> Result<Vec<Price>, ApiError> {
    let prices = answer.0.iter().map(|(name, _)| Price {
        currency: currency(name),
        amount: amount(answer, name),
    });
    let prices: Vec<_> = prices.collect();
    // None of them is a currency.
    if let Some(name) = failure_in(answer, &["code", "error", "message", "status"]) {
        return Err(ApiError::unexpected(format!("it has `{name}`")));
    }
    if !prices.iter().any(|price| price.amount.read().is_some()) {
        return Err(ApiError::unexpected("it has no prices"));
    }
    Ok(prices)
}
