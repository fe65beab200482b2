//! Parsers of argument values. Each rejects invalid values with a reason. Numbers may be negative: otherwise `-5` would be "an
//! unexpected argument", not a wrong amount.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use reqwest::Url;

use crate::config::{self, AddressError, Environ};
use crate::domain::simulate::{Fault, PayerAct};
use crate::domain::{
    Amount, AuthMethod, Currency, Expected, PaymentId, PaymentState, PaymentVerdict, PlayerId, time,
};
use crate::net;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    State(PaymentState),
    /// FINALIZED, with the expected amount and currency.
    Paid,
}

impl Goal {
    pub fn state(&self) -> PaymentState {
        match self {
            Self::State(state) => state.clone(),
            Self::Paid => PaymentState::Finalized,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(state) => state.fmt(f),
            Self::Paid => f.pad("PAID"),
        }
    }
}

/// One of these words, which `read` reads.
fn word<T: Clone + Send + Sync + 'static>(
    words: impl IntoIterator<Item = impl Into<PossibleValue>>,
    read: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    let words = PossibleValuesParser::new(words);
    words.map(move |word| read(&word).expect("each of the words is read"))
}

pub(super) fn auth_method() -> impl TypedValueParser<Value = AuthMethod> {
    word(AuthMethod::WORDS, |text| {
        AuthMethod::from_word(&text.to_ascii_lowercase())
    })
}

pub(super) fn goal() -> impl TypedValueParser<Value = Goal> {
    word(["PAID"].into_iter().chain(states()), |text| {
        match text.to_ascii_uppercase().as_str() {
            "PAID" => Some(Goal::Paid),
            word => known(word).map(Goal::State),
        }
    })
}

pub(super) fn state() -> impl TypedValueParser<Value = PaymentState> {
    word(states(), |text| known(&text.to_ascii_uppercase()))
}

fn known(word: &str) -> Option<PaymentState> {
    match PaymentState::from_word(word) {
        PaymentState::Unknown(_) => None,
        state => Some(state),
    }
}

fn states() -> impl Iterator<Item = &'static str> {
    static KNOWN: [PaymentState; PaymentState::KNOWN.len()] = PaymentState::KNOWN;
    KNOWN.iter().map(PaymentState::as_str)
}

pub(super) fn verdict() -> impl TypedValueParser<Value = PaymentVerdict> {
    word(PaymentVerdict::WORDS, |text| {
        PaymentVerdict::from_word(&text.to_ascii_lowercase())
    })
}

pub(super) fn fault() -> impl TypedValueParser<Value = Fault> {
    let words = Fault::ALL.map(|fault| PossibleValue::new(fault.name()).help(fault.describe()));
    word(words, Fault::from_name)
}

pub(super) fn act() -> impl TypedValueParser<Value = PayerAct> {
    word(PayerAct::WORDS, PayerAct::from_word)
}

pub(super) fn method() -> impl TypedValueParser<Value = String> {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    word(methods, |text| Some(text.to_ascii_uppercase()))
}

/// The sum of `--amount` and `--currency`, which go together.
pub(super) fn sum(amount: Option<&Amount>, currency: Option<&Currency>) -> Option<Expected> {
    let (amount, currency) = (amount?.clone(), currency?.clone());
    Some(Expected { amount, currency })
}

pub(super) fn payment_id(text: &str) -> Result<PaymentId, String> {
    PaymentId::new(text).map_err(|error| error.to_string())
}

pub(super) fn player_id(text: &str) -> Result<PlayerId, String> {
    let id = text.parse().ok().filter(|id| *id > 0);
    id.map(PlayerId)
        .ok_or_else(|| "a player's number is a whole number, such as 1480702".into())
}

/// The longest time to wait for a response.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    match time::parse_duration(text).map_err(|error| error.to_string())? {
        Duration::ZERO => Err("the time must be longer than 0".into()),
        long if long > config::TIMEOUT_MAX => Err(format!(
            "the time must be at most {}",
            time::fine(config::TIMEOUT_MAX)
        )),
        wait => Ok(wait),
    }
}

/// A whole number in this range. The standard parser's words ("invalid digit found in string") are for programmers.
fn whole(text: &str, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| match *range.end() {
        u64::MAX => "this must be a whole number, without a sign".into(),
        most => format!(
            "this must be a whole number from {} to {most}",
            range.start()
        ),
    })
}

pub(super) fn limit(text: &str) -> Result<usize, String> {
    whole(text, 0..=u64::MAX).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

pub(super) fn seed(text: &str) -> Result<u64, String> {
    whole(text, 0..=u64::MAX)
}

/// How many times faster than real time a clock runs.
pub(super) fn speed(text: &str) -> Result<u32, String> {
    whole(text, 1..=100_000).map(|number| u32::try_from(number).expect("100,000 fit"))
}

pub(super) fn times(text: &str) -> Result<u32, String> {
    whole(text, 1..=1000).map(|number| u32::try_from(number).expect("1,000 fit"))
}

pub(super) fn callback_id(text: &str) -> Result<i64, String> {
    let id = text.parse().ok().filter(|id| *id > 0);
    id.ok_or_else(|| "a callback's id is a whole number, such as 17".into())
}

/// A path; expands `~`.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| config::in_home(&path, &Environ::process()))
}

/// The address to receive callbacks at.
pub(super) fn bind(text: &str) -> Result<SocketAddr, String> {
    address(text, config::LISTEN.port())
}

/// The address of the simulator; without a port, any free one.
pub(super) fn bind_any_port(text: &str) -> Result<SocketAddr, String> {
    address(text, 0)
}

fn address(text: &str, port: u16) -> Result<SocketAddr, String> {
    config::address(text, port).map_err(|error| format!("{error}; {}", AddressError::HINT))
}

/// An address that providers send callbacks to.
pub(super) fn callback_url(text: &str) -> Result<Url, String> {
    let example = "write it like https://hooks.example.com";
    let url = Url::parse(text).map_err(|_| format!("not a URL; {example}"))?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    match url.scheme() {
        _ if !is_plain => Err(format!("only host, port and path; {example}")),
        "https" => Ok(url),
        "http" if net::is_loopback(&url) => Ok(url),
        _ => Err(format!(
            "https:// is needed, except to this machine; {example}"
        )),
    }
}

pub(super) fn email(text: &str) -> Result<String, String> {
    let plausible = text
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if plausible
        // RFC 5321, 4.5.3.1.3: 256 with the angle brackets.
        && text.len() <= 254
        && !text.contains(|c: char| c.is_control() || c.is_whitespace())
    {
        Ok(text.to_owned())
    } else {
        Err("not an e-mail address, such as payer@example.com".into())
    }
}
