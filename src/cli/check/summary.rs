//! The summary of a list: payments by verdict, and sums by currency.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::cli::output::{Out, Tone};
use crate::cli::report::{Found, Report, counted};
use crate::domain::amount::SHOWN_MAX;
use crate::domain::{
    Currency, Expectation, Expected, PaymentState, PaymentVerdict, ProblemKind, Total, inert,
};

/// A sum, cut where a provider's amounts made it too long.
fn shown(sum: &impl Display) -> String {
    inert::cut(&sum.to_string(), SHOWN_MAX)
}

#[derive(Default)]
pub struct Summary {
    verdicts: BTreeMap<PaymentVerdict, u64>,
    not_found: u64,
    unknown: u64,
    /// Rows that cannot be parsed.
    pub bad: u64,
    /// Rows that repeat an earlier row.
    pub repeated: u64,
    /// Rows with a saved result.
    pub saved: u64,
    /// Rows that are not as expected.
    failed: u64,
    money: BTreeMap<Currency, Money>,
    /// FINALIZED and expected amounts that could not be added.
    uncounted: u64,
    /// Rows whose sum differs from the ledger's, where only a state is expected: this fails nothing.
    pub state_only_differences: u64,
    differs_from_saved: u64,
    first_difference: Option<String>,
}

#[derive(Default)]
struct Money {
    expected: Total,
    received: Total,
    /// The part of the received sum without an expected amount.
    uncompared: Total,
    /// Underpaid payments: their number, expected and received sums.
    less: u64,
    less_expected: Total,
    less_received: Total,
}

impl Summary {
    pub fn add(&mut self, report: &Report, as_expected: bool) {
        match &report.found {
            Found::Payment(payment) => {
                let verdict = payment.verdict(report.expected.as_ref());
                *self.verdicts.entry(verdict).or_default() += 1;
                if payment.state == PaymentState::Finalized {
                    match (payment.amount.read(), payment.currency.read()) {
                        (Some(amount), Some(currency)) => {
                            let money = self.money.entry(currency.clone()).or_default();
                            self.uncounted += u64::from(!money.received.add(amount));
                            // Amounts that cannot be added are counted for all payments together.
                            let _ = match (verdict, &report.expected) {
                                (PaymentVerdict::NotCompared, _) => money.uncompared.add(amount),
                                (PaymentVerdict::Less, Some(expected)) => {
                                    money.less += 1;
                                    money.less_received.add(amount)
                                        && money.less_expected.add(&expected.amount)
                                }
                                _ => true,
                            };
                        }
                        (None, _) | (_, None) => self.uncounted += 1,
                    }
                }
            }
            Found::Failed(problem) if problem.kind == ProblemKind::NotFound => self.not_found += 1,
            Found::Failed(_) | Found::NotSeen => {
                // It was not checked, so its expected amount does not count either.
                self.unknown += 1;
                return;
            }
        }
        self.failed += u64::from(!as_expected);
        if let Some(expected) = &report.expected {
            let money = self.money.entry(expected.currency.clone()).or_default();
            self.uncounted += u64::from(!money.expected.add(&expected.amount));
        }
    }

    pub fn add_differs_from_saved(&mut self, row: &str, ledger: &Expectation, list: &Expected) {
        self.differs_from_saved += 1;
        self.first_difference
            .get_or_insert_with(|| format!("{row}: saved {ledger}, list {list}"));
    }

    pub fn rows(&self) -> u64 {
        self.payments() + self.bad + self.repeated
    }

    fn payments(&self) -> u64 {
        self.verdicts.values().sum::<u64>() + self.not_found + self.unknown
    }

    pub fn print(&self, out: &Out) {
        let verdicts = self.verdicts.iter();
        let mut counts: Vec<String> = verdicts
            .map(|(verdict, count)| format!("{count} {}", verdict.as_str().replace('_', " ")))
            .collect();
        let others = [(self.not_found, "not found"), (self.unknown, "unknown")];
        let others = others.into_iter().filter(|(count, _)| *count > 0);
        counts.extend(others.map(|(count, word)| format!("{count} {word}")));
        if self.bad > 0 {
            counts.push(format!("{}, not checked", counted(self.bad, "bad row")));
        }
        let counts = if counts.is_empty() {
            "nothing was checked".into()
        } else {
            counts.join(", ")
        };
        out.say(&format!(
            "{}: {counts}",
            counted(self.payments(), "payment")
        ));
        for (currency, money) in &self.money {
            out.say(&format!(
                "{currency}: expected {}, received {}, difference {}",
                shown(&money.expected),
                shown(&money.received),
                shown(&money.received.difference(&money.expected))
            ));
            if money.uncompared != Total::default() {
                let words = format!(
                    "{currency}: {} of this had no expected amount",
                    shown(&money.uncompared)
                );
                out.say(&words);
            }
            if money.less > 0 {
                let missing = shown(&money.less_received.difference(&money.less_expected));
                let payments = counted(money.less, "underpaid payment");
                let words = format!("{currency}: {missing} in {payments}");
                out.warn(&words);
            }
        }
        if self.uncounted > 0 {
            let amounts = counted(self.uncounted, "amount");
            out.warn(&format!("the sums exclude {amounts} that cannot be added"));
        }
        if self.saved > 0 {
            out.say(&format!(
                "{} taken from the --resume file",
                counted(self.saved, "result")
            ));
        }
        if let Some(first) = &self.first_difference {
            let payments = counted(self.differs_from_saved, "payment");
            let words = format!(
                "the saved expected amount differs from the list for {payments}; the check uses the list (first: {first})"
            );
            out.warn(&words);
        }
        if self.state_only_differences > 0 {
            let payments = counted(self.state_only_differences, "payment");
            let words = format!(
                "the saved expected amount differs for {payments}; --expect compares the state only"
            );
            out.warn(&words);
        }
        if self.failed > 0 {
            let words = format!("{} not as expected", counted(self.failed, "payment"));
            out.message(Tone::Warn, "expectation:", &words);
        }
    }
}
