//! Commands to the built-in simulator.

use std::time::Duration;

use super::PaymentId;
use super::words::words;

/// A fault that the simulator applies to API calls until another is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// No fault.
    #[default]
    None,
    /// Every answer comes this much later.
    Latency(Duration),
    /// 429 Too Many Requests, with or without `Retry-After` in seconds.
    TooManyRequests {
        /// Seconds in `Retry-After`; `None` leaves the header out.
        retry_after: Option<u32>,
    },
    /// 503 Service Unavailable.
    ServerError,
    /// 502 with an HTML page, as a proxy in front would answer.
    Html,
    /// 200 with a JSON body that ends half-way.
    TornBody,
    /// The request is carried out (its nonce is taken) and the connection closes without an answer.
    LostReply,
}

impl Fault {
    /// Every fault with a default value, in display order.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Latency(Duration::from_millis(1500)),
        Self::TooManyRequests {
            retry_after: Some(2),
        },
        Self::ServerError,
        Self::Html,
        Self::TornBody,
        Self::LostReply,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Latency(_) => "latency",
            Self::TooManyRequests { .. } => "429",
            Self::ServerError => "5xx",
            Self::Html => "html",
            Self::TornBody => "torn",
            Self::LostReply => "lost-reply",
        }
    }

    /// What it does, for people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::None => "each API call gets a correct response at once",
            Self::Latency(_) => "each response comes late",
            Self::TooManyRequests { .. } => {
                "each response is 429 Too Many Requests: the rate limit is reached"
            }
            Self::ServerError => "each response is 503 Service Unavailable",
            Self::Html => "each response is 502 with an HTML page, as a proxy sends",
            Self::TornBody => "the JSON of each response is cut in the middle",
            Self::LostReply => "each request takes effect, but its response is lost",
        }
    }

    /// Reads a name as [`Fault::name`] writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// One command to the simulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Apply this fault from now on.
    SetFault(Fault),
    /// Advance the simulator's clock.
    Advance(Duration),
    /// Set the provider's clock back: `Date` headers are this much behind from now on. States and deadlines are not
    /// affected.
    SetBack(Duration),
    /// An action of the payer on the checkout page.
    Payer {
        /// The payment.
        payment: PaymentId,
        /// The action.
        act: PayerAct,
    },
    /// Send the payment's latest callback once more, as a provider may.
    RepeatCallback(PaymentId),
    /// Change a setting of one simulated provider.
    Set {
        /// Its short name.
        provider: String,
        /// One of its [`Setting`]s.
        setting: String,
        /// The new value, as written.
        value: String,
    },
    /// Trigger an event at one simulated provider.
    Event {
        /// Its short name.
        provider: String,
        /// One of its events.
        event: String,
        /// The object of the event; may be empty.
        subject: String,
    },
}

/// One setting of a simulated provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name on the command line: `token-life`.
    pub name: &'static str,
    /// Its current value, as it is typed.
    pub value: String,
    /// Allowed values or examples: `20s`, `3600s`.
    pub choices: &'static [&'static str],
    /// What it does, for people.
    pub about: &'static str,
}

impl Setting {
    /// A setting with its current value, its allowed values or examples, and what it does.
    pub fn new(
        name: &'static str,
        value: impl Into<String>,
        choices: &'static [&'static str],
        about: &'static str,
    ) -> Self {
        Self {
            name,
            value: value.into(),
            choices,
            about,
        }
    }
}

/// One event that the operator can trigger at a simulated provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Its name on the command line: `reset-secret`.
    pub name: &'static str,
    /// Its object: "a reservation's id"; empty where it needs none.
    pub subject: &'static str,
    /// What it does, for people.
    pub about: &'static str,
}

/// The settings and events of one simulated provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its short name.
    pub provider: &'static str,
    /// Its current settings.
    pub settings: Vec<Setting>,
    /// Its events.
    pub events: Vec<Event>,
}

words! {
    /// An action of the payer, or a failure of the payment; with its name on the command line and in the checkout page's
    /// form.
    pub enum PayerAct {
        /// The full amount, from a Kanga account: settles within seconds.
        Pay = "pay",
        /// The full amount, on-chain: takes days of the simulator's clock.
        PayOnChain = "pay-on-chain",
        /// A part of the amount; the payment stays ACTIVE and waits for more.
        PayPart = "pay-part",
        /// More than the amount; ends FINALIZED, the surplus is returned.
        Overpay = "overpay",
        /// Cancels the payment.
        Cancel = "cancel",
        /// The payment fails.
        Fail = "fail",
    }
}
