//! Amounts in hundredths that a request body has, as people write them: 1999 beside EUR is 19.99 EUR.

use serde_json::Value;

use super::amount::Cents;

const MOST: usize = 4;

/// The amounts of a body that are in cents: an integer named `…_cents` (Pledg), or an integer `amount` beside a `currency`
/// (Kinguin); each as in "19.99 EUR". Of many, the first ones and `…`.
#[must_use]
pub fn amounts(body: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_str(body) {
        collect(&value, &mut found);
    }
    if found.len() > MOST {
        "…".clone_into(&mut found[MOST]);
    }
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let currency = fields.get("currency").and_then(Value::as_str);
            for (name, field) in fields {
                let unit = match currency {
                    Some(currency) if name == "amount" => format!(" {currency}"),
                    _ if name.ends_with("_cents") => String::new(),
                    _ => {
                        collect(field, found);
                        continue;
                    }
                };
                if let Some(cents) = field.as_i64()
                    && found.len() <= MOST
                {
                    found.push(format!("{}{unit}", Cents(cents)));
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
            (r#"{"amount": "19.50", "currency": "EUR"}"#, &[]),
            (r#"{"amount": 19.5, "currency": "EUR"}"#, &[]),
            (r#"{"amount": 19}"#, &[]),
            ("{", &[]),
            ("", &[]),
        ] {
            assert_eq!(amounts(body), wanted, "{body}");
        }
    }
}
