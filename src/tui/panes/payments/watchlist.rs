//! What is on the watch list: payments are added, removed, brought back, and taken over from other processes.

use std::collections::{HashMap, HashSet};

use super::{Action, State};
use crate::domain::{
    AccountId, Expectation, Expected, ExpectedBy, Observation, Problem, Watch, Watchlist,
};
use crate::tui::msg::{NewWatch, Notice, WatchKey};
use crate::tui::pasted::Pasted;
use crate::tui::prelude::*;
use crate::tui::watched::Watched;
use crate::tui::widgets::text::{and_more, counted};

/// Payments that the operator removed; of more, the oldest are forgotten.
const OFF_MAX: usize = 200;
/// Changes that can be undone.
const UNDO_MAX: usize = 20;
const NOTHING: &str = "nothing to undo";
/// Ids that a notice names.
const NAMED_MAX: usize = 3;

/// A change by the operator that can be undone.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Payments were removed, each from this place in the list.
    Removed(Vec<(usize, Watched)>),
    Added(Vec<WatchKey>),
    /// The expected amount of a payment was changed.
    Expected {
        of: WatchKey,
        before: Expected,
        after: Expected,
    },
    /// The first expected amount of a payment on the list, which the ledger does not forget.
    FirstExpected(WatchKey),
}

impl State {
    /// Adds a payment, or selects it where it is on the list, and checks it. An expected amount that is set is not
    /// overwritten here: [`Effect::Watch`] asks first where it differs.
    pub(super) fn watch(&mut self, new: NewWatch, ctx: &mut UpdateContext<'_>) {
        let added = self.put(&new, ctx);
        self.note_added(added.iter());
        ctx.store.payments.splice(0..0, added);
        self.select(&new.account, &new.id, ctx.store);
        ctx.out.push(Effect::Watch(new));
    }

    /// The payment, where it is new on the list.
    fn put(&mut self, new: &NewWatch, ctx: &mut UpdateContext<'_>) -> Option<Watched> {
        self.leaving.remove(&(new.account.clone(), new.id.clone()));
        if let Some(watched) = ctx.store.payment_mut(&new.account, &new.id) {
            // Who adds a payment again wants to know its state now.
            watched.poll_soon(ctx.now);
            return None;
        }
        // Shown once it is saved: the database may hold another expectation, which stays in force.
        let watch = Watch::new(new.account.clone(), new.id.clone(), ctx.now.wall);
        Some(Watched::new(watch, Vec::new(), ctx.now))
    }

    /// Adds all pasted payments, with one notice.
    pub(super) fn watch_all(
        &mut self,
        account: &AccountId,
        pasted: Pasted,
        ctx: &mut UpdateContext<'_>,
    ) {
        self.differing.clear();
        let (total, skipped) = (pasted.rows.len(), pasted.skipped());
        let mut added = Vec::new();
        // The newest payment is on top; the first pasted line counts as the newest.
        for (id, expected) in pasted.rows.into_iter().rev() {
            let new = NewWatch {
                account: account.clone(),
                id,
                expected,
                by: ExpectedBy::List,
            };
            added.extend(self.put(&new, ctx));
            ctx.out.push(Effect::Watch(new));
        }
        let new = added.len();
        self.note_added(added.iter());
        ctx.store.payments.splice(0..0, added.into_iter().rev());
        let mut text = format!("{} of {account} added", counted(new, "payment"));
        if new < total {
            text = format!("{text}, {} already watched", total - new);
        }
        let level = match &skipped {
            None => Level::Info,
            Some(skipped) => {
                text = format!("{text}; {skipped}");
                Level::Warning
            }
        };
        notice("pasted payments", level, text, ctx);
    }

    /// The result of [`Effect::Watch`]: returns the expectation in force, where the operator must decide between two.
    pub(super) fn watched(
        &mut self,
        new: &NewWatch,
        result: &Result<Option<Expectation>, Problem>,
        ctx: &mut UpdateContext<'_>,
    ) -> Option<Expectation> {
        if result.is_ok()
            && let Some(watched) = ctx.store.payment_mut(&new.account, &new.id)
        {
            watched.unsaved = None;
        }
        let is_undone = self.undone.remove(&(new.account.clone(), new.id.clone()));
        match result {
            Ok(None) => {
                match &new.expected {
                    Some(sum) if is_undone => {
                        let text = format!("{}: back to the expected amount {sum}", new.id);
                        ctx.store.flash(Level::Info, text);
                    }
                    _ => self.note_expected(new, ctx),
                }
                let set = new.expected.clone().map(|sum| Expectation {
                    sum,
                    by: new.by,
                    at: ctx.now.wall,
                    operator: String::new(),
                });
                if let Some(set) = set {
                    show_expectation(new, set, ctx);
                }
                None
            }
            Ok(Some(in_force)) if new.by == ExpectedBy::List => {
                self.differing.push(new.id.to_string());
                let named = self.differing.iter().take(NAMED_MAX);
                let named = named.cloned().collect::<Vec<_>>().join(", ");
                let more = and_more(self.differing.len().saturating_sub(NAMED_MAX));
                let text = format!("the earlier expected amount stays in force: {named}{more}");
                notice("expected amounts", Level::Warning, text, ctx);
                show_expectation(new, in_force.clone(), ctx);
                None
            }
            Ok(Some(in_force)) => {
                show_expectation(new, in_force.clone(), ctx);
                Some(in_force.clone())
            }
            Err(problem) => {
                if let Some(watched) = ctx.store.payment_mut(&new.account, &new.id) {
                    watched.unsaved = Some(new.clone());
                }
                notice("watch list", Level::Error, problem.describe(), ctx);
                None
            }
        }
    }

