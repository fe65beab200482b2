//! Reads a payment schedule: the payments of each solution, and their fees (`docs/providers/pledg.md#schedules`).
//! Pure.

use serde_json::Value;

use crate::domain::amount::Cents;
use crate::domain::raw_path::without_query;
use crate::domain::{Column, Digest};
use crate::net::redact;

/// Whether a call to `path` simulates a schedule.
pub fn is_schedule_call(path: &str) -> bool {
    without_query(path)
        .trim_end_matches('/')
        .ends_with("/simulate_payment_schedule")
}

/// The schedule as a table; `None` where the answer is not one, or its sums overflow.
pub fn digest(body: &[u8]) -> Option<Digest> {
    let body: Value = serde_json::from_slice(body).ok()?;
    // Of one solution, or of all of a company's.
    let solutions = match &body["items"] {
        Value::Array(items) => items.as_slice(),
        Value::Null => std::slice::from_ref(&body),
        _ => return None,
    };
    let mut digest = Digest {
        columns: vec![
            Column::word("payment"),
            Column::word("date"),
            Column::number("amount"),
            Column::number("fees"),
            Column::number("to pay"),
        ],
        note: "fees come on top: to pay = amount + fees. The answer names no currency",
        ..Digest::default()
    };
    let mut titles = Vec::new();
    for solution in solutions {
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
fn add(rows: &mut Vec<Vec<String>>, solution: &Value) -> Option<String> {
    let mut kinds = ["INSTALLMENT", "DEFERRED"].into_iter();
    let (kind, parts) = kinds.find_map(|kind| {
        // The provider's own plug-ins accept upper and lower case.
        let found = solution.get(kind);
        let found = found.or_else(|| solution.get(kind.to_ascii_lowercase()));
        Some((kind, found?))
    })?;
    let parts = match parts {
        Value::Array(parts) => parts.as_slice(),
        Value::Object(_) => std::slice::from_ref(parts),
        _ => return None,
    };
    let (mut amounts, mut all_fees) = (Cents(0), Cents(0));
    let count = parts.len();
    for (at, part) in parts.iter().enumerate() {
        let amount = Cents(part["amount_cents"].as_i64()?);
        let fees = match &part["fees"] {
            Value::Null => Cents(0),
            fees => Cents(fees.as_i64()?),
        };
        rows.push(vec![
            format!("{kind} {}/{count}", at + 1),
            redact::scrub(part["payment_date"].as_str()?).into_owned(),
            amount.to_string(),
            fees.to_string(),
            // Fees come on top (`docs/providers/pledg.md#schedules`); a sum that overflows makes no table.
            amount.plus(fees)?.to_string(),
        ]);
        amounts = amounts.plus(amount)?;
        all_fees = all_fees.plus(fees)?;
    }
    let whole = amounts.plus(all_fees)?.to_string();
    rows.push(vec![
        format!("{kind} sum"),
        String::new(),
        amounts.to_string(),
        all_fees.to_string(),
        whole.clone(),
    ]);
    // The yearly rate (taux annuel effectif global), by its own text.
    let rate = solution["taeg"].as_number();
    let rate = rate.map_or_else(String::new, |taeg| {
        format!(", TAEG {} %", redact::scrub(taeg.as_str()))
    });
    Some(format!("{kind} in {count}: {whole} to pay{rate}"))
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
                "INSTALLMENT 1/3 | 2021-12-17 | 0.68 | 0.02 | 0.70",
                "INSTALLMENT 2/3 | 2022-01-17 | 0.66 | 0.00 | 0.66",
                "INSTALLMENT 3/3 | 2022-02-17 | 0.66 | 0.00 | 0.66",
                "INSTALLMENT sum |  | 2.00 | 0.02 | 2.02",
            ]
        );
        assert_eq!(
            digest(INSTALLMENT.as_bytes()).unwrap().title,
            "INSTALLMENT in 3: 2.02 to pay, TAEG 23.1 %"
        );
    }

    #[test]
    fn a_deferred_payment_is_one_part_and_a_company_has_several_solutions() {
        let deferred = r#"{"DEFERRED":{"amount_cents":1050,"fees":5,"payment_date":"2022-01-16"}}"#;
        assert_eq!(
            rows(deferred),
            [
                "DEFERRED 1/1 | 2022-01-16 | 10.50 | 0.05 | 10.55",
                "DEFERRED sum |  | 10.50 | 0.05 | 10.55",
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
    fn fees_that_are_missing_or_null_are_none() {
        for fees in ["", r#""fees":null,"#] {
            let part = format!(r#"{{"amount_cents":68,{fees}"payment_date":"2021-12-17"}}"#);
            let schedule = format!(r#"{{"installment":[{part}]}}"#);
            let first = "INSTALLMENT 1/1 | 2021-12-17 | 0.68 | 0.00 | 0.68";
            assert_eq!(rows(&schedule)[0], first, "{fees}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_not_read_as_one() {
        for other in [
            "",
            "{}",
            r#"{"INSTALLMENT":[{"amount_cents":68.5,"payment_date":"2021-12-17"}]}"#,
            r#"{"INSTALLMENT":[{"amount_cents":"68","payment_date":"2021-12-17"}]}"#,
            r#"{"INSTALLMENT":[{"amount_cents":9223372036854775807,"fees":1,"payment_date":"2021-12-17"}]}"#,
            r#"{"INSTALLMENT":[{"amount_cents":68,"fees":"2","payment_date":"2021-12-17"}]}"#,
            r#"{"INSTALLMENT":[{"amount_cents":68}]}"#,
            r#"{"INSTALLMENT":7}"#,
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
