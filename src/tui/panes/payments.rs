//! The watched payments: each one's state, its expected amount, and its progress. `watched` decides when
//! to poll.

mod checks;
mod detail;
mod receipt;
pub mod rows;
mod view;
mod watchlist;

use std::collections::{BTreeSet, HashSet, VecDeque};

use ratatui::text::Line;

use crate::domain::{Ability, AccountId, Answer, Payment, PaymentId, Secret};
use crate::tui::msg::WatchKey;
use crate::tui::overlays::{add_many, add_watch, expect_form, note_form, questions};
use crate::tui::pasted;
use crate::tui::prelude::*;
use crate::tui::store::Purpose;
use crate::tui::watched::Watched;
use crate::tui::widgets::filter::Filter;
use crate::tui::widgets::input::{Paste, first_line};
use crate::tui::widgets::widths::Widths;

use rows::Sort;
use watchlist::Change;

keys! {
    Action:
    PAYMENTS "Payments" keys [NAV, COLUMNS, GLOBAL] else "no payment is selected" {
        Check "check" ["c"] "check" "check the selected or marked payments";
        AddWatch "add" ["a"] "add" "watch a payment; paste adds several" else "no account has payments";
        PaymentTimeline "timeline" ["t" "enter"] "timeline" "show the payment's timeline";
        ExpectPayment "expect" ["e"] "expect" "set the expected amount";
        FilterPayments "filter-payments" ["/"] "filter" "filter by id, state, account, note" else "no payment is watched";
        RemoveWatch "remove" ["d"] "remove" "stop watching the selected or marked";
        UndoChange "undo" ["u"] "undo" "undo the last change of the list" else "the list was not changed";
        NotePayment "note" ["N"] "note" "add a note to the payment";
        MarkPayment "mark" ["space"] "mark" "mark or unmark the payment";
        CopyId "copy-id" ["y"] "copy id" "copy the payment ids";
        SortPayments "sort" ["s"] "sort" "change the sort order" else "no payment is watched";
        ClearSettled "clear-settled" ["x"] "clear" "remove settled payments" else "no payment is settled";
        CopyReceipt "copy-receipt" ["Y"] "receipt" "copy verdict, times and ids";
    }
}

/// Why a payment cannot be checked now.
pub const IS_CHECKED: &str = "a check is in progress";

/// The selection, the marks, the filter, and what was removed last.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub list: List,
    widths: Widths,
    /// Set once the operator selects a row: it stays selected when the order changes.
    selected: Option<WatchKey>,
    filter: Filter,
    sort: Sort,
    marked: BTreeSet<WatchKey>,
    /// What can be undone, the latest change last.
    changes: VecDeque<Change>,
    /// Payments whose expected amount is being changed back.
    undone: BTreeSet<WatchKey>,
    /// Removed by the operator, each with its state then. A callback adds one again once it has ended in another state.
    off: VecDeque<(WatchKey, Option<Payment>)>,
    /// Removed here, but the database has not confirmed it yet.
    leaving: BTreeSet<WatchKey>,
    /// Pasted payments whose expected amount differs from the pasted one.
    differing: Vec<String>,
}

impl State {
    /// The places in [`Store::payments`] of the shown rows, in their order.
    pub fn rows(&self, store: &Store) -> Vec<usize> {
        rows::order(store, self.filter.text(), self.sort)
    }

    fn place_of_selected(&self, store: &Store, rows: &[usize]) -> usize {
        let place = self.selected.as_ref().and_then(|key| {
            let mut all = rows.iter();
            all.position(|at| store.payments[*at].is(key))
        });
        place.unwrap_or(self.list.selected.min(rows.len().saturating_sub(1)))
    }

    fn place_in_store(&self, store: &Store) -> Option<usize> {
        let rows = self.rows(store);
        rows.get(self.place_of_selected(store, &rows)).copied()
    }

