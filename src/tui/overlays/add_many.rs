//! The form that chooses the account of several pasted payments.

use super::form_window::{FormState, FormWindow, WindowText};
use crate::domain::{Ability, AccountId, Expected, PaymentId};
use crate::tui::pasted::Pasted;
use crate::tui::prelude::*;
use crate::tui::widgets::text::counted;

/// The most payments that the form names.
const LISTED: usize = 5;

#[derive(Debug, Clone)]
pub struct PastedPayments {
    pasted: Pasted,
}

pub type State = FormState<PastedPayments>;

impl State {
    pub fn of(accounts: Vec<AccountId>, at: usize, pasted: Pasted) -> Self {
        Self::new(
            Form::about(Vec::new(), accounts, at),
            PastedPayments { pasted },
        )
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "watch";

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let rows = &self.data.pasted.rows;
        let sums = rows.iter().filter(|(_, sum)| sum.is_some()).count();
        let skipped = self.data.pasted.skipped();
        let note = format!(
            "{}, {sums} with an expected amount: {}{}",
            counted(rows.len(), "payment"),
            listed(rows),
            skipped.map_or_else(String::new, |it| format!("; {it}"))
        );
        WindowText::new("Watch the pasted payments", note, ctx.store.is_live())
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(account) = self.form.account().cloned() {
            let pasted = std::mem::take(&mut self.data.pasted);
            ctx.intend(Intent::WatchMany(account, pasted));
        }
    }
}

/// The first payments with their amounts: `A-1 25.00 EMT, A-2, and 7 more`.
fn listed(rows: &[(PaymentId, Option<Expected>)]) -> String {
    let shown = rows.iter().take(LISTED).map(|(id, sum)| match sum {
        Some(sum) => format!("{id} {sum}"),
        None => id.to_string(),
    });
    let more = rows.len().saturating_sub(LISTED);
    let more = (more > 0).then(|| format!("and {more} more"));
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

/// Watches several pasted payments, at `account` or at the selected payment's account. With several accounts, a form
/// asks for the account.
pub fn watch(pasted: Pasted, account: Option<&AccountId>, ctx: &mut UpdateContext<'_>) {
    let (accounts, at) = ctx.store.accounts_with(Ability::Payments);
    let mut all = accounts.iter();
    let at = all.position(|id| Some(id) == account).unwrap_or(at);
    match accounts.as_slice() {
        [] => ctx.store.none_can(Ability::Payments),
        [only] => ctx.intend(Intent::WatchMany(only.clone(), pasted)),
        _ => ctx.open(State::of(accounts, at, pasted)),
    }
}
