//! The result for one payment as table cells, a JSON object or a CSV record.

use serde_json::Value;

use super::prelude::*;
use crate::domain::{PAYMENT_ID_MAX, Payment, PaymentReport, PaymentVerdict};
use crate::net::redact;

/// The columns of a CSV result, before those of the checked list.
pub const COLUMNS: [&str; 14] = [
    "id",
    "account",
    "state",
    "verdict",
    "paid",
    "final",
    "amount",
    "currency",
    "expected_amount",
    "expected_currency",
    "difference",
    "checked_at",
    "error",
    "profile",
];

pub const HEADS: [&str; 6] = [
    "",
    "state, verdict",
    "        amount",
    "payment",
    "account",
    "",
];

/// The verdict of a payment that the provider does not know.
pub const NOT_FOUND: &str = "not_found";
/// The verdict of a payment that could not be checked.
pub const UNKNOWN: &str = "unknown";

#[derive(Debug, Clone)]
pub enum Found {
    Payment(Payment),
    Failed(Problem),
    /// The payment was never checked.
    NotSeen,
}

#[derive(Debug, Clone)]
pub struct Report {
    pub account: AccountId,
    /// Its id; in a list it may be invalid.
    pub id: String,
    /// Its line in the list.
    pub line: Option<u64>,
    pub found: Found,
    pub expected: Option<Expected>,
    /// When the provider answered.
    pub at: Option<WallTime>,
}

impl Report {
    /// The payment as the provider reported it, if it did.
    pub fn payment(&self) -> Option<&Payment> {
        match &self.found {
            Found::Payment(payment) => Some(payment),
            Found::Failed(_) | Found::NotSeen => None,
        }
    }

    pub fn verdict(&self) -> Option<PaymentVerdict> {
        let payment = self.payment()?;
        Some(payment.verdict(self.expected.as_ref()))
    }

    /// The verdict's word in CSV.
    fn verdict_word(&self) -> &'static str {
        match &self.found {
            Found::Payment(payment) => payment.verdict(self.expected.as_ref()).as_str(),
            Found::Failed(problem) if problem.kind == ProblemKind::NotFound => NOT_FOUND,
            Found::Failed(_) => UNKNOWN,
            Found::NotSeen => "",
        }
    }

    /// The difference between the received and the expected sum.
    pub fn difference(&self) -> Option<String> {
        self.payment()?.difference(self.expected.as_ref()?)
    }

    /// As JSON; null where nothing is known or expected.
    pub fn object(&self) -> Value {
        if let Found::Failed(problem) = &self.found {
            return json!({
                "account": self.account,
                "id": self.id,
                "line": self.line,
                "error": problem_json(problem),
            });
        }
        let mut fields = PaymentReport {
            account: &self.account,
            id: &self.id,
            payment: self.payment(),
            expected: self.expected.as_ref(),
        }
        .json(self.at);
        if let Some(line) = self.line {
            fields["line"] = line.into();
        }
        fields
    }

    pub fn record(&self, profile: &str) -> [String; COLUMNS.len()] {
        let payment = self.payment();
        let field = |text: fn(&Payment) -> &str| {
            payment.map_or(String::new(), |payment| {
                inert::line(text(payment)).into_owned()
            })
        };
        let sum = |text: fn(&Expected) -> &str| self.expected.as_ref().map_or("", text).to_owned();
        let yes_or_no = |is: Option<bool>| is.map(|is| is.to_string()).unwrap_or_default();
        [
            self.id.clone(),
            self.account.to_string(),
            field(|payment| payment.state.as_str()),
            self.verdict_word().to_owned(),
            yes_or_no(self.verdict().and_then(PaymentVerdict::paid)),
            yes_or_no(payment.map(|payment| payment.state.is_final())),
            field(|payment| payment.amount.as_str()),
            field(|payment| payment.currency.as_str()),
            sum(|sum| sum.amount.as_str()),
            sum(|sum| sum.currency.as_str()),
            self.difference().unwrap_or_default(),
            self.at.map(WallTime::rfc3339).unwrap_or_default(),
            match &self.found {
                Found::Failed(problem) => redact::scrub(&problem.message).into_owned(),
                Found::Payment(_) | Found::NotSeen => String::new(),
            },
            profile.to_owned(),
        ]
    }

    /// A table row, below [`HEADS`]. With `as_expected` false an expectation failed, and no cell has the color of success.
    ///
    /// Fixed widths: each row is printed as soon as it is known, and columns still line up.
    pub fn cells(&self, as_expected: bool) -> [Cell; 6] {
        let expected = self.expected.as_ref();
        let bare = |glyph, tone, words: &str| {
            (glyph, tone, words.to_owned(), String::new(), String::new())
        };
        let (glyph, tone, words, sum, note) = match &self.found {
            Found::Payment(payment) => {
                let tone = match payment.tone(expected) {
                    tone @ (Tone::Warn | Tone::Bad) => tone,
                    tone if as_expected => tone,
                    _ => Tone::Warn,
                };
                let glyph = match payment.badge(expected).0 {
                    glyph if as_expected || glyph == "✘" => glyph,
                    _ => "!",
                };
                let words = payment.verdict(expected).words();
                let note = expected
                    .filter(|_| payment.departure(expected).is_some())
                    .map(|sum| format!("expected {sum}"));
                let state = format!("{}, {words}", payment.state);
                let sum = format!("{:>14} {:<5}", payment.amount, payment.currency);
                (glyph, tone, state, sum, note.unwrap_or_default())
            }
            Found::Failed(problem) if problem.kind == ProblemKind::NotFound => {
                bare("?", Tone::Warn, "not found")
            }
            Found::Failed(problem) => {
                let message = match self.line {
                    Some(line) => format!("line {line}: {}", problem.message),
                    None => problem.message.clone(),
                };
                let words = "unknown, not checked".to_owned();
                ("?", Tone::Bad, words, String::new(), message)
            }
            Found::NotSeen => bare("·", Tone::Dim, "not checked yet"),
        };
        [
            toned(glyph, tone),
            toned(format!("{words:<31}"), tone),
            plain(format!("{sum:<20}")),
            // Only an invalid id of a list is this long; it may be cut.
            if self.id.chars().count() > PAYMENT_ID_MAX {
                toned(&self.id, Tone::Accent)
            } else {
                whole(&self.id, Tone::Accent)
            },
            toned(self.account.as_str(), Tone::Dim),
            toned(note, Tone::Dim),
        ]
    }
}