    pub(super) fn save_again(ctx: &mut UpdateContext<'_>) {
        let unsaved = ctx.store.payments.iter();
        let unsaved = unsaved.filter_map(|watched| watched.unsaved.clone());
        ctx.out.extend(unsaved.map(Effect::Watch));
    }

    /// Takes over the stored watch list, which another process may have changed.
    pub(super) fn listed(
        &mut self,
        list: Watchlist,
        seen: &[(WatchKey, Vec<Observation>)],
        ctx: &mut UpdateContext<'_>,
    ) {
        ctx.store.set_handled(list.handled);
        let (store, now) = (&mut *ctx.store, ctx.now);
        let mut seen: HashMap<WatchKey, Vec<Observation>> = seen.iter().cloned().collect();
        let mut stored: HashMap<WatchKey, Watch> = list
            .watches
            .into_iter()
            .map(|watch| ((watch.account.clone(), watch.id.clone()), watch))
            .collect();
        // A list read before a removal was saved still has the payment.
        stored.retain(|key, _| !self.leaving.contains(key) && store.known(&key.0).is_some());
        let mut gone = Vec::new();
        store.payments.retain_mut(|watched| {
            let Some(watch) = stored.remove(&watched.key()) else {
                gone.extend(watched.is_stored.then(|| watched.about()));
                // One that is being added is not on the stored list yet.
                return !watched.is_stored;
            };
            watched.is_stored = true;
            if watched.expected() != watch.expected.as_ref().map(|it| &it.sum) {
                // What was said of it was measured against another amount.
                gone.push(watched.about());
            }
            watched.watch = watch;
            // Of one that was added here, the ledger may know more.
            for seen in seen.remove(&watched.key()).iter().flatten() {
                watched.observed(seen, now);
            }
            true
        });
        for about in gone {
            store.dismiss(&about);
        }
        let mut new: Vec<Watch> = stored.into_values().collect();
        new.sort_by(|a, b| (a.since, &a.id).cmp(&(b.since, &b.id)));
        // The newest on top.
        let new = new.into_iter().rev().map(|watch| {
            let seen = seen.remove(&(watch.account.clone(), watch.id.clone()));
            Watched::stored(watch, seen.unwrap_or_default(), now)
        });
        store.payments.splice(0..0, new);
    }

