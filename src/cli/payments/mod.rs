//! `payments`: the watch list without the console.

mod add;
mod change;
mod list;

use super::prelude::*;
use super::prompt::{self, can_ask};
use crate::domain::{Expectation, ExpectedBy, NewExpectation, Replaced, Watch};

use add::AddPayments;
use change::{ExpectPayment, NotePayment, RemovePayments};
use list::{ExportPayments, ListPayments};

commands! {
    /// List watched payments; add, remove, change, note or export them.
    pub enum Payments {
        List(ListPayments),
        Add(AddPayments),
        Remove(RemovePayments),
        Expect(ExpectPayment),
        Note(NotePayment),
        Export(ExportPayments),
    }
}

/// The watch list, and the account of the command line.
async fn selection(cx: &CommandContext<'_>) -> Result<(Vec<Watch>, Option<AccountId>), Problem> {
    // The simulator's payments are in memory.
    if !cx.deck.forgets_payments() {
        cx.must_read_ledger().await?;
    }
    let watches = cx.deck.watchlist().await?.watches;
    let account = cx.settings.account();
    let account = account
        .map(|name| owner(name, &watches, cx.deck))
        .transpose()?;
    Ok((watches, account))
}

/// The account of this name: a configured one, or a removed one that still has watched payments.
fn owner(name: &str, watches: &[Watch], deck: &Deck) -> Result<AccountId, Problem> {
    let is_configured = deck.accounts().any(|account| account.id.as_str() == name);
    let mut owners = watches.iter().map(|watch| &watch.account);
    match owners.find(|account| account.as_str() == name) {
        // `pick` knows only configured accounts; rows of a removed one must still be removable.
        Some(account) if !is_configured => Ok(account.clone()),
        Some(_) | None => Ok(deck.pick(Some(name), Some(Ability::Payments))?.id),
    }
}

/// Rejects a change that would be lost when this process ends.
fn must_keep_payments(deck: &Deck) -> Result<(), Problem> {
    if deck.forgets_payments() {
        return Err(usage(
            "the built-in simulator does not save its watch list",
            "choose a profile with accounts (--profile), or run `tilldeck sandbox serve` and use it in a profile",
        ));
    }
    Ok(())
}

/// Whether a payment is watched, was seen, or has an expected amount, as after `link --no-watch`.
async fn is_known(deck: &Deck, account: &AccountId, id: &PaymentId) -> Result<bool, Problem> {
    if deck.expectation(account, id).await?.is_some() {
        return Ok(true);
    }
    let watches = deck.watchlist().await?.watches;
    let mut watches = watches.iter();
    let is_watched = watches.any(|watch| watch.id == *id && watch.account == *account);
    Ok(is_watched || deck.was_seen(account, id).await?)
}

fn unknown(id: &PaymentId) -> String {
    format!("payment {id} is not watched and was never seen; check the id")
}

/// How a saved expected amount may be replaced.
#[derive(Clone, Copy)]
struct Consent {
    /// The option that allows it without a prompt.
    flag: &'static str,
    /// Whether the command line has that option.
    allowed: bool,
    /// Whether to prompt; not for a list, which has too many rows.
    may_ask: bool,
}

/// The watch list and the expected amounts of one account.
struct Book<'a> {
    account: AccountId,
    deck: &'a Deck,
    consent: Consent,
}

impl<'a> Book<'a> {
    /// The account of the command line, if it can be changed.
    fn open(cx: &CommandContext<'a>, consent: Consent) -> Result<Self, Problem> {
        let account = cx.account(Ability::Payments)?.id;
        must_keep_payments(cx.deck)?;
        Ok(Self {
            account,
            deck: cx.deck,
            consent,
        })
    }

    /// Sets the expected amount. Replaces a different one only with consent. Returns the previous one.
    async fn set(
        &self,
        id: &PaymentId,
        sum: &Expected,
        by: ExpectedBy,
    ) -> Result<Option<Expectation>, Problem> {
        let consent = self.consent;
        let set = |replaced| {
            let sum = sum.clone();
            let new = NewExpectation { sum, by, replaced };
            self.deck.expect(&self.account, id, new)
        };
        let replaced = if consent.allowed {
            Replaced::Confirmed
        } else {
            Replaced::Never
        };
        let current = match set(replaced).await? {
            Ok(before) => return Ok(before),
            Err(current) => current,
        };
        let unchanged = |current: &Expectation, hint: String| {
            let message = format!(
                "account {}: payment {id} expects {current}, not {sum}; nothing was changed",
                self.account
            );
            usage(message, hint)
        };
        if !consent.may_ask || !can_ask() {
            let why = if consent.may_ask {
                "not a terminal: "
            } else {
                ""
            };
            let hint = format!("{why}pass {} to change it", consent.flag);
            return Err(unchanged(&current, hint));
        }
        let question = format!("{id} expects {current}. Change it to {sum}? [y/N] ");
        // A "no" is reported like a missing option: nothing was changed.
        let message = unchanged(&current, String::new()).message;
        prompt::confirm(&question, &message).await?;
        // Only what was shown may be replaced: another process may change it during the prompt.
        set(Replaced::Shown(current.sum.clone()))
            .await?
            .map_err(|current| unchanged(&current, "it has changed in the meantime".into()))
    }
}