    pub fn selected<'a>(&self, store: &'a Store) -> Option<&'a Watched> {
        Some(&store.payments[self.place_in_store(store)?])
    }

    /// Selects a payment, and clears a filter that hides it.
    pub fn select(&mut self, account: &AccountId, id: &PaymentId, store: &Store) {
        let key = (account.clone(), id.clone());
        let rows = self.rows(store);
        // A row that stays hidden would look as if nothing had happened.
        if !rows.iter().any(|at| store.payments[*at].is(&key)) {
            self.filter.clear();
        }
        self.selected = Some(key);
    }

    fn report_sort(&self, ctx: &mut UpdateContext<'_>) {
        ctx.flash(Level::Info, format!("sorted: {}", self.sort.words()));
    }

    /// The payments that an action is about: the marked and visible ones, or the selected one where none is marked.
    fn chosen(&self, store: &Store) -> Vec<WatchKey> {
        if self.marked.is_empty() {
            self.selected(store).map(Watched::key).into_iter().collect()
        } else {
            self.marked_of(&self.rows(store), store)
        }
    }

    fn marked_of(&self, rows: &[usize], store: &Store) -> Vec<WatchKey> {
        let keys = rows.iter().map(|at| store.payments[*at].key());
        keys.filter(|key| self.marked.contains(key)).collect()
    }

    /// As [`Self::chosen`], with a notice where the filter hides all marked payments.
    fn chosen_or_warn(&self, ctx: &mut UpdateContext<'_>) -> Vec<WatchKey> {
        let chosen = self.chosen(ctx.store);
        if chosen.is_empty() && !self.marked.is_empty() {
            let text = "the filter hides all marked payments";
            ctx.store.flash(Level::Warning, text);
        }
        chosen
    }
}

impl Component for State {
    type Action = Action;