    fn note_added<'w>(&mut self, added: impl Iterator<Item = &'w Watched>) {
        let keys: Vec<WatchKey> = added.map(Watched::key).collect();
        if !keys.is_empty() {
            self.note_change(Change::Added(keys));
        }
    }

    /// Notes an expected amount that takes the place of another one, or is the first one of a payment on the list.
    fn note_expected(&mut self, new: &NewWatch, ctx: &mut UpdateContext<'_>) {
        let watched = ctx.store.payment_mut(&new.account, &new.id);
        let (Some(watched), Some(after)) = (watched, new.expected.clone()) else {
            return;
        };
        let (of, is_stored) = (watched.key(), watched.is_stored);
        match watched.expected().cloned() {
            Some(before) if before != after => {
                self.note_change(Change::Expected { of, before, after });
            }
            // One that is added with its amount is removed with it. One stands for all of a list, which would push out what can
            // be undone.
            None if is_stored && !matches!(self.changes.back(), Some(Change::FirstExpected(_))) => {
                self.note_change(Change::FirstExpected(of));
            }
            _ => {}
        }
    }

    fn note_change(&mut self, change: Change) {
        if self.changes.len() == UNDO_MAX {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    pub(super) fn remove(&mut self, keys: &[WatchKey], ctx: &mut UpdateContext<'_>) {
        let removed = self.take_off(keys, ctx);
        if !removed.is_empty() {
            self.note_change(Change::Removed(removed));
        }
    }

    /// Removes payments from the list; returns them with their places.
    fn take_off(
        &mut self,
        keys: &[WatchKey],
        ctx: &mut UpdateContext<'_>,
    ) -> Vec<(usize, Watched)> {
        let Some(first) = keys.first() else {
            return Vec::new();
        };
        let rows = self.rows(ctx.store);
        self.list.selected = self.place_of_selected(ctx.store, &rows);
        let chosen: HashSet<&WatchKey> = keys.iter().collect();
        let all = std::mem::take(&mut ctx.store.payments);
        let is_chosen = |(_, watched): &(usize, Watched)| chosen.contains(&watched.key());
        let (mut removed, left): (Vec<_>, Vec<_>) =
            all.into_iter().enumerate().partition(is_chosen);
        ctx.store.payments = left.into_iter().map(|(_, watched)| watched).collect();
        for (_, removed_payment) in &mut removed {
            let key = removed_payment.key();
            if let Some(request) = removed_payment.asking.take() {
                ctx.store.cancel(request, ctx.out);
            }
            ctx.store.dismiss(&removed_payment.about());
            ctx.out.push(Effect::Unwatch(key.clone()));
            self.off.retain(|(off, _)| *off != key);
            if self.off.len() == OFF_MAX {
                self.off.pop_front();
            }
            let state = removed_payment.latest().cloned();
            self.off.push_back((key.clone(), state));
            self.marked.remove(&key);
            self.leaving.insert(key);
        }
        if self.selected.as_ref().is_some_and(|key| keys.contains(key)) {
            self.selected = None;
        }
        let text = match keys.len() {
            1 => format!("{} is no longer watched", first.1),
            n => format!("{n} payments are no longer watched"),
        };
        ctx.store.flash(Level::Info, text);
        removed
    }

    pub(super) fn undo(&mut self, ctx: &mut UpdateContext<'_>) {
        match self.changes.pop_back() {
            Some(Change::Removed(removed)) => self.bring_back(removed, ctx),
            Some(Change::Added(mut keys)) => {
                let payments = &ctx.store.payments;
                keys.retain(|key| payments.iter().any(|watched| watched.is(key)));
                if self.take_off(&keys, ctx).is_empty() {
                    ctx.store.flash(Level::Info, NOTHING);
                }
            }
            Some(Change::Expected { of, before, after }) => {
                ctx.out.push(Effect::Expect {
                    new: NewWatch {
                        account: of.0.clone(),
                        id: of.1.clone(),
                        expected: Some(before),
                        by: ExpectedBy::Form,
                    },
                    shown: after,
                });
                self.undone.insert(of);
            }
            Some(Change::FirstExpected((_, id))) => {
                let key = ctx.view().key(Action::ExpectPayment);
                let text = format!("{id} keeps its expected amount; {key} changes it");
                ctx.flash(Level::Info, text);
            }
            None => ctx.store.flash(Level::Info, NOTHING),
        }
    }

    fn bring_back(&mut self, mut back: Vec<(usize, Watched)>, ctx: &mut UpdateContext<'_>) {
        // Skips payments that were added again since, and those of an account that was removed.
        let present: HashSet<WatchKey> = ctx.store.payments.iter().map(Watched::key).collect();
        back.retain(|(_, watched)| {
            let known = ctx.store.known(&watched.watch.account).is_some();
            known && !present.contains(&watched.key())
        });
        let text = match back.as_slice() {
            [] => NOTHING.into(),
            [(_, one)] => format!("{} is watched again", one.watch.id),
            all => format!("{} payments are watched again", all.len()),
        };
        // In the order of their places, so that each lands on its old place.
        for (at, mut watched) in back {
            let key = watched.key();
            self.off.retain(|(off, _)| *off != key);
            self.leaving.remove(&key);
            let unsaved = watched.unsaved.clone();
            let new = unsaved.unwrap_or_else(|| again(&watched.watch));
            ctx.out.push(Effect::Watch(new));
            watched.poll_soon(ctx.now);
            watched.is_stored = false;
            let at = at.min(ctx.store.payments.len());
            ctx.store.payments.insert(at, watched);
            self.selected = Some(key);
        }
        ctx.store.flash(Level::Info, text);
    }
}

/// Adds a removed payment again; the database still has its expected amount.
pub(super) fn again(watch: &Watch) -> NewWatch {
    NewWatch {
        account: watch.account.clone(),
        id: watch.id.clone(),
        expected: None,
        by: ExpectedBy::Form,
    }
}

pub(super) fn notice(about: &str, level: Level, text: String, ctx: &mut UpdateContext<'_>) {
    let about = about.to_owned();
    ctx.store.notice(Notice { level, about, text }, ctx.now);
}

/// Shows the expectation in force; one with the same amount stays, with its time and origin.
fn show_expectation(new: &NewWatch, in_force: Expectation, ctx: &mut UpdateContext<'_>) {
    if let Some(watched) = ctx.store.payment_mut(&new.account, &new.id)
        && watched.expected() != Some(&in_force.sum)
    {
        watched.watch.expected = Some(in_force);
        let about = watched.about();
        // What was said of it was measured against another amount.
        ctx.store.dismiss(&about);
    }
}
