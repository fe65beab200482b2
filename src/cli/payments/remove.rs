//! `payments remove`: stops watching payments, even if their accounts are no longer configured.

use super::{must_keep_payments, selection};
use crate::cli::prelude::*;
use crate::cli::values::payment_id;
use crate::domain::Watch;

/// Stop watching payments. Their history and expected amounts stay saved.
#[derive(Debug, Args)]
pub struct RemovePayments {
    /// The shop's payment ids.
    #[arg(required = true, value_parser = payment_id, value_name = "ID")]
    ids: Vec<PaymentId>,
}

impl DeckCommand for RemovePayments {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        must_keep_payments(cx.deck)?;
        let (watches, account) = selection(cx).await?;
        let mut exit = Exit::Done;
        for id in &self.ids {
            let removed = async {
                let account = watching(id, account.as_ref(), &watches)?;
                // Another tilldeck may have removed it in the meantime.
                if !cx.deck.unwatch(account, id).await? {
                    return Err(not_watched(id).into());
                }
                let object = json!({ "account": account, "id": id, "watched": false });
                cx.out
                    .result(&object, &format!("no longer watched: {id}"))?;
                Ok(Exit::Done)
            };
            exit = exit.and(cx.out.settle(removed.await)?);
        }
        Ok(exit)
    }
}

fn watching<'a>(
    id: &PaymentId,
    account: Option<&AccountId>,
    watches: &'a [Watch],
) -> Result<&'a AccountId, Problem> {
    let mut owners = watches
        .iter()
        .filter(|watch| watch.id == *id && account.is_none_or(|account| watch.account == *account))
        .map(|watch| &watch.account);
    match (owners.next(), owners.next()) {
        (None, _) => Err(not_watched(id)),
        (Some(owner), None) => Ok(owner),
        (Some(first), Some(second)) => Err(usage(
            format!("payment {id} is watched in the accounts {first} and {second}"),
            "choose one with --account",
        )),
    }
}

fn not_watched(id: &PaymentId) -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        format!("payment {id} is not watched"),
        "`tilldeck payments list` shows all watched payments",
    )
}
