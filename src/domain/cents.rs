//! Amounts in hundredths that a request body has, as people write them: 1999 beside EUR is 19.99 EUR.

use serde_json::Value;

use super::amount::Cents;

const MOST: usize = 4;

/// The amounts of a body that are in cents, for its confirmation: "amount 19.99 EUR", inert. Of many, the first ones and `…`.
/// `None` where there are none.
pub fn described(body: &[u8]) -> Option<String> {
    let amounts = amounts(body);
    (!amounts.is_empty()).then(|| format!("amount {}", amounts.join(", ")))
}

/// Each integer named `…_cents` or `…Cents` (Pledg), `maxBid`, or `amount` beside a `currency` (Kinguin).
fn amounts(body: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_slice(body) {
        collect(&value, &mut found);
    }
    if found.len() > MOST {
        found.truncate(MOST);
        found.push("…".to_owned());
    }
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let currency = fields.get("currency").and_then(Value::as_str);
            for (name, field) in fields {
                let currency = currency.filter(|_| name == "amount");
                let is_cents =
                    name.ends_with("_cents") || name.ends_with("Cents") || name == "maxBid";
                match field.as_i64().map(Cents) {
                    Some(cents) if is_cents || currency.is_some() => {
                        found.push(match currency {
                            None => cents.to_string(),
                            Some(currency) => cents.of(currency),
                        });
                    }
                    _ => collect(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_in_cents_are_found_wherever_they_are() {
        for (body, wanted) in [
            (
                r#"{"price": {"amount": 19, "currency": "EUR"}}"#,
                &["0.19 EUR"][..],
            ),
            (
                r#"[{"price": {"amount": 1999, "currency": "EUR"}}]"#,
                &["19.99 EUR"],
            ),
            (r#"{"amount_cents": 500}"#, &["5.00"]),
            (
                r#"[{"amount_cents": 1}, {"amount_cents": 2}, {"amount_cents": 3}, {"amount_cents": 4}, {"amount_cents": 5}]"#,
                &["0.01", "0.02", "0.03", "0.04", "…"],
            ),
            (r#"{"data": {"amountCents": 20000}}"#, &["200.00"]),
            (r#"{"maxBid": 25, "salesBoosterRenewal": false}"#, &["0.25"]),
            (
                r#"{"amount": 25, "currency": "EMT"}"#,
                &["25 EMT, as written"],
            ),
            (
                r#"{"maxBid": {"amount": 25, "currency": "EUR"}}"#,
                &["0.25 EUR"],
            ),
            (r#"{"bidCents": [{"amount_cents": 25}]}"#, &["0.25"]),
            (r#"{"amount": "19.50", "currency": "EUR"}"#, &[]),
            (r#"{"amount": 19.5, "currency": "EUR"}"#, &[]),
            (r#"{"amount": 19}"#, &[]),
            ("{", &[]),
            ("", &[]),
        ] {
            assert_eq!(amounts(body.as_bytes()), wanted, "{body}");
        }
    }
}
