//! `purchase-link`: the signed link to the payer's purchase page.

use serde_json::json;

use super::args::PurchaseLink;
use super::output::{Out, OutputError};
use super::request::Body;
use super::{Exit, link};
use crate::deck::Deck;
use crate::domain::{Ability, Account, Problem, ProblemKind, Secret};

pub async fn run(args: &PurchaseLink, deck: &Deck, out: &Out) -> Result<Exit, OutputError> {
    let (account, signed) = match build(args, deck).await {
        Ok(built) => built,
        Err(problem) => return out.fail(&problem),
    };
    // Printed whole, with its signature: the link is meant for the payer.
    let url = signed.expose();
    let Ok(qr) = link::qr(url, args.qr) else {
        return out.fail(&Problem::new(
            ProblemKind::Usage,
            format!(
                "account {}: the link is too long for a QR code ({} characters)",
                account.id,
                url.len()
            ),
            "omit --qr, or shorten the purchase's data",
        ));
    };
    let fields = json!({ "account": account.id, "url": url });
    link::print(fields, url, qr, out)?;
    Ok(Exit::Done)
}

async fn build(args: &PurchaseLink, deck: &Deck) -> Result<(Account, Secret), Problem> {
    let account = deck.pick(Some(&args.account_name), Some(Ability::PurchaseLinks))?;
    let body = Body::Data(args.data.clone());
    let read = tokio::task::spawn_blocking(move || body.read()).await;
    let data = read.map_err(|_| super::prompt::interrupted())??;
    let data = String::from_utf8(data.unwrap_or_default()).map_err(|_| {
        let message = "--data is not UTF-8 text";
        Problem::new(ProblemKind::Usage, message, "pass the purchase as JSON")
    })?;
    let link = deck.purchase_link(&account.id, &data).await?;
    Ok((account, link))
}
