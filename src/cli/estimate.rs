//! `estimate`: the price of a payment in each currency.

use serde_json::{Map, Value, json};

use super::output::{Out, OutputError, Table, Tone, plain, toned};
use super::{Context, Exit, request_options};
use crate::deck::Deck;
use crate::domain::{Ability, Amount, Currency, EstimateRequest, Reported};

pub async fn run(
    token: &Currency,
    quantity: &Amount,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, OutputError> {
    let account = match deck.pick(context.account(), Some(Ability::Estimates)) {
        Ok(account) => account.id.clone(),
        Err(problem) => return out.fail(&problem),
    };
    let sum = EstimateRequest {
        token: token.clone(),
        quantity: quantity.clone(),
    };
    let mut estimate = match deck.estimate(&account, &sum, request_options(false)).await {
        Ok(estimate) => estimate,
        Err(problem) => return out.fail(&problem),
    };
    // The provider's order changes with each request; sorted prices can be compared.
    estimate
        .prices
        .sort_by(|a, b| a.currency.as_str().cmp(b.currency.as_str()));
    if out.json {
        let prices: Map<_, _> = estimate
            .prices
            .iter()
            .map(|price| {
                (
                    price.currency.as_str().to_owned(),
                    as_received(&price.amount),
                )
            })
            .collect();
        out.object(&json!({
            "account": account,
            "token": estimate.token,
            "quantity": estimate.quantity,
            "prices": prices,
            "quoted_at": estimate.quoted_at.rfc3339(),
        }))?;
        return Ok(Exit::Done);
    }
    let before_point = |text: &str| text.split('.').next().map_or(0, str::len);
    let widest = estimate
        .prices
        .iter()
        .map(|price| before_point(&price.amount.to_string()))
        .max()
        .unwrap_or(0);
    let mut table = Table::default();
    for price in &estimate.prices {
        let text = price.amount.to_string();
        // Aligns the decimal points.
        let aligned = format!("{}{text}", " ".repeat(widest - before_point(&text)));
        let note = match price.amount {
            Reported::Unread(_) => "no readable price",
            Reported::Read(_) if price.currency.read() == Some(&estimate.token) => {
                "settlement currency"
            }
            Reported::Read(_) => "",
        };
        table.row([
            toned(price.currency.as_str(), Tone::Strong),
            plain(aligned),
            toned(note, Tone::Dim),
        ]);
    }
    out.say(&format!(
        "To settle {} {} at {account}, the payer pays (fee included):",
        estimate.quantity, estimate.token
    ));
    out.table(&table)?;
    Ok(Exit::Done)
}

/// A price as JSON; null where there is none.
fn as_received(price: &Reported<Amount>) -> Value {
    match price {
        Reported::Unread(text) if text.is_empty() => Value::Null,
        price => json!(price),
    }
}