/// `1 payment`, `2 payments`.
pub fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Amount, Currency, PaymentId, PaymentState, Reported};
    use crate::tui::testing::row_and_timeline;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// One function decides, and nobody else says "paid".
        #[test]
        fn table_json_csv_pane_and_timeline_agree_on_the_verdict(
            state in prop::sample::select(vec![
                "NEW", "ACTIVE", "PROCESSING", "FINALIZING", "FINALIZED", "FINALIZED", "FINALIZED",
                "CANCELLING", "CANCELED", "FAILED", "SETTLED", "finalized",
            ]),
            amount in prop::sample::select(vec![
                "25.00", "25", "2.5E+1", "+25", "24.99", "25.01", "0E-8", "", "25,00", "-25", "1e99999", "abc",
            ]),
            currency in prop::sample::select(vec!["EMT", "emt", "BTC", "", "E M T"]),
            wanted in prop::option::of(prop::sample::select(vec![("25.00", "EMT"), ("1", "EMT"), ("25", "BTC")])),
        ) {
            let payment = Payment {
                id: PaymentId::new("A-17").unwrap(),
                currency: Reported::currency(currency),
                amount: Reported::amount(amount),
                state: PaymentState::from_word(state),
            };
            let expected = wanted.map(|(amount, currency)| Expected {
                amount: Amount::typed(amount).unwrap(),
                currency: Currency::new(currency).unwrap(),
            });
            let verdict = payment.verdict(expected.as_ref());
            let is_paid = verdict.paid() == Some(true);
            let equal = wanted.is_some_and(|(sum, code)| {
                code == currency && Amount::received(amount).ok() == Amount::received(sum).ok()
            });
            prop_assert_eq!(is_paid, state == "FINALIZED" && equal);
            let report = Report {
                account: AccountId::new("shop").unwrap(),
                id: "A-17".into(),
                line: None,
                found: Found::Payment(payment.clone()),
                expected: expected.clone(),
                at: Some(WallTime(0)),
            };
            let object = report.object();
            prop_assert_eq!(&object["verdict"], verdict.as_str());
            prop_assert_eq!(object["paid"].as_bool(), verdict.paid());
            let record = report.record("live");
            let field = |name: &str| &record[COLUMNS.iter().position(|column| *column == name).unwrap()];
            prop_assert_eq!(field("verdict"), verdict.as_str());
            let paid = verdict.paid().map(|paid| paid.to_string()).unwrap_or_default();
            prop_assert_eq!(field("paid"), &paid);
            for as_expected in [true, false] {
                let line = report.cells(as_expected).map(|cell| cell.text).join(" ");
                prop_assert!(line.contains(verdict.words()), "{line}");
                prop_assert_eq!(line.starts_with('✔'), is_paid && as_expected, "{}", line);
            }
            let (row, timeline) = row_and_timeline(&payment, expected.as_ref());
            prop_assert_eq!(row.contains("PAID"), is_paid, "{}", row);
            let (sign, words) = verdict.mark();
            prop_assert!(row.contains(&format!("{sign} {words}")), "{row}");
            prop_assert_eq!(row.contains("= as expected"), is_paid, "{}", row);
            let head = format!("PAID {}", payment.sum());
            prop_assert_eq!(timeline.contains(&head), is_paid, "{}", timeline);
            let has_verdict = verdict != PaymentVerdict::Open;
            prop_assert_eq!(timeline.contains(&format!("  {}", verdict.words())), has_verdict, "{}", timeline);
        }
    }
}
