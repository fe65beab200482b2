//! What becomes of a check: of the operator, of a poll, or of a callback.

use std::sync::Arc;

use super::State;
use super::watchlist::{again, notice};
use crate::domain::payment::about;
use crate::domain::{
    AccountId, CheckedPayment, Exchange, Observation, Payment, Problem, ProblemKind, Tone, Watch,
};
use crate::tui::msg::{Notice, WatchKey};
use crate::tui::prelude::*;
use crate::tui::store::Purpose;
use crate::tui::watched::{Change, Watched};

/// The size of the watch list up to which a callback adds any payment; beyond it, only one that needs attention and is
/// checked no more. A sender of forged callbacks must not be able to make the console check an endless list.
const WATCHED_MAX: usize = 100;

/// Applies the result of a check. A new final state gives a notice and rings the bell.
pub(super) fn checked(
    key: &WatchKey,
    result: Result<Payment, Problem>,
    ctx: &mut UpdateContext<'_>,
) {
    let (account, id) = key;
    judge(account, &result, ctx);
    let before = ctx.store.answered_at(account);
    let Some(watched) = ctx.store.payment_mut(account, id) else {
        return;
    };
    let was_over = watched.is_over();
    if let Err(problem) = &result
        && was_over
    {
        watched.cancelled(ctx.now);
        let text = format!("cannot check {id} again: {}", problem.describe());
        ctx.flash(Level::Warning, text);
        return;
    }
    let change = watched.apply(result, ctx.now);
    let is_answered = watched.failure.is_none();
    // Nothing else on the screen would answer the operator.
    if was_over
        && change == Change::Nothing
        && let Some(payment) = watched.latest()
    {
        let text = format!("checked {id} again: still {}", payment.state.as_str());
        ctx.flash(Level::Info, text);
    }
    if is_answered {
        ctx.store.wake_failed(account, before, ctx.now);
    }
    changed(key, change, ctx);
}

/// The request is signed, so its result also proves or disproves the credentials.
fn judge(account: &AccountId, result: &Result<Payment, Problem>, ctx: &mut UpdateContext<'_>) {
    let verifying = ctx.store.request_for(account, &Purpose::Verify).is_some();
    match result {
        Ok(_) if !verifying => ctx.store.judge(account, Ok(()), ctx.now),
        // Kanga looks a payment up after it has verified the signature.
        Err(problem) if !verifying && problem.kind == ProblemKind::NotFound => {
            ctx.store.judge(account, Ok(()), ctx.now);
        }
        Err(problem) if !verifying && problem.kind == ProblemKind::Refused => {
            ctx.store.judge(account, Err(problem), ctx.now);
        }
        _ => {}
    }
}

fn changed(key: &WatchKey, change: Change, ctx: &mut UpdateContext<'_>) {
    if change != Change::Ended {
        return;
    }
    if let Some(watched) = ctx.store.payment_mut(&key.0, &key.1) {
        let (_, words) = watched.explain();
        let notice = Notice {
            level: level(watched),
            about: watched.about(),
            text: format!("{}: {words}", key.1),
        };
        let is_alert = watched.needs_attention();
        ctx.store.notice(notice, ctx.now);
        // An alert is notified by itself.
        if !is_alert {
            ctx.out.push(Effect::Bell);
        }
    }
}

/// The level of a notice about a payment. One that says `DO NOT DELIVER` is at least a warning.
fn level(watched: &Watched) -> Level {
    let tone = watched.latest().map(|it| it.tone(watched.expected()));
    match tone {
        Some(Tone::Bad) => Level::Error,
        Some(Tone::Dim) => Level::Warning,
        Some(Tone::Warn) if watched.is_final() || watched.needs_attention() => Level::Warning,
        _ => Level::Info,
    }
}

/// Takes over what other programs that share the ledger have found: states, and checks that need not be made again.
pub(super) fn shared(
    exchanges: &[Arc<Exchange>],
    observations: &[(AccountId, Observation)],
    ctx: &mut UpdateContext<'_>,
) {
    for (account, seen) in observations {
        let key = (account.clone(), seen.payment.id.clone());
        let now = ctx.now;
        if let Some(watched) = ctx.store.payment_mut(&key.0, &key.1) {
            let change = watched.observed(seen, now);
            changed(&key, change, ctx);
        }
    }
    for exchange in exchanges {
        ctx.store.checked_elsewhere(exchange, ctx.now, ctx.out);
    }
}

impl State {
    /// The result of a check that a callback caused. A confirmed payment goes on the watch list.
    pub(super) fn checked_after_callback(
        &mut self,
        found: &CheckedPayment,
        ctx: &mut UpdateContext<'_>,
    ) {
        let key = (found.account.clone(), found.id.clone());
        let (account, id) = &key;
        if let Some(watched) = ctx.store.payment_mut(account, id) {
            if !found.here {
                // It comes with the observations.
                return;
            }
            // A check of the console may be in progress and has its own response.
            let asking = watched.asking;
            checked(&key, found.result.clone(), ctx);
            if let Some(watched) = ctx.store.payment_mut(account, id) {
                watched.asking = asking;
            }
        } else if let Ok(payment) = &found.result {
            if found.here {
                judge(account, &found.result, ctx);
            }
            let watch = Watch {
                expected: found.expected.clone(),
                ..Watch::new(account.clone(), id.clone(), ctx.now.wall)
            };
            self.watch_reported(watch, payment.clone(), ctx);
        }
    }

    /// Watches the payment of a callback, after the provider confirmed it. One that the operator removed is added again only
    /// if it has ended since.
    fn watch_reported(&self, watch: Watch, payment: Payment, ctx: &mut UpdateContext<'_>) {
        let key = (watch.account.clone(), watch.id.clone());
        let (account, id) = &key;
        let is_over = payment.state.is_final();
        let is_off = |(off, state): &(WatchKey, Option<Payment>)| {
            *off == key && (!is_over || state.as_ref() == Some(&payment))
        };
        if ctx.store.known(account).is_none() || self.off.iter().any(is_off) {
            return;
        }
        let expected = watch.expected.as_ref().map(|expected| &expected.sum);
        let is_wrong = is_over && payment.needs_attention(expected);
        if ctx.store.payments.len() >= WATCHED_MAX && !is_wrong {
            let text = format!(
                "callback for {id}: not watched, because the watch list already has {WATCHED_MAX} payments"
            );
            notice("watch list", Level::Info, text, ctx);
            return;
        }
        ctx.out.push(Effect::Watch(again(&watch)));
        let watched = Watched::reported(watch, ctx.now);
        ctx.store.payments.insert(0, watched);
        let Some(watched) = ctx.store.payment_mut(account, id) else {
            return;
        };
        watched.apply(Ok(payment), ctx.now);
        let is_alert = watched.needs_attention();
        let (_, words) = watched.explain();
        let level = level(watched);
        let text = format!("callback for {id}, now watched: {words}");
        notice(&about(account, id), level, text, ctx);
        if is_over && !is_alert {
            ctx.out.push(Effect::Bell);
        }
    }
}
