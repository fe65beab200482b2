//! The amount a shop expects for an order, its origin, and when it may be changed.

use std::fmt;

use super::words::words;
use super::{Amount, Currency, WallTime};

/// The expected amount. The payment page's URL is unsigned, so a payer can change amount and currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Compared by decimal value.
    pub amount: Amount,
    /// Compared exactly; case matters.
    pub currency: Currency,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.amount, self.currency))
    }
}

words! {
    /// Who set an expectation. The words are those of the ledger and JSON.
    pub enum ExpectedBy {
        /// A payment link was built.
        Link = "link",
        /// A form of the console.
        Form = "form",
        /// A command.
        Command = "command",
        /// A list: a file, or several pasted lines.
        List = "list",
    }
}

impl ExpectedBy {
    /// Who set it, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Link => "set by a payment link",
            Self::Form => "set in the console",
            Self::Command => "set by a command",
            Self::List => "set by an imported list",
        }
    }
}

/// An expectation with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// What must be paid.
    pub sum: Expected,
    /// Who set it.
    pub by: ExpectedBy,
    /// When it was set.
    pub at: WallTime,
    /// By which operator, in a ledger that a team shares; empty in one of this machine alone.
    pub operator: String,
}

impl Expectation {
    /// How it was set, and by whom: "set by a command, alice@till".
    pub fn origin(&self) -> String {
        let words = self.by.words();
        if self.operator.is_empty() {
            words.to_owned()
        } else {
            format!("{words}, {}", self.operator)
        }
    }
}

impl fmt::Display for Expectation {
    /// `249.00 oPLN (set by a payment link)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} ({})", self.sum, self.origin()))
    }
}

/// An expected amount to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExpectation {
    /// The sum.
    pub sum: Expected,
    /// Who sets it.
    pub by: ExpectedBy,
    /// Whether it may replace another one.
    pub replaced: Replaced,
}

/// Whether an expectation may replace another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// Never: an existing one stays.
    Never,
    /// Only this one, which the operator saw and agreed to replace.
    Shown(Expected),
    /// Any: the operator confirmed it.
    Confirmed,
}

impl Replaced {
    /// Whether to write `new` over `current`. The same sum again changes nothing.
    ///
    /// # Errors
    /// The current expectation, if it differs and the change was not confirmed.
    pub fn writes(
        &self,
        current: Option<&Expectation>,
        new: &Expected,
    ) -> Result<bool, Expectation> {
        match current {
            None => Ok(true),
            // By value: "249.0" again is no change.
            Some(current) if current.sum == *new => Ok(false),
            Some(current) => match self {
                Self::Confirmed => Ok(true),
                // What the operator agreed to replace is still there; another process may have changed it meanwhile.
                Self::Shown(shown) if *shown == current.sum => Ok(true),
                Self::Shown(_) | Self::Never => Err(current.clone()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expectation_is_never_overwritten_without_a_yes() {
        let sum = |amount| Expected {
            amount: Amount::typed(amount).unwrap(),
            currency: Currency::new("EMT").unwrap(),
        };
        let current = Expectation {
            sum: sum("249.00"),
            by: ExpectedBy::Link,
            at: WallTime(7),
            operator: String::new(),
        };
        let shown = Replaced::Shown(sum("249"));
        for replaced in [Replaced::Never, Replaced::Confirmed, shown.clone()] {
            assert_eq!(replaced.writes(None, &sum("1")), Ok(true));
            assert_eq!(replaced.writes(Some(&current), &sum("249")), Ok(false));
        }
        let refused = Replaced::Never.writes(Some(&current), &sum("1"));
        assert_eq!(refused, Err(current.clone()));
        for replaced in [Replaced::Confirmed, shown] {
            assert_eq!(replaced.writes(Some(&current), &sum("1")), Ok(true));
        }
        let another = Replaced::Shown(sum("300")).writes(Some(&current), &sum("1"));
        assert_eq!(another, Err(current), "not the one that was shown");
    }
}
