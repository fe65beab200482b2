//! `estimate`: the price of a payment in each currency.

use serde_json::{Map, Value};

use super::prelude::*;
use crate::domain::{EstimateRequest, Reported};

/// Show what a payer would pay in each currency (Kanga GET PRICE ESTIMATE).
#[derive(Debug, Args)]
pub struct Estimate {
    /// The settlement currency, such as EMT; case-sensitive.
    #[arg(value_name = "CURRENCY")]
    token: String,
    /// The amount in that currency.
    #[arg(value_name = "AMOUNT", allow_negative_numbers = true)]
    quantity: String,
    #[command(flatten)]
    format: AsCsv,
}

/// A price as CSV: each currency is a row.
const FIELDS: &str = "account,token,quantity,currency,price,quoted_at";

impl DeckCommand for Estimate {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let out = &self.format.on(cx.out);
        let sum = self.request()?;
        let account = cx.account(Ability::Estimates)?.id;
        let options = request_options(false);
        let estimate = cx
            .deck
            .send(&account, options, |client| client.estimate(&sum));
        let estimate = estimate.await?;
        if out.is_json() {
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
        let mut listing = Listing::new(out, ["currency", "price", ""], FIELDS.split(','));
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
            let object = json!({
                "account": account,
                "token": estimate.token,
                "quantity": estimate.quantity,
                "currency": price.currency.as_str(),
                "price": as_received(&price.amount),
                "quoted_at": estimate.quoted_at.rfc3339(),
            });
            let cells = [
                toned(price.currency.as_str(), Tone::Accent),
                plain(aligned),
                toned(note, Tone::Dim),
            ];
            listing.row(&object, cells)?;
        }
        out.explain(&format!(
            "To settle {} {} at {account}, the payer pays (fee included):",
            estimate.quantity, estimate.token
        ));
        listing.flush()?;
        Ok(Exit::Done)
    }
}

impl Estimate {
    /// The arguments, parsed. The hint of an error says so where the two are swapped.
    fn request(&self) -> Result<EstimateRequest, Problem> {
        let Self {
            token, quantity, ..
        } = self;
        let invalid = |message: String| {
            let swapped = Amount::typed(token).is_ok() && Currency::typed(quantity).is_ok();
            let hint = if swapped {
                format!("did you mean `estimate {quantity} {token}`?")
            } else {
                "write the settlement currency, then the amount: `estimate EMT 250`".into()
            };
            usage(message, hint)
        };
        let quantity = Amount::typed(quantity).map_err(|error| invalid(error.to_string()))?;
        let token = Currency::typed(token).map_err(|error| invalid(error.to_string()))?;
        Ok(EstimateRequest { token, quantity })
    }
}

/// A price as JSON; null where there is none.
fn as_received(price: &Reported<Amount>) -> Value {
    match price {
        Reported::Unread(text) if text.is_empty() => Value::Null,
        price => json!(price),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(token: &str, quantity: &str) -> Result<EstimateRequest, Problem> {
        let (token, quantity) = (token.to_owned(), quantity.to_owned());
        let format = AsCsv::default();
        Estimate {
            token,
            quantity,
            format,
        }
        .request()
    }

    #[test]
    fn a_sum_in_the_wrong_order_is_recognised() {
        let refusal = of("250", "EMT").unwrap_err();
        assert_eq!(refusal.hint, "did you mean `estimate EMT 250`?");
        assert!(of("EMT", "250").is_ok());
    }

    #[test]
    fn an_amount_that_is_none_is_rejected() {
        for bad in ["1e5", "-1", "1,5", "", &"9".repeat(60)] {
            let refusal = of("EMT", bad).unwrap_err();
            assert!(refusal.message.contains("amount"), "{refusal}");
        }
    }
}
