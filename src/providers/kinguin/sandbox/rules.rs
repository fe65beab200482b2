//! The settings of the simulated Kinguin.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::time::parse_duration;
use crate::domain::{inert, simulate};

use super::access::OverLimit;

/// The shortest and the longest token lifetime.
const TOKEN_LIFE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));

/// The lowest and the highest limit that can be set.
const LIMITS: (usize, usize) = (3, 100_000);

const SETTINGS: [&str; 7] = [
    "token-life",
    "limit-writes",
    "limit-reads",
    "over-limit",
    "list-shape",
    "webhook-fault",
    "missing-rule",
];

/// The shape of offer lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ListShape {
    /// As live clients see it.
    #[default]
    Hal,
    /// As the API description has it.
    Spec,
}

/// The settings with their current values.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rules {
    pub token_life: Duration,
    /// Writes and reads a minute.
    pub limits: [usize; 2],
    pub over_limit: OverLimit,
    pub shape: ListShape,
    /// Snapshots of earlier versions lack it.
    #[serde(default)]
    pub webhook_fault: WebhookFault,
    /// Whether one product has no commission rule.
    #[serde(default)]
    pub missing_rule: bool,
}

/// The fault that each new webhook has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WebhookFault {
    #[default]
    None,
    /// The registered headers have another value.
    WrongHeader,
    /// They are missing.
    NoHeader,
    Duplicate,
    /// An undocumented webhook follows.
    Unknown,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            token_life: Duration::from_hours(1),
            limits: [2_000, 4_000],
            over_limit: OverLimit::default(),
            shape: ListShape::default(),
            webhook_fault: WebhookFault::default(),
            missing_rule: false,
        }
    }
}

impl Rules {
    /// All settings with their current values.
    pub fn settings(&self) -> Vec<simulate::Setting> {
        let [token_life, writes, reads, over, shape, fault, missing_rule] = SETTINGS;
        vec![
            simulate::Setting::new(
                token_life,
                format!("{}s", self.token_life.as_secs()),
                &["5s", "20s", "300s", "3600s"],
                "lifetime of new access tokens",
            ),
            simulate::Setting::new(
                writes,
                self.limits[0].to_string(),
                &["3", "50", "2000"],
                "write calls per minute and client",
            ),
            simulate::Setting::new(
                reads,
                self.limits[1].to_string(),
                &["3", "50", "4000"],
                "read calls per minute and client",
            ),
            simulate::Setting::new(
                over,
                name_of(&OverLimit::ALL, &self.over_limit),
                &["refuse", "refuse-with-retry-after", "delay"],
                "over the rate limit: reject a call with 429, with or without Retry-After, or delay it",
            ),
            simulate::Setting::new(
                shape,
                name_of(&SHAPES, &self.shape),
                &["hal", "spec"],
                "format of offer lists: HAL with _embedded, as live clients see them, or as documented",
            ),
            simulate::Setting::new(
                fault,
                name_of(&FAULTS, &self.webhook_fault),
                &["none", "wrong-header", "no-header", "duplicate", "unknown"],
                "send webhooks with a wrong or missing secret header, twice, or of an unknown kind",
            ),
            simulate::Setting::new(
                missing_rule,
                if self.missing_rule { "on" } else { "off" },
                &["off", "on"],
                "leave one product without a commission rule: its offer has commissionRule null",
            ),
        ]
    }

    /// Changes a setting and describes the new state.
    ///
    /// # Errors
    /// A message, if there is no such setting or the value does not fit.
    pub fn set(&mut self, setting: &str, value: &str) -> Result<String, String> {
        let limit = || {
            let limit = value.parse().ok();
            let limit = limit.filter(|limit| (LIMITS.0..=LIMITS.1).contains(limit));
            limit.ok_or_else(|| format!("enter a whole number from {} to {}", LIMITS.0, LIMITS.1))
        };
        let message = match setting {
            "token-life" => {
                let life = parse_duration(value).map_err(|error| error.to_string())?;
                if !(TOKEN_LIFE.0..=TOKEN_LIFE.1).contains(&life) {
                    return Err("enter a lifetime from 1s to 24h".into());
                }
                // `expires_in` has whole seconds (RFC 6749, 5.1).
                self.token_life = Duration::from_secs(life.as_secs());
                format!("new access tokens expire after {} s", life.as_secs())
            }
            "limit-writes" => {
                self.limits[0] = limit()?;
                format!("{value} writes per minute and client")
            }
            "limit-reads" => {
                self.limits[1] = limit()?;
                format!("{value} reads per minute and client")
            }
            "over-limit" => {
                self.over_limit = one_of(&OverLimit::ALL, value)?;
                format!("calls over the limit: {value}")
            }
            "list-shape" => {
                self.shape = one_of(&SHAPES, value)?;
                format!("shape of offer lists: {value}")
            }
            "webhook-fault" => {
                self.webhook_fault = one_of(&FAULTS, value)?;
                format!("fault in webhooks: {value}")
            }
            "missing-rule" => {
                self.missing_rule = one_of(&[(false, "off"), (true, "on")], value)?;
                format!("a product without a commission rule: {value}")
            }
            _ => {
                return Err(format!(
                    "Kinguin has no setting {}; its settings are {}",
                    inert::quoted(setting, 40),
                    SETTINGS.join(", ")
                ));
            }
        };
        Ok(message)
    }
}

fn one_of<T: Copy>(all: &[(T, &'static str)], value: &str) -> Result<T, String> {
    let mut known = all.iter();
    let found = known.find(|(_, name)| *name == value).map(|(way, _)| *way);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
        format!(
            "{} is not one of {}",
            inert::quoted(value, 40),
            names.join(", ")
        )
    })
}

fn name_of<T: PartialEq>(all: &[(T, &'static str)], value: &T) -> String {
    let mut known = all.iter();
    known
        .find(|(way, _)| way == value)
        .map_or("", |(_, name)| name)
        .to_owned()
}

const FAULTS: [(WebhookFault, &str); 5] = [
    (WebhookFault::None, "none"),
    (WebhookFault::WrongHeader, "wrong-header"),
    (WebhookFault::NoHeader, "no-header"),
    (WebhookFault::Duplicate, "duplicate"),
    (WebhookFault::Unknown, "unknown"),
];

const SHAPES: [(ListShape, &str); 2] = [(ListShape::Hal, "hal"), (ListShape::Spec, "spec")];
