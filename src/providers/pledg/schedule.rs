//! Reads a payment schedule: the payments of each solution, and their fees (`docs/providers/pledg.md#schedules`).
//! Pure.

use super::wire::{self, Solution};
use crate::domain::amount::Cents;
use crate::domain::{Column, Digest};
use crate::net::redact;

/// Whether a call to `path` simulates a schedule.
pub fn is_schedule_call(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    path.trim_end_matches('/')
        .ends_with("/simulate_payment_schedule")
}

/// The schedule as a table; `None` where the answer is not one, or its sums overflow.
pub fn digest(body: &[u8]) -> Option<Digest> {
    let solutions = wire::solutions(body)?;
    let mut digest = Digest {
        columns: vec![
            Column::word("payment"),
            Column::word("date"),
            Column::number("amount"),
            Column::number("fees"),
            Column::number("to pay"),
        ],
        note: "fees come on top: to pay = amount + fees. The answer has no currency; Pledg's default is EUR",
        ..Digest::default()
    };
    let mut titles = Vec::new();
    for solution in &solutions {
        titles.push(add(&mut digest.rows, solution)?);
    }
    digest.title = match titles.as_slice() {
        [] => "no payment solution".into(),
        [one] => one.clone(),
        several => format!("{} payment solutions", several.len()),
    };
    Some(digest)
}

/// Adds the rows of one solution, its sums last, and returns a one-line summary.
fn add(rows: &mut Vec<Vec<String>>, solution: &Solution) -> Option<String> {
    let (mut amounts, mut fees) = (Cents(0), Cents(0));
    let count = solution.parts.len();
    for (at, part) in solution.parts.iter().enumerate() {
        rows.push(vec![
            format!("{} {}/{count}", solution.kind, at + 1),
            redact::scrub(&part.payment_date).into_owned(),
            part.amount_cents.euros(),
            part.fees.euros(),
            // Fees come on top (`docs/providers/pledg.md#schedules`); a sum that overflows makes no table.
            part.amount_cents.plus(part.fees)?.euros(),
        ]);
        amounts = amounts.plus(part.amount_cents)?;
        fees = fees.plus(part.fees)?;
    }
    let whole = amounts.plus(fees)?.euros();
    rows.push(vec![
        format!("{} sum", solution.kind),
        String::new(),
        amounts.euros(),
        fees.euros(),
        whole.clone(),
    ]);
    let rate = solution.taeg.as_deref();
    let rate = rate.map_or_else(String::new, |taeg| {
        format!(", TAEG {} %", redact::scrub(taeg))
    });
    Some(format!(
        "{} in {count}: {whole} to pay{rate}",
        solution.kind
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The documented answer.
    const INSTALLMENT: &str = r#"{"INSTALLMENT":[{"amount_cents":68,"fees":2,"payment_date":"2021-12-17"},{"amount_cents":66,"fees":0,"payment_date":"2022-01-17"},{"amount_cents":66,"fees":0,"payment_date":"2022-02-17"}],"debit_rate":23.1,"taeg":23.1}"#;

    fn rows(text: &str) -> Vec<String> {
        let digest = digest(text.as_bytes()).unwrap();
        assert!(
            digest
                .rows
                .iter()
                .all(|row| row.len() == digest.columns.len())
        );
        digest.rows.iter().map(|row| row.join(" | ")).collect()
    }

    // docs/providers/pledg.md#schedules
    #[test]
    fn fees_come_on_top_of_the_first_payment_and_the_sums_are_right() {
        assert_eq!(
            rows(INSTALLMENT),
            [
                "INSTALLMENT 1/3 | 2021-12-17 | 0.68 EUR | 0.02 EUR | 0.70 EUR",
                "INSTALLMENT 2/3 | 2022-01-17 | 0.66 EUR | 0.00 EUR | 0.66 EUR",
                "INSTALLMENT 3/3 | 2022-02-17 | 0.66 EUR | 0.00 EUR | 0.66 EUR",
                "INSTALLMENT sum |  | 2.00 EUR | 0.02 EUR | 2.02 EUR",
            ]
        );
        assert_eq!(
            digest(INSTALLMENT.as_bytes()).unwrap().title,
            "INSTALLMENT in 3: 2.02 EUR to pay, TAEG 23.1 %"
        );
    }

    #[test]
    fn a_deferred_payment_is_one_part_and_a_company_has_several_solutions() {
        let deferred = r#"{"DEFERRED":{"amount_cents":1050,"fees":5,"payment_date":"2022-01-16"}}"#;
        assert_eq!(
            rows(deferred),
            [
                "DEFERRED 1/1 | 2022-01-16 | 10.50 EUR | 0.05 EUR | 10.55 EUR",
                "DEFERRED sum |  | 10.50 EUR | 0.05 EUR | 10.55 EUR",
            ]
        );
        let company = format!(r#"{{"items":[{INSTALLMENT},{deferred}]}}"#);
        assert_eq!(rows(&company).len(), 6);
        assert_eq!(
            digest(company.as_bytes()).unwrap().title,
            "2 payment solutions"
        );
    }

    #[test]
    fn what_is_no_schedule_is_not_read_as_one() {
        for other in [
            "",
            "{}",
            r#"{"INSTALLMENT":[{"amount_cents":68.5,"payment_date":"2021-12-17"}]}"#,
            r#"{"INSTALLMENT":[{"amount_cents":"68","payment_date":"2021-12-17"}]}"#,
            r#"{"INSTALLMENT":[{"amount_cents":9223372036854775807,"fees":1,"payment_date":"2021-12-17"}]}"#,
            r#"{"items":{"INSTALLMENT":[]}}"#,
            r#"{"items":[{"SPLIT":[]}]}"#,
        ] {
            assert_eq!(digest(other.as_bytes()), None, "{other}");
        }
        assert!(is_schedule_call(
            "/api/users/me/merchants/mer_1/simulate_payment_schedule?x=1"
        ));
        assert!(!is_schedule_call("/api/purchase_link/"));
    }
}