    fn scope(&self) -> &'static Scope {
        if self.filter.is_typed() {
            &FILTER
        } else {
            &PAYMENTS
        }
    }

    fn can(&self, action: Action, ctx: ViewContext<'_>) -> bool {
        let store = ctx.store;
        // A closure, because finding the selected payment sorts the list.
        let selected = || self.selected(store);
        let can = match action {
            Action::Check => match self.chosen(store).as_slice() {
                [one] => {
                    let mut all = store.payments.iter().filter(|it| it.is(one));
                    all.any(|watched| store.can_check(watched))
                }
                many => !many.is_empty(),
            },
            Action::RemoveWatch
            | Action::CopyId
            | Action::PaymentTimeline
            | Action::ExpectPayment
            | Action::NotePayment
            | Action::CopyReceipt
            | Action::MarkPayment => selected().is_some(),
            Action::UndoChange => !self.changes.is_empty(),
            Action::FilterPayments | Action::SortPayments => !store.payments.is_empty(),
            Action::ClearSettled => store.payments.iter().any(|w| rows::is_settled(w, store)),
            Action::AddWatch => store.any_can(Ability::Payments),
        };
        can && store.is_ready()
    }

    fn why_not(&self, action: Action, ctx: ViewContext<'_>) -> Option<&'static str> {
        let selected = self.selected(ctx.store)?;
        let is_checked = action == Action::Check && selected.asking.is_some();
        is_checked.then_some(IS_CHECKED)
    }

    fn act(&mut self, action: Action, ctx: &mut UpdateContext<'_>) {
        if action != Action::FilterPayments && !ctx.is_ready() {
            return;
        }
        match action {
            Action::FilterPayments if ctx.store.payments.is_empty() => {
                // Before the start, the payments are not loaded: a notice says so.
                ctx.is_ready();
            }
            Action::FilterPayments => self.filter.open("id, state, verdict, account or note"),
            Action::AddWatch => {
                let is_found = self.selected(ctx.store).is_some();
                open_form(if is_found { "" } else { self.filter.text() }, ctx);
            }
            Action::PaymentTimeline => {
                if let Some(key) = self.selected(ctx.store).map(Watched::key) {
                    ctx.open_timeline(key.0, key.1);
                }
            }
            Action::ExpectPayment => {
                if let Some(form) = self.selected(ctx.store).map(expect_form::State::of) {
                    ctx.open(form);
                }
            }
            Action::NotePayment => {
                if let Some(of) = self.selected(ctx.store).map(Watched::key) {
                    ctx.open(note_form::State::of(of));
                }
            }
            Action::CopyReceipt => {
                if let Some(watched) = self.selected(ctx.store) {
                    let text = Secret::new(receipt::receipt(watched, ctx.store, ctx.now));
                    ctx.copy(text, "the receipt");
                }
            }
            Action::Check => match self.chosen_or_warn(ctx).as_slice() {
                [one] => {
                    let mut all = ctx.store.payments.iter();
                    if let Some(at) = all.position(|watched| watched.is(one)) {
                        ctx.store.check(at, false, ctx.out);
                    }
                }
                // Through the poll queue, a few at a time: the operator's next request must not wait behind them.
                many => {
                    let keys: HashSet<&WatchKey> = many.iter().collect();
                    for at in 0..ctx.store.payments.len() {
                        let watched = &ctx.store.payments[at];
                        if !keys.contains(&watched.key()) {
                            continue;
                        }
                        // One in the background that waits makes way.
                        let waiting = watched.asking.filter(|_| ctx.store.can_check(watched));
                        if let Some(request) = waiting {
                            ctx.store.cancel(request, ctx.out);
                        }
                        ctx.store.payments[at].poll_now();
                    }
                }
            },
            Action::MarkPayment => {
                if let Some(key) = self.selected(ctx.store).map(Watched::key)
                    && !self.marked.remove(&key)
                {
                    self.marked.insert(key);
                }
                let rows = self.rows(ctx.store);
                let next = self.place_of_selected(ctx.store, &rows) + 1;
                if let Some(next) = rows.get(next) {
                    self.selected = Some(ctx.store.payments[*next].key());
                }
            }
            Action::CopyId => {
                let chosen = self.chosen_or_warn(ctx);
                let ids: Vec<&str> = chosen.iter().map(|(_, id)| id.as_str()).collect();
                let what = match ids.len() {
                    0 => return,
                    1 => "the payment id",
                    _ => "the marked payments' ids",
                };
                let text = Secret::new(ids.join("\n"));
                ctx.copy(text, what);
            }
            Action::SortPayments => {
                self.sort = self.sort.next();
                self.report_sort(ctx);
            }
            Action::RemoveWatch => {
                let chosen = self.chosen_or_warn(ctx);
                self.remove(&chosen, ctx);
            }
            Action::ClearSettled => {
                let all = ctx.store.payments.iter();
                let settled = all.filter(|w| rows::is_settled(w, ctx.store));
                let settled: Vec<WatchKey> = settled.map(Watched::key).collect();
                self.remove(&settled, ctx);
            }
            Action::UndoChange => self.undo(ctx),
        }
    }

    fn command(&self, ctx: ViewContext<'_>) -> Option<String> {
        let chosen = self.chosen(ctx.store);
        let Some((account, _)) = chosen.first() else {
            return Some(ctx.own_command(["payments", "list"]));
        };
        // One command has one account.
        let same = chosen.iter().filter(|(its, _)| its == account);
        let ids = same.map(|(_, id)| id.as_str());
        let arguments = ["check", "--account", account.as_str()].into_iter();
        Some(ctx.own_command(arguments.chain(ids)))
    }

    fn selected_name(&self, _store: &Store) -> Option<String> {
        let (account, id) = self.selected.as_ref()?;
        Some(format!("{account}/{id}"))
    }

    fn select_name(&mut self, name: &str, store: &mut Store) -> bool {
        let named = |watched: &&Watched| {
            let (account, id) = watched.key();
            format!("{account}/{id}") == name
        };
        let found = store.payments.iter().find(named);
        if let Some(watched) = found {
            self.selected = Some(watched.key());
        }
        found.is_some()
    }

    fn widths(&mut self) -> Option<&mut Widths> {
        Some(&mut self.widths)
    }

    fn filter(&mut self) -> Option<&mut Filter> {
        Some(&mut self.filter)
    }

    fn step(&mut self, step: Step, ctx: &mut UpdateContext<'_>) {
        self.list.go(step);
        self.pick(self.list.selected, ctx);
    }

    fn order(&self) -> Option<String> {
        (self.sort != Sort::default()).then(|| self.sort.words())
    }

    fn set_order(&mut self, name: &str) {
        self.sort = Sort::of(name).unwrap_or_default();
    }

    fn pick_column(&mut self, column: &'static str, ctx: &mut UpdateContext<'_>) {
        self.widths.pick(column);
        self.sort = self.sort.by_column(column);
        self.report_sort(ctx);
    }

    fn pick(&mut self, row: usize, ctx: &mut UpdateContext<'_>) {
        let rows = self.rows(ctx.store);
        let at = rows.get(row);
        self.selected = at.map(|at| ctx.store.payments[*at].key());
    }

    fn paste(&mut self, text: &str, ctx: &mut UpdateContext<'_>) -> Paste {
        if self.filter.is_typed() {
            return self.filter.paste(text);
        }
        let (id, more) = first_line(text);
        if !ctx.store.is_ready() || id.is_empty() {
            return Paste::Refused;
        }
        if let Some(pasted) = pasted::read(text) {
            add_many::watch(pasted, None, ctx);
            return Paste::Whole;
        }
        open_form(id, ctx);
        if more { Paste::FirstLine } else { Paste::Whole }
    }

    /// Scrolls so that the selected row stays visible after the list or its order changed.
    fn fit(&mut self, ctx: &mut UpdateContext<'_>) {
        let store = &mut *ctx.store;
        let rows = self.rows(store);
        let height = self.parts(ctx.area, rows.len()).list.height;
        self.list.selected = self.place_of_selected(store, &rows);
        self.list.fit(rows.len(), height);
        let at = rows.get(self.list.selected);
        let key = at.map(|at| store.payments[*at].key());
        store.selected_payment.clone_from(&key);
        // Without a selection by the operator the first row is selected: it is the one that needs attention. What a filter
        // hides is selected again after it.
        let is_chosen = self.selected.is_some() || self.list.selected > 0;
        if is_chosen && !self.filter.is_active() {
            self.selected = key;
        }
        // A mark of a removed payment would count in "2 of 3 marked". Before the list is read, none is known to be removed.
        if store.is_ready() && !store.is_unread {
            let all = &store.payments;
            self.marked
                .retain(|key| all.iter().any(|watched| watched.is(key)));
        }
    }

    fn on_event(&mut self, event: Event<'_>, ctx: &mut UpdateContext<'_>) {
        let (msg, asked) = match event {
            Event::Message(msg, asked) => (msg, asked),
            Event::Cancelled { asked, .. } => {
                if let Purpose::Check(id) = &asked.purpose
                    && let Some(watched) = ctx.store.payment_mut(&asked.account, id)
                {
                    watched.cancelled(ctx.now);
                }
                return;
            }
            Event::Reopened => {
                // Their responses are lost.
                self.leaving.clear();
                self.undone.clear();
                return;
            }
        };
        match msg {
            Msg::Answered(_, Answer::Payment(result)) => {
                if let Some(asked) = asked
                    && let Purpose::Check(id) = &asked.purpose
                {
                    let key = (asked.account.clone(), id.clone());
                    checks::checked(&key, result.clone(), ctx);
                }
            }
            Msg::Checked(checked) => self.checked_after_callback(checked, ctx),
            Msg::Notice(notice) if notice.is_ledger_back() => Self::save_again(ctx),
            Msg::Ready(_) => Self::save_again(ctx),
            Msg::Exchange(exchange) => {
                if let Some(watched) = ctx.store.watched_of(exchange) {
                    watched.checked_here(exchange);
                }
            }
            Msg::Shared {
                exchanges,
                observations,
                ..
            } => checks::shared(exchanges, observations, ctx),
            Msg::Watchlist { list, seen } => self.listed(list.clone(), seen, ctx),
            // A removal was saved, or failed: from now on the stored list is right.
            Msg::Unwatched(key) => {
                self.leaving.remove(key);
            }
            Msg::Watched(new, result) => {
                let Some(current) = self.watched(new, result, ctx) else {
                    return;
                };
                if ctx.is_top {
                    ctx.open(questions::expect(new.clone(), &current, ctx.now, ctx.store));
                } else {
                    let text = format!(
                        "{} still expects {}; the amount you typed is not saved",
                        new.id, current.sum
                    );
                    ctx.flash(Level::Warning, text);
                }
            }
            _ => {}
        }
    }

    fn on_intent(&mut self, intent: Intent, ctx: &mut UpdateContext<'_>) {
        match intent {
            Intent::ShowPayment((account, id)) => self.select(&account, &id, ctx.store),
            Intent::Watch(new) => self.watch(new, ctx),
            Intent::WatchMany(account, pasted) => self.watch_all(&account, pasted, ctx),
            _ => {}
        }
    }

    fn cancel(&mut self, ctx: &mut UpdateContext<'_>) -> bool {
        // Marks first: the console checks payments all the time, so Esc would almost always cancel a check instead.
        if !std::mem::take(&mut self.marked).is_empty() {
            return true;
        }
        let at = self.place_in_store(ctx.store);
        let request = at.and_then(|at| ctx.store.payments[at].asking);
        if let Some(request) = request {
            ctx.console.push(Command::Cancel(request));
            return true;
        }
        self.filter.clear()
    }

    fn undoes(&self) -> Option<&'static str> {
        let filter = self.filter.undoes();
        let marks = (!self.marked.is_empty()).then_some("unmarks");
        marks.or(filter)
    }

    fn note(&self, ctx: ViewContext<'_>, room: u16) -> Option<Line<'static>> {
        self.totals(ctx, room)
    }

    fn view(&self, ctx: ViewContext<'_>, area: Rect, buf: &mut Buffer) -> Option<Position> {
        self.draw(ctx, area, buf)
    }
}

fn open_form(id: &str, ctx: &mut UpdateContext<'_>) {
    let (accounts, at) = ctx.store.accounts_with(Ability::Payments);
    if accounts.is_empty() {
        ctx.store.none_can(Ability::Payments);
    } else {
        ctx.open(add_watch::State::of(accounts, at, id));
    }
}
