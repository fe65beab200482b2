//! `purchase-link`: the signed link to the page where a payer makes a purchase.

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
    // It is made to be given to the payer, signature and all.
    let url = signed.expose();
    let Ok(qr) = link::qr(url, args.qr) else {
        return out.fail(&Problem::new(
            ProblemKind::Usage,
            format!(
                "account {}: the link is too long for a QR code ({} characters)",
                account.id,
                url.len()
            ),
            "leave out --qr, or shorten the purchase's data",
        ));
    };
    let fields = json!({ "account": account.id, "url": url });
    link::print(fields, url, qr, out)?;
    Ok(Exit::Done)
}

async fn build(args: &PurchaseLink, deck: &Deck) -> Result<(Account, Secret), Problem> {
    let account = deck.pick(Some(&args.of), Some(Ability::PurchaseLinks))?;
    let given = Body::Data(args.data.clone());
    let read = tokio::task::spawn_blocking(move || given.read()).await;
    let data = read.map_err(|_| super::prompt::interrupted())??;
    let data = String::from_utf8(data.unwrap_or_default()).map_err(|_| {
        let message = "--data is not UTF-8 text";
        Problem::new(ProblemKind::Usage, message, "give the purchase as JSON")
    })?;
    let link = deck.purchase_link(&account.id, &data).await?;
    Ok((account, link))
}
