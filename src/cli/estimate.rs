//! `estimate`: what a payer would pay in each currency.

use serde_json::{Map, json};

use super::output::{Closed, Out, Table, Tone, plain, toned};
use super::{Context, Exit, how};
use crate::deck::Deck;
use crate::domain::{Ability, Amount, Answer, Currency, Op, Reported};

pub async fn run(
    token: &Currency,
    quantity: &Amount,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, Closed> {
    let account = match deck.pick(context.account(), Some(Ability::Estimates)) {
        Ok(account) => account.id.clone(),
        Err(problem) => return out.fail(&problem),
    };
    let op = Op::Estimate {
        token: token.clone(),
        quantity: quantity.clone(),
    };
    let mut estimate = match deck.ask(&account, op, how(false)).await {
        Ok(Answer::Estimate(estimate)) => estimate,
        Ok(other) => unreachable!("an estimate is answered with prices, not {other:?}"),
        Err(problem) => return out.fail(&problem),
    };
    // The provider's order changes from call to call; a steady one can be read and compared.
    estimate
        .prices
        .sort_by(|a, b| a.currency.as_str().cmp(b.currency.as_str()));
    if out.json {
        let prices: Map<_, _> = estimate
            .prices
            .iter()
            .map(|price| (price.currency.as_str().to_owned(), json!(price.amount)))
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
    let whole = |text: &str| text.split('.').next().map_or(0, str::len);
    let widest = estimate
        .prices
        .iter()
        .map(|price| whole(price.amount.as_str()))
        .max()
        .unwrap_or(0);
    let mut table = Table::default();
    for price in &estimate.prices {
        let text = price.amount.as_str();
        // The points stand under each other.
        let aligned = format!("{}{text}", " ".repeat(widest - whole(text)));
        let note = match price.amount {
            Reported::Unread(_) => "not readable",
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
