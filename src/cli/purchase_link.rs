//! `purchase-link`: the signed link to the payer's purchase page.

use super::link::{self, TooLong};
use super::prelude::*;
use super::request::Body;
use crate::domain::Secret;

/// Sign a purchase and print the link to the payer's page (Pledg). Sends nothing.
#[derive(Debug, Args)]
pub struct PurchaseLink {
    /// The Pledg account whose `merchant_secret` signs the purchase.
    #[arg(value_name = "ACCOUNT")]
    account_name: String,
    /// The purchase as JSON, `{"data": {"merchantUid": "mer_…", "amountCents": 2000, …}}`:
    /// text, @FILE, or - for stdin.
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    data: String,
    /// Also print the link as a QR code.
    #[arg(long)]
    qr: bool,
}

impl DeckCommand for PurchaseLink {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let (account, signed) = self.sign(cx.deck).await?;
        // Printed whole, with its signature: the link is meant for the payer.
        let url = signed.expose();
        let qr = link::qr(url, self.qr).map_err(|TooLong| {
            usage(
                format!(
                    "account {account}: the link is too long for a QR code ({} characters)",
                    url.len()
                ),
                "omit --qr, or shorten the purchase's data",
            )
        })?;
        let fields = json!({ "account": account, "url": url });
        link::print(fields, url, qr, cx.out)?;
        Ok(Exit::Done)
    }
}

impl PurchaseLink {
    async fn sign(&self, deck: &Deck) -> Result<(AccountId, Secret), Problem> {
        let ability = Some(Ability::PurchaseLinks);
        let account = deck.pick(Some(&self.account_name), ability)?.id;
        let data = Body::Data(self.data.clone()).read().await?;
        let data = String::from_utf8(data.unwrap_or_default())
            .map_err(|_| usage("--data is not UTF-8 text", "pass the purchase as JSON"))?;
        let link = deck.purchase_link(&account, &data).await?;
        Ok((account, link))
    }
}
